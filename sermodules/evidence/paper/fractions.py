"""The WA values of Table 1 as fractions: which can be a whole number of utterances out of a speaker's.

A match is consistent with a run on that speaker. It proves nothing.
"""

import math

import numpy as np
import pandas as pd

from sermodules.evidence.paper import tables
from sermodules.evidence.paper.recomputed import cut, truncated


def _count(printed, n):
    """Return the whole k for which 100 k / n is printed as `printed` (rounded or truncated), or None."""
    for k in (math.floor(printed * n / 100), math.ceil(printed * n / 100)):
        if cut(100 * k / n, printed):
            return k
    return None


def wa_as_fractions():
    """Find the WA values of Table 1 that are a whole number of utterances out of one speaker's utterances.

    The WA of one run on one speaker with n utterances is k/n. A figure with two decimals that is no such fraction cannot be
    that. This is the GRIM test of Brown and Heathers.

    A match is consistent with a single run on that speaker. It proves nothing: see `wa_matches_by_chance` for how often a
    match comes by chance. Values that end in 0 may have been rounded to one decimal; for them a missing match says little.

    See chapter "The paper".

    Returns
    -------
    pandas.DataFrame
        One row a model, fold and speaker of the fold's session that matches: ``model, fold, session, labelled`` (gender of
        the speaker that Table 1 names), ``printed, speaker`` (gender of the one that matches), ``n, k, wa`` (100 k / n),
        ``cut`` (how `wa` was cut to two decimals).

    References
    ----------
    Brown, Heathers, "The GRIM test: a simple technique detects numerous anomalies in the reporting of results in psychology",
    Social Psychological and Personality Science 8(4), 2017, 363-369.

    Examples
    --------
    Model 1's 52.19 % on the man of session 1: he has 205 utterances, and 107 of them are 52.195 %.

    >>> from sermodules.evidence import paper
    >>> paper.wa_as_fractions().loc[[1], ["fold", "printed", "speaker", "n", "k", "cut"]]
       fold  printed speaker    n    k        cut
    1     2    52.19    male  205  107  truncated
    """
    sizes = tables.UTTERANCES.sum(axis=1)
    rows = []
    for model in tables.MODELS:
        for row in tables.TABLE1.itertuples():
            printed = getattr(row, f"{model}_wa")
            for speaker, n in sizes[row.session].items():
                if (k := _count(printed, n)) is not None:
                    wa = 100 * k / n
                    rows.append(
                        (model, row.fold, row.session, row.gender, printed, speaker, n, k, wa, cut(wa, printed))
                    )
    return pd.DataFrame(
        rows, columns=["model", "fold", "session", "labelled", "printed", "speaker", "n", "k", "wa", "cut"]
    )


def fraction_share(*sizes, low=40, high=80):
    """Return the share of all values with two decimals that are a whole fraction of one of `sizes`.

    Parameters
    ----------
    *sizes : int
        Numbers of utterances.
    low, high : int
        The values run from `low` (%) up to, but not including, `high`.

    Returns
    -------
    float
        Between 0 and 1: how often `wa_as_fractions` would match a value drawn at random.
    """
    shares = np.concatenate([100 * np.arange(n + 1) / n for n in sizes])
    printed = {round(share, 2) for share in shares} | {truncated(share) for share in shares}
    return sum(low <= value < high for value in printed) / (100 * (high - low))


def wa_matches_by_chance():
    """Count the matches of `wa_as_fractions` beside those that chance would give.

    See chapter "The paper".

    Returns
    -------
    pandas.DataFrame
        One row a model: ``matched`` (folds of ten whose WA matches a speaker of the session), ``other_speaker`` (of these,
        those that match only the speaker that the row does not name), ``expected`` (folds that would match if the WA were any
        value with two decimals from 40 to 80, see `fraction_share`), ``p`` (probability of at least as many matches then).

    Examples
    --------
    Chance would give less than one match a model.

    >>> from sermodules.evidence import paper
    >>> paper.wa_matches_by_chance()[["matched", "other_speaker", "expected"]].round(2)
            matched  other_speaker  expected
    model
    model1        9              4      0.67
    model2        3              0      0.67
    """
    sizes = tables.UTTERANCES.sum(axis=1)
    shares = [fraction_share(*sizes[session]) for session in tables.TABLE1["session"]]
    found = wa_as_fractions()
    chance = np.array([1.0])  # probability of 0, 1, ... matches
    for share in shares:
        chance = np.convolve(chance, [1 - share, share])
    rows = {}
    for model in tables.MODELS:
        mine = found[found["model"] == model]
        matched = mine["fold"].nunique()
        own = mine.loc[mine["speaker"] == mine["labelled"], "fold"].nunique()
        rows[model] = (matched, matched - own, sum(shares), chance[matched:].sum())
    return pd.DataFrame(
        rows.values(), index=pd.Index(rows, name="model"), columns=["matched", "other_speaker", "expected", "p"]
    )


def wa_as_means(seeds=tables.SEEDS):
    """Say which WA values of Table 1 can be the mean of several runs on the speaker that the row names.

    The mean of s runs on a speaker with n utterances is k / (s n) for a whole k. This too is the GRIM test (see
    `wa_as_fractions`). It is weaker, as more values are possible; and it holds for these numbers of utterances only.

    See chapter "The paper".

    Parameters
    ----------
    seeds : int
        Runs that were averaged, s.

    Returns
    -------
    pandas.DataFrame
        One row a model and fold: ``model, fold, session, gender, n, printed, possible`` and ``ends_in_zero``, true where the
        value may have been rounded to one decimal, so that not much follows if it is not possible.

    Examples
    --------
    Of ten values a model, so many can be the mean of five runs.

    >>> from sermodules.evidence import paper
    >>> paper.wa_as_means().groupby("model")["possible"].sum().to_dict()
    {'model1': 7, 'model2': 3}
    """
    sizes = tables.UTTERANCES.sum(axis=1)
    rows = []
    for model in tables.MODELS:
        for row in tables.TABLE1.itertuples():
            n, printed = sizes[row.session, row.gender], getattr(row, f"{model}_wa")
            zero = f"{printed:.2f}".endswith("0")
            rows.append(
                (model, row.fold, row.session, row.gender, n, printed, _count(printed, seeds * n) is not None, zero)
            )
    return pd.DataFrame(
        rows, columns=["model", "fold", "session", "gender", "n", "printed", "possible", "ends_in_zero"]
    )
