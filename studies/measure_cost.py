"""Measure how fast this machine trains and predicts, and say what the full IEMOCAP grid would cost on such machines.

    python studies/measure_cost.py
    python studies/measure_cost.py --preset teaching --threads 1
    KERAS_BACKEND=jax python studies/measure_cost.py --precision mixed_bfloat16

It needs no corpus: the segments are random numbers of the right shape, and a step takes as long with them. Nothing else should
run on the machine meanwhile, unless the study will share it too. The table has a line a configuration of
``studies/iemocap.yaml``, and one for all. Its hours are an upper bound of training and predicting alone: every run goes through
all of its epochs. They leave out importing the backend, features, the notebook, and the time in which workers wait. PFLOP are
10^15 operations, counted by `sermodules.models.flops`: a machine that does one TFLOP (10^12) a second needs 1000 s for each.
"""

import math
import time
from pathlib import Path

import click
import pandas as pd
from scipy import stats
from tabulate import tabulate

from sermodules import models, study
from sermodules.config import PRESETS, RunConfig
from sermodules.corpora.iemocap import COUNTS
from sermodules.folds import protocol
from sermodules.folds.parts import random_part
from sermodules.models import epochs, flops, reuse
from sermodules.models.backend import keras
from sermodules.runs.provenance import collect

STUDY = Path(__file__).with_name("iemocap.yaml")
#: Mean and median length (s) of the 2280 improvised utterances of the four classes.
MEAN, MEDIAN = 4.38, 3.49
SECONDS = 3.0  # of a segment


def segments_per_utterance(mean=MEAN, median=MEDIAN):
    """Estimate how many segments the segmentation "padded_tail" makes of an utterance.

    Parameters
    ----------
    mean, median : float
        Of the utterances' length (s).

    Returns
    -------
    float
        The mean of length / 3 s, rounded up, if the logarithm of the length is normally distributed. Open: the true lengths
        stand in the corpus, which is not at hand.
    """
    length = stats.lognorm(s=math.sqrt(2 * math.log(mean / median)), scale=median)
    return 1 + sum(length.sf(SECONDS * number) for number in range(1, 100))


def folds(validation="partner"):
    """Say how large the parts of IEMOCAP's folds are.

    Returns
    -------
    pandas.DataFrame
        A row a fold: ``fold``, ``train`` (its speakers), and the estimated segments ``training``, ``validation``, ``test``.
    """
    counts = {speaker: sum(row) for speaker, row in COUNTS.items()}
    table = pd.DataFrame({"speaker": list(counts), "session": [name[:-1] for name in counts]})
    table["gender"] = ["female" if name.endswith("F") else "male" for name in counts]
    rate = segments_per_utterance()
    rows = [
        (fold.number, fold.train, *(rate * sum(map(counts.get, who)) for who in (fold.train, fold.validation, fold.test)))
        for fold in protocol.folds(table, validation)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["fold", "train", "training", "validation", "test"])


class _Clock(keras.callbacks.Callback):
    """Takes the time of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stop."""
        self.seconds.append(time.perf_counter() - self.began)


def speed(config, steps=3, classes=4):
    """Measure a network on this machine, with minibatches of random numbers.

    Parameters
    ----------
    config : RunConfig
    steps : int
        Minibatches that are timed, after as many for warming up; so many batches of 32 are predicted.
    classes : int

    Returns
    -------
    dict of str to float
        ``step`` (seconds a minibatch), ``training`` and ``predicting`` (segments a second), ``weights`` (bytes), and the FLOP
        of a segment that is trained, ``train_flop``, and predicted, ``predict_flop``.
    """
    method = models.build(config, classes)
    network = method.network
    epochs.prepare_to_train(network, config, 1)
    part, clock = random_part(config, config.batch_size, classes), _Clock()

    def minibatches():
        while True:
            yield part.inputs, part.labels

    network.fit(minibatches(), steps_per_epoch=steps, epochs=2, verbose=0, shuffle=False, callbacks=[clock])
    step, other = clock.seconds[-1] / steps, random_part(config, 32 * steps, classes)
    models.logits(method, random_part(config, 32, classes))
    began = time.perf_counter()
    models.logits(method, other)
    predicting = 32 * steps / (time.perf_counter() - began)
    weights = sum(values.nbytes for values in network.get_weights())
    measured = {"step": step, "training": config.batch_size / step, "predicting": predicting, "weights": weights}
    return measured | {"train_flop": flops.training(network), "predict_flop": sum(flops.forward(network).values())}


