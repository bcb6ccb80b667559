"""Homes that are missing, environments of others, folders that several people use, and checkouts that may only be read."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
import yaml
from conftest import write_tones
from IPython.core.profiledir import ProfileDir

from sermodules import corpora, files, paths, study
from sermodules.__main__ import main
from sermodules.errors import CorpusError, SermodulesError, StoreError
from sermodules.runs import store
from sermodules.study import progress

ROOT = Path(__file__).parents[1]
SOMEBODY, ELSE, GROUP = 12345, 12346, 12340


def write(folder, corpus, **content):
    path = folder / "s.yaml"
    settings = {"corpus": corpus, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1], "seeds": [1]} | content))
    return path


def rights(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tones):
    """Return the folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    plan = study.load(write(folder, tones))
    assert not study.run(plan, folder / "runs", 1, notebooks=False, tell=lambda line: None)
    return folder / "runs" / plan.configs[0].run_id


@pytest.fixture
def umask():
    """Set the umask for a test; give it back."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


@pytest.fixture
def place():
    """Return a folder that others may read: those of pytest are for its own user."""
    folder = Path(tempfile.mkdtemp(prefix="sermodules-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def common():
    """Return a copy of the project, a Python and a corpus of tones that everybody may read; skip without rights."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become another user, by setpriv")
    python = shutil.which("python3", path="/usr/bin")
    version = "import sys; print(*sys.version_info[:2])"
    same = python and subprocess.run([python, "-c", version], capture_output=True, text=True).stdout.split()
    if same != [str(number) for number in sys.version_info[:2]]:
        pytest.skip("no /usr/bin/python3 of the environment's minor version, which every user may start")
    folder = Path(tempfile.mkdtemp(prefix="sermodules-"))
    shutil.copytree(ROOT / "sermodules", folder / "sermodules", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("_build"))
    shutil.copyfile(ROOT / "_toc.yml", folder / "_toc.yml")
    tones = write_tones(folder / "tones")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder, python, f"table:{tones}"
    shutil.rmtree(folder)


def as_user(common, user, *arguments, umask="022", cwd=None, **variables):
    """Run the package as another user, who is in a group with others, has no home, and may not write the environment."""
    folder, python, _ = common
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={user},{GROUP}"]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"}
    env["PYTHONPATH"] = f"{folder}:{sysconfig.get_path('purelib')}"
    command = [
        "sh",
        "-c",
        f'umask {umask}; exec "$@"',
        "sh",
        *become,
        python,
        "-P",
        "-m",
        "sermodules",
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=cwd or folder, env=env | variables, capture_output=True, text=True)


def own(folder, user, mode=0o755, group=None):
    folder.mkdir()
    os.chown(folder, user, user if group is None else group)
    folder.chmod(mode)
    return folder


# --- homes, and environments of others (case 32)


def test_no_home_and_an_environment_of_somebody_else(common, place):
    runs, cache = own(place / "runs", SOMEBODY), own(place / "cache", SOMEBODY)
    settings = {
        "corpus": common[2],
        "preset": "smoke",
        "width": 1 / 64,
        "conv_layers": 1,
        "epochs": 1,
        "gender": "none",
    }
    path = write(place, common[2], settings=settings)
    hostile = {"NUMBA_CACHE_DIR": "/nonexistent", "IPYTHONDIR": "/nonexistent/i", "MPLCONFIGDIR": "/nonexistent/m"}
    done = as_user(
        common, SOMEBODY, "study", "run", path, "--workers", 1, "--out", runs, SERMODULES_CACHE=str(cache), **hostile
    )
    assert done.returncode == 0 and "1 runs in" in done.stdout, done.stdout + done.stderr
    assert "not a writable" not in done.stderr and "temporary" not in done.stderr
    (mine,) = (cache / "libraries").iterdir()
    assert mine.name.startswith(f"{SOMEBODY}-cpython-") and rights(mine) == "0o700"


