"""Folders of images, against torchvision's ImageFolder on the same files."""

import hashlib
import io
import os
import struct
import subprocess
import zlib
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


FORMS = {  # what is added, and what is said of it
    "an empty class": (["gull/"], "gull holds no image. Each sub-folder is a class; images end in .bmp, .jpeg"),
    "a hidden class": (["crow -> .crow"], "birds has 1 sub-folder; there must be one for each class"),
    "a single image": (["gull/only.png"], "gull holds a single image, and one must be set aside"),
    "no test": (["train/wren/1.png"], "has a folder train with classes in it, but no folder test"),
    "a strange class": (
        ["train/wren/1.png", "train/crow/1.png", "test/gull/1.png"],
        "test/gull is a class that is not in .*train",
    ),
    "no test images": (["train/wren/1.png", "train/crow/1.png", "test/wren/"], "birds/test holds no image"),
}


@pytest.mark.parametrize("form", FORMS)
def test_folders_of_another_form_are_told(birds, form):
    added, words = FORMS[form]
    for name in added:
        if name.endswith("/"):
            (birds / name).mkdir(parents=True)
        elif " -> " in name:
            (birds / name.split()[0]).rename(birds / name.split()[-1])
        else:
            picture(birds / name)
    with pytest.raises(DataRequestError, match=words):
        image_folder(birds)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda birds: image_folder(birds / "nowhere"), r"there is no folder .*nowhere. Correct the path"),
        (lambda birds: image_folder(birds / "readme.md"), r"there is no folder .*readme.md"),
        (lambda birds: image_folder(birds, test=birds / "nowhere"), r"there is no folder .*nowhere"),
        *((lambda birds, s=s: image_folder(birds, test=s), "must be between 0 and 1") for s in (0.0, 1.0, -0.5)),
        *((lambda birds, s=s: image_folder(birds, size=s), "at least 1 pixel") for s in (0, (3, -1))),
    ],
)
def test_bad_arguments(birds, call, words):
    with pytest.raises(DataRequestError, match=words):
        call(birds)


@pytest.mark.parametrize("refused", ["os.open", "os.scandir"])
def test_what_may_not_be_read_is_told(birds, refuse, refused):
    refuse(refused)
    with pytest.raises(DataFailureError, match="cannot be read: Permission denied"):
        image_folder(birds)


def test_endings_are_torchvisions():
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert set(SUFFIXES) == set(IMG_EXTENSIONS)


# What is not data, or is there twice.


def pictures(root, names):
    for name in names:
        picture(root / name)
    return root


@pytest.fixture
def pets(tmp_path):
    return pictures(tmp_path / "pets", [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(5)])


def shown(data):
    """The images of a dataset, each with the name of its class: as a bag."""
    return sorted(
        (data.class_names[int(label)], image.numpy().tobytes())
        for part in (data.train, data.test)
        for image, label in zip(part.inputs, part.labels, strict=True)
    )


def test_what_systems_and_editors_leave_behind_is_no_data(pets):
    before = shown(image_folder(pets))
    for name in (".ipynb_checkpoints/0-checkpoint.png", ".hidden.png", "__MACOSX/1.png", "@eaDir/1.png/SYNO.png"):
        picture(pets / "cat" / name)
        picture(pets / name)
    for name in (
        "cat/._0.png",
        "dog/.DS_Store",
        "dog/Thumbs.db",
        "dog/._deep/._0.png",
        "._cat",
        "__macosx/cat/._0.png",
    ):
        (pets / name).parent.mkdir(exist_ok=True, parents=True)
        (pets / name).write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    assert shown(image_folder(pets)) == before
    assert len(before) == 10


LOOPS = {
    "to itself": {"cat/loop": "."},
    "two to itself": {"cat/one": ".", "cat/two": "."},  # 2^40 paths
    "to the root": {"cat/loop": "..", "dog/loop": ".."},
    "to each other": {"cat/loop": "../dog", "dog/loop": "../cat"},
    "deep": {"cat/deep": "../dog/deep", "dog/deep/up": "../../cat"},
    "a class": {"self": "."},
    "to the same class": {"cat/again": "../cat", "dog/9.png": "1.png"},
    "a link to itself": {"cat/itself": "itself"},
}


@pytest.mark.parametrize("loop", LOOPS)
def test_each_real_folder_counts_once(pets, loop):
    """Ten files are ten examples, in the classes in which they lie."""
    if loop == "deep":
        picture(pets / "dog/deep/5.png")
    before = shown(image_folder(pets))
    for link, target in LOOPS[loop].items():
        (pets / link).symlink_to(target)
    assert shown(image_folder(pets)) == before


