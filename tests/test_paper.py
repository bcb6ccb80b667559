import math

import numpy as np
import pytest
from scipy import stats

from sermodules import models
from sermodules.config import RunConfig
from sermodules.corpora import iemocap
from sermodules.evidence import paper
from sermodules.evidence.paper import tables

COLUMNS = ["model1_wa", "model1_uar", "model2_wa", "model2_uar"]


def truncated(value):
    return math.floor(value * 100) / 100


def test_table1_rows_are_five_sessions_of_a_woman_and_a_man():
    assert list(paper.TABLE1["fold"]) == list(range(1, 11))
    assert list(paper.TABLE1["session"]) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert list(paper.TABLE1["gender"]) == ["female", "male"] * 5


@pytest.mark.parametrize(("column", "mean"), list(zip(COLUMNS, [62.918, 59.433, 64.321, 62.864], strict=True)))
def test_table1_means_agree_with_its_last_row(column, mean):
    assert paper.TABLE1[column].mean() == pytest.approx(mean, abs=1e-9)
    assert round(paper.TABLE1[column].mean(), 2) == paper.TABLE1_MEAN[column]


def test_table2_gives_table1s_mean_uar_and_its_population_sd_truncated():
    rows = paper.TABLE2.set_index("method")
    for method, column, sd, sample in [("Model 1", "model1_uar", 11.57, 12.20), ("Model 2", "model2_uar", 9.43, 9.95)]:
        assert rows.loc[method, "uar"] == paper.TABLE1_MEAN[column]
        assert truncated(paper.TABLE1[column].std(ddof=0)) == sd == rows.loc[method, "sd"]
        assert round(paper.TABLE1[column].std(ddof=1), 2) == sample
    assert list(rows.index) == ["DNN-ELM", "CNN-LSTM", "Model 1", "Model 2"]
    assert np.isnan(rows.loc["CNN-LSTM", "sd"])


def test_what_table2_prints_is_what_its_numbers_say():
    for row in paper.TABLE2.itertuples():
        assert row.printed == (f"{row.uar:.2f} ± {row.sd:.2f}" if row.sd == row.sd else f"{row.uar:g}")


@pytest.mark.parametrize(
    ("table", "sums", "uar"),
    [(paper.TABLE3, [100, 100, 100, 100], 59.4025), (paper.TABLE4, [99.99, 100, 99.99, 99.59], 62.675)],
    ids=["TABLE3", "TABLE4"],
)
def test_confusion_matrices(table, sums, uar):
    assert list(table.index) == list(table.columns) == ["angry", "sad", "happy", "neutral"]
    assert table.sum(axis=1).to_numpy() == pytest.approx(sums, abs=1e-9)
    assert np.diag(table).mean() == pytest.approx(uar, abs=1e-9)


def test_model2_against_model1_as_recomputed():
    difference = paper.TABLE1["model2_uar"] - paper.TABLE1["model1_uar"]
    assert round(difference.mean(), 2) == 3.43 and round(difference.std(), 2) == 4.58
    gained = np.diag(paper.TABLE4) - np.diag(paper.TABLE3)
    assert gained == pytest.approx([-1.85, 14.18, 9.09, -8.33], abs=1e-9)


def test_every_table_says_where_it_stands():
    assert set(paper.WHERE) == {name for name in vars(tables) if name.startswith("TABLE")}


# --- the functions that recompute


def test_recomputed_means():
    means = paper.recomputed_means()
    assert means[COLUMNS].tolist() == pytest.approx([62.918, 59.433, 64.321, 62.864], abs=1e-9)
    assert means.round(2).to_dict() == paper.TABLE1_MEAN


def test_recomputed_sds_are_the_population_ones_truncated():
    sds = paper.recomputed_sds()
    assert sds["population"].round(3).tolist() == [11.574, 9.436]
    assert sds["sample"].round(2).tolist() == [12.20, 9.95]
    assert sds["printed"].tolist() == [11.57, 9.43]
    assert sds.loc["model1", "reading"] == "population, rounded or truncated"  # 11.574 is 11.57 either way
    assert sds.loc["model2", "reading"] == "population, truncated"  # 9.436 would be rounded to 9.44


