"""Rounds, ratios, tables and files: what the benchmarks share."""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate
from tqdm import tqdm

from sermodules.errors import SermodulesError
from sermodules.paths import project_root

ROOT = Path(__file__).parents[1]

#: The columns of a result, and so of the files. ``ratio`` is how many times as fast as the contender we are; beside a peak it
#: is the share of it that we reach. Its ``low`` and ``high`` are the lowest and highest of any round.
COLUMNS = (
    "what", "contender", "value", "low", "high", "unit", "ratio", "ratio_low", "ratio_high", "rounds", "note",
)  # fmt: skip

#: What is measured, or what it is measured against: its versions stand in the files.
PACKAGES = (
    "tensorflow", "keras", "keras-self-attention", "jax", "torch", "numpy", "scipy", "librosa", "opensmile",
    "python_speech_features",
)  # fmt: skip


class Worker:
    """A process of its own that does one job again and again; see `benchmarks.worker`.

    Calling it has it do its work once and returns the seconds that it took.

    Parameters
    ----------
    job : str
        A key of ``benchmarks.worker.JOBS``.
    environment : dict of str to str, optional
        Variables to set.
    checkout : path, optional
        Of the project: whose code does the job. This one unless given.
    python : path, optional
        Of the environment in which it does.
    **settings
        Arguments of the job, as JSON has them.
    """

    def __init__(self, job, environment=None, checkout=ROOT, python=sys.executable, **settings):
        self.job, self.checkout, self._facts = job, Path(checkout), None
        self.process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker", job, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=self.checkout,
            env=os.environ
            | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(self.checkout)}
            | (environment or {}),
        )  # fmt: skip

    def ready(self):
        """Wait until the job is ready, and return what it said then, a dict."""
        if self._facts is None:
            self._facts = self.answer()
        return self._facts

    def __call__(self):
        """Have the work done once."""
        self.ready()
        self.ask()
        return self.answer()

    def ask(self):
        """Have the work begun."""
        with contextlib.suppress(OSError):  # the answer tells
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def answer(self):
        """Wait until the work is done, and return what is said then."""
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise SermodulesError(
                f"the process of the job {self.job!r} ended (in {self.checkout}). If it printed no error above, memory may "
                "have run out: close other programs."
            )
        return json.loads(line)

    def peak(self):
        """Return the process's peak memory so far, in bytes."""
        return peak_memory(self.process.pid)

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


class Together:
    """Workers that do the same work at the same time, side by side.

    Calling it has all of them do it once, and returns the seconds until the last is done.
    """

    def __init__(self, workers):
        self.workers = list(workers)

    def ready(self):
        """Wait until all are ready, and return what the first said then."""
        facts = [worker.ready() for worker in self.workers]
        return facts[0]

    def __call__(self):
        """Have the work done once by each."""
        self.ready()
        for worker in self.workers:
            worker.ask()
        return max(worker.answer() for worker in self.workers)

    def close(self):
        """End their processes."""
        for worker in self.workers:
            worker.close()


class AnonymousMemory:
    """Watches how much memory of its own a process holds (its ``RssAnon``: without files and shared libraries).

    The system keeps no peak of it, so a thread looks every 10 ms. Only Linux tells.

    Parameters
    ----------
    pid : int
    """

    def __init__(self, pid):
        self._pid, self._peak, self._ended = pid, 0, threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _look(self):
        self._peak = max(self._peak, _status(self._pid, "RssAnon"))

    def _watch(self):
        with contextlib.suppress(SermodulesError):  # the process has ended
            while not self._ended.wait(0.01):
                self._look()

    def peak(self):
        """Return the most that was seen so far, in bytes."""
        with contextlib.suppress(SermodulesError):
            self._look()
        return self._peak

    def close(self):
        """Look no longer."""
        self._ended.set()
        self._thread.join()


def peak_memory(pid="self"):
    """Return the most memory that a process has held at a time (its peak resident set), in bytes.

    ``ru_maxrss`` of `resource.getrusage` would do on other systems, but on Linux a new process begins with that of the process
    that started it.

    Raises
    ------
    SermodulesError
        If the system does not tell: only Linux does.
    """
    return _status(pid, "VmHWM")


