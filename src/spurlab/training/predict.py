"""What one network says about examples."""

from collections.abc import Callable

import torch
from jaxtyping import Float32, Num
from torch import Tensor, nn

from spurlab.models import ask, asked
from spurlab.training.stacked import layout_for, predicted_at_once


def predictions(network: nn.Module, inputs: Num[Tensor, "n *shape"], rows: int | None = None) -> Float32[Tensor, "n k"]:
    """Class probabilities of one network.

    One network at a time, so that a number does not depend, not even in its last bit, on which networks were trained
    and measured together.

    Args:
        network: in evaluation mode; it is asked as it is, and left as it was. Whether it is wrapped, compiled or in
            half precision makes no difference, nor whether it gives a tensor or an object or dict with `logits`. One
            that draws noise draws the same in each call.
        inputs: n examples; copies of them go to where the network is.
        rows: how many go through it at once; bounds the memory. None: as many as suit the network.

    Returns:
        On the CPU, in [0, 1]; NaN for a network that diverged.

    Raises:
        ValueError: what the network gives is not one logit for each class, or is probabilities already.

    >>> from spurlab.models import build
    >>> said = predictions(build("small-mlp", (1, 28, 28), 10, seed=0), torch.rand(5, 1, 28, 28))
    >>> said.shape, said.sum(1).round(decimals=4).tolist()
    (torch.Size([5, 10]), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    return _asked(network, inputs, rows, lambda outputs: outputs.softmax(-1))


def predictions_once(network: nn.Module, inputs: Num[Tensor, "n *shape"], rows: int | None) -> Float32[Tensor, "n k"]:
    """The same of a network that is thrown away afterwards: it is not left as it was."""
    return _asked(network, inputs, rows, lambda outputs: outputs.softmax(-1), kept=False)


def logits(network: nn.Module, inputs: Num[Tensor, "n *shape"], rows: int | None = None) -> Float32[Tensor, "n k"]:
    """What the softmax of `predictions` is taken of: it also tells apart what is too sure for a probability.

    >>> halves = nn.Linear(2, 2, bias=False)
    >>> _ = halves.weight.data.copy_(torch.eye(2) / 2)
    >>> logits(halves, torch.tensor([[1.0, 3.0]])).tolist()
    [[0.5, 1.5]]
    """
    return _asked(network, inputs, rows, lambda outputs: outputs)


def _asked(
    network: nn.Module, inputs: Tensor, rows: int | None, of: Callable[[Tensor], Tensor], kept: bool = True
) -> Tensor:
    layout = layout_for(network)
    with asked(network, kept=kept):
        network.to(memory_format=layout)
        scripted = any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())
        with torch.no_grad() if scripted else torch.inference_mode():  # TorchScript may keep numbers for gradients
            split = inputs.split(predicted_at_once(network) if rows is None else max(1, rows))
            batches = (batch.contiguous(memory_format=layout) for batch in split)
            try:
                return torch.cat([of(ask(network, batch)).float().cpu() for batch in batches])
            except RuntimeError as error:  # of the network's own code, as where a layer expects another shape
                error.add_note(f"The network was asked about inputs of shape {tuple(inputs.shape)}.")
                raise
