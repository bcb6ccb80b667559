#!/usr/bin/env bash
# papermill: a parameter is unknown to it if the comment behind it holds an equals sign.
#
# It counts the equals signs of a line, those of the comment included, and gives up on a line with two. The notebook still gets
# the value, but `inspect` and `--help-notebook` do not list the parameter, and each run that sets it warns.
# Versions: papermill 2.7.0, nbformat 5.11.1
# Guess: A comment says nothing: it is shown as help.
# Seen:
#   known: classes, rate | warnings: []
#   known: rate | warnings: ['Unable to parse line 1 \'']
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" papermill==2.7.0 nbformat==5.11.1
cd "$folder"
env/bin/python - <<'PYTHON'
import logging

import nbformat
import papermill

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
said = []


class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


logging.getLogger("papermill").addHandler(Said())


def known(line):
    said.clear()
    cell = nbformat.v4.new_code_cell(f"{line}\nrate = 0.001", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), "n.ipynb")
    return sorted(papermill.inspect_notebook("n.ipynb")), list(said)


without, quiet = known('classes = None  # such as "angry,sad"')
with_sign, warned = known('classes = None  # such as "glad=happy+excited,sad"')
print("known:", ", ".join(without), "| warnings:", quiet)
print("known:", ", ".join(with_sign), "| warnings:", [text[:24] for text in warned])
assert without == ["classes", "rate"] and not quiet
assert with_sign == ["rate"] and warned and warned[0].startswith("Unable to parse line 1")
PYTHON
