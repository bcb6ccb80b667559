"""Every reading is a switch: it changes what it says, and nothing else."""

import dataclasses
import hashlib
import re
import types
from itertools import islice

import numpy as np
import pytest
import yaml

from sermodules import corpora, features, models, runs
from sermodules import study as engine
from sermodules.config import RunConfig
from sermodules.folds import gender, segments
from sermodules.folds.parts import PARTS, Part
from sermodules.models import epochs
from sermodules.models.backend import keras
from sermodules.runs import store
from sermodules.study import published

#: Field and value to the stages of a run that may change, and must.
SWITCHES = {
    ("conv_layers", 3): {"network"},
    ("pool", "2x4"): {"network"},
    ("normalise_waveform", False): {"features", "inputs"},
    ("frontend", "slaney"): {"features", "inputs"},
    ("window", "rectangular"): {"features", "inputs"},
    ("padding", "after"): {"inputs"},
    ("padding", "masked"): {"inputs", "network"},  # the mask is an input of the network
    ("standardise", "global"): {"inputs"},
    ("segmentation", "drop_tail"): {"segments", "inputs"},
    ("segmentation", "first_last"): {"segments", "inputs"},
    ("segmentation", "acrnn_code"): {"segments", "inputs"},
    ("validation", "next"): {"fold", "segments", "inputs"},
    ("pooling", "max_logit"): {"pooled"},
    ("pooling", "vote"): {"pooled"},
    ("pooling", "mean"): {"pooled"},
    **{
        ("attention", name): {"network"}
        for name in ("seq_self_equal_start", "scaled_dot", "additive", "acrnn", "acrnn_code", "mean", "max")
    },
    ("gender", "none"): {"inputs", "network"},
    ("gender", "embedding64"): {"network"},
    ("gender", "shuffled"): {"inputs"},
    ("gender", "flipped"): {"inputs"},
    ("gender", "predicted"): {"inputs"},
    ("gender", "prior_shift"): {"inputs", "network", "offset"},
    ("batch_norm", "running"): {"network"},
    ("batch_norm", "running_fast"): {"network"},
    ("batch_norm", "batch"): {"network"},
    ("batch_norm", "speaker"): {"network"},
    ("dense_units", 0): {"network"},
    ("width", 1 / 32): {"network"},
    ("precision", "mixed_bfloat16"): {"network"},
    ("optimizer", "adam"): {"training"},
    ("optimizer", "sgd"): {"training"},
    ("class_weight", "balanced"): {"training"},
    ("class_weight", "undersample"): {"training"},
    ("learning_rate", 0.5): {"training"},
    ("anneal_above", 1): {"training"},
    ("batch_size", 3): {"training"},
    ("epochs", 3): {"training"},
    ("patience", 3): {"training"},
}


class _Recorder:
    """Stands for a network that only notes how it is to be trained."""

    optimizer = types.SimpleNamespace(variables=[], build=lambda variables: None)
    trainable_variables = ()

    def get_weights(self):
        return []

    def compile(self, optimizer, loss):
        self.how = [_unnumbered(optimizer.get_config()), loss.get_config()]

    def fit(self, batches, steps_per_epoch, epochs, callbacks, **_):
        keeper = callbacks[0]
        keeper.weights, keeper.best_epoch = [], 1
        epoch = [[x.tolist() for x in batch[1:]] for batch in islice(batches, steps_per_epoch)]  # labels, and weights
        self.how += [epoch, epochs, keeper.config.patience]

    def set_weights(self, weights):
        pass


def _unnumbered(config):
    """Keras numbers the layers and optimizers of a process."""
    return re.sub(r"_\d+'", "'", repr(config))


def _digest(*arrays):
    return [(x.shape, hashlib.sha256(np.ascontiguousarray(x)).hexdigest()) for x in arrays]


