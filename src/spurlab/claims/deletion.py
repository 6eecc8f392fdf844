"""Claim 10: data deletion leaves the score where it was."""

from collections.abc import Iterator
from functools import partial

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, Evidence, Seeds, base_name
from spurlab.claims.figure2 import WHOLE
from spurlab.claims.judge import answers, unchanged_mean
from spurlab.claims.question import Question, missing
from spurlab.stats import SCORE_MARGIN

# as the public code computes them, which is what the paper's figure shows; and done right, which it does not claim
METHODS = {
    "incremental-1e-5": ("incremental retraining at the public code's rate", True),
    "influence-reference": ("group influence with the public code's arithmetic", True),
    "incremental": ("incremental retraining, schedule restarted", False),
    "influence": ("group influence", False),
}
# the public code's scale is another on MNIST, and its depth on CIFAR-10
OF_DATASET = {
    ("influence-reference", "mnist"): "influence-reference-25",
    ("influence-reference", "cifar10"): "influence-reference-1000",
}


def questions(evidence: Evidence) -> Iterator[Question]:
    """For each dataset and method: does R3's score for target 0 stay, over all n at which it was learnt?"""
    for dataset in evidence.datasets("spurious_score"):
        rows = evidence.of_paper_network("spurious_score", dataset).where(pattern="R3", target=0, known=1.0)
        run = f"fig6-deletion{' ' + WHOLE if dataset == 'cifar10' else ''}"
        for name, (words, of_paper) in METHODS.items():
            what, counts = "scores before and after deletion", of_paper and dataset in PAPER_DATASETS
            method = OF_DATASET.get((name, base_name(dataset)), name)
            compared = rows.where(deletion=("none", "oracle", method))
            yield from answers(compared, partial(_part, method), missing(f"{dataset}, {words}", what, run, counts))


def _part(method: str, where: str, same: Evidence) -> Question | None:
    compared = ("none", method, "oracle")
    rows = same.shared("deletion", compared, ["n"])
    if not (counts := rows.counts()):
        return None
    table = Seeds.of(rows.where(n=tuple(counts)), ["deletion", "n"])
    before, after, oracle = ({n: table.values[name, n] for n in counts} for name in compared)
    changes = {f"n = {n}": after[n] - before[n] for n in counts}
    learnt = {f"n = {n}" for n in counts if (before[n] - oracle[n]).mean() > SCORE_MARGIN}
    return unchanged_mean(where, table, changes, learnt, "nothing to delete", note="by n")


CLAIM = Claim(
    number=10,
    statement="Incremental retraining and group influence leave the spurious score where it was.",
    source="Yang et al. (2022), arXiv:2202.05189, section 4, Figure 6",
    statistic="paired change of R3's spurious score by deletion of all marked images, target 0, mean over the n at "
    "which the network had learnt it (0.05 above networks retrained without them). The paper's parts are the methods "
    "as its public code computes them (rate 0.00001; influence at a wrong scale); done right, they stand beside",
    test="more than half of all networks within +-0.05 in the mean; not where more than half are beyond on one side in "
    "the mean, or else at a single n (Holm)",
    questions=questions,
    about="deletion",
)
