"""A papermill engine that executes a notebook in this very process.

A kernel of its own imports TensorFlow anew, which takes longer than a small run. A worker of a study imports it once and then
does one run after the other, each in a fresh namespace.
"""

import io
import sys
from base64 import b64encode
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from nbformat.v4 import new_output
from papermill.engines import Engine, papermill_engines
from traitlets.config import Config

from sermodules.models.method import Method

NAME = "sermodules"


class InProcessEngine(Engine):
    """Executes the cells of a notebook in an IPython shell without a kernel; stops at the first error, as papermill does."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """Run every cell and keep its outputs in the notebook; see `papermill.engines.Engine`."""
        main = sys.modules["__main__"]  # IPython puts the notebook's namespace there
        shell = _shell()
        try:
            for index, cell in enumerate(nb_man.nb.cells):
                is_code = cell.cell_type == "code"
                with _saving(nb_man, is_code):
                    nb_man.cell_start(cell, index)
                if is_code and not _run(shell, cell):
                    nb_man.cell_exception(cell, index)
                    break
                with _saving(nb_man, False):
                    nb_man.cell_complete(cell, index)
            else:
                _give_back(shell.user_ns.get("method"))
        finally:
            sys.modules["__main__"] = main
            shell.user_ns.clear()  # something of IPython's lives on, and must not keep the notebook's arrays
            _Shell.clear_instance()  # else what others display in this process would go there, too


@contextmanager
def _saving(manager, wanted):
    """Let papermill save the notebook, or not: it would twice a cell, which is half of what a small run takes.

    Before each cell that runs is enough: if the process is killed, the file tells where, and holds all outputs up to there.
    """
    path = manager.output_path
    manager.output_path = path if wanted else None
    try:
        yield
    finally:
        manager.output_path = path


class _Results(DisplayHook):
    """Keeps the value of a cell's last line."""

    def __call__(self, result=None):
        if result is not None and not self.quiet():
            data, metadata = self.compute_format_data(result)
            self.update_user_ns(result)
            count = self.shell.execution_count
            self.shell.outputs.append(
                new_output("execute_result", data=_plain(data), metadata=metadata, execution_count=count)
            )


class _Displays(DisplayPublisher):
    """Keeps what a cell displays."""

    def publish(self, data, metadata=None, **kwargs):
        self.shell.outputs.append(new_output("display_data", data=_plain(data), metadata=metadata or {}))


class _Stream(io.TextIOBase):
    """Keeps what a cell prints, in its place among the other outputs."""

    def __init__(self, name, outputs):
        super().__init__()
        self.name, self.outputs = name, outputs

    def writable(self):
        return True

    def write(self, text):
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == self.name:
            last["text"] += text
        elif text:
            self.outputs.append(new_output("stream", name=self.name, text=text))
        return len(text)


class _Shell(InteractiveShell):
    displayhook_class = _Results
    display_pub_class = _Displays
    outputs = ()

    def _showtraceback(self, etype, evalue, stb):
        self.outputs.append(new_output("error", ename=etype.__name__, evalue=str(evalue), traceback=stb))


def _shell():
    """Return a shell with an empty namespace and no figure open, which writes no history."""
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.rcdefaults()  # whatever a person's files, or the run before, have set
    plt.switch_backend("agg")
    plt.close("all")
    InteractiveShell.clear_instance()
    _Shell.clear_instance()
    shell = _Shell.instance(
        config=Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"ignore_cwd": True}})
    )
    select_figure_formats(shell, {"png"})
    return shell


def _run(shell, cell):
    """Run a cell, fill in its outputs, and tell whether it came to its end."""
    cell.outputs = shell.outputs = outputs = []
    with redirect_stdout(_Stream("stdout", outputs)), redirect_stderr(_Stream("stderr", outputs)):
        result = shell.run_cell(cell.source, store_history=True)
    cell.execution_count = result.execution_count
    return result.success


def _give_back(method):
    """Leave what the notebook has trained to the next one: this namespace ends."""
    if isinstance(method, Method):
        method.give_back()


def _plain(data):
    """Write images as text, as a kernel does."""
    return {kind: b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()}


papermill_engines.register(NAME, InProcessEngine)
