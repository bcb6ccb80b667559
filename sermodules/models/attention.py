"""Attention, and what else turns a sequence into one vector: the values of ``RunConfig.attention``.

Self-attention turns a sequence into a sequence, which is then averaged; pooling turns it into one vector. Both take
``(batch, time, features)`` and an optional mask ``(batch, time)`` (true where there is speech), and with
``return_attention=True`` also return their weights, so that a chapter can draw where they look. All layers use `keras.ops`
only, so they run on every Keras backend.
"""

from sermodules.models.backend import keras

ops = keras.ops

#: Units of the additive attentions: the library's default.
UNITS = 32
#: Frames of a window after pooling in time; the paper, section 2.2.2.
WIDTH = 15

_FAR_BELOW = -1e9  # a score whose softmax weight is exactly zero


def _softmax(scores, allowed):
    """Softmax over the last axis among the allowed entries, in float32 whatever the policy; no entry allowed gives 0."""
    weights = ops.softmax(ops.where(allowed, ops.cast(scores, "float32"), _FAR_BELOW), axis=-1)
    return ops.where(allowed, weights, 0.0)


def _allowed(x, mask):
    """Say which frames count, (batch, time): those of the mask, or all if there is none (then the batch is 1)."""
    return ops.ones_like(x[:1, :, 0], dtype="bool") if mask is None else ops.cast(mask, "bool")


@keras.saving.register_keras_serializable("sermodules")
class LocalSelfAttention(keras.layers.Layer):
    """Additive self-attention within a window of frames (chapter "Attention versus self-attention").

    With equal weights it gives the values and gradients of ``keras_self_attention.SeqSelfAttention(units,
    attention_width=width, attention_activation="relu")``, the layer that the paper names [1]_, but it scores only the `width`
    frames of each window instead of all pairs of frames, in any dtype policy and on any Keras backend. It does not *start* as
    that layer does, unless told so: see `equal_start`. With x_t the frame at time t and t' within the window
    ``[t - width // 2, t - width // 2 + width)``::

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
    equal_start : bool
        Start as the library does under Keras 3: one initializer object serves all its weights, and Keras 3 repeats an object's
        draw, so W_t begins **equal to** W_x. Otherwise each of the three weights is drawn apart, as in Keras 2. Either way
        the first of them, W_t, and the weights of all other layers of a network are the same.

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

    Examples
    --------
    Without any weights all scores are 0: every frame becomes the mean of its window.

    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> layer, x = attention.LocalSelfAttention(units=2, width=3), np.array([[[0.0], [3.0], [6.0], [9.0]]])
    >>> layer.build(x.shape)
    >>> layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    >>> np.asarray(layer(x)).round(3).ravel().tolist()
    [1.5, 3.0, 6.0, 7.5]
    """

    def __init__(self, units=32, width=15, equal_start=False, **kwargs):
        super().__init__(**kwargs)
        if units < 1 or width < 1:
            raise ValueError(f"units and width must be at least 1, not {units} and {width}")
        self.units, self.width, self.equal_start = units, width, equal_start
        self.supports_masking = True

    def build(self, input_shape):
        """Make the weights: W_t, W_x (features, units), b_h (units,), W_a (units, 1), b_a (1,)."""
        features = input_shape[-1]
        drawn = [keras.initializers.GlorotNormal() for _ in range(3)]  # each has a seed of its own
        if self.equal_start:
            drawn = 3 * drawn[:1]
        self.w_t = self.add_weight(name="w_t", shape=(features, self.units), initializer=drawn[0])
        self.w_x = self.add_weight(name="w_x", shape=(features, self.units), initializer=drawn[1])
        self.b_h = self.add_weight(name="b_h", shape=(self.units,), initializer="zeros")
        self.w_a = self.add_weight(name="w_a", shape=(self.units, 1), initializer=drawn[2])
        self.b_a = self.add_weight(name="b_a", shape=(1,), initializer="zeros")

    def _windows(self, x):
        """Shift x along time, once for each place in the window: a list of `width` arrays of x's shape."""
        before = self.width // 2
        after = self.width - 1 - before
        padded = ops.pad(x, [(0, 0), (before, after)] + [(0, 0)] * (len(x.shape) - 2))
        shape = ops.shape(x)  # `ops.slice`, because TensorFlow takes a long time for the gradient of `x[:, a:b]`
        return [ops.slice(padded, (0, j) + (0,) * (len(shape) - 2), shape) for j in range(self.width)]

    def call(self, x, mask=None, return_attention=False):
        """Return ``(batch, time, features)``, and the weights ``(batch, time, width)`` if asked for."""
        allowed = ops.stack(self._windows(_allowed(x, mask)), axis=-1)
        query = ops.matmul(x, self.w_t) + self.b_h
        keys = self._windows(ops.matmul(x, self.w_x))
        # place by place: one array (batch, time, width, units) would take longer to write and read than to compute
        scores = ops.concatenate([ops.matmul(ops.tanh(query + key), self.w_a) for key in keys], axis=-1)
        scores = ops.relu(scores + self.b_a)
        weights = _softmax(scores, allowed)
        weighted = zip(ops.split(ops.cast(weights, x.dtype), self.width, axis=-1), self._windows(x), strict=True)
        output = sum(weight * frames for weight, frames in weighted)
        return (output, weights) if return_attention else output

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "width": self.width,
            "equal_start": self.equal_start,
        }


