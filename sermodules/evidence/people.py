"""People beside systems: how often a listener is right, and how a score depends on whom one asks what is right.

A recording of an acted corpus has two labels that may differ: what the actor was asked for, and what people heard. Here
*credit* is a table of two columns a recording: how many answers there were, and how many of them were right. A system gives
one answer.
"""

import numpy as np
import pandas as pd

#: Resamples of the speakers for an interval.
RESAMPLES = 2000


def one_listener(answers, label):
    """Count each answer of each listener that names one of the classes.

    Parameters
    ----------
    answers : pandas.DataFrame of int, shape (n, classes)
        How many people chose which class, a row a recording.
    label : sequence of str, length n
        What is right.

    Returns
    -------
    pandas.DataFrame, shape (n, 2)
        ``right`` and ``answers``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> answers = pd.DataFrame({"sad": [3, 1], "neutral": [7, 1]})
    >>> people.one_listener(answers, ["sad", "sad"]).values.tolist()
    [[3.0, 10.0], [1.0, 2.0]]
    """
    return _credit(_chosen(answers, label), answers.sum(axis=1), answers.index)


def majority(answers, label):
    """Count the class that most listeners chose as one answer; of k equal ones each counts for one k-th.

    Parameters
    ----------
    answers, label
        As `one_listener`.

    Returns
    -------
    pandas.DataFrame, shape (n, 2)
        ``right`` and ``answers``, which is 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> answers = pd.DataFrame({"sad": [3, 1], "neutral": [7, 1]})
    >>> people.majority(answers, ["sad", "sad"])["right"].tolist()
    [0.0, 0.5]
    """
    best = answers.eq(answers.max(axis=1), axis=0)
    return _credit(_chosen(best, label) / best.sum(axis=1).to_numpy(), 1, answers.index)


def system(predicted, label):
    """Count a system's answers, one a recording.

    Parameters
    ----------
    predicted : pandas.Series of str
        A row a recording.
    label : sequence of str

    Returns
    -------
    pandas.DataFrame, shape (n, 2)
        ``right`` and ``answers``, which is 1.
    """
    return _credit(predicted.to_numpy() == np.asarray(label), 1, predicted.index)


def one_against_others(answers, every):
    """Count each listener's answer against what the others clearly heard.

    A label that people make is noisy. How noisy, this says: nobody, a system included, can be expected to agree with the label
    much better than one listener agrees with the others.

    Parameters
    ----------
    answers : pandas.DataFrame of int, shape (n, classes)
    every : pandas.Series of int, length n
        All answers to a recording, those outside the classes included.

    Returns
    -------
    pandas.DataFrame
        ``recording``, ``label``, ``right`` and ``answers``: a row a recording and class that more than half of all *other*
        listeners chose, as seen by at least one listener who named a class.

    Examples
    --------
    Four of five said sad. Each of the four has three of four others for sad, and agrees; the fifth has all four against.

    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> answers = pd.DataFrame({"sad": [4], "neutral": [1]}, index=["a"])
    >>> people.one_against_others(answers, answers.sum(axis=1))[["label", "right", "answers"]].values.tolist()
    [['sad', 4, 5]]
    """
    values, total, classes = answers.to_numpy(), every.to_numpy(), list(answers.columns)
    rows = []
    for place, name in enumerate(answers.index):
        seen = {}
        for own, count in enumerate(values[place]):
            others = values[place] - np.eye(len(classes), dtype=int)[own]
            best = others.argmax()
            if count and 2 * others[best] > total[place] - 1:
                right, said = seen.get(best, (0, 0))
                seen[best] = (right + count * (best == own), said + count)
        rows += [(name, classes[best], int(right), int(said)) for best, (right, said) in seen.items()]
    return pd.DataFrame(rows, columns=["recording", "label", "right", "answers"])


def by_speaker(credit, label, speakers):
    """Return the UAR of each speaker.

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n

    Returns
    -------
    pandas.Series
        %, by speaker: the mean of the recalls of the classes that the speaker has.
    """
    sums = credit.groupby([np.asarray(speakers), np.asarray(label)]).sum()
    return 100 * (sums["right"] / sums["answers"]).unstack().mean(axis=1).rename("uar")


def pooled(credit, label, speakers, seed=0):
    """Return the recalls of all speakers together, and their mean, each with an interval over speakers.

    Where speakers lack classes, the mean of their UARs means little: then each recording counts once.

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Indexed by class, then ``UAR``: ``value``, ``low`` and ``high``, all in %: the percentile interval (95 %) of 2,000
        resamples of the speakers with all of their recordings.

    Notes
    -----
    B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993: the unit that is drawn is the one
    that is independent, the speaker.
    """
    sums = credit.groupby([np.asarray(speakers), np.asarray(label)]).sum().unstack(fill_value=0)
    right, said = (sums[name].to_numpy(np.float64) for name in ("right", "answers"))
    drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    weights = np.stack([np.bincount(row, minlength=len(sums)) for row in drawn])
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = 100 * (weights @ right) / (weights @ said)
        values = 100 * right.sum(axis=0) / said.sum(axis=0)
    resampled = np.column_stack([resampled, np.nanmean(resampled, axis=1)])
    low, high = np.nanpercentile(resampled, [2.5, 97.5], axis=0)
    index = [*sums["right"].columns, "UAR"]
    return pd.DataFrame({"value": [*values, values.mean()], "low": low, "high": high}, index)


def thinned(credit, label, speakers, keep, draws=100, seed=0):
    """Score the recordings that people got, and as many drawn by chance.

    That is what the makers of EMO-DB did: they published what at least 80 % of their listeners had got. No system is trained
    again.

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n
    keep : sequence of bool, length n
        The recordings that stay.
    draws : int
        How often as many of each class are drawn by chance.
    seed : int

    Returns
    -------
    dict
        ``kept``: how many of each class stay; ``all``, ``clear``: UAR (%) of all recordings and of those that stay, pooled over
        speakers; ``by_chance``, ``low``, ``high``: mean and middle 95 % of the UAR of the draws.
    """
    label, keep = np.asarray(label), np.asarray(keep)
    rng = np.random.default_rng(seed)

    def uar(rows):
        sums = credit[rows].groupby(label[rows]).sum()
        return float(100 * (sums["right"] / sums["answers"]).mean())

    counts = pd.Series(label[keep]).value_counts().to_dict()
    places = {name: np.flatnonzero(label == name) for name in counts}
    drawn = []
    for _ in range(draws):
        rows = np.zeros(len(label), bool)
        for name, count in counts.items():
            rows[rng.choice(places[name], count, replace=False)] = True
        drawn.append(uar(rows))
    low, high = np.percentile(drawn, [2.5, 97.5])
    found = {"all": uar(np.ones(len(label), bool)), "clear": uar(keep), "by_chance": float(np.mean(drawn))}
    return {"kept": counts, **found, "low": float(low), "high": float(high)}


def _chosen(values, label):
    places = values.columns.get_indexer(list(label))
    return values.to_numpy()[np.arange(len(values)), places]


def _credit(right, answers, index):
    return pd.DataFrame({"right": right, "answers": answers}, index=index, dtype=float)
