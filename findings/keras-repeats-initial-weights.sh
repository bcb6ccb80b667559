#!/usr/bin/env bash
# keras-self-attention under Keras 3: two weight matrices begin equal, because one initializer object draws the same twice.
#
# The library makes one object for all its matrices. Before Keras 2.10 each call of it drew anew. So W_t begins equal to W_x,
# and a score is the same from both sides.
# Versions: keras-self-attention 0.51.0, keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: An initializer without a seed draws anew at each call; seeds are for those who want repetition.
# Seen:
#   one object, two draws equal: True
#   named by text, two draws equal: False
#   SeqSelfAttention begins with W_t equal to W_x: True
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" keras-self-attention==0.51.0 keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
from keras_self_attention import SeqSelfAttention

draw = keras.initializers.GlorotNormal()
print("one object, two draws equal:", np.array_equal(draw((8, 4)), draw((8, 4))))
name = "glorot_normal"
apart = [keras.initializers.get(name)((8, 4)) for _ in range(2)]
print("named by text, two draws equal:", np.array_equal(*apart))
layer = SeqSelfAttention(units=32)
layer.build((None, 20, 16))
w_t, w_x = layer.get_weights()[:2]
print("SeqSelfAttention begins with W_t equal to W_x:", np.array_equal(w_t, w_x))
assert np.array_equal(w_t, w_x) and not np.array_equal(*apart)
PYTHON
