import functools

import numpy as np
import pandas as pd
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from sermodules import models
from sermodules.config import RunConfig
from sermodules.folds import gender
from sermodules.folds.parts import Part
from sermodules.models.backend import keras

ATTENTIONS = ("seq_self", "seq_self_equal_start", "scaled_dot", "additive", "acrnn", "acrnn_code", "mean", "max")


def paper(**changes):
    return models.network(RunConfig.create(preset="paper", **changes), 4)


# Arithmetic of the paper's sizes: weights + biases of each layer.
CONVOLUTIONS = (5 * 3 * 3 * 128 + 128) + (5 * 3 * 128 * 256 + 256) + 4 * (5 * 3 * 256 * 256 + 256)
LINEAR = (20 * 256) * 768 + 768  # 40 bands, halved by the pooling, times 256 filters
BILSTM = 2 * 4 * (768 * 128 + 128 * 128 + 128)
ENCODER = CONVOLUTIONS + LINEAR + BILSTM
GENDER = 2 * 300 + (300 * 64 + 64)
ATTENTION = {
    "seq_self": 256 * 32 + 256 * 32 + 32 + 32 + 1,
    "seq_self_equal_start": 256 * 32 + 256 * 32 + 32 + 32 + 1,
    "scaled_dot": 3 * 256 * 256,
    "additive": 256 * 32 + 32 + 32,
    "acrnn": 256,
    "acrnn_code": 256 + 1 + 1,
    "mean": 0,
    "max": 0,
}


def head(vector):
    return (vector * 64 + 64) + (64 * 4 + 4)


def test_every_attention_is_tested():
    assert set(ATTENTIONS) == set(ATTENTION) == set(models.ATTENTIONS)
    assert set(ATTENTIONS) == set(RunConfig.__dataclass_fields__["attention"].metadata["choices"])


def test_parameters_of_the_paper_preset():
    assert ENCODER == 9_282_304
    assert (
        paper(model="model2").count_params() == ENCODER + ATTENTION["seq_self"] + GENDER + head(256 + 64) == 9_339_421
    )
    assert (
        paper(model="model1").count_params() == ENCODER + ATTENTION["additive"] + GENDER + head(256 + 64) == 9_331_228
    )
    assert (
        paper(model="model2", gender="none").count_params() == ENCODER + ATTENTION["seq_self"] + head(256) == 9_315_461
    )
    direct = paper(model="model2", gender="embedding64")
    assert direct.count_params() == ENCODER + ATTENTION["seq_self"] + 2 * 64 + head(256 + 64) == 9_319_685


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_parameters_of_each_attention(attention):
    network = paper(attention=attention)
    assert network.get_layer("attention").count_params() == ATTENTION[attention]
    assert network.count_params() == ENCODER + ATTENTION[attention] + GENDER + head(256 + 64)


def test_acrnn_as_published():
    network = paper(model="acrnn")
    assert network.count_params() == ENCODER + 256 + head(256) == 9_299_268
    names = [layer.name for layer in network.layers]
    assert "gender" not in network.input and "batch_norm" not in names
    assert type(network.get_layer("attention")).__name__ == "LinearPooling"


@pytest.mark.parametrize(("pool", "published"), [("2x4", 7_334_726), ("2x2", 9_300_806)])
def test_acrnns_code_has_its_published_count_of_parameters(pool, published):
    # Encoder, a batch norm of 768 (scale and shift), an attention of w (256), b and u, and the head without gender.
    narrower = 10 * 256 * 768 if pool == "2x4" else 0  # a frame has 10 bands instead of 20
    assert ENCODER - narrower + 2 * 768 + (256 + 1 + 1) + head(256) == published
    network = paper(model="acrnn_code", pool=pool)
    assert network.count_params() == published
    # Keras' own batch norm also counts the moving mean and variance, which are not trained.
    running = paper(model="acrnn_code", pool=pool, batch_norm="running")
    assert [weight.name for weight in running.non_trainable_weights] == ["moving_mean", "moving_variance"]
    assert running.count_params() == published + 2 * 768
    assert sum(np.prod(weight.shape) for weight in running.trainable_weights) == published


def test_shapes_of_the_paper_preset():
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in paper(model="model2").layers}
    assert shapes["conv1"] == (300, 40, 128) and shapes["pool"] == (150, 20, 128) and shapes["conv6"] == (150, 20, 256)
    assert shapes["linear"] == (150, 768) and shapes["bilstm"] == (150, 256) and shapes["attention"] == (150, 256)
    assert shapes["pooled"] == (256,) and shapes["gender_flat"] == (64,) and shapes["with_gender"] == (320,)
    assert shapes["dense"] == (64,) and shapes["logits"] == (4,)


