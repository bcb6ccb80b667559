"""Peak memory of a run, of the process in which a study's worker does its runs, and of a training at the paper's width.

The figures are peak resident sets: all that a process has held at a time, shared libraries included. A run is measured step by
step; it is of one process, so each figure holds all before it. Two epochs are trained, as every epoch needs the same. A worker
keeps its process for all its runs, so it is measured after each of three. The worker itself, which only waits, needs as much as
importing Dask and this package. Only Linux tells these figures.
"""

import pandas as pd

from benchmarks import measure
from benchmarks.measure import Worker
from sermodules.config import RunConfig

STEPS = ("features and segments", "training", "test")


def main(quick=False, rounds=None, threads=RunConfig.threads):
    """Measure.

    Parameters
    ----------
    quick : bool
        Only show that everything works: preset `smoke`, one epoch, one run of a worker.
    rounds : int, optional
        How often a run is measured, by default 3.
    threads : int

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``; there are no ratios.
    """
    _, corpus = measure.recordings()
    epochs = 1 if quick else 2
    config = RunConfig.create(
        corpus=corpus, preset="smoke" if quick else "teaching", epochs=epochs, patience=epochs, threads=threads
    )
    results = _run(config, rounds or (1 if quick else 3)) + _worker(config, 1 if quick else 3)
    if not quick:
        for preset in ("teaching", "paper"):
            results += _training(RunConfig.create(preset=preset, threads=threads))
    return pd.DataFrame(results, columns=measure.COLUMNS)


def _megabytes(size):
    return size / 1e6


def _run(config, rounds):
    """Measure a run, step by step, in so many processes."""
    what = f"a run, preset {config.preset}, {config.corpus}, {config.threads} threads"
    found = {name: [] for name in ("import", *STEPS)}
    for _ in range(rounds):
        worker = Worker("one_run", config=config.to_json())
        try:
            found["import"].append(_megabytes(worker.ready()["import"]))
            for name in STEPS:
                found[name].append(_megabytes(worker()))
        finally:
            worker.close()
    return [measure.result(what, f"after {name}", values, "MB") for name, values in found.items()]


def _worker(config, runs):
    """Measure a worker's process after each of so many runs."""
    what = f"a worker, preset {config.preset}, {config.corpus}, {config.threads} threads"
    configs = [config.replace(fold=fold).to_json() for fold in range(1, runs + 1)]
    worker = Worker("study_worker", configs=configs)
    try:
        return [
            measure.result(what, f"after run {number}", [_megabytes(worker())], "MB") for number in range(1, runs + 1)
        ]
    finally:
        worker.close()


def _training(config):
    """Measure a process that trains on random numbers."""
    what = f"training, preset {config.preset}, minibatches of {config.batch_size}, {config.threads} threads"
    worker = Worker("keras_training", config=config.replace(epochs=2).to_json(), steps=2)
    try:
        worker()
        return [measure.result(what, f"{worker.ready()['parameters']:,} parameters", [_megabytes(worker.peak())], "MB")]
    finally:
        worker.close()
