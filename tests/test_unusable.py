"""Bad files among many: named with their lines, listed in a file, left out on demand, and said so in the run and the report."""

import csv
import re

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from conftest import write_tones

from sermodules import corpora, features, runs, study
from sermodules.__main__ import main
from sermodules.config import RunConfig
from sermodules.corpora import unusable
from sermodules.errors import AudioError, CorpusError, StoreError
from sermodules.evidence import report
from sermodules.runs import store

BAD = {"A1_sad_0": b"", "B2_happy_1": b"<html>login</html>", "A2_angry_1": b"\0\0\0\x18ftypM4A " + bytes(200)}


@pytest.fixture
def damaged(tmp_path):
    """Write the tones with three bad files; return the folder, the table's path and the lines of the bad ones."""
    path = write_tones(tmp_path / "own")
    lines = path.read_text().splitlines()
    for name, content in BAD.items():
        (path.parent / f"{name}.wav").write_bytes(content)
    found = {name: next(n for n, line in enumerate(lines, 1) if line.startswith(f"{name},")) for name in BAD}
    return tmp_path, path, found


def test_the_message_names_files_and_lines_and_where_the_list_is(damaged):
    _, path, lines = damaged
    table = corpora.load(f"table:{path}")
    assert len(table) == 32  # a model that reads no audio may use it
    for fails in (unusable.check, features.extract):
        with pytest.raises(AudioError) as caught:
            fails(table.sample(frac=1, random_state=0))
        text = str(caught.value)
        assert text.startswith("3 of 32 audio files cannot be used:") and "--skip-unusable" in text
        for name, line in lines.items():
            assert re.search(rf"{name}\.wav: .*\(line {line}\)$", text, re.MULTILINE)
        listed = re.search(r"listed in (\S+\.csv)", text)[1]
        with open(listed, encoding="utf-8") as file:  # noqa: PTH123
            rows = {row["utterance"]: row for row in csv.DictReader(file)}
        assert {name: int(row["line"]) for name, row in rows.items()} == lines
        assert "MPEG-4 audio" in rows["A2_angry_1"]["reason"] and rows["A1_sad_0"]["path"].endswith("A1_sad_0.wav")


def test_skip_leaves_them_out_and_says_which(damaged):
    _, path, lines = damaged
    with pytest.warns(UserWarning, match=r"3 of 32 recordings cannot be used and are left out") as seen:
        table = corpora.load(f"table:{path}", unusable="skip")
    text = str(seen[-1].message)
    assert all(f"(line {line})" in text for line in lines.values()) and "listed in" in text
    assert len(table) == 29 and not {*BAD} & {*table["utterance"]} and sorted(table.attrs["unusable"]) == sorted(BAD)
    unusable.check(table)
    assert corpora.digest(table) != corpora.digest(corpora.load(f"table:{path}"))


def test_a_file_that_is_not_there_is_skipped_too_and_the_message_says_how(damaged):
    _, path, _ = damaged
    (path.parent / "B1_sad_1.wav").unlink()
    with pytest.raises(CorpusError, match=r"there is no audio file .*B1_sad_1\.wav(.|\n)*--skip-unusable"):
        corpora.load(f"table:{path}")
    with pytest.warns(
        UserWarning, match=r"4 of 32 recordings cannot be used and are left out(.|\n)*B1_sad_1\.wav: not found"
    ):
        table = corpora.load(f"table:{path}", unusable="skip")
    assert sorted(table.attrs["unusable"]) == sorted([*BAD, "B1_sad_1"]) and len(table) == 28


def test_where_no_file_is_there_at_all_nothing_is_skipped(damaged):
    _, path, _ = damaged
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.mkdir()
    path = path.rename(elsewhere / path.name)
    with pytest.raises(CorpusError, match="there is no audio file"):
        corpora.load(f"table:{path}", unusable="skip")


def test_what_is_whole_loses_nothing(tones):
    table = corpora.load(tones, unusable="skip")
    assert table.equals(corpora.load(tones)) and table.attrs["unusable"] == []
    result = runs.run(RunConfig.create(corpus=tones, model="majority", preset="smoke", unusable="skip"), verbose=False)
    assert "unusable" not in result.provenance


@pytest.mark.parametrize(
    ("seconds", "level", "why"), [(0.02, 0.1, "too short"), (1, 0, "silent"), (601, 0.1, "too long")]
)
def test_what_can_be_decoded_and_not_used_is_found_too(tmp_path, seconds, level, why):
    path = write_tones(tmp_path)
    noise = np.random.default_rng(0).normal(0, level, round(seconds * 1000)) if level else np.zeros(1000)
    soundfile.write(tmp_path / "A1_sad_0.wav", noise, 1000)
    with pytest.warns(UserWarning, match=rf"A1_sad_0\.wav: {why}"):
        table = corpora.load(f"table:{path}", unusable="skip")
    assert table.attrs["unusable"] == ["A1_sad_0"]


def test_if_all_are_bad_it_says_so(tmp_path):
    path = write_tones(tmp_path)
    for file in tmp_path.glob("*.wav"):
        file.write_bytes(b"x")
    with pytest.raises(AudioError, match="no recording is left"):
        corpora.load(f"table:{path}", unusable="skip")


def test_provenance_and_report_say_it_and_a_repaired_file_is_another_corpus(damaged, tmp_path, capsys):
    folder, path, _ = damaged
    whole = (folder / "own" / "A1_sad_1.wav").read_bytes()
    file = folder / "s.yaml"
    file.write_text(f"name: t\nsettings: {{corpus: 'table:{path}', preset: smoke}}\ngrid: {{model: [majority]}}\n"
                    "folds: [1, 2]\nseeds: [1]\n")  # fmt: skip
    plan = study.load(file, more={"unusable": "skip"})
    for config in plan.configs[:1]:
        store.save(runs.run(config, verbose=False), tmp_path / "runs")
    (result,) = store.load_all([tmp_path / "runs" / plan.configs[0].run_id])
    assert sorted(result.provenance["unusable"]) == sorted(BAD)
    text = report.write([result], tmp_path / "report", plan)
    assert "**Left out of `utterances`: 3 recordings that could not be used**, A1_sad_0" in text
    done = CliRunner().invoke(main, ["study", "status", str(file), "--out", str(tmp_path / "runs"), "--skip-unusable"])
    assert "1 of 2 runs are done" in done.output
    (folder / "own" / "A1_sad_0.wav").write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(StoreError, match="made from other recordings or labels than"):
        study.run(plan, tmp_path / "runs", 1, notebooks=False, tell=lambda line: None)


def test_the_command_line_takes_it(damaged):
    _, path, _ = damaged
    done = CliRunner().invoke(main, ["corpora", "check", f"table:{path}"])
    assert done.exit_code == 1 and "3 of 32 audio files cannot be used" in done.output
    done = CliRunner().invoke(main, ["corpora", "check", f"table:{path}", "--skip-unusable"])
    assert done.exit_code == 0 and "29 utterances, 4 speakers" in done.output
