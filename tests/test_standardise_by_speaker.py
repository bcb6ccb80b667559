"""``standardise: speaker``: each speaker by their own statistics, without labels, and openly not the paper's protocol."""

import dataclasses
import importlib.util

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones

from sermodules import corpora, models, runs
from sermodules.config import METHODS, RunConfig, words
from sermodules.errors import ConfigError
from sermodules.folds import segments
from sermodules.folds.parts import PARTS
from sermodules.models import reuse
from sermodules.models.baselines import svm
from sermodules.runs import store
from sermodules.study import load

opensmile = pytest.mark.skipif(
    importlib.util.find_spec("opensmile") is None, reason="openSMILE is not installed: pip install opensmile==2.6.0"
)
SVMS = ("svm_egemaps", "svm_compare")
NETWORKS = [name for name, record in METHODS.items() if record.listens is None]


def config_of(corpus, **settings):
    settings = {"padding": "after", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "preset": "smoke"} | settings
    return RunConfig.create(corpus=corpus, standardise="speaker", **settings)


def voices(*rows, seed=1):
    """Return a table and random features for rows of (utterance, speaker, frames)."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rows, columns=["utterance", "speaker", "frames"]).assign(gender="female", emotion="sad")
    arrays = {name: rng.normal(3, 2, (frames, 40, 3)).astype("float32") for name, _, frames in rows}
    return table, arrays


# --- values


def test_mean_and_sd_of_all_own_frames_by_hand():
    table, arrays = voices(("a", "F1", 100), ("b", "F1", 650), ("c", "M1", 20))
    fitted = segments.SpeakerStandardiser.fit(arrays, table)
    for speaker, mine in (("F1", [arrays["a"], arrays["b"]]), ("M1", [arrays["c"]])):
        frames = np.concatenate(mine).astype("float64")
        np.testing.assert_allclose(fitted.of(speaker).mean, frames.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(fitted.of(speaker).sd, frames.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize("segmentation", ["padded_tail", "drop_tail", "first_last", "acrnn_code"])
def test_how_utterances_are_cut_and_padded_does_not_count(segmentation):
    table, arrays = voices(("a", "F1", 100), ("b", "F1", 650), ("c", "M1", 320))
    fitted = segments.SpeakerStandardiser.fit(arrays, table)
    rows = segments.cut(table, {name: len(x) for name, x in arrays.items()}, segmentation)
    x = segments.gather(arrays, rows, fitted, "after")
    for values, row in zip(x, rows.itertuples(), strict=True):
        own, raw = fitted.of(row.speaker), arrays[row.utterance][row.start : row.start + row.frames]
        np.testing.assert_array_equal(values[: row.frames], (raw - own.mean) / own.sd)
        assert np.all(values[row.frames :] == 0)
    if segmentation == "padded_tail":  # every frame once: each speaker has mean 0 and SD 1 in each band and channel
        for speaker in ("F1", "M1"):
            own = x[rows["speaker"] == speaker][segments.masks(rows[rows["speaker"] == speaker])].astype("float64")
            np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
            np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-5)


def test_order_changes_nothing_and_no_other_speaker_matters():
    table, arrays = voices(*[(f"u{i:02d}", f"S{i % 3}", 30 + i) for i in range(30)])
    before = segments.SpeakerStandardiser.fit(arrays, table)
    shuffled = segments.SpeakerStandardiser.fit(arrays, table.sample(frac=1, random_state=1))
    louder = {name: x if speaker == "S1" else 7 * x for (name, x), speaker in
              zip(arrays.items(), table["speaker"], strict=True)}  # fmt: skip
    alone = segments.SpeakerStandardiser.fit(louder, table[table["speaker"] == "S1"])
    beside = segments.SpeakerStandardiser.fit(louder, table)
    for other, speakers in ((shuffled, ("S0", "S1", "S2")), (alone, ("S1",)), (beside, ("S1",))):
        for speaker in speakers:
            np.testing.assert_array_equal(other.of(speaker).mean, before.of(speaker).mean)
            np.testing.assert_array_equal(other.of(speaker).sd, before.of(speaker).sd)
    assert not np.array_equal(beside.of("S0").mean, before.of("S0").mean)  # the test can fail


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_few_frames_or_a_constant_band_give_finite_numbers(frames):
    table, arrays = voices(("a", "F1", frames), ("b", "M1", 50))
    arrays["b"][:, 5, 1] = 7
    rows = segments.cut(table, {name: len(x) for name, x in arrays.items()})
    x = segments.gather(arrays, rows, segments.SpeakerStandardiser.fit(arrays, table), "after")
    assert np.isfinite(x).all() and np.abs(x).max() < 10
    assert np.abs(x[1, :, 5, 1]).max() < 1e-5
    if frames == 1:
        assert np.all(x[0] == 0)


# --- the setting


@pytest.mark.parametrize("model", NETWORKS)
def test_zeros_before_standardising_are_refused_with_the_reason(model):
    with pytest.raises(ConfigError, match=r"the padding would tell who speaks.*'after' or 'masked'"):
        RunConfig.create(model=model, standardise="speaker")
    allowed = RunConfig.create(model=model, standardise="speaker", padding="masked")
    with pytest.raises(ConfigError, match="'before'"):
        allowed.replace(padding="before")
    with pytest.raises(ConfigError, match="'before'"):
        RunConfig.from_json(allowed.to_json().replace('"masked"', '"before"'))


@pytest.mark.parametrize("model", SVMS)
def test_an_svm_has_no_padding_to_refuse_and_no_mean_of_all_bands(model):
    assert RunConfig.create(model=model, standardise="speaker").padding == "before"
    plain = RunConfig.create(model=model)
    assert RunConfig.create(model=model, standardise="band").run_id == plain.run_id
    with pytest.raises(ConfigError, match=f"'global': to model '{model}' it must be one of band, speaker"):
        RunConfig.create(model=model, standardise="global")


@pytest.mark.parametrize("model", ["majority", "dnn_elm", "cnn_lstm_vtlp"])
def test_other_baselines_do_not_know_it(model):
    with pytest.raises(ConfigError, match=f"'standardise' means nothing to model '{model}'"):
        RunConfig.create(model=model, standardise="speaker")


def test_runs_without_it_keep_their_names():
    # as published in results/emodb-teaching and results/comparison
    for model, digest in (("model2", "57b75b76"), ("svm_compare", "c3177202")):
        config = RunConfig.create(corpus="emodb", preset="teaching", anneal_above=0, model=model)
        assert config.run_id.endswith(f"_fold01_seed1_{digest}")


@pytest.mark.parametrize(("model", "padding"), [("model2", "masked"), ("svm_egemaps", "before")])
def test_tables_say_that_it_is_transductive(model, padding):
    plain = RunConfig.create(model=model, padding=padding if model == "model2" else None)
    own = plain.replace(standardise="speaker")
    named = words.labels([plain, own])
    assert named[own].endswith("standardise speaker (transductive)") and "transductive" not in named[plain]
    assert "standardise speaker (transductive)" in words.settings(own) and "transductive" not in words.settings(plain)
    assert "transductive" in RunConfig.__dataclass_fields__["standardise"].metadata["doc"]


def test_a_study_file_can_ask_for_it(tmp_path):
    file = tmp_path / "voice.yaml"
    text = "name: voice\nsettings: {padding: after}\ngrid: {standardise: [band, speaker]}\nfolds: [1]\nseeds: [1]\n"
    file.write_text(text)
    assert [config.standardise for config in load(file).configs] == ["band", "speaker"]
    file.write_text(text.replace("after", "before"))
    with pytest.raises(ConfigError, match="tell who speaks"):
        load(file)


# --- a fold


@pytest.mark.parametrize("model", ["model1", pytest.param("svm_egemaps", marks=opensmile)])
def test_every_part_is_standardised_by_its_own_speakers_and_labels_are_not_needed(tones, model):
    config = config_of(tones, model=model) if model == "model1" else RunConfig.create(
        corpus=tones, model=model, standardise="speaker")  # fmt: skip
    table = corpora.load(tones)
    data = runs.prepare(config, table)
    assert {*data.fold.test, *data.fold.validation} == {"A1", "A2"}
    for name in PARTS:
        part = getattr(data, name)
        for speaker in part.table["speaker"].unique():
            mine = (part.segments["speaker"] == speaker).to_numpy()
            x = part.inputs["log_mel" if model == "model1" else "functionals"][mine].astype("float64")
            own = x[segments.masks(part.segments[mine])] if model == "model1" else x
            np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-4)
            sd = own.std(axis=0)
            assert np.all((np.abs(sd - 1) < 1e-3) | (sd < 1e-6))
    turned = table.assign(emotion=table["emotion"].to_numpy()[::-1])
    for name in PARTS:
        before, after = (getattr(each, name).inputs for each in (data, runs.prepare(config, turned)))
        for key, values in before.items():
            np.testing.assert_array_equal(after[key], values)


def test_nothing_that_is_learned_depends_on_the_test_speaker(tmp_path):
    path = write_tones(tmp_path)
    config = config_of(f"table:{path}", model="model1")

    def learned():
        data = runs.prepare(config)
        method = models.build(config, 4)
        history = runs.fit(method, data, config, verbose=False, previous=None).history
        return [*method.get_weights(), history.to_numpy()], data.test.inputs["log_mel"]

    before, heard = learned()
    table, rng = pd.read_csv(path), np.random.default_rng(5)
    for name in table.loc[table["speaker"] == "A1", "path"]:
        soundfile.write(tmp_path / name, 0.5 * rng.uniform(-1, 1, 20000), 16000)
    after, heard_now = learned()
    assert heard.shape != heard_now.shape or not np.array_equal(heard, heard_now)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_partners_share_a_training_and_get_what_they_would_get_alone(tones):
    one = config_of(tones, model="model1", epochs=2)
    pair = [one.replace(fold=1), one.replace(fold=2)]
    assert pair[0].training == pair[1].training
    alone = [runs.run(config, verbose=False, previous=reuse.Previous(0)) for config in pair]
    shared = reuse.Previous()
    together = [runs.run(config, verbose=False, previous=shared) for config in pair]
    assert together[0].provenance["reused_seconds"] == 0 and together[1].provenance["reused_seconds"] > 0
    for each, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(each.predictions, other.predictions)
    plain = one.replace(standardise="band", fold=2)  # another training, not that of the pair
    assert runs.run(plain, verbose=False, previous=shared).provenance["reused_seconds"] == 0


@pytest.mark.parametrize("model", ["model1", "model2", pytest.param("svm_egemaps", marks=opensmile)])
def test_a_run_is_made_stored_and_read_back(tones, tmp_path, model):
    own = {"padding": "masked", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "preset": "smoke"}
    config = RunConfig.create(corpus=tones, model=model, standardise="speaker", **(own if model in NETWORKS else {}))
    read = store.load(store.save(runs.run(config, verbose=False), tmp_path))
    assert read.config == config and len(read.predictions) == 8
    plain = dataclasses.replace(config, standardise="band")
    assert not runs.run(plain, verbose=False).predictions.equals(read.predictions)


# --- the functionals of an SVM


def functionals(seed=1):
    rng = np.random.default_rng(seed)
    speakers = np.repeat(["M1", "F1", "F2"], [6, 5, 1])
    values = pd.DataFrame(rng.normal(5, 3, (12, 4)).astype("float32"), [f"u{i:02d}" for i in range(12)], list("abcd"))
    values.loc[speakers == "F1", "c"] = 0.7
    return values, speakers


def test_functionals_by_hand():
    values, speakers = functionals()
    found = svm.by_speaker(values, speakers)
    assert found.shape == values.shape and (found.dtypes == "float32").all()
    mine = values[speakers == "M1"].astype("float64")
    np.testing.assert_allclose(found[speakers == "M1"], (mine - mine.mean()) / mine.std(ddof=0), rtol=1e-5, atol=1e-6)
    assert np.all(found.loc[speakers == "F1", "c"] == 0) and np.all(found[speakers == "F2"] == 0)


def test_functionals_do_not_depend_on_order_or_other_speakers():
    values, speakers = functionals()
    found, order = svm.by_speaker(values, speakers), np.random.default_rng(2).permutation(12)
    pd.testing.assert_frame_equal(svm.by_speaker(values.iloc[order], speakers[order]), found.iloc[order])
    louder = values.where(pd.Series(speakers == "M1", values.index), 9 * values, axis=0)
    pd.testing.assert_frame_equal(svm.by_speaker(louder, speakers)[speakers == "M1"], found[speakers == "M1"])


@opensmile
def test_the_machine_sees_the_speakers_own_scale_and_no_other(tones):
    config = RunConfig.create(corpus=tones, model="svm_egemaps", standardise="speaker")
    data = runs.prepare(config)
    method = models.build(config, 4)
    runs.fit(method, data, config, verbose=False)
    assert [type(step).__name__ for step in method.machine] == ["SVC"]
    x = data.test.inputs["functionals"].astype("float64")
    np.testing.assert_array_equal(method.machine.predict(x), method.logits(data.test).argmax(axis=1))
