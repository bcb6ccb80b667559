import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import iemocap_tree as tree
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import corpora, runs, study
from sermodules.__main__ import main
from sermodules.corpora import iemocap
from sermodules.errors import ConfigError, CorpusError
from sermodules.evidence import scores
from sermodules.study import driver

few = settings(max_examples=50, deadline=None)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    root = tmp_path_factory.mktemp("full")
    return root, tree.write(root, tree.full_turns(), distinct=False)  # 10,000 names, three files


@pytest.fixture(scope="module")
def full_table(full):
    return load(full[0])


@pytest.fixture
def mini(tmp_path):
    root = tmp_path / "mini"
    return root, tree.write(root, tree.miniature_turns())


def load(root, **options):
    """Load a tree that must not give a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return iemocap.load(root, **options)


def load_with_warnings(root, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = iemocap.load(root, **options)
    assert all(issubclass(warning.category, UserWarning) for warning in caught)
    return table, [str(warning.message) for warning in caught]


# the full corpus's numbers


def test_full_tree_has_the_corpus_s_size(full):
    _, turns = full
    assert len(turns) == len({turn.name for turn in turns}) == 10039
    assert len({turn.dialog for turn in turns}) == 151


def test_counts_of_the_full_tree(full_table):
    table = full_table
    assert list(table.columns) == ["utterance", "path", "speaker", "session", "gender", "emotion", "duration"]
    counts = Counter(zip(table["session"], table["speaker"], table["gender"], table["emotion"], strict=True))
    expected = {
        (f"Ses0{session}", f"Ses0{session}{letter}", gender, emotion): n
        for session, speakers in tree.COUNTS.items()
        for letter, gender, row in zip("FM", ("female", "male"), speakers, strict=True)
        for emotion, n in zip(("angry", "happy", "sad", "neutral"), row, strict=True)
    }
    assert counts == expected
    assert len(table) == 2280
    assert table["emotion"].value_counts().to_dict() == {"neutral": 1099, "sad": 608, "angry": 289, "happy": 284}
    assert table["gender"].value_counts().to_dict() == {"male": 1167, "female": 1113}
    assert table["emotion"].eq("neutral").mean() == pytest.approx(0.482, abs=5e-4)


def test_the_table_is_in_order(full, full_table):
    (root, turns), table = full, full_table
    assert table["utterance"].is_monotonic_increasing and table["utterance"].is_unique
    assert table.index.tolist() == list(range(len(table)))
    by_name = {turn.name: turn for turn in turns}
    for row in table.iloc[::97].itertuples():
        turn = by_name[row.utterance]
        assert row.path == str(turn.wav(root)) and Path(row.path).is_file()
        assert row.duration == turn.seconds
        assert row.gender[0].upper() == turn.letter
    types = {name: str(dtype) for name, dtype in table.dtypes.items()}
    assert types == {**dict.fromkeys(table.columns, "str"), "duration": "float64"}


def test_names_that_fixed_indices_break(full_table):
    table = full_table
    odd = table[table["utterance"].str.split("_").str[1].str[-1].isin(["a", "b"])]
    assert len(odd) == 56
    assert set(odd["speaker"]) == {"Ses03F", "Ses03M"}
    worn = table["utterance"].str[5]
    spoken = table["speaker"].str[-1]
    assert 0.4 < (worn == spoken).mean() < 0.6


def test_known_counts_add_up():
    rows = iemocap.COUNTS
    assert sum(sum(row) for row in rows.values()) == 2280
    assert rows == {
        f"Ses0{session}{letter}": row
        for session, speakers in tree.COUNTS.items()
        for letter, row in zip("FM", speakers, strict=True)
    }
    assert [sum(column) for column in zip(*rows.values(), strict=True)] == [289, 284, 608, 1099]


def test_options_of_the_full_tree(full):
    root, turns = full
    improvised = Counter(turn.code for turn in turns if "impro" in turn.dialog)
    scripted = Counter(turn.code for turn in turns if "script" in turn.dialog)
    merged = load(root, merge_excited=True)
    assert (merged["emotion"] == "happy").sum() == 284 + improvised["exc"]
    assert len(merged) == 2280 + improvised["exc"]
    everything = load(root, emotions="all")["emotion"].value_counts().to_dict()
    assert everything == {name: improvised[code] for code, name in iemocap.EMOTIONS.items()}
    assert set(everything) == {
        "angry", "happy", "excited", "sad", "neutral", "frustrated", "fearful", "surprised", "disgusted", "other",
    }  # fmt: skip
    both = load(root, scripted=True)
    assert len(both) == 2280 + sum(scripted[code] for code in ("ang", "hap", "sad", "neu"))
    all_of_it = load(root, emotions="all", scripted=True)
    assert len(all_of_it) == 10039 - improvised["xxx"] - scripted["xxx"]
    merged_all = load(root, emotions="all", merge_excited=True)
    assert "excited" not in set(merged_all["emotion"])
    assert (merged_all["emotion"] == "happy").sum() == 284 + improvised["exc"]


# differences from the full corpus


def test_one_turn_less_names_the_cell(tmp_path):
    turns = tree.full_turns(scripted=False)
    gone = next(turn for turn in turns if turn.dialog[3:5] == "02" and turn.letter == "F" and turn.code == "ang")
    tree.write(tmp_path, [turn for turn in turns if turn is not gone], traps=False, distinct=False)
    table, messages = load_with_warnings(tmp_path)
    assert len(table) == 2279 and gone.name not in set(table["utterance"])
    assert len(messages) == 1
    assert messages[0].splitlines()[1:] == ["  Ses02F angry: 6 instead of 7"]

    # and one too many of another class
    turns[turns.index(gone)] = tree.Turn(gone.dialog, gone.letter, gone.number, "hap", gone.seconds)
    labels = gone.labels(tmp_path)
    labels.write_bytes(tree.evaluation([turn for turn in turns if turn.dialog == gone.dialog]))
    tree._write_wav(gone, tmp_path, None)
    table, messages = load_with_warnings(tmp_path)
    assert len(table) == 2280
    assert messages[0].splitlines()[1:] == ["  Ses02F angry: 6 instead of 7", "  Ses02F happy: 26 instead of 25"]
    # the merged table is checked against the counts of the unmerged classes
    _, messages = load_with_warnings(tmp_path, merge_excited=True)
    assert messages[0].splitlines()[1:] == ["  Ses02F angry: 6 instead of 7", "  Ses02F happy: 26 instead of 25"]


def test_partial_copy_loads(full, tmp_path):
    for session in (2, 5):
        (tmp_path / f"Session{session}").symlink_to(full[0] / f"Session{session}")
    table, messages = load_with_warnings(tmp_path, scripted=True)
    assert set(table["session"]) == {"Ses02", "Ses05"}
    [message] = messages
    assert message.splitlines()[1:-1] == [
        "  Ses01F: none instead of 217", "  Ses01M: none instead of 205",
        "  Ses03F: none instead of 264", "  Ses03M: none instead of 274",
        "  Ses04F: none instead of 149", "  Ses04M: none instead of 221",
    ]  # fmt: skip
    assert message.splitlines()[-1].endswith("instead of 10039")
    assert not load(tmp_path, check_counts=False).empty


# missing recordings


def test_missing_wav_is_reported_and_left_out(mini):
    root, turns = mini
    lost = [turn for turn in turns if "impro" in turn.dialog and turn.code in ("ang", "sad")][:13]
    for turn in lost:
        turn.wav(root).unlink()
    table, messages = load_with_warnings(root, check_counts=False)
    assert not {turn.name for turn in lost} & set(table["utterance"])
    [message] = messages
    assert message.startswith("Turns left out, because their recording is missing (13):")
    named = [turn for turn in sorted(lost, key=lambda turn: turn.name) if str(turn.wav(root)) in message]
    assert named == sorted(lost, key=lambda turn: turn.name)[:10]
    assert message.endswith("and 3 more")


def test_missing_wav_of_a_turn_that_is_not_asked_for(mini):
    root, turns = mini
    for turn in turns:
        if turn.code == "fru" or "script" in turn.dialog:
            turn.wav(root).unlink()
    load(root, check_counts=False)


def test_missing_wav_counts_as_missing(full):
    root, turns = full
    turn = next(turn for turn in turns if turn.dialog[:5] == "Ses04" and turn.letter == "M" and turn.code == "hap")
    content = turn.wav(root).read_bytes()
    turn.wav(root).unlink()
    try:
        _, messages = load_with_warnings(root)
    finally:
        turn.wav(root).write_bytes(content)
    assert len(messages) == 2
    assert turn.name in messages[0]
    assert messages[1].splitlines()[1:] == ["  Ses04M happy: 20 instead of 21"]


def test_no_wav_at_all(tmp_path):
    turns = tree.write(tmp_path, tree.miniature_turns(), wavs=False)
    with pytest.raises(CorpusError, match="recording is missing") as caught:
        iemocap.load(tmp_path, check_counts=False)
    first = min((turn for turn in turns if turn.code == "ang" and "impro" in turn.dialog), key=lambda turn: turn.name)
    assert str(first.wav(tmp_path)) in str(caught.value)


def test_unreadable_header_falls_back_to_the_label(mini):
    root, turns = mini
    turn = next(turn for turn in turns if turn.code == "neu" and turn.seconds == 0.5 and "impro" in turn.dialog)
    for content in (b"", b"not audio at all", b"RIFF\xff\xff\xff\xffWAVE"):
        turn.wav(root).unlink()
        turn.wav(root).write_bytes(content)
        table = load(root, check_counts=False).set_index("utterance")
        assert table.loc[turn.name, "duration"] == pytest.approx(0.5)


# evaluation files


def test_traps_change_nothing(tmp_path):
    turns = tree.miniature_turns()
    tree.write(tmp_path / "plain", turns, traps=False)
    tree.write(tmp_path / "traps", turns, traps=True)
    plain, traps = (
        load(tmp_path / name, emotions="all", scripted=True, check_counts=False) for name in ("plain", "traps")
    )
    assert plain.drop(columns="path").equals(traps.drop(columns="path"))
    assert len(plain) == sum(turn.code != "xxx" for turn in turns)


def test_every_line_that_cannot_be_parsed_is_named(mini):
    root, turns = mini
    labels = turns[0].labels(root)
    assert labels.stem == "Ses01F_impro01"
    good = labels.read_bytes().decode("latin-1").splitlines(keepends=True)[:3]  # header, blank, first turn
    bad = [
        "[1.0 - 2.0]\tSes01F_impro01_X001\tneu\t[2.5, 2.5, 2.5]",
        "[1.0 - 2.0]\tSes01F_impro01_F001\tfun\t[2.5, 2.5, 2.5]",
        "[2.0 - 1.0]\tSes01F_impro01_F002\tneu\t[2.5, 2.5, 2.5]",
        "[1.0 - 2.0]\tSes01F_impro01_F003\tneu\t[2.5, 2.5",
        "1.0 - 2.0]\tSes01F_impro01_F004\tneu\t[2.5, 2.5, 2.5]",
        "[1.0 - 2.0]\tSes01M_impro02_F005\tneu\t[2.5, 2.5, 2.5]",
        "[START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
        good[2].replace("\tang\t", "\tsad\t").rstrip(),
        "[",
    ]
    lines = [*good, *(f"{line}\nC-E2:\tNeutral;\t()\n" for line in bad)]
    lines.append("[9.0 - 9.5]\tSes01F_impro01_M000\tneu\t[2, 2, 2]")
    labels.write_text("".join(lines), encoding="latin-1", newline="")
    other = next(turn for turn in turns if turn.dialog == "Ses03M_impro05a").labels(root)
    other.write_bytes(other.read_bytes() + b"[oops")
    last = other.read_bytes().count(b"\n") + 1

    table, messages = load_with_warnings(root, check_counts=False)
    [message] = messages
    named = [line.strip() for line in message.splitlines()[1:]]
    where = [f"{labels}:{number}: " for number in range(4, 4 + 2 * len(bad), 2)] + [f"{other}:{last}: "]
    assert len(named) == len(where)
    assert all(line.startswith(place) for line, place in zip(named, where, strict=True))
    assert "'fun' is not an emotion" in named[1]
    assert "does not belong to the dialog" in named[5]
    assert "has a label already" in named[7]
    mine = table[table["utterance"].str.startswith("Ses01F_impro01")].set_index("utterance")["emotion"].to_dict()
    assert mine == {turns[0].name: "angry", "Ses01F_impro01_M000": "neutral"}


def test_a_session_s_file_in_another_session(mini):
    root, turns = mini
    labels = turns[0].labels(root)
    shutil.copy(labels, root / "Session2/dialog/EmoEvaluation" / labels.name)
    table, [message] = load_with_warnings(root, check_counts=False)
    assert "does not belong to Session2" in message
    assert table["utterance"].is_unique


def test_byte_order_mark_and_old_line_ends(mini):
    root, turns = mini
    before = load(root, check_counts=False)
    for number, path in enumerate(sorted({turn.labels(root) for turn in turns})):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        if number % 2:  # no header: the mark is followed by a turn
            content = content.split(b"\n\n", 1)[1]
        path.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r"))
    assert load(root, check_counts=False).equals(before)


@given(content=st.binary(max_size=300))
@few
def test_any_bytes_in_a_label_file(content, tmp_path_factory):
    root = tmp_path_factory.mktemp("bytes")
    [turn] = tree.write(root, tree.turns_of([("Ses04F_impro03", "M", "sad")]), traps=False)
    path = turn.labels(root)
    path.write_bytes(path.read_bytes() + content)
    table, _ = load_with_warnings(root, check_counts=False)
    assert table["utterance"].tolist() == [turn.name] and table["emotion"].tolist() == ["sad"]
    shutil.rmtree(root)


# names and lines

digit = st.sampled_from("0123456789")
half = st.sampled_from(["", "a", "b"])
heads = st.builds("Ses0{}{}_".format, st.integers(1, 5), st.sampled_from("FM"))
dialogs = st.builds(
    str.__add__,
    heads,
    st.one_of(st.builds("impro0{}{}".format, digit, half), st.builds("script0{}_{}{}".format, digit, digit, half)),
)
names = st.builds("{}_{}{:03d}".format, dialogs, st.sampled_from("FM"), st.integers(0, 999))
codes = st.sampled_from([*iemocap.EMOTIONS, "xxx"])
spaces = st.sampled_from(["\t", " ", "  ", "\t "])


@given(dialog=dialogs, letter=st.sampled_from("FM"), number=st.integers(0, 999))
@few
def test_turn_names_are_read_from_the_end(dialog, letter, number):
    name = f"{dialog}_{letter}{number:03d}"
    turn = iemocap.parse_turn(name)
    assert turn == iemocap.Turn(
        name=name,
        dialog=dialog,
        session=name[:5],
        speaker=name[:5] + letter,
        gender={"F": "female", "M": "male"}[letter],
        scripted="script" in name,
    )


@pytest.mark.parametrize(
    ("name", "speaker", "scripted"),
    [
        ("Ses03M_impro05a_F012", "Ses03F", False),
        ("Ses03M_impro05a_M012", "Ses03M", False),
        ("Ses02F_impro08b_M003", "Ses02M", False),
        ("Ses01F_impro01_F000", "Ses01F", False),
        ("Ses05F_script01_1b_M041", "Ses05M", True),
        ("Ses05M_script03_2_F021", "Ses05F", True),
    ],
)
def test_known_kinds_of_names(name, speaker, scripted):
    turn = iemocap.parse_turn(name)
    assert (turn.speaker, turn.scripted, turn.name) == (speaker, scripted, name)


@pytest.mark.parametrize(
    "name",
    [
        "", "Ses06F_impro01_F000", "Ses01X_impro01_F000", "Ses01F_impro01_F00", "Ses01F_impro01_F0000",
        "Ses01F_impro01_X000", "Ses01F_impro01c_F000", "Ses01F_script01_F000", "Ses01F_impro01_1_F000",
        "Ses01F_impro01_F000\n", " Ses01F_impro01_F000", "ses01f_impro01_f000", "Ses01F_impro01_F٠٠٠",
        "Ses1F_impro01_F000",
    ],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="is not the name of a turn"):
        iemocap.parse_turn(name)


@given(
    turn=names, code=codes, start=st.integers(0, 9_999_999), length=st.integers(1, 400_000),
    ratings=st.lists(st.integers(10_000, 50_000), min_size=3, max_size=3), gap=spaces,
    end=st.sampled_from(["", "\r", " "]),
)  # fmt: skip
@few
def test_lines_are_read_back(turn, code, start, length, ratings, gap, end):
    first, last = f"{start / 1e4:.4f}", f"{(start + length) / 1e4:.4f}"
    line = gap.join([f"[{first} - {last}]", turn, code, f"[{', '.join(f'{value / 1e4:.4f}' for value in ratings)}]"])
    label = iemocap.parse_line(line + end)
    assert label == iemocap.Label(iemocap.parse_turn(turn), code, float(first), float(last))


@given(
    st.one_of(
        st.text(), st.text(alphabet="[]-., \tSes01FM_improscta0123neu"), names.map(lambda name: f"[1 - 2]\t{name}")
    )
)
@few
def test_any_text_is_read_or_refused(text):
    for parse in (iemocap.parse_line, iemocap.parse_turn):
        try:
            found = parse(text)
        except ValueError:
            continue
        name = found.turn.name if parse is iemocap.parse_line else found.name
        assert name in text


@given(name=names, at=st.integers(0, 25), letter=st.characters())
@few
def test_a_changed_name_never_changes_who_speaks(name, at, letter):
    changed = name[:at] + letter + name[at + 1 :]
    try:
        turn = iemocap.parse_turn(changed)
    except ValueError:
        return
    assert turn.speaker == changed[:5] + changed[-4]


# where the corpus lies


def test_root_too_high_or_too_low(mini, tmp_path):
    root, _ = mini
    expected = load(root, check_counts=False)
    (tmp_path / "__MACOSX" / "Session1" / "dialog" / "EmoEvaluation").mkdir(parents=True)
    for given_root in (
        root, str(root), tmp_path, root / "Session1", root / "Session3" / "dialog", root / "Session3/sentences/wav",
        root / "Session2/dialog/EmoEvaluation",
    ):  # fmt: skip
        assert load(given_root, check_counts=False).equals(expected), given_root


def test_root_two_levels_up(tmp_path):
    tree.write(tmp_path / "IEMOCAP" / "IEMOCAP_full_release", tree.miniature_turns(), wavs=False)
    assert iemocap.find_root(tmp_path) == tmp_path / "IEMOCAP" / "IEMOCAP_full_release"


def test_relative_root_gives_absolute_paths(mini, monkeypatch):
    root, _ = mini
    monkeypatch.chdir(root.parent)
    assert all(Path(path).is_absolute() for path in load("mini", check_counts=False)["path"])


def test_two_corpora_below_the_root(tmp_path):
    for name in ("one", "two"):
        tree.write(tmp_path / name, tree.miniature_turns(), wavs=False, traps=False)
    with pytest.raises(CorpusError, match="more than one") as caught:
        iemocap.load(tmp_path)
    assert str(tmp_path / "one") in str(caught.value) and str(tmp_path / "two") in str(caught.value)


def test_explains_what_is_there_instead(tmp_path):
    with pytest.raises(CorpusError, match=r"there is no folder .*/nowhere"):
        iemocap.load(tmp_path / "nowhere")
    (tmp_path / "wav").mkdir()
    with pytest.raises(CorpusError, match="It holds wav"):
        iemocap.load(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(CorpusError, match="It is a file"):
        iemocap.load(tmp_path / "a.txt")
    (tmp_path / "Session1" / "sentences").mkdir(parents=True)
    with pytest.raises(CorpusError, match="It holds Session1, but no dialog/EmoEvaluation"):
        iemocap.load(tmp_path)
    (tmp_path / "Session1" / "dialog" / "EmoEvaluation").mkdir(parents=True)
    with pytest.raises(CorpusError, match="no turn could be read"):
        iemocap.load(tmp_path)
    (tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").write_text("[1 - 2]\n")
    with pytest.raises(CorpusError, match=r"Ses01F_impro01.txt:1: not of the form"):
        iemocap.load(tmp_path)


def test_nothing_of_what_was_asked_for(tmp_path):
    tree.write(tmp_path, tree.turns_of([("Ses01F_script01_1", "F", "ang"), ("Ses01F_impro01", "F", "fru")]))
    with pytest.raises(CorpusError, match="no utterance of what was asked for"):
        iemocap.load(tmp_path)
    assert len(load(tmp_path, scripted=True, check_counts=False)) == 1


def test_unknown_emotions(mini):
    with pytest.raises(ConfigError, match=r"'seven'.*four, all"):
        iemocap.load(mini[0], emotions="seven")


def test_through_the_registry(full, full_table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = corpora.load("iemocap", full[0], duplicates="keep")  # many names, few sounds
    assert table.equals(full_table)
    assert corpora.classes(table) == ["angry", "sad", "happy", "neutral"]


@pytest.mark.parametrize(
    ("file", "advice"),
    [("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav", "but no labels: get dialog/EmoEvaluation"),
     ("wav/happy/Ses01F_impro01_F000.wav", "describe this copy in a CSV and load it as table:"),
     ("session2/dialog/EmoEvaluation/Ses02F_impro01.txt", "session2 is called Session2 in the release"),
     ("SESSION_3/x", "SESSION_3 is called Session3 in the release")],
)  # fmt: skip
def test_a_copy_in_another_form_is_explained(tmp_path, file, advice):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    with pytest.raises(CorpusError, match=advice):
        iemocap.find_root(tmp_path)


# --- a copy that is not the full corpus


def test_what_a_copy_lacks(full):
    root, turns = full
    assert iemocap.lacks(root) == [] == iemocap.lacks(root, scripted=True)
    path = next(turn for turn in turns if turn.code == "ang" and turn.name.startswith("Ses01F_impro")).wav(root)
    path.rename(path.with_suffix(".gone"))
    found = iemocap.lacks(root)
    path.with_suffix(".gone").rename(path)
    assert len(found) == 1 and re.fullmatch(r"Ses01[FM] angry: (36|24) instead of (37|25)", found[0])


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Return a study on a miniature, which is not the full corpus."""
    tree.write(tmp_path / "iemocap", tree.miniature_turns())
    monkeypatch.setenv("SERMODULES_DATA", str(tmp_path))
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    settings = "{corpus: iemocap, preset: smoke, model: majority}"
    (tmp_path / "s.yaml").write_text(f"name: s\nsettings: {settings}\nfolds: [1]\nseeds: [1]\n", encoding="utf-8")
    return tmp_path / "s.yaml"


@pytest.mark.filterwarnings("ignore:.*is not the full corpus")
def test_a_study_on_a_copy_that_is_not_full_asks_first(part):
    called = CliRunner().invoke(main, ["study", "run", str(part), "--out", str(part.parent / "runs")])
    assert called.exit_code == 1
    told = called.stderr
    assert f"{part.parent / 'iemocap'} is not the full corpus iemocap:" in told and "instead of 37" in told
    assert "Nothing was done" in told and "--incomplete" in told.splitlines()[-1]
    assert not list((part.parent / "runs").glob("*_seed*"))
    lines = []
    driver._check_whole(study.load(part).configs, True, lines.append)
    assert "instead of" in "".join(lines) and lines[-1] == "the study goes on with it, and its runs and report say so"


@pytest.mark.filterwarnings("ignore:.*is not the full corpus")
def test_a_run_on_a_copy_that_is_not_full_says_so(part):
    [config] = study.load(part).configs
    found = runs.run(config, verbose=False)
    assert found.provenance["corpus_lacks"] == corpora.lacks("iemocap") and len(found.provenance["corpus_lacks"]) > 9
    assert scores.from_results([found])["settings"].tolist() == ["incomplete corpus"]
