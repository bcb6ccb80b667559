r"""The tables of a report as LaTeX, a file each, for ``\input`` into a paper."""

import re

#: What means something to LaTeX, and what prints it.
_ESCAPES = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "\n": " ",
        "±": r"$\pm$",
        "–": r"\textendash{}",
    }
)

_FILE = r"""% Table "{name}" of the study {study}, by `sermodules study report`.
% It needs \usepackage{{booktabs, adjustbox}}. Names beyond Latin letters need xelatex or lualatex.
\begin{{table}}
  \centering
  \caption{{{caption}}}
  \label{{tab:{name}}}
  \begin{{adjustbox}}{{max width=\linewidth, max totalheight=0.8\textheight}}
    \begin{{tabular}}{{{aligned}}}
      \toprule
      {head}
      \midrule
{body}
      \bottomrule
    \end{{tabular}}
  \end{{adjustbox}}
\end{{table}}
"""


def escaped(text):
    r"""Write a text so that LaTeX prints it as it stands.

    Examples
    --------
    >>> from sermodules.evidence.report import latex
    >>> print(latex.escaped("50 % of a_b"))
    50 \% of a\_b
    """
    return str(text).translate(_ESCAPES)


def table(name, study, caption, texts, columns, has_mean=False):
    """Write a table as LaTeX.

    Parameters
    ----------
    name : str
        Of the file; also its label, after ``tab:``.
    study : str
    caption : str
        Markdown with no other marks than those of code and of strong words.
    texts : pandas.DataFrame
        What `columns.printed` returns.
    columns : tuple of Column
    has_mean : bool
        Whether the last row is a mean over those above, which is bold.

    Returns
    -------
    str
    """
    rows = [_row(map(_cell, texts, ["left"] * len(columns)))]
    cells = [[*map(_cell, row, [column.align for column in columns])] for row in texts.itertuples(index=False)]
    if has_mean:
        cells[-1] = [rf"\textbf{{{cell}}}" if cell else cell for cell in cells[-1]]
    rows += map(_row, cells)
    if has_mean:
        rows.insert(-1, r"\midrule")
    return _FILE.format(
        name=name,
        study=" ".join(study.split()),
        caption=_caption(caption),
        aligned="".join(column.align[0] for column in columns),
        head=rows[0],
        body="\n".join(f"      {row}" for row in rows[1:]),
    )


def _row(cells):
    return " & ".join(cells) + r" \\"


def _cell(text, align):
    text = escaped(text)
    if align == "right":
        text = re.sub(r"(?<![\w.])-(?=\d)", "$-$", text)
    return "{}" + text if text.startswith(("[", "*")) else text  # else the end of the row above would take it


def _caption(text):
    """Turn the two marks of a caption into LaTeX: names in backticks, and strong words."""
    parts = re.split(r"`([^`]*)`", text.replace("**", ""))
    return "".join(rf"\texttt{{{escaped(part)}}}" if number % 2 else escaped(part) for number, part in enumerate(parts))