def test_row_sums():
    assert paper.row_sums(paper.TABLE3).tolist() == [100, 100, 100, 100]
    assert paper.row_sums(paper.TABLE4).to_dict() == {"angry": 99.99, "sad": 100, "happy": 99.99, "neutral": 99.59}


def test_implied_uar_and_wa():
    assert round(paper.implied_uar(paper.TABLE3), 2) == 59.40
    assert round(paper.implied_uar(paper.TABLE4), 3) == 62.675
    assert round(paper.implied_uar(paper.TABLE4, renormalise=True), 2) == 62.74
    assert paper.implied_uar(paper.TABLE3, renormalise=True) == pytest.approx(paper.implied_uar(paper.TABLE3))
    assert round(paper.implied_wa(paper.TABLE3), 2) == 63.95
    assert round(paper.implied_wa(paper.TABLE4), 2) == 64.62


def test_the_class_counts_are_iemocaps():
    assert paper.UTTERANCES.sum().to_dict() == {"angry": 289, "sad": 608, "happy": 284, "neutral": 1099}
    assert paper.UTTERANCES.sum(axis=1).tolist() == [217, 205, 185, 208, 264, 274, 149, 221, 298, 259]
    assert paper.UTTERANCES.groupby("gender").sum().sum(axis=1).to_dict() == {"female": 1113, "male": 1167}
    assert round(100 * 1099 / 2280, 1) == 48.2


def test_neutral_predictions():
    shares = paper.neutral_predictions(paper.TABLE3)
    said = 0.1949 * 289 + 0.2490 * 608 + 0.4920 * 284
    wrong = 2280 * (1 - paper.implied_wa(paper.TABLE3) / 100)
    assert shares["predicted"] == pytest.approx(100 * (said + 0.6790 * 1099) / 2280)
    assert shares["mistakes"] == pytest.approx(100 * said / wrong)
    assert round(shares["true"], 1) == 48.2


def test_differences():
    uar, wa = paper.differences()["uar"], paper.differences()["wa"]
    assert round(uar.mean(), 2) == 3.43 and round(uar.std(), 2) == 4.58
    assert round(wa.mean(), 2) == 1.40
    assert paper.recall_differences().to_dict() == pytest.approx(
        {"angry": -1.85, "sad": 14.18, "happy": 9.09, "neutral": -8.33}
    )


def test_tests_on_the_papers_folds():
    tests = paper.fold_tests().set_index("test")
    assert tests["p"].round(3).to_dict() == {
        "paired t": 0.042, "Wilcoxon": 0.037, "corrected t, ratio 1/9": 0.137, "corrected t, ratio 1/8": 0.148,
        "paired t, session means": 0.145,
    }  # fmt: skip
    assert (tests["difference"].round(2) == 3.43).all()
    assert tests["n"].tolist() == [10, 10, 10, 10, 5]
    assert round(paper.fold_tests("wa").set_index("test").loc["paired t", "p"], 2) == 0.65


def test_the_plain_and_the_corrected_t_test_are_those_of_the_literature():
    uar = paper.differences()["uar"]
    tests = paper.fold_tests().set_index("test")
    plain = stats.ttest_rel(paper.TABLE1["model2_uar"], paper.TABLE1["model1_uar"])
    assert tests.loc["paired t", ["statistic", "p"]].tolist() == pytest.approx([plain.statistic, plain.pvalue])
    assert tests.loc["paired t", ["low", "high"]].tolist() == pytest.approx([*plain.confidence_interval()])
    for ratio, name in ((1 / 9, "1/9"), (1 / 8, "1/8")):
        t = uar.mean() / ((1 / 10 + ratio) * uar.var()) ** 0.5
        assert tests.loc[f"corrected t, ratio {name}", "statistic"] == pytest.approx(t)
    assert (tests["p"].drop("Wilcoxon") < 0.05).tolist() == (tests["low"].drop("Wilcoxon") > 0).tolist()


