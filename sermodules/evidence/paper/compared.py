"""Printed figures against each other: Model 2 less Model 1, fold by fold; a model against another paper's; two spreads."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.evidence.paper import tables
from sermodules.evidence.paper.recomputed import recalls


def differences():
    """Subtract Model 1 from Model 2 in each fold of Table 1.

    See chapter "The paper".

    Returns
    -------
    pandas.DataFrame
        ``fold, session, gender, uar, wa``; the last two in points, positive where Model 2 is better.

    Examples
    --------
    >>> from sermodules.evidence import paper
    >>> paper.differences().head(2)
       fold  session  gender   uar     wa
    0     1        1  female  4.50 -11.17
    1     2        1    male  3.61  19.51
    """
    rows = tables.TABLE1[["fold", "session", "gender"]].copy()
    for metric in ("uar", "wa"):
        rows[metric] = tables.TABLE1[f"model2_{metric}"] - tables.TABLE1[f"model1_{metric}"]
    return rows


def recall_differences():
    """Subtract Table 3's recalls from Table 4's: what Model 2 gains in each class, in points.

    See chapter "The paper".

    Examples
    --------
    Sad and happy gain, angry and neutral lose.

    >>> from sermodules.evidence import paper
    >>> paper.recall_differences().round(2).to_dict()
    {'angry': -1.85, 'sad': 14.18, 'happy': 9.09, 'neutral': -8.33}
    """
    return (recalls(tables.TABLE4) - recalls(tables.TABLE3)).rename("difference")


def without_session(session):
    """Average Table 1 over the folds of the other four sessions.

    See chapter "The paper".

    Parameters
    ----------
    session : int
        1 to 5.

    Returns
    -------
    pandas.Series
        Four means (%), named as the columns of `TABLE1`.

    Examples
    --------
    Without the fifth session Model 2 has 67.24 %, not 62.86 %, and is ahead by 2.67 points, not 3.43.

    >>> from sermodules.evidence import paper
    >>> paper.without_session(5)[["model1_uar", "model2_uar"]].round(2).to_dict()
    {'model1_uar': 64.56, 'model2_uar': 67.24}
    """
    return tables.TABLE1.loc[tables.TABLE1["session"] != session, list(tables.TABLE1_MEAN)].mean()


def fold_tests(metric="uar"):
    """Test whether Model 2 differs from Model 1, on the ten folds of Table 1.

    The folds of a cross-validation share training data, so the plain paired t-test is too sure of itself. Nadeau and Bengio
    correct it: the variance of the mean is (1/J + n_test/n_train) times the sample variance of the J differences, with J - 1
    degrees of freedom. With ten speakers of about equal size the ratio is 1/9 if all that is not tested counts as training
    data, 1/8 if the validation speaker does not. The two speakers of a session talk to each other, so the last line takes a
    session's mean as one observation.

    See chapter "How sure can we be?".

    Parameters
    ----------
    metric : {"uar", "wa"}

    Returns
    -------
    pandas.DataFrame
        One row a test: ``test, n`` (observations), ``difference, low, high`` (points; 95 % interval, NaN where the test gives
        none), ``statistic, p`` (two-sided).

    References
    ----------
    Nadeau, Bengio, "Inference for the generalization error", Machine Learning 52(3), 2003, 239-281.

    Examples
    --------
    The tests that take the ten folds as independent find a difference, the others do not.

    >>> from sermodules.evidence import paper
    >>> paper.fold_tests("uar")[["test", "n", "p"]].round(3)
                          test   n      p
    0                 paired t  10  0.042
    1                 Wilcoxon  10  0.037
    2   corrected t, ratio 1/9  10  0.137
    3   corrected t, ratio 1/8  10  0.148
    4  paired t, session means   5  0.145
    """
    rows = differences()
    folds = rows[metric].to_numpy()
    sessions = rows.groupby("session")[metric].mean().to_numpy()
    wilcoxon = stats.wilcoxon(folds)
    lines = [
        ("paired t", 10, *_t_test(folds)),
        ("Wilcoxon", 10, folds.mean(), np.nan, np.nan, wilcoxon.statistic, wilcoxon.pvalue),
        ("corrected t, ratio 1/9", 10, *_t_test(folds, 1 / 9)),
        ("corrected t, ratio 1/8", 10, *_t_test(folds, 1 / 8)),
        ("paired t, session means", 5, *_t_test(sessions)),
    ]
    return pd.DataFrame(lines, columns=["test", "n", "difference", "low", "high", "statistic", "p"])


def _t_test(values, ratio=0.0):
    """Return mean, low, high, t and p; `ratio` is Nadeau and Bengio's n_test / n_train."""
    mean, error = np.mean(values), math.sqrt(np.var(values, ddof=1) * (1 / len(values) + ratio))
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    t = mean / error
    return mean, mean - reach, mean + reach, t, 2 * stats.t.sf(abs(t), len(values) - 1)


