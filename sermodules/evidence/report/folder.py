"""The files of a report."""

from pathlib import Path

from matplotlib import style

from sermodules import files
from sermodules.errors import SermodulesError, StoreError
from sermodules.evidence import claims
from sermodules.evidence.report import captions, figure, latex, registered
from sermodules.evidence.report.cells import gather, planned
from sermodules.evidence.report.columns import printed
from sermodules.evidence.report.frames import make, scores
from sermodules.evidence.report.gaps import missing
from sermodules.evidence.report.markdown import document, pending
from sermodules.evidence.report.sections import sections
from sermodules.evidence.report.wording import NONE
from sermodules.evidence.scores import from_results

#: How a CSV file has its numbers: people compute with them, so nothing is rounded that anybody could miss, and a whole number
#: has no point. What is not there is empty.
DIGITS = "%.10g"


def write(results, folder, study, tell=lambda line: None, plain=False):
    """Write the report of a study: ``report.md`` with ``report.png``, a CSV for each of its `tables`, and two more.

    ``scores.csv`` has a row a run. ``claims.csv`` is the ledger, with the ids of the runs that each verdict rests on. Each
    table of the text, but for the ledger, is also there as LaTeX. What a study registered stands first. Before its last
    registered run is in, the report has nothing else, and shows no score.

    Parameters
    ----------
    results : iterable of RunResult
        Finished runs, in any order. An incomplete study is reported as far as it is, with what is missing.
    folder : path
        Made if it is not there; an earlier report in it is replaced, but by none that cannot tell what is missing.
    study : Study or str
        The study, or its name only: what is missing is then judged by the folds and seeds that are there.
    tell : callable
        Takes a line of text: what is done next.
    plain : bool
        Only what was measured here: without the paper's figures, and without the claims that these runs do not test. The
        tables are then ``speakers``, ``configurations``, ``comparisons``, ``confusions`` and ``origins``.

    Returns
    -------
    str
        The Markdown of ``report.md``.

    Raises
    ------
    SermodulesError
        As `tables`; also if the folder cannot be written or holds a report that knows more, or nobody can tell whether a
        registered study is complete.
    """
    results, folder = list(results), Path(folder)
    name, about = (study, "") if isinstance(study, str) else (study.name, study.about)
    asked = not isinstance(study, str) and study.registration
    wanted, unread = planned(study), () if isinstance(study, str) else study.unread
    if asked and unread:
        raise SermodulesError(
            f"the study {name} is registered, so no score is shown before its last run is in, and nobody can tell whether it is"
            ": its corpus cannot be read.\n" + "\n".join(unread)
        )
    try:
        configurations = gather(results, wanted)
    except SermodulesError as error:
        raise SermodulesError(f"cannot report the study {name}: {error}") from error
    _check_stored(folder, unread)
    blocks, questions = [], {}  # what was registered, in Markdown, and its tables with their captions
    if asked:
        complete = registered.is_complete(results, study)
        tell("simulating the power of the registered questions")
        blocks, questions = registered.section(study, results, complete)
        if not complete:
            text = pending(study, blocks)
            _write(folder, text, _frames(questions), _latex(name, _warned(questions, configurations)))
            return text
    tell(f"comparing the configurations of {len(results)} runs")
    runs = scores(results, study)
    tables = make(configurations, results, runs, plain)
    tell("drawing, and judging the claims")
    ledger = claims.ledger(from_results(results))
    if plain:
        ledger = ledger[(ledger["kind"] == "corpus") & (ledger["verdict"] != claims.NOT_TESTED)]
    frames = {"scores.csv": runs, "claims.csv": ledger} | {f"{key}.csv": table.frame for key, table in tables.items()}
    frames |= _frames(questions)
    parts = sections(configurations, results, tables, plain)
    latexed = {file: (caption, table) for part in parts for file, caption, table in part.files()}
    with style.context("default"):  # whatever a person's files say
        drawn, alt = figure.draw(configurations, tables["configurations"].frame, plain)
        gaps, judged = missing(results, wanted, unread), ledger[ledger["kind"] == "corpus"]
        text = document(name, about, results, configurations, parts, alt, gaps, judged, blocks, plain, unread)
        _write(folder, text, frames, _latex(name, latexed | _warned(questions, configurations)), drawn)
    return text


def _check_stored(folder, unread):
    """Refuse to replace a report that could tell which runs are missing by one that cannot, for the reasons `unread`."""
    stored = folder / "report.md"
    try:
        loses = unread and captions.UNREAD not in stored.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return  # there is none, or `_write` says what is wrong
    if loses:
        raise StoreError(
            f"{stored} is kept: it could tell whether the study is complete, and a report of now cannot. {unread[0]}\n"
            "Go to the folder in which the study ran and ask again; or write this report to another folder with --to."
        )


def _warned(questions, configurations):
    """Return what was registered with what its captions say besides in LaTeX."""
    warning = captions.trial(configurations)
    return {name: (f"{caption} {warning}".rstrip(), table) for name, (caption, table) in questions.items()}


def _frames(questions):
    """Return the data frames of what was registered, by their files."""
    return {f"{key}.csv": table.frame for key, (_, table) in questions.items()}


def _latex(study, tables):
    """Return tables, which come with their captions, as LaTeX, by their files."""
    return {
        f"{name}.tex": latex.table(
            name, study, caption, printed(table.frame, table.columns), table.columns, table.has_mean
        )
        for name, (caption, table) in tables.items()
    }


def _write(folder, text, frames, texts, drawn=None):
    """Write the files: the text, data frames, other texts, and the figure if there is one."""
    try:
        files.make_folder(folder)
        for name, frame in frames.items():
            frame.replace(NONE, "").to_csv(folder / name, index=False, float_format=DIGITS, lineterminator="\n")
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")
        if drawn is not None:
            drawn.savefig(folder / "report.png", dpi=130, facecolor="white")
        (folder / "report.md").write_text(text, encoding="utf-8", newline="\n")
        files.share_all(folder)
    except OSError as error:
        raise StoreError(
            f"cannot write the report to {folder}: {files.refusal(error)}. Choose another folder."
        ) from error
