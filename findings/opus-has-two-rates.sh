#!/usr/bin/env bash
# One Opus file, two rates: soundfile gives the rate that was put in, PyAV (FFmpeg) always 48 kHz.
#
# Features that depend on the rate, as openSMILE's do, depend on the reader. The codec runs at 48 kHz; the header
# names the rate of the original.
# Versions: soundfile 0.14.0, av 18.1.0, numpy 2.4.6
# Guess: Both readers give the same rate and as many samples.
# Seen:
#   written at 8000 Hz: soundfile 8000 Hz, 8000 samples; PyAV 48000 Hz, 48000
#   written at 16000 Hz: soundfile 16000 Hz, 16000 samples; PyAV 48000 Hz, 48000
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" soundfile==0.14.0 av==18.1.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import av
import numpy as np
import soundfile

for rate in (8000, 16000):
    soundfile.write("x.opus", 0.1 * np.random.default_rng(0).standard_normal(rate), rate, format="OGG", subtype="OPUS")
    samples, theirs = soundfile.read("x.opus")
    with av.open("x.opus") as file:
        frames = list(file.decode(audio=0))
    count = sum(frame.samples for frame in frames)
    print(f"written at {rate} Hz: soundfile {theirs} Hz, {len(samples)} samples; PyAV {frames[0].sample_rate} Hz, {count}")
    assert theirs == rate and frames[0].sample_rate == 48000
PYTHON
