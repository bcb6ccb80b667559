"""Paragraphs with numbers: no number may become a comment or a list because a line begins with it."""

import pytest

from sermodules.plots.sentences import one_line_a_paragraph


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("spends 1\n% of it", "spends 1 % of it"),
        ("Seeds:\n1. Then", "Seeds: 1. Then"),
        ("a\nb\n\nc\nd", "a b\n\nc d"),
        ("Two:\n- a\n  b\n- c\nd", "Two:\n- a b\n- c d"),
        ("Three:\n\n1. a\nb\n2. c", "Three:\n\n1. a b\n2. c"),
        ("| a | b |\n| - | - |\n| 1 | 2 |", "| a | b |\n| - | - |\n| 1 | 2 |"),
        ("text\n```\nx\n% y\n```\nmore\nof it", "text\n```\nx\n% y\n```\nmore of it"),
        (":::{note}\na\n% b\n:::\nc", ":::{note}\na\n% b\n:::\nc"),
        ("**bold\ntext**\n**again**", "**bold text**\n**again**"),
        ("$$\na\n$$\nb", "$$\na\n$$\nb"),
        ("$$a$$\nb\nc", "$$a$$\nb c"),
        ("# Head\ntext", "# Head\ntext"),
    ],
)
def test_each_paragraph_is_one_line(text, shown):
    assert one_line_a_paragraph(text) == shown
