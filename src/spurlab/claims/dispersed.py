"""Claim 2: dispersed patterns are learnt more easily than concentrated ones, and even Co is learnt on MNIST."""

from collections.abc import Iterator
from dataclasses import replace

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, TARGETS, Evidence, Seeds
from spurlab.claims.figure2 import COUNTS, TO_RUN, the_rest
from spurlab.claims.judge import SCORE_MARGIN, above, below, best_of
from spurlab.claims.question import FEWEST, Question, missing, too_few
from spurlab.stats import learnt_at, paired_difference

SMALL, RANDOM = ("S1", "S2", "S3"), ("R1", "R2", "R3")


def questions(evidence: Evidence) -> Iterator[Question]:
    """(a) for each dataset and target, and for what of Figure 2 their rows lack, (b) for MNIST with target 0."""
    for dataset in evidence.datasets("spurious_score"):
        answers = [answer for target in TARGETS for answer in _random_above_small(evidence, dataset, target)]
        yield from answers
        yield from the_rest(dataset, answers)
    yield from _core_is_learnt(evidence)


def _random_above_small(evidence: Evidence, dataset: str, target: int) -> list[Question]:
    where = f"{dataset}, target {target}"
    rows = evidence.of_paper_network("spurious_score", dataset).where(target=target, pattern=(*SMALL, *RANDOM))
    candidates = []
    for settings, same in rows.recipes():
        counts = [n for n in same.counts() if len(same.where(n=n).having("pattern", (*SMALL, *RANDOM))) == 6]
        if not counts:
            continue
        table = Seeds.of(same.where(n=tuple(counts)), ["pattern", "n"])
        mean = {pattern: table.mean([(pattern, n) for n in counts]) for pattern in (*SMALL, *RANDOM)}
        pairs = sum(bool(mean[r].mean() > mean[s].mean()) for r in RANDOM for s in SMALL)
        small, random = (table.mean([(p, n) for p in group for n in counts]) for group in (SMALL, RANDOM))
        about, beside = "R1-R3 less S1-S3", {"pairs": pairs}
        question = above(where, table, random, small, about=about, values=beside, note="pairs", n=tuple(counts))
        gaps = ", ".join(str(n) for n in COUNTS.get(dataset, ()) if n not in counts)
        candidates.append((settings, replace(question, lacks=f"n = {gaps}" if gaps else "")))
    absent = missing(where, "no n > 0 with scores of all of S1-S3 and R1-R3", TO_RUN.get(dataset, ""))
    return best_of(candidates, of_paper=dataset in PAPER_DATASETS, absent=absent)


def _core_is_learnt(evidence: Evidence) -> Iterator[Question]:
    where = "Co on mnist, target 0"
    rows = evidence.of_paper_network("spurious_score", "mnist").where(target=0, pattern="Co")
    candidates = []
    for settings, same in rows.recipes():
        counts = same.counts()
        if not counts or not same.having("n", (0,)):
            continue
        table = Seeds.of(same, ["n"])
        if len(table.seeds) < FEWEST:
            candidates.append((settings, too_few(where, table)))
            continue
        learnt = learnt_at({n: table.values[n,] for n in counts}, table.values[0,])
        last = paired_difference(table.values[counts[-1],], table.values[0,])
        question = Question.of(
            where,
            table,
            "learnt",
            about=f"difference at n = {counts[-1]}",
            estimate=last,
            margin=SCORE_MARGIN,
            threshold=float(COUNTS["mnist"][-1]),
            learnt=learnt,
            values={f"p at n = {n}": p for n, p in learnt.adjusted.items()},
            n=tuple(counts),
            holds=learnt.adjusted[counts[-1]],  # learnt from some n on: exactly where the largest n passes
            fails=below(last, SCORE_MARGIN),
            one_way=counts[-1] < COUNTS["mnist"][-1],
        )
        candidates.append((settings, question))
    absent = missing(where, "no scores of Co at n = 0 and above", TO_RUN["mnist"])
    yield from best_of(candidates, of_paper=True, absent=absent)


CLAIM = Claim(
    number=2,
    statement="Random patterns generally score higher than small ones, and Co is learnt on MNIST with target 0.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3, Figure 2",
    statistic="paired difference of the spurious score, mean over R1-R3 less mean over S1-S3, each over the n > 0 of "
    "the grid, for each dataset and target; for Co the n from which on its score is above n = 0",
    test='"generally" is read as "on average over the three patterns and n": paired one-sided t-test over seeds, Holm '
    "over the parts (for Co over n before that), 5 %; margin 0.05 of the score. All n of Figure 2 must be there: "
    "the mean over some of them is another number, and Co may be learnt at a larger n",
    questions=questions,
)
