"""A study file: a grid of configurations over folds and seeds, read and checked."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sermodules import corpora
from sermodules.config import RunConfig, refuse_empty, strict_yaml
from sermodules.errors import ConfigError, CorpusError
from sermodules.folds import protocol
from sermodules.study import registration as registrations

KEYS = ("name", "about", "settings", "grid", "folds", "seeds", "keep_model", "registration")


@dataclass(frozen=True)
class Study:
    """A study file, read and checked.

    Attributes
    ----------
    name, about : str
    configs : tuple of RunConfig
        Every run of the grid, folds last, so that a fold of each configuration is done before the next fold begins.
    keep_model : bool
        Whether the models of the runs are kept.
    registration : registrations.Registration or None
        What was asked before the runs.
    unread : tuple of str
        Why corpora could not be read, so that "all" folds are only those of which there are runs: nobody can tell then how many
        the study should have.
    """

    name: str
    about: str
    configs: tuple
    keep_model: bool = False
    registration: registrations.Registration | None = None
    unread: tuple = ()


def load(path, folds=None, seeds=None, out=None, more=None):
    """Read a study file.

    Parameters
    ----------
    path : path
        YAML with the keys ``name``, ``about``, ``settings`` (fields of `RunConfig` that all runs share), ``grid`` (fields with
        a list of values each, of which every combination is run; or a list of such grids), ``folds`` ("all" or a list),
        ``seeds`` (a list) and perhaps ``keep_model`` and ``registration`` (see `sermodules.study.registration`). A field of
        the grid goes before the same field of the settings.
    folds, seeds : list of int, optional
        Instead of the file's own.
    out : path, optional
        Folder of runs. If it is given, the corpus need not be there (nor is it made): "all" folds are then those of the
        runs in the folder, if there are any, and ``unread`` says so.
    more : dict, optional
        Settings besides those of the file, which go before them.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If the file is not a study; the message names the file and every key that is wrong.
    CorpusError
        If ``folds`` is "all" and the corpus, whose speakers make the folds, cannot be read, nor has `out` a run of the study.
    ProtocolError
        If the corpus cannot be divided as the settings ask.
    """
    path = Path(path)
    content = _read(path)
    settings, grids = content.get("settings") or {}, content.get("grid") or {}
    settings = settings | (more or {}) if isinstance(settings, dict) else settings
    grids = grids if isinstance(grids, list) else [grids]
    folds = content.get("folds", "all") if folds is None else folds
    seeds = content.get("seeds") if seeds is None else seeds
    if problems := [*_problems(content, settings, grids, folds, seeds)] or [*_misplaced(settings, grids)]:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    keep_model = content.get("keep_model", False)
    cells = dict.fromkeys(_cells(path, settings, grids, keep_model))  # grids may share a configuration
    asked = registrations.read(content, lambda choice: _create(path, settings, choice))
    if foreign := [cell for cell in (asked.cells if asked else ()) if cell not in cells]:
        raise ConfigError(f"{path}: the registration asks for {foreign[0].run_id}, which the grid does not have")
    numbers, unread = _all_folds(cells, out) if folds == "all" else (dict.fromkeys(map(_fold_key, cells), folds), ())
    configs = [
        cell.replace(fold=fold, seed=seed) for cell in cells for seed in seeds for fold in numbers[_fold_key(cell)]
    ]
    configs.sort(key=lambda config: (config.seed, config.fold))  # stable: the cells stay in the file's order
    return Study(content["name"], str(content.get("about", "")).strip(), tuple(configs), keep_model, asked, unread)


def _read(path):
    """Return the mapping that a study file holds."""
    content = strict_yaml.read(path, "study file")
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a study: it must be a mapping with the keys {', '.join(KEYS)}")
    return content


def _problems(content, settings, grids, folds, seeds):
    """Yield what is wrong with the keys of a study."""
    yield from (
        f"unknown key {key!r}: the keys are {', '.join(KEYS)}{_place(key)}" for key in content if key not in KEYS
    )
    name = content.get("name")
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        yield f"key 'name' is {name!r}: it must be text of letters, digits, '-' and '_'"
    if not isinstance(settings, dict):
        yield "key 'settings' must be a mapping from parameters to values"
    if not all(_is_grid(grid) for grid in grids):
        yield "key 'grid' must be a mapping from parameters to lists of values, or a list of such mappings"
    if folds != "all" and not _numbers(folds, 1):
        yield f"key 'folds' is {folds!r}: it must be 'all' or a list of different whole numbers from 1"
    if not _numbers(seeds, 0):
        yield f"key 'seeds' is {seeds!r}: it must be a list of different whole numbers from 0"
    yield from registrations.problems(content)


def _place(key):
    """Say where a parameter stands that is no key of a study."""
    if key in ("fold", "seed"):
        return f". Use the key '{key}s'"
    return ". A parameter of the runs stands under 'settings'" if key in RunConfig.__dataclass_fields__ else ""


def _misplaced(settings, grids):
    """Yield which parameters stand where they may not."""
    for key in KEYS:
        if any(key in mapping for mapping in (settings, *grids)):
            yield f"{key!r} is a key of the study and no setting: write it on a line of its own, beside 'seeds'"
    for key in ("fold", "seed"):
        if any(key in mapping for mapping in (settings, *grids)):
            yield f"parameter {key!r}: use the key '{key}s' instead"
    if any("threads" in grid for grid in grids):
        yield "parameter 'threads' belongs under 'settings': it changes nothing but the last digits"


def _cells(path, settings, grids, keep_model):
    """Return the configurations of all grids, without folds and seeds."""
    return [
        _create(path, settings, dict(zip(grid, values, strict=True)), keep_model)
        for grid in grids
        for values in product(*grid.values())
    ]


def _create(path, settings, choice, keep_model=False):
    """Return the configuration of one choice of a grid, whose model is kept if `keep_model`."""
    try:
        refuse_empty(settings | choice)
        config = RunConfig.create(**(settings | choice))
        config.check_keeping(keep_model)
        config.check_asked()
        return config
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def _is_grid(grid):
    return isinstance(grid, dict) and all(isinstance(values, list) and values for values in grid.values())


def _numbers(values, low):
    whole = isinstance(values, list) and values and all(type(value) is int and value >= low for value in values)
    return bool(whole) and len(set(values)) == len(values)


def _all_folds(cells, out=None):
    """Return the numbers of all folds by `_fold_key`, and why corpora could not be read.

    They come from the corpus or, without it, from the runs that are there.
    """
    numbers, tables, unread = {}, {}, {}
    for key, cell in {_fold_key(cell): cell for cell in cells}.items():
        try:
            if data_key(cell) not in tables:
                if out is not None:
                    corpora.find(cell.corpus)  # else a synthetic one would be made
                tables[data_key(cell)] = corpora.load(**cell.reading)
            numbers[key] = [fold.number for fold in protocol.folds(tables[data_key(cell)], **cell.division)]
        except CorpusError as error:
            if out is None:
                raise
            unread[key] = error
    if unread:
        numbers |= _folds_of_runs(cells, unread, out)
    if unread and not any(numbers.values()):
        raise next(iter(unread.values()))
    return numbers, tuple(dict.fromkeys(map(str, unread.values())))


def _folds_of_runs(cells, keys, out):
    """Return the numbers of the folds of which a run of one of the cells is there, by `_fold_key`."""
    wanted, numbers = {cell.replace(fold=1, seed=1) for cell in cells}, {key: set() for key in keys}
    for path in Path(out).glob("*/config.json"):
        try:
            config = RunConfig.from_json(path.read_text(encoding="utf-8"))
        except (ConfigError, OSError, UnicodeDecodeError):
            continue  # not a run of this version: not this study's
        if _fold_key(config) in numbers and config.replace(fold=1, seed=1) in wanted:
            numbers[_fold_key(config)].add(config.fold)
    return {key: sorted(found) for key, found in numbers.items()}


def _fold_key(config):
    """Return a key that is the same for runs whose folds have the same numbers."""
    return data_key(config, **config.replace(seed=1).division)


def data_key(config, **more):
    """Return a key that is the same for runs that read the same utterances (and share `more`)."""
    return tuple((config.reading | more).values())
