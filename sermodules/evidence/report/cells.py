"""Runs gathered into configurations, each with its name; what cannot stand in one table is refused."""

from dataclasses import dataclass

import pandas as pd

from sermodules.config import METHODS, RunConfig, words
from sermodules.errors import SermodulesError
from sermodules.evidence import statistics

#: The paper's own two models: the rows and columns of its tables.
PAPERS = ("model1", "model2")

#: The settings that say which utterances are read.
DATA = ("corpus", "emotions", "classes", "merge_excited", "scripted", "song", "duplicates", "unusable", "label")

#: Confusion matrices side by side.
MOST_MATRICES = 4


@dataclass(frozen=True)
class Configuration:
    """The runs that differ in nothing but fold and seed.

    `speakers` has one row a test speaker, sorted: ``fold`` (0 if another one in each seed), ``session, speaker, gender, wa,
    uar`` (%, means over the seeds), ``seeds`` (how many), ``n`` (utterances) and ``lacking`` (classes that the speaker does not
    have). `folds` is how many folds there are, `sizes` how many speakers each run tests. `confusion` is in % of the true
    class, pooled over the speakers. `standard` says that the configuration is what its model's name stands for.
    """

    label: str
    config: RunConfig
    speakers: pd.DataFrame
    folds: int
    sizes: tuple
    confusion: pd.DataFrame
    standard: bool


def planned(study):
    """Return the configurations of all runs of a study; none if only its name is known."""
    return [] if study is None or isinstance(study, str) else list(study.configs)


def cell(config):
    """Return what all runs of a configuration have in common, as a `RunConfig`."""
    return config.replace(fold=1, seed=1)


def labels(results, wanted):
    """Return the label of each configuration, done or planned: Model 1 first, otherwise in the order of the study."""
    cells = dict.fromkeys(cell(config) for config in [*wanted, *(result.config for result in results)])
    return words.labels(sorted(cells, key=lambda each: list(METHODS).index(each.model)))


def gather(results, wanted):
    """Group the runs by configuration; refuse what cannot be mixed."""
    check(results)
    names = labels(results, wanted)
    groups = {each: [] for each in names}
    for result in results:
        groups[cell(result.config)].append(result)
    shown = words.differing(names)
    return [
        Configuration(
            label=names[each],
            config=each,
            speakers=_by_speaker(runs),
            folds=len({run.config.fold for run in runs}),
            sizes=tuple(len(run.metrics_by_speaker) for run in runs),
            confusion=statistics.pooled_confusion(confusions(runs)),
            standard=not words.unusual_settings(each, shown),
        )
        for each, runs in groups.items()
        if runs
    ]


def of_the_paper(configurations):
    """Return the configurations that stand in the paper's Tables 1, 3 and 4: its two models; of many, those just as named."""
    papers = [c for c in configurations if c.config.model in PAPERS]
    return papers if len(papers) <= MOST_MATRICES else [c for c in papers if c.standard] or papers


def confusions(runs):
    """Return the confusion matrix of each test speaker and seed, in counts."""
    return {
        (speaker, run.config.seed): pd.DataFrame(
            found["confusion"],
            pd.Index(run.metrics["classes"], name="true"),
            pd.Index(run.metrics["classes"], name="predicted"),
        )
        for run in runs
        for speaker, found in run.metrics_by_speaker.items()
    }


def _by_speaker(runs):
    rows = pd.DataFrame(
        {
            "fold": run.config.fold,
            "session": _sessions(run).get(speaker, ""),
            "speaker": speaker,
            "gender": _gender(run, speaker),
            "wa": 100 * found["wa"],
            "uar": 100 * found["uar"],
            "seeds": run.config.seed,
            "n": found["n"],
            "lacking": ", ".join(name for name in run.metrics["classes"] if name not in found["covered"]),
        }
        for run in runs
        for speaker, found in run.metrics_by_speaker.items()
    )
    rows["fold"] = rows["speaker"].map(fold_of(rows))
    same = dict.fromkeys(["session", "gender", "n", "lacking"], "first")
    how = {"fold": "first", **same, "wa": "mean", "uar": "mean", "seeds": "count"}
    columns = ["fold", "session", "speaker", "gender", "wa", "uar", "seeds", "n", "lacking"]
    return rows.groupby("speaker").agg(how).reset_index().sort_values(["fold", "speaker"], ignore_index=True)[columns]


def _sessions(run):
    """Return the session of each test speaker."""
    if "test_sessions" in run.provenance:
        return run.provenance["test_sessions"]
    return {run.metrics.get("test_speaker"): run.provenance.get("test_session", "")}


def _gender(run, speaker):
    mine = run.predictions
    if "test_speaker" not in run.metrics:
        mine = mine[mine["speaker"] == speaker]
    return mine["gender"].iloc[0]


def fold_of(speakers):
    """Return the fold of each speaker, from rows of speakers and folds; 0 for all where anyone is in different ones."""
    pairs = speakers[["speaker", "fold"]].drop_duplicates()
    if pairs["speaker"].duplicated().any():
        pairs = pairs.assign(fold=0).drop_duplicates()
    return pairs.set_index("speaker")["fold"]


# --- what is refused


def check(results):
    """Refuse runs that cannot be reported together."""
    if not results:
        raise SermodulesError("no run is finished, so there is nothing to report. Run the study first.")
    problems = [*_twice(results), *_namesakes(results), *_other_data(results)]
    if problems:
        raise SermodulesError("\n".join(problems))


def _twice(results):
    seen = set()
    for result in results:
        if result.config in seen:
            yield f"the run {result.config.run_id} is there twice. Keep one of its folders."
        seen.add(result.config)


def _namesakes(results):
    names = [words.corpus_name(corpus) for corpus in {result.config.corpus for result in results}]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"two corpora are both called {name}: give one of the files another name, and run it again."


def _other_data(results):
    data = {}
    for result in results:
        digests = data.setdefault(tuple(getattr(result.config, key) for key in DATA), {})
        digests.setdefault(str(result.provenance.get("corpus_digest")), []).append(result.config.run_id)
        if "vectors" in result.metrics:
            read = data.setdefault((result.config.vectors,), {})
            read.setdefault(str(result.metrics["vectors"]), []).append(result.config.run_id)
    for (corpus, *_), digests in data.items():
        if len(digests) > 1:
            found = [
                f"  {digest[:12]}: {len(ids)} run(s), such as {min(ids)}" for digest, ids in sorted(digests.items())
            ]
            yield (
                f"the runs on {words.corpus_name(corpus)} read different data, so they cannot stand in one table. "
                "By corpus digest:\n"
                + "\n".join(found)
                + "\n  Delete the runs on the outdated data, then run the study again."
            )
