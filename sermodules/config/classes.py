"""The choice of classes in one line of text: ``happy=happy+excited,angry`` takes two classes out of three labels."""

import unicodedata

from sermodules.errors import ConfigError

#: The value that takes the classes that `emotions` says.
AS_EMOTIONS = "emotions"


def parse(text):
    """Read a choice of classes.

    Parameters
    ----------
    text : str
        Classes, separated by commas. A class is a label of the corpus, or a name, ``=``, and labels with ``+`` between them.
        Blanks around a name do not count.

    Returns
    -------
    dict of str to list of str
        The labels of each class, in the order of the text.

    Raises
    ------
    ConfigError
        If a name is empty, a class or a label is there twice, or there are fewer than two classes.

    Examples
    --------
    >>> from sermodules.config import classes
    >>> classes.parse("happy = happy + excited, angry")
    {'happy': ['happy', 'excited'], 'angry': ['angry']}
    """
    found, problems = {}, []
    for part in text.split(","):
        name, equals, labels = part.partition("=")
        name, labels = name.strip(), [label.strip() for label in (labels if equals else name).split("+")]
        if not name or not all(labels) or "=" in "".join(labels) or (not equals and len(labels) > 1):
            problems.append(f"{part.strip()!r} is no class: write a label, or name=label+label")
        elif name in found:
            problems.append(f"the class {name!r} is there twice: put its labels together, {name}=label+label")
        else:
            found[name] = labels
    every = [label for labels in found.values() for label in labels]
    problems += [f"the label {label!r} is there twice" for label in dict.fromkeys(every) if every.count(label) > 1]
    if not problems and len(found) < 2:
        problems.append("at least two classes are needed, with a comma between them")
    if problems:
        raise ConfigError(f"parameter 'classes' is {text!r}: " + "; ".join(problems))
    return found


def canonical(text):
    """Write a choice of classes so that equal choices are equal texts; see `parse`.

    Examples
    --------
    >>> from sermodules.config import classes
    >>> classes.canonical("happy=happy + excited, angry=angry") == classes.canonical("angry,happy=excited+happy")
    True
    """
    if text == AS_EMOTIONS:
        return text
    found = parse(unicodedata.normalize("NFC", text))
    return ",".join(
        name if labels == [name] else f"{name}={'+'.join(sorted(labels))}" for name, labels in sorted(found.items())
    )
