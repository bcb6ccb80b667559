"""The page in which the reader judges recordings: nothing is said before an answer, and then what people said, in a browser."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
import soundfile
from conftest import offline, resize

from sermodules.errors import AudioError, ConfigError
from sermodules.plots.judge import Judged, judge

CLASSES = ["angry", "sad", "happy", "neutral"]
NASTY = "</script><b>&\"']]>"


def tone(seconds=0.4, level=0.5, hertz=300):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(16000 * seconds)) / 16000)).astype(np.float32)


def answers(*counts):
    return dict(zip([*CLASSES, "disgusted", "fearful"], counts, strict=True))


def recordings():
    """Return three: most people are right, wrong, tied. Two systems judged the first two, one of them the third."""
    return [
        Judged(tone(level=0.5), "angry", answers(7, 0, 0, 1, 1, 1), {"Model 2": "angry", "SVM": "angry"}),
        Judged(tone(level=0.25), "sad", answers(0, 2, 0, 6, 0, 0), {"Model 2": "sad", "SVM": "neutral"}),
        Judged(tone(level=0.1), "happy", answers(0, 0, 4, 4, 1, 0), {"Model 2": "neutral"}),
    ]


@pytest.fixture(scope="module")
def made():
    return judge(recordings(), CLASSES, f"Attribution, {NASTY} https://example.org/licence")


def parsed(page):
    """Return the HTML as a tree, which only works if it is well-formed XML too, as an EPUB needs it."""
    return ET.fromstring(page._repr_html_())


def test_each_recording_has_its_sound_its_answers_and_what_was_asked(made):
    items = parsed(made).findall(".//li[@class='ju-item']")
    peaks = []
    for item, one in zip(items, recordings(), strict=True):
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(item.find("audio").get("src").partition(",")[2])))
        assert rate == 16000 and len(sound) == len(one.signal)
        peaks.append(np.abs(sound).max())
        rows = item.findall(".//tbody/tr")
        found = {row.find("th").text.removesuffix(" (asked for)"): int(row.findall("td")[1].text) for row in rows}
        assert found == one.answers
        (asked,) = [row.find("th").text for row in rows if row.find("th").text.endswith("(asked for)")]
        assert asked.startswith(one.asked) and item.find(".//details/p/b").text == one.asked
        assert [li.text for li in item.findall(".//li")] == [f"{who}: {said}" for who, said in one.systems.items()]
        assert [button.text for button in item.findall(".//button")] == CLASSES
    assert peaks == pytest.approx([1, 0.5, 0.2], abs=1e-3)  # one factor for all: what was louder stays so


def test_systems_may_be_missing():
    page = judge([Judged(tone(), "sad", {"sad": 1})], CLASSES)
    assert "systems said" not in page._repr_html_()


def test_what_most_people_chose_is_a_class_and_none_if_they_are_tied():
    assert [one.most(CLASSES) for one in recordings()] == ["angry", "neutral", None]
    assert Judged(tone(), "sad", answers(0, 2, 0, 1, 6, 0)).most(CLASSES) == "sad"  # disgusted is none that counts


def test_every_output_has_ids_of_its_own_and_asks_nobody(made):
    pages = [made._repr_html_(), made._repr_html_()]
    ids = [name for page in pages for name in re.findall(r' id="([^"]+)"', page)]
    assert len(ids) == len({*ids}) == 2
    assert all(uri.startswith("data:audio/wav") for uri in re.findall(r' (?:src|href)="([^"]*)"', pages[0]))


def test_names_cannot_break_the_page_and_the_attribution_is_in_it(made):
    assert parsed(made).find("p[@class='ju-attribution']").text == f"Attribution, {NASTY} https://example.org/licence"
    page = judge([Judged(tone(), NASTY, {NASTY: 2, "sad": 1}, {NASTY: "sad"})], [NASTY, "sad"])
    assert page._repr_html_().count("</script>") == 1
    assert parsed(page).find(".//details/p/b").text == NASTY


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ConfigError, "no recordings"),
        ([Judged(tone(), "bored", {"sad": 1})], ConfigError, "recording 1 names bored"),
        ([Judged(tone(), "sad", {"sad": 1}, {"SVM": "bored"})], ConfigError, "recording 1 names bored"),
        (
            [Judged(tone(), "sad", {"sad": 1}), Judged(tone(), "sad", {})],
            ConfigError,
            "recording 2 was judged by nobody",
        ),
        ([Judged(tone()[None], "sad", {"sad": 1})], AudioError, r"recording 1 .* shape \(1, 6400\)"),
        ([Judged(np.zeros(100), "sad", {"sad": 1})], AudioError, "not silent"),
        ([Judged(np.full(100, np.nan), "sad", {"sad": 1})], AudioError, "finite"),
    ],
)
def test_what_cannot_be_judged_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        judge(given, CLASSES)


# --- in a browser

HEAD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/><title>Judge</title><link rel="icon" href="data:,"/>
<script>window.leaked = []; addEventListener("keydown", (e) => leaked.push(e.key));</script></head><body><article>"""


