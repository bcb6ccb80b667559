"""Parts of files: start, end and channel of a table, to the sample, wherever a recording is read."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, features, runs
from sermodules.config import RunConfig
from sermodules.corpora import audio, cells
from sermodules.corpora import table as own
from sermodules.corpora.audio import Excerpt
from sermodules.errors import AudioError, CorpusError
from sermodules.features import functionals

HEADER = ("utterance", "path", "speaker", "session", "gender", "emotion", "start", "end", "channel")
RATE = 22050  # not a multiple of anything here


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hold ten seconds of noise in two channels that differ, in several formats, and of one channel."""
    folder = tmp_path_factory.mktemp("long")
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, (10 * RATE, 2))
    for name, options in {
        "long.wav": {}, "long.flac": {}, "float.wav": {"subtype": "FLOAT"}, "long.ogg": {}, "long.mp3": {},
        "adpcm.wav": {"subtype": "IMA_ADPCM"},
    }.items():  # fmt: skip
        soundfile.write(folder / name, noise, RATE, **options)
    soundfile.write(folder / "mono.wav", noise[:, 0], RATE)
    return folder


def write(folder, rows, header=HEADER, name="utterances.csv"):
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def row(number, path="mono.wav", start="", end="", channel="", **changes):
    """Return a row of one of four speakers and two emotions."""
    return list(
        {
            "utterance": f"u{number}", "path": path, "speaker": "abcd"[number % 4], "session": "", "gender": "f",
            "emotion": ("sad", "happy")[number // 4 % 2], "start": start, "end": end, "channel": channel, **changes,
        }.values()
    )  # fmt: skip


def loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return own.load(path)


def problems(folder, *rows):
    with pytest.raises(CorpusError) as caught:
        loaded(write(folder, rows))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


# --- cells


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), ("0", 0), ("3", 3), (".5", 0.5), ("2.", 2), ("1e-1", 0.1), (" 1.5 ", 1.5), ("\uff12.5", 2.5), ("+1", 1),
        ("2s", 2), ("1.5 sec", 1.5), ("1500ms", 1.5), ("1500 ms", 1.5), ("1min 2s", 62), ("250000\u00b5s", 0.25),
        ("250000\u03bcs", 0.25), ("1 H", 3600), ("00:00:01.5", 1.5), ("1:02:03", 3723), ("0 days 00:00:01.5", 1.5),
        ("0 days 00:00:01.500000", 1.5), ("0  days  00:00:01.5", 1.5), ("1 days 00:00:01", 86401), ("0 days", 0),
        ("1 day, 0:00:01", 86401), ("PT1.5S", 1.5), ("P0DT0H1M1.5S", 61.5), ("P0DT0H0M1.5S", 1.5), ("-0.0", 0),
    ],
)  # fmt: skip
def test_times(text, value):
    assert cells.seconds(text) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("text", ["", " ", "NaT", "nat", "NaN", "nan", "None", "NA", "<NA>", "null", "N/A"])
def test_no_time(text):
    assert np.isnan(cells.seconds(text)) and np.isnan(cells.channel(text)) and cells.gender(text) == "unknown"


@pytest.mark.parametrize(
    "text",
    ["abc", "s", "1,5", "1,5s", "1.5.2s", "2s 3", "1s2", "1 2:00:00", "1:30", "00:01.5", "25:61:61", "inf", "1e999", "1_0",
     "0x1", "2 parsecs", "nan s", "P", "PT", "5 d", "9" * 5000, "9" * 5000 + " days", "start"],
)  # fmt: skip
def test_text_that_is_no_time(text):
    with pytest.raises(ValueError, match=r"seconds as a number, such as 1\.5, or a time with its unit"):
        cells.seconds(text)


@pytest.mark.parametrize("text", ["-1", "-1s", "-0.001", "-1 days +23:59:59", "-00:00:01"])
def test_times_below_zero(text):
    with pytest.raises(ValueError, match="below 0"):
        cells.seconds(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"-?[0-9]{1,3}[.,:]?[0-9]{0,2} ?(s|ms|days|:00:01)?", fullmatch=True))
