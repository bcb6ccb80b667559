"""Where the workers of a study are: threads of this process, each with a process for its runs, or those of a Dask cluster.

On one machine there is no Dask: nothing listens, nothing times out while the machine sleeps, and no site's configuration of
Dask can end a study. On a cluster the site's configuration is obeyed, and a worker sends the files of a run back through the
scheduler, so a folder that all machines share is not needed.
"""

import contextlib
import json
import logging
import shutil
import threading
import uuid
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

from sermodules import files
from sermodules.errors import StoreError, StudyError
from sermodules.study import worker

GONE = "the scheduler is gone. Finished runs are kept: start the scheduler and its workers, then the study again."


class Machine:
    """Workers of this process.

    Parameters
    ----------
    count : int
    folder : pathlib.Path
        Where runs are staged: made, and removed with what a killed study left there.

    Attributes
    ----------
    one : bool
        Whether all workers are on one machine, so that what one cannot do, none can.
    """

    one = True

    def __init__(self, count, folder):
        self.folder, self._names = folder, [f"{number} of this machine" for number in range(1, count + 1)]
        self._driver = uuid.uuid4().hex
        shutil.rmtree(folder, ignore_errors=True)
        try:
            files.make_folder(folder)
        except OSError as error:
            raise StoreError(
                f"cannot write runs to {folder.parent}: {files.refusal(error)}. Choose another folder with --out."
            ) from error

    def there(self):
        """Return the names of the workers."""
        return set(self._names)

    def probe(self, name, *arguments):
        """Have a worker say whether it is fit; see `worker.probe`. The answer is that of `outcome`, as for `execute`."""
        return self._start(worker.probe, *arguments)

    def execute(self, name, settings, notebook):
        """Have a worker do a run; see `worker.do`."""
        return self._start(worker.do, settings, (name, self._driver), self.folder, notebook)

    @staticmethod
    def _start(function, *arguments):
        """Call a function in a thread. Python does not wait for it when it ends."""
        future = futures.Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled, and its answer may be left unread

        def work():
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def wait(self, begun):
        """Wait for a second, or until one of these has an outcome."""
        futures.wait(begun, timeout=1, return_when=futures.FIRST_COMPLETED)

    def outcome(self, future):
        """Return what a worker answered or the error that it raised; None if it is not done."""
        if not future.done():
            return None
        return future.exception() or future.result()

    def close(self):
        """End the processes, whatever they are doing."""
        worker.stop(None, self._driver, for_good=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster:
    """Workers that a Dask scheduler knows.

    Parameters
    ----------
    client : distributed.Client
    """

    one = False

    def __init__(self, client):
        self.client = client

    def there(self):
        """Return the addresses of the workers that are there now; `StudyError` if the scheduler is not."""
        return set(self._ask(self.client.nthreads))

    def probe(self, address, *arguments):
        """Have a worker say whether it is fit; see `worker.probe`."""
        return self._submit(address, worker.probe, *arguments)

    def execute(self, address, settings, notebook):
        """Have a worker do a run; see `worker.execute`."""
        return self._submit(address, worker.execute, settings, self.client.id, notebook)

    def wait(self, begun):
        """Wait for a second, or until one of these has an outcome."""
        from distributed import wait

        with contextlib.suppress(TimeoutError):
            self._ask(wait, list(begun), timeout=1, return_when="FIRST_COMPLETED")

    def outcome(self, future):
        """Return what a worker answered or raised; None if it goes on, or if it died before it handed it over."""
        if future.status == "cancelled":
            raise StudyError(GONE)
        if future.status == "error":
            return self._ask(future.exception)
        if future.status == "finished":
            with contextlib.suppress(TimeoutError):
                return self._ask(future.result, timeout=30)
        return None

    def close(self):
        """End what was started for this study on all workers."""
        with contextlib.suppress(OSError):
            if self.client.status == "running":
                self.client.run(worker.stop, None, self.client.id, for_good=True)

    def _ask(self, function, *arguments, **options):
        """Call something of Dask's; the study ends if the scheduler does not answer."""
        from distributed import CancelledError

        try:
            if self.client.status == "running":
                return function(*arguments, **options)
        except TimeoutError:
            raise
        except (OSError, CancelledError) as error:
            raise StudyError(GONE) from error
        raise StudyError(GONE)

    def _submit(self, address, function, *arguments):
        return self._ask(self.client.submit, function, *arguments, workers=[address], pure=False, retries=0)


@contextmanager
def machine(count, folder):
    """Start workers on this machine; see `Machine`."""
    crew = Machine(count, folder)
    try:
        yield crew
    finally:
        crew.close()


@contextmanager
def cluster(scheduler=None, scheduler_file=None):
    """Find the workers of a cluster.

    Parameters
    ----------
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``.
    scheduler_file : path, optional
        Its scheduler file instead.

    Yields
    ------
    Cluster

    Raises
    ------
    StudyError
        If the scheduler does not answer.
    """
    import dask
    from distributed import Client

    options = {"logging": {"distributed": "critical"}}
    options["distributed.comm.timeouts.connect"] = "10s"  # so long it takes to see that the scheduler is gone
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with dask.config.set(options):
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
        crew = Cluster(client)
        try:
            yield crew
        finally:
            crew.close()
            client.close()
