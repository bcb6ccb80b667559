import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sermodules import metrics
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.evidence import claims, paper, scores, statistics
from sermodules.evidence.claims import checks, rules
from sermodules.evidence.paper import tables
from sermodules.evidence.statistics import CANNOT_TELL, NOT_SUPPORTED, SUPPORTED
from sermodules.runs import store

CLASSES = ("angry", "sad", "happy", "neutral")
MODEL1 = ("model1", "additive", "embedding")
MODEL2 = ("model2", "seq_self", "embedding")
NO_GENDER = ("model2", "seq_self", "none")
MEAN = ("model2", "mean", "embedding")
SVM = ("svm_compare", "seq_self", "none")
MAIN = "self-attention-beats-attention"


IDS = [claim.id for claim in claims.CLAIMS]
ON_IEMOCAP = [claim.id for claim in claims.CLAIMS if claim.only_iemocap]


@pytest.fixture
def anew(monkeypatch):
    """Let the paper's own figures be judged anew: the package does it once."""
    monkeypatch.setattr(checks, "_judged", lambda check, arguments: check(*arguments))


def table(means, noise=0.2, folds=10, seeds=5, speakers=6.0, corpus="emodb", preset="teaching", start=0):
    """Scores of runs: UAR = mean of the configuration + a draw a fold + noise a run; WA is 2 points higher, noise apart."""
    rng = np.random.default_rng(start)
    level = rng.normal(0, speakers, folds)
    rows = []
    for cell, mean in means.items():
        for fold in range(1, folds + 1):
            for seed in range(1, seeds + 1):
                uar, wa = mean + level[fold - 1] + rng.normal(0, noise, 2)
                rows.append((corpus, preset, *cell, fold, f"s{fold:02d}", seed, uar, wa + 2))
    frame = pd.DataFrame(rows, columns=list(claims.COLUMNS))
    return frame.assign(run=[f"run{number}" for number in range(len(frame))])


def recalls(frame, noise=0.5, start=1, **means):
    """Add recalls, and shares taken for neutral, around the given means."""
    rng = np.random.default_rng(start)
    usual = {"angry": 60, "sad": 70, "happy": 40, "neutral": 60} | means
    columns = {f"recall_{name}": usual[name] for name in CLASSES}
    columns |= {f"{name}_as_neutral": usual.get(f"{name}_as_neutral", 20) for name in CLASSES[:3]}
    return frame.assign(**{name: mean + rng.normal(0, noise, len(frame)) for name, mean in columns.items()})


def decided(frame, claim=MAIN):
    return claims.ledger(frame).set_index("id").loc[claim]


