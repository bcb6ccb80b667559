"""Training in epochs: minibatches, weights of the classes, the choice of the epoch, and not computing one training twice."""

import abc
import re
import time
import warnings
import weakref

import joblib
import numpy as np
import pandas as pd

from sermodules import metrics
from sermodules.errors import TrainingError
from sermodules.models import backend
from sermodules.models.backend import keras
from sermodules.models.method import Fitted, Method, predict
from sermodules.models.reuse import Previous

#: Segments of a class that undersampling leaves at most: the number in ACRNN's code.
UNDERSAMPLED = 300
#: With fewer segments of a class a warning is given.
FEW = 10

#: By the value of ``RunConfig.optimizer``: from a learning rate to an optimizer.
OPTIMIZERS = {
    "nadam": lambda rate: keras.optimizers.Nadam(rate, beta_1=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate, beta_1=0.9),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}


def learning_rate(config, count):
    """Return the learning rate of a training: a number, or a schedule if the training is long.

    Parameters
    ----------
    config : RunConfig
        If ``anneal_above`` is n and there are more than n minibatches, the rate begins at ``learning_rate`` sqrt(n / count)
        and falls to 0 along half a cosine [1]_. In stochastic gradient descent the best constant step size falls with the
        root of the number of steps [2]_; that is proved for convex losses, and a rule of thumb for networks.
    count : int
        Minibatches in all epochs together.

    Returns
    -------
    float or keras.optimizers.schedules.LearningRateSchedule

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017; here without restarts.
    .. [2] A. Nemirovski, A. Juditsky, G. Lan, A. Shapiro, "Robust stochastic approximation approach to stochastic
       programming", SIAM Journal on Optimization 19(4), 2009, section 2.2.

    Examples
    --------
    Four times as many minibatches: half the rate at the beginning, and nothing at the end.

    >>> from sermodules.config import RunConfig
    >>> from sermodules.models import epochs
    >>> config = RunConfig.create(preset="teaching")  # 1e-3, annealed above 300 minibatches
    >>> epochs.learning_rate(config, 264)
    0.001
    >>> falling = epochs.learning_rate(config, 1200)
    >>> [round(1e6 * float(falling(step))) for step in (0, 600, 1200)]
    [500, 250, 0]
    """
    if not config.anneal_above or count <= config.anneal_above:
        return config.learning_rate
    start = config.learning_rate * (config.anneal_above / count) ** 0.5
    return keras.optimizers.schedules.CosineDecay(start, count)


#: Of each network that was prepared: for which training, its optimizer, and the optimizer's variables as they were then.
_PREPARED = weakref.WeakKeyDictionary()


def prepare_to_train(network, config, count, **options):
    """Give a network its loss, the cross-entropy of logits, and the configuration's optimizer (Keras calls it compiling).

    `count` is the number of minibatches in all epochs, for `learning_rate`. The optimizer's variables are made here: TensorFlow
    traces a step a second time if the first made variables, and a trace takes some two seconds. A network that was prepared for
    such a training before keeps what was traced, and its optimizer begins anew.
    """
    optimizer = OPTIMIZERS[config.optimizer](learning_rate(config, count))
    learning = [variable.path for variable in network.trainable_variables]
    key = _unnumbered(repr((keras.optimizers.serialize(optimizer), learning, sorted(options.items()))))
    prepared, known, initial = _PREPARED.get(network, (None, None, []))
    if prepared == key and known is network.optimizer:  # else somebody has compiled it otherwise since
        for variable, value in zip(known.variables, initial, strict=True):
            variable.assign(value)
        return
    network.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    network.optimizer.build(network.trainable_variables)
    if keras.backend.backend() == "tensorflow":  # JAX keeps its state elsewhere
        initial = [keras.ops.convert_to_numpy(variable) for variable in network.optimizer.variables]
        _PREPARED[network] = key, network.optimizer, initial


class Spares:
    """Networks that runs are done with. The next run of such a network takes one, and TensorFlow need not trace it again.

    What is computed is the same to the last bit: a network is its layers, its weights and its optimizer's variables, and all of
    them begin anew.

    Parameters
    ----------
    most : int
        Networks that are kept; of more, those that came last.
    """

    def __init__(self, most=4):
        self.most, self._networks = most, {}

    def give(self, network):
        """Take a network that nobody else will use any more."""
        if keras.backend.backend() == "tensorflow":
            key = _structure(network)
            self._networks.pop(key, None)
            self._networks[key] = network
            while len(self._networks) > self.most:
                del self._networks[next(iter(self._networks))]

    def take(self, network):
        """Return a spare network with the layers and the weights of `network`, which may be forgotten then; else `network`."""
        spare = self._networks.pop(_structure(network), None) if self._networks else None
        if spare is None:
            return network
        spare.set_weights(network.get_weights())
        return spare


