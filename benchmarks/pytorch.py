"""Model 2 of the paper in PyTorch, layer by layer as `sermodules.models` builds it. PyTorch is optional.

``tests/test_benchmarks.py`` shows that it has as many parameters and, from the same weights, the same loss.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from sermodules.features import BANDS, CHANNELS

UNITS, WIDTH = 32, 15  # of the self-attention
GENDER_DIMENSIONS, GENDER_UNITS = 300, 64
SLOPE = 0.01  # of LeakyReLU


class SelfAttention(nn.Module):
    """The paper's self-attention, (batch, time, features) to the same; see `sermodules.models.attention.LocalSelfAttention`."""

    def __init__(self, features):
        super().__init__()
        self.w_t = nn.Parameter(nn.init.xavier_normal_(torch.empty(features, UNITS)))
        self.w_x = nn.Parameter(nn.init.xavier_normal_(torch.empty(features, UNITS)))
        self.b_h = nn.Parameter(torch.zeros(UNITS))
        self.w_a = nn.Parameter(nn.init.xavier_normal_(torch.empty(UNITS, 1)))
        self.b_a = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        """Score the frames of each window, and sum them by the softmax of the scores."""
        inside = _windows(x.new_ones(1, x.shape[1], 1)).squeeze(2) > 0
        keys = _windows(x @ self.w_x).transpose(2, 3)
        hidden = torch.tanh((x @ self.w_t + self.b_h).unsqueeze(2) + keys)
        scores = torch.relu((hidden @ self.w_a).squeeze(-1) + self.b_a).float()
        weights = scores.masked_fill(~inside, float("-inf")).softmax(dim=-1).to(x.dtype)
        return torch.einsum("ntw,ntfw->ntf", weights, _windows(x))


def _windows(x):
    """From (batch, time, features) to (batch, time, features, width), with zeros beyond the ends."""
    before = WIDTH // 2
    return functional.pad(x, (0, 0, before, WIDTH - 1 - before)).unfold(1, WIDTH, 1)


class Network(nn.Module):
    """Model 2 with a gender.

    Parameters
    ----------
    config : RunConfig
        ``width``, ``conv_layers``, ``pool`` and ``dense_units`` matter.
    classes : int
    """

    def __init__(self, config, classes):
        super().__init__()

        def size(full):
            return max(1, round(full * config.width))

        filters = [CHANNELS, size(128), *[size(256)] * (config.conv_layers - 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, (5, 3), padding="same") for before, after in pairwise(filters)
        )
        self.pool = nn.MaxPool2d((2, 2) if config.pool == "2x2" else (2, 4))
        self.linear = nn.Linear(BANDS // self.pool.kernel_size[1] * filters[-1], size(768))
        self.bilstm = nn.LSTM(size(768), size(128), batch_first=True, bidirectional=True)
        for bias in (self.bilstm.bias_hh_l0, self.bilstm.bias_hh_l0_reverse):
            bias.requires_grad_(False).zero_()  # PyTorch has two biases that are only added; Keras has one
        self.attention = SelfAttention(2 * size(128))
        self.gender_embedding = nn.Embedding(2, GENDER_DIMENSIONS)
        self.gender_dense = nn.Linear(GENDER_DIMENSIONS, GENDER_UNITS)
        self.dense = nn.Linear(2 * size(128) + GENDER_UNITS, config.dense_units)
        self.logits = nn.Linear(config.dense_units, classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, log_mel, gender):
        """From (batch, 3, 300, 40), stored channels last, and (batch, 1) to logits."""
        x = log_mel
        for number, convolution in enumerate(self.convolutions):
            x = functional.leaky_relu(convolution(x), SLOPE)
            if number == 0:
                x = self.pool(x)
        x = self.linear(x.permute(0, 2, 3, 1).flatten(2))
        x, _ = self.bilstm(x)
        x = self.attention(x).mean(dim=1)
        x = torch.cat([x, self.gender_dense(self.gender_embedding(gender)).flatten(1)], dim=1)
        return self.logits(torch.relu(self.dense(x)))


def parameters(network):
    """Return the number of parameters that are trained."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def optimizer(network, rate):
    """Return Nadam with the settings of Keras, whose momentum grows 250 times as fast as by PyTorch's default.

    From the same gradients both make the same steps (``tests/test_benchmarks.py``). In training the losses drift apart by some
    tenths of a per cent within three steps: Nadam divides each gradient by its own size, so where one is nearly zero, its
    rounding error decides the step. With plain gradient descent they agree to the sixth digit.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.NAdam(trained, lr=rate, betas=(0.9, 0.999), eps=1e-7, momentum_decay=1.0)


def step(network, optimizer, inputs, labels, precision="float32"):
    """Train with one minibatch.

    Parameters
    ----------
    network : Network
    optimizer : torch.optim.Optimizer
    inputs : dict of numpy.ndarray
        ``log_mel`` (batch, 300, 40, 3) and ``gender`` (batch, 1).
    labels : numpy.ndarray of int, shape (batch,)
    precision : {"float32", "mixed_bfloat16"}

    Returns
    -------
    float
        The loss before the step.
    """
    log_mel = torch.from_numpy(inputs["log_mel"]).permute(0, 3, 1, 2)  # no copy: the channels stay last
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16"):
        outputs = network(log_mel, torch.from_numpy(inputs["gender"]))
    loss = functional.cross_entropy(outputs.float(), torch.from_numpy(labels).long())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def load(network, weights):
    """Copy the weights of the Keras model of the same configuration.

    Parameters
    ----------
    network : Network
        Changed in place.
    weights : dict of str to list of numpy.ndarray
        Of each Keras layer by its name, as ``layer.get_weights()`` gives them.
    """
    targets = {f"conv{number + 1}": layer for number, layer in enumerate(network.convolutions)}
    dense = ("linear", "gender_dense", "dense", "logits")
    lstm = network.bilstm
    with torch.no_grad():
        for name, layer in targets.items():
            kernel, bias = weights[name]
            layer.weight.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        for name in dense:
            kernel, bias = weights[name]
            getattr(network, name).weight.copy_(torch.from_numpy(kernel.T.copy()))
            getattr(network, name).bias.copy_(torch.from_numpy(bias))
        for end, arrays in (("", weights["bilstm"][:3]), ("_reverse", weights["bilstm"][3:])):
            kernel, recurrent, bias = arrays
            getattr(lstm, f"weight_ih_l0{end}").copy_(torch.from_numpy(kernel.T.copy()))
            getattr(lstm, f"weight_hh_l0{end}").copy_(torch.from_numpy(recurrent.T.copy()))
            getattr(lstm, f"bias_ih_l0{end}").copy_(torch.from_numpy(bias))
        for name, array in zip(("w_t", "w_x", "b_h", "w_a", "b_a"), weights["attention"], strict=True):
            getattr(network.attention, name).copy_(torch.from_numpy(array))
        network.gender_embedding.weight.copy_(torch.from_numpy(weights["gender_embedding"][0]))
