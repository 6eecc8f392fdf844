"""The networks of MNIST-1D, for signals of one channel. Their layers start as PyTorch starts them."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.errors import InputError


class ResidualMLP(nn.Module):
    """Two hidden layers with ReLU, the second added to the first.

    Args:
        shape: of one input, any.
        classes: the number of classes, k.
        hidden: the width of both layers.

    Source: MLPBase in notebooks/models.py of github.com/greydanus/mnist1d; Greydanus and Kobak (2024), Scaling Down
    Deep Learning with MNIST-1D, arXiv:2011.14439.

    >>> sum(p.numel() for p in ResidualMLP((40,), 10).parameters())
    15210
    """

    def __init__(self, shape: Sequence[int], classes: int, hidden: int = 100) -> None:
        super().__init__()
        self.linear1 = nn.Linear(math.prod(shape), hidden)
        self.linear2 = nn.Linear(hidden, hidden)
        self.linear3 = nn.Linear(hidden, classes)

    def forward(self, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        first = self.linear1(inputs.flatten(1)).relu()
        logits: Tensor = self.linear3(first + self.linear2(first).relu())
        return logits


def signal_cnn(shape: Sequence[int], classes: int, channels: int = 25) -> nn.Sequential:
    """Three convolutions (kernels 5, 3, 3; stride 2, padding 1) with ReLU, then a linear layer over all they give.

    Args:
        shape: of one signal, ``d`` or ``1 d``, at least 3 features.
        classes: the number of classes, k.
        channels: of each convolution: 25 in the source, 256 in the report on spurious MNIST-1D.

    Returns:
        Inputs ``n d`` or ``n 1 d``, logits ``n k``.

    Raises:
        ValueError: no signals, or too short ones.

    Source: ConvBase, as in `ResidualMLP`.

    >>> sum(p.numel() for p in signal_cnn((40,), 10).parameters())
    5210
    """
    features = signal_length(shape, "the CNN of MNIST-1D", smallest=3)
    left = math.ceil((features - 1) // 2 / 4)  # of 40 features 19, 10 and 5
    return nn.Sequential(
        *(nn.Flatten(), nn.Unflatten(1, (1, features))),
        *(nn.Conv1d(1, channels, 5, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(channels * left, classes)),
    )


class SignalGRU(nn.Module):
    """A GRU that reads a signal feature by feature in both directions, then a linear layer over all steps.

    Weights and numbers are those of `nn.GRU`, which holds them. The steps are written out, both directions at once:
    `torch.func.vmap` cannot run PyTorch's own, so that many members could not train together. Inputs are
    ``n d`` or ``n 1 d``, logits ``n k``.

    Args:
        shape: of one signal, ``d`` or ``1 d``.
        classes: the number of classes, k.
        hidden: the size of the state of each direction.

    Raises:
        ValueError: no signals.

    Source: GRUBase, as in `ResidualMLP`; Cho et al. (2014), arXiv:1406.1078, for the unit.

    >>> sum(p.numel() for p in SignalGRU((40,), 10).parameters())
    5134
    """

    def __init__(self, shape: Sequence[int], classes: int, hidden: int = 6) -> None:
        super().__init__()
        features = signal_length(shape, "the GRU of MNIST-1D")
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden * features, classes)

    def forward(self, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        signals, hidden = inputs.flatten(1), self.gru.hidden_size
        of_input, of_state = self._both("weight_ih"), self._both("weight_hh").transpose(1, 2)  # 2 3h 1, 2 h 3h
        input_bias, state_bias = self._both("bias_ih").unsqueeze(1), self._both("bias_hh").unsqueeze(1)  # 2 1 3h
        state = signals.new_zeros((2, len(signals), hidden))
        states = []
        for now in torch.stack([signals, signals.flip(1)]).unbind(2):  # one feature forwards, one backwards: 2 n
            seen = now.unsqueeze(2) * of_input.transpose(1, 2) + input_bias
            kept = state @ of_state + state_bias
            reset, update = (seen[..., : 2 * hidden] + kept[..., : 2 * hidden]).sigmoid().chunk(2, -1)
            new = (seen[..., 2 * hidden :] + reset * kept[..., 2 * hidden :]).tanh()
            state = new + update * (state - new)
            states.append(state)
        forwards, backwards = torch.stack(states, 2)  # n d h
        logits: Tensor = self.linear(torch.cat([forwards, backwards.flip(1)], -1).flatten(1))
        return logits

    def _both(self, name: str) -> Tensor:
        return torch.stack([getattr(self.gru, f"{name}_l0{which}") for which in ("", "_reverse")])


def signal_length(shape: Sequence[int], network: str, smallest: int = 1) -> int:
    """The number of features of a signal, if `network` can take it: one channel, and no less than `smallest`."""
    found = " x ".join(map(str, shape))
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
        raise InputError(
            f"{network} takes signals of one channel (d or 1 x d), but one input here is {found}. Use a perceptron "
            "('mlp'), which takes any shape, or for images the CNN ('cnn')."
        )
    if shape[-1] < smallest:
        raise InputError(
            f"{network} needs signals of {smallest} features or more, but these have {shape[-1]}. Use a perceptron "
            "('table-mlp'), which takes any number."
        )
    return shape[-1]
