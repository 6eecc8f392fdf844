"""Made documents: always the same, as the table says, and learnable by counting words."""

from collections import Counter

import torch

from spurlab.data import DATASETS, load
from spurlab.data.topics import ENTRY, LENGTH, TOPIC_WORDS, WORDS, word


def test_they_are_the_same_each_time_and_as_the_table_says():
    data, again = load("topics"), load("topics")
    assert data.checksum == again.checksum
    assert data.source.sha256 == again.source.sha256
    entry = DATASETS["topics"]
    assert (data.shape, data.class_names) == (entry.shape, entry.class_names)
    assert (len(data.train), len(data.test)) == entry.sizes
    assert (entry.empty().shape, entry.empty().words) == (data.shape, data.train.words)
    assert data.train.labels.bincount().tolist() == [500] * 4
    assert data.test.labels.bincount().tolist() == [125] * 4
    lengths = torch.cat([data.train.lengths, data.test.lengths])
    assert (int(lengths.min()), int(lengths.max())) == (20, LENGTH)
    assert "spurlab.data.topics" in data.source.origin


def test_each_number_has_a_word_of_its_own():
    count = WORDS + 4 * TOPIC_WORDS
    assert len({word(number) for number in range(count)}) == count


def test_naive_bayes_by_counts_tells_the_topics_apart():
    """Multinomial with one added to each count, Manning et al. (2008), section 13.2: the topics differ in such counts.

    Words that training lacks count for nothing.
    """
    data = load("topics")
    words = len(data.names)

    def counts(inputs):
        return torch.zeros(len(inputs), words).scatter_add_(1, inputs, (inputs > 1).float())

    of_class = torch.stack([counts(data.train.inputs[data.train.labels == k]).sum(0) for k in range(4)]) + 1
    scores = counts(data.test.inputs) @ (of_class / of_class.sum(1, keepdim=True)).log().T
    assert (scores.argmax(1) == data.test.labels).double().mean() > 0.9


def test_part_of_it_keeps_the_numbers_of_words_and_counts_them_anew():
    """By a count of the words that stand in the documents left."""
    data, part, two = load("topics"), load("topics@40"), load("topics:0,2")
    for one in (part, two):
        assert one.names.words == data.names.words
        there = Counter(" ".join(map(data.names.text, one.train.inputs)).split())
        assert {word: one.names.counts[data.names.number(word)] for word in there} == there
        assert sum(one.names.counts) == there.total() < sum(data.names.counts)
        assert set(one.names.known) == there.keys() - {"<unknown>"}
        assert one.names.known[0] == max(one.names.known, key=there.__getitem__)
    assert len(part.names.known) < len(data.names.known)
    assert (part.shape, two.shape) == (data.shape, data.shape)
    assert two.class_names == (ENTRY.class_names[0], ENTRY.class_names[2])
    assert part.train.labels.bincount().tolist() == [10] * 4
