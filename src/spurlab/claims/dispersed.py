"""Claim 2: dispersed patterns are learnt more easily than concentrated ones, and even Co is learnt on MNIST."""

from collections.abc import Iterator
from dataclasses import replace

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, TARGETS, Evidence, Seeds
from spurlab.claims.figure2 import COUNTS, TO_RUN, the_rest
from spurlab.claims.judge import SHARES, above, answers, beyond, directional
from spurlab.claims.question import FEWEST, Question, missing, too_few
from spurlab.stats import SCORE_MARGIN, learnt_at, paired_difference

SMALL, RANDOM = ("S1", "S2", "S3"), ("R1", "R2", "R3")


def questions(evidence: Evidence) -> Iterator[Question]:
    """(a) for each dataset and target, and for what of Figure 2 their rows lack, (b) for MNIST with target 0.

    Where of the six patterns not all are there, R3 against S3 stands beside them: it is no part of the paper's claim.
    """
    for dataset in evidence.datasets("spurious_score"):
        rows, told = evidence.of_paper_network("spurious_score", dataset), list[Question]()
        what, of_paper = "no n > 0 with scores of all of S1-S3 and R1-R3", dataset in PAPER_DATASETS
        for target in TARGETS:
            absent = missing(f"{dataset}, target {target}", what, TO_RUN.get(dataset, ""), of_paper)
            told += answers(rows.where(target=target), _random_above_small, absent)
            alone = missing(f"{dataset}, target {target}, R3 against S3 alone", "", "", of_paper=False)
            told += answers(rows.where(target=target), _r3_above_s3, alone)
        yield from told
        yield from the_rest(dataset, told)
    rows = evidence.of_paper_network("spurious_score", "mnist").where(target=0, pattern="Co")
    absent = missing("Co on mnist, target 0", "no scores of Co at n = 0 and above", TO_RUN["mnist"])
    yield from answers(rows, _core_is_learnt, absent)


def _random_above_small(where: str, same: Evidence) -> Question | None:
    rows = same.shared("pattern", (*SMALL, *RANDOM), ["n"])
    if not (counts := rows.counts()):
        return None
    table = Seeds.of(rows.where(n=tuple(counts)), ["pattern", "n"])
    mean = {pattern: table.mean([(pattern, n) for n in counts]).mean() for pattern in (*SMALL, *RANDOM)}
    pairs = sum(bool(mean[r] > mean[s]) for r in RANDOM for s in SMALL)
    small, random = (table.mean([(p, n) for p in group for n in counts]) for group in (SMALL, RANDOM))
    about, beside = "R1-R3 less S1-S3", {"pairs": pairs}
    question = above(where, table, random, small, about=about, values=beside, note="pairs", n=tuple(counts))
    gaps = ", ".join(str(n) for n in COUNTS.get(same.rows["dataset"].iloc[0], ()) if n not in counts)
    return replace(question, lacks=f"n = {gaps}" if gaps else "")


def _r3_above_s3(where: str, same: Evidence) -> Question | None:
    if same.shared("pattern", (*SMALL, *RANDOM), ["n"]).counts():
        return None
    counts = (rows := same.shared("pattern", ("S3", "R3"), ["n"])).counts()
    if not counts:
        return None
    table = Seeds.of(rows.where(n=tuple(counts)), ["pattern", "n"])
    small, random = (table.mean([(pattern, n) for n in counts]) for pattern in ("S3", "R3"))
    return above(where, table, random, small, about="R3 less S3", n=tuple(counts))


def _core_is_learnt(where: str, same: Evidence) -> Question | None:
    counts = same.counts()
    if not counts or not same.having("n", (0,)):
        return None
    table = Seeds.of(same, ["n"])
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    learnt = learnt_at({n: table.values[n,] for n in counts}, table.values[0,], most=table.looks.most)
    higher, lower = table.values[counts[-1],], table.values[0,]
    question = Question.of(
        where,
        table,
        "learnt",
        about=f"difference at n = {counts[-1]}",
        estimate=paired_difference(higher, lower, SHARES),
        margin=SCORE_MARGIN,
        threshold=float(COUNTS["mnist"][-1]),
        learnt=learnt,
        values={f"p at n = {n}": table.looks.more_than(share) for n, share in learnt.shares.items()},
        n=tuple(counts),
        one_way=counts[-1] < COUNTS["mnist"][-1],
    )
    # learnt from some n on: exactly where the largest passes, with which `learnt_at` begins
    return directional(question, learnt.shares[counts[-1]], beyond(higher - lower, 0.0))


CLAIM = Claim(
    number=2,
    statement="Random patterns generally score higher than small ones, and Co is learnt on MNIST with target 0.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3, Figure 2",
    statistic="paired difference of the spurious score, mean over R1-R3 less mean over S1-S3, each over the n > 0 of "
    "the grid, for each dataset and target; for Co the n from which on its score is above n = 0 by more than 0.05",
    test='"generally" is read as "on average over the three patterns and n": more than half of all networks by more '
    "than 0.05 of the score; for Co from the largest n down, each at 5 %, until one fails (a fixed sequence). All n of "
    "Figure 2 must be there: the mean over some of them is another number, and Co may be learnt at a larger n",
    questions=questions,
)
