"""What a file is that libsndfile does not read, told by its first bytes, and what to do about it."""

import shlex
import struct
from dataclasses import dataclass
from pathlib import Path

from sermodules import files

#: The release of PyAV with which this was tried.
PYAV = "av==18.1.0"
#: So many bytes of a file are looked at.
LOOKED_AT = 4096

_LFS = "a pointer of Git LFS in place of a recording: `git lfs pull`, in the folder of the clone, gets the recording"
_ANNEX = "a link of git-annex or DataLad in place of a recording: `datalad get .`, in the folder of the clone, gets it"
_APPLE = "what macOS keeps beside a file (a name that begins with ._), not the recording: take it out of the table"
_PAGE = "not audio, but a web page, as a download gives that wanted a login or a click first: get the recording again"
_ZEROS = "not audio: it holds nothing but zeros, so a copy or a download broke off: get it again"
_SILK = "SILK, as WeChat and QQ record: `silk_v3_decoder` (silk-v3-decoder) makes PCM of it, ffmpeg does not read it"
_SHORTEN = "NIST SPHERE, compressed by shorten: `sph2pipe -f wav {name} {out}` makes a WAV file of it"

#: What stands where in files that are no recordings, and what they are.
_OTHERS = (
    (0, b"%PDF", "a PDF document"), (0, b"PK\3\4", "a ZIP archive or an office document: unpack it"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it"), (0, b"Rar!", "a RAR archive: unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"), (0, b"BZh", "a bzip2 archive: unpack it"),
    (0, b"\xfd7zXZ", "an xz archive: unpack it"), (257, b"ustar", "a tar archive: unpack it"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"), (0, b"\x89PNG", "a picture (PNG)"), (0, b"GIF8", "a picture (GIF)"),
    (0, b"MThd", "MIDI, which holds notes and no sound"), (0, b"\x93NUMPY", "an array of NumPy"),
    (0, b"\x89HDF", "an HDF5 file"), (0, b"L\0\0\0\1\x14\2\0", "a shortcut of Windows: copy the file that it points to"),
    (0, b"bplist", "a property list of macOS, as iCloud leaves in place of a file that it has not loaded: load the file"),
)  # fmt: skip
#: What stands where in recordings that libsndfile does not read, and how their format is called.
_SOUNDS = (
    (0, b"#!AMR-WB", "AMR wideband (amr)"), (0, b"#!AMR", "AMR, as phones record (amr)"),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "Windows Media (wma, wmv)"),
    (0, b".RMF", "RealMedia (rm)"), (0, b"FLV\1", "Flash video (flv)"), (0, b"MAC ", "Monkey's Audio (ape)"),
    (0, b"wvpk", "WavPack (wv)"), (0, b"TTA", "True Audio (tta)"), (0, b"DSD ", "DSD (dsf)"), (0, b"FRM8", "DSD (dff)"),
    (0, b"MPCK", "Musepack (mpc)"), (0, b"MP+", "Musepack (mpc)"), (0, b"\x0bw", "Dolby Digital (ac3)"),
    (0, b"\0\0\1\xba", "MPEG video (mpg)"), (0, b"\0\0\1\xb3", "MPEG video (mpg)"), (8, b"AVI LIST", "AVI video (avi)"),
    (4, b"moov", "QuickTime (mov)"), (4, b"mdat", "QuickTime or MPEG-4 (mov, m4a)"), (4, b"wide", "QuickTime (mov)"),
)  # fmt: skip
#: Codings inside of a WAV file that libsndfile does not read, by their number (RFC 2361).
_WAV = {
    0x0022: "TrueSpeech", 0x0042: "G.723.1", 0x0045: "G.726", 0x0050: "MPEG layer 1 or 2", 0x0064: "G.726",
    0x0083: "G.729", 0x00FF: "AAC", 0x0130: "ACELP", 0x0160: "Windows Media", 0x0161: "Windows Media",
    0x0162: "Windows Media", 0x1610: "AAC", 0x2000: "Dolby Digital", 0xA106: "AAC", 0xA109: "Speex",
}  # fmt: skip
_BRANDS = {b"M4A": "MPEG-4 audio (m4a)", b"M4B": "MPEG-4 audio (m4b)", b"3gp": "3GPP, as phones record (3gp)",
           b"3g2": "3GPP, as phones record (3g2)", b"qt ": "QuickTime (mov)"}  # fmt: skip
_OGG = {
    b"Speex   ": "Speex in Ogg (spx)",
    b"\x80theora": "video in Ogg (ogv)",
    b"fishead\0": "Ogg with a skeleton (ogg, ogv)",
}


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes
    ----------
    name : str
    sound : bool
        Whether it is a recording, which PyAV may decode.
    cure : str
        What to do if it cannot be decoded here.
    """

    name: str
    sound: bool
    cure: str

    def __str__(self):
        return f"{self.name}{', which libsndfile does not read' if self.sound else ''}{': ' if self.cure else ''}{self.cure}"


def look(path):
    r"""Say what a file is, if it is one that libsndfile does not read.

    Parameters
    ----------
    path : path
        A file that is there.

    Returns
    -------
    Kind or None
        None if libsndfile may read it, or nobody knows.

    Raises
    ------
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sermodules.corpora import kinds
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "call.m4a")
    ...     _ = file.write_bytes(b"\0\0\0 ftypM4A \0\0\0\0")
    ...     kinds.look(file).name
    'MPEG-4 audio (m4a)'
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
        if name := _coding(head) or _sound(head):
            return Kind(name, True, conversion(path))
        if head and not head.strip(b"\0") and not any(iter(lambda: file.read(2**16).strip(b"\0"), b"")):
            rest = file.tell() == path.stat().st_size
            return Kind(_ZEROS, False, "") if rest else None
    if files.is_lfs_pointer(path):
        return Kind(_LFS, False, "")
    name = _no_recording(head)
    out = shlex.quote(path.with_suffix(".wav").name)
    return Kind(name.format(name=shlex.quote(path.name), out=out), False, "") if name else None


