"""The attention player: its parts agree in time, and it plays in a browser as it would in the book and in JupyterLab."""

import base64
import html
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import offline, resize
from matplotlib import colormaps
from matplotlib.image import imread

from sermodules import features
from sermodules.errors import AudioError, ConfigError
from sermodules.folds import segments
from sermodules.plots.player import attention_player

BURST = 50  # step of the burst, which lasts from 1.0025 to 1.0225 s
SVG = "{http://www.w3.org/2000/svg}"


def burst(seconds=2.2, at=1.0):
    """Return weak noise with a tone of 20 ms in it, in the middle of the 25 ms of frame 100 and so in step 50."""
    signal = 1e-3 * np.random.default_rng(0).standard_normal(int(16000 * seconds))
    start = int(16000 * at) + 40
    signal[start : start + 320] += 0.5 * np.sin(2 * np.pi * 1000 * np.arange(320) / 16000)
    return signal.astype(np.float32)


def parts(seconds=2.2, at=1.0):
    """Return what a player takes: Model 1 looks at the burst, and so does Model 2, from wherever the burst is in the window."""
    signal = burst(seconds, at)
    alpha = np.full(150, 0.5 / 149)
    alpha[BURST] = 0.5
    table = np.zeros((150, 164))
    for t in range(150):
        table[t, t : t + 15] = 0.05
        if abs(t - BURST) <= 7:
            table[t, BURST + 7] = 0.3
    table = table[:, 7:157] / table[:, 7:157].sum(axis=1, keepdims=True)
    wide = np.pad(table, ((0, 0), (7, 7)))
    windows = np.stack([wide[t, t : t + 15] for t in range(150)])
    return signal, features.log_mel(signal), {"Model 1": alpha, "Model 2": table.mean(axis=0)}, {"Model 2": windows}


@pytest.fixture(scope="module")
def player():
    return attention_player(*parts(), title="a burst")


def parsed(player):
    """Return the player's HTML as a tree, which only works if it is well-formed XML too, as an EPUB needs it."""
    return ET.fromstring(player._repr_html_())


def data_of(uri):
    return io.BytesIO(base64.b64decode(uri.partition(",")[2]))


def script_data(player):
    """Return the data that the script gets."""
    text = parsed(player).find("script").text
    return json.loads(re.search(r"document\.currentScript, (.*)\);\n//", text)[1])


def brightest(image):
    """Return the column of the highest log-Mel, from colours."""
    colours = colormaps["magma"](np.arange(256))[:, :3]
    pixels = imread(image)[:, :, :3]
    values = np.abs(pixels[:, :, None] - colours).sum(axis=-1).argmin(axis=-1)
    return values.max(axis=0).argmax()


def test_sound_spectrogram_and_weights_agree_in_time(player):
    tree = parsed(player)
    sound, rate = soundfile.read(data_of(tree.find("audio").get("src")))
    assert rate == 16000 and len(sound) == 48000  # 3 s: the whole segment
    assert np.abs(sound).argmax() / rate == pytest.approx(1.0125, abs=0.0101)
    image = tree.find(f".//{SVG}image")
    assert image.get("width") == "218"
    assert tree.find(f".//{SVG}svg").get("viewBox") == "0 0 300 40"  # the panel, which is 3 s wide
    assert imread(data_of(image.get("href"))).shape[:2] == (40, 218)
    assert brightest(data_of(image.get("href"))) == 100
    line = tree.find(f".//{SVG}path[@stroke='#332288'][@vector-effect]").get("d")
    heights = [float(height) for height in re.findall(r"V([\d.]+)H", line)]
    assert len(heights) == 150 and np.argmin(heights) == BURST  # SVG counts from the top
    assert tree.findall(f".//{SVG}svg[@role]")[1].get("viewBox") == "0 0 150 1"
    data = script_data(player)
    assert data["seconds"] == 0.02 and np.argmax(data["weights"][0][1]) == BURST
    assert data["middle"] == 0.0175  # a step holds samples 320 s to 320 s + 559
    row = data["windows"][0]["rows"][BURST + 3]
    assert BURST + 3 - data["windows"][0]["before"] + np.argmax(row) == BURST


