"""The layers that turn a sequence of frames into one vector.

Every layer here takes ``(batch, time, features)`` and an optional mask ``(batch, time)`` (true where there is speech), and
with ``return_attention=True`` also returns its weights, so that a chapter can draw where it looks. They use `keras.ops` only,
so they run on every Keras backend.
"""

from sermodules.backend import keras

ops = keras.ops


_FAR_BELOW = -1e9  # a score whose softmax weight is exactly zero


def _softmax(scores, allowed):
    """Softmax over the last axis among the allowed entries, in float32 whatever the policy; no entry allowed gives 0."""
    scores = ops.cast(scores, "float32")
    if allowed is None:
        return ops.softmax(scores, axis=-1)
    weights = ops.softmax(ops.where(allowed, scores, _FAR_BELOW), axis=-1)
    return ops.where(allowed, weights, 0.0)


@keras.saving.register_keras_serializable("sermodules")
class LocalSelfAttention(keras.layers.Layer):
    """Additive self-attention within a window of frames (chapter "Attention versus self-attention").

    It computes the same as ``keras_self_attention.SeqSelfAttention(units, attention_width=width,
    attention_activation="relu")``, the layer that the paper names [1]_, but scores only the `width` frames of each window
    instead of all pairs of frames, in any dtype policy and on any Keras backend. With x_t the frame at time t and t' within
    the window ``[t - width // 2, t - width // 2 + width)``::

        h_tt' = tanh(x_t W_t + x_t' W_x + b_h)
        e_tt' = relu(h_tt' W_a + b_a)
        a_tt' = exp(e_tt') / sum over t'' in the window of exp(e_tt'')
        v_t   = sum over t' in the window of a_tt' x_t'

    Parameters
    ----------
    units : int
        Size of h.
    width : int
        Frames in a window; at the ends of the segment the window is cut short.

    Notes
    -----
    Input ``(batch, time, features)``; output the same shape, and with ``return_attention=True`` the weights
    ``(batch, time, width)``, where entry j of frame t is the weight on frame ``t - width // 2 + j``. A masked frame gets no
    weight. (The library's own mask only acts between two masked frames.) The weights have the library's order, so that
    ``set_weights`` carries them over.

    References
    ----------
    .. [1] https://pypi.org/project/keras-self-attention/, version 0.51.0; additive attention after G. Zheng, S. Mukherjee,
       X. Dong, F. Li, "OpenTag: Open attribute value extraction from product profiles", KDD 2018.
    """

    def __init__(self, units=32, width=15, **kwargs):
        super().__init__(**kwargs)
        if units < 1 or width < 1:
            raise ValueError(f"units and width must be at least 1, not {units} and {width}")
        self.units, self.width = units, width
        self.supports_masking = True

    def build(self, input_shape):
        """Make the weights: W_t, W_x (features, units), b_h (units,), W_a (units, 1), b_a (1,)."""
        features = input_shape[-1]
        kernel = {"initializer": "glorot_normal"}
        self.w_t = self.add_weight(name="w_t", shape=(features, self.units), **kernel)
        self.w_x = self.add_weight(name="w_x", shape=(features, self.units), **kernel)
        self.b_h = self.add_weight(name="b_h", shape=(self.units,), initializer="zeros")
        self.w_a = self.add_weight(name="w_a", shape=(self.units, 1), **kernel)
        self.b_a = self.add_weight(name="b_a", shape=(1,), initializer="zeros")

    def _windows(self, x):
        """Shift x along time, once for each place in the window: a list of `width` arrays of x's shape."""
        before = self.width // 2
        after = self.width - 1 - before
        padded = ops.pad(x, [(0, 0), (before, after)] + [(0, 0)] * (len(x.shape) - 2))
        time = ops.shape(x)[1]
        return [padded[:, j : j + time] for j in range(self.width)]

    def call(self, x, mask=None, return_attention=False):
        """Return ``(batch, time, features)``, and the weights ``(batch, time, width)`` if asked for."""
        inside = ops.ones_like(x[:1, :, 0], dtype="bool") if mask is None else ops.cast(mask, "bool")
        allowed = ops.stack(self._windows(inside), axis=-1)
        query = ops.matmul(x, self.w_t) + self.b_h
        keys = self._windows(ops.matmul(x, self.w_x))
        hidden = ops.tanh(ops.expand_dims(query, 2) + ops.stack(keys, axis=2))
        scores = ops.relu(ops.squeeze(ops.matmul(hidden, self.w_a), -1) + self.b_a)
        weights = _softmax(scores, allowed)
        output = ops.matmul(self._band(ops.cast(weights, x.dtype)), x)
        return (output, weights) if return_attention else output

    def _band(self, weights):
        """Lay the weights (batch, time, width) out as a band matrix (batch, time, time), zero outside the windows."""
        time = ops.shape(weights)[1]
        # Row t of a matrix with one column too many, read as a matrix without it, is shifted by t columns.
        wide = ops.pad(weights, [(0, 0), (0, 0), (0, time)])
        flat = ops.reshape(wide, (-1, time * (time + self.width)))[:, : time * (time + self.width - 1)]
        skewed = ops.reshape(flat, (-1, time, time + self.width - 1))
        return skewed[:, :, self.width // 2 : self.width // 2 + time]

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units, "width": self.width}


@keras.saving.register_keras_serializable("sermodules")
class AdditivePooling(keras.layers.Layer):
    """Additive attention with a learned query: the pooling of Model 1 (chapter "Attention versus self-attention").

    The paper takes its attention from Bahdanau et al. [1]_. There a decoder's state asks; here there is no decoder, so the
    query is learned and constant, and is part of the bias::

        e_t = v . tanh(W h_t + b)
        a_t = exp(e_t) / sum over t' of exp(e_t')
        c   = sum over t of a_t h_t

    Parameters
    ----------
    units : int
        Size of the hidden layer of the score.

    Notes
    -----
    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, which sum to 1.

    References
    ----------
    .. [1] D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate",
       ICLR 2015, appendix A.1.2.
    """

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        """Make the weights: W (features, units), b (units,), v (units, 1)."""
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units), initializer="glorot_normal")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.v = self.add_weight(name="v", shape=(self.units, 1), initializer="glorot_normal")

    def call(self, x, mask=None, return_attention=False):
        """Return ``(batch, features)``, and the weights ``(batch, time)`` if asked for."""
        scores = ops.squeeze(ops.matmul(ops.tanh(ops.matmul(x, self.w) + self.b), self.v), -1)
        weights = _softmax(scores, None if mask is None else ops.cast(mask, "bool"))
        output = ops.sum(ops.expand_dims(ops.cast(weights, x.dtype), -1) * x, axis=1)
        return (output, weights) if return_attention else output

    def compute_mask(self, x, mask=None):
        """Return None: there is no time axis left to mask."""

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
