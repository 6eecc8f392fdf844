"""From rows to numbers: groups of equal settings, and means over networks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from spurlab.measures import MEASURES, is_lumpy
from spurlab.models import architecture_title
from spurlab.notebook import short
from spurlab.report.titles import panel_title
from spurlab.stats import Estimate, Share, risen
from spurlab.studies.axes import OF_TRAINING
from spurlab.studies.recipes import milestones_in_words
from spurlab.training import Recipe

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
# what a reader should be told first, where several settings tell two groups apart
_FIRST = ("optimizer", "clip_norm", "clip_value", "weight_decay", "input_noise", "architecture", "how", "epochs")
_OF_RECIPE = {field.name for field in fields(Recipe)}
_NAMES = {"adam": "Adam", "sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "lbfgs": "L-BFGS"}
_NAMES |= {"ce": "cross-entropy", "mse": "squared error", "kld": "KL divergence"}


@dataclass(frozen=True)
class Mean(Estimate):
    """A mean over networks that knows them: figures show each."""

    each: tuple[float, ...] = ()


ByN = Mapping[int, Mean]  # by the number of marked examples


@dataclass(frozen=True, eq=False)
class Group:
    """The rows of equal settings.

    Args:
        settings: of all rows, see `settings_in`; NaN: not set.
        rows: of these settings alone.
        label: what tells them from the other groups of the same dataset, in words; "" where nothing does.
    """

    settings: Mapping[str, Any]
    rows: pd.DataFrame
    label: str

    __repr__ = short

    @property
    def dataset(self) -> str:
        """The data set of the rows; "" where they do not say."""
        return str(self.settings.get("dataset", ""))

    @property
    def title(self) -> str:
        """The data set and the label, as the title of a panel."""
        return panel_title(self.dataset, self.label)


def settings_in(rows: pd.DataFrame) -> list[str]:
    """The columns that say how networks were trained: dataset, architecture, how, further axes, the recipe's fields."""
    names = ("dataset", "architecture", "how", *OF_TRAINING, *(field.name for field in fields(Recipe)))
    return [name for name in names if name in rows.columns]


def groups(rows: pd.DataFrame) -> list[Group]:
    """The rows of equal settings, in the order in which these first appear.

    >>> rows = pd.DataFrame({"architecture": ["mlp", "mlp", "cnn"], "seed": [0, 1, 0], "value": [0.1, 0.2, 0.3]})
    >>> [(group.label, len(group.rows)) for group in groups(rows)]
    [('MLP', 2), ('CNN', 1)]
    """
    names = settings_in(rows)
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
    return [name for name in settings_in(rows) if rows[name].nunique(dropna=False) > 1]


