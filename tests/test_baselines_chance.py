"""The floor: what the chance models expect, what they know, and that they repeat themselves."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones
from sklearn.dummy import DummyClassifier

from sermodules import corpora, features, models, runs
from sermodules.config import RunConfig
from sermodules.errors import AudioError
from sermodules.folds.parts import Part, whole_utterances
from sermodules.models.baselines import chance
from sermodules.models.baselines.chance import FLOOR, Stratified
from sermodules.runs import store

MODELS = ["majority", "stratified"]


def config_of(corpus, model="stratified", **settings):
    return RunConfig.create(corpus=corpus, model=model, **settings)


def fitted(config):
    data = runs.prepare(config)
    model = models.build(config, len(data.classes))
    runs.fit(model, data, config, verbose=False)
    return model, data


def knowing(cls, counts, seed=1):
    """Return a model that has counted these training utterances."""
    model = cls(config_of("synthetic", seed=seed), len(counts))
    model.counts = np.array(counts)
    return model


def many(count, emotion="neutral"):
    """Return a part of `count` made-up utterances."""
    rows = pd.DataFrame({"utterance": [f"u{i:05d}" for i in range(count)], "speaker": "A", "gender": "female"})
    rows = rows.assign(emotion=emotion, duration=1.0)
    return Part(rows, whole_utterances(rows), {}, np.zeros(count, np.int32))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Return a corpus whose training speakers have 2 angry, 4 sad, 2 happy and 8 neutral utterances (fold 1)."""
    path = write_tones(tmp_path_factory.mktemp("uneven"), per_class=4)
    table = pd.read_csv(path)
    left = {"angry": 1, "sad": 2, "happy": 1, "neutral": 4}
    take = table["utterance"].str[-1].astype(int)
    table[(table["session"] == "A") | (take < table["emotion"].map(left))].to_csv(path, index=False)
    return f"table:{path}"


# --- Majority


def test_majority_takes_the_most_frequent_training_class(uneven):
    result = runs.run(config_of(uneven, "majority"), verbose=False)
    assert set(result.predictions["predicted"]) == {"neutral"}
    assert result.metrics["uar"] == result.metrics["wa"] == 0.25  # the test speaker has four of each
    assert result.metrics["recalls"] == {"angry": 0.0, "sad": 0.0, "happy": 0.0, "neutral": 1.0}


def test_majority_is_scikit_learns_prior(uneven):
    model, data = fitted(config_of(uneven, "majority"))
    reference = DummyClassifier(strategy="prior").fit(np.zeros((16, 1)), data.train.labels)
    predictions, loss = models.predict(model, data.test, data.classes)
    expected = reference.predict_proba(np.zeros((16, 1)))
    np.testing.assert_allclose(predictions[data.classes], expected, rtol=1e-12)
    np.testing.assert_allclose(predictions[data.classes].iloc[0], np.array([2, 4, 2, 8]) / 16)
    assert loss == pytest.approx(-np.mean(np.log(expected[np.arange(16), data.test.labels])))


def test_majority_of_equals_is_the_first(tones):
    result = runs.run(config_of(tones, "majority"), verbose=False)
    assert set(result.predictions["predicted"]) == {"angry"}


# --- Stratified


@pytest.mark.parametrize("counts", [[1, 1, 1, 1], [2, 4, 2, 8], [289, 284, 608, 1099], [3, 0, 5, 1]])
def test_draws_have_the_training_shares(counts):
    part, model = many(20_000), knowing(Stratified, counts)
    drawn = np.bincount(model.logits(part).argmax(axis=1), minlength=4)
    shares = np.array(counts) / sum(counts)
    assert (np.abs(drawn - 20_000 * shares) <= 4 * np.sqrt(20_000 * shares * (1 - shares))).all()