def against_reported(method, model="model2", ratio=1 / 9):
    """Compare a model of Table 1 with another row of Table 2, or with ACRNN.

    The two are taken as independent means of ten folds each, with Welch's degrees of freedom, and each variance is corrected
    after Nadeau and Bengio (see `fold_tests`). The printed ± of the other is taken as a population SD, as
    that of Table 2's own models is; a sample SD would be 5 % smaller. The ten speakers are the same, so with the other's folds
    a paired test would be sharper, but they are not printed.

    Open: what the ± of the other papers is, and over how many folds. Where none is printed, the other figure is taken as
    exact: no interval can be narrower, so it is a bound and no test.

    See chapter "The paper".

    Parameters
    ----------
    method : str
        A method of `TABLE2`, or "ACRNN".
    model : {"model1", "model2"}
    ratio : float
        Nadeau and Bengio's n_test / n_train; 0 is the plain test of Welch.

    Returns
    -------
    pandas.Series
        ``difference, low, high`` (UAR, points; 95 % interval), ``statistic, p`` (two-sided), ``df`` and ``sd``, the other's
        printed ± (NaN if there is none).

    References
    ----------
    Welch, "The generalization of 'Student's' problem when several different population variances are involved", Biometrika 34,
    1947, 28-35.

    Examples
    --------
    Model 2 is 62.86 - 64.74 points behind the network that the paper builds on, with an interval from far behind to far ahead.

    >>> from sermodules.evidence import paper
    >>> paper.against_reported("ACRNN")[["difference", "low", "high"]].round(2).to_dict()
    {'difference': -1.88, 'low': -13.16, 'high': 9.41}
    """
    other = tables.ACRNN if method == "ACRNN" else tables.TABLE2.set_index("method").loc[method]
    folds = tables.TABLE1[f"{model}_uar"]
    n, sd = len(folds), other["sd"]
    variances = np.array([folds.var(ddof=1), 0 if np.isnan(sd) else sd**2 * n / (n - 1)]) * (1 / n + ratio)
    df = (n - 1) * variances.sum() ** 2 / (variances**2).sum()
    difference, error = folds.mean() - other["uar"], math.sqrt(variances.sum())
    reach, t = stats.t.ppf(0.975, df) * error, difference / error
    p = 2 * stats.t.sf(abs(t), df)
    values = {"difference": difference, "low": difference - reach, "high": difference + reach}
    return pd.Series(values | {"statistic": t, "p": p, "df": df, "sd": sd})


def sd_ratio(first, second):
    """Compare the spread of two paired samples, after Pitman and Morgan.

    Parameters
    ----------
    first, second : sequence of float, length n
        Scores of the same folds.

    Returns
    -------
    pandas.Series
        ``ratio`` (SD of the first over SD of the second), ``low, high`` (95 % interval), ``p`` (two-sided, of a ratio of 1).
        It supposes normal scores, and that neither sample is constant or a multiple of the other.

    References
    ----------
    Pitman, "A note on normal correlation", Biometrika 31, 1939, 9-12. Morgan, "A test for the significance of the difference
    between the two variances in a sample from a normal bivariate population", Biometrika 31, 1939, 13-19.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    df = len(first) - 2
    ratio = np.std(first) / np.std(second)
    free = 1 - stats.pearsonr(first, second).statistic ** 2
    k = 1 + 2 * free * stats.t.ppf(0.975, df) ** 2 / df
    low, high = (ratio * math.sqrt(k + sign * math.sqrt(k**2 - 1)) for sign in (-1, 1))
    t = (ratio - 1 / ratio) * math.sqrt(df) / (2 * math.sqrt(free))
    return pd.Series({"ratio": ratio, "low": low, "high": high, "p": 2 * stats.t.sf(abs(t), df)})
