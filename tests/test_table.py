import csv
import re

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sermodules import corpora
from sermodules.corpora import columns
from sermodules.corpora import table as own
from sermodules.corpora.cells import same_name
from sermodules.errors import ConfigError, CorpusError

HEADER = ("utterance", "path", "speaker", "session", "gender", "emotion", "duration")


@pytest.fixture
def folder(tmp_path):
    """Hold four recordings of 0.5 s in a folder wav."""
    (tmp_path / "wav").mkdir()
    for name in "abcd":
        write_wav(tmp_path / "wav" / f"{name}.wav", 0.5)
    return tmp_path


def write_wav(path, seconds):
    """Write noise, another one under each name."""
    noise = np.random.default_rng(list(path.stem.encode())).normal(0, 0.1, round(seconds * 16000))
    soundfile.write(path, noise, 16000)


def write(folder, rows, header=HEADER, name="utterances.csv", encoding="utf-8", **options):
    path = folder / name
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, **options).writerows([header, *rows])
    return path


def row(name, **changes):
    return list(
        {
            "utterance": name, "path": f"wav/{name}.wav", "speaker": "01", "session": "", "gender": "female",
            "emotion": "angry", "duration": "0.5", **changes,
        }.values()
    )  # fmt: skip


def problems(path):
    """Return the problems that the error names, one a line."""
    with pytest.raises(CorpusError) as caught:
        own.load(path)
    message = str(caught.value)
    assert str(path) in message.splitlines()[0]
    return [line.strip() for line in message.splitlines()[1:] if line.startswith("  ")]


def test_a_plain_table(folder):
    rows = [row("b", speaker="007", gender="male", session="s1", emotion="calm"), row("a", duration="1.25")]
    path = write(folder, rows)
    table = own.load(path)
    assert list(table.columns) == list(HEADER)
    assert table.to_dict("records") == [
        {"utterance": "a", "path": str(folder / "wav/a.wav"), "speaker": "01", "session": "", "gender": "female",
         "emotion": "angry", "duration": 1.25},
        {"utterance": "b", "path": str(folder / "wav/b.wav"), "speaker": "007", "session": "s1", "gender": "male",
         "emotion": "calm", "duration": 0.5},
    ]  # fmt: skip
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        **dict.fromkeys(HEADER, "str"), "duration": "float64",
    }  # fmt: skip


def test_through_the_registry(folder, monkeypatch):
    path = write(folder, [row("a"), row("b", emotion="zeal"), row("c", emotion="neutral"), row("d", emotion="bored")])
    table = corpora.load(f"table:{path}")
    assert table.equals(own.load(path))
    assert corpora.classes(table) == ["angry", "neutral", "bored", "zeal"]
    monkeypatch.chdir(folder)
    assert corpora.load("table:utterances.csv").equals(table)
    monkeypatch.chdir("/")
    assert corpora.load("table:utterances.csv", root=folder).equals(table)
    with pytest.raises(CorpusError, match=r"/nowhere\.csv"):
        corpora.load("table:nowhere.csv")


def test_a_table_that_lies_in_the_folder_above_or_below_is_named(folder, monkeypatch):
    folder = folder / "home" / "mine"  # no other test has a table beside it
    (folder / "wav").mkdir(parents=True)
    path = write(folder, [row("a")])
    for place in (folder / "wav", folder.parent):
        monkeypatch.chdir(place)
        with pytest.raises(CorpusError, match=rf"There is {path}: did you mean it\?"):
            corpora.load(f"table:{path.name}")
    monkeypatch.chdir(folder)
    with pytest.raises(CorpusError, match=rf"There is {path}: did you mean it\?"):
        corpora.load(f"table:nowhere/{path.name}")


def test_duration_comes_from_the_header_when_it_is_not_given(folder):
    write_wav(folder / "wav/b.wav", 0.75)
    (folder / "wav/c.wav").write_bytes(b"not audio")
    path = write(folder, [row("a", duration="9"), row("b", duration=""), row("c", duration=" ")])
    lengths = own.load(path)["duration"].tolist()
    assert lengths[:2] == [9.0, 0.75] and np.isnan(lengths[2])
    path = write(folder, [row(name)[:-1] for name in "ab"], header=HEADER[:-1])
    assert own.load(path)["duration"].tolist() == [0.5, 0.75]


def test_what_is_tolerated(folder):
    rows = [
        ["x", "angry", " F ", "", "0001", str(folder / "wav/a.wav"), " a", "1,5"],
        ["y", "sad", "m", "s", "NA", "wav/b.wav", "b", ""],
        ["z", "sad", "Female", "s", "nan", "./wav/c.wav", "c", ""],
        ["z", "sad", "MALE", "s", "None", "wav/d.wav", "d", "ü"],
    ]
    header = ("comment", "emotion", "gender", "session", "speaker", "path", "utterance", "länge")
    for options in ({"encoding": "utf-8-sig"}, {"lineterminator": "\n"}, {"quoting": csv.QUOTE_ALL}):
        table = own.load(write(folder, rows, header=header, **options))
        assert table["utterance"].tolist() == ["a", "b", "c", "d"]
        assert table["speaker"].tolist() == ["0001", "NA", "nan", "None"]
        assert table["gender"].tolist() == ["female", "male", "female", "male"]
        assert list(table.columns) == list(HEADER)
        assert table["duration"].tolist() == [0.5] * 4


