"""Texts and outputs of a chapter as HTML that needs nothing else: formulas are MathML, pictures and sounds lie in it."""

import html
import re

from markdown_it import MarkdownIt
from mathml import mathml
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

_MATH = re.compile(r'<(span|div) class="math[^"]*">\s*\\[(\[](.*?)\\[)\]]\s*</\1>', re.DOTALL)


def _formula(tex, block):
    return f'<div class="math">{mathml(tex, True)}</div>' if block else mathml(tex)


def _parser():
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.use(dollarmath_plugin, renderer=lambda tex, options: _formula(tex, options["display_mode"]))
    parser.use(amsmath_plugin, renderer=lambda tex: _formula(tex, block=True))
    return parser


_PARSER = _parser()


def markdown(text):
    """Return Markdown as HTML. A link to another page of the book becomes its words: a deck stands alone."""
    text = re.sub(r"(?<!!)\[([^]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    return _PARSER.render(text)


def page(markup):
    """Return HTML of a built page with its formulas as MathML."""
    return _MATH.sub(lambda found: _formula(html.unescape(found[2]), found[1] == "div"), markup)


def outputs(cell):
    """Return what a cell of code showed: pictures, tables, sounds and printed lines, one after the other."""
    return "\n".join(part for output in cell.outputs if (part := _output(output)))


def _output(output):
    if output["output_type"] == "stream":
        return f"<pre>{html.escape(output['text'].rstrip())}</pre>" if output["name"] == "stdout" else ""
    data, about = output.get("data", {}), output.get("metadata", {})
    if "image/png" in data:
        alt = html.escape(about.get("image/png", {}).get("alt", ""), quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"].replace(chr(10), "")}">'
    if "text/html" in data:
        return re.sub(r"<style scoped>.*?</style>", "", data["text/html"], flags=re.DOTALL)
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    return f"<pre>{html.escape(data['text/plain'])}</pre>" if "text/plain" in data else ""


def source(cell):
    """Return the source of a cell of code."""
    return f'<pre class="code">{html.escape(cell.source)}</pre>'
