"""What lectures are made of: the executed chapters, and the plan of the sessions on the page for instructors.

Nothing here has a text or a number of its own. A chapter is read as the book offers it for download, with its outputs.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup

#: A selector behind the id of a cell: one block of its text or several, of a single block also one sentence or several.
_SELECTOR = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?(?:\.(?P<sentence>\d+)(?:-(?P<until>\d+))?)?")
_EXERCISE = re.compile(r"\*\*(\d)\.")


class Unusable(Exception):
    """A deck asks for what is not there; the message names the deck's entry."""


@dataclass(frozen=True)
class Cell:
    """A cell of a chapter.

    `before` is the heading under which it begins, `text` its Markdown (of code what it says, perhaps nothing).
    """

    id: str
    before: str
    text: str
    source: str = ""
    outputs: tuple = ()
    is_solution: bool = False

    def titled(self):
        """Return the text cut at blank lines: of each block its heading and itself. Headings are no blocks."""
        heading, found = self.before, []
        for block in re.split(r"\n[ \t]*\n", self.text):
            if match := re.fullmatch(r"#+ (.*)", block.strip()):
                heading = match[1]
            elif block.strip():
                found.append((heading, block.strip()))
        return found

    @property
    def blocks(self):
        """The text cut at blank lines, without headings."""
        return [block for _, block in self.titled()]

    @property
    def after(self):
        """The heading under which the next cell begins."""
        headings = [] if self.source else re.findall(r"^#+ (.*)$", self.text, flags=re.MULTILINE)
        return headings[-1] if headings else self.before

    def heading(self, selector):
        """Return the heading above the part that a selector names, or above the cell's first block."""
        first = int(re.match(r"\d+", selector)[0]) - 1 if selector else 0
        titled = self.titled()
        return titled[first][0] if len(titled) > first else self.before

    def part(self, selector):
        """Return the blocks or sentences that a selector such as ``2``, ``1-3`` or ``1.2`` names."""
        match = _SELECTOR.fullmatch(selector)
        if not match:
            raise Unusable(f"{self.id}:{selector} is no block (1), blocks (1-3), sentence (1.2) or sentences (1.2-3)")
        first = int(match["first"])
        chosen = self.blocks[first - 1 : int(match["last"] or first)]
        if match["sentence"] and chosen:
            emphasis = "*" if re.fullmatch(r"\*[^*].*[^*]\*", chosen[0], flags=re.DOTALL) else ""
            sentences = re.split(r"(?<=[.!?:])\s+(?=[^a-z])", chosen[0].removeprefix(emphasis).removesuffix(emphasis))
            start = int(match["sentence"])
            said = " ".join(sentences[start - 1 : int(match["until"] or start)])
            chosen = [f"{emphasis}{said}{emphasis}" if said else ""]
        if not any(chosen):
            raise Unusable(f"{self.id}:{selector} is not there: the cell has {len(self.blocks)} blocks")
        return "\n\n".join(chosen)


@dataclass(frozen=True)
class Chapter:
    """A chapter: its name, its title, and its cells in their order."""

    name: str
    title: str
    cells: dict = field(repr=False)

    def cell(self, name):
        """Return a cell by its id."""
        if name not in self.cells:
            raise Unusable(f"{self.name} has no cell {name}")
        return self.cells[name]

    def exercises(self):
        """Yield of each exercise its number, its text, and the cells of its solution."""
        cells = list(self.cells.values())
        for number, cell in enumerate(cells):
            for block in cell.blocks:
                if (match := _EXERCISE.match(block)) and not cell.is_solution:
                    tail = cell.text[cell.text.index(block) :]
                    rest = [later for later in cells[number + 1 :]]
                    ends = next((n for n, later in enumerate(rest) if not later.is_solution), len(rest))
                    yield int(match[1]), tail, rest[:ends]


