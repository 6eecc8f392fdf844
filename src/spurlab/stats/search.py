"""Which networks to train next to find n*, where every network's curve is taken to rise."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.stats.learnt import Known
from spurlab.stats.looks import Looks

Part = Mapping[int, Bool[Tensor, " m"]]  # by n, some of the networks


def asked_next(
    scores: Mapping[int, Float[Tensor, " m"]],
    baseline: Float[Tensor, " m0"],
    level: float = 0.05,
    most: int | None = None,
) -> dict[int, list[int]]:
    """The networks to train next, until :func:`spurlab.stats.learnt_at` says what it would say of all of them.

    A network that learns the pattern from n examples is taken to learn it from more. Then the smallest n from which it
    learns says all of a network, and few n must be looked at: one network is bracketed by halves, the others are asked
    at its n and at the n below, and where they differ, near it. What is shown at an n is counted by networks that were
    trained with that n, each test at the whole level; the assumption decides only where to look. If curves rise, those
    tests are of one and the same networks, and the search errs no more often than a single test. If it is another half
    of the networks that learns at each n, it errs in a tenth of searches with five networks (`benchmarks/calibration.py`).

    Args:
        scores: for each n > 0 of the grid, the score in [0, 1] of each network; NaN: not trained.
        baseline: the scores of the same networks at n = 0.
        level: as of :func:`spurlab.stats.learnt_at`.
        most: likewise.

    Returns:
        By n, the places of the networks to train. Nothing: the answer is known.

    >>> import torch
    >>> baseline, unknown = torch.zeros(5), torch.full((5,), torch.nan)
    >>> asked_next({1: unknown, 3: unknown, 10: unknown}, baseline)
    {3: [0]}
    >>> first = lambda score: torch.cat([torch.tensor([score]), unknown[1:]])
    >>> asked_next({1: first(0.0), 3: first(0.8), 10: unknown}, baseline)
    {3: [1, 2, 3, 4]}
    """
    measured, needed, grid = Known.of(scores, baseline), Looks(most, level).needed(len(baseline)), sorted(scores)
    known = measured.rising()
    guess = _bracketed(known)
    asked = _to_show(known.learn, known.do_not, measured.learn, grid, needed, guess)
    asked = asked or _to_show(known.do_not, known.learn, measured.do_not, grid[::-1], needed, guess)
    return _halved(known) if asked and guess is None else asked


def _to_show(
    do: Part, do_not: Part, measured: Part, grid: Sequence[int], needed: int, guess: int | None
) -> dict[int, list[int]]:
    """The networks to train next to find the first n at which as many as needed do something, and to count them there.

    Args:
        do: the networks that do it, as far as it is known.
        do_not: those that do not.
        measured: those that do it and were trained with this n.
        grid: all n, in an order in which a network that does it at one does it at all that follow.
        needed: how many must do it.
        guess: where to look first.
    """
    found = next((place for place, n in enumerate(grid) if int(do[n].sum()) >= needed), len(grid))
    if still_open := [n for n in grid[:found] if int((~do_not[n]).sum()) >= needed]:
        n = _nearest(still_open, sorted(grid), guess)
        asked, left = ~do[n] & ~do_not[n], needed - int(do[n].sum())
    elif found < len(grid):
        n = grid[found]
        asked, left = do[n] & ~measured[n], needed - int(measured[n].sum())
    else:
        return {}
    return {n: asked.nonzero().flatten()[:left].tolist()} if left > 0 else {}


def _bracketed(known: Known) -> int | None:
    """The place of the n from which the networks on which all is known learn it: their median; None: there are none."""
    learn, do_not = (torch.stack(list(part.values())) for part in (known.learn, known.do_not))
    complete = (learn | do_not).all(0)
    return int(do_not[:, complete].sum(0).median()) if complete.any() else None


def _halved(known: Known) -> dict[int, list[int]]:
    """The network of which most is known, at the middle of what is not."""
    unknown = {n: ~(known.learn[n] | known.do_not[n]) for n in known.learn}
    network = int(torch.stack(list(unknown.values())).sum(0).argmin())
    left = [n for n, networks in unknown.items() if networks[network]]
    return {left[(len(left) - 1) // 2]: [network]}


def _nearest(still_open: Sequence[int], grid: Sequence[int], guess: int | None) -> int:
    """At the guess or next to it; where that is known, a quarter of the way from it."""
    far = sorted(still_open, key=lambda n: abs(grid.index(n) - (guess or 0)))
    return far[0] if abs(grid.index(far[0]) - (guess or 0)) <= 1 else far[len(far) // 4]
