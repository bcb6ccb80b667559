"""From a signal to 3-D log-Mels: static, delta and delta-delta log-Mels (the paper's section 2.2.1, equations 1 to 3).

A corpus is extracted once, kept in a cache under a key of its content and the settings, and memory-mapped by every run.
"""

import hashlib
import importlib.metadata
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import joblib
import numpy as np
from filelock import FileLock
from tqdm import tqdm

from sermodules import audio, corpora, paths
from sermodules.audio import SAMPLE_RATE
from sermodules.errors import AudioError, ConfigError, CorpusError, StoreError

#: Samples of a frame: 25 ms.
FRAME = 400
#: Samples from the start of a frame to the start of the next: 10 ms.
HOP = 160
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
# Seconds of audio that are worth one more process: in the time that it takes to start, another extracts this much.
_SECONDS_PER_WORKER = 3600
_ARRAY, _INDEX, _SUMS = "features.npy", "index.json", "SHA256SUMS"
_ROW = np.dtype("<f4")


def log_mel(signal, sample_rate=SAMPLE_RATE, *, frontend="htk", window="hamming"):
    """Compute the log-Mel spectrogram of a signal (the paper's equation 1).

    Frame ``t`` holds the samples from ``160 t`` to ``160 t + 399``; nothing is padded. So ``n`` samples give
    ``1 + (n - 400) // 160`` frames, and up to 159 samples at the end are in none. A signal shorter than a frame is filled
    up with zeros to one frame.

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
    """
    signal = _checked(signal, sample_rate)
    _check_settings(frontend=frontend, window=window)
    signal = np.pad(signal, (0, max(0, FRAME - signal.size)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::HOP]
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
    """
    signal = _checked(signal, sample_rate)
    _check_settings(normalise_waveform=normalise_waveform, frontend=frontend, window=window)
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
    """
    _check_settings(frontend=frontend)
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


class Features(Mapping):
    """The features of a corpus, memory-mapped: ``features[utterance]`` is an array of shape (frames, 40, 3).

    It comes from `extract`. The arrays are read-only float32 views of a file; only what is used is read into memory.

    Attributes
    ----------
    frames : dict of str to int
        Number of frames of each utterance.
    key : str
        SHA-256 of content and settings: equal keys, equal features.
    path : pathlib.Path
        The folder in the cache.
    corpus_digest : str
        `sermodules.corpora.digest` of the table.
    """

    def __init__(self, path, frames, array, corpus_digest):
        self.path, self.key, self.frames, self.corpus_digest = path, path.name, frames, corpus_digest
        self._array = array
        self._starts = dict(zip(frames, accumulate(frames.values(), initial=0), strict=False))

    def __getitem__(self, utterance):
        start = self._starts[utterance]
        return self._array[start : start + self.frames[utterance]]

    def __iter__(self):
        return iter(self.frames)

    def __len__(self):
        return len(self.frames)

    def __repr__(self):
        return f"<Features of {len(self)} utterances, {len(self._array)} frames, {self.path}>"


def extract(table, *, normalise_waveform=True, frontend="htk", window="hamming", cache=None, workers=None):
    """Extract the features of a corpus, or open them if they were extracted before.

    The cache holds one folder for each key. The key covers the bytes of every audio file, the settings, the code of this
    module and of `sermodules.audio`, and the versions of the libraries that take part; labels do not count. A folder
    appears under its name only when it is complete, and its checksums are compared whenever it is opened; features that
    were damaged are extracted again, with a warning. Several processes may ask at once: one extracts, the others wait.
    The cache may be deleted at any time between runs.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    normalise_waveform, frontend, window
        See `three_d_log_mel`.
    cache : path, optional
        Folder of the cache; by default ``features/`` in `sermodules.paths.cache_root`.
    workers : int, optional
        Processes. By default one for each hour of audio, at most one a core. The number does not change the result.

    Returns
    -------
    Features

    Raises
    ------
    AudioError
        If audio files cannot be used; the message names every one with the reason.
    ConfigError
        If a setting is not allowed.
    CorpusError
        If the table has no utterances, or one of them twice.
    StoreError
        If the cache cannot be written.
    """
    settings = {"normalise_waveform": normalise_waveform, "frontend": frontend, "window": window}
    _check_settings(**settings)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ConfigError(f"workers is {workers!r}: it must be a whole number from 1 on")
    if table.empty:
        raise CorpusError("the table holds no utterances, so there is nothing to extract features of")
    if repeated := sorted(table["utterance"][table["utterance"].duplicated()].unique()):
        raise CorpusError(f"these utterances stand in the table more than once: {', '.join(repeated)}")
    table = table.sort_values("utterance", ignore_index=True)
    try:
        corpus_digest, key = corpora.digest(table), _key(table, settings)
        return _cached(table, settings, key, corpus_digest, cache, workers)
    except AudioError:
        audio.check(table)  # names every file, not only the first
        raise


def _cached(table, settings, key, corpus_digest, cache, workers):
    root = (paths.cache_root() / "features" if cache is None else Path(cache).expanduser()).absolute()
    folder, utterances = root / key, table["utterance"].tolist()
    found, _ = _open(folder, utterances, corpus_digest)  # works in a cache that may only be read
    if found is not None:
        return found
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{key}.lock"):
            found, damage = _open(folder, utterances, corpus_digest)
            if found is not None:
                return found  # another process made them while this one waited
            if damage:
                warnings.warn(f"cached features are damaged and are made again: {damage}", UserWarning, stacklevel=3)
                shutil.rmtree(folder)
            for left in root.glob(f".{key}.*"):
                shutil.rmtree(left, ignore_errors=True)  # what an interrupted process left
            staging = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=root))
            try:
                _write(staging, table, settings, workers)
                staging.chmod(0o755)
                staging.rename(folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot write the feature cache {root}: {error}."
            " Set the environment variable SERMODULES_CACHE to a folder that can be written and has room."
        ) from error
    found, damage = _open(folder, utterances, corpus_digest)
    if found is None:
        raise StoreError(
            f"the features were written, but do not read back: {damage or f'{folder} is gone'}."
            " Set the environment variable SERMODULES_CACHE to a folder on another disk."
        )
    return found


