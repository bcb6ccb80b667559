"""Where utterances come from: every corpus is one table with one row an utterance.

``corpora.load("iemocap")`` returns the columns ``utterance, path, speaker, session, gender, emotion, duration``. A released
corpus is a file here and a record in `CORPORA`.
"""

import difflib
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from filelock import FileLock

from sermodules import files, paths
from sermodules.config.classes import AS_EMOTIONS
from sermodules.corpora import audio, choice, cremad, emodb, hearing, iemocap, ravdess, released, synthetic
from sermodules.corpora import unusable as unusable_recordings
from sermodules.corpora.databases import is_database
from sermodules.corpora.duplicates import settle
from sermodules.corpora.places import TABLES, beside, is_file, unix
from sermodules.corpora.table import load as load_table
from sermodules.errors import AudioError, ConfigError, CorpusError

#: Columns of an utterance table, in their order.
COLUMNS = released.COLUMNS
#: Columns that a table has besides where a row is a part of its file: seconds, seconds, and a channel from 1 on.
EXCERPTS = ("start", "end", "channel")
#: Columns that a table of one's own may have besides: its division among the parts or the folds (`sermodules.folds.protocol`).
DIVISIONS = ("part", "fold")
#: The paper's classes, in the order of its tables. Other classes follow, in alphabetical order.
FOUR = released.FOUR
GENDERS = ("female", "male", "other", "unknown")
#: What stands before the path of a user's own CSV file.
TABLE = "table:"
#: What may be done about equal recordings; see `load`.
DUPLICATES = ("once", "leave_out", "keep")
#: What may be done about recordings that cannot be used; see `load`.
UNUSABLE = ("refuse", "skip")


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
        ``load(root, *, emotions, ...)`` returns the utterance table; the dots are the names in `options`.
    recognise : callable or None
        ``recognise(root)`` raises `CorpusError` unless the folder holds the corpus.
    make : callable or None
        ``make(folder)`` writes the corpus into a new folder, for those that are made and not fetched.
    fetch : callable or None
        ``fetch(folder)`` downloads the corpus, for those that may be.
    options : tuple of str
        Which of `load`'s other options mean something to it; another value than the default is refused of the rest.
    columns : tuple of str
        What its table has besides `COLUMNS`. They say more of a recording; no digest covers them.
    attribution : str
        What must stand beside anything that is made from the corpus and passed on; empty if its licence asks for nothing.
    closed : bool
        Nothing made from the corpus may be passed on.
    lacks : callable or None
        ``lacks(root, scripted=...)`` returns in what a copy is not the full corpus, a line each, where that is known.
    language : str
        What is spoken.
    """

    name: str
    title: str
    licence: str
    source: str
    get: str
    load: Callable = field(repr=False)
    recognise: Callable | None = field(default=None, repr=False)
    make: Callable | None = field(default=None, repr=False)
    fetch: Callable | None = field(default=None, repr=False)
    options: tuple = ()
    columns: tuple = ()
    attribution: str = field(default="", repr=False)
    closed: bool = False
    lacks: Callable | None = field(default=None, repr=False)
    language: str = "English"


_IEMOCAP_OPTIONS = ("merge_excited", "scripted")


def _released(name, module, **more):
    """Make the record of a corpus from the file that reads it."""
    words = {word: getattr(module, word.upper()) for word in ("title", "licence", "source", "get")}
    return Corpus(name=name, **words, load=module.load, **more)


def _synthetic(variant, title):
    return Corpus(
        name=variant,
        title=title,
        licence="none needed: no person speaks in it",
        source="made on this machine by sermodules/corpora/synthetic.py",
        get="It is made at its first use, in about a minute: in $SERMODULES_DATA if it can be written, else in data/.",
        load=synthetic.load,
        recognise=iemocap.find_root,
        make=lambda folder: synthetic.make(folder, variant=variant),
        options=_IEMOCAP_OPTIONS,
    )


#: The corpora by name. A user's own is not among them: it is named ``table:path/to/utterances.csv``.
CORPORA = {
    corpus.name: corpus
    for corpus in (
        _synthetic("synthetic", "Miniature IEMOCAP, synthetic speech"),
        _synthetic("synthetic-gender-irrelevant", "Synthetic speech whose cues are equal for women and men"),
        _synthetic("synthetic-gender-decisive", "Synthetic speech whose cues only the gender label explains"),
        _released("emodb", emodb, recognise=emodb.find_recordings, fetch=emodb.get, language="German"),
        _released(
            "iemocap",
            iemocap,
            recognise=iemocap.find_root,
            options=_IEMOCAP_OPTIONS,
            closed=True,
            lacks=iemocap.lacks,
        ),
        _released(
            "cremad",
            cremad,
            recognise=cremad.find_recordings,
            columns=cremad.COLUMNS,
            attribution=cremad.ATTRIBUTION,
        ),
        _released(
            "ravdess",
            ravdess,
            recognise=ravdess.find_recordings,
            fetch=ravdess.get,
            options=("song",),
            columns=ravdess.COLUMNS,
            attribution=ravdess.ATTRIBUTION,
        ),
    )
}


def load(
    name, root=None, *, emotions="four", classes=AS_EMOTIONS, merge_excited=False, scripted=False, song=False,
    duplicates="once", unusable="refuse", label="asked",
):  # fmt: skip
    """Load the utterance table of a corpus.

    A synthetic corpus that is found nowhere is made first; see `make`. What cannot be right is found
    here, before anything is trained: see `sermodules.corpora.duplicates`.

    See chapter "The corpora, heard".

    Parameters
    ----------
    name : str
        A key of `CORPORA`, or ``table:path/to/utterances.csv``.
    root : path, optional
        The corpus's folder; see `find`.
    emotions : {"four", "all"}
        The paper's four classes, or all that the corpus has. A user's own table always gives all.
    classes : str
        Which labels become which classes, as `sermodules.config.classes.parse` reads it, or "emotions": as `emotions` says.
    merge_excited : bool
        IEMOCAP: count ``excited`` as ``happy``.
    scripted : bool
        IEMOCAP: scripted turns as well as improvised ones.
    song : bool
        RAVDESS: sung recordings as well as spoken ones.
    duplicates : {"once", "leave_out", "keep"}
        What to do about recordings with equal decoded samples. ``once``: those of one speaker and label count once; those of
        two speakers or labels are refused in a user's own table, and left out, all of them, of a released corpus, whose fault
        it is. ``leave_out``: they are left out of a user's table too. ``keep``: every recording counts as it stands.
    unusable : {"refuse", "skip"}
        ``skip`` leaves out the recordings that cannot be used; ``attrs["unusable"]`` of the table then names them. With
        ``refuse`` they stay, and `sermodules.corpora.unusable.check` names them before anything is computed.
    label : {"asked", "heard", "heard_by_most"}
        CREMA-D: the emotion that the actor was asked for, or the one that people heard; see `hearing.relabel`, which leaves
        out recordings of which they did not agree.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`, and those of the corpus's record, one row an utterance, sorted by ``utterance``. Gender is
        ``female`` or ``male``, in a user's own table also ``other`` or ``unknown``, ``session`` is empty where a corpus has
        none, ``duration`` is in seconds. A user's own table may have those of `EXCERPTS` (see
        `sermodules.corpora.audio.recordings`) and `DIVISIONS` besides.

    Raises
    ------
    CorpusError
        If the corpus is not there, or not laid out as expected, or a user's table holds one sound under two speakers or labels.
    ConfigError
        If there is no corpus of this name, or an option means nothing to it.

    Warns
    -----
    UserWarning
        Which recordings are left out, and why.
    """
    corpus = _corpus(name)
    options = {"merge_excited": merge_excited, "scripted": scripted, "song": song}
    if problems := [*_wrong_options(corpus, emotions, classes, duplicates, unusable, label, options)]:
        raise ConfigError("\n".join(problems))
    to_make = corpus.make is not None and root is None and _look(corpus)[0] is None
    place = make(name) if to_make else find(name, root)
    given = {option: options[option] for option in corpus.options}
    if name.startswith(TABLE):  # it knows the lines of its file, so it looks for equal recordings itself
        settings = {"emotions": emotions, "classes": classes, "duplicates": duplicates, "unusable": unusable}
        table = validate(corpus.load(place, **given, **settings), name)
    else:
        table = corpus.load(place, **given, emotions=emotions if classes == AS_EMOTIONS else "all")
        if classes != AS_EMOTIONS:
            table = choice.apply(table, classes, name)
        table = settle(validate(table, name, corpus.columns), name, duplicates)
        if label != "asked":
            table = validate(hearing.relabel(table, label, classes, name), name, corpus.columns)
    if unusable == "skip":
        table = unusable_recordings.leave_out(table, name)
    if text := audio.shortfalls(table["path"]):
        warnings.warn(f"{name}: {text}", UserWarning, stacklevel=2)
    return table


def lacks(name, root=None, *, scripted=False, **others):
    """Say in what a copy of a corpus is not the full corpus. Only of IEMOCAP the full numbers are known.

    Parameters
    ----------
    name, root, scripted
        As `load`.
    **others
        Further arguments of `load`, which make no difference.

    Returns
    -------
    list of str
        A line each; empty if nothing differs, or nothing is known.

    Raises
    ------
    CorpusError
        If the corpus is not there.
    ConfigError
        If there is no corpus of this name.

    Examples
    --------
    >>> from sermodules import corpora
    >>> corpora.lacks("emodb")
    []
    """
    corpus = _corpus(name)
    return corpus.lacks(find(name, root), scripted=scripted) if corpus.lacks else []


def make(name, folder=None):
    """Make a synthetic corpus, if it is not there: its folder appears only when it is complete.

    Parameters
    ----------
    name : str
        A key of `CORPORA`.
    folder : path, optional
        Where it is to lie. Unless given: where it is found already, else ``<name>`` in the first of
        `sermodules.paths.data_roots` that can be written.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    CorpusError
        If it cannot be written; the message says where else it can be made.
    ConfigError
        If the corpus is not made by program.
    """
    corpus = _corpus(name)
    if corpus.make is None:
        made = [other.name for other in CORPORA.values() if other.make]
        raise ConfigError(f"{name} is not made by program, as {', '.join(made)} are. {corpus.get}")
    if folder is None and (found := _look(corpus)[0]) is not None:
        return found
    target = Path(folder).expanduser().absolute() if folder is not None else _place_to_make() / name
    try:
        files.make_folder(target.parent)
        with FileLock(target.parent / f".{target.name}.lock"):
            files.share(target.parent / f".{target.name}.lock")
            if target.is_dir() and any(target.iterdir()):
                corpus.recognise(target)
                return target  # another process made it while this one waited
            files.remove_staging(target.parent, target.name)
            with files.staging(target.parent, target.name) as staging:
                corpus.make(staging / name)
                files.share_all(staging)
                if target.is_dir():
                    target.rmdir()  # it is empty
                (staging / name).rename(target)
    except OSError as error:
        raise CorpusError(
            f"could not make the corpus {name} in {target}: {files.refusal(error)}. {paths.PLACES} "
            f"`sermodules corpora make {name} --to FOLDER` makes it anywhere."
        ) from error
    return target


def _place_to_make():
    """Return the first folder of corpora that can be written, else the first."""
    roots = paths.data_roots()
    return next((root for root in roots if os.access(paths.existing(root), os.W_OK | os.X_OK)), roots[0])


def get(name, folder=None):
    """Download an open corpus; see `sermodules.corpora.download.get`.

    Parameters
    ----------
    name : str
        A key of `CORPORA`.
    folder : path, optional
        Where it is to lie; unless given, as `make` has it.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    CorpusError
        If the download fails, or the folder holds something else.
    ConfigError
        If the corpus is not downloaded by program; the message says how to get it.
    """
    corpus = _corpus(name)
    if corpus.fetch is None:
        fetched = [other.name for other in CORPORA.values() if other.fetch]
        raise ConfigError(f"{name} is not downloaded by program, as {' and '.join(fetched)} are. {corpus.get}")
    return corpus.fetch(folder or _look(corpus)[0] or _place_to_make() / name)


def attribution(names):
    """Return what must stand beside anything that is made from corpora and passed on.

    See chapter "What people hear".

    Parameters
    ----------
    names : iterable of str
        Names of corpora; a user's own asks for nothing.

    Returns
    -------
    str
        Empty if none of their licences asks for anything.

    Examples
    --------
    >>> from sermodules import corpora
    >>> corpora.attribution(["emodb", "cremad"])[:33]
    'Contains information from CREMA-D'
    """
    return "\n".join(CORPORA[name].attribution for name in sorted({*names} & {*CORPORA}) if CORPORA[name].attribution)


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
    if name.startswith(TABLE):
        advice = next(filter(None, map(beside, places)), advice)
    listed = "\n  ".join(map(os.path.normpath, places))
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
        audio file's bytes, start, end and channel of a row that is a part of its file, and what its columns of `DIVISIONS`
        hold, if it has any. Where the files lie, and when they were written, does not count.

    Raises
    ------
    AudioError
        If audio files cannot be read; the message names every one.
    """
    table = table.sort_values("utterance")
    paths = list(dict.fromkeys(table["path"]))
    with ThreadPoolExecutor() as threads:
        sums = dict(zip(paths, threads.map(_file_digest, paths), strict=True))
    if bad := [str(error) for error in sums.values() if isinstance(error, OSError)]:
        raise AudioError(f"{len(bad)} audio files cannot be read:\n  " + "\n  ".join(bad))
    total = hashlib.sha256()
    columns = [table[name] for name in ("utterance", "speaker", "session", "gender", "emotion")]
    columns += [
        table["path"].map(sums),
        *([f"{name} {value}" for value in table[name]] for name in DIVISIONS if name in table),
    ]
    for *row, parts in zip(*columns, map(_parts, audio.recordings(table)), strict=True):
        total.update(json.dumps(row + parts, ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()


def closed(names):
    """Return the names of the corpora of which nothing may be passed on, in capitals, sorted.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> from sermodules import corpora
    >>> corpora.closed(["emodb", "iemocap"])
    ['IEMOCAP']
    """
    return [name.upper() for name in sorted({*names} & {*CORPORA}) if CORPORA[name].closed]


def validate(table, name="table", extra=()):
    """Check that a table is an utterance table; every corpus passes through here.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str
        What the message calls it.
    extra : tuple of str
        Columns besides those of every table that stay.

    Returns
    -------
    pandas.DataFrame
        The same rows with the columns of `COLUMNS` in their order, then those of `EXCERPTS` and `DIVISIONS` that are there,
        then `extra`, sorted by ``utterance``, with a fresh index.

    Raises
    ------
    CorpusError
        If anything is not as described in `load`; the message names every problem.
    """
    if missing := [column for column in (*COLUMNS, *extra) if column not in table]:
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
    more = [*(column for column in EXCERPTS if column in table), *divisions, *extra]
    table = table[[*COLUMNS, *more]].sort_values("utterance", ignore_index=True)
    problems += [f"{column} is empty" for column in COLUMNS[:-1] if column != "session" and (table[column] == "").any()]
    problems += [f"utterance {value} is there more than once" for value in _repeated(table["utterance"])]
    problems += [
        f"gender is {value!r}: it must be one of {', '.join(GENDERS)}"
        for value in table["gender"].unique()
        if value not in GENDERS
    ]
    if len(found := table["emotion"].unique()) == 1:
        problems.append(
            f"there is only one class, {found[0]}: at least two are needed. Does the column `emotion` hold the labels?"
        )
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
            options=_IEMOCAP_OPTIONS,  # it refuses them in its own words
        )
    if "/" in name or "\\" in name or Path(name).suffix.lower() in TABLES:
        find(f"{TABLE}{name}")  # it says what lies nearby if there is no such file
        raise ConfigError(f"{name!r} is no corpus: a table of your own is named {TABLE}{name}")
    close = difflib.get_close_matches(name.lower(), CORPORA, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"there is no corpus {name!r}.{hint} The corpora are {', '.join(CORPORA)};"
        f" your own is named {TABLE}path/to/utterances.csv"
    )


def _wrong_options(corpus, emotions, classes, duplicates, unusable, label, options):
    """Yield what is wrong with the options of `load`."""
    if unusable not in UNUSABLE:
        yield f"unusable is {unusable!r}: it must be one of {', '.join(UNUSABLE)}"
    if classes != AS_EMOTIONS and (emotions != "four" or options["merge_excited"]):
        yield f"classes is {classes!r}, which chooses and merges by itself: leave out emotions and merge_excited"
    if emotions not in ("four", "all"):
        yield f"emotions is {emotions!r}: it must be one of four, all"
    if duplicates not in DUPLICATES:
        yield f"duplicates is {duplicates!r}: it must be one of {', '.join(DUPLICATES)}"
    if label not in hearing.LABELS:
        yield f"label is {label!r}: it must be one of {', '.join(hearing.LABELS)}"
    elif label != "asked" and not hearing.choices(corpus.columns):
        yield f"label is {label!r}: nobody says what people heard in the corpus {corpus.name}, so leave label out"
    for option, value in options.items():
        if not isinstance(value, bool):
            yield f"{option} is {value!r}: it must be true or false"
        elif value and option not in corpus.options:
            yield f"{option} is {value!r}: it means nothing to the corpus {corpus.name}, so leave {option} out"


def _look(corpus, root=None):
    """Return where a corpus lies (or None), and the places that were looked at."""
    root = None if root is None else Path(root).expanduser().absolute()
    if corpus.name.startswith(TABLE):
        text = corpus.name.removeprefix(TABLE)
        files_of = [Path(one).expanduser() for one in dict.fromkeys((text, unix(text)))]
        bases = [root] if root is not None else [Path.cwd(), paths.project_root()]
        places = list(dict.fromkeys(base / file for base in bases for file in files_of))
        return next((place for place in places if is_file(place) or is_database(place)), None), places
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


def _parts(recording):
    """Return what `digest` takes of a recording besides its file: nothing of a whole one."""
    whole = not isinstance(recording, audio.Excerpt)
    return [] if whole else [[recording.start, recording.end, recording.channel]]


def _file_digest(path):
    try:
        return files.sha256(path)
    except OSError as error:
        return error


def _repeated(column):
    return column[column.duplicated()].unique()


def _listed(name, problems):
    return f"{name} is not an utterance table:\n  " + "\n  ".join(dict.fromkeys(problems))