@pytest.fixture
def page(chrome, made, tmp_path):
    """Open the page; afterwards nothing may have been reported, and nobody asked."""
    path = tmp_path / "page.html"
    path.write_text(HEAD + made._repr_html_() + "</article></body></html>", encoding="utf-8")
    resize(chrome, 800)
    with offline(chrome, path.as_uri()):
        yield chrome


def text(chrome, part):
    return chrome.find_element("css selector", f".ju-{part}").text


def visible(chrome, part):
    return [one for one in chrome.find_elements("css selector", f".ju-{part}") if one.is_displayed()]


def press(chrome, words):
    (button,) = [b for b in chrome.find_elements("css selector", "button") if b.is_displayed() and b.text == words]
    button.click()


def play(chrome):
    """Play the recording that is shown until it has begun."""
    from selenium.webdriver.support.ui import WebDriverWait

    (item,) = visible(chrome, "item")
    audio = item.find_element("css selector", "audio")
    chrome.execute_script("arguments[0].play()", audio)
    WebDriverWait(chrome, 10, 0.05).until(lambda _: chrome.execute_script("return arguments[0].currentTime > 0", audio))


def judge_all(chrome, said):
    for number, name in enumerate(said, start=1):
        play(chrome)
        press(chrome, name)
        press(chrome, "Next recording" if number < len(said) else "How you did")


def test_nothing_is_said_before_an_answer_and_then_it_is_final(page):
    assert len(visible(page, "item")) == 1 and not visible(page, "result") and not visible(page, "next")
    press(page, "sad")
    assert text(page, "status") == "Play the recording first." and not visible(page, "result")
    play(page)
    press(page, "sad")
    said = text(page, "status")
    assert said.startswith("You said sad. The actor was asked for angry. Of 10 people 7 said angry")
    assert said.endswith("Model 2 says angry. SVM says angry.")
    (result,) = visible(page, "result")
    assert result.get_attribute("open") and "angry (asked for)" in result.text
    press(page, "happy")  # too late
    assert text(page, "status") == said
    pressed = page.find_elements("css selector", ".ju-item:not([hidden]) [aria-pressed='true']")
    assert [button.text.removeprefix("✓ ") for button in pressed] == ["sad"]
    press(page, "Next recording")
    assert page.switch_to.active_element.text == "Recording 2 of 3" and text(page, "status") == ""
    assert not visible(page, "result") and len(visible(page, "item")) == 1


def test_at_the_end_it_counts_and_says_that_these_are_no_score(page):
    judge_all(page, ["angry", "neutral", "neutral"])
    assert text(page, "agreed") == (
        "You chose what was asked for in 1 of 3, and what most people chose in 2. One of these people, drawn by chance for each"
        f" recording, would get {7 / 10 + 2 / 8 + 4 / 9:.1f} of 3 on average. Model 2 gets 2. SVM gets 1."
    )
    assert "3 are no score" in text(page, "end") and page.switch_to.active_element.get_attribute("class") == "ju-end"
    rows = [[cell.text for cell in row.find_elements("css selector", "th, td")]
            for row in page.find_elements("css selector", ".ju-all tr")]  # fmt: skip
    assert rows == [
        ["recording", "you", "asked for", "most people", "Model 2", "SVM"],
        ["1", "angry", "angry", "angry", "angry", "angry"],
        ["2", "neutral", "sad", "neutral", "sad", "neutral"],
        ["3", "neutral", "happy", "no class", "neutral", "–"],
    ]
    press(page, "Begin again")
    assert not visible(page, "result") and not visible(page, "end") and text(page, "status") == ""
    press(page, "angry")
    assert text(page, "status") == "Play the recording first."


