"""A study's runs in tables: the paper's Tables 1 to 4, all configurations with their uncertainty, and the claims ledger.

What the paper reported stands beside ours.
"""

import dataclasses
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sermodules import plots
from sermodules.config import METHODS, RunConfig, words
from sermodules.errors import SermodulesError, StoreError
from sermodules.evidence import claims, paper, statistics
from sermodules.evidence.scores import from_results

#: The paper's own two models: the rows and columns of its tables.
PAPERS = ("model1", "model2")

_CONFUSIONS = {"model1": paper.TABLE3, "model2": paper.TABLE4}
_MAX_COLUMNS = 4  # confusion matrices side by side
_MAX_BARS = 6  # configurations whose folds are drawn side by side
_DATA = ("corpus", "emotions", "merge_excited", "scripted")  # the settings that say which utterances are read
_NONE = "–"
_WORDS = (
    "Fold",
    "Session",
    "Speaker",
    "Gender",
    "Method",
    "Corpus",
    "True",
    "Configuration",
    "Reference",
)  # columns that are not numbers


@dataclasses.dataclass(frozen=True)
class _Configuration:
    """The runs that differ in nothing but fold and seed.

    `folds` has one row a fold, sorted: ``fold, session, speaker, gender, wa, uar`` (%, means over the seeds), ``seeds``
    (how many), ``n`` (utterances) and ``lacking`` (classes that the speaker does not have). `confusion` is in % of the
    true class, pooled over the folds. `standard` says that the configuration is what its model's name stands for.
    """

    label: str
    config: RunConfig
    folds: pd.DataFrame
    confusion: pd.DataFrame
    standard: bool


def tables(results, study=None):
    """Make the paper's four tables from the runs of a study.

    Parameters
    ----------
    results : iterable of RunResult
        Finished runs, in any order; their configurations may differ in anything.
    study : Study, optional
        Names the configurations alike while some of them have no run yet.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``table1`` (WA and UAR of each fold, last row the mean), ``table2`` (UAR, mean and SD over the folds), ``table3``
        and ``table4`` (confusion matrices of Model 1 and Model 2, rows in % of the true class), as in the paper;
        ``configurations`` (a row each, with intervals over the speakers, parameters and seconds), ``comparisons`` (see
        `statistics.compare`) and ``confusions`` (of every configuration, pooled and fold-averaged). Percentages as floats;
        NaN where there is nothing to report.

    Raises
    ------
    SermodulesError
        If there are no results, a run is there twice, or runs on the same corpus read different data.
    """
    results = list(results)
    return _tables(_configurations(results, _planned(study)), results, scores(results, study))


def scores(results, study=None):
    """Put the scores of runs in one table, as `sermodules.evidence.statistics` and `sermodules.evidence.claims` take them.

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
    """
    results = list(results)
    _check(results)
    labels = _cells(results, _planned(study))
    frame = from_results(results)
    frame.insert(0, "configuration", [labels[_cell(result.config)] for result in results])
    order = {label: number for number, label in enumerate(labels.values())}
    places = frame["configuration"].map(order)
    return frame.assign(place=places).sort_values(["place", "fold", "seed"], ignore_index=True).drop(columns="place")


