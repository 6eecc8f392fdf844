"""Many convolutional networks of signals in one: each convolution is a batched matrix product of windows."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from spurlab.training.stacked import Scratch, Stacked, State


def can_stack_cnn(model: nn.Module) -> bool:
    """Whether this is a chain of convolutions over signals of one channel, with ReLU, and a linear layer over all."""
    if type(model) is not nn.Sequential:
        return False
    layers = list(model)
    rounds = (len(layers) - 4) // 2
    kinds = (nn.Flatten, nn.Unflatten, *(nn.Conv1d, nn.ReLU) * rounds, nn.Flatten, nn.Linear)
    if rounds < 1 or tuple(map(type, layers)) != kinds:
        return False
    flattens = [(layer.start_dim, layer.end_dim) for layer in layers if isinstance(layer, nn.Flatten)]
    unflatten, last = layers[1], layers[-1]
    return (
        flattens == [(1, -1)] * 2
        and isinstance(unflatten, nn.Unflatten)
        and (unflatten.dim, len(unflatten.unflattened_size), unflatten.unflattened_size[0]) == (1, 2, 1)
        and all(_plain(layer) for layer in layers if isinstance(layer, nn.Conv1d))
        and last.bias is not None
        # a layer that comes twice or is frozen would be trained as if it did not and were not
        and sum(parameter.requires_grad for parameter in model.parameters()) == len(model.state_dict())
    )


def _plain(layer: nn.Conv1d) -> bool:
    return (
        (layer.groups, layer.dilation, layer.padding_mode) == (1, (1,), "zeros")
        and not isinstance(layer.padding, str)
        and layer.bias is not None
    )


@dataclass(frozen=True)
class _Convolution:
    """From `length` places of `channels` numbers to `places` of `out`."""

    name: str
    channels: int
    out: int
    length: int
    kernel: int
    stride: int
    padding: int

    @property
    def places(self) -> int:
        return (self.length + 2 * self.padding - self.kernel) // self.stride + 1


def _convolutions(template: nn.Module) -> list[_Convolution]:
    """Those of a network for which `can_stack_cnn`."""
    found: list[_Convolution] = []
    length = 0
    for name, layer in template.named_children():
        if isinstance(layer, nn.Unflatten):
            length = int(layer.unflattened_size[1])
        if isinstance(layer, nn.Conv1d):
            (kernel,), (stride,), padding = layer.kernel_size, layer.stride, int(layer.padding[0])
            sizes = layer.in_channels, layer.out_channels, length, kernel, stride, padding
            found.append(_Convolution(name, *sizes))
            length = found[-1].places
    return found


def _arranged(tensor: Tensor, out: int) -> Tensor:
    """Weights ``m out rest``, where `rest` counts places (of the kernel or the signal) before the `out` channels."""
    if tensor.ndim == 2:
        return tensor
    by_channel: Tensor = tensor.unflatten(2, (out, -1)) if tensor.ndim == 3 else tensor
    return by_channel.transpose(2, 3).flatten(2)


class StackedCNN(Stacked):
    """m networks of one shape for which `can_stack_cnn`; ``forward`` takes ``m n *shape`` and gives logits ``m n k``.

    Activations lie channels last, so that the window under a kernel is one row of memory, and all windows are a matrix.
    Weights are held in that order too, and given back in PyTorch's. Memory and gradients are as in `Stacked`: call
    ``backward`` before the next ``forward``.

    Args:
        template: one of the networks, for its layers' settings.
        state: the members' ``state_dict`` with a leading axis m; copied.
        precision: of the products; bfloat16 rounds weights, activations and their gradients, as autocast does.
    """

    def __init__(self, template: nn.Module, state: State, precision: torch.dtype = torch.float32) -> None:
        convolutions = _convolutions(template)
        *_, (last, _) = template.named_children()  # the linear layer
        layers = [*(convolution.name for convolution in convolutions), last]
        names = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
        super().__init__([_arranged(state[name], convolutions[-1].out) for name in names], precision)
        self._convolutions, self._names, self._order = convolutions, names, list(state)

    def forward(self, inputs: Float[Tensor, "m n *shape"]) -> Float[Tensor, "m n k"]:
        logits: Tensor = _Chain.apply(
            inputs.flatten(2).unsqueeze(3), self, self._convolutions, self._scratch, *self._parameters_in_order
        )
        return logits.float()

    def state(self) -> State:
        """The weights by name, stacked, as PyTorch orders them; copies where it orders them otherwise."""
        held = dict(zip(self._names, self._parameters_in_order, strict=True))
        return {name: self._as_pytorch(name, held[name].detach()) for name in self._order}

    def _as_pytorch(self, name: str, tensor: Tensor) -> Tensor:
        if tensor.ndim == 2:
            return tensor
        channels = {each.name: each.channels for each in self._convolutions}.get(name.removesuffix(".weight"))
        by_place = tensor.unflatten(2, (-1, self._convolutions[-1].out if channels is None else channels))
        by_channel: Tensor = by_place.transpose(2, 3).contiguous()
        return by_channel.flatten(2) if channels is None else by_channel


class _Chain(torch.autograd.Function):
    """Convolutions with ReLU and a linear layer, forwards and backwards, for m members at once.

    The slow twin is ``nn.Sequential`` with autograd, which the tests compare it with. The parameters are given so that
    autograd asks for gradients.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        inputs: Tensor,
        stack: Stacked,
        convolutions: list[_Convolution],
        scratch: Scratch,
        *parameters: Tensor,
    ) -> Tensor:
        weights, biases = stack.factors()
        (m, n), device, signals = inputs.shape[:2], inputs.device, inputs
        windows, outs = [], []
        for k, each in enumerate(convolutions):
            padded = scratch.held("padded", k, (m, n, each.length + 2 * each.padding, each.channels), device)
            padded[:, :, each.padding : each.padding + each.length] = signals
            seen = padded.unfold(2, each.kernel, each.stride).transpose(3, 4)  # m n places kernel channels
            rows = scratch.held("windows", k, (m, n * each.places, each.kernel * each.channels), device)
            rows.view(seen.shape).copy_(seen)
            out = scratch.held("out", k, (m, n * each.places, each.out), device)
            torch.baddbmm(biases[k].unsqueeze(1), rows, weights[k].transpose(1, 2), out=out).clamp_min_(0)
            windows.append(rows)
            outs.append(out)
            signals = out.view(m, n, each.places, each.out)
        windows.append(signals.flatten(2))
        ctx.kept = convolutions, windows, outs, weights, stack, scratch  # type: ignore[attr-defined]
        return torch.baddbmm(biases[-1].unsqueeze(1), windows[-1], weights[-1].transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, ...]:
        convolutions, windows, outs, weights, stack, scratch = ctx.kept
        gradient = upstream[0]
        m, n = gradient.shape[:2]
        for k in reversed(range(len(weights))):
            stack.write_gradients(k, gradient, gradient.transpose(1, 2), windows[k])
            if k == 0:
                break
            of_windows = scratch.held("window gradient", k, windows[k].shape, gradient.device)
            torch.bmm(gradient, weights[k], out=of_windows)
            gradient = of_windows
            if k < len(convolutions):
                each = convolutions[k]
                shape = (m, n, each.places, each.kernel, each.channels)
                gradient = _overlaid(of_windows.view(shape), each, scratch, k)
            gradient = gradient.view(outs[k - 1].shape)
            torch.ops.aten.threshold_backward.grad_input(gradient, outs[k - 1], 0, grad_input=gradient)
        return (None,) * (4 + 2 * len(weights))


def _overlaid(windows: Tensor, each: _Convolution, scratch: Scratch, k: int) -> Tensor:
    """The sum of all windows where they lie in the signal, without its padding; ``m n length channels``."""
    m, n = windows.shape[:2]
    span, device = each.stride * each.places, windows.device
    tail = max(span, each.length + 2 * each.padding, span - each.stride + each.kernel)
    padded = scratch.held("padded gradient", k, (m, n, tail, each.channels), device)
    padded[:, :, span:].zero_()  # what lies between the windows of a short kernel is zero from the start
    for place in range(each.kernel):
        where = padded[:, :, place : place + span : each.stride]
        if place < each.stride:
            where.copy_(windows[:, :, :, place])
        else:
            where.add_(windows[:, :, :, place])
    signals = scratch.held("signal gradient", k, (m, n, each.length, each.channels), device)
    return signals.copy_(padded[:, :, each.padding : each.padding + each.length])
