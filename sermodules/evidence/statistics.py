"""Statistics of a study: intervals over speakers, paired tests, power, verdicts, confusion matrices.

A study is a grid of runs: folds (one test speaker each) x seeds x configurations. Every function of the grid takes
`scores`, a pandas.DataFrame with one row a run and the columns ``configuration`` (str), ``fold`` (int), ``speaker``
(str, the test speaker), ``seed`` (int) and ``uar`` (float, %).

The unit of all inference is the speaker. Seeds are averaged within a fold first, so 10 folds x 5 seeds are ten values,
never fifty. Differences are in points of UAR: the other configuration minus the reference.

The corrected t-test is the primary test. The sign-flip test, Wilcoxon's test, the Bayesian test and the mixed model
stand beside it and decide nothing.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.errors import SermodulesError

#: Columns of a table of scores.
COLUMNS = ("configuration", "fold", "speaker", "seed", "uar")

#: Level of every interval.
LEVEL = 0.95

#: Largest p-value that counts as a difference found.
ALPHA = 0.05

#: Region of practical equivalence: a difference of less than this many points of UAR counts as none.
ROPE = 1.0

#: What `verdict` answers.
SUPPORTED, NOT_SUPPORTED, CANNOT_TELL = "supported", "not supported", "cannot tell at this power"

#: Speakers from which on `summary` gives an interval: with fewer the bootstrap can reach no 95 %, only from least to most.
FEWEST_SPEAKERS = 6

_RESAMPLES = 10_000  # of the bootstrap
_FLIPS = 2**16  # sign flips: all of them up to 16 speakers
_EQUAL = 1e-9  # points of UAR that are no difference, only rounding


# --- from runs to one value a fold


def _check(scores):
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
    twice = scores[scores.duplicated(["configuration", "fold", "seed"])]
    if len(twice):
        raise SermodulesError(f"scores hold a run twice: {_cell(twice.iloc[0])}. Keep one of its rows.")
    pairs = scores[["fold", "speaker"]].drop_duplicates()
    torn = pairs[pairs.duplicated("fold", keep=False) | pairs.duplicated("speaker", keep=False)]
    if len(torn):
        found = ", ".join(f"fold {row.fold} with {row.speaker}" for row in torn.itertuples())
        raise SermodulesError(f"a fold must test one speaker, and the same in every configuration; found {found}")


def _cell(row):
    return f"{row['configuration']}, fold {row['fold']}, seed {row['seed']}"


def _configurations(scores):
    return list(scores["configuration"].drop_duplicates())


def _known(scores, name):
    names = _configurations(scores)
    if name not in names:
        raise SermodulesError(f"no configuration {name!r} in the scores: there are {', '.join(map(repr, names))}")


def by_fold(scores):
    """Average the seeds within each fold.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run.

    Returns
    -------
    pandas.DataFrame, shape (folds, configurations)
        UAR (%). Folds are sorted, configurations in order of first appearance; NaN where a configuration has no run.

    Raises
    ------
    SermodulesError
        If a column is missing, a run is there twice, a UAR is not in %, or a fold tests two speakers.
    """
    _check(scores)
    means = scores.groupby(["fold", "configuration"])["uar"].mean().unstack()
    return means[_configurations(scores)].sort_index()


def paired_differences(scores, reference, other):
    """Subtract the reference from another configuration, run by run, then average the seeds within each fold.

    A run has a partner if the other configuration has the same fold and seed. Runs without one are left out.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run.
    reference : str or float
        A configuration, or a fixed UAR (%) such as that of guessing.
    other : str
        A configuration.

    Returns
    -------
    pandas.DataFrame
        One row a fold that has at least one pair: ``fold, speaker, difference`` (points, the mean over the seeds) and
        ``seeds`` (pairs in this fold).

    Raises
    ------
    SermodulesError
        As `by_fold`; also if a configuration is not there, or both are the same.
    """
    return _folds_of(_run_differences(scores, reference, other))


def _run_differences(scores, reference, other):
    """Return a Series of differences (points), indexed by fold, speaker and seed."""
    _check(scores)
    _known(scores, other)
    if reference == other:
        raise SermodulesError(f"cannot compare {other!r} with itself: choose another reference")
    runs = scores.pivot(index=["fold", "speaker", "seed"], columns="configuration", values="uar")
    if isinstance(reference, str):
        _known(scores, reference)
        return (runs[other] - runs[reference]).dropna()
    return (runs[other] - float(reference)).dropna()


def _folds_of(differences):
    folds = differences.groupby(["fold", "speaker"]).agg(["mean", "count"]).reset_index()
    return folds.rename(columns={"mean": "difference", "count": "seeds"})


def summary(scores, seed=0):
    """Describe each configuration by itself.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run.
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a configuration, in order of first appearance:

        - ``configuration``; ``mean`` UAR over the folds (%), each fold the mean of its seeds;
        - ``sd_population`` and ``sd_sample``: SD over the folds, divided by n and by n - 1. The paper's ± is the first;
        - ``sd_seeds``: sample SD over the seeds of the mean over the folds: how much the headline figure moves when
          everything is run again. Only seeds that have all of the configuration's folds;
        - ``sd_within``: root mean square over the folds of the sample SD over the seeds: how much one run moves;
        - ``low``, ``high``: 95 % bootstrap interval of the mean over speakers;
        - ``folds``, ``seeds``, ``runs``: how many there are.

        NaN where there are too few folds or seeds.

    Raises
    ------
    SermodulesError
        As `by_fold`.
    """
    means = by_fold(scores)
    rows = []
    for name, runs in scores.groupby("configuration", sort=False):
        folds = means[name].dropna()
        low, high = bootstrap_interval(folds, seed) if len(folds) >= FEWEST_SPEAKERS else (np.nan, np.nan)
        grid = runs.pivot(index="fold", columns="seed", values="uar")
        rows.append(
            {
                "configuration": name,
                "mean": folds.mean(),
                "sd_population": folds.std(ddof=0),
                "sd_sample": folds.std(ddof=1),
                "sd_seeds": grid.dropna(axis="columns").mean().std(ddof=1),
                "sd_within": np.sqrt(grid.var(axis="columns", ddof=1).mean()),
                "low": low,
                "high": high,
                "folds": len(folds),
                "seeds": grid.shape[1],
                "runs": len(runs),
            }
        )
    return pd.DataFrame(rows)


# --- intervals and tests of one set of values a speaker


def _values(differences):
    """Return a vector of at least two numbers, rounded to `_EQUAL` so that ties are ties."""
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise SermodulesError(
            f"one finite number a speaker is needed, of at least two speakers; got shape {values.shape} with "
            f"{np.count_nonzero(~np.isfinite(values))} not finite. Drop the folds without a run."
        )
    return values.round(9)


def _correlation(correlation, n):
    correlation = 1 / n if correlation is None else float(correlation)
    if not 0 <= correlation < 1:
        raise SermodulesError(f"the correlation of two folds is {correlation:g}: it must be from 0 to below 1")
    return correlation


def _variance_factor(n, correlation):
    """Return what a sample variance is multiplied by to give the variance of the mean: 1/n + rho/(1 - rho)."""
    return 1 / n + correlation / (1 - correlation)


def bootstrap_interval(values, seed=0):
    """Return a 95 % interval of the mean, by resampling speakers.

    It is the expanded percentile interval of Hesterberg (2015), "What teachers should know about the bootstrap", The
    American Statistician 69, 371-386. The plain percentile interval and BCa are too narrow for few speakers: of ten
    normal values they hold the true mean in about 90 % of all samples instead of 95 %. This one takes percentiles
    further out, by as much as makes it as wide as Student's t interval when the values are normal: of ten, the 0.86 %
    and 99.14 % percentiles. It holds the mean in about 94 % of all samples, with skewed values in 90 to 93 %.

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
    """
    values = _values(differences)
    n, mean = len(values), float(values.mean())
    factor = _variance_factor(n, _correlation(correlation, n))
    if np.ptp(values) <= _EQUAL:
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
    """
    from baycomp.single import Posterior

    if not rope > 0:
        raise SermodulesError(f"the region of practical equivalence is {rope:g} points: it must be above 0")
    values = _values(differences)
    n = len(values)
    factor = _variance_factor(n, _correlation(correlation, n))
    if np.ptp(values) <= _EQUAL:
        return Probabilities(np.nan, np.nan, np.nan)
    posterior = Posterior(values.mean(), factor * values.var(ddof=1), n - 1, rope)
    return Probabilities(*map(float, posterior.probs()))


