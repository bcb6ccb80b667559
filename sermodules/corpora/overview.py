"""What a corpus holds, in words, before anything is trained: columns, hours, rates, and what may be doubted."""

from collections import Counter
from itertools import combinations

from sermodules.corpora import audio

#: Of fewer utterances of a class, or of a speaker and a class, little can be learned or said.
FEW = 10
#: Shorter and longer utterances than these are unusual (s).
SHORT, LONG = 0.5, 30


def columns(table):
    """Say which columns of a user's own table are taken and which are not.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    list of str
        Lines; none for another corpus.
    """
    if "source" not in table.attrs:
        return []
    seen = table.attrs["source"].seen
    taken = ", ".join(name if name == called else f"{name} ({called})" for name, called in seen["taken"].items())
    lines = [f"{seen['kind']}: {table.attrs['source'].path}", f"columns taken    {taken}"]
    return lines + ([f"columns ignored  {', '.join(seen['ignored'])}"] if seen["ignored"] else [])


def recordings(table):
    """Say how long the recordings are, and in which rates and numbers of channels they lie.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    str
    """
    headers = [header for header in audio.headers(table["path"]).values() if header]
    rates = Counter(header.rate for header in headers)
    channels = Counter(header.channels for header in headers)
    seconds = table["duration"].dropna()
    kinds = ", ".join(f"{rate / 1000:g} kHz ({count})" for rate, count in rates.most_common())
    many = ", ".join(f"{number} ({count})" for number, count in channels.most_common())
    return (
        f"{seconds.sum() / 3600:.1f} hours; utterances last {seconds.min():.2f} to {seconds.max():.1f} s, half of them up to"
        f" {seconds.median():.1f} s; {len(headers)} files at {kinds}; channels: {many}"
    )


def doubts(table):
    """Name what is allowed and often a slip.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.corpora import overview
    >>> table = pd.DataFrame({"speaker": list("aabb"), "gender": "female", "emotion": ["sad", "calm", "sad", "sad"]})
    >>> for line in overview.doubts(table.assign(duration=1.0)):  # doctest: +ELLIPSIS
    ...     print(line)
    classes with fewer than 10 utterances: sad (3), calm (1)
    in 3 of 3 cases a speaker has fewer than 10 utterances of a class: a calm (1), a sad (1), b sad (2). Read scores ...
    only one speaker has the class calm: a. Nobody else can teach it. A slip in a label? Or leave it out
    speakers without a class: b (calm)
    all speakers are female: a setting of `gender` can tell nothing
    """
    lines = []
    classes = table["emotion"].value_counts()
    if few := [f"{name} ({count})" for name, count in classes.items() if count < FEW]:
        lines.append(f"classes with fewer than {FEW} utterances: {', '.join(few)}")
    lines += _sparse(table)
    lines += _alone(table, list(classes.index))
    for what, names in (("speakers", table["speaker"].unique()), ("classes", classes.index)):
        if near := [f"{one} and {other}" for one, other in combinations(sorted(names), 2) if _near(one, other)]:
            lines.append(f"{what} whose names differ by a letter: {_shown(near)}. Are these the same?")
    held = table.groupby("speaker")["emotion"].agg(set)
    if lacking := [
        f"{who} ({', '.join(sorted({*classes.index} - mine))})"
        for who, mine in held.items()
        if len(mine) < len(classes)
    ]:
        lines.append(f"speakers without a class: {_shown(lacking)}")
    genders = table.groupby("speaker")["gender"].first()
    if other := [f"{who} (gender {gender})" for who, gender in genders.items() if gender not in ("female", "male")]:
        lines.append(f"only `gender: none` can do with {_shown(other)}")
    elif genders.nunique() == 1:
        lines.append(f"all speakers are {genders.iloc[0]}: a setting of `gender` can tell nothing")
    if all(name.lstrip("-").replace(".", "", 1).isdecimal() for name in classes.index):
        lines.append(f"all classes are numbers: {', '.join(sorted(classes.index))}. Are these labels, or ratings?")
    for what, found in (
        (f"shorter than {SHORT} s", (table["duration"] < SHORT).sum()),
        (f"longer than {LONG} s", (table["duration"] > LONG).sum()),
        ("of unknown length", table["duration"].isna().sum()),
    ):
        if found:
            lines.append(f"{found} utterances are {what}")
    return lines


def _sparse(table):
    """Say how many speakers have few utterances of a class, and of which."""
    held = table.groupby("speaker")["emotion"].value_counts()
    fewest = sorted(held.items(), key=lambda item: (item[1], item[0]))
    if few := [f"{who} {name} ({count})" for (who, name), count in fewest if count < FEW]:
        share = f"in {len(few)} of {len(held)} cases a speaker has"
        yield f"{share} fewer than {FEW} utterances of a class: {_shown(few, 3)}. Read scores per speaker with care"


def _alone(table, classes):
    """Name the classes that one speaker has, with the lines of a user's own table."""
    at = table.attrs["source"].lines if "source" in table.attrs else {}
    people = table.groupby("emotion")["speaker"].agg(lambda speakers: sorted({*speakers}))
    alone = {name: who[0] for name, who in people.items() if len(who) == 1}
    rest = [name for name in classes if name not in alone]
    way = f': classes: "{",".join(rest)}"' if len(rest) > 1 else ""
    ask = f"Nobody else can teach it. A slip in a label? Or leave it out{way}"
    for name, who in alone.items():
        found = (
            sorted(at[each] for each in table.loc[table["emotion"] == name, "utterance"] if each in at) if at else []
        )
        where = f" (line{'s' * (len(found) > 1)} {_shown([*map(str, found)], 5)})" if found else ""
        yield f"only one speaker has the class {name}: {who}{where}. {ask}"


def _near(one, other):
    """Tell whether names without digits differ by one letter more, one other letter within, or two that are swapped."""
    short, long = sorted((one, other), key=len)
    if len(short) < 3 or len(long) - len(short) > 1 or any(letter.isdigit() for letter in one + other):
        return False
    if len(short) < len(long):
        return any(short == long[:place] + long[place + 1 :] for place in range(len(long)))
    places = [place for place, (mine, yours) in enumerate(zip(one, other, strict=True)) if mine != yours]
    if len(places) == 1:
        return 0 < places[0] < len(one) - 1
    first, last = (places[0], places[-1]) if places else (0, 0)
    return last - first == 1 and (one[first], one[last]) == (other[last], other[first])


def _shown(names, limit=20):
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
