"""How a network is asked and what its answer means, whatever it returns and is wrapped in: decided here, for all.

A network gives logits ``n k``, one row for each example. What has that one meaning is taken: a tensor, and the `logits`
of an object or a dict. All else is refused in a sentence: several tensors, one logit for two classes, probabilities.

A network is called with the inputs alone, or as transformers' classifiers ask for them, see `arguments_for`.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from spurlab.errors import FAILURES, InputError
from spurlab.lent import untouched
from spurlab.seeds import seed_for, seed_global

_SAME_NUMBERS = (
    "View",
    "Select",
    "UnsafeView",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "ToCopy",
    "Clone",
    "Alias",
    "Clamp",
    "Slice",
)
PROBABILITIES = {"SoftmaxBackward0": "a softmax", "SigmoidBackward0": "a sigmoid"}


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``, `nn.DataParallel` and `DistributedDataParallel`; it shares all weights.

    A copy on several devices or of compiled code answers as the network itself does, but is not always to be had:
    hooks do not fire in it, it runs under no `torch.func.vmap`, and it wants the devices that it was made for.
    """
    while True:
        if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            network = network.module
        elif type(network).__module__.startswith("torch._dynamo"):  # importing its class would take seconds
            network = network.get_submodule("_orig_mod")
        else:
            return network


def fitting(network: nn.Module, inputs: Tensor) -> Tensor:
    """A copy of the inputs that the network may change: on its device, and floats in the precision of its weights.

    A network is in the precision of its first weights: later ones may differ on purpose, as those of a norm do.
    """
    tensors = list(chain(network.parameters(), network.buffers()))
    device = tensors[0].device if tensors else inputs.device
    floats = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    return inputs.to(device, floats[0] if floats and inputs.is_floating_point() else inputs.dtype, copy=True)


def arguments_for(network: nn.Module, inputs: Tensor) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """What a network is called with for some inputs, by the names that its `forward` has for them.

    ``forward(x)`` gets the inputs. Where it asks for ``pixel_values`` images go there, where for ``input_ids``
    documents do, and where for an ``attention_mask`` it gets 1 for each word and 0 for the padding; a document without
    words has one place to attend to. Where the padding that ``input_ids`` have is another number than 0, see
    `with_own_padding`, that stands in the place of 0, and 0 in its place: no number of a word is lost.

    Args:
        network: not wrapped, see `unwrapped`.
        inputs: n examples, on its device and in its precision.
    """
    asks, named = _asks_for(network), dict[str, Any]()
    if getattr(getattr(network, "config", None), "return_dict", True) is False and "return_dict" in asks:
        named["return_dict"] = True
    if inputs.is_floating_point():
        return ((), named | {"pixel_values": inputs}) if "pixel_values" in asks else ((inputs,), named)
    if "input_ids" not in asks:
        return (inputs,), named
    if "attention_mask" in asks:
        first = torch.arange(inputs.shape[-1], device=inputs.device) == 0
        named["attention_mask"] = ((inputs != 0) | first).long()
    return (), named | {"input_ids": with_own_padding(network, inputs)}


def with_own_padding(network: nn.Module, documents: Tensor) -> Tensor:
    """Documents as a network has them whose padding is ``config.pad_token_id``: that and 0 change places.

    The first module that has one says it: the network itself, or one of transformers' that it is built around. It
    undoes itself: what a tokenizer of such a network gives becomes documents with padding 0.
    """
    found = (getattr(getattr(module, "config", None), "pad_token_id", None) for module in network.modules())
    padding = next((number for number in found if isinstance(number, int)), 0)
    if padding <= 0:
        return documents
    zero, other = documents == 0, documents == padding
    return documents.masked_fill(zero, padding).masked_fill(other, 0)


def _asks_for(network: nn.Module) -> frozenset[str]:
    """The names of what its `forward` takes; those of transformers that take any others also take ``return_dict``."""
    if isinstance(network, torch.jit.ScriptModule | torch.fx.GraphModule):
        return frozenset()
    own = vars(network).get("forward")
    return _names_in(type(network).forward) if own is None else _names_in.__wrapped__(own)


@cache
def _names_in(forward: Any) -> frozenset[str]:
    try:
        parameters = inspect.signature(forward).parameters
    except (TypeError, ValueError):  # of code in C
        return frozenset()
    others = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return frozenset(parameters) | ({"return_dict"} if others else set())


