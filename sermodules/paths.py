"""Where things lie: the checkout, the corpora and the runs."""

import functools
import hashlib
import os
from pathlib import Path


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
        path = Path(value).expanduser()
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
    return Path(value).expanduser().resolve() if value else project_root() / "runs"


def cache_root():
    """Return the folder of the feature cache: ``$SERMODULES_CACHE``, else the project's ``data/cache``."""
    value = os.environ.get("SERMODULES_CACHE")
    return Path(value).expanduser().resolve() if value else project_root() / "data" / "cache"


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
