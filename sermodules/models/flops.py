"""How many floating-point operations a network needs for a segment, from the sizes of its layers.

Counted are convolutions and matrix products, a multiplication and an addition for each weight at each place. Activations,
softmaxes, pooling, sums of biases and the optimizer are left out: at the paper's sizes they are less than a hundredth.
"""

from math import prod

from sermodules.errors import SermodulesError

# Weight matrices of each kind of layer that are applied once at every place of its output.
_KERNELS = {
    "Conv2D": lambda layer: [layer.kernel],
    "Dense": lambda layer: [layer.kernel],
    "LSTM": lambda layer: [layer.cell.kernel, layer.cell.recurrent_kernel],
    "Bidirectional": lambda layer: [
        kernel
        for direction in (layer.forward_layer, layer.backward_layer)
        for kernel in (direction.cell.kernel, direction.cell.recurrent_kernel)
    ],
}
_FREE = {
    "InputLayer", "FusedLeakyReLU", "LeakyReLU", "MaxPooling2D", "Reshape", "GlobalAveragePooling1D", "Embedding",
    "Flatten", "Concatenate", "GetItem", "BatchNormalization", "BatchStatisticsNormalization", "SpeakerNormalization",
    "MaxPooling",
}  # fmt: skip

# FLOP of each attention over T frames of F features.
_ATTENTIONS = {
    "LocalSelfAttention": lambda layer, t, f: 2 * t * (2 * f * layer.units + layer.width * (layer.units + f)),
    "ScaledDotAttention": lambda layer, t, f: 2 * t * (3 * f * f + 2 * t * f),
    "AdditivePooling": lambda layer, t, f: 2 * t * (f * layer.units + layer.units + f),
    "LinearPooling": lambda layer, t, f: 2 * t * 2 * f,
    "MeanPooling": lambda layer, t, f: 2 * t * f,
}


def forward(model):
    """Count what the prediction of one segment needs.

    See chapter "The CNN-BiLSTM".

    Parameters
    ----------
    model : keras.Model
        A network of `sermodules.models.build`, of any size, with any attention.

    Returns
    -------
    dict of str to int
        FLOP of each layer, by its name.

    Raises
    ------
    SermodulesError
        If the model has a layer of another kind.

    Notes
    -----
    For a layer whose weight matrix W is applied at n places (the pixels that a convolution puts out, the frames of a
    sequence): 2 n times the number of entries of W. For self-attention over T frames of F features, with U units and a window
    of w frames: 2 T F U for each of W_t and W_x, 2 T w U for the scores, and 2 T w F for the weighted sums. More may be
    computed: the library's layer scores all T frames for each frame. For scaled dot-product attention: 2 T F F for each of
    three matrices, 2 T T F for the scores, and as much for the weighted sums. For additive attention: 2 T F U for W, 2 T U for
    the scores, 2 T F for the weighted sum; with a linear score 2 T F and 2 T F; for the mean 2 T F. A maximum is free.

    Examples
    --------
    3 inputs, 2 units: 3 * 2 multiplications, and as many additions.

    >>> from sermodules.models import flops
    >>> from sermodules.models.backend import keras
    >>> flops.forward(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")]))
    {'dense': 12}
    """
    return {layer.name: _layer(layer) for layer in model.layers}


def _layer(layer):
    kind = type(layer).__name__
    if kind in _ATTENTIONS:
        sequence = layer.input[0] if isinstance(layer.input, list) else layer.input  # with a mask beside it
        return _ATTENTIONS[kind](layer, *sequence.shape[1:])
    if kind in _KERNELS:
        places = prod(layer.output.shape[1:-1])
        return 2 * places * sum(prod(kernel.shape) for kernel in _KERNELS[kind](layer))
    if kind in _FREE:
        return 0
    raise SermodulesError(f"the operations of layer {layer.name!r} ({kind}) are not counted here: add it to flops.py")


def training(model):
    """Count what training needs for one segment.

    A step backward takes each product twice, once for the gradient of the weights and once for that of the input: so three
    times the forward pass in all. The first convolution needs no gradient of its input.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    int
        FLOP a segment.
    """
    counts = forward(model)
    return 3 * sum(counts.values()) - counts["conv1"]
