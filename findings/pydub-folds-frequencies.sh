#!/usr/bin/env bash
# pydub: set_frame_rate(16000) has no filter: a tone of 10 kHz is heard at 6 kHz, as loud as before.
#
# What lies above 8 kHz in a recording at 48 kHz lands among the fricatives.
# Versions: pydub 0.25.1, numpy 2.4.6
# Guess: Resampled with a filter against aliasing, so the tone is gone.
# Seen:
#   rate 16000 Hz, peak at 6000 Hz, level +0.0 dB
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" pydub==0.25.1 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
from pydub import AudioSegment

tone = (16000 * np.sin(2 * np.pi * 10000 * np.arange(48000) / 48000)).astype("int16")
segment = AudioSegment(tone.tobytes(), frame_rate=48000, sample_width=2, channels=1).set_frame_rate(16000)
samples = np.array(segment.get_array_of_samples(), float)
peak = np.argmax(abs(np.fft.rfft(samples))) * 16000 / len(samples)
level = 20 * np.log10(samples.std() / tone.std())
print(f"rate {segment.frame_rate} Hz, peak at {peak:.0f} Hz, level {level:+.1f} dB")
assert abs(peak - 6000) < 10 and level > -3
PYTHON
