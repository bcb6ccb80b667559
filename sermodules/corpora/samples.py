"""The fingerprints of many recordings, each decoded once and remembered while its file stays as it is."""

import hashlib
import importlib.metadata
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

from sermodules import files, paths
from sermodules.corpora import audio, decoder

#: A file that was changed less than so long ago (s) is not remembered: the clock of a disk may be too coarse to show that it
#: changed once more.
SETTLED = 2


def fingerprints(recordings):
    """Return the fingerprint of each recording; see `audio.fingerprint`.

    What was decoded is remembered in ``<cache>/samples`` with the size of the file and the times of its last change: 5,000
    recordings take seconds the first time, and a tenth of a second later. A cache that cannot be written is done without.

    Parameters
    ----------
    recordings : iterable of str or audio.Excerpt

    Returns
    -------
    list of str

    Examples
    --------
    >>> from sermodules.corpora import samples
    >>> samples.fingerprints(["/nowhere/a.wav"])  # what cannot be read has none
    ['']
    """
    recordings = list(recordings)
    named = {_name(one): one for one in recordings}
    memo, now = _memo(named), time.time_ns()
    known, states = _remembered(memo), {name: _state(one) for name, one in named.items()}
    found = {name: known[name][1] for name, state in states.items() if state and known.get(name, [None])[0] == state}
    if new := [name for name in states if name not in found]:
        with ThreadPoolExecutor() as threads:
            found |= zip(new, threads.map(audio.fingerprint, map(named.get, new)), strict=True)
        kept = {
            name: (state, found[name])
            for name, state in states.items()
            if state and found[name] and max(state[1:]) < now - SETTLED * 10**9
        }
        _remember(memo, kept)
    return [found[name] for name in map(_name, recordings)]


def _name(recording):
    return repr(recording) if isinstance(recording, audio.Excerpt) else str(recording)


def _state(recording):
    """Return size and times of a file (bytes, ns, ns): equal states, equal content. None if there is no such file."""
    try:
        held = os.stat(getattr(recording, "path", recording))  # noqa: PTH116 (a Path for each of thousands of files takes longer)
    except OSError:
        return None
    return [held.st_size, held.st_mtime_ns, held.st_ctime_ns]


def _memo(names):
    """Return the file that remembers these recordings, as this code and these libraries decode them."""
    versions = (*(importlib.metadata.version(name) for name in ("numpy", "soundfile")), decoder.version())
    code = [*map(files.sha256, audio.CODE), *versions]
    name = hashlib.sha256(json.dumps([code, sorted(names)]).encode()).hexdigest()[:32]
    return paths.cache_root() / "samples" / f"{name}.json"


def _remembered(memo):
    try:
        content = json.loads(memo.read_text(encoding="utf-8"))
        return {path: (state, fingerprint) for path, (state, fingerprint) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # not there, or damaged: made again


def _remember(memo, content):
    try:
        files.make_folder(memo.parent)
        with files.staging(memo.parent, memo.stem) as folder:
            (folder / memo.name).write_text(json.dumps(content), encoding="utf-8")
            files.share_all(folder)
            (folder / memo.name).replace(memo)  # several processes may do so at once
    except OSError:
        pass