# --- comparisons of configurations


def compare(scores, reference, others=None, rope=ROPE, correlation=None, seed=0):
    """Compare configurations with a reference, paired over folds and seeds.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run.
    reference : str or float
        A configuration, or a fixed UAR (%) such as that of guessing.
    others : list of str, optional
        Configurations; all but the reference unless given. Together they are the family that Holm's correction counts,
        so name all that a conclusion chooses from.
    rope : float
        Region of practical equivalence (points).
    correlation : float, optional
        Of two folds, as in `corrected_t`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a comparison:

        - ``configuration``, ``reference``; ``difference``: the mean over the folds (points);
        - ``low``, ``high``, ``p``: 95 % interval and p-value of the corrected t-test, the primary test;
        - ``p_holm``: that p-value after Holm's correction over the rows of this table (Holm 1979, "A simple
          sequentially rejective multiple test procedure"). A comparison without a p-value counts too;
        - ``bootstrap_low``, ``bootstrap_high``: 95 % bootstrap interval over speakers;
        - ``p_sign_flip``, ``p_wilcoxon``: secondary tests, not corrected for anything;
        - ``worse``, ``same``, ``better``: probabilities of the Bayesian correlated t-test;
        - ``folds`` that have a pair of runs, ``folds_better`` of them with a difference above 0; ``seeds``: the fewest
          pairs in a fold; ``pairs`` of runs in all; ``unpaired``: runs left out because they have no partner.

        NaN where fewer than two folds have a pair, or all differences are equal.

    Raises
    ------
    SermodulesError
        As `paired_differences`; also if there is nothing to compare.
    """
    _check(scores)
    others = [name for name in _configurations(scores) if name != reference] if others is None else list(others)
    if not others:
        raise SermodulesError(f"nothing to compare with {reference!r}: the scores hold no other configuration")
    table = pd.DataFrame([_comparison(scores, reference, other, rope, correlation, seed) for other in others])
    table.insert(6, "p_holm", _holm(table["p"]))
    return table