def test_links_out_of_the_folder_are_followed(tmp_path, pets):
    """To a class, to a folder in it, to a file; a folder that two links lead to counts once."""
    elsewhere = pictures(tmp_path / "elsewhere", ["gulls/0.png", "gulls/more/1.png", "more/2.png", "3.png"])
    (pets / "gull").symlink_to(elsewhere / "gulls")
    (elsewhere / "gulls/a").symlink_to(elsewhere / "more")
    (elsewhere / "gulls/b").symlink_to(elsewhere / "more")
    (elsewhere / "gulls/c.png").symlink_to(elsewhere / "3.png")
    (elsewhere / "more/round").symlink_to(pets)
    assert [name for name, _ in shown(image_folder(pets))].count("gull") == 4
    assert len(shown(image_folder(pets))) == 14


TWICE = {
    "a file in two classes": ({"cat/9.png": "../dog/1.png"}, "the classes 'cat' and 'dog'"),
    "two classes of one folder": ({"cow": "cat"}, "the classes 'cat' and 'cow'"),
    "a folder behind two classes": ({"cat/far": "../../far", "dog/far": "../../far"}, "the classes 'cat' and 'dog'"),
    "a file in both parts": ({"test/cat/9.png": "../../train/cat/1.png"}, "in two places: training and test set"),
    "one folder as both parts": ({"test": "train"}, "in two places: training and test set"),
    "a folder in both parts": ({"test/cat/more": "../../train/cat"}, "in two places: training and test set"),
}


@pytest.mark.parametrize("twice", TWICE)
def test_a_file_with_two_places_is_refused(tmp_path, pets, twice):
    links, words = TWICE[twice]
    picture(tmp_path / "far/0.png")
    if "part" in twice:
        (tmp_path / "whole").mkdir()
        pets = pets.rename(tmp_path / "whole/train").parent
        if "test" not in links:
            picture(pets / "test/cat/0.png")
    for link, target in links.items():
        (pets / link).symlink_to(target)
    with pytest.raises(DataRequestError, match=words):
        image_folder(pets)


def test_copies_in_both_parts_are_told(tmp_path, pets, caplog):
    pets.rename(tmp_path / "train")
    picture(tmp_path / "test/cat/0.png")
    picture(tmp_path / "test/dog/0.png")
    assert not image_folder(tmp_path) or not caplog.messages
    (tmp_path / "test/cat/1.png").write_bytes((tmp_path / "train/dog/2.png").read_bytes())
    image_folder(tmp_path)
    assert [message[:62] for message in caplog.messages] == [
        "1 of 3 test images are training images too, byte for byte, e.g."[:62]
    ]
    assert "train/dog/2.png" in caplog.text
    assert "test/cat/1.png" in caplog.text


def test_names_that_cannot_be_shown_are_refused(pets):
    for name in ("a\x1b[31m", os.fsdecode(b"caf\xe9")):
        (pets / "cat").rename(pets / name)
        with pytest.raises(DataRequestError, match="which is no text that can be shown"):
            image_folder(pets)
        (pets / name).rename(pets / "cat")


# How an image is stored.

TURNS = {  # what is stored for an image that is to be seen as `seen`, by the value of the tag
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: seen.transpose(1, 0, 2)[::-1],  # the right of what is seen is the top of what is stored
    7: lambda seen: seen.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda seen: seen.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "jpg"])
