"""Audio files: any rate and channel count in, 16 kHz mono out, and a plain reason for every file that will not do.

A recording is a whole file, named by its path, or an `Excerpt` of one; `recordings` makes them of an utterance table.
"""

import contextlib
import hashlib
import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from sermodules.corpora import decoder, kinds, mp3, sources
from sermodules.errors import AudioError

#: Samples per second of every signal in this package (Hz).
SAMPLE_RATE = 16000
#: Shortest signal that is accepted (samples): one 25 ms frame.
MIN_SAMPLES = 400
#: Longest signal that is accepted (s). An utterance lasts seconds; the limit is what a damaged header runs into.
MAX_SECONDS = 600
#: Sampling rates that are taken as true (Hz).
RATES = (1000, 384000)
#: Peak amplitude below which a signal is silent, a constant offset apart: 80 dB below full scale.
SILENCE = 10 ** (-80 / 20)
#: So far behind the end of its file an excerpt may end (s): it was rounded up, and is cut there.
END_SLACK = 0.01
#: What a file may lack of what its header promises (s): one 25 ms frame. An MP3 may lack one frame of its own.
SHORTFALL = 0.025
#: A channel that is so much weaker than another one holds no voice, for `agreement`: 40 dB.
QUIET = 10 ** (-40 / 20)
#: The fingerprint of every silent signal.
SILENT = "silent"

#: The files whose code turns a recording into samples.
CODE = (__file__, decoder.__file__, kinds.__file__, mp3.__file__, sources.__file__)

_FORGIVEN = 1152 / 16000  # the longest frame of an MP3 (s); of a WAV file `SHORTFALL` is
_UNKNOWN_FRAMES = 2**62
_EXACT = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # how samples are kept where libsndfile jumps to the right one
_HEARD = 60  # seconds of each recording that `agreement` compares
_NOT_AUDIO = "not audio, or in a format that libsndfile does not read"


@dataclass(frozen=True)
class Excerpt:
    """A part of an audio file.

    Attributes
    ----------
    path : str
    start : float
        Seconds.
    end : float or None
        Seconds; None is the end of the file.
    channel : int or None
        Counted from 1; None is the mean of the channels.
    """

    path: str
    start: float = 0.0
    end: float | None = None
    channel: int | None = None

    def __str__(self):
        times = f" from {self.start:g} s" + ("" if self.end is None else f" to {self.end:g} s")
        cut = times if (self.start, self.end) != (0, None) else ""
        return f"{self.path}{cut}" + ("" if self.channel is None else f", channel {self.channel}")

    def samples(self, rate, frames):
        """Return the first sample and the one after the last, of a file with `frames` samples at `rate` Hz.

        Raises
        ------
        AudioError
            If the file ends before the excerpt; `END_SLACK` is forgiven.
        """
        first, last = round(self.start * rate), frames if self.end is None else round(self.end * rate)
        if last > frames and last - frames <= END_SLACK * rate:
            last = frames
        if last > frames or first >= last > 0:
            raise AudioError(f"{self}: the file ends at {frames / rate:g} s. Correct start and end.")
        return first, last


def recordings(table):
    """Return what `read` takes for each row of an utterance table.

    See chapter "One fold".

    Parameters
    ----------
    table : pandas.DataFrame
        The column ``path``, and perhaps ``start`` and ``end`` (s) and ``channel``, numbers where a row has one, else NaN.

    Returns
    -------
    list of str or Excerpt
        The path where a row has none of the three.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import audio
    >>> audio.recordings(pd.DataFrame({"path": ["/a.wav", "/b.wav"], "end": [None, 1.5]}))
    ['/a.wav', Excerpt(path='/b.wav', start=0.0, end=1.5, channel=None)]
    """
    none = [math.nan] * len(table)
    columns = [table[name].astype(float) if name in table else none for name in ("start", "end", "channel")]
    found = []
    for path, start, end, channel in zip(table["path"], *columns, strict=True):
        excerpt = Excerpt(
            path,
            0.0 if math.isnan(start) else start,
            None if math.isnan(end) else end,
            None if math.isnan(channel) else int(channel),
        )
        found.append(path if excerpt == Excerpt(path) else excerpt)
    return found


