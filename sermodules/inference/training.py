"""A model for use: it learns from everybody but those who choose the epoch, so nobody is left to test it."""

import json
from pathlib import Path

from sermodules import corpora, models
from sermodules.folds import protocol
from sermodules.inference import card, keeping
from sermodules.paths import runs_root
from sermodules.runs import steps, store


def train(config, out=None, verbose=True):
    """Train a model for use, and not for a score.

    Parameters
    ----------
    config : RunConfig
        Its fold says who chooses the epoch; those whom the fold would test are learned from.
    out : path, optional
        In which folder the model gets its own; ``models/`` in the folder of runs unless given.
    verbose : bool
        Print a line an epoch.

    Returns
    -------
    pathlib.Path
        The folder of the model, for `sermodules.load`.

    Raises
    ------
    ConfigError, CorpusError, AudioError, ProtocolError, TrainingError, StoreError
        As a run; also if the model is a control, see `RunConfig.check_keeping`.
    """
    config.check_keeping(True)
    table = corpora.load(**config.reading)
    held = protocol.fold(table, config.fold, **config.division)
    everybody = protocol.Fold(held.number, (), held.validation, tuple(sorted({*held.train, *held.test})))
    data = steps.prepare(config, table, everybody)
    method = models.build(config, len(data.classes))
    fitted = steps.fit(method, data, config, verbose)
    facts, files = keeping.files(method, data, config)
    origin = steps.origin(data, config, fitted)
    files |= {
        keeping.CARD: card.write(config, facts, origin).encode(),
        "config.json": _json(config.record()),
        "provenance.json": _json(origin),
        "history.csv": fitted.history.to_csv(index=False, float_format="%.8f", lineterminator="\n").encode(),
    }
    return store.save_model(files, config.run_id, Path(out or runs_root() / "models"))


def _json(value):
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
