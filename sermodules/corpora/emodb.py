"""EMO-DB, the Berlin database of German emotional speech: ten actors, ten fixed sentences, seven emotions.

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: "A database of German emotional speech", Interspeech 2005.

A recording is called ``SSTTTEv.wav``: speaker, text, emotion (a letter of the German word), version. All that the
utterance table needs stands in the name, so the tables that come with some copies are not read. Every text is spoken by
every speaker: a model that is tested on a new speaker has heard the sentence before.
"""

import re
import warnings

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

_NAME = re.compile(r"(?P<speaker>[0-9]{2})(?P<text>[ab][0-9]{2})(?P<emotion>[WTFNLEA])(?P<version>[a-z])\.(?i:wav)")


def parse(name):
    """Read speaker and emotion off a file name.

    Parameters
    ----------
    name : str
        File name without a folder, such as ``03a01Fa.wav``.

    Returns
    -------
    tuple of str, or None
        Speaker (``"03"``) and class (``"happy"``); None if it is not the name of a recording.
    """
    match = _NAME.fullmatch(name)
    return (match["speaker"], EMOTIONS[match["emotion"]]) if match else None


def load(root, *, emotions="four"):
    """Read EMO-DB.

    Parameters
    ----------
    root : path
        The folder of the recordings, or one up to two levels above it: the official layout (``wav/``) and Zenodo's
        (``emodb/wav/``) are both found.
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
        If no recordings are found, they lie in several folders, or a speaker's gender is not known.

    Warns
    -----
    UserWarning
        If file names do not follow the scheme, or the counts differ from the complete database's: a partial copy loads.
    """
    classes = released.wanted(emotions, EMOTIONS.values())
    folder, names, strange = find_recordings(root)
    released.warn_of_strange("EMO-DB", folder, strange, "speaker, text, emotion, version as in 03a01Fa.wav")
    rows = [(name[:-4], str(folder / name), *parse(name)) for name in names if parse(name)[1] in classes]
    if problems := _problems(folder, names, rows, classes):
        raise CorpusError("\n".join(problems))
    rows = [(*row, GENDERS[row[2]]) for row in rows]
    table = released.finished(rows, ["utterance", "path", "speaker", "emotion", "gender"])
    counts = table["emotion"].value_counts()
    if differing := [f"{counts.get(name, 0)} {name} instead of {COUNTS[name]}" for name in classes
                     if counts.get(name, 0) != COUNTS[name]]:  # fmt: skip
        warnings.warn(
            f"EMO-DB in {folder} is not the complete database: {', '.join(differing)}. It is used as it is.",
            UserWarning,
            stacklevel=2,
        )
    return table


def _problems(folder, names, rows, classes):
    """Return what must be mended before the recordings can be used, a line of text each."""
    problems = []
    if not rows:
        problems.append(f"EMO-DB in {folder}: none of the {len(names)} recordings is {', '.join(classes)}. {GET}")
    if unknown := sorted({row[2] for row in rows} - set(GENDERS)):
        problems.append(
            f"EMO-DB in {folder}: the gender of speaker {', '.join(unknown)} is not known; the database has"
            f" {', '.join(GENDERS)}. The recordings are"
            f" {released.listed(row[0] for row in rows if row[2] in unknown)}. Move them away, or describe all in a CSV"
            " and load it as table:path/to/utterances.csv."
        )
    seen = [row[0] for row in rows]
    if twice := sorted({name for name in seen if seen.count(name) > 1}):
        problems.append(f"EMO-DB in {folder}: there as .wav and as .WAV: {released.listed(twice)}. Remove one of each.")
    return problems


def find_recordings(root):
    """Return the folder of the recordings, the recordings' names (sorted) and the strange names beside them."""
    return released.find_one(root, parse, title="EMO-DB", example="03a01Fa.wav", advice=GET)


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
    find=lambda folder: find_recordings(folder)[1],
    counts=COUNTS,
)


def get(folder, **options):
    """Download EMO-DB; the recordings go into the folder's ``wav/``. See `download.get`."""
    return download.get(ARCHIVE, folder, **options)
