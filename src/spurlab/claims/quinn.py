"""Claims 13 to 16: Quinn's report on spurious MNIST-1D."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pandas as pd
from jaxtyping import Float64
from torch import Tensor

from spurlab.claims import words
from spurlab.claims.base import Claim
from spurlab.claims.evidence import Evidence, Seeds, axes_off
from spurlab.claims.judge import above, unchanged
from spurlab.claims.published import published
from spurlab.claims.question import Question, missing
from spurlab.studies.axes import PLAIN

SOURCE = "Quinn (2024), An exploration of the effects of spurious correlations in deep learning, "
NETWORK = {"dataset": "mnist1d", "architecture": "mnist1d-cnn"}
SHARE = 0.9  # the report's p
CLEAN = 0.25  # the part of the clean signals that it refits on
CLASS = "blocks"  # the reading that counts
READINGS = {CLASS: "value for each class", "blocks-signal": "for each signal", "blocks-feature": "for each feature"}
KINDS = {"accuracy": "accuracy", "worst_group": "worst group"}
PUBLISHED = published("mnist1d")
PERCENT = [f"{100 * PUBLISHED[role][kind]:.0f} %" for role in PUBLISHED for kind in KINDS]
NEAR = 0.05  # how far from a published number, read off one training run, still counts as the same
MARGIN = 0.02  # twenty of the 1,000 test signals: the smallest gain that would matter
WITHOUT = "no networks of mnist1d-cnn with and without the feature"

Numbers = dict[str, Float64[Tensor, " m"]]


def _pairs(evidence: Evidence, reading: str, kind: str, method: str = PLAIN) -> tuple[Seeds, Numbers] | None:
    """By role, what the networks of each seed have: ``base``, ``spurious`` and, of a method, ``repaired``.

    Of several recipes the one with most seeds counts, then the longest, then the most precise.
    """
    wanted = {"base": (0.0, PLAIN), "spurious": (SHARE, PLAIN), "repaired": (SHARE, method)}
    if method == PLAIN:
        del wanted["repaired"]
    networks = evidence.where(measure=kind, pattern=reading, share=(0.0, SHARE), **NETWORK)
    best: tuple[tuple[float, ...], Seeds, Numbers] | None = None
    for settings, same in networks.recipes():
        if not axes_off().items() <= settings.items():
            continue
        roles = []
        for role, (share, done) in wanted.items():
            rows = same.where(share=share, prevention=done).rows
            # a network as it was trained is the same, whatever methods have clean beside it
            clean = rows["clean"].fillna(0.0)
            roles.append(rows[clean == (CLEAN if role == "repaired" else clean.min())])
        if any(rows.empty for rows in roles):
            continue
        table = Seeds.of(Evidence(pd.concat(roles)), ["share", "prevention"])
        rank = float(len(table.seeds)), float(settings["epochs"] or 0), float(settings["precision"] == "float32")
        if best is None or rank > best[0]:
            best = rank, table, {role: table.values[place] for role, place in wanted.items()}
    return best and best[1:]


def _places(evidence: Evidence, method: str = PLAIN) -> Iterator[tuple[str, str, str, tuple[Seeds, Numbers] | None]]:
    """By reading and kind: where it is, and what the networks have."""
    for reading, drawn in READINGS.items():
        for kind, name in KINDS.items():
            yield reading, kind, f"{drawn}, {name}", _pairs(evidence, reading, kind, method)


def as_published(evidence: Evidence) -> Iterator[Question]:
    """Are accuracy and worst group, with and without the feature, near the report's?"""
    for reading, kind, where, pairs in _places(evidence):
        for role, theirs in PUBLISHED.items():
            place = f"{role}, {where}"
            if pairs is not None:
                table, numbers = pairs
                away = {"mean": numbers[role] - theirs[kind]}
                here, claimed = {"here": numbers[role].mean().item()}, {"published": theirs[kind]}
                question = unchanged(place, table, away, away, NEAR, note="published", values=here, published=claimed)
                yield replace(question, of_paper=reading == CLASS)
            elif reading == CLASS:
                yield missing(place, WITHOUT, "quinn")


