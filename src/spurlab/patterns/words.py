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
        times: how often it is put into a document, or as often as there is room for.
        at: where: before the first word, anywhere (each time and for each document drawn anew), or after the last word.
            At the start and at the end it stands so many times in a row.
        how: ``insert``: the words from there on move on, and those that leave the document at its end are lost. At the
            end of a full document it takes the place of the last words. At random one is put in after the other, never
            into one that stands there; in a full document a later one may push the last one over the end, so that of
            ten words in a full document of 60 nine are left on average.
            ``replace``: it stands in the place of as many words, never of another of its own.
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

        Not always as often: one put in at random may push others over the end. Asked for are no more than fit into the
        words that a document has.
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
        """Other words about as common, each as `Vocabulary.as_common` has them: none of its own, none twice."""
        rng = rng_for(seed, "redraw")
        drawn: list[int] = []
        for number in self.phrase:
            alike = [other for other in self.vocabulary.as_common(number) if other not in (*self.phrase, *drawn)]
            drawn.append(alike[int(torch.randint(len(alike), (), generator=rng))] if alike else number)
        name = " ".join(self.vocabulary.words[number] for number in drawn)
        return replace(self, name=name, phrase=tuple(drawn), seed=seed)

    def _drawn(self, n: int, seed: int, device: torch.device) -> Float64[Tensor, "n times"]:
        return torch.rand(n, self.times, generator=rng_for(seed, "places"), dtype=torch.float64).to(device)

    def _check(self, inputs: Tensor) -> None:
        size = len(self.phrase)
        if inputs.ndim != 2 or inputs.dtype != torch.int64 or inputs.shape[1] < size:
            raise InputError(
                f"the mark {self.name} is for documents, numbers of words n l with l from {size} on, but these inputs "
                f"are {inputs.dtype} of shape {tuple(inputs.shape)}."
            )

    def _put(self, inputs: Tensor, drawn: Float64[Tensor, "n times"]) -> Int64[Tensor, "n l"]:
        self._check(inputs)
        size = len(self.phrase)
        if self.at == "random" and self.how == "insert":
            return self._inserted(inputs, drawn)
        lengths = (inputs != 0).sum(1)
        room = inputs.shape[1] if self.how == "insert" else lengths
        copies = (torch.zeros_like(lengths) + room).div(size, rounding_mode="floor").clamp(1, self.times)
        if self.at == "random":
            return self._scattered(inputs, lengths, copies, drawn)
        return self._in_a_row(inputs, lengths, copies * size)

    def _in_a_row(
        self, inputs: Int64[Tensor, "n l"], lengths: Int64[Tensor, " n"], many: Int64[Tensor, " n"]
    ) -> Int64[Tensor, "n l"]:
        """With so many words of the mark at the start or at the end."""
        words, places = (
            torch.tensor(self.phrase, device=inputs.device),
            torch.arange(inputs.shape[1], device=inputs.device),
        )
        first = torch.zeros_like(lengths)
        if self.at == "end":
            first = torch.minimum(lengths, inputs.shape[1] - many) if self.how == "insert" else lengths - many
        after = places - first.clamp(min=0).unsqueeze(1)
        moved = many.unsqueeze(1) if self.how == "insert" else 0
        others = inputs.gather(1, torch.where(after >= moved, places - moved, places).clamp(min=0))
        return torch.where((after >= 0) & (after < many.unsqueeze(1)), words[after % len(words)], others)

    def _scattered(
        self,
        inputs: Int64[Tensor, "n l"],
        lengths: Int64[Tensor, " n"],
        copies: Int64[Tensor, " n"],
        drawn: Float64[Tensor, "n times"],
    ) -> Int64[Tensor, "n l"]:
        """In the place of words, of no word twice: of a document without the rest of each mark, some places."""
        size, marked = len(self.phrase), inputs.clone()
        left = lengths - copies * (size - 1)
        chosen = some_of(
            torch.arange(inputs.shape[1], device=inputs.device) < left.clamp(min=1).unsqueeze(1), copies, drawn
        )
        row, place = chosen.nonzero().unbind(1)
        first = place + (chosen.cumsum(1)[row, place] - 1) * (size - 1)
        for step, word in enumerate(self.phrase):
            marked[row, first + step] = word
        return marked

    def _inserted(self, inputs: Int64[Tensor, "n l"], drawn: Float64[Tensor, "n times"]) -> Int64[Tensor, "n l"]:
        """One put in after the other, anywhere but within one that stands there."""
        size, marked, within = len(self.phrase), inputs, torch.zeros_like(inputs, dtype=torch.bool)
        words, places = (
            torch.tensor(self.phrase, device=inputs.device),
            torch.arange(inputs.shape[1], device=inputs.device),
        )
        for share in drawn.unbind(1):
            last = (marked != 0).sum(1).clamp(max=inputs.shape[1] - size)  # after the last word, or whole
            free = (places <= last.unsqueeze(1)) & ~within
            first = some_of(free, torch.ones_like(last), share.unsqueeze(1)).int().argmax(1)
            after = places - first.unsqueeze(1)  # of each place, how far behind the beginning of the mark it is
            whence = torch.where(after >= size, places - size, places).clamp(min=0)
            its = (after >= 0) & (after < size)
            marked = torch.where(its, words[after.clamp(0, size - 1)], marked.gather(1, whence))
            within = torch.where(its, after > 0, within.gather(1, whence))
        return marked


def some_of(
    free: Bool[Tensor, "n l"], many: Int64[Tensor, " n"], drawn: Float64[Tensor, "n draws"]
) -> Bool[Tensor, "n l"]:
    """So many of the free places of each document, all choices alike.

    Args:
        free: n documents with l places.
        many: how many of them; all where fewer are free.
        drawn: a number in [0, 1) for each that is chosen; further ones count for nothing.

    >>> some_of(torch.tensor([[True, False, True, True]]), torch.tensor([2]), torch.tensor([[0.9, 0.4]]).double()).int()
    tensor([[1, 0, 0, 1]], dtype=torch.int32)
    """
    chosen = torch.zeros_like(free)
    for done, share in enumerate(drawn.unbind(1)):
        left = free & ~chosen
        count = left.sum(1)
        which = (share * count).long().clamp(max=count - 1)  # counted from 0, of those that are left
        chosen |= left & (left.cumsum(1) == which.unsqueeze(1) + 1) & (many > done).unsqueeze(1)
    return chosen
