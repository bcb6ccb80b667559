"""What stands above the tables of a report: what they show, under which circumstances, and what they may be compared with."""

import dataclasses

from sermodules import metrics
from sermodules.config import METHODS, PRESETS, RunConfig, words
from sermodules.config.classes import AS_EMOTIONS
from sermodules.evidence import statistics
from sermodules.evidence.report.frames import is_papers_layout
from sermodules.evidence.report.wording import NONE, counted, plural, span
from sermodules.study import origins as mixture

#: Above the table of comparisons.
COMPARISONS = (
    "Difference: UAR minus that of the reference, in points, paired over speakers and seeds, mean over the speakers. Interval"
    f" and p: {100 * statistics.LEVEL:.0f} % interval and p-value of the corrected resampled t-test over the speakers; p"
    " (Holm): after Holm's correction for the rows with the same corpus and preset. Sign flip and Wilcoxon: p-values of the"
    " secondary tests, not corrected. Worse, same, better: probabilities (%) of the Bayesian correlated t-test; less than"
    f" {statistics.ROPE:g} point either way counts as the same."
)

#: Where not all runs were computed with the same.
ORIGINS = (
    "Numbers of runs by what they were computed with: code (its digest), backend, and whatever else differs. An altered"
    " notebook, or a run that was stored by hand, is named."
)

#: Above the claims ledger.
LEDGER = (
    "What these runs say about each claim of the paper. `claims.csv` names the runs behind each verdict."
    " `sermodules claims` judges the claims that the paper's own figures decide."
)

#: The same, where nothing of the paper's is shown.
PLAIN_LEDGER = (
    "Claims of Bhushan et al. (2022) that these runs put to a test. `claims.csv` names the runs behind each verdict."
)

#: The same, where they test no claim.
NO_CLAIM = (
    "These runs put none of the claims of Bhushan et al. (2022) to a test, so `claims.csv` has no row. `sermodules claims`"
    " lists the claims and what each needs."
)

#: Where runs are missing.
INCOMPLETE = (
    "**The study is incomplete.** All that follows is of the runs that are there; means over"
    " different speakers are not comparable. Missing:"
)

#: Where a corpus could not be read, whose speakers make the folds.
UNREAD = (
    "**Nobody can tell whether the study is complete**: its corpus could not be read, so the folds are those of the runs that"
    " are there. Means over different speakers are not comparable."
)

#: Where runs are of the preset that only checks.
SMOKE = (
    "**Scores of preset `smoke` mean nothing**, however good they look: it only shows that everything works. Its network is too"
    " small and its training too short for a result."
)


# --- what was run


def circumstances(configurations):
    """Say what all configurations have in common: corpus, preset, other settings, how many folds and seeds.

    Where folds test several speakers, also how many, and who validated.
    """
    cells = [c.config for c in configurations]
    corpora = sorted(words.shown_corpora(cell.corpus for cell in cells).values())
    presets = sorted({cell.preset for cell in cells})
    parts = [
        f"{'corpus' if len(corpora) == 1 else 'corpora'} {_quoted(corpora)}",
        f"{plural('preset', len(presets) > 1)} {_quoted(presets)}",
        *_common_settings(cells),
        counted([c.folds for c in configurations], "fold") + _left_out(configurations),
        counted([n for c in configurations for n in c.speakers["seeds"]], "seed"),
    ]
    return ", ".join(parts)


def _left_out(configurations):
    """Say how many speakers a fold tests, where it is not one, and who validates."""
    if not any(shared(c) for c in configurations):
        return ""
    size = counted([n for c in configurations for n in c.sizes], "speaker")
    people = counted([len(c.speakers) for c in configurations], "speaker")
    names = {"part": "the part `validation`", "partner": "the paired fold", "next": "another fold"}
    who = {names["part" if c.config.split == "part" else c.config.validation] for c in configurations if shared(c)}
    return f" of {size} ({people} in all; {' or '.join(sorted(who))} validates, with the UAR over all its utterances)"


def shared(configuration):
    """Tell whether one training tested several speakers at a time."""
    return max(configuration.sizes) > 1


