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

    def statistics(self, x, training):
        """Return the mean and variance that `x` is normalised by."""
        return ops.moments(x, axes=list(range(len(x.shape) - 1)))

    def call(self, x, training=None):
        """Return the normalised input."""
        exact = ops.cast(x, "float32")
        mean, variance = self.statistics(exact, training)
        scale, shift = (ops.cast(weight, "float32") for weight in (self.scale, self.shift))
        return ops.cast(ops.batch_normalization(exact, mean, variance, -1, shift, scale, epsilon=1e-3), x.dtype)


@keras.saving.register_keras_serializable("sermodules")
class SpeakerNormalization(BatchStatisticsNormalization):
    """Batch normalisation with the minibatch's own mean and variance in training, and with a speaker's at prediction.

    It asks for the test speaker's recordings, as `BatchStatisticsNormalization` does, but an answer depends on this speaker
    only, and not on how minibatches were cut. It is taught the same: from equal weights both learn equal weights.

    Notes
    -----
    `know` sets the mean and variance, each (features,) in float32, which are 0 and 1 until then. Input, output and formula are
    those of `BatchStatisticsNormalization`.
    """

    def build(self, input_shape):
        """Make the weights: scale and shift, and the mean and variance, which are not learned; each (features,)."""
        super().build(input_shape)
        options = {"shape": (input_shape[-1],), "trainable": False, "dtype": "float32"}
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.variance = self.add_weight(name="variance", initializer="ones", **options)

    def know(self, mean=0.0, variance=1.0):
        """Normalise by these from now on, arrays (features,); without any, by 0 and 1."""
        self.mean.assign(ops.broadcast_to(mean, self.mean.shape))
        self.variance.assign(ops.broadcast_to(variance, self.variance.shape))

    def statistics(self, x, training):
        """Return the mean and variance that `x` is normalised by."""
        return super().statistics(x, training) if training else (self.mean, self.variance)


#: By the value of ``RunConfig.batch_norm``. Keras' momentum of 0.99 settles in some hundred minibatches; a training on a small
#: corpus may have no more.
NORMALISATIONS = {
    "running": keras.layers.BatchNormalization,
    "running_fast": partial(keras.layers.BatchNormalization, momentum=0.9),
    "batch": BatchStatisticsNormalization,
    "speaker": SpeakerNormalization,
}
