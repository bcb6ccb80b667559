"""One record a method: all that the rest of the package must know of it."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field

from sermodules.errors import ConfigError

_DATA = {
    "corpus", "emotions", "classes", "merge_excited", "scripted", "song", "duplicates", "unusable", "label", "validation",
    "split", "groups",
}  # fmt: skip
_RUN = {"model", "fold", "seed", "preset", "threads"}
_SCHEDULE = {"width", "learning_rate", "batch_size", "epochs", "patience", "precision"}
#: Settings of the features of baselines: they mean nothing to a network.
_BASELINES = {"level", "pitch_floor", "vectors", "svm_kernel", "svm_cost"}
_SVM = {"standardise", "svm_kernel", "svm_cost"}


@dataclass(frozen=True)
class MethodRecord:
    """What is known of a method before it is imported.

    Attributes
    ----------
    name : str
        In tables.
    line : str
        The line of the paper's Table 2 under which it stands. What that table does not have stands under its last line.
    cls : str
        Where its class is, a subclass of `sermodules.models.Method`: module, colon, name.
    brings : dict
        The settings that its name stands for. One that is given explicitly wins, so ``model2`` with ``attention="additive"``
        is Model 1. A setting that was ``added`` is not written into a run's record while it has the value that is brought.
    schedules : dict of str to dict
        Settings that it brings at one preset only: its own schedule at its own size.
    listens : frozenset of str or None
        The settings that mean something to it; others are refused if they are given another value than the default. None: all
        that mean something to a network. See `hears`.
    values : dict of str to tuple of str
        The values, the default first, of a setting that it listens to, where not all of them mean something to it.
    asks : tuple of str
        The settings without which it cannot do a run: they have no default that would do.
    chooses : bool
        Whether it chooses anything on the validation speakers, such as the epoch.
    needs : dict of str to str
        Packages that must be installed besides those of the project, each with how to get it.
    """

    name: str
    line: str
    cls: str
    brings: Mapping = field(default_factory=dict)
    schedules: Mapping = field(default_factory=dict)
    listens: frozenset | None = None
    values: Mapping = field(default_factory=dict)
    asks: tuple = ()
    chooses: bool = True
    needs: Mapping = field(default_factory=dict)

    def hears(self, name):
        """Tell whether a setting means something to the method."""
        return name not in _BASELINES if self.listens is None else name in self.listens


_NETWORK = "sermodules.models.cnn_bilstm:CnnBilstm"
_OPENSMILE = {
    "opensmile": "openSMILE, which is not installed: pip install opensmile==2.6.0. Its licence allows research, teaching and "
    "personal use, but nothing commercial; read it before you install."
}
# An SVM standardises each functional: there is no band, and no mean of all.
_BY_WHOM = {"standardise": ("band", "speaker")}

#: Every value of ``RunConfig.model``, in the order of the tables.
METHODS = {
    "model1": MethodRecord("Model 1", "Model 1", _NETWORK, {"attention": "additive"}),
    "model2": MethodRecord("Model 2", "Model 2", _NETWORK, {"attention": "seq_self"}),
    "acrnn": MethodRecord("ACRNN", "Model 2", _NETWORK, {"attention": "acrnn", "gender": "none"}),
    "acrnn_code": MethodRecord(
        "ACRNN as coded",
        "Model 2",
        _NETWORK,
        {
            "attention": "acrnn_code",
            "gender": "none",
            "normalise_waveform": False,
            "window": "rectangular",
            "segmentation": "acrnn_code",
            "pool": "2x4",
            "batch_norm": "batch",
            "optimizer": "adam",
            "class_weight": "undersample",
            "pooling": "max_logit",
        },
        # the code takes 5,000 minibatches and keeps the best weights; on IEMOCAP an epoch has about 20
        schedules={"paper": {"learning_rate": 1e-5, "batch_size": 60, "epochs": 250, "patience": 250}},
    ),
    "cnn_lstm_vtlp": MethodRecord(
        "CNN+LSTM, VTLP",
        "CNN-LSTM",
        "sermodules.models.baselines.cnn_lstm:CnnLstmVtlp",
        {"gender": "none", "optimizer": "sgd", "learning_rate": 0.01},
        listens=frozenset(_DATA | _RUN | _SCHEDULE | {"optimizer"}),
    ),
    "dnn_elm": MethodRecord(
        "DNN-ELM",
        "DNN-ELM",
        "sermodules.models.baselines.dnn_elm:DnnElm",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN | {"pitch_floor", "optimizer", "learning_rate", "epochs", "patience"}),
    ),
    "svm_compare": MethodRecord(
        "ComParE + SVM",
        "Model 2",
        "sermodules.models.baselines.svm:SvmCompare",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN | _SVM | {"level"}),
        values=_BY_WHOM,
        chooses=False,
        needs=_OPENSMILE,
    ),
    "svm_egemaps": MethodRecord(
        "eGeMAPS + SVM",
        "Model 2",
        "sermodules.models.baselines.svm:SvmEgemaps",
        {"gender": "none", "svm_cost": 0.01},
        listens=frozenset(_DATA | _RUN | _SVM | {"level"}),
        values=_BY_WHOM,
        chooses=False,
        needs=_OPENSMILE,
    ),
    "svm_vectors": MethodRecord(
        "Vectors + SVM",
        "Model 2",
        "sermodules.models.baselines.svm:SvmVectors",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN | _SVM | {"vectors"}),
        values=_BY_WHOM,
        asks=("vectors",),
        chooses=False,
    ),
    "listeners": MethodRecord(
        "Listeners",
        "Model 2",
        "sermodules.models.baselines.listeners:Listeners",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN),
        chooses=False,
    ),
    "listeners_decoded": MethodRecord(
        "Listeners, decoded",
        "Model 2",
        "sermodules.models.baselines.listeners:ListenersDecoded",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN),
        chooses=False,
    ),
    "majority": MethodRecord(
        "Majority class",
        "Model 2",
        "sermodules.models.baselines.chance:Majority",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN),
        chooses=False,
    ),
    "stratified": MethodRecord(
        "Stratified random",
        "Model 2",
        "sermodules.models.baselines.chance:Stratified",
        {"gender": "none"},
        listens=frozenset(_DATA | _RUN),
        chooses=False,
    ),
}


def require(model):
    """Make sure that what a method needs is installed.

    Parameters
    ----------
    model : str
        A key of `METHODS`.

    Returns
    -------
    dict of str to str
        The versions of the packages that it needs besides those of the project.

    Raises
    ------
    ConfigError
        If one is not installed; the message says which models need it and how to get it.
    """
    versions = {}
    for package, how in METHODS[model].needs.items():
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            models = [name for name, record in METHODS.items() if package in record.needs]
            raise ConfigError(f"the models {' and '.join(models)} need {how}") from None
    return versions
