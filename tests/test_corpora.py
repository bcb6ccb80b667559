import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import iemocap_tree as tree
import numpy as np
import pandas as pd
import pytest

from sermodules import corpora, paths
from sermodules.corpora import iemocap, synthetic
from sermodules.errors import AudioError, ConfigError, CorpusError, SermodulesError

SYNTHETIC = ["synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Be in a project of its own, without ``$SERMODULES_DATA``."""
    monkeypatch.delenv("SERMODULES_DATA", raising=False)
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def made(monkeypatch):
    """Make synthetic corpora without speech synthesis; return the list of what was made."""
    calls = []

    def make(folder, *, variant, seed=0):
        assert not Path(folder).exists()
        calls.append((variant, seed))
        tree.write(folder, tree.miniature_turns())

    monkeypatch.setattr(synthetic, "make", make)
    return calls


@pytest.fixture
def table(tmp_path):
    names = ["b", "a", "c"]
    for number, name in enumerate(names):
        (tmp_path / f"{name}.wav").write_bytes(bytes([number]) * 100)
    return pd.DataFrame(
        {
            "utterance": names,
            "path": [str(tmp_path / f"{name}.wav") for name in names],
            "speaker": ["1", "1", "2"],
            "session": ["s", "s", ""],
            "gender": ["male", "male", "female"],
            "emotion": ["neutral", "bored", "angry"],
            "duration": [1.0, 2.0, np.nan],
        }
    )


# finding


def test_the_corpora_of_the_contract():
    assert list(corpora.CORPORA) == [*SYNTHETIC, "emodb", "iemocap", "cremad", "ravdess"]
    for name, corpus in corpora.CORPORA.items():
        assert corpus.name == name
        assert all(text.strip() for text in (corpus.title, corpus.licence, corpus.source, corpus.get))
    licence = corpora.CORPORA["iemocap"]
    assert "release form" in licence.get and "SAIL" in licence.get and "unofficial" in licence.get


def test_where_a_corpus_is_looked_for(project, monkeypatch):
    shared = project / "shared"
    with pytest.raises(CorpusError) as caught:
        corpora.find("iemocap")
    assert str(project / "data" / "iemocap") in str(caught.value)
    assert corpora.CORPORA["iemocap"].get in str(caught.value)

    tree.write(project / "data" / "iemocap", tree.miniature_turns(), wavs=False)
    assert corpora.find("iemocap") == project / "data" / "iemocap"
    monkeypatch.setenv("SERMODULES_DATA", str(shared))
    (shared / "iemocap").mkdir(parents=True)  # an empty folder is no corpus
    assert corpora.find("iemocap") == project / "data" / "iemocap"
    tree.write(shared / "iemocap", tree.miniature_turns(), wavs=False)
    assert corpora.find("iemocap") == shared / "iemocap"
    # a root that is given is the only place
    tree.write(project / "mine", tree.miniature_turns(), wavs=False)
    assert corpora.find("iemocap", project / "mine") == project / "mine"
    assert corpora.find("iemocap", shared) == shared / "iemocap"
    with pytest.raises(CorpusError) as caught:
        corpora.find("iemocap", project / "nowhere")
    assert str(project / "nowhere") in str(caught.value) and str(shared) not in str(caught.value)


def test_status(project):
    rows = corpora.status()
    assert [row["name"] for row in rows] == list(corpora.CORPORA)
    assert all(row["found"] is None for row in rows)
    tree.write(project / "data" / "iemocap", tree.miniature_turns(), wavs=False)
    rows = {row["name"]: row for row in corpora.status()}
    assert rows["iemocap"]["found"] == project / "data" / "iemocap"
    assert rows["emodb"]["found"] is None
    assert set(rows["emodb"]) == {"name", "title", "found", "problem", "licence", "source", "get"}
    (project / "data" / "emodb").mkdir()
    (project / "data" / "emodb" / "notes.txt").touch()  # a folder that holds something else is not a corpus
    rows = {row["name"]: row for row in corpora.status()}
    assert rows["emodb"]["found"] is None and "no recordings" in rows["emodb"]["problem"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("iemocop", "Did you mean 'iemocap'"),
        ("IEMOCAP", "Did you mean 'iemocap'"),
        ("emo-db", "Did you mean 'emodb'"),
        ("synthetic-gender", "Did you mean 'synthetic"),
        ("zzz", "there is no corpus 'zzz'. The corpora are synthetic,"),
        ("table", "table:path/to/utterances.csv"),
        ("table:", "table:path/to/utterances.csv"),
        ("", "The corpora are"),
        (None, "is text"),
        (["iemocap"], "is text"),
    ],
)
def test_unknown_names(name, said):
    for call in (corpora.find, corpora.load):
        with pytest.raises(ConfigError) as caught:
            call(name)
        assert said in str(caught.value)


