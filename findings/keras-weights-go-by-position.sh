#!/usr/bin/env bash
# Keras 3: .weights.h5 loads by position: into layers of other names, without a word.
#
# Two layers of equal shape, used in the other order by a newer version of the code.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: Layers are found by their names, or the file is refused.
# Seen:
#   what was saved of first is now in first: False
#   what was saved of first is now in second: True
#   what was saved of second is now in first: True
#   what was saved of second is now in second: False
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np


def network(forwards):
    x = keras.Input((4,))
    first, second = keras.layers.Dense(4, name="first"), keras.layers.Dense(4, name="second")
    return keras.Model(x, second(first(x)) if forwards else first(second(x)))


one, other = network(True), network(False)
one.save_weights("saved.weights.h5")
other.load_weights("saved.weights.h5")
same = {
    (name, into): np.array_equal(one.get_layer(name).kernel, other.get_layer(into).kernel)
    for name in ("first", "second")
    for into in ("first", "second")
}
for (name, into), equal in same.items():
    print(f"what was saved of {name} is now in {into}: {equal}")
assert same["first", "second"] and same["second", "first"] and not same["first", "first"]
PYTHON
