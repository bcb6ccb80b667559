"""What a worker does, wherever it is: it says whether it is fit for a study, has runs done, and hands their files over.

A worker has a process of its own do the runs (see `runner`), so that nothing of the worker can change them.
"""

import contextlib
import re
import threading
import time
from contextlib import contextmanager

from sermodules import corpora, files
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError, StudyError
from sermodules.runs import provenance, store
from sermodules.study.runner import CannotStart, Runner, RunnerDied

#: Seconds after which a worker of a cluster looks again whether anybody still waits for its run.
LOOK_AGAIN = 5

_RUNNERS = {}  # of this process, by the worker that uses it and the driver for which it was started
_ENDED = set()  # drivers


def environment(packages=()):
    """Return what must be the same on all workers: all that can change a number, and the code that hands out runs.

    Parameters
    ----------
    packages : iterable of str
        See `sermodules.runs.provenance.identity`, whose facts these are; ``engine`` is the code of this room.
    """
    return provenance.identity(packages=packages) | {"engine": provenance.digest("study")}


def probe(expected, digests, packages=()):
    """Say why this worker cannot do a study's runs.

    Parameters
    ----------
    expected : dict
        `environment` of the driver.
    digests : list of (dict, str)
        The arguments of `corpora.load` for each corpus of the study, and the digest that it has at the driver.
    packages : iterable of str
        What the study needs besides the packages of the project.

    Returns
    -------
    list of str
        Empty if it can.
    """
    here = environment(packages)
    problems = [f"it has no {name}" for name in packages if name not in here]
    problems += [
        f"{name} is {short(here[name])}, here it is {short(expected[name])}"
        for name in provenance.differences(expected, here)
    ]
    for reading, digest in digests:
        try:
            if corpora.digest(corpora.load(**reading)) != digest:
                problems.append(f"its corpus {reading['name']} has other recordings or labels")
        except SermodulesError as error:
            problems.append(f"it lacks the corpus {reading['name']}: {error}")
    return problems


def short(fact):
    """Write a digest as its first digits, and leave other facts as they are."""
    return fact[:12] if re.fullmatch("[0-9a-f]{64}", fact) else fact


def execute(settings, driver, notebook=None):
    """Do one run on a worker of a Dask cluster.

    Its files lie in the worker's own folder (``dask worker --local-directory``) until they are handed over.

    Parameters
    ----------
    settings : dict
        A `RunConfig`, and perhaps ``keep_model``.
    driver : str
        Who wants it. A worker has a process of its own for each driver, so that one can stop its runs without the other's.
    notebook : str, optional
        See `Runner.run`.

    Returns
    -------
    dict
        As `do`.
    """
    from distributed import get_worker

    worker = get_worker()
    return do(
        settings, (worker.address, driver), worker.local_directory, notebook, lambda r: _stopped_if_unwanted(r, worker)
    )


def do(settings, key, parent, notebook=None, watched=contextlib.nullcontext):
    """Do one run in this worker's process for runs.

    Parameters
    ----------
    settings : dict
        A `RunConfig`, and perhaps ``keep_model``.
    key : tuple of (str, str)
        The worker, and for whom it works.
    parent : path
        Where the run is staged.
    notebook : str, optional
        See `Runner.run`.
    watched : callable
        From the `Runner` to a context in which it works.

    Returns
    -------
    dict
        ``files``, the run's files by name (bytes), and ``seconds``, what it took. If it failed, also ``error`` and
        ``traceback``; the files are then ``run.ipynb`` at most. Else one of: ``died``, how its process did; ``unfit``, why this
        machine can do no run; ``ends``, why the study cannot go on.
    """
    began, keep_model = time.perf_counter(), settings.get("keep_model", False)
    config = RunConfig(**{name: value for name, value in settings.items() if name != "keep_model"})
    try:
        runner = _runner(key, config.threads)
        with files.staging(parent, "run") as folder, watched(runner):
            answer = runner.run(config, folder, notebook, keep_model)
            found, others = _files(folder, config), _others(folder, config)
    except RunnerDied as error:
        stop(*key)
        return {"died": str(error)}
    except StudyError as error:
        stop(*key)
        return {"ends": str(error)}
    except CannotStart as error:
        stop(*key)
        return {"unfit": f"no run can start: {str(error).rstrip('.')} (`sermodules doctor` says more)"}
    except OSError as error:
        return {"unfit": f"{files.refusal(error)}. Runs are staged in {parent}"}
    if answer.pop("worn", False):
        stop(*key)
    if answer.pop("machine", False):
        return {"unfit": f"{answer['error']}. Runs are staged in {parent}"}
    if notebook is not None and not answer and not found.keys() >= {*store.FILES}:
        return {"ends": _another(config, others)}
    return answer | {"files": found, "seconds": time.perf_counter() - began}


def _runner(key, threads):
    """Return the process of a worker and a driver, a new one where there is none or it cannot go on."""
    runner = _RUNNERS.get(key)
    if runner is None or runner.threads != threads or runner.process.poll() is not None:
        stop(*key)
        runner = _RUNNERS[key] = Runner(threads)
        if key[1] in _ENDED:  # meanwhile
            stop(*key)
    return runner


def _files(folder, config):
    found = {path.name: path.read_bytes() for path in (folder / config.run_id).glob("*") if path.is_file()}
    if (folder / store.NOTEBOOK).is_file():
        found[store.NOTEBOOK] = (folder / store.NOTEBOOK).read_bytes()
    return found


def _others(folder, config):
    """Return the names of other runs than the one that was asked for."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != config.run_id)


def _another(config, others):
    """Say that a notebook has not computed the run that it was asked for."""
    return (
        f"the notebook was asked for {config.run_id} and stored {' and '.join(others) or 'no run'}: a cell below the "
        "parameters sets one of them anew, or none stores the run in the folder `out`. Nothing was kept of it; finished runs "
        "are kept. Bring book/one_fold.ipynb back, for example with git, then start the study again."
    )


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


def stop(worker, driver, for_good=False):
    """End what was started for a driver, by one worker or (None) by all workers in this process, and what it is doing."""
    if for_good:
        _ENDED.add(driver)
    for key in list(_RUNNERS):
        if key[1] == driver and worker in (None, key[0]) and (runner := _RUNNERS.pop(key, None)):
            runner.stop()
