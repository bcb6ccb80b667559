"""The length of an MP3: counted where its header does not say it.

An MP3 is a row of frames. Its length stands in a header of its own (Xing, LAME), which tools leave out that stream, or that cut
without decoding. libsndfile then estimates a length from the first frame, and ends there. The frames can be counted without
decoding them, so such a file is read with the header that it lacks.

The form of a frame: ISO/IEC 11172-3 and 13818-3. That of the header: https://www.codeproject.com/Articles/8295 (Xing, VBRI) and
http://gabriel.mp3-tech.org/mp3infotag.html (LAME).
"""

import struct
from dataclasses import dataclass

#: Bit rates (kbit/s) of layer III by their number in a frame's header: of MPEG-1, and of MPEG-2 and 2.5.
_BITRATES = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_VERSIONS = {3: 1, 2: 2, 0: 4}  # bits of the header to what the rates are divided by: MPEG-1, 2, 2.5
#: Samples that a decoder is late, and that libsndfile leaves out where it knows the length.
DECODER_DELAY = 529
#: Bytes between two frames that are passed over, such as what a broken transfer or a tag leaves.
_GAP = 2**16


@dataclass(frozen=True)
class Frame:
    """What the first four bytes of a frame say: bytes of the frame, its samples, Hz, and bytes before its Xing header."""

    size: int
    samples: int
    rate: int
    offset: int


def frame(head):
    """Read the header of a frame of layer III.

    Parameters
    ----------
    head : bytes
        At least four.

    Returns
    -------
    Frame or None
        None if it is none, or one without a bit rate ("free format").

    Examples
    --------
    >>> from sermodules.corpora import mp3
    >>> mp3.frame(bytes.fromhex("fffb9064"))
    Frame(size=417, samples=1152, rate=44100, offset=36)
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    divisor, number, rate = _VERSIONS.get(head[1] >> 3 & 3), head[2] >> 4, head[2] >> 2 & 3
    if divisor is None or number in (0, 15) or rate == 3:
        return None
    first = divisor == 1
    hertz, bits = _RATES[rate] // divisor, 1000 * _BITRATES[1 if first else 2][number]
    size = (144 if first else 72) * bits // hertz + (head[2] >> 1 & 1)
    mono = head[3] >> 6 == 3
    return Frame(size, 1152 if first else 576, hertz, 4 + ((17 if mono else 32) if first else (9 if mono else 17)))


def mended(content):
    """Give an MP3 a header that says how long it is, if it has none that is right.

    Parameters
    ----------
    content : bytes
        Of the whole file.

    Returns
    -------
    tuple of (bytes, float) or None
        The file with its length, and how much less it holds than it says (s): a frame at most. None if nothing is to be mended:
        its header is right, or promises more (then it is truncated), or it is no MP3. All frames that it holds are counted; of
        a file that had no header the decoder's delay stays, as other decoders leave it.
    """
    start = _start(content)
    first = frame(content[start : start + 4])
    if first is None:
        return None
    named = content[start + first.offset :][:16]
    xing = named[:4] in (b"Xing", b"Info")
    own = xing or content[start + 36 : start + 40] == b"VBRI"  # this frame is a header, and no sound
    begin = start + first.size if own else start
    count = _count(content, begin, first)
    promised = struct.unpack(">I", named[8:12])[0] if xing and named[7] & 1 else 0
    if not count or promised == count or promised > count + 1:
        return None
    if promised:
        counted, at = bytearray(content), start + first.offset + 8
        counted[at : at + 4] = struct.pack(">I", count)
        if named[7] & 2:
            counted[at + 4 : at + 8] = struct.pack(">I", len(content) - start)
        return bytes(counted), max(0, promised - count) * first.samples / first.rate
    return _header(content[start : start + 4], count + 1) + _without_debts(content, begin, first), 0.0


def _start(content):
    """Return where the first frame begins: behind the tags that stand at the beginning of a file."""
    at = 0
    while content[at : at + 3] == b"ID3" and len(content) >= at + 10:
        size = content[at + 6 : at + 10]
        at += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]) + (10 if content[at + 5] & 16 else 0)
    return _next(content, at)


def _next(content, at):
    """Return where the next frame begins: one that is followed by a frame of its kind, or by the end of the file."""
    for here in range(at, min(at + _GAP, len(content) - 3)):
        found = frame(content[here : here + 4])
        if found and (after := content[here + found.size :][:4]) is not None:
            follows = frame(after)
            if not after or after[:3] == b"TAG" or (follows and follows.rate == found.rate):
                return here
    return len(content)


def _count(content, at, first):
    """Count the frames that are like the first one, and whole."""
    count = 0
    while at < len(content):
        found = frame(content[at : at + 4])
        if found is None or found.rate != first.rate:
            at = _next(content, at + 1)
        elif at + found.size > len(content):
            break
        else:
            count, at = count + 1, at + found.size
    return count


def _without_debts(content, at, first):
    """Return what follows, and silence the first frames whose sound began before the cut: libmpg123 makes a bang of them.

    A frame may begin in the space that earlier ones have left, up to 511 bytes back. Its own bytes stay, for the next ones.
    """
    mended, held, begin = bytearray(content[at:]), 0, at
    while held < (511 if first.samples == 1152 else 255) and (found := frame(content[at : at + 4])):
        side = at + 4 + (0 if content[at + 1] & 1 else 2)
        long = found.samples == 1152
        back = (content[side] << 1 | content[side + 1] >> 7) if long else content[side]
        if back > held:
            length, kept = found.offset - 4, held << 7 if long else held  # nothing but how far back its space goes
            told = kept.to_bytes(2, "big") if long else bytes([kept])
            mended[side - begin : side - begin + length] = told + bytes(length - len(told))
            if side > at + 4:  # the checksum no longer holds: this frame has none, and its space is sound
                mended[at + 1 - begin] |= 1
        held = min(held + found.size - found.offset - (side - at - 4), 511 if long else 255)
        at += found.size
    return bytes(mended)


def _header(head, count):
    """Return a header for `count` frames of a kind, and a silent frame.

    libsndfile leaves out the decoder's delay and what the header says of the encoder's: together the silent frame.
    """
    plain = bytearray(head)
    plain[1] |= 1  # without a checksum
    for number in range(1, 15):
        plain[2] = plain[2] & 0x0D | number << 4
        found = frame(plain)
        if found.size >= found.offset + 16 + 36:
            break
    silence = bytes(plain) + bytes(found.size - 4)
    info = bytearray(silence)
    info[found.offset :] = bytes(found.size - found.offset)
    info[found.offset : found.offset + 16] = b"Info" + struct.pack(">III", 1, count, 0)
    lame = found.offset + 12  # the flags name the count alone, so what LAME tells follows it
    info[lame : lame + 9] = b"LAME3.100"
    delay = found.samples - DECODER_DELAY
    info[lame + 21 : lame + 24] = struct.pack(">I", delay << 12)[1:]
    return bytes(info) + silence
