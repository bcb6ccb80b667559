"""The table of findings and its scripts, held against each other. The scripts need the network and are run by hand."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| what", "| ---"))
]


def head(script):
    """Return what the comment at the top of a script says."""
    lines = script.read_text(encoding="utf-8").splitlines()[1:]
    return [line.removeprefix("#").strip() for line in lines[: next(i for i, x in enumerate(lines) if x[:1] != "#")]]


def test_every_row_has_its_script_and_every_script_its_row():
    assert ROWS and all(len(row) == 4 for row in ROWS)
    links = [re.fullmatch(r"\[`(.+)`\]\((.+)\)", row[3]).groups() for row in ROWS]
    assert all(name == target for name, target in links)
    assert sorted(name for name, _ in links) == [script.name for script in SCRIPTS]
    assert len({row[0] for row in ROWS}) == len(ROWS) and {x.name for x in FOLDER.iterdir()} == {
        "README.md",
        *(script.name for script in SCRIPTS),
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_installs_and_sees_and_can_fail(script):
    text, told = script.read_text(encoding="utf-8"), head(script)
    (row,) = [row for row in ROWS if f"({script.name})" in row[3]]
    assert told[0] == row[0].removesuffix(" †")
    (versions,) = [line.removeprefix("Versions: ") for line in told if line.startswith("Versions: ")]
    pinned = re.findall(r"([\w.-]+)==([\w.]+)", text)
    assert versions == row[2] == ", ".join(f"{name} {version}" for name, version in pinned)
    (install,) = [line for line in text.splitlines() if "pip install" in line]
    assert all("==" in word for word in install.split('/env/bin/python" ')[1].split())
    (guess,) = [number for number, line in enumerate(told) if line.startswith("Guess: ")]
    seen = told.index("Seen:")
    assert " ".join(told[guess:seen]).removeprefix("Guess: ") == row[1]
    assert told[seen + 1] and "" in told[seen:]
    assert "assert " in text and "set -euo pipefail" in text and "trap 'rm -rf" in text
    assert "sermodules" not in text and not re.search(r"/(home|tmp|root|work)/", text)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_bash_around_python(script):
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    compile(
        script.read_text(encoding="utf-8").partition("<<'PYTHON'\n")[2].removesuffix("PYTHON\n"), script.name, "exec"
    )


def test_nothing_that_runs_by_itself_runs_a_finding():
    for file in (ROOT / "Makefile", ROOT / ".ci" / "run", *ROOT.glob(".github/workflows/*")):
        assert "findings" not in file.read_text(encoding="utf-8"), file
