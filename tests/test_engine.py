"""The engine of studies: warm workers, clusters, and what happens when something is killed, full, missing or tampered with."""

import ast
import contextlib
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import yaml
from conftest import FAILING, write_tones, write_uneven

from sermodules import files, runs, study
from sermodules.errors import ConfigError, SermodulesError, StoreError, StudyError
from sermodules.runs import store
from sermodules.study import crew, progress, published, scheduling, worker

ROOT = Path(__file__).parents[1]
TINY = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none"}
QUICK = {"preset": "smoke", "model": "stratified"}
ENDLESS = TINY | {"epochs": 10_000, "patience": 10_000}  # hours, if it is not stopped


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
    names = {path.name for path in Path(out).iterdir()} - {progress.LOCK, progress.STATE, progress.LOG, "failed"}
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


@contextlib.contextmanager
def cluster(folder, *workers):
    """Start a Dask scheduler on loopback and workers, each of which is given as its environment; yield the file and both.

    A worker does two runs at a time, so that two drivers can be at work on it. It works in a folder of its own.
    """
    dask, file = [sys.executable, "-m", "dask"], folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    here = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    processes = [subprocess.Popen([*dask, "scheduler", *here, "--scheduler-file", str(file)], **quiet)]
    try:
        wait_until(lambda: file.is_file() and file.read_text())
        command = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "2", "--no-nanny", "--no-dashboard"]
        for number, environment in enumerate(workers):
            (own := folder / f"worker {number}").mkdir()
            processes.append(
                subprocess.Popen([*command, "--local-directory", str(own)], cwd=own, env=environment, **quiet)
            )
        yield file, *map(psutil.Process, [process.pid for process in processes])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def runners(process):
    """Return the processes below this one that do runs."""
    found = process.children(recursive=True)
    return [child for child in found if "sermodules.study.runner" in " ".join(_command(child))]


def test_a_worker_starts_every_notebook_afresh(tmp_path):
    """No variable and no figure is left of the notebook before, and outputs are those of a kernel."""
    import papermill

    from sermodules.study import notebook

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
    options = {"progress_bar": False, "engine_name": notebook.NAME, "kernel_name": "python3"}
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
        assert not study.run(plan, tmp_path / name, 1, notebooks=notebooks, tell=lambda line: None)
        assert only_runs(plan, tmp_path / name)
    for config in plan.configs:  # the second run of the worker, and the first of another process
        with_, without = (tmp_path / name / config.run_id for name in ("with", "without"))
        assert (with_ / "run.ipynb").is_file() and not (without / "run.ipynb").exists()
        runs.run(config, tmp_path / "script", verbose=False)
        expected = (tmp_path / "script" / config.run_id / "predictions.csv").read_bytes()
        assert (with_ / "predictions.csv").read_bytes() == (without / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize("end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_twenty_kills(tmp_path, tones):
    """Driver and workers are killed at random; each run is done once, nothing finished is touched, no process stays."""
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=list(range(1, 31)))
    plan, out, chance = study.load(path), tmp_path / "runs", random.Random(0)
    kills, kept, below = {"driver": 0, "worker": 0}, {}, set()

    def workers():
        found = psutil.Process(running.pid).children(recursive=True)
        below.update(found)
        return [process for process in found if "sermodules.study.runner" in " ".join(_command(process))]

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


def test_run_that_kills_its_process(tmp_path, tones, monkeypatch):
    source = notebook_of(
        tmp_path / "dies.ipynb",
        "import os, signal\nif fold == 1:\n    os.kill(os.getpid(), 9)",
        "from sermodules import runs\nfrom sermodules.config import RunConfig\n"
        "runs.run(RunConfig.from_notebook(globals()), out, verbose=False)",
    )
    monkeypatch.setattr("sermodules.study.driver.source_notebook", lambda: source)
    monkeypatch.setattr(scheduling, "ATTEMPTS", 2)
    plan, out = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1, 2])), tmp_path / "runs"
    failed = study.run(plan, out, 1, tell=lambda line: None)
    assert list(failed) == [plan.configs[0]] and "its process died 2 times" in failed[plan.configs[0]]
    assert list(study.done(plan, out)) == [plan.configs[1]]
    monkeypatch.undo()
    lines = []
    assert study.run(plan, out, 1, tell=lines.append) == failed and "--retry-failed" in lines[-1]
    assert not study.run(plan, out, 1, tell=lines.append, retry_failed=True)
    assert only_runs(plan, out) and not list((out / "failed").iterdir())


