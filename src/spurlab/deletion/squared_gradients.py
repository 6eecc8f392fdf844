"""Squared gradients, example by example: what Fisher information and importance are made of."""

from typing import cast

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from spurlab.deletion.mean_loss import outputs
from spurlab.deletion.weights import flat, free_weights
from spurlab.methods import device_of
from spurlab.models import arguments_for, asked, evaluating, fitting, logits_of, unwrapped
from spurlab.training.losses import Loss


def squared_gradients(
    model: nn.Module,
    inputs: Num[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    loss: Loss,
    weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, " p"]:
    r"""The mean over examples of the square of each one's own gradient, weight by weight, in evaluation mode.

    .. math:: \frac{1}{n} \sum_{i=1}^{n} c_i \left( \frac{\partial \ell_i}{\partial \theta} \right)^2

    Where all free weights are those of linear layers that see each example once, the squares are summed by one matrix
    product for each layer, :math:`(\delta^2)^\top a^2` of its inputs a and the slopes :math:`\delta` at its outputs:
    this costs one forward and one and a half backward passes. Elsewhere `squared_gradients_one_by_one`: the same
    numbers.

    Args:
        model: any without layers that mix the examples of a batch in evaluation mode.
        inputs, labels: n examples, one or more.
        loss: of logits and labels, for each example; without weight decay, which is no example's own.
        weights: :math:`c_i`; None: 1.
    """
    model = unwrapped(model)
    place = {id(weight): i for i, weight in enumerate(free_weights(model))}
    linear = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and any(id(weight) in place for weight in module.parameters())
    ]
    held = [id(weight) for layer in linear for weight in layer.parameters()]
    if not place.keys() <= set(held) or len(set(held)) < len(held):  # a weight of two layers has one gradient, a sum
        return squared_gradients_one_by_one(model, inputs, labels, loss, weights)
    seen: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        seen.append((cast("nn.Linear", layer), given[0], out))
        return out.clone()  # what follows may work in place, and then the slope would be that of another number

    hooks = [layer.register_forward_hook(note) for layer in linear]
    sums = [torch.zeros_like(weight) for weight in free_weights(model)]
    device = device_of(model)
    try:
        with asked(model), evaluating(model):
            for rows in torch.arange(len(labels)).split(1_000):
                seen.clear()
                losses = loss(outputs(model, inputs[rows]), labels[rows].to(device))
                once = len({id(layer) for layer, _, _ in seen}) == len(seen)
                if not once or any(given.shape[:-1] != rows.shape for _, given, _ in seen):
                    return squared_gradients_one_by_one(model, inputs, labels, loss, weights)
                slopes = torch.autograd.grad(losses.sum(), [out for _, _, out in seen])
                for (layer, given, _), slope in zip(seen, slopes, strict=True):
                    squares = slope.square() if weights is None else slope.square() * weights[rows, None].to(device)
                    if id(layer.weight) in place:
                        sums[place[id(layer.weight)]] += squares.T @ given.detach().square()
                    if layer.bias is not None and id(layer.bias) in place:
                        sums[place[id(layer.bias)]] += squares.sum(0)
    finally:
        for hook in hooks:
            hook.remove()
    return flat(sums) / len(labels)


def squared_gradients_one_by_one(
    model: nn.Module,
    inputs: Num[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    loss: Loss,
    weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, " p"]:
    """As `squared_gradients`, from the gradient of each example, some at once: it writes n times p numbers.

    One after the other where `torch.func.vmap` cannot run the network.
    """
    model = unwrapped(model)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    theta = {name: weight.detach() for name, weight in model.named_parameters() if name in names}
    device, total = device_of(model), torch.zeros_like(flat(free_weights(model)))

    def loss_of(point: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        batch_of_one = x.unsqueeze(0)
        logits = logits_of(functional_call(model, point, *arguments_for(model, batch_of_one)), batch_of_one)
        return loss(logits, y.unsqueeze(0)).squeeze(0)

    per_example = vmap(grad(loss_of), in_dims=(None, 0, 0))
    with asked(model), evaluating(model):
        for rows in torch.arange(len(labels)).split(max(1, 2**24 // len(total))):  # 64 MB of gradients
            batch = fitting(model, inputs[rows]), labels[rows].to(device)
            try:
                slopes = per_example(theta, *batch)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # the network looks at values, or draws at random
                slopes = _slopes(model, *batch, loss)
            share = torch.ones(len(rows)) if weights is None else weights[rows]
            total += torch.cat(
                [torch.tensordot(share.to(slopes[name]), slopes[name].square(), 1).reshape(-1) for name in names]
            )
    return total / len(labels)


def _slopes(model: nn.Module, inputs: Tensor, labels: Tensor, loss: Loss) -> dict[str, Tensor]:
    """The gradient of each example's loss, by name of the weight, one after the other."""
    free = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    gradients = [
        torch.autograd.grad(loss(outputs(model, x), y).sum(), list(free.values()), materialize_grads=True)
        for x, y in zip(inputs.split(1), labels.split(1), strict=True)
    ]
    return {name: torch.stack(slopes) for name, slopes in zip(free, zip(*gradients, strict=True), strict=True)}
