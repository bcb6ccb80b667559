#!/usr/bin/env bash
# TensorFlow: its import takes JAX, scikit-learn, pyplot and pandas with it, if they lie beside it: up to twice as long, and nobody asked.
#
# TensorFlow Lite asks for JAX, Keras for the other three: for a converter, wrappers, a gallery of images and data frames. In an
# environment for research all four are there, and each process that starts pays for them. They count as absent here where Python
# is told that they cannot be imported, which is what TensorFlow and Keras are prepared for.
# Versions: tensorflow-cpu 2.21.0, keras 3.15.1, numpy 2.4.6, jax 0.10.2, scikit-learn 1.9.1, matplotlib 3.11.2, pandas 3.1.1
# Guess: packages that TensorFlow does not need cost nothing until somebody uses them.
# Seen:
#   all four beside it: 8.5 s of processor time; imported: jax, sklearn, matplotlib, pandas
#   without jax: 7.2 s of processor time; imported: sklearn, matplotlib, pandas
#   without sklearn: 6.9 s of processor time; imported: jax, matplotlib, pandas
#   without matplotlib: 6.4 s of processor time; imported: jax, sklearn, pandas
#   without pandas: 7.2 s of processor time; imported: jax, sklearn, matplotlib
#   without any: 4.8 s of processor time; imported: none of them
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --compile-bytecode --python "$folder/env/bin/python" tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6 jax==0.10.2 scikit-learn==1.9.1 matplotlib==3.11.2 pandas==3.1.1
cd "$folder"
env/bin/python - <<'PYTHON'
import subprocess
import sys

BESIDE = ["jax", "sklearn", "matplotlib", "pandas"]
START = """
import sys, time
names, absent = sys.argv[1].split(), sys.argv[2].split()
for name in absent:
    sys.modules[name] = None
began = time.process_time()
import tensorflow
took = time.process_time() - began
print(round(took, 1), *(name for name in names if sys.modules.get(name)))
"""

for where, absent in (("all four beside it", []), *((f"without {name}", [name]) for name in BESIDE), ("without any", BESIDE)):
    command = [sys.executable, "-c", START, " ".join(BESIDE), " ".join(absent)]
    told = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(4)]
    took, imported = min(float(first) for first, *_ in told[1:]), told[-1][1:]
    print(f"{where}: {took} s of processor time; imported: {', '.join(imported) or 'none of them'}")
    assert imported == [name for name in BESIDE if name not in absent], imported
PYTHON
