import itertools
import subprocess
import sys
import time
import warnings

import baycomp
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from sermodules import metrics
from sermodules.errors import SermodulesError
from sermodules.evidence import paper, statistics
from sermodules.evidence.statistics import comparison, planning

PAPER = (paper.TABLE1["model2_uar"] - paper.TABLE1["model1_uar"]).to_numpy()

# Darwin's maize: heights of 15 crossed plants less those of their self-fertilised partners, in eighths of an inch, as
# printed by Fisher (1935), "The design of experiments", sections 17 and 21.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def table(*rows):
    """Make scores of (configuration, fold, seed, uar); fold 1 tests speaker s1 and so on."""
    rows = [(name, fold, f"s{fold}", seed, float(uar)) for name, fold, seed, uar in rows]
    return pd.DataFrame(rows, columns=list(statistics.COLUMNS))


def grid(effects=(0.0, 3.0), folds=10, seeds=5, speakers=8.0, interaction=3.0, noise=3.0, rng=0):
    """Simulate a study in which configuration c1 is effects[1] points better than one of effect 0, and so on."""
    rng = np.random.default_rng(rng)
    base = rng.normal(60, speakers, folds)
    own = rng.normal(0, interaction, (len(effects), folds))
    return table(
        *(
            (f"c{c}", f + 1, s + 1, np.clip(base[f] + effect + own[c, f] + rng.normal(0, noise), 0, 100))
            for c, effect in enumerate(effects)
            for f in range(folds)
            for s in range(seeds)
        )
    )


@pytest.fixture
def small():
    """Two folds and two seeds; B lacks one run, A another."""
    return table(
        ("B", 2, 1, 60), ("B", 1, 1, 50), ("B", 1, 2, 54),
        ("A", 1, 1, 40), ("A", 1, 2, 46), ("A", 2, 1, 55), ("A", 2, 2, 57), ("A", 3, 1, 70),
    )  # fmt: skip


# --- from runs to one value a speaker


def test_seeds_are_averaged_within_a_speaker(small):
    means = statistics.by_speaker(small)
    assert list(means.columns) == ["B", "A"] and list(means.index) == ["s1", "s2", "s3"]
    assert means["B"].to_numpy() == pytest.approx([52, 60, np.nan], nan_ok=True)
    assert means["A"].to_numpy() == pytest.approx([43, 56, 70])


def test_pairs_share_speaker_and_seed(small):
    found = statistics.paired_differences(small, "A", "B")
    assert found["speaker"].tolist() == ["s1", "s2"]
    assert found["difference"].to_numpy() == pytest.approx([9, 5])  # ((50-40) + (54-46)) / 2, and 60-55: not 60-56
    assert found["seeds"].tolist() == [2, 1]


def test_a_fixed_uar_can_be_the_reference(small):
    found = statistics.paired_differences(small, 25.0, "B")
    assert found["difference"].to_numpy() == pytest.approx([27, 35])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop(columns="speaker"), "lack the column.* speaker"),
        (lambda s: s.iloc[:0], "no row"),
        (lambda s: s.assign(uar=s["uar"] / 100), "look like shares"),
        (
            lambda s: s.assign(uar=s["uar"].where(s["fold"] != 3)),
            "not between 0 and 100 %, the first in A, fold 3, speaker s3, seed 1",
        ),
        (lambda s: s.assign(uar=s["uar"] + 50), "not between 0 and 100 %"),
        (lambda s: pd.concat([s, s.iloc[[0]]]), "twice: B, fold 2, speaker s2, seed 1"),
        (lambda s: s.assign(speaker="s1"), "twice: .*speaker s1"),
    ],
)
def test_what_is_not_a_table_of_scores_is_refused(small, change, message):
    for function in (statistics.by_speaker, statistics.summary, lambda s: statistics.compare(s, "A")):
        with pytest.raises(SermodulesError, match=message):
            function(change(small))


def test_unknown_configurations_are_named(small):
    for reference, other in [("A", "C"), ("C", "A")]:
        with pytest.raises(SermodulesError, match="no configuration 'C' in the scores: there are 'B', 'A'"):
            statistics.paired_differences(small, reference, other)
    with pytest.raises(SermodulesError, match="with itself"):
        statistics.paired_differences(small, "A", "A")
    with pytest.raises(SermodulesError, match="nothing to compare"):
        statistics.compare(small[small["configuration"] == "A"], "A")


def test_summary_by_hand():
    scores = table(
        *(("A", f, s, u) for f, s, u in [(1, 1, 50), (1, 2, 54), (2, 1, 60), (2, 2, 60), (3, 1, 70), (3, 2, 76)])
    )
    row = statistics.summary(scores).iloc[0]
    folds = np.array([52, 60, 73])
    assert row["mean"] == pytest.approx(folds.mean())
    assert row["sd_population"] == pytest.approx(np.sqrt(((folds - folds.mean()) ** 2).sum() / 3))
    assert row["sd_sample"] == pytest.approx(np.sqrt(((folds - folds.mean()) ** 2).sum() / 2))
    assert row["sd_seeds"] == pytest.approx(abs(180 / 3 - 190 / 3) / np.sqrt(2))
    assert row["sd_within"] == pytest.approx(np.sqrt((8 + 0 + 18) / 3))
    assert np.isnan(row["low"]) and np.isnan(
        row["high"]
    )  # three speakers: resampling reaches from least to most at best
    six = statistics.summary(table(*(("A", f, 1, 50 + f) for f in range(1, 7)))).iloc[0]
    assert 51 < six["low"] < six["mean"] < six["high"] < 56
    assert row[["speakers", "seeds", "rows"]].tolist() == [3, 2, 6]


