"""What is known of a dataset without its examples, and so of a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from spurlab.data.examples import Dataset, Examples
from spurlab.data.names import Columns


@dataclass(frozen=True)
class Description:
    """What is known of a dataset without its examples."""

    name: str  # how it is asked for, e.g. ``fashion-mnist``
    title: str  # how it is called
    licence: str  # as far as known
    origin: str  # who made it, and where it is described
    class_names: tuple[str, ...]  # one for each class, in the order of the labels
    shape: tuple[int, ...]  # of one input; ``c h w`` of an image
    sizes: tuple[int, int] | None  # the numbers of training and of test examples; None: to be counted
    input_range: tuple[float, float] | None = (0.0, 1.0)  # as that of `Dataset`
    group_names: tuple[str, ...] | None = None  # as those of `Dataset`
    columns: bool = False  # whether these are rows of a table
    tokens: bool = False  # whether these are documents; then the shape is ``l w`` as that of `Examples`

    @classmethod
    def of_data(cls, data: Dataset) -> "Description":
        """That of a dataset, which has no title but its name."""
        about = data.name, data.name, data.source.licence, data.source.origin, data.class_names, data.shape
        sizes, tokens = (len(data.train), len(data.test)), data.train.words is not None
        return Description(*about, sizes, data.input_range, data.group_names, isinstance(data.names, Columns), tokens)

    @property
    def unit(self) -> str:
        """What its examples are to be called: not all are images."""
        if self.tokens:
            return "documents"
        return "images" if len(self.shape) == 3 else "rows" if self.columns else "examples"

    def empty(self) -> Examples:
        """No examples of it."""
        shape, words = (self.shape[:1], self.shape[1]) if self.tokens else (self.shape, None)
        dtype = torch.int64 if self.tokens else torch.float32
        return Examples(torch.zeros(0, *shape, dtype=dtype), torch.zeros(0, dtype=torch.int64), words=words)

    def first(self, count: int) -> "Description":
        """That of its first training examples, as many of each class."""
        return self._but(
            name=f"{self.name}@{count}",
            title=f"{self.title} ({count:,} {self.unit})",
            origin=f"the first {count:,} training examples, as many of each class, of {self.origin}",
            sizes=self.sizes and (count, self.sizes[1]),
        )

    def only(self, labels: Sequence[int]) -> "Description":
        """That of some of its classes, in this order. Groups that have names follow their classes."""
        *names, last = (self.class_names[label] for label in labels)
        values = len(self.group_names or ()) // len(self.class_names)  # of the spurious attribute
        groups = (name for label in labels for name in (self.group_names or ())[label * values : (label + 1) * values])
        return self._but(
            name=f"{self.name}:{','.join(map(str, labels))}",
            title=f"{self.title} ({', '.join(names)} and {last})",
            origin=f"the classes {', '.join(names)} and {last} of {self.origin}",
            class_names=(*names, last),
            sizes=None,
            group_names=None if self.group_names is None else tuple(groups),
        )

    def _but(self, **changes: Any) -> "Description":
        """A description with some changes and nothing else: not of a kind that knows how its data are come by."""
        about = {field.name: getattr(self, field.name) for field in fields(Description)}
        return replace(Description(**about), **changes)