def _comparison(scores, reference, other, rope, correlation, seed):
    """Return a row of `compare`, without Holm's correction."""
    runs = _run_differences(scores, reference, other)
    folds = _folds_of(runs)
    values = folds["difference"]
    enough = len(values) > 1
    test = corrected_t(values, correlation) if enough else CorrectedT(values.mean(), *[np.nan] * 5)
    posterior = bayesian_correlated_t(values, rope, correlation) if enough else Probabilities(*[np.nan] * 3)
    low, high = bootstrap_interval(values, seed) if enough else (np.nan, np.nan)
    involved = scores["configuration"].isin([reference, other])
    partners = 2 if isinstance(reference, str) else 1
    return {
        "configuration": other,
        "reference": reference,
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p": test.p,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "p_sign_flip": sign_flip(values) if enough else np.nan,
        "p_wilcoxon": wilcoxon(values) if enough else np.nan,
        "worse": posterior.worse,
        "same": posterior.same,
        "better": posterior.better,
        "folds": len(folds),
        "folds_better": int((values > _EQUAL).sum()),
        "seeds": int(folds["seeds"].min()) if len(folds) else 0,
        "pairs": len(runs),
        "unpaired": int(involved.sum()) - partners * len(runs),
    }


def _holm(p):
    """Adjust p-values; one that is missing counts as a comparison made, with p = 1, and stays missing."""
    from statsmodels.stats.multitest import multipletests

    return np.where(p.isna(), np.nan, multipletests(p.fillna(1.0), method="holm")[1])


