"""Whether what a run imports is there, in the versions of the project, and not hidden by a file of the same name."""

import importlib.metadata
import importlib.util
import platform
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from sermodules.doctor.finding import Finding
from sermodules.paths import project_root

#: What a run imports, besides its backend: the package as pip calls it, and as Python does.
NEEDED = {
    "click": "click",
    "filelock": "filelock",
    "ipython": "IPython",
    "joblib": "joblib",
    "keras": "keras",
    "lazy-loader": "lazy_loader",
    "librosa": "librosa",
    "matplotlib": "matplotlib",
    "nbformat": "nbformat",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "papermill": "papermill",
    "praat-parselmouth": "parselmouth",
    "psutil": "psutil",
    "PyYAML": "yaml",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "seaborn": "seaborn",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "tabulate": "tabulate",
    "tqdm": "tqdm",
}

#: What reports and clusters import besides.
USEFUL = {
    "baycomp": "baycomp",
    "dask": "dask",
    "distributed": "distributed",
    "pooch": "pooch",
    "statsmodels": "statsmodels",
}

_MEND = "`make env` installs what is missing; if it does not, delete .venv first"


def look():
    """Return what is to be said of Python and its packages, a list of `Finding`."""
    return [_python(), *_installed(), *_hidden()]


def version(package):
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def origin(module):
    """Return the file from which a process of a study would import a module; None if there is none.

    Such a process does not look into the working folder.
    """
    found = PathFinder.find_spec(module, sys.path if sys.flags.safe_path else sys.path[1:])
    found = found or importlib.util.find_spec(module)
    return Path(found.origin) if found and found.has_location and found.origin else None


def stray(package, module):
    """Return the file that hides a package, if one does."""
    file = origin(module)
    if file is None or version(package) is None:
        return None
    home = Path(importlib.metadata.distribution(package).locate_file("")).resolve()
    return None if file.resolve().is_relative_to(home) else file


def pinned():
    """Return the versions that the project asks for, by package; nothing without a checkout."""
    try:
        lines = (project_root() / "requirements.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {found[1]: found[2] for line in lines if (found := re.fullmatch(r"([\w.-]+)==([\w.+]+)\s*", line))}


def _python():
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", text, private=sys.executable)
    return Finding("python", text, "3.11, 3.12 and 3.13 are tried", private=sys.executable)


def _installed():
    missing = [name for name, module in NEEDED.items() if version(name) is None or origin(module) is None]
    if missing:
        yield Finding("packages", f"not installed: {', '.join(missing)}", _MEND, stops=True)
        return
    wanted = pinned()
    other = [
        f"{name} {version(name) or 'missing'} ({wanted[name]})"
        for name in (*NEEDED, *USEFUL)
        if name in wanted and version(name) != wanted[name]
    ]
    if other:
        todo = f"scores may differ in their last digits; {_MEND.partition(';')[0]}"
        yield Finding("packages", f"other versions than the project's (in brackets): {', '.join(other)}", todo)
    else:
        yield Finding("packages", f"{len(NEEDED) + len(USEFUL)}" + (" in the project's versions" if wanted else ""))


def _hidden():
    """Yield what a file of the same name hides: a package, or a module of Python."""
    for name, module in NEEDED.items():
        if file := stray(name, module):
            yield Finding(
                "packages", f"another file is imported as {module}", "move it away, or PYTHONPATH", True, str(file)
            )
    if files := _hiding_python():
        names = ", ".join(sorted({file.stem for file in files}))
        todo = "rename it: what imports that module gets your file, and fails"
        yield Finding(
            "imports", f"a file of yours is called as a module of Python: {names}", todo, private=str(files[0])
        )


def _hiding_python():
    """Return the files that stand before modules of Python's own in the order in which folders are searched."""
    own = Path(importlib.util.__file__).parents[1].resolve()
    found = []
    for place in map(Path, sys.path):
        if place.resolve() == own:
            break
        if place.is_dir():
            names = [*place.glob("*.py"), *(file.parent for file in place.glob("*/__init__.py"))]
            found += [path for path in names if path.stem in sys.stdlib_module_names]
    return found
