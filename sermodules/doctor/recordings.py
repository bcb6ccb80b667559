"""Which corpora are there, and whether the synthetic one is, or can be made."""

from sermodules import corpora, features, files, paths
from sermodules.doctor import place
from sermodules.doctor.finding import Finding
from sermodules.errors import SermodulesError

#: The corpus of ``studies/quick.yaml``.
QUICK = "synthetic"


def look():
    """Return what is to be said of corpora, a list of `Finding`."""
    try:
        rows = {row["name"]: row for row in corpora.status()}
    except PermissionError as error:
        todo = "set SERMODULES_DATA to a folder that you may read, or have it opened to you"
        return [Finding("corpora", "a folder of them may not be read", todo, _may_not_be_read(), files.refusal(error))]
    findings = [_quick(rows[QUICK])]
    found = [name for name, row in rows.items() if row["found"] and name != QUICK]
    missing = [name for name, row in rows.items() if not row["found"] and not row["problem"] and name != QUICK]
    others = f"{', '.join(found) or 'none'} found" + (f"; not there: {', '.join(missing)}" if missing else "")
    findings.append(Finding("corpora", others + ("; `sermodules corpora` says how to get them" if missing else "")))
    for name, row in rows.items():
        if row["problem"] and name != QUICK:
            findings.append(
                Finding(
                    "corpora", f"{name} is not as it should be", "`sermodules corpora` says why", False, row["problem"]
                )
            )
    return findings


def _may_not_be_read():
    """Tell whether it is the corpus of ``studies/quick.yaml`` that the system refuses."""
    try:
        corpora.find(QUICK)
    except PermissionError:
        return True
    except SermodulesError:
        return False
    return False


def _quick(row):
    """Say whether ``studies/quick.yaml`` has recordings, and features or room for them."""
    if row["problem"]:
        todo = f"move its folder away: it is made anew by `sermodules corpora make {QUICK}`"
        return Finding(QUICK, "the corpus is damaged", todo, True, row["problem"])
    if not row["found"]:
        where = [place.writable(QUICK, root, "") for root in paths.data_roots()]
        if any(finding.text.startswith("cannot") for finding in where):
            where = [finding for finding in where if not finding.text.startswith("cannot")] or where[:1]
        if where[0].text.startswith("cannot"):
            todo = "set SERMODULES_DATA to a folder of yours: it is made there at its first use"
            return Finding(QUICK, "the corpus is not there, and cannot be made", todo, True, where[0].private)
        return Finding(QUICK, "the corpus is made at its first use, in about a minute")
    if place.writable("cache", paths.cache_root(), "").text.startswith("cannot"):
        try:
            features.extract(corpora.load(QUICK))
        except SermodulesError as error:
            todo = "set SERMODULES_CACHE to a folder of yours with room"
            return Finding(QUICK, "its features are not in the cache, and cannot be put there", todo, True, str(error))
    return Finding(QUICK, "the corpus is there", private=str(row["found"]))