def chapter(path):
    """Read an executed chapter.

    Parameters
    ----------
    path : path

    Returns
    -------
    Chapter

    Raises
    ------
    Unusable
        If no cell has an output: then it was not executed.
    """
    notebook = nbformat.read(path, as_version=4)
    cells, heading, title = {}, "", ""
    for cell in notebook.cells:
        is_code, tags = cell.cell_type == "code", cell.metadata.get("tags", [])
        outputs = tuple(cell.get("outputs", ()))
        said = [output["data"]["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
        text = "\n\n".join(said) if is_code else cell.source
        made = Cell(cell.id, heading, text, cell.source if is_code else "", outputs, "solution" in tags)
        cells[cell.id], heading = made, made.after
        title = title or next(iter(re.findall(r"^# (.*)$", made.text, flags=re.MULTILINE)), "")
    if not any(cell.outputs for cell in cells.values()):
        raise Unusable(f"{path} has no outputs: build the book first, with `make book`")
    cells.pop("about-this-copy", None)
    return Chapter(Path(path).stem, title, cells)


@dataclass(frozen=True)
class Session:
    """A session of the course, as the page for instructors has it. All texts are HTML."""

    number: int
    title: str
    question: str
    reading: str
    goals: str
    plan: tuple
    misconceptions: tuple
    homework: str


def instructors(path):
    """Read the built page for instructors.

    Parameters
    ----------
    path : path

    Returns
    -------
    tuple of (list of Session, dict of int to tuple of (str, str))
        The sessions, and of each question of the bank its text and its answer, as HTML.
    """
    page = BeautifulSoup(Path(path).read_text(encoding="utf-8"), "html.parser").find("article")
    for link in page.select("a.headerlink"):
        link.decompose()
    for link in page.select("a.reference"):
        link.unwrap()  # a deck stands alone
    glance = [[_inner(cell) for cell in row.find_all("td")] for row in page.find("table").select("tbody tr")]
    sections = {}
    for section in page.find_all("section"):
        if match := re.match(r"Session (\d)", section.find(["h2", "h3"]).get_text()):
            sections[int(match[1])] = section
    sessions = [_session(number, sections[number], glance[number - 1]) for number in sorted(sections)]
    return sessions, _questions(page)


def _session(number, section, glance):
    rows = [[_inner(cell) for cell in row.find_all("td")] for row in section.find("table").select("tbody tr")]
    told = {
        paragraph.find("strong").get_text().rstrip("."): paragraph
        for paragraph in section.find_all("p")
        if _leads(paragraph)
    }
    points = section.find_all("ul")[-1].find_all("li", recursive=False)
    return Session(
        number=number,
        title=section.find("h2").get_text().strip(),
        question=glance[1],
        reading=glance[2],
        goals=_after_lead(told["Goals"]),
        plan=tuple((minutes, *_lead(what)) for minutes, what in rows),
        misconceptions=tuple(_misconception(point) for point in points),
        homework=_after_lead(told["Homework"]),
    )


def _leads(paragraph):
    """Tell whether a paragraph begins with a strong word."""
    first = next((child for child in paragraph.children if str(child).strip()), None)
    return getattr(first, "name", None) == "strong"


def _after_lead(paragraph):
    return _lead(_inner(paragraph))[1]


def _lead(markup):
    """Divide what begins with a strong word into this and the rest."""
    match = re.match(r"\s*(?:<p>)?<strong>(.*?)\.?</strong>(.*?)(?:</p>)?\s*$", markup, flags=re.DOTALL)
    return (match[1], match[2].strip()) if match else ("", markup)


def _misconception(point):
    """Divide a point into the claim, which is emphasised, and what to say to it."""
    claim = point.find("em")
    text = _inner(claim)
    claim.decompose()
    return text.strip('"“”'), _inner(point)


def _questions(page):
    """Return question and answer of each number of the question bank."""
    found = {}
    for answer in page.select("div.admonition"):
        asked = answer.find_previous_sibling("p")
        number = re.match(r"(\d+)\.", asked.get_text())
        for title in answer.select("p.admonition-title"):
            title.decompose()
        found[int(number[1])] = (_inner(asked), _inner(answer))
    return found


def _inner(element):
    return element.decode_contents().strip()
