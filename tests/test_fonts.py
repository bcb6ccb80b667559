"""Labels in any script show in figures, or one line says which font is missing."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager

from sermodules import plots
from sermodules.plots import fonts

SCRIPTS = {
    "Devanagari": "गुस्सा",
    "Thai": "โกรธ",
    "Hangul": "분노",
    "Japanese": "幸せ",
    "Ethiopic": "ቁጣ",
}


@pytest.fixture(autouse=True)
def fresh():
    fonts._covering.cache_clear()
    yield
    fonts._covering.cache_clear()
    plt.close("all")


def confusion(*labels):
    _, ax = plt.subplots()
    return plots.plot_confusion(pd.DataFrame(np.eye(len(labels)) * 100, labels, labels), ax)


def has_font(text):
    found = [entry.fname for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort")]
    every = set().union(*map(fonts._letters, found))
    return {ord(letter) for letter in text} <= every


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_drawn_with_a_font_that_has_it_or_one_line_says_that_none_has(script, tmp_path):
    label = SCRIPTS[script]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ax = confusion(label, "sad")
        ax.figure.savefig(tmp_path / "a.png")
    texts = [
        str(warning.message) for warning in seen if "Glyph" in str(warning.message) or "font" in str(warning.message)
    ]
    if has_font(label):
        assert texts == []
        families = {text.get_text(): text.get_fontfamily() for text in ax.get_xticklabels()}
        assert len(families[label]) > 1 and families["sad"] == ["sans-serif"]
    else:
        assert len(texts) == 1 and "install fonts, such as" in texts[0] and label[0] in texts[0]


def test_a_font_that_is_there_is_found_and_one_that_is_not_is_named_once(monkeypatch):
    default = font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))
    letters = {default: {*range(32, 127)}, "han.ttf": {ord("幸")}}
    monkeypatch.setattr(fonts, "_letters", lambda path: frozenset(letters.get(path, ())))
    entry = font_manager.FontEntry(fname="han.ttf", name="Han", style="normal", weight=400)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [entry])
    _, ax = plt.subplots()
    ax.set_title("幸 sad")
    fonts.dress(ax)
    assert ax.title.get_fontfamily() == ["sans-serif", "Han"]
    ax.set_title("幸怒 sad")
    with pytest.warns(UserWarning, match="has the letters 怒 of the labels") as seen:
        fonts.dress(ax)
    assert len(seen) == 1


def test_latin_greek_cyrillic_and_arabic_need_nothing():
    for label in ("wütend", "θυμός", "злость", "غضب"):
        assert all(text.get_fontfamily() == ["sans-serif"] for text in confusion(label, "sad").get_xticklabels())


def test_a_dollar_is_a_dollar(tmp_path):
    confusion("$x_$", "a$\\frac$").figure.savefig(tmp_path / "a.png")
