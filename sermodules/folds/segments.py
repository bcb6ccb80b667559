"""Utterances to segments of 3 s and back: cutting, padding, standardising, and pooling of posteriors."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sermodules.features import BANDS, CHANNELS
from sermodules.folds.voices import KINDS, Moments, Voices

#: Frames of a segment: 3 s, one every 10 ms.
FRAMES = 300
#: Frames from the start of a segment to the start of the next: they do not overlap.
HOP = FRAMES
#: The same where ACRNN's code cuts `happy` in training.
DENSE_HOP = 100


def starts(frames, segmentation="padded_tail", dense=False):
    """Say where the segments of one utterance begin.

    See chapter "The protocol".

    Parameters
    ----------
    frames : int
        Length of the utterance, at least 1.
    segmentation : {"padded_tail", "drop_tail", "first_last", "acrnn_code"}
        For utterances of more than 300 frames: consecutive segments whose last one is padded; consecutive segments without
        that last one; or exactly two, the first and the last 300 frames. "acrnn_code" is "first_last" unless `dense`. An
        utterance of up to 300 frames is one segment in every reading.
    dense : bool
        With "acrnn_code": a segment begins every 100 frames as long as a whole one fits, as ACRNN's code cuts `happy` in
        training.

    Returns
    -------
    list of int
        First frame of each segment.

    Examples
    --------
    >>> from sermodules.folds import segments
    >>> segments.starts(700)
    [0, 300, 600]
    >>> segments.starts(700, "first_last")
    [0, 400]
    """
    if frames < 1:
        raise ValueError(f"an utterance has at least one frame, not {frames}")
    if frames <= FRAMES:
        return [0]
    if segmentation == "padded_tail":
        return list(range(0, frames, HOP))
    if segmentation == "drop_tail":
        return list(range(0, frames - FRAMES + 1, HOP))
    if segmentation == "acrnn_code" and dense:
        return list(range(0, frames - FRAMES + 1, DENSE_HOP))
    if segmentation in ("first_last", "acrnn_code"):
        return [0, frames - FRAMES]
    raise ValueError(f"segmentation {segmentation!r}: it must be padded_tail, drop_tail, first_last or acrnn_code")


def cut(table, frames, segmentation="padded_tail", part="test"):
    """List the segments of a table of utterances.

    See chapter "The protocol".

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    frames : mapping of str to int
        Length of each utterance in frames.
    segmentation : str
        See `starts`.
    part : {"train", "validation", "test"}
        Only ACRNN's code cuts differently in training.

    Returns
    -------
    pandas.DataFrame
        One row a segment, in the table's order: ``utterance, start, frames`` (real frames, at most 300), ``speaker``,
        ``gender`` and ``emotion``, which are inherited from the utterance.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import segments
    >>> table = pd.DataFrame({"utterance": ["a"], "speaker": ["F1"], "gender": ["female"], "emotion": ["sad"]})
    >>> segments.cut(table, {"a": 700})[["utterance", "start", "frames", "emotion"]]
      utterance  start  frames emotion
    0         a      0     300     sad
    1         a    300     300     sad
    2         a    600     100     sad
    """
    rows = []
    for row in table.itertuples():
        length = int(frames[row.utterance])
        for start in starts(length, segmentation, part == "train" and row.emotion == "happy"):
            real = min(FRAMES, length - start)
            rows.append((row.utterance, start, real, row.speaker, row.gender, row.emotion))
    return pd.DataFrame(rows, columns=["utterance", "start", "frames", "speaker", "gender", "emotion"])


@dataclass(frozen=True)
class Standardiser:
    """Mean and standard deviation of the training segments, taken off and divided out of every segment.

    See chapter "Features".

    Attributes
    ----------
    mean, sd : numpy.ndarray of float32, shape (40, 3) or (1, 3)
        Per Mel band and channel, or one number a channel.
    """

    mean: np.ndarray
    sd: np.ndarray

    def of(self, speaker):
        """Return the statistics for a speaker's segments: the same for all."""
        return self

    @classmethod
    def fit(cls, features, segments, standardise="band", padding="before"):
        """Measure training segments.

        See chapter "Features".

        Parameters
        ----------
        features : mapping of str to numpy.ndarray, shape (frames, 40, 3)
        segments : pandas.DataFrame
            From `cut`: the training speakers' segments and no others.
        standardise : {"band", "global"}
            One mean and SD per band and channel, or per channel only.
        padding : {"before", "after", "masked"}
            With "before" the padding zeros are part of the segments and so of the statistics, as in ACRNN's code; otherwise
            only real frames count.

        Returns
        -------
        Standardiser

        Examples
        --------
        Half of the frames are 1, the others 3: the mean is 2, and so far is every frame from it.

        >>> import numpy as np, pandas as pd
        >>> from sermodules.folds import segments
        >>> features = {"a": np.repeat([1.0, 3.0], 150)[:, None, None] * np.ones((40, 3))}
        >>> rows = pd.DataFrame({"utterance": ["a"], "start": [0], "frames": [300]})
        >>> standardiser = segments.Standardiser.fit(features, rows)
        >>> standardiser.mean.shape, float(standardiser.mean[0, 0]), float(standardiser.sd[0, 0])
        ((40, 3), 2.0, 1.0)
        """
        if segments.empty:
            raise ValueError("there are no training segments to take statistics of")
        rows = list(segments.itertuples())
        count = FRAMES * len(rows) if padding == "before" else int(segments["frames"].sum())
        mean, power = _moments((features[row.utterance][row.start : row.start + row.frames] for row in rows), count)
        if standardise == "global":
            mean, power = mean.mean(axis=0, keepdims=True), power.mean(axis=0, keepdims=True)
        return cls._of_moments(mean, power)

    @classmethod
    def _of_moments(cls, mean, power):
        sd = np.sqrt(np.maximum(power - mean**2, 0))
        sd[sd < 1e-8] = 1.0  # a constant band stays at zero
        return cls(mean.astype(np.float32), sd.astype(np.float32))


