"""The environment variables that change what a run computes.

Each was measured to change ``predictions.csv`` (`tests/test_variables.py` measures them again). They are the user's: they are
recorded and not overwritten.
"""

import os
from pathlib import Path

#: By variable, the values that compute what a shell without it computes.
USUAL = {
    "TF_ENABLE_ONEDNN_OPTS": {"1", "true"},  # set so by this package
    "TF_DETERMINISTIC_OPS": {"1", "true"},  # set so by this package
    "TF_XLA_FLAGS": set(),
    "XLA_FLAGS": set(),
    "JAX_THREEFRY_PARTITIONABLE": {"1", "true", "t", "yes", "y", "on"},
    "ONEDNN_MAX_CPU_ISA": {"all", "default"},
    "DNNL_MAX_CPU_ISA": {"all", "default"},
}


def settings():
    """Return which of these variables differ from a fresh shell, and how.

    Returns
    -------
    dict of str to str
        By name, sorted. No value holds a path: flags that name one (such as where to dump a graph) compute nothing and are
        left out, and where a variable of XLA names a file of flags, its flags are given. "unset" is what was not set when
        TensorFlow was imported before this package: the processor has chosen then.

    Examples
    --------
    >>> from unittest import mock
    >>> import os
    >>> from sermodules.runs import variables
    >>> with mock.patch.dict(os.environ, {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_dump_to=/home/me"}):
    ...     variables.settings()
    {'XLA_FLAGS': '--xla_cpu_enable_fast_math=true'}
    """
    found = {name: _plain(name, os.environ.get(name, "")) for name in sorted(USUAL)}
    found["TF_ENABLE_ONEDNN_OPTS"] = found["TF_ENABLE_ONEDNN_OPTS"] or "unset"
    return {name: value for name, value in found.items() if value and value.lower() not in USUAL[name]}


def _plain(name, value):
    value = value.strip()
    if name.endswith("XLA_FLAGS") and value and not value.startswith("-"):
        try:
            value = Path(value).read_text(encoding="utf-8", errors="replace")  # as XLA does
        except OSError:
            return ""
    return " ".join(flag for flag in value.split() if not {"/", "\\"} & set(flag))
