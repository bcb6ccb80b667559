"""The notebook that does one run, and whether it is still the one that belongs to this package.

A study executes ``book/one_fold.ipynb``, and whoever edits that file edits what a run is. So the package carries the digest of
its code cells, and a run that another notebook computed says so.
"""

import contextlib
import hashlib
import json
import sys

from sermodules.errors import SermodulesError

#: `digest` of ``book/one_fold.ipynb``. After a change of its code cells tests/test_notebook_digest.py says what to write here.
DIGEST = "8ead7c62ec9c01e9bc484000e1d13b907555440d52dc63939d36e38322225831"

#: What the cell holds that ends a run. Later cells compute nothing of it.
STORES = "store.save("

_executing = []  # what a study executes in this process now, if anything: a notebook's text, or None


def digest(text):
    """Return the SHA-256 of the code cells of a notebook up to the one that stores the run.

    Outputs, metadata, names of cells, text and later cells do not count, and no more does how lines end.

    Parameters
    ----------
    text : str
        The notebook, as JSON.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    SermodulesError
        If the text is no notebook.
    """
    total = hashlib.sha256()
    try:
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "code":
                source = "".join(cell["source"]).replace("\r\n", "\n").replace("\r", "\n")
                total.update(hashlib.sha256(source.encode()).digest())
                if STORES in source:
                    break
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SermodulesError(f"it is not a notebook: {type(error).__name__}: {error}") from error
    return total.hexdigest()


def altered(text):
    """Tell whether a notebook is another one than the package knows; None, no notebook, is not."""
    return text is not None and digest(text) != DIGEST


@contextlib.contextmanager
def executing(text):
    """Note that a study does a run in this process: by a notebook, or (None) by the package alone."""
    _executing.append(text)
    try:
        yield
    finally:
        _executing.pop()


def marks():
    """Return what the provenance of a run that is stored now must say of its notebook.

    Returns
    -------
    dict
        ``notebook_altered``: True if a study executes an altered notebook, which counts as ``uncommitted_changes``; "by hand"
        if somebody stores the run from a kernel, in JupyterLab or by papermill: nobody knows which cells ran. Else nothing.
    """
    if _executing:
        return {"notebook_altered": True, "uncommitted_changes": True} if altered(_executing[-1]) else {}
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return {"notebook_altered": "by hand"} if hasattr(shell, "kernel") else {}
