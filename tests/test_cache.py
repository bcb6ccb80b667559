"""The cache: computed once, by one process, written whole, never trusted when damaged, and under the right name."""

import importlib.metadata
import os
import shutil
import signal as signals
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import write_tones

from sermodules import corpora
from sermodules.corpora import audio
from sermodules.errors import AudioError, StoreError
from sermodules.features import cache

MADE = {"values": np.arange(600, dtype=np.float32).reshape(200, 3), "names": np.array(["a", "bé"])}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def table(tmp_path):
    """Return twelve short recordings."""
    return corpora.load(f"table:{write_tones(tmp_path / 'corpus', speakers=('A1', 'A2', 'B1'), per_class=1)}")


class Maker:
    """Makes the same arrays each time, and counts."""

    def __init__(self, made=None):
        self.made, self.calls = MADE if made is None else made, 0

    def __call__(self):
        self.calls += 1
        return self.made


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*args, **kwargs)


def assert_same(found, made=MADE):
    assert list(found) == list(made)
    for name, values in made.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def left(folder):
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


# arrays


def test_second_time_nothing_is_made(root):
    make = Maker()
    for _ in range(3):
        assert_same(quietly(cache.arrays, "some", "k1", make))
    assert make.calls == 1
    assert left(root / "some") == ["k1.lock", "k1.npz"]
    with np.load(root / "some" / "k1.npz") as held:
        np.testing.assert_array_equal(held["values"], MADE["values"])


def test_another_key_and_another_kind_are_made(root):
    make = Maker()
    for kind, key in (("some", "k1"), ("some", "k2"), ("other", "k1")):
        cache.arrays(kind, key, make)
    assert make.calls == 3


def flip(file, place):
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"not a file of arrays"),
        lambda file: os.truncate(file, file.stat().st_size // 2),
        lambda file: os.truncate(file, file.stat().st_size - 1),
        lambda file: flip(file, 0.05),
        lambda file: flip(file, 0.5),
        lambda file: file.write_bytes((file.parent / "k2.npz").read_bytes()),
        lambda file: np.savez(file, **MADE),
        lambda file: np.savez(file, key=np.array("k1"), values=np.array([None, {}], dtype=object)),
        lambda file: file.write_bytes(b"\x93NUMPY\x01\x00"),
    ],
    ids=[
        "empty",
        "text",
        "half",
        "last byte",
        "flipped",
        "middle",
        "other key",
        "no key",
        "pickled",
        "start of an array",
    ],
)
def test_damage_is_noticed_and_mended(root, damage):
    make = Maker()
    cache.arrays("some", "k1", make)
    cache.arrays("some", "k2", Maker({"values": np.zeros(3)}))
    damage(root / "some" / "k1.npz")
    with pytest.warns(UserWarning, match=r"damaged and is made again.*k1\.npz"):
        assert_same(cache.arrays("some", "k1", make))
    assert make.calls == 2
    assert_same(quietly(cache.arrays, "some", "k1", make))
    assert left(root / "some") == ["k1.lock", "k1.npz", "k2.lock", "k2.npz"]


def test_a_flipped_bit_anywhere_never_changes_a_number(root):
    cache.arrays("some", "k1", Maker())
    file = root / "some" / "k1.npz"
    whole, noticed = file.read_bytes(), 0
    for place in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        file.write_bytes(broken)
        found, damage = cache._open(file)
        noticed += bool(damage)
        if found is not None:
            assert_same(found)
    assert noticed > 0.6 * len(whole) / 3  # the rest are dates and the like


def test_nothing_is_ever_pickled(root):
    with pytest.raises(ValueError, match="allow_pickle"):
        cache.arrays("some", "k1", Maker({"values": np.array([None, {}], dtype=object)}))
    assert left(root / "some") == ["k1.lock"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, AudioError])
def test_what_making_raises_is_passed_on_and_nothing_is_left(root, error):
    def make():
        raise error

    with pytest.raises(error):
        cache.arrays("some", "k1", make)
    assert left(root / "some") == ["k1.lock"]


def test_interrupted_while_it_is_written(root, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.arrays("some", "k1", Maker())
    assert left(root / "some") == ["k1.lock"]
    assert_same(quietly(cache.arrays, "some", "k1", Maker()))


CHILD = """
import os, signal, sys, time
import numpy as np
from sermodules.features import cache

def make():
    calls.append(1)
    time.sleep(float(sys.argv[1]))
    return {"values": np.full(1000, 7.0)}

def killed(file, **arrays):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

calls = []
if sys.argv[2] == "killed":
    np.savez = killed
print(len(calls), cache.arrays("some", "k1", make)["values"].sum(), len(calls))
"""


def start(seconds, how):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(seconds), how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_that_are_killed_and_that_come_at_once(root):
    killed = start(0, "killed")
    killed.communicate(timeout=120)
    assert killed.returncode == -signals.SIGKILL
    assert left(root / "some") == [".k1.npz.new", "k1.lock"]  # half a file, but not under the name that is trusted
    children = [start(3, "whole") for _ in range(2)]
    outputs = [child.communicate(timeout=120) for child in children]
    assert sorted(out for out, _ in outputs) == ["0 7000.0 0\n", "0 7000.0 1\n"]  # one computed, the other waited
    assert [err for _, err in outputs] == ["", ""]
    assert left(root / "some") == ["k1.lock", "k1.npz"]


def test_cache_that_may_only_be_read_is_used(root, monkeypatch):
    cache.arrays("some", "k1", Maker())

    def refused(*args, **kwargs):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "mkdir", refused)
    monkeypatch.setattr(cache, "FileLock", refused)
    make = Maker()
    assert_same(quietly(cache.arrays, "some", "k1", make))
    with pytest.raises(StoreError, match=r"read-only.*SERMODULES_CACHE") as caught:
        cache.arrays("some", "k2", make)
    assert str(root / "some") in str(caught.value)
    assert make.calls == 0