def grouped(gain=4.0, shared=6.0, speakers=60, seeds=3):
    """Scores of Models 1 and 2, the second better: speakers in ten groups, two of which share a training and its luck."""
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(1, seeds + 1):
        group = rng.permutation(np.arange(speakers) % 10)
        luck = rng.normal(0, shared, 5)
        for speaker, number in enumerate(group):
            held_out = f"pair {number // 2}"
            uar = 60 + rng.normal(0, 0.5)
            for cell, mean in ((MODEL1, uar), (MODEL2, uar + gain + luck[number // 2])):
                rows.append(("cremad", "teaching", *cell, number + 1, f"s{speaker:02d}", seed, mean, mean, held_out))
    frame = pd.DataFrame(rows, columns=[*claims.COLUMNS, "held_out"])
    return frame.assign(settings="groups 10", run=[f"run{number}" for number in range(len(frame))])


# --- all claims are decided, and computed


def test_entries_are_complete_and_distinct():
    assert len(IDS) == len(set(IDS))
    for claim in claims.CLAIMS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim.id)
        assert claim.statement.endswith(".") and claim.reported
        assert re.search("abstract|section|Table", claim.where)
        assert isinstance(claim.rule, checks.Printed if claim.kind == "arithmetic" else rules.Rule)


def test_searching_the_package_for_a_claims_id_finds_its_entry_alone():
    package = Path(claims.__file__).parents[2]
    code = "\n".join(file.read_text(encoding="utf-8") for file in sorted(package.rglob("*.py")))
    for claim in IDS:
        assert len(re.findall(rf"(?<![\w-]){claim}(?![\w-])", code)) == 1
        assert re.search(rf'\bClaim\(\s*"{claim}",', code)


def test_claims_report_what_the_tables_print():
    by_id = {claim.id: claim for claim in claims.CLAIMS}
    assert by_id["self-attention-beats-attention"].reported == "+3.43 points"
    assert by_id["self-attention-beats-attention"].value == 3.43
    assert by_id["model-2-uar"].reported == "62.86 % ± 9.43"
    assert by_id["model-1-wa"].value == 62.92
    assert by_id["model-2-beats-dnn-elm"].value == 11.62
    assert by_id["sad-recognised-best-model-2"].value == 84.08
    assert by_id["self-attention-costs-neutral"].value == -8.33
    assert [by_id[f"table-{n}-agrees-with-uar"].value for n in (3, 4)] == [59.43, 62.86]
    scores_of_table_1 = {f"model-{number}-{metric}" for number in (1, 2) for metric in ("uar", "wa")}
    assert set(ON_IEMOCAP) == {"self-attention-adds-3-43-points", "gender-adds-1-to-2-points"} | scores_of_table_1


@pytest.mark.parametrize("name", ["angry", "sad", "happy", "neutral"])
def test_a_claim_about_a_recall_goes_the_way_of_the_printed_tables(name):
    change = paper.recall_differences()[name]
    (claim,) = [claim for claim in claims.CLAIMS if re.fullmatch(f"self-attention-(lifts|costs)-{name}", claim.id)]
    assert claim.id.split("-")[2] == ("lifts" if change > 0 else "costs")
    assert (claim.rule.sign, claim.value) == (np.sign(change), round(change, 2))


def test_without_runs_only_the_papers_figures_are_judged():
    for nothing in (None, scores.from_results([]), table({MODEL1: 60}).iloc[:0]):
        found = claims.ledger(nothing)
        assert list(found["id"]) == IDS
        judged = found["verdict"] != claims.NOT_TESTED
        by_figures = (found["kind"] == "arithmetic") & (found["id"] != "model-2-beats-cnn-lstm-as-printed")  # has no SD
        assert (judged == by_figures).all()
    note = found.set_index("id").loc[MAIN, "note"]
    assert "`model2` (seq_self, gender embedding)" in note and "`model1` (additive, gender embedding)" in note


def test_the_papers_own_figures():
    found = claims.ledger().set_index("id")
    verdicts = found[found["kind"] == "arithmetic"]["verdict"]
    assert verdicts.to_dict() == {
        "table-1-means-agree": SUPPORTED,
        "sd-is-over-folds": SUPPORTED,
        "improvement-is-3-43": SUPPORTED,
        "model-2-better-uar-as-printed": CANNOT_TELL,
        "model-2-better-wa-as-printed": CANNOT_TELL,
        "model-2-more-stable-as-printed": CANNOT_TELL,
        "model-2-beats-dnn-elm-as-printed": CANNOT_TELL,
        "model-2-beats-cnn-lstm-as-printed": claims.NOT_TESTED,
        "table-1-has-three-others": NOT_SUPPORTED,
        "ua-is-a-weighted-average": NOT_SUPPORTED,
        "neutral-share-is-48-2": SUPPORTED,
        "table-3-rows-sum-to-100": SUPPORTED,
        "table-4-rows-sum-to-100": NOT_SUPPORTED,
        "table-3-agrees-with-uar": NOT_SUPPORTED,
        "table-3-agrees-with-wa": NOT_SUPPORTED,
        "table-4-agrees-with-uar": NOT_SUPPORTED,
        "table-4-agrees-with-wa": NOT_SUPPORTED,
        "sad-recognised-best-model-1-as-printed": SUPPORTED,
        "happy-recognised-worst-model-1-as-printed": SUPPORTED,
        "sad-recognised-best-model-2-as-printed": SUPPORTED,
        "happy-recognised-worst-model-2-as-printed": SUPPORTED,
        "model-2-more-precise-as-printed": SUPPORTED,
        "wa-is-the-mean-of-five-seeds": NOT_SUPPORTED,
        "linear-layer-saves-parameters": SUPPORTED,
    }
    assert found.loc["model-2-better-uar-as-printed", "ours"] == "+3.43 points, [-1.32, 8.19]"
    assert "no proof" in found.loc["wa-is-the-mean-of-five-seeds", "note"]


def test_what_is_printed_without_folds_is_no_interval_over_speakers():
    found = claims.ledger().set_index("id")
    ranks = [
        f"{name}-model-{n}-as-printed" for n in (1, 2) for name in ("sad-recognised-best", "happy-recognised-worst")
    ]
    for claim in (*ranks, "model-2-more-precise-as-printed"):
        row = found.loc[claim]
        assert "In the printed Table" in row["claim"] and "no interval over the speakers" in row["note"]
        assert np.isnan([row["low"], row["high"]]).all() and "[" not in row["ours"]
    assert found.loc[ranks[0], "ours"] == "+0.50 points against angry"
    assert found.loc[ranks[1], "ours"] == "-37.49 points against neutral"


def test_a_rank_as_printed_can_be_refused(monkeypatch, anew):
    table3 = paper.TABLE3.copy()
    table3.loc["angry", "angry"] = table3.loc["sad", "sad"]
    table3.loc["neutral", "neutral"] = 0
    monkeypatch.setattr(tables, "TABLE3", table3)
    found = claims.ledger().set_index("id")
    sad, happy = (found.loc[f"{name}-model-1-as-printed"] for name in ("sad-recognised-best", "happy-recognised-worst"))
    assert sad["verdict"] == happy["verdict"] == NOT_SUPPORTED
    assert happy["ours"] == "+30.41 points against neutral"


def test_the_figures_of_other_papers_are_not_exact(monkeypatch, anew):
    found = claims.ledger().set_index("id")
    elm, lstm = (found.loc[f"model-2-beats-{name}-as-printed"] for name in ("dnn-elm", "cnn-lstm"))
    assert elm["low"] < 0 < elm["high"] and "Welch" in elm["note"]
    assert "without the correction for shared training data it is [3." in elm["note"]
    assert lstm["ours"] == "+1.16 points, no interval" and "no SD is printed for CNN-LSTM" in lstm["note"]
    low = paper.TABLE2.assign(uar=paper.TABLE2["uar"].where(paper.TABLE2["model"].notna(), 30.0))
    monkeypatch.setattr(tables, "TABLE2", low)
    found = claims.ledger().set_index("id")["verdict"]
    assert found["model-2-beats-dnn-elm-as-printed"] == SUPPORTED
    assert found["model-2-beats-cnn-lstm-as-printed"] == claims.NOT_TESTED


def test_verdicts_follow_the_papers_figures(monkeypatch, anew):
    folds = paper.TABLE1.assign(model2_uar=paper.TABLE1["model1_uar"] + 3 + 0.1 * paper.TABLE1["fold"])
    table4 = paper.TABLE4.copy()
    table4.loc["neutral", "neutral"] += 0.41
    monkeypatch.setattr(tables, "TABLE1", folds)
    monkeypatch.setattr(tables, "TABLE4", table4)
    found = claims.ledger().set_index("id")["verdict"]
    assert found["model-2-better-uar-as-printed"] == SUPPORTED
    assert found["table-1-means-agree"] == NOT_SUPPORTED
    assert found["sd-is-over-folds"] == NOT_SUPPORTED
    assert found["improvement-is-3-43"] == NOT_SUPPORTED
    assert found["table-4-rows-sum-to-100"] == SUPPORTED


# --- differences of two configurations


@pytest.mark.parametrize(
    ("difference", "noise", "verdict"),
    [(5, 0.5, SUPPORTED), (0, 0.1, NOT_SUPPORTED), (-5, 0.5, NOT_SUPPORTED), (2, 15, CANNOT_TELL)],
)
def test_a_planted_difference_is_judged(difference, noise, verdict):
    found = decided(table({MODEL1: 60, MODEL2: 60 + difference}, noise))
    assert found["verdict"] == verdict
    assert found["low"] < difference < found["high"]
    assert found["ours"].startswith(f"{difference:+d}"[0]) or difference == 0 or verdict == CANNOT_TELL
    assert f"[{found['low']:.2f}, {found['high']:.2f}]" in found["ours"]


def test_it_is_the_comparison_and_the_verdict_of_statistics():
    frame = table({MODEL1: 60, MODEL2: 61}, noise=2)
    runs = frame.assign(configuration=frame["model"])
    row = statistics.compare(runs, "model1").iloc[0]
    found = decided(frame)
    assert found["low"] == pytest.approx(min(row["low"], row["bootstrap_low"]))
    assert found["high"] == pytest.approx(max(row["high"], row["bootstrap_high"]))
    assert found["ours"].startswith(f"{row['difference']:+.2f} points")
    assert found["verdict"] == statistics.verdict(row)


def test_pairs_share_speaker_and_seed():
    frame = table({MODEL1: 60, MODEL2: 65}, noise=0.1)
    one, two = frame["model"] == "model1", frame["model"] == "model2"
    frame.loc[one & (frame["seed"] == 5), "uar"] = 1.5  # has no partner below, so it must not count
    found = decided(frame[~(two & (frame["seed"] == 5))])
    assert found["verdict"] == SUPPORTED and 4.5 < found["low"] < found["high"] < 5.5
    assert found["runs"].startswith("80 runs, 10 speakers, 4 seeds: `model2` (seq_self, gender embedding), `model1`")
    assert found["note"] == "10 runs left out, without a partner or a value"
    assert len(found["run_ids"].split("; ")) == 80


def test_a_baseline_is_paired_by_speaker_alone():
    frame = table({MODEL2: 60, SVM: 58}, noise=0.1)
    frame = frame[(frame["model"] == "model2") | (frame["seed"] == 1)]
    found = decided(frame, "network-matches-classical-features")
    assert found["verdict"] == SUPPORTED and found["runs"].startswith("60 runs, 10 speakers, 5 seeds")


@pytest.mark.parametrize(("gap", "verdict"), [(-0.5, SUPPORTED), (-3, NOT_SUPPORTED), (0.5, SUPPORTED)])
def test_at_least_as_good_allows_a_difference_that_counts_as_none(gap, verdict):
    assert decided(table({MODEL2: 60 + gap, SVM: 60}), "network-matches-classical-features")["verdict"] == verdict


def test_another_correlation_of_the_folds_moves_the_interval_and_so_a_verdict_on_the_edge():
    by_id = {claim.id: claim.rule for claim in claims.CLAIMS}
    frame = recalls(table({MODEL1: 60, MODEL2: 64}, noise=8), noise=20)
    for claim in (MAIN, "happy-recognised-worst-model-2"):
        mild, rule, strict = (
            dataclasses.replace(by_id[claim], correlation=rho).decide(frame) for rho in (0.0, None, 0.3)
        )
        assert strict.high - strict.low > rule.high - rule.low > mild.high - mild.low
    assert dataclasses.replace(by_id[MAIN], correlation=1 / 10).decide(frame).ours == by_id[MAIN].decide(frame).ours


def test_the_linear_layer_saves_parameters_with_the_printed_pooling_only():
    note = claims.ledger().set_index("id").loc["linear-layer-saves-parameters", "note"]
    assert "with 2 x 4, as in ACRNN's code: 2,885,376 with, 2,753,536 without: 4.8 % more" in note


def test_missing_runs_are_named_and_not_judged():
    found = claims.ledger(table({MODEL2: 60})).set_index("id")
    assert found.loc[MAIN, "verdict"] == claims.NOT_TESTED
    assert "`model1` (additive, gender embedding)" in found.loc[MAIN, "note"]
    assert "(seq_self, gender none)" in found.loc["gender-helps", "note"]
    assert "`dnn_elm`" in found.loc["model-2-beats-dnn-elm", "note"]
    assert "recall_sad" in found.loc["sad-recognised-best-model-2", "note"]
    assert "`model1`" in found.loc["seeds-matter", "note"]


def test_other_configurations_do_not_stand_in():
    shuffled = ("model2", "seq_self", "shuffled")
    found = claims.ledger(table({MODEL1: 60, shuffled: 65})).set_index("id")
    assert found.loc[MAIN, "verdict"] == claims.NOT_TESTED


@pytest.mark.parametrize("folds", [1, 2, 3])
def test_fewer_than_three_folds_are_never_judged(folds):
    frame = recalls(table({MODEL1: 60, MODEL2: 70, NO_GENDER: 50, MEAN: 50, SVM: 50}, noise=0.01, folds=folds))
    found = claims.ledger(frame.assign(corpus="iemocap"))
    mine = found[found["kind"] == "corpus"]
    judged = mine["verdict"] != claims.NOT_TESTED
    assert judged.any() if folds == claims.FEWEST_SPEAKERS else not judged.any()
    assert (mine.loc[~judged, "note"] != "").all() and (mine.loc[judged, "runs"] != "").all()


def test_where_it_cannot_tell_it_says_what_it_could_have_seen():
    frame = table({MODEL1: 60, MODEL2: 62}, noise=15)
    uar = frame.groupby(["model", "fold"])["uar"].mean()
    values = (uar["model2"] - uar["model1"]).to_numpy()
    assert decided(frame)["verdict"] == CANNOT_TELL
    size = statistics.detectable(values.std(ddof=1))
    assert decided(frame)["note"] == f"detectable with power 0.8: {size:.1f} points"
    six = decided(frame[frame["fold"] <= 6])
    part = statistics.detectable(values[:6].std(ddof=1), speakers=6)
    assert six["note"] == f"detectable with power 0.8: {part:.1f} points"
    assert "detectable" not in decided(frame[frame["fold"] <= 4])["note"]
    assert "detectable" not in decided(table({MODEL1: 60, MODEL2: 65}))["note"]
    assert "detectable" in claims.ledger().set_index("id").loc["model-2-better-uar-as-printed", "note"]


def test_what_it_could_have_seen_counts_from_the_margin_of_a_claim():
    frame = table({MODEL2: 51, SVM: 50}, noise=12)
    uar = frame.groupby(["model", "fold"])["uar"].mean()
    size = (
        statistics.detectable((uar["model2"] - uar["svm_compare"]).std(ddof=1)) - 1
    )  # "at least as good" begins at -1
    assert (
        f"detectable with power 0.8: {size:.1f} points" in decided(frame, "network-matches-classical-features")["note"]
    )


def test_equal_runs_cannot_tell():
    found = decided(table({MODEL1: 60, MODEL2: 60}, noise=0))
    assert found["verdict"] == CANNOT_TELL and found["ours"] == "+0.00 points of UAR, no interval"


# --- figures of IEMOCAP


def as_printed(noise=0.1, off=0.0, model2=0.0, sd=0.0, **changed):
    """Runs on IEMOCAP at Table 1's figures, each off by some points, and by a draw a speaker with the given SD."""
    printed = paper.by_speaker()
    draw = pd.Series(np.random.default_rng(3).normal(0, sd, len(printed)), printed.index)
    frame = table({MODEL1: 0, MODEL2: 0}, noise, speakers=0, corpus="iemocap", preset="paper")
    frame["speaker"] = [printed.index[-fold] for fold in frame["fold"]]  # the folds are numbered in another order
    for metric, higher in (("uar", 0), ("wa", 2)):
        names = frame["model"] + f"_{metric}"
        frame[metric] += off - higher
        frame[metric] += [printed.loc[key] for key in zip(frame["speaker"], names, strict=True)]
        frame[metric] += np.where(frame["model"] == "model2", model2 + frame["speaker"].map(draw), 0)
    return frame.assign(**changed)


def test_figures_of_iemocap_are_compared_speaker_by_speaker():
    found = claims.ledger(as_printed()).set_index("id")
    for claim in ON_IEMOCAP:
        if claim != "gender-adds-1-to-2-points":
            assert found.loc[claim, "verdict"] == SUPPORTED and found.loc[claim, "high"] < 0.3
    assert found.loc["model-2-uar", "ours"].startswith("62.8")  # "62.8x %: ... points"
    assert "exchanged within sessions" in found.loc["model-2-uar", "note"]
    assert "of 10 speakers" not in found.loc["model-2-uar", "note"]


def test_figures_that_are_off_are_refused_and_wide_ones_left_open():
    off = claims.ledger(as_printed(off=10)).set_index("id")
    assert off.loc["model-1-wa", "verdict"] == NOT_SUPPORTED and off.loc["model-1-wa", "low"] > 9
    assert off.loc["self-attention-adds-3-43-points", "verdict"] == SUPPORTED  # both are off alike
    more = claims.ledger(as_printed(model2=-8)).set_index("id")
    assert more.loc["self-attention-adds-3-43-points", "verdict"] == NOT_SUPPORTED
    assert more.loc["self-attention-adds-3-43-points", "ours"].startswith("-4.")
    assert more.loc["model-1-uar", "verdict"] == SUPPORTED
    wide = claims.ledger(as_printed(sd=8)).set_index("id").loc["model-2-uar"]
    assert wide["verdict"] == CANNOT_TELL and "detectable with power 0.8" in wide["note"]
    little = claims.ledger(as_printed(model2=1)).set_index("id").loc["model-2-uar"]
    assert little["low"] > 0 and little["verdict"] == CANNOT_TELL  # part of the interval counts as no difference


def test_speakers_that_table_1_does_not_name_are_not_compared():
    frame = as_printed()
    strange = claims.ledger(frame.replace({"speaker": {"Ses01F": "Ses06F"}})).set_index("id").loc["model-2-uar"]
    assert strange["verdict"] == claims.NOT_TESTED and "Ses06F" in strange["note"]
    some = claims.ledger(frame[frame["fold"] <= 6]).set_index("id").loc["model-2-uar"]
    assert some["verdict"] == SUPPORTED and some["note"].startswith("6 of 10 speakers")


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"corpus": "emodb"}, "the corpus `iemocap`"),
        ({"preset": "smoke"}, "the preset `paper`"),
        ({"settings": "pool 2x4"}, "no other settings (here pool 2x4)"),
    ],
)
def test_figures_of_iemocap_need_the_papers_network_and_data(changed, missing):
    without = as_printed(noise=0.2, **changed)
    without = without[without["model"] == "model2"].assign(gender="none", uar=lambda rows: rows["uar"] - 6)
    found = claims.ledger(pd.concat([as_printed(**changed), without])).set_index("id")
    for claim in ON_IEMOCAP:
        assert found.loc[claim, "verdict"] == claims.NOT_TESTED
        assert found.loc[claim, "note"] == f"a figure of IEMOCAP: needs runs with {missing}"
    assert found.loc["gender-helps", "verdict"] == SUPPORTED


