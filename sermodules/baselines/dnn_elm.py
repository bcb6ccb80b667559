"""DNN-ELM: a network judges short windows, an extreme learning machine judges the utterance (Han, Yu, Tashev 2014)."""

import math
import time

import numpy as np
import pandas as pd
from scipy.fft import dct
from scipy.linalg import pinv
from scipy.special import expit, softmax

from sermodules import audio, cache, corpora, features, training
from sermodules.audio import SAMPLE_RATE
from sermodules.backend import keras
from sermodules.baselines import Baseline
from sermodules.features import FRAME, HOP
from sermodules.parts import PARTS, Fitted, FoldData, Part, class_indices, split, whole_utterances

#: Cepstral coefficients of a frame: 1 to 12. The zeroth stands for the level, which the log energy holds.
MFCCS = 12
#: Numbers a frame: MFCCs, log energy, pitch period, harmonics-to-noise ratio, and the deltas of these 15.
FEATURES = 2 * (MFCCS + 3)
#: Frames of a window: 24 hops of 10 ms and one frame of 25 ms, 265 ms.
WINDOW = 25
#: One window of so many is kept: those with the highest energy.
ONE_OF = 10
#: Hidden layers of the DNN.
HIDDEN = (256, 256, 256)
#: The fourth utterance feature is the share of windows whose posterior is above this.
THRESHOLD = 0.2
#: Hidden units of the extreme learning machine.
ELM_UNITS = 120
#: Windows in a minibatch.
MINIBATCH = 128

#: Praat's pitch range (Hz), and its threshold for silence and for voicing: 0, so that it looks for a period in every frame.
PITCH_FLOOR, PITCH_CEILING, PITCH_THRESHOLD = 75, 600, 0
#: Lowest and highest autocorrelation that enters the harmonics-to-noise ratio, which so lies between -20 and 40 dB.
CORRELATION = (0.01, 0.9999)

_LOG_ENERGY = MFCCS  # its column
_FLOOR = 1e-10  # mean square of a frame of digital silence
_PREDICTED = 4096  # windows that are predicted at a time


def frame_features(signal):
    """Compute the 30 numbers that describe each frame of a signal.

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        At 16 kHz, full scale 1. Up to one frame it is filled up with zeros.

    Returns
    -------
    numpy.ndarray of float32, shape (frames, 30)
        Frames as in `sermodules.features.log_mel` (25 ms, one every 10 ms). Columns: MFCC 1 to 12; natural logarithm of the
        mean square of the samples, at least ln(1e-10); pitch period (ms; 0 where there is none); harmonics-to-noise ratio
        (dB); then the deltas of these 15 (`sermodules.features.deltas`, N = 2, per frame).

    Raises
    ------
    AudioError
        If the signal is empty, not one-dimensional or not floating-point, or holds NaN or infinite samples.

    Notes
    -----
    The MFCCs are the orthonormal DCT-II of the 40 log-Mels of `sermodules.features.log_mel` (HTK scale, Hamming window),
    without pre-emphasis and without lifter.
    """
    log_mels = features.log_mel(signal)
    samples = np.asarray(signal, dtype=np.float64)
    samples = np.pad(samples, (0, max(0, FRAME - samples.size)))[: FRAME + HOP * (len(log_mels) - 1)]
    cepstra = dct(log_mels.astype(np.float64), type=2, norm="ortho", axis=1)[:, 1 : MFCCS + 1]
    power = np.mean(np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] ** 2, axis=1)
    static = np.column_stack([cepstra, np.log(np.maximum(power, _FLOOR)), *pitch(samples)])
    return np.hstack([static, features.deltas(static)]).astype(np.float32)


