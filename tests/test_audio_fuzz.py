"""A thousand hostile audio files: each is read right or refused by name; nothing crashes, hangs or raises anything else.

The files are read in a process of its own, because a crash of libsndfile would take the tests with it:
``python tests/test_audio_fuzz.py FOLDER`` writes them, reads them, and writes two lines of JSON a file to ``FOLDER.jsonl``.
"""

import faulthandler
import io
import json
import math
import os
import resource
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sermodules import corpora
from sermodules.corpora import audio
from sermodules.errors import AudioError, CorpusError

COUNT = 1000
SECONDS = 30  # that one file may take; it takes milliseconds
MEMORY = 6 * 2**30  # bytes of address space
TONE = 440  # Hz

#: What is damaged: one file of each format and coding, by its suffix.
CODINGS = (
    ("wav", "PCM_16"), ("wav", "PCM_U8"), ("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("wav", "DOUBLE"),
    ("wav", "ULAW"), ("wav", "ALAW"), ("wav", "IMA_ADPCM"), ("wav", "MS_ADPCM"), ("wav", "GSM610"), ("wav", "G721_32"),
    ("wav", "MPEG_LAYER_III"), ("flac", "PCM_16"), ("flac", "PCM_24"), ("flac", "PCM_S8"), ("ogg", "VORBIS"),
    ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III"), ("aiff", "PCM_16"), ("aiff", "PCM_24"), ("aiff", "IMA_ADPCM"),
    ("aiff", "DWVW_16"), ("au", "PCM_16"), ("au", "FLOAT"), ("caf", "PCM_16"), ("caf", "ALAC_16"), ("w64", "PCM_16"),
    ("rf64", "PCM_16"), ("voc", "PCM_16"), ("nist", "PCM_16"), ("sds", "PCM_16"), ("xi", "DPCM_16"), ("mat4", "FLOAT"),
    ("mat5", "PCM_16"), ("paf", "PCM_24"), ("pvf", "PCM_16"), ("ircam", "PCM_16"), ("avr", "PCM_16"), ("htk", "PCM_16"),
    ("svx", "PCM_16"), ("wve", "ALAW"), ("mpc2k", "PCM_16"),
)  # fmt: skip
NUMBERS = (0, 1, 2, 3, 7, 255, 0x7FFF, 0x8000, 0xFFFF, 2**30, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
#: Where a WAV file says what it holds, and in how many bytes.
WAV_FIELDS = {4: 4, 16: 4, 20: 2, 22: 2, 24: 4, 28: 4, 32: 2, 34: 2, 40: 4}


def tone(rate=16000, seconds=0.3, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * TONE * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave[:, None], channels)


def encoded(signal, rate, suffix, coding):
    """Return the bytes of an audio file, or None if this libsndfile cannot write it."""
    file = io.BytesIO()
    try:
        soundfile.write(file, signal, rate, format=suffix.upper(), subtype=coding)
    except (soundfile.LibsndfileError, ValueError):
        return None
    return file.getvalue()


def whole():
    """Yield sound files: suffix and bytes. All hold the tone."""
    for rate in (8000, 16000, 22050, 44100, 48000, 96000):
        for channels in (1, 2, 6):
            for suffix, coding in (("wav", "PCM_U8"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16")):
                yield suffix, encoded(tone(rate, 0.3, channels), rate, suffix, coding)


def odd_samples(rng):
    """Yield files whose header is right and whose samples are not what a recording has."""
    noise = rng.normal(0, 0.1, 4000)
    for value in (np.nan, np.inf, -np.inf, 1e30, -1e300):
        for rate in (8000, 16000, 96000):
            for where in (slice(2000, 2001), slice(None)):
                signal = noise.copy()
                signal[where] = value
                yield "wav", encoded(signal, rate, "wav", "DOUBLE")
    for signal in (
        0 * noise,
        0 * noise + 0.5,
        1e-6 * noise,
        1e-42 * noise,
        noise[:0],
        noise[:1],
        noise[:300],
        np.sign(noise),
    ):
        for suffix, coding in (("wav", "FLOAT"), ("wav", "PCM_16"), ("flac", "PCM_24")):
            yield suffix, encoded(signal, 16000, suffix, coding)


def lies():
    """Yield WAV and FLAC files whose header claims something else than they hold."""
    content = encoded(tone(), 16000, "wav", "PCM_16")
    for at, size in WAV_FIELDS.items():
        for number in NUMBERS:
            if number < 256**size:
                yield "wav", content[:at] + number.to_bytes(size, "little") + content[at + size :]
    two_hours, frames = 2 * 3600 * 16000 * 2, 2**31
    for claim in (two_hours, 2 * frames % 2**32):
        yield "wav", content[:40] + struct.pack("<I", claim) + content[44:]
    content = encoded(tone(), 16000, "flac", "PCM_16")
    for claim in (0, 1, 2 * 3600 * 16000, frames, 2**36 - 1):
        yield (
            "flac",
            content[:21] + bytes([content[21] & 0xF0 | claim >> 32]) + struct.pack(">I", claim % 2**32) + content[26:],
        )
    for rate in (0, 1, 655350):
        fields = int.from_bytes(content[18:21], "big") & 0xF | rate << 4
        yield "flac", content[:18] + fields.to_bytes(3, "big") + content[21:]


def strangers(rng):
    """Yield what is no audio, and audio under another format's suffix."""
    for suffix in ("wav", "flac", "ogg", "mp3", "raw", "txt", "sd2", "mp4"):
        for content in (
            b"",
            b"\0",
            b"hello, world\n" * 50,
            b"%PDF-1.4\n",
            b"PK\3\4" + bytes(100),
            b"\x89PNG\r\n\x1a\n",
            b"{}",
        ):
            yield suffix, content
        yield suffix, rng.bytes(3000)
    for suffix in ("wav", "flac", "raw", "txt", "mp3"):
        for held, coding in (("wav", "PCM_16"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III")):
            yield suffix, encoded(tone(), 16000, held, coding)


def damaged(rng):
    """Yield sound files that were cut, or in which bytes were changed, or that are noise after the first bytes; for ever."""
    contents = [(suffix, encoded(tone(), 16000, suffix, coding)) for suffix, coding in CODINGS]
    contents = [(suffix, content) for suffix, content in contents if content]
    while True:
        for suffix, content in contents:
            yield "cut", suffix, content[: rng.integers(1, min(len(content), 200 if rng.random() < 0.5 else 10**6))]
            for kind, within in (("header changed", 128), ("changed anywhere", len(content))):
                changed = bytearray(content)
                for at in rng.integers(0, min(within, len(content)), rng.integers(1, 9)):
                    changed[at] = rng.choice([rng.integers(256), 0, 255, 127, 128])
                yield kind, suffix, bytes(changed)
            start = content[: rng.integers(4, 64)]
            yield "noise after the first bytes", suffix, start + rng.bytes(int(rng.integers(0, 4000)))


def write(folder):
    """Write `COUNT` files and what only looks like a file; return what each is by its path."""
    rng, made = np.random.default_rng(2022), {}
    folder.mkdir(parents=True)

    def path(kind, name):
        target = folder / name
        made[target] = kind
        return target

    def sparse(name, header, size):
        path("two hours or ten minutes of nothing", name).write_bytes(header)
        os.truncate(folder / name, size)  # takes no room on the disk

    path("not a file", "directory.wav").mkdir()
    path("not a file", "loop.wav").symlink_to(folder / "loop.wav")
    path("not a file", "dangling.wav").symlink_to(folder / "nowhere")
    path("not a file", "device.wav").symlink_to("/dev/zero")
    path("not a file", "kernel.wav").symlink_to("/proc/self/mem")
    path("not a file", "nowhere.wav")
    path("not a file", "x" * 300 + ".wav")
    path("not a file", "nul\0.wav")
    os.mkfifo(path("not a file", "pipe.wav"))
    right = encoded(tone(), 16000, "wav", "PCM_16")
    for name in (
        "Übung mit Raum.wav",
        "new\nline.wav",
        "'\"$(x);.wav",
        os.fsdecode(b"\xff\xfe.wav"),
        "no suffix",
        "-.wav",
    ):
        path("strange name", name).write_bytes(right)
    for rate, bits, seconds in ((8000, 8, 7200), (8000, 8, 599), (48000, 16, 599), (1000, 8, 601)):
        size = rate * bits // 8 * seconds
        head = encoded(np.zeros(1), rate, "wav", "PCM_U8" if bits == 8 else "PCM_16")[:40]
        for claim, what in ((size, ""), (0, "stream-")):
            content = head[:4] + struct.pack("<I", claim + 36 if claim else 0) + head[8:40] + struct.pack("<I", claim)
            sparse(f"{what}{rate}-{seconds}.wav", content, 44 + size)
    groups = {"whole": whole(), "odd samples": odd_samples(rng), "lying header": lies(), "stranger": strangers(rng)}
    for kind, files in groups.items():
        for suffix, content in files:
            path(kind, f"{len(made):04}.{suffix}").write_bytes(content)
    for kind, suffix, content in damaged(rng):
        if len(made) == COUNT:
            return made
        path(kind, f"{len(made):04}.{suffix}").write_bytes(content)


def outcome(path):
    """Read a file; return "read" or the reason why not. Anything else than a right array or an `AudioError` is raised."""
    try:
        signal = audio.read(path)
    except AudioError as error:
        named, colon, reason = str(error).partition(f"{path}: ")
        assert not named and colon, f"{error!r} does not begin with the file's name"
        return reason
    assert signal.dtype == np.float32 and signal.ndim == 1 and np.isfinite(signal).all() and np.abs(signal).max() <= 1
    assert audio.MIN_SAMPLES <= len(signal) <= audio.MAX_SECONDS * audio.SAMPLE_RATE + 1
    return "read"


def loudest(path):
    """Return the frequency (Hz) that is strongest in a file."""
    signal = audio.read(path)
    return np.abs(np.fft.rfft(signal)).argmax() * audio.SAMPLE_RATE / len(signal)


def refused(function, *arguments):
    """Return what a function raises as text, or ""."""
    try:
        function(*arguments)
    except (AudioError, CorpusError) as error:
        return str(error)
    return ""


def check_many(outcomes, folder):
    """Give all files at once to the functions that check a corpus."""
    bad = [str(path) for path, found in outcomes.items() if found != "read"]
    told = refused(audio.check, outcomes)
    assert told.startswith(f"{len(bad)} of {len(outcomes)} audio files cannot be used")
    assert all(f"\n  {path}: {outcomes[Path(path)]}" in told for path in bad)
    seconds = audio.durations(outcomes)
    assert all(math.isnan(value) or 0 <= value <= audio.MAX_SECONDS for value in seconds)

    names = [path for path in outcomes if path.name.isprintable() and len(path.name) < 256]  # a CSV can hold these
    rows = pd.DataFrame({"utterance": map(str, range(len(names))), "path": names, "speaker": "A", "session": ""})
    rows, table = (
        rows.assign(gender="female", emotion=np.resize(["sad", "calm"], len(rows))),
        folder.with_suffix(".csv"),
    )
    rows.to_csv(table, index=False)
    told, none = refused(corpora.load, f"table:{table}"), [path for path in names if not path.is_file()]
    assert all(f"there is no audio file {path}" in told for path in none) and told.count("no audio file") == len(none)
    rows[[path.is_file() for path in names]].to_csv(table, index=False)
    loaded = corpora.load(f"table:{table}", duplicates="keep")
    told = refused(audio.check, loaded)
    assert all((outcomes[Path(path)] == "read") == (f"\n  {path}: " not in told) for path in loaded["path"])
    assert corpora.digest(loaded[loaded["path"] != str(folder / "kernel.wav")])


def main(folder):
    """Write the files, read each one and log it before and after, then check them all at once."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes, made = {}, write(folder)
    with folder.with_suffix(".jsonl").open("w") as log:
        for path, kind in made.items():
            print(json.dumps({"file": ascii(str(path)), "kind": kind}), file=log, flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            outcomes[path] = outcome(path)
            if kind in ("whole", "strange name"):
                assert abs(loudest(path) - TONE) < 5, "another sound than was written"
            print(json.dumps({"outcome": outcomes[path]}), file=log, flush=True)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
    assert len(made) == COUNT
    check_many(outcomes, folder)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what came of each file: a table of ``file, kind, outcome``."""
    folder = tmp_path_factory.mktemp("fuzz") / "files"
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, errors="replace", timeout=600)
    lines = [json.loads(line) for line in folder.with_suffix(".jsonl").read_text().splitlines()]
    assert done.returncode == 0, f"ended with {done.returncode} after {lines[-1:]}:\n{done.stderr[-3000:]}"
    table = pd.DataFrame([before | after for before, after in zip(lines[::2], lines[1::2], strict=True)])
    print("\n", pd.crosstab(table["kind"], table["outcome"].map(in_short)).T.to_string())
    return table


def in_short(reason):
    """Return the first words of a reason."""
    return "read" if reason == "read" else reason.split(":")[0].split(",")[0]


def test_thousand_audio_files(outcomes):
    assert len(outcomes) == COUNT and outcomes["file"].is_unique


def test_what_is_whole_is_read_and_what_is_not_is_refused(outcomes):
    kinds = {kind: Counter(map(in_short, rows["outcome"])) for kind, rows in outcomes.groupby("kind")}
    assert set(kinds["whole"]) == {"read"} and kinds["whole"].total() == 72
    assert "read" not in kinds["not a file"] and "read" not in kinds["two hours or ten minutes of nothing"]
    for kind in ("cut", "header changed", "lying header", "noise after the first bytes", "stranger"):
        assert kinds[kind].total() > 50 and kinds[kind]["read"] < kinds[kind].total()


def test_a_file_without_the_right_to_read_it(tmp_path):
    """As nobody, if the tests are run by root, who may read everything."""
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(tone(), 16000, "wav", "PCM_16"))
    path.chmod(0)
    code = (
        "import os, sys; from sermodules.corpora import audio\n"
        "if not os.getuid(): os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(audio.durations(['a.wav'])); audio.read('a.wav')"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "[nan]\n"
    assert done.stderr.strip().endswith("AudioError: a.wav: cannot be read: Permission denied")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
