"""Claims 13 to 16: Quinn's report on spurious MNIST-1D. Networks with fewer steps than its own stand beside."""

from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
from jaxtyping import Float64
from torch import Tensor

from spurlab.claims import words
from spurlab.claims.base import Claim
from spurlab.claims.evidence import OFF, Evidence, Seeds, Settings, axes_off
from spurlab.claims.judge import above, best_of, unchanged
from spurlab.claims.published import published
from spurlab.claims.question import Question, missing
from spurlab.measures import is_lumpy
from spurlab.stats import mean_of
from spurlab.studies.axes import PLAIN

SOURCE = "Quinn (2024), An exploration of the effects of spurious correlations in deep learning, "
NETWORK = {"dataset": "mnist1d", "architecture": "mnist1d-cnn"}
# what the report trains with, of which it names the batches and the optimizer; 150 epochs of its 4,000 signals are the
# 6,000 steps of the notebook that it takes its network from. With fewer a network is another one
PUBLISHED_RECIPE: Settings = {"optimizer": "adam", "batch_size": 100, "epochs": 150, "precision": "float32", **OFF}
TO_RUN = "quinn with the profile paper"
SHARE = 0.9  # the report's p
CLEAN = 0.25  # the part of the clean signals that it refits on
CLASS = "blocks"  # the reading that counts
READINGS = {CLASS: "value for each class", "blocks-signal": "for each signal", "blocks-feature": "for each feature"}
KINDS = {"accuracy": "accuracy", "worst_group": "worst group"}
PUBLISHED = published("mnist1d")
PERCENT = [f"{100 * PUBLISHED[role][kind]:.0f} %" for role in PUBLISHED for kind in KINDS]
NEAR = 0.05  # how far from a published number, read off one training run, still counts as the same
ALL_STEPS = "of networks with all of its 6,000 steps: others stand beside"
MARGIN = 0.02  # twenty of the 1,000 test signals: the smallest gain that would matter
WITHOUT = "no networks of mnist1d-cnn with and without the feature"

Numbers = dict[str, Float64[Tensor, " m"]]


Ask = Callable[[str, Seeds, Numbers], Question]


def _pairs(
    evidence: Evidence, reading: str, kind: str, method: str = PLAIN
) -> Iterator[tuple[Settings, Seeds, Numbers]]:
    """Of each recipe, what the networks of each seed have, by role: ``base``, ``spurious`` and ``repaired``."""
    wanted = {"base": (0.0, PLAIN), "spurious": (SHARE, PLAIN), "repaired": (SHARE, method)}
    if method == PLAIN:
        del wanted["repaired"]
    networks = evidence.where(measure=kind, pattern=reading, share=(0.0, SHARE), **NETWORK)
    for settings, same in networks.recipes():
        if not axes_off().items() <= settings.items():
            continue
        roles = []
        for role, (share, done) in wanted.items():
            rows = same.where(share=share, prevention=done).rows
            # a network as it was trained is the same, whatever methods have clean beside it
            clean = rows["clean"].fillna(0.0)
            roles.append(rows[clean == (CLEAN if role == "repaired" else clean.min())])
        if not any(rows.empty for rows in roles):
            table = Seeds.of(Evidence(pd.concat(roles)), ["share", "prevention"])
            yield settings, table, {role: table.values[place] for role, place in wanted.items()}


def _answered(
    evidence: Evidence, ask: Ask, where: str, reading: str, kind: str, method: str = PLAIN, *, claimed: bool
) -> list[Question]:
    """The question for one reading and kind; the recipe nearest to the report's counts, if that has all its steps."""
    pairs = _pairs(evidence, reading, kind, method)
    candidates = [(settings, ask(where, table, numbers)) for settings, table, numbers in pairs]
    absent = missing(where, WITHOUT if method == PLAIN else f"no networks after {method}", TO_RUN)
    return best_of(candidates, of_paper=claimed, absent=absent, protocol=lambda _: [PUBLISHED_RECIPE])


def _places() -> Iterator[tuple[str, str, str]]:
    """By reading and kind, what they are called."""
    for reading, drawn in READINGS.items():
        for kind, name in KINDS.items():
            yield reading, kind, f"{drawn}, {name}"


def as_published(evidence: Evidence) -> Iterator[Question]:
    """Are accuracy and worst group, with and without the feature, near the report's?"""
    for reading, kind, where in _places():
        for role, theirs in PUBLISHED.items():
            ask = partial(_near, role, theirs[kind], kind)
            yield from _answered(evidence, ask, f"{role}, {where}", reading, kind, claimed=reading == CLASS)


