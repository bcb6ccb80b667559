"""A kept model, ready to be asked about recordings."""

import contextlib
import dataclasses
import io
import json
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from scipy.special import softmax

from sermodules import features, metrics, models
from sermodules.config import METHODS, RunConfig, require
from sermodules.corpora.audio import SAMPLE_RATE
from sermodules.errors import AudioError, ConfigError, StoreError
from sermodules.folds import segments, voices
from sermodules.folds.gender import INPUT
from sermodules.folds.segments import SpeakerStandardiser, Standardiser
from sermodules.inference import card, keeping
from sermodules.inference.doubts import doubts, listen
from sermodules.inference.recordings import collect
from sermodules.models.epochs import NetworkMethod
from sermodules.runs import store

#: By how much the posteriors of the stored segment may differ when a model is loaded: last digits differ between processors.
TOLERANCE = {"float32": 1e-4, "mixed_bfloat16": 0.02, "mixed_float16": 0.02}

GENDERS = ("female", "male", "unknown")

#: A speaker who is known from fewer recordings is told of, if the model was made for all of a speaker.
FEWEST = 10


@dataclass(frozen=True)
class Answer:
    """What a model says of recordings.

    Attributes
    ----------
    utterances : pandas.DataFrame
        One row an utterance, by name: ``utterance, speaker, gender, predicted`` and the posteriors, as in a run's predictions.
        A model that is told the gender adds ``between_genders``: for a speaker whose gender is not known, the largest
        difference of a posterior between a woman and a man; the posteriors are the mean of the two then. NaN elsewhere.
    segments : pandas.DataFrame
        One row a segment: ``utterance, start, end`` (s), ``predicted`` and the posteriors. A model that takes whole utterances
        has one segment each.
    notes : list of str
        What holds for all answers.
    doubts : list of str
        What makes some of them doubtful.
    complaints : list of str
        The recordings that cannot be used, each with the reason.
    """

    utterances: pd.DataFrame
    segments: pd.DataFrame
    notes: list
    doubts: list
    complaints: list


