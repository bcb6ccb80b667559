"""The kinds of rules by which runs decide a claim.

A rule has ``decide(scores)``, which returns a `Found` or raises `Missing`, and ``compared``, what is taken from what, in words.
The unit of inference is the speaker, whose seeds are averaged first. Where one training tested many speakers, what it shares
out is counted too (`statistics.clustered_t`). Only `SeedRange` judges over draws of the weights.
"""

import abc
import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import integrate, stats

from sermodules.evidence import paper, statistics
from sermodules.evidence.claims.configurations import Cell, by_speaker, left_out, pairs, trainings, values
from sermodules.evidence.claims.finding import (
    EQUAL,
    FEWEST_SPEAKERS,
    Found,
    Missing,
    could_see,
    evidence,
    in_points,
    interval,
    joined,
    plain_evidence,
)
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, ROPE, SUPPORTED

#: The columns of the classes that can be taken for neutral: which share of each is.
AS_NEUTRAL = tuple(f"{name}_as_neutral" for name in paper.CLASSES if name != "neutral")


class Rule(abc.ABC):
    """What all of these rules have in common: runs decide, and `compared` says what is taken from what."""

    kind = "corpus"
    compared = ""

    @abc.abstractmethod
    def decide(self, scores):
        """Judge the runs of one corpus, preset and other settings.

        Parameters
        ----------
        scores : pandas.DataFrame
            As `ledger` takes them.

        Returns
        -------
        Found

        Raises
        ------
        Missing
            If the runs are not there.
        """


@dataclass(frozen=True)
class Difference(Rule):
    """`plus` less `minus` in the mean of some columns, in points.

    `least` and `most` are those of `statistics.verdict`. `sign` is -1 if a loss is claimed. `slack` is added before the
    verdict, for a claim of "at least as good". `on` says by what runs are paired: a baseline shares no draw of weights with
    a network, so by speaker only; but the seed draws the groups that are left out together, so there by seed too.
    `correlation` is that of two folds, as in `statistics.corrected_t`: another one than the rule's shows how firm a verdict is.
    """

    plus: Cell
    minus: Cell
    columns: tuple = ("uar",)
    least: float = 0.0
    most: float | None = None
    sign: int = 1
    slack: float = 0.0
    on: tuple = ("speaker", "seed")
    correlation: float | None = None

    @property
    def compared(self):
        """Say what is taken from what."""
        return f"{self.plus.short} less {self.minus.short}"

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        shared = trainings(scores)
        on = self.on if shared is None else ("speaker", "seed")
        plus, minus = pairs(scores, self.columns, (self.plus, self.minus), on)
        gaps = [values(plus, name, shared) - values(minus, name, shared) for name in self.columns]
        gap = sum(gaps) / len(gaps)
        verdict = self._verdict(gap, shared)
        found = evidence(gap, shared, self.correlation)
        ends = interval(found)
        note = joined(
            left_out(scores, (self.plus, self.minus), (plus, minus)),
            f"at least as good: not worse by {self.slack:g} point or more" if self.slack else "",
            could_see(gap, verdict, self.slack, shared, self.correlation),
        )
        ours = in_points(found["difference"], ends, f" of {_quantity(*self.columns)}")
        return Found(ours, *ends, verdict, pd.concat([plus, minus]), note, found["difference"])

    def _verdict(self, gap, shared):
        rope = 0 if self.slack else ROPE
        found = evidence(self.sign * gap + self.slack, shared, self.correlation)
        return statistics.verdict(found, self.least, self.most, rope=rope)


@dataclass(frozen=True)
class OpenScore(Rule):
    """A claim that leaves open which score it means: each reading is judged, and where they disagree nothing is decided.

    The interval is the smallest that holds those of all readings.
    """

    readings: tuple

    @property
    def compared(self):
        """Say what is taken from what."""
        return self.readings[0].compared

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        found = [reading.decide(scores) for reading in self.readings]
        verdicts = {each.verdict for each in found}
        lines = [f"{each.ours}: {each.verdict}{f' ({each.note})' if each.note else ''}" for each in found]
        return Found(
            "; ".join(each.ours for each in found),
            min(each.low for each in found),
            max(each.high for each in found),
            verdicts.pop() if len(verdicts) == 1 else CANNOT_TELL,
            found[0].runs,
            joined("open: which score is meant", *lines),
        )


