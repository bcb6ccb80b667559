"""Thirty numbers a frame (MFCCs, energy, pitch, harmonics-to-noise ratio, deltas): what DNN-ELM takes."""

import functools

import numpy as np
from scipy.fft import dct

from sermodules.corpora import audio
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.features import cache, mel, pitch
from sermodules.features.mel import FRAME, FRAME_HOP

#: Cepstral coefficients of a frame: 1 to 12. The zeroth stands for the level, which the log energy holds.
MFCCS = 12
#: Numbers a frame: MFCCs, log energy, pitch period, harmonics-to-noise ratio, and the deltas of these 15.
FEATURES = 2 * (MFCCS + 3)

#: Lowest and highest autocorrelation that enters the harmonics-to-noise ratio, which so lies between -20 and 40 dB.
CORRELATION = (0.01, 0.9999)

#: The columns of the log energy and of the pitch period.
LOG_ENERGY, PERIOD = MFCCS, MFCCS + 1
_FLOOR = 1e-10  # mean square of a frame of digital silence


def frame_features(signal, pitch_floor=pitch.FLOOR):
    """Compute the 30 numbers that describe each frame of a signal.

    See chapter "Baselines".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        At 16 kHz, full scale 1. Up to one frame it is filled up with zeros.
    pitch_floor : float
        The lowest pitch that is looked for, Hz.

    Returns
    -------
    numpy.ndarray of float32, shape (frames, 30)
        Frames as in `mel.log_mel` (25 ms, one every 10 ms). Columns: MFCC 1 to 12; natural logarithm of the
        mean square of the samples, at least ln(1e-10); pitch period (ms; 0 where there is none); harmonics-to-noise ratio
        (dB); then the deltas of these 15 (`mel.deltas`, N = 2, per frame).

    Raises
    ------
    AudioError
        If the signal is empty, not one-dimensional or not floating-point, or holds NaN or infinite samples.

    Notes
    -----
    The MFCCs are the orthonormal DCT-II of the 40 log-Mels of `mel.log_mel` (HTK scale, Hamming window),
    without pre-emphasis and without lifter.

    Examples
    --------
    A tone of 200 Hz: its mean square is 1/2, whose logarithm is -0.69, and its period 5 ms.

    >>> import numpy as np
    >>> from sermodules.features.frames import frame_features
    >>> frames = frame_features(np.sin(2 * np.pi * 200 * np.arange(16000) / 16000))
    >>> frames.shape, frames[50, [12, 13]].astype(float).round(2).tolist()
    ((98, 30), [-0.69, 5.0])
    """
    log_mels = mel.log_mel(signal)
    samples = np.asarray(signal, dtype=np.float64)
    samples = np.pad(samples, (0, max(0, FRAME - samples.size)))[: FRAME + FRAME_HOP * (len(log_mels) - 1)]
    cepstra = dct(log_mels.astype(np.float64), type=2, norm="ortho", axis=1)[:, 1 : MFCCS + 1]
    power = np.mean(np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::FRAME_HOP] ** 2, axis=1)
    static = np.column_stack([cepstra, np.log(np.maximum(power, _FLOOR)), *period_and_ratio(samples, pitch_floor)])
    return np.hstack([static, mel.deltas(static)]).astype(np.float32)


def period_and_ratio(samples, pitch_floor=pitch.FLOOR):
    """Find pitch period and harmonics-to-noise ratio of each frame, voiced or not, with `sermodules.features.pitch.track`.

    Both come from one analysis: the period is the lag T of the maximum of the normalised autocorrelation r that Praat chooses
    between the floor and 600 Hz, and the ratio is 10 log10(r(T) / (1 - r(T))) dB. The analysis window (Hanning, three periods
    of the floor, 40 ms at 75 Hz) is centred on the frame; at the ends of the signal it is filled up with zeros.

    Parameters
    ----------
    samples : numpy.ndarray, shape (400 + 160 * (frames - 1),), floating
        At 16 kHz.
    pitch_floor : float
        Hz.

    Returns
    -------
    period, ratio : numpy.ndarray of float64, shape (frames,)
        Milliseconds and dB. A frame without a maximum has period 0 and the lowest ratio, -20 dB.

    Notes
    -----
    A number for every frame is wanted, not a decision whether it is voiced. So a frame with no pitch in the range may get a
    wrong one: at a floor of 75 Hz, 60 Hz with twenty equal harmonics is called 549 Hz throughout. `near_ceiling` counts such
    frames.

    Three periods of the lowest pitch are short for the ratio of a low voice (Praat's own command for it takes 4.5): at 75 Hz a
    steady tone without noise gets about 17 dB at 90 Hz and 36 dB at 200 Hz. With noise 10 dB below it, both get 10 dB.
    """
    reach = (int(3 * SAMPLE_RATE / pitch_floor) - FRAME) // 2
    # One sample more at either end: without it a rounding error may cost the last frame. It moves no frame.
    padded = np.pad(np.asarray(samples, dtype=np.float64), reach + 1)
    hertz, strength = pitch.track(padded, FRAME_HOP / SAMPLE_RATE, pitch_floor, every_frame=True)
    there = hertz > 0
    period = np.divide(1000.0, hertz, out=np.zeros_like(hertz), where=there)
    correlation = np.clip(np.where(there, strength, 0), *CORRELATION)
    return period, 10 * np.log10(correlation / (1 - correlation))


def near_ceiling(period):
    """Return the share of frames whose pitch lies near the ceiling, where few voices speak: `pitch.NEAR_CEILING` and above.

    See chapter "Baselines".

    Parameters
    ----------
    period : numpy.ndarray
        Milliseconds, 0 where there is none.

    Examples
    --------
    Frames of 600, 500 and 200 Hz, and one without a period.

    >>> import numpy as np
    >>> from sermodules.features.frames import near_ceiling
    >>> near_ceiling(np.array([1 / 0.6, 2, 5, 0]))
    0.5
    """
    return float(np.mean((period > 0) & (period <= 1000 / pitch.NEAR_CEILING)))


def extract(table, pitch_floor=pitch.FLOOR):
    """Compute the frame features of a corpus, or read them if they were computed before; see `cache.per_utterance`.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    pitch_floor : float
        The lowest pitch that is looked for, Hz.

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
        "dnn_elm", table, functools.partial(_of_file, pitch_floor=pitch_floor),
        modules=(__file__, mel.__file__, pitch.__file__), libraries=("librosa", "praat-parselmouth", "scipy"),
        pitch_floor=pitch_floor,
    )  # fmt: skip


def _of_file(path, pitch_floor):
    return frame_features(audio.read(path), pitch_floor)