def _key(table, settings):
    code = hashlib.sha256()
    for module in (__file__, audio.__file__):
        code.update(Path(module).read_bytes())
    facts = {
        "settings": settings,
        "code": code.hexdigest(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("librosa", "numpy", "scipy", "soundfile", "soxr")
        },
        "content": corpora.digest(table.assign(speaker="", session="", gender="", emotion="")),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _write(folder, table, settings, workers):
    """Extract into a folder: the frames of all utterances, one after the other, and who has how many."""
    frames = {}
    with (folder / _ARRAY).open("wb") as file:
        _write_header(file, 0)
        start = file.tell()
        for utterance, features in zip(table["utterance"], _computed(table, settings, workers), strict=True):
            frames[utterance] = len(features)
            file.write(features.astype(_ROW, copy=False).tobytes())
        file.seek(0)
        _write_header(file, sum(frames.values()))  # numpy leaves room for the length of the first axis
        assert file.tell() == start
    (folder / _INDEX).write_text(json.dumps({"settings": settings, "frames": frames}, indent=1), encoding="utf-8")
    sums = "".join(f"{_sha256(folder / name)}  {name}\n" for name in (_ARRAY, _INDEX))
    (folder / _SUMS).write_text(sums, encoding="utf-8")


def _write_header(file, frames):
    header = {"descr": _ROW.str, "fortran_order": False, "shape": (frames, BANDS, CHANNELS)}
    np.lib.format.write_array_header_1_0(file, header)


def _computed(table, settings, workers):
    if workers is None:
        workers = min(joblib.cpu_count(), 1 + int(table["duration"].sum() // _SECONDS_PER_WORKER))
    jobs = (joblib.delayed(_features)(path, settings) for path in table["path"])
    results = joblib.Parallel(n_jobs=min(workers, len(table)), return_as="generator")(jobs)
    return tqdm(
        results, total=len(table), desc="extracting features", unit="utterance",
        file=sys.stdout, disable=not sys.stdout.isatty(),
    )  # fmt: skip


def _features(path, settings):
    return three_d_log_mel(audio.read(path), **settings)


def _open(folder, utterances, corpus_digest):
    """Return the features in a folder (or None), and what is wrong with it ("" if it is not there)."""
    if not folder.is_dir():
        return None, ""
    try:
        sums = "".join(f"{_sha256(folder / name)}  {name}\n" for name in (_ARRAY, _INDEX))
        if (folder / _SUMS).read_text(encoding="utf-8") != sums:
            return None, f"files in {folder} are not what was written"
        frames = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["frames"]
        array = np.load(folder / _ARRAY, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError) as error:
        return None, f"{folder}: {error}"
    if list(frames) != utterances or array.shape != (sum(frames.values()), BANDS, CHANNELS) or array.dtype != _ROW:
        return None, f"{folder} does not hold these utterances"
    return Features(folder, frames, array.view(np.ndarray), corpus_digest), ""


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(signal, sample_rate):
    """Return a signal as float64, or say what is wrong with it."""
    if sample_rate != SAMPLE_RATE:
        raise ConfigError(
            f"sample_rate is {sample_rate!r}: features are made at {SAMPLE_RATE} Hz."
            " Read the file with sermodules.audio.read, which resamples, or resample the signal first."
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


def _check_settings(normalise_waveform=True, frontend="htk", window="hamming"):
    problems = []
    if not isinstance(normalise_waveform, bool):
        problems.append(f"normalise_waveform is {normalise_waveform!r}: it must be true or false")
    for name, value, allowed in (("frontend", frontend, FRONTENDS), ("window", window, WINDOWS)):
        if value not in list(allowed):
            problems.append(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
    if problems:
        raise ConfigError("\n".join(problems))
