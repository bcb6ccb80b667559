"""The examples in docstrings: they run, and every function that a chapter calls has one and names its chapter."""

import ast
import doctest
import functools
import importlib
import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

import sermodules

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PACKAGE = Path(sermodules.__file__).parent
FILES = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("*.py"))]
MODULES = [".".join(path.parts).removesuffix(".__init__") for path in FILES]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

#: What chapters call and what needs no example, by the beginning of its name, with the reason.
WITHOUT = {
    "sermodules.runs.": "prepares, trains, scores or stores a run; it takes a corpus, and the chapter One fold is its example",
    "sermodules.inference.": "keeps a trained model; the chapter One fold is its example",
    "sermodules.study.": "reads the plan or the results of a study; the chapter The study is its example",
    "sermodules.evidence.report.registered.": "takes the runs of a registered study; the chapter The verdict is its example",
    "sermodules.evidence.across.contrasts": "takes the runs of a registered study; the chapter The verdict is its example",
    "sermodules.corpora.load": "reads a corpus, or makes one; every chapter begins with it",
    "sermodules.corpora.cremad.find_recordings": "looks into the folder of a corpus; the chapter What people hear plays some",
    "sermodules.corpora.synthetic.": "plans the synthetic corpus; the chapter The corpora shows what",
    "sermodules.features.log_mels.extract": "reads the audio of a corpus and fills the cache",
    "sermodules.models.epochs.prepare_to_train": "compiles a Keras network; the chapter One fold is its example",
    "sermodules.plots.sentences.say": "shows a paragraph; every chapter calls it",
    "sermodules.features.functionals.": "needs openSMILE, which is no dependency",
}


# --- the examples run


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, capsys):
    plt.switch_backend("Agg")
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    plt.close("all")
    assert not failed, capsys.readouterr().out


# --- who needs one


@functools.cache
def titles():
    """Return the title of each chapter."""
    cells = [cell for path in CHAPTERS for cell in nbformat.read(path, as_version=4).cells[:3]]
    return re.findall(r"^# (.+)$", "\n".join(cell.source for cell in cells), re.MULTILINE)


def source(path):
    """Return the code of a chapter without the lines that are IPython's."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", "\n".join(cells), flags=re.MULTILINE)


def dotted(node):
    """Return the names of ``a.b.c``, or nothing if it is something else."""
    if isinstance(node, ast.Name):
        return [node.id]
    return [*names, node.attr] if isinstance(node, ast.Attribute) and (names := dotted(node.value)) else []


def called(code):
    """Give what a chapter calls of the package: each with the class that it is a method of, or None."""
    tree = ast.parse(code)
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "sermodules"
        for alias in node.names
    }
    for node in ast.walk(tree):
        names = dotted(node.func) if isinstance(node, ast.Call) else []
        if not names or names[0] not in imported:
            continue
        module, first = imported[names[0]]
        owner, thing = None, getattr(importlib.import_module(module), first, None)
        thing = importlib.import_module(f"{module}.{first}") if thing is None else thing
        for name in names[1:]:  # a variable of a chapter may have the name of a module: then it has no such attribute
            owner, thing = thing, getattr(thing, name, None)
        if (thing := inspect.unwrap(thing) if callable(thing) else None) is not None:
            yield (owner if inspect.isclass(owner) else None), thing


def full_name(thing):
    """Return the dotted name of a function or class, or "" if it is not of the package."""
    module = getattr(thing, "__module__", None) or ""
    return f"{module}.{thing.__qualname__}" if module.startswith("sermodules.") else ""


@functools.cache
def needed():
    """Return what needs an example: name to docstring, that of its class included."""
    found = {}
    for path in CHAPTERS:
        for owner, thing in called(source(path)):
            if name := full_name(thing):
                found[name] = "\n".join(inspect.getdoc(one) or "" for one in (thing, owner) if one is not None)
    return found


def asked():
    """Return what must have an example: name to docstring."""
    return {name: text for name, text in needed().items() if not name.startswith(tuple(WITHOUT))}


def test_chapters_are_read():
    assert {"sermodules.metrics.uar", "sermodules.config.run.RunConfig.create"} <= set(asked())
    assert {"sermodules.features.frames.frame_features", "sermodules.features.mel.mel_filters"} <= set(asked())
    assert len(asked()) > 50


def test_what_a_chapter_calls_has_an_example():
    example = re.compile(r"^Examples\n-{8}\n(.*\n)*?>>> ", re.MULTILINE)
    lacking = [name for name, text in asked().items() if not example.search(text)]
    assert not lacking, "give these a section Examples that runs, or say in WITHOUT why not"


def test_what_a_chapter_calls_names_a_chapter():
    lacking = [name for name, text in asked().items() if not re.search(r'[Cc]hapter\s+"', text)]
    assert not lacking, 'say where these are explained, as in: See chapter "Features".'


@pytest.mark.parametrize("name", MODULES)
def test_chapters_are_named_by_their_titles(name):
    text = inspect.getsource(importlib.import_module(name))
    named = {" ".join(title.split()) for title in re.findall(r'[Cc]hapter\s+"([^"]+)"', text)}
    assert not {one for one in named if not any(re.match(rf"{re.escape(one)}(\W|$)", title) for title in titles())}


def test_each_exception_is_still_needed():
    idle = [prefix for prefix in WITHOUT if not any(name.startswith(prefix) for name in needed())]
    assert not idle, "no chapter calls these any more: take them out of WITHOUT"
