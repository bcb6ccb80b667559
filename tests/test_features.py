import importlib.metadata
import json
import os
import signal as signals
import subprocess
import sys
import warnings
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sermodules import corpora, features
from sermodules.corpora import audio
from sermodules.errors import AudioError, ConfigError, CorpusError, StoreError
from sermodules.features import cache as feature_cache
from sermodules.features import log_mels, mel

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.1, 8000)
quick = settings(deadline=None, max_examples=50)


def sine(hertz, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16000)) / 16000)


# log-Mels


@given(st.integers(1, 3000))
@quick
def test_number_of_frames(n):
    assert features.log_mel(np.ones(n)).shape == (1 if n < 400 else 1 + (n - 400) // 160, 40)


@pytest.mark.parametrize(
    ("frontend", "hertz", "band"),
    [
        # HTK: 1127 ln(1 + f / 700) Mel; 8000 Hz are 2840.02, so centres are 69.27 apart and f is nearest to centre
        ("htk", 440, 7),  # 549.64 / 69.27 = 7.93, the eighth
        ("htk", 1000, 13),  # 999.99 / 69.27 = 14.44, the fourteenth
        ("htk", 4000, 30),  # 2146.06 / 69.27 = 30.98, the thirty-first
        # Slaney: 3 f / 200 up to 1000 Hz, then 15 + 27 ln(f / 1000) / ln 6.4; 8000 Hz are 45.246, centres 1.1036 apart
        ("slaney", 440, 5),  # 6.6 / 1.1036 = 5.98, the sixth
        ("slaney", 4000, 31),  # 35.164 / 1.1036 = 31.86, the thirty-second
    ],
)
def test_sine_is_strongest_in_its_band(frontend, hertz, band):
    assert (features.log_mel(sine(hertz), frontend=frontend).argmax(axis=1) == band).all()


@pytest.mark.parametrize(("window", "first", "middle"), [("hamming", 0.08, 0.99998574), ("rectangular", 1, 1)])
def test_impulse_shows_the_window_and_where_a_frame_ends(window, first, middle):
    """One sample of 1 has power w² in every bin: the log-Mel is the logarithm of w² times the filter's weights."""
    weights = np.log(features.mel_filters().sum(axis=1))
    floor = np.log(1e-10)
    for position, expected in [(0, first), (399, first), (199, middle), (200, middle)]:
        x = np.zeros(400)
        x[position] = 1
        np.testing.assert_allclose(features.log_mel(x, window=window)[0], weights + 2 * np.log(expected), atol=2e-6)
    x = np.zeros(720)
    x[400] = 1
    assert (features.log_mel(x, window=window)[[0, 1, 2]] > floor + 1).all(axis=1).tolist() == [False, True, True]
    np.testing.assert_allclose(features.log_mel(x, window=window)[0], floor, rtol=1e-6)


@pytest.mark.parametrize("frontend", ["htk", "slaney"])
@pytest.mark.parametrize("window", ["hamming", "rectangular"])
def test_same_as_librosa(frontend, window):
    power = librosa.feature.melspectrogram(
        y=np.pad(NOISE, 56), sr=16000, n_fft=512, win_length=400, hop_length=160, center=False, n_mels=40, fmax=8000,
        window=np.hamming(400) if window == "hamming" else np.ones(400), dtype=np.float64,
        **({"htk": True, "norm": None} if frontend == "htk" else {}),
    )  # fmt: skip
    np.testing.assert_allclose(features.log_mel(NOISE, frontend=frontend, window=window), np.log(power.T), atol=1e-5)


def test_long_signal_is_the_same_as_its_parts():
    """More frames than are transformed at a time."""
    x = RNG.normal(size=400 + 160 * 4999)
    whole = features.log_mel(x)
    assert len(whole) == 5000
    for start in (0, 2047, 2048, 4995):
        np.testing.assert_array_equal(whole[start : start + 5], features.log_mel(x[160 * start :][: 400 + 160 * 4]))


def test_gain_is_added():
    np.testing.assert_allclose(features.log_mel(8 * NOISE), features.log_mel(NOISE) + 2 * np.log(8), atol=1e-5)


def test_short_signal_is_filled_up_to_a_frame():
    x = NOISE[:100]
    np.testing.assert_array_equal(features.log_mel(x), features.log_mel(np.pad(x, (0, 300))))


def test_digital_silence_is_the_floor():
    np.testing.assert_allclose(features.log_mel(np.zeros(800)), -23.02585, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_types(dtype):
    assert features.log_mel(NOISE.astype(dtype)).dtype == np.float32
    assert features.three_d_log_mel(NOISE.astype(dtype)).dtype == np.float32


@pytest.mark.parametrize("function", [features.log_mel, features.three_d_log_mel])
@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.zeros((2, 800)), "one dimension"),
        (np.float64(1), "one dimension"),
        (np.zeros(0), "empty"),
        (np.zeros(800, np.int16), "Divide 16-bit integers by 32768"),
        (np.zeros(800, complex), "floating-point"),
        (np.array(["a"]), "floating-point"),
        (np.r_[np.ones(800), np.nan, -np.inf], "2 NaN or infinite samples of 802"),
    ],
)
def test_bad_signal_is_refused(function, signal, message):
    with pytest.raises(AudioError, match=message):
        function(signal)