def write(results, folder, study):
    """Write the report of a study: ``report.md`` with ``report.png``, a CSV for each of its `tables`, and two more.

    ``scores.csv`` has a row a run. ``claims.csv`` is the ledger, with the ids of the runs that each verdict rests on.

    Parameters
    ----------
    results : iterable of RunResult
        Finished runs, in any order. An incomplete study is reported as far as it is, with what is missing.
    folder : path
        Made if it is not there; an earlier report in it is replaced.
    study : Study or str
        The study, or its name only: what is missing is then judged by the folds and seeds that are there.

    Returns
    -------
    str
        The Markdown of ``report.md``.

    Raises
    ------
    SermodulesError
        As `tables`; also if the folder cannot be written.
    """
    results, folder = list(results), Path(folder)
    name, about = (study, "") if isinstance(study, str) else (study.name, study.about)
    try:
        configurations = _configurations(results, _planned(study))
    except SermodulesError as error:
        raise SermodulesError(f"cannot report the study {name}: {error}") from error
    runs = scores(results, study)
    frames = _tables(configurations, results, runs)
    figure, alt = _figure(configurations, frames["configurations"])
    missing = _missing(results, _planned(study))
    ledger = claims.ledger(from_results(results))
    text = _markdown(name, about, results, configurations, frames, alt, missing, ledger)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs.to_csv(folder / "scores.csv", index=False, float_format="%.6f", lineterminator="\n")
        for key, frame in frames.items():
            frame.to_csv(folder / f"{key}.csv", index=False, float_format="%.2f", lineterminator="\n")
        ledger.to_csv(folder / "claims.csv", index=False, float_format="%.2f", lineterminator="\n")
        figure.savefig(folder / "report.png", dpi=130, facecolor="white")
        (folder / "report.md").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write the report to {folder}: {error}. Choose another folder.") from error
    return text


# --- from runs to configurations


def _planned(study):
    return [] if study is None or isinstance(study, str) else list(study.configs)


def _cell(config):
    return config.replace(fold=1, seed=1)


def _cells(results, planned):
    """Return the label of each configuration, done or planned: Model 1 first, otherwise in the order of the study."""
    cells = dict.fromkeys(_cell(config) for config in [*planned, *(result.config for result in results)])
    return words.labels(sorted(cells, key=lambda cell: list(METHODS).index(cell.model)))


def _configurations(results, planned):
    """Group the runs by configuration; refuse what cannot be mixed."""
    _check(results)
    labels = _cells(results, planned)
    groups = {cell: [] for cell in labels}
    for result in results:
        groups[_cell(result.config)].append(result)
    shown = words.differing(labels)
    return [
        _Configuration(labels[cell], cell, _by_fold(runs), _pooled(runs), not words.unusual_settings(cell, shown))
        for cell, runs in groups.items()
        if runs
    ]


def _check(results):
    if not results:
        raise SermodulesError("no run is finished, so there is nothing to report. Run the study first.")
    problems, seen, data = [], set(), {}
    for result in results:
        if result.config in seen:
            problems.append(f"the run {result.config.run_id} is there twice. Keep one of its folders.")
        seen.add(result.config)
        digests = data.setdefault(tuple(getattr(result.config, key) for key in _DATA), {})
        digests.setdefault(str(result.provenance.get("corpus_digest")), []).append(result.config.run_id)
    corpora = {result.config.corpus for result in results}
    for name in sorted({words.corpus_name(corpus) for corpus in corpora}):
        if sum(words.corpus_name(corpus) == name for corpus in corpora) > 1:
            problems.append(
                f"two corpora are both called {name}: give one of the files another name, and run it again."
            )
    for (corpus, *_), digests in data.items():
        if len(digests) > 1:
            found = [
                f"  {digest[:12]}: {len(ids)} run(s), such as {min(ids)}" for digest, ids in sorted(digests.items())
            ]
            problems.append(
                f"the runs on {words.corpus_name(corpus)} read different data, so they cannot stand in one table. "
                "By corpus digest:\n"
                + "\n".join(found)
                + "\n  Delete the runs on the outdated data, then run the study again."
            )
    if problems:
        raise SermodulesError("\n".join(problems))


