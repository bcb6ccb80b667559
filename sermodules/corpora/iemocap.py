"""IEMOCAP as it is released: sessions, dialogs, turns, and the label that the raters agreed on.

Busso et al. (2008), "IEMOCAP: Interactive emotional dyadic motion capture database", Language Resources and Evaluation
42(4). The labels stand in ``SessionN/dialog/EmoEvaluation/*.txt``, the recordings in
``SessionN/sentences/wav/<dialog>/<turn>.wav``. The corpus is licensed: this module reads a copy, it never fetches one.
"""

import codecs
import math
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sermodules.corpora import audio
from sermodules.errors import ConfigError, CorpusError

TITLE = "IEMOCAP, Interactive Emotional Dyadic Motion Capture: acted English, 10 speakers"
LICENCE = "release form, signed: internal research only, nothing may be passed on, neither data nor derivatives"
SOURCE = "https://sail.usc.edu/iemocap/"
GET = (
    "Sign the release form of USC's SAIL (https://sail.usc.edu/iemocap/), and put the folder that holds Session1 to"
    " Session5, or a link to it, at data/iemocap in the project. Use no unofficial copy."
)

#: Emotion codes of the released files and their names. ``xxx`` (the raters did not agree) has no name.
EMOTIONS = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "fea": "fearful",
    "sur": "surprised",
    "dis": "disgusted",
    "oth": "other",
}
NO_AGREEMENT = "xxx"

#: The paper's four classes.
FOUR = ("angry", "sad", "happy", "neutral")

#: Improvised turns in the full corpus, a speaker: angry, happy (without excited), sad, neutral. 2280 in all.
COUNTS = {
    "Ses01F": (37, 18, 43, 119),
    "Ses01M": (25, 15, 61, 104),
    "Ses02F": (7, 25, 63, 90),
    "Ses02M": (15, 29, 37, 127),
    "Ses03F": (22, 39, 108, 95),
    "Ses03M": (68, 21, 82, 103),
    "Ses04F": (47, 10, 41, 51),
    "Ses04M": (37, 21, 40, 123),
    "Ses05F": (18, 56, 73, 151),
    "Ses05M": (13, 50, 60, 136),
}
COUNTED = ("ang", "hap", "sad", "neu")
#: All labelled turns of the full corpus, improvised and scripted, with and without agreement.
TURNS = 10039

_LABELS = "dialog/EmoEvaluation"
_TURN = re.compile(r"(Ses0[1-5])[FM]_(?:impro0[0-9][ab]?|(script)0[0-9]_[0-9][ab]?)_([FM])[0-9]{3}")
_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]*)?"
_LINE = re.compile(
    rf"\[\s*({_NUMBER})\s*-\s*({_NUMBER})\s*\]\s+(\S+)\s+(\S+)\s+\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]"
)


@dataclass(frozen=True)
class Turn:
    """What the name of a turn says.

    Attributes
    ----------
    name : str
    dialog : str
        The name without its last group: the recording's folder.
    session : str
        ``Ses01`` to ``Ses05``.
    speaker : str
        Session and who speaks, as ``Ses03F``.
    gender : str
        ``female`` or ``male``: of who speaks.
    scripted : bool
        Read from a script, not improvised.
    """

    name: str
    dialog: str
    session: str
    speaker: str
    gender: str
    scripted: bool


@dataclass(frozen=True)
class Label:
    """What an evaluation line says: the turn, its code (a key of `EMOTIONS` or ``xxx``), its start and end (s)."""

    turn: Turn
    code: str
    start: float
    end: float


def parse_turn(name):
    """Take the name of a turn apart.

    The first letter F or M says who wore the markers, the last one who speaks; they agree in half of the turns.

    See chapter "The corpora, heard".

    Parameters
    ----------
    name : str
        For example ``Ses03M_impro05a_F012``: session 3, the woman speaks.

    Returns
    -------
    Turn

    Raises
    ------
    ValueError
        If this is not the name of a turn.

    Examples
    --------
    >>> from sermodules.corpora import iemocap
    >>> turn = iemocap.parse_turn("Ses03M_impro05a_F012")
    >>> turn.speaker, turn.gender, turn.scripted
    ('Ses03F', 'female', False)
    """
    match = _TURN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a turn")
    session, script, letter = match.groups()
    return Turn(
        name=name,
        dialog=name.rpartition("_")[0],
        session=session,
        speaker=session + letter,
        gender="female" if letter == "F" else "male",
        scripted=script is not None,
    )


def parse_line(line):
    """Read one line ``[start - end]<TAB>turn<TAB>emotion<TAB>[valence, activation, dominance]``.

    Parameters
    ----------
    line : str

    Returns
    -------
    Label

    Raises
    ------
    ValueError
        If the line does not follow the grammar; the message says in what.
    """
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError("not of the form [start - end] turn emotion [valence, activation, dominance]")
    start, end, name, code = float(match[1]), float(match[2]), match[3], match[4]
    turn = parse_turn(name)
    if code not in EMOTIONS and code != NO_AGREEMENT:
        raise ValueError(f"{code!r} is not an emotion: the codes are {' '.join([*EMOTIONS, NO_AGREEMENT])}")
    if not 0 <= start < end < math.inf:
        raise ValueError(f"the turn ends at {match[2]} s, but starts at {match[1]} s")
    return Label(turn, code, start, end)


