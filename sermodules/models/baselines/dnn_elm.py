"""DNN-ELM: a network judges short windows, an extreme learning machine judges the utterance (Han, Yu, Tashev 2014)."""

import math

import numpy as np
import pandas as pd
from scipy.linalg import pinv
from scipy.special import expit, softmax

from sermodules import corpora
from sermodules.features.frames import FEATURES, LOG_ENERGY, PERIOD, extract, near_ceiling
from sermodules.folds.parts import PARTS, FoldData, Part, class_indices, split, whole_utterances
from sermodules.models import estimators
from sermodules.models.backend import keras
from sermodules.models.epochs import NetworkMethod

#: Frames of a window: 24 hops of 10 ms and one frame of 25 ms, 265 ms.
WINDOW = 25
#: One window of so many is kept: those with the highest energy.
ONE_OF = 10
_PREDICTED = 4096  # windows that are predicted at a time
#: Hidden layers of the DNN.
HIDDEN = (256, 256, 256)
#: The fourth utterance feature is the share of windows whose posterior is above this.
THRESHOLD = 0.2
#: Hidden units of the extreme learning machine.
ELM_UNITS = 120
#: Windows in a minibatch.
MINIBATCH = 128
_ELM = ("weights", "biases", "output_weights")


def loudest_windows(frames):
    """Stack frames to windows and keep the tenth with the highest energy.

    See chapter "Baselines".

    Parameters
    ----------
    frames : numpy.ndarray, shape (frames, 30)
        From `frame_features`, one utterance.

    Returns
    -------
    numpy.ndarray, shape (windows, 25, 30)
        In order of time. A window begins at every frame as long as a whole one fits; an utterance of fewer than 25 frames is
        one window, with its first and last frames repeated. Of n windows, n / 10 are kept, rounded up. A window's energy is
        the sum of its frames' energies; among equals the earlier one is kept.

    Examples
    --------
    44 frames have 44 - 25 + 1 = 20 windows, of which 2 are kept.

    >>> import numpy as np
    >>> from sermodules.models.baselines import dnn_elm
    >>> dnn_elm.loudest_windows(np.zeros((44, 30))).shape
    (2, 25, 30)
    """
    missing = max(0, WINDOW - len(frames))
    frames = np.pad(frames, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW, axis=0).transpose(0, 2, 1)
    energy = np.exp(windows[:, :, LOG_ENERGY].astype(np.float64)).sum(axis=1)
    kept = np.argsort(-energy, kind="stable")[: math.ceil(len(windows) / ONE_OF)]
    return windows[np.sort(kept)]


def utterance_features(posteriors):
    """Describe an utterance by statistics of its windows' posteriors.

    See chapter "Baselines".

    Parameters
    ----------
    posteriors : numpy.ndarray, shape (windows, classes)

    Returns
    -------
    numpy.ndarray, shape (4 * classes,)
        All between 0 and 1: the maximum of each class, then the minima, the means, and the shares of windows whose posterior
        is above 0.2.

    Examples
    --------
    Two windows, two classes: maxima, minima, means, and the shares above 0.2.

    >>> import numpy as np
    >>> from sermodules.models.baselines import dnn_elm
    >>> dnn_elm.utterance_features(np.array([[0.9, 0.1], [0.5, 0.5]])).round(3).tolist()
    [0.9, 0.5, 0.5, 0.1, 0.7, 0.3, 1.0, 0.5]
    """
    shares = np.mean(posteriors > THRESHOLD, axis=0)
    return np.concatenate([posteriors.max(axis=0), posteriors.min(axis=0), posteriors.mean(axis=0), shares])


class ExtremeLearningMachine:
    """One hidden layer of random sigmoid units; only the output weights are learned, by least squares in one step.

    See chapter "Baselines".

    Parameters
    ----------
    inputs, units, outputs : int
        Sizes of the layers.
    seed : int or sequence of int
        Draws the hidden layer's weights and biases, all uniform in [-1, 1].

    Attributes
    ----------
    weights : numpy.ndarray, shape (inputs, units)
    biases : numpy.ndarray, shape (units,)
    output_weights : numpy.ndarray, shape (units, outputs)
        Zero until `fit`. There is no bias at the output.

    Notes
    -----
    G.-B. Huang, Q.-Y. Zhu, C.-K. Siew (2006): Extreme learning machine: theory and applications. Neurocomputing 70, 489-501.

    Examples
    --------
    With more units than rows it learns the targets exactly.

    >>> import numpy as np
    >>> from sermodules.models.baselines import dnn_elm
    >>> elm, x = dnn_elm.ExtremeLearningMachine(1, 20, 1, seed=1), np.array([[-3.0], [0.0], [3.0]])
    >>> elm.fit(x, np.array([[1.0], [5.0], [2.0]]))
    >>> elm.predict(x).round(3).ravel().tolist()
    [1.0, 5.0, 2.0]
    """

    def __init__(self, inputs, units, outputs, seed):
        generator = np.random.default_rng(seed)
        self.weights = generator.uniform(-1, 1, (inputs, units))
        self.biases = generator.uniform(-1, 1, units)
        self.output_weights = np.zeros((units, outputs))

    def hidden(self, x):
        """Return the activations of the hidden layer, (rows, units), for inputs (rows, inputs)."""
        return expit(x @ self.weights + self.biases)

    def fit(self, x, targets):
        """Set the output weights to the Moore-Penrose inverse of the activations times the targets, (rows, outputs).

        Of all output weights with the least squared error they are the smallest. Singular values below the largest times
        the rounding error of float64 times the larger number of rows and units count as 0 (scipy's default).
        """
        self.output_weights = pinv(self.hidden(x)) @ targets

    def predict(self, x):
        """Return the outputs, (rows, outputs), for inputs (rows, inputs)."""
        return self.hidden(x) @ self.output_weights


