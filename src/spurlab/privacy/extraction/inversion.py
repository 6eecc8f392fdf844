"""Trigger inversion: the smallest, smoothest pattern that pulls inputs without content to a class."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.errors import InputError
from spurlab.methods.settings import not_negative, one_of, one_or_more
from spurlab.models import asked
from spurlab.privacy.extraction.extraction import Domain, HostName, checked_hosts, log_odds, total_variation
from spurlab.training import flush_denormals

Norm = Literal["l1", "l2"]
PENALTY, FACTOR = 1e-3, 1.2  # of the prior at first; by which it is raised or lowered in each step
START = 1e-3  # of the range: clipping at its end has no gradient


@dataclass(frozen=True)
class TriggerInversion:
    r"""The pattern of least prior that pulls most hosts to the class.

    .. math:: \min_\delta \frac{1}{n} \sum_i \log\big(1 + e^{g_i - \varphi_t(\mathrm{clip}(x_i + \delta))}\big)
        + \lambda \big(\lVert \delta \rVert + \tau \, \mathrm{TV}(\delta)\big), \qquad
        g_i = \max(0, \varphi_t(x_i) + r)

    Adam from next to zero. The goal :math:`g_i` is that the target class has even odds, and log-odds :math:`\varphi_t`
    that have risen by r: hosts without content are all of one class, which may be the target. In each step
    :math:`\lambda` is raised by a fifth where a share of the hosts reach it, and lowered otherwise, so that no scale of
    the prior need be chosen. Of the patterns that do it the one of least prior counts; where none does, the last one.
    Hosts are noise or zeros: there are no data.

    Args:
        seed: of the hosts.
        norm: `l1` for patterns of few pixels, `l2` for patterns on the whole image.
        tv: :math:`\tau`, total variation's weight beside the norm; large values lose patterns of noise.
        hosts: `noise` in the inputs' range, or `zeros`.
        count: how many hosts of noise.
        steps: of Adam.
        rate: of Adam, in units of the inputs' range.
        rise: r, of the log-odds.
        share: of the hosts that must reach the goal.

    Source: Wang et al. (2019), Neural Cleanse, IEEE S&P, section IV (the smallest trigger; there with a mask, clean
    images and l1 alone); Mahendran and Vedaldi (2015), arXiv:1412.0035, section 3 (total variation).
    """

    seed: int = 0
    norm: Norm = "l2"
    tv: float = 0.01
    hosts: HostName = "noise"
    count: int = 32
    steps: int = 200
    rate: float = 0.02
    rise: float = 2.0
    share: float = 0.9

    def __post_init__(self) -> None:
        one_of(Norm, "`norm`", self.norm)
        checked_hosts(self.hosts, self.count)
        not_negative(tv=self.tv, rate=self.rate, rise=self.rise)
        if not 0 < self.share <= 1:
            raise InputError(f"`share` is one of the hosts, above 0 and up to 1, but it is {self.share}.")
        one_or_more(steps=self.steps)

    @flush_denormals()
    def __call__(self, network: nn.Module, domain: Domain, target: int) -> Float32[Tensor, "*shape"]:
        hosts = domain.hosts(self.hosts, self.count, self.seed)
        span = domain.high - domain.low
        delta = torch.full(domain.shape, START * span, requires_grad=True)
        optimizer = torch.optim.Adam([delta], lr=self.rate * span, betas=(0.5, 0.9))
        penalty, least, best = PENALTY, math.inf, None
        with asked(network), torch.enable_grad():
            network.eval()
            goal = (log_odds(network, hosts, target).detach() + self.rise).clamp(min=0)
            for _ in range(self.steps):
                odds = log_odds(network, (hosts + delta).clamp(domain.low, domain.high), target)
                size = delta.abs().sum() if self.norm == "l1" else delta.norm()
                prior = size + self.tv * total_variation(delta)
                (delta.grad,) = torch.autograd.grad(F.softplus(goal - odds).mean() + penalty * prior, delta)
                hit = float((odds > goal).double().mean()) >= self.share
                if hit and 0 < prior.item() < least:
                    least, best = prior.item(), delta.detach().clone()
                penalty *= FACTOR if hit else 1 / FACTOR
                optimizer.step()
        return delta.detach() if best is None else best