@pytest.mark.parametrize(("gain", "verdict"), [(1.5, SUPPORTED), (6, NOT_SUPPORTED), (-4, NOT_SUPPORTED)])
def test_one_to_two_points_of_gender(gain, verdict):
    frame = table({NO_GENDER: 60, MODEL2: 60 + gain}, corpus="iemocap", preset="paper")
    found = decided(frame, "gender-adds-1-to-2-points")
    assert found["verdict"] == verdict
    assert found["ours"].count("points of UAR") == found["ours"].count("points of WA") == 1


def test_where_the_score_is_open_both_have_to_agree():
    frame = table({NO_GENDER: 60, MODEL2: 61.5}, corpus="iemocap", preset="paper")
    frame.loc[frame["gender"] == "none", "wa"] -= 6
    found = decided(frame, "gender-adds-1-to-2-points")
    assert found["verdict"] == CANNOT_TELL and found["low"] < 1.5 and found["high"] > 7
    assert "of UAR" in found["note"] and f": {SUPPORTED}" in found["note"] and f": {NOT_SUPPORTED}" in found["note"]


# --- recalls


def test_rank_needs_all_three_other_classes():
    frame = recalls(table({MODEL1: 60, MODEL2: 60}), sad=70, angry=60)
    found = claims.ledger(frame).set_index("id")
    assert found.loc["sad-recognised-best-model-1", "verdict"] == SUPPORTED
    assert found.loc["happy-recognised-worst-model-2", "verdict"] == SUPPORTED
    assert found.loc["happy-recognised-worst-model-2", "high"] < 0
    other = claims.ledger(recalls(table({MODEL1: 60, MODEL2: 60}), angry=80)).set_index("id")
    assert other.loc["sad-recognised-best-model-1", "verdict"] == NOT_SUPPORTED
    assert "against angry" in other.loc["sad-recognised-best-model-1", "ours"]


