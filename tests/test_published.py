"""Published studies: what goes in comes back, the bytes are the same, and nothing altered passes."""

import dataclasses
import hashlib
import json
import shutil
from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from matplotlib.figure import Figure

from sermodules import files, metrics, study
from sermodules.__main__ import main
from sermodules.config import RunConfig
from sermodules.config.run import _number
from sermodules.errors import SermodulesError, StoreError
from sermodules.evidence import report
from sermodules.paths import project_root
from sermodules.runs import store
from sermodules.study import archive, grid, published, records

FOUR = ("angry", "sad", "happy", "neutral")
OWN = ("calm", "Ärger, leise")
SPEAKERS = [("03", "male"), ("08", "female"), ("NA", "")]


def result(config, classes=FOUR, right=None, **provenance):
    """Return a run in which `right` of the utterances are recognised: as many as the fold's number unless given."""
    name, gender = SPEAKERS[config.fold - 1]
    true = list(classes) * 2
    right = config.fold if right is None else right
    predicted = [label if place < right else classes[0] for place, label in enumerate(true)]
    table = pd.DataFrame({"utterance": [f"{name}-{i}" for i in range(len(true))], "speaker": name, "gender": gender})
    table = table.assign(true=true, predicted=predicted, **dict.fromkeys(classes, 1 / len(classes)))
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1.4, 1.2], "val_loss": [1.4, 10 / 3], "val_uar": [0.25, 1 / 3]})
    scores = metrics.summarise(true, predicted, classes) | {
        "best_epoch": 2, "val_uar": 1 / 3, "test_speaker": name, "validation_speaker": "Z", "parameters": 10,
    }  # fmt: skip
    about = {"commit": "abc", "versions": {"python": "3.11"}, "corpus_digest": "d1", "seconds": {"fit": config.fold}}
    return store.RunResult(config, table, history.assign(val_wa=0.5), scores, about | provenance)


def write(path, **content):
    """Write a study file of two cells, three folds and one seed; what is given goes before that."""
    grid = {"model": ["model2", "model1"]}
    content = {
        "name": "mine",
        "settings": {"preset": "smoke"},
        "grid": grid,
        "folds": [1, 2, 3],
        "seeds": [1],
    } | content
    path.write_text("# why: Ä\n" + yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "mine.yaml")


@pytest.fixture
def plan(source):
    return study.load(source)


@pytest.fixture
def out(tmp_path, plan):
    for config in plan.configs:
        store.save(result(config), tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def folder(tmp_path, plan, source, out):
    published.publish(plan, source, out, tmp_path / "results ä" / "mine")
    return tmp_path / "results ä" / "mine"


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(one, other):
    assert [r.config for r in one] == [r.config for r in other]
    for a, b in zip(one, other, strict=True):
        assert a.metrics == b.metrics and a.provenance == b.provenance
        pd.testing.assert_frame_equal(a.predictions, b.predictions, check_exact=True)
        pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)


def sign(folder):
    """Write SHA256SUMS anew, as one who wants an altered folder to pass would."""
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in archive.FILES]
    (folder / "SHA256SUMS").write_text("".join(sums))


# --- what goes in comes back


def test_round_trip(folder, plan, out, source):
    same(published.load(folder), study.results(plan, out))
    assert published.verify(folder) == [] and published.missing(folder) == []
    assert published.plan(folder) == plan
    assert sorted(bytes_of(folder)) == sorted([*archive.FILES, "SHA256SUMS"])
    assert (folder / "study.yaml").read_bytes() == source.read_bytes()
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]  # nothing else is left


