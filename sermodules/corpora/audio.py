"""Audio files: any rate and channel count in, 16 kHz mono out, and a plain reason for every file that will not do."""

import hashlib
import io
import math
import os
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr
from joblib import Parallel, delayed
from tqdm import tqdm

from sermodules import files
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
#: The fingerprint of every silent signal.
SILENT = "silent"

# A recorder that writes to a pipe cannot know the length. It writes 0, or a number near 2 or 4 GB.
_STREAM_SIZE = 0x7FFFF000
_STREAM_LIMIT = 2**28  # bytes of such a file that are taken into memory
_UNKNOWN_FRAMES = 2**62
_NOT_AUDIO = "not audio, or in a format that libsndfile does not read"
_LFS = "a pointer of Git LFS in place of a recording: `git lfs pull`, in the folder of the clone, gets the recording"


def read(path):
    """Read an audio file as 16 kHz mono.

    Channels are averaged. Other rates are resampled with soxr's "HQ" setting. A 16 kHz mono file comes back as it
    is. If samples lie outside [-1, 1], as a floating-point file may hold, the whole signal is divided by its peak.

    See chapter "The corpora, heard".

    Parameters
    ----------
    path : path
        A file in any format that libsndfile reads (WAV, FLAC, AIFF, Ogg, MP3 and others).

    Returns
    -------
    numpy.ndarray, shape (samples,), float32
        The signal, in [-1, 1], at `SAMPLE_RATE`.

    Raises
    ------
    AudioError
        If the file is missing, is not audio, is empty, is truncated, is silent, holds NaN or infinite samples, is
        shorter than 25 ms or longer than `MAX_SECONDS`. The message gives the path and the reason.

    Notes
    -----
    A file counts as truncated if its header promises more than the file holds. An Ogg file promises nothing, so a
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
    path = Path(path)
    try:
        signal, rate = _decode(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        # soundfile raises TypeError for a .raw file, whose rate nobody knows
        raise AudioError(f"{path}: {_LFS if files.is_lfs_pointer(path) else _NOT_AUDIO}") from error
    if signal.size == 0:
        raise AudioError(f"{path}: empty: it holds no samples")
    if not np.isfinite(signal).all():
        raise AudioError(f"{path}: holds NaN or infinite samples")
    signal = _within_full_scale(signal)
    if _is_silent(signal):
        raise AudioError(f"{path}: silent: the mean of its channels stays 80 dB or more below full scale")
    if rate != SAMPLE_RATE:
        signal = _within_full_scale(soxr.resample(signal, rate, SAMPLE_RATE, quality="HQ"))
    if signal.size < MIN_SAMPLES:
        raise AudioError(f"{path}: too short: {1000 * signal.size / SAMPLE_RATE:.1f} ms, less than one 25 ms frame")
    return signal


def fingerprint(path):
    """Name the sound in an audio file: equal decoded samples have equal fingerprints, whatever the format of the file.

    Compared are the mean of the channels and the sampling rate, before any resampling: what `read` begins with.

    Parameters
    ----------
    path : path

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
        signal, rate = _decode(Path(path))
    except (AudioError, OSError, RuntimeError, TypeError, ValueError):
        return ""
    if signal.size == 0 or not np.isfinite(signal).all():
        return ""
    if _is_silent(_within_full_scale(signal)):
        return SILENT
    return hashlib.sha256(f"{rate} ".encode() + (signal + 0.0).tobytes()).hexdigest()  # adding 0 makes -0 and 0 equal


def check(paths, workers=None):
    """Read every file once, and name all that cannot be used.

    Parameters
    ----------
    paths : pandas.DataFrame or iterable of path
        An utterance table, or the files.
    workers : int, optional
        Threads; by default one a core.

    Raises
    ------
    AudioError
        If any file cannot be used. The message names every one with the reason (see `read`).
    """
    names = list(dict.fromkeys(paths["path"] if isinstance(paths, pd.DataFrame) else map(str, paths)))
    jobs = Parallel(n_jobs=workers or os.cpu_count(), prefer="threads", return_as="generator")
    reasons = tqdm(
        jobs(delayed(_complaint)(name) for name in names),
        total=len(names), desc="checking audio", unit="file", file=sys.stdout, disable=not sys.stdout.isatty(),
    )  # fmt: skip
    bad = [reason for reason in reasons if reason]
    if bad:
        raise AudioError(
            f"{len(bad)} of {len(names)} audio files cannot be used:\n  "
            + "\n  ".join(bad)
            + "\nReplace these files, or take their utterances out of the corpus."
        )


