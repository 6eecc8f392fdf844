"""Where the spread between networks comes from: the draw of the pattern, or the network."""

from dataclasses import dataclass

from jaxtyping import Float
from scipy.special import fdtri
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.paired import rounding


@dataclass(frozen=True)
class Components:
    """The variance between networks in three parts; see :func:`variance_components`.

    Args:
        draw: between draws of the pattern.
        seed: between networks of different seeds, whatever the draw.
        rest: what is left: a seed does better with this draw than with that.
        share: of the sum of the three, that of the draw, in [0, 1].
        low: lower end of the interval of the share.
        high: upper end of the interval of the share.
        draws: how many there are.
        seeds: how many there are of each draw.
        confidence: how often such an interval covers the true share, for normal effects.
    """

    draw: float
    seed: float
    rest: float
    share: float
    low: float
    high: float
    draws: int
    seeds: int
    confidence: float = 0.95

    @property
    def network(self) -> float:
        """Between networks of one draw."""
        return self.seed + self.rest

    def __str__(self) -> str:
        return f"{self.share:.2f} [{self.low:.2f}, {self.high:.2f}]"


def variance_components(table: Float[Tensor, "draws seeds"], confidence: float = 0.95) -> Components:
    r"""How much of the variance between networks is the draw's: two-way random effects by the method of moments.

    .. math:: y_{ij} = \mu + a_i + b_j + e_{ij}, \qquad
        \hat\sigma_a^2 = \frac{MS_a - MS_e}{m}, \quad \hat\sigma_b^2 = \frac{MS_b - MS_e}{d}, \quad
        \hat\sigma_e^2 = MS_e, \qquad
        \rho = \frac{\sigma_a^2}{\sigma_a^2 + \sigma_b^2 + \sigma_e^2}

    Elsewhere a network's seed fixes its pattern too, so that the variance between networks is the sum of all three, and
    :math:`\rho` is the part of it that the pattern's draw has. Crossing a few draws with the same seeds tells the parts
    apart and costs one control for each seed. Seeds of its own for every draw (nested) would tell the draw from the
    network as well, but need a control for each network, and could not say whether a seed is good or bad by itself or
    with this draw alone.

    An estimate below 0 is given as 0. The interval is McGraw and Wong's, with Satterthwaite's degrees of freedom. It
    assumes that the three effects are normal, and is an approximation then: 95 % are 92 to 97 % in simulations of 3 to
    20 draws. Scores that pile up at 0 or 1 are not normal: look at the networks beside it. The draws decide how wide
    it is, not the seeds.

    Args:
        table: one number for each network; a row for each draw, a column for each seed.
        confidence: as in `Components`.

    Returns:
        The parts. Where all numbers agree there is nothing to share out: 0, and any share from 0 to 1 is possible.

    Raises:
        ValueError: fewer than two draws or seeds, or a number that is not finite.

    Source: McGraw and Wong (1996), Forming inferences about some intraclass correlation coefficients, Psychological
    Methods 1, 30-46, ICC(A,1); Searle, Casella and McCulloch (1992), Variance components, section 4.3.

    >>> import torch
    >>> print(variance_components(torch.tensor([[0.2, 0.3, 0.2], [0.8, 0.9, 0.7], [0.5, 0.4, 0.5]])))
    0.92 [0.60, 1.00]
    """
    draws, seeds = table.shape
    if min(draws, seeds) < 2:
        raise InputError(
            "to tell the draw from the network takes two draws of two seeds or more, but the table is of "
            f"{draws} x {seeds} (draws x seeds)."
        )
    if not 0 < confidence < 1:
        raise InputError(f"`confidence` must lie between 0 and 1, but it is {confidence}. Usual is 0.95.")
    values = table.detach().double().cpu()
    if not bool(values.isfinite().all()):
        raise InputError("the table has numbers that are not finite. Leave a seed that diverged out of every draw.")
    mean = values.mean()
    of_draw, of_seed = values.mean(1) - mean, values.mean(0) - mean
    left = values - mean - of_draw[:, None] - of_seed

    def square(effects: Tensor, networks: int, freedom: int) -> float:
        real = effects.where(effects.abs() > rounding(table.flatten()), 0.0)
        return networks * real.square().sum().item() / freedom

    ms_draw, ms_seed = square(of_draw, seeds, draws - 1), square(of_seed, draws, seeds - 1)
    ms_rest = square(left, 1, (draws - 1) * (seeds - 1))
    draw, seed = max(ms_draw - ms_rest, 0.0) / seeds, max(ms_seed - ms_rest, 0.0) / draws
    share = draw / total if (total := draw + seed + ms_rest) else 0.0
    low, high = _interval(ms_draw, ms_seed, ms_rest, share, draws, seeds, (1 + confidence) / 2)
    return Components(draw, seed, ms_rest, share, low, high, draws, seeds, confidence)


def _interval(
    ms_draw: float, ms_seed: float, ms_rest: float, share: float, draws: int, seeds: int, level: float
) -> tuple[float, float]:
    """That of the share; `level` is of each end."""
    if ms_rest == 0 and 0 in (ms_draw, ms_seed):  # one effect alone, or none
        return (share, share) if ms_draw or ms_seed else (0.0, 1.0)
    of_seed = seeds * share * ms_seed
    of_rest = (draws * (1 - share) + seeds * share * (draws - 1)) * ms_rest
    freedom = (of_seed + of_rest) ** 2 / (of_seed**2 / (seeds - 1) + of_rest**2 / ((draws - 1) * (seeds - 1)))
    others = seeds * ms_seed + (draws * seeds - draws - seeds) * ms_rest

    def end(factor: float) -> float:
        above = draws * (factor * ms_draw - ms_rest)
        return above / (others + draws * factor * ms_draw) if above > 0 else 0.0

    return end(1 / float(fdtri(draws - 1, freedom, level))), end(float(fdtri(freedom, draws - 1, level)))
