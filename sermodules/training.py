"""One run: a `RunConfig` in, a `RunResult` out.

`run` is the whole of it. The notebook ``book/one_fold.ipynb`` takes the same steps one by one, so it gets the same numbers.
"""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from sermodules import baselines, features, gender, metrics, models, segments, store
from sermodules.backend import keras
from sermodules.config import trains_as
from sermodules.errors import TrainingError
from sermodules.parts import PARTS, Fitted, FoldData, Part, class_indices, split
from sermodules.paths import code_digest, project_root

#: Segments of a class that undersampling leaves at most: the number in ACRNN's code.
UNDERSAMPLED = 300

#: What the weights of all epochs of a training may take (bytes) to be kept for the next run of the process.
SHARED_LIMIT = 2**32

#: By the value of ``RunConfig.optimizer``: from a learning rate to an optimizer.
OPTIMIZERS = {
    "nadam": lambda rate: keras.optimizers.Nadam(rate, beta_1=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate, beta_1=0.9),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}


def prepare(config, table=None):
    """Load the corpus, extract the features and make the three parts of a fold.

    Parameters
    ----------
    config : RunConfig
    table : pandas.DataFrame, optional
        The corpus, if it is loaded already.

    Returns
    -------
    FoldData

    Raises
    ------
    CorpusError, AudioError, ProtocolError
        If the corpus is missing, an audio file cannot be used, or the fold does not exist.
    """
    if config.model in baselines.BASELINES:
        return baselines.get(config.model).prepare(config, table)
    table, fold, classes, tables = split(config, table)
    extracted = features.extract(table, **config.extraction)
    cut = {part: segments.cut(rows, extracted.frames, config.segmentation, part) for part, rows in tables.items()}
    standardiser = segments.Standardiser.fit(extracted, cut["train"], config.standardise, config.padding)
    with_gender, notes = config.gender in gender.INPUT, {}
    if with_gender:
        told = gender.told(config.gender, tables, extracted, config.seed)
        truth = dict(zip(tables["test"]["utterance"], tables["test"]["gender"] == "male", strict=True))
        notes["gender_told_true"] = float(np.mean([told["test"][name] == male for name, male in truth.items()]))

    def part(name):
        rows = cut[name]
        inputs = {"log_mel": segments.gather(extracted, rows, standardiser, config.padding)}
        if with_gender:
            inputs["gender"] = rows["utterance"].map(told[name]).to_numpy(np.int32)[:, None]
        if config.padding == "masked":
            inputs["mask"] = segments.masks(rows)
        shifted = config.gender == "prior_shift" and name == "test"
        shift = gender.prior_shift(cut["train"], rows, classes) if shifted else None
        return Part(tables[name], rows, inputs, class_indices(rows, classes), shift)

    return FoldData(fold, classes, *map(part, PARTS), extracted.corpus_digest, standardiser, extracted, notes)


def _minibatches(part, rows, batch_size, seed, weight=None):
    """Give segments of the training part for ever, in an order drawn anew each epoch from the seed, the same on every backend.

    With weights of the classes, each segment comes with that of its class: Keras takes no ``class_weight`` with a generator.
    One generator for all epochs: Keras would make a new TensorFlow iterator for each epoch, which often takes it a second.
    """
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(rows)
        for begin in range(0, len(order), batch_size):
            chosen = order[begin : begin + batch_size]
            inputs, labels = {name: values[chosen] for name, values in part.inputs.items()}, part.labels[chosen]
            yield (inputs, labels) if weight is None else (inputs, labels, weight[labels])


def selection(labels, class_weight, seed):
    """Choose the training segments: all of them, or equally many of each class.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (n,)
    class_weight : str
        As in `RunConfig`. With "undersample" each class has as many segments as the rarest one, at most `UNDERSAMPLED`,
        drawn once by the seed.
    seed : int

    Returns
    -------
    numpy.ndarray of int
        Rows, in order.
    """
    if class_weight != "undersample":
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    present, counts = np.unique(labels, return_counts=True)
    count = min(UNDERSAMPLED, counts.min())
    drawn = [generator.choice(np.flatnonzero(labels == label), count, replace=False) for label in present]
    return np.sort(np.concatenate(drawn))


