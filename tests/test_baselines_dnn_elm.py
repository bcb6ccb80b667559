"""DNN-ELM: its features against hand-computed values, its ELM against least squares, and no look at the test speaker."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import parselmouth
import pytest
import soundfile
from conftest import CLASSES, cache_with_libraries, write_tones

from sermodules import corpora, features, models, runs
from sermodules.config import RunConfig
from sermodules.corpora import audio
from sermodules.errors import AudioError, ConfigError, TrainingError
from sermodules.features import frames, mel, pitch
from sermodules.models.baselines import dnn_elm
from sermodules.models.baselines.dnn_elm import DnnElm, ExtremeLearningMachine
from sermodules.runs import store

RATE = 16000
LOG_ENERGY, PERIOD, RATIO = 12, 13, 14


def configuration(corpus, **settings):
    return RunConfig.create(corpus=corpus, model="dnn_elm", preset="smoke", **({"epochs": 4} | settings))


def voice(hertz, seconds=1.0, harmonics=6):
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.1 * sum(np.cos(2 * np.pi * hertz * n * time) for n in range(1, harmonics + 1))


# frame features


@pytest.mark.parametrize("samples", [10, 399, 400, 559, 560, 561, 719, 720, 16000, 16001, 47999, 96123])
def test_number_of_frames_is_that_of_the_log_mels(samples):
    signal = np.random.default_rng(samples).normal(0, 0.1, samples)
    found = frames.frame_features(signal)
    assert found.shape == (len(features.log_mel(signal)), 30) and found.dtype == np.float32
    assert np.isfinite(found).all()


def test_mfccs_are_those_of_librosa():
    signal = np.random.default_rng(0).normal(0, 0.1, RATE)
    expected = librosa.feature.mfcc(S=features.log_mel(signal).T.astype(float), n_mfcc=13, dct_type=2, norm="ortho").T
    np.testing.assert_allclose(frames.frame_features(signal)[:, :12], expected[:, 1:], atol=1e-4)


def test_log_energy_deltas_and_silence():
    signal = np.r_[np.full(800, 0.1), np.full(800, -0.2), np.zeros(800)]
    found = frames.frame_features(signal)
    assert len(found) == 13
    # frame t holds samples 160 t to 160 t + 399: frame 3 has 320 of 0.1 and 80 of -0.2
    mixed = (320 * 0.01 + 80 * 0.04) / 400
    np.testing.assert_allclose(found[[0, 3, 6, 12], LOG_ENERGY], np.log([0.01, mixed, 0.04, 1e-10]), rtol=1e-6)
    np.testing.assert_allclose(found[:, 15:], features.deltas(found[:, :15].astype(float)), atol=1e-4)
    assert np.ptp(found[:, 15 + LOG_ENERGY]) > 1


@pytest.mark.parametrize(("hertz", "limit"), [(90, 15), (200, 30), (410, 35)])
def test_pitch_period_of_a_harmonic_tone(hertz, limit):
    found = frames.frame_features(voice(hertz))
    np.testing.assert_allclose(found[3:-3, PERIOD], 1000 / hertz, rtol=0.005)
    assert (found[3:-3, RATIO] > limit).all()  # the window of 40 ms bounds it for low voices


@pytest.mark.parametrize("decibels", [0, 10, 20])
def test_harmonics_to_noise_ratio_of_a_tone_in_noise(decibels):
    tone = voice(200, seconds=5)
    noise = np.random.default_rng(decibels).normal(0, tone.std() * 10 ** (-decibels / 20), len(tone))
    found = frames.frame_features(tone + noise)[5:-5, RATIO]
    assert np.median(found) == pytest.approx(decibels, abs=1.5)


def test_where_there_is_no_period_it_is_0_and_the_ratio_is_the_lowest():
    found = frames.frame_features(np.r_[voice(200, 0.5), np.zeros(8000)])
    assert (found[60:, PERIOD] == 0).all()
    np.testing.assert_allclose(found[60:, RATIO], -20, atol=0.05)
    assert found[:, RATIO].max() <= 40.001


def test_pitch_stands_at_its_frame():
    """The tone changes at sample 16000, the centre of frame 98.75: within a window of 40 ms the period must follow."""
    period = frames.frame_features(np.r_[voice(100), voice(300)])[:, PERIOD]
    np.testing.assert_allclose(period[10:96], 10, rtol=0.02)
    np.testing.assert_allclose(period[102:-10], 1000 / 300, rtol=0.02)


@pytest.mark.parametrize("hertz", [45, 60, 70, 100, 300])
@pytest.mark.parametrize("floor", [40, 60, 75, 120])
def test_a_voice_below_the_floor_is_misheard_and_one_above_is_not(hertz, floor):
    period = frames.frame_features(voice(hertz, harmonics=20), floor)[5:-5, PERIOD]
    if hertz >= floor:
        np.testing.assert_allclose(period, 1000 / hertz, rtol=0.01)
    else:
        assert (period < 0.95 * 1000 / hertz).all()


def test_frames_near_the_ceiling_are_counted(tones, tmp_path):
    assert frames.near_ceiling(np.array([[0, 1000 / 479, 1000 / 481], [1000 / 600, 10, 12]])) == pytest.approx(1 / 3)
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    for name in table.loc[table["speaker"] == "A1", "path"]:  # the test speaker: below the floor
        soundfile.write(path.parent / name, 0.2 * voice(60, harmonics=20), RATE)
    share = {}
    for floor in (75.0, 50.0):
        data = runs.prepare(configuration(f"table:{path}", pitch_floor=floor, duplicates="keep"))
        share[floor] = data.notes["pitch_near_ceiling"]
    assert share[75.0] > 0.9 and share[50.0] == 0


def test_the_floor_changes_no_run_that_does_not_use_it(tones):
    plain, lower = configuration(tones), configuration(tones, pitch_floor=50)
    assert "pitch_floor" not in plain.record() and lower.record()["pitch_floor"] == 50
    for model in ("model2", "svm_egemaps"):
        with pytest.raises(ConfigError, match=f"'pitch_floor' means nothing to model '{model}'"):
            RunConfig.create(corpus=tones, model=model, pitch_floor=50)


def test_bad_signals_are_refused():
    for signal in (np.zeros(0), np.full(800, np.nan), np.zeros((2, 800)), np.zeros(800, dtype=np.int16)):
        with pytest.raises(AudioError):
            frames.frame_features(signal)


# windows and utterance features


def numbered(count, energies):
    """Return frames whose first number is their index, with given energies."""
    frames = np.zeros((count, 30), np.float32)
    frames[:, 0] = np.arange(count)
    frames[:, LOG_ENERGY] = np.log(energies)
    return frames


@pytest.mark.parametrize(("frames", "kept"), [(25, 1), (34, 1), (35, 2), (44, 2), (45, 3), (324, 30), (325, 31)])
def test_a_tenth_of_the_windows_is_kept_rounded_up(frames, kept):
    assert dnn_elm.loudest_windows(numbered(frames, np.ones(frames))).shape == (kept, 25, 30)


def test_the_loudest_windows_are_kept_in_order_of_time():
    energies = np.full(54, 1e-6)  # 30 windows, 3 are kept
    energies[50] = 1  # in windows 26 to 29
    energies[26] = 0.5  # in windows 2 to 26: so window 26 has both
    energies[53] = 0.1  # in window 29
    found = dnn_elm.loudest_windows(numbered(54, energies))
    assert found[:, 0, 0].tolist() == [26, 27, 29]  # window 28 is as loud as 27 and later
    np.testing.assert_array_equal(found[0, :, 0], np.arange(26, 51))


def test_energy_is_summed_not_its_logarithm():
    energies = np.full(26, 1e-9)  # two windows, one is kept
    energies[0], energies[-1] = 1, 1e-9
    assert dnn_elm.loudest_windows(numbered(26, energies))[0, 0, 0] == 0
    energies[:] = [1e-3] * 25 + [1e-2]
    assert dnn_elm.loudest_windows(numbered(26, energies))[0, 0, 0] == 1


def test_short_utterance_is_one_window_with_its_ends_repeated():
    (window,) = dnn_elm.loudest_windows(numbered(20, np.ones(20)))
    np.testing.assert_array_equal(window[:, 0], [0, 0, *range(20), 19, 19, 19])


def test_utterance_features_by_hand():
    posteriors = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25], [0.15, 0.8, 0.05], [0.25, 0.35, 0.4]])
    expected = [
        0.7, 0.8, 0.4,  # maxima
        0.15, 0.2, 0.05,  # minima
        1.6 / 4, 1.6 / 4, 0.8 / 4,  # means
        3 / 4, 3 / 4, 2 / 4,  # above 0.2; 0.2 itself is not
    ]  # fmt: skip
    np.testing.assert_allclose(dnn_elm.utterance_features(posteriors), expected)


# extreme learning machine


def test_elm_solves_the_least_squares_problem():
    rng = np.random.default_rng(1)
    x, targets = rng.uniform(0, 1, (300, 16)), np.eye(4)[rng.integers(0, 4, 300)]
    elm = ExtremeLearningMachine(16, 40, 4, seed=3)
    elm.fit(x, targets)
    hidden = 1 / (1 + np.exp(-(x @ elm.weights + elm.biases)))
    np.testing.assert_allclose(elm.hidden(x), hidden)
    expected, *_ = np.linalg.lstsq(hidden, targets, rcond=None)
    np.testing.assert_allclose(elm.output_weights, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(elm.predict(x), hidden @ expected, atol=1e-8)
    np.testing.assert_allclose(hidden.T @ (targets - elm.predict(x)), 0, atol=1e-8)  # the normal equations


def test_elm_with_fewer_rows_than_units_is_exact_and_the_smallest():
    rng = np.random.default_rng(2)
    x, targets = rng.uniform(0, 1, (10, 16)), rng.normal(size=(10, 4))
    elm = ExtremeLearningMachine(16, 120, 4, seed=3)
    elm.fit(x, targets)
    np.testing.assert_allclose(elm.predict(x), targets, atol=1e-7)
    hidden = elm.hidden(x)
    np.testing.assert_allclose(elm.output_weights, hidden.T @ np.linalg.solve(hidden @ hidden.T, targets), atol=1e-5)


def test_elm_learns_what_no_linear_classifier_can():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    elm = ExtremeLearningMachine(2, dnn_elm.ELM_UNITS, 2, seed=0)
    elm.fit(x, np.eye(2)[[0, 1, 1, 0]])
    assert elm.predict(x).argmax(axis=1).tolist() == [0, 1, 1, 0]


def test_seed_draws_the_hidden_layer_and_fitting_leaves_it():
    one, same, other = (ExtremeLearningMachine(16, 120, 4, seed) for seed in (1, 1, 2))
    weights = one.weights.copy()
    one.fit(np.random.default_rng(0).uniform(0, 1, (50, 16)), np.eye(4)[np.arange(50) % 4])
    np.testing.assert_array_equal(one.weights, weights)
    np.testing.assert_array_equal(same.weights, weights)
    assert np.abs(weights).max() <= 1 and abs(weights.mean()) < 0.1 and (other.weights != weights).all()


# the chain


@pytest.fixture(scope="module")
def data(tones):
    return runs.prepare(configuration(tones))


@pytest.fixture(scope="module")
def trained(data, tones):
    """Return a model and what `fit` said. It had no test part to look at."""
    config = configuration(tones)
    model = models.build(config, 4)
    return model, runs.fit(model, replace(data, test=None), config, verbose=False)


@pytest.fixture(scope="module")
def result(trained, data, tones):
    return runs.evaluate(trained[0], data, configuration(tones), trained[1])


def test_it_learns_an_easy_corpus(result):
    assert result.metrics["uar"] > 0.8  # four tones: guessing gives 0.25
    assert result.history["loss"].iloc[-1] < 0.5 * result.history["loss"].iloc[0]


def test_result_is_consistent(result, tones):
    assert result.predictions["speaker"].unique().tolist() == ["A1"]
    np.testing.assert_allclose(result.predictions[CLASSES].sum(axis=1), 1)
    assert (result.predictions[CLASSES].idxmax(axis=1) == result.predictions["predicted"]).all()
    assert result.metrics["val_uar"] == result.history["val_uar"].max()
    assert result.provenance["corpus_digest"] == corpora.digest(corpora.load(tones))
    assert result.provenance["segments"] == {"train": 16, "validation": 8, "test": 8}


def test_parts_have_a_row_an_utterance(data):
    for part in (data.train, data.validation, data.test):
        windows = part.inputs["windows"]
        assert windows.shape == part.labels.shape == (len(part.segments),)
        assert part.segments["utterance"].tolist() == part.table["utterance"].tolist()
        assert [CLASSES[label] for label in part.labels] == part.table["emotion"].tolist()
        for row, (name, path) in enumerate(zip(part.table["utterance"], part.table["path"], strict=True)):
            found = frames.frame_features(audio.read(path))
            assert part.segments.loc[row, ["utterance", "start", "frames"]].tolist() == [name, 0, len(found)]
            np.testing.assert_array_equal(windows[row], dnn_elm.loudest_windows(found))


def test_the_kept_epoch_is_the_one_that_predicts_and_patience_ends_training(copy):
    table = pd.read_csv(copy)
    theirs = table["speaker"] == "A2"  # who validates; with wrong labels, the more is learned the worse is the score
    table.loc[theirs, "emotion"] = table.loc[theirs, "emotion"].to_numpy()[::-1]
    table.to_csv(copy, index=False)
    config = configuration(f"table:{copy}", epochs=30, patience=2, learning_rate=3e-4)
    data = runs.prepare(config)
    model = models.build(config, 4)
    fitted = runs.fit(model, data, config, verbose=False)
    best = fitted.history.set_index("epoch").loc[fitted.best_epoch]
    predictions, loss = models.predict(model, data.validation, data.classes)
    assert (predictions["true"] == predictions["predicted"]).mean() == best["val_wa"] and loss == best["val_loss"]
    assert len(fitted.history) == fitted.best_epoch + 2 < 30
    assert loss != fitted.history["val_loss"].iloc[-1]  # so the weights were taken back


def test_outputs_of_the_elm_are_the_logits_and_only_training_frames_are_measured(trained, data):
    model = trained[0]
    frames = np.concatenate(data.train.inputs["windows"]).reshape(-1, 30).astype(float)
    np.testing.assert_allclose(model.scaler.mean_, frames.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.scaler.scale_, frames.std(axis=0), rtol=1e-5)
    expected = []
    for windows in data.test.inputs["windows"]:
        x = ((windows - frames.mean(axis=0)) / frames.std(axis=0)).reshape(len(windows), 750)
        for layer in model.network.layers:
            kernel, bias = layer.get_weights()
            x = x @ kernel + bias
            x = x if layer.name == "logits" else np.maximum(x, 0)
        posteriors = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        expected.append(dnn_elm.utterance_features(posteriors))
    outputs = models.logits(model, data.test)
    np.testing.assert_allclose(outputs, model.elm.predict(np.array(expected)), atol=1e-2)
    predictions, _ = models.predict(model, data.test, data.classes)
    assert predictions["predicted"].tolist() == [CLASSES[i] for i in outputs.argmax(axis=1)]


def test_sizes_are_those_of_the_source_at_every_preset():
    for preset in ("smoke", "teaching", "paper"):
        table = models.build(RunConfig.create(model="dnn_elm", preset=preset), 4).parameters()
        assert table.set_index("layer")["parameters"].to_dict() == {
            "dense1": 750 * 256 + 256,
            "dense2": 256 * 256 + 256,
            "dense3": 256 * 256 + 256,
            "logits": 256 * 4 + 4,
            "utterance_features": 0,
            "elm_hidden": 16 * 120 + 120,
            "elm_output": 120 * 4,
        }
    assert table.set_index("layer")["output"]["utterance_features"] == "(16,)"


SCRIPT = """
import sys
from sermodules import runs
from sermodules.config import RunConfig
runs.run(RunConfig.from_json(sys.argv[1]), sys.argv[2], verbose=False)
"""


def test_same_bytes_in_another_process_that_is_quiet(result, tones, tmp_path):
    config = configuration(tones)
    here, there = store.save(result, tmp_path / "here"), tmp_path / "there" / config.run_id
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, config.to_json(), str(there.parent)],
        env=os.environ | {"SERMODULES_CACHE": cache_with_libraries(tmp_path / "cache")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == done.stdout == ""
    assert (here / "predictions.csv").read_bytes() == (there / "predictions.csv").read_bytes()


@pytest.fixture
def copy(tones, tmp_path):
    """Return the path of a CSV: the corpus of tones, to be changed."""
    shutil.copytree(Path(tones.removeprefix("table:")).parent, tmp_path / "corpus")
    return tmp_path / "corpus" / "utterances.csv"


def learned(csv):
    """Return everything that training leaves: history, statistics, the ELM's hidden layer, all weights."""
    config = configuration(f"table:{csv}", epochs=1)
    data = runs.prepare(config)
    model = models.build(config, len(data.classes))
    fitted = runs.fit(model, data, config, verbose=False)
    assert isinstance(model, DnnElm)
    return [
        fitted.history.to_numpy(), model.scaler.mean_, model.scaler.scale_, model.elm.weights, model.elm.biases,
        *model.get_weights(),
    ]  # fmt: skip


