import hashlib
import itertools
import re
import warnings

import numpy as np
import pandas as pd
import parselmouth
import pytest
import soundfile
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sermodules import corpora
from sermodules.corpora import synthetic
from sermodules.errors import ConfigError, CorpusError

SPEAKERS = ["Ses01F", "Ses01M", "Ses04F", "Ses04M"]
FOUR = list(synthetic.CODES.values())


def labelled(table):
    return table[table["code"].isin(FOUR) & ~table["dialog"].str.contains("script")]


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def chosen():
    """Return two turns of each class of four speakers, and what the loader must skip in session 1."""
    table = synthetic.plan()
    table = table[table["speaker"].isin(SPEAKERS)]
    some = labelled(table).groupby(["speaker", "code"]).head(2)
    others = table[(table["session"] == "Ses01") & ~table["utterance"].isin(labelled(table)["utterance"])]
    return pd.concat([some, others]).sort_values("utterance", ignore_index=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, chosen):
    return synthetic.make(tmp_path_factory.mktemp("made") / "synthetic", turns=chosen["utterance"], workers=2)


@pytest.fixture(scope="module")
def measured(corpus, chosen):
    """Return the planned turns beside what Praat measures in their recordings."""
    rows = []
    for turn in chosen.itertuples():
        path = corpus / f"Session{turn.session[-1]}" / "sentences" / "wav" / turn.dialog / f"{turn.utterance}.wav"
        sound = parselmouth.Sound(str(path))
        pitch = sound.to_pitch(0.01, turn.median * 0.5, turn.median * 2.2).selected_array["frequency"]
        power = np.abs(np.fft.rfft(sound.values[0])) ** 2
        frequency = np.fft.rfftfreq(sound.n_samples, 1 / sound.sampling_frequency)
        octaves = 2 ** np.arange(7.5, 13.1)
        bands = [power[(frequency >= a) & (frequency < b)].sum() for a, b in itertools.pairwise(octaves)]
        rows.append({"f0": np.median(pitch[pitch > 0]), "falloff": np.polyfit(range(5), 10 * np.log10(bands), 1)[0]})
    return pd.concat([chosen, pd.DataFrame(rows)], axis=1)


# What is planned: labels, names and cues.


@pytest.mark.parametrize("variant", synthetic.VARIANTS)
def test_plan_has_ten_speakers_with_every_class(variant):
    table = labelled(synthetic.plan(variant))
    counts = table.groupby(["speaker", "code"]).size().unstack(fill_value=0)
    assert list(counts.index) == [f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM"]
    assert counts.min().min() >= 2
    assert 195 <= len(table) <= 205


def test_class_imbalance_is_iemocaps():
    share = labelled(synthetic.plan())["code"].value_counts(normalize=True)
    for code, count in {"ang": 289, "hap": 284, "sad": 608, "neu": 1099}.items():
        assert share[code] == pytest.approx(count / 2280, abs=0.006), code


@pytest.mark.parametrize("variant", synthetic.VARIANTS[1:])
def test_gender_says_nothing_about_the_class(variant):
    for table in (synthetic.plan(variant), labelled(synthetic.plan(variant))):
        counts = table.groupby(["gender", "code"]).size().unstack()
        assert (counts.loc["female"] == counts.loc["male"]).all()


def test_names_have_iemocaps_traps():
    table = synthetic.plan()
    name = re.compile(r"(Ses0[1-5])[FM]_(?:impro0\d[ab]?|script0\d_\d[ab]?)_([FM])\d{3}")
    parts = table["utterance"].map(lambda utterance: name.fullmatch(utterance).groups())
    assert [a + b for a, b in parts] == table["speaker"].tolist()
    assert table["utterance"].is_unique
    agree = (table["utterance"].str[5] == table["speaker"].str[5]).mean()
    assert 0.4 < agree < 0.6
    assert table["dialog"].str.contains(r"impro\d\d[ab]$").any()
    assert table["dialog"].str.contains(r"script\d\d_\d[ab]$").any()
    assert {"exc", "fru", "xxx"} <= set(table["code"])


def test_nobody_says_the_same_twice():
    table = synthetic.plan()
    assert not table.duplicated(["speaker", "text"]).any()
    assert len(set(synthetic.TEXTS)) == len(synthetic.TEXTS) >= 36


def test_the_seed_decides_the_plan():
    assert synthetic.plan(seed=3).equals(synthetic.plan(seed=3))
    same = synthetic.plan(seed=3)[["pitch", "tilt", "median"]] == synthetic.plan(seed=4)[["pitch", "tilt", "median"]]
    assert not same.to_numpy().any()


def test_gender_variants_differ_only_in_the_cues_of_the_males():
    irrelevant, decisive = (synthetic.plan(variant) for variant in synthetic.VARIANTS[1:])
    heard = ["pattern", *synthetic.CUE_NAMES]
    assert irrelevant.drop(columns=heard).equals(decisive.drop(columns=heard))
    female = irrelevant["gender"] == "female"
    assert irrelevant[female].equals(decisive[female])
    assert (irrelevant[~female]["pattern"].map(synthetic.FLIPPED) == decisive[~female]["pattern"]).all()


def test_voices_of_the_gender_variants_do_not_tell_the_gender():
    voices = synthetic.plan(synthetic.VARIANTS[2]).drop_duplicates("speaker").set_index(["session", "gender"])
    assert (voices["voice"].unstack()["female"] == voices["voice"].unstack()["male"]).all()
    for name, step in (("median", 12 * np.log2(180 / 140)), ("formants", 12 * np.log2(1.15 / 1.05))):
        distance = 12 * np.log2(voices[name].unstack()).diff(axis=1)["male"].abs()
        assert (distance < 0.2 * step).all()  # neighbours among ten: two tenths of the range at most


# Whether the classes can be told apart, from the cues that a perfect ear would hear.


def uar(variant, gender, seeds=3):
    """Return the UAR of an LDA, trained without the test speaker's session, mean over the corpora of some seeds."""
    scores = []
    for seed in range(seeds):
        table = labelled(synthetic.plan(variant, seed))
        cues = table[list(synthetic.CUE_NAMES)].to_numpy()
        if gender:
            sign = np.where(table["gender"] == "female", 1, -1)[:, None]
            cues = np.hstack([cues, sign, sign * cues])
        model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(priors=[0.25] * 4))
        predicted = table["code"].copy()
        for speaker, rows in table.groupby("speaker"):
            train = (table["session"] != speaker[:5]).to_numpy()
            model.fit(cues[train], table["code"][train])
            predicted[rows.index] = model.predict(cues[(table["speaker"] == speaker).to_numpy()])
        scores.append(recall_score(table["code"], predicted, average="macro"))
    return np.mean(scores)


