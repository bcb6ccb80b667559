"""What is known of a voice: a speaker's centre and scale from few of their recordings, or from many.

``standardise="speaker"`` takes all recordings of a speaker, those included that are to be judged. Here the recordings from
which the statistics come are chosen, so that others can be judged by them.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from sermodules.errors import ProtocolError

#: How a speaker is centred and scaled, by the setting ``standardise``. ``speaker``: by mean and SD of their own recordings.
#: ``shrunk``: by a mean that lies between their own and that of the training speakers. ``centre``: by their own mean. The last
#: two share one SD.
KINDS = {"speaker": "speaker", "speaker_shrunk": "shrunk", "speaker_neutral": "centre"}

#: The attributes of `Voices` that are arrays.
LEARNED = ("mean", "between", "within", "offset", "sd")


def enrolled(table, config):
    """Say from which recordings each speaker is known, who are in no part of a fold.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    config : RunConfig

    Returns
    -------
    dict of str to list of str
        Speaker to utterances. Empty if ``config.enrol`` is 0: then each is known from all.

    Raises
    ------
    ProtocolError
        If a speaker has not so many recordings and one more, or not so many neutral ones.
    """
    if not config.enrol:
        return {}
    neutral = config.standardise == "speaker_neutral"
    found, short = {}, []
    for speaker, mine in table.groupby("speaker"):
        names = mine.loc[mine["emotion"].eq("neutral") if neutral else slice(None), "utterance"]
        found[speaker] = draw(names, config.enrol, config.seed)
        if len(found[speaker]) < config.enrol or len(mine) <= config.enrol:
            short.append(f"{speaker} ({len(names)})")
    if short:
        what = "neutral recordings" if neutral else "recordings, and one more to be judged"
        raise ProtocolError(
            f"enrol is {config.enrol}, and not every speaker has {config.enrol} {what}: {', '.join(short[:20])}"
            + (f" and {len(short) - 20} more" if len(short) > 20 else "")
            + ". Take a smaller number."
        )
    return found


def draw(names, count, seed):
    """Draw recordings: a function of their names and the seed alone.

    Parameters
    ----------
    names : iterable of str
    count : int
    seed : int

    Returns
    -------
    list of str
        At most `count`, in the order in which they were drawn: those of a smaller count are the first ones.

    Examples
    --------
    >>> from sermodules.folds import voices
    >>> drawn = voices.draw(["a", "b", "c", "d"], 3, seed=1)
    >>> drawn[:2] == voices.draw(["d", "c", "b", "a"], 2, seed=1)
    True
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).hexdigest())[:count]


