import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from sermodules import plots


@pytest.fixture
def ax():
    return Figure(facecolor="black").subplots()


def test_counts_are_bars_that_end_at_the_speakers_total(ax):
    counts = pd.DataFrame({"angry": [3, 0], "sad": [4, 6], "calm": [2, 1]}, index=["A", "B"])
    assert plots.plot_counts(counts, ax) is ax
    assert [len(bars) for bars in ax.containers] == [2, 2, 2]
    ends = [bar.get_x() + bar.get_width() for bar in ax.containers[-1]]
    assert ends == list(counts.sum(axis=1))
    for bars, name in zip(ax.containers, counts, strict=True):
        assert [bar.get_width() for bar in bars] == list(counts[name])
        assert bars[0].get_facecolor() == to_rgba(plots.emotion_colours([name])[0])
    assert ax.figure.get_facecolor() == ax.get_facecolor() == (1, 1, 1, 1)


def test_first_speaker_of_the_counts_is_at_the_top(ax):
    plots.plot_counts(pd.DataFrame({"angry": [1, 2, 3]}, index=["A", "B", "C"]), ax)
    places = dict(zip((label.get_text() for label in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    assert places["A"] > places["B"] > places["C"]
    assert np.allclose([bar.get_y() + bar.get_height() / 2 for bar in ax.containers[0]], [2, 1, 0])
