"""Sentences of a chapter that hold numbers which its cells computed."""


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

    display(Markdown(text.strip()))
