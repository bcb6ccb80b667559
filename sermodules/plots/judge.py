"""A page in which the reader judges recordings, and only then sees what was asked for and what other people heard.

It is one piece of HTML, complete in itself: sounds, answers and script are in it. So it works in a built page, from ``file://``,
and asks no other host for anything. Where no script runs, each recording still plays, and a part that can be opened below it
says the rest.
"""

import html
import uuid
from dataclasses import dataclass, field

import numpy as np

from sermodules.errors import AudioError, ConfigError
from sermodules.plots import browser

_SCRIPTS = ("_judge.js",)


@dataclass(frozen=True)
class Judged:
    """A recording that people have judged (chapter "What people hear").

    Attributes
    ----------
    signal : numpy.ndarray, shape (samples,)
        At 16 kHz.
    asked : str
        The class that the speaker was asked for.
    answers : dict of str to int
        How many people chose what, in the order in which it is shown; also what is no class.
    systems : dict of str to str
        What systems said: a class by the system's name. May be empty.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.plots.judge import Judged
    >>> Judged(np.ones(3), "sad", {"sad": 3, "neutral": 6}).most(["sad", "neutral"])
    'neutral'
    """

    signal: np.ndarray
    asked: str
    answers: dict
    systems: dict = field(default_factory=dict)

    def most(self, classes):
        """Return the class that more people chose than any other class, None if there is no such class."""
        counts = {name: self.answers.get(name, 0) for name in classes}
        best = [name for name, count in counts.items() if count == max(counts.values())]
        return best[0] if len(best) == 1 else None


@dataclass(frozen=True)
class Judge:
    """What `judge` returns; Jupyter shows it as HTML.

    Attributes
    ----------
    recordings : list of Judged
    classes : list of str
    attribution : str
    """

    recordings: list
    classes: list
    attribution: str

    def __repr__(self):
        return f"{len(self.recordings)} recordings to judge: to hear them, open the notebook or the page in a browser."

    def _repr_html_(self):
        # A new id each time: Jupyter may show the same object twice.
        name = f"sermodules-judge-{uuid.uuid4().hex[:12]}"
        count = len(self.recordings)
        peak = max(np.abs(one.signal).max() for one in self.recordings)
        items = "".join(_item(self, place, peak) for place in range(count))
        attribution = html.escape(" ".join(self.attribution.split()))
        luck = round(1.96 * np.sqrt(count) / 2)
        return f"""<div class="sermodules-player sermodules-judge" id="{name}" role="group" \
aria-label="You judge {count} recordings" data-lm-suppress-shortcuts="true">
<style>{browser.source("_player.css")}
{browser.source("_judge.css")}</style>
<noscript><p>This browser runs no scripts: answer in your head, then open what stands below a recording.</p></noscript>
<ol class="ju-list">{items}</ol>
<div class="ju-end" hidden="hidden" tabindex="-1">
<p class="sp-title">All {count} are judged</p>
<p class="ju-agreed"></p>
<div class="ju-scroll" role="region" tabindex="0" aria-label="All answers">
<table class="ju-table ju-all"><caption>All answers</caption>
<thead><tr></tr></thead><tbody></tbody></table></div>
<p><b>{count} are no score.</b> By luck alone, such a count moves by up to {luck} to either side. And these were drawn so that \
about half of them are recordings which most people got wrong.</p>
</div>
<p class="ju-status" role="status" aria-live="polite"></p>
<button type="button" class="sp-button ju-next" hidden="hidden">Next recording</button>
<p class="ju-attribution">{attribution}</p>
{browser.script("judgeRecordings", _SCRIPTS, name, _data(self))}
</div>"""


