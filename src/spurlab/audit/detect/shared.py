"""Shared components: what a few examples of a class have in common and all others lack. No network is asked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.components import COMPONENTS, ClassComponents, class_components
from spurlab.data import Examples
from spurlab.notebook import short

FEWEST, MOST = 3, 50  # examples that share a component
GAP = 10.0  # standard deviations from which a component is said to be shared; see docs/audit.md for clean data
CANDIDATES, ROUNDS = 40, 3  # starts of a class that are refined, and how often
NOTHING, FEW = "nothing unusual", "shared by few"  # what is said of a component
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

    __repr__ = short

    @property
    def verdict(self) -> str:
        """A list to look at, not a finding of a mark."""
        return said_of(self.gap, len(self.rows) - len(self.twins))


def said_of(gap: float, different: int) -> str:
    """What is said of a gap, and of how many examples that share the component and are not near-identical."""
    if gap < GAP:
        return NOTHING
    return "near-identical examples" if different < FEWEST else FEW


def shared_components(
    train: Examples,
    classes: Sequence[ClassComponents] | None = None,
    progress: Callable[[int, int], None] | None = None,
    each: int = 1,
) -> list[SharedComponent]:
    r"""For each class the component that 3 to 50 of its examples share and that the others lack most clearly.

    Residuals :math:`r_i` to the first 150 principal components of the other classes, without their mean, are projected
    onto the mean of each example's residual and the two that are nearest to it in angle; among the largest
    projections the widest gap tells those that share it. Of short vectors there are a quarter of their length of these
    components, of few examples a twentieth of their number. The 40 starts with the widest gaps are refined: mean of
    those that share it, projections, gap, three times. The gap that is told is

    .. math:: \Bigl(\min_{i \in M} \langle r_i, v_{M \setminus i} \rangle - \max_{j \notin M} \langle r_j, v_M \rangle
        \Bigr) / s

    with v the unit vector of the mean over members M, and s the standard deviation of :math:`\langle r_j, v_M \rangle`:
    what an example has of its own adds nothing to its projection. What varies from example to example forms no gap.
    Ours.

    Args:
        train: n examples; vectors or images.
        classes: what `class_components` gives for these examples; None: it is made.
        progress: is told how many classes of how many have been looked at.
        each: components of a class at most; none is shared by an example that shares one before.

    Returns:
        One or more for each class of at least 12 examples, the widest gap first.
    """
    found = []
    for one, basis, residual in _by_class(train, classes, progress):
        for gap, members in _apart(_candidates(residual))[:each]:
            rows = one.rows[members]
            component, twins = one.component(rows, basis).view(train.shape), _twins(train, one.rows, rows)
            found.append(SharedComponent(one.label, tuple(rows.tolist()), gap, component, twins))
    return sorted(found, key=lambda one: -one.gap)


def _apart(candidates: Sequence[tuple[float, Tensor, Tensor]]) -> list[tuple[float, Int64[Tensor, " some"]]]:
    """The gap and the members of those that have no member in common with one before."""
    taken, apart = set[int](), list[tuple[float, Tensor]]()
    for gap, members, _ in candidates:
        if taken.isdisjoint(own := members.tolist()):
            taken.update(own)
            apart.append((gap, members))
    return apart


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
    for one, _, residual in _by_class(train):
        own, candidates = one.rows, _candidates(residual)
        best, members, along = candidates[0]
        others = torch.ones(len(own), dtype=torch.bool)
        others[members] = False
        scores[own] = (along - along[members].min()) / along[others].std(correction=0).clamp(min=1e-12)
        scores[own] = scores[own].clamp(max=min(0.0, best))
        for gap, members, _ in reversed(candidates):
            scores[own[members]] = scores[own[members]].clamp(min=gap)
    return scores.clamp(min=float(scores[scores.isfinite()].min()) if bool(scores.isfinite().any()) else 0.0)


def _by_class(
    train: Examples,
    classes: Sequence[ClassComponents] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[ClassComponents, Float[Tensor, "d k"], Float[Tensor, "m q"]]]:
    """Each class of enough examples, the components of others, and what its examples have of their own."""
    most = min(COMPONENTS, train.inputs[0].numel() // 4, len(train) // 20)
    every = class_components(train, most) if classes is None else classes
    for done, one in enumerate(every):
        if progress is not None:
            progress(done, len(every))
        if len(one.rows) >= 4 * FEWEST:
            basis = one.basis(most)
            yield one, basis, one.coordinates(basis)


def _candidates(residual: Float[Tensor, "m d"]) -> list[tuple[float, Int64[Tensor, " some"], Float[Tensor, " m"]]]:
    """Components of a class: the gap, who shares it and all projections onto it; the widest gap first."""
    norms, least = residual.norm(dim=1).clamp(min=1e-12), _least_spread(residual)
    widest, nearest = [], []
    for rows in torch.arange(len(residual)).split(max(1, AT_ONCE // max(residual.shape))):
        unscaled = (residual[rows] @ residual.T).div_(norms)  # cosines, but for the length of each row
        unscaled[torch.arange(len(rows)), rows] = -torch.inf
        near = torch.cat([rows[:, None], unscaled.topk(FEWEST - 1, dim=1).indices], 1)
        widest.append(_gaps(_start(residual, near) @ residual.T, least)[0])
        nearest.append(near)
    first = torch.cat(widest).argsort(descending=True, stable=True)[:CANDIDATES]
    start = _start(residual, torch.cat(nearest)[first])
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


def _start(residual: Float[Tensor, "m d"], near: Int64[Tensor, "some each"]) -> Float[Tensor, "some d"]:
    """The directions of the means of so many examples each."""
    total = residual[near[:, 0]]
    for column in near[:, 1:].T:
        total += residual[column]
    return functional.normalize(total, dim=1)


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
