"""From a signal to 3-D log-Mels: static, delta and delta-delta log-Mels (the paper's section 2.2.1, equations 1 to 3)."""

import warnings
from functools import lru_cache

import numpy as np

from sermodules import paths
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import AudioError, ConfigError

#: Samples of a frame: 25 ms.
FRAME = 400
#: Samples from the start of a frame to the start of the next: 10 ms.
FRAME_HOP = 160
#: Length of the Fourier transform; a frame is filled up to it with zeros.
N_FFT = 512
#: Number of Mel bands. They lie between `F_MIN` and `F_MAX`.
BANDS = 40
#: Lower edge of the first and upper edge of the last Mel band (Hz).
F_MIN, F_MAX = 0, 8000
#: Static, delta and delta-delta.
CHANNELS = 3
#: A band's power is at least this before the logarithm, so a log-Mel is at least -23.03. The rounding noise of 16-bit audio
#: alone has more on average (2e-8 in the lowest HTK band, 4e-10 in a Slaney band), so the floor is for digital silence.
#: In EMO-DB nothing else meets it.
FLOOR = 1e-10

#: Mel scale and area normalisation of `librosa.filters.mel`, by the name of the front end.
FRONTENDS = {
    "htk": {"htk": True, "norm": None},
    "slaney": {"htk": False, "norm": "slaney"},
}
#: Window of a frame, by name. It is symmetric, as in HTK and openSMILE; `scipy.signal.get_window` is periodic by default.
WINDOWS = {"hamming": np.hamming, "rectangular": np.ones}

# Frames that are transformed at a time: it bounds the memory.
_BLOCK = 2048