def stages(config):
    """Return what each stage of a run makes, as something that can be compared."""
    data = runs.prepare(config)
    parts = [getattr(data, name) for name in PARTS]
    method, recorder = models.build(config, len(data.classes)), _Recorder()
    network = method.network
    fixed = type(data.train)(data.train.table, data.train.segments, {}, np.repeat(np.arange(4), [3, 4, 5, 6]))
    method.network = recorder
    runs.fit(method, type(data)(data.fold, data.classes, fixed, *parts[1:], data.corpus_digest), config)
    outputs = np.random.default_rng(0).normal(0, 2, (6, 4))
    return {
        "fold": (data.fold.test, data.fold.validation, data.fold.train),
        "features": _digest(*(data.features[name] for name in data.test.table["utterance"])),
        "segments": [part.segments.to_numpy().tolist() for part in parts],
        "inputs": [{name: _digest(values) for name, values in part.inputs.items()} for part in parts],
        "offset": [None if part.offset is None else part.offset.round(9).tolist() for part in parts],
        "network": [(type(x).__name__, x.name, _unnumbered(x.get_config()), x.count_params()) for x in network.layers],
        "training": recorder.how,
        "pooled": segments.pool(outputs, list("aaabbc"), config.pooling)[1].tolist(),
    }


@pytest.fixture(scope="module")
def base(tones):
    config = RunConfig.create(corpus=tones, preset="smoke", width=1 / 64)
    return config, stages(config)


@pytest.mark.parametrize(("field", "value"), SWITCHES, ids=lambda x: str(x))
def test_switch_changes_what_it_says_and_nothing_else(base, field, value):
    config, before = base
    after = stages(config.replace(**{field: value}))
    assert {stage for stage in before if after[stage] != before[stage]} == SWITCHES[field, value]


def test_every_choice_of_a_reading_is_tested():
    # merge_excited and scripted read other utterances: tests/test_iemocap.py. seed and threads: tests/test_training.py.
    # split and groups: tests/test_divisions.py. song: tests/test_ravdess.py. duplicates: tests/test_duplicates.py.
    elsewhere = {"corpus", "emotions", "merge_excited", "scripted", "model", "fold", "seed", "preset", "threads"}
    # standardise=speaker does not go with the padding of the others: tests/test_standardise_by_speaker.py
    elsewhere |= {"split", "groups", "song", "duplicates", "enrol"}  # enrol: tests/test_enrolment.py
    # classes: tests/test_classes.py. unusable: tests/test_unusable.py. label: tests/test_listeners.py
    elsewhere |= {"classes", "unusable", "label"}
    # what baselines hear: tests/test_baselines_svm.py, tests/test_baselines_dnn_elm.py
    elsewhere |= {"level", "pitch_floor", "vectors", "svm_kernel", "svm_cost"}  # and tests/test_vectors.py
    elsewhere |= {"batch_norm_at"}  # it needs a batch normalisation: TRAINED, and tests/test_models.py
    tested = {field for field, _ in SWITCHES}
    assert tested | elsewhere == set(RunConfig.__dataclass_fields__)
    for field in tested:
        info = RunConfig.__dataclass_fields__[field]
        for value in info.metadata.get("choices", ()):
            if value.startswith("speaker") and field == "standardise":
                continue  # and tests/test_enrolment.py
            assert value in (info.default, "mixed_float16") or (field, value) in SWITCHES, (field, value)


def test_weighted_loss_by_hand():
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(epochs.weights(labels, "balanced", 3), [4 / 6, 2, 0])
    assert epochs.weights(labels, "none", 3) is None