def test_table_of_parameters_has_every_layer():
    network = models.network(small(), 4)
    table = models.parameters(network)
    assert list(table.columns) == ["layer", "output", "parameters"]
    assert table["parameters"].sum() == network.count_params()
    row = table.set_index("layer").loc["gender_flat"]
    assert row["output"] == "(64,)" and row["parameters"] == 0


def small(**changes):
    return RunConfig.create(**({"preset": "smoke", "width": 1 / 64} | changes))


def inputs(model, n=3, seed=0):
    rng = np.random.default_rng(seed)
    every = {
        "log_mel": rng.standard_normal((n, 300, 40, 3)).astype("float32"),
        "gender": rng.integers(0, 2, (n, 1)).astype("int32"),
        "mask": np.arange(300) < rng.integers(50, 300, (n, 1)),
    }
    return {name: every[name] for name in model.input}


def test_seed_decides_the_initial_weights():
    first, again, other = (models.network(small(seed=seed), 4) for seed in (1, 1, 2))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(first.get_weights(), other.get_weights(), strict=True))


def test_gender_reaches_the_output_only_with_the_embedding():
    model = models.network(small(), 4)
    x = inputs(model)
    flipped = x | {"gender": 1 - x["gender"]}
    assert np.abs(model.predict_on_batch(x) - model.predict_on_batch(flipped)).max() > 1e-4
    assert set(models.network(small(gender="none"), 4).input) == {"log_mel"}


def test_a_table_of_64_is_the_same_function_as_300_and_a_linear_layer():
    long, direct = models.network(small(), 4), models.network(small(gender="embedding64"), 4)
    weights = {layer.name: layer.get_weights() for layer in long.layers}
    rng = np.random.default_rng(0)
    weights["gender_dense"][1][:] = rng.standard_normal(64)  # the bias starts at 0
    long.get_layer("gender_dense").set_weights(weights["gender_dense"])
    x = inputs(long)
    x["gender"] = np.array([[0], [1], [1]], dtype="int32")
    for layer in direct.layers:
        if layer.name != "gender_embedding":
            layer.set_weights(weights[layer.name])
    before = np.abs(direct.predict_on_batch(x) - long.predict_on_batch(x)).max(axis=1)
    assert (before > 1e-3).all()
    direct.get_layer("gender_embedding").set_weights([gender.equivalent_table(long)])
    np.testing.assert_allclose(direct.predict_on_batch(x), long.predict_on_batch(x), rtol=1e-5, atol=1e-6)


def attention_shape(attention):
    if attention.startswith("seq_self"):
        return (3, 150, 15)
    return (3, 150, 150) if attention == "scaled_dot" else (3, 150)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attention_weights_sum_to_1(attention):
    network = models.network(small(attention=attention, conv_layers=1), 4)
    x = inputs(network)
    weights = models.attention_weights(network, x)
    assert weights.shape == attention_shape(attention) and weights.dtype == np.float32 and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    if attention == "mean":
        np.testing.assert_allclose(weights, 1 / 150, rtol=1e-5)
    masked = models.network(small(attention=attention, conv_layers=1, padding="masked"), 4)
    x["mask"] = np.repeat(np.arange(300)[None] < 100, 3, axis=0)
    weights = models.attention_weights(masked, x)  # the mask ends at frame 50 of 150
    if attention == "scaled_dot":
        assert not weights[:, :, 50:].any()
    else:
        assert not weights[:, 60:].any() and weights[:, :40].any()
    np.testing.assert_allclose(
        weights[:, :40].sum(axis=-1) if weights.ndim == 3 else weights.sum(axis=-1), 1, rtol=1e-5
    )


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_weights_make_the_vector_that_the_network_classifies(attention):
    network = models.network(small(attention=attention, padding="masked", conv_layers=1, gender="none"), 4)
    x = inputs(network)
    layer = network.get_layer("attention")
    sequence = network.get_layer("bilstm").output
    vector = network.get_layer("dense").input
    sequence, vector = keras.Model(network.input, [sequence, vector]).predict_on_batch(x)
    weights = models.attention_weights(network, x)
    allowed = x["mask"][:, ::2, None]
    if attention == "max":
        np.testing.assert_array_equal(vector, np.where(allowed, sequence, -np.inf).max(axis=1))
        return
    if attention.startswith("seq_self"):
        padded = np.pad(sequence, [(0, 0), (7, 7), (0, 0)])
        windows = np.stack([padded[:, t : t + 15] for t in range(150)], axis=1)
        expected = np.einsum("ntj,ntjf->ntf", weights, windows)
    elif attention == "scaled_dot":
        expected = weights @ (sequence @ layer.w_v.numpy())
    else:
        np.testing.assert_allclose(vector, np.einsum("nt,ntf->nf", weights, sequence), rtol=1e-4, atol=1e-6)
        return
    expected = (expected * allowed).sum(axis=1) / allowed.sum(axis=1)
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-6)