def load(root, *, emotions="four", merge_excited=False, scripted=False, check_counts=True):
    """Load IEMOCAP's utterance table.

    Parameters
    ----------
    root : path
        The folder with ``Session1`` to ``Session5``. A folder above it, or one inside a session, is understood too.
    emotions : {"four", "all"}
        Angry, sad, happy and neutral, or every emotion that the raters agreed on.
    merge_excited : bool
        Count ``excited`` as ``happy``. The paper does not: its 48.2 % neutral holds only without.
    scripted : bool
        Scripted turns too, not only improvised ones.
    check_counts : bool
        Compare with the known counts of the full corpus. A miniature in the same layout passes False.

    Returns
    -------
    pandas.DataFrame
        The columns ``utterance, path, speaker, session, gender, emotion, duration``, one row an utterance, sorted by
        ``utterance``. The duration (s) is the recording's; where its header cannot be read, the label's.

    Raises
    ------
    CorpusError
        If no session is found, or nothing in it can be used.
    ConfigError
        If `emotions` is neither of the two.

    Warns
    -----
    UserWarning
        One naming every line that cannot be parsed, one naming the turns whose recording is missing, and one naming
        every speaker and class whose count is not the full corpus's.
    """
    if emotions not in ("four", "all"):
        raise ConfigError(f"emotions is {emotions!r}: it must be one of four, all")
    root = find_root(root)
    labels, problems = _read_labels(root)
    if problems and labels:
        warnings.warn(_unparsed(problems), UserWarning, stacklevel=2)
    if not labels:
        where = f"{root}/Session*/dialog/EmoEvaluation/*.txt"
        raise CorpusError(f"no turn could be read from {where}." + (f"\n{_unparsed(problems)}" if problems else ""))

    labelled = [label for label in labels if scripted or not label.turn.scripted]
    wavs = {label.turn.name: _wav(root, label.turn) for label in labelled}
    missing = {name for name, path in wavs.items() if not path.is_file()}
    present = [label for label in labelled if label.turn.name not in missing]
    names = {code: name for code, name in EMOTIONS.items() if emotions == "all" or name in FOUR}
    if merge_excited:
        names["exc"] = "happy"
    lost = sorted(label.turn.name for label in labelled if label.turn.name in missing and label.code in names)
    chosen = sorted((label for label in present if label.code in names), key=lambda label: label.turn.name)
    if not chosen:
        raise CorpusError(
            f"{root} holds no utterance of what was asked for." + (f" {_lost(lost, wavs)}" if lost else "")
        )
    if lost:
        warnings.warn(_lost(lost, wavs), UserWarning, stacklevel=2)
    if check_counts and (differences := _differences(present, len(labels) if scripted else None)):
        warnings.warn(
            f"{root} is not the full corpus. Its improvised turns differ:\n  " + "\n  ".join(differences),
            UserWarning,
            stacklevel=2,
        )

    paths = [str(wavs[label.turn.name]) for label in chosen]
    seconds = audio.durations(paths)
    return pd.DataFrame(
        {
            "utterance": [label.turn.name for label in chosen],
            "path": paths,
            "speaker": [label.turn.speaker for label in chosen],
            "session": [label.turn.session for label in chosen],
            "gender": [label.turn.gender for label in chosen],
            "emotion": [names[label.code] for label in chosen],
            "duration": [
                label.end - label.start if math.isnan(length) else length
                for label, length in zip(chosen, seconds, strict=True)
            ],
        }
    )


def lacks(root, *, scripted=False):
    """Say in what a copy is not the full corpus.

    Parameters
    ----------
    root : path
        As `load` takes it.
    scripted : bool
        Whether scripted turns are wanted too: then the number of all turns is compared as well.

    Returns
    -------
    list of str
        A line for each speaker and class whose number of turns, labelled and recorded, is not the full corpus's; empty if the
        copy is whole.

    Raises
    ------
    CorpusError
        If no session is found.
    """
    root = find_root(root)
    labels, _ = _read_labels(root)
    wanted = [label for label in labels if scripted or not label.turn.scripted]
    present = [label for label in wanted if _wav(root, label.turn).is_file()]
    return _differences(present, len(labels) if scripted else None)