def test_weighted_training_is_that_of_keras_own_class_weight(tones):
    config = RunConfig.create(
        corpus=tones, preset="smoke", width=1 / 64, conv_layers=1, class_weight="balanced", epochs=2
    )
    data = runs.prepare(config)
    rows = np.flatnonzero(data.train.labels != data.train.labels[0])  # unequal classes
    rows = np.r_[rows, np.flatnonzero(data.train.labels == data.train.labels[0])[:2]]
    part = Part(data.train.table, None, {k: x[rows] for k, x in data.train.inputs.items()}, data.train.labels[rows])
    data = dataclasses.replace(data, train=part)
    ours, theirs = (models.build(config, len(data.classes)) for _ in range(2))
    history = runs.fit(ours, data, config, verbose=False).history
    theirs = theirs.network
    theirs.compile(
        optimizer=epochs.OPTIMIZERS[config.optimizer](config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    order = np.random.default_rng(config.seed)
    weight = dict(enumerate(epochs.weights(part.labels, "balanced", len(data.classes)).tolist()))
    for epoch in range(config.epochs):
        drawn = order.permutation(np.arange(len(rows)))
        logs = theirs.fit(
            {name: x[drawn] for name, x in part.inputs.items()}, part.labels[drawn], batch_size=config.batch_size,
            shuffle=False, class_weight=weight, verbose=0,
        )  # fmt: skip
        assert logs.history["loss"][0] == pytest.approx(history["loss"][epoch], rel=1e-5)


#: Named by keys of a study file, or not allowed in its grid.
_CELL = ("fold", "seed", "threads")

#: Every switch alone, and every attention with every padding.
TRAINED = [{}, *({field: value} for field, value in SWITCHES)] + [
    {"attention": attention, "padding": padding}
    for attention in RunConfig.__dataclass_fields__["attention"].metadata["choices"]
    for padding in ("after", "masked")
]
TRAINED += [{"batch_norm": "speaker", "batch_norm_at": layer} for layer in ("dense", "both")]
TRAINED += [{"attention": "seq_self"}, {"optimizer": "nadam"}]


def _parts_that_change(changes):
    stages = set().union(*(SWITCHES.get(item, {"network"}) for item in changes.items()))
    return "network" in stages, "training" in stages


TRAINED.sort(key=_parts_that_change)  # those that leave the network as it is one after the other: it is traced once


def test_every_value_of_every_switch_trains_predicts_and_is_stored_read_back_and_published(tones, tmp_path):
    settings = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "patience": 1}
    # Its graph takes a third of the time; attention and optimizer are switches, too.
    small = RunConfig.create(corpus=tones, attention="mean", optimizer="sgd", **settings)
    configs = list(dict.fromkeys(small.replace(**changes) for changes in TRAINED))
    table = corpora.load(tones)
    for config in configs:
        data = runs.prepare(config, table)
        network = models.build(config, len(data.classes))
        before = [weights.copy() for weights in network.get_weights()]
        fitted = runs.fit(network, data, config, verbose=False)
        moved = [not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
        assert sum(moved) > len(moved) / 2, f"{config.run_id}: nothing was learned"
        assert np.isfinite(fitted.history["loss"]).all(), config.run_id
        result = runs.evaluate(network, data, config, fitted)
        network.give_back()  # many switches leave the network as it is
        read = store.load(store.save(result, tmp_path / "runs"))
        assert read.config == config and len(read.predictions) == len(data.test.table)
        np.testing.assert_allclose(read.predictions[data.classes].sum(axis=1), 1, atol=1e-6)
    grid = [{name: [value] for name, value in config.to_dict().items() if name not in _CELL} for config in configs]
    file = tmp_path / "every.yaml"
    file.write_text(yaml.safe_dump({"name": "every", "grid": grid, "folds": [1], "seeds": [1]}), encoding="utf-8")
    plan = engine.load(file)
    assert set(plan.configs) == set(configs)
    added = published.publish(plan, file, tmp_path / "runs", tmp_path / "published")
    assert len(added) == len(configs) and published.verify(tmp_path / "published") == []


def test_undersampling_takes_equally_many_of_each_class_and_the_seed_decides_which():
    labels = np.repeat([0, 1, 3], [500, 400, 350])
    rows = epochs.selection(labels, "undersample", seed=1)
    assert np.bincount(labels[rows]).tolist() == [300, 300, 0, 300] and len({*rows}) == 900
    np.testing.assert_array_equal(rows, epochs.selection(labels, "undersample", seed=1))
    assert not np.array_equal(rows, epochs.selection(labels, "undersample", seed=2))
    few = epochs.selection(np.repeat([0, 1], [500, 7]), "undersample", seed=1)
    assert len(few) == 14
    np.testing.assert_array_equal(epochs.selection(labels, "balanced", 1), np.arange(len(labels)))


def _told(setting, tones, seed=1):
    config = RunConfig.create(corpus=tones, preset="smoke", gender=setting, seed=seed)
    data = runs.prepare(config)
    true = {name: (getattr(data, name).segments["gender"] == "male").to_numpy(int) for name in PARTS}
    return data, true, {name: getattr(data, name).inputs["gender"][:, 0] for name in PARTS}


def test_flipped_only_at_test(tones):
    data, true, told = _told("flipped", tones)
    np.testing.assert_array_equal(told["train"], true["train"])
    np.testing.assert_array_equal(told["validation"], true["validation"])
    np.testing.assert_array_equal(told["test"], 1 - true["test"])
    assert data.notes == {"gender_told_true": 0.0}


def test_shuffled_is_drawn_per_utterance_keeps_the_share_and_follows_the_seed(tones):
    data, true, told = _told("shuffled", tones)
    rows = data.train.segments.assign(told=told["train"], true=true["train"])
    assert (rows.groupby("utterance")["told"].nunique() == 1).all()
    first = rows.groupby("utterance").first()
    assert first["told"].sum() == first["true"].sum() and (first["told"] != first["true"]).any()
    again, other = _told("shuffled", tones)[2], _told("shuffled", tones, seed=2)[2]
    np.testing.assert_array_equal(again["train"], told["train"])
    assert not np.array_equal(other["train"], told["train"])
    assert 0 < told["test"].mean() < 1  # one test speaker, labels of both kinds


def test_gender_is_heard_in_real_voices_of_new_speakers(emodb):
    extracted, shares = features.extract(emodb), []
    for speaker in ("03", "08", "11", "14"):
        classifier = gender.fit_classifier(emodb[emodb["speaker"] != speaker], extracted)
        mine = emodb[emodb["speaker"] == speaker]
        shares.append(np.mean(classifier.predict(gender.voice(mine, extracted)) == (mine["gender"] == "male")))
    assert np.mean(shares) > 0.8


def test_prediction_of_gender_needs_both_among_the_training_speakers(tones):
    config = RunConfig.create(corpus=tones, preset="smoke", gender="predicted")
    from sermodules import corpora
    from sermodules.errors import ProtocolError

    table = corpora.load(tones).assign(gender="female")
    with pytest.raises(ProtocolError, match="all of them are female"):
        runs.prepare(config, table)


def test_prior_shift_by_hand(tones):
    import pandas as pd

    train = pd.DataFrame(
        {"gender": ["female"] * 4 + ["male"] * 2, "emotion": ["sad", "sad", "sad", "angry", "angry", "sad"]}
    )
    rows = pd.DataFrame({"gender": ["male", "female"]})
    shift = gender.prior_shift(train, rows, ["angry", "sad"])
    prior, male, female = np.array([3, 5]) / 8, np.array([2, 2]) / 4, np.array([2, 4]) / 6
    np.testing.assert_allclose(shift, [np.log(male / prior), np.log(female / prior)])
    # of a gender that no training speaker has nothing is known
    alone = gender.prior_shift(train[train["gender"] == "male"], rows, ["angry", "sad"])
    np.testing.assert_array_equal(alone[1], 0)
    # It reaches the posteriors: the network's softmax times the shift, brought back to sum to 1.
    config = RunConfig.create(corpus=tones, preset="smoke", width=1 / 64, conv_layers=1, gender="prior_shift")
    data = runs.prepare(config)
    network = models.build(config, 4)
    part = data.test
    moved = type(part)(
        part.table, part.segments, part.inputs, part.labels, np.tile([0.0, 0.0, 30.0, 0.0], (len(part.labels), 1))
    )
    assert set(models.predict(network, moved, data.classes)[0]["predicted"]) == {"happy"}