def test_what_the_licence_of_a_corpus_asks_for_is_published_with_its_predictions(tmp_path):
    source = write(tmp_path / "mine.yaml", grid={"corpus": ["cremad", "ravdess", "emodb"]}, folds=[1])
    plan = study.load(source)
    for config in plan.configs:
        store.save(result(config), tmp_path / "runs")
    published.publish(plan, source, tmp_path / "runs", tmp_path / "mine")
    text = (tmp_path / "mine" / "ATTRIBUTION.txt").read_text()
    assert all(words in text for words in ("Open Database License", "Cao H", "CC BY-NC-SA 4.0", "Livingstone"))
    assert "EMO-DB" not in text and published.verify(tmp_path / "mine") == []
    (tmp_path / "mine" / "ATTRIBUTION.txt").write_text(text[: text.index("https://zenodo")])  # RAVDESS's is cut
    assert [problem.split(",")[0] for problem in published.verify(tmp_path / "mine")] == [
        "ATTRIBUTION.txt does not credit the corpus ravdess"
    ]
    (tmp_path / "mine" / "ATTRIBUTION.txt").unlink()
    assert len(published.verify(tmp_path / "mine")) == 2
    published.publish(plan, source, tmp_path / "runs", tmp_path / "mine")
    assert (tmp_path / "mine" / "ATTRIBUTION.txt").read_text() == text


def test_files_are_plain(folder, plan):
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    assert [line["run"] for line in lines] == sorted(config.run_id for config in plan.configs)
    assert lines[0]["config"]["fold"] == 1 and lines[0]["provenance"] == {"seconds": {"fit": 1}}
    common = json.loads((folder / "common.json").read_text())
    shared = {"commit": "abc", "corpus_digest": "d1", "versions": {"python": "3.11"}}
    assert common == {"environments": {lines[0]["environment"]: shared}, "folds": {"synthetic": [1, 2, 3]}}
    table = pd.read_csv(folder / "predictions.csv")
    assert list(table) == ["run", *store.TEXTS, *FOUR] and len(table) == 6 * 8
    assert list(pd.read_csv(folder / "history.csv")["epoch"]) == [1, 2] * 6


def test_tables_of_a_run_come_back_byte_for_byte(folder, out, tmp_path):
    for again in published.load(folder):
        copy, run = store.save(again, tmp_path / "copies"), out / again.config.run_id
        for name in ("predictions.csv", "history.csv", "config.json"):
            assert (copy / name).read_bytes() == (run / name).read_bytes()


def test_report_of_published_runs_is_the_same(folder, plan, out, tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)
    theirs = report.write(published.load(folder), tmp_path / "b", published.plan(folder))
    assert report.write(study.results(plan, out), tmp_path / "a", plan) == theirs
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_corpora_with_other_classes_and_folds(tmp_path):
    other = "table:/somewhere/my own.csv"
    source = write(tmp_path / "mine.yaml", grid={"corpus": [other, "emodb"], "model": ["majority"]}, folds=[1, 2])
    plan = study.load(source)
    plan = study.Study(plan.name, plan.about, tuple(c for c in plan.configs if c.corpus == other or c.fold == 1))
    for config in plan.configs:
        store.save(result(config, OWN if config.corpus == other else FOUR), tmp_path / "runs")
    published.publish(plan, source, tmp_path / "runs", tmp_path / "mine")
    assert published.verify(tmp_path / "mine") == [] and published.plan(tmp_path / "mine") == plan
    same(published.load(tmp_path / "mine"), study.results(plan, tmp_path / "runs"))


def test_values_that_csv_may_spoil(tmp_path, plan, source):
    odd = result(plan.configs[0])
    odd.predictions["utterance"] = ["NA", "", "None", 'a "b"', "c,d", "007", "é\u2028", "1e5"]
    odd.history.loc[0, "val_loss"] = float("nan")
    store.save(odd, tmp_path / "runs")
    published.publish(plan, source, tmp_path / "runs", tmp_path / "mine")
    same(published.load(tmp_path / "mine"), study.results(plan, tmp_path / "runs"))


# --- the same bytes, and merging


def test_the_order_in_which_runs_are_done_and_published_changes_nothing(tmp_path, plan, source, out, folder):
    everything = [result(config) for config in plan.configs]
    for number, order in enumerate(list(permutations(everything))[::239]):
        for one in order:
            store.save(one, tmp_path / f"runs{number}")
            published.publish(plan, source, tmp_path / f"runs{number}", tmp_path / f"results{number}")
        assert bytes_of(tmp_path / f"results{number}") == bytes_of(folder)


