"""Wrong results without a word, from tables of one's own: spellings, slips, one class, any class, any gender, rare classes."""

import csv
import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import write_tones
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, metrics, models, runs
from sermodules.config import RunConfig
from sermodules.corpora import cells
from sermodules.corpora import table as own
from sermodules.errors import CorpusError, ProtocolError
from sermodules.evidence import report
from sermodules.folds import gender, protocol
from sermodules.models import epochs
from sermodules.runs import store
from sermodules.study import load, published

HEADER = ("utterance", "path", "speaker", "session", "gender", "emotion")


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wavs")
    for number in range(16):
        soundfile.write(folder / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 8000), 16000)
    return folder


def write(folder, rows, header=HEADER):
    path = folder / "own.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def row(number, speaker, emotion=None, gender="f", session=""):
    emotion = ("sad", "happy")[number % 2] if emotion is None else emotion
    return [f"u{number:02d}", f"{number}.wav", speaker, session, gender, emotion]


def problems(path):
    with pytest.raises(CorpusError) as caught:
        own.load(path)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return own.load(path)


# --- one name in two spellings

SPELLINGS = [
    ("ann", "ANN"), ("ann", "Ann"), ("0012", "12"), ("1", "1.0"), ("1", "01.00"), ("0", "00"), ("12", "12."),
    ("Zo\u00eb", "Zoe\u0308"), ("ann lee", "ann  lee"), ("ann lee", "ann\u00a0lee"), ("ann lee", "ann\tlee"),
    ("stra\u00dfe", "STRASSE"), ("ann", "\u200bann"), ("ann", "a\u00adnn"), ("\uff21nn", "ann"), ("12", "\uff11\uff12"),
    ("12", "\u0661\u0662"), ("\ufb01n", "fin"), ("\u03a3\u03c3", "\u03c3\u03c2"), ("\uac00", "\u1100\u1161"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
@pytest.mark.parametrize("column", ["speaker", "session", "emotion"])
def test_one_name_in_two_spellings_is_refused_with_its_lines(wavs, column, one, other):
    rows = [row(n, f"s{n // 2}", session=f"{n // 2}") for n in range(6)]
    place = HEADER.index(column)
    for line, value in ((0, one), (1, one), (2, other), (3, other)):
        rows[line][place] = value
    (problem,) = problems(write(wavs, rows))
    assert problem.startswith(f"line 4: one {column} is written in 2 ways: ")
    assert "(line 2 and 1 more)" in problem and problem.endswith("(lines 4, 5). Write it in one way")


def test_all_spellings_are_named_and_those_that_look_alike_are_told_apart(wavs):
    names = ["Zo\u00eb", "Zoe\u0308", "ZO\u00cb", "bo", "bo", "cy", "cy"]
    assert problems(write(wavs, [row(n, name) for n, name in enumerate(names)])) == [
        "line 3: one speaker is written in 3 ways: 'Zo\\xeb' (line 2) and 'Zoe\\u0308' (line 3) and 'ZO\u00cb' (line 4). Write"
        " it in one way"
    ]


def test_the_rarer_spelling_has_all_its_lines_so_that_one_round_mends_all(wavs):
    names = ["ANN", *["ann"] * 2, "ANN", *["ann"] * 3]
    (problem,) = problems(write(wavs, [row(n, name) for n, name in enumerate(names)]))
    assert problem == (
        "line 2: one speaker is written in 2 ways: 'ann' (line 3 and 4 more) and 'ANN' (lines 2, 5). Write it in one way"
    )


def test_of_very_many_lines_the_rest_is_counted():
    line, text = own._often_first({"'A'": list(range(2, 40)), "'a'": list(range(50, 100))})
    assert line == 2 and text.startswith("'a' (line 50 and 49 more) and 'A' (lines 2, 3, ")
    assert text.endswith(f"{own.SHOWN + 1} and {38 - own.SHOWN} more)")


@pytest.mark.parametrize(
    ("one", "other"),
    [("ann", "anne"), ("12", "120"), ("1", "1.5"), ("1", "-1"), ("s1", "s01"), ("a b", "ab"), ("0", "o"), ("Zoe", "Zo\u00eb"),
     ("1.50", "1.5"), ("a1", "a1.0")],
)  # fmt: skip
def test_other_names_are_other_speakers(wavs, one, other):
    table = quietly(write(wavs, [row(n, (one, other, "third")[n // 2]) for n in range(6)]))
    assert table["speaker"].nunique() == 3


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=8), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), st.sampled_from(["", " "]))
def test_every_form_of_a_name_is_the_same_name(name, form, blank):
    same = cells.same_name(name)
    assert cells.same_name(unicodedata.normalize(form, name)) == same
    assert cells.same_name(blank + name + blank * 2) == same
    assert cells.same_name(same) == same


# --- slips and single classes


def test_a_speaker_with_one_utterance_is_named_by_line_and_n(wavs):
    rows = [row(n, f"s{n // 4}") for n in range(8)]
    rows[2][2] = "s0o"
    with pytest.warns(UserWarning) as caught:
        own.load(write(wavs, rows))
    (message,) = [str(warning.message) for warning in caught]
    assert "1 of 3 speakers have one utterance" in message and "line 4: speaker 's0o', n = 1" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.load(write(wavs, [row(n, f"s{n // 2}") for n in range(8)]))


def test_training_says_of_how_many_utterances_a_validation_score_is(tones, capsys):
    config = RunConfig.create(corpus=tones, preset="smoke", width=1 / 64, conv_layers=1, epochs=1)
    runs.run(config, verbose=True)
    assert "% (n = 8)" in capsys.readouterr().out


def test_one_class_is_refused(wavs):
    path = write(wavs, [row(n, f"s{n // 2}", "angry") for n in range(8)])
    with pytest.raises(CorpusError, match="only one class, angry: at least two are needed"):
        corpora.load(f"table:{path}")
    path = write(wavs, [row(n, f"s{n // 2}", "angry" if n else "calm") for n in range(8)])
    assert corpora.classes(corpora.load(f"table:{path}")) == ["angry", "calm"]


# --- classes named like a column

NAMES = [
    "true",
    "false",
    "predicted",
    "gender",
    "speaker",
    "utterance",
    "run",
    "class:true",
    "emotion",
    "epoch",
    "NA",
    "nan",
]


def test_columns_of_posteriors_are_prefixed_only_where_they_collide():
    assert metrics.posterior_columns(["angry", "calm", "false", "emotion"]) == ["angry", "calm", "false", "emotion"]
    columns = metrics.posterior_columns(NAMES)
    assert len({*columns}) == len(NAMES) and not {*columns} & {"run", *store.TEXTS}


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(["true", "run", "class:", "class:true", "class:class:true", "a"]), min_size=1))
def test_other_classes_have_other_columns(names):
    assert len({*metrics.posterior_columns(sorted(names))}) == len(names)


@pytest.mark.parametrize("classes", [("true", "false"), ("predicted", "gender"), NAMES[:4], NAMES], ids=str)
def test_any_class_is_run_stored_published_and_reported(tmp_path, classes):
    rows = []
    for number, speaker in enumerate("abcd"):
        for place, name in enumerate(classes):
            file = f"{speaker}{place}.wav"
            soundfile.write(tmp_path / file, np.random.default_rng(100 * number + place).normal(0, 0.1, 8000), 16000)
            rows.append([f"{speaker}{place}", file, speaker, "", "f", name])
    path = write(tmp_path, rows)
    file = tmp_path / "s.yaml"
    file.write_text(f"name: t\nsettings: {{corpus: 'table:{path}', preset: smoke}}\n"
                    "grid: {model: [majority, stratified]}\nfolds: all\nseeds: [1]\n")  # fmt: skip
    study = load(file, [1, 2, 3, 4])
    for config in study.configs:
        result = runs.run(config, verbose=False)
        read = store.load(store.save(result, tmp_path / "runs"))
        assert list(read.predictions) == list(result.predictions)
        assert set(read.predictions["true"]) == set(classes) == set(read.metrics["classes"])
        np.testing.assert_allclose(read.predictions[metrics.posterior_columns(read.metrics["classes"])].sum(axis=1), 1)
    published.publish(study, file, tmp_path / "runs", tmp_path / "published")
    assert published.verify(tmp_path / "published") == []
    results = published.load(tmp_path / "published")
    tables = report.tables(results)
    assert len(results) == 8 and all(len(table) for name, table in tables.items() if name == "table1")


# --- gender


def people(*genders):
    names = [f"s{number}" for number in range(len(genders))]
    return pd.DataFrame({"speaker": names, "gender": genders, "session": ""})


@pytest.mark.parametrize(
    ("text", "value"),
    [("f", "female"), ("Woman", "female"), ("W", "female"), ("MALE", "male"), ("man", "male"), ("other", "other"),
     ("non-binary", "other"), ("unknown", "unknown"), ("u", "unknown"), ("", "unknown"), ("NA", "unknown"), ("nan", "unknown")],
)  # fmt: skip
def test_genders(wavs, text, value):
    table = quietly(write(wavs, [row(n, f"s{n // 2}", gender=text) for n in range(6)]))
    assert set(table["gender"]) == {value}
    assert corpora.validate(table)["gender"].tolist() == [value] * 6


@pytest.mark.parametrize("text", ["0", "1", "fmale", "x", "?", "F/M"])
def test_what_is_no_gender_is_refused_with_what_may_be(wavs, text):
    found = problems(write(wavs, [row(n, f"s{n // 2}", gender=text if n < 2 else "f") for n in range(6)]))
    assert (
        found[0] == f"line 2: gender is {text!r}: it must be female, male, other or unknown; an empty cell is unknown"
    )
    assert len(found) == 2


def test_no_column_of_genders_at_all(wavs):
    header = tuple(name for name in HEADER if name != "gender")
    rows = [
        [value for name, value in zip(HEADER, row(n, f"s{n // 2}"), strict=True) if name != "gender"] for n in range(6)
    ]
    path = write(wavs, rows, header)
    assert set(quietly(path)["gender"]) == {"unknown"}
    result = runs.run(RunConfig.create(corpus=f"table:{path}", model="majority", preset="smoke"), verbose=False)
    assert set(result.predictions["gender"]) == {"unknown"}


def test_a_speaker_who_is_once_one_and_once_the_other_is_refused(wavs):
    rows = [row(n, f"s{n // 2}", gender="" if n == 1 else "f") for n in range(6)]
    assert problems(write(wavs, rows)) == [
        "line 3: speaker s0 has 2 genders: 'female' (line 2) and 'unknown' (line 3); a speaker has one"
    ]


SETTINGS = [value for value in RunConfig.__dataclass_fields__["gender"].metadata["choices"] if value != "none"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_needs_two_genders_says_who_has_neither_and_which_setting_would_do(tmp_path, setting):
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    table.loc[table["speaker"] == "A2", "gender"] = "other"
    table.loc[table["speaker"] == "B2", "gender"] = None
    table.to_csv(path, index=False)
    config = RunConfig.create(corpus=f"table:{path}", preset="smoke", gender=setting)
    with pytest.raises(ProtocolError, match=rf"gender='{setting}' .* A2 \(other\), B2 \(unknown\)\. Use gender='none'"):
        runs.prepare(config)
    for model in ("model2", "majority"):
        assert len(runs.prepare(config.replace(gender="none", model=model)).test.table) == 8
    gender.check(setting, people("female", "male"))


def test_a_run_without_gender_takes_any(tmp_path):
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    table["gender"] = table["speaker"].map({"A1": "other", "A2": "unknown", "B1": "f", "B2": "m"})
    table.to_csv(path, index=False)
    size = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none"}
    result = runs.run(RunConfig.create(corpus=f"table:{path}", **size), verbose=False)
    assert set(result.predictions["gender"]) == {"other"}
    assert store.TEXTS[2] == "gender"


def test_speakers_of_other_genders_are_paired_in_order():
    pairs = protocol.partners(people("female", "other", "male", "unknown", "other"))
    assert pairs == {"s0": "s2", "s2": "s0", "s1": "s3", "s3": "s1", "s4": "s0"}
    assert protocol.partners(people(*["unknown"] * 4)) == {"s0": "s1", "s1": "s0", "s2": "s3", "s3": "s2"}
    # women and men as before: whoever is left over gets the next of all
    assert protocol.partners(people("female", "female", "male")) == {"s0": "s2", "s2": "s0", "s1": "s2"}


# --- undersampling


def test_undersampling_says_what_it_leaves():
    labels, classes = np.repeat([0, 1, 2], [500, 400, 24]), ["sad", "happy", "rare"]

    def text(labels):
        return epochs.undersampled(labels, epochs.selection(labels, "undersample", seed=1), classes)

    assert text(labels) == (
        "undersampled: 72 of 924 training segments are learned from, 24 of each class, as many as there are of rare"
    )
    assert text(np.repeat([0, 1], [500, 400])).endswith("600 of 900 training segments are learned from, 300 of each class, "
                                                         "at most 300")  # fmt: skip
    assert text(np.repeat([0, 1], 20)) == "" == epochs.undersampled(labels, np.arange(924), classes)
    with pytest.warns(UserWarning, match="18 of 909 training segments .* 9 of each class, .* too little to learn from"):
        text(np.repeat([0, 1], [900, 9]))


def test_a_run_with_a_rare_class_says_so_and_stores_it(tmp_path, capsys):
    path = write_tones(tmp_path, per_class=3)
    table = pd.read_csv(path)
    table = table[(table["emotion"] != "happy") | table["utterance"].str.endswith("_0")]
    table.to_csv(path, index=False)
    size = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1}
    config = RunConfig.create(corpus=f"table:{path}", class_weight="undersample", **size)
    with pytest.warns(UserWarning, match="too little to learn from: leave the rare class out"):
        result = runs.run(config, verbose=True)
    assert "training segments are learned from" in capsys.readouterr().out
    data = runs.prepare(config)
    left = result.metrics["segments_learned_from"]
    assert left == len(epochs.selection(data.train.labels, "undersample", 1)) < len(data.train.labels)
    plain = runs.run(config.replace(class_weight="none"), verbose=True)
    assert "segments_learned_from" not in plain.metrics and "undersampled" not in capsys.readouterr().out
    assert models.build(config, 4)
