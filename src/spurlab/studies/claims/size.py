"""Claim 7: more parameters do not mean a higher score."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import torch

from spurlab.data import DATASETS
from spurlab.models import ARCHITECTURES, build, parameter_count
from spurlab.stats import Estimate, holm, mean_above, paired_difference, paired_test
from spurlab.studies.claims.base import Claim
from spurlab.studies.claims.evidence import OFF, PAPER_DATASETS, TARGETS, Evidence, Seeds
from spurlab.studies.claims.judge import FEWEST, LEVEL, SCORE_MARGIN, Question, below, best_of, missing, too_few


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset, from all pairs of architectures and all patterns."""
    for dataset in evidence.datasets("spurious_score"):
        sizes = _sizes(evidence, dataset)
        rows = evidence.where(
            measure="spurious_score", dataset=dataset, architecture=tuple(sizes), target=TARGETS, **OFF
        )
        candidates = []
        for settings, same in rows.recipes(["architecture"]):
            if question := _part(dataset, same, sizes):
                candidates.append((settings, question))
        of_paper = dataset in PAPER_DATASETS
        if of_paper and not candidates:
            what = "scores of two architectures with known numbers of parameters are needed"
            yield missing(dataset, what, f"fig2 on {dataset} with several architectures")
        yield from best_of(dataset, candidates, of_paper=of_paper)


def _sizes(evidence: Evidence, dataset: str) -> Mapping[str, int]:
    """The number of parameters of each architecture: measured, or counted in the zoo."""
    counted = evidence.where(measure="parameters", dataset=dataset).rows.dropna(subset="value")
    sizes = {str(name): int(value) for name, value in zip(counted["architecture"], counted["value"], strict=True)}
    if dataset in DATASETS:
        entry = DATASETS[dataset]
        there = set(evidence.where(measure="spurious_score", dataset=dataset).rows["architecture"])
        with torch.device("meta"):  # the weights themselves are not needed
            for name in sorted(there & set(ARCHITECTURES) - set(sizes)):
                sizes[name] = parameter_count(build(name, entry.shape, len(entry.class_names), seed=0))
    return sizes


def _part(dataset: str, same: Evidence, sizes: Mapping[str, int]) -> Question | None:
    names = sorted(set(same.rows["architecture"]), key=lambda name: sizes[name])
    pairs = [(small, large) for small, large in combinations(names, 2) if sizes[small] < sizes[large]]
    compared: dict[str, tuple[float, float, Estimate]] = {}
    networks: frozenset[str] = frozenset()
    most, left_out, few = 0, set[str](), None
    for small, large in pairs:
        both = same.where(architecture=(small, large))
        for pattern in sorted(set(both.rows["pattern"])):
            rows = both.where(pattern=pattern).rows
            shared = rows.groupby(["target", "n"])["architecture"].transform("nunique") == 2
            rows = rows[shared]
            if not (rows["n"] > 0).any():
                continue
            table = Seeds.of(Evidence(rows), ["architecture", "target", "n"])
            left_out |= {table.left_out} - {""}
            if len(table.seeds) < FEWEST:
                few = table
                continue
            planted, control = ([c for c in table.values if (c[2] > 0) is marked] for marked in (True, False))
            score = {name: table.mean([c for c in planted if c[0] == name]) for name in (small, large)}
            base = [c for c in control if c[0] == small]
            learnt = score[small].mean() - (table.mean(base).mean() if base else 0.0) > SCORE_MARGIN
            if not learnt:  # nobody scores: that is no news about size
                continue
            difference = paired_difference(score[large], score[small])
            key = f"{large} ({sizes[large]:,}) less {small} ({sizes[small]:,}) on {pattern}"
            compared[key] = (below(difference, SCORE_MARGIN), paired_test(score[large], score[small]), difference)
            networks |= table.networks
            most = max(most, len(table.seeds))
    if not compared:
        return too_few(dataset, few) if few else None
    not_higher = dict(zip(compared, holm([c[0] for c in compared.values()]), strict=True))
    higher = dict(zip(compared, holm([c[1] for c in compared.values()]), strict=True))
    # a difference that is surely there, if small, is no counterexample
    counter = {key: p if higher[key] >= LEVEL else 1.0 for key, p in not_higher.items()}
    best = min(compared, key=lambda key: (counter[key], compared[key][2].value))
    word = "lower" if mean_above(compared[best][2], 0.0) > 1 - LEVEL / 2 else "not higher by 0.05"
    finding = f"{best}: {compared[best][2]:+.3f} over {compared[best][2].models} seeds"
    if counter[best] < LEVEL:
        finding += f", {word}"
    finding += f"; {len(compared)} comparisons, higher in {sum(p < LEVEL for p in higher.values())}"
    return Question(
        dataset,
        "; ".join([finding, *sorted(left_out)]),
        f"{compared[best][2].value:+.3f}",
        holds=counter[best],
        fails=max(higher.values()),
        seeds=most,
        networks=networks,
        wanted="run more seeds",
    )


CLAIM = Claim(
    number=7,
    statement="Networks with more parameters do not always have higher spurious scores.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3.2, Figure 3, Table 2",
    statistic="paired difference of the spurious score between a larger and a smaller network of the same recipe, mean "
    "over the shared n > 0 and targets, for each pair of architectures and each pattern that the smaller one learns",
    test="the claim says that counterexamples exist: one larger network whose 95 % interval lies below +0.05 (Holm "
    "over pairs, patterns and datasets) and that is not significantly higher. Not reproduced where the larger network "
    "is significantly higher in every comparison",
    questions=questions,
)