def test_cache_that_cannot_be_made(root):
    root.write_text("")
    with pytest.raises(StoreError, match="SERMODULES_CACHE") as caught:
        cache.arrays("some", "k1", Maker())
    assert str(root / "some") in str(caught.value)


def test_disk_that_is_full(root, monkeypatch):
    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StoreError, match=r"No space left on device.*SERMODULES_CACHE"):
        cache.arrays("some", "k1", Maker())
    assert left(root / "some") == ["k1.lock"]


# key


def test_what_changes_a_key_and_what_does_not(table, tmp_path, monkeypatch):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("HOP = 160\n")
    other.write_text("HOP = 161\n")
    first = cache.key(table, [one], ["scipy"], setting=1)
    shutil.copytree(tmp_path / "corpus", tmp_path / "moved")
    moved = corpora.load(f"table:{tmp_path / 'moved' / 'utterances.csv'}")
    unlabelled = moved.assign(emotion="sad", speaker="X", session="", gender="male").sample(frac=1, random_state=0)
    assert cache.key(unlabelled, [one], ["scipy"], setting=1) == first
    keys = [
        first,
        cache.key(table, [other], ["scipy"], setting=1),
        cache.key(table, [one], ["scipy"], setting=2),
        cache.key(table, [one], ["scipy"], other=1),
        cache.key(table, [one], ["scipy", "pandas"], setting=1),
        cache.key(table[1:], [one], ["scipy"], setting=1),
    ]
    version = importlib.metadata.version
    for library in (*cache.LIBRARIES, "scipy"):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", lambda x, library=library: "0" if x == library else version(x))
            keys.append(cache.key(table, [one], ["scipy"], setting=1))
    for module, name, value in ((cache, "__file__", str(other)), (audio, "CODE", (*audio.CODE, other))):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            keys.append(cache.key(table, [one], ["scipy"], setting=1))
    soundfile.write(table["path"].iloc[0], np.random.default_rng(0).uniform(-0.5, 0.5, 9000), 16000)
    keys.append(cache.key(table, [one], ["scipy"], setting=1))
    assert len(set(keys)) == len(keys)


# per utterance


def loudness(path):
    """Return the root mean square of each 100 ms: quick to compute, and of a length of its own for each utterance."""
    signal = audio.read(path)
    return np.sqrt(np.mean(signal[: signal.size // 1600 * 1600].reshape(-1, 1600, 1) ** 2, axis=1))


def assert_right(found, table):
    assert list(found) == sorted(table["utterance"])
    for row in table.itertuples():
        assert found[row.utterance].dtype == np.float32
        np.testing.assert_array_equal(found[row.utterance], loudness(row.path))


def test_each_utterance_gets_its_own(table, root, monkeypatch, capfd):
    assert_right(quietly(cache.per_utterance, "some", table, loudness, [__file__]), table)
    shuffled = table.sample(frac=1, random_state=0)
    with monkeypatch.context() as patch:
        patch.setattr(audio, "read", lambda path: pytest.fail("read again"))
        again = quietly(cache.per_utterance, "some", shuffled, loudness, [__file__])
    assert_right(again, table)
    assert capfd.readouterr() == ("", "")
    assert [Path(name).suffix for name in left(root / "some")] == [".lock", ".npz"]


def test_number_of_processes_does_not_change_the_result(table, root, monkeypatch):
    one = cache.per_utterance("some", table, loudness, [__file__], setting=1)
    used = []
    parallel = cache.joblib.Parallel
    monkeypatch.setattr(cache.joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(cache.joblib, "Parallel", lambda n_jobs, **kw: used.append(n_jobs) or parallel(n_jobs, **kw))
    two = cache.per_utterance("some", table.assign(duration=3600.0), loudness, [__file__], setting=2)
    assert used == [2]
    assert_right(two, table)
    assert_same(two, one)


def test_all_bad_audio_is_named(table, root):
    for number, damage in ((1, b""), (5, b"RIFF and nothing more")):
        Path(table["path"][number]).write_bytes(damage)
    soundfile.write(table["path"][8], np.zeros(16000), 16000)
    with pytest.raises(AudioError) as caught:
        cache.per_utterance("some", table, loudness, [__file__])
    assert [name for name in table["path"] if name in str(caught.value)] == table["path"][[1, 5, 8]].tolist()
    Path(table["path"][3]).unlink()
    with pytest.raises(AudioError) as caught:
        cache.per_utterance("some", table, loudness, [__file__])
    assert [name for name in table["path"] if name in str(caught.value)] == table["path"][[1, 3, 5, 8]].tolist()
    assert not list(root.glob("some/*.npz"))
