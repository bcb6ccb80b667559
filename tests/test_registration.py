"""A registered study: what the file may say, what the report shows before the last run, and how questions are answered."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sermodules import metrics
from sermodules.errors import ConfigError
from sermodules.evidence import report, statistics
from sermodules.evidence.report import registered
from sermodules.runs import provenance, store
from sermodules.study import grid
from sermodules.study import registration as registrations

CLASSES = ("angry", "sad")
SPEAKERS, GROUPS, SEEDS = 24, 4, (1, 2, 3)

FILE = """
name: mine
about: Which is better?
settings: {corpus: cremad, preset: smoke, groups: 4}
grid:
  - {model: [model1, model2], gender: [embedding, none]}
  - {model: [majority]}
folds: [1, 2, 3, 4]
seeds: [1, 2, 3]
registration:
  commit: null
  pilot: [1, 2]
  grid: {model: [model1, model2], gender: [embedding, none]}
  assumed: [0, 3.43]
  contrasts:
    - name: self-attention
      plus: {model: model2}
      minus: {model: model1}
      primary: [above 0, below 3.43]
      secondary: [above 1]
      expected: above 0, below 3.43
    - name: gender
      plus: {gender: embedding}
      minus: {gender: none}
      primary: [above 0]
"""


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)


def load(tmp_path, text=FILE):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return grid.load(path)


def run(config, speakers, held_out, right):
    """Return a run in which a share of each speaker's hundred utterances is right."""
    rows = [
        (f"{name}-{number}", name, "female", true, true if number < share else CLASSES[1 - CLASSES.index(true)])
        for name, share in zip(speakers, right, strict=True)
        for true in CLASSES
        for number in range(50)
    ]
    predictions = pd.DataFrame(rows, columns=["utterance", "speaker", "gender", "true", "predicted"])
    found = metrics.summarise(predictions["true"], predictions["predicted"], CLASSES)
    found |= {"test_speakers": speakers, "validation_speakers": sorted(set(held_out) - set(speakers))}
    history = pd.DataFrame({"epoch": [1], "loss": [1.0], "val_loss": [1.0], "val_uar": [0.5]})
    record = {"corpus_digest": "d", "date": "2026-11-29T12:00:00+00:00"}
    return store.RunResult(config, predictions.assign(angry=0.5, sad=0.5), history, found, record)


