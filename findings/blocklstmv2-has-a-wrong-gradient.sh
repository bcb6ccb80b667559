#!/usr/bin/env bash
# TensorFlow: BlockLSTMV2 computes an LSTM right and its gradient wrong; BlockLSTM, the first version, has both right.
#
# Version 2 has the gates in another order than version 1; its gradient is not that of what it computes. A training
# goes on, and learns less.
# Versions: tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: An operation that TensorFlow itself registers a gradient for has the right one.
# Seen:
#   BlockLSTM: output off by 0e+00, gradient by 3e-08 (largest 0.7)
#   BlockLSTMV2: output off by 0e+00, gradient by 8e-01 (largest 0.8)
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" tensorflow-cpu==2.21.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

steps, batch, inputs, units = 4, 2, 3, 2
draw = np.random.default_rng(0).standard_normal
x, w, b = (
    tf.Variable(draw(shape).astype("float32")) for shape in ((steps, batch, inputs), (inputs + units, 4 * units), (4 * units,))
)
target = tf.constant(draw((steps, batch, units)).astype("float32"))
zeros, none = tf.zeros((batch, units)), tf.zeros((units,))
common = {"seq_len_max": tf.constant(steps, tf.int64), "cs_prev": zeros, "h_prev": zeros, "wci": none, "wcf": none, "wco": none}


def second():
    return tf.raw_ops.BlockLSTMV2(x=x, w=w, b=b, cell_clip=0.0, use_peephole=False, **common).h


def first():
    return tf.raw_ops.BlockLSTM(x=x, w=w, b=b, forget_bias=0.0, cell_clip=-1.0, use_peephole=False, **common).h


def plain(order):
    h, cell, found = zeros, zeros, []
    for step in range(steps):
        gates = dict(zip(order, tf.split(tf.concat([x[step], h], 1) @ w + b, 4, 1), strict=True))
        cell = tf.sigmoid(gates["f"]) * cell + tf.sigmoid(gates["i"]) * tf.tanh(gates["c"])
        h = tf.sigmoid(gates["o"]) * tf.tanh(cell)
        found.append(h)
    return tf.stack(found)


def value_and_gradient(function):
    with tf.GradientTape() as tape:
        y = function()
        loss = tf.reduce_sum(y * target)
    return y.numpy(), tape.gradient(loss, w).numpy()


worst = {}
for name, fused, order in (("BlockLSTM", first, "icfo"), ("BlockLSTMV2", second, "ifco")):
    ours, theirs = value_and_gradient(lambda: plain(order)), value_and_gradient(fused)
    worst[name] = [abs(a - b).max() for a, b in zip(ours, theirs, strict=True)]
    print(f"{name}: output off by {worst[name][0]:.0e}, gradient by {worst[name][1]:.0e} (largest {abs(ours[1]).max():.1f})")
assert max(worst["BlockLSTM"]) < 1e-5 and worst["BlockLSTMV2"][0] < 1e-5 and worst["BlockLSTMV2"][1] > 0.1
PYTHON
