"""Figures of the chapters and the reports, and the attention player.

`figures` draws into axes that it is given, `colours` says which colour stands for what, `player` makes the attention player.
Nothing here computes a result.
"""

from sermodules.plots.colours import CONFIGURATION_COLOURS, EMOTION_COLOURS, emotion_colours
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

__all__ = [
    "CONFIGURATION_COLOURS",
    "EMOTION_COLOURS",
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
]