def test_failed_runs_are_recorded(tmp_path):
    settings = {"corpus": write_uneven(tmp_path / "corpus"), **TINY, **FAILING}
    plan, out = study.load(write(tmp_path, settings=settings, folds=[1, 3])), tmp_path / "runs"
    failed = study.run(plan, out, 1, notebooks=False, tell=lambda line: None)
    assert [config.fold for config in failed] == [1]
    record = json.loads((out / "failed" / f"{plan.configs[0].run_id}.json").read_text())
    assert "needs women and men among the training speakers" in record["error"] and "Traceback" in record["traceback"]
    assert record["config"]["fold"] == 1


def test_killed_worker_of_a_cluster(tmp_path, tones):
    """A scheduler and three workers on loopback, which share no folder with the driver; one dies, one has another package."""
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=[1, 2, 3, 4, 5])
    plan, out = study.load(path), tmp_path / "runs"
    with cluster(tmp_path, *[os.environ] * 3, os.environ | {"KERAS_BACKEND": "jax"}) as (file, _, first, *_):
        running = driver(path, out, "--scheduler-file", str(file))
        wait_until(lambda: len(study.done(plan, out)) >= 5)
        first.kill()
        told, errors = running.communicate(timeout=240)
        assert running.returncode == 0, told + errors
        assert only_runs(plan, out) and len(study.done(plan, out)) == 20
        assert told.count("is not used: backend is jax, here it is tensorflow") == 1


def in_progress(out, done=0):
    """Tell that a study goes on, with so many runs done and one under way."""
    state = study.running(out)
    return state and state["done"] >= done and state["running"]


def test_scheduler_that_dies(tmp_path, tones):
    """Nothing hangs, no process stays, and what is finished is kept. So is it if the scheduler is stopped in good order."""
    grid = [{"model": ["stratified"]}, {name: [value] for name, value in ENDLESS.items()}]
    path = write(tmp_path, settings={"corpus": tones, "preset": "smoke"}, grid=grid, folds=[1])
    plan, out, kept = study.load(path), tmp_path / "runs", {}
    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM)):
        (tmp_path / str(number)).mkdir()
        with cluster(tmp_path / str(number), os.environ) as (file, scheduler, worker):
            running = driver(path, out, "--scheduler-file", str(file))
            wait_until(lambda worker=worker: in_progress(out, 1) and runners(worker))
            below = [*runners(worker), *psutil.Process(running.pid).children(recursive=True), worker]
            scheduler.send_signal(end)
            began = time.monotonic()
            _, errors = running.communicate(timeout=60)
            assert time.monotonic() - began < 30
            assert running.returncode == 1 and "Traceback" not in errors
            assert errors.splitlines()[1:] == ["Error: " + crew.GONE]  # after the word that it begins
            _, alive = psutil.wait_procs(below, timeout=30)
            assert not alive  # the worker gives up as well
        assert list(study.done(plan, out)) == [plan.configs[0]]
        assert kept.items() <= (kept := contents(out)).items()


