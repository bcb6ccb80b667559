"""The tables of a report in the order in which they are read, each with what stands above it."""

from dataclasses import dataclass, field

from sermodules.config import METHODS
from sermodules.evidence.report import captions
from sermodules.evidence.report.cells import PAPERS, of_the_paper
from sermodules.evidence.report.columns import Table
from sermodules.evidence.report.frames import REPORTED_CONFUSIONS, beside, matrix


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    name : str
        What the files of its tables are called.
    title : str
        Its heading.
    caption : str
        Stands above the tables.
    tables : dict of str to Table
        By what they are of.
    warnings : dict of str to str
        What the caption of a table says besides where it stands alone, as in LaTeX; by the same keys.
    """

    name: str
    title: str
    caption: str
    tables: dict
    warnings: dict = field(default_factory=dict)

    def files(self):
        """Yield of each table the name of its file, its caption and itself."""
        for number, (label, table) in enumerate(self.tables.items(), 1):
            caption = f"{self.caption} {self.warnings.get(label, '')}".rstrip()
            if len(self.tables) == 1:
                yield self.name, caption, table
            else:
                yield f"{self.name}-{number}", f"{label}. {caption}", table


def sections(configurations, results, tables, plain):
    """Return the sections of a report.

    Parameters
    ----------
    configurations : list of Configuration
    results : list of RunResult
    tables : dict of str to Table
        From `frames.make`.
    plain : bool
        Only what was measured here, nothing of the paper's.

    Returns
    -------
    list of Section
    """
    ours = captions.circumstances(configurations)
    warning = captions.trial(configurations)
    alone = _one("configurations", "All configurations", captions.summary(ours), tables, warning)
    compared = _one("comparisons", "Comparisons", captions.COMPARISONS, tables, warning)
    if plain:
        every = _one("speakers", "Every speaker", captions.speakers(configurations, ours), tables, warning)
        matrices = {c.label: matrix(c.confusion) for c in configurations}
        pooled = Section(
            "confusions", "Confusion matrices", captions.pooled(configurations, ours), matrices, _trials(configurations)
        )
        made = [every, alone, compared, pooled]
    else:
        made = [
            _one("table1", "Table 1: every speaker", captions.table1(configurations, ours), tables, warning),
            _one("table2", "Table 2: the comparison", captions.table2(configurations, ours), tables, warning),
            *(_papers_confusions(number, model, configurations, ours) for number, model in enumerate(PAPERS, start=3)),
            alone,
            compared,
        ]
    if told := captions.origins(results):
        made.append(_one("origins", "What computed the runs", told, tables))
    return [section for section in made if section is not compared or len(tables["comparisons"].frame)]


def _one(name, title, caption, tables, warning=""):
    return Section(name, title, caption, {"": tables[name]}, {"": warning})


def _trials(configurations):
    """Say of each matrix if it means nothing."""
    return {c.label: captions.trial([c]) for c in configurations}


def _papers_confusions(number, model, configurations, ours):
    """Return the section of Table 3 or 4: a matrix for each configuration of its model."""
    mine = [c for c in of_the_paper(configurations) if c.config.model == model]
    tables: dict[str, Table] = {c.label: beside(c.confusion, REPORTED_CONFUSIONS[model]) for c in mine}
    title = f"Table {number}: confusion matrix of {METHODS[model].name}"
    return Section(f"table{number}", title, captions.confusions(number, model, mine, ours), tables, _trials(mine))
