"""What people heard: labels made of their answers, and people as a yardstick beside the systems."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from test_cremad import names_of, write, write_votes

from sermodules import corpora, models, runs
from sermodules.config import RunConfig
from sermodules.corpora import hearing
from sermodules.errors import ConfigError, CorpusError
from sermodules.folds.parts import Part
from sermodules.runs import store

pytestmark = pytest.mark.filterwarnings("ignore:CREMA-D in .* is not the complete release")
ACTORS = ("1001", "1002", "1003", "1004")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the data folder of a small CREMA-D with made-up answers."""
    data = tmp_path_factory.mktemp("heard")
    names = [name for actor in ACTORS for name in names_of(actor)]
    write(data / "cremad", names)

    def answer(table):
        for row, name in enumerate(table["fileName"]):
            asked, kind = {"ANG": "A", "SAD": "S", "HAP": "H", "NEU": "N", "DIS": "D", "FEA": "F"}[name[9:12]], row % 4
            votes = dict.fromkeys("ADFHNS", 0)
            votes[asked] += (6, 3, 2, 0)[kind]  # clear; tied with neutral; fewer than outside the four; not at all
            votes["N"] += (1, 3, 0, 5)[kind]
            votes["D"] += (1, 0, 6, 1)[kind]
            table.loc[row, list("ADFHNS")] = [votes[letter] for letter in "ADFHNS"]
        return table

    write_votes(data / "cremad", names, answer)
    return data


@pytest.fixture
def cremad(made, monkeypatch):
    monkeypatch.setenv("SERMODULES_DATA", str(made))


def config_of(model, **settings):
    return RunConfig.create(corpus="cremad", model=model, preset="smoke", groups=4, **settings)


def test_the_label_that_most_people_heard_and_who_is_left_out(cremad):
    asked = corpora.load("cremad").set_index("utterance")
    counts = asked[["heard_angry", "heard_sad", "heard_happy", "heard_neutral"]].set_axis(
        ["angry", "sad", "happy", "neutral"], axis=1
    )
    heard = corpora.load("cremad", label="heard").set_index("utterance")
    for name, row in counts.iterrows():
        best = row[row == row.max()]
        if len(best) == 1:
            assert heard.loc[name, "emotion"] == best.index[0]
        else:
            assert name not in heard.index
    by_most = corpora.load("cremad", label="heard_by_most").set_index("utterance")
    assert {*by_most.index} < {*heard.index} < {*asked.index}
    every = asked.filter(like="heard_").sum(axis=1)
    assert (2 * counts.loc[by_most.index].max(axis=1) > every[by_most.index]).all()
    assert corpora.digest(heard.reset_index()) != corpora.digest(asked.loc[heard.index].reset_index())


def test_merged_classes_count_their_answers_together(cremad):
    table = corpora.load("cremad", classes="bad=angry+sad+disgusted,neutral", label="heard").set_index("utterance")
    counts = corpora.load("cremad", emotions="all").set_index("utterance").filter(like="heard_").loc[table.index]
    bad = counts[["heard_angry", "heard_sad", "heard_disgusted"]].sum(axis=1)
    assert ((table["emotion"] == "bad") == (bad > counts["heard_neutral"])).all()


def test_a_label_that_a_corpus_does_not_have(tones, tmp_path, monkeypatch):
    for name in (tones, "emodb"):
        with pytest.raises(ConfigError, match="'heard': nobody says what people heard in the corpus"):
            corpora.load(name, label="heard")
    with pytest.raises(ConfigError, match="must be one of asked, heard, heard_by_most"):
        corpora.load("cremad", label="herd")
    write(tmp_path / "cremad", names_of("1001"))
    monkeypatch.setenv("SERMODULES_DATA", str(tmp_path))
    with pytest.raises(CorpusError, match=r"no answers of listeners.*tabulatedVotes\.csv"):
        corpora.load("cremad", label="heard")
    write_votes(tmp_path / "cremad", names_of("1001")[1:])
    with pytest.raises(CorpusError, match="1 recordings have no answers of listeners, such as 1001_IEO_ANG_LO"):
        corpora.load("cremad", label="heard")


