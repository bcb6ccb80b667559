import dataclasses
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread

from sermodules import corpora, metrics, plots
from sermodules.config import RunConfig, words
from sermodules.errors import SermodulesError, StoreError
from sermodules.evidence import paper, report
from sermodules.evidence.report import cells
from sermodules.runs import store
from sermodules.study import Study

FOUR = ("angry", "sad", "happy", "neutral")
IEMOCAP = [(f"Ses0{s}{g}", {"F": "female", "M": "male"}[g], f"Ses0{s}") for s in range(1, 6) for g in "FM"]
OTHERS = [("A", "female", ""), ("B", "male", ""), ("C", "female", "")]


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Figures are made but not drawn, which takes a second each; `monkeypatch.undo()` draws them after all."""
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)


def result(config, speaker, true, predicted, classes=FOUR, digest="d1"):
    name, gender, session = speaker
    predictions = pd.DataFrame(
        {"utterance": [f"{name}{i}" for i in range(len(true))], "speaker": name, "gender": gender}
    )
    predictions = predictions.assign(true=true, predicted=predicted, **dict.fromkeys(classes, 1 / len(classes)))
    scores = metrics.summarise(true, predicted, classes) | {
        "best_epoch": 2, "val_uar": 0.5, "test_speaker": name, "validation_speaker": "Z",
    }  # fmt: skip
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1.4, 1.2], "val_loss": [1.4, 1.3], "val_uar": [0.3, 0.5]})
    history["val_wa"] = history["val_uar"]
    return store.RunResult(config, predictions, history, scores, {"corpus_digest": digest, "test_session": session})


def config(fold=1, seed=1, model="model1", corpus="emodb", **settings):
    return RunConfig.create(**({"preset": "smoke"} | settings), corpus=corpus, model=model, fold=fold, seed=seed)


def grid(speakers, corpus="synthetic", models=("model1", "model2"), seeds=(1,), **settings):
    """A study's configurations, and a result for each: every speaker says each class once and `angry` alone is found."""
    configs = [
        config(fold, seed, model, corpus, **settings)
        for seed in seeds for fold in range(1, len(speakers) + 1) for model in models
    ]  # fmt: skip
    study = Study(name="mine", about="Why.", configs=tuple(configs))
    return study, [result(c, speakers[c.fold - 1], list(FOUR), ["angry"] * 4) for c in configs]


@pytest.fixture
def by_hand():
    """Two speakers, two seeds, two of the classes; see the arithmetic in the tests."""
    a, s = "angry", "sad"
    runs = [
        (1, 1, OTHERS[0], [a, a, s, s], [a, a, s, a]),  # recalls 1, 1/2: UAR 75, WA 75
        (1, 2, OTHERS[0], [a, a, s, s], [a, a, a, a]),  # recalls 1, 0: UAR 50, WA 50
        (2, 1, OTHERS[1], [a, s, s, s], [a, s, s, s]),  # UAR 100, WA 100
        (2, 2, OTHERS[1], [a, s, s, s], [s, s, s, s]),  # recalls 0, 1: UAR 50, WA 75
    ]
    return [result(config(fold, seed), speaker, t, p, classes=(a, s)) for fold, seed, speaker, t, p in runs]


# --- numbers


def test_table1_averages_seeds_within_a_fold_and_then_folds(by_hand):
    table = report.tables(by_hand[::-1])["table1"]
    assert list(table.columns) == [
        "Fold", "Speaker", "Gender", "Model 1 WA (%)", "Model 1 UAR (%)",
        "Model 1 WA, reported (%)", "Model 1 UAR, reported (%)",
    ]  # fmt: skip
    assert table[["Fold", "Speaker", "Gender"]].to_numpy().tolist() == [
        ["1", "A", "female"], ["2", "B", "male"], ["mean", "", ""],
    ]  # fmt: skip
    assert table["Model 1 WA (%)"].tolist() == [62.5, 87.5, 75.0]
    assert table["Model 1 UAR (%)"].tolist() == [62.5, 75.0, 68.75]
    reported = table["Model 1 UAR, reported (%)"]
    assert reported.isna().tolist() == [True, True, False] and reported.iloc[-1] == 59.43


def test_table2_has_both_standard_deviations_over_speakers(by_hand):
    table = report.tables(by_hand)["table2"].set_index("Method")
    assert list(table.index) == [
        "DNN-ELM, reported", "CNN-LSTM, reported", "Model 1, reported", "Model 1", "Model 2, reported",
    ]  # fmt: skip
    ours = table.loc["Model 1"]
    assert ours["UAR (%)"] == 68.75 and ours["Population SD (%)"] == 6.25
    assert ours["Sample SD (%)"] == pytest.approx(12.5 / 2**0.5)
    assert (ours["Speakers"], ours["Seeds"], ours["Corpus"]) == ("2", "2", "emodb")
    theirs = table.loc["Model 2, reported"]
    assert (theirs["UAR (%)"], theirs["Population SD (%)"], theirs["Corpus"]) == (62.86, 9.43, "IEMOCAP")
    assert round(theirs["Sample SD (%)"], 2) == 9.95


