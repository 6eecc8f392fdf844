"""From rows to what they say: a curve for each pattern and target, with intervals and a verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from spurlab.stats import Estimate, Learnt, learnt_at, paired_difference
from spurlab.studies import Row, frame

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)


@dataclass(frozen=True)
class Point:
    """What the networks with n marked examples do; `difference` and `p` compare them with those of n = 0.

    Args:
        n: how many training examples were marked.
        score: the spurious score.
        difference: the paired difference of the score to n = 0; None for n = 0.
        p: of the one-sided paired test, Holm-corrected over n; None for n = 0.
        accuracy: on clean test examples.
    """

    n: int
    score: Estimate
    difference: Estimate | None
    p: float | None
    accuracy: Estimate


@dataclass(frozen=True)
class Curve:
    """The scores of one pattern and target against n.

    Args:
        points: by rising n, from the control n = 0 on.
        verdict: the n at which the pattern is learnt.
        diverged: seeds left out at every n, since one of their networks diverged.
    """

    pattern: str
    target: int
    points: tuple[Point, ...]
    verdict: Learnt
    diverged: tuple[int, ...]


def curves(rows: Sequence[Row]) -> list[Curve]:
    """One curve for each pattern and target, in the order of the rows.

    A seed of which any network diverged is left out of the whole curve, so that all points compare the same seeds.
    """
    table = frame(rows)
    return [
        _curve(pattern, target, table[(table["pattern"] == pattern) & (table["target"] == target)])
        for pattern, target in dict.fromkeys((row.pattern, row.target) for row in rows)
    ]


def _curve(pattern: str, target: int, table: pd.DataFrame) -> Curve:
    wide = table.pivot_table(index="seed", columns=["measure", "n"], values="value", dropna=False)
    whole = wide.dropna()
    scores, accuracies = whole["spurious_score"], whole["accuracy"]
    counts = sorted(int(n) for n in scores.columns)
    per_n = {n: torch.tensor(scores[n].to_numpy()) for n in counts}
    learnt = learnt_at({n: per_n[n] for n in counts if n > 0}, per_n[0])
    points = tuple(
        Point(
            n,
            Estimate.across_models(per_n[n], SHARE),
            paired_difference(per_n[n], per_n[0], DIFFERENCE) if n > 0 else None,
            learnt.adjusted.get(n, math.nan) if n > 0 else None,
            Estimate.across_models(torch.tensor(accuracies[n].to_numpy()), SHARE),
        )
        for n in counts
    )
    lost = tuple(int(seed) for seed in wide.index.difference(whole.index))
    return Curve(pattern, target, points, learnt, lost)
