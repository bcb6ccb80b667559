"""The networks: encoder x attention x gender, put together from a `RunConfig`."""

import dataclasses
from functools import cached_property, partial

import numpy as np
import pandas as pd

from sermodules import features
from sermodules.features import BANDS, CHANNELS
from sermodules.folds import gender, segments, voices
from sermodules.folds.gender import INPUT
from sermodules.folds.parts import PARTS, FoldData, Part, class_indices, split
from sermodules.folds.segments import FRAMES
from sermodules.models.attention import ATTENTIONS
from sermodules.models.backend import begin, keras
from sermodules.models.epochs import NetworkMethod, in_batches, minibatches, selection, undersampled, weights
from sermodules.models.fused import FusedLeakyReLU, FusedLSTM
from sermodules.models.normalisation import NORMALISATIONS, SpeakerNormalization

GENDER_DIMENSIONS, GENDER_UNITS = 300, 64  # the paper, section 2.3


def size(full, width):
    """Return a layer's size at a width, at least 1."""
    return max(1, round(full * width))


def encoder(x, mask, config):
    """Turn 3-D log-Mels into a sequence of vectors: convolutions, a linear layer and a BiLSTM.

    Parameters
    ----------
    x : KerasTensor, shape (batch, 300, 40, 3)
    mask : KerasTensor or None, shape (batch, 150)
    config : RunConfig
        ``width``, ``conv_layers``, ``pool`` and ``batch_norm`` matter.

    Returns
    -------
    KerasTensor, shape (batch, 150, 2 * lstm)
        ``lstm`` is 128 at the paper's width. Time is halved by the pooling after the first convolution.

    Notes
    -----
    Sizes after the paper, section 2.2.2, at width 1: filters of 5 frames x 3 bands, 128 of them in the first convolution and
    256 in the others; max-pooling only after the first; a linear layer of 768; 128 LSTM cells a direction. LeakyReLU with
    slope 0.01 after ACRNN's code, as the paper does not name its activation.
    """
    for number in range(config.conv_layers):
        filters = size(128 if number == 0 else 256, config.width)
        x = keras.layers.Conv2D(filters, (5, 3), padding="same", data_format="channels_last", name=f"conv{number + 1}")(
            x
        )
        if number == 0:  # before the activation, which rises everywhere: the same values from a quarter of the work
            x = keras.layers.MaxPooling2D(
                (2, 2) if config.pool == "2x2" else (2, 4), data_format="channels_last", name="pool"
            )(x)
        x = FusedLeakyReLU(negative_slope=0.01, name=f"conv{number + 1}_activation")(x)
    x = keras.layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="frames")(x)
    x = keras.layers.Dense(size(768, config.width), name="linear")(x)
    if config.batch_norm != "none" and config.batch_norm_at != "dense":
        x = NORMALISATIONS[config.batch_norm](name="batch_norm")(x)
        x = FusedLeakyReLU(negative_slope=0.01, name="linear_activation")(x)
    lstm = FusedLSTM(size(128, config.width), return_sequences=True)
    return keras.layers.Bidirectional(lstm, name="bilstm")(x, mask=mask)


def gender_branch(gender, direct=False):
    """Turn a gender, 0 (female) or 1 (male), into 64 numbers, as in the paper's section 2.3.

    Parameters
    ----------
    gender : KerasTensor of int, shape (batch, 1)
    direct : bool
        Look the 64 numbers up directly, without the 300 between.

    Returns
    -------
    KerasTensor, shape (batch, 64)
        A table of two rows of 300, a dense layer of 64 (linear: the paper names no activation), flattened.
    """
    x = keras.layers.Embedding(2, GENDER_UNITS if direct else GENDER_DIMENSIONS, name="gender_embedding")(gender)
    if not direct:
        x = keras.layers.Dense(GENDER_UNITS, name="gender_dense")(x)
    return keras.layers.Flatten(name="gender_flat")(x)