def test_the_folder_of_libraries_is_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(paths.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    folder = paths.libraries_root()
    assert folder.is_relative_to(tmp_path / "cache") and not folder.exists()
    paths.make_libraries()
    assert rights(folder) == "0o700" and paths.libraries_root() == folder
    folder.chmod(0o770)  # numba's files are code: whoever may write there could run something as me
    assert paths.libraries_root().is_relative_to(tmp_path / "tmp")
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("")
    assert paths.libraries_root().is_relative_to(tmp_path / "tmp")
    (tmp_path / "tmp").rmdir()
    (tmp_path / "tmp").write_text("")
    assert paths.libraries_root() is None
    paths.make_libraries()  # nothing to make

    def none():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(paths.tempfile, "gettempdir", none)
    assert paths.libraries_root() is None


def test_ipython_finds_its_folder_where_no_rights_can_be_set(tmp_path, monkeypatch):
    """A run with a notebook needs it, also if the cache is on such a disk."""

    def refused(path, *arguments, **options):
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "chmod", refused)
    (tmp_path / "other").mkdir()
    with pytest.raises(PermissionError, match="README"):
        ProfileDir.create_profile_dir_by_name(str(tmp_path / "other"), "default")
    paths.make_libraries()
    ProfileDir.create_profile_dir_by_name(str(paths.libraries_root() / "ipython"), "default")


def test_a_link_in_the_folder_for_temporary_files_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths.tempfile, "tempdir", str(tmp_path))
    name = paths.libraries_root().name
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    assert paths.libraries_root() is None


@pytest.mark.parametrize("name", ["SERMODULES_RUNS", "SERMODULES_CACHE", "SERMODULES_DATA"])
def test_a_home_that_is_not_there_is_named(monkeypatch, name):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv(name, "~/x")
    monkeypatch.setattr(Path, "expanduser", no_home)
    root = {"RUNS": paths.runs_root, "CACHE": paths.cache_root, "DATA": paths.data_roots}[
        name.removeprefix("SERMODULES_")
    ]
    with pytest.raises(SermodulesError, match=f"{name} is '~/x', and there is no home folder"):
        root()


# --- the umask and the group (case 33)


@pytest.mark.parametrize(
    ("mask", "folder", "file"), [(0o022, "0o755", "0o644"), (0o077, "0o700", "0o600"), (0, "0o777", "0o666")]
)
def test_elsewhere_the_umask_decides(tmp_path, umask, mask, folder, file):
    umask(mask)
    (tmp_path / "runs").mkdir(0o755)
    (tmp_path / "runs").chmod(0o755)
    with files.staging(tmp_path / "runs", "x") as staged:
        assert rights(staged) == folder
        (staged / "file").write_text("")
        files.share_all(staged)
        assert rights(staged / "file") == file


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_in_a_folder_of_a_group_everything_is_the_groups(tmp_path, finished, umask, mask):
    """Runs, failures, runs that are set aside, locks, logs, reports, features."""
    out, cache = tmp_path / "runs", tmp_path / "cache"
    for folder in (out, cache):
        folder.mkdir()
        folder.chmod(0o2770)
    umask(mask)
    store.save(store.load(finished), out)
    files.make_folder(out / "failed")
    with files.whole_file(out / progress.STATE) as file:
        file.write(b"{}")
    files.make_folder(cache / "features" / "deep")
    found = [path for folder in (out, cache) for path in folder.rglob("*")]
    assert len(found) >= 10
    for path in found:
        mode = path.stat().st_mode
        wanted = 0o060 | (0o010 | stat.S_ISGID if path.is_dir() else 0)
        assert mode & wanted == wanted, path


def test_a_folder_for_everybody_is_no_groups(tmp_path, umask):
    umask(0o077)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    files.make_folder(tmp_path / "tmp" / "runs")
    assert rights(tmp_path / "tmp" / "runs") == "0o700"


def test_two_people_one_after_the_other(common, place):
    """The first has umask 077; the second goes on, reports, and finds what the first left."""
    out = own(place / "runs", SOMEBODY, 0o2770, GROUP)
    cache = own(place / "cache", SOMEBODY, 0o2770, GROUP)
    path = write(place, common[2], folds=[1, 2])
    options = ["--workers", 1, "--no-notebooks", "--out", out]
    variables = {"SERMODULES_CACHE": str(cache)}
    first = as_user(common, SOMEBODY, "study", "run", path, "--folds", 1, *options, umask="077", **variables)
    assert first.returncode == 0, first.stdout + first.stderr
    second = as_user(common, ELSE, "study", "run", path, *options, umask="077", **variables)
    assert second.returncode == 0 and "2 runs, 1 done before" in second.stdout, second.stdout + second.stderr
    for user in (SOMEBODY, ELSE):
        told = as_user(common, user, "study", "report", path, "--out", out, umask="077", **variables)
        assert told.returncode == 0, told.stderr
    assert {path.stat().st_gid for path in out.rglob("*")} == {GROUP}
    libraries = {path.name.partition("-")[0]: path.stat().st_uid for path in (cache / "libraries").iterdir()}
    assert libraries == {str(SOMEBODY): SOMEBODY, str(ELSE): ELSE}


