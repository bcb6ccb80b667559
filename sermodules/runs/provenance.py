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
    try:
        done = subprocess.run(
            ["git", "-C", str(project_root()), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


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
    commit, (processor, kind) = _git("rev-parse", "HEAD"), _processor()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "code": code_digest(),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "sermodules")) if commit else None,
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