def _by_fold(runs):
    rows = pd.DataFrame(
        {
            "fold": run.config.fold,
            "session": run.provenance.get("test_session", ""),
            "speaker": run.metrics["test_speaker"],
            "gender": run.predictions["gender"].iloc[0],
            "wa": 100 * run.metrics["wa"],
            "uar": 100 * run.metrics["uar"],
            "seeds": run.config.seed,
            "n": run.metrics["n"],
            "lacking": ", ".join(name for name in run.metrics["classes"] if name not in run.metrics["covered"]),
        }
        for run in runs
    )
    same = dict.fromkeys(["session", "speaker", "gender", "n", "lacking"], "first")
    columns = ["fold", "session", "speaker", "gender", "wa", "uar", "seeds", "n", "lacking"]
    return rows.groupby("fold").agg({**same, "wa": "mean", "uar": "mean", "seeds": "count"}).reset_index()[columns]


def _counts(runs):
    """Return the confusion matrix of each run, in counts, by fold and seed."""
    return {
        (run.config.fold, run.config.seed): pd.DataFrame(
            run.metrics["confusion"],
            pd.Index(run.metrics["classes"], name="true"),
            pd.Index(run.metrics["classes"], name="predicted"),
        )
        for run in runs
    }


def _pooled(runs):
    """Return the confusion matrix in % of the true class: mean counts over the seeds, summed over the folds."""
    return statistics.pooled_confusion(_counts(runs))


# --- from configurations to tables


def _tables(configurations, results, runs):
    papers = _papers(configurations)
    return {
        "table1": _table1(papers or configurations),
        "table2": _table2(configurations),
        "table3": _confusions(papers, "model1"),
        "table4": _confusions(papers, "model2"),
        "configurations": _summary(configurations, runs),
        "comparisons": _comparisons(configurations, runs),
        "confusions": _all_confusions(configurations, results),
    }


def _papers(configurations):
    """Return the configurations that stand in the paper's Tables 1, 3 and 4: its two models; of many, those just as named."""
    papers = [c for c in configurations if c.config.model in PAPERS]
    return papers if len(papers) <= _MAX_COLUMNS else [c for c in papers if c.standard] or papers


def _summary(configurations, runs):
    """Return a row a configuration: scores with their spread and interval, size and time."""
    # A configuration is described by itself, so those with other folds may stand in one table.
    parts = [statistics.summary(part) for _, part in runs.groupby("configuration", sort=False)]
    more = runs.groupby("configuration")[["parameters", "seconds"]].mean()
    wa = {c.label: c.folds["wa"].mean() for c in configurations}
    found = pd.concat(parts).set_index("configuration").join(more)
    found = found.loc[[c.label for c in configurations]].reset_index()
    return pd.DataFrame(
        {
            "Configuration": found["configuration"],
            "UAR (%)": found["mean"],
            "Population SD (%)": found["sd_population"].where(found["folds"] > 1),
            "Low (%)": found["low"],
            "High (%)": found["high"],
            "Seed SD (%)": found["sd_seeds"],
            "WA (%)": found["configuration"].map(wa),
            "Parameters": found["parameters"],
            "Seconds": found["seconds"],
            "Folds": found["folds"],
            "Seeds": found["seeds"],
            "Corpus": [words.corpus_name(c.config.corpus) for c in configurations],
        }
    )


def _comparisons(configurations, runs):
    """Compare configurations with Model 2 (or the first) of the same data and preset, with Holm's correction within each."""
    tables, groups = [], {}
    for c in configurations:
        groups.setdefault(tuple(getattr(c.config, key) for key in (*_DATA, "preset")), []).append(c)
    for group in groups.values():
        reference = next((c for c in group if c.standard and c.config.model == "model2"), group[0])
        if len(group) > 1:
            mine = runs[runs["configuration"].isin([c.label for c in group])]
            others = [c.label for c in group if c is not reference]
            tables.append(statistics.compare(mine, reference.label, others))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _all_confusions(configurations, results):
    """Return the confusion matrices of all configurations, pooled and fold-averaged, in one long table."""
    frames = []
    for c in configurations:
        counts = _counts([result for result in results if _cell(result.config) == c.config])
        for matrix in (statistics.pooled_confusion(counts), statistics.fold_averaged_confusion(counts)):
            frame = (
                matrix.rename(columns=lambda name: f"{name} (%)").rename_axis(columns=None).reset_index(names="True")
            )
            frame.insert(0, "Configuration", c.label)
            frame.insert(1, "Kind", matrix.attrs["kind"])
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _is_papers_layout(folds):
    """Tell whether the folds test IEMOCAP's speakers, or others named as they are: a woman and a man a session."""
    return all(
        re.fullmatch("Ses0[1-5][FM]", row.speaker)
        and row.session == row.speaker[:5]
        and row.gender == {"F": "female", "M": "male"}[row.speaker[5]]
        for row in folds.itertuples()
    )


