"""Getting an open corpus: one archive, fetched, checked, unpacked safely, and put in its place when it is complete."""

import collections
import re
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout
from tqdm import tqdm

from sermodules import files, paths
from sermodules.corpora.released import FOUR, listed
from sermodules.errors import CorpusError


@dataclass(frozen=True)
class Archive:
    """What is known of a corpus's archive before it is fetched.

    Attributes
    ----------
    title : str
        What messages call the corpus.
    url, known_hash : str
        Where it is, and its checksum, ``algorithm:hexdigest``.
    source : str
        The page that shows both.
    example : str
        A recording, as its place in the corpus's folder.
    parse : callable
        Takes the name of a file and returns speaker and class first, or None if it is no recording of the corpus.
    place : callable
        Takes the name of a recording and returns its place in the corpus's folder.
    find : callable
        Takes a folder and returns the names of the recordings in it; raises `CorpusError` if there is none.
    counts : mapping of str to int
        Recordings of each class in the complete corpus.
    max_members, max_bytes : int
        Limits on the archive: members, and what they unpack to.
    """

    title: str
    url: str
    known_hash: str
    source: str
    example: str
    parse: Callable
    place: Callable
    find: Callable
    counts: Mapping
    max_members: int = 5_000
    max_bytes: int = 1_000_000_000

    @property
    def file(self):
        """The archive's own name."""
        return self.url.rpartition("/")[2]

    def missing(self, names):
        """Return how many recordings of each class are there, of the classes of which some are not."""
        counts = collections.Counter(self.parse(name)[1] for name in names)
        return {emotion: counts[emotion] for emotion, count in self.counts.items() if counts[emotion] < count}

    def described(self, missing):
        """Put what `missing` returns into words."""
        return ", ".join(f"{count} of {self.counts[emotion]} {emotion}" for emotion, count in missing.items())


def get(archive, folder, *, url=None, known_hash=None, progress=True):
    """Download a corpus and put it into a folder, which appears only when it is complete.

    Run it again after any failure: a download that was verified is used again, everything else starts anew. Two calls
    at once are safe: the second one waits and finds the work done.

    Parameters
    ----------
    archive : Archive
    folder : path
        Where the corpus is to lie.
    url : str, optional
        Another address of the archive, for example a mirror.
    known_hash : str, optional
        The archive's checksum, ``algorithm:hexdigest``, if it is not the known one.
    progress : bool
        Show a progress bar if the output is a terminal.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    CorpusError
        If the download or its verification fails, the archive is unsafe or does not hold the corpus, or `folder` holds
        something else. Nothing is left under the folder's name then.
    """
    folder = Path(folder).expanduser().absolute()
    by_hand = (
        f"By hand: get {archive.file} from {archive.source} and unpack it so that {folder / archive.example} is there;"
        " `sermodules corpora` shows whether it was found."
    )
    try:
        if _is_there(archive, folder):
            return folder
        files.make_folder(folder.parent)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Waiting for another process that is getting {folder} ...", flush=True)
            lock.acquire()
        try:
            if _is_there(archive, folder):  # another process was quicker
                return folder
            _fetch(archive, folder, url or archive.url, known_hash or archive.known_hash, progress, by_hand)
        finally:
            lock.release()
    except OSError as error:
        raise CorpusError(
            f"could not write {folder}: {files.refusal(error)}. Mend that or name another folder with --to. {paths.PLACES}"
        ) from error
    print(f"{archive.title} is ready in {folder}.")
    return folder


