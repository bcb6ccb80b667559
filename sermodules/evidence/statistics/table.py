"""The table of scores: what it must hold, one value a speaker, each configuration described by itself."""

import numpy as np
import pandas as pd

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.tests import bootstrap_interval
from sermodules.evidence.statistics.trainings import clustered_t

#: Columns of a table of scores.
COLUMNS = ("configuration", "fold", "speaker", "seed", "uar")

#: Speakers from which on `summary` gives an interval: with fewer the bootstrap can reach no 95 %, only from least to most.
FEWEST_SPEAKERS = 6


def check(scores):
    """Refuse what is not a table of scores."""
    missing = [name for name in COLUMNS if name not in scores.columns]
    if missing:
        raise SermodulesError(f"scores lack the column(s) {', '.join(missing)}: they need {', '.join(COLUMNS)}")
    if scores.empty:
        raise SermodulesError("scores have no row: run the study first")
    bad = scores[~scores["uar"].between(0, 100)]
    if len(bad):
        raise SermodulesError(f"{len(bad)} UAR(s) are not between 0 and 100 %, the first in {_cell(bad.iloc[0])}")
    if 0 < scores["uar"].max() <= 1:
        raise SermodulesError("all UARs are at most 1: they look like shares. Multiply them by 100.")
    twice = scores[scores.duplicated(["configuration", "speaker", "seed"])]
    if len(twice):
        raise SermodulesError(
            f"scores hold a speaker of a configuration and seed twice: {_cell(twice.iloc[0])}. Keep one of the rows."
        )


def _cell(row):
    return f"{row['configuration']}, fold {row['fold']}, speaker {row['speaker']}, seed {row['seed']}"


def configurations(scores):
    """Return the names of the configurations, in order of first appearance."""
    return list(scores["configuration"].drop_duplicates())


def known(scores, name):
    """Refuse the name of a configuration that the scores do not hold."""
    names = configurations(scores)
    if name not in names:
        raise SermodulesError(f"no configuration {name!r} in the scores: there are {', '.join(map(repr, names))}")


def in_order(scores):
    """Return the speakers in the order of their folds, or of their names where anyone is in different folds."""
    pairs = scores[["fold", "speaker"]].drop_duplicates()
    by = ["speaker"] if pairs["speaker"].duplicated().any() else ["fold", "speaker"]
    return pairs.sort_values(by)["speaker"].drop_duplicates().tolist()


def shared_trainings(scores):
    """Say which training tested each row, where a training tests groups of speakers.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.

    Returns
    -------
    pandas.Series or None
        Indexed by speaker and seed. None where every fold tests one speaker: then the unit of inference is the speaker. By
        the column ``held_out`` if it is there (two groups that validate each other share a training), else by the fold.
    """
    if scores.groupby(["configuration", "fold", "seed"])["speaker"].nunique().max() < 2:
        return None
    tested = scores["held_out" if "held_out" in scores else "fold"].astype(str)
    named = tested.str.cat(scores["seed"].astype(str), sep=", seed ")
    return scores.assign(training=named).drop_duplicates(["speaker", "seed"]).set_index(["speaker", "seed"])["training"]


def by_speaker(scores):
    """Average the seeds of each speaker.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.

    Returns
    -------
    pandas.DataFrame, shape (speakers, configurations)
        UAR (%). In the order of the folds, or of the names where seeds have other groups, configurations in order of first
        appearance; NaN where a configuration has no run.

    Raises
    ------
    SermodulesError
        If a column is missing, a speaker is there twice in a configuration and seed, or a UAR is not in %.
    """
    check(scores)
    means = scores.groupby(["speaker", "configuration"])["uar"].mean().unstack()
    return means.loc[in_order(scores), configurations(scores)]


