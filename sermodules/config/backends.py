"""The backends that Keras can compute with: which one is chosen, by whom, and what to do if it does not start."""

#: The backends of Keras, each with the packages that it is.
BACKENDS = {"tensorflow": ("tensorflow",), "jax": ("jax", "jaxlib"), "torch": ("torch",)}

#: The variable that chooses, and what is chosen without it.
VARIABLE, DEFAULT = "KERAS_BACKEND", "tensorflow"


def cannot_start(backend, error):
    """Say in one sentence why Keras does not start, which variable chose its backend, and what to install.

    Parameters
    ----------
    backend : str
        What ``KERAS_BACKEND`` says.
    error : Exception or str
        What was raised.

    Returns
    -------
    str

    Examples
    --------
    >>> from sermodules.config import backends
    >>> backends.cannot_start("jax", "No module named 'jax'")[82:]
    "(No module named 'jax'): pip install jax, or unset KERAS_BACKEND for tensorflow"
    """
    cause = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else error
    cause = " ".join(cause.split())
    if backend not in BACKENDS:
        return (
            f"Keras cannot start: the variable {VARIABLE} says {backend!r}, and no such backend can train here: unset it for "
            f"{DEFAULT}, or set it to one of {', '.join(BACKENDS)}"
        )
    if backend == DEFAULT:
        return f"Keras cannot start with {DEFAULT} ({cause}): install it with `make env`, or pip install {DEFAULT}"
    return (
        f"Keras cannot start with the backend {backend}, which the variable {VARIABLE} chooses ({cause}): "
        f"pip install {backend}, or unset {VARIABLE} for {DEFAULT}"
    )