def nearest_reading(evidence: Evidence) -> str:
    """Which reading of the value fits the report's numbers best, by the mean distance to those with the feature."""
    away: dict[str, list[float]] = {}
    for reading, kind, _, pairs in _places(evidence):
        if pairs is not None:
            distance = pairs[1]["spurious"].mean().item() - PUBLISHED["spurious"][kind]
            away.setdefault(READINGS[reading], []).append(abs(distance))
    means = {name: sum(distances) / len(KINDS) for name, distances in away.items() if len(distances) == len(KINDS)}
    return words.nearest(means) if len(means) > 1 else ""


def compared(
    evidence: Evidence, ask: Callable[[str, Seeds, Numbers], Question], method: str = PLAIN, *kinds: str
) -> Iterator[Question]:
    """The question for each reading and kind.

    Args:
        evidence: the networks.
        ask: makes it from where it is, the seeds and their numbers.
        method: that repairs; where none does, the networks with the feature stand beside those without.
        kinds: those that the report makes a claim of, where not all; the others stand beside.
    """
    lacking = WITHOUT if method == PLAIN else f"no networks after {method}"
    for reading, kind, where, pairs in _places(evidence, method):
        claimed = reading == CLASS and kind in (kinds or KINDS)  # the report leaves open for what a value is drawn
        if pairs is not None:
            yield replace(ask(where, *pairs), of_paper=claimed)
        elif claimed:
            yield missing(where, lacking, "quinn")


def _harm(where: str, table: Seeds, numbers: Numbers) -> Question:
    return above(where, table, numbers["base"], numbers["spurious"], MARGIN)


def _gain(where: str, table: Seeds, numbers: Numbers) -> Question:
    return above(where, table, numbers["repaired"], numbers["spurious"], MARGIN)


def _loss(where: str, table: Seeds, numbers: Numbers) -> Question:
    lost = {"mean": numbers["spurious"] - numbers["repaired"]}
    return unchanged(where, table, lost, lost, MARGIN, one_sided=True, note="lost")


CLAIMS = (
    Claim(
        number=13,
        statement="The MNIST-1D CNN has about {} accuracy and {} in the worst class; trained with blocks of noise on "
        "90 % of the signals it has {} and {}.".format(*PERCENT),
        source=f"{SOURCE}section 5, Figures 5 and 6",
        statistic="mean over seeds less the published number",
        test=f"the 95 % interval of the difference within +-{NEAR}; not reproduced where it lies wholly outside",
        questions=as_published,
        remark=nearest_reading,
        about="common features",
    ),
    Claim(
        number=14,
        statement="The spurious blocks lower accuracy and worst-group accuracy on clean test signals.",
        source=f"{SOURCE}section 5",
        statistic="paired difference between networks without and with the blocks, of the same seed",
        test=f"paired one-sided t-test over seeds, Holm over the parts, 5 %; margin {MARGIN}",
        questions=lambda rows: compared(rows, _harm),
        about="common features",
    ),
    Claim(
        number=15,
        statement="Refitting the last layer on a quarter of the clean signals raises the accuracy; the worst class "
        "gains little.",
        source=f"{SOURCE}section 5, Re-train",
        statistic="paired difference after and before, of the same network",
        test=f"paired one-sided t-test over seeds, Holm over the parts, 5 %; margin {MARGIN}. The gain of the worst "
        "class stands beside, since `little` is no number",
        questions=lambda rows: compared(rows, _gain, "dfr-plain", "accuracy"),
        about="common features",
    ),
    Claim(
        number=16,
        statement="Reweighting the last layer by what the network gets wrong in training gains nothing.",
        source=f"{SOURCE}section 5, Re-weight",
        statistic="paired difference before and after, of the same network (positive: lost)",
        test=f"the 95 % interval of the mean above -{MARGIN}; not reproduced where it lies wholly below",
        questions=lambda rows: compared(rows, _loss, "afr-train"),
        about="common features",
    ),
)
