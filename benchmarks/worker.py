"""A process that does one job of a benchmark again and again: ``python -m benchmarks.worker JOB SETTINGS``.

`benchmarks.measure.Worker` starts it. It says when it is ready, as a line of JSON on its standard output. Then it does its work
once for each line on its standard input, and answers with the seconds that this took. A process has one job, so that no
contender's threads and memory are in another's way.
"""

import json
import os
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np

from sermodules.config import RunConfig

CLASSES = 4


class Turns:
    """The side of the process that is asked."""

    def __init__(self, answers):
        self.answers = answers

    def say(self, value):
        """Write an answer."""
        self.answers.write(json.dumps(value) + "\n")
        self.answers.flush()

    def wait(self):
        """Wait to be asked; end the process if nobody will ask."""
        if not sys.stdin.readline():
            os._exit(0)

    def serve(self, work):
        """Do the work each time that it is asked for."""
        while True:
            self.wait()
            began = time.perf_counter()
            work()
            self.say(time.perf_counter() - began)


def _stock(x, mask):
    """Pool as `sermodules.models` does for "seq_self", with the library's layer."""
    from keras_self_attention import SeqSelfAttention

    from sermodules.models import attention
    from sermodules.models.backend import keras

    layer = SeqSelfAttention(
        attention.UNITS, attention_width=attention.WIDTH, attention_activation="relu", name="attention"
    )
    return keras.layers.GlobalAveragePooling1D(name="pooled")(layer(x))


def network(config, stock=False, **compilation):
    """Build and compile the network of a configuration as a run does.

    Parameters
    ----------
    config : RunConfig
    stock : bool
        With ``keras_self_attention.SeqSelfAttention``, which computes the same as our layer.
    **compilation
        Other arguments of ``keras.Model.compile``.

    Returns
    -------
    keras.Model
    """
    from sermodules import models
    from sermodules.models import epochs

    ours = models.ATTENTIONS["seq_self"]
    models.ATTENTIONS["seq_self"] = _stock if stock else ours
    try:
        model = models.network(config, CLASSES)
    finally:
        models.ATTENTIONS["seq_self"] = ours
    epochs.prepare_to_train(model, config, 1, **compilation)
    return model


def ending(network, layer):
    """Return a network that ends after a layer: what comes out there, averaged over time, goes into logits."""
    from sermodules.models.backend import keras

    x = network.input["log_mel"] if layer == "log_mel" else network.get_layer(layer).output
    x = keras.layers.Reshape((-1, x.shape[-1]))(x)
    logits = keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling1D()(x))
    return keras.Model(network.input, logits)


def keras_training(turns, config, steps, stock=False, end=None):
    """Train Model 2: a turn is an epoch of `steps` minibatches, without a validation.

    Ours goes through `sermodules.models.epochs.train`. With `stock` it is the library's layer and a plain ``model.fit``. With
    `end` the network ends after that layer, see `ending`. `benchmarks.against` asks other commits for the same, without these.
    """
    from sermodules.folds import parts
    from sermodules.models import epochs, flops
    from sermodules.models.backend import keras

    config = RunConfig.from_json(config)

    class Turn(epochs.Checkpoint):
        def on_epoch_begin(self, epoch, logs=None):
            turns.wait()
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            turns.say(time.perf_counter() - self.began)
            self.weights = self.model.get_weights()

    class Plain(keras.callbacks.Callback):
        on_epoch_begin, on_epoch_end = Turn.on_epoch_begin, Turn.on_epoch_end

    model = network(config, stock)
    if end:
        model = ending(model, end)
        epochs.prepare_to_train(model, config, 1)
    facts = {"parameters": model.count_params(), "devices": list(map(str, keras.distribution.list_devices()))}
    turns.say(facts if stock or end else facts | {"flops": flops.training(model)})
    part = parts.random_part(config, steps * config.batch_size)
    if stock:
        model.fit(
            part.inputs, part.labels, batch_size=config.batch_size, epochs=config.epochs, verbose=0, callbacks=[Plain()]
        )
        return
    rows = np.arange(len(part.labels))
    minibatches = epochs.minibatches(part, rows, config.batch_size, config.seed)
    method = SimpleNamespace(set_weights=model.set_weights)
    epochs.train(model, minibatches, steps, Turn(method, SimpleNamespace(train=part), config, verbose=False))


