"""How numbers are written in a report. What is not there is a dash."""

import pandas as pd

#: Stands where there is no number.
NONE = "–"


def _number(value, form):
    return NONE if pd.isna(value) else format(value, form)


def percent(value):
    """Write a percentage, or points, without the unit: "59.43"."""
    return _number(value, ".2f")


def signed(value):
    """Write a difference in points: "+3.43"."""
    return _number(value, "+.2f")


def p_value(value):
    """Write a p-value: "0.137"."""
    return _number(value, ".3f")


def whole(value):
    """Write a large number: "1,234,567"."""
    return _number(value, ",.0f")


def interval(low, high):
    """Write an interval: "-1.32 to 8.19"."""
    return NONE if pd.isna(low) else f"{low:.2f} to {high:.2f}"


def mean_and_sd(mean, sd):
    """Write a mean with its SD, if there is one: "59.43 ± 11.57"."""
    return percent(mean) if pd.isna(sd) else f"{percent(mean)} ± {sd:.2f}"


def span(numbers):
    """Write the least and the most: "3", or "1 to 3"."""
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def plural(noun, several):
    """Write a noun, with an s if there are several."""
    return f"{noun}s" if several else noun


def counted(numbers, noun):
    """Write the span of some counts with what is counted: "1 fold", "1 to 3 seeds"."""
    text = span(numbers)
    return f"{text} {plural(noun, text != '1')}"


def ranges(numbers):
    """Write whole numbers as in "1, 3–5"."""
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}–{high}" for low, high in parts)