def _moments(arrays, count):
    """Return the means of x and of its square, shape (40, 3), over all frames of all arrays, which count as `count` frames."""
    total, squares = np.zeros((BANDS, CHANNELS)), np.zeros((BANDS, CHANNELS))
    for x in arrays:
        x = np.asarray(x, dtype=np.float64)
        total += x.sum(axis=0)
        squares += (x**2).sum(axis=0)
    return total / count, squares / count


@dataclass(frozen=True)
class SpeakerStandardiser:
    """Mean and standard deviation of each speaker by recordings of their own: ``standardise="speaker"`` and its kin.

    **It is transductive** unless recordings are enrolled (setting ``enrol``): the test speaker is standardised by recordings
    that are to be judged, all of them, before the first is judged. No label is used. The paper's protocol, which learns from
    the training speakers alone, forbids it.

    Attributes
    ----------
    speakers : dict of str to Standardiser
    voices : Voices or None
        What the training speakers say of voices; None where each speaker is standardised by nothing but their own recordings.
    """

    speakers: dict
    voices: Voices | None = None

    @classmethod
    def fit(cls, features, table):
        """Measure each speaker.

        Parameters
        ----------
        features : mapping of str to numpy.ndarray, shape (frames, 40, 3)
        table : pandas.DataFrame
            Utterance table, all parts of a fold. Only ``utterance`` and ``speaker`` are read.

        Returns
        -------
        SpeakerStandardiser
            Per Mel band and channel. Each frame of an utterance counts once, however the utterance is cut into segments, and
            padding does not count. The order of the rows changes nothing, nor does any other speaker. A band that is constant
            in all of a speaker's frames, as in a recording of a single frame, becomes zero; with few frames the SD is as
            uncertain as it is.

        Examples
        --------
        Each speaker's mean is taken off: what is left of two constant voices is the same.

        >>> import numpy as np, pandas as pd
        >>> from sermodules.folds import segments
        >>> features = {"a": np.full((100, 40, 3), 4.0), "b": np.full((100, 40, 3), 6.0)}
        >>> table = pd.DataFrame({"utterance": ["a", "b"], "speaker": ["F1", "M1"]})
        >>> standardiser = segments.SpeakerStandardiser.fit(features, table)
        >>> [float(standardiser.of(speaker).mean[0, 0]) for speaker in ("F1", "M1")]
        [4.0, 6.0]
        """
        speakers = {}
        for speaker, mine in table.sort_values("utterance").groupby("speaker")["utterance"]:
            frames = sum(len(features[name]) for name in mine)
            speakers[speaker] = Standardiser._of_moments(*_moments((features[name] for name in mine), frames))
        return cls(speakers)

    @classmethod
    def learn(cls, standardise, features, table, training, known):
        """Measure each speaker by what is known of them, and by what the training speakers say of voices.

        Parameters
        ----------
        standardise : str
            The setting: a key of `voices.KINDS`.
        features : mapping of str to numpy.ndarray, shape (frames, 40, 3)
        table : pandas.DataFrame
            Utterance table, all parts of a fold.
        training : iterable of str
            The training speakers.
        known : dict of str to list of str
            Speaker to the recordings from which they are known; empty: from all. A training speaker is known from as many.

        Returns
        -------
        SpeakerStandardiser
        """
        if standardise == "speaker":
            return cls({}).meet(features, table, known)
        learned = table[table["speaker"].isin(list(training))].sort_values("utterance")
        names, speakers = learned["utterance"].to_numpy(), learned["speaker"].to_numpy()
        own = {who: np.flatnonzero(np.isin(names, known[who]) if known else speakers == who) for who in {*speakers}}
        moments = Moments.measure(features[name] for name in names)
        voices = Voices.learn(KINDS[standardise], moments, speakers, [own[who] for who in speakers])
        return cls({}, voices).meet(features, table, known)

    def meet(self, features, table, known):
        """Return the statistics of the speakers of a table; `features` and `known` as in `learn`.

        Returns
        -------
        SpeakerStandardiser
        """
        heard = table[table["utterance"].isin([name for names in known.values() for name in names])] if known else table
        if self.voices is None:
            return self.fit(features, heard)
        speakers = {}
        for speaker, mine in heard.sort_values("utterance").groupby("speaker")["utterance"]:
            mean, sd = self.voices.statistics(Moments.measure(features[name] for name in mine))
            speakers[speaker] = Standardiser(mean.astype(np.float32), sd.astype(np.float32))
        return SpeakerStandardiser(speakers, self.voices)

    def of(self, speaker):
        """Return the statistics for a speaker's segments."""
        return self.speakers[speaker]


