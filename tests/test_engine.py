"""The engine of studies: warm workers, clusters, and what happens when something is killed, full, missing or tampered with."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import yaml
from conftest import write_tones

from sermodules import scheduling, store, study, training
from sermodules.errors import ConfigError, StudyError

TINY = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none"}
QUICK = {"preset": "smoke", "model": "stratified"}


def write(folder, **content):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({"name": "s", "folds": "all", "seeds": [1]} | content))
    return path


def sermodules(*arguments, **kwargs):
    command = [sys.executable, "-m", "sermodules", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


def driver(path, out, *options):
    """Start a study in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "sermodules", "study", "run", str(path), "--out", str(out), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell ignores it
    )  # fmt: skip


def contents(out):
    """Return every file of every finished run, with what is in it and when it was written."""
    folders = [folder for folder in Path(out).iterdir() if store.is_done(folder)] if Path(out).is_dir() else []
    return {file: (file.stat().st_mtime_ns, file.read_bytes()) for folder in folders for file in folder.iterdir()}


def only_runs(plan, out):
    """Tell that every run is there once, and that nothing but runs and the engine's own files is."""
    names = {path.name for path in Path(out).iterdir()} - {study.LOCK, study.STATE, study.LOG, "failed"}
    return names == {config.run_id for config in plan.configs}


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def notebook_of(path, *cells):
    """Write a notebook of code cells, the first of which takes the parameters."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in ("", *cells)]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def test_a_worker_starts_every_notebook_afresh(tmp_path):
    """No variable and no figure is left of the notebook before, and outputs are those of a kernel."""
    import papermill

    from sermodules import engine

    main = sys.modules["__main__"]
    first = notebook_of(
        tmp_path / "first.ipynb", "x = 1", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "1 / 0"
    )
    show = """from IPython.display import display
