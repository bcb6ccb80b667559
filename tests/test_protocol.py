from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules.errors import ProtocolError
from sermodules.folds import protocol


def table(*speakers):
    """Rows of (speaker, session, gender), two utterances each."""
    rows = [(f"{s}_{i}", s, session, gender) for s, session, gender in speakers for i in range(2)]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "session", "gender"])


IEMOCAP = table(*[(f"Ses0{n}{g}", f"Ses0{n}", {"F": "female", "M": "male"}[g]) for n in range(1, 6) for g in "FM"])
EMODB = table(
    *[(s, "", "male" if s in ("03", "10", "11", "12", "15") else "female")
      for s in ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")]
)  # fmt: skip


def test_iemocap_folds_are_in_the_papers_order():
    folds = protocol.folds(IEMOCAP)
    assert [(f.number, f.test, f.validation) for f in folds[:3]] == [
        (1, ("Ses01F",), ("Ses01M",)), (2, ("Ses01M",), ("Ses01F",)), (3, ("Ses02F",), ("Ses02M",)),
    ]  # fmt: skip
    assert len(folds) == 10 and all(len(f.train) == 8 for f in folds)


def test_without_sessions_women_and_men_are_paired_in_order():
    pairs = protocol.partners(EMODB)
    assert [pairs[s] for s in ("08", "09", "13", "14", "16")] == ["03", "10", "11", "12", "15"]
    assert all(pairs[pairs[s]] == s for s in pairs)


def test_left_over_speakers_get_the_next_one():
    assert protocol.partners(table(("a", "", "female"), ("b", "", "female"), ("c", "", "female"))) == {
        "a": "b", "b": "c", "c": "a",
    }  # fmt: skip


def test_alone_in_a_session_and_three_in_a_session():
    pairs = protocol.partners(
        table(("a", "1", "female"), ("b", "1", "male"), ("c", "1", "male"), ("d", "2", "female"), ("e", "3", "male"))
    )
    assert pairs == {"a": "b", "b": "c", "c": "a", "d": "e", "e": "d"}


def test_next_validation_speaker_is_not_the_partner():
    for fold in protocol.folds(IEMOCAP, "next"):
        (test,), (validation,) = fold.test, fold.validation
        assert validation not in (test, protocol.partners(IEMOCAP)[test])
    assert protocol.folds(IEMOCAP, "next")[9].validation == ("Ses01F",)  # after the last comes the first


def test_too_few_speakers_and_no_such_fold():
    with pytest.raises(ProtocolError, match=r"at least 3 speakers.*has 2: a, b"):
        protocol.folds(table(("a", "", "female"), ("b", "", "male")))
    with pytest.raises(ProtocolError, match=r"fold 11 does not exist.*1 to 10"):
        protocol.fold(IEMOCAP, 11)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abcdef", min_size=1, max_size=3), st.sampled_from(["", "1", "2", "3"]),
                  st.sampled_from(["female", "male"])),
        min_size=4, max_size=12, unique_by=lambda row: row[0],
    ),
    st.sampled_from(["partner", "next"]),
)  # fmt: skip
def test_folds_partition_the_speakers(people, validation):
    data = table(*people)
    folds = protocol.folds(data, validation)
    everyone = sorted(name for name, _, _ in people)
    assert [f.test for f in folds] == [(name,) for name in everyone]
    for fold in folds:
        assert sorted([*fold.test, *fold.validation, *fold.train]) == everyone
    shuffled = data.sample(frac=1, random_state=0)
    assert protocol.folds(shuffled, validation) == folds


# --- groups

PEOPLE = st.lists(
    st.tuples(st.text("abcdefgh", min_size=1, max_size=4), st.just(""), st.sampled_from(["female", "male", "other"])),
    min_size=4, max_size=40, unique_by=lambda row: row[0],
)  # fmt: skip


def check_folds(folds, everyone, validate_once=True):
    """Everyone is tested once (and validates once), and nobody is learned from where they are tested or validate."""
    assert sorted(s for fold in folds for s in fold.test) == everyone
    if validate_once:
        assert sorted(s for fold in folds for s in fold.validation) == everyone
    assert [fold.number for fold in folds] == list(range(1, len(folds) + 1))
    for fold in folds:
        assert sorted([*fold.test, *fold.validation, *fold.train]) == everyone
        assert fold.test and fold.validation and fold.train