def answer_of(network: nn.Module, inputs: Tensor) -> Any:
    """What a network gives for inputs that are `fitting`, in the mode in which it is.

    Raises:
        ValueError: documents with numbers of words that it has no vectors for, or longer than it has places for.
    """
    network = unwrapped(network)
    given, named = arguments_for(network, inputs)
    try:
        return network(*given, **named)
    except (IndexError, RuntimeError) as error:
        if inputs.is_floating_point() or not (why := _beyond_a_table(network, inputs)):
            raise
        raise InputError(why) from error


def _beyond_a_table(network: nn.Module, documents: Tensor) -> str:
    """Which table of vectors was asked for one that it has not, in a sentence; "" if none was."""
    given, named = arguments_for(network, documents)
    ids, faults = named.get("input_ids", documents), list[str]()

    def look(table: nn.Module, asked: tuple[Any, ...]) -> None:
        if not (asked and isinstance(table, nn.Embedding) and isinstance(asked[0], Tensor) and asked[0].numel()):
            return
        has, top = table.num_embeddings, int(asked[0].max())
        if top < has:
            return
        if asked[0].shape == ids.shape and asked[0].equal(ids):
            faults.append(
                f"this {type(network).__name__} has vectors for {has:,} words, but a document has the word number "
                f"{top}. Make it for these documents, or read them with its own tokenizer."
            )
        else:
            faults.append(
                f"this {type(network).__name__} has vectors for {has:,} places, but the documents are {ids.shape[-1]} "
                "words long. Cut them (length=...), or make it for longer ones."
            )

    hooks = [module.register_forward_pre_hook(look) for module in network.modules() if isinstance(module, nn.Embedding)]
    try:
        with torch.no_grad():
            network(*given, **named)
    except FAILURES:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return faults[0] if faults else ""


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: dropout rests, batch norm uses its running numbers. Then each module's own again."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:  # one by one: children can differ from their parent, which `train` would undo
            module.training = training


@contextmanager
def asked(*networks: nn.Module, kept: bool = True) -> Iterator[None]:
    """Around questions to networks: these, and all settings, are afterwards as they were (see `spurlab.lent`).

    A network that draws random numbers draws the same ones in each such block, so that what is measured of it can be
    measured again. What is compiled runs uncompiled.

    Args:
        networks: that will be asked.
        kept: False for networks that are thrown away afterwards, which need not be as they were.

    >>> network = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    >>> with asked(network):
    ...     logits = ask(network.eval(), torch.ones(5, 2))
    >>> logits.shape, network.training
    (torch.Size([5, 3]), True)
    """
    compiled = any(
        module._compiled_call_impl is not None or type(module).__module__.startswith("torch._dynamo")
        for network in networks
        for module in network.modules()
    )
    with untouched(*networks if kept else ()):
        seed_global(seed_for(0, "asked"))
        if not compiled:
            yield
            return
        with torch.compiler.set_stance("force_eager"):  # compiled code knows no hooks that came after it
            yield


def ask(network: nn.Module, inputs: Tensor, classes: int | None = None) -> Tensor:
    """The network's logits for a batch of inputs, in the mode in which it is; call it inside of `asked`.

    Args:
        network: any; see the head of this file.
        inputs: n examples, which are not changed.
        classes: how many there are, k, where that is known.

    Returns:
        New tensor ``n k`` where the network is, of float32, or of float64 if that is the network's. Gradients flow back
        to the inputs.

    Raises:
        ValueError: an answer that is not one logit for each class.

    >>> class Wrapped(nn.Linear):
    ...     def forward(self, inputs):
    ...         return {"logits": super().forward(inputs)}
    >>> network = Wrapped(2, 3)
    >>> with asked(network):
    ...     logits = ask(network, torch.ones(5, 2), classes=3)
    >>> logits.shape
    torch.Size([5, 3])
    """
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # a network may leave them otherwise
        logits = logits_in(answer_of(network, fitting(network, inputs)), inputs, classes)
    refuse_probabilities(network, logits, inputs)
    return logits.clone() if logits.dtype in (torch.float32, torch.float64) else logits.float()


