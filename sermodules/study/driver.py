"""A study: the missing runs of a grid, done by as many processes as asked for."""

import json
import os
import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout

from sermodules import corpora, features
from sermodules.config import require, words
from sermodules.errors import SermodulesError, StoreError, StudyError
from sermodules.folds import protocol
from sermodules.paths import project_root, runs_root
from sermodules.runs import store
from sermodules.study import scheduling
from sermodules.study.grid import data_key
from sermodules.study.progress import LOCK, Progress, done


def results(study, out=None):
    """Read the finished runs of a study, in the order of its grid, as a list of `RunResult`."""
    return store.load_all(done(study, out).values())


def source_notebook():
    """Return the path of the notebook that does one run; `SermodulesError` without a checkout."""
    path = project_root() / "book" / "one_fold.ipynb"
    if not path.is_file():
        raise SermodulesError(f"the notebook {path} is missing: studies run from a checkout of the project")
    return path


def run(
    study, out=None, workers=None, *, scheduler=None, scheduler_file=None, notebooks=True, retry_failed=False, redo=False,
    tell=print, watch=None,
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
        Run the notebook for each run and keep it; else call `sermodules.runs.run`, which gives the same predictions.
    retry_failed : bool
        Do runs again that failed in an earlier call.
    redo : bool
        Move runs that were altered or truncated to ``damaged/`` and do them again, instead of refusing to go on.
    tell : callable
        Takes a line of text.
    watch : callable, optional
        Takes the state of the study after each change, a dict: see `progress.Progress`.

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
    source = source_notebook().read_text(encoding="utf-8") if notebooks else None
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
        tell(f"study {study.name}: {len(study.configs)} runs, {len(study.configs) - len(missing)} done before")
        if redo:
            _set_aside(missing, out)
        _check_done(study, missing, out)
        failed = {} if retry_failed else {config: text for config in missing if (text := _error(config, out))}
        if failed:
            tell(f"{len(failed)} failed before and are left out: --retry-failed does them again")
        missing = [config for config in missing if config not in failed]
        if not missing:
            return failed
        for left in out.glob(".*_seed*"):
            shutil.rmtree(left, ignore_errors=True)  # what a killed driver left
        tables = _tables(missing)
        digests = _prepare(missing, tables, local=not (scheduler or scheduler_file))
        count = min(len(missing), workers or max(2, _cores() // missing[0].threads))
        progress = Progress(study, missing, failed, out, tell, watch)
        with scheduling.connect(count, scheduler, scheduler_file) as client:
            pool = scheduling.Pool(client, source, digests, _trainings(missing, tables), progress.tell)
            for config, answer in pool.compute(missing):
                if config is not None:
                    progress.end(config, answer, _keep(config, answer, out, digests))
                progress.show([words.run(config) for _, config in pool.running.values()])
        progress.sum_up(None if scheduler or scheduler_file else count)
        return progress.failed
    finally:
        lock.release()


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _tables(missing):
    """Read the corpora of the missing runs."""
    return {data_key(config): corpora.load(**config.reading) for config in missing}


def _trainings(missing, tables):
    """Give each missing run a key that is the same for runs that train the same network on the same speakers."""
    folds = {}  # by what they depend on
    for config in missing:
        if (key := data_key(config, validation=config.validation)) not in folds:
            folds[key] = protocol.folds(tables[data_key(config)], config.validation)
    speakers = {key: {fold.number: fold.train for fold in found} for key, found in folds.items()}
    return {
        config: (config.training, speakers[data_key(config, validation=config.validation)].get(config.fold))
        for config in missing
    }


def _prepare(missing, tables, local):
    """Extract the features of the missing runs if it is done here, and return the digests of their corpora."""
    for model in {config.model for config in missing}:
        require(model)  # raises now, not in every run
    if local:
        for config in {data_key(config, **config.extraction): config for config in missing}.values():
            features.extract(tables[data_key(config)], **config.extraction)
    readings = {data_key(config): config.reading for config in missing}
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


def _check_done(study, missing, out):
    """Refuse runs that were altered, and runs that were made from other data than the corpus holds now."""
    problems = [
        line for config in missing if (out / config.run_id).exists() for line in store.verify(out / config.run_id)
    ]
    finished = [config for config in study.configs if config not in set(missing)]
    for config in {data_key(config): config for config in finished}.values():
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


def verify(study, out=None):
    """Say what is wrong with the finished runs of a study: a list of lines, empty if nothing is."""
    out = Path(out or runs_root())
    folders = [out / config.run_id for config in study.configs]
    return [line for folder in folders if folder.exists() for line in store.verify(folder)]
