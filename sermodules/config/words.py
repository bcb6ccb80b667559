"""How a configuration is called in words: in tables, in the log of a study, in the claims."""

import dataclasses
import re
from collections import Counter
from pathlib import Path

from sermodules.config.methods import METHODS
from sermodules.config.run import RunConfig

# The settings that were added later, with their defaults.
_ADDED = {field.name: field.default for field in dataclasses.fields(RunConfig) if field.metadata.get("added")}
_ENDING = re.compile(r"\.(csv|tsv|txt)$", re.IGNORECASE)  # of a table
# What has a column of its own in a table of scores, or changes nothing but the last digits.
_OWN_COLUMNS = {"corpus", "preset", "model", "attention", "gender", "fold", "seed", "threads"}


def corpus_name(name):
    """Return a corpus name without the folders of this machine."""
    return f"table:{Path(name.removeprefix('table:')).name}" if name.startswith("table:") else name


#: The names of corpora, which no table takes.
CORPORA = {
    "iemocap", "emodb", "ravdess", "cremad", "synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive",
}  # fmt: skip


def shown_corpora(names):
    """Return what corpora that stand together are called in print: a table by the name of its file, without its folder.

    Its ending is left out, unless another corpus would then be called the same.

    Examples
    --------
    >>> from sermodules.config import words
    >>> words.shown_corpora(["table:/home/ann/mine.csv", "table:iemocap.csv", "emodb"])
    {'table:/home/ann/mine.csv': 'mine', 'table:iemocap.csv': 'iemocap.csv', 'emodb': 'emodb'}
    """
    full = {name: corpus_name(name).removeprefix("table:") or name for name in dict.fromkeys(names)}
    short = {name: text if name in CORPORA else _ENDING.sub("", text) or text for name, text in full.items()}
    taken = Counter([*short.values(), *(CORPORA - {*full})])
    return {name: short[name] if taken[short[name]] == 1 else full[name] for name in full}


def run(config):
    """Name one run in the log of a study."""
    what = "" if METHODS[config.model].listens else f", {config.attention}, gender {config.gender}"
    return f"{config.model}{what}, fold {config.fold}, seed {config.seed}"


def settings(config):
    """Name the settings that differ from what the preset and the model give, but for those with a column of their own."""
    names = [field.name for field in dataclasses.fields(RunConfig) if field.name not in _OWN_COLUMNS]
    named = (f"{name} {getattr(config, name)}" + _warning(config, name) for name in unusual_settings(config, names))
    return ", ".join(named)


def labels(cells):
    """Name each configuration by its model and by the settings in which it differs from others and from its model's own.

    Where all is about one setting, every configuration names it.
    """
    shown = differing(cells)
    always = [name for name in ("corpus", "preset") if name in shown]
    unusual = {cell: list(dict.fromkeys([*unusual_settings(cell, shown), *_told_apart(cell, cells)])) for cell in cells}
    topics = {name for names in unusual.values() for name in names}
    if len(topics) == 1:
        (topic,) = topics
        unusual = {cell: [topic] * METHODS[cell.model].hears(topic) for cell in cells}
    corpora = shown_corpora(cell.corpus for cell in cells)

    def said(cell, name):
        return corpora[cell.corpus] if name == "corpus" else setting(cell, name)

    return {
        cell: ", ".join([METHODS[cell.model].name, *(said(cell, name) for name in [*always, *unusual[cell]])])
        for cell in cells
    }


def differing(cells):
    """Return the fields, but for the model, in which configurations differ or that are unusual for some models only."""
    names = [field.name for field in dataclasses.fields(RunConfig) if field.name not in ("model", "fold", "seed")]
    unusual = [set(unusual_settings(cell, names)) for cell in cells]
    for_some = set().union(*unusual) - set.intersection(*unusual)
    return [name for name in names if name in for_some or len({getattr(cell, name) for cell in cells}) > 1]


def unusual_settings(cell, names):
    """Return the fields among `names` that are not what the configuration's preset and model supply.

    Of a setting that was added later its default is usual too, whatever a preset supplies today: older runs have it.
    """
    usual, names = supplied(cell), [name for name in names if name not in ("corpus", "preset")]
    return [name for name in names if getattr(cell, name) not in (getattr(usual, name), _ADDED.get(name))]


def _told_apart(cell, cells):
    """Return the settings, added later, in which others of the same preset differ: they are named although usual.

    Not if all have what their models bring: each SVM has its own C.
    """
    found = []
    for name in (name for name in _ADDED if _hears(cell, name)):
        same = [other for other in cells if other.preset == cell.preset and _hears(other, name)]
        values = {getattr(other, name) for other in same}
        if len(values) > 1 and any(getattr(other, name) != getattr(supplied(other), name) for other in same):
            found.append(name)
    return found


def _hears(cell, name):
    return METHODS[cell.model].hears(name)


def supplied(cell):
    """Return what a configuration's preset and model alone would have given."""
    return RunConfig.create(preset=cell.preset, model=cell.model)


def setting(cell, name):
    """Name one setting and its value."""
    value = getattr(cell, name)
    if name == "corpus":
        return corpus_name(value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" + _warning(cell, name)


def _warning(config, name):
    """Say of a setting that it uses the test speaker's recordings; "" of all others."""
    hears = {"standardise": config.by_speaker and not config.enrol, "batch_norm": config.batch_norm == "speaker"}
    return " (transductive)" if hears.get(name) else ""
