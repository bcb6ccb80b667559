"""The first line of a table of one's own: how its cells are separated, and which column is which."""

import csv
import re
import unicodedata

#: Columns by what other tools call them, in small letters and without anything but letters and digits.
NAMES = {
    "utterance": ("utterance", "utteranceid", "uttid", "utt", "segmentid"),
    "path": ("path", "file", "filename", "filepath", "wav", "wavfile", "wavpath", "audio", "audiofile", "audiopath"),
    "speaker": ("speaker", "speakerid", "spk", "spkid", "spkr", "actor", "actorid", "subject", "subjectid"),
    "session": ("session", "sessionid"),
    "gender": ("gender", "sex"),
    "emotion": ("emotion", "emotionlabel", "label", "emo"),
    "duration": ("duration", "dur"),
    "start": ("start", "starttime", "begin"),
    "end": ("end", "endtime", "stop"),
    "channel": ("channel", "ch"),
    "part": ("part",),
    "fold": ("fold",),
}  # fmt: skip
#: The same, where a table has none of these: a participant may also be one who listened.
OTHERWISE = {"speaker": ("participant", "participantid", "proband", "probandid", "vp", "talker", "talkerid")}
#: What stands between two cells, and how it is called.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
#: Columns of MELD, whose ``Utterance`` is what was said, whose files are called by two numbers, and whose times are those of an
#: episode and not of a file.
MELD = ("dialogueid", "utteranceid")


def plain(name):
    """Return a column's name in small letters, without anything but letters and digits.

    Examples
    --------
    >>> from sermodules.corpora import columns
    >>> columns.plain(" Speaker_ID")
    'speakerid'
    """
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


def delimiter(text):
    r"""Tell what separates the cells of a table by its first line: the sign that gives most columns with a known name.

    Parameters
    ----------
    text : str
        The table.

    Returns
    -------
    str

    Examples
    --------
    >>> from sermodules.corpora import columns
    >>> columns.delimiter("file;speaker;emotion, as heard\n")
    ';'
    """
    first = next((line for line in text.splitlines() if line.strip()), "")

    def known(sign):
        try:
            cells = next(csv.reader([first], delimiter=sign), [])
        except csv.Error:
            return 0
        return sum(plain(cell) in every for cell in cells)

    every = {name for names in (*NAMES.values(), *OTHERWISE.values()) for name in names}
    return max(DELIMITERS, key=known)  # the first one of equals


def without_sign(text):
    r"""Take the line out of a table that names the sign between cells, as Excel reads it: ``sep=;``.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
        That line is empty, so that the others keep their numbers.
    sign : str or None
        None if there is no such line, or it names another sign than those of `DELIMITERS`.

    Examples
    --------
    >>> from sermodules.corpora import columns
    >>> columns.without_sign("sep=;\nfile;speaker;emotion\n")
    ('\nfile;speaker;emotion\n', ';')
    """
    found = re.match(r'"?sep=(.)"?(?=\r?\n)', text, re.IGNORECASE)
    if not found:
        return text, None
    return text[found.end() :], found[1] if found[1] in DELIMITERS else None


def chosen(header):
    """Tell which column of a table holds what.

    Parameters
    ----------
    header : list of str
        The cells of its first line.

    Returns
    -------
    taken : dict of str to int
        The place of each column that is used, by its name here. A name of this project goes before what others call it.
    twice : list of str
        Names for which more than one column might be meant, with the columns.

    Examples
    --------
    >>> from sermodules.corpora import columns
    >>> columns.chosen(["file", "Speaker", "gender", "emotion", "age"])[0]
    {'path': 0, 'speaker': 1, 'gender': 2, 'emotion': 3}
    """
    simple = [plain(cell) for cell in header]
    taken, twice = {}, []
    for name, others in NAMES.items():
        exact = [place for place, cell in enumerate(header) if cell.strip() == name]
        own = exact or [place for place, cell in enumerate(simple) if cell == name]
        places = own or [place for place, cell in enumerate(simple) if cell in others]
        places = places or [place for place, cell in enumerate(simple) if cell in OTHERWISE.get(name, ())]
        if is_meld(header) and name in ("utterance", "start", "end"):
            continue
        if len(places) > 1:
            twice.append(f"{name} ({', '.join(header[place] for place in places)})")
        elif places:
            taken[name] = places[0]
    return taken, twice


def is_meld(header):
    """Tell whether a table has MELD's columns and no path of its own."""
    simple = [plain(cell) for cell in header]
    return all(name in simple for name in MELD) and not {*NAMES["path"]} & {*simple}
