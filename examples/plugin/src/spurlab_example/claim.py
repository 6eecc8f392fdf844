"""A claim: a statement that rows can decide, by one question for each part. Its number is the entry point's name."""

from collections.abc import Iterator

from spurlab.claims import Claim, Question
from spurlab.claims.evidence import Evidence, Seeds
from spurlab.claims.judge import above
from spurlab.claims.question import missing

FEW = 20


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part: the score of the frame at n = 20 against n = 0, on the same seeds."""
    rows = evidence.where(measure="spurious_score", dataset="stripes", pattern="frame", n=(0, FEW))
    if len(rows.having("n", (0, FEW))) < 2:
        yield missing("stripes", f"no scores of the frame at n = 0 and {FEW}", "spurlab run stripes.toml")
        return
    table = Seeds.of(rows, ["n"])
    yield above("stripes", table, table.values[FEW,], table.values[0,])


CLAIM = Claim(
    number=101,  # as in pyproject.toml
    statement=f"{FEW} framed images are enough: the frame scores higher at n = {FEW} than at n = 0.",
    source="spurlab-example",
    statistic=f"paired difference of the spurious score of the frame between n = {FEW} and n = 0",
    test="more than half of all networks by more than 0.05 of the score, at 5 % (exact)",
    questions=questions,
)