def find_root(root):
    """Find the folder with the sessions, in `root`, at most two levels below it, or above it.

    Parameters
    ----------
    root : path

    Returns
    -------
    pathlib.Path
        An absolute path.

    Raises
    ------
    CorpusError
        If there is none, or more than one below `root`; the message says what was found instead.
    """
    root = Path(root).expanduser().absolute()
    if not root.exists():
        raise CorpusError(f"there is no folder {root}. Pass the folder that holds Session1 to Session5.")
    for pattern in ("Session[1-5]", "*/Session[1-5]", "*/*/Session[1-5]"):
        sessions = [path for path in root.glob(pattern) if (path / _LABELS).is_dir()]
        found = sorted({path.parent for path in sessions if not _is_litter(path.relative_to(root))})
        if len(found) > 1:
            listed = "\n  ".join(map(str, found))
            raise CorpusError(f"{root} holds more than one corpus in IEMOCAP's layout. Pass one of these:\n  {listed}")
        if found:
            return found[0]
    for folder in (root.resolve(), *root.resolve().parents):
        if re.fullmatch("Session[1-5]", folder.name) and (folder / _LABELS).is_dir():
            return folder.parent
    sessions = sorted(path.name for path in root.glob("Session[1-5]"))
    if sessions:
        found = f"It holds {', '.join(sessions)}, but no dialog/EmoEvaluation in them, where the labels are."
    elif root.is_dir():
        names = sorted(path.name for path in root.iterdir())
        found = f"It holds {', '.join(names[:10]) + (', …' if len(names) > 10 else '') if names else 'nothing'}."
    else:
        found = "It is a file."
    raise CorpusError(
        f"{root} is not IEMOCAP as released: pass the folder that holds Session1 to Session5. {found}{_advice(root)}"
    )


def _advice(root):
    """Say what to do with a copy in another form."""
    if not root.is_dir():
        return ""
    named = [path.name for path in root.iterdir() if re.fullmatch("(?i)session[ _]?[1-5]", path.name)]
    if named and not any(re.fullmatch("Session[1-5]", name) for name in named):
        return f" Rename the folders: {min(named)} is called Session{min(named)[-1]} in the release."
    if (turn := next((path for path in root.rglob("Ses0*.wav")), None)) is not None:
        return (
            f" Recordings are there, such as {turn.name}, but no labels: get dialog/EmoEvaluation of the release, or describe"
            " this copy in a CSV and load it as table:path/to/utterances.csv."
        )
    return ""


def _is_litter(path):
    """Tell whether a folder is hidden or left by macOS beside an archive."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _wav(root, turn):
    return root / f"Session{turn.session[-1]}" / "sentences" / "wav" / turn.dialog / f"{turn.name}.wav"


def _read_labels(root):
    """Return the labels of all turns, and a line of text for every line that cannot be used."""
    labels, problems = {}, []
    for folder in sorted(root.glob(f"Session[1-5]/{_LABELS}")):
        for path in sorted(folder.glob("*.txt")):
            if path.name.startswith(".") or not path.is_file():
                continue
            # latin-1 takes any byte, and what matters here is ASCII; its 0x85 is no end of line
            lines = re.split("\r\n|\r|\n", path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("latin-1"))
            first = next((number for number, line in enumerate(lines, 1) if line.strip()), None)
            for number, line in enumerate(lines, 1):
                if not _looks_like_a_turn(line, first=number == first):
                    continue
                where = f"{path}:{number}"
                try:
                    label = parse_line(line)
                    if label.turn.dialog != path.stem:
                        raise ValueError(f"{label.turn.name} does not belong to the dialog {path.stem}")
                    if label.turn.session[-1] != folder.parents[1].name[-1]:
                        raise ValueError(f"{label.turn.name} does not belong to {folder.parents[1].name}")
                    if label.turn.name in labels:
                        raise ValueError(f"{label.turn.name} has a label already; the first one counts")
                except ValueError as error:
                    problems.append(f"{where}: {error}")
                else:
                    labels[label.turn.name] = label
    return list(labels.values()), problems


def _looks_like_a_turn(line, first):
    """Tell whether a line should be an utterance's: blanks, votes (C-), ratings (A-) and the header are not."""
    line = line.strip()
    if line.startswith(("C-", "A-")):
        return False
    if first and line.startswith(("[", "%")) and not re.search("[0-9]", line):
        return False
    return line.startswith("[") or re.search(r"Ses[0-9]+[FM]_", line) is not None


def _unparsed(problems):
    return f"Lines that cannot be used and were left out ({len(problems)}):\n  " + "\n  ".join(problems)


def _lost(lost, wavs):
    shown = "\n  ".join(str(wavs[name]) for name in lost[:10])
    more = f"\n  and {len(lost) - 10} more" if len(lost) > 10 else ""
    return f"Turns left out, because their recording is missing ({len(lost)}):\n  {shown}{more}"


def _differences(present, turns):
    """Compare with the known counts: one line of text for every speaker and class that differs."""
    counts = Counter((label.turn.speaker, label.code) for label in present if not label.turn.scripted)
    sessions = {label.turn.session for label in present}
    lines = []
    for speaker, row in COUNTS.items():
        if speaker[:5] not in sessions:
            lines.append(f"{speaker}: none instead of {sum(row)}")
            continue
        for code, expected in zip(COUNTED, row, strict=True):
            if (count := counts[speaker, code]) != expected:
                lines.append(f"{speaker} {EMOTIONS[code]}: {count} instead of {expected}")
    if turns is not None and turns != TURNS:
        lines.append(f"turns in all, improvised and scripted: {turns} instead of {TURNS}")
    return lines
