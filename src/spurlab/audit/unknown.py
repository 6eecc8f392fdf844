"""Marks that nobody named: what pulls the network with the least change, and what few training examples share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.components import COMPONENTS, ClassComponents
from spurlab.audit.detect.shared import FEW, NOTHING, SharedComponent, said_of
from spurlab.audit.inversion import Hosts, hosts, inverted, log_norms, put_on, standardised_norms
from spurlab.audit.pull import LEAST_SPREAD, LEVEL, NEARLY_ALL
from spurlab.data import Dataset
from spurlab.models import no_gradients
from spurlab.seeds import rng_for
from spurlab.stats import SCORE_MARGIN, null_rank
from spurlab.training import predictions

SHARED = "shared component"
# in how many clean cases a method, asked alone, said that there is something, of how many, and of which:
# `python benchmarks/audit.py alarms --recipe` and `shared`; the three dogs: docs/audit.md
PERCEPTRONS = "clean perceptrons on 10,000 images of Fashion-MNIST, where nothing else was asked"
PARTS = (
    "clean parts of MNIST, Fashion-MNIST and CIFAR-10, most of them known when the limit was chosen; three dogs of "
    "other photos passed it"
)
ALARMS = {"least mask": (5, 40, PERCEPTRONS), "least pattern": (4, 40, PERCEPTRONS), SHARED: (0, 20, PARTS)}
IMAGES = (
    500  # test examples of other classes, on which the success is measured; not those of the search, if many others
)
LISTED = 12  # training examples that are listed beside what a search by the network found


@dataclass(frozen=True, eq=False)
class Unknown:
    """What may be a mark: a list to look at.

    Args:
        method: a search of `spurlab.audit.inversion.SEARCHES`, or ``shared component``.
        label: the class that it pulls to, or whose examples share it.
        norm: l1 of the mask, else l2 of the pattern; infinite where none was found.
        success: with it, the share of test examples of other classes that are classified as the class.
        p: of so small a norm in any class, or of so high a success of what examples share, among reference networks;
            NaN without them, or where nothing is shared by few. In an audit it holds for all that is asked together,
            see `spurlab.audit.together`.
        pattern: in the inputs' units.
        mask: in [0, 1], how much of an input the pattern replaces; empty where it is added.
        rows: training examples: those that share it, or those of the class that are most like it.
        twins: those of them that are near-identical to one before.
        gap: of what examples share, see `spurlab.audit.detect.shared.SharedComponent`; else NaN.
        beyond: by how much the success of what examples share exceeds that in nearly all reference networks; else NaN.
        standardised: of the network first and then of each reference, what p ranks.
        p_alone: had nothing else been asked.
    """

    method: str
    label: int
    norm: float
    success: float
    p: float
    pattern: Float[Tensor, " *shape"]
    mask: Float[Tensor, " *some"]
    rows: tuple[int, ...]
    twins: tuple[int, ...] = field(default=())
    gap: float = math.nan
    beyond: float = math.nan
    standardised: Float64[Tensor, " one_and_b"] = field(default_factory=lambda: torch.zeros(0).double())
    p_alone: float = math.nan

    @property
    def verdict(self) -> str:
        """What follows at 5 %."""
        if self.method == SHARED:
            said = said_of(self.gap, len(self.rows) - len(self.twins))
            learnt = self.p <= LEVEL and self.beyond > SCORE_MARGIN
            return "goes by it" if said == FEW and learnt else said
        if math.isnan(self.p):
            return "not calibrated"
        return "less than references need" if self.p <= LEVEL else "no less than references need"

    @property
    def unusual(self) -> bool:
        """Whether it is more than is expected of clean data, or of networks that never saw a mark."""
        return self.verdict in ("goes by it", FEW, "less than references need")

    def __repr__(self) -> str:
        size = f"gap {self.gap:.1f}" if self.method == SHARED else f"norm {self.norm:.3g}"
        what = f"{size}, success {self.success:.3f}, {len(self.rows)} examples"
        return f"<Unknown, {self.method}: class {self.label}, {what}, p = {self.p:.3g}, {self.verdict}>"


def false_alarms(one: Unknown, data: Dataset) -> dict[str, Any] | None:
    """How often its method said that there is something where there is none: ``count``, ``of`` and ``on``.

    None: not measured on rows, or it says nothing without reference networks.
    """
    if len(data.shape) != 3 or (one.method != SHARED and math.isnan(one.p)):
        return None
    return dict(zip(("count", "of", "on"), ALARMS[one.method], strict=True))


def unknown_marks(
    network: nn.Module,
    data: Dataset,
    shared: Sequence[SharedComponent],
    classes: Sequence[ClassComponents],
    *,
    others: Sequence[nn.Module] = (),
    invert: bool = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Unknown, ...]:
    """What may be a mark, of the data first.

    By the data: what is shared by few or, if nothing is, the component with the widest gap. The network goes by it if
    its success with it lies by more than .05 beyond nearly all of those of reference networks, which never saw the
    examples. By the network: of each search the class that needs a small change by comparison. Its p is the rank of its
    standardised norm among the smallest over classes of each reference network; it is exact where these are
    exchangeable with the network. Without references the class with the smallest norm is told. Of documents nothing.

    Args:
        network: gives logits.
        data: it was trained on the training part.
        shared: see `spurlab.audit.detect.shared.shared_components`.
        classes: see `spurlab.audit.detect.components.class_components`.
        others: reference networks, see `spurlab.audit.references`.
        invert: whether to search by the network.
        seed: of the choice of test examples.
        progress: is told how many networks of how many have been searched, itself the first.
    """
    if data.train.words is not None:  # nothing is added to documents, see `spurlab.audit.detect.values`
        return ()
    given = hosts(data.train, data.test, data.classes, seed)
    order = torch.randperm(len(data.test), generator=rng_for(seed, "audit examples"))
    unseen = order[~torch.isin(order, given.rows)]  # by the search
    order = unseen if len(unseen) > len(order) / 2 else order

    def success(of: nn.Module, label: int, pattern: Tensor, mask: Tensor) -> float:
        rows = order[data.test.labels[order] != label][:IMAGES]
        answers = predictions(of, put_on(data.test.inputs[rows], pattern, mask, given.low, given.high))
        return float((answers.argmax(1) == label).float().mean())

    found = list[Unknown]()
    for one in [one for one in shared if one.verdict != NOTHING] or shared[:1]:
        change = (one.label, one.component, torch.empty(0))
        share = success(network, *change)
        p, beyond, ranked = math.nan, math.nan, torch.zeros(0).double()
        if others and one.verdict == FEW:  # which they never saw
            every = torch.tensor([share, *(success(other, *change) for other in others)], dtype=torch.float64)
            ranked = (every - every.mean()) / every.std().clamp(min=LEAST_SPREAD)
            p, beyond = null_rank(share, every[1:]), share - float(every[1:].quantile(NEARLY_ALL))
        norm = float(one.component.norm())
        found.append(
            Unknown(*(SHARED, one.label, norm, share, p, *change[1:]), one.rows, one.twins, one.gap, beyond, ranked, p)
        )
    if not invert or no_gradients(network):
        return tuple(found)
    told = progress or (lambda done, of: None)
    told(0, 1 + len(others))
    least = inverted(network, given)
    norms, references = log_norms(least), []
    for done, other in enumerate(others, 1):
        told(done, 1 + len(others))
        references.append(log_norms(inverted(other, given)))
    for place, (method, smallest) in enumerate(least.items()):
        p, label, ranked = math.nan, int(norms[place].argmin()), torch.zeros(0).double()
        if references:
            below = standardised_norms(norms, torch.stack(references))[:, place]
            label, ranked = int(below[0].argmax()), below.amax(1)
            p = null_rank(float(ranked[0]), ranked[1:])
        pattern, mask = smallest.of(label)
        found.append(
            Unknown(
                method,
                label,
                float(smallest.norms[label]),
                success(network, label, pattern, mask),
                p,
                pattern,
                mask,
                _most_alike(next(one for one in classes if one.label == label), given, pattern, mask),
                standardised=ranked,
                p_alone=p,
            )
        )
    return tuple(found)


def _most_alike(of: ClassComponents, given: Hosts, pattern: Tensor, mask: Tensor) -> tuple[int, ...]:
    """The training examples of a class whose residuals have the smallest angles with a change."""
    hosts = given.of(of.label)
    change = (put_on(hosts, pattern, mask, given.low, given.high) - hosts).mean(0).flatten()
    basis = of.basis(min(COMPONENTS, len(change) // 4))
    alike = [functional.cosine_similarity(of.residuals(rows, basis), change[None]) for rows in of.batches()]
    return tuple(of.rows[torch.cat(alike).topk(min(LISTED, len(of.rows))).indices].tolist())
