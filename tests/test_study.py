"""Studies and the notebook: the grid, the missing runs, interruptions, failures, and bad parameters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from conftest import FAILING, cache_with_libraries, write_tones, write_uneven

from sermodules import corpora, runs, study
from sermodules.__main__ import main
from sermodules.config import RunConfig, file
from sermodules.errors import ConfigError, CorpusError, ProtocolError, StoreError
from sermodules.runs import store
from sermodules.study import driver

ROOT = Path(__file__).parents[1]
TINY = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none"}


def write(folder, **content):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_grid(tmp_path, tones):
    path = write(
        tmp_path, name="s", about="x", settings={"corpus": tones}, grid={"model": ["model1", "model2"]}, seeds=[1, 2]
    )
    plan = study.load(path)
    assert [(c.seed, c.fold, c.model) for c in plan.configs] == [
        (seed, fold, model) for seed in (1, 2) for fold in (1, 2, 3, 4) for model in ("model1", "model2")
    ]
    assert len(study.load(path, folds=[2], seeds=[7]).configs) == 2
    assert study.load(path, folds=[2], seeds=[7]).configs[0].run_id == plan.configs[2].replace(seed=7).run_id


def test_list_of_grids(tmp_path, tones):
    grid = [{}, {"model": ["model1", "model2"]}, {"model": ["majority"], "gender": ["none"]}]
    settings = {"corpus": tones, "gender": "embedding"}
    plan = study.load(write(tmp_path, name="s", settings=settings, grid=grid, folds=[1], seeds=[1]))
    # the first is model2 too, and stands there once; the grid goes before the settings
    assert [(c.model, c.gender) for c in plan.configs] == [
        ("model2", "embedding"), ("model1", "embedding"), ("majority", "none"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"nmae": "x"}, ["unknown key 'nmae'"]),
        ({"name": "a/b"}, ["'name'", "letters"]),
        ({"grid": {"model": "model1"}}, ["'grid'", "lists"]),
        ({"grid": {"model": ["model9"]}}, ["'model'", "'model9'"]),
        ({"settings": {"modell": "model1"}}, ["'modell'", "did you mean"]),
        ({"settings": {"fold": 1}}, ["'fold'", "'folds'"]),
        ({"settings": {"keep_model": True}}, ["'keep_model' is a key of the study", "a line of its own"]),
        ({"grid": {"seeds": [1, 2]}}, ["'seeds' is a key of the study"]),
        ({"preset": "smoke"}, ["unknown key 'preset'", "stands under 'settings'"]),
        ({"seed": 1}, ["unknown key 'seed'", "Use the key 'seeds'"]),
        ({"grid": [{"width": [1]}, 2]}, ["'grid'", "lists"]),
        ({"grid": {"threads": [1, 2]}}, ["'threads'", "'settings'"]),
        ({"settings": {"gender": None}}, ["'gender' is empty", "none"]),
        ({"grid": {"gender": ["embedding", None]}}, ["'gender' is empty", "none"]),
        ({"grid": [{"model": ["majority"], "gender": ["embedding"]}]}, ["'gender' means nothing to model 'majority'"]),
        ({"folds": [0]}, ["'folds'"]),
        ({"folds": [1, 1]}, ["'folds'", "different"]),
        ({"seeds": ["1"]}, ["'seeds'"]),
        ({"seeds": None}, ["'seeds'"]),
        ({"seeds": [True]}, ["'seeds'"]),
    ],
)
def test_wrong_study_files_are_refused(tmp_path, content, words):
    path = write(tmp_path, **({"name": "s", "folds": [1], "seeds": [1]} | content))
    with pytest.raises(ConfigError) as caught:
        study.load(path)
    assert str(path) in str(caught.value) and all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "settings", ["{corpus: emodb, classes: a=b+c,angry,sad, gender: none}", "{gender: none, classes: a=b+c,angry,sad}"]
)
def test_what_a_comma_cuts_within_braces_is_shown_in_quotation_marks(tmp_path, settings):
    (tmp_path / "s.yaml").write_text(f"name: s\nsettings: {settings}\nfolds: [1]\nseeds: [1]\n")
    with pytest.raises(ConfigError, match=r"no parameter 'angry'.* classes: \"a=b\+c,angry,sad\"$"):
        study.load(tmp_path / "s.yaml")


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "!!python/object/apply:os.system ['true']", "\0"])
def test_files_that_are_no_study(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"s\.yaml"):
        study.load(tmp_path / "s.yaml")
    with pytest.raises(ConfigError, match=r"^(?!.*unicode string)"):
        study.load(tmp_path / "s.yaml")
    with pytest.raises(ConfigError, match=r"there is no study file none\.yaml in"):
        study.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_study_files_of_the_project_can_be_read(path):
    plan = study.load(path, folds=list(range(1, 11)))
    assert plan.name == path.stem and plan.about
    of_all = {(config.corpus, config.preset) for config in plan.configs}
    expected = {
        "quick": ({("synthetic", "smoke")}, 20),
        "emodb": ({("emodb", "paper")}, 100),
        "iemocap": ({("iemocap", "paper")}, 100),
        "iemocap-gender": ({("iemocap", "paper")}, 50 * 6),
        "iemocap-baselines": ({("iemocap", "paper")}, 50 * 7),
        "emodb-teaching": ({("emodb", "teaching")}, 200),
        "cremad-teaching": ({("cremad", "teaching")}, 4 * 50),
        "cremad-beside": ({("cremad", "teaching")}, 9 * 20),
        "comparison": ({("emodb", "teaching")}, 50 * 18),
        "acrnn-code": ({("emodb", "teaching")}, 10 * 7 * 5),
        "voices": ({("cremad", "teaching")}, 10 * 5),
        "width": ({("emodb", "teaching")}, 10 * 4 * 3),
        "precision": ({("emodb", "teaching")}, 50 * 2),
        "layer-start": ({("emodb", "teaching")}, 100),
        "pitch-floor": ({("emodb", "teaching")}, 100),
        "svm-level": ({("emodb", "paper")}, 40),
        "svm-level-cremad": ({("cremad", "paper")}, 40),
        "readings": ({("emodb", "teaching")}, 50 * 24),
        "gender-controls": (
            {("synthetic-gender-irrelevant", "smoke"), ("synthetic-gender-decisive", "smoke")}, 20 * 6,
        ),
    }  # fmt: skip
    assert expected[path.stem] == (of_all, len(plan.configs))


def test_readings_vary_one_switch_at_a_time():
    base, *others = {
        config.replace(fold=1, seed=1): None for config in study.load(ROOT / "studies/readings.yaml", [1]).configs
    }
    assert base == RunConfig.create(corpus="emodb", preset="teaching", model="model2", anneal_above=0)
    for config in others:
        changed = {name for name, value in config.to_dict().items() if value != getattr(base, name)}
        assert len(changed) == 1 or changed == {"epochs", "patience"}


def test_all_folds_need_the_corpus(tmp_path):
    path = write(tmp_path, name="s", settings={"corpus": f"table:{tmp_path}/none.csv"}, seeds=[1])
    with pytest.raises(CorpusError, match=r"none\.csv"):
        study.load(path)


@pytest.fixture
def half_done(tmp_path):
    """Return the file of a study of four speakers of whom two are done, its folder of runs, and its table."""
    table = write_tones(tmp_path / "tones")
    settings = {"corpus": f"table:{table}", "preset": "smoke", "model": "majority"}
    path = write(tmp_path, name="s", settings=settings, folds="all", seeds=[1])
    for config in study.load(path, folds=[1, 2]).configs:
        runs.run(config, tmp_path / "runs", verbose=False)
    return path, tmp_path / "runs", table


def lose(table):
    table.unlink()


def break_a_row(table):
    table.write_text(table.read_text() + "more\n")


def lose_a_recording(table):
    next(table.parent.glob("*.wav")).unlink()


def ask(*arguments):
    told = CliRunner().invoke(main, ["study", *map(str, arguments)])
    return told.exit_code, told.output


@pytest.mark.parametrize("spoil", [lose, break_a_row, lose_a_recording])
def test_a_study_whose_corpus_cannot_be_read_never_looks_finished(half_done, tmp_path, spoil):
    path, out, table = half_done
    where = ("--out", out)
    assert "2 of 4 runs are done" in ask("status", path, *where)[1]
    spoil(table)
    code, told = ask("status", path, *where)
    assert code == 0 and "2 runs are done. How many there should be, nobody can tell:" in told and str(table) in told
    assert "2 of 2" not in told and "runs" not in study.status(study.load(path, out=out), out)
    code, told = ask("report", path, *where, "--plain")
    assert code == 0 and "**Nobody can tell whether the study is complete**" in told and str(table) in told
    assert "\n2 runs: " in told and "2 of 2" not in told
    assert ask("report", path, *where, "--plain")[0] == 0  # what could not tell either is replaced
    for command in ("status", "report"):
        code, told = ask(command, path, "--out", tmp_path / "empty")
        assert code == 1 and str(table) in told and "0 of 0" not in told
    code, told = ask("publish", path, *where, "--to", tmp_path / "published")
    assert code == 1 and str(table) in told and not (tmp_path / "published").exists()


def test_a_report_that_knows_what_is_missing_is_not_replaced_by_one_that_does_not(half_done, tmp_path):
    path, out, table = half_done
    folder = out / "reports" / "s-plain"
    assert ask("report", path, "--out", out, "--plain")[0] == 0
    stored = {file.name: file.read_bytes() for file in folder.iterdir()}
    lose(table)
    code, told = ask("report", path, "--out", out, "--plain")
    assert code == 1 and f"{folder / 'report.md'} is kept" in told and str(table) in told and "--to" in told
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == stored
    code, told = ask("report", path, "--out", out, "--plain", "--to", tmp_path / "other")
    assert code == 0 and "Nobody can tell" in (tmp_path / "other" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("division", [{}, {"validation": "next"}])
def test_a_fold_that_does_not_exist_is_refused_before_a_worker_starts(tmp_path, tones, monkeypatch, division):
    monkeypatch.setattr(driver, "_crew", lambda *arguments: pytest.fail("a worker was started"))
    settings = {"corpus": tones, "preset": "smoke", "model": "majority"} | division
    plan = study.load(write(tmp_path, name="s", settings=settings, folds=[1, 6], seeds=[1]))
    with pytest.raises(ProtocolError, match=r"fold 6 does not exist: .* so "):
        study.run(plan, tmp_path / "runs", tell=lambda line: None)


def test_status_counts_a_run_as_the_study_does(half_done):
    path, out, _ = half_done
    path.write_text(path.read_text() + "keep_model: true\n")
    plan = study.load(path, out=out)
    assert study.status(plan, out)["done"].tolist() == [0] and len(study.results(plan, out)) == 2


def sermodules(*arguments, **kwargs):
    command = [sys.executable, "-m", "sermodules", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


def test_study_from_the_command_line(tmp_path):
    settings = {"corpus": write_uneven(tmp_path / "corpus"), **TINY, **FAILING}
    path = write(tmp_path, name="s", settings=settings, folds=[1, 3, 4], seeds=[1])
    out = tmp_path / "runs with space"
    first = sermodules("study", "run", path, "--out", out)
    assert first.returncode == 1 and "[3/3]" in first.stdout
    assert (
        "FAILED, ProtocolError: gender='predicted' needs women and men" in first.stdout
        and "1 of 3 runs failed" in first.stderr
    )
    assert {path.suffix for path in (out / "failed").iterdir()} == {".json", ".ipynb"}
    plan = study.load(path)
    finished = study.done(plan, out)
    assert [config.fold for config in finished] == [3, 4]
    folder = finished[plan.configs[1]]
    assert (folder / "run.ipynb").is_file()
    # the same bytes from a script
    runs.run(plan.configs[1], tmp_path / "script", verbose=False)
    assert (folder / "predictions.csv").read_bytes() == (
        tmp_path / "script" / folder.name / "predictions.csv"
    ).read_bytes()
    # nothing is done twice, and nothing but runs is left
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = sermodules("study", "run", path, "--out", out, "--folds", "3,4")
    assert again.returncode == 0 and "2 runs, 2 done before" in again.stdout
    assert before == {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) == sorted(
        ["failed", "study.log", *(config.run_id for config in finished)]
    )
    status = sermodules("study", "status", path, "--out", out)
    assert status.returncode == 0 and "2 of 3 runs are done" in status.stdout
    report = sermodules("study", "report", path, "--out", out)
    assert report.returncode == 0 and "2 of 3 runs" in report.stdout and "Table 4" in report.stdout
    assert (out / "reports" / "s" / "table1.csv").is_file()
    # an altered run is neither used nor overwritten
    (folder / "metrics.json").write_text("{}")
    altered = sermodules("study", "run", path, "--out", out, "--folds", "3")
    assert altered.returncode == 1 and "metrics.json is not what was written" in altered.stderr
    assert "Traceback" not in altered.stderr


def test_relative_paths_mean_the_same_in_every_run(tmp_path):
    corpus = write_tones(tmp_path / "corpus")
    settings = {"corpus": f"table:corpus/{corpus.name}", **TINY}
    path = write(tmp_path, name="s", settings=settings, folds=[1], seeds=[1])
    cache_with_libraries(tmp_path / "cache")
    environment = os.environ | {"SERMODULES_CACHE": "cache"}
    done = sermodules("study", "run", path.name, "--out", "runs", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["features", "libraries", "samples"]
    # other labels: the run is not passed off as one of the corpus that is there now
    text = corpus.read_text()
    corpus.write_text(text.replace("A2,A,male", "A2,A,female"))
    again = sermodules("study", "run", path.name, "--out", "runs", cwd=tmp_path, env=environment)
    assert again.returncode == 1 and "other recordings or labels" in again.stderr and "Traceback" not in again.stderr
    # and without the corpus there is still a report
    corpus.unlink()
    path.write_text(path.read_text().replace("folds:\n- 1\n", "folds: all\n"))
    assert "folds: all" in path.read_text()
    report = sermodules("study", "report", path.name, "--out", "runs", cwd=tmp_path, env=environment)
    assert report.returncode == 0 and "Nobody can tell whether the study is complete" in report.stdout, report.stderr
    assert "\n1 runs" in report.stdout and "1 of 1" not in report.stdout


def test_second_driver_is_turned_away(tmp_path, tones):
    from filelock import FileLock

    path = write(tmp_path, name="s", settings={"corpus": tones, **TINY}, folds=[1], seeds=[1])
    with FileLock(tmp_path / ".study.lock"), pytest.raises(StoreError, match="another study is running"):
        study.run(study.load(path), tmp_path)


def test_bad_audio_ends_a_study_before_training(tmp_path):
    corpus = write_tones(tmp_path / "corpus")
    (tmp_path / "corpus" / "A1_sad_0.wav").write_bytes(b"RIFF")
    (tmp_path / "corpus" / "B2_sad_1.wav").write_bytes(b"")
    path = write(tmp_path, name="s", settings={"corpus": f"table:{corpus}", **TINY}, folds=[1], seeds=[1])
    done = sermodules("study", "run", path, "--out", tmp_path / "runs")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "A1_sad_0.wav" in done.stderr and "B2_sad_1.wav" in done.stderr


def papermill(tmp_path, *parameters):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(ROOT / "book" / "one_fold.ipynb")]
    arguments = [item for name, value in parameters for item in ("-p", name, str(value))]
    return subprocess.run(
        [*command, str(tmp_path / "out.ipynb"), *arguments], capture_output=True, text=True, cwd=tmp_path
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("corpus", "emobd", "Did you mean 'emodb'"),
        ("modell", "model1", "'modell' (did you mean 'model'?)"),
        ("fold", "one", "'fold' is 'one'"),
        ("preset", "big", "paper"),
    ],
)
def test_bad_parameters_are_refused_by_name(tmp_path, name, value, words):
    done = papermill(tmp_path, (name, value))
    assert done.returncode != 0 and "ConfigError" in done.stderr and words in done.stderr


def test_one_run_by_papermill_alone(tmp_path, tones):
    settings = {"corpus": tones, "fold": 2, "seed": 3, **TINY}
    done = papermill(tmp_path, *settings.items(), ("out", "here"))
    assert done.returncode == 0, done.stderr
    config = RunConfig.create(**settings)
    result = store.load(tmp_path / "here" / config.run_id)
    assert result.config == config and result.metrics["test_speaker"] == "A2"


def test_notebook_offers_every_parameter_and_has_no_outputs():
    notebook = json.loads((ROOT / "book" / "one_fold.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert len(cells) == 1
    offered = {line.split(" =")[0] for line in cells[0]["source"] if " = " in line}
    assert offered == {*RunConfig.create().to_dict(), "out", "keep_model"}
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])


def test_a_baseline_runs_through_the_same_notebook_and_report(tmp_path, tones):
    settings = {"corpus": tones, "preset": "smoke"}
    path = write(tmp_path, name="s", settings=settings, grid={"model": ["majority"]}, folds=[1, 2, 3], seeds=[1])
    out = tmp_path / "runs"
    ran = sermodules("study", "run", path, "--out", out)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    folder = out / study.load(path).configs[0].run_id
    assert json.loads((folder / "metrics.json").read_text())["uar"] == 0.25
    assert "stderr" not in (folder / "run.ipynb").read_text()
    reported = sermodules("study", "report", path, "--out", out)
    assert "Majority class" in reported.stdout and "## Claims ledger" in reported.stdout


def test_the_papers_own_claims_from_the_command_line():
    told = sermodules("claims")
    assert told.returncode == 0 and "**supported**" in told.stdout and "cannot tell" in told.stdout


STUDY_TEXT = """\
name: twice
settings: {corpus: synthetic, preset: smoke}
grid:
  model: [model1, model2]
