"""Where utterances come from: every corpus is one table with one row an utterance.

``corpora.load("iemocap")`` returns the columns ``utterance, path, speaker, session, gender, emotion, duration``.
"""

import difflib
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from filelock import FileLock

from sermodules import files, paths
from sermodules.corpora import emodb, iemocap, synthetic
from sermodules.corpora.table import load as load_table
from sermodules.errors import AudioError, ConfigError, CorpusError

#: Columns of an utterance table, in their order.
COLUMNS = ("utterance", "path", "speaker", "session", "gender", "emotion", "duration")
#: Columns that a table of one's own may have besides: its division among the parts or the folds (`sermodules.folds.protocol`).
DIVISIONS = ("part", "fold")
#: The paper's classes, in the order of its tables. Other classes follow, in alphabetical order.
FOUR = ("angry", "sad", "happy", "neutral")
GENDERS = ("female", "male")
#: What stands before the path of a user's own CSV file.
TABLE = "table:"


@dataclass(frozen=True)
class Corpus:
    """What is known of a corpus before it is there.

    Attributes
    ----------
    name : str
        Also the name of the folder in which it is looked for.
    title, licence, source : str
    get : str
        How to get it, in one sentence.
    load : callable
        ``load(root, *, emotions, merge_excited, scripted)`` returns the utterance table.
    recognise : callable or None
        ``recognise(root)`` raises `CorpusError` unless the folder holds the corpus.
    make : callable or None
        ``make(folder)`` writes the corpus into a new folder, for those that are made and not fetched.
    """

    name: str
    title: str
    licence: str
    source: str
    get: str
    load: Callable = field(repr=False)
    recognise: Callable | None = field(default=None, repr=False)
    make: Callable | None = field(default=None, repr=False)


def _synthetic(variant, title):
    return Corpus(
        name=variant,
        title=title,
        licence="none needed: no person speaks in it",
        source="made on this machine by sermodules/corpora/synthetic.py",
        get="It is made in the project's data/ at its first use, in about a minute.",
        load=synthetic.load,
        recognise=iemocap.find_root,
        make=lambda folder: synthetic.make(folder, variant=variant),
    )


#: The corpora by name. A user's own is not among them: it is named ``table:path/to/utterances.csv``.
CORPORA = {
    corpus.name: corpus
    for corpus in (
        _synthetic("synthetic", "Miniature IEMOCAP, synthetic speech"),
        _synthetic("synthetic-gender-irrelevant", "Synthetic speech whose cues are equal for women and men"),
        _synthetic("synthetic-gender-decisive", "Synthetic speech whose cues only the gender label explains"),
        Corpus(
            name="emodb",
            title=emodb.TITLE,
            licence=emodb.LICENCE,
            source=emodb.SOURCE,
            get=emodb.GET,
            load=emodb.load,
            recognise=emodb.find_recordings,
        ),
        Corpus(
            name="iemocap",
            title=iemocap.TITLE,
            licence=iemocap.LICENCE,
            source=iemocap.SOURCE,
            get=iemocap.GET,
            load=iemocap.load,
            recognise=iemocap.find_root,
        ),
    )
}


