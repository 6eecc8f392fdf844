"""The paper's attack: a classifier of sorted logits, learnt on a shadow network."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from spurlab.errors import InputError
from spurlab.methods.settings import one_or_more
from spurlab.privacy.margins import Attacked, Margins

CS = (0.01, 0.1, 1.0, 10.0)
FOLDS = 3
STEPS = 50  # of Newton's, at most; it takes about six
NEAR = 1e-7  # of the loss: where a step gains less, it was the last


class Accuracies(NamedTuple):
    """Of "a member or not", in [0, 1].

    Args:
        all: over all examples.
        marked: over the marked ones, as the function that gives it says; NaN where there are none.
    """

    all: float
    marked: float


@dataclass(frozen=True)
class SortedLogits:
    r"""Logistic regression on the sorted logits and on whether the largest is the label's, as the paper has it.

    .. math:: \min_{w, b} \; C \sum_i \log\big(1 + e^{-t_i (w \cdot x_i + b)}\big) + \tfrac{1}{2} \lVert w \rVert^2

    It is learnt on all examples of a shadow network, members :math:`t = 1` and others :math:`t = -1`, with standardised
    features; C is that of .01, .1, 1 and 10 with the best accuracy in three folds. The score is :math:`w \cdot x + b`:
    above 0 the classifier says member.

    Needs: logits and labels.

    Args:
        networks: how many shadows it learns on; one as in the paper.

    Source: the public code of Yang et al. (2022), arXiv:2202.05189, ``notebooks/membership_inference.ipynb``; after
    Shokri et al. (2017), Membership inference attacks against machine learning models, arXiv:1610.05820.
    """

    networks: int = 1

    def __post_init__(self) -> None:
        one_or_more(networks=self.networks)

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        logits, labels = _given(target, shadows)
        return self._learnt(shadows)(features_of(logits, correct(logits, labels)))

    def accuracies(
        self, target: Attacked, shadows: Margins, members: Bool[Tensor, " n"], marked: Bool[Tensor, " n"]
    ) -> Accuracies:
        """How often its word is right: for all examples, and for the marked ones, members and others.

        Args:
            target, shadows: as of the attack.
            members: the truth.
            marked: True for examples with the pattern.
        """
        right = (self(target, shadows) > 0) == members
        return Accuracies(_share(right), _share(right[marked]))

    def accuracies_of_public_code(
        self, target: Attacked, shadows: Margins, members: Bool[Tensor, " n"], marked: Bool[Tensor, " n"]
    ) -> Accuracies:
        """What the notebook prints as accuracies, with its errors, for comparison with the published numbers.

        Its test set has the logits of the members twice, as members with their own correctness, and as non-members with
        that of the non-members, in order; the marked examples are members alone, so that the second number is a rate of
        true positives.

        Args:
            target, shadows, members, marked: as of `accuracies`.

        Raises:
            ValueError: not as many members as others, of which it could not be computed.
        """
        logits, labels = _given(target, shadows)
        if (count := int(members.sum())) * 2 != len(members):
            raise InputError(
                f"the public code's accuracy pairs members with others, but there are {count} and "
                f"{len(members) - count}. Take halves of an even number of examples."
            )
        classify, right = self._learnt(shadows), correct(logits, labels)
        true = classify(features_of(logits[members], right[members])) > 0
        false = classify(features_of(logits[members], right[~members])) > 0
        return Accuracies((_share(true) + 1 - _share(false)) / 2, _share(true[marked[members]]))

    def _learnt(self, shadows: Margins) -> "_Classifier":
        assert shadows.logits is not None  # noqa: S101  # `_given` has looked
        assert shadows.labels is not None  # noqa: S101
        rows, truth = [], []
        for logits, own in zip(shadows.logits[: self.networks], shadows.members[: self.networks], strict=True):
            order = torch.cat([own.nonzero(), (~own).nonzero()]).squeeze(1)  # folds go by it
            rows.append(features_of(logits, correct(logits, shadows.labels))[order])
            truth.append(own[order])
        features, members = torch.cat(rows), torch.cat(truth)
        few = min(int(members.sum()), int((~members).sum()))
        if few < FOLDS:
            raise InputError(
                f"the sorted-logit attack learns from members and others of a shadow network, {FOLDS} or more of each, "
                f"but of one kind there are {few}."
            )
        mean, s = features.mean(0), features.std(0, correction=0)
        s = s.where(s > 0, 1.0)
        return _Classifier(mean, s, chosen((features - mean) / s, members))


@dataclass(frozen=True, eq=False)
class _Classifier:
    mean: Float64[Tensor, " d"]
    s: Float64[Tensor, " d"]
    weights: Float64[Tensor, " e"]  # of the features and of the constant

    def __call__(self, features: Float64[Tensor, "n d"]) -> Float64[Tensor, " n"]:
        return (features - self.mean) / self.s @ self.weights[:-1] + self.weights[-1]


def features_of(logits: Float[Tensor, "n k"], right: Bool[Tensor, " n"]) -> Float64[Tensor, "n d"]:
    """The sorted logits, and 1 where the network is right."""
    return torch.cat([logits.double().sort(dim=1).values, right.double()[:, None]], dim=1)


def correct(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Where the largest logit is the label's."""
    return logits.argmax(1) == labels


