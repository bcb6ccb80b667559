"""Figures of the chapters and the reports, the attention player, and sentences with computed numbers.

`figures` draws into axes that it is given, `colours` says which colour stands for what, `player` makes the attention player,
`sentences` shows a paragraph. Nothing here computes a result.
"""

from sermodules.plots.colours import (
    CONFIGURATION_COLOURS,
    EMOTION_COLOURS,
    class_hatches,
    configuration_colours,
    emotion_colours,
)
from sermodules.plots.figures import (
    plot_channels,
    plot_claims,
    plot_confusion,
    plot_counts,
    plot_folds,
    plot_history,
    plot_intervals,
    plot_log_mel,
    plot_weights,
)
from sermodules.plots.sentences import say

__all__ = [
    "CONFIGURATION_COLOURS",
    "EMOTION_COLOURS",
    "class_hatches",
    "configuration_colours",
    "emotion_colours",
    "plot_channels",
    "plot_claims",
    "plot_confusion",
    "plot_counts",
    "plot_folds",
    "plot_history",
    "plot_intervals",
    "plot_log_mel",
    "plot_weights",
    "say",
]
