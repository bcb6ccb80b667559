"""A kept model and what it says: the run's own predictions of the test speaker, to the last digit."""

import dataclasses
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from click.testing import CliRunner

import sermodules
from sermodules import corpora, inference, runs, study
from sermodules.__main__ import main
from sermodules.config import RunConfig
from sermodules.errors import AudioError, ConfigError, CorpusError, StoreError
from sermodules.folds import protocol
from sermodules.inference import doubts, recordings
from sermodules.runs import store

#: One of each kind that keeps something else, and one of each way to standardise and to pad.
MODELS = {
    "network": {"model": "model2", "epochs": 2},
    "network without gender": {"model": "model1", "gender": "none", "epochs": 2, "padding": "masked"},
    "network by speaker": {"model": "model1", "epochs": 2, "standardise": "speaker", "padding": "after"},
    "network by the batch": {"model": "acrnn_code", "epochs": 2, "class_weight": "none"},
    "network by the speaker's statistics": {
        "model": "model1",
        "epochs": 2,
        "standardise": "speaker",
        "padding": "after",
        "batch_norm": "speaker",
        "batch_norm_at": "both",
    },
    "bfloat16": {"model": "model2", "epochs": 1, "precision": "mixed_bfloat16", "standardise": "global"},
    "cnn_lstm": {"model": "cnn_lstm_vtlp", "epochs": 1},
    "dnn_elm": {"model": "dnn_elm", "epochs": 2},
    "svm": {"model": "svm_egemaps"},
    "svm by speaker": {"model": "svm_egemaps", "standardise": "speaker"},
    "majority": {"model": "majority"},
    "stratified": {"model": "stratified"},
}

POSTERIORS = ["angry", "sad", "happy", "neutral"]


@pytest.fixture(scope="module")
def kept(tones, tmp_path_factory):
    """Return a function from a name of `MODELS` to the folder of a run whose model was kept."""
    made = {}

    def make(name):
        if name.startswith("svm") and importlib.util.find_spec("opensmile") is None:
            pytest.skip("openSMILE is not installed: pip install opensmile==2.6.0")
        if name not in made:
            config = RunConfig.create(corpus=tones, preset="smoke", **MODELS[name])
            out = tmp_path_factory.mktemp("runs")
            runs.run(config, out, verbose=False, keep=inference.keep)
            made[name] = out / config.run_id
        return made[name]

    return make


@pytest.fixture(scope="module")
def speech(tones, tmp_path_factory):
    """Return a folder with the recordings of speaker A1, whom fold 1 tests."""
    folder = tmp_path_factory.mktemp("speech")
    for path in sorted(Path(tones.removeprefix("table:")).parent.glob("A1_*.wav")):
        shutil.copy(path, folder)
    return folder


def text(table):
    """Return what must be equal, as predictions.csv has it."""
    return table[["utterance", "predicted", *POSTERIORS]].to_csv(index=False, float_format="%.8f")


@pytest.mark.parametrize("name", MODELS)
def test_a_test_speaker_is_predicted_as_in_the_run(kept, speech, name):
    model = sermodules.load(kept(name))
    told = model.ask(speech, speaker="A1", gender="female")
    assert len(told.utterances) == 8 and not told.complaints
    assert text(told.utterances) == text(store.load(kept(name)).predictions)
    assert told.segments.groupby("utterance").size().max() == (1 if name[:3] in ("svm", "dnn", "maj", "str") else 2)
    assert np.allclose(told.segments[POSTERIORS].sum(axis=1), 1)


