"""What a claim is, and what is said about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spurlab.claims import words
from spurlab.claims.evidence import About, Evidence
from spurlab.claims.judge import Part, settle
from spurlab.claims.question import LEVEL, OfClaim, Question
from spurlab.notebook import card, paragraph, table


@dataclass(frozen=True)
class Claim:
    """Something that the paper says and that rows can decide."""

    number: int  # in the list of claims
    statement: str  # what is claimed
    source: str  # where it is claimed
    statistic: str  # the number that is looked at
    test: str  # how the verdict comes about, in words
    # rows -> one question for each part of the claim, missing ones included
    questions: Callable[[Evidence], Iterable[Question]]
    # what the rows say beside it, a sentence that begins with a space; "" for nothing
    remark: Callable[[Evidence], str] = lambda _: ""
    # whose rows it looks at: of networks with ``rare patterns``, of ``deletion`` or of ``common features``
    about: About = "rare patterns"

    def decide(self, evidence: Evidence) -> "Verdict":
        """The verdict; of the parts only the paper's count."""
        rows = evidence.about(self.about)
        parts = settle(list(self.questions(rows)))
        return Verdict(self, _whole(parts), parts, self.remark(rows))


def _whole(parts: Sequence[Part]) -> OfClaim:
    counted = [part for part in parts if part.of_paper]
    tested = [part for part in counted if part.outcome != "not tested"]
    outcomes = {part.outcome for part in tested}
    if not tested:
        return "not tested as published" if any(part.models for part in parts) else "not tested"
    if any(part.outcome == "not reproduced" and part.together <= LEVEL for part in tested):
        return "not reproduced"
    if outcomes == {"reproduced"}:
        return "reproduced" if len(tested) == len(counted) else "reproduced where tested"
    return "undecided"


@dataclass(frozen=True)
class Verdict:
    """What the rows say about a claim."""

    claim: Claim  # which one
    outcome: OfClaim  # of the whole claim
    # the outcome for each; those that are not the paper's (another dataset, a second recipe) do not count
    parts: tuple[Part, ...]
    remark: str = ""  # what the rows say beside it

    def __repr__(self) -> str:
        return f"<Verdict on claim {self.claim.number}: {self.outcome}, {self.models} networks>"

    def _repr_html_(self) -> str:
        parts = [(part.where, part.outcome, part.finding) for part in self.parts if part.models]
        about = f"claim {self.claim.number}: {self.outcome}"
        facts = {"claim": self.claim.statement, "source": self.claim.source, "networks": self.models}
        return card("Verdict", about, facts, paragraph(self.finding), table(("part", "outcome", "finding"), parts))

    @property
    def finding(self) -> str:
        """One or two sentences with the numbers."""
        return words.summary([(part.question, part.outcome) for part in self.parts], self.outcome) + self.remark

    @property
    def models(self) -> int:
        """How many different networks were looked at."""
        return len(frozenset[str]().union(*(part.question.networks for part in self.parts)))

    def record(self) -> dict[str, Any]:
        """The verdict in plain values, for JSON."""
        claim = {key: value for key, value in vars(self.claim).items() if key not in ("questions", "remark", "about")}
        verdict = {"outcome": self.outcome, "finding": self.finding, "models": self.models, "networks": self.models}
        return claim | verdict | {"parts": [part.record() for part in self.parts]}
