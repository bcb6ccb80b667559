"""What a study can find: where the spread of a difference comes from, power, the smallest difference to be found."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import ALPHA, EQUAL, LEVEL
from sermodules.evidence.statistics.table import run_differences
from sermodules.evidence.statistics.tests import fold_correlation, variance_factor


@dataclass(frozen=True)
class Spread:
    """What makes a difference of two configurations vary, as SDs in points.

    `speakers`: from speaker to speaker, seeds apart. `seeds`: from seed to seed, within a speaker. `speakers_low` and
    `speakers_high`: the 95 % interval of `speakers`.

    See chapter "The study".

    Examples
    --------
    More seeds average out their own share, and no more:

    >>> from sermodules.evidence import statistics
    >>> parts = statistics.Spread(speakers=3.0, seeds=4.0)
    >>> parts.of_folds(1), round(parts.of_folds(100), 2)
    (5.0, 3.03)
    """

    speakers: float
    seeds: float
    speakers_low: float = 0.0
    speakers_high: float = np.inf

    def of_folds(self, seeds):
        """Return the SD over the folds (points) of differences that are means over so many seeds."""
        return float(np.sqrt(self.speakers**2 + self.seeds**2 / seeds))


def spread(scores, reference, other):
    """Split the spread of a paired difference into speakers and seeds.

    One-way analysis of variance: the variance within speakers is due to the seeds; what the variance between their means
    has more than that explains is due to the speakers. If it has less, the estimate is cut off at 0, which is no finding
    that speakers are alike: the interval says how much there may be. It is that of F for the ratio of both variances, times
    the seeds' variance as it was found (Searle, Casella and McCulloch 1992, "Variance components", chapter 3; with unequal
    numbers of seeds their harmonic mean stands for all).

    See chapter "How sure can we be?".

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker.
    reference : str or float
        A configuration, or a fixed UAR (%).
    other : str
        A configuration.

    Returns
    -------
    Spread

    Raises
    ------
    SermodulesError
        As `paired_differences`; also if there are not two speakers, or nobody has two seeds.

    Examples
    --------
    The differences from 60 % are 1 and 3 for one speaker, 3 and 5 for the other. Within a speaker the variance is 2, which is
    the seeds'. The means, 2 and 4, have a variance of 2 too; half of it (2 over 2 seeds) comes from the seeds, so 1 is left.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> rows = [("new", 1, "F1", 1, 61), ("new", 1, "F1", 2, 63), ("new", 2, "M1", 1, 63), ("new", 2, "M1", 2, 65)]
    >>> parts = statistics.spread(pd.DataFrame(rows, columns=statistics.COLUMNS), 60, "new")
    >>> round(parts.speakers, 2), round(parts.seeds, 2), round(parts.of_folds(100), 2)
    (1.0, 1.41, 1.01)

    Two speakers say next to nothing of all others. The 95 % interval of the speakers' SD:

    >>> round(parts.speakers_low, 2), round(parts.speakers_high, 1)
    (0.0, 40.0)
    """
    groups = run_differences(scores, reference, other).groupby("speaker", sort=False)
    counts = groups.count()
    if len(counts) < 2 or counts.max() < 2:
        raise SermodulesError(
            f"{other!r} and {reference!r} share {len(counts)} speaker(s), with at most {counts.max() if len(counts) else 0} "
            "seed(s): to tell speakers from seeds, two of each are needed"
        )
    within = float((groups.var(ddof=1) * (counts - 1)).sum() / (counts - 1).sum())
    means, of_seeds = float(groups.mean().var(ddof=1)), within * float((1 / counts).mean())
    degrees = len(counts) - 1, int((counts - 1).sum())
    limits = stats.f.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], *degrees)
    variances = (means - of_seeds, *(means / limits - of_seeds))
    speakers, low, high = np.sqrt(np.maximum(variances, 0.0))
    return Spread(float(speakers), float(np.sqrt(within)), float(low), float(high))


def power(differences, noise, speakers=10, test="corrected_t", correlation=None, alpha=ALPHA, repeats=10_000, seed=0):
    """Simulate studies, and count how many find a true difference.

    Each simulated study has a difference a speaker: the true one, plus normal noise of the speaker's own, plus noise that all
    folds share because they share training speakers. The shared noise has as much variance as `correlation` says, which
    is what the corrected t-test supposes; so at a true difference of 0 that test finds one in a share `alpha` of the
    studies, and the other test, which supposes a correlation of 0, in more.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : sequence of float
        True differences (points).
    noise : float
        Spread over the folds of the differences between two configurations: an SD (points), such as
        ``Spread.of_folds(5)`` or the sample SD of observed differences.
    speakers : int
        Folds of a study.
    test : str
        ``"corrected_t"`` or ``"sign_flip"`` (at most 12 speakers).
    correlation : float, optional
        Of two folds; 1/speakers unless given. 0 gives independent folds and the plain t-test.
    alpha : float
        A difference is found if the two-sided p-value is at most this.
    repeats : int
        Simulated studies. The standard error of a power of 0.8 is 0.004 with 10,000.
    seed : int
        Same seed, same result.

    Returns
    -------
    pandas.Series
        Power, indexed by true difference.

    Raises
    ------
    SermodulesError
        If the test is unknown, there are fewer than two speakers (or too many for the sign-flip test), or the noise is
        0 or not finite.

    Examples
    --------
    With ten speakers whose differences spread by 5 points, half of all studies find a true difference of 5 points. Where there
    is none, 5 % find one.

    >>> from sermodules.evidence import statistics
    >>> statistics.power([0, 5, 10], noise=5).round(2).tolist()
    [0.05, 0.49, 0.97]
    """
    find = _simulation(noise, speakers, test, correlation, alpha, repeats, seed)
    index = pd.Index(np.asarray(differences, dtype=float), name="difference")
    return pd.Series([find(difference) for difference in index], index, name="power")


def detectable(
    noise, target=0.8, speakers=10, test="corrected_t", correlation=None, alpha=ALPHA, repeats=10_000, seed=0
):
    """Return the smallest true difference (points) that a study would find with a given power.

    See chapter "How sure can we be?".

    Parameters
    ----------
    noise, speakers, test, correlation, alpha, repeats, seed
        As in `power`.
    target : float
        Power wanted, above `alpha` and below 1.

    Returns
    -------
    float
        To 0.01 points. Infinite if no difference would be found, as with the sign-flip test and five speakers.

    Raises
    ------
    SermodulesError
        As `power`; also if `target` is not above `alpha` and below 1.

    Examples
    --------
    Four times as many speakers find less than half the difference.

    >>> from sermodules.evidence import statistics
    >>> [round(statistics.detectable(5, speakers=speakers), 1) for speakers in (10, 40)]
    [7.3, 3.2]
    """
    if not alpha < target < 1:
        raise SermodulesError(f"a power of {target:g} was asked for: it must be above {alpha:g} and below 1")
    find = _simulation(noise, speakers, test, correlation, alpha, repeats, seed)
    low, high = 0.0, 1.0
    while find(high) < target:
        low, high = high, 2 * high
        if high > 1e6:
            return np.inf
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if find(middle) >= target else (middle, high)
    return round(high, 2)


def _simulation(noise, speakers, test, correlation, alpha, repeats, seed):
    """Return a function from a true difference to the share of simulated studies that find it; all use the same noise."""
    if test not in ("corrected_t", "sign_flip"):
        raise SermodulesError(f"unknown test {test!r}: power knows 'corrected_t' and 'sign_flip'")
    if speakers < 2 or (test == "sign_flip" and speakers > 12):
        raise SermodulesError(
            f"cannot simulate {test} with {speakers} speakers: it takes 2 or more, sign_flip at most 12"
        )
    correlation = fold_correlation(correlation, speakers)
    if not 0 < noise < np.inf:
        raise SermodulesError(f"the noise has an SD of {noise:g} points: it must be above 0 and finite")
    errors = _noise(noise, speakers, correlation, repeats, np.random.default_rng(seed))
    if test == "sign_flip":
        return lambda difference: float(np.mean(_sign_flip_p(errors + difference) <= alpha))
    means = errors.mean(axis=1)
    limits = np.sqrt(variance_factor(speakers, correlation)) * errors.std(axis=1, ddof=1)
    limits *= stats.t.ppf(1 - alpha / 2, speakers - 1)
    return lambda difference: float(np.mean((np.abs(means + difference) > limits) & (limits > 0)))


def _noise(noise, speakers, correlation, repeats, rng):
    """Draw the differences of simulated studies around 0, shape (repeats, speakers)."""
    own, shared = rng.standard_normal((repeats, speakers)), rng.standard_normal((repeats, 1))
    return noise * (own + shared * np.sqrt(correlation / (1 - correlation)))


def _sign_flip_p(samples):
    """Exact p-values of `sign_flip`, one a row; half of the flips mirror the other half and are left out."""
    n = samples.shape[1]
    signs = np.array([(*flips, 1.0) for flips in itertools.product((1.0, -1.0), repeat=n - 1)])
    observed = np.abs(samples.sum(axis=1))
    flipped = np.abs(samples @ signs.T)
    return (flipped >= observed[:, None] - EQUAL).mean(axis=1)