def test_without_session_5():
    means = paper.without_session(5)
    assert round(means["model1_uar"], 2) == 64.56 and round(means["model2_uar"], 2) == 67.24
    sessions = [paper.without_session(number)["model1_uar"] for number in range(1, 6)]
    assert np.mean(sessions) == pytest.approx(paper.recomputed_means()["model1_uar"])


def test_against_the_other_rows_of_table_2():
    elm, lstm, acrnn = (paper.against_reported(name) for name in ("DNN-ELM", "CNN-LSTM", "ACRNN"))
    assert round(elm["difference"], 2) == 11.62
    assert round(lstm["difference"], 2) == 1.16 and lstm["low"] < 0 < lstm["high"]
    assert round(acrnn["difference"], 2) == -1.88
    plain = stats.ttest_1samp(paper.TABLE1["model2_uar"], 61.7).statistic
    assert lstm["statistic"] == pytest.approx(plain * (0.1 / (0.1 + 1 / 9)) ** 0.5)
    assert lstm["p"] == pytest.approx(2 * stats.t.sf(abs(lstm["statistic"]), 9))
    assert round(paper.against_reported("DNN-ELM", "model1")["difference"], 2) == 8.19


def test_the_spread_of_the_other_paper_is_in_the_interval(monkeypatch):
    elm, lstm = (paper.against_reported(name) for name in ("DNN-ELM", "CNN-LSTM"))
    assert elm["low"] < 0 < elm["high"]
    assert elm["sd"] == 7.24 and np.isnan(lstm["sd"])
    assert lstm["df"] == pytest.approx(9) and 9 < elm["df"] < 18
    plain = stats.ttest_ind_from_stats(
        paper.TABLE1["model2_uar"].mean(), paper.TABLE1["model2_uar"].std(), 10,
        51.24, 7.24 * (10 / 9) ** 0.5, 10, equal_var=False,
    )  # fmt: skip
    assert elm["statistic"] == pytest.approx(plain.statistic * (0.1 / (0.1 + 1 / 9)) ** 0.5)
    assert elm["p"] == pytest.approx(2 * stats.t.sf(abs(elm["statistic"]), elm["df"]))
    assert paper.against_reported("DNN-ELM", ratio=0)["p"] == pytest.approx(plain.pvalue)
    exact = paper.TABLE2.assign(sd=paper.TABLE2["sd"].where(paper.TABLE2["method"] != "DNN-ELM", 0))
    monkeypatch.setattr(tables, "TABLE2", exact)
    assert paper.against_reported("DNN-ELM")["low"] > 0


def test_the_speakers_of_table_1_are_named_as_in_the_corpus():
    rows = paper.by_speaker()
    assert set(rows.index) == set(iemocap.COUNTS)
    assert rows.loc["Ses04M"].tolist() == [69.23, 64.92, 69.23, 65.00]
    assert rows.loc["Ses05F", "model1_uar"] == 34.82


def test_sd_ratio_has_an_interval_that_agrees_with_its_test():
    ratio = paper.sd_ratio(paper.TABLE1["model1_uar"], paper.TABLE1["model2_uar"])
    assert ratio["ratio"] == pytest.approx(11.574163 / 9.435834) and ratio["low"] < 1 < ratio["high"]
    assert ratio["p"] > 0.05
    # at the ends of the interval the hypothesis is at the edge of being refused
    for end in (ratio["low"], ratio["high"]):
        scaled = paper.sd_ratio(paper.TABLE1["model1_uar"], end * paper.TABLE1["model2_uar"])
        assert scaled["p"] == pytest.approx(0.05)


