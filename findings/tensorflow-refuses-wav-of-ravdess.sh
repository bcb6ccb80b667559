#!/usr/bin/env bash
# TensorFlow: tf.audio.decode_wav refuses some of RAVDESS's recordings, where a chunk after the samples has an odd length.
#
# RIFF fills an odd chunk with one byte. TensorFlow does not skip it and reads the next chunk a byte too early. Of
# five recordings of RAVDESS that we looked at, two end so. Here it is a tone with such a chunk.
# Versions: tensorflow-cpu 2.21.0, soundfile 0.14.0, numpy 2.4.6
# Guess: Unknown chunks are skipped; every reader takes RAVDESS.
# Seen:
#   chunk of 42 bytes, soundfile: 16000
#   chunk of 42 bytes, TensorFlow: 16000
#   chunk of 43 bytes, soundfile: 16000
#   chunk of 43 bytes, TensorFlow: refused: Data too short when trying to read strin
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" tensorflow-cpu==2.21.0 soundfile==0.14.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import os
import struct

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import soundfile
import tensorflow as tf

soundfile.write("plain.wav", 0.1 * np.sin(np.arange(16000)), 16000, subtype="PCM_16")
plain = open("plain.wav", "rb").read()
read = {}
for length in (42, 43):
    chunk = b"_PMX" + struct.pack("<I", length) + bytes(length + length % 2)
    whole = plain + chunk
    open("x.wav", "wb").write(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    read["soundfile", length] = len(soundfile.read("x.wav")[0])
    try:
        read["TensorFlow", length] = len(tf.audio.decode_wav(tf.io.read_file("x.wav")).audio)
    except tf.errors.InvalidArgumentError as error:
        read["TensorFlow", length] = "refused: " + error.message.partition("}} ")[2][:40]
for (reader, length), samples in read.items():
    print(f"chunk of {length} bytes, {reader}: {samples}")
assert read["TensorFlow", 42] == read["soundfile", 43] == 16000 and str(read["TensorFlow", 43]).startswith("refused")
PYTHON
