"""One run: it learns, it repeats itself, it does not look at the test speaker, and it says what went wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones

from sermodules import corpora, models, runs
from sermodules.config import RunConfig
from sermodules.errors import AudioError, ProtocolError, TrainingError
from sermodules.models import epochs, reuse
from sermodules.models.backend import keras
from sermodules.runs import store

pytestmark = pytest.mark.usefixtures("train_anew")


def tiny(corpus, **settings):
    return RunConfig.create(
        corpus=corpus, preset="smoke", **({"width": 1 / 32, "conv_layers": 2, "epochs": 2, "batch_size": 8} | settings)
    )


@pytest.fixture(scope="module")
def result(tones):
    return runs.run(tiny(tones, epochs=12, patience=12, learning_rate=5e-3), verbose=False)


def test_it_learns_an_easy_corpus(result):
    assert result.metrics["uar"] > 0.8  # four tones: guessing gives 0.25
    assert result.history["loss"].iloc[-1] < 0.5 * result.history["loss"].iloc[0]


def test_result_is_consistent(result, tones):
    assert result.predictions["speaker"].unique().tolist() == ["A1"] == [result.metrics["test_speaker"]]
    classes = ["angry", "sad", "happy", "neutral"]
    assert list(result.predictions.columns) == ["utterance", "speaker", "gender", "true", "predicted", *classes]
    np.testing.assert_allclose(result.predictions[classes].sum(axis=1), 1)
    assert (result.predictions[classes].idxmax(axis=1) == result.predictions["predicted"]).all()
    best = result.history.loc[result.history["val_uar"].idxmax()]
    assert result.metrics["val_uar"] == best["val_uar"]
    assert result.provenance["corpus_digest"] == corpora.digest(corpora.load(tones))
    assert result.provenance["utterances"] == {"train": 16, "validation": 8, "test": 8}


@pytest.mark.parametrize("optimizer", sorted(epochs.OPTIMIZERS))
def test_a_step_is_traced_once(tones, monkeypatch, optimizer):
    config, traced = tiny(tones, optimizer=optimizer), []
    monkeypatch.setattr(epochs.SPARES, "_networks", {})
    data = runs.prepare(config)
    method = models.build(config, len(data.classes))
    step = method.network.train_step
    monkeypatch.setattr(method.network, "train_step", lambda batch: traced.append(1) or step(batch))
    runs.fit(method, data, config, verbose=False, previous=None)
    assert len(traced) == 1


def csv(config, out):
    runs.run(config, out, verbose=False)
    return (out / config.run_id / "predictions.csv").read_bytes()


def history(config, out):
    return store.load(out / config.run_id).history


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": "masked", "optimizer": "sgd", "class_weight": "balanced"},
        {"epochs": 8, "patience": 1, "learning_rate": 0.02, "anneal_above": 1},
        {"batch_norm": "running", "precision": "mixed_bfloat16"},
        {"batch_norm": "speaker", "standardise": "speaker", "padding": "after", "gender": "none"},
        {"model": "cnn_lstm_vtlp", "width": 1 / 32},
        {"model": "dnn_elm", "batch_size": None, "width": None, "conv_layers": None},
    ],
    ids=str,
)
def test_a_spare_network_computes_what_a_new_one_does_and_is_not_traced_again(tones, tmp_path, monkeypatch, settings):
    config, traced, step = tiny(tones, **settings), [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, batch: traced.append(1) or step(self, batch))
    monkeypatch.setattr(epochs.SPARES, "_networks", {})
    new = csv(config, tmp_path / "new")
    assert traced
    keras.utils.clear_session(free_memory=True)  # as between the runs of a study
    traced.clear()
    csv(config.replace(fold=2, seed=2), tmp_path / "spare")
    assert csv(config, tmp_path / "spare") == new
    assert not traced and len(epochs.SPARES._networks) == 1
    pd.testing.assert_frame_equal(history(config, tmp_path / "new"), history(config, tmp_path / "spare"))


def test_a_network_is_prepared_anew_if_it_was_compiled_or_frozen_since(tones):
    config = tiny(tones)
    network = models.network(config, 4)
    epochs.prepare_to_train(network, config, 10)
    own = network.optimizer
    own.variables[0].assign(7)  # as after seven minibatches
    epochs.prepare_to_train(network, config, 10)
    assert network.optimizer is own and int(own.iterations) == 0
    network.compile(optimizer="sgd", loss="mse")
    epochs.prepare_to_train(network, config, 10)
    again = network.optimizer
    assert again is not own and type(again) is type(own)
    assert isinstance(network.loss, keras.losses.SparseCategoricalCrossentropy)
    network.get_layer("conv1").trainable = False
    epochs.prepare_to_train(network, config, 10)
    assert network.optimizer is not again and len(network.optimizer.variables) < len(again.variables)


def test_a_network_in_use_is_nobody_elses_and_few_are_kept(tones, monkeypatch):
    monkeypatch.setattr(epochs, "SPARES", epochs.Spares(2))
    one, two = (models.build(tiny(tones), 4) for _ in range(2))
    network = one.network
    one.give_back()
    assert one.network is None and models.build(tiny(tones, seed=2), 4).network is network is not two.network
    assert models.build(tiny(tones), 4).network is not network
    for count in (3, 4, 5):
        models.build(tiny(tones), count).give_back()
    assert [network.output.shape[1] for network in epochs.SPARES._networks.values()] == [4, 5]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 3, "batch_norm": "running"},
        {"epochs": 8, "patience": 1, "learning_rate": 0.02},
        {"epochs": 3, "anneal_above": 1},
        {"model": "cnn_lstm_vtlp", "width": 1 / 32},
    ],
)
def test_partner_folds_share_a_training_and_get_the_bytes_of_a_training_of_their_own(
    tones, tmp_path, monkeypatch, settings
):
    configs = [tiny(tones, **settings), tiny(tones, fold=2, **settings)]
    alone = [csv(config, tmp_path / "alone") for config in configs]
    lengths = [len(history(config, tmp_path / "alone")) for config in configs]
    monkeypatch.setattr(reuse.PREVIOUS, "limit", 2**31)
    orders = ([0, 1], [1, 0]) if "patience" in settings else ([0, 1],)
    for order in orders:
        monkeypatch.setattr(reuse.PREVIOUS, "_last", None)
        out = tmp_path / f"together{order[0]}"
        assert [csv(configs[i], out) for i in order] == [alone[i] for i in order]
        first, second = (store.load(out / configs[i].run_id).provenance for i in order)
        assert first["reused_seconds"] == 0 < second["reused_seconds"] < second["seconds"]["fit"]
        assert len(reuse.PREVIOUS._last.epochs) == max(lengths)
        for config in configs:
            pd.testing.assert_frame_equal(history(config, tmp_path / "alone"), history(config, out))
    if "patience" in settings:
        assert lengths[0] != lengths[1]  # so one of the orders had to go on where the other run had stopped


def test_a_long_training_begins_lower_and_comes_to_rest(tones):
    config = tiny(tones, epochs=3, patience=3, learning_rate=0.04, anneal_above=3)
    data, trained = runs.prepare(config), models.build(config, 4)
    rate = epochs.learning_rate(config, 6)
    assert float(rate(0)) == pytest.approx(0.04 * (3 / 6) ** 0.5) and float(rate(6)) == pytest.approx(0, abs=1e-9)
    assert epochs.learning_rate(config, 3) == 0.04
    runs.fit(trained, data, config, verbose=False)
    assert float(trained.network.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)  # after its last minibatch
    short = config.replace(anneal_above=1000)
    constant = models.build(short, 4)
    runs.fit(constant, data, short, verbose=False)
    assert float(constant.network.optimizer.learning_rate) == pytest.approx(0.04)


def test_a_training_whose_loss_rises_again_says_so(tones, capsys):
    config = tiny(tones, epochs=1)
    data, trained = runs.prepare(config), models.build(config, 4)
    checkpoint = epochs.Checkpoint(trained, data, config, verbose=True)
    for losses, said in (([1.4, 1.0, 1.2], True), ([1.4, 1.0, 1.05], False), ([1.0], False)):
        checkpoint.rows = [{"loss": loss} for loss in losses]
        checkpoint.warn()
        told = capsys.readouterr().out
        assert ("fallen to 1.000 and ended at 1.200" in told and "learning_rate" in told) == said and bool(told) == said


def test_gender_settings_that_train_alike_share_a_training(tones, tmp_path, monkeypatch):
    settings = {"flipped": True, "predicted": True, "none": False, "prior_shift": True, "shuffled": False}
    alone = [csv(tiny(tones, gender=gender), tmp_path / "alone") for gender, shared in settings.items() if shared]
    monkeypatch.setattr(reuse.PREVIOUS, "limit", 2**31)
    csv(tiny(tones, gender="embedding"), tmp_path / "together")
    together = []
    for gender, shared in settings.items():
        predictions = csv(tiny(tones, gender=gender), tmp_path / "together")
        provenance = store.load(tmp_path / "together" / tiny(tones, gender=gender).run_id).provenance
        assert (provenance["reused_seconds"] > 0) == shared
        together += [predictions] if shared else []
    assert together == alone


SCRIPT = """
import sys
from sermodules import runs
from sermodules.models import epochs, reuse
from sermodules.config import RunConfig
runs.run(RunConfig.from_json(sys.argv[1]), sys.argv[2], verbose=False)
"""


def test_same_bytes_twice_and_in_another_process(tones, tmp_path):
    config = tiny(tones)
    first = csv(config, tmp_path / "a")
    assert first == csv(config, tmp_path / "b")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, config.to_json(), str(tmp_path / "c")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # in a notebook every line here would stand in the page as an error
    assert first == (tmp_path / "c" / config.run_id / "predictions.csv").read_bytes()
    assert first != csv(config.replace(seed=2), tmp_path / "d")


def test_jax_trains_without_tensorflow(tones, tmp_path):
    config = tiny(tones, epochs=1)
    script = "import sys; sys.modules['tensorflow'] = None\n" + SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", script, config.to_json(), str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert store.load(tmp_path / config.run_id).provenance["backend"] == "jax"


def learned(config):
    """Return everything that training leaves, and nothing that the test does."""
    data = runs.prepare(config)
    network = models.build(config, len(data.classes))
    fitted = runs.fit(network, data, config, verbose=False)
    return [data.standardiser.mean, data.standardiser.sd, fitted.history.to_numpy(), *network.get_weights()]


def test_nothing_that_is_learned_depends_on_the_test_speaker(tmp_path):
    path = write_tones(tmp_path)
    config = tiny(f"table:{path}", epochs=1)
    before = learned(config)
    table = pd.read_csv(path)
    rng = np.random.default_rng(5)
    mine = table["speaker"] == "A1"
    for name in table.loc[mine, "path"]:
        soundfile.write(tmp_path / name, 0.9 * rng.standard_normal(20000).clip(-1, 1), 16000)
    after_audio = learned(config)
    table.loc[mine, "emotion"] = table.loc[mine, "emotion"].to_numpy()[::-1]
    table.loc[mine, "gender"] = "male"
    table.to_csv(path, index=False)
    after_labels = learned(config)
    for old, new, newer in zip(before, after_audio, after_labels, strict=True):
        np.testing.assert_array_equal(old, new)
        np.testing.assert_array_equal(old, newer)
    # The test can fail: a training speaker's audio does change what is learned.
    soundfile.write(tmp_path / table.loc[table["speaker"] == "B1", "path"].iloc[0], rng.uniform(-1, 1, 20000), 16000)
    assert any(np.any(old != new) for old, new in zip(before, learned(config), strict=True))


def test_validation_speaker_chooses_the_epoch_but_is_not_learned_from(tmp_path):
    path = write_tones(tmp_path)
    config = tiny(f"table:{path}", epochs=1)
    before = learned(config)
    table = pd.read_csv(path)
    table.loc[table["speaker"] == "A2", "emotion"] = table.loc[table["speaker"] == "A2", "emotion"].to_numpy()[::-1]
    table.to_csv(path, index=False)
    after = learned(config)
    np.testing.assert_array_equal(before[0], after[0])
    for old, new in zip(before[3:], after[3:], strict=True):  # one epoch, so there was nothing to choose
        np.testing.assert_array_equal(old, new)
    assert np.any(before[2] != after[2])  # its scores did change


class _Scripted:
    """Stands for a model whose weights are the number of the epoch."""

    stop_training = False
    epoch = 0

    def end_epoch(self, data):
        pass

    def get_weights(self):
        return [self.epoch]


def test_the_kept_epoch_is_the_best_and_ties_go_to_the_lower_loss(monkeypatch, tones):
    config = tiny(tones, epochs=9, patience=3)
    scores = [(0.5, 1.0), (0.75, 0.9), (0.75, 0.8), (0.75, 0.8), (0.25, 0.1), (0.5, 0.1), (1.0, 0.5)]
    data = runs.prepare(config)
    scripted = _Scripted()
    keeper = epochs.Checkpoint(scripted, data, config, verbose=False)
    keeper.set_model(scripted)
    true = data.validation.table["emotion"].tolist()

    def predicted(uar):  # the first share of each class is right
        wrong = {"angry": "sad", "sad": "angry", "happy": "sad", "neutral": "sad"}
        classes = list(wrong)[: round(4 * uar)]
        return [t if t in classes else wrong[t] for t in true]

    for epoch, (uar, loss) in enumerate(scores):
        frame = pd.DataFrame({"true": true, "predicted": predicted(uar)})
        monkeypatch.setattr(epochs, "predict", lambda *_, frame=frame, loss=loss: (frame, loss))
        keeper.model.epoch = epoch + 1
        keeper.on_epoch_end(epoch, {"loss": 1.0})
        if keeper.model.stop_training:
            break
    assert [row["val_uar"] for row in keeper.rows] == [uar for uar, _ in scores[:6]]
    assert keeper.best_epoch == 3 and keeper.weights == [3] and len(keeper.rows) == 6


def test_loss_that_is_no_number_ends_the_run_with_a_message(tones):
    config = tiny(tones, learning_rate=1.0)
    data = runs.prepare(config)
    network = models.build(config, 4)
    network.network.get_layer("logits").bias.assign([0.0, 0.0, np.inf, np.inf])
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 1.*Lower `learning_rate` \(now 1\)"):
        runs.fit(network, data, config, verbose=False)


def test_predictions_do_not_depend_on_the_batch(tones):
    config = tiny(tones)
    data = runs.prepare(config)
    network = models.build(config, 4)

    def inputs(rows):
        return {name: values[rows] for name, values in data.train.inputs.items()}

    whole = epochs.in_batches(network.network, data.train, inputs, 1000)
    np.testing.assert_allclose(epochs.in_batches(network.network, data.train, inputs, 3), whole, atol=1e-5)
    np.testing.assert_allclose(models.logits(network, data.train), whole, atol=1e-5)


def test_class_that_a_speaker_lacks_is_not_counted(tmp_path):
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    table = table[~((table["speaker"] == "A1") & (table["emotion"] == "happy"))]
    table.to_csv(path, index=False)
    result = runs.run(tiny(f"table:{path}", epochs=1), verbose=False)
    assert result.metrics["covered"] == ["angry", "sad", "neutral"] and result.metrics["recalls"]["happy"] is None
    store.load(store.save(result, tmp_path / "runs"))


def test_all_bad_audio_is_named_before_training(tmp_path):
    path = write_tones(tmp_path)
    names = pd.read_csv(path)["path"].tolist()
    (tmp_path / names[0]).write_bytes(b"")
    soundfile.write(tmp_path / names[20], np.zeros(16000), 16000)
    with pytest.raises(AudioError) as caught:
        runs.prepare(tiny(f"table:{path}"))
    assert Path(names[0]).name in str(caught.value) and Path(names[20]).name in str(caught.value)


def test_fold_that_does_not_exist(tones):
    with pytest.raises(ProtocolError, match="folds 1 to 4"):
        runs.run(tiny(tones, fold=5))


def test_threads_cannot_change_within_a_process(tones):
    models.build(tiny(tones), 4)
    with pytest.raises(TrainingError, match="restart"):
        models.build(tiny(tones, threads=3), 4)


def test_default_threads_hold_for_who_computes_first_and_others_are_refused():
    script = (
        "from sermodules import models; from sermodules.models.backend import keras; from sermodules.config import RunConfig\n"
        "keras.ops.ones(3) + 1\n"
        "models.build(RunConfig.create(preset='smoke'), 4)\n"
        "models.build(RunConfig.create(preset='smoke', threads=3), 4)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot change to 3: restart the kernel" in done.stderr
