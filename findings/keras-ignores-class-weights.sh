#!/usr/bin/env bash
# Keras 3: class_weight with names as keys is ignored without a word, and with a Python generator it is refused.
#
# A dictionary by name of the class, or with keys that JSON has turned to text, trains the plain loss.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: Keys that are no class are an error; generators take weights, as they did in Keras 2.
# Seen:
#   none: loss 1.639
#   numbers: loss 5.279
#   numbers as text: loss 1.639
#   names: loss 1.639
#   generator: Argument `class_weight` is not supported for Python generator inputs. Rec
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

x, y = np.random.default_rng(0).standard_normal((64, 4)).astype("float32"), np.arange(64) % 4


def loss(weight, generator=False):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = {"x": ((x, y) for _ in range(1)), "steps_per_epoch": 1} if generator else {"x": x, "y": y, "batch_size": 64}
    return model.fit(**data, shuffle=False, verbose=0, class_weight=weight).history["loss"][0]


losses = [loss(None), loss({0: 9, 1: 1, 2: 1, 3: 1}), loss({"0": 9, "1": 1, "2": 1, "3": 1}), loss({"angry": 9})]
for name, value in zip(("none", "numbers", "numbers as text", "names"), losses, strict=True):
    print(f"{name}: loss {value:.3f}")
assert losses[1] > losses[0] == losses[2] == losses[3]
try:
    loss({0: 9, 1: 1, 2: 1, 3: 1}, generator=True)
except ValueError as error:
    print("generator:", str(error)[:73])
    assert "class_weight" in str(error)
else:
    raise AssertionError("a generator takes class weights")
PYTHON
