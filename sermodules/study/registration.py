"""What a study file registers before its runs: the questions, how they are answered, and the commit that wrote them down."""

import re
from dataclasses import dataclass, field
from itertools import product

import yaml

from sermodules.runs import provenance

#: The keys of ``registration`` in a study file, and of each of its ``contrasts``.
KEYS = ("commit", "pilot", "grid", "contrasts", "assumed")
CONTRAST_KEYS = ("name", "plus", "minus", "primary", "secondary", "expected")

_QUESTION = re.compile(r"(above|below) (-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Question:
    """Whether a true difference is ``"above"`` or ``"below"`` a value (points)."""

    side: str
    value: float
    primary: bool

    def __str__(self):
        return f"{self.side} {self.value:g}"


@dataclass(frozen=True)
class Contrast:
    """One difference, and what is asked of it.

    Attributes
    ----------
    name : str
    pairs : tuple of (RunConfig, RunConfig)
        What is taken from what, the second from the first; the differences of the pairs are averaged. Fold and seed are 1.
    questions : tuple of Question
    expected : str
        What was expected before the runs.
    """

    name: str
    pairs: tuple
    questions: tuple
    expected: str


@dataclass(frozen=True)
class Registration:
    """What is asked, of which runs.

    Attributes
    ----------
    commit : str or None
        The commit whose file holds the same, before the runs that answer.
    pilot : tuple of int
        Seeds that ran before that commit. Only standard deviations were looked at.
    contrasts : tuple of Contrast
    assumed : tuple of float
        True differences (points) for which the power is computed.
    content : dict
        The whole study file, as it was read.
    """

    commit: str | None
    pilot: tuple
    contrasts: tuple
    assumed: tuple
    content: dict = field(compare=False, repr=False)

    @property
    def cells(self):
        """Return the configurations that the contrasts take, in their order."""
        pairs = [pair for contrast in self.contrasts for pair in contrast.pairs]
        return tuple(dict.fromkeys(config for pair in pairs for config in pair))


def read(content, configuration):
    """Read the registration of a study file that has no `problems`.

    Parameters
    ----------
    content : dict
        The study file.
    configuration : callable
        Takes a mapping of parameters, and returns the `RunConfig` that they and the settings of the file make.

    Returns
    -------
    Registration or None
        None if the file registers nothing.
    """
    if (given := content.get("registration")) is None:
        return None
    choices = _choices(given["grid"])
    contrasts = tuple(
        Contrast(
            each["name"],
            tuple((configuration(one), configuration(one | each["minus"])) for one in _matching(choices, each["plus"])),
            tuple(_questions(each)),
            str(each.get("expected", "")),
        )
        for each in given["contrasts"]
    )
    assumed = tuple(map(float, given["assumed"]))
    return Registration(given.get("commit"), tuple(given["pilot"]), contrasts, assumed, content)


def problems(content):
    """Yield what is wrong with the key ``registration`` of a study file."""
    given = content.get("registration")
    if given is None:
        return
    if not isinstance(given, dict) or not set(given) <= set(KEYS):
        yield f"key 'registration' must be a mapping with the keys {', '.join(KEYS)}"
        return
    commit = given.get("commit")
    if commit is not None and not (isinstance(commit, str) and re.fullmatch("[0-9a-f]{7,40}", commit)):
        yield f"key 'commit' of the registration is {commit!r}: it must be a commit of this project in quotes, or null"
    seeds = content.get("seeds")
    if not _whole_numbers(given.get("pilot")) or not (isinstance(seeds, list) and set(given["pilot"]) <= set(seeds)):
        yield "key 'pilot' of the registration must be a list of seeds of the study"
    if not _all_numbers(given.get("assumed")):
        yield "key 'assumed' of the registration must be a list of true differences, in points"
    grid = given.get("grid")
    if not isinstance(grid, dict) or not all(isinstance(values, list) and values for values in grid.values()):
        yield "key 'grid' of the registration must be a mapping from parameters to lists of values"
        return
    contrasts = given.get("contrasts")
    if not isinstance(contrasts, list) or not contrasts:
        yield "key 'contrasts' of the registration must be a list"
        return
    for number, contrast in enumerate(contrasts, start=1):
        yield from (f"contrast {number} of the registration: {line}" for line in _wrong(contrast, _choices(grid)))


def _wrong(contrast, choices):
    """Yield what is wrong with one contrast."""
    if not isinstance(contrast, dict) or not set(contrast) <= set(CONTRAST_KEYS):
        yield f"it must be a mapping with the keys {', '.join(CONTRAST_KEYS)}"
        return
    if not isinstance(contrast.get("name"), str):
        yield "it needs a 'name'"
    plus, minus = contrast.get("plus"), contrast.get("minus")
    if not (isinstance(plus, dict) and isinstance(minus, dict) and plus and set(plus) == set(minus)):
        yield "'plus' and 'minus' must be mappings from the same parameters to a value"
        return
    here = _matching(choices, plus)
    if not here or any(one | minus not in choices for one in here) or plus == minus:
        yield f"'plus' {plus} and 'minus' {minus} must be two different choices within the registration's grid"
    asked = [*(contrast.get("primary") or ()), *(contrast.get("secondary") or ())]
    if not asked or not all(isinstance(text, str) and _QUESTION.fullmatch(text) for text in asked):
        yield "'primary' and 'secondary' must be lists of questions such as 'above 0' or 'below 3.43'"


def _whole_numbers(values):
    return isinstance(values, list) and bool(values) and all(type(value) is int for value in values)


def _all_numbers(values):
    return isinstance(values, list) and bool(values) and all(type(value) in (int, float) for value in values)


def _choices(grid):
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _matching(choices, part):
    return [one for one in choices if part.items() <= one.items()]


def _questions(contrast):
    for kind in ("primary", "secondary"):
        for text in contrast.get(kind) or ():
            side, value = _QUESTION.fullmatch(text).groups()
            yield Question(side, float(value), kind == "primary")


# --- what was registered, as git has it


def registered(registration):
    """Return what git knows of the commit that a registration names.

    Parameters
    ----------
    registration : Registration

    Returns
    -------
    content : dict or None
        ``studies/NAME.yaml`` as it was; None where git, the commit or the file is not there.
    date : str or None
        When it was committed, in ISO 8601.
    """
    name = f"{registration.commit}:studies/{registration.content['name']}.yaml"
    text = provenance.git("show", name)
    if text is None:
        return None, None
    return yaml.safe_load(text), provenance.git("show", "-s", "--format=%cI", registration.commit)


def changes(registration, before):
    """Say in what a study file is not what was registered.

    Parameters
    ----------
    registration : Registration
    before : dict
        The file as it was registered.

    Returns
    -------
    list of str
        A line for each key. The commit itself is no change.
    """
    now = registration.content

    def pairs():
        for key in ("settings", "grid", "folds", "seeds"):
            yield key, before.get(key), now.get(key)
        for key in KEYS[1:]:
            yield f"registration: {key}", (before.get("registration") or {}).get(key), now["registration"].get(key)

    return [f"`{key}` was {_flow(old)} and is {_flow(new)}" for key, old, new in pairs() if old != new]


def _flow(value):
    """Write a value of a study file in one line."""
    text, _, _ = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).partition("\n")
    return f"`{text}`"
