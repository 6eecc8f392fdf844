"""One call of a method on one network: what it took, what it did, or why it failed."""

import math
import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.deletion.effect import Bench, Effect
from spurlab.deletion.method import Deletion, NotFiniteError, device_of, dropping_out, finite, outputs_fit
from spurlab.errors import FAILURES, worded
from spurlab.lent import copied_network, lent, untouched
from spurlab.training import Member, Recipe, train_one


@dataclass(frozen=True)
class Attempt:
    """What came of one call of a method.

    Args:
        seed: of the network.
        seconds: that the call took, see `clock`.
        effect: what it did; all NaN where the result was not finite, None where the call failed.
        failed: why there is no result, or none that is finite; else "".
    """

    seed: int
    seconds: float
    effect: Effect | None
    failed: str = ""


def attempt(method: Deletion, bench: Bench, forget: Bool[Tensor, " n"], *, relearn: bool = True) -> Attempt:
    """Let a method forget, and measure what it left; whatever it raises becomes the reason, but for Ctrl-C.

    A method under test may fail in any way, also where its result is measured, and others are to go on. It gets a
    network and data of its own, since it may spoil them; all else is afterwards as it was. What it draws from PyTorch's
    global generator depends on the seed alone.
    """
    data, device = bench.planted.materialize(), device_of(bench.network)
    seconds, start = 0.0, clock(device)
    try:
        with lent(bench.network) as (network,), dropping_out(bench.seed, "method"):
            start = clock(device)
            after = method(network, data, forget.clone())
            seconds = clock(device) - start
        if not isinstance(after, nn.Module):
            raise TypeError(f"the method returned {type(after).__name__}, but it must return the network")
        with untouched(after):  # a method may keep it and go on with it
            outputs_fit(after, bench.planted.base, bench.classes)
            return Attempt(bench.seed, seconds, bench.effect(finite(after), forget, relearn=relearn))
    except FAILURES as error:  # also SystemExit, which would end the program
        effect = Effect.none() if isinstance(error, NotFiniteError) else None
        return Attempt(bench.seed, seconds or clock(device) - start, effect, worded(error))


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
    train_one(
        copied_network(fresh),
        member,
        recipe.but(epochs=1, milestones=()),
        device=device,
        after_step=lambda _: moments.append(clock(device)),
    )
    steps = [end - start for start, end in pairwise(moments)]
    return median(steps) * len(steps) * recipe.epochs
