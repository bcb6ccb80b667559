"""The ledger: every claim of the paper, what was found, and a verdict that is computed; and the ledger in Markdown.

Claims of the kind "corpus" are decided by runs, one verdict a corpus, preset and set of other settings. Claims of the kind
"arithmetic" are decided by the figures that the paper prints. Each claim is judged by itself, because the paper makes each by
itself; nothing is corrected for their number. So of many claims that are not true, a few may pass.
"""

import pandas as pd

from sermodules.config import words
from sermodules.errors import SermodulesError
from sermodules.evidence import paper, statistics
from sermodules.evidence.claims.by_figures import ARITHMETIC
from sermodules.evidence.claims.by_runs import CORPUS
from sermodules.evidence.claims.configurations import lacks
from sermodules.evidence.claims.finding import FEWEST_SPEAKERS, NOT_TESTED, Missing, untested
from sermodules.evidence.claims.rules import AS_NEUTRAL
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, ROPE, SUPPORTED

#: Every claim of the paper that this project can put to a test, or says why not.
CLAIMS = (*CORPUS, *ARITHMETIC)

#: Columns that `ledger` needs. Beside them it uses ``settings``, the recalls (``recall_angry``, ...) and the shares of a class
#: taken for neutral (``angry_as_neutral``, ...), both in %, and ``run``.
COLUMNS = ("corpus", "preset", "model", "attention", "gender", "fold", "speaker", "seed", "uar", "wa")

_NO_RUN = pd.DataFrame(columns=[*COLUMNS, *(f"recall_{name}" for name in paper.CLASSES), *AS_NEUTRAL])
_GROUP = ("corpus", "preset", "settings")


def ledger(scores=None):
    """Decide every claim of the paper.

    See chapter "The verdict".

    Parameters
    ----------
    scores : pandas.DataFrame, optional
        One row a run and test speaker, as `scores.from_results` makes it: `COLUMNS`, and those of ``settings``,
        ``recall_<class>``, ``<class>_as_neutral`` and ``run`` that are there. Percentages. Without any run only the paper's own
        figures are judged.

    Returns
    -------
    pandas.DataFrame
        One row a claim of the kind "corpus" for each ``corpus``, ``preset`` and ``settings``, then one row a claim of the kind
        "arithmetic":

        - ``id, kind, claim, where, source, reported``: as in `CLAIMS`; ``corpus, preset, settings``: of the runs;
        - ``scope``: what the verdict speaks of; ``compared``: for a claim on a corpus, what is taken from what;
        - ``ours``: text with the interval; ``value``: the number in it, if it is one difference between two configurations;
          ``low, high``: the interval that the verdict looks at (NaN if there is none). For
          one value a speaker it is the smallest that holds the 95 % intervals of the corrected t-test and of the bootstrap over
          speakers; where one training tested many speakers, that of `statistics.clustered_t`. For a figure of Table 1 it is
          that of ours less the paper's, speaker by speaker;
        - ``verdict``: "supported", "not supported", "cannot tell at this power" (see `statistics.verdict`) or "not tested";
        - ``runs``: how many runs, speakers and which configurations it rests on; ``run_ids``: their ids, if `scores` has them;
        - ``note``: what is missing, or what else to know: where a mean difference over five or more speakers cannot tell, which
          true difference the study would have found with a power of 0.8 (`statistics.detectable`).

    Raises
    ------
    SermodulesError
        If a column is missing, a speaker is there twice in a configuration and seed, or a score is not in %.

    Examples
    --------
    Without runs, only what the paper prints can be judged: not all rows of its Table 4 sum to 100 %.

    >>> from sermodules.evidence import claims
    >>> ledger = claims.ledger()
    >>> printed = ledger.query("kind == 'arithmetic' and where == 'Table 4'")
    >>> printed[["claim", "ours", "verdict"]].values.tolist()
    [['Each row of Table 4 sums to 100 %.', '99.99, 100.00, 99.99, 99.59', 'not supported']]
    >>> ledger.loc[ledger["kind"] == "corpus", "verdict"].unique().tolist()
    ['not tested']
    """
    rows = []
    scores = _NO_RUN if scores is None or scores.empty else scores
    for group, runs in _groups(scores):
        scope = _scope(group, words.shown_corpora(scores["corpus"]))
        rows += [_line(claim, group, scope, _decide(claim, group, runs)) for claim in CORPUS]
    rows += [_line(claim, None, "the figures that the paper prints", claim.rule.decide()) for claim in ARITHMETIC]
    return pd.DataFrame(rows)


