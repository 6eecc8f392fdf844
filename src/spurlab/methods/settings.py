"""Settings of methods that must lie in a range."""

import math
from typing import Any, get_args

from spurlab.errors import InputError


def share_of(name: str, share: float, what: str = "examples") -> None:
    """A setting that must be a share strictly between 0 and 1.

    Raises:
        ValueError: it is not.
    """
    if not 0 < share < 1:
        raise InputError(f"`{name}` is a share of the {what}, above 0 and below 1, but it is {share}.")


def not_negative(**settings: float) -> None:
    """Settings that must be 0 or more, and finite.

    Raises:
        ValueError: one is not; the sentence names it.
    """
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise InputError(f"`{name}` must be 0 or more, and finite, but it is {value}.")


def one_or_more(**settings: int) -> None:
    """Settings that count something and must be 1 or more.

    Raises:
        ValueError: one is not; the sentence names it.
    """
    for name, value in settings.items():
        if value < 1:
            raise InputError(f"`{name}` must be 1 or more, but it is {value}.")


def one_of(kind: Any, setting: str, value: str) -> None:
    """A setting that must be one of the values of a literal type.

    Args:
        kind: the type, e.g. ``Literal["group", "class"]``.
        setting: what it is called, for the message.
        value: what it was set to.

    Raises:
        ValueError: it is none of them.
    """
    if value not in get_args(kind):
        raise InputError(f"{setting} must be one of {', '.join(get_args(kind))}, but it is {value!r}.")
