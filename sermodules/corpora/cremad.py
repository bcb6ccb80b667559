"""CREMA-D: 91 actors, twelve fixed sentences, six emotions, and what listeners heard.

Cao, Cooper, Keutmann, Gur, Nenkova, Verma: "CREMA-D: Crowd-sourced emotional multimodal actors dataset", IEEE Transactions on
Affective Computing 5(4), 2014.

A recording is called ``ACTOR_SENTENCE_EMOTION_LEVEL.wav`` and lies in ``AudioWAV/``. The label is what the actor was asked for;
listeners often heard something else, and ``processedResults/tabulatedVotes.csv`` says how many heard what.

Faults of the release, which `sermodules.corpora.duplicates` finds and leaves out: ``1076_MTI_SAD_XX`` is digital silence, and
three times one sound stands under two labels: ``1006_TIE_HAP_XX`` and ``1006_TIE_NEU_XX``, ``1013_WSI_SAD_XX`` and
``1013_WSI_DIS_XX``, ``1017_IWW_ANG_XX`` and ``1017_IWW_FEA_XX``. Of the four classes 4,897 of 4,900 recordings remain.
"""

import re
from pathlib import Path

import pandas as pd

from sermodules import files
from sermodules.corpora import released
from sermodules.errors import CorpusError

TITLE = "CREMA-D, crowd-sourced emotional multimodal actors dataset: acted English, 91 speakers, 6 emotions"
LICENCE = (
    "ODbL 1.0, contents DbCL 1.0: to use and to share, with attribution; databases made of it under the same licence"
)
SOURCE = "https://github.com/CheyneyComputerScience/CREMA-D"
#: What gets the recordings into a clone that holds only pointers to them.
LFS = 'git lfs install && git lfs pull --include "AudioWAV/*"'
GET = (
    "Install Git LFS (https://git-lfs.com), then, in the project: GIT_LFS_SKIP_SMUDGE=1 git clone --depth 1"
    f" https://github.com/CheyneyComputerScience/CREMA-D data/cremad && cd data/cremad && {LFS} (0.6 GB). A clone without"
    " Git LFS, or the archive that GitHub offers, holds pointer files of 130 bytes in place of the recordings."
)
#: What must stand beside anything that is made from the corpus and passed on.
ATTRIBUTION = """\
Contains information from CREMA-D (names, speakers, genders and labels of recordings), which is made available here under the
Open Database License (ODbL) 1.0: https://opendatacommons.org/licenses/odbl/1-0/
Any rights in individual contents of the database are licensed under the Database Contents License 1.0:
https://opendatacommons.org/licenses/dbcl/1-0/
CREMA-D: https://github.com/CheyneyComputerScience/CREMA-D
Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R. CREMA-D: Crowd-sourced emotional multimodal actors dataset. IEEE
Transactions on Affective Computing 5(4), 377-390, 2014. https://doi.org/10.1109/TAFFC.2014.2336244
"""

#: Code of the file name to class, in the class order.
EMOTIONS = {
    "ANG": "angry", "SAD": "sad", "HAP": "happy", "NEU": "neutral", "DIS": "disgusted", "FEA": "fearful",
}  # fmt: skip
#: Code of the file name to the intensity that the actor was asked for. It was asked for in one sentence, IEO, only.
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": ""}
#: The twelve sentences.
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
#: Letter of the votes to class: what a listener could choose.
VOTES = {"A": "angry", "S": "sad", "H": "happy", "N": "neutral", "D": "disgusted", "F": "fearful"}
#: First digit of a line of the votes to what its people were given.
CHANNELS = {"voice": 1, "face": 2, "both": 3}
#: The columns that this corpus has besides those of every table: the level (``""`` where none was asked for), and how many
#: people, of those who had the voice alone, heard which emotion (a missing value where the release's votes are not there).
COLUMNS = ("level", *(f"heard_{name}" for name in VOTES.values()))

_ACTORS = tuple(str(number) for number in range(1001, 1092))
#: Recordings of an actor and class where it is not 12 of neutral and 14 of every other.
_FEWER = {"1008": (13, 11), "1009": (13, 11), "1019": (13, 11), "1002": (14, 11), "1076": (14, 11)}
#: Recordings of each actor and class in the complete release, 7,442 in all.
COUNTS = {
    (actor, name): _FEWER.get(actor, (14, 12))[name == "neutral"] for actor in _ACTORS for name in EMOTIONS.values()
}

#: An older release has one name that ends with a single X.
_NAME = re.compile(rf"(10[0-9]{{2}})_({'|'.join(SENTENCES)})_({'|'.join(EMOTIONS)})_({'|'.join(LEVELS)}|X)\.(?i:wav)")


