"""Tables of other tools, paths of other systems, databases of audformat, and what the check says of them."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from sermodules import corpora
from sermodules.__main__ import main
from sermodules.corpora import columns, databases, overview, places
from sermodules.errors import CorpusError

PEOPLE = {"ann": "female", "bea": "female", "cy": "male", "dan": "male"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hold sixteen recordings, four a speaker, in a folder wav."""
    root = tmp_path_factory.mktemp("others")
    (root / "wav").mkdir()
    for seed, (speaker, emotion, take) in enumerate(rows()):
        noise = np.random.default_rng(seed).normal(0, 0.1, 8000 + 1000 * seed)
        soundfile.write(root / "wav" / f"{speaker}_{emotion}_{take}.wav", noise, 16000)
    return root


def rows():
    return [(speaker, emotion, take) for speaker in PEOPLE for emotion in ("angry", "sad") for take in (1, 2)]


def write(folder, text, name="own.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return f"table:{folder / name}"


def plain(folder):
    """Return the table as this project has it."""
    lines = [f"{s}_{e}_{t},wav/{s}_{e}_{t}.wav,{s},,{PEOPLE[s]},{e}" for s, e, t in rows()]
    return corpora.load(
        write(folder, "utterance,path,speaker,session,gender,emotion\n" + "\n".join(lines), "plain.csv")
    )


FORMS = {
    "nkululeko": ("file,speaker,gender,emotion", "wav/{0}_{1}_{2}.wav,{0},{g},{1}"),
    "capitals": ("Utterance,Path,SPEAKER,Session,Gender,Emotion", "{0}_{1}_{2},wav/{0}_{1}_{2}.wav,{0},,{g},{1}"),
    "snake": ("Speaker_ID,File Name,Emotion Label,Sex", "{0},wav/{0}_{1}_{2}.wav,{1},{g}"),
    "audformat filewise": ("file,emotion,speaker,gender", "wav/{0}_{1}_{2}.wav,{1},{0},{g}"),
    "tabs": ("path\tspeaker\temotion\tsex", "wav/{0}_{1}_{2}.wav\t{0}\t{1}\t{g}"),
    "semicolons": ("path;speaker;emotion;sex;text", 'wav/{0}_{1}_{2}.wav;{0};{1};{g};"a, b; c"'),
    "bars": ("path|speaker|emotion|sex", "wav/{0}_{1}_{2}.wav|{0}|{1}|{g}"),
    "R write.table": ('"file" "speaker" "emotion" "sex"', '"{n}" "wav/{0}_{1}_{2}.wav" "{0}" "{1}" "{g}"'),
    "R write.csv": ('"","file","speaker","emotion","sex"', '"{n}","wav/{0}_{1}_{2}.wav","{0}","{1}","{g}"'),
    "R row names": ('"file","speaker","emotion","sex"', '"{n}","wav/{0}_{1}_{2}.wav","{0}","{1}","{g}"'),
    "pandas index": (",file,speaker,emotion,sex", "{n},wav/{0}_{1}_{2}.wav,{0},{1},{g}"),
    "a comma at each end": ("file,speaker,emotion,sex", "wav/{0}_{1}_{2}.wav,{0},{1},{g},"),
    "R's NA as session": ("file,speaker,session,emotion,sex", "wav/{0}_{1}_{2}.wav,{0},NA,{1},{g}"),
    "Windows folders": ("file,speaker,emotion,gender", "wav\\{0}_{1}_{2}.wav,{0},{1},{g}"),
    "label beside emotion": ("file,speaker,emotion,label,gender", "wav/{0}_{1}_{2}.wav,{0},{1},7,{g}"),
    "file beside path": ("path,file,speaker,emotion,gender", "wav/{0}_{1}_{2}.wav,x,{0},{1},{g}"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_table_in_the_forms_of_others(folder, form):
    header, line = FORMS[form]
    text = "\n".join([header, *(line.format(*row, g=PEOPLE[row[0]], n=number) for number, row in enumerate(rows(), 1))])
    for end in ("\n", "\r\n"):
        assert corpora.load(write(folder, text.replace("\n", end) + end)).equals(plain(folder))


def test_segmented_tables_with_a_decimal_comma(folder):
    lines = ["file;start;end;speaker;emotion"]
    for s, e, t in rows():
        lines += [f"wav/{s}_{e}_{t}.wav;0,05;0,25;{s};{e}", f"wav/{s}_{e}_{t}.wav;0,25;;{s};{e}"]
    table = corpora.load(write(folder, "\n".join(lines)))
    assert len(table) == 32 and table["utterance"].is_unique
    assert table["utterance"][0] == "ann_angry_1_0.05_0.25" and table["duration"][0] == pytest.approx(0.2)


def test_files_of_one_name_in_two_folders_have_names_of_their_own(folder):
    lines = ["file,speaker,emotion"]
    for n, (speaker, take) in enumerate((s, t) for s in ("x", "y", "z") for t in (1, 2)):
        (folder / speaker).mkdir(exist_ok=True)
        noise = np.random.default_rng(90 + n).normal(0, 0.1, 8000)
        soundfile.write(folder / speaker / f"{take}.wav", noise, 16000)
        lines.append(f"{speaker}/{take}.wav,{speaker},{('sad', 'calm')[take - 1]}")
    assert corpora.load(write(folder, "\n".join(lines)))["utterance"].tolist() == [
        "x/1",
        "x/2",
        "y/1",
        "y/2",
        "z/1",
        "z/2",
    ]


def test_meld_as_it_is_released(folder):
    (folder / "meld" / "train_splits").mkdir(parents=True)
    lines = ["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"]
    for number in range(6):
        noise = np.random.default_rng(200 + number).normal(0, 0.1, 8000)
        soundfile.write(folder / "meld" / "train_splits" / f"dia{number // 2}_utt{number % 2}.wav", noise, 16000)
        emotion, who = ("joy", "anger")[number % 2], ("Joey", "Ross", "All")[number // 2]
        lines.append(
            f'{number},"Oh, no!",{who},{emotion},positive,{number // 2},{number % 2},8,21,"00:16:16,059","00:16:21,731"'
        )
    table = corpora.load(write(folder / "meld", "\n".join(lines), "train_sent_emo.csv"))
    assert table["utterance"].tolist() == [f"dia{n // 2}_utt{n % 2}" for n in range(6)]
    assert set(table["speaker"]) == {"Joey", "Ross", "All"} and "start" not in table
    lines.append('9,"x",Joey,joy,positive,9,9,8,21,"0","1"')
    with pytest.raises(CorpusError, match=r"line 8: there is no audio file .*dia9_utt9"):
        corpora.load(write(folder / "meld", "\n".join(lines), "train_sent_emo.csv"))


@pytest.mark.parametrize(
    ("content", "what"), [(b"PK\3\4", "Excel"), (b"PAR1", "Parquet"), (b"\xd0\xcf\x11\xe0", "Excel")]
)
def test_workbooks_are_named(folder, content, what):
    (folder / "own.xlsx").write_bytes(content + bytes(50))
    with pytest.raises(CorpusError, match=f"{what}.* Save it as CSV in UTF-8"):
        corpora.load(f"table:{folder / 'own.xlsx'}")


def test_two_columns_for_one_thing_are_named(folder):
    with pytest.raises(CorpusError, match=r"there twice: path \(filename, wav\). Keep one of them"):
        corpora.load(write(folder, "filename,wav,speaker,emotion\na,b,c,d"))
    with pytest.raises(
        CorpusError, match=r"missing columns: emotion\. .*\(emotion may also be called emotionlabel, label"
    ):
        corpora.load(write(folder, "file,speaker,feeling\na,b,c"))


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", " "])
def test_every_delimiter_is_told_apart(sign):
    assert columns.delimiter(sign.join(["path", "speaker", "emotion"]) + "\n") == sign


# --- databases of audformat


@pytest.mark.parametrize("segmented", [False, True])
def test_a_database_of_audformat(folder, tmp_path, segmented):
    audformat = pytest.importorskip("audformat", reason="audformat is not installed: pip install audformat==1.4.3")
    base = audformat.Database("own")
    base.schemes["emotion"] = audformat.Scheme(labels=["angry", "sad"])
    base.schemes["speaker"] = audformat.Scheme(labels={name: {"gender": gender} for name, gender in PEOPLE.items()})
    names = [f"wav/{s}_{e}_{t}.wav" for s, e, t in rows()]
    parts = audformat.segmented_index(names, [0] * 16, [pd.NaT] * 16) if segmented else audformat.filewise_index(names)
    for table, index, scheme, values in (
        ("emotion", parts, "emotion", [e for _, e, _ in rows()]),
        ("files", audformat.filewise_index(names), "speaker", [s for s, _, _ in rows()]),
    ):
        base[table] = audformat.Table(index)
        base[table][scheme] = audformat.Column(scheme_id=scheme)
        base[table][scheme].set(values)
    base.save(str(tmp_path))
    (tmp_path / "wav").symlink_to(folder / "wav")
    table = corpora.load(f"table:{tmp_path}")
    expected = plain(folder)
    names = ["utterance", "speaker", "gender", "emotion", "duration"]
    assert table[names].equals(expected[names])
    assert table.attrs["source"].seen["kind"] == "a database of audformat"


def test_a_database_without_audformat_or_without_speakers_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "db.yaml").write_text("name: x\nsource: y\nusage: other\n")
    with pytest.raises(CorpusError, match="has no scheme emotion and no scheme speaker"):
        corpora.load(f"table:{tmp_path}")
    (tmp_path / "db.yaml").write_text(": [")
    with pytest.raises(CorpusError, match="cannot be read as a database of audformat"):
        corpora.load(f"table:{tmp_path}")
    monkeypatch.setitem(__import__("sys").modules, "audformat", None)
    with pytest.raises(CorpusError, match=r"pip install audformat==1\.4\.3"):
        databases.read(tmp_path)


# --- paths of other systems


@pytest.mark.parametrize(
    ("text", "path"),
    [(r"C:\Users\ann\a.wav", "/mnt/c/Users/ann/a.wav"), ("d:/a b/c.wav", "/mnt/d/a b/c.wav"),
     (r"\\wsl$\Ubuntu\home\ann\a.wav", "/home/ann/a.wav"), (r"\\wsl.localhost\Debian\srv\a.wav", "/srv/a.wav"),
     ("//wsl.localhost/Debian/srv/a.wav", "/srv/a.wav"), (r"wav\a.wav", "wav/a.wav"), ("wav/a.wav", "wav/a.wav")],
)  # fmt: skip
def test_paths_of_windows(text, path):
    assert places.unix(text).replace("//", "/") == path


def test_windows_paths_are_found_or_explained(folder, monkeypatch):
    header = "file,speaker,emotion\n"
    lines = [f"C:\\data\\wav\\{s}_{e}_{t}.wav,{s},{e}" for s, e, t in rows()]
    name = write(folder, header + "\n".join(lines))
    with pytest.raises(
        CorpusError, match=r"line 2: .*in WSL drive C: is /mnt/c, but /mnt/c/data/wav/ann_angry_1\.wav is not"
    ):
        corpora.load(name)
    unix = places.unix
    monkeypatch.setattr(places, "unix", lambda text: unix(text).replace("/mnt/c/data", str(folder)))
    assert len(corpora.load(name)) == 16


def test_a_table_named_as_windows_does(folder, monkeypatch):
    plain(folder)
    monkeypatch.chdir(folder.parent)
    assert len(corpora.load(f"table:{folder.name}\\plain.csv")) == 16
    with pytest.raises(CorpusError, match=r"(?s)looked for in:.*/mnt/c/x/own\.csv"):
        corpora.load(r"table:C:\x\own.csv")


def test_a_name_that_is_nearly_right_is_named(folder):
    for cell, near in (("wav/ANN_angry_1.WAV", "ann_angry_1.wav"), ("wav/ann_angry_1.flac", "ann_angry_1.wav")):
        with pytest.raises(CorpusError, match=rf"\(there is {near}: write it so\)"):
            corpora.load(write(folder, f"file,speaker,emotion\n{cell},a,b"))
    with pytest.raises(CorpusError, match="there is no audio file"):
        corpora.load(write(folder, f"file,speaker,emotion\n{'x' * 300}.wav,a,b"))


def test_a_misspelt_recording_or_folder_is_asked_for(folder):
    lines = [f"wav/{who}_{label}_{take}.wav,{who},{label}" for who, label, take in rows()]
    first = lines[0].split(",")[0]
    lines[0] = lines[0].replace("angry_", "angyr_", 1)
    with pytest.raises(CorpusError, match=rf"\(there is {first.removeprefix('wav/')}: did you mean it\?\)"):
        corpora.load(write(folder, "\n".join(["file,speaker,emotion", *lines])))
    with pytest.raises(
        CorpusError, match=r"there is no folder .*/wave, and so it is with 1 more line\. .* Did you mean wav\?"
    ):
        corpora.load(write(folder, "file,speaker,emotion\nwave/a.wav,a,b\nwave/c.wav,c,d"))


# --- the check


def test_the_check_says_what_it_sees(folder):
    lines = ["Speaker,FILE,emotion,Sex,age"]
    lines += [f"{s},wav/{s}_{e}_{t}.wav,{e},{'' if s == 'dan' else PEOPLE[s]},30" for s, e, t in rows()[:-1]]
    done = CliRunner().invoke(main, ["corpora", "check", write(folder, "\n".join(lines))])
    assert done.exit_code == 0, done.output
    for text in (
        "a table separated by commas",
        "columns taken    path (FILE), speaker (Speaker), gender (Sex), emotion",
        "columns ignored  age",
        "15 utterances, 4 speakers (2 female, 1 male, 1 unknown), 0 sessions",
        "0.0 hours",
        "16 kHz",
        "doubtful",
        "fewer than 10 utterances",
        "dan (gender unknown)",
        "4 folds",
    ):
        assert text in done.output, text


# --- doubts


def doubts(speakers, emotions):
    """Return what is doubtful of utterances of these speakers and emotions."""
    return overview.doubts(
        pd.DataFrame({"speaker": speakers, "emotion": emotions, "gender": "female", "duration": 1.0})
    )


def test_few_utterances_of_a_speaker_and_class_are_counted_and_the_fewest_named():
    speakers, emotions = ["ann"] * 12 + ["bob"] * 14, ["sad"] * 10 + ["calm"] * 2 + ["sad"] * 5 + ["calm"] * 9
    told = [line for line in doubts(speakers, emotions) if "of a class" in line]
    assert told == [
        "in 3 of 4 cases a speaker has fewer than 10 utterances of a class: ann calm (2), bob sad (5), bob calm (9). Read"
        " scores per speaker with care"
    ]
    assert doubts(["ann"] * 20 + ["bob"] * 20, (["sad"] * 10 + ["calm"] * 10) * 2) == [
        "all speakers are female: a setting of `gender` can tell nothing"
    ]


def test_a_class_of_one_speaker_is_named_with_its_lines_and_a_way_on(folder):
    lines = [f"wav/{who}_{label}_{take}.wav,{who},{label}" for who, label, take in rows()]
    path = folder / "alone.csv"
    path.write_text("\n".join(["file,speaker,emotion", *lines]).replace("cy,sad", "cy,glad"))
    (told,) = [line for line in overview.doubts(corpora.load(f"table:{path}")) if line.startswith("only one")]
    assert told == (
        "only one speaker has the class glad: cy (lines 12, 13). Nobody else can teach it. A slip in a label? Or leave it"
        ' out: classes: "angry,sad"'
    )


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("anna", "ana", True), ("johan", "johann", True), ("meyer", "meier", True), ("maria", "amria", True),
        ("anna", "hanna", True), ("anna", "anne", False), ("spk_a", "spk_b", False), ("p01", "p001", False),
        ("a", "aa", False), ("anna", "otto", False), ("anna", "nanan", False),
    ],
)  # fmt: skip
def test_names_that_differ_by_a_letter_are_doubtful(one, other, near):
    held = doubts([one, other] * 2, ["angry", "angry", "sad", "sad"])
    assert any(line.startswith("speakers whose names differ") for line in held) == near
    held = doubts(["x", "x", "y", "y"], [one, other] * 2)
    assert any(line.startswith("classes whose names differ") for line in held) == near
