"""Whatever a user hands over is lent: foreign code works on copies or under a guard, and all is as it was afterwards.

Foreign is the code of networks, methods, patterns and functions that are not ours. Around a call of it stands one of

* `settings_kept`: PyTorch's and Python's own settings (gradients on or off, generators, threads and the like);
* `untouched`: these, and a network that only answers questions, whatever its ``forward`` does to itself;
* `lent`: these, and copies of the network and the data, for code that may change them.

Tensors that go in are copies (``batch.to(device, copy=True)``), never views of what the user keeps, and what comes out
is copied before the network is asked again: it may be a buffer of the network's own.
"""

import copy
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import is_dataclass, replace
from functools import partial, wraps
from typing import Any, TypeVar, cast, no_type_check

import numpy as np
import torch
from torch import Tensor, nn

from spurlab.errors import InputError, worded

Call = TypeVar("Call", bound=Callable[..., Any])
Restore = Callable[[], object]
_HOOKS = vars(nn.modules.module)  # of all modules at once: ``_global_forward_hooks`` and others


def _default_device() -> str | None:
    """None for the CPU: as PyTorch starts, without a mode on each call."""
    device = torch.get_default_device()
    return None if device.type == "cpu" else str(device)


def flushes_denormals() -> bool:
    """Whether this thread rounds numbers below 1e-38 to zero."""
    with torch.inference_mode():
        return bool((torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 1 == 0).item())


def _autocast() -> dict[str, tuple[bool, torch.dtype]]:
    """For each kind of device here."""
    # PyTorch 2.6 raises where the one that it was built for is not there
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kinds = ["cpu"] if accelerator is None else ["cpu", accelerator.type]
    return {kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds}


def _set_autocast(casts: dict[str, tuple[bool, torch.dtype]]) -> None:
    for kind, (enabled, dtype) in casts.items():
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _accelerator_states() -> list[Tensor]:
    """Of the generators of all CUDA devices, where CUDA is in use."""
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # a list; the stubs promise a sequence
    with warnings.catch_warnings():  # whose end tells Python that the filters are others
        pass


def _global_hooks() -> dict[str, Any]:
    found = {name: value for name, value in _HOOKS.items() if name.startswith("_global_")}
    return {name: value.copy() if isinstance(value, dict) else value for name, value in found.items()}


def _set_global_hooks(hooks: dict[str, Any]) -> None:
    for name, value in hooks.items():
        if isinstance(value, dict):
            _HOOKS[name].clear()
            _HOOKS[name].update(value)
        else:
            _HOOKS[name] = value


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a setting are equal; states of generators are tensors, lists of them or dicts of arrays."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


# How a setting is looked up, and how it is set.
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (random.getstate, random.setstate),  # looked up first and set last: what checks types may draw from it
    (torch.get_default_dtype, torch.set_default_dtype),
    (_default_device, torch.set_default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (flushes_denormals, torch.set_flush_denormal),
    (
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda on: torch.use_deterministic_algorithms(on[0], warn_only=on[1]),
    ),
    (
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda on: torch.autograd.set_detect_anomaly(*on),
    ),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    (lambda: list(warnings.filters), _set_filters),
    (_global_hooks, _set_global_hooks),
    (torch.get_rng_state, torch.set_rng_state),
    (_accelerator_states, lambda states: torch.cuda.set_rng_state_all(states) if states else None),
    (lambda: np.random.get_state(legacy=False), np.random.set_state),  # noqa: NPY002 - others may draw from it
    (_autocast, _set_autocast),
)


@contextmanager
def settings_kept() -> Iterator[None]:
    """PyTorch's and Python's settings are afterwards as they were, however the block ends.

    These are: gradients on or off, inference mode, autocast, default type and device, the number of threads, rounding
    of denormals, deterministic algorithms, detection of anomalies, hooks of all modules, filters of warnings, and the
    generators of PyTorch, NumPy and Python.
    """
    before = [look() for look, _ in _SETTINGS]
    gradients = torch.is_grad_enabled()
    try:
        # the end of inference mode, here the one in force, also ends what was begun inside and not ended
        with torch.inference_mode(torch.is_inference_mode_enabled()), torch.set_grad_enabled(gradients):
            yield
    finally:
        torch.set_grad_enabled(gradients)
        for (look, put), value in reversed(list(zip(_SETTINGS, before, strict=True))):
            if not _same(look(), value):
                put(value)


