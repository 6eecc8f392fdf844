"""How large a network is at work: its products and its memory, counted and not measured, so also on the meta device."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from spurlab.models import answer_of, asked, fitting, parameter_count, trial_inputs
from spurlab.training.stacked_cnn import can_stack_cnn

PROBE = 2  # examples: with one, a network might take the batch for something else
SMALL = 2**22  # parameters: a network on the meta device that has no more is looked at on the CPU


def multiply_adds(network: nn.Module, shape: Sequence[int], kinds: tuple[type[nn.Module], ...]) -> int:
    """Multiply-adds of one example, of this shape, in the network's layers of these kinds: convolutions or linear ones.

    With a `spurlab.models.skeleton` nothing is computed.

    >>> multiply_adds(nn.Sequential(nn.Conv2d(2, 5, 3), nn.Flatten()), (2, 6, 4), (nn.Conv2d,))  # 4 x 2 places
    720
    """
    found = 0

    def seen(module: nn.Module, output: Tensor) -> None:
        nonlocal found
        if isinstance(module, kinds) and isinstance(module.weight, Tensor):
            found += output[0].numel() * module.weight[0].numel()

    _watched(network, shape, seen)
    return found


def bytes_to_train(network: nn.Module, shape: Sequence[int], batch_size: int) -> int:
    """Memory that one member of a group takes while it is trained, in float32.

    Eight numbers for each weight: it, its gradient, two moments and as much again to work with. Four for each number of
    a batch. Two for each number that a module puts out: kept for the backward pass, and its gradient. As many for each
    number in the windows of a convolution that `StackedCNN` writes out: a signal stands in several of them.

    Args:
        network: on any device; with `spurlab.models.skeleton` no memory is taken here.
        shape: of one input.
        batch_size: of training.

    >>> from spurlab.models import skeleton
    >>> by_batch = [bytes_to_train(skeleton("mlp", (1, 28, 28), 10), (1, 28, 28), size) for size in (32, 128)]
    >>> by_batch[0] < by_batch[1]
    True
    """
    outputs: dict[int, Tensor] = {}  # by identity: a sequence puts out what its last layer does
    writes_windows, windows = can_stack_cnn(network), 0

    def seen(module: nn.Module, output: Tensor) -> None:
        nonlocal windows
        outputs[id(output)] = output
        if writes_windows and isinstance(module, nn.Conv1d):
            windows += output.shape[-1] * module.weight[0].numel()

    _watched(network, shape, seen)
    numbers = trial_inputs(network, shape, 1).numel()
    activations = sum(output.numel() for output in outputs.values()) // PROBE
    return 4 * (8 * parameter_count(network) + batch_size * (4 * numbers + 2 * (activations + windows)))


def _watched(network: nn.Module, shape: Sequence[int], seen: Callable[[nn.Module, Tensor], None]) -> None:
    """Tell of each tensor that a module puts out for a few examples of zeros; leaves no trace in the network.

    On the meta device PyTorch carries out much in Python, and imports its compiler to do so: for more than a second,
    which a small network is spared.
    """

    def hook(module: nn.Module, _: object, output: object) -> None:
        for each in output if isinstance(output, tuple | list) else (output,):
            if isinstance(each, Tensor):
                seen(module, each)

    if any(weight.is_meta for weight in network.parameters()) and parameter_count(network) <= SMALL:
        zeros = {name: torch.zeros(each.shape, dtype=each.dtype) for name, each in network.state_dict().items()}
        network = copy.deepcopy(network)
        network.load_state_dict(zeros, assign=True)
    with asked(network), torch.no_grad():  # at the end of which the hooks are gone
        network.eval()
        for module in network.modules():
            if not isinstance(module, torch.jit.ScriptModule):  # which takes no hooks: what it does is not counted
                module.register_forward_hook(hook)
        answer_of(network, fitting(network, trial_inputs(network, shape, PROBE)))