def test_one_fold_has_no_standard_deviation(by_hand):
    ours = report.tables(by_hand[:1])["table2"].set_index("Method").loc["Model 1"]
    assert np.isnan(ours["Population SD (%)"]) and np.isnan(ours["Sample SD (%)"])


def test_table3_pools_the_folds_and_averages_the_seeds(by_hand):
    # fold 1: ([2 0; 1 1] + [2 0; 2 0]) / 2 = [2 0; 1.5 0.5]; fold 2: ([1 0; 0 3] + [0 1; 0 3]) / 2 = [0.5 0.5; 0 3]
    # together [2.5 0.5; 1.5 3.5], rows of 3 and 5
    frames = report.tables(by_hand)
    ours = frames["table3"].query("Configuration == 'Model 1'")
    assert ours["True"].tolist() == ["angry", "sad"]
    assert ours[["angry (%)", "sad (%)"]].to_numpy() == pytest.approx(np.array([[250 / 3, 50 / 3], [30, 70]]))
    theirs = frames["table3"].query("Configuration == 'Model 1, reported'")
    assert theirs.loc[:, "angry (%)":"neutral (%)"].to_numpy() == pytest.approx(paper.TABLE3.to_numpy())
    assert frames["table4"]["Configuration"].unique().tolist() == ["Model 2, reported"]


def test_a_fold_with_more_seeds_weighs_no_more(by_hand):
    # fold 1 as above, [2 0; 1.5 0.5]; fold 2 only with seed 1, [1 0; 0 3]; together [3 0; 1.5 3.5]
    ours = report.tables(by_hand[:3])["table3"].query("Configuration == 'Model 1'")
    assert ours[["angry (%)", "sad (%)"]].to_numpy() == pytest.approx(np.array([[100, 0], [30, 70]]))


def test_folds_of_the_papers_layout_have_the_papers_figures_beside_them():
    _, results = grid(IEMOCAP)
    table = report.tables(results)["table1"]
    assert list(table["Session"])[:3] == ["Ses01", "Ses01", "Ses02"]
    for number, key in [(1, "wa"), (1, "uar"), (2, "wa"), (2, "uar")]:
        reported = table[f"Model {number} {key.upper()}, reported (%)"]
        assert reported.tolist() == [*paper.TABLE1[f"model{number}_{key}"], paper.TABLE1_MEAN[f"model{number}_{key}"]]
    assert table["Model 2 UAR (%)"].eq(25).all()
    some = report.tables([r for r in results if r.config.fold in (4, 9)])["table1"]
    assert some["Model 1 UAR, reported (%)"].tolist() == [74.80, 34.82, 59.43]


def test_other_speakers_with_sessions_have_no_figures_of_the_paper_beside_them():
    speakers = [(f"S{i}", "female" if i % 2 else "male", f"Ses0{(i + 1) // 2}") for i in range(1, 11)]
    table = report.tables(grid(speakers)[1])["table1"]
    assert "Session" in table and table["Model 1 UAR, reported (%)"].isna().tolist() == [True] * 10 + [False]
    table = report.tables(grid([(name, gender, "") for name, gender, _ in IEMOCAP])[1])["table1"]
    assert "Session" not in table and table["Model 1 UAR, reported (%)"].isna().tolist() == [True] * 10 + [False]


def test_a_class_that_a_speaker_or_everyone_lacks(tmp_path):
    runs = [
        result(config(1), OTHERS[0], ["angry", "sad"], ["angry", "angry"], classes=("angry", "sad", "afraid", "shy")),
        result(config(2), OTHERS[1], ["afraid", "sad"], ["angry", "sad"], classes=("angry", "sad", "afraid", "shy")),
    ]
    text = report.write(runs, tmp_path, "own")
    assert "A has no afraid, shy; B has no angry, shy" in text
    assert "Uniform guessing gives 25.00 %" in text
    [row] = [line for line in text.splitlines() if line.startswith("| shy")]
    assert set(row.replace("|", " ").split()) == {"shy", "–"}
    table = pd.read_csv(tmp_path / "table3.csv")
    ours = table[table["Configuration"] == "Model 1"].set_index("True")
    assert ours.loc["afraid", "angry (%)"] == 100 and ours.loc["shy", "angry (%)":"shy (%)"].isna().all()


# --- labels


def labels(*configs):
    return list(cells.labels([], configs).values())


def test_labels_name_what_differs():
    assert labels(config(model="model2"), config()) == ["Model 1", "Model 2"]
    assert labels(config(gender="none"), config(gender="none", model="model2")) == ["Model 1", "Model 2"]
    assert labels(config(gender="none"), config(), config(model="model2")) == [
        "Model 1, gender none", "Model 1, gender embedding", "Model 2, gender embedding",
    ]  # fmt: skip
    assert labels(config(fold=3, seed=2), config(fold=4)) == ["Model 1"]


def test_labels_leave_out_what_the_preset_or_the_model_brings_and_keep_what_overrides_it():
    assert labels(config(preset="smoke"), config(preset="teaching")) == [
        "Model 1, preset smoke",
        "Model 1, preset teaching",
    ]
    assert labels(config(), config(learning_rate=0.01)) == [
        "Model 1, learning_rate 0.002",
        "Model 1, learning_rate 0.01",
    ]
    assert labels(config(model="model2"), config(model="model2", attention="mean")) == [
        "Model 2, attention seq_self", "Model 2, attention mean",
    ]  # fmt: skip
    assert labels(config(), config(merge_excited=True)) == ["Model 1, merge_excited no", "Model 1, merge_excited yes"]