@settings(max_examples=100, deadline=None)
@given(PEOPLE, st.integers(3, 12), st.integers(0, 2**31 - 1), st.sampled_from(["partner", "next"]), st.randoms())
def test_groups_test_and_validate_everyone_once_and_are_as_equal_as_can_be(people, count, seed, validation, random):
    count = min(count, len(people))
    data, everyone = table(*people), sorted(name for name, _, _ in people)
    if validation == "next" and count < 4:
        return
    folds = protocol.folds(data, validation, groups=count, seed=seed)
    assert len(folds) == count
    check_folds(folds, everyone, validation == "partner")
    genders = {name: gender for name, _, gender in people}
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for gender in ("female", "male", "other"):
        found = [sum(genders[s] == gender for s in fold.test) for fold in folds]
        assert max(found) - min(found) <= 1, gender
    random.shuffle(people)
    assert protocol.folds(table(*people), validation, groups=count, seed=seed) == folds


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abcdefgh", min_size=1, max_size=4), st.sampled_from(["", "1", "2", "3", "4", "5"]),
                  st.sampled_from(["female", "male"])),
        min_size=8, max_size=20, unique_by=lambda row: row[0],
    ),
    st.integers(0, 99),
)  # fmt: skip
def test_who_talked_to_each_other_is_in_one_group(people, seed):
    data = table(*people)
    try:
        groups = protocol.draw_groups(data, 3, seed)
    except ProtocolError as error:
        assert "stay together" in str(error)
        return
    for session in "12345":
        together = {name for name, where, _ in people if where == session}
        assert sum(bool(together & set(group)) for group in groups) <= 1
    assert sorted(s for group in groups for s in group) == sorted(name for name, _, _ in people)


def test_each_seed_draws_other_groups_and_an_unrelated_seed_means_nothing_without_them():
    many = table(*[(f"{n:04d}", "", "female" if n < 43 else "male") for n in range(91)])
    assert len({frozenset(protocol.draw_groups(many, 10, seed)) for seed in range(20)}) == 20
    assert protocol.folds(EMODB, seed=1) == protocol.folds(EMODB, seed=2)


def test_the_draw_is_the_same_on_every_machine():
    assert protocol.draw_groups(EMODB, 4, 1) == [("09", "11", "16"), ("03", "08", "10"), ("14", "15"), ("12", "13")]


