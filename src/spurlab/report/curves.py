"""A curve for each pattern and target: the scores against n, and the n at which the pattern is learnt."""

from dataclasses import dataclass

import pandas as pd
import torch

from spurlab.report.groups import DIFFERENCE, SHARE, Mean, estimate, paired
from spurlab.stats import Estimate, Learnt, Share, learnt_at


@dataclass(frozen=True)
class Point:
    """What the networks with n marked examples do; `difference` and `rose` compare them with those of n = 0.

    Args:
        n: how many training examples were marked.
        score: the spurious score; where n* was searched, of those that were trained, which are no sample of all.
        difference: the paired difference of the score to n = 0; None for n = 0.
        rose: how many networks have learnt the pattern, see `spurlab.stats.learnt_at`; None for n = 0.
        accuracy: on clean test examples; NaN where it was not measured.
    """

    n: int
    score: Mean
    difference: Estimate | None
    rose: Share | None
    accuracy: Estimate


@dataclass(frozen=True)
class Curve:
    """The scores of one pattern and target against n.

    Args:
        points: by rising n, from the control n = 0 on.
        verdict: the n at which the pattern is learnt.
        diverged: seeds left out at every n, since one of their networks diverged.
        unfinished: seeds left out at every n, since one of their networks has not been trained.
    """

    pattern: str
    target: int
    points: tuple[Point, ...]
    verdict: Learnt
    diverged: tuple[int, ...]
    unfinished: tuple[int, ...] = ()


def curves(rows: pd.DataFrame, most: int | None = None, search: str | None = None) -> list[Curve]:
    """One curve for each pattern and target, in the order of the rows, which must be of one group (see `groups`).

    A seed of which any network diverged is left out of the complete curve, so that all points compare the same seeds.

    Args:
        rows: of a study.
        most: where its seeds were added until it was decided, up to how many networks.
        search: ``n``: not every network was trained with every n, see `Study.search`.

    >>> of_network = [(n, seed, n / 20 + seed / 100) for n in (0, 3, 10) for seed in range(5)]
    >>> rows = pd.DataFrame(of_network, columns=["n", "seed", "value"])
    >>> [curve] = curves(rows.assign(measure="spurious_score", pattern="S3", target=0))
    >>> [(point.n, round(point.score.value, 2)) for point in curve.points]
    [(0, 0.02), (3, 0.17), (10, 0.52)]
    """
    rows = rows[rows["measure"].isin(["spurious_score", "accuracy"])]
    scored = rows[rows["measure"] == "spurious_score"]
    pairs = dict.fromkeys(zip(scored["pattern"], scored["target"], strict=True))
    return [
        _curve(str(pattern), int(target), rows[(rows["pattern"] == pattern) & (rows["target"] == target)], most, search)
        for pattern, target in pairs
    ]


def _curve(pattern: str, target: int, rows: pd.DataFrame, most: int | None, search: str | None) -> Curve:
    table = rows.drop_duplicates(["seed", "measure", "n"])
    nan = {int(seed) for seed in table.loc[table["value"].isna(), "seed"]}
    wide = table.set_index(["seed", "measure", "n"])["value"].astype(float).unstack(["measure", "n"])
    complete = wide.drop(index=list(nan)).dropna(subset=[("spurious_score", 0)]) if search else wide.dropna()
    scores = complete["spurious_score"]
    per_n = {int(n): torch.tensor(scores[n].to_numpy(copy=True)) for n in sorted(scores.columns)}
    marked = {n: values for n, values in per_n.items() if n > 0}
    learnt = learnt_at(marked, per_n[0], most=most, rising=search is not None) if 0 in per_n else Learnt()
    points = tuple(
        Point(
            n,
            estimate(scores[n], SHARE),
            paired(scores[n], scores[0], DIFFERENCE) if n > 0 and 0 in per_n else None,
            learnt.shares.get(n),
            estimate(complete.get(("accuracy", n), pd.Series(dtype=float)), SHARE, "accuracy"),
        )
        for n in per_n
    )
    lost = [int(seed) for seed in wide.index.difference(complete.index)]
    diverged, unfinished = (tuple(seed for seed in lost if (seed in nan) == was) for was in (True, False))
    return Curve(pattern, target, points, learnt, diverged, unfinished)


def verdict_of(curve: Curve) -> str:
    """The verdict, with the seeds that had to be left out.

    >>> of_network = [(n, seed, n / 20 + seed / 100) for n in (0, 3, 10) for seed in range(5)]
    >>> rows = pd.DataFrame(of_network, columns=["n", "seed", "value"])
    >>> [curve] = curves(rows.assign(measure="spurious_score", pattern="S3", target=0))
    >>> verdict_of(curve)
    'n* <= 3 (95 %)'
    """
    if curve.points[0].score.models == 0 and curve.diverged:
        return "undecided: no network is left, since one of every seed diverged"
    if curve.points[0].score.models == 0:
        return "undecided: the networks of no seed are complete"
    if not curve.verdict.shares:
        return "undecided: no n above 0 has been measured"
    without = [
        f"the {why} seeds {', '.join(str(seed) for seed in seeds)}"
        for why, seeds in (("diverged", curve.diverged), ("unfinished", curve.unfinished))
        if seeds
    ]
    return f"{curve.verdict}" + (f" (without {' and '.join(without)})" if without else "")
