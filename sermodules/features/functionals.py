"""openSMILE's functionals of a corpus: one vector an utterance.

openSMILE is free for research only, so it is no dependency of this package: install it to run the models that need it.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from sermodules import paths
from sermodules.config import require
from sermodules.corpora import audio, unusable
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import ConfigError, TrainingError
from sermodules.features import cache

#: Number of functionals, by the name that openSMILE gives to the set.
FEATURE_SETS = {"ComParE_2016": 6373, "eGeMAPSv02": 88}
#: Samples of openSMILE's longest frame (60 ms). A shorter signal is filled up with zeros to it: without a frame, openSMILE
#: has no functionals.
FRAME = 960
#: The one level of ``level="equal"``: root mean square of a recording, full scale 1. It is 30 dB below full scale: of speech
#: hardly a peak is further above its root mean square.
RMS = 10 ** (-30 / 20)
#: The functional of each set that is exactly 0 where no frame has a pitch.
PITCH = {"ComParE_2016": "F0final_sma_amean", "eGeMAPSv02": "F0semitoneFrom27.5Hz_sma3nz_amean"}

# openSMILE aborts in a process that has loaded TensorFlow, so it gets one of its own. The module is imported by name there:
# what `multiprocessing` starts would run the user's script once more.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); import sermodules; del sys.path[0]; "
    "from sermodules.features.functionals import _extract; _extract()"
)


def opensmile_version():
    """Return the version of the openSMILE package that is installed; see `sermodules.config.require`."""
    return require("svm_compare")["opensmile"]


def functionals(table, feature_set, level="recorded"):
    """Compute openSMILE's functionals of a corpus, or read them if they were computed before; see `cache.arrays`.

    An utterance is read with `audio.read`: 16 kHz, mono, any format. Its samples become 16-bit integers, as openSMILE's Python
    package hands them on. That is the signal that the networks start from, but **not what they hear**: theirs is normalised
    (``normalise_waveform``), and openSMILE's is as loud as it was recorded unless `level` says otherwise. Most functionals
    depend on the level, also those that do not measure it.

    Parameters
    ----------
    table : pandas.DataFrame
        Utterance table.
    feature_set : str
        A key of `FEATURE_SETS`.
    level : {"recorded", "equal"}
        ``equal`` brings the root mean square of each recording to `RMS`, or as near to it as goes without clipping.

    Returns
    -------
    pandas.DataFrame of float32, shape (utterances, functionals)
        The index holds the utterances in the table's order, the columns openSMILE's names. Units differ by functional.

    Raises
    ------
    AudioError
        If audio files cannot be used; the message names every one with the reason.
    ConfigError
        If openSMILE is not installed, or there is no such set or level.
    StoreError
        If the cache cannot be written.
    TrainingError
        If openSMILE fails.

    Warns
    -----
    UserWarning
        In which recordings openSMILE finds no pitch. It looks for none where the signal is too weak, and then gives zeros.
    """
    if feature_set not in FEATURE_SETS:
        raise ConfigError(f"feature_set is {feature_set!r}: it must be one of {', '.join(FEATURE_SETS)}")
    if level not in ("recorded", "equal"):
        raise ConfigError(f"level is {level!r}: it must be recorded or equal")
    files = pd.Series(audio.recordings(table), table["utterance"]).sort_index()

    def make():
        unusable.check(table)
        made = _run(feature_set, files.tolist(), level)
        if strange := files.index[~np.isfinite(made["functionals"]).all(axis=1)].tolist():
            raise TrainingError(
                f"openSMILE gives functionals that are no finite numbers for {len(strange)} utterances:"
                f" {', '.join(strange)}. Listen to them, and take them out of the corpus if they hold no speech."
            )
        return made

    key = cache.key(table, modules=[__file__], feature_set=feature_set, level=level, opensmile=opensmile_version())
    held = cache.arrays("functionals", key, make)
    found = pd.DataFrame(held["functionals"], files.index, held["names"].astype(object))
    _warn_of_no_pitch(found, feature_set, level)
    return found.loc[table["utterance"]]


def at_level(signal):
    """Bring a signal to the root mean square `RMS`, a constant offset apart, or as near to it as goes without clipping.

    See chapter "Baselines".

    Parameters
    ----------
    signal : numpy.ndarray, shape (samples,), float32
        Not silent.

    Returns
    -------
    numpy.ndarray, shape (samples,), float32

    Examples
    --------
    A tone comes to a root mean square of 0.0316, 30 dB below 1. A click in silence would be clipped there: its peak goes to 1.

    >>> import numpy as np
    >>> from sermodules.features.functionals import at_level
    >>> round(float(at_level(np.sin(np.arange(16000))).std()), 4)
    0.0316
    >>> float(at_level(np.eye(1, 16000)[0]).max())
    1.0
    """
    signal = np.asarray(signal, np.float64)
    gain = min(RMS / signal.std(), 1 / np.abs(signal).max())
    return (gain * signal).astype(np.float32)


def _warn_of_no_pitch(found, feature_set, level):
    """Name the recordings without a pitch: their functionals are finite, and many of them zero."""
    if silent := found.index[found[PITCH[feature_set]] == 0].tolist():
        quiet = (
            ""
            if level == "equal"
            else " If they are quiet recordings of voices, level: equal lets openSMILE hear them."
        )
        warnings.warn(
            f"openSMILE finds no pitch in {len(silent)} recordings: {', '.join(silent)}. They are whispered or noise, or so"
            " weak (a root mean square below 0.001 of full scale) that it does not look for one. Functionals of the voice are"
            f" exactly 0 then, not missing.{quiet}",
            stacklevel=3,
        )


def _run(feature_set, files, level):
    """Let a process of its own extract; return ``functionals``, (files, functionals), and ``names``, or say what failed."""
    with tempfile.TemporaryDirectory() as folder:
        recordings = [file if isinstance(file, str) else astuple(file) for file in files]
        job = {
            "feature_set": feature_set,
            "level": level,
            "recordings": recordings,
            "out": str(Path(folder, "functionals.npz")),
        }
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
    values = [smile.process_signal(_signal(path, job["level"]), SAMPLE_RATE).to_numpy(np.float32) for path in files]
    np.savez(job["out"], functionals=np.concatenate(values), names=np.array(smile.feature_names))


def _signal(path, level):
    """Read a signal; openSMILE's package multiplies it by 32768 and cuts to 16 bits, so 1.0 would come out as -1.0."""
    path = audio.Excerpt(*path) if isinstance(path, list) else path  # as JSON gives it
    signal = audio.read(path)
    signal = np.minimum(at_level(signal) if level == "equal" else signal, np.float32(32767 / 32768))
    return np.pad(signal, (0, max(0, FRAME - signal.size)))
