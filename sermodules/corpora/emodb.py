"""EMO-DB, the Berlin database of German emotional speech: ten actors, ten fixed sentences, seven emotions.

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: "A database of German emotional speech", Interspeech 2005.

A recording is called ``SSTTTEv.wav``: speaker, text, emotion (a letter of the German word), version. All that the
utterance table needs stands in the name. What twenty listeners heard stands in ``erkennung.txt`` of the official download, see
`listeners`. Every text is spoken by every speaker: a model that is tested on a new speaker has heard the sentence before.
"""

import re
import warnings
from collections import defaultdict
from pathlib import Path

import pandas as pd

from sermodules.corpora import download, released
from sermodules.errors import CorpusError

TITLE = "EMO-DB, Berlin Database of Emotional Speech: acted German, 10 speakers, 7 emotions"
LICENCE = "CC BY 4.0 (Zenodo record 7447302); CC0 1.0 according to its audb card"
SOURCE = "https://zenodo.org/records/7447302"
GET = "Run `sermodules corpora get emodb` (40 MB), or unpack emodb.zip of https://zenodo.org/records/7447302 by hand."

#: Letter of the file name to class, in the class order: Wut, Trauer, Freude, neutral; Langeweile, Ekel, Angst.
EMOTIONS = {
    "W": "angry", "T": "sad", "F": "happy", "N": "neutral",
    "L": "bored", "E": "disgusted", "A": "fearful",
}  # fmt: skip
#: Recordings of each class in the complete database, 535 in all.
COUNTS = {
    "angry": 127, "sad": 62, "happy": 71, "neutral": 79,
    "bored": 81, "disgusted": 46, "fearful": 69,
}  # fmt: skip
#: Speaker to gender, from the database's own documentation (http://emodb.bilderbar.info/docu/).
GENDERS = {
    "03": "male", "08": "female", "09": "female", "10": "male", "11": "male",
    "12": "male", "13": "female", "14": "female", "15": "male", "16": "female",
}  # fmt: skip

_NAME = re.compile(
    r"(?P<speaker>[0-9]{2})(?P<text>[ab][0-9]{2})(?P<emotion>[WTFNLEA])(?P<version>[a-z])\.wav",
    re.ASCII | re.IGNORECASE,
)


def parse(name):
    """Read speaker and emotion off a file name.

    Parameters
    ----------
    name : str
        File name without a folder, such as ``03a01Fa.wav``; some copies have it in small or capital letters.

    Returns
    -------
    tuple of str, or None
        Speaker (``"03"``) and class (``"happy"``); None if it is not the name of a recording.
    """
    match = _NAME.fullmatch(name)
    return (match["speaker"], EMOTIONS[match["emotion"].upper()]) if match else None


def _utterance(name):
    """Return the name of a recording as the database has it, without its ending."""
    match = _NAME.fullmatch(name)
    return match["speaker"] + match["text"].lower() + match["emotion"].upper() + match["version"].lower()


def load(root, *, emotions="four"):
    """Read EMO-DB.

    Parameters
    ----------
    root : path
        The folder of the recordings, or one up to two levels above it: the official layout (``wav/``) and Zenodo's
        (``emodb/wav/``) are both found, and copies with a folder for each emotion or speaker.
    emotions : {"four", "all"}
        The paper's four classes, or all seven.

    Returns
    -------
    pandas.DataFrame
        The utterance table, one row a recording: ``utterance, path, speaker, session, gender, emotion, duration``
        (seconds; NaN if the file cannot be read, of which `audio.check` says more). EMO-DB has no sessions: ``session``
        is empty.

    Raises
    ------
    ConfigError
        If an option is not allowed.
    CorpusError
        If no recordings are found, one is there twice, or a speaker's gender is not known.

    Warns
    -----
    UserWarning
        If file names do not follow the scheme, or the counts differ from the complete database's: a partial copy loads.
    """
    classes = released.wanted(emotions, EMOTIONS.values())
    paths, strange = find_recordings(root)
    folder = paths[0].parent if len({path.parent for path in paths}) == 1 else Path(root).expanduser().absolute()
    released.warn_of_strange("EMO-DB", folder, strange, "speaker, text, emotion, version as in 03a01Fa.wav")
    rows = [(_utterance(path.name), str(path), *parse(path.name)) for path in paths if parse(path.name)[1] in classes]
    if problems := _problems(folder, paths, rows, classes):
        raise CorpusError("\n".join(problems))
    rows = [(*row, GENDERS[row[2]]) for row in rows]
    table = released.finished(rows, ["utterance", "path", "speaker", "emotion", "gender"])
    counts = table["emotion"].value_counts()
    if differing := [f"{counts.get(name, 0)} {name} instead of {COUNTS[name]}" for name in classes
                     if counts.get(name, 0) != COUNTS[name]]:  # fmt: skip
        more = any(counts.get(name, 0) > COUNTS[name] for name in classes)
        which = "released" if more else "complete"
        warnings.warn(
            f"EMO-DB in {folder} is not the {which} database: {', '.join(differing)}. It is used as it is."
            + (" Recordings were added to this copy: get the released one for real scores." if more else ""),
            UserWarning,
            stacklevel=2,
        )
    return table


