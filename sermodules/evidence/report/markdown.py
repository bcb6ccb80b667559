"""The text of a report: the sections in their order, each with its caption and its table."""

import re

from sermodules.config import METHODS
from sermodules.evidence import claims
from sermodules.evidence.report import captions, figure
from sermodules.evidence.report.cells import PAPERS, of_the_paper
from sermodules.evidence.report.columns import markdown, printed, whole
from sermodules.evidence.report.frames import REPORTED_CONFUSIONS, beside


def document(name, about, results, configurations, tables, alt, missing, ledger, registered=()):
    """Write the report.

    Parameters
    ----------
    name, about : str
        Of the study.
    results : list of RunResult
    configurations : list of Configuration
    tables : dict of str to Table
    alt : str
        The description of the figure.
    missing : tuple of (str, list of str)
        From `gaps.missing`.
    ledger : pandas.DataFrame
        From `claims.ledger`.
    registered : list of str
        From `registered.section`, if the study registered something.

    Returns
    -------
    str
        Markdown.
    """
    ours = captions.circumstances(configurations)
    total, gaps = missing
    blocks = [f"# Study {name}", about, f"{total}: {ours}. {captions.provenance(results)}"]
    if gaps:
        blocks += [captions.INCOMPLETE, "\n".join(f"- {gap}" for gap in gaps)]
    blocks += [
        captions.left_out(results),
        captions.unstable(results),
        captions.caution(configurations),
        captions.dependence(configurations),
        *registered,
        "## Table 1: every speaker",
        captions.table1(configurations, ours),
        _last_row_bold(tables["table1"]),
        "## Table 2: the comparison",
        captions.table2(configurations, ours),
        whole(tables["table2"]),
    ]
    for number, model in enumerate(PAPERS, start=3):
        blocks += _confusions(number, model, configurations, ours)
    blocks += ["## All configurations", captions.summary(ours), whole(tables["configurations"])]
    if len(tables["comparisons"].frame):
        blocks += ["## Comparisons", captions.COMPARISONS, whole(tables["comparisons"])]
    if told := captions.origins(results):
        blocks += ["## What computed the runs", told, whole(tables["origins"])]
    blocks += ["## Figure", f"![{re.sub(r'[][]', '', alt)}](report.png)", figure.caption(configurations, ours)]
    blocks += ["## Claims ledger", captions.LEDGER]
    blocks.append(claims.to_markdown(ledger[ledger["kind"] == "corpus"]).rstrip())
    return "\n\n".join(block for block in blocks if block) + "\n"


def pending(study, registered):
    """Write the report of a registered study before its last registered run is in: nothing in it shows a score."""
    return "\n\n".join([f"# Study {study.name}", study.about, *registered]) + "\n"


def _last_row_bold(table):
    texts = printed(table.frame, table.columns)
    texts.iloc[-1] = [f"**{text}**" if text else text for text in texts.iloc[-1]]
    return markdown(texts, table.columns)


def _confusions(number, model, configurations, ours):
    """Return the section of Table 3 or 4: a matrix for each configuration of its model, named if there are several."""
    mine = [c for c in of_the_paper(configurations) if c.config.model == model]
    blocks = [
        f"## Table {number}: confusion matrix of {METHODS[model].name}",
        captions.confusions(number, model, mine, ours),
    ]
    for c in mine:
        if len(mine) > 1:
            blocks.append(f"{c.label}:")
        blocks.append(whole(beside(c.confusion, REPORTED_CONFUSIONS[model])))
    return blocks