def test_options_are_checked(project):
    with pytest.raises(ConfigError) as caught:
        corpora.load("iemocap", emotions="five", merge_excited="False", scripted=1, song=True, duplicates="twice")
    named = [line.split()[0] for line in str(caught.value).splitlines()]
    assert named == ["emotions", "duplicates", "merge_excited", "scripted", "song"]


@pytest.mark.parametrize("name", [*corpora.CORPORA, "table:mine.csv"])
@pytest.mark.parametrize("option", ["merge_excited", "scripted", "song"])
def test_an_option_that_means_nothing_to_a_corpus_is_refused_before_it_is_looked_for(project, made, name, option):
    means = {"ravdess": ["song"]}.get(name, ["merge_excited", "scripted"] if name in (*SYNTHETIC, "iemocap") else [])
    if option in means:
        assert option in corpora.CORPORA[name].options
        return
    if name.startswith("table:"):
        (project / "mine.csv").write_text("utterance\n")
        name = f"table:{project}/mine.csv"
    with pytest.raises(ConfigError, match=rf"{option} is True: .*leave {option} out"):
        corpora.load(name, **{option: True})
    assert not made


def test_options_reach_the_corpus(project):
    tree.write(project / "data" / "iemocap", tree.miniature_turns())
    with pytest.warns(UserWarning, match="not the full corpus"):
        both = corpora.load("iemocap", emotions="all", merge_excited=True, scripted=True)
    assert both.equals(
        iemocap.load(
            project / "data/iemocap", emotions="all", merge_excited=True, scripted=True, check_counts=False
        )
    )  # fmt: skip
    assert corpora.classes(both) == [
        "angry", "sad", "happy", "neutral", "disgusted", "fearful", "frustrated", "other", "surprised",
    ]  # fmt: skip


# corpora that are made


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_corpora_are_made_once(project, made, name, recwarn):
    table = corpora.load(name)
    assert made == [(name, 0)]
    assert Path(table["path"][0]).is_relative_to(project / "data" / name)
    assert set(table["emotion"]) == {"angry", "sad", "happy", "neutral"}
    assert corpora.load(name).equals(table)
    assert len(made) == 1
    assert [path.name for path in (project / "data").iterdir() if not path.name.endswith(".lock")] == [name]
    assert corpora.find(name) == project / "data" / name
    assert not recwarn.list  # its counts are its own


def test_a_synthetic_corpus_elsewhere_is_used(project, made, monkeypatch):
    tree.write(project / "shared" / "synthetic", tree.miniature_turns())
    monkeypatch.setenv("SERMODULES_DATA", str(project / "shared"))
    corpora.load("synthetic")
    corpora.load("synthetic", root=project / "shared" / "synthetic")
    with pytest.raises(CorpusError, match="Leave out `root`"):
        corpora.load("synthetic", root=project / "nowhere")
    assert made == []


def test_an_interrupted_making_leaves_nothing(project, made, monkeypatch):
    whole = synthetic.make

    def interrupted(folder, *, variant):
        tree.write(folder, tree.miniature_turns()[:5])
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        corpora.load("synthetic")
    assert corpora._look(corpora.CORPORA["synthetic"])[0] is None
    assert not [path for path in (project / "data").iterdir() if path.is_dir()]
    # a process that was killed could not clean up
    killed = project / "data" / ".synthetic.making-abc" / "synthetic"
    tree.write(killed, tree.miniature_turns()[:5])
    monkeypatch.setattr(synthetic, "make", whole)
    assert len(corpora.load("synthetic")) == len(
        iemocap.load(project / "data" / "synthetic", check_counts=False)
    )  # fmt: skip
    assert [path.name for path in (project / "data").iterdir() if path.is_dir()] == ["synthetic"]


def test_a_folder_that_cannot_be_written(project, made):
    (project / "data").write_text("a file")
    with pytest.raises(CorpusError, match="could not make the corpus synthetic"):
        corpora.load("synthetic")


def test_two_processes_make_one_corpus(tmp_path):
    program = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import iemocap_tree as tree
from sermodules import corpora, paths
from sermodules.corpora import synthetic
project = Path({str(tmp_path)!r})
paths.project_root = lambda: project

def make(folder, *, variant):
    with open(project / "made", "a") as log:
        log.write("x")
    turns = tree.miniature_turns()
    tree.write(folder, [turn for turn in turns if turn.dialog.startswith("Ses01")])
    time.sleep(0.5)  # half of it is there, and must not be seen
    tree.write(folder, [turn for turn in turns if not turn.dialog.startswith("Ses01")])

synthetic.make = make
(project / f"ready-{{sys.argv[1]}}").touch()
while len(list(project.glob("ready-*"))) < 2:
    time.sleep(0.01)