@keras.saving.register_keras_serializable("sermodules")
class ScaledDotAttention(keras.layers.Layer):
    """Scaled dot-product self-attention, as the paper prints it in its equations 4 to 7 [1]_.

    The paper prints these equations but names another layer, `LocalSelfAttention` (chapter "Attention versus
    self-attention"). With x_i the frame at time i, and three learned matrices::

        Q_i = W_q x_i,  K_i = W_k x_i,  V_i = W_v x_i
        Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V

    Notes
    -----
    Input ``(batch, time, features)``; output the same shape, and with ``return_attention=True`` the weights
    ``(batch, time, time)``, where entry (t, t') is the weight of frame t' in the output of frame t. A masked frame gets no
    weight. Scores are scaled before the product, and their softmax is taken in float32.

    As printed, there are no biases, no output projection, no residual connection and no encoding of time. Open: the paper
    gives neither the number of heads nor d_k nor the size of V. Here there is one head, as nothing in the equations splits
    or joins, and all three sizes are the number of features, as for one head in [2]_; so the output has the input's shape,
    as that of `LocalSelfAttention` has. The initial weights are drawn as there.

    References
    ----------
    .. [1] Bhushan et al. 2022, section 2.2.2.
    .. [2] A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin, "Attention is
       all you need", NIPS 2017.

    Examples
    --------
    Without queries and keys all scores are 0: every frame becomes the mean of all.

    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> layer, x = attention.ScaledDotAttention(), np.array([[[0.0], [3.0], [6.0]]])
    >>> layer.build(x.shape)
    >>> layer.set_weights([np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1))])  # W_q, W_k, W_v
    >>> np.asarray(layer(x)).round(3).ravel().tolist()
    [3.0, 3.0, 3.0]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        """Make the weights: W_q, W_k and W_v, each (features, features)."""
        shape = (input_shape[-1], input_shape[-1])
        self.w_q = self.add_weight(name="w_q", shape=shape, initializer="glorot_normal")
        self.w_k = self.add_weight(name="w_k", shape=shape, initializer="glorot_normal")
        self.w_v = self.add_weight(name="w_v", shape=shape, initializer="glorot_normal")

    def call(self, x, mask=None, return_attention=False):
        """Return ``(batch, time, features)``, and the weights ``(batch, time, time)`` if asked for."""
        queries = ops.matmul(x, self.w_q) / self.w_k.shape[-1] ** 0.5
        scores = ops.matmul(queries, ops.swapaxes(ops.matmul(x, self.w_k), 1, 2))
        weights = _softmax(scores, ops.expand_dims(_allowed(x, mask), 1))
        output = ops.matmul(ops.cast(weights, x.dtype), ops.matmul(x, self.w_v))
        return (output, weights) if return_attention else output


class _Pooling(keras.layers.Layer):
    """A weighted sum over time; the weights are the softmax of a score of each frame.

    The score is the subclass's method ``score``, from ``(batch, time, features)`` to ``(batch, time)``.

    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, which sum to 1. A masked frame gets no weight. The sum is taken in float32.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def pool(self, x, allowed):
        """Return the vectors ``(batch, features)`` and the weights ``(batch, time)``."""
        weights = _softmax(self.score(x), allowed)
        return ops.sum(ops.expand_dims(weights, -1) * ops.cast(x, "float32"), axis=1), weights

    def call(self, x, mask=None, return_attention=False):
        """Return ``(batch, features)``, and the weights ``(batch, time)`` if asked for."""
        output, weights = self.pool(x, _allowed(x, mask))
        output = ops.cast(output, x.dtype)
        return (output, weights) if return_attention else output

    def compute_mask(self, x, mask=None):
        """Return None: there is no time axis left to mask."""


