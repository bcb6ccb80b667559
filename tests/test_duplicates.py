"""One sound under two names: found whatever the format, refused or left out by the rule, and remembered while files stay."""

import os
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, features, runs
from sermodules.config import RunConfig
from sermodules.corpora import audio, duplicates, samples
from sermodules.corpora.table import load as load_table
from sermodules.errors import ConfigError, CorpusError

HEADER = "utterance,path,speaker,session,gender,emotion"


def noise(seed, seconds=0.1):
    return np.random.default_rng(seed).integers(-3000, 3000, round(16000 * seconds)).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    """Hold six sounds, 0 to 5."""
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", noise(number), 16000)
    return tmp_path


def own(folder, *rows):
    """Write a table of (file, speaker, emotion); return its name and path. Line 2 holds the first row."""
    path = folder / "mine.csv"
    lines = [f"u{n},{file},{speaker},,f,{emotion}" for n, (file, speaker, emotion) in enumerate(rows, 1)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return f"table:{path}"


# --- what counts as equal


@pytest.mark.parametrize(
    "name", ["same.wav", "same.flac", "same.aiff", "float.wav", "wide.wav", "stereo.wav", "chunks.wav"]
)
def test_one_sound_in_another_file_is_found(folder, name):
    sound = noise(0)
    options = {"float.wav": {"subtype": "FLOAT"}, "wide.wav": {"subtype": "PCM_24"}}.get(name, {})
    content = sound / 32768 if name == "float.wav" else sound
    content = sound.astype(np.int32) << 16 if name == "wide.wav" else content
    content = np.stack([sound, sound], axis=1) if name == "stereo.wav" else content
    soundfile.write(folder / name, content, 16000, **options)
    if name == "chunks.wav":  # text in the file that is no sound
        with soundfile.SoundFile(folder / name, "w", 16000, 1, subtype="PCM_16") as file:
            file.title = "another title"
            file.write(sound)
        assert (folder / name).read_bytes() != (folder / "0.wav").read_bytes()
    with pytest.raises(
        CorpusError, match=r"line 2 \(u1\) and line 3 \(u2\) are the same sound under the speakers a and b"
    ):
        corpora.load(own(folder, ("0.wav", "a", "sad"), (name, "b", "sad")))


def test_what_sounds_otherwise_is_not(folder):
    sound = noise(0)
    soundfile.write(folder / "fast.wav", sound, 22050)
    soundfile.write(folder / "short.wav", sound[:-1], 16000)
    soundfile.write(folder / "loud.wav", sound + sound // 2, 16000)
    soundfile.write(folder / "late.wav", np.concatenate([[0], sound]).astype(np.int16), 16000)
    names = ["0.wav", "fast.wav", "short.wav", "loud.wav", "late.wav"]
    table = corpora.load(own(folder, *((name, "a", "calm" if name == "0.wav" else "sad") for name in names)))
    assert len(table) == 5


def test_files_without_a_sound_are_not_equal_to_each_other(folder):
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"not audio")
        (folder / f"empty-{name}").touch()
    names = ["a.wav", "b.wav", "empty-a.wav", "empty-b.wav"]
    rows = [(name, name, emotion) for name, emotion in zip(names, ["sad", "calm"] * 2, strict=True)]
    assert len(corpora.load(own(folder, *rows))) == 4  # audio.check says more of them


# --- a user's own table


def test_an_own_table_is_refused_with_every_line(folder):
    for copy, of in (("6.wav", "0.wav"), ("7.wav", "1.wav"), ("8.wav", "1.wav")):
        shutil.copy(folder / of, folder / copy)
    name = own(
        folder, ("0.wav", "a", "sad"), ("1.wav", "a", "sad"), ("6.wav", "b", "sad"), ("7.wav", "a", "calm"),
        ("8.wav", "b", "calm"), ("2.wav", "b", "calm"), ("3.wav", "a", "sad"),
    )  # fmt: skip
    with pytest.raises(CorpusError) as caught:
        corpora.load(name)
    first, *lines, advice = str(caught.value).splitlines()
    assert (
        first
        == f"{folder}/mine.csv cannot be used: one sound stands under two speakers or labels, so one of them is wrong:"
    )
    assert lines == [
        "  line 2 (u1) and line 4 (u3) are the same sound under the speakers a and b",
        "  line 3 (u2), line 5 (u4) and line 6 (u5) are the same sound under the speakers a and b, and the labels sad and calm",
    ]
    assert "duplicates: leave_out" in advice and "keep" in advice
    with pytest.warns(UserWarning, match=r"mine.csv: 5 of 7 rows are left out:\n  left out: line 2 \(u1\)"):
        assert corpora.load(name, duplicates="leave_out")["utterance"].tolist() == ["u6", "u7"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(corpora.load(name, duplicates="keep")) == 7


def test_twice_within_a_speaker_and_label_counts_once(folder):
    shutil.copy(folder / "0.wav", folder / "6.wav")
    name = own(folder, ("0.wav", "a", "sad"), ("1.wav", "b", "calm"), ("6.wav", "a", "sad"))
    with pytest.warns(
        UserWarning, match=r"1 of 3 rows .*\n.*line 2 \(u1\) and line 4 \(u3\) are the same sound, and count once"
    ):
        assert corpora.load(name)["utterance"].tolist() == ["u1", "u2"]
    assert len(corpora.load(name, duplicates="keep")) == 3


def test_many_copies_make_no_endless_message(folder):
    for number in range(100):
        shutil.copy(folder / "0.wav", folder / f"copy{number}.wav")
        soundfile.write(folder / f"one{number}.wav", noise(100 + number), 16000)
        shutil.copy(folder / f"one{number}.wav", folder / f"two{number}.wav")
    rows = [(f"{kind}{number}.wav", "a", "sad") for number in range(100) for kind in ("copy", "one", "two")]
    rows.append(("1.wav", "a", "calm"))
    with pytest.warns(UserWarning, match="are left out") as caught:
        assert len(corpora.load(own(folder, *rows))) == 102
    [text] = [str(warning.message) for warning in caught if "left out" in str(warning.message)]
    assert "and 94 more are the same sound" in text and text.endswith("and 81 more") and len(text.splitlines()) == 22


def test_silence_is_named_by_line_as_the_table_is_read(folder):
    soundfile.write(folder / "6.wav", np.zeros(16000, np.int16), 16000)
    soundfile.write(folder / "7.wav", np.ones(16000, np.int16), 16000)
    with pytest.warns(
        UserWarning, match=r"line 3 \(u2\) is silent: a run ends there, take it out\n  line 4 \(u3\) is silent"
    ):
        table = corpora.load(own(folder, ("0.wav", "a", "sad"), ("6.wav", "b", "calm"), ("7.wav", "c", "sad")))
    assert len(table) == 3  # audio.check refuses it with all else that cannot be used


def test_nothing_left_is_an_error(folder):
    shutil.copy(folder / "0.wav", folder / "6.wav")
    with pytest.warns(UserWarning), pytest.raises(CorpusError, match="no recording is left"):
        corpora.load(own(folder, ("0.wav", "a", "sad"), ("6.wav", "b", "sad")), duplicates="leave_out")


SOUNDS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(["sad", "calm"])), min_size=1, max_size=8
)


