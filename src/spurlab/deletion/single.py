"""What a deletion made of one given network, as a verdict among networks that never saw the forgotten examples."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from spurlab.deletion.verdict import ACCURACY_MARGIN, LEAST, TELLING, Judged, VerdictName
from spurlab.notebook import card, paragraph
from spurlab.stats import SCORE_MARGIN, null_rank

NoOracle = Literal["no oracle: score before and after"]
NO_ORACLE: NoOracle = "no oracle: score before and after"
Numbers = Mapping[str, float]  # by measure


@dataclass(frozen=True)
class VerdictOnOne:
    """What is said of one network.

    Args:
        name: see `verdict_on_one`.
        finding: the numbers in a sentence.
        p: of the network among the oracles, see `rank_among`; NaN without these.
        oracles: how many there are.
    """

    name: VerdictName | NoOracle
    finding: str
    p: float = math.nan
    oracles: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.finding}"

    def _repr_html_(self) -> str:
        return card("Verdict on one network", self.name, {}, paragraph(self.finding))


def verdict_on_one(
    before: Numbers, after: Numbers, oracle: Mapping[str, Float[Tensor, " m"]] | None = None
) -> VerdictOnOne:
    """What a deletion did to one network, by the margins of `verdict`; it never says "forgets" of a method.

    The first of these that holds:

    - *breaks the model*: a number after it is not finite, or it lost more than .05 of test accuracy.
    - *no oracle*: there are none, so that nothing is said of forgetting.
    - *undecided*: there are fewer than five.
    - *nothing to forget*: before, the score was at most .05 above what the oracles reach.
    - *does not forget*: it keeps it (its score is more than .05 above what these reach), and fell by at most .05.
    - *partly*: it keeps it, and fell by more; or it keeps nothing, but can be told apart from the oracles, as
      `verdict` has it: by a score below theirs, the membership AUC or the distance of its outputs.
    - *no leftover seen*: none of these.

    Args:
        before: ``accuracy``, and ``spurious_score`` where there is a mark.
        after: the same, and of the others that `verdict` names those that were measured.
        oracle: as after, of m networks that were trained without the forgotten examples; None or m = 0: there are none.

    >>> before, after = {"spurious_score": 0.7, "accuracy": 0.87}, {"spurious_score": 0.1, "accuracy": 0.86}
    >>> print(verdict_on_one(before, after))
    no oracle: score before and after: 0.700 and 0.100
    >>> oracle = {"spurious_score": torch.tensor([0.05, 0.08, 0.12, 0.1, 0.06]), "accuracy": torch.full((5,), 0.87)}
    >>> print(verdict_on_one(before, after, oracle))
    no leftover seen: score 0.100, before 0.700; 5 oracles reach 0.120; p = 0.83 among them; not measured: membership
    AUC, distance to the oracles, distance on marked examples
    """
    if lost := [name for name, number in after.items() if name in ("spurious_score", "accuracy") and _no(number)]:
        return VerdictOnOne("breaks the model", f"its {' and '.join(lost).replace('_', ' ')} is not finite")
    if before["accuracy"] - after["accuracy"] > ACCURACY_MARGIN:
        cost = f"{after['accuracy']:.3f}, before {before['accuracy']:.3f}"
        return VerdictOnOne("breaks the model", f"it loses more than {ACCURACY_MARGIN} of test accuracy: {cost}")
    marked = "spurious_score" in after
    score = f"score {after['spurious_score']:.3f}, before {before['spurious_score']:.3f}" if marked else "no mark"
    count = len(next(iter(oracle.values()))) if oracle else 0
    if not oracle or not count:
        both = f"{before['spurious_score']:.3f} and {after['spurious_score']:.3f}" if marked else "no mark was named"
        return VerdictOnOne(NO_ORACLE, both)
    p = rank_among(after, oracle)
    if count < LEAST:
        return VerdictOnOne("undecided", f"{score}; {count} oracles, of which {LEAST} are needed", p, count)
    judged = Judged(_columns(before), _columns(after), oracle)
    name, what = _line(judged, oracle, marked)
    reach = f"; {count} oracles reach {judged.having_it('after', oracle['spurious_score']).reach:.3f}" if marked else ""
    missing = [each.title for key, each in TELLING.items() if not _measured(key, after, oracle)]
    left = f"; not measured: {', '.join(missing)}" if name == "no leftover seen" and missing else ""
    return VerdictOnOne(name, f"{what}{score}{reach}; p = {p:.2g} among them{left}", p, count)


def _line(judged: Judged, oracle: Mapping[str, Tensor], marked: bool) -> tuple[VerdictName, str]:
    """The line that holds, and what it begins its sentence with."""
    if marked:
        scores = oracle["spurious_score"]
        if not bool(judged.have_it("before", scores)):
            return "nothing to forget", "it went by the mark hardly more than the oracle that does most; "
        if bool(judged.have_it("after", scores)):
            fell = judged.rise("spurious_score", "before", "after", SCORE_MARGIN).share.count
            return ("partly", "it keeps some; ") if fell else ("does not forget", "it keeps it; ")
    told, counts = judged.told(oracle) if any(_measured(name, judged.after, oracle) for name in TELLING) else (None, [])
    if told and told.count:
        by = ", ".join(f"{one.title} ({one.after:.3f}, theirs {one.oracle:.3f})" for one in counts if one.share.count)
        return "partly", f"told apart from networks that never saw them, by {by}; "
    return "no leftover seen", ""


def rank_among(after: Numbers, oracle: Mapping[str, Float[Tensor, " m"]]) -> float:
    r"""The p-value of a network among oracles, over all measures that could tell it from them.

    Of each measure, :math:`z = |x - \text{mean}| / \max(\text{sd}, \text{margin})` over the network and the oracles, on
    the side where it would tell; the largest over measures is ranked. It is exact for a network that is one more
    oracle, but for distances, which of an oracle are to one oracle fewer.

    Args:
        after: of the network, by measure; those that are not in `TELLING` are not looked at.
        oracle: of the m oracles.

    Returns:
        (1 + the number of oracles that lie as far off) / (m + 1); NaN where nothing was measured.
    """
    largest: Tensor | None = None
    for name, telling in TELLING.items():
        if not _measured(name, after, oracle):
            continue
        every = torch.cat([torch.tensor([after[name]], dtype=torch.float64), oracle[name].double()])
        z = (every - every.mean()) / every.std().clamp(min=telling.margin)
        # a score above theirs is what is left of the mark
        z = z.abs() if telling.below else z
        largest = z if largest is None else torch.maximum(largest, z)
    return math.nan if largest is None else null_rank(float(largest[0]), largest[1:])


def _measured(name: str, after: Mapping[str, float | Tensor], oracle: Mapping[str, Tensor]) -> bool:
    """Whether there are finite numbers of the network and all oracles."""
    columns = [torch.as_tensor(numbers[name]) for numbers in (after, oracle) if name in numbers]
    return len(columns) == 2 and all(bool(column.isfinite().all()) for column in columns)


def _columns(numbers: Numbers) -> dict[str, Tensor]:
    """Of one network."""
    return {name: torch.tensor([number], dtype=torch.float64) for name, number in numbers.items()}


def _no(number: float) -> bool:
    return not math.isfinite(number)