def test_the_gap_that_decided_is_shown():
    frame = recalls(table({MODEL2: 60}), sad=70, angry=80, happy=71, neutral=30)
    wide = frame["fold"].map(dict(enumerate(np.random.default_rng(2).normal(0, 60, 10), start=1)))
    frame["recall_happy"] += (
        wide - wide.mean() + 15
    )  # further above sad than angry is, and so wide that it decides nothing
    found = decided(frame, "sad-recognised-best-model-2")
    assert found["verdict"] == NOT_SUPPORTED and found["high"] < 0 and "against angry" in found["ours"]
    unsure = decided(frame.assign(recall_angry=69.0), "sad-recognised-best-model-2")
    assert unsure["verdict"] == CANNOT_TELL and unsure["low"] < 0 < unsure["high"] and "against happy" in unsure["ours"]
    assert "detectable" in unsure["note"]
    clear = frame.assign(recall_happy=60 - 2 * wide / 60, recall_angry=69 + 0.1 * wide / 60)
    narrow = decided(clear, "sad-recognised-best-model-2")
    assert narrow["verdict"] == SUPPORTED and "against angry" in narrow["ours"]


def test_happy_and_neutral():
    found = claims.ledger(recalls(table({MODEL1: 60, MODEL2: 60}), happy_as_neutral=50)).set_index("id")
    assert found.loc["happy-taken-for-neutral-model-1", "verdict"] == SUPPORTED


