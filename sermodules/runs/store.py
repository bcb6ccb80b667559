"""A run's folder: written whole or not at all, and checked when it is read."""

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from sermodules import files, metrics, paths
from sermodules.config import RunConfig
from sermodules.errors import StoreError
from sermodules.runs import notebook

#: The files of a run, in the order in which they are listed in ``SHA256SUMS``.
FILES = ("config.json", "metrics.json", "predictions.csv", "history.csv", "provenance.json")
#: What it has besides if its model was kept (`sermodules.inference.keep`); a baseline has no weights of a network.
MODEL = ("model.json", "model.npz", "model.weights.h5", "model_card.md")
NOTEBOOK = "run.ipynb"
SUMS = "SHA256SUMS"
#: The files of a model that is no run.
ALONE = ("config.json", "history.csv", "provenance.json", "model.json", "model.npz", "model_card.md")

#: The columns of predictions.csv that are text; the others are posteriors.
TEXTS = metrics.TEXTS


@dataclass(frozen=True)
class RunResult:
    """What a run found.

    Attributes
    ----------
    config : RunConfig
    predictions : pandas.DataFrame
        One row a test utterance: ``utterance, speaker, gender, true, predicted`` and one column of posteriors a class,
        named as `sermodules.metrics.posterior_columns` says, which sum to 1.
    history : pandas.DataFrame
        One row an epoch: ``epoch, loss, val_loss, val_uar, val_wa``.
    metrics : dict
        `sermodules.metrics.summarise` of the test utterances, of all test speakers together, and ``best_epoch``, ``val_uar``
        (not there if nobody validated), ``test_speaker``, ``validation_speaker``. Where a fold leaves out several speakers
        these are lists, ``test_speakers`` and ``validation_speakers``.
    provenance : dict
        Versions, commit, corpus digest, seconds, machine and backend.
    """

    config: RunConfig
    predictions: pd.DataFrame
    history: pd.DataFrame
    metrics: dict
    provenance: dict = field(repr=False)

    @property
    def unstable(self):
        """Whether the training loss ended well above its lowest; see `sermodules.metrics.loss_regained`."""
        return self.history is not None and metrics.loss_regained(self.history) >= metrics.UNSTABLE

    @cached_property
    def metrics_by_speaker(self):
        """Of each test speaker, in the order of the names, what `sermodules.metrics.summarise` finds.

        Of a run that tests one speaker it is what was stored. It is computed once: a report asks for it some ten times.
        """
        if "test_speaker" in self.metrics:
            return {self.metrics["test_speaker"]: self.metrics}
        return {
            speaker: metrics.summarise(mine["true"], mine["predicted"], self.metrics["classes"])
            for speaker, mine in self.predictions.groupby("speaker")
        }


