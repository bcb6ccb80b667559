"""Layers of Keras in a form that TensorFlow computes faster on a CPU: the same weights, the same results but for rounding."""

from sermodules.models.backend import keras

ops = keras.ops


@keras.saving.register_keras_serializable("sermodules")
class FusedLeakyReLU(keras.layers.LeakyReLU):
    """`keras.layers.LeakyReLU`, whose gradient needs its output and not its input.

    An output has the sign of its input, so the gradient is the same. TensorFlow can then compute a convolution, its bias and
    this activation in one pass over the memory, because nothing else needs what lies between. On other backends it is Keras'
    own layer.

    Notes
    -----
    Input and output ``(...)``: x where x is positive, else ``negative_slope`` x.
    """

    def call(self, inputs):
        """Return the activated inputs."""
        if keras.backend.backend() != "tensorflow" or self.negative_slope <= 0:
            return super().call(inputs)
        import tensorflow as tf

        @tf.custom_gradient
        def activate(x):
            y = tf.nn.leaky_relu(x, self.negative_slope)
            return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=self.negative_slope)

        return activate(inputs)


@keras.saving.register_keras_serializable("sermodules")
class FusedLSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster where TensorFlow runs on a CPU.

    Keras runs an LSTM there as a loop of as many small steps as the sequence has. TensorFlow's operation ``BlockLSTM`` takes
    the whole sequence. Outputs and gradients differ from Keras' by rounding only. On another backend, on a GPU, in another
    precision than float32, and with settings that the operation does not have (dropout, other activations, no bias, states
    that are given, asked for or kept), Keras' own code runs. The weights are the same in both cases.

    Notes
    -----
    Input ``(batch, time, features)`` and an optional mask ``(batch, time)``; output ``(batch, time, units)`` with
    ``return_sequences=True``, else ``(batch, units)``. As in Keras, a masked step changes no state, and its output is that of
    the step before (0 before the first step that counts), or 0 within `keras.layers.Bidirectional`.

    ``BlockLSTM`` has its gates in the order i, c, f, o, where Keras has i, f, c, o. It knows no mask, so steps that count are
    moved to the front of their sequence, and their outputs back. Its successor ``BlockLSTMV2`` is not used: TensorFlow 2.21
    takes the first one's gradient for it, whose gates have another order, and so trains with wrong gradients without a word.
    """

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Return the outputs; see the class."""
        if initial_state is not None or not self._fits(sequences):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        if mask is None:
            outputs = self._block(sequences)
        else:
            mask = ops.cast(mask, "bool")
            time = ops.arange(sequences.shape[1])
            front = ops.argsort(
                ops.where(mask, time, time + sequences.shape[1]), axis=1
            )  # steps that count first, in order
            outputs = self._block(ops.take_along_axis(sequences, ops.expand_dims(front, -1), axis=1))
            seen = ops.expand_dims(ops.cumsum(ops.cast(mask, "int32"), axis=1), -1)
            outputs = ops.take_along_axis(outputs, ops.maximum(seen - 1, 0), axis=1)
            counts = ops.expand_dims(mask, -1) if self.zero_output_for_mask else seen > 0
            outputs = ops.where(counts, outputs, ops.zeros_like(outputs))
        return outputs if self.return_sequences else outputs[:, -1]

    def _fits(self, sequences):
        """Tell whether the fused operation computes what this layer is to compute."""
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "float32":
            return False
        import tensorflow as tf  # only where it is the backend

        plain = not (self.stateful or self.return_state or self.dropout or self.recurrent_dropout) and self.use_bias
        usual = self.activation is keras.activations.tanh and self.recurrent_activation is keras.activations.sigmoid
        return plain and usual and sequences.shape[1] is not None and not tf.config.list_physical_devices("GPU")

    def _block(self, sequences):
        """Return the outputs of all steps, (batch, time, units), by the fused operation."""
        import tensorflow as tf

        def gates(weights):  # Keras' i, f, c, o as i, c, f, o
            i, f, c, o = ops.split(weights, 4, axis=-1)
            return ops.concatenate([i, c, f, o], axis=-1)

        batch, unused = ops.shape(sequences)[0], ops.zeros((self.units,))
        start = ops.zeros((batch, self.units))
        weights = ops.concatenate([self.cell.kernel, self.cell.recurrent_kernel], axis=0)
        outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=sequences.shape[1], x=ops.transpose(sequences, (1, 0, 2)), cs_prev=start, h_prev=start,
            w=gates(weights), wci=unused, wcf=unused, wco=unused, b=gates(self.cell.bias),
            forget_bias=0.0, cell_clip=-1.0, use_peephole=False,
        )  # fmt: skip
        return ops.transpose(outputs.h, (1, 0, 2))
