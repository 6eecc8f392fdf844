"""A trained network of the user's own: from a function, or a program in a file, with weights from a file.

A function and a program (TorchScript, an exported one) are code. They are named on the command line or by a caller in
Python, never by a study file or a results folder. Weights are data: nothing in them is run.
"""

import inspect
import re
import warnings
import zipfile
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spurlab.errors import FAILURES, InputError, brief, one_line, worded
from spurlab.files import replacing
from spurlab.lent import copied_network
from spurlab.models.estimators import Estimator, is_estimator
from spurlab.models.user import user_function

WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "weights")  # under which files keep the weights
PREFIXES = ("module.", "_orig_mod.")  # of wrapped networks


def load_network(model: Any, weights: str | Path | None, shape: Sequence[int], classes: int) -> nn.Module:
    """A trained network on the CPU.

    Args:
        model: the network; or a fitted classifier of scikit-learn (`spurlab.models.Estimator`); or
            ``package.module:callable`` that makes one, with settings after it if it takes any
            (``timm:create_model,model_name=resnet18,num_classes=10``); or a file with a TorchScript or an exported
            program. A function and a program are code, and are run.
        weights: a file of safetensors, or one of PyTorch's with a ``state_dict``; None: it has them already.
        shape: of one input; a function that asks for two arguments and has no settings gets it.
        classes: how many there are; likewise.

    Raises:
        ValueError: there is no such module, function or file, the function fails or gives no network, or the weights
            are not its own.
    """
    if is_estimator(model):
        network: nn.Module = Estimator(model, classes)
    elif isinstance(model, nn.Module):
        network = model if weights is None else copied_network(model)
    elif isinstance(model, str) and re.match(r"[\w.]+:", model) and not Path(model).exists():
        network = _made(model, tuple(shape), classes)
    else:
        network = _program(Path(model))
    if weights is not None:
        _put_weights(network, Path(weights))
    return network


def is_program(network: nn.Module) -> bool:
    """Whether it can be asked, but not trained on: the program of a file (TorchScript, exported), or an `Estimator`."""
    return isinstance(network, torch.jit.ScriptModule | torch.fx.GraphModule | Estimator)


def _made(name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    name, *settings = name.split(",")
    function = user_function(name, "network")
    arguments, options = _arguments(name, function, settings, shape, classes)
    said = ", ".join([*map(repr, arguments), *(f"{key}={value!r}" for key, value in options.items())])
    call = f"{name.partition(':')[2]}({said})"
    try:
        network = function(*arguments, **options)
    except FAILURES as error:
        raise InputError(f"network {name!r}: {call} failed. {worded(error)}") from error
    if is_estimator(network):
        return Estimator(network, classes)
    if not isinstance(network, nn.Module):
        raise InputError(f"network {name!r}: {call} must give an nn.Module, but gave {type(network).__name__}.")
    return network


def _arguments(
    name: str, function: Callable[..., Any], settings: Sequence[str], shape: tuple[int, ...], classes: int
) -> tuple[list[Any], dict[str, Any]]:
    """What the function is called with: the settings, else shape and classes if it asks for two."""
    options: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"network {name!r} has the setting {setting!r}, but settings are key=value.")
        try:
            options[key] = literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    if options:
        return [], options
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [], {}
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed and (len(needed) != 2 or needed[1].kind == needed[1].KEYWORD_ONLY):
        raise InputError(
            f"network {name!r} asks for {', '.join(p.name for p in needed)}. Let it ask for the shape of an input and "
            f"the number of classes, in this order, or for nothing, or give what it asks for: "
            f"{','.join([name, *(f'{p.name}=...' for p in needed)])}."
        )
    return ([shape, classes] if needed else []), {}


def _program(file: Path) -> nn.Module:
    """A network with its code in one file."""
    if not file.is_file():
        raise InputError(
            f"there is no network {str(file)!r}. A network is package.module:callable, or a file with a TorchScript or "
            "an exported program."
        )
    if not zipfile.is_zipfile(file):
        raise InputError(
            f"{file} holds no program of PyTorch's. If it holds weights, give it as the weights, and the function that "
            "makes the network (package.module:callable) as the network."
        )
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is on its way out
            if any("/code/" in name for name in names):
                return torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-any-return]
            if not any(name.endswith("/data.pkl") for name in names) or file.suffix == ".pt2":
                return torch.export.load(file).module()
    except FAILURES as error:
        raise InputError(f"the program in {file} cannot be loaded. {worded(error)}") from error
    raise InputError(
        f"{file} holds weights and no program. Give it as the weights, and the function that makes the network "
        "(package.module:callable) as the network."
    )


def _put_weights(network: nn.Module, file: Path) -> None:
    """Weights of a file into the network.

    Raises ValueError: they are not its own; which is said.
    """
    found, own = _weights_in(file), network.state_dict()
    if found.keys() != own.keys():
        found = _unwrapped(found)
    missing, unknown = [name for name in own if name not in found], [name for name in found if name not in own]
    shapes = [
        f"{name!r} is {tuple(found[name].shape)} there and {tuple(own[name].shape)} in the network"
        for name in own
        if name in found and isinstance(own[name], Tensor) and found[name].shape != own[name].shape
    ]
    faults = [
        f"{len(names)} of its {len(own)} tensors are not there, e.g. {names[0]!r}" if of_network else
        f"{len(names)} that it has not are there, e.g. {names[0]!r}"
        for of_network, names in ((True, missing), (False, unknown))
        if names
    ]  # fmt: skip
    if faults := [*faults, *shapes[:1]]:
        raise InputError(
            f"the weights in {file} are not those of this {type(network).__name__}: {'; '.join(faults)}. Give the "
            "network that they were saved from."
        )
    network.load_state_dict(found)


def _weights_in(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Nothing in it is run."""
    if not file.is_file():
        raise InputError(f"there is no file {str(file)!r} with weights. Correct the path.")
    if not file.stat().st_size:
        raise InputError(f"{file} with the weights is empty. Save network.state_dict() by torch.save or safetensors.")
    try:
        found: Any = load_file(file) if file.suffix == ".safetensors" else _unpickled(file)
    except Exception as error:  # safetensors and PyTorch raise whatever a broken file leads them to
        reason = one_line(str(error).partition("\n")[0])
        if "TorchScript" in str(error):
            raise InputError(f"{file} holds a program. Give it as the network (--model), without weights.") from error
        if "Weights only" in reason:
            reason = "it is no file of weights, or holds more than weights, e.g. a whole network: nothing in it is run"
        raise InputError(
            f"the weights in {file} cannot be read ({reason}). Save network.state_dict() by torch.save or safetensors."
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        what = brief(list(found)) if isinstance(found, Mapping) else type(found).__name__
        raise InputError(f"{file} holds no state_dict but {what}. Save network.state_dict() by itself.")
    return dict(found)


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network that was wrapped when they were saved, under its own names."""
    for prefix in PREFIXES:
        if weights and all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _unpickled(file: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


def save_weights(network: nn.Module, file: str | Path) -> Path:
    """The state of a network as safetensors, which `load_network` reads.

    Raises:
        OSError: it cannot be written.

    >>> import tempfile
    >>> from spurlab.audit.demo import small_cnn
    >>> network = small_cnn((1, 28, 28), 10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_weights(network, Path(folder) / "weights.safetensors")
    ...     again = load_network("spurlab.audit.demo:small_cnn", file, (1, 28, 28), 10)
    >>> torch.equal(again[0].weight, network[0].weight)
    True
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    with replacing(Path(file)) as draft:
        save_file(tensors, draft)
    return Path(file)
