"""Rows made ready to be judged: each number once, like beside like, networks paired by seed."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.notebook import short
from spurlab.stats import Looks
from spurlab.studies.axes import METHODS, OF_TRAINING, PLACE, SHARES
from spurlab.studies.recipes import columns_of
from spurlab.training import CHOICES, RECIPES, Recipe

PAPER_DATASETS = ("mnist", "fashion-mnist", "cifar10")
TARGETS = (0, 1)
ONCE = Looks()  # all seeds were there before one looked
PATTERNS = ("S1", "S2", "S3", "R1", "R2", "R3", "Co")
# the text of the paper names ResNet20, the caption of its Figure 2 ResNet50
ARCHITECTURES: Mapping[str, tuple[str, ...]] = {"cifar10": ("resnet20", "resnet50")}

# the paper's settings; what is "off" here is also assumed where rows have no such column or no value in it
OFF: Mapping[str, Any] = {"weight_decay": 0.0, "clip_norm": math.inf, "clip_value": math.inf, "input_noise": 0.0}
# where a dataset has settings of its own: section 3.1, and the weight decay of the public code
OF_DATASET: Mapping[str, Mapping[str, Any]] = {"cifar10": {"weight_decay": 1e-4, "augmentation": "crop-flip"}}
# columns of text; all others have numbers, but for the axes of `OF_TRAINING`, which have what they have
WORDS = ("measure", "dataset", "data", "architecture", "how", "pattern", *METHODS, "training", "milestones", *CHOICES)

About = Literal["rare patterns", "deletion", "common features"]
Settings = Mapping[str, Any]
"""By name, what all rows of a group have: data, architecture, recipe, axes of training. None: not known."""


def base_name(dataset: str) -> str:
    """The dataset without options and what is left out of it: ``cifar10`` for ``cifar10@10000`` and ``cifar10:3,7``."""
    return dataset.partition(":")[0].partition("@")[0].partition(",")[0]


def paper_settings(dataset: str, recipe: str = "paper") -> Settings:
    """How the paper trains on a dataset; with ``quick`` the package's shorter recipe, whose networks count too."""
    return {
        **columns_of(RECIPES[recipe]),
        "how": "replace",
        "momentum": 0.0,  # Adam does not use it
        **usual(dataset),
        **axes_off(),
    }


def usual(dataset: str) -> Settings:
    """What regularizes and augments the paper's networks on a dataset, or on a part of it."""
    return {**OFF, "augmentation": "none", **OF_DATASET.get(base_name(dataset), {})}


def axes_off() -> Settings:
    """The axes of training where they change nothing."""
    return {name: axis.off for name, axis in OF_TRAINING.items()}