@pytest.mark.parametrize("function", [features.log_mel, features.three_d_log_mel])
def test_bad_settings_are_refused_together(function):
    with pytest.raises(ConfigError, match=r"(?s)'bark'.*htk, slaney.*'hann'.*hamming, rectangular"):
        function(NOISE, frontend="bark", window="hann")
    with pytest.raises(ConfigError, match=r"44100.*16000 Hz.*audio\.read"):
        function(NOISE, 44100)


def test_filters():
    for frontend in ("htk", "slaney"):
        filters = features.mel_filters(frontend)
        assert filters.shape == (40, 257)
        assert filters.max(axis=1).min() > 0  # no band is empty
        assert not filters.flags.writeable
    assert (features.mel_filters("htk").sum(axis=0) < 1 + 1e-9).all()
    with pytest.raises(ConfigError):
        features.mel_filters("mel")


# deltas


def test_deltas_by_hand():
    squares = np.array([0.0, 1, 4, 9, 16])
    # for example at t = 1: (1 (4 - 0) + 2 (9 - 0)) / 10, the frame before the first being the first
    np.testing.assert_allclose(features.deltas(squares), [0.9, 2.2, 4.0, 4.2, 3.1])
    np.testing.assert_allclose(features.deltas(squares, N=1), [0.5, 2, 4, 6, 3.5])
    np.testing.assert_allclose(features.deltas(np.array([0, 1, 4])), [0.9, 1.2, 1.1])


frames = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(-100, 100))
windows = st.integers(1, 4)


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(1, 30), windows)
@quick
def test_deltas_of_a_ramp_are_its_slope_inside(slope, start, length, N):
    ramp = features.deltas(start + slope * np.arange(length), N)
    np.testing.assert_allclose(ramp[N : length - N], slope, atol=1e-9)


@given(st.floats(-100, 100), st.integers(1, 10), windows)
@quick
def test_deltas_of_a_constant_are_zero(value, length, N):
    assert (features.deltas(np.full((length, 2), value), N) == 0).all()


@given(frames, st.floats(-5, 5), st.floats(-100, 100), windows)
@quick
def test_deltas_are_linear_and_ignore_the_level(x, factor, level, N):
    y = np.roll(x, 1, axis=0) ** 2 / 100
    combined = features.deltas(factor * x + y + level, N)
    np.testing.assert_allclose(combined, factor * features.deltas(x, N) + features.deltas(y, N), atol=1e-9)


@given(frames, st.integers(1, 5), windows)
@quick
def test_deltas_do_not_depend_on_the_time(x, later, N):
    """Repeating the first frame moves the deltas, and adds zeros or the slope at the start."""
    moved = features.deltas(np.concatenate([np.repeat(x[:1], later, axis=0), x]), N)
    np.testing.assert_allclose(moved[later:], features.deltas(x, N), atol=1e-9)


@given(frames, windows)
@quick
def test_deltas_are_librosas(x, N):
    """Least squares over 2N + 1 frames gives the same slope."""
    expected = librosa.feature.delta(x, width=2 * N + 1, axis=0, mode="nearest")
    np.testing.assert_allclose(features.deltas(x, N), expected, atol=1e-9)


def test_deltas_keep_shape_and_type():
    for shape in [(1,), (1, 40), (7, 40, 3)]:
        x = RNG.normal(size=shape)
        assert features.deltas(x).shape == shape
        assert features.deltas(x.astype(np.float32)).dtype == np.float32
    assert features.deltas(np.arange(5)).dtype == np.float64


@pytest.mark.parametrize("x", [np.zeros((0, 40)), np.float64(3), np.array(["a", "b"]), np.zeros(3, complex)])
def test_deltas_refuse_what_has_no_frames(x):
    with pytest.raises(ConfigError, match="at least one frame"):
        features.deltas(x)


