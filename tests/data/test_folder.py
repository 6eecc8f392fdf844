"""Folders of images, against torchvision's ImageFolder on the same files."""

import hashlib
import io
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image
from torch.testing import assert_close
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

from spurlab.data import DamagedDataError, DataFailureError, DataRequestError, image_folder, load, locate
from spurlab.data.folder import SUFFIXES

RNG = np.random.default_rng(0)


def picture(path, height=5, width=4, mode="RGB"):
    """A random image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) + {"RGB": (3,), "RGBA": (4,), "L": (), "P": ()}[mode]
    image = Image.fromarray(RNG.integers(0, 256, shape, np.uint8))
    (image.convert("P") if mode == "P" else image).save(path)
    return path


@pytest.fixture
def birds(tmp_path):
    """Two classes, ten and five images at several depths, kinds and endings, and files that are no images."""
    root = tmp_path / "birds"
    for i in range(7):
        picture(root / f"wren/{i}.png")
    picture(root / "wren/deep/down/a.PNG")
    picture(root / "wren/b.bmp")
    picture(root / "wren/deep/c.jpg")
    for i in range(3):
        picture(root / f"crow/{i}.webp")
    picture(root / "crow/grey.png", mode="L")
    picture(root / "crow/glass.png", mode="RGBA")
    (root / "crow/notes.txt").write_text("none")
    (root / "readme.md").write_text("none")
    return root


def assert_is(examples, theirs):
    assert examples.labels.tolist() == [label for _, label in theirs]
    assert_close(examples.inputs, torch.stack([image for image, _ in theirs]), rtol=0, atol=0)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("size", [None, 6, (3, 7)])
def test_train_and_test_are_read_as_torchvision_reads_them(tmp_path, birds, size, grey):
    """Every pixel and label, also after resizing (bilinear) and turning grey. Grey first or last: rounding differs."""
    birds.rename(tmp_path / "train")
    picture(tmp_path / "test/wren/x.png")
    picture(tmp_path / "test/crow/y.png")
    data = image_folder(tmp_path, size=size, grey=grey)
    how = [Grayscale()] if grey else []
    if size is not None:
        how += [Resize((size, size) if isinstance(size, int) else size)]
    for part in ("train", "test"):
        theirs = ImageFolder(tmp_path / part, Compose([*how, ToTensor()]))
        assert_is(getattr(data, part), theirs)
    assert data.class_names == ("crow", "wren")
    assert data.input_range == (0.0, 1.0)
    assert data.source.location == str(tmp_path)


def test_a_test_folder_elsewhere(tmp_path, birds):
    picture(tmp_path / "more/wren/x.png")
    data = image_folder(birds, test=tmp_path / "more")
    assert_is(data.train, ImageFolder(birds, ToTensor()))
    assert data.test.labels.tolist() == [1]


def test_some_of_each_class_are_set_aside(birds):
    """A fifth of ten and of five; both parts together are all, and the choice stays."""
    data, everything = image_folder(birds), ImageFolder(birds, ToTensor())
    assert data.test.labels.tolist() == [0, 1, 1]
    assert data.train.labels.tolist() == [0] * 4 + [1] * 8

    def seen(parts):
        return sorted((int(label), image.numpy().tobytes()) for image, label in parts)

    both = [pair for part in (data.train, data.test) for pair in zip(part.inputs, part.labels, strict=True)]
    assert seen(both) == seen(everything)
    assert image_folder(birds).checksum == data.checksum
    assert image_folder(birds, test=0.999).train.labels.tolist() == [0, 1]
    assert image_folder(birds, test=0.001).test.labels.tolist() == [0, 1]


def test_checksums_are_those_of_sha256sum(tmp_path, birds):
    birds.rename(tmp_path / "train")
    picture(tmp_path / "test/wren/x.png")
    data = image_folder(tmp_path)
    for part in ("train", "test"):
        folder = tmp_path / part
        files = [str(path.relative_to(folder)) for name in ("crow", "wren") for path in map_paths(folder, name)]
        printed = subprocess.run(["sha256sum", *files], cwd=folder, capture_output=True, check=True).stdout
        assert data.source.sha256[part] == hashlib.sha256(printed).hexdigest()


def map_paths(folder, name):
    if not (folder / name).exists():
        return []
    return [Path(path) for path, _ in ImageFolder(folder).samples if Path(path).is_relative_to(folder / name)]


def test_by_name_it_is_the_same(tmp_path, birds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = load("folder,3x7,grey:birds")
    assert (data.name, data.shape) == ("folder,3x7,grey:birds", (1, 3, 7))
    assert data.checksum == image_folder(birds, size=(3, 7), grey=True).checksum
    assert image_folder("birds", size=(3, 7), grey=True).name == data.name
    assert load("folder,grey,8:birds").shape == (1, 8, 8)
    assert load(f"folder:{birds}").name == f"folder:{birds}"
    assert str(locate("folder,3x7,grey:birds")) == "birds"
    assert locate("folder:nowhere") is None


def test_the_first_image_of_another_size_is_named(birds):
    odd = picture(birds / "wren/3.png", 6, 4)
    with pytest.raises(DataRequestError, match=r"has 6 x 4 pixels \(height x width\), but .* has 5 x 4. Give the") as e:
        image_folder(birds)
    assert str(e.value).startswith(f"{odd} ")
    assert "folder,5x4:PATH" in str(e.value)
    assert image_folder(birds, size=(5, 4)).shape == (3, 5, 4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"no image",
        lambda content: content[: len(content) // 2],
        lambda content: content[:40] + bytes([content[40] ^ 255]) + content[41:],
        lambda content: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 5\n%%EndComments\nshowpage\n",
    ],
    ids=["empty", "text", "cut", "bit", "postscript"],
)
def test_a_broken_image_is_named(birds, spoil):
    """PostScript is not even tried: Pillow would hand it to another program."""
    path = birds / "wren/3.png"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DamagedDataError, match=r"is no whole image: .*Mend it or take it away") as error:
        image_folder(birds)
    assert str(error.value).startswith(f"{path} ")


@settings(max_examples=150, deadline=None)
@given_any(st.data())
def test_any_bytes_are_an_image_or_refused(tmp_path_factory, data):
    """A small file with some bytes changed, cut or added: what Pillow raises does not get through."""
    out = io.BytesIO()
    pixels = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    Image.fromarray(pixels).save(out, data.draw(st.sampled_from(["PNG", "BMP", "JPEG", "TIFF", "PPM", "WEBP"])))
    content = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    root = tmp_path_factory.getbasetemp() / "any-images"
    if not root.exists():
        for name in ("a/1.png", "a/2.png", "b/1.png"):
            picture(root / name)
    (root / "b/2.png").write_bytes(bytes(content))
    with suppress(DamagedDataError, DataRequestError):  # the latter where it has become an image of 16 bits
        assert image_folder(root, size=(5, 4)).shape == (3, 5, 4)


def test_sixteen_bits_are_refused(birds):
    """Pillow would cut them off at 255."""
    Image.fromarray(np.full((5, 4), 4096, np.uint16)).save(birds / "wren/3.png")
    with pytest.raises(
        DataRequestError, match=r"wren/3.png has more than 8 bits for each channel \(Pillow calls that I;16"
    ):
        image_folder(birds, grey=True)


def empty_class(root):
    (root / "gull").mkdir()
    return "gull holds no image. Each sub-folder is a class; images end in .bmp, .jpeg"


def one_class(root):
    (root / "crow").rename(root / ".crow")
    return "birds has 1 sub-folders; there must be one for each class"


def single_image(root):
    picture(root / "gull/only.png")
    return "gull holds a single image, and one must be set aside"


def no_test(root):
    picture(root / "train/wren/1.png")
    return "has a folder train with classes in it, but no folder test"


def strange_class(root):
    picture(root / "train/wren/1.png")
    picture(root / "train/crow/1.png")
    picture(root / "test/gull/1.png")
    return "test/gull is a class that is not in .*train"


def no_test_images(root):
    picture(root / "train/wren/1.png")
    picture(root / "train/crow/1.png")
    (root / "test/wren").mkdir(parents=True)
    return "birds/test holds no image"


@pytest.mark.parametrize("spoil", [empty_class, one_class, single_image, no_test, strange_class, no_test_images])
def test_folders_of_another_form_are_told(birds, spoil):
    words = spoil(birds)
    with pytest.raises(DataRequestError, match=words):
        image_folder(birds)


def test_bad_arguments(birds):
    with pytest.raises(DataRequestError, match=r"there is no folder .*nowhere. Correct the path"):
        image_folder(birds / "nowhere")
    with pytest.raises(DataRequestError, match=r"there is no folder .*readme.md"):
        image_folder(birds / "readme.md")
    with pytest.raises(DataRequestError, match=r"there is no folder .*nowhere"):
        image_folder(birds, test=birds / "nowhere")
    for share in (0, 1, -0.5):
        with pytest.raises(DataRequestError, match="must be between 0 and 1"):
            image_folder(birds, test=float(share))
    for size in (0, (3, -1)):
        with pytest.raises(DataRequestError, match="at least 1 pixel"):
            image_folder(birds, size=size)


def test_what_may_not_be_read_is_told(birds, monkeypatch):
    """The system's refusal is played, because tests may run as root."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    for refused in ("os.open", "os.scandir"):
        with monkeypatch.context() as patch:
            patch.setattr(refused, refuse)
            with pytest.raises(DataFailureError, match="cannot be read: Permission denied"):
                image_folder(birds)


def test_endings_are_torchvisions():
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert set(SUFFIXES) == set(IMG_EXTENSIONS)
