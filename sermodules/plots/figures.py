"""Figures: every function takes axes, draws into them and returns them.

Backgrounds are opaque white, so that a figure is readable on a dark page.
"""

import numpy as np
import seaborn as sns
from matplotlib.patches import Rectangle

from sermodules.plots.colours import CONFIGURATION_COLOURS, class_hatches, configuration_colours, emotion_colours
from sermodules.plots.fonts import dress, having


def _opaque(ax):
    ax.set_facecolor("white")
    ax.figure.set_facecolor("white")


def plot_confusion(matrix_percent, ax):
    """Draw a confusion matrix (chapter "One fold" and the reports).

    Parameters
    ----------
    matrix_percent : pandas.DataFrame, shape (k, k)
        Rows are the true classes, columns the recognised ones, in % of the true class. NaN where a class does not occur.
    ax : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with the share in every cell; a class that does not occur is left blank.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> percent = pd.DataFrame([[75, 25], [0, 100]], ["sad", "happy"], ["sad", "happy"])
    >>> [text.get_text() for text in plots.plot_confusion(percent, ax).texts]
    ['75.0', '25.0', '0.0', '100.0']
    """
    with having(ax, map(str, matrix_percent.index)):
        sns.heatmap(
            matrix_percent.astype(float), ax=ax, vmin=0, vmax=100, cmap=sns.light_palette("#6A8CAF", as_cmap=True), annot=True,
            annot_kws={"color": "black"}, fmt=".1f", square=True,
            linewidths=1, linecolor="white", cbar=False,
        )  # fmt: skip
    ax.tick_params(length=0, pad=9, rotation=0)
    count = len(matrix_percent)
    if count > 4:
        ax.tick_params("x", rotation=90)
    for position, colour in enumerate(emotion_colours(matrix_percent.index)):  # a strip of colour beside each name
        for corner, width, height in (((-0.13, position), 0.09, 1), ((position, count + 0.04), 1, 0.09)):
            ax.add_patch(Rectangle(corner, width, height, color=colour, clip_on=False, linewidth=0))
    ax.set(xlabel="recognised as", ylabel="true class (% of its utterances)")
    _opaque(ax)
    return dress(ax)


