import math

import numpy as np
import pytest

from sermodules import paper

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
    tables = {name for name in vars(paper) if name.startswith("TABLE")}
    assert set(paper.WHERE) == tables
