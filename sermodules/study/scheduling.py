"""Who does the runs of a study: Dask workers, on this machine or on a cluster.

A worker gets a configuration, has a process of its own do the run (see `runner`), and sends the files of the run back through
the scheduler, so a folder that all machines share is not needed. `connect` starts workers or finds a cluster; `Pool` hands
out the runs. The functions that run on a worker are `probe`, `execute` and `stop`.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from pathlib import Path

from sermodules import corpora
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError, StudyError
from sermodules.paths import code_digest
from sermodules.study.runner import Runner, RunnerDied

#: Packages whose version changes numbers: a worker must have those of the driver.
PACKAGES = ("keras", "tensorflow", "jax", "numpy", "librosa", "scikit-learn", "opensmile")

#: A run whose process dies is done again, so many times in all.
ATTEMPTS = 3

#: Seconds after which a worker looks again whether anybody still waits for its run.
LOOK_AGAIN = 5

#: Seconds after which a study says that no worker has answered.
UNANSWERED = 60

_GONE = "the scheduler is gone. Finished runs are kept: start the scheduler and its workers, then the study again."

_RUNNERS = {}  # of this process, by the worker that uses it and the driver for which it was started


def environment():
    """Return what must be the same on all workers: digest of the package, backend, versions of `PACKAGES`."""
    found = {"sermodules": code_digest()[:12], "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "tensorflow")}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def probe(expected, digests):
    """Say why this worker cannot do a study's runs.

    Parameters
    ----------
    expected : dict
        `environment` of the driver.
    digests : list of (dict, str)
        The arguments of `corpora.load` for each corpus of the study, and the digest that it has at the driver.

    Returns
    -------
    list of str
        Empty if it can.
    """
    here = environment()
    used = "jax" if expected["KERAS_BACKEND"] == "jax" else "tensorflow"
    names = [name for name in expected if name not in ("jax", "tensorflow") or name == used]
    problems = [
        f"{name} is {here[name]}, here it is {expected[name]}" for name in names if here[name] != expected[name]
    ]
    for reading, digest in digests:
        try:
            if corpora.digest(corpora.load(**reading)) != digest:
                problems.append(f"its corpus {reading['name']} has other recordings or labels")
        except SermodulesError as error:
            problems.append(f"it lacks the corpus {reading['name']}: {error}")
    return problems


def execute(settings, driver, notebook=None):
    """Do one run.

    Parameters
    ----------
    settings : dict
        A `RunConfig`.
    driver : str
        Who wants it. A worker has a process of its own for each driver, so that one can stop its runs without the other's.
    notebook : str, optional
        See `Runner.run`.

    Returns
    -------
    dict
        ``files``, the run's files by name (bytes), and ``seconds``, what it took. If it failed, also ``error`` and
        ``traceback``; the files are then ``run.ipynb`` at most. If its process died, only ``died``.
    """
    from distributed import get_worker

    began, config, worker = time.perf_counter(), RunConfig(**settings), get_worker()
    runner = _RUNNERS.get((worker.address, driver))
    if runner is None or runner.threads != config.threads or runner.process.poll() is not None:
        stop(driver, worker.address)
        runner = _RUNNERS[worker.address, driver] = Runner(config.threads)
    with tempfile.TemporaryDirectory(prefix="sermodules-") as name, _stopped_if_unwanted(runner, worker):
        folder = Path(name)
        try:
            answer = runner.run(config, folder, notebook)
        except RunnerDied:
            stop(driver, worker.address)
            return {"died": True}
        except StudyError as error:
            stop(driver, worker.address)
            return {"ends": str(error)}
        files = {path.name: path.read_bytes() for path in (folder / config.run_id).glob("*")}
        if (folder / "run.ipynb").is_file():
            files["run.ipynb"] = (folder / "run.ipynb").read_bytes()
    return answer | {"files": files, "seconds": time.perf_counter() - began}


@contextmanager
def _stopped_if_unwanted(runner, worker):
    """Stop a run that nobody waits for any more, because its driver was killed or the scheduler is gone."""
    task, ended = worker.state.tasks[worker.get_current_task()], threading.Event()

    def watch():
        while not ended.wait(LOOK_AGAIN):
            if task.state == "cancelled" or worker.status.name in ("closing", "closed"):
                runner.stop()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def stop(driver, worker=None):
    """End what was started for a driver, by one worker or by all workers in this process, and what it is doing."""
    for key in list(_RUNNERS):
        if key[1] == driver and worker in (None, key[0]) and (runner := _RUNNERS.pop(key, None)):
            runner.stop()


@contextmanager
def connect(count=None, scheduler=None, scheduler_file=None):
    """Start workers on this machine, or find a running cluster; stop what was started at the end.

    Parameters
    ----------
    count : int
        Workers, if no cluster is named. They are threads here, each with a process for its runs.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``.
    scheduler_file : path, optional
        Its scheduler file instead.

    Yields
    ------
    distributed.Client

    Raises
    ------
    StudyError
        If the scheduler does not answer.
    """
    import dask
    from distributed import Client, LocalCluster

    options = {"distributed.worker.daemon": True, "logging": {"distributed": "critical"}}
    options["distributed.comm.timeouts.connect"] = "10s"  # so long it takes to see that the scheduler is gone
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with dask.config.set(options):
        if scheduler or scheduler_file:
            where = {"address": scheduler} if scheduler else {"scheduler_file": str(scheduler_file)}
            try:
                if scheduler_file:
                    json.loads(Path(scheduler_file).read_text(encoding="utf-8"))  # Dask would wait for it for ever
                client = Client(**where, timeout=30)
            except (OSError, ValueError) as error:
                raise StudyError(
                    f"no Dask scheduler answers at {scheduler or scheduler_file}: {error}. Start one with `dask scheduler`, "
                    "or leave the option out to use this machine."
                ) from error
            cluster = None
        else:
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", memory_limit=0,
                silence_logs=logging.CRITICAL,
            )  # fmt: skip
            client = Client(cluster)
        try:
            yield client
        finally:
            with contextlib.suppress(OSError):
                if client.status == "running":
                    client.run(stop, client.id)
            client.close()
            if cluster is not None:
                cluster.close()


class Pool:
    """The workers of a study: which there are, which are fit, and what each is doing.

    Parameters
    ----------
    client : distributed.Client
    notebook : str or None
        See `execute`.
    digests : list of (dict, str)
        See `probe`.
    trainings : dict of RunConfig to hashable
        Equal for runs that train the same network: one worker does them in turn, and computes the training once.
    tell : callable
        Takes a line of text.
    """

    def __init__(self, client, notebook, digests, trainings, tell):
        self.client, self.notebook, self.digests, self.tell = client, notebook, digests, tell
        self.trainings, self.last = trainings, {}  # last: of each worker, the training that it has at hand
        self.probes, self.fit, self.refused = {}, set(), {}
        self.running = {}  # of each busy worker: its future and configuration
        self.seen, self.began, self.told = None, time.monotonic(), False

    def compute(self, missing):
        """Do runs.

        Parameters
        ----------
        missing : iterable of RunConfig

        Yields
        ------
        config : RunConfig or None
            The run that is done, or None if only runs began or a second has passed.
        answer : dict
            See `execute`.

        Raises
        ------
        StudyError
            If every worker is refused, or the scheduler is gone.
        """
        waiting, attempts, died = deque(missing), Counter(), []
        try:
            while waiting or self.running or died:
                for config in [*self._lost(self._look()), *died]:
                    if attempts[config] < ATTEMPTS:
                        waiting.appendleft(config)
                    else:
                        yield (
                            config,
                            _failure(
                                f"its process died {ATTEMPTS} times, perhaps for lack of memory: try fewer --workers"
                            ),
                        )
                idle = sorted(self.fit - set(self.running))[: len(waiting)]
                for address in idle:
                    config = self._next(waiting, address)
                    waiting.remove(config)
                    attempts[config] += 1
                    order = config.to_dict(), self.client.id, self.notebook
                    self.running[address] = self._submit(address, execute, *order), config
                if idle:
                    yield None, {}
                died = []
                for config, answer in self._finished():
                    if "ends" in answer:
                        raise StudyError(answer["ends"])
                    if "died" in answer:
                        died.append(config)
                    else:
                        yield config, answer
        finally:
            for future, _ in self.running.values():
                future.cancel()

    def _next(self, waiting, address):
        """Choose a run for a worker: one that goes on with its last training, else one whose training no other has begun."""
        begun = {self.last.get(other) for other in self.running}
        fresh = [config for config in waiting if self.trainings[config] not in begun]
        same = [config for config in waiting if self.trainings[config] == self.last.get(address)]
        chosen = (same or fresh or waiting)[0]
        self.last[address] = self.trainings[chosen]
        return chosen

    def _ask(self, function, *arguments, **options):
        """Call something of Dask's; the study ends if the scheduler does not answer."""
        from distributed import CancelledError

        try:
            if self.client.status == "running":
                return function(*arguments, **options)
        except TimeoutError:
            raise
        except (OSError, CancelledError) as error:
            raise StudyError(_GONE) from error
        raise StudyError(_GONE)

    def _submit(self, address, function, *arguments):
        return self._ask(self.client.submit, function, *arguments, workers=[address], pure=False, retries=0)

    def _look(self):
        """Return the addresses of all workers that are there, and ask each new one whether it is fit."""
        there = set(self._ask(self.client.nthreads))
        if not there and self.seen != there:
            self.tell("no worker is there: waiting for one")
        self.seen = there
        for address in there - self.fit - set(self.refused) - set(self.probes):
            self.probes[address] = self._submit(address, probe, environment(), self.digests)
        for address, future in list(self.probes.items()):
            if address not in there:
                self.probes.pop(address).cancel()
            elif (problems := self._outcome(future)) is not None:
                del self.probes[address]
                if isinstance(problems, Exception):
                    problems = [f"it failed: {problems}"]
                if problems:
                    self.refused[address] = "; ".join(problems)
                    self.tell(f"worker {address} is not used: {self.refused[address]}")
                else:
                    self.fit.add(address)
        self.fit &= there
        if self.probes and not self.fit and not self.told and time.monotonic() - self.began > UNANSWERED:
            self.told = True
            self.tell("no worker has answered yet: they may be busy with another study")
        if there and there <= set(self.refused):
            refusals = "\n".join(f"{address}: {self.refused[address]}" for address in sorted(there))
            raise StudyError(f"no worker can do this study.\n{refusals}")
        return there

    def _lost(self, there):
        """Take the runs back whose workers are gone."""
        for address in set(self.running) - there:
            future, config = self.running.pop(address)
            future.cancel()
            yield config

    def _finished(self):
        """Wait for a second or until a run is done; give the runs that are."""
        from distributed import wait

        futures = [future for future, _ in self.running.values()] + list(self.probes.values())
        if futures:
            with contextlib.suppress(TimeoutError):
                self._ask(wait, futures, timeout=1, return_when="FIRST_COMPLETED")
        else:
            time.sleep(1)
        ended = False
        for address, (future, config) in list(self.running.items()):
            if (answer := self._outcome(future)) is None:
                continue
            ended = True
            del self.running[address]
            if isinstance(answer, Exception):  # not of the run, whose errors `execute` returns
                answer = _failure(f"the worker {address} failed: {answer}")
            yield config, answer
        if not ended:
            yield None, {}

    def _outcome(self, future):
        """Return what a function returned or raised; None if it goes on, or if its worker died before it handed it over."""
        if future.status == "cancelled":
            raise StudyError(_GONE)
        if future.status == "error":
            return self._ask(future.exception)
        if future.status == "finished":
            with contextlib.suppress(TimeoutError):
                return self._ask(future.result, timeout=30)
        return None


def _failure(error):
    return {"error": error, "traceback": "", "files": {}, "seconds": 0.0}