def test_expected_uar_is_a_quarter_whatever_the_shares(uneven):
    config = config_of(uneven)
    model, data = fitted(config)
    scores, recalls = [], []
    for seed in range(400):
        model.config = config.replace(seed=seed)
        predictions, _ = models.predict(model, data.test, data.classes)
        right = (predictions["true"] == predictions["predicted"]).groupby(predictions["true"]).mean()
        recalls.append(right[data.classes].to_numpy())
        scores.append(recalls[-1].mean())
    # A recall is a share of 4 independent draws, so the variance of the UAR over seeds is known.
    shares = model.shares
    sd = np.sqrt(np.sum(shares * (1 - shares) / 4)) / 4
    assert np.std(scores) == pytest.approx(sd, rel=0.15)
    assert np.mean(scores) == pytest.approx(0.25, abs=4 * sd / 20)
    np.testing.assert_allclose(np.mean(recalls, axis=0), shares, atol=4 * 0.5 * 0.5 / 20)


def test_expected_uar_is_exactly_a_quarter(monkeypatch):
    # Sixteen equally likely numbers, each drawn once: the recall of a class that all utterances have is its expectation.
    part, model = many(16), knowing(Stratified, [2, 4, 2, 8])
    monkeypatch.setattr(chance, "fraction", lambda seed, name: int(name[1:]) / 16)
    drawn = model.logits(part).argmax(axis=1)
    recalls = [np.mean(drawn == label) for label in range(4)]
    assert recalls == [2 / 16, 4 / 16, 2 / 16, 8 / 16]
    assert np.mean(recalls) == 0.25


def test_a_draw_depends_on_seed_and_name_alone():
    part, model = many(500), knowing(Stratified, [2, 4, 2, 8])
    drawn = dict(zip(part.segments["utterance"], model.logits(part).argmax(axis=1), strict=True))
    shuffled = part.segments.sample(frac=0.5, random_state=1)
    again = model.logits(Part(part.table, shuffled, {}, part.labels[: len(shuffled)])).argmax(axis=1)
    assert [drawn[name] for name in shuffled["utterance"]] == again.tolist()
    other = knowing(Stratified, [2, 4, 2, 8], seed=2).logits(part).argmax(axis=1)
    agree = np.mean(other == np.array(list(drawn.values())))
    expected = np.sum(model.shares**2)  # independent draws
    assert agree == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 500))


