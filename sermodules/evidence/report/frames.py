"""The tables of a report as data frames, with how their columns are printed."""

import re

import numpy as np
import pandas as pd

from sermodules.config import METHODS, words
from sermodules.evidence import paper, statistics
from sermodules.evidence.report.cells import (
    DATA,
    PAPERS,
    cell,
    check,
    confusions,
    fold_of,
    gather,
    labels,
    of_the_paper,
    planned,
)
from sermodules.evidence.report.columns import Column, Table, count_column, in_percent, percent_column, text_column
from sermodules.evidence.report.wording import NONE, interval, mean_and_sd, p_value, percent, signed, span, whole
from sermodules.evidence.scores import from_results
from sermodules.study import origins

#: The paper's confusion matrix of each of its models.
REPORTED_CONFUSIONS = {"model1": paper.TABLE3, "model2": paper.TABLE4}


def tables(results, study=None):
    """Make the paper's four tables from the runs of a study.

    See chapter "The study".

    Parameters
    ----------
    results : iterable of RunResult
        Finished runs, in any order; their configurations may differ in anything.
    study : Study, optional
        Names the configurations alike while some of them have no run yet.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``table1`` (WA and UAR of each speaker, last row the mean), ``table2`` (UAR, mean and SD over the speakers), ``table3``
        and ``table4`` (confusion matrices of Model 1 and Model 2, rows in % of the true class), as in the paper;
        ``configurations`` (a row each, with intervals over the speakers, parameters and seconds), ``comparisons`` (as
        `statistics.compare`, with units in the names and probabilities in %), ``confusions`` (of every configuration, pooled
        and speaker-averaged) and ``origins`` (how many runs of each configuration were computed with what). Percentages as
        floats; NaN where there is nothing to report.

    Raises
    ------
    SermodulesError
        If there are no results, a run is there twice, or runs on the same corpus read different data.

    Examples
    --------
    A run of two sad utterances and a happy one, typed, below what the paper reported:

    >>> import pandas as pd
    >>> from sermodules import metrics
    >>> from sermodules.config import RunConfig
    >>> from sermodules.evidence import report
    >>> from sermodules.runs import RunResult
    >>> found = metrics.summarise(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy"])
    >>> woman = pd.DataFrame({"gender": ["female"]})
    >>> run = RunResult(RunConfig.create(), woman, None, found | {"test_speaker": "F1"}, {})
    >>> report.tables([run])["table2"][["Method", "UAR (%)", "Corpus"]]
                   Method  UAR (%)     Corpus
    0   DNN-ELM, reported    51.24    IEMOCAP
    1  CNN-LSTM, reported    61.70    IEMOCAP
    2   Model 1, reported    59.43    IEMOCAP
    3   Model 2, reported    62.86    IEMOCAP
    4             Model 2    75.00  synthetic
    """
    results = list(results)
    made = make(gather(results, planned(study)), results, scores(results, study))
    return {name: table.frame for name, table in made.items()}


def scores(results, study=None):
    """Put the scores of runs in one table, as `sermodules.evidence.statistics` and `sermodules.evidence.claims` take them.

    See chapter "The study".

    Parameters
    ----------
    results : iterable of RunResult
    study : Study or str, optional
        Names the configurations alike while some of them have no run yet.

    Returns
    -------
    pandas.DataFrame
        As `sermodules.evidence.scores.from_results`, with ``configuration``, its name in the report, before the rest.

    Raises
    ------
    SermodulesError
        As `tables`.

    Examples
    --------
    A run of two sad utterances and a happy one, typed:

    >>> from sermodules import metrics
    >>> from sermodules.config import RunConfig
    >>> from sermodules.evidence import report
    >>> from sermodules.runs import RunResult
    >>> found = metrics.summarise(["sad", "sad", "happy"], ["sad", "happy", "happy"], ["sad", "happy"])
    >>> run = RunResult(RunConfig.create(), None, None, found | {"test_speaker": "F1"}, {})
    >>> report.scores([run])[["configuration", "fold", "speaker", "uar"]]
      configuration  fold speaker   uar
    0       Model 2     1      F1  75.0
    """
    results = list(results)
    check(results)
    names = labels(results, planned(study))
    frame = from_results(results)
    labelled = {result.config.run_id: names[cell(result.config)] for result in results}
    frame.insert(0, "configuration", frame["run"].map(labelled))
    order = {label: number for number, label in enumerate(names.values())}
    keys = ["place", "fold", "seed", "speaker"]
    return (
        frame.assign(place=frame["configuration"].map(order)).sort_values(keys, ignore_index=True).drop(columns="place")
    )


def make(configurations, results, runs, plain=False):
    """Return each `Table` of a report by its name; `runs` are the scores. `plain`: nothing of the paper's."""
    papers = of_the_paper(configurations)
    if plain:
        own = {"speakers": _speakers(configurations, beside_the_papers=False)}
    else:
        own = {
            "table1": _speakers(papers or configurations),
            "table2": _table2(configurations),
            "table3": _confusions(papers, "model1"),
            "table4": _confusions(papers, "model2"),
        }
    return own | {
        "configurations": _summary(configurations, runs),
        "comparisons": _comparisons(configurations, runs),
        "confusions": _all_confusions(configurations, results),
        "origins": _origins(results),
    }


