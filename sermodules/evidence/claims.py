"""The claims ledger: each claim of the paper, what our runs say, and a verdict that is computed.

`paper.CLAIMS` says what is claimed and what decides it. Claims of the kind "corpus" are decided by runs, one verdict a corpus,
preset and set of other settings. Claims of the kind "arithmetic" are decided by the figures that the paper prints.

The unit of inference is the speaker: the seeds of a fold are averaged first. Only a claim about seeds is judged over draws of
the weights. A figure that is printed without its folds is judged as it is printed, and says nothing about other speakers. Each
claim is judged by itself, because the paper makes each by itself; nothing is corrected for their number. So of many claims
that are not true, a few may pass.
"""

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import integrate, stats

from sermodules.config import METHODS
from sermodules.errors import SermodulesError
from sermodules.evidence import paper, statistics
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, ROPE, SUPPORTED

#: The verdict where the runs that a claim needs are not there. The others are those of `statistics.verdict`.
NOT_TESTED = "not tested"

#: With fewer folds than this there is no verdict.
FEWEST_FOLDS = 3

#: With fewer folds than this the ledger does not say what could have been seen: an SD over them is too uncertain.
FEWEST_FOLDS_FOR_POWER = 5

#: The power for which a note says what could have been seen.
POWER = 0.8

#: Columns that `ledger` needs. Beside them it uses ``settings``, the recalls (``recall_angry``, ...) and the shares of a class
#: taken for neutral (``angry_as_neutral``, ...), both in %, and ``run``.
COLUMNS = ("corpus", "preset", "model", "attention", "gender", "fold", "speaker", "seed", "uar", "wa")

_OTHERS = ("angry", "sad", "happy")  # the classes that can be taken for neutral
_SHARES = (*(f"recall_{name}" for name in paper.CLASSES), *(f"{name}_as_neutral" for name in _OTHERS))
_NO_RUN = pd.DataFrame(columns=[*COLUMNS, *_SHARES])
_GROUP = ["corpus", "preset", "settings"]
_EQUAL = 1e-9  # points that are no difference, only rounding


@dataclass(frozen=True)
class _Cell:
    """A configuration that a claim needs. A baseline is known by its model alone: `attention` and `gender` are None."""

    model: str
    attention: str | None = None
    gender: str | None = None

    def __str__(self):
        return f"`{self.model}`" + (f" ({self.attention}, gender {self.gender})" if self.attention else "")

    @property
    def short(self):
        """Say in words what sets this configuration apart."""
        usual = METHODS[self.model].brings.get("attention")
        apart = [f"with {self.attention} pooling"] * (self.attention not in (None, usual))
        return " ".join([METHODS[self.model].name, *apart, *["without gender"] * (self.gender == "none")])

    def of(self, scores):
        """Return the runs of this configuration, indexed by fold and seed."""
        mine = scores["model"] == self.model
        for name in ("attention", "gender"):
            if getattr(self, name) is not None:
                mine &= scores[name] == getattr(self, name)
        return scores[mine].set_index(["fold", "seed"])


_MODEL1 = _Cell("model1", "additive", "embedding")
_MODEL2 = _Cell("model2", "seq_self", "embedding")
_NO_GENDER = _Cell("model2", "seq_self", "none")
_MODEL_CELLS = {1: _MODEL1, 2: _MODEL2}


# --- how a claim is decided


@dataclass(frozen=True)
class _Found:
    """What was found: `ours` in words, the interval, the verdict, the runs that it rests on, a remark, the number in `ours`."""

    ours: str
    low: float
    high: float
    verdict: str
    runs: pd.DataFrame | None = None
    note: str = ""
    value: float = np.nan


def _evidence(values):
    """Return the mean and what `statistics.verdict` takes, for one value a fold."""
    test = statistics.corrected_t(values)
    low, high = statistics.bootstrap_interval(values)
    return {
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "p_holm": test.p,  # not corrected: each claim is its own family, and Holm over one p-value changes nothing
    }


def _plain_evidence(low, high, p):
    """Return what `statistics.verdict` takes, for an interval that comes with a p-value and no bootstrap."""
    return {"low": low, "high": high, "bootstrap_low": low, "bootstrap_high": high, "p_holm": p}  # as in `_evidence`


def _ends(evidence):
    """Return the interval that `statistics.verdict` looks at."""
    return (
        float(np.min([evidence["low"], evidence["bootstrap_low"]])),
        float(np.max([evidence["high"], evidence["bootstrap_high"]])),
    )


def _text(value, ends, unit, sign="+", what=""):
    interval = f"[{ends[0]:.2f}, {ends[1]:.2f}]" if np.isfinite(ends).all() else "no interval"
    return f"{value:{sign}.2f} {unit}{what}, {interval}"