def test_listeners_have_the_shares_of_those_who_named_a_class(cremad):
    result = runs.run(config_of("listeners"), verbose=False)
    table = corpora.load("cremad").set_index("utterance")
    classes = ["angry", "sad", "happy", "neutral"]
    for row in result.predictions.set_index("utterance").itertuples():
        counts = table.loc[row.Index, [f"heard_{name}" for name in classes]].astype(float).to_numpy()
        expected = counts / counts.sum() if counts.sum() else [0.25] * 4
        assert [getattr(row, name) for name in classes] == pytest.approx(list(expected), abs=1e-5)
        best = {name for name, share in zip(classes, expected, strict=True) if share == max(expected)}
        assert row.predicted in best
    assert result.metrics["parameters"] == 0


def test_of_equals_one_is_drawn_by_the_seed_and_not_the_first():
    names = [f"u{i}" for i in range(400)]
    part = Part(None, pd.DataFrame({"utterance": names}), {"answers": np.tile([0.4, 0.2, 0, 0.4], (400, 1))}, None)
    first, again, other = (
        models.build(config_of("listeners", seed=seed), 4).logits(part).argmax(axis=1) for seed in (1, 1, 2)
    )
    assert {*first} == {0, 3} and 160 < (first == 0).sum() < 240
    assert (first == again).all() and (first != other).sum() > 100


def test_decoding_is_a_balanced_regression_from_all_answers_of_other_speakers(cremad, tmp_path):
    config = config_of("listeners_decoded", fold=2)
    data = runs.prepare(config)
    result = runs.run(config, out=tmp_path, verbose=False)
    assert store.load(tmp_path / config.run_id).config == config
    assert {*result.predictions["speaker"]} == {*data.fold.test}

    def shares(part):
        counts = part.table.filter(like="heard_").astype(float)
        return counts.div(counts.sum(axis=1), axis=0).to_numpy("float32").astype(float)

    machine = LogisticRegression(class_weight="balanced", max_iter=1000).fit(shares(data.train), data.train.labels)
    posteriors = machine.predict_proba(shares(data.test))
    found = result.predictions.set_index("utterance").loc[data.test.table["utterance"], data.classes]
    assert found.to_numpy() == pytest.approx(posteriors, abs=1e-5)


@pytest.mark.parametrize("model", ["listeners", "listeners_decoded"])
def test_learned_and_restored(cremad, model):
    config = config_of(model)
    data = runs.prepare(config)
    method = models.build(config, 4)
    runs.fit(method, data, config, verbose=False)
    again = models.build(config, 4)
    again.restore(method.learned())
    assert (again.logits(data.test) == method.logits(data.test)).all()
    assert again.parameters()["parameters"].sum() == (28 if model == "listeners_decoded" else 0)


@pytest.mark.parametrize("model", ["listeners", "listeners_decoded"])
def test_a_corpus_without_listeners_is_refused_by_name(tones, model):
    with pytest.raises(CorpusError, match=f"{tones}: there are no answers of listeners"):
        runs.run(RunConfig.create(corpus=tones, model=model, preset="smoke"), verbose=False)


def test_training_on_what_was_heard_is_tested_on_what_was_heard(cremad):
    result = runs.run(config_of("majority", label="heard"), verbose=False)
    heard = corpora.load("cremad", label="heard").set_index("utterance")["emotion"]
    assert (result.predictions.set_index("utterance")["true"] == heard[result.predictions["utterance"]]).all()
    assert "label" not in config_of("majority").record()


def test_plurality_of_nothing():
    counts = pd.DataFrame({"sad": [0], "angry": [0]})
    assert hearing.plurality(counts).tolist() == [None]
