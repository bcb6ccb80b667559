"""What cannot start says why, once, and before a run; what a process says before it dies is shown; how figures are drawn."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from matplotlib import rc_context
from matplotlib.image import imread

from sermodules import study
from sermodules.config import backends
from sermodules.errors import StudyError
from sermodules.evidence import report
from sermodules.runs import store
from sermodules.study import runner, worker

ROOT = Path(__file__).parents[1]


def write(folder, corpus, **content):
    path = folder / "s.yaml"
    settings = {"corpus": corpus, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1], "seeds": [1]} | content))
    return path


# --- Keras


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("theano", r"Keras cannot start: the variable KERAS_BACKEND says 'theano'.*unset it for tensorflow"),
        (
            "jax",
            r"Keras cannot start with the backend jax, which the variable KERAS_BACKEND chooses \(.*\): pip install jax",
        ),
        ("tensorflow", r"Keras cannot start with tensorflow \(.*\): install it with `make env`"),
    ],
)
def test_keras_that_cannot_start_is_one_sentence(tmp_path, name, words):
    """Of a backend that is installed, a file of the same name stands for a broken one."""
    for package in ("jax", "tensorflow"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('a broken\\n    library')\n")
    code = "from sermodules.models import backend"
    env = os.environ | {"KERAS_BACKEND": name, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and re.fullmatch(rf"sermodules\.errors\.BackendError: {words}.*", last), last


def test_the_sentence_names_the_cause_in_one_line():
    told = backends.cannot_start("jax", ImportError("first\n   second"))
    assert "(ImportError: first second)" in told and "\n" not in told


# --- the process for runs


@pytest.fixture
def broken(monkeypatch):
    """Let the process for runs begin with other lines than it does."""

    def begin(line):
        monkeypatch.setattr(runner, "START", f"{line}\n{runner.START.replace('; ', chr(10))}")

    return begin


def test_what_cannot_start_ends_a_study_at_once_with_its_cause(tmp_path, tones, broken):
    """A library that is there and cannot be imported: the process says so, and does not die three times."""
    broken("import sys; sys.modules['sklearn'] = None")
    plan, out, lines = study.load(write(tmp_path, tones, folds=[1, 2])), tmp_path / "runs", []
    with pytest.raises(
        StudyError, match=r"this machine cannot go on: no run can start: \w+: .*sklearn.*sermodules doctor"
    ):
        study.run(plan, out, 1, tell=lines.append)
    assert not (out / "failed").exists() and "FAILED" not in "".join(lines)


def test_a_run_without_a_network_needs_no_tensorflow(tmp_path, tones, broken):
    """The process for runs starts Keras for the first run that needs it, and says then if it cannot."""
    broken("import sys; sys.modules['tensorflow'] = None")
    settings, grid = (
        {"corpus": tones, "preset": "smoke"},
        [{"model": ["majority", "stratified"]}, {"model": ["model2"]}],
    )
    plan, out = study.load(write(tmp_path, tones, settings=settings, grid=grid)), tmp_path / "runs"
    with pytest.raises(StudyError, match=r"no run can start: Keras cannot start with tensorflow"):
        study.run(plan, out, 1, tell=lambda line: None)
    assert [config.model for config in study.done(plan, out)] == ["majority", "stratified"]
    assert not (out / "failed").exists()


def test_what_a_process_says_before_it_dies_is_shown(tmp_path, broken, capfd):
    broken("import sys; print('my last words', file=sys.stderr); sys.exit(3)")
    process = runner.Runner(2)
    with pytest.raises(runner.CannotStart, match=r"it ended with status 3\. It said last: my last words"):
        process._greet()
    assert "my last words" in capfd.readouterr().err  # it is passed on as well
    broken("import os; os.write(2, b'so long\\n'); os.kill(os.getpid(), 11)")
    with pytest.raises(
        runner.RunnerDied, match=r"it was ended by a signal, Segmentation fault\. It said last: so long"
    ):
        runner.Runner(2)._greet()
    broken("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(runner.RunnerDied, match="it was killed, perhaps for lack of memory: try fewer --workers"):
        runner.Runner(2)._greet()


def test_a_worker_of_a_cluster_that_cannot_start_is_unfit(tmp_path, tones, broken):
    broken("raise SystemExit('no license server')")
    config = study.load(write(tmp_path, tones)).configs[0]
    told = worker.do(config.to_dict(), ("w", "d"), tmp_path)
    assert told == {"unfit": told["unfit"]} and "no license server" in told["unfit"]
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


# --- a notebook that computes something else


class Answers:
    """A process for runs that writes what a notebook would."""

    threads = 2
    process = type("Process", (), {"poll": lambda self: None})()

    def __init__(self, *names):
        self.names = names

    def run(self, config, folder, notebook, keep_model):
        (folder / store.NOTEBOOK).write_text("{}")
        for name in self.names:
            (folder / name).mkdir()
        return {}

    def stop(self):
        pass


@pytest.mark.parametrize(("stored", "words"), [(["another_run"], "stored another_run"), ([], "stored no run")])
def test_a_notebook_that_computes_another_run_is_named_as_that(tmp_path, monkeypatch, tones, stored, words):
    config = study.load(write(tmp_path, tones)).configs[0]
    monkeypatch.setitem(worker._RUNNERS, ("w", "d"), Answers(*stored))
    told = worker.do(config.to_dict(), ("w", "d"), tmp_path, notebook="{}")
    assert f"the notebook was asked for {config.run_id} and {words}: a cell" in told["ends"]


def test_such_a_notebook_ends_a_study(tmp_path, tones, monkeypatch):
    """The real way: somebody tries seed 7 below the parameters, and forgets it there."""
    notebook = nbformat.read(ROOT / "book" / "one_fold.ipynb", 4)
    cell = next(cell for cell in notebook.cells if cell.id == "check")
    cell.source = f"seed = 7\n{cell.source}"
    nbformat.write(notebook, tmp_path / "edited.ipynb")
    monkeypatch.setattr("sermodules.study.driver.source_notebook", lambda: tmp_path / "edited.ipynb")
    plan, out = study.load(write(tmp_path, tones)), tmp_path / "runs"
    with pytest.raises(StudyError, match=rf"asked for {plan.configs[0].run_id} and stored .*seed7"):
        study.run(plan, out, 1, tell=lambda line: None)
    assert not study.done(plan, out) and not (out / "failed").exists()


# --- figures


def test_a_run_and_a_report_draw_by_default_whatever_files_and_variables_say(tmp_path, tones):
    """LaTeX for every text, another size, a backend that is not installed, and one that does not exist."""
    path = write(tmp_path, tones)
    (tmp_path / "hostile").mkdir()
    settings = "text.usetex: True\nfigure.dpi: 311\nsavefig.dpi: 11\nbackend: Qt5Agg\nimage.cmap: gray\nfont.size: 30\n"
    (tmp_path / "hostile" / "matplotlibrc").write_text(settings)
    images = []
    for cwd, variables in ((tmp_path, {}), (tmp_path / "hostile", {"MPLBACKEND": "module://not_installed"})):
        out = tmp_path / f"runs {len(images)}"
        for action in ("run", "report"):
            command = [sys.executable, "-P", "-m", "sermodules", "study", action, str(path), "--out", str(out)]
            env = os.environ | {"PYTHONPATH": str(ROOT)} | variables
            done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        (run,) = out.glob("*/run.ipynb")
        outputs = [output for cell in nbformat.read(run, 4).cells for output in cell.get("outputs", [])]
        drawn = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        assert len(drawn) >= 2
        images.append([*drawn, imread(out / "reports" / "s" / "report.png").tobytes()])
    assert images[0] == images[1]


def test_a_report_that_is_written_from_a_notebook_draws_by_default(tmp_path, tones):
    plan = study.load(write(tmp_path, tones))
    assert not study.run(plan, tmp_path / "runs", 1, notebooks=False, tell=lambda line: None)
    results = study.results(plan, tmp_path / "runs")
    report.write(results, tmp_path / "plain", plan)
    with rc_context({"text.usetex": True, "savefig.dpi": 11, "font.size": 30}):
        report.write(results, tmp_path / "mine", plan)
    assert imread(tmp_path / "plain" / "report.png").tolist() == imread(tmp_path / "mine" / "report.png").tolist()
    assert json.loads((tmp_path / "runs" / plan.configs[0].run_id / "metrics.json").read_text())
