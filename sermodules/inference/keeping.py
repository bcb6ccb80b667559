"""A trained model becomes files: arrays and text, so nothing that is loaded can execute."""

import hashlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from sermodules import corpora
from sermodules.config import words
from sermodules.corpora import audio, samples
from sermodules.folds import voices
from sermodules.folds.parts import PARTS, Part
from sermodules.folds.segments import Standardiser
from sermodules.inference import card
from sermodules.inference.doubts import FINGERPRINT
from sermodules.models.epochs import NetworkMethod
from sermodules.runs import store

FACTS, ARRAYS, WEIGHTS, CARD = store.MODEL

#: What begins the names of the arrays that hold what the training speakers say of voices.
VOICES = "voices."


def keep(method, data, result):
    """Make the files that keep the model of a run, see `files`, with its card.

    Parameters
    ----------
    method : Method
        Trained.
    data : FoldData
    result : RunResult

    Returns
    -------
    dict of str to bytes
        For `sermodules.runs.store.save`.

    Raises
    ------
    ConfigError
        If the model is a control of the ablation of gender; see `RunConfig.check_keeping`.
    """
    result.config.check_keeping(True)
    found, kept = files(method, data, result.config)
    return kept | {CARD: card.write(result.config, found, result.provenance, result.metrics).encode()}


def files(method, data, config):
    """Make the files of a model, but for its card.

    Parameters
    ----------
    method : Method
        Trained.
    data : FoldData
    config : RunConfig

    Returns
    -------
    facts : dict
        ``classes``; ``digest``, a SHA-256 over all arrays; ``probe``, the utterance of one stored segment and the posteriors
        that the model gives it; ``corpus``; ``parts``, who was learned from, chose and was tested; ``rates`` (Hz) and
        ``longest`` (s) of the recordings that were learned from; ``learned``, the beginnings of their fingerprints (see
        `sermodules.corpora.audio.fingerprint`), sorted, with a blank between two.
    files : dict of str to bytes
        ``model.json``, the facts. ``model.npz``, all arrays but the weights of a network: what `Method.learned` returns, the
        standardiser or what the training speakers say of voices, and the inputs of the probe. ``model.weights.h5``, the weights
        of a network in the order of its layers.
    """
    arrays = {f"learned.{name}": array for name, array in method.learned().items()}
    if isinstance(data.standardiser, Standardiser):
        arrays |= {"standardiser.mean": data.standardiser.mean, "standardiser.sd": data.standardiser.sd}
    elif learned := getattr(data.standardiser, "voices", None):
        arrays |= {f"{VOICES}{name}": getattr(learned, name) for name in voices.LEARNED}
    utterance, inputs = _first_segment(data)
    arrays |= inputs
    facts = {
        "classes": list(data.classes),
        "digest": digest(method, arrays),
        "probe": {"utterance": utterance, "posteriors": probe(method, utterance, arrays).tolist()},
        **_heard(data, config),
    }
    made = {FACTS: (json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()}
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **arrays)
    made[ARRAYS] = held.getvalue()
    if isinstance(method, NetworkMethod):
        with tempfile.TemporaryDirectory() as folder:
            method.network.save_weights(Path(folder, WEIGHTS))
            made[WEIGHTS] = Path(folder, WEIGHTS).read_bytes()
    return facts, made


def digest(method, arrays):
    """Return the SHA-256 of all that a model computes with: its arrays by name, and the weights of a network in their order.

    The bytes of a file of weights also depend on names that Keras gives to layers; these do not count here.
    """
    return digest_of(arrays, method.network.get_weights() if isinstance(method, NetworkMethod) else [])


def digest_of(arrays, weights):
    """Return the SHA-256 of named arrays, and of others in their order."""
    total = hashlib.sha256()
    for name, array in [*sorted(arrays.items()), *enumerate(weights)]:
        total.update(f"{name} {array.dtype.str} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def probe(method, utterance, arrays):
    """Return the posteriors that a method gives to the stored segment, shape (classes,)."""
    inputs = {name.removeprefix("probe."): array for name, array in arrays.items() if name.startswith("probe.")}
    for name, array in arrays.items():
        if name.startswith("probe_of_any_length."):
            inputs[name.removeprefix("probe_of_any_length.")] = alone = np.empty(1, dtype=object)
            alone[0] = array
    row = pd.DataFrame({"utterance": [utterance]})
    return softmax(method.logits(Part(None, row, inputs, np.zeros(1, np.int32)))[0].astype(np.float64))


def _first_segment(data):
    """Return the utterance of a segment that was not learned from, if there is one, and its inputs as `probe` takes them."""
    part = next(part for name in reversed(PARTS) if len((part := getattr(data, name)).segments))
    inputs = {}
    for name, values in part.inputs.items():  # an object is an array whose length differs between utterances
        inputs |= (
            {f"probe_of_any_length.{name}": values[0]} if values.dtype == object else {f"probe.{name}": values[:1]}
        )
    return part.segments["utterance"].iloc[0], inputs


def _heard(data, config):
    """Say of whom and of what recordings a model was made."""
    corpus, learned = corpora.CORPORA.get(config.corpus), data.train.table
    known = {word: getattr(corpus, word) if corpus else "" for word in ("title", "language", "licence", "attribution")}
    headers = [header for header in audio.headers(learned["path"]).values() if header]
    return {
        "corpus": {"name": words.corpus_name(config.corpus), **known, "closed": bool(corpus and corpus.closed)},
        "parts": {name: _people(getattr(data, name).table) for name in PARTS},
        "rates": sorted({header.rate for header in headers}),
        "longest": round(float(learned["duration"].max()), 3),
        "learned": " ".join(
            sorted({one[:FINGERPRINT] for one in samples.fingerprints(audio.recordings(learned)) if one})
        ),
    }


def _people(table):
    """Count the speakers of a part by gender, and its utterances by class."""
    people = table.drop_duplicates("speaker")
    return {
        "speakers": people["gender"].value_counts().sort_index().to_dict(),
        "utterances": table["emotion"].value_counts().sort_index().to_dict(),
    }
