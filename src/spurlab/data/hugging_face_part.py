"""Some rows of a split of Hugging Face's: which features are meant, and what stands there: texts, images, classes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.data.arrays import class_order, set_aside
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Examples
from spurlab.data.pixels import Encoded
from spurlab.errors import brief, did_you_mean

_log = logging.getLogger(__name__)

# how columns are usually called, where several could be meant
IMAGES, TEXTS, LABELS = ("image", "img"), ("text", "sentence", "content"), ("label", "labels", "class", "category")


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a split.

    Args:
        library: Hugging Face's.
        name: of the dataset.
        split: its name.
        data: the split.
        rows: for training or test.
    """

    library: ModuleType
    name: str
    split: str
    data: Any
    rows: Sequence[int]

    def feature(self, column: str) -> Any:
        """What a column holds. Raises DataRequestError: there is none of this name."""
        if column not in self.data.features:
            raise DataRequestError(f"{self.name} has no feature {column!r}. {did_you_mean(column, self.data.features)}")
        return self.data.features[column]

    def found(self, image: str | None, text: str | None, label: str | None) -> tuple[str | None, str | None, str]:
        """The features with images or with texts, and that of the classes; those that were not named, by their kind.

        Raises DataRequestError: there is none, or several could be meant; images and texts are both named.
        """
        if image is not None and text is not None:
            raise DataRequestError(f"{self.name}: name the feature of images (image) or of texts (text), not both.")
        of, features = self.library, self.data.features
        unnamed = [what for what, one in (("inputs", image or text), ("classes", label)) if one is None]
        images = [name for name, one in features.items() if isinstance(one, of.Image)]
        strings = [
            name
            for name, one in features.items()
            if isinstance(one, of.Value) and one.dtype in ("string", "large_string") and name != label
        ]
        if label is None:
            classes = [name for name, one in features.items() if isinstance(one, of.ClassLabel)]
            named = [name for name in features if name in LABELS]
            label = self._one(classes or named, LABELS, "classes", "label")
        if image is None and text is None and images:
            image = self._one(images, IMAGES, "images", "image")
        elif image is None and text is None:
            text = self._one([name for name in strings if name != label], TEXTS, "images or texts", "image or text")
        if unnamed:
            _log.info(
                "%s: %s from %r, classes from %r", self.name, "images" if image else "texts", image or text, label
            )
        return image, text, label

    def _one(self, fit: Sequence[str], usual: Sequence[str], what: str, option: str) -> str:
        """The one feature that is meant. Raises DataRequestError: there is none, or several."""
        usually = [name for name in usual if name in fit]
        if len(fit) != 1 and not usually:
            has = ", ".join(f"{name} ({brief(str(one))})" for name, one in list(self.data.features.items())[:10])
            found = f"{len(fit)} features of {what} ({', '.join(fit)})" if fit else f"no feature of {what}"
            raise DataRequestError(f"{self.name} has {found}: name it ({option}=...). It has {has}.")
        return usually[0] if usually else fit[0]

    def is_hidden(self, label: str, class_names: Sequence[str]) -> bool:
        """Whether no row says its class, as in the test split of a contest: all are -1 or missing, and -1 is none."""
        if label not in self.data.features:
            return True
        if "-1" in class_names and not isinstance(self.data.features[label], self.library.ClassLabel):
            return False
        labels = self.data.with_format(None).select_columns([label])[:][label]
        return bool(self.rows) and all(labels[row] is None or labels[row] == -1 for row in self.rows)

    def documents(self, text: str, label: str) -> list[tuple[str, str]]:
        """The texts, each with the name of its class. Raises DataRequestError: one is missing, or no text."""
        self.feature(text)
        values = self.data.with_format(None).select_columns([text])[:][text]
        for row in self.rows:
            if not isinstance(values[row], str):
                raise DataRequestError(
                    f"{self.where(row)}: {text!r} is {brief(values[row])}, no text. Take such rows out, or name "
                    "another feature (text=...)."
                )
        return list(zip((values[row] for row in self.rows), self.texts(label), strict=True))

    def where(self, row: int) -> str:
        """How a row is called in messages."""
        return f"{self.name}, {self.split}, row {row}"

    def texts(self, column: str) -> list[str]:
        """The values of a column as texts; those with names by name. Raises DataRequestError: one is missing."""
        feature = self.feature(column)
        values = self.data.with_format(None).select_columns([column])[:][column]
        named, found = isinstance(feature, self.library.ClassLabel), []
        for row in self.rows:
            value = values[row]
            if value is None or (named and value < 0):
                raise DataRequestError(
                    f"{self.where(row)} has no {column!r}. Take such rows out, or name another split (test=...)."
                )
            if not isinstance(value, str | int):
                raise DataRequestError(
                    f"{self.where(row)}: {column!r} is {brief(value)}, but it must be a class: a name or whole number."
                )
            found.append(feature.int2str(value) if named else str(value))
        return found

    def names(self, label: str) -> list[str]:
        """Those of the classes."""
        feature = self.feature(label)
        return (
            list(feature.names) if isinstance(feature, self.library.ClassLabel) else class_order(set(self.texts(label)))
        )

    def places(self, column: str, values: Sequence[str]) -> Tensor:
        """The place of each row's value among all. Raises DataRequestError: it is not among them."""
        place, found = {value: i for i, value in enumerate(values)}, self.texts(column)
        for row, value in zip(self.rows, found, strict=True):
            if value not in place:
                raise DataRequestError(
                    f"{self.where(row)}: {column!r} is {brief(value)}, but the classes of the training rows are "
                    f"{', '.join(values[:10])}{' and others' if len(values) > 10 else ''}."
                )
        return torch.tensor([place[value] for value in found], dtype=torch.int64)

    def divided(self, label: str, class_names: Sequence[str], share: float) -> tuple["Part", "Part"]:
        """The rows for training and for test."""
        labels, aside = self.places(label, class_names), set[int]()
        for number, name in enumerate(class_names):
            own = (labels == number).nonzero().squeeze(1).tolist()
            if len(own) < 2:
                raise DataRequestError(
                    f"{self.name} has {len(own)} examples of the class {brief(name)}, and one must be set aside for "
                    "the test. Name a split with test examples (test=...)."
                )
            aside |= {own[place] for place in set_aside(len(own), share, "test examples", name)}
        kept = [row for row in self.rows if row not in aside]
        return replace(self, rows=kept), replace(self, rows=sorted(aside))

    def pictures(self, image: str) -> Any:
        """The rows with their images as files."""
        if not isinstance(feature := self.feature(image), self.library.Image):
            raise DataRequestError(
                f"{self.name}: the feature {image!r} holds {type(feature).__name__}, no images. Name another "
                "(image=...), or give tensors to from_torch."
            )
        encoded = self.data.with_format(None).select_columns([image])
        return encoded.cast_column(image, self.library.Image(decode=False))

    def examples(
        self,
        inputs: Float32[Tensor, "n c h w"],
        names: list[str],
        label: str,
        class_names: Sequence[str],
        group: str | None,
        attributes: Sequence[str],
    ) -> Examples:
        """With split, row and file of each; a group is label x A + attribute."""
        labels = self.places(label, class_names)
        groups = labels * len(attributes) + self.places(group, attributes) if group else None
        return Examples(inputs, labels, groups, np.array(names))


class PartImages(Sequence[Encoded]):
    """The image files of some parts, each read when it is asked for; their names are known from then on."""

    def __init__(self, parts: Sequence[tuple[Part, Any]], image: str) -> None:
        self._image = image
        self._rows = [(part, pictures, row) for part, pictures in parts for row in part.rows]
        self.names = [f"{part.split}, row {row}" for part, _, row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        part, pictures, row = self._rows[place]
        found = pictures[row][self._image]
        if found is None or not (found["bytes"] or found["path"]):
            raise DataRequestError(f"{part.where(row)} has no image. Take such rows out.")
        if found["path"]:
            self.names[place] = f"{part.split}, row {row} ({Path(found['path']).name})"
        return Encoded(f"{part.name}, {self.names[place]}", found["bytes"]) if found["bytes"] else Path(found["path"])
