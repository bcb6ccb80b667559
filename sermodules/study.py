"""A study: a grid of runs over folds and seeds, done by as many processes as asked for, and only where a run is missing."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from sermodules import corpora, features, protocol, store
from sermodules.baselines import svm
from sermodules.config import LISTENS, RunConfig, refuse_empty
from sermodules.errors import ConfigError, CorpusError, SermodulesError, StoreError
from sermodules.paths import project_root, runs_root

KEYS = ("name", "about", "settings", "grid", "folds", "seeds")


@dataclass(frozen=True)
class Study:
    """A study file, read and checked.

    Attributes
    ----------
    name, about : str
    configs : tuple of RunConfig
        Every run of the grid, folds last, so that a fold of each configuration is done before the next fold begins.
    """

    name: str
    about: str
    configs: tuple


def load(path, folds=None, seeds=None, out=None):
    """Read a study file.

    Parameters
    ----------
    path : path
        YAML with the keys ``name``, ``about``, ``settings`` (fields of `RunConfig` that all runs share), ``grid`` (fields with
        a list of values each, of which every combination is run; or a list of such grids), ``folds`` ("all" or a list) and
        ``seeds`` (a list). A field of the grid goes before the same field of the settings.
    folds, seeds : list of int, optional
        Instead of the file's own.
    out : path, optional
        Folder of runs. If it is given, the corpus need not be there (nor is it made): "all" folds are then those of the
        runs in the folder.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If the file is not a study; the message names the file and every key that is wrong.
    CorpusError
        If ``folds`` is "all" and the corpus, whose speakers are the folds, is not there.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the study file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a study: it must be a mapping with the keys {', '.join(KEYS)}")
    problems = [f"unknown key {key!r}: the keys are {', '.join(KEYS)}" for key in content if key not in KEYS]
    name = content.get("name")
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        problems.append(f"key 'name' is {name!r}: it must be text of letters, digits, '-' and '_'")
    settings, grids = content.get("settings") or {}, content.get("grid") or {}
    grids = grids if isinstance(grids, list) else [grids]
    folds = content.get("folds", "all") if folds is None else folds
    seeds = content.get("seeds") if seeds is None else seeds
    if not isinstance(settings, dict):
        problems.append("key 'settings' must be a mapping from parameters to values")
    if not all(_is_grid(grid) for grid in grids):
        problems.append("key 'grid' must be a mapping from parameters to lists of values, or a list of such mappings")
    if folds != "all" and not _numbers(folds, 1):
        problems.append(f"key 'folds' is {folds!r}: it must be 'all' or a list of different whole numbers from 1")
    if not _numbers(seeds, 0):
        problems.append(f"key 'seeds' is {seeds!r}: it must be a list of different whole numbers from 0")
    if not problems:
        problems += [
            f"parameter {key!r}: use the key '{key}s' instead"
            for key in ("fold", "seed")
            if any(key in mapping for mapping in (settings, *grids))
        ]
        if any("threads" in grid for grid in grids):
            problems.append("parameter 'threads' belongs under 'settings': it changes nothing but the last digits")
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    try:
        refuse_empty(settings | {name: None for grid in grids for name, values in grid.items() if None in values})
        cells = [
            RunConfig.create(**{**settings, **dict(zip(grid, values, strict=True))})
            for grid in grids
            for values in product(*grid.values())
        ]
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    numbers = {}  # of the folds, by what they depend on
    for cell in cells:
        key = _data_key(cell, validation=cell.validation)
        if key not in numbers or out is not None:
            numbers[key] = sorted({*numbers.get(key, []), *(_folds(cell, out) if folds == "all" else folds)})
    configs = [
        cell.replace(fold=fold, seed=seed)
        for cell in dict.fromkeys(cells)  # grids may share a configuration
        for seed in seeds
        for fold in numbers[_data_key(cell, validation=cell.validation)]
    ]
    configs.sort(key=lambda config: (config.seed, config.fold))  # stable: the cells stay in the file's order
    return Study(name, str(content.get("about", "")).strip(), tuple(configs))


