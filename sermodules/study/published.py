"""A study's finished runs in one folder of few text files, which can be committed, checked and read without the runs.

- ``study.yaml``: the study file, unchanged;
- ``runs.jsonl``: a line a run, sorted by id: ``run`` (the id), ``config``, ``metrics``, ``provenance``, ``environment`` and
  ``sha256``, the digests of the predictions.csv and history.csv in the run's own folder;
- ``common.json``: ``environments``, the parts of the provenance that many runs share, each kept once, and ``folds`` of each
  corpus (and way of dividing it, if it is not a speaker a fold), because a study file may just say "all";
- ``predictions.csv`` and ``history.csv`` of all runs; ``run`` holds the id. A class that a run does not have is empty;
- ``SHA256SUMS``, the digests of these texts;
- ``ATTRIBUTION.txt``, if the licence of a corpus asks for it: what must stand beside the names and labels of its recordings.

Where the runs, the predictions or the history are longer than 1 MiB, there is a compressed file a seed instead, such as
``predictions-seed-1.csv.gz``: see `archive`.

Everything but the notebooks can be had back: a run's two tables byte for byte, the rest by value.
"""

import dataclasses
import math
import sys
from pathlib import Path

from tqdm import tqdm

from sermodules import corpora, files, metrics
from sermodules.errors import SermodulesError, StoreError
from sermodules.runs import store
from sermodules.study import archive, grid, records

ATTRIBUTION = "ATTRIBUTION.txt"

_EQUAL = 1e-12  # scores are shares; another numpy may sum in another order
_ROUNDED = 1e-8  # history.csv has eight decimals


def publish(study, source, out, folder, replace=False):
    """Put the finished runs of a study into one folder, together with those that it holds already.

    The folder is written whole or not at all, and checked by `verify` before it appears. The same runs give the same bytes.
    Other files in the folder, such as a README, stay.

    Parameters
    ----------
    study : Study
        With all of its folds.
    source : path
        The file from which the study was read; it is copied.
    out : path
        The folder of runs.
    folder : path
        Made if it is not there.
    replace : bool
        What is published already gives way: a run with other predictions is replaced, a run that the study does not have is
        left out. Otherwise either is an error.

    Returns
    -------
    list of str
        The ids of the runs that were added or replaced. A published run with the same predictions stays as it is.

    Raises
    ------
    SermodulesError
        If a run is altered, incomplete, not of this study, published with other predictions, computed by an altered notebook
        or stored by hand; if there is no run; or if the folder cannot be read or written. Nothing is changed then.
    """
    source, out, folder = Path(source), Path(out), Path(folder).resolve()
    try:
        _recover(folder)
        before, found = _read(folder)[0] if archive.present(folder) else {}, _finished(study, out)
        if marked := sorted(name for name, (result, _) in found.items() if result.provenance.get("notebook_altered")):
            lines = [f"{name}: {_why(found[name][0].provenance)}" for name in marked]
            raise StoreError("\n".join([*lines, "`sermodules study run` with --redo-other does these runs again."]))
        differing = {name for name in found.keys() & before if _digest(found[name]) != _digest(before[name])}
        foreign = {name for name in before if before[name][0].config not in set(study.configs)}
        if (differing or foreign) and not replace:
            lines = [f"{name}: published with other predictions" for name in sorted(differing)]
            lines += [f"{name}: published, but not a run of the study {study.name}" for name in sorted(foreign)]
            raise StoreError("\n".join([*lines, "Publish to another folder, or replace what is there (--replace)."]))
        kept = {name: run for name, run in before.items() if name not in differing | foreign}
        if not (runs := found | kept):
            raise StoreError(f"no run of the study {study.name} is finished in {out}: run the study first")
        _write(study, source.read_bytes(), dict(sorted(runs.items())), folder)
    except OSError as error:
        raise StoreError(f"cannot publish to {folder}: {error}. Nothing was changed.") from error
    return sorted(found.keys() - kept)


def plan(folder, folds=None, seeds=None):
    """Return the `Study` that the folder holds, with the folds that it had when it was published.

    Parameters
    ----------
    folder : path
    folds, seeds : list of int, optional
        Only these.

    Raises
    ------
    SermodulesError
        If the folder is missing, half written or altered.
    """
    study = _read(folder)[1]
    configs = [c for c in study.configs if (not folds or c.fold in folds) and (not seeds or c.seed in seeds)]
    return dataclasses.replace(study, configs=tuple(configs))


def contents(folder):
    """Return the published runs and what is missing.

    Parameters
    ----------
    folder : path

    Returns
    -------
    runs : list of RunResult
        In the order of the study's grid.
    missing : list of RunConfig
        Those of the study that have no run in the folder, in the order of its grid.

    Raises
    ------
    SermodulesError
        As `plan`.
    """
    runs, study = _read(folder)
    places = {config: place for place, config in enumerate(study.configs)}
    results = sorted((result for result, _ in runs.values()), key=lambda result: places.get(result.config, len(places)))
    published = {result.config for result in results}
    return results, [config for config in study.configs if config not in published]


def load(folder):
    """Return the published runs as `RunResult`, in the order of the study's grid; raise as `plan` does."""
    return contents(folder)[0]


def missing(folder):
    """Return the configurations of the study that have no run in the folder, in the order of its grid."""
    return contents(folder)[1]


def verify(folder):
    """Say what is wrong with a published study.

    Every digest, run id and score is computed anew: the scores of each run from its predictions, the validation UAR from its
    history. A run that is not published yet is no problem; see `missing`.

    Returns
    -------
    list of str
        One line a problem.
    """
    try:
        runs, study = _read(folder)
    except SermodulesError as error:
        return str(error).splitlines()
    planned = set(study.configs)
    bar = tqdm(runs.items(), "verifying", unit="run", leave=False, file=sys.stdout, disable=not sys.stdout.isatty())
    problems = [f"{name}: {line}" for name, run in bar for line in _problems(name, *run, planned)]
    return [*problems, *_uncredited(Path(folder), runs)]


