"""A database of audformat, the field's standard: a folder with ``db.yaml``, as ``audb`` downloads it."""

from pathlib import Path

import pandas as pd

from sermodules.corpora import columns
from sermodules.errors import CorpusError

#: The file by which such a folder is known.
HEADER = "db.yaml"
#: The release of audformat with which this was tried.
AUDFORMAT = "audformat==1.4.3"
#: What is asked for besides the emotion.
_WANTED = ("speaker", "gender", "session", "channel", "part", "fold")


def is_database(path):
    """Tell whether a path is such a folder."""
    return (Path(path) / HEADER).is_file()


def read(root):
    """Read the labels of a database.

    Parameters
    ----------
    root : path
        The folder.

    Returns
    -------
    header : list of str
    rows : list of list of str
        As the cells of a table of one's own: ``file, start, end, emotion`` and what else there is of speaker, gender, session,
        channel, part and fold, from whichever tables and schemes hold it.

    Raises
    ------
    CorpusError
        If audformat is not installed, or the database has no scheme ``emotion`` or ``speaker``.
    """
    try:
        import audformat
    except ImportError:
        raise CorpusError(
            f"{root} is a database of audformat, which is not installed: pip install {AUDFORMAT}. Or write its labels into a"
            " CSV file with the columns file, speaker and emotion."
        ) from None
    try:
        base = audformat.Database.load(str(root))
    except Exception as error:  # YAML, CSV, Parquet: almost anything
        raise CorpusError(
            f"{root} cannot be read as a database of audformat: {type(error).__name__}: {error}"
        ) from error
    there = sorted(
        {*base.schemes, *(name for table in base.tables.values() for name in table.columns), *_labelled(base)}
    )
    names = {}
    for wanted in ("emotion", *_WANTED):
        found = [name for name in there if name == wanted] or [
            name for name in there if columns.plain(name) in columns.NAMES[wanted]
        ]
        if found:
            names[wanted] = found[0]
    if missing := [name for name in ("emotion", "speaker") if name not in names]:
        raise CorpusError(
            f"{root}: the database has no scheme {' and no scheme '.join(missing)}. It has {', '.join(there)}. Write a CSV file"
            " with the columns file, speaker and emotion instead."
        )
    try:
        frame = base.get(names["emotion"], [name for key, name in names.items() if key != "emotion"])
    except Exception as error:
        raise CorpusError(f"{root}: its labels cannot be joined: {type(error).__name__}: {error}") from error
    frame = frame[frame[names["emotion"]].notna()].reset_index()
    header = [name for name in ("file", "start", "end") if name in frame]
    frame = frame[[*header, *names.values()]]
    frame.columns = [*header, *names]
    texts = [[_text(cell) for cell in frame[name]] for name in frame]
    return list(frame.columns), [list(row) for row in zip(*texts, strict=True)]


def _labelled(base):
    """Name what stands in the labels of schemes, such as the gender of each speaker."""
    for scheme in base.schemes.values():
        labels = scheme.labels
        if isinstance(labels, dict):
            for entry in labels.values():
                if isinstance(entry, dict):
                    yield from entry
        elif isinstance(labels, str) and labels in base.misc_tables:
            yield from base.misc_tables[labels].columns


def _text(cell):
    if isinstance(cell, pd.Timedelta):
        return f"{cell.total_seconds():.9f}"
    return "" if pd.isna(cell) else str(cell)
