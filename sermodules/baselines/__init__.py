"""What the paper is compared with, under the same folds and metrics.

A baseline is a model name like any other: ``RunConfig.create(model="svm_compare", ...)``. It prepares its own features and
trains in its own way; the fold, the utterances and the scores are those of every run. (The two ACRNN configurations are
networks of `sermodules.models`.)
"""

import abc
import importlib

#: Where each baseline is.
BASELINES = {
    "cnn_lstm_vtlp": "sermodules.baselines.cnn_lstm:CnnLstmVtlp",
    "dnn_elm": "sermodules.baselines.dnn_elm:DnnElm",
    "svm_compare": "sermodules.baselines.svm:SvmCompare",
    "svm_egemaps": "sermodules.baselines.svm:SvmEgemaps",
    "majority": "sermodules.baselines.chance:Majority",
    "stratified": "sermodules.baselines.chance:Stratified",
}


class Baseline(abc.ABC):
    """A method that is not a network of `sermodules.models`.

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.
    """

    def __init__(self, config, classes):
        self.config, self.classes = config, classes

    @classmethod
    @abc.abstractmethod
    def prepare(cls, config, table=None):
        """Make the parts of a fold, with this method's own inputs, as `training.prepare` does: a `FoldData`."""

    @abc.abstractmethod
    def fit(self, data, config, report=True):
        """Learn from ``data.train``; choose what there is to choose on ``data.validation``; return a `Fitted`."""

    @abc.abstractmethod
    def logits(self, part):
        """Return an array (segments of the part, classes) whose softmax is the posterior of each segment."""

    @abc.abstractmethod
    def parameters(self):
        """Return a data frame with a row a step: ``layer``, ``output`` (a shape, as text) and ``parameters``."""


def get(name):
    """Return the class of a baseline.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.

    Returns
    -------
    type
        A subclass of `Baseline`.
    """
    module, _, attribute = BASELINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