def _structure(network):
    """Return all layers with their settings."""
    return _unnumbered(repr(network.get_config()))


def _unnumbered(text):
    """Leave out the numbers that Keras gives to whatever has no name of its own: they count what a process has made."""
    return re.sub(r"_\d+'", "'", text)


#: Those of this process.
SPARES = Spares()


def minibatches(part, rows, batch_size, seed, weight=None):
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


def undersampled(labels, rows, classes):
    """Say how many training segments `selection` has left; "" if all.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (n,)
    rows : numpy.ndarray of int
        From `selection`.
    classes : list of str

    Returns
    -------
    str

    Warns
    -----
    UserWarning
        If fewer than `FEW` of a class are left.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.models import epochs
    >>> labels = np.repeat([0, 1], [500, 40])
    >>> print(epochs.undersampled(labels, epochs.selection(labels, "undersample", seed=1), ["sad", "happy"]))
    undersampled: 80 of 540 training segments are learned from, 40 of each class, as many as there are of happy
    """
    if len(rows) == len(labels):
        return ""
    counts = np.bincount(labels, minlength=len(classes))
    left = np.bincount(labels[rows]).max()
    rarest = ", ".join(name for name, count in zip(classes, counts, strict=True) if count == left)
    why = f"as many as there are of {rarest}" if rarest else f"at most {UNDERSAMPLED}"
    text = f"undersampled: {len(rows)} of {len(labels)} training segments are learned from, {left} of each class, {why}"
    if left < FEW:
        warnings.warn(
            f"{text}. That is too little to learn from: leave the rare class out, or use class_weight none or balanced.",
            UserWarning,
            stacklevel=2,
        )
    return text


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


class Checkpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation UAR; ties go to the lower validation loss, then the earlier.

    Parameters
    ----------
    method : NetworkMethod
        Whose network is trained.
    data : FoldData
    config : RunConfig
    verbose : bool
        Print a line an epoch.
    """

    def __init__(self, method, data, config, verbose):
        super().__init__()
        self.method, self.data, self.config, self.verbose = method, data, config, verbose
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
        """Score the validation part; keep the weights if they are the best so far; stop if they have not been for long."""
        network = self.model  # Keras brings its weights up to date here, which JAX keeps elsewhere
        self.method.end_epoch(self.data)
        predictions, loss = predict(self.method, self.data.validation, self.data.classes, self.config.pooling)
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
            self.weights = self.method.get_weights()
        if self.verbose:
            mark = "  best so far" if self.best_epoch == epoch + 1 else ""
            print(
                f"epoch {epoch + 1:2d}/{self.config.epochs}  training loss {logs['loss']:.3f}  "
                f"validation UAR {100 * scores['uar']:.1f} % (n = {scores['n']}){mark}",
                flush=True,
            )
        if epoch + 1 - self.best_epoch >= self.config.patience:
            network.stop_training = True

    def warn(self):
        """Say so if the training loss rose again."""
        history = pd.DataFrame(self.rows)
        if self.verbose and metrics.loss_regained(history) >= metrics.UNSTABLE:
            print(
                f"The training loss had fallen to {history['loss'].min():.3f} and ended at {history['loss'].iloc[-1]:.3f}: the "
                f"training was unstable. Lower `learning_rate` (now {self.config.learning_rate:g}) or set `anneal_above`.",
                flush=True,
            )

    def fitted(self, seconds, reused=0.0):
        """Return the `Fitted` of a training that took `seconds` here and `reused` seconds in an earlier run."""
        return Fitted(pd.DataFrame(self.rows), self.best_epoch, seconds + reused, reused)


class _Training(keras.callbacks.Callback):
    """Keeps what each epoch of a training left: its loss and the weights, and at the end the optimizer's state."""

    def __init__(self, key):
        super().__init__()
        self.key, self.epochs, self.optimizer, self.seconds = key, [], None, 0.0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((logs["loss"], self.model.get_weights()))


