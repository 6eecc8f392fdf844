"""What the closed forms ask of their arguments, in sentences."""

import math

import torch
from torch import Tensor

from spurlab.errors import InputError


def check_above(least: float | int, advice: str = "", **numbers: float | int) -> None:
    """Each of these numbers is finite and above `least`.

    Raises ValueError: one is not; the sentence names it, and `advice` follows.
    """
    for name, value in numbers.items():
        if not least < value < math.inf:
            raise InputError(f"`{name}` must be finite and above {least:g}, but it is {value!r}. {advice}".rstrip())


def check_from(least: float | int, advice: str = "", **numbers: float | int) -> None:
    """Each of these numbers is finite and `least` or more.

    Raises ValueError: one is not; the sentence names it, and `advice` follows.
    """
    for name, value in numbers.items():
        if not least <= value < math.inf:
            raise InputError(f"`{name}` must be finite and {least:g} or more, but it is {value!r}. {advice}".rstrip())


def check_count(count: int, examples: int) -> None:
    """Raises ValueError: there are less than no marked examples, or more than there are examples."""
    check_above(0, examples=examples)
    if not 0 <= count <= examples:
        raise InputError(f"`count` must be between 0 and the {examples} examples, but it is {count}.")


def check_finite(**columns: Tensor) -> None:
    """Raises ValueError: one of these tensors is empty, or has a number that is not finite."""
    for name, column in columns.items():
        if column.numel() == 0:
            raise InputError(f"`{name}` is empty, but it needs one row or more.")
        if not bool(torch.isfinite(column).all()):
            raise InputError(f"`{name}` has numbers that are not finite. Leave out the rows that have them.")