def weights(labels, class_weight, classes):
    """Give each class its weight in the loss: None, or n / (classes present * count), so that all count the same.

    Returns
    -------
    numpy.ndarray of float32, shape (classes,), or None
        None unless `class_weight` is "balanced" (scikit-learn's formula). 0 for a class that is not among the labels.
    """
    if class_weight != "balanced":
        return None
    counts = np.bincount(labels, minlength=classes)
    present = np.count_nonzero(counts)
    return np.where(counts, len(labels) / (present * np.maximum(counts, 1)), 0).astype(np.float32)


def logits(model, part, batch_size=32):
    """Run a model over the segments of a part.

    Parameters
    ----------
    model : keras.Model or Baseline
    part : Part
        n segments.
    batch_size : int
        Segments at a time. The last batch is filled up with segments from the beginning, so that only one shape is compiled.

    Returns
    -------
    numpy.ndarray of float32, shape (n, classes)
        With ``part.offset`` added, if there is one.
    """
    outputs = model.logits(part) if isinstance(model, baselines.Baseline) else _network(model, part.inputs, batch_size)
    return outputs if part.offset is None else outputs + part.offset


def _network(model, inputs, batch_size):
    count = len(inputs["log_mel"])
    outputs = []
    for begin in range(0, count, batch_size):
        rows = np.arange(begin, begin + batch_size) % count
        outputs.append(np.asarray(model.predict_on_batch({name: values[rows] for name, values in inputs.items()})))
    return np.concatenate(outputs)[:count]


def predict(model, part, classes, pooling="max"):
    """Predict the utterances of a part.

    Parameters
    ----------
    model : keras.Model or Baseline
    part : Part
    classes : list of str
    pooling : str
        See `segments.pool`.

    Returns
    -------
    pandas.DataFrame
        One row an utterance: ``utterance, speaker, gender, true, predicted`` and a column of posteriors for each class.
    loss : float
        Mean cross-entropy of the segments.
    """
    outputs = logits(model, part).astype(np.float64)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(outputs)), part.labels]
    names, posteriors = segments.pool(outputs, part.segments["utterance"], pooling)
    table = part.table.set_index("utterance").loc[names]
    predictions = pd.DataFrame(
        {
            "utterance": names,
            "speaker": table["speaker"].to_numpy(),
            "gender": table["gender"].to_numpy(),
            "true": table["emotion"].to_numpy(),
            "predicted": [classes[i] for i in posteriors.argmax(axis=1)],
        }
    )
    return pd.concat([predictions, pd.DataFrame(posteriors, columns=classes)], axis=1), float(losses.mean())


class Checkpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation UAR; ties go to the lower validation loss, then the earlier."""

    def __init__(self, data, config, report, predictor=None):
        super().__init__()
        self.data, self.config, self.report, self.predictor = data, config, report, predictor
        self.rows, self.best, self.weights, self.best_epoch = [], None, None, 0

    def on_train_batch_end(self, batch, logs=None):
        """End the run if the loss is no number."""
        self._check(logs["loss"], f"minibatch {batch + 1}")

    def _check(self, loss, where):
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {len(self.rows) + 1}, {where}, of "
                f"{self.config.run_id}. Nothing was stored. Lower `learning_rate` (now {self.config.learning_rate:g})"
                + (
                    ""
                    if self.config.precision == "float32"
                    else f", or use precision float32 (now {self.config.precision})"
                )
                + "."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Predict the validation speaker; keep the weights if they are the best so far; stop if they have not been for long."""
        network = self.model  # Keras brings its weights up to date here, which JAX keeps elsewhere
        predictor = self.predictor or network
        predictions, loss = predict(predictor, self.data.validation, self.data.classes, self.config.pooling)
        self._check(loss, "validation")
        scores = metrics.summarise(predictions["true"], predictions["predicted"], self.data.classes)
        self.rows.append(
            {
                "epoch": epoch + 1,
                "loss": logs["loss"],
                "val_loss": loss,
                "val_uar": scores["uar"],
                "val_wa": scores["wa"],
            }
        )
        if self.best is None or (scores["uar"], -loss) > self.best:
            self.best, self.best_epoch = (scores["uar"], -loss), epoch + 1
            self.weights = network.get_weights()
        if self.report:
            mark = "  best so far" if self.best_epoch == epoch + 1 else ""
            print(
                f"epoch {epoch + 1:2d}/{self.config.epochs}  training loss {logs['loss']:.3f}  "
                f"validation UAR {100 * scores['uar']:.1f} %{mark}",
                flush=True,
            )
        if epoch + 1 - self.best_epoch >= self.config.patience:
            network.stop_training = True

    def fitted(self, seconds, reused=0.0):
        """Return the `Fitted` of a training that took `seconds` here and `reused` seconds in an earlier run."""
        return Fitted(pd.DataFrame(self.rows), self.best_epoch, seconds + reused, reused)


