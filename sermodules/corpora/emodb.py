"""EMO-DB, the Berlin database of German emotional speech: ten actors, ten fixed sentences, seven emotions.

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: "A database of German emotional speech", Interspeech 2005.

A recording is called ``SSTTTEv.wav``: speaker, text, emotion (a letter of the German word), version. All that the
utterance table needs stands in the name, so the tables that come with some copies are not read. Every text is spoken by
every speaker: a model that is tested on a new speaker has heard the sentence before.
"""

import collections
import re
import shutil
import stat
import sys
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from sermodules.corpora import audio
from sermodules.errors import ConfigError, CorpusError

TITLE = "EMO-DB, Berlin Database of Emotional Speech: acted German, 10 speakers, 7 emotions"
LICENCE = "CC BY 4.0 (Zenodo record 7447302); CC0 1.0 according to its audb card"
SOURCE = "https://zenodo.org/records/7447302"
GET = "Run `sermodules corpora get emodb` (40 MB), or unpack emodb.zip of https://zenodo.org/records/7447302 by hand."

#: Where `get` downloads from.
URL = "https://zenodo.org/records/7447302/files/emodb.zip"
# As listed elsewhere for this record. It could not be verified here: the machine on which this was written reaches no
# Zenodo.
MD5 = "md5:9d21362dbc5676ef3ab4745d83ced0db"

#: Letter of the file name to class, in the class order: Wut, Trauer, Freude, neutral; Langeweile, Ekel, Angst.
EMOTIONS = {
    "W": "angry", "T": "sad", "F": "happy", "N": "neutral",
    "L": "bored", "E": "disgusted", "A": "fearful",
}  # fmt: skip
#: The paper's four classes.
FOUR = ("angry", "sad", "happy", "neutral")
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

#: Columns of the utterance table.
COLUMNS = ["utterance", "path", "speaker", "session", "gender", "emotion", "duration"]

_NAME = re.compile(r"(?P<speaker>[0-9]{2})(?P<text>[ab][0-9]{2})(?P<emotion>[WTFNLEA])(?P<version>[a-z])\.(?i:wav)")

#: Limits on an archive: the official ones hold some 550 to 2,800 members and unpack to some 50 MB.
MAX_MEMBERS = 5_000
MAX_BYTES = 500_000_000


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


def load(root, *, emotions="four", merge_excited=False, scripted=False):
    """Read EMO-DB.

    Parameters
    ----------
    root : path
        The folder of the recordings, or one up to two levels above it: the official layout (``wav/``) and Zenodo's
        (``emodb/wav/``) are both found.
    emotions : {"four", "all"}
        The paper's four classes, or all seven.
    merge_excited, scripted : bool
        They mean nothing to this corpus and must be False.

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
    if emotions not in ("four", "all"):
        raise ConfigError(f"emotions is {emotions!r}: it must be 'four' or 'all'")
    if wrong := [name for name, value in (("merge_excited", merge_excited), ("scripted", scripted)) if value]:
        raise ConfigError(f"{' and '.join(wrong)} must be false for EMO-DB, which has no such turns")
    folder, names, strange = find_recordings(Path(root).expanduser().absolute())
    if strange:
        warnings.warn(
            f"EMO-DB: left out {len(strange)} file(s) in {folder} whose names are not speaker, text, emotion, version"
            f" as in 03a01Fa.wav: {_listed(strange)}. Rename or remove them.",
            UserWarning,
            stacklevel=2,
        )
    wanted = FOUR if emotions == "four" else tuple(EMOTIONS.values())
    rows = [(name[:-4], str(folder / name), *parse(name)) for name in names if parse(name)[1] in wanted]
    table = pd.DataFrame(rows, columns=["utterance", "path", "speaker", "emotion"])
    unknown = sorted(set(table["speaker"]) - set(GENDERS))
    problems = []
    if table.empty:
        problems.append(f"EMO-DB in {folder}: none of the {len(names)} recordings is {', '.join(wanted)}. {GET}")
    if unknown:
        problems.append(
            f"EMO-DB in {folder}: the gender of speaker {', '.join(unknown)} is not known; the database has"
            f" {', '.join(GENDERS)}. The recordings are"
            f" {_listed(table.loc[table['speaker'].isin(unknown), 'utterance'])}. Move them away, or describe all in a CSV"
            " and load it as table:path/to/utterances.csv."
        )
    if twice := table.loc[table["utterance"].duplicated(), "utterance"].tolist():
        problems.append(f"EMO-DB in {folder}: there as .wav and as .WAV: {_listed(twice)}. Remove one of each.")
    if problems:
        raise CorpusError("\n".join(problems))
    counts = table["emotion"].value_counts()
    if differing := [f"{counts.get(name, 0)} {name} instead of {COUNTS[name]}" for name in wanted
                     if counts.get(name, 0) != COUNTS[name]]:  # fmt: skip
        warnings.warn(
            f"EMO-DB in {folder} is not the complete database: {', '.join(differing)}. It is used as it is.",
            UserWarning,
            stacklevel=2,
        )
    table["session"] = ""
    table["gender"] = table["speaker"].map(GENDERS)
    table["duration"] = audio.durations(table["path"])
    return table.sort_values("utterance", ignore_index=True)[COLUMNS]


def _listed(names, limit=20):
    names = sorted(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def find_recordings(root):
    """Return the folder of the recordings, the recordings' names (sorted) and the strange names beside them."""
    if not root.is_dir():
        raise CorpusError(f"EMO-DB: there is no folder {root}. {GET}")
    found, other = {}, []
    for folder in (root, *root.glob("*/"), *root.glob("*/*/")):
        if any(part.startswith((".", "__MACOSX")) for part in folder.relative_to(root).parts):
            continue
        wavs = [
            path.name for path in sorted(folder.iterdir())
            if path.suffix.lower() == ".wav" and not path.name.startswith("._") and path.is_file()
        ]  # fmt: skip
        names = [name for name in wavs if parse(name)]
        if names:
            found[folder] = (names, [name for name in wavs if not parse(name)])
        other += wavs
    if not found:
        seen = f" The wav files there have other names: {_listed(other, 5)}." if other else ""
        raise CorpusError(
            f"EMO-DB: no recordings in {root} or up to two folders down; their names are like 03a01Fa.wav.{seen} {GET}"
        )
    if len(found) > 1:
        folders = ", ".join(str(folder) for folder in sorted(found))
        raise CorpusError(f"EMO-DB: recordings in more than one folder: {folders}. Keep one, or name the one to read.")
    [(folder, (names, strange))] = found.items()
    return folder, names, strange


