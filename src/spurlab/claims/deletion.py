"""Claim 10: data deletion leaves the score where it was."""

from collections.abc import Iterator

import torch

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, Evidence, Seeds, Settings, base_name
from spurlab.claims.figure2 import WHOLE
from spurlab.claims.judge import SCORE_MARGIN, best_of, unchanged
from spurlab.claims.question import Question, missing

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
        for name, (words, of_paper) in METHODS.items():
            where, method = f"{dataset}, {words}", OF_DATASET.get((name, base_name(dataset)), name)
            rows = evidence.of_paper_network("spurious_score", dataset).where(
                pattern="R3", target=0, known=1.0, deletion=("none", "oracle", method)
            )
            candidates = [part for settings, same in rows.recipes() for part in _part(where, settings, same, method)]
            counts = of_paper and dataset in PAPER_DATASETS
            absent = missing(
                where, "scores before and after deletion", f"fig6-deletion{' ' + WHOLE if dataset == 'cifar10' else ''}"
            )
            yield from best_of(candidates, of_paper=counts, absent=absent if counts else None)


def _part(where: str, settings: Settings, same: Evidence, method: str) -> Iterator[tuple[Settings, Question]]:
    pairs, compared = set(same.rows[["deletion", "n"]].itertuples(index=False, name=None)), ("none", method, "oracle")
    counts = [n for n in same.counts() if all((name, n) in pairs for name in compared)]
    if not counts:
        return
    table = Seeds.of(same.where(n=tuple(counts)), ["deletion", "n"])
    before, after, oracle = ({n: table.values[name, n] for n in counts} for name in compared)
    changes = {f"n = {n}": after[n] - before[n] for n in counts}
    learnt = {f"n = {n}" for n in counts if (before[n] - oracle[n]).mean() > SCORE_MARGIN}
    telling = {name: change for name, change in changes.items() if name in learnt}
    cells = telling or changes
    mean = {"mean": torch.stack(list(cells.values())).mean(dim=0)}
    values = {name: change.mean().item() for name, change in changes.items()}
    idle = tuple(name for name in changes if name not in learnt)
    question = unchanged(where, table, mean, cells, SCORE_MARGIN, note="by n", values=values, idle=idle)
    yield settings, question if telling else question.saying_nothing("nothing to delete")


CLAIM = Claim(
    number=10,
    statement="Incremental retraining and group influence leave the spurious score where it was.",
    source="Yang et al. (2022), arXiv:2202.05189, section 4, Figure 6",
    statistic="paired change of R3's spurious score by deletion of all marked images, target 0, mean over the n at "
    "which the network had learnt it (0.05 above networks retrained without them). The paper's parts are the methods "
    "as its public code computes them (rate 0.00001; influence at a wrong scale); done right, they stand beside",
    test="the 95 % interval of the mean within +-0.05, and no n wholly outside (Holm)",
    questions=questions,
    about="deletion",
)
