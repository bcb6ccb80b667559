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
import time
from collections import Counter, deque
from contextlib import contextmanager
from pathlib import Path

from sermodules import corpora
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError, StudyError
from sermodules.paths import code_digest
from sermodules.runner import Runner, RunnerDied

#: Packages whose version changes numbers: a worker must have those of the driver.
PACKAGES = ("keras", "tensorflow", "jax", "numpy", "librosa", "scikit-learn", "opensmile")

#: A run whose process dies is done again, so many times in all.
ATTEMPTS = 3

_RUNNERS = {}  # of this process, by the worker that uses it


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


def execute(settings, notebook=None):
    """Do one run.

    Parameters
    ----------
    settings : dict
        A `RunConfig`.
    notebook : str, optional
        See `Runner.run`.

    Returns
    -------
    dict
        ``files``, the run's files by name (bytes), and ``seconds``, what it took. If it failed, also ``error`` and
        ``traceback``; the files are then ``run.ipynb`` at most. If its process died, only ``died``.
    """
    from distributed import get_worker

    began, config, worker = time.perf_counter(), RunConfig(**settings), get_worker().address
    runner = _RUNNERS.get(worker)
    if runner is None or runner.threads != config.threads:
        stop(worker)
        runner = _RUNNERS[worker] = Runner(config.threads)
    with tempfile.TemporaryDirectory(prefix="sermodules-") as name:
        folder = Path(name)
        try:
            answer = runner.run(config, folder, notebook)
        except RunnerDied:
            stop(worker)
            return {"died": True}
        files = {path.name: path.read_bytes() for path in (folder / config.run_id).glob("*")}
        if (folder / "run.ipynb").is_file():
            files["run.ipynb"] = (folder / "run.ipynb").read_bytes()
    return answer | {"files": files, "seconds": time.perf_counter() - began}


def stop(worker=None):
    """End the process of a worker, or those of all workers in this process, and what they are doing."""
    for address in [worker] if worker else list(_RUNNERS):
        if runner := _RUNNERS.pop(address, None):
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

    quiet = {"distributed.worker.daemon": True, "logging": {"distributed": "critical"}}
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(quiet):
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
            with contextlib.suppress(OSError, TimeoutError):
                client.run(stop)
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
    report : callable
        Takes a line of text.
    """

    def __init__(self, client, notebook, digests, trainings, report):
        self.client, self.notebook, self.digests, self.report = client, notebook, digests, report
        self.trainings, self.last = trainings, {}  # last: of each worker, the training that it has at hand
        self.probes, self.fit, self.refused = {}, set(), {}
        self.running = {}  # of each busy worker: its future and configuration
        self.seen = None

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
            If every worker is refused.
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
                    self.running[address] = self._submit(address, execute, config.to_dict(), self.notebook), config
                if idle:
                    yield None, {}
                died = []
                for config, answer in self._finished():
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

    def _submit(self, address, function, *arguments):
        return self.client.submit(function, *arguments, workers=[address], pure=False, retries=0)

    def _look(self):
        """Return the addresses of all workers that are there, and ask each new one whether it is fit."""
        there = set(self.client.nthreads())
        if not there and self.seen != there:
            self.report("no worker is there: waiting for one")
        self.seen = there
        for address in there - self.fit - set(self.refused) - set(self.probes):
            self.probes[address] = self._submit(address, probe, environment(), self.digests)
        for address, future in list(self.probes.items()):
            if address not in there:
                self.probes.pop(address).cancel()
            elif future.done():
                del self.probes[address]
                problems = [f"it failed: {future.exception()}"] if future.status != "finished" else future.result()
                if problems:
                    self.refused[address] = "; ".join(problems)
                    self.report(f"worker {address} is not used: {self.refused[address]}")
                else:
                    self.fit.add(address)
        self.fit &= there
        if there and there <= set(self.refused):
            refusals = "\n".join(f"{address}: {self.refused[address]}" for address in sorted(there))
            raise StudyError(f"no worker can do this study.\n{refusals}")
        return there

    def _lost(self, there):
        """Take the runs back whose workers are gone."""
        for address in set(self.running) - there:
            future, config = self.running.pop(address)
            if future.status == "finished":  # its answer came in time
                self.running[address] = future, config
                continue
            future.cancel()
            yield config

    def _finished(self):
        """Wait for a second or until a run is done; give the runs that are."""
        from distributed import wait

        futures = [future for future, _ in self.running.values()] + list(self.probes.values())
        try:
            if futures:
                wait(futures, timeout=1, return_when="FIRST_COMPLETED")
            else:
                time.sleep(1)
        except TimeoutError:
            pass
        ended = [address for address, (future, _) in self.running.items() if future.status != "pending"]
        for address in ended:
            future, config = self.running.pop(address)
            if future.status == "finished":
                yield config, future.result()
            elif future.status == "error":  # not of the run, whose errors `execute` returns
                yield config, _failure(f"the worker {address} failed: {future.exception()}")
            else:
                raise StudyError("the scheduler is gone. Finished runs are kept: start the study again.")
        if not ended:
            yield None, {}


def _failure(error):
    return {"error": error, "traceback": "", "files": {}, "seconds": 0.0}