def summary(scores, seed=0):
    """Describe each configuration by itself.

    See chapter "How sure can we be?".

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a configuration, in order of first appearance:

        - ``configuration``; ``mean`` UAR over the speakers (%), each the mean of its seeds;
        - ``sd_population`` and ``sd_sample``: SD over the speakers, divided by n and by n - 1. The paper's ± is the first;
        - ``sd_seeds``: sample SD over the seeds of the mean over the speakers: how much the headline figure moves when
          everything is run again. Only seeds that have all of the configuration's speakers;
        - ``sd_within``: root mean square over the speakers of the sample SD over the seeds: how much one run moves;
        - ``low``, ``high``: 95 % bootstrap interval of the mean over speakers; where groups of speakers are tested by one
          training, that of `clustered_t`;
        - ``speakers``, ``seeds``, ``rows``: how many there are. A row is a run where a fold tests one speaker.

        NaN where there are too few speakers or seeds.

    Raises
    ------
    SermodulesError
        As `by_speaker`.

    Examples
    --------
    Two speakers with the means 62 and 64. Seed 1 has the mean 62, seed 2 has 64. For an interval there are too few speakers.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> rows = [("new", 1, "F1", 1, 61), ("new", 1, "F1", 2, 63), ("new", 2, "M1", 1, 63), ("new", 2, "M1", 2, 65)]
    >>> scores = pd.DataFrame(rows, columns=statistics.COLUMNS)
    >>> statistics.summary(scores)[["mean", "sd_population", "sd_sample", "sd_seeds", "low", "high"]].round(2)
       mean  sd_population  sd_sample  sd_seeds  low  high
    0  63.0            1.0       1.41      1.41  NaN   NaN
    """
    means = by_speaker(scores)
    rows = []
    for name, runs in scores.groupby("configuration", sort=False):
        values = means[name].dropna()
        low, high = _interval(runs, values, seed) if len(values) >= FEWEST_SPEAKERS else (np.nan, np.nan)
        grid = runs.pivot(index="speaker", columns="seed", values="uar")
        rows.append(
            {
                "configuration": name,
                "mean": values.mean(),
                "sd_population": values.std(ddof=0),
                "sd_sample": values.std(ddof=1),
                "sd_seeds": grid.dropna(axis="columns").mean().std(ddof=1),
                "sd_within": np.sqrt(grid.var(axis="columns", ddof=1).mean()),
                "low": low,
                "high": high,
                "speakers": len(values),
                "seeds": grid.shape[1],
                "rows": len(runs),
            }
        )
    return pd.DataFrame(rows)


def _interval(runs, values, seed):
    """Return the interval of the mean of one configuration."""
    shared = shared_trainings(runs)
    if shared is None:
        return bootstrap_interval(values, seed)
    found = clustered_t(with_trainings(runs.set_index(["speaker", "seed"])["uar"], shared))
    return found.low, found.high


def with_trainings(values, shared):
    """Return what `clustered_t` takes, from values and trainings that are indexed by speaker and seed."""
    frame = pd.DataFrame({"difference": values, "training": shared.reindex(values.index)})
    return frame.dropna(subset="difference").reset_index()


def paired_differences(scores, reference, other):
    """Subtract the reference from another configuration, speaker by speaker and seed by seed, then average the seeds.

    A row has a partner if the other configuration has the same speaker and seed. Rows without one are left out.

    See chapter "How sure can we be?".

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.
    reference : str or float
        A configuration, or a fixed UAR (%) such as that of guessing.
    other : str
        A configuration.

    Returns
    -------
    pandas.DataFrame
        One row a speaker who has at least one pair: ``speaker, difference`` (points, the mean over the seeds) and ``seeds``
        (pairs of this speaker).

    Raises
    ------
    SermodulesError
        As `by_speaker`; also if a configuration is not there, or both are the same.

    Examples
    --------
    One speaker, two seeds: the mean of 60 - 50 and 56 - 54.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> rows = [("old", 1, "F1", 1, 50), ("old", 1, "F1", 2, 54), ("new", 1, "F1", 1, 60), ("new", 1, "F1", 2, 56)]
    >>> scores = pd.DataFrame(rows, columns=statistics.COLUMNS)
    >>> statistics.paired_differences(scores, "old", "new")
      speaker  difference  seeds
    0      F1         6.0      2
    """
    return speakers_of(run_differences(scores, reference, other))


def run_differences(scores, reference, other):
    """Return a Series of differences (points), indexed by speaker and seed."""
    check(scores)
    known(scores, other)
    if reference == other:
        raise SermodulesError(f"cannot compare {other!r} with itself: choose another reference")
    runs = scores.pivot(index=["speaker", "seed"], columns="configuration", values="uar")
    places = {speaker: place for place, speaker in enumerate(in_order(scores))}
    runs = runs.loc[sorted(runs.index, key=lambda key: (places[key[0]], key[1]))]
    if isinstance(reference, str):
        known(scores, reference)
        return (runs[other] - runs[reference]).dropna()
    return (runs[other] - float(reference)).dropna()


def speakers_of(differences):
    """Average the differences over the seeds: return the rows of `paired_differences`."""
    speakers = differences.groupby("speaker", sort=False).agg(["mean", "count"]).reset_index()
    return speakers.rename(columns={"mean": "difference", "count": "seeds"})
