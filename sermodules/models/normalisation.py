"""Batch normalisation after the linear layer: the values of ``RunConfig.batch_norm``."""

from functools import partial

from sermodules.models.backend import keras

ops = keras.ops


@keras.saving.register_keras_serializable("sermodules")
class BatchStatisticsNormalization(keras.layers.Layer):
    """Batch normalisation [1]_ with the minibatch's own mean and variance, in training and at prediction.

    The public code of ACRNN [2]_ normalises so: a segment's posterior depends on which segments are tested with it. It is a
    bug, and kept here only to measure what it does. `keras.layers.BatchNormalization` cannot show it in a functional model:
    prediction sets its ``training`` to false, even if the layer was called with ``training=True``.

    Notes
    -----
    Input ``(..., features)``; output the same shape: ``scale (x - mean) / sqrt(variance + 0.001) + shift``, with the mean and
    variance over all axes but the last. It computes in float32. There are no moving averages: 2 parameters a feature, where
    Keras counts 4. Open: ACRNN's epsilon is not known here; 0.001 is Keras'.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: Accelerating deep network training by reducing internal covariate
       shift", ICML 2015.
    .. [2] https://github.com/xuanjihe/speech-emotion-recognition
    """

    def build(self, input_shape):
        """Make the weights: scale and shift, each (features,)."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x):
        """Return the normalised input."""
        exact = ops.cast(x, "float32")
        mean, variance = ops.moments(exact, axes=list(range(len(x.shape) - 1)))
        scale, shift = (ops.cast(weight, "float32") for weight in (self.scale, self.shift))
        return ops.cast(ops.batch_normalization(exact, mean, variance, -1, shift, scale, epsilon=1e-3), x.dtype)


#: By the value of ``RunConfig.batch_norm``. Keras' momentum of 0.99 settles in some hundred minibatches; a training on a small
#: corpus may have no more.
NORMALISATIONS = {
    "running": keras.layers.BatchNormalization,
    "running_fast": partial(keras.layers.BatchNormalization, momentum=0.9),
    "batch": BatchStatisticsNormalization,
}
