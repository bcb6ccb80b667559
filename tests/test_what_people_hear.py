"""The study of what people hear: the files of its answers, from a small CREMA-D and EMO-DB with made-up listeners."""

import json

import pandas as pd
import pytest
import soundfile
from conftest import script
from test_cremad import names_of, write, write_votes

from sermodules import corpora
from sermodules.errors import CorpusError

pytestmark = pytest.mark.filterwarnings("ignore:.* is not the complete (release|database)")
study = script("what_people_hear")


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Lay out both corpora: of EMO-DB two recordings were published, and listeners judged four."""
    names = [name for actor in ("1001", "1002", "1003") for name in names_of(actor)]
    write(tmp_path / "cremad", names)
    write_votes(tmp_path / "cremad", names)
    (tmp_path / "emodb" / "wav").mkdir(parents=True)
    for number, name in enumerate(("03a01Wa", "08a02Ta")):
        sound = [0.1 * ((place * (number + 3)) % 7 - 3) for place in range(8000)]
        soundfile.write(tmp_path / "emodb" / "wav" / f"{name}.wav", sound, 16000)
    rows = ["Nr\tSatz\terkannt\tnatuerlich"]
    heard = {"03a01Wa": "95,00", "08a02Ta": "80,00", "08a02Fa": "35,00", "08a02Aa": "50,00"}
    rows += [f"{n}\t{name}.wav\t{share}\t60,00" for n, (name, share) in enumerate(heard.items(), 1)]
    (tmp_path / "emodb" / "erkennung.txt").write_text("\n".join(rows), encoding="latin-1")
    monkeypatch.setenv("SERMODULES_DATA", str(tmp_path))
    return tmp_path


def test_answers_are_the_corpora_s_and_need_no_training(both, tmp_path):
    study.main("answers", tmp_path / "to")
    assert {path.name for path in (tmp_path / "to").iterdir()} == {
        "cremad-answers.csv.gz",
        "emodb-listeners.csv",
        "ATTRIBUTION.txt",
        "answers.json",
    }
    table = corpora.load("cremad").set_index("utterance")
    found = pd.read_csv(tmp_path / "to" / "cremad-answers.csv.gz", index_col="utterance", dtype={"speaker": str})
    assert list(found.index) == list(table.index) and (found["asked"] == table["emotion"]).all()
    for name in ("angry", "sad", "happy", "neutral", "disgusted", "fearful"):
        assert (found[name] == table[f"heard_{name}"]).all()
    made = pd.read_csv(tmp_path / "to" / "emodb-listeners.csv", index_col="utterance")
    assert made["recognised"].to_dict() == {"03a01Wa": 0.95, "08a02Ta": 0.8, "08a02Fa": 0.35}  # four classes
    assert made["published"].to_dict() == {"03a01Wa": True, "08a02Ta": True, "08a02Fa": False}
    assert "Open Database License" in (tmp_path / "to" / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    assert {*json.loads((tmp_path / "to" / "answers.json").read_text())["corpus_digests"]} == {"cremad", "emodb"}


def test_answers_again_have_the_same_bytes(both, tmp_path):
    for folder in ("one", "two"):
        study.main("answers", tmp_path / folder)
    for name in ("cremad-answers.csv.gz", "emodb-listeners.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_copy_of_emodb_without_its_listeners_is_said_by_name(both, tmp_path):
    (both / "emodb" / "erkennung.txt").unlink()
    with pytest.raises(CorpusError, match=r"erkennung\.txt"):
        study.main("answers", tmp_path / "to")


def test_sentences_are_cut_into_three_groups_and_as_many_are_learned_with_and_without_the_tested():
    sentences = [f"S{number:02d}" for number in range(12)]
    groups = study.thirds(sentences)
    assert sorted(name for group in groups for name in group) == sentences and [len(group) for group in groups] == [
        4,
        4,
        4,
    ]
    for tested in groups:
        unheard, heard, every = (study.learned_from(kind, tested, groups) for kind in ("unheard", "heard", "all"))
        assert len(unheard) == len(heard) == 8 and sorted(every) == sentences
        assert not {*unheard} & {*tested} and {*heard} > {*tested}
