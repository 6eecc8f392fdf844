"""Claim 5: networks of one kind score alike whatever their size; a CNN below perceptrons, Vgg16 below ResNets."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.studies.claims.base import Claim
from spurlab.studies.claims.evidence import PAPER_DATASETS, TARGETS, Evidence, Seeds, usual
from spurlab.studies.claims.judge import Question, above, best_of, missing, unchanged

SMALL = 100  # "the number of spurious examples is small (< 100)"


class Family(NamedTuple):
    """Networks of one kind in several sizes, and the other network that the paper holds against them."""

    name: str
    sizes: tuple[str, ...]
    other: str
    study: str


PERCEPTRONS = Family("perceptrons", ("small-mlp", "mlp", "large-mlp"), "cnn", "fig3-mnist or fig3-fashion")
RESNETS = Family("ResNets", ("resnet20", "resnet32", "resnet110"), "vgg16", "fig3-cifar10")
# on CIFAR-10 the paper trains with SGD, at the rate at which each network converges
RATES = {"resnet20": 0.1, "resnet32": 0.1, "resnet110": 0.1, "vgg16": 0.01}
VARIED = ("architecture", "learning_rate", "optimizer", "momentum")


def questions(evidence: Evidence) -> Iterator[Question]:
    """Three parts for each dataset: sizes alike, the other network below, and S3 with few examples."""
    for dataset in evidence.datasets("spurious_score"):
        family = RESNETS if dataset.startswith("cifar") else PERCEPTRONS
        parts = {
            f"{dataset}, {family.name} alike": _alike,
            f"{dataset}, {family.other} below {family.name}": _below,
            f"{dataset}, S3 with n < {SMALL}": _few_of_s3,
        }
        rows = _networks(evidence, dataset, family)
        for where, part in parts.items():
            candidates = []
            for settings, same in rows.recipes(VARIED):
                there = same.having("architecture", (*family.sizes, family.other))
                if question := part(where, same, [name for name in there if name != family.other], family):
                    candidates.append((settings, question))
            absent = missing(where, f"no scores of {family.name} and {family.other} side by side", family.study)
            yield from best_of(candidates, of_paper=dataset in PAPER_DATASETS, absent=absent)


def _networks(evidence: Evidence, dataset: str, family: Family) -> Evidence:
    fixed = {
        "dataset": dataset,
        "measure": "spurious_score",
        "pattern": ("S3", "R3"),
        "target": TARGETS,
        **usual(dataset),
    }
    if family is PERCEPTRONS:
        return evidence.where(architecture=(*family.sizes, family.other), optimizer="adam", learning_rate=0.01, **fixed)
    each = (
        evidence.where(architecture=name, optimizer="sgd", momentum=0.9, learning_rate=RATES[name], **fixed)
        for name in (*family.sizes, family.other)
    )
    return Evidence.joined(*each)


def _table(same: Evidence, names: Sequence[str], patterns: Sequence[str] = ("S3", "R3")) -> Seeds | None:
    """The cells that all these networks have; None where they share no n > 0."""
    rows = same.where(architecture=tuple(names), pattern=tuple(patterns)).rows
    shared = rows.groupby(["pattern", "target", "n"])["architecture"].transform("nunique") == len(names)
    table = Seeds.of(Evidence(rows[shared]), ["architecture", "pattern", "target", "n"])
    return table if any(n > 0 for *_, n in table.values) else None


def _planted(table: Seeds, name: str, below: int = 10**9) -> Float64[Tensor, " m"]:
    return table.mean([cell for cell in table.values if cell[0] == name and 0 < cell[3] < below])


def _alike(where: str, same: Evidence, names: list[str], family: Family) -> Question | None:
    if len(names) < 2 or (table := _table(same, names)) is None:
        return None
    mean = {name: _planted(table, name) for name in names}
    pairs = {f"{large} less {small}": mean[large] - mean[small] for small, large in combinations(names, 2)}
    note = ", ".join(f"{name} {mean[name].mean().item():.3f}" for name in names)
    return unchanged(where, table, pairs, {}, ALIKE, note=note)


def _below(where: str, same: Evidence, names: list[str], family: Family) -> Question | None:
    if not names or (table := _table(same, [*names, family.other])) is None:
        return None
    sizes = [cell for cell in table.values if cell[0] != family.other and cell[3] > 0]
    what = f"{family.name} less {family.other}"
    return above(where, table, table.mean(sizes), _planted(table, family.other), what=what)


def _few_of_s3(where: str, same: Evidence, names: list[str], family: Family) -> Question | None:
    """Perceptrons rise above their own control, and by more than the CNN does; ResNets and Vgg16 do not rise."""
    every = (
        [*names, family.other] if family is PERCEPTRONS else list(same.having("architecture", (*names, family.other)))
    )
    if not every or (table := _table(same, every, ["S3"])) is None:
        return None
    if not {n for *_, n in table.values if 0 < n < SMALL} or not any(n == 0 for *_, n in table.values):
        return None
    control = {name: table.mean([cell for cell in table.values if cell[0] == name and cell[3] == 0]) for name in every}
    rise = {name: _planted(table, name, SMALL) - control[name] for name in every}
    note = "rise over n = 0: " + ", ".join(f"{name} {rise[name].mean().item():+.3f}" for name in every)
    if family is RESNETS:
        return unchanged(where, table, rise, {}, ALIKE, note=note)
    if not names:
        return None
    mean = torch.stack([rise[name] for name in names]).mean(dim=0)
    return above(where, table, mean, rise[family.other], what="rise of perceptrons less cnn's", note=note)


ALIKE = 0.1  # twice the margin of a single score: "similar" is between networks that share no initial weights

CLAIM = Claim(
    number=5,
    statement="Perceptrons of different sizes score alike, as do ResNets; a CNN scores below perceptrons, Vgg16 below "
    "ResNets. With few examples of S3 only perceptrons learn it.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3.2, Figure 3",
    statistic="paired differences of the spurious score between architectures, mean over S3 and R3, targets and the "
    "n > 0 that all of them have; for S3 with n < 100, of the rise over n = 0",
    test="alike: every pair's 95 % interval within +-0.1; below, and for S3 the perceptrons' rise above the CNN's: "
    "paired one-sided t-test over seeds, Holm over the parts, 5 %, margin 0.05; of ResNets and Vgg16: within +-0.1",
    questions=questions,
)