@keras.saving.register_keras_serializable("sermodules")
class AdditivePooling(_Pooling):
    """Additive attention with a learned query: the pooling of Model 1 (chapter "Attention versus self-attention").

    The paper takes its attention from Bahdanau et al. [1]_. There a decoder's state asks; here there is no decoder, so the
    query is learned and constant, and is part of the bias::

        e_t = v . tanh(W h_t + b)
        a_t = exp(e_t) / sum over t' of exp(e_t')
        c   = sum over t of a_t h_t

    With one unit and ``activation="sigmoid"`` it is the attention of the public code of ACRNN [2]_: softmax over time of
    u sigmoid(w . h_t + b), with w as long as h_t, and numbers b and u. As a sigmoid lies between 0 and 1, no frame's score is
    further than u from another's. ACRNN's publication has another score: see `LinearPooling`.

    Parameters
    ----------
    units : int
        Size of the hidden layer of the score.
    activation : str
        Name of a Keras activation, "tanh" in [1]_.

    Notes
    -----
    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, which sum to 1. A masked frame gets no weight.

    References
    ----------
    .. [1] D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate",
       ICLR 2015, appendix A.1.2.
    .. [2] https://github.com/xuanjihe/speech-emotion-recognition

    Examples
    --------
    Scores of tanh(0) = 0 and tanh(100) = 1 have the weights 1 / (1 + e) and e / (1 + e).

    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> layer, x = attention.AdditivePooling(units=1), np.array([[[0.0], [100.0]]])
    >>> layer.build(x.shape)
    >>> layer.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1))])  # W, b, v
    >>> output, weights = layer(x, return_attention=True)
    >>> np.asarray(weights).round(3)
    array([[0.269, 0.731]], dtype=float32)
    """

    def __init__(self, units=32, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be at least 1, not {units}")
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Make the weights: W (features, units), b (units,), v (units, 1)."""
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units), initializer="glorot_normal")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.v = self.add_weight(name="v", shape=(self.units, 1), initializer="glorot_normal")

    def score(self, x):
        """Return v . activation(W h_t + b) of each frame."""
        return ops.squeeze(ops.matmul(self.activation(ops.matmul(x, self.w) + self.b), self.v), -1)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable("sermodules")
class LinearPooling(_Pooling):
    """Attention with a linear score: ACRNN's as published [1]_, equation 4.

    ::

        a_t = exp(w . h_t) / sum over t' of exp(w . h_t')
        c   = sum over t of a_t h_t

    A bias would be the same for all frames and would cancel. The authors' code computes another score: see
    `AdditivePooling`.

    See chapter "Attention versus self-attention".

    Notes
    -----
    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, which sum to 1. A masked frame gets no weight.

    References
    ----------
    .. [1] M. Chen, X. He, J. Yang, H. Zhang, "3-D convolutional recurrent neural networks with attention model for speech
       emotion recognition", IEEE Signal Processing Letters 25(10), 2018.

    Examples
    --------
    Scores of 0 and ln 3 have the weights 1/4 and 3/4.

    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> layer, x = attention.LinearPooling(), np.array([[[0.0], [np.log(3)]]])
    >>> layer.build(x.shape)
    >>> layer.set_weights([np.ones((1, 1))])  # w
    >>> output, weights = layer(x, return_attention=True)
    >>> np.asarray(weights).round(3)
    array([[0.25, 0.75]], dtype=float32)
    """

    def build(self, input_shape):
        """Make the weights: w (features, 1)."""
        self.w = self.add_weight(name="w", shape=(input_shape[-1], 1), initializer="glorot_normal")

    def score(self, x):
        """Return w . h_t of each frame."""
        return ops.squeeze(ops.matmul(x, self.w), -1)


@keras.saving.register_keras_serializable("sermodules")
class MeanPooling(_Pooling):
    """The mean over time: every frame that is not masked has the same weight, and nothing is learned.

    See chapter "Attention versus self-attention".

    Notes
    -----
    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, 1 over the number of frames that are not masked.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> np.asarray(attention.MeanPooling()(np.array([[[0.0, 1.0], [2.0, 5.0]]])))
    array([[1., 3.]], dtype=float32)
    """

    def score(self, x):
        """Return 0 for each frame."""
        return ops.zeros_like(x[:, :, 0])


@keras.saving.register_keras_serializable("sermodules")
class MaxPooling(_Pooling):
    """The maximum over time of each feature; nothing is learned.

    See chapter "Attention versus self-attention".

    Notes
    -----
    Input ``(batch, time, features)``; output ``(batch, features)``, and with ``return_attention=True`` the weights
    ``(batch, time)``, which sum to 1. A masked frame is never the maximum.

    Each feature takes its maximum from a frame of its own, so there is no single weight to report. Here the weight of a
    frame is the share of the features whose maximum lies there; a feature with its maximum at n frames counts 1/n at each.
    It is the mean over features of the gradient of the maximum, and is for looking at: the output is not the sum of the
    frames with these weights.

    Examples
    --------
    >>> import numpy as np
    >>> from sermodules.models import attention
    >>> np.asarray(attention.MaxPooling()(np.array([[[0.0, 7.0], [2.0, 5.0]]])))
    array([[2., 7.]], dtype=float32)
    """

    def pool(self, x, allowed):
        """Return the maxima ``(batch, features)`` and the shares ``(batch, time)``."""
        inside = ops.expand_dims(allowed, -1)
        highest = ops.max(ops.where(inside, x, float("-inf")), axis=1, keepdims=True)
        hits = ops.cast(ops.logical_and(inside, ops.equal(x, highest)), "float32")
        weights = ops.mean(hits / ops.maximum(ops.sum(hits, axis=1, keepdims=True), 1.0), axis=-1)
        output = ops.where(ops.any(inside, axis=1), ops.squeeze(highest, 1), 0.0)  # 0 if every frame is masked
        return output, weights


def _seq_self(x, mask, equal_start=False):
    x = LocalSelfAttention(UNITS, WIDTH, equal_start, name="attention")(x, mask=mask)
    return keras.layers.GlobalAveragePooling1D(name="pooled")(x, mask=mask)


def _seq_self_equal_start(x, mask):
    return _seq_self(x, mask, equal_start=True)


def _scaled_dot(x, mask):
    x = ScaledDotAttention(name="attention")(x, mask=mask)
    return keras.layers.GlobalAveragePooling1D(name="pooled")(x, mask=mask)


def _additive(x, mask):
    return AdditivePooling(UNITS, name="attention")(x, mask=mask)


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
    "seq_self_equal_start": _seq_self_equal_start,
    "scaled_dot": _scaled_dot,
    "additive": _additive,
    "acrnn": _acrnn,
    "acrnn_code": _acrnn_code,
    "mean": _mean,
    "max": _max,
}


def attention_weights(model, inputs):
    """Say where a network looks.

    See chapter "Attention versus self-attention".

    Parameters
    ----------
    model : keras.Model
        From `cnn_bilstm.network`.
    inputs : dict of numpy.ndarray
        n segments, as the model takes them.

    Returns
    -------
    numpy.ndarray of float32
        What depends on ``config.attention``:

        - "additive", "acrnn", "acrnn_code": (n, 150), the weight of each frame in the sum.
        - "mean": (n, 150), the same for every frame.
        - "max": (n, 150), the share of the features whose maximum lies at each frame.
        - "seq_self", "seq_self_equal_start": (n, 150, 15), where entry j of frame t is the weight of frame t - 7 + j.
        - "scaled_dot": (n, 150, 150), where entry t' of frame t is the weight of frame t'.

        The weights sum to 1 over the last axis. A masked frame has none; where all frames that "seq_self" could weigh are
        masked, all are 0.

    Examples
    --------
    A network without an encoder that takes the mean over four steps.

    >>> import numpy as np
    >>> from sermodules import models
    >>> from sermodules.models.backend import keras
    >>> x = keras.Input((4, 2), name="x")
    >>> network = keras.Model({"x": x}, models.ATTENTIONS["mean"](x, None))
    >>> models.attention_weights(network, {"x": np.zeros((1, 4, 2))})
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """
    layer = model.get_layer("attention")
    sequence = keras.Model(model.input, layer._inbound_nodes[0].arguments.args[0])(inputs, training=False)
    mask = inputs["mask"][:, ::2] if "mask" in model.input else None
    _, weights = layer(sequence, mask=mask, return_attention=True)
    return keras.ops.convert_to_numpy(weights)
