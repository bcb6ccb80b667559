"""What `sermodules doctor` says of a healthy and of a broken place, and what a study looks at before its first run."""

import getpass
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml

from sermodules import doctor, study
from sermodules.config import backends
from sermodules.doctor import code, computing, examination, optional, packages, place, recordings
from sermodules.doctor.finding import Finding
from sermodules.errors import CorpusError, StudyError

ROOT = Path(__file__).parents[1]


def command(*options, cwd=ROOT, **variables):
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | variables
    return subprocess.run(
        [sys.executable, "-P", "-m", "sermodules", "doctor", *options], cwd=cwd, env=env, capture_output=True, text=True
    )


def files_below(*folders):
    return {path for folder in folders for path in folder.rglob("*")}


def found(findings, name):
    (finding,) = (finding for finding in findings if finding.name == name)
    return finding


@pytest.fixture
def mine(tmp_path):
    """Return variables that name places of one's own, none of which is there."""
    names = {"SERMODULES_RUNS": "runs", "SERMODULES_CACHE": "cache", "SERMODULES_DATA": "data", "TMPDIR": "tmp"}
    (tmp_path / "tmp").mkdir()
    return {name: str(tmp_path / folder) for name, folder in names.items()} | {"PYTHONPATH": str(ROOT)}


def test_a_healthy_place(tmp_path, mine):
    (tmp_path / "data").mkdir()
    began = time.process_time()
    done = command(**mine)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("\nA study can start here.\n") and done.stderr == "looking at this place ...\n"
    named = [line.split()[1] for line in done.stdout.splitlines() if re.match("good|note|stop", line)]
    assert {"python", "packages", "backend", "cores", "memory", "variables", "runs", "data", "cache"} <= {*named}
    assert {"libraries", "code", "notebook", "synthetic", "corpora", "openSMILE", "PyAV", "fonts", "TeX"} <= {*named}
    assert len(done.stdout.splitlines()) <= 40, "one screen"
    assert files_below(tmp_path) == {tmp_path / "data", tmp_path / "tmp"}, "it leaves nothing"
    assert time.process_time() - began < 5


