"""A corpus of your own: a CSV file with one row an utterance, named ``table:path/to/utterances.csv``."""

import csv
import io
import math
import os
import re
import unicodedata
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from sermodules.config.classes import AS_EMOTIONS
from sermodules.corpora import audio, cells, choice, columns, databases, places
from sermodules.corpora.duplicates import settle_own
from sermodules.corpora.unusable import GO_ON, Source
from sermodules.errors import AudioError, ConfigError, CorpusError

#: Columns that the CSV must have; `sermodules.corpora.columns.NAMES` says how others call them.
REQUIRED = ("path", "speaker", "emotion")
#: Columns that say which part of its file a row is (s, s, and a channel from 1 on), and how a cell is read.
PARTS = {"start": cells.seconds, "end": cells.seconds, "channel": cells.channel}
#: Columns of a division of one's own; see `sermodules.folds.protocol`.
DIVISIONS = ("part", "fold")
#: Columns that it may have besides; all others are ignored.
OPTIONAL = ("gender", "duration", *PARTS, *DIVISIONS)
_KNOWN = ("utterance", "path", "speaker", "session", "emotion")
#: First bytes of what is no text, and what it is.
_NO_TEXT = {b"PK\3\4": "a workbook of Excel or LibreOffice", b"\xd0\xcf\x11\xe0": "a workbook of an old Excel",
            b"PAR1": "a Parquet file", b"SQLite": "a database of SQLite"}  # fmt: skip
#: A warning is given where the channels of a recording correlate less than this.
AGREEMENT = 0.3
#: How a message on a file begins that is not there.
_LOST = "there is no audio file"
#: So many lines are named by a message.
SHOWN = 20

_COLUMNS = ("utterance", "path", "speaker", "session", "gender", "emotion", "duration")