def test_a_setting_that_was_added_later_is_named_where_it_differs_and_only_there():
    old = {"preset": "teaching", "anneal_above": 0}  # as runs have it that are older than the setting
    assert labels(config(**old), config(model="dnn_elm", preset="teaching")) == ["Model 1", "DNN-ELM"]
    assert words.settings(config(**old)) == words.settings(config(preset="teaching")) == ""
    assert words.settings(config(**old | {"anneal_above": 5})) == "anneal_above 5"
    assert labels(config(**old), config(preset="teaching"), config(model="dnn_elm", preset="teaching")) == [
        "Model 1, anneal_above 0", "Model 1, anneal_above 300", "DNN-ELM",
    ]  # fmt: skip
    assert labels(config(), config(**old)) == ["Model 1, preset smoke", "Model 1, preset teaching"]


def test_several_configurations_of_a_model_have_a_matrix_each(tmp_path):
    runs = [r for gender in ("none", "embedding") for r in grid(OTHERS, models=["model2"], gender=gender)[1]]
    text = report.write(runs, tmp_path, "gender")
    assert "The study has no run of Model 1." in text
    assert "\nModel 2, gender none:\n\n| True" in text and "\nModel 2, gender embedding:\n\n| True" in text
    header = next(line for line in text.splitlines() if line.startswith("| Fold"))
    assert [cell.strip() for cell in header.strip("|").split("|")][3:] == [
        "Model 2, gender none WA", "Model 2, gender none UAR", "Model 2, gender embedding WA",
        "Model 2, gender embedding UAR", "Model 2 WA, reported", "Model 2 UAR, reported",
    ]  # fmt: skip
    assert set(pd.read_csv(tmp_path / "table4.csv")["Configuration"]) == {
        "Model 2, gender none", "Model 2, gender embedding", "Model 2, reported",
    }  # fmt: skip


# --- what is there, what is missing, what is refused


def test_an_incomplete_study_says_what_is_missing(tmp_path):
    study, results = grid(IEMOCAP)
    there = [r for r in results if r.config.model == "model1" and r.config.fold <= 7]
    text = report.write(there, tmp_path, study)
    assert "\n7 of 20 runs: " in text and "**The study is incomplete.**" in text
    assert "- Model 1: folds 8–10\n- Model 2: all 10 runs\n" in text
    there = [r for r in results if r.config.model == "model1" or r.config.fold not in (2, 8, 9, 10)]
    text = report.write(there, tmp_path, study)
    assert "\n16 of 20 runs: " in text and "- Model 2: folds 2, 8–10\n" in text and "- Model 1" not in text


def test_missing_seeds_are_named_by_fold(tmp_path):
    study, results = grid(OTHERS, seeds=(1, 2, 3), models=["model1"])
    gaps = {(1, 2), (1, 3), (2, 2), (2, 3), (3, 1)}
    there = [r for r in results if (r.config.fold, r.config.seed) not in gaps]
    for given in (study, "only the name"):
        text = report.write(there, tmp_path, given)
        assert "- Model 1: folds 1–2 (seeds 2–3); fold 3 (seed 1)\n" in text and "\n4 of 9 runs" in text
        assert "3 folds, 1 to 2 seeds" in text


def test_a_complete_study_says_so(tmp_path):
    study, results = grid(OTHERS)
    text = report.write(results, tmp_path, study)
    assert text.startswith("# Study mine\n\nWhy.\n\n6 of 6 runs: corpus `synthetic`, preset `smoke`, 3 folds, 1 seed.")
    assert "incomplete" not in text and "issing" not in text


def test_scores_of_a_trial_are_said_to_mean_nothing(tmp_path):
    for settings, trial in (({}, True), ({"preset": "teaching"}, False), ({"epochs": 20}, False)):
        _, results = grid(OTHERS, models=["model1", "majority"][: 1 + (not settings)], **settings)
        assert ("Scores of preset `smoke` mean nothing" in report.write(results, tmp_path, "mine")) == trial
    _, results = grid(OTHERS, models=["majority"])  # no preset makes anything of chance
    assert "mean nothing" not in report.write(results, tmp_path, "mine")


def test_unstable_trainings_are_named(tmp_path):
    _, runs = grid(OTHERS)
    assert "Unstable" not in report.write(runs, tmp_path, "calm")
    wild = dataclasses.replace(runs[0], history=runs[0].history.assign(loss=[1.0, 1.3]))
    text = report.write([wild, *runs[1:]], tmp_path, "wild")
    assert f"**Unstable trainings: 1 of {len(runs)} runs**, such as `{wild.config.run_id}`" in text


def test_nothing_to_report_is_said():
    with pytest.raises(SermodulesError, match=r"no run is finished.*Run the study first"):
        report.tables([])
    with pytest.raises(SermodulesError, match="cannot report the study quick: no run is finished"):
        report.write([], "nowhere", "quick")


