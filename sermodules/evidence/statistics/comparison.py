"""Configurations against a reference: all tests in one row each, and Holm's correction for the number of rows."""

import numpy as np
import pandas as pd

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import EQUAL, ROPE
from sermodules.evidence.statistics.table import (
    check,
    configurations,
    run_differences,
    shared_trainings,
    speakers_of,
    with_trainings,
)
from sermodules.evidence.statistics.tests import (
    bayesian_correlated_t,
    bootstrap_interval,
    corrected_t,
    sign_flip,
    wilcoxon,
)
from sermodules.evidence.statistics.trainings import clustered_t

#: The columns of `compare` that tests fill.
TESTS = (
    "low", "high", "p", "bootstrap_low", "bootstrap_high", "p_sign_flip", "p_wilcoxon", "worse", "same", "better",
)  # fmt: skip


def compare(scores, reference, others=None, rope=ROPE, correlation=None, seed=0):
    """Compare configurations with a reference, paired over speakers and seeds.

    See chapter "How sure can we be?".

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.
    reference : str or float
        A configuration, or a fixed UAR (%) such as that of guessing.
    others : list of str, optional
        Configurations; all but the reference unless given. Together they are the family that Holm's correction counts,
        so name all that a conclusion chooses from.
    rope : float
        Region of practical equivalence (points).
    correlation : float, optional
        Of two speakers, as in `corrected_t`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a comparison:

        - ``configuration``, ``reference``; ``difference``: the mean over the speakers (points);
        - ``low``, ``high``, ``p``: 95 % interval and p-value of the corrected t-test, the primary test;
        - ``p_holm``: that p-value after Holm's correction over the rows of this table (Holm 1979, "A simple
          sequentially rejective multiple test procedure"). A comparison without a p-value counts too;
        - ``bootstrap_low``, ``bootstrap_high``: 95 % bootstrap interval over speakers;
        - ``p_sign_flip``, ``p_wilcoxon``: secondary tests, not corrected for anything;
        - ``worse``, ``same``, ``better``: probabilities of the Bayesian correlated t-test;
        - ``speakers`` who have a pair of runs, ``speakers_better`` of them with a difference above 0; ``seeds``: the fewest
          pairs of a speaker; ``pairs`` in all; ``unpaired``: rows left out because they have no partner.

        NaN where fewer than two speakers have a pair, or all differences are equal. Where folds test groups of speakers, one
        training tests many: then interval and p-value are those of `clustered_t`, and the columns of the other tests, which
        take speakers as independent, are NaN.

    Raises
    ------
    SermodulesError
        As `paired_differences`; also if there is nothing to compare.

    Examples
    --------
    Three configurations against the old one, on five speakers. Holm's correction takes the smallest p-value three times, the
    next one twice, the largest as it is.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> uar = {"old": [60] * 5, "A": [60, 62, 63, 64, 66], "B": [63, 65, 66, 67, 69], "C": [64, 66, 67, 68, 70]}
    >>> rows = [(name, fold, f"s{fold}", 1, value) for name in uar for fold, value in enumerate(uar[name], 1)]
    >>> scores = pd.DataFrame(rows, columns=statistics.COLUMNS)
    >>> statistics.compare(scores, "old")[["configuration", "difference", "p", "p_holm"]].round(3)
      configuration  difference      p  p_holm
    0             A         3.0  0.116   0.116
    1             B         6.0  0.016   0.032
    2             C         7.0  0.010   0.029
    """
    check(scores)
    others = [name for name in configurations(scores) if name != reference] if others is None else list(others)
    if not others:
        raise SermodulesError(f"nothing to compare with {reference!r}: the scores hold no other configuration")
    table = pd.DataFrame([_comparison(scores, reference, other, rope, correlation, seed) for other in others])
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"]))
    return table


def _comparison(scores, reference, other, rope, correlation, seed):
    """Return a row of `compare`, but for ``p_holm``, which takes all rows."""
    runs = run_differences(scores, reference, other)
    speakers = speakers_of(runs)
    values = speakers["difference"]
    involved = scores["configuration"].isin([reference, other])
    partners = 2 if isinstance(reference, str) else 1
    shared = shared_trainings(scores[scores["configuration"] == other])
    tests = _tests(values, rope, correlation, seed) if shared is None else _clustered(with_trainings(runs, shared))
    return {
        "configuration": other,
        "reference": reference,
        "difference": values.mean(),
        **tests,
        "speakers": len(speakers),
        "speakers_better": int((values > EQUAL).sum()),
        "seeds": int(speakers["seeds"].min()) if len(speakers) else 0,
        "pairs": len(runs),
        "unpaired": int(involved.sum()) - partners * len(runs),
    }


def _tests(values, rope, correlation, seed):
    """Return the columns of the tests, where each speaker was tested by itself."""
    if len(values) < 2:
        return dict.fromkeys(TESTS, np.nan)
    test, posterior = corrected_t(values, correlation), bayesian_correlated_t(values, rope, correlation)
    found = (test.low, test.high, test.p, *bootstrap_interval(values, seed), sign_flip(values), wilcoxon(values))
    found = dict(zip(TESTS, (*found, posterior.worse, posterior.same, posterior.better), strict=True))
    return {"difference": test.mean} | found


def _clustered(differences):
    """Return the columns of the tests, where trainings tested groups: NaN for tests that take speakers as independent."""
    if differences["speaker"].nunique() < 2 or differences["training"].nunique() < 2:
        return dict.fromkeys(TESTS, np.nan)
    found = clustered_t(differences)
    return dict.fromkeys(TESTS, np.nan) | {"low": found.low, "high": found.high, "p": found.p}


def holm(p):
    """Adjust p-values after Holm (1979), "A simple sequentially rejective multiple test procedure".

    See chapter "How sure can we be?".

    Parameters
    ----------
    p : pandas.Series
        One that is missing counts as a comparison made, with p = 1, and stays missing.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> statistics.holm(pd.Series([0.04, 0.01])).tolist()
    [0.04, 0.02]
    """
    from statsmodels.stats.multitest import multipletests  # slow to import, and seldom needed

    return np.where(p.isna(), np.nan, multipletests(p.fillna(1.0), method="holm")[1])
