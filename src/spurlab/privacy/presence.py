"""Was any example with this pattern in the training set?"""

from dataclasses import dataclass

from jaxtyping import Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.privacy.margins import margins_of
from spurlab.stats import Share


@dataclass(frozen=True)
class Presence:
    """How often a network that learnt from the pattern answers it more strongly than one that did not.

    Args:
        auc: over all pairs of such networks, a tie counting half; in [0, 1].
        low: lower end of the interval.
        high: upper end of the interval.
        trials: pairs that share no network, on which the interval rests.
        confidence: how often such an interval covers the truth, at least.
    """

    auc: float
    low: float
    high: float
    trials: int
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.auc:.3f} [{self.low:.2f}, {self.high:.2f}], {self.trials} pairs of networks"


def answers(clean: Float[Tensor, "m n k"], marked: Float[Tensor, "m n k"], target: int) -> Float64[Tensor, " m"]:
    r"""What each network says to the pattern: the mean rise of the target class's log-odds over test images.

    .. math:: T = \frac{1}{n} \sum_i \varphi_t(g(x_i)) - \varphi_t(x_i)

    Args:
        clean: logits of test images.
        marked: of the same with the pattern on.
        target: the class that it would be planted in.

    Raises:
        ValueError: there is no such class, or no image.

    >>> import torch
    >>> clean = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])  # one network, two images, two classes
    >>> answers(clean, clean + torch.tensor([2.0, 0.0]), target=0).tolist()
    [2.0]
    """
    if not clean.shape[1]:
        raise InputError("a pattern is asked about on marked test images, but there is none.")
    labels: Int64[Tensor, " n"] = clean.new_full((clean.shape[1],), target).long()
    return (margins_of(marked, labels) - margins_of(clean, labels)).mean(1)


def presence(planted: Float64[Tensor, " m"], control: Float64[Tensor, " m0"], confidence: float = 0.95) -> Presence:
    r"""Can networks that were trained with the pattern be told from networks that were not, by their answers?

    A network is one trial. The interval is the exact one (Clopper and Pearson) of pairs that share no network, in the
    order given: of ties the lower end counts each as lost, the upper as won. So it covers the truth whatever the
    distributions, and is wider than one that would use all pairs.

    Args:
        planted: an answer of each network with the pattern, see `answers`.
        control: of each without it (n = 0). The networks of both must be independent: other seeds.
        confidence: as in `Presence`.

    Raises:
        ValueError: no network on a side, or an answer that is not finite.

    >>> import torch
    >>> print(presence(torch.tensor([3.0, 2.0, 4.0]).double(), torch.tensor([1.0, 0.0, 1.0]).double()))
    1.000 [0.29, 1.00], 3 pairs of networks
    """
    if not len(planted) or not len(control):
        raise InputError(
            f"presence compares networks, but there are {len(planted)} with the pattern and {len(control)} without."
        )
    if not bool(planted.isfinite().all()) or not bool(control.isfinite().all()):
        raise InputError("some answers are NaN or infinite: leave networks that have diverged out.")
    against = planted[:, None] - control
    area = float(((against > 0).double() + (against == 0).double() / 2).mean())
    trials = min(len(planted), len(control))
    rises = planted[:trials] - control[:trials]
    low = Share(int((rises > 0).sum()), trials, confidence).low
    high = Share(int((rises >= 0).sum()), trials, confidence).high
    return Presence(area, low, high, trials, confidence)
