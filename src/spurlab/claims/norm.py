"""Claim 4: the larger the empirical norm of a pattern, the higher its score."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, PATTERNS, TARGETS, Evidence, Seeds
from spurlab.claims.figure2 import lacking, the_rest
from spurlab.claims.judge import answers
from spurlab.claims.published import published, short
from spurlab.claims.question import FEWEST, Question, missing, too_few
from spurlab.stats import Correlation, Estimate, pearson

PUBLISHED = published("correlation")
STRONG = 0.5  # a weaker correlation explains less than a quarter of the variance


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset; all seven patterns are needed."""
    norms = evidence.where(measure="empirical_norm", pattern=PATTERNS)
    part = partial(_lacking, Evidence(norms.rows.dropna(subset="value")))
    what = "scores at some n > 0 and norms of all seven patterns are needed"
    for dataset in evidence.datasets("spurious_score"):
        rows = evidence.of_paper_network("spurious_score", dataset).where(pattern=PATTERNS)
        absent = missing(dataset, what, f"norm-correlation on {dataset}", dataset in PAPER_DATASETS)
        told = answers(rows, part, absent)
        yield from told
        yield from the_rest(dataset, told)


def _lacking(norms: Evidence, dataset: str, same: Evidence) -> Question | None:
    question = _part(norms, dataset, same)
    return question and replace(question, lacks=lacking(dataset, same))


def _part(every_norm: Evidence, dataset: str, same: Evidence) -> Question | None:
    def complete(n: int) -> bool:
        return len(same.where(n=n).rows[["pattern", "target"]].drop_duplicates()) == len(PATTERNS) * len(targets)

    norms = every_norm.where(images=same.rows["images"].iloc[0])
    targets = [t for t in same.having("target", TARGETS) if same.where(target=t).counts()]
    counts = [n for n in same.counts() if complete(n)]
    if len(norms.having("pattern", PATTERNS)) < len(PATTERNS) or not counts:
        return None
    controlled = complete(0)
    table = Seeds.of(same.where(n=(*counts, *([0] * controlled)), target=tuple(targets)), ["pattern", "target", "n"])
    where = dataset if len(targets) == 2 else f"{dataset}, target {targets[0]} only"
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    # seven patterns by m seeds
    scores = torch.stack([table.mean([(p, t, n) for t in targets for n in counts]) for p in PATTERNS])
    norm = norms.rows.groupby(["pattern", "seed"])["value"].mean().groupby("pattern").mean()
    x = torch.tensor([norm[p] for p in PATTERNS], dtype=torch.float64)
    correlation = pearson(x, scores.mean(dim=1))
    if correlation.r != correlation.r:  # NaN: all scores or all norms alike
        return Question.of(where, table, "no correlation")
    single = [pearson(x, score).r for score in scores.T]
    beside = {}
    if controlled:
        baseline = torch.stack([table.mean([(p, t, 0) for t in targets]) for p in PATTERNS])
        beside["scores less n = 0"] = _estimate(pearson(x, (scores - baseline).mean(dim=1)))
    return Question.of(
        where,
        table,
        "correlation",
        about="r",
        estimate=_estimate(correlation),
        threshold=STRONG,
        estimates=beside,
        values={"two-sided p": correlation.p, "least": min(single), "most": max(single)},
        published={"r": PUBLISHED[dataset]} if dataset in PUBLISHED else {},
        holds=correlation.p if correlation.r > 0 else 1.0,
        fails=min(1.0, 2 * (1 - correlation.above(STRONG))),
    )


def _estimate(correlation: Correlation) -> Estimate:
    """Its units are patterns, and its interval is Fisher's."""
    return Estimate(correlation.r, math.nan, correlation.low, correlation.high, correlation.points)


CLAIM = Claim(
    number=4,
    statement="A pattern's mean empirical norm and its mean spurious score are strongly and positively correlated.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3.1, Table 1 "
    "(r = {} MNIST, {} Fashion, {} CIFAR-10)".format(*map(short, PUBLISHED.values())),
    statistic="Pearson's correlation over seven patterns of the mean empirical norm with the mean score over n > 0, "
    "targets and seeds",
    test="two-sided t-test of no correlation, 5 %, as in the paper; not reproduced where Fisher's 95 % interval lies "
    "wholly below 0.5; both assume normal pairs. All targets and n of Figure 2 must be there. The points are seven "
    "chosen patterns, of which R1-R3 are one noise at three strengths: the p-value says nothing about patterns of "
    "other kinds",
    questions=questions,
)
