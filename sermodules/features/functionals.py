"""openSMILE's functionals of a corpus: one vector an utterance.

openSMILE is free for research only, so it is no dependency of this package: install it to run the models that need it.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from sermodules import paths
from sermodules.config import require
from sermodules.corpora import audio
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import ConfigError, TrainingError
from sermodules.features import cache

#: Number of functionals, by the name that openSMILE gives to the set.
FEATURE_SETS = {"ComParE_2016": 6373, "eGeMAPSv02": 88}
#: Samples of openSMILE's longest frame (60 ms). A shorter signal is filled up with zeros to it: without a frame, openSMILE
#: has no functionals.
FRAME = 960

# openSMILE aborts in a process that has loaded TensorFlow, so it gets one of its own. The module is imported by name there:
# what `multiprocessing` starts would run the user's script once more.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); import sermodules; del sys.path[0]; "
    "from sermodules.features.functionals import _extract; _extract()"
)


def opensmile_version():
    """Return the version of the openSMILE package that is installed; see `sermodules.config.require`."""
    return require("svm_compare")["opensmile"]


def functionals(table, feature_set):
    """Compute openSMILE's functionals of a corpus, or read them if they were computed before; see `cache.arrays`.

    An utterance is read with `audio.read`, so openSMILE gets the signal that the networks get: 16 kHz, mono, any
    format. Its samples become 16-bit integers, as openSMILE's Python package hands them on.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    feature_set : str
        A key of `FEATURE_SETS`.

    Returns
    -------
    pandas.DataFrame of float32, shape (utterances, functionals)
        The index holds the utterances in the table's order, the columns openSMILE's names. Units differ by functional.

    Raises
    ------
    AudioError
        If audio files cannot be used; the message names every one with the reason.
    ConfigError
        If openSMILE is not installed, or there is no such set.
    StoreError
        If the cache cannot be written.
    TrainingError
        If openSMILE fails.
    """
    if feature_set not in FEATURE_SETS:
        raise ConfigError(f"feature_set is {feature_set!r}: it must be one of {', '.join(FEATURE_SETS)}")
    files = pd.Series(audio.recordings(table), table["utterance"]).sort_index()

    def make():
        audio.check(table)
        made = _run(feature_set, files.tolist())
        if strange := files.index[~np.isfinite(made["functionals"]).all(axis=1)].tolist():
            raise TrainingError(
                f"openSMILE gives functionals that are no finite numbers for {len(strange)} utterances:"
                f" {', '.join(strange)}. Listen to them, and take them out of the corpus if they hold no speech."
            )
        return made

    key = cache.key(table, modules=[__file__], feature_set=feature_set, opensmile=opensmile_version())
    held = cache.arrays("functionals", key, make)
    return pd.DataFrame(held["functionals"], files.index, held["names"].astype(object)).loc[table["utterance"]]


def _run(feature_set, files):
    """Let a process of its own extract; return ``functionals``, (files, functionals), and ``names``, or say what failed."""
    with tempfile.TemporaryDirectory() as folder:
        recordings = [file if isinstance(file, str) else astuple(file) for file in files]
        job = {"feature_set": feature_set, "recordings": recordings, "out": str(Path(folder, "functionals.npz"))}
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD, str(paths.import_root())], input=json.dumps(job),
            stdout=None if sys.stdout.isatty() else subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
            raise TrainingError(
                f"openSMILE failed (exit status {done.returncode}): {last}. No functionals were stored."
                " Check that `import opensmile` works in this environment, and that there is memory and room on the disk."
            )
        with np.load(job["out"], allow_pickle=False) as made:
            return dict(made)


def _extract():
    """Extract the functionals of the recordings that standard input names, into the file that it names."""
    import opensmile

    job = json.load(sys.stdin)
    smile = opensmile.Smile(opensmile.FeatureSet[job["feature_set"]], opensmile.FeatureLevel.Functionals)
    files = tqdm(
        job["recordings"], desc="extracting functionals", unit="utterance",
        file=sys.stdout, disable=not sys.stdout.isatty(),
    )  # fmt: skip
    values = [smile.process_signal(_signal(path), SAMPLE_RATE).to_numpy(np.float32) for path in files]
    np.savez(job["out"], functionals=np.concatenate(values), names=np.array(smile.feature_names))


def _signal(path):
    """Read a signal; openSMILE's package multiplies it by 32768 and cuts to 16 bits, so 1.0 would come out as -1.0."""
    path = audio.Excerpt(*path) if isinstance(path, list) else path  # as JSON gives it
    signal = np.minimum(audio.read(path), np.float32(32767 / 32768))
    return np.pad(signal, (0, max(0, FRAME - signal.size)))
