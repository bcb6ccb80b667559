"""Where things lie, whether they can be written there, and how much room is left."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from sermodules import files, paths
from sermodules.doctor.finding import Finding

#: What is written to see whether there is room, and bytes of room below which it is said.
PROBE, LITTLE = bytes(2**16), 500e6


def look():
    """Return what is to be said of places, a list of `Finding`."""
    return [
        writable("runs", paths.runs_root(), "set SERMODULES_RUNS to a folder of yours, or use --out", stops=True),
        _data(),
        writable("cache", paths.cache_root(), "set SERMODULES_CACHE to a folder of yours with room"),
        _libraries(),
        _home(),
    ]


def writable(name, folder, todo, stops=False):
    """Say whether a folder can be written or made, and how much room there is; nothing is left there.

    Parameters
    ----------
    name : str
    folder : path
    todo : str
        What to do if not.
    stops : bool
        Whether no study can start then.

    Returns
    -------
    Finding
    """
    place = paths.existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(PROBE)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(place).free
    except OSError as error:
        why = error.strerror or type(error).__name__
        return Finding(name, f"cannot be written ({why})", todo, stops, f"{place}, of {files.owner(place)}")
    text = f"{free / 1e9:.1f} GB free{_shared(place)}" + ("" if place == Path(folder) else ", to be made")
    return Finding(name, text, "make room" if free < LITTLE else "", private=str(folder))


def _shared(place):
    """Say who but the owner may write a folder."""
    mode = place.stat().st_mode
    everybody = ", everybody may write" if mode & stat.S_IWOTH else ""
    return everybody or (", its group may write" if mode & stat.S_IWGRP else "")


def _data():
    """Say where corpora are looked for, and whether one can be made."""
    roots = paths.data_roots()
    if os.environ.get("SERMODULES_DATA") and not _is_folder(roots[0]):
        todo = "name the folder that holds the corpora, or unset SERMODULES_DATA"
        return Finding("data", "SERMODULES_DATA names no folder that you may read", todo, private=str(roots[0]))
    found = [
        writable("data", root, "set SERMODULES_DATA to a folder of yours, to make or get corpora") for root in roots
    ]
    return next((finding for finding in found if finding.state == "good"), found[0])


def _libraries():
    """Say where numba, IPython and matplotlib keep what lasts."""
    folder = paths.libraries_root()
    names = "numba, IPython, matplotlib"
    if folder is None:
        return Finding("libraries", f"no folder for {names}", "set SERMODULES_CACHE to a folder of yours", private="")
    where = "in the cache" if folder.parent.name == "libraries" else "in the folder for temporary files"
    return Finding("libraries", f"{names} keep their files {where}", private=str(folder))


def _home():
    home = os.path.expanduser("~")  # noqa: PTH111 - there may be none
    if home == "~" or not _is_folder(home):
        return Finding("home", "there is none, and none is needed")
    return Finding("home", "it is there, and nothing is written to it")


def _is_folder(place):
    """Tell whether there is a folder that this user can see: `Path.is_dir` raises where a folder above may not be entered."""
    return os.path.isdir(place)  # noqa: PTH112
