"""CNN+LSTM on raw spectrograms with vocal tract length perturbation, after Etienne et al. 2018."""

import numpy as np
from scipy.special import log_softmax, logsumexp

from sermodules import corpora
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import ConfigError, TrainingError
from sermodules.features.spectrogram import BIN, BINS, KEPT, extract
from sermodules.folds import segments
from sermodules.folds.parts import PARTS, FoldData, Part, class_indices, split
from sermodules.models.backend import keras
from sermodules.models.cnn_bilstm import size
from sermodules.models.epochs import NetworkMethod, in_batches

#: Factors of the frequencies, drawn uniformly between these two in training.
ALPHA = (0.9, 1.1)
#: Factors whose posteriors are averaged in prediction.
VOTERS = (0.9, 0.95, 1.0, 1.05, 1.1)
#: Up to here a warp only scales; above, it bends so that half the sampling rate stays where it is (Hz).
F_HI = 4800
#: Filters of the four convolutions and cells of the BLSTM a direction, at width 1.
FILTERS, CELLS = (64, 64, 128, 128), 128
#: Max-pooling after each convolution, time x frequency: 300 frames become 37 steps of 80 ms.
POOLS = ((2, 2), (2, 2), (2, 2), (1, 2))

_STEPS, _STRIDE = 37, 8
_BATCH = 32


def warp(frequency, alpha):
    r"""Say where vocal tract length perturbation moves a frequency.

    .. math::

        G(f) = \begin{cases} \alpha f & f \le F_{hi} \min(\alpha, 1) / \alpha \\
        \frac S2 - \frac{S/2 - F_{hi} \min(\alpha, 1)}{S/2 - F_{hi} \min(\alpha, 1) / \alpha} (\frac S2 - f) &
        \text{otherwise} \end{cases}

    with the sampling rate S = 16 kHz and F_hi = 4800 Hz. The inverse of the warp by α is the warp by 1/α.

    See chapter "Baselines".

    Parameters
    ----------
    frequency : float or numpy.ndarray
        Hz, from 0 to 8000.
    alpha : float
        Above 0.6, where the bend would reach half the sampling rate. Below 1 formants move down, as in a longer vocal tract.

    Returns
    -------
    float or numpy.ndarray
        Hz; the shape of `frequency`.

    Raises
    ------
    ConfigError
        If `alpha` is not above 0.6.

    References
    ----------
    N. Jaitly, G. E. Hinton, "Vocal tract length perturbation (VTLP) improves speech recognition", ICML Workshop on Deep
    Learning for Audio, Speech and Language, 2013.

    Examples
    --------
    1000 Hz are scaled; half the sampling rate stays where it is.

    >>> import numpy as np
    >>> from sermodules.models.baselines import cnn_lstm
    >>> cnn_lstm.warp(np.array([1000.0, 8000.0]), 1.1).round(3).tolist()
    [1100.0, 8000.0]
    """
    half = SAMPLE_RATE / 2
    if not alpha > F_HI / half:
        raise ConfigError(f"alpha is {alpha!r}: it must be above {F_HI / half:g}")
    top = F_HI * min(alpha, 1)
    slope = (half - top) / (half - top / alpha)
    warped = np.where(
        np.asarray(frequency) <= top / alpha, alpha * np.asarray(frequency), half - slope * (half - frequency)
    )
    return warped[()]