def _could_see(values, verdict, slack=0.0):
    """Say which difference could have been seen, where one value a fold could not tell. `slack` as in `_Difference`."""
    values = np.asarray(values)
    if verdict != CANNOT_TELL or len(values) < FEWEST_FOLDS_FOR_POWER or np.ptp(values) <= _EQUAL:
        return ""
    size = statistics.detectable(np.std(values, ddof=1), POWER, speakers=len(values)) - slack
    return f"detectable with power {POWER:g}: {size:.1f} points"


def _joined(*notes):
    return "; ".join(filter(None, notes))


class _Missing(Exception):
    """The runs that a claim needs are not there; the message says which."""


def _pairs(scores, columns, cells, on=("fold", "seed")):
    """Return the runs of each configuration that have a partner and a value in every column."""
    absent = [name for name in columns if name not in scores]
    if absent:
        raise _Missing(f"the scores lack the column(s) {', '.join(absent)}")
    frames = [cell.of(scores).dropna(subset=list(columns)) for cell in cells]
    keys = [frame.index.droplevel([name for name in frame.index.names if name not in on]) for frame in frames]
    common = keys[0].unique()
    for key in keys[1:]:
        common = common.intersection(key.unique())
    frames = [frame[key.isin(common)] for frame, key in zip(frames, keys, strict=True)]
    folds = frames[0].index.get_level_values("fold").nunique()
    if folds < FEWEST_FOLDS:
        needed = " and ".join(map(str, cells))
        same = f" with the same {' and '.join(on)}" if len(cells) > 1 else ""
        raise _Missing(f"needs runs of {needed}{same}, in at least {FEWEST_FOLDS} folds; there are {folds}")
    return frames


def _left_out(scores, cells, frames):
    """Say how many runs of the configurations are not among `frames`."""
    count = sum(len(cell.of(scores)) for cell in cells) - sum(map(len, frames))
    return f"{count} run{'s' * (count > 1)} left out, without a partner or a value" if count else ""


def _by_fold(frame, column):
    """Average the seeds of each fold."""
    return frame[column].groupby("fold").mean()


@dataclass(frozen=True)
class _Difference:
    """`plus` less `minus` in the mean of some columns, in points.

    `least` and `most` are those of `statistics.verdict`. `sign` is -1 if a loss is claimed. `slack` is added before the
    verdict, for a claim of "at least as good". `on` says by what runs are paired: a baseline shares no draw of weights with
    a network, so by fold only.
    """

    plus: _Cell
    minus: _Cell
    columns: tuple = ("uar",)
    least: float = 0.0
    most: float | None = None
    sign: int = 1
    slack: float = 0.0
    on: tuple = ("fold", "seed")

    @property
    def compared(self):
        return f"{self.plus.short} less {self.minus.short}"

    def decide(self, scores):
        plus, minus = _pairs(scores, self.columns, (self.plus, self.minus), self.on)
        values = sum(_by_fold(plus, name) - _by_fold(minus, name) for name in self.columns) / len(self.columns)
        verdict = statistics.verdict(
            _evidence(self.sign * values + self.slack), self.least, self.most, rope=0 if self.slack else ROPE
        )
        evidence = _evidence(values)
        ends = _ends(evidence)
        note = _joined(
            _left_out(scores, (self.plus, self.minus), (plus, minus)),
            f"at least as good: not worse by {self.slack:g} point or more" if self.slack else "",
            _could_see(values, verdict, self.slack),
        )
        value, what = evidence["difference"], f" of {_quantity(*self.columns)}"
        return _Found(_text(value, ends, "points", what=what), *ends, verdict, pd.concat([plus, minus]), note, value)


