"""What a claim is, and what is said about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from spurlab.claims.evidence import Evidence
from spurlab.claims.judge import Outcome, Part, Question, settle, summary


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
        questions = list(self.questions(rows))
        parts = settle(questions)
        outcomes = [part.outcome for part in parts if part.of_paper]
        outcome: Outcome = "undecided"
        if "not reproduced" in outcomes:
            outcome = "not reproduced"
        elif outcomes and set(outcomes) == {"reproduced"}:
            outcome = "reproduced"
        networks = frozenset[str]().union(*(question.networks for question in questions))
        return Verdict(self, outcome, summary(parts, questions) + self.remark(rows), len(networks), parts)


@dataclass(frozen=True)
class Verdict:
    """What the rows say about a claim.

    Args:
        claim: which one.
        outcome: of the whole claim.
        finding: one or two sentences with the numbers.
        models: how many different networks were looked at.
        parts: the outcome for each; those that are not the paper's (another dataset, a second recipe) do not count.
    """

    claim: Claim
    outcome: Outcome
    finding: str
    models: int
    parts: tuple[Part, ...]

    def record(self) -> dict[str, Any]:
        """The verdict in plain values, for JSON."""
        claim = {key: value for key, value in vars(self.claim).items() if key not in ("questions", "remark", "about")}
        own = {"outcome": self.outcome, "finding": self.finding, "models": self.models}
        return claim | own | {"parts": [dict(vars(part)) for part in self.parts]}
