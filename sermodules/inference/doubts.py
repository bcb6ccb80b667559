"""What a model cannot know of a recording, and what is heard in the recording itself that makes an answer doubtful."""

import sys
from dataclasses import dataclass

import numpy as np
import soundfile
from tqdm import tqdm

from sermodules.corpora import audio
from sermodules.errors import AudioError

#: A recording that is so many times as long as the longest that was learned from is told of.
LONGER = 10
#: Amplitude from which a sample counts as clipped, of a full scale of 1, and the share of such samples that is told of.
CLIPPED, CLIPPED_SHARE = 0.995, 0.001
#: A frame is quiet 60 dB below full scale; a recording of which so large a share is quiet is told of.
QUIET, QUIET_SHARE = 10 ** (-60 / 20), 0.9
#: So many recordings are named in one line.
SHOWN = 5
#: So many hexadecimal digits of a fingerprint are kept of what was learned from: another recording agrees with one of 10,000 by
#: chance once in thirty billion.
FINGERPRINT = 12


@dataclass(frozen=True)
class Heard:
    """What listening to one recording gave.

    Attributes
    ----------
    seconds : float
    quiet : float
        Share of the frames of 25 ms whose level is below `QUIET`.
    clipped : float
        Share of the samples, as the file holds them, that are `CLIPPED`.
    rate : int or None
        Hz, as the file says.
    sound : str
        See `sermodules.corpora.audio.fingerprint`.
    """

    seconds: float
    quiet: float
    clipped: float
    rate: int | None
    sound: str = ""


def listen(table):
    """Read each recording once.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    heard : dict of str to Heard
        By utterance; without those that cannot be used.
    complaints : dict of str to str
        By utterance, why it cannot be used; the text names the file.
    """
    heard, complaints = {}, {}
    rows = list(zip(table["utterance"], table["path"], audio.recordings(table), strict=True))
    headers = audio.headers(table["path"])
    for name, path, recording in tqdm(
        rows, desc="reading", unit="recording", file=sys.stdout, disable=not sys.stdout.isatty()
    ):
        try:
            signal = audio.read(recording)
        except AudioError as error:
            complaints[name] = str(error)
            continue
        frames = signal[: signal.size // audio.MIN_SAMPLES * audio.MIN_SAMPLES].reshape(-1, audio.MIN_SAMPLES)
        quiet = float(np.mean(np.sqrt(np.mean(frames**2, axis=1)) < QUIET))
        rate = headers[path].rate if headers[path] else None
        heard[name] = Heard(
            signal.size / audio.SAMPLE_RATE, quiet, _clipped(recording), rate, audio.fingerprint(recording)
        )
    return heard, complaints


def _clipped(recording):
    """Return the share of clipped samples before anything is resampled; 0 where soundfile cannot say."""
    part = recording if isinstance(recording, audio.Excerpt) else audio.Excerpt(str(recording))
    try:
        with soundfile.SoundFile(part.path) as file:
            first, last = part.samples(file.samplerate, file.frames)
            file.seek(first)
            samples = file.read(last - first, dtype="float32")
    except (AudioError, OSError, RuntimeError, TypeError, ValueError):
        return 0.0
    return float(np.mean(np.abs(samples) >= CLIPPED)) if samples.size else 0.0


def doubts(heard, facts):
    """Say what makes answers doubtful, a line a kind.

    Parameters
    ----------
    heard : dict of str to Heard
        From `listen`.
    facts : dict
        Of the model, see `sermodules.inference.keeping.files`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from sermodules.inference import doubts
    >>> heard = {"a": doubts.Heard(2.0, 0.1, 0.0, 8000), "b": doubts.Heard(70.0, 0.1, 0.2, 16000)}
    >>> for line in doubts.doubts(heard, {"rates": [16000], "longest": 4.0}):
    ...     print(line)
    1 of 2 recordings has another sampling rate than those that the model learned from (16000 Hz): a (8000 Hz)
    1 of 2 recordings is clipped (0.1 % of its samples or more are at full scale): b (20.0 %)
    1 of 2 recordings is more than 10 times as long as the longest that the model learned from (4 s): b (70 s)
    """
    learned = {*facts.get("learned", "").split()}  # models that were kept before it was have none
    rates = " and ".join(map(str, facts["rates"])) or "not known"
    kinds = (
        (
            f"another sampling rate than those that the model learned from ({rates} Hz)",
            {name: f"{one.rate} Hz" for name, one in heard.items() if one.rate and one.rate not in facts["rates"]},
            ("has", "have"),
        ),
        (
            f"clipped ({100 * CLIPPED_SHARE:g} % of its samples or more are at full scale)",
            {name: f"{100 * one.clipped:.1f} %" for name, one in heard.items() if one.clipped >= CLIPPED_SHARE},
            ("is", "are"),
        ),
        (
            "nearly silent (60 dB below full scale)",
            {name: f"{100 * one.quiet:.0f} % of it" for name, one in heard.items() if one.quiet >= QUIET_SHARE},
            ("is", "are"),
        ),
        (
            f"more than {LONGER} times as long as the longest that the model learned from ({facts['longest']:g} s)",
            {name: f"{one.seconds:.0f} s" for name, one in heard.items() if one.seconds > LONGER * facts["longest"]},
            ("is", "are"),
        ),
        (
            "among those that the model learned from, where an answer shows nothing (ask about people whom it has not heard)",
            dict.fromkeys((name for name, one in heard.items() if one.sound[:FINGERPRINT] in learned), ""),
            ("is", "are"),
        ),
    )
    return [
        f"{len(found)} of {len(heard)} recordings {verbs[len(found) > 1]} {what}: {_some(found)}"
        for what, found, verbs in kinds
        if found
    ]


def _some(found):
    named = [f"{name} ({value})" if value else name for name, value in found.items()]
    return ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