def test_it_starts_no_tensorflow():
    code = (
        "import sys; from sermodules.doctor import examination; examination.examine()\n"
        "assert not {'tensorflow', 'jax', 'keras', 'IPython', 'matplotlib', 'librosa'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def private(text):
    """Return what in a text is a path or a name of this machine or its user."""
    names = [platform.node(), getpass.getuser(), str(Path.home()), str(ROOT), sys.prefix]
    told = [name for name in names if len(name) > 4 and name in text]
    return told + re.findall(r"(?<![\w.`])/[\w.-]+/[\w./-]*", text)


def test_json_has_no_path_and_no_name(tmp_path, mine):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text('{"backend": "jax"}')
    (tmp_path / "file").write_text("")
    hostile = {
        "XLA_FLAGS": f"--xla_dump_to={tmp_path} --xla_cpu_enable_fast_math=true",
        "KERAS_BACKEND": str(tmp_path),
        "KERAS_HOME": str(tmp_path / "keras"),
        "SERMODULES_RUNS": str(tmp_path / "file" / "runs"),
    }
    for variables in (mine, mine | hostile):
        done = command("--json", **variables)
        told = json.loads(done.stdout)
        assert private(done.stdout) == []
        assert done.returncode == (not told["can_start"])
        assert {finding["state"] for finding in told["findings"]} <= {"good", "note", "stop"}
        for finding in told["findings"]:
            assert bool(finding["todo"]) == (finding["state"] != "good"), finding
    assert [finding["name"] for finding in told["findings"] if finding["state"] == "stop"] == ["backend", "runs"]
    assert "fast_math" in done.stdout


def test_every_line_that_is_not_good_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("SERMODULES_RUNS", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(packages, "origin", lambda module: None)
    monkeypatch.setattr(computing, "available_memory", lambda: 1e9)
    monkeypatch.setattr(optional.shutil, "which", lambda name: None)
    findings = examination.examine()
    assert all(finding.todo for finding in findings if finding.state != "good")
    assert {"packages", "backend", "runs"} <= {finding.name for finding in findings if finding.stops}
    assert found(findings, "memory").state == found(findings, "TeX").state == "note"
    assert examination.verdict(findings).startswith("No study can start here: see packages, backend, runs")


def test_a_check_that_cannot_be_imported_is_a_finding_and_the_others_go_on(tmp_path, mine):
    """A library that is broken: its file is there, and raises."""
    (tmp_path / "soundfile.py").write_text("raise OSError('libsndfile.so.1: cannot open shared object file')\n")
    (tmp_path / "data").mkdir()
    done = command(**mine | {"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 1, done.stdout
    assert "another file is imported as soundfile" in done.stdout and str(tmp_path / "soundfile.py") in done.stdout
    assert re.search(r"stop  recordings +cannot be looked at: OSError: libsndfile", done.stdout)
    assert "good  backend" in done.stdout and "TeX" in done.stdout


def test_a_file_called_as_a_module_of_python_is_named(monkeypatch, tmp_path):
    (tmp_path / "random.py").write_text("")
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    finding = found(packages.look(), "imports")
    assert "queue, random" in finding.text and "rename" in finding.todo and not finding.stops
    monkeypatch.setattr(sys, "path", [*sys.path[1:], str(tmp_path)])  # behind Python's own it hides nothing
    assert "imports" not in [finding.name for finding in packages.look()]


# --- packages and backend


def test_what_is_needed_is_what_the_project_lists():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    known = {*packages.NEEDED, *packages.USEFUL} - {"numba"}  # by way of librosa
    assert {name.lower() for name in listed} == {name.lower() for name in known}


@pytest.mark.parametrize("missing", ["librosa", "papermill"])
def test_a_missing_package_is_named(monkeypatch, missing):
    whole = packages.version
    monkeypatch.setattr(packages, "version", lambda name: None if name == missing else whole(name))
    finding = found(packages.look(), "packages")
    assert finding.stops and finding.text == f"not installed: {missing}" and "make env" in finding.todo


def test_another_version_is_a_note(monkeypatch):
    whole = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "9.9" if name == "soxr" else whole(name))
    finding = found(packages.look(), "packages")
    assert not finding.stops and f"soxr 9.9 ({packages.pinned()['soxr']})" in finding.text


@pytest.mark.parametrize(
    ("name", "words", "todo"),
    [
        ("tensorflow", "tensorflow is not installed", "make env"),
        ("jax", "jax is not installed", "unset KERAS_BACKEND"),
        ("theano", "KERAS_BACKEND says theano, which is no backend that can train", "unset KERAS_BACKEND"),
    ],
)
def test_a_backend_that_cannot_start(monkeypatch, name, words, todo):
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr(packages, "origin", lambda module: None)
    finding = computing.backend()
    assert finding.stops and words in finding.text and todo in finding.todo


def test_why_it_is_the_backend(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(computing, "backend_was_chosen", False)
    assert "the default; Keras" in computing.backend().text
    monkeypatch.setattr(computing, "backend_was_chosen", True)
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert re.search("KERAS_BACKEND says so; .* is not read", computing.backend().text)
    (tmp_path / "keras.json").write_text("[1")
    assert "keras.json" not in computing.backend().text


# --- the machine


def test_memory_is_that_of_the_group(monkeypatch):
    told = {
        "/proc/meminfo": ["MemTotal: 16000000 kB", "MemAvailable: 8000000 kB"],
        "/proc/self/cgroup": ["0::/slurm/job_7"],
        "/sys/fs/cgroup/slurm/memory.max": ["max"],
        "/sys/fs/cgroup/slurm/job_7/memory.max": ["3000000000"],
        "/sys/fs/cgroup/slurm/job_7/memory.current": ["1000000000"],
    }
    monkeypatch.setattr(computing, "_lines", lambda path: told.get(str(path), []))
    assert computing.available_memory() == 2e9
    told.clear()
    assert computing.available_memory() is None and computing._memory().state == "good"


def test_a_quota_of_cores_counts_and_two_is_the_least(monkeypatch):
    monkeypatch.setattr(computing.os, "cpu_count", lambda: 32)
    monkeypatch.setattr(computing.joblib, "cpu_count", lambda: 2)
    assert computing.runs_at_a_time(2) == 2 and computing._cores().text.startswith("2 of 32, by a quota")
    monkeypatch.setattr(computing.joblib, "cpu_count", lambda: 16)
    assert computing.runs_at_a_time(2) == 8


# --- places


def test_a_place_is_written_to_and_nothing_is_left(tmp_path):
    before = tmp_path.stat().st_mtime_ns
    finding = place.writable("runs", tmp_path / "a" / "b", "move", stops=True)
    assert finding.text.endswith("to be made") and not list(tmp_path.iterdir())
    assert before <= tmp_path.stat().st_mtime_ns
    (tmp_path / "file").write_text("")
    finding = place.writable("runs", tmp_path / "file" / "runs", "move", stops=True)
    assert finding.stops and finding.todo == "move" and str(tmp_path) in finding.private


def test_no_room_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(place.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e6})())
    assert place.writable("cache", tmp_path, "move").todo == "make room"

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.os, "fsync", full)
    finding = place.writable("cache", tmp_path, "move")
    assert finding.text == "cannot be written (No space left on device)" and finding.todo == "move"


def close(monkeypatch, folder):
    """Let the system say no to whatever looks at a folder, or below it."""
    ask = os.stat

    def refused(path, *arguments, **options):
        if not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return ask(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)


def test_one_place_that_may_not_be_entered_hides_no_other(monkeypatch, tmp_path):
    for name in ("SERMODULES_DATA", "SERMODULES_RUNS", "SERMODULES_CACHE", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "closed" / name))
    close(monkeypatch, tmp_path / "closed")
    findings = {finding.name: finding for finding in place.look()}
    assert [*findings] == ["runs", "data", "cache", "libraries", "home"]
    assert findings["data"].text == "SERMODULES_DATA names no folder that you may read" and findings["data"].todo


