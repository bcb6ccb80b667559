"""Where a file is that a table names: also by a path of Windows, from within WSL."""

import difflib
import re
from pathlib import Path

from sermodules import files

#: Ends of the names of tables.
TABLES = (".csv", ".tsv", ".txt")

_DRIVE = re.compile(r"(?P<letter>[A-Za-z]):[\\/](?P<rest>.*)", re.DOTALL)
_WSL = re.compile(r"[\\/]{2}(?:wsl\$|wsl\.localhost)[\\/][^\\/]+(?P<rest>[\\/].*)", re.DOTALL | re.IGNORECASE)


def unix(text):
    r"""Write a path of Windows as this system has it; another one stays as it is.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> from sermodules.corpora import places
    >>> places.unix(r"C:\Users\ann\a.wav"), places.unix(r"\\wsl$\Ubuntu\home\ann\a.wav"), places.unix(r"wav\a.wav")
    ('/mnt/c/Users/ann/a.wav', '/home/ann/a.wav', 'wav/a.wav')
    """
    if drive := _DRIVE.fullmatch(text):
        rest = drive["rest"].replace("\\", "/").lstrip("/")
        return f"/mnt/{drive['letter'].lower()}/{rest}"
    if wsl := _WSL.fullmatch(text):
        return wsl["rest"].replace("\\", "/")
    return text.replace("\\", "/")


def locate(folder, text):
    """Return the path that a cell means: as it stands, else as `unix` writes it, if that is a file.

    Parameters
    ----------
    folder : pathlib.Path
        Where relative paths count from.
    text : str

    Returns
    -------
    pathlib.Path
        Absolute; where there is no file, what was looked for first.
    """
    first = folder / Path(text).expanduser() if text.startswith("~") else folder / text
    for place in (first, folder / unix(text)):
        if is_file(place):
            return place
    return first


def hint(folder, text, named=None):
    """Say what may be meant by a path under which there is no file, or return "".

    Parameters
    ----------
    folder : pathlib.Path
    text : str
    named : set of str, optional
        The names that other lines have: one that none has is asked for first. Unless given, no similar name is looked for.

    Returns
    -------
    str
        It begins with a blank.
    """
    if (drive := _DRIVE.fullmatch(text)) is not None:
        letter = drive["letter"]
        return f" (in WSL drive {letter.upper()}: is /mnt/{letter.lower()}, but {unix(text)} is not there either)"
    path = folder / unix(text)
    try:
        near = [one for one in path.parent.iterdir() if one.name.casefold() == path.name.casefold() and one.is_file()]
        near = near or [one for one in path.parent.iterdir() if one.stem == path.stem and one.is_file()]
    except OSError:
        near = []
    if near:
        return f" (there is {near[0].name}: write it so)"
    if "\\" in text:
        return " (write folders with / instead of \\)"
    close = "" if named is None else closest(path, named)
    return f" (there is {close}: did you mean it?)" if close else ""


def closest(path, named=(), folders=False):
    """Return the name in the folder of a path that is most like its own, or "".

    Parameters
    ----------
    path : pathlib.Path
        That of a file or folder which is not there.
    named : iterable of str
        Names that are taken only if there is no other one.
    folders : bool
        Look for folders, not for files.

    Returns
    -------
    str

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sermodules.corpora import places
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("ann-1.wav", "ann-2.wav"):
    ...         Path(folder, name).touch()
    ...     places.closest(Path(folder, "ann-1x.wav")), places.closest(Path(folder, "ann-1x.wav"), {"ann-1.wav"})
    ('ann-1.wav', 'ann-2.wav')
    """
    try:
        names = [one.name for one in path.parent.iterdir() if (one.is_dir() if folders else one.is_file())]
    except (OSError, ValueError):
        return ""
    free = [name for name in names if name not in named]
    for some in (free, names):
        if close := difflib.get_close_matches(path.name, some, n=1):
            return close[0]
    return ""


def missing_folder(path):
    """Return the first folder on the way to a file that is not there, or None if its own folder is there.

    Parameters
    ----------
    path : path

    Returns
    -------
    pathlib.Path or None

    Examples
    --------
    >>> from sermodules.corpora import places
    >>> str(places.missing_folder("/nowhere/wav/a.wav")), places.missing_folder("/a.wav")
    ('/nowhere', None)
    """
    try:
        return next((place for place in reversed(Path(path).parents) if not place.is_dir()), None)
    except (OSError, ValueError):
        return None


def beside(path):
    """Say what lies where a table was looked for that is not there, or return "".

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        A sentence.
    """
    try:
        if path.is_dir():
            tables = sorted(one.name for one in path.iterdir() if one.suffix.lower() in TABLES)
            return (
                f"{path} is a folder; name the table in it" + f": there is {', '.join(tables[:5])}" * bool(tables) + "."
            )
        gone, near = missing_folder(path), files.above_or_below(path)
        if gone or near:
            told = f"There is no folder {gone}." if gone else "", f"There is {near}: did you mean it?" if near else ""
            return " ".join(filter(None, told))
    except (OSError, ValueError):
        return ""
    close = closest(path)
    return f"There is {close} in {path.parent}: did you mean it?" if close else ""


def is_file(path):
    """Tell whether a path is that of a file; False of what can be none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        return False
