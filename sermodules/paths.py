"""Where things lie: the checkout, the corpora and the runs."""

import contextlib
import functools
import hashlib
import logging
import os
import stat
import sys
import tempfile
from pathlib import Path

from sermodules import files
from sermodules.errors import SermodulesError


def project_root():
    """Return the folder under which ``data/`` and ``runs/`` lie.

    See chapter "The study".

    Returns
    -------
    pathlib.Path
        The checkout that holds this package (the folder with ``_toc.yml``), whatever the working directory: notebooks
        run with their own folder as working directory. Without a checkout, the working directory.

    Examples
    --------
    >>> from sermodules import paths
    >>> paths.data_roots()[-1] == paths.project_root() / "data"
    True
    """
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "_toc.yml").is_file() else Path.cwd()


def import_root():
    """Return the folder from which this process imports the package: another process can import the same from there."""
    return Path(__file__).resolve().parents[1]


def data_roots():
    """Return the folders in which corpora are looked for, in this order.

    Returns
    -------
    list of pathlib.Path
        ``$SERMODULES_DATA`` if it is set (a relative value counts from the working directory, else from the project),
        then the project's ``data/``.
    """
    roots = []
    if value := os.environ.get("SERMODULES_DATA"):
        path = _expanded(value, "SERMODULES_DATA")
        if not path.is_absolute():
            path = next(
                (base / path for base in (Path.cwd(), project_root()) if (base / path).is_dir()), Path.cwd() / path
            )
        roots.append(path.resolve())
    roots.append(project_root() / "data")
    return roots


def runs_root():
    """Return the folder in which runs are kept unless told otherwise: ``$SERMODULES_RUNS``, else the project's ``runs/``.

    See chapter "One fold".

    Examples
    --------
    >>> import os
    >>> from unittest import mock
    >>> from sermodules import paths
    >>> with mock.patch.dict(os.environ, SERMODULES_RUNS="elsewhere"):
    ...     paths.runs_root().name
    'elsewhere'
    """
    value = os.environ.get("SERMODULES_RUNS")
    return _expanded(value, "SERMODULES_RUNS").resolve() if value else project_root() / "runs"


def cache_root():
    """Return the folder of the feature cache: ``$SERMODULES_CACHE``, else the project's ``data/cache``."""
    value = os.environ.get("SERMODULES_CACHE")
    return _expanded(value, "SERMODULES_CACHE").resolve() if value else project_root() / "data" / "cache"


#: What to set where the project may only be read.
PLACES = (
    "Places of your own are set by three variables: SERMODULES_DATA (corpora), SERMODULES_CACHE (features) and SERMODULES_RUNS "
    "(runs)."
)


def _expanded(value, name):
    """Return a variable's path with the home folder in place of ``~``."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise SermodulesError(f"{name} is {value!r}, and there is no home folder: write the whole path") from error


#: By which variable a library is told the folder in which it keeps what lasts.
LIBRARIES = {"numba": "NUMBA_CACHE_DIR", "matplotlib": "MPLCONFIGDIR", "ipython": "IPYTHONDIR"}


def libraries_root():
    """Return the folder in which numba, IPython and matplotlib keep what lasts; it may not be there yet.

    It is of one user and one version of Python, and nobody else may write it, because numba's files are code. It lies in the
    cache, or, where that cannot be, in the folder for temporary files.

    Returns
    -------
    pathlib.Path or None
        None if neither place can be used.
    """
    name = f"{_user()}-{sys.implementation.cache_tag}"
    with contextlib.suppress(SermodulesError):  # of the variable: whoever needs the cache says so
        folder = cache_root() / "libraries" / name
        if _can_be_mine(folder):
            return folder
    with contextlib.suppress(OSError):  # there may be no folder for temporary files that can be used
        folder = Path(tempfile.gettempdir()) / f"sermodules-{name}"
        if _can_be_mine(folder):
            return folder
    return None


def _user():
    return os.getuid() if hasattr(os, "getuid") else "user"


def _can_be_mine(folder):
    """Tell whether a folder is this user's alone, or could be made."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        place = existing(folder)
        return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    mine = stat.S_ISDIR(found.st_mode) and _user() in (found.st_uid, "user") and not found.st_mode & others
    return mine and os.access(folder, os.W_OK | os.X_OK)


def name_libraries(*libraries):
    """Tell libraries the folder of `libraries_root`, by their variables: before they are imported, also of child processes."""
    if (folder := libraries_root()) is not None:
        os.environ |= {LIBRARIES[library]: str(folder / library) for library in libraries}
        if not (folder / "matplotlib").is_dir():  # it says that it lists the fonts, which takes some seconds, once
            logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def make_libraries():
    """Make the folder of `libraries_root`, before a library does it and gives it other rights, or cannot."""
    if (folder := libraries_root()) is not None:
        with contextlib.suppress(OSError):  # the library says so itself
            files.make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            startup = folder / "ipython" / "profile_default" / "startup"
            startup.mkdir(parents=True, exist_ok=True)
            (startup / "README").touch()  # else IPython copies one, with its rights, which some disks refuse to set


def existing(path):
    """Return a path, or the nearest folder above it that is there."""
    path = Path(path)
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


@functools.cache
def sources():
    """Return the package's source files, bytes by relative path, as they were when this process imported the package.

    What is changed later is not what computes. Hidden files and folders, such as an editor's, do not count.
    """
    package = Path(__file__).parent
    names = [(path.relative_to(package), path) for path in sorted(package.rglob("*.py"))]
    return {
        name.as_posix(): path.read_bytes()
        for name, path in names
        if not any(part.startswith(".") for part in name.parts)
    }


@functools.cache
def code_digest():
    """Return the SHA-256 of `sources`: equal digests, equal files, whatever the commit says."""
    total = hashlib.sha256()
    for name, source in sources().items():
        total.update(f"{name} {hashlib.sha256(source).hexdigest()}\n".encode())
    return total.hexdigest()
