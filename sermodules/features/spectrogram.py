"""Log-power spectrograms: what the CNN+LSTM of Etienne et al. takes."""

import numpy as np

from sermodules.corpora import audio
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.features import cache, mel

#: Samples of a frame (40 ms), which is also the length of its Fourier transform. Frames begin every 10 ms (`mel.FRAME_HOP`).
WINDOW = 640
#: Hz from one bin of the spectrum to the next.
BIN = SAMPLE_RATE / WINDOW
#: Bins that the network sees: 25, 50 ... 4000 Hz. The constant offset (0 Hz) is left out.
BINS = 160
#: Bins that are kept: a warp by 0.9 reads up to 4000 / 0.9 = 4444 Hz, between bins 177 and 178.
KEPT = 179


def log_spectrogram(signal, sample_rate=SAMPLE_RATE):
    """Compute the log-power spectrogram of a signal up to 4450 Hz, a little more than the network sees.

    Frame ``t`` holds the samples from ``160 t`` to ``160 t + 639``, under a symmetric Hamming window; nothing is padded. A
    signal shorter than a frame is filled up with zeros to one frame.

    See chapter "Baselines".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        Full scale is 1.
    sample_rate : int
        16000.

    Returns
    -------
    numpy.ndarray of float32, shape (frames, 179)
        Natural logarithm of the power at 0, 25 ... 4450 Hz, at least ``ln(mel.FLOOR)``.

    Raises
    ------
    AudioError, ConfigError
        As `mel.log_mel`.

    Examples
    --------
    A tone of 1000 Hz is highest in bin 1000 / 25 = 40.

    >>> import numpy as np
    >>> from sermodules.features.spectrogram import log_spectrogram
    >>> spectrogram = log_spectrogram(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000))
    >>> spectrogram.shape, int(spectrogram[0].argmax())
    ((97, 179), 40)
    """
    signal = mel.checked(signal, sample_rate)
    signal = np.pad(signal, (0, max(0, WINDOW - signal.size)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[:: mel.FRAME_HOP]
    spectrum = np.fft.rfft(frames * np.hamming(WINDOW))[:, :KEPT]
    return np.log(np.maximum(spectrum.real**2 + spectrum.imag**2, mel.FLOOR)).astype(np.float32)


def extract(table):
    """Compute the spectrograms of a corpus, or read them if they were computed before; see `cache.per_utterance`.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    dict of str to numpy.ndarray of float32, shape (frames, 179)
        `log_spectrogram` of each utterance.

    Raises
    ------
    AudioError, StoreError
        As `cache.per_utterance`.
    """
    return cache.per_utterance("spectrograms", table, _of_file, modules=(__file__, mel.__file__))


def _of_file(path):
    return log_spectrogram(audio.read(path))
