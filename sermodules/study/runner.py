"""A warm process that does one run after the other.

It imports TensorFlow once, if a run needs it. Nothing else happens in it: a worker of a cluster draws random numbers of its
own, and in one process with it the initial weights of a network would not depend on the seed alone. Orders come as lines of
JSON on its standard input, and it ends when that ends, so it does not outlive who started it.
"""

import contextlib
import errno
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections import deque
from pathlib import Path

import psutil

from sermodules.config import RunConfig
from sermodules.errors import SermodulesError, StudyError
from sermodules.paths import code_digest, import_root, make_libraries, name_libraries
from sermodules.runs import notebook as notebooks

#: Seconds without an order after which the process ends: its driver may have been killed, and who started it lives on.
IDLE = 600


#: Errors of the operating system that say something of the machine and not of the run: no room, no right, a broken disk.
MACHINE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM")
    if hasattr(errno, name)
}

#: What the process does first. It imports the package of whoever starts it, although another may be installed or lie in the
#: working folder, whose files it does not import at all (-P).
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import sermodules; del sys.path[0]; "
    "from sermodules.study.runner import main; main()"
)


#: Bytes by which a process may grow after its first run. TensorFlow keeps some tens of megabytes of each network
#: that it has trained, whatever Keras is asked to clear (findings/keras-keeps-trained-graphs.sh).
GROWTH = 2**30

#: Lines of what a process said last that are shown if it dies.
LAST_WORDS = 5


class CannotStart(Exception):
    """The process can do no run at all; the message says why."""


class RunnerDied(Exception):
    """The process ended before its run did; the message says how."""


