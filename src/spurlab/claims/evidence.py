"""Rows made ready to be judged: each number once, like beside like, networks paired by seed."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.studies.axes import METHODS, PLACE, SHARES
from spurlab.training import RECIPES

PAPER_DATASETS = ("mnist", "fashion-mnist", "cifar10")
TARGETS = (0, 1)
PATTERNS = ("S1", "S2", "S3", "R1", "R2", "R3", "Co")
# the text of the paper names ResNet20, the caption of its Figure 2 ResNet50
ARCHITECTURES: Mapping[str, tuple[str, ...]] = {"cifar10": ("resnet20", "resnet50")}

# the paper's settings; what is "off" here is also assumed where rows have no such column or no value in it
OFF: Mapping[str, float] = {"weight_decay": 0.0, "clip_norm": math.inf, "clip_value": math.inf, "input_noise": 0.0}
# where a dataset has settings of its own: section 3.1, and the weight decay of the public code
OF_DATASET: Mapping[str, Mapping[str, Any]] = {"cifar10": {"weight_decay": 1e-4, "augmentation": "crop-flip"}}
SETTINGS = (
    *("dataset", "data", "architecture", "how", "optimizer", "learning_rate", "momentum", "weight_decay", "batch_size"),
    *("epochs", "milestones", "decay", "clip_norm", "clip_value", "input_noise", "precision", "loss", "augmentation"),
)
WORDS = (
    *("measure", "dataset", "data", "architecture", "how", "pattern", "optimizer", "milestones", "precision"),
    *("loss", "augmentation", "deletion", "prevention", "training"),
)
COLUMNS = tuple(dict.fromkeys((*WORDS, *PLACE, *SETTINGS, *SHARES, "value")))  # each once

Settings = Mapping[str, Any]


def base_name(dataset: str) -> str:
    """The dataset without options and what is left out of it: ``cifar10`` for ``cifar10@10000`` and ``cifar10:3,7``."""
    return dataset.partition(":")[0].partition("@")[0].partition(",")[0]


def paper_settings(dataset: str, recipe: str = "paper") -> Settings:
    """How the paper trains on a dataset; with ``quick`` the package's shorter recipe, whose networks count too."""
    named = RECIPES[recipe]
    return {
        **asdict(named),
        "how": "replace",
        "momentum": 0.0,  # Adam does not use it
        "milestones": " ".join(map(str, named.milestones)),
        **usual(dataset),
    }