# --- Table 1: every speaker


def is_papers_layout(speakers):
    """Tell whether the test speakers are IEMOCAP's speakers, or others named as they are: a woman and a man a session."""
    return all(
        re.fullmatch("Ses0[1-5][FM]", row.speaker)
        and row.session == row.speaker[:5]
        and row.gender == {"F": "female", "M": "male"}[row.speaker[5]]
        for row in speakers.itertuples()
    )


def _speakers(configurations, beside_the_papers=True):
    """Return the scores of every speaker, and if wanted those of the paper's Table 1 beside them."""
    keys = ["fold", "session", "speaker", "gender"]
    folds = fold_of(pd.concat([c.speakers for c in configurations]))
    scored = [c.speakers.assign(fold=c.speakers["speaker"].map(folds)).set_index(keys) for c in configurations]
    rows = pd.concat([each[["wa", "uar"]] for each in scored], axis=1, keys=range(len(scored))).sort_index()
    people = rows.index.to_frame(index=False)
    reported = _reported1(people)
    found = {}  # title of a column to its values, the last one the mean
    for model, record in METHODS.items():
        ours = [(number, c.label) for number, c in enumerate(configurations) if c.config.model == model]
        for number, label in ours:
            for key in ("wa", "uar"):
                values = rows[number, key].to_numpy()
                found[f"{label} {key.upper()}"] = [*values, np.nanmean(values)]
        if ours and model in PAPERS and beside_the_papers:
            for key in ("wa", "uar"):
                values, mean = reported[f"{model}_{key}"], paper.TABLE1_MEAN[f"{model}_{key}"]
                found[f"{record.name} {key.upper()}, reported"] = [*values, mean]
    people = people.assign(fold=people["fold"].replace(0, NONE)).astype(str).rename(columns=str.capitalize)
    people.loc[len(people)] = ["mean", "", "", ""]
    if not people["Session"].any():
        people = people.drop(columns="Session")
    figures = pd.DataFrame({in_percent(title): values for title, values in found.items()})
    return Table(
        pd.concat([people, figures], axis=1),
        (*(text_column(title) for title in people), *(percent_column(title) for title in found)),
        has_mean=True,
    )


def _reported1(people):
    """Return the rows of the paper's Table 1 for these speakers; NaN if they are not those of the paper."""
    if not is_papers_layout(people):
        return pd.DataFrame(np.nan, people.index, paper.TABLE1.columns)
    session = people["session"].str[-1].astype(int)
    return paper.TABLE1.set_index(["session", "gender"]).loc[list(zip(session, people["gender"], strict=True))]


# --- Table 2: the comparison


def _table2(configurations):
    rows, as_printed = [], {}
    corpora = words.shown_corpora(c.config.corpus for c in configurations)
    for line in paper.TABLE2.itertuples():
        known = line.model in PAPERS
        sample = paper.TABLE1[f"{line.model}_uar"].std(ddof=1) if known else np.nan
        speakers, seeds = ("10", "5") if known else (NONE, NONE)
        method = f"{line.method}, reported"
        as_printed[method] = line.printed
        rows.append([method, line.uar, line.sd, sample, speakers, seeds, "IEMOCAP"])
        rows += [_line2(c, corpora) for c in configurations if METHODS[c.config.model].line == line.method]
    score, spread, sample = (in_percent(title) for title in ("UAR", "Population SD", "Sample SD"))

    def uar(method, mean, sd):
        return as_printed[method] if method in as_printed else mean_and_sd(mean, sd)

    return Table(
        pd.DataFrame(rows, columns=["Method", score, spread, sample, "Speakers", "Seeds", "Corpus"]),
        (
            text_column("Method"),
            Column("UAR", ("Method", score, spread), uar),
            percent_column("Sample SD"),
            count_column("Speakers"),
            count_column("Seeds"),
            text_column("Corpus"),
        ),
    )


def _line2(configuration, corpora):
    uar, corpus = configuration.speakers["uar"], corpora[configuration.config.corpus]
    spread = uar.std(ddof=0) if len(uar) > 1 else np.nan
    seeds = span(configuration.speakers["seeds"])
    return [configuration.label, uar.mean(), spread, uar.std(ddof=1), f"{len(uar)}", seeds, corpus]


# --- Tables 3 and 4: confusion matrices


def _long(matrix):
    """Return a confusion matrix with its true classes in a column."""
    return matrix.rename(columns=in_percent).rename_axis(columns=None).reset_index(names="True")


def _confusions(configurations, model):
    matrices = {c.label: c.confusion for c in configurations if c.config.model == model}
    matrices[f"{METHODS[model].name}, reported"] = REPORTED_CONFUSIONS[model]
    frame = pd.concat(
        [_long(matrix).assign(Configuration=label) for label, matrix in matrices.items()], ignore_index=True
    )
    return Table(frame[["Configuration", *frame.columns.drop("Configuration")]])


