"""The cost of the IEMOCAP grid: the counts, the arithmetic, and one measurement of a tiny network."""

import math

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import script

from sermodules.config import RunConfig
from sermodules.models import reuse

#: A segment a second, a byte of weights, and a TFLOP a segment.
SPEED = {"training": 1.0, "predicting": 1.0, "weights": 1.0, "train_flop": 3e12, "predict_flop": 1e12}


@pytest.fixture(scope="module")
def measure():
    return script("measure_cost")


def test_segments_of_an_utterance(measure):
    spread = math.sqrt(2 * math.log(measure.MEAN / measure.MEDIAN))
    lengths = measure.MEDIAN * np.exp(spread * np.random.default_rng(0).standard_normal(200_000))
    assert lengths.mean() == pytest.approx(measure.MEAN, rel=0.01)
    assert measure.segments_per_utterance() == pytest.approx(np.ceil(lengths / 3).mean(), rel=0.01)


def test_folds_of_iemocap(measure):
    found, rate = measure.folds(), measure.segments_per_utterance()
    assert len(found) == 10 and found["test"].sum() == pytest.approx(2280 * rate)
    first = found.iloc[0]  # tests Ses01F, of whom there are 217 utterances; Ses01M, her partner, has 205
    assert first["test"] == pytest.approx(217 * rate) and first["validation"] == pytest.approx(205 * rate)
    assert first["training"] == pytest.approx((2280 - 217 - 205) * rate)
    assert found["train"].nunique() == 5  # partners have the same training speakers


def test_cost_by_hand(measure, monkeypatch):
    configs = [RunConfig.create(corpus="iemocap", epochs=10, fold=fold) for fold in (1, 2)]
    speeds = {configs[0]: SPEED | {"training": 100.0, "predicting": 1000.0, "weights": 4.0}}
    rate = measure.segments_per_utterance()
    fit, both = (2280 - 217 - 205) * rate / 100, (217 + 205) * rate / 1000
    shared = measure.cost(configs, speeds)
    assert shared["runs"] == 2 and shared["trainings"] == 1 and shared["workers"] == 1
    assert shared["hours"] == pytest.approx((10 * fit + 10 * both + both) / 3600)
    assert shared["petaflop"] == pytest.approx((10 * fit * 100 * 3e12 + 11 * both * 1000 * 1e12) / 1e15)
    assert shared["epoch"] == pytest.approx(fit + both / 2)
    monkeypatch.setattr(reuse.PREVIOUS, "limit", 39)  # ten epochs of four bytes are too many to keep
    alone = measure.cost(configs, speeds)
    assert alone["trainings"] == 2 and alone["hours"] == pytest.approx(shared["hours"] + 10 * fit / 3600)


def test_the_grid_of_the_study(measure):
    planned = measure.runs(preset="teaching")
    assert len(planned) == 100 and {config.preset for config in planned} == {"teaching"}
    speeds = {config.replace(fold=1, seed=1): SPEED for config in planned}
    assert measure.cost(planned, speeds)["trainings"] == 50


def test_a_tiny_network_is_measured_and_the_table_printed(measure, monkeypatch, tmp_path):
    tiny = RunConfig.create(corpus="iemocap", preset="smoke", width=1 / 64, conv_layers=1, epochs=2)
    found = measure.speed(tiny, steps=1)
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    assert found["training"] == pytest.approx(tiny.batch_size / found["step"])
    monkeypatch.setattr(measure, "runs", lambda **settings: [tiny, tiny.replace(fold=2), tiny.replace(fold=3)])
    monkeypatch.setattr(measure, "speed", lambda config, steps: found)
    told = CliRunner().invoke(measure.main, ["--preset", "smoke", "--to", str(tmp_path / "cost.csv")])
    assert told.exit_code == 0, told.output
    table = [[cell.strip() for cell in line.split("|")] for line in told.output.splitlines() if line.startswith("|")]
    head, _, model2, every = table
    assert (model2[head.index("model")], every[head.index("model")]) == ("model2", "all")
    assert (every[head.index("runs")], every[head.index("trainings")]) == ("3", "2")
    assert "tensorflow on " in told.output
    kept = pd.read_csv(tmp_path / "cost.csv")
    assert kept["model"].tolist() == ["model2", "all"] and kept["hours"].gt(0).all()


def test_the_file_keeps_other_measurements_and_replaces_the_same_one(measure, tmp_path):
    row = dict.fromkeys(measure.COLUMNS, 1) | {"preset": "paper", "model": "model2", "precision": "float32"}
    measure.save(pd.DataFrame([row]), tmp_path / "cost.csv")
    measure.save(pd.DataFrame([row | {"threads": 2}]), tmp_path / "cost.csv")
    measure.save(pd.DataFrame([row | {"hours": 7.5}]), tmp_path / "cost.csv")
    kept = pd.read_csv(tmp_path / "cost.csv")
    assert kept["threads"].tolist() == [2, 1] and kept["hours"].tolist() == [1, 7.5]
    assert kept[["machine", "backend", "date"]].notna().all(axis=None)