@dataclass(frozen=True)
class _Replicated:
    """A mean over the folds, or the first configuration less the second, less what Table 1 prints for the same speakers."""

    cells: tuple
    metric: str

    @property
    def compared(self):
        return f"{' less '.join(cell.short for cell in self.cells)}; its distance from Table 1"

    def decide(self, scores):
        frames = _pairs(scores, (self.metric,), self.cells)
        printed, speakers = paper.by_speaker(), frames[0]["speaker"].groupby("fold").first()
        if strange := sorted(set(speakers) - set(printed.index)):
            raise _Missing(
                f"needs the speakers of Table 1, {printed.index[0]} to {printed.index[-1]}; not {', '.join(strange)}"
            )
        signs = (1, -1)[: len(self.cells)]
        ours = sum(sign * _by_fold(frame, self.metric) for sign, frame in zip(signs, frames, strict=True))
        columns = [f"{cell.model}_{self.metric}" for cell in self.cells]
        theirs = sum(sign * speakers.map(printed[name]) for sign, name in zip(signs, columns, strict=True))
        values = ours - theirs
        evidence = _evidence(values)
        ends = _ends(evidence)
        verdict = _agreement(ends)
        unit, sign = ("points", "+") if len(self.cells) > 1 else ("%", "")
        text = _text(evidence["difference"], ends, "points", what=" from Table 1, speaker by speaker")
        note = _joined(
            _left_out(scores, self.cells, frames),
            f"{len(values)} of {len(printed)} speakers" if len(values) < len(printed) else "",
            _could_see(values, verdict),
            _row_labels(),
        )
        return _Found(f"{ours.mean():{sign}.2f} {unit}: {text}", *ends, verdict, pd.concat(frames), note)


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
class _Within:
    """One column less others of the same run, times `sign`; every one of the differences must be above 0."""

    cell: _Cell
    column: str
    others: tuple
    sign: int = 1

    @property
    def compared(self):
        others = "each other class" if len(self.others) > 1 else _quantity(*self.others)
        return f"{self.cell.short}: {_quantity(self.column)} less {others}"

    def decide(self, scores):
        (runs,) = _pairs(scores, (self.column, *self.others), (self.cell,))
        gaps = {name: self.sign * (_by_fold(runs, self.column) - _by_fold(runs, name)) for name in self.others}
        found = _every(gaps, self.sign, self.column)
        return dataclasses.replace(found, runs=runs, note=_joined(found.note, _left_out(scores, (self.cell,), (runs,))))


def _every(gaps, sign, column):
    """Judge a claim that holds if each of several differences is above 0; show one that decided.

    It needs no correction for their number, because each has to pass (Berger 1982, "Multiparameter hypothesis testing and
    acceptance sampling", Technometrics 24). It is refused if one of them is. Of those with the verdict, the one whose
    interval reaches down furthest is shown.
    """
    found = {name: _evidence(values) for name, values in gaps.items()}
    verdicts = {name: statistics.verdict(evidence) for name, evidence in found.items()}
    verdict = next(which for which in (NOT_SUPPORTED, CANNOT_TELL, SUPPORTED) if which in verdicts.values())
    decided = [name for name in gaps if verdicts[name] == verdict]
    name = min(decided, key=lambda name: np.nan_to_num(_ends(found[name])[0], nan=-np.inf))
    ends = tuple(sorted(sign * end for end in _ends(found[name])))
    several = len(gaps) > 1
    listed = ", ".join(f"{_class(name)} {sign * evidence['difference']:+.2f}" for name, evidence in found.items())
    against = f" of recall against {_class(name)}" if several else f" of {_quantity(column)}, less {_quantity(name)}"
    ours = _text(sign * found[name]["difference"], ends, "points", what=against)
    note = _joined(f"against {listed}" if several else "", _could_see(gaps[name], verdict))
    return _Found(ours, *ends, verdict, note=note)


def _quantity(*columns):
    """Say in words what one column of the scores holds, or the mean of several."""
    if columns[0].endswith("_as_neutral"):
        return "the share taken for neutral"
    return f"recall of {_class(columns[0])}" if columns[0].startswith("recall_") else columns[0].upper()


def _class(column):
    return column.removeprefix("recall_")


@dataclass(frozen=True)
class _Spread:
    """The SD over the folds of one configuration over that of another."""

    first: _Cell
    second: _Cell

    @property
    def compared(self):
        return f"SD of {self.first.short} over SD of {self.second.short}"

    def decide(self, scores):
        first, second = _pairs(scores, ("uar",), (self.first, self.second))
        found = _ratio(_by_fold(first, "uar"), _by_fold(second, "uar"))
        note = _left_out(scores, (self.first, self.second), (first, second))
        return dataclasses.replace(found, runs=pd.concat([first, second]), note=note)


def _ratio(first, second):
    first, second = np.asarray(first), np.asarray(second)
    if min(np.ptp(first), np.ptp(second)) <= _EQUAL or abs(stats.pearsonr(first, second).statistic) > 1 - _EQUAL:
        return _Found("the scores of one do not vary, or follow the other's: no ratio", np.nan, np.nan, CANNOT_TELL)
    ratio, low, high, p = paper.sd_ratio(first, second)[["ratio", "low", "high", "p"]]
    verdict = statistics.verdict(_plain_evidence(np.log(low), np.log(high), p), rope=0)
    return _Found(f"ratio {ratio:.2f}, [{low:.2f}, {high:.2f}]", low, high, verdict)


