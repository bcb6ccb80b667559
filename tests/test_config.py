import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules.config import METHODS, PRESETS, RunConfig
from sermodules.errors import ConfigError


def test_preset_and_model_fill_in_what_is_not_given():
    config = RunConfig.create(preset="paper", model="model1", fold=3)
    assert (config.width, config.learning_rate, config.attention, config.fold) == (1.0, 1e-4, "additive", 3)
    assert RunConfig.create(model="model2").attention == "seq_self"
    assert RunConfig.create(preset="paper", learning_rate=0.01, attention="mean", model="model1").learning_rate == 0.01


def test_defaults_of_the_class_are_those_of_create():
    assert RunConfig.create() == RunConfig()


def test_paper_preset_has_the_primary_reading_of_every_switch():
    config = RunConfig.create(preset="paper")
    assert config.conv_layers == 6 and config.pool == "2x2" and config.batch_size == 40
    assert config.normalise_waveform and config.frontend == "htk" and config.window == "hamming"
    assert config.padding == "before" and config.segmentation == "padded_tail" and config.pooling == "max"
    assert config.validation == "partner" and config.dense_units == 64 and not config.merge_excited
    assert (config.attention, config.gender, config.standardise) == ("seq_self", "embedding", "band")
    assert (config.optimizer, config.class_weight, config.batch_norm) == ("nadam", "none", "none")


def test_acrnn_as_coded_has_its_own_schedule_only_at_its_own_size():
    paper, teaching = (RunConfig.create(model="acrnn_code", preset=preset) for preset in ("paper", "teaching"))
    assert (paper.learning_rate, paper.batch_size, paper.optimizer, paper.pool) == (1e-5, 60, "adam", "2x4")
    assert (teaching.learning_rate, teaching.batch_size) == tuple(
        PRESETS["teaching"][key] for key in ("learning_rate", "batch_size")
    )
    assert RunConfig.create(model="acrnn_code", gender="embedding").gender == "embedding"


@pytest.mark.parametrize("model", [name for name, record in METHODS.items() if record.listens])
def test_what_means_nothing_to_a_baseline_is_refused(model):
    base = RunConfig.create(model=model)
    assert RunConfig.create(model=model, gender="none", attention=base.attention) == base  # the default says nothing
    with pytest.raises(ConfigError, match=f"'attention' means nothing to model '{model}'"):
        RunConfig.create(model=model, attention="mean", fold=2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modle": "model1"}, ["'modle'", "did you mean 'model'"]),
        ({"model": "model3"}, ["'model'", "model1, model2"]),
        ({"fold": "3"}, ["'fold'", "'3'", "number"]),
        ({"fold": 0}, ["'fold'", "between 1 and"]),
        ({"fold": 1.5}, ["'fold'", "whole"]),
        ({"seed": 10**400}, ["'seed'", "number"]),
        ({"fold": True}, ["'fold'", "number"]),
        ({"learning_rate": float("nan")}, ["'learning_rate'", "number"]),
        ({"merge_excited": "False"}, ["'merge_excited'", "true or false"]),
        ({"corpus": 7}, ["'corpus'", "text"]),
        ({"preset": ["paper"]}, ["'preset'", "text"]),
        ({"seed": -1, "gender": "maybe"}, ["'seed'", "'gender'"]),
    ],
)
def test_bad_settings_are_refused_by_name(settings, words):
    with pytest.raises(ConfigError) as caught:
        RunConfig.create(**settings)
    assert all(word in str(caught.value) for word in words)


def test_every_field_can_be_set_and_changes_the_run_id():
    alone_nothing = {
        "enrol": RunConfig.create(standardise="speaker", padding="after"),
        "batch_norm_at": RunConfig.create(batch_norm="speaker"),
    }
    for field in dataclasses.fields(RunConfig):
        base = alone_nothing.get(field.name, RunConfig.create())
        value = getattr(base, field.name)
        choices = [c for c in field.metadata.get("choices", []) if c != value]
        if choices:
            other = choices[0]
        elif field.type is bool:
            other = not value
        elif field.name == "classes":
            other = "sad,up=angry+happy"
        elif field.type is str:
            other = value + "x"
        else:
            other = field.metadata["range"][1]
        changed = base.replace(**{field.name: other})
        assert changed.run_id != base.run_id, field.name
        assert {k for k, v in changed.to_dict().items() if v != base.to_dict()[k]} == {field.name}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_norm_at": "dense"}, "there is no batch normalisation"),
        ({"batch_norm": "speaker", "batch_norm_at": "both", "dense_units": 0}, "no dense layer"),
    ],
)
def test_a_place_for_batch_normalisation_without_one_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        RunConfig.create(**settings)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(sorted(PRESETS)), st.sampled_from(sorted(METHODS)), st.integers(1, 90), st.integers(0, 2**31 - 1),
    st.floats(1e-6, 0.9), st.text(min_size=1, max_size=30),
)  # fmt: skip
def test_json_round_trip(preset, model, fold, seed, rate, corpus):
    more = {"learning_rate": rate} if "learning_rate" in (METHODS[model].listens or ["learning_rate"]) else {}
    config = RunConfig.create(preset=preset, model=model, fold=fold, seed=seed, corpus=corpus, **more)
    assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.from_json(config.to_json()).run_id == config.run_id
    assert "/" not in config.run_id and len(config.run_id) < 200


def test_equal_configurations_have_equal_names():
    a, b = RunConfig.create().replace(width=1), RunConfig.create().replace(width=1.0)
    assert a == b and a.run_id == b.run_id
    assert RunConfig.create(fold=np.int64(3), seed=np.int32(2)).run_id == RunConfig.create(fold=3, seed=2).run_id


def test_json_of_another_version_is_refused():
    with pytest.raises(ConfigError, match="missing"):
        RunConfig.from_json("{}")
    with pytest.raises(ConfigError, match="not a run configuration"):
        RunConfig.from_json("{")


def test_notebook_parameters_are_checked_by_name():
    # Variables of a notebook that happen to exist are no parameters; what papermill injected is.
    namespace = {"In": ["", "fold = 1", "# Parameters\nfold = 2\nout = 'x'\n"], "fold": 2, "out": "x", "something": 1}
    assert RunConfig.from_notebook(namespace).fold == 2
    with pytest.raises(ConfigError, match=r"'gender' is empty .*write none"):  # papermill -p gender None
        RunConfig.from_notebook({"In": ["# Parameters\ngender = None\n"], "gender": None})
    namespace["In"].append("# Parameters of my own plot\nfigsize = (")
    assert RunConfig.from_notebook(namespace).fold == 2
    namespace["In"].append("# Parameters\nfoldd = 3\n")
    with pytest.raises(ConfigError, match="'foldd'"):
        RunConfig.from_notebook(namespace | {"foldd": 3})


def test_a_baseline_is_named_without_what_means_nothing_to_it():
    assert RunConfig.create(model="svm_compare").run_id.startswith("synthetic_svm_compare_paper_fold01_seed1_")