def test_a_claimed_loss_is_shown_as_a_loss():
    one, two = recalls(table({MODEL1: 60}), neutral=60), recalls(table({MODEL2: 60}), neutral=50, start=2)
    found = claims.ledger(pd.concat([one, two])).set_index("id")
    costs = found.loc["self-attention-costs-neutral"]
    assert costs["verdict"] == SUPPORTED and costs["ours"].startswith("-") and costs["high"] < 0
    assert found.loc["self-attention-lifts-sad", "verdict"] == NOT_SUPPORTED


def test_gender_and_neutral():
    with_it, without = recalls(table({MODEL2: 60})), recalls(table({NO_GENDER: 60}), start=2)
    without[[f"{name}_as_neutral" for name in CLASSES[:3]]] += 10
    found = decided(pd.concat([with_it, without]), "gender-cures-neutral-bias")
    assert found["verdict"] == SUPPORTED and 9 < found["low"] < found["high"] < 11


def test_speakers_without_a_class_are_left_out():
    frame = recalls(table({MODEL2: 60}))
    frame.loc[frame["fold"] == 3, ["recall_happy", "happy_as_neutral"]] = np.nan
    found = decided(frame, "happy-recognised-worst-model-2")
    assert found["verdict"] == SUPPORTED and found["runs"].startswith("45 runs, 9 speakers")
    assert "5 runs left out" in found["note"]


