"""Features of one's own: `svm_vectors` takes a table of vectors through the folds, seeds and report of the other yardsticks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sermodules import corpora, inference, models, runs, study
from sermodules.config import RunConfig
from sermodules.errors import ConfigError, SermodulesError
from sermodules.evidence import report
from sermodules.features import vectors
from sermodules.runs import store

SIZE = 5


@pytest.fixture(scope="module")
def table(tones):
    return corpora.load(tones)


@pytest.fixture(scope="module")
def values(table):
    """Return vectors from which the class can mostly be heard, by utterance."""
    rng = np.random.default_rng(0)
    labels = table["emotion"].astype("category").cat.codes.to_numpy()
    return pd.DataFrame(
        (np.eye(SIZE)[labels] + 0.4 * rng.standard_normal((len(table), SIZE))).astype(np.float32),
        index=table["utterance"],
    )


def write(values, path, form):
    """Write vectors in one of the forms in which they may come."""
    rows = values.rename(columns=str).rename_axis("utterance")
    if form == "npz":
        np.savez(path.with_suffix(".npz"), utterance=values.index.to_numpy(str), vectors=values.to_numpy())
    elif form == "npz by name":
        np.savez(
            path.with_suffix(".npz"),
            **{name: row[None] for name, row in zip(values.index, values.to_numpy(), strict=True)},
        )
    elif form == "csv":
        rows.to_csv(path.with_suffix(".csv"))
    elif form == "csv of files":
        rows.rename_axis("file").rename(index=lambda name: f"{name}.wav").to_csv(path.with_suffix(".csv"))
    elif form == "parquet":
        rows.to_parquet(path.with_suffix(".parquet"))
    else:
        rows.reset_index().to_parquet(path.with_suffix(".parquet"))
    return str(next(path.parent.glob(f"{path.name}.*")))


FORMS = ["npz", "npz by name", "csv", "csv of files", "parquet", "parquet with a column"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_each_utterance_its_vector(tmp_path, table, values, form):
    if "parquet" in form:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    file = write(values.sample(frac=1, random_state=1), tmp_path / "v", form)
    found = vectors.of(table, file)
    assert found.index.tolist() == table["utterance"].tolist() and found.dtypes.eq(np.float32).all()
    np.testing.assert_allclose(found, values, rtol=1e-6)
    few = table[table["speaker"] == "A1"]
    np.testing.assert_allclose(vectors.of(few, file), values.loc[few["utterance"]], rtol=1e-6)


def test_names_that_do_not_match_gaps_and_nan_are_refused_by_name(tmp_path, table, values):
    file = write(
        values.drop(index=["A1_sad_0", "B2_happy_1"]).rename(index={"A2_sad_1": "a2-sad-1"}), tmp_path / "v", "csv"
    )
    with pytest.raises(
        ConfigError, match=r"3 of 32 .* no vector: A1_sad_0, A2_sad_1, B2_happy_1\. .* does not have: a2-sad-1"
    ):
        vectors.of(table, file)
    for number, value in enumerate((np.nan, np.inf)):
        holed = values.copy()
        holed.loc["B1_sad_1"] = value
        for form in ("npz", "csv"):
            file = write(holed, tmp_path / f"h{number}{form}", form)
            with pytest.raises(ConfigError, match="vectors of 1 utterances hold NaN or infinite numbers: B1_sad_1"):
                vectors.of(table, file)
    (tmp_path / "gap.csv").write_text(
        "utterance,a,b\n" + "".join(f"{n},1,{'' if n == 'B1_sad_0' else 2}\n" for n in values.index)
    )
    with pytest.raises(ConfigError, match="NaN or infinite numbers: B1_sad_0"):
        vectors.of(table, str(tmp_path / "gap.csv"))


def test_other_files_are_refused_in_words(tmp_path, values):
    def refused(file, match):
        with pytest.raises(ConfigError, match=match):
            vectors.read(str(file))

    refused("none", "needs the parameter 'vectors'")
    refused(tmp_path / "nothing.npz", "there is no file of vectors")
    (tmp_path / "a.txt").write_text("x")
    refused(tmp_path / "a.txt", r"must end in \.npz, \.parquet, \.csv")
    for ending in ("npz", "parquet", "csv"):
        (tmp_path / f"a.{ending}").write_bytes(b"\0\1damaged")
        refused(tmp_path / f"a.{ending}", "cannot be read|holds no vectors|hold text")
    np.savez(tmp_path / "time.npz", a=np.ones((50, 4)), b=np.ones((60, 4)))
    refused(tmp_path / "time.npz", r"a \(50, 4\).* mean over time first")
    np.savez(tmp_path / "odd.npz", a=np.ones(4), b=np.ones(5))
    refused(tmp_path / "odd.npz", r"b \(5,\)")
    np.savez(tmp_path / "short.npz", utterance=["a", "b"], vectors=np.ones((3, 2)))
    refused(tmp_path / "short.npz", r"\(3, 2\): it must be \(2, size\)")
    np.savez(tmp_path / "text.npz", utterance=["a"], vectors=[["x"]])
    refused(tmp_path / "text.npz", "they must be numbers")
    np.savez(tmp_path / "none.npz")
    refused(tmp_path / "none.npz", "holds no vectors")
    refused(write(pd.concat([values, values[:2]]), tmp_path / "twice", "csv"), "more than once: A1_angry_0, A1_angry_1")
    (tmp_path / "label.csv").write_text("utterance,a,emotion\nx,1,sad\n")
    refused(tmp_path / "label.csv", "these columns hold text: emotion")


def config_of(tones, file, **more):
    return RunConfig.create(corpus=tones, model="svm_vectors", vectors=file, preset="smoke", **more)


def test_a_run_is_the_machine_of_the_yardsticks_on_these_vectors(tmp_path, tones, table, values):
    file = write(values, tmp_path / "v", "npz")
    config = config_of(tones, file, svm_cost=0.1)
    data = runs.prepare(config)
    method = models.build(config, len(data.classes))
    runs.fit(method, data, config, verbose=False)
    result = runs.evaluate(method, data, config, runs.fit(method, data, config, verbose=False))
    train, test = (values.loc[part.table["utterance"]] for part in (data.train, data.test))
    machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=0.1, class_weight="balanced"))
    machine.fit(train.to_numpy(float), data.train.table["emotion"])
    assert result.predictions["predicted"].tolist() == machine.predict(test.to_numpy(float)).tolist()
    assert result.metrics["uar"] > 0.5 and result.metrics["vector_size"] == SIZE
    assert result.metrics["vectors"] == vectors.digest(file) and result.metrics["parameters"] == 6 * (SIZE + 1)
    by_speaker = runs.prepare(config_of(tones, file, standardise="speaker")).test.inputs["functionals"]
    np.testing.assert_allclose(by_speaker.mean(axis=0), 0, atol=1e-5)


def test_a_study_needs_the_file_and_a_report_mixes_no_two(tmp_path, tones, values):
    text = "name: t\nsettings: {{corpus: '{}', preset: smoke{}}}\ngrid: {{model: [svm_vectors]}}\nfolds: [1, 2]\nseeds: [1]\n"
    (tmp_path / "s.yaml").write_text(text.format(tones, ""))
    with pytest.raises(ConfigError, match="needs the parameter 'vectors'"):
        study.load(tmp_path / "s.yaml")
    file = write(values, tmp_path / "v", "npz")
    (tmp_path / "s.yaml").write_text(text.format(tones, f", vectors: '{file}'"))
    plan = study.load(tmp_path / "s.yaml")
    first = runs.run(plan.configs[0], tmp_path / "runs", verbose=False)
    assert store.load(tmp_path / "runs" / plan.configs[0].run_id).config == plan.configs[0]
    write(values + 1, tmp_path / "v", "npz")
    second = runs.run(plan.configs[1], verbose=False)
    with pytest.raises(SermodulesError, match="read different data"):
        report.tables([first, second])


def test_what_it_listens_to(tmp_path):
    assert "vectors" not in RunConfig.create().record()
    for model in ("model2", "svm_egemaps", "majority"):
        with pytest.raises(ConfigError, match=f"'vectors' means nothing to model '{model}'"):
            RunConfig.create(model=model, vectors="v.npz")
    with pytest.raises(ConfigError, match="'level' means nothing to model 'svm_vectors'"):
        RunConfig.create(model="svm_vectors", level="equal")


def test_a_model_is_kept_and_asked_about_recordings_that_have_vectors(tmp_path, tones, table, values):
    file = write(values, tmp_path / "v", "npz")
    config = config_of(tones, file)
    result = runs.run(config, tmp_path / "runs", verbose=False, keep=inference.keep)
    mine = table[table["utterance"].isin(result.predictions["utterance"])]
    answer = inference.load(tmp_path / "runs" / config.run_id).ask(mine["path"].tolist())
    assert answer.utterances["predicted"].tolist() == result.predictions["predicted"].tolist()
