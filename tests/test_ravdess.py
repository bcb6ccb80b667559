"""RAVDESS: a folder an actor or all in one, speech and song, and getting it from a server on this machine."""

import io
import os
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sermodules import corpora
from sermodules.corpora import audio, ravdess
from sermodules.errors import ConfigError, CorpusError
from sermodules.folds import protocol

SAMPLE = Path(os.environ.get("SERMODULES_DATA", "")) / "ravdess-sample"


def names(actors=range(1, 25), channel="01"):
    """Return the names of the recordings of one channel."""
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return [
        f"03-{channel}-{emotion:02d}-{level:02d}-{statement:02d}-{take:02d}-{actor:02d}.wav"
        for actor in actors
        if channel == "01" or actor != 18
        for emotion in emotions
        for level in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for take in (1, 2)
    ]


def wav(name):
    """Return the bytes of a short recording that no other name has."""
    noise = np.random.default_rng(list(name.encode())).integers(-3000, 3000, 480).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 48000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write(root, those, flat=False):
    for name in those:
        folder = root if flat else root / f"Actor_{name[18:20]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(wav(name))
    return root


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return write(tmp_path_factory.mktemp("speech") / "ravdess", names())


# --- names and counts


def test_names():
    assert ravdess.parse("03-01-01-01-02-02-19.wav") == ("19", "neutral", "normal", False)
    assert ravdess.parse("03-02-06-02-01-01-04.WAV") == ("04", "fearful", "strong", True)
    for name in (
        "01-01-01-01-02-02-19.wav",
        "03-03-01-01-02-02-19.wav",
        "03-01-09-01-01-01-01.wav",
        "03-01-01-01-01-01-25.wav",
    ):
        assert ravdess.parse(name) is None


def test_the_release_in_numbers():
    assert sum(ravdess.SPEECH.values()) == 1440 == len(names()) and sum(ravdess.SONG.values()) == 1012
    assert len(names(channel="02")) == 1012
    assert ravdess.ARCHIVE.counts["neutral"] == 96 and ravdess.ARCHIVE.counts["calm"] == 192


# --- loading


def test_four_classes_of_24_actors(speech, recwarn):
    table = corpora.load("ravdess", speech)
    assert not recwarn.list
    assert table["emotion"].value_counts().to_dict() == {"angry": 192, "sad": 192, "happy": 192, "neutral": 96}
    people = table.groupby("speaker")["gender"].first()
    assert len(people) == 24 and people["01"] == "male" and people["24"] == "female"
    assert list(table) == [*corpora.COLUMNS, "level"] and set(table["session"]) == {""}
    assert Counter(table["level"]) == {"normal": 96 + 3 * 96, "strong": 3 * 96}
    assert table["duration"].eq(0.01).all()
    pairs = protocol.partners(table)
    assert all(people[one] != people[other] for one, other in pairs.items())


def test_calm_comes_with_all_classes(speech, recwarn):
    table = corpora.load("ravdess", speech, emotions="all")
    assert not recwarn.list and len(table) == 1440
    assert corpora.classes(table) == ["angry", "sad", "happy", "neutral", "calm", "disgusted", "fearful", "surprised"]


def test_song_comes_on_request(tmp_path, recwarn):
    root = write(write(tmp_path / "ravdess", names(), flat=True), names(channel="02"), flat=True)
    assert len(corpora.load("ravdess", root)) == 672
    both = corpora.load("ravdess", root, emotions="all", song=True)
    assert len(both) == 1440 + 1012 and not recwarn.list
    shutil.rmtree(root)
    write(root, names())
    with pytest.warns(UserWarning, match=r"speaker 01 neutral: 4 instead of 8"):
        corpora.load("ravdess", root, song=True)  # the archive of song is not there
    with pytest.raises(ConfigError, match="song is True: it means nothing to the corpus emodb"):
        corpora.load("emodb", song=True)


