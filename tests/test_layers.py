"""The attention layers against their references, in value and gradient."""

import os
import subprocess
import sys

import numpy as np
import pytest

from sermodules import models
from sermodules.config import RunConfig
from sermodules.models.attention import (
    AdditivePooling,
    LinearPooling,
    LocalSelfAttention,
    MaxPooling,
    MeanPooling,
    ScaledDotAttention,
)
from sermodules.models.backend import keras
from sermodules.models.normalisation import BatchStatisticsNormalization

tf = pytest.importorskip("tensorflow", reason="the reference layer needs TensorFlow")

MAKERS = {
    "seq_self": lambda **k: LocalSelfAttention(16, 5, **k),
    "seq_self_equal_start": lambda **k: LocalSelfAttention(16, 5, equal_start=True, **k),
    "scaled_dot": lambda **k: ScaledDotAttention(**k),
    "additive": lambda **k: AdditivePooling(16, **k),
    "acrnn": lambda **k: LinearPooling(**k),
    "acrnn_code": lambda **k: AdditivePooling(1, "sigmoid", **k),
    "mean": lambda **k: MeanPooling(**k),
    "max": lambda **k: MaxPooling(**k),
}
POOLINGS = ("additive", "acrnn", "acrnn_code", "mean", "max")
every_layer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def weighted(layer, x, seed=1):
    """Build a layer on x and give it random weights."""
    layer(x)
    rng = np.random.default_rng(seed)
    layer.set_weights([0.5 * rng.standard_normal(w.shape).astype("float32") for w in layer.weights])
    return layer


