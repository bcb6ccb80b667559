"""Studies on one machine that sleeps, on a site with a Dask configuration, with a full TMPDIR, on disks that know no rights."""

import ast
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from conftest import cache_with_libraries
from IPython import get_ipython
from test_engine import disk, notebook_of

from sermodules import files, study
from sermodules.errors import StudyError
from sermodules.models import reuse
from sermodules.runs import store
from sermodules.study import crew, progress, published, runner, scheduling, worker
from sermodules.study import notebook as engine


def write(folder, corpus, **content):
    path = folder / "s.yaml"
    settings = {"corpus": corpus, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1, 2], "seeds": [1]} | content))
    return path


def command(path, out, *options):
    return [
        sys.executable,
        "-m",
        "sermodules",
        "study",
        "run",
        str(path),
        "--workers",
        "1",
        "--out",
        str(out),
        *options,
    ]


def all_done(path, out):
    """Tell that every run is there, that none failed, and that nothing else was left."""
    plan = study.load(path)
    left = {file.name for file in Path(out).iterdir()} - {progress.LOCK, progress.STATE, progress.LOG}
    return left == {config.run_id for config in plan.configs} and len(study.done(plan, out)) == len(plan.configs)


def test_a_sleeping_machine_goes_on(tmp_path, tones):
    """The whole process group is stopped, as Ctrl-Z and a closed lid do, for longer than the site's patience."""
    path, out = write(tmp_path, tones, seeds=[1, 2]), tmp_path / "runs"
    impatient = os.environ | {
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s",
        "DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "5s",
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
    }
    running = subprocess.Popen(
        command(path, out),
        env=impatient,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not (out.is_dir() and (study.running(out) or {}).get("running")):
            assert time.monotonic() < deadline and running.poll() is None, "it did not begin"
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGSTOP)
        time.sleep(12)
        os.killpg(running.pid, signal.SIGCONT)
        told, _ = running.communicate(timeout=400)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert running.returncode == 0, told
    assert "waiting" not in told and "is not used" not in told and "FAILED" not in told
    assert all_done(path, out)