def test_two_drivers_share_a_worker(tmp_path, tones, monkeypatch):
    slow = notebook_of(
        tmp_path / "slow.ipynb",
        f"import pathlib, time\nfolder = pathlib.Path({str(tmp_path)!r})",
        "with (folder / 'begun').open('a') as file:\n    file.write('x')",
        "while not (folder / 'go').exists():\n    time.sleep(0.1)",
        "from sermodules import runs\nfrom sermodules.config import RunConfig\n"
        "runs.run(RunConfig.from_notebook(globals()), out, verbose=False)",
    )
    monkeypatch.setattr("sermodules.study.driver.source_notebook", lambda: slow)
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1])
    plan, failed = study.load(path), []
    with cluster(tmp_path, os.environ) as (file, _, worker):
        options = {"scheduler_file": file, "tell": lambda line: None}
        first = threading.Thread(target=lambda: failed.append(study.run(plan, tmp_path / "first", **options)))
        first.start()
        wait_until((tmp_path / "begun").exists)
        [busy] = runners(worker)
        second = sermodules("study", "run", path, "--out", tmp_path / "second", "--scheduler-file", file)
        assert second.returncode == 0, second.stdout + second.stderr
        wait_until(lambda: runners(worker) == [busy])  # the second driver's own process is gone, the first's is not
        (tmp_path / "go").touch()
        first.join(timeout=120)
        assert failed == [{}] and (tmp_path / "begun").read_text() == "x"  # it was done once, without a break
        wait_until(lambda: not runners(worker))
    assert only_runs(plan, tmp_path / "first") and only_runs(plan, tmp_path / "second")


def test_killed_driver_of_a_cluster(tmp_path, tones):
    endless = write(tmp_path, settings={"corpus": tones, **ENDLESS}, folds=[1])
    (tmp_path / "quick").mkdir()
    quick = write(tmp_path / "quick", settings={"corpus": tones, **QUICK}, folds=[1])
    with cluster(tmp_path, os.environ) as (file, _, worker):
        running = driver(endless, tmp_path / "runs", "--scheduler-file", str(file))
        wait_until(lambda: in_progress(tmp_path / "runs") and runners(worker))
        running.kill()
        running.communicate()
        wait_until(lambda: not runners(worker), 30)  # nobody waits for this run any more
        again = sermodules("study", "run", quick, "--out", tmp_path / "others", "--scheduler-file", file)
        assert again.returncode == 0, again.stdout + again.stderr
        assert worker.is_running()


def test_a_process_that_gets_no_more_orders_ends():
    code = "from sermodules.study import runner; runner.IDLE = 1; next(runner._orders())"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert process.wait(60) == 0  # although its standard input is still open


def test_waiting_for_workers_is_said_once(monkeypatch):
    class Crew:
        workers = frozenset()

        def there(self):
            return set(self.workers)

        def probe(self, *arguments):
            return None

        def outcome(self, future):
            return None

    lines = []
    crew = Crew()
    pool = scheduling.Pool(crew, None, (), {}, lines.append)
    pool._look()
    pool._look()
    assert lines == ["no worker is there: waiting for one"]
    crew.workers = {"tcp://1"}
    pool._look()
    assert len(lines) == 1
    monkeypatch.setattr(scheduling, "UNANSWERED", -1)
    pool._look()
    pool._look()
    assert lines[1:] == ["no worker has answered yet: they may be busy with another study"]


def test_no_scheduler_and_no_fit_worker(tmp_path, tones, monkeypatch):
    plan = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1]))
    with pytest.raises(StudyError, match=r"no Dask scheduler answers at .*none\.json"):
        study.run(plan, tmp_path / "runs", scheduler_file=tmp_path / "none.json", tell=lambda line: None)
    monkeypatch.setattr(worker, "probe", lambda *demands: ["keras is 1, here it is 2"])
    with pytest.raises(StudyError, match=r"(?s)no worker can do this study.*keras is 1, here it is 2"):
        study.run(plan, tmp_path / "runs", tell=lambda line: None)


def test_a_worker_without_the_corpus_or_with_another_one_says_so(tmp_path, tones):
    reading = {"name": tones, "emotions": "four", "merge_excited": False, "scripted": False}
    told = worker.probe(worker.environment(), [(reading, "other"), (reading | {"name": "table:/none.csv"}, "x")])
    assert (
        len(told) == 2 and "has other recordings or labels" in told[0] and "lacks the corpus table:/none.csv" in told[1]
    )