def _labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fewest settings, dataset apart, that tell all groups of each dataset from each other; in words."""
    names = [name for name in settings[0] if name != "dataset"]
    several = [name for name in names if len({_plain(group[name]) for group in settings}) > 1]
    several.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))

    def told_apart(by: Iterable[str]) -> int:
        return len({(group.get("dataset"), *(_plain(group[name]) for name in by)) for group in settings})

    chosen: list[str] = []
    for name in several:
        if told_apart([*chosen, name]) > told_apart(chosen):
            chosen.append(name)
    return [", ".join(in_words({name: group[name] for name in chosen})) for group in settings]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def further(rows: pd.DataFrame) -> list[str]:
    """The axes beyond those that every study has (`spurlab.studies.axes.OF_TRAINING`) along which the rows vary."""
    return [name for name in varying(rows) if name in OF_TRAINING]


def in_words(settings: Mapping[str, Any]) -> list[str]:
    """Each setting as people say it; of clipping, only what there is.

    >>> in_words({"input_noise": 0.0, "epochs": 10, "milestones": "6 8", "clip_norm": None})
    ['no input noise', '10 epochs', 'milestones 6 and 8', 'no clipping']
    """
    words = []
    for name, value in settings.items():
        spaced = name.replace("_", " ")
        match name, _plain(value):
            case "clip_norm" | "clip_value", None:
                continue
            case "clip_norm" | "clip_value", number:
                words.append(f"clipped by {name.removeprefix('clip_')} at {number:g}")
            case ("weight_decay" | "input_noise", None | 0) | ("augmentation", None | "none"):
                words.append(f"no {spaced}")
            case name, None:
                words.append(_not_said(name))
            case "optimizer" | "loss", value:
                words.append(_NAMES.get(value, str(value)))
            case "architecture", value:
                words.append(architecture_title(str(value)))
            case "how" | "precision" | "augmentation", value:
                words.append(str(value))
            case "epochs", number:
                words.append(f"{number:g} epoch{'s' * (number != 1)}")
            case "milestones", text:
                words.append(milestones_in_words(text))
            case name, float() as number:
                words.append(f"{spaced} {number:g}")
            case name, value:
                words.append(f"{spaced} {value}")
    unclipped = any(name.startswith("clip_") for name in settings) and not any("clipped" in word for word in words)
    return [*words, "no clipping"] if unclipped else words


def _not_said(name: str) -> str:
    """What no value of a setting means."""
    spaced = name.replace("_", " ")
    if name in OF_TRAINING:
        return f"{spaced} {OF_TRAINING[name].said(None)}"
    return f"{spaced} unknown" if name in _OF_RECIPE else f"no {spaced}"


def data_seeds(rows: pd.DataFrame) -> "pd.Series[float]":
    """The seed of each row with which its pattern was drawn: of the draw, else of the halves, else its own."""
    seeds = rows["seed"].astype(float)
    for axis in ("halves", "draw"):
        seeds = rows[axis].astype(float).fillna(seeds) if axis in rows else seeds
    return seeds


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
) -> dict[tuple[Any, ...], Mean]:
    """For each combination of the columns `by`, the mean over networks; see `per_network` for what is averaged before.

    Combinations of which no network is left are left out.
    """
    if rows.empty:
        return {}
    per_seed = averaged(rows, [*by, "seed"]).dropna()
    cells = per_seed.groupby(list(by), sort=False)
    measures = (str(key[by.index("measure")]) if "measure" in by else "" for key, _ in cells)
    return {key: estimate(values, bounds, measure) for (key, values), measure in zip(cells, measures, strict=True)}


def along_n(rows: pd.DataFrame, base: int, measure: str, share: bool = True) -> tuple[dict[int, Mean], dict[int, Mean]]:
    """By n the mean of a measure; and how much more it is than at the base, paired by seed. None where none is left.

    Networks of one seed start alike and see the same batches: their difference says more than two means do.
    """
    table = averaged(rows, ["n", "seed"]).unstack("n")
    means = {int(n): estimate(table[n], SHARE if share else None, measure) for n in sorted(rows["n"].unique())}
    others = [n for n in means if n != base and base in means]
    changes = {n: paired(table[n], table[base], DIFFERENCE if share else None, measure) for n in others}
    left = ({n: mean for n, mean in line.items() if mean.models} for line in (means, changes))
    return next(left), next(left)


def averaged(rows: pd.DataFrame, by: list[str]) -> "pd.Series[float]":
    """Means that are NaN where any of the numbers is."""
    numbers = rows[[*by, "value"]].astype({"value": float})
    cells = numbers.groupby(by, sort=False)["value"].agg(["mean", "count", "size"])
    return cells["mean"].where(cells["count"] == cells["size"])


def by_method(rows: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """By each value of the column, measures as columns and a line for each seed."""
    every = averaged(rows, [column, "seed", "measure"])
    return {
        str(method): part.droplevel(column).unstack("measure")
        for method, part in every.groupby(level=column, sort=False)
    }


def estimate(
    values: "pd.Series[float]", bounds: tuple[float, float] | None = None, measure: str = "spurious_score"
) -> Mean:
    """The mean of a measure over networks; those that diverged (NaN) are left out."""
    return over_networks(torch.tensor(values.dropna().to_numpy(copy=True), dtype=torch.float64), bounds, measure)


def over_networks(values: Tensor, bounds: tuple[float, float] | None = None, measure: str = "spurious_score") -> Mean:
    """The mean of one number of each network, which is of some measure; a NaN among them makes all of it NaN."""
    about = Estimate.across_models(values, bounds, normal=not is_lumpy(measure))
    return Mean(**vars(about), each=tuple(values.tolist()))


def mean_of(rows: pd.DataFrame, measure: str, bounds: tuple[float, float] | None = SHARE) -> Mean:
    """The mean of a measure that is a column; over no network where it was not taken."""
    return estimate(rows[measure] if measure in rows else pd.Series(dtype=float), bounds, measure)


def told(mean: Estimate, *, interval: bool = False) -> str:
    """A mean in a sentence; of none where no network is left."""
    if not mean.models:
        return "(no network left)"
    return f"{mean:.3f}" if interval else f"{mean.value:.3f}"


def diverged(rows: pd.DataFrame) -> int:
    return int(trained(rows[rows["value"].isna()])["training"].nunique())


def networks(rows: pd.DataFrame) -> int:
    """How many networks stand behind the rows; n = 0 is one for all patterns and targets of a seed."""
    return int(trained(rows)["training"].nunique())


def failures(rows: pd.DataFrame) -> list[str]:
    """A sentence for each method or attack that failed somewhere: on how many networks, and why the first time."""
    told = []
    for axis in ("deletion", "prevention", "attack"):
        if axis not in rows or "failed" not in rows:
            continue
        for name, part in rows[rows[axis].notna()].groupby(axis, sort=False):
            failed = part[part["failed"].notna()]
            if len(failed):
                count, of = failed["training"].nunique(), part["training"].nunique()
                told.append(f"{axis} {name} failed on {count:,} of {of:,} networks: {failed['failed'].iloc[0]}")
    return told


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured on trained networks; not those of a pattern, an architecture or an attack."""
    known = {name: MEASURES.get(name) for name in rows["measure"].unique()}
    others = [name for name, measure in known.items() if measure is not None and not measure.needs_network]
    rows = rows[~rows["measure"].isin(others)]
    return rows[rows["attack"].isna()] if "attack" in rows else rows


