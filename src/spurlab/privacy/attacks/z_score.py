"""How far the margin lies above that of networks without the example."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

from spurlab.methods.settings import one_of
from spurlab.privacy.attacks.attack import spread
from spurlab.privacy.attacks.lira import Variance
from spurlab.privacy.margins import Attacked, Margins


@dataclass(frozen=True)
class ZScore:
    r""":math:`(\varphi - \mu_{out}) / s_{out}`, over the shadows without the example.

    It ranks as the upper tail of `OfflineLira` with the same variance does, in numbers that can be added up.

    Needs: two shadows without each example; one where the variance is not its own.

    Args:
        variance: as of `spurlab.privacy.attacks.Lira`. With one for all it is the difference from the mean, which
            Watson et al. call difficulty calibration.

    Source: Watson et al. (2022), On the importance of difficulty calibration in membership inference attacks,
    arXiv:2111.08440 (there of losses).
    """

    variance: Variance = "example"

    def __post_init__(self) -> None:
        one_of(Variance, "the variance of the z-score", self.variance)

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        shadows.need("the z-score", outside=2 if self.variance == "example" else 1)
        return (target.phi - shadows.outside.mean) / spread(shadows.outside, self.variance)