@dataclass(frozen=True)
class _SeedRange:
    """The range over the paper's number of seeds of the mean UAR over the folds, less the difference of two configurations.

    The claim is about draws of the weights, so the draw is the unit, on these speakers. The interval is that of the mean range
    of so many draws, from the distribution of the range of normal values (Tippett 1925, "On the extreme individuals and the
    range of samples taken from a normal population", Biometrika 17). The difference is taken as it is.
    """

    cell: _Cell
    other: _Cell
    reported: float

    @property
    def compared(self):
        return f"{self.cell.short}: range over the seeds less its difference from {self.other.short}"

    def decide(self, scores):
        papers = len(scores) and not _lacks(scores.iloc[0])
        cells = (self.cell,) if papers else (self.cell, self.other)
        frames = _pairs(scores, ("uar",), cells)
        grids = [_grid_of_seeds(frame) for frame in frames]
        if papers:
            gap, whose = self.reported, "the paper's models differ"
        else:
            gap, whose = abs(float((grids[0] - grids[1]).mean(axis=None))), "the two models differ in the same runs"
        means = grids[0].mean()
        found, low, high = _mean_range(means)
        ends = (low - gap, high - gap)
        verdict = CANNOT_TELL
        if found > _EQUAL:
            verdict = SUPPORTED if ends[0] > 0 else NOT_SUPPORTED if ends[1] < 0 else CANNOT_TELL
        seeds, folds = len(means), len(grids[0])
        keys = pd.MultiIndex.from_product([grids[0].index, grids[0].columns])
        runs = pd.concat([frame[frame.index.isin(keys)] for frame in frames])
        note = _joined(
            f"range of the mean over {folds} folds {found:.2f} points over {seeds} seeds; {whose} by {gap:.2f}",
            "the interval is over draws of the weights on these speakers, the difference taken as it is",
            _left_out(scores, cells, [runs]),
        )
        return _Found(_text(found - gap, ends, "points"), *ends, verdict, runs, note)


def _grid_of_seeds(frame):
    """Return UAR, a row a fold and a column a seed: the paper's number of seeds, those with most folds, without gaps."""
    grid = frame["uar"].unstack("seed")
    seeds = grid.count().sort_values(ascending=False, kind="stable").index[: paper.SEEDS]
    grid = grid[sorted(seeds)].dropna()
    if len(seeds) < paper.SEEDS or len(grid) < FEWEST_FOLDS:
        cell = ", ".join(frame[["model", "attention", "gender"]].astype(str).iloc[0])
        raise _Missing(
            f"needs {paper.SEEDS} seeds that share at least {FEWEST_FOLDS} folds, of {cell}; there are {len(seeds)} seeds"
            f" and {len(grid)} such folds"
        )
    return grid


def _mean_range(values):
    """Return the range of some normal values, and the 95 % interval of the mean range of so many."""
    found, (mean, least, most) = float(np.ptp(values)), _range_of_normals(len(values))
    return found, found * mean / most, found * mean / least


@functools.cache
def _range_of_normals(n):
    """Return mean, 2.5 % and 97.5 % point of the range of n normal values, in SDs."""
    mean, _ = integrate.quad(lambda x: 1 - stats.norm.cdf(x) ** n - stats.norm.sf(x) ** n, -np.inf, np.inf)
    return mean, *stats.studentized_range.ppf([0.025, 0.975], n, np.inf)


@dataclass(frozen=True)
class _Untestable:
    """A claim that this project's runs cannot decide."""

    reason: str
    compared = ""

    def decide(self, scores):
        raise _Missing(self.reason)