def _groups(scores):
    """Yield the runs of each corpus, preset and other settings, checked."""
    if scores.empty:
        yield dict.fromkeys(_GROUP, ""), _NO_RUN
        return
    if missing := [name for name in COLUMNS if name not in scores]:
        raise SermodulesError(
            f"the scores lack the column(s) {', '.join(missing)}: make them with `scores.from_results`"
        )
    if "settings" not in scores:
        scores = scores.assign(settings="")
    for key, runs in scores.groupby(list(_GROUP), sort=False):
        names = runs[["model", "attention", "gender"]].astype(str).agg(", ".join, axis=1)
        for metric in ("uar", "wa"):
            statistics.by_speaker(runs.assign(configuration=names, uar=runs[metric]))  # raises what is wrong
        yield dict(zip(_GROUP, key, strict=True)), runs


def _decide(claim, group, runs):
    if claim.only_iemocap and (reason := lacks(group)):
        return untested(f"a figure of IEMOCAP: needs runs with {reason}")
    try:
        return claim.rule.decide(runs)
    except Missing as missing:
        return untested(str(missing))


def _line(claim, group, scope, found):
    """Write a line of the ledger; `group` is None for a claim that the printed figures decide."""
    return {
        "id": claim.id,
        "kind": claim.kind,
        "claim": claim.statement,
        "where": claim.where,
        "source": claim.source,
        "reported": claim.reported,
        **(group or dict.fromkeys(_GROUP, "")),
        "scope": scope,
        "compared": claim.rule.compared,
        "ours": found.ours,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
        "runs": _rests_on(found.runs),
        "run_ids": _ids(found.runs),
        "note": found.note,
    }


def _scope(group, corpora):
    """Say what a verdict on runs speaks of; `corpora` is what each corpus is called."""
    if not group["corpus"]:
        return "no run yet"
    own = f"preset `{group['preset']}`" + (f", {group['settings']}" if group["settings"] else "")
    if group["corpus"] != "iemocap":
        return f"`{corpora[group['corpus']]}`, {own}: says nothing directly about IEMOCAP"
    return f"IEMOCAP, {own}: not the paper's network or data" if lacks(group) else "IEMOCAP"


def _rests_on(runs):
    """Write how many runs there are and of what."""
    if runs is None:
        return ""
    baseline = ~runs["model"].isin(["model1", "model2"])
    names = "`" + runs["model"] + "`"
    full = names + " (" + runs["attention"].astype(str) + ", gender " + runs["gender"].astype(str) + ")"
    cells = names.where(baseline, full).drop_duplicates()
    speakers, seeds = (runs.index.get_level_values(name).nunique() for name in ("speaker", "seed"))
    count = runs["run"].nunique() if "run" in runs else len(runs)
    return f"{count} runs, {speakers} speakers, {seeds} {'seeds' if seeds > 1 else 'seed'}: {', '.join(cells)}"


def _ids(runs):
    return "" if runs is None or "run" not in runs else "; ".join(runs["run"].drop_duplicates())


# --- the ledger in Markdown