def plot_folds(table, ax, chance=None):
    """Draw the UAR of every fold, the configurations of a study side by side (the reports).

    See chapter "The study".

    Parameters
    ----------
    table : pandas.DataFrame, shape (folds, configurations)
        UAR in %; the index names the folds, the columns the configurations. NaN where a run is missing.
    ax : matplotlib.axes.Axes
    chance : float, optional
        UAR (%) of guessing, drawn as a dotted line.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with a bar a fold and configuration and a dashed line at each configuration's mean over its folds.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> table = pd.DataFrame({"Model 1": [50, 70], "Model 2": [60, 65]}, index=["F1", "M1"])
    >>> [text.get_text() for text in plots.plot_folds(table, ax, chance=25).get_legend().get_texts()]
    ['chance, 25.00 %', 'Model 1, mean 60.00 %', 'Model 2, mean 62.50 %']
    """
    positions, width = np.arange(len(table)), 0.8 / max(1, table.shape[1])
    colours = configuration_colours(table.shape[1])
    for number, ((name, values), colour) in enumerate(zip(table.items(), colours, strict=True)):
        offset = (number - (table.shape[1] - 1) / 2) * width
        ax.bar(positions + offset, values, width * 0.92, color=colour, label=f"{name}, mean {values.mean():.2f} %")
        ax.axhline(values.mean(), color=colour, linestyle="--", linewidth=1.2, zorder=3)
    if chance is not None:
        ax.axhline(chance, color="black", linestyle=":", linewidth=1.2, label=f"chance, {chance:.2f} %")
    ax.set_xticks(positions, [str(name) for name in table.index])
    middle, half = (len(table) - 1) / 2, max(len(table), 5) / 2  # a bar of few folds stays a bar
    ax.set(xlabel="test speaker", ylabel="UAR (%)", ylim=(0, 100), xlim=(middle - half, middle + half))
    columns = max(1, min(3, 75 // max(len(str(name)) + 12 for name in table.columns)))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    _opaque(ax)
    return dress(ax)


def plot_intervals(table, ax, chance=None):
    """Draw the UAR of configurations with their intervals, one below the other (chapter "Baselines" and the reports).

    Parameters
    ----------
    table : pandas.DataFrame
        From `report.tables`, key ``configurations``: ``Configuration``, ``UAR (%)``, ``Low (%)``, ``High (%)``.
    ax : matplotlib.axes.Axes
    chance : float, optional
        UAR of guessing (%), drawn as a dotted line.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> table = pd.DataFrame({"Configuration": ["Model 1", "Model 2"], "UAR (%)": [60, 62]})
    >>> table["Low (%)"], table["High (%)"] = table["UAR (%)"] - 3, table["UAR (%)"] + 3
    >>> [text.get_text() for text in plots.plot_intervals(table, ax).get_yticklabels()]
    ['Model 1', 'Model 2']
    """
    _opaque(ax)
    rows = np.arange(len(table))[::-1]
    ax.hlines(rows, table["Low (%)"], table["High (%)"], color=CONFIGURATION_COLOURS[0], linewidth=2)
    ax.plot(table["UAR (%)"], rows, "o", color=CONFIGURATION_COLOURS[0])
    if chance is not None:
        ax.axvline(chance, color="black", linestyle=":", linewidth=1)
    ax.set_yticks(rows, table["Configuration"])
    ax.set_xlabel("UAR (%)")
    ax.grid(axis="x", alpha=0.3)
    return dress(ax)


def plot_claims(ledger, ax, reported=None):
    """Draw what our runs say of claims about differences, beside the paper's figures (chapter "The verdict").

    Parameters
    ----------
    ledger : pandas.DataFrame
        Rows of `sermodules.evidence.claims.ledger` with a ``value``, all of one score.
    ax : matplotlib.axes.Axes
    reported : dict of str to float, optional
        The paper's figure (points), by the claim's id; a claim without one, or with None, has no mark.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> row = {"id": "gain", "compared": "Model 2 minus Model 1", "value": 0.5, "low": -1.0, "high": 2.0}
    >>> ax = plots.plot_claims(pd.DataFrame([row]), ax, reported={"gain": 3.8})
    >>> [line.get_xdata().tolist() for line in ax.lines[1:]]  # ours, and the paper's
    [[0.5], [3.8]]
    """
    _opaque(ax)
    rows, colour = np.arange(len(ledger))[::-1], CONFIGURATION_COLOURS[0]
    ax.axvline(0, color="black", linewidth=1)
    ax.hlines(rows, ledger["low"], ledger["high"], color=colour, linewidth=2)
    ax.plot(ledger["value"], rows, "o", color=colour, label="ours, with its 95 % interval")
    papers = np.array([(reported or {}).get(name) for name in ledger["id"]], dtype=float)  # None becomes NaN: not drawn
    ax.plot(papers, rows, "D", color=CONFIGURATION_COLOURS[3], label="the paper's, on IEMOCAP")
    ax.set_yticks(rows, ledger["compared"])
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", alpha=0.3)
    return dress(ax)


def plot_corpora(table, ax, reported=None):
    """Draw what each corpus says of a contrast, and their common mean: a forest plot (chapter "The verdict").

    Parameters
    ----------
    table : pandas.DataFrame
        From `sermodules.evidence.across.contrasts`.
    ax : matplotlib.axes.Axes
    reported : dict of str to tuple of float, optional
        What the paper reports of a contrast: from and to (points).

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, a row a contrast and corpus; a common mean is an open diamond.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> table = pd.DataFrame({"contrast": ["gender"] * 2, "corpus": ["EMO-DB", "CREMA-D"], "mean": [1.0, 0.5]})
    >>> ax = plots.plot_corpora(table.assign(low=-1.0, high=2.0), ax, reported={"gender": (1, 2)})
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['gender: EMO-DB', 'gender: CREMA-D']
    """
    _opaque(ax)
    contrasts = list(dict.fromkeys(table["contrast"]))
    gaps = table["contrast"].map(contrasts.index).to_numpy()
    rows = -np.arange(len(table), dtype=float) - gaps
    together = table["corpus"].str.startswith("both").to_numpy()
    ax.axvline(0, color="black", linewidth=1)
    for name, (least, most) in (reported or {}).items():
        mine = rows[(table["contrast"] == name).to_numpy()]
        if len(mine):
            ax.fill_between(
                [least - 0.04, most + 0.04], mine.min() - 0.4, mine.max() + 0.4, color=CONFIGURATION_COLOURS[3], alpha=0.35,
                linewidth=0, label="the paper's, on IEMOCAP",
            )  # fmt: skip
    colour = CONFIGURATION_COLOURS[0]
    ax.hlines(rows, table["low"], table["high"], color=colour, linewidth=np.where(together, 3, 2))
    ax.plot(table["mean"][~together], rows[~together], "o", color=colour, label="a corpus, with its 95 % interval")
    if together.any():
        ax.plot(
            table["mean"][together], rows[together], "D", color=colour, markerfacecolor="white", markersize=8,
            label="common mean",
        )  # fmt: skip
    ax.set_yticks(rows, table["contrast"] + ": " + table["corpus"])
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))  # each once
    ax.legend(handles.values(), handles, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", alpha=0.3)
    return dress(ax)


def plot_log_mel(log_mel, ax, hop=0.01):
    """Draw a log-Mel spectrogram (chapter "One fold").

    Parameters
    ----------
    log_mel : numpy.ndarray, shape (frames, bands)
    ax : matplotlib.axes.Axes
    hop : float
        Seconds from one frame to the next.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with a colour bar beside it.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, numpy as np
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> ax = plots.plot_log_mel(np.zeros((150, 40)), ax)
    >>> [float(x) for x in ax.get_xlim()]  # 150 frames, one every 10 ms
    [0.0, 1.5]
    """
    frames, bands = np.shape(log_mel)
    image = ax.imshow(
        np.transpose(log_mel), origin="lower", aspect="auto", interpolation="nearest", cmap="magma",
        extent=(0, frames * hop, 0.5, bands + 0.5),
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label="log energy (natural log)")
    ax.set(xlabel="time (s)", ylabel="Mel band")
    _opaque(ax)
    return ax


def plot_history(history, ax, best_epoch):
    """Draw how a run learned: losses on the left axis, validation UAR on the right one (chapter "One fold").

    Parameters
    ----------
    history : pandas.DataFrame
        One row an epoch: ``epoch, loss, val_loss, val_uar``, the UAR as a share between 0 and 1.
    ax : matplotlib.axes.Axes
    best_epoch : int
        The epoch whose weights were kept; marked by a vertical line.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, the axes of the losses.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [1.4, 1.2], "val_loss": [1.4, 1.3], "val_uar": [0.25, 0.5]})
    >>> ax = plots.plot_history(history, ax, best_epoch=2)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['training loss', 'validation loss', 'validation UAR', 'weights kept: epoch 2']
    """
    right = ax.twinx()
    lines = [
        *ax.plot(history["epoch"], history["loss"], color="#332288", marker="o", markersize=3, label="training loss"),
        *ax.plot(
            history["epoch"], history["val_loss"], color="#CC6677", marker="s", markersize=3, linestyle="--",
            label="validation loss",
        ),
        *right.plot(
            history["epoch"], 100 * history["val_uar"], color="#117733", marker="^", markersize=4, linestyle="-.",
            label="validation UAR",
        ),
        ax.axvline(best_epoch, color="black", linestyle=":", label=f"weights kept: epoch {best_epoch}"),
    ]  # fmt: skip
    ax.set(xlabel="epoch", ylabel="cross-entropy (nats)")
    ax.xaxis.get_major_locator().set_params(integer=True)
    right.set(ylabel="UAR (%)", ylim=(0, 100))
    ax.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    _opaque(ax)
    return ax


def plot_counts(counts, ax):
    """Draw how many utterances of each emotion every speaker has (chapter "The corpora, heard").

    Parameters
    ----------
    counts : pandas.DataFrame, shape (speakers, classes)
        Utterances; the index names the speakers, the columns the classes.
    ax : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with one bar a speaker, the first at the top, divided by class. From the eighth class on it is hatched too.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> counts = pd.DataFrame({"angry": [3, 2], "sad": [1, 4]}, index=["F1", "M1"])
    >>> ax = plots.plot_counts(counts, ax)
    >>> [int(bar.get_x() + bar.get_width()) for bar in ax.patches]  # where each bar ends, first all of angry
    [3, 2, 4, 6]
    """
    rows, left = np.arange(len(counts))[::-1], np.zeros(len(counts))
    marks = zip(counts.columns, emotion_colours(counts.columns), class_hatches(counts.columns), strict=True)
    for name, colour, hatch in marks:
        ax.barh(rows, counts[name], left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5, label=name)
        left += counts[name].to_numpy()
    ax.set_yticks(rows, [str(name) for name in counts.index])
    ax.set(xlabel="utterances")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    _opaque(ax)
    return dress(ax)


def plot_channels(features, axes, hop=0.01):
    """Draw static, delta and delta-delta log-Mels, one below the other (chapter "Features").

    Parameters
    ----------
    features : numpy.ndarray, shape (frames, bands, 3)
        From `sermodules.features.three_d_log_mel`.
    axes : sequence of matplotlib.axes.Axes
        Three.
    hop : float
        Seconds from one frame to the next.

    Returns
    -------
    sequence of matplotlib.axes.Axes
        `axes`, each with a colour bar. Slopes are white at 0, red where energy rises, blue where it falls; the colours
        end where one value in a hundred lies beyond.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, numpy as np
    >>> from sermodules import plots
    >>> fig, axes = plt.subplots(3, 1)
    >>> axes = plots.plot_channels(np.random.default_rng(0).normal(size=(150, 40, 3)), axes)
    >>> [ax.images[0].get_array().shape for ax in axes]  # bands upwards, frames across
    [(40, 150), (40, 150), (40, 150)]
    """
    frames, bands, channels = np.shape(features)
    labels = ("static\n(ln energy)", "delta\n(per frame)", "delta-delta\n(per frame²)")
    for channel, ax, label in zip(range(channels), axes, labels, strict=True):
        values = np.transpose(features[:, :, channel])
        limit = np.quantile(np.abs(values), 0.99) if channel else None
        image = ax.imshow(
            values, origin="lower", aspect="auto", interpolation="nearest", cmap="RdBu_r" if channel else "magma",
            extent=(0, frames * hop, 0.5, bands + 0.5), vmin=-limit if channel else None, vmax=limit,
        )  # fmt: skip
        ax.figure.colorbar(image, ax=ax, label=label)
        ax.set(ylabel="Mel band")
        _opaque(ax)
    axes[-1].set(xlabel="time (s)")
    return axes


def plot_weights(weights, ax, end=None, step=0.02):
    """Draw how much each step of a segment counts (chapter "Attention versus self-attention").

    Parameters
    ----------
    weights : dict of str to numpy.ndarray, shape (steps,)
        The weights of each network, which sum to 1; all of the same length.
    ax : matplotlib.axes.Axes
    end : float, optional
        Where the speech ends (s); what follows, the padding, is grey.
    step : float
        Seconds from one step to the next.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with a line a network and a dotted line at the weight of a plain mean.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, numpy as np
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> ax = plots.plot_weights({"Model 1": np.array([0.1, 0.2, 0.3, 0.4])}, ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()], float(ax.lines[0].get_ydata()[0])
    (['Model 1', 'plain mean'], 0.25)
    """
    styles = ("-", "--", "-.", ":")
    for number, (name, values) in enumerate(weights.items()):
        ax.stairs(
            values, np.arange(len(values) + 1) * step, baseline=None, label=name, linewidth=1.8,
            color=CONFIGURATION_COLOURS[(0, 3, 1, 5)[number % 4]], linestyle=styles[number % 4],
        )  # fmt: skip
        length = len(values)
    ax.axhline(1 / length, color="black", linestyle=":", linewidth=1, label="plain mean")
    if end is not None:
        ax.axvspan(end, length * step, color="#E5E5E5", zorder=0, label="padding")
    ax.set(xlabel="time (s)", ylabel="weight of a step", xlim=(0, length * step), ylim=(0, None))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
    _opaque(ax)
    return dress(ax)


def plot_calibration(table, ax):
    """Draw how often predictions are right, over how sure they are (chapter "Try it").

    Parameters
    ----------
    table : pandas.DataFrame
        From `sermodules.metrics.calibration`.
    ax : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with a dot a part, whose area is the number of predictions, and the diagonal, on which both would be equal.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, pandas as pd
    >>> from sermodules import plots
    >>> fig, ax = plt.subplots()
    >>> ax = plots.plot_calibration(pd.DataFrame({"sure": [0.5, 0.9], "right": [0.4, 0.7], "n": [20, 80]}), ax)
    >>> [text.get_text() for text in ax.texts]
    ['20', '80']
    """
    ax.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="as often right as sure")
    ax.plot(table["sure"], table["right"], color=CONFIGURATION_COLOURS[0], linewidth=1.2)
    ax.scatter(table["sure"], table["right"], 30 + 400 * table["n"] / table["n"].sum(), CONFIGURATION_COLOURS[0])
    for row in table.itertuples():
        ax.annotate(str(row.n), (row.sure, row.right), (9, -12), textcoords="offset points", fontsize="small")
    ax.set(xlabel="highest posterior", ylabel="share that is right", xlim=(0.2, 1.02), ylim=(0, 1.02))
    ax.legend(loc="upper left", frameon=False)
    _opaque(ax)
    return dress(ax)
