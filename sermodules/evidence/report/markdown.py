"""The text of a report: the sections in their order, each with its caption and its tables."""

import re

from sermodules.evidence import claims
from sermodules.evidence.report import captions, figure
from sermodules.evidence.report.columns import whole


def document(
    name, about, results, configurations, sections, alt, missing, ledger, registered=(), plain=False, unread=()
):
    """Write the report.

    Parameters
    ----------
    name, about : str
        Of the study.
    results : list of RunResult
    configurations : list of Configuration
    sections : list of Section
    alt : str
        The description of the figure.
    missing : tuple of (str, list of str)
        From `gaps.missing`.
    ledger : pandas.DataFrame
        From `claims.ledger`.
    registered : list of str
        From `registered.section`, if the study registered something.
    plain : bool
        Only what was measured here, nothing of the paper's.
    unread : tuple of str
        Why nobody can tell whether runs are missing; see `sermodules.study.Study`.

    Returns
    -------
    str
        Markdown.
    """
    ours = captions.circumstances(configurations)
    total, gaps = missing
    blocks = [f"# Study {name}", about, f"{total}: {ours}. {captions.provenance(results)}"]
    blocks += [captions.unread(unread), captions.trial(configurations)]
    if gaps:
        blocks += [captions.INCOMPLETE, "\n".join(f"- {gap}" for gap in gaps)]
    blocks += [
        captions.left_out(results),
        captions.lacking(results),
        captions.unstable(results),
        "" if plain else captions.caution(configurations),
        captions.dependence(configurations),
        *registered,
    ]
    for section in sections:
        blocks += [f"## {section.title}", section.caption]
        for label, table in section.tables.items():
            blocks += [f"{label}:" if len(section.tables) > 1 else "", whole(table)]
    blocks += ["## Figure", f"![{re.sub(r'[][]', '', alt)}](report.png)", figure.caption(configurations, ours)]
    blocks.append("## Claims ledger")
    if len(ledger):
        blocks += [captions.PLAIN_LEDGER if plain else captions.LEDGER, claims.to_markdown(ledger, plain).rstrip()]
    else:
        blocks.append(captions.NO_CLAIM)
    return "\n\n".join(block for block in blocks if block) + "\n"


def pending(study, registered):
    """Write the report of a registered study before its last registered run is in: nothing in it shows a score."""
    return "\n\n".join([f"# Study {study.name}", study.about, *registered]) + "\n"
