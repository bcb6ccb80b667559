"""Files and folders that are there whole or not at all, their digests, and who may read and write them."""

import contextlib
import errno
import glob
import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from sermodules.errors import StoreError


def sha256(path):
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "empty")
    ...     file.touch()
    ...     sha256(file)[:8]
    'e3b0c442'
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: What a file begins with that Git LFS leaves in place of another, and more bytes than such a file has.
LFS_HEAD, LFS_SIZE = b"version https://git-lfs", 1024


def is_lfs_pointer(path):
    """Tell whether a file is what a clone without Git LFS holds in place of a large file; False if it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "speech.wav")
    ...     _ = file.write_text("version https://git-lfs.github.com/spec/v1 ...")
    ...     is_lfs_pointer(file)
    True
    """
    try:
        if Path(path).stat().st_size > LFS_SIZE:
            return False
        with Path(path).open("rb") as file:
            return file.read(len(LFS_HEAD)) == LFS_HEAD
    except OSError:
        return False


def above_or_below(path):
    """Return the file of the same name in the folder above that of a path, or in one below it; None if there is none.

    A folder above is looked for even where the path's own folder is not there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "below").mkdir()
    ...     Path(folder, "study.yaml").touch()
    ...     above_or_below(Path(folder, "below", "study.yaml")) == Path(folder, "study.yaml")
    True
    """
    folder = Path(os.path.normpath(Path(path).absolute())).parent
    try:
        below = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        places = [place / Path(path).name for place in [folder.parent, *below]]
        return next((place for place in places if place.is_file()), None)
    except OSError:  # no right to look
        return None


@contextlib.contextmanager
def staging(parent, name):
    """Give a hidden folder to fill, which the caller then gives its name; what is not renamed is removed at the end.

    Parameters
    ----------
    parent : pathlib.Path
        Must be there.
    name : str
        Whose folder it will be.

    Yields
    ------
    pathlib.Path
        ``parent/.name.XXXXXXXX``, on the same disk as the name that it will get. Who may read it, the umask says, or the
        group of the parent: see `share`.
    """
    folder = Path(parent) / f".{name}.{secrets.token_hex(4)}"
    folder.mkdir()
    share(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy(source, target, leave_out=()):
    """Copy the files below a folder into another one. Rights and times stay behind: some disks refuse to set them.

    Parameters
    ----------
    source, target : pathlib.Path
        Folders that are there.
    leave_out : iterable of str
        Names of files that are not copied.

    Raises
    ------
    NotADirectoryError
        If `source` is no folder.
    """
    if not source.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(source))
    for path in source.rglob("*"):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif path.name not in leave_out:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def remove_staging(parent, name):
    """Remove what killed processes left of `staging`. Only whoever holds a lock on the name may do so."""
    for left in Path(parent).glob(f".{glob.escape(name)}.*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def whole_file(path, mode="wb", **options):
    """Open a hidden file to write, which gets the name `path` when the block ends without an error.

    Whoever writes must be alone (hold a lock): the hidden file always has the same name, so a killed process leaves one.
    """
    path = Path(path)
    hidden = path.with_name(f".{path.name}.new")
    hidden.unlink(missing_ok=True)  # of a killed process, perhaps another person's
    try:
        with hidden.open(mode, **options) as file:
            yield file
        share(hidden)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)


def share(path):
    """Let the group read and write a file or a folder that was just made, if it may write the folder in which that lies.

    So people of one group can go on with each other's work, whatever their umask is. Elsewhere the umask decides. A folder
    that everybody shares, such as ``/tmp``, is nobody's. What a disk refuses does not matter.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder).chmod(0o770)
    ...     file = Path(folder, "mine")
    ...     file.touch(0o600)
    ...     share(file)
    ...     oct(file.stat().st_mode)[-3:]
    '660'
    """
    path = Path(path)
    with contextlib.suppress(OSError):
        parent, own = path.parent.stat(), path.stat()
        everybodys = parent.st_mode & stat.S_ISVTX and parent.st_mode & stat.S_IWOTH
        if everybodys or not parent.st_mode & stat.S_IWGRP:
            return
        if own.st_gid != parent.st_gid:
            with contextlib.suppress(OSError):  # who is not in the group cannot give it anything
                os.chown(path, -1, parent.st_gid)
        rights = stat.S_IRGRP | stat.S_IWGRP
        if path.is_dir():
            rights |= stat.S_IXGRP | parent.st_mode & stat.S_ISGID
        if own.st_mode & rights != rights:
            path.chmod(stat.S_IMODE(own.st_mode) | rights)


def share_all(folder):
    """Do as `share` does with a folder that was just filled, and with all that is in it."""
    share(folder)
    for path in Path(folder).rglob("*"):
        share(path)


def make_folder(folder):
    """Make a folder, and those above it that are not there, with the rights that `share` gives."""
    folder = Path(folder)
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        share(folder)


def refusal(error):
    """Say in one sentence what the system did not let us read or write, and whose it is.

    Parameters
    ----------
    error : OSError

    Returns
    -------
    str
        What the system says, if it is something else than a right that is missing, or names no file.
    """
    if not isinstance(error, PermissionError) or not isinstance(error.filename, (str, bytes, os.PathLike)):
        return str(error)
    place = Path(os.fsdecode(error.filename))
    while not _visible(place) and place != place.parent:
        place = place.parent
    what = f"{error.filename}: {error.strerror or error}"
    return f"{what} ({place} belongs to {owner(place)}; `chmod -R g+rwX` by them lets their group in)"


def _visible(place):
    try:
        place.stat()
    except OSError:
        return False
    return True


def owner(place):
    """Return the name of a file's owner, or the number where the system knows no name."""
    try:
        return place.owner()
    except (KeyError, NotImplementedError):
        return f"user {place.stat().st_uid}"


@contextlib.contextmanager
def refused_by_name():
    """Turn a refusal of the system in this block into a `StoreError` that names the file and its owner."""
    try:
        yield
    except PermissionError as error:
        raise StoreError(f"{refusal(error)}.") from error
