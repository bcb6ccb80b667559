#!/usr/bin/env bash
# opensmile (Python): a sample of exactly 1.0 becomes -1.0: normalising to the peak puts a click into the loudest moment.
#
# process_signal multiplies float samples by 32768 and cuts them to 16 bits without clipping.
# Versions: opensmile 2.6.0, praat-parselmouth 0.4.7, numpy 2.4.6
# Guess: Full scale is clipped to 32767; one sample changes nothing that is heard.
# Seen:
#   samples at 1.0: 1
#   9 of 88 functionals move by more than 1 %, the largest by 155%
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

import numpy as np
import opensmile

smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
loud = speech / speech.max()  # the highest sample is 1.0
loud /= max(1, abs(loud.min()))
loud /= loud.max()
below = np.minimum(loud, 32767 / 32768)  # only that sample differs, by a 32768th


def functionals(signal):
    return smile.process_signal(signal.astype(np.float32), 16000).to_numpy(float)[0]


one, other = functionals(loud), functionals(below)
print("samples at 1.0:", int((loud == 1).sum()))
moved = int(np.sum(abs(one - other) > 0.01 * abs(other)))
print(f"{moved} of 88 functionals move by more than 1 %, the largest by {np.max(abs(one / other - 1)):.0%}")
assert (loud == 1).sum() == 1 and moved > 5
PYTHON