def chosen(features: Float64[Tensor, "n d"], members: Bool[Tensor, " n"]) -> Float64[Tensor, " e"]:
    """The weights with the C that classifies best on average over the folds; of equals the smallest."""
    folds, design = _folds(members), F.pad(features, (0, 1), value=1.0)
    penalty = torch.tensor(CS, dtype=torch.float64).reciprocal()
    training = torch.stack([folds != fold for fold in range(FOLDS)]).double()
    weights = fitted(design, members, training.repeat_interleave(len(CS), 0), penalty.repeat(FOLDS))
    right = ((design @ weights.T > 0) == members[:, None]).double()
    held_out = (1 - training).repeat_interleave(len(CS), 0)
    shares = (right.T * held_out).sum(1) / held_out.sum(1)
    best = int(shares.view(FOLDS, len(CS)).mean(0).argmax())
    return fitted(design, members, torch.ones(1, len(features), dtype=torch.float64), penalty[[best]])[0]


def fitted(
    design: Float64[Tensor, "n e"], members: Bool[Tensor, " n"], use: Float64[Tensor, "b n"], penalty: Tensor
) -> Float64[Tensor, "b e"]:
    """Several logistic regressions at once, by Newton's method with halved steps.

    Args:
        design: features, the last of them the constant, which is not penalised.
        members: the classes.
        use: the weight of each example in each regression.
        penalty: 1 / C of each.
    """
    e, truth = design.shape[1], members.double()
    ridge = penalty[:, None] * F.pad(torch.ones(e - 1, dtype=torch.float64), (0, 1))
    rows, columns = torch.triu_indices(e, e)
    products = design[:, rows] * design[:, columns]
    weights = torch.zeros(len(use), e, dtype=torch.float64)
    curvature = torch.zeros(len(use), e, e, dtype=torch.float64)

    def loss(weights: Tensor) -> tuple[Tensor, Tensor]:
        outputs = weights @ design.T
        fit = (use * (F.softplus(outputs) - truth * outputs)).sum(1)
        return fit + (ridge * weights.square()).sum(1) / 2, outputs

    before, outputs = loss(weights)
    for _ in range(STEPS):
        p = outputs.sigmoid()
        gradient = (use * (p - truth)) @ design + ridge * weights
        curvature[:, rows, columns] = curvature[:, columns, rows] = (use * p * (1 - p)) @ products
        step = torch.linalg.solve(curvature + torch.diag_embed(ridge), gradient)
        after, outputs = loss(weights - step)
        while bool((worse := after > before * (1 + 1e-12)).any()):
            step = torch.where(worse[:, None], step / 2, step)
            after, outputs = loss(weights - step)
        weights, before = weights - step, after
        if bool(((gradient * step).sum(1) < NEAR * before).all()):
            break
    return weights


def _folds(members: Bool[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """In which fold each example is held out: of each class a third after the other, as scikit-learn has them."""
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415  # slow to import

    folds = torch.zeros(len(members), dtype=torch.int64)
    for fold, (_, held_out) in enumerate(StratifiedKFold(FOLDS).split(members, members)):
        folds[torch.from_numpy(held_out)] = fold
    return folds


def _given(target: Attacked, shadows: Margins) -> tuple[Float[Tensor, "n k"], Int64[Tensor, " n"]]:
    if target.logits is None or shadows.logits is None or shadows.labels is None:
        raise InputError(
            "the sorted-logit attack looks at the logits of all classes and the labels, but the margins have none. "
            "Give `logits` and `labels`; `Margins.of(..., keep_logits=True)` keeps them."
        )
    return target.logits, shadows.labels


def _share(yes: Bool[Tensor, " some"]) -> float:
    return float(yes.double().mean())
