"""What the paper printed, as data, and what its figures imply when recomputed. No figure of ours, and no judgement.

Bhushan, Fahad, Agrawal, Tripathi, Mishra, Deepak: "A Self-Attention Based Hybrid CNN-LSTM for Speaker-Independent Speech
Emotion Recognition", 2022. `tables` holds the figures; `recomputed`, `compared` and `fractions` read them there.
"""

from sermodules.evidence.paper.compared import (
    against_reported,
    differences,
    fold_tests,
    recall_differences,
    sd_ratio,
    without_session,
)
from sermodules.evidence.paper.fractions import fraction_share, wa_as_fractions, wa_as_means, wa_matches_by_chance
from sermodules.evidence.paper.recomputed import (
    by_speaker,
    implied_uar,
    implied_wa,
    linear_layer_parameters,
    mistakes_saved,
    neutral_predictions,
    recalls,
    recomputed_means,
    recomputed_sds,
    row_sums,
)
from sermodules.evidence.paper.tables import (
    ACRNN,
    CLASSES,
    SEEDS,
    TABLE1,
    TABLE1_MEAN,
    TABLE2,
    TABLE3,
    TABLE4,
    UTTERANCES,
    WHERE,
)

__all__ = [
    "ACRNN",
    "CLASSES",
    "SEEDS",
    "TABLE1",
    "TABLE1_MEAN",
    "TABLE2",
    "TABLE3",
    "TABLE4",
    "UTTERANCES",
    "WHERE",
    "against_reported",
    "by_speaker",
    "differences",
    "fold_tests",
    "fraction_share",
    "implied_uar",
    "implied_wa",
    "linear_layer_parameters",
    "mistakes_saved",
    "neutral_predictions",
    "recall_differences",
    "recalls",
    "recomputed_means",
    "recomputed_sds",
    "row_sums",
    "sd_ratio",
    "wa_as_fractions",
    "wa_as_means",
    "wa_matches_by_chance",
    "without_session",
]