def value_and_gradients(layer, x, variables=None):
    """Return the output and the gradients of a random weighting of it, of the input and of each weight."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        target = tf.reduce_sum(
            tf.cast(y, "float32") * np.random.default_rng(2).standard_normal(y.shape).astype("float32")
        )
    variables = layer.trainable_variables if variables is None else variables
    return y.numpy(), [g.numpy() for g in tape.gradient(target, [x, *(w.value for w in variables)])]


@pytest.mark.parametrize(
    ("time", "features", "width"), [(150, 256, 15), (150, 32, 15), (9, 8, 15), (20, 6, 4), (1, 4, 15)]
)
def test_equals_the_library_in_value_and_gradient(time, features, width):
    from keras_self_attention import SeqSelfAttention

    x = tf.constant(np.random.default_rng(0).standard_normal((3, time, features)).astype("float32"))
    library = weighted(SeqSelfAttention(units=32, attention_width=width, attention_activation="relu"), x)
    ours = weighted(LocalSelfAttention(32, width), x)
    assert [w.shape for w in ours.weights] == [w.shape for w in library.weights]
    (y, gradients), (y_library, gradients_library) = value_and_gradients(ours, x), value_and_gradients(library, x)
    np.testing.assert_allclose(y, y_library, atol=3e-6)
    for mine, theirs in zip(gradients, gradients_library, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5 * max(1, np.abs(theirs).max()))


def test_weights_equal_the_librarys_and_sum_to_1():
    from keras_self_attention import SeqSelfAttention

    x = tf.constant(np.random.default_rng(0).standard_normal((2, 40, 8)).astype("float32"))
    library = weighted(SeqSelfAttention(32, 15, attention_activation="relu", return_attention=True), x)
    ours = weighted(LocalSelfAttention(32, 15), x)
    _, square = library(x)
    _, windows = ours(x, return_attention=True)
    assert windows.shape == (2, 40, 15)
    np.testing.assert_allclose(np.sum(windows, axis=-1), 1, rtol=1e-6)
    for t in range(40):
        for j in range(15):
            if 0 <= t - 7 + j < 40:
                np.testing.assert_allclose(windows[:, t, j], square[:, t, t - 7 + j], atol=1e-6)
            else:
                assert not np.any(windows[:, t, j])


def test_it_starts_as_the_library_does_only_if_told_so():
    from keras_self_attention import SeqSelfAttention

    def start(make):
        keras.utils.set_random_seed(7)
        layer = make()
        layer.build((None, 40, 8))
        return [weight.numpy() for weight in layer.weights], keras.random.uniform((3,)).numpy()

    (library, _), (equal, after), (apart, later) = map(
        start,
        (lambda: SeqSelfAttention(32), lambda: LocalSelfAttention(32, 15, equal_start=True), LocalSelfAttention),
    )
    for mine, theirs in zip(equal, library, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(equal[0], equal[1])  # W_t and W_x: the fact itself, as Keras 3 has it
    assert not np.isclose(apart[0], apart[1]).any()
    np.testing.assert_array_equal(apart[0], equal[0])
    np.testing.assert_array_equal(after, later)  # what is drawn afterwards is the same


def test_a_network_differs_in_nothing_else_from_one_that_starts_as_the_library_does():
    networks = [
        models.network(RunConfig.create(preset="smoke", attention=name), 4)
        for name in ("seq_self", "seq_self_equal_start")
    ]
    for one, other in zip(*(network.weights for network in networks), strict=True):
        differs = not np.array_equal(one.numpy(), other.numpy())
        assert differs == (one.path.split("/")[-2:] in (["attention", "w_x"], ["attention", "w_a"])), one.path


def test_self_attention_by_hand():
    # One feature, one unit, all weights 1, biases 0, window of 3: e = relu(tanh(x_t + x_t')).
    x = np.array([[[0.0], [1.0], [-2.0]]], dtype="float32")
    layer = LocalSelfAttention(1, 3)
    layer(x)
    layer.set_weights([np.ones(w.shape) if "b" not in w.name else np.zeros(w.shape) for w in layer.weights])
    e = np.maximum(np.tanh(x[0] + x[0].T), 0)
    expected = [
        np.dot(np.exp(e[0, :2]) / np.exp(e[0, :2]).sum(), [0, 1]),
        np.dot(np.exp(e[1]) / np.exp(e[1]).sum(), [0, 1, -2]),
        np.dot(np.exp(e[2, 1:]) / np.exp(e[2, 1:]).sum(), [1, -2]),
    ]
    np.testing.assert_allclose(np.ravel(layer(x)), expected, rtol=1e-6)


def test_additive_pooling_by_hand():
    x = np.array([[[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]]], dtype="float32")
    w, b, v = np.array([[0.3, -1.0], [0.7, 0.2]]), np.array([0.1, -0.1]), np.array([[1.5], [-0.5]])
    layer = AdditivePooling(2)
    layer(x)
    layer.set_weights([w, b, v])
    scores = np.ravel(np.tanh(x[0] @ w + b) @ v)
    weights = np.exp(scores) / np.exp(scores).sum()
    y, attention = layer(x, return_attention=True)
    np.testing.assert_allclose(attention[0], weights, rtol=1e-5)
    np.testing.assert_allclose(y[0], weights @ x[0], rtol=1e-5)


def test_acrnns_two_attentions_by_hand():
    # One feature. Published: e = 2 h. Code: e = 3 sigmoid(2 h + 1).
    x = np.array([[[0.0], [1.0], [-0.5]]], dtype="float32")
    sigmoids = 1 / (1 + np.exp([-1.0, -3.0, 0.0]))
    for layer, weights, scores in [
        (LinearPooling(), [[[2.0]]], [0.0, 2.0, -1.0]),
        (AdditivePooling(1, "sigmoid"), [[[2.0]], [1.0], [[3.0]]], 3 * sigmoids),
    ]:
        layer(x)
        layer.set_weights([np.array(w) for w in weights])
        expected = np.exp(scores) / np.exp(scores).sum()
        y, attention = layer(x, return_attention=True)
        np.testing.assert_allclose(attention[0], expected, rtol=1e-5)
        np.testing.assert_allclose(y[0], [expected[1] - 0.5 * expected[2]], rtol=1e-5)


def test_scaled_dot_attention_is_equations_4_to_7():
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    layer = weighted(ScaledDotAttention(), x.astype("float32"))
    w_q, w_k, w_v = (w.astype("float64") for w in layer.get_weights())
    y, attention = layer(x.astype("float32"), return_attention=True)
    for n in range(2):
        q, k, v = (np.array([w.T @ frame for frame in x[n]]) for w in (w_q, w_k, w_v))
        e = np.exp(q @ k.T / np.sqrt(3))
        np.testing.assert_allclose(attention[n], e / e.sum(axis=1, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(y[n], e / e.sum(axis=1, keepdims=True) @ v, rtol=1e-4, atol=1e-6)


def keras_multi_head(x, mask, w_q, w_k, w_v):
    size = x.shape[-1]
    layer = keras.layers.MultiHeadAttention(1, size, use_bias=False)
    layer.build(x.shape, x.shape)
    heads = [*(tf.reshape(w, (size, 1, size)) for w in (w_q, w_k, w_v)), tf.reshape(tf.eye(size), (1, size, size))]
    allowed = None if mask is None else mask[:, None]
    (y, weights), _ = layer.stateless_call(heads, [], x, x, attention_mask=allowed, return_attention_scores=True)
    return y, weights[:, 0]


def keras_attention(layer, weights, x, mask, query, key):
    """Attend from one query, the same for each segment."""
    inputs = [tf.tile(query[None, None], (len(x), 1, 1)), x, key]
    layer.build([tensor.shape for tensor in inputs])
    masks = None if mask is None else [None, mask]
    (y, scores), _ = layer.stateless_call(weights, [], inputs, mask=masks, return_attention_scores=True)
    return y[:, 0], scores[:, 0]


def keras_additive(x, mask, w, b, v):
    return keras_attention(keras.layers.AdditiveAttention(), [v[:, 0]], x, mask, b, x @ w)


def keras_linear(x, mask, w):
    return keras_attention(keras.layers.Attention(), [], x, mask, w[:, 0], x)


def keras_sigmoid(x, mask, w, b, u):
    return keras_attention(keras.layers.Attention(), [], x, mask, u[:, 0], tf.sigmoid(x @ w + b))


REFERENCES = {
    "scaled_dot": keras_multi_head,
    "additive": keras_additive,
    "acrnn": keras_linear,
    "acrnn_code": keras_sigmoid,
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", REFERENCES)
def test_equals_keras_own_attention_in_value_weights_and_gradient(name, masked):
    x = tf.constant(np.random.default_rng(0).standard_normal((3, 12, 6)).astype("float32"))
    mask = tf.constant(np.arange(12) < [[12], [7], [1]]) if masked else None
    layer = weighted(MAKERS[name](), x)
    tensors = [tf.constant(w) for w in layer.get_weights()]

    def results(function):
        with tf.GradientTape() as tape:
            tape.watch([x, tensors])
            y, weights = function()
            target = tf.reduce_sum(y * np.random.default_rng(2).standard_normal(y.shape).astype("float32"))
        return [y, weights, *tape.gradient(target, [x, *tensors])]

    ours = results(lambda: layer.stateless_call(tensors, [], x, mask=mask, return_attention=True)[0])
    theirs = results(lambda: REFERENCES[name](x, mask, *tensors))
    for mine, reference in zip(ours, theirs, strict=True):
        assert np.any(reference)
        np.testing.assert_allclose(mine, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "reference"),
    [(MeanPooling(), keras.layers.GlobalAveragePooling1D()), (MaxPooling(), keras.layers.GlobalMaxPooling1D())],
)
def test_mean_and_max_equal_keras_own_in_value_and_gradient(layer, reference):
    x = tf.constant(np.random.default_rng(0).standard_normal((3, 20, 5)).astype("float32"))
    (y, (gradient,)), (y_keras, (gradient_keras,)) = value_and_gradients(layer, x), value_and_gradients(reference, x)
    np.testing.assert_allclose(y, y_keras, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(gradient, gradient_keras, rtol=1e-5, atol=1e-7)


def test_weights_of_the_mean_and_the_maximum():
    x = np.array([[[1.0, 5.0, -3.0, 2.0], [2.0, 5.0, -1.0, 0.0], [9.0, 9.0, 9.0, 9.0]]], dtype="float32")
    mask = np.array([[True, True, False]])
    mean, weights = MeanPooling()(x, mask=mask, return_attention=True)
    np.testing.assert_allclose(weights, [[0.5, 0.5, 0]])
    np.testing.assert_allclose(mean, [[1.5, 5.0, -2.0, 1.0]])
    # The second feature has its maximum at both frames.
    highest, weights = MaxPooling()(x, mask=mask, return_attention=True)
    np.testing.assert_allclose(weights, [[(0 + 0.5 + 0 + 1) / 4, (1 + 0.5 + 1 + 0) / 4, 0]])
    np.testing.assert_allclose(highest, [[2.0, 5.0, -1.0, 2.0]])


def test_weights_of_the_maximum_are_the_mean_of_its_gradients():
    x = tf.constant(np.random.default_rng(0).integers(0, 4, (5, 9, 16)).astype("float32"))  # with many ties
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, weights = MaxPooling()(x, return_attention=True)
        target = tf.reduce_sum(tf.reduce_mean(y, axis=-1))
    np.testing.assert_allclose(weights, tf.reduce_sum(tape.gradient(target, x), axis=-1), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # of a single frame
@every_layer
@pytest.mark.parametrize("seed", range(3))
def test_a_masked_batch_equals_each_segment_cut_short(make, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((6, 12, 3)).astype("float32") - 2  # the maximum of a short segment may be negative
    lengths = np.r_[1, 12, rng.integers(1, 13, 4)]
    mask = np.arange(12) < lengths[:, None]
    x[~mask] = 50 * rng.standard_normal((np.sum(~mask), 3))
    layer = weighted(make(), x, seed)
    output, weights = layer(x, mask=mask, return_attention=True)
    for n, length in enumerate(lengths):
        y, a = layer(x[n : n + 1, :length], return_attention=True)
        mine, mine_weights = np.asarray(output[n]), np.asarray(weights[n])
        if mine.ndim == 2:
            mine, mine_weights = mine[:length], mine_weights[:length]
        np.testing.assert_allclose(mine, y[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mine_weights.sum(axis=-1), 1, rtol=1e-5)
        same = (
            a.shape[-1] if make in (MAKERS["seq_self"], MAKERS["seq_self_equal_start"]) else length
        )  # its last axis is the window
        np.testing.assert_allclose(mine_weights[..., :same], a[0], rtol=1e-4, atol=1e-6)
        assert not mine_weights[..., same:].any()


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_without_any_frame_gives_zeros(name):
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype("float32")
    layer = weighted(MAKERS[name](), x)
    for result in layer(x, mask=np.array([[False] * 4, [True] * 4]), return_attention=True):
        assert not np.any(result[0]) and np.all(np.isfinite(result)) and np.any(result[1])


@every_layer
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(make, policy):
    x = np.random.default_rng(0).standard_normal((2, 50, 24)).astype("float32")
    mask = np.arange(50) < [[50], [20]]
    exact = weighted(make(), x)
    mixed = weighted(make(dtype=policy), x)
    y, weights = mixed(x, mask=mask, return_attention=True)
    assert y.dtype == policy.removeprefix("mixed_") and weights.dtype == "float32"
    np.testing.assert_allclose(np.sum(weights, axis=-1)[0], 1, rtol=1e-5)
    # As a root mean square: how the largest error of 2,400 comes out depends on the processor's way of rounding.
    expected, found = np.asarray(exact(x, mask=mask)), np.asarray(keras.ops.cast(y, "float32"))
    error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert error < 3 * {"bfloat16": 2**-7, "float16": 2**-10}[y.dtype.name]  # three times the type's spacing at 1
    _, gradients = value_and_gradients(lambda x: mixed(x, mask=mask), tf.constant(x), mixed.trainable_variables)
    assert all(np.all(np.isfinite(g)) and np.any(g) for g in gradients)


@every_layer
def test_configuration_round_trip(make):
    x = np.random.default_rng(0).standard_normal((1, 7, 3)).astype("float32")
    layer = weighted(make(), x)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), again(x))


def test_batch_statistics_equal_keras_batch_normalisation_in_training():
    x = tf.constant(3 + 2 * np.random.default_rng(0).standard_normal((4, 10, 6)).astype("float32"))
    ours = weighted(BatchStatisticsNormalization(), x)
    keras_layer = weighted(keras.layers.BatchNormalization(), x)
    assert [w.shape for w in ours.weights] == [w.shape for w in keras_layer.trainable_weights]
    y, gradients = value_and_gradients(ours, x)
    y_keras, gradients_keras = value_and_gradients(
        lambda x: keras_layer(x, training=True), x, keras_layer.trainable_variables
    )
    np.testing.assert_allclose(y, y_keras, rtol=1e-5, atol=1e-6)
    for mine, reference in zip(gradients, gradients_keras, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-4, atol=1e-5)
    low = weighted(BatchStatisticsNormalization(dtype="mixed_bfloat16"), x)(x)
    assert low.dtype == "bfloat16"
    np.testing.assert_allclose(tf.cast(low, "float32"), y, atol=0.05)


@pytest.mark.parametrize(("units", "width"), [(0, 15), (32, 0)])
def test_impossible_sizes_are_refused(units, width):
    with pytest.raises(ValueError, match="at least 1"):
        LocalSelfAttention(units, width)
    if not units:
        with pytest.raises(ValueError, match="at least 1"):
            AdditivePooling(units)


OTHER_BACKEND = """
import numpy as np
from sermodules.models.backend import keras
from sermodules.models.attention import *
ops = keras.ops
x = np.random.default_rng(0).standard_normal((2, 20, 6)).astype("float32")
mask = np.arange(20) < [[20], [11]]
for layer in (
    LocalSelfAttention(8, 5), ScaledDotAttention(), AdditivePooling(8), LinearPooling(), AdditivePooling(1, "sigmoid"),
    MeanPooling(), MaxPooling(), LocalSelfAttention(8, 5, equal_start=True),
):
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.standard_normal(w.shape).astype("float32") for w in layer.weights])
    target = lambda w, x: ops.sum(ops.square(layer.stateless_call(w, [], x, mask=mask)[0][:, :5]))
    weights = [w.value for w in layer.weights]
    if keras.backend.backend() == "jax":
        import jax
        of_weights, of_x = jax.grad(target, argnums=(0, 1))(weights, x)
    else:
        import tensorflow as tf
        x_tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch([weights, x_tensor])
            y = target(weights, x_tensor)
        of_weights, of_x = tape.gradient(y, (weights, x_tensor))
    y, attention = layer(x, mask=mask, return_attention=True)
    results = [y, attention, of_x, *of_weights]
    print(keras.backend.backend(), *(float(np.abs(np.asarray(r, dtype="float64")).sum()) for r in results))
"""


@pytest.mark.slow
def test_same_values_and_gradients_on_jax():
    def run(backend):
        environment = os.environ | {"KERAS_BACKEND": backend}
        done = subprocess.run([sys.executable, "-c", OTHER_BACKEND], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert [line[0] for line in lines] == [backend] * len(MAKERS)
        return [float(value) for line in lines for value in line[1:]]

    np.testing.assert_allclose(run("jax"), run("tensorflow"), rtol=1e-4)