def _is_grid(grid):
    return isinstance(grid, dict) and all(isinstance(values, list) and values for values in grid.values())


def _numbers(values, low):
    whole = isinstance(values, list) and values and all(type(value) is int and value >= low for value in values)
    return bool(whole) and len(set(values)) == len(values)


def _folds(config, out=None):
    """Return the numbers of all folds, from the corpus or, without it, from the runs that are there."""
    try:
        if out is not None:
            corpora.find(config.corpus)
        return [fold.number for fold in protocol.folds(corpora.load(**config.reading), config.validation)]
    except CorpusError:
        if out is None:
            raise
    found = set()
    for path in Path(out).glob("*/config.json"):
        try:
            found.add(RunConfig.from_json(path.read_text(encoding="utf-8")))
        except (ConfigError, OSError, UnicodeDecodeError):
            continue  # not a run of this version: not this study's
    return sorted({other.fold for other in found if other.replace(fold=1, seed=1) == config.replace(fold=1, seed=1)})


def done(study, out=None):
    """Return the finished runs of a study.

    Parameters
    ----------
    study : Study
    out : path, optional
        Folder of runs; the project's ``runs/`` unless given.

    Returns
    -------
    dict of RunConfig to pathlib.Path
        Only runs whose folder is complete and unaltered.
    """
    out = Path(out or runs_root())
    return {config: out / config.run_id for config in study.configs if store.is_done(out / config.run_id)}


def results(study, out=None):
    """Read the finished runs of a study, in the order of its grid, as a list of `RunResult`."""
    return [store.load(folder) for folder in done(study, out).values()]


def notebook():
    """Return the path of the notebook that does one run; `SermodulesError` without a checkout."""
    path = project_root() / "book" / "one_fold.ipynb"
    if not path.is_file():
        raise SermodulesError(f"the notebook {path} is missing: studies run from a checkout of the project")
    return path


def _start_worker(threads):
    """Leave Ctrl-C to the driver, end with it however it ends, and import what every run needs once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    from sermodules import backend, engine, training  # noqa: F401

    backend.use_threads(threads)


def _end_with_driver():
    multiprocessing.parent_process().join()
    os._exit(1)


def _execute(settings, source, out):
    """Do one run in this process: the notebook into a hidden folder, then the whole run into `out`."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from sermodules import engine
    from sermodules.backend import keras

    config = RunConfig(**settings)
    began = time.perf_counter()
    staging = Path(tempfile.mkdtemp(prefix=f".{config.run_id}.", dir=out))
    executed = staging / "run.ipynb"
    try:
        papermill.execute_notebook(
            source, executed, parameters=settings | {"out": str(staging)}, progress_bar=False, log_output=False,
            kernel_name="python3", engine_name=engine.NAME,
        )  # fmt: skip
        folder = store.adopt(staging / config.run_id, out, executed)
        return {"folder": str(folder), "seconds": time.perf_counter() - began}
    except PapermillExecutionError as error:
        return _failed(config, out, executed, f"{error.ename}: {error.evalue}")
    finally:
        keras.utils.clear_session(free_memory=True)
        shutil.rmtree(staging, ignore_errors=True)


def _failed(config, out, executed, error):
    """Keep the notebook of a failed run and say what happened."""
    notebook = Path(out) / "failed" / f"{config.run_id}.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    shutil.copyfile(executed, notebook)
    return {"error": error, "notebook": str(notebook)}


