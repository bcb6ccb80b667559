"""What learns: the interface of every method, and how its outputs become predictions."""

import abc
import importlib
import random
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sermodules import metrics
from sermodules.config import METHODS
from sermodules.folds import segments


@dataclass(frozen=True)
class Fitted:
    """What training left.

    Attributes
    ----------
    history : pandas.DataFrame
        A row an epoch: ``epoch, loss, val_loss, val_uar, val_wa``. A method without epochs has one row.
    best_epoch : int
        The epoch whose weights the method holds now.
    seconds : float
        What the training took.
    reused : float
        How many of these seconds were spent in an earlier run that trained the same network; see `epochs.train`.
    """

    history: pd.DataFrame
    best_epoch: int
    seconds: float
    reused: float = 0.0


class Method(abc.ABC):
    """Anything that learns from a fold and predicts: a network, a support vector machine, a guess.

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.
    """

    def __init__(self, config, classes):
        self.config, self.classes = config, classes

    @staticmethod
    def begin(config):
        """Put the process into the state in which a run begins, before the method is made; a network needs more than seeds."""
        random.seed(config.seed)
        np.random.seed(config.seed)  # noqa: NPY002 - of libraries that draw from it

    @classmethod
    @abc.abstractmethod
    def prepare(cls, config, table=None, fold=None):
        """Load the corpus and make the parts of a fold, with this method's own inputs.

        Parameters
        ----------
        config : RunConfig
        table : pandas.DataFrame, optional
            The corpus, if it is loaded already.
        fold : protocol.Fold, optional
            See `sermodules.folds.parts.split`.

        Returns
        -------
        FoldData

        Raises
        ------
        CorpusError, AudioError, ProtocolError, StoreError
            If the corpus is missing, an audio file cannot be used, the fold does not exist, or the cache cannot be written.
        """

    @classmethod
    @abc.abstractmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings that are to be predicted, as `prepare` makes the test part.

        Parameters
        ----------
        config : RunConfig
        table : pandas.DataFrame
            Utterance table. Its emotions may be empty; speakers count with ``standardise="speaker"`` alone.
        classes : list of str
        standardiser : Standardiser, optional
            That of the `FoldData` from which the method learned.

        Returns
        -------
        Part

        Raises
        ------
        AudioError, StoreError
            If an audio file cannot be used, or the cache cannot be written.
        """

    @abc.abstractmethod
    def fit(self, data, config, verbose=True, previous=None):
        """Learn from ``data.train`` and choose on ``data.validation``; never look at ``data.test``.

        Parameters
        ----------
        data : FoldData
        config : RunConfig
        verbose : bool
            Print how training goes.
        previous : reuse.Previous, optional
            What this process trained last, for methods that train in epochs.

        Returns
        -------
        Fitted

        Raises
        ------
        TrainingError
            If training cannot go on.
        """

    @abc.abstractmethod
    def logits(self, part):
        """Return an array (segments of the part, classes) whose softmax is the posterior of each segment."""

    @abc.abstractmethod
    def learned(self):
        """Return what `fit` has left besides the weights of a network, as a dict of str to numpy.ndarray without objects."""

    @abc.abstractmethod
    def restore(self, arrays):
        """Take back what `learned` returned: with it, and the weights of a network, `logits` gives what it gave."""

    @abc.abstractmethod
    def parameters(self):
        """Return a data frame with a row a step: ``layer``, ``output`` (a shape, as text) and ``parameters``."""

    def take_spare(self):  # noqa: B027 - most methods have nothing that could be spare
        """Go on with what an earlier run of this process gave back, if it is like the method's own; see `give_back`."""

    def give_back(self):  # noqa: B027
        """Leave to the next run what is dear to make. The method can do no more, and nobody may hold its parts."""


def resolve(name):
    """Return the class of a method.

    Parameters
    ----------
    name : str
        A key of `sermodules.config.METHODS`.

    Returns
    -------
    type
        A subclass of `Method`.
    """
    module, _, attribute = METHODS[name].cls.partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(config, classes):
    """Make the method of a configuration, with its initial weights drawn from the configuration's seed.

    See chapter "One fold".

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.

    Returns
    -------
    Method
        Of one that trains a network, ``network`` is the `keras.Model`.

    Raises
    ------
    TrainingError
        If this process has computed with another number of threads.

    Examples
    --------
    >>> from sermodules import models
    >>> from sermodules.config import RunConfig
    >>> models.build(RunConfig.create(model="majority"), 4)
    <sermodules.models.baselines.chance.Majority object at 0x...>
    """
    method = resolve(config.model)
    method.begin(config)
    made = method(config, classes)
    made.take_spare()
    return made


