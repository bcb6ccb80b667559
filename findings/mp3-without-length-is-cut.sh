#!/usr/bin/env bash
# soundfile: an MP3 of variable bit rate without a length header is read short, or not to its end, without a word.
#
# libsndfile estimates the length from the first frames. librosa, audiofile and opensmile sit on the same call. PyAV
# decodes all of it.
# Versions: soundfile 0.14.0, av 18.1.0, numpy 2.4.6
# Guess: A decoder reads until the file ends.
# Seen:
#   written 20 s, PyAV 20.1 s, soundfile 9.6 s (its header says 9.6 s)
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

rate, seconds = 16000, 20
rng = np.random.default_rng(0)
time = np.arange(rate * seconds) / rate
signal = np.where(time < 8, 0.2 * rng.standard_normal(len(time)), 0.001 * np.sin(2 * np.pi * 200 * time))
samples = (32767 * signal.clip(-1, 1)).astype(np.int16)
with av.open("x.mp3", "w", options={"write_xing": "0", "id3v2_version": "0"}) as file:
    stream = file.add_stream("libmp3lame", rate=rate, layout="mono", options={"q": "4"})
    stream.codec_context.qscale = True
    for start in range(0, len(samples), 1152):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1152], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))
read = len(soundfile.read("x.mp3")[0]) / rate
with av.open("x.mp3") as file:
    decoded = sum(frame.samples for frame in file.decode(audio=0)) / rate
print(f"written {seconds} s, PyAV {decoded:.1f} s, soundfile {read:.1f} s (its header says {soundfile.info('x.mp3').duration:.1f} s)")
assert abs(decoded - seconds) < 0.3 and read < 0.9 * seconds
PYTHON
