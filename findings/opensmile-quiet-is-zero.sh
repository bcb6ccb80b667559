#!/usr/bin/env bash
# openSMILE: of a recording that is too quiet it gives finite zeros, not NaN: pitch, jitter, formants and ratios of a voice.
#
# Below a root mean square of 0.001 no pitch is looked for. A check for finite values passes.
# Versions: opensmile 2.6.0, praat-parselmouth 0.4.7, numpy 2.4.6
# Guess: Without a voiced frame the functionals of voiced frames are NaN, or the call warns.
# Seen:
#   0 dB: finite True, exactly 0: 0 of 88
#   -20 dB: finite True, exactly 0: 0 of 88
#   -50 dB: finite True, exactly 0: 57 of 88
#   warnings: 0
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" opensmile==2.6.0 praat-parselmouth==0.4.7 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
from parselmouth.praat import call

voice = call("Create SpeechSynthesizer...", "English (America)", "Female1")
call(voice, "Speech output settings...", 16000, 0.01, 1, 1, 165, "IPA")
said = call(voice, "To Sound...", "She left the letter on the table and went home. I do not know why.", "no")
said = said[-1] if isinstance(said, list) else said
speech = said.values[0] / abs(said.values[0]).max() / 2

import warnings

import numpy as np
import opensmile

smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
zeros = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for decibels in (0, -20, -50):
        found = smile.process_signal((speech * 10 ** (decibels / 20)).astype(np.float32), 16000).iloc[0]
        zeros[decibels] = int((found == 0).sum())
        print(f"{decibels} dB: finite {np.isfinite(found).all()}, exactly 0: {zeros[decibels]} of 88")
        assert np.isfinite(found).all()
print("warnings:", len(said))
assert zeros[0] < 5 and zeros[-50] > 30 and not said
PYTHON
