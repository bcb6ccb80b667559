"""What is computed once from the audio of a corpus and kept in a file, so that no later run computes it again.

`kept` is the way of all of it: whoever comes first makes it, the others wait. `arrays` and `per_utterance` keep arrays in one
file; `sermodules.features.log_mels` keeps log-Mels in a folder, to map them into memory.
"""

import hashlib
import importlib.metadata
import json
import sys
import warnings

import joblib
import numpy as np
from filelock import FileLock
from tqdm import tqdm

from sermodules import corpora, files, paths
from sermodules.corpora import audio, decoder, unusable
from sermodules.errors import AudioError, StoreError

#: What reads audio, so every key holds their versions.
LIBRARIES = ("numpy", "soundfile", "soxr")
# Seconds of audio that are worth one more process.
_SECONDS_PER_WORKER = 3600


def key(table, modules, libraries=(), **facts):
    """Name all that something computed from the audio of a corpus depends on: equal keys, equal values.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table. Names and audio count; labels, places and the order of rows do not.
    modules : iterable of path
        Source files of the code that computes (their ``__file__``). This module and `audio.CODE` always count.
    libraries : iterable of str
        Packages that it computes with; their versions count, and those of `LIBRARIES`; PyAV's where it decodes.
    **facts
        Settings, as JSON can hold them.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.

    Raises
    ------
    AudioError
        If a file cannot be read; the message names every audio file that cannot be used, with the reason.
    """
    try:
        content = corpora.digest(table.assign(speaker="", session="", gender="", emotion=""))
    except AudioError:
        unusable.check(table)  # names the files that are damaged, and not only those that are not there
        raise
    code = [files.sha256(file) for file in (__file__, *audio.CODE, *modules)]
    versions = {name: importlib.metadata.version(name) for name in (*LIBRARIES, *libraries)}
    if audio.foreign(table["path"]):
        versions["av"] = decoder.version()
    everything = {"content": content, "code": code, "versions": versions, "facts": facts}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def kept(folder, key, read, write):
    """Read what the cache holds, or write it and read it.

    Several processes may ask at once: one writes, the others wait. A cache that may only be read will do if what is asked for
    is in it.

    Parameters
    ----------
    folder : pathlib.Path
        Of the cache; made if it is not there.
    key : str
        What it is called there.
    read : callable
        Takes nothing. Returns what was kept, or None, and what is wrong with it ("" if it is not there).
    write : callable
        Takes nothing. Writes it, whole or not at all.

    Returns
    -------
    object
        What `read` returns first.

    Raises
    ------
    StoreError
        If the cache cannot be written, or what was written does not read back.
    """
    found, _ = read()
    if found is not None:
        return found
    try:
        files.make_folder(folder)
        with FileLock(folder / f"{key}.lock"):
            files.share(folder / f"{key}.lock")
            found, damage = read()
            if found is not None:
                return found  # another process wrote it while this one waited
            if damage:
                warnings.warn(f"what the cache holds is damaged and is made again: {damage}", stacklevel=4)
            write()
    except OSError as error:
        raise StoreError(
            f"cannot write the feature cache {folder}: {files.refusal(error)}."
            " Set the environment variable SERMODULES_CACHE to a folder that can be written and has room."
        ) from error
    found, damage = read()
    if found is None:
        raise StoreError(
            f"what was written to the cache does not read back: {damage or f'{folder / key} is gone'}."
            " Set the environment variable SERMODULES_CACHE to a folder on another disk."
        )
    return found


def arrays(kind, key, make):
    """Return arrays that were kept, or make them and keep them.

    They are kept in ``<cache>/<kind>/<key>.npz``, where ``<cache>`` is `sermodules.paths.cache_root`. The file appears under
    its name only when it is complete, and its checksums are compared whenever it is read; one that is damaged is made
    again, with a warning. Several processes may ask at once: one makes the arrays, the others wait. A cache that may only be
    read will do if the arrays are in it. The cache may be deleted at any time between runs.

    Parameters
    ----------
    kind : str
        Name of the folder.
    key : str
        Equal keys, equal arrays; see `key`.
    make : callable
        Takes nothing and returns a dict of str to numpy.ndarray, without arrays of objects and without the name ``key``. It
        is called only if there is nothing to read. What it raises is passed on, and nothing is kept then.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    StoreError
        If the cache cannot be written.
    """
    folder = (paths.cache_root() / kind).absolute()
    file = folder / f"{key}.npz"
    return kept(folder, key, lambda: _open(file), lambda: _write(file, make()))


def per_utterance(kind, table, compute, modules, libraries=(), **facts):
    """Compute something of each utterance's audio, or read it if it was computed before; see `arrays`.

    One process computes, and one more for each hour of audio, at most one a core.

    Parameters
    ----------
    kind : str
        Name of the folder.
    table : pandas.DataFrame
        Utterance table.
    compute : callable
        Takes the path of an audio file or an `audio.Excerpt`, as `audio.read` does, and returns a numpy.ndarray of shape
        (n, ...). Only n may differ between utterances.
        A function of a module, so that other processes can be told its name.
    modules, libraries, **facts
        See `key`; `modules` must hold the one of `compute`.

    Returns
    -------
    dict of str to numpy.ndarray
        By utterance, in the order of their names.

    Raises
    ------
    AudioError
        If audio files cannot be used; the message names every one with the reason.
    StoreError
        If the cache cannot be written.
    """
    table = table.sort_values("utterance", ignore_index=True)

    def make():
        try:
            found = list(computed(table, compute))
        except AudioError:
            unusable.check(table)  # names every file, not only the first
            raise
        return {"values": np.concatenate(found), "lengths": np.array([len(x) for x in found])}

    held = arrays(kind, key(table, modules, libraries, **facts), make)
    values = np.split(held["values"], np.cumsum(held["lengths"])[:-1])
    return dict(zip(table["utterance"], values, strict=True))


def computed(table, compute, workers=None):
    """Yield what `compute` makes of each recording of a table, in its order, with a bar on a terminal.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    compute : callable
        See `per_utterance`.
    workers : int, optional
        Processes. By default one, and one more for each hour of audio, at most one a core. They change no result.
    """
    if workers is None:
        workers = min(joblib.cpu_count(), 1 + int(table["duration"].sum() // _SECONDS_PER_WORKER))
    jobs = (joblib.delayed(compute)(path) for path in audio.recordings(table))
    return tqdm(
        joblib.Parallel(n_jobs=min(workers, len(table)), return_as="generator")(jobs),
        total=len(table), desc="extracting features", unit="utterance", file=sys.stdout, disable=not sys.stdout.isatty(),
    )  # fmt: skip


def _write(file, made):
    """Write arrays, and the key as one more; all or nothing."""
    with files.whole_file(file) as opened:
        np.savez(opened, allow_pickle=False, key=np.array(file.stem), **made)


def _open(file):
    """Return the arrays in a file (or None), and what is wrong with it ("" if it is not there)."""
    try:
        # opened here, because numpy does not close a file that is no zip file
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
            found = dict(held)  # a zip file holds checksums, which are compared as it is read
        if found.pop("key").item() != file.stem:
            return None, f"{file} was written under another name"
    except FileNotFoundError:
        return None, ""
    except Exception as error:  # a damaged zip file raises almost anything
        return None, f"{file}: {type(error).__name__}: {error}"
    return found, ""
