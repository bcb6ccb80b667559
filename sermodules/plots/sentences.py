"""Sentences of a chapter that hold numbers which its cells computed."""

import re

# What begins a line that is not the continuation of the paragraph above it.
_BLOCK = re.compile(r"([-*>#|]|[-+*] |:::|```|!\[|<|\$\$|\s*$)")
_ITEM = re.compile(r"\d+[.)] ")


def say(text):
    """Show Markdown below the cell: a paragraph whose numbers were just computed.

    A chapter calls it in a cell that is folded, so that the reader of a page or of JupyterLab sees the paragraph alone.

    Parameters
    ----------
    text : str
        Markdown, mostly an f-string.

    Examples
    --------
    >>> from sermodules import plots
    >>> plots.say("The UAR is **50 %**.")
    <IPython.core.display.Markdown object>
    """
    from IPython.display import Markdown, display  # slow to import, and reports, which draw as well, do without it

    display(Markdown(one_line_a_paragraph(text.strip())))


def one_line_a_paragraph(text):
    r"""Put each paragraph and each item of a list into one line.

    Where a line ends says nothing in Markdown, but how one begins does: with "% " it is a comment of MyST, with "1. " an item
    of a list. A number may stand anywhere in a sentence, so no sentence is broken.

    Parameters
    ----------
    text : str
        Markdown. Tables, headings, fences and what is in them stay as they are.

    Returns
    -------
    str

    Examples
    --------
    >>> from sermodules.plots import sentences
    >>> sentences.one_line_a_paragraph("Model 1 spends 1\n% of it.\n\n- a\n- b,\n  c")
    'Model 1 spends 1 % of it.\n\n- a\n- b, c'
    """
    lines, fence, flows = [], None, False
    for line in text.splitlines():
        marker = re.match(r"\s*(:::+|```+|\$\$)", line)
        if fence or marker:
            lines.append(line)
            if fence is None:
                fence = None if line.strip().endswith("$$") and line.strip() != "$$" else marker[1]
            elif line.strip() == fence:
                fence = None
            flows = False
            continue
        listed = bool(lines) and bool(_ITEM.match(lines[-1]))
        if flows and not _BLOCK.match(line) and not (_ITEM.match(line) and listed):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
        flows = bool(line.strip()) and not re.match(r"\s*[#|<]", line)
    return "\n".join(lines)
