"""What a run says of its code: taken when the package is imported, of this checkout alone, hidden files left out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sermodules
from sermodules.errors import StudyError
from sermodules.study import runner

PACKAGE = Path(sermodules.__file__).parent
DIGEST = "from sermodules.paths import code_digest; print(code_digest())"
TOLD = """
import json
from sermodules.runs import provenance
made = provenance.collect()
print(json.dumps([made["commit"], made["uncommitted_changes"], made["code"]]))
"""


@pytest.fixture
def checkout(tmp_path):
    """Copy the package into a folder that looks like a checkout."""
    folder = tmp_path / "outer" / "inner"
    shutil.copytree(PACKAGE, folder / "sermodules", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(PACKAGE.parent / "_toc.yml", folder / "_toc.yml")
    return folder


def told(checkout, code, **variables):
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(checkout)!r})\n{code}"],
        env=env | variables, cwd=checkout.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1]


def git(folder, *arguments):
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_hidden_files_do_not_count_and_names_do(checkout):
    first, package = told(checkout, DIGEST), checkout / "sermodules"
    for name in ("._metrics.py", ".#metrics.py", ".ipynb_checkpoints/metrics-checkpoint.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("broken(")
    assert told(checkout, DIGEST) == first
    (package / "folds" / "segments.py").rename(package / "models" / "segments.py")
    assert told(checkout, DIGEST) != first


def test_the_code_is_that_of_the_import_and_not_of_the_end(checkout):
    first = told(checkout, DIGEST)
    late = f"import sermodules, pathlib\npath = pathlib.Path({str(checkout / 'sermodules' / 'errors.py')!r})\n"
    late += "path.write_text(path.read_text() + '# changed')\n" + DIGEST
    assert told(checkout, late) == first != told(checkout, DIGEST)


def test_a_copy_in_another_repository_has_no_commit(checkout):
    outer = checkout.parent
    git(outer, "init", "-q", ".")
    git(outer, "commit", "-q", "--allow-empty", "-m", "homework")
    assert json.loads(told(checkout, TOLD))[:2] == [None, None]
    git(checkout, "init", "-q", ".")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "mine")
    mine = git(checkout, "rev-parse", "HEAD")
    assert json.loads(told(checkout, TOLD))[:2] == [mine, False]
    # what the environment says of git is not believed
    assert json.loads(told(checkout, TOLD, GIT_DIR=str(outer / ".git")))[:2] == [mine, False]
    (checkout / "sermodules" / ".#metrics.py").write_text("lock")
    assert json.loads(told(checkout, TOLD))[:2] == [mine, False]
    (checkout / "sermodules" / "new.py").write_text("")
    assert json.loads(told(checkout, TOLD))[:2] == [mine, True]


def test_the_commit_of_a_checkout_of_somebody_else_is_known(checkout):
    """Git asks for a setting before it tells anything of such a folder: a teacher's, for example."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    git(checkout, "init", "-q", ".")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "the teacher's")
    commit = git(checkout, "rev-parse", "HEAD")
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    assert json.loads(told(checkout, TOLD))[:2] == [commit, False]


def test_a_worker_computes_with_the_code_of_its_driver(checkout, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the working folder')\n")
    (tmp_path / "sermodules").mkdir()  # a second checkout
    (tmp_path / "sermodules" / "__init__.py").write_text("raise SystemExit('another checkout')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    process = runner.Runner(2)
    try:
        assert process.process.stdout.readline().strip() == runner.code_digest()
    finally:
        process.stop()
    monkeypatch.setattr(runner, "code_digest", lambda: "other")
    process = runner.Runner(2)
    with pytest.raises(StudyError, match="the package was changed while the study ran"):
        process._greet()
    assert process.process.poll() is not None