def log_mel(signal, sample_rate=SAMPLE_RATE, *, frontend="htk", window="hamming"):
    """Compute the log-Mel spectrogram of a signal (the paper's equation 1).

    Frame ``t`` holds the samples from ``160 t`` to ``160 t + 399``; nothing is padded. So ``n`` samples give
    ``1 + (n - 400) // 160`` frames, and up to 159 samples at the end are in none. A signal shorter than a frame is filled
    up with zeros to one frame.

    See chapter "Features".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        Full scale is 1.
    sample_rate : int
        16000. Bands, frames and models of this package are made for 16 kHz, so other rates are refused.
    frontend : {"htk", "slaney"}
        HTK's Mel scale without area normalisation, which openSMILE follows, or librosa's default: Slaney's scale with
        area normalisation.
    window : {"hamming", "rectangular"}
        Symmetric window of a frame.

    Returns
    -------
    numpy.ndarray, shape (frames, 40), float32
        Natural logarithm of the power in each band, at least ``ln(FLOOR)``.

    Raises
    ------
    AudioError
        If the signal is not one-dimensional, is empty, is not floating-point, or holds NaN or infinite samples.
    ConfigError
        If another setting is not as above.

    Notes
    -----
    The same as ``librosa.feature.melspectrogram(center=False, win_length=400, n_fft=512)`` of the signal with 56 zeros
    at either end, and faster. The zeros are needed because librosa's frames have the length of the transform: without
    them the 400 samples of the window start 56 samples late, and the last frame may be lost.

    The filters are librosa's triangles, straight over Hz. HTK's and openSMILE's are straight over Mel, which moves a
    log-Mel by 0.03 at most (``tests/test_opensmile.py``).

    Examples
    --------
    A second of digital silence has 1 + (16000 - 400) // 160 frames, all at ln(1e-10).

    >>> import numpy as np
    >>> from sermodules import features
    >>> silence = features.log_mel(np.zeros(16000))
    >>> silence.shape, round(float(silence.max()), 2)
    ((98, 40), -23.03)
    """
    signal = checked(signal, sample_rate)
    check_settings(frontend=frontend, window=window)
    signal = np.pad(signal, (0, max(0, FRAME - signal.size)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::FRAME_HOP]
    taper, filters = WINDOWS[window](FRAME), _sparse_filters(frontend)
    result = np.empty((len(frames), BANDS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        spectrum = np.fft.rfft(frames[block] * taper, N_FFT)
        power = spectrum.real**2 + spectrum.imag**2
        result[block] = np.log(np.maximum(filters @ power.T, FLOOR)).T
    return result


def deltas(x, N=2):
    r"""Compute deltas: the slope of each value over 2N + 1 frames (the paper's equations 2 and 3).

    .. math:: d_t = \frac{\sum_{n=1}^N n\,(x_{t+n} - x_{t-n})}{2 \sum_{n=1}^N n^2}

    Before the first frame the first is repeated, and after the last frame the last, as HTK does. openSMILE does the
    same, but for delta-deltas it goes on with deltas of the repeated frames, so it differs there in the last N frames.

    See chapter "Features".

    Parameters
    ----------
    x : numpy.ndarray, shape (frames, ...)
        At least one frame. Apply the function to deltas to get delta-deltas.
    N : int
        Frames on either side, at least 1.

    Returns
    -------
    numpy.ndarray
        Same shape; the same type if `x` is floating-point, else float64. Units of `x` per frame (10 ms).

    Raises
    ------
    ConfigError
        If `x` has no frames or no real numbers, or `N` is not a whole number from 1 on.

    Examples
    --------
    The slope of a ramp is 1, but at the ends, where a frame is repeated: (1 (1 - 0) + 2 (2 - 0)) / 10 = 0.5.

    >>> import numpy as np
    >>> from sermodules import features
    >>> features.deltas(np.arange(7)).tolist()
    [0.5, 0.8, 1.0, 1.0, 1.0, 0.8, 0.5]
    """
    x = np.asarray(x)
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.dtype.kind != "f" or x.ndim == 0 or len(x) == 0:
        raise ConfigError(f"deltas need real numbers of at least one frame, not an array of {x.dtype}, shape {x.shape}")
    if isinstance(N, bool) or not isinstance(N, (int, np.integer)) or N < 1:
        raise ConfigError(f"N is {N!r}: it must be a whole number from 1 on")
    padded = np.concatenate([np.repeat(x[:1], N, axis=0), x, np.repeat(x[-1:], N, axis=0)])
    total = np.zeros_like(x)
    for n in range(1, N + 1):
        total += n * (padded[N + n : N + n + len(x)] - padded[N - n : N - n + len(x)])
    return total / (2 * sum(n * n for n in range(1, N + 1)))


def three_d_log_mel(signal, sample_rate=SAMPLE_RATE, *, normalise_waveform=True, frontend="htk", window="hamming"):
    """Compute the network's features: log-Mels, deltas and delta-deltas of a signal.

    See chapter "Features".

    Parameters
    ----------
    signal, sample_rate, frontend, window
        See `log_mel`.
    normalise_waveform : bool
        First bring the whole signal to zero mean and unit variance (deviation 5 of the book's log).

    Returns
    -------
    numpy.ndarray, shape (frames, 40, 3), float32
        The last axis is static, delta (N = 2), delta-delta, in the paper's order.

    Raises
    ------
    AudioError, ConfigError
        As `log_mel`; and an AudioError if the signal is constant, so that it has no variance to normalise.

    Examples
    --------
    Loudness is taken out: three times the signal has the same features.

    >>> import numpy as np
    >>> from sermodules import features
    >>> signal = np.sin(np.arange(16000) ** 1.2)
    >>> x = features.three_d_log_mel(signal)
    >>> x.shape, np.allclose(x, features.three_d_log_mel(3 * signal), atol=0.001)
    ((98, 40, 3), True)
    """
    signal = checked(signal, sample_rate)
    check_settings(normalise_waveform=normalise_waveform, frontend=frontend, window=window)
    if normalise_waveform:
        if np.ptp(signal) == 0:
            raise AudioError("the signal is constant: it cannot be brought to unit variance")
        signal = (signal - signal.mean()) / signal.std()
    static = log_mel(signal, frontend=frontend, window=window)
    delta = deltas(static)
    return np.stack([static, delta, deltas(delta)], axis=-1)


@lru_cache
def mel_filters(frontend="htk"):
    """Return the Mel filter bank.

    See chapter "Features".

    Parameters
    ----------
    frontend : {"htk", "slaney"}
        See `log_mel`.

    Returns
    -------
    numpy.ndarray, shape (40, 257), float64
        One row a band, one column a bin of the power spectrum (31.25 Hz apart). Read-only.

    Raises
    ------
    ConfigError
        If there is no such front end.

    Examples
    --------
    The first band is so narrow that only two bins lie in it; in the last one there are 32.

    >>> from sermodules import features
    >>> filters = features.mel_filters()
    >>> filters.shape, (filters[[0, 39]] > 1e-9).sum(axis=1).tolist()
    ((40, 257), [2, 32])
    """
    check_settings(frontend=frontend)
    paths.make_libraries()
    # imported at use: librosa's filters take more than a second to import, and cached features do not need them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a notebook tqdm.auto, which librosa imports, asks for widgets
        import librosa

        filters = librosa.filters.mel(
            sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=BANDS, fmin=F_MIN, fmax=F_MAX, dtype=np.float64, **FRONTENDS[frontend]
        )
    filters.setflags(write=False)
    return filters


@lru_cache
def _sparse_filters(frontend):
    # A bin lies in two bands at most. Unlike a product of full matrices this runs in one thread, whose number would
    # otherwise change the last digits, and slows the processes down that share a machine.
    import scipy.sparse

    return scipy.sparse.csr_array(mel_filters(frontend))


def checked(signal, sample_rate):
    """Return a signal as float64, or say what is wrong with it."""
    if sample_rate != SAMPLE_RATE:
        raise ConfigError(
            f"sample_rate is {sample_rate!r}: features are made at {SAMPLE_RATE} Hz."
            " Read the file with sermodules.corpora.audio.read, which resamples, or resample the signal first."
        )
    signal = np.asarray(signal)
    if signal.ndim != 1:
        raise AudioError(f"the signal has shape {signal.shape}: it must have one dimension, (samples,), mono")
    if signal.size == 0:
        raise AudioError("the signal is empty")
    if signal.dtype.kind != "f":
        raise AudioError(
            f"the signal is of type {signal.dtype}: it must be floating-point with full scale 1."
            " Divide 16-bit integers by 32768."
        )
    signal = signal.astype(np.float64)
    if bad := np.count_nonzero(~np.isfinite(signal)):
        raise AudioError(f"the signal holds {bad} NaN or infinite samples of {signal.size}")
    return signal


def check_settings(normalise_waveform=True, frontend="htk", window="hamming"):
    """Raise a `ConfigError` that names every setting that is not allowed."""
    problems = []
    if not isinstance(normalise_waveform, bool):
        problems.append(f"normalise_waveform is {normalise_waveform!r}: it must be true or false")
    for name, value, allowed in (("frontend", frontend, FRONTENDS), ("window", window, WINDOWS)):
        if value not in list(allowed):
            problems.append(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
    if problems:
        raise ConfigError("\n".join(problems))
