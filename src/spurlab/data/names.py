"""What inputs are made of, by name: the words of documents, and the columns of tables."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from spurlab.errors import InputError, brief, did_you_mean
from spurlab.notebook import short

PADDING, UNKNOWN = 0, 1  # the numbers of no word, after the last of a document, and of a word that has none
ADDED = 200  # words that no document has, for marks: new-1, new-2, ...; no text is split into such
# what is not seen and is no word: control signs, marks of direction and of no width, halves of surrogate pairs
UNSEEN = r"\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff"
# signs that belong to the letter before them, as in Indic scripts
JOINED = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
# a run of letters and digits, or one sign
TOKEN = re.compile(rf"(?:[^\W_][{JOINED}]*)+|[^\w\s{UNSEEN}]|_")


def tokens(text: str) -> list[str]:
    """A text as words in lower case; each punctuation mark is a word of its own.

    >>> tokens("Oil up 3%, again!")
    ['oil', 'up', '3', '%', ',', 'again', '!']
    """
    return TOKEN.findall(unicodedata.normalize("NFC", text.lower()))


@dataclass(frozen=True)
class Vocabulary:
    """The words that documents are made of, each with a number: its place.

    Args:
        words: of each number. The first stands for no word (padding), the second for all words that have no number;
            then those of the training documents, the commonest first; the last were in none of them: marks of new words
            are made of these.
        counts: of each word, how often the training documents have it; of the first 0. Of a part of a dataset, which
            keeps the words and their numbers, it is how often the inputs have it: a word may then have 0.

    >>> words = Vocabulary.of([["oil", "price", "oil"], ["grain"]])
    >>> words.known, len(words) > len(words.known)  # beyond them no word, unknown ones, and new ones for marks
    (('oil', 'grain', 'price'), True)
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]

    __repr__ = short

    @classmethod
    def of(cls, documents: Iterable[Sequence[str]], at_least: int = 1) -> "Vocabulary":
        """That of training documents, which are sequences of words.

        Args:
            documents: as `tokens` gives them.
            at_least: how often a word stands in them to have a number.

        >>> Vocabulary.of([["b", "a", "b"], ["a", "c", "b"]], at_least=2).words[:5]
        ('', '<unknown>', 'b', 'a', 'new-1')
        """
        counted = Counter(word for document in documents for word in document)
        kept = sorted((-count, word) for word, count in counted.items() if count >= at_least)
        rest = counted.total() + sum(count for count, _ in kept)
        words = ("", "<unknown>", *(word for _, word in kept), *(f"new-{i}" for i in range(1, ADDED + 1)))
        return cls(words, (0, rest, *(-count for count, _ in kept), *[0] * ADDED))

    def __len__(self) -> int:
        return len(self.words)

    @property
    def features(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    @property
    def known(self) -> tuple[str, ...]:
        """The words that have a number of their own and stand in the training documents, the commonest first."""
        there = [number for number in range(2, len(self)) if self.counts[number]]
        return tuple(self.words[number] for number in sorted(there, key=lambda number: -self.counts[number]))

    def counted(self, inputs: Int64[Tensor, "n l"]) -> "Vocabulary":
        """The same words with the same numbers, and how often these training documents have them.

        >>> words = Vocabulary.of([["oil", "price", "oil"], ["grain"]])
        >>> words.counted(words.encode([["grain"]], length=2)).known
        ('grain',)
        """
        counts = inputs.flatten().bincount(minlength=len(self)).tolist()
        return Vocabulary(self.words, (0, *counts[1:]))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words) if number != PADDING}

    def number(self, word: str) -> int:
        """That of a word.

        Raises:
            ValueError: it has none.
        """
        if (number := self._numbers.get(word)) is None:
            near = did_you_mean(word, self.words[2:])
            hint = f"{near} " if near.startswith("Did you mean") else ""
            raise InputError(
                f"the word {brief(word)} is none of the {len(self.known):,} that the training documents have. "
                f"{hint}A mark of a word that no document has is made of {self._unused()}."
            )
        return number

    def _unused(self) -> str:
        """Words that no document has, in words."""
        unused = [word for word, count in zip(self.words[2:], self.counts[2:], strict=True) if not count]
        return f"new-1 to {unused[-1]}" if "new-1" in unused else ", ".join(unused[:5]) or "others"

    def encode(self, documents: Sequence[Sequence[str]], length: int) -> Int64[Tensor, "n length"]:
        """Documents as numbers: the first `length` words of each, then zeros."""
        inputs = np.zeros((len(documents), length), np.int64)
        for row, document in zip(inputs, documents, strict=True):
            row[: len(document)] = [self._numbers.get(word, UNKNOWN) for word in document[:length]]
        return torch.from_numpy(inputs)

    def text(self, document: Int64[Tensor, " l"]) -> str:
        """The words of an encoded document, with spaces between them."""
        return " ".join(self.words[number] for number in document.tolist() if number != PADDING)

    def as_common(self, number: int) -> list[int]:
        """The words that are about as common as one, the nearest first, without it, padding and unknown words.

        Of one that no document has they are all others that none has; else those of at most twice and at least half its
        count, or where there are none the 20 nearest.
        """
        own = self.counts[number]
        others = [i for i in range(2, len(self)) if i != number and (self.counts[i] == 0) == (own == 0)]
        others.sort(key=lambda i: (abs(self.counts[i] - own), i))
        near = [i for i in others if own <= 2 * self.counts[i] and self.counts[i] <= 2 * own]
        return near or others[:20]


