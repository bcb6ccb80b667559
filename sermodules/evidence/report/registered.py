"""What a study registered, carried out: its questions, their power, and their answers once the last registered run is in."""

import pandas as pd

from sermodules.evidence import statistics
from sermodules.evidence.report.cells import cell
from sermodules.evidence.report.columns import Column, Table, text_column, whole
from sermodules.evidence.report.wording import interval, p_value, plural, ranges, signed
from sermodules.evidence.scores import from_results
from sermodules.study import origins
from sermodules.study import registration as registrations

#: What a question is answered.
YES, NO = "yes", "no"


def runs_of(results, asked):
    """Return the results that a registration asks for."""
    wanted = set(asked.cells)
    return [result for result in results if cell(result.config) in wanted]


def missing(results, study):
    """Return the configurations of the registered runs that are not among the results."""
    wanted, done = set(study.registration.cells), {result.config for result in results}
    return [config for config in study.configs if cell(config) in wanted and config not in done]


def is_complete(results, study):
    """Tell whether every registered run is among the results."""
    return not missing(results, study)


def differences(contrast, rows):
    """Return the differences of a contrast.

    Parameters
    ----------
    contrast : sermodules.study.registration.Contrast
    rows : pandas.DataFrame
        A row a run and test speaker: ``cell`` (a `RunConfig`), ``speaker``, ``seed``, ``uar`` (%) and ``held_out``.

    Returns
    -------
    pandas.DataFrame
        As `statistics.clustered_t` takes: the mean over the pairs of the contrast, for each speaker and seed that has all.
    """
    keyed = rows.set_index(["speaker", "seed"])
    uar = {config: frame["uar"] for config, frame in keyed.groupby("cell", sort=False)}
    empty = pd.Series(dtype=float, index=keyed.index[:0])
    pairs = [uar.get(plus, empty) - uar.get(minus, empty) for plus, minus in contrast.pairs]
    means = pd.concat(pairs, axis=1).dropna().mean(axis=1)
    seeds = keyed.index.get_level_values("seed").astype(str)
    trainings = (keyed["held_out"] + ", seed " + seeds)[~keyed.index.duplicated()]
    return statistics.with_trainings(means, trainings)


def rows_of(results):
    """Return what `differences` takes."""
    cells = {result.config.run_id: cell(result.config) for result in results}
    scores = from_results(results)
    return scores.assign(cell=scores["run"].map(cells))


def spread(asked, rows):
    """Return the standard deviations (points) of each contrast, from the seeds of the pilot."""
    pilot = rows[rows["seed"].isin(asked.pilot)]
    found = {}
    for contrast in asked.contrasts:
        table = differences(contrast, pilot)
        if table[["training", "speaker"]].nunique().min() > 1:
            found[contrast.name] = statistics.components(table)
    return found


def power(asked, parts, speakers):
    """Return the power of each question.

    Parameters
    ----------
    asked : Registration
    parts : dict of str to Components
        From `spread`.
    speakers : int

    Returns
    -------
    pandas.DataFrame
        A row a question, a column a true difference that the registration assumes: the chance (%) of the right answer. A
        primary question has to pass the first step of Holm's correction, so the chance is a lower bound. NaN where the
        assumed difference is the one that is asked about.
    """
    primary = sum(question.primary for contrast in asked.contrasts for question in contrast.questions)
    groups = max(config.groups for config in asked.cells)
    design = {"speakers": speakers, "groups": groups, "seeds": len(asked.content["seeds"])}
    lines = []
    for contrast in asked.contrasts:
        if contrast.name not in parts:
            continue
        for question in contrast.questions:
            level = statistics.ALPHA / 2 / (primary if question.primary else 1)
            chances = {
                f"{mean:g}": _chance(parts[contrast.name], question.value, mean, level, design)
                for mean in asked.assumed
            }
            lines.append(_named(contrast, question) | chances)
    return pd.DataFrame(lines)


def _chance(parts, value, mean, level, design):
    if mean == value:
        return float("nan")
    claim = ("above" if mean > value else "below", value)
    return 100 * statistics.chance_to_decide(parts, claim, mean, level=level, **design)


def _named(contrast, question):
    kind = "primary" if question.primary else "secondary"
    return {"Contrast": contrast.name, "Is it": str(question), "Kind": kind}


def answers(asked, rows):
    """Answer every question.

    A question is about a boundary. Its two-sided p-value, after Holm's correction over the primary questions, is at most
    0.05, or nothing is said. Then the answer is the side on which the estimate lies: Kaiser (1960), "Directional statistical
    decisions", Psychological Review 67, 160-167. Secondary questions are not corrected.

    Parameters
    ----------
    asked : Registration
    rows : pandas.DataFrame
        As `differences` takes.

    Returns
    -------
    pandas.DataFrame
        A row a question: ``Contrast, Is it, Kind, Difference, Low, High`` (points), ``p``, ``p (Holm)`` (NaN for secondary
        questions), ``Answer`` and ``Expected``.
    """
    lines = []
    for contrast in asked.contrasts:
        found = statistics.clustered_t(differences(contrast, rows))
        for question in contrast.questions:
            size = {"Difference": found.mean, "Low": found.low, "High": found.high}
            p = min(1.0, 2 * min(found.p_above(question.value), found.p_below(question.value)))
            above = found.mean > question.value
            lines.append(_named(contrast, question) | size | {"p": p, "right": above == (question.side == "above")})
    table = pd.DataFrame(lines)
    primary = table["Kind"] == "primary"
    table["p (Holm)"] = float("nan")
    table.loc[primary, "p (Holm)"] = statistics.holm(table.loc[primary, "p"])
    decided = table["p (Holm)"].fillna(table["p"]) <= statistics.ALPHA
    table["Answer"] = table["right"].map({True: YES, False: NO}).where(decided, statistics.CANNOT_TELL)
    expected = {contrast.name: contrast.expected for contrast in asked.contrasts}
    return table.drop(columns="right").assign(Expected=table["Contrast"].map(expected))


