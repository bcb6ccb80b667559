"""The page "Try it": speak to a trained network in the browser.

It is one piece of HTML, complete in itself: weights, voices, picture and scripts are in it. It asks no other host for anything,
works from ``file://``, and sends nothing anywhere.

Plain JavaScript on typed arrays computes the network, in a worker: a network of preset `teaching` takes it some tenths of a
second a segment. ONNX Runtime Web works from a file, too, but brings 4.9 MB of compressed program (version 1.30), twice this
whole page; TensorFlow.js does not read what Keras 3 writes. And `_network.js` can be read.
"""

import base64
import html
import io
import uuid
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import ConfigError
from sermodules.features import FRAME, FRAME_HOP
from sermodules.plots import browser, emotion_colours
from sermodules.plots.player import PIECE

#: Models that the page needs: Models 1 and 2, not told and told the gender.
MODELS = ("model1-none", "model1-embedding", "model2-none", "model2-embedding")
#: One that the page may have besides: standardised by speaker.
VOICE = "voice"

#: What a reader may read in a neutral voice.
SENTENCES = (
    "The tablecloth lies on the fridge.",
    "In seven hours it will be morning.",
    "They have just carried it upstairs.",
)

_WORKER = ("_features.js", "_network.js", "_worker.js")
_SCRIPTS = ("_decoding.js", "_drawing.js", "_playing.js", "_try_it.js")
_DASHES = ("none", "6 3", "8 3 2 3", "2 3")


@dataclass(frozen=True)
class TryIt:
    """What `try_it` returns; Jupyter shows it as HTML.

    Attributes
    ----------
    models : dict of str to RoundedModel
    voices : dict of str to numpy.ndarray, shape (samples,)
    picture : bytes
        PNG, which stands where no script runs.
    alt : str
        What is seen there.
    """

    models: dict
    voices: dict
    picture: bytes
    alt: str

    @property
    def classes(self):
        """The classes, in the order of the posteriors."""
        return next(iter(self.models.values())).classes

    def __repr__(self):
        return 'The page "Try it": to use it, open the notebook or the page in a browser.'

    def _repr_html_(self):
        # A new id each time: Jupyter may show the same object twice.
        name = f"sermodules-try-{uuid.uuid4().hex[:12]}"
        return f"""<div class="sermodules-player sermodules-try" id="{name}" role="group" \
aria-label="Try it: speak to the network" data-lm-suppress-shortcuts="true">
<style>{browser.source("_player.css")}
{browser.source("_try_it.css")}</style>
<div class="ti-static">{_picture(self)}
<noscript><p>This browser runs no scripts: the network does not listen.</p></noscript></div>
<div class="ti-live" hidden="hidden">
{_sources(self)}
{_choices(name)}
<p class="ti-status" role="status" aria-live="polite">Record something, drop a file here, or take a voice.</p>
{_guess(self)}
{_answer()}
{_plots(self)}
{_voice(self)}
</div>
{browser.script("tryIt", _SCRIPTS, name, _data(self))}
</div>"""


def try_it(models, voices, picture, alt):
    """Make the page "Try it" (chapter "Try it").

    Parameters
    ----------
    models : dict of str to RoundedModel
        From `sermodules.inference.rounded.read`: `MODELS`, and perhaps `VOICE`.
    voices : dict of str to numpy.ndarray, shape (samples,)
        Recordings to try, at 16 kHz. **They are in the output**: mind their licence.
    picture : matplotlib.figure.Figure
        What stands in its place where no script runs, as in an EPUB.
    alt : str
        What is seen in the picture.

    Returns
    -------
    TryIt
        Jupyter shows it as HTML.

    Raises
    ------
    ConfigError
        If a model is missing, or is one that the page does not compute.

    Examples
    --------
    >>> import matplotlib.pyplot as plt, numpy as np
    >>> from sermodules.inference import rounded
    >>> from sermodules.paths import project_root
    >>> from sermodules.plots.try_it import try_it
    >>> networks = rounded.read(project_root() / "results" / "try-it")
    >>> try_it(networks, {"a tone": np.sin(np.arange(16000) / 5)}, plt.figure(), "an empty picture")
    The page "Try it": to use it, open the notebook or the page in a browser.
    """
    missing = [name for name in MODELS if name not in models]
    if missing:
        raise ConfigError(f"the page needs the models {', '.join(MODELS)}: there is no {', '.join(missing)}")
    for name, model in models.items():
        _check(name, model.config)
    held = io.BytesIO()
    picture.savefig(held, format="png", dpi=100)
    return TryIt(dict(models), dict(voices), held.getvalue(), alt)


