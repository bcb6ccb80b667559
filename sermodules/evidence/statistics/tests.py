"""Intervals and tests of one set of values, one a speaker. They know nothing of configurations and runs."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import EQUAL, LEVEL, ROPE

_RESAMPLES = 10_000  # of the bootstrap
_FLIPS = 2**16  # sign flips: all of them up to 16 speakers


def _values(differences):
    """Return a vector of at least two numbers, rounded to `EQUAL` so that ties are ties."""
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise SermodulesError(
            f"one finite number a speaker is needed, of at least two speakers; got shape {values.shape} with "
            f"{np.count_nonzero(~np.isfinite(values))} not finite. Drop the folds without a run."
        )
    return values.round(9)


def fold_correlation(correlation, n):
    """Return the correlation of two of n folds: 1/n unless given. Refuse what is none."""
    correlation = 1 / n if correlation is None else float(correlation)
    if not 0 <= correlation < 1:
        raise SermodulesError(f"the correlation of two folds is {correlation:g}: it must be from 0 to below 1")
    return correlation


def variance_factor(n, correlation):
    """Return what a sample variance is multiplied by to give the variance of the mean: 1/n + rho/(1 - rho)."""
    return 1 / n + correlation / (1 - correlation)


def bootstrap_interval(values, seed=0):
    """Return a 95 % interval of the mean, by resampling speakers.

    It is the expanded percentile interval of Hesterberg (2015), "What teachers should know about the bootstrap", The
    American Statistician 69, 371-386. The plain percentile interval and BCa are too narrow for few speakers: of ten
    normal values they hold the true mean in about 90 % of all samples instead of 95 %. This one takes percentiles
    further out, by as much as makes it as wide as Student's t interval when the values are normal: of ten, the 0.86 %
    and 99.14 % percentiles. It holds the mean in about 94 % of all samples, with skewed values in 90 to 93 %.

    See chapter "How sure can we be?".

    Parameters
    ----------
    values : sequence of float, length n
        One value a speaker, such as its UAR or the difference of two.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of float
        Lower and upper end, in the unit of `values`.

    Raises
    ------
    SermodulesError
        If there are fewer than two values, or one is not finite.

    Examples
    --------
    >>> from sermodules.evidence import statistics
    >>> low, high = statistics.bootstrap_interval([0, 2, 3, 4, 6])
    >>> round(low, 1), round(high, 1)
    (0.4, 5.6)
    """
    values = _values(values)
    n = len(values)
    level = 2 * stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 + LEVEL) / 2, n - 1)) - 1
    result = stats.bootstrap(
        (values,), np.mean, method="percentile", confidence_level=level, n_resamples=_RESAMPLES, rng=np.random.default_rng(seed)
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@dataclass(frozen=True)
class CorrectedT:
    """What `corrected_t` found; `mean`, `low` and `high` (95 % interval) are in points."""

    mean: float
    low: float
    high: float
    statistic: float
    df: int
    p: float


def corrected_t(differences, correlation=None):
    """Test whether the mean difference is zero, with Nadeau and Bengio's corrected variance (two-sided).

    The folds of cross-validation are not independent: any two share most of their training speakers. The plain t-test
    takes the variance of the mean as s²/n, which is then too small. Nadeau and Bengio (2003), "Inference for the
    generalization error", Machine Learning 52, 239-281, take ``s² (1/n + rho/(1 - rho))``, where rho is the correlation
    of two folds. They set rho to the share of the data that is tested, ``n_test / (n_test + n_train)``, so that
    ``rho/(1 - rho) = n_test / n_train``.

    In leave-one-speaker-out no speaker is tested twice, unlike in the random splits that the correction was made for;
    Bouckaert and Frank (2004), "Evaluating the replicability of significance tests for comparing learning algorithms",
    use it for cross-validation too. The true rho cannot be estimated from one round of it (Bengio and Grandvalet 2004,
    "No unbiased estimator of the variance of k-fold cross-validation"). If the speakers' differences are in fact
    independent, the test is cautious: with ten speakers it then rejects a true null hypothesis in 0.9 % of all studies,
    not in 5 %.

    Open: whether the speaker who chooses the epoch counts as training data. The default counts them: one speaker of ten
    is tested, rho = 1/10, n_test / n_train = 1/9. Without them it is 1/8, rho = 1/9. Also open: the two speakers of an
    IEMOCAP session talk to each other, and partners are tested by networks that learned from the same eight speakers; rho
    does not know of either.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : sequence of float, length n
        One value a fold, in points: the mean over the seeds.
    correlation : float, optional
        rho. 1/n unless given; 0 is the plain paired t-test.

    Returns
    -------
    CorrectedT
        ``p``, ``statistic``, ``low`` and ``high`` are NaN if all differences are equal, because the spread is then
        unknown.

    Raises
    ------
    SermodulesError
        If there are fewer than two differences, one is not finite, or `correlation` is not in [0, 1).

    Examples
    --------
    Five folds: the mean is 3, the sample variance 5, rho is 1/5. So the variance of the mean is 5 (1/5 + 1/4) = 1.5², and t is
    3 / 1.5. The plain t-test takes 5/5 = 1² and finds a difference.

    >>> from sermodules.evidence import statistics
    >>> test = statistics.corrected_t([0, 2, 3, 4, 6])
    >>> round(test.statistic, 2), round(test.p, 3)
    (2.0, 0.116)
    >>> plain = statistics.corrected_t([0, 2, 3, 4, 6], correlation=0)
    >>> round(plain.statistic, 2), round(plain.p, 3)
    (3.0, 0.04)
    """
    values = _values(differences)
    n, mean = len(values), float(values.mean())
    factor = variance_factor(n, fold_correlation(correlation, n))
    if np.ptp(values) <= EQUAL:
        return CorrectedT(mean, np.nan, np.nan, np.nan, n - 1, np.nan)
    error = float(np.sqrt(factor) * values.std(ddof=1))
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, n - 1))
    statistic = mean / error
    return CorrectedT(mean, mean - half, mean + half, statistic, n - 1, float(2 * stats.t.sf(abs(statistic), n - 1)))


def sign_flip(differences):
    """Test whether the differences are symmetric around zero, by flipping their signs (two-sided p-value).

    Fisher (1935), "The design of experiments", section 21. All 2**n flips are tried, so ties and zeros need no care.
    From 17 speakers on, 65,536 flips are drawn instead, always the same ones, and the p-value is that of Phipson and
    Smyth (2010). With ten speakers no p-value is below 2/1024.

    It takes the folds as independent, so it is not corrected for shared training speakers.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : sequence of float, length n
        One value a fold.

    Returns
    -------
    float

    Raises
    ------
    SermodulesError
        If there are fewer than two differences, or one is not finite.

    Examples
    --------
    All five speakers gain: of the 32 ways to flip the signs only two give a mean as far from 0, all plus and all minus.

    >>> from sermodules.evidence import statistics
    >>> statistics.sign_flip([1, 2, 3, 4, 5])
    0.0625
    """
    result = stats.permutation_test(
        (_values(differences),), lambda values, axis: values.mean(axis=axis).round(9), permutation_type="samples",
        vectorized=True, n_resamples=_FLIPS, batch=1024, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(result.pvalue)


def wilcoxon(differences):
    """Wilcoxon's signed-rank test of differences symmetric around zero (two-sided p-value).

    `scipy.stats.wilcoxon`: exact up to 50 speakers; with ties or zeros up to 13, beyond that by the normal
    approximation. Zeros are left out first, as Wilcoxon (1945) did. It takes the folds as independent.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : sequence of float, length n
        One value a fold.

    Returns
    -------
    float
        1 if all differences are zero.

    Raises
    ------
    SermodulesError
        If there are fewer than two differences, or one is not finite.

    Examples
    --------
    Only the smallest difference is negative: its rank, 1, is the sum of the negative ranks. Of the 32 patterns of signs two
    have a sum of 0 or 1, and two more are as far out on the other side: 4/32.

    >>> from sermodules.evidence import statistics
    >>> statistics.wilcoxon([-1, 2, 3, 4, 5])
    0.125
    """
    values = _values(differences)
    return float(stats.wilcoxon(values, zero_method="wilcox").pvalue) if values.any() else 1.0


@dataclass(frozen=True)
class Probabilities:
    """Probabilities that the true difference lies below, in and above the region of practical equivalence."""

    worse: float
    same: float
    better: float


def bayesian_correlated_t(differences, rope=ROPE, correlation=None):
    """Give the probabilities that the other configuration is worse, practically the same, or better.

    Benavoli, Corani, Demšar and Zaffalon (2017), "Time for a change: a tutorial for comparing multiple classifiers
    through Bayesian analysis", JMLR 18(77); computed by their library baycomp. With their flat prior the posterior of
    the true difference is Student's t with n - 1 degrees of freedom, around the mean, with the variance of
    `corrected_t`.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : sequence of float, length n
        One value a fold, in points.
    rope : float
        Differences of less than this (points) are practically none.
    correlation : float, optional
        Of two folds, as in `corrected_t`: 1/n unless given, which is what baycomp itself takes.

    Returns
    -------
    Probabilities
        NaN if all differences are equal, because the spread is then unknown.

    Raises
    ------
    SermodulesError
        As `corrected_t`; also if `rope` is not above 0.

    Examples
    --------
    >>> from sermodules.evidence import statistics
    >>> found = statistics.bayesian_correlated_t([0, 2, 3, 4, 6])
    >>> round(found.worse, 2), round(found.same, 2), round(found.better, 2)
    (0.03, 0.1, 0.87)
    """
    from baycomp.single import Posterior  # slow to import, and seldom needed

    if not rope > 0:
        raise SermodulesError(f"the region of practical equivalence is {rope:g} points: it must be above 0")
    values = _values(differences)
    n = len(values)
    factor = variance_factor(n, fold_correlation(correlation, n))
    if np.ptp(values) <= EQUAL:
        return Probabilities(np.nan, np.nan, np.nan)
    posterior = Posterior(values.mean(), factor * values.var(ddof=1), n - 1, rope)
    return Probabilities(*map(float, posterior.probs()))
