"""Claim 3: the accuracy does not tell."""

from collections.abc import Iterator
from dataclasses import replace

from jaxtyping import Float64
from torch import Tensor

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, Evidence, Seeds
from spurlab.claims.figure2 import TO_RUN, lacking, the_rest
from spurlab.claims.judge import ACCURACY_MARGIN, answers, unchanged
from spurlab.claims.published import published, short
from spurlab.claims.question import Question, missing
from spurlab.measures import is_lumpy

PUBLISHED, RANGE = published("accuracy"), published("accuracy_range")
LEAST = 0.5  # a network that is right less often has hardly any accuracy to lose; the paper's are far above


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset, and one for what of Figure 2 its rows lack."""
    for dataset in evidence.datasets("accuracy"):
        rows, of_paper = evidence.of_paper_network("accuracy", dataset), dataset in PAPER_DATASETS
        absent = missing(dataset, "no accuracies at n = 0 and above", TO_RUN.get(dataset, ""), of_paper)
        told = answers(rows, _part, absent)
        yield from told
        yield from the_rest(dataset, told)


def _part(dataset: str, same: Evidence) -> Question | None:
    if not same.having("n", (0,)) or not same.counts():
        return None
    table = Seeds.of(same, ["pattern", "target", "n"])
    control = table.mean([cell for cell in table.values if cell[2] == 0])  # one network, listed for each pattern
    whole: dict[str, Float64[Tensor, " m"]] = {}
    cells: dict[str, Float64[Tensor, " m"]] = {}
    for n in reversed(same.counts()):  # if any costs accuracy, the largest does
        planted = [cell for cell in table.values if cell[2] == n]
        whole[f"n = {n}"] = table.mean(planted) - control
        cells |= {f"{p}, target {t}, n = {n}": table.values[p, t, n] - control for p, t, _ in planted}
    networks = same.rows.drop_duplicates("network")["value"].dropna()
    values = {"networks": len(networks), "at n = 0": control.mean().item()}
    values |= {"min": networks.min(), "max": networks.max(), "mean": networks.mean(), "sd": networks.std()}
    theirs, nothing = PUBLISHED.get(dataset, {}), "nothing to lose" if values["at n = 0"] < LEAST else ""
    beside = {"values": values, "published": theirs, "untestable": nothing, "normal": not is_lumpy("accuracy")}
    question = unchanged(dataset, table, whole, cells, ACCURACY_MARGIN, note="range", **beside)
    return replace(question, lacks=lacking(dataset, same))


CLAIM = Claim(
    number=3,
    statement="The test accuracy hardly changes with the number of marked examples.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3",
    statistic="paired difference of the accuracy on clean test images between each n > 0 and n = 0, mean over patterns "
    "and targets; and the same for each pattern and target alone",
    test="reproduced where more than half of all networks are shown to stay within +-0.01 at every n, in the mean over "
    f"patterns and targets (the paper's own networks range over {short(RANGE['least'], 3)} to "
    f"{short(RANGE['most'], 3)}); not where more than half are shown to lie beyond on one side, at the largest n or "
    "else at another, or in a single pattern, target and n (Holm). All patterns, targets and n of Figure 2 must be "
    "there. Undecided where the accuracy at n = 0 is below 0.5",
    questions=questions,
)