def test_all_problems_at_once_with_their_lines(folder):
    path = write(
        folder,
        [
            row("a"),  # line 2
            row("a", path="wav/b.wav"),
            row("c", emotion="", speaker=""),
            row("d", path="wav/nowhere.wav"),
            row("e", path="wav/c.wav"),
            row("f", path="wav/d.wav", gender="x", duration="long"),
            row("g", path="", gender="male", session="s2"),
            row("", path="wav"),
            ["h", "wav/d.wav"],
            row("i", path="wav\\a.wav", duration="-1", emotion="Angry", speaker="02"),
        ],
    )
    assert problems(path) == [
        "line 3: utterance a stands in line 2 already",
        "line 4: emotion is empty",
        "line 4: speaker is empty",
        f"line 5: there is no audio file {folder}/wav/nowhere.wav",
        f"line 6: path {folder}/wav/c.wav stands in line 4 already",
        "line 7: duration is 'long': it must be a number of seconds above 0, or empty",
        "line 7: gender is 'x': it must be female, male, other or unknown; an empty cell is unknown",
        "line 8: path is empty",
        "line 8: speaker 01 has 2 genders: 'female' (line 2 and 4 more) and 'male' (line 8); a speaker has one",
        "line 8: speaker 01 has 2 sessions: empty (line 2 and 5 more) and 's2' (line 8); a speaker has one; "
        "leave it empty if your corpus has no sessions",
        f"line 9: there is no audio file {folder}/wav",
        "line 9: utterance is empty",
        "line 10: 2 cells, but there are 7 columns",
        "line 11: duration is '-1': it must be a number of seconds above 0, or empty",
        "line 11: one emotion is written in 2 ways: 'angry' (line 2 and 6 more) and 'Angry' (line 11). Write it in one way",
        f"line 11: path {folder}/wav/a.wav stands in line 2 already",
    ]


def test_a_folder_that_is_not_there_is_said_once(folder):
    rows = [row(name, path=f"{where}/{name}.wav") for where in ("wav", "lost/deeper", "gone") for name in "abcd"]
    rows = [row(f"u{number}", path=cells[HEADER.index("path")]) for number, cells in enumerate(rows)]
    path = write(folder, rows)
    told = problems(path)
    assert len(told) == 2
    assert told[0].startswith(
        f"line 6: there is no audio file {folder}/lost/deeper/a.wav: there is no folder {folder}/lost, "
    )
    assert "and so it is with 3 more lines. A relative path counts from" in told[0] and told[1].startswith("line 10: ")


def test_of_many_problems_the_first_are_shown(folder):
    path = write(folder, [row(f"u{number}", path=f"wav/none{number}.wav") for number in range(50)])
    told = problems(path)
    assert len(told) == 21 and told[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path;speaker;emotion\nwav/a.wav;01,angry\nwav/b.wav;02;sad\n", "line 2: 2 cells, but there are 3 columns: cells are "
         "separated by semicolons here, and this line has commas"),
        ("path;speaker;emotion\nwav/a.wav,01,angry\nwav/b.wav;02;sad\n", "line 2: 1 cell, but"),
        ("path,speaker,emotion\nwav/a.wav,01,angry,very\nwav/b.wav,02,sad\n", "line 2: 4 cells, .* in quotation marks"),
        ("path,speaker,emotion\nwav/a.wav;01;angry\nwav/b.wav;02;sad\n", "line 1: its cells are separated by commas, and those "
         "of the other lines by semicolons"),
    ],
)  # fmt: skip
def test_signs_that_are_mixed_are_named(folder, text, words):
    (folder / "mixed.csv").write_text(text)
    with pytest.raises(CorpusError, match=words):
        own.load(folder / "mixed.csv")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=,"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_for_excel_is_read_and_lines_keep_their_numbers(folder, first, end):
    sign = first.strip('"')[-1]
    lines = [
        first,
        "path;participant;emotion",
        "wav/a.wav;01;angry",
        "wav/b.wav;02;sad",
        "wav/c.wav;02;sad",
        "wav/d.wav;01;",
    ]
    (folder / "excel.csv").write_bytes(end.join(lines).replace(";", sign).encode("utf-8-sig"))
    assert problems(folder / "excel.csv") == ["line 6: emotion is empty"]
    (folder / "excel.csv").write_bytes(end.join(lines[:-1]).replace(";", sign).encode("utf-8-sig"))
    assert own.load(folder / "excel.csv")["speaker"].tolist() == ["01", "02", "02"]