def _corpus_rules():
    """Return how each claim of the kind "corpus" is decided, by its id."""
    value = {claim.id: claim.value for claim in paper.CLAIMS}
    rules = {
        "self-attention-beats-attention": _Difference(_MODEL2, _MODEL1),
        "self-attention-adds-3-43-points": _Replicated((_MODEL2, _MODEL1), "uar"),
        "self-attention-more-precise": _Difference(_MODEL2, _MODEL1, ("wa",)),
        "self-attention-more-stable": _Spread(_MODEL1, _MODEL2),
        "self-attention-faster": _Untestable(
            "needs both models timed alone on one machine; runs of a study share theirs"
        ),
        "gender-helps": _Difference(_MODEL2, _NO_GENDER),
        "gender-adds-1-to-2-points": _Difference(_MODEL2, _NO_GENDER, least=1, most=2),
        "gender-reduces-mistakes": _Difference(_MODEL2, _NO_GENDER, ("wa",)),
        "gender-cures-neutral-bias": _Difference(_NO_GENDER, _MODEL2, tuple(f"{name}_as_neutral" for name in _OTHERS)),
        "network-matches-classical-features": _Difference(_MODEL2, _Cell("svm_compare"), slack=ROPE, on=("fold",)),
        "seeds-matter": _SeedRange(_MODEL2, _MODEL1, value["self-attention-beats-attention"]),
        "speakers-matter": _Untestable(
            "needs more utterances a speaker, or a model of how they are drawn: the SD over the folds holds that draw, which"
            " all seeds share, so it can exceed the SD over the seeds even if all speakers are alike"
        ),
        "deltas-help": _Untestable("needs runs without deltas, which no setting of a run gives"),
        "waveform-scaling-helps": _Untestable(
            "needs runs with normalise_waveform yes and no beside each other, which the ledger keeps apart"
        ),
        "linear-layer-keeps-accuracy": _Untestable(
            "needs runs without the linear layer, which no setting of a run gives"
        ),
    }
    for pooling in ("mean", "max"):
        rules[f"self-attention-beats-{pooling}-pooling"] = _Difference(_MODEL2, _Cell("model2", pooling, "embedding"))
    for method, model in (("dnn-elm", "dnn_elm"), ("cnn-lstm", "cnn_lstm_vtlp")):
        rules[f"model-2-beats-{method}"] = _Difference(_MODEL2, _Cell(model), on=("fold",))
    for number, cell in _MODEL_CELLS.items():
        for metric in ("uar", "wa"):
            rules[f"model-{number}-{metric}"] = _Replicated((cell,), metric)
        for emotion, rank, sign in (("sad", "best", 1), ("happy", "worst", -1)):
            others = tuple(f"recall_{name}" for name in paper.CLASSES if name != emotion)
            rules[f"{emotion}-recognised-{rank}-model-{number}"] = _Within(cell, f"recall_{emotion}", others, sign)
        rules[f"happy-taken-for-neutral-model-{number}"] = _Within(cell, "happy_as_neutral", ("recall_happy",))
    for emotion, change in paper.recall_differences().items():
        word, sign = ("lifts", 1) if change > 0 else ("costs", -1)
        rules[f"self-attention-{word}-{emotion}"] = _Difference(_MODEL2, _MODEL1, (f"recall_{emotion}",), sign=sign)
    return rules


#: Claims about the size of a figure on IEMOCAP: with another corpus, preset or setting there is nothing to judge.
_FIGURES = (
    "self-attention-adds-3-43-points",
    "gender-adds-1-to-2-points",
    *(f"model-{number}-{metric}" for number in (1, 2) for metric in ("uar", "wa")),
)


def _lacks(group):
    """Say what keeps runs from being the paper's network on the paper's data; empty if nothing does."""
    lacks = [
        "" if group["corpus"] == "iemocap" else "the corpus `iemocap`",
        "" if group["preset"] == "paper" else "the preset `paper`",
        f"no other settings (here {group['settings']})" if group["settings"] else "",
    ]
    return ", ".join(filter(None, lacks))


# --- claims that the paper's own figures decide


def _exact(ours, holds, note=""):
    return _Found(ours, np.nan, np.nan, SUPPORTED if holds else NOT_SUPPORTED, note=note)


def _listed(values, digits=2):
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _means_agree():
    means = paper.recomputed_means()[list(paper.TABLE1_MEAN)]
    return _exact(_listed(means, 3), all(means.round(2) == pd.Series(paper.TABLE1_MEAN)))


def _sd_is_over_folds():
    sds = paper.recomputed_sds()
    holds = all("population" in reading for reading in sds["reading"])
    note = f"{'; '.join(sds['reading'])}; sample SD {_listed(sds['sample'])}. The SD over seeds is not printed."
    return _exact(_listed(sds["population"], 3), holds, note)


def _improvement(printed):
    uar = paper.differences()["uar"].mean()
    relative = 100 * uar / paper.recomputed_means()["model1_uar"]
    return _exact(f"{uar:+.3f} points", round(uar, 2) == printed, f"relative to Model 1 it would be {relative:.2f} %")


def _better_as_printed(metric):
    tests = paper.fold_tests(metric).set_index("test")["p"]
    values = paper.differences()[metric]
    evidence = _evidence(values)
    ends, verdict = _ends(evidence), statistics.verdict(evidence)
    note = _joined(*(f"{name} p = {p:.3f}" for name, p in tests.items()), _could_see(values, verdict))
    return _Found(_text(evidence["difference"], ends, "points"), *ends, verdict, note=note)


def _beats_as_printed(method):
    found, acrnn = (paper.against_reported(name) for name in (method, "ACRNN"))
    also = (
        f"against ACRNN, which Table 2 leaves out ({paper.ACRNN['uar']} ± {paper.ACRNN['sd']}, without gender):"
        f" {_text(acrnn['difference'], (acrnn['low'], acrnn['high']), 'points')}"
    )
    ends = (found["low"], found["high"])
    if np.isnan(found["sd"]):
        note = (
            f"no SD is printed for {method}, so there is no interval and no verdict; even if its figure were exact, the"
            f" interval would be [{ends[0]:.2f}, {ends[1]:.2f}]"
        )
        ends, verdict = (np.nan, np.nan), CANNOT_TELL
    else:
        plain = paper.against_reported(method, ratio=0)
        note = (
            f"both SDs are in the interval, over ten folds each and taken as independent (Welch, df {found['df']:.1f}); without"
            f" the correction for shared training data it is [{plain['low']:.2f}, {plain['high']:.2f}]; open: what the ± of"
            f" {method} is"
        )
        verdict = statistics.verdict(_plain_evidence(*ends, found["p"]))
    return _Found(_text(found["difference"], ends, "points"), *ends, verdict, note=f"{note}; {also}")