@dataclass(frozen=True)
class Replicated(Rule):
    """A mean over the speakers, or the first configuration less the second, less what Table 1 prints for the same speakers."""

    cells: tuple
    metric: str

    @property
    def compared(self):
        """Say what is taken from what."""
        return f"{' less '.join(cell.short for cell in self.cells)}; its distance from Table 1"

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        frames = pairs(scores, (self.metric,), self.cells)
        printed = paper.by_speaker()
        ours = _first_less_second([by_speaker(frame, self.metric) for frame in frames])
        gap = ours - self._theirs(printed, ours.index.to_series())
        found = evidence(gap)
        ends = interval(found)
        verdict = _agreement(ends)
        mean = f"{ours.mean():.2f} %" if len(self.cells) == 1 else f"{ours.mean():+.2f} points"
        text = in_points(found["difference"], ends, " from Table 1, speaker by speaker")
        note = joined(
            left_out(scores, self.cells, frames),
            f"{len(gap)} of {len(printed)} speakers" if len(gap) < len(printed) else "",
            could_see(gap, verdict),
            _row_labels(),
        )
        return Found(f"{mean}: {text}", *ends, verdict, pd.concat(frames), note)

    def _theirs(self, printed, speakers):
        """Return what Table 1 prints for each speaker."""
        if strange := sorted(set(speakers) - set(printed.index)):
            raise Missing(
                f"needs the speakers of Table 1, {printed.index[0]} to {printed.index[-1]}; not {', '.join(strange)}"
            )
        return _first_less_second([speakers.map(printed[f"{cell.model}_{self.metric}"]) for cell in self.cells])


def _first_less_second(means):
    """Return the only one of `means`, or the first less the second."""
    return means[0] if len(means) == 1 else means[0] - means[1]


def _agreement(ends):
    """Judge the claim that a difference is none: supported within `ROPE` of 0, not supported if wholly beyond.

    That an interval lies within a margin is the test of equivalence of Schuirmann 1987, "A comparison of the two one-sided
    tests procedure and the power approach", Journal of Pharmacokinetics and Biopharmaceutics 15 (cautious with 95 %, as 90 %
    would do).
    """
    low, high = ends
    if low > -ROPE and high < ROPE:
        return SUPPORTED
    return NOT_SUPPORTED if low > ROPE or high < -ROPE else CANNOT_TELL


def _row_labels():
    other = paper.wa_matches_by_chance().loc["model1", "other_speaker"]
    return (
        f"{other:.0f} WA values of Table 1 fit only the other speaker of the session: if rows are exchanged within sessions,"
        " the interval is another, and the mean is the same where both speakers are there"
    )


@dataclass(frozen=True)
class Within(Rule):
    """One column less others of the same run, times `sign`; every one of the differences must be above 0.

    `correlation` is that of `Difference`.
    """

    cell: Cell
    column: str
    others: tuple
    sign: int = 1
    correlation: float | None = None

    @property
    def compared(self):
        """Say what is taken from what."""
        others = "each other class" if len(self.others) > 1 else _quantity(*self.others)
        return f"{self.cell.short}: {_quantity(self.column)} less {others}"

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        (runs,) = pairs(scores, (self.column, *self.others), (self.cell,))
        shared = trainings(scores)
        mine = values(runs, self.column, shared)
        gaps = {name: self.sign * (mine - values(runs, name, shared)) for name in self.others}
        found = _every(gaps, self.sign, self.column, shared, self.correlation)
        return dataclasses.replace(found, runs=runs, note=joined(found.note, left_out(scores, (self.cell,), (runs,))))


