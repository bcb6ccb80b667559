"""Every command says a word before it does what can take seconds."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from conftest import write_tones

from sermodules.__main__ import main

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "studies" / "quick.yaml"

#: A call of each command that does something.
CALLS = {
    "corpora": (),
    "corpora get": ("emodb",),
    "corpora make": ("synthetic",),
    "corpora check": ("synthetic",),
    "run": (),
    "train": (),
    "predict": (ROOT, ROOT),
    "study run": (STUDY,),
    "study status": (STUDY,),
    "study report": (STUDY,),
    "study publish": (STUDY,),
    "study verify": (ROOT / "results" / "precision",),
    "doctor": (),
    "claims": (),
    "parameters": (),
}

# Ends with 3 at the first import that takes long, if nothing stands on the screen (a file) yet; with 0 if something does.
CHECK = """
import os, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name in ("numpy", "pandas", "scipy", "sklearn", "yaml", "tqdm", "pooch", "soundfile", "distributed"):
            os._exit(0 if os.fstat(1).st_size else 3)
from sermodules.__main__ import main
sys.meta_path.insert(0, Finder)
main(sys.argv[1:])
"""


def commands(group, *names):
    """Yield the names of all commands that do something by themselves."""
    for name, command in group.commands.items():
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*names, name))
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


def test_every_command_is_called_here():
    assert set(commands(main)) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_word_comes_before_the_imports_that_take_long(name, tmp_path):
    with (tmp_path / "screen").open("w") as screen:
        command = [sys.executable, "-c", CHECK, *name.split(), *map(str, CALLS[name])]
        done = subprocess.run(command, stdout=screen, stderr=subprocess.STDOUT, cwd=ROOT)
    told = (tmp_path / "screen").read_text()
    assert done.returncode == 0 and told, told
    assert name == "parameters" or told.endswith(" ...\n"), told  # the others were ended by the first such import


def test_what_takes_long_is_not_imported_with_the_commands():
    code = "import sys; import sermodules.__main__; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"numpy", "pandas", "yaml", "tqdm", "tensorflow"} & set(told.stdout.split())


def test_the_word_is_no_part_of_the_output():
    told = subprocess.run([sys.executable, "-m", "sermodules", "claims"], capture_output=True, text=True, cwd=ROOT)
    assert told.stderr == "judging the claims ...\n" and told.stdout.startswith("### The figures that the paper prints")


@pytest.mark.parametrize("given", [("--seeds", "1,3"), ("--seeds", "1", "--seeds", "3")])
def test_seeds_can_be_given_in_two_ways(given, tmp_path):
    study = "{name: seeds, about: x, settings: {corpus: synthetic, model: majority}, folds: [1], seeds: [1, 2, 3]}"
    (tmp_path / "seeds.yaml").write_text(study, encoding="utf-8")
    status = CliRunner().invoke(main, ["study", "status", str(tmp_path / "seeds.yaml"), "--out", str(tmp_path), *given])
    assert "0 of 2 runs are done" in status.output


def test_a_warning_is_shown_without_the_line_of_code_that_warns(tmp_path):
    path = write_tones(tmp_path)
    path.write_text(path.read_text().replace("A1_sad_1,A1_sad_1.wav,A1", "A1_sad_1,A1_sad_1.wav,Alone"))
    told = CliRunner().invoke(main, ["corpora", "check", str(path)]).output
    assert "Warning: " in told and "have one utterance" in told
    assert "UserWarning" not in told and ".py:" not in told


def test_a_warning_is_given_once_however_often_a_study_reads_its_corpus(tmp_path):
    path = write_tones(tmp_path)
    path.write_text(path.read_text().replace("A1_sad_1,A1_sad_1.wav,A1", "A1_sad_1,A1_sad_1.wav,Alone"))
    study = f"{{name: s, settings: {{corpus: 'table:{path}', model: majority, preset: smoke}}, folds: all, seeds: [1]}}"
    (tmp_path / "s.yaml").write_text(study, encoding="utf-8")
    asked = [
        "study",
        "run",
        str(tmp_path / "s.yaml"),
        "--out",
        str(tmp_path / "runs"),
        "--workers",
        "1",
        "--no-notebooks",
    ]
    done = subprocess.run([sys.executable, "-m", "sermodules", *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("have one utterance") == 1, done.stderr


def test_nothing_doubtful_is_said(tmp_path, monkeypatch):
    path = write_tones(tmp_path)
    told = CliRunner().invoke(main, ["corpora", "check", str(path)]).output
    assert "doubtful:\n" in told and "nothing is doubtful" not in told
    monkeypatch.setattr("sermodules.corpora.overview.doubts", lambda table: [])
    told = CliRunner().invoke(main, ["corpora", "check", str(path)]).output
    assert "\nnothing is doubtful\n" in told and "doubtful:" not in told


def test_a_study_file_that_is_not_there_is_looked_for_nearby(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    (tmp_path / "study.yaml").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "below")
    told = CliRunner().invoke(main, ["study", "run", "study.yaml"])
    near = f"there is no study file study.yaml in {tmp_path / 'below'}. There is {tmp_path / 'study.yaml'}: did you mean it?"
    assert told.exit_code == 1 and near in told.output
    told = CliRunner().invoke(main, ["study", "status", "other.yaml"])
    assert f"no study file other.yaml in {tmp_path / 'below'}. Give its path, or go to its folder." in told.output
    told = CliRunner().invoke(main, ["study", "report", "../below/none/study.yaml"])
    assert told.exit_code == 1 and f"in {tmp_path / 'below' / 'none'}. " in told.output
