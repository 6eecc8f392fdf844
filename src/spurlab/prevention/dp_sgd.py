"""Differentially private training: clipped gradients of each example, and noise (the extra ``dp``)."""

import logging
import math
import warnings
from collections import Counter
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import copied_network
from spurlab.methods import Batch, Descent, Make, untrained
from spurlab.methods.settings import not_negative, one_of
from spurlab.models import ask, asked
from spurlab.prevention.method import own_seed, preventing
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES

log = logging.getLogger(__name__)

Accountant = Literal["rdp", "prv"]
LARGEST = 2**24  # numbers of gradients of single examples that a layer holds at once: 64 MB
BatchNorm = nn.modules.batchnorm._BatchNorm
HOOKS = "Full backward hook is firing when gradients are computed with respect to module outputs"


@dataclass(frozen=True)
class Guarantee:
    r"""What differentially private training promises of each of its examples.

    With and without one example the odds of whatever is trained differ :math:`e^\varepsilon` times at most, but
    for a probability of :math:`\delta`. For k examples it is :math:`k \varepsilon`, and :math:`\delta` grows
    :math:`(e^{k \varepsilon} - 1) / (e^\varepsilon - 1)` times.

    Args:
        epsilon: infinite for none.
        delta: at which it holds; it should be well below one over the number of examples.
        accountant: `rdp` (Renyi) or `prv` (privacy loss random variables).
    """

    epsilon: float
    delta: float
    accountant: Accountant

    def __str__(self) -> str:
        return f"epsilon {self.epsilon:.2f} at delta {self.delta:g} ({self.accountant.upper()})"


@dataclass(frozen=True)
class DpSgd:
    r"""DP-SGD: training anew along clipped gradients of each example, with noise.

    .. math:: \tilde g = \frac{1}{B} \Big( \sum_{i \in S} g_i \min\big(1, C / \lVert g_i \rVert_2\big)
        + \mathcal{N}(0, \sigma^2 C^2 I) \Big), \qquad \Pr[i \in S] = B / n

    Each step draws its examples anew and independently (Poisson), about a batch B of the recipe, for so many epochs of
    ceil(n / B) steps; :math:`\tilde g` goes to the recipe's optimizer. Its `clip_norm`, `clip_value` and `precision`
    have no effect: norms must be exact, so all is float32. The promise (`guarantee`) is for one example more or less.
    It takes n, the classes and the settings as public, and does not pay for a choice among several trainings. The noise
    is drawn from the seed: whoever knows the seed takes it off again.

    Cost: one training with two backward passes and, where layers are not linear, the gradient of each example. Needs:
    no groups and no clean data; Opacus (``pip install 'spurlab[dp]'``); a network without batch norm.

    Args:
        recipe: how the network was trained; `batch_size` is B.
        seed: fixes the initial weights, the draws and the noise.
        noise: :math:`\sigma`, the noise multiplier; 0 promises nothing.
        clip: C, the largest norm of one example's gradient.
        delta: at which epsilon is said.
        accountant: `rdp`, or `prv`, which is tighter and slower.
        make: as in `spurlab.deletion.Retrain`.

    Source: Abadi et al. (2016), Deep learning with differential privacy, arXiv:1607.00133, algorithm 1 (lots); its
    gradients and accountants: Opacus, Yousefpour et al. (2021), arXiv:2109.12298.
    """

    recipe: Recipe
    seed: int = 0
    noise: float = 1.0
    clip: float = 1.0
    delta: float = 1e-5
    accountant: Accountant = "rdp"
    make: Make | None = None

    def __post_init__(self) -> None:
        not_negative(noise=self.noise)
        one_of(Accountant, "`accountant`", self.accountant)
        if not 0 < self.clip < math.inf:
            raise InputError(f"`clip` of DP-SGD must be above 0, and finite, but it is {self.clip}.")
        if not 0 < self.delta < 1:
            raise InputError(f"`delta` of DP-SGD is a probability above 0 and below 1, but it is {self.delta}.")

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        opacus = _library()
        new = untrained(model, own_seed(self.seed, "dp-sgd"), self.make)
        private = copied_network(new)  # Opacus leaves hooks and gradients in it
        _refuse_unsuited(opacus, private)
        descent = _PrivateDescent(opacus, private, self, data.inputs[:1])
        rng = rng_for(self.seed, "prevention", "dp-sgd", "draws")
        rate, steps = self._draws(len(data))
        for epoch in range(self.recipe.epochs):
            with descent.epoch(epoch):
                for step in range(steps):
                    rows = (torch.rand(len(data), generator=rng) < rate).nonzero().flatten()
                    descent.step_on(data, rows, epoch * steps + step)
        new.load_state_dict(private.state_dict())
        promise = self.guarantee(len(data))
        log.info("dp-sgd: %s", promise)
        new.guarantee = promise  # type: ignore[assignment]  # no module nor tensor: an attribute like any other
        return new

    def check(self) -> None:
        """Before anything is trained.

        Raises:
            ValueError: Opacus is missing.
        """
        _library()

    def guarantee(self, n: int) -> Guarantee:
        """What is promised after training on n examples; nothing is trained.

        Raises:
            ValueError: no example, or Opacus is missing.
        """
        if n < 1:
            raise InputError(f"DP-SGD promises something of 1 training example or more, but there are {n}.")
        rate, steps = self._draws(n)
        if not self.noise or not self.recipe.epochs:
            return Guarantee(math.inf if self.recipe.epochs else 0.0, self.delta, self.accountant)
        _library()
        from opacus.accountants import create_accountant  # noqa: PLC0415  # an extra, and slow to import

        accountant = create_accountant(mechanism=self.accountant)
        accountant.history = [(self.noise, rate, self.recipe.epochs * steps)]
        with warnings.catch_warnings():
            # an order at the end of those tried: the bound holds, and could be tighter
            warnings.filterwarnings("ignore", message="Optimal order is the")
            warnings.simplefilter("ignore", RuntimeWarning)  # log(0) for steps on all examples, which is right
            return Guarantee(float(accountant.get_epsilon(self.delta)), self.delta, self.accountant)

    def _draws(self, n: int) -> tuple[float, int]:
        """The probability of each example in a step, and the steps of an epoch."""
        return min(1.0, self.recipe.batch_size / n), math.ceil(n / self.recipe.batch_size)


