"""People beside systems: how often a listener is right, and how a score depends on whom one asks what is right.

A recording of an acted corpus has two labels that may differ: what the actor was asked for, and what people heard. Here
*credit* is a table of two columns a recording: how many answers there were, and how many of them were right. A system gives
one answer.
"""

import numpy as np
import pandas as pd

from sermodules.evidence.statistics import bootstrap_interval

#: Resamples of the speakers for an interval.
RESAMPLES = 2000


def one_listener(answers, label):
    """Count each answer of each listener that names one of the classes.

    See chapter "What people hear".

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

    See chapter "What people hear".

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

    A label that people make is noisy. How noisy, this says: it is what one more listener reaches. A system that has learned
    what most people would say may agree with the label better than one person does, without hearing more.

    See chapter "What people hear".

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

    See chapter "What people hear".

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n

    Returns
    -------
    pandas.Series
        %, by speaker: the mean of the recalls of the classes that the speaker has.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> credit = people.system(pd.Series(["sad", "happy", "happy"]), ["sad", "happy", "sad"])
    >>> people.by_speaker(credit, ["sad", "happy", "sad"], ["A", "A", "B"]).to_dict()
    {'A': 100.0, 'B': 0.0}
    """
    sums = credit.groupby([np.asarray(speakers), np.asarray(label)]).sum()
    return 100 * (sums["right"] / sums["answers"]).unstack().mean(axis=1).rename("uar")


def summarise(credit, label, speakers):
    """Return the UAR, as the book counts it everywhere, with an interval.

    See chapter "What people hear".

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n

    Returns
    -------
    dict of str to float
        In %: ``uar``, the mean of the speakers' UARs; ``low`` and ``high``, its 95 % interval over speakers
        (`statistics.bootstrap_interval`); ``sd`` of the speakers; ``pooled``, the mean of the recalls of all recordings
        together, as in `pooled`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> credit = people.system(pd.Series(["sad", "sad", "sad", "happy"]), ["sad", "sad", "happy", "happy"])
    >>> found = people.summarise(credit, ["sad", "sad", "happy", "happy"], ["A", "B", "A", "B"])
    >>> found["uar"], found["pooled"]
    (75.0, 75.0)
    """
    uars = by_speaker(credit, label, speakers)
    low, high = bootstrap_interval(uars)
    together = float(pooled(credit, label, speakers).loc["UAR", "value"])
    return {"uar": float(uars.mean()), "low": low, "high": high, "sd": float(uars.std()), "pooled": together}


