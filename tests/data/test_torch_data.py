"""PyTorch's map-style datasets, read once."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from torch.utils.data import Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms import ToTensor

from spurlab.data import DamagedDataError, DataRequestError, from_torch


def test_a_tensor_dataset_with_groups():
    x, y, g = torch.rand(8, 3, 5, 4), torch.arange(8) % 2, torch.arange(8) // 2
    data = from_torch(TensorDataset(x, y, g), TensorDataset(x[:3], y[:3], g[:3]), class_names=("a", "b"), name="mine")
    assert_close(data.train.inputs, x, rtol=0, atol=0)
    assert data.train.labels.tolist() == y.tolist()
    assert data.test.groups.tolist() == [0, 0, 1]
    assert (data.name, data.class_names, data.input_range) == ("mine", ("a", "b"), (0.0, 1.0))
    assert data.source.origin == "PyTorch's TensorDataset"


def test_sources_are_files_where_the_dataset_knows_them(tmp_path):
    for name in ("dog/b.png", "cat/deep/a.png", "cat/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / name)
    pets, names = ImageFolder(str(tmp_path)), ["cat/c.png", "cat/deep/a.png", "dog/b.png"]
    data = from_torch(pets, Subset(Subset(pets, [2, 0]), [1, 0]), class_names=pets.classes)
    assert data.train.sources.tolist() == names
    assert data.test.sources.tolist() == [names[0], names[2]]


def test_sources_are_numbers_of_items_elsewhere():
    """Also where `samples` are something else; chosen rows keep the number that they had."""
    items = TensorDataset(torch.rand(6, 3), torch.arange(6) % 2)
    items.samples = items.tensors[0]
    data = from_torch(items, Subset(items, [4, 1]))
    assert data.train[torch.tensor([5, 2])].sources.tolist() == ["row 5", "row 2"]
    assert data.test.sources.tolist() == ["row 4", "row 1"]


def test_images_become_what_torchvisions_totensor_makes_of_them():
    """FakeData draws the same images each time it is asked."""
    train, test = (FakeData(n, (3, 6, 5), 2, random_offset=n) for n in (9, 4))
    data = from_torch(train, test, class_names=("a", "b"))
    for part, items in ((data.train, train), (data.test, test)):
        assert_close(part.inputs, torch.stack([ToTensor()(items[i][0]) for i in range(len(items))]), rtol=0, atol=0)
        assert part.labels.tolist() == [int(items[i][1]) for i in range(len(items))]


BYTES = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (Image.fromarray(BYTES), BYTES.transpose(2, 0, 1) / np.float32(255)),
        (Image.fromarray(BYTES[..., 0]), BYTES[None, ..., 0] / np.float32(255)),
        (Image.fromarray(BYTES[:3, :3].copy()), BYTES[:3, :3].transpose(2, 0, 1) / np.float32(255)),
        (BYTES, BYTES.transpose(2, 0, 1) / np.float32(255)),
        (BYTES.transpose(2, 0, 1), BYTES.transpose(2, 0, 1) / np.float32(255)),
        (torch.from_numpy(BYTES.transpose(2, 0, 1).copy()), BYTES.transpose(2, 0, 1) / np.float32(255)),
        (BYTES[..., 0], BYTES[None, ..., 0] / np.float32(255)),
        (BYTES[:, 0, 0] * 2.0, BYTES[:, 0, 0] * np.float32(2)),
        (torch.full((12, 5, 4), -1.0, dtype=torch.float64), np.full((12, 5, 4), -1, np.float32)),
    ],
)
def test_inputs_of_each_kind(item, wanted):
    data = from_torch([(item, 0), (item, np.int8(1))], [(item, torch.tensor(1))])
    assert_close(data.train.inputs.numpy(), np.stack([wanted] * 2), rtol=0, atol=0)
    assert data.test.labels.tolist() == [1]
    assert data.input_range == ((0.0, 1.0) if 0 <= wanted.min() <= wanted.max() <= 1 else None)


def test_each_item_is_asked_for_once():
    class Random:
        def __init__(self):
            self.asked = []

        def __len__(self):
            return 4

        def __getitem__(self, index):
            self.asked.append(index)
            return torch.rand(2), index % 2

    train, test = Random(), Random()
    from_torch(train, test)
    assert train.asked == test.asked == [0, 1, 2, 3]


X = torch.zeros(1, 2, 2)
GOOD = [(X, 0), (X, 1), (X, 0)]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (X, r"example 1 of the training set is a Tensor; it must be \(input, label\)"),
        ((X,), "is a tuple of 1; it must be"),
        ((X, 1, 0, 0), "is a tuple of 4; it must be"),
        ({"x": X, "y": 1}, "is a dict; it must be"),
        (("cat.png", 1), "is a str; it must be a tensor, an array or a Pillow image"),
        ((torch.zeros(1, 2, 3), 1), r"has the shape \(1, 2, 3\), but the first one \(1, 2, 2\)"),
        ((torch.zeros(1, 1, 2, 2), 1), r"has the shape \(1, 1, 2, 2\); it must be d, h w or c h w"),
        ((torch.zeros(1, 2, 2).long(), 1), "must hold bytes .* but it holds torch.int64"),
        ((np.zeros((1, 2, 2), int), 1), "must hold bytes .* but it holds int64"),
        ((X / 0, 1), "must be finite"),
        ((np.full((1, 2, 2), np.inf), 1), "must be finite"),
        ((X, 1, 0), "has 3 members, but the first one 2"),
        ((X, 1.0), "the label of example 1 of the training set must be a whole number, but it is 1.0"),
        ((X, True), "must be a whole number, but it is True"),
        ((X, "cat"), "must be a whole number, but it is 'cat'"),
        ((X, torch.tensor([1])), r"must be a whole number, but it is tensor\(\[1\]\)"),
        ((X, -1), "must count from 0, but it is -1"),
        ((X, 2**20), "the label of example 1 of the training set must be below 1,048,576, but it is 1048576"),
        ((X, 2**63), "must be below 1,048,576, but it is 9223372036854775808"),
        ((torch.zeros(1, 0, 2), 1), r"has the shape \(1, 0, 2\), and so there is nothing in it"),
        ((np.zeros((2, 0), np.uint8), 1), "and so there is nothing in them"),
        ((X, 2), "the training labels must be 0 to 1, the number of a class, but example 1 has 2"),
    ],
)
def test_bad_items_are_named(item, words):
    with pytest.raises(DataRequestError, match=words):
        from_torch([GOOD[0], item, *GOOD], GOOD, class_names=("a", "b"))


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ([], GOOD, "the training set is empty"),
        (GOOD, [], "the test set is empty"),
        ([(X, 0), (X, 2)], GOOD, "the training labels must be 0, 1, ..., without gaps, but 1 is not among them"),
        (GOOD, [(X, 5)], "the test labels must be 0 to 1, .* but example 0 has 5"),
        (GOOD, [(torch.zeros(1, 3, 3), 0)], r"the test inputs have the shape \(1, 3, 3\), but those for training"),
        (GOOD, [(X, 0, 1)], "the training groups are missing"),
        ([(X, 0, 1), (X, 1, 0)], GOOD, "the test groups are missing"),
        ([(X, 0, -1)], GOOD, "the group of example 0 of the training set must count from 0"),
    ],
)
def test_bad_parts_are_told(train, test, words):
    with pytest.raises(DataRequestError, match=words):
        from_torch(train, test)


def test_sixteen_bit_images_are_refused():
    image = Image.fromarray(np.full((2, 2), 4096, np.uint16))
    with pytest.raises(DataRequestError, match="example 0 of the training set has more than 8 bits"):
        from_torch([(image, 0)], GOOD)


def test_images_of_pillow_are_turned_upright(tmp_path):
    """Stored lying on the side: 6 says that the right of what is seen is the top of what is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(BYTES.transpose(1, 0, 2)[::-1])).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        data = from_torch([(image, 0), (BYTES, 1)], [(image, 0)])
    assert_close(data.train.inputs[0], data.train.inputs[1], rtol=0, atol=0)