def _settings() -> list[str]:
    """All in which networks may differ beside pattern, target, n and seed; networks that do are never averaged."""
    return ["dataset", "data", "architecture", "how", *(field.name for field in fields(Recipe)), *OF_TRAINING]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows, each measured number once.

    What is absent (no pattern, nothing deleted, no common feature, a setting that is not known) is missing as pandas
    has it, None or NaN, in every column; rows of no network (`parameters`) have a target, n and seed of -1.

    Args:
        rows: one line for each measure, settings, pattern, target, n, seed and what was done (deletion, prevention and
            the shares). The same number from two studies is one line; different numbers for one seed (from another
            machine, say) are averaged, since the seed is the unit; with a NaN among them the line is NaN. `network`
            names the network that was measured, `images` numbers what the networks of a data set are trained on.
            `most`: up to how many networks seeds were added, the largest of its studies; NaN: the seeds were fixed.
    """

    rows: pd.DataFrame

    __repr__ = short

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Evidence":
        """Whatever rows there are, made ready; columns that are missing match nothing, or count as off."""
        columns = dict.fromkeys((*WORDS, *PLACE, *SHARES, *_settings(), "value", "most"))
        table = rows.loc[:, ~rows.columns.duplicated()].reset_index(drop=True).reindex(columns=list(columns))
        for name, column in table.items():
            if name in OF_TRAINING:
                table[name] = column.astype(object)
            elif name in WORDS:
                words = [
                    None if absent else str(word) or None for word, absent in zip(column, column.isna(), strict=True)
                ]
                table[name] = pd.Series(words, dtype=object)  # pandas' own strings are slower here
            else:
                table[name] = pd.to_numeric(column.astype(object), errors="coerce").astype(float)
        table["value"] = table["value"].where(np.isfinite(table["value"]))
        off = {**OFF, "loss": "ce", "augmentation": "none", "schedule": "steps", **axes_off()}
        table = table.fillna({name: value for name, value in off.items() if value is not None})
        table.loc[table["optimizer"] != "sgd", "momentum"] = 0.0
        placed = table[["target", "n", "seed"]].notna().all(axis=1)
        table = table[placed | (table["measure"] == "parameters")].fillna({"target": -1, "n": -1, "seed": -1})
        table = table.astype({"target": int, "n": int, "seed": int})
        table["group"] = table.groupby(_settings(), sort=False, dropna=False).ngroup()
        table["images"] = table.groupby(["dataset", "data", *OF_TRAINING], sort=False, dropna=False).ngroup()
        table["network"] = _network(table)
        key = ["group", "measure", *PLACE, *METHODS, *SHARES]
        alike = table.groupby(key, sort=False, dropna=False)
        values, table["most"] = alike["value"], alike["most"].transform("max")
        diverged = values.transform("count") < values.transform("size")
        table["value"] = values.transform("mean").mask(diverged)
        return cls(table.drop_duplicates(key).reset_index(drop=True))

    @classmethod
    def joined(cls, *pieces: "Evidence") -> "Evidence":
        """The rows of all, which have none in common."""
        return cls(pd.concat([piece.rows for piece in pieces]))

    def where(self, **columns: object) -> "Evidence":
        """The rows with these values; a tuple means any of them, None that there is none."""
        keep = np.ones(len(self.rows), dtype=bool)
        for column, wanted in columns.items():
            if not keep.any():
                break
            values = self.rows[column]
            if wanted is None:
                matches = values.isna()
            else:
                matches = values.isin(wanted) if isinstance(wanted, tuple) else values == wanted
            keep &= matches.to_numpy(dtype=bool)
        return self if keep.all() else Evidence(self.rows[keep])

    def about(self, what: About) -> "Evidence":
        """The rows of some networks.

        Args:
            what: ``deletion``: networks that something was deleted from, with those before and the oracles; ``common
                features``: networks with such a feature, also one that is in the data; ``rare patterns``: networks with
                such patterns that nothing was done to.
        """
        if what == "rare patterns":
            return self.where(deletion=None, prevention=None, share=None)
        deleted, featured = (
            self.rows[list(names)].notna().any(axis=1) for names in (["deletion"], ["share", "prevention"])
        )
        return Evidence(self.rows[deleted if what == "deletion" else featured])

    def of_paper_network(self, measure: str | tuple[str, ...], dataset: str, **free: object) -> "Evidence":
        """The paper's network on a dataset: architecture, Adam, what regularizes, augmentation. `free` ones differ."""
        architectures = ARCHITECTURES.get(base_name(dataset), ("mlp",))
        fixed = {"architecture": architectures, "optimizer": "adam", **usual(dataset)} | free
        return self.where(measure=measure, dataset=dataset, **{k: v for k, v in fixed.items() if v is not Ellipsis})

    def datasets(self, measure: str, paper: Sequence[str] = PAPER_DATASETS) -> tuple[str, ...]:
        """The paper's datasets, then whatever others have this measure."""
        others = sorted(set(self.where(measure=measure).rows["dataset"].dropna()) - set(paper))
        return (*paper, *others)

    def recipes(self, varied: Sequence[str] = ()) -> Iterator[tuple[Settings, "Evidence"]]:
        """Like with like: the rows that agree in every setting but the varied ones."""
        names = [name for name in _settings() if name not in varied]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for group, *values in self.rows.drop_duplicates("group")[["group", *names]].itertuples(index=False):
            known = (None if isinstance(value, float) and math.isnan(value) else value for value in values)
            groups.setdefault(tuple(known), []).append(group)
        for settings, alike in groups.items():
            yield dict(zip(names, settings, strict=True)), self.where(group=tuple(alike))

    def having(self, column: str, values: Sequence[Hashable]) -> tuple[Any, ...]:
        """The values of a column that are there, in the order given."""
        present = set(self.rows[column])
        return tuple(value for value in values if value in present)

    def shared(self, column: str, values: Sequence[Hashable], by: Sequence[str]) -> "Evidence":
        """The rows with these values of a column, in those cells (of the columns `by`) that have all of them."""
        rows = self.where(**{column: tuple(values)}).rows
        return Evidence(rows[rows.groupby(list(by))[column].transform("nunique") == len(values)])

    def counts(self) -> list[int]:
        """The n above 0 that are there."""
        return sorted({int(n) for n in self.rows["n"] if n > 0})


