"""With what, when and on what machine a run was computed."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import joblib

from sermodules.models.backend import keras
from sermodules.paths import code_digest, project_root


def _git(*arguments):
    """Ask git about the checkout, whatever GIT_DIR and its like say; None if it does not know."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(project_root()), *arguments],
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
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != project_root().resolve():
        return None, None
    changed = _git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", "sermodules") or ""
    files = [line[3:] for line in changed.split("\0") if line]
    return _git("rev-parse", "HEAD"), any(not part.startswith(".") for part in map(_hidden_part, files))


def _hidden_part(file):
    """Return the first hidden part of a path, else its name."""
    parts = file.split("/")
    return next((part for part in parts if part.startswith(".")), parts[-1])


#: Commit and changes as they were when this process imported the package, as `sermodules.paths.code_digest` is.
_COMMIT, _CHANGED = _checkout()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def collect():
    """Say with what, when and on what machine this process computes.

    Returns
    -------
    dict
        As in ``provenance.json`` of a run: ``date`` (UTC), ``commit``, ``code`` (digest of the package),
        ``uncommitted_changes``, ``versions``, ``backend`` and ``machine``.
    """
    backend = keras.backend.backend()
    packages = ["sermodules", "keras", backend, "numpy", "librosa", "scikit-learn", "pandas"]
    processor, kind = _processor()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _COMMIT,
        "code": code_digest(),
        "uncommitted_changes": _CHANGED,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "backend": backend,
        "machine": {
            "system": platform.system(),
            "processor": processor,
            "processor_kind": kind,
            "cores": os.cpu_count(),
            "accelerators": _accelerators(),
        },
    }


def _accelerators():
    """Name the devices other than processors that the backend sees."""
    return [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]


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
