"""A study: the missing runs of a grid, done by as many processes as asked for."""

import json
import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout

from sermodules import corpora, features, files
from sermodules.config import METHODS, require, words
from sermodules.doctor import computing, examination
from sermodules.errors import SermodulesError, StoreError, StudyError
from sermodules.folds import protocol
from sermodules.paths import project_root, runs_root
from sermodules.runs import notebook, provenance, store
from sermodules.study import crew, origins, scheduling
from sermodules.study.grid import data_key
from sermodules.study.progress import LOCK, STAGED, Progress, done, has_all


class Mixture(StudyError):
    """Finished runs of the study were computed with something else than what is here now."""


class Incomplete(StudyError):
    """A corpus of the study is not the full one."""


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
    mix=False, redo_other=False, incomplete=False, tell=print, watch=None,
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
        A running Dask cluster instead; see `crew.cluster`.
    notebooks : bool
        Run the notebook for each run and keep it; else call `sermodules.runs.run`, which gives the same predictions.
    retry_failed : bool
        Do runs again that failed in an earlier call.
    redo : bool
        Move runs that were altered or truncated to ``damaged/`` and do them again, instead of refusing to go on.
    mix : bool
        Go on although finished runs were computed with other code, another backend, other versions or settings than are here.
    redo_other : bool
        Move these to ``other/`` and do them again, and with them the runs of an altered notebook or of one run by hand.
    incomplete : bool
        Do the runs although a corpus is known not to be the full one. Their records and the report say in what.
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
    Mixture
        If runs are missing, and the finished ones were computed with something else; see `mix` and `redo_other`.
    Incomplete
        If runs are missing, and their corpus is not the full one; see `incomplete`.
    """
    out = Path(out or runs_root()).resolve()
    source = _notebook(tell) if notebooks else None
    lock = FileLock(out / LOCK, timeout=0)
    try:
        files.make_folder(out)
        lock.acquire()
        files.share(out / LOCK)
    except Timeout:
        raise StoreError(
            f"another study is running into {out}: wait for it, or choose another folder with --out"
        ) from None
    except OSError as error:
        raise StoreError(
            f"cannot write runs to {out}: {files.refusal(error)}. Choose another folder with --out."
        ) from error
    try:
        missing = [config for config in study.configs if not _is_done(study, out / config.run_id)]
        tell(f"study {study.name}: {len(study.configs)} runs, {len(study.configs) - len(missing)} done before")
        if redo:
            _set_aside([config for config in missing if not store.is_done(out / config.run_id)], out, "damaged")
        _check_done(study, missing, out)
        if redo_other:
            missing = _without_others(study, missing, out, tell)
        failed = {} if retry_failed else {config: text for config in missing if (text := _error(config, out))}
        if failed:
            tell(f"{len(failed)} failed before and are left out: --retry-failed does them again")
        finished = set(study.configs) - set(missing)
        missing = [config for config in missing if config not in failed]
        if not missing:
            return failed
        packages = _packages(missing)
        _check_origins(finished, out, packages, mix, tell)
        local = not (scheduler or scheduler_file)
        if local:
            _check_machine()
        for left in out.glob(".*_seed*"):
            shutil.rmtree(left, ignore_errors=True)  # what a killed driver left
        _check_whole(missing, incomplete, tell)
        tables = _tables(missing)
        divisions = _divisions(missing, tables)
        _check_folds(missing, divisions)
        for line in _describe(missing, divisions):
            tell(line)
        digests = _prepare(missing, tables, local)
        threads = missing[0].threads
        count = min(len(missing), workers or computing.runs_at_a_time(threads))
        if local:
            tell(f"{count} runs at a time, of {threads} threads each; {computing.cores()} cores may be used")
        progress = Progress(study, missing, failed, out, tell, watch)
        with _crew(count, scheduler, scheduler_file, out) as workers:
            demands = scheduling.demands(digests, packages)
            pool = scheduling.Pool(
                workers, source, demands, _trainings(missing, divisions), progress.tell, study.keep_model
            )
            for config, answer in pool.compute(missing):
                if config is not None:
                    progress.end(config, answer, _keep(config, answer, out, digests))
                progress.show([words.run(config) for _, config in pool.running.values()])
        progress.sum_up(count if local else None)
        return progress.failed
    finally:
        lock.release()


def _is_done(study, folder):
    """Tell whether a run is done: of a study that keeps models, with its model."""
    return store.is_done(folder) and has_all(study, folder)


def _notebook(tell):
    """Read the notebook that does one run, and say so if it is not the one that the package knows."""
    path = source_notebook()
    text = path.read_text(encoding="utf-8")
    try:
        altered = notebook.altered(text)
    except SermodulesError as error:
        raise SermodulesError(f"{path}: {error}. Bring the file back, for example with git.") from error
    if altered:
        tell(f"the code cells of {path} were altered: these runs say so, and are not published")
    return text


def _crew(count, scheduler, scheduler_file, out):
    if scheduler or scheduler_file:
        return crew.cluster(scheduler, scheduler_file)
    return crew.machine(count, out / STAGED)


def _packages(missing):
    """Return what the missing runs need besides the packages of the project."""
    return sorted({name for config in missing for name in METHODS[config.model].needs})


def _records(configs, out):
    """Return the provenance of finished runs, which have been verified."""
    return {config: json.loads((out / config.run_id / "provenance.json").read_text("utf-8")) for config in configs}


def _check_origins(finished, out, packages, mix, tell):
    """Refuse to go on if finished runs were computed with something else than what is here now."""
    now, records = provenance.identity(packages=packages), _records(finished, out)
    others = [record for record in records.values() if provenance.differences(provenance.identity(record), now)]
    if not others:
        return
    lines = [f"{len(others)} of {len(records)} finished runs were computed with something else than what is here now:"]
    lines += [f"  {line}" for line in origins.compare(others, now)]
    if not mix:
        raise Mixture("\n".join([*lines, "Nothing was done. Their tables would mix the two."]))
    for line in [*lines, "the study goes on with what is here, and its report counts both"]:
        tell(line)


def _without_others(study, missing, out, tell):
    """Set the runs aside that `Mixture` or `published.publish` would refuse; return all runs that are missing then."""
    now = provenance.identity(packages=_packages(study.configs))
    others = [
        config
        for config, record in _records(set(study.configs) - set(missing), out).items()
        if provenance.differences(provenance.identity(record), now) or record.get("notebook_altered")
    ]
    _set_aside(others, out, "other")
    tell(f"{len(others)} runs that were computed with something else are set aside in {out / 'other'}")
    return [config for config in study.configs if config in {*missing, *others}]


def _check_machine():
    """Refuse to begin where no run could start, which `sermodules doctor` finds too."""
    findings = [finding for finding in examination.examine(examination.BEFORE_A_STUDY) if finding.stops]
    if findings:
        lines = [line for finding in findings for line in finding.lines()]
        raise StudyError(
            "\n".join(["no run can start here:", *lines, "Nothing was done. `sermodules doctor` says more."])
        )


def _check_whole(missing, incomplete, tell):
    """Refuse to begin on a corpus that is not the full one."""
    lines = []
    for config in {(config.corpus, config.scripted): config for config in missing}.values():
        if found := corpora.lacks(**config.reading):
            lines.append(f"{corpora.find(config.corpus)} is not the full corpus {config.corpus}:")
            lines += [f"  {line}" for line in found]
    if lines and not incomplete:
        raise Incomplete("\n".join([*lines, "Nothing was done. A score on it is of another corpus."]))
    for line in lines and [*lines, "the study goes on with it, and its runs and report say so"]:
        tell(line)


def _tables(missing):
    """Read the corpora of the missing runs."""
    wanted = {data_key(config): config for config in missing}  # a corpus of thousands is read once, not for each run
    return {key: corpora.load(**config.reading) for key, config in wanted.items()}


def _divisions(missing, tables):
    """Return the folds of the missing runs, by what they depend on."""
    wanted = {data_key(config, **config.division): config for config in missing}
    return {key: protocol.folds(tables[data_key(config)], **config.division) for key, config in wanted.items()}


def _check_folds(missing, divisions):
    """Refuse folds that a division does not have: every run of them would fail."""
    for config in missing:
        protocol.numbered(divisions[data_key(config, **config.division)], config.fold, **config.division)


def _describe(missing, divisions):
    """Say which folds the missing runs have: a line each corpus and way of dividing it."""
    lines = {}
    for config in missing:
        every = divisions[data_key(config, **config.division)]
        lines[f"{words.corpus_name(config.corpus)}, {protocol.describe(every, **config.division)}"] = None
    return list(lines)


def _trainings(missing, divisions):
    """Give each missing run a key that is the same for runs that train the same network on the same speakers."""
    speakers = {key: {fold.number: fold.train for fold in every} for key, every in divisions.items()}
    return {
        config: (config.training, speakers[data_key(config, **config.division)].get(config.fold)) for config in missing
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


def _set_aside(configs, out, name):
    """Move the folders of runs to another folder below the folder of runs."""
    for config in configs:
        if (out / config.run_id).exists():
            target = out / name / f"{config.run_id}.{time.time_ns()}"
            files.make_folder(target.parent)
            (out / config.run_id).rename(target)


def _error(config, out):
    """Return the error with which a run failed earlier, or None."""
    try:
        return json.loads((out / "failed" / f"{config.run_id}.json").read_text(encoding="utf-8"))["error"]
    except (OSError, ValueError, KeyError):
        return None


def _keep(config, answer, out, digests):
    """Write what a worker sent: a run, or the record of a failed one. Return the run's result, or None."""
    failure = out / "failed" / f"{config.run_id}.json"
    if "error" not in answer:
        record = json.loads(answer["files"].get("provenance.json", "{}"))
        if (config.reading, record.get("corpus_digest")) not in digests:
            raise StudyError(
                f"the recordings or labels of {config.corpus} changed while the study ran. {config.run_id} was not stored; "
                "finished runs are kept. Bring the old files back, then start the study again."
            )
        folder = store.write(answer["files"], config, out)
        for path in (failure, failure.with_suffix(".ipynb")):
            path.unlink(missing_ok=True)
        return store.load(folder)
    try:
        files.make_folder(failure.parent)
        if store.NOTEBOOK in answer["files"]:
            failure.with_suffix(".ipynb").write_bytes(answer["files"][store.NOTEBOOK])
        content = {"error": answer["error"], "traceback": answer["traceback"], "config": config.record()}
        failure.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        files.share_all(failure.parent)
    except OSError as error:
        raise StoreError(f"cannot write to {failure.parent}: {files.refusal(error)}") from error
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
    return [line for folder in _folders(study, out) for line in store.verify(folder)]


def notes(study, out=None):
    """Say which notebooks of finished runs were altered or deleted, a line each; the runs are whole all the same."""
    return [line for folder in _folders(study, out) for line in store.notes(folder)]


def _folders(study, out):
    out = Path(out or runs_root())
    return [folder for config in study.configs if (folder := out / config.run_id).exists()]