def test_sd_ratio_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1000, 10))
    first, second = 2 * (shared + rng.normal(size=shared.shape)), shared + rng.normal(size=shared.shape)
    ratios = [paper.sd_ratio(a, b) for a, b in zip(first, second, strict=True)]
    assert 0.93 < np.mean([r["low"] < 2 < r["high"] for r in ratios]) < 0.97


# --- WA values as fractions


def test_wa_values_of_model_1_that_are_fractions_of_one_speakers_utterances():
    found = paper.wa_as_fractions()
    mine = found[found["model"] == "model1"].set_index("fold")
    assert mine["n"].to_dict() == {1: 205, 2: 205, 3: 208, 4: 208, 5: 264, 6: 264, 7: 221, 8: 221, 10: 259}
    assert mine.index[mine["speaker"] != mine["labelled"]].tolist() == [1, 3, 6, 7]
    assert mine.loc[3, ["k", "cut"]].tolist() == [114, "truncated"]  # 54.8077 is printed as 54.80
    assert mine.loc[1, "cut"] == "rounded or truncated"  # 73.1707 is printed as 73.17
    assert (found["wa"] == 100 * found["k"] / found["n"]).all()
    assert ((found["wa"] - found["printed"]).between(-0.005, 0.01)).all()


def test_a_value_drawn_at_random_matches_as_often_as_fraction_share_says():
    values = np.arange(4000, 8000) / 100
    for sizes in ((149,), (205, 217), (298, 259)):
        shares = [100 * k / n for n in sizes for k in range(n + 1)]
        matches = [any(value - 0.005 <= share < value + 0.01 for share in shares) for value in values]
        assert paper.fraction_share(*sizes) == pytest.approx(np.mean(matches), abs=1e-3)
    assert paper.fraction_share(10_000) == 1 and paper.fraction_share(5000) == 0.5


def test_chance_would_give_fewer_matches():
    chance = paper.wa_matches_by_chance()
    assert chance.loc["model1", ["matched", "other_speaker"]].tolist() == [9, 4]
    assert chance.loc["model2", "matched"] == 3
    assert chance["expected"].tolist() == pytest.approx([0.67, 0.67], abs=0.01)
    rng = np.random.default_rng(0)
    sizes = paper.UTTERANCES.sum(axis=1)
    shares = [paper.fraction_share(*sizes[session]) for session in paper.TABLE1["session"]]
    drawn = (rng.random((100_000, 10)) < shares).sum(axis=1)
    assert chance.loc["model2", "p"] == pytest.approx(np.mean(drawn >= 3), abs=0.003)
    assert chance.loc["model1", "p"] < 1e-8


def test_two_wa_values_are_no_mean_of_five_runs_on_the_named_speaker():
    rows = paper.wa_as_means()
    odd = rows[~rows["possible"] & ~rows["ends_in_zero"]]
    assert odd[["model", "fold", "printed"]].to_numpy().tolist() == [["model1", 6, 66.66], ["model1", 9, 58.82]]
    for row in odd.itertuples():
        values = {100 * k / (5 * row.n) for k in range(5 * row.n + 1)}
        assert not any(row.printed - 0.005 <= value < row.printed + 0.01 for value in values)
    single = paper.wa_as_means(seeds=1)
    assert (rows["possible"] | ~single["possible"]).all()  # what one run can give, five equal runs can


# --- other arithmetic


def test_linear_layer_parameters_are_those_of_the_network():
    layers = models.parameters(models.network(RunConfig.create(model="model2"), 4)).set_index("layer")["parameters"]
    count = paper.linear_layer_parameters()
    assert count["with"] == layers["linear"] + layers["bilstm"] == 4_851_456
    assert count["without"] == 5_374_976


def test_one_point_of_accuracy_saves_few_mistakes():
    assert paper.mistakes_saved(1) == pytest.approx(100 * 1 / 36.68)
    assert round(paper.mistakes_saved(2), 1) == 5.3