@given(SOUNDS)
@settings(max_examples=40, deadline=None)
def test_whatever_stands_in_a_table_no_sound_is_in_two_places_afterwards(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    for place, (sound, *_) in enumerate(rows):
        soundfile.write(folder / f"{place}.wav", noise(sound, 0.03), 16000)
    own(folder, *((f"{place}.wav", who, what) for place, (_, who, what) in enumerate(rows)))
    path = folder / "mine.csv"
    meanings = pd.DataFrame(rows, columns=["sound", "who", "what"]).drop_duplicates()
    contradicted = set(meanings.loc[meanings["sound"].duplicated(), "sound"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(load_table(path, duplicates="keep")) == len(rows)
        if contradicted:
            with pytest.raises(CorpusError, match="line "):
                load_table(path)
        rest = set(meanings["sound"]) - contradicted
        if not rest:
            with pytest.raises(CorpusError, match="no recording is left"):
                load_table(path, duplicates="leave_out")
            return
        table = load_table(path, duplicates="leave_out")
    assert len(table) == len(rest)
    assert len({audio.fingerprint(path) for path in table["path"]}) == len(rest)


# --- a released corpus


def table_of(folder, *rows):
    table = pd.DataFrame(rows, columns=["path", "speaker", "emotion"])
    return table.assign(path=str(folder) + "/" + table["path"], utterance=table["path"])


def test_a_released_corpus_goes_on_without_what_cannot_be_right(folder):
    for copy, of in (("6.wav", "0.wav"), ("7.wav", "1.wav")):
        shutil.copy(folder / of, folder / copy)
    soundfile.write(folder / "8.wav", np.zeros(1600, np.int16), 16000)
    rows = [("0.wav", "a", "sad"), ("1.wav", "a", "sad"), ("2.wav", "a", "sad"), ("6.wav", "b", "sad"), ("7.wav", "a", "sad"),
            ("8.wav", "a", "sad")]  # fmt: skip
    with pytest.warns(UserWarning) as caught:
        left = duplicates.settle(table_of(folder, *rows), "thecorpus")
    assert left["utterance"].tolist() == ["1.wav", "2.wav"] and left.index.tolist() == [0, 1]
    assert str(caught[0].message).splitlines() == [
        "thecorpus: 4 of 6 recordings are left out:",
        "  8.wav is silent",
        "  0.wav and 6.wav are the same sound under the speakers a and b",
        "  1.wav and 7.wav are the same sound, and count once",
    ]
    with pytest.warns(UserWarning, match="1 of 6"):
        assert len(duplicates.settle(table_of(folder, *rows), "thecorpus", "keep")) == 5


def test_real_and_synthetic_corpora_have_none(emodb, recwarn):
    assert len(emodb) == 339 and duplicates.find(emodb) == duplicates.Found([], [], [])


# --- the setting


def test_the_setting_reaches_a_run_and_names_it(folder):
    path = write_tones(folder / "tones", per_class=1)
    name = f"table:{path}"
    shutil.copy(folder / "tones/A1_sad_0.wav", folder / "tones/copy.wav")
    with path.open("a") as file:
        file.write("copy,copy.wav,A1,A,female,sad\n")
    config = {"corpus": name, "preset": "smoke", "model": "majority", "fold": 1}
    with pytest.warns(UserWarning, match="count once"):
        once = runs.prepare(RunConfig.create(**config))
    kept = runs.prepare(RunConfig.create(**config, duplicates="keep"))
    assert len(kept.test.table) == len(once.test.table) + 1
    assert once.corpus_digest != kept.corpus_digest
    assert "duplicates" not in RunConfig.create(**config).record()
    assert RunConfig.create(**config).run_id != RunConfig.create(**config, duplicates="keep").run_id
    with pytest.raises(ConfigError, match="one of once, leave_out, keep"):
        RunConfig.create(**config, duplicates="twice")


def test_the_choices_are_the_same_for_a_run_and_a_corpus():
    [field] = [field for field in RunConfig.__dataclass_fields__.values() if field.name == "duplicates"]
    assert field.metadata["choices"] == corpora.DUPLICATES


# --- remembered


@pytest.fixture
def decoded(monkeypatch, tmp_path):
    """Return the list of files that were decoded; the cache is empty."""
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(samples, "SETTLED", -3600)  # trust files that were just written
    calls, fingerprint = [], audio.fingerprint
    monkeypatch.setattr(audio, "fingerprint", lambda path: calls.append(path) or fingerprint(path))
    return calls


def paths_of(folder):
    return sorted(str(path) for path in folder.glob("*.wav"))


def test_a_file_is_decoded_once_while_it_stays_as_it_is(folder, decoded):
    first = samples.fingerprints(paths_of(folder))
    assert len(decoded) == 6 and len(set(first)) == 6
    assert samples.fingerprints(paths_of(folder)) == first and len(decoded) == 6
    before = (folder / "3.wav").stat()
    soundfile.write(folder / "3.wav", noise(9), 16000)  # as long as it was
    os.utime(folder / "3.wav", ns=(before.st_atime_ns, before.st_mtime_ns))  # and as old
    second = samples.fingerprints(paths_of(folder))
    assert decoded[6:] == [str(folder / "3.wav")]
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, True, False, True, True]


def test_what_was_changed_a_moment_ago_is_not_remembered(folder, decoded, monkeypatch):
    monkeypatch.setattr(samples, "SETTLED", 3600)
    for _ in range(2):
        samples.fingerprints(paths_of(folder))
    assert len(decoded) == 12


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2]}', "null"])
def test_a_damaged_memory_is_made_again(folder, decoded, content):
    first = samples.fingerprints(paths_of(folder))
    [memo] = (folder / "cache" / "samples").iterdir()
    memo.write_text(content)
    assert samples.fingerprints(paths_of(folder)) == first and len(decoded) == 12
    assert samples.fingerprints(paths_of(folder)) == first and len(decoded) == 12


def test_a_cache_that_cannot_be_written_is_done_without(folder, decoded, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("SERMODULES_CACHE", str(folder / "file"))
    first = samples.fingerprints(paths_of(folder))
    assert samples.fingerprints(paths_of(folder)) == first and len(decoded) == 12


def test_features_of_a_table_do_not_depend_on_what_is_remembered(folder, decoded):
    name = own(folder, ("0.wav", "a", "sad"), ("1.wav", "b", "calm"))
    first = features.extract(corpora.load(name))
    again = features.extract(corpora.load(name))
    assert first.key == again.key and first.corpus_digest == again.corpus_digest
