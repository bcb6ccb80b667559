"""What several test files share: a tiny corpus of tones, real recordings where they are, a cache of its own, and a browser."""

import contextlib
import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sermodules import corpora, paths
from sermodules.errors import CorpusError

CLASSES = ["angry", "sad", "happy", "neutral"]
#: The files that take longest, from four minutes down to one, on one of two workers. They are begun first, so that no worker is
#: left alone with one of them at the end.
LONGEST = ["switches", "training", "benchmarks", "study", "variables", "planted_faults", "shared_places", "crew"]
LONGEST += ["baselines_svm", "published", "divisions", "inference", "keras_settings", "identity"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_collection_modifyitems(items):
    """Put the longest files first; ``--no-loadscope-reorder`` keeps that order."""
    place = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def script(name):
    """Import a program of ``studies/``."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "studies" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true", help="run the tests that take minutes, too: make test-all")


def pytest_runtest_setup(item):
    if item.get_closest_marker("slow") and not item.config.getoption("--runslow"):
        pytest.skip("takes minutes: make test-all runs it")


#: What numba and matplotlib keep in the user's cache.
KEPT = paths.cache_root() / "libraries"


def cache_with_libraries(folder):
    """Make a cache for the processes that a test starts, with what numba compiles for librosa: else it takes half a minute.

    Tests of what a process leaves in an empty cache do without.
    """
    if KEPT.is_dir():
        shutil.copytree(KEPT, folder / "libraries", ignore=shutil.ignore_patterns("*.tmp.*"))  # being written
    return str(folder)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the features that tests extract out of the user's cache."""
    import librosa
    from filelock import FileLock

    if paths.libraries_root() is not None and paths.libraries_root().parent == KEPT:
        paths.make_libraries()
        with FileLock(KEPT.with_suffix(".lock")):  # another worker may be compiling
            librosa.filters.mel(sr=16000, n_fft=512)
    old = os.environ.get("SERMODULES_CACHE")
    os.environ["SERMODULES_CACHE"] = cache_with_libraries(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("SERMODULES_CACHE")
    if old is not None:
        os.environ["SERMODULES_CACHE"] = old


def write_tones(folder, speakers=("A1", "A2", "B1", "B2"), per_class=2, seed=0):
    """Write a corpus in which each class is a tone of its own in noise; return the path of its CSV.

    The first letter of a speaker is the session. Odd speakers are female. Utterances last between 0.5 and 4 s.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for number, speaker in enumerate(speakers):
        for label, emotion in enumerate(CLASSES):
            for take in range(per_class):
                name = f"{speaker}_{emotion}_{take}"
                time = np.arange(int(16000 * (0.5 + 3.5 * rng.random()))) / 16000
                tone = np.sin(2 * np.pi * (300 + 700 * label) * time)
                signal = 0.3 * tone + 0.05 * rng.standard_normal(len(time))
                soundfile.write(folder / f"{name}.wav", signal, 16000)
                gender = "male" if number % 2 else "female"
                rows.append((name, f"{name}.wav", speaker, speaker[0], gender, emotion))
    path = folder / "utterances.csv"
    columns = ["utterance", "path", "speaker", "session", "gender", "emotion"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


#: With the corpus of `write_uneven` some runs of this setting fail.
FAILING = {"gender": "predicted"}


def write_uneven(folder):
    """Write tones of which only A2 is male: with `FAILING` folds 1 and 2, which learn from B1 and B2, have an error."""
    path = write_tones(folder)
    path.write_text(path.read_text().replace(",B2,B,male,", ",B2,B,female,"))
    return f"table:{path}"


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """Return the corpus name of four speakers' tones: 32 utterances."""
    return f"table:{write_tones(tmp_path_factory.mktemp('tones'))}"


@pytest.fixture(scope="session")
def emodb():
    """Return the utterance table of the real EMO-DB recordings."""
    try:
        return corpora.load("emodb")
    except CorpusError:
        pytest.skip("the EMO-DB recordings are not here: set SERMODULES_DATA to the folder that holds emodb/")


@pytest.fixture
def train_anew(monkeypatch):
    """Have every run train by itself, although the run before may have trained the same network."""

    from sermodules.models import reuse

    monkeypatch.setattr(reuse.PREVIOUS, "limit", -1)
    monkeypatch.setattr(reuse.PREVIOUS, "_last", None)


@pytest.fixture(scope="session")
def chrome(tmp_path_factory):
    """Return a headless Chromium for all tests of pages that they write themselves."""
    yield from chromium(tmp_path_factory.mktemp("chromium"))


def resize(chrome, width, height=900):
    """Give the window a size; a narrow one is a phone's."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@contextlib.contextmanager
def offline(chrome, address):
    """Open a page; afterwards nothing may have been reported on its console, and no other host asked for anything."""
    for log in ("browser", "performance"):
        chrome.get_log(log)
    chrome.get(address)
    yield
    assert [entry["message"] for entry in chrome.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def chromium(folder):
    """Start a headless Chromium that logs its console and its network. Its microphone beeps, and nobody has allowed it."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no Chromium or Chrome with its chromedriver on this machine (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    quiet = ("background-networking", "component-update", "sync", "extensions", "gpu", "dev-shm-usage", "quic")
    for flag in ("headless", "no-sandbox", "no-first-run", "mute-audio", *(f"disable-{name}" for name in quiet)):
        options.add_argument(f"--{flag}")
    options.add_argument("--use-fake-device-for-media-stream")
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()