def guarantee_of(network: nn.Module) -> Guarantee | None:
    """What was promised of the training examples of a network that `DpSgd` made; None of any other.

    It is an attribute of the network, `guarantee`, and no part of its weights: what loads these has to be told.

    >>> guarantee_of(nn.Linear(2, 2)) is None  # of a network that `DpSgd` made: epsilon, delta and how they came about
    True
    """
    found = getattr(network, "guarantee", None)
    return found if isinstance(found, Guarantee) else None


class _PrivateDescent(Descent):
    """A descent whose steps are along clipped gradients of examples, with noise.

    Two backward passes: one for the norm of each example's gradient, which linear layers tell without the gradient
    itself (ghost clipping: Goodfellow (2015), arXiv:1510.01799), one for the weighted sum.

    Args:
        opacus: the library.
        model: changed in place.
        method: its settings.
        example: one, for a look at which layers take part.
    """

    def __init__(self, opacus: ModuleType, model: nn.Module, method: DpSgd, example: Tensor) -> None:
        ghosts = _each_weight_once(model, example)
        held = max([1, *(_weights(module) for module in model.modules() if not (ghosts and type(module) is nn.Linear))])
        together = max(1, min(method.recipe.batch_size, LARGEST // held))
        recipe = method.recipe.but(batch_size=together, clip_norm=None, clip_value=None, precision="float32")
        super().__init__(model, recipe, method.seed, "dp-sgd", purpose="prevention")
        self._layout = torch.contiguous_format  # that of Opacus' gradients
        model.to(memory_format=self._layout)
        self._norms: Any = opacus.grad_sample.GradSampleModuleFastGradientClipping(
            model, max_grad_norm=method.clip, use_ghost_clipping=ghosts
        )
        noise = torch.Generator(self._device).manual_seed(seed_for(method.seed, "prevention", "dp-sgd", "noise"))
        self._private: Any = opacus.optimizers.DPOptimizerFastGradientClipping(
            self._optimizer,
            noise_multiplier=method.noise,
            max_grad_norm=method.clip,
            expected_batch_size=method.recipe.batch_size,
            generator=noise,
        )

    def step_on(self, data: Examples, rows: Int64[Tensor, " drawn"], step: int) -> None:
        """One step along the sum of the clipped gradients of these rows, which may be none, and noise."""
        seen = 0
        for batch in self.batches(data[rows], step):
            seen += len(batch.rows)
            self._private.signal_skip_step(seen < len(rows))  # added up, till the last
            self._clipped(batch)
            self._private.step()
        if not len(rows):
            self._private.zero_grad()
            for weight in self._parameters:
                weight.grad = torch.zeros_like(weight)
            self._private.step()
        self._stepped = True

    def _clipped(self, batch: Batch) -> None:
        """Leave the sum of the clipped gradients of a batch in its weights."""
        losses = LOSSES[self.recipe.loss](self.logits(batch), batch.labels)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=HOOKS)
            losses.mean().backward(retain_graph=True)
            self._private.zero_grad()
            self._norms.disable_hooks()
            (self._norms.get_clipping_coef().detach() * losses).sum().backward()
            self._norms.enable_hooks()


def _weights(module: nn.Module) -> int:
    """How many of its own it has."""
    return sum(weight.numel() for weight in module.parameters(recurse=False))


def _each_weight_once(model: nn.Module, example: Tensor) -> bool:
    """Whether each weight takes part in an answer once: else the norm of its gradient is not that of one layer's.

    Raises ValueError: some take no part, which Opacus cannot bear.
    """
    calls: Counter[int] = Counter()
    hooks = [
        module.register_forward_hook(lambda module, *_: calls.update(map(id, module.parameters(recurse=False))))
        for module in model.modules()
    ]
    with asked(model), torch.no_grad():
        model.eval()
        ask(model, example)
    for hook in hooks:
        hook.remove()
    if idle := [name for name, weight in model.named_parameters() if weight.requires_grad and id(weight) not in calls]:
        raise InputError(
            f"the weights {idle[0]!r} of this {type(model).__name__} take no part in its answers, or not through their "
            "own module, so that DP-SGD has no gradients of them. Freeze them: `requires_grad_(False)`."
        )
    return max(calls.values(), default=0) <= 1


def _library() -> ModuleType:
    try:
        import opacus  # noqa: PLC0415  # an extra, and slow to import
        import opacus.grad_sample  # noqa: PLC0415
        import opacus.optimizers  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "DP-SGD needs Opacus for its gradients and accountants, which is not installed: pip install 'spurlab[dp]'."
        ) from None
    return opacus  # type: ignore[no-any-return]


def _refuse_unsuited(opacus: ModuleType, model: nn.Module) -> None:
    """Raises ValueError: layers in which the examples of a batch are not apart, or which Opacus does not know."""
    moving = [(name, module) for name, module in model.named_modules() if not _rests(module)]
    normed = [name for name, module in moving if isinstance(module, BatchNorm)]
    recurrent = [name for name, module in moving if isinstance(module, nn.RNNBase)]
    errors = opacus.GradSampleModule.validate(model, strict=False)
    if not (normed or recurrent or errors):
        return
    if normed:
        why = f"batch norm ({', '.join(normed)}) mixes those of a batch. Group norm in its place does not"
    elif recurrent:
        why = f"PyTorch's own recurrent layers ({', '.join(recurrent)}) give none. Opacus has its own: opacus.layers"
    else:
        why = str(errors[0]).rstrip(". ")
    raise InputError(f"DP-SGD clips the gradient of each example, but in this {type(model).__name__} {why}.")


def _rests(module: nn.Module) -> bool:
    """Whether it has weights, all of them frozen: then a descent leaves it in evaluation mode."""
    weights = list(module.parameters(recurse=False))
    return bool(weights) and not any(weight.requires_grad for weight in weights)
