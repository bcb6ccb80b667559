"""The page of messages against the code: each row is of a message that there is, each message of the door has a row."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "book" / "troubleshooting.md").read_text(encoding="utf-8")
ERRORS = ("CorpusError", "AudioError", "ConfigError")
ROWS = [line for line, after in zip(PAGE.splitlines(), PAGE.splitlines()[1:], strict=False) if after.startswith(": **")]
TERMS = [term for row in ROWS for term in re.findall("`([^`]+)`", row)]


def words(node):
    """Return a text of the code, with … for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words(node.left) + words(node.right)
    return "…"


def texts(paths):
    return [
        words(node)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp))
    ]


def pieces(text):
    """Return what of a text is the same whatever is filled in: without numbers, what is quoted, and the rest of a word."""
    parts = re.split(r"…|\d[\d.,]*|'[^']*'|\b\w+\.(?:csv|wav)\b", text)
    return [part.strip(" :;,.()[]") for part in parts if len(part.strip(" :;,.()[]")) > 3]


SOURCES = [*(ROOT / "sermodules").rglob("*.py")]
SAID = "\n".join(dict.fromkeys(texts(SOURCES)))
#: What other programs say, by a piece of it.
OTHERS = ("ensurepip", "command not found", "No module named", "Port 8787", "Python 3.11, 3.12", "SERMODULES_DATA is",
          "No page came out", "make: ")  # fmt: skip


@pytest.mark.parametrize("term", TERMS)
def test_every_row_is_of_a_message_that_there_is(term):
    if not any(other in term for other in OTHERS):
        lost = [piece for piece in pieces(term) if piece not in SAID]
        assert not lost, f"no code says {lost}"


#: The files of the door: what a user's own recordings, tables and vectors go through.
DOOR = [ROOT / "sermodules" / "corpora" / f"{name}.py" for name in (
    "audio", "cells", "choice", "columns", "databases", "decoder", "duplicates", "kinds", "sources", "table", "unusable",
)] + [ROOT / "sermodules" / "config" / "classes.py", ROOT / "sermodules" / "features" / "vectors.py"]  # fmt: skip


def told(path):
    """Return what a file may tell a user: the texts of its errors and warnings, each with its line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", ""))
        if isinstance(node, ast.Call) and node.args and (name in (*ERRORS, "warn", "add")):
            argument = node.args[-1] if name == "add" else node.args[0]
            text = words(argument)
            if len("".join(pieces(text))) > 8:
                found.append((node.lineno, text))
    return found


def has_row(text):
    """Tell whether a row stands for a message: all that is fixed in one of its terms is in the message."""
    return any((found := pieces(term)) and all(piece in text for piece in found) for term in TERMS)


@pytest.mark.parametrize("path", DOOR, ids=lambda path: path.stem)
def test_every_message_of_the_door_has_a_row(path):
    lost = [f"{path.name}:{line}: {' '.join(text.split())[:90]}" for line, text in told(path) if not has_row(text)]
    assert not lost, "book/troubleshooting.md has no row for\n" + "\n".join(lost)
