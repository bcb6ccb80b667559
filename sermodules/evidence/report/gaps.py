"""Which runs of a study are missing, in words."""

from itertools import product

from sermodules.evidence.report.cells import cell, labels
from sermodules.evidence.report.wording import plural, ranges


def missing(results, wanted, unread=()):
    """Say which runs are missing.

    Parameters
    ----------
    results : list of RunResult
    wanted : list of RunConfig
        All runs of the study. If there is none, the grid that the results span.
    unread : tuple of str
        Why nobody can tell how many runs the study should have; see `sermodules.study.Study`.

    Returns
    -------
    tuple of (str, list of str)
        How many runs there are, and a line for each configuration that lacks some.
    """
    done = {result.config for result in results}
    names = labels(results, wanted)
    if not wanted:
        folds, seeds = {config.fold for config in done}, {config.seed for config in done}
        wanted = [each.replace(fold=fold, seed=seed) for each, fold, seed in product(names, folds, seeds)]
    wanted = done | set(wanted)
    gaps = {label: _gaps([config for config in wanted if cell(config) == each], done) for each, label in names.items()}
    lines = [f"{label}: {text}" for label, text in gaps.items() if text]
    return f"{len(done)} runs" if unread else f"{len(done)} of {len(wanted)} runs", lines


def _gaps(runs, done):
    """Say which runs of one configuration are missing; empty if none is."""
    absent = [config for config in runs if config not in done]
    if len(absent) == len(runs):
        return f"all {len(runs)} runs"
    gaps = {}  # the missing seeds of a fold, None for all of them, to the folds
    for fold in sorted({config.fold for config in absent}):
        seeds = sorted(config.seed for config in absent if config.fold == fold)
        every = len(seeds) == sum(config.fold == fold for config in runs)
        gaps.setdefault(None if every else tuple(seeds), []).append(fold)
    return "; ".join(_gap(folds, seeds) for seeds, folds in gaps.items())


def _gap(folds, seeds):
    text = f"{plural('fold', len(folds) > 1)} {ranges(folds)}"
    return text if seeds is None else f"{text} ({plural('seed', len(seeds) > 1)} {ranges(seeds)})"
