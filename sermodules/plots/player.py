"""The attention player: hear an utterance while a cursor moves over its log-Mels and the weights of networks.

It is one piece of HTML, complete in itself: the sound, the picture and the script are in it. So it plays in JupyterLab, and in
a built page without a kernel, and asks no other host for anything.
"""

import base64
import html
import io
import uuid
from dataclasses import dataclass

import numpy as np
from matplotlib.image import imsave

from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import AudioError, ConfigError
from sermodules.features import FRAME, FRAME_HOP
from sermodules.folds.segments import FRAMES
from sermodules.plots import CONFIGURATION_COLOURS, browser

#: Length of the sound of one step (s).
PIECE = 0.08

_SCRIPTS = ("_decoding.js", "_drawing.js", "_playing.js", "_player.js")
_SECONDS = FRAMES * FRAME_HOP / SAMPLE_RATE
# Colour and dashes of a network's line: those of `plots.plot_weights`.
_LINES = tuple(zip((CONFIGURATION_COLOURS[i] for i in (0, 3, 1, 5)), ("none", "6 3", "8 3 2 3", "2 3"), strict=True))


@dataclass(frozen=True)
class AttentionPlayer:
    """What `attention_player` returns; Jupyter shows it as HTML.

    Attributes
    ----------
    title : str
    signal : numpy.ndarray, shape (samples,)
        The sound of the segment at 16 kHz: 3 s, silent in the padding, with a peak of 1.
    log_mel : numpy.ndarray, shape (frames, bands)
        The real frames of the segment.
    weights : dict of str to numpy.ndarray, shape (steps,)
    windows : dict of str to numpy.ndarray, shape (steps, width) or (steps, steps)
    """

    title: str
    signal: np.ndarray
    log_mel: np.ndarray
    weights: dict
    windows: dict

    @property
    def steps(self):
        """Steps in the segment."""
        return len(next(iter(self.weights.values())))

    @property
    def end(self):
        """First step that is all padding."""
        return -(-len(self.log_mel) * self.steps // FRAMES)

    def __repr__(self):
        return f"Attention player of {self.title}: to see it, open the notebook or the page in a browser."

    def _repr_html_(self):
        # A new id each time: Jupyter may show the same object twice.
        name = f"sermodules-player-{uuid.uuid4().hex[:12]}"
        title = html.escape(self.title)
        panels = [_log_mel_panel(self), _weights_panel(self), *(_window_panel(self, one) for one in self.windows)]
        return f"""<div class="sermodules-player" id="{name}" role="group" aria-label="Attention player: {title}" \
data-lm-suppress-shortcuts="true">
<style>{browser.source("_player.css")}</style>
<p class="sp-title">{title}</p>
<audio class="sp-audio" controls="controls" preload="auto" aria-label="{title}" src="{browser.wav(self.signal)}"></audio>
<noscript><p>This browser runs no scripts: the recording plays, but no cursor moves.</p></noscript>
<div class="sp-bar" hidden="hidden">
<button type="button" class="sp-button">▶ Play</button>
<p class="sp-status" aria-live="polite" aria-atomic="true"></p>
</div>
<div class="sp-plots">
{"".join(panels)}
{_time_axis()}
<div class="sp-slider" hidden="hidden" role="slider" tabindex="0" aria-label="Step of the segment" aria-valuemin="1" \
aria-valuemax="{self.steps}" aria-valuenow="1">
<div class="sp-track"><div class="sp-cursor" style="width: {100 / self.steps:.4f}%"></div></div>
</div>
</div>
<p class="sp-help" hidden="hidden">Click or drag to hear {1000 * PIECE:.0f} ms at a place. \
Keys: Tab to the picture, Space plays and pauses, ← and → move by a step and sound it, Home, End.</p>
{browser.script("attentionPlayer", _SCRIPTS, name, _data(self))}
</div>"""


def attention_player(signal, log_mel, weights, windows=None, *, start=0, title="an utterance"):
    """Make a player of one segment (chapter "Attention versus self-attention").

    It shows the segment's log-Mels, what each step counts in each network, and the window of the step under the cursor, above
    one time axis. Play moves the cursor with the sound. A click, a drag or an arrow key moves it to a step and sounds 80 ms
    around that step's middle.

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        The whole utterance at 16 kHz, from `sermodules.corpora.audio.read`.
    log_mel : numpy.ndarray, shape (frames, bands)
        The log-Mels of the whole utterance, without padding.
    weights : dict of str to numpy.ndarray, shape (steps,)
        What each step of the segment counts in each network; the weights of a network sum to 1. The steps divide the 300
        frames of a segment evenly: of 150 steps, step s is frames 2s and 2s + 1 and lasts 20 ms.
    windows : dict of str to numpy.ndarray, shape (steps, width) or (steps, steps), optional
        Where each step looks in a network with self-attention, as `sermodules.models.attention_weights` says it: entry j of
        row t is the weight of step t - width // 2 + j, or of step j if there are as many entries as steps. The names are
        among those of `weights`.
    start : int
        Frame of the utterance at which the segment starts (column ``start`` of `sermodules.folds.segments.cut`).
    title : str
        Stands above the player.

    Returns
    -------
    AttentionPlayer
        Jupyter shows it as HTML. **The sound is in the output**, as 16-bit WAV scaled to a peak of 1: who passes on a
        notebook with outputs, or a built page, passes on the recording. Mind its licence.

    Raises
    ------
    AudioError
        If the signal is not one-dimensional, floating-point and finite.
    ConfigError
        If signal, log-Mels, weights and windows do not belong together.

    Notes
    -----
    Padding stands at the end of a segment whatever the setting `padding` says (that is about standardising). There the player
    is silent and the picture grey.

    Frame t is drawn from 10 t to 10 t + 10 ms, as in `sermodules.plots.plot_log_mel`, but holds the samples of 25 ms from
    10 t ms on. So the picture is up to 7.5 ms ahead of the sound, less than half a step.

    Examples
    --------
    One second of silence is 98 of the 300 frames; from step 50 of 150 on all is padding. The sound fills the 3 s.

    >>> import numpy as np
    >>> from sermodules.plots.player import attention_player
    >>> signal, log_mel = np.zeros(16000, dtype=np.float32), np.zeros((98, 40))
    >>> player = attention_player(signal, log_mel, {"mean": np.full(150, 1 / 150)}, title="silence")
    >>> player.steps, player.end, player.signal.shape
    (150, 49, (48000,))
    >>> player
    Attention player of silence: to see it, open the notebook or the page in a browser.
    """
    signal = _checked_signal(signal)
    log_mel = _checked_log_mel(log_mel, signal, start)
    weights = {str(name): np.asarray(values, dtype=np.float64) for name, values in weights.items()}
    windows = {str(name): np.asarray(values, dtype=np.float64) for name, values in (windows or {}).items()}
    _check_weights(weights, windows)
    samples = int(_SECONDS * SAMPLE_RATE)
    sound = signal[start * FRAME_HOP :][:samples] / max(np.abs(signal).max(), np.finfo(np.float32).tiny)
    sound = np.pad(sound, (0, samples - len(sound)))
    return AttentionPlayer(str(title), sound, log_mel[start : start + FRAMES], weights, windows)


def _checked_signal(signal):
    signal = np.asarray(signal)
    if signal.ndim != 1 or signal.size == 0 or signal.dtype.kind != "f" or not np.isfinite(signal).all():
        raise AudioError(
            f"the signal is of {signal.dtype}, shape {signal.shape}: it must be finite floating-point samples of one channel,"
            " as sermodules.corpora.audio.read returns them"
        )
    return signal


def _checked_log_mel(log_mel, signal, start):
    log_mel = np.asarray(log_mel)
    frames = 1 + max(0, len(signal) - FRAME) // FRAME_HOP
    if log_mel.ndim != 2 or len(log_mel) != frames:
        raise ConfigError(
            f"log_mel has shape {log_mel.shape}, but the signal has {frames} frames: give the log-Mels of the whole utterance,"
            " shape (frames, bands), without padding"
        )
    if not 0 <= start < frames:
        raise ConfigError(f"start is {start}: the utterance has the frames 0 to {frames - 1}")
    return log_mel


def _check_weights(weights, windows):
    steps = {len(values) for values in weights.values() if values.ndim == 1 and values.size}
    shapes = {name: values.shape for name, values in weights.items()}
    if len(steps) != 1 or any(len(shape) != 1 for shape in shapes.values()) or FRAMES % min(steps):
        raise ConfigError(
            f"the weights have shapes {shapes}: each must be (steps,), all of the same number of steps, which divides {FRAMES}."
            " Windows of self-attention go into `windows`."
        )
    for name, values in weights.items():
        if not (np.all(values >= 0) and np.isclose(values.sum(), 1, atol=1e-3)):
            raise ConfigError(f"the weights of {name!r} sum to {values.sum():.4g}: they must be positive and sum to 1")
    for name, values in windows.items():
        if name not in weights:
            raise ConfigError(f"windows of {name!r}, but weights of {', '.join(weights)}: give it weights too")
        if values.ndim != 2 or len(values) != min(steps) or not 1 <= values.shape[1] <= min(steps):
            raise ConfigError(
                f"the windows of {name!r} have shape {values.shape}: it must be ({min(steps)}, width) or the same number twice"
            )
        if not np.all(values >= 0) or not values.any():  # a row may be all 0: of a masked step
            raise ConfigError(f"the windows of {name!r} must be positive weights")


def _data(player):
    """Return what the script needs; weights in multiples of equal weights."""
    return {
        "steps": player.steps,
        "seconds": _SECONDS / player.steps,
        "end": player.end,
        "piece": PIECE,
        "middle": ((FRAMES // player.steps - 1) * FRAME_HOP + FRAME)
        / 2
        / SAMPLE_RATE,  # of the samples that a step holds
        "weights": [(name, np.round(player.steps * values, 4).tolist()) for name, values in player.weights.items()],
        "windows": [_window_data(values) for values in player.windows.values()],
    }


def _window_data(values):
    steps, width = values.shape
    rows = np.round(width * values, 4)
    return {"before": None if width == steps else width // 2, "top": _top(rows), "rows": rows.tolist()}


def _top(values):
    """Say where the axis of weights ends; 1 is always on it."""
    return 1.08 * max(1.0, float(np.max(values)))


def _picture(log_mel):
    file = io.BytesIO()
    imsave(file, np.transpose(log_mel), cmap="magma", origin="lower", format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _ticks(top):
    """Mark 0, 1 (equal weights) and the largest whole number, unless that is too close to 1."""
    values = [0, 1, *([int(top)] if top >= 2 and int(top) - 1 > 0.15 * top else [])]
    return "".join(f'<span class="sp-tick" style="bottom: {100 * value / top:.2f}%">{value}</span>' for value in values)


def _padding(player, word=""):
    share = 100 * (1 - len(player.log_mel) / FRAMES)
    if not share:
        return ""
    return f'<div class="sp-padding" style="width: {share:.4f}%"><span>{word}</span></div>'


def _plot(player, label, content, top):
    """Return an SVG whose units are steps from left to right and 0 to 1 from top to bottom, stretched over its panel."""
    level = 1 - 1 / top
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {player.steps} 1" preserveAspectRatio="none" role="img" \
aria-label="{html.escape(label)}">
<path d="M0 {level:.5f}H{player.steps}" fill="none" stroke="#000" stroke-dasharray="1 3" vector-effect="non-scaling-stroke"/>
{content}</svg>"""


def _stairs(values, top):
    heights = (f"V{1 - value / top:.5f}H{step + 1}" for step, value in enumerate(values))
    return f"M0 {1 - values[0] / top:.5f}" + "".join(heights)


def _style(player, name):
    return _LINES[list(player.weights).index(name) % len(_LINES)]


def _log_mel_panel(player):
    # An <image> of an SVG, because themes give every <img> a padding or a size, which would shift it against the time axis.
    frames, bands = player.log_mel.shape
    label = html.escape(f"Log-Mel spectrogram of {player.title}")
    return f"""<p class="sp-name">Log-Mels: Mel band over time; brighter is louder</p>
<div class="sp-panel">{_padding(player, "padding")}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {FRAMES} {bands}" \
preserveAspectRatio="none" role="img" aria-label="{label}"><image class="sp-log-mel" width="{frames}" height="{bands}" \
preserveAspectRatio="none" href="{_picture(player.log_mel)}"/></svg>\
<span class="sp-tick" style="bottom: 2%">1</span><span class="sp-tick" style="bottom: 96%">{bands}</span></div>
"""


def _weights_panel(player):
    values = {name: player.steps * row for name, row in player.weights.items()}
    top = _top(list(values.values()))
    keys, lines = [], []
    for name, row in values.items():
        colour, dashes = _style(player, name)
        stroke = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        sample = f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true"><path d="M0 4H26" {stroke}/></svg>'
        keys.append(f'<span class="sp-key">{sample}{html.escape(name)}</span>')
        lines.append(f'<path d="{_stairs(row, top)}" {stroke} vector-effect="non-scaling-stroke"/>')
    label = f"Weight of each step in {', '.join(values)}"
    return f"""<p class="sp-name">What each step counts; 1 is a plain mean: {" ".join(keys)}</p>
<div class="sp-panel">{_padding(player)}{_plot(player, label, "".join(lines), top)}{_ticks(top)}</div>
"""


def _window_panel(player, name):
    top = _window_data(player.windows[name])["top"]
    label = f"Where the step under the cursor looks in {name}"
    content = f'<path class="sp-bars" d="" fill="{_style(player, name)[0]}"/>'
    return f"""<p class="sp-name">{html.escape(name)}: where the step under the cursor looks; 1 is equal weights</p>
<div class="sp-panel sp-window">{_padding(player)}{_plot(player, label, content, top)}{_ticks(top)}</div>
"""


def _time_axis():
    ticks = np.arange(0, _SECONDS + 0.01, 0.5)
    marks = (f'<span class="sp-tick" style="left: {100 * tick / _SECONDS:.4f}%">{tick:.1f}</span>' for tick in ticks)
    return f'<div class="sp-axis">{"".join(marks)}<p>time (s)</p></div>'
