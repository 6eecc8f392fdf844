"""Which networks to train next to find n*, where the curve is taken to rise."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.learnt import HALVINGS, Known
from spurlab.stats.looks import Looks

Part = Mapping[int, Bool[Tensor, " m"]]  # by n, some of the networks


def asked_next(
    scores: Mapping[int, Float[Tensor, " m"]],
    baseline: Float[Tensor, " m0"],
    level: float = 0.05,
    most: int | None = None,
) -> dict[int, list[int]]:
    """The networks to train next, until :func:`spurlab.stats.learnt_at` says what it would say of all of them.

    The curve is taken to rise: of more examples, no fewer networks learn the pattern. One network is bracketed by
    halves, the others are asked at its n and at the n below, and where they differ, near it; what is shown at an n is
    counted by networks that were trained with it. Which n are looked at depends on the scores, so each test has a
    quarter of the level (`HALVINGS`; fifteen n can be halved four times). Then the search keeps its level whether the
    same networks learn at every n or others at each (`benchmarks/calibration.py`).

    Args:
        scores: for each n > 0 of the grid, the score in [0, 1] of each network; NaN: not trained.
        baseline: the scores of the same networks at n = 0.
        level: as of :func:`spurlab.stats.learnt_at`.
        most: likewise.

    Returns:
        By n, the places of the networks to train. Nothing: the answer is known, or there are too few networks.

    Raises:
        ValueError: more than fifteen n.

    >>> import torch
    >>> baseline, unknown = torch.zeros(7), torch.full((7,), torch.nan)
    >>> asked_next({1: unknown, 3: unknown, 10: unknown}, baseline)
    {3: [0]}
    >>> first = lambda score: torch.cat([torch.tensor([score]), unknown[1:]])
    >>> asked_next({1: first(0.0), 3: first(0.8), 10: unknown}, baseline)
    {3: [1, 2, 3, 4, 5, 6]}
    """
    grid, needed = sorted(scores), Looks(most, level / HALVINGS).needed(len(baseline))
    if len(grid) >= 2**HALVINGS:
        raise InputError(f"n* is searched among {2**HALVINGS - 1} n at most, but here are {len(grid)}. Give fewer.")
    measured = Known.of(scores, baseline)
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
