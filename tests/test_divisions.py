"""Groups, sessions and divisions of one's own, from the study file to the report."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import write_tones

from sermodules import corpora, metrics, runs, study
from sermodules.config import RunConfig
from sermodules.errors import ConfigError, CorpusError, ProtocolError
from sermodules.evidence import claims, report, scores, statistics
from sermodules.models import epochs, reuse
from sermodules.runs import store
from sermodules.study import driver, published

SPEAKERS = [f"{letter}1" for letter in "ABCDEFGHIJ"]  # ten, each alone in a session; odd ones are women
TINY = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1}


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """Return the corpus name of ten speakers' tones, one of each class."""
    return f"table:{write_tones(tmp_path_factory.mktemp('ten'), SPEAKERS, per_class=1)}"


def plan(folder, seeds=(1,), grid=None, **settings):
    path = folder / "s.yaml"
    content = {"name": "s", "settings": settings, "grid": grid or {}, "folds": "all", "seeds": [*seeds]}
    path.write_text(yaml.safe_dump(content))
    return path, study.load(path)


def with_column(folder, name, said):
    """Write a table of three speakers with one more column, which says something of each; return its corpus name."""
    path = write_tones(folder, [*said], per_class=1)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.assign(**{name: table["speaker"].map(said)}).to_csv(path, index=False)
    return f"table:{path}"


# --- a study of groups


@pytest.fixture(scope="module")
def of_groups(ten, tmp_path_factory):
    """Do the runs of a study of two models on four groups, with two seeds; return its folder, file, study and results."""
    folder, previous = tmp_path_factory.mktemp("groups"), reuse.Previous()
    small = {name: [value] for name, value in TINY.items()}
    grid = [{"model": ["model2"], "gender": ["none"], **small}, {"model": ["majority"], "preset": ["smoke"]}]
    path, made = plan(folder, seeds=(1, 2), corpus=ten, groups=4, grid=grid)
    for config in sorted(made.configs, key=lambda config: (config.model, config.seed, config.fold)):
        runs.run(config, folder / "runs", verbose=False, previous=previous)
    return folder, path, made, driver.results(made, folder / "runs")


def test_folds_all_are_the_groups(ten, tmp_path):
    _, made = plan(tmp_path, seeds=(1, 2), corpus=ten, model="majority", grid={"groups": [0, 4]})
    assert [c.fold for c in made.configs if c.groups and c.seed == 1] == [1, 2, 3, 4]
    assert [c.fold for c in made.configs if not c.groups and c.seed == 2] == list(range(1, 11))


def test_every_speaker_is_tested_once_a_seed_and_seeds_have_other_groups(of_groups):
    *_, results = of_groups
    tested = {}
    for result in results:
        assert sorted(set(result.predictions["speaker"])) == result.metrics["test_speakers"]
        assert result.provenance["test_sessions"] == {name: name[0] for name in result.metrics["test_speakers"]}
        tested.setdefault((result.config.model, result.config.seed), []).append(result.metrics["test_speakers"])
    assert len(tested) == 4
    for groups in tested.values():
        assert sorted(speaker for group in groups for speaker in group) == SPEAKERS
    assert tested["model2", 1] == tested["majority", 1] != tested["model2", 2]


def test_the_study_says_what_was_taken(of_groups):
    _, _, made, _ = of_groups
    divisions = driver._divisions(made.configs, driver._tables(made.configs))
    assert driver._describe(made.configs, divisions) == [
        "table:utterances.csv, 4 folds: each tests a group of 2 to 3 speakers, drawn by the seed from the names; the partner "
        "(2 to 3 speakers) validates, 4 to 6 speakers train; 2 trainings"
    ]