@pytest.mark.parametrize("N", [0, -1, 1.5, True, "2"])
def test_deltas_refuse_a_bad_window(N):
    with pytest.raises(ConfigError, match="whole number from 1 on"):
        features.deltas(np.zeros(5), N)


# the three together


def test_three_d_is_static_delta_delta_delta():
    x = features.three_d_log_mel(NOISE, normalise_waveform=False, frontend="slaney", window="rectangular")
    static = features.log_mel(NOISE, frontend="slaney", window="rectangular")
    assert x.shape == (48, 40, 3)
    np.testing.assert_array_equal(x[..., 0], static)
    np.testing.assert_array_equal(x[..., 1], features.deltas(static))
    np.testing.assert_array_equal(x[..., 2], features.deltas(features.deltas(static)))


def test_normalised_waveform_has_zero_mean_and_unit_variance():
    x = features.three_d_log_mel(NOISE)
    normalised = (NOISE - NOISE.mean()) / NOISE.std()
    np.testing.assert_array_equal(x, features.three_d_log_mel(normalised, normalise_waveform=False))
    np.testing.assert_allclose(x, features.three_d_log_mel(7 * NOISE + 3), atol=1e-4)


def test_constant_signal_cannot_be_normalised():
    with pytest.raises(AudioError, match="constant"):
        features.three_d_log_mel(np.full(800, 0.1, np.float32))
    assert np.isfinite(features.three_d_log_mel(np.full(800, 0.1), normalise_waveform=False)).all()


# extraction and its cache


def write(path, seed, samples=4000):
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, samples), 16000, subtype="PCM_16")


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = []
    for i in range(6):
        path = folder / f"{i}.wav"
        write(path, i, 4000 + 500 * i)
        speaker, emotion = ["03", "08"][i % 2], ["angry", "sad", "happy"][i % 3]
        rows.append((f"u{i}", str(path), speaker, "", ["male", "female"][i % 2], emotion, 0.25))
    return pd.DataFrame(rows, columns=corpora.COLUMNS)


def expected(table, **options):
    return {
        u: features.three_d_log_mel(audio.read(p), **options) for u, p in zip(table.utterance, table.path, strict=True)
    }


def assert_right(found, table, **options):
    right = expected(table, **options)
    assert list(found) == list(right)
    for utterance, x in right.items():
        np.testing.assert_array_equal(found[utterance], x)
        assert found.frames[utterance] == len(x)


