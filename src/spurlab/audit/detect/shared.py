"""Shared components: what a few examples of a class have in common and all others lack. No network is asked."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.components import own_of_classes
from spurlab.data import Examples

COMPONENTS = (
    150  # of the other classes; of short vectors a quarter of their length, of few examples a twentieth of their number
)
FEWEST, MOST = 3, 50  # examples that share a component
GAP = 10.0  # standard deviations from which a component is said to be shared; clean data reach 9: docs/audit.md
CANDIDATES, ROUNDS = 40, 3  # starts of a class that are refined, and how often
NOTHING = "nothing unusual"
AT_ONCE = 2**24  # projections that are sorted together
LOOKED_AT = 200  # examples of a class, for the distances between them
IDENTICAL = 0.3  # of the median distance within the class, below which two examples are near-identical


@dataclass(frozen=True, eq=False)
class SharedComponent:
    """What few examples of a class share.

    Args:
        label: the class.
        rows: those that share it, as rows of the training examples, the strongest first.
        gap: how far the weakest of them lies from the strongest of the others of the class along the component, in
            standard deviations of these others. Each lies along the component of the others that share it.
        component: the mean of their residuals.
        twins: those of them that are near-identical to one before.
    """

    label: int
    rows: tuple[int, ...]
    gap: float
    component: Float[Tensor, " *shape"]
    twins: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """A list to look at, not a finding of a mark."""
        return said_of(self.gap, len(self.rows) - len(self.twins))


def said_of(gap: float, different: int) -> str:
    """What is said of a gap, and of how many examples that share the component and are not near-identical."""
    if gap < GAP:
        return NOTHING
    return "near-identical examples" if different < FEWEST else "shared by few"


def shared_components(train: Examples) -> list[SharedComponent]:
    r"""For each class the component that 3 to 50 of its examples share and that the others lack most clearly.

    Residuals :math:`r_i` to the first 150 principal components of the other classes, without their mean, are projected
    onto the mean of each example's residual and the two that are nearest to it in angle; among the largest
    projections the widest gap tells those that share it. The 40 starts with the widest gaps are refined: mean of those
    that share it, projections, gap, three times. The gap that is told is

    .. math:: \Bigl(\min_{i \in M} \langle r_i, v_{M \setminus i} \rangle - \max_{j \notin M} \langle r_j, v_M \rangle
        \Bigr) / s

    with v the unit vector of the mean over members M, and s the standard deviation of :math:`\langle r_j, v_M \rangle`:
    what an example has of its own adds nothing to its projection. What varies from example to example forms no gap.
    Ours.

    Args:
        train: n examples; vectors or images.

    Returns:
        One for each class of at least 12 examples, the widest gap first.
    """
    found = []
    for label, own, residual in _by_class(train):
        gap, members, _ = _candidates(residual)[0]
        mean = residual[members].mean(0)
        rows = own[members]
        found.append(
            SharedComponent(label, tuple(rows.tolist()), gap, mean.view(train.shape), _twins(train, own, rows))
        )
    return sorted(found, key=lambda one: -one.gap)


def shared(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    """The widest gap of a component that an example shares, see `shared_components`.

    Those that share none come after them, by how far they are from sharing the clearest of their class.

    Args:
        network: not asked.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.
    """
    scores = torch.full((len(train),), -torch.inf)
    for _, own, residual in _by_class(train):
        candidates = _candidates(residual)
        best, members, along = candidates[0]
        others = torch.ones(len(own), dtype=torch.bool)
        others[members] = False
        scores[own] = (along - along[members].min()) / along[others].std(correction=0).clamp(min=1e-12)
        scores[own] = scores[own].clamp(max=min(0.0, best))
        for gap, members, _ in reversed(candidates):
            scores[own[members]] = scores[own[members]].clamp(min=gap)
    return scores.clamp(min=float(scores[scores.isfinite()].min()) if bool(scores.isfinite().any()) else 0.0)


def _by_class(train: Examples) -> Iterator[tuple[int, Int64[Tensor, " m"], Float[Tensor, "m d"]]]:
    """Each class of enough examples: its rows, and what they have of their own, without its mean."""
    most = min(COMPONENTS, train.inputs[0].numel() // 4, len(train) // 20)
    for label, rows, own in own_of_classes(train, most):
        if len(rows) >= 4 * FEWEST:
            yield label, rows, own - own.mean(0)


def _candidates(residual: Float[Tensor, "m d"]) -> list[tuple[float, Int64[Tensor, " some"], Float[Tensor, " m"]]]:
    """Components of a class: the gap, who shares it and all projections onto it; the widest gap first."""
    unit, least = functional.normalize(residual, dim=1), _least_spread(residual)
    widest, starts = [], []
    for rows in torch.arange(len(unit)).split(max(1, AT_ONCE // len(unit))):
        cosine = unit[rows] @ unit.T
        cosine[torch.arange(len(rows)), rows] = -torch.inf
        near = cosine.topk(FEWEST - 1, dim=1).indices
        start = functional.normalize(residual[rows] + residual[near].sum(1), dim=1)
        widest.append(_gaps(start @ residual.T, least)[0])
        starts.append(start)
    start = torch.cat(starts)[torch.cat(widest).argsort(descending=True, stable=True)[:CANDIDATES]]
    found: dict[frozenset[int], tuple[float, Tensor, Tensor]] = {}
    for direction in start:
        v = direction
        for _ in range(ROUNDS):
            along = residual @ v
            members = along.topk(int(_gaps(along[None], least)[1])).indices
            v = functional.normalize(residual[members].mean(0), dim=0)
        if (key := frozenset(members.tolist())) not in found:
            found[key] = _clear_gap(residual, members, v, least)
    return sorted(found.values(), key=lambda one: -one[0])


def _least_spread(residual: Float[Tensor, "m d"]) -> float:
    """A thousandth of the length of residuals: where others have nothing at all of a component, gaps stay finite."""
    return max(1e-3 * float(residual.square().sum(1).mean().sqrt()), 1e-12)


def _gaps(projections: Float[Tensor, "m n"], least: float) -> tuple[Float[Tensor, " m"], Int64[Tensor, " m"]]:
    """The widest gap after the 3rd to 50th largest of each row, by the spread of those after, and how many are above.

    Of fewer than 200 numbers those after the largest quarter are taken for the others.
    """
    many = projections.shape[1]
    most = min(MOST, many // 4)
    largest = projections.topk(most + 1, dim=1).values
    mean, square = ((projections**power).sum(1) - (largest**power).sum(1) for power in (1, 2))
    rest = many - most - 1
    spread = (square / rest - (mean / rest).square()).clamp(min=0).sqrt()
    gap, at = (largest[:, FEWEST - 1 : -1] - largest[:, FEWEST:]).max(1)
    return gap / spread.clamp(min=least), at + FEWEST


def _clear_gap(
    residual: Float[Tensor, "m d"], members: Int64[Tensor, " some"], v: Float[Tensor, " d"], least: float
) -> tuple[float, Int64[Tensor, " some"], Float[Tensor, " m"]]:
    """The gap with each member along the mean of the other members; the members, the strongest first."""
    along, total = residual @ v, residual[members].sum(0)
    without_it = (residual[members] * functional.normalize(total - residual[members], dim=1)).sum(1)
    others = torch.ones(len(residual), dtype=torch.bool)
    others[members] = False
    gap = float(without_it.min() - along[others].max())
    spread = float(along[others].std(correction=0))
    along = along.index_copy(0, members, without_it)
    return gap / max(spread, least), members[without_it.argsort(descending=True)], along


def _twins(train: Examples, own: Int64[Tensor, " m"], rows: Int64[Tensor, " some"]) -> tuple[int, ...]:
    """Which rows are near-identical to one before them, for distances in their class."""
    flat = train.inputs.flatten(1)
    few = flat[own[:: max(1, len(own) // LOOKED_AT)]]
    usual = torch.pdist(few).median()
    near = (torch.cdist(flat[rows], flat[rows]) < IDENTICAL * usual).tril(-1).any(1)
    return tuple(rows[near].tolist())