def test_classes_overlap():
    assert 0.75 < uar("synthetic", gender=False) < 0.95


def test_gender_adds_nothing_where_it_is_irrelevant():
    without, given = (uar("synthetic-gender-irrelevant", gender) for gender in (False, True))
    assert without > 0.75
    assert given == pytest.approx(without, abs=0.03)


def test_gender_decides_where_it_is_decisive():
    without, given = (uar("synthetic-gender-decisive", gender) for gender in (False, True))
    assert without < 0.5
    assert given == pytest.approx(uar("synthetic-gender-irrelevant", gender=True), abs=0.05)
    assert given > 0.75


# What lies on disk.


def test_the_iemocap_loader_reads_it(corpus, chosen):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = synthetic.load(corpus)
        assert corpora.load("synthetic", corpus).equals(table)
    expected = labelled(chosen).sort_values("utterance", ignore_index=True)
    assert list(table.columns) == ["utterance", "path", "speaker", "session", "gender", "emotion", "duration"]
    for column in ("utterance", "speaker", "session", "gender"):
        assert table[column].tolist() == expected[column].tolist()
    assert table["emotion"].map(synthetic.CODES).tolist() == expected["code"].tolist()
    assert table["duration"].between(1.49, 8.01).all()


def test_the_iemocap_loader_skips_and_adds_on_request(corpus, chosen):
    scripted = chosen["dialog"].str.contains("script")
    assert len(synthetic.load(corpus, scripted=True)) == chosen["code"].isin(FOUR).sum() > len(synthetic.load(corpus))
    merged = synthetic.load(corpus, merge_excited=True)
    happy = chosen[~scripted & chosen["code"].isin(["hap", "exc"])]
    assert sorted(merged.loc[merged["emotion"] == "happy", "utterance"]) == sorted(happy["utterance"])


def test_every_recording_is_clean(corpus, chosen):
    paths = sorted(corpus.glob("Session*/sentences/wav/*/*.wav"))
    assert [path.stem for path in paths] == chosen["utterance"].tolist()
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        signal, _ = soundfile.read(path)
        assert 0.02 < np.abs(signal).max() < 0.95
        assert abs(signal.mean()) < 1e-3
        edge = signal[:800]  # silence before the speech: room noise, never digital zero
        assert 1e-4 < edge.std() < 2e-3
        assert np.abs(signal).max() > 20 * edge.std()


