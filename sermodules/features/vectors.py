"""Vectors that another tool made, one an utterance: read, and matched with a corpus by name."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sermodules import files
from sermodules.corpora import cells, columns
from sermodules.errors import ConfigError
from sermodules.paths import project_root

#: Endings of the files that are read.
ENDINGS = (".npz", ".parquet", ".csv")
#: How many names a message shows.
SHOWN = 10


def of(table, file):
    """Return the vector of each utterance of a corpus.

    See chapter "Baselines".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    file : str
        See `read`. It may hold more utterances than the corpus.

    Returns
    -------
    pandas.DataFrame of float32, shape (utterances, size)
        The index holds the utterances in the table's order.

    Raises
    ------
    ConfigError
        If the file cannot be used, or an utterance has no vector, or one with a number that is not finite; all are named.
    """
    values = read(file)
    names = pd.Series(table["utterance"].to_numpy(), table["utterance"])
    if not names.isin(values.index).any():  # named by their files, perhaps
        stems = table["path"].map(lambda path: Path(path).stem).to_numpy()
        for called in (table["path"].to_numpy(), stems, [Path(path).name for path in table["path"]]):
            if pd.Index(called).is_unique and pd.Index(called).isin(values.index).any():
                names = pd.Series(called, table["utterance"])
                break
    if missing := names[~names.isin(values.index)].index.tolist():
        strange = values.index[~values.index.isin(names)].tolist()
        beside = f" Names in the file that the corpus does not have: {_shown(strange)}." if strange else ""
        raise ConfigError(
            f"{file}: {len(missing)} of {len(table)} utterances have no vector: {_shown(missing)}.{beside} Give each row the"
            " utterance's name, as `corpora.load` has it."
        )
    found = values.loc[names].set_axis(names.index)
    if bad := found.index[~np.isfinite(found).all(axis=1)].tolist():
        raise ConfigError(
            f"{file}: the vectors of {len(bad)} utterances hold NaN or infinite numbers: {_shown(bad)}. Make them again; a"
            " recording of silence or of a few milliseconds is the usual cause."
        )
    return found


def digest(file):
    """Return the SHA-256 of a file of vectors, 64 hexadecimal digits."""
    return files.sha256(_find(file))


def size(file):
    """Return how many numbers a vector has."""
    return read(file).shape[1]


def read(file):
    """Read a file of vectors.

    Parameters
    ----------
    file : str
        ``.npz``: the arrays ``utterance`` (n) and ``vectors`` (n, size); or an array (size) for each utterance, under its name.
        ``.parquet`` or ``.csv``: a row an utterance; a column ``utterance`` (or ``file``), or else the first one, or the index,
        holds the names, all others hold numbers. A relative path counts from the working folder, else from the project.

    Returns
    -------
    pandas.DataFrame of float32, shape (n, size)
        By name.

    Raises
    ------
    ConfigError
        If there is no such file, or it is in another form, or a name is there twice.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sermodules.features import vectors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/v.npz", utterance=["a", "b"], vectors=np.ones((2, 3)))
    ...     vectors.read(f"{folder}/v.npz").shape
    (2, 3)
    """
    path = _find(file)
    state = path.stat()
    return _read(path, state.st_size, state.st_mtime_ns)


def _find(file):
    if file == "none":
        raise ConfigError(
            f"model 'svm_vectors' needs the parameter 'vectors': a file that ends in {', '.join(ENDINGS)}"
        )
    places = list(dict.fromkeys(base / Path(file).expanduser() for base in (Path.cwd(), project_root())))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        listed = " and ".join(map(str, places))
        raise ConfigError(f"there is no file of vectors {file}; it was looked for as {listed}")
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{file}: a file of vectors must end in {', '.join(ENDINGS)}")
    return path


@lru_cache(maxsize=4)
def _read(path, length, changed):
    try:
        found = _npz(path) if path.suffix.lower() == ".npz" else _rows(path)
    except ConfigError:
        raise
    except Exception as error:  # of a damaged file, almost anything
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    found.index = found.index.map(str).str.strip()
    if found.empty or not found.shape[1]:
        raise ConfigError(f"{path} holds no vectors")
    if twice := found.index[found.index.duplicated()].unique().tolist():
        raise ConfigError(f"{path}: these utterances are there more than once: {_shown(twice)}")
    return found


def _npz(path):
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
        arrays = dict(held)
    if {"utterance", "vectors"} <= arrays.keys():
        names, values = arrays["utterance"].ravel(), arrays["vectors"]
        if values.ndim != 2 or len(values) != len(names):
            raise ConfigError(
                f"{path}: `vectors` has the shape {values.shape}: it must be ({len(names)}, size), a row a name"
            )
        return pd.DataFrame(_numbers(values, path), index=names)
    shapes = {name: np.squeeze(array).shape for name, array in arrays.items()}
    if odd := [
        f"{name} {shape}" for name, shape in shapes.items() if len(shape) != 1 or shape != next(iter(shapes.values()))
    ]:
        raise ConfigError(
            f"{path}: each utterance needs one vector, all of one size; these have another shape: {_shown(odd)}. Take the mean"
            " over time first."
        )
    values = np.stack([np.squeeze(array) for array in arrays.values()]) if arrays else np.zeros((0, 0))
    return pd.DataFrame(_numbers(values, path), index=list(arrays))


def _numbers(values, path):
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{path}: the vectors are of type {values.dtype}: they must be numbers")
    return values.astype(np.float32)


def _rows(path):
    if path.suffix.lower() == ".csv":
        frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    else:
        try:
            frame = pd.read_parquet(path)
        except ImportError as error:
            raise ConfigError(f"{path}: Parquet needs pyarrow: pip install pyarrow, or write a .npz") from error
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
    called = {*columns.NAMES["utterance"], *columns.NAMES["path"]}
    name = next((name for name in frame if columns.plain(str(name)) in called), frame.columns[0])
    values = frame.drop(columns=name)
    numbers = values.apply(pd.to_numeric, errors="coerce")
    gaps = values.isna() | values.apply(lambda column: column.astype(str).str.strip().str.lower()).isin(cells.EMPTY)
    if text := values.columns[(numbers.isna() & ~gaps).any()].tolist():
        raise ConfigError(f"{path}: these columns hold text: {_shown(text)}. A row is a name and numbers.")
    return pd.DataFrame(numbers.to_numpy(np.float32), index=frame[name])


def _shown(names):
    return ", ".join(map(str, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
