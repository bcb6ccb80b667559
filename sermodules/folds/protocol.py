"""Leave-one-speaker-out: who is tested, who picks the epoch, who is learned from."""

from dataclasses import dataclass

from sermodules.errors import ProtocolError


@dataclass(frozen=True)
class Fold:
    """One fold: `test` and `validation` are speakers, `train` all the others, sorted; `number` counts from 1."""

    number: int
    test: str
    validation: str
    train: tuple


def _next(speaker, candidates):
    """Return the candidate after `speaker` in sorted order, going round at the end."""
    candidates = sorted(candidates)
    return next((other for other in candidates if other > speaker), candidates[0])


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


def folds(table, validation="partner"):
    """Make the folds of leave-one-speaker-out cross-validation.

    See chapter "The protocol".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    validation : {"partner", "next"}
        Validate on the partner (see `partners`), or on the next speaker in sorted order who is not the partner.

    Returns
    -------
    list of Fold
        One a speaker, in sorted order of the speakers: for IEMOCAP the order of the paper's Table 1.

    Raises
    ------
    ProtocolError
        If there are fewer than three speakers, or fewer than four with ``validation="next"``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> [(fold.test, fold.validation, fold.train) for fold in protocol.folds(table)][:2]
    [('F1', 'M1', ('F2', 'M2')), ('F2', 'M2', ('F1', 'M1'))]
    """
    speakers = sorted(table["speaker"].unique())
    needed = 3 if validation == "partner" else 4
    if len(speakers) < needed:
        raise ProtocolError(
            f"leave-one-speaker-out with validation={validation!r} needs at least {needed} speakers (one to test, one to "
            f"validate, the rest to train); the corpus has {len(speakers)}: {', '.join(speakers) or 'none'}"
        )
    pairs = partners(table)
    result = []
    for number, test in enumerate(speakers, start=1):
        held = pairs[test]
        if validation == "next":
            held = _next(test, [s for s in speakers if s not in (test, held)])
        result.append(Fold(number, test, held, tuple(s for s in speakers if s not in (test, held))))
    return result


def fold(table, number, validation="partner"):
    """Return fold `number`, counted from 1; `ProtocolError` if there is no such fold.

    See chapter "The protocol".

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import protocol
    >>> table = pd.DataFrame({"speaker": ["F1", "M1", "F2", "M2"], "session": ["1", "1", "2", "2"]})
    >>> table["gender"] = ["female", "male", "female", "male"]
    >>> protocol.fold(table, 1)
    Fold(number=1, test='F1', validation='M1', train=('F2', 'M2'))
    """
    every = folds(table, validation)
    if not 1 <= number <= len(every):
        raise ProtocolError(
            f"fold {number} does not exist: the corpus has {len(every)} speakers, so folds 1 to {len(every)}"
        )
    return every[number - 1]