def test_status_from_another_terminal(tmp_path, tones):
    path, out = write(tmp_path, settings={"corpus": tones, **TINY}, folds=[1, 2, 3]), tmp_path / "runs"
    assert study.running(out) is None
    running = driver(path, out, "--workers", "1")
    try:
        wait_until(lambda: (study.running(out) or {}).get("done"))
        told = sermodules("study", "status", path, "--out", out)
        assert told.returncode == 0 and "study s is running: " in told.stdout and "now: model2" in told.stdout
        second = sermodules("study", "run", path, "--out", out)
        assert second.returncode == 1 and "another study is running" in second.stderr
    finally:
        running.kill()
        running.communicate()
    assert study.running(out) is None and "[1/3] model2" in (out / progress.LOG).read_text()


def test_damaged_runs(tmp_path, tones):
    path, out = write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1, 2, 3]), tmp_path / "runs"
    plan = study.load(path)
    study.run(plan, out, 1, tell=lambda line: None)
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


@contextlib.contextmanager
def disk(folder, options):
    """Mount a small tmpfs; yield it and a function that mounts it again with other options."""
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    if not shutil.which("mount") or mount(options):
        pytest.skip("no right to mount a small tmpfs here")
    try:
        yield folder, lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_of_runs(tmp_path, tones):
    plan = study.load(write(tmp_path, settings={"corpus": tones, **QUICK}, seeds=[1, 2]))
    path = tmp_path / "s.yaml"
    with disk(tmp_path / "disk", "size=100k") as (folder, mount):
        out = folder / "runs"
        full = sermodules("study", "run", path, "--out", out, "--workers", "1")
        assert full.returncode == 1 and "No space left on device" in full.stderr and "Traceback" not in full.stderr
        finished = study.done(plan, out)
        assert len(finished) < 8
        assert {p.name for p in out.iterdir() if not p.name.startswith((".", "study.log"))} == {
            config.run_id for config in finished
        }
        kept = contents(out)
        assert mount("size=20m") == 0
        again = sermodules("study", "run", path, "--out", out, "--workers", "1")
        assert again.returncode == 0, again.stdout + again.stderr
        assert only_runs(plan, out) and kept.items() <= contents(out).items()


def test_read_only_results(tmp_path, tones):
    path = write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1])
    with disk(tmp_path / "disk", "size=20m") as (folder, mount):
        assert sermodules("study", "run", path, "--out", folder, "--no-notebooks").returncode == 0
        assert mount("ro") == 0
        told = sermodules("study", "status", path, "--out", folder, "--verify")
        assert told.returncode == 0 and "1 of 1 runs are done" in told.stdout
        told = sermodules("study", "report", path, "--out", folder, "--to", tmp_path / "report")
        assert told.returncode == 0, told.stderr
        told = sermodules("study", "run", path, "--out", folder)
        assert told.returncode == 1 and "Choose another folder with --out" in told.stderr
        assert "Traceback" not in told.stderr


def test_replaced_corpus_file(tmp_path):
    corpus = write_tones(tmp_path / "corpus")
    plan = study.load(write(tmp_path, settings={"corpus": f"table:{corpus}", **QUICK}, folds=[1, 2]))
    file, other, out = corpus.parent / "B1_sad_0.wav", corpus.parent / "B1_sad_1.wav", tmp_path / "runs"
    old = file.read_bytes()

    def report(line):
        if line.startswith("[1/2]"):  # the first run is stored, the second has not begun
            file.write_bytes(other.read_bytes())

    with pytest.raises(StudyError, match="changed while the study ran"):
        study.run(plan, out, 1, notebooks=False, tell=report)
    assert list(study.done(plan, out)) == [plan.configs[0]]
    with pytest.raises(StoreError, match="made from other recordings or labels"):  # the next time it is noticed at once
        study.run(plan, out, 1, notebooks=False, tell=lambda line: None)
    file.write_bytes(old)
    assert not study.run(plan, out, 1, notebooks=False, tell=lambda line: None)
    assert only_runs(plan, out)