# --- reading. A run is a pair: its RunResult, and the digests of its tables.


def _digest(run):
    return run[1]["predictions.csv"]


def _read(folder):
    """Check the files; return the runs by id, and the study."""
    held = archive.read(folder)
    try:
        runs, folds = records.read(held)
        study = grid.load(Path(folder) / "study.yaml", list({*()}.union(*folds.values())))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise StoreError(f"{folder}: not what `sermodules study publish` writes: {text}") from error
    configs = [config for config in study.configs if config.fold in folds.get(records.divided(config), ())]
    done, before = {result.config for result, _ in runs.values()}, [config.before_added() for config in configs]
    if len(done & {*before}) > len(
        done & {*configs}
    ):  # the preset did not give today's settings when these were published
        configs = before
    return runs, dataclasses.replace(study, configs=tuple(configs))


# --- checking


def _uncredited(folder, runs):
    """Yield which corpora lack the attribution that their licence asks for."""
    path = folder / ATTRIBUTION
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for name in _corpora(runs):
        if corpora.attribution([name]) and corpora.CORPORA[name].source not in text:
            yield f"{ATTRIBUTION} does not credit the corpus {name}, as its licence asks: publish the study again"


def _corpora(runs):
    return sorted({result.config.corpus for result, _ in runs.values()})


def _problems(name, result, digests, planned):
    """Yield what is wrong with a run."""
    predictions = result.predictions
    if result.config.run_id != name:
        yield f"its config is that of {result.config.run_id}"
    if result.config not in planned:
        yield "the study has no such run"
    for table, frame in (("predictions.csv", predictions), ("history.csv", result.history)):
        if archive.sha256(records.csv(frame).encode()) != digests[table]:
            yield f"{table} does not hold what the run wrote"
    try:
        yield from _wrong_scores(result.metrics, predictions, result.history)
    except (KeyError, ValueError, TypeError) as error:
        yield f"cannot be scored: {type(error).__name__}: {error}"


def _wrong_scores(stored, predictions, history):
    """Yield what the predictions do not give; a score that came after the run was stored is not missed."""
    computed = metrics.summarise(predictions["true"], predictions["predicted"], stored["classes"])
    yield from (f"{key} is missing" for key in ("uar", "wa", "recalls", "confusion", "n") if key not in stored)
    for key, value in computed.items():
        if key in stored and not _same(stored[key], value):
            yield f"{key} is {stored[key]}, but the predictions give {value}"
    speakers = sorted({*predictions["speaker"]})
    tested = [stored["test_speaker"]] if "test_speaker" in stored else stored.get("test_speakers", speakers)
    if speakers != sorted(tested):
        yield f"test_speaker is {', '.join(tested)}, but the predictions are of {', '.join(speakers)}"
    if "val_uar" in stored:
        value = float(history.set_index("epoch")["val_uar"][stored["best_epoch"]])
        if not _same(stored["val_uar"], value, _ROUNDED):
            yield f"val_uar is {stored['val_uar']}, but the history gives {value}"


def _same(stored, value, tolerance=_EQUAL):
    if isinstance(value, dict):
        return stored.keys() == value.keys() and all(_same(stored[key], value[key], tolerance) for key in value)
    if isinstance(value, float):
        return math.isclose(stored, value, rel_tol=0, abs_tol=tolerance)
    return stored == value


# --- writing


def _finished(study, out):
    """Return the finished runs of the study by id; refuse all if one is altered, incomplete or another run."""
    folders = {config: out / config.run_id for config in study.configs if (out / config.run_id).exists()}
    if problems := [line for folder in folders.values() for line in store.verify(folder)]:
        raise StoreError(
            "\n".join([*problems, f"Delete these runs in {out} and run the study again; then publish it."])
        )
    runs = {}
    for config, folder in folders.items():
        digests = {name: files.sha256(folder / name) for name in records.TABLES}
        runs[config.run_id] = store.load(folder), digests
    return runs


def _why(provenance):
    """Say why a run is not published."""
    if provenance["notebook_altered"] == "by hand":
        return "it was stored by hand from a notebook, so nobody knows which cells computed it"
    return "the notebook that computed it was altered"


def _write(study, source, runs, folder):
    """Write and check a hidden folder, then give it the name."""
    files.make_folder(folder.parent)
    try:
        with files.staging(folder.parent, folder.name) as staging:
            if folder.exists():
                files.copy(folder, staging, leave_out=archive.present(folder))
            data = archive.contents({"study.yaml": source} | records.texts(study, runs), folder)
            if credit := corpora.attribution(_corpora(runs)):
                data[ATTRIBUTION] = credit.encode()
            for name, content in data.items():
                (staging / name).write_bytes(content)
            if problems := verify(staging):
                raise StoreError("\n".join([*problems, f"These runs cannot be published; {folder} is as it was."]))
            if plan(staging).configs != study.configs:
                raise StoreError(
                    f"the study file does not give the runs of the study {study.name}; {folder} is as it was"
                )
            files.share_all(staging)
            if folder.exists():
                folder.rename(_aside(folder))
            staging.rename(folder)
    finally:
        _recover(folder)


def _aside(folder):
    return folder.with_name(f".{folder.name}.before")


def _recover(folder):
    """Bring back what a killed `publish` moved aside, and remove what else it left."""
    if _aside(folder).exists() and not folder.exists():
        _aside(folder).rename(folder)
    files.remove_staging(folder.parent, folder.name)
