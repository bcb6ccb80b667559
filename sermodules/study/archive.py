"""The files of a published study: their names, their digests, and which of them are compressed.

Where ``runs.jsonl``, ``predictions.csv`` or ``history.csv`` would be longer than `LIMIT`, there is a file a seed instead,
``predictions-seed-1.csv.gz`` and so on: the same text of the runs of that seed, compressed with gzip. A seed that is published
later leaves the files of the others as they are.

``SHA256SUMS`` has the digest of each *text*, under the name of the text: ``predictions-seed-1.csv``. Scores follow from the
text, and the same runs have the same text everywhere. The compressed bytes depend on the version of zlib: their digest would
differ where nothing differs, and protect nothing more, because only the text is read. A compressed file must hold one
whole text, of which gzip's own sum is right as well, and nothing after it. Without this package, ``gunzip --keep *.gz`` and
then ``sha256sum --check SHA256SUMS`` check the same digests.
"""

import gzip
import hashlib
import re
import zlib
from pathlib import Path

from sermodules.errors import StoreError
from sermodules.runs import store

FILES = ("study.yaml", "runs.jsonl", "common.json", "predictions.csv", "history.csv")

#: Those that may be divided by seed.
OF_RUNS = ("runs.jsonl", "predictions.csv", "history.csv")

#: Bytes of text from which on a file is divided and compressed: larger files do not belong into a repository.
LIMIT = 2**20

#: Most bytes of text in a compressed file. Few kilobytes can hold gigabytes: no more than this is unpacked.
LARGEST = 2**28

_SEED = re.compile(r"-seed-(0|[1-9][0-9]{0,9})(?=\.)")
_UNKNOWN_SYSTEM = b"\xff"  # gzip notes where a file was made: the same on every system


def sha256(data):
    """Return the SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def part(name, seed):
    """Return what the text of one seed is called.

    Examples
    --------
    >>> part("predictions.csv", 3)
    'predictions-seed-3.csv'
    """
    path = Path(name)
    return f"{path.stem}-seed-{seed}{path.suffix}"


def _divided(name):
    """Return the name of the whole file and the seed, of which there is none if the text is not divided."""
    found = _SEED.search(name)
    return (name, None) if found is None else (_SEED.sub("", name), int(found[1]))


def _file(name):
    """Return the name of the file that holds a text."""
    return name if name in FILES else f"{name}.gz"


def present(folder):
    """Return the names of the files in a folder, if it is there, that belong to a published study, as opposed to a README."""
    names = [path.name for path in Path(folder).iterdir()] if Path(folder).is_dir() else []
    of_seeds = {name for name in names if name.endswith(".gz") and _divided(name.removesuffix(".gz"))[0] in OF_RUNS}
    return sorted({*names} & {*FILES, store.SUMS} | of_seeds)


def read(folder):
    """Read the texts of a published study.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to dict
        By name of `FILES`, in their order: the text of each seed, or of None if the file is not divided, as bytes.

    Raises
    ------
    StoreError
        If a file is missing, damaged, altered or not listed, a line each.
    """
    folder = Path(folder)
    if not (folder / store.SUMS).is_file():
        raise StoreError(f"{folder}: not a published study, or only a part of one: there is no {store.SUMS}")
    listed = (folder / store.SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    names = _names(listed)
    texts, wrong = {name: {} for name in FILES}, []
    for name in names:
        text = _text(folder / _file(name))
        if text is not None and f"{sha256(text)}  {name}" in listed:
            whole, seed = _divided(name)
            texts[whole][seed] = text
        else:
            wrong.append(f"{_file(name)} is missing or not what was written: restore it, for example with git")
    strange = {*present(folder)} - {store.SUMS, *map(_file, names)}
    wrong += [f"{name} is not listed in {store.SUMS}: remove it" for name in sorted(strange)]
    if wrong:
        raise StoreError("\n".join(f"{folder}: {line}" for line in wrong))
    if len(listed) > len(names):
        raise StoreError(f"{folder}: {store.SUMS} lists strange files")
    return texts


def _names(listed):
    """Return the names of the texts that must be there: each of `FILES` whole, unless only its seeds are listed."""
    names = {line.partition("  ")[2] for line in listed}
    seeds = {name: {} for name in FILES}
    for name in names:
        whole, seed = _divided(name)
        if whole in OF_RUNS and seed is not None:
            seeds[whole][seed] = name
    return [
        name
        for whole in FILES
        for name in ([whole] if whole in names or not seeds[whole] else map(seeds[whole].get, sorted(seeds[whole])))
    ]


def _text(path):
    """Return the text in a file; None if there is none."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    return _unpacked(content) if path.suffix == ".gz" else content


def _unpacked(content):
    """Return the text in the bytes of a gzip file; None if they are not whole, go on after it, or hold too much."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(content, LARGEST + 1)
    except zlib.error:
        return None
    return text if stream.eof and not stream.unused_data and len(text) <= LARGEST else None


def _packed(text):
    """Return the bytes of a gzip file: no name, no time, no system in it."""
    content = gzip.compress(text, 9, mtime=0)
    return content[:9] + _UNKNOWN_SYSTEM + content[10:]


def contents(texts, before):
    """Return the files that hold these texts.

    Parameters
    ----------
    texts : dict of str to bytes
        By name of `FILES`, or of a `part` of one.
    before : path
        The folder as it is: what is compressed there and has the same text stays byte for byte, whatever zlib wrote it.

    Returns
    -------
    dict of str to bytes
        By name of the file, ``SHA256SUMS`` among them.

    Raises
    ------
    StoreError
        If a text is too long to be read again.
    """
    found = {}
    for name in sorted(texts, key=_place):
        text, file = texts[name], _file(name)
        if len(text) > LARGEST:
            raise StoreError(
                f"{name} would hold {len(text):,} bytes, more than {LARGEST:,}: divide the study into several"
            )
        there = Path(before) / file
        found[file] = text if file == name else there.read_bytes() if _text(there) == text else _packed(text)
    sums = "".join(f"{sha256(texts[name])}  {name}\n" for name in sorted(texts, key=_place))
    return found | {store.SUMS: sums.encode()}


def _place(name):
    whole, seed = _divided(name)
    return FILES.index(whole), -1 if seed is None else seed