folds: [1]
seeds: [1]
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("folds: [1]", "grid:\n  gender: [none]\nfolds: [1]", "the key 'grid' stands in the lines 3, 5"),
        ("smoke}", "smoke, preset: paper}", "the key 'preset' stands in the lines 2, 2"),
        (
            "  model: [model1, model2]",
            "  - {model: [model1], model: [model2]}",
            "the key 'model' stands in the lines 4, 4",
        ),
        ("smoke}", 'smoke, "preset": paper}', "the key 'preset'"),
        ("folds: [1]", "folds: [010]", "line 5: 010 is one number"),
        ("seeds: [1]", "seeds: [1, 0o10]", "line 6: 0o10 is one number"),
        ("seeds: [1]", "seeds: [1_000]", "line 6: 1_000 is one number"),
        ("seeds: [1]", "seeds: [1:30]", "line 6: 1:30 is one number"),
        ("seeds: [1]", "seeds: [0b11]", "line 6: 0b11 is one number"),
        ("smoke}", "smoke, learning_rate: 1_0.5e-3}", "line 2: 1_0.5e-3 is one number"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_its_line(tmp_path, old, new, words):
    path = tmp_path / "twice.yaml"
    path.write_text(STUDY_TEXT)
    assert len(study.load(path).configs) == 2
    assert old in STUDY_TEXT
    path.write_text(STUDY_TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        study.load(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2", "the key 'seed' stands in the lines 2, 3"),
        ("fold: 010", "line 2: 010 is one number"),
        ("seed: &a 1\nfold: *a", "an alias"),
    ],
)
def test_so_are_the_settings_of_one_run(tmp_path, text, words):
    path = tmp_path / "one.yaml"
    path.write_text(f"corpus: synthetic\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        file.read(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["010", "1_0", "0o10", "1:30"])
def test_so_is_a_setting_that_is_typed(text):
    """Papermill takes 010 for 10, PyYAML for 8."""
    with pytest.raises(ConfigError, match=f"parameter 'fold': {text} is one number"):
        file.read(given=[("fold", text)])


@pytest.mark.parametrize(
    "about", ["'010'", '"1:30"', "from 1_000 to 0o10", "2026-11-29", "0x10", "0.5", "1.0e-3", "-0.25", "0"]
)
def test_what_has_one_meaning_is_read(tmp_path, about):
    path = tmp_path / "once.yaml"
    path.write_text(STUDY_TEXT + f"about: {about}\n")
    assert len(study.load(path).configs) == 2


def test_a_corpus_is_read_once_for_all_of_its_runs(monkeypatch, tones):
    read = []
    load = corpora.load
    monkeypatch.setattr(corpora, "load", lambda **reading: read.append(reading["name"]) or load(**reading))
    configs = [RunConfig.create(corpus=tones, seed=seed, **TINY) for seed in range(5)]
    assert len(driver._tables(configs)) == 1 and read == [tones]