@pytest.mark.parametrize(("name", "stops"), [("synthetic", True), ("emodb", False)])
def test_a_corpus_that_may_not_be_read_stops_if_the_first_study_needs_it(monkeypatch, tmp_path, name, stops):
    monkeypatch.setenv("SERMODULES_DATA", str(tmp_path))
    close(monkeypatch, tmp_path / name)
    (finding,) = recordings.look()
    assert finding.stops is stops and finding.todo and str(tmp_path) in finding.private


def test_the_synthetic_corpus_is_there_or_can_be_made_or_stops(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(recordings.paths, "data_roots", lambda: [tmp_path / "file" / "data", tmp_path / "data"])
    assert recordings._quick({"problem": None, "found": None}).state == "good"
    monkeypatch.setattr(recordings.paths, "data_roots", lambda: [tmp_path / "file" / "data"])
    assert recordings._quick({"problem": None, "found": None}).stops
    assert recordings._quick({"problem": "no wav", "found": None}).stops
    assert not recordings._quick({"problem": None, "found": tmp_path}).stops
    # a cache that may only be read will do if the features are in it
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(recordings.corpora, "load", lambda name: name)
    monkeypatch.setattr(recordings.features, "extract", lambda table: table)
    assert not recordings._quick({"problem": None, "found": tmp_path}).stops

    def lacking(table):
        raise CorpusError("not there")

    monkeypatch.setattr(recordings.features, "extract", lacking)
    assert recordings._quick({"problem": None, "found": tmp_path}).stops


def test_code_that_is_no_checkout_and_an_altered_notebook(monkeypatch, tmp_path):
    whole = code.provenance.collect()
    monkeypatch.setattr(code.provenance, "collect", lambda: whole | {"commit": None})
    assert "no checkout of git" in code._commit().text and code._commit().state == "good"
    monkeypatch.setattr(code, "project_root", lambda: tmp_path)
    assert code._notebook().stops
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "one_fold.ipynb").write_text('{"cells": [{"cell_type": "code", "source": "1"}]}')
    assert code._notebook().state == "note" and "git checkout" in code._notebook().todo


def test_a_finding_has_one_line_or_two():
    assert Finding("a", "b").lines() == ["good  a           b"]
    assert Finding("a", "b", "c", True, "/d").lines() == ["stop  a           b: /d", "                  -> c"]
    assert doctor.__doc__


# --- before a study


@pytest.fixture
def plan(tmp_path, tones):
    path = tmp_path / "s.yaml"
    settings = {"corpus": tones, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1], "seeds": [1]}))
    return study.load(path)


def test_a_study_looks_before_its_first_run(plan, tmp_path, monkeypatch):
    other = next((name for name in backends.BACKENDS if packages.origin(name) is None), None) or "theano"
    monkeypatch.setenv("KERAS_BACKEND", other)
    with pytest.raises(
        StudyError, match=rf"(?s)no run can start here:.*{other}.*unset KERAS_BACKEND.*sermodules doctor"
    ):
        study.run(plan, tmp_path / "runs", 1, notebooks=False, tell=lambda line: None)
    assert not (tmp_path / "runs" / "failed").exists() and not study.done(plan, tmp_path / "runs")
    monkeypatch.undo()
    lines = []
    assert not study.run(plan, tmp_path / "runs", 1, notebooks=False, tell=lines.append)
    assert any(re.match(r"1 runs at a time, of 2 threads each; \d+ cores may be used", line) for line in lines)
    monkeypatch.setenv("KERAS_BACKEND", other)  # where nothing is missing, nothing is refused
    assert not study.run(plan, tmp_path / "runs", 1, notebooks=False, tell=lines.append)


def test_the_metadata_of_what_is_needed_names_its_folder():
    for name, module in packages.NEEDED.items():
        assert importlib.metadata.version(name) and packages.origin(module), name
        assert packages.stray(name, module) is None, name


@pytest.mark.parametrize("name", ["XLA_FLAGS", "TF_XLA_FLAGS"])
def test_a_flag_that_ends_each_process_is_found_before_the_first_run(monkeypatch, name):
    monkeypatch.setenv(name, "--xla_no_such_flag=1")
    finding = found(computing.look(), "variables")
    assert finding.stops and finding.todo == f"unset {name}" and f"Unknown flag in {name}" in finding.private
    monkeypatch.setenv(name, "")
    assert not found(computing.look(), "variables").stops
