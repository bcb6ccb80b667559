"""With what, when and on what machine a run was computed, and whether two runs were computed with the same.

`identity` is what can change a number and is not a setting of the run: the code, the backend, the packages between a recording
and a prediction, and the environment variables of `variables`. It is compared when a study goes on and when a worker joins, and
counted by reports. The processor can change last digits, too. It is recorded, and never compared.
"""

import ast
import datetime
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import joblib

from sermodules.config import backends
from sermodules.paths import code_digest, project_root, sources
from sermodules.runs import variables

#: What stands between a recording and a prediction, besides the backend. PyAV (av) need not be there.
PACKAGES = (
    "keras",
    "numpy",
    "scipy",
    "numba",
    "librosa",
    "soxr",
    "soundfile",
    "av",
    "praat-parselmouth",
    "scikit-learn",
    "pandas",
)

#: The rooms that compute nothing of a run: they keep its model, look at the place, hand out runs, and look at their results.
LOOKING_ON = ("inference", "doctor", "study", "plots", "evidence", "__main__")


def git(*arguments):
    """Ask git about the checkout, whatever GIT_DIR and its like say and whoever owns it; None if it does not know."""
    root = str(project_root())
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", root, *arguments],
            env=own,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip("\n")


def _checkout():
    """Return the commit of the checkout and whether the package differs from it; None for both if it is no checkout.

    A copy that lies inside another repository is none: that repository's commit says nothing about this code.
    """
    top = git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != project_root().resolve():
        return None, None
    changed = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", "sermodules") or ""
    files = [line[3:] for line in changed.split("\0") if line]
    return git("rev-parse", "HEAD"), any(not part.startswith(".") for part in map(_hidden_part, files))


def _hidden_part(file):
    """Return the first hidden part of a path, else its name."""
    parts = file.split("/")
    return next((part for part in parts if part.startswith(".")), parts[-1])


#: As they were when this process imported the package, as `sermodules.paths.code_digest` is.
_COMMIT, _CHANGED = _checkout()
_SETTINGS = variables.settings()


@functools.cache
def digest(*rooms):
    """Return the SHA-256 of what the code of some rooms does.

    Comments, docstrings, line ends and the breaking of lines do not count. Another minor version of Python gives another
    digest.

    Parameters
    ----------
    *rooms : str
        Folders and files of the package; all but those of `LOOKING_ON` unless given.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for name, source in sources().items():
        room = name.partition("/")[0].removesuffix(".py")
        if room in rooms if rooms else room not in LOOKING_ON:
            total.update(f"{name} {hashlib.sha256(_meaning(source)).hexdigest()}\n".encode())
    return total.hexdigest()


def _meaning(source):
    """Return a Python file without comments and docstrings."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a file that nobody imports
        return source
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree).encode()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _computing(packages, keras=None):
    """Return the facts of a record that are compared: of the Keras that is given, else of one that a new process imports."""
    backend = keras.backend.backend() if keras else os.environ["KERAS_BACKEND"]  # which this package sets
    names = ["sermodules", *backends.BACKENDS.get(backend, (backend,)), *PACKAGES, *packages]
    versions = {name: version for name in names if (version := _version(name))}
    return {
        "computes": digest(),
        "backend": backend,
        "versions": {"python": platform.python_version()} | versions,
        "settings": _SETTINGS,
    }


def collect(*packages):
    """Say with what, when and on what machine this process computes.

    Parameters
    ----------
    *packages : str
        Whose versions are wanted besides those that every run needs.

    Returns
    -------
    dict
        As in ``provenance.json`` of a run: ``date`` (UTC), ``commit``, ``code`` (digest of all source files of the package),
        ``uncommitted_changes``, ``computes`` (`digest` of the rooms that compute a run), ``backend``, ``versions``,
        ``settings`` (see `variables.settings`) and ``machine``. Its ``accelerators`` are those that Keras sees, if this process
        has started it.
    """
    processor, kind = _processor()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _COMMIT,
        "code": code_digest(),
        "uncommitted_changes": _CHANGED,
        **_computing(packages, sys.modules.get("keras")),
        "machine": {
            "system": platform.system(),
            "processor": processor,
            "processor_kind": kind,
            "cores": os.cpu_count(),
            "accelerators": _accelerators(),
        },
    }


def identity(provenance=None, packages=()):
    """Return all that can change a number, but for settings of the run and the processor.

    Parameters
    ----------
    provenance : dict, optional
        Of a run; unless given, what a process computes with that this one starts.
    packages : iterable of str
        As in `collect`, for this process.

    Returns
    -------
    dict of str to str
        ``code``, ``backend``, ``python`` (without its patch), a version for each package, and ``variables``. What the record
        does not say is not there: runs that are older than a fact do not have it.

    Examples
    --------
    >>> from sermodules.runs import provenance
    >>> provenance.identity({"backend": "jax", "versions": {"python": "3.11.7", "jax": "0.10.2"}, "settings": {}})
    {'backend': 'jax', 'python': '3.11', 'jax': '0.10.2', 'variables': 'none'}
    """
    record = _computing(packages) if provenance is None else provenance
    facts = {"code": record.get("computes"), "backend": record.get("backend")}
    versions = dict(record.get("versions") or {})
    versions.pop("sermodules", None)  # its code is compared
    if python := versions.pop("python", None):
        facts["python"] = ".".join(python.split(".")[:2])
    facts |= versions
    if (found := record.get("settings")) is not None:
        facts["variables"] = " ".join(f"{name}={value}" for name, value in found.items()) or "none"
    return {name: value for name, value in facts.items() if value is not None}


def differences(one, other):
    """Name the facts of two identities that differ. What one of the two does not say is not compared.

    Examples
    --------
    >>> from sermodules.runs import provenance
    >>> provenance.differences({"backend": "jax", "numpy": "2.4.6"}, {"backend": "tensorflow", "code": "ab", "numpy": "2.4.6"})
    ['backend']
    """
    return [name for name in one if name in other and one[name] != other[name]]


def _accelerators():
    """Name the devices other than processors that the backend sees."""
    keras = sys.modules.get("keras")
    return [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")] if keras else []


def _processor():
    """Return the processor's name, as the system gives it, and a digest of what chooses how its sums are rounded.

    Libraries pick their code by the processor's family and instruction sets, and its block sizes by the cache. A virtual
    machine often names only the maker, so the name does not tell two kinds apart.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine(), None
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kind = {name: found.get(name) for name in ("vendor_id", "cpu family", "model", "stepping", "cache size", "flags")}
    return found.get("model name") or platform.machine(), joblib.hash(kind)[:12]
