"""A file of settings, for one run: YAML, or the ``config.json`` of a run."""

import yaml

from sermodules.config import strict_yaml
from sermodules.config.run import RunConfig, refuse_empty
from sermodules.errors import ConfigError


def read(path=None, given=()):
    """Make the configuration of one run.

    Parameters
    ----------
    path : path, optional
        A mapping from settings to values.
    given : iterable of (str, str)
        Settings that win over the file's, as text: ``("fold", "3")``.

    Returns
    -------
    RunConfig

    Raises
    ------
    ConfigError
        If the file cannot be read, is something else or can be taken in two ways, or a setting is not allowed.

    Examples
    --------
    >>> from sermodules.config import file
    >>> config = file.read(given=[("preset", "smoke"), ("fold", "3"), ("merge_excited", "True")])
    >>> config.fold, config.merge_excited
    (3, True)
    """
    settings = _mapping(path) if path is not None else {}
    settings |= {name: _value(name, text) for name, text in given}
    refuse_empty(settings)
    return RunConfig.create(**settings)


def _mapping(path):
    content = strict_yaml.read(path, "file of settings")
    if not isinstance(content, dict) or {"settings", "grid", "folds", "seeds"} & set(content):
        raise ConfigError(
            f"{path} is not the settings of one run: it must be a mapping such as `corpus: emodb`, or a run's config.json. A"
            " study file is for `sermodules study run`."
        )
    return content


def _value(name, text):
    if problem := strict_yaml.two_numbers(text):
        raise ConfigError(f"parameter {name!r}: {problem}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):
        try:
            return float(text)  # YAML takes 1e-3 for text
        except ValueError:
            return text
    return value if isinstance(value, (bool, int, float)) or value is None else text
