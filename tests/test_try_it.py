"""The page "Try it": it computes what Python computes, takes what a reader may give it, and asks nobody for anything."""

import base64
import dataclasses
import io
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from conftest import offline, resize
from scipy.special import softmax

from sermodules import features, models
from sermodules.corpora import audio
from sermodules.errors import ConfigError, StoreError
from sermodules.folds import segments
from sermodules.inference import rounded
from sermodules.models.backend import keras
from sermodules.paths import project_root
from sermodules.plots import browser, try_it

FOLDER = project_root() / "results" / "try-it"
HEAD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/><title>Try it</title><link rel="icon" href="data:,"/>
<script>window.asked = 0;
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wish) => { asked++; return real(wish); };</script></head><body>"""


def speech(seconds, seed=0):
    """Return what a network takes for a voice: a gliding tone with harmonics, in syllables, and noise."""
    time = np.arange(int(16000 * seconds)) / 16000
    phase = 2 * np.pi * np.cumsum(150 + 40 * np.sin(2 * np.pi * 0.7 * time)) / 16000
    voice = sum(np.sin(k * phase) / k for k in range(1, 30)) * (1 + np.sin(2 * np.pi * 4 * time)) / 8
    return (voice + 0.003 * np.random.default_rng(seed).standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def page_models():
    return rounded.read(FOLDER)


@pytest.fixture(scope="module")
def made(page_models):
    figure = plt.figure(figsize=(1, 1))
    return try_it.try_it(page_models, {"voice 1": speech(1.5), "voice 2": speech(4.0)}, figure, "a picture")


# --- what Python computes


def inputs(model, signal, gender):
    """Return what the network of a model takes of a recording, and its rows."""
    x = features.three_d_log_mel(signal)
    table = pd.DataFrame([{"utterance": "a", "speaker": "A", "gender": "", "emotion": ""}])
    rows = segments.cut(table, {"a": len(x)})
    by = model.standardiser or segments.SpeakerStandardiser.fit({"a": x}, table)
    made = {"log_mel": segments.gather({"a": x}, rows, by, model.config.padding)}
    if model.config.gender != "none":
        made["gender"] = np.full((len(rows), 1), gender, np.int32)
    return x, made


def posteriors(model, signal, gender=0):
    made = inputs(model, signal, gender)[1]
    logits = model.method().network(made, training=False)
    return segments.pool(np.asarray(logits), ["a"] * len(logits))[1][0]


# --- what the browser computes

#: The scripts of the worker, in a page.
ASKED = "onmessage = "


def scripts(*names):
    return "\n".join(map(browser.source, names)).replace(ASKED, "const answer = ")


@pytest.fixture
def blank(chrome, tmp_path):
    (tmp_path / "blank.html").write_text("<!DOCTYPE html><title>blank</title>", encoding="utf-8")
    chrome.set_script_timeout(60)
    chrome.get((tmp_path / "blank.html").as_uri())
    return chrome


@pytest.mark.parametrize(("name", "gender"), [("model1-embedding", 1), ("model2-none", 0), ("voice", 0)])
def test_features_and_every_layer_are_those_of_python(blank, page_models, name, gender):
    model, signal = page_models[name], speech(3.4)
    x, made = inputs(model, signal, gender)
    found = blank.execute_script(
        scripts("_features.js", "_network.js", "_worker.js")
        + """
        const [signal, model, gender] = arguments;
        const x = features.threeD(Float32Array.from(signal));
        const by = model.standardiser ?? features.statistics([x]);
        const input = features.segment(x, 300, by, model.padding);
        const {outputs, logits, weights, alone} = network.run(input, layersOf(model), gender);
        const plain = (table) => Object.fromEntries(Object.entries(table).map(([name, values]) => [name, Array.from(values)]));
        return {x: Array.from(x), outputs: plain(outputs), logits: Array.from(logits), weights: Array.from(weights),
                alone: alone.map((one) => Array.from(one))};""",
        signal.tolist(),
        try_it.model_data(model),
        gender,
    )
    np.testing.assert_allclose(np.reshape(found["x"], x.shape), x, rtol=0, atol=1e-4)
    network = model.method().network
    names = list(found["outputs"])
    assert {"conv1_activation", "conv6_activation", "linear", "bilstm"} <= set(names)
    second = {key: values[1:] for key, values in made.items()}
    *layers, logits = keras.Model(network.input, [*(network.get_layer(n).output for n in names), network.output])(
        second
    )
    for layer, values in zip(names, layers, strict=True):
        values = np.asarray(values)[0]
        np.testing.assert_allclose(np.reshape(found["outputs"][layer], values.shape), values, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found["logits"], np.asarray(logits)[0], rtol=0, atol=1e-3)
    looks = models.attention_weights(network, second)[0]
    if looks.ndim == 2:  # windows: entry j of step t is its weight on step t - 7 + j
        table = np.zeros((150, 164))
        for t in range(150):
            table[t, t : t + 15] = looks[t]
        looks = table[:, 7:157].mean(axis=0)
    np.testing.assert_allclose(found["weights"], looks, rtol=0, atol=1e-5)
    # a step alone: what the last layers say of its vector
    h = np.asarray(layers[names.index("bilstm")])
    steps = (
        h if looks is None or model.config.attention == "additive" else np.asarray(network.get_layer("attention")(h))
    )
    branch = keras.Model(network.input, network.get_layer("gender_flat").output)(second) if "gender" in made else []
    vector = np.concatenate([steps[0, 40], *np.asarray(branch)])[None]
    alone = softmax(np.asarray(network.get_layer("logits")(network.get_layer("dense")(vector)))[0])
    np.testing.assert_allclose(found["alone"][40], alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 1)])
def test_recordings_of_other_rates_get_the_posteriors_of_python(blank, page_models, tmp_path, rate, channels):
    signal = 0.8 * soxr.resample(speech(2.0), 16000, rate)
    path = tmp_path / "recording.wav"
    soundfile.write(path, np.stack([signal] + [0.3 * signal] * (channels - 1), axis=1), rate, subtype="PCM_16")
    model = page_models["model1-none"]
    found = blank.execute_async_script(
        scripts("_decoding.js", "_features.js", "_network.js", "_worker.js")
        + """
        const [bytes, model, done] = arguments;
        decoding.samples(new Blob([decoding.bytes("," + bytes)])).then((signal) => {
          const input = features.segment(features.threeD(signal), 0, model.standardiser, model.padding);
          done([signal.length, Array.from(network.run(input, layersOf(model), 0).posteriors)]);
        }, (error) => done(error.message));""",
        base64.b64encode(path.read_bytes()).decode(),
        try_it.model_data(model),
    )
    expected = audio.read(path)
    assert found[0] == len(expected)
    np.testing.assert_allclose(found[1], posteriors(model, expected), rtol=0, atol=0.02)


# --- the page


@pytest.fixture
def page(chrome, made, tmp_path):
    """Open the page; afterwards nothing may have been reported, and nobody asked."""
    path = tmp_path / "page.html"
    path.write_text(HEAD + made._repr_html_() + "</body></html>", encoding="utf-8")
    resize(chrome, 800)
    allow(chrome, "denied")
    with offline(chrome, path.as_uri()):
        yield chrome


def allow(chrome, setting):
    chrome.execute_cdp_cmd("Browser.setPermission", {"permission": {"name": "microphone"}, "setting": setting})


def find(chrome, part):
    return chrome.find_element("css selector", f".ti-{part}")


def said(chrome, words):
    """Wait until the page says this; return all that it says."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chrome, 30, poll_frequency=0.05).until(lambda _: words in find(chrome, "status").text)
    return find(chrome, "status").text