def _all_confusions(configurations, results):
    """Return the confusion matrices of all configurations, pooled and speaker-averaged, in one long table."""
    frames = []
    for c in configurations:
        mine = confusions([result for result in results if cell(result.config) == c.config])
        for matrix in (statistics.pooled_confusion(mine), statistics.speaker_averaged_confusion(mine)):
            frame = _long(matrix)
            frame.insert(0, "Configuration", c.label)
            frame.insert(1, "Kind", matrix.attrs["kind"])
            frames.append(frame)
    return Table(pd.concat(frames, ignore_index=True))


def beside(ours, reported):
    """Put the reported shares of the same classes to the right of ours."""
    other = reported.reindex(index=ours.index, columns=[name for name in ours.columns if name in reported.columns])
    return matrix(pd.concat([ours, other.rename(columns=lambda name: f"{name}, reported")], axis=1))


def matrix(shares):
    """Return a confusion matrix as it is printed."""
    frame = shares.rename_axis(index="True", columns=None).reset_index()
    return Table(frame, (text_column("True"), *(Column(name, (name,), percent) for name in shares)))


# --- all configurations


def _summary(configurations, runs):
    """Return a row a configuration: scores with their spread and interval, size and time."""
    # A configuration is described by itself, so those with other speakers may stand in one table.
    parts = [statistics.summary(part) for _, part in runs.groupby("configuration", sort=False)]
    more = runs.groupby("configuration")[["parameters", "seconds"]].mean()
    wa = {c.label: c.speakers["wa"].mean() for c in configurations}
    found = pd.concat(parts).set_index("configuration").join(more)
    found = found.loc[[c.label for c in configurations]].reset_index()
    corpora = words.shown_corpora(c.config.corpus for c in configurations)
    frame = pd.DataFrame(
        {
            "Configuration": found["configuration"],
            in_percent("UAR"): found["mean"],
            in_percent("Population SD"): found["sd_population"].where(found["speakers"] > 1),
            in_percent("Low"): found["low"],
            in_percent("High"): found["high"],
            in_percent("Seed SD"): found["sd_seeds"],
            in_percent("WA"): found["configuration"].map(wa),
            "Parameters": found["parameters"],
            "Seconds": found["seconds"],
            "Speakers": found["speakers"],
            "Seeds": found["seeds"],
            "Corpus": [corpora[c.config.corpus] for c in configurations],
        }
    )
    return Table(
        frame,
        (
            text_column("Configuration"),
            Column("UAR", (in_percent("UAR"), in_percent("Population SD")), mean_and_sd),
            Column("Interval", (in_percent("Low"), in_percent("High")), interval),
            percent_column("Seed SD"),
            percent_column("WA"),
            Column("Parameters", ("Parameters",), whole),
            Column("Seconds", ("Seconds",), whole),
            count_column("Speakers"),
            count_column("Seeds"),
            text_column("Corpus"),
        ),
    )


#: What `statistics.compare` gives in points.
_POINTS = ("difference", "low", "high", "bootstrap_low", "bootstrap_high")


def _comparisons(configurations, runs):
    """Compare configurations with Model 2 (or the first) of the same data and preset, with Holm's correction within each."""
    compared, groups = [], {}
    for c in configurations:
        groups.setdefault(tuple(getattr(c.config, key) for key in (*DATA, "preset")), []).append(c)
    for group in groups.values():
        reference = next((c for c in group if c.standard and c.config.model == "model2"), group[0])
        if len(group) > 1:
            mine = runs[runs["configuration"].isin([c.label for c in group])]
            others = [c.label for c in group if c is not reference]
            compared.append(statistics.compare(mine, reference.label, others))
    frame = pd.concat(compared, ignore_index=True) if compared else pd.DataFrame()
    shares = ["worse", "same", "better"]
    if compared:
        frame[shares] *= 100
    return Table(
        frame.rename(
            columns={name: in_percent(name) for name in shares} | {name: f"{name} (points)" for name in _POINTS}
        ),
        (
            Column("Configuration", ("configuration",), align="left"),
            Column("Reference", ("reference",), align="left"),
            Column("Difference", ("difference (points)",), signed),
            Column("Interval", ("low (points)", "high (points)"), interval),
            Column("p", ("p",), p_value),
            Column("p (Holm)", ("p_holm",), p_value),
            Column("Sign flip", ("p_sign_flip",), p_value),
            Column("Wilcoxon", ("p_wilcoxon",), p_value),
            Column("Worse", (in_percent("worse"),), whole),
            Column("Same", (in_percent("same"),), whole),
            Column("Better", (in_percent("better"),), whole),
            Column("Speakers", ("speakers",)),
        ),
    )


# --- what computed the runs


def _origins(results):
    """Return the numbers of runs, a row a configuration, a column for each code, backend, versions and settings."""
    _, table = origins.count(results)
    frame = table.rename_axis(columns=None).reset_index(names="Configuration")
    return Table(frame, (text_column("Configuration"), *(count_column(letter) for letter in table)))
