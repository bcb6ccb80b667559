#!/usr/bin/env bash
# Praat: changing length, pitch or formants of one recording twice gives two results. No seed of numpy or Python helps.
#
# Where there is no voice, PSOLA takes its periods at random, from a generator of Praat's own that starts anew in each
# process.
# Versions: praat-parselmouth 0.4.7, numpy 2.4.6
# Guess: Signal processing: the same input gives the same output.
# Seen:
#   Lengthen (overlap-add): equal False, largest difference 0.339
#   Change gender: equal False, largest difference 0.103
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" praat-parselmouth==0.4.7 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import random

import numpy as np
import parselmouth
from parselmouth.praat import call

time = np.arange(32000) / 16000
noise = 0.02 * np.random.default_rng(0).standard_normal(32000)
sound = parselmouth.Sound(np.where(time < 1, 0.3 * np.sin(2 * np.pi * 150 * time), 0) + noise, 16000)
commands = {"Lengthen (overlap-add)": (75, 600, 1.2), "Change gender": (75, 600, 1.1, 0, 1, 1)}
for command, values in commands.items():
    made = []
    for _ in range(2):
        np.random.seed(1), random.seed(1)
        made.append(call(sound, command, *values).values[0])
    print(f"{command}: equal {np.array_equal(*made)}, largest difference {abs(made[0] - made[1]).max():.3f}")
    assert not np.array_equal(*made)
PYTHON