def test_a_pair_of_groups_shares_its_training(ten, tmp_path, monkeypatch):
    """Four runs, two trainings: the others go through the epochs again, and find what they would find alone."""
    count, fit = [], epochs.keras.Model.fit
    monkeypatch.setattr(epochs.keras.Model, "fit", lambda *a, **k: (count.append(1), fit(*a, **k))[1])
    settings = TINY | {"corpus": ten, "groups": 4, "gender": "none"}
    configs = [RunConfig.create(**settings, fold=fold) for fold in (1, 2, 3, 4)]
    previous = reuse.Previous()
    found = [runs.run(config, verbose=False, previous=previous) for config in configs]
    assert len(count) == 2
    assert [result.provenance["reused_seconds"] > 0 for result in found] == [False, True, False, True]
    for place in (0, 2):
        first, second = found[place].metrics, found[place + 1].metrics
        assert first["test_speakers"] == second["validation_speakers"]
        assert second["test_speakers"] == first["validation_speakers"]
        assert first["val_uar"] == second["uar"]  # with one epoch: the UAR over all utterances of the group
    alone = runs.run(configs[3], verbose=False, previous=None)
    pd.testing.assert_frame_equal(alone.predictions, found[3].predictions)


def test_the_schedule_keeps_pairs_together(ten, tmp_path):
    _, made = plan(tmp_path, seeds=(1, 2), corpus=ten, groups=4, **TINY)
    divisions = driver._divisions(made.configs, driver._tables(made.configs))
    trainings = driver._trainings(made.configs, divisions)
    assert len(set(trainings.values())) == 4  # two a seed
    for config in made.configs:
        other = config.replace(fold=(config.fold - 1 ^ 1) + 1)
        assert trainings[config] == trainings[other]


def test_scores_are_of_the_speakers(of_groups):
    *_, results = of_groups
    table = scores.from_results(results)
    assert len(table) == 2 * 2 * 10 and table["run"].nunique() == 16
    one = next(result for result in results if result.config.model == "model2")
    mine = table[table["run"] == one.config.run_id].set_index("speaker")
    for speaker, rows in one.predictions.groupby("speaker"):
        assert mine.loc[speaker, "uar"] == 100 * metrics.summarise(rows["true"], rows["predicted"], corpora.FOUR)["uar"]
    assert mine["uar"].mean() == pytest.approx(
        100 * one.metrics["uar"]
    )  # here everyone has one utterance of each class
    trainings = table[(table["model"] == "model2") & (table["seed"] == 1)].groupby("held_out")["speaker"].nunique()
    assert len(trainings) == 2 and trainings.sum() == 10


def test_statistics_take_speakers_whatever_fold_they_are_in(of_groups):
    *_, results = of_groups
    table = report.scores(results)
    first, second = table["configuration"].unique()
    found = statistics.summary(table).set_index("configuration")
    assert (found["speakers"] == 10).all() and (found["seeds"] == 2).all()
    pairs = statistics.paired_differences(table, first, second)
    assert pairs["speaker"].tolist() == SPEAKERS and (pairs["seeds"] == 2).all()
    row = statistics.compare(table, first).iloc[0]
    assert (row["speakers"], row["pairs"], row["unpaired"]) == (10, 20, 0)
    by_hand = table.pivot_table(index="speaker", columns="configuration", values="uar")
    assert row["difference"] == pytest.approx((by_hand[second] - by_hand[first]).mean())
    assert statistics.spread(table, first, second).seeds >= 0
    ledger = claims.ledger(table)
    assert set(ledger["id"]) == set(claims.ledger()["id"])


def test_the_report_names_groups_and_warns(of_groups, tmp_path):
    *_, made, results = of_groups
    text = report.write(results, tmp_path, made)
    assert (
        "16 of 16 runs" in text
        and "groups 4, 4 folds of 2 to 3 speakers (10 speakers in all; the paired fold validates" in text
    )
    table = pd.read_csv(tmp_path / "table1.csv")
    assert table["Speaker"].tolist()[:-1] == SPEAKERS and table["Fold"].fillna("").tolist() == [""] * 10 + ["mean"]
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 40
    (pooled,) = {c.confusion.shape for c in report.folder.gather(results, made.configs)}
    assert pooled == (4, 4)


