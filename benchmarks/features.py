"""Feature extraction, in times real time, beside other programs on the same files.

The work is from a file to the array (frames, 40, 3) of log-Mels, deltas and delta-deltas, with HTK's Mel scale and a Hamming
window, without normalising the waveform. Every contender runs in one process:

- ours: `sermodules.corpora.audio.read` and `sermodules.features.three_d_log_mel`;
- librosa: ``load``, ``feature.melspectrogram`` and ``feature.delta`` twice, a file at a time. Its values equal ours;
- openSMILE, with ``tests/log_mel.conf``. Its filters have a slightly different shape (``tests/test_opensmile.py``). It
  computes all three kinds and hands over the delta-deltas only;
- python_speech_features: ``fbank``, the logarithm, and ``delta`` twice. Its filters begin and end on bins of the spectrum, so
  it computes something else.

Then the whole corpus goes into an empty cache, by `sermodules.features.extract`: with checksums, writing and reading back,
in one process and in one a core, beside librosa's loop, which keeps nothing. The processes are running already.
"""

import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from benchmarks import measure
from sermodules import features
from sermodules.corpora import audio
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import SermodulesError

#: Largest difference between librosa's log-Mels, deltas and delta-deltas and ours that counts as equal: librosa computes in
#: float32, and the logarithm of a weak band makes the rounding large.
TOLERANCE = 0.02
OPENSMILE = Path(__file__).parents[1] / "tests" / "log_mel.conf"
SETTINGS = {"normalise_waveform": False, "frontend": "htk", "window": "hamming"}


def ours(path):
    """Extract a file with this package: (frames, 40, 3)."""
    return features.three_d_log_mel(audio.read(path), **SETTINGS)


def with_librosa(path):
    """Extract a file with librosa: (frames, 40, 3)."""
    import librosa

    signal, _ = librosa.load(path, sr=SAMPLE_RATE)
    ends = (features.N_FFT - features.FRAME) // 2  # librosa's frames have the length of the transform
    power = librosa.feature.melspectrogram(
        y=np.pad(signal, ends), sr=SAMPLE_RATE, n_fft=features.N_FFT, hop_length=features.FRAME_HOP, win_length=features.FRAME,
        window=np.hamming(features.FRAME), center=False, n_mels=features.BANDS, fmin=features.F_MIN, fmax=features.F_MAX,
        htk=True, norm=None,
    )  # fmt: skip
    static = np.log(np.maximum(power, features.FLOOR))
    delta = librosa.feature.delta(static, width=5, mode="nearest")
    return np.stack([static, delta, librosa.feature.delta(delta, width=5, mode="nearest")], axis=-1).swapaxes(0, 1)


def with_opensmile():
    """Return a function that extracts a file with openSMILE: the delta-deltas, (frames + 4, 40)."""
    import opensmile

    smile = opensmile.Smile(str(OPENSMILE), "deltadelta")
    return lambda path: smile.process_file(path).to_numpy()


def with_python_speech_features(path):
    """Extract a file with python_speech_features: (frames, 40, 3), of which it may have one frame more."""
    import python_speech_features
    import soundfile

    signal, rate = soundfile.read(path)
    bands, _ = python_speech_features.fbank(  # its function for logarithms takes no window
        signal, rate, winlen=0.025, winstep=0.01, nfilt=features.BANDS, nfft=features.N_FFT, lowfreq=features.F_MIN,
        highfreq=features.F_MAX, preemph=0, winfunc=np.hamming,
    )  # fmt: skip
    static = np.log(bands)
    delta = python_speech_features.delta(static, 2)
    return np.stack([static, delta, python_speech_features.delta(delta, 2)], axis=-1)


def main(quick=False, rounds=None):
    """Measure.

    Parameters
    ----------
    quick : bool
        Only show that everything works: four recordings, one round.
    rounds : int, optional
        By default 5.

    Returns
    -------
    pandas.DataFrame
        With the columns ``benchmarks.measure.COLUMNS``.

    Raises
    ------
    SermodulesError
        If librosa's values are not ours, so that the work would not be the same.
    """
    table, corpus = measure.recordings(4 if quick else None)
    loops, absent = {"sermodules": ours, "librosa": with_librosa}, []
    for name, module, make in (
        ("openSMILE", "opensmile", with_opensmile),
        ("python_speech_features", "python_speech_features", lambda: with_python_speech_features),
    ):
        if measure.installed(module):
            loops[name] = make()
        else:
            absent.append((name, module))
    paths, processes = table["path"].tolist(), sorted({1, joblib.cpu_count()})
    contenders = {name: _loop(paths, extract) for name, extract in loops.items()}
    contenders |= {count: _extract(table, count) for count in processes}
    seconds = measure.rounds(contenders, rounds or (1 if quick else 5))
    get_reusable_executor().shutdown()  # so that their time counts as ours
    length = table["duration"].sum()
    what = f"log-Mels of {len(table)} files of {corpus} ({length / 60:.3g} min)"
    return pd.DataFrame(
        _results(what, length, seconds, processes, _agreement(paths, loops), absent), columns=measure.COLUMNS
    )


def _loop(paths, extract):
    """Return a function that extracts all files and returns the seconds that it took."""

    def turn():
        began = time.perf_counter()
        for path in paths:
            extract(path)
        return time.perf_counter() - began

    return turn


def _extract(table, processes):
    """Return a function that extracts a corpus into an empty cache and returns the seconds that it took."""

    def turn():
        with tempfile.TemporaryDirectory() as cache:
            began = time.perf_counter()
            features.extract(table, **SETTINGS, cache=cache, workers=processes)
            return time.perf_counter() - began

    return turn


def _results(what, length, seconds, processes, notes, absent):
    unit = "x real time"
    speed = {name: [length / value for value in values] for name, values in seconds.items()}
    alone = f"{what}, one process"
    results = [measure.result(alone, "sermodules", speed["sermodules"], unit)]
    for name in notes:
        results.append(measure.result(alone, name, speed[name], unit, speed["sermodules"], notes[name]))
    results += [measure.missing(alone, name, package) for name, package in absent]
    for count in processes:
        into = f"{what} into the cache, {count} process{'es' if count > 1 else ''}"
        results.append(measure.result(into, "sermodules", speed[count], unit))
        results.append(
            measure.result(into, "librosa", speed["librosa"], unit, speed[count], "one process, nothing is kept")
        )
    return results


def _agreement(paths, loops):
    """Say of each contender how far its values are from ours, over all files."""
    notes, mine = {}, [ours(path) for path in paths]
    for name, extract in loops.items():
        if name == "sermodules":
            continue
        theirs = [extract(path) for path in paths]
        if theirs[0].ndim == 2:  # openSMILE: delta-deltas, which go on after the end and differ in the last two frames
            pairs = [(a[:-2, :, 2], b[: len(a) - 2]) for a, b in zip(mine, theirs, strict=True)]
        else:
            pairs = [(a, b[: len(a)]) for a, b in zip(mine, theirs, strict=True)]
        first, second = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
        largest = np.abs(first - second).max()
        notes[name] = f"largest difference {largest:.2g}, correlation {np.corrcoef(first, second)[0, 1]:.6f}"
        if name == "librosa" and largest > TOLERANCE:
            raise SermodulesError(
                f"librosa's features differ from ours by {largest:.2g}, more than {TOLERANCE}: the work is not the same. "
                "Use the librosa version of requirements.lock."
            )
    return notes
