"""The same contrasts on several corpora, and their common mean."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from test_registration import load, results

from sermodules import plots
from sermodules.errors import SermodulesError
from sermodules.evidence import across, statistics
from sermodules.evidence.report import registered
from sermodules.runs import RunResult


def of(corpus, study, **how):
    """Return runs of a study as if another corpus had given them."""
    return [
        RunResult(r.config.replace(corpus=corpus), r.predictions, r.history, r.metrics, r.provenance)
        for r in results(study, **how)
    ]


def test_each_corpus_is_estimated_as_the_registered_study_is(tmp_path):
    study = load(tmp_path)
    mine, other = results(study, gain=4.0, luck=2.0), of("emodb", study, gain=-1.0, luck=1.0)
    found = across.contrasts(study.registration, [other, mine]).set_index(["contrast", "corpus"])
    names = ["emodb", "cremad", across.TOGETHER]
    assert list(found.index) == [(contrast, name) for contrast in ("self-attention", "gender") for name in names]
    for contrast in study.registration.contrasts:
        alone = statistics.clustered_t(registered.differences(contrast, registered.rows_of(mine)))
        assert found.loc[(contrast.name, "cremad"), "low"] == alone.low
        assert found.loc[(contrast.name, "cremad"), "trainings"] == alone.trainings
    both = found.loc["self-attention"]
    assert both.loc["emodb", "mean"] < both.loc[across.TOGETHER, "mean"] < both.loc["cremad", "mean"]
    assert both.loc[across.TOGETHER, "error"] < both["error"].drop(across.TOGETHER).min()


def test_a_corpus_without_the_runs_is_left_out(tmp_path):
    study = load(tmp_path)
    other = of("emodb", study)
    without = [r for r in other if r.config.gender == "embedding"]
    for corpora in ([other], [other, []]):
        assert list(across.contrasts(study.registration, corpora)["corpus"]) == ["emodb", "emodb"]
    assert across.contrasts(study.registration, [without]).empty


def test_two_configurations_of_one_model_are_refused(tmp_path):
    study = load(tmp_path)
    mine = results(study)
    wider = [
        RunResult(r.config.replace(epochs=3), r.predictions, r.history, r.metrics, r.provenance)
        for r in mine
        if r.config.model == "model2"
    ]
    with pytest.raises(SermodulesError, match=r"2 configurations of Model 2 .*give the runs of one"):
        across.contrasts(study.registration, [mine + wider])


def test_common_mean_by_hand():
    two = pd.DataFrame({"mean": [4.0, 1.0], "error": [3.0, 1.0], "df": [9.0, 30.0], "speakers": 10, "trainings": 25})
    found = across.common_mean(two)
    weights = np.array([1 / 9, 1])
    assert found["mean"] == pytest.approx((4 / 9 + 1) / (10 / 9)) and found["error"] == pytest.approx(np.sqrt(0.9))
    assert found["df"] == pytest.approx((10 / 9) ** 2 / (weights**2 / [9, 30]).sum())
    half = found["error"] * stats.t.ppf(0.975, found["df"])
    assert (found["low"], found["high"]) == pytest.approx((found["mean"] - half, found["mean"] + half))
    with pytest.raises(SermodulesError, match="standard error above 0"):
        across.common_mean(two.assign(error=[0.0, 1.0]))


def test_the_interval_of_the_common_mean_is_right_19_times_in_20():
    rng, right = np.random.default_rng(1), 0
    for _ in range(4000):
        samples = rng.normal(2.0, 8, 10), rng.normal(2.0, 4, 25)
        table = pd.DataFrame(
            {
                "mean": [x.mean() for x in samples], "error": [x.std(ddof=1) / np.sqrt(len(x)) for x in samples],
                "df": [9.0, 24.0], "speakers": [10, 25], "trainings": [10, 25],
            }
        )  # fmt: skip
        found = across.common_mean(table)
        right += found["low"] <= 2.0 <= found["high"]
    assert 0.93 < right / 4000 < 0.96


def test_a_forest_plot_has_a_mark_a_corpus_and_a_diamond_for_both(tmp_path):
    study = load(tmp_path)
    table = across.contrasts(study.registration, [of("emodb", study), results(study)])
    ax = plots.plot_corpora(table, Figure().add_subplot(), {"self-attention": (3.43, 3.43), "gender": (1, 2)})
    dots, diamonds = (line for line in ax.lines if line.get_marker() in "oD")
    assert len(dots.get_xdata()) == 4 and len(diamonds.get_xdata()) == 2
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["the paper's, on IEMOCAP", "a corpus, with its 95 % interval", "common mean"]
    rows = [text.get_position()[1] for text in ax.get_yticklabels()]
    assert rows[2] - rows[3] == 2 and rows[0] - rows[1] == 1  # contrasts stand apart