def vtlp(spectrogram, alpha):
    """Warp a log-power spectrogram, and leave only the bins that the network sees.

    What lies at a frequency f moves to ``warp(f, alpha)``: each new bin g is interpolated between the two old bins around
    ``warp(g, 1 / alpha)``. Up to 4 kHz, with `alpha` in its range, the warp is a plain scaling: the bend above F_hi is not
    read.

    See chapter "Baselines".

    Parameters
    ----------
    spectrogram : numpy.ndarray of float32, shape (frames, 179)
        As `log_spectrogram` makes it.
    alpha : float
        From 0.9 to 1.1. With 1 nothing is changed.

    Returns
    -------
    numpy.ndarray of float32, shape (frames, 160)
        Bins of 25 to 4000 Hz.

    Raises
    ------
    ConfigError
        If `alpha` is out of its range: what it would read is not in a spectrogram.

    Examples
    --------
    A line at 100 * 25 Hz moves to 110 * 25 Hz, which is the bin number 109, as the first is 25 Hz.

    >>> import numpy as np
    >>> from sermodules.models.baselines import cnn_lstm
    >>> spectrogram = np.zeros((1, 179), np.float32)
    >>> spectrogram[:, 100] = 1
    >>> warped = cnn_lstm.vtlp(spectrogram, 1.1)
    >>> warped.shape, int(warped[0].argmax())
    ((1, 160), 109)
    """
    if not ALPHA[0] <= alpha <= ALPHA[1]:
        raise ConfigError(f"alpha is {alpha!r}: it must lie between {ALPHA[0]:g} and {ALPHA[1]:g}")
    old = warp(BIN * np.arange(1, BINS + 1), 1 / alpha) / BIN
    low = np.floor(old).astype(int)
    share = (old - low).astype(np.float32)
    # A product with a matrix gives the same, but in as many threads as there are cores, which then wait for TensorFlow's.
    return spectrogram.take(low, axis=1) * (1 - share) + spectrogram.take(low + 1, axis=1) * share


def oversample(labels, generator):
    """Draw rows so that every class that occurs is as frequent as the most frequent one.

    See chapter "Baselines".

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (n,)
    generator : numpy.random.Generator

    Returns
    -------
    numpy.ndarray of int
        Row numbers in a random order. A class with m rows, where the most frequent has M, gives each row M // m times and
        M % m different rows, drawn at random, once more.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.models.baselines import cnn_lstm
    >>> labels = np.array([0, 0, 0, 1])
    >>> rows = cnn_lstm.oversample(labels, np.random.default_rng(0))
    >>> np.bincount(labels[rows]).tolist()
    [3, 3]
    """
    most = np.bincount(labels).max()
    drawn = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        again, more = divmod(most, len(rows))
        drawn += [np.repeat(rows, again), generator.choice(rows, more, replace=False)]
    return generator.permutation(np.concatenate(drawn))


def _statistics(spectrograms):
    """Return mean and SD of each bin that the network sees, over all frames, without a warp."""
    total, squares, count = np.zeros(BINS), np.zeros(BINS), 0
    for one in spectrograms:
        x = one[:, 1 : BINS + 1].astype(np.float64)
        total, squares, count = total + x.sum(axis=0), squares + (x**2).sum(axis=0), count + len(x)
    mean = total / count
    sd = np.sqrt(np.maximum(squares / count - mean**2, 0))
    sd[sd < 1e-8] = 1.0  # a constant bin stays at zero
    return segments.Standardiser(mean.astype(np.float32), sd.astype(np.float32))


def _inputs(part, rows, alphas, standardiser):
    """Warp and standardise some segments: what the network takes. Padding is zero after it."""
    mask = part.inputs["mask"][rows]
    spectrograms = part.inputs["spectrogram"]
    x = np.stack([vtlp(spectrograms[row], alpha) for row, alpha in zip(rows, alphas, strict=True)])
    x -= standardiser.mean
    x /= standardiser.sd
    x *= mask[..., None]
    return {"spectrogram": x, "mask": mask}


def _draws(labels, seed):
    """Draw the training segments of one epoch after the other, oversampled and in order, and an alpha for each."""
    generator = np.random.default_rng(seed)
    while True:
        rows = oversample(labels, generator)
        yield rows, generator.uniform(*ALPHA, len(rows))


def _minibatches(data, config):
    """Give minibatches for ever; see `_draws`."""
    for rows, alphas in _draws(data.train.labels, config.seed):
        for begin in range(0, len(rows), config.batch_size):
            batch = slice(begin, begin + config.batch_size)
            yield _inputs(data.train, rows[batch], alphas[batch], data.standardiser), data.train.labels[rows[batch]]