def load(name, root=None, *, emotions="four", merge_excited=False, scripted=False):
    """Load the utterance table of a corpus.

    A synthetic corpus that is found nowhere is made first, in the project's ``data/<name>``.

    See chapter "The corpora, heard".

    Parameters
    ----------
    name : str
        A key of `CORPORA`, or ``table:path/to/utterances.csv``.
    root : path, optional
        The corpus's folder; see `find`.
    emotions : {"four", "all"}
        The paper's four classes, or all that the corpus has. A user's own table always gives all.
    merge_excited : bool
        IEMOCAP: count ``excited`` as ``happy``.
    scripted : bool
        IEMOCAP: scripted turns as well as improvised ones.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`, one row an utterance, sorted by ``utterance``. Gender is ``female`` or ``male``,
        ``session`` is empty where a corpus has none, ``duration`` is in seconds. A user's own table may have those of
        `DIVISIONS` besides.

    Raises
    ------
    CorpusError
        If the corpus is not there, or not laid out as expected.
    ConfigError
        If there is no corpus of this name, or an option means nothing to it.
    """
    corpus = _corpus(name)
    problems = [f"emotions is {emotions!r}: it must be one of four, all"] if emotions not in ("four", "all") else []
    problems += [
        f"{option} is {value!r}: it must be true or false"
        for option, value in (("merge_excited", merge_excited), ("scripted", scripted))
        if not isinstance(value, bool)
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    to_make = corpus.make is not None and root is None and _look(corpus)[0] is None
    place = _make(corpus) if to_make else find(name, root)
    return validate(corpus.load(place, emotions=emotions, merge_excited=merge_excited, scripted=scripted), name)


def find(name, root=None):
    """Find where a corpus lies.

    See chapter "The corpora, heard".

    Parameters
    ----------
    name : str
        A key of `CORPORA`, or ``table:path/to/utterances.csv``. The path of a table may be relative to `root`, else to
        the working directory, else to the project.
    root : path, optional
        The corpus's folder, or one that holds ``<name>/``. If it is given, the corpus is looked for nowhere else.
        Otherwise it is looked for in ``$SERMODULES_DATA/<name>``, then in the project's ``data/<name>``.

    Returns
    -------
    pathlib.Path
        The folder, or the CSV file.

    Raises
    ------
    CorpusError
        If it is not there: the message says where it was looked for, and how to get it.
    ConfigError
        If there is no corpus of this name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sermodules import corpora
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "mine.csv").touch()
    ...     corpora.find("table:mine.csv", root=folder).name
    'mine.csv'
    """
    corpus = _corpus(name)
    found, places = _look(corpus, root)
    if found is not None:
        return found
    advice = corpus.get
    if corpus.make is not None and root is not None:
        advice += " Leave out `root` for that."
    listed = "\n  ".join(map(str, places))
    raise CorpusError(f"the corpus {name} is not there. It was looked for in:\n  {listed}\n{advice}")


def status():
    """List the corpora, for ``sermodules corpora``.

    Returns
    -------
    list of dict
        One a corpus: ``name``, ``title``, ``found`` (a path, or None), ``problem`` (what is wrong with what lies there, or
        None), ``licence``, ``source``, ``get``.
    """
    return [
        {
            "name": corpus.name,
            "title": corpus.title,
            **_recognised(corpus, _look(corpus)[0]),
            "licence": corpus.licence,
            "source": corpus.source,
            "get": corpus.get,
        }
        for corpus in CORPORA.values()
    ]


def classes(table):
    """Return the classes of an utterance table: angry, sad, happy, neutral, then any others in alphabetical order.

    See chapter "The corpora, heard".

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    list of str
        Only classes that occur.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules import corpora
    >>> corpora.classes(pd.DataFrame({"emotion": ["sad", "bored", "sad", "angry"]}))
    ['angry', 'sad', 'bored']
    """
    there = set(table["emotion"])
    return [name for name in FOUR if name in there] + sorted(there.difference(FOUR))


def digest(table):
    """Return one number for the content of a corpus: equal labels and equal audio have equal digests.

    Parameters
    ----------
    table : pandas.DataFrame
        An utterance table.

    Returns
    -------
    str
        SHA-256 (64 hexadecimal digits) over utterance, speaker, session, gender and emotion of every row, the SHA-256 of its
        audio file's bytes, and what its columns of `DIVISIONS` hold, if it has any. Where the files lie, and when they were
        written, does not count.

    Raises
    ------
    AudioError
        If audio files cannot be read; the message names every one.
    """
    table = table.sort_values("utterance")
    with ThreadPoolExecutor() as threads:
        sums = list(threads.map(_file_digest, table["path"]))
    if bad := [str(error) for error in sums if isinstance(error, OSError)]:
        raise AudioError(f"{len(bad)} audio files cannot be read:\n  " + "\n  ".join(bad))
    total = hashlib.sha256()
    columns = [table[name] for name in ("utterance", "speaker", "session", "gender", "emotion")]
    columns += [sums, *([f"{name} {value}" for value in table[name]] for name in DIVISIONS if name in table)]
    for row in zip(*columns, strict=True):
        total.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()


def validate(table, name="table"):
    """Check that a table is an utterance table; every corpus passes through here.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str
        What the message calls it.

    Returns
    -------
    pandas.DataFrame
        The same rows with the columns of `COLUMNS` in their order, then those of `DIVISIONS` that are there, sorted by
        ``utterance``, with a fresh index.

    Raises
    ------
    CorpusError
        If anything is not as described in `load`; the message names every problem.
    """
    if missing := [column for column in COLUMNS if column not in table]:
        raise CorpusError(f"{name}: not an utterance table: missing columns {', '.join(missing)}")
    problems = ["it holds no utterances"] if table.empty else []
    divisions = [column for column in DIVISIONS if column in table]
    for column in (*COLUMNS[:-1], *divisions):
        strange = [value for value in table[column] if not isinstance(value, str)]
        problems += [f"{column} is {value!r}: it must be text" for value in strange]
    if not pd.api.types.is_float_dtype(table["duration"]):
        problems.append(f"duration is of type {table['duration'].dtype}: it must be seconds, as floating-point numbers")
    if problems:
        raise CorpusError(_listed(name, problems))
    table = table[[*COLUMNS, *divisions]].sort_values("utterance", ignore_index=True)
    problems += [f"{column} is empty" for column in COLUMNS[:-1] if column != "session" and (table[column] == "").any()]
    problems += [f"utterance {value} is there more than once" for value in _repeated(table["utterance"])]
    problems += [
        f"gender is {value!r}: it must be female or male" for value in table["gender"].unique() if value not in GENDERS
    ]
    problems += [f"path {value} is not absolute" for value in table["path"] if not Path(value).is_absolute()]
    for column in ("gender", "session"):
        numbers = table.groupby("speaker")[column].nunique()
        problems += [f"speaker {speaker} has more than one {column}" for speaker in numbers.index[numbers > 1]]
    if (table["duration"] < 0).any():
        problems.append("duration is below 0")
    if problems:
        raise CorpusError(_listed(name, problems))
    return table


def _corpus(name):
    if not isinstance(name, str):
        raise ConfigError(f"the name of a corpus is text, not {name!r}")
    if name in CORPORA:
        return CORPORA[name]
    if name.startswith(TABLE) and name != TABLE:
        return Corpus(
            name=name,
            title="A corpus of your own",
            licence="yours to know",
            source=name.removeprefix(TABLE),
            get="Write table:path/to/utterances.csv, with the path of your CSV file.",
            load=load_table,
        )
    close = difflib.get_close_matches(name.lower(), CORPORA, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"there is no corpus {name!r}.{hint} The corpora are {', '.join(CORPORA)};"
        f" your own is named {TABLE}path/to/utterances.csv"
    )


def _look(corpus, root=None):
    """Return where a corpus lies (or None), and the places that were looked at."""
    root = None if root is None else Path(root).expanduser().absolute()
    if corpus.name.startswith(TABLE):
        file = Path(corpus.name.removeprefix(TABLE)).expanduser()
        bases = [root] if root is not None else [Path.cwd(), paths.project_root()]
        places = list(dict.fromkeys(base / file for base in bases))
        return next((place for place in places if place.is_file()), None), places
    bases = [root] if root is not None else paths.data_roots()
    places = [base / corpus.name for base in bases] + bases * (root is not None)
    return next((place for place in places if place.is_dir() and any(place.iterdir())), None), places


def _recognised(corpus, place):
    try:
        if place is not None:
            corpus.recognise(place)
    except CorpusError as error:
        return {"found": None, "problem": str(error)}
    return {"found": place, "problem": None}


def _make(corpus):
    """Make a synthetic corpus in the project's data folder: its folder appears only when it is complete."""
    data = paths.project_root() / "data"
    target = data / corpus.name
    try:
        data.mkdir(parents=True, exist_ok=True)
        with FileLock(data / f".{corpus.name}.lock"):
            if target.is_dir() and any(target.iterdir()):
                return target  # another process made it while this one waited
            files.remove_staging(data, corpus.name)
            with files.staging(data, corpus.name) as staging:
                corpus.make(staging / corpus.name)
                (staging / corpus.name).rename(target)
    except OSError as error:
        raise CorpusError(f"could not make the corpus {corpus.name} in {target}: {error}") from error
    return target


def _file_digest(path):
    try:
        return files.sha256(path)
    except OSError as error:
        return error


def _repeated(column):
    return column[column.duplicated()].unique()


def _listed(name, problems):
    return f"{name} is not an utterance table:\n  " + "\n  ".join(dict.fromkeys(problems))
