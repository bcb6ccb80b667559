"""What a run is computed with: the backend and who chose it, cores, memory, and variables that change numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib

from sermodules import backend_was_chosen
from sermodules.config import RunConfig, backends
from sermodules.doctor import packages
from sermodules.doctor.finding import Finding
from sermodules.runs import variables

#: The least that has a backend read its flags. An unknown one ends the process, at its first training otherwise.
PROBES = {
    "tensorflow": "import tensorflow as tf; tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))",
    "jax": "import jax; jax.jit(lambda x: x + 1)(1.0)",
}
#: The variables that hold flags.
FLAGS = ("XLA_FLAGS", "TF_XLA_FLAGS")

#: What a process takes that does runs of preset teaching, in bytes; `make bench` measured 1.65 GB.
MEMORY = 2e9


def look():
    """Return what is to be said of the backend, cores, memory and variables, a list of `Finding`."""
    return [backend(), _cores(), _memory(), _variables()]


def cores():
    """Return how many cores this process may use: a container's quota and a cluster's limits count, as for joblib."""
    return joblib.cpu_count()


def runs_at_a_time(threads):
    """Return how many runs a study does at a time unless told otherwise, when each has so many threads; at least two."""
    return max(2, cores() // threads)


def backend():
    """Say which backend Keras has, why, and whether it is there; it is not started."""
    name = os.environ[backends.VARIABLE]
    why = f"{backends.VARIABLE} says so" if backend_was_chosen else "the default"
    if name not in backends.BACKENDS:
        said = name if name.isidentifier() else "something else"
        todo = f"unset {backends.VARIABLE} for {backends.DEFAULT}"
        return Finding("backend", f"{backends.VARIABLE} says {said}, which is no backend that can train", todo, True)
    for package in backends.BACKENDS[name]:
        if packages.origin(package) is None:
            return Finding("backend", f"{name} ({why}): {package} is not installed", _how(name), True)
        if file := packages.stray(package, package):
            return Finding(
                "backend", f"{name} ({why}): another file is imported as {package}", "move it away", True, str(file)
            )
    keras = f"Keras {packages.version('keras')}"
    version = packages.version(name) or packages.version(f"{name}-cpu") or ""
    return Finding("backend", f"{name} {version}, {why}; {keras}" + _keras_json(name))


def _how(name):
    if name == backends.DEFAULT:
        return f"`make env`, or pip install {name}"
    return f"pip install {name}, or unset {backends.VARIABLE} for {backends.DEFAULT}"


def _keras_json(name):
    """Say that a keras.json which names another backend is not read, if there is one."""
    folder = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111 - there may be no home
    try:
        other = json.loads((Path(folder) / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return ""
    return "" if other in (None, name) else "; your keras.json says another one, and is not read"


def _cores():
    there, mine, threads = os.cpu_count(), cores(), RunConfig.threads
    limit = "" if mine == there else f" of {there}, by a quota or an affinity"
    return Finding("cores", f"{mine}{limit}: {runs_at_a_time(threads)} runs at a time, of {threads} threads each")


def _memory():
    free = available_memory()
    if free is None:
        return Finding("memory", "not known")
    at_a_time = runs_at_a_time(RunConfig.threads)
    todo = ""
    if free < MEMORY * at_a_time:
        todo = f"{at_a_time} runs of preset teaching need {MEMORY * at_a_time / 1e9:.0f} GB: close programs, or --workers 1"
    return Finding("memory", f"{free / 1e9:.1f} GB free", todo)


def available_memory():
    """Return the bytes of memory that this process could still get, or None if the system does not tell."""
    found = [_number("/proc/meminfo", "MemAvailable:", 1024)]
    group = next(iter(_lines("/proc/self/cgroup")), "").rpartition(":")[2].strip("/")
    for folder in (Path("/sys/fs/cgroup"), *(Path("/sys/fs/cgroup") / part for part in _parts(group))):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
        ):
            most = _number(folder / limit)
            if most is not None:
                found.append(max(0, most - (_number(folder / used) or 0)))
    return min((number for number in found if number is not None), default=None)


def _parts(group):
    """Return a path and those above it: "a", "a/b" of "a/b"."""
    names = [name for name in group.split("/") if name]
    return ["/".join(names[:count]) for count in range(1, len(names) + 1)]


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def _number(path, head="", unit=1):
    """Return the number in the line of a file that begins so, or None."""
    for line in _lines(path):
        if line.startswith(head) and line.removeprefix(head).split()[0].isdigit():
            return int(line.removeprefix(head).split()[0]) * unit
    return None


def _variables():
    given, probe = [name for name in FLAGS if os.environ.get(name)], PROBES.get(os.environ[backends.VARIABLE])
    if given and probe and not backend().stops and (said := _refused(probe)):
        return Finding("variables", f"nothing starts with {' '.join(given)}", f"unset {' '.join(given)}", True, said)
    found = variables.settings()
    if not found:
        return Finding("variables", "none that changes numbers")
    said = " ".join(f"{name}={value}" for name, value in found.items())
    return Finding(
        "variables", f"they change numbers: {said}", f"unset {' '.join(found)}, to compute as in a fresh shell"
    )


def _refused(program):
    """Start a backend in a process of its own, and return its last words if it ends; "" if it starts, or takes long."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode == 0:
        return ""
    return next(
        (line for line in reversed(done.stderr.splitlines()) if line.strip()), "it ended without a word"
    ).strip()
