#!/usr/bin/env bash
# MyST-NB: a numpy number that is glued with a format leaves nothing in the page, and without one shows its type.
#
# numpy 2 writes np.float64(1.23456) where numpy 1 wrote 1.23456, and the role formats that text. The build succeeds.
# Versions: myst-nb 1.4.0, sphinx 7.4.7, ipykernel 7.4.0, numpy 2.4.6
# Guess: A numpy float is a float: both print it.
# Seen:
#   shown: ['np.float64(1.23456)', '', '1.23']
#   told: Failed to format text/plain data: could not convert string to float: 'np.float64(1.23456)' [mystnb.glue]
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" myst-nb==1.4.0 sphinx==7.4.7 ipykernel==7.4.0 numpy==2.4.6
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


code = "import numpy as np\nfrom myst_nb import glue\nglue('n', np.float64(1.23456), display=False)\nglue('f', 1.23456, display=False)"
text = "# T\n\nplain [{glue:text}`n`] formatted [{glue:text}`n:.2f`] float [{glue:text}`f:.2f`]"
told = build(nbformat.v4.new_code_cell(code), nbformat.v4.new_markdown_cell(text))
page = re.search("plain .*?</p>", Path("book/_build/html/index.html").read_text(), re.S)[0]
shown = re.findall(r"\[(.*?)\]", re.sub("<[^>]*>", "", page))
print("shown:", shown)
print("told:", *(line.partition("WARNING: ")[2] for line in told.splitlines() if "format" in line))
assert shown == ["np.float64(1.23456)", "", "1.23"]
PYTHON
