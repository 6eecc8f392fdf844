"""A dataset: an `Entry`, which says what the data are and how they are come by."""

from dataclasses import dataclass
from pathlib import Path

import torch

from spurlab.data import Dataset, Examples
from spurlab.data.entry import Entry
from spurlab.seeds import rng_for

SIDE = 8


def stripes(count: int, part: str) -> Examples:
    """Grey images of bright rows (label 0) or columns (label 1) under noise; the same in each call."""
    rng = rng_for(0, "stripes", part)
    labels = torch.arange(count) % 2
    bright = torch.rand(count, SIDE, 1, generator=rng).expand(count, SIDE, SIDE)
    images = torch.where(labels[:, None, None] == 0, bright, bright.transpose(1, 2))
    noise = 0.1 * torch.rand(count, SIDE, SIDE, generator=rng)
    return Examples((0.5 * images + noise)[:, None], labels)


@dataclass(frozen=True, kw_only=True)
class Stripes(Entry):
    """Made each time, in no time: nothing is looked for, downloaded or kept."""

    def locate(self) -> Path | None:
        """The folder of the program."""
        return Path(__file__).parent

    def fetch(self, *, offline: bool) -> Path:
        """The same."""
        return Path(__file__).parent

    def load(self, *, offline: bool) -> Dataset:
        """The images."""
        train, test = (stripes(count, part) for count, part in zip(self.sizes, ("train", "test"), strict=True))
        return self.dataset(train, test, "made when it was asked for", {})


STRIPES = Stripes(
    name="stripes",  # as in pyproject.toml
    title="Stripes",
    licence="as this package",
    origin="rows and columns under noise, drawn by spurlab_example.dataset",
    class_names=("rows", "columns"),
    shape=(1, SIDE, SIDE),
    sizes=(200, 100),
)
