"""Claim 7: more parameters do not mean a higher score."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import combinations

from spurlab.claims.base import Claim
from spurlab.claims.evidence import PAPER_DATASETS, TARGETS, Evidence, LeftOut, Seeds, usual
from spurlab.claims.figure3 import FIGURE3, VARIED, of_colour, trained_with_sgd
from spurlab.claims.judge import FULL, SCORE_MARGIN, answers, below
from spurlab.claims.question import FEWEST, LEVEL, Question, missing, too_few
from spurlab.data import known
from spurlab.models import ARCHITECTURES, parameter_count, skeleton
from spurlab.stats import Estimate, holm, paired_difference, paired_test


def questions(evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset, from all pairs of architectures and all patterns."""
    for dataset in evidence.datasets("spurious_score"):
        sizes = _sizes(evidence, dataset)
        fixed = {"architecture": tuple(sizes), "target": TARGETS, **usual(dataset)}
        rows, varied = evidence.where(measure="spurious_score", dataset=dataset, **fixed), VARIED[:1]
        if of_colour(dataset):
            rows, varied = trained_with_sgd(rows, list(sizes)), VARIED
        what = "scores of two architectures with known numbers of parameters are needed"
        absent = missing(dataset, what, FIGURE3.get(dataset, ""), dataset in PAPER_DATASETS)
        yield from answers(rows, partial(_part, sizes), absent, varied)


def _sizes(evidence: Evidence, dataset: str) -> Mapping[str, int]:
    """The number of parameters of each architecture: measured, or counted in the zoo."""
    counted = evidence.where(measure="parameters", dataset=dataset).rows.dropna(subset=["value", "architecture"])
    sizes = {str(name): int(value) for name, value in zip(counted["architecture"], counted["value"], strict=True)}
    if entry := known(dataset):
        trained = set(evidence.where(measure="spurious_score", dataset=dataset).rows["architecture"])
        for name in sorted(trained & set(ARCHITECTURES) - set(sizes)):
            sizes[name] = parameter_count(skeleton(name, entry.shape, len(entry.class_names)))
    return sizes


def _part(sizes: Mapping[str, int], dataset: str, same: Evidence) -> Question | None:
    names = sorted(set(same.rows["architecture"]), key=lambda name: sizes[name])
    pairs = [(small, large) for small, large in combinations(names, 2) if sizes[small] < sizes[large]]
    lower: dict[str, float] = {}  # p-value that the larger network scores lower
    higher: dict[str, float] = {}  # and higher, where there is room for that
    change: dict[str, Estimate] = {}
    networks: frozenset[str] = frozenset()
    most, left_out, few = 0, set[LeftOut](), None
    for small, large in pairs:
        both = same.where(architecture=(small, large))
        for pattern in sorted(set(both.rows["pattern"].dropna())):
            rows = both.where(pattern=pattern).shared("architecture", (small, large), ["target", "n"])
            if not rows.counts():
                continue
            table = Seeds.of(rows, ["architecture", "target", "n"])
            left_out.add(table.left_out)
            if len(table.seeds) < FEWEST:
                few = table
                continue
            planted, control = ([c for c in table.values if (c[2] > 0) is marked] for marked in (True, False))
            score = {name: table.mean([c for c in planted if c[0] == name]) for name in (small, large)}
            # of both together: by chance a network that is picked for its own score scores less against another
            rise = table.mean(planted).mean() - (table.mean(control).mean() if control else 0.0)
            if rise <= SCORE_MARGIN:  # nobody scores: that is no news about size
                continue
            key = f"{large} ({sizes[large]:,}) less {small} ({sizes[small]:,}) on {pattern}"
            change[key] = paired_difference(score[large], score[small])
            tiny = below(paired_difference(score[small], score[large]), SCORE_MARGIN) < LEVEL  # a fall, if it is one
            lower[key] = 1.0 if tiny else paired_test(score[small], score[large])
            if score[small].mean() < FULL:
                higher[key] = paired_test(score[large], score[small])
            networks |= table.networks
            most = max(most, len(table.seeds))
    if not change:
        return too_few(dataset, few) if few else None
    corrected = dict(zip(lower, holm(list(lower.values())), strict=True))
    best = min(corrected, key=lambda key: (corrected[key], change[key].value))
    counts = {"lower": sum(p < LEVEL for p in corrected.values()), "higher": sum(p < LEVEL for p in higher.values())}
    return Question(
        dataset,
        "sizes",
        about=best,
        estimate=change[best],
        margin=SCORE_MARGIN,
        estimates=change,
        values=counts | {"with room": len(higher)},
        holds=corrected[best],
        fails=max(higher.values(), default=1.0),
        seeds=most,
        left_out=frozenset(left_out) - {LeftOut()},
        networks=networks,
    )


CLAIM = Claim(
    number=7,
    statement="Networks with more parameters do not always have higher spurious scores.",
    source="Yang et al. (2022), arXiv:2202.05189, section 3.3.2, Figure 3, Table 2",
    statistic="paired difference of the spurious score between a larger and a smaller network of the same recipe (on "
    "CIFAR-10 SGD, each at the paper's rate for it), mean over the shared n > 0 and targets, for each pair of "
    "architectures and each pattern that the two learn: on average they score more than 0.05 above n = 0",
    test='the claim says that counterexamples to "always higher" exist: one larger network that is lower (paired '
    "one-sided t-test over seeds, Holm over pairs and patterns, then over datasets, 5 %), and not surely by less than "
    "0.05. Equal scores are none: a small rise would look so. Not reproduced where the larger network "
    "is significantly higher in every comparison where the smaller scores below 0.95",
    questions=questions,
)