def _table1(configurations):
    keys = ["fold", "session", "speaker", "gender"]
    frames = [c.folds.set_index(keys)[["wa", "uar"]] for c in configurations]
    rows = pd.concat(frames, axis=1, keys=range(len(frames))).sort_index()
    people = rows.index.to_frame(index=False)
    layout = _is_papers_layout(people)
    if layout:
        reported = paper.TABLE1.set_index(["session", "gender"])
        reported = reported.loc[list(zip(people["session"].str[-1].astype(int), people["gender"], strict=True))]
    columns = {}
    for model, record in METHODS.items():
        ours = [(number, c) for number, c in enumerate(configurations) if c.config.model == model]
        for number, c in ours:
            for key in ("wa", "uar"):
                values = rows[number, key].to_numpy()
                columns[f"{c.label} {key.upper()} (%)"] = [*values, np.nanmean(values)]
        for key in ("wa", "uar") if ours and model in PAPERS else ():
            column = f"{model}_{key}"
            values = reported[column].to_numpy() if layout else np.full(len(rows), np.nan)
            columns[f"{record.name} {key.upper()}, reported (%)"] = [*values, paper.TABLE1_MEAN[column]]
    people = people.astype(str).rename(columns=str.capitalize)
    people.loc[len(people)] = ["mean", "", "", ""]
    if not people["Session"].any():
        people = people.drop(columns="Session")
    return pd.concat([people, pd.DataFrame(columns)], axis=1)


def _table2(configurations):
    rows = []
    for line in paper.TABLE2.itertuples():
        known = line.model in PAPERS
        sample = paper.TABLE1[f"{line.model}_uar"].std(ddof=1) if known else np.nan
        folds, seeds = ("10", "5") if known else (_NONE, _NONE)
        rows.append([f"{line.method}, reported", line.uar, line.sd, sample, folds, seeds, "IEMOCAP"])
        for c in configurations:
            if METHODS[c.config.model].line == line.method:
                uar = c.folds["uar"]
                spread = uar.std(ddof=0) if len(uar) > 1 else np.nan
                counts = f"{len(uar)}", _span(c.folds["seeds"])
                rows.append([c.label, uar.mean(), spread, uar.std(ddof=1), *counts, words.corpus_name(c.config.corpus)])
    columns = ["Method", "UAR (%)", "Population SD (%)", "Sample SD (%)", "Folds", "Seeds", "Corpus"]
    return pd.DataFrame(rows, columns=columns)


def _confusions(configurations, model):
    matrices = {c.label: c.confusion for c in configurations if c.config.model == model}
    matrices[f"{METHODS[model].name}, reported"] = _CONFUSIONS[model]
    frames = [
        matrix.rename(columns=lambda name: f"{name} (%)").rename_axis(columns=None).reset_index(names="True")
        .assign(Configuration=label)
        for label, matrix in matrices.items()
    ]  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    return frame[["Configuration", *frame.columns.drop("Configuration")]]


# --- from tables to words


def _span(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _count(span, noun):
    return f"{span} {noun}" if span == "1" else f"{span} {noun}s"


def _ranges(numbers):
    """Write whole numbers as in "1, 3–5"."""
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}–{high}" for low, high in parts)