def judge(recordings, classes, attribution=""):
    """Let the reader judge recordings (chapter "What people hear").

    Parameters
    ----------
    recordings : sequence of Judged
        **Their sounds are in the output**: mind their licence. All are scaled by one factor, so that what was louder stays so.
    classes : sequence of str
        What the reader may choose.
    attribution : str
        What the licence of the recordings asks for; it stands below them.

    Returns
    -------
    Judge
        Jupyter shows it as HTML.

    Raises
    ------
    AudioError
        If a signal is not one-dimensional, floating-point, finite and more than silence.
    ConfigError
        If there are no recordings, or one was asked for, or called by a system, what is no class, or nobody has judged it.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.plots.judge import Judged, judge
    >>> tone = np.sin(np.arange(16000) / 5)
    >>> judge([Judged(tone, "sad", {"sad": 3, "neutral": 6})], ["sad", "neutral"])
    1 recordings to judge: to hear them, open the notebook or the page in a browser.
    """
    recordings, classes = list(recordings), list(classes)
    if not recordings:
        raise ConfigError("there are no recordings to judge")
    for place, one in enumerate(recordings, start=1):
        signal = np.asarray(one.signal)
        if signal.ndim != 1 or signal.dtype.kind != "f" or not np.isfinite(signal).all() or not signal.any():
            raise AudioError(
                f"recording {place} has a signal of {signal.dtype}, shape {signal.shape}: it must be finite floating-point"
                " samples of one channel, and not silent"
            )
        if strange := [name for name in (one.asked, *one.systems.values()) if name not in classes]:
            raise ConfigError(f"recording {place} names {', '.join(strange)}: the classes are {', '.join(classes)}")
        if not sum(one.answers.values()):
            raise ConfigError(f"recording {place} was judged by nobody")
    return Judge(recordings, classes, str(attribution))


def _data(page):
    """Return what the script gets: what was asked, what most people chose, and how many of them were right."""
    return {
        "classes": page.classes,
        "recordings": [
            {
                "asked": one.asked,
                "most": one.most(page.classes),
                "share": one.answers.get(one.asked, 0) / sum(one.answers.values()),
                "people": _people(one),
                "systems": one.systems,
            }
            for one in page.recordings
        ],
    }


def _people(one):
    """Say what people chose, as a screen reader shall read it."""
    chosen = sorted((item for item in one.answers.items() if item[1]), key=lambda item: -item[1])
    return f"Of {sum(one.answers.values())} people " + ", ".join(f"{count} said {name}" for name, count in chosen) + "."


def _item(page, place, peak):
    one, count = page.recordings[place], len(page.recordings)
    title = f"Recording {place + 1} of {count}"
    buttons = "".join(
        f'<button type="button" class="sp-button" aria-pressed="false">{html.escape(name)}</button>'
        for name in page.classes
    )
    total = sum(one.answers.values())
    rows = "".join(_row(name, votes, total, name == one.asked) for name, votes in one.answers.items())
    systems = "".join(f"<li>{html.escape(who)}: {html.escape(said)}</li>" for who, said in one.systems.items())
    systems = f'<p>What systems said:</p><ul class="ju-systems">{systems}</ul>' if systems else ""
    return f"""<li class="ju-item">
<p class="sp-title" tabindex="-1">{title}</p>
<audio class="sp-audio" controls="controls" preload="auto" aria-label="{title}" src="{browser.wav(one.signal / peak)}"></audio>
<div class="ju-choices" role="group" aria-label="What do you hear in recording {place + 1}?" hidden="hidden">
<span>What do you hear?</span>{buttons}</div>
<details class="ju-result"><summary>What was asked for, and what people heard</summary>
<p>The actor was asked for <b>{html.escape(one.asked)}</b>.</p>
<table class="ju-table"><caption>What {total} people chose; they had {len(one.answers)} choices</caption>
<tbody>{rows}</tbody></table>
{systems}</details>
</li>"""


def _row(name, votes, total, asked):
    mark = " (asked for)" if asked else ""
    bar = f'<div style="width: {100 * votes / total:.1f}%"></div>'
    return f'<tr><th scope="row">{html.escape(name)}{mark}</th><td class="ju-bar">{bar}</td><td>{votes}</td></tr>'
