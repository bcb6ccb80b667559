#!/usr/bin/env bash
# MyST-NB: the executed notebook that a page offers for download has its outputs after the first build, and none after the second.
#
# nb_execution_mode 'cache': the second build takes outputs from the cache into the page, and writes
# _build/jupyter_execute without them.
# Versions: myst-nb 1.4.0, sphinx 7.4.7, jupyter-cache 1.0.1, ipykernel 7.4.0
# Guess: Page and copy come from the same executed notebook.
# Seen:
#   outputs in the executed copy: [1, 0]  on the page: [True, True]
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" myst-nb==1.4.0 sphinx==7.4.7 jupyter-cache==1.0.1 ipykernel==7.4.0
cd "$folder"
env/bin/python - <<'PYTHON'
import re
import subprocess
import sys
from pathlib import Path

import nbformat

Path("book").mkdir()
Path("book/conf.py").write_text('extensions = ["myst_nb"]\nnb_execution_mode = "cache"\n')


def build(*cells):
    spec = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells), metadata=spec), "book/index.ipynb")
    command = [sys.executable, "-m", "sphinx", "-E", "-q", "-b", "html", "book", "book/_build/html"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


counts, pages = [], []
for _ in range(2):
    build(nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_code_cell("print('hel' + 'lo')", id="one"))
    (copy,) = Path("book/_build/jupyter_execute").glob("*.ipynb")
    counts.append(sum(len(cell.get("outputs", [])) for cell in nbformat.read(copy, 4).cells))
    pages.append("hello" in Path("book/_build/html/index.html").read_text())
print("outputs in the executed copy:", counts, " on the page:", pages)
assert counts == [1, 0] and pages == [True, True]
PYTHON
