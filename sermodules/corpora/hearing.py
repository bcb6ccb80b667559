"""What people heard in a recording: their answers, counted by class, and the label that they make together.

The label of an acted corpus is what the actor was asked for. Some corpora say besides what people heard: columns
``heard_<label>`` of the utterance table hold how many of them chose which label.
"""

import numpy as np
import pandas as pd

from sermodules.config.classes import AS_EMOTIONS, parse
from sermodules.errors import CorpusError

#: What begins the name of a column of answers.
HEARD = "heard_"
#: Which label an utterance has: the one that was asked for, or the one that people heard; see `relabel`.
LABELS = ("asked", "heard", "heard_by_most")


def choices(columns):
    """Return the labels that people could choose.

    Parameters
    ----------
    columns : iterable of str
        The columns of an utterance table.

    Returns
    -------
    list of str
        Empty if the corpus says nothing of listeners.
    """
    return [name.removeprefix(HEARD) for name in columns if name.startswith(HEARD)]


def answers(table, name="the corpus"):
    """Return how many people chose which label.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table, n rows.
    name : str
        What the message calls the corpus.

    Returns
    -------
    pandas.DataFrame of int, shape (n, choices)
        A column a label, indexed by utterance.

    Raises
    ------
    CorpusError
        If the table has no answers, or not for every utterance.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import hearing
    >>> table = pd.DataFrame({"utterance": ["a"], "heard_sad": [3], "heard_bored": [5]})
    >>> hearing.answers(table).loc["a"].to_dict()
    {'sad': 3, 'bored': 5}
    """
    names = choices(table.columns)
    found = table.set_index("utterance")[[HEARD + label for label in names]].set_axis(names, axis=1)
    if not names or found.isna().all(axis=None):
        raise CorpusError(
            f"{name}: there are no answers of listeners. Of cremad they are in processedResults/tabulatedVotes.csv of its"
            " repository, beside AudioWAV; no other corpus here has any."
        )
    if (missing := found.isna().any(axis=1)).any():
        first = ", ".join(found.index[missing][:5])
        raise CorpusError(f"{name}: {missing.sum()} recordings have no answers of listeners, such as {first}")
    return found.astype(int)


def by_class(counts, classes):
    """Return how many people chose each class: answers outside the classes do not count.

    Parameters
    ----------
    counts : pandas.DataFrame, shape (n, choices)
        From `answers`.
    classes : dict of str to list of str
        The labels of each class, from `labels_of`.

    Returns
    -------
    pandas.DataFrame of int, shape (n, classes)
    """
    return pd.DataFrame({name: counts.reindex(columns=of, fill_value=0).sum(axis=1) for name, of in classes.items()})


def labels_of(text, names):
    """Return the labels of each class.

    Parameters
    ----------
    text : str
        A choice of classes, see `sermodules.config.classes`.
    names : list of str
        The classes that a corpus has with it.

    Returns
    -------
    dict of str to list of str
    """
    return {name: [name] for name in names} if text == AS_EMOTIONS else parse(text)


def plurality(counts, of=None):
    """Return the class that more people chose than any other.

    See chapter "What people hear".

    Parameters
    ----------
    counts : pandas.DataFrame, shape (n, classes)
        From `by_class`.
    of : pandas.Series, optional
        How many answers there are in all. Then it must have more than half of them.

    Returns
    -------
    pandas.Series of str
        None where there is no such class.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import hearing
    >>> counts = pd.DataFrame({"sad": [4, 3, 0], "angry": [2, 3, 0]})
    >>> hearing.plurality(counts).tolist()
    ['sad', None, None]
    """
    values = counts.to_numpy()
    best = values.max(axis=1)
    clear = (values == best[:, None]).sum(axis=1) == 1
    if of is not None:
        clear &= 2 * best > of.to_numpy()
    names = np.asarray(counts.columns, dtype=object)[values.argmax(axis=1)]
    return pd.Series(np.where(clear, names, None), counts.index, dtype=object)


def relabel(table, label, classes, name):
    """Give each utterance the label that people heard in it, and leave out those of which they did not agree.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table, as it is with the labels that were asked for.
    label : {"heard", "heard_by_most"}
        The class that was chosen more often than any other class, or the one that has more than half of all answers, those
        outside the classes included.
    classes : str
        The choice of classes from which the table was made, see `sermodules.config.classes`.
    name : str
        What messages call the corpus.

    Returns
    -------
    pandas.DataFrame
        The rows that have such a label.

    Raises
    ------
    CorpusError
        If the corpus has no answers of listeners.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import hearing
    >>> table = pd.DataFrame({"utterance": ["a", "b"], "emotion": ["sad", "calm"], "heard_sad": [1, 3], "heard_calm": [2, 3]})
    >>> hearing.relabel(table, "heard", "emotions", "mine")[["utterance", "emotion"]].values.tolist()
    [['a', 'calm']]
    """
    counts = answers(table, name)
    chosen = by_class(counts, labels_of(classes, sorted(table["emotion"].unique())))
    heard = plurality(chosen, counts.sum(axis=1) if label == "heard_by_most" else None)
    table = table.assign(emotion=heard.to_numpy())
    return table[table["emotion"].notna()].reset_index(drop=True)
