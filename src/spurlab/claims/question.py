"""The numbers of one part of a claim: what the rule judges, and what the sentences are made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spurlab.claims.evidence import ONCE, LeftOut, Seeds
from spurlab.stats import Estimate, Learnt, Looks, Share, networks_needed

LEVEL = 0.05
SAME = 1e-6  # a difference below this is rounding: one test image of 10,000 is 1e-4
FEWEST = networks_needed(LEVEL)  # seeds: of four, all four do so once in sixteen by chance

NOBODY = Share(0, 0)
NO_NUMBER = Estimate(math.nan, math.nan, math.nan, math.nan, 0)

Number = int | float
# of a part; a claim has two more: see `spurlab.claims.judge`
Outcome = Literal["reproduced", "not reproduced", "undecided", "not tested"]
OfClaim = Outcome | Literal["reproduced where tested", "not tested as published"]
# which sentence tells the numbers, and which one beside it: see `spurlab.claims.words`
# fmt: off
Kind = Literal[
    "absent", "text", "few seeds", "difference", "change", "learnt", "correlation", "no correlation", "rises", "sizes",
    "levels", "diverged", "no level",
]
# fmt: on
Note = Literal["", "pairs", "targets", "all pixels", "means", "range", "by n", "bars", "published", "lost"]


@dataclass(frozen=True)
class Question:
    """The numbers of one part."""

    where: str  # which part
    kind: Kind  # which sentence tells its numbers
    about: str = ""  # what the estimate is of; of what is absent, its name
    share: Share = NOBODY  # the seeds that are as the statement says; of none where no share decides
    estimate: Estimate = NO_NUMBER  # the mean that describes them, with its 95 % interval
    margin: float = math.nan  # the smallest difference that would matter; NaN where there is no such
    by: str = ""  # the margin in words, where it is another for each seed
    threshold: float = math.nan  # what a number must reach: a strong correlation, or the largest n or level of a grid
    one_sided: bool = False  # only falls matter
    estimates: Mapping[str, Estimate] = field(default_factory=dict)  # the single differences behind it, by name
    beyond: str = ""  # which of them contradicts, if one does
    alone: str = ""  # which of them would contradict by itself, and does not as one of so many
    values: Mapping[str, Number] = field(default_factory=dict)  # further numbers, by name
    published: Mapping[str, Number] = field(default_factory=dict)  # the numbers of the document, by name
    learnt: Learnt | None = None  # at which n a pattern is learnt
    note: Note = ""  # which sentence tells the values
    n: tuple[int, ...] = ()  # what the numbers are over, as the targets
    targets: tuple[int, ...] = ()
    idle: tuple[str, ...] = ()  # where nothing could be seen, by name
    untestable: str = ""  # why the numbers say nothing about the statement; "" where they do
    holds: float = math.nan  # p-value that speaks for the statement; NaN: could not be tested
    fails: float = math.nan  # p-value that speaks against it, corrected where several things would
    small: bool = False  # a difference is surely there, and not surely one that matters
    alike: bool = False  # the statement is that things are alike (see `spurlab.claims.judge`)
    looks: Looks = ONCE  # by which counts of seeds are tested
    seeds: int = 0  # how many the numbers are over
    left_out: frozenset[LeftOut] = frozenset()  # the seeds that are not among them
    networks: frozenset[str] = frozenset()  # those behind the numbers
    of_paper: bool = True  # see :class:`spurlab.claims.Part`
    # what would decide it, where that is not more seeds; the study to run, where there are no networks
    wanted: str = ""
    one_way: bool = False  # the rows do not reach far enough to speak against the statement
    lacks: str = ""  # what of Figure 2 these rows do not have
    # the settings that are not the paper's, and those that tell it from other recipes
    departures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, where: str, table: Seeds, kind: Kind, **numbers: Any) -> "Question":
        """The question that these seeds answer."""
        seen: dict[str, Any] = {"seeds": len(table.seeds), "networks": table.networks, "looks": table.looks}
        return cls(where, kind, **seen, left_out=frozenset([table.left_out]) - {LeftOut()}, **numbers)

    @property
    def tested(self) -> bool:
        """Whether its numbers can speak for or against the statement."""
        return not self.untestable and not math.isnan(self.holds + self.fails)


def missing(where: str, what: str, run: str, of_paper: bool = True) -> Question:
    """A part for which there are no rows."""
    return Question(where, "absent", what, wanted=run, of_paper=of_paper)


def too_few(where: str, table: Seeds) -> Question:
    """A part with fewer than five seeds."""
    return Question.of(where, table, "few seeds")