def changed(before, after):
    return [bool(np.any(old != new)) for old, new in zip(before, after, strict=True)]


def test_who_is_learned_from(tmp_path):
    path = write_tones(tmp_path, per_class=1)
    before = learned(path)
    table, rng = pd.read_csv(path), np.random.default_rng(5)

    # The test speaker: nothing depends on audio, labels and gender.
    mine = table["speaker"] == "A1"
    for name in table.loc[mine, "path"]:
        soundfile.write(tmp_path / name, 0.9 * rng.standard_normal(20000).clip(-1, 1), RATE)
    table.loc[mine, "emotion"] = table.loc[mine, "emotion"].to_numpy()[::-1]
    table.loc[mine, "gender"] = "male"
    table.to_csv(path, index=False)
    assert not any(changed(before, learned(path)))

    # The validation speaker gives the scores of the history. Of one epoch there is nothing to choose.
    theirs = table["speaker"] == "A2"
    table.loc[theirs, "emotion"] = table.loc[theirs, "emotion"].to_numpy()[::-1]
    table.to_csv(path, index=False)
    soundfile.write(tmp_path / table.loc[theirs, "path"].iloc[0], rng.uniform(-1, 1, 30000), RATE)
    assert changed(before, learned(path)) == [True] + [False] * (len(before) - 1)

    # A training speaker's audio changes everything but the ELM's hidden layer, which is drawn by the seed.
    soundfile.write(tmp_path / table.loc[table["speaker"] == "B1", "path"].iloc[0], rng.uniform(-1, 1, 20000), RATE)
    assert changed(before, learned(path)) == [True, True, True, False, False, *[True] * (len(before) - 5)]