def network(config, classes):
    """Make the network of a configuration, with its initial weights drawn from the configuration's seed.

    See chapter "The CNN-BiLSTM".

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Its inputs are a dict: ``log_mel`` (batch, 300, 40, 3); ``gender`` (batch, 1) if it is told one;
        ``mask`` (batch, 300), true where there is speech, if ``config.padding`` is "masked". Its output is the logits,
        (batch, classes) in float32: their softmax is the segment's posterior.

    Examples
    --------
    >>> from sermodules import models
    >>> from sermodules.config import RunConfig
    >>> network = models.network(RunConfig.create(preset="smoke"), 4)
    >>> {name: x.shape for name, x in network.input.items()}
    {'log_mel': (None, 300, 40, 3), 'gender': (None, 1)}
    >>> network.output.shape
    (None, 4)
    """
    begin(config)
    keras.config.set_dtype_policy(config.precision)
    try:
        inputs = {"log_mel": keras.Input((FRAMES, BANDS, CHANNELS), name="log_mel", dtype="float32")}
        mask = None
        if config.padding == "masked":
            inputs["mask"] = keras.Input((FRAMES,), name="mask", dtype="bool")
            mask = inputs["mask"][:, ::2]  # a pooled frame counts if the first of its two frames is speech
        x = encoder(inputs["log_mel"], mask, config)
        x = ATTENTIONS[config.attention](x, mask)
        if config.gender in INPUT:
            inputs["gender"] = keras.Input((1,), name="gender", dtype="int32")
            branch = gender_branch(inputs["gender"], direct=config.gender == "embedding64")
            x = keras.layers.Concatenate(name="with_gender")([x, branch])
        if config.dense_units and config.batch_norm_at == "linear":
            x = keras.layers.Dense(config.dense_units, activation="relu", name="dense")(x)
        elif config.dense_units:
            x = keras.layers.Dense(config.dense_units, name="dense")(x)
            x = NORMALISATIONS[config.batch_norm](name="dense_norm")(x)
            x = keras.layers.ReLU(name="dense_activation")(x)
        logits = keras.layers.Dense(classes, name="logits", dtype="float32")(x)
        return keras.Model(inputs, logits, name=config.model)
    finally:
        keras.config.set_dtype_policy("float32")


