"""The figure of the chapter on attention."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from sermodules import plots


def test_weights_stand_where_their_steps_are():
    alpha = np.array([0.1, 0.2, 0.3, 0.4])
    fig, ax = plt.subplots()
    assert plots.plot_weights({"Model 1": alpha, "Model 2": alpha[::-1]}, ax, end=0.06) is ax
    first, second, grey = ax.patches
    np.testing.assert_allclose(first.get_data().values, alpha)
    np.testing.assert_allclose(first.get_data().edges, [0, 0.02, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(second.get_data().values, alpha[::-1])
    assert to_hex(first.get_edgecolor()) != to_hex(second.get_edgecolor())
    assert first.get_linestyle() != second.get_linestyle()
    assert (grey.get_x(), grey.get_x() + grey.get_width()) == pytest.approx((0.06, 0.08))
    assert ax.lines[0].get_ydata()[0] == 0.25
    assert ax.get_xlim() == pytest.approx((0, 0.08)) and ax.get_ylim()[0] == 0
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Model 1", "Model 2", "plain mean", "padding"]
    assert ax.get_facecolor() == (1, 1, 1, 1)
    plt.close(fig)


def test_without_an_end_nothing_is_grey():
    fig, ax = plt.subplots()
    plots.plot_weights({"Model 1": np.full(5, 0.2)}, ax)
    assert len(ax.patches) == 1 and "padding" not in [text.get_text() for text in ax.get_legend().get_texts()]
    plt.close(fig)
