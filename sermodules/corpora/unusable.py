"""Recordings that cannot be used: named with their lines, listed in a file, and left out if that is wanted."""

import csv
import hashlib
import warnings
from dataclasses import dataclass, field

import pandas as pd

from sermodules import files, paths
from sermodules.corpora import audio, samples
from sermodules.errors import AudioError

#: How many a warning names.
SHOWN = 10
#: How to go on without them.
GO_ON = "`--skip-unusable`, or `unusable: skip` in the settings, goes on without them"


@dataclass(frozen=True)
class Source:
    """Where the rows of a user's own table stand: the file, and the line of each utterance. It goes with the table.

    Attributes
    ----------
    path : str
    lines : dict of str to int
    seen : dict
        What the file is (``kind``), the columns ``taken``, by the name that they have here, and those ``ignored``.
    """

    path: str
    lines: dict = field(repr=False)
    seen: dict = field(default_factory=dict, repr=False)

    def __deepcopy__(self, memo):
        return self  # pandas copies what goes with a table at every step


def check(table):
    """Read every recording of a corpus once, and name all that cannot be used.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Raises
    ------
    AudioError
        If any cannot be used. The message names every one, with its line in a user's own table, and the file in which they are
        listed.
    """
    found = audio.complaints(audio.recordings(table))
    if not found:
        return
    rows = _rows(
        table, {name: text for name, text in zip(table["utterance"], _each(table, found), strict=True) if text}
    )
    shown = "\n  ".join(dict.fromkeys(row["reason"] + _at(row["line"]) for row in rows))
    raise AudioError(
        f"{len(found)} of {len(set(audio.recordings(table)))} audio files cannot be used:\n  {shown}\n"
        f"Replace these files, or take their utterances out of the corpus. {_listed(table, rows)}{GO_ON}."
    )


def leave_out(table, name):
    """Leave the recordings out of a corpus that cannot be used.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    name : str
        What the warning calls the corpus.

    Returns
    -------
    pandas.DataFrame
        ``attrs["unusable"]`` holds the names of the utterances that are left out.

    Raises
    ------
    AudioError
        If none is left.

    Warns
    -----
    UserWarning
        Which, why, and in which file they are listed.
    """
    recordings = audio.recordings(table)
    suspects = [
        one
        for one, sound, seconds in zip(
            recordings, samples.fingerprints(recordings), audio.durations(recordings), strict=True
        )
        if sound in ("", audio.SILENT) or not seconds >= 2 * audio.MIN_SAMPLES / audio.SAMPLE_RATE
    ]
    found = audio.complaints(suspects)
    reasons = pd.Series([found.get(one, "") for one in recordings], table.index, dtype=object)
    rows = _rows(table, dict(zip(table["utterance"][reasons != ""], reasons[reasons != ""], strict=True)))
    kept = table[reasons == ""].reset_index(drop=True)
    kept.attrs["unusable"] = [row["utterance"] for row in rows]
    if rows:
        shown = "\n  ".join(row["reason"] + _at(row["line"]) for row in rows[:SHOWN])
        more = f"\n  and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        text = f"{len(rows)} of {len(table)} recordings cannot be used and are left out:\n  {shown}{more}"
        if kept.empty:
            raise AudioError(f"{name}: no recording is left. {text}")
        warnings.warn(f"{name}: {text}\n{_listed(table, rows)}".rstrip(), UserWarning, stacklevel=3)
    return kept


def _each(table, found):
    return [found.get(one, "") for one in audio.recordings(table)]


def _rows(table, reasons):
    """Return a dict for each utterance that cannot be used: its line, or "", name, path and reason."""
    lines = table.attrs["source"].lines if "source" in table.attrs else {}
    places = dict(zip(table["utterance"], table["path"], strict=True))
    return [
        {"line": lines.get(name, ""), "utterance": name, "path": places[name], "reason": text}
        for name, text in reasons.items()
    ]


def _at(line):
    return f" (line {line})" if line != "" else ""


def _listed(table, rows):
    """Write the list into the cache, if that can be written; say where it is."""
    source = table.attrs["source"].path if "source" in table.attrs else "corpus"
    name = hashlib.sha256(f"{source} {sorted(table['path'].map(str))}".encode()).hexdigest()[:12]
    target = paths.cache_root() / "unusable" / f"{name}.csv"
    try:
        files.make_folder(target.parent)
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["line", "utterance", "path", "reason"])
            writer.writeheader()
            writer.writerows(rows)
        files.share(target)
    except OSError:
        return ""
    return f"They are listed in {target}. "
