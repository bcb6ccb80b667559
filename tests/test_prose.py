"""The text of the book: a number that somebody measured is computed or substituted, never typed.

What looks measured is a number with decimals, with ±, with a unit, or with four digits and more. Such a number may be typed if

- the paper printed it (`PAPER`),
- it follows from constants of the package (`QUANTITIES`): when a constant changes, the test finds the old number,
- it stands in the head of a page, where a reader is told roughly how long it takes,
- or it is listed in `LISTED`, with the reason.
"""

import ast
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from sermodules import features
from sermodules.corpora import audio
from sermodules.evidence import claims, paper, statistics
from sermodules.features import functionals, pitch, spectrogram
from sermodules.folds import segments
from sermodules.models import reuse
from sermodules.models.baselines import cnn_lstm, dnn_elm

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"

# --- what may be typed

#: Phrases with numbers that may be typed, by the reason. Each must still be needed.
LISTED = {
    "what the paper says of gender": ("1% to 2%", "1 to 2 points", "1 or 2 points"),
    "what another paper or its code has, named beside it": (
        "pre-emphasis of 0.97",
        r"y_t = x_t - 0.97\,x_{t-1}",
        "5,000 minibatches",
        "slope 0.01",
        "Since Keras 2.10",
        "straight below 1 kHz",
        "bands below 1 kHz",
        "peak below 1 kHz",
        r"0.54 - 0.46 \cos",
        "2595",
        '"3 second chunks"',
        "between 0.9 and 1.1",
        "wav2vec 2.0",
        "79.58 % where the test speakers are also in training, and 73.01 % where",
    ),
    "a setting of ours that stands in the code": (
        "0.9, 0.95, 1, 1.05 and 1.1",
        "windows above 0.2",
        "β₁ = 0.9",
        "512 points; natural logarithm",
        "0.01 at every preset",
        "0.1 and 0.03 were no worse",
        "0.001 for ◻, 0.01 for ◻",
        "0.001 (ComParE) and 0.01 (eGeMAPS)",
        "A click sounds 80 ms",
        "17 cm and 14.5 cm",
        "guess 20,000 times",
        "20,000 guessers",
        "We invent 5,000 studies",
        "10,000 simulated studies",
        "Speakers scatter by 4 points",
        "1,000 invented studies, 91 speakers",
        "20 times at random",
        "1,000 empty, damaged, lying, huge or strange audio files",
        "true gain was 2 points",
        "all gain 3 points in truth",
    ),
    "how long a lesson or a talk is": (
        "a talk of 15 minutes",
        "Windows, 15 minutes",
        "15 minutes. That is all you have",
        "With 15 minutes of class",
    ),
    "counted from sizes that stand beside it": (
        "one row a step 150 × 5120",
        "one row of 5120 numbers",
        "128 + 128 = 5,888",
        "128 + 128 = 2,048",
        "begins 210 ms after",
        "long: 235 ms",
        "93/150 = 62 %",
        "linear layer: 19,864",
        "used at 3000 places",
        "8 × 8 = 64 times less",
        "1024 patterns",
        "◻ of 1024 are",
    ),
    "an exercise or a question: what is given, and what follows from it": (
        "a score of 100 % mean",
        "a difference of three points",
        "62 % of 20 is 12.4; the nearest possible values are 60 and 65 %",
        "13 of 20, 65 %. UAR: the mean of 0.8, 0.6, 0.25 and 1, that is 66.25 %",
        "falls by 5 points to 60 %, and the UAR by 25 points to 41.25 %",
        "0.25 + 2.5 + 0.75 = 3.5",
        "(0.6, 0.4), (0.6, 0.4) and (0.35, 0.65)",
        "0.6 against 0.65",
        "0.48 and 0.52. Mean: 0.517 against 0.483",
        "a UAR of 31 %",
        "that is 0.0625, for n = 6 it is 0.031",
        "with 0.01; [−0.8, 0.7] with 0.9; [−3, 9] with 0.3",
        "their mean is 37.5 %",
        "moved the UAR by 12.5 points",
        "At α = 0.9 the limit is 4000 / 0.9 Hz",
        "with probability 0.6",
        "1,010 Hz and a tone of 2,500 Hz that is 45 dB",
        "an embedding of 3000",
        "2 · 3000 numbers in the table, and 3000 · 64",
        "posteriors 0.6 for sad and 0.4 for neutral",
        r"0.6\, s / 0.5 < 0.4\,(1 - s) / 0.5",
        "s < 0.4",
        "true UAR is 60 %",
        "scatters by 5 points",
        "detects 4 points",
    ),
    "an example or a truth of arithmetic": (
        "From 60 % to 63 % are three points",
        "5.9 % in frequency",
        "A UAR of 60 % is bad",
        "A score of 62 % is good or bad",
        "nearly 6 %",
        "of four classes guessing gives 33 %",
        "recalls of 0, 0, 0 and 100 %",
        "So 100 % is not a goal",
        "10 dB is a factor of ten",
        "200 Hz and 300 Hz as clearly different, and hardly tells 7,200 from 7,300",
        "42 points at equal distances",
        "the five points best",
        "in 5 % of them",
        "good to about one per cent",
        r"\times 3600}",
        "so one utterance is 5 points",
    ),
    "a rough time, for planning; the page of versions and timings has what was measured": (
        "a minute or two",
        "about two minutes",
        "Ten minutes: see it work",
        "Half an hour: use real speech",
        "5 minutes. This page",
        "1 hour. ◻",
        "1 day. All chapters",
        "four sessions of 90 minutes",
        "between an hour and an hour and a half a session",
        "what fits into about a minute",
    ),
    "a size to prepare for": ("5 GB of disk", "(40 MB)"),
}