def test_any_text_is_a_time_or_refused(text):
    for read in (cells.seconds, cells.channel):
        try:
            value = read(text)
        except ValueError as error:
            assert str(error).startswith("it must")
        else:
            assert np.isnan(value) or (0 <= value < np.inf)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**13))
def test_times_are_those_of_pandas(nanoseconds):
    import pandas as pd

    value = pd.Timedelta(nanoseconds, unit="ns")
    for text in (str(value), value.isoformat()):
        assert cells.seconds(text) == pytest.approx(value.total_seconds(), abs=1e-9)


# --- samples


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "float.wav", "long.ogg", "long.mp3", "adpcm.wav"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.1, 0.2), (3.33333, 7.77777), (9.5, None), (2.0, 10.0)])
def test_cut_to_the_sample_at_the_file_s_own_rate(folder, name, start, end):
    whole, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
    first, last = round(start * rate), len(whole) if end is None else round(end * rate)
    for channel, signal in ((None, whole.mean(axis=1)), (1, whole[:, 0]), (2, whole[:, 1])):
        cut = signal[first:last]
        expected = soxr.resample(cut / max(1, np.abs(cut).max()), rate, 16000, quality="HQ")
        found = audio.read(Excerpt(str(folder / name), start, end, channel))
        rounding = (
            3e-7 if name.endswith("mp3") else 0
        )  # libsndfile's last digits of MP3 depend on how much is asked for
        np.testing.assert_allclose(found, expected / max(1, np.abs(expected).max()), rtol=0, atol=rounding)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9 * RATE), st.integers(RATE // 10, RATE), st.booleans())
def test_parts_put_together_are_the_whole(folder, first, length, exact):
    whole, _ = soundfile.read(folder / "float.wav", dtype="float32")
    last = min(first + length, len(whole))
    start, end = (first / RATE, last / RATE) if exact else (round(first / RATE, 6), round(last / RATE, 6))
    signal, rate = audio._decode(Excerpt(str(folder / "float.wav"), start, end, 1))
    assert rate == RATE
    np.testing.assert_array_equal(signal, whole[round(start * RATE) : round(end * RATE), 0])


def test_a_part_of_a_file_that_is_too_long_for_an_utterance(tmp_path):
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, 700 * 1000).astype("float32")
    soundfile.write(tmp_path / "hour.wav", signal, 1000, subtype="FLOAT")
    path = str(tmp_path / "hour.wav")
    found, _ = audio._decode(Excerpt(path, 650.25, 651.25))
    np.testing.assert_array_equal(found, signal[650250:651250])
    with pytest.raises(AudioError, match="from 10 s: too long"):
        audio.read(Excerpt(path, 10.0))
    with pytest.raises(AudioError, match="too long"):
        audio.read(path)


def test_an_excerpt_is_named_in_every_complaint(folder):
    path = str(folder / "long.wav")
    for part, words in {
        Excerpt(path, 1.0, 1.01): "long.wav from 1 s to 1.01 s: too short",
        Excerpt(path, 11.0): "from 11 s: the file ends at 10 s",
        Excerpt(path, 1.0, 12.5): "from 1 s to 12.5 s: the file ends at 10 s",
        Excerpt(path, channel=3): "channel 3: there is no such channel: the file has 2",
    }.items():
        with pytest.raises(AudioError, match=words):
            audio.read(part)
        with pytest.raises(AudioError, match=f"1 of 2 audio files cannot be used:\n  .*{words}"):
            audio.check([path, part])
    assert np.isnan(audio.durations([Excerpt(path, 11.0)])[0])


# --- tables


