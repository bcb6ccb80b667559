import dataclasses
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from sermodules import metrics
from sermodules.config import RunConfig
from sermodules.errors import StoreError
from sermodules.runs import store

CLASSES = ["angry", "sad", "happy", "neutral"]


def make(seed=1, predicted=("sad", "angry"), commit="abc"):
    predictions = pd.DataFrame(
        {
            "utterance": ["01", "02"], "speaker": ["03", "03"], "gender": ["male", "male"], "true": ["sad", "happy"],
            "predicted": predicted, "angry": [0.1, 0.7], "sad": [0.6, 0.1], "happy": [0.2, 0.1], "neutral": [0.1, 0.1],
        }
    )  # fmt: skip
    history = pd.DataFrame({"epoch": [1], "loss": [1.3], "val_loss": [1.2], "val_uar": [0.5], "val_wa": [0.25]})
    scores = metrics.summarise(predictions["true"], predictions["predicted"], CLASSES)
    return store.RunResult(RunConfig.create(seed=seed), predictions, history, scores, {"commit": commit})


def test_round_trip(tmp_path):
    result = make()
    folder = store.save(result, tmp_path / "runs")
    assert folder == tmp_path / "runs" / result.config.run_id
    assert sorted(path.name for path in folder.iterdir()) == sorted([*store.FILES, "SHA256SUMS"])
    again = store.load(folder)
    assert again.config == result.config and again.metrics == result.metrics and again.provenance == result.provenance
    pd.testing.assert_frame_equal(again.predictions, result.predictions)  # "03" stays text
    pd.testing.assert_frame_equal(again.history, result.history)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [result.config.run_id]  # no staging left


def test_sums_are_those_of_sha256sum(tmp_path):
    folder = store.save(make(), tmp_path)
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_same_predictions_leave_the_first_run_untouched(tmp_path):
    folder = store.save(make(commit="first"), tmp_path)
    assert store.save(make(commit="second"), tmp_path) == folder
    assert store.load(folder).provenance["commit"] == "first"


def test_other_predictions_go_beside(tmp_path):
    folder = store.save(make(), tmp_path)
    other = store.save(make(predicted=("sad", "happy")), tmp_path)
    assert other.name == folder.name + "~2"
    assert store.load(folder).predictions["predicted"].tolist() == ["sad", "angry"]
    assert store.load(other).predictions["predicted"].tolist() == ["sad", "happy"]


@pytest.mark.parametrize("name", store.FILES)
def test_altered_and_missing_files_are_found(tmp_path, name):
    folder = store.save(make(), tmp_path)
    text = (folder / name).read_text()
    (folder / name).write_text(text + " ")
    assert any(name in problem and "not what was written" in problem for problem in store.verify(folder))
    with pytest.raises(StoreError, match=name):
        store.load(folder)
    (folder / name).unlink()
    assert any(name in problem and "missing" in problem for problem in store.verify(folder))
    assert not store.is_done(folder)


def test_sums_that_list_less_or_other_files_do_not_pass(tmp_path):
    folder = store.save(make(), tmp_path)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    (folder / "SHA256SUMS").write_text("\n".join(lines[1:]) + "\n")
    assert any("config.json" in problem for problem in store.verify(folder))
    (folder / "SHA256SUMS").write_text("\n".join([*lines, f"{'0' * 64}  ../../etc/passwd"]) + "\n")
    assert any("strange" in problem for problem in store.verify(folder))


def test_names_that_look_like_nothing_stay_names(tmp_path):
    result = make()
    result.predictions["speaker"], result.predictions["true"] = "NA", "None"
    again = store.load(store.save(result, tmp_path))
    pd.testing.assert_frame_equal(again.predictions, result.predictions)


def test_damaged_sums_are_a_problem_and_no_crash(tmp_path):
    folder = store.save(make(), tmp_path)
    (folder / "SHA256SUMS").write_bytes(b"\xff\xfe\x00")
    assert not store.is_done(folder)


def test_folder_without_sums_was_never_completed(tmp_path):
    folder = store.save(make(), tmp_path)
    (folder / "SHA256SUMS").unlink()
    assert not store.is_done(folder)


def test_many_at_once_write_one_run(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: store.save(make(), tmp_path), range(24)))
    assert len(folders) == 1 and [path.name for path in tmp_path.iterdir()] == [folders.pop().name]