@dataclass(frozen=True, repr=False)
class Model:
    """A kept model. Make one with `load`.

    Attributes
    ----------
    folder : pathlib.Path
    config : RunConfig
    facts : dict
        See `sermodules.inference.keeping.files`.
    method : Method
    standardiser : Standardiser, SpeakerStandardiser or None
        The second, without speakers, if it knows of the training speakers' voices.
    """

    folder: Path
    config: RunConfig
    facts: dict
    method: object
    standardiser: Standardiser | SpeakerStandardiser | None

    def __repr__(self):
        return (
            f"<Model {self.config.run_id}: {', '.join(self.classes)}{'' if self.tested else '; nobody has tested it'}>"
        )

    @property
    def classes(self):
        """The classes, in the order of the posteriors."""
        return self.facts["classes"]

    @property
    def tested(self):
        """Whether somebody was left to test the model."""
        return bool(self.facts["parts"]["test"]["speakers"])

    def predict(self, recordings, *, speaker="", gender="unknown", enrol=None):
        """Predict recordings.

        Parameters
        ----------
        recordings, speaker, gender
            See `sermodules.inference.recordings.collect`.
        enrol : path, pandas.DataFrame, or list of path, optional
            Recordings from which a model that standardises by speaker knows the voices; they are not predicted. With
            ``standardise="speaker_neutral"`` neutral sentences, and there must be some. Unless given: `recordings` themselves.

        Returns
        -------
        pandas.DataFrame
            ``utterances`` of an `Answer`.

        Raises
        ------
        AudioError
            If recordings cannot be used; the message names every one.
        ConfigError
            If the model standardises by speaker and does not know who speaks or how they sound, or there is no such gender.
        CorpusError
            If there is nothing to predict, or a table cannot be used.

        Warns
        -----
        UserWarning
            What makes answers doubtful.
        """
        answer = self.ask(recordings, speaker=speaker, gender=gender, enrol=enrol, leave_out=False)
        if answer.doubts:
            warnings.warn("\n".join(answer.doubts), UserWarning, stacklevel=2)
        return answer.utterances

    def ask(self, recordings, *, speaker="", gender="unknown", enrol=None, leave_out=True):
        """Predict recordings and say all that there is to say of them.

        Nothing of a recording is kept: its features lie in a temporary folder, and not in the cache.

        Parameters
        ----------
        recordings, speaker, gender, enrol
            See `predict`.
        leave_out : bool
            Predict the others if some recordings cannot be used; else they are an error.

        Returns
        -------
        Answer
        """
        if gender not in GENDERS:
            raise ConfigError(f"gender is {gender!r}: it must be one of {', '.join(GENDERS)}")
        require(self.config.model)
        table = collect(recordings, speaker, gender)
        if self.config.asks_who:
            _check_speakers(table)
        table = self._with_enrolled(table, enrol, speaker, gender)
        heard, complaints = listen(table)
        told = {*_known(table)["utterance"]} if enrol is not None else set()
        if complaints and (told & {*complaints} or not (leave_out and heard)):
            listed = "\n  ".join(complaints.values())
            raise AudioError(f"{len(complaints)} of {len(table)} recordings cannot be used:\n  {listed}")
        table = table[table["utterance"].isin(heard)].reset_index(drop=True)
        table["duration"] = table["utterance"].map({name: one.seconds for name, one in heard.items()})
        with _cache_of_its_own():
            part = models.resolve(self.config.model).part(self.config, table, self.classes, self.standardiser)
        utterances, rows, between = self._predicted(part)
        notes, doubtful = [*self._notes(table), *between], [*doubts(heard, self.facts), *self._few(table)]
        if enrol is not None:
            utterances, rows = (
                found[~found["utterance"].isin(told)].reset_index(drop=True) for found in (utterances, rows)
            )
        return Answer(utterances, rows, notes, doubtful, [*complaints.values()])

    def _with_enrolled(self, table, enrol, speaker, gender):
        """Put the recordings from which the voices are known before the others, if there are any: the column ``known``."""
        if enrol is None:
            if self.config.standardise == "speaker_neutral":
                raise ConfigError(
                    "this model centres each speaker on neutral sentences that they read beforehand: say where they are,"
                    f" --enrol FOLDER (in Python enrol=). It was made for {self.config.enrol}."
                )
            return table
        if not self.config.by_speaker or METHODS[self.config.model].listens is not None:
            raise ConfigError(
                "this model learns nothing of a voice before it is asked (standardise"
                f" {self.config.standardise!r}): leave out --enrol (in Python enrol=)"
            )
        if self.config.batch_norm == "speaker":
            raise ConfigError(
                "this model normalises by the very recordings that it is asked about (batch_norm 'speaker'): leave out --enrol"
                " (in Python enrol=)"
            )
        known = collect(enrol, speaker, gender)
        _check_speakers(known)
        if strangers := sorted({*table["speaker"]} - {*known["speaker"]}):
            raise ConfigError(
                f"of {', '.join(strangers)} there is no recording among those that are enrolled. They are of"
                f" {', '.join(sorted({*known['speaker']}))}."
            )
        known = known[known["speaker"].isin(table["speaker"])].assign(known=True)
        known["utterance"] = "enrolled: " + known["utterance"]
        return pd.concat([known, table.assign(known=False)], ignore_index=True)

    def _few(self, table):
        """Warn of speakers who are known from fewer recordings than the model was made for."""
        if not self.config.asks_who:
            return []
        made_for = self.config.enrol or FEWEST
        counts = _known(table).groupby("speaker").size()
        return [
            f"speaker {name} is known from {_recordings(count)} only; this model was made for"
            f" {made_for if self.config.enrol else 'all of a speaker, dozens'}, and with so few its answers get worse"
            for name, count in counts.items()
            if count < made_for
        ]

    def _predicted(self, part):
        """Return a row an utterance, a row a segment, and notes."""
        unknown = ~part.segments["gender"].isin(["female", "male"]).to_numpy()
        utterances, rows = self._posteriors(part)
        table = part.table.set_index("utterance").loc[utterances.index]
        notes, between = [], None
        if self.config.gender in INPUT:
            between = pd.Series(np.nan, utterances.index)
            if unknown.any():
                told = np.where(unknown[:, None], np.int32(1), part.inputs["gender"])
                others, other_rows = self._posteriors(dataclasses.replace(part, inputs=part.inputs | {"gender": told}))
                mean, who = (utterances + others) / 2, ~table["gender"].isin(["female", "male"])
                between[who] = (utterances - others).abs().max(axis=1)[who]
                notes.append(_between(utterances[who], others[who], between[who]))
                utterances[who] = mean[who]
                rows[unknown] = (rows[unknown] + other_rows[unknown]) / 2
        found = pd.DataFrame({"speaker": table["speaker"], "gender": table["gender"]})
        found["predicted"] = self._best(utterances)
        found[utterances.columns] = utterances
        if between is not None:
            found["between_genders"] = between
        times = part.segments[["utterance"]].assign(**_times(part), predicted=self._best(rows))
        return found.reset_index(names="utterance"), pd.concat([times, rows], axis=1), notes

    def _posteriors(self, part):
        """Return the posteriors of the utterances, by name, and of the segments."""
        outputs, columns = models.logits(self.method, part).astype(np.float64), metrics.posterior_columns(self.classes)
        names, pooled = segments.pool(outputs, part.segments["utterance"], self.config.pooling)
        rows = pd.DataFrame(softmax(outputs, axis=1), part.segments.index, columns)
        return pd.DataFrame(pooled, pd.Index(names), columns), rows

    def _best(self, posteriors):
        return [self.classes[place] for place in posteriors.to_numpy().argmax(axis=1)]

    def _notes(self, table):
        """Say what holds for all answers."""
        language, name = self.facts["corpus"]["language"], self.facts["corpus"]["name"].removeprefix("table:")
        notes = [] if self.tested else [card.UNTESTED]
        spoken = f"{language} only" if language else f"the language of the recordings of {name} only"
        notes.append(
            f"The model has heard {spoken}. Of speech in another language it knows nothing, and answers all the same."
        )
        if self.config.asks_who:
            notes += [
                f"speaker {name}: standardised by the statistics of {_recordings(len(mine))}, {mine['duration'].sum():.1f} s"
                for name, mine in _known(table).groupby("speaker")
            ]
        if self.config.batch_norm == "batch" and METHODS[self.config.model].listens is None:
            notes.append(
                "This model normalises by whole batches (batch_norm 'batch'): an answer depends on the other recordings."
            )
        return notes


