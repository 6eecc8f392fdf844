"""Several questions of one audit: p-values that hold for all of them together."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from spurlab.audit.pull import LEVEL, Pull
from spurlab.audit.unknown import Unknown
from spurlab.stats import holm, largest_of_all


def together(pulls: Sequence[Pull], unknown: Sequence[Unknown]) -> tuple[list[Pull], list[Unknown]]:
    """The same findings with p-values that hold for all: of 100 networks that go by none of it, 5 have one below .05.

    What reference networks tell (marks, what few examples share, searches by the network) is ranked by the largest
    standardised statistic of each network over all that was asked, so that 19 networks do for any number of questions.
    The p-values of marks among marks like them are Holm's. Where there are both kinds, each is doubled.

    A mark with so few marks like it that its p could not be .05 beside the others is not tested: that is told by their
    numbers alone, the fewest first. Beside fewer than 39 reference networks no mark among marks like it is tested.

    Args:
        pulls: of each named mark.
        unknown: of marks that nobody named.

    Returns:
        Both in the order given. ``p_alone`` stays; what was not tested has NaN.
    """
    asked = [one for one in pulls if not math.isnan(one.p_alone)]
    by_networks: list[Pull | Unknown] = [one for one in asked if one.against == "reference networks"]
    by_networks += [one for one in unknown if len(one.standardised)]
    alike = [one for one in asked if one.against == "marks like it"]
    alike.sort(key=lambda one: one.available, reverse=True)
    kinds = 1 + bool(by_networks)
    needed = {}
    if by_networks and len(by_networks[0].standardised) * LEVEL < kinds:
        needed, alike = {id(one): _needed(2 * len(alike)) for one in alike}, []
    while alike and alike[-1].available < _needed(kinds * len(alike)):
        needed[id(alike[-1])] = _needed(kinds * len(alike))
        alike.pop()
    kinds = bool(by_networks) + bool(alike)
    adjusted = dict(zip(map(id, alike), holm([one.p_alone for one in alike]), strict=True))
    if by_networks:
        every = torch.stack([one.standardised for one in by_networks], dim=1)
        adjusted |= zip(map(id, by_networks), largest_of_all(every[0], every[1:]), strict=True)

    def p(of: Pull | Unknown) -> float:
        return min(1.0, kinds * adjusted[id(of)]) if id(of) in adjusted else math.nan

    return (
        [replace(one, p=p(one), needed=needed.get(id(one), one.needed)) for one in pulls],
        [replace(one, p=p(one)) for one in unknown],
    )


def _needed(questions: int) -> int:
    """How many marks like one must be drawn, for Bonferroni's p to be .05 at best."""
    return math.ceil(questions / LEVEL) - 1
