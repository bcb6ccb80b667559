"""What the loaders of released corpora share: finding the recordings by their names, and saying what a copy lacks."""

import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from sermodules import files
from sermodules.corpora import audio
from sermodules.errors import ConfigError, CorpusError

#: The paper's four classes, in the order of its tables.
FOUR = ("angry", "sad", "happy", "neutral")
#: Columns of every utterance table, in their order.
COLUMNS = ("utterance", "path", "speaker", "session", "gender", "emotion", "duration")


def wanted(emotions, every):
    """Return the classes that are asked for.

    Parameters
    ----------
    emotions : {"four", "all"}
    every : iterable of str
        All classes of the corpus.

    Returns
    -------
    tuple of str

    Raises
    ------
    ConfigError
        If `emotions` is neither of the two.

    Examples
    --------
    >>> from sermodules.corpora import released
    >>> released.wanted("four", ["angry", "bored"])
    ('angry', 'sad', 'happy', 'neutral')
    """
    if emotions not in ("four", "all"):
        raise ConfigError(f"emotions is {emotions!r}: it must be 'four' or 'all'")
    return FOUR if emotions == "four" else tuple(every)


def find(root, parse, *, title, example, advice):
    """Find the folders that hold recordings: `root`, or folders up to two levels below it.

    Parameters
    ----------
    root : path
    parse : callable
        Takes the name of a file and returns None if it is no recording of the corpus.
    title, example, advice : str
        For messages: what the corpus is called, the name of a recording, how to get the corpus.

    Returns
    -------
    dict of pathlib.Path to (list of str, list of str)
        For each folder the names of the recordings in it, sorted, and the other WAV files beside them.

    Raises
    ------
    CorpusError
        If there is none.
    """
    root = Path(root).expanduser().absolute()
    if not root.is_dir():
        raise CorpusError(f"{title}: there is no folder {root}. {advice}")
    found, other = {}, []
    for folder in (root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))):
        if any(part.startswith((".", "__MACOSX")) for part in folder.relative_to(root).parts):
            continue
        wavs = [
            path.name for path in sorted(folder.iterdir())
            if path.suffix.lower() == ".wav" and not path.name.startswith("._") and path.is_file()
        ]  # fmt: skip
        names = [name for name in wavs if parse(name)]
        if names:
            found[folder] = (names, [name for name in wavs if not parse(name)])
        other += wavs
    if not found:
        seen = f" The wav files there have other names: {listed(other, 5)}." if other else ""
        raise CorpusError(
            f"{title}: no recordings in {root} or up to two folders down; their names are like {example}.{seen} {advice}"
        )
    return found


def find_one(root, parse, *, title, example, advice):
    """Find the one folder of a corpus whose recordings lie in one folder; see `find`.

    Returns
    -------
    tuple
        The folder, the names of the recordings, and the other WAV files beside them.

    Raises
    ------
    CorpusError
        If there is none, or more than one.
    """
    found = find(root, parse, title=title, example=example, advice=advice)
    if len(found) > 1:
        folders = ", ".join(str(folder) for folder in sorted(found))
        raise CorpusError(f"{title}: recordings in more than one folder: {folders}. Keep one, or name the one to read.")
    [(folder, (names, strange))] = found.items()
    return folder, names, strange


def warn_of_strange(title, folder, strange, scheme):
    """Warn of WAV files whose names do not follow the corpus's scheme, if there are any."""
    if strange:
        warnings.warn(
            f"{title}: left out {len(strange)} file(s) in {folder} whose names are not {scheme}: {listed(strange)}."
            " Rename or remove them.",
            UserWarning,
            stacklevel=3,
        )


def refuse_pointers(title, paths, command):
    """Refuse recordings in whose place Git LFS has left a small text file.

    Parameters
    ----------
    title : str
    paths : list of path
    command : str
        What gets the recordings.

    Raises
    ------
    CorpusError
        If there is any.
    """
    if pointers := [path for path in paths if files.is_lfs_pointer(path)]:
        raise CorpusError(
            f"{title}: {len(pointers)} of {len(paths)} recordings are not there, such as {pointers[0]}: Git LFS has left a"
            f" pointer in their place, a text file of some 130 bytes. Get them, in the folder of the clone: {command}"
        )


def warn_of_counts(title, root, table, expected):
    """Compare the recordings of each speaker and class with those of the complete release, and warn of what differs.

    Parameters
    ----------
    title : str
    root : path
    table : pandas.DataFrame
        With the columns ``speaker`` and ``emotion``.
    expected : dict of (str, str) to int
        Recordings of each speaker and class.
    """
    counts = Counter(zip(table["speaker"], table["emotion"], strict=True))
    speakers = set(table["speaker"])
    absent = sorted({who for who, _ in expected} - speakers)
    lines = [f"no recording of speaker {listed(absent, 10)}"] if absent else []
    lines += [
        f"speaker {who} {emotion}: {counts[who, emotion]} instead of {count}"
        for (who, emotion), count in expected.items()
        if who in speakers and counts[who, emotion] != count
    ]
    if lines:
        shown = "\n  ".join(lines[:10]) + (f"\n  and {len(lines) - 10} more" if len(lines) > 10 else "")
        warnings.warn(
            f"{title} in {root} is not the complete release. It is used as it is:\n  {shown}", UserWarning, stacklevel=3
        )


def finished(rows, columns, extra=()):
    """Make an utterance table: durations from the headers, no sessions unless given, sorted by utterance.

    Parameters
    ----------
    rows : list of tuple
    columns : list of str
        What a row holds.
    extra : tuple of str
        The columns of the corpus besides those of every table.

    Returns
    -------
    pandas.DataFrame
    """
    table = pd.DataFrame(rows, columns=columns)
    if "session" not in table:
        table["session"] = ""
    table["duration"] = audio.durations(table["path"])
    return table.sort_values("utterance", ignore_index=True)[[*COLUMNS, *extra]]


def listed(names, limit=20):
    """Return names in one line, the first ones if there are many."""
    names = sorted(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
