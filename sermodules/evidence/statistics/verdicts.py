"""The rule that turns an interval and a p-value into a verdict on a claim."""

import numpy as np

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import ALPHA, ROPE

#: What `verdict` answers.
SUPPORTED, NOT_SUPPORTED, CANNOT_TELL = "supported", "not supported", "cannot tell at this power"


def verdict(comparison, least=0.0, most=None, rope=ROPE):
    """Judge a claim about a difference.

    Two kinds of claim can be put. "B is better than A" is ``least=0``, "by at least 2 points" is ``least=2``: claims
    without an upper end. "By 1 to 2 points" is ``least=1, most=2``, "by 3.43 points" is ``least=3.43, most=3.43``:
    claims of a size.

    The interval is the smallest that holds both 95 % intervals, that of the corrected t-test and that of the bootstrap
    over speakers. In this order:

    1. **supported**: the p-value is at most 0.05, and the whole interval agrees with the claim. Without an upper end: it
       lies above `least`. With a size: it lies between ``least - rope`` and ``most + rope``, and above 0.
    2. **not supported**: no part of the interval agrees with the claim. Without an upper end: it lies below `least`, or
       below `rope` if that is more, so that at best a practically irrelevant gain is left. With a size: it lies below
       `least` or above `most`.
    3. **cannot tell at this power**: everything else, and whenever there is no interval.

    So the rule is careful both ways: a small p-value alone supports nothing, and a large one refutes nothing. An
    interval between 0 and `rope` supports "better", however small the gain; show the interval beside the verdict.
    Refutations are not corrected for the number of claims.

    See chapter "How sure can we be?".

    Parameters
    ----------
    comparison : mapping
        A row of `compare`: ``low, high, bootstrap_low, bootstrap_high`` (points) and the p-value. That is ``p_holm``, after
        Holm's correction, where it is there. A comparison that stands alone has nothing to correct: it holds ``p`` only.
    least, most : float
        What is claimed, in points, from 0 up. `most` is None for a claim without an upper end.
    rope : float
        Region of practical equivalence (points).

    Returns
    -------
    str
        `SUPPORTED`, `NOT_SUPPORTED` or `CANNOT_TELL`.

    Raises
    ------
    SermodulesError
        If `least` is negative, `most` is below it, or `rope` is negative.

    Examples
    --------
    The interval runs from 1 to 4 points: all of it is a gain, and none of it reaches 5 points. Whether the gain is at least 2
    points stays open.

    >>> from sermodules.evidence import statistics
    >>> row = {"low": 1.0, "high": 4.0, "bootstrap_low": 1.2, "bootstrap_high": 3.9, "p": 0.01}
    >>> statistics.verdict(row), statistics.verdict(row, least=5), statistics.verdict(row, least=2)
    ('supported', 'not supported', 'cannot tell at this power')
    """
    if least < 0 or rope < 0 or (most is not None and most < least):
        raise SermodulesError(
            f"not a claim: least {least}, most {most}, rope {rope}. None may be negative, nor most below least; for a claimed "
            "loss, swap the configurations."
        )
    low = np.min([comparison["low"], comparison["bootstrap_low"]])
    high = np.max([comparison["high"], comparison["bootstrap_high"]])
    if not (np.isfinite(low) and np.isfinite(high)):
        return CANNOT_TELL
    if most is None:
        agrees, disagrees = low > least, high < max(least, rope)
    else:
        agrees = low > max(least - rope, 0) and high < most + rope
        disagrees = high < least or low > most
    p = comparison["p_holm" if "p_holm" in comparison else "p"]
    if agrees and p <= ALPHA:
        return SUPPORTED
    return NOT_SUPPORTED if disagrees else CANNOT_TELL