SCORES = {
    "additive": lambda h, w, b, v: np.tanh(h @ w + b) @ v,
    "acrnn": lambda h, w: h @ w,
    "acrnn_code": lambda h, w, b, u: u / (1 + np.exp(-(h @ w + b))),
}


@pytest.mark.parametrize("attention", SCORES)
def test_weights_are_the_softmax_of_the_score_of_that_name(attention):
    network = models.network(small(attention=attention, conv_layers=1, gender="none"), 4)
    layer = network.get_layer("attention")
    rng = np.random.default_rng(0)
    layer.set_weights([5 * rng.standard_normal(w.shape) for w in layer.get_weights()])
    x = inputs(network)
    sequence = keras.Model(network.input, network.get_layer("bilstm").output).predict_on_batch(x)
    scores = SCORES[attention](sequence.astype("float64"), *layer.get_weights())[..., 0]
    assert np.ptp(scores) > 0.1
    expected = scipy.special.softmax(scores, axis=-1)
    np.testing.assert_allclose(models.attention_weights(network, x), expected, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # of a single frame
@pytest.mark.parametrize("attention", ATTENTIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_masked_sequence_is_pooled_as_the_shortened_one(attention, data):
    network = pooling(attention)
    length = data.draw(st.integers(1, 40), label="frames of speech")
    padding = data.draw(st.floats(-1e3, 1e3, width=32), label="what the padding holds")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="seed"))
    x = rng.standard_normal((2, 40, 6)).astype("float32")
    x[0, length:] = padding
    mask = np.arange(40) < [[length], [40]]
    together = network([x, mask])
    np.testing.assert_allclose(together[0], network([x[:1, :length], mask[:1, :length]])[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together[1], network([x[1:], mask[1:]])[0], rtol=1e-4, atol=1e-5)


@functools.cache
def pooling(attention):
    x, mask = keras.Input((None, 6)), keras.Input((None,), dtype="bool")
    return keras.Model([x, mask], models.ATTENTIONS[attention](x, mask))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_masked_padding_does_not_reach_the_attention(attention):
    network = models.network(small(attention=attention, padding="masked", conv_layers=1), 4)
    x = inputs(network)
    x["mask"] = np.repeat(np.arange(300)[None] < 100, 3, axis=0)
    far = {**x, "log_mel": x["log_mel"].copy()}
    far["log_mel"][:, 104:] = 5.0  # beyond the reach of one convolution of 5 frames
    np.testing.assert_allclose(network.predict_on_batch(x), network.predict_on_batch(far), rtol=1e-5, atol=1e-6)


def logits_alone_and_in_a_batch(batch_norm):
    network = models.network(small(batch_norm=batch_norm, conv_layers=1), 4)
    x = inputs(network, n=4)
    loud = x | {"log_mel": x["log_mel"] * np.array([1, 1, 30, 30], "float32")[:, None, None, None]}
    alone = network.predict_on_batch({name: value[:2] for name, value in loud.items()})
    return alone, network.predict_on_batch(loud)[:2]


@pytest.mark.parametrize("batch_norm", ["none", "running", "running_fast"])
def test_a_prediction_does_not_depend_on_its_neighbours(batch_norm):
    alone, together = logits_alone_and_in_a_batch(batch_norm)
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-6)


def test_acrnns_batch_norm_uses_the_batch_at_prediction_too():
    alone, together = logits_alone_and_in_a_batch("batch")
    assert np.abs(alone - together).max() > 1e-3


def part_of(speakers, loud):
    """Return a part of segments of some speakers; those of the speakers in `loud` are thirty times as far from 0."""
    rng, segments = np.random.default_rng(7), pd.DataFrame({"speaker": speakers})
    x = rng.normal(0.5, 1, (len(speakers), 300, 40, 3)).astype("float32")
    x[segments["speaker"].isin(loud)] *= 30
    return Part(None, segments, {"log_mel": x}, np.zeros(len(speakers), np.int32))


