"""Who is tested, who picks the epoch, who is learned from: speakers, groups or sessions left out, or a split of one's own."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from sermodules.errors import ProtocolError

#: What may stand in a table's column ``part``, in lower case, and which part it is.
PART_WORDS = {"train": "train", "validation": "validation", "val": "validation", "dev": "validation", "test": "test"}


@dataclass(frozen=True)
class Fold:
    """One fold: `test`, `validation` and `train` are tuples of speakers, sorted; `number` counts from 1."""

    number: int
    test: tuple
    validation: tuple
    train: tuple


def _next(place, candidates):
    """Return the candidate after `place` in sorted order, going round at the end."""
    candidates = sorted(candidates)
    return next((other for other in candidates if other > place), candidates[0])


def partners(table):
    """Return the validation speaker of each test speaker, by a fixed rule.

    See chapter "The protocol".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.

    Returns
    -------
    dict of str to str
        In a session of two, each is the other's partner, as in IEMOCAP. In a larger session it is the next speaker of that
        session in sorted order, going round. Speakers without session or alone in theirs are paired in sorted order, the
        first woman with the first man and so on, as IEMOCAP pairs a woman with a man, and those of another or no known gender
        among themselves. Whoever is left over gets the next speaker of all, going round.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> protocol.partners(table)
    {'F1': 'M1', 'F2': 'M2', 'M1': 'F1', 'M2': 'F2'}
    """
    people = table.drop_duplicates("speaker").set_index("speaker").sort_index()
    result, alone = {}, []
    for speaker, session in people["session"].items():
        others = people.index[(people["session"] == session) & (people.index != speaker)]
        if session and len(others):
            result[speaker] = _next(speaker, others)
        else:
            alone.append(speaker)
    women = [s for s in alone if people.at[s, "gender"] == "female"]
    men = [s for s in alone if people.at[s, "gender"] == "male"]
    others = [s for s in alone if s not in {*women, *men}]
    for one, other in [*zip(women, men, strict=False), *zip(others[::2], others[1::2], strict=False)]:
        result[one], result[other] = other, one
    for speaker in alone:
        if speaker not in result:
            result[speaker] = _next(speaker, people.index.drop(speaker))
    return result


def draw_groups(table, count, seed):
    """Divide the speakers into groups of equal size, as far as that goes, with equally many women and equally many men.

    The draw depends on the seed, on the speakers' names and on who must stay together, and on nothing else: it is the same
    for any order of the rows and on any machine. Each seed has another one.

    See chapter "The protocol".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table. Speakers of one session talked to each other and stay together; an empty session binds nobody.
    count : int
        Groups.
    seed : int

    Returns
    -------
    list of tuple of str
        The speakers of each group, sorted. Where no session binds, the sizes of two groups differ by one at most, and so do
        their numbers of women and of men.

    Raises
    ------
    ProtocolError
        If there are fewer than three groups, or more than there are speakers (sessions count as one).

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "F2", "F3", "M1", "M2", "M3"], "session": ""})
    >>> table["gender"] = ["female"] * 3 + ["male"] * 3
    >>> protocol.draw_groups(table, 3, seed=1), protocol.draw_groups(table, 3, seed=2)
    ([('F1', 'M2'), ('F2', 'M3'), ('F3', 'M1')], [('F1', 'M3'), ('F3', 'M2'), ('F2', 'M1')])
    """
    people = table.drop_duplicates("speaker").set_index("speaker")["gender"].to_dict()
    bound = list(_conversations(table).values())
    together = {speaker for who in bound for speaker in who}
    units = bound + [(speaker,) for speaker in people if speaker not in together]
    if count < 3:
        raise ProtocolError(
            f"{count} groups are too few: one is tested, one validates, the rest are learned from. Ask for at least 3 groups."
        )
    if count > len(units):
        raise ProtocolError(
            f"{count} groups cannot be made of {len(people)} speakers"
            + (f", who make {len(units)} units, because the speakers of a session stay together" if bound else "")
            + f". Ask for at most {len(units)} groups"
            + (", or leave `session` empty where speakers did not talk to each other." if bound else ".")
        )

    def order(unit):
        drawn = hashlib.sha256(json.dumps([seed, *unit], ensure_ascii=False).encode()).hexdigest()
        return -len(unit), sorted(people[speaker] for speaker in unit), drawn

    groups, genders = [[] for _ in range(count)], [Counter() for _ in range(count)]
    for unit in sorted(units, key=order):
        kinds = [people[speaker] for speaker in unit]
        place = min(range(count), key=lambda i: (len(groups[i]), sum(genders[i][kind] for kind in kinds), i))
        groups[place] += unit
        genders[place].update(kinds)
    return [tuple(sorted(group)) for group in groups]


def folds(table, validation="partner", *, split="speakers", groups=0, seed=0, chooses=True):
    """Make the folds of a cross-validation, or the one of a split of one's own.

    See chapter "The protocol".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    validation : {"partner", "next"}
        With one speaker left out: validate on the partner (see `partners`), or on the next speaker in sorted order who is not
        the partner. With groups, sessions or folds of one's own, 1 and 2 are each other's partner, 3 and 4, and so on; of an
        odd number the last three go round, so that everyone validates once.
    split : {"speakers", "sessions", "part", "fold"}
        Who is left out together: a speaker (or one of the `groups`), the speakers of a session, or what the table's column
        ``part`` or ``fold`` says.
    groups : int
        With ``split="speakers"``: leave out so many groups of speakers, see `draw_groups`. 0: one speaker at a time.
    seed : int
        Draws the groups; means nothing without.
    chooses : bool
        Whether something is chosen on the validation part; otherwise ``split="part"`` may do without one.

    Returns
    -------
    list of Fold
        One a speaker, in sorted order of the speakers (for IEMOCAP the order of the paper's Table 1), one a group, one a
        session in sorted order, one a number in the column ``fold``, or the only one that the column ``part`` gives.

    Raises
    ------
    ProtocolError
        If there are too few speakers, groups, sessions or folds (three; four with ``validation="next"``), or the column cannot
        be used; the message says why.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> [(fold.test, fold.validation, fold.train) for fold in protocol.folds(table)][:2]
    [(('F1',), ('M1',), ('F2', 'M2')), (('F2',), ('M2',), ('F1', 'M1'))]
    """
    if split == "part":
        return [_own_parts(table, chooses)]
    speakers = sorted(table["speaker"].unique())
    needed = 3 if validation == "partner" else 4
    if split == "speakers" and not groups:
        if len(speakers) < needed:
            raise ProtocolError(
                f"leave-one-speaker-out with validation={validation!r} needs at least {needed} speakers (one to test, one to "
                f"validate, the rest to train); the corpus has {len(speakers)}: {', '.join(speakers) or 'none'}"
            )
        units, pairs = [(speaker,) for speaker in speakers], partners(table)
        partner = [speakers.index(pairs[speaker]) for speaker in speakers]
    else:
        units = _units(table, split, groups, seed)
        if len(units) < needed:
            raise ProtocolError(
                f"{_what(split, groups)[0]}: with validation={validation!r} at least {needed} are needed (one to test, one to "
                f"validate, the rest to train), but there are {len(units)}"
            )
        partner = _in_pairs(len(units))
    result = []
    for place, test in enumerate(units):
        held = partner[place]
        if validation == "next":
            held = _next(place, [other for other in range(len(units)) if other not in (place, held)])
        train = tuple(speaker for speaker in speakers if speaker not in {*test, *units[held]})
        result.append(Fold(place + 1, test, units[held], train))
    return result


def fold(table, number, validation="partner", **division):
    """Return fold `number`, counted from 1; `ProtocolError` if there is no such fold. The rest is as in `folds`.

    See chapter "The protocol".

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> protocol.fold(table, 1)
    Fold(number=1, test=('F1',), validation=('M1',), train=('F2', 'M2'))
    """
    return numbered(folds(table, validation, **division), number, **division)


def numbered(every, number, **division):
    """Return fold `number` of `every`, as `folds` gives them; `ProtocolError` if there is no such fold."""
    if not 1 <= number <= len(every):
        last = len(every)
        kinds = _what(division.get("split", "speakers"), division.get("groups", 0))[1]
        raise ProtocolError(f"fold {number} does not exist: {kinds.format(last)}, so {_numbers(last)}")
    return every[number - 1]


def describe(every, validation="partner", *, split="speakers", groups=0, **_):
    """Say in one line what folds were made: how many, of what size, who validates, and how many trainings that is.

    See chapter "The protocol".

    Parameters
    ----------
    every : list of Fold
        From `folds`, whose arguments the others are.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> print(protocol.describe(protocol.folds(table)))
    4 folds: each tests a speaker; the partner validates, 2 speakers train; 2 trainings
    """
    tested, validating, training = (
        _span([len(getattr(fold, part)) for fold in every]) for part in ("test", "validation", "train")
    )
    if split == "part":
        chosen = f"{validating} validate" if validating != "0" else "nobody validates"
        return f"1 fold, by the column `part`: {tested} speakers are tested, {chosen}, {training} train"
    which = "partner" if validation == "partner" else "next after the partner"
    if split == "speakers" and not groups:
        who, which = "a speaker", f"the {which} validates"
    else:
        kind = {"speakers": "a group", "sessions": "a session", "fold": "a `fold` of the table"}[split]
        who, which = f"{kind} of {tested} speakers", f"the {which} ({validating} speakers) validates"
    drawn = ", drawn by the seed from the names" if groups else ""
    shared = len({fold.train for fold in every})
    return (
        f"{len(every)} folds: each tests {who}{drawn}; {which}, {training} speakers train; "
        f"{shared} training{'s' * (shared != 1)}"
    )


def _what(split, groups):
    """Return what the settings ask for, and how many there are, to be filled in."""
    if split == "sessions":
        return "split sessions", "the corpus has {} sessions"
    if split == "fold":
        return "split fold", "the column `fold` has {} folds"
    if split == "part":
        return "split part", "the column `part` makes {} fold"
    return (f"groups {groups}", "there are {} groups") if groups else ("split speakers", "the corpus has {} speakers")


def _numbers(last):
    return f"folds 1 to {last}" if last > 1 else "only fold 1"


def _span(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _in_pairs(count):
    """Return the partner of each of some groups: 0 and 1, 2 and 3; of an odd number the last three go round."""
    rest = count % 2 * 3
    even = count - rest
    return [place ^ 1 for place in range(even)] + [even + (place + 1) % 3 for place in range(rest)]


def _conversations(table):
    """Return the speakers of each session that has several: they talked to each other."""
    people = table.loc[table["session"] != "", ["session", "speaker"]].drop_duplicates()
    sessions = {session: tuple(sorted(part["speaker"])) for session, part in people.groupby("session")}
    return {session: who for session, who in sessions.items() if len(who) > 1}


def _units(table, split, groups, seed):
    """Return the speakers who are left out together, a tuple a fold."""
    if split == "speakers":
        return draw_groups(table, groups, seed)
    if split == "sessions":
        if alone := sorted(table.loc[table["session"] == "", "speaker"].unique()):
            raise ProtocolError(
                f"split sessions leaves out a session at a time, but these speakers have none: {_some(alone)}. Fill in the "
                "column `session`, or leave out one speaker at a time (split speakers)."
            )
        people = table.groupby("session")["speaker"]
        return [tuple(sorted(who.unique())) for _, who in people]
    return _own_folds(table)


def _own_column(table, name, allowed, meant):
    """Return what a column of one's own says of each speaker, or say what is wrong with it."""
    if name not in table:
        raise ProtocolError(
            f"split {name} takes the division from a column `{name}` of your table, which there is not. Add it ({meant})."
        )
    strange = [
        f"{value or 'empty'!r} ({row})"
        for row, value in table.set_index("utterance")[name].items()
        if not allowed(value)
    ]
    if strange:
        raise ProtocolError(
            f"the column `{name}` must hold {meant} for every utterance, but here it is {_some(strange)}"
        )
    said = {speaker: sorted(part.unique()) for speaker, part in table.groupby("speaker")[name]}
    if torn := [f"{speaker} ({' and '.join(found)})" for speaker, found in said.items() if len(found) > 1]:
        raise ProtocolError(
            f"a speaker belongs into one `{name}`, or the network is tested on a voice that it knows; these have several: "
            f"{_some(torn)}. Give all utterances of a speaker the same."
        )
    return {speaker: found[0] for speaker, found in said.items()}


def _own_folds(table):
    """Return the speakers of each fold of the column ``fold``."""
    meant = "1, 2, 3 and so on"
    said = _own_column(table, "fold", lambda text: text.isascii() and text.isdigit() and int(text) > 0, meant)
    said = {speaker: int(number) for speaker, number in said.items()}
    last = max(said.values())
    if absent := sorted({*range(1, min(last, len(said) + 1) + 1)} - set(said.values())):
        raise ProtocolError(
            f"the column `fold` goes to {last}, but nobody is in fold {', '.join(map(str, absent[:5]))}: "
            f"number the folds {meant}"
        )
    _refuse_torn_sessions(table, said, "fold", lambda found: len(found) > 1)
    return [tuple(sorted(speaker for speaker in said if said[speaker] == number)) for number in range(1, last + 1)]


def _own_parts(table, chooses):
    """Return the fold of the column ``part``."""
    meant = "train, validation (or dev, val) or test"
    if "part" in table:
        table = table.assign(part=[PART_WORDS.get(word.lower(), word) for word in table["part"]])
    said = _own_column(table, "part", PART_WORDS.__contains__, meant)
    _refuse_torn_sessions(table, said, "part", lambda found: "train" in found and len(found) > 1)
    parts = {part: tuple(s for s in sorted(said) if said[s] == part) for part in ("test", "validation", "train")}
    for part in ("train", "test"):
        if not parts[part]:
            raise ProtocolError(f"the column `part` has nobody in {part}: some speakers must be there")
    if chooses and not parts["validation"]:
        raise ProtocolError(
            "the column `part` has nobody in validation, where the epoch is chosen: move some speakers of train there, or take "
            "a model that chooses nothing, such as svm_egemaps"
        )
    return Fold(1, **parts)


def _refuse_torn_sessions(table, said, name, torn):
    """Refuse a split that learns from one speaker of a conversation and tests another."""
    for session, who in _conversations(table).items():
        found = {said[speaker] for speaker in who}
        if torn(found):
            listed = ", ".join(f"{speaker} in {said[speaker]}" for speaker in who)
            raise ProtocolError(
                f"the column `{name}` splits session {session}, whose speakers talked to each other: {listed}. Keep them "
                "together, or leave `session` empty if they did not."
            )


def _some(items):
    """List the first few."""
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "")
