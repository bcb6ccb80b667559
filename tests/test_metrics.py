import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from sermodules import metrics

CLASSES = ["angry", "sad", "happy", "neutral"]
TRUE = ["angry"] * 4 + ["sad"] * 2 + ["neutral"] * 4
PREDICTED = ["angry", "angry", "angry", "sad"] + ["sad", "neutral"] + ["neutral"] * 4


def test_by_hand():
    matrix = metrics.confusion(TRUE, PREDICTED, CLASSES)
    assert matrix.to_numpy().tolist() == [[3, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 4]]
    rates = metrics.recalls(matrix)
    assert rates.drop("happy").tolist() == [0.75, 0.5, 1.0] and math.isnan(rates["happy"])
    assert metrics.uar(matrix) == pytest.approx(0.75)  # the mean of three recalls: nobody was happy
    assert metrics.wa(matrix) == pytest.approx(0.8)


def test_summary_says_which_classes_it_covers():
    summary = metrics.summarise(TRUE, PREDICTED, CLASSES)
    assert summary["covered"] == ["angry", "sad", "neutral"] and summary["recalls"]["happy"] is None
    assert summary["n"] == 10 and summary["classes"] == CLASSES


def test_nothing_to_score():
    matrix = metrics.confusion([], [], CLASSES)
    assert math.isnan(metrics.uar(matrix)) and math.isnan(metrics.wa(matrix))


def test_strange_class_is_named():
    with pytest.raises(ValueError, match="bored"):
        metrics.confusion(["bored"], ["sad"], CLASSES)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=40))
def test_agrees_with_scikit_learn(pairs):
    true, predicted = zip(*pairs, strict=True)
    matrix = metrics.confusion(true, predicted, CLASSES)
    assert metrics.wa(matrix) == pytest.approx(accuracy_score(true, predicted))
    seen = [c for c in CLASSES if c in true]
    by_hand = np.mean([np.mean([p == c for t, p in pairs if t == c]) for c in seen])
    assert metrics.uar(matrix) == pytest.approx(by_hand)
    if set(predicted) <= set(true):
        assert metrics.uar(matrix) == pytest.approx(balanced_accuracy_score(true, predicted))


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        ([2.0, 1.0], 0),
        ([2.0, 1.0, 2.0], 1),
        ([2.0, 1.0, 3.0, 2.5], 1.5),
        ([1.0], 0),
        ([1.0, 1.0], 0),
        ([1.0, 2.0], np.inf),
    ],
)
def test_loss_regained_by_hand(loss, share):
    assert metrics.loss_regained(pd.DataFrame({"loss": loss})) == share