@pytest.mark.parametrize("at", ["linear", "dense", "both"])
def test_batch_norm_by_speaker_is_keras_batch_normalisation_over_a_speaker(at):
    method = models.build(small(batch_norm="speaker", batch_norm_at=at, conv_layers=1, gender="none"), 4)
    part = part_of(["a", "b"] * 20, loud=["a"])  # more than a batch a speaker
    outputs = models.logits(method, part)
    network, kept = method.network, method.network.get_weights()
    layers = {layer.name for layer in network.layers if type(layer).__name__ == "SpeakerNormalization"}
    assert layers == {"linear": {"batch_norm"}, "dense": {"dense_norm"}, "both": {"batch_norm", "dense_norm"}}[at]
    for speaker in (0, 1):
        mine = {"log_mel": part.inputs["log_mel"][speaker::2]}
        expected = network(mine, training=True)  # nothing else in the network differs between training and test
        np.testing.assert_allclose(outputs[speaker::2], expected, rtol=1e-3, atol=1e-4)
    models.logits(method, part)
    for before, after in zip(kept, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)  # what it was told of a speaker stays nowhere


def test_batch_norm_by_speaker_knows_no_other_speaker_and_no_order():
    method = models.build(small(batch_norm="speaker", conv_layers=1, gender="none"), 4)
    part = part_of(["a", "b", "a", "b", "a"], loud=["b"])
    together, order = models.logits(method, part), [4, 3, 0, 2, 1]
    for rows in (order, [0, 2, 4], [3, 1]):
        chosen = Part(None, part.segments.iloc[rows], {"log_mel": part.inputs["log_mel"][rows]}, part.labels[rows])
        np.testing.assert_allclose(models.logits(method, chosen), together[rows], rtol=1e-4, atol=1e-6)
    alone = Part(None, part.segments.iloc[:1], {"log_mel": part.inputs["log_mel"][:1]}, part.labels[:1])
    assert np.abs(models.logits(method, alone) - together[:1]).max() > 1e-3  # a voice from one segment is another voice


def test_batch_norm_by_speaker_is_taught_as_that_by_batch():
    x, y = np.random.default_rng(0).normal(2, 3, (8, 300, 40, 3)).astype("float32"), np.arange(8) % 4
    learned = []
    for batch_norm in ("batch", "speaker"):
        network = models.network(small(batch_norm=batch_norm, conv_layers=1, gender="none"), 4)
        network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        network.train_on_batch({"log_mel": x}, y)
        learned.append([weight.numpy() for weight in network.trainable_weights])
    for batch, speaker in zip(*learned, strict=True):
        np.testing.assert_array_equal(batch, speaker)


@pytest.mark.parametrize(("batch_norm", "share"), [("running", 0.01), ("running_fast", 0.1)])
def test_running_statistics_are_learned_in_training_and_used_at_prediction(batch_norm, share):
    network = models.network(small(batch_norm=batch_norm, conv_layers=1), 4)
    x = inputs(network, n=4)
    normalised = keras.Model(network.input, network.get_layer("batch_norm").output)
    mean, variance = (w.numpy() for w in network.get_layer("batch_norm").non_trainable_weights)
    np.testing.assert_array_equal(mean, 0)
    np.testing.assert_array_equal(variance, 1)
    linear = keras.Model(network.input, network.get_layer("linear").output).predict_on_batch(x)
    np.testing.assert_allclose(normalised.predict_on_batch(x), linear / np.sqrt(1 + 1e-3), rtol=1e-4, atol=1e-6)
    normalised(x, training=True)
    mean = network.get_layer("batch_norm").moving_mean.numpy()
    np.testing.assert_allclose(mean, share * linear.mean(axis=(0, 1)), rtol=1e-3, atol=1e-6)


def test_fewer_layers_and_no_dense_layer():
    names = [layer.name for layer in models.network(small(conv_layers=2, dense_units=0), 4).layers]
    assert "conv2" in names and "conv3" not in names and "dense" not in names


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_ends_in_float32_and_leaves_the_policy_alone(attention, precision):
    network = models.network(small(attention=attention, precision=precision, padding="masked", conv_layers=1), 4)
    assert network.get_layer("conv1").compute_dtype == precision.removeprefix("mixed_")
    assert network.output.dtype == "float32" and keras.config.dtype_policy().name == "float32"
    x = inputs(network)
    assert np.all(np.isfinite(network.predict_on_batch(x)))
    weights = models.attention_weights(network, x)
    assert weights.dtype == np.float32 and np.all(np.isfinite(weights))
    np.testing.assert_allclose(weights[:, 0].sum(axis=-1) if weights.ndim == 3 else weights.sum(axis=-1), 1, rtol=1e-5)