def run(study, out=None, workers=2, report=print):
    """Do what is missing of a study.

    Every file is read and every feature extracted before the first training, so that bad audio ends the study at once. A
    finished run is never done again; killing the study loses only the runs that were under way.

    Parameters
    ----------
    study : Study
    out : path, optional
        Folder of runs; the project's ``runs/`` unless given.
    workers : int
        Processes at a time. Each computes with the configuration's ``threads``.
    report : callable
        Takes a line of progress.

    Returns
    -------
    dict of RunConfig to str
        The runs that failed, with their errors; empty if all is done.

    Raises
    ------
    SermodulesError
        If the corpus, the audio or the folder of runs cannot be used, or another study is running into it.
    """
    out = Path(out or runs_root()).resolve()
    source = str(notebook())
    lock = FileLock(out / ".study.lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"another study is running into {out}: wait for it, or choose another folder with --out"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write runs to {out}: {error}. Choose another folder with --out.") from error
    try:
        missing = [config for config in study.configs if not store.is_done(out / config.run_id)]
        report(f"study {study.name}: {len(study.configs)} runs, {len(study.configs) - len(missing)} done before")
        _check_done(study, missing, out)
        if not missing:
            return {}
        for config in missing:
            for left in out.glob(f".{config.run_id}.*"):
                shutil.rmtree(left, ignore_errors=True)  # what a killed process left
        if any(config.model.startswith("svm_") for config in missing):
            svm.opensmile_version()  # raises now, not in every run, if it is not installed
        for config in {_data_key(config, **config.extraction): config for config in missing}.values():
            features.extract(corpora.load(**config.reading), **config.extraction)
        return _run(missing, out, source, min(workers, len(missing)), report)
    finally:
        lock.release()


def _check_done(study, missing, out):
    """Refuse runs that were altered, and runs that were made from other data than the corpus holds now."""
    problems = [
        line for config in missing if (out / config.run_id).exists() for line in store.verify(out / config.run_id)
    ]
    finished = [config for config in study.configs if config not in set(missing)]
    for config in {_data_key(config): config for config in finished}.values():
        digest = corpora.digest(corpora.load(**config.reading))
        problems += [
            f"{other.run_id}: made from other recordings or labels than {config.corpus} holds now"
            for other in finished
            if other.reading == config.reading and store.load(out / other.run_id).provenance["corpus_digest"] != digest
        ]
    if problems:
        raise StoreError("\n".join([*problems, f"Delete these runs in {out}, or move them away; then start again."]))


def _data_key(config, **more):
    return tuple((config.reading | more).values())


def _run(missing, out, source, workers, report):
    """Hand the missing runs to worker processes; return the failed ones."""
    began, failed = time.perf_counter(), {}
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(missing[0].threads,),
    )
    futures = {pool.submit(_execute, config.to_dict(), source, str(out)): config for config in missing}
    try:
        for count, future in enumerate(as_completed(futures), start=1):
            config = futures[future]
            try:
                answer = future.result()
            except BrokenProcessPool:
                raise StoreError(
                    "a worker process was killed. Nothing finished is lost: start the study again."
                ) from None
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            left = (time.perf_counter() - began) / count * (len(missing) - count)
            head = f"[{count}/{len(missing)}] {_name(config)}: "
            if "error" in answer:
                failed[config] = answer["error"] + (f" (see {answer['notebook']})" if "notebook" in answer else "")
                report(head + f"FAILED, {failed[config]}")
            else:
                scores = store.load(answer["folder"]).metrics
                report(head + f"UAR {100 * scores['uar']:.1f} %, {answer['seconds']:.0f} s, {_clock(left)} left")
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failed


def _name(config):
    what = "" if config.model in LISTENS else f", {config.attention}, gender {config.gender}"
    return f"{config.model}{what}, fold {config.fold}, seed {config.seed}"


def _clock(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def status(study, out=None):
    """Count the finished runs of each configuration.

    Returns
    -------
    pandas.DataFrame
        One row a configuration: the fields in which the study's configurations differ, ``runs`` and ``done``.
    """
    import pandas as pd

    finished = done(study, out)
    rows = pd.DataFrame([config.to_dict() | {"runs": 1, "done": int(config in finished)} for config in study.configs])
    names = [f.name for f in fields(RunConfig) if f.name not in ("fold", "seed")]
    differing = ["model"] + [name for name in names if name != "model" and len({*rows[name]}) > 1]
    return rows.groupby(differing, sort=False)[["runs", "done"]].sum().reset_index()