def test_code_in_names_is_text(tmp_path):
    """Parameters become code of the notebook: a folder may have any name, and what it spells is not done."""
    name = "'\"); open('done', 'w') #{out}$(touch done)`touch done`\\\nopen('done', 'w')"
    corpus = write_tones(tmp_path / name).rename(tmp_path / name / f"{name.replace(chr(10), '')}.csv")
    path = write(tmp_path, settings={"corpus": f"table:{corpus}", **QUICK}, folds=[1])
    told = sermodules("study", "run", path, "--out", tmp_path / f"{name} out", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert only_runs(study.load(path), tmp_path / f"{name} out")
    settings = {"corpus": f"table:{corpus}", **QUICK, "x = open('done', 'w')": 1}
    path = write(tmp_path, settings=settings, folds=[1])
    told = sermodules("study", "run", path, "--out", tmp_path / "refused", cwd=tmp_path)
    assert told.returncode == 1 and "unknown parameter" in told.stderr and not (tmp_path / "refused").exists()
    assert not list(tmp_path.rglob("done"))


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
def test_hostile_study_files(tmp_path, text, words):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        study.load(path)
    assert len(str(caught.value)) < 5000


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_reading_results_never_unpickles(tmp_path, tones):
    """Every file of a run and of a published study is replaced by a pickle, with digests that agree."""
    path, out, mark = (
        write(tmp_path, settings={"corpus": tones, **QUICK}, folds=[1]),
        tmp_path / "runs",
        tmp_path / "mark",
    )
    plan = study.load(path)
    assert not study.run(plan, out, 1, tell=lambda line: None)
    published.publish(plan, path, out, tmp_path / "published")
    pickles = [pickle.dumps(Bomb(mark), protocol) for protocol in (0, 4)]
    for content in pickles:
        pickle.loads(content)
        assert mark.exists()
        mark.unlink()
    readers = {
        out / plan.configs[0].run_id: (store.load, store.verify, lambda folder: study.results(plan, folder.parent)),
        tmp_path / "published": (published.load, published.verify, published.plan),
    }
    for folder, functions in readers.items():
        for file in sorted(folder.iterdir()):
            old, sums = file.read_bytes(), (folder / store.SUMS).read_text()
            for content in pickles:
                file.write_bytes(content)
                if file.name != store.SUMS:
                    lines = [f"{files.sha256(folder / line[66:])}  {line[66:]}" for line in sums.splitlines()]
                    (folder / store.SUMS).write_text("\n".join([*lines, ""]))
                for function in functions:
                    with contextlib.suppress(SermodulesError, ValueError, KeyError):
                        function(folder)
            file.write_bytes(old)
            (folder / store.SUMS).write_text(sums)
        assert all(function(folder) is not None for function in functions)
    for name in (progress.STATE, progress.LOG):
        (out / name).write_bytes(pickles[0])
    study.running(out)
    study.status(plan, out)
    assert not mark.exists()


def test_the_package_has_no_code_that_unpickles_or_evaluates():
    modules = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}
    calls = re.compile(r"eval|exec|.*\b(read_pickle|load_model|unsafe_load)|joblib\.load|yaml\.(full_)?load")
    for path in (ROOT / "sermodules").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(name.name for name in node.names)]
                assert not modules & {name.split(".")[0] for name in names}, path
            if isinstance(node, ast.Call):
                called, options = ast.unparse(node.func), {option.arg: option.value for option in node.keywords}
                assert not calls.fullmatch(called), f"{path}:{node.lineno}"
                if called == "np.load":
                    assert ast.unparse(options["allow_pickle"]) == "False", f"{path}:{node.lineno}"


def test_the_tests_that_the_book_names_exist():
    text = "".join((ROOT / "book" / name).read_text(encoding="utf-8") for name in ("cluster.md", "troubleshooting.md"))
    named = set(re.findall(r"`(test_\w+)`", text))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert len(named) > 15 and named <= set(re.findall(r"^def (test_\w+)\(", source, re.MULTILINE))