def _texts(result):
    provenance = result.provenance | notebook.marks()
    return {
        "config.json": json.dumps(result.config.record(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "metrics.json": json.dumps(result.metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "predictions.csv": result.predictions.to_csv(index=False, float_format="%.8f", lineterminator="\n"),
        "history.csv": result.history.to_csv(index=False, float_format="%.8f", lineterminator="\n"),
        "provenance.json": json.dumps(provenance, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }


def _write_sums(folder):
    names = [name for name in (*FILES, *MODEL, NOTEBOOK) if (folder / name).is_file()]
    (folder / SUMS).write_text(_sums(folder, names), encoding="utf-8")


def _sums(folder, names):
    return "".join(f"{files.sha256(folder / name)}  {name}\n" for name in names)


def save(result, out, model=None):
    """Write a run's folder; it appears under its name only when it is complete.

    Parameters
    ----------
    result : RunResult
    out : path
        The folder of runs; made if it is not there.
    model : dict of str to bytes, optional
        The files that keep the model, see `MODEL`.

    Returns
    -------
    pathlib.Path
        ``out/<run id>``. If that run is there already with the same predictions, it is left as it is, but for the model, which
        it gets if it has none. If its predictions
        differ (another machine, other versions, altered audio), the new run goes beside it as ``<run id>~2``, so that
        nothing is lost.

    Raises
    ------
    StoreError
        If the folder cannot be written; nothing is left under the run's name then.
    """

    def fill(staging):
        for name, text in _texts(result).items():
            (staging / name).write_text(text, encoding="utf-8", newline="\n")
        for name, content in (model or {}).items():
            (staging / name).write_bytes(content)

    return _publish(fill, result.config.run_id, out)


def write(contents, config, out):
    """Write a run that came from elsewhere.

    Parameters
    ----------
    contents : dict of str to bytes
        The files of a run's folder by name, as `save` wrote them, and perhaps its model and ``run.ipynb``.
    config : RunConfig
        The run that was asked for.
    out : path
        The folder of runs; made if it is not there.

    Returns
    -------
    pathlib.Path
        As `save` does.

    Raises
    ------
    StoreError
        If a file is missing or it is another run, or the folder cannot be written.
    """
    missing = [name for name in FILES if name not in contents]
    if missing:
        raise StoreError(f"{config.run_id}: the worker sent no {', '.join(missing)}")
    if RunConfig.from_json(contents["config.json"].decode()) != config:
        raise StoreError(f"{config.run_id}: the worker sent another run")

    def fill(staging):
        for name in (*FILES, *MODEL, NOTEBOOK):
            if name in contents:
                (staging / name).write_bytes(contents[name])

    return _publish(fill, config.run_id, out)


def _publish(fill, run_id, out, needed=FILES):
    """Let `fill` write a run's files into a hidden folder, add the digests, and give it the run's name."""
    out = Path(out)
    try:
        files.make_folder(out)
    except OSError as error:
        raise StoreError(
            f"cannot write runs to {out}: {files.refusal(error)}. Pass another folder as `out`."
        ) from error
    try:
        with files.staging(out, run_id) as staging:
            fill(staging)
            _write_sums(staging)
            files.share_all(staging)
            return _name(staging, run_id, out, needed)
    except OSError as error:
        raise StoreError(
            f"could not write the run to {out}: {files.refusal(error)}. Nothing was left under its name. "
            "Pass another folder as `out`."
        ) from error


def _name(staging, run_id, out, needed):
    """Give a filled folder the run's name, or a name beside it if another result has that one."""
    found = "predictions.csv" if "predictions.csv" in needed else "model.json"
    for count in range(1, 1000):
        target = out / (run_id + (f"~{count}" if count > 1 else ""))
        if not target.exists():
            try:
                return staging.rename(target)
            except OSError:
                if not target.exists():  # else another process was quicker: look at what it wrote
                    raise
        whole = target.is_dir() and not _read(target, needed)[0]
        if whole and files.sha256(target / found) == files.sha256(staging / found):
            return _with_model(staging, target)
    raise StoreError(f"{out} holds 999 differing results of the run {run_id}: move them away.")


def _with_model(staging, target):
    """Give a run that has no model that of another one with the same predictions."""
    names = [name for name in MODEL if (staging / name).is_file()]
    if names and not has_model(target):
        for name in names:
            (staging / name).replace(target / name)
        sums = (target / SUMS).read_text(encoding="utf-8") + _sums(target, names)
        with files.whole_file(target / SUMS, "w", encoding="utf-8") as file:
            file.write(sums)
        (target / SUMS).touch()  # it is to be the youngest, see `untouched`
    return target


def has_model(folder):
    """Tell whether a run's model was kept."""
    return (Path(folder) / SUMS).is_file() and MODEL[0] in _listed(Path(folder))


def save_model(contents, name, out):
    """Write the folder of a model that is no run, because nobody tested it; whole or not at all.

    Parameters
    ----------
    contents : dict of str to bytes
        `ALONE`, and the weights of a network if it has any.
    name : str
        Of the folder.
    out : path
        Made if it is not there.

    Returns
    -------
    pathlib.Path
        ``out/name``. If the same model is there already, it is left as it is; another one stays, and the new one goes beside it
        as ``name~2``.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """

    def fill(staging):
        for file, content in contents.items():
            (staging / file).write_bytes(content)

    return _publish(fill, name, out, ALONE)


def verify(folder):
    """Say what is wrong with a run's folder.

    Its notebook is there to be read and proves nothing, so it may be altered or missing: see `notes`.

    Parameters
    ----------
    folder : path

    Returns
    -------
    list of str
        One line a problem; empty if every file is there and has the digest that ``SHA256SUMS`` gives.

    Raises
    ------
    StoreError
        If a file is there and may not be read; the message names it and its owner.
    """
    return _read(Path(folder))[0]


def find_model(folder):
    """Return the folder of a kept model: as it is named, else in the folder of runs.

    Parameters
    ----------
    folder : path
        A name alone, or one that begins with ``runs/``, is looked for in `sermodules.paths.runs_root` too, and there among the
        models of `sermodules train`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    StoreError
        If there is no such folder.
    """
    folder, root = Path(folder).expanduser(), paths.runs_root()
    inside = folder.relative_to("runs") if folder.parts[:1] == ("runs",) else folder
    inside = (
        [] if folder.is_absolute() or (inside == folder and len(folder.parts) > 1) else [inside, Path("models", inside)]
    )
    for place in (folder, *(root / path for path in inside)):
        if place.is_dir():
            return place
    also = f", and none of this name in {root}" if inside else ""
    raise StoreError(
        f"there is no folder {folder.absolute()}{also}. Name the folder that `sermodules run --keep-model` or "
        "`sermodules train` has printed."
    )


def read_model(folder):
    """Read the files of a kept model.

    Parameters
    ----------
    folder : path
        Of a run whose model was kept, or of a model from `save_model`.

    Returns
    -------
    dict of str to bytes
        By name. A run's have all of `FILES`.

    Raises
    ------
    StoreError
        If there is no model, or a file is missing or altered.
    """
    folder = Path(folder)
    listed = _listed(folder) if (folder / SUMS).is_file() else {}
    if MODEL[0] not in listed:
        what = "a run whose model was not kept" if "predictions.csv" in listed else "no folder of a kept model"
        raise StoreError(
            f"{folder} is {what}. Do the run with keep_model (`sermodules run --keep-model`, papermill's `-p keep_model True`,"
            " `keep_model: true` in a study file), or train a model with `sermodules train`."
        )
    problems, contents = _read(folder, ALONE if "predictions.csv" not in listed else (*FILES, *ALONE))
    if problems:
        raise StoreError("\n".join([*problems, f"Delete {folder} and make it again."]))
    return contents


def _read(folder, needed=FILES):
    """Return what is wrong with a run's folder, and the bytes of those of its files that are there, but for the notebook."""
    with files.refused_by_name():
        try:
            (folder / SUMS).stat()
        except (FileNotFoundError, NotADirectoryError):
            return [f"{folder.name}: no {SUMS}, so the run was never completed"], {}
    listed, contents = _listed(folder), {}
    problems = [f"{folder.name}: {SUMS} does not list {name}" for name in needed if name not in listed]
    for name, digest in listed.items():
        if name not in (*FILES, *MODEL, NOTEBOOK):
            problems.append(f"{folder.name}: {SUMS} lists a strange file, {name!r}")
        elif name != NOTEBOOK:
            content, damage = _content(folder, name, digest)
            problems += damage
            contents |= {} if content is None else {name: content}
    return problems, {name: contents[name] for name in (*FILES, *MODEL) if name in contents}


def notes(folder):
    """Say whether a run's notebook was altered or deleted since it was written, a line each; the run is whole all the same."""
    folder = Path(folder)
    listed = _listed(folder) if (folder / SUMS).is_file() else {}
    damage = _content(folder, NOTEBOOK, listed[NOTEBOOK])[1] if NOTEBOOK in listed else []
    return [f"{line} (nothing else is)" for line in damage]


def _listed(folder):
    """Return the digests of a run's ``SHA256SUMS`` by name."""
    with files.refused_by_name():
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _content(folder, name, digest):
    """Return the bytes of a file of a run, None if it is missing, and what is wrong with it."""
    try:
        with files.refused_by_name():
            content = (folder / name).read_bytes()
    except OSError:
        return None, [f"{folder.name}: {name} is missing"]
    altered = hashlib.sha256(content).hexdigest() != digest
    return content, [f"{folder.name}: {name} is not what was written"] if altered else []


def is_done(folder):
    """Tell whether the run in this folder is complete and unaltered."""
    with files.refused_by_name():
        return Path(folder).is_dir() and not verify(folder)


def untouched(folder):
    """Tell, without reading a file, that a run is complete and that nothing in its folder is younger than its digests.

    It goes by the times of the files, so it is quick enough for ten thousand runs. It may say no of a run that is unaltered,
    such as a copy: `is_done` knows. An alteration that keeps a file's time is not seen: `verify` sees it.
    """
    try:
        with os.scandir(folder) as entries:
            changed = {entry.name: entry.stat().st_mtime_ns for entry in entries}
        return {*FILES, SUMS} <= changed.keys() and changed[SUMS] >= max(
            Path(folder).stat().st_mtime_ns, *changed.values()
        )
    except OSError:
        return False


def load(folder):
    """Read a run back.

    Parameters
    ----------
    folder : path
        A run's folder.

    Returns
    -------
    RunResult

    Raises
    ------
    StoreError
        If the folder is missing, incomplete or altered.
    """
    return load_all([folder])[0]


def load_all(folders):
    """Read many runs back, in their order, as `load` does one: ten thousand take a quarter of the time."""
    contents = [_unaltered(Path(folder)) for folder in folders]
    texts = dict.fromkeys(TEXTS, str)
    predictions = _tables([found["predictions.csv"] for found in contents], dtype=texts, keep_default_na=False)
    histories = _tables([found["history.csv"] for found in contents])
    return [
        RunResult(
            config=RunConfig.from_json(found["config.json"]),
            predictions=own_predictions,
            history=own_history,
            metrics=json.loads(found["metrics.json"]),
            provenance=json.loads(found["provenance.json"]),
        )
        for found, own_predictions, own_history in zip(contents, predictions, histories, strict=True)
    ]


def _unaltered(folder):
    """Return the files of a run by name; refuse one that is missing, incomplete or altered."""
    if not folder.is_dir():
        raise StoreError(f"no run at {folder}")
    problems, contents = _read(folder)
    if problems:
        raise StoreError("\n".join([*problems, f"Delete {folder} and run it again."]))
    return {name: contents[name] for name in FILES}  # without a model, which may be large


def _tables(contents, **options):
    """Parse CSV files. Those with the same columns are parsed as one, which takes as long as parsing a few."""
    together, tables = {}, {}
    for place, content in enumerate(contents):
        together.setdefault(content.partition(b"\n")[0], []).append(place)
    for header, places in together.items():
        rows = [contents[place].removeprefix(header + b"\n") for place in places]
        ends = np.cumsum([part.count(b"\n") for part in rows])
        table = pd.read_csv(io.BytesIO(header + b"\n" + b"".join(rows)), **options)
        if len(table) == ends[-1]:
            parts = [table.iloc[start:end].reset_index(drop=True) for start, end in zip([0, *ends], ends, strict=False)]
        else:  # a line is no row: one ends within quotation marks
            parts = [pd.read_csv(io.BytesIO(contents[place]), **options) for place in places]
        tables |= zip(places, parts, strict=True)
    return [tables[place] for place in range(len(contents))]
