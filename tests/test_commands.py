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