def deviations(asked, results):
    """Say in what the study is not what was registered, a line each.

    Parameters
    ----------
    asked : Registration
    results : list of RunResult
        The registered runs.

    Returns
    -------
    list of str
    """
    if asked.commit is None:
        return ["No commit registers these questions yet: nothing shows that they stood before the runs."]
    before, date = registrations.registered(asked)
    if before is None:
        lines = [f"Commit {asked.commit} cannot be read here, so nobody has compared it with the study file."]
    else:
        lines = registrations.changes(asked, before)
        early = [r for r in results if r.config.seed not in asked.pilot and _is_before(r, date)]
        if early:
            lines.append(f"{len(early)} runs of other seeds than the pilot's are older than commit {asked.commit}.")
    if (codes := len(origins.count(results)[0])) > 1:
        lines.append(f"The registered runs were computed with {codes} different codes, backends or versions.")
    if marked := [result for result in results if result.unstable]:
        lines.append(
            f"{len(marked)} registered trainings were unstable: their loss rose again. They count, as registered."
        )
    return lines


def _is_before(result, date):
    done = result.provenance.get("date")
    return bool(done and date) and pd.Timestamp(done) < pd.Timestamp(date)


# --- in words


def section(study, results, complete):
    """Write the registered part of a report.

    Parameters
    ----------
    study : Study
        With a registration.
    results : list of RunResult
    complete : bool
        Whether every registered run is in; before, nothing is answered.

    Returns
    -------
    blocks : list of str
        Markdown.
    tables : dict of str to tuple of (str, Table)
        ``registered_spread``, ``registered_power`` and, if complete, ``registered``, each with its caption.
    """
    asked, mine = study.registration, runs_of(results, study.registration)
    rows = rows_of(mine)
    parts, tables = spread(asked, rows), {}
    blocks = ["## Registered questions", _heading(asked, len(mine), complete)]
    if complete:
        tables["registered"] = ANSWERS, _answers_table(answers(asked, rows))
    if parts:
        tables["registered_spread"] = SPREAD, _all_numbers(_spread_frame(parts), 1)
        tables["registered_power"] = POWER, _all_numbers(power(asked, parts, rows["speaker"].nunique()), 3)
    for caption, table in tables.values():
        blocks += [caption, whole(table)]
    if not parts:
        blocks.append("The pilot's seeds are not all in: its standard deviations and the power come with them.")
    found = deviations(asked, mine)
    blocks += (
        ["Deviations from what was registered:", "\n".join(f"- {line}" for line in found)] if found else [NONE_FOUND]
    )
    return blocks, tables


#: Above the tables.
ANSWERS = (
    "Difference: UAR in points, for each speaker and seed, averaged over the pairs of configurations. Interval: 95 %, of"
    " two-way clusters of speakers and trainings. p: two-sided, of the boundary that is asked about; p (Holm): after Holm's"
    " correction over the primary questions. A question is answered if that p (of a secondary one: the plain p, not"
    " corrected) is at most 0.05: yes or no, by the side on which the difference lies."
)
SPREAD = (
    "Standard deviations of a difference (points), from the pilot's seeds alone. Pair of groups: what all speakers of one"
    " training share."
)
POWER = (
    "Power (%): how often such a study, simulated with these standard deviations, gives the right answer if the true difference"
    " (points) is the one above the column. Of a primary question a lower bound: the first step of Holm's correction."
)
NONE_FOUND = (
    "Deviations from what was registered: none was found in the study file, the order of the runs or what computed"
    " them."
)


def _heading(asked, count, complete):
    """Say what was registered where, and how far the runs are."""
    where = f"at commit `{asked.commit}`" if asked.commit else "at no commit yet"
    seeds = asked.content["seeds"]
    text = (
        f"Registered {where}: {len(seeds)} {plural('seed', len(seeds) > 1)} ({ranges(seeds)}), of which"
        f" {ranges(asked.pilot)} {'were' if len(asked.pilot) > 1 else 'was'} a pilot that showed standard deviations only."
        f" {count} registered runs are in."
    )
    return text if complete else f"{text} **No score is shown, and nothing is answered, before the last of them.**"


def _spread_frame(parts):
    rows = [
        {"Contrast": name, "Speaker": each.speaker, "Pair of groups": each.training, "Rest": each.rest}
        for name, each in parts.items()
    ]
    return pd.DataFrame(rows)


def _all_numbers(frame, texts):
    """Return a table whose first columns are texts and whose others are numbers."""
    names = list(frame)
    return Table(
        frame, (*map(text_column, names[:texts]), *(Column(name, (name,), _rounded) for name in names[texts:]))
    )


def _rounded(value):
    return "–" if pd.isna(value) else f"{value:.1f}"


def _answers_table(frame):
    return Table(
        frame,
        (
            text_column("Contrast"),
            text_column("Is it"),
            text_column("Kind"),
            Column("Difference", ("Difference",), signed),
            Column("Interval", ("Low", "High"), interval),
            Column("p", ("p",), p_value),
            Column("p (Holm)", ("p (Holm)",), p_value),
            text_column("Answer"),
            text_column("Expected"),
        ),
    )
