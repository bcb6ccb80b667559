"""How sure and how often right: the table and its figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sermodules import metrics, plots

CLASSES = ["angry", "sad", "happy", "neutral"]


def predictions(count, right, seed=0):
    """Return predictions whose highest posterior is drawn, and which are right with the probability `right` gives for it."""
    random = np.random.default_rng(seed)
    sure = random.uniform(0.25, 1, count)
    hit = random.random(count) < right(sure)
    table = {name: (1 - sure) / 3 for name in CLASSES} | {"sad": sure, "predicted": "sad"}
    return pd.DataFrame(table | {"true": np.where(hit, "sad", "happy")})


def test_who_is_as_often_right_as_sure_lies_on_the_diagonal():
    table = metrics.calibration(predictions(20_000, lambda sure: sure), CLASSES)
    assert len(table) == 5 and table["n"].sum() == 20_000
    assert table["low"].tolist() == pytest.approx([0.25, 0.4, 0.55, 0.7, 0.85])
    np.testing.assert_allclose(table["right"], table["sure"], atol=0.03)


def test_who_is_too_sure_lies_below_it():
    table = metrics.calibration(predictions(20_000, lambda sure: sure - 0.2), CLASSES)
    np.testing.assert_allclose(table["right"], table["sure"] - 0.2, atol=0.03)


def test_the_ends_belong_to_a_part_and_an_empty_part_has_no_row():
    sure = predictions(3, lambda sure: 1 + sure).assign(angry=0.0, happy=0.0, neutral=0.0, sad=[1.0, 0.25, 0.25])
    table = metrics.calibration(sure, CLASSES)
    assert table["n"].tolist() == [2, 1] and table["high"].tolist() == pytest.approx([0.4, 1.0])


def test_figure_has_a_dot_a_part():
    fig, ax = plt.subplots()
    table = metrics.calibration(predictions(500, lambda sure: sure), CLASSES)
    assert plots.plot_calibration(table, ax) is ax
    np.testing.assert_allclose(ax.collections[0].get_offsets(), table[["sure", "right"]])
    assert ax.get_facecolor() == (1, 1, 1, 1)
    plt.close(fig)