def dependence(configurations):
    """Say, where a training tested several speakers at a time, what the intervals take into account."""
    if not any(shared(c) for c in configurations):
        return ""
    return (
        "**One training tested several speakers at a time.** What a training draws (its weights, its order) moves all of its"
        " speakers together, and more speakers do not average it out: more seeds do. Intervals and p-values below reckon with"
        " both, speakers and trainings (two-way clustering); tests that take speakers as independent are left out."
        " `scores.csv` names in `held_out` who shares a training."
    )


def _quoted(names):
    return ", ".join(f"`{name}`" for name in names)


def _common_settings(cells):
    """Name the settings that all configurations share and that the first one's preset and model do not supply."""
    usual = words.supplied(cells[0])
    for field in dataclasses.fields(RunConfig):
        name = field.name
        if name in ("corpus", "preset", "model", "fold", "seed") or getattr(cells[0], name) == getattr(usual, name):
            continue
        if len({getattr(cell, name) for cell in cells}) == 1:
            yield words.setting(cells[0], name)


def provenance(results):
    """Say which data and which code the runs had."""
    commits = sorted(
        {str(result.provenance.get("commit"))[:10] for result in results if result.provenance.get("commit")}
    )
    digests = sorted({str(result.provenance.get("corpus_digest"))[:12] for result in results})
    text = f"Corpus digest {', '.join(digests)}"
    if commits:
        text += f"; code at commit {', '.join(commits)}"
        if any(result.provenance.get("uncommitted_changes") for result in results):
            text += ", with uncommitted changes"
    described = list(mixture.count(results)[0].values())
    if len(described) == 1 and "backend" in described[0]:
        text += f"; {described[0]}"
    return text + "."


def unread(reasons):
    """Say that nobody can tell what is missing, and why; nothing if the corpora were read."""
    listed = "\n".join(
        f"    {line}" for reason in reasons for line in reason.splitlines()
    )  # as it stands, not as Markdown
    return f"{UNREAD}\n\n{listed}" if reasons else ""


def trial(configurations):
    """Say that scores mean nothing where a network was only shown to run; nothing otherwise."""
    found = any(
        c.config.preset == "smoke"
        and METHODS[c.config.model].hears("epochs")
        and c.config.epochs <= PRESETS["smoke"]["epochs"]
        for c in configurations
    )
    return SMOKE if found else ""


def left_out(results):
    """Say which recordings a corpus lacks because they could not be used; nothing if there are none."""
    names = words.shown_corpora(r.config.corpus for r in results)
    found = {names[r.config.corpus]: r.provenance["unusable"] for r in results if r.provenance.get("unusable")}
    return "\n\n".join(
        f"**Left out of `{name}`: {len(lost)} recordings that could not be used**, {', '.join(lost[:10])}"
        + (f" and {len(lost) - 10} more." if len(lost) > 10 else ".")
        for name, lost in sorted(found.items())
    )


def lacking(results):
    """Say in what the corpus of the runs is not the full one; nothing if nothing is known of that."""
    lines = sorted({line for result in results for line in result.provenance.get("corpus_lacks", ())})
    if not lines:
        return ""
    listed = "\n".join(f"- {line}" for line in lines)
    return f"**The corpus is not the full one**, so these are scores of another corpus. It has:\n\n{listed}"


def unstable(results):
    """Name the runs whose training loss ended well above its lowest; nothing if there is none."""
    ids = sorted(result.config.run_id for result in results if result.unstable)
    if not ids:
        return ""
    return (
        f"**Unstable trainings: {len(ids)} of {len(results)} runs**, such as `{ids[0]}`. Their training loss rose again by at"
        f" least {100 * metrics.UNSTABLE:.0f} % of what it had fallen. Lower `learning_rate` or set `anneal_above`, and"
        " run them anew under the new setting."
    )


def origins(results):
    """Say what computed the runs, if that was not the same for all or no notebook of the project; nothing otherwise."""
    if not mixture.lines(results):
        return ""
    listed = "\n".join(f"- {letter}: {text}" for letter, text in mixture.count(results)[0].items())
    return f"{ORIGINS}\n\n{listed}"


