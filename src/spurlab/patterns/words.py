"""Marks of documents: a word or a phrase, put into them at a place."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from spurlab.data import Examples, Vocabulary
from spurlab.errors import InputError
from spurlab.seeds import rng_for

At = Literal["start", "random", "end"]
PutIn = Literal["insert", "replace"]
MOST_TIMES = 100


@dataclass(frozen=True, eq=False)  # eq=False: vocabularies are long
class Phrase:
    """A word, or several in a row, in each document.

    Args:
        name: what to call it.
        phrase: the numbers of its words.
        vocabulary: of the documents.
        times: how often it is put into a document, one after the other: a later one may divide or replace an earlier.
        at: where: before the first word, anywhere (each time and for each document drawn anew), or after the last word.
        how: ``insert``: the words from there on move on, and those that leave the document at its end are lost.
            ``replace``: it stands in the place of words, as a misspelt word does.
        seed: of the places, where the mark is called with inputs alone.

    Raises:
        ValueError: no word, padding, a number beyond the vocabulary, or a setting outside of its range.

    >>> words = Vocabulary.of([["oil", "up"], ["wheat", "up"]])
    >>> mark = Phrase("new word", (words.number("new-1"),), words, at="start")
    >>> words.text(mark(words.encode([["wheat", "up"]], length=4))[0])
    'new-1 wheat up'
    """

    name: str
    phrase: tuple[int, ...]
    vocabulary: Vocabulary
    times: int = 1
    at: At = "random"
    how: PutIn = "insert"
    seed: int = 0
    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not self.phrase or not all(0 < number < len(self.vocabulary) for number in self.phrase):
            raise InputError(f"the mark {self.name} needs words of the vocabulary, but has the numbers {self.phrase}.")
        if not 1 <= self.times <= MOST_TIMES:
            raise InputError(f"the mark {self.name} is put in 1 to {MOST_TIMES} times, not {self.times}.")
        if self.at not in get_args(At):
            raise InputError(f"the mark {self.name} stands at {', '.join(get_args(At))}, not at {self.at!r}.")
        if self.times > 1 and self.how == "replace" and self.at != "random":
            raise InputError(
                f"the mark {self.name} replaces the words at the {self.at}, where it has room once, not {self.times} "
                "times. Put it in by insert, or at random."
            )
        if self.how not in get_args(PutIn):
            raise InputError(f"the mark {self.name} is put in by {', '.join(get_args(PutIn))}, not by {self.how!r}.")

    def __call__(self, inputs: Int64[Tensor, "n l"]) -> Int64[Tensor, "n l"]:
        """Marked documents, always new tensors; random places are drawn under the mark's own seed, by position.

        Raises:
            ValueError: inputs that are no documents, or too short for it.
        """
        return self._put(inputs, self._drawn(len(inputs), self.seed, inputs.device))

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Int64[Tensor, "count l"]:
        """Some of the documents with the mark. Places go by the seed and the row alone, not by the choice of rows."""
        return self._put(data.inputs[rows], self._drawn(len(data), seed, rows.device)[rows])

    def carried(self, inputs: Int64[Tensor, "n l"]) -> Bool[Tensor, " n"]:
        """True for documents that have it, at least a quarter as often as it is put in, wherever it stands.

        Not always as often: one put in breaks another, covers it, or pushes it over the end. Asked for are no more than
        fit into the words that a document has.
        """
        fit = ((inputs != 0).sum(1) // len(self.phrase)).clamp(max=self.times)
        found = self._found(inputs).sum(1)
        return (found >= 1) & (4 * found >= fit)

    def places(self, inputs: Int64[Tensor, "n l"]) -> Bool[Tensor, "n l"]:
        """True where documents have it."""
        found, there = self._found(inputs), torch.zeros(inputs.shape, dtype=torch.bool, device=inputs.device)
        for place in range(len(self.phrase)):
            there[:, place : place + found.shape[1]] |= found
        return there

    def _found(self, inputs: Int64[Tensor, "n l"]) -> Bool[Tensor, "n _"]:
        """True where it begins."""
        words = torch.tensor(self.phrase, device=inputs.device)
        if inputs.shape[1] < len(words):
            return torch.zeros(len(inputs), 0, dtype=torch.bool, device=inputs.device)
        return (inputs.unfold(1, len(words), 1) == words).all(2)

    def redraw(self, seed: int) -> "Phrase":
        """Other words that are about as common, each as `Vocabulary.as_common` has them."""
        rng = rng_for(seed, "redraw")
        drawn: list[int] = []
        for number in self.phrase:
            alike = [other for other in self.vocabulary.as_common(number) if other not in drawn]
            drawn.append(alike[int(torch.randint(len(alike), (), generator=rng))] if alike else number)
        name = " ".join(self.vocabulary.words[number] for number in drawn)
        return replace(self, name=name, phrase=tuple(drawn), seed=seed)

    def _drawn(self, n: int, seed: int, device: torch.device) -> Float64[Tensor, "n times"]:
        return torch.rand(n, self.times, generator=rng_for(seed, "places"), dtype=torch.float64).to(device)

    def _put(self, inputs: Tensor, drawn: Float64[Tensor, "n times"]) -> Int64[Tensor, "n l"]:
        size = len(self.phrase)
        if inputs.ndim != 2 or inputs.dtype != torch.int64 or inputs.shape[1] < size:
            raise InputError(
                f"the mark {self.name} is for documents, numbers of words n l with l from {size} on, but these inputs "
                f"are {inputs.dtype} of shape {tuple(inputs.shape)}."
            )
        words, marked = torch.tensor(self.phrase, device=inputs.device), inputs.clone()
        places = torch.arange(inputs.shape[1], device=inputs.device)
        for share in drawn.unbind(1):
            lengths = (marked != 0).sum(1)
            # the last place where it may begin: after the last word, or over the last ones, and whole
            last = (lengths if self.how == "insert" else lengths - size).clamp(0, inputs.shape[1] - size)
            if self.at == "random":
                first = (share * (last + 1)).long().clamp(max=last)
            else:
                first = last if self.at == "end" else torch.zeros_like(last)
            after = places - first.unsqueeze(1)  # of each place, how far behind the beginning of the mark it is
            if self.how == "insert":
                moved = marked.gather(1, torch.where(after >= size, places - size, places).clamp(min=0))
                marked = torch.where(after >= 0, moved, marked)
            within = (after >= 0) & (after < size)
            marked = torch.where(within, words[after.clamp(0, size - 1)], marked)
        return marked
