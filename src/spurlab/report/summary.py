"""From rows to what they say: groups of equal settings, and a curve for each pattern and target, with a verdict."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd
import torch

from spurlab.models import architecture_title
from spurlab.stats import Estimate, Learnt, learnt_at, paired_difference
from spurlab.studies import MEASURES
from spurlab.training import Recipe

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
SETTINGS = ("dataset", "architecture", "how", *(field.name for field in fields(Recipe)))
# what a reader should be told first, where several settings tell two groups apart
_FIRST = ("optimizer", "clip_norm", "clip_value", "weight_decay", "input_noise", "architecture", "how", "epochs")
_OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}


@dataclass(frozen=True)
class Point:
    """What the networks with n marked examples do; `difference` and `p` compare them with those of n = 0.

    Args:
        n: how many training examples were marked.
        score: the spurious score.
        difference: the paired difference of the score to n = 0; None for n = 0.
        p: of the one-sided paired test, Holm-corrected over n; None for n = 0.
        accuracy: on clean test examples; NaN where it was not measured.
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
        unfinished: seeds left out at every n, since one of their networks has not been trained.
    """

    pattern: str
    target: int
    points: tuple[Point, ...]
    verdict: Learnt
    diverged: tuple[int, ...]
    unfinished: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Group:
    """The rows of equal settings.

    Args:
        settings: dataset, architecture, how and recipe of all rows; NaN: not set.
        rows: of these settings alone.
        label: what tells them from the other groups of the same dataset, in words; "" where nothing does.
    """

    settings: Mapping[str, Any]
    rows: pd.DataFrame
    label: str

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return str(self.settings.get("dataset", ""))


def groups(rows: pd.DataFrame) -> list[Group]:
    """The rows by dataset, architecture, how and recipe, in the order in which these first appear."""
    names = [name for name in SETTINGS if name in rows.columns]
    if rows.empty:
        return []
    if not names:
        return [Group({}, rows, "")]
    split = [
        (dict(zip(names, key, strict=True)), part)
        for key, part in rows.groupby(names, sort=False, dropna=False, observed=True)
    ]
    labels = _labels([settings for settings, _ in split])
    return [Group(settings, part, label) for (settings, part), label in zip(split, labels, strict=True)]


def varying(rows: pd.DataFrame) -> list[str]:
    """The settings that are not the same in all rows."""
    return [name for name in SETTINGS if name in rows.columns and rows[name].nunique(dropna=False) > 1]


def _labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fewest settings, dataset apart, that tell all groups of each dataset from each other; in words."""
    names = [name for name in settings[0] if name != "dataset"]
    varying = [name for name in names if len({_plain(each[name]) for each in settings}) > 1]
    varying.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))

    def told_apart(by: Iterable[str]) -> int:
        return len({(each.get("dataset"), *(_plain(each[name]) for name in by)) for each in settings})

    chosen: list[str] = []
    for name in varying:
        if told_apart([*chosen, name]) > told_apart(chosen):
            chosen.append(name)
    return [_in_words({name: each[name] for name in chosen}) for each in settings]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _in_words(settings: Mapping[str, Any]) -> str:
    words = []
    for name, value in settings.items():
        match name, _plain(value):
            case "clip_norm" | "clip_value", None:
                continue
            case "clip_norm" | "clip_value", number:
                words.append(f"clipped by {name.removeprefix('clip_')} at {number:g}")
            case "optimizer", value:
                words.append(_OPTIMIZERS.get(value, str(value)))
            case "architecture", value:
                words.append(architecture_title(str(value)))
            case "how" | "precision" | "augmentation", value:
                words.append(str(value))
            case name, float() as number:
                words.append(f"{name.replace('_', ' ')} {number:g}")
            case name, value:
                words.append(f"{name.replace('_', ' ')} {value}")
    unclipped = any(name.startswith("clip_") for name in settings) and not any("clipped" in word for word in words)
    return ", ".join([*words, "no clipping"] if unclipped else words)


def per_network(rows: pd.DataFrame, measure: str, **where: Any) -> "pd.Series[float]":
    """The values of one measure by seed, e.g. ``per_network(rows, "accuracy", pattern="R3", target=0, n=3)``.

    What several rows say of one seed (other targets, other n) is averaged; NaN where any of them is NaN, so that the
    networks of one average are those of another.
    """
    chosen = rows["measure"] == measure
    for name, value in where.items():
        chosen &= rows[name] == value
    return averaged(rows[chosen], ["seed"])