def test_summary_of_the_papers_table_1_gives_its_table_2():
    rows = [(m, r.fold, 1, getattr(r, f"{m}_uar")) for m in ("model1", "model2") for r in paper.TABLE1.itertuples()]
    found = statistics.summary(table(*rows)).set_index("configuration")
    assert found["mean"].round(2).tolist() == [59.43, 62.86]
    assert (np.floor(found["sd_population"] * 100) / 100).tolist() == [11.57, 9.43]
    assert found["sd_sample"].round(2).tolist() == [12.20, 9.95]
    assert found[["sd_seeds", "sd_within"]].isna().all(axis=None)


def test_summary_of_an_incomplete_study(small):
    found = statistics.summary(small).set_index("configuration")
    assert found.loc["A", ["speakers", "seeds", "rows"]].tolist() == [3, 2, 5]
    assert np.isnan(found.loc["A", "sd_seeds"])  # only seed 1 has all three folds
    one = statistics.summary(small[small["fold"] == 3]).iloc[0]
    assert one["mean"] == 70 and one[["sd_sample", "low", "high"]].isna().all()


# --- intervals and tests of one set of values


def test_the_papers_own_difference():
    assert statistics.corrected_t(PAPER).mean == pytest.approx(3.431)
    assert round(statistics.corrected_t(PAPER, 0).p, 3) == 0.042  # the plain paired t-test
    assert round(statistics.corrected_t(PAPER).p, 3) == 0.137  # n_test / n_train = 1/9
    assert round(statistics.corrected_t(PAPER, 1 / 9).p, 3) == 0.148  # 1/8: the validation speaker is no training data
    assert round(statistics.wilcoxon(PAPER), 3) == 0.037
    assert statistics.sign_flip(PAPER) == 26 / 1024


def rnorm(seed, count):
    """Return what R's `set.seed(seed); rnorm(count)` gives: Mersenne Twister and inversion."""
    words = []
    for step in range(50 + 625):
        seed = (69069 * seed + 1) % 2**32
        words += [seed] if step >= 50 else []
    twister = np.random.MT19937()
    twister.state = twister.state | {"state": {"key": np.array(words[1:], dtype=np.uint32), "pos": 624}}
    uniform = twister.random_raw(2 * count) * 2.3283064365386963e-10
    return special.ndtri((np.floor(2**27 * uniform[::2]) + uniform[1::2]) / 2**27)


def test_corrected_t_against_the_worked_example_of_correctr():
    """The vignette "Introduction to correctR" of the R package correctR: 30 resamples, 80 training and 20 test items."""
    numbers = rnorm(123, 60)
    assert numbers[:3] == pytest.approx([-0.56047565, -0.23017749, 1.55870831], abs=5e-9)
    result = statistics.corrected_t((0.6 + 0.1 * numbers[:30]) - (0.4 + 0.1 * numbers[30:]), 20 / (80 + 20))
    assert result.statistic == pytest.approx(2.407318, abs=5e-7)
    assert result.p == pytest.approx(0.02265982, abs=5e-9)


def test_corrected_t_and_bayesian_against_the_worked_example_of_scikit_learn():
    """scikit-learn's example "Statistical comparison of models using grid search": ten times ten folds of 100 items."""
    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    kernels = {name: SVC(kernel=name, random_state=0) for name in ("rbf", "linear", "poly")}  # poly: of degree 3
    auc = {name: cross_val_score(model, x, y, scoring="roc_auc", cv=folds) for name, model in kernels.items()}
    result = statistics.corrected_t(auc["rbf"] - auc["linear"], 10 / (90 + 10))
    assert [result.low, result.high] == pytest.approx([-0.016445, 0.036445], abs=5e-7)
    for other, worse, same in [("linear", 0.068, 0.43), ("poly", 0.018, 0.10)]:
        found = statistics.bayesian_correlated_t(auc["rbf"] - auc[other], 0.01, 0.1)
        assert round(found.worse, 3) == worse and round(found.same, 2) == same


def test_corrected_t_by_hand():
    result = statistics.corrected_t([0, 2, 4], correlation=0.2)  # mean 2, variance 4, factor 1/3 + 1/4
    assert result.statistic == pytest.approx(2 / np.sqrt(4 * 7 / 12)) and result.df == 2
    half = 4.302652729749462 * np.sqrt(4 * 7 / 12)
    assert [result.low, result.high] == pytest.approx([2 - half, 2 + half])
    assert statistics.corrected_t([0, 2, 4]) == statistics.corrected_t([0, 2, 4], 1 / 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-2000, 2000), min_size=2, max_size=15).filter(lambda v: len(set(v)) > 1))
def test_corrected_t_without_correlation_is_students_and_the_interval_goes_with_the_p_value(integers):
    values = np.array(integers) / 100
    plain = stats.ttest_1samp(values, 0)
    result = statistics.corrected_t(values, 0)
    assert [result.statistic, result.p] == pytest.approx([plain.statistic, plain.pvalue])
    assert [result.low, result.high] == pytest.approx([*plain.confidence_interval(0.95)])
    corrected = statistics.corrected_t(values)
    assert abs(corrected.statistic) <= abs(result.statistic) and corrected.p >= result.p
    if abs(corrected.p - 0.05) > 1e-9:
        assert (corrected.p < 0.05) == (corrected.low > 0 or corrected.high < 0)


