"""A voice is known from some recordings, which are not judged: ``enrol``, ``speaker_shrunk``, ``speaker_neutral``."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones

from sermodules import corpora, inference, runs
from sermodules.config import RunConfig, words
from sermodules.errors import AudioError, ConfigError, ProtocolError
from sermodules.folds import segments, voices
from sermodules.folds.parts import PARTS
from sermodules.runs import store

KINDS = ("speaker", "speaker_shrunk", "speaker_neutral")


def config_of(corpus, standardise="speaker_neutral", **settings):
    small = {"padding": "after", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "preset": "smoke", "enrol": 1}
    return RunConfig.create(corpus=corpus, model="model1", standardise=standardise, **(small | settings))


# --- the settings


def test_what_belongs_together():
    with pytest.raises(ConfigError, match="needs the parameter 'enrol'"):
        config_of("synthetic", enrol=0)
    with pytest.raises(ConfigError, match="'enrol' is 3 and 'standardise' is 'band'"):
        RunConfig.create(enrol=3)
    with pytest.raises(ConfigError, match="'speaker_shrunk' does not go with padding 'before'"):
        config_of("synthetic", "speaker_shrunk", padding="before")
    with pytest.raises(ConfigError, match="by all that are judged"):
        config_of("synthetic", "speaker", batch_norm="speaker")
    for model in ("svm_egemaps", "majority"):
        with pytest.raises(ConfigError, match="'enrol' means nothing"):
            RunConfig.create(model=model, enrol=3)
    with pytest.raises(ConfigError, match="must be one of band, speaker"):
        RunConfig.create(model="svm_egemaps", standardise="speaker_shrunk")
    assert "enrol" not in RunConfig.create(standardise="speaker", padding="after").record()


def test_only_what_sees_the_judged_recordings_is_called_transductive():
    assert "batch_norm speaker (transductive)" in words.settings(RunConfig.create(batch_norm="speaker"))
    assert "transductive" in words.settings(config_of("synthetic", "speaker_shrunk", enrol=0))
    assert "transductive" not in words.settings(config_of("synthetic", "speaker_shrunk"))


def test_a_speaker_who_has_too_few_is_named(tones):
    with pytest.raises(ProtocolError, match=r"not every speaker has 3 neutral recordings: A1 \(2\), A2 \(2\)"):
        runs.prepare(config_of(tones, enrol=3))
    with pytest.raises(ProtocolError, match="and one more to be judged"):
        runs.prepare(config_of(tones, "speaker", enrol=8))


# --- a fold


@pytest.mark.parametrize("standardise", KINDS)
def test_who_is_enrolled_is_in_no_part_and_nothing_else_tells_of_a_voice(tones, standardise):
    config = config_of(tones, standardise)
    table = corpora.load(tones)
    known = voices.enrolled(table, config)
    assert all(len(names) == 1 for names in known.values()) and len(known) == 4
    if standardise == "speaker_neutral":
        assert all("neutral" in name for [name] in known.values())
    data = runs.prepare(config, table)
    inside = {name for part in PARTS for name in getattr(data, part).table["utterance"]}
    assert inside == {*table["utterance"]} - {name for names in known.values() for name in names}
    own = data.features[known["A1"][0]].astype(np.float64)
    found = data.standardiser.of("A1")
    if standardise == "speaker":
        np.testing.assert_allclose(found.mean, own.mean(axis=0), rtol=1e-4, atol=1e-5)
    elif standardise == "speaker_neutral":
        offset = data.standardiser.voices.offset
        np.testing.assert_allclose(found.mean, own.mean(axis=0) + offset, rtol=1e-4, atol=1e-4)
    else:
        general = data.standardiser.voices.mean
        low, high = np.minimum(own.mean(axis=0), general), np.maximum(own.mean(axis=0), general)
        left = found.mean - data.standardiser.voices.offset
        assert np.all((left >= low - 1e-4) & (left <= high + 1e-4))


def test_the_training_speakers_say_what_voices_are_and_the_tested_do_not(tmp_path):
    path = write_tones(tmp_path)
    config = config_of(f"table:{path}", "speaker_shrunk")
    before = runs.prepare(config)
    table, rng = pd.read_csv(path), np.random.default_rng(5)
    for name in table.loc[table["speaker"] == "A1", "path"]:
        soundfile.write(tmp_path / name, 0.5 * rng.uniform(-1, 1, 20000), 16000)
    after = runs.prepare(config)
    for name in voices.LEARNED:
        np.testing.assert_array_equal(
            getattr(before.standardiser.voices, name), getattr(after.standardiser.voices, name)
        )
    assert not np.array_equal(before.standardiser.of("A1").mean, after.standardiser.of("A1").mean)


def test_all_own_recordings_are_what_standardise_speaker_was(tones):
    config = config_of(tones, "speaker", enrol=0)
    data = runs.prepare(config)
    fitted = segments.SpeakerStandardiser.fit(data.features, corpora.load(tones))
    for speaker in ("A1", "B2"):
        np.testing.assert_array_equal(data.standardiser.of(speaker).mean, fitted.of(speaker).mean)
        np.testing.assert_array_equal(data.standardiser.of(speaker).sd, fitted.of(speaker).sd)


# --- kept and asked


@pytest.fixture(scope="module", params=KINDS[1:])
def kept(request, tones, tmp_path_factory):
    config = config_of(tones, request.param)
    out = tmp_path_factory.mktemp("kept")
    result = runs.run(config, out, verbose=False, keep=inference.keep)
    return inference.load(out / config.run_id), result, voices.enrolled(corpora.load(tones), config)


def table_of(tones, names):
    table = corpora.load(tones)
    return table[table["utterance"].isin(names)][["utterance", "path", "speaker", "gender"]]


def test_asked_about_the_tested_speaker_it_says_what_the_run_said(tones, kept):
    model, result, known = kept
    answer = model.ask(
        table_of(tones, result.predictions["utterance"]), enrol=table_of(tones, known[result.metrics["test_speaker"]])
    )
    found = answer.utterances.set_index("utterance").loc[result.predictions["utterance"]]
    assert len(answer.utterances) == len(result.predictions) and len(answer.segments) >= len(found)
    for name in model.classes:
        np.testing.assert_array_equal(found[name].to_numpy().round(8), result.predictions[name].to_numpy().round(8))
    assert any("standardised by the statistics of 1 recording," in note for note in answer.notes)
    assert not answer.doubts or "known from" not in " ".join(answer.doubts)


def test_what_is_missing_is_said(tones, kept, tmp_path):
    model, result, known = kept
    table = table_of(tones, result.predictions["utterance"])
    if model.config.standardise == "speaker_neutral":
        with pytest.raises(ConfigError, match=r"neutral sentences that they read beforehand.*--enrol.*made for 1"):
            model.ask(table)
    with pytest.raises(
        ConfigError, match=r"of A1 there is no recording among those that are enrolled\. They are of B1"
    ):
        model.ask(table, enrol=table_of(tones, known["B1"]))
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match=r"empty\.wav"):
        model.ask(table, enrol=pd.DataFrame({"path": [str(tmp_path / "empty.wav")], "speaker": ["A1"]}))


def test_too_few_are_warned_of(tones, tmp_path):
    config = config_of(tones, "speaker_neutral", enrol=2)
    result = runs.run(config, tmp_path, verbose=False, keep=inference.keep)
    model, known = inference.load(tmp_path / config.run_id), voices.enrolled(corpora.load(tones), config)["A1"]
    asked = table_of(tones, result.predictions["utterance"])
    doubts = model.ask(asked, enrol=table_of(tones, known[:1])).doubts
    assert "speaker A1 is known from 1 recording only; this model was made for 2" in " ".join(doubts)
    assert "from 2 recordings" in (tmp_path / config.run_id / "model_card.md").read_text(encoding="utf-8")


def test_a_model_that_knows_no_voices_takes_no_enrolment(tones, tmp_path):
    config = RunConfig.create(corpus=tones, model="majority", preset="smoke")
    runs.run(config, tmp_path, verbose=False, keep=inference.keep)
    with pytest.raises(ConfigError, match="learns nothing of a voice"):
        inference.load(tmp_path / config.run_id).ask(table_of(tones, ["A1_sad_0"]), enrol=table_of(tones, ["A1_sad_1"]))


def test_a_run_is_stored_and_read_back(tones, tmp_path):
    config = config_of(tones, "speaker_shrunk", enrol=0)
    read = store.load(store.save(runs.run(config, verbose=False), tmp_path))
    assert read.config == config and len(read.predictions) == 8
