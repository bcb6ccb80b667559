"""Which code computes: the checkout, its commit, and the notebook that does one run."""

from sermodules.doctor.finding import Finding
from sermodules.errors import SermodulesError
from sermodules.paths import project_root
from sermodules.runs import notebook, provenance


def look():
    """Return what is to be said of the code, a list of `Finding`."""
    return [_commit(), _notebook()]


def _commit():
    record = provenance.collect()
    if record["commit"] is None:
        text = f"code {record['code'][:12]}, no checkout of git: runs name their code by this digest, and no commit"
        return Finding("code", text, private=str(project_root()))
    changed = ", with uncommitted changes in the package" if record["uncommitted_changes"] else ""
    return Finding("code", f"commit {record['commit'][:12]}{changed}", private=str(project_root()))


def _notebook():
    path = project_root() / "book" / "one_fold.ipynb"
    try:
        altered = notebook.altered(path.read_text(encoding="utf-8"))
    except (OSError, SermodulesError, ValueError) as error:
        todo = "work in a checkout of the project, or bring the file back, for example with git"
        return Finding("notebook", "the notebook of a run cannot be read", todo, True, f"{path}: {error}")
    if altered:
        todo = "runs say so, and are not published; `git checkout book/one_fold.ipynb` brings it back"
        return Finding("notebook", "the code cells of the notebook of a run were altered", todo)
    return Finding("notebook", "the notebook of a run is the project's")
