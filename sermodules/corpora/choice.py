"""Which labels of a corpus become which classes, where a study says so: the setting ``classes``."""

from sermodules.config import classes
from sermodules.corpora.cells import same_name
from sermodules.errors import ConfigError


def apply(table, text, name):
    """Keep the utterances of the classes that are chosen, and call them so.

    Parameters
    ----------
    table : pandas.DataFrame
        With the column ``emotion``; any index.
    text : str
        See `sermodules.config.classes.parse`.
    name : str
        What the message calls the corpus.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ConfigError
        If the corpus has no such label; the message lists those that it has.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import choice
    >>> table = pd.DataFrame({"emotion": ["happy", "excited", "sad", "bored"]})
    >>> choice.apply(table, "up=happy+excited,sad", "mine")["emotion"].tolist()
    ['up', 'up', 'sad']
    """
    there = {same_name(label): label for label in sorted(table["emotion"].unique())}
    wanted = {label: name for name, labels in classes.parse(text).items() for label in labels}
    if missing := [label for label in wanted if same_name(label) not in there]:
        counts = table["emotion"].value_counts()
        raise ConfigError(
            f"parameter 'classes' asks for {', '.join(map(repr, missing))}, which {name} does not have. Its labels are "
            + ", ".join(f"{label} ({counts[label]})" for label in there.values())
        )
    named = {there[same_name(label)]: cls for label, cls in wanted.items()}
    table = table[table["emotion"].isin(list(named))]
    return table.assign(emotion=table["emotion"].map(named))
