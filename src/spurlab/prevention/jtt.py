"""Just train twice: the second time with more weight on what the first one got wrong."""

import logging
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.methods import Make, trained_anew
from spurlab.methods.settings import one_or_more
from spurlab.prevention.method import own_seed, prepared, preventing
from spurlab.training import Recipe, logits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Jtt:
    r"""JTT: training anew, with the examples that a first network gets wrong taken several times.

    .. math:: \min_\theta \; \lambda \sum_{i \in E} \ell_i(\theta) + \sum_{i \notin E} \ell_i(\theta), \qquad
        E = \{ i : \arg\max_c f_1(x_i)_c \ne y_i \}

    Where the first network relies on the spurious feature, its errors are examples without it. A network that has
    learnt all training examples makes none: so the paper stops its first one early, after a number of epochs that it
    chooses. If there is no error the second training is a plain one, which is logged as a warning.

    Cost: one training on ``n + (lambda - 1) |E|`` examples, after the `first_epochs` of another. Needs: no groups. (The
    paper chooses both settings by the groups of a validation set.)

    Args:
        recipe: how the network was trained.
        seed: fixes the initial weights of both networks and the orders of the examples.
        times: :math:`\lambda`; the paper tries 20, 50 and 100 on images, 4 to 6 on text. The default is the smallest of
            those for images.
        first_epochs: of the first network, which is trained by the recipe until there; the paper has 1 to 60. The
            default is its choice for CelebA. None: the given network is the first one.
        make: as in `spurlab.deletion.Retrain`.

    Source: Liu et al. (2021), Just train twice: improving group robustness without training group information,
    arXiv:2107.09044.
    """

    recipe: Recipe
    seed: int = 0
    times: int = 20
    first_epochs: int | None = 1
    make: Make | None = None
    anew: ClassVar[bool] = True  # whatever the given network is, so also of trees

    def __post_init__(self) -> None:
        one_or_more(times=self.times, first_epochs=1 if self.first_epochs is None else self.first_epochs)

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        wrong = self.error_set(model, data)
        if not bool(wrong.any()):
            log.warning(
                "JTT: the first network gets all %d training examples right, so there is nothing to weigh more: the "
                "second training is a plain one. Let the first one train for fewer epochs.",
                len(data),
            )
        errors = wrong.nonzero().flatten()
        rows = torch.cat([torch.arange(len(data)), errors.repeat(self.times - 1)])
        return trained_anew(model, data[rows], self.recipe, own_seed(self.seed, "jtt"), self.make)

    def error_set(self, model: nn.Module, data: Examples) -> Bool[Tensor, " n"]:
        """True for the training examples that the first network gets wrong."""
        first = prepared(model, data).eval()
        if self.first_epochs is not None:
            until = self.recipe.but(
                epochs=self.first_epochs,
                milestones=tuple(epoch for epoch in self.recipe.milestones if epoch < self.first_epochs),
            )
            first = trained_anew(first, data, until, own_seed(self.seed, "jtt first"), self.make)
        return logits(first, data.inputs).argmax(1) != data.labels
