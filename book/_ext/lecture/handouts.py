"""What is printed for a session: a handout of two pages, and for the teacher all exercises with their solutions."""

import html
import importlib.resources
import re

from lecture import render
from lecture.decks import ENTRY, QUESTION, exercise_number, without_brackets

#: The heading of a chapter's last bullets.
TAKE_AWAY = "Take away"


def handout(session, content, chapters, questions):
    """Return the handout of a session as HTML: goals, what to remember, formulas, and room for what is done in class.

    Parameters
    ----------
    session : Session
    content : list of list
        The slides for each row of its plan, as in `slides.yaml`.
    chapters, questions
        As `decks.Deck` takes them.
    """
    slides = [slide for row in content for slide in row]
    used = list(dict.fromkeys(name for slide in slides if isinstance(slide, dict) for name in slide))
    reminders = [(chapters[name].title, "".join(_take_away(chapters[name]))) for name in used]
    parts = [
        f"<h1>{session.title}</h1><div class='question'>{session.question}</div>",
        f"<p><b>Goals.</b> {render.page(session.goals)}</p>",
        "<h2>To remember</h2>",
        *(f"<h3>{html.escape(title)}</h3>{text}" for title, text in reminders if text),
        *_formulas(slides, chapters),
        "<h2>In class</h2>",
        *_tasks(slides, chapters, questions),
        f"<p><b>Homework.</b> {render.page(session.homework)}</p>",
    ]
    return _page(session.title, "\n".join(parts), "handout")


def key(chapters):
    """Return all exercises of all chapters with their solutions, as HTML."""
    parts = ["<h1>Exercises with solutions</h1>"]
    for chapter in chapters.values():
        parts.append(f"<h2>{html.escape(chapter.title)} <small>({chapter.name})</small></h2>")
        for _, text, cells in chapter.exercises():
            solved = "".join(render.markdown(cell.text) if cell.text else render.outputs(cell) for cell in cells)
            parts.append(f"<article>{render.markdown(text)}<div class='solution'>{solved}</div></article>")
    return _page("Exercises with solutions", "\n".join(parts), "key")


def _take_away(chapter):
    for cell in chapter.cells.values():
        for heading, block in cell.titled():
            if heading == TAKE_AWAY:
                yield render.markdown(block)


def _entries(slides, chapters):
    """Yield chapter, cell and part of each entry."""
    for slide in slides:
        for name, entries in slide.items() if isinstance(slide, dict) else ():
            for entry in entries:
                match = ENTRY.fullmatch(entry)
                yield chapters[name], chapters[name].cell(match["cell"]), match["part"]


def _formulas(slides, chapters):
    """Return the formulas of the slides, each only once."""
    found = {}
    for _, cell, part in _entries(slides, chapters):
        text = cell.part(part) if part else cell.text
        for block in re.findall(r"\$\$.*?\$\$", text, flags=re.DOTALL):
            found[block] = cell.heading(part)
    if found:
        yield "<h2>Formulas</h2>"
    for block, heading in found.items():
        yield f"<div class='formula'><span>{html.escape(heading)}</span>{render.markdown(block)}</div>"


def _tasks(slides, chapters, questions):
    """Return questions and exercises in the order of the lesson, with room to write."""
    for slide in slides:
        if isinstance(slide, str):
            number = int(QUESTION.fullmatch(slide)[1])
            yield _task(f"<b>Question {number}.</b> {render.page(without_brackets(questions[number][0]))}")
        else:
            for chapter, cell, part in _entries([slide], chapters):
                if exercise_number(cell, part):
                    text = render.markdown(cell.part(part) if part else "\n\n".join(cell.blocks))
                    yield _task(text.replace("<p>", f"<p>{chapter.name} ", 1))


def _task(text):
    return f"<div class='task'>{text}<div class='lines'></div></div>"


def _page(title, body, kind):
    style = importlib.resources.files("lecture").joinpath("print.css").read_text(encoding="utf-8")
    return _PAGE.format(title=html.escape(title), style=style, kind=kind, body=body)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body class="{kind}">
{body}
</body>
</html>
"""