def test_type_one_error_of_the_primary_test():
    """5 % if folds are correlated as it supposes; fewer if they are independent, where the plain t-test has 5 %."""
    rng, repeats, rho = np.random.default_rng(0), 2500, 0.1
    own = rng.standard_normal((repeats, 10))
    shared = rng.standard_normal((repeats, 1)) * np.sqrt(rho / (1 - rho))

    def rejected(samples, correlation):
        return np.mean([statistics.corrected_t(sample, correlation).p < 0.05 for sample in samples])

    assert rejected(own + shared, None) == pytest.approx(0.05, abs=0.01)
    assert rejected(own, None) == pytest.approx(0.009, abs=0.005)
    assert rejected(own, 0) == pytest.approx(0.05, abs=0.01)
    assert rejected(own + shared, 0) == pytest.approx(0.154, abs=0.02)  # what the correction is for


def test_how_cautious_the_correction_is_when_folds_are_independent():
    limit = stats.t.ppf(0.975, 9) * np.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    assert round(2 * stats.t.sf(limit, 9), 3) == 0.009  # the docstring's 0.9 %


def test_sign_flip_against_fisher():
    """Fisher found 863 of the 32768 sums to be 314 or more, one tail."""
    assert statistics.sign_flip(MAIZE) == 2 * 863 / 2**15


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=7))
@example([-1, -2, 1, 2])  # 0.1 - 0.2 + ... is not quite 0
def test_sign_flip_with_ties_and_zeros_against_all_flips(integers):
    values = 0.1 * np.array(integers)  # 0.1 + 0.2 is not 0.3: ties must survive rounding
    sums = [
        abs(sum(s * i for s, i in zip(signs, integers, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(integers))
    ]
    assert statistics.sign_flip(values) == pytest.approx(np.mean([total >= abs(sum(integers)) for total in sums]))


def test_sign_flip_reaches_its_smallest_p_value_and_draws_flips_for_many_speakers():
    assert statistics.sign_flip(np.arange(1, 11)) == 2 / 1024
    many = np.random.default_rng(0).normal(0.5, 1, 30)
    found = statistics.sign_flip(many)
    assert found == statistics.sign_flip(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.005)
    assert statistics.sign_flip(np.arange(1, 41)) > 0


def test_wilcoxon():
    assert statistics.wilcoxon(MAIZE) == 0.041259765625  # scipy's documentation, the same data
    assert statistics.wilcoxon([1, 2, 3, 4, 5]) == 2 / 32
    assert statistics.wilcoxon([0, 0, -3, -3, -3, 4]) == statistics.wilcoxon([-3, -3, -3, 4])  # zeros are left out
    assert statistics.wilcoxon([0.3, 0.1 + 0.2, -0.3]) == statistics.wilcoxon([1, 1, -1])  # ties survive rounding
    assert statistics.wilcoxon([0.0, 0.0]) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-2000, 2000), min_size=2, max_size=15).filter(lambda v: len(set(v)) > 1), st.floats(0.1, 3))
def test_bayesian_correlated_t_against_the_closed_form_and_baycomp(integers, rope):
    values = np.array(integers) / 100
    n = len(values)
    found = statistics.bayesian_correlated_t(values, rope)
    scale = values.std(ddof=1) * np.sqrt(1 / n + (1 / n) / (1 - 1 / n))
    below, above = stats.t.cdf([-rope, rope], n - 1, values.mean(), scale)
    assert [found.worse, found.same, found.better] == pytest.approx([below, above - below, 1 - above], abs=1e-12)
    assert [found.worse, found.same, found.better] == pytest.approx(
        [*baycomp.two_on_single(0 * values, values, rope)], abs=1e-9
    )


def test_bayesian_probability_of_a_gain_is_the_primary_tests_one_sided_p_value():
    found, result = statistics.bayesian_correlated_t(PAPER, 1e-9), statistics.corrected_t(PAPER)
    assert 1 - found.better == pytest.approx(result.p / 2, abs=1e-6)
    assert found.worse + found.same + found.better == pytest.approx(1)


@pytest.mark.parametrize("values", [[2.0, 2.0], [0.0] * 10, [0.1 + 0.2, 0.3, 0.3]])
def test_without_spread_there_is_no_answer(values):
    result, posterior = statistics.corrected_t(values), statistics.bayesian_correlated_t(values)
    assert result.mean == pytest.approx(values[0])
    assert np.isnan([result.p, result.statistic, result.low, result.high]).all()
    assert np.isnan([posterior.worse, posterior.same, posterior.better]).all()


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_what_is_not_one_number_a_speaker_is_refused(values):
    for function in (
        statistics.corrected_t, statistics.sign_flip, statistics.wilcoxon,
        statistics.bayesian_correlated_t, statistics.bootstrap_interval,
    ):  # fmt: skip
        with pytest.raises(SermodulesError, match="one finite number a speaker"):
            function(values)


def test_correlation_and_rope_are_checked():
    for correlation in (-0.1, 1.0):
        with pytest.raises(SermodulesError, match="from 0 to below 1"):
            statistics.corrected_t([1, 2], correlation)
    with pytest.raises(SermodulesError, match="above 0"):
        statistics.bayesian_correlated_t([1, 2], rope=0)