def caution(configurations):
    """Say what the reported figures may be compared with."""
    others = words.shown_corpora(c.config.corpus for c in configurations)
    others.pop("iemocap", None)
    if others:
        names = " and ".join(f"`{name}`" for name in sorted(others.values()))
        what = "a corpus of the user's own" if all(name.startswith("table:") for name in others) else "not on IEMOCAP"
        return (
            f"The reported figures were measured on IEMOCAP, ours on {names}, {what}: ours do not replicate the reported ones,"
            " and a difference between the two says nothing about either."
        )
    notes = []
    usual = ("four", AS_EMOTIONS, False, False)
    if any(
        (c.config.emotions, c.config.classes, c.config.merge_excited, c.config.scripted) != usual
        for c in configurations
    ):
        notes.append("other utterances or classes than the paper's")
    if any(c.config.width != 1 for c in configurations):
        notes.append("a network of another size than the paper's")
    also = f" Ours used {' and '.join(notes)}." if notes else ""
    return f"Reported and ours were both measured on IEMOCAP.{also}"


# --- above each table; `ours` is what `circumstances` says

_EACH_SPEAKER = (
    "WA (weighted accuracy, the share of all utterances) and UAR (unweighted average recall, the mean over the classes)"
    " in %, higher is better, of each test speaker, mean over the seeds. Last row: mean over the speakers."
)


def table1(configurations, ours):
    """Return the caption of Table 1."""
    text = f"{_EACH_SPEAKER} Ours: {ours}. Reported: the paper's Table 1, measured on IEMOCAP"
    if all(is_papers_layout(c.speakers) for c in configurations):
        text += "; its last row is over its own ten speakers."
    else:
        text += ", which tested other speakers: only its last row."
    return text + _without_a_class(configurations)


def speakers(configurations, ours):
    """Return the caption of the table of speakers where nothing of the paper's stands beside it."""
    return f"{_EACH_SPEAKER} Runs: {ours}.{_without_a_class(configurations)}{_chance(configurations)}"


def _without_a_class(configurations):
    """Say who lacks which classes."""
    found = {
        f"{row.speaker} has no {row.lacking}" for c in configurations for row in c.speakers.itertuples() if row.lacking
    }
    if not found:
        return ""
    return f" The UAR is the mean recall of the classes that the speaker has: {'; '.join(sorted(found))}."


def _chance(configurations):
    """Say what guessing gives."""
    classes = {len(c.confusion) for c in configurations}
    return f" Uniform guessing gives {100 / classes.pop():.2f} %." if len(classes) == 1 else ""


def table2(configurations, ours):
    """Return the caption of Table 2."""
    return (
        f"UAR in % (higher is better), mean ± population SD over the speakers, as the paper computes it; beside it the sample"
        f" SD. Ours: {ours}. Reported: the paper's Table 2, measured on IEMOCAP; the sample SD of its models is recomputed from"
        f" its Table 1.{_chance(configurations)}"
    )


def confusions(number, model, configurations, ours):
    """Return the caption of Table 3 or 4; `configurations` are those of its model."""
    if not configurations:
        return f"The study has no run of {METHODS[model].name}."
    return (
        f"{_MATRIX} Ours: {_pooled(configurations)}; {ours}. Reported: the paper's Table {number}, measured on"
        f" IEMOCAP.{_empty(configurations)}"
    )


_MATRIX = (
    "Rows: true class; columns: what it was taken for; in % of the true class. The diagonal holds the recalls (higher"
    " is better); elsewhere lower is better."
)


def pooled(configurations, ours):
    """Return the caption of the confusion matrices where nothing of the paper's stands beside them."""
    return f"{_MATRIX} Runs: {_pooled(configurations)}; {ours}.{_empty(configurations)}"


def _pooled(configurations):
    utterances = span([int(c.speakers["n"].sum()) for c in configurations])
    return f"{utterances} utterances, pooled over the speakers, mean over the seeds"


def _empty(configurations):
    missing = any(c.confusion.isna().any(axis=None) for c in configurations)
    return f" {NONE}: the class does not occur." if missing else ""


def summary(ours):
    """Return the caption of the table of all configurations."""
    return (
        "UAR in % (higher is better): mean ± population SD over the speakers; its 95 % bootstrap interval over the speakers,"
        f" from {statistics.FEWEST_SPEAKERS} on; SD over the seeds of the mean. WA: mean over the speakers. Parameters: numbers"
        " of the model, also those drawn at random and never trained. Seconds: training and prediction of one run, mean; they"
        f" depend on what else the machine did. Ours: {ours}."
    )