def parse(name):
    """Read a file name.

    Parameters
    ----------
    name : str
        File name without a folder, such as ``1001_IEO_ANG_HI.wav``.

    Returns
    -------
    tuple of str, or None
        Speaker (``"1001"``), class (``"angry"``), level (``"high"``) and the recording's name as the votes have it; None if it
        is not the name of a recording.

    Examples
    --------
    >>> from sermodules.corpora import cremad
    >>> cremad.parse("1001_IEO_ANG_HI.wav")
    ('1001', 'angry', 'high', '1001_IEO_ANG_HI')
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    speaker, sentence, code, level = match.groups()
    level = "XX" if level == "X" else level
    return speaker, EMOTIONS[code], LEVELS[level], f"{speaker}_{sentence}_{code}_{level}"


def load(root, *, emotions="four"):
    """Read CREMA-D.

    Parameters
    ----------
    root : path
        The folder that holds ``AudioWAV`` and ``VideoDemographics.csv``, or one up to two levels above it.
    emotions : {"four", "all"}
        The paper's four classes, or all six.

    Returns
    -------
    pandas.DataFrame
        The utterance table, one row a recording: ``utterance, path, speaker, session, gender, emotion, duration`` and the
        columns of `COLUMNS`. There are no sessions. Faults of the release are in it: `sermodules.corpora.load` leaves them out.

    Raises
    ------
    ConfigError
        If an option is not allowed.
    CorpusError
        If there are no recordings or only pointers to them, the sex of a speaker is not known, or the table of votes is not
        the release's.

    Warns
    -----
    UserWarning
        If file names do not follow the scheme, or counts differ from those of the release: a partial copy loads.
    """
    classes = released.wanted(emotions, EMOTIONS.values())
    folder, names, strange = find_recordings(root)
    released.warn_of_strange("CREMA-D", folder, strange, "actor, sentence, emotion, level as in 1001_IEO_ANG_HI.wav")
    found = {name: parse(name) for name in names if parse(name)[1] in classes}
    if not found:
        raise CorpusError(f"CREMA-D in {folder}: none of the {len(names)} recordings is {', '.join(classes)}. {GET}")
    if twice := sorted(pd.Series([utterance for *_, utterance in found.values()]).loc[lambda s: s.duplicated()]):
        raise CorpusError(f"CREMA-D in {folder}: there under two names: {released.listed(twice)}. Remove one of each.")
    genders = _genders(folder, {speaker for speaker, *_ in found.values()})
    rows = [
        (utterance, str(folder / name), speaker, genders[speaker], emotion, level)
        for name, (speaker, emotion, level, utterance) in found.items()
    ]
    table = released.finished(rows, ["utterance", "path", "speaker", "gender", "emotion", "level"], COLUMNS[:1])
    released.warn_of_counts("CREMA-D", folder, table, {key: n for key, n in COUNTS.items() if key[1] in classes})
    heard = votes(folder.parent)
    heard = pd.DataFrame(columns=list(VOTES.values()), dtype="Int64") if heard is None else heard
    return table.join(heard.add_prefix("heard_").astype("Int64"), on="utterance")


def find_recordings(root):
    """Return the folder of the recordings, the recordings' names (sorted) and the strange names beside them.

    Chapter "What people hear" plays ten of them.

    Raises
    ------
    CorpusError
        If there are none, or Git LFS has left pointers in their place.
    """
    folder, names, strange = released.find_one(root, parse, title="CREMA-D", example="1001_IEO_ANG_HI.wav", advice=GET)
    released.refuse_pointers("CREMA-D", [folder / name for name in names], LFS)
    return folder, names, strange


def votes(root, channel="voice"):
    """Read what people heard or saw.

    Parameters
    ----------
    root : path
        The folder that holds ``processedResults``.
    channel : {"voice", "face", "both"}
        What the people were given.

    Returns
    -------
    pandas.DataFrame or None
        A row a recording, a column a class of `VOTES`: how many of 4 to 12 people chose it. None if the file is not there.

    Raises
    ------
    CorpusError
        If the file is not the release's.
    """
    path = Path(root) / "processedResults" / "tabulatedVotes.csv"
    if not path.is_file():
        return None
    table = _read(path, [*VOTES, "fileName"])
    numbers = pd.to_numeric(table.iloc[:, 0], errors="coerce")  # its first column has no name
    table = table[numbers // 100_000 == CHANNELS[channel]].set_index("fileName")[list(VOTES)]
    if table.empty or table.index.duplicated().any() or not all(map(pd.api.types.is_integer_dtype, table.dtypes)):
        raise CorpusError(_not_the_release(path, "it does not count the answers of people, once a recording"))
    return table.rename(columns=VOTES).rename_axis("utterance")


def _genders(folder, speakers):
    """Return the gender of each speaker from ``VideoDemographics.csv``, beside the folder of the recordings or in it."""
    places = [base / "VideoDemographics.csv" for base in (folder.parent, folder)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise CorpusError(
            f"CREMA-D: there is no {places[0]}, which says who is a woman and who a man. It is in the repository ({SOURCE}),"
            " though not in every copy of the recordings: put it there."
        )
    table = _read(path, ["ActorID", "Sex"])
    genders = dict(zip(table["ActorID"].astype(str), table["Sex"].astype(str).str.lower(), strict=True))
    if unknown := sorted(who for who in speakers if genders.get(who) not in ("female", "male")):
        raise CorpusError(
            _not_the_release(path, f"it does not say Male or Female of speaker {released.listed(unknown)}")
        )
    return genders


def _read(path, columns):
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # every error of the parser is a ValueError
        raise CorpusError(_not_the_release(path, str(error))) from error
    if missing := [name for name in columns if name not in table]:
        pointer = "it is a pointer of Git LFS: git lfs pull" if files.is_lfs_pointer(path) else ""
        raise CorpusError(_not_the_release(path, pointer or f"it lacks the columns {', '.join(missing)}"))
    return table


def _not_the_release(path, reason):
    return f"CREMA-D: {path} is not the release's: {reason}. Get it again from {SOURCE}."