def test_bootstrap_interval_holds_the_mean_more_often_than_percentile_and_bca():
    """Ten normal speakers: this is why the interval is neither of scipy's own."""
    rng, repeats = np.random.default_rng(1), 400
    held = {"ours": 0, "percentile": 0, "BCa": 0}
    for _ in range(repeats):
        values = rng.standard_normal(10)
        low, high = statistics.bootstrap_interval(values)
        held["ours"] += low <= 0 <= high
        for method in ("percentile", "BCa"):
            other = stats.bootstrap((values,), np.mean, method=method, n_resamples=2000, rng=rng).confidence_interval
            held[method] += other.low <= 0 <= other.high
    shares = {name: count / repeats for name, count in held.items()}
    assert 0.92 <= shares["ours"] <= 0.965
    assert shares["percentile"] <= 0.92 and shares["BCa"] <= 0.92


def test_bootstrap_interval_is_as_wide_as_students():
    values = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    low, high = statistics.bootstrap_interval(values)
    plain = statistics.corrected_t(values, 0)
    assert high - low == pytest.approx(plain.high - plain.low, rel=0.04)
    level = 2 * stats.norm.cdf(np.sqrt(10 / 9) * stats.t.ppf(0.975, 9)) - 1
    assert round(100 * (1 - level) / 2, 2) == 0.86  # the docstring's percentile


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-500, 500), min_size=2, max_size=12), st.integers(-30, 30), st.integers(1, 5))
def test_bootstrap_interval_moves_with_the_values(integers, shift, scale):
    values = np.array(integers) / 10
    low, high = statistics.bootstrap_interval(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert statistics.bootstrap_interval(scale * values + shift) == pytest.approx(
        (scale * low + shift, scale * high + shift)
    )
    assert statistics.bootstrap_interval(values) == (low, high)


# --- comparisons


def test_compare_says_what_the_single_tests_say():
    scores = grid((0, 4, 1))
    found = statistics.compare(scores, "c0", rope=2.0, correlation=1 / 9, seed=3).set_index("configuration")
    assert list(found.index) == ["c1", "c2"]
    for name, row in found.iterrows():
        values = statistics.paired_differences(scores, "c0", name)["difference"]
        test, posterior = statistics.corrected_t(values, 1 / 9), statistics.bayesian_correlated_t(values, 2.0, 1 / 9)
        assert row[["difference", "low", "high", "p"]].tolist() == [test.mean, test.low, test.high, test.p]
        assert tuple(row[["bootstrap_low", "bootstrap_high"]]) == statistics.bootstrap_interval(values, 3)
        assert row["p_sign_flip"] == statistics.sign_flip(values) and row["p_wilcoxon"] == statistics.wilcoxon(values)
        assert row[["worse", "same", "better"]].tolist() == [posterior.worse, posterior.same, posterior.better]
        assert row[["speakers", "seeds", "pairs", "unpaired"]].tolist() == [10, 5, 50, 0]
        assert row["speakers_better"] == (values > 0).sum()
    p = found["p"]
    assert found["p_holm"].to_numpy() == pytest.approx(
        np.maximum.accumulate([min(2 * p.min(), 1), p.max()])[np.argsort(np.argsort(p))]
    )


def test_holm_by_hand_counts_a_comparison_without_a_p_value():
    adjusted = comparison.holm(pd.Series([0.01, 0.04, 0.03]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06])
    adjusted = comparison.holm(pd.Series([0.01, np.nan, 0.03]))
    assert adjusted[[0, 2]] == pytest.approx([0.03, 0.06]) and np.isnan(adjusted[1])


def test_compare_reports_what_is_missing(small):
    row = statistics.compare(small, "A").iloc[0]
    assert row["difference"] == pytest.approx(7)
    assert row[["speakers", "speakers_better", "seeds", "pairs", "unpaired"]].tolist() == [2, 2, 1, 3, 2]
    one = statistics.compare(small[small["fold"] == 1], "A").iloc[0]
    assert one["difference"] == 9 and one["speakers"] == 1
    assert one[["low", "high", "p", "p_holm", "p_sign_flip", "p_wilcoxon", "bootstrap_low", "better"]].isna().all()
    assert statistics.verdict(one) == statistics.CANNOT_TELL
    none = statistics.compare(table(("A", 1, 1, 50), ("B", 2, 1, 60)), "A").iloc[0]
    assert none[["speakers", "seeds", "pairs", "unpaired"]].tolist() == [0, 0, 0, 2] and np.isnan(none["difference"])
    chance = statistics.compare(small, 25.0, ["A"]).iloc[0]
    assert chance[["speakers", "pairs", "unpaired"]].tolist() == [3, 5, 0]


def test_runs_are_never_taken_as_independent():
    """The same runs under five seeds are no more evidence than under one."""
    one = grid(seeds=1)
    five = pd.concat([one.assign(seed=seed) for seed in range(5)])
    columns = ["difference", "low", "high", "p", "p_sign_flip", "p_wilcoxon", "better", "bootstrap_low"]
    first, second = (statistics.compare(scores, "c0").iloc[0] for scores in (one, five))
    assert second[columns].tolist() == pytest.approx(first[columns].tolist())
    assert [first["pairs"], second["pairs"]] == [10, 50]


@pytest.mark.parametrize(("rng", "shift"), [(0, 20), (1, -15)])
def test_compare_is_paired_and_antisymmetric(rng, shift):
    scores = grid(folds=5, seeds=2, speakers=2, rng=rng)
    row = statistics.compare(scores, "c0").iloc[0]
    moved = scores.assign(
        uar=scores["uar"].mask(scores["fold"] == 2, scores["uar"] + shift)
    )  # an easier speaker changes nothing
    again, back = statistics.compare(moved, "c0").iloc[0], statistics.compare(scores, "c1").iloc[0]
    for name in ("p", "p_sign_flip", "p_wilcoxon", "low"):
        assert again[name] == pytest.approx(row[name])
    assert [back["difference"], back["low"], back["high"]] == pytest.approx(
        [-row["difference"], -row["high"], -row["low"]]
    )
    assert [back["p"], back["worse"], back["same"]] == pytest.approx([row["p"], row["better"], row["same"]])


# --- verdicts


def claim(low, high, p_holm=0.01, bootstrap=None):
    bootstrap = bootstrap or (low, high)
    return {"low": low, "high": high, "bootstrap_low": bootstrap[0], "bootstrap_high": bootstrap[1], "p_holm": p_holm}


@pytest.mark.parametrize(
    ("found", "claimed", "answer"),
    [
        (claim(0.5, 6), {}, statistics.SUPPORTED),
        (claim(0.5, 6, p_holm=0.2), {}, statistics.CANNOT_TELL),  # Holm's correction takes it back
        (claim(0.5, 6, bootstrap=(-0.1, 5)), {}, statistics.CANNOT_TELL),  # both intervals must agree
        (claim(-1, 6), {}, statistics.CANNOT_TELL),
        (claim(-4, 0.9), {}, statistics.NOT_SUPPORTED),  # at best less than a point
        (claim(-4, 0.9, bootstrap=(-4, 1.1)), {}, statistics.CANNOT_TELL),
        (claim(-4, 0.9), {"rope": 0.5}, statistics.CANNOT_TELL),
        (claim(0.2, 0.8), {}, statistics.SUPPORTED),  # a small gain is a gain
        (claim(1.2, 6), {"least": 2}, statistics.CANNOT_TELL),
        (claim(2.2, 6), {"least": 2}, statistics.SUPPORTED),
        (claim(-3, 1.9), {"least": 2}, statistics.NOT_SUPPORTED),
        (claim(2.5, 4.3), {"least": 3.43, "most": 3.43}, statistics.SUPPORTED),  # within a point
        (claim(2.5, 4.5), {"least": 3.43, "most": 3.43}, statistics.CANNOT_TELL),
        (claim(-1, 3.4), {"least": 3.43, "most": 3.43}, statistics.NOT_SUPPORTED),
        (claim(3.5, 9), {"least": 3.43, "most": 3.43}, statistics.NOT_SUPPORTED),
        (claim(0.1, 2.9), {"least": 1, "most": 2}, statistics.SUPPORTED),
        (claim(-0.1, 2.9), {"least": 1, "most": 2}, statistics.CANNOT_TELL),
        (claim(-0.1, 2.9), {"least": 1, "most": 2, "rope": 3}, statistics.CANNOT_TELL),  # a claimed gain must be a gain
        (claim(-2, 0.9), {"least": 1, "most": 2}, statistics.NOT_SUPPORTED),
        (claim(np.nan, np.nan, np.nan), {}, statistics.CANNOT_TELL),
        (claim(np.nan, np.nan, bootstrap=(2, 3)), {}, statistics.CANNOT_TELL),
        (claim(2, 3, bootstrap=(np.nan, np.nan)), {}, statistics.CANNOT_TELL),
    ],
)
def test_verdicts(found, claimed, answer):
    assert statistics.verdict(found, **claimed) == answer


def test_a_comparison_that_stands_alone_is_judged_by_its_own_p_value():
    alone = claim(0.5, 6)
    del alone["p_holm"]
    assert statistics.verdict(alone | {"p": 0.01}) == statistics.SUPPORTED
    assert statistics.verdict(alone | {"p": 0.2}) == statistics.CANNOT_TELL
    assert statistics.verdict(alone | {"p": 0.01, "p_holm": 0.2}) == statistics.CANNOT_TELL  # the corrected one decides


def test_verdict_on_the_papers_own_table():
    rows = [(m, r.fold, 1, getattr(r, f"{m}_uar")) for m in ("model1", "model2") for r in paper.TABLE1.itertuples()]
    scores = table(*rows)
    gain = statistics.compare(scores, "model1").iloc[0]
    assert statistics.verdict(gain) == statistics.verdict(gain, 3.43, 3.43) == statistics.CANNOT_TELL
    chance = statistics.compare(scores, 25.0)
    assert [statistics.verdict(row) for _, row in chance.iterrows()] == [statistics.SUPPORTED] * 2


@pytest.mark.parametrize("claimed", [{"least": -1}, {"least": 2, "most": 1}, {"rope": -1}])
def test_what_is_not_a_claim_is_refused(claimed):
    with pytest.raises(SermodulesError, match="not a claim"):
        statistics.verdict(claim(0, 1), **claimed)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-9, 9), st.floats(0, 9), st.floats(0, 9), st.floats(0, 9),
    st.floats(0, 9), st.none() | st.floats(0, 9), st.sampled_from([0.01, 0.2]),
)  # fmt: skip
def test_a_wider_interval_never_decides_more(low, width, left, right, least, extra, p_holm):
    claimed = {"least": least, "most": None if extra is None else least + extra}
    narrow = statistics.verdict(claim(low, low + width, p_holm), **claimed)
    wide = statistics.verdict(claim(low - left, low + width + right, p_holm), **claimed)
    assert wide in (narrow, statistics.CANNOT_TELL) or (narrow, wide) == (
        statistics.SUPPORTED,
        statistics.NOT_SUPPORTED,
    )
    if narrow == statistics.CANNOT_TELL:
        assert wide == statistics.CANNOT_TELL


