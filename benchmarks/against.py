"""Training throughput of this checkout and of another commit, each with its own code in its own environment.

Both train Model 2 of the same configuration on random segments, by Nadam in float32, as `benchmarks.training` has it: the other
commit by its own ``benchmarks.worker``, which answers in the same way. They take turns, in one process and in two side by side,
as studies run.

The other commit is checked out into ``_build/against/<commit>``, and its own Makefile makes its environment there. It stays for
the next time; ``make clean`` removes it.
"""

import os
import subprocess
from pathlib import Path

import click
import pandas as pd

from benchmarks import measure, training
from benchmarks.measure import Together, Worker
from sermodules import files
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.paths import project_root

#: Minibatches of a turn. At preset `teaching` an epoch of EMO-DB has 22.
STEPS = {"teaching": 22, "smoke": 22}
PROCESSES = (1, 2)


def main(commit, environment=None, quick=False, rounds=None, threads=RunConfig.threads):
    """Measure.

    Parameters
    ----------
    commit : str
        What git knows: a hash, a branch, a tag.
    environment : path, optional
        A Python that has what the other commit needs. Its own Makefile makes it one unless given.
    quick : bool
        Only show that everything works: a tiny network, one round.
    rounds : int, optional
        By default 7.
    threads : int
        Of every process.

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``.

    Raises
    ------
    SermodulesError
        If there is no such commit, its environment cannot be made, or its code does not do this work.
    """
    folder = checkout(commit)
    python = Path(environment).absolute() if environment else own_environment(folder)
    results = []
    for preset, steps in STEPS.items():
        config = RunConfig.create(preset=preset, threads=threads).before_added()  # as every commit knows it
        if quick:
            config, steps = config.replace(width=1 / 64, conv_layers=1, batch_size=4), 2
        for processes in PROCESSES:
            results += _compare(config, steps, rounds or (1 if quick else 7), processes, folder, python)
    return pd.DataFrame(results, columns=measure.COLUMNS)


def checkout(commit, root=None):
    """Return the folder of a commit's files, ``_build/against/<commit>``; make it if it is not there.

    Parameters
    ----------
    commit : str
    root : path, optional
        The repository; this checkout unless given.
    """
    root = Path(root or project_root())
    name = git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")[:12]
    parent = root / "_build" / "against"
    if not (parent / name).is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with files.staging(parent, name) as staging:
            clone = staging / "clone"
            git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(clone))
            git(clone, "checkout", "--quiet", "--detach", name)
            clone.rename(parent / name)
    return parent / name


def git(folder, *arguments):
    """Have git do something in a folder, whatever GIT_DIR and its like say, and return what it prints."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=clean(os.environ))
    if done.returncode:
        reason = done.stderr.strip() or f"git knows nothing called {arguments[-1].removesuffix('^{commit}')!r} here"
        raise SermodulesError(f"cannot check the other commit out: {reason}. Name a commit of {folder}.")
    return done.stdout.strip()


def clean(environment):
    """Return the variables without those that would take git or make elsewhere."""
    return {name: value for name, value in environment.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS"))}


def own_environment(folder):
    """Have a commit's Makefile make its environment, if it has not yet, and return its Python."""
    click.echo(f"the environment of {folder.name}, by its own Makefile", err=True)
    done = subprocess.run(["make", "-C", str(folder), "env"], env=clean(os.environ), stdout=2)
    if done.returncode:
        raise SermodulesError(f"`make env` failed in {folder}; see above. Or name a Python with --environment.")
    return folder / ".venv" / "bin" / "python"


def _compare(config, steps, rounds, processes, folder, python):
    """Let both take turns at one configuration, and return the results, ours first."""
    side = "one process" if processes == 1 else f"{processes} processes side by side"
    what = f"training, preset {config.preset}, float32, {side} of {config.threads} threads"
    click.echo(what, err=True)
    job = {"config": config.replace(epochs=rounds + 1).to_json(), "steps": steps}
    sides = {"sermodules": {}, folder.name: {"checkout": folder, "python": python}}
    contenders = {}
    try:
        for name, options in sides.items():
            workers = [Worker("keras_training", **options, **job) for _ in range(processes)]
            contenders[name] = Together(workers)
        training.check_parameters(contenders)
        seconds = measure.rounds(contenders, rounds)
    finally:
        for contender in contenders.values():
            contender.close()
    segments = processes * steps * config.batch_size
    ours, theirs = ([segments / value for value in values] for values in seconds.values())
    return [
        measure.result(what, "sermodules", ours, "segments/s"),
        measure.result(what, f"commit {folder.name}", theirs, "segments/s", ours),
    ]
