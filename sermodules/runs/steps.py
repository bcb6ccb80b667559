"""The steps of one run: a `RunConfig` in, a `RunResult` out.

`run` is the whole of it. The notebook ``book/one_fold.ipynb`` takes the same steps one by one, so it gets the same numbers.
"""

import time

from sermodules import corpora, metrics
from sermodules.config import METHODS
from sermodules.folds.parts import PARTS
from sermodules.models import method
from sermodules.models.reuse import PREVIOUS
from sermodules.runs import provenance, store


def prepare(config, table=None, fold=None):
    """Load the corpus, extract the features and make the three parts of a fold; see `Method.prepare`.

    Parameters
    ----------
    config : RunConfig
    table : pandas.DataFrame, optional
        The corpus, if it is loaded already.
    fold : protocol.Fold, optional
        Who is learned from, who chooses, who is tested; by the configuration unless given.

    Returns
    -------
    FoldData

    Raises
    ------
    CorpusError, AudioError, ProtocolError, StoreError
        If the corpus is missing, an audio file cannot be used, the fold does not exist, or the cache cannot be written.
    """
    return method.resolve(config.model).prepare(config, table, fold)


def fit(model, data, config, verbose=True, previous=PREVIOUS):
    """Train a model and leave it with the weights of its best epoch; see `Method.fit`.

    Parameters
    ----------
    model : Method
        From `models.build`; changed in place.
    data : FoldData
    config : RunConfig
    verbose : bool
        Print a line an epoch.
    previous : reuse.Previous or None
        What was trained before: a network whose training is the same is not trained again. None forgets.

    Returns
    -------
    Fitted

    Raises
    ------
    TrainingError
        If the loss is no longer a finite number.
    """
    return model.fit(data, config, verbose, previous)


def evaluate(model, data, config, fitted):
    """Predict the test speakers, once, and put the run's result together.

    Parameters
    ----------
    model : Method
        Trained by `fit`.
    data : FoldData
    config : RunConfig
    fitted : Fitted

    Returns
    -------
    RunResult
    """
    began = time.perf_counter()
    predictions, _ = method.predict(model, data.test, data.classes, config.pooling)
    seconds = time.perf_counter() - began
    best = fitted.history.set_index("epoch").loc[fitted.best_epoch]
    who, sessions = _left_out(data, config)
    scores = metrics.summarise(predictions["true"], predictions["predicted"], data.classes) | {
        **who,
        "best_epoch": fitted.best_epoch,
        **({"val_uar": float(best["val_uar"])} if data.fold.validation else {}),
        "parameters": int(model.parameters()["parameters"].sum()),
        **data.notes,
    }
    made = origin(data, config, fitted, **sessions)
    made["seconds"]["predict"] = round(seconds, 3)
    return store.RunResult(config, predictions, fitted.history, scores, made)


def origin(data, config, fitted, **more):
    """Say of what, with what and for how long a model was trained.

    Parameters
    ----------
    data : FoldData
    config : RunConfig
    fitted : Fitted
    **more
        More facts.

    Returns
    -------
    dict
        `provenance.collect`, ``corpus_digest``, ``corpus_lacks`` (if the copy is not the full corpus, in what: a list of
        lines), ``unusable`` (which utterances were left out, if any), ``utterances`` and ``segments`` of each part,
        ``seconds``, ``reused_seconds``.
    """
    lacking = corpora.lacks(**config.reading)
    return provenance.collect(*METHODS[config.model].needs) | {
        "corpus_digest": data.corpus_digest,
        **({"corpus_lacks": lacking} if lacking else {}),
        "utterances": {name: len(getattr(data, name).table) for name in PARTS},
        "segments": {name: len(getattr(data, name).segments) for name in PARTS},
        **({"unusable": left} if (left := data.test.table.attrs.get("unusable")) else {}),
        **more,
        "seconds": {"fit": round(fitted.seconds, 3)},
        "reused_seconds": round(fitted.reused, 3),
    }


def _left_out(data, config):
    """Name who was tested and who validated, and in which session: of one speaker left out as text, otherwise a list."""
    fold, sessions = (
        data.fold,
        dict(zip(data.test.table["speaker"], data.test.table["session"].astype(str), strict=True)),
    )
    if config.split == "speakers" and not config.groups:
        (test,), (validation,) = fold.test, fold.validation
        return {"test_speaker": test, "validation_speaker": validation}, {"test_session": sessions[test]}
    return {"test_speakers": [*fold.test], "validation_speakers": [*fold.validation]}, {"test_sessions": sessions}


def run(config, out=None, verbose=True, previous=PREVIOUS, keep=None):
    """Do one run from beginning to end.

    Parameters
    ----------
    config : RunConfig
    out : path, optional
        Folder of runs in which to store the result; without it nothing is stored.
    verbose : bool
        Print a line an epoch, and where the run is stored.
    previous : reuse.Previous or None
        See `fit`.
    keep : callable, optional
        From the trained method, the data and the result to more files of the run's folder; see `store.save`. It is
        `sermodules.inference.keep` if the model shall be kept.

    Returns
    -------
    RunResult
    """
    data = prepare(config)
    model = method.build(config, len(data.classes))
    fitted = fit(model, data, config, verbose, previous)
    result = evaluate(model, data, config, fitted)
    if out is not None:
        folder = store.save(result, out, keep(model, data, result) if keep else None)
        if verbose:
            print(f"The run is in {folder}")
    model.give_back()
    return result