# --- spreads


def test_spread_of_speakers():
    rng = np.random.default_rng(0)
    frame = table({MODEL1: 50, MODEL2: 50}, speakers=0, noise=0.01)
    level = dict(enumerate(rng.normal(0, 3, 10), start=1))
    factor = np.where(frame["model"] == "model1", 3, 1)
    frame["uar"] += factor * frame["fold"].map(level) + rng.normal(0, 0.2, len(frame))
    found = decided(frame, "self-attention-more-stable")
    assert found["verdict"] == SUPPORTED and found["low"] < 3 < found["high"]
    other = frame.replace({"model": {"model1": "model2", "model2": "model1"}})
    other["attention"] = np.where(other["model"] == "model1", "additive", "seq_self")
    assert decided(other, "self-attention-more-stable")["verdict"] == NOT_SUPPORTED


def by_seed(shifts, difference=0.0, **changed):
    """Scores in which each seed moves all folds of Model 2 by so many points; Model 1 is lower by `difference`."""
    frame = table({MODEL1: 60 - difference, MODEL2: 60}, noise=0.01, seeds=len(shifts))
    second = frame["model"] == "model2"
    return frame.assign(uar=frame["uar"] + second * frame["seed"].map(dict(enumerate(shifts, start=1))), **changed)


def test_range_over_seeds_is_of_the_mean_over_the_speakers():
    found = decided(by_seed([-8, -4, 0, 4, 8], difference=5), "seeds-matter")
    assert found["verdict"] == SUPPORTED and found["ours"].startswith("+11.0") and found["low"] > 0
    assert "range of the mean over 10 speakers 16.0" in found["note"]
    assert "the two models differ in the same runs by 5.00: +11.0" in found["note"]
    small = decided(by_seed([-0.2, -0.1, 0, 0.1, 0.2], difference=5), "seeds-matter")
    assert small["verdict"] == NOT_SUPPORTED and small["high"] < 0
    assert decided(by_seed([-2, -1, 0, 1, 2], difference=3.5), "seeds-matter")["verdict"] == CANNOT_TELL


def test_range_over_seeds_of_single_folds_does_not_count():
    found = decided(table({MODEL1: 57, MODEL2: 60}, noise=2), "seeds-matter")  # a fold's seeds range over 4.7 points
    assert found["verdict"] != SUPPORTED and found["ours"].startswith("-")


def test_range_over_seeds_has_to_be_beyond_both_differences():
    """The models' own difference is small here, so a range beyond it alone would prove little."""
    found = decided(by_seed([-2, -1, 0, 1, 2], difference=0), "seeds-matter")
    own, papers = found["note"].split("; ")[1:3]
    assert float(re.search(r"\[(\S+),", own)[1]) > 0 > float(re.search(r"\[(\S+),", papers)[1])
    assert "the paper's models differ by 3.43: +0.5" in papers and found["verdict"] == CANNOT_TELL
    assert decided(by_seed([-4, -2, 0, 2, 4], difference=30), "seeds-matter")["verdict"] == NOT_SUPPORTED
    both = by_seed([-8, -4, 0, 4, 8]).assign(corpus="iemocap", preset="paper")
    assert decided(both, "seeds-matter")["verdict"] == SUPPORTED
    assert decided(both[both["model"] == "model2"], "seeds-matter")["verdict"] == claims.NOT_TESTED


def test_range_takes_the_papers_number_of_seeds():
    assert decided(by_seed([-6, -2, 2, 6]), "seeds-matter")["verdict"] == claims.NOT_TESTED
    more = by_seed([-4, -2, 0, 2, 4, 15], difference=1)
    found = decided(more, "seeds-matter")
    assert "speakers 8.0" in found["note"] and found["runs"].startswith("100 runs, 10 speakers, 5 seeds")
    gap = by_seed([-4, -2, 0, 2, 4], difference=1)
    found = decided(gap[~((gap["fold"] == 4) & (gap["seed"] == 2))], "seeds-matter")
    assert "over 9 speakers" in found["note"] and "8 runs left out" in found["note"]


def test_interval_of_the_mean_range_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = np.ptp(rng.normal(0, 3, (100_000, 5)), axis=1).mean()
    found = np.array([rules.mean_range(sample)[1:] for sample in rng.normal(0, 3, (400, 5))])
    assert 0.92 < np.mean((found[:, 0] < truth) & (truth < found[:, 1])) < 0.98


