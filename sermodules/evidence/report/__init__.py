"""A study's runs as a report: the paper's Tables 1 to 4, all configurations with their uncertainty, and the claims ledger.

What the paper reported stands beside ours, or is left out. `cells` gathers the runs, `frames` makes tables, `sections` puts
them in order, `captions`, `gaps` and `markdown` make the text, `latex` the tables for a paper, `figure` the figure, `folder`
the files. Nothing here tests, judges or trains: `statistics` and `claims` do.
"""

from sermodules.evidence.report.cells import PAPERS
from sermodules.evidence.report.folder import write
from sermodules.evidence.report.frames import scores, tables

__all__ = ["PAPERS", "scores", "tables", "write"]
