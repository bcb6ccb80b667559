"""The mixed model of all runs. It stands beside the tests and decides nothing."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats

from sermodules.errors import SermodulesError
from sermodules.evidence.statistics.levels import LEVEL
from sermodules.evidence.statistics.table import check, configurations, known


def mixed_model(scores, reference=None):
    """Fit the mixed model ``UAR ~ configuration + (1|speaker) + (1|seed)`` to all runs, and the same with an interaction.

    The first model supposes that a configuration helps every speaker alike. If it does not, every further seed seems to
    be new evidence, and its intervals are too narrow: it takes runs of the same speaker as independent. The second adds
    ``(1|speaker:configuration)`` and so lets the effect differ from speaker to speaker; in a complete grid of two
    configurations its standard error is that of the plain paired t-test over speakers. Trust the second. Neither is
    corrected for shared training speakers.

    Restricted maximum likelihood, statsmodels' `MixedLM`, by the Nelder-Mead method: its default optimisers often stop
    before the maximum when a variance is near zero. Intervals and p-values are from Student's t with as many degrees of
    freedom as there are speakers less one, because normal ones are too narrow for ten speakers.

    See chapter "How sure can we be?".

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a run and test speaker; some may be missing.
    reference : str, optional
        A configuration; the first unless given.

    Returns
    -------
    pandas.DataFrame
        Two rows a configuration other than the reference: ``configuration, reference, model`` (the formula),
        ``difference`` (points), ``se``, ``low``, ``high`` (95 %), ``p``, the SDs ``sd_speaker, sd_seed, sd_interaction,
        sd_residual`` (points of UAR) and ``note``: empty, or what was wrong with the fit.

    Raises
    ------
    SermodulesError
        As `by_speaker`; also if there are not two configurations, speakers and seeds.

    Examples
    --------
    The new configuration gains 0, 2, 3, 4 and 6 points, give or take 1 with the seed. The second standard error is that of the
    paired t-test, the root of 5/5; the first is too small.

    >>> import pandas as pd
    >>> from sermodules.evidence import statistics
    >>> gains = enumerate([0, 2, 3, 4, 6], 1)
    >>> grid = [(fold, seed, gain + (-1) ** (fold + seed)) for fold, gain in gains for seed in (1, 2)]
    >>> rows = [("old", fold, f"s{fold}", seed, 50 + 5 * fold) for fold, seed, _ in grid]
    >>> rows += [("new", fold, f"s{fold}", seed, 50 + 5 * fold + gain) for fold, seed, gain in grid]
    >>> statistics.mixed_model(pd.DataFrame(rows, columns=statistics.COLUMNS))[["difference", "se"]].round(2)
       difference    se
    0         3.0  0.65
    1         3.0  1.00
    """
    check(scores)
    names = configurations(scores)
    reference = names[0] if reference is None else reference
    known(scores, reference)
    for column in ("configuration", "speaker", "seed"):
        if scores[column].nunique() < 2:
            raise SermodulesError(f"a mixed model needs at least two of each, but the scores hold one {column}")
    names = [reference, *(name for name in names if name != reference)]
    data = scores.assign(
        configuration=pd.Categorical(scores["configuration"], names),
        pair=scores["speaker"].astype(str) + " / " + scores["configuration"],
    ).reset_index(drop=True)
    stated = {"speaker": "0 + C(speaker)", "seed": "0 + C(seed)"}
    return pd.concat(
        [
            _fit_mixed(data, "UAR ~ configuration + (1|speaker) + (1|seed)", stated),
            _fit_mixed(
                data,
                "UAR ~ configuration + (1|speaker) + (1|seed) + (1|speaker:configuration)",
                stated | {"interaction": "0 + C(pair)"},
            ),
        ],
        ignore_index=True,
    )


def _fit_mixed(data, model, components):
    """Return the rows of `mixed_model` for one model."""
    from statsmodels.formula.api import mixedlm  # slow to import, and seldom needed

    reference, *others = data["configuration"].cat.categories
    rows = pd.DataFrame({"configuration": others, "reference": reference, "model": model})
    numbers = ["difference", "se", "low", "high", "p", "sd_speaker", "sd_seed", "sd_interaction", "sd_residual"]
    rows[numbers] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            formula = mixedlm("uar ~ C(configuration)", data, groups=np.ones(len(data)), vc_formula=components)
            fit = formula.fit(reml=True, method="nm", maxiter=2000)
            rows["difference"], rows["se"] = np.asarray(fit.fe_params)[1:], np.asarray(fit.bse_fe)[1:]
        except np.linalg.LinAlgError as error:
            return rows.assign(note=f"could not be fitted: {error}")
    df = data["speaker"].nunique() - 1
    half = rows["se"] * stats.t.ppf((1 + LEVEL) / 2, df)
    rows["low"], rows["high"] = rows["difference"] - half, rows["difference"] + half
    rows["p"] = 2 * stats.t.sf(np.abs(rows["difference"] / rows["se"]), df)
    for name, variance in zip(fit.model.exog_vc.names, fit.vcomp, strict=True):
        rows[f"sd_{name}"] = np.sqrt(variance)
    rows["sd_residual"] = np.sqrt(fit.scale)
    return rows.assign(note=_note(fit, caught))


def _note(fit, caught):
    """Say what was wrong with a fit."""
    notes = [] if fit.converged else ["did not converge"]
    zero = [
        name for name, value in zip(fit.model.exog_vc.names, fit.vcomp, strict=True) if value < 1e-4 * float(fit.scale)
    ]
    if zero:
        notes.append("no variance found for: " + ", ".join(zero))
    elif fit.converged:
        notes += dict.fromkeys(str(warning.message) for warning in caught)
    return "; ".join(notes)