def _missing(results, planned):
    """Say which runs are missing: a line for the total and one for each configuration that lacks some."""
    done = {result.config for result in results}
    cells = _cells(results, planned)
    if not planned:  # the grid that the runs span
        folds, seeds = {config.fold for config in done}, {config.seed for config in done}
        planned = [cell.replace(fold=fold, seed=seed) for cell, fold, seed in product(cells, folds, seeds)]
    wanted = done | set(planned)
    lines = [f"{len(done)} of {len(wanted)} runs"]
    for cell, label in cells.items():
        runs = [config for config in wanted if _cell(config) == cell]
        absent = [config for config in runs if config not in done]
        if len(absent) == len(runs):
            lines.append(f"{label}: all {len(runs)} runs")
            continue
        gaps = {}  # the missing seeds of a fold, None for all of them, to the folds
        for fold in sorted({config.fold for config in absent}):
            seeds = sorted(config.seed for config in absent if config.fold == fold)
            every = len(seeds) == sum(config.fold == fold for config in runs)
            gaps.setdefault(None if every else tuple(seeds), []).append(fold)
        parts = [
            f"fold{'s' * (len(folds) > 1)} {_ranges(folds)}"
            + ("" if seeds is None else f" (seed{'s' * (len(seeds) > 1)} {_ranges(seeds)})")
            for seeds, folds in gaps.items()
        ]
        if parts:
            lines.append(f"{label}: {'; '.join(parts)}")
    return lines


def _circumstances(configurations):
    """Say on which corpus, from which preset and with which other settings all configurations were run."""
    cells = [c.config for c in configurations]
    corpora = sorted({words.corpus_name(cell.corpus) for cell in cells})
    presets = sorted({cell.preset for cell in cells})
    words = [
        f"{'corpus' if len(corpora) == 1 else 'corpora'} {', '.join(f'`{name}`' for name in corpora)}",
        f"preset{'s' * (len(presets) > 1)} {', '.join(f'`{name}`' for name in presets)}",
    ]
    for field in dataclasses.fields(RunConfig):
        name = field.name
        usual = getattr(words.supplied(cells[0]), name)
        if name in ("corpus", "preset", "model", "fold", "seed") or getattr(cells[0], name) == usual:
            continue
        if len({getattr(cell, name) for cell in cells}) == 1:
            words.append(words.setting(cells[0], name))
    return ", ".join(words)


def _caution(configurations):
    """Say what the reported figures may be compared with."""
    others = sorted({words.corpus_name(c.config.corpus) for c in configurations} - {"iemocap"})
    if others:
        names = " and ".join(f"`{name}`" for name in others)
        what = "a corpus of the user's own" if all(name.startswith("table:") for name in others) else "not on IEMOCAP"
        return (
            f"The reported figures were measured on IEMOCAP, ours on {names}, {what}: ours do not replicate the reported ones,"
            " and a difference between the two says nothing about either."
        )
    notes = []
    if any(c.config.emotions != "four" or c.config.merge_excited or c.config.scripted for c in configurations):
        notes.append("other utterances or classes than the paper's")
    if any(c.config.width != 1 for c in configurations):
        notes.append("a network of another size than the paper's")
    also = f" Ours used {' and '.join(notes)}." if notes else ""
    return f"Reported and ours were both measured on IEMOCAP.{also}"


def _grid(frame):
    """Write a table of texts as Markdown, numbers to the right."""
    frame = frame.map(lambda value: str(value).replace("|", "\\|"))
    frame.columns = [name.replace("|", "\\|") for name in frame.columns]
    align = ["left" if name in _WORDS else "right" for name in frame.columns]
    return frame.to_markdown(index=False, disable_numparse=True, colalign=align)


def _percent(value):
    return _NONE if pd.isna(value) else f"{value:.2f}"


def _texts(frame):
    """Turn a table into texts: percentages with two decimals, without the unit that the caption gives."""
    texts = frame.apply(lambda column: column.map(_percent) if column.name.endswith("(%)") else column)
    return texts.rename(columns=lambda name: name.removesuffix(" (%)"))