def logits_in(answer: object, inputs: Tensor, classes: int | None = None) -> Tensor:
    """The logits ``n k`` in what a network gave for n inputs, in its own precision.

    Raises:
        ValueError: there are none.

    >>> logits_in({"logits": torch.zeros(3, 2)}, torch.zeros(3, 5)).shape
    torch.Size([3, 2])
    """
    found = logits_of(answer, inputs, classes)
    one = found.ndim == 1 or (found.ndim == 2 and found.shape[1] == 1)
    if found.ndim != 2 or len(found) != len(inputs) or (found.shape[1] != classes if classes else one):
        advice = ""
        if one and len(found) == len(inputs) and classes in (None, 2):
            advice = (
                " One logit z for two classes has the same meaning as two, torch.stack([torch.zeros_like(z), z], dim=1)"
                " for z of shape (n,): let `forward` return these."
            )
        raise _no_logits(f"{tuple(found.shape)}", inputs, classes, advice)
    if not found.is_floating_point():
        raise _no_logits(f"numbers of {found.dtype}", inputs, classes)
    return found


def logits_of(answer: object, inputs: Tensor, classes: int | None = None) -> Tensor:
    """The one tensor in an answer that can be meant; its shape is not looked at.

    Raises:
        ValueError: the answer is no tensor and has no tensor `logits`.
    """
    found = answer
    if isinstance(answer, Mapping):
        found = answer.get("logits")
    elif not isinstance(answer, Tensor):
        found = getattr(answer, "logits", None)
    if isinstance(found, Tensor):
        return found
    gave = type(answer).__name__
    advice = " Wrap it in a module whose `forward` returns the logits alone."
    if isinstance(answer, Mapping):
        gave += f" with {', '.join(map(repr, answer)) or 'nothing in it'}"
        advice = " Wrap it in a module whose `forward` returns the logits alone, or a dict with 'logits'."
    elif isinstance(answer, tuple | list):
        gave += f" of {len(answer)}"
        advice = " Wrap it in a module whose `forward` returns the logits alone, e.g. `return self.network(inputs)[0]`."
    raise _no_logits(gave, inputs, classes, advice)


def _no_logits(gave: str, inputs: Tensor, classes: int | None, advice: str = "") -> InputError:
    wanted = f"({len(inputs)}, {classes or 'k'})"
    return InputError(
        f"a batch of shape {tuple(inputs.shape)} must give logits of shape {wanted}, but gave {gave}: one logit for "
        f"each class is needed.{advice}"
    )


def refuse_probabilities(network: nn.Module, logits: Tensor, inputs: Tensor) -> None:
    """A softmax of probabilities is flat: each score that is made from it would be too small.

    Raises:
        ValueError: numbers from 0 to 1 that a sigmoid or softmax gave, as autograd tells; or rows of such numbers that
            sum to 1, eight or more and not all equal, as logits never do.
    """
    if not logits.numel() or logits.is_meta:
        return
    numbers = logits.detach().float()
    if not bool(((numbers >= 0) & (numbers <= 1)).all()):
        return
    operation = last_operation(logits) if logits.grad_fn is not None else _operation_with_gradients(network, inputs)
    end = PROBABILITIES.get(operation, "")
    if not end and len(logits) >= 8 and bool((numbers != numbers[0]).any()):
        # logits of a few examples, or of equal ones, may sum to 1 by chance; those of eight that differ do not
        near = 1e-5 if logits.dtype in (torch.float32, torch.float64) else 4 * torch.finfo(logits.dtype).eps
        end = "a softmax" if bool(((numbers.sum(-1) - 1).abs() < near).all()) else ""
    if end:
        raise InputError(
            f"this {type(unwrapped(network)).__name__} ends in {end}: its outputs are probabilities already, and one "
            "logit for each class is needed. Let `forward` return what goes into it, or its logarithm."
        )


def _operation_with_gradients(network: nn.Module, inputs: Tensor) -> str:
    """The last operation in the network's answer to a few inputs, looked up with gradients on; "" if none can be."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        few = fitting(network, inputs[:2])
        if few.is_floating_point():
            few = few.requires_grad_() * 1  # no leaf, which a network could not change in place
        try:
            return last_operation(logits_in(answer_of(network, few), few))
        except RuntimeError:  # e.g. weights that were made in inference mode: of these autograd knows nothing
            return ""


def last_operation(tensor: Tensor) -> str:
    """By what the numbers were made, as autograd calls it; "" where gradients are off."""
    step = tensor.grad_fn
    while step is not None and step.name().startswith(_SAME_NUMBERS) and step.next_functions:
        step = step.next_functions[0][0]
    return "" if step is None else step.name()
