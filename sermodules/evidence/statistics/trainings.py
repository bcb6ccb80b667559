"""Differences of speakers who were tested by the same training, as those of a group of speakers are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import ALPHA, LEVEL

#: The columns of a table of differences that `clustered_t` takes.
CLUSTERED_COLUMNS = ("speaker", "training", "difference")


@dataclass(frozen=True)
class ClusteredT:
    """What `clustered_t` found; `mean`, `error` (its standard error), `low` and `high` (95 % interval) are in points."""

    mean: float
    low: float
    high: float
    error: float
    df: float
    speakers: int
    trainings: int

    @property
    def p(self):
        """Two-sided p-value of no difference."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def p_above(self, value):
        """Return the one-sided p-value of the claim that the true difference is above `value` (points)."""
        return float(stats.t.sf((self.mean - value) / self.error, self.df))

    def p_below(self, value):
        """Return the one-sided p-value of the claim that the true difference is below `value` (points)."""
        return float(stats.t.cdf((self.mean - value) / self.error, self.df))

    def detectable(self, target=0.8):
        """Return the smallest true difference (points) that a study with this error finds with a power of `target`.

        Bloom (1995), "Minimum detectable effects", Evaluation Review 19, 547-556: the two-sided test's limit and the power's
        quantile of Student's t, times the standard error.
        """
        return float((stats.t.ppf(1 - ALPHA / 2, self.df) + stats.t.ppf(target, self.df)) * self.error)


@dataclass(frozen=True)
class Components:
    """Standard deviations (points) of what a difference is made of: the speaker, the training, and the rest.

    See chapter "How sure can we be?".

    Examples
    --------
    >>> from sermodules.evidence import statistics
    >>> statistics.Components(speaker=4.0, training=3.0, rest=6.0).training
    3.0
    """

    speaker: float
    training: float
    rest: float


def _clusters(differences):
    """Return what both functions need: values, weights that sum to 1, and the numbers of speaker and training of each row.

    A speaker's rows weigh the same together, whatever their number.
    """
    missing = set(CLUSTERED_COLUMNS) - set(differences)
    if missing:
        raise SermodulesError(f"the table of differences has no column {', '.join(sorted(missing))}")
    values = differences["difference"].to_numpy(float)
    speakers, _ = pd.factorize(differences["speaker"])
    trainings, _ = pd.factorize(differences["training"])
    bad = np.count_nonzero(~np.isfinite(values))
    if bad or len(set(speakers)) < 2 or len(set(trainings)) < 2:
        raise SermodulesError(
            f"finite differences of at least two speakers by at least two trainings are needed; got {len(set(speakers))} "
            f"speakers, {len(set(trainings))} trainings and {bad} values that are not finite. Drop the folds without a run."
        )
    counts = np.bincount(speakers)
    return values, 1 / (len(counts) * counts[speakers]), speakers, trainings


def clustered_t(differences):
    """Estimate a mean difference whose noise is shared twice: by the rows of a speaker and by the rows of a training.

    Where groups of speakers are left out, one training tests many speakers. What luck gave that training, all of them get:
    more speakers do not average it out, only more trainings do. A speaker comes again with every seed, in another group, so
    neither of the two lies within the other. Cameron, Gelbach and Miller (2011), "Robust inference with multiway
    clustering", Journal of Business & Economic Statistics 29, 238-249, add up what each would give alone and take off what
    then counts twice::

        V = V_speaker + V_training - V_row

    Each V is the sum of the squares of the weighted residuals, added up within a speaker, within a training, or not at all,
    times k / (k - 1) for its k members. V_row stands in for V where that is not above 0. Student's t takes the degrees of
    freedom of Satterthwaite (1946), "An approximate distribution of estimates of variance components", Biometrics Bulletin
    2, 110-114::

        df = V² / (V_speaker² / (speakers - 1) + V_training² / (trainings - 1) + V_row² / (rows - 1))

    and at most speakers - 1. `coverage` says how often such an interval is right.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : pandas.DataFrame
        A row a speaker and seed: ``speaker``, ``training`` (what the rows of one training have in common, such as the seed
        and the pair of groups) and ``difference`` (points). Each speaker weighs the same.

    Returns
    -------
    ClusteredT

    Raises
    ------
    SermodulesError
        If there are fewer than two speakers or trainings, or a value is not finite.

    Examples
    --------
    Two trainings of two speakers each: the speakers of a training agree, so there are not four values but two.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> table = pd.DataFrame({"speaker": list("abcd"), "training": [1, 1, 2, 2], "difference": [1.0, 1.0, 3.0, 3.0]})
    >>> found = statistics.clustered_t(table)
    >>> found.mean, round(found.error, 3)
    (2.0, 1.0)
    """
    return _estimate(*_clusters(differences))


