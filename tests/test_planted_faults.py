"""Breaking the package must break a chapter: faults are planted in copies of it, one at a time, and nbval must notice.

A copy holds the package and one chapter. The chapter runs as `make test` runs it, up to the first cell that fails. That
must be the cell named here, in the assertion named here: a chapter that fails for another reason has not noticed the fault.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from sermodules import corpora

ROOT = Path(__file__).resolve().parents[1]
CONTROL = "paper"  # the cheapest chapter


class Fault(NamedTuple):
    """A plausible mistake in a file of the package (`right` becomes `wrong`), and what notices it."""

    name: str
    file: str
    right: str
    wrong: str
    chapter: str
    cell: str
    assertion: str


FAULTS = [
    Fault(
        "deltas-divided-by-sum-of-n",
        "features/mel.py",
        "return total / (2 * sum(n * n for n in range(1, N + 1)))",
        "return total / (2 * sum(n for n in range(1, N + 1)))",
        "features",
        "delta-hand",
        "assert np.isclose(features.deltas(five, N=2)[2], middle)",
    ),
    Fault(
        "log-mels-to-base-10",
        "features/mel.py",
        "np.log(np.maximum(filters @ power.T, FLOOR))",
        "np.log10(np.maximum(filters @ power.T, FLOOR))",
        "features",
        "log",
        "assert np.allclose(m, features.log_mel(x), atol=1e-4)",
    ),
    Fault(
        "softmax-over-the-wrong-axis",
        "models/attention.py",
        'ops.cast(scores, "float32"), _FAR_BELOW), axis=-1)',
        'ops.cast(scores, "float32"), _FAR_BELOW), axis=1)',
        "attention",
        "local-layer",
        "assert np.allclose(as_table(windows), alpha_local, atol=1e-6)",
    ),
    Fault(
        "steps-outside-the-segment-count-in-the-softmax",
        "models/attention.py",
        "_FAR_BELOW = -1e9",
        "_FAR_BELOW = 0.0",
        "attention",
        "local-layer",
        "assert np.allclose(as_table(windows), alpha_local, atol=1e-6)",
    ),
    Fault(
        "attention-with-twice-the-parameters",
        "models/attention.py",
        "UNITS = 32",
        "UNITS = 64",
        "attention",
        "counts",
        'assert keras.Model(x, pooled).get_layer("attention").count_params() == number',
    ),
    Fault(
        "filters-of-3-frames-and-5-bands",
        "models/cnn_bilstm.py",
        "Conv2D(filters, (5, 3),",
        "Conv2D(filters, (3, 5),",
        "cnn_bilstm",
        "convolution",
        "assert w.shape == (5, 3, 3, 128)",
    ),
    Fault(
        "validation-speaker-in-training",
        "folds/protocol.py",
        "tuple(speaker for speaker in speakers if speaker not in {*test, *units[held]})",
        "tuple(speaker for speaker in speakers if speaker not in {*test})",
        "protocol",
        "folds",
        "assert len(fold.train) == 8 and not held_out & set(fold.train)",
    ),
    Fault(
        "standardised-by-the-test-speaker",
        "models/cnn_bilstm.py",
        'segments.Standardiser.fit(extracted, cut["train"],',
        'segments.Standardiser.fit(extracted, cut["test"],',
        "one_fold",
        "segment",
        "assert abs(mean) < 0.01",
    ),
    Fault(
        "first-epoch-instead-of-the-best",  # of the last one nothing is seen where it is the best: on some processors it is
        "models/epochs.py",
        "            self.weights = self.method.get_weights()",
        "            self.weights = self.weights or self.method.get_weights()",
        "one_fold",
        "solution-4",
        'assert np.isclose(uar_again, curve.loc[fitted.best_epoch, "val_uar"])',
    ),
    Fault(
        "segments-pooled-by-the-mean",
        "folds/segments.py",
        "result = np.maximum.reduceat(posteriors, first)",
        "result = np.add.reduceat(posteriors, first)",
        "protocol",
        "segments",
        'assert np.allclose(segments.pool(np.log(posteriors), ["one"] * 3)[1][0]',
    ),
    Fault(
        "uar-weighted-by-class-size",
        "metrics.py",
        "return float(recalls(matrix).mean())",
        "return float(np.average(recalls(matrix).fillna(0), weights=matrix.sum(axis=1)))",
        "protocol",
        "uar-wa",
        "assert np.isclose(metrics.uar(matrix), np.mean(recalls))",
    ),
    Fault(
        "sample-sd-as-population-sd",
        "evidence/statistics/table.py",
        '"sd_population": values.std(ddof=0),',
        '"sd_population": values.std(ddof=1),',
        "statistics",
        "summary",
        'assert np.isclose(summary.loc["new", "sd_population"]',
    ),
    Fault(
        "test-share-instead-of-test-to-train-ratio",
        "evidence/statistics/tests.py",
        "return 1 / n + correlation / (1 - correlation)",
        "return 1 / n + correlation",
        "statistics",
        "corrected-t",
        'assert np.isclose(test.p, p_values["corrected"])',
    ),
    Fault(
        "digits-swapped-in-table-1",
        "evidence/paper/tables.py",
        '(9, 5, "female", 58.82, 34.82, 58.20, 42.34)',
        '(9, 5, "female", 58.82, 34.28, 58.20, 42.34)',
        "paper",
        "means",
        "assert dict(means.round(2)) == paper.TABLE1_MEAN",
    ),
]


def copy(folder, chapter):
    """Copy the package and a chapter. A new first cell makes sure that the chapter imports the copy of the package."""
    shutil.copytree(ROOT / "sermodules", folder / "sermodules", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "_toc.yml"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "book").mkdir()
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    check = f"import sermodules\n\nassert sermodules.__file__ == {str(folder / 'sermodules' / '__init__.py')!r}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(check, id="imports-the-copy"))
    nbformat.write(notebook, folder / "book" / f"{chapter}.ipynb")


def plant(file, right, wrong):
    code = file.read_text(encoding="utf-8")
    count = code.count(right)
    assert count == 1, f"cannot plant the fault: {file.name} holds {right!r} {count} times, not once. Mend FAULTS."
    file.write_text(code.replace(right, wrong), encoding="utf-8")


def run(folder, chapter):
    """Run a chapter up to the first cell that fails; return pytest's exit code and what it wrote, without colours."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"\$\(PYTEST\) (--nbval .*) book$", makefile, re.MULTILINE)
    environment = os.environ | {
        "PYTHONPATH": str(folder),  # goes before the installed package, also in the kernel
        "SERMODULES_DATA": str(corpora.find("synthetic").parent),
        "SERMODULES_RUNS": str(folder / "runs"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "--color=no", *options.split(), f"book/{chapter}.ipynb"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def failure(folder, chapter, report):
    """Return the id of the cell that failed, the name of its exception, and the line of the cell that raised it."""
    found = {
        "cell": re.search(r"^Cell (\d+): Cell execution caused an exception$", report, re.MULTILINE),
        "exception": re.search(r"^(\w+) +Traceback \(most recent call last\)$", report, re.MULTILINE),
        "line": re.search(r"^-+> *\d+ +(.*)$", report, re.MULTILINE),
    }
    missing = [name for name, match in found.items() if match is None]
    assert not missing, f"no {', '.join(missing)} in what nbval says:\n{report}"
    notebook = nbformat.read(folder / "book" / f"{chapter}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return cells[int(found["cell"][1])].id, found["exception"][1], found["line"][1].strip()


def with_fault(folder, fault):
    copy(folder, fault.chapter)
    plant(folder / "sermodules" / fault.file, fault.right, fault.wrong)
    code, report = run(folder, fault.chapter)
    assert code == 1, f"no cell failed, or pytest itself did (exit code {code}):\n{report}"
    return *failure(folder, fault.chapter, report), report


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """Run the faulty copies, two at a time; return {name of the fault: future of (cell, exception, line, report)}."""
    corpora.load("synthetic")  # made now, if it is not there yet
    selected = [
        fault for fault in FAULTS if any(item.name.endswith(f"[{fault.name}]") for item in request.session.items)
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {fault.name: pool.submit(with_fault, tmp_path_factory.mktemp("fault"), fault) for fault in selected}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_in_the_package_breaks_its_chapter(fault, outcomes):
    cell, exception, line, report = outcomes[fault.name].result()
    assert (cell, exception) == (fault.cell, "AssertionError"), report
    assert line.startswith(fault.assertion), report


def test_a_chapter_passes_in_a_copy_without_a_fault(tmp_path):
    copy(tmp_path, CONTROL)
    code, report = run(tmp_path, CONTROL)
    assert code == 0, report
    notebook = nbformat.read(tmp_path / "book" / f"{CONTROL}.ipynb", as_version=4)
    assert f"{sum(cell.cell_type == 'code' for cell in notebook.cells)} passed" in report
