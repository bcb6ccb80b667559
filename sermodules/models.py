"""The networks: encoder x attention x gender, put together from a `RunConfig`."""

from functools import partial

import pandas as pd

from sermodules import baselines, gender
from sermodules.backend import keras, use_threads
from sermodules.features import BANDS, CHANNELS
from sermodules.layers import (
    AdditivePooling,
    BatchStatisticsNormalization,
    LinearPooling,
    LocalSelfAttention,
    MaxPooling,
    MeanPooling,
    ScaledDotAttention,
)
from sermodules.segments import FRAMES

layers = keras.layers

#: Batch normalisation, by the value of ``RunConfig.batch_norm``. Keras' momentum of 0.99 settles in some hundred minibatches;
#: a training on a small corpus may have no more.
NORMALISATIONS = {
    "running": layers.BatchNormalization,
    "running_fast": partial(layers.BatchNormalization, momentum=0.9),
    "batch": BatchStatisticsNormalization,
}

ATTENTION_UNITS = 32  # the library's default
ATTENTION_WIDTH = 15  # frames after pooling in time; the paper, section 2.2.2
GENDER_DIMENSIONS, GENDER_UNITS = 300, 64  # the paper, section 2.3


def _size(full, width):
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
        filters = _size(128 if number == 0 else 256, config.width)
        x = layers.Conv2D(filters, (5, 3), padding="same", data_format="channels_last", name=f"conv{number + 1}")(x)
        x = layers.LeakyReLU(negative_slope=0.01, name=f"conv{number + 1}_activation")(x)
        if number == 0:
            x = layers.MaxPooling2D(
                (2, 2) if config.pool == "2x2" else (2, 4), data_format="channels_last", name="pool"
            )(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="frames")(x)
    x = layers.Dense(_size(768, config.width), name="linear")(x)
    if config.batch_norm != "none":
        x = NORMALISATIONS[config.batch_norm](name="batch_norm")(x)
        x = layers.LeakyReLU(negative_slope=0.01, name="linear_activation")(x)
    return layers.Bidirectional(layers.LSTM(_size(128, config.width), return_sequences=True), name="bilstm")(
        x, mask=mask
    )


def _seq_self(x, mask):
    x = LocalSelfAttention(ATTENTION_UNITS, ATTENTION_WIDTH, name="attention")(x, mask=mask)
    return layers.GlobalAveragePooling1D(name="pooled")(x, mask=mask)


def _scaled_dot(x, mask):
    x = ScaledDotAttention(name="attention")(x, mask=mask)
    return layers.GlobalAveragePooling1D(name="pooled")(x, mask=mask)


def _additive(x, mask):
    return AdditivePooling(ATTENTION_UNITS, name="attention")(x, mask=mask)


def _acrnn(x, mask):
    return LinearPooling(name="attention")(x, mask=mask)


def _acrnn_code(x, mask):
    return AdditivePooling(1, "sigmoid", name="attention")(x, mask=mask)


def _mean(x, mask):
    return MeanPooling(name="attention")(x, mask=mask)


def _max(x, mask):
    return MaxPooling(name="attention")(x, mask=mask)


#: From ``(batch, time, features)`` to ``(batch, features)``: the values of `RunConfig.attention`. Each has a layer named
#: "attention" that can return its weights.
ATTENTIONS = {
    "seq_self": _seq_self,
    "scaled_dot": _scaled_dot,
    "additive": _additive,
    "acrnn": _acrnn,
    "acrnn_code": _acrnn_code,
    "mean": _mean,
    "max": _max,
}


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
    x = layers.Embedding(2, GENDER_UNITS if direct else GENDER_DIMENSIONS, name="gender_embedding")(gender)
    if not direct:
        x = layers.Dense(GENDER_UNITS, name="gender_dense")(x)
    return layers.Flatten(name="gender_flat")(x)


def build(config, classes):
    """Make the model of a configuration, with its initial weights drawn from the configuration's seed.

    Parameters
    ----------
    config : RunConfig
    classes : int
        Number of classes.

    Returns
    -------
    keras.Model or Baseline
        The network's inputs are a dict: ``log_mel`` (batch, 300, 40, 3); ``gender`` (batch, 1) if it is told one;
        ``mask`` (batch, 300), true where there is speech, if ``config.padding`` is "masked". Its output is the logits,
        (batch, classes) in float32: their softmax is the segment's posterior.
    """
    use_threads(config.threads)
    keras.utils.set_random_seed(config.seed)
    if config.model in baselines.BASELINES:
        return baselines.get(config.model)(config, classes)
    keras.config.set_dtype_policy(config.precision)
    try:
        inputs = {"log_mel": keras.Input((FRAMES, BANDS, CHANNELS), name="log_mel", dtype="float32")}
        mask = None
        if config.padding == "masked":
            inputs["mask"] = keras.Input((FRAMES,), name="mask", dtype="bool")
            mask = inputs["mask"][:, ::2]  # a pooled frame counts if the first of its two frames is speech
        x = encoder(inputs["log_mel"], mask, config)
        x = ATTENTIONS[config.attention](x, mask)
        if config.gender in gender.INPUT:
            inputs["gender"] = keras.Input((1,), name="gender", dtype="int32")
            branch = gender_branch(inputs["gender"], direct=config.gender == "embedding64")
            x = layers.Concatenate(name="with_gender")([x, branch])
        if config.dense_units:
            x = layers.Dense(config.dense_units, activation="relu", name="dense")(x)
        logits = layers.Dense(classes, name="logits", dtype="float32")(x)
        return keras.Model(inputs, logits, name=config.model)
    finally:
        keras.config.set_dtype_policy("float32")


def parameters(model):
    """List the layers of a model.

    Parameters
    ----------
    model : keras.Model or Baseline

    Returns
    -------
    pandas.DataFrame
        A row a layer (of a baseline, a row a step): ``layer``, ``output`` (its shape, without the batch) and ``parameters``.
    """
    if isinstance(model, baselines.Baseline):
        return model.parameters()
    rows = [(layer.name, str(tuple(layer.output.shape[1:])), layer.count_params()) for layer in model.layers]
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def attention_weights(model, inputs):
    """Say where a network looks.

    Parameters
    ----------
    model : keras.Model
        A network from `build`.
    inputs : dict of numpy.ndarray
        n segments, as the model takes them.

    Returns
    -------
    numpy.ndarray of float32
        What depends on ``config.attention``:

        - "additive", "acrnn", "acrnn_code": (n, 150), the weight of each frame in the sum.
        - "mean": (n, 150), the same for every frame.
        - "max": (n, 150), the share of the features whose maximum lies at each frame.
        - "seq_self": (n, 150, 15), where entry j of frame t is the weight of frame t - 7 + j.
        - "scaled_dot": (n, 150, 150), where entry t' of frame t is the weight of frame t'.

        The weights sum to 1 over the last axis. A masked frame has none; where all frames that "seq_self" could weigh are
        masked, all are 0.
    """
    layer = model.get_layer("attention")
    sequence = keras.Model(model.input, layer._inbound_nodes[0].arguments.args[0])(inputs, training=False)
    mask = inputs["mask"][:, ::2] if "mask" in model.input else None
    _, weights = layer(sequence, mask=mask, return_attention=True)
    return keras.ops.convert_to_numpy(weights)
