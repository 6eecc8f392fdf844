"""Several questions of one audit: p-values that hold for all of them together."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from spurlab.audit.pull import Pull
from spurlab.audit.unknown import Unknown
from spurlab.stats import holm, largest_of_all


def together(pulls: Sequence[Pull], unknown: Sequence[Unknown]) -> tuple[list[Pull], list[Unknown]]:
    """The same findings with p-values of which one at .05 or below is a false alarm in at most 5 % of all audits.

    What reference networks tell (marks, what few examples share, searches by the network) is ranked by the largest
    standardised statistic of each network over all that was asked, so that 19 networks do for any number of questions.
    The p-values of marks among marks like them are Holm's. Where there are both kinds, each is doubled.

    Args:
        pulls: of each named mark.
        unknown: of marks that nobody named.

    Returns:
        Both in the order given. ``p_alone`` stays; what was not tested stays NaN.
    """
    tested = [one for one in pulls if not math.isnan(one.p_alone)]
    alike = [one for one in tested if one.against == "marks like it"]
    by_networks: list[Pull | Unknown] = [one for one in tested if one.against == "reference networks"]
    by_networks += [one for one in unknown if len(one.standardised)]
    kinds = bool(alike) + bool(by_networks)
    adjusted = dict(zip(map(id, alike), holm([one.p_alone for one in alike]), strict=True))
    if by_networks:
        every = torch.stack([one.standardised for one in by_networks], dim=1)
        adjusted |= zip(map(id, by_networks), largest_of_all(every[0], every[1:]), strict=True)

    def p(of: Pull | Unknown) -> float:
        return min(1.0, kinds * adjusted[id(of)]) if id(of) in adjusted else of.p

    return [replace(one, p=p(one)) for one in pulls], [replace(one, p=p(one)) for one in unknown]