def test_keyboard_alone_goes_from_the_first_recording_to_the_second(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    play(page)

    def tab_to(words):
        for _ in range(30):
            ActionChains(page).send_keys(Keys.TAB).perform()
            if page.switch_to.active_element.text == words:
                break
        else:
            raise AssertionError(f"no tab leads to {words}")
        style = page.execute_script("return getComputedStyle(document.activeElement).outline")
        assert "solid" in style and "3px" in style
        ActionChains(page).send_keys(Keys.SPACE).perform()

    tab_to("neutral")
    assert "You said neutral" in text(page, "status")
    tab_to("Next recording")
    assert page.switch_to.active_element.text == "Recording 2 of 3"
    page.execute_script("document.querySelectorAll('.ju-item audio')[1].focus()")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert "ArrowRight" not in page.execute_script("return window.leaked")


def test_one_sound_at_a_time_and_none_after_the_next(page):
    play(page)
    page.execute_script("document.querySelectorAll('.ju-item audio')[2].play()")
    page.execute_async_script("setTimeout(arguments[0], 100)")
    assert page.execute_script("return document.querySelectorAll('.ju-item audio')[0].paused")
    press(page, "sad")
    press(page, "Next recording")
    assert page.execute_script("return [...document.querySelectorAll('.ju-item audio')].every((audio) => audio.paused)")


def test_phone_does_not_scroll_sideways_at_any_step(page):
    resize(page, 390)
    sideways = "window.scrollTo(500, 0); return window.scrollX"
    assert page.execute_script(sideways) == 0
    play(page)
    press(page, "sad")
    assert page.execute_script(sideways) == 0
    press(page, "Next recording")
    judge_all(page, ["neutral", "neutral"])
    assert page.execute_script(sideways) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_at_any_step_in_light_and_in_dark(page, theme):
    from selenium_axe_python import Axe
    from test_book import FAINT

    background = {"light": "#fff", "dark": "#121212"}[theme]
    page.execute_script("document.body.style.background = arguments[0]; document.body.style.color = '#ccc'", background)
    axe = Axe(page)

    def problems():
        axe.inject()
        found = axe.run("{include: [['article']]}", "{resultTypes: ['violations']}")["violations"]
        return [(rule["id"], [node["html"][:150] for node in rule["nodes"]]) for rule in found], page.execute_script(
            FAINT
        )

    assert problems() == ([], {})
    play(page)
    press(page, "sad")
    assert problems() == ([], {})
    press(page, "Next recording")
    judge_all(page, ["neutral", "neutral"])
    assert problems() == ([], {})


@pytest.mark.parametrize("inside", [True, False], ids=["JupyterLab", "VS Code"])
def test_output_that_is_put_into_a_page_later_works(page, made, inside):
    new = page.execute_script(
        """const before = new Set(Object.getOwnPropertyNames(window));
        document.body.replaceChildren();
        const host = document.body.appendChild(document.createElement("div"));
        host.innerHTML = arguments[0];
        for (const script of host.querySelectorAll("script")) {
          const copy = document.createElement("script");
          copy.textContent = script.textContent;
          if (arguments[1]) script.replaceWith(copy);
          else { host.append(copy); copy.remove(); }
        }
        const ours = /^\\d+$|^sermodules-judge-/;
        return Object.getOwnPropertyNames(window).filter((name) => !before.has(name) && !ours.test(name))""",
        made._repr_html_(),
        inside,
    )
    assert new == []  # no global names
    play(page)
    press(page, "angry")
    assert "You said angry" in text(page, "status")


def test_without_scripts_each_plays_and_says_the_rest_when_it_is_opened(page, made, tmp_path):
    import html

    inside = html.escape(made._repr_html_())
    frame = f'<iframe sandbox="allow-same-origin" width="700" height="1400" srcdoc="{inside}"></iframe>'
    path = Path(url2pathname(urlsplit(tmp_path.as_uri()).path)) / "frame.html"
    path.write_text(HEAD + frame + "</article></body></html>", encoding="utf-8")
    page.get(path.as_uri())
    (blocked,) = page.get_log("browser")  # what a sandbox says of every script
    assert "Blocked script execution" in blocked["message"]
    page.switch_to.frame(0)
    try:
        assert len(visible(page, "item")) == len(visible(page, "result")) == 3
        assert not visible(page, "choices") and not visible(page, "next") and not visible(page, "end")
        assert not page.find_element("css selector", ".ju-result table").is_displayed()
        page.find_element("css selector", ".ju-result summary").click()
        assert page.find_element("css selector", ".ju-result table").is_displayed()
        assert page.find_element("css selector", "noscript p").is_displayed()
    finally:
        page.switch_to.default_content()
