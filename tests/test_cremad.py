"""CREMA-D: the official layout, made up and real, its faults, and what listeners heard."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from sermodules import corpora
from sermodules.__main__ import main
from sermodules.corpora import audio, cremad
from sermodules.errors import AudioError, ConfigError, CorpusError
from sermodules.folds import protocol

DATA = Path(os.environ.get("SERMODULES_DATA", ""))
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:c6f9\nsize 72862\n"
LETTERS = dict(zip("ASHNDF", ("angry", "sad", "happy", "neutral", "disgusted", "fearful"), strict=True))
SEXES = {"1001": "Male", "1002": "Female", "1003": "Female", "1004": "Female"}


def names_of(actor):
    """Return the names of an actor's 82 recordings: one sentence at three levels, eleven others once; neutral twelve."""
    others = [sentence for sentence in cremad.SENTENCES if sentence != "IEO"]
    emotions = ("ANG", "SAD", "HAP", "DIS", "FEA")
    found = [f"{actor}_IEO_{emotion}_{level}" for emotion in emotions for level in ("LO", "MD", "HI")]
    found += [f"{actor}_{sentence}_{emotion}_XX" for emotion in emotions for sentence in others]
    return found + [f"{actor}_{sentence}_NEU_XX" for sentence in cremad.SENTENCES]


def write(root, names, sexes=SEXES):
    """Write an official layout in which each recording has a sound of its own; return the root."""
    folder = root / "AudioWAV"
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(-3000, 3000, 800)
        soundfile.write(folder / f"{name}.wav", noise.astype(np.int16), 16000)
    lines = [f'{actor},51,"{sex}","Caucasian","Not Hispanic"' for actor, sex in sexes.items()]
    (root / "VideoDemographics.csv").write_text('"ActorID","Age","Sex","Race","Ethnicity"\n' + "\n".join(lines) + "\n")
    return root


def write_votes(root, names, change=lambda table: table):
    """Write votes: by voice one more of each answer than by face, and so on."""
    rows = [
        [f"{channel}{number:05d}", *range(channel, channel + 6), name, 15 + 6 * channel]
        for channel in (1, 2, 3)
        for number, name in enumerate(names, 1)
    ]
    table = change(pd.DataFrame(rows, columns=["", *"ADFHNS", "fileName", "numResponses"]))
    (root / "processedResults").mkdir(exist_ok=True)
    table.to_csv(root / "processedResults" / "tabulatedVotes.csv", index=False)


@pytest.fixture
def two(tmp_path):
    """Return the root of two actors' recordings, complete."""
    return write(tmp_path / "cremad", [*names_of("1001"), *names_of("1003")])


def messages(recwarn):
    return [str(warning.message) for warning in recwarn.list]


# --- names and counts


def test_names():
    assert cremad.parse("1001_IEO_SAD_LO.wav") == ("1001", "sad", "low", "1001_IEO_SAD_LO")
    assert cremad.parse("1091_DFA_FEA_XX.WAV") == ("1091", "fearful", "", "1091_DFA_FEA_XX")
    assert cremad.parse("1040_ITH_SAD_X.wav")[3] == "1040_ITH_SAD_XX"  # a slip of older copies
    for name in (
        "1001_IEO_SAD.wav",
        "1001_XXX_SAD_LO.wav",
        "1001_IEO_BOR_LO.wav",
        "001_IEO_SAD_LO.wav",
        "1001_IEO_SAD_LO.mp3",
    ):
        assert cremad.parse(name) is None


def test_the_release_in_numbers():
    by_class = Counter()
    for (_, emotion), count in cremad.COUNTS.items():
        by_class[emotion] += count
    assert by_class == dict.fromkeys(("angry", "sad", "happy", "disgusted", "fearful"), 1271) | {"neutral": 1087}
    assert len({actor for actor, _ in cremad.COUNTS}) == 91 and sum(by_class.values()) == 7442


# --- loading


def test_four_classes(two, recwarn):
    table = corpora.load("cremad", two)
    assert list(table) == [*corpora.COLUMNS, *cremad.COLUMNS]
    assert table["emotion"].value_counts().to_dict() == {"angry": 28, "sad": 28, "happy": 28, "neutral": 24}
    assert dict(zip(table["speaker"], table["gender"], strict=True)) == {"1001": "male", "1003": "female"}
    assert set(table["session"]) == {""} and table["utterance"].is_monotonic_increasing
    rows = table.set_index("utterance")
    assert rows.loc["1001_IEO_ANG_HI", ["level", "emotion"]].tolist() == ["high", "angry"]
    assert Counter(rows["level"]) == {"": 108 - 18, "low": 6, "medium": 6, "high": 6}
    assert rows.filter(like="heard_").isna().all(axis=None)  # no votes are there
    assert rows["duration"].eq(0.05).all()
    assert len(messages(recwarn)) == 1 and "no recording of speaker 1002, 1004, 1005" in messages(recwarn)[0]