def test_published_groups_verify_and_read_back(of_groups, tmp_path):
    folder, path, made, results = of_groups
    published.publish(made, path, folder / "runs", tmp_path / "p")
    assert published.verify(tmp_path / "p") == [] and published.missing(tmp_path / "p") == []
    back = published.load(tmp_path / "p")
    pd.testing.assert_frame_equal(scores.from_results(back), scores.from_results(results).loc[:, :])
    assert list(json.loads((tmp_path / "p" / "common.json").read_text())["folds"].values()) == [[1, 2, 3, 4]]
    lines = (tmp_path / "p" / "runs.jsonl").read_text().splitlines()
    assert all(json.loads(line)["config"]["groups"] == 4 for line in lines)


def test_status_without_the_corpus_knows_the_folds_from_the_runs(of_groups, ten):
    folder, path, made, *_ = of_groups
    gone = path.with_name("gone.yaml")
    gone.write_text(path.read_text().replace(ten, "table:/nowhere/utterances.csv"))
    with pytest.raises(CorpusError, match="is not there"):  # and no run of that corpus either
        study.load(gone, out=folder / "runs")
    assert study.load(path, out=folder / "runs").configs == made.configs
    assert (study.status(made, folder / "runs")["done"] == 8).all()


def test_one_study_may_have_groups_and_single_speakers(ten, tmp_path):
    path, made = plan(tmp_path, corpus=ten, model="majority", grid={"groups": [0, 4]})
    lines = []
    assert not study.run(made, tmp_path / "runs", workers=2, notebooks=False, tell=lines.append)
    assert sum("folds: each tests" in line for line in lines) == 2
    published.publish(made, path, tmp_path / "runs", tmp_path / "p")
    assert published.plan(tmp_path / "p").configs == made.configs
    table = report.scores(published.load(tmp_path / "p"))
    first, second = table["configuration"].unique()
    assert len(statistics.paired_differences(table, first, second)) == 10  # by speaker, whatever the fold
    text = report.write(published.load(tmp_path / "p"), tmp_path / "r", made)
    assert "4 to 10 folds of 1 to 3 speakers" in text


# --- every method and control


@pytest.mark.parametrize(
    "settings",
    [
        {"gender": gender} for gender in ("none", "embedding", "shuffled", "flipped", "predicted", "prior_shift")
    ] + [{"model": model} for model in ("cnn_lstm_vtlp", "dnn_elm", "majority", "stratified")],
    ids=str,
)  # fmt: skip
def test_every_method_takes_groups(ten, settings):
    small = TINY if "gender" in settings else {"preset": "smoke"}
    config = RunConfig.create(corpus=ten, groups=3, fold=2, **small, **settings)
    result = runs.run(config.replace(epochs=1), verbose=False)
    assert set(result.predictions["speaker"]) == set(result.metrics["test_speakers"])
    assert len(result.metrics["test_speakers"]) in (3, 4) and len(result.metrics["validation_speakers"]) in (3, 4)
    assert np.isfinite(result.metrics["val_uar"])


# --- sessions, and divisions of one's own


def test_a_session_a_fold(tones):
    with pytest.raises(ProtocolError, match="at least 3 are needed"):
        runs.prepare(RunConfig.create(corpus=tones, model="majority", split="sessions"))


def test_sessions_are_tested_whole(tmp_path):
    corpus = f"table:{write_tones(tmp_path, ['A1', 'A2', 'B1', 'B2', 'C1', 'C2'], per_class=1)}"
    result = runs.run(RunConfig.create(corpus=corpus, model="majority", split="sessions", fold=2), verbose=False)
    assert result.metrics["test_speakers"] == ["B1", "B2"] and result.metrics["validation_speakers"] == ["C1", "C2"]


