"""Claim 6: perceptrons keep their answer with half of the pixels, convolutional networks less so."""

from collections.abc import Iterator

import torch

from spurlab.claims.base import Claim
from spurlab.claims.evidence import Evidence, Seeds, usual
from spurlab.claims.judge import above, answers, unchanged
from spurlab.claims.published import published, short
from spurlab.claims.question import Question, missing

PERCEPTRONS = ("small-mlp", "mlp", "large-mlp")
HALF, WHOLE = "sensitivity_050", "sensitivity_000"
NEAR = published("sensitivity")["half"]
THEIRS = {"probability of the true class": NEAR}
MARGIN = 0.05  # of the probability of the true class; no score


def questions(evidence: Evidence) -> Iterator[Question]:
    """Two parts for each dataset: the perceptrons near the paper's number, the CNN below them. MNIST is the paper's."""
    what, run = "no sensitivity of these networks", "fig4-sensitivity"
    for dataset in evidence.datasets(HALF, ("mnist",)):
        fixed = {"dataset": dataset, "optimizer": "adam", **usual(dataset)}
        rows = evidence.where(measure=(HALF, WHOLE), n=0, architecture=(*PERCEPTRONS, "cnn"), **fixed)
        near = f"{dataset}, perceptrons near {NEAR:g} with half of the pixels"
        for where, part in ((near, _near), (f"{dataset}, CNN below perceptrons", _lower)):
            yield from answers(rows, part, missing(where, what, run, dataset == "mnist"), ["architecture"])


def _near(where: str, same: Evidence) -> Question | None:
    if not (perceptrons := same.where(measure=HALF).having("architecture", PERCEPTRONS)):
        return None
    table = Seeds.of(same.where(measure=HALF, architecture=perceptrons), ["architecture"])
    differences = {f"{name} less {NEAR:g}": table.values[name,] - NEAR for name in perceptrons}
    mean = torch.stack(list(differences.values())).mean(dim=0)
    means = {name: table.values[name,].mean().item() for name in perceptrons}
    return unchanged(
        where, table, {f"mean less {NEAR:g}": mean}, differences, MARGIN, note="means", values=means, published=THEIRS
    )


def _lower(where: str, same: Evidence) -> Question | None:
    names = same.where(measure=HALF).having("architecture", (*PERCEPTRONS, "cnn"))
    perceptrons = names[:-1]
    if not perceptrons or names[-1] != "cnn":
        return None
    table = Seeds.of(same.where(architecture=(*perceptrons, "cnn")), ["measure", "architecture"])
    half = {name: table.values[HALF, name] for name in (*perceptrons, "cnn")}
    whole = {}
    if (WHOLE, "cnn") in table.values:
        values = {name: table.values[WHOLE, name] for name in half if (WHOLE, name) in table.values}
        whole = {name: value.mean().item() for name, value in values.items()}
    mean, note = torch.stack([half[name] for name in perceptrons]).mean(dim=0), "all pixels" if whole else ""
    return above(where, table, mean, half["cnn"], MARGIN, "perceptrons less CNN", values=whole, note=note)


CLAIM = Claim(
    number=6,
    statement=f"With half of the non-zero pixels zero perceptrons still give the true class about {short(NEAR, 1)}; "
    "a CNN less.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3.2, Figure 4",
    statistic="mean probability of the true class over 500 training examples with half of each image's non-zero "
    f"pixels set to zero, of networks that saw no mark; its mean over the perceptrons less {short(NEAR, 1)}, and "
    "less the CNN's",
    test=f"more than half of all networks within +-0.05 of {short(NEAR, 1)} in the mean over the perceptrons; not "
    "where more than half are beyond on one side in the mean, or else for one perceptron (Holm). For the CNN more than "
    "half by more than 0.05. A network that fits worse is lower with all its pixels too: these numbers stand beside",
    questions=questions,
)
