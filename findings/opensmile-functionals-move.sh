#!/usr/bin/env bash
# openSMILE: most of the 88 functionals of eGeMAPS move with level, rate, the first sample and a constant offset.
#
# One spoken sentence, four times the same to the ear: 20 dB quieter, at 48 kHz, cut 6 ms later, with a constant
# offset of 0.01. Counted are the functionals that move by more than 5 %.
# Versions: opensmile 2.6.0, praat-parselmouth 0.4.7, soxr 1.1.0, numpy 2.4.6
# Guess: 20 dB move loudness and the sound level, some 10 of 88. The other three move hardly any: pitch, jitter,
#   formants, ratios and cepstra do not depend on them.
# Seen:
#   again: 0 of 88 functionals move by more than 5 %
#   20 dB quieter: 44 of 88 functionals move by more than 5 %
#   48 kHz: 69 of 88 functionals move by more than 5 %
#   6 ms cut off: 30 of 88 functionals move by more than 5 %
#   10 ms cut off: 1 of 88 functionals move by more than 5 %
#   offset 0.01: 35 of 88 functionals move by more than 5 %
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" opensmile==2.6.0 praat-parselmouth==0.4.7 soxr==1.1.0 numpy==2.4.6
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
import soxr

smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def functionals(signal, rate=16000):
    return smile.process_signal(signal.astype(np.float32), rate).to_numpy(float)[0]


base = functionals(speech)
variants = {
    "again": functionals(speech),
    "20 dB quieter": functionals(speech / 10),
    "48 kHz": functionals(soxr.resample(speech, 16000, 48000), 48000),
    "6 ms cut off": functionals(speech[96:]),
    "10 ms cut off": functionals(speech[160:]),
    "offset 0.01": functionals(speech + 0.01),
}
moved = {name: int(np.sum(abs(found - base) > 0.05 * abs(base))) for name, found in variants.items()}
for name, count in moved.items():
    print(f"{name}: {count} of 88 functionals move by more than 5 %")
assert moved["again"] == 0 and moved["10 ms cut off"] < 10
assert min(moved[name] for name in ("20 dB quieter", "48 kHz", "6 ms cut off", "offset 0.01")) > 10
PYTHON