def logits(method, part):
    """Run a method over the segments of a part.

    See chapter "One fold".

    Parameters
    ----------
    method : Method
    part : Part
        n segments.

    Returns
    -------
    numpy.ndarray, shape (n, classes)
        With ``part.offset`` added, if there is one.

    Examples
    --------
    A method that has seen three sad utterances and a happy one, and is asked about another.

    >>> import numpy as np, pandas as pd
    >>> from sermodules import models
    >>> from sermodules.config import RunConfig
    >>> from sermodules.folds.parts import Part
    >>> method = models.build(RunConfig.create(model="majority"), 2)
    >>> method.counts = np.array([3, 1])  # training does so
    >>> part = Part(None, pd.DataFrame({"utterance": ["a"]}), {}, np.array([1]))
    >>> np.exp(models.logits(method, part)).round(3).tolist()
    [[0.75, 0.25]]
    """
    outputs = method.logits(part)
    return outputs if part.offset is None else outputs + part.offset


def predict(method, part, classes, pooling="max"):
    """Predict the utterances of a part.

    See chapter "One fold".

    Parameters
    ----------
    method : Method
    part : Part
    classes : list of str
    pooling : str
        See `segments.pool`.

    Returns
    -------
    pandas.DataFrame
        One row an utterance: ``utterance, speaker, gender, true, predicted`` and a column of posteriors for each class, see
        `metrics.posterior_columns`.
    loss : float
        Mean cross-entropy of the segments.

    Examples
    --------
    A method that has seen three sad utterances and a happy one, and is asked about another: -ln(1/4) is its loss.

    >>> import numpy as np, pandas as pd
    >>> from sermodules import models
    >>> from sermodules.config import RunConfig
    >>> from sermodules.folds.parts import Part
    >>> method = models.build(RunConfig.create(model="majority"), 2)
    >>> method.counts = np.array([3, 1])  # training does so
    >>> row = {"utterance": "a", "speaker": "F1", "gender": "female", "emotion": "happy"}
    >>> table = pd.DataFrame([row])  # one segment: the utterance itself
    >>> part = Part(table, table, {}, np.array([1]))
    >>> predictions, loss = models.predict(method, part, ["sad", "happy"])
    >>> predictions[["utterance", "true", "predicted"]].values.tolist(), round(loss, 3)
    ([['a', 'happy', 'sad']], 1.386)
    """
    outputs = logits(method, part).astype(np.float64)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(outputs)), part.labels]
    names, posteriors = segments.pool(outputs, part.segments["utterance"], pooling)
    table = part.table.set_index("utterance").loc[names]
    predictions = pd.DataFrame(
        {
            "utterance": names,
            "speaker": table["speaker"].to_numpy(),
            "gender": table["gender"].to_numpy(),
            "true": table["emotion"].to_numpy(),
            "predicted": [classes[i] for i in posteriors.argmax(axis=1)],
        }
    )
    shares = pd.DataFrame(posteriors, columns=metrics.posterior_columns(classes))
    return pd.concat([predictions, shares], axis=1), float(losses.mean())


def without_epochs(method, data, config, began):
    """Score a method that does not train in epochs: what its `fit` returns.

    Parameters
    ----------
    method : Method
        Ready to predict.
    data : FoldData
    config : RunConfig
    began : float
        `time.perf_counter` when training began.

    Returns
    -------
    Fitted
        With one row of history. Without validation speakers its scores of them are NaN.
    """
    _, loss = predict(method, data.train, data.classes, config.pooling)
    row = {"epoch": 1, "loss": loss, "val_loss": np.nan, "val_uar": np.nan, "val_wa": np.nan}
    if len(data.validation.labels):
        predictions, val_loss = predict(method, data.validation, data.classes, config.pooling)
        scores = metrics.summarise(predictions["true"], predictions["predicted"], data.classes)
        row |= {"val_loss": val_loss, "val_uar": scores["uar"], "val_wa": scores["wa"]}
    return Fitted(pd.DataFrame([row]), 1, time.perf_counter() - began)
