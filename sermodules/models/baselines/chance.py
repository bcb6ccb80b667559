"""What is right by chance: the floor under every other result."""

import hashlib
import time

import numpy as np
import pandas as pd

from sermodules import corpora
from sermodules.corpora import unusable
from sermodules.folds.parts import PARTS, FoldData, Part, class_indices, split, whole_utterances
from sermodules.models.method import Method, without_epochs

#: Least posterior of a class, before they are scaled to sum to 1. Its logarithm is finite, so every loss is.
FLOOR = 1e-6


class WithoutAudio(Method):
    """A method that hears nothing itself. A subclass says by `part` what it takes of an utterance."""

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold, a row an utterance; see `Method.prepare`.

        The audio is checked all the same, so that these models accept the corpora that the others accept.
        """
        table, fold, classes, tables = split(config, table, fold)
        unusable.check(table)
        parts = (cls.part(config, tables[name], classes) for name in PARTS)
        return FoldData(fold, classes, *parts, corpora.digest(table))


class _Shares(WithoutAudio):
    """A method that knows only how frequent each class is in training.

    Attributes
    ----------
    counts : numpy.ndarray of int, shape (classes,)
        Training utterances of each class, after `fit`.
    """

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings, which nobody listens to; see `Method.part`."""
        rows = whole_utterances(table)
        return Part(table, rows, {}, class_indices(rows, classes))

    def fit(self, data, config, verbose=True, previous=None):
        """Count the classes of the training utterances."""
        began = time.perf_counter()
        self.counts = np.bincount(data.train.labels, minlength=self.classes)
        if verbose:
            shares = zip(data.classes, self.shares, strict=True)
            print("training utterances: " + ", ".join(f"{100 * share:.1f} % {name}" for name, share in shares))
        return without_epochs(self, data, config, began)

    def learned(self):
        """Return the counts; see `Method.learned`."""
        return {"counts": self.counts}

    def restore(self, arrays):
        """Take back what `learned` returned."""
        self.counts = arrays["counts"]

    @property
    def shares(self):
        """Share of each class among the training utterances, shape (classes,), summing to 1."""
        return self.counts / self.counts.sum()

    def parameters(self):
        """Return one row: the shares of the classes."""
        return pd.DataFrame([("training shares", f"({self.classes},)", self.classes)], columns=_COLUMNS)


_COLUMNS = ["layer", "output", "parameters"]


class Majority(_Shares):
    """Always the most frequent class of the training utterances.

    The posteriors are the shares of the classes in training, the same for every utterance, at least `FLOOR`. So the loss is
    the best that is possible without hearing anything. Of equally frequent classes the first is taken. It is
    ``sklearn.dummy.DummyClassifier(strategy="prior")``.

    The UAR is exactly 1/k on a speaker who has k classes, or 0 if the speaker lacks the most frequent one. The WA is that
    class's share among the speaker's utterances. The seed means nothing.

    There is no source: it is the usual floor. Open: "most frequent" is counted in utterances, not in segments.
    """

    def logits(self, part):
        """Return the logarithm of the shares for each utterance, shape (n, classes)."""
        return np.tile(np.log(np.maximum(self.shares, FLOOR)), (len(part.segments), 1))


class Stratified(_Shares):
    """Draws a class for each utterance, with the shares of the classes in training.

    The expected recall of a class is its share in training, so the expected UAR is 1/k on a speaker who has all k classes,
    whatever the shares. A single draw scatters widely, as a speaker has few utterances: the scatter over seeds shows how
    far from 1/k a UAR may lie by chance.

    The draw is a function of the seed and the utterance's name alone: the first 48 bits of their SHA-256 are a number
    between 0 and 1, which is looked up in the cumulated shares. So it does not depend on the order of the utterances, on
    which others are there, or on the version of a random generator. (scikit-learn's
    ``DummyClassifier(strategy="stratified")`` draws by position.) The class that was drawn has nearly all the posterior,
    every other class `FLOOR`: the loss is high, as that of a guess presented as a certainty should be.

    There is no source: it is the usual floor. Open: shares are counted in utterances, not in segments.
    """

    def logits(self, part):
        """Return the logarithms of 1 - (classes - 1) `FLOOR` for the class drawn and `FLOOR` for others, shape (n, classes)."""
        numbers = [fraction(self.config.seed, name) for name in part.segments["utterance"]]
        drawn = np.searchsorted(np.cumsum(self.counts) / self.counts.sum(), numbers, side="right")
        posteriors = np.full((len(drawn), self.classes), FLOOR)
        posteriors[np.arange(len(drawn)), drawn] = 1 - (self.classes - 1) * FLOOR
        return np.log(posteriors)


def fraction(seed, utterance):
    """Return a number from 0 to below 1, uniform over seeds and over utterances: a draw that depends on nothing else."""
    digest = hashlib.sha256(f"{seed} {utterance}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