def _others_of_table1(printed):
    models = {name.split("_")[0] for name in paper.TABLE1_MEAN}
    others = len(models) - 1
    return _exact(f"{others} other model", others == printed, f"Table 2 shows {len(paper.TABLE2) - 1} others")


def _weighted():
    tables = {"model1": paper.TABLE3, "model2": paper.TABLE4}
    weighted = {model: paper.implied_wa(table) for model, table in tables.items()}
    plain = {model: paper.implied_uar(table) for model, table in tables.items()}
    printed = {model: paper.TABLE1_MEAN[f"{model}_uar"] for model in tables}
    holds = all(abs(printed[m] - weighted[m]) < abs(printed[m] - plain[m]) for m in tables)
    return _exact(f"weighted {_listed(weighted.values(), 3)}; unweighted {_listed(plain.values(), 3)}", holds)


def _neutral_share(printed):
    share = 100 * paper.UTTERANCES["neutral"].sum() / paper.UTTERANCES.to_numpy().sum()
    return _exact(f"{share:.2f} %", round(share, 1) == printed)


def _rows_sum(table):
    sums = paper.row_sums(table)
    return _exact(_listed(sums), all(abs(sums - 100) <= 0.04 + 1e-9))


def _agrees(table, metric, printed):
    value = (paper.implied_uar if metric == "uar" else paper.implied_wa)(table)
    note = "if the matrix pools the folds' utterances, it need not agree with a mean over folds"
    return _exact(f"{value:.3f} %", abs(value - printed) <= 0.015, note)


_NO_FOLDS = "no interval over the speakers can be had: the tables print no folds"


def _rank_as_printed(table, emotion, sign):
    recalls = paper.recalls(table)
    gaps = recalls[emotion] - recalls.drop(emotion)
    nearest = (sign * gaps).idxmin()
    listed = ", ".join(f"{name} {gap:+.2f}" for name, gap in gaps.items())
    ours = f"{gaps[nearest]:+.2f} points against {nearest}"
    return _exact(ours, all(sign * gaps > _EQUAL), f"against {listed}; {_NO_FOLDS}")


def _more_precise_as_printed():
    gap = paper.implied_wa(paper.TABLE4) - paper.implied_wa(paper.TABLE3)
    gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in paper.recall_differences().items())
    return _exact(f"{gap:+.2f} points", gap > _EQUAL, f"recalls: {gains}; {_NO_FOLDS}")


def _five_seeds():
    rows = paper.wa_as_means()
    rows = rows[~rows["ends_in_zero"]]
    odd = rows[~rows["possible"]]
    chance = paper.wa_matches_by_chance().loc["model1"]
    values = ", ".join(f"{row.printed} (fold {row.fold})" for row in odd.itertuples())
    note = (
        f"{chance['matched']:.0f} of ten WA values of Model 1 are k/n of one speaker of the session,"
        f" {chance['other_speaker']:.0f} of them only of the speaker whom the row does not name; chance would give"
        f" {chance['expected']:.1f}. That is consistent with single runs on one speaker a session; it is no proof."
    )
    return _exact(
        f"{len(odd)} of {len(rows)} values cannot be one" + (f": {values}" if values else ""), odd.empty, note
    )


def _linear_layer():
    counts = paper.linear_layer_parameters()
    saved = 100 * (1 - counts["with"] / counts["without"])
    return _exact(f"{counts['with']:,} with, {counts['without']:,} without: {saved:.1f} % saved", saved > 0)


