"""What a claim is, and what is said about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from spurlab.claims import words
from spurlab.claims.evidence import Evidence
from spurlab.claims.judge import Part, settle
from spurlab.claims.question import Outcome, Question


@dataclass(frozen=True)
class Claim:
    """Something that the paper says and that rows can decide.

    Args:
        number: in the list of claims.
        statement: what is claimed.
        source: where it is claimed.
        statistic: the number that is looked at.
        test: how the verdict comes about, in words.
        questions: rows -> one question for each part of the claim, missing ones included.
        remark: what the rows say beside it, a sentence that begins with a space; "" for nothing.
        about: whose rows it looks at: of networks with ``rare patterns``, of ``deletion`` or of ``common features``.
    """

    number: int
    statement: str
    source: str
    statistic: str
    test: str
    questions: Callable[[Evidence], Iterable[Question]]
    remark: Callable[[Evidence], str] = lambda _: ""
    about: Literal["rare patterns", "deletion", "common features"] = "rare patterns"

    def decide(self, evidence: Evidence) -> "Verdict":
        """The verdict: reproduced only if every part of the paper's is, not reproduced if one is not."""
        chosen = {"deletion": evidence.of_deletion, "common features": evidence.of_common_features}
        rows = chosen.get(self.about, evidence.of_rare_patterns)()
        parts = settle(list(self.questions(rows)))
        outcomes = [part.outcome for part in parts if part.of_paper]
        outcome: Outcome = "undecided"
        if "not reproduced" in outcomes:
            outcome = "not reproduced"
        elif outcomes and set(outcomes) == {"reproduced"}:
            outcome = "reproduced"
        return Verdict(self, outcome, parts, self.remark(rows))


@dataclass(frozen=True)
class Verdict:
    """What the rows say about a claim.

    Args:
        claim: which one.
        outcome: of the whole claim.
        parts: the outcome for each; those that are not the paper's (another dataset, a second recipe) do not count.
        remark: what the rows say beside it.
    """

    claim: Claim
    outcome: Outcome
    parts: tuple[Part, ...]
    remark: str = ""

    @property
    def finding(self) -> str:
        """One or two sentences with the numbers."""
        return words.summary([(part.question, part.outcome) for part in self.parts]) + self.remark

    @property
    def models(self) -> int:
        """How many different networks were looked at."""
        return len(frozenset[str]().union(*(part.question.networks for part in self.parts)))

    def record(self) -> dict[str, Any]:
        """The verdict in plain values, for JSON."""
        claim = {key: value for key, value in vars(self.claim).items() if key not in ("questions", "remark", "about")}
        verdict = {"outcome": self.outcome, "finding": self.finding, "models": self.models, "networks": self.models}
        return claim | verdict | {"parts": [part.record() for part in self.parts]}
