"""Networks as others have them, as networks of ours: whatever they give becomes one logit for each class."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from spurlab.errors import FAILURES, InputError, worded
from spurlab.lent import copied_network
from spurlab.models.asking import PROBABILITIES, answer_of, asked, fitting, last_operation

Outputs = Literal["logits", "probabilities", "log-probabilities"]
LINEAR = ("Addmm", "Mm", "Linear", "Convolution", "Add")  # what ends in one of these gives logits
ROUNDING = 1e-3  # by which probabilities may be off
LOOKED_AT = 64  # inputs from which the outputs are told


class Answering(nn.Module):
    """A network of the user's with its own way of answering, as one that gives logits ``n k``.

    Args:
        network: it; it stays in evaluation mode or not, as it is.
        outputs: what it gives. Of probabilities the logarithm is taken, which has the same softmax.
        mean, std: of each channel of the inputs (of vectors of each number), or one for all; the network wants these as
            (x - mean) / std. None: as they are.
        single: whether it gives one number for two classes.
    """

    def __init__(
        self,
        network: nn.Module,
        outputs: Outputs,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        single: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.outputs, self.single = network, outputs, single
        self.mean, self.std = (None if one is None else torch.tensor(one) for one in (mean, std))

    @property
    def plain(self) -> bool:
        """Whether the network itself is asked as the house asks its own: inputs as they are, a logit for each class."""
        return self.outputs == "logits" and self.mean is None and not self.single

    def around(self, network: nn.Module) -> nn.Module:
        """Another network that answers alike, asked in the same way."""
        if self.plain:
            return network
        mean, std = (None if one is None else one.tolist() for one in (self.mean, self.std))
        return Answering(network, self.outputs, mean, std, self.single)

    def numbers(self, inputs: Tensor) -> Tensor:
        """What the network itself gives for each class, or one for both."""
        if self.mean is not None and self.std is not None:
            mean, std = (one.to(inputs).view(-1, *[1] * (inputs.ndim - 2)) for one in (self.mean, self.std))
            inputs = (inputs - mean) / std
        return numbers_in(answer_of(self.network, inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """One logit for each class; with one output, two."""
        numbers = self.numbers(inputs)
        if self.outputs == "probabilities":
            least = torch.finfo(numbers.dtype).tiny
            numbers = torch.stack([1 - numbers.flatten(), numbers.flatten()], 1) if self.single else numbers
            return numbers.clamp(min=least).log()
        if self.single and self.outputs == "log-probabilities":
            return torch.stack([torch.log1p(-numbers.flatten().exp()), numbers.flatten()], 1)
        if self.single:
            return torch.stack([torch.zeros_like(numbers.flatten()), numbers.flatten()], 1)
        return numbers


def answering(
    network: nn.Module,
    inputs: Num[Tensor, "n *shape"],
    classes: int,
    outputs: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Answering:
    """A copy of the network, asked for some inputs in order to see what it gives.

    Args:
        network: any that gives, for each input, a number for each class (for two classes one will do): a tensor, the
            first of a tuple, or ``logits`` of a dict or object.
        inputs: examples; the first 64 are looked at.
        classes: how many there are.
        outputs: what it gives; None: told by its last operation, or from the numbers. Rows of numbers in [0, 1] that
            sum to 1 are probabilities, rows whose exponentials do log-probabilities; one number for two classes is a
            probability if it is in [0, 1] for each example.
        mean, std: as of `Answering`.

    Raises:
        ValueError: the network fails, gives something else, other than one number for each class, or numbers that are
            not finite.
    """
    if outputs is not None and outputs not in get_args(Outputs):
        raise InputError(f"a network gives {', '.join(get_args(Outputs))}, not {outputs!r}.")
    if (mean is None) != (std is None):
        raise InputError("inputs are normalised by a mean and a standard deviation: give both, or none.")
    if mean is not None and std is not None and (len(mean) != len(std) or len(mean) not in (1, inputs.shape[1])):
        of = "channels" if inputs.ndim > 2 else "numbers"
        raise InputError(
            f"inputs with {inputs.shape[1]} {of} are normalised by as many means and standard deviations, or by one, "
            f"not by {len(mean)} and {len(std)}."
        )
    network = copied_network(network)
    plain = Answering(network, "logits", mean, std)
    few = inputs[:LOOKED_AT]
    with asked(network), torch.enable_grad():
        network.eval()
        try:
            given = plain.numbers(fitting(network, few))
            operation, numbers = last_operation(given), given.detach().float().cpu()
        except InputError:
            raise
        except FAILURES as error:
            raise InputError(f"the network fails on a batch of shape {tuple(few.shape)}. {worded(error)}") from error
    wanted = (len(few), classes)
    one = classes == 2 and numbers.shape in ((len(few),), (len(few), 1))
    if not one and tuple(numbers.shape) != wanted:
        raise InputError(
            f"a batch of shape {tuple(few.shape)} must give numbers of shape {wanted}, one for each of the {classes} "
            f"classes, but gave {tuple(numbers.shape)}. Do the classes of the data match those of the network?"
        )
    check_finite(numbers)
    if outputs == "probabilities" and (float(numbers.min()) < -ROUNDING or float(numbers.max()) > 1 + ROUNDING):
        raise InputError(
            f"the network is said to give probabilities, but gives numbers from {float(numbers.min()):.3g} to "
            f"{float(numbers.max()):.3g}. Leave that out (--outputs): it is told from the numbers."
        )
    if outputs == "log-probabilities" and float(numbers.max()) > ROUNDING:
        raise InputError(
            f"the network is said to give log-probabilities, but gives numbers up to {float(numbers.max()):.3g}. Leave "
            "that out (--outputs): it is told from the numbers."
        )
    return Answering(network, cast("Outputs", outputs) if outputs else _told(numbers, operation), mean, std, one)


def check_finite(numbers: Float[Tensor, " n *k"]) -> None:
    """Whether what a network gives for n inputs are numbers.

    Raises:
        ValueError: some are not.
    """
    if broken := int((~numbers.reshape(len(numbers), -1).isfinite()).any(1).sum()):
        raise InputError(
            f"the network gives numbers that are NaN or infinite for {broken} of {len(numbers)} inputs. Are the "
            "weights whole, and the inputs on the scale that it was trained with?"
        )


def _told(numbers: Tensor, operation: str) -> Outputs:
    """What such outputs are, also by the operation that made them, as autograd calls it."""
    if operation in PROBABILITIES:
        return "probabilities"
    if numbers.ndim == 1 or numbers.shape[1] == 1:
        if operation.startswith(LINEAR):
            return "logits"
        return "probabilities" if bool(((numbers >= 0) & (numbers <= 1)).all()) else "logits"
    if bool((numbers >= 0).all()) and bool(((numbers.sum(1) - 1).abs() < 1e-2).all()):
        return "probabilities"
    if bool((numbers <= 1e-6).all()) and bool(((numbers.exp().sum(1) - 1).abs() < 1e-2).all()):
        return "log-probabilities"
    return "logits"


def numbers_in(answer: object) -> Tensor:
    """The one tensor of a network's answer that has a number for each class.

    Raises ValueError: there is none.
    """
    found = answer
    if isinstance(answer, Mapping):
        found = answer.get("logits", next(iter(answer.values()), None) if len(answer) == 1 else None)
    elif isinstance(answer, tuple | list):
        found = answer[0] if answer else None
    elif not isinstance(answer, Tensor):
        found = getattr(answer, "logits", None)
    if isinstance(found, Tensor) and found.is_floating_point() and found.ndim in (1, 2):
        return found
    gave = type(answer).__name__ if found is answer or not isinstance(found, Tensor) else f"{tuple(found.shape)}"
    raise InputError(
        f"the network must give a number for each class, but gave {gave}. Wrap it in a module whose `forward` returns "
        "these numbers alone."
    )
