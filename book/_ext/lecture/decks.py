"""Slides: which cells of which chapter stand on them, and how a deck becomes one file that asks for nothing else.

`slides.yaml` beside the chapters lists the decks. An entry of a slide is the id of a cell, perhaps with a part of its text
(``waveform-caption:1``, ``goals:1.2``: see `Cell.part`), or with the word ``code`` behind it to show the source too. A cell of
code shows what it showed. The heading of a slide is that of its first cell in the chapter. What the chapter says between this
slide and the next goes into the speaker notes. A session's deck follows its plan, one list of slides for each of its rows.
"""

import html
import importlib.resources
import re

import yaml
from lecture import render
from lecture.sources import Unusable

#: The package that ships reveal.js, and which of its files a deck needs.
REVEAL = "sphinx_revealjs"
SCRIPTS = ("dist/reveal.js", "plugin/notes/notes.js")
STYLES = ("dist/reset.css", "dist/reveal.css")

ENTRY = re.compile(r"(?P<cell>[\w-]+)(?::(?P<part>[\d.-]+))?(?P<code> code)?")
QUESTION = re.compile(r"question (\d+)")


class Deck:
    """Slides in the making.

    Parameters
    ----------
    chapters : dict of str to Chapter
    questions : dict of int to tuple of (str, str)
        From `sources.instructors`.
    """

    def __init__(self, chapters, questions):
        self.chapters, self.questions, self.slides = chapters, questions, []

    def title(self, heading, question, notes=""):
        """Add the first slide."""
        self._add(f"<h1>{heading}</h1><div class='question'>{question}</div>", notes, kind="title")

    def plain(self, heading, text):
        """Add a slide with a text."""
        self._add(f"<h2>{heading}</h2><div class='asked'>{text}</div>", "")

    def row(self, minutes, what, notes):
        """Add the slide with which a row of a plan begins."""
        self._add(f"<p class='minutes'>{minutes}</p><h1>{what}</h1>", notes, kind="row")

    def claim(self, claim, answer):
        """Add what is often believed; the answer appears at a key press, and stands in the notes."""
        shown = f"<h2>True or false?</h2><p class='claim'>“{claim}”</p><div class='fragment answer'>{answer}</div>"
        self._add(shown, answer)

    def question(self, number):
        """Add a question of the bank; its answer stands in the notes."""
        if number not in self.questions:
            raise Unusable(f"there is no question {number}")
        text, answer = self.questions[number]
        asked = render.page(without_brackets(text))
        self._add(f"<h2>Question {number}</h2><div class='asked'>{asked}</div>", render.page(answer))

    def content(self, content):
        """Add the slides of a list, each either ``question N`` or ``{chapter: [entries]}``."""
        slides = [self._parsed(slide) for slide in content]
        for number, slide in enumerate(slides):
            if isinstance(slide, int):
                self.question(slide)
            else:
                following = next((other for other in slides[number + 1 :] if not isinstance(other, int)), None)
                self._of_a_chapter(*slide, following)

    def _parsed(self, slide):
        if isinstance(slide, str) and (match := QUESTION.fullmatch(slide)):
            return int(match[1])
        if not (isinstance(slide, dict) and len(slide) == 1):
            raise Unusable(f"{slide!r} is no slide: write {{chapter: [cell, cell]}} or question N")
        [(name, entries)] = slide.items()
        if name not in self.chapters:
            raise Unusable(f"there is no chapter {name}")
        chapter, found = self.chapters[name], []
        for entry in entries:
            if not (match := ENTRY.fullmatch(entry)):
                raise Unusable(f"{name}: {entry!r} is no entry: write a cell, a cell:1 or a cell code")
            found.append((chapter.cell(match["cell"]), match["part"], bool(match["code"])))
        return chapter, found

    def _of_a_chapter(self, chapter, entries, following):
        first, part, _ = entries[0]
        number = exercise_number(first, part)
        heading = f"Exercise {chapter.name} {number}" if number else first.heading(part)
        shown = [_shown(*entry) for entry in entries]
        body = f"<h2>{render.markdown(heading).strip().removeprefix('<p>').removesuffix('</p>')}</h2>{''.join(shown)}"
        notes = _solution(chapter, number) if number else self._notes(chapter, entries, following)
        self._add(f"{body}<p class='from'>{html.escape(chapter.title)}</p>", notes)

    def _notes(self, chapter, entries, following):
        """Return what the chapter says from the first cell of a slide to the first one of the next, or to the next heading."""
        cells = list(chapter.cells.values())
        ids = [cell.id for cell in cells]
        start, last = ids.index(entries[0][0].id), max(ids.index(cell.id) for cell, _, _ in entries)
        heading = entries[0][0].heading(entries[0][1])
        end = len(cells)
        if following and following[0] is chapter and (later := ids.index(following[1][0][0].id)) > last:
            end = later
        texts = []
        for number, cell in enumerate(cells[start:end], start):
            if cell.is_solution or (number > last and cell.before != heading):
                break
            texts += [block for above, block in cell.titled() if above == heading or number < last]
        return render.markdown("\n\n".join(texts))

    def _add(self, body, notes, kind=""):
        sheet = f"<div class='sheet'>{body}</div>"
        self.slides.append(f"<section class='{kind}'>{sheet}<aside class='notes'>{notes}</aside></section>")

    def page(self, title):
        """Return the deck as HTML that needs nothing else."""
        return _PAGE.format(
            title=html.escape(title),
            styles="\n".join([*(_reveal(name) for name in STYLES), _own("slides.css")]),
            slides="\n".join(self.slides),
            scripts="\n".join(f"<script>{_reveal(name)}</script>" for name in SCRIPTS),
            start=_own("slides.js"),
        )


