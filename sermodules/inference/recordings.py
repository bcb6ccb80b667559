"""What a model is asked about: files, folders or a table become one utterance table, whose emotions nobody knows."""

import io
from pathlib import Path

import pandas as pd

from sermodules import corpora
from sermodules.corpora import audio, cells, columns, places
from sermodules.errors import CorpusError

#: Ends of the names that are taken from a folder. A file that is named by itself may have any.
ENDINGS = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".m4a", ".mp4", ".aac", ".amr", ".webm", ".wma", ".3gp",
)  # fmt: skip

#: Columns of a table and how a cell is read. All but ``path`` may be left out, others are ignored.
_READ = {
    "utterance": str, "path": str, "speaker": str, "gender": cells.gender,
    "start": cells.seconds, "end": cells.seconds, "channel": cells.channel,
}  # fmt: skip
_TEXTS = ("utterance", "path", "speaker", "gender")


def collect(recordings, speaker="", gender="unknown"):
    """Make an utterance table of recordings.

    Parameters
    ----------
    recordings : path, pandas.DataFrame, or list of path
        Each path is an audio file, a folder (with all below it whose names end like audio), or a table: a CSV, also written
        ``table:path``, with the column ``path`` (relative to the CSV) and perhaps ``utterance``, ``speaker``, ``gender``,
        ``start``, ``end`` and ``channel``. A data frame has these columns too.
    speaker : str
        Who speaks where a table does not say it.
    gender : {"female", "male", "unknown"}
        The speaker's, where a table does not say it.

    Returns
    -------
    pandas.DataFrame
        The columns of an utterance table, sorted by ``utterance``; ``emotion`` and ``session`` are empty. An utterance is
        called as its table says, else as its file without the ending, else, if two files are called so, as its path.

    Raises
    ------
    CorpusError
        If there is no such file, a folder holds no audio, a table cannot be used, or an utterance is there twice.
    """
    if isinstance(recordings, pd.DataFrame):
        parts = [recordings]
    else:
        single = isinstance(recordings, (str, Path))
        parts = [_table(Path(one)) for one in ([recordings] if single else recordings)]
    if not sum(map(len, parts)):
        raise CorpusError("there is no recording to predict: name audio files, a folder that holds some, or a table")
    table = pd.concat([part.assign(**_absent(part)) for part in parts], ignore_index=True)
    table = table[list(_READ)].drop_duplicates(ignore_index=True)
    table["utterance"] = _names(table)
    if twice := sorted(table["utterance"][table["utterance"].duplicated()].unique()):
        raise CorpusError(
            f"these utterances are there more than once: {', '.join(twice)}. Give each a name of its own."
        )
    table["speaker"] = table["speaker"].where(table["speaker"] != "", speaker)
    table["gender"] = table["gender"].where(~table["gender"].isin(["", "unknown"]), gender)
    table = table.assign(session="", emotion="", duration=audio.durations(audio.recordings(table)))
    return table[[*corpora.COLUMNS, *corpora.EXCERPTS]].sort_values("utterance", ignore_index=True)


def _absent(part):
    """Return the columns that a part has not, without anything in them."""
    return {name: "" if name in _TEXTS else float("nan") for name in _READ if name not in part}


def _names(table):
    """Name the utterances that have no name."""
    stems = table["path"].map(lambda path: Path(path).stem)
    alone = ~stems.duplicated(keep=False)
    return table["utterance"].where(table["utterance"] != "", stems.where(alone, table["path"]))


def _table(path):
    """Return the rows of one file, folder or table."""
    text = str(path)
    if text.startswith(corpora.TABLE) or path.suffix.lower() == ".csv":
        return _read(Path(text.removeprefix(corpora.TABLE)).expanduser().absolute())
    path = path.expanduser().absolute()
    if not path.is_dir():
        return pd.DataFrame({"path": [str(path)]})  # `audio.read` says what is wrong with it
    found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    found = [file for file in found if not Path(file).name.startswith(".")]
    if not found:
        raise CorpusError(f"{path} holds no audio files: their names end in {', '.join(ENDINGS)}")
    return pd.DataFrame({"path": found})


def _read(path):
    """Read a table; name every cell that cannot be used by its line."""
    try:
        whole = path.read_text(encoding="utf-8-sig")
        text, declared = columns.without_sign(whole)
        table = pd.read_csv(
            io.StringIO(text),
            sep=declared or columns.delimiter(text),
            skiprows=int(text != whole),
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except FileNotFoundError:
        raise CorpusError(f"there is no file {path}. Write table:path/to/recordings.csv.") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise CorpusError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    table.columns = table.columns.str.strip()
    taken, _ = columns.chosen(list(table.columns))
    table = table.rename(columns={table.columns[place]: name for name, place in taken.items()})
    if "path" not in table:
        raise CorpusError(f"{path}: there is no column `path`. The columns here are: {', '.join(table.columns)}")
    found, problems, first = {}, [], 2 + (text != whole)  # the line of the first row
    for name in [name for name in _READ if name in table]:
        found[name] = values = []
        for line, cell in enumerate(table[name].str.strip(), start=first):
            try:
                values.append(_READ[name](cell))
            except ValueError as error:
                problems.append(f"line {line}: {name} is {cell!r}: {error}")
    problems += [f"line {line}: path is empty" for line, cell in enumerate(found["path"], start=first) if not cell]
    if problems:
        raise CorpusError("\n  ".join([f"{path} cannot be used:", *problems]))
    found["path"] = [str(places.locate(path.parent, cell)) for cell in found["path"]]
    return pd.DataFrame(found)
