"""How the figures that the paper prints decide a claim: one function a check.

A figure that is printed without its folds is judged as it is printed. That says nothing about other speakers.
"""

import functools

import numpy as np
import pandas as pd

from sermodules.evidence import paper, statistics
from sermodules.evidence.claims.figures import listed
from sermodules.evidence.claims.finding import (
    EQUAL,
    NOT_TESTED,
    Found,
    could_see,
    evidence,
    exact,
    in_points,
    interval,
    joined,
    plain_evidence,
)
from sermodules.evidence.claims.rules import spread_ratio
from sermodules.evidence.paper import tables

_NO_FOLDS = "no interval over the speakers can be had: the tables print no folds"


@functools.cache  # the paper does not change
def _judged(check, arguments):
    return check(*arguments)


class Printed:
    """A rule that needs no runs.

    Parameters
    ----------
    check : callable
        One of the functions below; it returns a `Found`.
    *arguments
        What it takes.
    """

    kind = "arithmetic"
    compared = ""

    def __init__(self, check, *arguments):
        self.check, self.arguments = check, arguments

    def __repr__(self):
        return f"Printed({self.check.__name__}{''.join(f', {each!r}' for each in self.arguments)})"

    def decide(self):
        """Judge the printed figures.

        Returns
        -------
        Found
        """
        return _judged(self.check, self.arguments)


def _confusion(model):
    """Return the printed confusion matrix of a model."""
    return {"model1": tables.TABLE3, "model2": tables.TABLE4}[model]


# --- Table 1, and Table 2 against it


def means_agree():
    """Check that the recomputed means, rounded to two decimals, are those of the last row of Table 1."""
    means = paper.recomputed_means()[list(tables.TABLE1_MEAN)]
    return exact(listed(means, 3), all(means.round(2) == pd.Series(tables.TABLE1_MEAN)))


def sds_are_over_folds():
    """Check that the population SDs of Table 1's UAR, rounded or truncated to two decimals, are those of Table 2."""
    sds = paper.recomputed_sds()
    holds = all("population" in reading for reading in sds["reading"])
    note = f"{'; '.join(sds['reading'])}; sample SD {listed(sds['sample'])}. The SD over seeds is not printed."
    return exact(listed(sds["population"], 3), holds, note)


def mean_difference_is(printed):
    """Check that the mean of the ten differences of UAR of Table 1, rounded to two decimals, is `printed`."""
    uar = paper.differences()["uar"].mean()
    relative = 100 * uar / paper.recomputed_means()["model1_uar"]
    return exact(f"{uar:+.3f} points", round(uar, 2) == printed, f"relative to Model 1 it would be {relative:.2f} %")


def model_2_is_better(metric):
    """Judge the ten differences of Table 1: paired t, corrected for shared training data after Nadeau and Bengio."""
    tests = paper.fold_tests(metric).set_index("test")["p"]
    values = paper.differences()[metric]
    found = evidence(values)
    ends, verdict = interval(found), statistics.verdict(found)
    note = joined(*(f"{name} p = {p:.3f}" for name, p in tests.items()), could_see(values, verdict))
    return Found(in_points(found["difference"], ends), *ends, verdict, note=note)


def model_2_is_more_stable():
    """Judge the ratio of the two SDs of Table 1's UAR, Model 1 over Model 2, after Pitman and Morgan."""
    return spread_ratio(tables.TABLE1["model1_uar"], tables.TABLE1["model2_uar"])


def model_2_beats(method):
    """Judge Model 2 against a figure of another paper: Welch's t with both printed SDs, corrected; none without an SD."""
    found = paper.against_reported(method)
    ends = (found["low"], found["high"])
    if np.isnan(found["sd"]):
        note = (
            f"no SD is printed for {method}, so there is no interval and no verdict; even if its figure were exact, the"
            f" interval would be [{ends[0]:.2f}, {ends[1]:.2f}]"
        )
        ends, verdict = (np.nan, np.nan), NOT_TESTED
    else:
        plain = paper.against_reported(method, ratio=0)
        note = (
            f"both SDs are in the interval, over ten folds each and taken as independent (Welch, df {found['df']:.1f}); without"
            f" the correction for shared training data it is [{plain['low']:.2f}, {plain['high']:.2f}]; open: what the ± of"
            f" {method} is"
        )
        verdict = statistics.verdict(plain_evidence(*ends, found["p"]))
    return Found(in_points(found["difference"], ends), *ends, verdict, note=joined(note, _against_acrnn()))


def _against_acrnn():
    found = paper.against_reported("ACRNN")
    return (
        f"against ACRNN, which Table 2 leaves out ({tables.ACRNN['uar']} ± {tables.ACRNN['sd']}, without gender):"
        f" {in_points(found['difference'], (found['low'], found['high']))}"
    )


def others_in_table_1(printed):
    """Count the models of Table 1 beside Model 2."""
    others = len({name.split("_")[0] for name in tables.TABLE1_MEAN}) - 1
    return exact(f"{others} other model", others == printed, f"Table 2 shows {len(tables.TABLE2) - 1} others")