def paired(
    one: "pd.Series[float]",
    other: "pd.Series[float]",
    bounds: tuple[float, float] | None = None,
    measure: str = "spurious_score",
) -> Mean:
    """The mean difference of a measure over the seeds that both have."""
    return estimate((one - other).dropna(), bounds, measure)


def higher(one: "pd.Series[float]", other: "pd.Series[float]") -> Share:
    """In how many networks a measure is higher, of the seeds that both have."""
    both = pd.concat([one, other], axis=1, join="inner").dropna().to_numpy(float)
    return risen(torch.from_numpy(both[:, 0].copy()), torch.from_numpy(both[:, 1].copy()))


def by_n(rows: pd.DataFrame, measure: str) -> list[tuple[int, pd.DataFrame]]:
    """The rows of one measure for each number n of marked examples, the fewest first."""
    parts: list[Any] = sorted(rows[rows["measure"] == measure].groupby("n"), key=itemgetter(0))
    return [(int(n), own) for n, own in parts]


def by_seed(rows: pd.DataFrame) -> "pd.Series[float]":
    """The number of each seed; what a seed has several times counts as its mean."""
    return rows.dropna(subset="value").groupby("seed")["value"].mean()


def means_by_n(rows: pd.DataFrame, measure: str, bounds: tuple[float, float] = SHARE) -> dict[int, Mean]:
    """The mean of one measure over seeds (see `by_seed`), by n."""
    means = {n: estimate(by_seed(own), bounds, measure) for n, own in by_n(rows, measure)}
    return {n: mean for n, mean in means.items() if mean.models}
