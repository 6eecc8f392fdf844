"""Coloured MNIST: small or large digit, and a colour that goes with it in training, after arXiv:1907.02893."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from spurlab.data import mnist
from spurlab.data.entry import Entry
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset, Examples
from spurlab.errors import did_you_mean
from spurlab.seeds import rng_for

COLOURS = ("red", "green")  # the first two channels; red goes with the first class, green with the second
SMALL = 5  # digits below are the first class
DEFAULTS = {"p": 90.0, "test": 50.0, "noise": 0.0}


@dataclass(frozen=True, kw_only=True)
class ColouredMnist(Entry):
    """MNIST in two classes, digits below 5 and others, and in two colours; made when it is loaded.

    A digit stands in the red or in the green channel; the other channels are 0. Which images get the colour of their
    class is drawn once and for all, for each class separately; it is the stated share of them, rounded. The images that
    have it at one share have it at each higher one too. Groups are label x 2 + colour.

    By name the shares are options, e.g. ``coloured-mnist,p=95,test=10``, before what else can follow:
    ``coloured-mnist,p=95@10000`` are the first 10,000 images, as many of each digit, and the share is exact in them.
    The whole takes 0.7 GB of memory.

    Source: Arjovsky et al. (2019), arXiv:1907.02893, section 5.1; there two training sets, of 80 and 90 %, and 10 % in
    the test set, with 25 % noise and images of 14 x 14 pixels.
    """

    of: Entry  # MNIST
    p: float = DEFAULTS["p"]  # percent of the training images that have the colour of their class
    test: float = DEFAULTS["test"]  # percent of the test images that have it; 50: the colour tells nothing
    # percent of the images of each part whose label is flipped before the colours are chosen, as many of both classes
    noise: float = DEFAULTS["noise"]

    def locate(self) -> Path | None:
        return self.of.locate()

    def fetch(self, *, offline: bool) -> Path:
        return self.of.fetch(offline=offline)

    def load(self, *, offline: bool) -> Dataset:
        return self._coloured(self.of.load(offline=offline))

    def load_first(self, count: int, *, offline: bool) -> Dataset:
        """The first images of each digit, coloured: the share is that of these."""
        data = self._coloured(self.of.load_first(count, offline=offline))
        about = self.first(count)
        return replace(data, name=about.name, source=replace(data.source, origin=about.origin))

    @property
    def balanced(self) -> int:
        return self.of.balanced

    def with_options(self, options: Sequence[str]) -> "ColouredMnist":
        """The dataset with other shares, e.g. ``p=95``; those that are as usual do not stand in its name.

        Raises DataRequestError: another option, one that is named twice, or no share in percent.
        """
        shares = {option: getattr(self, option) for option in DEFAULTS}
        named = [option.partition("=")[0] for option in options]
        for option, key in zip(options, named, strict=True):
            value = option.partition("=")[2]
            if key not in shares:
                hint = did_you_mean(key, DEFAULTS)
                raise DataRequestError(f"{self.name} has no option {key!r}. {hint} An example is {self.name},p=95.")
            if named.count(key) > 1:
                raise DataRequestError(f"{self.name} has the option {key!r} twice. Say it once.")
            # as many decimals as the name can say again
            if not re.fullmatch(r"\d{1,3}(\.\d{1,4})?", value, re.ASCII) or not 0 <= float(value) <= 100:
                raise DataRequestError(
                    f"{self.name}: the option {key!r} is a share in percent, 0 to 100, but it is {value!r}. "
                    f"Write it as {key}=95 or {key}=97.5."
                )
            shares[key] = float(value)
        said = [f"{key}={share:.7g}" for key, share in shares.items() if share != DEFAULTS[key]]
        title = f"{TITLE} ({_in_words(shares['p'], shares['test'], shares['noise'])})" if said else TITLE
        return replace(self, name=",".join([NAME, *said]), title=title, origin=_origin(**shares), **shares)

    def _coloured(self, digits: Dataset) -> Dataset:
        train = self._part(digits.train, "train", self.p)
        test = self._part(digits.test, "test", self.test)
        return self.dataset(train, test, digits.source.location, digits.source.sha256)

    def _part(self, digits: Examples, part: str, percent: float) -> Examples:
        labels = (digits.labels >= SMALL).long()
        labels = torch.where(_drawn(self.noise, labels, part, "noise"), 1 - labels, labels)
        colours = torch.where(_drawn(percent, labels, part, "colour"), labels, 1 - labels)
        inputs = digits.inputs.new_zeros(len(digits), 3, *digits.shape[1:])
        inputs[torch.arange(len(digits)), colours] = digits.inputs[:, 0]
        return Examples(inputs, labels, labels * len(COLOURS) + colours)


def _drawn(percent: float, labels: Int64[Tensor, " n"], *purpose: str) -> Bool[Tensor, " n"]:
    """True for that share of the examples of each class, rounded, chosen at random."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(2):
        rows = (labels == label).nonzero().flatten()
        order = torch.randperm(len(rows), generator=rng_for(0, NAME, *purpose, label))
        chosen[rows[order[: round(percent * len(rows) / 100)]]] = True
    return chosen


def _in_words(p: float, test: float, noise: float) -> str:
    flipped = f", {noise:.7g} % of the labels flipped" if noise else ""
    return f"colour of the class: {p:.7g} % in training, {test:.7g} % in the test set{flipped}"


def _origin(p: float, test: float, noise: float) -> str:
    return f"digits below 5 and others, in two colours ({_in_words(p, test, noise)}), from MNIST: {mnist.ENTRY.origin}"


NAME, TITLE = "coloured-mnist", "Coloured MNIST"
CLASS_NAMES = ("0-4", "5-9")
ENTRY = ColouredMnist(
    name=NAME,
    title=TITLE,
    licence=mnist.ENTRY.licence,
    origin=_origin(**DEFAULTS),
    class_names=CLASS_NAMES,
    shape=(3, *mnist.ENTRY.shape[1:]),
    sizes=mnist.ENTRY.sizes,
    group_names=tuple(f"{name}, {colour}" for name in CLASS_NAMES for colour in COLOURS),
    of=mnist.ENTRY,
)
