"""The claims ledger: each claim of the paper, the rule that decides it, and the verdict. No figure is typed, no verdict either.

`by_runs` and `by_figures` hold the claims, an entry each; `rules` and `checks` are the kinds of rules; `judge` makes the
ledger. What the paper printed is in `paper`, how runs are compared in `statistics`: neither belongs here.
"""

from sermodules.evidence.claims.entry import Claim
from sermodules.evidence.claims.figures import Figure
from sermodules.evidence.claims.finding import FEWEST_SPEAKERS, FEWEST_SPEAKERS_FOR_POWER, NOT_TESTED, POWER
from sermodules.evidence.claims.judge import CLAIMS, COLUMNS, ledger, to_markdown
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, SUPPORTED

__all__ = [
    "CANNOT_TELL",
    "CLAIMS",
    "COLUMNS",
    "FEWEST_SPEAKERS",
    "FEWEST_SPEAKERS_FOR_POWER",
    "NOT_SUPPORTED",
    "NOT_TESTED",
    "POWER",
    "SUPPORTED",
    "Claim",
    "Figure",
    "ledger",
    "to_markdown",
]