def test_a_table_and_a_new_process_say_the_same(kept, speech, tmp_path):
    names = sorted(path.name for path in speech.iterdir())
    table = pd.DataFrame({"path": [f"{speech.name}/{name}" for name in names], "speaker": "A1", "gender": "f"})
    table.to_csv(speech.parent / "mine.csv", index=False)
    command = [sys.executable, "-m", "sermodules", "predict", kept("network by speaker"), speech.parent / "mine.csv"]
    done = subprocess.run([*command, "--csv", tmp_path / "told.csv", "--segments"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = pd.read_csv(tmp_path / "told.csv")
    stored = pd.read_csv(kept("network by speaker") / "predictions.csv")
    assert text(written) == text(stored)
    seconds = sum(soundfile.info(speech / name).duration for name in names)
    assert f"speaker A1: standardised by the statistics of 8 recordings, {seconds:.1f} s" in done.stderr
    parts = pd.read_csv(tmp_path / "told.segments.csv")
    assert set(parts["utterance"]) == set(written["utterance"]) and (parts["end"] > parts["start"]).all()


def test_the_features_of_what_is_asked_about_are_not_kept(kept, speech, monkeypatch, tmp_path):
    model = sermodules.load(kept("network"))
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    model.predict(speech)
    assert not (tmp_path / "cache").exists()


# --- what is not told


def test_without_a_gender_the_mean_of_both_is_given(kept, speech):
    model = sermodules.load(kept("network"))
    women, men = (model.predict(speech, gender=gender) for gender in ("female", "male"))
    told = model.ask(speech)
    assert np.allclose(told.utterances[POSTERIORS], (women[POSTERIORS] + men[POSTERIORS]) / 2, atol=1e-12)
    largest = (women[POSTERIORS] - men[POSTERIORS]).abs().max(axis=1)
    assert np.allclose(told.utterances["between_genders"], largest) and largest.max() > 0
    assert f"differ by up to {largest.max():.3f}" in " ".join(told.notes) and women["between_genders"].isna().all()
    assert "between_genders" not in sermodules.load(kept("network without gender")).predict(speech)


def test_of_some_the_gender_is_known(kept, speech):
    model = sermodules.load(kept("network"))
    table = pd.DataFrame({"path": sorted(map(str, speech.iterdir()))})
    mixed = model.predict(table.assign(gender=["female", "unknown", "male", "other"] * 2))
    by = {
        gender: model.predict(table, gender=gender)[POSTERIORS].to_numpy() for gender in ("female", "male", "unknown")
    }
    for row, gender in enumerate(["female", "unknown", "male", "unknown"] * 2):
        assert np.allclose(mixed[POSTERIORS].to_numpy()[row], by[gender][row], atol=1e-6)


@pytest.mark.parametrize("name", ["network by speaker", "network by the speaker's statistics", "svm by speaker"])
def test_without_a_speaker_a_model_by_speaker_says_what_it_needs(kept, speech, name):
    with pytest.raises(ConfigError, match="--speaker NAME"):
        sermodules.load(kept(name)).predict(speech)


def test_a_model_that_normalises_by_all_that_is_asked_takes_no_enrolment(kept, speech):
    with pytest.raises(ConfigError, match="the very recordings that it is asked about"):
        sermodules.load(kept("network by the speaker's statistics")).predict(speech, speaker="A1", enrol=speech)
    card = (kept("network by the speaker's statistics") / "model_card.md").read_text(encoding="utf-8")
    assert "| normalised by | all recordings of a speaker |" in card


def test_an_unknown_gender_is_refused(kept, speech):
    with pytest.raises(ConfigError, match="gender is 'woman'"):
        sermodules.load(kept("majority")).predict(speech, gender="woman")


# --- what is damaged


@pytest.mark.parametrize("name", store.MODEL)
def test_an_altered_file_is_not_loaded_and_the_run_is_damaged(kept, tmp_path, name):
    folder = shutil.copytree(kept("network"), tmp_path / kept("network").name)
    assert store.is_done(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b"!")
    with pytest.raises(StoreError, match=name):
        sermodules.load(folder)
    assert name in "".join(store.verify(folder)) and not store.is_done(folder)
    (folder / name).unlink()
    with pytest.raises(StoreError, match=name):
        sermodules.load(folder)


def sign(folder):
    """Write the digests of a folder anew, as somebody would who alters it on purpose."""
    store._write_sums(folder)


def test_other_weights_are_found_though_the_digests_of_the_files_are_right(kept, tmp_path):
    folder = shutil.copytree(kept("network"), tmp_path / "run")
    model = sermodules.load(folder)
    weights = model.method.network.get_weights()
    weights[0], weights[-1] = weights[0][..., ::-1], weights[-1] + 1
    model.method.network.set_weights(weights)
    model.method.network.save_weights(folder / "model.weights.h5")
    sign(folder)
    with pytest.raises(StoreError, match="the weights are not those"):
        sermodules.load(folder)


def test_code_that_computes_something_else_is_found_by_the_stored_segment(kept, monkeypatch):
    folder = kept("network")
    monkeypatch.setattr("sermodules.models.fused.FusedLeakyReLU.call", lambda self, inputs: inputs)
    with pytest.raises(StoreError, match="its stored segment other posteriors"):
        sermodules.load(folder)


def test_a_pickle_is_not_loaded(kept, tmp_path):
    folder, held = shutil.copytree(kept("majority"), tmp_path / "run"), io.BytesIO()
    np.savez(held, **{"learned.counts": np.array([print], dtype=object)})
    (folder / "model.npz").write_bytes(held.getvalue())
    sign(folder)
    with pytest.raises(StoreError, match="more than plain arrays"):
        sermodules.load(folder)


def test_a_run_without_a_model_says_how_to_keep_one(tones, tmp_path):
    config = RunConfig.create(corpus=tones, preset="smoke", model="majority")
    runs.run(config, tmp_path, verbose=False)
    with pytest.raises(StoreError, match="whose model was not kept"):
        sermodules.load(tmp_path / config.run_id)
    with pytest.raises(StoreError, match=r"there is no folder .*/none\. Name the folder that"):
        sermodules.load(tmp_path / "none")
    with pytest.raises(StoreError, match="no folder of a kept model"):
        sermodules.load(tmp_path)
    assert not store.has_model(tmp_path / config.run_id)
    before = {path.name: path.read_bytes() for path in (tmp_path / config.run_id).iterdir()}
    runs.run(
        config, tmp_path, verbose=False, keep=inference.keep
    )  # the same run again: it gets its model, nothing else
    assert [path.name for path in tmp_path.iterdir()] == [config.run_id] and store.is_done(tmp_path / config.run_id)
    sermodules.load(tmp_path / config.run_id)
    assert store.untouched(tmp_path / config.run_id)
    for name in store.FILES:
        assert (tmp_path / config.run_id / name).read_bytes() == before[name]


def test_a_model_is_found_among_the_runs_of_the_project_from_any_folder(tmp_path, monkeypatch):
    root, here = tmp_path / "project" / "runs", tmp_path / "here"
    for folder in (root / "a", root / "models" / "b", here / "runs" / "c", here / "a"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("SERMODULES_RUNS", str(root))
    monkeypatch.chdir(here)
    found = {name: store.find_model(name) for name in ("runs/a", "b", "runs/models/b", "runs/c", "a", root / "a")}
    assert list(map(Path.resolve, found.values())) == [
        root / "a", root / "models" / "b", root / "models" / "b", here / "runs" / "c", here / "a", root / "a",
    ]  # fmt: skip
    for name in ("none", "runs/none"):
        with pytest.raises(StoreError, match=f"there is no folder {here}/{name}, and none of this name in {root}"):
            store.find_model(name)
    with pytest.raises(StoreError, match=r"there is no folder /elsewhere/a\. Name"):
        store.find_model("/elsewhere/a")


def test_wrong_places_are_told_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    code = "import sys, sermodules.__main__ as m\ntry:\n    m.main(sys.argv[1:])\n"
    code += "finally:\n    print('tensorflow' in sys.modules)"
    for arguments, told in ((("nowhere", "new"), "there is no folder"), (("model", "new"), "there is no new in")):
        done = subprocess.run([sys.executable, "-c", code, "predict", *arguments], capture_output=True, text=True)
        assert done.returncode == 1 and told in done.stderr and done.stdout.endswith("False\n")


@pytest.mark.parametrize("gender", ["shuffled", "flipped", "predicted", "prior_shift"])
def test_controls_are_not_kept(gender):
    with pytest.raises(ConfigError, match=f"the model of gender '{gender}' is not kept"):
        RunConfig.create(preset="smoke", gender=gender).check_keeping(True)
    with pytest.raises(ConfigError, match="must be true or false"):
        RunConfig.create(preset="smoke").check_keeping("yes")


# --- what it says of itself


def test_the_card_has_the_facts_and_the_limits(kept):
    card = (kept("network") / "model_card.md").read_text()
    scores = json.loads((kept("network") / "metrics.json").read_text())
    assert "2 speakers (1 female, 1 male), 16 utterances" in card and "1 speaker (1 female), 8 utterances" in card
    assert f"| UAR | {100 * scores['uar']:.1f} |" in card and "On 8 utterances of A1" in card
    assert "Article 5(1)(f)" in card and "eur-lex.europa.eu" in card and "Judging people" in card


def test_a_model_for_use_learns_from_all_but_those_who_choose(tones, speech, tmp_path):
    config = RunConfig.create(corpus=tones, preset="smoke", model="model2", epochs=2)
    folder = inference.train(config, tmp_path, verbose=False)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*store.ALONE, "model.weights.h5", "SHA256SUMS"])
    model = sermodules.load(folder)
    assert model.facts["parts"]["train"]["speakers"] == {"female": 2, "male": 1}  # A1, B1, B2; A2 chooses
    assert model.facts["parts"]["validation"]["speakers"] == {"male": 1} and not model.tested
    assert "nobody is left to test it" in (folder / "model_card.md").read_text()
    assert "nobody is left to test it" in " ".join(model.ask(speech).notes) and "nobody has tested it" in repr(model)
    assert inference.train(config, tmp_path, verbose=False) == folder  # the same model: once
    with pytest.raises(StoreError, match=r"does not list metrics\.json"):
        store.load(folder)  # it is no run


def test_a_baseline_is_trained_for_use(tones, speech, tmp_path):
    folder = inference.train(RunConfig.create(corpus=tones, preset="smoke", model="majority"), tmp_path, verbose=False)
    assert sermodules.load(folder).method.counts.tolist() == [6, 6, 6, 6]


# --- who asks for a model


def write_study(folder, corpus, **more):
    path = folder / "s.yaml"
    content = {
        "name": "s",
        "settings": {"corpus": corpus, "preset": "smoke", "model": "majority"},
        "folds": [1],
        "seeds": [1],
    }
    path.write_text(yaml.safe_dump(content | more))
    return path


@pytest.mark.parametrize("notebooks", [True, False])
def test_a_study_keeps_models_also_of_runs_that_are_done(tones, tmp_path, notebooks):
    plain, out = study.load(write_study(tmp_path, tones)), tmp_path / "runs"
    plan = study.load(write_study(tmp_path, tones, keep_model=True))
    assert plan.configs == plain.configs and plan.keep_model and not plain.keep_model
    runs.run(plain.configs[0], out, verbose=False)
    before = (out / plain.configs[0].run_id / "predictions.csv").read_bytes()
    lines = []
    assert not study.run(plan, out, 1, notebooks=notebooks, tell=lines.append)
    (folder,) = [path for path in out.iterdir() if (path / "config.json").is_file()]
    assert store.has_model(folder) and store.is_done(folder) and (folder / "predictions.csv").read_bytes() == before
    assert sermodules.load(folder).config == plain.configs[0]
    assert not study.run(plan, out, 1, notebooks=notebooks, tell=lines.append)
    assert lines[-1] == "study s: 1 runs, 1 done before"


def test_a_study_refuses_to_keep_controls_before_its_first_run(tones, tmp_path):
    settings = {"corpus": tones, "preset": "smoke"}
    grid = {"gender": ["embedding", "flipped"]}
    with pytest.raises(ConfigError, match=r"s\.yaml: the model of gender 'flipped' is not kept"):
        study.load(write_study(tmp_path, tones, settings=settings, grid=grid, keep_model=True))
    assert len(study.load(write_study(tmp_path, tones, settings=settings, grid=grid)).configs) == 2
    with pytest.raises(ConfigError, match="'keep_model' is 'yes'"):
        study.load(write_study(tmp_path, tones, keep_model="yes"))


def test_the_notebook_takes_keep_model_and_nothing_like_it(tones):
    names = {"corpus": tones, "preset": "smoke"}
    config = RunConfig.from_notebook(names | {"keep_model": True, "In": ["# Parameters\nkeep_model = True\n"]})
    assert config == RunConfig.create(**names)
    with pytest.raises(ConfigError, match="'keep_model' is 'true'"):
        RunConfig.from_notebook(names | {"keep_model": "true"})


def test_the_commands_run_train_and_predict(tones, speech, tmp_path):
    given = ["-p", "corpus", tones, "-p", "preset", "smoke", "-p", "model", "majority"]
    told = CliRunner().invoke(main, ["run", *given, "--out", str(tmp_path / "runs"), "--keep-model"])
    assert told.exit_code == 0 and "UAR 25.0 %" in told.stdout, told.output
    (folder,) = (tmp_path / "runs").iterdir()
    assert store.is_done(folder) and store.load(folder).config == RunConfig.create(
        **dict(zip(given[1::3], given[2::3], strict=True))
    )
    told = CliRunner().invoke(
        main, ["train", str(folder / "config.json"), "-p", "fold", "3", "--out", str(tmp_path / "models")]
    )
    assert told.exit_code == 0 and "has no score" in told.stdout, told.output
    (model,) = (tmp_path / "models").iterdir()
    assert sermodules.load(model).config.fold == 3
    told = CliRunner().invoke(main, ["predict", str(model), str(speech), "--segments"])
    assert told.exit_code == 0 and told.stdout.count("A1_sad_1") == 2 and "nobody is left to test it" in told.stderr
    assert "the language of the recordings of utterances.csv only" in told.stderr
    told = CliRunner().invoke(main, ["predict", str(speech), str(speech)])
    assert told.exit_code == 1 and "no folder of a kept model" in told.stderr
    (tmp_path / "study.yaml").write_text("settings: {}\n")
    told = CliRunner().invoke(main, ["run", str(tmp_path / "study.yaml")])
    assert told.exit_code == 1 and "not the settings of one run" in told.stderr


def test_a_line_for_excel_is_read_and_lines_keep_their_numbers(tmp_path):
    (tmp_path / "some.csv").write_bytes(b"sep=;\r\npath;start\r\na.wav;soon\r\n")
    with pytest.raises(CorpusError, match="line 3: start is 'soon'"):
        recordings.collect(tmp_path / "some.csv")
    (tmp_path / "some.csv").write_bytes(b"sep=;\r\npath;start\r\na.wav;1,5\r\n".replace(b"1,5", b"1.5"))
    assert recordings.collect(tmp_path / "some.csv")["start"].tolist() == [1.5]


# --- doubts and complaints


def test_what_the_model_cannot_know_is_said(kept, speech, tmp_path):
    signal, rate = soundfile.read(next(iter(sorted(speech.iterdir()))))
    soundfile.write(tmp_path / "phone.wav", signal[::2], 8000)
    soundfile.write(tmp_path / "loud.wav", np.clip(20 * signal, -1, 1), rate)
    soundfile.write(tmp_path / "long.wav", np.tile(signal, 60)[: 45 * rate], rate)
    soundfile.write(tmp_path / "quiet.wav", np.concatenate([np.zeros(20 * len(signal)), signal]), rate)
    model = sermodules.load(kept("majority"))
    with pytest.warns(UserWarning) as told:
        model.predict(tmp_path)
    lines = str(told[0].message).splitlines()
    assert [line.rpartition(": ")[2].partition(" (")[0] for line in lines[:2]] == ["phone", "loud"]
    assert "nearly silent" in lines[2] and "quiet" in lines[2]
    assert "10 times as long" in lines[3] and "long (45 s)" in lines[3]


def test_of_a_recording_that_was_learned_from_the_answer_shows_nothing(kept, tones, speech, tmp_path):
    model, table = sermodules.load(kept("majority")), corpora.load(tones)
    fold = protocol.fold(table, model.config.fold, **model.config.division)
    learned = table[table["speaker"].isin(fold.train)]["path"].iloc[0]
    signal, rate = soundfile.read(learned)
    soundfile.write(tmp_path / "renamed.flac", signal, rate)
    others = table[table["speaker"].isin([*fold.test, *fold.validation])]["path"]
    assert not model.ask([*others]).doubts
    (told,) = model.ask([str(tmp_path / "renamed.flac"), *others.iloc[:2]]).doubts
    assert (
        told == "1 of 3 recordings is among those that the model learned from, where an answer shows nothing "
        "(ask about people whom it has not heard): renamed"
    )
    before = dataclasses.replace(model, facts={name: fact for name, fact in model.facts.items() if name != "learned"})
    assert not before.ask(learned).doubts  # a model that was kept before it was noted


def test_unreadable_files_are_named_and_the_others_predicted(kept, speech, tmp_path):
    shutil.copy(next(iter(speech.iterdir())), tmp_path / "good.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "letter.wav").write_text("Dear Sir")
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "hours.flac", np.zeros(700 * 16000, np.int16), 16000)
    model = sermodules.load(kept("majority"))
    answer = model.ask(tmp_path)
    assert answer.utterances["utterance"].tolist() == ["good"]
    named = "\n".join(answer.complaints)
    assert all(f"{name}: " in named for name in ("empty.wav", "letter.wav", "silence.wav", "hours.flac"))
    with pytest.raises(
        AudioError, match=r"4 of 5 recordings cannot be used(.|\n)*empty\.wav(.|\n)*silence\.wav: silent"
    ):
        model.predict(tmp_path)
    told = CliRunner().invoke(main, ["predict", str(kept("majority")), str(tmp_path)])
    assert told.exit_code == 1 and "good" in told.stdout and "4 recordings are left out" in told.stderr
    with pytest.raises(AudioError, match=r"missing\.wav: not found"):
        model.ask(tmp_path / "missing.wav")


# --- what is asked about


def test_names_and_places_of_recordings(tmp_path):
    for name in ("a.wav", "b/a.wav", "b/c.FLAC", "b/.hidden.wav", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    found = recordings.collect([tmp_path, tmp_path / "a.wav"], speaker="ann", gender="female")
    assert found["utterance"].tolist() == [str(tmp_path / "a.wav"), str(tmp_path / "b/a.wav"), "c"]
    assert set(found["speaker"]) == {"ann"} and set(found["gender"]) == {"female"}
    with pytest.raises(CorpusError, match="holds no audio files"):
        recordings.collect(tmp_path / "empty")
    with pytest.raises(CorpusError, match="there is no recording"):
        recordings.collect([])


def test_a_table_says_more_and_its_faults_are_named_by_line(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("path,utterance,gender,speaker,start,end\na.wav,one,F,ann,0,1.5\na.wav,two,,,1.5,\n")
    found = recordings.collect(f"table:{path}", speaker="bob", gender="male")
    assert found[["utterance", "gender", "speaker"]].to_numpy().tolist() == [
        ["one", "female", "ann"],
        ["two", "male", "bob"],
    ]
    assert found["end"].tolist()[0] == 1.5 and found["path"].tolist() == [str(tmp_path / "a.wav")] * 2
    path.write_text("path,gender,start\na.wav,x,\n,F,minus\n")
    with pytest.raises(CorpusError) as error:
        recordings.collect(path)
    assert [line.split(":")[0].strip() for line in str(error.value).splitlines()[1:]] == ["line 2", "line 3", "line 3"]
    path.write_text("recording\na.wav\n")
    with pytest.raises(CorpusError, match=r"no column `path`\. The columns here are: recording"):
        recordings.collect(path)
    path.write_text("File;Sex\na.wav;F\n")  # as other tools make it
    assert recordings.collect(path)[["utterance", "gender"]].to_numpy().tolist() == [["a", "female"]]
    path.write_text("path,utterance\na.wav,one\nb.wav,one\n")
    with pytest.raises(CorpusError, match="more than once: one"):
        recordings.collect(path)


def test_real_recordings_are_predicted_as_in_the_run(emodb, tmp_path):
    config = RunConfig.create(corpus="emodb", preset="smoke", model="dnn_elm", epochs=1, fold=2)
    result = runs.run(config, tmp_path, verbose=False, keep=inference.keep)
    (speaker,) = result.predictions["speaker"].unique()
    mine = emodb.loc[emodb["speaker"] == speaker, "path"]
    told = sermodules.load(tmp_path / config.run_id).predict(list(mine))
    assert text(told) == text(store.load(tmp_path / config.run_id).predictions)


def test_doubts_of_nothing_are_none():
    assert doubts.doubts({}, {"rates": [16000], "longest": 1.0}) == []
