"""People beside systems: who is right how often, by hand."""

import numpy as np
import pandas as pd
import pytest

from sermodules.evidence import people

CLASSES = ["angry", "sad", "neutral"]


def made(seed=1, count=240):
    """Return made-up answers of ten listeners, what was asked, and who speaks."""
    rng = np.random.default_rng(seed)
    asked = np.array(CLASSES)[np.arange(count) % 3]
    shares = np.where(asked[:, None] == np.array(CLASSES), 0.5, 0.25)
    answers = pd.DataFrame([rng.multinomial(10, row) for row in shares], columns=CLASSES)
    return answers, asked, np.array([f"S{i % 8}" for i in range(count)])


def test_one_listener_is_every_answer_and_the_mean_of_the_classes():
    answers, asked, speakers = made()
    credit = people.one_listener(answers, asked)
    by_hand = []
    for speaker in sorted({*speakers}):
        mine = speakers == speaker
        recalls = [
            answers.loc[mine & (asked == name), name].sum() / answers[mine & (asked == name)].to_numpy().sum()
            for name in CLASSES
        ]
        by_hand.append(100 * np.mean(recalls))
    assert people.by_speaker(credit, asked, speakers).tolist() == pytest.approx(by_hand)


def test_nobody_who_named_a_class_counts_for_nothing():
    answers = pd.DataFrame({"sad": [0, 2], "angry": [0, 2]})
    assert people.one_listener(answers, ["sad", "sad"]).sum().tolist() == [2, 4]


def test_majority_of_equals_is_shared():
    answers = pd.DataFrame({"angry": [2, 0], "sad": [2, 1], "neutral": [2, 0]})
    assert people.majority(answers, ["sad", "sad"])["right"].tolist() == pytest.approx([1 / 3, 1])


def test_a_system_has_one_answer():
    predicted = pd.Series(["sad", "angry"], index=["a", "b"])
    assert people.system(predicted, ["sad", "sad"]).to_dict("list") == {"right": [1, 0], "answers": [1, 1]}


def test_each_listener_is_held_against_the_others_only():
    answers = pd.DataFrame({"sad": [3, 2], "angry": [2, 2]}, index=["a", "b"])
    found = people.one_against_others(answers, pd.Series([5, 4], ["a", "b"]))
    # a: whoever said sad sees 2 and 2, no majority; whoever said angry sees 3 of 4 for sad, and is wrong.
    # b: whoever said sad sees 2 of 3 for angry, and is wrong; the same the other way round.
    assert found.values.tolist() == [["a", "sad", 0, 2], ["b", "angry", 0, 2], ["b", "sad", 0, 2]]


def test_answers_outside_the_classes_are_others_and_are_not_judged():
    answers = pd.DataFrame({"sad": [3], "angry": [1]}, index=["a"])
    assert people.one_against_others(answers, pd.Series([9], ["a"])).empty


def test_pooled_recalls_and_an_interval_that_knows_the_speakers():
    _, asked, speakers = made(count=2400)
    credit = people.system(pd.Series(np.where(speakers < "S4", asked, "sad")), asked)
    found = people.pooled(credit, asked, speakers)
    assert found.loc["sad", ["value", "low", "high"]].tolist() == [100, 100, 100]
    assert found.loc["angry", "value"] == pytest.approx(100 * (asked[speakers < "S4"] == "angry").sum() / 800)
    # four of eight speakers have all right and four have none: drawn anew, the share scatters by sqrt(1/4 / 8)
    width = found.loc["angry", "high"] - found.loc["angry", "low"]
    assert width == pytest.approx(2 * 1.96 * 100 * np.sqrt(0.25 / 8), rel=0.25)
    assert found.loc["UAR", "value"] == pytest.approx(found.loc[CLASSES, "value"].mean())


def test_a_class_that_a_speaker_lacks_does_not_spoil_the_interval():
    credit = people.system(pd.Series(["sad", "sad", "angry"]), ["sad", "sad", "angry"])
    found = people.pooled(credit, ["sad", "sad", "angry"], ["A", "A", "B"])
    assert np.isfinite(found.to_numpy()).all()


def test_thinning_to_what_people_got_against_thinning_by_chance():
    answers, asked, speakers = made(count=2400)
    credit = people.majority(answers, asked)
    keep = credit["right"].to_numpy() == 1
    found = people.thinned(credit, asked, speakers, keep, draws=50)
    assert found["clear"] == 100 and found["kept"] == pd.Series(asked[keep]).value_counts().to_dict()
    assert found["low"] < found["all"] < found["high"] and abs(found["by_chance"] - found["all"]) < 1