def _check(name, config):
    """Refuse a network that `_network.js` does not compute."""
    computed = {
        "attention": ("additive", "seq_self", "seq_self_equal_start"), "gender": ("none", "embedding"), "pool": ("2x2",),
        "batch_norm": ("none",), "padding": ("before", "after"), "segmentation": ("padded_tail",), "pooling": ("max",),
        "normalise_waveform": (True,), "frontend": ("htk",), "window": ("hamming",),
    }  # fmt: skip
    wrong = {
        field: getattr(config, field) for field, allowed in computed.items() if getattr(config, field) not in allowed
    }
    if wrong or not config.dense_units:
        raise ConfigError(
            f"the page does not compute the model {name!r}: {wrong or 'it has no layer before the logits'}"
        )


# --- the data of the scripts


def _data(page):
    return {
        "worker": "\n".join(['"use strict";', *map(browser.source, _WORKER)]),
        "models": {name: model_data(model) for name, model in page.models.items()},
        "voices": [browser.wav(signal / np.abs(signal).max()) for signal in page.voices.values()],
        "classes": page.classes,
        "colours": emotion_colours(page.classes),
        "magma": "".join(to_hex(colour)[1:] for colour in colormaps["magma"](range(256))),
        "piece": PIECE,
        "middle": (FRAME_HOP + FRAME) / 2 / SAMPLE_RATE,  # of the samples that a step of two frames holds
    }


def model_data(model):
    """Return what the worker of the page gets of a model: JSON in which the weights are base64."""
    bits = b"".join(array.astype("<f2").tobytes() for array in model.weights.values())
    by = model.standardiser
    return {
        "arrays": [(name, array.size) for name, array in model.weights.items()],
        "weights": base64.b64encode(bits).decode(),
        "standardiser": None if by is None else {"mean": by.mean.ravel().tolist(), "sd": by.sd.ravel().tolist()},
        "padding": model.config.padding,
    }


# --- the parts of the page


def _picture(page):
    data = base64.b64encode(page.picture).decode()
    return f'<img alt="{html.escape(page.alt)}" src="data:image/png;base64,{data}"/>'


def _sources(page):
    voices = "".join(
        f'<button type="button" class="sp-button ti-voice-button">{html.escape(name)}</button>' for name in page.voices
    )
    return f"""<div class="ti-sources">
<button type="button" class="sp-button ti-record">● Record, up to 10 s</button>
<label class="ti-file-label">or a file, also dropped here: <input type="file" class="ti-file" accept="audio/*,video/*"/></label>
</div>
<p class="ti-privacy">No server takes part: the network runs in this page, and nothing that you say leaves this machine.</p>
<div class="ti-sources" role="group" aria-label="Voices of a program"><span>or a voice of a program:</span>{voices}</div>"""


def _choices(name):
    checked = ' checked="checked"'

    def radios(group, legend, values):
        inputs = "".join(
            f'<label><input type="radio" name="{name}-{group}" value="{value}"{checked * (not i)}/> {words}</label>'
            for i, (value, words) in enumerate(values)
        )
        return f"<fieldset><legend>{legend}</legend>{inputs}</fieldset>"

    return (
        '<div class="ti-choices">'
        + radios("model", "Who answers", [("model1", "Model 1, attention"), ("model2", "Model 2, self-attention")])
        + radios("told", "It is told", [("nothing", "nothing"), ("woman", "a woman speaks"), ("man", "a man speaks")])
        + '<label><input type="checkbox" class="ti-guessing" checked="checked"/> I predict first</label></div>'
    )


def _guess(page):
    buttons = "".join(f'<button type="button" class="sp-button">{html.escape(name)}</button>' for name in page.classes)
    return (
        f'<div class="ti-guess" hidden="hidden" role="group" aria-label="Your prediction">It will say: {buttons}</div>'
    )


def _answer():
    return """<div class="ti-answer" hidden="hidden">
<table class="ti-table"><caption>Posteriors of the utterance</caption><tbody class="ti-bars"></tbody></table>
<p class="ti-segments"></p>
</div>"""


