"""Claims 13 to 16: Quinn's report on spurious MNIST-1D."""

from collections.abc import Iterator
from functools import partial

from jaxtyping import Float64
from torch import Tensor

from spurlab.studies.claims.base import Claim
from spurlab.studies.claims.evidence import PLAIN, Evidence, Seeds
from spurlab.studies.claims.judge import Question, above, missing, too_few, unchanged

SOURCE = "Quinn (2024), An exploration of the effects of spurious correlations in deep learning, "
NETWORK = {"dataset": "mnist1d", "architecture": "mnist1d-cnn"}
SHARE = 0.9  # the report's p
READINGS = {"blocks": "value for each class", "blocks-signal": "for each signal", "blocks-feature": "for each feature"}
KINDS = {"accuracy": "accuracy", "worst_group": "worst group"}
PUBLISHED = {"base": {"accuracy": 0.96, "worst_group": 0.90}, "spurious": {"accuracy": 0.65, "worst_group": 0.44}}
NEAR = 0.05  # how far from a published number, read off one training run, still counts as the same
MARGIN = 0.02  # twenty of the 1,000 test signals: the smallest gain that would matter
FEWEST = 3

Numbers = dict[str, Float64[Tensor, " m"]]


def _pairs(evidence: Evidence, reading: str, kind: str, method: str = PLAIN) -> tuple[Seeds, Numbers] | None:
    """By role, what the networks of each seed have: ``base``, ``spurious`` and, of a method, ``repaired``."""
    rows = evidence.where(measure=kind, pattern=reading, share=(0.0, SHARE), **NETWORK)
    best: tuple[Seeds, Numbers] | None = None
    for _, same in rows.recipes():
        columns = ["share", "prevention"]
        wanted = {"base": (0.0, PLAIN), "spurious": (SHARE, PLAIN)}
        if method != PLAIN:
            wanted["repaired"] = (SHARE, method)
        there = set(same.rows[columns].itertuples(index=False, name=None))
        if not set(wanted.values()) <= there:
            continue
        keep = [place in set(wanted.values()) for place in same.rows[columns].itertuples(index=False, name=None)]
        clean = same.rows["clean"][keep]
        few = Evidence(same.rows[keep][clean == clean.min()])
        table = Seeds.of(few, columns)
        found = table, {role: table.values[place] for role, place in wanted.items()}
        if best is None or len(table.seeds) > len(best[0].seeds):
            best = found
    return best


def _each(
    evidence: Evidence, method: str = PLAIN, kinds: tuple[str, ...] = tuple(KINDS)
) -> Iterator[tuple[str, str, str, tuple[Seeds, Numbers] | None]]:
    for reading, words in READINGS.items():
        for kind in kinds:
            where = f"{words}, {KINDS[kind]}"
            yield reading, kind, where, _pairs(evidence, reading, kind, method)


def _counted(question: Question, reading: str) -> Question:
    """The report leaves open for what a value is drawn: for each class is the reading that counts."""
    return question if reading == "blocks" else Question(**vars(question) | {"of_paper": False})


def published(evidence: Evidence) -> Iterator[Question]:
    """Are accuracy and worst group, with and without the feature, near the report's?"""
    for reading, kind, where, found in _each(evidence):
        for role in ("base", "spurious"):
            place = f"{role}, {where}"
            if found is None:
                if reading == "blocks":
                    yield missing(place, "no networks with and without the feature", "quinn")
                continue
            table, numbers = found
            theirs = PUBLISHED[role][kind]
            if len(table.seeds) < FEWEST:
                yield _counted(too_few(place, table), reading)
                continue
            away = {"mean": numbers[role] - theirs}
            note = f"{numbers[role].mean().item():.3f} here, {theirs:.2f} published"
            yield _counted(unchanged(place, table, away, away, NEAR, note=note), reading)


def harmful(evidence: Evidence) -> Iterator[Question]:
    """Does the feature cost accuracy on clean test signals?"""
    for reading, _, where, found in _each(evidence):
        if found is not None:
            table, numbers = found
            yield _counted(above(where, table, numbers["base"], numbers["spurious"], MARGIN), reading)
        elif reading == "blocks":
            yield missing(where, "no networks with and without the feature", "quinn")


def repaired(evidence: Evidence, method: str = "dfr-plain") -> Iterator[Question]:
    """Does refitting the last layer on clean signals raise the accuracy?"""
    for reading, kind, where, found in _each(evidence, method):
        if found is not None:
            table, numbers = found
            question = _counted(above(where, table, numbers["repaired"], numbers["spurious"], MARGIN), reading)
            # of the worst group the report says that it gains little
            yield question if kind == "accuracy" else Question(**vars(question) | {"of_paper": False})
        elif reading == "blocks" and kind == "accuracy":
            yield missing(where, f"no networks after {method}", "quinn")


def not_repaired(evidence: Evidence, method: str = "afr-train") -> Iterator[Question]:
    """Does reweighting by the training examples leave accuracy and worst group where they were, or lower?"""
    for reading, _, where, found in _each(evidence, method):
        if found is not None:
            table, numbers = found
            lost = {"mean": numbers["spurious"] - numbers["repaired"]}
            question = unchanged(where, table, lost, lost, MARGIN, one_sided=True, note="positive: lost by reweighting")
            yield _counted(question, reading)
        elif reading == "blocks":
            yield missing(where, f"no networks after {method}", "quinn")


COMMON = partial(Claim, about="common features")
CLAIMS = {
    13: COMMON(
        number=13,
        statement="The MNIST-1D CNN has about 96 % accuracy and 90 % in the worst class; trained with blocks of noise "
        "on 90 % of the signals it has 65 % and 44 %.",
        source=f"{SOURCE}section 5, Figures 5 and 6",
        statistic="mean over seeds less the published number",
        test=f"the 95 % interval of the difference within +-{NEAR}; not reproduced where it lies wholly outside",
        questions=published,
    ),
    14: COMMON(
        number=14,
        statement="The spurious blocks lower accuracy and worst-group accuracy on clean test signals.",
        source=f"{SOURCE}section 5",
        statistic="paired difference between networks without and with the blocks, of the same seed",
        test=f"paired one-sided t-test over seeds, Holm over the parts, 5 %; margin {MARGIN}",
        questions=harmful,
    ),
    15: COMMON(
        number=15,
        statement="Refitting the last layer on a quarter of the clean signals raises the accuracy; the worst class "
        "gains little.",
        source=f"{SOURCE}section 5, Re-train",
        statistic="paired difference after and before, of the same network",
        test=f"paired one-sided t-test over seeds, Holm over the parts, 5 %; margin {MARGIN}. The gain of the worst "
        "class stands beside, since `little` is no number",
        questions=repaired,
    ),
    16: COMMON(
        number=16,
        statement="Reweighting the last layer by what the network gets wrong in training gains nothing.",
        source=f"{SOURCE}section 5, Re-weight",
        statistic="paired difference before and after, of the same network (positive: lost)",
        test=f"the 95 % interval of the mean above -{MARGIN}; not reproduced where it lies wholly below",
        questions=not_repaired,
    ),
}
