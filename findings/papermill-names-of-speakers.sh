#!/usr/bin/env bash
# papermill: EMO-DB's speakers 03 and 08 are numbers, or one is text, as the option has it; and a label no is False.
#
# -p turns what looks like a number into one. -y reads YAML 1.1, where 03 and 010 are octal, 08 is neither octal nor a
# number, and no is a truth value.
# Versions: papermill 2.7.0, ipykernel 7.4.0, nbformat 5.11.1
# Guess: Both options give the same value, text where a leading zero says so.
# Seen:
#   03: -p gives 3, -y gives 3
#   08: -p gives 8, -y gives "08"
#   010: -p gives 10, -y gives 8
#   no: -p gives "no", -y gives False
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" papermill==2.7.0 ipykernel==7.4.0 nbformat==5.11.1
cd "$folder"
env/bin/python - <<'PYTHON'
import subprocess
import sys

import nbformat

cell = nbformat.v4.new_code_cell("x = ''", metadata={"tags": ["parameters"]})
spec = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=spec), "in.ipynb")


def given(*option):
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--prepare-only", "--no-progress-bar", *option]
    subprocess.run(command, check=True, capture_output=True)
    return nbformat.read("out.ipynb", 4).cells[1].source.splitlines()[1].removeprefix("x = ")


found = {}
for value in ("03", "08", "010", "no"):
    found[value] = given("-p", "x", value), given("-y", f"x: {value}")
    print(f"{value}: -p gives {found[value][0]}, -y gives {found[value][1]}")
assert found == {"03": ("3", "3"), "08": ("8", '"08"'), "010": ("10", "8"), "no": ('"no"', "False")}
PYTHON