def _shown(cell, part, with_source):
    if part:
        return render.markdown(cell.part(part))
    if cell.source and not (said := cell.text):
        shown = render.outputs(cell)
        return render.source(cell) + shown if with_source else shown
    return render.markdown("\n\n".join(cell.blocks if not cell.source else [said]))


def exercise_number(cell, part):
    """Return the number of the exercise that a slide shows, or 0."""
    text = cell.part(part) if part else "\n\n".join(cell.blocks)
    match = re.match(r"\*\*(\d)\.", text)
    return int(match[1]) if match else 0


def without_brackets(question):
    """Return a question of the bank without its number and what stands in brackets behind it."""
    return re.sub(r"^<strong>\d+\.</strong>\s*\([^)]*\)\s*", "", question)


def _solution(chapter, number):
    """Return the solution of an exercise, in words and outputs."""
    [cells] = [cells for found, _, cells in chapter.exercises() if found == number]
    parts = [render.markdown(cell.text) if cell.text else render.outputs(cell) for cell in cells]
    return "".join(parts)


def _reveal(name):
    """Return a file of reveal.js."""
    place = importlib.resources.files(REVEAL) / "_static" / "revealjs" / name
    return place.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _own(name):
    return importlib.resources.files("lecture").joinpath(name).read_text(encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{styles}
</style>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
{scripts}
<script>
{start}
</script>
</body>
</html>
"""


def read(path):
    """Read the list of decks."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def of_a_session(session, content, chapters, questions):
    """Make the deck of a session; `content` has a list of slides for each row of its plan.

    Raises
    ------
    Unusable
        If it has another number of rows, or names what is not there.
    """
    if len(content) != len(session.plan):
        raise Unusable(
            f"session {session.number} has {len(content)} lists of slides, but its plan has {len(session.plan)} rows"
        )
    deck = Deck(chapters, questions)
    deck.title(session.title, session.question, f"<p>To be read before: {session.reading}</p>")
    deck.plain("Goals", render.page(session.goals))
    rows = "".join(f"<tr><td>{_flat(minutes)}</td><td>{what}</td></tr>" for minutes, what, _ in session.plan)
    deck.plain("The plan", f"<table>{rows}</table>")
    for (minutes, what, notes), slides in zip(session.plan, content, strict=True):
        deck.row(minutes, what, render.page(notes))
        deck.content(slides)
    for claim, answer in session.misconceptions:
        deck.claim(render.page(claim), render.page(answer))
    deck.plain("Homework", render.page(session.homework))
    return deck


def of_a_talk(title, content, chapters, questions):
    """Make the deck of a talk: it begins with the paper's question, as the first chapter puts it."""
    deck = Deck(chapters, questions)
    begins = next(iter(chapters["paper"].cells.values()))
    deck.title(html.escape(title), render.markdown(begins.part("2.1")), render.markdown(begins.part("2")))
    deck.content(content)
    return deck


def _flat(markup):
    return re.sub(r"</?p>", "", markup)