def verdict(comparison, least=0.0, most=None, rope=ROPE):
    """Judge a claim about a difference.

    Two kinds of claim can be put. "B is better than A" is ``least=0``, "by at least 2 points" is ``least=2``: claims
    without an upper end. "By 1 to 2 points" is ``least=1, most=2``, "by 3.43 points" is ``least=3.43, most=3.43``:
    claims of a size.

    The interval is the smallest that holds both 95 % intervals, that of the corrected t-test and that of the bootstrap
    over speakers. In this order:

    1. **supported**: the p-value after Holm's correction is at most 0.05, and the whole interval agrees with the claim.
       Without an upper end: it lies above `least`. With a size: it lies between ``least - rope`` and ``most + rope``,
       and above 0.
    2. **not supported**: no part of the interval agrees with the claim. Without an upper end: it lies below `least`, or
       below `rope` if that is more, so that at best a practically irrelevant gain is left. With a size: it lies below
       `least` or above `most`.
    3. **cannot tell at this power**: everything else, and whenever there is no interval.

    So the rule is careful both ways: a small p-value alone supports nothing, and a large one refutes nothing. An
    interval between 0 and `rope` supports "better", however small the gain; show the interval beside the verdict.
    Refutations are not corrected for the number of claims.

    Parameters
    ----------
    comparison : mapping
        A row of `compare`: ``low, high, bootstrap_low, bootstrap_high`` (points) and ``p_holm``.
    least, most : float
        What is claimed, in points, from 0 up. `most` is None for a claim without an upper end.
    rope : float
        Region of practical equivalence (points).

    Returns
    -------
    str
        `SUPPORTED`, `NOT_SUPPORTED` or `CANNOT_TELL`.

    Raises
    ------
    SermodulesError
        If `least` is negative, `most` is below it, or `rope` is negative.
    """
    if least < 0 or rope < 0 or (most is not None and most < least):
        raise SermodulesError(
            f"not a claim: least {least}, most {most}, rope {rope}. None may be negative, nor most below least; for a claimed "
            "loss, swap the configurations."
        )
    low = np.min([comparison["low"], comparison["bootstrap_low"]])
    high = np.max([comparison["high"], comparison["bootstrap_high"]])
    if not (np.isfinite(low) and np.isfinite(high)):
        return CANNOT_TELL
    if most is None:
        agrees, disagrees = low > least, high < max(least, rope)
    else:
        agrees = low > max(least - rope, 0) and high < most + rope
        disagrees = high < least or low > most
    if agrees and comparison["p_holm"] <= ALPHA:
        return SUPPORTED
    return NOT_SUPPORTED if disagrees else CANNOT_TELL


def mixed_model(scores, reference=None):
    """Fit the mixed model ``UAR ~ configuration + (1|speaker) + (1|seed)`` to all runs, and the same with an interaction.

    The first model supposes that a configuration helps every speaker alike. If it does not, every further seed seems to
    be new evidence, and its intervals are too narrow: it takes runs of the same speaker as independent. The second adds
    ``(1|speaker:configuration)`` and so lets the effect differ from speaker to speaker; in a complete grid of two
    configurations its standard error is that of the plain paired t-test over speakers. Trust the second. Neither is
    corrected for shared training speakers.

    Restricted maximum likelihood, statsmodels' `MixedLM`, by the Nelder-Mead method: its default optimisers often stop
    before the maximum when a variance is near zero. Intervals and p-values are from Student's t with as many degrees of
    freedom as there are speakers less one, because normal ones are too narrow for ten speakers.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run; runs may be missing.
    reference : str, optional
        A configuration; the first unless given.

    Returns
    -------
    pandas.DataFrame
        Two rows a configuration other than the reference: ``configuration, reference, model`` (the formula),
        ``difference`` (points), ``se``, ``low``, ``high`` (95 %), ``p``, the SDs ``sd_speaker, sd_seed, sd_interaction,
        sd_residual`` (points of UAR) and ``note``: empty, or what was wrong with the fit.

    Raises
    ------
    SermodulesError
        As `by_fold`; also if there are not two configurations, speakers and seeds.
    """
    _check(scores)
    names = _configurations(scores)
    reference = names[0] if reference is None else reference
    _known(scores, reference)
    for column in ("configuration", "speaker", "seed"):
        if scores[column].nunique() < 2:
            raise SermodulesError(f"a mixed model needs at least two of each, but the scores hold one {column}")
    names = [reference, *(name for name in names if name != reference)]
    data = scores.assign(
        configuration=pd.Categorical(scores["configuration"], names),
        pair=scores["speaker"].astype(str) + " / " + scores["configuration"],
    ).reset_index(drop=True)
    stated = {"speaker": "0 + C(speaker)", "seed": "0 + C(seed)"}
    return pd.concat(
        [
            _fit_mixed(data, "UAR ~ configuration + (1|speaker) + (1|seed)", stated),
            _fit_mixed(
                data,
                "UAR ~ configuration + (1|speaker) + (1|seed) + (1|speaker:configuration)",
                stated | {"interaction": "0 + C(pair)"},
            ),
        ],
        ignore_index=True,
    )