def test_runs_are_added_to_those_that_are_published(tmp_path, plan, source, folder, out):
    first, second, target = tmp_path / "first", tmp_path / "second", tmp_path / "mine"
    for config in plan.configs[:4]:
        store.save(result(config), first)
    for config in plan.configs[2:]:
        store.save(result(config, commit="later"), second)
    ids = sorted(config.run_id for config in plan.configs)
    assert published.publish(plan, source, first, target) == sorted(c.run_id for c in plan.configs[:4])
    assert published.missing(target) == list(plan.configs[4:]) and published.verify(target) == []
    assert [r.config for r in published.load(target)] == list(plan.configs[:4])
    assert published.publish(plan, source, second, target) == sorted(c.run_id for c in plan.configs[4:])
    assert published.missing(target) == []
    commits = {r.config: r.provenance["commit"] for r in published.load(target)}
    assert commits == dict(zip(plan.configs, ["abc"] * 4 + ["later"] * 2, strict=True))  # the first stay
    before = bytes_of(target)
    assert published.publish(plan, source, tmp_path / "none", target) == [] and bytes_of(target) == before
    assert [r.config.run_id for r in sorted(published.load(target), key=lambda r: r.config.run_id)] == ids


def test_other_predictions_are_refused_unless_asked_for(tmp_path, plan, source, folder):
    for config in plan.configs[:2]:
        store.save(result(config, right=8), tmp_path / "other")
    store.save(result(plan.configs[2]), tmp_path / "other")
    before = bytes_of(folder)
    with pytest.raises(StoreError) as caught:
        published.publish(plan, source, tmp_path / "other", folder)
    assert all(f"{config.run_id}: published with other predictions" in str(caught.value) for config in plan.configs[:2])
    assert plan.configs[2].run_id not in str(caught.value) and bytes_of(folder) == before
    new = published.publish(plan, source, tmp_path / "other", folder, replace=True)
    assert new == sorted(config.run_id for config in plan.configs[:2])
    assert [r.metrics["uar"] for r in published.load(folder)][:2] == [1, 1] and len(published.load(folder)) == 6


def test_runs_that_left_the_study_are_refused_unless_dropped(tmp_path, plan, out, folder):
    smaller = write(tmp_path / "smaller.yaml", folds=[1])
    before = bytes_of(folder)
    with pytest.raises(StoreError, match=r"fold02.*not a run of the study mine"):
        published.publish(study.load(smaller), smaller, out, folder)
    assert bytes_of(folder) == before
    assert published.publish(study.load(smaller), smaller, out, folder, replace=True) == []
    assert [r.config.fold for r in published.load(folder)] == [1, 1] and published.missing(folder) == []


def test_runs_that_do_not_verify_are_refused(tmp_path, plan, source, out):
    folders = [out / config.run_id for config in plan.configs]
    (folders[0] / "metrics.json").write_text("{}")
    (folders[1] / "history.csv").unlink()
    with pytest.raises(StoreError) as caught:
        published.publish(plan, source, out, tmp_path / "mine")
    assert all(f"{folder.name}: " in str(caught.value) for folder in folders[:2]) and not (tmp_path / "mine").exists()
    assert not list(tmp_path.glob(".mine.*"))


def test_runs_whose_scores_are_not_those_of_the_predictions_are_refused(tmp_path, plan, source):
    wrong = result(plan.configs[0])
    wrong.metrics["uar"] += 1e-6
    store.save(wrong, tmp_path / "runs")
    with pytest.raises(StoreError, match=rf"{wrong.config.run_id}: uar is .*, but the predictions give"):
        published.publish(plan, source, tmp_path / "runs", tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "runs"]


