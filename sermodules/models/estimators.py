"""What an estimator of scikit-learn has learned, as plain arrays: a pickle could execute code when it is loaded."""

import numpy as np


def learned(estimator, prefix):
    """Return what fitting has added to an estimator.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        Fitted on arrays, and without other estimators in it.
    prefix : str
        Stands before each name.

    Returns
    -------
    dict of str to numpy.ndarray
        Without objects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sermodules.models import estimators
    >>> kept = estimators.learned(StandardScaler().fit(np.array([[1.0], [3.0]])), "scaler")
    >>> float(kept["scaler.mean_"][0])
    2.0
    >>> again = estimators.restore(StandardScaler(), "scaler", kept)
    >>> again.transform(np.array([[4.0]])).tolist()
    [[2.0]]
    """
    added = vars(estimator).keys() - estimator.get_params(deep=False).keys()
    return {f"{prefix}.{name}": np.asarray(getattr(estimator, name)) for name in sorted(added)}


def restore(estimator, prefix, arrays):
    """Give an estimator that is made alike what `learned` returned, and return it."""
    for name, value in arrays.items():
        if name.startswith(f"{prefix}."):
            setattr(estimator, name.removeprefix(f"{prefix}."), value if value.ndim else value.item())
    return estimator
