"""The chapters in JupyterLab, as a reader of the downloaded copies sees them, and as one sees them who runs them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from test_book import BOOK, HTML, ROOT, browser, pages, wait  # noqa: F401  fixtures of the built book

CHAPTERS = sorted(path.name for path in BOOK.glob("*.ipynb"))

#: A chapter without training, which is run in JupyterLab itself; nbval runs them all.
QUICK = "paper.ipynb"

#: What the notebook shows: the text of each cell, of each Markdown output, and the errors.
SEEN = """
const book = document.querySelector('.jp-Notebook');
const text = place => [...book.querySelectorAll(place)].map(e => e.innerText.trim());
return {
    cells: book.querySelectorAll('.jp-Cell').length,
    all: book.innerText,
    said: text('.jp-OutputArea-output.jp-RenderedMarkdown'),
    prose: text('.jp-MarkdownCell .jp-RenderedMarkdown'),
    errors: text('[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]'),
    code: [...book.querySelectorAll('.jp-CodeCell')].filter(e => e.querySelector('.cm-content')).length,
};
"""


@pytest.fixture(scope="module")
def lab(pages, tmp_path_factory):  # noqa: F811
    """Start JupyterLab, with settings of its own, on the downloaded copies of the chapters; return its address and folder."""
    folder, home = tmp_path_factory.mktemp("copies"), tmp_path_factory.mktemp("home")
    for path in (HTML / "_sources" / "book").glob("*.ipynb"):
        shutil.copyfile(path, folder / path.name)
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    whole = json.dumps({"windowingMode": "none"})  # else cells out of sight are not in the page
    (settings / "tracker.jupyterlab-settings").write_text(whole, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"JUPYTERLAB_SETTINGS_DIR": home / "settings", "JUPYTER_CONFIG_DIR": home, "JUPYTER_RUNTIME_DIR": home}
    options = [
        "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=",
        "--expose-app-in-browser", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | {name: str(place) for name, place in places.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while "is running at" not in (home / "log").read_text():
        assert server.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}", folder
    server.terminate()
    server.wait(30)


def opened(browser, lab, name):  # noqa: F811
    """Open a notebook and return what it shows."""
    address, folder = lab
    cells = nbformat.read(folder / name, as_version=4).cells
    browser.get(f"{address}/doc/tree/{name}?reset")
    wait(browser, f"return document.querySelectorAll('.jp-Notebook .jp-Cell').length === {len(cells)}")
    wait(browser, "return !document.querySelector('.jp-MarkdownCell .jp-RenderedMarkdown:empty')")
    return cells, browser.execute_script(SEEN)


def check(cells, seen):
    """Everything is text that reads: no role, no box of the page's, no paragraph without its words."""
    assert not [mark for mark in ("{doc}", "{cite", "{glue", ":::", "```{") if mark in seen["all"]]
    said = [cell for cell in cells if "plots.say(" in cell.source and cell.cell_type == "code"]
    assert len(seen["said"]) >= len(said)
    assert all(seen["said"]) and all(seen["prose"])
    assert seen["errors"] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_downloaded_chapter_reads_like_its_page(name, browser, lab):  # noqa: F811
    cells, seen = opened(browser, lab, name)
    check(cells, seen)
    folded = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert seen["code"] == len(code) - len(folded)


def test_a_chapter_that_is_run_says_its_numbers(browser, lab):  # noqa: F811
    _, folder = lab
    empty = nbformat.read(BOOK / QUICK, as_version=4)
    nbformat.write(empty, folder / "run.ipynb")
    cells, seen = opened(browser, lab, "run.ipynb")
    assert seen["said"] == []
    # A cell that is run before the kernel is there is passed over without a word.
    wait(browser, "return document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status === 'idle'")
    browser.set_script_timeout(120)
    ended = browser.execute_async_script(
        "window.jupyterapp.commands.execute('notebook:run-all-cells').then(arguments[0], arguments[0])"
    )
    assert ended is True
    said = sum("plots.say(" in cell.source for cell in cells if cell.cell_type == "code")
    deadline = time.monotonic() + 60  # the page draws what has run a moment later
    while len((seen := browser.execute_script(SEEN))["said"]) < said and time.monotonic() < deadline:
        time.sleep(0.5)
    check(cells, seen)


def test_the_copies_are_those_of_this_project():
    assert (Path(ROOT) / "book" / QUICK).is_file() and len(CHAPTERS) == 14