def test_a_table_of_parts(folder):
    rows = [
        row(0, start="0.5", end="2"), row(1, start="0.5", end="2.5"),  # they overlap
        row(2, "long.wav", "0 days 00:00:01.5", "NaT"), row(3, "long.wav", "", "1500ms", "2"),
        row(4, "float.wav", channel="1.0"), row(5, "long.flac", "0", ""), row(6, "long.ogg"),
    ]  # fmt: skip
    table = loaded(write(folder, rows))
    assert list(table.columns) == [*corpora.COLUMNS, *corpora.EXCERPTS]
    assert table[["start", "end", "channel"]].fillna(-1).to_numpy().tolist() == [
        [0.5, 2, -1], [0.5, 2.5, -1], [1.5, -1, -1], [-1, 1.5, 2], [-1, -1, 1], [0, -1, -1], [-1, -1, -1],
    ]  # fmt: skip
    assert table["duration"].tolist() == pytest.approx([1.5, 2, 8.5, 1.5, 10, 10, 10])
    assert [type(one).__name__ for one in audio.recordings(table)] == ["Excerpt"] * 5 + ["str"] * 2
    for recording, seconds in zip(audio.recordings(table), table["duration"], strict=True):
        assert audio.read(recording).size / 16000 == pytest.approx(seconds, abs=1 / 16000)
    assert corpora.validate(table).equals(table)


def test_duration_follows_the_cut_whatever_is_given(folder):
    header = (*HEADER, "duration")
    table = loaded(write(folder, [[*row(0, start="1", end="3"), "10"], [*row(4), "9.5"]], header))
    assert table["duration"].tolist() == [2, 9.5]


def test_an_end_that_was_rounded_up_is_cut_and_one_beyond_is_refused_by_line(folder):
    table = loaded(write(folder, [row(0, start="9", end="10.0009"), row(1, start="8", end="10.01")]))
    assert table["duration"].tolist() == [1, 2]
    whole = audio.read(folder / "mono.wav").size
    assert [audio.read(one).size for one in audio.recordings(table)] == [16000, 32000] and whole == 160000
    assert problems(
        folder, row(0, end="10.02"), row(1, end="600"), row(2, start="10"), row(3, start="12", end="13"), row(4),
        row(5, start="2", end="2"), row(6, start="3", end="2"), row(7, start="1", end="1.02"), row(8, channel="2"),
    ) == [
        "line 2: end is 10.02 s, but the recording ends at 10 s; leave `end` empty for all that follows",
        "line 3: end is 600 s, but the recording ends at 10 s; leave `end` empty for all that follows",
        "line 4: start is 10 s, but the recording ends at 10 s; leave `end` empty for all that follows",
        "line 5: start is 12 s, but the recording ends at 10 s; leave `end` empty for all that follows",
        "line 7: start is 2 s and end 2 s: a part begins before it ends",
        "line 8: start is 3 s and end 2 s: a part begins before it ends",
        "line 9: the part lasts 20.0 ms, less than one 25 ms frame",
        "line 10: channel is 2, but the recording has 1",
    ]  # fmt: skip


def test_cells_that_cannot_be_read_are_refused_by_line(folder):
    found = problems(folder, row(0, start="abc"), row(1, end="1,5"), row(2, start="-1"), row(3, channel="left"))
    assert found[0].startswith("line 2: start is 'abc': it must be seconds as a number")
    assert found[1].startswith("line 3: end is '1,5': it must be seconds")
    assert found[2] == "line 4: start is '-1': it must not be below 0"
    assert found[3].startswith("line 5: channel is 'left': it must be the number of a channel")


def test_one_part_twice_is_refused_and_the_same_file_otherwise_is_not(folder):
    assert problems(folder, row(0, start="1", end="2"), row(1, start="1.0", end="2s")) == [
        f"line 3: path {folder}/mono.wav from 1 s to 2 s stands in line 2 already"
    ]
    assert problems(folder, row(0), row(1, start="0", end="NaT")) == [
        f"line 3: path {folder}/mono.wav stands in line 2 already"
    ]
    several = [row(0, "long.wav"), row(1, "long.wav", channel="1"), row(2, "long.wav", channel="2"),
               row(4, "long.wav", end="5")]  # fmt: skip
    assert len(loaded(write(folder, several))) == 4


@pytest.mark.parametrize(
    ("start", "end"), [("", ""), ("0", ""), ("0", "NaT"), ("0 days 00:00:00", "NaT"), ("nan", "nan")]
)
def test_a_whole_file_is_a_whole_file_however_it_is_written(folder, start, end):
    plain = loaded(write(folder, [row(0)[:6], row(4, "long.flac")[:6]], HEADER[:6]))
    table = loaded(write(folder, [row(0, start=start, end=end), row(4, "long.flac", start, end)]))
    assert table.equals(plain) and corpora.digest(table) == corpora.digest(plain)


