"""The list of slides fits the chapters and the plan. What is made of it is tested with the built book: test_lecture.py."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

BOOK = Path(__file__).resolve().parents[1] / "book"
sys.path.insert(0, str(BOOK / "_ext"))
from lecture import decks, handouts, render, sources  # noqa: E402
from mathml import mathml  # noqa: E402

LISTED = yaml.safe_load((BOOK / "slides.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written():
    """Return the chapters as they are committed, by name."""
    return {path.stem: nbformat.read(path, as_version=4) for path in BOOK.glob("*.ipynb")}


def entries():
    """Yield every entry of every deck, with its chapter."""
    for slides in [*(row for session in LISTED["sessions"] for row in session), LISTED["talk"]]:
        for slide in slides:
            if isinstance(slide, dict):
                [(chapter, names)] = slide.items()
                yield from ((chapter, name) for name in names)


def test_every_cell_of_every_slide_is_in_its_chapter(written):
    lost = []
    for chapter, entry in entries():
        match = decks.ENTRY.fullmatch(entry)
        cells = {cell.id: cell for cell in written[chapter].cells}
        if not match or match["cell"] not in cells:
            lost.append((chapter, entry))
        elif match["part"] and cells[match["cell"]].cell_type == "markdown":
            sources.Cell("x", "", cells[match["cell"]].source).part(match["part"])  # raises if it is not there
        elif not match["part"] and cells[match["cell"]].cell_type == "markdown":
            assert match["code"] is None
    assert not lost


def test_the_slides_follow_the_plan_and_ask_what_it_asks():
    page = (BOOK / "instructors.md").read_text(encoding="utf-8")
    parts = re.split(r"^## Session \d.*$", page, flags=re.MULTILINE)[1:]
    assert len(parts) == len(LISTED["sessions"]) == 4
    for part, content in zip(parts, LISTED["sessions"], strict=True):
        plan = re.findall(r"^\| \d+–\d+ \| (.*) \|$", part, flags=re.MULTILINE)
        assert len(plan) == len(content)
        for row, slides in zip(plan, content, strict=True):
            asked = {f"question {number}" for slide in slides if isinstance(slide, str) for number in slide.split()[1:]}
            said = re.findall(r"[qQ]uestions? ([\d, and]+)", row)
            assert asked == {f"question {number}" for text in said for number in re.findall(r"\d+", text)}, row


def test_a_part_of_a_cell_is_a_block_or_sentences_of_it():
    cell = sources.Cell("x", "Before", "One. Two is 2.5 long!\n\n## After\n\n*In italics. All of it.*\n\n$$\na\n$$")
    assert cell.titled()[1] == ("After", "*In italics. All of it.*") and cell.after == "After"
    assert [cell.part(which) for which in ("1.2", "2.1", "2-3")] == [
        "Two is 2.5 long!", "*In italics.*", "*In italics. All of it.*\n\n$$\na\n$$",
    ]  # fmt: skip
    assert (cell.heading("1"), cell.heading("2.1"), cell.heading(None)) == ("Before", "After", "Before")
    for selector in ("4", "1.3", "two", "0"):
        with pytest.raises(sources.Unusable):
            cell.part(selector)


def test_formulas_are_drawn_by_the_browser_and_links_to_pages_are_words():
    shown = render.markdown("An $n^2$, [a page](x.md), [a site](https://x.org).\n\n$$\\sqrt{n}$$")
    assert shown.count("<math") == 2 and "$" not in shown and "a page," in shown and 'href="https://x.org"' in shown
    assert render.page('<span class="math notranslate nohighlight">\\(\\beta &lt; 1\\)</span>').startswith("<math")
    under = mathml(r"\underbrace{E}_{2 \times 300}")
    assert under.count("<munder>") == 2 and "<msub>" not in under


def chapter():
    """Return a chapter of one picture with its words, and one exercise."""
    cells = [
        sources.Cell("title", "", "# A title\n\nIt begins.\n\n## Part"),
        sources.Cell("shown", "Part", "", "draw()", ({"output_type": "stream", "name": "stdout", "text": "1 < 2\n"},)),
        sources.Cell("words", "Part", "*A caption.* More.\n\n## Exercises\n\n**1. Warm-up.** How many?"),
        sources.Cell("solution", "Exercises", "Two.", is_solution=True),
        sources.Cell("takeaway", "Exercises", "## Take away\n\n- All."),
    ]
    return sources.Chapter("one", "A title", {cell.id: cell for cell in cells})


def test_what_the_chapter_says_beside_a_slide_stands_in_its_notes():
    deck = decks.Deck({"one": chapter()}, {1: ("<strong>1.</strong> (paper, recall) Why?", "So.")})
    deck.content([{"one": ["shown code"]}, {"one": ["words:2"]}, "question 1"])
    first, second, third = (re.split("<aside class='notes'>", slide) for slide in deck.slides)
    assert "<h2>Part</h2>" in first[0] and "draw()" in first[0] and "1 &lt; 2" in first[0] and "caption" not in first[0]
    assert "More." not in first[1]  # it stands in the cell of the next slide
    assert "Exercise one 1" in second[0] and "Two." in second[1] and "Two." not in second[0]
    assert "<h2>Question 1</h2>" in third[0] and "Why?" in third[0] and "recall" not in third[0] and "So." in third[1]


@pytest.mark.parametrize(
    ("slide", "told"),
    [
        ({"two": ["shown"]}, "no chapter two"),
        ({"one": ["gone"]}, "one has no cell gone"),
        ({"one": ["words:3"]}, "words:3 is not there: the cell has 2 blocks"),
        ({"one": ["a cell"]}, "'a cell' is no entry"),
        ("question 2", "no question 2"),
        ("answer 2", "is no slide"),
    ],
)
def test_a_slide_of_what_is_not_there_is_refused(slide, told):
    with pytest.raises(sources.Unusable, match=re.escape(told)):
        decks.Deck({"one": chapter()}, {}).content([slide])


def test_a_chapter_that_was_not_executed_is_refused(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", id="a")])
    nbformat.write(notebook, tmp_path / "one.ipynb")
    with pytest.raises(sources.Unusable, match="no outputs: build the book first"):
        sources.chapter(tmp_path / "one.ipynb")


def test_the_key_has_every_exercise_with_its_solution():
    text = handouts.key({"one": chapter()})
    assert text.index("How many?") < text.index("Two.") and "draw()" not in text
