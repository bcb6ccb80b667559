"""What follows from the printed tables alone: means, SDs, sums, scores, parameters.

These functions say what the printed figures agree with. They prove nothing about how the figures were made.
"""

import math

import numpy as np
import pandas as pd

from sermodules.evidence.paper import tables

_SLACK = 1e-9  # binary fractions: 69.39999… is printed as 69.40


def truncated(value):
    """Cut a figure to two decimals, as the paper does in places where one would round."""
    return math.floor(value * 100 + _SLACK) / 100


def recomputed_means():
    """Average the ten folds of Table 1.

    See chapter "The paper".

    Returns
    -------
    pandas.Series
        Four means (%), named as the columns of `TABLE1`. `TABLE1_MEAN` has what is printed.

    Examples
    --------
    >>> from sermodules.evidence import paper
    >>> paper.recomputed_means().round(2).to_dict() == paper.TABLE1_MEAN
    True
    """
    return tables.TABLE1[list(tables.TABLE1_MEAN)].mean()


def recomputed_sds():
    """Find out which standard deviation Table 2 prints.

    See chapter "The paper".

    Returns
    -------
    pandas.DataFrame
        One row a model: ``printed``, ``population`` and ``sample`` (the SDs of the UAR over Table 1's ten folds, %), and
        ``reading``, which of them gives the printed figure and how it was cut to two decimals: "rounded", "truncated" or
        "rounded or truncated". ``reading`` is empty if none does.

    Examples
    --------
    >>> from sermodules.evidence import paper
    >>> paper.recomputed_sds()[["printed", "population", "sample"]].round(3)
            printed  population  sample
    model
    model1    11.57      11.574  12.200
    model2     9.43       9.436   9.946
    """
    rows = {}
    for line in tables.TABLE2.dropna(subset="model").itertuples():
        folds = tables.TABLE1[f"{line.model}_uar"]
        sds = {"population": folds.std(ddof=0), "sample": folds.std(ddof=1)}
        readings = [f"{name}, {how}" for name, sd in sds.items() if (how := cut(sd, line.sd))]
        rows[line.model] = {"printed": line.sd, **sds, "reading": "; ".join(readings)}
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="model"))


def cut(value, printed):
    """Say how `value` was cut to the two decimals of `printed`: "rounded", "truncated", both or, if neither, nothing."""
    ways = {"rounded": abs(value - printed) <= 0.005 + _SLACK, "truncated": truncated(value) == printed}
    return " or ".join(way for way, gives in ways.items() if gives)


def row_sums(table):
    """Sum each row of a confusion matrix (%): each should give 100 up to the rounding of its cells.

    See chapter "The paper".

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    pandas.Series

    Examples
    --------
    >>> from sermodules.evidence import paper
    >>> paper.row_sums(paper.TABLE4).to_dict()
    {'angry': 99.99, 'sad': 100.0, 'happy': 99.99, 'neutral': 99.59}
    """
    return table.sum(axis=1).round(2).rename("sum")


def recalls(table):
    """Return the diagonal of a confusion matrix: the recall of each class (%).

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    pandas.Series
    """
    return pd.Series(np.diag(table), table.index, name="recall")


def implied_uar(table, renormalise=False):
    """Average the recalls of a confusion matrix.

    See chapter "The paper".

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.
    renormalise : bool
        First divide each row by its sum, so that it gives 100 %.

    Returns
    -------
    float
        UAR (%). Open: whether the matrices pool the folds' utterances. If they do, this need not equal the mean of ten UARs.

    Examples
    --------
    The mean of 67.55, 84.08, 39.50 and 59.57. Table 1 prints 62.86.

    >>> from sermodules.evidence import paper
    >>> round(paper.implied_uar(paper.TABLE4), 3)
    62.675
    """
    if renormalise:
        table = 100 * table.div(table.sum(axis=1), axis=0)
    return float(recalls(table).mean())


def implied_wa(table):
    """Weight the recalls of a confusion matrix by the classes' numbers of utterances in IEMOCAP.

    See chapter "The paper".

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    float
        WA (%): the share of all 2280 utterances that was recognised.

    Examples
    --------
    Table 1 prints 64.32.

    >>> from sermodules.evidence import paper
    >>> round(paper.implied_wa(paper.TABLE4), 2)
    64.62
    """
    return float(np.average(recalls(table), weights=tables.UTTERANCES.sum()[table.index]))