def to_markdown(ledger, plain=False):
    """Write the ledger as Markdown: a table for each corpus, preset and settings, and one for the paper's own figures.

    Parameters
    ----------
    ledger : pandas.DataFrame
        From `ledger`.
    plain : bool
        Without what the paper reported.

    Returns
    -------
    str
        Parts begin with a heading of level 3. What the paper does not say in words stands in tables of its own and is counted
        apart. What was not tested is listed below, with what it needs.
    """
    parts, corpora = [], words.shown_corpora(ledger["corpus"])
    for (corpus, preset, settings, scope), rows in ledger.groupby([*_GROUP, "scope"], sort=False):
        title = _title(corpora[corpus], preset, settings) if corpus else f"{scope[0].upper()}{scope[1:]}"
        tested = rows[rows["verdict"] != NOT_TESTED]
        waiting = rows[rows["verdict"] == NOT_TESTED]
        parts += [f"### {title}", _caption(rows, scope, plain)]
        for source, line in _SOURCES.items():
            if len(mine := tested[tested["source"] == source]):
                parts += [line.format(_counts(rows[rows["source"] == source]))] if line else []
                parts.append(_grid(mine, plain))
        if len(waiting):
            parts += ["Not tested:", "\n".join(f"- `{row.id}`: {row.note}." for row in waiting.itertuples())]
    return "\n\n".join(parts) + "\n"


def _title(corpus, preset, settings):
    title = f"Corpus `{corpus}`, preset `{preset}`"
    return f"{title}, {settings}" if settings else title


#: What stands above the table of the claims of each source; above the first stands the caption.
_SOURCES = {
    "words": "",
    "reading": "Said in words that leave open what is meant; what is measured is our reading: {}.",
    "tables": "What the paper's tables show, and no words of it claim: {}.",
    "ours": "Ours, put beside what the paper says of others: {}.",
}


def _counts(rows):
    """Count the verdicts."""
    counts = rows["verdict"].value_counts()
    order = (SUPPORTED, NOT_SUPPORTED, CANNOT_TELL, NOT_TESTED)
    return ", ".join(f"{counts[name]} {name}" for name in order if name in counts)


def _caption(rows, scope, plain):
    said = rows[rows["source"] == "words"]
    text = f"Claims of the paper: {_counts(said)}."
    if plain:
        return text + _OURS + _POINTS
    text += f" Scope: {scope}."
    if set(rows["verdict"]) == {NOT_TESTED}:
        return text
    if set(rows["kind"]) == {"arithmetic"}:
        return text + (
            " In brackets: 95 % interval over the ten speakers, of the corrected t-test and the bootstrap together, or as the"
            ' note says. Without brackets and without "no interval" the verdict is exact arithmetic on what is printed: it says'
            " nothing about other speakers."
        )
    return (
        f"{text} Reported: measured on IEMOCAP.{_OURS} A figure of Table 1 is compared speaker by speaker, and the interval is"
        f" that of ours less the paper's.{_POINTS}"
    )


_OURS = (
    " Ours: mean over the speakers, each the mean of its seeds; in brackets the 95 % interval over the speakers (corrected"
    " t-test and bootstrap together; for a ratio of SDs, that for normal scores; where one training tested many speakers, that"
    " of two-way clusters, which counts the luck that it shares out)."
)
_POINTS = (
    f" Points are points of %. Each claim is judged by itself. A difference below {ROPE:g} point counts as none. With fewer"
    f" than {FEWEST_SPEAKERS} speakers nothing is judged."
)


def _grid(rows, plain):
    """Write the rows as a table of texts."""
    frame = pd.DataFrame(
        {
            "Claim": rows["claim"] + " (`" + rows["id"] + "`)",
            "Where": rows["where"],
            "Reported": rows["reported"],
            "Ours": rows["ours"],
            "Verdict": "**" + rows["verdict"] + "**",
        }
    )
    if rows["compared"].any():
        frame.insert(3, "Compared", rows["compared"])
    if rows["runs"].any():
        frame["Rests on"] = rows["runs"]
    if rows["note"].any():
        frame["Note"] = rows["note"]
    if plain:
        frame = frame.drop(columns=["Where", "Reported"])
    frame = frame.map(lambda value: str(value).replace("|", "\\|"))
    return frame.to_markdown(index=False, disable_numparse=True, colalign=["left"] * frame.shape[1])
