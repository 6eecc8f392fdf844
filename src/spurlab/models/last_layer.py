"""The last linear layer of a network, and what comes into it: the features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.models.modes import evaluating


def features_layer(model: nn.Module) -> str:
    """The name of the last linear layer, whose inputs are the features; "" where the model is that layer itself.

    Args:
        model: any whose last module, in the order of ``named_modules()``, is an `nn.Linear`; all of the zoo's are.

    Raises:
        ValueError: the last module is something else.

    >>> features_layer(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    '3'
    """
    modules: dict[str, nn.Module] = dict(model.named_modules())
    name, module = list(modules.items())[-1]
    if not isinstance(module, nn.Linear):
        raise ValueError(
            f"the last module of this {type(model).__name__} must be an nn.Linear, whose inputs are the features, but "
            f"it is {type(module).__name__}{f' ({name})' if name else ''}."
        )
    return name


def features(model: nn.Module, inputs: Float[Tensor, "n *shape"], batch_size: int = 500) -> Float[Tensor, "n d"]:
    """What comes into the last linear layer: ``features @ weight.T + bias`` are the model's logits.

    The model runs in evaluation mode and without gradients; it is left as it was. The features are ordinary tensors on
    the CPU: a new last layer can be trained on them.

    Args:
        model: as `features_layer` wants it.
        inputs: n examples; they go to the model's device in batches.
        batch_size: how many at once.

    Raises:
        ValueError: the last module is no linear layer, or what it gives are not the model's outputs.

    >>> features(nn.Sequential(nn.ReLU(), nn.Linear(2, 3)), torch.tensor([[1.0, -1.0]])).tolist()
    [[1.0, 0.0]]
    """
    layer = model.get_submodule(features_layer(model))
    device = next(layer.parameters()).device
    seen: list[tuple[Tensor, Tensor]] = []
    hook = layer.register_forward_hook(lambda _, arguments, output: seen.append((arguments[0], output)))
    batches = []
    try:
        with evaluating(model), torch.inference_mode():
            for batch in inputs.split(batch_size):
                seen.clear()
                outputs = model(batch.to(device))
                if not seen or not _same(seen[-1][1], outputs) or seen[-1][0].shape[:-1] != batch.shape[:1]:
                    raise ValueError(
                        f"the last module of this {type(model).__name__} is a linear layer, but its outputs are not "
                        "the model's: what comes into it are not the features."
                    )
                batches.append(seen[-1][0].cpu())
    finally:
        hook.remove()
    return torch.cat(batches)  # outside of inference mode, or no layer could be trained on them


def _same(one: Tensor, other: object) -> bool:
    """Whether these are the same numbers; a network that diverged has NaN in the same places."""
    if one is other:
        return True
    return isinstance(other, Tensor) and one.shape == other.shape and one.allclose(other, equal_nan=True)