def test_verdicts_are_seldom_wrong_with_ten_speakers():
    rng = np.random.default_rng(2)

    def answers(true, repeats=150):
        found = []
        for _ in range(repeats):
            values = true + rng.normal(0, 4.5, 10)
            test, (low, high) = statistics.corrected_t(values), statistics.bootstrap_interval(values)
            alone = {"low": test.low, "high": test.high, "bootstrap_low": low, "bootstrap_high": high, "p": test.p}
            found.append(statistics.verdict(alone))
        return {answer: found.count(answer) / repeats for answer in {*found}}

    assert answers(0).get(statistics.SUPPORTED, 0) <= 0.025
    assert answers(3).get(statistics.NOT_SUPPORTED, 0) <= 0.025
    assert answers(12)[statistics.SUPPORTED] >= 0.95
    assert answers(-6)[statistics.NOT_SUPPORTED] >= 0.7


# --- mixed models


def test_mixed_model_of_a_complete_grid_has_the_paired_tests_standard_error():
    scores = grid((0, 3), rng=4)
    values = statistics.paired_differences(scores, "c0", "c1")["difference"]
    plain = statistics.corrected_t(values, 0)
    stated, interaction = statistics.mixed_model(scores).itertuples()
    assert stated.model == "UAR ~ configuration + (1|speaker) + (1|seed)"
    assert [stated.difference, interaction.difference] == pytest.approx([plain.mean] * 2, abs=1e-6)
    assert interaction.se == pytest.approx(values.std(ddof=1) / np.sqrt(10), rel=0.005)
    assert [interaction.low, interaction.high] == pytest.approx([plain.low, plain.high], rel=0.01)
    assert interaction.p == pytest.approx(plain.p, rel=0.02)
    assert stated.se < 0.6 * interaction.se  # the model as stated takes the runs of a speaker for independent
    assert np.isnan(stated.sd_interaction)


