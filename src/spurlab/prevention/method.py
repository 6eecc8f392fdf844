"""What a prevention method is, and what all of them begin with."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from jaxtyping import Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import lending
from spurlab.methods import copy_for, finite, outputs_fit
from spurlab.models import check_has_gradients
from spurlab.seeds import seed_for

Call = TypeVar("Call", bound=Callable[..., nn.Module])


@runtime_checkable
class Prevention(Protocol):
    """Keeps a network from relying on a spurious feature that its training data carry.

    A method is its settings plus this one call; it changes neither the network nor the data that it is given. Where it
    has them, `recipe` is how the network was trained, `seed` fixes all that is drawn, and `make` is the architecture
    with its own initial weights, by seed; None: a copy of the given network, every layer reset, see
    `spurlab.methods.untrained`. A setting outside of its range is a ValueError.
    """

    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        """The network that the method makes of it, or trains anew.

        Args:
            model: trained on `data` in the plain way (stage 1): inputs ``n *shape``, logits ``n k``.
            data: its n training examples; with groups, for methods that know them.
            clean: a small set without the spurious feature, or balanced in it, and with groups: for methods that refit
                on it or select by it. The others do not look at it.
        """
        ...


def preventing(call: Call) -> Call:
    """The form of every method of this room: its call gets a copy of the network, which it may change and return.

    Afterwards all that was given is as it was, and the result is in evaluation mode.

    Raises:
        ValueError: as `prepared`, or trees where the method is not `anew`.
        NotFiniteError: a weight of the result that is not finite.
    """

    @lending
    @wraps(call)
    def checked(self: Any, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        if not getattr(self, "anew", False):
            check_has_gradients(model)
        return finite(call(self, prepared(model, data), data, clean), "prevention")

    return cast("Call", checked)


def prepared(model: nn.Module, data: Examples) -> nn.Module:
    """A copy of the network, in the modes in which it was given.

    Raises:
        ValueError: no training example, or one class only, or as `spurlab.methods.copy_for`.
    """
    if len(data) == 0:
        raise InputError("there are no training examples: give the data that the network was trained on.")
    if len(classes := data.labels.unique()) == 1:
        raise InputError(
            f"all {len(data)} training examples are of class {int(classes)}: nothing can be told apart. Give examples "
            "of two classes or more."
        )
    return copy_for(data, model)


def groups_of(examples: Examples, what: str, method: str) -> Int64[Tensor, " n"]:
    """The group of each example, numbered without gaps in the order of the numbers that the groups have.

    So these may be any numbers, such as those of hospitals or users: counting up to them would take all memory.

    Args:
        what: ``training`` or ``clean``.
        method: that needs them.

    Raises:
        ValueError: there are none.
    """
    if examples.groups is None:
        raise InputError(
            f"{method} needs the group of each {what} example, but these have none. Give `Examples(inputs, labels, "
            "groups)` with group = label * A + attribute, for A values of the spurious attribute."
        )
    numbers: Tensor = examples.groups.unique(return_inverse=True)[1]
    return numbers


def checked_clean(model: nn.Module, clean: Examples, method: str) -> Examples:
    """Clean examples that fit the network.

    Raises:
        ValueError: there are none, or their labels do not fit the outputs.
    """
    if len(clean) == 0:
        raise InputError(
            f"{method} needs clean examples, without the spurious feature or balanced in it, but there are 0 of them. "
            "Give a larger clean set, or take a method that needs none."
        )
    outputs_fit(model, clean)
    return clean


def own_seed(seed: int, method: str) -> int:
    """Of the initial weights of a new network.

    >>> own_seed(0, "mixup") == own_seed(0, "irm")
    False
    """
    return seed_for(seed, "prevention", method)


def attributes(data: Examples, method: str) -> Int64[Tensor, " n"]:
    """The value of the spurious attribute of each example, by the convention group = label * A + attribute.

    A, the number of values, is the smallest with which all groups belong to their labels: a value that no example has
    is not counted, and where groups are missing another numbering than was meant may fit.

    Raises:
        ValueError: no groups, or groups that belong to their labels with no A.

    >>> import torch
    >>> labels, groups = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 3, 4])
    >>> attributes(Examples(torch.zeros(4, 1), labels, groups), "irm").tolist()
    [0, 1, 1, 0]
    """
    groups_of(data, "training", method)
    assert data.groups is not None  # noqa: S101  # it would have raised
    # group // A == label for every example means group / (label + 1) < A <= group / label
    values = int((data.groups // (data.labels + 1)).max()) + 1
    if data.groups.div(values, rounding_mode="floor").equal(data.labels):
        return data.groups % values
    raise InputError(
        f"{method} reads the spurious attribute off group = label * A + attribute, but no A fits these groups and "
        "labels. Number the groups so."
    )