def estimates(
    rows: pd.DataFrame, by: Sequence[str], bounds: tuple[float, float] | None = None
) -> dict[tuple[Any, ...], Estimate]:
    """For each combination of the columns `by`, the mean over networks; see `per_network` for what is averaged before.

    Combinations of which no network is left are left out.
    """
    if rows.empty:
        return {}
    per_seed = averaged(rows, [*by, "seed"]).dropna()
    cells = per_seed.groupby(list(by), sort=False)
    return {key: estimate(values, bounds) for key, values in cells}


def averaged(rows: pd.DataFrame, by: list[str]) -> "pd.Series[float]":
    """Means that are NaN where any of the numbers is."""
    cells = rows.astype({"value": float}).groupby(by, sort=False)["value"].agg(["mean", "count", "size"])
    return cells["mean"].where(cells["count"] == cells["size"])


def by_method(rows: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """By each value of the column, measures as columns and a line for each seed."""
    return {
        str(method): averaged(own, ["seed", "measure"]).unstack("measure")
        for method, own in rows.groupby(column, sort=False)
    }


def estimate(values: "pd.Series[float]", bounds: tuple[float, float] | None = None) -> Estimate:
    """The mean over networks; those that diverged (NaN) are left out."""
    return Estimate.across_models(torch.tensor(values.dropna().to_numpy(copy=True), dtype=torch.float64), bounds)


def diverged(rows: pd.DataFrame) -> int:
    """How many networks diverged."""
    return int(trained(rows[rows["value"].isna()])["training"].nunique())


def networks(rows: pd.DataFrame) -> int:
    """How many networks stand behind the rows; n = 0 is one for all patterns and targets of a seed."""
    return int(trained(rows)["training"].nunique())


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured on trained networks; not those of a pattern or an architecture."""
    others = [name for name, measure in MEASURES.items() if measure.of not in ("network", "deletion")]
    return rows[~rows["measure"].isin(others)]


def curves(rows: pd.DataFrame) -> list[Curve]:
    """One curve for each pattern and target, in the order of the rows, which must be of one group (see `groups`).

    A seed of which any network diverged is left out of the whole curve, so that all points compare the same seeds.
    """
    rows = rows[rows["measure"].isin(["spurious_score", "accuracy"])]
    scored = rows[rows["measure"] == "spurious_score"]
    pairs = dict.fromkeys(zip(scored["pattern"], scored["target"], strict=True))
    return [
        _curve(str(pattern), int(target), rows[(rows["pattern"] == pattern) & (rows["target"] == target)])
        for pattern, target in pairs
    ]


def _curve(pattern: str, target: int, rows: pd.DataFrame) -> Curve:
    table = rows.drop_duplicates(["seed", "measure", "n"])
    wide = table.set_index(["seed", "measure", "n"])["value"].astype(float).unstack(["measure", "n"])
    whole = wide.dropna()
    scores = whole["spurious_score"]
    counts = sorted(int(n) for n in scores.columns)
    per_n = {n: torch.tensor(scores[n].to_numpy(copy=True)) for n in counts}
    learnt = learnt_at({n: per_n[n] for n in counts if n > 0}, per_n[0]) if 0 in per_n else Learnt(None, 0.05)
    points = tuple(
        Point(
            n,
            Estimate.across_models(per_n[n], SHARE),
            paired_difference(per_n[n], per_n[0], DIFFERENCE) if n > 0 and 0 in per_n else None,
            learnt.adjusted.get(n, math.nan) if n > 0 else None,
            estimate(whole["accuracy"][n] if ("accuracy", n) in whole else pd.Series(dtype=float), SHARE),
        )
        for n in counts
    )
    nan = {int(seed) for seed in table.loc[table["value"].isna(), "seed"]}
    lost = [int(seed) for seed in wide.index.difference(whole.index)]
    return Curve(
        pattern,
        target,
        points,
        learnt,
        tuple(seed for seed in lost if seed in nan),
        tuple(seed for seed in lost if seed not in nan),
    )