def test_seed_decides(tones):
    one, same, other = (models.build(configuration(tones, seed=seed), 4) for seed in (1, 1, 2))
    weights = [[*model.network.get_weights()[::2], model.elm.weights, model.elm.biases] for model in (one, same, other)]
    assert not any(changed(weights[0], weights[1])) and all(changed(weights[0], weights[2]))


def test_loss_that_is_no_number_ends_the_run_with_a_message(data, tones):
    config = configuration(tones, learning_rate=1.0)
    model = models.build(config, 4)
    model.network.get_layer("logits").bias.assign([0.0, 0.0, np.inf, np.inf])
    with pytest.raises(
        TrainingError, match=r"loss became nan in epoch 1, minibatch 1.*Lower `learning_rate` \(now 1\)"
    ):
        runs.fit(model, data, config, verbose=False)


def test_all_bad_audio_is_named_before_training(copy):
    names = pd.read_csv(copy)["path"].tolist()
    (copy.parent / names[0]).write_bytes(b"")
    soundfile.write(copy.parent / names[20], np.zeros(RATE), RATE)
    with pytest.raises(AudioError) as caught:
        runs.prepare(configuration(f"table:{copy}"))
    assert names[0] in str(caught.value) and names[20] in str(caught.value)


def test_code_that_computes_is_in_the_key(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path))
    calls, table = [], corpora.load(tones)[:2]
    monkeypatch.setattr(
        frames, "frame_features", lambda signal, floor: calls.append(1) or np.zeros((1, 30), np.float32)
    )
    for count in (2, 2):
        frames.extract(table)
        assert len(calls) == count
    other = tmp_path / "other.py"
    other.write_text("HOP = 161\n")
    for module, count in ((mel, 4), (frames, 6), (pitch, 8)):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(other))
            frames.extract(table)
        assert len(calls) == count
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda x: "0" if x == "praat-parselmouth" else version(x))
    frames.extract(table)
    assert len(calls) == 10
    frames.extract(table, pitch_floor=50.0)
    assert len(calls) == 12


