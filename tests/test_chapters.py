"""What a reader of a chapter sees: code that teaches, no raw role, paragraphs that hold their numbers."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))

#: A visible cell has at most so many lines.
LONGEST = 15

#: At most this share of the visible lines is plumbing: drawing and assertions.
PLUMBING = 0.05

#: Names of what is drawn on. A picture that is one call to `sermodules.plots` needs none of them.
CANVAS = {"plt", "fig", "ax", "axes"}

#: Tags with which a page folds a cell, or its code. JupyterLab reads ``source_hidden`` instead.
FOLDED = {"remove-input", "hide-input", "hide-cell", "remove-cell"}


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def is_folded(cell):
    return bool(FOLDED & set(cell.metadata.get("tags", [])))


def parsed(source):
    """Return the code of a cell as a tree, without the lines that are IPython's."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def plumbing(source):
    """Return the numbers of the lines that draw or assert."""
    found = set()
    for node in ast.walk(parsed(source)):
        if not isinstance(node, ast.stmt) or isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        head = [node] if not hasattr(node, "body") else [getattr(node, "iter", None) or getattr(node, "test", None)]
        names = {name.id for part in head if part for name in ast.walk(part) if isinstance(name, ast.Name)}
        if isinstance(node, ast.Assert) or names & CANVAS:
            last = node.end_lineno if not hasattr(node, "body") else node.body[0].lineno - 1
            found |= set(range(node.lineno, last + 1))
    return found


def visible(path):
    """Give the source of each cell that a reader sees."""
    return [cell.source for cell in cells(path, "code") if not is_folded(cell)]


def lines(source):
    return [number for number, line in enumerate(source.splitlines(), start=1) if line.strip()]


def share(path):
    """Return the share of plumbing among the visible lines of a chapter."""
    seen = visible(path)
    return sum(len(plumbing(source)) for source in seen) / sum(len(lines(source)) for source in seen)


def test_plumbing_is_counted():
    source = "x = 1\nfig, ax = plt.subplots()\nfor y in (1, 2):\n    ax.plot(\n        y\n    )\nassert x\nplots.plot_it(x)\n"
    assert plumbing(source) == {2, 4, 5, 6, 7}
    assert plumbing("for one in axes:\n    print(one)\n") == {1}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_cell_teaches_or_is_folded(path):
    assert share(path) < PLUMBING
    long = [cell.id for cell in cells(path, "code") if not is_folded(cell) and len(lines(cell.source)) > LONGEST]
    assert not long


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_page_and_jupyterlab_fold_the_same_cells(path):
    for cell in cells(path, "code"):
        assert is_folded(cell) == bool(cell.metadata.get("jupyter", {}).get("source_hidden")), cell.id


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_role_or_box_of_the_page_alone(path):
    """JupyterLab shows MyST's roles and directives as raw text."""
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert not re.findall(r"\{[a-z:]+\}`", text), "write [words](page.md) for {doc}, and plots.say for numbers"
    assert not re.findall(r"^(?::{3,}|`{3,})\{.*", text, re.MULTILINE), "write > **Note.** or <details>"
    assert "glue" not in text


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_links_between_chapters_lead_somewhere(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    targets = re.findall(r"\]\(([\w/-]+\.(?:ipynb|md))\)", text)
    assert all((BOOK / target).is_file() for target in targets)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_paragraph_that_is_said_has_a_number(path):
    """What needs no number stands in a Markdown cell, where it is read before anything has run."""
    for cell in cells(path, "code"):
        if "plots.say(" in cell.source:
            calls = [node for node in ast.walk(parsed(cell.source)) if isinstance(node, ast.Call)]
            said = [node for node in calls if ast.unparse(node.func) == "plots.say"]
            assert all(isinstance(node.args[0], (ast.JoinedStr, ast.Name)) for node in said), cell.id
            assert is_folded(cell), cell.id
