"""One call of a method on one network: what it took, what it did, or why it failed."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from spurlab.deletion.effect import Bench, Effect
from spurlab.deletion.method import Deletion
from spurlab.errors import FAILURES, worded
from spurlab.methods import isolated


@dataclass(frozen=True)
class Attempt:
    """What came of one call of a method.

    Args:
        seed: of the network.
        seconds: that the call took, see `spurlab.methods.clock`.
        effect: what it did; all NaN where the result was not finite, None where the call failed.
        failed: why there is no result, or none that is finite; else "".
    """

    seed: int
    seconds: float
    effect: Effect | None
    failed: str = ""


def attempt(method: Deletion, bench: Bench, forget: Bool[Tensor, " n"], *, relearn: bool = True) -> Attempt:
    """Let a method forget, and measure what it left; see `spurlab.methods.isolated`.

    A result may also fail where it is measured, which is then the reason.
    """
    network, seconds, failed, diverged = isolated(
        method,
        bench.network,
        lambda: (bench.planted.materialize(), forget.clone()),
        like=bench.planted.base,
        classes=bench.classes,
        seed=bench.seed,
    )
    effect = Effect.none() if diverged else None
    if network is not None:
        try:
            effect = bench.effect(network, forget, relearn=relearn)
        except FAILURES as error:
            failed = worded(error)
    return Attempt(bench.seed, seconds, effect, failed)