def test_mixed_model_finds_the_spread_that_was_put_in():
    rng = np.random.default_rng(5)
    seeds = pd.Series(rng.normal(0, 4, 12))
    scores = grid((0, 5), folds=24, seeds=12, speakers=6, interaction=3, noise=2, rng=6)
    scores["uar"] += scores["seed"].sub(1).map(seeds)
    scores = scores[rng.random(len(scores)) < 0.5]  # half of the runs are missing
    stated, interaction = statistics.mixed_model(scores.assign(uar=scores["uar"].clip(0, 100)), "c1").itertuples()
    assert (interaction.reference, interaction.configuration) == ("c1", "c0")
    found = [interaction.sd_speaker, interaction.sd_seed, interaction.sd_interaction, interaction.sd_residual]
    assert found == pytest.approx([6, 4, 3, 2], rel=0.3)
    assert interaction.difference == pytest.approx(-5, abs=2)
    assert interaction.note == "" and stated.se < interaction.se


def test_mixed_model_says_in_a_column_when_a_variance_vanishes_and_nowhere_else(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.mixed_model(grid((0, 3, 8), rng=2))
    assert list(found["configuration"]) == ["c1", "c2"] * 2 and set(found["reference"]) == {"c0"}
    assert found["note"].tolist() == ["no variance found for: seed"] * 4 and (found["sd_seed"] < 0.1).all()
    assert found[["difference", "se", "low", "high", "p", "sd_residual"]].notna().all(axis=None)
    assert capfd.readouterr() == ("", "")


def test_mixed_model_that_cannot_be_fitted_is_a_row_with_a_note(monkeypatch):
    def singular(*args, **kwargs):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(statsmodels.formula.api, "mixedlm", singular)
    found = statistics.mixed_model(grid())
    assert found["note"].tolist() == ["could not be fitted: Singular matrix"] * 2
    assert found[["difference", "se", "p"]].isna().all(axis=None)


def test_mixed_model_needs_two_of_each():
    scores = grid()
    for column, value in [("configuration", "c0"), ("fold", 1), ("seed", 1)]:
        with pytest.raises(SermodulesError, match="at least two of each"):
            statistics.mixed_model(scores[scores[column] == value])
    with pytest.raises(SermodulesError, match="no configuration 'x'"):
        statistics.mixed_model(scores, "x")


# --- power


def exact_power(difference, sd, n, rho, alpha=0.05):
    """Power of the corrected t-test, from the noncentral t distribution."""
    shift, limit = difference / (sd * np.sqrt(1 / n + rho / (1 - rho))), stats.t.ppf(1 - alpha / 2, n - 1)
    return stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift)


@pytest.mark.parametrize(("rho", "n", "alpha"), [(None, 10, 0.05), (0, 10, 0.05), (0.2, 5, 0.1), (0.5, 8, 0.05)])
def test_power_against_the_noncentral_t_distribution(rho, n, alpha):
    differences = [0, 1, 3, 6, 9]
    found = statistics.power(differences, 4.0, n, correlation=rho, alpha=alpha)
    exact = [exact_power(d, 4.0, n, 1 / n if rho is None else rho, alpha) for d in differences]
    assert list(found.index) == differences and found.index.name == "difference"
    assert found.to_numpy() == pytest.approx(exact, abs=0.015)


