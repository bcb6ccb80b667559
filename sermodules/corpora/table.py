"""A corpus of your own: a CSV file with one row an utterance, named ``table:path/to/utterances.csv``."""

import csv
import io
import math
from collections import defaultdict
from pathlib import Path

import pandas as pd

from sermodules.corpora import audio
from sermodules.errors import ConfigError, CorpusError

#: Columns that the CSV must have. ``session`` may be empty.
REQUIRED = ("utterance", "path", "speaker", "session", "gender", "emotion")
#: Columns that it may have: seconds, and a division of one's own (see `sermodules.folds.protocol`). Others are ignored.
OPTIONAL = ("duration", "part", "fold")
#: Spellings of the genders, in lower case.
GENDERS = {"f": "female", "female": "female", "m": "male", "male": "male"}


def load(root, *, emotions="four", merge_excited=False, scripted=False):
    """Load an utterance table from a CSV file.

    The file is UTF-8, separated by commas, and begins with a line of column names: those of `REQUIRED`, in any order.
    A relative ``path`` counts from the CSV's folder. Every class in the file is a class of the corpus.

    Parameters
    ----------
    root : path
        The CSV file.
    emotions : {"four"}
    merge_excited, scripted : {False}
        These mean nothing here and must be left as they are: what the corpus holds is what the CSV lists.

    Returns
    -------
    pandas.DataFrame
        The columns ``utterance, path, speaker, session, gender, emotion, duration``, one row an utterance, sorted by
        ``utterance``. Paths are absolute. A duration (s) that is not given is read from the recording's header; it is
        NaN where that cannot be read, and `sermodules.corpora.audio.check` says why. ``part`` and ``fold`` follow, as text, if
        any row fills them in; whether they make a division is checked when one is asked for.

    Raises
    ------
    CorpusError
        If the file cannot be used. The message names every problem with its line.
    ConfigError
        If an option is set.
    """
    if strange := [
        f"{name} is {value!r}: a table gives every utterance that it lists, so leave {name} out"
        for name, value, default in (
            ("emotions", emotions, "four"), ("merge_excited", merge_excited, False), ("scripted", scripted, False),
        )
        if value != default
    ]:  # fmt: skip
        raise ConfigError("\n".join(strange))
    path = Path(root).expanduser().absolute()
    lines, rows, problems = _read_rows(path)
    table = pd.DataFrame(rows, columns=[*REQUIRED, *OPTIONAL], index=lines)
    problems += _tidy(table, path.parent)
    if problems:
        listed = "\n  ".join(text for _, text in sorted(problems))
        raise CorpusError(f"{path} cannot be used:\n  {listed}")
    unknown = table["duration"].isna()
    table.loc[unknown, "duration"] = audio.durations(table.loc[unknown, "path"])
    table = table.astype({"duration": float})
    divisions = [name for name in ("part", "fold") if (table[name] != "").any()]
    return table[[*REQUIRED, "duration", *divisions]].sort_values("utterance", ignore_index=True)


def _read_rows(path):
    """Return line numbers and rows (a dict of stripped cells each), and problems as (line number, text)."""
    if not path.is_file():
        raise CorpusError(
            f"there is no file {path}. Write table:path/to/utterances.csv, with the path of your CSV file."
        )
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CorpusError(f"{path}, line {line}: not UTF-8. Save the file as CSV in UTF-8.") from error
    if not text.strip():
        raise CorpusError(f"{path} is empty. Its first line must name the columns: {','.join(REQUIRED)}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, rows, problems, header = [], [], [], None
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            raise CorpusError(f"{path}, line {line}: not CSV: {error}. Check the quotation marks.") from error
        if not any(cells):
            continue
        if header is None:
            header = _checked_header(path, line, cells)
        elif len(cells) != len(header):
            problems.append((line, f"line {line}: {len(cells)} cells, but there are {len(header)} columns"))
        else:
            row = dict(zip(header, cells, strict=True))
            lines.append(line)
            rows.append([row.get(name, "") for name in (*REQUIRED, *OPTIONAL)])
    if not rows and not problems:
        raise CorpusError(f"{path} lists no utterances: below the line with the column names it has no rows.")
    return lines, rows, problems


def _checked_header(path, line, names):
    missing = [name for name in REQUIRED if name not in names]
    twice = sorted({name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1})
    problems = []
    if missing:
        problems.append(
            f"line {line}: missing columns: {', '.join(missing)}. The columns here are: {', '.join(names)}."
        )
    if twice:
        problems.append(f"line {line}: columns that are there twice: {', '.join(twice)}.")
    if missing and len(names) == 1:
        for delimiter, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
            if delimiter in names[0]:
                problems = [f"line {line}: the columns are separated by {word}. Save the file with commas instead."]
    if problems:
        raise CorpusError(f"{path} cannot be used:\n  " + "\n  ".join(problems))
    return names


def _tidy(table, folder):
    """Bring the cells into their final form, in place, and return the problems as (line number, text).

    Parameters
    ----------
    table : pandas.DataFrame
        Cells as text, indexed by line number.
    folder : pathlib.Path
        Where relative paths count from.
    """
    problems = []

    def add(line, text):
        problems.append((line, f"line {line}: {text}"))

    for column in REQUIRED:
        for line in table.index[(table[column] == "") & (column != "session")]:
            add(line, f"{column} is empty")
    given = {column: table.loc[table[column] != "", column] for column in table}

    for line, value in given["gender"].items():
        if value.lower() not in GENDERS:
            add(line, f"gender is {value!r}: it must be female or male")
    table["gender"] = [GENDERS.get(value.lower(), "") for value in table["gender"]]

    table["path"] = [str(folder / value) if value else "" for value in table["path"]]
    for line, value in table.loc[given["path"].index, "path"].items():
        if not Path(value).is_file():
            hint = " (write folders with / instead of \\)" if "\\" in given["path"][line] else ""
            add(line, f"there is no audio file {value}{hint}")

    seconds = []
    for line, value in table["duration"].items():
        seconds.append(_seconds(value))
        if value and math.isnan(seconds[-1]):
            add(line, f"duration is {value!r}: it must be a number of seconds above 0, or empty")
    table["duration"] = seconds

    for column in ("utterance", "path"):
        for value, where in _lines_by(table.loc[given[column].index, column]).items():
            for line in where[1:]:
                add(line, f"{column} {value} stands in line {where[0]} already")
    for column, advice in (
        ("gender", "a speaker has one"),
        ("session", "a speaker has one; leave it empty if your corpus has no sessions"),
    ):
        for speaker, part in table.loc[given["speaker"].index].groupby("speaker", sort=False):
            where = _lines_by(part[column] if column == "session" else part.loc[part[column] != "", column])
            if len(where) > 1:
                shown = " and ".join(
                    f"{repr(value) if value else 'empty'} (line {found[0]})" for value, found in where.items()
                )
                add(part.index[0], f"speaker {speaker} has {len(where)} {column}s: {shown}; {advice}")
    for where in _lines_by(given["emotion"].map(str.lower)).values():
        spellings = _lines_by(given["emotion"].loc[where])
        if len(spellings) > 1:
            shown = " and ".join(f"{value!r} (line {found[0]})" for value, found in spellings.items())
            add(where[0], f"one emotion is written in {len(spellings)} ways: {shown}")
    return problems


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 < value < math.inf else math.nan


def _lines_by(column):
    """Group the line numbers of a column by its value, in the order of first appearance."""
    lines = defaultdict(list)
    for line, value in column.items():
        lines[value].append(line)
    return lines