def fit(model, data, config, report=True):
    """Train a model and leave it with the weights of its best epoch.

    Cross-entropy is minimised by the configuration's optimizer (Nadam: Adam with Nesterov momentum, beta_1 = 0.9). After each
    epoch the validation speaker is predicted; the epoch with the best validation UAR is kept. The test speaker is not
    looked at. A baseline trains in its own way.

    Parameters
    ----------
    model : keras.Model or Baseline
        From `build`; changed in place.
    data : FoldData
    config : RunConfig
    report : bool
        Print a line an epoch.

    Returns
    -------
    Fitted

    Raises
    ------
    TrainingError
        If the loss is no longer a finite number.
    """
    if isinstance(model, baselines.Baseline):
        return model.fit(data, config, report)
    began = time.perf_counter()
    model.compile(
        optimizer=OPTIMIZERS[config.optimizer](config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    checkpoint = Checkpoint(data, config, report)
    rows = selection(data.train.labels, config.class_weight, config.seed)
    weight = weights(data.train.labels, config.class_weight, len(data.classes))
    minibatches = _minibatches(data.train, rows, config.batch_size, config.seed, weight)
    reused = train(model, minibatches, -(-len(rows) // config.batch_size), checkpoint)
    return checkpoint.fitted(time.perf_counter() - began, reused)


_last = None  # the last training of this process


class _Training(keras.callbacks.Callback):
    """Keeps what each epoch of a training left: its loss and the weights, and at the end the optimizer's state."""

    def __init__(self, key):
        super().__init__()
        self.key, self.epochs, self.optimizer, self.seconds = key, [], None, 0.0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((logs["loss"], self.model.get_weights()))


def train(network, minibatches, steps, checkpoint):
    """Train a network epoch by epoch and leave it with the weights that the checkpoint chose.

    Two runs whose folds have the same training speakers, as those of session partners have, train the same network and
    differ in who chooses the epoch and who is tested. So the epochs of a process's last training are kept, and a run that
    would repeat them goes through them again without computing them. Its result has the same bytes.

    Parameters
    ----------
    network : keras.Model
        Compiled.
    minibatches : generator
        For ever; what it yields must depend on the checkpoint's data and configuration alone.
    steps : int
        Minibatches an epoch.
    checkpoint : Checkpoint

    Returns
    -------
    float
        Seconds of training that were spent in an earlier run, not in this one.
    """
    global _last
    config, data, initial = checkpoint.config, checkpoint.data, network.get_weights()
    key = joblib.hash([trains_as(config), data.train.inputs, data.train.labels, initial])
    known, _last = (_last if _last is not None and _last.key == key else None), None
    if known:
        if checkpoint.report:
            print("The run before trained the same network on the same speakers: its epochs are gone through again.")
        checkpoint.set_model(network)
        network.stop_training = False
        for epoch, (loss, values) in enumerate(known.epochs):
            network.set_weights(values)
            checkpoint.on_epoch_end(epoch, {"loss": loss})
            if network.stop_training:
                break
    recorder = known or _Training(key)
    reused, done, began = recorder.seconds, len(recorder.epochs), time.perf_counter()
    if not known or (done < config.epochs and not network.stop_training):
        if known:  # it was ended early by its own validation speaker
            network.optimizer.build(network.trainable_variables)
            for variable, value in zip(network.optimizer.variables, known.optimizer, strict=True):
                variable.assign(value)
            for _ in range(done * steps):
                next(minibatches)
        keep = config.epochs * sum(values.nbytes for values in initial) <= SHARED_LIMIT
        network.fit(
            minibatches, steps_per_epoch=steps, initial_epoch=done, epochs=config.epochs, shuffle=False, verbose=0,
            callbacks=[checkpoint, recorder] if keep else [checkpoint],
        )  # fmt: skip
        recorder.optimizer = [keras.ops.convert_to_numpy(variable.value) for variable in network.optimizer.variables]
        recorder.seconds += time.perf_counter() - began
    _last = recorder if recorder.epochs else None
    network.set_weights(checkpoint.weights)
    return reused


def without_epochs(model, data, config, began):
    """Score a model that does not train in epochs: what its `fit` returns.

    Parameters
    ----------
    model : Baseline
        Ready to predict.
    data : FoldData
    config : RunConfig
    began : float
        `time.perf_counter` when training began.

    Returns
    -------
    Fitted
        With one row of history.
    """
    _, loss = predict(model, data.train, data.classes, config.pooling)
    predictions, val_loss = predict(model, data.validation, data.classes, config.pooling)
    scores = metrics.summarise(predictions["true"], predictions["predicted"], data.classes)
    row = {"epoch": 1, "loss": loss, "val_loss": val_loss, "val_uar": scores["uar"], "val_wa": scores["wa"]}
    return Fitted(pd.DataFrame([row]), 1, time.perf_counter() - began)


def evaluate(model, data, config, fitted):
    """Predict the test speaker, once, and put the run's result together.

    Parameters
    ----------
    model : keras.Model or Baseline
        Trained by `fit`.
    data : FoldData
    config : RunConfig
    fitted : Fitted

    Returns
    -------
    RunResult
    """
    began = time.perf_counter()
    predictions, _ = predict(model, data.test, data.classes, config.pooling)
    seconds = time.perf_counter() - began
    best = fitted.history.set_index("epoch").loc[fitted.best_epoch]
    scores = metrics.summarise(predictions["true"], predictions["predicted"], data.classes) | {
        "test_speaker": data.fold.test,
        "validation_speaker": data.fold.validation,
        "best_epoch": fitted.best_epoch,
        "val_uar": float(best["val_uar"]),
        "parameters": int(models.parameters(model)["parameters"].sum()),
        **data.notes,
    }
    made = provenance() | {
        "corpus_digest": data.corpus_digest,
        "utterances": {name: len(getattr(data, name).table) for name in ("train", "validation", "test")},
        "segments": {name: len(getattr(data, name).segments) for name in ("train", "validation", "test")},
        "test_session": str(data.test.table["session"].iloc[0]),
        "seconds": {"fit": round(fitted.seconds, 3), "predict": round(seconds, 3)},
        "reused_seconds": round(fitted.reused, 3),
    }
    return store.RunResult(config, predictions, fitted.history, scores, made)


def run(config, out=None, report=True):
    """Do one run from beginning to end.

    Parameters
    ----------
    config : RunConfig
    out : path, optional
        Folder of runs in which to store the result; without it nothing is stored.
    report : bool
        Print a line an epoch.

    Returns
    -------
    RunResult
    """
    data = prepare(config)
    model = models.build(config, len(data.classes))
    fitted = fit(model, data, config, report)
    result = evaluate(model, data, config, fitted)
    if out is not None:
        store.save(result, out)
    return result


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


def provenance():
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