def neutral_predictions(table):
    """Say how much a confusion matrix leans towards neutral, with the classes' numbers of utterances in IEMOCAP.

    See chapter "The paper".

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    pandas.Series
        ``predicted``: share of all utterances that was taken for neutral; ``true``: share that is neutral; ``mistakes``:
        share of the wrong predictions that said neutral (%).

    Examples
    --------
    Model 1 says neutral about as often as it should.

    >>> from sermodules.evidence import paper
    >>> paper.neutral_predictions(paper.TABLE3).round(1).to_dict()
    {'predicted': 48.0, 'true': 48.2, 'mistakes': 42.3}
    """
    counts = table.mul(tables.UTTERANCES.sum()[table.index], axis=0) / 100
    wrong = counts - np.diag(np.diag(counts))
    return pd.Series(
        {
            "predicted": 100 * counts["neutral"].sum() / counts.to_numpy().sum(),
            "true": 100 * tables.UTTERANCES["neutral"].sum() / tables.UTTERANCES.to_numpy().sum(),
            "mistakes": 100 * wrong["neutral"].sum() / wrong.to_numpy().sum(),
        }
    )


def by_speaker():
    """Name the speakers of Table 1 as the corpus does.

    See chapter "The paper".

    Returns
    -------
    pandas.DataFrame
        The WA and UAR (%) of `TABLE1`, indexed by ``speaker``, from ``Ses01F`` to ``Ses05M``. Open: whether each row belongs
        to the speaker that it names or to the other one of the session, see `wa_as_fractions`.

    Examples
    --------
    >>> from sermodules.evidence import paper
    >>> paper.by_speaker().loc["Ses05F", ["model1_uar", "model2_uar"]].to_dict()
    {'model1_uar': 34.82, 'model2_uar': 42.34}
    """
    names = [f"Ses{row.session:02d}{row.gender[0].upper()}" for row in tables.TABLE1.itertuples()]
    return tables.TABLE1.set_index(pd.Index(names, name="speaker"))[list(tables.TABLE1_MEAN)]


def linear_layer_parameters(pooled=2):
    """Count the parameters behind the convolutions with and without the linear layer of 768 (section 2.2.2).

    The sizes are the paper's: 40 bands, halved by the 2 x 2 pooling, times 256 feature maps; a linear layer of 768; a BiLSTM
    of 128 cells a direction with four gates, each with weights for its input and its state and a bias.

    See chapter "The CNN-BiLSTM".

    Parameters
    ----------
    pooled : int
        How many bands the pooling makes one: 2 in the paper, 4 in ACRNN's code.

    Returns
    -------
    pandas.Series
        ``with`` and ``without`` it: parameters of linear layer and BiLSTM together.

    Examples
    --------
    The BiLSTM alone has 1024 (768 + 129) parameters behind the layer, 1024 (5120 + 129) without it.

    >>> from sermodules.evidence import paper
    >>> paper.linear_layer_parameters().to_dict()
    {'with': 4851456, 'without': 5374976}

    With the pooling of ACRNN's code it saves nothing.

    >>> paper.linear_layer_parameters(pooled=4).to_dict()
    {'with': 2885376, 'without': 2753536}
    """
    inputs, units, cells = 40 // pooled * 256, 768, 128

    def bilstm(size):
        return 2 * 4 * cells * (size + cells + 1)

    return pd.Series({"with": (inputs + 1) * units + bilstm(units), "without": bilstm(inputs)})


def mistakes_saved(points):
    """Say which share of Model 2's mistakes a gain in accuracy saves.

    Parameters
    ----------
    points : float
        Gain of WA in points; the paper says 1 to 2 for gender (section 4).

    Returns
    -------
    float
        In % of the mistakes that were made without the gain, if Model 2's printed WA is what was reached with it.
    """
    left = 100 - tables.TABLE1_MEAN["model2_wa"]
    return 100 * points / (left + points)