@pytest.mark.parametrize("padding", ["before", "after", "masked"])
def test_padding_is_at_the_end_as_in_the_networks_input(padding):
    signal, log_mel, weights, windows = parts(seconds=2.105)
    table = pd.DataFrame([{"utterance": "a", "speaker": "A", "gender": "female", "emotion": "sad"}])
    rows = segments.cut(table, {"a": len(log_mel)})
    standardiser = segments.Standardiser(np.zeros((40, 3), np.float32), np.ones((40, 3), np.float32))
    x = segments.gather({"a": features.three_d_log_mel(signal)}, rows, standardiser, padding)[0]
    player = attention_player(signal, log_mel, weights, windows)
    frames = len(player.log_mel)
    assert frames == rows.loc[0, "frames"] == 209
    assert x[:frames].any(axis=(1, 2)).all() and not x[frames:].any()
    assert player.end == 105  # step 104 holds the last frame, 208
    tree = parsed(player)
    shares = [float(grey.get("style")[7:-1]) for grey in tree.findall(".//*[@class='sp-padding']")]
    assert shares == pytest.approx([100 * (300 - 209) / 300] * 3, abs=1e-3)
    sound, _ = soundfile.read(data_of(tree.find("audio").get("src")))
    assert not sound[len(signal) :].any() and np.abs(sound[len(signal) - 160 : len(signal)]).max() > 0


def test_full_segment_has_no_grey():
    player = attention_player(*parts(seconds=3.5))
    assert player.end == 150 and len(player.log_mel) == 300
    assert parsed(player).find(".//*[@class='sp-padding']") is None


def test_later_segment_sounds_and_shows_its_own_part():
    signal, log_mel, weights, windows = parts(seconds=5, at=4.0)
    player = attention_player(signal, log_mel, weights, windows, start=300)
    assert np.abs(player.signal).argmax() / 16000 == pytest.approx(1.0125, abs=0.0101)
    assert player.log_mel.max(axis=1).argmax() == 100 and len(player.log_mel) == len(log_mel) - 300


def test_table_of_all_pairs_is_a_window_too():
    signal, log_mel, weights, _ = parts()
    table = np.full((150, 150), 1 / 150)
    assert script_data(attention_player(signal, log_mel, weights, {"Model 1": table}))["windows"][0]["before"] is None


def test_every_output_has_ids_of_its_own_and_asks_nobody(player):
    pages = [player._repr_html_(), player._repr_html_()]
    ids = [name for page in pages for name in re.findall(r' id="([^"]+)"', page)]
    assert len(ids) == len(set(ids)) == 2
    assert set(re.findall(r"https?://[^\"' ]*", pages[0])) == {"http://www.w3.org/2000/svg"}
    assert all(uri.startswith("data:") for uri in re.findall(r' (?:src|href)="([^"]*)"', pages[0]))
    assert "burst" in repr(player)


def test_names_cannot_break_the_page():
    signal, log_mel, weights, windows = parts()
    nasty = "</script><b>&\"']]>"
    renamed = {nasty: weights["Model 1"], "Model 2": weights["Model 2"]}
    player = attention_player(signal, log_mel, renamed, {"Model 2": windows["Model 2"]}, title=nasty)
    assert parsed(player).find("p").text == nasty
    assert script_data(player)["weights"][0][0] == nasty
    assert player._repr_html_().count("</script>") == 1


