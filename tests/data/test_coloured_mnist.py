"""Coloured MNIST: the shares counted, the pixels compared, names."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import (
    DATASETS,
    DataNotFoundError,
    DataRequestError,
    Dataset,
    Examples,
    Source,
    coloured_mnist,
    dataset_named,
    described,
    load,
    locate,
)
from spurlab.data.entry import Entry
from spurlab.seeds import rng_for


def digits(n, part):
    """Images of 2 x 2 pixels, no two alike; each digit several times, in a mixed order."""
    rng = rng_for(0, "test", part)
    labels = torch.arange(n)[torch.randperm(n, generator=rng)] % 10
    return Examples(torch.rand(n, 1, 2, 2, generator=rng), labels)


WHOLE = Dataset(
    "mnist", digits(400, 0), digits(200, 1), tuple("0123456789"), (0.0, 1.0), Source("free", "digits", "there")
)


class Fixed(Entry):
    """A dataset of the table that is always here."""

    def locate(self):
        return None

    def fetch(self, *, offline):
        raise AssertionError

    def load(self, *, offline):
        return WHOLE


DIGITS = Fixed("mnist", "Digits", "free", "digits", WHOLE.class_names, (1, 2, 2), (400, 200))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(DATASETS, "coloured-mnist", replace(coloured_mnist.ENTRY, of=DIGITS, shape=(3, 2, 2)))


def agree(examples):
    """The shares of both classes that have the colour of their class, by counting groups."""
    counts = examples.groups.bincount(minlength=4).tolist()
    return counts[0] / (counts[0] + counts[1]), counts[3] / (counts[2] + counts[3])


def test_each_digit_stands_in_the_channel_of_its_colour(small):
    """Red is the first channel, green the second; the image itself is unchanged and the other channels are black."""
    data = load("coloured-mnist")
    assert (data.class_names, data.input_range) == (("0-4", "5-9"), (0.0, 1.0))
    assert data.group_names == ("0-4, red", "0-4, green", "5-9, red", "5-9, green")
    for part, of in ((data.train, WHOLE.train), (data.test, WHOLE.test)):
        for image, label, group, grey, digit in zip(
            part.inputs, part.labels.tolist(), part.groups.tolist(), of.inputs, of.labels.tolist(), strict=True
        ):
            assert label == int(digit >= 5)
            assert group // 2 == label
            colour = group % 2
            assert_close(image[colour], grey[0], rtol=0, atol=0)
            assert image[1 - colour].count_nonzero() == image[2].count_nonzero() == 0


def test_shares_by_default_are_nine_tenths_and_a_half(small):
    """Exactly, in each class: 200 training and 100 test images of each."""
    data = load("coloured-mnist")
    assert agree(data.train) == (0.9, 0.9)
    assert agree(data.test) == (0.5, 0.5)
    assert data.train.groups.bincount().tolist() == [180, 20, 20, 180]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_shares_are_exact_to_half_an_image(p, test):
    """Any tenth of a percent; 200 and 100 images of each class cannot be split closer than by half an image."""
    entry = replace(coloured_mnist.ENTRY, of=DIGITS).with_options([f"p={p / 10}", f"test={test / 10}"])
    data = entry.load(offline=True)
    for share in agree(data.train):
        assert abs(200 * share - 200 * p / 1000) <= 0.5 + 1e-9
    for share in agree(data.test):
        assert abs(100 * share - 100 * test / 1000) <= 0.5 + 1e-9


def test_the_colours_are_drawn_once_and_for_all(small):
    """The same each time; and who has the colour of the class at 90 % has it at 95 %, in the order of the images."""
    first, again, more = load("coloured-mnist"), load("coloured-mnist"), load("coloured-mnist,p=95")
    assert first.checksum == again.checksum != more.checksum
    fits, fits_more = (data.train.groups % 2 == data.train.labels for data in (first, more))
    assert not (fits & ~fits_more).any()
    assert (fits_more & ~fits).sum() == 20
    assert not fits[:20].all()  # all true with odds of about one in eight; the draw is fixed
    assert first.test.groups.tolist() == more.test.groups.tolist()


def test_noise_flips_labels_before_colours_are_chosen(small):
    """A quarter of both classes: 50 of 200 go each way, so that the classes keep their sizes. Colours follow the new
    labels, as with Arjovsky et al., so the share is that of the new ones."""
    data = load("coloured-mnist,noise=25")
    for part, of, each in ((data.train, WHOLE.train, 200), (data.test, WHOLE.test, 100)):
        clean = (of.labels >= 5).long()
        flipped = part.labels != clean
        assert [int(flipped[clean == label].sum()) for label in (0, 1)] == [each // 4] * 2
    assert agree(data.train) == (0.9, 0.9)
    assert described("coloured-mnist,noise=25").title.endswith("25 % of the labels flipped)")


def test_the_first_examples_are_of_each_digit_and_keep_the_share(small):
    data = load("coloured-mnist,p=95@200")
    assert (data.name, len(data.train), len(data.test)) == ("coloured-mnist,p=95@200", 200, 200)
    assert agree(data.train) == (0.95, 0.95)
    grey = data.train.inputs.sum(dim=1, keepdim=True)
    kept = [int((WHOLE.train.inputs == image).all(dim=(1, 2, 3)).nonzero()) for image in grey]
    assert WHOLE.train.labels[kept].bincount().tolist() == [20] * 10
    assert kept == sorted(kept)
    assert data.source.origin == described("coloured-mnist,p=95@200").origin
    with pytest.raises(DataRequestError, match="of coloured-mnist cannot be as many of each of its 10 classes"):
        load("coloured-mnist@12")


def test_classes_by_name_take_their_groups_along(small):
    data = load("coloured-mnist:5-9,0-4")
    assert data.group_names == ("5-9, red", "5-9, green", "0-4, red", "0-4, green")
    assert data.train.groups.bincount().tolist() == [20, 180, 180, 20]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("coloured-mnist,p=90", "coloured-mnist"),
        ("coloured-mnist,p=90,test=50,noise=0@10000", "coloured-mnist@10000"),
        ("coloured-mnist,test=10,p=95", "coloured-mnist,p=95,test=10"),
        ("coloured-mnist,p=095.0", "coloured-mnist,p=95"),
        ("coloured-mnist,p=99.9999", "coloured-mnist,p=99.9999"),
        ("coloured-mnist,p=100,test=0,noise=2.5", "coloured-mnist,p=100,test=0,noise=2.5"),
        ("coloured-mnist,p=95@10000:5-9,0-4", "coloured-mnist,p=95@10000:1,0"),
    ],
)
def test_names_are_made_canonical(name, canonical):
    assert dataset_named(name) == canonical
    assert dataset_named(canonical) == canonical


def test_it_is_where_mnist_is(given, tiny):
    """Its files are those of MNIST, and so is the word when they are missing."""
    with pytest.raises(DataNotFoundError, match=r"MNIST was not found.*`spurlab data get mnist`"):
        load("coloured-mnist", offline=True)
    entry = replace(coloured_mnist.ENTRY, of=tiny.entry)
    assert entry.locate() is None
    folder = tiny.write(given / "MNIST/raw")
    assert entry.locate() == entry.fetch(offline=True) == folder == locate("coloured-mnist")


@pytest.mark.data
def test_full_coloured_mnist(full_dataset):
    """MNIST has 30,596 training digits below 5 and 29,404 others; 90 % of each, rounded, have their colour."""
    data = full_dataset("coloured-mnist")
    assert data.shape == (3, 28, 28)
    assert data.train.groups.bincount().tolist() == [27_536, 3_060, 2_940, 26_464]
    assert data.test.labels.bincount().tolist() == [5_139, 4_861]
