"""YAML that has one meaning: study files, and files of settings."""

import os
import re
from pathlib import Path

import yaml

from sermodules import files
from sermodules.errors import ConfigError

#: What YAML 1.1, which PyYAML reads, takes for another number than YAML 1.2, or for a number where the other sees text: octal
#: and binary numbers, underscores, and numbers to the base of 60.
_TWO_NUMBERS = re.compile(
    r"[-+]?(0[0-9_]+|0o[0-7]+|0b[01_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9]*_[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?)"
)


def read(path, what):
    """Return what a YAML file holds.

    Parameters
    ----------
    path : path
    what : str
        What messages call the file, such as "study file".

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or can be taken in two ways: it has a key twice, or a number such as 010, on
        which the versions of YAML do not agree; the message names the lines. An alias, too, is refused.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ConfigError(f"{path} has an alias (*name): write out what it stands for")  # they multiply without end
        problems = [*_ambiguous(yaml.compose(text, yaml.SafeLoader))]
        content = yaml.safe_load(text)
    except FileNotFoundError as error:
        near = files.above_or_below(path)
        advice = f"There is {near}: did you mean it?" if near else "Give its path, or go to its folder."
        folder = Path(os.path.normpath(Path(path).absolute())).parent
        raise ConfigError(f"there is no {what} {Path(path).name} in {folder}. {advice}") from error
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        said = str(error).replace('in "<unicode string>", ', "in ")  # the name that the reader gives to a text
        raise ConfigError(f"{path} is not valid YAML: {said}") from error
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return content


def two_numbers(text):
    """Say that a text is a number on which the versions of YAML do not agree; None if it is not.

    Examples
    --------
    >>> from sermodules.config import strict_yaml
    >>> strict_yaml.two_numbers("010")
    '010 is one number in YAML 1.1 and another, or text, in 1.2: write a plain decimal number'
    >>> strict_yaml.two_numbers("10") is None
    True
    """
    if _TWO_NUMBERS.fullmatch(text):
        return f"{text} is one number in YAML 1.1 and another, or text, in 1.2: write a plain decimal number"
    return None


def _ambiguous(node):
    """Yield what in a YAML document readers may take in two ways."""
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, value in node.value:
            lines.setdefault(repr(key.value) + key.tag, []).append(key)
            yield from _ambiguous(key)
            yield from _ambiguous(value)
        for keys in lines.values():
            if len(keys) > 1:
                where = ", ".join(str(key.start_mark.line + 1) for key in keys)
                yield f"the key {keys[0].value!r} stands in the lines {where}: only one of them would count"
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _ambiguous(value)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and (problem := two_numbers(node.value)):
        yield f"line {node.start_mark.line + 1}: {problem}"