def change(**changes):
    signal, log_mel, weights, windows = parts()
    return {"signal": signal, "log_mel": log_mel, "weights": weights, "windows": windows} | changes


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"signal": np.zeros(0, np.float32)}, AudioError, r"shape \(0,\)"),
        ({"signal": np.full(35200, np.nan, np.float32)}, AudioError, "finite"),
        ({"signal": np.zeros((35200, 2), np.float32)}, AudioError, "one channel"),
        ({"log_mel": np.zeros((300, 40))}, ConfigError, "the signal has 218 frames.*without padding"),
        ({"start": 218}, ConfigError, "frames 0 to 217"),
        ({"weights": {}}, ConfigError, "shapes"),
        ({"weights": {"a": np.full((150, 15), 1 / 15)}}, ConfigError, "go into `windows`"),
        ({"weights": {"a": np.full(150, 1 / 150), "b": np.full(75, 1 / 75)}}, ConfigError, "same number of steps"),
        ({"weights": {"a": np.full(149, 1 / 149)}}, ConfigError, "divides 300"),
        ({"weights": {"Model 2": np.full(150, 1.0)}}, ConfigError, "'Model 2' sum to 150"),
        ({"windows": {"Model 3": np.full((150, 15), 1 / 15)}}, ConfigError, "Model 3"),
        ({"windows": {"Model 2": np.full((149, 15), 1 / 15)}}, ConfigError, r"must be \(150, width\)"),
        ({"windows": {"Model 2": np.full((150, 15), -1.0)}}, ConfigError, "positive"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        attention_player(**change(**changes))


# In a browser. The page notes which sounds are started: [when, offset, duration]. It has a style that would move the parts of
# a picture, as themes have: the dark theme of the book pads every <img>.

HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>Two players</title><link rel="icon" href="data:,"/><script>
window.sounds = []; window.keys = []; window.leaked = [];
addEventListener("keydown", (e) => setTimeout(() => keys.push([e.key, e.defaultPrevented])), true);
addEventListener("keydown", (e) => leaked.push(e.key));
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...all) { sounds.push(all); return start.apply(this, all); };
</script><style>img, svg, p { padding: 6px; max-width: 90%; border-radius: 6px }</style></head><body>"""


@pytest.fixture
def page(chrome, player, tmp_path):
    """Open a page of two players; afterwards nothing may have been reported, and nobody asked."""
    (tmp_path / "page.html").write_text(
        HEAD + player._repr_html_() + player._repr_html_() + "</body></html>", encoding="utf-8"
    )
    (tmp_path / "empty.html").write_text(HEAD + "</body></html>", encoding="utf-8")
    chrome.folder = tmp_path.as_uri()
    resize(chrome, 800, 800)
    with offline(chrome, f"{chrome.folder}/page.html"):
        yield chrome


def find(chrome, part, number=0):
    return chrome.find_elements("css selector", f".sp-{part}")[number]


def wait(chrome, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, 10, poll_frequency=0.05).until(lambda _: condition())


def state(chrome, number=0):
    """Return where a player is: the sound's time, whether it is paused, the cursor's step, and the sounds so far."""
    return chrome.execute_script(
        """const root = document.querySelectorAll(".sermodules-player")[arguments[0]];
        const audio = root.querySelector("audio");
        const step = Math.round(parseFloat(root.querySelector(".sp-cursor").style.left) * 1.5);
        return {time: audio.currentTime, paused: audio.paused, step, sounds: window.sounds,
                status: root.querySelector(".sp-status").innerText, live: root.querySelector(".sp-status").ariaLive}""",
        number,
    )


def press(chrome, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(chrome).send_keys(*keys).perform()


def click_at(chrome, seconds, number=0):
    """Click where a moment is on the time axis."""
    from selenium.webdriver.common.action_chains import ActionChains

    track = find(chrome, "track", number)
    offset = int(track.size["width"] * (seconds / 3 - 0.5))
    ActionChains(chrome).move_to_element_with_offset(track, offset, 0).click().perform()


def test_play_moves_the_cursor_with_the_sound(page):
    find(page, "button").click()
    wait(page, lambda: state(page)["time"] > 0.5)
    now = state(page)
    assert not now["paused"] and now["live"] == "off"
    assert now["step"] * 0.02 == pytest.approx(now["time"], abs=0.2)
    assert state(page, 1)["time"] == state(page, 1)["step"] == 0
    assert find(page, "button").text.endswith("Pause")
    assert f"{now['step'] * 0.02:.2f} s" in now["status"]
    find(page, "button").click()
    wait(page, lambda: state(page)["live"] == "polite")
    then = state(page)
    assert then["paused"] and then["step"] == int(then["time"] / 0.02 + 0.01) >= now["step"]
    assert find(page, "slider").get_attribute("aria-valuenow") == str(then["step"] + 1)


def test_one_player_at_a_time_and_it_ends_in_the_padding(page):
    find(page, "button", 0).click()
    wait(page, lambda: state(page, 0)["time"] > 0.1)
    find(page, "button", 1).click()
    wait(page, lambda: state(page, 0)["paused"] and state(page, 1)["time"] > 0.1)
    wait(page, lambda: state(page, 1)["step"] == 149 and state(page, 1)["paused"])
    assert state(page, 1)["status"].startswith("2.98 s, padding")
    find(page, "button", 1).click()  # at the end it starts anew
    wait(page, lambda: 0 < state(page, 1)["time"] < 2)


def test_click_moves_the_cursor_and_sounds_what_is_there(page):
    click_at(page, 1.012)
    wait(page, lambda: state(page)["sounds"])
    now = state(page)
    assert now["step"] == BURST and now["paused"] and now["time"] == pytest.approx(1.0)
    ((_, offset, duration),) = now["sounds"]
    assert (offset, duration) == pytest.approx((0.9775, 0.08))  # 80 ms around the burst
    assert "Model 1: 75.00 × plain mean" in now["status"] and "Model 2" in now["status"]
    assert state(page, 1)["step"] == 0
    boxes = page.execute_script(
        """const [image, cursor] = ["image", ".sp-cursor"].map(e => document.querySelector(e).getBoundingClientRect());
        return [image.left + image.width * 100.5 / 218, cursor.left, cursor.right]"""
    )
    assert boxes[1] < boxes[0] < boxes[2]  # the bright column is under the cursor


def test_click_while_it_plays_stops_there(page):
    find(page, "button").click()
    wait(page, lambda: state(page)["time"] > 0.1)
    click_at(page, 2.012)
    wait(page, lambda: state(page)["live"] == "polite" and state(page)["sounds"])
    assert state(page)["paused"] and state(page)["step"] == 100


def test_window_of_the_step_under_the_cursor_moves_with_it(page):
    def bars():
        path = find(page, "bars").get_attribute("d")
        return {int(x): 1 - float(y) for x, y in re.findall(r"M(\d+) 1V([\d.]+)H", path)}

    assert set(bars()) == set(range(8))  # cut short at the start
    click_at(page, 1.052)
    step = state(page)["step"]
    assert set(bars()) == set(range(step - 7, step + 8)) and max(bars(), key=bars().get) == BURST


def test_keys(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    press(page, Keys.TAB, Keys.TAB)
    assert page.switch_to.active_element == find(page, "slider")
    style = page.execute_script("return getComputedStyle(document.activeElement).outline")
    assert "solid" in style and "3px" in style
    for keys, step in (
        ([Keys.ARROW_RIGHT] * 3, 3),
        ([Keys.ARROW_LEFT], 2),
        ([Keys.END], 149),
        ([Keys.ARROW_RIGHT], 149),
        ([Keys.HOME], 0),
        ([Keys.ARROW_LEFT], 0),
    ):
        press(page, *keys)
        assert state(page)["step"] == step
        assert find(page, "slider").get_attribute("aria-valuetext") == f"step {step + 1} of 150"
    wait(page, lambda: state(page)["sounds"])
    for key in (Keys.SPACE, Keys.ENTER):
        before = state(page)["time"]
        press(page, key)
        wait(page, lambda before=before: state(page)["time"] > before + 0.1)
        press(page, key)
        wait(page, lambda: state(page)["paused"])
    ActionChains(page).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert page.switch_to.active_element == find(page, "button")
    keys = page.execute_script("return window.keys")
    assert len(keys) > 10 and all(prevented for name, prevented in keys if name not in ("Tab", "Shift"))  # no scrolling
    assert {*page.execute_script("return window.leaked")} == {"Tab", "Shift"}  # none turns the page of a theme


def test_who_asked_for_less_motion_gets_four_moves_a_second(page):
    def moves(restarts):
        """Return how often the cursor moved while it played, and for how many seconds that was."""
        return page.execute_async_script(
            """const done = arguments[1], cursor = document.querySelector(".sp-cursor"), seen = new Set();
            const watch = new MutationObserver(() => seen.add(cursor.style.left)), began = performance.now();
            const click = () => document.querySelector(".sp-button").click();
            watch.observe(cursor, {attributes: true});
            click();
            for (let n = 1; n <= arguments[0]; n++) setTimeout(() => { click(); click(); }, 200 * n);
            setTimeout(() => {
              click(); watch.disconnect(); done([seen.size, (performance.now() - began) / 1000]);
            }, 2000)""",
            restarts,
        )

    page.set_script_timeout(10)
    free, seconds = moves(0)
    assert free > 4 * seconds + 2
    page.find_element("css selector", ".sp-slider").send_keys("\ue011")  # Home: back to the beginning
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    )
    try:
        calm, seconds = moves(
            3
        )  # paused and played again three times, faster than a frame: one chain of frames goes on
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert 2 <= calm <= 4 * seconds + 2 + 3  # one move at the beginning, at the end, and at each pause


def test_phone_does_not_scroll_sideways(page):
    resize(page, 390, 800)
    page.get(f"{page.folder}/page.html")
    assert page.execute_script("window.scrollTo(500, 0); return window.scrollX") == 0
    assert find(page, "track").size["width"] > 250
    click_at(page, 1.012)
    assert abs(state(page)["step"] - BURST) <= 1  # a step is two pixels wide


@pytest.mark.parametrize("inside", [True, False], ids=["JupyterLab", "VS Code"])
def test_output_that_is_put_into_a_page_later_works(page, player, inside):
    # Neither runs the scripts of innerHTML by itself. JupyterLab replaces them by copies, also in a second view of the
    # same output; VS Code runs a copy at the end of the output and removes it again.
    from selenium.webdriver.common.keys import Keys

    page.get(f"{page.folder}/empty.html")
    new = page.execute_script(
        """const before = new Set(Object.getOwnPropertyNames(window));
        for (let view = 0; view < (arguments[1] ? 2 : 1); view++) {
          const host = document.createElement("div");
          host.innerHTML = arguments[0];
          document.body.append(host);
          for (const script of host.querySelectorAll("script")) {
            const copy = document.createElement("script");
            copy.textContent = script.textContent;
            if (arguments[1]) script.replaceWith(copy);
            else { host.append(copy); copy.remove(); }
          }
        }
        const ours = /^\\d+$|^sermodules-player-/; // frames and ids, which every browser lists
        return Object.getOwnPropertyNames(window).filter(name => !before.has(name) && !ours.test(name))""",
        player._repr_html_(),
        inside,
    )
    assert new == []  # no global names
    last = 1 if inside else 0
    page.execute_script("arguments[0].focus()", find(page, "slider", last))
    press(page, Keys.ARROW_RIGHT)
    assert state(page, last)["step"] == 1
    assert not inside or state(page, 0)["step"] == 0
    find(page, "button", last).click()
    wait(page, lambda: state(page, last)["time"] > 0.2)


def test_without_scripts_there_are_the_picture_and_the_recording(page, player):
    inside = html.escape(player._repr_html_())
    frame = f'<iframe sandbox="allow-same-origin" width="700" height="700" srcdoc="{inside}"></iframe>'
    path = Path(url2pathname(urlsplit(page.folder).path)) / "frame.html"
    path.write_text(HEAD + frame + "</body></html>", encoding="utf-8")
    page.get(path.as_uri())
    (blocked,) = page.get_log("browser")  # what a sandbox says of every script
    assert "Blocked script execution" in blocked["message"]
    page.switch_to.frame(0)
    seen = [
        page.find_element("css selector", e).is_displayed() for e in (".sp-audio", "noscript p", "image", ".sp-plots")
    ]
    unseen = [find(page, name).is_displayed() for name in ("button", "slider", "help")]
    page.switch_to.default_content()
    assert all(seen) and not any(unseen)
