"""RAVDESS, the Ryerson audio-visual database of emotional speech and song: 24 actors, two fixed sentences, eight emotions.

Livingstone, Russo: "The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): A dynamic, multimodal set of
facial and vocal expressions in North American English", PLoS ONE 13(5), e0196391, 2018.

A recording is called ``03-CC-EE-II-SS-RR-AA.wav``: audio only, channel (speech or song), emotion, intensity, statement,
repetition, actor (odd: male). The release has a folder an actor; copies have all in one folder, or everything twice.
"""

import filecmp
import itertools
import re
import warnings

from sermodules.corpora import download, released
from sermodules.errors import CorpusError

TITLE = "RAVDESS, Ryerson audio-visual database of emotional speech and song: acted English, 24 speakers, 8 emotions"
LICENCE = "CC BY-NC-SA 4.0: nothing commercial, with attribution, and what is made of it under the same licence"
SOURCE = "https://zenodo.org/records/1188976"
GET = (
    "Run `sermodules corpora get ravdess` (208 MB), or unpack Audio_Speech_Actors_01-24.zip of"
    " https://zenodo.org/records/1188976 by hand. Song is Audio_Song_Actors_01-24.zip, by hand only."
)
#: What must stand beside anything that is made from the corpus and passed on.
ATTRIBUTION = """\
"The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)" by Livingstone & Russo is licensed under
CC BY-NC-SA 4.0: https://creativecommons.org/licenses/by-nc-sa/4.0/
These files hold names, speakers, genders and labels of its recordings, and what a model made of them. They are under the same
licence.
RAVDESS: https://zenodo.org/records/1188976
Livingstone SR, Russo FA. The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): A dynamic, multimodal set of
facial and vocal expressions in North American English. PLoS ONE 13(5), e0196391, 2018.
https://doi.org/10.1371/journal.pone.0196391
"""

#: Code of the file name to class.
EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgusted",
    "08": "surprised",
}  # fmt: skip
#: Code of the file name to intensity.
LEVELS = {"01": "normal", "02": "strong"}
#: The column that this corpus has besides those of every table.
COLUMNS = ("level",)

_ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
_SUNG = ("neutral", "calm", "happy", "sad", "angry", "fearful")
#: Spoken recordings of each actor and class, 1,440 in all: two statements, two repetitions, two intensities (neutral: one).
SPEECH = {(actor, name): 4 if name == "neutral" else 8 for actor in _ACTORS for name in EMOTIONS.values()}
#: Sung ones, 1,012 in all: six classes, and actor 18 did not sing.
SONG = {(actor, name): n for (actor, name), n in SPEECH.items() if name in _SUNG and actor != "18"}

_NAME = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-0[12]-0[12]-(0[1-9]|1[0-9]|2[0-4])\.(?i:wav)")


def parse(name):
    """Read a file name.

    Parameters
    ----------
    name : str
        File name without a folder, such as ``03-01-05-02-01-02-20.wav``.

    Returns
    -------
    tuple, or None
        Speaker (``"20"``), class (``"angry"``), level (``"strong"``) and whether it is sung; None if it is not the name of a
        recording.

    Examples
    --------
    >>> from sermodules.corpora import ravdess
    >>> ravdess.parse("03-01-05-02-01-02-20.wav")
    ('20', 'angry', 'strong', False)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    channel, emotion, level, actor = match.groups()
    return actor, EMOTIONS[emotion], LEVELS[level], channel == "02"


def load(root, *, emotions="four", song=False):
    """Read RAVDESS.

    Parameters
    ----------
    root : path
        The folder of the recordings, or one up to two levels above it: a folder an actor, or all in one.
    emotions : {"four", "all"}
        The paper's four classes, or all eight. Calm is not neutral: it is one of the eight.
    song : bool
        Sung recordings too. They are an archive of their own.

    Returns
    -------
    pandas.DataFrame
        The utterance table, one row a recording: ``utterance, path, speaker, session, gender, emotion, duration`` and
        ``level``, normal or strong. There are no sessions.

    Raises
    ------
    ConfigError
        If an option is not allowed.
    CorpusError
        If there are no recordings, or one is there twice and the two differ.

    Warns
    -----
    UserWarning
        If recordings are there twice (each counts once), file names do not follow the scheme, or counts differ from those of
        the release: a partial copy loads.
    """
    classes = released.wanted(emotions, EMOTIONS.values())
    paths, strange = find_recordings(root)
    released.warn_of_strange("RAVDESS", root, strange, "seven numbers as in 03-01-05-02-01-02-20.wav")
    rows = []
    for name, path in paths.items():
        speaker, emotion, level, sung = parse(name)
        if emotion in classes and (song or not sung):
            gender = "male" if int(speaker) % 2 else "female"
            rows.append((name[:-4], str(path), speaker, gender, emotion, level))
    if not rows:
        raise CorpusError(
            f"RAVDESS in {root}: none of the {len(paths)} recordings is {'' if song else 'spoken and '}"
            f"{', '.join(classes)}. {GET}"
        )
    table = released.finished(rows, ["utterance", "path", "speaker", "gender", "emotion", "level"], COLUMNS)
    expected = {key: count + (SONG.get(key, 0) if song else 0) for key, count in SPEECH.items() if key[1] in classes}
    released.warn_of_counts("RAVDESS", root, table, expected)
    return table


def find_recordings(root):
    """Return the path of each recording by its name, and the strange names beside them.

    Raises
    ------
    CorpusError
        If there are none, or one is there twice and the two differ.
    """
    found = released.find(root, parse, title="RAVDESS", example="03-01-05-02-01-02-20.wav", advice=GET)
    paths, twice = {}, []
    for folder, (names, _) in found.items():
        for name in names:
            first = paths.setdefault(f"{name[:-4]}.wav", folder / name)
            if first != folder / name:
                twice.append((first, folder / name))
    if differing := [f"{one} and {other}" for one, other in twice if not filecmp.cmp(one, other, shallow=False)]:
        raise CorpusError(
            f"RAVDESS in {root}: recordings of one name that differ: {released.listed(differing, 5)}. Keep the release's."
        )
    if twice:
        warnings.warn(
            f"RAVDESS in {root}: {len(twice)} recordings are there twice, such as {twice[0][0]} and {twice[0][1]}. Each counts"
            " once; remove the copies.",
            UserWarning,
            stacklevel=3,
        )
    return dict(sorted(paths.items())), list(itertools.chain.from_iterable(strange for _, strange in found.values()))


#: Where `get` finds the spoken recordings. The checksum is as several public projects give it that fetched this archive. It
#: could not be verified here: the machine on which this was written reaches no Zenodo.
ARCHIVE = download.Archive(
    title="RAVDESS",
    url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
    known_hash="md5:bc696df654c87fed845eb13823edef8a",
    source=SOURCE,
    example="Actor_01/03-01-01-01-01-01-01.wav",
    parse=parse,
    place=lambda name: f"Actor_{parse(name)[0]}/{name}",
    find=lambda folder: find_recordings(folder)[0],
    counts={name: sum(n for (_, other), n in SPEECH.items() if other == name) for name in EMOTIONS.values()},
)


def get(folder, **options):
    """Download the spoken recordings of RAVDESS, into a folder an actor. See `download.get`."""
    return download.get(ARCHIVE, folder, **options)
