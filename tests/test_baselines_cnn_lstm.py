"""CNN+LSTM with VTLP: the warp is the formula's, only training speakers are learned from, the vote is a mean."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, models, runs
from sermodules.config import RunConfig
from sermodules.corpora import audio
from sermodules.errors import AudioError, ConfigError, TrainingError
from sermodules.features import mel, spectrogram
from sermodules.folds import segments
from sermodules.folds.parts import Part
from sermodules.models.baselines import cnn_lstm
from sermodules.runs import store

alphas = st.floats(0.9, 1.1)


def tiny(corpus, **fields):
    return RunConfig.create(
        corpus=corpus, model="cnn_lstm_vtlp", preset="smoke",
        **({"width": 1 / 32, "epochs": 1, "batch_size": 8, "learning_rate": 0.01} | fields),
    )  # fmt: skip


def sine(hertz, samples=8000):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)


@pytest.fixture(scope="module")
def data(tones):
    return runs.prepare(tiny(tones))


# spectrograms


@given(st.integers(1, 3000))
@settings(deadline=None, max_examples=30)
def test_number_of_frames(n):
    assert spectrogram.log_spectrogram(np.ones(n)).shape == (1 if n < 640 else 1 + (n - 640) // 160, 179)


@pytest.mark.parametrize("bin_", [4, 40, 160])
def test_sine_is_strongest_in_its_bin_and_has_its_power_there(bin_):
    x = spectrogram.log_spectrogram(sine(25 * bin_))
    assert x.dtype == np.float32
    assert (x.argmax(axis=1) == bin_).all()
    # A sine of amplitude 0.5 has half of that at its bin, times the sum of the window: 0.54 * 640 - 0.46.
    np.testing.assert_allclose(x[:, bin_], 2 * np.log(0.25 * 345.14), atol=2e-3)


def test_silence_is_the_floor_and_bad_signals_are_refused():
    np.testing.assert_allclose(spectrogram.log_spectrogram(np.zeros(800)), -23.02585, rtol=1e-6)
    with pytest.raises(AudioError, match="one dimension"):
        spectrogram.log_spectrogram(np.zeros((2, 800)))
    with pytest.raises(ConfigError, match="44100"):
        spectrogram.log_spectrogram(np.zeros(800), 44100)


# the warp


@pytest.mark.parametrize(
    ("alpha", "frequency", "expected"),
    [
        (1.1, 1000, 1100),
        (1.1, 4800 / 1.1, 4800),  # where it bends
        # 8000 - 3200 / (8000 - 4363.63...) * 2000 = 8000 - 0.88 * 2000
        (1.1, 6000, 6240),
        (0.9, 1000, 900),
        (0.9, 4800, 4320),
        # 8000 - (8000 - 4320) / (8000 - 4800) * 2000 = 8000 - 1.15 * 2000
        (0.9, 6000, 5700),
        (1.0, 1234.5, 1234.5),
        (1.0, 7000, 7000),
        (0.93, 8000, 8000),
        (1.07, 0, 0),
    ],
)
def test_warp_by_hand(alpha, frequency, expected):
    assert cnn_lstm.warp(frequency, alpha) == pytest.approx(expected, rel=1e-12)


@given(st.floats(0.7, 1.4))
def test_warp_rises_and_its_inverse_is_the_warp_by_the_inverse(alpha):
    frequency = np.linspace(0, 8000, 321)
    warped = cnn_lstm.warp(frequency, alpha)
    assert (np.diff(warped) > 0).all()
    np.testing.assert_allclose(cnn_lstm.warp(warped, 1 / alpha), frequency, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.6, -1, float("nan")])
def test_warp_that_folds_is_refused(alpha):
    with pytest.raises(ConfigError, match=r"above 0\.6"):
        cnn_lstm.warp(1000, alpha)


def test_alpha_one_changes_nothing():
    x = spectrogram.log_spectrogram(np.random.default_rng(0).normal(0, 0.1, 8000))
    np.testing.assert_array_equal(cnn_lstm.vtlp(x, 1.0), x[:, 1:161])


@given(alphas)
def test_vtlp_reads_each_bin_where_the_formula_says(alpha):
    """Of a spectrogram that holds its own frequencies, linear interpolation is exact: at g stands g / alpha."""
    ramp = np.tile(25 * np.arange(179, dtype=np.float32), (3, 1))
    warped = cnn_lstm.vtlp(ramp, alpha)
    assert warped.shape == (3, 160) and warped.dtype == np.float32
    np.testing.assert_allclose(warped[1], 25 * np.arange(1, 161) / alpha, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "moved"), [(0.9, 1800), (1.0, 2000), (1.1, 2200)])
def test_a_peak_moves_by_alpha(alpha, moved):
    warped = cnn_lstm.vtlp(spectrogram.log_spectrogram(sine(2000)), alpha)
    assert (25 * (warped.argmax(axis=1) + 1) == moved).all()


def test_a_peak_above_4_khz_comes_into_sight():
    x = spectrogram.log_spectrogram(sine(4400))
    assert x.max() - cnn_lstm.vtlp(x, 1.0).max() > 10
    warped = cnn_lstm.vtlp(x, 0.9)
    assert (25 * (warped.argmax(axis=1) + 1) == 3950).all() or (25 * (warped.argmax(axis=1) + 1) == 3975).all()


@pytest.mark.parametrize("alpha", [0.89, 1.11, float("nan")])
def test_vtlp_reads_only_what_is_there(alpha):
    with pytest.raises(ConfigError, match=r"between 0\.9 and 1\.1"):
        cnn_lstm.vtlp(np.zeros((1, 179), np.float32), alpha)


# oversampling and minibatches


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_oversampling_evens_the_classes_out(labels, seed):
    labels = np.array(labels)
    rows = cnn_lstm.oversample(labels, np.random.default_rng(seed))
    most = np.bincount(labels).max()
    for label in np.unique(labels):
        times = np.bincount(rows, minlength=len(labels))[labels == label]
        assert times.sum() == most
        assert times.min() >= 1 and times.max() - times.min() <= 1


def test_each_epoch_draws_anew_and_the_seed_decides(data, tones):
    def epochs(seed, count=2):
        config = tiny(tones, seed=seed)
        drawn = list(islice(cnn_lstm._draws(data.train.labels, seed), count))
        batches = cnn_lstm._minibatches(data, config)
        steps = -(-len(drawn[0][0]) // config.batch_size)
        return [(*one, np.concatenate([x["spectrogram"] for x, _ in islice(batches, steps)])) for one in drawn]

    first, second = epochs(1)
    for drawn, again in zip(first, epochs(1)[0], strict=True):
        np.testing.assert_array_equal(drawn, again)
    assert np.any(first[0] != second[0]) and not np.intersect1d(first[1], second[1]).size
    assert np.any(first[1] != epochs(2)[0][1])
    assert len(np.unique(first[1])) == len(first[1])  # one alpha a segment and copy
    assert 0.9 <= first[1].min() < 0.95 and 1.05 < first[1].max() <= 1.1
    np.testing.assert_array_equal(np.bincount(data.train.labels[first[0]]), np.bincount(data.train.labels).max())
    row, alpha = first[0][0], first[1][0]  # and the network is given the segment under that alpha
    expected = cnn_lstm.vtlp(data.train.inputs["spectrogram"][row], alpha) - data.standardiser.mean
    real = data.train.inputs["mask"][row]
    np.testing.assert_allclose(first[2][0][real], (expected / data.standardiser.sd)[real], rtol=1e-5)
    assert (first[2][0][~real] == 0).all()


def test_no_part_holds_a_segment_twice(data):
    for part in (data.train, data.validation, data.test):
        assert not part.segments.duplicated(["utterance", "start"]).any()


# the parts


def test_parts_hold_the_spectrograms(data, tones):
    table = corpora.load(tones).set_index("utterance")
    train = data.train
    assert train.inputs["spectrogram"].shape == (len(train.labels), 300, 179)
    np.testing.assert_array_equal(train.inputs["mask"], segments.masks(train.segments))
    whole = {
        name: spectrogram.log_spectrogram(audio.read(table.loc[name, "path"])) for name in train.table["utterance"]
    }
    for x, row in zip(train.inputs["spectrogram"], train.segments.itertuples(), strict=True):
        np.testing.assert_array_equal(x[: row.frames], whole[row.utterance][row.start : row.start + row.frames])
        assert (x[row.frames :] == 0).all()
    frames = np.concatenate(list(whole.values()))[:, 1:161]
    np.testing.assert_allclose(data.standardiser.mean, frames.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(data.standardiser.sd, frames.std(axis=0, dtype=np.float64), rtol=1e-4)
    assert data.corpus_digest == corpora.digest(corpora.load(tones))


def test_code_that_computes_is_in_the_key(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path))
    calls, table = [], corpora.load(tones)[:2]
    monkeypatch.setattr(
        spectrogram, "log_spectrogram", lambda signal: calls.append(1) or np.zeros((1, 179), np.float32)
    )
    for count in (2, 2):
        spectrogram.extract(table)
        assert len(calls) == count
    other = tmp_path / "other.py"
    other.write_text("HOP = 161\n")
    for module, count in ((mel, 4), (spectrogram, 6)):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(other))
            spectrogram.extract(table)
        assert len(calls) == count


def test_all_bad_audio_is_named_before_training(tmp_path):
    path = write_tones(tmp_path)
    names = pd.read_csv(path)["path"].tolist()
    (tmp_path / names[0]).write_bytes(b"")
    soundfile.write(tmp_path / names[20], np.zeros(16000), 16000)
    with pytest.raises(AudioError) as caught:
        runs.prepare(tiny(f"table:{path}"))
    assert Path(names[0]).name in str(caught.value) and Path(names[20]).name in str(caught.value)


# the network


def test_network_at_width_1_is_the_one_described():
    config = RunConfig.create(corpus="emodb", model="cnn_lstm_vtlp", preset="paper")
    rows = models.build(config, 4).parameters()
    kinds = rows[rows["parameters"] > 0].set_index("layer")
    weights = {"conv1": 9 * 64, "conv2": 9 * 64 * 64, "conv3": 9 * 64 * 128, "conv4": 9 * 128 * 128}
    norms = {"conv1_norm": 4 * 64, "conv2_norm": 4 * 64, "conv3_norm": 4 * 128, "conv4_norm": 4 * 128}
    # two directions of four gates of 128 cells, which read 10 bins of 128 filters, their own outputs and a bias
    rest = {"blstm": 2 * 4 * 128 * (10 * 128 + 128 + 1), "logits": (256 + 1) * 4}
    assert kinds["parameters"].to_dict() == weights | norms | rest
    assert rows.set_index("layer").loc["steps", "output"] == "(37, 1280)"


def test_it_listens_to_width_seed_and_precision(tones):
    def built(**fields):
        return models.build(tiny(tones, **fields), 4)

    wide, narrow = (built(width=width).parameters()["parameters"].sum() for width in (1 / 8, 1 / 16))
    assert wide > 2 * narrow
    first, again, other = (built(seed=seed).network.get_weights() for seed in (1, 1, 2))
    for old, new in zip(first, again, strict=True):
        np.testing.assert_array_equal(old, new)
    assert any(np.any(old != new) for old, new in zip(first, other, strict=True))
    mixed = built(precision="mixed_bfloat16").network
    assert mixed.get_layer("conv2").compute_dtype == "bfloat16" and mixed.get_layer("logits").compute_dtype == "float32"
    assert built().network.get_layer("conv2").compute_dtype == "float32"


@pytest.fixture(scope="module")
def trained(data, tones):
    """Return a model and what `fit` said. It had no test part to look at."""
    config = tiny(tones)
    model = models.build(config, 4)
    return model, runs.fit(model, replace(data, test=None), config, verbose=False)


def test_optimizer_is_sgd_with_nesterov_momentum(trained):
    optimizer = trained[0].network.optimizer
    settings_ = optimizer.get_config()
    assert type(optimizer).__name__ == "SGD" and (settings_["momentum"], settings_["nesterov"]) == (0.9, True)
    assert settings_["learning_rate"] == pytest.approx(0.01)


def test_posterior_is_the_mean_over_alphas(trained, data, monkeypatch):
    model = trained[0]
    single = [model._logits(data.test, alpha) for alpha in (0.9, 0.95, 1.0, 1.05, 1.1)]
    assert np.any(single[0] != single[2])
    posteriors = [np.exp(x - x.max(axis=1, keepdims=True)) for x in single]
    mean = np.mean([p / p.sum(axis=1, keepdims=True) for p in posteriors], axis=0)
    voted = models.logits(model, data.test)
    assert voted.shape == (len(data.test.labels), 4) and voted.dtype == np.float32
    np.testing.assert_allclose(np.exp(voted), mean, rtol=1e-4)
    # By hand: posteriors (3/4, 1/4) under three alphas and (0, 1) under two give (9/20, 11/20): no vote of heads.
    table = {alpha: [np.log(3), 0] for alpha in (0.9, 1.0, 1.1)} | {0.95: [-1000, 0], 1.05: [-1000, 0]}
    monkeypatch.setattr(model, "_logits", lambda part, alpha: np.array([table[alpha]]))
    np.testing.assert_allclose(np.exp(model.logits(data.test)), [[0.45, 0.55]], rtol=1e-5)


def test_predictions_depend_on_neither_the_batch_nor_the_padding(trained, data):
    model, part = trained[0], data.test
    whole = model.logits(part)
    few = Part(part.table, part.segments[:3], {k: v[:3] for k, v in part.inputs.items()}, part.labels[:3])
    np.testing.assert_allclose(model.logits(few), whole[:3], atol=1e-5)
    noisy = part.inputs["spectrogram"].copy()
    noisy[~part.inputs["mask"]] = 7
    other = Part(part.table, part.segments, part.inputs | {"spectrogram": noisy}, part.labels)
    np.testing.assert_array_equal(model.logits(other), whole)


def test_weights_of_the_best_epoch_are_kept_and_patience_ends_training(data, tones, monkeypatch):
    config = tiny(tones, epochs=9, patience=2)
    model, weights = models.build(config, 4), []

    def logits(part):  # right in the second epoch; in others all are taken for angry
        weights.append(model.network.get_weights())
        return np.eye(4)[part.labels if len(weights) == 2 else np.zeros_like(part.labels)]

    monkeypatch.setattr(model, "logits", logits)
    fitted = runs.fit(model, data, config, verbose=False)
    assert fitted.history["val_uar"].tolist() == [0.25, 1, 0.25, 0.25] and fitted.best_epoch == 2
    for kept, best in zip(model.network.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert all(np.any(weights[1][0] != other[0]) for other in (weights[0], weights[2], weights[3]))


def test_prediction_before_training_is_refused(data, tones):
    with pytest.raises(TrainingError, match="not trained"):
        models.predict(models.build(tiny(tones), 4), data.test, data.classes)


def test_loss_that_is_no_number_ends_the_run_with_a_message(data, tones):
    config = tiny(tones)
    model = models.build(config, 4)
    model.network.get_layer("logits").bias.assign([0.0, 0.0, np.inf, np.inf])
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 1.*learning_rate"):
        runs.fit(model, data, config, verbose=False)


# the run


def test_it_learns_an_easy_corpus(tones):
    result = runs.run(tiny(tones, epochs=5, learning_rate=0.1), verbose=False)
    assert result.metrics["uar"] > 0.8  # four tones: guessing gives 0.25
    assert result.history["loss"].iloc[-1] < 0.5 * result.history["loss"].iloc[0]
    classes = ["angry", "sad", "happy", "neutral"]
    np.testing.assert_allclose(result.predictions[classes].sum(axis=1), 1)
    assert result.provenance["utterances"] == {"train": 16, "validation": 8, "test": 8}


SCRIPT = """
import sys
from sermodules import runs
from sermodules.config import RunConfig
runs.run(RunConfig.from_json(sys.argv[1]), sys.argv[2], verbose=False)
"""


def test_same_bytes_in_another_process_that_is_quiet(trained, data, tones, tmp_path):
    config = tiny(tones)
    here = store.save(runs.evaluate(trained[0], data, config, trained[1]), tmp_path / "here")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, config.to_json(), str(tmp_path / "there")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # in a notebook every line here would stand in the page as an error
    there = tmp_path / "there" / config.run_id
    assert (here / "predictions.csv").read_bytes() == (there / "predictions.csv").read_bytes()


def test_jax_trains_without_tensorflow(tones, tmp_path):
    config = tiny(tones, batch_size=32)  # one minibatch, so one shape is compiled
    script = "import sys; sys.modules['tensorflow'] = None\n" + SCRIPT
    quick = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # to compile, not to compute
    done = subprocess.run(
        [sys.executable, "-c", script, config.to_json(), str(tmp_path)],
        env=os.environ | quick, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert store.load(tmp_path / config.run_id).provenance["backend"] == "jax"


@pytest.fixture
def copy(tones, tmp_path):
    """Return the path of a CSV: the corpus of tones, to be changed."""
    shutil.copytree(Path(tones.removeprefix("table:")).parent, tmp_path / "corpus")
    return tmp_path / "corpus" / "utterances.csv"


def test_nothing_that_is_learned_depends_on_the_test_speaker(data, trained, copy):
    """Whoever is learned from and chooses is prepared alike, and `trained` had no other data."""
    table = pd.read_csv(copy)
    rng = np.random.default_rng(5)
    mine = table["speaker"] == "A1"
    for name in table.loc[mine, "path"]:
        soundfile.write(copy.parent / name, 0.9 * rng.standard_normal(20000).clip(-1, 1), 16000)
    table.loc[mine, "emotion"] = "sad"  # a count that oversampling would see
    table.loc[mine, "gender"] = "male"
    table.to_csv(copy, index=False)
    after = runs.prepare(tiny(f"table:{copy}"))
    assert trained[1].best_epoch == 1 and after.corpus_digest != data.corpus_digest
    np.testing.assert_array_equal(after.standardiser.mean, data.standardiser.mean)
    np.testing.assert_array_equal(after.standardiser.sd, data.standardiser.sd)
    for name in ("train", "validation"):
        old, new = getattr(data, name), getattr(after, name)
        np.testing.assert_array_equal(new.labels, old.labels)
        pd.testing.assert_frame_equal(new.segments, old.segments)
        assert list(new.inputs) == list(old.inputs)
        for values, others in zip(new.inputs.values(), old.inputs.values(), strict=True):
            np.testing.assert_array_equal(values, others)
    # The test can fail: a training speaker's audio does change the statistics.
    soundfile.write(copy.parent / table.loc[table["speaker"] == "B1", "path"].iloc[0], rng.uniform(-1, 1, 20000), 16000)
    assert np.any(runs.prepare(tiny(f"table:{copy}")).standardiser.mean != data.standardiser.mean)


def test_validation_speaker_chooses_the_epoch_but_is_not_learned_from(trained, copy):
    table = pd.read_csv(copy)
    table.loc[table["speaker"] == "A2", "emotion"] = table.loc[table["speaker"] == "A2", "emotion"].to_numpy()[::-1]
    table.to_csv(copy, index=False)
    config = tiny(f"table:{copy}")
    model, (before, fitted) = models.build(config, 4), trained
    after = runs.fit(model, runs.prepare(config), config, verbose=False)
    for old, new in zip(before.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # one epoch: nothing to choose
    assert after.history["loss"].tolist() == fitted.history["loss"].tolist()
    assert after.history["val_loss"].tolist() != fitted.history["val_loss"].tolist()  # its scores did change


def test_class_that_no_training_speaker_has(trained, copy):
    table = pd.read_csv(copy)
    table = table[~(table["speaker"].isin(["B1", "B2"]) & (table["emotion"] == "happy"))]
    table.to_csv(copy, index=False)
    config = tiny(f"table:{copy}")
    data, model = runs.prepare(config), models.build(config, 4)
    runs.fit(model, data, config, verbose=False)
    predictions, loss = models.predict(model, data.test, data.classes)
    assert np.isfinite(predictions[["angry", "sad", "happy", "neutral"]].to_numpy()).all() and np.isfinite(loss)
    learned = zip(trained[0].network.get_weights(), model.network.get_weights(), strict=True)
    assert all(np.any(old != new) for old, new in learned)  # training speakers are learned from


def test_real_recordings_are_standardised_by_training_speakers(emodb):
    data = runs.prepare(tiny("emodb"), emodb)
    counts = {name: len(getattr(data, name).table) for name in ("train", "validation", "test")}
    assert sum(counts.values()) == 339
    x = cnn_lstm._inputs(
        data.train, np.arange(len(data.train.labels)), np.ones(len(data.train.labels)), data.standardiser
    )
    real = x["spectrogram"][x["mask"]].astype(np.float64)
    np.testing.assert_allclose(real.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(real.std(axis=0), 1, atol=1e-4)
