"""People as a yardstick: what those who heard a recording said, and what their answers tell of the emotion asked for."""

import abc
import time

import numpy as np
import pandas as pd

from sermodules.corpora import hearing
from sermodules.errors import TrainingError
from sermodules.folds.parts import Part, class_indices, whole_utterances
from sermodules.models import estimators
from sermodules.models.baselines.chance import FLOOR, WithoutAudio, fraction
from sermodules.models.method import without_epochs


class _Answers(WithoutAudio):
    """A method whose input, ``answers``, is what people answered: shares of listeners, float32, a row an utterance."""

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings that people have judged; see `Method.part`.

        Raises
        ------
        CorpusError
            If the table does not say what people heard.
        """
        rows = whole_utterances(table)
        counts = cls._counts(hearing.answers(table, config.corpus), config, classes).to_numpy(np.float64)
        total = counts.sum(axis=1, keepdims=True)
        shares = np.where(total > 0, counts / np.maximum(total, 1), 1 / counts.shape[1])
        return Part(table, rows, {"answers": shares.astype(np.float32)}, class_indices(rows, classes))

    @classmethod
    @abc.abstractmethod
    def _counts(cls, answers, config, classes):
        """Return the answers that count, from those of `hearing.answers`."""


class Listeners(_Answers):
    """What people said who heard the recording: it learns nothing.

    The posteriors are the shares of the listeners' answers, those that name one of the classes; equal shares where none does.
    What counts as predicted is the class with most answers. Of equals one is drawn, by the seed and the utterance's name alone:
    the first of them would be the emotion that was asked for more often than by chance, because listeners answer "neutral"
    where they hear nothing, and neutral stands last. The drawn class has a `FLOOR` more.

    People chose among more classes than are scored, did not know the speakers and got no feedback. A system has learned from
    other speakers of the same corpus.
    """

    @classmethod
    def _counts(cls, answers, config, classes):
        return hearing.by_class(answers, hearing.labels_of(config.classes, classes))

    def fit(self, data, config, verbose=True, previous=None):
        """Learn nothing."""
        return without_epochs(self, data, config, time.perf_counter())

    def logits(self, part):
        """Return the logarithm of the shares, at least `FLOOR`, for each utterance, shape (n, classes)."""
        shares = np.maximum(_float64(part), FLOOR)
        for row, name in zip(shares, part.segments["utterance"], strict=True):
            equals = np.flatnonzero(row == row.max())
            row[equals[int(fraction(self.config.seed, name) * len(equals))]] += FLOOR
        return np.log(shares)

    def learned(self):
        """Return nothing; see `Method.learned`."""
        return {}

    def restore(self, arrays):
        """Take back nothing."""

    def parameters(self):
        """Return one row: nothing is learned."""
        return pd.DataFrame([("answers", f"({self.classes},)", 0)], columns=_COLUMNS)


class ListenersDecoded(_Answers):
    """What the answers of people tell of the emotion that was asked for: they are given the training that a system has had.

    A multinomial logistic regression goes from the shares of all answers, those outside the classes included, to the class.
    It learns from the training speakers, as every system does, with errors weighted by n / (k n_class) so that classes count
    the same. It is scikit-learn's ``LogisticRegression(class_weight="balanced")`` with its C of 1. Nothing is chosen on the
    validation speakers.

    Listeners answer "neutral" too often. This knows how often, and what else they say when somebody was asked to be sad.

    There is no source. Open: C. The seed means nothing.

    Attributes
    ----------
    machine : sklearn.linear_model.LogisticRegression
        After `fit`.
    """

    @classmethod
    def _counts(cls, answers, config, classes):
        return answers

    def fit(self, data, config, verbose=True, previous=None):
        """Learn from the answers on the training speakers.

        Raises
        ------
        TrainingError
            If the training speakers have one class only.
        """
        began = time.perf_counter()
        if len(np.unique(data.train.labels)) < 2:
            raise TrainingError(f"the training speakers of fold {data.fold.number} have one class only")
        self.machine = self._machine().fit(_float64(data.train), data.train.labels)
        return without_epochs(self, data, config, began)

    def _machine(self):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(class_weight="balanced", max_iter=1000)

    def logits(self, part):
        """Return the logarithm of the posteriors for each utterance, shape (n, classes)."""
        result = np.full((len(part.labels), self.classes), np.log(FLOOR))
        result[:, self.machine.classes_] = self.machine.predict_log_proba(_float64(part))
        return np.maximum(result, np.log(FLOOR))

    def learned(self):
        """Return weights and offsets; see `Method.learned`."""
        return estimators.learned(self.machine, "regression")

    def restore(self, arrays):
        """Take back what `learned` returned."""
        self.machine = estimators.restore(self._machine(), "regression", arrays)

    def parameters(self):
        """Return one row: a weight for each answer and class, and an offset a class."""
        choices = self.machine.coef_.shape[1] if hasattr(self, "machine") else 0
        return pd.DataFrame(
            [("linear function a class", f"({self.classes},)", self.classes * (choices + 1))], columns=_COLUMNS
        )


def _float64(part):
    return part.inputs["answers"].astype(np.float64)


_COLUMNS = ["layer", "output", "parameters"]