def get(folder, *, url=None, known_hash=None, progress=True):
    """Download EMO-DB and put it into a folder, which appears only when it is complete.

    Run it again after any failure: a download that was verified is used again, everything else starts anew. Two calls
    at once are safe: the second one waits and finds the work done.

    Parameters
    ----------
    folder : path
        Where the corpus is to lie; the recordings go into its ``wav/``.
    url : str, optional
        Another address of the archive, for example a mirror.
    known_hash : str, optional
        The archive's checksum, ``algorithm:hexdigest``, if it is not the one of Zenodo's.
    progress : bool
        Show a progress bar if the output is a terminal.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    CorpusError
        If the download or its verification fails, the archive is unsafe or is not EMO-DB, or `folder` holds something
        else. Nothing is left under the folder's name then.
    """
    folder = Path(folder).expanduser().absolute()
    url, known_hash = url or URL, known_hash or MD5
    by_hand = (
        f"By hand: get emodb.zip from {SOURCE} and unpack it so that {folder / 'wav' / '03a01Fa.wav'} is there;"
        " `sermodules corpora` shows whether it was found."
    )
    try:
        if _is_there(folder):
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Waiting for another process that is getting {folder} ...", flush=True)
            lock.acquire()
        try:
            if _is_there(folder):  # another process was quicker
                return folder
            _fetch(folder, url, known_hash, progress, by_hand)
        finally:
            lock.release()
    except OSError as error:
        raise CorpusError(f"could not write {folder}: {error}. Mend that or name another folder.") from error
    print(f"EMO-DB is ready in {folder}.")
    return folder