def test_killed_half_way_leaves_nothing_under_the_name(tmp_path):
    code = (
        "import os, signal; from sermodules.runs import store; from test_store import make\n"
        "store._write_sums = lambda folder: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"store.save(make(), {str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent)
    assert done.returncode == -9
    run_id = make().config.run_id
    assert not (tmp_path / run_id).exists() and list(tmp_path.iterdir())  # only the hidden staging folder
    assert store.is_done(store.save(make(), tmp_path))


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        store.save(make(), tmp_path / "file")


def test_numbers_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError):
        store.save(make(commit=float("nan")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_from_elsewhere_are_written_as_a_run(tmp_path):
    staged = store.save(make(), tmp_path / "staging")
    config = store.load(staged).config
    files = {path.name: path.read_bytes() for path in staged.iterdir()} | {"run.ipynb": b"{}", "strange": b"x"}
    folder = store.write(files, config, tmp_path / "runs")
    assert store.is_done(folder) and (folder / "run.ipynb").is_file() and not (folder / "strange").exists()
    (folder / "run.ipynb").write_text("[]")  # it is there to be read, and proves nothing
    assert store.is_done(folder) and store.verify(folder) == [] and store.load(folder).config == config
    assert [line.partition(": ")[2] for line in store.notes(folder)] == [
        "run.ipynb is not what was written (nothing else is)"
    ]
    (folder / "run.ipynb").unlink()
    assert store.is_done(folder) and "run.ipynb is missing" in store.notes(folder)[0]
    with pytest.raises(StoreError, match="another run"):
        store.write(files, config.replace(seed=99), tmp_path / "runs")
    del files["history.csv"]
    with pytest.raises(StoreError, match=r"no history\.csv"):
        store.write(files, config, tmp_path / "runs")


def write_many(out):
    """Write four runs: three alike, one of other classes, and one in which a name has a line break; return the results."""
    results = [make(seed=1), make(seed=2, predicted=("happy", "sad")), make(seed=3), make(seed=4)]
    results[1].predictions["utterance"] = ["NA", "a\nb"]
    results[2] = dataclasses.replace(results[2], predictions=results[2].predictions.rename(columns={"sad": "bored"}))
    results[3].history.loc[1] = [2, 1.1, 1.2, 0.75, 0.5]
    return results, [store.save(result, out) for result in results]


def test_many_runs_are_read_as_each_alone(tmp_path):
    results, folders = write_many(tmp_path)
    many = store.load_all(folders)
    for result, one, other in zip(results, map(store.load, folders), many, strict=True):
        assert other.config == one.config == result.config and other.metrics == one.metrics
        for name in ("predictions", "history"):
            pd.testing.assert_frame_equal(getattr(other, name), getattr(result, name))
            pd.testing.assert_frame_equal(getattr(one, name), getattr(result, name))
    (folders[1] / "history.csv").write_text("epoch\n1\n")
    with pytest.raises(StoreError, match=r"history\.csv is not what was written"):
        store.load_all(folders)
    assert store.load_all([]) == []


def test_runs_without_line_breaks_in_names_are_parsed_together(tmp_path, monkeypatch):
    folders = [store.save(make(seed=seed), tmp_path) for seed in range(1, 31)]
    parsed = []
    monkeypatch.setattr(
        pd, "read_csv", lambda *args, real=pd.read_csv, **options: parsed.append(1) or real(*args, **options)
    )
    assert len(store.load_all(folders)) == 30 and len(parsed) == 2


def change(folder):
    (folder / "metrics.json").write_text("{}")


def remove(folder):
    (folder / "metrics.json").unlink()


def remove_sums(folder):
    (folder / store.SUMS).unlink()


def replace(folder):
    (folder / "new").write_text("{}")
    (folder / "new").rename(folder / "metrics.json")


@pytest.mark.parametrize("damage", [change, remove, remove_sums, replace])
def test_what_was_touched_is_told_without_reading(tmp_path, damage):
    folder = store.save(make(), tmp_path)
    assert store.untouched(folder)
    time.sleep(0.02)  # file systems keep times in ticks of up to 10 ms
    damage(folder)
    assert not store.untouched(folder) and not store.is_done(folder)
    assert not store.untouched(tmp_path / "none")


def test_a_copy_is_read_and_is_done(tmp_path):
    folder = store.save(make(), tmp_path / "a")
    time.sleep(0.02)
    copy = shutil.copytree(folder, tmp_path / "b", copy_function=shutil.copyfile)
    (copy / "config.json").touch()
    assert not store.untouched(copy) and store.is_done(copy)