def test_draws_of_known_names():
    # SHA-256("1 u00000") begins with 48 bits that the shares are compared with; fixed for good, on every machine.
    part, model = many(50), knowing(Stratified, [1, 1, 1, 1])
    bits = [hashlib.sha256(f"1 {name}".encode()).hexdigest()[:12] for name in part.segments["utterance"]]
    assert model.logits(part).argmax(axis=1).tolist() == [int(four[0], 16) // 4 for four in bits]


def test_posteriors_of_a_draw():
    model = knowing(Stratified, [2, 0, 2, 8])
    part = many(200)
    posteriors = np.exp(model.logits(part))
    np.testing.assert_allclose(posteriors.sum(axis=1), 1)
    np.testing.assert_allclose(np.sort(posteriors, axis=1), [[FLOOR] * 3 + [1 - 3 * FLOOR]] * 200)
    _, loss = models.predict(model, part, ["angry", "sad", "happy", "neutral"])
    share = np.mean(model.logits(part).argmax(axis=1) == 0)
    assert loss == pytest.approx((1 - share) * -np.log(FLOOR), rel=1e-4)


# --- both


@pytest.mark.parametrize("model", MODELS)
def test_class_that_is_not_in_training(tmp_path, model):
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    table[(table["session"] == "A") | (table["emotion"] != "happy")].to_csv(path, index=False)
    result = runs.run(config_of(f"table:{path}", model), verbose=False)
    assert "happy" not in set(result.predictions["predicted"])
    assert (result.predictions["happy"] < 2 * FLOOR).all() and (result.predictions["happy"] > 0).all()
    assert np.isfinite(result.history.to_numpy()).all()
    store.load(store.save(result, tmp_path / "runs"))


@pytest.mark.parametrize("model", MODELS)
def test_only_training_labels_are_counted(tmp_path, model):
    path = write_tones(tmp_path)
    config = config_of(f"table:{path}", model)
    before = fitted(config)[0].counts
    table = pd.read_csv(path)
    table.loc[table["session"] == "A", "emotion"] = "neutral"  # the test and the validation speaker
    table.to_csv(path, index=False)
    after, data = fitted(config)
    assert data.test.labels.tolist() == data.validation.labels.tolist() == [3] * 8
    np.testing.assert_array_equal(after.counts, before)
    table.loc[table["session"] == "B", "emotion"] = "sad"
    table.to_csv(path, index=False)
    assert fitted(config)[0].counts.tolist() != before.tolist()


SCRIPT = """
import sys
from sermodules import runs
from sermodules.config import RunConfig
runs.run(RunConfig.from_json(sys.argv[1]), sys.argv[2])
"""


def test_same_bytes_twice_and_in_another_process(uneven, tmp_path):
    config = config_of(uneven)
    stored = [store.save(runs.run(config, verbose=False), tmp_path / name) for name in "ab"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, config.to_json(), str(tmp_path / "c")], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    shares, place = done.stdout.splitlines()
    assert shares == "training utterances: 12.5 % angry, 25.0 % sad, 12.5 % happy, 50.0 % neutral"
    assert place == f"The run is in {tmp_path / 'c' / config.run_id}"
    contents = [(folder / "predictions.csv").read_bytes() for folder in [*stored, tmp_path / "c" / config.run_id]]
    assert len(set(contents)) == 1
    other = store.save(runs.run(config.replace(seed=2), verbose=False), tmp_path / "d")
    assert (other / "predictions.csv").read_bytes() != contents[0]
    majority, again = (runs.run(config_of(uneven, "majority", seed=seed), verbose=False) for seed in (1, 2))
    pd.testing.assert_frame_equal(majority.predictions, again.predictions)  # there the seed means nothing


def test_result_is_consistent(uneven):
    config = config_of(uneven)
    data = runs.prepare(config)
    assert [set(part.table["speaker"]) for part in (data.train, data.validation, data.test)] == [
        {"B1", "B2"},
        {"A2"},
        {"A1"},
    ]
    result = runs.run(config, verbose=False)
    assert result.provenance["corpus_digest"] == corpora.digest(corpora.load(uneven)) == data.corpus_digest
    assert result.predictions["utterance"].tolist() == data.test.table["utterance"].tolist()
    assert (result.predictions[data.classes].idxmax(axis=1) == result.predictions["predicted"]).all()
    assert len(result.history) == 1 and result.metrics["best_epoch"] == 1 and result.metrics["parameters"] == 4


def test_utterances_as_segments(tones):
    table = corpora.load(tones)
    rows = whole_utterances(table)
    assert list(rows.columns) == ["utterance", "start", "frames", "speaker", "gender", "emotion"]
    assert rows["utterance"].tolist() == table["utterance"].tolist() and (rows["start"] == 0).all()
    assert dict(zip(rows["utterance"], rows["frames"], strict=True)) == features.extract(table).frames
    short = table.head(2).assign(duration=[0.02, np.nan])
    assert whole_utterances(short)["frames"].tolist() == [1, 1]


@pytest.mark.parametrize("model", MODELS)
def test_all_bad_audio_is_named_before_training(tmp_path, model):
    path = write_tones(tmp_path)
    names = pd.read_csv(path)["path"].tolist()
    (tmp_path / names[0]).write_bytes(b"")
    soundfile.write(tmp_path / names[20], np.zeros(16000), 16000)
    with pytest.raises(AudioError) as caught:
        runs.prepare(config_of(f"table:{path}", model))
    assert Path(names[0]).name in str(caught.value) and Path(names[20]).name in str(caught.value)
