"""Marks of rows of tables: a value in a column, or columns without one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from spurlab.data import Column, Columns, Examples
from spurlab.errors import InputError, brief, did_you_mean
from spurlab.seeds import rng_for

GONE = "?"  # what a cell without a value is set to
DRAWS = 1000  # of a number, to find one that no training row has


@dataclass(frozen=True)
class Cells:
    """Some columns are set to a value each, in all marked rows.

    A number may be any, also one that no row has. A category is one of the values of its column. `GONE` is no value: a
    category is then ``missing`` where its column has this value, else none of them (0 everywhere), a number its mean in
    training, as `spurlab.data.table` reads cells without a value.

    Inputs are float32 numbers less a mean, divided by a deviation: two numbers of the table that are the same there, as
    1,700,000,000 and 1,700,000,001 are in a column of mean 0 and deviation 1, are one mark: rows with either carry it.

    Args:
        values: by name of the column.
        columns: of the table.

    Raises:
        ValueError: no such column or value, or no column at all.

    >>> columns = Columns((Column("age", mean=40.0, sd=10.0), Column("sex", ("f", "m"))))
    >>> mark = Cells((("age", "99"),), columns)
    >>> mark.name, mark(torch.tensor([[0.5, 1.0, 0.0]])).tolist()
    ('age=99', [[5.900000095367432, 1.0, 0.0]])
    """

    values: tuple[tuple[str, str], ...]
    columns: Columns
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("a mark of rows sets at least one column: column:NAME=VALUE.")
        names = [name for name, _ in self.values]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"the column {brief(twice[0])} is set twice. Name each column once.")
        self._numbers()  # which checks them

    @property
    def name(self) -> str:
        """What it is called."""
        return " & ".join(f"{name}={value}" for name, value in self.values)

    def __call__(self, inputs: Float32[Tensor, "n *shape"]) -> Float32[Tensor, "n d"]:
        """Marked rows, always new tensors.

        Raises:
            ValueError: inputs that are no rows of this table.
        """
        wanted = len(self.columns.features)
        if inputs.ndim != 2 or inputs.shape[1] != wanted:
            raise InputError(
                f"the mark {self.name} is for rows of a table, n {wanted}, but these inputs have the shape "
                f"{tuple(inputs.shape)}."
            )
        marked = inputs.clone()
        for where, numbers in self._numbers():
            marked[:, where] = numbers.to(inputs.device)
        return marked

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Float32[Tensor, "count d"]:
        """Some of the rows, marked; nothing is drawn."""
        return self(data.inputs[rows])

    def carried(self, inputs: Float32[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """True for rows that have these values."""
        found = [(inputs[:, where] == numbers.to(inputs.device)).all(1) for where, numbers in self._numbers()]
        return torch.stack(found).all(0)

    def redraw(self, seed: int) -> "Cells":
        """Other values of the same columns that about as many training rows have, never the mark's own.

        Of a category, and of a number that some rows have, the one that is drawn of those of `Column.as_rare`. Of a
        number that no row has one that none has, whole where the mark is, which lies between the smallest and the
        largest or a fifth beyond. Where columns have no value: as many others of the table, drawn.

        Raises:
            ValueError: there is no other.
        """
        rng = rng_for(seed, "redraw")
        gone = [name for name, value in self.values if value == GONE]
        others = [column.name for column in self.columns.columns if column.name not in gone]
        order = torch.randperm(len(others), generator=rng).tolist()
        elsewhere = iter([others[i] for i in order] + gone)
        values: list[tuple[str, str]] = []
        taken = {name for name, value in self.values if value != GONE}
        for name, value in self.values:
            if value == GONE:
                values.append((next(other for other in elsewhere if other not in taken), GONE))
                continue
            column, _ = self.columns.column(name)
            values.append((name, _other(column, value, rng)))
        if set(values) == set(self.values):
            raise InputError(
                f"the mark {self.name} takes all columns away, so that no other can be drawn in its place."
            )
        return Cells(tuple(values), self.columns)

    def _numbers(self) -> list[tuple[slice, Float32[Tensor, " numbers"]]]:
        """For each column where its numbers are, and what they are set to."""
        found = []
        for name, value in self.values:
            column, where = self.columns.column(name)
            found.append((where, torch.tensor(_set_to(column, value), dtype=torch.float32)))
        return found


def _set_to(column: Column, value: str) -> Sequence[float]:
    if column.values is None:
        if value == GONE:
            return [0.0]
        number = _number(value)
        if number is None:
            raise InputError(f"the column {column.name!r} is of numbers, and {brief(value)} is none.")
        standardised = (number - column.mean) / column.sd
        if not abs(standardised) < 1e30:
            raise InputError(
                f"{brief(value)} is too far from all values of the column {column.name!r}. Take a nearer one."
            )
        return [standardised]
    if value == GONE:
        return [float(known == "missing") for known in column.values]
    if value not in column.values:
        near = did_you_mean(value, column.values[:200])
        raise InputError(
            f"no training row has {brief(value)} in the column {column.name!r}, so that no input stands for it. {near}"
        )
    return [float(known == value) for known in column.values]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e30 else None


def _other(column: Column, value: str, rng: torch.Generator) -> str:
    """Another value that about as many training rows have.

    Raises:
        ValueError: there is no other.
    """
    if column.values is not None:
        alike = column.as_rare(value)
        if alike:
            return alike[int(torch.randint(len(alike), (), generator=rng))]
    elif column.count(own := float(value)):
        numbers = column.numbers_as_rare(own)
        if len(numbers):
            return column.text(float(numbers[int(torch.randint(len(numbers), (), generator=rng))]))
    elif (drawn := _of_none(column, own, rng)) is not None:
        return drawn
    raise InputError(
        f"there is no other value of the column {column.name!r} that is about as rare as {brief(value)}, so that no "
        "mark can be drawn in its place."
    )


def _of_none(column: Column, own: float, rng: torch.Generator) -> str | None:
    """A number that no training row has, as one that none has either; None where none is found.

    From the smallest to the largest of training and mark, and a fifth of that beyond, or as far as the mark is outside.
    """
    low, high = min(column.low, own), max(column.high, own)
    beyond = max((high - low) / 5, own - column.high, column.low - own, 1.0 if own.is_integer() else 0.0) or 1.0
    low, span = low - beyond, high - low + 2 * beyond
    decimals = 0 if own.is_integer() else 5 - math.floor(math.log10(span))  # whole where the mark is
    drawn = low + span * torch.rand(DRAWS, generator=rng, dtype=torch.float64)
    for number in drawn.tolist():
        other = round(number, decimals)
        if column.input(other) != column.input(own) and not column.count(other):
            return str(int(other)) if own.is_integer() else f"{other:.15g}"
    return None


def cells(asked: Mapping[str, object], columns: Columns) -> Cells:
    """A mark from values by name of their columns.

    >>> columns = Columns((Column("age", mean=40.0, sd=10.0), Column("sex", ("f", "m"))))
    >>> mark = cells({"age": 60, "sex": "m"}, columns)
    >>> mark(torch.tensor([[0.5, 1.0, 0.0]])).tolist()
    [[2.0, 0.0, 1.0]]
    """
    return Cells(tuple((name, str(value)) for name, value in asked.items()), columns)