def test_real_speech(emodb):
    table = emodb.iloc[::10].reset_index(drop=True)
    found = frames.extract(table)
    assert len(found) == 34
    period = {"female": [], "male": []}
    for row in table.itertuples():
        assert np.isfinite(found[row.utterance]).all()
        period[row.gender].append(np.median(dnn_elm.loudest_windows(found[row.utterance])[:, :, PERIOD]))
    assert 1.2 * np.median(period["female"]) < np.median(period["male"])  # men speak lower
    assert (np.concatenate(list(found.values())).std(axis=0) > 0).all()


def test_pitch_and_ratio_of_real_speech_agree_with_praat_where_it_hears_a_voice(emodb):
    same, ours, theirs = [], [], []
    for path in emodb["path"].iloc[::20]:
        signal = audio.read(path).astype(float)
        found = frames.frame_features(signal)
        sound = parselmouth.Sound(signal, RATE)
        pitch = sound.to_pitch_ac(time_step=0.01)  # with Praat's own thresholds
        harmonicity = sound.to_harmonicity_ac(time_step=0.01, silence_threshold=0, periods_per_window=3)
        for time, frame in zip((160 * np.arange(len(found)) + 200) / RATE, found, strict=True):
            hertz, decibels = pitch.get_value_at_time(time), harmonicity.get_value(time)
            if np.isfinite(hertz) and decibels > -100:
                same.append(abs(frame[PERIOD] * hertz / 1000 - 1) < 0.03)
                ours.append(frame[RATIO])
                theirs.append(decibels)
    assert len(same) > 1000 and np.mean(same) > 0.9
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9 and abs(np.median(np.subtract(ours, theirs))) < 0.5