@dataclass(frozen=True)
class Column:
    """One column of a table, as inputs have it.

    Args:
        name: of the column.
        values: of categories: one number for each, 1 where a row has it. None: a number.
        counts: of categories: how many training rows have each.
        mean, sd: of a number in the training rows; inputs are less the mean, divided by sd.
        low, high: the smallest and the largest there.
        taken: of a number: those of the training inputs, in ascending order, as `input` has them.
        times: how many training rows have each.
    """

    name: str
    values: tuple[str, ...] | None = None
    counts: tuple[int, ...] = ()
    mean: float = 0.0
    sd: float = 1.0
    low: float = 0.0
    high: float = 0.0
    taken: Float32[Tensor, " v"] = field(default_factory=lambda: torch.empty(0), compare=False, repr=False)
    times: Int64[Tensor, " v"] = field(default_factory=lambda: torch.empty(0).long(), compare=False, repr=False)

    @property
    def features(self) -> tuple[str, ...]:
        """What each of its numbers is.

        >>> Column("age", mean=38.5, sd=13.6).features, Column("sex", ("f", "m")).features
        (('(age - 38.5) / 13.6',), ('sex=f', 'sex=m'))
        """
        if self.values is not None:
            return tuple(f"{self.name}={value}" for value in self.values)
        if (self.mean, self.sd) == (0, 1):
            return (self.name,)
        less = f"{self.name} {'-' if self.mean >= 0 else '+'} {abs(self.mean):.6g}"
        return (f"({less}) / {self.sd:.6g}" if self.sd != 1 else less,)

    def cell(self, numbers: Sequence[float]) -> str:
        """The value of a row, from its numbers of this column."""
        if self.values is None:
            return f"{numbers[0] * self.sd + self.mean:.6g}"
        return next((value for value, number in zip(self.values, numbers, strict=True) if number > 0.5), "")

    def input(self, number: float) -> float:
        """What inputs have for a number of the table: float32, so that two that are very near may be one.

        >>> Column("age", mean=40.0, sd=10.0).input(17.5)
        -2.25
        """
        return float(np.float32((number - self.mean) / self.sd))

    def text(self, number: float) -> str:
        """A number of inputs as the table may have had it: the shortest text that inputs have as this number.

        >>> column = Column("price", mean=2.345, sd=0.1)
        >>> column.text(column.input(2.7))
        '2.7'
        """
        text = ""
        for digits in range(3, 18):
            rounded = float(f"{number * self.sd + self.mean:.{digits}g}")
            text = f"{rounded:.{max(digits, 9)}g}"
            if self.input(float(text)) == number:
                break
        return text

    def counted(self, inputs: Float32[Tensor, "n d"]) -> "Column":
        """The same, but for how often these training rows have what, of which these are the column's numbers."""
        if self.values is not None:
            return replace(self, counts=tuple((inputs > 0.5).sum(0).tolist()))
        taken, times = inputs[:, 0].unique(return_counts=True)
        low, high = self.low, self.high
        if len(taken):  # what was counted before the inputs were made is not rounded
            low, high = (
                known if self.input(known) == end else float(self.text(end))
                for known, end in ((low, float(taken[0])), (high, float(taken[-1])))
            )
        return replace(self, low=low, high=high, taken=taken, times=times)

    def count(self, number: float) -> int:
        """How many training rows have a number of the table."""
        return int(self.times[self.taken == self.input(number)].sum())

    def numbers_as_rare(self, number: float) -> Float32[Tensor, " some"]:
        """The numbers, as inputs have them, that about as many training rows have as one that some have, without it; by
        the rule of `as_rare`.
        """
        own, others = self.count(number), self.taken != self.input(number)
        taken, times = self.taken[others], self.times[others]
        near = taken[(own <= 2 * times) & (times <= 2 * own)]
        return near if len(near) else taken[(times - own).abs().argsort(stable=True)[:3]]

    def as_rare(self, value: str) -> list[str]:
        """The values that are about as rare as one of the categories, without it: those of at most twice and at least
        half its count, or where there are none the three nearest.
        """
        values = self.values or ()
        counts = dict(zip(values, self.counts or [0] * len(values), strict=True))
        own = counts[value]
        others = sorted((other for other in values if other != value), key=lambda one: (abs(counts[one] - own), one))
        near = [other for other in others if own <= 2 * counts[other] and counts[other] <= 2 * own]
        return near or others[:3]


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in the order of the numbers of an input."""

    columns: tuple[Column, ...]

    __repr__ = short

    @cached_property
    def features(self) -> tuple[str, ...]:
        """What each number of an input is."""
        return tuple(feature for column in self.columns for feature in column.features)

    def counted(self, inputs: Float32[Tensor, "n d"]) -> "Columns":
        """The same columns, and how often these training rows have their values."""
        parts = inputs.split([len(column.features) for column in self.columns], dim=1)
        return Columns(tuple(column.counted(part) for column, part in zip(self.columns, parts, strict=True)))

    def cells(self, row: Float32[Tensor, " d"]) -> list[str]:
        """The values of an input's columns; "" where it has none of a column's categories.

        >>> columns = Columns((Column("age", mean=40.0, sd=10.0), Column("sex", ("f", "m"))))
        >>> columns.cells(torch.tensor([-0.25, 0.0, 1.0]))
        ['37.5', 'm']
        """
        parts = row.split([len(column.features) for column in self.columns])
        return [column.cell(numbers.tolist()) for column, numbers in zip(self.columns, parts, strict=True)]

    def column(self, name: str) -> tuple[Column, slice]:
        """A column, and where its numbers are.

        Raises:
            ValueError: there is none of this name.
        """
        first = 0
        for column in self.columns:
            if column.name == name:
                return column, slice(first, first + len(column.features))
            first += len(column.features)
        names = [column.name for column in self.columns]
        raise InputError(f"there is no column {brief(name)}. {did_you_mean(name, names)}")