def _fit_mixed(data, model, components):
    """Return the rows of `mixed_model` for one model."""
    from statsmodels.formula.api import mixedlm

    reference, *others = data["configuration"].cat.categories
    rows = pd.DataFrame({"configuration": others, "reference": reference, "model": model})
    numbers = ["difference", "se", "low", "high", "p", "sd_speaker", "sd_seed", "sd_interaction", "sd_residual"]
    rows[numbers] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            formula = mixedlm("uar ~ C(configuration)", data, groups=np.ones(len(data)), vc_formula=components)
            fit = formula.fit(reml=True, method="nm", maxiter=2000)
            rows["difference"], rows["se"] = np.asarray(fit.fe_params)[1:], np.asarray(fit.bse_fe)[1:]
        except np.linalg.LinAlgError as error:
            return rows.assign(note=f"could not be fitted: {error}")
    df = data["speaker"].nunique() - 1
    half = rows["se"] * stats.t.ppf((1 + LEVEL) / 2, df)
    rows["low"], rows["high"] = rows["difference"] - half, rows["difference"] + half
    rows["p"] = 2 * stats.t.sf(np.abs(rows["difference"] / rows["se"]), df)
    for name, variance in zip(fit.model.exog_vc.names, fit.vcomp, strict=True):
        rows[f"sd_{name}"] = np.sqrt(variance)
    rows["sd_residual"] = np.sqrt(fit.scale)
    return rows.assign(note=_note(fit, caught))


def _note(fit, caught):
    """Say what was wrong with a fit."""
    notes = [] if fit.converged else ["did not converge"]
    zero = [
        name for name, value in zip(fit.model.exog_vc.names, fit.vcomp, strict=True) if value < 1e-4 * float(fit.scale)
    ]
    if zero:
        notes.append("no variance found for: " + ", ".join(zero))
    elif fit.converged:
        notes += dict.fromkeys(str(warning.message) for warning in caught)
    return "; ".join(notes)


# --- power


@dataclass(frozen=True)
class Spread:
    """What makes a difference of two configurations vary, as SDs in points.

    `speakers`: from speaker to speaker, seeds apart. `seeds`: from seed to seed, within a speaker.
    """

    speakers: float
    seeds: float

    def of_folds(self, seeds):
        """Return the SD over the folds (points) of differences that are means over so many seeds."""
        return float(np.sqrt(self.speakers**2 + self.seeds**2 / seeds))


def spread(scores, reference, other):
    """Split the spread of a paired difference into speakers and seeds.

    One-way analysis of variance: the variance within folds is due to the seeds; what the variance between fold means
    has more than that explains is due to the speakers (0 if it has less).

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run.
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
        As `paired_differences`; also if there are not two folds, or no fold has two seeds.
    """
    groups = _run_differences(scores, reference, other).groupby("fold")
    counts = groups.count()
    if len(counts) < 2 or counts.max() < 2:
        raise SermodulesError(
            f"{other!r} and {reference!r} share {len(counts)} fold(s), each with at most {counts.max() if len(counts) else 0} "
            "seed(s): to tell speakers from seeds, two of each are needed"
        )
    within = float((groups.var(ddof=1) * (counts - 1)).sum() / (counts - 1).sum())
    between = float(groups.mean().var(ddof=1)) - within * float((1 / counts).mean())
    return Spread(float(np.sqrt(max(between, 0.0))), float(np.sqrt(within)))


def power(differences, noise, speakers=10, test="corrected_t", correlation=None, alpha=ALPHA, repeats=10_000, seed=0):
    """Simulate studies, and count how many find a true difference.

    Each simulated study has a difference a speaker: the true one, plus normal noise of the speaker's own, plus noise that all
    folds share because they share training speakers. The shared noise has as much variance as `correlation` says, which
    is what the corrected t-test supposes; so at a true difference of 0 that test finds one in a share `alpha` of the
    studies, and the other test, which supposes a correlation of 0, in more.

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
    """
    find = _simulation(noise, speakers, test, correlation, alpha, repeats, seed)
    index = pd.Index(np.asarray(differences, dtype=float), name="difference")
    return pd.Series([find(difference) for difference in index], index, name="power")


