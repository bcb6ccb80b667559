import math
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules.corpora import audio
from sermodules.errors import AudioError

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.1, 16000).clip(-1, 1)


def tone(rate, seconds=1.0, hertz=440.0, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def reason(path):
    """Return why a file is refused; the message must begin with its path."""
    with pytest.raises(AudioError) as caught:
        audio.read(path)
    path_named, _, why = str(caught.value).partition(": ")
    assert path_named == str(path)
    return why


@pytest.fixture
def wav(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(signal, rate=16000, name="a.wav", **options):
        soundfile.write(tmp_path / name, signal, rate, **options)
        return tmp_path / name

    return write


@pytest.fixture
def raw(tmp_path):
    def write(content, name="raw.wav"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


# what is read


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_rate_and_channel_count(wav, rate, channels):
    signal = audio.read(wav(np.tile(tone(rate)[:, None], channels), rate, subtype="FLOAT"))
    assert signal.dtype == np.float32 and signal.ndim == 1
    assert abs(len(signal) - 16000) <= 1
    middle = slice(1000, 15000)
    np.testing.assert_allclose(signal[middle], tone(16000)[middle], atol=2e-4)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg", "a.mp3"])
def test_formats(wav, name):
    signal = audio.read(wav(tone(16000), name=name))
    assert len(signal) == 16000
    middle = slice(2000, 14000)
    assert np.corrcoef(signal[middle], tone(16000)[middle])[0, 1] > 0.999


def test_channels_are_averaged(wav):
    left, right = RNG.normal(0, 0.1, (2, 8000)).astype(np.float32)
    signal = audio.read(wav(np.column_stack([left, right]), subtype="FLOAT"))
    np.testing.assert_allclose(signal, (left + right) / 2, atol=1e-7)


def test_16_khz_mono_comes_back_as_it_is(wav):
    samples = RNG.integers(-32768, 32767, 8000).astype(np.int16)
    np.testing.assert_array_equal(audio.read(wav(samples)), (samples / 32768).astype(np.float32))


def test_beyond_full_scale_is_scaled_as_a_whole(wav):
    quiet = tone(16000, level=0.9)
    loud = audio.read(wav(quiet * 20000, subtype="FLOAT"))
    assert np.abs(loud).max() == 1
    np.testing.assert_allclose(loud, quiet / np.abs(quiet).max(), atol=1e-6)
    clipped = np.sign(tone(44100, hertz=997))  # overshoots when it is resampled
    resampled = audio.read(wav(clipped, 44100, subtype="FLOAT"))
    assert 0.99 < np.abs(resampled).max() <= 1


def test_shortest_and_longest(wav):
    assert len(audio.read(wav(NOISE[:400]))) == 400
    assert reason(wav(NOISE[:399])) == "too short: 24.9 ms, less than one 25 ms frame"
    assert "too short" in reason(wav(RNG.normal(0, 0.1, 1100), 44100))
    assert "too short: 0.0 ms" in reason(wav([0.5, -0.5], 384000))
    assert len(audio.read(wav(RNG.normal(0, 0.1, 1103), 44100))) == 400
    assert reason(wav(np.tile(NOISE[:1000], 601), 1000)) == "too long: 601 s, but an utterance may last 600 s"


# what is refused


def test_not_there(tmp_path):
    assert reason(tmp_path / "nowhere.wav") == "not found"
    assert reason(tmp_path) == "not a file"
    os.mkfifo(tmp_path / "pipe.wav")
    assert reason(tmp_path / "pipe.wav") == "not a file"


def test_may_not_be_read(wav, monkeypatch):
    path = wav(NOISE)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert reason(path) == "cannot be read: Permission denied"


@pytest.mark.parametrize("name", ["a.wav", "a.txt", "a.raw", "a.mp3", "a"])
@pytest.mark.parametrize(
    "content", [b"hello, world\n" * 100, b"RIFF", b"RIFF\x24\x00\x00\x00WAVE", b"\x00" * 5000, b"%PDF-1.4"]
)
def test_not_audio(raw, content, name):
    assert "not audio" in reason(raw(content, name))


def test_empty(wav, raw):
    assert reason(raw(b"")) == "empty: the file has 0 bytes"
    assert reason(wav(np.empty(0))) == "empty: it holds no samples"
    content = wav(np.empty(0)).read_bytes()
    listed = bytearray(content + b"LIST\x04\x00\x00\x00INFO")  # no samples, but something behind them
    listed[4:8] = struct.pack("<I", len(listed) - 8)
    assert reason(raw(listed)) == "empty: it holds no samples"


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_silent(wav, subtype):
    for signal in (
        np.zeros(8000), np.full(8000, 0.25), tone(16000, level=0.9e-4), -tone(16000, level=0.9e-4),
        np.column_stack([NOISE, -NOISE]),
    ):  # fmt: skip
        assert reason(wav(signal, subtype=subtype)).startswith("silent")
    audio.read(wav(tone(16000, level=1.2e-4), subtype=subtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_nan_or_infinite(wav, value, channels):
    signal = np.tile(NOISE[:, None], channels)
    signal[8000, -1] = value
    assert reason(wav(signal, 8000, subtype="FLOAT")) == "holds NaN or infinite samples"


def test_larger_than_float32(wav):
    assert reason(wav(NOISE * 1e300, subtype="DOUBLE")) == "holds NaN or infinite samples"
    assert len(audio.read(wav(3e38 * np.sign(NOISE), subtype="FLOAT"))) == 16000
    both = np.tile(3e38 * np.sign(NOISE)[:, None], 2)  # each fits, their sum does not
    assert reason(wav(both, subtype="FLOAT")) == "holds NaN or infinite samples"


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
@pytest.mark.parametrize("lost", [1, 100, 798])
def test_what_lacks_less_than_a_frame_of_25_ms_is_taken(wav, raw, name, lost):
    content, expected = wav(NOISE, name=name).read_bytes(), audio.read(wav(NOISE))
    path = raw(content[: len(content) - lost], f"cut-{name}")
    signal = audio.read(path)
    assert 0 <= 16000 - lost / 2 - len(signal) < 1
    np.testing.assert_array_equal(signal, expected[: len(signal)])
    assert audio.durations([path]) == [len(signal) / 16000]
    assert audio.headers([path])[path].missing == pytest.approx(lost / 32000, abs=1e-3)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
@pytest.mark.parametrize("lost", [802, 31000])
def test_truncated(wav, raw, name, lost):
    content = wav(NOISE, name=name).read_bytes()
    audio.read(raw(content, name))
    why = reason(raw(content[: len(content) - lost], name))
    extra = 8 if name == "a.aiff" else 0
    header = len(content) - 32000
    held = len(content) - lost - header + extra
    assert why == f"truncated: the header promises {32000 + extra:,} bytes of samples, {held:,} are there"


def test_truncated_flac_and_mp3(wav, raw):
    for name in ("a.flac", "a.mp3"):
        content = wav(np.tile(NOISE, 5), name=name).read_bytes()
        assert reason(raw(content[: len(content) // 2], "b" + name[1:])).startswith("truncated")


def test_the_sample_chunk_may_stand_anywhere(wav, raw):
    content = wav(NOISE).read_bytes()
    junk = b"junk" + struct.pack("<I", 3) + b"abc\0"  # odd lengths are padded
    longer = content[:12] + junk + content[12:]
    np.testing.assert_array_equal(audio.read(raw(longer)), audio.read(raw(content)))
    assert reason(raw(longer[:-1000])).startswith("truncated: the header promises 32,000 bytes of samples, 31,000")


# A recorder that writes to a pipe does not know the lengths: of the file, and of the samples.
@pytest.mark.parametrize(
    ("container", "samples"),
    [(0, 0), (8, 0), (36, 0), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0x80000000)],
)
def test_streamed_wav_is_read_whole(wav, raw, container, samples):
    content = bytearray(wav(NOISE).read_bytes())
    expected = audio.read(raw(content))
    assert content[36:40] == b"data"
    content[4:8], content[40:44] = struct.pack("<I", container), struct.pack("<I", samples)
    np.testing.assert_array_equal(audio.read(raw(content)), expected)


def test_an_endless_stream_is_not_taken_into_memory(wav, raw):
    content = bytearray(wav(NOISE).read_bytes()[:44])
    content[4:8] = content[40:44] = struct.pack("<I", 0)
    path = raw(content)
    os.truncate(path, 2**28 + 45)  # takes no room on the disk
    assert reason(path) == "too long: the header gives no length, and 268,435,457 bytes follow"


def test_flac_without_a_length(wav, raw):
    content = bytearray(wav(NOISE, name="a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = b"\0\0\0\0"
    assert "does not say how long it is" in reason(raw(content, "b.flac"))


def test_hostile_headers_cost_nothing(wav, raw):
    flac = bytearray(wav(NOISE, name="a.flac").read_bytes())
    flac[21] |= 0x0F
    flac[22:26] = b"\xff\xff\xff\xff"  # 2**36 - 1 samples
    slow = bytearray(wav(NOISE).read_bytes())
    slow[24:28] = struct.pack("<I", 1)  # 1 Hz: each sample would become 16,000
    fast = bytearray(wav(NOISE).read_bytes())
    fast[24:28] = struct.pack("<I", 2**31 - 1)
    chunks = wav(NOISE).read_bytes()[:36] + b"junk\0\0\0\0" * 100_000
    wide = bytearray(wav(NOISE).read_bytes())
    wide[22:24] = struct.pack("<H", 0)
    files = [raw(flac, "a.flac"), *(raw(content, f"{n}.wav") for n, content in enumerate((slow, fast, chunks, wide)))]
    tracemalloc.start()
    try:
        reasons = [reason(path) for path in files]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    assert reasons[0] == "too long: 4,294,967 s, but an utterance may last 600 s"
    assert reasons[1] == "damaged header: a sampling rate of 1 Hz"
    assert reasons[2].startswith("damaged header: a sampling rate of 2,147,483,647 Hz")
    assert all("not audio" in why or "empty" in why for why in reasons[3:])


CONTENTS = {
    "a.wav": {}, "b.wav": {"subtype": "FLOAT"}, "c.wav": {"subtype": "IMA_ADPCM"},
    "d.aiff": {}, "e.flac": {}, "f.au": {},
}  # fmt: skip


@given(
    name=st.sampled_from(sorted(CONTENTS)),
    changes=st.lists(
        st.tuples(
            st.integers(0, 90),
            st.one_of(
                st.binary(min_size=1, max_size=4),
                st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"]),
            ),
        ),
        max_size=6,
    ),
    cut=st.integers(0, 4000),
)
@settings(max_examples=50, deadline=None)
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, name, changes, cut):
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    soundfile.write(path, NOISE[:2000], 16000, **CONTENTS[name])
    content = bytearray(path.read_bytes())
    for at, new in changes:
        content[at : at + len(new)] = new
    path.write_bytes(content[: len(content) - cut] if cut < 2000 else content)
    try:
        signal = audio.read(path)
    except AudioError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert signal.dtype == np.float32 and signal.ndim == 1 and len(signal) >= 400
        assert np.isfinite(signal).all() and np.abs(signal).max() <= 1
    [seconds] = audio.durations([path])
    assert math.isnan(seconds) or 0 <= seconds <= 600


# many files


def test_check_names_every_bad_file(wav, raw, tmp_path):
    good = [wav(NOISE, name=f"good{n}.wav") for n in range(20)]
    bad = {
        raw(b"", "empty.wav"): "empty",
        raw(b"hello", "text.wav"): "not audio",
        wav(np.zeros(8000), name="silent.wav"): "silent",
        wav(np.full(8000, np.nan), name="nan.wav", subtype="FLOAT"): "NaN",
        raw(good[0].read_bytes()[:-5000], "cut.wav"): "truncated",
        wav(NOISE[:100], name="short.wav"): "too short",
        tmp_path / "nowhere.wav": "not found",
    }
    files = [*good[:10], *bad, *good[10:]]
    for workers in (None, 1, 3):
        with pytest.raises(AudioError) as caught:
            audio.check(files, workers=workers)
        lines = str(caught.value).splitlines()
        assert lines[0] == "7 of 27 audio files cannot be used:"
        for line, (path, why) in zip(lines[1:-1], bad.items(), strict=True):
            assert line.startswith(f"  {path}: ") and why in line
    audio.check(good)
    audio.check([])
    table = pd.DataFrame({"path": [str(path) for path in files]})
    with pytest.raises(AudioError, match="7 of 27"):
        audio.check(table)
    audio.check(table.iloc[:10])


def test_check_is_quiet(wav, capfd):
    audio.check([wav(NOISE)])
    assert capfd.readouterr() == ("", "")


def test_durations(wav, raw, tmp_path):
    files = [wav(NOISE, name="a.wav"), wav(NOISE, 8000, name="b.wav"), wav(NOISE[:4000], name="c.flac")]
    assert audio.durations(files) == [1.0, 2.0, 0.25]
    assert audio.durations([]) == []
    bad = [raw(b"hello"), raw(b"hello", "a.raw"), raw(b"", "e.wav"), tmp_path, tmp_path / "nowhere.wav"]
    assert np.isnan(audio.durations(bad)).all()


def test_real_speech():
    from sermodules import corpora
    from sermodules.errors import CorpusError

    try:
        table = corpora.load("emodb")
    except CorpusError:
        pytest.skip("EMO-DB is not there: set SERMODULES_DATA")
    audio.check(table)
    for row in table.iloc[::40].itertuples():
        samples, rate = soundfile.read(row.path, dtype="int16")
        assert rate == 16000
        signal = audio.read(row.path)
        np.testing.assert_array_equal(signal, samples.astype(np.float32) / 32768)
        assert row.duration == len(signal) / 16000