def test_detectable_is_where_the_power_is():
    edge = statistics.detectable(4.58)
    assert statistics.power([edge - 0.05, edge + 0.05], 4.58).between(0.79, 0.81).all()
    assert exact_power(edge, 4.58, 10, 0.1) == pytest.approx(0.8, abs=0.01)
    assert statistics.detectable(2 * 4.58) == pytest.approx(2 * edge, abs=0.02)
    assert statistics.detectable(4.58, speakers=40) < edge < statistics.detectable(4.58, target=0.9)
    assert statistics.detectable(4.58, seed=7) == pytest.approx(edge, abs=0.15)


def test_the_papers_gain_is_below_what_its_design_could_detect():
    assert statistics.detectable(PAPER.std(ddof=1)) > PAPER.mean()


def test_noise_has_the_spread_and_the_correlation_that_were_asked_for():
    rng = np.random.default_rng(0)
    drawn = planning._noise(3.0, 4, 0.5, 50_000, rng)
    assert drawn.mean() == pytest.approx(0, abs=0.1)
    assert drawn.std() == pytest.approx(3 * np.sqrt(2), rel=0.02)  # own and shared noise of equal variance
    assert np.corrcoef(drawn, rowvar=False)[0, 1:] == pytest.approx([0.5] * 3, abs=0.02)


def test_sign_flip_in_power_is_the_test_itself():
    samples = np.random.default_rng(0).normal(1, 2, (20, 8)).round(1)
    assert planning._sign_flip_p(samples) == pytest.approx([statistics.sign_flip(sample) for sample in samples])
    assert planning._sign_flip_p(np.array([[0.1, 0.2, -0.3]])) == pytest.approx([1])
    level = statistics.power([0], 3.0, test="sign_flip", correlation=0, repeats=4000)[0]
    assert level == pytest.approx(48 / 1024, abs=0.01)  # at most 5 %, in steps of 2/1024
    correlated = statistics.power([0], 3.0, test="sign_flip", repeats=4000)[0]
    assert correlated == pytest.approx(0.15, abs=0.03)  # it is not corrected
    assert statistics.detectable(3.0, speakers=5, test="sign_flip", repeats=200) == np.inf  # 2/32 > 0.05


def test_power_is_repeatable_and_quick():
    start = time.perf_counter()
    first = statistics.power(np.linspace(0, 10, 21), 4.58)
    assert time.perf_counter() - start < 2
    assert first.equals(statistics.power(np.linspace(0, 10, 21), 4.58))
    assert not first.equals(statistics.power(np.linspace(0, 10, 21), 4.58, seed=1))
    assert first.is_monotonic_increasing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": 0}, "above 0 and finite"),
        ({"noise": np.nan}, "above 0 and finite"),
        ({"test": "z"}, "unknown test 'z'"),
        ({"speakers": 1}, "with 1 speakers"),
        ({"speakers": 13, "test": "sign_flip"}, "with 13 speakers"),
        ({"correlation": 1}, "from 0 to below 1"),
    ],
)
def test_simulations_that_cannot_be_done_are_refused(arguments, message):
    arguments = {"noise": 3.0} | arguments
    with pytest.raises(SermodulesError, match=message):
        statistics.power([1], **arguments)
    with pytest.raises(SermodulesError, match=message):
        statistics.detectable(**arguments)


def test_a_power_that_cannot_be_is_refused():
    for target in (0.05, 1):
        with pytest.raises(SermodulesError, match="a power of"):
            statistics.detectable(3.0, target)


def test_spread_by_hand():
    rows = [("A", f, s, 50) for f in (1, 2) for s in (1, 2)]
    scores = table(*rows, ("B", 1, 1, 51), ("B", 1, 2, 53), ("B", 2, 1, 60), ("B", 2, 2, 60))
    found = statistics.spread(scores, "A", "B")
    within = (2 + 0) / 2  # variances of (1, 3) and (10, 10)
    assert found.seeds == pytest.approx(np.sqrt(within))
    assert found.speakers == pytest.approx(np.sqrt(32 - within / 2))  # variance of (2, 10), less the seeds' part
    assert found.of_folds(2) == pytest.approx(np.sqrt(32))
    assert found.of_folds(np.inf) == found.speakers


def test_spread_finds_what_was_put_in():
    found = statistics.spread(grid(folds=400, seeds=4, interaction=2, noise=3, speakers=4), "c0", "c1")
    assert found.speakers == pytest.approx(2 * np.sqrt(2), rel=0.1)
    assert found.seeds == pytest.approx(3 * np.sqrt(2), rel=0.05)
    alike = statistics.spread(grid(folds=3, interaction=0, rng=1), "c0", "c1")
    assert alike.speakers >= 0