def _markdown(name, about, results, configurations, frames, alt, missing, ledger):
    folds = _count(_span([len(c.folds) for c in configurations]), "fold")
    seeds = _count(_span([n for c in configurations for n in c.folds["seeds"]]), "seed")
    ours = f"{_circumstances(configurations)}, {folds}, {seeds}"
    total, *gaps = missing
    lines = [f"# Study {name}", about, f"{total}: {ours}. {_provenance(results)}"]
    if gaps:
        lines.append(
            "**The study is incomplete.** All that follows is of the runs that are there; means over"
            " different folds are not comparable. Missing:"
        )
        lines.append("\n".join(f"- {gap}" for gap in gaps))
    lines.append(_caution(configurations))
    lines += ["## Table 1: every fold", _caption1(configurations, ours), _grid(_texts1(frames["table1"]))]
    lines += ["## Table 2: the comparison", _caption2(configurations, ours), _grid(_texts2(frames["table2"]))]
    for number, model in enumerate(PAPERS, start=3):
        mine = [c for c in _papers(configurations) if c.config.model == model]
        lines.append(f"## Table {number}: confusion matrix of {METHODS[model].name}")
        lines.append(_caption34(number, model, mine, ours))
        for c in mine:
            lines += [f"{c.label}:"] * (len(mine) > 1) + [_grid(_beside(c.confusion, _CONFUSIONS[model]))]
    lines += [
        "## All configurations",
        _caption_summary(configurations, ours),
        _grid(_texts_summary(frames["configurations"])),
    ]
    if len(frames["comparisons"]):
        lines += ["## Comparisons", CAPTION_COMPARISONS, _grid(_texts_comparisons(frames["comparisons"]))]
    lines += ["## Figure", f"![{re.sub(r'[][]', '', alt)}](report.png)", _caption_figure(configurations, ours)]
    lines += _ledger(ledger)
    return "\n\n".join(line for line in lines if line) + "\n"


#: What stands above the table of comparisons, in a report and in the book.
CAPTION_COMPARISONS = (
    "Difference: UAR minus that of the reference, in points, paired over folds and seeds, mean over the folds. Interval and p:"
    f" {100 * statistics.LEVEL:.0f} % interval and p-value of the corrected resampled t-test over the speakers; p (Holm): after"
    " Holm's correction for the rows with the same corpus and preset. Sign flip and Wilcoxon: p-values of the secondary tests,"
    " not corrected. Worse, same, better: probabilities (%) of the Bayesian correlated t-test; less than"
    f" {statistics.ROPE:g} point either way counts as the same."
)


def _caption_summary(configurations, ours):
    return (
        "UAR in % (higher is better): mean ± population SD over the folds; its 95 % bootstrap interval over the speakers,"
        f" from {statistics.FEWEST_SPEAKERS} on; SD over the seeds of the mean. WA: mean over the folds. Parameters: numbers of"
        " the model, also those drawn at random and never trained. Seconds: training and prediction of one run, mean; they"
        f" depend on what else the machine did. Ours: {ours}."
    )


def _texts_summary(frame):
    texts = pd.DataFrame({"Configuration": frame["Configuration"]})
    spread = frame["Population SD (%)"].map(lambda sd: "" if pd.isna(sd) else f" ± {sd:.2f}")
    texts["UAR"] = frame["UAR (%)"].map(_percent) + spread
    texts["Interval"] = _interval(frame["Low (%)"], frame["High (%)"])
    texts["Seed SD"] = frame["Seed SD (%)"].map(_percent)
    texts["WA"] = frame["WA (%)"].map(_percent)
    texts["Parameters"] = frame["Parameters"].map(lambda n: _NONE if pd.isna(n) else f"{n:,.0f}")
    texts["Seconds"] = frame["Seconds"].map(lambda n: _NONE if pd.isna(n) else f"{n:,.0f}")
    return pd.concat([texts, frame[["Folds", "Seeds", "Corpus"]]], axis=1)


