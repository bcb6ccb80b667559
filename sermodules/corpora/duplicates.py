"""Recordings that cannot be right: one sound under two speakers or labels, one sound twice, and silence.

A sound under two speakers is learned from when its own speaker is tested. Under two labels one of them is wrong, and nothing
says which. Twice within a speaker and label it counts double.
"""

import warnings
from collections import defaultdict
from dataclasses import dataclass

from sermodules.corpora import audio, samples
from sermodules.errors import CorpusError

#: How many groups of recordings a warning names, and how many recordings of a group.
SHOWN, NAMED = 20, 6


@dataclass(frozen=True)
class Found:
    """What `find` found: rows of a table, by their index.

    Attributes
    ----------
    silent : list
        Recordings without sound.
    contradictory : list of list
        Groups of recordings with equal samples whose speakers or labels differ.
    repeated : list of list
        Groups of recordings with equal samples, one speaker and one label.
    """

    silent: list
    contradictory: list
    repeated: list


def find(table):
    """Find the recordings of a table that hold the same sound, or none.

    See chapter "The corpora, heard".

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns ``path``, ``speaker`` and ``emotion``, and those that `audio.recordings` takes.

    Returns
    -------
    Found

    Examples
    --------
    One tone stands under two labels.

    >>> import tempfile
    >>> import numpy as np, pandas as pd, soundfile
    >>> from sermodules.corpora import duplicates
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/tone.wav", 0.5 * np.sin(np.arange(8000)), 8000)
    ...     table = pd.DataFrame({"path": [f"{folder}/tone.wav"] * 2, "speaker": "ann", "emotion": ["sad", "happy"]})
    ...     duplicates.find(table)
    Found(silent=[], contradictory=[[0, 1]], repeated=[])
    """
    groups, silent = defaultdict(list), []
    for row, fingerprint in zip(table.index, samples.fingerprints(audio.recordings(table)), strict=True):
        if fingerprint == audio.SILENT:
            silent.append(row)
        elif fingerprint:
            groups[fingerprint].append(row)
    equal = [rows for rows in groups.values() if len(rows) > 1]
    one = {rows[0]: len(table.loc[rows, ["speaker", "emotion"]].drop_duplicates()) == 1 for rows in equal}
    return Found(
        silent=silent,
        contradictory=[rows for rows in equal if not one[rows[0]]],
        repeated=[rows for rows in equal if one[rows[0]]],
    )


def settle(table, name, duplicates="once"):
    """Take out of a released corpus what cannot be right, and say what.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    name : str
        What messages call the corpus.
    duplicates : {"once", "leave_out", "keep"}
        With ``keep``, recordings with equal samples stay as they stand.

    Returns
    -------
    pandas.DataFrame
        Without silent recordings, without any of those whose sound stands under two speakers or labels, and with the first one
        of those that are there more than once.

    Raises
    ------
    CorpusError
        If nothing is left.

    Warns
    -----
    UserWarning
        What is left out, and why.
    """
    found = find(table)
    reasons = [f"{table.at[row, 'utterance']} is silent" for row in found.silent]
    out = list(found.silent)
    if duplicates != "keep":
        reasons += [_conflict(table, rows) for rows in found.contradictory]
        reasons += [_repetition(table, rows) for rows in found.repeated]
        out += [row for rows in found.contradictory for row in rows]
        out += [row for rows in found.repeated for row in rows[1:]]
    if reasons:
        warnings.warn(
            f"{name}: {len(out)} of {len(table)} recordings are left out:\n  {_shown(reasons)}",
            UserWarning,
            stacklevel=3,
        )
    if len(out) == len(table):
        raise CorpusError(f"{name}: no recording is left:\n  {_shown(reasons)}")
    return table.drop(index=out).reset_index(drop=True)


def settle_own(table, path, duplicates="once"):
    """Refuse or settle what cannot be right in a user's own table.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table, indexed by the lines of its file.
    path : pathlib.Path
        The file.
    duplicates : {"once", "leave_out", "keep"}
        ``once`` refuses one sound under two speakers or labels, ``leave_out`` leaves all of these rows out. With both, a sound
        that is there more than once with one speaker and label counts once. ``keep`` takes every row as it stands.

    Returns
    -------
    pandas.DataFrame
        Silent recordings stay: `sermodules.corpora.audio.check` refuses them.

    Raises
    ------
    CorpusError
        With ``once``, if one sound stands under two speakers or labels; the message names every line.

    Warns
    -----
    UserWarning
        What is left out, and which recordings are silent.
    """
    found = find(table)
    places = table.assign(utterance=[f"line {line} ({name})" for line, name in table["utterance"].items()])
    conflicts = [_conflict(places, rows) for rows in found.contradictory]
    repetitions = [_repetition(places, rows) for rows in found.repeated]
    if conflicts and duplicates == "once":
        raise CorpusError(
            f"{path} cannot be used: one sound stands under two speakers or labels, so one of them is wrong:\n  "
            + "\n  ".join(conflicts)
            + "\nTake the wrong rows out. Or set duplicates: leave_out does without all of these, keep takes them as they are."
        )
    out, lines = [], [f"{places.at[row, 'utterance']} is silent: a run ends there, take it out" for row in found.silent]
    if duplicates != "keep":
        lines += [f"left out: {text}" for text in conflicts + repetitions]
        out += [row for rows in found.contradictory for row in rows] + [
            row for rows in found.repeated for row in rows[1:]
        ]
    if lines:
        warnings.warn(
            f"{path}: {len(out)} of {len(table)} rows are left out:\n  {_shown(lines)}", UserWarning, stacklevel=3
        )
    if out and len(out) == len(table):
        raise CorpusError(f"{path}: no recording is left:\n  {_shown(lines)}")
    return table.drop(index=out)


def _conflict(table, rows):
    part = table.loc[rows]
    kinds = {"speakers": part["speaker"].unique(), "labels": part["emotion"].unique()}
    differing = ", and ".join(f"the {kind} {_joined(values)}" for kind, values in kinds.items() if len(values) > 1)
    return f"{_joined(part['utterance'])} are the same sound under {differing}"


def _repetition(table, rows):
    return f"{_joined(table.loc[rows, 'utterance'])} are the same sound, and count once"


def _joined(names):
    names = list(names)
    last = f"{len(names) - NAMED} more" if len(names) > NAMED + 1 else names.pop()
    return f"{', '.join(names[:NAMED])} and {last}"


def _shown(lines):
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join([*lines[:SHOWN], *more])