def test_a_participant_is_a_speaker_only_where_no_column_is_more_plainly_one(folder):
    taken = columns.chosen(["participant", "file", "actor", "emotion"])[0]
    assert taken["speaker"] == 2 and columns.chosen(["Participant ID", "file", "emotion"])[0]["speaker"] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{0}/utterance.csv", "There is utterances.csv in {0}: did you mean it"),
        ("{0}/../{1}/utterance.csv", "not there. It was looked for in:\n  {0}/utterance.csv\n"),
        ("{0}", "{0} is a folder; name the table in it: there is utterances.csv"),
        ("{0}/none/utterances.csv", "There is no folder {0}/none"),
    ],
)
@pytest.mark.parametrize("start", ["table:", ""])
def test_a_slip_in_the_path_of_a_table_is_told_what_lies_nearby(folder, name, words, start):
    write(folder, [row("a"), row("b")])
    with pytest.raises(CorpusError) as caught:
        corpora.load(start + name.format(folder, folder.name))
    assert words.format(folder) in str(caught.value)


def test_a_table_that_is_named_without_the_word_is_told_it(folder):
    path = write(folder, [row("a"), row("b")])
    with pytest.raises(ConfigError, match=f"a table of your own is named table:{path}"):
        corpora.load(str(path))


def test_lines_are_the_file_s_lines(folder):
    text = (
        "\ufeffutterance,path,speaker,session,gender,emotion,note\n"
        'a,wav/a.wav,1,,f,angry,"a note\nof three\nlines"\n'
        "\n"
        ",,,,,,\n"
        "b,wav/b.wav,2,,?,sad,\n"
    )
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert problems(path) == [
        "line 7: gender is '?': it must be female, male, other or unknown; an empty cell is unknown"
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "1s", "1e999"])
def test_durations_that_are_none(folder, value):
    assert problems(write(folder, [row("a", duration=value)])) == [
        f"line 2: duration is {value!r}: it must be a number of seconds above 0, or empty"
    ]


def test_columns(folder):
    path = write(folder, [], header=("utterance", "path", "sex", "emotion"))
    assert problems(path) == [
        "line 1: missing columns: speaker. The columns here are: utterance, path, sex, emotion. "
        "(speaker may also be called speakerid, spk, spkid, spkr, actor, actorid, subject, subjectid)"
    ]
    path = write(folder, [[*row("a"), "b"]], header=(*HEADER, "utterance"))
    assert problems(path) == [
        "line 1: columns that are there twice: utterance (utterance, utterance). Keep one of them."
    ]


def test_files_that_are_no_table(folder):
    path = folder / "t.csv"
    with pytest.raises(CorpusError, match="there is no file"):
        own.load(path)
    with pytest.raises(CorpusError, match="there is no file"):
        own.load(folder)
    for content in (b"", b" \r\n\n", b"\xef\xbb\xbf"):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match="is empty"):
            own.load(path)
    path.write_text(",".join(HEADER) + "\n\n")
    with pytest.raises(CorpusError, match="lists no utterances"):
        own.load(path)
    path.write_bytes((",".join(HEADER) + "\nü,").encode("latin-1"))
    with pytest.raises(CorpusError, match="line 2: not UTF-8"):
        own.load(path)
    path.write_text(",".join(HEADER), encoding="utf-16")
    with pytest.raises(CorpusError, match="line 1: not UTF-8"):
        own.load(path)
    path.write_text(",".join(HEADER) + '\na,"b\nc')
    with pytest.raises(CorpusError, match=r"line 2: not CSV: .*quotation marks"):
        own.load(path)


def test_options_that_mean_nothing_here(folder):
    path = write(folder, [row("a")])
    own.load(path, emotions="four", merge_excited=False, scripted=False)
    with pytest.raises(ConfigError) as caught:
        own.load(path, emotions="all", merge_excited=True, scripted=True)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["emotions", "merge_excited", "scripted"]


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(cell, st.sampled_from(["f", "male"]), cell), min_size=1, max_size=5))
@example([("1", "f", ""), ("", "f", "")])
@settings(max_examples=50, deadline=None)
def test_any_text_survives_or_is_named(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("cells")
    rows = []
    for number, (speaker, gender, emotion) in enumerate(cells):
        (folder / f"{number}.wav").touch()
        rows.append([f"u{number}", f"{number}.wav", f"{number}{speaker}", "", gender, emotion + "e", "1"])
    path = write(folder, rows)
    speakers = {
        f"{number}{speaker}".strip() for number, (speaker, _, _) in enumerate(cells)
    }  # 0 before 1 is 01, which is 1
    emotions = {(emotion + "e").strip() for _, _, emotion in cells}
    clashes = {
        what
        for what, names in (("speaker", speakers), ("emotion", emotions))
        if len({*map(same_name, names)}) < len(names)
    }
    try:
        table = own.load(path)
    except CorpusError as error:
        assert {*re.findall(r"line \d+: one (\w+) is written in", str(error))} == clashes != set()
        return
    assert not clashes
    assert table["speaker"].tolist() == [f"{number}{speaker}".strip() for number, (speaker, _, _) in enumerate(cells)]
    assert table["emotion"].tolist() == [(emotion + "e").strip() for _, _, emotion in cells]
    assert table["gender"].tolist() == ["female" if gender == "f" else "male" for _, gender, _ in cells]


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_refused_with_a_message(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "t.csv"
    path.write_bytes(content)
    with pytest.raises(CorpusError):
        own.load(path)