def press(chrome, words):
    (button,) = [b for b in chrome.find_elements("css selector", "button") if b.text == words]
    button.click()


def choose(chrome, value):
    chrome.find_element("css selector", f"input[value='{value}']").click()


def percents(chrome, part="bars"):
    cells = chrome.find_elements("css selector", f".ti-{part} td:last-child")
    return [int(cell.text.removesuffix(" %")) for cell in cells]


def test_reader_predicts_first_and_then_sees_what_the_network_says(page, page_models):
    press(page, "voice 2")
    said(page, "What will it say?")
    assert not find(page, "answer").is_displayed() and not find(page, "looks").is_displayed()
    assert find(page, "log-mel").get_attribute("href").startswith("data:image/png")
    press(page, "sad")
    words = said(page, "the network says")
    # the sound came as 16 bits, at its full scale
    sound, _ = soundfile.read(io.BytesIO(base64.b64decode(browser.wav(speech(4.0) / np.abs(speech(4.0)).max())[22:])))
    expected = posteriors(page_models["model1-none"], sound)
    np.testing.assert_allclose(percents(page), 100 * expected, atol=0.6)
    assert words.startswith(f"voice 2: the network says {page_models['voice'].classes[expected.argmax()]}")
    assert "You expected sad" in words and "3 to 6 s" in find(page, "segments").text
    assert (
        page.execute_script("return document.querySelector('.ti-weights').ownerSVGElement.viewBox.baseVal.width") == 300
    )
    choose(page, "man")
    choose(page, "model2")  # while the other one is still computed: the later choice wins
    said(page, "the network says")
    np.testing.assert_allclose(percents(page), 100 * posteriors(page_models["model2-embedding"], sound, 1), atol=0.6)
    assert find(page, "window-panel").is_displayed()
    assert page.execute_script("return window.asked") == 0  # no microphone without a click on it


