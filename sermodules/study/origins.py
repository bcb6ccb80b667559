"""Which runs of a study were computed with which code, backend, versions and settings: counted, and never refused."""

from collections import Counter

import pandas as pd

from sermodules.config import words
from sermodules.runs import provenance
from sermodules.study.worker import short

#: What every origin is described by; other facts are named where origins differ in them.
ALWAYS = ("code", "backend", "keras", "notebook")


def facts(record):
    """Return what a run was computed with.

    Parameters
    ----------
    record : dict
        The provenance of a run.

    Returns
    -------
    dict of str to str
        `sermodules.runs.provenance.identity`, and ``notebook`` if it was altered or the run was stored by hand. A run that is
        older than the digest of what computes has that of the whole package as its ``code``, if it has any.
    """
    found = provenance.identity(record)
    if "code" not in found and record.get("code"):
        found = {"code": record["code"]} | found
    if mark := record.get("notebook_altered"):
        found["notebook"] = mark if isinstance(mark, str) else "altered"
    return found


def compare(records, now):
    """Count how many runs differ from what is here now, and in what.

    Parameters
    ----------
    records : iterable of dict
        The provenance of each run.
    now : dict
        An identity; see `sermodules.runs.provenance.identity`.

    Returns
    -------
    list of str
        A line for each way to differ, the most frequent first.
    """
    ways = Counter()
    for record in records:
        found = provenance.identity(record)
        names = provenance.differences(found, now)
        ways[", ".join(f"{name} {short(found[name])} (here {short(now[name])})" for name in names)] += 1
    return [f"{_runs(count)}: {way}" for way, count in ways.most_common()]


def count(results):
    """Count the runs of each configuration by what they were computed with.

    Parameters
    ----------
    results : iterable of RunResult

    Returns
    -------
    origins : dict of str to str
        What each origin is, by a letter; the one with the most runs first.
    table : pandas.DataFrame
        A row a configuration, a column an origin: numbers of runs.
    """
    results = list(results)
    found = [facts(result.provenance) for result in results]
    keys = [tuple(sorted(each.items())) for each in found]
    order = [key for key, _ in Counter(keys).most_common()]
    letters = {key: _letter(number) for number, key in enumerate(order)}
    cells = [result.config.replace(fold=1, seed=1) for result in results]
    labels = words.labels(list(dict.fromkeys(cells)))
    rows = pd.DataFrame({"cell": [labels[cell] for cell in cells], "origin": [letters[key] for key in keys]})
    table = pd.crosstab(rows["cell"], rows["origin"]).reindex(index=list(labels.values()), columns=[*letters.values()])
    return dict(zip(letters.values(), _described([dict(key) for key in order]), strict=True)), table


def _letter(number):
    """Return A, B, ... Z, A2, B2, ..."""
    return chr(ord("A") + number % 26) + (str(number // 26 + 1) if number > 25 else "")


def _described(origins):
    """Describe each origin by the facts of `ALWAYS` and by those in which they differ."""
    names = dict.fromkeys([*ALWAYS, *(name for origin in origins for name in origin)])
    shown = [name for name in names if name in ALWAYS or len({origin.get(name) for origin in origins}) > 1]
    return [
        ", ".join(f"{name} {short(origin[name])}" for name in shown if name in origin) or "nothing is known"
        for origin in origins
    ]


def lines(results):
    """Say how many runs of each configuration have which origin; nothing if all have one and it has no notebook of its own."""
    origins, table = count(results)
    if len(origins) < 2 and "notebook" not in "".join(origins.values()):
        return []
    found = [f"origin {letter}: {text}" for letter, text in origins.items()]
    for label, row in table.iterrows():
        found.append(f"{label}: " + ", ".join(f"{_runs(n)} of {letter}" for letter, n in row.items() if n))
    return found


def _runs(number):
    return f"{number} run{'s' if number > 1 else ''}"
