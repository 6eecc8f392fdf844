"""Claim 1: three examples are enough."""

from collections.abc import Iterator

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, TARGETS, Evidence, Seeds
from spurlab.claims.figure2 import TO_RUN
from spurlab.claims.judge import above, answers
from spurlab.claims.question import Question, missing


def questions(evidence: Evidence) -> Iterator[Question]:
    """R3 at n = 3 against n = 0: six parts, and those of other datasets."""
    for dataset in evidence.datasets("spurious_score"):
        what, of_paper = "no scores of R3 at n = 0 and 3", dataset in PAPER_DATASETS
        for target in TARGETS:
            rows = evidence.of_paper_network("spurious_score", dataset).where(pattern="R3", target=target, n=(0, 3))
            absent = missing(f"{dataset}, target {target}", what, TO_RUN.get(dataset, ""), of_paper)
            yield from answers(rows, _part, absent)


def _part(where: str, same: Evidence) -> Question | None:
    if len(same.having("n", (0, 3))) < 2:
        return None
    table = Seeds.of(same, ["n"])
    return above(where, table, table.values[3,], table.values[0,])


CLAIM = Claim(
    number=1,
    statement="Three marked examples are enough: R3 scores higher at n = 3 than at n = 0, in all six cases.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3, Figure 2",
    statistic="paired difference of the spurious score of R3 between n = 3 and n = 0, for each dataset and target",
    test="in each case more than half of all networks by more than 0.05 of the score, at 5 % (exact)",
    questions=questions,
)
