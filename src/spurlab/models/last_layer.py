"""The last linear layer of a network, and what comes into it: the features."""

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.models.asking import ask, asked, unwrapped


def features_layer(model: nn.Module) -> str:
    """The name of the last linear layer, whose inputs are the features; "" where the model is that layer itself.

    Args:
        model: any whose last module, in the order of ``named_modules()``, is an `nn.Linear`; all of the zoo's are.
            Modules of dropout after it do not count: they rest in evaluation mode, or come before it.

    Raises:
        ValueError: the last module is something else.

    >>> features_layer(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    '3'
    """
    modules: dict[str, nn.Module] = dict(model.named_modules())
    last = [named for named in modules.items() if not isinstance(named[1], nn.Dropout | nn.Identity)]
    name, module = (last or list(modules.items()))[-1]
    if not isinstance(module, nn.Linear):
        raise InputError(
            f"the last module of this {type(model).__name__} must be an nn.Linear, whose inputs are the features, but "
            f"it is {type(module).__name__}{f' ({name})' if name else ''}."
        )
    return name


def features(model: nn.Module, inputs: Num[Tensor, "n *shape"], batch_size: int = 500) -> Float[Tensor, "n d"]:
    """What comes into the last linear layer: ``features @ weight.T + bias`` are the model's logits.

    The model runs in evaluation mode and without gradients; it is left as it was. The features are ordinary tensors of
    float32 on the CPU: a new last layer can be trained on them.

    Args:
        model: as `features_layer` wants it.
        inputs: n examples; they go to the model's device in batches.
        batch_size: how many at once.

    Raises:
        ValueError: the last module is no linear layer, or what it gives are not the model's outputs; outputs that are
            not one logit for each class.

    >>> features(nn.Sequential(nn.ReLU(), nn.Linear(2, 3)), torch.tensor([[1.0, -1.0]])).tolist()
    [[1.0, 0.0]]
    """
    layer = model.get_submodule(features_layer(model))
    seen: list[tuple[Tensor, Tensor]] = []

    def hook(_: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor) -> None:
        if torch.is_inference_mode_enabled():  # `ask` looks once more, with gradients, where it suspects a softmax
            # copies: what follows may work in place
            seen.append(((*arguments, *named.values())[0].clone(), output.clone().float()))

    batches = []
    with asked(model), torch.inference_mode():  # at the end of which the hook is gone
        model.eval()
        layer.register_forward_hook(hook, with_kwargs=True)
        for batch in inputs.split(batch_size):
            seen.clear()
            outputs = ask(model, batch)
            if not seen or not _same(seen[-1][1], outputs) or seen[-1][0].shape[:-1] != batch.shape[:1]:
                raise InputError(
                    f"the last module of this {type(unwrapped(model)).__name__} is a linear layer, but its outputs are "
                    "not the model's: what comes into it are not the features."
                )
            batches.append(seen[-1][0].float().cpu())
    return torch.cat(batches)  # outside of inference mode, or no layer could be trained on them


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether these are the same numbers; a network that diverged has NaN in the same places."""
    return one.shape == other.shape and one.allclose(other.to(one.dtype), equal_nan=True)
