"""The colours of figures: of emotions, everywhere the same, and of configurations.

Colour-blind readers can tell them apart: emotions have the set of Okabe and Ito (2008), "Color universal design",
configurations the "muted" one of Tol (2021), "Colour schemes". Where there are more classes than such a set has colours, no
two of them share one, but only `class_hatches` tells them apart for everybody.
"""

import colorsys
import itertools

#: An emotion has the same colour in every figure. `emotion_colours` gives one to every other class too.
EMOTION_COLOURS = {
    "angry": "#D55E00",
    "sad": "#0072B2",
    "happy": "#E69F00",
    "neutral": "#8C8C8C",
    "fearful": "#56B4E9",
    "disgusted": "#009E73",
    "bored": "#CC79A7",
}
#: Colours of other classes, in the order in which a study names them.
OTHER_COLOURS = ("#332288", "#117733", "#882255", "#44AA99", "#999933", "#88CCEE", "#661100", "#000000")

#: How many classes are told apart by their colours alone.
TOLD_APART = len(EMOTION_COLOURS)

_HATCHES = ("//", "..", "xx", "--", "oo", "++")

#: Colours of configurations, in the order in which a study names them.
CONFIGURATION_COLOURS = (
    "#332288",
    "#44AA99",
    "#DDCC77",
    "#CC6677",
    "#88CCEE",
    "#117733",
    "#882255",
    "#999933",
    "#AA4499",
)


def emotion_colours(classes):
    """Return a colour for each class: `EMOTION_COLOURS`, or of other classes the next one of `OTHER_COLOURS`.

    See chapter "The corpora, heard".

    Parameters
    ----------
    classes : iterable of str
        All classes of a study, in their order: the colour of one that is not in `EMOTION_COLOURS` depends on its place.

    Returns
    -------
    list of str
        Hexadecimal colours. No two classes share one, however many there are.

    Examples
    --------
    >>> from sermodules import plots
    >>> plots.emotion_colours(["angry", "sad", "calm"])
    ['#D55E00', '#0072B2', '#332288']
    """
    classes, others = list(classes), _different(OTHER_COLOURS, EMOTION_COLOURS.values())
    found = {
        name: EMOTION_COLOURS[name] if name in EMOTION_COLOURS else next(others) for name in dict.fromkeys(classes)
    }
    return [found[name] for name in classes]


def class_hatches(classes):
    """Return a second mark for the area of each class: none for the first seven, then a hatch for the next seven, and so on.

    Parameters
    ----------
    classes : sequence of str

    Returns
    -------
    list of str
        As Matplotlib's ``hatch``; empty for none.

    Examples
    --------
    >>> from sermodules import plots
    >>> plots.class_hatches("abcdefgh")
    ['', '', '', '', '', '', '', '//']
    """
    marks = itertools.chain([""], itertools.cycle(_HATCHES))
    every = itertools.chain.from_iterable(itertools.repeat(mark, TOLD_APART) for mark in marks)
    return list(itertools.islice(every, len(classes)))


def configuration_colours(count):
    """Return so many different colours of configurations: `CONFIGURATION_COLOURS`, then others.

    Parameters
    ----------
    count : int

    Returns
    -------
    list of str
        Hexadecimal colours.

    Examples
    --------
    >>> from sermodules import plots
    >>> plots.configuration_colours(2)
    ['#332288', '#44AA99']
    """
    return list(itertools.islice(_different(CONFIGURATION_COLOURS), count))


def _different(first, taken=()):
    """Yield different colours, those of `first` and then hues a golden angle apart, but none of `taken`."""
    seen = {*taken}
    for colour in itertools.chain(first, _hues()):
        if colour not in seen:
            seen.add(colour)
            yield colour


def _hues():
    for number, lightness in enumerate(itertools.cycle((0.35, 0.65, 0.5))):
        parts = colorsys.hls_to_rgb(number * (5**0.5 - 1) / 2 % 1, lightness, 0.7)
        yield "#" + "".join(f"{round(255 * part):02X}" for part in parts)
