"""Scores of a run: confusion matrix, recalls, UAR and WA."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

#: The columns of a run's predictions that are text; the others are posteriors.
TEXTS = ("utterance", "speaker", "gender", "true", "predicted")
# Before the name of a class that is that of another column, or that begins so itself.
_PREFIX = "class:"


def posterior_columns(classes):
    """Name the columns of posteriors: as the classes, unless another column of the predictions has that name.

    See chapter "One fold".

    Parameters
    ----------
    classes : iterable of str

    Returns
    -------
    list of str
        Different names for different classes.

    Examples
    --------
    >>> from sermodules import metrics
    >>> metrics.posterior_columns(["angry", "true"])
    ['angry', 'class:true']
    """
    taken = {"run", *TEXTS}  # published predictions also have the run
    return [_PREFIX * (name in taken or name.startswith(_PREFIX)) + name for name in classes]


def confusion(true, predicted, classes):
    """Count how often each class was taken for each.

    See chapter "One fold".

    Parameters
    ----------
    true, predicted : sequence of str, length n
        Class names, one an utterance.
    classes : sequence of str, length k
        All classes, in the order of the rows and columns.

    Returns
    -------
    pandas.DataFrame, shape (k, k)
        Counts: rows are the true classes, columns the predicted ones.

    Raises
    ------
    ValueError
        If a name is not among `classes`, or the two lengths differ.

    Examples
    --------
    >>> from sermodules import metrics
    >>> metrics.confusion(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy"])
    predicted  sad  happy
    true
    sad          1      1
    happy        0      1
    """
    classes = list(classes)
    strange = sorted(({*true} | {*predicted}) - {*classes})
    if strange:
        raise ValueError(f"not among the classes {classes}: {strange}")
    if len(true) == 0:
        counts = np.zeros((len(classes), len(classes)), dtype=int)
    else:
        counts = confusion_matrix(list(true), list(predicted), labels=classes)
    return pd.DataFrame(counts, index=pd.Index(classes, name="true"), columns=pd.Index(classes, name="predicted"))


def recalls(matrix):
    """Return the share of each class's utterances that were recognised; NaN where the class does not occur.

    See chapter "One fold".

    Parameters
    ----------
    matrix : pandas.DataFrame, shape (k, k)
        From `confusion`.

    Returns
    -------
    pandas.Series, length k

    Examples
    --------
    >>> from sermodules import metrics
    >>> matrix = metrics.confusion(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy"])
    >>> metrics.recalls(matrix).to_dict()
    {'sad': 0.5, 'happy': 1.0}
    """
    totals = matrix.sum(axis=1)
    return pd.Series(np.diag(matrix) / totals.where(totals > 0), index=matrix.index, name="recall")


def uar(matrix):
    """Unweighted average recall: the mean of the recalls of the classes that occur (NaN if none does).

    The paper calls it UA and describes it as "a weighted average"; it is the unweighted one.

    See chapter "The protocol".

    Examples
    --------
    All 9 neutral utterances are recognised, the only sad one is not: the recalls are 1 and 0.

    >>> import pandas as pd
    >>> from sermodules import metrics
    >>> metrics.uar(pd.DataFrame([[9, 0], [1, 0]]))
    0.5
    """
    return float(recalls(matrix).mean())


def wa(matrix):
    """Weighted accuracy: the share of all utterances that were recognised (NaN if there are none).

    See chapter "The protocol".

    Examples
    --------
    The matrix of the example of `uar`: 9 of 10 utterances are recognised.

    >>> import pandas as pd
    >>> from sermodules import metrics
    >>> metrics.wa(pd.DataFrame([[9, 0], [1, 0]]))
    0.9
    """
    total = matrix.to_numpy().sum()
    return float(np.trace(matrix.to_numpy()) / total) if total else float("nan")


#: The scores of a run: each takes the matrix of `confusion` and returns a share between 0 and 1. One that is added here stands
#: in every new run's metrics and in every table of scores; runs that were stored before are valid as they are.
SCORES = {"uar": uar, "wa": wa}


def summarise(true, predicted, classes):
    """Return all scores of a set of utterances as plain Python values, ready for JSON.

    See chapter "The protocol".

    Returns
    -------
    dict
        ``uar``, ``wa`` (shares between 0 and 1), ``recalls`` (class to share, None where the class does not occur),
        ``confusion`` (list of rows, counts), ``classes``, ``covered`` (the classes that occur, which is what the UAR
        averages) and ``n`` (utterances).

    Examples
    --------
    >>> from sermodules import metrics
    >>> scores = metrics.summarise(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy", "neutral"])
    >>> scores["uar"], scores["covered"]
    (0.75, ['sad', 'happy'])
    >>> scores["recalls"]
    {'sad': 0.5, 'happy': 1.0, 'neutral': None}
    """
    matrix = confusion(true, predicted, classes)
    rates = recalls(matrix)
    return {
        **{name: score(matrix) for name, score in SCORES.items()},
        "recalls": {name: None if np.isnan(rate) else float(rate) for name, rate in rates.items()},
        "confusion": matrix.to_numpy().tolist(),
        "classes": list(matrix.index),
        "covered": [name for name, rate in rates.items() if not np.isnan(rate)],
        "n": int(matrix.to_numpy().sum()),
    }


#: From this share on, `loss_regained` says that a training was unstable. Of 1,270 published runs two have more.
UNSTABLE = 0.25


def calibration(predictions, classes, bins=5):
    """Compare how sure predictions are with how often they are right.

    See chapter "Try it".

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns ``true``, ``predicted``, and the posteriors, as in a run's predictions.
    classes : list of str
    bins : int
        The highest posterior lies between 1/classes and 1; this range is cut into so many equal parts.

    Returns
    -------
    pandas.DataFrame
        One row a part in which there is a prediction: ``low`` and ``high``, its ends; ``sure``, the mean of the highest
        posteriors in it; ``right``, the share of them that are right; ``n``, how many they are.

    Notes
    -----
    The reliability diagram of A. Niculescu-Mizil, R. Caruana, "Predicting good probabilities with supervised learning", ICML
    2005, for the predicted class.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules import metrics
    >>> said = pd.DataFrame({"true": ["a", "b"], "predicted": ["a", "a"], "a": [0.9, 0.9], "b": [0.1, 0.1]})
    >>> metrics.calibration(said, ["a", "b"])[["low", "high", "sure", "right", "n"]].round(2).values.tolist()
    [[0.9, 1.0, 0.9, 0.5, 2.0]]
    """
    sure = predictions[posterior_columns(classes)].max(axis=1)
    edges = np.linspace(1 / len(classes), 1, bins + 1)
    part = np.clip(np.searchsorted(edges, sure, side="right") - 1, 0, bins - 1)
    right = predictions["true"] == predictions["predicted"]
    rows = pd.DataFrame({"part": part, "sure": sure, "right": right}).groupby("part")
    found = rows.agg(sure=("sure", "mean"), right=("right", "mean"), n=("right", "size"))
    ends = {"low": edges[found.index], "high": edges[found.index + 1]}
    return found.assign(**ends)[["low", "high", "sure", "right", "n"]].reset_index(drop=True)


def loss_regained(history):
    """Say how much of what the training loss had fallen it rose again by the end.

    See chapter "One fold".

    Parameters
    ----------
    history : pandas.DataFrame
        A row an epoch, with the column ``loss``.

    Returns
    -------
    float
        (last - lowest) / (first - lowest): 0 if the last epoch has the lowest loss or there is one epoch only; 1 if the loss
        ended where it began; more if it ended higher. Infinite if it never fell, and rose.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules import metrics
    >>> metrics.loss_regained(pd.DataFrame({"loss": [1.4, 1.0, 1.1]}))
    0.25
    """
    if len(history) < 2:
        return 0.0
    loss = history["loss"].to_numpy(float)
    lost, fallen = loss[-1] - loss.min(), loss[0] - loss.min()
    if not lost > 0:
        return 0.0
    return round(float(lost / fallen), 6) if fallen > 0 else float("inf")
