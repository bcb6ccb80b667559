"""Keras, imported quietly, with settings that are the same for everybody and a fixed number of threads.

Modules that need Keras take it from here: ``from sermodules.models.backend import keras``. TensorFlow writes notices to the
standard error stream while it is imported, which no log level stops; in a notebook they would stand in the page as errors.
They are dropped here, and only during the import. (Switching oneDNN off also silences them, but makes training slower.)

A person's own ``keras.json`` is not read: neither its float type nor its order of dimensions may change a run, and its mistakes
may not end one. The backend is that of the environment variable KERAS_BACKEND, TensorFlow unless it is set.
"""

import contextlib
import os
import sys

from sermodules.config import RunConfig, backends
from sermodules.errors import BackendError, TrainingError


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


#: Variables by which Keras changes what it computes, apart from KERAS_BACKEND; it reads them when it is imported.
_VARIABLES = ("KERAS_HOME", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")


@contextlib.contextmanager
def _settings_hidden():
    """Let Keras find no ``keras.json`` (nor write one) and none of `_VARIABLES` while it is imported."""
    kept = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")  # noqa: PTH118 - nothing can ever be there
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        os.environ.update(kept)


try:
    with _stderr_dropped(), _settings_hidden():
        import keras
except Exception as error:
    raise BackendError(backends.cannot_start(os.environ["KERAS_BACKEND"], error)) from error


def _use_defaults():
    """Set what `keras.json` can set, in case somebody imported Keras before."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


def begin(config):
    """Put Keras into the state in which a run begins, whatever was computed or set before: call it before a network is built.

    Threads and random numbers are those of the configuration. The float type is float32, epsilon 1e-7, and channels stand last.

    Parameters
    ----------
    config : RunConfig

    Raises
    ------
    TrainingError
        If this process has computed with another number of threads.
    """
    use_threads(config.threads)
    _use_defaults()
    keras.utils.set_random_seed(config.seed)


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


_use_defaults()
with contextlib.suppress(TrainingError):  # somebody computed before: a run that needs another number will say so
    use_threads(RunConfig.threads)