def test_recording_plays_with_a_cursor_and_keys_move_it(page):
    find(page, "guessing").click()
    press(page, "voice 1")
    said(page, "the network says")
    slider = page.find_element("css selector", ".sp-slider")
    slider.send_keys("\ue014\ue014")  # right, right
    assert slider.get_attribute("aria-valuetext") == "step 3 of 150"
    assert "plain mean" in page.find_element("css selector", ".sp-status").text
    page.find_element("css selector", ".sp-bar .sp-button").click()
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 10).until(lambda _: int(float(page.execute_script(
        "return parseFloat(document.querySelector('.sp-cursor').style.left)"))) > 5)  # fmt: skip


def test_two_clicks_at_once_give_the_later_answer(page):
    find(page, "guessing").click()
    page.execute_script("document.querySelectorAll('.ti-voice-button').forEach((button) => button.click())")
    assert said(page, "the network says").startswith("voice 2")


#: What is no recording of up to 30 s: how it is written, and what the page says.
UNFIT = {
    "empty.wav": (lambda path: path.touch(), "it is empty"),
    "letter.wav": (
        lambda path: path.write_text("Dear reader, " * 100, encoding="utf-8"),
        "no sound in it that it can read",
    ),
    "silence.wav": (lambda path: soundfile.write(path, np.zeros(8000), 16000), "it is silent"),
    "click.wav": (
        lambda path: soundfile.write(path, 0.5 * (-1.0) ** np.arange(100), 16000),
        "shorter than one frame of 25 ms",
    ),
    "two_hours.wav": (lambda path: long_file(path, 7200), "it is 2 h 0 min long"),
}


def test_files_that_do_not_do_are_named_and_the_page_goes_on(page, tmp_path):
    find(page, "guessing").click()
    for name, (write, reason) in UNFIT.items():
        write(tmp_path / name)
        find(page, "file").send_keys(str(tmp_path / name))
        assert reason in said(page, f"{name} cannot be used")
    press(page, "voice 1")
    said(page, "the network says")


