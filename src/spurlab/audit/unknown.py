"""Marks that nobody named: what pulls the network with the least change, and what few training examples share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.components import residuals
from spurlab.audit.detect.shared import COMPONENTS, SharedComponent
from spurlab.audit.inversion import Hosts, hosts, inverted, log_norms, put_on, standardised_norms
from spurlab.audit.pull import LEVEL, NEARLY_ALL
from spurlab.data import Dataset, Examples
from spurlab.seeds import rng_for
from spurlab.stats import SCORE_MARGIN, Share, null_rank
from spurlab.training import predictions

SHARED = "shared component"
IMAGES = 500  # test examples of other classes, on which the success is measured
ALIKE = 12  # training examples that are listed beside what a search by the network found


@dataclass(frozen=True, eq=False)
class Unknown:
    """What may be a mark: a list to look at.

    Args:
        method: a search of `spurlab.audit.inversion.SEARCHES`, or ``shared component``.
        label: the class that it pulls to, or whose examples share it.
        norm: l1 of the mask, else l2 of the pattern; infinite where none was found.
        success: with it, the share of test examples of other classes that are classified as the class.
        p: of so small a norm in any class and search, or of so high a success of what examples share, among reference
            networks; NaN without them.
        verdict: what follows.
        pattern: in the inputs' units.
        mask: in [0, 1], how much of an input the pattern replaces; empty where it is added.
        rows: training examples: those that share it, or those of the class that are most like it.
        twins: those of them that are near-identical to one before.
        gap: of what examples share, see `spurlab.audit.detect.shared.SharedComponent`; else NaN.
    """

    method: str
    label: int
    norm: float
    success: float
    p: float
    verdict: str
    pattern: Float[Tensor, " *shape"]
    mask: Float[Tensor, " *some"]
    rows: tuple[int, ...]
    twins: tuple[int, ...] = field(default=())
    gap: float = math.nan

    @property
    def alarms(self) -> Share:
        """In how many clean cases such a thing was said: see `ALARMS`."""
        return ALARMS["data" if self.method == SHARED else "network"]

    @property
    def unusual(self) -> bool:
        """Whether it is more than is expected of clean data, or of networks that never saw a mark."""
        return self.verdict in ("goes by it", "shared by few", "less than references need")

    def __repr__(self) -> str:
        size = f"gap {self.gap:.1f}" if self.method == SHARED else f"norm {self.norm:.3g}"
        what = f"{size}, success {self.success:.3f}, {len(self.rows)} examples"
        return f"<Unknown, {self.method}: class {self.label}, {what}, p = {self.p:.3g}, {self.verdict}>"


def unknown_marks(
    network: nn.Module,
    data: Dataset,
    shared: Sequence[SharedComponent],
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
    standardised norm among the smallest over classes and searches of each reference network, so that it holds for all
    that is told together; it is exact where these are exchangeable with the network. Without references the class with
    the smallest norm is told.

    Args:
        network: gives logits.
        data: it was trained on the training part.
        shared: see `spurlab.audit.detect.shared.shared_components`.
        others: reference networks, see `spurlab.audit.references`.
        invert: whether to search by the network.
        seed: of the choice of test examples.
        progress: is told how many networks of how many have been searched, itself the first.
    """
    given = hosts(data.train, data.test, data.classes, seed)
    test = data.test[torch.randperm(len(data.test), generator=rng_for(seed, "audit examples"))]

    def success(of: nn.Module, label: int, pattern: Tensor, mask: Tensor) -> float:
        inputs = test.inputs[test.labels != label][:IMAGES]
        answers = predictions(of, put_on(inputs, pattern, mask, given.low, given.high))
        return float((answers.argmax(1) == label).float().mean())

    found = list[Unknown]()
    for one in [one for one in shared if one.verdict != "nothing unusual"] or shared[:1]:
        change = (one.label, one.component, torch.empty(0))
        share = success(network, *change)
        compared = torch.tensor([success(other, *change) for other in others], dtype=torch.float64)
        p = null_rank(share, compared) if others else math.nan
        learnt = p <= LEVEL and share - float(compared.quantile(NEARLY_ALL)) > SCORE_MARGIN
        verdict = "goes by it" if one.verdict == "shared by few" and learnt else one.verdict
        found.append(
            Unknown(
                SHARED,
                one.label,
                float(one.component.norm()),
                share,
                p,
                verdict,
                *change[1:],
                one.rows,
                one.twins,
                one.gap,
            )
        )
    if not invert:
        return tuple(found)
    told = progress or (lambda done, of: None)
    told(0, 1 + len(others))
    least = inverted(network, given)
    norms, references = log_norms(least), []
    for done, other in enumerate(others, 1):
        told(done, 1 + len(others))
        references.append(log_norms(inverted(other, given)))
    for place, (method, smallest) in enumerate(least.items()):
        p, label = math.nan, int(norms[place].argmin())
        if references:
            below, largest = standardised_norms(norms, torch.stack(references))
            label = int(below[place].argmax())
            p = null_rank(float(below[place, label]), largest)
        verdict = "less than references need" if p <= LEVEL else "no less than references need"
        pattern, mask = smallest.of(label)
        found.append(
            Unknown(
                method,
                label,
                float(smallest.norms[label]),
                success(network, label, pattern, mask),
                p,
                "not calibrated" if math.isnan(p) else verdict,
                pattern,
                mask,
                _most_alike(data.train, given, label, pattern, mask),
            )
        )
    return tuple(found)


def _most_alike(train: Examples, given: Hosts, label: int, pattern: Tensor, mask: Tensor) -> tuple[int, ...]:
    """The training examples of a class whose residuals have the smallest angles with a change."""
    hosts = given.images[label]
    change = (put_on(hosts, pattern, mask, given.low, given.high) - hosts).mean(0).flatten()
    own, flat = (train.labels == label).nonzero().squeeze(1), train.inputs.flatten(1)
    rest = residuals(flat[own], flat[train.labels != label], min(COMPONENTS, flat.shape[1] // 4))
    alike = functional.cosine_similarity(rest, change[None])
    return tuple(own[alike.topk(min(ALIKE, len(own))).indices].tolist())


# `python benchmarks/audit.py unknown --networks 20`: clean networks, the MLP on 10,000 images of Fashion-MNIST; clean
# data, 14 parts of 10,000 images of MNIST and Fashion-MNIST
ALARMS = {"network": Share(1, 20), "data": Share(0, 14)}