print(len(corpora.load("synthetic")))
"""
    environment = {key: value for key, value in os.environ.items() if key != "SERMODULES_DATA"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)], stdout=subprocess.PIPE, text=True, env=environment
        )
        for number in range(2)
    ]
    counts = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    expected = sum(turn.code in tree.CODES and "impro" in turn.dialog for turn in tree.miniature_turns())
    assert counts == [str(expected)] * 2
    assert (tmp_path / "made").read_text() == "x"


# classes, digest


def test_classes_are_in_the_paper_s_order():
    def classes(*names):
        return corpora.classes(pd.DataFrame({"emotion": list(names)}))

    assert classes("neutral", "happy", "sad", "angry", "sad") == ["angry", "sad", "happy", "neutral"]
    assert classes("neutral", "zeal", "angry", "bored") == ["angry", "neutral", "bored", "zeal"]
    assert classes("b", "a") == ["a", "b"]


def test_digest_depends_on_content_only(table, tmp_path):
    whole = corpora.digest(table)
    assert len(whole) == 64 and set(whole) <= set("0123456789abcdef")
    assert corpora.digest(table.iloc[::-1]) == whole
    assert corpora.digest(table.assign(duration=5.0)) == whole
    moved = table.assign(path=[str(tmp_path / "moved" / Path(path).name) for path in table["path"]])
    (tmp_path / "moved").mkdir()
    for old, new in zip(table["path"], moved["path"], strict=True):
        Path(new).write_bytes(Path(old).read_bytes())
    assert corpora.digest(moved) == whole

    changed = [
        table.assign(utterance=["b", "a", "d"]),
        table.assign(speaker=["1", "1", "3"]),
        table.assign(session=["s", "s", "s"]),
        table.assign(gender=["male", "male", "male"]),
        table.assign(emotion=["neutral", "bored", "sad"]),
        table.assign(path=table["path"].iloc[[1, 0, 2]].tolist()),
        table.iloc[:2],
        # the same letters, cut differently
        table.assign(speaker=["1", "1", "2f"], gender=["male", "male", "emale"]),
    ]
    content = Path(moved["path"][1]).read_bytes()
    Path(moved["path"][1]).write_bytes(content[:-1] + b"\xff")
    digests = [whole, corpora.digest(moved), *map(corpora.digest, changed)]
    assert len(set(digests)) == len(digests)


def test_digest_names_every_file_that_cannot_be_read(table):
    for path in table["path"][:2]:
        Path(path).unlink()
    with pytest.raises(AudioError) as caught:
        corpora.digest(table)
    assert all(path in str(caught.value) for path in table["path"][:2])
    assert table["path"][2] not in str(caught.value)


# the door


def test_validate_brings_a_table_into_order(table):
    mixed = table.assign(extra=1)[["duration", "emotion", "extra", *corpora.COLUMNS[:5]]]
    valid = corpora.validate(mixed)
    assert tuple(valid.columns) == corpora.COLUMNS
    assert valid["utterance"].tolist() == ["a", "b", "c"]
    assert valid.index.tolist() == [0, 1, 2]
    assert valid["duration"].iloc[:2].tolist() == [2.0, 1.0]
    assert mixed["utterance"].tolist() == ["b", "a", "c"]


def test_validate_names_every_problem(table):
    def problems(**columns):
        with pytest.raises(CorpusError) as caught:
            corpora.validate(table.assign(**columns), "mine")
        first, *lines = str(caught.value).splitlines()
        assert first == "mine is not an utterance table:"
        return [line.strip() for line in lines]

    assert problems(
        utterance=["a", "a", "c"], gender=["male", "f", "female"], emotion=["x", "", "x"], session=["s", "t", ""],
        path=["/a", "b", "/c"], duration=[-1.0, 1.0, 2.0],
    ) == [
        "emotion is empty",
        "utterance a is there more than once",
        "gender is 'f': it must be one of female, male, other, unknown",
        "path b is not absolute",
        "speaker 1 has more than one gender",
        "speaker 1 has more than one session",
        "duration is below 0",
    ]  # fmt: skip
    assert problems(speaker=[1, 1, 2], session=[None, "s", "s"], duration=[1, 2, 3]) == [
        "speaker is 1: it must be text",
        "speaker is 2: it must be text",
        "session is nan: it must be text",
        "duration is of type int64: it must be seconds, as floating-point numbers",
    ]
    with pytest.raises(CorpusError, match="missing columns path, duration"):
        corpora.validate(table.drop(columns=["path", "duration"]))
    with pytest.raises(CorpusError, match="holds no utterances"):
        corpora.validate(table.iloc[:0])


@pytest.mark.parametrize("name", ["emodb", "synthetic"])
def test_every_corpus_passes_the_door(project, made, monkeypatch, name):
    broken = pd.DataFrame({column: ["x"] for column in corpora.COLUMNS}).assign(duration=1.0)
    corpus = dataclasses.replace(corpora.CORPORA[name], load=lambda root, **options: broken)
    monkeypatch.setitem(corpora.CORPORA, name, corpus)
    tree.write(project / "data" / name, tree.miniature_turns(), wavs=False)
    with pytest.raises(CorpusError, match=rf"^{name} is not an utterance table:\n  gender is 'x'"):
        corpora.load(name)


def test_errors_are_the_package_s():
    with pytest.raises(SermodulesError):
        corpora.load("nothing")
