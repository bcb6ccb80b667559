"""The figure of a report: the scores above, confusion matrices below; its description and its caption."""

import pandas as pd
from matplotlib.figure import Figure

from sermodules import plots
from sermodules.evidence.report.cells import MOST_MATRICES, fold_of, of_the_paper
from sermodules.evidence.report.wording import percent

_MOST_BARS = 6  # configurations whose speakers are drawn side by side
_MOST_SPEAKERS = 30  # of whom each has bars of its own


def draw(configurations, summary, plain=False):
    """Draw the scores and the confusion matrices.

    Parameters
    ----------
    configurations : list of Configuration
    summary : pandas.DataFrame
        The table ``configurations`` of the report.
    plain : bool
        Of many configurations, draw the confusion matrices of the first ones, not of the paper's models.

    Returns
    -------
    tuple of (matplotlib.figure.Figure, str)
        The figure and its description in words.
    """
    shown = configurations if _few(configurations) or plain else of_the_paper(configurations)
    matrices = shown[:_MOST_BARS]
    classes = {len(c.confusion) for c in configurations}
    chance = 100 / max(classes) if len(classes) == 1 else None
    figure, top, below = _axes(configurations, len(matrices), max(classes))
    if _few(configurations):
        above = _draw_speakers(configurations, top, chance)
    else:
        plots.plot_intervals(summary, top, chance)
        above = "a point for the UAR of each configuration, with its interval"
    for c, ax in zip(matrices, below, strict=True):
        plots.plot_confusion(c.confusion, ax).set_title(c.label, fontsize=10)
        plots.dress(ax)
    return figure, _description(configurations, matrices, above, plain)


def _few(configurations):
    return len(configurations) <= _MOST_BARS and max(len(c.speakers) for c in configurations) <= _MOST_SPEAKERS


def _axes(configurations, matrices, classes):
    """Return a figure with one axes for the scores, and a list of one for each matrix."""
    columns = max(1, min(MOST_MATRICES, matrices))
    rows = -(-matrices // columns)
    size = 1.6 + 0.5 * classes
    width = max(9, 0.45 * max(len(c.speakers) for c in configurations) * _few(configurations), size * columns)
    height = 3.8 if _few(configurations) else 1.2 + 0.32 * len(configurations)
    figure = Figure((min(width, 24), height + (size + 0.6) * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=[height, *[size + 0.6] * rows])
    top = figure.add_subplot(grid[0, :])
    return figure, top, [figure.add_subplot(grid[1 + n // columns, n % columns]) for n in range(matrices)]


def _draw_speakers(configurations, ax, chance):
    """Draw a bar for each speaker and configuration; return what they are, in words."""
    table = pd.concat([c.speakers.set_index("speaker")["uar"] for c in configurations], axis=1)
    folds = fold_of(pd.concat([c.speakers for c in configurations]))
    table = table.loc[sorted(table.index, key=lambda speaker: (folds[speaker], speaker))]
    table.columns = [c.label for c in configurations]
    table.index = [f"{speaker}\nfold {folds[speaker]}" if folds[speaker] else speaker for speaker in table.index]
    plots.plot_folds(table, ax, chance)
    if len(table) > 12 or max(map(len, table.index)) > 18:
        ax.tick_params("x", rotation=90)
    return f"bars of the UAR of each speaker ({len(table)})"


def _description(configurations, matrices, above, plain):
    means = ", ".join(f"{c.label} {c.speakers['uar'].mean():.2f} %" for c in configurations)
    recalls = "; ".join(
        f"{c.label}: " + ", ".join(f"{name} {percent(c.confusion.loc[name, name])} %" for name in c.confusion.index)
        for c in matrices
    )
    every = len(matrices) == len(configurations)
    below = "each configuration" if every else "the first configurations" if plain else "the paper's models"
    return (
        f"Above, {above}; mean over the speakers: {means}. Below, a confusion matrix for"
        f" {below}; recalls on the diagonal, {recalls}."
    )


def caption(configurations, ours):
    """Return what stands under the figure; `ours` is what `captions.circumstances` says."""
    if _few(configurations):
        above = "UAR (%, higher is better) of each test speaker, mean over the seeds; dashed: mean over the speakers"
    else:
        above = "UAR (%, higher is better) of each configuration, mean over the speakers, with its 95 % interval"
    return (
        f"Above: {above};"
        f" dotted: guessing. Below: confusion matrices in % of the true class, pooled over the speakers. Ours: {ours}."
    )
