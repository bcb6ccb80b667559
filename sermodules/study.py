"""A study: a grid of runs over folds and seeds, done by as many processes as asked for, and only where a run is missing."""

import contextlib
import datetime
import json
import os
import shutil
import time
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from sermodules import corpora, features, protocol, scheduling, store
from sermodules.baselines import svm
from sermodules.config import LISTENS, RunConfig, refuse_empty, trains_as
from sermodules.errors import ConfigError, CorpusError, SermodulesError, StoreError, StudyError
from sermodules.paths import project_root, runs_root

#: Files of the engine in a folder of runs: who is at work, how far it is, and what it did.
LOCK, STATE, LOG = ".study.lock", ".study.json", "study.log"

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
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ConfigError(f"{path} has an alias (*name): write out what it stands for")  # they multiply without end
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"cannot read the study file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
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


def run(
    study, out=None, workers=None, *, scheduler=None, scheduler_file=None, notebooks=True, retry_failed=False, redo=False,
    report=print, watch=None,
):  # fmt: skip
    """Do what is missing of a study.

    Every file is read and every feature extracted before the first training, so that bad audio ends the study at once. A
    finished run is never done again; killing the study loses only the runs that were under way.

    Parameters
    ----------
    study : Study
    out : path, optional
        Folder of runs; the project's ``runs/`` unless given.
    workers : int, optional
        Processes at a time on this machine, each of which computes with the configuration's ``threads``; unless given, as many
        as the cores take, and at least two.
    scheduler, scheduler_file : optional
        A running Dask cluster instead; see `scheduling.connect`.
    notebooks : bool
        Run the notebook for each run and keep it; else call `training.run`, which gives the same predictions.
    retry_failed : bool
        Do runs again that failed in an earlier call.
    redo : bool
        Move runs that were altered or truncated to ``damaged/`` and do them again, instead of refusing to go on.
    report : callable
        Takes a line of text.
    watch : callable, optional
        Takes the state of the study after each change, a dict: see `progress`.

    Returns
    -------
    dict of RunConfig to str
        The runs that failed, now or earlier, with their errors; empty if all is done. What is known about each is in
        ``failed/`` under the folder of runs.

    Raises
    ------
    SermodulesError
        If the corpus, the audio, the workers or the folder of runs cannot be used, another study is running into it, or the
        corpus changes or the scheduler is lost while the study runs.
    """
    out = Path(out or runs_root()).resolve()
    source = notebook().read_text(encoding="utf-8") if notebooks else None
    lock = FileLock(out / LOCK, timeout=0)
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
        if redo:
            _set_aside(missing, out)
        _check_done(study, missing, out)
        failed = {} if retry_failed else {config: text for config in missing if (text := _error(config, out))}
        if failed:
            report(f"{len(failed)} failed before and are left out: --retry-failed does them again")
        missing = [config for config in missing if config not in failed]
        if not missing:
            return failed
        for left in out.glob(".*_seed*"):
            shutil.rmtree(left, ignore_errors=True)  # what a killed driver left
        tables = _tables(missing)
        digests = _prepare(missing, tables, local=not (scheduler or scheduler_file))
        count = min(len(missing), workers or max(2, _cores() // missing[0].threads))
        progress = _Progress(study, missing, failed, out, report, watch)
        with scheduling.connect(count, scheduler, scheduler_file) as client:
            pool = scheduling.Pool(client, source, digests, _trainings(missing, tables), progress.tell)
            for config, answer in pool.compute(missing):
                if config is not None:
                    progress.end(config, answer, _keep(config, answer, out, digests))
                progress.show([_name(config) for _, config in pool.running.values()])
        progress.sum_up(None if scheduler or scheduler_file else count)
        return progress.failed
    finally:
        lock.release()


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _tables(missing):
    """Read the corpora of the missing runs."""
    return {_data_key(config): corpora.load(**config.reading) for config in missing}


def _trainings(missing, tables):
    """Give each missing run a key that is the same for runs that train the same network on the same speakers."""
    folds = {}  # by what they depend on
    for config in missing:
        if (key := _data_key(config, validation=config.validation)) not in folds:
            folds[key] = protocol.folds(tables[_data_key(config)], config.validation)
    speakers = {key: {fold.number: fold.train for fold in found} for key, found in folds.items()}
    return {
        config: (trains_as(config), speakers[_data_key(config, validation=config.validation)].get(config.fold))
        for config in missing
    }


def _prepare(missing, tables, local):
    """Extract the features of the missing runs if it is done here, and return the digests of their corpora."""
    if any(config.model.startswith("svm_") for config in missing):
        svm.opensmile_version()  # raises now, not in every run, if it is not installed
    if local:
        for config in {_data_key(config, **config.extraction): config for config in missing}.values():
            features.extract(tables[_data_key(config)], **config.extraction)
    readings = {_data_key(config): config.reading for config in missing}
    return [(reading, corpora.digest(tables[key])) for key, reading in readings.items()]


def _set_aside(missing, out):
    """Move the folders of damaged runs to ``damaged/``."""
    for config in missing:
        if (out / config.run_id).exists():
            target = out / "damaged" / f"{config.run_id}.{time.time_ns()}"
            target.parent.mkdir(exist_ok=True)
            (out / config.run_id).rename(target)


def _error(config, out):
    """Return the error with which a run failed earlier, or None."""
    try:
        return json.loads((out / "failed" / f"{config.run_id}.json").read_text(encoding="utf-8"))["error"]
    except (OSError, ValueError, KeyError):
        return None


def _keep(config, answer, out, digests):
    """Write what a worker sent: a run, or the record of a failed one. Return the run's result, or None."""
    record = out / "failed" / f"{config.run_id}.json"
    if "error" not in answer:
        provenance = json.loads(answer["files"].get("provenance.json", "{}"))
        if (config.reading, provenance.get("corpus_digest")) not in digests:
            raise StudyError(
                f"the recordings or labels of {config.corpus} changed while the study ran. {config.run_id} was not stored; "
                "finished runs are kept. Bring the old files back, then start the study again."
            )
        folder = store.write(answer["files"], config, out)
        for path in (record, record.with_suffix(".ipynb")):
            path.unlink(missing_ok=True)
        return store.load(folder)
    try:
        record.parent.mkdir(exist_ok=True)
        if store.NOTEBOOK in answer["files"]:
            record.with_suffix(".ipynb").write_bytes(answer["files"][store.NOTEBOOK])
        content = {"error": answer["error"], "traceback": answer["traceback"], "config": config.record()}
        record.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write to {record.parent}: {error}") from error
    return None


class _Progress:
    """Counts what a study does, for its driver, its log and whoever asks for its status."""

    def __init__(self, study, missing, failed, out, report, watch):
        self.name, self.out, self.report, self.watch = study.name, out, report, watch
        self.failed, self.missing = dict(failed), len(missing)
        self.done, self.runs = len(study.configs) - len(missing) - len(failed), len(study.configs)
        self.began, self.count, self.busy, self.last, self.shown = time.perf_counter(), 0, 0.0, "", None

    def tell(self, line):
        """Report a line and add it to the log."""
        self.report(line)
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError), (self.out / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{stamp} {self.name} {line}\n")

    def end(self, config, answer, result):
        """Take note of a run that is done or has failed."""
        self.count += 1
        head = f"[{self.count}/{self.missing}] {_name(config)}: "
        if result is None:
            self.failed[config] = answer["error"]
            self.tell(head + f"FAILED, {answer['error']} (see failed/{config.run_id}.json)")
            return
        self.done += 1
        self.busy += sum(result.provenance["seconds"].values()) - result.provenance.get("reused_seconds", 0.0)
        self.last = f"UAR {100 * result.metrics['uar']:.1f} %"
        self.tell(head + f"{self.last}, {answer['seconds']:.0f} s, {_clock(self._left())} left")

    def _left(self):
        return (time.perf_counter() - self.began) / max(self.count, 1) * (self.missing - self.count)

    def show(self, running):
        """Write the state where `progress` finds it, if it has changed."""
        state = {"study": self.name, "runs": self.runs, "done": self.done, "failed": len(self.failed)}
        state |= {"running": running, "last": self.last}
        if state == self.shown:
            return
        self.shown = dict(state)
        state["left_s"] = round(self._left()) if self.count else None
        with contextlib.suppress(OSError):
            staged = self.out / f"{STATE}.new"
            staged.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
            staged.replace(self.out / STATE)
        if self.watch:
            self.watch(state)

    def sum_up(self, workers):
        """Say what the study took, and which share of the workers' time was training and predicting."""
        seconds = time.perf_counter() - self.began
        line = f"{self.count} runs in {seconds / 60:.1f} min"
        if workers:
            line += f" with {workers} workers; {self.busy / (seconds * workers):.0%} of their time was training and predicting"
        self.tell(line)


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
        raise StoreError(
            "\n".join(
                [*problems, f"Delete these runs in {out}, or let --redo set damaged ones aside; then start again."]
            )
        )


def _data_key(config, **more):
    return tuple((config.reading | more).values())


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


def progress(out=None):
    """Say how far the study is that is running into a folder.

    Parameters
    ----------
    out : path, optional
        Folder of runs; the project's ``runs/`` unless given.

    Returns
    -------
    dict or None
        ``study`` (its name), ``runs``, ``done`` and ``failed`` (counts), ``running`` (names), ``last`` (the last score)
        and ``left_s`` (seconds left, or None); None if no study is running there.
    """
    out = Path(out or runs_root())
    try:
        with FileLock(out / LOCK, timeout=0):
            return None
    except Timeout:
        pass
    except OSError:
        return None
    try:
        return json.loads((out / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def verify(study, out=None):
    """Say what is wrong with the finished runs of a study: a list of lines, empty if nothing is."""
    out = Path(out or runs_root())
    folders = [out / config.run_id for config in study.configs]
    return [line for folder in folders if folder.exists() for line in store.verify(folder)]
