"""The attention layers against their references, in value and gradient."""

import os
import subprocess
import sys

import numpy as np
import pytest

from sermodules.backend import keras
from sermodules.layers import AdditivePooling, LocalSelfAttention

tf = pytest.importorskip("tensorflow", reason="the reference layer needs TensorFlow")


def weighted(layer, x, seed=1):
    """Build a layer on x and give it random weights."""
    layer(x)
    rng = np.random.default_rng(seed)
    layer.set_weights([0.5 * rng.standard_normal(w.shape).astype("float32") for w in layer.weights])
    return layer


def value_and_gradients(layer, x):
    """Return the output and the gradients of a random weighting of it, of the input and of each weight."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        target = tf.reduce_sum(
            tf.cast(y, "float32") * np.random.default_rng(2).standard_normal(y.shape).astype("float32")
        )
    return y.numpy(), [g.numpy() for g in tape.gradient(target, [x, *(w.value for w in layer.trainable_variables)])]


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


@pytest.mark.parametrize("make", [lambda: LocalSelfAttention(4, 5), lambda: AdditivePooling(4)])
def test_masked_frames_do_not_matter(make):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 12, 3)).astype("float32")
    other = x.copy()
    other[:, 8:] = 9.0
    mask = np.arange(12)[None] < 8
    layer = weighted(make(), x)
    a, b, short = np.asarray(layer(x, mask=mask)), np.asarray(layer(other, mask=mask)), np.asarray(layer(x[:, :8]))
    if a.ndim == 3:
        a, b = a[:, :8], b[:, :8]
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, short, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [lambda **k: LocalSelfAttention(16, 15, **k), lambda **k: AdditivePooling(16, **k)])
def test_mixed_precision(make):
    x = np.random.default_rng(0).standard_normal((2, 50, 24)).astype("float32")
    exact = weighted(make(), x)
    mixed = weighted(make(dtype="mixed_bfloat16"), x)
    y = mixed(x)
    assert y.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(keras.ops.cast(y, "float32")), exact(x), atol=0.05)
    _, gradients = value_and_gradients(mixed, tf.constant(x))
    assert all(np.all(np.isfinite(g)) for g in gradients)


@pytest.mark.parametrize("make", [lambda: LocalSelfAttention(4, 5), lambda: AdditivePooling(4)])
def test_configuration_round_trip(make):
    x = np.random.default_rng(0).standard_normal((1, 7, 3)).astype("float32")
    layer = weighted(make(), x)
    again = type(layer).from_config(layer.get_config())
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), again(x))


@pytest.mark.parametrize(("units", "width"), [(0, 15), (32, 0)])
def test_impossible_sizes_are_refused(units, width):
    with pytest.raises(ValueError, match="at least 1"):
        LocalSelfAttention(units, width)


OTHER_BACKEND = """
import numpy as np
from sermodules.backend import keras
from sermodules.layers import AdditivePooling, LocalSelfAttention
x = np.random.default_rng(0).standard_normal((2, 20, 6)).astype("float32")
for layer in (LocalSelfAttention(8, 5), AdditivePooling(8)):
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.standard_normal(w.shape).astype("float32") for w in layer.weights])
    value = np.asarray(layer(x), dtype="float64")
    weights = [np.asarray(w.value) for w in layer.weights]
    if keras.backend.backend() == "jax":
        import jax
        gradient = jax.grad(lambda w, x: (layer.stateless_call(w, [], x)[0] ** 2).sum())(weights, x)[0]
    else:
        import tensorflow as tf
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(layer(x) ** 2)
        gradient = tape.gradient(target, layer.trainable_variables[0].value)
    print(repr(value.sum()), repr(np.asarray(gradient, dtype="float64").sum()), keras.backend.backend())
"""


def test_same_values_and_gradients_on_jax():
    def run(backend):
        environment = os.environ | {"KERAS_BACKEND": backend}
        done = subprocess.run([sys.executable, "-c", OTHER_BACKEND], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert [line[-1] for line in lines] == [backend, backend]
        return [float(value.removeprefix("np.float64(").removesuffix(")")) for line in lines for value in line[:2]]

    np.testing.assert_allclose(run("jax"), run("tensorflow"), rtol=1e-4)
