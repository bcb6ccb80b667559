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
        One row a run:

        - ``corpus`` (as `words.corpus_name` gives it), ``preset``, ``model``, ``attention``, ``gender``, ``fold``, ``seed``;
        - ``settings``: what else differs from the preset and the model, as text, empty if nothing does;
        - ``speaker``: who was tested; ``uar``, ``wa`` in %;
        - ``recall_<class>`` and ``<class>_as_neutral``: % of the class's utterances; NaN where the speaker has none;
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
    return pd.DataFrame([_row(result) for result in results])


def _row(result):
    config, found = result.config, result.metrics
    row = {name: getattr(config, name) for name in ("preset", "model", "attention", "gender", "fold", "seed")}
    row |= {
        "corpus": words.corpus_name(config.corpus),
        "settings": words.settings(config),
        "speaker": found["test_speaker"],
    }
    counts = pd.DataFrame(found["confusion"], found["classes"], found["classes"], dtype=float)
    for name, score in metrics.SCORES.items():  # a run that is older than a score has none stored
        row[name] = 100 * (found[name] if name in found else score(counts))
    totals = counts.sum(axis=1)
    shares = 100 * counts.div(totals.where(totals > 0), axis=0)
    row |= {f"recall_{name}": shares.loc[name, name] for name in shares.index}
    if "neutral" in shares:
        row |= {f"{name}_as_neutral": shares.loc[name, "neutral"] for name in shares.index if name != "neutral"}
    seconds = result.provenance.get("seconds")
    row |= {"parameters": found.get("parameters", np.nan), "seconds": sum(seconds.values()) if seconds else np.nan}
    return row | {"run": config.run_id}