def torch_training(turns, config, steps):
    """Train the same network in PyTorch: a turn is an epoch of `steps` minibatches."""
    import torch

    from benchmarks import pytorch
    from sermodules.folds import parts

    config = RunConfig.from_json(config)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = pytorch.Network(config, CLASSES)
    optimizer = pytorch.optimizer(model, config.learning_rate)
    part, generator = parts.random_part(config, steps * config.batch_size), np.random.default_rng(config.seed)

    def epoch():
        order = generator.permutation(len(part.labels))
        for begin in range(0, len(order), config.batch_size):
            chosen = order[begin : begin + config.batch_size]
            inputs = {name: values[chosen] for name, values in part.inputs.items()}
            loss = pytorch.step(model, optimizer, inputs, part.labels[chosen], config.precision)
            assert np.isfinite(loss)

    turns.say({"parameters": pytorch.parameters(model)})
    turns.serve(epoch)


def product(turns, library, precision, threads, size):
    """Multiply two square matrices, 2 size³ operations a turn."""
    a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    if library == "numpy":

        def work():
            a @ b

    elif library == "torch":
        import torch

        torch.set_num_threads(threads)
        x, y = (torch.from_numpy(matrix).to(getattr(torch, precision)) for matrix in (a, b))

        def work():
            x @ y

    else:
        from sermodules.models.backend import use_threads

        use_threads(threads)
        import tensorflow as tf

        x, y = (tf.cast(matrix, precision) for matrix in (a, b))

        def work():
            tf.matmul(x, y)[0, 0].numpy()  # a number of the result is only there when all is done

    turns.say({"flops": 2 * size**3})
    turns.serve(work)


def one_run(turns, config):
    """Do one run, a step a turn, and say each time how much memory the process has held at most (bytes)."""
    from benchmarks.measure import peak_memory
    from sermodules import models, runs

    config = RunConfig.from_json(config)
    turns.say({"import": peak_memory()})
    turns.wait()
    data = runs.prepare(config)
    turns.say(peak_memory())
    turns.wait()
    model = models.build(config, len(data.classes))
    fitted = runs.fit(model, data, config, verbose=False)
    turns.say(peak_memory())
    turns.wait()
    runs.evaluate(model, data, config, fitted)
    turns.say(peak_memory())


def study_worker(turns, configs):
    """Do runs in the process that a study's worker keeps for them, a run a turn, and say its peak memory (bytes) after each."""
    from benchmarks.measure import peak_memory
    from sermodules.study import driver
    from sermodules.study.runner import Runner

    configs = [RunConfig.from_json(config) for config in configs]
    runner = Runner(configs[0].threads)
    notebook = driver.source_notebook().read_text(encoding="utf-8")
    turns.say({})
    try:
        for config in configs:
            turns.wait()
            with tempfile.TemporaryDirectory() as folder:
                answer = runner.run(config, folder, notebook)
            if answer:
                raise RuntimeError(f"{config.run_id} failed: {answer['error']}\n{answer['traceback']}")
            turns.say(peak_memory(runner.process.pid))
    finally:
        runner.stop()


def provenance(turns):
    """Say what a run would write of this machine and environment."""
    from sermodules import runs
    from sermodules.models import backend  # noqa: F401 - it sees the accelerators

    turns.say(runs.provenance.collect())


JOBS = {job.__name__: job for job in (keras_training, torch_training, product, one_run, study_worker, provenance)}


def main(job, settings):
    """Do a job until there is nobody to ask for it."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever else is printed must not get between the answers
        JOBS[job](Turns(answers), **json.loads(settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