class Runner:
    """The side of the runner that gives the orders.

    Parameters
    ----------
    threads : int
        For all runs: TensorFlow cannot change it within a process.
    """

    def __init__(self, threads):
        self.threads, self.greeted = threads, False
        package = str(import_root())
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, package], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        self.said, self.listener = deque(maxlen=LAST_WORDS), threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self):
        """Pass on what the process says, and remember the end of it."""
        for line in self.process.stderr:
            if line.strip():
                self.said.append(line.strip())
            with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody may listen to us
                sys.stderr.write(line)

    def run(self, config, folder, notebook=None, keep_model=False):
        """Do one run.

        Parameters
        ----------
        config : RunConfig
        folder : path
            Where the run's folder is written, and ``run.ipynb``, if there is a notebook.
        notebook : str, optional
            The notebook to run by papermill, as JSON; without it `sermodules.runs.run` is called.
        keep_model : bool
            Whether the run's folder gets the model.

        Returns
        -------
        dict
            ``error``, ``traceback`` and, if it is the machine's and not the run's, ``machine``: only if the run failed.
            ``worn``: only if the process has grown so much that another should do the next run.

        Raises
        ------
        RunnerDied
            If the process ends before the run does.
        CannotStart
            If the process cannot import what runs need.
        StudyError
            If it has imported other code than this process.
        """
        order = {
            "config": config.to_dict(),
            "folder": str(folder),
            "notebook": notebook,
            "keep_model": keep_model,
        }
        try:
            if not self.greeted:
                self._greet()
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except (OSError, ValueError):
            answer = ""
        if not answer.endswith("\n"):
            raise RunnerDied(self._death())
        answer = json.loads(answer)
        if hindrance := answer.get("hindrance"):
            self.stop()
            raise CannotStart(hindrance)
        return answer

    def _greet(self):
        """Wait until the process tells which code it has imported, and that it can do runs."""
        told = self.process.stdout.readline()
        if told and told.strip() != code_digest():
            self.stop()
            raise StudyError(
                "the package was changed while the study ran: its workers would compute with other code than it began with. "
                "Finished runs are kept. Start the study again."
            )
        started = self.process.stdout.readline()
        if not started.endswith("\n"):
            how = self._death()
            raise (RunnerDied if self.process.returncode < 0 else CannotStart)(how)
        if hindrance := json.loads(started):
            self.stop()
            raise CannotStart(hindrance)
        self.greeted = True

    def _death(self):
        """End what is left of the process; say how it ended, and its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.stop()
        self.listener.join(timeout=5)  # a process that it started may hold the pipe
        code = self.process.returncode
        if code == -signal.SIGKILL:
            how = "it was killed, perhaps for lack of memory: try fewer --workers"
        else:
            how = (
                f"it ended with status {code}" if code >= 0 else f"it was ended by a signal, {signal.strsignal(-code)}"
            )
        return how + (f". It said last: {' | '.join(self.said)}" if self.said else "")

    def stop(self):
        """End the process at once."""
        self.process.kill()
        self.process.wait()


def do(config, folder, notebook=None, keep_model=False):
    """Do one run in this process; see `Runner.run`."""
    from papermill.exceptions import PapermillExecutionError

    try:
        _do(config, Path(folder), notebook, keep_model)
    except PapermillExecutionError as error:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))  # without its colours
        return _failure(error.ename, str(error.evalue), plain)
    except Exception as error:
        return _failure(type(error).__name__, str(error), traceback.format_exc())
    finally:
        if keras := sys.modules.get("keras"):  # a run that trains no network does not start it
            keras.utils.clear_session(free_memory=True)
    return {}


def _failure(name, text, trace):
    """Return what is told of an error: its class, its text, its traceback."""
    number = re.match(r"\[Errno (\d+)\]", text)
    machine = name == "StoreError" or (number is not None and int(number[1]) in MACHINE)
    return {"error": f"{name}: {text}", "traceback": trace, "machine": machine}


def _do(config, folder, notebook, keep_model):
    import papermill

    from sermodules import inference, runs
    from sermodules.study import notebook as engine

    with notebooks.executing(notebook):
        if notebook is None:
            with warnings.catch_warnings():  # the driver has read the same corpus, and said what is to be said of it
                warnings.filterwarnings("ignore", category=UserWarning, module=r"sermodules\.corpora")
                warnings.filterwarnings("ignore", "(?s).* and are left out", UserWarning)
                runs.run(config, folder, verbose=False, keep=inference.keep if keep_model else None)
            return
        source = folder / "source.ipynb"
        source.write_text(notebook, encoding="utf-8")
        more = {"out": str(folder)} | ({"keep_model": True} if keep_model else {})
        papermill.execute_notebook(
            _literal(source), _literal(folder / "run.ipynb"), parameters=config.to_dict() | more,
            progress_bar=False, log_output=False, kernel_name="python3", engine_name=engine.NAME,
        )  # fmt: skip


def _literal(path):
    """Return a path as papermill takes it: it fills parameters in where braces stand."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _orders():
    """Yield the orders; end the process if none has come for long, and, even in a run, if whoever gives them is gone."""
    lines = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            yield json.loads(lines.get(timeout=IDLE))
        except queue.Empty:
            os._exit(0)


def _hindrance(model=None):
    """Import what runs need, or those of a model; say why not if that does not go, else return an empty text."""
    try:
        from sermodules.models import method
        from sermodules.runs import steps  # noqa: F401
        from sermodules.study import notebook  # noqa: F401

        if model:
            method.resolve(model)
    except SermodulesError as error:
        return str(error)
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})."
    return ""


def _own_memory():
    """Return the bytes of this process that are not those of a file; on other systems than Linux, all of them."""
    info = psutil.Process().memory_info()
    return info.rss - getattr(info, "shared", 0)


def _is_worn(growth):
    """Tell whether the next run should have another process: at best not before the partner's run has taken over a training."""
    from sermodules.models import reuse

    return growth > (GROWTH if reuse.PREVIOUS.taken else 2 * GROWTH)


def main():
    """Take orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    make_libraries()
    name_libraries("ipython")
    os.environ["MPLBACKEND"] = "agg"  # whatever this shell or notebook has
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever else is printed must not get between the answers
        answers.write(code_digest() + "\n")
        answers.flush()
        orders = _orders()
        answers.write(json.dumps(_hindrance()) + "\n")
        answers.flush()
        first = None
        for order in orders:
            config = RunConfig(**order.pop("config"))
            hindrance = _hindrance(config.model)
            answer = {"hindrance": hindrance} if hindrance else do(config, **order)
            first = _own_memory() if first is None else first
            if _is_worn(_own_memory() - first):
                answer["worn"] = True
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