def test_one_machine_needs_no_dask(tmp_path, tones):
    """Not even one whose configuration cannot be read."""
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "site.yaml").write_text("distributed: [worker: {\n")
    path, out = write(tmp_path, tones, folds=[1]), tmp_path / "runs"
    code = (
        f"import sys; from sermodules import study; plan = study.load({str(path)!r})\n"
        f"study.run(plan, {str(out)!r}, 1, notebooks=False)\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"DASK_CONFIG": str(tmp_path / "dask")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_done(path, out)


class Crew:
    """A cluster whose scheduler is lost while this machine sleeps."""

    one = False

    def __init__(self, pool=None, ends=True):
        self.pool, self.ends = pool, ends

    def there(self):
        if self.ends:
            raise StudyError(crew.GONE)
        return set()


def test_a_driver_that_slept_says_how_to_go_on():
    lines = []
    pool = scheduling.Pool(Crew(), None, (), {}, lines.append)
    with pytest.raises(StudyError) as caught:
        list(pool.compute(["a run"]))
    assert str(caught.value) == crew.GONE
    pool.looked -= 11 * 60
    with pytest.raises(StudyError, match=r"slept for 11 minutes and has lost the scheduler.* the same command goes on"):
        list(pool.compute(["a run"]))
    pool = scheduling.Pool(Crew(ends=False), None, (), {}, lines.append)
    pool.looked -= 11 * 60
    pool._look()
    assert lines == ["no worker is there: waiting for one (this machine slept for 11 minutes; start them again)"]


# --- places


def test_a_full_folder_for_temporary_files_matters_to_nobody(tmp_path, tones):
    path, out = write(tmp_path, tones), tmp_path / "runs"
    with disk(tmp_path / "tmp", "size=8k") as (folder, _):
        (folder / "full").write_bytes(b"x" * 8192) if shutil.disk_usage(folder).free >= 8192 else None
        done = subprocess.run(
            command(path, out), env=os.environ | {"TMPDIR": str(folder)}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_done(path, out)


@pytest.mark.parametrize("way", ["notebook", "package"])
def test_what_belongs_to_the_machine_ends_the_study_and_fails_no_run(tmp_path, tones, monkeypatch, way):
    """The run's own folder fills up, while the run is computed."""
    path, out = write(tmp_path, tones), tmp_path / "runs"
    answer = {"error": "OSError: [Errno 28] No space left on device", "traceback": "", "machine": True}
    monkeypatch.setattr(runner.Runner, "run", lambda *arguments: dict(answer))
    with pytest.raises(StudyError, match=rf"No space left on device\. Runs are staged in {out}.*no run has failed"):
        study.run(study.load(path), out, 1, notebooks=way == "notebook", tell=lambda line: None)
    assert (
        not (out / "failed").exists() and not study.done(study.load(path), out) and not (out / progress.STAGED).exists()
    )


def test_a_process_that_has_grown_does_no_more_run(tmp_path, tones, monkeypatch):
    """TensorFlow keeps something of each training. The run counts; the next one has a new process."""
    path, out, used = write(tmp_path, tones), tmp_path / "runs", []
    real = runner.Runner.run

    def run(self, *arguments):
        used.append(self.process.pid)
        return real(self, *arguments) | {"worn": True}

    monkeypatch.setattr(runner.Runner, "run", run)
    assert not study.run(study.load(path), out, 1, notebooks=False, tell=lambda line: None)
    assert all_done(path, out) and len(set(used)) == 2


def test_how_much_a_process_may_grow(monkeypatch):
    for taken, growth in ((True, runner.GROWTH), (False, 2 * runner.GROWTH)):  # a partner's run is waited for
        monkeypatch.setattr(reuse.PREVIOUS, "taken", taken)
        assert runner._is_worn(growth + 1) and not runner._is_worn(growth)
    before = runner._own_memory()
    block = b"1" * 10**8
    assert 0.9 * len(block) < runner._own_memory() - before < 1.3 * len(block)


@pytest.mark.parametrize(
    ("name", "text", "machine"),
    [
        ("OSError", "[Errno 28] No space left on device: 'x'", True),
        ("StoreError", "cannot write the feature cache /x", True),
        ("PermissionError", "[Errno 13] Permission denied: '/x'", True),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'x'", False),
        ("ValueError", "28", False),
        ("ProtocolError", "fold 9 does not exist", False),
    ],
)
def test_errors_of_the_machine_are_told_from_those_of_a_run(name, text, machine):
    assert runner._failure(name, text, "")["machine"] is machine


def test_a_worker_of_a_cluster_without_room_is_refused_and_the_others_go_on():
    class Two(Crew):
        def __init__(self):
            self.orders = []

        def there(self):
            return {"full", "good"}

        def probe(self, name, *demands):
            return []

        def execute(self, name, settings, notebook):
            self.orders.append(name)
            return type(
                "Future",
                (),
                {"cancel": lambda self: None, "answer": {"unfit": "no room"} if name == "full" else {"files": {}}},
            )()

        def wait(self, begun):
            pass

        def outcome(self, future):
            return future if future == [] else future.answer

    class Config:
        def to_dict(self):
            return {}

    lines, two, config = [], Two(), Config()
    pool = scheduling.Pool(two, None, (), {config: 1}, lines.append)
    pool.fit = {"full"}  # asked first
    done = [found for found, _ in pool.compute([config]) if found is not None]
    assert done == [config] and two.orders == ["full", "good"]
    assert lines == ["worker full is not used: no room"]


def test_a_worker_that_cannot_stage_is_unfit(tmp_path, monkeypatch, tones):
    class Idle:
        threads = 2
        process = type("Process", (), {"poll": lambda self: None})()

    monkeypatch.setitem(worker._RUNNERS, ("w", "d"), Idle())
    config = study.load(write(tmp_path, tones)).configs[0]
    told = worker.do(config.to_dict(), ("w", "d"), tmp_path / "gone")
    assert os.strerror(errno.ENOENT) in told["unfit"] and str(tmp_path / "gone") in told["unfit"]


NO_CHMOD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
int chmod(const char *path, mode_t mode) {
  int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "chmod");
  if (strstr(path, "/nochmod/")) { errno = EPERM; return -1; }
  return real(path, mode);
}
int fchmodat(int at, const char *path, mode_t mode, int flags) {
  int (*real)(int, const char *, mode_t, int) = dlsym(RTLD_NEXT, "fchmodat");
  if (strstr(path, "/nochmod/")) { errno = EPERM; return -1; }
  return real(at, path, mode, flags);
}
"""


@pytest.fixture
def no_chmod(tmp_path):
    """Return an environment in which nobody may change the rights of anything below a folder ``nochmod``, and that folder."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc to make a disk on which chmod is refused")
    (tmp_path / "c.c").write_text(NO_CHMOD)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "c.so", tmp_path / "c.c", "-ldl"], check=True)
    (tmp_path / "nochmod").mkdir()
    return os.environ | {"LD_PRELOAD": str(tmp_path / "c.so")}, tmp_path / "nochmod"


