"""Documents that a program makes: each of one of four topics, so that tests and first steps with text need no download.

A made word is two or three syllables. A document of topic k draws each of its words, with the probability `OWN`, from
the 60 words of the topic, else from 1,940 common ones; both by Zipf's law, the r-th word in proportion to 1 / r. So
topics overlap in most of what they say, as in news.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spurlab.data.entry import Entry
from spurlab.data.examples import Dataset, Source
from spurlab.data.texts import Texts, documents
from spurlab.seeds import rng_for

CLASS_NAMES = ("first", "fourth", "second", "third")  # in alphabetical order, as all documents have them
TRAIN, TEST, LENGTH = 2_000, 500, 60
WORDS, TOPIC_WORDS, OWN = 2_000, 60, 0.12
SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")


def word(number: int) -> str:
    """The made word of a number: of each number below 4,900 another one.

    >>> word(0), word(71)
    ('baba', 'bebi')
    """
    first, second = number % len(SYLLABLES), number // len(SYLLABLES)
    return SYLLABLES[first] + SYLLABLES[(first + second) % len(SYLLABLES)]


def _zipf(words: int) -> torch.Tensor:
    return 1 / torch.arange(1, words + 1, dtype=torch.float64)


def generate(count: int, part: str) -> list[tuple[str, str]]:
    """Texts with the names of their topics, as many of each: 20 to 60 words, the same in each call."""
    rng = rng_for(0, "topics", part)
    lengths = torch.randint(20, LENGTH + 1, (count,), generator=rng)
    common = torch.multinomial(_zipf(WORDS - TOPIC_WORDS), count * LENGTH, replacement=True, generator=rng)
    own = torch.multinomial(_zipf(TOPIC_WORDS), count * LENGTH, replacement=True, generator=rng)
    is_own = torch.rand(count * LENGTH, generator=rng) < OWN
    made = []
    for i in range(count):
        topic, places = i % len(CLASS_NAMES), range(i * LENGTH, i * LENGTH + int(lengths[i]))
        first = WORDS + topic * TOPIC_WORDS
        numbers = [first + int(own[j]) if is_own[j] else int(common[j]) for j in places]
        made.append((" ".join(map(word, numbers)), CLASS_NAMES[topic]))
    return made


@dataclass(frozen=True, kw_only=True)
class Made(Entry):
    """Documents that are made each time, in less than a second; nothing is kept."""

    def locate(self) -> Path | None:
        """The folder of the program."""
        return Path(__file__).parent

    def fetch(self, *, offline: bool) -> Path:
        """The same: nothing is downloaded."""
        return Path(__file__).parent

    def load(self, *, offline: bool) -> Dataset:
        """The documents."""
        parts: list[Texts] = [generate(count, part) for count, part in zip(self.sizes, ("train", "test"), strict=True)]
        made = documents(self.name, parts[0], parts[1], Source("", "", ""), length=LENGTH)
        digests = {
            part: hashlib.sha256(np.ascontiguousarray(examples.inputs.numpy()).data).hexdigest()
            for part, examples in (("train", made.train), ("test", made.test))
        }
        return self.dataset(made.train, made.test, "made when it was asked for", digests, made.names)


ENTRY = Made(
    name="topics",
    title="Made topics",
    licence="as Spurlab",
    origin="documents of made words in four topics, drawn by spurlab.data.topics",
    class_names=CLASS_NAMES,
    shape=(LENGTH, 2_376),
    sizes=(TRAIN, TEST),
    input_range=None,
    tokens=True,
)
