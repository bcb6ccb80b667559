import numpy as np
import pytest

from sermodules import models
from sermodules.config import RunConfig


def paper(**settings):
    return models.build(RunConfig.create(preset="paper", **settings), 4)


# Arithmetic of the paper's sizes: weights + biases of each layer.
CONVOLUTIONS = (5 * 3 * 3 * 128 + 128) + (5 * 3 * 128 * 256 + 256) + 4 * (5 * 3 * 256 * 256 + 256)
LINEAR = (20 * 256) * 768 + 768  # 40 bands, halved by the pooling, times 256 filters
BILSTM = 2 * 4 * (768 * 128 + 128 * 128 + 128)
GENDER = 2 * 300 + (300 * 64 + 64)
SELF_ATTENTION = 256 * 32 + 256 * 32 + 32 + 32 + 1
ADDITIVE = 256 * 32 + 32 + 32


def head(vector):
    return (vector * 64 + 64) + (64 * 4 + 4)


def test_parameters_of_the_paper_preset():
    encoder = CONVOLUTIONS + LINEAR + BILSTM
    assert encoder == 9_282_304
    assert paper(model="model2").count_params() == encoder + SELF_ATTENTION + GENDER + head(256 + 64) == 9_339_421
    assert paper(model="model1").count_params() == encoder + ADDITIVE + GENDER + head(256 + 64) == 9_331_228
    assert paper(model="model2", gender="none").count_params() == encoder + SELF_ATTENTION + head(256) == 9_315_461


def test_encoder_agrees_with_acrnns_published_count():
    # ACRNN with 2x2 pooling has 9,300,806 parameters: this encoder, a batch norm of 768 (scale and shift),
    # an attention of w (256), b and u, and the same head without gender.
    assert CONVOLUTIONS + LINEAR + BILSTM + 2 * 768 + (256 + 1 + 1) + head(256) == 9_300_806
    # With 2x4 pooling a frame has 10 bands: 7,334,726.
    narrower = paper(model="model1", gender="none", pool="2x4").count_params()
    assert narrower - ADDITIVE + 2 * 768 + (256 + 1 + 1) == 7_334_726


def test_shapes_of_the_paper_preset():
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in paper(model="model2").layers}
    assert shapes["conv1"] == (300, 40, 128) and shapes["pool"] == (150, 20, 128) and shapes["conv6"] == (150, 20, 256)
    assert shapes["linear"] == (150, 768) and shapes["bilstm"] == (150, 256) and shapes["attention"] == (150, 256)
    assert shapes["pooled"] == (256,) and shapes["gender_flat"] == (64,) and shapes["with_gender"] == (320,)
    assert shapes["dense"] == (64,) and shapes["logits"] == (4,)


def small(**settings):
    return RunConfig.create(**({"preset": "smoke", "width": 1 / 64} | settings))


def inputs(model, n=3, seed=0):
    rng = np.random.default_rng(seed)
    every = {
        "log_mel": rng.standard_normal((n, 300, 40, 3)).astype("float32"),
        "gender": rng.integers(0, 2, (n, 1)).astype("int32"),
        "mask": np.arange(300) < rng.integers(50, 300, (n, 1)),
    }
    return {name: every[name] for name in model.input}


def test_seed_decides_the_initial_weights():
    first, again, other = (models.build(small(seed=seed), 4) for seed in (1, 1, 2))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(first.get_weights(), other.get_weights(), strict=True))


def test_gender_reaches_the_output_only_with_the_embedding():
    model = models.build(small(), 4)
    x = inputs(model)
    flipped = x | {"gender": 1 - x["gender"]}
    assert np.abs(model.predict_on_batch(x) - model.predict_on_batch(flipped)).max() > 1e-4
    assert set(models.build(small(gender="none"), 4).input) == {"log_mel"}


@pytest.mark.parametrize("model", ["model1", "model2"])
def test_attention_weights_sum_to_1(model):
    network = models.build(small(model=model), 4)
    x = inputs(network)
    weights = models.attention_weights(network, x)
    assert weights.shape == {"model1": (3, 150), "model2": (3, 150, 15)}[model]
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    masked = models.build(small(model=model, padding="masked"), 4)
    x["mask"] = np.repeat(np.arange(300)[None] < 100, 3, axis=0)
    weights = models.attention_weights(masked, x)
    assert not weights[:, 60:].any() and weights[:, :40].any()  # the mask ends at frame 50 of 150
    with pytest.raises(ValueError, match="no attention layer"):
        models.attention_weights(models.build(small(model=model, attention="mean"), 4), x)


@pytest.mark.parametrize("attention", ["seq_self", "additive", "mean"])
def test_masked_padding_does_not_reach_the_attention(attention):
    network = models.build(small(attention=attention, padding="masked", conv_layers=1), 4)
    x = inputs(network)
    x["mask"] = np.repeat(np.arange(300)[None] < 100, 3, axis=0)
    far = {**x, "log_mel": x["log_mel"].copy()}
    far["log_mel"][:, 104:] = 5.0  # beyond the reach of one convolution of 5 frames
    np.testing.assert_allclose(network.predict_on_batch(x), network.predict_on_batch(far), rtol=1e-5, atol=1e-6)


def test_fewer_layers_and_no_dense_layer():
    names = [layer.name for layer in models.build(small(conv_layers=2, dense_units=0), 4).layers]
    assert "conv2" in names and "conv3" not in names and "dense" not in names


def test_mixed_precision_ends_in_float32_and_leaves_the_policy_alone():
    from sermodules.backend import keras

    network = models.build(small(precision="mixed_bfloat16"), 4)
    assert network.get_layer("conv1").compute_dtype == "bfloat16" and network.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert np.all(np.isfinite(network.predict_on_batch(inputs(network))))