print('said')
fig, ax = plt.subplots()
display(fig, metadata={'image/png': {'alt': 'a'}})"""
    figures = "import matplotlib.pyplot as plt\nplt.get_fignums()"
    second = notebook_of(tmp_path / "second.ipynb", "'x' in globals(), y", figures, show)
    options = {"progress_bar": False, "engine_name": engine.NAME, "kernel_name": "python3"}
    with pytest.raises(papermill.exceptions.PapermillExecutionError, match="ZeroDivisionError"):
        papermill.execute_notebook(first, tmp_path / "first out.ipynb", **options)
    papermill.execute_notebook(second, tmp_path / "second out.ipynb", parameters={"y": 2}, **options)
    done = nbformat.read(tmp_path / "second out.ipynb", as_version=4)
    nbformat.validate(done)
    outputs = [cell.outputs for cell in done.cells if cell.cell_type == "code" and cell.outputs]
    assert outputs[0][0].data["text/plain"] == "(False, 2)"
    assert outputs[1][0].data["text/plain"] == "[]"
    assert outputs[2][0] == {"output_type": "stream", "name": "stdout", "text": "said\n"}
    assert outputs[2][1].data["image/png"].startswith("iVBOR") and outputs[2][1].metadata["image/png"]["alt"] == "a"
    assert sys.modules["__main__"] is main
    outputs = nbformat.read(tmp_path / "first out.ipynb", as_version=4).cells[-1].outputs
    assert [(output.output_type, output.ename) for output in outputs] == [("error", "ZeroDivisionError")]


def test_a_warm_worker_a_script_and_no_notebook_give_the_same_bytes(tmp_path, tones):
    settings = {"corpus": tones, **TINY}
    path = write(tmp_path, settings=settings, folds=[1, 2])
    plan = study.load(path)
    for name, notebooks in (("with", True), ("without", False)):
        assert not study.run(plan, tmp_path / name, 1, notebooks=notebooks, report=lambda line: None)
        assert only_runs(plan, tmp_path / name)
    for config in plan.configs:  # the second run of the worker, and the first of another process
        with_, without = (tmp_path / name / config.run_id for name in ("with", "without"))
        assert (with_ / "run.ipynb").is_file() and not (without / "run.ipynb").exists()
        training.run(config, tmp_path / "script", report=False)
        expected = (tmp_path / "script" / config.run_id / "predictions.csv").read_bytes()
        assert (with_ / "predictions.csv").read_bytes() == (without / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_study_goes_on(tmp_path, tones, end):
    path = write(tmp_path, settings={"corpus": tones, **TINY}, folds=[1, 2, 3])
    plan, out = study.load(path), tmp_path / "runs"
    running = driver(path, out, "--workers", "1")
    wait_until(lambda: study.done(plan, out))
    below = psutil.Process(running.pid).children(recursive=True)
    assert below
    running.send_signal(end)
    _, errors = running.communicate(timeout=60)
    if end == signal.SIGINT:
        assert running.returncode == 130 and "Go on with: sermodules study run" in errors and "Traceback" not in errors
    _, alive = psutil.wait_procs(below, timeout=30)
    assert not alive  # no worker goes on
    kept = contents(out)
    assert 1 <= len(study.done(plan, out)) < 3
    again = sermodules("study", "run", path, "--out", out)
    assert again.returncode == 0, again.stderr
    assert only_runs(plan, out)
    assert kept.items() <= contents(out).items()


def test_twenty_kills(tmp_path, tones):
    """Driver and workers are killed at random; each run is done once, nothing finished is touched, no process stays."""
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=list(range(1, 31)))
    plan, out, chance = study.load(path), tmp_path / "runs", random.Random(0)
    kills, kept, below = {"driver": 0, "worker": 0}, {}, set()

    def workers():
        found = psutil.Process(running.pid).children(recursive=True)
        below.update(found)
        return [process for process in found if "sermodules.runner" in _command(process)]

    running = driver(path, out, "--workers", "2")
    while sum(kills.values()) < 20:
        wait_until(workers)
        time.sleep(chance.uniform(0, 6))
        assert running.poll() is None, f"all runs were done after {kills}"
        victim = "driver" if chance.random() < 0.4 else "worker"
        if victim == "worker":
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                chance.choice(workers()).kill()
                kills["worker"] += 1
            continue
        workers()
        running.kill()
        running.communicate(timeout=60)
        kills["driver"] += 1
        now = contents(out)
        assert kept.items() <= now.items()
        kept = now
        running = driver(path, out, "--workers", "2", "--retry-failed")
    running.communicate(timeout=400)
    last = sermodules("study", "run", path, "--out", out, "--retry-failed")
    assert last.returncode == 0, last.stdout + last.stderr
    assert min(kills.values()) >= 5
    assert only_runs(plan, out) and len(study.done(plan, out)) == len(plan.configs)
    assert kept.items() <= contents(out).items()
    _, alive = psutil.wait_procs(below, timeout=30)
    assert not alive


def _command(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_run_that_kills_its_workers_fails_and_the_others_go_on(tmp_path, tones, monkeypatch):
    source = notebook_of(
        tmp_path / "dies.ipynb",
        "import os, signal\nif fold == 1:\n    os.kill(os.getpid(), 9)",
        "from sermodules import training\nfrom sermodules.config import RunConfig\n"
        "training.run(RunConfig.from_notebook(globals()), out, report=False)",
    )
    monkeypatch.setattr(study, "notebook", lambda: source)
    monkeypatch.setattr(scheduling, "ATTEMPTS", 2)
    plan, out = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1, 2])), tmp_path / "runs"
    failed = study.run(plan, out, 1, report=lambda line: None)
    assert list(failed) == [plan.configs[0]] and "its process died 2 times" in failed[plan.configs[0]]
    assert list(study.done(plan, out)) == [plan.configs[1]]
    monkeypatch.undo()
    lines = []
    assert study.run(plan, out, 1, report=lines.append) == failed and "--retry-failed" in lines[-1]
    assert not study.run(plan, out, 1, report=lines.append, retry_failed=True)
    assert only_runs(plan, out) and not list((out / "failed").iterdir())


def test_failed_runs_are_recorded_with_their_traceback(tmp_path, tones):
    plan, out = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1, 9])), tmp_path / "runs"
    failed = study.run(plan, out, 1, notebooks=False, report=lambda line: None)
    assert [config.fold for config in failed] == [9]
    record = json.loads((out / "failed" / f"{plan.configs[1].run_id}.json").read_text())
    assert "fold 9 does not exist" in record["error"] and "Traceback" in record["traceback"]
    assert record["config"]["fold"] == 9


def test_three_workers_of_a_cluster_one_of_them_killed(tmp_path, tones):
    """A scheduler and three workers on loopback, which share no folder with the driver; one dies, one has another package."""
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=[1, 2, 3, 4, 5])
    plan, out, dask = study.load(path), tmp_path / "runs", [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = tmp_path / "scheduler.json"
    here = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    processes = [subprocess.Popen([*dask, "scheduler", *here, "--scheduler-file", str(file)], **quiet)]
    try:
        wait_until(lambda: file.is_file() and file.read_text())
        worker = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        backends = (os.environ, os.environ, os.environ, os.environ | {"KERAS_BACKEND": "jax"})
        for number, environment in enumerate(backends):
            folder = tmp_path / f"worker {number}"
            folder.mkdir()
            processes.append(
                subprocess.Popen([*worker, "--local-directory", str(folder)], cwd=folder, env=environment, **quiet)
            )
        running = driver(path, out, "--scheduler-file", str(file))
        wait_until(lambda: len(study.done(plan, out)) >= 5)
        processes[1].kill()
        told, errors = running.communicate(timeout=240)
        assert running.returncode == 0, told + errors
        assert only_runs(plan, out) and len(study.done(plan, out)) == 20
        assert told.count("is not used: KERAS_BACKEND is jax, here it is tensorflow") == 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_no_scheduler_and_no_fit_worker(tmp_path, tones, monkeypatch):
    plan = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1]))
    with pytest.raises(StudyError, match=r"no Dask scheduler answers at .*none\.json"):
        study.run(plan, tmp_path / "runs", scheduler_file=tmp_path / "none.json", report=lambda line: None)
    monkeypatch.setattr(scheduling, "probe", lambda expected, digests: ["keras is 1, here it is 2"])
    with pytest.raises(StudyError, match=r"(?s)no worker can do this study.*keras is 1, here it is 2"):
        study.run(plan, tmp_path / "runs", report=lambda line: None)


def test_a_worker_without_the_corpus_or_with_another_one_says_so(tmp_path, tones):
    reading = {"name": tones, "emotions": "four", "merge_excited": False, "scripted": False}
    told = scheduling.probe(
        scheduling.environment(), [(reading, "other"), (reading | {"name": "table:/none.csv"}, "x")]
    )
    assert (
        len(told) == 2 and "has other recordings or labels" in told[0] and "lacks the corpus table:/none.csv" in told[1]
    )


def test_status_from_another_terminal(tmp_path, tones):
    path, out = write(tmp_path, settings={"corpus": tones, **TINY}, folds=[1, 2, 3]), tmp_path / "runs"
    assert study.progress(out) is None
    running = driver(path, out, "--workers", "1")
    try:
        wait_until(lambda: (study.progress(out) or {}).get("done"))
        told = sermodules("study", "status", path, "--out", out)
        assert told.returncode == 0 and "study s is running: " in told.stdout and "now: model2" in told.stdout
        second = sermodules("study", "run", path, "--out", out)
        assert second.returncode == 1 and "another study is running" in second.stderr
    finally:
        running.kill()
        running.communicate()
    assert study.progress(out) is None and "[1/3] model2" in (out / study.LOG).read_text()


def test_damaged_runs_are_found_and_done_again_on_request(tmp_path, tones):
    path, out = write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1, 2, 3]), tmp_path / "runs"
    plan = study.load(path)
    study.run(plan, out, 1, report=lambda line: None)
    first, second, third = (out / config.run_id for config in plan.configs)
    (first / "predictions.csv").write_bytes((first / "predictions.csv").read_bytes()[:100])
    (second / "SHA256SUMS").unlink()
    told = sermodules("study", "status", path, "--out", out, "--verify")
    assert told.returncode == 1 and "1 of 3 runs are done" in told.stdout
    assert "predictions.csv is not what was written" in told.stdout and "was never completed" in told.stdout
    assert sermodules("study", "run", path, "--out", out).returncode == 1
    kept = contents(out)
    assert sermodules("study", "run", path, "--out", out, "--redo").returncode == 0
    assert len(study.done(plan, out)) == 3 and kept.items() <= contents(out).items()
    assert len(list((out / "damaged").iterdir())) == 2  # nothing is thrown away
    assert sermodules("study", "status", path, "--out", out, "--verify").returncode == 0
    assert third.is_dir()


def test_a_full_disk_is_named_and_the_study_goes_on_when_there_is_room(tmp_path, tones):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no right to mount a small tmpfs here: the disk cannot be filled")
    try:
        plan = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=[1, 2]))
        path = tmp_path / "s.yaml"
        full = sermodules("study", "run", path, "--out", disk / "runs", "--workers", "1")
        assert full.returncode == 1 and "No space left on device" in full.stderr and "Traceback" not in full.stderr
        finished = study.done(plan, disk / "runs")
        assert len(finished) < 8
        assert {p.name for p in (disk / "runs").iterdir() if not p.name.startswith((".", "study.log"))} == {
            config.run_id for config in finished
        }
        kept = contents(disk / "runs")
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        again = sermodules("study", "run", path, "--out", disk / "runs", "--workers", "1")
        assert again.returncode == 0, again.stdout + again.stderr
        assert only_runs(plan, disk / "runs") and kept.items() <= contents(disk / "runs").items()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_home_and_strange_folders(tmp_path):
    corpus = write_tones(tmp_path / "Körper mit Raum")
    path = write(tmp_path, settings={"corpus": f"table:{corpus}", **QUICK}, folds=[1])
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "IPYTHONDIR")}
    out = tmp_path / "Läufe und mehr"
    done = sermodules("study", "run", path, "--out", out, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert only_runs(study.load(path), out)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, tones):
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1])
    (tmp_path / "file").write_text("")  # root may write anywhere, but not below a file
    told = sermodules("study", "run", path, "--out", tmp_path / "file")
    assert told.returncode == 1 and "Choose another folder with --out" in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nname: *b", "alias"),
        ('name: s\nseeds: [1]\nfolds: [1]\nsettings: {\'__import__("os").system("true")\': 1}', "unknown parameter"),
        ("name: s\nseeds: [1]\nfolds: [1]\nsettings: {corpus: [1]}", "'corpus'"),
        ("name: " + "[" * 2000, "valid YAML"),
    ],
)
def test_hostile_study_files_are_refused_before_anything_runs(tmp_path, text, words):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        study.load(path)
    assert len(str(caught.value)) < 5000
