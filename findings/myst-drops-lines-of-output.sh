#!/usr/bin/env bash
# MyST-NB: a line of a cell's Markdown output that begins with a percent sign is gone from the page. JupyterLab shows it.
#
# MyST takes "% " at the beginning of a line for a comment, in the middle of a paragraph too. A sentence with a number, broken
# before its "%", loses the line: "The network spends 1" and "% of its attention there". CommonMark, and so JupyterLab, keeps it.
# Versions: myst-parser 3.0.1, markdown-it-py 3.0.0, docutils 0.21.2
# Guess: Where the lines of a paragraph break changes nothing.
# Seen:
#   CommonMark: It spends 1 % of its attention on the padding.
#   MyST: It spends 1 / on the padding.
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" myst-parser==3.0.1 markdown-it-py==3.0.0 docutils==0.21.2
cd "$folder"
env/bin/python - <<'PYTHON'
import re

from docutils.core import publish_doctree
from markdown_it import MarkdownIt
from myst_parser.docutils_ import Parser

text = "It spends 1\n% of its attention\non the padding."
plain = " ".join(re.sub("<[^>]+>", "", MarkdownIt("commonmark").render(text)).split())
tree = publish_doctree(text, parser=Parser(), settings_overrides={"report_level": 5})
page = " / ".join(" ".join(node.astext().split()) for node in tree.children if node.tagname == "paragraph")
print("CommonMark:", plain)
print("MyST:", page)
assert plain == "It spends 1 % of its attention on the padding."
assert "attention" not in page and "spends 1" in page
PYTHON