def test_all_six_classes_and_what_people_heard(two):
    write_votes(two, [*names_of("1001"), *names_of("1003")])
    with pytest.warns(UserWarning, match="not the complete release"):
        table = corpora.load("cremad", two, emotions="all")
    assert corpora.classes(table) == ["angry", "sad", "happy", "neutral", "disgusted", "fearful"]
    assert len(table) == 2 * 82
    for offset, letter in enumerate("ADFHNS"):
        assert table[f"heard_{LETTERS[letter]}"].eq(1 + offset).all()
    assert cremad.votes(two, "face").loc["1003_TIE_HAP_XX"].tolist() == [2, 7, 5, 6, 3, 4]  # in the order of VOTES
    assert corpora.digest(table) == corpora.digest(table[list(corpora.COLUMNS)])  # who heard what is no part of it


def test_a_recording_without_votes_has_none(two):
    write_votes(two, names_of("1001"))
    with pytest.warns(UserWarning, match="not the complete release"):
        table = cremad.load(two)
    assert table.groupby("speaker")["heard_sad"].count().to_dict() == {"1001": 54, "1003": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.drop(columns=["S", "N"]), "it lacks the columns S, N"),
        (lambda table: pd.concat([table, table]), "once a recording"),
        (lambda table: table.assign(A=0.5), "does not count the answers"),
        (lambda table: table.assign(**{"": "x"}), "does not count the answers"),
    ],
)
def test_votes_that_are_not_the_release_s_are_refused(two, change, reason):
    write_votes(two, names_of("1001"), change)
    with (
        pytest.warns(UserWarning),
        pytest.raises(CorpusError, match=rf"tabulatedVotes.csv is not the release's: .*{reason}"),
    ):
        cremad.load(two)


def test_a_partial_copy_says_which_cells_differ(tmp_path):
    names = [name for name in names_of("1001") if "_DFA_ANG" not in name and "_NEU_" not in name]
    with pytest.warns(UserWarning) as caught:
        table = cremad.load(write(tmp_path / "a", names))
    text = str(caught[0].message)
    assert "speaker 1001 angry: 13 instead of 14" in text and "speaker 1001 neutral: 0 instead of 12" in text
    assert "disgusted" not in text and len(table) == 41


def test_old_and_doubled_names(tmp_path):
    root = write(tmp_path / "a", ["1001_ITH_SAD_X", "1001_DFA_SAD_XX"])
    with pytest.warns(UserWarning):
        assert cremad.load(root)["utterance"].tolist() == ["1001_DFA_SAD_XX", "1001_ITH_SAD_XX"]
    shutil.copy(root / "AudioWAV/1001_ITH_SAD_X.wav", root / "AudioWAV/1001_ITH_SAD_XX.wav")
    with pytest.raises(CorpusError, match="there under two names: 1001_ITH_SAD_XX"):
        cremad.load(root)


