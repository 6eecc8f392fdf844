"""The bundle of examples and the dataset: checked at birth, rows stay together."""

import importlib.util
import re

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import DataRequestError, Dataset, Examples, Source, examples
from spurlab.data.examples import unseen_marks
from spurlab.metrics import accuracy

SOURCE = Source(licence="none", origin="here", location="nowhere")


@pytest.fixture(scope="module")
def unchecked():
    """The module as users have it: the annotation checks of the test suite would refuse bad values before it does."""
    spec = importlib.util.spec_from_file_location("plain_examples", examples.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plain(unchecked):
    return unchecked.Examples


def test_the_suite_checks_annotations():
    """With the import hook of conftest.py, every function refuses what its annotations do not allow."""
    with pytest.raises(jaxtyping.TypeCheckError):
        accuracy(torch.zeros(2, 3), torch.zeros(2))  # labels are int64


def numbered(n, groups=True):
    """Row i holds i everywhere, so a row that was mixed up shows."""
    rows = torch.arange(n)
    return Examples(rows.float().view(n, 1, 1, 1).expand(n, 1, 2, 2).clone(), rows % 3, rows // 2 if groups else None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=3), st.booleans())
def test_columns_of_different_length_are_refused(plain, counts, with_groups):
    inputs, labels, groups = counts
    columns = [torch.zeros(inputs, 2), torch.zeros(labels, dtype=torch.int64)]
    columns += [torch.zeros(groups, dtype=torch.int64)] if with_groups else []
    if len({len(column) for column in columns}) == 1:
        assert len(plain(*columns)) == labels
    else:
        with pytest.raises(ValueError, match="every column needs one row per example"):
            plain(*columns)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_indexing_is_indexing_of_every_column(data):
    """By an integer list (any order, repeated), a mask or a slice: the rows are those that a Python list gives."""
    n = data.draw(st.integers(1, 12))
    numbers = numbered(n, groups=data.draw(st.booleans()))
    kind = data.draw(st.sampled_from(["rows", "mask", "slice"]))
    if kind == "rows":
        wanted = data.draw(st.lists(st.integers(0, n - 1), max_size=20))
        rows = torch.tensor(wanted, dtype=torch.int64)
    elif kind == "mask":
        mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
        wanted, rows = [i for i in range(n) if mask[i]], torch.tensor(mask)
    else:
        ends = data.draw(st.tuples(*(st.none() | st.integers(-n, n),) * 2))
        wanted, rows = list(range(n))[slice(*ends)], slice(*ends)
    picked = numbers[rows]
    assert len(picked) == len(wanted)
    assert picked.inputs.shape == (len(wanted), 1, 2, 2)
    assert picked.inputs[:, 0, 1, 1].tolist() == wanted
    assert picked.labels.tolist() == [i % 3 for i in wanted]
    assert (picked.groups is None) == (numbers.groups is None)
    if picked.groups is not None:
        assert picked.groups.tolist() == [i // 2 for i in wanted]


def test_picked_rows_can_be_changed_without_changing_the_original():
    numbers = numbered(5)
    numbers[torch.tensor([0, 3])].inputs.fill_(9.0)
    assert_close(numbers.inputs, numbered(5).inputs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ((torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2).long()), TypeError, "`inputs` must be .*float32"),
        ((torch.zeros(2, 2), torch.zeros(2).int()), TypeError, "`labels` must be .*int64"),
        ((torch.zeros(2, 2), [0, 1]), TypeError, "`labels` must be .*but it is list"),
        ((torch.zeros(2, 2), torch.tensor([0, -1])), ValueError, "`labels` must count from 0, but the smallest is -1"),
        ((torch.zeros(2, 2), torch.zeros(2).long(), torch.tensor([-3, 0])), ValueError, "`groups` must count from 0"),
        ((torch.tensor([[0.0], [torch.nan]]), torch.zeros(2).long()), ValueError, "`inputs` must be finite"),
        ((torch.tensor([[0.0], [-torch.inf]]), torch.zeros(2).long()), ValueError, "`inputs` must be finite"),
        ((torch.tensor(0.0), torch.tensor(0)), ValueError, "every column needs one row per example"),
    ],
)
def test_bad_columns_are_refused(plain, columns, error, words):
    with pytest.raises(error, match=words):
        plain(*columns)


def dataset(train, test, names=("a", "b", "c"), input_range=(0.0, 100.0)):
    return Dataset("made", train, test, names, input_range, SOURCE)


def test_dataset_tells_its_shape_and_classes():
    data = dataset(numbered(5), numbered(3))
    assert (data.shape, data.classes) == ((1, 2, 2), 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": Examples(torch.zeros(1, 4), torch.tensor([0]))}, r"training inputs have the shape \(1, 2, 2\), test"),
        ({"names": ("a", "b")}, "a training label is 2, but there are 2 classes"),
        ({"test": numbered(4)[torch.tensor([2])], "train": numbered(2), "names": ("a", "b")}, "a test label is 2"),
        ({"input_range": (0.0, 1.0)}, r"training inputs span \[0.0, 4.0\], outside"),
        ({"input_range": (0.5, 9.0)}, r"training inputs span \[0.0, 4.0\], outside"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataset(**{"train": numbered(5), "test": numbered(3)} | change)


def test_images_on_a_scale_where_no_mark_shows_are_told():
    """A mark changes an input by 1: of 255 nobody sees that. Others have no range, or one that is their own."""
    for low, high in ((0, 255), (10, 20), (0, 65535)):
        images = torch.tensor([low, high, high, low], dtype=torch.float32).view(2, 1, 1, 2)
        assert re.match(r"holds images whose values span .* does not show. Divide the images", unseen_marks(images))
    for values in ([0, 1, 0.5, 0], [-1, 1, 0, 0], [-2.1, 2.6, 0, 0], [0, 10, 3, 2], [-104, 151, 0, 0]):
        assert unseen_marks(torch.tensor(values, dtype=torch.float32).view(2, 1, 1, 2)) == ""
    assert unseen_marks(torch.tensor([[0.0, 255.0]] * 2)) == ""  # signals and rows of a table
    assert unseen_marks(torch.tensor([0.0, 255.0]).view(2, 1, 1, 1)) == ""  # a single pixel is no image
    assert unseen_marks(torch.zeros(0, 1, 2, 2)) == ""


def test_labels_that_are_identity_numbers_are_refused(plain):
    """They are counted from 0 up to the largest; groups are not."""
    with pytest.raises(ValueError, match=r"`labels` must be below 1,048,576, but the largest is 410000017000. Number"):
        plain(torch.zeros(2, 1), torch.tensor([0, 410_000_017_000]))
    plain(torch.zeros(2, 1), torch.tensor([0, 2**20 - 1]), torch.tensor([0, 2**63 - 1]))


@pytest.mark.parametrize("train", [0, 1])
def test_parts_on_two_scales_are_refused(train):
    """Rows of a table: one part in [0, 1], the other up to 255. Outliers are usual."""
    bright = Examples(torch.linspace(0, 255, 40).view(20, 2), torch.arange(20) % 3)
    small = Examples(bright.inputs / 255, bright.labels)
    parts = [small, bright] if train else [bright, small]
    with pytest.raises(ValueError, match=r"inputs span \[0, 1\], but the .* inputs \[0, 255\]: these are two scales"):
        dataset(*parts, input_range=None)
    outlier = small.inputs.clone()
    outlier[3, 1] = 20.0
    dataset(small, Examples(outlier, small.labels), input_range=None)


@pytest.mark.parametrize("names", ["abc", ("a", "b", 3), ("a", "b", None), ("a", "b", "\x1b[2J"), ("a", "b", "\ud800")])
def test_names_that_are_no_text_are_refused(unchecked, names):
    with pytest.raises(DataRequestError, match=r"made (needs names that are texts|has a class or group named)"):
        unchecked.checked_names(names, "made")


def grouped(labels, groups):
    return Examples(torch.zeros(len(labels), 1), torch.tensor(labels), torch.tensor(groups))


def named_groups(train, test, names=("a, red", "a, green", "b, red", "b, green")):
    return Dataset("made", train, test, ("a", "b"), None, SOURCE, names)


def test_groups_may_have_names():
    """Group = label x 2 + attribute. A part may lack groups; the names are no part of the examples' checksum."""
    train, test = grouped([0, 0, 1], [0, 1, 2]), grouped([1], [3])
    data = named_groups(train, test)
    assert data.group_names == ("a, red", "a, green", "b, red", "b, green")
    assert named_groups(train, test, None).group_names is None
    assert named_groups(train, test, None).checksum == data.checksum
    none = Examples(torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64))
    assert named_groups(none, none).group_names == data.group_names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ("a", "b", "c")}, "there are 3 group names for 2 classes"),
        ({"names": ()}, "there are 0 group names for 2 classes"),
        ({"names": ("a", "b")}, "training example 1 has the label 0 and the group 1, .* are 0 to 0"),
        ({"test": grouped([1], [4])}, r"test example 0 has the label 1 and the group 4, .* are 2 to 3 \(label x 2"),
        ({"train": grouped([0, 1], [0, 1])}, "training example 1 has the label 1 and the group 1"),
        ({"train": Examples(torch.zeros(1, 1), torch.tensor([0]))}, "the training examples have no groups"),
    ],
)
def test_groups_that_do_not_fit_their_names_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        named_groups(**{"train": grouped([0, 0, 1], [0, 1, 2]), "test": grouped([1], [3])} | change)


