"""The fused LSTM: Keras' own values and gradients, forwards and backwards, with every kind of mask."""

import numpy as np
import pytest

from sermodules.models.backend import keras
from sermodules.models.fused import FusedLeakyReLU, FusedLSTM

ops = keras.ops

MASKS = {
    "none": None,
    "all speech": np.ones((4, 9), bool),
    "padding at the end": np.arange(9) < [[9], [6], [1], [4]],
    "padding at the beginning": np.arange(9) >= [[0], [3], [8], [5]],
    "holes": np.array(
        [[1, 0, 1, 1, 0, 0, 1, 0, 1], [0, 1, 0, 1, 1, 1, 0, 0, 0], [1] * 9, [0, 0, 0, 0, 1, 0, 0, 0, 0]], bool
    ),
    "a row without any speech": np.arange(9) < [[9], [0], [3], [0]],
}


def pair(wrap, **options):
    """Return the fused layer and Keras' own with the same weights."""
    keras.utils.set_random_seed(3)
    both = []
    for kind in (FusedLSTM, keras.layers.LSTM):
        layer = kind(5, **options)
        both.append(keras.layers.Bidirectional(layer) if wrap else layer)
        both[-1].build((None, 9, 3))
    both[0].set_weights([np.random.default_rng(i).normal(0, 0.7, w.shape) for i, w in enumerate(both[0].get_weights())])
    both[1].set_weights(both[0].get_weights())
    return both


def values_and_gradients(layer, x, mask):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x) if mask is None else layer(x, mask=mask)
        loss = tf.reduce_sum(tf.sin(y) * np.random.default_rng(1).normal(size=y.shape).astype(np.float32))
    return [y.numpy(), *(g.numpy() for g in tape.gradient(loss, [x, *(w.value for w in layer.trainable_variables)]))]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the fused operation")
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("wrap", [False, True], ids=["one direction", "both"])
@pytest.mark.parametrize("mask", MASKS)
def test_values_and_gradients_are_those_of_keras(mask, wrap, sequences, monkeypatch):
    calls, block = [], FusedLSTM._block
    monkeypatch.setattr(FusedLSTM, "_block", lambda self, x: calls.append(1) or block(self, x))
    x = np.random.default_rng(0).normal(0, 2, (4, 9, 3)).astype(np.float32)
    fused, plain = pair(wrap, return_sequences=sequences)
    for ours, theirs in zip(*(values_and_gradients(layer, x, MASKS[mask]) for layer in (fused, plain)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=2e-6)
    assert len(calls) == 1 + wrap


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the fused operation")
def test_backwards_alone():
    x = np.random.default_rng(0).normal(0, 2, (4, 9, 3)).astype(np.float32)
    fused, plain = pair(False, return_sequences=True, go_backwards=True)
    for mask in MASKS.values():
        for ours, theirs in zip(*(values_and_gradients(layer, x, mask) for layer in (fused, plain)), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.5},
        {"activation": "relu"},
        {"use_bias": False},
        {"dtype": "mixed_bfloat16"},
        {"return_state": True},
    ],
    ids=str,
)
def test_settings_that_the_operation_does_not_have_keep_keras_layer(options, monkeypatch):
    monkeypatch.setattr(FusedLSTM, "_block", lambda *_: pytest.fail("fused"))
    layer = FusedLSTM(5, return_sequences=True, **options)
    result = layer(np.zeros((2, 9, 3), np.float32))
    assert (result[0] if "return_state" in options else result).shape == (2, 9, 5)


def test_it_is_stored_and_read_back_as_any_layer():
    layer = keras.layers.Bidirectional(FusedLSTM(5, return_sequences=True))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again.forward_layer, FusedLSTM) and isinstance(again.backward_layer, FusedLSTM)
    assert again.backward_layer.go_backwards and again.forward_layer.units == 5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the fused operation")
def test_leaky_relu_is_that_of_keras():
    x = np.r_[np.random.default_rng(0).normal(0, 2, 50), 0.0, -0.0, 1e-38, -1e-38].astype(np.float32)
    ours, theirs = (values_and_gradients(kind(0.01), x, None) for kind in (FusedLeakyReLU, keras.layers.LeakyReLU))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
