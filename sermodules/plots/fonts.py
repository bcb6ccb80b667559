"""Labels in any script: the fonts of the system that have what matplotlib's own font lacks."""

import contextlib
import functools
import warnings

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.text import Text

#: What is said once where no font has the letters.
LACKING = (
    "no font of this system has the letters {letters} of the labels, so boxes are drawn in their place: install fonts, such as"
    " fonts-noto-core and fonts-noto-cjk, and delete the folder of matplotlib's cache"
)


def dress(ax):
    """Give the texts of axes fonts that have their letters. Nothing changes where matplotlib's own font has them all.

    Parameters
    ----------
    ax : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes

    Warns
    -----
    UserWarning
        One line, if no font has some of the letters.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sermodules.plots import fonts
    >>> _, ax = plt.subplots()
    >>> fonts.dress(ax).set_title("angry").get_fontfamily()
    ['sans-serif']
    >>> plt.close()
    """
    for text in [
        *ax.get_xticklabels(),
        *ax.get_yticklabels(),
        *(ax.get_legend().get_texts() if ax.get_legend() else ()),
    ]:
        text.set_parse_math(False)  # a dollar in a label is a dollar
    texts = [text for text in ax.findobj(Text) if text.get_text()]
    families, missing, lacking = _needed(text.get_text() for text in texts)
    for text in texts:
        own = [family for family in text.get_fontfamily() if family not in families] or text.get_fontfamily()
        needs = any(ord(letter) in missing for letter in text.get_text())
        text.set_fontfamily([*own, *families] if needs else own)
    if lacking:
        shown = "".join(map(chr, sorted(lacking)[:10])) + (" …" if len(lacking) > 10 else "")
        warnings.warn(LACKING.format(letters=shown), UserWarning, stacklevel=3)
    return ax


@contextlib.contextmanager
def having(ax, labels):
    """Draw within this block with fonts that have the letters of some labels, and take a dollar as a dollar.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    labels : iterable of str
    """
    families, missing, _ = _needed(labels)
    families = [*plt.rcParams["font.family"], *families]
    if missing:
        ax.tick_params(labelfontfamily=families)  # of ticks that are there already
    for text in [*ax.get_xticklabels(), *ax.get_yticklabels()]:
        text.set_parse_math(False)
    with plt.rc_context({"text.parse_math": False, **({"font.family": families} if missing else {})}):
        yield


def _needed(labels):
    """Return the families that labels need besides the default one, what that lacks, and what no font has (code points)."""
    wanted = {letter for label in labels for letter in label if letter.isprintable() and not letter.isspace()}
    default = font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))
    missing = frozenset(map(ord, wanted)) - _letters(default)
    families, lacking = _covering(missing)
    if lacking:  # one line says it, instead of one for each letter at each drawing
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
    return families, missing, lacking


@functools.cache
def _letters(path):
    """Return the code points that a font has."""
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()  # a damaged file, or a form that matplotlib does not read


@functools.cache
def _covering(missing):
    """Return the families that have these code points, the ones with most of them first, and what none has."""
    fonts = {}
    for entry in font_manager.fontManager.ttflist:
        if (
            entry.style == "normal"
            and not entry.name.startswith("Last Resort")
            and (entry.name not in fonts or entry.weight == 400)
        ):
            fonts[entry.name] = entry.fname
    found, left = [], set(missing)
    while left:
        best = max(sorted(fonts), key=lambda name: len(left & _letters(fonts[name])), default=None)
        if best is None or not left & _letters(fonts[best]):
            break
        found.append(best)
        left -= _letters(fonts[best])
    return tuple(found), frozenset(left)