def test_runs_on_different_data_and_runs_that_are_there_twice_are_refused_at_once():
    _, results = grid(OTHERS)
    other = result(config(3, 1, "model2", "synthetic"), OTHERS[2], list(FOUR), list(FOUR), digest="d2")
    with pytest.raises(SermodulesError) as error:
        report.tables([*results[:-1], other, results[0]])
    message = str(error.value)
    assert "the runs on synthetic read different data" in message
    assert f"d1: 6 run(s), such as {results[0].config.run_id}" in message
    assert f"d2: 1 run(s), such as {other.config.run_id}" in message
    assert f"the run {results[0].config.run_id} is there twice" in message


def test_different_corpora_may_differ_in_their_data(tmp_path):
    one = grid(OTHERS, "synthetic-gender-irrelevant", ["model1"])[1]
    two = [
        result(config(fold, corpus="synthetic-gender-decisive"), OTHERS[fold - 1], list(FOUR), list(FOUR), digest="d2")
        for fold in (1, 2, 3)
    ]
    table = report.tables(one + two)["table2"].set_index("Method")
    assert table.loc["Model 1, synthetic-gender-irrelevant", "UAR (%)"] == 25
    assert table.loc["Model 1, synthetic-gender-decisive", "UAR (%)"] == 100
    assert "corpora `synthetic-gender-decisive`, `synthetic-gender-irrelevant`" in report.write(
        one + two, tmp_path, "two"
    )


# --- words


def captions(text):
    return [line for line in text.splitlines() if "higher is better" in line or "higher is" in line]


@pytest.mark.parametrize("corpus", ["synthetic", "emodb", "table:/home/me/secret/utterances.csv"])
def test_figures_of_another_corpus_are_never_called_a_replication(tmp_path, corpus):
    text = report.write(grid(IEMOCAP, corpus)[1], tmp_path, "name")
    shown = corpus.replace("table:/home/me/secret/utterances.csv", "utterances")
    assert f"ours on `{shown}`" in text and "do not replicate" in text
    assert text.count("replic") == 1
    assert "secret" not in text and all("secret" not in path.read_text() for path in tmp_path.glob("*.csv"))
    assert len(captions(text)) == 6  # four tables, all configurations and the figure
    for caption in captions(text):
        assert f"`{shown}`" in caption and "`smoke`" in caption and "10 folds, 1 seed" in caption


def test_iemocap_is_compared_and_what_differs_from_the_paper_is_said(tmp_path):
    text = report.write(grid(IEMOCAP, "iemocap", preset="paper")[1], tmp_path, "name")
    assert "Reported and ours were both measured on IEMOCAP.\n" in text and "do not replicate" not in text
    text = report.write(grid(IEMOCAP, "iemocap", preset="teaching", merge_excited=True)[1], tmp_path, "name")
    assert (
        "Ours used other utterances or classes than the paper's and a network of another size than the paper's." in text
    )
    assert "preset `teaching`, merge_excited yes," in text


def test_percentages_have_two_decimals_and_the_papers_are_as_printed(tmp_path, by_hand):
    text = report.write(by_hand, tmp_path, "hand")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    assert ["**mean**", "", "", "**75.00**", "**68.75**", "**62.92**", "**59.43**"] in cells
    assert ["Model 1", "68.75 ± 6.25", "8.84", "2", "2", "emodb"] in cells
    assert ["CNN-LSTM, reported", "61.7", "–", "–", "–", "IEMOCAP"] in cells
    assert ["Model 1, reported", "59.43 ± 11.57", "12.20", "10", "5", "IEMOCAP"] in cells
    assert ["angry", "83.33", "16.67", "69.40", "1.49"] in cells
    assert "8 utterances, pooled over the speakers" in text


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path):
    text = report.write([result(config(), ("A|B", "female", ""), list(FOUR), list(FOUR))], tmp_path, "bar")
    assert "| A\\|B " in text


# --- files


def test_the_files_of_a_report(tmp_path, monkeypatch):
    monkeypatch.undo()
    study, results = grid(IEMOCAP)
    folder = tmp_path / "deep" / "report"
    text = report.write(results, folder, study)
    assert sorted(path.name for path in folder.iterdir()) == [
        "claims.csv", "comparisons.csv", "comparisons.tex", "configurations.csv", "configurations.tex", "confusions.csv",
        "origins.csv", "report.md", "report.png", "scores.csv", "table1.csv", "table1.tex", "table2.csv", "table2.tex",
        "table3.csv", "table3.tex", "table4.csv", "table4.tex",
    ]  # fmt: skip
    assert (folder / "report.md").read_text(encoding="utf-8") == text
    table = pd.read_csv(folder / "table1.csv")
    assert len(table) == 11 and table.loc[0, "Model 1 WA, reported (%)"] == 73.17 and table["Fold"].iloc[-1] == "mean"
    assert (
        b"\r" not in (folder / "table2.csv").read_bytes()
        and b"62.86,9.43,9.946242395,10,5" in (folder / "table2.csv").read_bytes()
    )
    image = imread(folder / "report.png")
    assert image.shape[1] >= 1000 and (image[..., 3] == 1).all() and (image[:5, :5] == 1).all()  # opaque, white
    [alt] = [line for line in text.splitlines() if line.startswith("![")]
    assert alt.endswith("](report.png)") and "Model 1 25.00 %" in alt and "angry 100.00 %" in alt
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)
    assert report.write(results, folder, study) == text  # a second time replaces the first


