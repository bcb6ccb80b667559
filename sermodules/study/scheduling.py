"""Who does which run of a study, and when: the runs are handed to the workers of a crew (see `crew`) as these become free."""

import time
from collections import Counter, deque

from sermodules.errors import StudyError
from sermodules.study import worker
from sermodules.study.crew import GONE

#: A run whose process dies is done again, so many times in all.
ATTEMPTS = 3

#: Seconds after which a study says that no worker has answered.
UNANSWERED = 60

#: Seconds between two looks at the workers after which this machine must have slept.
SLEPT = 60


class Pool:
    """The workers of a study: which there are, which are fit, and what each is doing.

    Parameters
    ----------
    crew : crew.Machine or crew.Cluster
    notebook : str or None
        See `worker.do`.
    demands : tuple
        The arguments of `worker.probe`.
    trainings : dict of RunConfig to hashable
        Equal for runs that train the same network: one worker does them in turn, and computes the training once.
    tell : callable
        Takes a line of text.
    keep_model : bool
        Whether the models of the runs are kept.
    """

    def __init__(self, crew, notebook, demands, trainings, tell, keep_model=False):
        self.crew, self.notebook, self.demands, self.tell = crew, notebook, demands, tell
        self.more = {"keep_model": True} if keep_model else {}
        self.trainings, self.last = trainings, {}  # last: of each worker, the training that it has at hand
        self.probes, self.fit, self.refused = {}, set(), {}
        self.running = {}  # of each busy worker: its future and configuration
        self.seen, self.began, self.told = None, time.monotonic(), False
        self.looked, self.slept = time.time(), 0.0

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
            See `worker.do`.

        Raises
        ------
        StudyError
            If every worker is refused, this machine can do no run, or the scheduler is gone.
        """
        waiting, attempts, died, how = deque(missing), Counter(), [], {}
        try:
            while waiting or self.running or died:
                for config in [*self._lost(self._look()), *died]:
                    if attempts[config] < ATTEMPTS:
                        waiting.appendleft(config)
                    else:
                        last = how.get(config, "its worker was gone")
                        yield config, _failure(f"its process died {ATTEMPTS} times. The last time {last}")
                idle = sorted(self.fit - set(self.running))[: len(waiting)]
                for address in idle:
                    config = self._next(waiting, address)
                    waiting.remove(config)
                    attempts[config] += 1
                    self.running[address] = (
                        self.crew.execute(address, config.to_dict() | self.more, self.notebook),
                        config,
                    )
                if idle:
                    yield None, {}
                died = []
                for address, config, answer in self._finished():
                    if "ends" in answer:
                        raise StudyError(answer["ends"])
                    if "unfit" in answer and self.crew.one:
                        raise StudyError(
                            f"this machine cannot go on: {answer['unfit']}. Finished runs are kept, and no run has failed. "
                            "Mend it, then start the study again."
                        )
                    if "unfit" in answer:
                        self._refuse(address, answer["unfit"])
                        attempts[config] -= 1
                        died.append(config)
                    elif "died" in answer:
                        died.append(config)
                        how[config] = answer["died"]
                    else:
                        yield config, answer
        except StudyError as error:
            if self.slept and str(error) == GONE:
                raise StudyError(
                    f"this machine slept for {self.slept / 60:.0f} minutes and has lost the scheduler. Finished runs are kept: "
                    "the same command goes on, if the scheduler and its workers are still there; else start them first."
                ) from error
            raise
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

    def _notice_sleep(self):
        """Note how long this machine slept, if it did since the last look."""
        now = time.time()
        if now - self.looked > SLEPT:
            self.slept = now - self.looked
        self.looked = now

    def _look(self):
        """Return the addresses of all workers that are there, and ask each new one whether it is fit."""
        self._notice_sleep()
        there = self.crew.there()
        if not there and self.seen != there:
            slept = f" (this machine slept for {self.slept / 60:.0f} minutes; start them again)" if self.slept else ""
            self.tell(f"no worker is there: waiting for one{slept}")
        self.seen = there
        for address in there - self.fit - set(self.refused) - set(self.probes):
            self.probes[address] = self.crew.probe(address, *self.demands)
        for address, future in list(self.probes.items()):
            if address not in there:
                self.probes.pop(address).cancel()
            elif (problems := self.crew.outcome(future)) is not None:
                del self.probes[address]
                if isinstance(problems, Exception):
                    problems = [f"it failed: {problems}"]
                if problems:
                    self._refuse(address, "; ".join(problems))
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

    def _refuse(self, address, reason):
        """Give a worker no run, or no more."""
        self.fit.discard(address)
        self.refused[address] = reason
        self.tell(f"worker {address} is not used: {reason}")

    def _lost(self, there):
        """Take the runs back whose workers are gone."""
        for address in set(self.running) - there:
            future, config = self.running.pop(address)
            future.cancel()
            yield config

    def _finished(self):
        """Wait for a second or until a run is done; give the runs that are, each with its worker."""
        futures = [future for future, _ in self.running.values()] + list(self.probes.values())
        if futures:
            self.crew.wait(futures)
        else:
            time.sleep(1)
        ended = False
        for address, (future, config) in list(self.running.items()):
            if (answer := self.crew.outcome(future)) is None:
                continue
            ended = True
            del self.running[address]
            if isinstance(answer, Exception):  # not of the run, whose errors `worker.do` returns
                answer = _failure(f"the worker {address} failed: {answer}")
            yield address, config, answer
        if not ended:
            yield None, None, {}


def _failure(error):
    return {"error": error, "traceback": "", "files": {}, "seconds": 0.0}


def demands(digests, packages):
    """Return what a worker must meet, as the arguments of `worker.probe`."""
    return worker.environment(packages), digests, packages
