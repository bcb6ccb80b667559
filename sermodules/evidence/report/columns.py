"""Columns that say how they are printed, and the Markdown that they give."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from sermodules.evidence.report.wording import percent


@dataclass(frozen=True)
class Column:
    """A printed column.

    Attributes
    ----------
    title : str
        What stands above it.
    fields : tuple of str
        The columns of the data frame that it shows.
    form : callable
        Writes their values of one row as one text.
    align : str
        ``"right"``, as numbers are, or ``"left"``, as words are.
    """

    title: str
    fields: tuple
    form: Callable = str
    align: str = "right"

    def texts(self, frame):
        """Return the text of each row."""
        return [self.form(*values) for values in zip(*(frame[name] for name in self.fields), strict=True)]


@dataclass(frozen=True)
class Table:
    """A table of the report: `frame` as in its CSV, and how its columns are printed, if it is printed as a whole.

    `has_mean` says that the last row is the mean of those above.
    """

    frame: pd.DataFrame
    columns: tuple = ()
    has_mean: bool = False


def in_percent(title):
    """Name a column of a data frame that holds percentages. Its printed title has no unit: the caption gives it."""
    return f"{title} (%)"


def percent_column(title):
    """Return a printed column of percentages."""
    return Column(title, (in_percent(title),), percent)


def text_column(title):
    """Return a printed column of texts, to the left."""
    return Column(title, (title,), align="left")


def count_column(title):
    """Return a printed column of counts."""
    return Column(title, (title,))


def printed(frame, columns):
    """Return the texts of a table."""
    return pd.DataFrame({column.title: column.texts(frame) for column in columns})


def markdown(texts, columns):
    """Write the texts of a table as Markdown."""
    texts = texts.map(lambda text: text.replace("|", "\\|"))
    texts.columns = [title.replace("|", "\\|") for title in texts.columns]
    return texts.to_markdown(index=False, disable_numparse=True, colalign=[column.align for column in columns])


def whole(table):
    """Write a `Table` as Markdown, all of its rows as they are printed; a mean is bold."""
    texts = printed(table.frame, table.columns)
    if table.has_mean:
        texts.iloc[-1] = [f"**{text}**" if text else text for text in texts.iloc[-1]]
    return markdown(texts, table.columns)
