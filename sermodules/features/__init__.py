"""Audio files in, arrays out: what methods learn from, computed once and kept in a cache.

`mel` makes the network's 3-D log-Mels of a signal, `log_mels` those of a whole corpus. `spectrogram`, `frames` and
`functionals` make what baselines take. Nothing here knows of folds, and nothing learns.
"""

from sermodules.features.log_mels import Features, extract
from sermodules.features.mel import (
    BANDS,
    CHANNELS,
    F_MAX,
    F_MIN,
    FLOOR,
    FRAME,
    FRAME_HOP,
    FRONTENDS,
    N_FFT,
    WINDOWS,
    deltas,
    log_mel,
    mel_filters,
    three_d_log_mel,
)

__all__ = [
    "BANDS",
    "CHANNELS",
    "FLOOR",
    "FRAME",
    "FRAME_HOP",
    "FRONTENDS",
    "F_MAX",
    "F_MIN",
    "N_FFT",
    "WINDOWS",
    "Features",
    "deltas",
    "extract",
    "log_mel",
    "mel_filters",
    "three_d_log_mel",
]
