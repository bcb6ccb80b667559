"""What judging a claim gives: the words, the interval and the verdict, made in one way for runs and for printed figures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sermodules.evidence import statistics
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, SUPPORTED

#: The verdict where the runs that a claim needs are not there. The others are those of `statistics.verdict`.
NOT_TESTED = "not tested"

#: With fewer speakers than this there is no verdict.
FEWEST_SPEAKERS = 3

#: With fewer speakers than this the ledger does not say what could have been seen: an SD over them is too uncertain.
FEWEST_SPEAKERS_FOR_POWER = 5

#: The power for which a note says what could have been seen.
POWER = 0.8

#: Points that are no difference, only rounding.
EQUAL = 1e-9


class Missing(Exception):
    """The runs that a claim needs are not there; the message says which."""


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes
    ----------
    ours : str
        In words, with the interval.
    low, high : float
        The interval that the verdict looks at; NaN if there is none.
    verdict : str
    runs : pandas.DataFrame, optional
        The runs that it rests on.
    note : str
        What else to know.
    value : float
        The number in `ours`, if it is one difference between two configurations; otherwise NaN.
    """

    ours: str
    low: float
    high: float
    verdict: str
    runs: pd.DataFrame | None = None
    note: str = ""
    value: float = np.nan


def untested(reason):
    """Return what is found where the runs are not there."""
    return Found("–", np.nan, np.nan, NOT_TESTED, note=reason)


def exact(ours, holds, note=""):
    """Return what is found by arithmetic: the claim holds or it does not, and there is no interval."""
    return Found(ours, np.nan, np.nan, SUPPORTED if holds else NOT_SUPPORTED, note=note)


def evidence(values, shared=None, correlation=None):
    """Return the mean and what `statistics.verdict` takes.

    Parameters
    ----------
    values : sequence of float
        Points, one value a speaker; one a speaker and seed, indexed so, if trainings are shared.
    shared : pandas.Series, optional
        The training of each speaker and seed, where one training tested many: from `statistics.shared_trainings`.
    correlation : float, optional
        Of two folds, as in `statistics.corrected_t`. Nothing where trainings are shared.

    Returns
    -------
    dict

    Raises
    ------
    Missing
        If one training tested all speakers.
    """
    if shared is not None:
        rows = statistics.with_trainings(values, shared)
        if rows["training"].nunique() < 2:
            raise Missing("needs speakers tested by at least two trainings")
        found = statistics.clustered_t(rows)
        return {"difference": found.mean} | plain_evidence(found.low, found.high, found.p)
    test = statistics.corrected_t(values, correlation)
    low, high = statistics.bootstrap_interval(values)
    return {
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "p": test.p,  # each claim is its own family
    }


def plain_evidence(low, high, p):
    """Return what `statistics.verdict` takes, for an interval that comes with a p-value and no bootstrap."""
    return {"low": low, "high": high, "bootstrap_low": low, "bootstrap_high": high, "p": p}


def interval(evidence):
    """Return the two ends of the interval that `statistics.verdict` looks at."""
    return (
        float(np.min([evidence["low"], evidence["bootstrap_low"]])),
        float(np.max([evidence["high"], evidence["bootstrap_high"]])),
    )


def in_points(value, ends, what=""):
    """Write a difference with its interval: "+3.43 points of UAR, [-1.32, 8.19]"."""
    brackets = f"[{ends[0]:.2f}, {ends[1]:.2f}]" if np.isfinite(ends).all() else "no interval"
    return f"{value:+.2f} points{what}, {brackets}"


def could_see(values, verdict, slack=0.0, shared=None, correlation=None):
    """Say which difference could have been seen, where the values could not tell.

    Parameters
    ----------
    values, shared, correlation
        As in `evidence`.
    verdict : str
    slack : float
        Points by which the claim allows less: of a claim of "at least as good".

    Returns
    -------
    str
        Empty if the verdict could tell, or if there are too few speakers to say.
    """
    points = np.asarray(values)
    if verdict != CANNOT_TELL or len(points) < FEWEST_SPEAKERS_FOR_POWER or np.ptp(points) <= EQUAL:
        return ""
    if shared is None:
        sd = np.std(points, ddof=1)
        size = statistics.detectable(sd, POWER, speakers=len(points), correlation=correlation) - slack
    else:
        size = statistics.clustered_t(statistics.with_trainings(values, shared)).detectable(POWER) - slack
    return f"detectable with power {POWER:g}: {size:.1f} points"


def joined(*notes):
    """Join the notes that say something."""
    return "; ".join(filter(None, notes))