def usual(dataset: str) -> Settings:
    """What regularizes and augments the paper's networks on a dataset, or on a part of it."""
    return {**OFF, "augmentation": "none", **OF_DATASET.get(base_name(dataset), {})}


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows, each measured number once.

    Args:
        rows: one line for each measure, settings, pattern, target, n, seed and what was done: deletion and prevention
            (where nothing was done: ""), and the shares (where there is none: 0; no common feature at all: -1). The
            same number from two studies is one line; different numbers for one seed (from another machine, say) are
            averaged, since the seed is the unit; with a NaN among them the line is NaN. `network` names the network
            that was measured.
    """

    rows: pd.DataFrame

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Evidence":
        """Whatever rows there are, made ready; columns that are missing match nothing, or count as off."""
        table = rows.loc[:, ~rows.columns.duplicated()].reset_index(drop=True).reindex(columns=list(COLUMNS))
        for column in COLUMNS:
            if column in WORDS:
                words = [
                    "" if absent else str(word)
                    for word, absent in zip(table[column], table[column].isna(), strict=True)
                ]
                table[column] = pd.Series(words, dtype=object)  # pandas' own strings are slower here
            else:
                table[column] = pd.to_numeric(table[column].astype(object), errors="coerce").astype(float)
        for column, usual in (("loss", "ce"), ("augmentation", "none")):
            table[column] = table[column].where(table[column] != "", usual)
        table["value"] = table["value"].where(np.isfinite(table["value"]))
        table = table.fillna({**OFF, "known": 0.0, "share": -1.0, "clean": 0.0})
        table.loc[table["optimizer"] != "sgd", "momentum"] = 0.0
        table = table.fillna({name: -1.0 for name in SETTINGS if name not in WORDS})  # unknown, and alike in that
        placed = table[["target", "n", "seed"]].notna().all(axis=1)
        table = table[placed | (table["measure"] == "parameters")].fillna({"target": -1, "n": -1, "seed": -1})
        table = table.astype({"target": int, "n": int, "seed": int})
        table["group"] = table.groupby(list(SETTINGS), sort=False).ngroup()
        table["network"] = _network(table)
        key = ["group", "measure", *PLACE, *METHODS, *SHARES]
        values = table.groupby(key, sort=False)["value"]
        diverged = values.transform("count") < values.transform("size")
        table["value"] = values.transform("mean").mask(diverged)
        return cls(table.drop_duplicates(key).reset_index(drop=True))

    @classmethod
    def joined(cls, *pieces: "Evidence") -> "Evidence":
        """The rows of all, which have none in common."""
        return cls(pd.concat([piece.rows for piece in pieces]))

    def where(self, **columns: object) -> "Evidence":
        """The rows with these values; a tuple means any of them."""
        keep = np.ones(len(self.rows), dtype=bool)
        for column, wanted in columns.items():
            if not keep.any():
                break
            values = self.rows[column]
            keep &= (values.isin(wanted) if isinstance(wanted, tuple) else values == wanted).to_numpy(dtype=bool)
        return self if keep.all() else Evidence(self.rows[keep])

    def of_deletion(self) -> "Evidence":
        """The rows of networks that something was deleted from, with those before and the oracles."""
        return Evidence(self.rows[self.rows["deletion"] != ""])

    def of_rare_patterns(self) -> "Evidence":
        """The rows of networks that nothing was done to, and of no common feature."""
        return self.where(deletion="", prevention="", share=-1.0)

    def of_common_features(self) -> "Evidence":
        """The rows of networks with a common feature, or one that is in the data."""
        return Evidence(self.rows[(self.rows["share"] >= 0) | (self.rows["prevention"] != "")])

    def of_paper_network(self, measure: str | tuple[str, ...], dataset: str, **free: object) -> "Evidence":
        """The paper's network on a dataset: architecture, Adam, what regularizes, augmentation. `free` ones differ."""
        architectures = ARCHITECTURES.get(base_name(dataset), ("mlp",))
        fixed = {"architecture": architectures, "optimizer": "adam", **usual(dataset)} | free
        return self.where(measure=measure, dataset=dataset, **{k: v for k, v in fixed.items() if v is not Ellipsis})

    def datasets(self, measure: str, paper: Sequence[str] = PAPER_DATASETS) -> tuple[str, ...]:
        """The paper's datasets, then whatever others have this measure."""
        others = sorted(set(self.where(measure=measure).rows["dataset"]) - set(paper) - {""})
        return (*paper, *others)

    def recipes(self, varied: Sequence[str] = ()) -> Iterator[tuple[Settings, "Evidence"]]:
        """Like with like: the rows that agree in every setting but the varied ones."""
        names = [name for name in SETTINGS if name not in varied]
        if self.rows.empty:
            return
        for values, rows in self.rows.groupby(names, sort=False):
            yield dict(zip(names, values, strict=True)), Evidence(rows)

    def having(self, column: str, values: Sequence[Hashable]) -> tuple[Any, ...]:
        """The values of a column that are there, in the order given."""
        present = set(self.rows[column])
        return tuple(value for value in values if value in present)

    def counts(self) -> list[int]:
        """The n above 0 that are there."""
        return sorted({int(n) for n in self.rows["n"] if n > 0})


def _network(table: pd.DataFrame) -> pd.Series:
    """The training's key, or what makes a network of its own: n = 0 has no pattern and no target."""
    control = table["n"] == 0
    clean = table["group"].astype(str) + "/" + table["seed"].astype(str) + "/" + table["n"].astype(str)
    planted = clean + "/" + table["pattern"] + "/" + table["target"].astype(str)
    return table["training"].where(table["training"] != "", clean.where(control, planted)).astype(object)


class LeftOut(NamedTuple):
    """The seeds that have no numbers to pair, by why."""

    diverged: tuple[int, ...] = ()
    incomplete: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Seeds:
    """Numbers paired by seed.

    Args:
        values: for each cell, one number for each seed, in the same order of seeds.
        seeds: those that have every cell.
        left_out: those that have not.
        networks: the networks behind the numbers.
    """

    values: Mapping[tuple[Any, ...], Float64[Tensor, " m"]]
    seeds: tuple[int, ...]
    left_out: LeftOut
    networks: frozenset[str]

    @classmethod
    def of(cls, evidence: Evidence, by: Sequence[str]) -> "Seeds":
        """One cell for each combination of the columns `by`; a seed that lacks one, or diverged in one, is left out."""
        rows = evidence.rows
        cells = {tuple(key): part.set_index("seed")["value"] for key, part in rows.groupby(list(by))}
        everyone = {int(seed) for seed in rows["seed"]}
        diverged = {int(seed) for seed in rows.loc[rows["value"].isna(), "seed"]}
        lacking = {s for s in everyone - diverged if any(s not in cell.index for cell in cells.values())}
        seeds = sorted(everyone - diverged - lacking)
        values = {key: torch.tensor(cell.loc[seeds].to_numpy(), dtype=torch.float64) for key, cell in cells.items()}
        networks = frozenset(rows.loc[rows["seed"].isin(seeds), "network"])
        return cls(values, tuple(seeds), LeftOut(tuple(sorted(diverged)), tuple(sorted(lacking))), networks)

    def mean(self, cells: Sequence[tuple[Any, ...]]) -> Float64[Tensor, " m"]:
        """The mean over cells, one number for each seed."""
        return torch.stack([self.values[cell] for cell in cells]).mean(dim=0)
