"""The log-Mels of a whole corpus: extracted once, kept in the cache, and memory-mapped by every run."""

import json
import shutil
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np

from sermodules import corpora, files, paths
from sermodules.corpora import audio, unusable
from sermodules.errors import AudioError, ConfigError, CorpusError
from sermodules.features import cache as _cache
from sermodules.features import mel
from sermodules.features.mel import BANDS, CHANNELS, check_settings, three_d_log_mel

_ARRAY, _INDEX, _SUMS = "features.npy", "index.json", "SHA256SUMS"
_ROW = np.dtype("<f4")


class Features(Mapping):
    """The features of a corpus, memory-mapped: ``features[utterance]`` is an array of shape (frames, 40, 3).

    It comes from `extract`. The arrays are read-only float32 views of a file; only what is used is read into memory.

    Attributes
    ----------
    frames : dict of str to int
        Number of frames of each utterance.
    key : str
        SHA-256 of content and settings: equal keys, equal features.
    path : pathlib.Path
        The folder in the cache.
    corpus_digest : str
        `sermodules.corpora.digest` of the table.
    """

    def __init__(self, path, frames, array, corpus_digest):
        self.path, self.key, self.frames, self.corpus_digest = path, path.name, frames, corpus_digest
        self._array = array
        self._starts = dict(zip(frames, accumulate(frames.values(), initial=0), strict=False))

    def __getitem__(self, utterance):
        start = self._starts[utterance]
        return self._array[start : start + self.frames[utterance]]

    def __iter__(self):
        return iter(self.frames)

    def __len__(self):
        return len(self.frames)

    def __repr__(self):
        return f"<Features of {len(self)} utterances, {len(self._array)} frames, {self.path}>"


def extract(table, *, normalise_waveform=True, frontend="htk", window="hamming", cache=None, workers=None):
    """Extract the features of a corpus, or open them if they were extracted before.

    The cache holds one folder for each key. The key covers the bytes of every audio file, the settings, the code that
    takes part, and the versions of the libraries that take part; labels do not count. A folder
    appears under its name only when it is complete, and its checksums are compared whenever it is opened; features that
    were damaged are extracted again, with a warning. Several processes may ask at once: one extracts, the others wait.
    The cache may be deleted at any time between runs.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    normalise_waveform, frontend, window
        See `three_d_log_mel`.
    cache : path, optional
        Folder of the cache; by default ``features/`` in `sermodules.paths.cache_root`.
    workers : int, optional
        Processes. By default one, and one more for each hour of audio, at most one a core. They change no result.

    Returns
    -------
    Features

    Raises
    ------
    AudioError
        If audio files cannot be used; the message names every one with the reason.
    ConfigError
        If a setting is not allowed.
    CorpusError
        If the table has no utterances, or one of them twice.
    StoreError
        If the cache cannot be written.
    """
    settings = {"normalise_waveform": normalise_waveform, "frontend": frontend, "window": window}
    check_settings(**settings)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ConfigError(f"workers is {workers!r}: it must be a whole number from 1 on")
    if table.empty:
        raise CorpusError("the table holds no utterances, so there is nothing to extract features of")
    if repeated := sorted(table["utterance"][table["utterance"].duplicated()].unique()):
        raise CorpusError(f"these utterances stand in the table more than once: {', '.join(repeated)}")
    table = table.sort_values("utterance", ignore_index=True)
    try:
        corpus_digest = corpora.digest(table)
        key = _cache.key(table, modules=[__file__, mel.__file__], libraries=["librosa", "scipy"], settings=settings)
        return _kept(table, settings, key, corpus_digest, cache, workers)
    except AudioError:
        unusable.check(table)  # names every file, not only the first
        raise


def _kept(table, settings, key, corpus_digest, cache, workers):
    root = (paths.cache_root() / "features" if cache is None else Path(cache).expanduser()).absolute()
    folder, utterances = root / key, table["utterance"].tolist()

    def write():
        shutil.rmtree(folder, ignore_errors=True)
        files.remove_staging(root, key)
        with files.staging(root, key) as staging:
            _write(staging, table, settings, workers)
            files.share_all(staging)
            staging.rename(folder)

    return _cache.kept(root, key, lambda: _open(folder, utterances, corpus_digest), write)


def _write(folder, table, settings, workers):
    """Extract into a folder: the frames of all utterances, one after the other, and who has how many."""
    frames, extracted = {}, _cache.computed(table, partial(_features, settings=settings), workers)
    with (folder / _ARRAY).open("wb") as file:
        _write_header(file, 0)
        start = file.tell()
        for utterance, features in zip(table["utterance"], extracted, strict=True):
            frames[utterance] = len(features)
            file.write(features.astype(_ROW, copy=False).tobytes())
        file.seek(0)
        _write_header(file, sum(frames.values()))  # numpy leaves room for the length of the first axis
        assert file.tell() == start
    (folder / _INDEX).write_text(json.dumps({"settings": settings, "frames": frames}, indent=1), encoding="utf-8")
    sums = "".join(f"{files.sha256(folder / name)}  {name}\n" for name in (_ARRAY, _INDEX))
    (folder / _SUMS).write_text(sums, encoding="utf-8")


def _write_header(file, frames):
    header = {"descr": _ROW.str, "fortran_order": False, "shape": (frames, BANDS, CHANNELS)}
    np.lib.format.write_array_header_1_0(file, header)


def _features(path, settings):
    return three_d_log_mel(audio.read(path), **settings)


def _open(folder, utterances, corpus_digest):
    """Return the features in a folder (or None), and what is wrong with it ("" if it is not there)."""
    if not folder.is_dir():
        return None, ""
    try:
        sums = "".join(f"{files.sha256(folder / name)}  {name}\n" for name in (_ARRAY, _INDEX))
        if (folder / _SUMS).read_text(encoding="utf-8") != sums:
            return None, f"files in {folder} are not what was written"
        frames = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["frames"]
        array = np.load(folder / _ARRAY, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError) as error:
        return None, f"{folder}: {error}"
    if list(frames) != utterances or array.shape != (sum(frames.values()), BANDS, CHANNELS) or array.dtype != _ROW:
        return None, f"{folder} does not hold these utterances"
    return Features(folder, frames, array.view(np.ndarray), corpus_digest), ""
