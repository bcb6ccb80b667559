#!/usr/bin/env bash
# TensorFlow: the processor chooses the kernels. With the same wheel and variables, machines of one family round in two ways.
#
# oneDNN is on only where the processor has instructions made for networks (AVX512_VNNI and the like). Elsewhere, on AMD's before
# Zen 4 for instance, TensorFlow takes kernels of its own: slower, and rounded otherwise. Versions and variables do not tell which.
# Versions: tensorflow-cpu 2.21.0, numpy 2.4.6
# Guess: oneDNN is on by default on Linux and x86, so one wheel rounds the same on all such machines.
# Seen:
#   (an AMD EPYC, Zen 3)
#   instructions made for networks: none
#   TF_ENABLE_ONEDNN_OPTS unset: gradient 153c8388, 181 ms
#   TF_ENABLE_ONEDNN_OPTS 0: gradient 153c8388, 167 ms
#   TF_ENABLE_ONEDNN_OPTS 1: gradient d0108747, 143 ms
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
import subprocess
import sys
from pathlib import Path

NAME = "TF_ENABLE_ONEDNN_OPTS"
NETWORK = """
import hashlib, time
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
draw = np.random.default_rng(0).standard_normal
x, kernel = tf.constant(draw((16, 64, 96, 16)).astype("float32")), tf.Variable(draw((3, 3, 16, 32)).astype("float32"))


def gradient():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME") ** 2)
    return tape.gradient(loss, kernel).numpy()


first, took = gradient(), []
for _ in range(10):
    began = time.perf_counter()
    assert (gradient() == first).all()
    took.append(time.perf_counter() - began)
print(hashlib.sha256(first.tobytes()).hexdigest()[:8], round(1000 * min(took)))
"""

flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
made_for = sorted(flags & {"avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile"})
print("instructions made for networks:", ", ".join(made_for) or "none")
found = {}
for value in ("unset", "0", "1"):
    env = {name: text for name, text in os.environ.items() if name != NAME} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    env |= {} if value == "unset" else {NAME: value}
    run = subprocess.run([sys.executable, "-c", NETWORK], env=env, check=True, stdout=subprocess.PIPE, text=True)
    found[value], took = run.stdout.split()
    print(f"{NAME} {value}: gradient {found[value]}, {took} ms")
assert found["0"] != found["1"]
assert found["unset"] == found["1" if made_for else "0"]
PYTHON