def test_digests_differ_where_a_part_is_filled_in_and_only_there(folder):
    def digest(*rows):
        return corpora.digest(loaded(write(folder, rows)))

    last = row(4, "long.flac")
    digests = [
        digest(row(0, "long.wav", *part), last)
        for part in [(), ("1",), ("", "9"), ("1", "9"), ("1", "9", "1"), ("1", "9", "2"), ("", "", "1")]
    ]
    assert len(set(digests)) == len(digests)
    assert digest(row(0, "long.wav", "1.0", "9.0", "1"), last) == digests[4]
    assert digest(row(0, "long.wav", "0 days 00:00:01", "9s", "01"), last) == digests[4]


def test_digest_of_whole_files_is_what_it_was(folder):
    """As published: a row is its five labels and the checksum of its file."""
    import hashlib

    table = loaded(write(folder, [row(0), row(4, "long.flac")]))
    total = hashlib.sha256()
    for _, each in table.sort_values("utterance").iterrows():
        held = hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest()
        values = [each[name] for name in ("utterance", "speaker", "session", "gender", "emotion")]
        total.update(json.dumps([*values, held], ensure_ascii=False).encode() + b"\n")
    assert corpora.digest(table) == total.hexdigest()


# --- features and runs


@pytest.fixture(scope="module")
def two_corpora(tmp_path_factory):
    """Write four speakers as sixteen files, and the same as parts of one stereo file in its second channel."""
    folder = tmp_path_factory.mktemp("two")
    rng, times = np.random.default_rng(1), np.arange(12000) / 16000
    signals = [
        0.3 * np.sin(2 * np.pi * (300, 1500)[n // 4 % 2] * times) + 0.05 * rng.standard_normal(12000) for n in range(16)
    ]
    for number, signal in enumerate(signals):
        soundfile.write(folder / f"{number}.wav", signal, 16000)
    both = np.column_stack([0.1 * rng.standard_normal(16 * 12000), np.concatenate(signals)])
    soundfile.write(folder / "all.wav", both, 16000)
    files = [row(n, f"{n}.wav") for n in range(16)]
    parts = [row(n, "all.wav", f"{0.75 * n}", f"{0.75 * (n + 1)}", "2") for n in range(16)]
    return write(folder, files, name="files.csv"), write(folder, parts, name="parts.csv")


def test_features_of_parts_are_those_of_the_files_and_are_kept_apart(two_corpora):
    files, parts = (loaded(path) for path in two_corpora)
    made = [features.extract(table) for table in (files, parts)]
    assert made[0].key != made[1].key and made[0].corpus_digest != made[1].corpus_digest
    for name in files["utterance"]:
        np.testing.assert_array_equal(made[0][name], made[1][name])
    shifted = parts.assign(start=parts["start"] + 0.01)
    assert features.extract(shifted).key != made[1].key
    assert not np.array_equal(features.extract(shifted)["u3"], made[1]["u3"])


def test_openSMILE_gets_the_part(two_corpora):
    pytest.importorskip("opensmile", reason="openSMILE is not installed: pip install opensmile==2.6.0")
    files, parts = (loaded(path).iloc[:5] for path in two_corpora)
    made = [functionals.functionals(table, "eGeMAPSv02") for table in (files, parts)]
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("model", ["model1", "majority", "cnn_lstm_vtlp", "dnn_elm"])
def test_a_run_on_parts_predicts_what_it_predicts_on_the_files(two_corpora, model):
    size = {"width": 1 / 64, "conv_layers": 1} if model == "model1" else {}
    size |= {"gender": "none", "epochs": 1} if model != "majority" else {}
    results = [
        runs.run(RunConfig.create(corpus=f"table:{path}", preset="smoke", model=model, **size), verbose=False)
        for path in two_corpora
    ]
    assert results[0].predictions.equals(results[1].predictions)
    assert results[0].provenance["corpus_digest"] != results[1].provenance["corpus_digest"]
    assert results[0].config.run_id != results[1].config.run_id


# --- channels


def stereo(path, left, right):
    soundfile.write(path, np.column_stack([left, right]), 16000)


@pytest.fixture
def call(tmp_path):
    """Write recordings whose channels agree or not; return the folder."""
    rng, times = np.random.default_rng(2), np.arange(32000) / 16000
    agent, customer = (0.3 * np.sin(2 * np.pi * f * times) * (times < 1) ** n for n, f in ((0, 300), (1, 440)))
    noise = 0.3 * rng.standard_normal(32000)
    stereo(tmp_path / "call.wav", agent, customer)
    stereo(tmp_path / "turned.wav", noise, -noise)
    stereo(tmp_path / "same.wav", noise, noise)
    stereo(tmp_path / "room.wav", noise, 0.5 * noise + 0.1 * rng.standard_normal(32000))
    stereo(tmp_path / "dead.wav", noise, 0 * noise)
    stereo(tmp_path / "hum.wav", noise, 0.001 * rng.standard_normal(32000) + 0.01)
    soundfile.write(tmp_path / "mono.wav", noise, 16000)
    soundfile.write(
        tmp_path / "four.wav", np.column_stack([noise, noise, noise, 0.3 * rng.standard_normal(32000)]), 16000
    )
    return tmp_path


@pytest.mark.parametrize(
    ("name", "doubtful"),
    [("call", True), ("turned", True), ("four", True), ("same", False), ("room", False), ("dead", False), ("hum", False),
     ("mono", False), ("nowhere", False)],
)  # fmt: skip
def test_channels_that_hardly_agree(call, name, doubtful):
    assert (audio.agreement(call / f"{name}.wav") < own.AGREEMENT) == doubtful


def test_a_warning_names_them_by_line_unless_a_channel_is_named(call):
    names = ["call", "same", "turned", "mono"]
    rows = [row(n, f"{names[n % 4]}.wav", start=str(n // 4 / 2)) for n in range(8)]
    with pytest.warns(UserWarning) as caught:
        own.load(write(call, rows), duplicates="keep")
    (message,) = [str(warning.message) for warning in caught if "hardly agree" in str(warning.message)]
    assert "the channels of 4 of 8 recordings hardly agree" in message and "column `channel`" in message
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 2", "line 4", "line 6", "line 8"]
    assert f"line 4: {call}/turned.wav, -1.00" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.load(
            write(call, [row(n, f"{names[n % 4]}.wav", str(n // 4 / 2), channel="1") for n in range(8)]),
            duplicates="keep",
        )


def test_two_speakers_in_two_channels_get_their_own_voice(call):
    table = loaded(write(call, [row(0, "call.wav", channel="1"), row(1, "call.wav", channel="2"), row(4, "mono.wav")]))
    left, right, _ = (audio.read(one) for one in audio.recordings(table))
    whole, _ = soundfile.read(call / "call.wav", dtype="float32")
    np.testing.assert_array_equal(left, whole[:, 0])
    np.testing.assert_array_equal(right, whole[:, 1])


def test_the_notebook_of_a_run_takes_parts_and_any_class():
    notebook = Path(__file__).parents[1] / "book" / "one_fold.ipynb"
    text = json.dumps([cell["source"] for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]])
    assert "audio.recordings(" in text and "metrics.posterior_columns(" in text
    assert ".path)" not in text and "predictions[data.classes]" not in text


def test_equal_parts_are_one_sound_and_other_parts_of_a_file_are_not(folder):
    signal, rate = soundfile.read(folder / "mono.wav", dtype="int16")
    soundfile.write(folder / "copy.flac", signal, rate)
    one, other = row(0, start="1", end="2"), row(5, "copy.flac", start="2", end="3")
    assert len(loaded(write(folder, [one, other, row(2, "copy.flac", start="1.001", end="2")]))) == 3
    with pytest.raises(
        CorpusError, match=r"line 2 \(u0\) and line 4 \(u1\) are the same sound under the speakers a and b"
    ):
        own.load(write(folder, [one, other, row(1, "copy.flac", start="1", end="2")]))