def _is_there(folder):
    """Tell whether the corpus is in the folder already, and say so; raise if something else is in the way."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise CorpusError(f"{folder} is a file, so EMO-DB cannot be put there. Move it away and run it again.")
    if not any(folder.iterdir()):
        return False
    try:
        _, names, _ = find_recordings(folder)
    except CorpusError as error:
        raise CorpusError(
            f"{folder} is there but is no copy of EMO-DB that could be read. Move it away and run it again. ({error})"
        ) from error
    missing = _missing(names)
    if not missing:
        print(f"EMO-DB is there already, complete, in {folder}: nothing to do.")
    elif not set(missing) & set(FOUR):
        print(
            f"EMO-DB is there already in {folder}, with the paper's four classes; the others are incomplete"
            f" ({_described(missing)}). Nothing is done. To get all seven, move the folder away and run it again."
        )
    else:
        raise CorpusError(
            f"{folder} holds an incomplete copy of EMO-DB: {_described(missing)}. Nothing was changed. Move the"
            " folder away and run it again to get a complete one."
        )
    return True


def _missing(names):
    counts = collections.Counter(parse(name)[1] for name in names)
    return {emotion: counts[emotion] for emotion, count in COUNTS.items() if counts[emotion] < count}


def _described(missing):
    return ", ".join(f"{count} of {COUNTS[emotion]} {emotion}" for emotion, count in missing.items())


def _fetch(folder, url, known_hash, progress, by_hand):
    """Download, verify, unpack beside the folder and rename; the caller holds the lock."""
    work = folder.parent / f".{folder.name}.partial"
    work.mkdir(exist_ok=True)
    for path in work.iterdir():  # what an interrupted run left; a verified archive is used again
        if path.name != "emodb.zip":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    import pooch  # here, because importing it makes tqdm.auto warn in a notebook

    pooch.get_logger().setLevel("WARNING")  # it reports to stderr, which counts as an error in a notebook
    bar = False
    if progress and sys.stdout.isatty():
        bar = tqdm(total=1, desc="emodb.zip", unit="B", unit_scale=True, file=sys.stdout)  # pooch sets the total
    try:
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16)
        archive = pooch.retrieve(url, known_hash, fname="emodb.zip", path=work, downloader=downloader)
    except OSError as error:  # every error of requests is one
        raise CorpusError(
            f"could not download {url}: {error}. Check the connection and run it again; nothing was kept. {by_hand}"
        ) from error
    except ValueError as error:
        raise CorpusError(
            f"the file that {url} sent is not the expected one: {error} It was deleted; run it again. If it fails"
            f" again, compare the checksum that {SOURCE} shows. {by_hand}"
        ) from error
    finally:
        if bar is not False:
            bar.close()
    staging = work / "extracted"
    try:
        names = _extract(archive, staging / "wav")
        if missing := _missing(names):
            raise CorpusError(f"it does not hold EMO-DB: {_described(missing)}")
    except CorpusError as error:
        shutil.rmtree(work)
        raise CorpusError(
            f"the archive from {url} was not unpacked: {error}. Nothing was kept. Use the one of {SOURCE}. {by_hand}"
        ) from error
    if folder.is_dir():
        folder.rmdir()  # it is empty: a rename replaces it on POSIX only
    staging.rename(folder)
    shutil.rmtree(work, ignore_errors=True)


def _extract(archive, target):
    """Unpack the recordings of a zip archive, and nothing else, flat into a new folder.

    Returns
    -------
    list of str
        The names of the recordings.

    Raises
    ------
    CorpusError
        If a member points out of the folder, is a link or is encrypted, if the archive is too large or damaged. Apart
        from damage that only unpacking shows, it is found before anything is written.
    """
    target.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            if len(members) > MAX_MEMBERS:
                raise CorpusError(f"it has {len(members)} members, more than the {MAX_MEMBERS} allowed")
            # zipfile never unpacks more of a member than the size that is declared here.
            if (size := sum(member.file_size for member in members)) > MAX_BYTES:
                raise CorpusError(f"it would unpack to {size} bytes, more than the {MAX_BYTES} allowed")
            unsafe = [f"{member.orig_filename!r} ({reason})" for member in members if (reason := _unsafe(member))]
            recordings = {}
            for member in members:
                name = PurePosixPath(member.filename).name
                if parse(name) and not member.is_dir():
                    if name.lower() in recordings:
                        unsafe.append(f"{member.orig_filename!r} (there twice)")
                    recordings[name.lower()] = (name, member)
            if unsafe:
                raise CorpusError(f"it has unsafe members: {_listed(unsafe)}")
            for name, member in recordings.values():
                with file.open(member) as source, (target / name).open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorpusError(f"it is not a sound zip archive ({error})") from error
    return [name for name, _ in recordings.values()]


def _unsafe(member):
    """Say why a member of an archive must not be unpacked, or return an empty string."""
    name, mode = member.orig_filename, member.external_attr >> 16
    if "\\" in name or "\0" in name:
        return "a backslash or a null byte in the name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if ".." in name.split("/"):
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    if member.flag_bits & 0x1:
        return "encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "an unusual compression"
    return ""