def _arithmetic_rules():
    """Return how each claim of the kind "arithmetic" is decided, by its id: functions without arguments."""
    value = {claim.id: claim.value for claim in paper.CLAIMS}
    rules = {
        "table-1-means-agree": _means_agree,
        "sd-is-over-folds": _sd_is_over_folds,
        "improvement-is-3-43": lambda: _improvement(value["improvement-is-3-43"]),
        "model-2-better-uar-as-printed": lambda: _better_as_printed("uar"),
        "model-2-better-wa-as-printed": lambda: _better_as_printed("wa"),
        "model-2-more-stable-as-printed": lambda: _ratio(paper.TABLE1["model1_uar"], paper.TABLE1["model2_uar"]),
        "model-2-beats-dnn-elm-as-printed": lambda: _beats_as_printed("DNN-ELM"),
        "model-2-beats-cnn-lstm-as-printed": lambda: _beats_as_printed("CNN-LSTM"),
        "table-1-has-three-others": lambda: _others_of_table1(value["table-1-has-three-others"]),
        "ua-is-a-weighted-average": _weighted,
        "neutral-share-is-48-2": lambda: _neutral_share(value["neutral-share-is-48-2"]),
        "model-2-more-precise-as-printed": _more_precise_as_printed,
        "wa-is-the-mean-of-five-seeds": _five_seeds,
        "linear-layer-saves-parameters": _linear_layer,
    }
    for number, table in ((3, paper.TABLE3), (4, paper.TABLE4)):
        rules[f"table-{number}-rows-sum-to-100"] = lambda table=table: _rows_sum(table)
        for metric in ("uar", "wa"):
            claim = f"table-{number}-agrees-with-{metric}"
            rules[claim] = lambda table=table, metric=metric, claim=claim: _agrees(table, metric, value[claim])
        for emotion, rank, sign in (("sad", "best", 1), ("happy", "worst", -1)):
            claim = f"{emotion}-recognised-{rank}-model-{number - 2}-as-printed"
            rules[claim] = lambda table=table, emotion=emotion, sign=sign: _rank_as_printed(table, emotion, sign)
    return rules


# --- the ledger


def ledger(scores=None):
    """Decide every claim of the paper.

    Parameters
    ----------
    scores : pandas.DataFrame, optional
        One row a run, as `scores.from_results` makes it: `COLUMNS`, and those of ``settings``, ``recall_<class>``,
        ``<class>_as_neutral`` and ``run`` that are there. Percentages. Without any run only the paper's own
        figures are judged.

    Returns
    -------
    pandas.DataFrame
        One row a claim of the kind "corpus" for each ``corpus``, ``preset`` and ``settings``, then one row a claim of the kind
        "arithmetic":

        - ``id, kind, claim, where, reported``: as in `paper.CLAIMS`; ``corpus, preset, settings``: of the runs;
        - ``scope``: what the verdict speaks of; ``compared``: for a claim on a corpus, what is taken from what;
        - ``ours``: text with the interval; ``value``: the number in it, if it is one difference between two configurations;
          ``low, high``: the interval that the verdict looks at (NaN if there is none). For
          one value a fold it is the smallest that holds the 95 % intervals of the corrected t-test and of the bootstrap over
          speakers. For a figure of Table 1 it is that of ours less the paper's, speaker by speaker;
        - ``verdict``: "supported", "not supported", "cannot tell at this power" (see `statistics.verdict`) or "not tested";
        - ``runs``: how many runs, folds and which configurations it rests on; ``run_ids``: their ids, if `scores` has them;
        - ``note``: what is missing, or what else to know: where a mean difference over five or more folds cannot tell, which
          true difference the study would have found with a power of 0.8 (`statistics.detectable`).

    Raises
    ------
    SermodulesError
        If a column is missing, a run is there twice, a score is not in %, or a fold tests two speakers.
    """
    claims = {kind: [claim for claim in paper.CLAIMS if claim.kind == kind] for kind in ("corpus", "arithmetic")}
    rules, own, rows = _corpus_rules(), _arithmetic_rules(), []
    for group, runs in _groups(_NO_RUN if scores is None else scores):
        rows += [
            _line(claim, group, _decide(claim, rules[claim.id], group, runs), rules[claim.id].compared)
            for claim in claims["corpus"]
        ]
    rows += [_line(claim, None, own[claim.id]()) for claim in claims["arithmetic"]]
    return pd.DataFrame(rows)


def _groups(scores):
    """Yield the runs of each corpus, preset and other settings, checked."""
    if scores.empty:
        yield dict.fromkeys(_GROUP, ""), _NO_RUN
        return
    if missing := [name for name in COLUMNS if name not in scores]:
        raise SermodulesError(
            f"the scores lack the column(s) {', '.join(missing)}: make them with `scores.from_results`"
        )
    if "settings" not in scores:
        scores = scores.assign(settings="")
    for key, runs in scores.groupby(_GROUP, sort=False):
        names = runs[["model", "attention", "gender"]].astype(str).agg(", ".join, axis=1)
        for metric in ("uar", "wa"):
            statistics.by_fold(runs.assign(configuration=names, uar=runs[metric]))  # raises what is wrong
        yield dict(zip(_GROUP, key, strict=True)), runs


def _decide(claim, rule, group, runs):
    if claim.id in _FIGURES and (lacks := _lacks(group)):
        return _untested(f"a figure of IEMOCAP: needs runs with {lacks}")
    try:
        return rule.decide(runs)
    except _Missing as missing:
        return _untested(str(missing))


def _untested(reason):
    return _Found("–", np.nan, np.nan, NOT_TESTED, note=reason)


