"""Training throughput of Model 2 beside other ways to train the same network.

All contenders train the same layers, of as many parameters, by Nadam, on minibatches of the same size, with as many threads:

- ours: `sermodules.models.epochs.train`;
- the stock layer ``keras_self_attention.SeqSelfAttention`` in our model, with a plain ``model.fit`` on arrays (float32 only:
  the layer does not work in mixed precision);
- PyTorch, channels last, with its own Nadam (`benchmarks.pytorch`), if it is installed.

The segments are random numbers; a step takes as long with them. A turn is an epoch about as long as one of EMO-DB, or at preset
`paper` one minibatch. Nobody validates. Beside them stands the speed at which the machine multiplies two large square matrices:
a network is convolutions and matrix products, and cannot be faster than that. The operations of a step are counted by
`sermodules.models.flops`.
"""

import click
import pandas as pd

from benchmarks import measure
from benchmarks.measure import Worker
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError

#: Minibatches of a turn. At preset `teaching` an epoch of EMO-DB has 22.
STEPS = {"teaching": 22, "paper": 1}
#: Rows of the matrices whose product is timed.
SIZE = 4096
PRECISIONS = ("float32", "mixed_bfloat16")
_SHORT = {"float32": "float32", "mixed_bfloat16": "bfloat16"}


def main(quick=False, rounds=None, threads=RunConfig.threads):
    """Measure.

    Parameters
    ----------
    quick : bool
        Only show that everything works: a tiny network, one round, no bfloat16.
    rounds : int, optional
        By default 7 at preset `teaching` and 3 at `paper`.
    threads : int
        Of every contender.

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``.
    """
    if quick:
        tiny = RunConfig.create(preset="smoke", width=1 / 64, conv_layers=1, batch_size=4, threads=threads)
        return pd.DataFrame(_compare(tiny, 2, rounds or 1, 256), columns=measure.COLUMNS)
    results = []
    for preset, count in (("teaching", 7), ("paper", 3)):
        for precision in PRECISIONS:
            config = RunConfig.create(preset=preset, precision=precision, threads=threads)
            results += _compare(config, STEPS[preset], rounds or count, SIZE)
    return pd.DataFrame(results, columns=measure.COLUMNS)


def _compare(config, steps, rounds, size):
    """Let all contenders of one configuration take turns, and return the results, ours first."""
    what = f"training, preset {config.preset}, {_SHORT[config.precision]}, {config.threads} threads"
    click.echo(what, err=True)
    segments, plain = steps * config.batch_size, config.precision == "float32"
    setting = config.replace(epochs=rounds + 1)
    workers, absent = {}, []
    try:
        workers["sermodules"] = Worker("keras_training", config=setting.to_json(), steps=steps)
        if plain:
            name = "SeqSelfAttention and model.fit"
            if measure.installed("keras_self_attention"):
                workers[name] = Worker("keras_training", config=setting.to_json(), steps=steps, stock=True)
            else:
                absent.append((name, "keras-self-attention"))
        else:
            exact = setting.replace(precision="float32")
            workers["sermodules, float32"] = Worker("keras_training", config=exact.to_json(), steps=steps)
        if measure.installed("torch"):
            workers["PyTorch, channels last"] = Worker("torch_training", config=setting.to_json(), steps=steps)
        else:
            absent.append(("PyTorch, channels last", "torch"))
        check_parameters(workers)
        products = _products(config, size)
        workers |= products
        seconds = measure.rounds(workers, rounds)
        return _results(what, segments, workers, products, absent, seconds)
    finally:
        for worker in workers.values():
            worker.close()


def _products(config, size):
    """Start what multiplies matrices: each library that can in this precision."""
    precision = _SHORT[config.precision]
    libraries = {"TensorFlow": "tensorflow"}
    if precision == "float32":
        libraries["NumPy"] = "numpy"
    if measure.installed("torch"):
        libraries["PyTorch"] = "torch"
    limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(config.threads))
    settings = {"precision": precision, "threads": config.threads, "size": size}
    return {
        f"matrix product, {name}": Worker("product", environment=limits, library=library, **settings)
        for name, library in libraries.items()
    }


def check_parameters(workers):
    """Refuse contenders that do not train as many parameters."""
    counts = {name: worker.ready()["parameters"] for name, worker in workers.items()}
    if len(set(counts.values())) > 1:
        raise SermodulesError(f"the contenders are not the same network: they have {counts} parameters")


def _results(what, segments, workers, products, absent, seconds):
    """Turn the seconds of each turn into segments/s and GFLOP/s."""
    flops = workers["sermodules"].ready()["flops"]
    speed = [segments / value for value in seconds["sermodules"]]
    reached = [rate * flops / 1e9 for rate in speed]
    note = f"{flops / 1e9:.3g} GFLOP a segment, {workers['sermodules'].ready()['parameters']:,} parameters"
    results = [
        measure.result(what, "sermodules", speed, "segments/s", note=note),
        measure.result(what, "sermodules", reached, "GFLOP/s"),
    ]
    for name, values in seconds.items():
        if name in products:
            peak = [workers[name].ready()["flops"] / value / 1e9 for value in values]
            results.append(measure.result(what, name, peak, "GFLOP/s", reached, "the ratio is our share of it"))
        elif name != "sermodules":
            results.append(measure.result(what, name, [segments / value for value in values], "segments/s", speed))
    return results + [measure.missing(what, name, package) for name, package in absent]
