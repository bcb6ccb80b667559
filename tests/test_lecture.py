"""Slides and handouts, made from the built book as `make slides` does it, in Chromium and on paper."""

import base64
import importlib
import re

import pytest
from bs4 import BeautifulSoup
from test_book import HTML, browser, pages  # noqa: F401  fixtures of the built book
from test_slides import LISTED, decks, sources

#: Is everything on its slide, and how much smaller had it to be made? Goes through a deck.
LOOK = """
const done = arguments[0];
const wait = () => {
  if (!(window.Reveal && Reveal.isReady() && document.querySelector('.present').dataset.fitted)) return setTimeout(wait, 50);
  done([...Array(Reveal.getTotalSlides()).keys()].map(number => {
    Reveal.slide(number);
    const slide = Reveal.getCurrentSlide();
    return [slide.innerText.slice(0, 60), fits(slide), Number(slide.dataset.fitted)];
  }));
};
wait();
"""


@pytest.fixture(scope="module")
def made(pages, tmp_path_factory):  # noqa: F811
    """Make everything; return the folder."""
    folder = tmp_path_factory.mktemp("slides")
    importlib.import_module("lecture.__main__").main(HTML, folder)
    return folder


def test_every_file_is_whole_and_every_slide_has_notes(made):
    names = {path.stem for path in made.iterdir()}
    numbers = range(1, 5)
    assert names == {"talk", "exercises-with-solutions"} | {
        f"{kind}-{n}" for kind in ("session", "handout") for n in numbers
    }
    for path in made.iterdir():
        text = path.read_text(encoding="utf-8")
        page = BeautifulSoup(text, "html.parser")
        places = [element.get(name) for name in ("src", "href") for element in page.find_all(attrs={name: True})]
        loaded = [place for place in places if not place.startswith(("data:", "https://", "#"))]
        assert loaded == [] and not page.select('link[rel="stylesheet"], [src^="http"], iframe')
        assert "{{" not in text.partition("<div class=")[2] and "{doc}" not in text
        for slide in page.select(".slides > section"):
            assert len(slide.select("aside.notes")) == 1 and slide.find(["h1", "h2"]).get_text(strip=True)


def test_a_deck_says_the_numbers_of_its_chapters(made):
    deck = BeautifulSoup((made / "talk.html").read_text(encoding="utf-8"), "html.parser")
    shown = [" ".join(slide.get_text(" ").split()) for slide in deck.select(".slides > section")]
    assert len(shown) == 1 + len(LISTED["talk"])
    chapter = sources.chapter(HTML / "_sources" / "book" / "statistics.ipynb")
    [said] = [text for text in shown if text.startswith("Ten differences")]
    assert " ".join(chapter.cell("differences-caption-2").text.split()) in said


@pytest.mark.parametrize("name", ["session-1", "session-2", "session-3", "session-4", "talk"])
def test_everything_is_on_its_slide_and_nothing_is_asked_of_the_network(name, browser, made):  # noqa: F811
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get_log("performance"), browser.get_log("browser")
    browser.get((made / f"{name}.html").as_uri())
    browser.set_script_timeout(60)
    found = browser.execute_async_script(LOOK)
    assert len(found) == len(re.findall("<section class", (made / f"{name}.html").read_text(encoding="utf-8")))
    assert [slide for slide in found if not slide[1]] == []
    assert [slide for slide in found if slide[2] < 0.6] == []  # 18 pixels of 720
    log = "".join(entry["message"] for entry in browser.get_log("performance"))
    assert not re.findall(r'"url":"https?:[^"]*"', log)
    assert browser.get_log("browser") == []


def test_a_handout_is_two_pages(browser, made):  # noqa: F811
    for number in range(1, 5):
        browser.get((made / f"handout-{number}.html").as_uri())
        printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
        assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) <= 2


def test_a_plan_of_other_rows_is_refused(pages):  # noqa: F811
    sessions, questions = sources.instructors(HTML / "book" / "instructors.html")
    assert len(sessions) == 4 and len(questions) == 30
    assert all(session.goals and session.homework and len(session.misconceptions) > 3 for session in sessions)
    with pytest.raises(sources.Unusable, match=r"session 1 has 1 lists of slides, but its plan has \d rows"):
        decks.of_a_session(sessions[0], [[]], {}, {})