def test_csv_files_hold_what_people_compute_with(tmp_path):
    found = {"model1": lambda fold: 1 + (fold % 3 == 0), "model2": lambda fold: 3 + fold % 2}
    runs = []
    for model, fold in [(model, fold) for model in found for fold in range(1, 11)]:
        right = found[model](fold)
        run = result(
            config(fold, model=model), IEMOCAP[fold - 1], list(FOUR), [*FOUR[:right], *["angry"] * (4 - right)]
        )
        size = run.metrics | {"parameters": 23797}
        runs.append(dataclasses.replace(run, metrics=size, provenance=run.provenance | {"seconds": {"train": 1 / 3}}))
    text, tables = report.write(runs, tmp_path, "csv"), report.tables(runs)
    for name in ("configurations", "comparisons", "table1", "confusions"):
        read, frame = pd.read_csv(tmp_path / f"{name}.csv"), tables[name]
        for column in frame.select_dtypes("number"):
            assert read[column].to_numpy() == pytest.approx(frame[column].to_numpy(), rel=1e-9, nan_ok=True)
    assert "–" not in (tmp_path / "table2.csv").read_text(encoding="utf-8")  # what is not there is empty
    line = (tmp_path / "configurations.csv").read_text().splitlines()[1]
    assert ",23797,0.3333333333,10,1," in line  # a whole number has no point
    row = pd.read_csv(tmp_path / "comparisons.csv").set_index("configuration").loc["Model 1"]
    printed = next(line for line in text.split("## Comparisons")[1].splitlines() if line.startswith("| Model 1 "))
    printed = [cell.strip() for cell in printed.strip("|").split("|")]
    assert 0 < row["p_sign_flip"] < 0.005 and f"{row['p_sign_flip']:.3f}" == printed[6]
    assert [f"{row[f'{name} (%)']:.0f}" for name in ("worse", "same", "better")] == printed[8:11]
    assert sum(row[f"{name} (%)"] for name in ("worse", "same", "better")) == pytest.approx(100)
    assert f"{row['difference (points)']:+.2f}" == printed[2]


def test_a_report_of_stored_runs_is_the_same(tmp_path, by_hand):
    stored = [store.load(store.save(r, tmp_path / "runs")) for r in by_hand]
    assert report.write(stored, tmp_path / "one", "x") == report.write(by_hand, tmp_path / "two", "x")


# --- of one's own: plain, and LaTeX

AWKWARD = ("50 % calm", "a_b & c", r"\alpha{}", "[x]~^#$", "*<|>", "zufrieden – größer")


@pytest.fixture
def own():
    """Return a study of one's own recordings: other classes, awkward names, three models of which the paper has one."""
    runs = []
    for model in ("majority", "svm_compare", "model2"):
        for fold, speaker in enumerate(
            [("[ann]", "female", ""), ("*bob_1*", "male", ""), ("C&A", "other", "")], start=1
        ):
            corpus = "table:/home/me/mine_1.csv"
            predicted = [AWKWARD[0]] * 6 if model == "majority" else [*AWKWARD[:fold], *AWKWARD[:1] * (6 - fold)]
            runs.append(result(config(fold, 1, model, corpus), speaker, list(AWKWARD), predicted, classes=AWKWARD))
    return runs


def test_a_plain_report_has_nothing_of_the_paper_but_claims_that_were_tested(own, tmp_path):
    text = report.write(own, tmp_path, "mine", plain=True)
    assert not re.search("(?i)IEMOCAP|reported|the paper's|Table [0-9]|not tested", text)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Every speaker", "## All configurations", "## Comparisons", "## Confusion matrices", "## Figure",
        "## Claims ledger",
    ]  # fmt: skip
    assert text.count("| True ") == 3 and "Uniform guessing gives 16.67 %" in text
    frame = pd.read_csv(tmp_path / "speakers.csv")
    assert [name for name in frame if name.endswith("UAR (%)")] == [
        "Model 2 UAR (%)", "ComParE + SVM UAR (%)", "Majority class UAR (%)",
    ]  # fmt: skip
    ledger = pd.read_csv(tmp_path / "claims.csv")
    assert len(ledger) and "not tested" not in set(ledger["verdict"]) and not list(tmp_path.glob("table*"))
    text = report.write(own[:3], tmp_path / "guess", "guess", plain=True)
    assert text.endswith(
        "## Claims ledger\n\nThese runs put none of the claims of Bhushan et al. (2022) to a test, so `claims.csv` has no row."
        " `sermodules claims` lists the claims and what each needs.\n"
    )
    assert pd.read_csv(tmp_path / "guess" / "claims.csv").empty


def test_a_plain_report_of_many_configurations_draws_matrices_of_the_first(tmp_path):
    models = ("majority", "stratified", "dnn_elm", "svm_compare", "svm_egemaps", "acrnn", "acrnn_code")
    runs = [result(config(1, 1, model), OTHERS[0], list(FOUR), ["angry"] * 4) for model in models]
    assert "a confusion matrix for the first configurations" in report.write(runs, tmp_path, "many", plain=True)


