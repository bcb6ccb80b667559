"""What passes from one step of a run to the next: the parts of a fold."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sermodules import corpora, features
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.folds import gender, protocol, voices
from sermodules.folds.gender import INPUT
from sermodules.folds.segments import FRAMES, SpeakerStandardiser, Standardiser

#: The parts of a fold.
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """The segments of some speakers, as a model takes them.

    Attributes
    ----------
    table : pandas.DataFrame
        The utterances.
    segments : pandas.DataFrame
        From `segments.cut`, n rows; for a model that takes whole utterances, a row an utterance.
    inputs : dict of str to numpy.ndarray
        What the model takes, n rows each. For a network ``log_mel`` (n, 300, 40, 3) float32, and as the configuration asks
        ``gender`` (n, 1) int32 (0 female, 1 male) and ``mask`` (n, 300) bool.
    labels : numpy.ndarray of int32, shape (n,)
        Index of each segment's class.
    offset : numpy.ndarray, shape (n, classes), optional
        Added to the model's logits (``gender="prior_shift"``).
    """

    table: pd.DataFrame
    segments: pd.DataFrame
    inputs: dict
    labels: np.ndarray
    offset: np.ndarray | None = None


@dataclass(frozen=True)
class FoldData:
    """All that a run reads: the fold, its three parts, and what was learned from the training part alone.

    `features` are the log-Mels of all utterances and `standardiser` their statistics (None for baselines with features of
    their own); with ``standardise="speaker"`` each speaker has statistics of their own. `notes` are scores of the preparation
    itself, which go into the run's metrics.
    """

    fold: protocol.Fold
    classes: list
    train: Part
    validation: Part
    test: Part
    corpus_digest: str
    standardiser: Standardiser | SpeakerStandardiser | None = None
    features: object = None
    notes: dict = field(default_factory=dict)


def split(config, table=None, fold=None):
    """Load a corpus and divide its utterances among the parts of a fold.

    Parameters
    ----------
    config : RunConfig
    table : pandas.DataFrame, optional
        The corpus, if it is loaded already.
    fold : protocol.Fold, optional
        Who is learned from, who chooses, who is tested; by the configuration unless given.

    Returns
    -------
    table : pandas.DataFrame
        The whole corpus.
    fold : protocol.Fold
    classes : list of str
    tables : dict of str to pandas.DataFrame
        The utterances of ``train``, ``validation`` and ``test``, without those that are enrolled (`voices.enrolled`).

    Raises
    ------
    CorpusError, ProtocolError
        If the corpus is missing, or the fold does not exist or cannot be made, or ``config.gender`` needs what a speaker's
        gender is not, or a speaker has too few recordings to be enrolled.
    """
    if table is None:
        table = corpora.load(**config.reading)
    gender.check(config.gender, table)
    fold = protocol.fold(table, config.fold, **config.division) if fold is None else fold
    known = [name for names in voices.enrolled(table, config).values() for name in names]
    judged = table[~table["utterance"].isin(known)] if known else table
    tables = {name: judged[judged["speaker"].isin(getattr(fold, name))] for name in PARTS}
    return table, fold, corpora.classes(table), tables


def whole_utterances(table):
    """List the utterances of a table as one segment each, for methods that take an utterance as a whole.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    pandas.DataFrame
        The columns of `segments.cut`, one row an utterance, in the table's order. ``start`` is 0 and ``frames`` is the
        length of the whole utterance in frames of 25 ms every 10 ms, which may be more than 300. It is 1 where the table
        does not know the duration.
    """
    samples = (table["duration"].fillna(0) * SAMPLE_RATE).round().astype(int)
    frames = 1 + (samples - features.FRAME).clip(lower=0) // features.FRAME_HOP
    rows = table[["utterance", "speaker", "gender", "emotion"]].reset_index(drop=True)
    rows.insert(1, "start", 0)
    rows.insert(2, "frames", frames.to_numpy())
    return rows


def class_indices(rows, classes):
    """Return the index of each row's ``emotion`` in `classes`, as int32; -1 where nobody knows it."""
    return rows["emotion"].map({name: i for i, name in enumerate(classes)}).fillna(-1).to_numpy(np.int32)


def random_part(config, count, classes=4):
    """Make segments of random numbers, to measure a network without a corpus: a step takes as long with them as with speech.

    Parameters
    ----------
    config : RunConfig
        Says which inputs its network takes; the seed draws the numbers.
    count : int
    classes : int

    Returns
    -------
    Part
        Without a table and segments.
    """
    rng = np.random.default_rng(config.seed)
    inputs = {"log_mel": rng.standard_normal((count, FRAMES, features.BANDS, features.CHANNELS), dtype=np.float32)}
    if config.gender in INPUT:
        inputs["gender"] = rng.integers(0, 2, (count, 1), dtype=np.int32)
    if config.padding == "masked":
        inputs["mask"] = np.ones((count, FRAMES), bool)
    return Part(None, None, inputs, rng.integers(0, classes, count, dtype=np.int32))