@pytest.mark.parametrize("speakers", [0.0, 8.0])
def test_speakers_against_seeds_cannot_be_tested(speakers):
    found = decided(table({MODEL2: 60}, noise=1, speakers=speakers), "speakers-matter")
    assert found["verdict"] == claims.NOT_TESTED and "which all seeds share" in found["note"]


# --- one ledger a corpus, preset and settings


def test_presets_corpora_and_settings_are_kept_apart():
    up, down = {MODEL1: 60, MODEL2: 65}, {MODEL1: 65, MODEL2: 60}
    frame = pd.concat(
        [
            table(up).assign(settings=""),
            table(down).assign(settings="pool 2x4"),
            table(down, preset="paper").assign(settings=""),
            table(up, corpus="iemocap", preset="paper").assign(settings=""),
        ]
    )
    found = claims.ledger(frame)
    rows = found[found["id"] == MAIN]
    assert rows[["corpus", "preset", "settings", "verdict"]].to_numpy().tolist() == [
        ["emodb", "teaching", "", SUPPORTED],
        ["emodb", "teaching", "pool 2x4", NOT_SUPPORTED],
        ["emodb", "paper", "", NOT_SUPPORTED],
        ["iemocap", "paper", "", SUPPORTED],
    ]
    assert rows["scope"].str.contains("nothing directly about IEMOCAP").tolist() == [True, True, True, False]
    assert rows["scope"].iloc[-1] == "IEMOCAP"
    assert (found["kind"] == "arithmetic").sum() == sum(claim.kind == "arithmetic" for claim in claims.CLAIMS)


def test_iemocap_with_another_network_says_so():
    assert "not the paper's" in decided(table({MODEL1: 60, MODEL2: 65}, corpus="iemocap"))["scope"]


# --- bad input


