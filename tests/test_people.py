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


def test_confusions_are_shares_of_all_answers_and_need_not_name_what_was_asked():
    answers = pd.DataFrame({"sad": [1, 3, 0], "neutral": [3, 1, 2], "fearful": [4, 0, 0]})
    found = people.confusions(answers, ["sad", "sad", "neutral"])
    assert found.loc["sad"].to_dict() == pytest.approx({"sad": 100 / 3, "neutral": 100 / 3, "fearful": 100 / 3})
    assert found.loc["neutral", "neutral"] == 100


def test_halves_are_the_listeners_once_each_and_by_chance():
    answers = pd.DataFrame(np.tile([4, 3, 2, 0], (3000, 1)), columns=list("abcd"))
    first, second = people.halves(answers, 1)
    assert (first + second).equals(answers) and (first >= 0).all(axis=None) and (second >= 0).all(axis=None)
    assert {*first.sum(axis=1)} == {4, 5} and first.sum(axis=1).mean() == pytest.approx(4.5, abs=0.05)
    assert first.mean().tolist() == pytest.approx([2, 1.5, 1, 0], abs=0.06)
    # four of nine, drawn without putting back, and 4 or 5 listeners: the variance within both, and between them
    within, between = 4 * (4 / 9) * (5 / 9) * (9 - 4) / (9 - 1), (4 / 9 / 2) ** 2
    assert first["a"].var() == pytest.approx(within + between, rel=0.05)
    assert people.halves(answers, 1)[0].equals(first) and not people.halves(answers, 2)[0].equals(first)


def test_reliability_where_speakers_differ_and_where_they_do_not():
    rng = np.random.default_rng(1)
    speakers, asked = np.repeat([f"S{i:02d}" for i in range(60)], 24), np.tile(CLASSES, 480)
    group = np.where(speakers < "S30", "female", "male")

    def answers(skill):
        shares = np.where(asked[:, None] == np.array(CLASSES), skill[:, None], (1 - skill[:, None]) / 2)
        return pd.DataFrame([rng.multinomial(10, row) for row in shares], columns=CLASSES)

    own = answers(np.repeat(rng.uniform(0.35, 0.9, 60), 24))
    found = people.reliability(own, asked, speakers, splits=5)
    assert found["half"] > 0.9 and found["whole"] == pytest.approx(2 * found["half"] / (1 + found["half"]))
    by_group = answers(np.where(group == "female", 0.8, 0.4))  # all women alike, all men alike
    assert people.reliability(by_group, asked, speakers, splits=5)["half"] > 0.9
    assert abs(people.reliability(by_group, asked, speakers, group, splits=5)["half"]) < 0.3


def test_interval_of_a_speaker_is_over_the_speaker_s_recordings():
    asked, speakers = np.tile(CLASSES, 40), np.repeat(["A", "B"], 60)
    right = np.where(speakers == "A", np.arange(120) % 6 < 3, 1)  # A: half of each class; B: all
    found = people.with_intervals(people.system(pd.Series(np.where(right, asked, "none")), asked), asked, speakers)
    assert found.loc["B"].tolist() == [100, 100, 100]
    assert found.loc["A", "value"] == 50
    assert found.loc["A", "high"] - found.loc["A", "low"] == pytest.approx(2 * 196 * np.sqrt(0.25 / 60), rel=0.15)


def test_drawn_are_of_all_classes_right_and_wrong_alike_and_of_other_speakers():
    rng = np.random.default_rng(2)
    names = [f"u{i:03d}" for i in range(400)]
    asked, speakers = (
        rng.choice(["angry", "happy", "sad", "neutral"], 400),
        rng.choice([f"S{i}" for i in range(40)], 400),
    )
    right = pd.Series(rng.choice([True, False, None], 400), names)
    chosen = people.drawn(right, asked, speakers, 10, seed=3)
    places = [names.index(name) for name in chosen]
    assert len({*chosen}) == len({*speakers[places]}) == 10
    counts = pd.crosstab(asked[places], right[chosen].to_numpy(bool))
    assert counts.sum().tolist() == [5, 5] and counts.isin([1, 2]).all(axis=None) and counts.shape == (4, 2)
    assert (
        people.drawn(right, asked, speakers, 10, seed=3) == chosen != people.drawn(right, asked, speakers, 10, seed=4)
    )


def test_summary_is_the_mean_of_speakers_and_of_recalls():
    asked, speakers = np.array(["sad", "sad", "happy", "sad", "happy"]), np.array(["A", "A", "A", "B", "B"])
    found = people.summarise(
        people.system(pd.Series(["sad", "happy", "happy", "happy", "happy"]), asked), asked, speakers
    )
    assert found["uar"] == pytest.approx((75 + 50) / 2) and found["sd"] == pytest.approx(25 / np.sqrt(2))
    assert found["pooled"] == pytest.approx(100 * (1 / 3 + 1) / 2)
    assert found["low"] <= found["uar"] <= found["high"]