def _estimate(values, weights, speakers, trainings):
    """Compute what `clustered_t` gives from what `_clusters` gives."""
    mean = float(weights @ values)
    parts = weights * (values - mean)

    def variance(sums):
        return len(sums) / (len(sums) - 1) * float(sums @ sums)

    by = {"speaker": np.bincount(speakers, parts), "training": np.bincount(trainings, parts), "row": parts}
    each = {name: variance(sums) for name, sums in by.items()}
    found = each["speaker"] + each["training"] - each["row"]
    found = found if found > 0 else each["row"]
    if found <= 0:
        return ClusteredT(mean, np.nan, np.nan, np.nan, np.nan, len(by["speaker"]), len(by["training"]))
    df = found**2 / sum(each[name] ** 2 / (len(sums) - 1) for name, sums in by.items())
    df = float(min(df, len(by["speaker"]) - 1))
    error = float(np.sqrt(found))
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, df))
    return ClusteredT(mean, mean - half, mean + half, error, df, len(by["speaker"]), len(by["training"]))


def components(differences):
    """Estimate the standard deviations of speakers, of trainings and of the rest, in points.

    By the method of moments: the three sums of squares of `clustered_t` are set equal to what they would be on average
    (Searle, Casella, McCulloch 1992, "Variance components", section 5.2). A variance that comes out negative is 0.

    See chapter "How sure can we be?".

    Parameters
    ----------
    differences : pandas.DataFrame
        As `clustered_t` takes.

    Returns
    -------
    Components

    Raises
    ------
    SermodulesError
        As `clustered_t`.
    """
    values, weights, speakers, trainings = _clusters(differences)
    rows = np.arange(len(values))
    centre = np.eye(len(values)) - weights  # takes the weighted mean off
    members = [(number[:, None] == number).astype(float) for number in (speakers, trainings, rows)]
    forms = [centre.T @ (np.outer(weights, weights) * same) @ centre for same in members]
    expected = [[np.sum(form * same) for same in members] for form in forms]
    variances = np.linalg.lstsq(expected, [values @ form @ values for form in forms], rcond=None)[0]
    return Components(*(float(np.sqrt(max(variance, 0.0))) for variance in variances))


