"""Statistics of a study: intervals over speakers, paired tests, power, verdicts, confusion matrices.

Numbers in, numbers out: nothing here reads runs, knows what the paper claims or writes a sentence of the report.

A study is a grid of runs: folds x seeds x configurations. A fold tests one speaker or several. Every function of the grid
takes `scores`, a pandas.DataFrame with one row a run and test speaker and the columns ``configuration`` (str), ``fold`` (int),
``speaker`` (str, the test speaker), ``seed`` (int) and ``uar`` (float, %).

The unit of all inference is the speaker. The seeds of a speaker are averaged first, so 10 speakers x 5 seeds are ten values,
never fifty. Where a fold tests several speakers, one training tested them all: then intervals and tests are those of
`clustered_t`, and the column ``held_out`` of `sermodules.evidence.scores` names the trainings. Differences are in points of
UAR: the other configuration minus the reference.

The corrected t-test is the primary test. The sign-flip test, Wilcoxon's test, the Bayesian test and the mixed model
stand beside it and decide nothing.
"""

from sermodules.evidence.statistics.comparison import compare, holm
from sermodules.evidence.statistics.confusions import pooled_confusion, speaker_averaged_confusion
from sermodules.evidence.statistics.levels import ALPHA, LEVEL, ROPE
from sermodules.evidence.statistics.mixed import mixed_model
from sermodules.evidence.statistics.planning import Spread, detectable, power, spread
from sermodules.evidence.statistics.table import (
    COLUMNS,
    FEWEST_SPEAKERS,
    by_speaker,
    paired_differences,
    shared_trainings,
    summary,
    with_trainings,
)
from sermodules.evidence.statistics.tests import (
    CorrectedT,
    Probabilities,
    bayesian_correlated_t,
    bootstrap_interval,
    corrected_t,
    sign_flip,
    wilcoxon,
)
from sermodules.evidence.statistics.trainings import (
    ClusteredT,
    Components,
    chance_to_decide,
    clustered_t,
    components,
    coverage,
    simulated,
)
from sermodules.evidence.statistics.verdicts import CANNOT_TELL, NOT_SUPPORTED, SUPPORTED, verdict

__all__ = [
    "ALPHA",
    "CANNOT_TELL",
    "COLUMNS",
    "FEWEST_SPEAKERS",
    "LEVEL",
    "NOT_SUPPORTED",
    "ROPE",
    "SUPPORTED",
    "ClusteredT",
    "Components",
    "CorrectedT",
    "Probabilities",
    "Spread",
    "bayesian_correlated_t",
    "bootstrap_interval",
    "by_speaker",
    "chance_to_decide",
    "clustered_t",
    "compare",
    "components",
    "corrected_t",
    "coverage",
    "detectable",
    "holm",
    "mixed_model",
    "paired_differences",
    "pooled_confusion",
    "power",
    "shared_trainings",
    "sign_flip",
    "simulated",
    "speaker_averaged_confusion",
    "spread",
    "summary",
    "verdict",
    "wilcoxon",
    "with_trainings",
]
