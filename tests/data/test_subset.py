"""Some classes of a dataset, by the function and by name."""

import pytest
import torch
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import (
    DataNotFoundError,
    DataRequestError,
    Dataset,
    Examples,
    Source,
    dataset_named,
    described,
    fetch,
    first_examples,
    known,
    load,
    locate,
    only_classes,
)

NAMES = ("ant", "bee", "cat", "dog", "1")


def examples(labels, groups=False):
    """Row i holds 100 + i, so a row that was mixed up shows."""
    rows = torch.arange(len(labels))
    inputs = (100 + rows).float().view(-1, 1, 1, 1)
    return Examples(inputs, torch.tensor(labels, dtype=torch.int64), rows % 2 if groups else None)


def made(train, test, groups=False):
    return Dataset("zoo", examples(train, groups), examples(test), NAMES, None, Source("free", "a zoo", "there"))


labels = st.lists(st.integers(0, 4), max_size=20)


@settings(max_examples=100, deadline=None)
@given_any(labels, labels, st.lists(st.integers(0, 4), min_size=2, max_size=5, unique=True), st.booleans())
def test_the_rows_and_labels_are_those_counted_out(train, test, classes, groups):
    """One example after the other."""
    data = only_classes(made(train, test, groups), classes)
    for part, all_labels in ((data.train, train), (data.test, test)):
        kept = [(row, classes.index(label)) for row, label in enumerate(all_labels) if label in classes]
        assert part.inputs.flatten().tolist() == [100 + row for row, _ in kept]
        assert part.labels.tolist() == [label for _, label in kept]
        assert part.groups is None or part.groups.tolist() == [row % 2 for row, _ in kept]
    assert (data.train.groups is not None) == groups
    assert data.class_names == tuple(NAMES[label] for label in classes)


def test_classes_by_name_and_by_number():
    """A name goes before a number that looks like it."""
    data = only_classes(made([0, 1, 2, 3, 4], []), ("dog", 0))
    assert (data.name, data.class_names, data.train.labels.tolist()) == ("zoo:3,0", ("dog", "ant"), [1, 0])
    assert only_classes(made([0, 1], []), ("1", "2")).class_names == ("1", "cat")
    assert data.source == Source("free", "the classes dog and ant of a zoo", "there")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ((0, 5), r"zoo has no class 5. Its classes are 0 \(ant\), 1 \(bee\)"),
        ((0, -1), "zoo has no class -1"),
        ((0, "cow"), r"zoo has no class 'cow'. Its classes are 0 \(ant\), 1 \(bee\)"),
        ((0, "dgo"), r"zoo has no class 'dgo'. Did you mean 'dog'\?"),
        ((2, "cat"), "class 'cat' of zoo is named twice"),
        ((2, 2), "class 'cat' of zoo is named twice"),
        ((2,), "needs two classes or more to tell apart, but 1 is given"),
        ((), "needs two classes or more"),
    ],
)
def test_bad_classes_are_refused(classes, words):
    with pytest.raises(DataRequestError, match=words):
        only_classes(made([0, 1], [0]), classes)


def test_by_name_it_is_the_same(mini):
    data, wanted = load("fashion-mini:7,Sandal"), only_classes(mini, (7, 5))
    assert data.name == wanted.name == dataset_named("fashion-mini:Sneaker, 5") == "fashion-mini:7,5"
    assert data.checksum == wanted.checksum
    assert data.source == wanted.source
    assert load("fashion-mini:5,7").train.labels.tolist() == [1 - label for label in data.train.labels.tolist()]
    assert_close(data.train.inputs, mini.train.inputs[(mini.train.labels == 7) | (mini.train.labels == 5)])


def test_what_is_known_without_files():
    about = described("mnist:3,7")
    assert (about.name, about.title, about.class_names) == ("mnist:3,7", "MNIST (3 and 7)", ("3", "7"))
    assert (about.shape, about.sizes) == ((1, 28, 28), None)
    assert about.origin.startswith("the classes 3 and 7 of Yann LeCun")
    assert known("mnist:3,7") == about
    assert known("mnist:3,x") is None
    assert locate("mnist:3,7") is None
    assert locate("fashion-mini:3,7") == locate("fashion-mini")
    with pytest.raises(DataNotFoundError, match="Type `spurlab data get mnist` where"):
        fetch("mnist:3,7", offline=True)


@pytest.mark.data
def test_full_mnist(full_dataset):
    """The published counts of the digits 3 and 7."""
    data = only_classes(full_dataset("mnist"), (3, 7))
    assert data.train.labels.bincount().tolist() == [6131, 6265]
    assert data.test.labels.bincount().tolist() == [1010, 1028]


@given_any(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 4))
@settings(deadline=None)
def test_the_first_of_each_class_are_kept_in_their_order(train, each):
    """One by one: an example stays while its class has fewer than `each`."""
    data, kept = made(train, [0, 1], groups=True), []
    for row, label in enumerate(train):
        if sum(train[other] == label for other in kept) < each:
            kept.append(row)
    if min(train.count(label) for label in range(5)) < each:
        with pytest.raises(DataRequestError, match=f"are {each} of each class, but class '.*' has"):
            first_examples(data, 5 * each)
        return
    few = first_examples(data, 5 * each)
    assert few.train.inputs.flatten().tolist() == [100 + row for row in kept]
    assert few.train.labels.tolist() == [train[row] for row in kept]
    assert few.train.groups.tolist() == [row % 2 for row in kept]
    assert few.test is data.test
    assert few.name == f"zoo@{5 * each}"


def test_fewer_examples_by_name():
    few = load("fashion-mini@200")
    assert len(few.train) == 200
    assert described("fashion-mini@200").sizes == (200, 2000)
    assert described("fashion-mini@200").title == "Fashion-MNIST mini (200 images)"
    assert few.checksum != load("fashion-mini").checksum
    both = load("fashion-mini@200:Bag,0")
    assert both.name == "fashion-mini@200:8,0" == described(both.name).name
    assert both.train.labels.bincount().tolist() == [20, 20]
    assert known("mnist@10000").title == "MNIST (10,000 images)"
    assert dataset_named("cifar10@10000") == "cifar10@10000"


def test_more_examples_than_there_are():
    with pytest.raises(DataRequestError, match=r"2,000 of each class, but class .* has 1,000"):
        load("fashion-mini@20000")
