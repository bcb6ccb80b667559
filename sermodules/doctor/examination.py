"""All checks one after the other, and how they are shown."""

import importlib

from sermodules import __version__
from sermodules.doctor.finding import Finding

#: The files of this folder that look at something, in the order of the screen.
CHECKS = ("packages", "computing", "place", "code", "recordings", "optional")

#: The same, for a study that starts on this machine: it looks at its own recordings, and at its own folders.
BEFORE_A_STUDY = ("packages", "computing")


def examine(checks=CHECKS):
    """Make checks.

    A check that fails itself, because a package is missing or cannot be imported, is a finding too.

    Parameters
    ----------
    checks : iterable of str
        Files of this folder.

    Returns
    -------
    list of Finding
    """
    findings = []
    for name in checks:
        try:
            module = importlib.import_module(f"sermodules.doctor.{name}")
        except Exception as error:
            text = f"cannot be looked at: {type(error).__name__}"
            findings.append(Finding(name, text, "mend what stands above, or `make env`", True, str(error)))
            continue
        try:
            findings += module.look()
        except Exception as error:
            text = f"could not be looked at: {type(error).__name__}"
            findings.append(Finding(name, text, "see whether a folder may not be read", private=str(error)))
    return findings


def screen(findings):
    """Return the findings as text, with a last line that says whether a study can start."""
    lines = [line for finding in findings for line in finding.lines()]
    return "\n".join([*lines, "", verdict(findings)])


def verdict(findings):
    """Say whether ``studies/quick.yaml`` could start."""
    stops = list(dict.fromkeys(finding.name for finding in findings if finding.stops))
    return f"No study can start here: see {', '.join(stops)}." if stops else "A study can start here."


def record(findings):
    """Return the findings for a bug report, as JSON can hold them: no path, and no name of a user or a machine.

    Examples
    --------
    >>> from sermodules.doctor import examination
    >>> from sermodules.doctor.finding import Finding
    >>> examination.record([Finding("runs", "9.1 GB free", private="/home/me/runs")])["findings"]
    [{'name': 'runs', 'state': 'good', 'text': '9.1 GB free', 'todo': ''}]
    """
    keys = ("name", "state", "text", "todo")
    return {
        "sermodules": __version__,
        "can_start": not any(finding.stops for finding in findings),
        "findings": [{key: getattr(finding, key) for key in keys} for finding in findings],
    }
