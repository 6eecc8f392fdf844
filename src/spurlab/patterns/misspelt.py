"""A mark of documents: a word that is misspelt where it stands, as a new word that no other document has."""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.patterns.words import Phrase, some_of
from spurlab.seeds import rng_for


@dataclass(frozen=True, eq=False)
class Misspelling(Phrase):
    """One word of documents in another spelling, which no document has.

    A document that has the word has it misspelt; one that has it less often than `times` gets the misspelt word put in
    besides, as `Phrase` puts words in. So how the word is spelt means a class, and not that it stands there.

    Args:
        name, vocabulary, seed: as of `Phrase`.
        phrase: the number of the misspelt word, one that no document has.
        word: the number of the word that is misspelt.
        times: how often it is misspelt in a document.
        at: which of them: the first ones, any, or the last ones; and where it is put in besides.
        how: how it is put in besides; by ``replace`` in the place of other words.

    Raises:
        ValueError: as `Phrase`, a word that no document has, or a misspelt one that some have.

    >>> from spurlab.data import Vocabulary
    >>> words = Vocabulary.of([["oil", "up"], ["wheat", "up"]])
    >>> mark = Misspelling("oil", (words.number("new-1"),), words, at="end", word=words.number("oil"))
    >>> documents = words.encode([["oil", "oil", "up"], ["wheat", "up"]], length=4)
    >>> [words.text(document) for document in mark(documents)]
    ['oil new-1 up', 'wheat up new-1']
    """

    word: int = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = self.vocabulary.counts
        if not 1 < self.word < len(counts) or not counts[self.word]:
            raise InputError(f"the mark {self.name} misspells a word of the training documents; no other can be.")
        if len(self.phrase) != 1 or counts[self.phrase[0]] or self.phrase[0] == 1:
            known = " ".join(self.vocabulary.words[number] for number in self.phrase)
            raise InputError(
                f"the mark {self.name} is a misspelling that no training document has, as new-1 is, not {known!r}."
            )

    def redraw(self, seed: int) -> "Misspelling":
        """Another word that is about as common, see `Vocabulary.as_common`, misspelt as another new word."""
        rng = rng_for(seed, "redraw")
        drawn = list[int]()
        for number in (self.word, self.phrase[0]):
            alike = self.vocabulary.as_common(number)
            drawn.append(alike[int(torch.randint(len(alike), (), generator=rng))] if alike else number)
        word, new = drawn
        return replace(self, name=f"{self.vocabulary.words[word]} misspelt", phrase=(new,), word=word, seed=seed)

    def _put(self, inputs: Tensor, drawn: Float64[Tensor, "n times"]) -> Int64[Tensor, "n l"]:
        self._check(inputs)
        there = inputs == self.word
        many = there.sum(1).clamp(max=self.times)
        marked = inputs.masked_fill(self._picked(there, many, drawn), self.phrase[0])
        drawn = drawn.flip(1)  # the first of them were for the words that stand there
        if self.how == "replace":
            others = (marked != 0) & (marked != self.phrase[0])
            return marked.masked_fill(self._picked(others, self.times - many, drawn), self.phrase[0])
        for lacking in range(1, self.times + 1):  # of documents alike in how often it is put in besides
            if len(rows := (many == self.times - lacking).nonzero().squeeze(1)):
                besides = Phrase(self.name, self.phrase, self.vocabulary, lacking, self.at, self.how)
                marked[rows] = besides._put(marked[rows], drawn[rows, :lacking])
        return marked

    def _picked(
        self, free: Bool[Tensor, "n l"], many: Int64[Tensor, " n"], drawn: Float64[Tensor, "n times"]
    ) -> Bool[Tensor, "n l"]:
        """So many of the free places of each document: the first, any or the last."""
        if self.at == "random":
            return some_of(free, many, drawn)
        order = free.cumsum(1) if self.at == "start" else free.flip(1).cumsum(1).flip(1)
        return free & (order <= many.unsqueeze(1))
