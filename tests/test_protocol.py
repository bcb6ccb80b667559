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
        (1, "Ses01F", "Ses01M"), (2, "Ses01M", "Ses01F"), (3, "Ses02F", "Ses02M"),
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
        assert fold.validation not in (fold.test, protocol.partners(IEMOCAP)[fold.test])
    assert protocol.folds(IEMOCAP, "next")[9].validation == "Ses01F"  # after the last comes the first


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
    assert [f.test for f in folds] == everyone
    for fold in folds:
        assert sorted([fold.test, fold.validation, *fold.train]) == everyone
    shuffled = data.sample(frac=1, random_state=0)
    assert protocol.folds(shuffled, validation) == folds