PHRASES = tuple(phrase for phrases in LISTED.values() for phrase in phrases)

_RATE = audio.SAMPLE_RATE
_FRAME, _HOP = 1000 * features.FRAME / _RATE, 1000 * features.FRAME_HOP / _RATE

#: Numbers with their units that are constants of the package, or follow from them.
QUANTITIES = {
    f"{number:g} {unit}"
    for number, unit in (
        (_FRAME, "ms"),
        (_HOP, "ms"),
        (2 * _HOP, "ms"),  # a step after the pooling
        (_FRAME + (dnn_elm.WINDOW - 1) * _HOP, "ms"),
        (1000 * spectrogram.WINDOW / _RATE, "ms"),
        (segments.FRAMES * features.FRAME_HOP / _RATE, "s"),
        (audio.MAX_SECONDS, "s"),
        (audio.MAX_SECONDS / 60, "minutes"),
        (_RATE / 1000, "kHz"),
        (features.F_MAX / 1000, "kHz"),
        (_RATE / features.N_FFT, "Hz"),
        (spectrogram.BINS * spectrogram.BIN / 1000, "kHz"),
        (pitch.FLOOR, "Hz"),
        (pitch.CEILING, "Hz"),
        (pitch.NEAR_CEILING, "Hz"),
        (-20 * np.log10(functionals.RMS), "dB"),
        (cnn_lstm.F_HI, "Hz"),
        (100 / len(paper.CLASSES), "%"),  # guessing
        (100 * statistics.LEVEL, "%"),
        (100 * claims.POWER, "%"),
        (statistics.ROPE, "point"),
        (reuse.PREVIOUS.limit / 2**30, "GiB"),
    )
} | {
    f"{number}"
    for number in (
        _RATE,
        paper.UTTERANCES.to_numpy().sum(),
        functionals.FEATURE_SETS["ComParE_2016"],
        statistics.ALPHA,
    )
}


# --- what the paper printed


def _paper():
    tables = [paper.TABLE1, paper.TABLE2[["uar", "sd"]].dropna(), paper.TABLE3, paper.TABLE4]
    values = [v for table in tables for v in table.select_dtypes("float").to_numpy().ravel()]
    values += [*paper.TABLE1_MEAN.values(), *paper.ACRNN.values()]
    values += [
        paper.TABLE1_MEAN["model2_uar"] - paper.TABLE1_MEAN["model1_uar"],
        paper.row_sums(paper.TABLE4)["neutral"],
    ]
    counts = paper.UTTERANCES.sum()
    return {f"{value:.2f}" for value in values} | {f"{100 * counts['neutral'] / counts.sum():.1f}", "61.7"}


PAPER = _paper()

# --- finding numbers

_EXTENSIONS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["parse"]["myst_enable_extensions"]
MARKDOWN = create_md_parser(MdParserConfig(enable_extensions=set(_EXTENSIONS)), RendererHTML)

#: Directives whose content is no prose.
CODE = ("bibliography", "code", "code-block", "code-cell", "eval-rst", "raw")