def conversion(path):
    """Return what reads a recording that libsndfile does not read."""
    name, out = path.name, path.with_suffix(".wav").name
    if name == out:  # it says that it is a WAV file
        out = f"{path.stem}-converted.wav"
    name = f"./{name}" if name.startswith("-") else name
    out = f"./{out}" if out.startswith("-") else out
    return f"`pip install {PYAV}` reads it as it is, or convert it: `ffmpeg -i {shlex.quote(name)} {shlex.quote(out)}`"


def _sound(head):
    """Name a recording in a format of its own, or return None."""
    if head[4:8] == b"ftyp":
        return next((name for brand, name in _BRANDS.items() if head[8:].startswith(brand)), "MPEG-4 (mp4, m4a)")
    if head[:4] == b"\x1aE\xdf\xa3":
        return "WebM, as browsers record (webm)" if b"webm" in head[:64] else "Matroska (mka, mkv)"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "MPEG transport stream (ts)"
    name = next((name for at, mark, name in _SOUNDS if head[at : at + len(mark)] == mark), None)
    return name or ("AAC without a container (aac)" if _is_adts(head) else None)


def _is_adts(head):
    at = 0
    if head[:3] == b"ID3" and len(head) > 10:
        at = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    two = head[at : at + 2]
    return len(two) == 2 and two[0] == 0xFF and two[1] & 0xF6 == 0xF0


def _coding(head):
    """Name the coding of a recording in a container that libsndfile reads, if it does not read the coding; else None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and (at := head.find(b"fmt ", 12)) > 0 and len(head) >= at + 10:
        (number,) = struct.unpack("<H", head[at + 8 : at + 10])
        return f"a WAV file whose sound is coded as {_WAV[number]}" if number in _WAV else None
    if head[:4] == b"caff" and head[8:12] == b"desc":
        code = head[28:32]
        read = code in (b"lpcm", b"alac", b"alaw", b"ulaw", b"ima4")
        return None if read else f"Core Audio (caf) whose sound is coded as {code.decode('latin-1').strip()}"
    if head[:4] == b"OggS":
        return next((name for mark, name in _OGG.items() if head[28:].startswith(mark)), None)
    return None


def _no_recording(head):
    """Name a file that is no recording, or one that no decoder here reads; None if nobody knows."""
    if head[:4] in (b"\0\5\x16\7", b"\0\5\x16\0"):
        return _APPLE
    if head[:1] in (b"\2", b"#") and b"#!SILK_V3" in head[:10]:
        return _SILK
    if head[:7] == b"NIST_1A" and b"shorten" in head[:1024]:
        return _SHORTEN
    if found := next((name for at, mark, name in _OTHERS if head[at : at + len(mark)] == mark), None):
        return f"not audio, but {found}"
    return _text(head)


def _text(head):
    """Name a file that is text, or return None."""
    try:
        text = head.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8-sig").strip()
    if len(text) < 8 or not all(letter.isprintable() or letter.isspace() for letter in text):
        return None
    low = text.lower()
    if low.startswith(("<!doctype html", "<html", "<head", "<!--", "<script")) or "<html" in low[:1000]:
        return _PAGE
    if "annex/objects/" in text[:300]:
        return _ANNEX
    what = {"<": "XML", "{": "JSON"}.get(text[0], "text")
    begins = " ".join(text[:60].split()).replace("{", "{{").replace("}", "}}")
    return f"not audio, but {what}, which begins {begins!r}: get the recording again"
