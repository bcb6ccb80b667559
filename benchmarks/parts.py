"""Where the time of a training step goes: convolutions, BiLSTM, attention, and the rest.

The network is trained as a run trains it, and so are networks that end earlier: after the convolutions and the linear layer,
after the BiLSTM, after the attention, and one without any of these. What ends early is averaged over time and goes into four
logits. A part's time is that of the network that ends with it less that of the one that ends before it, within each round:
forward, backward, and the optimizer's work on its weights. The rest is the network without any of them, which is cutting the
minibatch and what every step costs, and what comes after the attention.

The parts of a step are not added up from operations: what a library does at the same time, or does only in a whole network,
counts where it makes the step longer.
"""

import click
import numpy as np
import pandas as pd

from benchmarks import measure
from benchmarks.measure import Worker
from sermodules.config import RunConfig

#: The networks, by the part with which they end, and the layers after which they end.
ENDS = {"nothing": "log_mel", "convolutions": "linear", "BiLSTM": "bilstm", "attention": "pooled", "whole": None}
STEPS = {"teaching": 22, "smoke": 22, "paper": 1}


def main(quick=False, rounds=None, threads=RunConfig.threads):
    """Measure.

    Parameters
    ----------
    quick : bool
        Only show that everything works: a tiny network, one round.
    rounds : int, optional
        By default 7 at the presets `teaching` and `smoke`, and 3 at `paper`.
    threads : int

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``.
    """
    if quick:
        tiny = RunConfig.create(preset="smoke", width=1 / 64, conv_layers=1, batch_size=4, threads=threads)
        return pd.DataFrame(_parts(tiny, 2, rounds or 1), columns=measure.COLUMNS)
    results = []
    for preset, steps in STEPS.items():
        config = RunConfig.create(preset=preset, threads=threads)
        results += _parts(config, steps, rounds or (3 if preset == "paper" else 7))
    return pd.DataFrame(results, columns=measure.COLUMNS)


def _parts(config, steps, rounds):
    what = f"a training step of {config.batch_size} segments, preset {config.preset}, float32, {config.threads} threads"
    click.echo(what, err=True)
    setting = config.replace(epochs=rounds + 1).to_json()
    workers = {}
    try:
        for name, end in ENDS.items():
            workers[name] = Worker("keras_training", config=setting, steps=steps, end=end)
        seconds = measure.rounds(workers, rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return _results(what, {name: 1000 * np.array(values) / steps for name, values in seconds.items()})


def _results(what, milliseconds):
    """Turn the times of a step of each network into those of the parts."""
    ends, whole = list(milliseconds.values()), milliseconds["whole"]
    inner = dict(zip(list(milliseconds)[1:-1], np.diff(ends[:-1], axis=0), strict=True))
    parts = inner | {"rest": whole - sum(inner.values())}
    results = [measure.result(what, "whole step", whole, "ms")]
    for name, values in parts.items():
        results.append(measure.result(what, name, values, "ms", note=f"{np.median(values / whole):.0%} of the step"))
    return results