def _status(pid, name):
    """Return an entry of a process's status, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise SermodulesError(f"memory is read from /proc/<process>/status ({name}), which only Linux has: use Linux")


def rounds(contenders, count):
    """Let contenders take turns.

    Each works once to warm up. Then there are `count` rounds, in each of which everyone works once. Each round begins with
    another of them.

    Parameters
    ----------
    contenders : dict of str to callable
    count : int

    Returns
    -------
    dict of str to list
        What each returned in each round.
    """
    names, found = list(contenders), {name: [] for name in contenders}
    with tqdm(total=(count + 1) * len(names), desc="turns", unit="turn", leave=False, disable=None) as bar:
        for name in names:
            contenders[name]()
            bar.update()
        for number in range(count):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                found[name].append(contenders[name]())
                bar.update()
    return found


def result(what, contender, values, unit, ours=None, note=""):
    """Sum up what a contender did in all rounds.

    Parameters
    ----------
    what : str
        What was done.
    contender : str
    values : sequence of float
        One a round, in `unit`; more is faster if `ours` is given.
    unit : str
    ours : sequence of float, optional
        Ours in the same rounds and the same unit. The ratio is taken within each round.
    note : str

    Returns
    -------
    dict
        With the keys `COLUMNS`.
    """
    ratios = [None] * 3 if ours is None else _spread(np.divide(ours, values))
    return dict(zip(COLUMNS, [what, contender, *_spread(values), unit, *ratios, len(values), note], strict=True))


def missing(what, contender, package):
    """Return the result of a contender that cannot take part because a package is not installed: no figures."""
    return dict.fromkeys(COLUMNS) | {
        "what": what, "contender": contender, "rounds": 0, "note": f"not installed: pip install {package}",
    }  # fmt: skip


def installed(module):
    """Say whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def _spread(values):
    """Return median, lowest and highest, rounded as the file has them, so that a table says the same before and after."""
    return [float(f"{of(values):.6g}") for of in (np.median, np.min, np.max)]


def table(results):
    """Lay results out for reading.

    Parameters
    ----------
    results : pandas.DataFrame
        With the columns `COLUMNS`.

    Returns
    -------
    str
        A Markdown table: ``what``, ``contender``, ``measured``, ``ours / this``, ``note``.
    """
    rows = [
        (row["what"], row["contender"], *shown(row), row["note"] if pd.notna(row["note"]) else "")
        for _, row in results.iterrows()
    ]  # fmt: skip
    return tabulate(rows, ["what", "contender", "measured", "ours / this", "note"], "github", disable_numparse=True)


def shown(row):
    """Write what was measured, and the ratio, of a row of results, each with its range over the rounds: two strings."""
    return _shown(row, "value", "low", "high", row["unit"]), _shown(row, "ratio", "ratio_low", "ratio_high")


def _shown(row, middle, low, high, unit=""):
    if pd.isna(row[middle]):
        return ""
    value, least, most = (_figure(row[name]) for name in (middle, low, high))
    return f"{value} {unit}".strip() + (f" ({least}–{most})" if row["rounds"] > 1 else "")


def _figure(value):
    """Write three digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


class Meanwhile:
    """Measures what else the machine does from when it is made: the mean number of cores that other programs use.

    Processes that were started count as ours once they have ended.
    """

    def __init__(self):
        self._began = self._now()

    def cores(self):
        """Return the number of cores, or None if the system does not tell (only Linux does)."""
        if self._began is None:
            return None
        wall, busy, ours = np.subtract(self._now(), self._began)
        return round(max(0.0, (busy - ours) / wall), 2)

    @staticmethod
    def _now():
        with contextlib.suppress(OSError):
            figures = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
            user, nice, system, _, _, irq, softirq = map(int, figures[:7])
            times = os.times()
            busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
            return times.elapsed, busy, sum(times[:4])
        return None


def provenance():
    """Say when, with what and on what machine, as columns for a file.

    Returns
    -------
    dict
        ``date``, ``commit``, ``uncommitted_changes``, ``code`` (the package's digest), ``system``, ``processor``,
        ``processor_kind``, ``cores``, ``accelerators`` and ``versions``.
    """
    worker = Worker("provenance")
    try:
        found = worker.ready()
    finally:
        worker.close()
    versions = {"python": found["versions"]["python"]}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    machine = found["machine"] | {"accelerators": ", ".join(found["machine"]["accelerators"]) or "none"}
    told = {name: found[name] for name in ("date", "commit", "uncommitted_changes", "code")}
    return told | machine | {"versions": ", ".join(f"{name} {version}" for name, version in versions.items())}


def write(results, path):
    """Write results as a CSV file; it appears whole or not at all.

    Parameters
    ----------
    results : pandas.DataFrame
    path : path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    results.to_csv(new, index=False)
    new.replace(path)


def recordings(count=None):
    """Return the utterance table of EMO-DB, or of the synthetic corpus if EMO-DB is not here, and the corpus's name.

    Parameters
    ----------
    count : int, optional
        Take so many utterances, evenly chosen.
    """
    from sermodules import corpora
    from sermodules.errors import CorpusError

    for name in ("emodb", "synthetic"):
        with contextlib.suppress(CorpusError):
            corpora.find(name)
            found = corpora.load(name)
            return (found if count is None else found.iloc[:: max(1, len(found) // count)].head(count)), name
    raise SermodulesError(
        f"no recordings are here: run `sermodules corpora make synthetic`, or set SERMODULES_DATA "
        f"to the folder that holds emodb/ (looked in {project_root() / 'data'} as well)"
    )
