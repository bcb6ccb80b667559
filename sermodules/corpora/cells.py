"""What a cell of a user's own table may say: a time, a channel, a gender; and when two spellings are one name."""

import math
import re
import unicodedata

#: How tables write that a number is not given, in lower case: Python, pandas, audformat, R and SQL.
EMPTY = frozenset({"", "nan", "nat", "none", "null", "na", "n/a", "<na>"})
#: Spellings of the genders, in lower case.
GENDERS = {
    **dict.fromkeys(("f", "female", "w", "woman"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
    **dict.fromkeys(("other", "nonbinary", "non-binary"), "other"),
    **dict.fromkeys(("u", "unknown", *EMPTY), "unknown"),
}
#: Seconds of a unit of time, by its spellings in lower case.
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(
        ("us", "\N{GREEK SMALL LETTER MU}s", "microsecond", "microseconds"), 1e-6
    ),  # NFKC makes the micro sign a mu
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
}

_DECIMAL = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_NUMBER = re.compile(rf"[+-]?{_DECIMAL}(?:e[+-]?[0-9]+)?")
_CLOCK = re.compile(
    r"(?P<minus>-?)(?:(?P<days>[0-9]{1,6}) ?days?,?(?: |$))?\+?"
    r"(?:(?P<hours>[0-9]{1,6}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]*)?))?"
)
_ISO = re.compile(
    r"p(?:(?P<days>[0-9]{1,6})d)?t(?:(?P<hours>[0-9]{1,6})h)?(?:(?P<minutes>[0-9]{1,6})m)?"
    rf"(?:(?P<seconds>{_DECIMAL})s)?"
)
_WITH_UNIT = re.compile(rf"(-?{_DECIMAL}) ?([^\W\d_]+)")


def seconds(text):
    """Read a time.

    Parameters
    ----------
    text : str
        A number is seconds. Anything else must say its unit: ``1500 ms``, ``1min 2s``, a clock with hours (``00:00:01.5``), or
        a pandas time difference as audformat writes it (``0 days 00:00:01.500000``, ``PT1.5S``).

    Returns
    -------
    float
        Seconds; NaN if the cell says that there is none (`EMPTY`).

    Raises
    ------
    ValueError
        If it is no time or below 0; the message says what it must be.

    Examples
    --------
    >>> from sermodules.corpora import cells
    >>> [cells.seconds(text) for text in ("1.5", "1500 ms", "0 days 00:00:01.5", "NaT")]
    [1.5, 1.5, 1.5, nan]
    """
    value = _seconds(re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower())
    if value is None or value == math.inf:
        raise ValueError(
            "it must be seconds as a number, such as 1.5, or a time with its unit, such as 1500 ms or 0 days 00:00:01.5"
        )
    if value < 0:
        raise ValueError("it must not be below 0")
    return value + 0.0  # no minus before a zero


def _seconds(text):
    """Return the seconds of a text in lower case, NaN if it stands for nothing, None if it is no time."""
    if text in EMPTY:
        return math.nan
    if _NUMBER.fullmatch(text):
        return float(text)
    if clock := _CLOCK.fullmatch(text) or _ISO.fullmatch(text):
        found = {name: value for name, value in clock.groupdict().items() if value and name != "minus"}
        scale = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
        if not found:
            return None
        value = sum(scale[name] * float(number) for name, number in found.items())
        return -value if clock.groupdict().get("minus") else value
    if _WITH_UNIT.sub("", text).strip() or not (parts := _WITH_UNIT.findall(text)):
        return None
    if any(unit not in UNITS for _, unit in parts):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def channel(text):
    """Read the number of a channel.

    Parameters
    ----------
    text : str

    Returns
    -------
    float
        1, 2, ...; NaN if the cell is empty.

    Raises
    ------
    ValueError
        If it is anything else; the message says what it must be.

    Examples
    --------
    >>> from sermodules.corpora import cells
    >>> [cells.channel(text) for text in ("2", "1.0", "")]  # pandas writes 1.0
    [2.0, 1.0, nan]
    """
    text = unicodedata.normalize("NFKC", text).strip().lower()
    if text in EMPTY:
        return math.nan
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}(?:\.0*)?", text):
        raise ValueError("it must be the number of a channel, from 1 on, or empty: then the channels are averaged")
    return float(text)


def gender(text):
    """Read a gender.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        ``female``, ``male``, ``other`` or ``unknown``, which an empty cell is.

    Raises
    ------
    ValueError
        If it is anything else; the message says what it must be.

    Examples
    --------
    >>> from sermodules.corpora import cells
    >>> [cells.gender(text) for text in ("F", "man", "Other", "")]
    ['female', 'male', 'other', 'unknown']
    """
    try:
        return GENDERS[unicodedata.normalize("NFKC", text).strip().lower()]
    except KeyError:
        raise ValueError("it must be female, male, other or unknown; an empty cell is unknown") from None


def same_name(text):
    """Return a form that all spellings of one name share.

    Case, Unicode form, invisible characters, blanks, zeros before a number and ``.0`` behind it do not tell names apart.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        For comparing, never to be shown.

    Examples
    --------
    >>> from sermodules.corpora import cells
    >>> {cells.same_name(text) for text in ("Ann  Lee", "ANN LEE")}, {cells.same_name(text) for text in ("0012", "12", "12.0")}
    ({'ann lee'}, {'12'})
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = " ".join(text.split())
    if number := re.fullmatch(r"(\d+)(?:\.0*)?", text):
        digits = "".join(str(unicodedata.decimal(digit)) for digit in number[1])
        return digits.lstrip("0") or "0"
    return text