def _svg(label, content, view="0 0 150 1"):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(label)}">{content}</svg>'
    )


def _line(name, colour, dashes="none"):
    return (
        f'<path class="ti-{name}" d="" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" '
        'vector-effect="non-scaling-stroke"/>'
    )


def _key(name, colour, dashes):
    stroke = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
    sample = f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true"><path d="M0 4H26" {stroke}/></svg>'
    return f'<span class="sp-key">{sample}{html.escape(name)}</span>'


def _panel(title, content, extra="", size=""):
    return f"""<p class="sp-name">{title}</p>
<div class="sp-panel {size}"><div class="sp-padding"></div>{content}{extra}</div>
"""


def _plots(page):
    lines = list(zip(page.classes, emotion_colours(page.classes), _DASHES, strict=True))
    image = '<image class="sp-log-mel ti-log-mel" width="300" height="40" preserveAspectRatio="none"/>'
    one, top = '<span class="sp-tick ti-one">1</span>', '<span class="sp-tick ti-top"></span>'
    ends = '<span class="sp-tick" style="bottom: 0">0</span><span class="sp-tick" style="bottom: 96%">1</span>'
    level = '<path class="ti-mean" d="" fill="none" stroke="#000" stroke-dasharray="1 3" vector-effect="non-scaling-stroke"/>'
    keys = " ".join(_key(*line) for line in lines)
    alone = "".join(_line(f"alone-{i}", colour, dashes) for i, (_, colour, dashes) in enumerate(lines))
    heard = _panel("Waveform", _svg("Waveform", '<path class="ti-wave" d="" fill="#444"/>', "0 0 1 1"), size="ti-low")
    heard += _panel(
        "Log-Mels: Mel band over time; brighter is louder", _svg("Log-Mel spectrogram", image, "0 0 300 40")
    )
    weights = _svg("Weight of each step", level + _line("weights", "#332288"))
    window = _svg("Window of self-attention", '<path class="ti-window" d="" fill="#332288"/>')
    looks = _panel("Where the network looks: what each step counts; 1 is a plain mean", weights, one + top)
    looks += (
        '<div class="ti-window-panel">'
        + _panel("Where the step under the cursor looks", window, size="ti-low")
        + "</div>"
    )
    looks += _panel(f"Posteriors if each step stood alone: {keys}", _svg("Posteriors of each step", alone), ends)
    return f"""<div class="ti-live-plots" hidden="hidden">
<p class="sp-title ti-name"></p>
<audio class="sp-audio" preload="auto"></audio>
<div class="sp-bar"><button type="button" class="sp-button">▶ Play</button>
<p class="sp-status" aria-live="polite" aria-atomic="true"></p></div>
<div class="sp-plots">
{heard}<div class="ti-looks" hidden="hidden">{looks}</div>
<div class="sp-axis"><span class="ti-time"></span><p>time (s)</p></div>
<div class="sp-slider" role="slider" tabindex="0" aria-label="Step of the recording" aria-valuemin="1" aria-valuemax="150" \
aria-valuenow="1"><div class="sp-track"><div class="sp-cursor"></div></div></div>
</div>
<p class="sp-help">Click or drag in the picture to hear {1000 * PIECE:.0f} ms at a place. \
Keys: Space plays and pauses, ← and → move by a step and sound it, Home, End.</p>
</div>"""


def _voice(page):
    if VOICE not in page.models:
        return ""
    lines = "".join(
        f'<li>{sentence} <button type="button" class="sp-button ti-sentence">● Read it</button> '
        f'<span class="ti-heard-{i}"></span></li>'
        for i, sentence in enumerate(SENTENCES)
    )
    tables = "".join(
        f'<table class="ti-table"><caption>{words}</caption><tbody class="ti-voice-{name}"></tbody></table>'
        for name, words in (("alone", "It knows this recording only"), ("known", "It knows your three sentences"))
    )
    return f"""<details class="ti-voice"><summary>Three neutral sentences first</summary>
<p>A third network, Model 2 again, is standardised by what it knows of a voice. \
Read three sentences in a calm, neutral voice:</p>
<ol>{lines}</ol>
<label>or three files of one voice: \
<input type="file" class="ti-sentence-files" multiple="multiple" accept="audio/*,video/*"/></label>
<div class="ti-voice-result" hidden="hidden"><p>What it says of the recording above:</p>{tables}</div>
</details>"""