def test_a_disk_without_rights_holds_runs_features_and_publications(no_chmod, tmp_path, tones):
    env, folder = no_chmod
    settings = {"corpus": tones, "preset": "smoke", "model": "dnn_elm", "epochs": 1}  # it keeps features
    path, out = write(tmp_path, tones, settings=settings, folds=[1]), folder / "runs"
    env = env | {"SERMODULES_CACHE": cache_with_libraries(folder / "cache")}
    code = f"import os; os.chmod({str(folder)!r} + '/', 0o700)"
    refused = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "PermissionError" in refused.stderr
    done = subprocess.run(command(path, out, "--no-notebooks"), env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_done(path, out)
    to = folder / "published" / "s"
    publish = [sys.executable, "-m", "sermodules", "study", "publish", str(path), "--out", str(out), "--to", str(to)]
    for _ in range(2):  # the second time, what is there is copied
        told = subprocess.run(publish, env=env, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        (to / "notes").mkdir(exist_ok=True)
        (to / "notes" / "README.md").write_text("mine")
    assert published.verify(to) == []


def test_copies_keep_what_is_below(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "README.md").write_text("x")
    (tmp_path / "a" / "left").write_text("y")
    (tmp_path / "b").mkdir()
    files.copy(tmp_path / "a", tmp_path / "b", leave_out=("left",))
    assert [path.relative_to(tmp_path / "b").as_posix() for path in sorted((tmp_path / "b").rglob("*"))] == [
        "deep",
        "deep/README.md",
    ]
    with pytest.raises(NotADirectoryError, match="left"):  # else publishing to a file would move it away
        files.copy(tmp_path / "a" / "left", tmp_path / "b")


# --- the notebook of a finished run


def test_a_saved_or_deleted_notebook_is_a_note(tmp_path, tones):
    path, out = write(tmp_path, tones), tmp_path / "runs"
    plan = study.load(path)
    assert not study.run(plan, out, 1, tell=lambda line: None)
    saved, deleted = (out / config.run_id / store.NOTEBOOK for config in plan.configs)
    held = json.loads(saved.read_text())
    held["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
    saved.write_text(json.dumps(held))
    (saved.parent / ".ipynb_checkpoints").mkdir()
    (saved.parent / ".ipynb_checkpoints" / "run-checkpoint.ipynb").write_text("{}")
    deleted.unlink()
    told = subprocess.run(
        [sys.executable, "-m", "sermodules", "study", "status", str(path), "--out", str(out), "--verify"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0 and "2 of 2 runs are done" in told.stdout
    assert f"Note: {saved.parent.name}: run.ipynb is not what was written" in told.stdout
    assert f"Note: {deleted.parent.name}: run.ipynb is missing" in told.stdout
    assert not study.run(plan, out, 1, tell=lambda line: None)  # nothing is missing
    assert len(study.results(plan, out)) == len(published.publish(plan, path, out, tmp_path / "published")) == 2


def test_a_notebook_is_saved_before_each_cell_that_runs_and_not_more_often(tmp_path, monkeypatch):
    """So whoever finds the notebook of a process that was killed sees where it was, and what came before."""
    out = tmp_path / "out.ipynb"
    look = f"import nbformat\nsaved = nbformat.read({str(out)!r}, as_version=4)\n" + (
        "[(cell.metadata.papermill.status, [output.text for output in cell.get('outputs', [])]) for cell in saved.cells]"
    )
    notebook = nbformat.read(notebook_of(tmp_path / "in.ipynb", "print(1)", look), as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell("words"))
    nbformat.write(notebook, tmp_path / "in.ipynb")
    written, write = [], papermill.engines.write_ipynb
    monkeypatch.setattr(papermill.engines, "write_ipynb", lambda nb, path: written.append(path) or write(nb, path))
    papermill.execute_notebook(
        str(tmp_path / "in.ipynb"), str(out), engine_name=engine.NAME, kernel_name="python3", progress_bar=False
    )
    (shown,) = nbformat.read(out, as_version=4).cells[-1].outputs
    before = [("completed", []), ("completed", ["1\n"]), ("completed", [])]
    assert ast.literal_eval(shown.data["text/plain"]) == [*before, ("running", [])]
    assert len(written) == 5  # at the start, before the three cells that run, at the end
    assert get_ipython() is None  # the shell is gone with its notebook