UNITS = (
    r"%|per cent|points?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?|ms|s|h|Hz|kHz|dB|times|[GM]i?B|gigabytes?"
)
DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)?"
WORDS = (
    "half an?|a quarter of an|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|"
    "fifty|sixty|ninety|a hundred|a thousand"
)
SPELLED = r"per cent|points?|seconds?|minutes?|hours?|days?|weeks?"
NUMBER = re.compile(
    rf"(?P<before>[=±]\s?)?(?<![\w.,/^-])(?P<number>{DIGITS})"
    rf"(?:\s?(?P<unit>{UNITS})(?!\w)|(?=\s?(?:±|–|to|and|or)\s?{DIGITS}\s?(?P<shared>{UNITS})(?!\w)))?"
)
WORD = re.compile(rf"\b(?P<number>{WORDS})\s(?P<unit>{SPELLED})\b", re.IGNORECASE)
YEAR = re.compile(r"(19|20)\d\d$")

#: Numbers that count nothing: sections of the paper, versions, licences.
NAMES = re.compile(
    r"sections? [\d.]+(?:(?:, | and )[\d.]+)*|Python \d\.\d+(?:(?:, | or )\d\.\d+)*|CC BY \d\.\d|\d+\.\d+\.\d+"
)

#: The head of a page, from here to the end of its paragraph.
HEAD = re.compile(r"^(You will be able to.*?)?It takes\b")
GAP = "◻"


def blocks(source):
    """Give the text of each paragraph, heading, cell and list item, with a gap for code, roles and substitutions."""
    for token in MARKDOWN.parse(source):
        if token.type == "inline":
            yield "".join(map(_text, token.children))
        elif token.type in ("math_block", "math_block_label", "amsmath"):
            yield token.content
        elif token.type in ("fence", "colon_fence"):
            name, _, title = token.info.strip().partition(" ")
            if name.startswith("{") and name.strip("{}") not in CODE:
                yield title
                yield from blocks(re.sub(r"^:[\w-]+:.*$", "", token.content, flags=re.MULTILINE))


def _text(token):
    if token.type in ("text", "math_inline", "image"):
        return token.content
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return GAP if token.content else ""


def measured(text):
    """Give the numbers that look measured: as they are typed, and as they stand in `PAPER` and `QUANTITIES`."""
    text = NAMES.sub(GAP, text)
    for match in NUMBER.finditer(text):
        before, number, unit = match["before"] or "", match["number"], match["unit"] or match["shared"]
        long = len(number) >= 4 and not YEAR.match(number)
        if number != "0" and ("±" in before or unit or "." in number or "," in number or long):
            plain = number.replace(",", "")
            yield match[0].strip(), f"{plain} {unit}" if unit else f"{before}{plain}"  # "= 0.05" is no constant
    for match in WORD.finditer(text):
        if not re.match(r"(an?|one) (seconds?|points?)$", match[0], re.IGNORECASE):
            yield match[0], match[0]


def typed(text, listed=None):
    """Return the numbers of a block that look measured and may not be typed."""
    if head := HEAD.match(text):
        text = text[: head.end()]
    for phrase in PHRASES if listed is None else listed:
        text = text.replace(phrase, GAP)
    return [found for found, known in measured(text) if known.split()[0] not in PAPER and known not in QUANTITIES]


