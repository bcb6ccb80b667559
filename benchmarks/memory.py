"""Peak memory of a run, of the process in which a study's worker does its runs, and of a training at the paper's width.

Then a run on two corpora of noise, a small one and one eleven times as large: how much memory of its own it holds (anonymous
memory: without files, which the system can drop, and shared libraries), and how much each further training segment takes.

The other figures are peak resident sets: all that a process has held at a time, shared libraries included. A run is measured
step by step; it is of one process, so each figure holds all before it. Two epochs are trained, as every epoch needs the same. A
worker keeps its process for all its runs, so it is measured after each of three. The worker itself, which only waits, needs as
much as importing Dask and this package. Only Linux tells these figures.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
import soundfile

from benchmarks import measure
from benchmarks.measure import Worker
from sermodules.config import RunConfig
from sermodules.corpora import FOUR
from sermodules.corpora.audio import SAMPLE_RATE

STEPS = ("features and segments", "training", "test")

#: Training segments of the corpora of noise: somewhat more than those of EMO-DB, and those of a corpus of 4,900 utterances.
SEGMENTS = (500, 5400)


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
    results += _growth(config.replace(epochs=1, patience=1), (16, 32) if quick else SEGMENTS)
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


def _growth(config, sizes):
    """Measure a run's anonymous memory on corpora of so many training segments."""
    results, peaks = [], []
    for count in sizes:
        what = f"own memory of a run, preset {config.preset}, {count:,} training segments, {config.threads} threads"
        click.echo(what, err=True)
        with tempfile.TemporaryDirectory() as folder:
            corpus = f"table:{write_noise(Path(folder, 'corpus'), count)}"
            found = _own(config.replace(corpus=corpus), {"SERMODULES_CACHE": str(Path(folder, "cache"))})
        results += [
            measure.result(what, f"until after {name}", [_megabytes(peak)], "MB") for name, peak in found.items()
        ]
        peaks.append(found)
    further = sizes[1] - sizes[0]
    what = f"own memory of a run, preset {config.preset}: growth with the corpus"
    growth = {name: (peaks[1][name] - peaks[0][name]) / further / 1000 for name in STEPS}
    return results + [
        measure.result(what, f"until after {name}", [value], "KB a segment") for name, value in growth.items()
    ]


def _own(config, environment):
    """Do a run, and return the most anonymous memory until the end of each step, in bytes."""
    worker = Worker("one_run", environment=environment, config=config.to_json())
    memory = measure.AnonymousMemory(worker.process.pid)
    try:
        found = {}
        for name in STEPS:
            worker()
            found[name] = memory.peak()
        return found
    finally:
        memory.close()
        worker.close()


def write_noise(folder, segments):
    """Write a corpus of noise of six speakers, four of whom train; return the path of its CSV.

    Parameters
    ----------
    folder : pathlib.Path
    segments : int
        Of the training: the utterances of four speakers, 2 s each, so one segment each.
    """
    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for number in range(-(-segments // 4)):
        for place, speaker in enumerate("abcdef"):
            name = f"{speaker}{number}"
            soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(2 * SAMPLE_RATE), SAMPLE_RATE)
            gender, emotion = ("female", "male")[place % 2], FOUR[number % 4]
            rows.append((name, f"{name}.wav", speaker, "", gender, emotion))
    columns = ["utterance", "path", "speaker", "session", "gender", "emotion"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "noise.csv", index=False)
    return folder / "noise.csv"


def _training(config):
    """Measure a process that trains on random numbers."""
    what = f"training, preset {config.preset}, minibatches of {config.batch_size}, {config.threads} threads"
    worker = Worker("keras_training", config=config.replace(epochs=2).to_json(), steps=2)
    try:
        worker()
        return [measure.result(what, f"{worker.ready()['parameters']:,} parameters", [_megabytes(worker.peak())], "MB")]
    finally:
        worker.close()
