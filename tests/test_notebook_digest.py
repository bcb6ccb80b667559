"""The notebook that a study executes and the digest of it that the package carries; what an altered one leaves."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from click.testing import CliRunner

from sermodules import study
from sermodules.__main__ import main
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError, StoreError
from sermodules.runs import notebook, store
from sermodules.study import origins, published

PATH = Path(__file__).parents[1] / "book" / "one_fold.ipynb"
TEXT = PATH.read_text(encoding="utf-8")


def cells(change):
    """Return the notebook's text after a change of its list of cells."""
    held = json.loads(TEXT)
    change(held["cells"])
    return json.dumps(held)


def code(held, needle):
    return next(cell for cell in held if cell["cell_type"] == "code" and needle in "".join(cell["source"]))


def test_the_package_knows_the_notebook():
    assert notebook.digest(TEXT) == notebook.DIGEST, (
        "the code cells of book/one_fold.ipynb are not those whose digest the package carries. If you changed them on purpose, "
        f'write DIGEST = "{notebook.digest(TEXT)}" into sermodules/runs/notebook.py; CHANGELOG.md says whether numbers change.'
    )


def edited(held):
    code(held, "fitted = runs.fit")["source"].insert(0, 'data.train.inputs["log_mel"][:] = 0\n')


def reordered(held):
    first, second = held.index(code(held, "runs.fit")), held.index(code(held, "models.build"))
    held[first], held[second] = held[second], held[first]


def shortened(held):
    held.remove(code(held, "runs.evaluate"))


def stores_first(held):
    held.insert(0, {"cell_type": "code", "source": "store.save(result, out)", "metadata": {}, "outputs": [], "id": "x"})


@pytest.mark.parametrize("change", [edited, reordered, shortened, stores_first])
def test_code_before_the_storing_counts(change):
    assert notebook.altered(cells(change))


def saved_by_jupyterlab(held):
    for number, cell in enumerate(held):
        cell["id"] = f"{number:08x}"
        cell["metadata"] = {"collapsed": True}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}], "execution_count": number}
            cell["source"] = "".join(cell["source"])  # a text is as good as a list of lines


def on_windows(held):
    for cell in held:
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]


def other_words(held):
    held[0]["source"] = ["# Another title\n"]
    held.append({"cell_type": "code", "source": ["1 / 0"], "metadata": {}, "outputs": [], "id": "later"})


@pytest.mark.parametrize("change", [saved_by_jupyterlab, on_windows, other_words])
def test_outputs_names_words_and_later_cells_do_not(change):
    assert not notebook.altered(cells(change))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": [1]}', '{"cells": {"a": 1}}'])
def test_what_is_no_notebook_is_named_before_the_first_run(tmp_path, tones, monkeypatch, text):
    with pytest.raises(SermodulesError, match="not a notebook"):
        notebook.digest(text)
    broken = tmp_path / "one_fold.ipynb"
    broken.write_text(text)
    monkeypatch.setattr("sermodules.study.driver.source_notebook", lambda: broken)
    plan = study.load(write(tmp_path, tones))
    with pytest.raises(SermodulesError, match=r"one_fold\.ipynb: it is not a notebook"):
        study.run(plan, tmp_path / "runs", 1, tell=lambda line: None)


def write(folder, corpus, **content):
    path = folder / "s.yaml"
    settings = {"corpus": corpus, "preset": "smoke", "model": "majority"}
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1, 2], "seeds": [1]} | content))
    return path


def test_runs_of_an_altered_notebook_say_so_and_are_not_published(tmp_path, tones, monkeypatch):
    """A study by the altered notebook, then the same study in order: the report counts both, publish refuses, a redo mends."""
    path, out = write(tmp_path, tones), tmp_path / "runs"
    plan, altered, lines = study.load(path), tmp_path / "one_fold.ipynb", []
    altered.write_text(cells(lambda held: code(held, "runs.evaluate")["source"].append("\nx = 0")), encoding="utf-8")
    monkeypatch.setattr("sermodules.study.driver.source_notebook", lambda: altered)
    assert not study.run(study.load(path, folds=[1]), out, 1, tell=lines.append)
    assert "were altered" in lines[0]
    first = store.load(out / plan.configs[0].run_id).provenance
    assert first["notebook_altered"] is True and first["uncommitted_changes"] is True
    monkeypatch.undo()
    assert not study.run(plan, out, 1, tell=lines.append)
    second = store.load(out / plan.configs[1].run_id).provenance
    assert "notebook_altered" not in second
    told = CliRunner().invoke(main, ["study", "report", str(path), "--out", str(out)])
    assert (
        told.exit_code == 0 and "notebook altered" in told.output and "| Majority class  |   1 |   1 |" in told.output
    )
    with pytest.raises(StoreError, match="the notebook that computed it was altered"):
        published.publish(plan, path, out, tmp_path / "published")
    assert not (tmp_path / "published").exists()
    assert not study.run(plan, out, 1, redo_other=True, tell=lines.append)
    assert len(list((out / "other").iterdir())) == 1
    assert len(published.publish(plan, path, out, tmp_path / "published")) == 2
    assert origins.lines(published.load(tmp_path / "published")) == []


def test_a_run_that_is_stored_from_a_kernel_is_by_hand(tmp_path, tones):
    """As JupyterLab does it, with a kernel; papermill's command line is no other."""
    source = (
        "from sermodules import runs\nfrom sermodules.config import RunConfig\n"
        f"config = RunConfig.create(corpus={tones!r}, preset='smoke', model='majority')\n"
        f"runs.run(config, {str(tmp_path / 'runs')!r}, verbose=False)"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), tmp_path / "mine.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
    done = subprocess.run(
        [*command, str(tmp_path / "mine.ipynb"), str(tmp_path / "out.ipynb")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path = write(tmp_path, tones, folds=[1])
    plan = study.load(path)
    made = store.load(tmp_path / "runs" / plan.configs[0].run_id).provenance
    assert made["notebook_altered"] == "by hand"
    with pytest.raises(StoreError, match="stored by hand"):
        published.publish(plan, path, tmp_path / "runs", tmp_path / "published")


def test_papermill_reads_every_parameter(caplog):
    """It takes no line with two equals signs, a comment's included, and then warns of each run that sets the parameter."""
    parameters = papermill.inspect_notebook(str(PATH))
    assert caplog.messages == []
    assert set(parameters) >= set(RunConfig.__dataclass_fields__) | {"out", "keep_model"}