def _is_there(archive, folder):
    """Tell whether the corpus is in the folder already, and say so; raise if something else is in the way."""
    title = archive.title
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise CorpusError(f"{folder} is a file, so {title} cannot be put there. Move it away and run it again.")
    if not any(folder.iterdir()):
        return False
    try:
        names = archive.find(folder)
    except CorpusError as error:
        raise CorpusError(
            f"{folder} is there but is no copy of {title} that could be read. Move it away and run it again. ({error})"
        ) from error
    missing = archive.missing(names)
    if not missing:
        print(f"{title} is there already, complete, in {folder}: nothing to do.")
    elif not set(missing) & set(FOUR):
        print(
            f"{title} is there already in {folder}, with the paper's four classes; the others are incomplete"
            f" ({archive.described(missing)}). Nothing is done. To get all, move the folder away and run it again."
        )
    else:
        raise CorpusError(
            f"{folder} holds an incomplete copy of {title}: {archive.described(missing)}. Nothing was changed. Move the"
            " folder away and run it again to get a complete one."
        )
    return True


def _fetch(archive, folder, url, known_hash, progress, by_hand):
    """Download, verify, unpack beside the folder and rename; the caller holds the lock."""
    work = folder.parent / f".{folder.name}.partial"
    work.mkdir(exist_ok=True)
    for path in work.iterdir():  # what an interrupted run left; a verified archive is used again
        if path.name != archive.file:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    import pooch  # here, because importing it makes tqdm.auto warn in a notebook

    pooch.get_logger().setLevel("WARNING")  # it reports to stderr, which counts as an error in a notebook
    bar = False
    if progress and sys.stdout.isatty():
        bar = tqdm(total=1, desc=archive.file, unit="B", unit_scale=True, file=sys.stdout)  # pooch sets the total
    try:
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16)
        fetched = pooch.retrieve(url, known_hash, fname=archive.file, path=work, downloader=downloader)
    except OSError as error:  # every error of requests is one
        raise CorpusError(
            f"could not download {url}: {error}. Check the connection and run it again; nothing was kept. {by_hand}"
        ) from error
    except ValueError as error:
        raise CorpusError(
            f"the file that {url} sent is not the expected one: {error} It was deleted; run it again. If it fails"
            f" again, compare the checksum that {archive.source} shows. {by_hand}"
        ) from error
    finally:
        if bar is not False:
            bar.close()
    staging = work / "extracted"
    try:
        names = _extract(archive, fetched, staging)
        if missing := archive.missing(names):
            raise CorpusError(f"it does not hold {archive.title}: {archive.described(missing)}")
    except CorpusError as error:
        shutil.rmtree(work)
        raise CorpusError(
            f"the archive from {url} was not unpacked: {error}. Nothing was kept. Use the one of {archive.source}. {by_hand}"
        ) from error
    if folder.is_dir():
        folder.rmdir()  # it is empty: a rename replaces it on POSIX only
    staging.rename(folder)
    shutil.rmtree(work, ignore_errors=True)


def _extract(archive, file, target):
    """Unpack the recordings of a zip archive, and nothing else, into a new folder.

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
    try:
        with zipfile.ZipFile(file) as opened:
            recordings = _recordings(archive, opened.infolist())
            for name, member in recordings.values():
                path = target / archive.place(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, path.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorpusError(f"it is not a sound zip archive ({error})") from error
    return [name for name, _ in recordings.values()]


def _recordings(archive, members):
    """Return name and member of each recording; refuse an archive that is too large or holds anything unsafe."""
    if len(members) > archive.max_members:
        raise CorpusError(f"it has {len(members)} members, more than the {archive.max_members} allowed")
    # zipfile never unpacks more of a member than the size that is declared here.
    if (size := sum(member.file_size for member in members)) > archive.max_bytes:
        raise CorpusError(f"it would unpack to {size} bytes, more than the {archive.max_bytes} allowed")
    unsafe = [f"{member.orig_filename!r} ({reason})" for member in members if (reason := _unsafe(member))]
    found = {}
    for member in members:
        name = PurePosixPath(member.filename).name
        if archive.parse(name) and not member.is_dir():
            if name.lower() in found:
                unsafe.append(f"{member.orig_filename!r} (there twice)")
            found[name.lower()] = (name, member)
    if unsafe:
        raise CorpusError(f"it has unsafe members: {listed(unsafe)}")
    return found


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
