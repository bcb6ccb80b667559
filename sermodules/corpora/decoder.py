"""Recordings in the formats of phones and browsers, decoded by PyAV where that is installed.

Samples are counted, and never sought: the times in such files are off by a millisecond or two, and what follows a jump is
damaged. A delay that the coding adds stays: some 1000 samples in AAC without a container or from a browser, 40 in AMR.
"""

import contextlib
import importlib.metadata

import numpy as np

from sermodules.errors import AudioError

#: A recording is truncated if its header promises so much more than it holds (s): containers count in coarse steps.
TOLERANCE = 0.1
#: Containers whose length is a count; others announce an estimate.
_COUNTED = ("mp4", "mov", "matroska", "webm")


def version():
    """Return PyAV's version, or None if it is not installed."""
    try:
        return importlib.metadata.version("av")
    except importlib.metadata.PackageNotFoundError:
        return None


def blocks(path, name="a recording"):
    """Decode the first sound of a file.

    Parameters
    ----------
    path : path
    name : str
        What messages call its format.

    Yields
    ------
    int
        First: the sampling rate (Hz).
    numpy.ndarray, shape (samples, channels), float32
        Then: the samples in [-1, 1], a packet at a time.

    Raises
    ------
    AudioError
        If it holds no sound, cannot be decoded, or ends before its container says.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise AudioError(f"{path}: {name}: there is no sound in it")
            stream = file.streams.audio[0]
            rate, channels, count = stream.rate, stream.channels, 0
            yield rate
            for frame in file.decode(stream):
                if (frame.sample_rate, frame.layout.nb_channels) != (rate, channels):
                    raise AudioError(
                        f"{path}: its rate or its number of channels changes on the way: convert it to WAV"
                    )
                count += frame.samples
                yield _samples(frame, channels)
            promised = _promised(file, stream)
    except (av.FFmpegError, ValueError, IndexError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise AudioError(
            f"{path}: {name}, damaged or truncated: decoding breaks off ({what}). Get it again."
        ) from error
    if promised - count / rate > TOLERANCE:
        raise AudioError(f"{path}: truncated: the header promises {promised:.2f} s, {count / rate:.2f} s are there")


def length(path, name="a recording"):
    """Return samples, rate (Hz) and channels of a recording: all of it is decoded.

    Raises
    ------
    AudioError
        As `blocks`.
    """
    count, channels = 0, 1
    with contextlib.closing(blocks(path, name)) as found:
        rate = next(found)
        for block in found:
            count, channels = count + len(block), block.shape[1]
    return count, rate, channels


def _promised(file, stream):
    """Return how long a recording says it is (s), 0 where it does not count."""
    if not any(name in file.format.name for name in _COUNTED):
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return 0.0 if not file.duration or file.streams.video else file.duration / 1e6


def _samples(frame, channels):
    """Return the samples of a frame, (samples, channels), float32 in [-1, 1]."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype.kind == "u":
        return ((values.astype(np.float32)) - 128) / 128
    return (values / -float(np.iinfo(values.dtype).min)).astype(np.float32)
