"""Intervals for speakers who share trainings: by hand, against other formulas, and by how often they are right."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sermodules.errors import SermodulesError
from sermodules.evidence import statistics
from sermodules.evidence.statistics import Components


def table(rows):
    return pd.DataFrame(rows, columns=["speaker", "training", "difference"])


def test_a_training_of_each_row_leaves_the_error_of_the_t_test_over_speakers():
    # every row its own speaker and its own training: all three sums are the same, and so is what is left
    values = np.array([0.0, 2, 3, 4, 6])
    found = statistics.clustered_t(table([(i, i, value) for i, value in enumerate(values)]))
    assert (found.mean, found.error) == pytest.approx((3, values.std(ddof=1) / np.sqrt(5)))


def test_by_hand():
    # two speakers, each tested by both trainings: mean 3, residuals -3, -1, 1, 3, weights 1/4
    found = statistics.clustered_t(table([("a", 1, 0.0), ("a", 2, 2.0), ("b", 1, 4.0), ("b", 2, 6.0)]))
    speaker, training, row = 2 * (1 + 1), 2 * (0.25 + 0.25), 4 / 3 * 20 / 16
    expected = speaker + training - row
    assert found.mean == 3 and found.error**2 == pytest.approx(expected)
    assert found.df == pytest.approx(min(1, expected**2 / (speaker**2 + training**2 + row**2 / 3)))
    half = found.error * stats.t.ppf(0.975, found.df)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))
    assert found.p_above(3) == pytest.approx(0.5) and found.p_above(0) + found.p_below(0) == pytest.approx(1)
    assert found.p == pytest.approx(2 * found.p_above(0))


def test_each_speaker_weighs_the_same_whatever_its_number_of_rows():
    found = statistics.clustered_t(table([("a", 1, 0.0), ("a", 2, 0.0), ("a", 3, 0.0), ("b", 1, 6.0)]))
    assert found.mean == 3 and (found.speakers, found.trainings) == (2, 3)


def test_neither_order_nor_names_matter():
    one = statistics.simulated(Components(4, 3, 6), speakers=20, groups=4, seeds=3)
    other = one.sample(frac=1, random_state=1).replace({"speaker": {0: "zero"}})
    for function in (statistics.clustered_t, statistics.components):
        assert vars(function(other)) == pytest.approx(vars(function(one)))


def test_no_spread_gives_no_interval():
    found = statistics.clustered_t(table([("a", 1, 2.0), ("b", 2, 2.0)]))
    assert found.mean == 2 and np.isnan([found.low, found.high, found.df]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, 1.0), ("a", 2, 2.0)], "1 speakers, 2 trainings"),
        ([("a", 1, 1.0), ("b", 1, 2.0)], "2 speakers, 1 trainings"),
        ([("a", 1, np.nan), ("b", 2, 2.0)], "1 values that are not finite"),
    ],
)
def test_too_little_is_refused(rows, message):
    for function in (statistics.clustered_t, statistics.components):
        with pytest.raises(SermodulesError, match=message):
            function(table(rows))


def test_a_missing_column_is_named():
    with pytest.raises(SermodulesError, match="no column training"):
        statistics.clustered_t(pd.DataFrame({"speaker": ["a"], "difference": [1.0]}))


@pytest.mark.parametrize("sds", [(4, 0, 6), (4, 3, 6), (0, 6, 8)])
def test_components_are_right_on_average(sds):
    rng, truth = np.random.default_rng(5), Components(*map(float, sds))
    found = [
        [value**2 for value in vars(statistics.components(statistics.simulated(truth, 30, 6, 4, rng=rng))).values()]
        for _ in range(150)
    ]
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    for got, width, sd in zip(mean, error, sds, strict=True):
        floor = 0.0 if sd else 3.0  # a variance of 0 is cut off below, so its mean is above
        assert abs(got - sd**2) < 4 * width + floor


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared", [0.0, 3.0, 6.0])
def test_the_interval_is_right_in_95_of_100_studies(shared, seeds):
    right = statistics.coverage(Components(4.0, shared, 6.0), seeds=seeds, draws=1000)
    assert 93.0 <= right["trainings shared"] <= 97.0  # 95, within 3 standard errors of 1,000 draws
    if shared:  # what one would claim with 91 independent speakers
        assert right["speakers independent"] < 88


def test_power_grows_with_the_seeds_and_a_false_claim_is_rarely_decided():
    parts = Components(4.0, 3.0, 6.0)
    few, many = (statistics.chance_to_decide(parts, ("above", 0.0), 3.0, seeds=seeds, draws=200) for seeds in (2, 8))
    assert many > few
    assert statistics.chance_to_decide(parts, ("above", 0.0), 0.0, seeds=3, draws=400) < 0.1
    assert statistics.chance_to_decide(parts, ("below", 3.43), 0.0, seeds=5, draws=200) > 0.5


def groups(seeds=3, shared=5.0, gain=4.0):
    """Scores of two configurations on 12 speakers in 4 groups, drawn anew each seed; two groups share a training."""
    rng, rows = np.random.default_rng(2), []
    for seed in range(1, seeds + 1):
        group = rng.permutation(np.arange(12) % 4)
        luck = rng.normal(0, shared, 2)
        for speaker, number in enumerate(group):
            held_out = ", ".join(f"s{i:02d}" for i in np.flatnonzero(group // 2 == number // 2))
            old = 60 + rng.normal(0, 3)
            for name, uar in (("old", old), ("new", old + gain + luck[number // 2] + rng.normal())):
                rows.append((name, number + 1, f"s{speaker:02d}", seed, uar, held_out))
    return pd.DataFrame(rows, columns=[*statistics.COLUMNS, "held_out"])


def test_compare_and_summary_reckon_with_shared_trainings():
    scores = groups()
    old, new = (scores[scores["configuration"] == name].reset_index(drop=True) for name in ("old", "new"))
    found = statistics.clustered_t(
        pd.DataFrame(
            {
                "speaker": new["speaker"],
                "training": new["seed"].astype(str) + new["held_out"],
                "difference": new["uar"] - old["uar"],
            }
        )
    )
    assert found.trainings == 6
    row = statistics.compare(scores, "old").iloc[0]
    assert row[["difference", "low", "high", "p"]].tolist() == pytest.approx(
        [found.mean, found.low, found.high, found.p]
    )
    independent = ["bootstrap_low", "bootstrap_high", "p_sign_flip", "p_wilcoxon", "worse", "same", "better"]
    assert row[independent].isna().all() and row["speakers"] == 12
    naive = statistics.corrected_t(statistics.paired_differences(scores, "old", "new")["difference"], 0)
    assert row["high"] - row["low"] > 1.5 * (naive.high - naive.low)
    summary = statistics.summary(scores).set_index("configuration").loc["new"]
    alone = new.assign(training=new["seed"].astype(str) + new["held_out"], difference=new["uar"])
    whole = statistics.clustered_t(alone)
    assert (summary["low"], summary["high"]) == pytest.approx((whole.low, whole.high))


def test_without_the_column_the_fold_is_the_training_and_single_speakers_are_as_ever():
    scores = groups().drop(columns="held_out")
    assert statistics.compare(scores, "old").iloc[0][["bootstrap_low"]].isna().all()
    single = scores.assign(fold=scores["speaker"].str[1:].astype(int) + 1)
    values = statistics.paired_differences(single, "old", "new")["difference"]
    assert statistics.compare(single, "old").iloc[0]["low"] == statistics.corrected_t(values).low
