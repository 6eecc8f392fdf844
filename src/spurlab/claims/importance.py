"""Claim 9: the first layer shows the pattern."""

from collections.abc import Iterator
from itertools import pairwise

from spurlab.claims.base import Claim
from spurlab.claims.evidence import Evidence, Seeds
from spurlab.claims.judge import above, best_of
from spurlab.claims.question import Question, missing

GRID = (0, 10, 100, 2000)
STEPS = (*pairwise(GRID), (0, 2000))
VISIBLE = 0.1  # margin, as a share of the importance at the lower n: less could hardly be seen in Figure 5


def questions(evidence: Evidence) -> Iterator[Question]:
    """Three steps up and the whole way; MNIST is the paper's."""
    for dataset in evidence.datasets("pattern_importance", ("mnist",)):
        rows = evidence.of_paper_network("pattern_importance", dataset).where(pattern="S3", target=(0, 1))
        for low, high in STEPS:
            where = f"{dataset}, n = {low} to {high}"
            candidates = []
            for settings, same in rows.where(n=(low, high)).recipes():
                targets = tuple(t for t in (0, 1) if len(same.where(target=t).having("n", (low, high))) == 2)
                if not targets:
                    continue
                table = Seeds.of(same.where(target=targets), ["n", "target"])
                upper, lower = (table.mean([(n, t) for t in targets]) for n in (high, low))
                margin = VISIBLE * abs(lower.mean().item()) if len(lower) else VISIBLE
                question = above(where, table, upper, lower, margin, bounds=None, note="targets", targets=targets)
                candidates.append((settings, question))
            absent = missing(where, f"no pixel importance of S3 at n = {low} and {high}", "fig5-weights")
            yield from best_of(candidates, of_paper=dataset == "mnist", absent=absent)


CLAIM = Claim(
    number=9,
    statement="The pixels under S3 become more important with more marked examples: n = 0, 10, 100, 2000.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.4, Figure 5",
    statistic="paired difference of the mean pixel importance (largest outgoing first-layer weight) over S3's box, for "
    "each step up and from n = 0 to 2000; mean over targets",
    test="paired one-sided t-test over seeds, Holm over the four, 5 %; margin a tenth of the importance at the lower n",
    questions=questions,
)
