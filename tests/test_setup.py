"""The set-up: pinned versions, and what `make` does with the environment. No package is installed here."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

# Stands in for Python: notes what it is asked, and makes an environment whose Python is again itself. Its pip can install uv
# if there is a file `uv` beside the log, and nothing if there is a file `stop`.
FAKE_PYTHON = """#!/bin/sh
echo "$* [$SERMODULES_DATA]" >> "$LOG"
case "$*" in
  "-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"-r .venv/uv.lock") cp "${LOG%log}uv" .venv/bin/uv 2>/dev/null ;;
  "-m pip"*) [ ! -e "${LOG%log}stop" ] ;;
esac
"""

FAKE_UV = """#!/bin/sh
echo "$0 $*" >> "$LOG"
[ ! -e "${LOG%log}stop-uv" ] && [ ! -e "${LOG%log}stop" ]
"""

LOCK = "a==1 \\\n    --hash=x\nsetuptools==2 \\\n    --hash=y\n    # via z\nuv==4 \\\n    --hash=u\nuvicorn==1\nw==3\n"


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(name):
    """Return {package: version} of a requirements file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-e"))]
    return {canonical(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def lock():
    """Return {package: {version: number of hashes}} of requirements.lock."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    pinned = {}
    for line in text.splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)", line):
            pinned.setdefault(canonical(match[1]), {})[match[2]] = line.count("--hash=sha256:")
    return pinned


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_requirements_name_one_version_and_the_lock_has_it(name):
    pinned = lock()
    for package, version in requirements(name).items():
        assert re.fullmatch(r"[0-9][\w.]*", version), f"{name}: {package} is not pinned to one version"
        assert set(pinned.get(package, ())) == {version}, f"{package}: run `make lock`"


def test_every_package_of_the_lock_has_hashes_and_no_index_is_named():
    assert all(count for versions in lock().values() for count in versions.values())
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_what_the_package_needs_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {canonical(name) for name in project["dependencies"]} <= set(requirements("requirements.txt"))


def test_citation_names_the_paper():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    (paper,) = cff["references"]
    assert paper["title"].startswith("A Self-Attention Based Hybrid CNN-LSTM")
    assert [author["family-names"] for author in paper["authors"]][::5] == ["Bhushan", "Deepak"]


def test_ci_script_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


@pytest.fixture
def project(tmp_path):
    """Return a function that runs make, as from a terminal, on a project in a folder with a space in its name."""
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    folder = tmp_path / "my project"
    folder.mkdir()
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    (folder / "requirements.lock").write_text(LOCK)
    (folder / "pyproject.toml").touch()
    python = tmp_path / "python3.12"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "SERMODULES", "MFLAGS"))}
    path = [folder for folder in env["PATH"].split(os.pathsep) if not Path(folder, "uv").exists()]
    env |= {"LOG": str(tmp_path / "log"), "PWD": str(tmp_path), "PATH": os.pathsep.join([str(tmp_path / "own"), *path])}

    def make(*arguments, **variables):
        command = ["make", "-C", str(folder), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env | variables, capture_output=True, text=True)

    make.folder, make.python, make.stop, make.log = folder, python, tmp_path / "stop", tmp_path / "log"
    return make


def calls(make):
    """Return what the fake Python and the fake uv were asked since the last time."""
    lines = make.log.read_text().splitlines() if make.log.exists() else []
    make.log.unlink(missing_ok=True)
    return lines


def put_uv(path):
    """Put the fake uv somewhere."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(FAKE_UV)
    path.chmod(0o755)


# What is installed, in this order, by whichever of the two.
STEPS = [
    "--quiet --require-hashes -r .venv/setuptools.lock",
    "--require-hashes --no-build-isolation -r requirements.lock",
    "--quiet --no-deps --no-build-isolation -e .",
]
BY_UV = [f"pip install --compile-bytecode --python .venv/bin/python {step}" for step in STEPS]
BY_PIP = [f"-m pip install --disable-pip-version-check {step}" for step in STEPS]
GET_UV = "-m pip install --disable-pip-version-check --quiet --only-binary :all: --require-hashes -r .venv/uv.lock"


def installed(make):
    """Return what was installed since the last time, by `uv NAME` its full path, and by pip."""
    lines = [line.removesuffix(" []") for line in calls(make)]
    return [line for line in lines if "pip install" in line]


def test_the_lock_has_uv_and_make_lock_uses_it():
    assert requirements("requirements.txt")["uv"] in lock()["uv"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "$(BIN)/uv pip compile" in makefile


def test_uv_of_the_lock_installs(project, tmp_path):
    put_uv(tmp_path / "uv")
    told = project("env", f"PYTHON={project.python}")
    assert told.returncode == 0 and "which takes some minutes" not in told.stderr
    mine = project.folder / ".venv" / "bin" / "uv"
    assert installed(project) == [GET_UV, *(f"{mine} {step}" for step in BY_UV)]
    assert (project.folder / ".venv" / "uv.lock").read_text() == "uv==4 \\\n    --hash=u\n"


def test_the_users_own_uv_goes_first(project, tmp_path):
    put_uv(tmp_path / "own" / "uv")
    assert project("env", f"PYTHON={project.python}").returncode == 0
    assert installed(project) == [f"{tmp_path}/own/uv {step}" for step in BY_UV]


def test_pip_installs_where_uv_cannot_be_had_and_says_so(project):
    told = project("env", f"PYTHON={project.python}")
    assert told.returncode == 0 and "uv cannot be had here" in told.stderr
    assert installed(project) == [GET_UV, *BY_PIP]


def test_pip_installs_where_uv_fails_and_says_so(project, tmp_path):
    put_uv(tmp_path / "uv")
    (tmp_path / "stop-uv").touch()
    told = project("env", f"PYTHON={project.python}")
    assert told.returncode == 0 and "uv could not install" in told.stderr
    assert [line.partition("/uv ")[2] or line for line in installed(project)] == [GET_UV, BY_UV[0], *BY_PIP]
    project.stop.touch()
    (project.folder / "requirements.lock").write_text(LOCK + "x==1\n")
    later = (project.folder / ".venv" / ".complete").stat().st_mtime + 10
    os.utime(project.folder / "requirements.lock", (later, later))
    assert project("env", f"PYTHON={project.python}").returncode != 0  # neither can
    assert (project.folder / ".venv" / ".complete").stat().st_mtime < later


def test_set_up_happens_once_and_again_when_the_lock_changes(project, tmp_path):
    put_uv(tmp_path / "own" / "uv")
    chosen = f"PYTHON={project.python}"
    assert project("env", chosen).returncode == 0
    assert "-m venv .venv []" in calls(project)
    assert (project.folder / ".venv" / "setuptools.lock").read_text() == "setuptools==2 \\\n    --hash=y\n    # via z\n"
    assert project("env", chosen).returncode == 0
    assert calls(project) == []
    later = (project.folder / ".venv" / ".complete").stat().st_mtime + 10
    os.utime(project.folder / "requirements.lock", (later, later))
    assert project("env", chosen).returncode == 0
    assert [line.partition("/uv ")[2] for line in calls(project)] == BY_UV  # in place: no new environment


def test_interrupted_set_up_starts_over(project):
    chosen = f"PYTHON={project.python}"
    project.stop.touch()
    assert project("env", chosen).returncode != 0
    (project.folder / ".venv" / "half").touch()
    calls(project)
    project.stop.unlink()
    assert project("env", chosen).returncode == 0
    assert calls(project)[1].startswith("--version") and not (project.folder / ".venv" / "half").exists()


def test_unsuitable_python_is_refused_with_what_to_do(project):
    project.python.write_text("#!/bin/sh\nexit 1\n")
    result = project("env", f"PYTHON={project.python}")
    assert result.returncode != 0 and not (project.folder / ".venv").exists()
    assert str(project.python) in result.stderr and "make PYTHON=" in result.stderr


def test_corpora_folder_reaches_every_step_as_an_absolute_path(project, tmp_path):
    (tmp_path / "my corpora").mkdir()
    project("study", f"PYTHON={project.python}", SERMODULES_DATA="my corpora")
    assert f"-m sermodules corpora make synthetic [{tmp_path / 'my corpora'}]" in calls(project)
    project("study", "SERMODULES_DATA=my corpora")
    assert f"-m sermodules corpora make synthetic [{tmp_path / 'my corpora'}]" in calls(project)
    result = project("study", SERMODULES_DATA="nowhere")
    assert result.returncode != 0 and '"nowhere"' in result.stderr and calls(project) == []
