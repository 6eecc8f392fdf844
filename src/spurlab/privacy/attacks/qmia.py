"""QMIA: a threshold for each example, predicted from what it looks like."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.methods.settings import one_or_more, share_of
from spurlab.privacy.margins import Attacked, Margins


@dataclass(frozen=True)
class Qmia:
    r"""The margin above the quantile that non-members like this example have.

    .. math:: \varphi(x_i) - \hat q_{1 - \alpha}(x_i)

    The quantile is regressed on features of the population, on which the attacked network was not trained; no shadow
    network is looked at. Above 0 about :math:`\alpha` of non-members lie. By scikit-learn's histogram gradient boosting
    with the pinball loss; few trees, which small populations bear.

    Needs: a population, and features of it and of the examples.

    Args:
        alpha: :math:`\alpha`, the rate of false positives that it aims at, in (0, 1).
        trees: of the regression.
        leaves: of each tree, at most.
        rate: how much of each tree counts.

    Source: Bertran et al. (2023), Scalable membership inference attacks via quantile regression, arXiv:2307.03694
    (there a network that sees the inputs; for tables gradient boosting).
    """

    alpha: float = 0.05
    trees: int = 10
    leaves: int = 8
    rate: float = 0.3

    def __post_init__(self) -> None:
        share_of("alpha", self.alpha, "non-members")
        one_or_more(trees=self.trees)
        if self.leaves < 2:
            raise InputError(f"`leaves` of QMIA must be 2 or more, but it is {self.leaves}.")
        share_of("rate", self.rate, "a tree")

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        if target.population is None or shadows.features is None or shadows.population_features is None:
            raise InputError(
                "QMIA predicts margins of non-members from features, but the margins have none. Give `population`, "
                "`features` and `population_features`, e.g. principal components of the inputs."
            )
        from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # slow to import

        regression = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=1 - self.alpha,
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            early_stopping=False,
        )
        regression.fit(shadows.population_features.double().numpy(), target.population.numpy())
        return target.phi - torch.from_numpy(regression.predict(shadows.features.double().numpy()))