class CnnBilstm(NetworkMethod):
    """The paper's networks, and every other one that `network` makes.

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.

    Attributes
    ----------
    network : keras.Model
    """

    def __init__(self, config, classes):
        super().__init__(config, classes)
        self.network = network(config, classes)

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold; see `Method.prepare`. The inputs are those of `network`."""
        table, fold, classes, tables = split(config, table, fold)
        extracted = features.extract(table, **config.extraction)
        cut = {part: segments.cut(rows, extracted.frames, config.segmentation, part) for part, rows in tables.items()}
        if config.by_speaker:
            known = voices.enrolled(table, config)
            standardiser = segments.SpeakerStandardiser.learn(config.standardise, extracted, table, fold.train, known)
        else:
            standardiser = segments.Standardiser.fit(extracted, cut["train"], config.standardise, config.padding)
        told, notes = dict.fromkeys(PARTS), {}
        if config.gender in INPUT:
            told = gender.told(config.gender, tables, extracted, config.seed)
        if told["test"]:
            truth = dict(zip(tables["test"]["utterance"], tables["test"]["gender"] == "male", strict=True))
            notes["gender_told_true"] = float(np.mean([told["test"][name] == male for name, male in truth.items()]))

        def part(name):
            made = _part(config, tables[name], cut[name], classes, extracted, standardiser, told[name])
            shifted = config.gender == "prior_shift" and name == "test"
            shift = gender.prior_shift(cut["train"], cut[name], classes) if shifted else None
            return dataclasses.replace(made, offset=shift)

        parts = list(map(part, PARTS))
        if config.class_weight == "undersample":
            notes["segments_learned_from"] = len(selection(parts[0].labels, config.class_weight, config.seed))
        return FoldData(fold, classes, *parts, extracted.corpus_digest, standardiser, extracted, notes)

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings; see `Method.part`. Whoever is not male is told to the network as female."""
        extracted = features.extract(table, **config.extraction)
        rows = segments.cut(table, extracted.frames, config.segmentation)
        if config.by_speaker:
            heard = table[table["known"]] if "known" in table else table.iloc[:0]
            known = heard.groupby("speaker")["utterance"].agg(list).to_dict()
            standardiser = (standardiser or segments.SpeakerStandardiser({})).meet(extracted, table, known)
        told = None
        if config.gender in INPUT:
            told = gender.told("embedding", {"test": table}, extracted, config.seed)["test"]
        return _part(config, table, rows, classes, extracted, standardiser, told)

    def fit(self, data, config, verbose=True, previous=None):
        """Train the network, see `NetworkMethod.fit`; say first how many segments undersampling leaves."""
        labels = data.train.labels
        left = undersampled(labels, selection(labels, config.class_weight, config.seed), data.classes)
        if left and verbose:
            print(left)
        return super().fit(data, config, verbose, previous)

    def minibatches(self, data, config):
        """Give the segments in an order drawn anew each epoch; see `epochs.minibatches`."""
        rows = selection(data.train.labels, config.class_weight, config.seed)
        weight = weights(data.train.labels, config.class_weight, len(data.classes))
        drawn = minibatches(data.train, rows, config.batch_size, config.seed, weight)
        return drawn, -(-len(rows) // config.batch_size)

    def logits(self, part):
        """Return the network's outputs, (segments, classes) float32."""
        if self.config.batch_norm == "speaker":
            return self._logits_by_speaker(part)
        return in_batches(self.network, part, partial(_inputs, part))

    @cached_property
    def _normalised(self):
        """Each layer that normalises by speaker, with the network up to it."""
        layers = [layer for layer in self.network.layers if isinstance(layer, SpeakerNormalization)]
        return [(layer, keras.Model(self.network.input, layer.input)) for layer in layers]

    def _logits_by_speaker(self, part):
        """Run the network for each speaker: the statistics of each layer in turn, then the outputs.

        Segments without a speaker (the stored one of a kept model) are taken as of one.
        """
        outputs = np.empty((len(part.labels), self.classes), np.float32)
        speakers = part.segments["speaker"] if "speaker" in part.segments else np.zeros(len(part.labels))
        for mine in pd.DataFrame(index=range(len(speakers))).groupby(np.asarray(speakers)).indices.values():
            one = dataclasses.replace(part, labels=part.labels[mine], inputs=_inputs(part, mine))
            for layer, before in self._normalised:
                mean, square = in_batches(before, one, partial(_inputs, one), then=_moments).mean(axis=0)
                layer.know(mean, square - mean**2)
            outputs[mine] = in_batches(self.network, one, partial(_inputs, one))
        for layer, _ in self._normalised:
            layer.know()
        return outputs


def _inputs(part, rows):
    """Cut the network's inputs for rows of a part."""
    return {name: values[rows] for name, values in part.inputs.items()}


def _moments(x):
    """Return each segment's mean and mean square over time, if it has any: from (n, ..., features) to (n, 2, features)."""
    exact = np.asarray(x, np.float64).reshape(len(x), -1, x.shape[-1])
    return np.stack([exact.mean(axis=1), (exact**2).mean(axis=1)], axis=1)


def _part(config, table, rows, classes, extracted, standardiser, told):
    """Gather the inputs of the network for the segments of some utterances; `told` is None if it is told no gender."""
    inputs = {"log_mel": segments.gather(extracted, rows, standardiser, config.padding)}
    if told is not None:
        inputs["gender"] = rows["utterance"].map(told).to_numpy(np.int32)[:, None]
    if config.padding == "masked":
        inputs["mask"] = segments.masks(rows)
    return Part(table, rows, inputs, class_indices(rows, classes))