def load(folder):
    """Load a kept model. Nothing in its files can execute.

    Parameters
    ----------
    folder : path
        Of a run whose model was kept, or of a model from `sermodules train`. See `sermodules.runs.store.find_model`.

    Returns
    -------
    Model

    Raises
    ------
    StoreError
        If there is no model, its files are altered, or it does not give the stored segment the stored posteriors.
    TrainingError
        If this process has computed with another number of threads.
    ConfigError
        If the model needs a package that is not installed.
    """
    folder = store.find_model(folder)
    contents = store.read_model(folder)
    config, facts = RunConfig.from_json(contents["config.json"].decode()), json.loads(contents[keeping.FACTS])
    require(config.model)
    try:
        with np.load(io.BytesIO(contents[keeping.ARRAYS]), allow_pickle=False) as held:
            arrays = dict(held)
    except ValueError as error:
        raise StoreError(
            f"{folder}: {keeping.ARRAYS} holds more than plain arrays, and is not loaded: {error}"
        ) from error
    method = models.build(config, len(facts["classes"]))
    method.restore(
        {name.removeprefix("learned."): array for name, array in arrays.items() if name.startswith("learned.")}
    )
    if isinstance(method, NetworkMethod):
        _load_weights(method, folder, contents)
    _check(folder, config, facts, method, arrays)
    mean, sd = arrays.get("standardiser.mean"), arrays.get("standardiser.sd")
    standardiser = None if mean is None else Standardiser(mean, sd)
    if f"{keeping.VOICES}mean" in arrays:
        learned = {name: arrays[keeping.VOICES + name] for name in voices.LEARNED}
        standardiser = SpeakerStandardiser({}, voices.Voices(voices.KINDS[config.standardise], **learned))
    return Model(folder, config, facts, method, standardiser)


def _load_weights(method, folder, contents):
    if keeping.WEIGHTS not in contents:
        raise StoreError(f"{folder}: {keeping.WEIGHTS} is missing. Do the run again with keep_model.")
    try:
        method.network.load_weights(folder / keeping.WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{folder}: {keeping.WEIGHTS} holds another network than config.json names: {error}"
        ) from error


def _check(folder, config, facts, method, arrays):
    """Compare the arrays with their digest, and what the model says of the stored segment with what it said."""
    if keeping.digest(method, arrays) != facts["digest"]:
        raise StoreError(
            f"{folder}: the weights are not those of its {keeping.FACTS}. Do the run again with keep_model."
        )
    said = keeping.probe(method, facts["probe"]["utterance"], arrays)
    difference = float(np.abs(said - facts["probe"]["posteriors"]).max())
    if not difference <= TOLERANCE[config.precision]:
        raise StoreError(
            f"{folder}: the model gives its stored segment other posteriors than when it was kept (by {difference:.2g}): this"
            " code or these versions compute something else. Do the run again with keep_model."
        )


def _check_speakers(table):
    if nobody := table.loc[table["speaker"] == "", "utterance"].tolist():
        raise ConfigError(
            f"this model standardises each speaker by recordings of their own, and of {_recordings(len(nobody))} it is not"
            f" told who speaks, such as {nobody[0]}. Say it: --speaker NAME (in Python speaker=) if all are of one, or a table"
            " with the columns path and speaker."
        )


@contextlib.contextmanager
def _cache_of_its_own():
    """Let features be kept in a folder that is removed at the end."""
    folder = tempfile.TemporaryDirectory(prefix="sermodules-", ignore_cleanup_errors=True)
    with folder as path, mock.patch.dict(os.environ, SERMODULES_CACHE=path):
        yield


def _times(part):
    """Return where segments begin and end (s)."""
    hop, frame = features.FRAME_HOP / SAMPLE_RATE, features.FRAME / SAMPLE_RATE
    start = part.segments["start"] * hop
    return {"start": start.round(3), "end": (start + (part.segments["frames"] - 1) * hop + frame).round(3)}


def _between(women, men, difference):
    """Say what not knowing the gender changes."""
    other = int((women.to_numpy().argmax(axis=1) != men.to_numpy().argmax(axis=1)).sum())
    return (
        f"The model wants the gender, and of {_recordings(len(women))} it is not told: the posteriors are the mean of those"
        f" of a woman and of a man. They differ by up to {difference.max():.3f}, and {other} would be predicted otherwise."
        " --gender (in Python gender=) says it."
    )


def _known(table):
    """Return the recordings from which the speakers are known."""
    return table[table["known"]] if "known" in table else table


def _recordings(count):
    return f"{count} recording{'s' * (count != 1)}"