class CnnLstmVtlp(NetworkMethod):
    """Four convolutions and a BLSTM on spectrograms, trained with vocal tract length perturbation (VTLP).

    C. Etienne, G. Fidanza, A. Petrovskii, L. Devillers, B. Schmauch, "CNN+LSTM architecture for speech emotion recognition
    with data augmentation", Proc. Workshop on Speech, Music and Mind (SMM), 2018, pp. 21-25, doi:10.21437/SMM.2018-5,
    arXiv:1802.05630. The warp is that of N. Jaitly, G. E. Hinton, "Vocal tract length perturbation (VTLP) improves speech
    recognition", ICML Workshop on Deep Learning for Audio, Speech and Language, 2013 (see `warp`).

    **The full text was not at hand.** The abstract was: convolutions on raw spectrograms and recurrent layers after them,
    VTLP, an optimizer adjusted layer by layer, batch normalisation of recurrent layers; 64.5 % WA and 61.7 % UAR on four
    classes of IEMOCAP. The rest of what is taken from the source is recalled: four convolutions and one BLSTM are its best
    network; spectrograms end at 4 kHz; alpha is uniform in (0.9, 1.1) and drawn each epoch; F_hi is 4800 Hz; the rarer
    classes are oversampled; SGD with Nesterov momentum; a vote over several alpha at test time.

    What it does here: a segment of 3 s is a log-power spectrogram of 300 frames. In training its frequencies are scaled by
    an alpha of its own, drawn anew each time that the segment is used. Each bin is standardised with the training speakers'
    mean and SD. Four times: convolution, max-pooling, batch normalisation, ReLU. Then the BLSTM, whose last states give the
    logits. Every epoch repeats segments of the rarer classes until all classes are equally frequent, in the training part
    only. A segment is predicted under five alphas (`VOTERS`), and its posterior is the mean of the five; validation and
    test are predicted alike. The epoch with the best validation UAR is kept.

    Open in the source (or not recalled), and what is done here:

    - Window, shift and bins: Hamming, 40 ms and 10 ms, the bins of a Fourier transform of 640 samples, so 25 Hz apart. 0 Hz
      is left out. "Raw" is read as: no Mel bands, no waveform normalisation; the power is taken as its logarithm.
    - How long utterances enter: cut to segments of 3 s as for the other networks of this package (consecutive, the last
      one padded), so that results differ by the method and not by the cutting. Padding is zero after standardising, and
      the BLSTM does not see it.
    - Sizes: filters of 3 x 3, 64, 64, 128 and 128 of them; max-pooling 2 x 2 three times, then 1 x 2 (time x frequency), so
      that the BLSTM has 37 steps of 80 ms; 128 cells a direction. All scale with ``config.width``.
    - Normalisation: batch normalisation after each convolution, none in the BLSTM. It comes after the pooling, where it costs
      a quarter. Its running statistics have momentum 0.9, as an epoch may be 30 minibatches. No dropout.
    - Optimizer: one learning rate for all layers, momentum 0.9. The abstract's layer-wise adjustment is not replicated.
    - Who shares an alpha: each segment has its own, and each copy of a repeated one too. (A reader's public notes on the
      paper can be taken to mean one alpha an epoch for all utterances.) Whether the validation data are warped (by these
      notes the authors tried both): they are predicted as the test data are.
    - The warp: on the log-power spectrum, by linear interpolation, before the cut at 4 kHz, as F_hi lies above it. So the
      highest bins show what was above 4 kHz if alpha is below 1, and the bend at F_hi is never seen. A formant moves from f
      to alpha f (Jaitly and Hinton move the centres of Mel filters); the other direction would exchange alpha and 1 / alpha.
    - The vote: 0.9, 0.95, 1, 1.05 and 1.1, by the mean of their posteriors. A count of votes would give posteriors in steps
      of 0.2 and ties.
    - Batch size, learning rate, number of epochs: from the configuration.
    """

    def __init__(self, config, classes):
        super().__init__(config, classes)
        self.network, self.standardiser = _network(config, classes), None

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold; see `Method.prepare`.

        The inputs are ``spectrogram`` (n, 300, 179), log-power before warp and standardising, and ``mask`` (n, 300), true
        for real frames. The statistics of the training part are ``standardiser``, of shape (160,) each.
        """
        table, fold, classes, tables = split(config, table, fold)
        spectrograms = extract(table)
        parts = (_part(tables[name], spectrograms, classes) for name in PARTS)
        standardiser = _statistics(spectrograms[utterance] for utterance in tables["train"]["utterance"])
        return FoldData(fold, classes, *parts, corpora.digest(table), standardiser)

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings; see `Method.part`. Each is standardised when it is predicted."""
        return _part(table, extract(table), classes)

    def fit(self, data, config, verbose=True, previous=None):
        """Train the network and leave it with the weights of its best epoch; see `NetworkMethod.fit`."""
        self.standardiser = data.standardiser
        return super().fit(data, config, verbose, previous)

    def learned(self):
        """Return the statistics of the bins; see `Method.learned`."""
        return {"mean": self.standardiser.mean, "sd": self.standardiser.sd}

    def restore(self, arrays):
        """Take back what `learned` returned."""
        self.standardiser = segments.Standardiser(arrays["mean"], arrays["sd"])

    def minibatches(self, data, config):
        """Give the oversampled segments of each epoch, each with a warp of its own."""
        segments_an_epoch = len(next(_draws(data.train.labels, config.seed))[0])
        return _minibatches(data, config), -(-segments_an_epoch // config.batch_size)

    def logits(self, part):
        """Return the logarithm of the mean posterior over `VOTERS`, shape (segments, classes); see `Method.logits`."""
        if self.standardiser is None:
            raise TrainingError("this model is not trained yet: call its fit first, which also learns the statistics")
        votes = [log_softmax(self._logits(part, alpha).astype(np.float64), axis=1) for alpha in VOTERS]
        return (logsumexp(votes, axis=0) - np.log(len(VOTERS))).astype(np.float32)

    def _logits(self, part, alpha):
        def inputs(rows):
            return _inputs(part, rows, np.full(len(rows), alpha), self.standardiser)

        return in_batches(self.network, part, inputs, _BATCH)


def _part(table, spectrograms, classes):
    """Gather the spectrograms of the segments of some utterances."""
    rows = segments.cut(table, {utterance: len(spectrograms[utterance]) for utterance in table["utterance"]})
    x = np.zeros((len(rows), segments.FRAMES, KEPT), np.float32)
    for target, row in zip(x, rows.itertuples(), strict=True):
        target[: row.frames] = spectrograms[row.utterance][row.start : row.start + row.frames]
    inputs = {"spectrogram": x, "mask": segments.masks(rows)}
    return Part(table, rows, inputs, class_indices(rows, classes))


def _network(config, classes):
    keras.config.set_dtype_policy(config.precision)
    try:
        spectrogram = keras.Input((segments.FRAMES, BINS), name="spectrogram", dtype="float32")
        mask = keras.Input((segments.FRAMES,), name="mask", dtype="bool")
        x = keras.layers.Reshape((segments.FRAMES, BINS, 1), name="image")(spectrogram)
        for number, (filters, pool) in enumerate(zip(FILTERS, POOLS, strict=True), start=1):
            x = keras.layers.Conv2D(
                size(filters, config.width), (3, 3), padding="same", use_bias=False,
                data_format="channels_last", name=f"conv{number}",
            )(x)  # fmt: skip
            x = keras.layers.MaxPooling2D(pool, data_format="channels_last", name=f"pool{number}")(x)
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"conv{number}_norm")(x)
            x = keras.layers.ReLU(name=f"conv{number}_activation")(x)
        x = keras.layers.Reshape((_STEPS, x.shape[2] * x.shape[3]), name="steps")(x)
        # a step counts if the first of its eight frames is speech
        x = keras.layers.Bidirectional(keras.layers.LSTM(size(CELLS, config.width)), name="blstm")(
            x, mask=mask[:, ::_STRIDE][:, :_STEPS]
        )
        logits = keras.layers.Dense(classes, name="logits", dtype="float32")(x)
        return keras.Model({"spectrogram": spectrogram, "mask": mask}, logits, name="cnn_lstm_vtlp")
    finally:
        keras.config.set_dtype_policy("float32")
