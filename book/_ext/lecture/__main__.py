"""``python -m lecture BUILT TARGET``, in the folder `book/_ext`: slides and handouts of the course, from the built book.

BUILT is the folder of the pages (`_build/html`): the chapters that it offers for download hold their outputs. TARGET gets a
deck and a handout for each session, the deck of the talk, and the key to the exercises.
"""

import sys
from pathlib import Path

import yaml
from lecture import decks, handouts, sources

ROOT = Path(__file__).resolve().parents[3]


def main(built, target):
    """Write the files, and say where they are."""
    built, target = Path(built), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    paths = sorted((built / "_sources" / "book").glob("*.ipynb"))
    chapters = {path.stem: sources.chapter(path) for path in paths}
    sessions, questions = sources.instructors(built / "book" / "instructors.html")
    listed = decks.read(ROOT / "book" / "slides.yaml")
    made = {"exercises-with-solutions": handouts.key(chapters)}
    for session, content in zip(sessions, listed["sessions"], strict=True):
        deck = decks.of_a_session(session, content, chapters, questions)
        made[f"session-{session.number}"] = deck.page(session.title)
        made[f"handout-{session.number}"] = handouts.handout(session, content, chapters, questions)
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    made["talk"] = decks.of_a_talk(title, listed["talk"], chapters, questions).page(title)
    for name, text in made.items():
        (target / f"{name}.html").write_text(text, encoding="utf-8")
    print(f"{len(made)} files are in {target}: open session-1.html; S shows the speaker notes")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except sources.Unusable as error:
        sys.exit(f"Error: {error}")