def train(network, minibatches, steps, checkpoint, previous=None):
    """Train a network epoch by epoch and leave it with the weights that the checkpoint chose.

    Two runs whose folds have the same training speakers, as those of partners have (speakers or groups), train the same network
    and differ in who chooses the epoch and who is tested. So the epochs of the last training are kept in `previous`, and a run
    that would repeat them goes through them again without computing them. Its result has the same bytes.

    Parameters
    ----------
    network : keras.Model
        Compiled.
    minibatches : generator
        For ever; what it yields must depend on the checkpoint's data and configuration alone.
    steps : int
        Minibatches an epoch.
    checkpoint : Checkpoint
    previous : Previous, optional
        The training before, which this one replaces.

    Returns
    -------
    float
        Seconds of training that were spent in an earlier run, not in this one.
    """
    previous = Previous(0) if previous is None else previous
    config, data, initial = checkpoint.config, checkpoint.data, network.get_weights()
    key = joblib.hash([config.training, data.train.inputs, data.train.labels, initial])
    known = previous.take(key)
    if known:
        if checkpoint.verbose:
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
        if known:  # it was ended early by its own validation speakers
            for variable, value in zip(network.optimizer.variables, known.optimizer, strict=True):
                variable.assign(value)
            for _ in range(done * steps):
                next(minibatches)
        keep = config.epochs * sum(values.nbytes for values in initial) <= previous.limit
        network.fit(
            minibatches, steps_per_epoch=steps, initial_epoch=done, epochs=config.epochs, shuffle=False, verbose=0,
            callbacks=[checkpoint, recorder] if keep else [checkpoint],
        )  # fmt: skip
        recorder.optimizer = [keras.ops.convert_to_numpy(variable.value) for variable in network.optimizer.variables]
        recorder.seconds += time.perf_counter() - began
    previous.keep(recorder)
    checkpoint.method.set_weights(checkpoint.weights)
    return reused


class NetworkMethod(Method):
    """A method that trains a network in epochs and keeps the best.

    Attributes
    ----------
    network : keras.Model
    """

    network = None

    @staticmethod
    def begin(config):
        """Put Keras into the state in which a run begins; see `sermodules.models.backend.begin`."""
        backend.begin(config)

    @abc.abstractmethod
    def minibatches(self, data, config):
        """Return a generator of minibatches, for ever, and how many of them an epoch has.

        What it yields depends on the training part and the configuration alone: `train` may skip what it has seen.
        """

    def fit(self, data, config, verbose=True, previous=None):
        """Train the network and leave it with the weights of its best epoch; see `Method.fit`.

        Cross-entropy is minimised by the configuration's optimizer (Nadam: Adam with Nesterov momentum, beta_1 = 0.9). After
        each epoch the validation speakers are predicted; the epoch with the best UAR over all their utterances is kept.
        """
        began = time.perf_counter()
        drawn, steps = self.minibatches(data, config)
        prepare_to_train(self.network, config, steps * config.epochs)
        checkpoint = Checkpoint(self, data, config, verbose)
        reused = train(self.network, drawn, steps, checkpoint, previous)
        checkpoint.warn()
        return checkpoint.fitted(time.perf_counter() - began, reused)

    def take_spare(self):
        """Go on with a spare network, if there is one like the method's own; see `Spares`."""
        self.network = SPARES.take(self.network)

    def give_back(self):
        """Leave the network to the next run; see `Method.give_back`."""
        SPARES.give(self.network)
        self.network = None

    def end_epoch(self, data):
        """Learn what is learned from the network of an epoch; nothing unless a subclass says so."""

    def get_weights(self):
        """Return what an epoch changes, as a list of arrays."""
        return self.network.get_weights()

    def set_weights(self, weights):
        """Take back what `get_weights` returned."""
        self.network.set_weights(weights)

    def learned(self):
        """Return nothing: all is in the network's weights, unless a subclass says otherwise; see `Method.learned`."""
        return {}

    def restore(self, arrays):
        """Take back what `learned` returned."""

    def parameters(self):
        """List the network's layers; see `parameters`."""
        return parameters(self.network)


def parameters(network):
    """List the layers of a network.

    See chapter "The CNN-BiLSTM".

    Parameters
    ----------
    network : keras.Model

    Returns
    -------
    pandas.DataFrame
        A row a layer: ``layer``, ``output`` (its shape, without the batch) and ``parameters``.

    Examples
    --------
    3 inputs, 2 units: 3 * 2 weights and 2 biases.

    >>> from sermodules import models
    >>> from sermodules.models.backend import keras
    >>> models.parameters(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")]))
       layer output  parameters
    0  dense   (2,)           8
    """
    rows = [(layer.name, str(tuple(layer.output.shape[1:])), layer.count_params()) for layer in network.layers]
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def in_batches(network, part, inputs, batch_size=32, then=np.asarray):
    """Run a network over the segments of a part.

    Parameters
    ----------
    network : keras.Model
    part : Part
        n segments.
    inputs : callable
        From an array of rows of the part to what the network takes.
    batch_size : int
        Segments at a time. The last batch is filled up with segments from the beginning, so that only one shape is compiled.
    then : callable
        From the outputs of a batch to what is kept of each.

    Returns
    -------
    numpy.ndarray, shape (n, ...)
        Of a network's logits, (n, classes) in float32.
    """
    count, outputs = len(part.labels), []
    for begin in range(0, count, batch_size):
        rows = np.arange(begin, begin + batch_size) % count
        outputs.append(then(network.predict_on_batch(inputs(rows))))
    return np.concatenate(outputs)[:count]
