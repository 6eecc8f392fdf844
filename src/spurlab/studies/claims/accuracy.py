"""Claim 3: the accuracy does not tell."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float64
from torch import Tensor

from spurlab.studies.claims.base import Claim
from spurlab.studies.claims.evidence import PAPER_DATASETS, PATTERNS, TARGETS, Evidence, Seeds
from spurlab.studies.claims.judge import ACCURACY_MARGIN, Question, best_of, missing, unchanged
from spurlab.studies.claims.three_examples import FIGURE2

PUBLISHED = {  # min, max, mean, standard deviation over the networks of Figure 2
    "mnist": (0.976, 0.983, 0.980, 0.001),
    "fashion-mnist": (0.859, 0.889, 0.880, 0.005),
    "cifar10": (0.837, 0.857, 0.846, 0.003),
}
LARGEST = {"mnist": 5000, "fashion-mnist": 5000, "cifar10": 500}


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset, and one for what of Figure 2 its rows lack."""
    for dataset in evidence.datasets("accuracy"):
        of_paper = dataset in PAPER_DATASETS
        candidates = []
        for settings, same in evidence.of_paper_network("accuracy", dataset).recipes():
            if same.having("n", (0,)) and same.counts():
                candidates.append((settings, _part(dataset, same)))
        if of_paper and not candidates:
            yield missing(dataset, "no accuracies at n = 0 and above", FIGURE2[dataset])
        yield from best_of(dataset, candidates, of_paper=of_paper)
        if of_paper and candidates and (lacking := _lacking(evidence, dataset)):
            yield missing(f"{dataset}, the rest of Figure 2", f"no accuracies of {lacking}", FIGURE2[dataset])


def _part(dataset: str, same: Evidence) -> Question:
    table = Seeds.of(same, ["pattern", "target", "n"])
    control = table.mean([cell for cell in table.values if cell[2] == 0])  # one network, listed for each pattern
    whole: dict[str, Float64[Tensor, " m"]] = {}
    cells: dict[str, Float64[Tensor, " m"]] = {}
    for n in same.counts():
        there = [cell for cell in table.values if cell[2] == n]
        whole[f"n = {n}"] = table.mean(there) - control
        cells |= {f"{p}, target {t}, n = {n}": table.values[p, t, n] - control for p, t, _ in there}
    networks = same.rows.drop_duplicates("network")["value"].dropna()
    numbers = [float(x) for x in (networks.min(), networks.max(), networks.mean(), networks.std())]
    note = f"{len(networks)} networks: min, max, mean, sd {_four(numbers)}"
    if dataset in PUBLISHED:
        note += f", published {_four(PUBLISHED[dataset])}"
    return unchanged(dataset, table, whole, cells, ACCURACY_MARGIN, note=note)


def _lacking(evidence: Evidence, dataset: str) -> str:
    rows = evidence.of_paper_network("accuracy", dataset)
    rows = rows.where(n=tuple(rows.counts()))
    gaps = [p for p in PATTERNS if not rows.having("pattern", (p,))]
    gaps += [f"target {t}" for t in TARGETS if not rows.having("target", (t,))]
    gaps += [f"n = {LARGEST[dataset]}"] * (not rows.having("n", (LARGEST[dataset],)))
    return ", ".join(gaps)


def _four(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.3f}" for number in numbers)


CLAIM = Claim(
    number=3,
    statement="The test accuracy hardly changes with the number of marked examples.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3",
    statistic="paired difference of the accuracy on clean test images between each n > 0 and n = 0, mean over patterns "
    "and targets; and the same for each pattern and target alone",
    test="every 95 % interval of the means within +-0.01 (the paper's own networks range over .006 to .030), and no "
    "single pattern, target and n wholly outside (Holm); all patterns, both targets and the largest n must be there",
    questions=questions,
)
