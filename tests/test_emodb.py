import collections
import dataclasses
import hashlib
import http.server
import io
import itertools
import os
import socket
import struct
import threading
import zipfile
from pathlib import Path

import pooch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules.corpora import download, emodb
from sermodules.errors import ConfigError, CorpusError

REAL = Path(os.environ.get("SERMODULES_DATA", "")) / "emodb"
LETTERS = {"angry": "W", "sad": "T", "happy": "F", "neutral": "N", "bored": "L", "disgusted": "E", "fearful": "A"}
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
SAMPLES = struct.pack("<400h", *range(400))
WAV = (
    b"RIFF" + struct.pack("<I", 36 + len(SAMPLES)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    + b"data" + struct.pack("<I", len(SAMPLES)) + SAMPLES
)  # fmt: skip


def complete_names():
    """535 names with the database's counts a class."""
    names = []
    for emotion, count in emodb.COUNTS.items():
        cells = itertools.product("abcd", TEXTS, emodb.GENDERS)
        names += [f"{s}{t}{LETTERS[emotion]}{v}.wav" for v, t, s in itertools.islice(cells, count)]
    return names


def put(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(WAV)
    return folder


# --- names


def test_the_letters_and_the_genders():
    assert emodb.parse("03a01Fa.wav") == ("03", "happy")
    assert [emodb.parse(f"16b10{letter}d.wav")[1] for letter in "WTFNLEA"] == [
        "angry", "sad", "happy", "neutral", "bored", "disgusted", "fearful",
    ]  # fmt: skip
    assert sorted(s for s, g in emodb.GENDERS.items() if g == "male") == ["03", "10", "11", "12", "15"]
    assert sorted(s for s, g in emodb.GENDERS.items() if g == "female") == ["08", "09", "13", "14", "16"]
    assert sum(emodb.COUNTS.values()) == 535


@given(st.from_regex(r"[0-9]{2}[ab][0-9]{2}[WTFNLEA][a-z]\.(wav|WAV)", fullmatch=True))
@settings(deadline=None, max_examples=50)
def test_every_well_formed_name_is_read(name):
    speaker, emotion = emodb.parse(name)
    assert speaker == name[:2] and LETTERS[emotion] == name[5]


@given(st.text(max_size=14) | st.from_regex(r"[0-9]{2}[abc][0-9]{2}[A-Z][a-z]?\.(wav|mp3)\n?", fullmatch=True))
@settings(deadline=None, max_examples=50)
def test_no_other_name_is_read(name):
    good = (
        len(name) == 11 and name.isascii() and name[:2].isdigit() and name[2] in "abAB" and name[3:5].isdigit()
        and name[5].upper() in "WTFNLEA" and name[6].isalpha() and name[7:].lower() == ".wav"
    )  # fmt: skip
    assert (emodb.parse(name) is not None) == good


# --- loading


@pytest.mark.skipif(not REAL.is_dir(), reason="SERMODULES_DATA has no EMO-DB")
def test_the_real_recordings_load_without_a_warning(recwarn):
    table = emodb.load(REAL)
    assert not recwarn.list
    assert list(table.columns) == ["utterance", "path", "speaker", "session", "gender", "emotion", "duration"]
    assert table["emotion"].value_counts().to_dict() == {"angry": 127, "neutral": 79, "happy": 71, "sad": 62}
    cells = table.groupby(["speaker", "emotion"]).size()
    assert len(cells) == 40 and cells["12", "happy"] == 2 and cells["10", "sad"] == 3
    assert table["utterance"].is_monotonic_increasing and table["utterance"].is_unique
    assert set(table["session"]) == {""} and table.groupby("speaker")["gender"].nunique().eq(1).all()
    first = table.iloc[0]
    assert (first["utterance"], first["speaker"], first["gender"], first["emotion"]) == (
        "03a01Fa",
        "03",
        "male",
        "happy",
    )
    assert first["duration"] == (Path(first["path"]).stat().st_size - 44) / 32000  # 16 kHz, 16 bits, mono
    assert table["duration"].between(1, 9).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="SERMODULES_DATA has no EMO-DB")
def test_seven_classes_of_a_copy_with_four_say_which_are_missing():
    with pytest.warns(UserWarning, match="0 bored instead of 81, 0 disgusted instead of 46, 0 fearful instead of 69"):
        assert len(emodb.load(REAL, emotions="all")) == 339


@pytest.mark.parametrize("layout", [".", "wav", "emodb/wav"])
def test_layouts(tmp_path, layout, recwarn):
    put(tmp_path / "corpus" / layout, complete_names()) if layout != "." else put(tmp_path / "corpus", complete_names())
    (tmp_path / "corpus" / "db.emotion.csv").write_text("file,emotion\n")
    (tmp_path / "corpus" / "lablaut").mkdir()
    table = emodb.load(tmp_path / "corpus", emotions="all")
    assert table["emotion"].value_counts().to_dict() == emodb.COUNTS
    assert not recwarn.list
    assert len(emodb.load(tmp_path / "corpus")) == 339
    assert all(Path(path).is_file() for path in table["path"])
    assert table["duration"].eq(400 / 16000).all()


def test_a_partial_copy_loads_and_says_what_differs(tmp_path):
    names = [name for name in complete_names() if name[5] != "F"]
    names.remove("03a01Wa.wav")
    put(tmp_path / "wav", names)
    with pytest.warns(UserWarning, match="126 angry instead of 127, 0 happy instead of 71. It is used") as caught:
        table = emodb.load(tmp_path)
    assert len(caught) == 1
    assert sorted(set(table["emotion"])) == ["angry", "neutral", "sad"]


def test_strange_names_are_listed_and_others_skipped(tmp_path):
    put(tmp_path / "wav", [*complete_names(), "._03a01Fa.wav", "03a01Xa.wav", "copy of 03a01Fa.wav", "readme.txt"])
    with pytest.warns(UserWarning) as caught:
        table = emodb.load(tmp_path)
    [message] = [str(warning.message) for warning in caught]
    assert "left out 2 file(s)" in message and "03a01Xa.wav, copy of 03a01Fa.wav." in message
    assert "._" not in message and "readme" not in message
    assert len(table) == 339


def test_all_problems_of_the_names_are_reported_at_once(tmp_path):
    put(tmp_path / "wav", [*complete_names(), "77a01Fa.wav", "78a01Wa.wav"])
    (tmp_path / "wav" / "03a01Fa.WAV").write_bytes(WAV)
    if len(list((tmp_path / "wav").iterdir())) == 537:
        pytest.skip("this file system does not tell .wav from .WAV")
    with pytest.raises(CorpusError) as error:
        emodb.load(tmp_path)
    assert "gender of speaker 77, 78 is not known" in str(error.value) and "77a01Fa, 78a01Wa" in str(error.value)
    assert "there more than once: 03a01Fa.WAV and 03a01Fa.wav" in str(error.value)


def test_missing_and_doubtful_folders_are_explained(tmp_path):
    with pytest.raises(CorpusError, match=r"there is no folder .*sermodules corpora get emodb"):
        emodb.load(tmp_path / "nothing")
    put(tmp_path / ".hidden" / "wav", ["03a01Fa.wav"])
    put(tmp_path / "other", ["Ses01F_impro01_F000.wav"])
    with pytest.raises(CorpusError, match=r"names are like 03a01Fa.wav. The wav files there have other names: Ses01F_"):
        emodb.load(tmp_path)
    put(tmp_path / "one", ["03a01La.wav"])
    with pytest.raises(CorpusError, match="none of the 1 recordings is angry, sad, happy, neutral"):
        emodb.load(tmp_path)
    put(tmp_path / "two", ["03a01Fa.wav", "03a01fa.WAV"])
    put(tmp_path / "three", ["03A01FA.wav"])
    with pytest.raises(CorpusError, match=r"there more than once: (.* and ){2}.*\. Keep one of each"):
        emodb.load(tmp_path)


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_copies_sorted_by_emotion_or_speaker_in_any_case_are_the_same_corpus(tmp_path, case, recwarn):
    put(tmp_path / "released" / "wav", complete_names())
    expected = emodb.load(tmp_path / "released", emotions="all")
    for key in (slice(5, 6), slice(0, 2)):
        for letter in {name[key] for name in complete_names()}:
            mine = [case(name) for name in complete_names() if name[key] == letter]
            put(tmp_path / f"{key}" / "sorted" / letter, mine)
        table = emodb.load(tmp_path / f"{key}", emotions="all")
        assert table.drop(columns="path").equals(expected.drop(columns="path"))
    assert not recwarn.list


def test_a_copy_with_more_than_the_release_says_so(tmp_path):
    put(tmp_path / "wav", [*complete_names(), "03a01Wz.wav", "03a02Wz.wav"])
    with pytest.warns(UserWarning, match=r"not the released database: 129 angry instead of 127.*Recordings were added"):
        assert len(emodb.load(tmp_path)) == 341


def test_options(tmp_path):
    with pytest.raises(ConfigError, match="'four' or 'all'"):
        emodb.load(tmp_path, emotions="five")


# --- downloading: everything below talks to a server on this machine only


def archive(names=None, prefix="emodb/wav/", extra=()):
    """Return the bytes of a zip archive as Zenodo's: recordings, a table, and members given as (ZipInfo or name, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("emodb/db.emotion.csv", "file,emotion\n")
        for name in complete_names() if names is None else names:
            file.writestr(prefix + name, WAV)
        for member, content in extra:
            file.writestr(member, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def good():
    return archive()


def md5(content):
    return "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """A server whose answers are `server.answers`, path to (status, body, bytes sent before it hangs up)."""
    monkeypatch.setenv("NO_PROXY", "*")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.hits[self.path] += 1
            status, body, sent = self.server.answers.get(self.path, (404, b"no such file", None))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.answers, running.hits = {}, collections.Counter()
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def nothing_but_the_lock(parent):
    """Nothing that could be taken for a corpus is left, nor a half download."""
    left = [path.relative_to(parent).as_posix() for path in parent.rglob("*")]
    return set(left) <= {".emodb.lock", ".emodb.partial"}


def test_get_then_load_then_get_again(tmp_path, server, good, capsys, recwarn, monkeypatch):
    [handler] = pooch.get_logger().handlers
    monkeypatch.setattr(handler, "stream", log := io.StringIO())
    server.answers["/emodb.zip"] = (200, good, None)
    folder = tmp_path / "data" / "emodb"
    assert emodb.get(folder, url=f"{server.url}/emodb.zip", known_hash=md5(good)) == folder
    captured = capsys.readouterr()
    assert f"ready in {folder}" in captured.out and not captured.err and not log.getvalue()
    assert {path.name for path in folder.iterdir()} == {"wav"}  # only what is needed
    assert (folder / "wav" / "03a01Fa.wav").read_bytes() == WAV
    assert sorted(path.name for path in folder.parent.iterdir()) == [".emodb.lock", "emodb"]
    table = emodb.load(folder, emotions="all")
    assert len(table) == 535 and not recwarn.list
    before = (folder / "wav" / "03a01Fa.wav").stat().st_mtime_ns
    emodb.get(folder, url=f"{server.url}/emodb.zip", known_hash=md5(good))
    assert "there already, complete" in capsys.readouterr().out
    assert server.hits == {"/emodb.zip": 1}
    assert (folder / "wav" / "03a01Fa.wav").stat().st_mtime_ns == before


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file, file.open("x", "w") as member:
        for _ in range(11):
            member.write(bytes(10**6))
    return buffer.getvalue()


def lying():
    """A recording that unpacks to a megabyte and says 100 bytes."""
    content = bytearray(archive(extra=[("emodb/wav/03b10Nz.wav", bytes(10**6))]))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 100)
    return bytes(content)


def symlink(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info, target


def raw_name(name):
    """Give a member a name that ZipInfo would not keep (a null byte)."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


def encrypted():
    content = bytearray(archive([], extra=[("secret.txt", b"x")]))
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


HOSTILE = {
    "parent": (lambda: archive(extra=[("emodb/wav/../../../../evil.wav", WAV)]), "leads out of the folder"),
    "parent recording": (lambda: archive([], prefix="../../wav/", extra=[("../03a01Fa.wav", WAV)]), "leads out"),
    "absolute": (lambda: archive(extra=[("/sermodules-evil/03a01Fa.wav", WAV)]), "an absolute path"),
    "drive": (lambda: archive(extra=[("C:/evil/03a01Fb.wav", WAV)]), "an absolute path"),
    "backslash": (lambda: archive(extra=[("..\\..\\evil.wav", WAV)]), "a backslash"),
    "null": (lambda: archive(extra=[(raw_name("03a01Fb.wav\0.exe"), WAV)]), "null byte"),
    "symlink": (lambda: archive(extra=[symlink("emodb/link", "/etc")]), "a link or a device"),
    "symlinked recording": (lambda: archive(extra=[symlink("emodb/wav/03a10Fz.wav", "/etc/passwd")]), "a link"),
    "twice": (lambda: archive(extra=[("other/03a01Fa.WAV", WAV)]), "there twice"),
    "encrypted": (encrypted, "encrypted"),
    "odd compression": (lambda: archive(extra=[(lzma_member(), b"x")]), "an unusual compression"),
    "bomb": (bomb, "would unpack to 11000000 bytes"),
    "lying bomb": (lying, "not a sound zip archive"),
    "many": (lambda: archive([], extra=[(f"{i}", b"") for i in range(5001)]), "5002 members"),
    "not a zip": (lambda: b"<html>log in first</html>", "not a sound zip archive"),
    "another corpus": (lambda: archive(["03a01Fa.wav"]), "does not hold EMO-DB: 0 of 127 angry"),
    "damaged": (lambda: damaged(), "not a sound zip archive"),
}


def lzma_member():
    info = zipfile.ZipInfo("emodb/x")
    info.compress_type = zipfile.ZIP_LZMA
    return info


def damaged():
    """An archive in which one recording does not match its own checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name in complete_names():
            file.writestr(name, WAV)
    content = bytearray(buffer.getvalue())
    content[content.index(SAMPLES) + 100] ^= 255
    return bytes(content)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_is_not_to_be_trusted_leaves_nothing_and_a_good_one_then_works(
    tmp_path, server, good, name, monkeypatch
):
    monkeypatch.setattr(emodb, "ARCHIVE", dataclasses.replace(emodb.ARCHIVE, max_bytes=10**7))
    make, reason = HOSTILE[name]
    content = make()
    server.answers = {"/bad.zip": (200, content, None), "/good.zip": (200, good, None)}
    parent = tmp_path / "deep" / "down" / "data"
    with pytest.raises(CorpusError, match=reason) as error:
        emodb.get(parent / "emodb", url=f"{server.url}/bad.zip", known_hash=md5(content))
    message = str(error.value)
    assert "was not unpacked" in message and f"{server.url}/bad.zip" in message
    assert emodb.SOURCE in message and str(parent / "emodb" / "wav" / "03a01Fa.wav") in message  # how to do it by hand
    assert nothing_but_the_lock(parent)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".emodb.lock"]  # nothing further up
    assert not Path("/sermodules-evil").exists()
    emodb.get(parent / "emodb", url=f"{server.url}/good.zip", known_hash=md5(good))
    assert len(emodb.load(parent / "emodb")) == 339


def test_every_unsafe_member_is_named(tmp_path, server):
    content = archive(extra=[("../a", b""), ("/b", b"")])
    server.answers["/x.zip"] = (200, content, None)
    with pytest.raises(
        CorpusError, match=r"unsafe members: '../a' \(leads out of the folder\), '/b' \(an absolute path\)"
    ):
        emodb.get(tmp_path / "emodb", url=f"{server.url}/x.zip", known_hash=md5(content))


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("failure", ["truncated", "tampered", "missing", "broken", "refused"])
def test_a_failed_download_leaves_nothing_and_the_next_one_works(tmp_path, server, good, failure, capsys):
    tampered = good[:-1] + bytes([good[-1] ^ 1])
    server.answers = {
        "/truncated": (200, good, len(good) // 2),
        "/tampered": (200, tampered, None),
        "/broken": (503, b"maintenance", None),
        "/good.zip": (200, good, None),
    }
    url = f"http://127.0.0.1:{closed_port()}/refused" if failure == "refused" else f"{server.url}/{failure}"
    reason = {"tampered": "is not the expected one: MD5 hash", "missing": "404", "broken": "503"}.get(
        failure, "could not"
    )
    with pytest.raises(CorpusError, match=reason) as error:
        emodb.get(tmp_path / "emodb", url=url, known_hash=md5(good))
    message = str(error.value)
    assert url in message and "run it again" in message and emodb.SOURCE in message
    assert nothing_but_the_lock(tmp_path)
    emodb.get(tmp_path / "emodb", url=f"{server.url}/good.zip", known_hash=md5(good))
    assert len(emodb.load(tmp_path / "emodb")) == 339
    assert not capsys.readouterr().err


def test_the_default_checksum_holds_for_another_address_too(tmp_path, server, good):
    server.answers["/mirror.zip"] = (200, good, None)
    with pytest.raises(CorpusError, match="9d21362dbc5676ef3ab4745d83ced0db"):
        emodb.get(tmp_path / "emodb", url=f"{server.url}/mirror.zip")
    assert nothing_but_the_lock(tmp_path)


def test_the_archive_of_an_interrupted_unpacking_is_used_again(tmp_path, server, good, monkeypatch):
    server.answers["/emodb.zip"] = (200, good, None)
    url, folder = f"{server.url}/emodb.zip", tmp_path / "emodb"

    def interrupted(archive, file, target):
        (target / "wav").mkdir(parents=True)
        (target / "wav" / "03a01Fa.wav").write_bytes(WAV[:50])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "_extract", interrupted)
        emodb.get(folder, url=url, known_hash=md5(good))
    assert not folder.exists()
    with pytest.raises(CorpusError):
        emodb.load(tmp_path)  # what is left is not taken for a corpus
    (tmp_path / ".emodb.partial" / "tmpabc").write_bytes(b"half a download")
    emodb.get(folder, url=url, known_hash=md5(good))
    assert server.hits["/emodb.zip"] == 1
    assert (folder / "wav" / "03a01Fa.wav").read_bytes() == WAV
    assert not (tmp_path / ".emodb.partial").exists()


def test_a_left_over_archive_that_is_not_the_expected_one_is_downloaded_again(tmp_path, server, good):
    server.answers["/emodb.zip"] = (200, good, None)
    (tmp_path / ".emodb.partial").mkdir()
    (tmp_path / ".emodb.partial" / "emodb.zip").write_bytes(good[:1000])
    emodb.get(tmp_path / "emodb", url=f"{server.url}/emodb.zip", known_hash=md5(good))
    assert server.hits["/emodb.zip"] == 1 and len(emodb.load(tmp_path / "emodb")) == 339


def test_what_is_in_the_way_is_explained_and_left_alone(tmp_path, server, good, capsys):
    server.answers["/emodb.zip"] = (200, good, None)
    get = {"url": f"{server.url}/emodb.zip", "known_hash": md5(good)}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CorpusError, match="is a file"):
        emodb.get(tmp_path / "file", **get)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(CorpusError, match=r"is no copy of EMO-DB .* Move it away"):
        emodb.get(tmp_path / "other", **get)
    put(tmp_path / "half" / "wav", ["03a01Fa.wav"])
    with pytest.raises(CorpusError, match=r"incomplete copy of EMO-DB: 0 of 127 angry, .*Nothing was changed"):
        emodb.get(tmp_path / "half", **get)
    put(tmp_path / "four" / "wav", [name for name in complete_names() if name[5] in "WTFN"])
    capsys.readouterr()
    assert emodb.get(tmp_path / "four", **get) == tmp_path / "four"
    assert "with the paper's four classes; the others are incomplete (0 of 81 bored" in capsys.readouterr().out
    assert not server.hits
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "four", "half", "other"]
    (tmp_path / "emodb").mkdir()  # an empty folder is not in the way
    emodb.get(tmp_path / "emodb", **get)
    assert len(emodb.load(tmp_path / "emodb")) == 339


def test_two_at_once_download_once(tmp_path, server, good, capsys):
    server.answers["/emodb.zip"] = (200, good, None)
    start, failed = threading.Barrier(2), []

    def get():
        start.wait()
        try:
            emodb.get(tmp_path / "emodb", url=f"{server.url}/emodb.zip", known_hash=md5(good))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failed and server.hits["/emodb.zip"] == 1
    assert len(emodb.load(tmp_path / "emodb")) == 339
    assert "there already" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match=r"could not write .*name another folder"):
        emodb.get(tmp_path / "file" / "emodb", url="http://127.0.0.1:1/x", known_hash="md5:0")


# --- listeners


def test_what_listeners_heard_is_read_as_it_is_written(tmp_path):
    assert emodb.listeners(tmp_path) is None
    text = "Nr.\tSatz\terkannt\tnatuerlich\n1\xa0\t03a01Fa.wav\t92,50\xa0\xa0\t75,00\xa0\n2\xa0\t08b01Tx.wav\t45,00\t5,00\n\n"
    (tmp_path / "erkennung.txt").write_text(text, encoding="latin-1")
    for place in (tmp_path, tmp_path / "wav"):
        found = emodb.listeners(place)
        assert found.loc["03a01Fa"].tolist() == ["03", "happy", 0.925, 0.75]
        assert found.loc["08b01Tx"].tolist() == ["08", "sad", 0.45, 0.05]


@pytest.mark.parametrize("line", ["1\t03a01Fa.wav\tmany\t75,00", "1\tx.wav\t90,00\t75,00", "1\t03a01Fa.wav"])
def test_another_table_is_refused_with_its_line(tmp_path, line):
    (tmp_path / "erkennung.txt").write_text(f"Nr.\tSatz\terkannt\tnatuerlich\n{line}\n", encoding="latin-1")
    with pytest.raises(CorpusError, match=r"erkennung\.txt is not EMO-DB's: a line of it is '1"):
        emodb.listeners(tmp_path)


@pytest.mark.skipif(not (REAL / "erkennung.txt").is_file(), reason="EMO-DB's listeners are not there (SERMODULES_DATA)")
def test_all_that_was_made_and_what_was_published():
    made = emodb.listeners(REAL)
    assert len(made) == 816 and made["recognised"].between(0, 1).all() and made["natural"].between(0, 1).all()
    four = made[made["emotion"].isin(["angry", "sad", "happy", "neutral"])]
    assert len(four) == 477 and 100 * four.groupby("emotion")["recognised"].mean().mean() == pytest.approx(
        86.2, abs=0.05
    )
    published = four.loc[emodb.load(REAL)["utterance"]]
    assert published["recognised"].min() == 0.8