def _problems(folder, paths, rows, classes):
    """Return what must be mended before the recordings can be used, a line of text each."""
    problems = []
    if not rows:
        problems.append(f"EMO-DB in {folder}: none of the {len(paths)} recordings is {', '.join(classes)}. {GET}")
    if unknown := sorted({row[2] for row in rows} - set(GENDERS)):
        problems.append(
            f"EMO-DB in {folder}: the gender of speaker {', '.join(unknown)} is not known; the database has"
            f" {', '.join(GENDERS)}. The recordings are"
            f" {released.listed(row[0] for row in rows if row[2] in unknown)}. Move them away, or describe all in a CSV"
            " and load it as table:path/to/utterances.csv."
        )
    places = defaultdict(list)
    for path in paths:
        places[_utterance(path.name)].append(str(path.relative_to(folder)))
    if twice := [" and ".join(found) for found in places.values() if len(found) > 1]:
        problems.append(f"EMO-DB in {folder}: there more than once: {released.listed(twice)}. Keep one of each.")
    return problems


def find_recordings(root):
    """Return the paths of the recordings, sorted by name, and the strange names beside them."""
    found = released.find(root, parse, title="EMO-DB", example="03a01Fa.wav", advice=GET)
    paths = sorted(
        (folder / name for folder, (names, _) in found.items() for name in names), key=lambda path: path.name
    )
    return paths, [name for _, strange in found.values() for name in strange]


def listeners(root):
    """Read what listeners heard in all 816 recordings that were made. Published were those that at least 80 % recognised.

    Parameters
    ----------
    root : path
        The folder that holds ``erkennung.txt``, or the folder of the recordings beside or in which it lies.

    Returns
    -------
    pandas.DataFrame or None
        Indexed by ``utterance``: ``speaker``, ``emotion`` (asked for), ``recognised`` and ``natural``: the shares of 20
        listeners who named that emotion, of seven, and who found that it sounds natural. None if the file is not there.

    Raises
    ------
    CorpusError
        If the file is not the database's.
    """
    places = [Path(root) / "erkennung.txt", Path(root).parent / "erkennung.txt"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    rows = []
    for line in path.read_text(encoding="latin-1").splitlines()[1:]:
        cells = [
            cell.strip().replace(",", ".") for cell in line.split("\t")
        ]  # decimal commas, blanks that do not break
        if not any(cells):
            continue
        try:
            speaker, emotion = parse(cells[1])
            rows.append((_utterance(cells[1]), speaker, emotion, float(cells[2]) / 100, float(cells[3]) / 100))
        except (IndexError, TypeError, ValueError):
            raise CorpusError(f"{path} is not EMO-DB's: a line of it is {line.strip()[:80]!r}. {GET}") from None
    return pd.DataFrame(rows, columns=["utterance", "speaker", "emotion", "recognised", "natural"]).set_index(
        "utterance"
    )


#: Where `get` finds the recordings. The checksum is as listed elsewhere for this record. It could not be verified here: the
#: machine on which this was written reaches no Zenodo.
ARCHIVE = download.Archive(
    title="EMO-DB",
    url="https://zenodo.org/records/7447302/files/emodb.zip",
    known_hash="md5:9d21362dbc5676ef3ab4745d83ced0db",
    source=SOURCE,
    example="wav/03a01Fa.wav",
    parse=parse,
    place=lambda name: f"wav/{name}",
    find=lambda folder: [path.name for path in find_recordings(folder)[0]],
    counts=COUNTS,
)


def get(folder, **options):
    """Download EMO-DB; the recordings go into the folder's ``wav/``. See `download.get`."""
    return download.get(ARCHIVE, folder, **options)