def durations(paths):
    """Read lengths from the headers of audio files, many at a time.

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    list of float
        Seconds, one a file. NaN where the header cannot be read or makes no sense: `check` says why.
    """
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_duration, paths))


def _duration(path):
    try:
        if not Path(path).is_file():
            return math.nan  # a pipe would be waited for
        info = soundfile.info(_name(path))
    except (OSError, RuntimeError, TypeError, ValueError):
        return math.nan
    seconds = info.frames / info.samplerate if info.samplerate > 0 else math.nan
    return seconds if seconds <= MAX_SECONDS else math.nan


def _name(path):
    """Return a path as soundfile takes it: as text, a name that is not UTF-8 would fail."""
    return os.fsencode(path) if os.name == "posix" else str(path)


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


def _decode(path):
    """Return the mono signal (float32) and its rate in Hz."""
    if not path.exists():
        raise AudioError(f"{path}: not found")
    if not path.is_file():
        raise AudioError(f"{path}: not a file")
    size = path.stat().st_size
    if size == 0:
        raise AudioError(f"{path}: empty: the file has 0 bytes")
    source = _name(path)
    if (chunk := _sample_chunk(path, size)) is not None:
        promised, held, offset, container_is_right = chunk
        if promised == 0 and held > 0 and not container_is_right:
            if held > _STREAM_LIMIT:
                raise AudioError(f"{path}: too long: the header gives no length, and {held:,} bytes follow")
            source = _with_sizes(path, held, offset)
        elif held < promised < _STREAM_SIZE:
            raise AudioError(
                f"{path}: truncated: the header promises {promised:,} bytes of samples, {held:,} are there"
            )
    with soundfile.SoundFile(source) as file:
        frames, rate, channels = file.frames, file.samplerate, file.channels
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(f"{path}: damaged header: a sampling rate of {rate:,} Hz")
        if frames >= _UNKNOWN_FRAMES:
            raise AudioError(f"{path}: the header does not say how long it is, as when FLAC is written to a pipe")
        if frames > MAX_SECONDS * rate:
            raise AudioError(f"{path}: too long: {frames / rate:,.0f} s, but an utterance may last {MAX_SECONDS} s")
        try:
            blocks, count = [], 0
            while len(block := file.read(2**20 // channels, dtype="float32", always_2d=True)):
                with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused later
                    blocks.append(block[:, 0] if channels == 1 else block.mean(axis=1))
                count += len(block)
        except RuntimeError as error:
            raise AudioError(
                f"{path}: truncated or damaged: {frames:,} samples are promised, but decoding breaks off"
            ) from error
    if count < frames:
        raise AudioError(f"{path}: truncated: the header promises {frames:,} samples, {count:,} are there")
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), rate


def _sample_chunk(path, size):
    """Find the chunk that holds the samples of a WAV or AIFF file.

    Parameters
    ----------
    path : pathlib.Path
    size : int
        Bytes of the file.

    Returns
    -------
    tuple or None
        Bytes that the chunk promises, bytes that follow in the file, where they start, and whether the length given at
        the start of the file is the file's. None if this is no such file or has no such chunk.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
            order, wanted = ("<" if head[:4] == b"RIFF" else ">"), b"data"
        elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            order, wanted = ">", b"SSND"
        else:
            return None
        (container,) = struct.unpack(order + "I", head[4:8])
        for _ in range(1000):  # no real file has more chunks; a damaged one may have millions
            head = file.read(8)
            if len(head) < 8:
                return None
            (length,) = struct.unpack(order + "I", head[4:])
            if head[:4] == wanted:
                start = file.tell()
                return length, size - start, start, container + 8 == size
            file.seek(length + length % 2, os.SEEK_CUR)
    return None


def _with_sizes(path, held, offset):
    """Return the bytes of a WAV file that was streamed with a length of 0, with the true length filled in."""
    content = bytearray(path.read_bytes())
    order = "<" if content[:4] == b"RIFF" else ">"
    content[4:8] = struct.pack(order + "I", len(content) - 8)
    content[offset - 4 : offset] = struct.pack(order + "I", held)
    return io.BytesIO(content)
