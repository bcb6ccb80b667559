"""Formulas as MathML, which browsers and readers of EPUB draw themselves."""

import html
import re
from xml.etree import ElementTree

from docutils.utils.math.latex2mathml import tex2mathml

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", _NAMESPACE)

#: LaTeX that docutils cannot turn into MathML, and what says the same to it.
MATHML = ((r"\\dots(?![a-zA-Z])", r"\\ldots"), (r"(\\\\)\[[^]]*\]", r"\1"))


def without_named_entities(markup):
    """Write the named characters of HTML that XML does not know as they are."""
    return re.sub(r"&(?!(?:lt|gt|amp|quot|apos);)\w+;", lambda match: html.unescape(match[0]), markup)


def mathml(tex, as_block=False):
    """Turn a formula, in LaTeX, into MathML; `docutils.utils.math.MathError` where that is not possible.

    Examples
    --------
    >>> "".join(mathml("n^2").split())
    '<mathxmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>n</mi><mn>2</mn></msup></math>'
    """
    for pattern, replacement in MATHML:
        tex = re.sub(pattern, replacement, tex)
    tree = ElementTree.fromstring(without_named_entities(tex2mathml(tex, as_block)))
    for subscript in tree.iter(f"{{{_NAMESPACE}}}msub"):
        if subscript[0].tag == f"{{{_NAMESPACE}}}munder":
            subscript.tag = subscript[0].tag  # what stands under a brace, not beside it
    return ElementTree.tostring(tree, encoding="unicode")
