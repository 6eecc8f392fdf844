"""One attempt of a method on one network, isolated and timed: the network that came back, or why none did."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import nn

from spurlab.data import Examples
from spurlab.errors import FAILURES, worded
from spurlab.lent import copied_network, lent, untouched
from spurlab.methods.method import NotFiniteError, device_of, dropping_out, finite, outputs_fit
from spurlab.models import BoostedTrees, unwrapped
from spurlab.training import Member, Recipe, train_one

R = TypeVar("R")
S = TypeVar("S")
End = Literal["result", "failed", "not finite", "diverged"]


@dataclass(frozen=True, eq=False)
class Attempt(Generic[R]):
    """What came of one attempt: the network, or then what was measured of it.

    Args:
        result: a copy of the network that the method returned, in evaluation mode; or numbers. None: see `failed`.
        seconds: that the call took, see `clock`.
        failed: why there is no result; else "".
        end: how it ended: ``not finite``: the method returned a network, but with weights that are not finite, which
            says something of the method too; ``diverged``: the network had diverged before, and nothing was tried.
    """

    result: R | None
    seconds: float = 0.0
    failed: str = ""
    end: End = "result"

    def measured(self, measure: Callable[[R], S], *, foreign: bool) -> "Attempt[S]":
        """What is measured of the network. Where it fails meanwhile, so has the method.

        Args:
            measure: gives numbers of the network.
            foreign: whether code of the user's is in the network; else a failure is a fault of ours, and is raised.
        """
        if self.result is None:
            return Attempt(None, self.seconds, self.failed, self.end)
        try:
            return Attempt(measure(self.result), self.seconds)
        except FAILURES as error:
            if not foreign:
                raise
            return Attempt(None, self.seconds, worded(error), "failed")


def isolated(
    method: Callable[..., Any],
    network: nn.Module,
    lend: Callable[[], Sequence[Any]],
    *,
    like: Examples,
    classes: int | None,
    seed: int,
    purpose: str = "deletion",
) -> Attempt[nn.Module]:
    """Call a method; whatever it raises becomes the reason, but for Ctrl-C and other stops of the command line.

    Code that is not ours may fail in any way, and others are to go on. It is lent copies; all else is afterwards as it
    was. What it draws from PyTorch's global generator depends on the seed alone.

    Args:
        method: called with a copy of the network and what `lend` gives.
        network: what it starts from.
        lend: makes what goes with the network, copies of it; not timed.
        like: examples that the result must give outputs for.
        classes: how many outputs; None: no fewer than the labels of `like` say.
        seed: of the network.
        purpose: what is done to it, for messages.
    """
    device = device_of(network)
    seconds, start = 0.0, clock(device)
    try:
        with lent(network) as (copied,), dropping_out(seed, "method"):
            arguments = lend()
            start = clock(device)
            after = method(copied, *arguments)
            seconds = clock(device) - start
        if not isinstance(after, nn.Module):
            raise TypeError(f"the method must return a network, an nn.Module, but it returned {type(after).__name__}")
        with untouched(after):  # the method may keep it and go on with it
            outputs_fit(after, like, classes)
            return Attempt(finite(copied_network(after), purpose), seconds)
    except FAILURES as error:  # also SystemExit, which would end the program
        took = seconds or clock(device) - start
        return Attempt(None, took, worded(error), "not finite" if isinstance(error, NotFiniteError) else "failed")


def clock(device: torch.device) -> float:
    """Seconds, for the difference of two looks.

    On a CPU it is processor time of this process, over all its threads: what else the machine does meanwhile would be
    most of a wall clock's time. What a method does in other processes is not in it. Elsewhere it is a wall clock that
    waits for the device.
    """
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


def retraining_seconds(fresh: nn.Module, member: Member, recipe: Recipe) -> float:
    """How long it takes to train one network alone in this process; one epoch is tried, of a copy of `fresh`.

    The median step counts, times the steps: other work on the machine makes some steps longer, and in the first PyTorch
    still loads code. NaN for a recipe without epochs.
    """
    if recipe.epochs == 0:
        return math.nan
    device = device_of(fresh)
    moments: list[float] = [clock(device)]
    # what takes all epochs together, and perhaps fewer than it may
    if recipe.optimizer == "lbfgs" or isinstance(unwrapped(fresh), BoostedTrees):
        train_one(copied_network(fresh), member, recipe, device=device)
        return clock(device) - moments[0]
    train_one(
        copied_network(fresh),
        member,
        recipe.but(epochs=1, milestones=()),
        device=device,
        after_step=lambda _: moments.append(clock(device)),
    )
    steps = [end - start for start, end in pairwise(moments)]
    return median(steps) * len(steps) * recipe.epochs