def wa_are_means_of_five_seeds():
    """Judge by the GRIM test whether each WA that does not end in 0 is k / (5 n): a whole k, the named speaker's n."""
    rows = paper.wa_as_means()
    rows = rows[~rows["ends_in_zero"]]
    odd = rows[~rows["possible"]]
    ours = f"{len(odd)} of {len(rows)} values cannot be one"
    if len(odd):
        ours += f": {', '.join(f'{row.printed} (fold {row.fold})' for row in odd.itertuples())}"
    chance = paper.wa_matches_by_chance().loc["model1"]
    note = (
        f"{chance['matched']:.0f} of ten WA values of Model 1 are k/n of one speaker of the session,"
        f" {chance['other_speaker']:.0f} of them only of the speaker whom the row does not name; chance would give"
        f" {chance['expected']:.1f}. That is consistent with single runs on one speaker a session; it is no proof."
    )
    return exact(ours, odd.empty, note)


# --- Tables 3 and 4


def rows_sum_to_100(model):
    """Check the sums of the rows of a confusion matrix, to within 0.04: what cutting four cells to two decimals can cost."""
    sums = paper.row_sums(_confusion(model))
    return exact(listed(sums), all(abs(sums - 100) <= 0.04 + EQUAL))


def agrees_with_table_1(model, metric):
    """Check the UAR or WA of a confusion matrix, to within 0.015: what cutting to two decimals can cost."""
    table, printed = _confusion(model), tables.TABLE1_MEAN[f"{model}_{metric}"]
    value = paper.implied_uar(table) if metric == "uar" else paper.implied_wa(table)
    note = "if the matrix pools the folds' utterances, it need not agree with a mean over folds"
    return exact(f"{value:.3f} %", abs(value - printed) <= 0.015, note)


def recognised_best(model, emotion):
    """Check that the printed recall of a class is above that of each other class."""
    return _rank(model, emotion, sign=1)


def recognised_worst(model, emotion):
    """Check that the printed recall of a class is below that of each other class."""
    return _rank(model, emotion, sign=-1)


def _rank(model, emotion, sign):
    recalls = paper.recalls(_confusion(model))
    gaps = recalls[emotion] - recalls.drop(emotion)
    nearest = (sign * gaps).idxmin()
    against = ", ".join(f"{name} {gap:+.2f}" for name, gap in gaps.items())
    ours = f"{gaps[nearest]:+.2f} points against {nearest}"
    return exact(ours, all(sign * gaps > EQUAL), f"against {against}; {_NO_FOLDS}")


def model_2_recognises_more():
    """Check that the WA that Table 4 implies is above that of Table 3."""
    gap = paper.implied_wa(tables.TABLE4) - paper.implied_wa(tables.TABLE3)
    gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in paper.recall_differences().items())
    short = (
        f"the row of neutral in Table 4 sums to {paper.row_sums(tables.TABLE4)['neutral']:.2f} % and is taken as it is"
    )
    note = f"if the tables count all utterances, with the class sizes of the corpus's labels; {short}; recalls: {gains}"
    return exact(f"{gap:+.2f} points", gap > EQUAL, f"{note}; {_NO_FOLDS}")


def uar_is_weighted():
    """Check whether the printed UAR is nearer to the weighted than to the unweighted mean of the recalls."""
    weighted = {model: paper.implied_wa(_confusion(model)) for model in tables.MODELS}
    plain = {model: paper.implied_uar(_confusion(model)) for model in tables.MODELS}
    printed = {model: tables.TABLE1_MEAN[f"{model}_uar"] for model in tables.MODELS}
    holds = all(abs(printed[m] - weighted[m]) < abs(printed[m] - plain[m]) for m in tables.MODELS)
    return exact(f"weighted {listed(weighted.values(), 3)}; unweighted {listed(plain.values(), 3)}", holds)


# --- the corpus, and the network


def neutral_share_is(printed):
    """Check the share of neutral in the counts of IEMOCAP's labels, rounded to one decimal."""
    share = 100 * tables.UTTERANCES["neutral"].sum() / tables.UTTERANCES.to_numpy().sum()
    return exact(f"{share:.2f} %", round(share, 1) == printed)


def linear_layer_saves_parameters():
    """Compare linear layer and BiLSTM with the BiLSTM alone, from the sizes in the paper."""
    counts, saved = _with_and_without(2)
    note = f"with pooling 2 x 2 as printed; with 2 x 4, as in ACRNN's code: {_with_and_without(4)[0]}"
    return exact(counts, saved > 0, note)


def _with_and_without(pooled):
    counts = paper.linear_layer_parameters(pooled)
    saved = 100 * (1 - counts["with"] / counts["without"])
    words = f"{saved:.1f} % saved" if saved > 0 else f"{-saved:.1f} % more"
    return f"{counts['with']:,} with, {counts['without']:,} without: {words}", saved