def _draw(parts, speakers, groups, seeds, mean, rng):
    """Draw what `simulated` gives, as arrays: differences, speakers and trainings, a row a speaker and seed."""
    pairs = groups // 2
    pair = np.stack([rng.permutation(np.arange(speakers) % groups) // 2 for _ in range(seeds)], axis=1)
    training = pair + pairs * np.arange(seeds)
    difference = (
        mean
        + rng.normal(0, parts.speaker, (speakers, 1))
        + rng.normal(0, parts.training, pairs * seeds)[training]
        + rng.normal(0, parts.rest, (speakers, seeds))
    )
    return difference.ravel(), np.repeat(np.arange(speakers), seeds), training.ravel()


def simulated(parts, speakers=91, groups=10, seeds=3, mean=0.0, rng=None):
    """Draw a table of differences as a study with groups of speakers gives it, from normal distributions.

    See chapter "How sure can we be?".

    Parameters
    ----------
    parts : Components
    speakers, groups, seeds : int
        `groups` is even: two groups share a training. Each seed draws other groups.
    mean : float
        The true difference, in points.
    rng : numpy.random.Generator, optional

    Returns
    -------
    pandas.DataFrame
        As `clustered_t` takes.

    Examples
    --------
    >>> from sermodules.evidence import statistics
    >>> table = statistics.simulated(statistics.Components(4.0, 3.0, 6.0), speakers=91, groups=10, seeds=3)
    >>> len(table), table["training"].nunique()
    (273, 15)
    """
    rng = np.random.default_rng(0) if rng is None else rng
    difference, speaker, training = _draw(parts, speakers, groups, seeds, mean, rng)
    return pd.DataFrame({"speaker": speaker, "training": training, "difference": difference})


def coverage(parts, speakers=91, groups=10, seeds=3, draws=2000):
    """Say how often a 95 % interval holds the true difference, by simulation.

    See chapter "How sure can we be?".

    Parameters
    ----------
    parts : Components
    speakers, groups, seeds : int
        As `simulated`.
    draws : int
        Simulated studies.

    Returns
    -------
    dict of str to float
        Shares in %: of `clustered_t`, and of what one would get with the speakers taken as independent (Student's t over
        each speaker's mean).

    Examples
    --------
    The luck that a training shares out makes 91 speakers worth far less than 91:

    >>> from sermodules.evidence import statistics
    >>> found = statistics.coverage(statistics.Components(speaker=4.0, training=3.0, rest=6.0), draws=300)
    >>> found["trainings shared"] > 90, found["speakers independent"] < 85
    (True, True)
    """
    rng, shared, independent = np.random.default_rng(0), 0, 0
    weights = np.full(speakers * seeds, 1 / (speakers * seeds))
    width = stats.t.ppf((1 + LEVEL) / 2, speakers - 1) / np.sqrt(speakers)
    for _ in range(draws):
        difference, speaker, training = _draw(parts, speakers, groups, seeds, 0.0, rng)
        found = _estimate(difference, weights, speaker, training)
        shared += found.low <= 0 <= found.high
        means = difference.reshape(speakers, seeds).mean(axis=1)
        independent += bool(abs(means.mean()) <= width * means.std(ddof=1))
    return {"trainings shared": 100 * shared / draws, "speakers independent": 100 * independent / draws}


def chance_to_decide(parts, claim, mean, speakers=91, groups=10, seeds=3, draws=1000, level=ALPHA):
    """Say how often a study would decide a claim, by simulation: its power.

    See chapter "How sure can we be?".

    Parameters
    ----------
    parts : Components
    claim : tuple of {"above", "below"} and float
        For example ``("above", 1.0)``: the true difference is above 1 point.
    mean : float
        The true difference, in points.
    speakers, groups, seeds : int
        As `simulated`.
    draws : int
        Simulated studies.
    level : float
        Of the one-sided test.

    Returns
    -------
    float
        Share of the studies, from 0 to 1, whose p-value is at most `level`.

    See chapter "How sure can we be?".

    Examples
    --------
    >>> from sermodules.evidence import statistics
    >>> parts = statistics.Components(speaker=4.0, training=3.0, rest=6.0)
    >>> one, five = (statistics.chance_to_decide(parts, ("above", 0.0), 2.0, seeds=seeds, draws=100) for seeds in (1, 5))
    >>> one < five
    True
    """
    rng, (side, value), decided = np.random.default_rng(0), claim, 0
    weights = np.full(speakers * seeds, 1 / (speakers * seeds))
    for _ in range(draws):
        difference, speaker, training = _draw(parts, speakers, groups, seeds, mean, rng)
        found = _estimate(difference, weights, speaker, training)
        decided += (found.p_above(value) if side == "above" else found.p_below(value)) <= level
    return decided / draws
