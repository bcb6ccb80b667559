"""Runs as the texts of a published study, and back."""

import io
import json

import pandas as pd

from sermodules import metrics
from sermodules.config import RunConfig
from sermodules.runs import store
from sermodules.study import archive

#: The tables of a run.
TABLES = ("predictions.csv", "history.csv")

#: The parts of a run's provenance that other runs share.
SHARED = (
    "backend", "code", "commit", "computes", "corpus_digest", "machine", "settings", "uncommitted_changes", "versions",
)  # fmt: skip


def csv(table):
    """Return a table as every run writes it."""
    return table.to_csv(index=False, float_format="%.8f", lineterminator="\n")


def divided(config):
    """Name what the numbers of the folds depend on: the corpus, and how it is divided if it is not a speaker a fold."""
    if config.split == "speakers" and not config.groups:
        return config.corpus
    return f"{config.corpus} groups {config.groups}" if config.groups else f"{config.corpus} split {config.split}"


# --- writing


def texts(study, runs):
    """Return the texts of a published study but ``study.yaml``.

    Parameters
    ----------
    study : Study
    runs : dict of str to tuple
        By id, sorted: the `RunResult`, and the digests of its `TABLES`.

    Returns
    -------
    dict of str to bytes
        By the names of `archive`: a file that would be too long is one a seed.
    """
    folds, environments = {}, {}
    for config in study.configs:
        folds.setdefault(divided(config), set()).add(config.fold)
    for result, _ in runs.values():
        name, shared = _environment(result)
        environments[name] = shared
    common = {"environments": environments, "folds": {corpus: sorted(numbers) for corpus, numbers in folds.items()}}
    return {"common.json": _json(common, indent=1).encode()} | _of_runs(runs)


def _of_runs(runs):
    """Return ``runs.jsonl`` and the tables, each whole or one a seed."""
    found = _whole(runs)
    if long := [name for name, text in found.items() if len(text) > archive.LIMIT]:
        for seed in sorted({result.config.seed for result, _ in runs.values()}):
            own = _whole({name: run for name, run in runs.items() if run[0].config.seed == seed})
            found |= {archive.part(name, seed): own[name] for name in long}
    return {name: text for name, text in found.items() if name not in long}


def _whole(runs):
    lines = ""
    for name, (result, digests) in runs.items():
        own = {key: value for key, value in result.provenance.items() if key not in SHARED}
        record = {"run": name, "config": result.config.record(), "metrics": result.metrics, "provenance": own}
        record |= {"environment": _environment(result)[0], "sha256": digests}
        lines += _json(record, separators=(",", ":"))
    tables = {
        f"{kind}.csv": pd.concat({name: getattr(result, kind) for name, (result, _) in runs.items()}, names=["run"])
        for kind in ("predictions", "history")
    }
    found = {"runs.jsonl": lines} | {name: csv(table.reset_index(level="run")) for name, table in tables.items()}
    return {name: text.encode() for name, text in found.items()}


def _environment(result):
    """Return the shared parts of a run's provenance, and what they are called."""
    shared = {key: value for key, value in result.provenance.items() if key in SHARED}
    return archive.sha256(_json(shared).encode())[:12], shared


def _json(value, **options):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, **options) + "\n"


# --- reading


def read(held):
    """Return the runs that `archive.read` found, and the numbers of the folds.

    Parameters
    ----------
    held : dict of str to dict

    Returns
    -------
    runs : dict of str to tuple
        As `texts` takes them.
    folds : dict of str to set of int
        By what `divided` names.

    Raises
    ------
    KeyError, ValueError, TypeError, AttributeError
        If the texts are not what `texts` writes.
    """
    common = json.loads(held["common.json"][None])
    folds = {corpus: {*numbers} for corpus, numbers in common["folds"].items()}
    lines = {seed: [json.loads(line) for line in text.splitlines()] for seed, text in held["runs.jsonl"].items()}
    records = [record for part in lines.values() for record in part]
    parts = {name: {seed: _rows(text) for seed, text in held[name].items()} for name in TABLES}
    _each_in_the_file_of_its_seed(lines, parts)
    tables = {
        name: {run: rows for part in found.values() for run, rows in part.items()} for name, found in parts.items()
    }
    runs = {record["run"]: _run(record, common["environments"], tables) for record in records}
    if len(runs) < len(records) or any(table.keys() - runs for table in tables.values()):
        raise ValueError("runs.jsonl holds a run twice, or lacks one that the tables have")
    return dict(sorted(runs.items())), folds


def _each_in_the_file_of_its_seed(lines, parts):
    seeds = {record["run"]: record["config"]["seed"] for part in lines.values() for record in part}
    places = [(record["run"], seed) for seed, part in lines.items() for record in part]
    places += [(run, seed) for found in parts.values() for seed, part in found.items() for run in part]
    for run, seed in places:
        if seed is not None and seeds.get(run, seed) != seed:
            raise ValueError(f"{run} stands in a file of seed {seed}")


def _rows(text):
    """Return the rows of each run in a table, by its id."""
    types = dict.fromkeys(("run", *store.TEXTS), str)
    empty = {name: [""] for name in pd.read_csv(io.BytesIO(text), nrows=0) if name not in types}
    table = pd.read_csv(io.BytesIO(text), dtype=types, keep_default_na=False, na_values=empty)
    return {run: rows.drop(columns="run").reset_index(drop=True) for run, rows in table.groupby("run")}


def _run(record, environments, tables):
    predictions, history = (table[record["run"]] for table in tables.values())
    result = store.RunResult(
        config=RunConfig.from_json(json.dumps(record["config"])),
        predictions=predictions[[*store.TEXTS, *metrics.posterior_columns(record["metrics"]["classes"])]],
        history=history,
        metrics=record["metrics"],
        provenance=record["provenance"] | environments[record["environment"]],
    )
    return result, {name: record["sha256"][name] for name in tables}