def _near(role: str, theirs: float, kind: str, where: str, table: Seeds, numbers: Numbers) -> Question:
    away = {"mean": numbers[role] - theirs}
    here, claimed = {"here": mean_of(numbers[role].tolist())}, {"published": theirs}
    normal = not is_lumpy(kind)
    return unchanged(where, table, away, away, NEAR, normal=normal, note="published", values=here, published=claimed)


def nearest_reading(evidence: Evidence) -> str:
    """Which reading of the value fits the report's numbers best, by the mean distance to those with the feature.

    Of several recipes the one with most seeds is taken, then the longest, then the most precise.
    """
    away: dict[str, list[float]] = {}
    for reading, kind, _ in _places():
        if pairs := list(_pairs(evidence, reading, kind)):
            _, _, numbers = max(pairs, key=_rank)
            distance = numbers["spurious"].mean().item() - PUBLISHED["spurious"][kind]
            away.setdefault(READINGS[reading], []).append(abs(distance))
    means = {name: sum(distances) / len(KINDS) for name, distances in away.items() if len(distances) == len(KINDS)}
    return words.nearest(means) if len(means) > 1 else ""


def _rank(pair: tuple[Settings, Seeds, Numbers]) -> tuple[int, float, bool]:
    settings, table, _ = pair
    return len(table.seeds), float(settings["epochs"] or 0), settings["precision"] == "float32"


def compared(evidence: Evidence, ask: Callable[..., Question], method: str = PLAIN, *kinds: str) -> Iterator[Question]:
    """The question for each reading and kind.

    Args:
        evidence: the networks.
        ask: makes it from the kind, where it is, the seeds and their numbers.
        method: that repairs; where none does, the networks with the feature stand beside those without.
        kinds: those that the report makes a claim of, where not all; the others stand beside.
    """
    for reading, kind, where in _places():
        claimed = reading == CLASS and kind in (kinds or KINDS)  # the report leaves open for what a value is drawn
        yield from _answered(evidence, partial(ask, kind), where, reading, kind, method, claimed=claimed)


def _harm(kind: str, where: str, table: Seeds, numbers: Numbers) -> Question:
    return above(where, table, numbers["base"], numbers["spurious"], MARGIN, normal=not is_lumpy(kind))


def _gain(kind: str, where: str, table: Seeds, numbers: Numbers) -> Question:
    return above(where, table, numbers["repaired"], numbers["spurious"], MARGIN, normal=not is_lumpy(kind))


def _loss(kind: str, where: str, table: Seeds, numbers: Numbers) -> Question:
    lost = {"mean": numbers["spurious"] - numbers["repaired"]}
    return unchanged(where, table, lost, lost, MARGIN, one_sided=True, normal=not is_lumpy(kind), note="lost")


CLAIMS = (
    Claim(
        number=13,
        statement="The MNIST-1D CNN has about {} accuracy and {} in the worst class; trained with blocks of noise on "
        "90 % of the signals it has {} and {}.".format(*PERCENT),
        source=f"{SOURCE}section 5, Figures 5 and 6",
        statistic=f"mean over seeds less the published number, {ALL_STEPS}",
        test=f"more than half of all networks within +-{NEAR}, at 5 %; not where more than half are beyond on one side",
        questions=as_published,
        remark=nearest_reading,
        about="common features",
    ),
    Claim(
        number=14,
        statement="The spurious blocks lower accuracy and worst-group accuracy on clean test signals.",
        source=f"{SOURCE}section 5",
        statistic=f"paired difference between networks without and with the blocks, of the same seed; {ALL_STEPS}",
        test=f"more than half of all networks by more than {MARGIN}, at 5 %",
        questions=lambda rows: compared(rows, _harm),
        about="common features",
    ),
    Claim(
        number=15,
        statement="Refitting the last layer on a quarter of the clean signals raises the accuracy; the worst class "
        "gains little.",
        source=f"{SOURCE}section 5, Re-train",
        statistic=f"paired difference after and before, of the same network; {ALL_STEPS}",
        test=f"more than half of all networks by more than {MARGIN}, at 5 %. The gain of the worst class stands "
        "beside, since `little` is no number",
        questions=lambda rows: compared(rows, _gain, "dfr-plain", "accuracy"),
        about="common features",
    ),
    Claim(
        number=16,
        statement="Reweighting the last layer by what the network gets wrong in training gains nothing.",
        source=f"{SOURCE}section 5, Re-weight",
        statistic=f"paired difference before and after, of the same network (positive: lost); {ALL_STEPS}",
        test=f"more than half of all networks not below -{MARGIN}, at 5 %; not where more than half are",
        questions=lambda rows: compared(rows, _loss, "afr-train"),
        about="common features",
    ),
)