def test_who_is_a_woman_must_be_known(two):
    (two / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n1003,20,""\n')
    with pytest.raises(CorpusError, match="does not say Male or Female of speaker 1003"):
        cremad.load(two)
    (two / "VideoDemographics.csv").write_text(POINTER)
    with pytest.raises(CorpusError, match="it is a pointer of Git LFS"):
        cremad.load(two)
    (two / "VideoDemographics.csv").unlink()
    with pytest.raises(CorpusError, match=rf"there is no {two}/VideoDemographics.csv, .*{cremad.SOURCE}"):
        cremad.load(two)


# --- a clone without Git LFS


def test_pointers_are_named_with_the_command_that_gets_the_recordings(two, monkeypatch):
    for name in ("1001_DFA_SAD_XX", "1003_IWL_FEA_XX"):
        (two / "AudioWAV" / f"{name}.wav").write_text(POINTER)
    with pytest.raises(CorpusError, match=r"2 of 164 recordings are not there, such as .*1001_DFA_SAD_XX") as caught:
        corpora.load("cremad", two)
    assert 'git lfs install && git lfs pull --include "AudioWAV/*"' in str(caught.value)
    with pytest.raises(AudioError, match=r"1001_DFA_SAD_XX.wav: a pointer of Git LFS .*git lfs pull"):
        audio.read(two / "AudioWAV" / "1001_DFA_SAD_XX.wav")
    monkeypatch.setenv("SERMODULES_DATA", str(two.parent))
    listed = CliRunner().invoke(main, ["corpora"])
    assert "found    CREMA-D: 2 of 164 recordings are not there" in listed.output


def test_how_to_get_it():
    done = CliRunner().invoke(main, ["corpora", "get", "cremad"])
    assert done.exit_code == 1 and "not downloaded by program" in done.stderr and "git lfs pull" in done.stderr


# --- faults


def test_silence_and_one_sound_under_two_labels_are_left_out_among_the_classes_asked_for(tmp_path):
    root = write(tmp_path / "cremad", names_of("1001"))
    folder = root / "AudioWAV"
    soundfile.write(folder / "1001_MTI_SAD_XX.wav", np.zeros(16000, np.int16), 16000)
    for one, other in (("TIE_HAP_XX", "TIE_NEU_XX"), ("WSI_SAD_XX", "WSI_DIS_XX")):
        shutil.copy(folder / f"1001_{one}.wav", folder / f"1001_{other}.wav")
    with pytest.warns(UserWarning) as caught:
        four = corpora.load("cremad", root)
    said = str(caught[-1].message)
    assert said.splitlines() == [
        "cremad: 3 of 54 recordings are left out:",
        "  1001_MTI_SAD_XX is silent",
        "  1001_TIE_HAP_XX and 1001_TIE_NEU_XX are the same sound under the labels happy and neutral",
    ]
    assert len(four) == 51 and "1001_WSI_SAD_XX" in set(four["utterance"])
    with pytest.warns(UserWarning, match="cremad: 5 of 82 recordings are left out"):
        assert len(corpora.load("cremad", root, emotions="all")) == 77
    with pytest.warns(UserWarning, match="cremad: 1 of 54 recordings are left out:\n  1001_MTI_SAD_XX is silent"):
        assert len(corpora.load("cremad", root, duplicates="keep")) == 53


def test_options_that_mean_nothing(two):
    with pytest.raises(ConfigError, match="song is True: it means nothing to the corpus cremad"):
        corpora.load("cremad", two, song=True)


# --- the real recordings


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """Return the official layout with the recordings of four real actors."""
    if not (DATA / "unpack").is_file():
        pytest.skip("no packed CREMA-D: SERMODULES_DATA names no folder with `unpack`")
    target = tmp_path_factory.mktemp("official")
    who = ["1001", "1006", "1008", "1076"]
    subprocess.run([sys.executable, DATA / "unpack", target, *who], check=True, capture_output=True)
    return target


def test_four_real_actors(some, monkeypatch):
    with pytest.warns(UserWarning) as caught:
        table = corpora.load("cremad", some)
    assert "are left out:\n  1076_MTI_SAD_XX is silent\n  1006_TIE_HAP_XX and 1006_TIE_NEU_XX" in str(
        caught[-1].message
    )
    assert [line.strip() for line in str(caught[0].message).splitlines()[1:]] == [
        "no recording of speaker 1002, 1003, 1004, 1005, 1007, 1009, 1010, 1011, 1012, 1013 and 77 more"
    ]  # of those that are there every count is right
    assert table.groupby("speaker").size().to_dict() == {"1001": 54, "1006": 52, "1008": 50, "1076": 52}
    genders = table.groupby("speaker")["gender"].first().to_dict()
    assert genders == {"1001": "male", "1006": "female", "1008": "female", "1076": "female"}
    votes = table.filter(like="heard_")
    assert votes.sum(axis=1).between(4, 12).all()
    assert cremad.votes(some / "cremad").loc["1076_MTI_SAD_XX", ["neutral", "sad"]].tolist() == [5, 3]
    assert protocol.partners(table)["1006"] == "1001"


def test_the_whole_corpus(recwarn):
    if not (DATA / "cremad" / "AudioWAV").is_dir():
        pytest.skip("SERMODULES_DATA has no CREMA-D in its official layout")
    table = corpora.load("cremad")
    assert len(table) == 4897 and table["speaker"].nunique() == 91
    assert table["emotion"].value_counts().to_dict() == {"angry": 1271, "sad": 1270, "happy": 1270, "neutral": 1086}
    assert [message.split(":")[0] for message in messages(recwarn)] == ["cremad"]  # what is left out, and nothing else
    people = table.drop_duplicates("speaker")["gender"].value_counts().to_dict()
    assert people == {"male": 48, "female": 43}
    # One listener, answers among the four counted: the UAR against the emotion that the actor was asked for.
    answers = table.groupby("emotion")[[f"heard_{name}" for name in corpora.FOUR]].sum()
    recalls = {name: answers.loc[name, f"heard_{name}"] / answers.loc[name].sum() for name in corpora.FOUR}
    assert {name: round(100 * value) for name, value in recalls.items()} == {
        "angry": 72, "sad": 31, "happy": 34, "neutral": 86,
    }  # fmt: skip
    assert round(100 * sum(recalls.values()) / 4, 1) == 55.7
    genders = table.groupby("speaker")["gender"].first()
    mixed = [one for one, other in protocol.partners(table).items() if genders[one] != genders[other]]
    assert len(mixed) >= 2 * 43  # every woman has a man; five men are left over
