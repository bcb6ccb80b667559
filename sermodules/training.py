"""One run: a `RunConfig` in, a `RunResult` out.

`run` is the whole of it. The notebook ``book/one_fold.ipynb`` takes the same steps one by one, so it gets the same numbers.
"""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sermodules import corpora, features, metrics, models, protocol, segments, store
from sermodules.backend import keras
from sermodules.errors import TrainingError
from sermodules.paths import project_root


@dataclass(frozen=True)
class Part:
    """The segments of some speakers, as the network takes them.

    Attributes
    ----------
    table : pandas.DataFrame
        The utterances.
    segments : pandas.DataFrame
        From `segments.cut`, n rows.
    inputs : dict of str to numpy.ndarray
        ``log_mel`` (n, 300, 40, 3) float32, and as the configuration asks ``gender`` (n, 1) int32 (0 female, 1 male) and
        ``mask`` (n, 300) bool.
    labels : numpy.ndarray of int32, shape (n,)
        Index of each segment's class.
    """

    table: pd.DataFrame
    segments: pd.DataFrame
    inputs: dict
    labels: np.ndarray


@dataclass(frozen=True)
class FoldData:
    """All that a run reads: the fold, its three parts, and what was learned from the training part alone."""

    fold: protocol.Fold
    classes: list
    standardiser: segments.Standardiser
    train: Part
    validation: Part
    test: Part
    features: features.Features


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
    if table is None:
        table = corpora.load(**config.reading)
    fold = protocol.fold(table, config.fold, config.validation)
    classes = corpora.classes(table)
    extracted = features.extract(table, **config.extraction)

    def listed(speakers):
        part = table[table["speaker"].isin(speakers)]
        return part, segments.cut(part, extracted.frames, config.segmentation)

    tables = {name: listed(who) for name, who in
              {"train": fold.train, "validation": [fold.validation], "test": [fold.test]}.items()}  # fmt: skip
    standardiser = segments.Standardiser.fit(extracted, tables["train"][1], config.standardise, config.padding)

    def part(utterances, rows):
        inputs = {"log_mel": segments.gather(extracted, rows, standardiser, config.padding)}
        if config.gender == "embedding":
            inputs["gender"] = (rows["gender"] == "male").to_numpy(np.int32)[:, None]
        if config.padding == "masked":
            inputs["mask"] = segments.masks(rows)
        labels = rows["emotion"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int32)
        return Part(utterances, rows, inputs, labels)

    parts = {name: part(*pair) for name, pair in tables.items()}
    return FoldData(fold, classes, standardiser, **parts, features=extracted)


class _Minibatches(keras.utils.PyDataset):
    """The training segments in an order drawn anew each epoch from the seed, the same on every backend."""

    def __init__(self, part, batch_size, seed):
        super().__init__()
        self.part, self.batch_size = part, batch_size
        self.generator = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.generator.permutation(len(self.part.labels))

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return {name: values[rows] for name, values in self.part.inputs.items()}, self.part.labels[rows]


def logits(model, inputs, batch_size=32):
    """Run the network over segments.

    Parameters
    ----------
    model : keras.Model
    inputs : dict of numpy.ndarray
        As in `Part.inputs`, n segments.
    batch_size : int
        Segments at a time. The last batch is filled up, so that only one shape is compiled.

    Returns
    -------
    numpy.ndarray of float32, shape (n, classes)
    """
    count = len(inputs["log_mel"])
    outputs = []
    for begin in range(0, count, batch_size):
        rows = np.minimum(np.arange(begin, begin + batch_size), count - 1)
        outputs.append(np.asarray(model.predict_on_batch({name: values[rows] for name, values in inputs.items()})))
    return np.concatenate(outputs)[:count]


def predict(model, part, classes, pooling="max"):
    """Predict the utterances of a part.

    Parameters
    ----------
    model : keras.Model
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
    outputs = logits(model, part.inputs).astype(np.float64)
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


class _Checkpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation UAR; ties go to the lower validation loss, then the earlier."""

    def __init__(self, data, config, report):
        super().__init__()
        self.data, self.config, self.report = data, config, report
        self.rows, self.best, self.weights, self.best_epoch = [], None, None, 0

    def on_train_batch_end(self, batch, logs=None):
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
        predictions, loss = predict(self.model, self.data.validation, self.data.classes, self.config.pooling)
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
            self.weights = self.model.get_weights()
        if self.report:
            mark = "  best so far" if self.best_epoch == epoch + 1 else ""
            print(
                f"epoch {epoch + 1:2d}/{self.config.epochs}  training loss {logs['loss']:.3f}  "
                f"validation UAR {100 * scores['uar']:.1f} %{mark}",
                flush=True,
            )
        if epoch + 1 - self.best_epoch >= self.config.patience:
            self.model.stop_training = True


@dataclass(frozen=True)
class Fitted:
    """What training left: `history` (a row an epoch), the `best_epoch` whose weights the model holds now, and `seconds`."""

    history: pd.DataFrame
    best_epoch: int
    seconds: float


def fit(model, data, config, report=True):
    """Train a network and leave it with the weights of its best epoch.

    Cross-entropy is minimised by Nadam (Adam with Nesterov momentum, beta_1 = 0.9). After each epoch the validation speaker
    is predicted; the epoch with the best validation UAR is kept. The test speaker is not looked at.

    Parameters
    ----------
    model : keras.Model
        From `models.build`; changed in place.
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
    began = time.perf_counter()
    model.compile(
        optimizer=keras.optimizers.Nadam(config.learning_rate, beta_1=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    checkpoint = _Checkpoint(data, config, report)
    model.fit(
        _Minibatches(data.train, config.batch_size, config.seed),
        epochs=config.epochs, shuffle=False, verbose=0, callbacks=[checkpoint],
    )  # fmt: skip
    model.set_weights(checkpoint.weights)
    return Fitted(pd.DataFrame(checkpoint.rows), checkpoint.best_epoch, time.perf_counter() - began)


def evaluate(model, data, config, fitted):
    """Predict the test speaker, once, and put the run's result together.

    Parameters
    ----------
    model : keras.Model
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
        "parameters": model.count_params(),
    }
    provenance = _provenance() | {
        "corpus_digest": data.features.corpus_digest,
        "utterances": {name: len(getattr(data, name).table) for name in ("train", "validation", "test")},
        "segments": {name: len(getattr(data, name).segments) for name in ("train", "validation", "test")},
        "test_session": str(data.test.table["session"].iloc[0]),
        "seconds": {"fit": round(fitted.seconds, 3), "predict": round(seconds, 3)},
    }
    return store.RunResult(config, predictions, fitted.history, scores, provenance)


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


def _provenance():
    """Say with what, when and on what machine this process computes."""
    backend = keras.backend.backend()
    packages = ["sermodules", "keras", backend, "numpy", "librosa", "scikit-learn", "pandas"]
    commit = _git("rev-parse", "HEAD")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "code": code_digest(),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "sermodules")) if commit else None,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "backend": backend,
        "machine": {
            "system": platform.system(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "accelerators": _accelerators(),
        },
    }


def code_digest():
    """Return the SHA-256 of the package's source files: equal digests, equal code, whatever the commit says."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _accelerators():
    """Name the devices other than processors that the backend sees."""
    return [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]


def _processor():
    """Name the processor, as the system does."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