def extract_without_warning(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return features.extract(*args, **kwargs)


def computing(monkeypatch):
    """Count the utterances whose features are computed from now on."""
    calls, real = [], log_mels._features
    monkeypatch.setattr(log_mels, "_features", lambda *args, **more: calls.append(args) or real(*args, **more))
    return calls


def test_extract(table, tmp_path):
    found = extract_without_warning(table, cache=tmp_path / "cache")
    assert_right(found, table)
    assert found.path == tmp_path / "cache" / found.key
    assert found.corpus_digest == corpora.digest(table)
    x = found["u3"]
    assert type(x) is np.ndarray
    assert x.dtype == np.float32
    assert isinstance(x.base.base, np.memmap) or isinstance(x.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0
    with pytest.raises(KeyError, match="u9"):
        found["u9"]
    assert "6 utterances" in repr(found)
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left == {found.key, f"{found.key}.lock"}


def test_second_time_nothing_is_computed(table, tmp_path, monkeypatch):
    first = features.extract(table, cache=tmp_path)
    calls = computing(monkeypatch)
    again = extract_without_warning(table.sample(frac=1, random_state=0), cache=tmp_path)
    assert not calls
    assert again.key == first.key
    assert_right(again, table)


def test_settings_change_the_key(table, tmp_path):
    options = [{}, {"normalise_waveform": False}, {"frontend": "slaney"}, {"window": "rectangular"}]
    found = [features.extract(table, cache=tmp_path, **o) for o in options]
    assert len({f.key for f in found}) == 4
    for f, o in zip(found, options, strict=True):
        assert_right(f, table, **o)


def test_audio_changes_the_key_but_labels_paths_and_times_do_not(table, tmp_path, monkeypatch):
    first = features.extract(table, cache=tmp_path / "cache")
    os.utime(table.path[0], (1, 1))
    moved = tmp_path / "moved.wav"
    Path(table.path[1]).rename(moved)
    table.loc[1, "path"] = str(moved)
    table["emotion"] = "neutral"
    calls = computing(monkeypatch)
    same = features.extract(table, cache=tmp_path / "cache")
    assert same.key == first.key
    assert same.corpus_digest != first.corpus_digest
    assert not calls
    write(moved, 99, 4500)
    changed = features.extract(table, cache=tmp_path / "cache")
    assert changed.key != first.key
    assert_right(changed, table)
    assert features.extract(table[1:], cache=tmp_path / "cache").key not in (first.key, changed.key)


def test_code_and_versions_change_the_key(table, tmp_path, monkeypatch):
    def key():
        return features.extract(table, cache=tmp_path / "cache").key

    keys, version = [key()], importlib.metadata.version
    for library in ("librosa", "soxr"):
        with monkeypatch.context() as patch:
            patch.setattr(
                importlib.metadata, "version", lambda name, library=library: f"{version(name)}{name == library}"
            )
            keys.append(key())
    other = tmp_path / "other.py"
    other.write_text("SAMPLE_RATE = 16000\n")
    for module, name, value in (
        (audio, "CODE", (str(other),)),
        (mel, "__file__", str(other)),
        (log_mels, "__file__", str(other)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            keys.append(key())
    assert len(set(keys)) == len(keys) == 6 and key() == keys[0]


def test_default_cache(table, tmp_path, monkeypatch):
    monkeypatch.setenv("SERMODULES_CACHE", str(tmp_path / "elsewhere"))
    assert features.extract(table).path.parent == tmp_path / "elsewhere" / "features"


def test_number_of_processes_does_not_change_the_result(table, tmp_path):
    one, two = (features.extract(table, cache=tmp_path / str(n), workers=n) for n in (1, 2))
    assert (one.path / "features.npy").read_bytes() == (two.path / "features.npy").read_bytes()


def test_array_is_an_ordinary_npy_file(table, tmp_path):
    found = features.extract(table, cache=tmp_path)
    stacked = np.load(found.path / "features.npy")
    np.testing.assert_array_equal(stacked, np.concatenate(list(found.values())))
    assert json.loads((found.path / "index.json").read_text())["frames"] == found.frames


def truncate(folder):
    os.truncate(folder / "features.npy", (folder / "features.npy").stat().st_size - 480)


def flip(folder):
    content = bytearray((folder / "features.npy").read_bytes())
    content[1000] ^= 1
    (folder / "features.npy").write_bytes(content)


def swap(folder):
    index = json.loads((folder / "index.json").read_text())
    index["frames"] |= {"u0": index["frames"]["u1"], "u1": index["frames"]["u0"]}
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        swap,
        lambda folder: (folder / "features.npy").unlink(),
        lambda folder: (folder / "index.json").unlink(),
        lambda folder: (folder / "index.json").write_text("{"),
        lambda folder: (folder / "SHA256SUMS").unlink(),
    ],
)
def test_damage_is_noticed_and_mended(table, tmp_path, damage):
    found = features.extract(table, cache=tmp_path / "cache")
    damage(found.path)
    with pytest.warns(UserWarning, match="damaged") as caught:
        again = features.extract(table, cache=tmp_path / "cache")
    assert caught[0].filename == __file__
    assert_right(again, table)
    assert_right(extract_without_warning(table, cache=tmp_path / "cache"), table)


def start_child(csv, cache, line):
    """Start a process that extracts made-up features; `line` is run for every file."""
    code = (
        "import os, signal, sys, time, numpy as np, pandas as pd\n"
        "from sermodules import features\n"
        "from sermodules.features import log_mels\n"
        "calls = []\n"
        "def made_up(path, settings):\n"
        "    calls.append(path)\n"
        f"    {line}\n"
        "    return np.full((5, 40, 3), len(calls), np.float32)\n"
        "log_mels._features = made_up\n"
        "table = pd.read_csv(sys.argv[1], dtype={'speaker': str}, keep_default_na=False)\n"
        "found = features.extract(table, cache=sys.argv[2], workers=1)\n"
        "print(len(calls), found.key, [float(x[0, 0, 0]) for x in found.values()])\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(csv), str(cache)], stdout=subprocess.PIPE, text=True)


def test_killed_extraction_is_not_trusted(table, tmp_path):
    cache, csv = tmp_path / "cache", tmp_path / "table.csv"
    table.to_csv(csv, index=False)
    killed = start_child(csv, cache, "if len(calls) == 4: os.kill(os.getpid(), signal.SIGKILL)")
    killed.communicate(timeout=60)
    assert killed.returncode == -signals.SIGKILL
    (left,) = (path for path in cache.iterdir() if path.is_dir())
    assert left.name.startswith(".")
    found = extract_without_warning(table, cache=cache)
    assert_right(found, table)
    assert [path for path in cache.iterdir() if path.is_dir()] == [found.path]


def test_two_processes_at_once(table, tmp_path):
    cache, csv = tmp_path / "cache", tmp_path / "table.csv"
    table.to_csv(csv, index=False)
    children = [start_child(csv, cache, "time.sleep(0.2)") for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0].split(maxsplit=1) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(int(count) for count, _ in outputs) == [0, 6]  # one extracted, the other waited
    assert outputs[0][1] == outputs[1][1]
    assert outputs[0][1].endswith("[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n")


def test_interrupt_leaves_nothing(table, tmp_path, monkeypatch):
    def interrupted(path, settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(log_mels, "_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        features.extract(table, cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_cache_that_cannot_be_made(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="SERMODULES_CACHE"):
        features.extract(table, cache=tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_read_only_cache(table, tmp_path):
    cache = tmp_path / "cache"
    first = features.extract(table, cache=cache)
    cache.chmod(0o555)
    try:
        assert extract_without_warning(table, cache=cache).key == first.key
        with pytest.raises(StoreError, match="SERMODULES_CACHE"):
            features.extract(table, cache=cache, frontend="slaney")
    finally:
        cache.chmod(0o755)


def test_cache_that_may_only_be_read_is_used(table, tmp_path, monkeypatch):
    """As above, for the superuser: nothing may be written once the features are there."""
    first = features.extract(table, cache=tmp_path)

    def refused(*args, **kwargs):
        raise PermissionError("read-only")

    for name in ("mkdir", "rename", "write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, refused)
    monkeypatch.setattr(feature_cache, "FileLock", refused)
    assert features.extract(table, cache=tmp_path).key == first.key
    with pytest.raises(StoreError, match=r"read-only.*SERMODULES_CACHE"):
        features.extract(table, cache=tmp_path, frontend="slaney")


def test_full_disk(table, tmp_path):
    resource = pytest.importorskip("resource", reason="no limits on the size of files on this system")
    features.mel_filters()  # imports librosa, which may write caches of its own
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StoreError, match=r"too large.*SERMODULES_CACHE"):
            features.extract(table, cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert_right(extract_without_warning(table, cache=tmp_path / "cache"), table)


def test_all_bad_files_are_named_at_once(table, tmp_path):
    Path(table.path[0]).write_text("not audio")
    Path(table.path[2]).write_bytes(b"")
    soundfile.write(table.path[4], np.zeros(8000), 16000)
    with pytest.raises(AudioError) as caught:
        features.extract(table, cache=tmp_path / "cache")
    assert [row.path in str(caught.value) for row in table.itertuples()] == [True, False, True, False, True, False]
    Path(table.path[5]).unlink()
    with pytest.raises(AudioError) as caught:
        features.extract(table, cache=tmp_path / "cache")
    assert [row.path in str(caught.value) for row in table.itertuples()] == [True, False, True, False, True, True]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_bad_arguments_are_refused(table, tmp_path):
    for options in (
        {"frontend": "bark"},
        {"window": None},
        {"normalise_waveform": 1},
        {"workers": 0},
        {"workers": "2"},
    ):
        (name,) = options
        with pytest.raises(ConfigError, match=name):
            features.extract(table, cache=tmp_path / "cache", **options)
    with pytest.raises(CorpusError, match="no utterances"):
        features.extract(table[:0], cache=tmp_path / "cache")
    with pytest.raises(CorpusError, match="more than once: u1, u2"):
        features.extract(pd.concat([table, table[1:3]]), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_import_is_light():
    """Opening cached features needs neither librosa's filters nor Keras."""
    code = "import sys, sermodules.features; print(*sorted({'librosa', 'scipy', 'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_real_speech(tmp_path):
    try:
        table = corpora.load("emodb", corpora.find("emodb")).iloc[::10].reset_index(drop=True)
    except CorpusError:
        pytest.skip("EMO-DB is not here: set SERMODULES_DATA to the folder that holds emodb/")
    found = extract_without_warning(table, cache=tmp_path)
    assert len(found) == 34
    for row in table.itertuples():
        x = found[row.utterance]
        assert x.shape == (1 + (round(row.duration * 16000) - 400) // 160, 40, 3)
        assert np.isfinite(x).all()
    spread = np.concatenate(list(found.values())).std(axis=(0, 1))
    assert (spread > 0.1).all()  # nothing is constant
    assert spread[0] > spread[1] > spread[2]
