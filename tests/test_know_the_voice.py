"""The study of what knowing a voice is worth: who is known from what, and that nothing judged has told anything of itself."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import script

from sermodules.folds import voices

CLASSES = ["angry", "sad", "happy", "neutral"]
SENTENCES = ["DFA", "IEO", "IOM", "ITH"]


@pytest.fixture(scope="module")
def study():
    module = script("know_the_voice")
    module.DRAWS = 2
    return module


@pytest.fixture
def corpus(study):
    """Return a corpus of 12 speakers whose functionals are voice plus emotion; the voices scatter more than the emotions."""
    rng = np.random.default_rng(1)
    rows = [
        (f"{speaker}_{sentence}_{emotion}_{level}", f"S{speaker:02d}", emotion, sentence)
        for speaker in range(12)
        for sentence in SENTENCES
        for emotion in CLASSES
        for level in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["utterance", "speaker", "emotion", "sentence"])
    table["gender"] = np.where(table["speaker"].str[-1].astype(int) % 2, "female", "male")
    voice = {who: rng.normal(0, 4, 6) for who in table["speaker"].unique()}
    shift = dict(zip(CLASSES, np.eye(4, 6) * 3, strict=True))
    values = np.stack([voice[row.speaker] + shift[row.emotion] + rng.normal(0, 1, 6) for row in table.itertuples()])
    made = object.__new__(study.Corpus)
    made.table, made.classes, made.values = table, CLASSES, values
    made.moments = voices.Moments(np.ones(len(values)), values, values**2)
    made.names, made.speakers = table["utterance"].to_numpy(), table["speaker"].to_numpy()
    made.sentences = table["sentence"].to_numpy()
    made.place = {name: place for place, name in enumerate(made.names)}
    made.genders = dict(zip(made.speakers, table["gender"], strict=True))
    made.emotions = dict(zip(made.names, table["emotion"], strict=True))
    made.labels = table["emotion"].map(CLASSES.index).to_numpy()
    return made


@pytest.fixture
def fold():
    names = [f"S{speaker:02d}" for speaker in range(12)]
    return SimpleNamespace(train=tuple(names[4:]), test=tuple(names[:4]), validation=())


@pytest.mark.parametrize(
    ("kind", "rule", "count"), [("speaker", "any", 5), ("centre", "neutral", 3), ("speaker", "all", 0)]
)
def test_what_is_known_comes_from_the_other_half_and_from_the_speaker(study, corpus, kind, rule, count):
    first = corpus.halves(seed=1)
    known = corpus.known(kind, rule, count, first, 1)
    for (speaker, half), places in known.items():
        assert len(places) == (count or 16) and (corpus.speakers[places] == speaker).all()
        assert (first[places] != half).all()
        judged = (corpus.speakers == speaker) & (first == half)
        assert not {*corpus.sentences[places]} & {*corpus.sentences[judged]}
        if rule == "neutral":
            assert (corpus.table["emotion"].to_numpy()[places] == "neutral").all()


def test_rules_of_six(study, corpus):
    mine = [name for name in corpus.names if corpus.emotions[name] and name.startswith("3_")]
    for rule, count in study.MIXED:
        drawn = [corpus.emotions[name] for name in study.known_of(mine, corpus.emotions, rule, count, 1)]
        assert len(drawn) == 6 and len({*drawn}) >= 1
        expected = {"angry": 0}.get(rule) if rule == "angry" else int(rule.split()[1])
        assert drawn.count("neutral") == expected
        if rule == "angry":
            assert {*drawn} == {"angry"}


def test_another_is_of_the_same_sex_and_nobody_is_known_by_themselves(study, corpus, fold):
    known = {(who, half): who for who in fold.test for half in (True, False)}
    for seed in range(5):
        for (who, _), other in study._exchanged(corpus, known, fold.test, seed).items():
            assert other != who and corpus.genders[other] == corpus.genders[who]


def test_balanced_answers_are_equal_in_number_and_the_likeliest(study):
    rng = np.random.default_rng(2)
    said = study.balanced(rng.normal(0, 1, (40, 4)))
    assert np.bincount(said).tolist() == [10, 10, 10, 10]
    clear = np.repeat(np.eye(4), 5, axis=0) * 9
    assert study.balanced(clear).tolist() == np.repeat(np.arange(4), 5).tolist()
    assert study.balanced(clear[:6]).tolist()[:2] == [0, 0] and len(study.balanced(clear[:6])) == 6


def test_every_condition_scores_every_recording_once_a_draw_and_a_voice_helps(study, corpus, fold):
    found = pd.concat(study.of_fold(corpus, fold))
    key = ["condition", "rule", "count", "form", "draw"]
    assert (found.groupby(key)[CLASSES].sum().sum(axis=1) == 4 * 32).all()
    once = {"plain", "balanced", "everything", "sex"}
    drawn = found[~found["condition"].isin(once)]
    assert {*drawn["draw"]} == {1, 2} and len(drawn.drop_duplicates(key)) == 2 * (3 + 2 * len(study.FEW))
    uar = study.summary(found, CLASSES).set_index(key[:-1])["uar"]
    plain = uar["plain", "", 0, "own"]
    assert uar["everything", "", 0, "own"] > plain + 10
    assert uar["half", "", 0, "own"] > uar["another", "", 0, "own"] + 10
    assert uar["speaker", "any", 1, "matched"] < uar["speaker", "any", 20, "matched"]
    assert uar["centre", "neutral", 3, "matched"] > plain


def test_training_speakers_in_the_matched_form_are_known_by_as_few(study, corpus, fold):
    first = corpus.halves(seed=1)
    train = corpus.of(fold.train)
    few = corpus.known("speaker", "any", 1, first, 1)
    learned, _ = study.learn(corpus, "speaker", few, train, first)
    left = study.standardised(corpus, learned, few, train, first)
    known = few["S05", True]
    expected = corpus.values[train] - corpus.values[known]  # one recording has no spread: the SD is 1
    rows = (corpus.speakers[train] == "S05") & first[train]
    np.testing.assert_allclose(left[rows], expected[rows])
