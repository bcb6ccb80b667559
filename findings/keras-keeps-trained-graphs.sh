#!/usr/bin/env bash
# Keras 3 on TensorFlow: a trained network is deleted, the session cleared, and some 25 MB stay. Our studies change the process in time.
#
# Each `fit` of a new network leaves some 25 MB, by the size of the step's graph; half of it if the optimizer was built before. `predict` leaves nothing. No Python object is
# left over. Who trains fold after fold in one process runs out of memory, however small the networks are.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: `del`, `clear_session(free_memory=True)` and `gc.collect()` give it back, as their names say.
# Seen:
#   predict: -2 MB a network
#   fit: +25 MB a network
#
# It needs uv and the package index, and Linux. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import gc
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np

x = np.random.default_rng(0).standard_normal((32, 50, 120)).astype("float32")
y = np.arange(32) % 4


def own_memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1000


def network():
    inputs = keras.Input(x.shape[1:])
    heard = keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True))(inputs)
    return keras.Model(inputs, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling1D()(heard)))


def fit(model):
    model.compile("nadam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, verbose=0)


found = {}
for name, use in (("predict", lambda model: model.predict(x, verbose=0)), ("fit", fit)):
    sizes = []
    for _ in range(7):
        model = network()
        use(model)
        del model
        keras.utils.clear_session(free_memory=True)
        gc.collect()
        sizes.append(own_memory())
    found[name] = (sizes[-1] - sizes[1]) / 5
    print(f"{name}: {found[name]:+.0f} MB a network")
assert found["fit"] > 10 > 2 > found["predict"]
PYTHON