def test_a_copy_that_holds_everything_twice_counts_once(tmp_path):
    root = write(tmp_path / "ravdess", names(actors=[1, 2]))
    shutil.copytree(root, tmp_path / "copy")
    shutil.move(tmp_path / "copy", root / "audio_speech_actors_01-24")
    with pytest.warns(UserWarning) as caught:
        assert len(corpora.load("ravdess", root)) == 56
    assert "120 recordings are there twice, such as" in str(caught[0].message)
    name = names(actors=[1])[0]
    (root / "audio_speech_actors_01-24" / "Actor_01" / name).write_bytes(wav("other"))
    with pytest.raises(CorpusError, match=rf"recordings of one name that differ: .*{name}"):
        corpora.load("ravdess", root)


def test_a_partial_copy_says_what_differs(tmp_path):
    root = write(tmp_path / "ravdess", names(actors=[1])[1:])
    (root / "Actor_01" / "notes.wav").write_bytes(wav("x"))
    with pytest.warns(UserWarning) as caught:
        corpora.load("ravdess", root)
    text = "\n".join(str(warning.message) for warning in caught)
    assert "speaker 01 neutral: 3 instead of 4" in text and "no recording of speaker 02, 03" in text
    assert "left out 1 file(s)" in text and "notes.wav" in text


def test_missing_folders_are_explained(tmp_path):
    with pytest.raises(CorpusError, match=r"there is no folder .*sermodules corpora get ravdess"):
        ravdess.load(tmp_path / "nothing")
    write(tmp_path / "songs", names(actors=[1], channel="02"))
    with pytest.raises(CorpusError, match="none of the 44 recordings is spoken and angry"):
        ravdess.load(tmp_path / "songs")


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="SERMODULES_DATA has no ravdess-sample")
def test_real_recordings():
    with pytest.warns(UserWarning, match="not the complete release"):
        table = corpora.load("ravdess", SAMPLE)
    assert table["emotion"].tolist() == ["neutral", "neutral", "happy", "sad", "angry"]
    assert table["gender"].tolist() == ["female", "male", "female", "male", "female"]
    for path, seconds in zip(
        table["path"], table["duration"], strict=True
    ):  # extra chunks before the samples, one in stereo
        assert soundfile.info(path).samplerate == 48000
        assert abs(len(audio.read(path)) - seconds * audio.SAMPLE_RATE) <= 1
    assert [soundfile.info(path).channels for path in table["path"]].count(2) == 1
    audio.check(table)


# --- getting it: what is common to all archives is tested in test_emodb.py


def test_get_then_load(tmp_path, capsys, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names():
            file.writestr(f"Actor_{name[18:20]}/{name}", wav(name))
        file.writestr("readme.txt", "hello")
    content = buffer.getvalue()
    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append((url, known_hash))
        (path / fname).write_bytes(content)
        return path / fname

    monkeypatch.setattr("pooch.retrieve", retrieve)
    folder = corpora.get("ravdess", tmp_path / "data" / "ravdess")
    [(url, known_hash)] = asked
    assert url == "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
    assert known_hash == "md5:bc696df654c87fed845eb13823edef8a"
    assert {path.name for path in folder.iterdir()} == {f"Actor_{actor:02d}" for actor in range(1, 25)}
    assert len(corpora.load("ravdess", folder, emotions="all")) == 1440
    corpora.get("ravdess", folder)
    assert len(asked) == 1 and "there already, complete" in capsys.readouterr().out


def test_a_failed_download_says_how_to_get_it_by_hand(tmp_path):
    with pytest.raises(CorpusError) as caught:
        ravdess.get(tmp_path / "ravdess", url="http://127.0.0.1:1/x.zip", progress=False)
    words = (
        "could not download http://127.0.0.1:1/x.zip",
        "get Audio_Speech_Actors_01-24.zip from",
        ravdess.SOURCE,
        "Actor_01",
    )
    assert all(word in str(caught.value) for word in words)
    assert not (tmp_path / "ravdess").exists()
