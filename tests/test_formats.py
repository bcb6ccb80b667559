"""What phones, browsers and streams leave: named by its first bytes, with what mends it, or read, every sample of it."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sermodules import corpora, features
from sermodules.corpora import audio, decoder, kinds, mp3
from sermodules.errors import AudioError
from sermodules.runs import provenance

RATE = 16000


def voice(rate=RATE, seconds=2.0, channels=1):
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.cumsum(200 + 100 * np.sin(np.arange(round(seconds * rate)) / rate)) / rate)
    return 0.3 * np.tile(wave[:, None], channels) + 0.01 * rng.standard_normal((len(wave), channels))


# --- named


def ftyp(brand):
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(8) + b"isom" + bytes(300)


def riff(coding):
    fmt = struct.pack("<HHIIHH", coding, 1, 8000, 1000, 1, 0)
    return b"RIFF" + struct.pack("<I", 400) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + bytes(360)


def ogg(codec):
    return b"OggS\0\2" + bytes(20) + b"\1\x50" + codec + bytes(300)


SOUNDS = {
    "a.m4a": (ftyp(b"M4A "), "MPEG-4 audio (m4a)"), "b.wav": (ftyp(b"M4A "), "MPEG-4 audio (m4a)"),
    "c.mp4": (ftyp(b"isom"), "MPEG-4 (mp4, m4a)"), "d.3gp": (ftyp(b"3gp4"), "3GPP"), "e.mov": (ftyp(b"qt  "), "QuickTime"),
    "f.webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webm" + bytes(300), "WebM"),
    "g.mka": (b"\x1aE\xdf\xa3\x9fB\x82\x88matroska" + bytes(300), "Matroska"),
    "h.amr": (b"#!AMR\n" + bytes(300), "AMR, as phones"), "i.amr": (b"#!AMR-WB\n" + bytes(300), "AMR wideband"),
    "j.wma": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(300), "Windows Media"),
    "k.aac": (b"\xff\xf1\x50\x80" + bytes(300), "AAC without a container"),
    "l.aac": (b"ID3\4\0\0\0\0\0\4abcd\xff\xf9\x50\x80" + bytes(300), "AAC without a container"),
    "m.spx": (ogg(b"Speex   1.2"), "Speex in Ogg"), "n.wav": (riff(0x0083), "coded as G.729"),
    "o.caf": (b"caff\0\1\0\0desc" + bytes(7) + b"\x20" + bytes(8) + b"aac " + bytes(300), "coded as aac"),
    "p.ape": (b"MAC \x96\x0f" + bytes(300), "Monkey's Audio"), "q.avi": (b"RIFF\0\0\0\0AVI LIST" + bytes(300), "AVI"),
    "r.ts": ((b"G" + bytes(187)) * 3, "MPEG transport stream"),
}  # fmt: skip

OTHERS = {
    "a.wav": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", "`git lfs pull`"),
    "b.wav": (b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", "a web page"),
    "c.mp3": (b"\xef\xbb\xbf\n <html lang='de'>" + b"<p>x</p>" * 900, "a web page"),
    "d.wav": (b'{"error": "not found"}', "JSON"), "e.wav": (b"<?xml version='1.0'?><Error>", "XML"),
    "f.wav": (b"../../.git/annex/objects/Kx/SHA256E-s1--ab.wav/SHA256E-s1--ab.wav", "datalad get"),
    "._g.wav": (b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(300), "what macOS keeps beside a file"),
    "h.wav": (b"PK\3\4" + bytes(300), "ZIP"), "i.pdf": (b"%PDF-1.4", "PDF"), "j.wav": (bytes(5000), "nothing but zeros"),
    "k.silk": (b"\2#!SILK_V3" + bytes(300), "SILK"), "l.mid": (b"MThd\0\0\0\6", "MIDI"), "m.gz": (b"\x1f\x8b\x08", "gzip"),
    "n.wav": (b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\n", "sph2pipe -f wav n.wav n.wav"),
    "o.txt": ("Ä speaker, a label\n".encode() * 900, "text, which begins 'Ä speaker"),
    "p.lnk": (b"L\0\0\0\1\x14\2\0" + bytes(68), "shortcut of Windows"), "q.jpg": (b"\xff\xd8\xff\xe0", "JPEG"),
}  # fmt: skip


def reason(path):
    with pytest.raises(AudioError) as caught:
        audio.read(path)
    named, _, why = str(caught.value).partition(": ")
    assert named == str(path)
    return why


@pytest.mark.parametrize("name", SOUNDS)
def test_a_format_that_libsndfile_does_not_read_is_named_with_what_mends_it(tmp_path, monkeypatch, name):
    content, called = SOUNDS[name]
    path = tmp_path / name
    path.write_bytes(content)
    monkeypatch.setattr(decoder, "version", lambda: None)
    why = reason(path)
    assert called in why and "`pip install av==" in why and f"`ffmpeg -i {name} " in why
    assert "not audio" not in why
    assert f"ffmpeg -i {name} {name}`" not in why, "it would overwrite itself"
    assert np.isnan(audio.durations([path])).all() and audio.foreign([path]) == [path]


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_recording_is_named(tmp_path, name):
    content, called = OTHERS[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert called in reason(path)
    assert "ffmpeg" not in reason(path).replace("ffmpeg does not read it", "") and audio.foreign([path]) == []


def test_commands_can_be_pasted(tmp_path):
    assert kinds.conversion(Path("my call's.m4a")).endswith("""`ffmpeg -i 'my call'"'"'s.m4a' 'my call'"'"'s.wav'`""")
    assert kinds.conversion(Path("-a.m4a")).endswith("`ffmpeg -i ./-a.m4a ./-a.wav`")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au", "a.caf", "a.w64"])
def test_what_libsndfile_reads_is_no_stranger(tmp_path, name):
    soundfile.write(tmp_path / name, voice(), RATE)
    assert kinds.look(tmp_path / name) is None


# --- decoded by PyAV


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av", reason="PyAV is not installed: pip install av==18.1.0")


def encode(av, path, codec, signal, rate, container=None, layout="mono", **options):
    with av.open(str(path), "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        samples = np.ascontiguousarray(signal.T, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        size = stream.codec_context.frame_size or 1024
        stream.bit_rate = 64000
        fifo, count = av.AudioFifo(), 0
        for one in resampler.resample(frame):
            one.pts = None
            fifo.write(one)
        while (one := fifo.read(size, partial=True)) is not None:
            one.pts, one.time_base, count = count, Fraction(1, rate), count + one.samples
            for packet in stream.encode(one):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


FORMATS = [
    ("a.m4a", "aac", RATE, 0), ("b.mp4", "aac", 44100, 0), ("c.webm", "libopus", 48000, 0), ("d.aac", "aac", RATE, 1024),
    ("e.wma", "wmav2", RATE, None), ("f.mka", "pcm_s16le", RATE, 0), ("g.mov", "pcm_s16be", 8000, 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "rate", "late"), FORMATS)
def test_every_sample_is_there(av, tmp_path, name, codec, rate, late):
    signal = voice(rate)
    path = encode(av, tmp_path / name, codec, signal, rate)
    found = audio.read(path)
    least = len(signal) / rate - (0.1 if late is None else 0)  # FFmpeg's own encoder of WMA drops the end
    assert least <= len(found) / RATE < len(signal) / rate + 0.15
    assert audio.durations([path])[0] == pytest.approx(len(found) / RATE, abs=1 / RATE)
    if late is not None:
        expected = audio.read(_wav(tmp_path, signal, rate))
        shift = late * RATE // rate
        alike = np.corrcoef(found[shift + 800 : shift + 30000], expected[800:30000])[0, 1]
        assert alike > 0.98, f"{alike}"


def _wav(folder, signal, rate):
    soundfile.write(folder / "reference.wav", signal, rate, subtype="FLOAT")
    return folder / "reference.wav"


def test_channels_are_told_apart_and_parts_are_cut_to_the_sample(av, tmp_path):
    both = np.hstack([voice(8000), voice(8000)[::-1]])
    path = encode(av, tmp_path / "call.mov", "pcm_s16be", both, 8000, layout="stereo")
    for channel in (1, 2):
        part = audio.read(audio.Excerpt(str(path), 0.5, 1.25, channel))
        soundfile.write(tmp_path / "part.wav", both[4000:10000, channel - 1], 8000)
        np.testing.assert_allclose(part, audio.read(tmp_path / "part.wav"), atol=2e-4)
    assert audio.durations([audio.Excerpt(str(path), 0.5, 1.25)]) == [0.75]
    assert len(audio.read(audio.Excerpt(str(path), 1.5))) == 8000
    soundfile.write(tmp_path / "mean.wav", both.mean(axis=1), 8000)
    np.testing.assert_allclose(audio.read(path), audio.read(tmp_path / "mean.wav"), atol=2e-4)


def test_a_truncated_recording_is_refused(av, tmp_path):
    content = encode(av, tmp_path / "a.m4a", "aac", voice(seconds=4), RATE, movflags="faststart").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(content[: len(content) * 2 // 3])
    assert "truncated" in reason(tmp_path / "cut.m4a")
    (tmp_path / "head.m4a").write_bytes(content[:100])
    assert "MPEG-4 audio (m4a)" in reason(tmp_path / "head.m4a")


def test_a_film_without_sound_says_so(av, tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        file.mux(stream.encode())
    assert "there is no sound in it" in reason(tmp_path / "a.mp4")


def test_the_decoder_is_in_the_provenance_and_in_the_key_of_features(av, tmp_path, monkeypatch):
    assert provenance.collect()["versions"]["av"] == decoder.version()
    rows = ["utterance,path,speaker,session,emotion"]
    for number in range(4):
        signal = np.roll(voice(), 999 * number, axis=0)
        encode(av, tmp_path / f"{number}.m4a", "aac", signal, RATE)
        rows.append(f"u{number},{number}.m4a,s{number // 2},,{('sad', 'calm')[number % 2]}")
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    table = corpora.load(f"table:{tmp_path / 'own.csv'}")
    assert (table["duration"] >= 2).all()
    key = features.cache.key(table, [])
    monkeypatch.setattr(decoder, "version", lambda: "0")
    assert features.cache.key(table, []) != key


# --- MP3 without a length


def headerless(signal, rate, **options):
    """Return an MP3 without the header that says its length."""
    file = io.BytesIO()
    soundfile.write(file, signal, rate, format="MP3", **options)
    content = file.getvalue()
    first = mp3.frame(content)
    assert content[first.offset : first.offset + 4] in (b"Xing", b"Info")
    return content, content[first.size :]


def frames(content):
    """Return how many frames there are, and their samples."""
    count, at = 0, 0
    while found := mp3.frame(content[at : at + 4]):
        count, at, samples = count + 1, at + found.size, found.samples
    return count * samples


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("beginning", ["soft", "silent", "loud"])
def test_every_sample_of_an_mp3_without_a_header(tmp_path, rate, channels, beginning):
    level = {"soft": 0.01, "silent": 0, "loud": 1}[beginning]
    signal = np.concatenate([level * voice(rate, 1, channels), voice(rate, 2, channels)])
    whole, bare = headerless(signal, rate)
    (tmp_path / "whole.mp3").write_bytes(whole)
    (tmp_path / "bare.mp3").write_bytes(bare)
    with audio._open(tmp_path / "bare.mp3") as file:
        assert file.header.frames == frames(bare)
    found, expected = audio.read(tmp_path / "bare.mp3"), audio.read(tmp_path / "whole.mp3")
    assert audio.durations([tmp_path / "bare.mp3"])[0] == pytest.approx(frames(bare) / rate)
    late = round(1105 * RATE / rate)  # as other decoders have it
    if rate == RATE:
        np.testing.assert_allclose(found[late : late + len(expected)], expected, atol=1e-4)
    assert len(found) >= len(expected) + late - 1


@pytest.mark.parametrize("extra", ["ID3 before", "ID3 behind", "both", "junk between"])
def test_tags_and_junk_are_no_sound(tmp_path, extra):
    _, bare = headerless(voice(), RATE)
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    content = {
        "ID3 before": tag + bare, "ID3 behind": bare + b"TAG" + bytes(125), "both": tag * 2 + bare + b"TAG" + bytes(125),
        "junk between": bare[: 20 * 144 // 4] + bare[20 * 144 // 4 :],
    }[extra]  # fmt: skip
    (tmp_path / "a.mp3").write_bytes(content)
    (tmp_path / "b.mp3").write_bytes(bare)
    np.testing.assert_array_equal(audio.read(tmp_path / "a.mp3"), audio.read(tmp_path / "b.mp3"))


def test_two_mp3s_in_one_file_are_both_read(tmp_path):
    whole, _ = headerless(voice(), RATE)
    (tmp_path / "twice.mp3").write_bytes(whole + whole)
    assert len(audio.read(tmp_path / "twice.mp3")) > 2 * len(voice())


@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_mp3_that_was_cut_without_decoding_has_no_bang(tmp_path, rate):
    """A frame may begin in the space of frames that are gone; libmpg123 makes a sound of 15 times full scale of that."""
    _, bare = headerless(voice(rate, 1), rate)
    expected = frames(bare)
    for cut in range(1, 25):
        bare = bare[mp3.frame(bare).size :]
        (tmp_path / "cut.mp3").write_bytes(bare)
        with audio._open(tmp_path / "cut.mp3") as file:
            signal = np.concatenate(list(file.blocks(0, None)))
        assert np.abs(signal).max() < 0.5
        assert len(signal) == expected - cut * mp3.frame(bare).samples


def test_an_mp3_whose_header_is_a_frame_off_is_taken_and_one_further_off_is_refused(tmp_path):
    whole, _ = headerless(voice(), RATE)
    last = whole.rfind(b"\xff\xf3")
    (tmp_path / "a.mp3").write_bytes(whole[:last])
    assert len(audio.read(tmp_path / "a.mp3")) >= 2 * RATE - 600
    assert "1 files hold up to 36.0 ms less" in audio.shortfalls([tmp_path / "a.mp3"])
    (tmp_path / "b.mp3").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in reason(tmp_path / "b.mp3")


def test_any_bytes_after_the_first_frames_are_no_crash():
    whole, bare = headerless(voice(), RATE)
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(bare if rng.random() < 0.5 else whole)
        at = int(rng.integers(len(content)))
        content[at : at + 40] = rng.bytes(40)
        mp3.mended(bytes(content[: int(rng.integers(4, len(content)))]))
    for content in (b"", b"ID3", b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"\xff\xfb\x90\x64", b"\xff\xfb\x90\x64" * 50):
        assert mp3.mended(content) is None or content


# --- headers that are a little off


def test_one_warning_counts_the_files_that_lack_a_little(tmp_path):
    rows = ["utterance,path,speaker,session,emotion"]
    for number in range(8):
        soundfile.write(tmp_path / f"{number}.wav", np.roll(voice(), 500 * number), RATE)
        if number < 6:
            content = (tmp_path / f"{number}.wav").read_bytes()
            (tmp_path / f"{number}.wav").write_bytes(content[: -2 * (number + 1)])
        rows.append(f"u{number},{number}.wav,s{number // 4},,{('sad', 'calm')[number % 2]}")
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    with pytest.warns(
        UserWarning, match=r"6 files hold up to 0\.4 ms less .*: 0\.wav \(0\.1 ms\), .* and 1 more"
    ) as seen:
        table = corpora.load(f"table:{tmp_path / 'own.csv'}")
    assert len(seen) == 1
    audio.check(table)


@pytest.mark.parametrize("tail", ["samples", "chunk", "tag", "zeros"])
def test_sound_behind_the_promised_end_is_not_lost_without_a_word(tmp_path, tail):
    soundfile.write(tmp_path / "a.wav", voice(), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    half = len(content) // 2 // 2 * 2
    if tail == "samples":  # a recorder that was stopped wrote its header a while before
        content[40:44] = struct.pack("<I", half)
    else:
        content += {"chunk": b"LIST" + struct.pack("<I", 90000), "tag": b"ID3\4", "zeros": b""}[tail] + bytes(90000)
    (tmp_path / "b.wav").write_bytes(content)
    if tail == "samples":
        assert reason(tmp_path / "b.wav").startswith(f"damaged header: it promises {half:,} bytes of samples")
        assert np.isnan(audio.durations([tmp_path / "b.wav"])).all()
    else:
        np.testing.assert_array_equal(audio.read(tmp_path / "b.wav"), audio.read(tmp_path / "a.wav"))