def detectable(
    noise, target=0.8, speakers=10, test="corrected_t", correlation=None, alpha=ALPHA, repeats=10_000, seed=0
):
    """Return the smallest true difference (points) that a study would find with a given power.

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
    correlation = _correlation(correlation, speakers)
    if not 0 < noise < np.inf:
        raise SermodulesError(f"the noise has an SD of {noise:g} points: it must be above 0 and finite")
    errors = _noise(noise, speakers, correlation, repeats, np.random.default_rng(seed))
    if test == "sign_flip":
        return lambda difference: float(np.mean(_sign_flip_p(errors + difference) <= alpha))
    means = errors.mean(axis=1)
    limits = np.sqrt(_variance_factor(speakers, correlation)) * errors.std(axis=1, ddof=1)
    limits *= stats.t.ppf(1 - alpha / 2, speakers - 1)
    return lambda difference: float(np.mean((np.abs(means + difference) > limits) & (limits > 0)))


def _noise(noise, speakers, correlation, repeats, rng):
    """Draw the differences of simulated studies around 0, shape (repeats, speakers)."""
    own, shared = rng.standard_normal((repeats, speakers)), rng.standard_normal((repeats, 1))
    return noise * (own + shared * np.sqrt(correlation / (1 - correlation)))


def _sign_flip_p(samples):
    """Exact p-values of `sign_flip`, one a row; half of the flips mirror the other half and are left out."""
    n = samples.shape[1]
    signs = 1.0 - 2.0 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    observed = np.abs(samples.sum(axis=1))
    flipped = np.abs(samples @ signs.T)
    return (flipped >= observed[:, None] - _EQUAL).mean(axis=1)


# --- confusion matrices


def pooled_confusion(matrices):
    """Average a study's confusion matrix over the seeds, add the folds up, and give it in % of the true class.

    Every utterance counts the same, so a speaker with many utterances of a class weighs more. The paper does not say
    how its Tables 3 and 4 were averaged.

    Parameters
    ----------
    matrices : dict of (fold, seed) to pandas.DataFrame, shape (k, k)
        Counts of each run, from `metrics.confusion`.

    Returns
    -------
    pandas.DataFrame, shape (k, k)
        Rows are the true classes, in %; NaN where no fold has the class. ``attrs["kind"]`` is "pooled" and
        ``attrs["caption"]`` a sentence that says so.

    Raises
    ------
    SermodulesError
        If there is no matrix, the classes differ, or the runs of a fold do not test the same utterances.
    """
    folds = _fold_counts(matrices)
    return _labelled(_percent(sum(folds.values())), matrices, "pooled", "the counts of all folds added up")


def fold_averaged_confusion(matrices):
    """Give each fold's confusion matrix in % of the true class (seeds averaged), then average the folds.

    Every speaker counts the same. A class is averaged over the folds that have it, so the mean of the diagonal is the
    mean UAR over the folds if every speaker has every class.

    Parameters
    ----------
    matrices : dict of (fold, seed) to pandas.DataFrame, shape (k, k)
        Counts of each run, from `metrics.confusion`.

    Returns
    -------
    pandas.DataFrame, shape (k, k)
        As `pooled_confusion`, with the kind "fold-averaged".

    Raises
    ------
    SermodulesError
        As `pooled_confusion`.
    """
    shares = np.stack([_percent(counts).to_numpy() for counts in _fold_counts(matrices).values()])
    present = ~np.isnan(shares)
    count = present.sum(axis=0)
    mean = np.where(present, shares, 0).sum(axis=0) / np.where(count, count, np.nan)
    first = next(iter(matrices.values()))
    return _labelled(
        pd.DataFrame(mean, first.index, first.columns),
        matrices,
        "fold-averaged",
        "the percentages of the folds averaged",
    )


def _fold_counts(matrices):
    """Return the mean counts of each fold over its seeds."""
    if not matrices:
        raise SermodulesError("no confusion matrix was given: run the study first")
    first = next(iter(matrices.values()))
    folds = {}
    for (fold, seed), matrix in matrices.items():
        if list(matrix.index) != list(first.index) or list(matrix.columns) != list(first.index):
            raise SermodulesError(
                f"the confusion matrix of fold {fold}, seed {seed} has the classes {list(matrix.index)} x "
                f"{list(matrix.columns)}; all must have {list(first.index)}"
            )
        same = folds.setdefault(fold, [])
        if same and not np.array_equal(same[0].sum(axis=1), matrix.sum(axis=1)):
            raise SermodulesError(
                f"fold {fold}, seed {seed} tests other utterances than the fold's other seeds: the counts of its classes differ"
            )
        same.append(matrix)
    return {fold: sum(same) / len(same) for fold, same in folds.items()}


def _percent(counts):
    totals = counts.sum(axis=1)
    return 100 * counts.div(totals.where(totals > 0), axis=0)


def _labelled(frame, matrices, kind, how):
    """Note on a confusion matrix what it is."""
    folds, seeds = ({key[position] for key in matrices} for position in (0, 1))
    frame.attrs["kind"] = kind
    frame.attrs["caption"] = (
        f"{kind.capitalize()} confusion matrix, in % of the true class: {len(folds)} fold(s), mean over {len(seeds)} "
        f"seed(s), {how}"
    )
    return frame
