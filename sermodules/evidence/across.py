"""One question, several corpora: what each says of a registered contrast, and their common mean."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.config import METHODS
from sermodules.errors import SermodulesError
from sermodules.evidence import statistics
from sermodules.evidence.report import registered

#: The row of the common mean.
TOGETHER = "both together"


def contrasts(asked, corpora):
    """Estimate the contrasts of a registered study on each corpus, in the same way, and their common mean.

    See chapter "The verdict".

    Parameters
    ----------
    asked : sermodules.study.registration.Registration
        Of the study that asks. Which models and gender inputs are taken from which is read from it, and nothing else.
    corpora : list of list of RunResult
        The runs of each corpus. A contrast is left out of a corpus without runs for it.

    Returns
    -------
    pandas.DataFrame
        A row a contrast and corpus, then one of the common mean if there are several: ``contrast``, ``corpus``, ``mean``,
        ``low``, ``high``, ``error`` (standard error; all in points of UAR), ``df``, ``speakers`` and ``trainings``. Speakers
        and trainings are clusters (`statistics.clustered_t`) on every corpus.

    Raises
    ------
    SermodulesError
        If the runs of one corpus have several configurations of a contrast's model and gender.
    """
    lines = []
    for contrast in asked.contrasts:
        pairs = tuple((_key(plus), _key(minus)) for plus, minus in contrast.pairs)
        mine = []
        for results in corpora:
            rows = _rows(results, {key for pair in pairs for key in pair})
            if set(rows["cell"]) >= {key for pair in pairs for key in pair}:
                found = statistics.clustered_t(registered.differences(replace(contrast, pairs=pairs), rows))
                mine.append({"corpus": rows["corpus"].iloc[0], **vars(found)})
        if len(mine) > 1:
            mine.append({"corpus": TOGETHER, **common_mean(pd.DataFrame(mine))})
        lines += [{"contrast": contrast.name, **line} for line in mine]
    return pd.DataFrame(lines)


def _key(config):
    return config.model, config.attention, config.gender


def _rows(results, wanted):
    """Return what `registered.differences` takes, of the runs that are asked for."""
    mine = [result for result in results if _key(result.config) in wanted]
    if not mine:
        return pd.DataFrame(columns=["cell", "corpus"])
    rows = registered.rows_of(mine)
    several = rows.assign(key=[_key(config) for config in rows["cell"]]).groupby("key")["cell"].nunique()
    if (several > 1).any():
        model, _, gender = several.index[several > 1][0]
        raise SermodulesError(
            f"{several.max()} configurations of {METHODS[model].name} with gender '{gender}' on one corpus: give the runs of"
            " one."
        )
    return rows.assign(cell=[_key(config) for config in rows["cell"]])


def common_mean(estimates):
    """Average independent estimates of one quantity, each weighted by how exact it is.

    The weight of an estimate is one over its variance; the variance of the mean is one over the sum of the weights (Borenstein,
    Hedges, Higgins, Rothstein 2010, "A basic introduction to fixed-effect and random-effects models for meta-analysis",
    Research Synthesis Methods 1, 97-111, the fixed-effect model). It says what the corpora at hand say together. What another
    corpus would say it does not: two corpora cannot show how far corpora differ. Degrees of freedom by Satterthwaite (1946),
    as in `clustered_t`::

        df = (Σ w)² / Σ (w² / df_i)

    See chapter "The verdict".

    Parameters
    ----------
    estimates : pandas.DataFrame
        ``mean``, ``error``, ``df``, ``speakers`` and ``trainings``, a row a corpus.

    Returns
    -------
    dict
        ``mean, low, high, error, df`` as in `clustered_t`, and the sums of ``speakers`` and ``trainings``.

    Raises
    ------
    SermodulesError
        If a standard error is not above 0.

    Examples
    --------
    The second is twice as exact, so it weighs four times as much:

    >>> import pandas as pd
    >>> from sermodules.evidence import across
    >>> two = pd.DataFrame({"mean": [5.0, 0.0], "error": [2.0, 1.0], "df": [9.0, 20.0], "speakers": [10, 91]})
    >>> found = across.common_mean(two.assign(trainings=[25, 25]))
    >>> round(found["mean"], 6), round(found["error"], 3), found["speakers"]
    (1.0, 0.894, 101)
    """
    errors = estimates["error"].to_numpy(float)
    if not (errors > 0).all():
        raise SermodulesError(
            "each estimate needs a standard error above 0: one of them has runs that do not differ at all"
        )
    weights = 1 / errors**2
    mean = float(weights @ estimates["mean"] / weights.sum())
    error = float(1 / np.sqrt(weights.sum()))
    df = float(weights.sum() ** 2 / (weights**2 / estimates["df"]).sum())
    half = error * float(stats.t.ppf((1 + statistics.LEVEL) / 2, df))
    counts = {name: int(estimates[name].sum()) for name in ("speakers", "trainings")}
    return {"mean": mean, "low": mean - half, "high": mean + half, "error": error, "df": df} | counts
