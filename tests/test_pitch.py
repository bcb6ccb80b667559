"""One pitch for all: every other call of Praat's pitch in the package or the book would have a range of its own."""

import math
from pathlib import Path

import numpy as np
import parselmouth
import pytest

from sermodules.corpora import audio
from sermodules.features import frames, pitch

ROOT = Path(__file__).parents[1]
TIME = np.arange(16000) / 16000

#: The generator of synthetic speech knows the voice of each turn, and looks around it.
OWN_RANGE = {"sermodules/features/pitch.py", "sermodules/corpora/synthetic.py"}


def test_nobody_else_asks_praat_for_a_pitch():
    files = [*ROOT.glob("sermodules/**/*.py"), *ROOT.glob("book/*.ipynb")]
    asking = {str(file.relative_to(ROOT)) for file in files if ".to_pitch" in file.read_text(encoding="utf-8")}
    assert asking == OWN_RANGE


@pytest.mark.parametrize("hertz", [80, 120, 250, 560])
def test_a_tone_has_its_pitch_and_so_has_a_frame_of_dnn_elm(hertz):
    tone = np.sin(2 * np.pi * hertz * TIME)
    assert pitch.median(tone) == pytest.approx(hertz, rel=0.005)
    assert np.median(frames.frame_features(tone)[:, frames.PERIOD]) == pytest.approx(1000 / hertz, rel=0.005)


def test_below_the_floor_and_in_noise_there_is_none():
    for signal in (np.sin(2 * np.pi * 60 * TIME), 0.1 * np.random.default_rng(0).standard_normal(16000)):
        assert math.isnan(pitch.median(signal))
    assert pitch.median(np.r_[np.sin(2 * np.pi * 60 * TIME), np.sin(2 * np.pi * 200 * TIME)]) == pytest.approx(
        200, rel=0.01
    )


def test_it_is_praats_with_its_own_thresholds(emodb):
    for path in emodb["path"].iloc[::60]:
        signal = audio.read(path)
        theirs = parselmouth.Sound(signal.astype(float), 16000).to_pitch(0.01, pitch.FLOOR, pitch.CEILING)
        np.testing.assert_array_equal(pitch.track(signal)[0], theirs.selected_array["frequency"])
        assert pitch.median(signal) > pitch.FLOOR
