"""How far up a recording reaches: whether a corpus mixes telephone and microphone, or rates.

The rate in a file's header does not tell: a recording of 8 kHz that was brought to 16 kHz holds nothing above 4 kHz.
"""

import os

import numpy as np
import scipy.signal
from joblib import Parallel, delayed

from sermodules.corpora import audio
from sermodules.corpora.audio import SAMPLE_RATE

#: Samples of a spectrum: 32 ms, so that a bin is 31.25 Hz.
WINDOW = 512
#: What lies so far below the strongest frequency counts as nothing (dB). At 60 dB the recordings of EMO-DB, CREMA-D and RAVDESS
#: reach at least 7.7 kHz, and no more than 4 kHz after they went through 8 kHz, unless 16 bits hold them 20 dB more quietly.
DEPTH = 60
#: A recording that reaches less far than another by more than this factor is band-limited.
APART = 1.3


def effective(recording):
    """Say up to which frequency a recording holds sound.

    See chapter "The corpora, heard".

    Parameters
    ----------
    recording : path or Excerpt

    Returns
    -------
    float
        Hz, at most 8000: what lies above is not used. The highest frequency where the loudest hundredth of the frames comes
        within `DEPTH` of the strongest frequency. Fricatives such as s reach far up even where vowels do not.

    Raises
    ------
    AudioError
        As `audio.read`.

    Examples
    --------
    Noise at 16 kHz, and at 8 kHz:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from sermodules.corpora import bandwidth
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for rate in (16000, 8000):
    ...         soundfile.write(Path(folder, f"{rate}.wav"), noise, rate)
    ...         round(bandwidth.effective(Path(folder, f"{rate}.wav")), -2)
    8000.0
    4000.0
    """
    signal = audio.read(recording)
    signal = np.pad(signal, (0, max(0, WINDOW - signal.size)))
    _, _, power = scipy.signal.spectrogram(signal, SAMPLE_RATE, "hann", WINDOW, WINDOW // 2)
    loud = np.percentile(power, 99, axis=1)
    heard = np.flatnonzero(loud > loud.max() * 10 ** (-DEPTH / 10))
    return float(heard[-1] * SAMPLE_RATE / WINDOW)


def measure(table):
    """Measure the bandwidth of each recording of a corpus, Hz; see `effective`.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    numpy.ndarray, shape (utterances,)
    """
    jobs = Parallel(n_jobs=os.cpu_count(), prefer="threads")
    return np.array(jobs(delayed(effective)(recording) for recording in audio.recordings(table)))


def describe(table, widths):
    """Say how far up the recordings of a corpus reach, and which of them end early.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    widths : numpy.ndarray, shape (utterances,)
        From `measure`.

    Returns
    -------
    list of str
        Lines. There is one where all recordings reach about equally far.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sermodules.corpora import bandwidth
    >>> table = pd.DataFrame({"utterance": ["a", "b"], "speaker": ["A", "B"], "emotion": ["sad", "angry"]})
    >>> bandwidth.describe(table, np.array([8000, 7800]))
    ['the recordings reach from 7.8 to 8.0 kHz (median 7.9)']
    >>> bandwidth.describe(table, np.array([8000, 8000]))
    ['all recordings reach up to 8.0 kHz']
    >>> for line in bandwidth.describe(table, np.array([8000, 3900])):
    ...     print(line)
    the recordings reach from 3.9 to 8.0 kHz (median 6.0)
    The corpus mixes band limits: 1 of 2 end at 3.9 kHz or below, as after a telephone, others at 8.0 or above.
    A model can hear that. Is it spread evenly? Of the speakers B (1 of 1). Of the classes angry (1 of 1).
      b: 3.9 kHz
    """
    khz = np.asarray(widths) / 1000
    low, high = f"{khz.min():.1f}", f"{khz.max():.1f}"
    lines = [f"the recordings reach from {low} to {high} kHz (median {np.median(khz):.1f})"]
    if low == high:
        lines = [f"all recordings reach up to {high} kHz"]
    narrow = khz < khz.max() / APART
    if narrow.any():
        lines += [
            f"The corpus mixes band limits: {narrow.sum()} of {len(khz)} end at {khz[narrow].max():.1f} kHz or below,"
            f" as after a telephone, others at {khz[~narrow].min():.1f} or above.",
            f"A model can hear that. Is it spread evenly? Of the speakers {_shares(table['speaker'], narrow)}."
            f" Of the classes {_shares(table['emotion'], narrow)}.",
        ]
        lines += [
            f"  {name}: {width:.1f} kHz" for name, width in zip(table["utterance"][narrow], khz[narrow], strict=True)
        ]
    return lines


def _shares(column, narrow):
    """Say of each name in a column how many of its recordings are among the narrow ones."""
    found, held = column[narrow].value_counts(), column.value_counts()
    return ", ".join(f"{name} ({count} of {held[name]})" for name, count in sorted(found.items()))
