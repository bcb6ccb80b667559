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
    "InputLayer", "FusedLeakyReLU", "LeakyReLU", "MaxPooling2D", "Reshape", "GlobalAveragePooling1D", "Embedding", "Flatten", "Concatenate",
}  # fmt: skip


def forward(model):
    """Count what the prediction of one segment needs.

    See chapter "The CNN-BiLSTM".

    Parameters
    ----------
    model : keras.Model
        Model 1 or 2 of `sermodules.models.build`, of any size.

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
    computed: the library's layer scores all T frames for each frame. For additive attention: 2 T F U for W, 2 T U for the
    scores, 2 T F for the weighted sum.

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
    if kind == "LocalSelfAttention":
        _, time, features = layer.output.shape
        return 2 * time * (2 * features * layer.units + layer.width * layer.units + layer.width * features)
    if kind == "AdditivePooling":
        _, time, features = layer.input.shape
        return 2 * time * (features * layer.units + layer.units + features)
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
