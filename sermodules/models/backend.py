"""Keras, imported quietly and with a fixed number of threads.

Modules that need Keras take it from here: ``from sermodules.models.backend import keras``. TensorFlow writes notices to the
standard error stream while it is imported, which no log level stops; in a notebook they would stand in the page as errors.
They are dropped here, and only during the import. (Switching oneDNN off also silences them, but makes training slower.)
"""

import contextlib
import os
import sys

from sermodules.config import RunConfig
from sermodules.errors import TrainingError


@contextlib.contextmanager
def _stderr_dropped():
    """Send file descriptor 2 to nowhere; Python exceptions are not affected."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _stderr_dropped():
    import keras


def use_threads(count):
    """Fix the number of threads of TensorFlow's operations. On import it is that of a default `RunConfig`.

    The number changes the order of floating-point sums, so it changes results in the last digits, and training makes these
    grow: it is part of a `RunConfig`, and it cannot change within a process. Other backends choose for themselves.

    Parameters
    ----------
    count : int

    Raises
    ------
    TrainingError
        If an operation has run with another number.
    """
    if keras.backend.backend() != "tensorflow":
        return
    threading = sys.modules["tensorflow"].config.threading
    try:
        threading.set_intra_op_parallelism_threads(count)
        threading.set_inter_op_parallelism_threads(count)
    except RuntimeError:  # its devices are set up, because an operation has run
        raise TrainingError(
            f"this process has computed with another number of threads and cannot change to {count}: "
            "restart the kernel and let sermodules compute first, or start a new process"
        ) from None


with contextlib.suppress(TrainingError):  # somebody computed before: a run that needs another number will say so
    use_threads(RunConfig.threads)
