"""Figures of the chapters and the reports, what plays and listens in a page, and sentences with computed numbers.

`figures` draws into axes that it is given, `colours` says which colour stands for what, `sentences` shows a paragraph. `player`
makes the attention player, `try_it` the page in which a network listens, `judge` the one in which the reader does. `browser`
has what they share.
"""

from sermodules.plots.colours import (
    CONFIGURATION_COLOURS,
    EMOTION_COLOURS,
    class_hatches,
    configuration_colours,
    emotion_colours,
)
from sermodules.plots.figures import (
    plot_calibration,
    plot_channels,
    plot_claims,
    plot_confusion,
    plot_corpora,
    plot_counts,
    plot_folds,
    plot_history,
    plot_intervals,
    plot_log_mel,
    plot_weights,
)
from sermodules.plots.fonts import dress
from sermodules.plots.sentences import say

__all__ = [
    "CONFIGURATION_COLOURS",
    "EMOTION_COLOURS",
    "class_hatches",
    "configuration_colours",
    "dress",
    "emotion_colours",
    "plot_calibration",
    "plot_channels",
    "plot_claims",
    "plot_confusion",
    "plot_corpora",
    "plot_counts",
    "plot_folds",
    "plot_history",
    "plot_intervals",
    "plot_log_mel",
    "plot_weights",
    "say",
]