def results(study, gain=0.0, luck=0.0):
    """Runs of all configurations: Model 2 is better by `gain` points, and by what luck gives each training (SD, points)."""
    rng = np.random.default_rng(3)
    found = []
    for seed in SEEDS:
        groups = rng.permutation(np.arange(SPEAKERS) % GROUPS)
        shared = rng.normal(0, luck / 2, (GROUPS // 2, 4))
        for config in (one for one in study.configs if one.seed == seed and one.model != "majority"):
            number = config.fold - 1
            mine, both = (
                [f"s{i:02d}" for i in np.flatnonzero(which)] for which in (groups == number, groups // 2 == number // 2)
            )
            place = 2 * (config.model == "model2") + (config.gender == "none")
            better = gain / 2 * (config.model == "model2")
            right = 30 + better + shared[number // 2, place] + rng.normal(0, 1, len(mine))
            found.append(run(config, mine, both, np.clip(right, 0, 50)))
    return found


# --- the file


def test_a_contrast_takes_pairs_of_configurations(tmp_path):
    asked = load(tmp_path).registration
    attention, gender = asked.contrasts
    assert [(one.model, one.gender, two.model, two.gender) for one, two in attention.pairs] == [
        ("model2", "embedding", "model1", "embedding"),
        ("model2", "none", "model1", "none"),
    ]
    assert [(one.model, one.gender, two.model, two.gender) for one, two in gender.pairs] == [
        ("model1", "embedding", "model1", "none"),
        ("model2", "embedding", "model2", "none"),
    ]
    assert [(str(q), q.primary) for q in attention.questions] == [
        ("above 0", True),
        ("below 3.43", True),
        ("above 1", False),
    ]
    assert len(asked.cells) == 4 and all(one.attention == "additive" for one in asked.cells if one.model == "model1")


def test_a_study_without_registration_has_none(tmp_path):
    assert load(tmp_path, FILE[: FILE.index("registration:")]).registration is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pilot: [1, 2]", "pilot: [1, 7]", "must be a list of seeds of the study"),
        ("pilot: [1, 2]", "pilots: [1, 2]", "with the keys commit, pilot"),
        ("commit: null", "commit: soon", "must be a commit of this project"),
        ("assumed: [0, 3.43]", "assumed: [none]", "must be a list of true differences"),
        ("below 3.43]", "at most 3.43]", "such as 'above 0'"),
        ("minus: {model: model1}", "minus: {gender: none}", "from the same parameters"),
        ("minus: {model: model1}", "minus: {model: acrnn}", "two different choices within the registration's grid"),
        ("minus: {model: model1}", "minus: {model: model2}", "two different choices"),
        ("- {model: [model1, model2], gender: [embedding, none]}", "- {model: [model1, model2]}", "the grid does not"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, message):
    assert FILE.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, FILE.replace(old, new))
    assert "mine.yaml" in str(caught.value) and message in str(caught.value)


# --- before the last registered run


def test_no_score_is_shown_before_the_last_registered_run(tmp_path):
    study = load(tmp_path)
    runs = results(study, gain=4.0, luck=3.0)
    text = report.write(runs[:-1], tmp_path / "report", study)
    assert "47 registered runs are in. **No score is shown" in text
    assert "## Table" not in text and "Claims" not in text and "yes" not in text
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "registered_power.csv", "registered_power.tex", "registered_spread.csv", "registered_spread.tex", "report.md",
    ]  # fmt: skip
    whole = report.write(runs, tmp_path / "report", study)
    assert "No score is shown" not in whole and "## Table 1" in whole
    assert whole.index("## Registered questions") < whole.index("## Table 1")


def test_other_runs_need_not_be_there(tmp_path):
    study = load(tmp_path)
    assert any(config.model == "majority" for config in study.configs)
    assert registered.is_complete(results(study), study)


def test_standard_deviations_are_of_the_pilot_alone(tmp_path):
    study = load(tmp_path)
    runs = results(study, luck=6.0)
    asked = study.registration
    pilot = [run for run in runs if run.config.seed in asked.pilot]
    parts = registered.spread(asked, registered.rows_of(runs))
    assert parts == registered.spread(asked, registered.rows_of(pilot))
    assert parts["self-attention"].training > 2
    table = registered.power(asked, parts, SPEAKERS)
    first = table.set_index(["Contrast", "Is it"]).loc["self-attention"]
    assert np.isnan(first.loc["above 0", "0"]) and np.isnan(first.loc["below 3.43", "3.43"])
    expected = statistics.chance_to_decide(
        parts["self-attention"], ("above", 0), 3.43, SPEAKERS, GROUPS, len(SEEDS), level=0.025 / 3
    )
    assert first.loc["above 0", "3.43"] == pytest.approx(100 * expected)
    assert first.loc["above 1", "3.43"] > first.loc["above 0", "3.43"] / 2  # secondary: not corrected


# --- answers


def test_differences_are_averaged_over_pairs_within_a_speaker_and_seed(tmp_path):
    study = load(tmp_path)
    rows = registered.rows_of(results(study, gain=4.0, luck=2.0))
    table = registered.differences(study.registration.contrasts[0], rows)
    assert len(table) == SPEAKERS * len(SEEDS) and table["training"].nunique() == GROUPS // 2 * len(SEEDS)
    uar = {
        (c.model, c.gender): frame.set_index(["speaker", "seed"])["uar"]
        for c, frame in rows.groupby("cell", sort=False)
    }
    by_hand = [uar["model2", gender] - uar["model1", gender] for gender in ("embedding", "none")]
    expected = sum(by_hand) / 2
    assert table.set_index(["speaker", "seed"])["difference"].sort_index().to_numpy() == pytest.approx(
        expected.sort_index().to_numpy()
    )


def test_answers_are_yes_no_and_cannot_tell(tmp_path):
    study = load(tmp_path)
    rows = registered.rows_of(results(study, gain=8.0, luck=0.5))
    found = registered.answers(study.registration, rows).set_index(["Contrast", "Is it"])
    assert found.loc[("self-attention", "above 0"), "Answer"] == "yes"
    assert found.loc[("self-attention", "below 3.43"), "Answer"] == "no"
    assert found.loc[("gender", "above 0"), "Answer"] == statistics.CANNOT_TELL
    noisy = registered.rows_of(results(study, gain=3.0, luck=30.0))
    assert {*registered.answers(study.registration, noisy)["Answer"]} == {statistics.CANNOT_TELL}


def test_holm_counts_the_primary_questions_alone(tmp_path):
    study = load(tmp_path)
    found = registered.answers(study.registration, registered.rows_of(results(study, gain=2.0, luck=2.0)))
    primary = found[found["Kind"] == "primary"]
    assert len(primary) == 3 and found.loc[found["Kind"] == "secondary", "p (Holm)"].isna().all()
    assert primary["p (Holm)"].tolist() == pytest.approx(list(statistics.holm(primary["p"])))
    table = registered.differences(study.registration.contrasts[0], registered.rows_of(results(study, 2.0, 2.0)))
    test = statistics.clustered_t(table)
    assert found["p"].iloc[1] == pytest.approx(2 * min(test.p_above(3.43), test.p_below(3.43)))
    assert found["p"].iloc[0] == pytest.approx(test.p)


# --- what deviates


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project under git in which the study is registered; returns the commit and the folder."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text(FILE, encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "registered", "--date", "2026-11-29T13:00Z"]):
        subprocess.run(
            ["git", "-C", tmp_path, *command],
            check=True,
            env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "2026-11-29T13:00Z"},
        )
    monkeypatch.setattr(provenance, "project_root", lambda: tmp_path)
    return provenance.git("rev-parse", "HEAD"), tmp_path


def test_without_a_commit_nothing_is_registered(tmp_path):
    assert "No commit registers" in registered.deviations(load(tmp_path).registration, [])[0]


def test_a_commit_that_is_not_here_is_said(tmp_path):
    study = load(tmp_path, FILE.replace("commit: null", "commit: '1234567'"))
    assert "cannot be read here" in registered.deviations(study.registration, results(study))[0]


def test_runs_after_the_pilot_must_be_younger_than_the_commit(project):
    commit, folder = project
    study = load(folder, FILE.replace("commit: null", f"commit: '{commit}'"))
    runs = results(study)
    assert registered.deviations(study.registration, runs) == [
        f"16 runs of other seeds than the pilot's are older than commit {commit}."
    ]
    for one in runs:
        one.provenance["date"] = "2026-11-29T14:00:00+00:00"
    assert registered.deviations(study.registration, runs) == []
    assert registered.NONE_FOUND in registered.section(study, runs, True)[0]


def test_a_changed_file_is_a_deviation(project):
    commit, folder = project
    text = FILE.replace("commit: null", f"commit: '{commit}'").replace("seeds: [1, 2, 3]", "seeds: [1, 2, 3, 4]")
    study = load(folder, text.replace("primary: [above 0, below 3.43]", "primary: [above 0]"))
    lines = registrations.changes(study.registration, registrations.registered(study.registration)[0])
    assert lines[0] == "`seeds` was `[1, 2, 3]` and is `[1, 2, 3, 4]`"
    assert lines[1].startswith("`registration: contrasts` was ") and len(lines) == 2


def test_runs_of_two_codes_are_a_deviation(tmp_path):
    study = load(tmp_path, FILE.replace("commit: null", "commit: '1234567'"))
    runs = results(study)
    runs[0].provenance["computes"] = "a" * 64
    assert "2 different codes" in registered.deviations(study.registration, runs)[1]


def test_a_part_of_a_registered_study_is_not_reported(tmp_path):
    from click.testing import CliRunner

    from sermodules.__main__ import main

    (tmp_path / "mine.yaml").write_text(FILE, encoding="utf-8")
    done = CliRunner().invoke(main, ["study", "report", str(tmp_path / "mine.yaml"), "--seeds", "1"])
    assert done.exit_code == 1 and "is registered, so it is reported whole" in done.output
