"""The command that makes the weights of the page "Try it": only runs that give the published predictions again will do."""

from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import script

from sermodules import corpora, models
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.inference import rounded

CLASSES = ["angry", "sad", "happy", "neutral"]


@pytest.fixture(scope="module")
def make():
    return script("make_page_models")


def result(config, sad=0.6):
    row = {
        "utterance": "a",
        "true": "sad",
        "predicted": "sad",
        "angry": 1 - sad,
        "sad": sad,
        "happy": 0.0,
        "neutral": 0.0,
    }
    return SimpleNamespace(config=config, predictions=pd.DataFrame([row]), metrics={"classes": CLASSES})


def test_a_published_run_is_found_also_one_from_before_a_preset_changed(make):
    cell = make.CELLS["model1-none"]
    config = RunConfig.create(**make.SHARED, **cell)
    other, before = result(config.replace(seed=2)), result(config.before_added())
    assert before.config != config
    assert make.chosen(cell, {"one": [other], "two": [before]}) == (before.config, before, "two")
    assert make.chosen(cell, {"one": [other]}) == (config, None, None)


def test_a_run_that_is_published_nowhere_is_refused_unless_it_is_asked_for(make, tmp_path):
    with pytest.raises(SermodulesError, match=r"no study that you name has the run of model1-none.*--unpublished"):
        make.make("model1-none", {}, tmp_path, unpublished=())


@pytest.mark.parametrize(("sad", "same"), [(0.6, True), (0.60005, True), (0.61, False), (float("nan"), False)])
def test_only_the_published_predictions_will_do(make, sad, same):
    config = RunConfig.create(**make.SHARED)
    published, again = result(config), result(config, sad)
    if same:
        make.check_same(published, again)
    else:
        with pytest.raises(SermodulesError, match="not the published ones"):
            make.check_same(published, again)


def test_what_is_known_of_a_voice_changes_the_answers_and_the_known_sentences_are_not_tested(make, tones, monkeypatch):
    config = RunConfig.create(corpus=tones, preset="smoke", gender="none", standardise="speaker", padding="after")
    network = models.build(config, 4).network
    small = rounded.of(
        SimpleNamespace(config=config, classes=CLASSES, standardiser=None, method=SimpleNamespace(network=network))
    )
    table = corpora.load(tones)
    own = table[table["speaker"] == "A1"].reset_index(drop=True)
    monkeypatch.setattr(make, "ENROLLED", 1)
    found = make.knowing_the_voice(small, own)
    assert found["recordings"] == len(own) - 1
    assert all(0 <= found[name] <= 1 for name in ("everything", "neutral", "alone"))
