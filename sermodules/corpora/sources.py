"""What libsndfile is given of a file: its name, or its bytes with a header that says how long it is."""

import io
import os
import struct
from dataclasses import dataclass

from sermodules.corpora import mp3
from sermodules.errors import AudioError

# A recorder that writes to a pipe cannot know the length. It writes 0, or a number near 2 or 4 GB.
_STREAM_SIZE = 0x7FFFF000
_STREAM_LIMIT = 2**28  # bytes of such a file that are taken into memory


@dataclass(frozen=True)
class Source:
    """What ``soundfile`` opens.

    Attributes
    ----------
    file : str, bytes or io.BytesIO
    promised, held : int
        Bytes of samples that a WAV or AIFF file promises, and that it holds, where they differ; else 0.
    missing : float
        What an MP3 holds less than it says (s).
    """

    file: object
    promised: int = 0
    held: int = 0
    missing: float = 0.0


def of(path):
    """Return what ``soundfile`` opens for a file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Source

    Raises
    ------
    AudioError
        If a WAV file was streamed and is too long.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from sermodules.corpora import sources
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(Path(folder, "a.wav"), np.zeros(100), 16000)
    ...     _ = Path(folder, "b.wav").write_bytes(Path(folder, "a.wav").read_bytes()[:-1])
    ...     found = sources.of(Path(folder, "b.wav"))
    >>> found.promised, found.held
    (200, 199)
    """
    size = path.stat().st_size
    if (chunk := _sample_chunk(path, size)) is not None:
        promised, held, offset, container_is_right = chunk
        if promised == 0 and held > 0 and not container_is_right:
            if held > _STREAM_LIMIT:
                raise AudioError(f"{path}: too long: the header gives no length, and {held:,} bytes follow")
            return Source(_with_sizes(path, held, offset))
        if 0 < promised < held and (lost := _unclaimed(path, offset + promised + promised % 2)) > promised / 4:
            raise AudioError(
                f"{path}: damaged header: it promises {promised:,} bytes of samples, and {lost:,} bytes follow that it does not"
                " name, as when a recorder was stopped: mend it in an audio editor, or import it as raw data"
            )
        if held < promised < _STREAM_SIZE:
            return Source(_name(path), promised, held)
    elif _may_be_mp3(path) and size <= _STREAM_LIMIT and (found := mp3.mended(path.read_bytes())):
        content, missing = found
        return Source(io.BytesIO(content), missing=missing)
    return Source(_name(path))


def _unclaimed(path, at):
    """Count the bytes behind the samples of a WAV file that are neither a chunk nor a tag nor zeros."""
    with path.open("rb") as file:
        file.seek(at)
        rest = file.read()
    name, size = rest[:4], int.from_bytes(rest[4:8], "little")
    known = name[:3] in (b"ID3", b"TAG") or (len(rest) >= 8 and name.isascii() and size <= len(rest))
    return 0 if known and name.decode("ascii", "replace").isprintable() else len(rest.strip(b"\0"))


def _may_be_mp3(path):
    with path.open("rb") as file:
        head = file.read(4)
    return head[:3] == b"ID3" or mp3.frame(head) is not None


def _name(path):
    """Return a path as soundfile takes it: as text, a name that is not UTF-8 would fail."""
    return os.fsencode(path) if os.name == "posix" else str(path)


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