def test_a_part_of_ones_own(tmp_path):
    corpus = with_column(tmp_path, "part", {"A1": "train", "B1": "dev", "C1": "test", "D1": "train", "E1": "test"})
    result = runs.run(RunConfig.create(**TINY, corpus=corpus, split="part"), verbose=False)
    assert result.metrics["test_speakers"] == ["C1", "E1"] and result.metrics["validation_speakers"] == ["B1"]
    assert list(scores.from_results([result])["speaker"]) == ["C1", "E1"]
    with pytest.raises(ProtocolError, match="only fold 1"):
        runs.prepare(RunConfig.create(corpus=corpus, split="part", fold=2))


def test_without_a_validation_part_only_what_chooses_nothing_runs(tmp_path):
    corpus = with_column(tmp_path, "part", {"A1": "train", "C1": "test", "D1": "train"})
    with pytest.raises(ProtocolError, match="nobody in validation"):
        runs.prepare(RunConfig.create(**TINY, corpus=corpus, split="part"))
    path, made = plan(tmp_path, corpus=corpus, split="part", model="majority")
    (config,) = made.configs
    runs.run(config, tmp_path / "runs", verbose=False)
    (result,) = driver.results(made, tmp_path / "runs")
    assert "val_uar" not in result.metrics and result.history["val_uar"].isna().all()
    published.publish(made, path, tmp_path / "runs", tmp_path / "p")
    assert published.verify(tmp_path / "p") == []
    assert "1 fold" in report.write([result], tmp_path / "r", made)


def test_a_fold_of_ones_own_and_its_digest(tmp_path):
    said = {"A1": "2", "B1": "1", "C1": "3", "D1": "3"}
    corpus = with_column(tmp_path, "fold", said)
    table = corpora.load(corpus)
    assert list(table.columns) == [*corpora.COLUMNS, "fold"]
    data = runs.prepare(RunConfig.create(corpus=corpus, model="majority", split="fold", fold=3))
    assert data.fold.test == ("C1", "D1")
    plain = table.drop(columns="fold")
    digests = {
        corpora.digest(each) for each in (table, plain, plain.assign(part=table["fold"]), table.assign(fold="1"))
    }
    assert len(digests) == 4
    path = tmp_path / "utterances.csv"
    pd.read_csv(path, dtype=str).assign(fold="").to_csv(path, index=False)
    assert "fold" not in corpora.load(corpus) and corpora.digest(corpora.load(corpus)) == corpora.digest(plain)


def test_a_column_of_ones_own_means_nothing_until_it_is_asked_for(tmp_path):
    corpus = with_column(tmp_path, "fold", {"A1": "x", "B1": "", "C1": "old"})
    assert runs.prepare(RunConfig.create(corpus=corpus, model="majority")).fold.test == ("A1",)
    with pytest.raises(ProtocolError, match=r"'x' \(A1_angry_0\)"):
        runs.prepare(RunConfig.create(corpus=corpus, model="majority", split="fold"))


# --- settings


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="'groups' is 2: it must be at least 3"):
        RunConfig.create(groups=2)
    with pytest.raises(ConfigError, match="'groups' is 10 and 'split' is 'sessions'"):
        RunConfig.create(groups=10, split="sessions")
    with pytest.raises(ConfigError, match="'split' is 'speaker': it must be one of speakers, sessions, part, fold"):
        RunConfig.create(split="speaker")


def test_only_runs_with_groups_have_another_id():
    plain = RunConfig.create(preset="smoke")
    assert plain.run_id == RunConfig.create(preset="smoke", groups=0, split="speakers").run_id
    assert "groups" not in plain.record() and "split" not in plain.record()
    ids = {plain.replace(**more).run_id for more in ({}, {"groups": 4}, {"groups": 5}, {"split": "fold"})}
    assert len(ids) == 4
    assert RunConfig.from_json(plain.replace(groups=4).to_json()).groups == 4


def test_the_metrics_of_one_speaker_left_out_are_as_they_were(ten):
    result = runs.run(RunConfig.create(corpus=ten, model="majority"), verbose=False)
    assert result.metrics["test_speaker"] == "A1" and result.metrics["validation_speaker"] == "B1"
    assert result.provenance["test_session"] == "A" and "test_speakers" not in result.metrics
    assert store.RunResult is type(result)