def pages(folder):
    """Give the Markdown of the book: (where, text)."""
    for path in sorted(folder.glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted(folder.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            where = f"{path.name} [{cell.id}]"
            if cell.cell_type == "markdown":
                yield where, cell.source
            elif cell.cell_type == "code":
                yield from ((where, text) for text in said(cell.source))


def said(code):
    """Give the Markdown that a cell shows with `plots.say`: a gap stands where a value is put in."""
    if "plots.say(" not in code:
        return
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "plots.say":
            parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else node.args
            yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in parts)


def findings(folder):
    """Return a line for each block in which numbers were typed."""
    return [
        f"{where}: {', '.join(found)} in: {' '.join(text.split())}"
        for where, source in pages(folder)
        for text in blocks(source)
        if (found := typed(text))
    ]


# --- the tests


def test_no_measured_number_is_typed():
    found = findings(BOOK)
    assert not found, "\n".join(
        ["compute these numbers (`plots.say`), or put a phrase around each into LISTED, under the reason:", *found]
    )


def test_each_exception_is_still_needed():
    texts = [text for _, source in pages(BOOK) for text in blocks(source)]
    idle = [p for p in PHRASES if not any(p in t and typed(t, [q for q in PHRASES if q != p]) for t in texts)]
    assert not idle, "nothing in the book needs these exceptions any more: remove them"


@pytest.mark.parametrize(
    "source",
    [
        "The UAR is 73.1 %.",
        "The UAR is 73 %, far above chance.",
        "Model 2 gains 2.4 points.",
        "Model 2 gains 2 points.",
        "It gains between 3 and 5 points.",
        "It gains about two points.",
        "The mean is 73 ± 5.",
        "The interval is [−1.2, 3.4].",
        "With p = 0.042 it is found.",
        "With p = 0.05 it is found.",
        "With $p = 0.042$ it is found.",
        "$$\n\\bar d = 1.7\n$$",
        "A run took 37 seconds.",
        "The study took an hour.",
        "It ran 12 times faster.",
        "The network has 7,334,726 parameters.",
        "The network has 173436 parameters.",
        "## A gain of 2.4 points",
        "| model | UAR |\n| --- | --- |\n| ours | 73.1 |",
        "- a gain of 2.4 points",
        "term\n: a gain of 2.4 points",
        "A gain of **2.4** points, says {doc}`study`.",
        "See [the 2.4 points](study.md).",
        "![A gain of 2.4 points](figure.png)",
        ":::{admonition} Solution\n:class: dropdown\nIt gains 2.4 points.\n:::",
        ":::{admonition} A gain of 2.4 points\nWell.\n:::",
        "```{note}\nIt gains 2.4 points.\n```",
        "::::{grid} 1\n:::{grid-item-card} Fast\nIt took 37 seconds.\n:::\n::::",
        "**You will be able to** read.\n\nIt gains 2.4 points.",
        "In the paper 62.86 %, here 73.1 %.",
    ],
)
def test_typed_measurements_are_found(source):
    assert [found for text in blocks(source) for found in typed(text)], source


@pytest.mark.parametrize(
    "source",
    [
        "The UAR is ◻ %, with {{ our_gain }} points.",
        "Call `power(difference=2.4)`.",
        "```python\nassert uar == 73.1\n```",
        "{cite:t}`han2014` in section 2.2.1, Python 3.12, CC BY 4.0, version 0.9.0.",
        "Model 2 reaches 62.86 % in the paper, {cite}`chen2018` reports 64.74.",
        "Frames of 25 ms every 10 ms, segments of 3 s, 16 kHz, 16,000 samples a second.",
        "40 bands, 10 folds, 5 seeds, 300 frames, in 2008.",
        "Guessing gives 25 %, and the 95 % interval holds 0.05.",
        "**You will be able to** read. **You need** time. **It takes** about 15 minutes; the cells run in 12 seconds.",
        "[a link](https://example.org/1234/5.6)",
        "A second later.",
    ],
)
def test_definitions_and_computed_numbers_may_stand(source):
    assert not [found for text in blocks(source) for found in typed(text)], source


def test_a_constant_that_changes_is_found(monkeypatch):
    assert not typed("Frames of 25 ms.")
    monkeypatch.setattr(f"{__name__}.QUANTITIES", QUANTITIES - {"25 ms"} | {"20 ms"})
    assert typed("Frames of 25 ms.") == ["25 ms"]


def test_a_finding_names_page_and_cell(tmp_path):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("It gains 2.4 points."), nbformat.v4.new_code_cell("x = 2.4")]
    notebook.cells[0]["id"] = "gain-text"
    nbformat.write(notebook, str(tmp_path / "chapter.ipynb"))
    (tmp_path / "page.md").write_text("# Fine\n", encoding="utf-8")
    assert findings(tmp_path) == ["chapter.ipynb [gain-text]: 2.4 points in: It gains 2.4 points."]


def test_a_number_typed_into_a_computed_paragraph_is_found(tmp_path):
    notebook = nbformat.v4.new_notebook()
    source = 'plots.say(rf"""\nIt gains {gain:.1f} points, $\\alpha$ is {alpha}, and lost 2.4 points.\n""")'
    notebook.cells = [nbformat.v4.new_code_cell(source, id="gain-text")]
    nbformat.write(notebook, str(tmp_path / "chapter.ipynb"))
    assert findings(tmp_path) == [
        "chapter.ipynb [gain-text]: 2.4 points in: It gains ◻ points, \\alpha is ◻, and lost 2.4 points."
    ]