def _interval(low, high):
    return [_NONE if pd.isna(a) else f"{a:.2f} to {b:.2f}" for a, b in zip(low, high, strict=True)]


def _texts_comparisons(frame):
    texts = frame[["configuration", "reference"]].rename(columns=str.capitalize)
    texts["Difference"] = frame["difference"].map(lambda x: _NONE if pd.isna(x) else f"{x:+.2f}")
    texts["Interval"] = _interval(frame["low"], frame["high"])
    for name, title in (("p", "p"), ("p_holm", "p (Holm)"), ("p_sign_flip", "Sign flip"), ("p_wilcoxon", "Wilcoxon")):
        texts[title] = frame[name].map(lambda p: _NONE if pd.isna(p) else f"{p:.3f}")
    for name in ("worse", "same", "better"):
        texts[name.capitalize()] = (100 * frame[name]).map(lambda p: _NONE if pd.isna(p) else f"{p:.0f}")
    texts["Folds"] = frame["folds"]
    return texts


def _ledger(found):
    """Return the claims that runs decide, as lines of Markdown."""
    return [
        "## Claims ledger",
        "What these runs say about each claim of the paper. `claims.csv` names the runs behind each verdict."
        " `sermodules claims` judges the claims that the paper's own figures decide.",
        claims.to_markdown(found[found["kind"] == "corpus"]).rstrip(),
    ]


def _provenance(results):
    commits = sorted(
        {str(result.provenance.get("commit"))[:10] for result in results if result.provenance.get("commit")}
    )
    digests = sorted({str(result.provenance.get("corpus_digest"))[:12] for result in results})
    text = f"Corpus digest {', '.join(digests)}"
    if commits:
        changed = any(result.provenance.get("uncommitted_changes") for result in results)
        text += f"; code at commit {', '.join(commits)}" + (", with uncommitted changes" if changed else "")
    return text + "."


def _caption1(configurations, ours):
    layout = all(_is_papers_layout(c.folds) for c in configurations)
    text = (
        f"WA (weighted accuracy, the share of all utterances) and UAR (unweighted average recall, the mean over the classes)"
        f" in %, higher is better, on each fold's test speaker, mean over the seeds. Last row: mean over the folds."
        f" Ours: {ours}. Reported: the paper's Table 1, measured on IEMOCAP"
    )
    text += "; its last row is over its own ten folds" if layout else ", which tested other speakers: only its last row"
    text += "."
    lacking = {
        f"{row.speaker} has no {row.lacking}" for c in configurations for row in c.folds.itertuples() if row.lacking
    }
    if lacking:
        text += f" The UAR is the mean recall of the classes that the speaker has: {'; '.join(sorted(lacking))}."
    return text


def _caption2(configurations, ours):
    classes = {len(c.confusion) for c in configurations}
    chance = f" Uniform guessing gives {100 / classes.pop():.2f} %." if len(classes) == 1 else ""
    return (
        f"UAR in % (higher is better), mean ± population SD over the folds, as the paper computes it; beside it the sample SD."
        f" Ours: {ours}. Reported: the paper's Table 2, measured on IEMOCAP; the sample SD of its models is recomputed from its"
        f" Table 1.{chance}"
    )


def _texts2(frame):
    printed = {f"{line.method}, reported": line.printed for line in paper.TABLE2.itertuples()}
    texts = _texts(frame)
    both = texts["UAR"] + texts["Population SD"].map(lambda sd: "" if sd == _NONE else f" ± {sd}")
    texts["UAR"] = [printed.get(method, text) for method, text in zip(texts["Method"], both, strict=True)]
    return texts.drop(columns="Population SD")