def read(path):
    """Read an audio file, or a part of it, as 16 kHz mono.

    An excerpt holds the samples from ``round(start * rate)`` to before ``round(end * rate)``, at the file's own rate, and then
    goes the way of a file. Channels are averaged unless it names one. Other rates are resampled with soxr's "HQ" setting. A
    16 kHz mono file comes back as it is. If samples lie outside [-1, 1], as a floating-point file may hold, the whole signal is
    divided by its peak.

    See chapter "The corpora, heard".

    Parameters
    ----------
    path : path or Excerpt
        A file in any format that libsndfile reads (WAV, FLAC, AIFF, Ogg, MP3 and others), or, if PyAV is installed, FFmpeg
        (m4a, mp4, WebM, AMR, WMA and others).

    Returns
    -------
    numpy.ndarray, shape (samples,), float32
        The signal, in [-1, 1], at `SAMPLE_RATE`.

    Raises
    ------
    AudioError
        If the file is missing, is not audio, is empty, is truncated, is silent, holds NaN or infinite samples, is
        shorter than 25 ms or longer than `MAX_SECONDS`, or ends before the excerpt. The message gives path and reason.

    Notes
    -----
    A file counts as truncated if its header promises more than the file holds, by more than `SHORTFALL`. The frames of an MP3
    without a length are counted (see `sermodules.corpora.mp3`). An Ogg file promises nothing, so a
    truncated one is just shorter. So is one of AU, NIST, RF64, VOC, W64 and rarer formats: libsndfile takes what is there.

    Examples
    --------
    A second at 8 kHz comes back as a second at 16 kHz.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from sermodules.corpora import audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(Path(folder, "tone.wav"), 0.5 * np.sin(np.arange(8000)), 8000)
    ...     audio.read(Path(folder, "tone.wav")).shape
    (16000,)
    """
    path = path if isinstance(path, Excerpt) else Path(path)
    try:
        signal, rate = _decode(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        # soundfile raises TypeError for a .raw file, whose rate nobody knows
        raise AudioError(f"{path}: {_NOT_AUDIO}") from error
    if signal.size == 0:
        raise AudioError(f"{path}: empty: it holds no samples")
    if not np.isfinite(signal).all():
        raise AudioError(f"{path}: holds NaN or infinite samples")
    signal = _within_full_scale(signal)
    if _is_silent(signal):
        what = "it" if getattr(path, "channel", None) else "the mean of its channels"
        raise AudioError(f"{path}: silent: {what} stays 80 dB or more below full scale")
    if rate != SAMPLE_RATE:
        signal = _within_full_scale(soxr.resample(signal, rate, SAMPLE_RATE, quality="HQ"))
    if signal.size < MIN_SAMPLES:
        raise AudioError(f"{path}: too short: {1000 * signal.size / SAMPLE_RATE:.1f} ms, less than one 25 ms frame")
    return signal


def fingerprint(path):
    """Name the sound of a recording: equal decoded samples have equal fingerprints, whatever the format of the file.

    Compared are the mean of the channels and the sampling rate, before any resampling: what `read` begins with.

    Parameters
    ----------
    path : path or Excerpt

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits; `SILENT` if the signal is silent (see `SILENCE`), and empty if there is no signal:
        `read` says why.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from sermodules.corpora import audio
    >>> tone = (20000 * np.sin(np.arange(8000))).astype(np.int16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("one.wav", "one.flac"):
    ...         soundfile.write(Path(folder, name), tone, 8000)
    ...     audio.fingerprint(Path(folder, "one.wav")) == audio.fingerprint(Path(folder, "one.flac"))
    True
    """
    try:
        signal, rate = _decode(path if isinstance(path, Excerpt) else Path(path))
    except (AudioError, OSError, RuntimeError, TypeError, ValueError):
        return ""
    if signal.size == 0 or not np.isfinite(signal).all():
        return ""
    if _is_silent(_within_full_scale(signal)):
        return SILENT
    return hashlib.sha256(f"{rate} ".encode() + (signal + 0.0).tobytes()).hexdigest()  # adding 0 makes -0 and 0 equal


def check(paths, workers=None):
    """Read every recording once, and name all that cannot be used.

    Parameters
    ----------
    paths : pandas.DataFrame or iterable of path or Excerpt
        An utterance table, or the recordings.
    workers : int, optional
        Threads; by default one a core.

    Raises
    ------
    AudioError
        If any file cannot be used. The message names every one with the reason (see `read`).
    """
    names = list(dict.fromkeys(recordings(paths) if isinstance(paths, pd.DataFrame) else paths))
    if bad := complaints(names, workers):
        raise AudioError(
            f"{len(bad)} of {len(names)} audio files cannot be used:\n  "
            + "\n  ".join(bad.values())
            + "\nReplace these files, or take their utterances out of the corpus."
        )


def complaints(paths, workers=None):
    """Read every recording once, and say why those cannot be used that cannot.

    Parameters
    ----------
    paths : iterable of path or Excerpt
    workers : int, optional
        Threads; by default one a core.

    Returns
    -------
    dict of path or Excerpt to str
        The message of `read`; empty if all can be used.
    """
    names = list(dict.fromkeys(paths))
    jobs = Parallel(n_jobs=workers or cpu_count(), prefer="threads", return_as="generator")
    reasons = tqdm(
        jobs(delayed(_complaint)(name) for name in names),
        total=len(names), desc="checking audio", unit="file", file=sys.stdout, disable=not sys.stdout.isatty(),
    )  # fmt: skip
    return {name: reason for name, reason in zip(names, reasons, strict=True) if reason}


@dataclass(frozen=True)
class Header:
    """What an audio file says of itself.

    Attributes
    ----------
    frames : int
        Samples of a channel.
    rate : int
        Hz.
    channels : int
    missing : float
        How much less the file holds than it says (s); infinite if that is too much.
    """

    frames: int
    rate: int
    channels: int
    missing: float = 0.0


def headers(paths):
    """Read the headers of audio files, many at a time.

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    dict of path to Header or None
        None where the header cannot be read: `check` says why.
    """
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as threads:
        return dict(zip(paths, threads.map(_header, paths), strict=True))


def shortfalls(paths):
    """Say of how many files the header promises a little more than they hold, or return "".

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    str
        With the first names. Files that lack more than `SHORTFALL` are not counted: `check` refuses them.
    """
    found = [
        (str(path), 1000 * header.missing)
        for path, header in headers(paths).items()
        if header and 0 < header.missing <= _FORGIVEN
    ]
    if not found:
        return ""
    shown = ", ".join(f"{Path(path).name} ({missing:.1f} ms)" for path, missing in found[:5])
    return (
        f"{len(found)} files hold up to {max(missing for _, missing in found):.1f} ms less than their headers say, and are"
        f" taken as they are: {shown}" + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    )


def foreign(paths):
    """Name the recordings that PyAV decodes, or would if it were there: those in formats that libsndfile does not read.

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    list of path
        Without files that cannot be read.
    """

    def is_foreign(path):
        try:
            kind = kinds.look(path)
        except OSError:
            return False
        return kind is not None and kind.sound

    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as threads:
        return [path for path, found in zip(paths, threads.map(is_foreign, paths), strict=True) if found]


def durations(paths):
    """Read lengths from the headers of audio files, many at a time.

    Parameters
    ----------
    paths : iterable of path or Excerpt

    Returns
    -------
    list of float
        Seconds, one a recording. NaN where the header cannot be read or makes no sense, or the file ends before the excerpt:
        `check` says why.
    """
    paths = list(paths)
    found = headers(_file(path) for path in paths)
    return [_duration(path, found[_file(path)]) for path in paths]


def agreement(path):
    """Say how alike the channels of a recording are: near 0, two voices or two microphones far apart were recorded.

    Parameters
    ----------
    path : path or Excerpt
        Its first minute is compared.

    Returns
    -------
    float
        Correlation of the two channels that are least alike, between -1 and 1, without those that are 40 dB weaker than the
        loudest. 1 if fewer than two are left, or the recording cannot be read (`check` says why).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from sermodules.corpora import audio
    >>> voices = np.random.default_rng(0).uniform(-0.5, 0.5, (16000, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(Path(folder, "call.wav"), voices, 16000)
    ...     abs(audio.agreement(Path(folder, "call.wav"))) < 0.1
    True
    """
    try:
        held = Path(_file(path)).stat()
    except OSError:
        return 1.0
    return _agreement(path, held.st_size, held.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _agreement(path, size, changed):
    """Compare the channels of a recording, once as long as its file stays as it is."""
    path = path if isinstance(path, Excerpt) else Excerpt(str(path))
    try:
        with _open(Path(path.path)) as file:
            first, last = path.samples(file.header.rate, file.header.frames)
            blocks = list(file.blocks(first, min(last, first + _HEARD * file.header.rate)))
    except (AudioError, OSError, RuntimeError, TypeError, ValueError):
        return 1.0
    channels = np.concatenate(blocks).T.astype(np.float64) if blocks else np.zeros((1, 1))
    with np.errstate(all="ignore"):  # samples that are no numbers make no channel loud
        channels -= channels.mean(axis=1, keepdims=True)
        levels = np.sqrt((channels**2).mean(axis=1))
        loud = channels[(levels > QUIET * levels.max()) & (levels > SILENCE)]
        pairs = combinations(loud / np.sqrt((loud**2).sum(axis=1, keepdims=True)), 2)
        return min((float(one @ other) for one, other in pairs), default=1.0)


def _file(path):
    return path.path if isinstance(path, Excerpt) else path


def _header(path):
    try:
        if not Path(path).is_file():
            return None  # a pipe would be waited for
        state = Path(path).stat()
        return _header_of(Path(path), state.st_size, state.st_mtime_ns)
    except (AudioError, OSError, RuntimeError, TypeError, ValueError):
        return None


@lru_cache(maxsize=100_000)
def _header_of(path, size, changed):
    """Read a header, once as long as its file stays as it is."""
    with _open(path) as file:
        return file.header if file.header.rate > 0 else None


def _duration(path, header):
    if header is None:
        return math.nan
    samples = header.frames
    if isinstance(path, Excerpt):
        try:
            first, last = path.samples(header.rate, header.frames)
        except AudioError:
            return math.nan
        samples = last - first
    seconds = samples / header.rate
    return seconds if seconds <= MAX_SECONDS else math.nan


def _complaint(path):
    try:
        read(path)
    except AudioError as error:
        return str(error)
    return None


def _is_silent(signal):
    return np.ptp(signal) < 2 * SILENCE


def _within_full_scale(signal):
    peak = np.abs(signal).max(initial=0)
    return signal / peak if peak > 1 else signal


@dataclass(frozen=True)
class _Opened:
    """A file that is open: its header, ``blocks(first, last)``, and the bytes that it promises and holds where they differ."""

    header: Header
    blocks: Callable
    promised: int = 0
    held: int = 0


@contextlib.contextmanager
def _open(path):
    """Open a file, by PyAV where libsndfile does not read it; what it is says an `AudioError` if neither does."""
    if (kind := kinds.look(path)) is not None:
        if not kind.sound or decoder.version() is None:
            raise AudioError(f"{path}: {kind}")
        state = path.stat()
        header = _counted(path, kind.name, state.st_size, state.st_mtime_ns)
        yield _Opened(header, lambda first, last: _cut(decoder.blocks(path, kind.name), first, last))
        return
    source = sources.of(path)
    with soundfile.SoundFile(source.file) as file:
        missing = source.missing
        if source.promised:
            missing = math.inf
            if source.held and file.samplerate:
                missing = (source.promised - source.held) / source.held * file.frames / file.samplerate
            missing = missing if missing <= SHORTFALL else math.inf
        header = Header(file.frames, file.samplerate, file.channels, missing)
        yield _Opened(header, partial(_blocks, file), source.promised, source.held)


@lru_cache(maxsize=100_000)
def _counted(path, name, size, changed):
    """Count the samples of a file that PyAV decodes, once as long as it stays as it is."""
    return Header(*decoder.length(path, name))


def _cut(blocks, first, last):
    """Give the samples from `first` to before `last` (None: to the end) of what `decoder.blocks` gives."""
    position = 0
    with contextlib.closing(blocks):
        next(blocks)
        for block in blocks:
            position += len(block)
            if position > first:
                kept = block[max(0, first - position + len(block)) :]
                yield kept if last is None or position <= last else kept[: len(kept) - (position - last)]
            if last is not None and position >= last:
                return


def _decode(recording):
    """Return the mono signal (float32) and its rate in Hz."""
    excerpt = recording if isinstance(recording, Excerpt) else None
    path = Path(_file(recording))
    if not path.exists():
        raise AudioError(f"{path}: not found")
    if not path.is_file():
        raise AudioError(f"{path}: not a file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: empty: the file has 0 bytes")
    with _open(path) as file:
        frames, rate, channels = file.header.frames, file.header.rate, file.header.channels
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(f"{path}: damaged header: a sampling rate of {rate:,} Hz")
        if math.isinf(file.header.missing):
            raise AudioError(
                f"{path}: truncated: the header promises {file.promised:,} bytes of samples, {file.held:,} are there"
            )
        if frames >= _UNKNOWN_FRAMES:
            raise AudioError(f"{path}: the header does not say how long it is, as when FLAC is written to a pipe")
        first, last = (0, frames) if excerpt is None else excerpt.samples(rate, frames)
        if last - first > MAX_SECONDS * rate:
            seconds = (last - first) / rate
            raise AudioError(f"{recording}: too long: {seconds:,.0f} s, but an utterance may last {MAX_SECONDS} s")
        channel = excerpt and excerpt.channel
        if channel and channel > channels:
            raise AudioError(f"{recording}: there is no such channel: the file has {channels}")
        try:
            blocks, count = [], first
            # a file is read to where it ends, whatever its header says
            for block in file.blocks(first, None if excerpt is None or excerpt.end is None else last):
                with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused later
                    if channel or channels == 1:
                        blocks.append(block[:, (channel or 1) - 1].copy())
                    else:
                        blocks.append(block.mean(axis=1))
                count += len(block)
        except RuntimeError as error:
            raise AudioError(
                f"{path}: truncated or damaged: {frames:,} samples are promised, but decoding breaks off"
            ) from error
    if count < last:
        raise AudioError(f"{path}: truncated: the header promises {frames:,} samples, {count:,} are there")
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), rate


def _blocks(file, first, last):
    """Give the samples from `first` to before `last` (None: to the end) in arrays of shape (samples, channels), float32.

    It jumps only where that leads to the very sample; other formats are decoded from the beginning.
    """
    size, position = 2**20 // file.channels, 0
    if first and file.seekable() and file.subtype.startswith(_EXACT):
        position = file.seek(first)
    while last is None or position < last:
        wanted = size if last is None else min(size, last - position)
        block = file.read(wanted, dtype="float32", always_2d=True)
        if not len(block):
            return
        position += len(block)
        if position > first:
            yield block[max(0, first - (position - len(block))) :]