def recognised_best(cell, emotion):
    """Return the rule that the recall of a class is above that of each other class."""
    return Within(cell, f"recall_{emotion}", _other_recalls(emotion))


def recognised_worst(cell, emotion):
    """Return the rule that the recall of a class is below that of each other class."""
    return Within(cell, f"recall_{emotion}", _other_recalls(emotion), sign=-1)


def _other_recalls(emotion):
    return tuple(f"recall_{name}" for name in paper.CLASSES if name != emotion)


def _every(gaps, sign, column, shared, correlation):
    """Judge a claim that holds if each of several differences is above 0; show one that decided.

    It needs no correction for their number, because each has to pass (Berger 1982, "Multiparameter hypothesis testing and
    acceptance sampling", Technometrics 24). It is refused if one of them is. Of those with the verdict, the one whose
    interval reaches down furthest is shown.
    """
    found = {name: evidence(gap, shared, correlation) for name, gap in gaps.items()}
    verdicts = {name: statistics.verdict(each) for name, each in found.items()}
    verdict = next(which for which in (NOT_SUPPORTED, CANNOT_TELL, SUPPORTED) if which in verdicts.values())
    decided = [name for name in gaps if verdicts[name] == verdict]
    name = min(decided, key=lambda name: np.nan_to_num(interval(found[name])[0], nan=-np.inf))
    ends = tuple(sorted(sign * end for end in interval(found[name])))
    if len(gaps) > 1:
        against = f" of recall against {_class(name)}"
        listed = ", ".join(f"{_class(other)} {sign * each['difference']:+.2f}" for other, each in found.items())
        all_of_them = f"against {listed}"
    else:
        against, all_of_them = f" of {_quantity(column)}, less {_quantity(name)}", ""
    ours = in_points(sign * found[name]["difference"], ends, against)
    seen = could_see(gaps[name], verdict, shared=shared, correlation=correlation)
    return Found(ours, *ends, verdict, note=joined(all_of_them, seen))


@dataclass(frozen=True)
class Spread(Rule):
    """The SD over the speakers of one configuration over that of another."""

    first: Cell
    second: Cell

    @property
    def compared(self):
        """Say what is divided by what."""
        return f"SD of {self.first.short} over SD of {self.second.short}"

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        first, second = pairs(scores, ("uar",), (self.first, self.second))
        if trainings(scores) is not None:
            raise Missing("needs each speaker tested by a training of its own; here one training tested many")
        found = spread_ratio(by_speaker(first, "uar"), by_speaker(second, "uar"))
        note = left_out(scores, (self.first, self.second), (first, second))
        return dataclasses.replace(found, runs=pd.concat([first, second]), note=note)


def spread_ratio(first, second):
    """Judge the claim that the SD of `first` is above that of `second`: two paired samples, after Pitman and Morgan."""
    first, second = np.asarray(first), np.asarray(second)
    if min(np.ptp(first), np.ptp(second)) <= EQUAL or abs(stats.pearsonr(first, second).statistic) > 1 - EQUAL:
        return Found("the scores of one do not vary, or follow the other's: no ratio", np.nan, np.nan, CANNOT_TELL)
    ratio, low, high, p = paper.sd_ratio(first, second)[["ratio", "low", "high", "p"]]
    verdict = statistics.verdict(plain_evidence(np.log(low), np.log(high), p), rope=0)
    return Found(f"ratio {ratio:.2f}, [{low:.2f}, {high:.2f}]", low, high, verdict)