def cost(configs, speeds):
    """Say what runs on IEMOCAP cost at most.

    Parameters
    ----------
    configs : iterable of RunConfig
    speeds : dict of RunConfig to dict
        What `speed` returned for each configuration, whose fold and seed are 1.

    Returns
    -------
    dict
        ``runs``; ``trainings``, of which there are fewer if the weights of all epochs may be kept for a run with the same
        training speakers (`epochs.train`); ``epoch`` (s), the mean over the runs of one that is computed, with its
        validation; ``petaflop``, the operations; ``hours`` of one worker; ``workers`` that do it in a day.
    """
    seconds, epoch, operations, trained, count = 0.0, 0.0, 0.0, set(), 0
    sizes = {name: folds(name).set_index("fold") for name in ("partner", "next")}
    for config in configs:
        found, size = speeds[config.replace(fold=1, seed=1)], sizes[config.validation].loc[config.fold]
        shared = config.epochs * found["weights"] <= reuse.PREVIOUS.limit
        key = (config.training, size["train"]) if shared else config
        fit, validate = size["training"] / found["training"], size["validation"] / found["predicting"]
        epoch, count = epoch + fit + validate, count + 1
        learned = 0 if key in trained else config.epochs * size["training"]
        predicted = config.epochs * size["validation"] + size["test"]
        seconds += learned / found["training"] + predicted / found["predicting"]
        operations += learned * found["train_flop"] + predicted * found["predict_flop"]
        trained.add(key)
    hours = seconds / 3600
    return {
        "runs": count, "trainings": len(trained), "epoch": epoch / count, "petaflop": operations / 1e15,
        "hours": hours, "workers": math.ceil(hours / 24),
    }  # fmt: skip


def runs(path=STUDY, **settings):
    """Return the runs of a study on IEMOCAP, which need not be there, with other settings, such as another preset."""
    kept = ("corpus", "model", "attention", "gender", "fold", "seed")
    plan = study.load(path, folds=list(range(1, len(COUNTS) + 1)))
    return [RunConfig.create(**{name: getattr(config, name) for name in kept}, **settings) for config in plan.configs]


#: The columns of the table that is printed; the file has them too, and where and when they were measured.
COLUMNS = {
    "preset": "preset",
    "model": "model",
    "precision": "precision",
    "threads": "threads",
    "training": "trained segments/s",
    "predicting": "predicted segments/s",
    "epoch": "s an epoch",
    "runs": "runs",
    "trainings": "trainings",
    "petaflop": "PFLOP",
    "hours": "hours, at most",
    "workers": "workers for a day",
}


def measure(planned, steps):
    """Measure each configuration of some runs, and say what the runs cost.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`, a row a configuration, and one for ``all`` without its speeds.
    """
    groups = {}
    for config in planned:
        groups.setdefault(config.replace(fold=1, seed=1), []).append(config)
    speeds, rows = {}, []
    for config in groups:
        speeds[config] = speed(config, steps)
        click.echo(f"{config.model}: {speeds[config]['step']:.3g} s a step of {config.batch_size} segments")
    for config, configs in [*groups.items(), (None, planned)]:
        found = {"model": "all", "training": None, "predicting": None}
        if config:
            found = {"model": config.model} | speeds[config]
        total = cost(configs, speeds) | ({} if config else {"epoch": None})
        settings = {name: getattr(planned[0], name) for name in ("preset", "precision", "threads")}
        rows.append(settings | found | total)
    return pd.DataFrame(rows)[list(COLUMNS)]


def save(table, path):
    """Add a table to a CSV file, with its machine and date; what was measured alike before gives way."""
    told = collect()
    machine, backend = told["machine"], told["backend"]
    where = ", ".join([f"{machine['cores']} cores ({machine['processor']})", *machine["accelerators"]])
    where = {"machine": where, "backend": f"{backend} {told['versions'][backend]}"}
    table = table.assign(**where, date=told["date"], commit=told["commit"])
    if path.exists():
        table = pd.concat([pd.read_csv(path), table])
    keys = ["machine", "backend", "preset", "model", "precision", "threads"]
    table.drop_duplicates(keys, keep="last").to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


@click.command(help=__doc__)
@click.option("--preset", type=click.Choice(list(PRESETS)), default="paper", show_default=True)
@click.option(
    "--threads", type=click.IntRange(1), default=RunConfig.threads, show_default=True, help="TensorFlow only."
)
@click.option("--precision", type=click.Choice(["float32", "mixed_bfloat16"]), default="float32", show_default=True)
@click.option("--steps", type=click.IntRange(1), default=3, show_default=True, help="Minibatches that are timed.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Add the table to this CSV file as well.")
def main(preset, threads, precision, steps, to):
    """Measure and print the table."""
    table = measure(runs(preset=preset, threads=threads, precision=precision), steps)
    shown = table.map(lambda value: "" if pd.isna(value) else f"{value:,.3g}" if isinstance(value, float) else value)
    click.echo(tabulate(shown, list(COLUMNS.values()), "github", showindex=False, disable_numparse=True))
    click.echo(f"{keras.backend.backend()} on {', '.join(map(str, keras.distribution.list_devices()))}")
    if to:
        save(table, to)


if __name__ == "__main__":
    main()
