"""One threshold on the margin, set on shadow networks."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

from spurlab.privacy.attacks.attack import spread
from spurlab.privacy.margins import Attacked, Margins


@dataclass(frozen=True)
class GlobalThreshold:
    r"""The margin in standard deviations of those of all examples in networks that did not learn from them.

    .. math:: \frac{\varphi(x_i) - \mu_{out}}{s_{out}}, \qquad \text{both over all shadows and examples}

    Of one network it ranks as the loss does; the same threshold means the same for networks that differ in how sure
    they are.

    Needs: a shadow without each example.

    Source: Yeom et al. (2018), arXiv:1709.01604; Carlini et al. (2022), arXiv:2112.03570, section III (global
    threshold).
    """

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        shadows.need("a global threshold", outside=1)
        outside = shadows.outside
        mean = (outside.mean * outside.count).sum() / outside.count.sum()
        return (target.phi - mean) / spread(outside, "overall")