def test_the_interval_of_the_speakers_part_holds_it_as_often_as_it_says():
    """Ten speakers, five seeds: also where the estimate is mostly cut off at 0."""
    rng, held = np.random.default_rng(0), {0.5: 0, 4.0: 0}
    index = pd.MultiIndex.from_product([range(10), range(5)], names=["speaker", "seed"])
    for true in held:
        for _ in range(200):
            gain = np.repeat(rng.normal(0, true, 10), 5) + rng.normal(0, 3, 50)
            scores = index.to_frame(index=False).assign(configuration="new", uar=50 + gain)
            scores = scores.assign(fold=scores["speaker"], speaker=scores["speaker"].map("s{}".format))
            found = statistics.spread(scores, 50.0, "new")
            held[true] += found.speakers_low <= true <= found.speakers_high
    assert all(0.91 < count / 200 < 0.99 for count in held.values()), held


def test_spread_needs_two_folds_and_two_seeds():
    for scores in (grid(seeds=1), grid(folds=1), table(("c0", 1, 1, 50), ("c1", 2, 1, 60))):
        with pytest.raises(SermodulesError, match="two of each are needed"):
            statistics.spread(scores, "c0", "c1")


# --- confusion matrices


def counts(rows, classes="abc"):
    return pd.DataFrame(rows, pd.Index([*classes], name="true"), pd.Index([*classes], name="predicted"))


def test_confusion_matrices_by_hand():
    matrices = {
        (1, 1): counts([[8, 2, 0], [0, 10, 0], [0, 0, 0]]),
        (1, 2): counts([[6, 4, 0], [0, 10, 0], [0, 0, 0]]),
        (2, 1): counts([[0, 2, 0], [1, 0, 4], [0, 0, 0]]),
    }
    pooled = statistics.pooled_confusion(matrices)  # speaker 1: mean counts 7, 3 of 10; speaker 2: 0, 2 of 2
    assert pooled.loc["a"].to_numpy() == pytest.approx([700 / 12, 500 / 12, 0])
    assert pooled.loc["b"].to_numpy() == pytest.approx([100 / 15, 1000 / 15, 400 / 15])
    averaged = statistics.speaker_averaged_confusion(matrices)
    assert averaged.loc["a"].to_numpy() == pytest.approx([35, 65, 0])
    assert averaged.loc["b"].to_numpy() == pytest.approx([10, 50, 40])
    for found, kind in [(pooled, "pooled"), (averaged, "speaker-averaged")]:
        assert found.loc["c"].isna().all()
        assert found.attrs["kind"] == kind and found.attrs["caption"].lower().startswith(kind)
        assert "2 speaker(s), mean over 2 seed(s)" in found.attrs["caption"]
        assert (found.index.name, found.columns.name) == ("true", "predicted")


def test_the_average_skips_the_speakers_without_the_class():
    matrices = {(1, 1): counts([[1, 1], [0, 4]], "ab"), (2, 1): counts([[0, 0], [2, 2]], "ab")}
    found = statistics.speaker_averaged_confusion(matrices)
    assert found.to_numpy() == pytest.approx(np.array([[50, 50], [25, 75]]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
def test_speaker_averaged_diagonal_is_the_mean_uar_and_pooled_weighs_by_utterances(rng, folds, seeds):
    rng = np.random.default_rng(rng)
    totals = rng.integers(1, 9, (folds, 3))
    matrices = {
        (f, s): counts(np.array([rng.multinomial(totals[f, row], [0.5, 0.3, 0.2]) for row in range(3)]))
        for f in range(folds)
        for s in range(seeds)
    }
    averaged, pooled = statistics.speaker_averaged_confusion(matrices), statistics.pooled_confusion(matrices)
    uars = [100 * metrics.uar(matrix) for matrix in matrices.values()]
    assert np.diag(averaged).mean() == pytest.approx(np.mean(uars))
    everything = np.sum([matrix.to_numpy() for matrix in matrices.values()], axis=0)
    assert pooled.to_numpy() == pytest.approx(100 * everything / (seeds * totals.sum(axis=0))[:, None])
    if folds == 1:
        assert pooled.to_numpy() == pytest.approx(averaged.to_numpy())


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({}, "no confusion matrix"),
        (
            {(1, 1): counts([[1, 0], [0, 1]], "ab"), (2, 1): counts([[1, 0], [0, 1]], "ba")},
            "speaker 2, seed 1 has the classes",
        ),
        (
            {(1, 1): counts([[1, 0], [0, 1]], "ab"), (1, 2): counts([[1, 1], [0, 1]], "ab")},
            "speaker 1, seed 2: other utterances",
        ),
    ],
)
def test_confusion_matrices_that_do_not_fit_are_refused(matrices, message):
    for function in (statistics.pooled_confusion, statistics.speaker_averaged_confusion):
        with pytest.raises(SermodulesError, match=message):
            function(matrices)


# --- silence


def test_nothing_is_written_to_stderr():
    """In the book every line on stderr fails the build, so warnings are errors here, from the first import on."""
    code = """
import pandas as pd
from sermodules.evidence import statistics as s
rows = [(c, f, f"s{f}", seed, 50.0 + 3 * (c == "B") + 7 * f % 11 + (5 * f * seed) % 3 + (c == "B") * (f % 4))
        for c in "ABC" for f in range(1, 11) for seed in (1, 2)]
scores = pd.DataFrame(rows, columns=list(s.COLUMNS))
s.summary(scores)
s.verdict(s.compare(scores, "A").iloc[0])
s.compare(scores[scores.fold < 2], "A")
s.mixed_model(scores)
s.spread(scores, "A", "B")
s.power([1, 2], 3.0)
constant = scores.assign(uar=50.0)
s.summary(constant), s.compare(constant, "A"), s.mixed_model(constant)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
