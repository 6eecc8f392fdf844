"""The grid of the paper's Figure 2, which several claims rest on."""

from collections.abc import Iterator, Sequence

from spurlab.claims.evidence import PATTERNS, TARGETS, Evidence
from spurlab.claims.question import Question, missing

WHOLE = "with the profile paper"  # the quick one takes a part of the images, or of the grid
FIGURE2 = {"mnist": "fig2-mnist", "fashion-mnist": "fig2-fashion", "cifar10": "fig2-cifar10"}
TO_RUN = FIGURE2 | {"cifar10": f"{FIGURE2['cifar10']} {WHOLE}"}  # for scores at a few n
COUNTS = {
    "mnist": (3, 5, 10, 20, 100, 2000, 5000),
    "fashion-mnist": (3, 5, 10, 20, 100, 2000, 5000),
    "cifar10": (3, 5, 10, 20, 100, 500),
}


def lacking(dataset: str, rows: Evidence, targets: Sequence[int] = TARGETS) -> str:
    """Which patterns, targets and n of Figure 2 are not among these rows; "" for none, and for other datasets."""
    if dataset not in COUNTS:
        return ""
    planted = rows.where(n=tuple(rows.counts()))
    gaps = [pattern for pattern in PATTERNS if not planted.having("pattern", (pattern,))]
    gaps += [f"target {target}" for target in targets if not planted.having("target", (target,))]
    counts = [str(n) for n in COUNTS[dataset] if not planted.having("n", (n,))]
    return ", ".join([*gaps, *([f"n = {', '.join(counts)}"] if counts else [])])


def the_rest(dataset: str, answers: Sequence[Question]) -> Iterator[Question]:
    """An undecided part for what of Figure 2 the answers do not rest on: the paper's claim is over all of it."""
    lacks = dict.fromkeys(answer.lacks for answer in answers if answer.of_paper and answer.lacks)
    if lacks:
        where = f"{dataset}, the rest of Figure 2"
        yield missing(where, f"nothing at {'; '.join(lacks)}", f"{FIGURE2[dataset]} {WHOLE}")