def halves(sentences, speaker, seed):
    """Cut the sentences of a speaker into two halves.

    Parameters
    ----------
    sentences : iterable of str
        With repetitions, as they stand in a table.
    speaker : str
    seed : int

    Returns
    -------
    set of str
        The sentences of the first half.

    Examples
    --------
    >>> from sermodules.folds import voices
    >>> len(voices.halves(["DFA", "IEO", "IEO", "IOM", "ITH"], "1001", seed=1))
    2
    """
    different = {*sentences}
    order = draw([f"{speaker} {sentence}" for sentence in different], len(different) // 2, seed)
    return {name.split(" ", 1)[1] for name in order}


@dataclass(frozen=True)
class Moments:
    """Sums over the rows of recordings: its frames, or its one row of functionals.

    Attributes
    ----------
    rows : numpy.ndarray, shape (n,)
        How many rows each of n recordings has.
    total, squares : numpy.ndarray of float64, shape (n, ...)
        The sum of its rows, and of their squares.
    """

    rows: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def measure(cls, arrays):
        """Measure recordings.

        Parameters
        ----------
        arrays : iterable of numpy.ndarray, shape (rows, ...)
        """
        found = [(len(x), x.sum(axis=0, dtype=np.float64), np.square(x, dtype=np.float64).sum(axis=0)) for x in arrays]
        rows, total, squares = zip(*found, strict=True)
        return cls(np.array(rows), np.stack(total), np.stack(squares))

    def __getitem__(self, which):
        return Moments(self.rows[which], self.total[which], self.squares[which])

    @property
    def mean(self):
        """Mean of all rows of all recordings."""
        return self.total.sum(axis=0) / self.rows.sum()

    @property
    def sd(self):
        """SD of all rows; 1 where all are equal, so that they stay at zero."""
        return _root(self.squares.sum(axis=0) / self.rows.sum() - self.mean**2)


@dataclass(frozen=True)
class Voices:
    """What the training speakers say of voices in general; with it, a new one is standardised by few recordings.

    Attributes
    ----------
    kind : {"speaker", "shrunk", "centre"}
    mean : numpy.ndarray
        Mean of the training speakers' means.
    between, within : numpy.ndarray
        Variance of the means of speakers, and variance of the means of the recordings of one speaker.
    offset, sd : numpy.ndarray
        Mean and SD of what is left of the training speakers' rows when each one's centre is taken off.
    """

    kind: str
    mean: np.ndarray
    between: np.ndarray
    within: np.ndarray
    offset: np.ndarray
    sd: np.ndarray

    @classmethod
    def learn(cls, kind, moments, speakers, known):
        """Learn from the training speakers.

        Parameters
        ----------
        kind : {"speaker", "shrunk", "centre"}
        moments : Moments
            Of n recordings.
        speakers : numpy.ndarray of str, shape (n,)
        known : list of numpy.ndarray of int
            For each recording those from which the statistics of its speaker come, as places among the n: all of the speaker's,
            or as few as there will be of a new speaker.

        Returns
        -------
        Voices

        Notes
        -----
        The mean of a speaker's n recordings is drawn towards the mean of all speakers: m = w own + (1 - w) all, with
        w = between / (between + within / n). It is the best linear predictor of the speaker's own mean in a model of random
        effects, with variances by the method of moments: within is pooled over speakers; between is the variance of the
        speakers' means less within / n', n' the harmonic mean of the numbers of recordings, and not below 0.
        S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components", Wiley 1992.
        """
        means = moments.total / _column(moments.rows, moments.total)
        names, places = np.unique(speakers, return_inverse=True)
        counts = np.bincount(places)
        own = np.stack([means[places == place].mean(axis=0) for place in range(len(names))])
        within = ((means - own[places]) ** 2).sum(axis=0) / max(len(means) - len(names), 1)
        scatter = own.var(axis=0, ddof=1) if len(names) > 1 else np.zeros_like(within)
        between = np.maximum(scatter - within * (1 / counts).mean(), 0)
        voices = cls(kind, own.mean(axis=0), between, within, np.zeros_like(within), np.ones_like(within))
        if kind == "speaker":
            return voices
        rows = _column(moments.rows, moments.total)
        different = {id(which): which for which in known}  # most recordings of a speaker share theirs
        centre = {key: voices.centre(moments[which]) for key, which in different.items()}
        centres = np.stack([centre[id(which)] for which in known])
        offset = (moments.total - rows * centres).sum(axis=0) / rows.sum()
        squares = (moments.squares - 2 * centres * moments.total + rows * centres**2).sum(axis=0) / rows.sum()
        return cls(kind, voices.mean, between, within, offset, _root(squares - offset**2))

    def centre(self, moments):
        """Return the centre of a speaker by some recordings: their mean, with "shrunk" drawn towards that of all speakers."""
        if self.kind != "shrunk":
            return moments.mean
        noise = self.within / len(moments.rows)
        weight = np.divide(self.between, self.between + noise, out=np.zeros_like(noise), where=self.between > 0)
        return weight * moments.mean + (1 - weight) * self.mean

    def statistics(self, moments):
        """Return mean and SD by which a speaker is standardised, who is known from some recordings.

        Parameters
        ----------
        moments : Moments
            Of the recordings from which the speaker is known, at least one.

        Returns
        -------
        mean, sd : numpy.ndarray
        """
        if self.kind == "speaker":
            return moments.mean, moments.sd
        return self.centre(moments) + self.offset, self.sd


def _column(rows, like):
    """Return numbers of rows in a shape that multiplies with the sums of recordings."""
    return rows.reshape(-1, *[1] * (like.ndim - 1)).astype(np.float64)


def _root(variance):
    sd = np.sqrt(np.maximum(variance, 0))
    return np.where(sd < 1e-8, 1.0, sd)