def _texts1(frame):
    texts = _texts(frame)
    texts.iloc[-1] = [f"**{value}**" if value else value for value in texts.iloc[-1]]
    return texts


def _caption34(number, model, mine, ours):
    if not mine:
        return f"The study has no run of {METHODS[model].name}."
    utterances = _span([int(c.folds["n"].sum()) for c in mine])
    text = (
        f"Rows: true class; columns: what it was taken for; in % of the true class. The diagonal holds the recalls (higher"
        f" is better); elsewhere lower is better. Ours: {utterances} utterances, pooled over the folds, mean over the"
        f" seeds; {ours}. Reported: the paper's Table {number}, measured on IEMOCAP."
    )
    if any(c.confusion.isna().any(axis=None) for c in mine):
        text += f" {_NONE}: the class does not occur."
    return text


def _beside(matrix, reported):
    """Put the reported shares of the same classes to the right of ours."""
    other = reported.reindex(index=matrix.index, columns=[name for name in matrix.columns if name in reported.columns])
    both = pd.concat([matrix, other.rename(columns=lambda name: f"{name}, reported")], axis=1)
    return both.map(_percent).rename_axis(index="True").reset_index()


# --- the figure


def _figure(configurations, summary):
    """Draw the scores and the confusion matrices; return the figure and its description in words."""
    few = len(configurations) <= _MAX_BARS
    matrices = configurations if few else _papers(configurations)[:_MAX_BARS]
    classes = {len(c.confusion) for c in configurations}
    chance = 100 / max(classes) if len(classes) == 1 else None
    columns = max(1, min(_MAX_COLUMNS, len(matrices)))
    rows = -(-len(matrices) // columns)
    size = 1.6 + 0.5 * max(classes)
    folds = max(len(c.folds) for c in configurations)
    width = max(9, 0.45 * folds, size * columns)
    height = 3.8 if few else 1.2 + 0.32 * len(configurations)
    figure = Figure((min(width, 24), height + (size + 0.6) * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=[height, *[size + 0.6] * rows])
    top = figure.add_subplot(grid[0, :])
    if few:
        table = pd.concat([c.folds.set_index(["fold", "speaker"])["uar"] for c in configurations], axis=1).sort_index()
        table.columns = [c.label for c in configurations]
        table.index = [f"{speaker}\nfold {fold}" for fold, speaker in table.index]
        plots.plot_folds(table, top, chance)
        if len(table) > 12 or max(map(len, table.index)) > 18:
            top.tick_params("x", rotation=90)
        above = f"bars of the UAR of each fold ({len(table)})"
    else:
        plots.plot_intervals(summary, top, chance)
        above = "a point for the UAR of each configuration, with its interval"
    for number, c in enumerate(matrices):
        ax = figure.add_subplot(grid[1 + number // columns, number % columns])
        plots.plot_confusion(c.confusion, ax).set_title(c.label, fontsize=10)
    means = ", ".join(f"{c.label} {c.folds['uar'].mean():.2f} %" for c in configurations)
    recalls = "; ".join(
        f"{c.label}: " + ", ".join(f"{name} {_percent(c.confusion.loc[name, name])} %" for name in c.confusion.index)
        for c in matrices
    )
    below = "each configuration" if few else "the paper's models"
    alt = (
        f"Above, {above}; mean over the folds: {means}. Below, a confusion matrix for"
        f" {below}; recalls on the diagonal, {recalls}."
    )
    return figure, alt


def _caption_figure(configurations, ours):
    if len(configurations) > _MAX_BARS:
        above = "UAR (%, higher is better) of each configuration, mean over the folds, with the 95 % interval over the speakers"
    else:
        above = (
            "UAR (%, higher is better) on each fold's test speaker, mean over the seeds; dashed: mean over the folds"
        )
    return (
        f"Above: {above};"
        f" dotted: guessing. Below: confusion matrices in % of the true class, pooled over the folds. Ours: {ours}."
    )
