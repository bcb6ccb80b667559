#!/usr/bin/env bash
# openSMILE: the times of its low-level descriptors run ahead of the sound: pitch appears 40 ms before the voice begins.
#
# A voice-like tone begins at 1.000 s, after digital silence. A frame of 60 ms that begins 40 ms earlier holds its
# beginning; its row is labelled with the first 20 ms.
# Versions: opensmile 2.6.0, numpy 2.4.6
# Guess: The first row with a pitch is labelled 1.00 s or a frame later, since half a frame must be filled.
# Seen:
#   first row with a pitch: 0.96 to 0.98 s, the last: 1.48 to 1.50 s
#   loudest sample until 0.98 s: 0.0
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" opensmile==2.6.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
import opensmile

smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.LowLevelDescriptors)
time = np.arange(32000) / 16000
tone = 0.1 * sum(np.sin(2 * np.pi * 200 * n * time) / n for n in range(1, 9))
found = smile.process_signal(np.where((time >= 1) & (time < 1.5), tone, 0).astype(np.float32), 16000)
voiced = found.index[found["F0semitoneFrom27.5Hz_sma3nz"] > 0]
(first, until), (last, end) = voiced[0], voiced[-1]
seconds = [x.total_seconds() for x in (first, until, last, end)]
print(f"first row with a pitch: {seconds[0]:.2f} to {seconds[1]:.2f} s, the last: {seconds[2]:.2f} to {seconds[3]:.2f} s")
print(f"loudest sample until {seconds[1]:.2f} s: {abs(np.where(time < 1, 0, tone)[: int(16000 * seconds[1])]).max():.1f}")
assert seconds[1] <= 0.99
PYTHON
