"""Claim 9: the first layer shows the pattern."""

from collections.abc import Iterator
from itertools import pairwise

from spurlab.claims.base import Claim
from spurlab.claims.evidence import TARGETS, Evidence, Seeds
from spurlab.claims.judge import above, answers, beyond, directional
from spurlab.claims.question import Question, missing

GRID = (0, 10, 100, 2000)
STEPS = (*pairwise(GRID), (0, 2000))
VISIBLE = 0.1  # margin, as a share of the importance at the lower n: less could hardly be seen in Figure 5
IN_WORDS = "a tenth of that at the lower n"


def questions(evidence: Evidence) -> Iterator[Question]:
    """Three steps up and the whole way; MNIST is the paper's."""
    for dataset in evidence.datasets("pattern_importance", ("mnist",)):
        rows = evidence.of_paper_network("pattern_importance", dataset).where(pattern="S3", target=TARGETS)
        for low, high in STEPS:
            where, what = f"{dataset}, n = {low} to {high}", f"no pixel importance of S3 at n = {low} and {high}"
            absent = missing(where, what, "fig5-weights", dataset == "mnist")
            yield from answers(rows.where(n=(low, high)), _part, absent)


def _part(where: str, same: Evidence) -> Question | None:
    low, high = min(same.rows["n"]), max(same.rows["n"])
    rows = same.shared("n", (low, high), ["target"])
    if low == high or rows.rows.empty:
        return None
    targets = rows.having("target", TARGETS)
    table = Seeds.of(rows, ["n", "target"])
    upper, lower = (table.mean([(n, target) for target in targets]) for n in (high, low))
    margin = VISIBLE * abs(lower.mean().item()) if len(lower) else VISIBLE
    question = above(where, table, upper, lower, margin, bounds=None, by=IN_WORDS, note="targets", targets=targets)
    if not question.tested:
        return question
    return directional(question, beyond(upper - (1 + VISIBLE) * lower, 0.0), beyond(upper - lower, 0.0))


CLAIM = Claim(
    number=9,
    statement="The pixels under S3 become more important with more marked examples: n = 0, 10, 100, 2000.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.4, Figure 5",
    statistic="paired difference of the mean pixel importance (largest outgoing first-layer weight) over S3's box, for "
    "each step up and from n = 0 to 2000; mean over targets",
    test="more than half of all networks by more than a tenth of their importance at the lower n, for each of the four",
    questions=questions,
)
