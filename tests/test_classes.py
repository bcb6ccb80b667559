"""The setting `classes`: which labels become which classes, for any corpus, in one line of text."""

import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import write_tones
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, runs
from sermodules.__main__ import main
from sermodules.config import RunConfig, classes
from sermodules.corpora.cells import same_name
from sermodules.errors import ConfigError


def test_merging_and_choosing_in_a_table(tones):
    every = corpora.load(tones)
    table = corpora.load(tones, classes="up=happy+angry, sad")
    assert corpora.classes(table) == ["sad", "up"]
    for name, labels in (("up", ["happy", "angry"]), ("sad", ["sad"])):
        assert set(table.loc[table["emotion"] == name, "utterance"]) == set(
            every.loc[every["emotion"].isin(labels), "utterance"]
        )


def test_a_built_in_corpus_is_asked_for_all_its_labels():
    table = corpora.load("synthetic", classes="happy=happy+excited,angry")
    assert table.equals(
        corpora.load("synthetic", emotions="all")
        .query("emotion in ('happy', 'excited', 'angry')")
        .assign(emotion=lambda rows: rows["emotion"].replace("excited", "happy"))
        .reset_index(drop=True)
    )
    merged = corpora.load("synthetic", classes="happy=happy+excited,angry,sad,neutral")
    assert merged.equals(corpora.load("synthetic", merge_excited=True))
    assert corpora.load("synthetic", classes="angry,sad,happy,neutral").equals(corpora.load("synthetic"))


@pytest.mark.parametrize("text", ["angry,sad,nosuch", "up=angry+nosuch,sad"])
def test_a_label_that_is_not_there_is_named_beside_those_that_are(tones, text):
    with pytest.raises(
        ConfigError, match=r"'nosuch', which .* does not have\. Its labels are angry \(8\), happy \(8\)"
    ):
        corpora.load(tones, classes=text)


@pytest.mark.parametrize(
    "text",
    [
        "angry",
        "angry,,sad",
        "a+b,c",
        "x=,y",
        "=a,b",
        "x=a=b,c",
        "a,a",
        "x=a,x=b",
        "x=a+b,b",
        "x=a+a,b",
        "x=a,a",
        ",",
        "+,=",
    ],
)
def test_what_is_no_choice_is_refused(text):
    with pytest.raises(ConfigError, match="parameter 'classes' is"):
        RunConfig.create(classes=text)


def test_equal_choices_are_one_run():
    ids = {
        RunConfig.create(classes=text).run_id
        for text in ("happy=happy+excited,angry", "angry , happy = excited + happy", "angry=angry,happy=happy+excited")
    }
    assert len(ids) == 1 and RunConfig.create().run_id not in ids
    assert RunConfig.create(classes="emotions") == RunConfig.create()


def test_it_goes_with_no_other_choice(tones):
    for more in ({"emotions": "all"}, {"merge_excited": True}):
        with pytest.raises(ConfigError, match="chooses and merges by itself"):
            RunConfig.create(classes="a,b", **more)
        with pytest.raises(ConfigError, match="chooses and merges by itself"):
            corpora.load("synthetic", classes="angry,sad", **more)


def test_spellings_of_unicode_are_one_label(tmp_path):
    path = write_tones(tmp_path)
    table = pd.read_csv(path)
    table["emotion"] = table["emotion"].replace({"sad": "Wu\u0308t", "happy": "\u5e78\u305b"})
    table.to_csv(path, index=False)
    found = corpora.load(f"table:{path}", classes="W\u00fct,\u5e78\u305b")
    assert corpora.classes(found) == ["W\u00fct", "\u5e78\u305b"] and len(found) == 16


def test_a_run_and_the_check(tones):
    config = RunConfig.create(corpus=tones, model="majority", preset="smoke", classes="up=happy+angry,sad")
    result = runs.run(config, verbose=False)
    assert result.metrics["classes"] == ["sad", "up"] and set(result.predictions["predicted"]) == {"up"}
    done = CliRunner().invoke(main, ["corpora", "check", tones, "--classes", "up=happy+angry,sad"])
    assert done.exit_code == 0 and "24 utterances" in done.output and "up" in done.output


name = st.text(st.characters(codec="utf-8", exclude_characters=",=+\0", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cs")),
               min_size=1, max_size=5)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(name, min_size=2, max_size=6, unique_by=same_name), st.randoms())
def test_any_names_can_be_chosen_and_the_canonical_form_says_the_same(names, random):
    half = max(1, len(names) // 2)
    parts = [f"all={'+'.join(names[:half])}", *names[half:]]
    if "all" in names[half:]:
        return
    again = parts[:]
    random.shuffle(again)
    once = classes.canonical(",".join(parts))
    assert classes.canonical(" , ".join(again)) == once == classes.canonical(once)
    assert {*classes.parse(once)["all"]} == {
        *classes.parse(classes.canonical(parts[0] + "," + ",".join(parts[1:])))["all"]
    }
