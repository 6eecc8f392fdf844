"""Many perceptrons in one: stacked weights, one batched matrix product for each layer."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, cycle
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

State = dict[str, Tensor]

PREDICTED_AT_ONCE = 2_000  # examples that go through a network at once to predict their classes
CONVOLVED_AT_ONCE = 250  # with convolutions, whose activations are large
LANES = 16  # float32 numbers in the widest vector register, and 64 bytes, on which matrix products like to start


def can_stack(model: nn.Module) -> bool:
    """Whether the lockstep engine knows this kind of network: flatten, then linear layers with ReLU between them."""
    if type(model) is not nn.Sequential or len(model) < 2 or type(model[0]) is not nn.Flatten:
        return False
    if (model[0].start_dim, model[0].end_dim) != (1, -1):
        return False
    layers = list(model)[1:]
    kinds = zip(layers, cycle((nn.Linear, nn.ReLU)), strict=False)
    return (
        len(layers) % 2 == 1
        and all(type(layer) is kind for layer, kind in kinds)
        and all(layer.bias is not None for layer in layers if isinstance(layer, nn.Linear))
        # a layer that comes twice or is frozen would be trained as if it did not and were not
        and sum(parameter.requires_grad for parameter in model.parameters()) == len(model.state_dict())
    )


def convolves(model: nn.Module) -> bool:
    """Whether any of its layers is a convolution; many such networks under vmap are grouped ones, slow on a CPU."""
    return any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in model.modules())


def attends(model: nn.Module) -> bool:
    """Whether any of its layers is attention: on a CPU slower for many networks under vmap than for one at a time.

    That of others, e.g. in timm and transformers, is known by the name of its class.
    """
    return any(
        isinstance(module, nn.MultiheadAttention) or type(module).__name__.endswith("Attention")
        for module in model.modules()
    )


def layout_for(model: nn.Module) -> torch.memory_format:
    """How a network's images should lie in memory: channels last for convolutions, which saves a fifth of the time."""
    of_images = any(isinstance(module, nn.Conv2d) for module in model.modules())
    return torch.channels_last if of_images else torch.contiguous_format