@dataclass(frozen=True)
class SeedRange(Rule):
    """The range over the paper's number of seeds of the mean UAR over the speakers, less the difference of two configurations.

    There are two such differences: that of the same runs, and `reported`, the paper's. The larger of the two is taken off,
    so "supported" means that the range is beyond both. Beyond the first alone it would be nearly always if the two do not
    differ: the range of five single draws is larger than a difference of two means of five.

    The claim is about draws of the weights, so the draw is the unit, on these speakers. The interval is that of the mean range
    of so many draws, from the distribution of the range of normal values (Tippett 1925, "On the extreme individuals and the
    range of samples taken from a normal population", Biometrika 17). The difference is taken as it is.
    """

    cell: Cell
    other: Cell
    reported: float

    @property
    def compared(self):
        """Say what is taken from what."""
        return f"{self.cell.short}: range over the seeds less its difference from {self.other.short}, or the paper's if larger"

    def decide(self, scores):
        """Judge the runs, as `Rule.decide` says."""
        cells = (self.cell, self.other)
        frames = pairs(scores, ("uar",), cells)
        grids = [_grid_of_seeds(frame) for frame in frames]
        own = abs(float((grids[0] - grids[1]).mean(axis=None)))
        gap = max(own, self.reported)
        speakers, seeds = grids[0].shape
        found, low, high = mean_range(grids[0].mean())
        ends = (low - gap, high - gap)
        keys = pd.MultiIndex.from_product([grids[0].index, grids[0].columns])
        runs = pd.concat([frame[frame.index.isin(keys)] for frame in frames])
        note = joined(
            f"range of the mean over {speakers} speakers {found:.2f} points over {seeds} seeds",
            f"the two models differ in the same runs by {own:.2f}: {in_points(found - own, (low - own, high - own))}",
            f"the paper's models differ by {self.reported:.2f}:"
            f" {in_points(found - self.reported, (low - self.reported, high - self.reported))}",
            "the intervals are over draws of the weights on these speakers, the differences taken as they are",
            left_out(scores, cells, [runs]),
        )
        return Found(in_points(found - gap, ends), *ends, _beyond(found, ends), runs, note)


def _beyond(found, ends):
    """Judge whether the range is beyond the difference; `ends` are those of the range less the difference."""
    if found <= EQUAL:
        return CANNOT_TELL
    if ends[0] > 0:
        return SUPPORTED
    return NOT_SUPPORTED if ends[1] < 0 else CANNOT_TELL


def _grid_of_seeds(frame):
    """Return UAR, a row a speaker and a column a seed: the paper's number of seeds, those with most speakers, without gaps."""
    grid = frame["uar"].unstack("seed")
    seeds = grid.count().sort_values(ascending=False, kind="stable").index[: paper.SEEDS]
    grid = grid[sorted(seeds)].dropna()
    if len(seeds) < paper.SEEDS or len(grid) < FEWEST_SPEAKERS:
        cell = ", ".join(frame[["model", "attention", "gender"]].astype(str).iloc[0])
        raise Missing(
            f"needs {paper.SEEDS} seeds that share at least {FEWEST_SPEAKERS} speakers, of {cell}; there are {len(seeds)} seeds"
            f" and {len(grid)} such speakers"
        )
    return grid


def mean_range(values):
    """Return the range of some normal values, and the two ends of the 95 % interval of the mean range of so many."""
    found, (mean, least, most) = float(np.ptp(values)), _range_of_normals(len(values))
    return found, found * mean / most, found * mean / least


@functools.cache
def _range_of_normals(n):
    """Return mean, 2.5 % and 97.5 % point of the range of n normal values, in SDs."""
    mean, _ = integrate.quad(lambda x: 1 - stats.norm.cdf(x) ** n - stats.norm.sf(x) ** n, -np.inf, np.inf)
    return mean, *stats.studentized_range.ppf([0.025, 0.975], n, np.inf)


@dataclass(frozen=True)
class Untestable(Rule):
    """A claim that this project's runs cannot decide.

    `measure` is what would decide it, `needs` why that cannot be had; the ledger shows the second.
    """

    measure: str
    needs: str

    def decide(self, scores):
        """Raise `Missing`: the runs are never there."""
        raise Missing(f"needs {self.needs}")


def _quantity(*columns):
    """Say in words what one column of the scores holds, or the mean of several."""
    if columns[0].endswith("_as_neutral"):
        return "the share taken for neutral"
    return f"recall of {_class(columns[0])}" if columns[0].startswith("recall_") else columns[0].upper()


def _class(column):
    return column.removeprefix("recall_")