def pitch(samples):
    """Find pitch period and harmonics-to-noise ratio of each frame with Praat's autocorrelation method (Boersma 1993).

    Both come from one analysis: the period is the lag T of the maximum of the normalised autocorrelation r that Praat chooses
    between 75 and 600 Hz, and the ratio is 10 log10(r(T) / (1 - r(T))) dB. The analysis window (Hanning, three periods of the
    lowest pitch, 40 ms) is centred on the frame; at the ends of the signal it is filled up with zeros.

    Parameters
    ----------
    samples : numpy.ndarray, shape (400 + 160 * (frames - 1),), floating
        At 16 kHz.

    Returns
    -------
    period, ratio : numpy.ndarray of float64, shape (frames,)
        Milliseconds and dB. A frame without a maximum has period 0 and the lowest ratio, -20 dB.

    Notes
    -----
    ``Sound.to_pitch_ac`` of praat-parselmouth with Praat's default settings, but the thresholds for silence and for voicing
    are 0: a number for every frame is wanted, not a decision whether it is voiced. Three periods of the lowest pitch are
    short for the ratio of a low voice (Praat's own command for it takes 4.5): a steady tone without noise gets about 17 dB at
    90 Hz and 36 dB at 200 Hz. With noise 10 dB below it, both get 10 dB.

    P. Boersma (1993): Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
    sound. Proceedings of the Institute of Phonetic Sciences, University of Amsterdam, 17, 97-110.
    """
    import parselmouth  # imported at use: cached features do not need it

    reach = (3 * SAMPLE_RATE // PITCH_FLOOR - FRAME) // 2
    # One sample more at either end: without it a rounding error may cost the last frame. It moves no frame.
    sound = parselmouth.Sound(np.pad(np.asarray(samples, dtype=np.float64), reach + 1), SAMPLE_RATE)
    found = sound.to_pitch_ac(
        time_step=HOP / SAMPLE_RATE,
        pitch_floor=PITCH_FLOOR, pitch_ceiling=PITCH_CEILING,
        silence_threshold=PITCH_THRESHOLD, voicing_threshold=PITCH_THRESHOLD,
    ).selected_array  # fmt: skip
    hertz = found["frequency"]
    there = hertz > 0
    period = np.divide(1000.0, hertz, out=np.zeros_like(hertz), where=there)
    correlation = np.clip(np.where(there, found["strength"], 0), *CORRELATION)
    return period, 10 * np.log10(correlation / (1 - correlation))


def loudest_windows(frames):
    """Stack frames to windows and keep the tenth with the highest energy.

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
    """
    missing = max(0, WINDOW - len(frames))
    frames = np.pad(frames, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW, axis=0).transpose(0, 2, 1)
    energy = np.exp(windows[:, :, _LOG_ENERGY].astype(np.float64)).sum(axis=1)
    kept = np.argsort(-energy, kind="stable")[: math.ceil(len(windows) / ONE_OF)]
    return windows[np.sort(kept)]


def utterance_features(posteriors):
    """Describe an utterance by statistics of its windows' posteriors.

    Parameters
    ----------
    posteriors : numpy.ndarray, shape (windows, classes)

    Returns
    -------
    numpy.ndarray, shape (4 * classes,)
        All between 0 and 1: the maximum of each class, then the minima, the means, and the shares of windows whose posterior
        is above 0.2.
    """
    shares = np.mean(posteriors > THRESHOLD, axis=0)
    return np.concatenate([posteriors.max(axis=0), posteriors.min(axis=0), posteriors.mean(axis=0), shares])


class ExtremeLearningMachine:
    """One hidden layer of random sigmoid units; only the output weights are learned, by least squares in one step.

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


def extract(table):
    """Compute the frame features of a corpus, or read them if they were computed before; see `cache.per_utterance`.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    dict of str to numpy.ndarray of float32, shape (frames, 30)
        `frame_features` of each utterance.

    Raises
    ------
    AudioError, StoreError
        As `cache.per_utterance`.
    """
    return cache.per_utterance(
        "dnn_elm", table, _of_file,
        modules=(__file__, features.__file__), libraries=("librosa", "praat-parselmouth", "scipy"),
    )  # fmt: skip


def _of_file(path):
    return frame_features(audio.read(path))


class DnnElm(Baseline):
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
    at all. The DNN has its full size at every preset. Of the configuration count the data, fold and seed, ``optimizer``,
    ``learning_rate``, ``epochs``, ``patience`` and ``threads``.

    Open in the source, or in what was at hand of it, and what is done here:

    - Which windows are judged at test: the loudest tenth, as in training. Every window learns the label of its utterance.
    - MFCC details: from this package's 40 log-Mels, see `frame_features`.
    - Pitch and harmonics-to-noise ratio: Praat's, for every frame, voiced or not, see `pitch`.
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
        self.dnn = keras.Sequential(
            [keras.Input((WINDOW * FEATURES,)), *hidden, keras.layers.Dense(classes, name="logits")], name="dnn"
        )
        self.elm = ExtremeLearningMachine(4 * classes, ELM_UNITS, classes, (config.seed, 1))
        self.stop_training = False  # `training.Checkpoint` sets it

    @classmethod
    def prepare(cls, config, table=None):
        """Make the parts of a fold: a row an utterance.

        Parameters
        ----------
        config : RunConfig
        table : pandas.DataFrame, optional
            The corpus, if it is loaded already.

        Returns
        -------
        FoldData
            Each part has one input, ``windows``: an array of n objects, one an utterance, each the utterance's loudest windows
            as float32 of shape (windows, 25, 30), not standardised.

        Raises
        ------
        CorpusError, AudioError, ProtocolError, StoreError
            As `training.prepare`.
        """
        table, fold, classes, tables = split(config, table)
        frames = extract(table)

        def part(name):
            rows = whole_utterances(tables[name])
            windows = np.empty(len(rows), dtype=object)
            for row, utterance in enumerate(rows["utterance"]):
                windows[row] = loudest_windows(frames[utterance])
            return Part(tables[name], rows, {"windows": windows}, class_indices(rows, classes))

        return FoldData(fold, classes, *map(part, PARTS), corpora.digest(table))

    def fit(self, data, config, report=True):
        """Train the DNN epoch by epoch, the ELM after each, and keep the epoch with the best validation UAR.

        Parameters
        ----------
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
        self.scaler.fit(np.concatenate(data.train.inputs["windows"]).reshape(-1, FEATURES))
        inputs, counts = self._inputs(data.train)
        targets = np.repeat(data.train.labels, counts)
        self.dnn.compile(
            optimizer=training.OPTIMIZERS[config.optimizer](config.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        checkpoint = training.Checkpoint(data, config, report)
        checkpoint.set_model(self)
        generator, self.stop_training = np.random.default_rng(config.seed), False
        for epoch in range(config.epochs):
            order = generator.permutation(len(inputs))
            losses = []
            for number, rows in enumerate(np.array_split(order, math.ceil(len(order) / MINIBATCH))):
                losses.append(float(self.dnn.train_on_batch(inputs[rows], targets[rows])))
                checkpoint.on_train_batch_end(number, {"loss": losses[-1]})
            self.elm.fit(self._describe(inputs, counts), np.eye(self.classes)[data.train.labels])
            checkpoint.on_epoch_end(epoch, {"loss": float(np.mean(losses))})
            if self.stop_training:
                break
        self.set_weights(checkpoint.weights)
        return Fitted(pd.DataFrame(checkpoint.rows), checkpoint.best_epoch, time.perf_counter() - began)

    def logits(self, part):
        """Return the ELM's outputs, (n, classes): a row an utterance. They are no log-probabilities; see the class."""
        return self.elm.predict(self._describe(*self._inputs(part)))

    def get_weights(self):
        """Return what an epoch changes: the DNN's weights and the ELM's output weights."""
        return [*self.dnn.get_weights(), self.elm.output_weights]

    def set_weights(self, weights):
        """Take back what `get_weights` returned."""
        self.dnn.set_weights(weights[:-1])
        self.elm.output_weights = weights[-1]

    def parameters(self):
        """List the steps: the DNN's layers, the utterance features, and the ELM, whose hidden layer is random, not learned."""
        rows = [(layer.name, f"({layer.units},)", layer.count_params()) for layer in self.dnn.layers]
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
        outputs = self.dnn.predict(inputs, batch_size=_PREDICTED, verbose=0)
        posteriors = softmax(outputs.astype(np.float64), axis=1)
        return np.array([utterance_features(rows) for rows in np.split(posteriors, np.cumsum(counts)[:-1])])