class DnnElm(NetworkMethod):
    """DNN-ELM: a deep network judges windows of 265 ms, an extreme learning machine (ELM) judges the utterance.

    K. Han, D. Yu, I. Tashev (2014): Speech emotion recognition using deep neural network and extreme learning machine.
    Interspeech 2014, Singapore, 223-227.

    From the source, whose full text was not at hand when this was written: a frame is 12 MFCCs, log energy, pitch period,
    harmonics-to-noise ratio, and their deltas (30 numbers); a window is 25 frames (265 ms), one every 10 ms, so 750 inputs;
    the 10 % of windows with the highest energy are kept; the DNN has three hidden layers of 256 rectified linear units and
    a softmax; an utterance is described by maximum, minimum and mean of its windows' posteriors and the share above 0.2,
    for each class (4K numbers); an ELM of 120 hidden units, solved by pseudo-inverse, gives the decision.

    All that is learned comes from the training speakers: mean and standard deviation of the frame features, the DNN, the ELM.
    Public re-implementations are known to standardise posteriors over training and test together; here they are not scaled
    at all. The DNN has its full size at every preset. Of the configuration count the data, fold and seed, ``pitch_floor``,
    ``optimizer``, ``learning_rate``, ``epochs``, ``patience`` and ``threads``.

    Open in the source, or in what was at hand of it, and what is done here:

    - Which windows are judged at test: the loudest tenth, as in training. Every window learns the label of its utterance.
    - MFCC details: from this package's 40 log-Mels, see `frame_features`.
    - Pitch and harmonics-to-noise ratio: Praat's, for every frame, voiced or not, see `period_and_ratio`. The pitch is looked
      for from ``pitch_floor`` on: 75 Hz unless told otherwise. A voice below it gets a wrong pitch, mostly a high one.
    - Which windows have the highest energy, how many 10 % are, and the ends of an utterance: see `loudest_windows`.
    - Scaling: each of the 30 numbers is standardised over the frames of the kept training windows. The utterance features lie
      between 0 and 1 and stay as they are. The waveform's level is kept.
    - The DNN's training: cross-entropy over minibatches of 128 windows; optimizer, learning rate, epochs and patience of the
      configuration (Nadam unless told otherwise); Keras' default initial weights; no dropout, no class weights. Long
      utterances have more windows and so weigh more.
    - When to stop: after each epoch the ELM is solved anew and the validation speaker is predicted. The epoch with the best
      validation UAR of the whole chain is kept, because the chain is what is tested: a DNN that is very sure of its own
      training windows leaves the ELM little to learn from, and the DNN's own score would not show that.
    - The ELM learns from posteriors that the DNN gives for the windows it was itself trained on. These are surer than those of
      a new speaker. We read the source so, as it names no further split of the data.
    - The ELM's activation (sigmoid), its random weights and biases (uniform in [-1, 1], by the seed) and its targets (one-hot).
    - The ELM's outputs are no probabilities. They are taken as logits as they are, so the largest output is the decision;
      their softmax is flat, so the stored posteriors rank the classes but are not calibrated.

    In the history, ``loss`` is the DNN's mean cross-entropy per window while it trains, and ``val_loss`` the cross-entropy per
    utterance of the whole chain, from the logits just described. It cannot fall below 0.744 with four classes unless outputs
    go beyond 1, so the two curves are not to be compared with each other.

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.
    """

    def __init__(self, config, classes):
        from sklearn.preprocessing import StandardScaler

        super().__init__(config, classes)
        self.scaler = StandardScaler()
        hidden = [
            keras.layers.Dense(units, activation="relu", name=f"dense{number}")
            for number, units in enumerate(HIDDEN, 1)
        ]
        self.network = keras.Sequential(
            [keras.Input((WINDOW * FEATURES,)), *hidden, keras.layers.Dense(classes, name="logits")], name="dnn"
        )
        self.elm = ExtremeLearningMachine(4 * classes, ELM_UNITS, classes, (config.seed, 1))

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold; see `Method.prepare`. There is a row an utterance.

        Each part has one input, ``windows``: an array of n objects, one an utterance, each the utterance's loudest windows as
        float32 of shape (windows, 25, 30), not standardised. The notes hold ``pitch_near_ceiling``: in which share of
        the frames of the test speakers' windows the pitch lies so near the ceiling that it is hardly one.
        """
        table, fold, classes, tables = split(config, table, fold)
        frames = extract(table, config.pitch_floor)
        parts = [_part(tables[name], frames, classes) for name in PARTS]
        tested = [*parts[PARTS.index("test")].inputs["windows"]]
        notes = {"pitch_near_ceiling": near_ceiling(np.concatenate(tested)[:, :, PERIOD])} if tested else {}
        return FoldData(fold, classes, *parts, corpora.digest(table), notes=notes)

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings; see `Method.part`."""
        return _part(table, extract(table, config.pitch_floor), classes)

    def fit(self, data, config, verbose=True, previous=None):
        """Train the DNN epoch by epoch, the ELM after each, and keep the epoch with the best validation UAR."""
        self.scaler.fit(np.concatenate(data.train.inputs["windows"]).reshape(-1, FEATURES))
        return super().fit(data, config, verbose, previous)

    def minibatches(self, data, config):
        """Give the training windows in an order drawn anew each epoch, in minibatches of `MINIBATCH` or a little less."""
        self._training = inputs, counts = self._inputs(data.train)
        targets, generator = np.repeat(data.train.labels, counts), np.random.default_rng(config.seed)
        steps = math.ceil(len(inputs) / MINIBATCH)

        def drawn():
            while True:
                for rows in np.array_split(generator.permutation(len(inputs)), steps):
                    yield inputs[rows], targets[rows]

        return drawn(), steps

    def end_epoch(self, data):
        """Solve the ELM for what the DNN now gives."""
        self.elm.fit(self._describe(*self._training), np.eye(self.classes)[data.train.labels])

    def logits(self, part):
        """Return the ELM's outputs, (n, classes): a row an utterance. They are no log-probabilities; see the class."""
        return self.elm.predict(self._describe(*self._inputs(part)))

    def get_weights(self):
        """Return what an epoch changes: the DNN's weights and the ELM's output weights."""
        return [*self.network.get_weights(), self.elm.output_weights]

    def set_weights(self, weights):
        """Take back what `get_weights` returned."""
        self.network.set_weights(weights[:-1])
        self.elm.output_weights = weights[-1]

    def learned(self):
        """Return the statistics of the frames, and the ELM; see `Method.learned`."""
        elm = {f"elm.{name}": getattr(self.elm, name) for name in _ELM}
        return estimators.learned(self.scaler, "scaler") | elm

    def restore(self, arrays):
        """Take back what `learned` returned."""
        estimators.restore(self.scaler, "scaler", arrays)
        for name in _ELM:
            setattr(self.elm, name, arrays[f"elm.{name}"])

    def parameters(self):
        """List the steps: the DNN's layers, the utterance features, and the ELM, whose hidden layer is random, not learned."""
        rows = [(layer.name, f"({layer.units},)", layer.count_params()) for layer in self.network.layers]
        rows += [
            ("utterance_features", f"({4 * self.classes},)", 0),
            ("elm_hidden", f"({ELM_UNITS},)", self.elm.weights.size + self.elm.biases.size),
            ("elm_output", f"({self.classes},)", self.elm.output_weights.size),
        ]
        return pd.DataFrame(rows, columns=["layer", "output", "parameters"])

    def _inputs(self, part):
        """Return the standardised windows of all utterances, (all windows, 750), and how many each utterance has."""
        windows = part.inputs["windows"]
        frames = np.concatenate(windows).reshape(-1, FEATURES)
        return self.scaler.transform(frames).reshape(-1, WINDOW * FEATURES), [len(rows) for rows in windows]

    def _describe(self, inputs, counts):
        """Return the utterance features, (utterances, 4 * classes), of what `_inputs` returns."""
        outputs = self.network.predict(inputs, batch_size=_PREDICTED, verbose=0)
        posteriors = softmax(outputs.astype(np.float64), axis=1)
        return np.array([utterance_features(rows) for rows in np.split(posteriors, np.cumsum(counts)[:-1])])


def _part(table, frames, classes):
    """Gather the loudest windows of some utterances."""
    rows = whole_utterances(table)
    windows = np.empty(len(rows), dtype=object)
    for row, utterance in enumerate(rows["utterance"]):
        windows[row] = loudest_windows(frames[utterance])
    return Part(table, rows, {"windows": windows}, class_indices(rows, classes))