def gather(features, segments, standardiser, padding="before"):
    """Make the network's input from a list of segments.

    See chapter "Features".

    Parameters
    ----------
    features : mapping of str to numpy.ndarray, shape (frames, 40, 3)
    segments : pandas.DataFrame, n rows
        From `cut`.
    standardiser : Standardiser or SpeakerStandardiser
        The latter also needs the column ``speaker``.
    padding : {"before", "after", "masked"}
        Fill up with zeros before standardising (so a padded frame is a constant that is not zero), or after it.

    Returns
    -------
    numpy.ndarray of float32, shape (n, 300, 40, 3)

    Examples
    --------
    An utterance of 100 frames, all 4: standardised they are (4 - 2) / 2, and the padding is (0 - 2) / 2.

    >>> import numpy as np, pandas as pd
    >>> from sermodules.folds import segments
    >>> rows = pd.DataFrame({"utterance": ["a"], "start": [0], "frames": [100]})
    >>> standardiser = segments.Standardiser(mean=np.full((1, 3), 2.0), sd=np.full((1, 3), 2.0))
    >>> x = segments.gather({"a": np.full((100, 40, 3), 4.0)}, rows, standardiser)
    >>> x.shape, float(x[0, 99, 0, 0]), float(x[0, 100, 0, 0])
    ((1, 300, 40, 3), 1.0, -1.0)
    """
    x = np.zeros((len(segments), FRAMES, BANDS, CHANNELS), dtype=np.float32)
    for target, row in zip(x, segments.itertuples(), strict=True):
        target[: row.frames] = features[row.utterance][row.start : row.start + row.frames]
        real = target if padding == "before" else target[: row.frames]
        by = standardiser.of(getattr(row, "speaker", None))
        real -= by.mean
        real /= by.sd
    return x


def masks(segments):
    """Return an array of bool, shape (n, 300): true for the real frames of each segment.

    See chapter "The protocol".

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.folds import segments
    >>> segments.masks(pd.DataFrame({"frames": [300, 100]})).sum(axis=1).tolist()
    [300, 100]
    """
    return np.arange(FRAMES) < segments["frames"].to_numpy()[:, None]


def pool(logits, utterances, pooling="max"):
    """Turn the segments' outputs into one posterior an utterance.

    See chapter "The protocol".

    Parameters
    ----------
    logits : numpy.ndarray, shape (segments, classes)
        The network's outputs.
    utterances : sequence of str, one a segment
        Which utterance each segment belongs to; the segments of an utterance stand together.
    pooling : {"max", "max_logit", "vote", "mean"}
        The class-wise maximum of the segments' posteriors (the paper's "max pooling to the back probabilities"); the
        class-wise maximum of their logits; the share of segments that vote for each class; or the mean posterior.

    Returns
    -------
    names : list of str
        The utterances, in order.
    posteriors : numpy.ndarray of float64, shape (utterances, classes)
        Scaled to sum to 1, which does not change which class is largest. Ties go to the first class.

    Examples
    --------
    The maxima of two segments are 0.6 and 0.9; divided by their sum they are 0.4 and 0.6.

    >>> import numpy as np
    >>> from sermodules.folds import segments
    >>> _, posteriors = segments.pool(np.log([[0.6, 0.4], [0.1, 0.9]]), ["a", "a"])
    >>> posteriors.round(3).tolist()
    [[0.4, 0.6]]
    """
    from scipy.special import softmax

    logits = np.asarray(logits, dtype=np.float64)
    posteriors = softmax(logits, axis=1)
    utterances = np.asarray(utterances)
    first = np.flatnonzero(np.r_[True, utterances[1:] != utterances[:-1]])
    counts = np.diff(np.r_[first, len(utterances)])
    if len({*utterances[first]}) != len(first):
        raise ValueError("the segments of an utterance must stand together")
    if pooling == "max":
        result = np.maximum.reduceat(posteriors, first)
    elif pooling == "max_logit":
        result = softmax(np.maximum.reduceat(logits, first), axis=1)
    elif pooling == "vote":
        result = np.add.reduceat(np.eye(logits.shape[1])[logits.argmax(axis=1)], first)
    elif pooling == "mean":
        result = np.add.reduceat(posteriors, first) / counts[:, None]
    else:
        raise ValueError(f"pooling {pooling!r}: it must be max, max_logit, vote or mean")
    return list(utterances[first]), result / result.sum(axis=1, keepdims=True)
