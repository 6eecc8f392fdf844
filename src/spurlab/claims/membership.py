"""Claim 12: membership inference is much more accurate on marked examples than on all."""

from collections.abc import Iterator

from spurlab.claims.base import Claim
from spurlab.claims.evidence import Evidence, Seeds, Settings, paper_settings, usual
from spurlab.claims.judge import above, best_of
from spurlab.claims.published import published
from spurlab.claims.question import Question, missing

# halves of them are as large as the training sets of the paper's networks
PAPER = {"mnist@35000": "mnist", "fashion-mnist@35000": "fashion-mnist", "cifar10@30000": "cifar10"}
# of marked examples and of all: as the public code computes them, which is what its figure shows; and right
WAYS = {
    "as the public code counts": ("code_marked_accuracy", "code_accuracy", True),
    "marked non-members counted too": ("attack_marked_accuracy", "attack_accuracy", False),
}


def questions(evidence: Evidence) -> Iterator[Question]:
    """For each dataset and way to count: R3 in class 0, the mean over n."""
    for dataset in evidence.datasets("attack_accuracy", tuple(PAPER)):
        fixed = {"dataset": dataset, "attack": "sorted-logits", "pattern": "R3", "target": 0, "optimizer": "adam"}
        fixed["deletion"] = None  # nothing was forgotten before
        rows = evidence.where(architecture=("large-mlp", "resnet20"), **fixed, **usual(dataset))
        for words, (marked, every, of_code) in WAYS.items():
            where, of_paper = f"{dataset}, {words}", of_code and dataset in PAPER
            parts = ((settings, _part(where, same, dataset, marked, every)) for settings, same in rows.recipes())
            yield from best_of(
                [(settings, part) for settings, part in parts if part],
                of_paper=of_paper,
                absent=missing(where, "no attacked networks", "membership --profile paper", of_paper),
                protocol=_protocol,
            )


def _part(where: str, same: Evidence, dataset: str, marked: str, every: str) -> Question | None:
    same = same.where(measure=(marked, every)).shared("measure", (marked, every), ["n"])
    if not (counts := same.counts()):
        return None
    table = Seeds.of(same.where(n=tuple(counts)), ["measure", "n"]).by_pair()
    higher, lower = (table.mean([(measure, n) for n in counts]) for measure in (marked, every))
    numbers = published("membership").get(PAPER.get(dataset, ""), {})
    return above(
        where,
        table,
        higher,
        lower,
        about="marked less all",
        values={f"n = {n}": (table.values[marked, n] - table.values[every, n]).mean().item() for n in counts},
        note="by n",
        published={f"n = {n}": value for n, value in numbers.items()},
    )


def _protocol(dataset: str) -> list[Settings]:
    """The paper's recipe and the quick one, with halves of whichever training set."""
    return [
        {name: value for name, value in paper_settings(dataset, recipe).items() if name != "halves"}
        for recipe in ("paper", "quick")
    ]


CLAIM = Claim(
    number=12,
    statement="Membership inference is much more accurate on marked examples than on all.",
    source="public code of Yang et al. (2022), arXiv:2202.05189, notebooks/membership_inference.ipynb",
    statistic="accuracy of the classifier of sorted logits on R3's marked examples of target 0 less that on all, mean "
    "over n, of networks that are attacked each with one shadow network. The paper's parts count as its public code "
    "does: marked examples are members alone, and non-members have the members' logits. Counted right, with as many "
    "marked non-members, they stand beside",
    test="more than half of all pairs of attacked networks, which learnt from complements, by more than 0.05",
    questions=questions,
)
