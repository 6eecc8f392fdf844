"""Other weights for the last layer, or the last few: only where nothing else of the network changes by it."""

from collections.abc import Collection
from typing import NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.models import evaluating, features, features_layer
from spurlab.training import logits

TRIED = 50  # examples on which a new last layer is tried


class Linear(NamedTuple):
    """Weights of a last layer, in float64 on the CPU: ``features @ weight.T + bias`` are the logits."""

    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The logits."""
        return features @ self.weight.T + self.bias


def last_linear(model: nn.Module) -> Linear:
    """The last layer as it is; a layer without a bias has one of zeros.

    Raises:
        ValueError: as `refittable`.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False))
    >>> weight, bias = last_linear(network)
    >>> weight.shape, bias.tolist()
    (torch.Size([2, 3]), [0.0, 0.0])
    """
    layer = refittable(model)
    weight = layer.weight.detach().cpu().double()
    bias = layer.bias.detach().cpu().double() if isinstance(layer.bias, Tensor) else weight.new_zeros(len(weight))
    return Linear(weight, bias)


def refittable(model: nn.Module) -> nn.Linear:
    """The last layer of a network, if it can be given other weights.

    Raises:
        ValueError: it is no linear layer, shares weights with an earlier layer, has weights that are computed from
            others, or is frozen where others are not.

    >>> refittable(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))).out_features
    2
    """
    name = features_layer(model)
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101 - `features_layer` says so
    what = f"the last layer ({name!r}) of this {type(model).__name__}" if name else f"this {type(model).__name__}"
    parameters = dict(layer.named_parameters(recurse=False))
    if "weight" not in parameters or (layer.bias is not None and "bias" not in parameters):
        raise InputError(
            f"{what} has no weights of its own, but such that are computed (a parametrization, weight norm): they "
            "cannot be fitted again. Replace them by what they are now, e.g. by `remove_parametrizations`."
        )
    if (other := shared(model, [layer])) is not None:
        raise InputError(
            f"{what} shares its weights with {other!r}: to fit it again would change the features that it is fitted "
            "on. Give it weights of its own: `layer.weight = nn.Parameter(layer.weight.detach().clone())`."
        )
    if not layer.weight.requires_grad and any(weight.requires_grad for weight in model.parameters()):
        raise InputError(f"{what} is frozen, but it is what would be fitted again. Call `requires_grad_()` on it.")
    return layer


def shared(model: nn.Module, layers: Collection[nn.Module]) -> str | None:
    """Whether layers share weights with the rest of the network.

    Args:
        model: the network.
        layers: modules of it; their own parameters count, not those of modules within them.

    Returns:
        The name of a parameter outside of these layers that lies in the same memory as one of theirs; None: there is
        none.

    >>> first, last = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> last.weight = first.weight
    >>> shared(nn.Sequential(first, last), [last])
    '0.weight'
    """
    ours = [weight for layer in layers for weight in layer.parameters(recurse=False)]
    for place, module in model.named_modules():
        if any(module is layer for layer in layers):
            continue
        for name, other in module.named_parameters(recurse=False):
            if any(_overlap(weight, other) for weight in ours):
                return f"{place}.{name}".removeprefix(".")
    return None


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two parameters have memory in common, e.g. as views of one tensor."""
    if one is other:
        return True
    if one.is_meta or other.is_meta or one.device != other.device:
        return False
    (first, last), (begin, end) = (
        (weight.data_ptr(), weight.data_ptr() + weight.numel() * weight.element_size()) for weight in (one, other)
    )
    return first < end and begin < last


def refit(
    model: nn.Module, weight: Float[Tensor, "k d"], bias: Float[Tensor, " k"] | None, inputs: Num[Tensor, "n *shape"]
) -> nn.Module:
    """The network, changed in place, with these weights in its last layer.

    Args:
        model: the network.
        weight: of the new layer.
        bias: of the new layer; None where it has none.
        inputs: on which it is tried whether the features stay as they were and the outputs are those of the new layer.

    Raises:
        ValueError: they do not, or are not; or as `refittable`.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> inputs = torch.rand(5, 4)
    >>> refit(network, torch.zeros(2, 3), torch.tensor([1.0, 2.0]), inputs)(inputs)[0].tolist()
    [1.0, 2.0]
    """
    layer, few = refittable(model), inputs[:TRIED]
    before = features(model, few)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    after = features(model, few)
    near = max(torch.finfo(tensor.dtype).eps for tensor in (layer.weight, before)) ** 0.5
    if not before.allclose(after, rtol=near, atol=near, equal_nan=True):
        raise InputError(
            f"other weights in the last layer of this {type(model).__name__} change its features too: it is used more "
            "than once, and cannot be fitted again alone. Give the end of the network a layer of its own."
        )
    phi, linear = before.double(), last_linear(model)
    with evaluating(model):
        apart = (logits(model, few) - linear(phi)).abs()
    if bool((apart > near * (1 + Linear(linear.weight.abs(), linear.bias.abs())(phi.abs()))).any()):
        raise InputError(
            f"the outputs of this {type(model).__name__} are not what its last layer makes of the features, so that it "
            "cannot be fitted again: something is done to them besides."
        )
    return model
