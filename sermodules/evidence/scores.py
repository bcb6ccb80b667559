"""The scores of a study's runs as one table: what `report`, `statistics` and `claims` read."""

import numpy as np
import pandas as pd

from sermodules import metrics
from sermodules.config import words


def from_results(results):
    """Make a table of scores.

    See chapter "The verdict".

    Parameters
    ----------
    results : iterable of RunResult
        Finished runs, in any order; their configurations may differ in anything.

    Returns
    -------
    pandas.DataFrame
        One row a run and speaker who was tested: a row a run where folds are single speakers.

        - ``corpus`` (as `words.corpus_name` gives it), ``preset``, ``model``, ``attention``, ``gender``, ``fold``, ``seed``;
        - ``settings``: what else differs from the preset and the model, and whether the corpus was not the full one, as text,
          empty if nothing does;
        - ``speaker``: who was tested; ``uar``, ``wa`` in %, of this speaker alone;
        - ``recall_<class>`` and ``<class>_as_neutral``: % of the class's utterances; NaN where the speaker has none;
        - ``held_out``: the speakers whom the training did not hear, tested or validating. Rows of one configuration and seed
          in which it is equal were tested by the epochs of one training;
        - ``parameters``, ``seconds`` (training and prediction; NaN if not known) and ``run``, the run's id.

    Examples
    --------
    A run is made by `sermodules.runs`; this one, of two sad utterances and a happy one, is typed.

    >>> from sermodules import metrics
    >>> from sermodules.config import RunConfig
    >>> from sermodules.evidence import scores
    >>> from sermodules.runs import RunResult
    >>> found = metrics.summarise(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy"])
    >>> run = RunResult(RunConfig.create(), None, None, found | {"test_speaker": "F1"}, {})
    >>> scores.from_results([run])[["model", "fold", "speaker", "uar", "recall_sad", "recall_happy"]]
        model  fold speaker   uar  recall_sad  recall_happy
    0  model2     1      F1  75.0        50.0         100.0
    """
    return pd.DataFrame([_row(result, *found) for result in results for found in result.metrics_by_speaker.items()])


def _row(result, speaker, found):
    config, run = result.config, result.metrics
    row = {name: getattr(config, name) for name in ("preset", "model", "attention", "gender", "fold", "seed")}
    row |= {
        "corpus": words.corpus_name(config.corpus),
        "settings": ", ".join(filter(None, [words.settings(config), _incomplete(result)])),
        "speaker": speaker,
    }
    counts = pd.DataFrame(found["confusion"], run["classes"], run["classes"], dtype=float)
    for name, score in metrics.SCORES.items():  # a run that is older than a score has none stored
        row[name] = 100 * (found[name] if name in found else score(counts))
    totals = counts.sum(axis=1)
    shares = 100 * counts.div(totals.where(totals > 0), axis=0)
    row |= {f"recall_{name}": shares.loc[name, name] for name in shares.index}
    if "neutral" in shares:
        row |= {f"{name}_as_neutral": shares.loc[name, "neutral"] for name in shares.index if name != "neutral"}
    seconds = result.provenance.get("seconds")
    row |= {"parameters": run.get("parameters", np.nan), "seconds": sum(seconds.values()) if seconds else np.nan}
    return row | {"held_out": _held_out(run), "run": config.run_id}


def _incomplete(result):
    """Say that a run read a copy that is not the full corpus; "" if nothing is known of that."""
    return "incomplete corpus" if result.provenance.get("corpus_lacks") else ""


def _held_out(run):
    """Name the speakers whom a run's training did not hear."""
    if "test_speaker" in run:
        names = {run["test_speaker"], run.get("validation_speaker", run["test_speaker"])}
    else:
        names = {*run["test_speakers"], *run["validation_speakers"]}
    return ", ".join(sorted(names))