def load(
    root, *, emotions="four", classes=AS_EMOTIONS, merge_excited=False, scripted=False, duplicates="once", unusable="refuse"
):  # fmt: skip
    """Load an utterance table from a CSV file.

    The file is UTF-8, separated by commas, semicolons, tabs, bars or blanks, and begins with a line of column names: those of
    `REQUIRED`, in any order, and perhaps ``utterance``, ``session`` and those of `OPTIONAL`, or what other tools call them (see
    `sermodules.corpora.columns.NAMES`). Without a column ``utterance`` the names are those of the files. A relative ``path``
    counts from the CSV's folder. Every class in the file is a class of the corpus. A folder with ``db.yaml`` is a database of
    audformat.

    A row is a whole file, or what lies between ``start`` and ``end`` (see `cells.seconds`); an empty start is the file's
    beginning, an empty end its end. Any number of rows may be parts of one file, and they may overlap. ``channel`` counts from
    1; empty, the channels are averaged.

    Parameters
    ----------
    root : path
        The CSV file, or the folder of a database.
    emotions : {"four"}
    merge_excited, scripted : {False}
        These mean nothing here and must be left as they are: what the corpus holds is what the CSV lists.
    classes : str
        Which labels become which classes; see `sermodules.corpora.load`.
    duplicates : {"once", "leave_out", "keep"}
        See `sermodules.corpora.load`.
    unusable : {"refuse", "skip"}
        With ``skip`` a row whose file is not there stays, unless none is there; `sermodules.corpora.unusable.leave_out` takes
        it out.

    Returns
    -------
    pandas.DataFrame
        The columns ``utterance, path, speaker, session, gender, emotion, duration``, one row an utterance, sorted by
        ``utterance``. Paths are absolute. A duration (s) that is not given is read from the recording's header; it is
        NaN where that cannot be read, and `sermodules.corpora.audio.check` says why. Of a part of a file it is the part's,
        whatever is given. ``start``, ``end`` and ``channel`` follow, as numbers or NaN, if any row is a part of its file.
        ``part`` and ``fold`` follow, as text, if any row fills them in; whether they make a division is checked when one is
        asked for.

    Raises
    ------
    CorpusError
        If the file cannot be used. The message names every problem with its line.
    ConfigError
        If an option is set.

    Warns
    -----
    UserWarning
        Of speakers with one utterance, and of recordings whose channels hardly agree, with their lines.
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
    read = _read_rows(path)
    table = pd.DataFrame(read.rows, columns=[*_KNOWN, *OPTIONAL], index=read.lines)
    folder = path if path.is_dir() else path.parent
    named = "utterance" in read.seen["taken"] or "path" not in read.seen["taken"]
    problems = read.problems + _tidy(table, folder, named, skip=unusable == "skip")
    if problems:
        lost = any(_LOST in text for _, text in problems)
        way = f"\nMend these paths, or take the lines out. Of files that are not there, {GO_ON}." * lost
        raise CorpusError(f"{path} cannot be used:{_shown(text for _, text in sorted(problems))}{way}")
    if classes != AS_EMOTIONS:
        table = choice.apply(table, classes, path.name)
    table = settle_own(table, path, duplicates)
    parts = [isinstance(recording, audio.Excerpt) for recording in audio.recordings(table)]
    table.loc[parts, "duration"] = math.nan
    unknown = table["duration"].isna()
    table.loc[unknown, "duration"] = audio.durations(audio.recordings(table[unknown]))
    table = table.astype({"duration": float})
    for text in (_lonely(table), _disagreeing(table)):
        if text:
            warnings.warn(f"{path}: {text}", UserWarning, stacklevel=2)
    divisions = [name for name in DIVISIONS if (table[name] != "").any()]
    kept = [*_COLUMNS, *(PARTS if any(parts) else ()), *divisions]
    table.attrs["source"] = Source(str(path), {name: line for line, name in table["utterance"].items()}, read.seen)
    return table[kept].sort_values("utterance", ignore_index=True)


def _lonely(table):
    """Name the speakers with one utterance, or return ""."""
    counts = table["speaker"].map(table["speaker"].value_counts())
    found = table.loc[counts == 1, "speaker"]
    if found.empty:
        return ""
    return (
        f"{len(found)} of {table['speaker'].nunique()} speakers have one utterance. Is one of them a slip in a name? Such a"
        " speaker is tested, and chooses an epoch, by this utterance alone:"
        + _shown(f"line {line}: speaker {speaker!r}, n = 1" for line, speaker in found.items())
    )


def _disagreeing(table):
    """Name the recordings whose channels are averaged although they hardly agree, or return ""."""
    averaged = table[table["channel"].isna()]
    files = {path for path, header in audio.headers(averaged["path"]).items() if header and header.channels > 1}
    several = averaged[averaged["path"].isin(files)]
    found = {line: audio.agreement(one) for line, one in zip(several.index, audio.recordings(several), strict=True)}
    found = {line: value for line, value in found.items() if value < AGREEMENT}
    if not found:
        return ""
    return (
        f"the channels of {len(found)} of {len(table)} recordings hardly agree (correlation below {AGREEMENT:g}), so their"
        " mean mixes voices, or cancels them. If each channel is one voice, say in a column `channel` which one the row"
        " means (1, 2):"
        + _shown(f"line {line}: {table.loc[line, 'path']}, {value:.2f}" for line, value in found.items())
    )


def _shown(lines):
    """List lines under a message, the first ones if they are many."""
    lines = list(lines)
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "".join(f"\n  {line}" for line in [*lines[:SHOWN], *more])


@dataclass(frozen=True)
class _Read:
    """What stands in a file, before anything is checked: rows by line, what is wrong with lines, and what columns there are."""

    lines: list
    rows: list
    problems: list
    seen: dict


def _read_rows(path):
    """Read the cells of a file, or of a database of audformat."""
    if databases.is_database(path):
        header, rows = databases.read(path)
        return _sorted_out(path, 1, header, list(enumerate(rows, 1)), "a database of audformat")
    if not path.is_file():
        raise CorpusError(
            f"there is no file {path}. Write table:path/to/utterances.csv, with the path of your CSV file."
        )
    content = path.read_bytes()
    if kind := next((name for head, name in _NO_TEXT.items() if content.startswith(head)), None):
        raise CorpusError(f"{path} is {kind}. Save it as CSV in UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CorpusError(f"{path}, line {line}: not UTF-8. Save the file as CSV in UTF-8.") from error
    if not text.strip():
        raise CorpusError(f"{path} is empty. Its first line must name the columns: {','.join(REQUIRED)}")
    text, declared = columns.without_sign(text)
    sign = declared or columns.delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=sign)
    found = []
    while True:
        line = reader.line_num + 1
        try:
            row = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            raise CorpusError(f"{path}, line {line}: not CSV: {error}. Check the quotation marks.") from error
        if any(row):
            found.append((line, row))
    if not found:
        raise CorpusError(f"{path} holds no cells. Its first line must name the columns: {','.join(REQUIRED)}")
    (line, header), *rows = found
    return _sorted_out(path, line, header, rows, f"a table separated by {columns.DELIMITERS[sign]}", sign)


def _sorted_out(path, first, header, found, kind, sign=None):
    """Put the cells of a table, which a sign separates, under the names of this project."""
    if sign and (other := _other_sign(header, found, sign)):
        raise CorpusError(
            f"{path}, line {first}: its cells are separated by {columns.DELIMITERS[sign]}, and those of the other lines by"
            f" {columns.DELIMITERS[other]}. Separate all lines alike."
        )
    header = header[:-1] if header[-1:] == [""] and all(len(cells) == len(header) - 1 for _, cells in found) else header
    if found and all(len(cells) == len(header) + 1 for _, cells in found):
        behind = not any(cells[-1] for _, cells in found)  # a sign at the end of each line; else R's names of rows
        found = [(line, cells[:-1] if behind else cells[1:]) for line, cells in found]
    taken = _checked_header(path, first, header)
    lines, rows, problems = [], [], []
    for line, row_cells in found:
        if len(row_cells) != len(header):
            problems.append((line, f"line {line}: {_miscounted(row_cells, header, sign)}"))
            continue
        row = {name: row_cells[place] for name, place in taken.items()}
        for name in ("start", "end", "duration") if sign not in (",", None) else ():
            row[name] = re.sub(r"^(\d+),(\d+)$", r"\1.\2", row.get(name, ""))
        if "path" not in taken:
            row |= _of_meld(header, row_cells)
        lines.append(line)
        rows.append([row.get(name, "") for name in (*_KNOWN, *OPTIONAL)])
    if not rows and not problems:
        raise CorpusError(f"{path} lists no utterances: below the line with the column names it has no rows.")
    used = {*taken.values()}
    seen = {
        "kind": kind + (" of MELD" if "path" not in taken else ""),
        "taken": {name: header[place] for name, place in taken.items()},
        "ignored": [name for place, name in enumerate(header) if place not in used and name],
    }
    return _Read(lines, rows, problems, seen)


def _other_sign(header, found, sign):
    """Return the sign that separates all rows, if it is not that of the header; else None."""
    if not found or any(len(row) == len(header) for _, row in found):
        return None
    texts = [sign.join(row) for _, row in found]
    return next(
        (other for other in columns.DELIMITERS if all(len(text.split(other)) == len(header) for text in texts)), None
    )


def _miscounted(row, header, sign):
    """Say of a row that it has another number of cells than the header, and why that may be."""
    text = f"{'1 cell' if len(row) == 1 else f'{len(row)} cells'}, but there are {len(header)} columns"
    if sign is None:
        return text
    here, others = columns.DELIMITERS[sign], [other for other in columns.DELIMITERS if other not in (sign, " ")]
    if len(row) > len(header):
        return f"{text}. A text that holds {here} stands in quotation marks"
    if strange := [columns.DELIMITERS[other] for other in others if any(other in cell for cell in row)]:
        return f"{text}: cells are separated by {here} here, and this line has {' and '.join(strange)}"
    return text


def _of_meld(header, cells):
    """Return utterance and file of a row of MELD, which its two numbers name."""
    found = dict(zip(map(columns.plain, header), cells, strict=True))
    name = "dia{}_utt{}".format(*(found[column] for column in columns.MELD))
    return {"utterance": name, "path": name}


def _checked_header(path, line, header):
    taken, twice = columns.chosen(header)
    meld = columns.is_meld(header)
    missing = [
        name for name in REQUIRED if name not in taken and not any(text.startswith(f"{name} (") for text in twice)
    ]
    missing = [name for name in missing if not (meld and name == "path")]
    problems = []
    if missing:
        others = "; ".join(f"{name} may also be called {', '.join(columns.NAMES[name][1:])}" for name in missing)
        problems.append(
            f"line {line}: missing columns: {', '.join(missing)}. The columns here are: {', '.join(header)}. ({others})"
        )
    if twice:
        problems.append(f"line {line}: columns that are there twice: {'; '.join(twice)}. Keep one of them.")
    if problems:
        raise CorpusError(f"{path} cannot be used:\n  " + "\n  ".join(problems))
    return taken


def _locator(folder, texts):
    """Return what finds the file of a cell; names without an ending, as MELD has them, are looked for below the folder."""
    bare = {text for text in texts if re.fullmatch(r"dia\d+_utt\d+", text)}
    below = defaultdict(list)
    for file in sorted(folder.rglob("dia*_utt*.*")) if bare else ():
        below[file.stem].append(file)

    def locate(text):
        found = below.get(text, [])
        return found[0] if len(found) == 1 else places.locate(folder, text)

    return locate


def _named(table):
    """Name utterances that have no name, by their files and parts."""
    texts = table["path"].map(lambda text: places.unix(text))
    stems = texts.map(lambda text: Path(text).stem)
    longer = texts.map(lambda text: str(PurePosixPath(text).with_suffix("")) if Path(text).name else text)
    files = pd.Series(stems.to_numpy(), index=texts.to_numpy()).groupby(level=0).first()
    names = stems.where(~stems.isin(files[files.duplicated(keep=False)]), longer)
    parts = (
        [
            "".join(
                f"_{part[name]:g}" for name in PARTS if isinstance(part[name], float) and not math.isnan(part[name])
            )
            for _, part in table.iterrows()
        ]
        if any(len(set(map(str, table[name]))) > 1 for name in PARTS)
        else [""] * len(table)
    )
    return names + parts


def _tidy(table, folder, named, skip=False):
    """Bring the cells into their final form, in place, and return the problems as (line number, text).

    Parameters
    ----------
    table : pandas.DataFrame
        Cells as text, indexed by line number.
    folder : pathlib.Path
        Where relative paths count from.
    named : bool
        Whether the utterances have names of their own.
    skip : bool
        Leave rows alone whose files are not there, unless none is.
    """
    problems = []

    def add(line, text):
        problems.append((line, f"line {line}: {text}"))

    for column in (*REQUIRED, "utterance") if named else REQUIRED:
        for line in table.index[table[column] == ""]:
            add(line, f"{column} is empty")
    table["session"] = table["session"].map(lambda text: "" if text.lower() in cells.EMPTY else text)

    unread = {
        column: _read_cells(table, column, read, add) for column, read in {"gender": cells.gender, **PARTS}.items()
    }

    if not named:
        table["utterance"] = _named(table)
    given = {column: table.loc[table[column] != "", column] for column in table}
    locate = _locator(folder, given["path"])
    table["path"] = [str(locate(value)) if value else "" for value in table["path"]]
    lost = [line for line in given["path"].index if not places.is_file(Path(table.loc[line, "path"]))]
    if not skip or len(lost) == len(table):
        _tell_lost(given["path"].loc[lost], table["path"], folder, add)

    seconds = []
    for line, value in table["duration"].items():
        seconds.append(_seconds(value))
        if value and math.isnan(seconds[-1]):
            add(line, f"duration is {value!r}: it must be a number of seconds above 0, or empty")
    table["duration"] = seconds

    problems += _impossible_parts(table)
    there = table.loc[given["path"].index].drop(
        index={*unread["start"], *unread["end"], *unread["channel"]}, errors="ignore"
    )
    recordings = pd.Series(audio.recordings(there), there.index, dtype=object)
    for column, values in (("utterance", given["utterance"]), ("path", recordings)):
        for value, where in _lines_by(values).items():
            for line in where[1:]:
                add(line, f"{column} {value} stands in line {where[0]} already")
    for column, advice in (
        ("gender", "a speaker has one"),
        ("session", "a speaker has one; leave it empty if your corpus has no sessions"),
    ):
        for speaker, part in table.loc[given["speaker"].index].groupby("speaker", sort=False):
            where = _lines_by(part.drop(index=unread.get(column, []), errors="ignore")[column])
            if len(where) > 1:
                line, shown = _often_first({repr(value) if value else "empty": at for value, at in where.items()})
                add(line, f"speaker {speaker} has {len(where)} {column}s: {shown}; {advice}")
    for column in ("speaker", "session", "emotion"):
        for where in _lines_by(given[column].map(cells.same_name)).values():
            spellings = _lines_by(given[column].loc[where])
            if len(spellings) > 1:
                line, shown = _often_first({_plain(value, spellings): at for value, at in spellings.items()})
                add(line, f"one {column} is written in {len(spellings)} ways: {shown}. Write it in one way")
    return problems


def _tell_lost(texts, paths, folder, add):
    """Say which files are not there: of a folder that is not there either, once.

    Parameters
    ----------
    texts : pandas.Series
        The cells, by line.
    paths : pandas.Series
        Where each was looked for.
    folder : pathlib.Path
        Where relative paths count from.
    add : callable
        Takes a line number and a text.
    """
    named = {Path(path).name for path in paths if path}
    near = {line: number < SHOWN for number, line in enumerate(texts.index)}  # to compare names takes time
    reasons = {line: places.hint(folder, text, named if near[line] else None) for line, text in texts.items()}
    gone = _lines_by(
        pd.Series(
            {line: places.missing_folder(paths[line]) for line, hint in reasons.items() if not hint}, dtype=object
        )
    )
    for missing, (first, *others) in gone.items():
        if missing:
            also = f", and so it is with {len(others)} more line{'s' * (len(others) > 1)}" * bool(others)
            close = places.closest(missing, folders=True)
            ask = f" Did you mean {close}?" if close else ""
            reasons[first] = f": there is no folder {missing}{also}. A relative path counts from {folder}.{ask}"
            reasons |= dict.fromkeys(others)
    for line, why in reasons.items():
        if why is not None:
            add(line, f"{_LOST} {os.path.normpath(paths[line])}{why}")


def _read_cells(table, column, read, add):
    """Read a column's cells, in place; return the lines that cannot be read, which `add` is told."""
    values, unread = [], []
    for line, value in table[column].items():
        try:
            values.append(read(value))
        except ValueError as error:
            add(line, f"{column} is {value!r}: {error}")
            values.append(read(""))
            unread.append(line)
    table[column] = values
    return unread


