"""What can change a number is recorded and compared: code, backend, packages, variables. What cannot is not."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from test_provenance import checkout, told  # noqa: F401 - a fixture

from sermodules import study
from sermodules.__main__ import main
from sermodules.evidence import report
from sermodules.runs import provenance, store, variables
from sermodules.study import driver, origins, published, worker

DIGEST = "from sermodules.runs import provenance; print(provenance.digest())"


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_words_and_rooms_that_compute_nothing_change_no_identity(checkout):  # noqa: F811
    package = checkout / "sermodules"
    first = told(checkout, DIGEST)
    for name in ("evidence/scores.py", "doctor/place.py", "plots/figures.py", "study/progress.py", "__main__.py"):
        append(package / name, "\nLATER = 1\n")
    text = (package / "folds" / "segments.py").read_text(encoding="utf-8")
    text = text.replace('"""', '"""Later. ', 1).replace("\n\n\n", "\n\n\n# a remark\n", 1).replace("\n", "\r\n")
    (package / "folds" / "segments.py").write_bytes(text.encode())
    assert told(checkout, DIGEST) == first


@pytest.mark.parametrize(
    "name",
    ["folds/segments.py", "models/epochs.py", "features/mel.py", "corpora/audio.py", "config/presets.py", "metrics.py"],
)
def test_code_that_computes_does(checkout, name):  # noqa: F811
    first = told(checkout, DIGEST)
    append(checkout / "sermodules" / name, "\nLATER = 1\n")
    assert told(checkout, DIGEST) != first


def test_what_a_record_lacks_is_not_compared():
    now = provenance.identity()
    old = {"backend": now["backend"], "code": "another", "versions": {"python": "3.11.2", "keras": now["keras"]}}
    assert provenance.differences(provenance.identity(old), now | {"python": "3.11"}) == []
    assert provenance.differences(provenance.identity({}), now) == []
    assert provenance.differences(provenance.identity(old | {"backend": "jax"}), now) == ["backend"]
    same = provenance.collect()
    assert provenance.identity(same) == now and same["machine"]["cores"]
    other = same | {"machine": {}, "commit": "x", "code": "x", "uncommitted_changes": True}
    assert provenance.differences(provenance.identity(other), now) == []  # another processor, another commit
    patched = same["versions"] | {"python": same["versions"]["python"] + "9", "sermodules": "9"}
    assert provenance.differences(provenance.identity(same | {"versions": patched}), now) == []


@pytest.mark.parametrize(
    "package", ["soxr", "soundfile", "scipy", "numba", "numpy", "keras", "scikit-learn", "librosa"]
)
def test_packages_between_a_recording_and_a_prediction_are_compared(package):
    same = provenance.collect()
    other = same | {"versions": same["versions"] | {package: "0.0.1"}}
    assert provenance.differences(provenance.identity(other), provenance.identity()) == [package]


def test_variables_are_compared():
    same = provenance.collect()
    other = same | {"settings": {"TF_ENABLE_ONEDNN_OPTS": "0"}}
    assert provenance.differences(provenance.identity(other), provenance.identity(same)) == ["variables"]


def test_jax_has_two_packages():
    code = "from sermodules.runs import provenance; print(' '.join(provenance.collect()['versions']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"jax", "jaxlib"} <= set(done.stdout.split()) and "tensorflow" not in done.stdout


def test_a_worker_is_asked_for_the_same(monkeypatch):
    expected = worker.environment()
    assert worker.probe(expected, []) == []
    assert expected.keys() >= provenance.identity().keys() | {"engine"}
    assert worker.probe(expected | {"soxr": "0.1"}, []) == [f"soxr is {expected['soxr']}, here it is 0.1"]
    assert worker.probe(expected | {"variables": "TF_ENABLE_ONEDNN_OPTS=0"}, []) == [
        "variables is none, here it is TF_ENABLE_ONEDNN_OPTS=0"
    ]
    monkeypatch.setattr(provenance, "_version", lambda name: None)
    assert "it has no opensmile" in worker.probe(expected, [], ["opensmile"])


# --- a study that goes on


def write(folder, corpus, **content):
    path = folder / "s.yaml"
    settings = {"corpus": corpus, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1, 2], "seeds": [1]} | content))
    return path


def record(folder, **changes):
    """Store a finished run anew with another provenance."""
    result = store.load(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    result.provenance.update(changes)
    store.save(result, folder.parent)


@pytest.fixture(scope="module")
def first_done(tmp_path_factory, tones):
    """Return a folder with a study file of two runs, and the folder of runs with the first of them."""
    folder = tmp_path_factory.mktemp("first")
    path = write(folder, tones)
    assert not study.run(study.load(path, folds=[1]), folder / "runs", 1, notebooks=False, tell=lambda line: None)
    return folder


@pytest.fixture
def half_done(tmp_path, first_done):
    """Return a study file of two runs, the first of which is done, and the folder of runs; a copy, to be altered."""
    shutil.copytree(first_done, tmp_path, dirs_exist_ok=True)
    return tmp_path / "s.yaml", tmp_path / "runs"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"computes": "f" * 64}, r"1 run: code ffffffffffff \(here "),
        ({"backend": "jax"}, r"1 run: backend jax \(here tensorflow\)"),
        ({"versions": {"soxr": "0.3"}}, r"1 run: soxr 0\.3 \(here "),
        ({"settings": {"XLA_FLAGS": "--xla_x"}}, r"1 run: variables XLA_FLAGS=--xla_x \(here none\)"),
    ],
)
def test_going_on_with_something_else_is_refused(half_done, changes, words):
    path, out = half_done
    plan = study.load(path)
    first = out / plan.configs[0].run_id
    record(first, **changes)
    kept = first.stat().st_mtime_ns
    with pytest.raises(driver.Mixture, match=r"(?s)1 of 1 finished runs were computed with something else.*" + words):
        study.run(plan, out, 1, notebooks=False, tell=lambda line: None)
    assert not (out / plan.configs[1].run_id).exists() and first.stat().st_mtime_ns == kept


def test_what_was_computed_with_something_else_is_mixed_or_done_again(half_done):
    path, out = half_done
    plan, lines = study.load(path), []
    record(out / plan.configs[0].run_id, versions={"soxr": "0.3"})
    assert not study.run(plan, out, 1, notebooks=False, mix=True, tell=lines.append)
    assert "something else" in "".join(lines)
    told = origins.lines(study.results(plan, out))
    assert len(told) == 3 and told[-1] == "Majority class: 1 run of A, 1 run of B"
    assert "## What computed the runs" in report.write(study.results(plan, out), out / "report", plan)
    assert not study.run(plan, out, 1, notebooks=False, tell=lines.append)  # nothing is missing, nothing is refused
    published.publish(plan, path, out, out.parent / "published")
    assert published.verify(out.parent / "published") == []  # a mixture is counted and not refused
    assert not study.run(plan, out, 1, notebooks=False, redo_other=True, tell=lines.append)
    assert [folder.name.split(".")[0] for folder in (out / "other").iterdir()] == [plan.configs[0].run_id]
    assert origins.lines(study.results(plan, out)) == []


def test_the_command_ends_with_two_commands(half_done):
    path, out = half_done
    record(out / study.load(path).configs[0].run_id, backend="jax")
    arguments = ["study", "run", str(path), "--out", str(out), "--no-notebooks"]
    done = subprocess.run([sys.executable, "-m", "sermodules", *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    ends = [line.strip() for line in done.stderr.splitlines() if line.startswith("  sermodules study run")]
    assert [line.split()[-1] for line in ends] == ["--mix", "--redo-other"]
    done = subprocess.run(
        [sys.executable, "-m", *ends[1].split()], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0 and "1 runs that were computed with something else are set aside" in done.stdout


@pytest.mark.parametrize("lacking", [("computes",), ("settings",), ("computes", "settings", "versions")])
def test_an_old_record_is_gone_on_with(half_done, lacking):
    path, out = half_done
    plan = study.load(path)
    folder = out / plan.configs[0].run_id
    made = json.loads((folder / "provenance.json").read_text())
    result = store.load(folder)
    for name in lacking:
        del result.provenance[name], made[name]
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    store.save(result, out)
    assert not study.run(plan, out, 1, notebooks=False, tell=lambda line: None)


def test_publish_counts(half_done):
    path, out = half_done
    plan = study.load(path)
    assert not study.run(plan, out, 1, notebooks=False, tell=lambda line: None)
    record(out / plan.configs[0].run_id, backend="jax")
    told = CliRunner().invoke(main, ["study", "publish", str(path), "--out", str(out), "--to", str(out.parent / "p")])
    assert (
        told.exit_code == 0 and "Majority class: 1 run of A, 1 run of B" in told.output and "backend jax" in told.output
    )


# --- the variables


@pytest.mark.parametrize(
    ("name", "value", "recorded"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", "0", "0"),
        ("TF_ENABLE_ONEDNN_OPTS", " 1 ", None),
        ("TF_ENABLE_ONEDNN_OPTS", "", "unset"),
        ("TF_DETERMINISTIC_OPS", "1", None),
        ("XLA_FLAGS", "--xla_dump_to=/home/me/x", None),
        ("XLA_FLAGS", "--xla_a=1  --xla_dump_to=C:\\me --xla_b", "--xla_a=1 --xla_b"),
        ("XLA_FLAGS", "/nowhere/flags", None),
        ("HOME", "/home/me", None),
    ],
)
def test_variables_are_recorded_where_they_differ_and_without_paths(monkeypatch, name, value, recorded):
    for other in variables.USUAL:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")  # as this package sets it
    monkeypatch.setenv(name, value)
    assert variables.settings() == ({name: recorded} if recorded else {})


def test_a_file_of_flags_is_read(monkeypatch, tmp_path):
    (tmp_path / "flags").write_text("--xla_cpu_enable_fast_math=true\n--xla_dump_to=/home/me")
    monkeypatch.setenv("XLA_FLAGS", str(tmp_path / "flags"))
    assert variables.settings()["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=true"