def long_file(path, seconds):
    """Write the header of a WAV file, and leave the disk a hole for the samples."""
    soundfile.write(path, np.full(8000, 0.5), 8000, subtype="PCM_U8")
    header, size = bytearray(path.read_bytes()[:44]), 8000 * seconds
    header[4:8], header[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(header)
    with path.open("r+b") as file:
        file.truncate(44 + size)


def test_the_sound_of_a_video_that_is_dropped_is_heard(page):
    find(page, "guessing").click()
    page.set_script_timeout(20)
    size = page.execute_async_script(
        """const done = arguments[0], canvas = document.createElement("canvas"), context = new AudioContext();
        canvas.getContext("2d").fillRect(0, 0, 9, 9);
        const tone = context.createOscillator(), sink = context.createMediaStreamDestination();
        tone.connect(sink); tone.start();
        const film = new MediaRecorder(new MediaStream([...canvas.captureStream(5).getTracks(), ...sink.stream.getTracks()]));
        film.ondataavailable = ({data}) => {
          const drop = new DragEvent("drop", {bubbles: true, dataTransfer: new DataTransfer()});
          drop.dataTransfer.items.add(new File([data], "film.webm", {type: "video/webm"}));
          document.querySelector(".sermodules-try").dispatchEvent(drop);
          done(data.size);
        };
        film.start(); setTimeout(() => film.stop(), 700);"""
    )
    assert size > 1000
    assert said(page, "the network says").startswith("film.webm")


def test_microphone_is_asked_for_on_a_click_and_recorded_once(page):
    allow(page, "granted")
    find(page, "guessing").click()
    page.execute_script("const button = document.querySelector('.ti-record'); button.click(); button.click();")
    said(page, "Recording")
    assert page.execute_script("return window.asked") == 1
    page.execute_async_script("setTimeout(arguments[0], 500)")
    press(page, "■ Stop")
    assert said(page, "the network says").startswith("Your recording")
    assert find(page, "record").text == "● Record, up to 10 s"


def test_refused_microphone_leaves_the_rest_working(page):
    find(page, "guessing").click()
    find(page, "record").click()
    assert "Files and the voices below work" in said(page, "The microphone was refused")
    press(page, "voice 1")
    said(page, "the network says")


def test_three_sentences_are_what_the_third_network_knows_of_a_voice(page, page_models, tmp_path):
    find(page, "guessing").click()
    press(page, "voice 1")
    said(page, "the network says")
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(paths):
        soundfile.write(path, 0.3 * speech(1.0 + 0.2 * number, number), 16000, subtype="FLOAT")
    page.find_element("css selector", ".ti-voice summary").click()
    find(page, "sentence-files").send_keys("\n".join(map(str, paths)))
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 30).until(lambda _: find(page, "voice-result").is_displayed())
    model = page_models["voice"]
    sound, _ = soundfile.read(io.BytesIO(base64.b64decode(browser.wav(speech(1.5) / np.abs(speech(1.5)).max())[22:])))
    x = features.three_d_log_mel(sound)
    heard = {path.stem: features.three_d_log_mel(audio.read(path)) for path in paths}
    known = segments.SpeakerStandardiser.fit(heard, pd.DataFrame({"utterance": [*heard], "speaker": "A"}))
    rows = pd.DataFrame({"utterance": ["a"], "start": [0], "frames": [len(x)], "speaker": ["A"]})
    made = {"log_mel": segments.gather({"a": x}, rows, known, "after")}
    expected = softmax(np.asarray(model.method().network(made))[0])
    np.testing.assert_allclose(percents(page, "voice-known"), 100 * expected, atol=0.6)
    np.testing.assert_allclose(percents(page, "voice-alone"), 100 * posteriors(model, sound), atol=0.6)


def test_phone_does_not_scroll_sideways(page):
    resize(page, 390)
    find(page, "guessing").click()
    press(page, "voice 1")
    said(page, "the network says")
    assert page.execute_script("window.scrollTo(500, 0); return window.scrollX") == 0


def test_without_scripts_there_is_a_picture(made):
    tree = ET.fromstring(made._repr_html_())  # XML, as an EPUB needs it
    live = [part for part in tree.iter("div") if part.get("class") == "ti-live"]
    assert live[0].get("hidden") == "hidden"
    (image,) = tree.iter("img")
    assert image.get("alt") == "a picture" and image.get("src").startswith("data:image/png")


# --- the models


def test_models_of_the_page_are_small_and_those_that_it_needs(page_models):
    assert set(page_models) == {*try_it.MODELS, try_it.VOICE}
    for model in page_models.values():
        assert sum(array.nbytes for array in model.arrays.values()) <= 350_000
        assert all(array.dtype == np.float16 for array in model.weights.values())
        assert model.facts["rounding"]["largest"] < 0.005


def test_a_model_that_is_missing_or_not_computed_is_refused(page_models):
    figure = plt.figure(figsize=(1, 1))
    with pytest.raises(ConfigError, match="no model2-none"):
        try_it.try_it({n: m for n, m in page_models.items() if n != "model2-none"}, {}, figure, "")
    other = dataclasses.replace(page_models["voice"], config=page_models["voice"].config.replace(padding="masked"))
    with pytest.raises(ConfigError, match=r"'voice': \{'padding': 'masked'\}"):
        try_it.try_it(page_models | {"voice": other}, {}, figure, "")


def test_altered_models_are_refused(page_models, tmp_path):
    name, model = "voice", page_models["voice"]
    rounded.write({name: model}, tmp_path, {name: "card"})
    again = rounded.read(tmp_path)[name]
    assert again.digest == model.digest and list(again.weights) == list(model.weights)
    changed = model.weights | {"logits/bias": model.weights["logits/bias"] + np.float16(1)}
    np.savez(tmp_path / "voice.npz", **changed)
    with pytest.raises(StoreError, match=r"other numbers than models\.json names"):
        rounded.read(tmp_path)
    with pytest.raises(StoreError, match="make_page_models"):
        rounded.read(tmp_path / "nowhere")