@pytest.mark.parametrize("turn", TURNS)
def test_images_are_turned_upright(pets, turn, suffix):
    """The tag says which side of the stored image is the top of the one that is seen (Exif 2.3, tag 0x0112).

    5 is a flip along the diagonal; 6 is what a camera writes that was held upright: turn the stored image clockwise.
    """
    seen = RNG.integers(0, 256, (5, 4, 3), np.uint8)
    if suffix == "jpg":
        seen = np.kron(RNG.integers(0, 256, (2, 3, 1), np.uint8), np.ones((16, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = np.ascontiguousarray(TURNS[turn](seen))
    for path in pets.rglob("*.png"):
        Image.new("RGB", (seen.shape[1], seen.shape[0])).save(path)
    (pets / "cat/0.png").unlink()
    Image.fromarray(stored).save(pets / f"cat/0.{suffix}", exif=exif, **{"webp": {"lossless": True}}.get(suffix, {}))
    data = image_folder(pets, test=0.01)
    inputs = torch.cat([data.train.inputs, data.test.inputs])
    image = inputs[inputs.flatten(1).sum(1).argmax()]
    assert_close(
        image.permute(1, 2, 0).mul(255), torch.from_numpy(seen).float(), rtol=0, atol=0 if suffix != "jpg" else 3
    )


def png(depth, colour, channels):
    """A PNG of 5 x 4 pixels, made by hand, since Pillow writes no 16 bits of most kinds."""
    row = b"\0" + bytes(range(4 * channels * depth // 8))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 5, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row * 5)) + chunk(b"IEND", b"")


def tiff(bits):
    """An uncompressed TIFF of 5 x 4 pixels in three channels."""
    size = 5 * 4 * 3 * bits // 8
    tags = [
        *((256, 3, 1, 4), (257, 3, 1, 5), (258, 3, 3, 8 + size), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8)),
        *((277, 3, 1, 3), (278, 3, 1, 5), (279, 4, 1, size)),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + size + 6)
        + bytes(size)
        + struct.pack("<3H", bits, bits, bits)
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


DEEP = {
    "grey": ("png", lambda bits: png(bits, 0, 1)),
    "colour": ("png", lambda bits: png(bits, 2, 3)),
    "grey and alpha": ("png", lambda bits: png(bits, 4, 2)),
    "colour and alpha": ("png", lambda bits: png(bits, 6, 4)),
    "tiff": ("tif", tiff),
    "ppm": ("ppm", lambda bits: b"P6 4 5 %d\n" % (2**bits - 1) + bytes(5 * 4 * 3 * bits // 8)),
    "plain ppm": ("ppm", lambda bits: b"P3 4 5 %d\n" % (2**bits - 1) + b"0 " * 60),
    "pgm": ("pgm", lambda bits: b"P5 4 5 %d\n" % (2**bits - 1) + bytes(5 * 4 * bits // 8)),
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_of_every_kind_are_refused(birds, kind, grey):
    """Pillow keeps the upper eight of most of them without a word. The same image of eight bits is read."""
    suffix, made = DEEP[kind]
    path = birds / f"wren/odd.{suffix}"
    path.write_bytes(made(8))
    assert image_folder(birds, grey=grey).shape == (1 if grey else 3, 5, 4)
    path.write_bytes(made(16))
    with pytest.raises(DataRequestError, match=r"odd.* has more than 8 bits for each channel"):
        image_folder(birds, grey=grey)


def test_sixteen_bits_of_a_pixel_are_few(birds):
    """A BMP of 5, 6 and 5 bits for red, green and blue: its pixels have 16 bits, its channels fewer than 8."""
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 5, 1, 16, 3, 40, 0, 0, 0, 0) + masks
    header = struct.pack("<2sIHHI", b"BM", 14 + len(info) + 40, 0, 0, 14 + len(info))
    (birds / "wren/few.bmp").write_bytes(header + info + bytes(40))
    assert image_folder(birds).shape == (3, 5, 4)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_dropped(tmp_path, mode):
    """What stands behind transparent pixels is seen; a palette of which one colour is transparent is no warning."""
    image = Image.fromarray(np.full((5, 4, 4), (200, 200, 200, 0), np.uint8), "RGBA")
    for name in ("a", "b"):
        for i in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            if mode == "P":
                flat = Image.new("P", (4, 5))
                flat.putpalette([200, 200, 200])
                flat.save(tmp_path / name / f"{i}.png", transparency=b"\0")
            else:
                image.convert(mode).save(tmp_path / name / f"{i}.png")
    assert_close(image_folder(tmp_path).train.inputs, torch.full((2, 3, 5, 4), 200 / 255))


# Sizes.


def test_pixels_are_counted_before_they_are_unpacked(tmp_path, pets, monkeypatch):
    """A black image of 300 x 300 pixels is a file of some hundred bytes."""
    Image.new("RGB", (300, 300)).save(pets / "cat/9.png")
    assert image_folder(pets, size=4).shape == (3, 4, 4)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", str(24 * 300 * 300 - 1))

    def refuse(*args, **kwargs):
        raise AssertionError("it was unpacked")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", refuse)
    for path in pets.rglob("[0-8].png"):
        path.unlink()
    for i in range(2):
        Image.new("RGB", (300, 300)).save(pets / f"dog/{i}.png")
        Image.new("RGB", (300, 300)).save(pets / f"cat/{i}.png")
    with pytest.raises(DataRequestError, match=r"an image of 300 x 300 pixels: 2,160,000 bytes .*MAX_BYTES"):
        image_folder(pets, size=4)


def test_all_images_together_are_counted(pets, monkeypatch):
    """Ten of 3 x 5 x 4 numbers of four bytes."""
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "2400")
    assert image_folder(pets).shape == (3, 5, 4)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "2399")
    with pytest.raises(DataRequestError, match="10 images of 5 x 4 pixels: 2,400 bytes are needed"):
        image_folder(pets)
    monkeypatch.delenv("SPURLAB_MAX_BYTES")
    with pytest.raises(DataRequestError, match="10 images of 20000 x 20000 pixels: 48,000,000,000 bytes"):
        load(f"folder,20000x20000:{pets}")


def test_pillows_own_limit_is_left_as_it_was(pets):
    """Ours is in its place while images are read, also after an error."""
    before = Image.MAX_IMAGE_PIXELS
    (pets / "cat/0.png").write_bytes(b"no image")
    with pytest.raises(DamagedDataError):
        image_folder(pets)
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_plain_bitmap_is_read_and_one_with_other_digits_refused(tmp_path):
    """Pillow reads it as a PPM, but says nothing of the largest number in it."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}.ppm").write_bytes(b"P1\n2 2\n0 1 1 0\n")
    assert image_folder(tmp_path).train.inputs[0, 0].tolist() == [[1, 0], [0, 1]]
    (tmp_path / "b" / "1.ppm").write_bytes(b"P1\n2 2\n0 1 2 0\n")
    with pytest.raises(DamagedDataError, match=r"1\.ppm is no whole image"):
        image_folder(tmp_path)
