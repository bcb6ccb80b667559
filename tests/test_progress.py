"""The status of a study: what is counted, and that ten thousand runs are counted without reading them."""

import dataclasses
import sys
import time

import pytest
import yaml
from test_store import make

from sermodules import study
from sermodules.config import RunConfig
from sermodules.runs import store

WIDTHS = [0.25, 0.5, 1.0]
_opened = None  # a list while `opened` listens: a hook cannot be taken off again


@sys.addaudithook
def _note(event, arguments):
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


@pytest.fixture
def opened():
    """Return a list of all files that this process opens."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the file of a study of 3 configurations, 4 folds and 5 seeds, whose corpus is not here, and the folder of runs."""
    folder, result = tmp_path_factory.mktemp("progress"), make()
    content = {
        "name": "s", "settings": {"corpus": f"table:{folder}/none.csv", "preset": "teaching"},
        "grid": {"width": WIDTHS}, "folds": "all", "seeds": [1, 2, 3, 4, 5],
    }  # fmt: skip
    (folder / "s.yaml").write_text(yaml.safe_dump(content))
    for config in study.load(folder / "s.yaml", folds=[1, 2, 3, 4]).configs:
        store.save(dataclasses.replace(result, config=config), folder / "runs")
    return folder / "s.yaml", folder / "runs"


def test_status_reads_no_run(finished, opened):
    path, out = finished
    table = study.status(study.load(path, folds=[1, 2, 3, 4], out=out), out)
    assert table.to_dict("list") == {"model": ["model2"] * 3, "width": WIDTHS, "runs": [20] * 3, "done": [20] * 3}
    assert str(path) in opened and not [name for name in opened if name.startswith(str(out))]


def test_folds_without_the_corpus_are_read_from_each_run_once(finished, opened):
    path, out = finished
    plan = study.load(path, out=out)
    assert len(plan.configs) == 60
    assert sorted(name for name in opened if name.startswith(str(out))) == sorted(
        str(out / config.run_id / "config.json") for config in plan.configs
    )


def test_results_are_read_once(finished, opened):
    path, out = finished
    plan = study.load(path, folds=[1, 2, 3, 4], out=out)
    results = study.results(plan, out)
    assert [result.config for result in results] == list(plan.configs)
    assert len([name for name in opened if name.startswith(str(out))]) == 60 * len((*store.FILES, store.SUMS))


def test_runs_that_were_altered_or_never_completed_are_not_counted(finished):
    path, out = finished
    plan = study.load(path, folds=[1, 2, 3, 4])
    first, second = (out / config.run_id for config in plan.configs[:2])
    old = (first / "metrics.json").read_bytes()
    time.sleep(0.02)  # file systems keep times in ticks of up to 10 ms
    (first / "metrics.json").write_bytes(old + b" ")
    (second / store.SUMS).rename(second / "gone")
    assert [config for config in plan.configs if config not in study.done(plan, out)] == list(plan.configs[:2])
    assert study.status(plan, out)["done"].tolist() == [19, 19, 20]
    (first / "metrics.json").write_bytes(old)
    (second / "gone").rename(second / store.SUMS)
    assert study.status(plan, out)["done"].tolist() == [20] * 3  # touched, so read: they are what was written


def test_a_run_id_is_worked_out_once_and_is_no_part_of_the_configuration():
    config, other = RunConfig.create(fold=2), RunConfig.create(fold=2)
    assert config.run_id is config.run_id and config == other and hash(config) == hash(other)
    assert config.replace(fold=3).run_id == RunConfig.create(fold=3).run_id != config.run_id
    assert "run_id" not in config.to_dict()
