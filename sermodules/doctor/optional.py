"""What is not needed for a study, and what is missing without it."""

import shutil
import subprocess

from sermodules.doctor import packages
from sermodules.doctor.finding import Finding

#: Names of a browser that checks the book's pages.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def look():
    """Return what is to be said of what is optional, a list of `Finding`."""
    return [
        _there(
            "openSMILE", packages.version("opensmile"), "the two SVMs: pip install opensmile==2.6.0, after its licence"
        ),
        _there("PyAV", packages.version("av"), "recordings in m4a, webm, amr, wma: pip install av==18.1.0"),
        _fonts(),
        _there(
            "Chromium",
            any(map(shutil.which, BROWSERS)) and shutil.which("chromedriver") and "with chromedriver",
            "the tests of the book's pages: install chromium and chromium-driver",
        ),
        _there(
            "TeX",
            shutil.which("latexmk") and shutil.which("xelatex") and "latexmk, xelatex",
            "`make pdf`, which says what",
        ),
    ]


def _there(name, found, todo):
    return (
        Finding(name, str(found))
        if found
        else Finding(name, "not there, and not needed for a study", f"only for {todo}")
    )


def _fonts():
    """Say whether the system has fonts for labels in scripts that matplotlib's own font lacks."""
    lacking = []
    for script, language in {"Chinese": "zh", "Japanese": "ja", "Korean": "ko", "Hindi": "hi"}.items():
        try:
            told = subprocess.run(["fc-list", f":lang={language}", "family"], capture_output=True, text=True, timeout=5)
        except (OSError, subprocess.SubprocessError):
            return Finding(
                "fonts", "not known (no fc-list); matplotlib's own has Latin, Greek, Cyrillic and Arabic letters"
            )
        lacking += [] if told.stdout.strip() else [script]
    if lacking:
        todo = "only for labels in these scripts: install fonts, such as fonts-noto-cjk and fonts-noto-core"
        return Finding("fonts", f"none for {', '.join(lacking)}", todo)
    return Finding("fonts", "for labels in any of the large scripts")
