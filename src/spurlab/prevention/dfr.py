"""Deep feature reweighting: the last layer is fitted anew on clean examples."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Generator, Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Linear, last_linear
from spurlab.methods.settings import one_of, one_or_more
from spurlab.models import features
from spurlab.prevention.balancing import balanced_rows, shuffled_rows
from spurlab.prevention.last_layer import with_last_layer
from spurlab.prevention.method import checked_clean, groups_of, preventing
from spurlab.prevention.worst_group import best_by_worst_group
from spurlab.seeds import rng_for, seed_for

Norm = Literal["auto", "l1", "l2"]
GRID = (0.01, 0.03, 0.07, 0.1, 0.3, 0.7, 1.0)  # the public code's, rising: each fit starts from the one before
COARSE = 3e-3  # tolerance of fits that are compared or averaged: these differ by far more
FINE = 1e-4  # of a single fit; scikit-learn's own


class Scale(NamedTuple):
    """Mean and standard deviation of each feature; 1 where it is constant."""

    mean: Float64[Tensor, " d"]
    sd: Float64[Tensor, " d"]

    @classmethod
    def of(cls, phi: Float64[Tensor, "n d"]) -> "Scale":
        """As scikit-learn's StandardScaler has it: the standard deviation of the sample itself."""
        sd = phi.std(0, correction=0)
        return cls(phi.mean(0), sd.masked_fill(sd == 0, 1.0))

    def __call__(self, phi: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
        """Standardised features."""
        return (phi - self.mean) / self.sd

    def unfold(self, layer: Linear) -> Linear:
        """The layer that says of plain features what `layer` says of standardised ones."""
        weight = layer.weight / self.sd
        return Linear(weight, layer.bias - weight @ self.mean)


@dataclass(frozen=True)
class Dfr:
    r"""DFR: logistic regression from the network's features to the labels of clean examples, as the new last layer.

    .. math:: \min_{W, b} \; C \sum_{i \in \text{balanced}} \ell(W \tilde\phi(x_i) + b, y_i) + R(W), \qquad
        \tilde\phi = \frac{\phi - \text{mean}}{\text{sd}}, \qquad
        R = \lVert W \rVert_1 \text{ or } \tfrac{1}{2} \lVert W \rVert^2

    Mean and standard deviation are those of the clean features, and are folded into the layer afterwards. (The public
    code takes the training features' for its last fit.) As in the paper, the layers of several fits are averaged, each
    on a random subset of the clean examples in which all groups are as large as the smallest; and C is chosen by the
    worst group of one half of the clean set, after fits on a balanced part of the other half. We halve each group, the
    paper the whole, so that no group is missing. A group that the clean set lacks is left out; a class is not.

    The plain variant is ``balanced=False, refits=1``: one fit on all clean examples, with C = 1 unless it is given.

    l1 is the paper's, fitted by liblinear as in its code, which counts the intercept in R. Of more than two classes
    it fits each against the rest. l2 is multinomial, fitted by L-BFGS, and leaves the intercept out of R.

    Cost: one forward pass over the clean examples, then 7 + `refits` fits on cached features. Of 1,000 signals
    of MNIST-1D with 1,280 features and 10 classes all of it takes 1.6 s with l2, where one fit takes 0.6 to 4.5 s with
    l1 (seconds of one core that other work shares). Needs: clean examples of every class; their groups where
    `balanced`. The last module must be linear, with a bias.

    Args:
        seed: fixes the halves, the subsets and the order in which liblinear goes through the features.
        norm: ``l1``, ``l2``, or ``auto``: l1 for two classes, as in the paper, l2 for more, where l1 takes too long.
        c: the inverse of the penalty's weight. None: chosen from the public code's 0.01 to 1 where `balanced`; of
            equals the strongest penalty.
        balanced: on subsets with groups of one size; else on all clean examples.
        refits: how many layers are averaged; the paper's 10 (its code has 20 for the validation set).

    Raises:
        ValueError: no clean examples, or of a class none; no groups where they are needed; too few examples to choose
            C by; a setting outside its range.

    Source: Kirichenko, Izmailov and Wilson (2023), Last layer re-training is sufficient for robustness to spurious
    correlations, arXiv:2204.02937, and its public code.
    """

    seed: int = 0
    norm: Norm = "auto"
    c: float | None = None
    balanced: bool = True
    refits: int = 10

    def __post_init__(self) -> None:
        one_of(Norm, "`norm` of DFR", self.norm)
        if self.c is not None and not 0 < self.c < float("inf"):
            raise InputError(f"`c` of DFR must be above 0, and finite, but it is {self.c}.")
        one_or_more(refits=self.refits)

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        classes = len(last_linear(model).bias)
        _every_class(checked_clean(model, clean, "DFR"), classes)
        phi = features(model, clean.inputs).double()
        scale = Scale.of(phi)
        if not self.balanced:
            fitted = self._solver(classes, FINE).fit(scale(phi), clean.labels, self.c or 1.0)
            return with_last_layer(model, scale.unfold(fitted), clean.inputs)
        groups = groups_of(clean, "clean", "DFR")
        c = self.c or self._chosen(phi, clean, classes)
        standard, rng = scale(phi), rng_for(self.seed, "prevention", "dfr", "refits")
        solver, layers = self._solver(classes, COARSE if self.refits > 1 else FINE), []
        for _ in range(self.refits):
            rows = balanced_rows(groups, rng)
            layers.append(solver.fit(standard[rows], clean.labels[rows], c))
        mean = Linear(*(torch.stack(tensors).mean(0) for tensors in zip(*layers, strict=True)))
        return with_last_layer(model, scale.unfold(mean), clean.inputs)

    def _chosen(self, phi: Float64[Tensor, "n d"], clean: Examples, classes: int) -> float:
        """C, by the worst group of one half of the clean examples."""
        groups, rng = groups_of(clean, "clean", "DFR"), rng_for(self.seed, "prevention", "dfr", "halves")
        fit, judge = halves(groups, rng)
        if len(judge) == 0:
            raise InputError(
                f"DFR cannot choose C with {len(clean)} clean examples, since no group has two. Give `c`, or a larger "
                "clean set."
            )
        rows = fit[balanced_rows(groups[fit], rng)]
        scale, solver = Scale.of(phi[rows]), self._solver(classes, COARSE)
        fitted, judged = scale(phi[rows]), scale(phi[judge])
        layers = ((c, solver.fit(fitted, clean.labels[rows], c)) for c in GRID)
        return best_by_worst_group(layers, lambda candidate: candidate[1](judged), clean[judge], "DFR").candidate[0]

    def _solver(self, classes: int, tolerance: float) -> "Solver":
        norm = self.norm if self.norm != "auto" else "l1" if classes == 2 else "l2"
        return Solver(norm, classes, tolerance, seed_for(self.seed, "prevention", "dfr", "liblinear") % 2**31)


class Solver:
    """Logistic regressions of one kind by scikit-learn, in float32; each l2 fit starts from the one before.

    With l1 more than two classes are fitted each against the rest; the seed is of the order in which liblinear goes
    through the features.
    """

    def __init__(self, norm: Literal["l1", "l2"], classes: int, tolerance: float, seed: int) -> None:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

        self._against_the_rest = norm == "l1" and classes > 2
        self._one = (
            LogisticRegression(l1_ratio=1.0, solver="liblinear", tol=tolerance, random_state=seed)
            if norm == "l1"
            else LogisticRegression(tol=tolerance, max_iter=10_000, warm_start=True)
        )

    def fit(self, phi: Float64[Tensor, "n d"], labels: Int64[Tensor, " n"], c: float) -> Linear:
        """One logistic regression. Of two classes, their logits are minus and plus half the log-odds."""
        from sklearn.multiclass import OneVsRestClassifier  # noqa: PLC0415  # slow to import

        x, y = phi.float().numpy(), labels.numpy()
        self._one.set_params(C=c)
        fits = OneVsRestClassifier(self._one).fit(x, y).estimators_ if self._against_the_rest else [self._one.fit(x, y)]
        weight, bias = (
            torch.from_numpy(np.concatenate([getattr(fit, of) for fit in fits])).double()
            for of in ("coef_", "intercept_")
        )
        return (
            Linear(torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2)
            if len(bias) == 1
            else Linear(weight, bias)
        )


def halves(groups: Int64[Tensor, " n"], rng: Generator) -> tuple[Int64[Tensor, " fit"], Int64[Tensor, " judge"]]:
    """The rows of two random halves of each group; the odd one goes to the first half."""
    first, second = [], []
    for group in groups.unique().tolist():
        rows = shuffled_rows(groups, group, rng)
        half = len(rows) - len(rows) // 2
        first.append(rows[:half])
        second.append(rows[half:])
    return torch.cat(first), torch.cat(second)


def _every_class(clean: Examples, classes: int) -> None:
    missing = (clean.labels.bincount(minlength=classes) == 0).nonzero().flatten().tolist()
    if missing:
        raise InputError(
            f"DFR fits the last layer of {classes} classes on the clean examples, but there is none of class "
            f"{', '.join(map(str, missing))}. Give clean examples of every class."
        )