def _often_first(found):
    """Name what stands in lines, the most frequent first, with all lines of the others, which are to be mended.

    Returns the first line of these, and the text.
    """
    often, *others = sorted(found.items(), key=lambda item: -len(item[1]))
    rest = f" and {len(often[1]) - 1} more" if len(often[1]) > 1 else ""
    texts = [f"{often[0]} (line {often[1][0]}{rest})"]
    for value, lines in others:
        more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        texts.append(f"{value} (line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:SHOWN]))}{more})")
    return min(lines[0] for _, lines in others), " and ".join(texts)


def _plain(value, others):
    """Show a spelling; in ASCII where another one looks the same, so that composed and decomposed letters differ."""
    looks = [unicodedata.normalize("NFKC", other) for other in others]
    return ascii(value) if looks.count(unicodedata.normalize("NFKC", value)) > 1 else repr(value)


def _impossible_parts(table):
    """Find the parts that their files do not hold; return problems as (line number, text)."""
    recordings = pd.Series(audio.recordings(table), table.index, dtype=object)
    parts = recordings[[isinstance(recording, audio.Excerpt) for recording in recordings]]
    headers = audio.headers({part.path for part in parts if part.path})
    problems = []
    for line, part in parts.items():
        if problem := _impossible(part, headers.get(part.path)):
            problems.append((line, f"line {line}: {problem}"))
    return problems


def _impossible(part, header):
    """Say why a file with this header cannot hold a part, or return None."""
    if part.end is not None and part.start >= part.end:
        return f"start is {part.start:g} s and end {part.end:g} s: a part begins before it ends"
    if header is None:
        return None  # `audio.check` names what cannot be read
    length = header.frames / header.rate
    try:
        first, last = part.samples(header.rate, header.frames)
    except AudioError:
        what = f"start is {part.start:g} s" if part.start >= length else f"end is {part.end:g} s"
        return f"{what}, but the recording ends at {length:g} s; leave `end` empty for all that follows"
    if (last - first) / header.rate < audio.MIN_SAMPLES / audio.SAMPLE_RATE:
        return f"the part lasts {1000 * (last - first) / header.rate:.1f} ms, less than one 25 ms frame"
    if part.channel and part.channel > header.channels:
        return f"channel is {part.channel}, but the recording has {header.channels}"
    return None


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