def _network(table: pd.DataFrame) -> pd.Series:
    """The training's key, or what makes a network of its own: n = 0 has no pattern and no target."""
    planted = table[["group", "seed", "n", "pattern", "target"]].copy()
    planted.loc[planted["n"] == 0, ["pattern", "target"]] = None
    return table["training"].fillna(planted.groupby(list(planted), dropna=False).ngroup().astype(str)).astype(object)


class LeftOut(NamedTuple):
    """The seeds that have no numbers to pair, by why."""

    diverged: tuple[int, ...] = ()
    incomplete: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Seeds:
    """Numbers paired by seed."""

    # for each cell, one number for each seed, in the same order of seeds
    values: Mapping[tuple[Any, ...], Float64[Tensor, " m"]]
    seeds: tuple[int, ...]  # those that have every cell
    left_out: LeftOut  # those that have not
    networks: frozenset[str]  # the networks behind the numbers
    looks: Looks = ONCE  # how often one looks at them as seeds are added, by which counts of seeds are tested

    __repr__ = short

    @classmethod
    def of(cls, evidence: Evidence, by: Sequence[str]) -> "Seeds":
        """One cell for each combination of the columns `by`; a seed that lacks one, or diverged in one, is left out.

        Of several plans of looks the longest counts, which needs the most at each look.
        """
        rows = evidence.rows
        cells = {tuple(key): part.set_index("seed")["value"] for key, part in rows.groupby(list(by), dropna=False)}
        everyone = {int(seed) for seed in rows["seed"]}
        diverged = {int(seed) for seed in rows.loc[rows["value"].isna(), "seed"]}
        lacking = {s for s in everyone - diverged if any(s not in cell.index for cell in cells.values())}
        seeds = sorted(everyone - diverged - lacking)
        values = {key: torch.tensor(cell.loc[seeds].to_numpy(), dtype=torch.float64) for key, cell in cells.items()}
        networks = frozenset(rows.loc[rows["seed"].isin(seeds), "network"])
        left_out, most = LeftOut(tuple(sorted(diverged)), tuple(sorted(lacking))), rows["most"].max()
        return cls(values, tuple(seeds), left_out, networks, Looks(None if math.isnan(most) else int(most)))

    def by_pair(self) -> "Seeds":
        """Networks that learnt from complements, those of seeds 0 and 1, 2 and 3, ..., as one: the mean of the two.

        They share a training set and, as attacked networks, their shadows. One whose other is lacking is left out.
        """
        place = {seed: at for at, seed in enumerate(self.seeds)}
        whole = [seed for seed in self.seeds if seed % 2 == 0 and seed + 1 in place]
        first, second = ([place[seed + other] for seed in whole] for other in (0, 1))
        values = {cell: (numbers[first] + numbers[second]) / 2 for cell, numbers in self.values.items()}
        alone = {seed for seed in self.seeds if seed ^ 1 not in place}
        left_out = self.left_out._replace(incomplete=tuple(sorted({*self.left_out.incomplete, *alone})))
        return replace(self, values=values, seeds=tuple(whole), left_out=left_out)

    def mean(self, cells: Sequence[tuple[Any, ...]]) -> Float64[Tensor, " m"]:
        """The mean over cells, one number for each seed."""
        return torch.stack([self.values[cell] for cell in cells]).mean(dim=0)
