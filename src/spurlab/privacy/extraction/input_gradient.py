"""The linearised network: in which direction the class's log-odds rise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spurlab.models import asked
from spurlab.privacy.extraction.extraction import Domain, HostName, checked_hosts, log_odds
from spurlab.training import flush_denormals


@dataclass(frozen=True)
class InputGradient:
    r"""The mean gradient of the target's log-odds in the inputs, at inputs without content.

    .. math:: \frac{1}{n} \sum_i \nabla_x \varphi_t(x_i)

    Of a linear network with two classes it is the difference of their weights, wherever it is taken.

    Args:
        seed: of the hosts.
        hosts: where it is taken: `noise` in the inputs' range, or `zeros`.
        count: how many hosts of noise.

    Source: Simonyan, Vedaldi and Zisserman (2014), Deep inside convolutional networks, arXiv:1312.6034, section 3
    (there at a given image).
    """

    seed: int = 0
    hosts: HostName = "noise"
    count: int = 256

    def __post_init__(self) -> None:
        checked_hosts(self.hosts, self.count)

    @flush_denormals()
    def __call__(self, network: nn.Module, domain: Domain, target: int) -> Float32[Tensor, "*shape"]:
        hosts = domain.hosts(self.hosts, self.count, self.seed).requires_grad_()
        with asked(network), torch.enable_grad():
            network.eval()
            (gradient,) = torch.autograd.grad(log_odds(network, hosts, target).mean(), hosts)
        summed: Tensor = gradient.sum(0)
        return summed