def test_bad_scores_are_refused():
    frame = table({MODEL1: 60, MODEL2: 65})
    with pytest.raises(SermodulesError, match=r"lack the column\(s\) speaker"):
        claims.ledger(frame.drop(columns="speaker"))
    with pytest.raises(SermodulesError, match="twice"):
        claims.ledger(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(SermodulesError, match="shares"):
        claims.ledger(frame.assign(uar=frame["uar"] / 100, wa=frame["wa"] / 100))
    with pytest.raises(SermodulesError, match=r"twice: .*speaker s01"):
        claims.ledger(frame.assign(speaker="s01"))


# --- from runs


def run(model, fold, seed, true, predicted, **settings):
    config = RunConfig.create(corpus="emodb", preset="smoke", model=model, fold=fold, seed=seed, **settings)
    found = metrics.summarise(true, predicted, CLASSES) | {"test_speaker": f"s{fold}"}
    return store.RunResult(config, pd.DataFrame(), pd.DataFrame(), found, {})


def test_score_table_of_runs():
    true = ["angry", "angry", "sad", "happy", "happy", "happy", "happy"]
    said = ["angry", "neutral", "sad", "happy", "neutral", "neutral", "neutral"]
    rows = scores.from_results(
        [run("model1", 1, 2, true, said), run("model2", 1, 2, true, true, pool="2x4", gender="none")]
    )
    first, second = rows.iloc[0], rows.iloc[1]
    assert set(claims.COLUMNS) <= set(rows.columns)
    assert first[["corpus", "preset", "model", "attention", "gender", "speaker"]].tolist() == [
        "emodb", "smoke", "model1", "additive", "embedding", "s1",
    ]  # fmt: skip
    assert first["uar"] == pytest.approx(100 * (0.5 + 1 + 0.25) / 3) and first["wa"] == pytest.approx(300 / 7)
    assert first[["recall_angry", "recall_sad", "recall_happy"]].tolist() == [50, 100, 25]
    assert np.isnan(first["recall_neutral"])
    assert first[["angry_as_neutral", "sad_as_neutral", "happy_as_neutral"]].tolist() == [50, 0, 75]
    assert (first["settings"], second["settings"]) == ("", "pool 2x4")
    assert second["gender"] == "none" and second["run"].startswith(
        "emodb_model2_seq_self_gender-none_smoke_fold01_seed2"
    )


def test_a_users_table_is_named_without_its_folders():
    config = RunConfig.create(corpus="table:/home/me/mine.csv", preset="smoke")
    found = metrics.summarise(["a", "b"], ["a", "a"], ("a", "b")) | {"test_speaker": "x"}
    rows = scores.from_results([store.RunResult(config, pd.DataFrame(), pd.DataFrame(), found, {})])
    assert rows["corpus"].tolist() == ["table:mine.csv"] and rows["recall_a"].tolist() == [100]


def test_the_ledger_takes_the_table_of_runs():
    true = list(CLASSES) * 10
    results = []
    for fold in range(1, 5):
        for model, right in (("model1", 20 + fold), ("model2", 30 + fold)):
            said = [name if place < right else "angry" for place, name in enumerate(true)]
            results.append(run(model, fold, 1, true, said))
    found = decided(scores.from_results(results))
    assert found["verdict"] == SUPPORTED and found["runs"].startswith("8 runs, 4 speakers, 1 seed:")
    assert found["run_ids"].count("emodb_model1_additive") == 4


# --- Markdown


def test_markdown_shows_every_claim_with_its_verdict():
    found = claims.ledger(table({MODEL1: 60, MODEL2: 65}))
    text = claims.to_markdown(found)
    for claim in claims.CLAIMS:
        assert text.count(f"`{claim.id}`") == 1
    assert "### Corpus `emodb`, preset `teaching`" in text and "### The figures that the paper prints" in text
    mine = found[(found["corpus"] == "emodb") & (found["source"] == "words")]["verdict"].value_counts()
    assert f"Claims of the paper: {mine[SUPPORTED]} supported, " in text
    assert f"{mine[claims.NOT_TESTED]} not tested. Scope: `emodb`" in text
    row = next(line for line in text.splitlines() if f"`{MAIN}`" in line)
    assert "**supported**" in row and "+3.43 points" in row and "100 runs" in row
    assert "- `gender-helps`: needs runs of `model2`" in text


def test_markdown_counts_apart_what_the_paper_does_not_say_in_words():
    found = claims.ledger(recalls(table({MODEL1: 60, MODEL2: 65, SVM: 65}), happy=50, angry=50))
    text = claims.to_markdown(found[found["kind"] == "corpus"])
    said, reading, tables_, ours = re.split(
        r"Said in words that|What the paper's tables show, and no|Ours, put beside", text
    )
    apart = found[(found["source"] != "words") & (found["verdict"] != claims.NOT_TESTED)].set_index("id")["source"]
    assert {"happy-taken-for-neutral-model-1", "self-attention-costs-angry", "self-attention-more-stable"} < set(
        apart.index
    )
    for name, source in apart[apart.index.isin(found.loc[found["kind"] == "corpus", "id"])].items():
        assert (
            f"(`{name}`)" in {"reading": reading, "tables": tables_, "ours": ours}[source] and f"(`{name}`)" not in said
        )
    count = int((found.query("kind == 'corpus' and source == 'tables'")["verdict"] == CANNOT_TELL).sum())
    assert f"{count} cannot tell at this power." in tables_.partition("\n")[0]


def test_markdown_without_runs_and_with_a_bar():
    assert "### No run yet" in claims.to_markdown(claims.ledger())
    text = claims.to_markdown(claims.ledger(table({MODEL1: 60, MODEL2: 65}, noise=0.5)).assign(note="a|b"))
    assert "a\\|b" in text


def test_the_ledger_says_what_is_taken_from_what():
    found = claims.ledger().set_index("id")["compared"]
    assert found["self-attention-beats-attention"] == "Model 2 less Model 1"
    assert found["gender-helps"] == "Model 2 less Model 2 without gender"
    assert found["gender-cures-neutral-bias"] == "Model 2 without gender less Model 2"
    assert found["self-attention-beats-max-pooling"] == "Model 2 less Model 2 with max pooling"
    assert found["model-2-beats-dnn-elm"] == "Model 2 less DNN-ELM"
    assert found["happy-taken-for-neutral-model-1"] == "Model 1: the share taken for neutral less recall of happy"
    assert found["sad-recognised-best-model-2"] == "Model 2: recall of sad less each other class"
    assert found["self-attention-more-stable"] == "SD of Model 1 over SD of Model 2"
    assert found["table-1-means-agree"] == found["deltas-help"] == ""


# --- groups of speakers: one training tested many


def test_speakers_of_one_training_are_not_taken_as_independent():
    frame = grouped()
    alone = frame.drop(columns="held_out").assign(fold=frame["speaker"].str[1:].astype(int) + 1)  # a training each
    assert decided(alone)["verdict"] == SUPPORTED
    row = decided(frame)
    assert row["verdict"] == CANNOT_TELL
    assert row["low"] < decided(alone)["low"] and row["high"] > decided(alone)["high"]
    assert "detectable with power 0.8: " in row["note"]
    names = frame[["model", "attention", "gender"]].agg(", ".join, axis=1)
    found = statistics.compare(frame.assign(configuration=names), ", ".join(MODEL1)).iloc[0]
    assert [row["value"], row["low"], row["high"]] == pytest.approx(list(found[["difference", "low", "high"]]))


def test_many_trainings_decide_what_many_speakers_do_not():
    assert decided(grouped(shared=1.0))["verdict"] == SUPPORTED
    assert decided(grouped(gain=-4.0, shared=1.0))["verdict"] == NOT_SUPPORTED


def test_recalls_and_baselines_know_of_groups_too():
    frame = recalls(grouped(shared=1.0))
    row = decided(frame, "sad-recognised-best-model-2")
    assert row["verdict"] == SUPPORTED and row["runs"].startswith("180 runs, 60 speakers, 3 seeds")
    svm = frame[frame["model"] == "model1"].assign(model=SVM[0], attention=SVM[1], gender=SVM[2])
    one = decided(pd.concat([frame, svm[svm["seed"] == 1]]), "network-matches-classical-features")
    assert "120 runs, 60 speakers, 1 seed" in one["runs"], "the seed draws the groups, so runs are paired by it"


def test_a_spread_over_speakers_of_one_training_is_not_judged():
    row = decided(grouped(), "self-attention-more-stable")
    assert row["verdict"] == claims.NOT_TESTED and "one training tested many" in row["note"]


def test_one_training_decides_nothing():
    frame = grouped(seeds=1)
    row = decided(frame[frame["held_out"] == "pair 0"])
    assert row["verdict"] == claims.NOT_TESTED and "at least two trainings" in row["note"]
