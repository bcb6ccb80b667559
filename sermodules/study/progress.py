"""How far a study is: counted while it runs, and told to whoever asks."""

import contextlib
import datetime
import json
import operator
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from sermodules import files
from sermodules.config import RunConfig, words
from sermodules.paths import runs_root
from sermodules.runs import store

#: Files of the engine in a folder of runs: who is at work, how far it is, what it did; and the folder of runs under way.
LOCK, STATE, LOG, STAGED = ".study.lock", ".study.json", "study.log", ".study.runs"


class Progress:
    """Counts what a study does, for its driver, its log and whoever asks for its status."""

    def __init__(self, study, missing, failed, out, tell, watch):
        self.name, self.out, self.say, self.watch = study.name, out, tell, watch
        self.failed, self.missing = dict(failed), len(missing)
        self.done, self.runs = len(study.configs) - len(missing) - len(failed), len(study.configs)
        self.began, self.count, self.busy, self.last, self.shown = time.perf_counter(), 0, 0.0, "", None

    def tell(self, line):
        """Report a line and add it to the log."""
        self.say(line)
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError), (self.out / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{stamp} {self.name} {line}\n")
        files.share(self.out / LOG)

    def end(self, config, answer, result):
        """Take note of a run that is done or has failed."""
        self.count += 1
        head = f"[{self.count}/{self.missing}] {words.run(config)}: "
        if result is None:
            self.failed[config] = answer["error"]
            self.tell(head + f"FAILED, {answer['error']} (see failed/{config.run_id}.json)")
            return
        self.done += 1
        self.busy += sum(result.provenance["seconds"].values()) - result.provenance.get("reused_seconds", 0.0)
        self.last = f"UAR {100 * result.metrics['uar']:.1f} %" + (", unstable training" if result.unstable else "")
        self.tell(head + f"{self.last}, {answer['seconds']:.0f} s, {clock(self._left())} left")

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
        with contextlib.suppress(OSError), files.whole_file(self.out / STATE, "w", encoding="utf-8") as file:
            file.write(json.dumps(state, ensure_ascii=False))
        if self.watch:
            self.watch(state)

    def sum_up(self, workers):
        """Say what the study took, and which share of the workers' time was training and predicting."""
        seconds = time.perf_counter() - self.began
        line = f"{self.count} runs in {seconds / 60:.1f} min"
        if workers:
            line += f" with {workers} workers; {self.busy / (seconds * workers):.0%} of their time was training and predicting"
        self.tell(line)


def clock(seconds):
    """Write a time that is left, such as "2 h 05 min": in the log, and in what `status` shows."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


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
        Only runs whose folder is complete and unaltered, as far as the times of its files tell: see `store.untouched`.
    """
    out = Path(out or runs_root())
    folders = {config: out / config.run_id for config in study.configs}
    return {config: folder for config, folder in folders.items() if store.untouched(folder) or store.is_done(folder)}


def status(study, out=None):
    """Count the finished runs of each configuration.

    Returns
    -------
    pandas.DataFrame
        One row a configuration: the fields in which the study's configurations differ, ``runs`` and ``done``. A run is done if
        `driver.run` would not do it: in a study that keeps models, with its model. Without ``runs`` where nobody can tell how
        many there should be.
    """
    names = [f.name for f in fields(RunConfig) if f.name not in ("fold", "seed")]
    of_fields = operator.attrgetter(*names)
    runs = Counter(map(of_fields, study.configs))
    finished = Counter(of_fields(config) for config, folder in done(study, out).items() if has_all(study, folder))
    table = pd.DataFrame([*runs], columns=names)
    differing = ["model"] + [name for name in names if name != "model" and len({*table[name]}) > 1]
    numbers = {} if study.unread else {"runs": [*runs.values()]}
    return table[differing].assign(**numbers, done=[finished[cell] for cell in runs])


def has_all(study, folder):
    """Tell whether a finished run has what its study wants: the model, if it keeps models."""
    return not study.keep_model or store.has_model(folder)


def running(out=None):
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
        (out / LOCK).stat()  # else it would be made, and who asks is not who will run a study
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