def test_sixteen_bits_of_colour_are_refused_where_pillow_still_knows_of_them(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
    with Image.open(tmp_path / "a.ppm") as image, pytest.raises(DataRequestError, match="more than 8 bits"):
        from_torch([(image, 0)], GOOD)


def test_broken_images_of_pillow_are_told(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 2 2 255\n" + bytes(11))
    with (
        Image.open(tmp_path / "a.ppm") as image,
        pytest.raises(DamagedDataError, match="example 0 of the training set is no whole image"),
    ):
        from_torch([(image, 0)], GOOD)


WHOLE = (255 * torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))).byte()
PARTS = {
    "floats to 255": (WHOLE.float(), WHOLE.float(), "the training set holds images whose values span"),
    "bytes, floats to 255": (WHOLE, WHOLE.float(), "the training set holds bytes.* example 0 of the test set holds"),
    "floats to 255, bytes": (WHOLE.float(), WHOLE, "the training set holds images whose values span"),
    "array of floats to 255": (WHOLE.float().numpy(), WHOLE, "holds images whose values span"),
    "-1 to 1, bytes": (WHOLE / 128 - 1, WHOLE, "example 0 of the test set holds bytes.* training set holds floats"),
    "floats to 1, to 255": (WHOLE / 255, WHOLE.float(), "the test set holds images whose values span"),
    "image, floats to 255": (Image.fromarray(WHOLE[0].numpy()), WHOLE.float(), "holds bytes.* holds floats"),
}


@pytest.mark.parametrize("parts", PARTS)
def test_scales_that_do_not_fit_are_refused(parts):
    train, test, words = PARTS[parts]
    with pytest.raises(DataRequestError, match=words):
        from_torch([(train, 0), (train, 1)], [(test, 0)])


def test_two_scales_in_one_part_are_refused():
    with pytest.raises(
        DataRequestError, match=r"example 0 of the training set holds bytes.* example 1 of the training"
    ):
        from_torch([(WHOLE, 0), (WHOLE.float(), 1)], [(WHOLE, 0)])


def test_bytes_and_floats_to_one_are_one_scale():
    data = from_torch([(WHOLE, 0), (WHOLE / 255, 1)], [(WHOLE / 255, 0)])
    assert_close(data.train.inputs[0], data.train.inputs[1], rtol=0, atol=0)


def test_a_set_that_is_too_large_is_refused_at_its_first_item(monkeypatch):
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "47")
    with pytest.raises(DataRequestError, match="the training set: 48 bytes are needed, more than the limit of 47"):
        from_torch(GOOD, GOOD)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter([(torch.zeros(3), 0), (torch.ones(3), 1)])


def test_streams_and_loaders_are_refused_with_what_to_do():
    items = list(Stream())
    with pytest.raises(DataRequestError, match=r"DataLoader, which gives batches.*`loader\.dataset`"):
        from_torch(torch.utils.data.DataLoader(items), items)
    for stream in (Stream(), iter(items), (item for item in items)):
        with pytest.raises(DataRequestError, match=r"no length or no items by number.*`list\(dataset\)`"):
            from_torch(items, stream)
    assert len(from_torch(items, list(Stream())).test) == 2  # the advice is right