def test_grammar_of_an_evaluation(corpus):
    text = (corpus / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt").read_text().splitlines()
    assert text[0] == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    turn = re.compile(r"\[\d+\.\d{4} - \d+\.\d{4}\]\tSes01F_impro01_[FM]\d{3}\t[a-z]{3}\t\[(\d\.\d{4}, ){2}\d\.\d{4}\]")
    vote = re.compile(r"C-[EFM]\d:\t\w+;\t\(\)")
    rating = re.compile(r"A-[EFM]\d:\tval \d; act \d; dom  \d;\t\(\)")
    kinds = ["".join(str(i) for i, kind in enumerate((turn, vote, rating)) if kind.fullmatch(line)) for line in text]
    assert "".join(kind or "." for kind in kinds) == ".." + "01111222." * ((len(text) - 2) // 9)


def test_majority_of_the_votes_is_the_label(corpus):
    for path in corpus.glob("Session*/dialog/EmoEvaluation/*.txt"):
        for block in path.read_text().strip().split("\n\n")[1:]:
            code = block.split("\t")[2]
            votes = re.findall(r"C-E\d:\t(\w+);", block)
            names = {name for name in votes if votes.count(name) > 1}
            assert names == ({synthetic.VOTES[code]} if code != "xxx" else set())


def test_readme_says_what_it_is(corpus):
    text = (corpus / "README.txt").read_text()
    assert "synthetic speech" in text
    assert f"version {synthetic.VERSION}, seed 0" in text


# How it sounds.


def test_women_are_higher_than_men(measured):
    f0 = measured.groupby("speaker")["f0"].median()
    assert f0[[s for s in SPEAKERS if s[-1] == "F"]].min() > 1.2 * f0[[s for s in SPEAKERS if s[-1] == "M"]].max()


def test_pitch_is_as_planned(measured):
    heard, planned = 12 * np.log2(measured["f0"] / measured["median"]), measured["pitch"]
    assert np.corrcoef(heard, planned)[0, 1] > 0.95
    assert (heard - planned).abs().median() < 0.5


def test_angry_and_happy_are_higher_than_sad(measured):
    table = labelled(measured)
    heard = (12 * np.log2(table["f0"] / table["median"])).groupby(table["code"]).mean()
    assert heard["sad"] < heard["neu"] < min(heard["ang"], heard["hap"])


def test_spectral_tilt_follows_the_emotion(measured):
    table = labelled(measured)
    falloff = table["falloff"] - table.groupby("speaker")["falloff"].transform("mean")
    mean = falloff.groupby(table["code"]).mean()
    assert mean["sad"] < mean["neu"] < mean["hap"] < mean["ang"]
    assert np.corrcoef(falloff, table["tilt"])[0, 1] > 0.9


# The same seed, the same bytes.


def test_bytes_depend_on_the_seed_and_not_on_workers_or_the_other_turns(corpus, chosen, tmp_path):
    few = chosen[chosen["speaker"].isin(["Ses01F", "Ses04M"])].groupby("speaker").tail(2)["utterance"].tolist()
    one = files(synthetic.make(tmp_path / "one", turns=few, workers=1))
    whole = files(corpus)
    recordings = [name for name in one if name.endswith(".wav")]
    assert len(recordings) == 4
    assert all(one[name] == whole[name] for name in recordings)
    assert one == files(synthetic.make(tmp_path / "two", turns=few, workers=2))

    seventh = synthetic.plan(seed=7)["utterance"].iloc[[0]]
    other = files(synthetic.make(tmp_path / "seven", seed=7, turns=seventh))
    seen = {hashlib.sha256(data).digest() for data in whole.values()}
    assert not any(hashlib.sha256(data).digest() in seen for name, data in other.items() if name.endswith(".wav"))


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "synthtic"}, "'synthtic'.*synthetic-gender-decisive"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": True}, "seed is True"),
        ({"workers": 0}, "workers is 0"),
        ({"turns": ["Ses09F_impro01_F000"]}, "Ses09F_impro01_F000"),
    ],
)
def test_refuses_what_makes_no_sense(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        synthetic.make(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_refuses_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(CorpusError, match="not an empty folder"):
        synthetic.make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_says_whose_speech_failed(tmp_path, monkeypatch):
    table = synthetic.plan().assign(voice="Nobody")
    monkeypatch.setattr(synthetic, "plan", lambda *_: table)
    with pytest.raises(CorpusError, match=r"speech of Ses01F(.|\n)*Nobody"):
        synthetic.make(tmp_path / "new", turns=table["utterance"][:1])


def test_shows_progress_on_request(tmp_path, capsys):
    first = synthetic.plan()["utterance"][:1]
    synthetic.make(tmp_path / "quiet", turns=first)
    assert capsys.readouterr() == ("", "")
    synthetic.make(tmp_path / "shown", turns=first, progress=True)
    out, err = capsys.readouterr()
    assert "Making synthetic: 100%" in out
    assert err == ""


def test_corpus_of_another_version_is_not_passed_off_as_this_one(tmp_path):
    (tmp_path / "README.txt").write_text("Made by sermodules.corpora.synthetic, version 0, seed 0: 1 turns")
    with pytest.raises(CorpusError, match=r"version 0 .* version \d+.*Delete"):
        synthetic.load(tmp_path)