def laid_out(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    """A weight of the network in this layout."""
    return tensor.contiguous(memory_format=layout) if tensor.ndim == 4 else tensor


def predicted_at_once(model: nn.Module) -> int:
    """How many examples should go through a network at once to predict their classes; bounds the memory."""
    return CONVOLVED_AT_ONCE if layout_for(model) is torch.channels_last else PREDICTED_AT_ONCE


class Stacked(nn.Module):
    """m networks whose weights stand in one vector; what an engine asks of them beside ``forward`` and ``state``.

    Training writes gradients straight into each parameter's ``.grad`` and reuses the same memory at every step, which
    is what makes lockstep fast: on a CPU, first touching fresh memory costs as much as a layer's bias and ReLU.
    So call ``backward`` before the next ``forward``.

    All weights stand in `weights`, with their gradients in ``weights.grad``: that is what an optimizer steps. They are
    copies of the tensors, each a parameter with a leading axis m. The products take `rounded`, the weights in their
    precision, and give `gradient`; where the precision is the weights' own, these are the weights and their gradients.

    `converts`: whether ``forward`` rounds the weights, and ``backward`` widens the gradient. An optimizer that does
    both while it steps, `spurlab.training.one_pass`, turns it off: then ``weights.grad`` stays zero.
    """

    def __init__(self, tensors: Sequence[Tensor], precision: torch.dtype) -> None:
        super().__init__()
        self.weights = in_one_vector(tensors)
        self.weights.grad = torch.zeros_like(self.weights)
        self.converts = precision != self.weights.dtype
        self.rounded = self.weights.to(precision)  # the same tensor where nothing is to be rounded
        self.gradient = torch.zeros_like(self.rounded) if self.converts else self.weights.grad
        self._factors, self._gradients = in_pieces(self.rounded, tensors), in_pieces(self.gradient, tensors)
        self._parameters_in_order = nn.ParameterList(map(nn.Parameter, in_pieces(self.weights, tensors)))
        for parameter, piece in zip(self._parameters_in_order, in_pieces(self.weights.grad, tensors), strict=True):
            parameter.grad = piece
        self._scratch = Scratch(precision)

    def factors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases of the layers, as this step's products take them."""
        if self.converts:
            self.rounded.copy_(self.weights)
        return self._factors[0::2], self._factors[1::2]

    def write_gradients(self, k: int, upstream: Tensor, across: Tensor, inputs: Tensor) -> None:
        """Those of layer `k`, from that of its outputs, the same transposed, and the layer's inputs."""
        torch.bmm(across, inputs, out=self._gradients[2 * k])
        torch.sum(upstream, 1, out=self._gradients[2 * k + 1])
        if k == 0 and self.converts:
            self.weights.grad.copy_(self.gradient)  # type: ignore[union-attr]

    @property
    def trained(self) -> list[Tensor]:
        """What the optimizer steps."""
        return [self.weights]

    def begin(self, epoch: int) -> None:
        """Nothing is drawn in an epoch."""

    def clear(self) -> None:
        """Gradients are written over, not added to."""


class StackedMLP(Stacked):
    """m perceptrons of one shape; ``forward`` takes ``m n *shape`` and gives logits ``m n k``.

    Memory and gradients are as in `Stacked`: call ``backward`` before the next ``forward``.

    Args:
        state: the members' ``state_dict`` with a leading axis m, named as in `nn.Sequential` (``1.weight``, ``1.bias``,
            ...): weights ``m out in``, biases ``m out``; copied.
        precision: of the products; bfloat16 rounds weights, activations and their gradients, as autocast does.
    """

    def __init__(self, state: Mapping[str, Tensor], precision: torch.dtype = torch.float32) -> None:
        # weight, bias, weight, bias, ... by layer, in whatever order a file gave them back
        names = sorted(state, key=lambda name: (int(name.split(".")[0]), name.endswith("bias")))
        super().__init__([state[name] for name in names], precision)
        self._names = names

    def forward(self, inputs: Float[Tensor, "m n *shape"]) -> Float[Tensor, "m n k"]:
        logits: Tensor = _Chain.apply(inputs.flatten(2), self, self._scratch, *self._parameters_in_order)
        return logits.float()

    def state(self) -> State:
        """The weights by name, stacked; not copies."""
        return {name: p.detach() for name, p in zip(self._names, self._parameters_in_order, strict=True)}


def in_one_vector(tensors: Sequence[Tensor]) -> Tensor:
    """Copies of the tensors one after the other, each filled up with zeros to whole vector registers.

    The last numbers of a tensor that fills none are computed by another loop, which rounds otherwise, and which member
    they belong to would depend on how many there are.
    """
    vector = tensors[0].new_zeros(sum(-(-tensor.numel() // LANES) * LANES for tensor in tensors))
    for piece, tensor in zip(in_pieces(vector, tensors), tensors, strict=True):
        piece.copy_(tensor)
    return vector


def in_pieces(vector: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The places of the tensors in such a vector, in their shapes."""
    ends = accumulate(-(-tensor.numel() // LANES) * LANES for tensor in tensors)
    return [
        vector[start : start + tensor.numel()].view_as(tensor)
        for start, tensor in zip([0, *ends], tensors, strict=False)
    ]


class Scratch:
    """Memory that every step uses again, by role and shape; the precision of the products."""

    def __init__(self, precision: torch.dtype) -> None:
        self.precision = precision
        self._held: dict[tuple[str, int, tuple[int, ...]], Tensor] = {}

    def held(self, role: str, k: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """A tensor for this role in layer `k`, with whatever was last written to it; zeros at first."""
        held = self._held.get((role, k, shape))
        if held is None:
            held = self._held[role, k, shape] = torch.zeros(shape, dtype=self.precision, device=device)
        return held

    def rounded(self, role: str, k: int, tensor: Tensor) -> Tensor:
        """`tensor` in the precision of the products."""
        if tensor.dtype == self.precision:
            return tensor.detach()
        return self.held(role, k, tensor.shape, tensor.device).copy_(tensor)


class _Chain(torch.autograd.Function):
    """Linear layers with ReLU between them, forwards and backwards, for m members at once.

    The slow twin is ``nn.Sequential`` with autograd, which the tests compare it with. The parameters are given so that
    autograd asks for gradients.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, inputs: Tensor, stack: Stacked, scratch: Scratch, *parameters: Tensor) -> Tensor:
        weights, biases = stack.factors()
        activations = [scratch.rounded("inputs", 0, inputs)]
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            out = scratch.held("out", k, (*inputs.shape[:2], bias.shape[1]), inputs.device)
            torch.baddbmm(bias.unsqueeze(1), activations[-1], weight.transpose(1, 2), out=out)
            if k < len(weights) - 1:
                out.clamp_min_(0)
            activations.append(out)
        ctx.kept = activations[:-1], weights, stack, scratch  # type: ignore[attr-defined]
        return activations[-1].clone()  # a copy, since the next step writes here again

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, ...]:
        activations, weights, stack, scratch = ctx.kept
        gradient = upstream[0]
        for k in reversed(range(len(weights))):
            across = gradient.transpose(1, 2)
            if k == 0 and scratch.precision == torch.bfloat16:
                # bfloat16 products of the widest layer are faster than a strided left factor allows
                across = scratch.held("across", k, across.shape, across.device).copy_(across)
            stack.write_gradients(k, gradient, across, activations[k])
            if k > 0:
                out = scratch.held("gradient", k, activations[k].shape, gradient.device)
                gradient = torch.bmm(gradient, weights[k], out=out)
                torch.ops.aten.threshold_backward.grad_input(gradient, activations[k], 0, grad_input=gradient)
        return (None,) * (3 + 2 * len(weights))