def _line(claim, group, found, compared=""):
    row = {
        "id": claim.id,
        "kind": claim.kind,
        "claim": claim.statement,
        "where": claim.where,
        "reported": claim.reported,
    }
    row |= group or dict.fromkeys(_GROUP, "")
    row["scope"] = _scope(claim, group)
    row |= {
        "compared": compared,
        "ours": found.ours,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
    }
    return row | {"runs": _rests_on(found.runs), "run_ids": _ids(found.runs), "note": found.note}


def _scope(claim, group):
    if claim.kind == "arithmetic":
        return "the figures that the paper prints"
    if not group["corpus"]:
        return "no run yet"
    own = f"preset `{group['preset']}`" + (f", {group['settings']}" if group["settings"] else "")
    if group["corpus"] == "iemocap":
        return f"IEMOCAP, {own}: not the paper's network or data" if _lacks(group) else "IEMOCAP"
    return f"`{group['corpus']}`, {own}: says nothing directly about IEMOCAP"


def _rests_on(runs):
    """Write how many runs there are and of what."""
    if runs is None:
        return ""
    baseline = ~runs["model"].isin(["model1", "model2"])
    names = "`" + runs["model"] + "`"
    full = names + " (" + runs["attention"].astype(str) + ", gender " + runs["gender"].astype(str) + ")"
    cells = names.where(baseline, full).drop_duplicates()
    folds, seeds = (runs.index.get_level_values(name).nunique() for name in ("fold", "seed"))
    return f"{len(runs)} runs, {folds} folds, {seeds} seed{'s' * (seeds > 1)}: {', '.join(cells)}"


def _ids(runs):
    return "" if runs is None or "run" not in runs else "; ".join(runs["run"])


# --- the ledger in Markdown


def to_markdown(ledger):
    """Write the ledger as Markdown: a table for each corpus, preset and settings, and one for the paper's own figures.

    Parameters
    ----------
    ledger : pandas.DataFrame
        From `ledger`.

    Returns
    -------
    str
        Parts begin with a heading of level 3. What was not tested is listed below each table, with what it needs.
    """
    parts = []
    for (corpus, preset, settings, scope), rows in ledger.groupby([*_GROUP, "scope"], sort=False):
        title = f"Corpus `{corpus}`, preset `{preset}`" + f", {settings}" * bool(settings) if corpus else scope
        tested = rows[rows["verdict"] != NOT_TESTED]
        waiting = rows[rows["verdict"] == NOT_TESTED]
        parts += [f"### {title[0].upper()}{title[1:]}", _caption(rows, scope)]
        if len(tested):
            parts.append(_grid(tested))
        if len(waiting):
            parts += ["Not tested:", "\n".join(f"- `{row.id}`: {row.note}." for row in waiting.itertuples())]
    return "\n\n".join(parts) + "\n"


def _caption(rows, scope):
    counts = rows["verdict"].value_counts()
    order = (SUPPORTED, NOT_SUPPORTED, CANNOT_TELL, NOT_TESTED)
    text = f"Claims of the paper: {', '.join(f'{counts[name]} {name}' for name in order if name in counts)}. Scope: {scope}."
    if set(rows["verdict"]) == {NOT_TESTED}:
        return text
    if set(rows["kind"]) == {"arithmetic"}:
        return text + (
            " In brackets: 95 % interval over the ten folds, of the corrected t-test and the bootstrap together, or as the note"
            ' says. Without brackets and without "no interval" the verdict is exact arithmetic on what is printed: it says'
            " nothing about other speakers."
        )
    return text + (
        " Reported: measured on IEMOCAP. Ours: mean over the folds, each the mean of its seeds; in brackets the 95 % interval"
        " over the speakers (corrected t-test and bootstrap together; for a ratio of SDs, that for normal scores). A figure of"
        " Table 1 is compared speaker by speaker, and the interval is that of ours less the paper's. Points are"
        f" points of %. Each claim is judged by itself. A difference below {ROPE:g} point counts as none. With fewer than"
        f" {FEWEST_FOLDS} folds nothing is judged."
    )


def _grid(rows):
    """Write the rows as a table of texts."""
    frame = pd.DataFrame(
        {
            "Claim": rows["claim"] + " (`" + rows["id"] + "`)",
            "Where": rows["where"],
            "Reported": rows["reported"],
            "Ours": rows["ours"],
            "Verdict": "**" + rows["verdict"] + "**",
        }
    )
    if rows["compared"].any():
        frame.insert(3, "Compared", rows["compared"])
    if rows["runs"].any():
        frame["Rests on"] = rows["runs"]
    if rows["note"].any():
        frame["Note"] = rows["note"]
    frame = frame.map(lambda value: str(value).replace("|", "\\|"))
    return frame.to_markdown(index=False, disable_numparse=True, colalign=["left"] * frame.shape[1])
