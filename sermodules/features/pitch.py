"""The fundamental frequency, as Praat finds it: one function and one range for the chapters and for DNN-ELM."""

import math

import numpy as np

from sermodules.corpora.audio import SAMPLE_RATE

#: The range in which a pitch is looked for (Hz). 75 was Praat's own floor up to version 6.3 and is that of praat-parselmouth
#: 0.4.7, which holds Praat 6.1.38; newer ones begin at 50. **A voice below the floor is not heard**: it has no voiced frame,
#: or, where every frame gets a pitch, a wrong one.
FLOOR, CEILING = 75, 600
#: From here to the ceiling (Hz) few voices speak, a shout apart: what is found there is mostly no pitch.
NEAR_CEILING = 0.8 * CEILING


def track(signal, step=0.01, floor=FLOOR, every_frame=False):
    """Follow the pitch of a signal by Praat's autocorrelation method (Boersma 1993).

    See chapter "The corpora, heard".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        At 16 kHz.
    step : float
        Seconds from one frame to the next.
    floor : float
        The lowest pitch that is looked for, Hz. A window has three periods of it.
    every_frame : bool
        A pitch for every frame: the thresholds for silence and for voicing are 0. Otherwise they are Praat's own.

    Returns
    -------
    hertz, strength : numpy.ndarray of float64, shape (frames,)
        Pitch, 0 where there is none, and the normalised autocorrelation at its period.

    Notes
    -----
    Praat refuses a signal that is shorter than three periods of the floor (``parselmouth.PraatError``).

    ``Sound.to_pitch_ac`` of praat-parselmouth with Praat's default settings, but for range and thresholds. The lower the
    floor, the longer the window (40 ms at 75 Hz, 60 ms at 50 Hz), and the more a fast movement of the voice is smoothed.

    P. Boersma (1993): Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
    sound. Proceedings of the Institute of Phonetic Sciences, University of Amsterdam, 17, 97-110.

    Examples
    --------
    A tone of 200 Hz has this pitch in every frame; one of 60 Hz lies below the floor and has none.

    >>> import numpy as np
    >>> from sermodules.features import pitch
    >>> time = np.arange(16000) / 16000
    >>> for hertz, floor in ((200, 75), (60, 75), (60, 50)):
    ...     print(pitch.track(np.sin(2 * np.pi * hertz * time), floor=floor)[0].max().round())
    200.0
    0.0
    60.0
    """
    import parselmouth  # imported at use: cached features do not need it

    thresholds = {"silence_threshold": 0, "voicing_threshold": 0} if every_frame else {}
    sound = parselmouth.Sound(np.asarray(signal, dtype=np.float64), SAMPLE_RATE)
    found = sound.to_pitch_ac(time_step=step, pitch_floor=floor, pitch_ceiling=CEILING, **thresholds).selected_array
    return found["frequency"], found["strength"]


def median(signal):
    """Return the median pitch of the frames that have a voice, Hz; NaN if none has.

    See chapter "The corpora, heard".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), floating
        At 16 kHz.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.features import pitch
    >>> round(pitch.median(np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)))
    200
    """
    hertz, _ = track(signal)
    voiced = hertz[hertz > 0]
    return float(np.median(voiced)) if len(voiced) else math.nan
