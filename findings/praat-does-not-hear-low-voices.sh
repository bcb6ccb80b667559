#!/usr/bin/env bash
# parselmouth holds a Praat of 2021: its pitch begins at 75 Hz. A voice at 60 Hz is unvoiced, or is called 549 Hz.
#
# Today's manual of Praat gives 50 Hz as the standard floor. With thresholds of 0, as a pitch for every frame needs
# them, the low voice gets a high pitch.
# Versions: praat-parselmouth 0.4.7, numpy 2.4.6
# Guess: As the manual says; and without thresholds at worst half or twice the pitch.
# Seen:
#   Praat 6.1.38
#   60 Hz with 20 harmonics: 0 of 97 frames voiced
#   thresholds 0: 549 Hz; floor 50: 60 Hz
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" praat-parselmouth==0.4.7 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
import parselmouth

time = np.arange(16000) / 16000
tone = parselmouth.Sound(0.02 * sum(np.cos(2 * np.pi * 60 * n * time) for n in range(1, 21)), 16000)
voiced = tone.to_pitch().selected_array["frequency"]
every = tone.to_pitch_ac(silence_threshold=0, voicing_threshold=0).selected_array["frequency"]
lower = tone.to_pitch(pitch_floor=50).selected_array["frequency"]
print("Praat", parselmouth.PRAAT_VERSION)
print(f"60 Hz with 20 harmonics: {int((voiced > 0).sum())} of {len(voiced)} frames voiced")
print(f"thresholds 0: {np.median(every):.0f} Hz; floor 50: {np.median(lower[lower > 0]):.0f} Hz")
assert not voiced.any() and np.median(every) > 400 and abs(np.median(lower[lower > 0]) - 60) < 1
PYTHON