@pytest.mark.parametrize(("groups", "trainings"), [(3, 3), (4, 2), (5, 4), (6, 3), (7, 5), (10, 5)])
def test_pairs_share_their_training_and_of_an_odd_number_three_go_round(groups, trainings):
    folds = protocol.folds(EMODB, groups=groups)
    assert len({fold.train for fold in folds}) == trainings
    times = Counter(frozenset([fold.test, fold.validation]) for fold in folds)
    assert sorted(times.values()) == [1] * (groups % 2 * 3) + [2] * ((groups - groups % 2 * 3) // 2)


# --- sessions


def test_a_session_is_left_out_at_a_time():
    folds = protocol.folds(IEMOCAP, split="sessions")
    assert [fold.test for fold in folds] == [(f"Ses0{n}F", f"Ses0{n}M") for n in range(1, 6)]
    check_folds(folds, sorted(IEMOCAP["speaker"].unique()))
    assert folds[0].validation == folds[1].test and folds[1].validation == folds[0].test
    assert [folds[place].validation for place in (2, 3, 4)] == [folds[place].test for place in (3, 4, 2)]


# --- a division of one's own


def own(column, *rows):
    """Rows of (speaker, session, what the column says), two utterances each."""
    data = table(*[(speaker, session, "female") for speaker, session, _ in rows])
    return data.assign(**{column: [said for _, _, said in rows for _ in range(2)]})


def test_the_column_fold_is_taken():
    rows = [("a", "", "2"), ("b", "", "1"), ("c", "", "10"), ("d", "", "1")]
    rows += [(f"x{n}", "", str(n)) for n in range(3, 10)]
    folds = protocol.folds(own("fold", *rows), split="fold")
    check_folds(folds, sorted(speaker for speaker, _, _ in rows))
    assert folds[0].test == ("b", "d") and folds[1].test == ("a",) and folds[9].test == ("c",)
    assert folds[0].validation == ("a",) and folds[1].validation == ("b", "d")


def test_the_column_part_is_taken():
    data = own("part", ("a", "", "train"), ("b", "", "Dev"), ("c", "", "test"), ("d", "", "TRAIN"))
    (fold,) = protocol.folds(data, split="part")
    assert fold == protocol.Fold(1, ("c",), ("b",), ("a", "d"))
    with pytest.raises(ProtocolError, match="fold 2 does not exist: the column `part` makes 1 fold, so only fold 1"):
        protocol.fold(data, 2, split="part")


def test_who_chooses_nothing_needs_nobody_to_validate():
    data = own("part", ("a", "", "train"), ("c", "", "test"))
    with pytest.raises(ProtocolError, match=r"nobody in validation.*move some speakers of train"):
        protocol.folds(data, split="part")
    (fold,) = protocol.folds(data, split="part", chooses=False)
    assert fold.validation == () and "nobody validates" in protocol.describe([fold], split="part")


def test_validation_and_test_may_share_a_session_as_in_leave_one_speaker_out():
    data = own("part", ("a", "", "train"), ("b", "1", "validation"), ("c", "1", "test"))
    assert protocol.folds(data, split="part")[0].train == ("a",)


FIVE = [("a", "", "1"), ("b", "", "2"), ("c", "", "3"), ("d", "", "1")]


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (EMODB, {"groups": 2}, "2 groups are too few.*at least 3"),
        (EMODB, {"groups": 11}, "11 groups cannot be made of 10 speakers. Ask for at most 10"),
        (IEMOCAP, {"groups": 6}, "make 5 units, because the speakers of a session stay together.*leave `session` empty"),
        (EMODB, {"groups": 3, "validation": "next"}, "groups 3.*at least 4 are needed.*there are 3"),
        (EMODB, {"split": "sessions"}, "a session at a time, but these speakers have none: 03, 08, .* and 5 more"),
        (table(("a", "1", "male"), ("b", "2", "male")), {"split": "sessions"}, "at least 3 are needed.*there are 2"),
        (EMODB, {"split": "part"}, "a column `part` of your table, which there is not"),
        (EMODB, {"split": "fold"}, "a column `fold` of your table, which there is not"),
        (own("fold", *FIVE, ("e", "", "0")), {"split": "fold"}, r"must hold 1, 2, 3 .* '0' \(e_0\), '0' \(e_1\)"),
        (own("fold", *FIVE, ("e", "", "")), {"split": "fold"}, r"'empty' \(e_0\)"),
        (own("fold", *FIVE, ("e", "", "5")), {"split": "fold"}, "goes to 5, but nobody is in fold 4"),
        (own("fold", *FIVE, ("e", "", "9" * 30)), {"split": "fold"}, "nobody is in fold 4"),
        (own("fold", ("a", "", "1"), ("b", "", "2")), {"split": "fold"}, "at least 3 are needed.*there are 2"),
        (own("fold", *FIVE).assign(fold=[*"11223321"]), {"split": "fold"}, r"have several: d \(1 and 2\)"),
        (own("fold", *FIVE, ("e", "s", "1"), ("f", "s", "2")), {"split": "fold"}, "splits session s.*e in 1, f in 2"),
        (own("part", ("a", "", "train"), ("b", "", "tset")), {"split": "part"}, r"'tset' \(b_0\)"),
        (own("part", ("a", "", "dev"), ("b", "", "test")), {"split": "part"}, "nobody in train"),
        (own("part", ("a", "", "dev"), ("b", "", "train")), {"split": "part"}, "nobody in test"),
        (
            own("part", ("a", "", "train"), ("b", "", "dev"), ("c", "", "test")).assign(part=["train", "test"] * 3),
            {"split": "part"}, r"a speaker belongs into one `part`.*a \(test and train\)",
        ),
        (
            own("part", ("a", "s", "train"), ("b", "s", "test"), ("c", "", "dev")),
            {"split": "part"}, "splits session s, whose speakers talked to each other: a in train, b in test",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused_with_a_reason(data, settings, message):
    with pytest.raises(ProtocolError, match=message):
        protocol.folds(data, **settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "10 folds: each tests a speaker; the partner validates, 8 speakers train; 5 trainings"),
        (
            {"groups": 4},
            "4 folds: each tests a group of 2 to 4 speakers, drawn by the seed from the names; the partner (2 to 4 speakers)"
            " validates, 4 to 6 speakers train; 2 trainings",
        ),
        (
            {"split": "sessions"},
            "5 folds: each tests a session of 2 speakers; the partner (2 speakers) validates, 6 speakers train; 4 trainings",
        ),
    ],
)
def test_what_was_taken_is_said(settings, text):
    assert protocol.describe(protocol.folds(IEMOCAP, **settings), **settings) == text


@pytest.mark.parametrize(("settings", "last"), [({"groups": 4}, 4), ({"split": "sessions"}, 5)])
def test_a_number_out_of_range_is_refused(settings, last):
    with pytest.raises(ProtocolError, match=f"fold {last + 1} does not exist: .* so folds 1 to {last}"):
        protocol.fold(IEMOCAP, last + 1, **settings)