@contextmanager
def untouched(*networks: nn.Module) -> Iterator[None]:
    """These networks, and all settings, are afterwards as they were, whatever their own code does in the block.

    Of each module: which parameters, buffers, children and hooks it has, its mode and its other attributes, with what
    stands in their lists, dicts and sets; of each tensor among them its numbers, type, gradient, hooks and whether it
    takes gradients; and generators. Not: what hides in objects of other classes. It costs a copy of the weights.
    """
    with settings_kept():
        kept = _Kept()
        for network in networks:
            kept.keep(network)
        try:
            yield
        finally:
            kept.restore()


@contextmanager
def lent(network: nn.Module, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Copies of a network and of what goes with it, for code that may change them. All else is afterwards as it was.

    Args:
        network: comes first among the copies.
        values: bundles of tensors (`Examples`), tensors or None; every tensor is copied.

    Raises:
        ValueError: the network cannot be copied.

    >>> labels = torch.tensor([0, 1])
    >>> with lent(nn.Linear(2, 2), labels) as (network, copied):
    ...     copied[0] = 7
    >>> labels.tolist()
    [0, 1]
    """
    with untouched(network):
        yield copied_network(network), *map(copied, values)


def lending(call: Call) -> Call:
    """For the call of a method of ours: the network that it is given is afterwards as it was, and so are settings."""

    @wraps(call)
    def lent_to(self: Any, model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with untouched(model):
            return call(self, model, *args, **kwargs)

    return cast("Call", lent_to)


def copied(value: Any) -> Any:
    """A bundle of tensors, or a tensor, with nothing in common with the given one; what has no tensors as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{name: copied(each) for name, each in vars(value).items() if isinstance(each, Tensor)})
    return value


def copied_network(network: nn.Module) -> nn.Module:
    """A deep copy.

    Raises:
        ValueError: it cannot be copied, or its copy shares weights with it.
    """
    memo: dict[int, Any] = {}
    for tensor in _non_leaves(network, set()):  # which PyTorch refuses to copy, e.g. features that a network remembers
        memo[id(tensor)] = tensor.detach().clone()
    try:
        twin = copy.deepcopy(network, memo)
    except Exception as error:
        raise InputError(
            f"this {type(network).__name__} cannot be copied, and what may change a network is given a copy"
            f"{_culprit(network)}. {worded(error)}"
        ) from error
    theirs = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    if not isinstance(twin, nn.Module) or any(id(each) in theirs for each in (*twin.parameters(), *twin.buffers())):
        raise InputError(
            f"the copy of this {type(network).__name__} shares weights with it, and what may change a network is given "
            "a copy. Its `__deepcopy__` must give a network of its own."
        )
    return twin


