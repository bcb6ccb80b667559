"""Confusion matrices of a study: the runs of all speakers and seeds in one matrix, in % of the true class."""

import numpy as np
import pandas as pd

from sermodules.errors import SermodulesError


def pooled_confusion(matrices):
    """Average a study's confusion matrix over the seeds, add the speakers up, and give it in % of the true class.

    Every utterance counts the same, so a speaker with many utterances of a class weighs more. The paper does not say
    how its Tables 3 and 4 were averaged.

    Parameters
    ----------
    matrices : dict of (speaker, seed) to pandas.DataFrame, shape (k, k)
        Counts of each speaker in each seed, from `metrics.confusion`.

    Returns
    -------
    pandas.DataFrame, shape (k, k)
        Rows are the true classes, in %; NaN where nobody has the class. ``attrs["kind"]`` is "pooled" and
        ``attrs["caption"]`` a sentence that says so.

    Raises
    ------
    SermodulesError
        If there is no matrix, the classes differ, or the seeds of a speaker do not test the same utterances.
    """
    speakers = _counts(matrices)
    return _labelled(_percent(sum(speakers.values())), matrices, "pooled", "the counts of all speakers added up")


def speaker_averaged_confusion(matrices):
    """Give each speaker's confusion matrix in % of the true class (seeds averaged), then average the speakers.

    Every speaker counts the same. A class is averaged over the speakers who have it, so the mean of the diagonal is the
    mean UAR over the speakers if every speaker has every class.

    Parameters
    ----------
    matrices : dict of (speaker, seed) to pandas.DataFrame, shape (k, k)
        Counts of each speaker in each seed, from `metrics.confusion`.

    Returns
    -------
    pandas.DataFrame, shape (k, k)
        As `pooled_confusion`, with the kind "speaker-averaged".

    Raises
    ------
    SermodulesError
        As `pooled_confusion`.
    """
    shares = np.stack([_percent(counts).to_numpy() for counts in _counts(matrices).values()])
    present = ~np.isnan(shares)
    count = present.sum(axis=0)
    mean = np.where(present, shares, 0).sum(axis=0) / np.where(count, count, np.nan)
    first = next(iter(matrices.values()))
    return _labelled(
        pd.DataFrame(mean, first.index, first.columns),
        matrices,
        "speaker-averaged",
        "the percentages of the speakers averaged",
    )


def _counts(matrices):
    """Return the mean counts of each speaker over the seeds."""
    if not matrices:
        raise SermodulesError("no confusion matrix was given: run the study first")
    first = next(iter(matrices.values()))
    speakers = {}
    for (speaker, seed), matrix in matrices.items():
        if list(matrix.index) != list(first.index) or list(matrix.columns) != list(first.index):
            raise SermodulesError(
                f"the confusion matrix of speaker {speaker}, seed {seed} has the classes {list(matrix.index)} x "
                f"{list(matrix.columns)}; all must have {list(first.index)}"
            )
        same = speakers.setdefault(speaker, [])
        if same and not np.array_equal(same[0].sum(axis=1), matrix.sum(axis=1)):
            raise SermodulesError(
                f"speaker {speaker}, seed {seed}: other utterances than in the other seeds: the counts of the classes differ"
            )
        same.append(matrix)
    return {speaker: sum(same) / len(same) for speaker, same in speakers.items()}


def _percent(counts):
    totals = counts.sum(axis=1)
    return 100 * counts.div(totals.where(totals > 0), axis=0)


def _labelled(frame, matrices, kind, how):
    """Note on a confusion matrix what it is."""
    speakers, seeds = ({key[position] for key in matrices} for position in (0, 1))
    frame.attrs["kind"] = kind
    frame.attrs["caption"] = (
        f"{kind.capitalize()} confusion matrix, in % of the true class: {len(speakers)} speaker(s), mean over {len(seeds)} "
        f"seed(s), {how}"
    )
    return frame