def pooled(credit, label, speakers, seed=0):
    """Return the recalls of all speakers together, and their mean, each with an interval over speakers.

    Where speakers lack classes, the mean of their UARs means little: then each recording counts once.

    See chapter "What people hear".

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

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> credit = people.system(pd.Series(["sad", "happy", "happy", "happy"]), ["sad", "sad", "happy", "happy"])
    >>> people.pooled(credit, ["sad", "sad", "happy", "happy"], ["A", "B", "A", "B"])["value"].to_dict()
    {'happy': 100.0, 'sad': 50.0, 'UAR': 75.0}
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

    See chapter "What people hear".

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

    Examples
    --------
    Two of four recordings stay, both of which were got.

    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> asked = ["sad", "sad", "happy", "happy"]
    >>> credit = people.system(pd.Series(["sad", "happy", "happy", "sad"]), asked)
    >>> found = people.thinned(credit, asked, list("ABAB"), [True, False, True, False])
    >>> found["kept"], found["all"], found["clear"]
    ({'sad': 1, 'happy': 1}, 50.0, 100.0)
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


def confusions(answers, asked):
    """Return what listeners choose, by what was asked for.

    See chapter "What people hear".

    Parameters
    ----------
    answers : pandas.DataFrame of int, shape (n, choices)
    asked : sequence of str, length n

    Returns
    -------
    pandas.DataFrame, shape (classes, choices)
        % of all answers to the recordings of a class.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> answers = pd.DataFrame({"sad": [3, 1], "neutral": [1, 3]})
    >>> people.confusions(answers, ["sad", "neutral"]).loc["sad"].tolist()
    [75.0, 25.0]
    """
    sums = answers.groupby(np.asarray(asked)).sum()
    return 100 * sums.div(sums.sum(axis=1), axis=0)


def halves(answers, seed=0):
    """Divide the listeners of each recording into two halves by chance.

    See chapter "What people hear".

    Parameters
    ----------
    answers : pandas.DataFrame of int, shape (n, choices)
    seed : int

    Returns
    -------
    tuple of pandas.DataFrame
        The answers of both halves; of an odd number of listeners the one who is left goes to either half by chance.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> first, second = people.halves(pd.DataFrame({"sad": [3], "neutral": [5]}))
    >>> int(first.sum(axis=1)[0]), (first + second).values.tolist()
    (4, [[3, 5]])
    """
    rng = np.random.default_rng(seed)
    values = answers.to_numpy()
    left, rest = values.sum(axis=1), values.sum(axis=1)
    left = (left + rng.integers(0, 2, len(left))) // 2  # how many are still to be drawn
    first = np.zeros_like(values)
    for place, count in enumerate(values.T):
        rest = rest - count
        first[:, place] = rng.hypergeometric(count, rest, left)
        left = left - first[:, place]
    first = pd.DataFrame(first, answers.index, answers.columns)
    return first, answers - first


def reliability(answers, label, speakers, groups=None, splits=50, seed=0):
    """Say how well listeners agree on which speakers are read well.

    The listeners of each recording are divided in two by chance. Each half scores the speakers, and the two scores are
    correlated.

    See chapter "What people hear".

    Parameters
    ----------
    answers : pandas.DataFrame of int, shape (n, classes)
    label, speakers : sequence of str, length n
    groups : sequence of str, length n, optional
        Such as the speakers' sex: then speakers are compared within their group.
    splits : int
        How often the listeners are divided.
    seed : int

    Returns
    -------
    dict of str to float
        ``half``: mean correlation of two halves; ``whole``: what follows for all listeners together.

    Notes
    -----
    From a half to the whole: 2 r / (1 + r), C. Spearman, "Correlation calculated from faulty data", British Journal of
    Psychology 3 (1910), and W. Brown in the same volume. Both halves hear the same recordings. So this says what other
    listeners would change, and not what other recordings of the speaker would.

    Examples
    --------
    Speakers of whom everybody hears everything, half of it, or nothing: whoever listens finds the same order.

    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> answers = pd.DataFrame({"sad": [8, 8, 8, 0, 0, 0], "happy": [0, 0, 0, 8, 8, 8]})
    >>> people.reliability(answers, ["sad"] * 6, ["A", "A", "B", "B", "C", "C"], splits=2)
    {'half': 1.0, 'whole': 1.0}
    """
    label, speakers = np.asarray(label), np.asarray(speakers)
    of = pd.Series(speakers if groups is None else np.asarray(groups), speakers).groupby(level=0).first()
    found = []
    for split in range(splits):
        scores = [by_speaker(one_listener(half, label), label, speakers) for half in halves(answers, [seed, split])]
        if groups is not None:
            scores = [values - values.groupby(of).transform("mean") for values in scores]
        found.append(np.corrcoef(*scores)[0, 1])
    half = float(np.mean(found))
    return {"half": half, "whole": 2 * half / (1 + half)}


def with_intervals(credit, label, speakers, seed=0):
    """Return the UAR of each speaker with an interval over the speaker's recordings.

    See chapter "What people hear".

    Parameters
    ----------
    credit : pandas.DataFrame, shape (n, 2)
    label, speakers : sequence of str, length n
    seed : int

    Returns
    -------
    pandas.DataFrame
        By speaker: ``value``, ``low``, ``high`` (%): the percentile interval (95 %) of 2,000 resamples of the recordings within
        each class.

    Examples
    --------
    Who was read right each time has no scatter.

    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> credit = people.system(pd.Series(["sad", "sad", "happy"]), ["sad", "sad", "happy"])
    >>> people.with_intervals(credit, ["sad", "sad", "happy"], ["A", "A", "A"]).loc["A"].tolist()
    [100.0, 100.0, 100.0]
    """
    rng, label, speakers = np.random.default_rng(seed), np.asarray(label), np.asarray(speakers)
    right, said = credit["right"].to_numpy(), credit["answers"].to_numpy()
    rows = {}
    for speaker in np.unique(speakers):
        recalls = []
        for name in np.unique(label[speakers == speaker]):
            mine = np.flatnonzero((speakers == speaker) & (label == name))
            drawn = mine[rng.integers(0, len(mine), (RESAMPLES, len(mine)))]
            with np.errstate(invalid="ignore"):
                recalls.append(right[drawn].sum(axis=1) / said[drawn].sum(axis=1))
        rows[speaker] = 100 * np.nanpercentile(np.mean(recalls, axis=0), [2.5, 97.5])
    low, high = np.array([*rows.values()]).T
    value = by_speaker(credit, label, speakers).reindex([*rows])
    return pd.DataFrame({"value": value, "low": low, "high": high})


def drawn(right, label, speakers, count=10, seed=1):
    """Draw recordings of which people got half, from all classes alike, and each of another speaker.

    See chapter "What people hear".

    Parameters
    ----------
    right : pandas.Series, length n, indexed by recording
        Whether most listeners were right: True, False, or None where they are tied; those are left out.
    label, speakers : sequence of str, length n
    count : int
    seed : int

    Returns
    -------
    list of str
        Recordings, in an order of chance. Every class has as many as every other, or one more, of those that people got as of
        those that they did not.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.evidence import people
    >>> right = pd.Series([True, False, True, None], ["a", "b", "c", "d"])
    >>> sorted(people.drawn(right, ["sad"] * 4, ["A", "B", "C", "D"], count=2)) in (["a", "b"], ["b", "c"])
    True
    """
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"right": right.to_numpy(), "label": np.asarray(label), "speaker": np.asarray(speakers)}, right.index
    )
    table = table[table["right"].notna()].sample(frac=1, random_state=rng)
    names = list(pd.unique(np.asarray(label)))
    cells = [(name, one) for one in (True, False) for name in rng.permutation(names)]
    cells = [
        cells[place]
        for pair in zip(range(len(names)), range(len(names), 2 * len(names)), strict=True)
        for place in pair
    ]
    chosen = []
    for name, one in (cells[place % len(cells)] for place in range(count)):
        new = ~table["speaker"].isin(table.loc[chosen, "speaker"])
        chosen.append(table.index[new & (table["label"] == name) & (table["right"] == one)][0])
    return [str(name) for name in rng.permutation(chosen)]


def _chosen(values, label):
    places = values.columns.get_indexer(list(label))
    return values.to_numpy()[np.arange(len(values)), places]


def _credit(right, answers, index):
    return pd.DataFrame({"right": right, "answers": answers}, index=index, dtype=float)
