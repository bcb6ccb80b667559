"""Our log-Mels against openSMILE's (``log_mel.conf``), on twelve EMO-DB recordings.

openSMILE succeeds openEAR, the paper's tool. All numbers are natural logarithms of power; 0.01 is 0.04 dB.

What agrees, and how closely:

* The frames: 1 + (n - 400) // 160 in both.
* The log-Mels of the front end ``htk``: correlation above 0.99999, root mean square difference 0.007, largest 0.03; no band
  is off by more than 0.006 (median).
* The floor of the logarithm (the configuration sets it to ours): only frames of digital silence meet it.
* Deltas of the same log-Mels: the same numbers in every frame, so both repeat the first and last frame.
* Delta-deltas of the same log-Mels: the same numbers in every frame but the last two.
* All in all: deltas differ by 0.015 at most, delta-deltas by 0.007 (without the last two frames).

Why the rest differs:

* The filters. librosa's triangles are straight over Hz; openSMILE's, like HTK's, are straight over Mel. With triangles over
  Mel in place of librosa's, nothing remains but 6.1e-5 in every value, within float32 rounding (the FFT of openSMILE is
  single precision, which shows in the weakest bands, by another 6e-5 at most).
* The scale of samples. openSMILE divides 16-bit integers by 32767, we by 32768: 2 ln(32768 / 32767) = 6.1e-5 everywhere.
* The last two delta-deltas. openSMILE computes deltas for two more frames after the end and uses these; we, like HTK, repeat
  the last delta (the equations are silent about edges). These frames differ by up to 0.57.

What would differ, were it not chosen as it is: a periodic Hamming window (scipy's default) moves single values by 0.13.

The front end ``slaney`` (librosa's default) does not agree: correlation 0.94, and 0.85 in the worst band. Its area
normalisation lowers each band by a constant of 4 to 6, which standardising per band removes; the other scale puts other
frequencies into a band, which nothing removes: differences of up to 12 are left.

Over all 339 recordings that the project uses: largest difference 0.030, root mean square 0.008, deltas 0.016, delta-deltas
0.009; with triangles over Mel 1.8e-4; Slaney 0.92, worst band 0.79.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import opensmile
import pytest

from sermodules import corpora, features
from sermodules.corpora import audio
from sermodules.errors import CorpusError

CONFIGURATION = str(Path(__file__).with_name("log_mel.conf"))
SILENT = "10a02Na"  # 16 of its frames are digital silence


@pytest.fixture(scope="module")
def signals():
    try:
        root = corpora.find("emodb")
    except CorpusError:
        pytest.skip("EMO-DB is not here: set SERMODULES_DATA to the folder that holds emodb/")
    files = sorted(root.rglob("*.wav"))
    some = files[:: len(files) // 11][:11] + [path for path in files if path.stem == SILENT]
    return [audio.read(path) for path in some]


def extract(signals):
    """Return the log-Mels, deltas and delta-deltas of openSMILE, one array a recording."""
    return {
        level: [smile.process_signal(signal, 16000).to_numpy() for signal in signals]
        for level in ("logmel", "delta", "deltadelta")
        for smile in [opensmile.Smile(CONFIGURATION, level)]
    }


@pytest.fixture(scope="module")
def theirs(signals):
    """What `extract` returns, from a process of its own: openSMILE aborts in one that has loaded TensorFlow."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(extract, signals).result()


def difference(ours, theirs):
    return np.concatenate(ours) - np.concatenate(theirs)


def correlation(ours, theirs):
    return np.corrcoef(np.concatenate(ours).ravel(), np.concatenate(theirs).ravel())[0, 1]


def mel(hertz):
    return 1127 * np.log(1 + np.asarray(hertz) / 700)


def triangles_over_mel():
    """HTK's filters: 40 triangles between 42 points equally spaced in Mel, straight over Mel."""
    edges, bins = np.linspace(0, mel(8000), 42), mel(np.arange(257) * 16000 / 512)
    step = edges[1]
    return np.maximum(0, 1 - np.abs(bins - edges[1:-1, None]) / step)


def log_mel(signal, filters, window):
    frames = np.lib.stride_tricks.sliding_window_view(signal.astype(float), 400)[::160]
    return np.log(np.maximum(np.abs(np.fft.rfft(frames * window, 512)) ** 2 @ filters.T, features.FLOOR))


def test_twelve_recordings(signals):
    assert len(signals) == 12


