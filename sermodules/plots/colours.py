"""The colours of figures: of emotions, everywhere the same, and of configurations.

Colour-blind readers can tell them apart: emotions have the set of Okabe and Ito (2008), "Color universal design",
configurations the "muted" one of Tol (2021), "Colour schemes".
"""

import zlib

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
_OTHER_COLOURS = ("#332288", "#117733", "#882255", "#44AA99", "#999933", "#88CCEE", "#661100", "#000000")

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
    """Return a colour for each class: `EMOTION_COLOURS`, or one that depends on nothing but the class's name.

    See chapter "The corpora, heard".

    Parameters
    ----------
    classes : iterable of str

    Returns
    -------
    list of str
        Hexadecimal colours. Two classes that are not in `EMOTION_COLOURS` may share one.

    Examples
    --------
    >>> from sermodules import plots
    >>> plots.emotion_colours(["angry", "sad"])
    ['#D55E00', '#0072B2']
    """
    other = {name: _OTHER_COLOURS[zlib.crc32(name.encode()) % len(_OTHER_COLOURS)] for name in classes}
    return [EMOTION_COLOURS.get(name, other[name]) for name in classes]
