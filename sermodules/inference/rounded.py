"""Models for the page "Try it": the weights of networks, rounded to half precision, in a folder of plain files."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sermodules import models
from sermodules.config import RunConfig
from sermodules.errors import StoreError
from sermodules.folds.segments import Standardiser
from sermodules.inference import keeping

#: What a folder of such models is described by.
INDEX = "models.json"

_DIRECTIONS = tuple(f"{way}/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent", "bias"))


@dataclass(frozen=True)
class RoundedModel:
    """A network whose weights are rounded to half precision.

    Attributes
    ----------
    config : RunConfig
    classes : list of str
        In the order of the logits.
    weights : dict of str to numpy.ndarray of float16
        By layer and name, such as ``conv1/kernel``, in the order of Keras' ``get_weights``.
    standardiser : Standardiser or None
        None if the model standardises each speaker by their own recordings.
    facts : dict
        Where it comes from, what the rounding changed, and how often it was right.
    """

    config: RunConfig
    classes: list
    weights: dict
    standardiser: Standardiser | None
    facts: dict

    @property
    def digest(self):
        """SHA-256 over all numbers that the model computes with."""
        return keeping.digest_of(self.arrays, ())

    @property
    def arrays(self):
        """Weights and standardiser by name: what is written."""
        held = {} if self.standardiser is None else {"mean": self.standardiser.mean, "sd": self.standardiser.sd}
        return self.weights | {f"standardiser/{name}": array for name, array in held.items()}

    def method(self):
        """Return the network with these weights, as a `sermodules.models.Method`."""
        made = models.build(self.config, len(self.classes))
        made.network.set_weights([array.astype(np.float32) for array in self.weights.values()])
        return made


def of(model, facts=None):
    """Round a kept network.

    Parameters
    ----------
    model : sermodules.inference.Model
        A network without batch normalisation.
    facts : dict, optional
        See `RoundedModel`.

    Returns
    -------
    RoundedModel
    """
    weights = {name: array.astype(np.float16) for name, array in named(model.method.network).items()}
    return RoundedModel(model.config, list(model.classes), weights, model.standardiser, facts or {})


def named(network):
    """Return the weights of a network by layer and name, in the order of Keras' ``get_weights``."""
    found = {}
    for layer in network.layers:
        names = _DIRECTIONS if layer.name == "bilstm" else [weight.name for weight in layer.weights]
        arrays = zip(names, layer.get_weights(), strict=True)
        found |= {f"{layer.name}/{name}": array for name, array in arrays}
    return found


def write(rounded, folder, cards):
    """Write models into a folder, with their index and cards.

    Parameters
    ----------
    rounded : dict of str to RoundedModel
    folder : path
        Made if it is not there; files of the same names are replaced.
    cards : dict of str to str
        Markdown of each.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for name, model in rounded.items():
        index[name] = {
            "config": model.config.record(), "classes": model.classes, "digest": model.digest, "facts": model.facts
        }  # fmt: skip
        with io.BytesIO() as held:
            np.savez_compressed(held, allow_pickle=False, **model.arrays)
            (folder / f"{name}.npz").write_bytes(held.getvalue())
        (folder / f"{name}.md").write_text(cards[name], encoding="utf-8", newline="\n")
    text = json.dumps(index, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8", newline="\n")


def read(folder):
    """Read the models of a folder.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to RoundedModel

    Raises
    ------
    StoreError
        If there are none, or their numbers are not those that the index names.
    """
    folder = Path(folder)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{folder} has no {INDEX}: make the models with studies/make_page_models.py") from error
    return {name: _read(folder / f"{name}.npz", entry) for name, entry in index.items()}


def _read(path, entry):
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = dict(held)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Make it again with studies/make_page_models.py.") from error
    weights = {name: array for name, array in arrays.items() if not name.startswith("standardiser/")}
    mean, sd = arrays.get("standardiser/mean"), arrays.get("standardiser/sd")
    standardiser = None if mean is None else Standardiser(mean, sd)
    config = RunConfig.from_json(json.dumps(entry["config"]))
    model = RoundedModel(config, entry["classes"], weights, standardiser, entry["facts"])
    if model.digest != entry["digest"]:
        raise StoreError(
            f"{path} holds other numbers than {INDEX} names. Make both again with studies/make_page_models.py."
        )
    return model
