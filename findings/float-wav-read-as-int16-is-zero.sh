#!/usr/bin/env bash
# soundfile: a WAV of floats that is read as int16 comes back as zeros.
#
# Samples between -1 and 1 are not scaled when integers are asked for. PCM files are. Detectors of voice activity and
# openSMILE's command line want int16.
# Versions: soundfile 0.14.0, numpy 2.4.6
# Guess: Full scale becomes 32767, as for every PCM file.
# Seen:
#   PCM_16: from -16384 to 16384
#   PCM_24: from -16384 to 16384
#   FLOAT: from 0 to 0
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" soundfile==0.14.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
import soundfile

tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
for subtype in ("PCM_16", "PCM_24", "FLOAT"):
    soundfile.write("tone.wav", tone, 16000, subtype=subtype)
    samples, _ = soundfile.read("tone.wav", dtype="int16")
    print(f"{subtype}: from {samples.min()} to {samples.max()}")
assert not samples.any()
PYTHON