def test_what_may_not_be_read_is_one_sentence_with_file_and_owner(common, place):
    out, cache = own(place / "runs", SOMEBODY), own(place / "cache", SOMEBODY)
    path, variables = write(place, common[2]), {"SERMODULES_CACHE": str(cache)}
    first = as_user(common, SOMEBODY, "study", "run", path, "--no-notebooks", "--out", out, umask="077", **variables)
    assert first.returncode == 0, first.stdout + first.stderr
    for action in ("status", "report"):
        told = as_user(common, ELSE, "study", action, path, "--out", out, **variables)
        (last,) = (line for line in told.stderr.splitlines() if not line.endswith(" ..."))
        assert told.returncode == 1 and last.startswith(f"Error: {out}/") and "Traceback" not in told.stderr
        assert f"Permission denied ({out}/" in last and f"belongs to user {SOMEBODY}" in last
    told = as_user(common, ELSE, "study", "run", path, "--out", out, **variables)
    assert told.returncode == 1 and f"user {SOMEBODY}" in told.stderr and "--out" in told.stderr


def test_a_file_that_may_not_be_read_is_not_missing(finished, monkeypatch):
    """Else the run would be done again."""
    folder, whole = finished, Path.read_bytes

    def refused(path):
        if path.name == "predictions.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    for ask in (store.is_done, store.verify, store.load):
        with pytest.raises(StoreError, match=rf"predictions\.csv: Permission denied \({folder}.* belongs to"):
            ask(folder)


def test_a_command_names_whatever_it_may_not_read(monkeypatch, capsys):
    def refused():
        raise PermissionError(13, "Permission denied", "/")

    monkeypatch.setattr(corpora, "status", refused)
    with pytest.raises(SystemExit) as ended:
        main(["corpora"])
    told = capsys.readouterr().err.splitlines()
    assert ended.value.code == 1 and told[-1].startswith("Error: /: Permission denied (/ belongs to ")


def test_other_refusals_are_told_as_they_are():
    assert files.refusal(OSError(28, "No space left on device", "/x")) == "[Errno 28] No space left on device: '/x'"
    assert files.refusal(PermissionError("no")) == "no"


# --- a checkout that may only be read (case 37)


def test_a_checkout_that_may_only_be_read(common, place):
    data = own(place / "data", SOMEBODY)
    refused = as_user(common, SOMEBODY, "corpora", "make", "synthetic", cwd=data, SERMODULES_CACHE=str(data / "cache"))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    for name in ("SERMODULES_DATA", "SERMODULES_CACHE", "SERMODULES_RUNS", "--to"):
        assert name in refused.stderr


@pytest.fixture
def made(monkeypatch):
    """Make a synthetic corpus of one file."""
    monkeypatch.setattr(corpora.synthetic, "make", lambda folder, variant: files.make_folder(folder / variant))
    monkeypatch.setattr(paths, "project_root", lambda: Path("/nonexistent/checkout"))


def test_a_corpus_is_made_where_one_may_write(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "data", tmp_path / "new"):
        monkeypatch.setenv("SERMODULES_DATA", str(root))
        assert corpora.make("synthetic") == root / "synthetic" and corpora.make("synthetic") == root / "synthetic"
    assert corpora.make("synthetic-gender-decisive", tmp_path / "any" / "name") == tmp_path / "any" / "name"
    assert [path.name for path in (tmp_path / "any" / "name").iterdir()] == ["synthetic-gender-decisive"]
    monkeypatch.setenv("SERMODULES_DATA", str(tmp_path / "file" / "data"))
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path / "checkout")
    assert corpora.make("synthetic") == tmp_path / "checkout" / "data" / "synthetic"
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path / "file")
    with pytest.raises(CorpusError, match=r"SERMODULES_DATA.*SERMODULES_CACHE.*SERMODULES_RUNS.*--to FOLDER"):
        corpora.make("synthetic")
    with pytest.raises(SermodulesError, match="emodb is not made by program"):
        corpora.make("emodb")
