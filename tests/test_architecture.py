"""The house: what may import what.

The order of `ROOMS` is the order of the data. A file imports only from rooms above its own, or from its own room without going
in circles.
"""

import ast
import re
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from zipfile import ZipFile

import pytest

import sermodules

PACKAGE = Path(sermodules.__file__).parent
ROOMS = [
    "errors",
    "files",
    "paths",
    "metrics",
    "config",
    "corpora",
    "features",
    "folds",
    "models",
    "runs",
    "inference",
    "doctor",
    "study",
    "plots",
    "evidence",
    "__main__",
]

#: Imports of the package inside a function, with the reason. Any other is a circle in hiding.
INSIDE = {
    "__main__": "every command imports what it needs, so that --help is quick",
    "study.runner": "the driver's side of the process starts no TensorFlow and no IPython",
}


def module(file):
    """Return a file's dotted name without the package's, "" for the package itself."""
    return ".".join(part for part in file.relative_to(PACKAGE).with_suffix("").parts if part != "__init__")


FILES = {module(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imported(node):
    """Return the modules of the package that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name.removeprefix("sermodules.") for alias in node.names if alias.name.startswith("sermodules")]
    if node.level or not (node.module or "").startswith("sermodules"):
        return []
    base = node.module.removeprefix("sermodules").removeprefix(".")
    names = [f"{base}.{alias.name}".removeprefix(".") for alias in node.names]
    return [name if name in FILES else base for name in names]


def imports(name):
    """Yield each import of a file: the module it names, whether it stands in a function, and the line."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((other, id(node) in inside, node.lineno) for other in imported(node) if other)


def room(name):
    return name.partition(".")[0]


GRAPH = {name: sorted(imports(name)) for name in FILES}


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_a_file_imports_only_from_rooms_above_its_own(name):
    assert room(name) in ROOMS, f"{name} stands in no room of ROOMS: give the room its place"
    upward = [
        f"{FILES[name].relative_to(PACKAGE)}:{line} imports {other}"
        for other, _, line in GRAPH[name]
        if ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not upward


def test_no_file_imports_itself_by_way_of_others():
    graph = {name: {other for other, _, _ in found if other in FILES} - {name} for name, found in GRAPH.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_imports_inside_functions_say_why(name):
    inside = [f"line {line}: {other}" for other, within, line in GRAPH[name] if within]
    assert bool(inside) == (name in INSIDE), f"{name}: {inside or 'none, but INSIDE names it'}"


@pytest.mark.parametrize(
    "code",
    [
        "import sermodules",
        "from sermodules import corpora, features, models, runs, study",
        "from sermodules import study; study.load('studies/quick.yaml')",
        "from sermodules.study import driver, published; from sermodules.evidence import report",
    ],
)
def test_importing_and_reading_a_study_start_no_tensorflow(code):
    check = "import sys; assert not {'tensorflow', 'jax', 'keras', 'IPython'} & set(sys.modules), 'imported'"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {check}"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_room_says_what_lives_there():
    for folder in sorted({file.parent for file in FILES.values()} - {PACKAGE}):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert text and len(text.splitlines()) >= 2, f"{folder}/__init__.py does not say what lives there"


def the_map(name):
    """Return the section of a Markdown file that shows the house."""
    text = (PACKAGE.parent / name).read_text(encoding="utf-8")
    return text[text.index("## The map") :].partition("\n## ")[0].strip() if "## The map" in text else ""


def test_the_map_is_the_same_for_users_and_contributors_and_names_what_is_there():
    shown = the_map("README.md")
    assert shown and shown == the_map("CONTRIBUTING.md")
    table = shown.partition("| `sermodules/` | what happens there |")[2].partition("One utterance")[0]
    rooms = re.findall(r"`(\w+)(?:/|\.py)`", table)
    assert rooms == ROOMS
    files = re.findall(r"`([\w/]+\.py)`", shown.partition("| you want to change |")[2])
    assert files and not [file for file in files if "NAME" not in file and not (PACKAGE / file).is_file()]


def test_an_installed_package_has_every_file_of_the_checkout(tmp_path):
    # Without `-e`, pip copies only what pyproject.toml lists: a room's script or style sheet is forgotten easily.
    shutil.copytree(PACKAGE, tmp_path / "sermodules", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PACKAGE.parent / name, tmp_path)
    build = "from setuptools.build_meta import build_wheel; build_wheel('wheel')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True, text=True)
    (wheel,) = (tmp_path / "wheel").iterdir()
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith("sermodules/")}
    there = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "sermodules").rglob("*") if path.is_file()}
    assert {"sermodules/plots/_player.js", "sermodules/plots/_player.css"} <= packed
    assert packed == there
