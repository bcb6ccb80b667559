"""What the paper reported: its four tables, as printed, what they imply when recomputed, and its claims one by one.

Bhushan, Fahad, Agrawal, Tripathi, Mishra, Deepak: "A Self-Attention Based Hybrid CNN-LSTM for Speaker-Independent Speech
Emotion Recognition", 2022. All figures are percentages and were measured on IEMOCAP: improvised turns, four classes,
leave-one-speaker-out. "UWA" and "accuracy" of the paper are the UAR (unweighted average recall); in all tables higher is
better, off the diagonal of Tables 3 and 4 lower.

The functions below recompute what can be recomputed from the printed tables alone. They say what the figures agree with.
They prove nothing about how the figures were made.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

#: The paper's classes, in the order of its confusion matrices.
CLASSES = ("angry", "sad", "happy", "neutral")

#: Where each table stands.
WHERE = {
    "TABLE1": "Table 1, between sections 3.2 and 3.3",
    "TABLE1_MEAN": "Table 1, last row, between sections 3.2 and 3.3",
    "TABLE2": "Table 2, between sections 3.2 and 3.3",
    "TABLE3": "Table 3, section 3.4",
    "TABLE4": "Table 4, section 3.4",
}

#: Table 1: WA and UAR (%) of each fold. `gender` is the test speaker's, `session` counts from 1.
TABLE1 = pd.DataFrame(
    [
        (1, 1, "female", 73.17, 61.90, 62.00, 66.40),
        (2, 1, "male", 52.19, 63.50, 71.70, 67.11),
        (3, 2, "female", 54.80, 71.50, 71.10, 68.00),
        (4, 2, "male", 62.01, 74.80, 61.50, 74.93),
        (5, 3, "female", 69.69, 58.13, 64.20, 62.32),
        (6, 3, "male", 66.66, 57.46, 61.30, 70.00),
        (7, 4, "female", 64.70, 64.30, 68.00, 64.14),
        (8, 4, "male", 69.23, 64.92, 69.23, 65.00),
        (9, 5, "female", 58.82, 34.82, 58.20, 42.34),
        (10, 5, "male", 57.91, 43.00, 55.98, 48.40),
    ],
    columns=["fold", "session", "gender", "model1_wa", "model1_uar", "model2_wa", "model2_uar"],
)

#: Last row of Table 1, "10-fold Cross-Validation" (%), as printed. The means of the rows agree with it.
TABLE1_MEAN = {"model1_wa": 62.92, "model1_uar": 59.43, "model2_wa": 64.32, "model2_uar": 62.86}

#: Table 2: mean and ± (%), as printed. The paper's heading is "Accuracy"; for its own models the figures are Table 1's mean
#: UAR and the population SD over the ten folds, truncated to two decimals. The first two lines were taken from other papers.
TABLE2 = pd.DataFrame(
    [
        ("DNN-ELM", None, 51.24, 7.24, "51.24 ± 7.24"),
        ("CNN-LSTM", None, 61.7, None, "61.7"),
        ("Model 1", "model1", 59.43, 11.57, "59.43 ± 11.57"),
        ("Model 2", "model2", 62.86, 9.43, "62.86 ± 9.43"),
    ],
    columns=["method", "model", "uar", "sd", "printed"],
)


def _confusion(*rows):
    index, columns = pd.Index(CLASSES, name="true"), pd.Index(CLASSES, name="predicted")
    return pd.DataFrame(rows, index=index, columns=columns)


#: Table 3: confusion matrix of Model 1, in % of the true class (rows). Each row sums to 100.
TABLE3 = _confusion(
    (69.40, 1.49, 9.62, 19.49),
    (0.54, 69.90, 4.66, 24.90),
    (18.16, 2.23, 30.41, 49.20),
    (10.60, 9.42, 12.08, 67.90),
)

#: Table 4: confusion matrix of Model 2, in % of the true class (rows). The neutral row sums to 99.59.
TABLE4 = _confusion(
    (67.55, 2.50, 11.11, 18.83),
    (0.36, 84.08, 2.27, 13.29),
    (12.97, 5.94, 39.50, 41.58),
    (5.96, 19.18, 14.88, 59.57),
)

#: Table 2's missing row: the UAR and ± (%) of ACRNN, the network that the paper builds on, on the same utterances and without
#: gender. Chen, He, Yang, Zhang, "3-D convolutional recurrent neural networks with attention model for speech emotion
#: recognition", IEEE Signal Processing Letters 25(10), 2018. Table 2's DNN-ELM row is that paper's figure too; its CNN-LSTM
#: row is of Etienne, Fidanza, Petrovskii, Devillers, Schmauch, "CNN+LSTM architecture for speech emotion recognition with data
#: augmentation", Workshop on Speech, Music and Mind, 2018.
ACRNN = {"uar": 64.74, "sd": 5.44}

#: How many improvised utterances of the four classes each speaker of IEMOCAP has (happy without excited), by the
#: corpus's labels: Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and
#: Evaluation 42(4), 2008. The paper does not print them, and the corpus is licensed, so no test here counts them again.
UTTERANCES = pd.DataFrame(
    [
        (1, "female", 37, 43, 18, 119),
        (1, "male", 25, 61, 15, 104),
        (2, "female", 7, 63, 25, 90),
        (2, "male", 15, 37, 29, 127),
        (3, "female", 22, 108, 39, 95),
        (3, "male", 68, 82, 21, 103),
        (4, "female", 47, 41, 10, 51),
        (4, "male", 37, 40, 21, 123),
        (5, "female", 18, 73, 56, 151),
        (5, "male", 13, 60, 50, 136),
    ],
    columns=["session", "gender", *CLASSES],
).set_index(["session", "gender"])

#: The paper's seeds for each fold (section 3.1).
SEEDS = 5

_MODELS = ("model1", "model2")
_SLACK = 1e-9  # binary fractions: 69.39999… is printed as 69.40


# --- the tables, recomputed


def _truncated(value):
    return math.floor(value * 100 + _SLACK) / 100


def recomputed_means():
    """Average the ten folds of Table 1.

    Returns
    -------
    pandas.Series
        Four means (%), named as the columns of `TABLE1`. `TABLE1_MEAN` has what is printed.
    """
    return TABLE1[list(TABLE1_MEAN)].mean()


def recomputed_sds():
    """Find out which standard deviation Table 2 prints.

    Returns
    -------
    pandas.DataFrame
        One row a model: ``printed``, ``population`` and ``sample`` (the SDs of the UAR over Table 1's ten folds, %), and
        ``reading``, which of them gives the printed figure and how it was cut to two decimals: "rounded", "truncated" or
        "rounded or truncated". ``reading`` is empty if none does.
    """
    rows = {}
    for line in TABLE2.dropna(subset="model").itertuples():
        folds = TABLE1[f"{line.model}_uar"]
        sds = {"population": folds.std(ddof=0), "sample": folds.std(ddof=1)}
        readings = [f"{name}, {how}" for name, sd in sds.items() if (how := _cut(sd, line.sd))]
        rows[line.model] = {"printed": line.sd, **sds, "reading": "; ".join(readings)}
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="model"))


def _cut(value, printed):
    """Say how `value` was cut to the two decimals of `printed`; empty if it was not."""
    ways = {"rounded": abs(value - printed) <= 0.005 + _SLACK, "truncated": _truncated(value) == printed}
    return " or ".join(way for way, gives in ways.items() if gives)


def row_sums(table):
    """Sum each row of a confusion matrix (%): each should give 100 up to the rounding of its cells.

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    pandas.Series
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
    """
    if renormalise:
        table = 100 * table.div(table.sum(axis=1), axis=0)
    return float(recalls(table).mean())


def implied_wa(table):
    """Weight the recalls of a confusion matrix by the classes' numbers of utterances in IEMOCAP.

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    float
        WA (%): the share of all 2280 utterances that was recognised.
    """
    return float(np.average(recalls(table), weights=UTTERANCES.sum()[table.index]))


def neutral_predictions(table):
    """Say how much a confusion matrix leans towards neutral, with the classes' numbers of utterances in IEMOCAP.

    Parameters
    ----------
    table : pandas.DataFrame, shape (4, 4)
        `TABLE3` or `TABLE4`.

    Returns
    -------
    pandas.Series
        ``predicted``: share of all utterances that was taken for neutral; ``true``: share that is neutral; ``mistakes``:
        share of the wrong predictions that said neutral (%).
    """
    counts = table.mul(UTTERANCES.sum()[table.index], axis=0) / 100
    wrong = counts - np.diag(np.diag(counts))
    return pd.Series(
        {
            "predicted": 100 * counts["neutral"].sum() / counts.to_numpy().sum(),
            "true": 100 * UTTERANCES["neutral"].sum() / UTTERANCES.to_numpy().sum(),
            "mistakes": 100 * wrong["neutral"].sum() / wrong.to_numpy().sum(),
        }
    )


def by_speaker():
    """Name the speakers of Table 1 as the corpus does.

    Returns
    -------
    pandas.DataFrame
        The WA and UAR (%) of `TABLE1`, indexed by ``speaker``, from ``Ses01F`` to ``Ses05M``. Open: whether each row belongs
        to the speaker that it names or to the other one of the session, see `wa_as_fractions`.
    """
    names = [f"Ses{row.session:02d}{row.gender[0].upper()}" for row in TABLE1.itertuples()]
    return TABLE1.set_index(pd.Index(names, name="speaker"))[list(TABLE1_MEAN)]


# --- Model 2 against Model 1


def differences():
    """Subtract Model 1 from Model 2 in each fold of Table 1.

    Returns
    -------
    pandas.DataFrame
        ``fold, session, gender, uar, wa``; the last two in points, positive where Model 2 is better.
    """
    rows = TABLE1[["fold", "session", "gender"]].copy()
    for metric in ("uar", "wa"):
        rows[metric] = TABLE1[f"model2_{metric}"] - TABLE1[f"model1_{metric}"]
    return rows


def recall_differences():
    """Subtract Table 3's recalls from Table 4's: what Model 2 gains in each class, in points."""
    return (recalls(TABLE4) - recalls(TABLE3)).rename("difference")


def without_session(session):
    """Average Table 1 over the folds of the other four sessions.

    Parameters
    ----------
    session : int
        1 to 5.

    Returns
    -------
    pandas.Series
        Four means (%), named as the columns of `TABLE1`.
    """
    return TABLE1.loc[TABLE1["session"] != session, list(TABLE1_MEAN)].mean()


def fold_tests(metric="uar"):
    """Test whether Model 2 differs from Model 1, on the ten folds of Table 1.

    The folds of a cross-validation share training data, so the plain paired t-test is too sure of itself. Nadeau and Bengio
    correct it: the variance of the mean is (1/J + n_test/n_train) times the sample variance of the J differences, with J - 1
    degrees of freedom. With ten speakers of about equal size the ratio is 1/9 if all that is not tested counts as training
    data, 1/8 if the validation speaker does not. The two speakers of a session talk to each other, so the last line takes a
    session's mean as one observation.

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
    """
    other = ACRNN if method == "ACRNN" else TABLE2.set_index("method").loc[method]
    folds = TABLE1[f"{model}_uar"]
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


# --- WA values as fractions


def _count(printed, n):
    """Return the whole k for which 100 k / n is printed as `printed` (rounded or truncated), or None."""
    for k in (math.floor(printed * n / 100), math.ceil(printed * n / 100)):
        if _cut(100 * k / n, printed):
            return k
    return None


def wa_as_fractions():
    """Find the WA values of Table 1 that are a whole number of utterances out of one speaker's utterances.

    The WA of one run on one speaker with n utterances is k/n. A figure with two decimals that is no such fraction cannot be
    that. This is the GRIM test of Brown and Heathers.

    A match is consistent with a single run on that speaker. It proves nothing: see `wa_matches_by_chance` for how often a
    match comes by chance. Values that end in 0 may have been rounded to one decimal; for them a missing match says little.

    Returns
    -------
    pandas.DataFrame
        One row a model, fold and speaker of the fold's session that matches: ``model, fold, session, labelled`` (gender of
        the speaker that Table 1 names), ``printed, speaker`` (gender of the one that matches), ``n, k, wa`` (100 k / n),
        ``cut`` (how `wa` was cut to two decimals).

    References
    ----------
    Brown, Heathers, "The GRIM test: a simple technique detects numerous anomalies in the reporting of results in psychology",
    Social Psychological and Personality Science 8(4), 2017, 363-369.
    """
    sizes = UTTERANCES.sum(axis=1)
    rows = []
    for model in _MODELS:
        for row in TABLE1.itertuples():
            printed = getattr(row, f"{model}_wa")
            for speaker, n in sizes[row.session].items():
                if (k := _count(printed, n)) is not None:
                    wa = 100 * k / n
                    rows.append(
                        (model, row.fold, row.session, row.gender, printed, speaker, n, k, wa, _cut(wa, printed))
                    )
    return pd.DataFrame(
        rows, columns=["model", "fold", "session", "labelled", "printed", "speaker", "n", "k", "wa", "cut"]
    )


def fraction_share(*sizes, low=40, high=80):
    """Return the share of all values with two decimals that are a whole fraction of one of `sizes`.

    Parameters
    ----------
    *sizes : int
        Numbers of utterances.
    low, high : int
        The values run from `low` (%) up to, but not including, `high`.

    Returns
    -------
    float
        Between 0 and 1: how often `wa_as_fractions` would match a value drawn at random.
    """
    shares = np.concatenate([100 * np.arange(n + 1) / n for n in sizes])
    printed = {round(share, 2) for share in shares} | {_truncated(share) for share in shares}
    return sum(low <= value < high for value in printed) / (100 * (high - low))


def wa_matches_by_chance():
    """Count the matches of `wa_as_fractions` beside those that chance would give.

    Returns
    -------
    pandas.DataFrame
        One row a model: ``matched`` (folds of ten whose WA matches a speaker of the session), ``other_speaker`` (of these,
        those that match only the speaker that the row does not name), ``expected`` (folds that would match if the WA were any
        value with two decimals from 40 to 80, see `fraction_share`), ``p`` (probability of at least as many matches then).
    """
    sizes = UTTERANCES.sum(axis=1)
    shares = [fraction_share(*sizes[session]) for session in TABLE1["session"]]
    found = wa_as_fractions()
    chance = np.array([1.0])  # probability of 0, 1, ... matches
    for share in shares:
        chance = np.convolve(chance, [1 - share, share])
    rows = {}
    for model in _MODELS:
        mine = found[found["model"] == model]
        matched = mine["fold"].nunique()
        own = mine.loc[mine["speaker"] == mine["labelled"], "fold"].nunique()
        rows[model] = (matched, matched - own, sum(shares), chance[matched:].sum())
    return pd.DataFrame(
        rows.values(), index=pd.Index(rows, name="model"), columns=["matched", "other_speaker", "expected", "p"]
    )


def wa_as_means(seeds=SEEDS):
    """Say which WA values of Table 1 can be the mean of several runs on the speaker that the row names.

    The mean of s runs on a speaker with n utterances is k / (s n) for a whole k. This too is the GRIM test (see
    `wa_as_fractions`). It is weaker, as more values are possible; and it holds for these numbers of utterances only.

    Parameters
    ----------
    seeds : int
        Runs that were averaged, s.

    Returns
    -------
    pandas.DataFrame
        One row a model and fold: ``model, fold, session, gender, n, printed, possible`` and ``ends_in_zero``, true where the
        value may have been rounded to one decimal, so that not much follows if it is not possible.
    """
    sizes = UTTERANCES.sum(axis=1)
    rows = []
    for model in _MODELS:
        for row in TABLE1.itertuples():
            n, printed = sizes[row.session, row.gender], getattr(row, f"{model}_wa")
            zero = f"{printed:.2f}".endswith("0")
            rows.append(
                (model, row.fold, row.session, row.gender, n, printed, _count(printed, seeds * n) is not None, zero)
            )
    return pd.DataFrame(
        rows, columns=["model", "fold", "session", "gender", "n", "printed", "possible", "ends_in_zero"]
    )


# --- other arithmetic


def linear_layer_parameters():
    """Count the parameters behind the convolutions with and without the linear layer of 768 (section 2.2.2).

    The sizes are the paper's: 40 bands, halved by the 2 x 2 pooling, times 256 feature maps; a linear layer of 768; a BiLSTM
    of 128 cells a direction with four gates, each with weights for its input and its state and a bias.

    Returns
    -------
    pandas.Series
        ``with`` and ``without`` it: parameters of linear layer and BiLSTM together.
    """
    inputs, units, cells = 40 // 2 * 256, 768, 128

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
    left = 100 - TABLE1_MEAN["model2_wa"]
    return 100 * points / (left + points)


# --- the claims


@dataclass(frozen=True)
class Claim:
    """One thing that the paper says or that its tables show, and what decides it.

    Attributes
    ----------
    id : str
        Words with hyphens.
    statement : str
        One sentence, in our words.
    where : str
        Sections and tables of the paper.
    reported : str
        The value that the paper gives; "no figure" if it gives none.
    kind : {"corpus", "arithmetic"}
        Whether it takes runs on a corpus, or the paper's own tables decide it.
    test : str
        What decides it.
    value : float, optional
        The reported value as a number, in the unit of `reported`; None if there is none, or more than one.
    """

    id: str
    statement: str
    where: str
    reported: str
    kind: str
    test: str
    value: float | None = None


def _corpus_claims():
    uar, wa = (TABLE1_MEAN[f"model2_{m}"] - TABLE1_MEAN[f"model1_{m}"] for m in ("uar", "wa"))
    sds = TABLE2.dropna(subset="model").set_index("model")["sd"]
    others = TABLE2.set_index("method")["uar"]
    paired = "mean over the folds, paired by fold and seed"
    claims = [
        (
            "self-attention-beats-attention",
            "With gender given to both, self-attention (Model 2) has a higher UAR than attention (Model 1).",
            "abstract; sections 1, 3.4, 4; Table 1",
            f"{uar:+.2f} points",
            f"difference of UAR, Model 2 less Model 1, {paired}",
            uar,
        ),
        (
            "self-attention-adds-3-43-points",
            "What self-attention adds to the UAR on IEMOCAP is 3.43 points.",
            "abstract; section 3.4; Table 1",
            f"{uar:+.2f} points",
            f"difference of UAR, Model 2 less Model 1, {paired}, on IEMOCAP, less Table 1's difference for the same speaker",
            uar,
        ),
        (
            "self-attention-more-precise",
            "Model 2 recognises more utterances than Model 1.",
            "section 3.4; Tables 1, 3 and 4",
            f"{wa:+.2f} points WA",
            f"difference of WA, Model 2 less Model 1, {paired}",
            wa,
        ),
        (
            "self-attention-more-stable",
            "The UAR of Model 2 varies less from speaker to speaker than that of Model 1.",
            "Table 2 (section 1 speaks of stable results, of no model in particular)",
            f"± {sds['model1']} against ± {sds['model2']}, ratio {sds['model1'] / sds['model2']:.2f}",
            "ratio of the SDs over the folds, Model 1 over Model 2, each fold the mean of its seeds, after Pitman and Morgan",
            sds["model1"] / sds["model2"],
        ),
        (
            "self-attention-beats-mean-pooling",
            "Self-attention scores the frames to better effect than a plain mean over time.",
            "section 2.2.2",
            "no figure",
            f"difference of UAR, Model 2 less the same network with mean pooling, {paired}",
        ),
        (
            "self-attention-beats-max-pooling",
            "Self-attention scores the frames to better effect than a plain maximum over time.",
            "section 2.2.2",
            "no figure",
            f"difference of UAR, Model 2 less the same network with max pooling, {paired}",
        ),
        (
            "self-attention-faster",
            "Self-attention is much faster than attention on top of a recurrent network.",
            "section 1",
            "no figure",
            "seconds of training an epoch of both models on one machine that does nothing else",
        ),
        (
            "gender-helps",
            "Telling Model 2 the speaker's gender raises its UAR.",
            "abstract; sections 3.4, 4",
            "+1 to +2 points of overall accuracy",
            f"difference of UAR, Model 2 with the gender embedding less without, {paired}",
        ),
        (
            "gender-adds-1-to-2-points",
            "What gender adds to Model 2 on IEMOCAP lies between 1 and 2 points (open: of WA or of UAR; here UAR).",
            "section 4",
            "+1 to +2 points of overall accuracy",
            f"difference of UAR, Model 2 with the gender embedding less without, {paired}, on IEMOCAP, against 1 to 2 points",
        ),
        (
            "gender-reduces-mistakes",
            "Telling Model 2 the speaker's gender clearly lowers the number of its mistakes.",
            "section 4",
            f"significantly fewer, at +1 to +2 points (that is {mistakes_saved(1):.1f} to {mistakes_saved(2):.1f} % of them)",
            f"difference of WA, Model 2 with the gender embedding less without, {paired}",
        ),
        (
            "gender-cures-neutral-bias",
            "Without gender many utterances of other classes are taken for neutral; with it fewer are.",
            "sections 3.4, 4",
            "no figure",
            "difference of the share taken for neutral (mean over angry, sad and happy), Model 2 without the gender embedding"
            f" less with, {paired}",
        ),
        *(
            (
                f"{model.replace('model', 'model-')}-{metric}",
                f"{name} reaches this {metric.upper()} on IEMOCAP, leave-one-speaker-out.",
                f"Table 1{'' if metric == 'wa' else '; Table 2'}",
                f"{TABLE1_MEAN[f'{model}_{metric}']:.2f} %" + (f" ± {sds[model]}" if metric == "uar" else ""),
                f"{metric.upper()} of each fold, the mean of its seeds, on IEMOCAP, less Table 1's for the same speaker",
                TABLE1_MEAN[f"{model}_{metric}"],
            )
            for model, name in (("model1", "Model 1"), ("model2", "Model 2"))
            for metric in ("uar", "wa")
        ),
        *(
            (
                f"model-2-beats-{method.lower()}",
                f"Model 2 has a higher UAR than {method}.",
                "sections 1, 3.3, 4; Table 2",
                f"{TABLE1_MEAN['model2_uar'] - others[method]:+.2f} points",
                f"difference of UAR, Model 2 less {method}, {paired}",
                TABLE1_MEAN["model2_uar"] - others[method],
            )
            for method in ("DNN-ELM", "CNN-LSTM")
        ),
        (
            "network-matches-classical-features",
            "Networks of this kind do at least as well as classical features with a classical classifier.",
            "section 2.2.2 (said of earlier work)",
            "no figure",
            f"difference of UAR, Model 2 less openSMILE ComParE with a linear SVM, {paired}",
        ),
        *(
            (
                f"{emotion}-recognised-{rank}-model-{number}",
                f"Model {number} recognises {emotion} {rank} of the four classes.",
                f"section 3.4; Table {number + 2}",
                f"recall {recalls(table)[emotion]:.2f} %",
                f"recall of {emotion} against each other class, {paired}; all three differences must show it",
                recalls(table)[emotion],
            )
            for number, table in ((1, TABLE3), (2, TABLE4))
            for emotion, rank in (("sad", "best"), ("happy", "worst"))
        ),
        *(
            (
                f"happy-taken-for-neutral-model-{number}",
                f"Model {number} takes happy for neutral more often than it recognises it.",
                f"Table {number + 2} (not in words)",
                f"{gap:+.2f} points",
                f"share of happy utterances taken for neutral less the recall of happy, {paired}",
                gap,
            )
            for number, table in ((1, TABLE3), (2, TABLE4))
            for gap in [table.loc["happy", "neutral"] - table.loc["happy", "happy"]]
        ),
        *(
            (
                f"self-attention-{'lifts' if gain > 0 else 'costs'}-{emotion}",
                f"The recall of {emotion} is {'higher' if gain > 0 else 'lower'} in Model 2 than in Model 1.",
                "Tables 3 and 4 (not in words)",
                f"{gain:+.2f} points",
                f"difference of the recall of {emotion}, Model 2 less Model 1, {paired}",
                gain,
            )
            for emotion, gain in recall_differences().items()
        ),
        (
            "seeds-matter",
            "Another draw of the initial weights changes the result widely: by more than the two models differ.",
            "section 3.1",
            f"wide range (no figure; the models differ by {uar:.2f} points)",
            f"range over {SEEDS} seeds of Model 2's mean UAR over the folds, less the difference of the models: that of the"
            " same runs, or the paper's on IEMOCAP with the paper's network",
        ),
        (
            "speakers-matter",
            "The UAR depends much on the speaker: its SD over the speakers exceeds the SD over the seeds.",
            "section 2.2.1",
            f"± {sds['model2']} over the folds of Model 2; no figure for the seeds",
            "Model 2: SD of the UAR over the speakers, less what the drawing of their utterances explains, over the SD of the"
            " seeds within a fold",
        ),
        (
            "deltas-help",
            "Deltas and delta-deltas keep what is emotional and lessen what is not, so fewer utterances are mistaken.",
            "abstract; sections 1, 2.2.1",
            "no figure (presumed)",
            "difference of UAR, with deltas less without",
        ),
        (
            "waveform-scaling-helps",
            "Scaling each waveform to zero mean and unit variance lessens the differences between speakers.",
            "section 2.2.1",
            "no figure",
            "ratio of the SDs of UAR over the folds, without the scaling over with it",
        ),
        (
            "linear-layer-keeps-accuracy",
            "A linear layer before the LSTM saves parameters at no cost in accuracy.",
            "section 2.2.2",
            "no figure",
            "difference of UAR, with the layer less without",
        ),
    ]
    return _claims("corpus", claims)


def _arithmetic_claims():
    uar = TABLE1_MEAN["model2_uar"] - TABLE1_MEAN["model1_uar"]
    printed = {model: TABLE1_MEAN[f"{model}_uar"] for model in _MODELS}
    sds = TABLE2.dropna(subset="model").set_index("model")["sd"]
    claims = [
        (
            "table-1-means-agree",
            "The last row of Table 1 is the mean of its ten rows.",
            "Table 1",
            ", ".join(f"{value:.2f}" for value in TABLE1_MEAN.values()),
            "recomputed means, rounded to two decimals",
        ),
        (
            "sd-is-over-folds",
            "The ± of Table 2 is the population SD over the ten folds (the text speaks of repetitions with five seeds).",
            "Table 2; section 3.1",
            ", ".join(f"{value:.2f}" for value in sds),
            "recomputed SDs of Table 1's UAR, rounded or truncated to two decimals",
        ),
        (
            "improvement-is-3-43",
            "Model 2's mean UAR is higher than Model 1's by 3.43 in absolute points (the paper writes %).",
            "abstract; section 3.4",
            "3.43 %",
            "mean of the ten differences of Table 1, rounded to two decimals",
            uar,
        ),
        (
            "model-2-better-uar-as-printed",
            "The ten folds of Table 1 show that Model 2 has the higher UAR.",
            "sections 3.3, 3.4, 4; Table 1",
            f"{uar:+.2f} points",
            "paired t over the ten folds, corrected for shared training data after Nadeau and Bengio",
            uar,
        ),
        (
            "model-2-better-wa-as-printed",
            "The ten folds of Table 1 show that Model 2 has the higher WA.",
            "section 3.4; Table 1",
            f"{TABLE1_MEAN['model2_wa'] - TABLE1_MEAN['model1_wa']:+.2f} points",
            "paired t over the ten folds, corrected for shared training data after Nadeau and Bengio",
            TABLE1_MEAN["model2_wa"] - TABLE1_MEAN["model1_wa"],
        ),
        (
            "model-2-more-stable-as-printed",
            "The ten folds of Table 1 show that the UAR of Model 2 varies less than that of Model 1.",
            "Table 2",
            f"± {sds['model1']} against ± {sds['model2']}, ratio {sds['model1'] / sds['model2']:.2f}",
            "ratio of the two SDs over the folds, Model 1 over Model 2, after Pitman and Morgan",
            sds["model1"] / sds["model2"],
        ),
        *(
            (
                f"model-2-beats-{line.method.lower()}-as-printed",
                f"The printed figures show that Model 2 has a higher UAR than {line.method}, a figure of another paper.",
                "sections 1, 3.3, 4; Table 2",
                f"{printed['model2'] - line.uar:+.2f} points",
                "none: no SD is printed for the other"
                if pd.isna(line.sd)
                else "Welch's t with both printed SDs, ten folds each, corrected for shared training data (Nadeau and Bengio)",
                printed["model2"] - line.uar,
            )
            for line in TABLE2[TABLE2["model"].isna()].itertuples()
        ),
        (
            "table-1-has-three-others",
            "Table 1 shows Model 2 beside three other models.",
            "section 3.3",
            "3 other models",
            "count of the models of Table 1",
            3,
        ),
        (
            "ua-is-a-weighted-average",
            "UA (UAR) weights the classes' accuracies by their sizes.",
            "section 3.4",
            f"{printed['model1']:.2f}, {printed['model2']:.2f}",
            "whether the printed UAR is nearer to the weighted or to the unweighted mean of the recalls of Tables 3 and 4",
        ),
        (
            "neutral-share-is-48-2",
            "Of the improvised utterances of the four classes 48.2 % are neutral (so happy leaves out excited).",
            "section 3.4",
            "48.2 %",
            "counts of IEMOCAP's labels, rounded to one decimal",
            48.2,
        ),
        *(
            (
                f"table-{number}-rows-sum-to-100",
                f"Each row of Table {number} sums to 100 %.",
                f"Table {number}",
                "100 %",
                "sums of the rows, to within 0.04, what cutting four cells to two decimals can cost",
                100,
            )
            for number in (3, 4)
        ),
        *(
            (
                f"table-{number}-agrees-with-{metric}",
                f"Table {number} gives the {metric.upper()} that Table 1 gives for Model {number - 2}.",
                f"Tables 1 and {number}",
                f"{TABLE1_MEAN[f'model{number - 2}_{metric}']:.2f} %",
                f"{metric.upper()} recomputed from Table {number}"
                + (" and the class counts of IEMOCAP" if metric == "wa" else "")
                + ", to within 0.015, what cutting to two decimals can cost",
                TABLE1_MEAN[f"model{number - 2}_{metric}"],
            )
            for number in (3, 4)
            for metric in ("uar", "wa")
        ),
        *(
            (
                f"{emotion}-recognised-{rank}-model-{number - 2}-as-printed",
                f"In the printed Table {number} Model {number - 2} recognises {emotion} {rank} of the four classes.",
                f"section 3.4; Table {number}",
                f"recall {recalls(table)[emotion]:.2f} %",
                "order of the four recalls, as printed",
                recalls(table)[emotion],
            )
            for number, table in ((3, TABLE3), (4, TABLE4))
            for emotion, rank in (("sad", "best"), ("happy", "worst"))
        ),
        (
            "model-2-more-precise-as-printed",
            "In the printed Tables 3 and 4 Model 2 recognises more utterances than Model 1.",
            "section 3.4; Tables 3 and 4",
            "no figure",
            "difference of the WA that the tables imply, as printed",
        ),
        (
            "wa-is-the-mean-of-five-seeds",
            "Each WA of Table 1 is the mean of five runs tested on the speaker whom the row names.",
            "section 3.1; Table 1",
            "ten values a model",
            "GRIM test: whether each value that does not end in 0 is k / (5 n) for a whole k and the speaker's n utterances",
        ),
        (
            "linear-layer-saves-parameters",
            "The linear layer before the LSTM saves parameters.",
            "section 2.2.2",
            "no figure",
            "parameters of linear layer and BiLSTM against those of the BiLSTM alone, from the sizes in the paper",
        ),
    ]
    return _claims("arithmetic", claims)


def _claims(kind, rows):
    """Make claims of (id, statement, where, reported, test[, value])."""
    return [Claim(*row[:4], kind, row[4], *(round(float(value), 2) for value in row[5:])) for row in rows]


#: Every claim of the paper that this project can put to a test, or says why not; `sermodules.evidence.claims` decides them.
CLAIMS = (*_corpus_claims(), *_arithmetic_claims())
