"""Networks and methods that are not in our tables: a function of the user's, named ``package.module:callable``.

To build or call one is to run the user's code. So such a name is taken from the command line and from Python alone,
never from a study file or another file of data; and nothing is imported before it is needed. Only `user_function`
imports, and it refuses to while names come from a file (`without_users_code`).
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from torch import nn

from spurlab.errors import FAILURES, InputError, worded
from spurlab.models.text import trial_inputs
from spurlab.models.trying import check_answers, whole
from spurlab.plugins import closed


def is_user_name(name: str) -> bool:
    """Whether the name means a function of the user's; no name of the zoo has a colon.

    >>> is_user_name("my.networks:wide"), is_user_name("mlp")
    (True, False)
    """
    return ":" in name


def check_user_name(name: str, kind: str = "architecture") -> None:
    """Refuse a name that cannot mean code of the user's. Nothing is imported here.

    Raises:
        ValueError: not of the form ``package.module:callable``.
    """
    parts = [part for side in name.split(":") for part in side.split(".")]
    if name.count(":") != 1 or not all(part.isidentifier() for part in parts):
        raise InputError(
            f"{kind} {name!r}: one of your own is named package.module:callable, e.g. 'mynets.small:make'."
        )


_ALLOWED: ContextVar[bool] = ContextVar("whether code of the user's may be run", default=True)


@contextmanager
def without_users_code() -> Iterator[None]:
    """Meanwhile nothing of the user's is imported or called, whatever is named: for whoever reads names in a file.

    Nor is a plug-in, unless that was asked for (`spurlab.plugins.opened`).
    """
    before = _ALLOWED.set(False)
    try:
        with closed():
            yield
    finally:
        _ALLOWED.reset(before)


def user_function(name: str, kind: str) -> Callable[..., Any]:
    """What the name means; its module is imported, and so executed.

    Args:
        name: ``package.module:callable``.
        kind: what it should be, for messages.

    Raises:
        ValueError: the module cannot be imported or has nothing of that name that can be called; or the name comes
            from a file (`without_users_code`).

    >>> user_function("torch.nn:Linear", "network").__name__
    'Linear'
    """
    check_user_name(name, kind)
    if not _ALLOWED.get():
        raise InputError(f"{kind} {name!r} is code of your own, and nothing is executed that a results folder names.")
    place, _, attribute = name.partition(":")
    try:
        found: object = import_module(place)
    except FAILURES as error:
        advice = f" Install it, or put its folder on PYTHONPATH ({error})."
        if not isinstance(error, ModuleNotFoundError) or not f"{place}.".startswith(f"{error.name}."):
            advice = f" {worded(error)}"
        raise InputError(f"{kind} {name!r}: the module {place!r} cannot be imported.{advice}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"{kind} {name!r}: the module {place!r} has no {attribute!r}.")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{kind} {name!r} must be callable, but its type is {type(found).__name__}.")
    return found


@cache
def source_digest(name: str, kind: str) -> str:
    """A checksum of the module that the name means, as it is when first asked for: another text is another method.

    What it imports is not in it. Nothing is imported.

    Raises:
        ValueError: there is no such module.
    """
    check_user_name(name, kind)
    place = name.partition(":")[0]
    try:
        spec = find_spec(place)
        text = Path(spec.origin).read_bytes() if spec is not None and spec.has_location and spec.origin else None
    except Exception as error:
        raise InputError(f"{kind} {name!r}: the module {place!r} cannot be found. {error}") from error
    if spec is None:
        raise InputError(
            f"{kind} {name!r}: the module {place!r} cannot be found. Install it, or put its folder on PYTHONPATH."
        )
    return "" if text is None else sha256(text).hexdigest()[:16]


def find_spec(place: str) -> ModuleSpec | None:
    """Where a module is, or None where it is nowhere. That of importlib would import the packages above it."""
    spec: ModuleSpec | None = None
    within: list[str] | None = None  # the folders of the package above
    parts = place.split(".")
    for i, part in enumerate(parts):
        name = ".".join(parts[: i + 1])
        if i and within is None:  # what stands above is no package
            return None
        if (loaded := sys.modules.get(name)) is not None:
            spec = loaded.__spec__
        else:
            try:
                finders = (finder.find_spec(name, within) for finder in sys.meta_path)
                spec = next((found for found in finders if found is not None), None)
            except KeyError:  # a package without __init__.py looks for the one above it among what is imported
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [str(Path(folder) / part) for folder in within or ()]
        if spec is None:
            return None
        places = spec.submodule_search_locations
        within = None if places is None else list(places)
    return spec


def user_network(name: str, shape: Sequence[int], classes: int) -> nn.Module:
    """What ``callable(shape, classes)`` makes, tried on one batch of zeros; but for lazy layers it is left as it was.

    Raises:
        ValueError: the module cannot be imported, has no such function, or this fails, gives no nn.Module, or one that
            does not give one logit for each class.
    """
    return foreign_network(name, name.partition(":")[2], user_function(name, "architecture"), shape, classes)


def foreign_network(
    name: str, called: str, make: Callable[..., object], shape: Sequence[int], classes: int
) -> nn.Module:
    """What ``make(shape, classes)`` makes, tried as of `user_network`.

    Args:
        name: of the architecture, for messages.
        called: the function, for messages.
        make: the function.
        shape: of one input.
        classes: how many.

    Raises:
        ValueError: as `user_network`, but for its import.
    """
    call = f"{called}({tuple(shape)}, {classes})"
    try:
        network = make(tuple(shape), classes)
    except FAILURES as error:
        raise InputError(f"architecture {name!r}: {call} failed. {worded(error)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"architecture {name!r}: {call} must give an nn.Module, but gave {type(network).__name__}.")
    try:
        whole(network, shape)
        check_answers(network, trial_inputs(network, shape, 2), classes)
    except ValueError as error:
        raise InputError(f"architecture {name!r}: {error}") from error
    return network