def worded(inputs=((2, 5, 0), (3, 0, 0)), words=6, labels=(0, 1)):
    return Examples(torch.tensor(inputs), torch.tensor(labels), words=words)


def test_documents_know_their_lengths_and_words():
    documents = worded()
    assert (documents.shape, documents.lengths.tolist()) == ((3, 6), [2, 1])
    picked = documents[torch.tensor([1, 1])]
    assert (picked.words, picked.lengths.tolist()) == (6, [1, 1])
    assert Examples.of(documents.columns, words=6).inputs.tolist() == documents.inputs.tolist()
    assert documents[:0].shape == (3, 6)


@pytest.mark.parametrize(
    ("inputs", "words", "error", "said"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), None, TypeError, "Numbers of words need `words`, how many there are"),
        (torch.zeros(2, 3), 6, TypeError, "`inputs` must be a tensor of torch.int64"),
        (torch.tensor([[1], [6]]), 6, ValueError, "must be numbers of words below 6, but the largest is 6"),
        (torch.tensor([[1], [-1]]), 6, ValueError, "`inputs` must count from 0, but the smallest is -1"),
        (torch.zeros(2, 0, dtype=torch.int64), 6, ValueError, r"n l with l from 1 on, but these are \(2, 0\)"),
        (torch.zeros(2, 1, 2, dtype=torch.int64), 6, ValueError, r"n l with l from 1 on, but these are \(2, 1, 2\)"),
    ],
)
def test_what_is_no_document_is_refused(plain, inputs, words, error, said):
    with pytest.raises(error, match=said):
        plain(inputs, torch.zeros(2, dtype=torch.int64), words=words)


def test_images_have_no_lengths():
    with pytest.raises(ValueError, match=r"only documents have lengths, but these inputs have the shape \(1, 2, 2\)"):
        _ = numbered(2).lengths