def test_nothing_to_publish_and_the_wrong_file_are_said(tmp_path, plan, source, out):
    with pytest.raises(StoreError, match="no run of the study mine is finished"):
        published.publish(plan, source, tmp_path / "none", tmp_path / "mine")
    other = write(tmp_path / "other.yaml", grid={"model": ["majority"]})
    with pytest.raises(StoreError, match="the study has no such run"):
        published.publish(plan, other, out, tmp_path / "mine")
    larger = write(tmp_path / "larger.yaml", grid={"model": ["model2", "model1", "majority"]})
    with pytest.raises(StoreError, match="the study file does not give the runs of the study mine"):
        published.publish(plan, larger, out, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    with pytest.raises(StoreError, match="cannot publish to"):
        published.publish(plan, source, out, source)
    assert source.read_text(encoding="utf-8").startswith("# why")


def test_other_files_in_the_folder_stay(plan, source, out, folder):
    (folder / "README.md").write_text("mine")
    (folder / "common.json").chmod(0o444)
    published.publish(plan, source, out, folder)
    assert (folder / "README.md").read_text() == "mine" and published.verify(folder) == []


# --- nothing altered passes


@pytest.mark.parametrize("name", archive.FILES)
@pytest.mark.parametrize("how", ["longer", "truncated", "gone"])
def test_altered_files_are_found(folder, name, how):
    data = (folder / name).read_bytes()
    if how == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data + b"\n" if how == "longer" else data[: len(data) // 2])
    [problem] = published.verify(folder)
    assert f"{name} is missing or not what was written" in problem
    for read in (published.load, published.plan, published.missing):
        with pytest.raises(StoreError, match=name):
            read(folder)


def test_half_written_folders_and_damaged_sums(folder, plan, source, out):
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").write_text(sums + f"{'0' * 64}  ../../etc/passwd\n")
    assert "strange files" in published.verify(folder)[0]
    (folder / "SHA256SUMS").write_text("".join(sums.splitlines(keepends=True)[1:]))
    assert "study.yaml" in published.verify(folder)[0]
    (folder / "SHA256SUMS").write_bytes(b"\xff\xfe\x00")
    assert len(published.verify(folder)) == len(archive.FILES)
    (folder / "SHA256SUMS").unlink()
    assert "not a published study, or only a part of one" in published.verify(folder)[0]
    with pytest.raises(StoreError, match="only a part"):
        published.publish(plan, source, out, folder)
    assert "not a published study" in published.verify(folder / "nowhere")[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("predictions.csv", ",sad,angry,", ",sad,sad,", "predictions.csv does not hold what the run wrote"),
        ("predictions.csv", ",sad,angry,", ",sad,sad,", "uar is 0.25, but the predictions give 0.375"),
        ("predictions.csv", "03-1,03,", "03-1,08,", "test_speaker is 03, but the predictions are of 03, 08"),
        ("predictions.csv", ",sad,angry,", ",sad,bored,", "cannot be scored"),
        ("predictions.csv", "0.25000000", "0.25000001", "predictions.csv does not hold what the run wrote"),
        ("history.csv", "0.33333333", "0.43333333", "but the history gives 0.43333333"),
        ("history.csv", "1.40000000", "1.40000001", "history.csv does not hold what the run wrote"),
        ("runs.jsonl", '"fold":1', '"fold":2', "its config is that of"),
        ("runs.jsonl", '"wa":0.25', '"wa":0.26', "wa is 0.26, but the predictions give 0.25"),
        ("runs.jsonl", '"wa":0.25', '"weighted":0.25', "wa is missing"),
        ("runs.jsonl", '"recalls":{"angry":1.0', '"recalls":{"angry":0.9', "recalls is"),
        ("runs.jsonl", '"confusion":[[2', '"confusion":[[3', "confusion is"),
        ("runs.jsonl", '"n":8', '"n":9', "n is 9"),
        ("runs.jsonl", '"covered":["angry",', '"covered":[', "covered is"),
        ("runs.jsonl", '"uar":0.25', '"uar":null', "cannot be scored"),
        ("runs.jsonl", '"best_epoch":2', '"best_epoch":1', "val_uar is"),
        ("runs.jsonl", '"smoke"', '"smokey"', "'preset'"),
        ("runs.jsonl", '"config":', '"konfig":', "KeyError"),
        ("runs.jsonl", '"run":', '"run"', "JSONDecodeError"),
        ("common.json", "abc", "", None),
        ("common.json", '"folds": {', '"folds": [{', "JSONDecodeError"),
        ("common.json", '"environments"', '"surroundings"', "KeyError"),
        ("study.yaml", "model2", "dnn_elm", "the study has no such run"),
        ("study.yaml", "grid:", "grib:", "'grib'"),
    ],
)
def test_alterations_with_new_digests_are_found(folder, name, old, new, words):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert published.verify(folder)
    sign(folder)
    problems = published.verify(folder)
    if words is None:  # a commit can be checked against nothing but the digest
        assert problems == []
    else:
        assert any(words in problem for problem in problems), problems


def test_runs_that_one_file_lacks_or_has_twice_are_found(folder):
    lines = (folder / "runs.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for changed in (lines[1:], [lines[0], *lines]):
        (folder / "runs.jsonl").write_text("".join(changed), encoding="utf-8")
        sign(folder)
        assert "runs.jsonl holds a run twice, or lacks one" in published.verify(folder)[0]
    (folder / "runs.jsonl").write_text("".join(lines), encoding="utf-8")
    table = (folder / "history.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "history.csv").write_text("".join(table[:-2]), encoding="utf-8")
    sign(folder)
    assert "KeyError" in published.verify(folder)[0]


@pytest.mark.parametrize("step", ["mkdir", "copy", "write_bytes", "rename", "second rename"])
def test_a_publication_that_breaks_off_changes_nothing(tmp_path, plan, source, folder, monkeypatch, step):
    for config in plan.configs:
        store.save(result(config, right=8), tmp_path / "other")
    before, calls = bytes_of(folder), []

    def fail(*args, _do=Path.rename, **kwargs):
        calls.append(args)
        if step == "second rename" and len(calls) != 2:
            return _do(*args)
        raise OSError(28, "No space left on device")

    where = files if step == "copy" else Path
    monkeypatch.setattr(where, step.split()[-1], fail)
    with pytest.raises(StoreError, match="No space left on device"):
        published.publish(plan, source, tmp_path / "other", folder, replace=True)
    assert calls
    monkeypatch.undo()
    assert bytes_of(folder) == before and [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_what_a_killed_publication_left_is_mended(plan, source, out, folder):
    (folder.parent / ".mine.abc").mkdir()
    before = bytes_of(folder)
    folder.rename(folder.parent / ".mine.before")  # killed between the two renames
    assert published.publish(plan, source, out, folder) == []
    assert bytes_of(folder) == before and [path.name for path in folder.parent.iterdir()] == ["mine"]


# --- from the command line


def sermodules(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_publish_verify_and_report(tmp_path, source, plan, out, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)
    monkeypatch.setenv("SERMODULES_RUNS", str(tmp_path / "home"))
    folder = tmp_path / "rés ults" / "mine"
    shutil.move(out / plan.configs[0].run_id, tmp_path / "later")
    done = sermodules("study", "publish", source, "--out", out, "--to", folder)
    assert (
        done.exit_code == 0 and "5 runs added; 5 runs, 40 predictions; 1 runs of the study are missing" in done.output
    )
    shutil.move(tmp_path / "later", out / plan.configs[0].run_id)
    shutil.rmtree(out / plan.configs[1].run_id)  # what is published is not needed any more
    done = sermodules("study", "publish", source, "--out", out, "--to", folder)
    assert done.exit_code == 0 and "1 runs added; 6 runs, 48 predictions\n" in done.output
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = bytes_of(folder)
    done = sermodules("study", "verify", folder)
    assert (
        done.exit_code == 0
        and "6 runs, 48 predictions. All digests, run ids and figures were recomputed" in done.output
    )
    done = sermodules("study", "report", folder)
    assert done.exit_code == 0 and "6 of 6 runs" in done.output, done.output
    assert (tmp_path / "home" / "reports" / "mine" / "table1.csv").is_file() and bytes_of(folder) == before
    done = sermodules("study", "report", folder, "--folds", "1,2", "--to", tmp_path / "here")
    assert "4 of 4 runs" in done.output and (tmp_path / "here" / "report.md").is_file()
    folder.chmod(0o755)


def test_problems_end_with_exit_code_1(tmp_path, source, out, plan, folder):
    (folder / "predictions.csv").write_bytes(b"")
    (folder / "history.csv").unlink()
    done = sermodules("study", "verify", folder)
    assert done.exit_code == 1 and "predictions.csv is missing or" in done.output and "history.csv" in done.output
    assert sermodules("study", "verify", tmp_path / "none").exit_code == 1
    assert sermodules("study", "report", folder).exit_code == 1
    shutil.rmtree(folder)
    store.save(result(plan.configs[0], right=8), tmp_path / "other")
    assert sermodules("study", "publish", source, "--out", out, "--to", folder).exit_code == 0
    again = ["study", "publish", source, "--out", tmp_path / "other", "--to", folder]
    assert sermodules(*again).exit_code == 1 and "--replace" in sermodules(*again).output
    done = sermodules(*again, "--replace")
    assert done.exit_code == 0 and "1 runs added" in done.output


def test_nothing_of_iemocap_goes_into_the_project(tmp_path):
    source = write(tmp_path / "s.yaml", settings={"corpus": "iemocap"})
    inside = Path(__file__).parents[1] / "results" / "x"
    for to in ([], ["--to", inside], ["--to", tmp_path / "link" / "x"]):
        (tmp_path / "link").is_symlink() or (tmp_path / "link").symlink_to(inside.parent)
        done = sermodules("study", "publish", source, "--out", tmp_path, *to)
        assert done.exit_code == 1 and "nothing made from IEMOCAP may be passed on" in done.output
    done = sermodules("study", "publish", source, "--out", tmp_path, "--to", tmp_path / "x")
    assert done.exit_code == 1 and "is finished" in done.output


RESULTS = sorted(path.parent for path in (Path(__file__).parents[1] / "results").glob("*/SHA256SUMS"))


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_published_studies_of_the_project_verify(folder):
    assert published.verify(folder) == []


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_a_later_setting_and_a_later_score_change_no_published_run(folder, monkeypatch):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(RunConfig):
        dropout: float = _number(0, 1, default=0.0, doc="share of units left out in training", added=True)

    def summarise(*arguments, before=metrics.summarise):
        return before(*arguments) | {"kappa": 0.5}

    before = {line["run"]: line for line in map(json.loads, (folder / "runs.jsonl").read_text("utf-8").splitlines())}
    for module in (records, grid, store):
        monkeypatch.setattr(module, "RunConfig", Later)
    monkeypatch.setattr(metrics, "summarise", summarise)
    assert published.verify(folder) == []
    runs, plan = published._read(folder)
    assert {result.config.run_id for result, _ in runs.values()} == before.keys()
    texts = {"study.yaml": (folder / "study.yaml").read_bytes()} | records.texts(plan, runs)
    again = archive.contents(texts, folder)  # published again: the same bytes
    assert again == {name: content for name, content in bytes_of(folder).items() if name in again}
    assert archive.present(folder) == sorted(again)
    changed = next(iter(runs.values()))[0].config.replace(dropout=0.5)
    assert changed.run_id not in before and Later.from_json(changed.to_json()) == changed


def test_errors_are_the_users(tmp_path):
    with pytest.raises(SermodulesError):
        published.load(tmp_path)


#: How far the posteriors of a rerun may lie from the published ones where processor or versions differ: floating-point sums
#: are rounded otherwise there, and training makes that grow. Most utterances must still get the same label.
AGREEMENT = 0.7


def _kind(run):
    """What must be the same for the same bytes; a record without the kind of processor never is."""
    machine = run.provenance["machine"]
    return machine.get("processor_kind", run), machine["accelerators"], run.provenance["versions"]


@pytest.mark.slow
def test_two_published_runs_done_again_from_scratch(emodb, tmp_path, monkeypatch):
    from sermodules import runs
    from sermodules.models import reuse

    monkeypatch.setattr(reuse.PREVIOUS, "_last", None)
    folder = project_root() / "results" / "emodb-teaching"
    chosen = [run for run in published.load(folder) if (run.config.model, run.config.gender) == ("model2", "embedding")]
    theirs = {(run.config.fold, run.config.seed): run for run in chosen}
    for fold in (1, 2):  # partners: the second takes the training of the first
        old = theirs[fold, 2]  # seed 1 was run before a run kept the kind of its processor
        runs.run(old.config, tmp_path, verbose=False)
        new = store.load(tmp_path / old.config.run_id)
        assert new.provenance["corpus_digest"] == old.provenance["corpus_digest"]
        keys = ["utterance", "speaker", "gender", "true"]
        pd.testing.assert_frame_equal(new.predictions[keys], old.predictions[keys])
        if _kind(new) == _kind(old):
            pd.testing.assert_frame_equal(new.predictions, old.predictions, check_exact=True)
            pd.testing.assert_frame_equal(new.history, old.history, check_exact=True)
        else:
            assert (new.predictions["predicted"] == old.predictions["predicted"]).mean() >= AGREEMENT