def test_same_frames(signals, theirs):
    for signal, static, delta, delta_delta in zip(signals, *theirs.values(), strict=True):
        frames = 1 + (len(signal) - 400) // 160
        assert static.shape == features.log_mel(signal).shape == (frames, 40)
        assert (len(delta), len(delta_delta)) == (frames + 2, frames + 4)  # openSMILE goes on after the end


def test_log_mels_agree(signals, theirs):
    ours = [features.log_mel(signal) for signal in signals]
    d = difference(ours, theirs["logmel"])
    assert correlation(ours, theirs["logmel"]) > 0.99999
    assert np.abs(d).max() < 0.03
    assert np.sqrt(np.mean(d**2)) < 0.0075
    assert np.abs(np.median(d, axis=0)).max() < 0.006


def test_only_the_shape_of_the_triangles_and_the_scale_of_samples_differ(signals, theirs):
    filters = triangles_over_mel()
    d = difference([log_mel(signal, filters, np.hamming(400)) for signal in signals], theirs["logmel"])
    scale = 2 * np.log(32768 / 32767)
    assert np.abs(d + scale).max() < 1e-4
    assert np.abs(np.median(d, axis=0) + scale).max() < 2e-6


def test_openSMILEs_window_is_symmetric(signals, theirs):
    filters = triangles_over_mel()
    d = difference([log_mel(signal, filters, np.hamming(401)[:400]) for signal in signals], theirs["logmel"])
    assert np.abs(d).max() > 0.1


def test_only_digital_silence_meets_the_floor(signals, theirs):
    for signal, static in zip(signals, theirs["logmel"], strict=True):
        silent = ~np.lib.stride_tricks.sliding_window_view(signal, 400)[::160].any(axis=1)
        np.testing.assert_allclose(static[silent], np.log(features.FLOOR), rtol=1e-6)
        assert static[~silent].min() > np.log(features.FLOOR) + 4
    assert silent.sum() == 16


def test_deltas_agree_in_every_frame(theirs):
    for static, delta in zip(theirs["logmel"], theirs["delta"], strict=True):
        np.testing.assert_allclose(features.deltas(static), delta[: len(static)], rtol=0, atol=1e-6)


def test_delta_deltas_agree_but_for_the_last_two_frames(theirs):
    largest_at_the_end = 0
    for static, delta_delta in zip(theirs["logmel"], theirs["deltadelta"], strict=True):
        d = np.abs(features.deltas(features.deltas(static)) - delta_delta[: len(static)])
        assert d[:-2].max() < 1e-6
        largest_at_the_end = max(largest_at_the_end, d[-2:].max())
    assert largest_at_the_end == pytest.approx(0.57, abs=0.01)


def test_openSMILEs_last_delta_deltas_come_from_deltas_after_the_end(theirs):
    for static, delta_delta in zip(theirs["logmel"], theirs["deltadelta"], strict=True):
        longer = np.concatenate([static, np.repeat(static[-1:], 4, axis=0)])
        expected = features.deltas(features.deltas(longer))[: len(static)]
        np.testing.assert_allclose(expected, delta_delta[: len(static)], rtol=0, atol=1e-6)


def test_three_channels_agree(signals, theirs):
    ours = [features.three_d_log_mel(signal, normalise_waveform=False)[:-2] for signal in signals]
    for channel, (level, largest) in enumerate({"logmel": 0.03, "delta": 0.016, "deltadelta": 0.009}.items()):
        channel_ours = [x[..., channel] for x in ours]
        channel_theirs = [x[: len(y)] for x, y in zip(theirs[level], ours, strict=True)]
        assert np.abs(difference(channel_ours, channel_theirs)).max() < largest
        assert correlation(channel_ours, channel_theirs) > 0.9999


def test_slaney_front_end_disagrees(signals, theirs):
    ours = [features.log_mel(signal, frontend="slaney") for signal in signals]
    d = difference(ours, theirs["logmel"])
    constant = np.median(d, axis=0)
    bands = [correlation([x[:, band] for x in ours], [x[:, band] for x in theirs["logmel"]]) for band in range(40)]
    assert correlation(ours, theirs["logmel"]) == pytest.approx(0.937, abs=0.005)
    assert min(bands) == pytest.approx(0.849, abs=0.005)
    assert -6.2 < constant.min() < constant.max() < -3.9
    assert 11 < np.abs(d - constant).max() < 12