def _non_leaves(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """The tensors with a history of computation in a network's attributes and the containers there."""
    if id(value) in seen or not isinstance(value, (nn.Module, Tensor, dict, list, tuple, set, deque)):
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        if not value.is_leaf:
            yield value
        return
    values = vars(value) if isinstance(value, nn.Module) else value
    for each in values.values() if isinstance(values, dict) else values:
        yield from _non_leaves(each, seen)


def _culprit(network: nn.Module) -> str:
    """Which attribute cannot be copied."""
    for place, module in network.named_modules():
        for name, value in vars(module).items():
            try:
                if name != "_modules":
                    copy.deepcopy(value)
            except Exception:
                return f": its attribute {'.'.join(filter(None, (place, name)))!r} cannot be"
    return ""


@no_type_check  # at run time: it is called for each attribute of each module, and takes any value
class _Kept:
    """What was found in some objects, and how it is brought back. Only what has changed is written."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}  # also holds them: an id is not used twice meanwhile
        self._restores: list[Restore] = []

    def restore(self) -> None:
        with ExitStack() as stack:  # all are tried, also where one fails
            for restore in self._restores:
                stack.callback(restore)

    def keep(self, value: Any) -> None:
        """Remember a value and what is in it."""
        if value is None or isinstance(value, (bool, int, float, str, bytes, type)) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, nn.Module):
            self._keep_module(value)
        elif isinstance(value, Tensor):
            self._keep_tensor(value)
        elif isinstance(value, dict):
            self._keep_dict(value)
        elif isinstance(value, (list, deque, set)):
            self._keep_items(value)
        elif isinstance(value, (tuple, frozenset)):
            for each in value:
                self.keep(each)
        else:
            self._keep_state(value)

    def _keep_module(self, module: nn.Module) -> None:
        kind = type(module)

        def restore() -> None:
            if type(module) is not kind:  # as lazy layers do
                module.__class__ = kind

        self._restores.append(restore)
        self._keep_dict(vars(module))
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            self.keep(tensor)

    def _keep_dict(self, values: dict[Any, Any]) -> None:
        before = dict(values)

        def restore() -> None:
            if list(values) != list(before) or any(values[key] is not each for key, each in before.items()):
                values.clear()
                values.update(before)

        self._restores.append(restore)
        for each in before.values():
            self.keep(each)

    def _keep_items(self, values: Any) -> None:
        before = list(values)

        def restore() -> None:
            if len(values) != len(before) or any(a is not b for a, b in zip(values, before, strict=True)):
                values.clear()
                (values.update if isinstance(values, set) else values.extend)(before)

        self._restores.append(restore)
        for each in before:
            self.keep(each)

    def _keep_state(self, value: Any) -> None:
        if isinstance(value, torch.Generator):
            self._restores.append(partial(value.set_state, value.get_state()))
        elif isinstance(value, random.Random):
            self._restores.append(partial(value.setstate, value.getstate()))
        elif isinstance(value, np.random.Generator):
            self._restores.append(partial(setattr, value.bit_generator, "state", value.bit_generator.state))
        elif isinstance(value, np.ndarray) and value.dtype != object:
            numbers = value.copy()
            self._restores.append(lambda: np.copyto(value, numbers) if value.flags.writeable else None)

    def _keep_tensor(self, tensor: Tensor) -> None:
        self._keep_dict(vars(tensor))
        if tensor.is_meta or nn.parameter.is_lazy(tensor):  # no numbers, or none yet
            return
        needs, leaf = tensor.requires_grad, tensor.is_leaf
        gradient = tensor.grad if leaf else None
        hooks = _hooks_of(tensor)
        same = tensor.detach()  # of the same memory
        numbers = same.clone()

        def restore() -> None:
            with torch.inference_mode(tensor.is_inference()), torch.no_grad():
                if leaf and not tensor.is_leaf:
                    tensor.detach_()
                if _moved(tensor, same):
                    tensor.data = same
                if not torch.equal(same, numbers):
                    tensor.copy_(numbers)
            if tensor.requires_grad != needs:
                tensor.requires_grad_(needs)
            if leaf and tensor.grad is not gradient:
                tensor.grad = gradient
            for found in _hooks_of(tensor):
                if not any(found is each for each in hooks):
                    found.clear()

        self._restores.append(restore)
        for each in hooks:
            self._keep_dict(each)
        self.keep(gradient)


def _hooks_of(tensor: Tensor) -> list[dict[Any, Any]]:
    """On its gradient, and after it is there."""
    return [hooks for hooks in (tensor._backward_hooks, tensor._post_accumulate_grad_hooks) if hooks is not None]


def _moved(tensor: Tensor, before: Tensor) -> bool:
    """Whether it lies in other memory, or otherwise, than before."""
    if any(getattr(tensor, name) != getattr(before, name) for name in ("dtype", "device", "shape", "layout")):
        return True
    strided = tensor.layout == torch.strided
    return strided and (tensor.stride() != before.stride() or tensor.data_ptr() != before.data_ptr())
