"""The first minutes: what `make study` does in a fresh clone, phase by phase, perhaps beside another commit's.

The clone is of the last commit, not of changed files. It has no corpora and takes nothing from the caches of uv and pip. All is
downloaded. It lies in ``_build/first`` and is removed at the end.
"""

import os
import subprocess
import time
from pathlib import Path

import click
import pandas as pd

from benchmarks import against, measure
from sermodules import files
from sermodules.errors import SermodulesError
from sermodules.paths import project_root

#: What `make study` does, in this order (``tests/test_benchmarks.py``).
PHASES = {
    "installation": ("make", "env"),
    "synthetic corpus": (".venv/bin/python", "-m", "sermodules", "corpora", "make", "synthetic"),
    "twenty runs": (".venv/bin/python", "-m", "sermodules", "study", "run", "studies/quick.yaml"),
    "book": ("make", "book"),
    "report": (".venv/bin/python", "-m", "sermodules", "study", "report", "studies/quick.yaml"),
}


def main(commit=None, phases=tuple(PHASES), rounds=None):
    """Measure.

    Parameters
    ----------
    commit : str, optional
        Another commit, which does the same in turn.
    phases : sequence of str
        Keys of `PHASES`.
    rounds : int, optional
        By default 1.

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``. ``ratio`` is how many times as fast as the other we are.

    Raises
    ------
    SermodulesError
        If there is no such commit, or a phase fails.
    """
    commits = {"sermodules": "HEAD"} | ({f"commit {commit}": commit} if commit else {})
    found = {name: [] for name in commits}
    for _ in range(rounds or 1):
        for name, chosen in commits.items():
            found[name].append(_once(name, chosen, phases))
    ours, results = found["sermodules"], []
    for phase in [*phases, "in all"]:
        for name, times in found.items():
            seconds = [one[phase] for one in times]
            row = measure.result("make study in a fresh clone: " + phase, name, seconds, "s")
            if name != "sermodules":
                row |= _ratio(seconds, [one[phase] for one in ours])
            results.append(row)
    return pd.DataFrame(results, columns=measure.COLUMNS)


def _ratio(theirs, ours):
    """Say how many times as fast we are: fewer seconds are faster."""
    names = ("ratio", "ratio_low", "ratio_high")
    return {name: measure.result("", "", ours, "", theirs)[name] for name in names}


def _once(name, commit, phases):
    """Do the phases in a clone of a commit; return the seconds of each, and in all."""
    parent = project_root() / "_build" / "first"
    parent.mkdir(parents=True, exist_ok=True)
    source, seconds = against.checkout(commit), {}
    with files.staging(parent, source.name) as staging:
        clone = staging / "clone"
        against.git(project_root(), "clone", "--quiet", str(source), str(clone))
        for phase in phases:
            click.echo(f"{name}: {phase}", err=True)
            began = time.perf_counter()
            done = subprocess.run(PHASES[phase], cwd=clone, env=_environment(staging), stdout=2)
            if done.returncode:
                raise SermodulesError(f"{name}: `{' '.join(PHASES[phase])}` failed in a fresh clone; see above")
            seconds[phase] = time.perf_counter() - began
    return seconds | {"in all": sum(seconds.values())}


def _environment(folder):
    """Return the variables of somebody who begins: no corpora, no caches; but the same machine and network."""
    own = {name: value for name, value in against.clean(os.environ).items() if not name.startswith("SERMODULES_")}
    return own | {"PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(Path(folder) / "uv")}