def test_every_table_is_there_as_latex_that_compiles(own, tmp_path):
    report.write(own, tmp_path, "mine & [yours]", plain=True)
    report.write(grid(IEMOCAP)[1], tmp_path / "full", "full")
    found = sorted(tmp_path.rglob("*.tex"))
    assert len(found) == 6 + 6
    for path in found:
        text = path.read_text(encoding="utf-8")
        [aligned] = re.findall(r"\\begin\{tabular\}\{(.*)\}", text)
        rows = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert rows and all(len(re.findall(r"(?<!\\)&", row)) == len(aligned) - 1 for row in rows)
        assert not any(row.lstrip().startswith(("[", "*")) for row in rows)
    everything = "".join(path.read_text(encoding="utf-8") for path in found)
    for name, escaped in (
        (AWKWARD[0], r"50 \% calm"),
        (AWKWARD[1], r"a\_b \& c"),
        (AWKWARD[2], r"\textbackslash{}alpha\{\}"),
    ):
        assert escaped in everything and name not in everything
    assert r"\texttt{mine\_1}" in everything and "table:" not in everything
    mine = (tmp_path / "speakers.tex").read_text(encoding="utf-8")
    [mean] = [line for line in mine.splitlines() if "mean}" in line]
    assert mean.strip().startswith(r"\textbf{mean} &  & ") and mean.count(r"\textbf{") == 1 + 6  # as in report.md
    smoke = r"Scores of preset \texttt{smoke} mean nothing"
    said = {path.name for path in found if smoke in path.read_text(encoding="utf-8")}
    assert said == {  # the tables of scores; the matrices of chance and of the SVM hold none of a network
        "speakers.tex", "configurations.tex", "comparisons.tex", "confusions-1.tex", "table1.tex", "table2.tex", "table3.tex",
        "table4.tex",
    }  # fmt: skip
    assert not re.search("[±–]", everything) and r"zufrieden \textendash{} größer" in everything
    if not (xelatex := shutil.which("xelatex")):
        pytest.skip("no xelatex here: the tables were checked by their structure only")
    inputs = "\n".join(rf"\input{{{path.relative_to(tmp_path).as_posix()}}}\clearpage" for path in found)
    preamble = r"\documentclass{article}\usepackage{booktabs,adjustbox}\begin{document}"
    (tmp_path / "all.tex").write_text(f"{preamble}\n{inputs}\n\\end{{document}}\n", encoding="utf-8")
    made = subprocess.run(
        [xelatex, "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-2000:]
    assert "Overfull" not in made.stdout


def test_an_incomplete_corpus_is_named_and_is_not_the_papers(tmp_path):
    lines = ["Ses01F angry: 3 instead of 37"]
    runs = [
        dataclasses.replace(run, provenance=run.provenance | {"corpus_lacks": lines})
        for run in grid(IEMOCAP, "iemocap", preset="paper")[1]
    ]
    text = report.write(runs, tmp_path, "part")
    assert "**The corpus is not the full one**" in text and f"\n- {lines[0]}\n" in text
    assert "no other settings (here incomplete corpus)" in text
    assert "incomplete corpus" not in report.write(grid(IEMOCAP, "iemocap", preset="paper")[1], tmp_path, "whole")


def test_a_folder_that_cannot_be_written_is_said(tmp_path, by_hand):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the report to"):
        report.write(by_hand, tmp_path / "file" / "folder", "x")


def test_reporting_imports_no_deep_learning_library():
    code = "import sys, sermodules.evidence.report; sys.exit(bool({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- figures


@pytest.fixture
def ax():
    return Figure(facecolor="black").subplots(subplot_kw={"facecolor": "none"})


def white(ax):
    return ax.get_facecolor() == to_rgba("white") == ax.figure.get_facecolor()


def test_every_emotion_keeps_its_colour():
    assert plots.emotion_colours(FOUR) == [plots.EMOTION_COLOURS[name] for name in FOUR]
    assert plots.emotion_colours(["calm", "sad"])[0] == plots.emotion_colours(["calm"])[0]
    assert plots.emotion_colours(["shy", "sad", "shy"]) == [plots.emotion_colours(["shy"])[0], "#0072B2", "#332288"]
    assert len(set(plots.EMOTION_COLOURS.values())) == len(plots.EMOTION_COLOURS)
    assert plots.emotion_colours(["calm"])[0] not in plots.EMOTION_COLOURS.values()


@pytest.mark.parametrize("count", [2, 9, 16, 300])
def test_no_two_classes_or_configurations_share_a_colour(count):
    names = [*list(plots.EMOTION_COLOURS)[: count // 2], *(f"class {n}" for n in range(count))][:count]
    colours = plots.emotion_colours(names)
    assert len(set(colours)) == count == len(set(plots.configuration_colours(count)))
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)
    assert len({*zip(colours, plots.class_hatches(names), strict=True)}) == count
    hatches = plots.class_hatches(names)
    assert all(hatches.count(hatch) <= 7 for hatch in hatches if count <= 49)  # seven colours stay apart for everybody


def test_areas_of_many_classes_have_a_second_mark(ax):
    counts = pd.DataFrame(1, ["A"], [f"class {n}" for n in range(9)])
    marks = [(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in plots.plot_counts(counts, ax).containers]
    assert len(set(marks)) == 9 and [bool(hatch) for _, hatch in marks] == [False] * 7 + [True] * 2


def test_plot_confusion_shows_every_share(ax):
    matrix = paper.TABLE3.copy()
    matrix.loc["happy"] = np.nan
    assert plots.plot_confusion(matrix, ax) is ax and white(ax)
    shown = [text.get_text() for text in ax.texts]
    assert shown == ["69.4", "1.5", "9.6", "19.5", "0.5", "69.9", "4.7", "24.9", "10.6", "9.4", "12.1", "67.9"]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(FOUR)
    strips = [patch.get_facecolor() for patch in ax.patches]
    assert strips == [to_rgba(colour) for name in FOUR for colour in [plots.EMOTION_COLOURS[name]] * 2]


def test_plot_claims_draws_each_difference_its_interval_and_the_papers_figure(ax):
    rows = pd.DataFrame(
        {
            "id": ["a", "b"],
            "compared": ["A less B", "A less C"],
            "value": [1.0, -2.0],
            "low": [-1.0, -5.0],
            "high": [4.0, -0.5],
        }
    )
    assert plots.plot_claims(rows, ax, {"a": 3.43, "b": None, "z": 1.0}) is ax and white(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A less B", "A less C"]
    _, ours, papers = ax.get_lines()
    assert list(ours.get_xdata()) == [1, -2] and ours.get_ydata()[0] > ours.get_ydata()[1]  # the first one above
    assert papers.get_xdata()[0] == 3.43 and np.isnan(papers.get_xdata()[1])
    ends = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [[-1, 4], [-5, -0.5]]


def test_plot_folds_draws_a_bar_for_every_run(ax):
    table = pd.DataFrame({"Model 1": [50.0, 70.0], "Model 2": [40.0, np.nan]}, index=["A", "B"])
    assert plots.plot_folds(table, ax, chance=25) is ax and white(ax)
    heights = [bar.get_height() for bars in ax.containers for bar in bars]
    assert heights[:3] == [50, 70, 40] and np.isnan(heights[3])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(names) == ["Model 1, mean 60.00 %", "Model 2, mean 40.00 %", "chance, 25.00 %"]
    assert ax.get_ylabel() == "UAR (%)" and ax.get_ylim() == (0, 100)


def test_plot_log_mel_has_seconds_and_bands(ax):
    log_mel = np.zeros((150, 40))
    log_mel[-1, 0] = 1  # last frame, lowest band
    assert plots.plot_log_mel(log_mel, ax) is ax and white(ax)
    assert ax.get_xlim() == (0, 1.5) and ax.get_ylim() == (0.5, 40.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "Mel band")
    drawn = ax.images[0]
    assert drawn.get_array()[0, -1] == 1 and drawn.origin == "lower"


def test_plot_history_marks_the_epoch_that_was_kept(ax):
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1], "val_loss": [3, 2, 2], "val_uar": [0.2, 0.6, 0.5]})
    assert plots.plot_history(history, ax, 2) is ax and white(ax)
    [right] = [other for other in ax.figure.axes if other is not ax]
    assert right.lines[0].get_ydata().tolist() == [20, 60, 50] and right.get_ylabel() == "UAR (%)"
    assert "weights kept: epoch 2" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert list(ax.lines[2].get_xdata()) == [2, 2]


# --- all configurations


def many(seeds=(1, 2)):
    """Five configurations of ten speakers; Model 2 finds one class more often than Model 1, the others as Model 1."""
    cells = [{"model": "model1"}, {"model": "model2"}, {"model": "model2", "gender": "none"},
             {"model": "model2", "attention": "mean"}, {"model": "majority"}]  # fmt: skip
    found = {0: 1, 1: 2}
    runs = []
    for number, cell in enumerate(cells):
        for fold, speaker in enumerate(IEMOCAP, start=1):
            for seed in seeds:
                right = found.get(number, 1) + (fold + seed) % 2
                predicted = list(FOUR[:right]) + ["angry"] * (4 - right)
                runs.append(result(config(fold, seed, **cell), speaker, list(FOUR), predicted))
    return runs


def test_configurations_in_one_table():
    tables = report.tables(many())
    frame = tables["configurations"]
    assert frame["Configuration"].tolist() == [
        "Model 1", "Model 2", "Model 2, gender none", "Model 2, attention mean", "Majority class",
    ]  # fmt: skip
    assert frame["UAR (%)"].tolist() == [37.5, 62.5, 37.5, 37.5, 37.5]  # each fold: one seed with one class more
    assert (frame["Speakers"] == 10).all() and (frame["Seeds"] == 2).all()
    comparisons = tables["comparisons"].set_index("configuration")
    assert (comparisons["reference"] == "Model 2").all() and len(comparisons) == 4
    assert comparisons.loc["Model 1", "difference (points)"] == -25
    kinds = tables["confusions"].groupby(["Configuration", "Kind"]).size()
    assert set(kinds.index.get_level_values("Kind")) == {"pooled", "speaker-averaged"} and (kinds == 4).all()


def test_scores_have_a_row_a_run_and_every_field_that_the_claims_need():
    runs = many()
    frame = report.scores(runs)
    assert len(frame) == len(runs) == frame["run"].nunique()
    row = frame.query("configuration == 'Model 2, gender none' and fold == 3 and seed == 2").iloc[0]
    assert (row["speaker"], row["gender"], row["attention"], row["preset"]) == ("Ses02F", "none", "seq_self", "smoke")
    assert row["uar"] == row["wa"] == 50 and row["recall_angry"] == 100 and row["recall_neutral"] == 0


def test_corpora_are_not_compared_with_each_other():
    runs = grid(IEMOCAP, "synthetic")[1] + grid(IEMOCAP, "emodb")[1]
    comparisons = report.tables(runs)["comparisons"]
    pairs = comparisons[["configuration", "reference"]].to_numpy().tolist()
    assert pairs == [["Model 1, synthetic", "Model 2, synthetic"], ["Model 1, emodb", "Model 2, emodb"]]


def test_report_of_many_configurations_has_a_point_each(tmp_path):
    runs = many(seeds=(1,))
    extra = [result(config(f, 1, model="model2", gender=g), s, list(FOUR), ["angry"] * 4)
             for g in ("embedding64", "shuffled") for f, s in enumerate(IEMOCAP, start=1)]  # fmt: skip
    text = report.write(runs + extra, tmp_path, "many")
    assert "a point for the UAR of each configuration" in text and "Model 2, gender shuffled" in text
    assert text.count("confusion matrix of Model 2") == 1 and "## Comparisons" in text


def test_incomplete_study_of_one_switch_keeps_its_labels(tmp_path):
    cells = [config(fold, 1, "model2", "emodb", gender=g) for fold in (1, 2) for g in ("embedding", "none")]
    study = Study(name="mine", about="", configs=tuple(cells))
    done = [result(c, OTHERS[c.fold - 1], list(FOUR), ["angry"] * 4) for c in cells if c.gender == "none"]
    text = report.write(done, tmp_path, study)
    assert "Model 2, gender embedding: all 2 runs" in text
    assert report.tables(done, study)["configurations"]["Configuration"].tolist() == ["Model 2, gender none"]
    assert set(report.scores(done, study)["configuration"]) == {"Model 2, gender none"}


def test_a_setting_that_is_unusual_for_some_models_is_named():
    assert labels(*(config(model=m, gender="embedding") for m in ("model1", "model2", "acrnn"))) == [
        "Model 1, gender embedding", "Model 2, gender embedding", "ACRNN, gender embedding",
    ]  # fmt: skip
    assert labels(*(config(model=m, attention="additive") for m in ("model1", "model2"))) == [
        "Model 1, attention additive", "Model 2, attention additive",
    ]  # fmt: skip


def test_nothing_recognised_is_still_reported(tmp_path):
    runs = [result(config(f, 1, m), s, list(FOUR), [*FOUR[1:], FOUR[0]])
            for m in ("model1", "model2") for f, s in enumerate(IEMOCAP, start=1)]  # fmt: skip
    assert report.tables(runs)["configurations"]["UAR (%)"].tolist() == [0, 0]
    report.write(runs, tmp_path, "none")


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["/a/mine.csv", "/a/mine.tsv"], ["mine.csv", "mine.tsv"]),
        (["/a/mine.csv", "/a/yours.csv"], ["mine", "yours"]),
        (["/a/emodb.csv", "/a/iemocap.csv"], ["emodb.csv", "iemocap.csv"]),  # no corpus of that name
        (["/a/v1.2", "/a/v1.3"], ["v1.2", "v1.3"]),  # databases are folders
    ],
)
def test_a_table_is_shown_by_its_name_and_as_no_other_corpus(tmp_path, paths, shown):
    runs = [
        result(config(corpus=f"table:{path}"), OTHERS[0], list(FOUR), list(FOUR), digest=path[-5:]) for path in paths
    ]
    text = report.write(runs, tmp_path, "two")
    assert report.tables(runs)["configurations"]["Corpus"].tolist() == shown
    assert report.scores(runs)["configuration"].tolist() == [f"Model 1, {name}" for name in shown]
    assert all(f"Corpus `{name}`, preset" in text for name in shown) and "`table:" not in text and "/a/" not in text
    assert "both measured on IEMOCAP" not in text and "a corpus of the user's own" in text


def test_the_names_that_a_table_does_not_take_are_those_of_the_corpora():
    assert set(corpora.CORPORA) == words.CORPORA


def test_tables_of_one_name_are_not_mixed_up():
    runs = [result(config(corpus=f"table:/{folder}/mine.csv"), OTHERS[0], list(FOUR), list(FOUR)) for folder in "ab"]
    with pytest.raises(SermodulesError, match=r"both called table:mine\.csv"):
        report.tables(runs)


def test_interval_needs_six_speakers():
    tables = report.tables(grid(IEMOCAP[:5])[1])
    assert tables["configurations"]["Low (%)"].isna().all()
