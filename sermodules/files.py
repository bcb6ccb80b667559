"""Files and folders that are there whole or not at all, and their digests."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import tempfile
from pathlib import Path


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
        ``parent/.name.XXXXXXXX``, on the same disk as the name that it will get.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
    try:
        with contextlib.suppress(OSError):  # a disk that knows no rights, such as a share or a drive of Windows
            folder.chmod(0o755)
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
    OSError
        If `source` is no folder, or something cannot be read or written.
    """
    if not source.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(source))
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
    try:
        with hidden.open(mode, **options) as file:
            yield file
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
