"""Hugging Face's datasets: in memory, on disk and as files, always without a network."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from spurlab.data import (
    DataFailureError,
    DataNotFoundError,
    DataRequestError,
    fetch,
    from_hugging_face,
    from_torch,
    load,
    locate,
)

SHAPE = (5, 4, 3)


def test_without_the_library_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataRequestError, match=r"not installed: pip install 'spurlab\[huggingface\]'"):
        load("hf:mine")


@pytest.fixture
def library(monkeypatch, tmp_path):
    found = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    monkeypatch.chdir(tmp_path)
    return found


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE), np.uint8)


def split(library, n, seed=0, **columns):
    """Images in memory, label i % 2, and other columns."""
    features = library.Features(
        {"image": library.Image(), "label": library.ClassLabel(names=["wren", "crow"])}
        | {name: library.Value("string") for name in columns}
    )
    images = [Image.fromarray(image) for image in pixels(n, seed)]
    return library.Dataset.from_dict(
        {"image": images, "label": [i % 2 for i in range(n)], **columns}, features=features
    )


def as_inputs(images):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()) / 255


def test_splits_with_names_of_classes_and_groups(library):
    train, test = (split(library, n, n, place=["sea", "land"] * (n // 2)) for n in (8, 4))
    data = from_hugging_face(library.DatasetDict(train=train, test=test), group="place", name="mine")
    assert_close(data.train.inputs, as_inputs(pixels(8, 8)), rtol=0, atol=0)
    assert_close(data.test.inputs, as_inputs(pixels(4, 4)), rtol=0, atol=0)
    assert (data.class_names, data.test.labels.tolist()) == (("wren", "crow"), [0, 1, 0, 1])
    assert data.group_names == ("wren, land", "wren, sea", "crow, land", "crow, sea")
    assert data.test.groups.tolist() == [1, 2, 1, 2]
    assert data.test.sources.tolist() == [f"test, row {row}" for row in range(4)]
    assert (data.name, data.input_range) == ("mine", (0.0, 1.0))


def test_by_name_from_a_folder_on_disk(library):
    library.DatasetDict(train=split(library, 8), validation=split(library, 4, 1)).save_to_disk("mine")
    data = load("hf,3x2,grey:mine")
    assert (data.name, data.shape, len(data.train), len(data.test)) == ("hf,3x2,grey:mine", (1, 3, 2), 8, 4)
    assert data.test.source(0) == "validation, row 0"
    assert str(locate("hf,3x2,grey:mine")) == str(fetch("hf:mine")) == "mine"
    divided = load("hf,test=.25:mine")
    assert (divided.train.labels.bincount().tolist(), divided.test.labels.bincount().tolist()) == ([3, 3], [1, 1])
    row = int(divided.test.source(0).rsplit(" ", 1)[1])
    assert_close(divided.test.inputs[0], as_inputs(pixels(8))[row], rtol=0, atol=0)


def test_a_single_split_is_divided(library):
    split(library, 10).save_to_disk("one")
    assert load("hf:one").test.labels.bincount().tolist() == [1, 1]


def test_a_folder_of_images_has_the_names_of_files(library, tmp_path):
    for part, n in (("train", 6), ("test", 2)):
        for i, image in enumerate(pixels(n, n)):
            path = tmp_path / "birds" / part / ["crow", "wren"][i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    data = load("hf:birds")
    assert data.class_names == ("crow", "wren")
    assert data.checksum == load("folder:birds").checksum
    assert [source.split("(")[1] for source in data.train.sources] == [f"{i}.png)" for i in (0, 2, 4, 1, 3, 5)]


@pytest.mark.parametrize(("labels", "names"), [(["b", "a"], ("a", "b")), ([10, 9], ("9", "10"))])
def test_labels_without_names(library, labels, names):
    data = library.Dataset.from_dict({"pic": [Image.fromarray(image) for image in pixels(8)], "y": labels * 4})
    made = from_hugging_face(data.cast_column("pic", library.Image()), image="pic", label="y")
    assert made.class_names == names
    rows = [int(source.rsplit(" ", 1)[1]) for source in made.train.sources]
    assert made.train.labels.tolist() == [1 - row % 2 for row in rows]
    assert len(rows) == 6


def bad(library):
    mixed = [Image.fromarray(image) for image in pixels(8)]
    mixed[3] = mixed[3].resize((7, 6))
    deep = [Image.fromarray(np.full((5, 4), 4096, np.uint16)) for _ in range(8)]
    turned = io.BytesIO()
    Image.fromarray(pixels(1)[0]).save(turned, "PNG")
    torn = [{"bytes": turned.getvalue()[:50], "path": "torn.png"}] * 8
    labels = [i % 2 for i in range(8)]
    make = library.Dataset.from_dict
    images = {"image": library.Image(), "label": library.Value("int64")}
    return {
        "no split": (library.DatasetDict(valid=split(library, 4)), {}, "has no split 'train'"),
        "no test": (split(library, 4), {"test": "tset"}, "has no split 'tset'. There are: train"),
        "no feature": (split(library, 4), {"label": "lable"}, "has no feature 'lable'. Did you mean 'label'"),
        "no image": (split(library, 4), {"image": "label"}, "the feature 'label' holds ClassLabel, no images"),
        "no label": (
            make({"image": mixed, "label": [-1, 0] * 4}, features=split(library, 2).features),
            {},
            "train, row 0 has no 'label'",
        ),
        "sizes": (
            make({"image": mixed, "label": labels}, features=library.Features(images)),
            {"test": 0.5},
            "has 6 x 7 pixels (height x width), but",
        ),
        "bits": (make({"image": deep, "label": labels}), {}, "has more than 8 bits for each channel"),
        "torn": (
            make({"image": torn, "label": labels}, features=library.Features(images)),
            {},
            "(torn.png) is no whole image",
        ),
        "one of a class": (split(library, 3), {}, "has 1 examples of the class 'crow'"),
        "one class": (
            split(library, 4).filter(lambda row: row["label"] == 0),
            {},
            "has 0 examples of the class 'crow'",
        ),
        "numbers": (make({"image": mixed, "label": [0.5] * 8}), {}, "'label' is 0.5, but it must be a class"),
    }


BAD = ("no split", "no test", "no feature", "no image", "no label", "sizes", "bits", "torn", "one of a class")


@pytest.mark.parametrize("name", [*BAD, "one class", "numbers"])
def test_what_cannot_be_is_told(library, name):
    data, settings, words = bad(library)[name]
    with pytest.raises((DataRequestError, DataFailureError)) as error:
        from_hugging_face(data, **settings)
    assert words in str(error.value)


def test_images_are_turned_upright(library):
    """Orientation 6: what is stored is turned clockwise."""
    stored, exif, out = Image.fromarray(pixels(1)[0]), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    stored.save(out, "PNG", exif=exif)
    rows = {"image": [{"bytes": out.getvalue(), "path": None}] * 4, "label": [0, 1] * 2}
    features = library.Features({"image": library.Image(), "label": library.Value("int64")})
    data = from_hugging_face(library.Dataset.from_dict(rows, features=features))
    assert_close(data.train.inputs[0], as_inputs(np.rot90(pixels(1)[0], -1)[None])[0], rtol=0, atol=0)


def test_names_of_the_hub(library, monkeypatch):
    """Without a network, played: the library's own error, in a sentence."""
    with pytest.raises(DataNotFoundError, match="to look for a dataset of that name on the Hub is forbidden"):
        load("hf:some/one", offline=True)

    def unreached(*_):
        raise ConnectionError("Couldn't reach 'some/one' on the Hub (LocalEntryNotFoundError)")

    monkeypatch.setattr(library, "load_dataset", unreached)
    with pytest.raises(DataFailureError, match=r"some/one .*Couldn't reach.* no such folder here.*there is a network"):
        load("hf:some/one", offline=False)
    with pytest.raises(DataRequestError, match="Load it: it is then downloaded"):
        fetch("hf:some/one")


def test_what_is_no_dataset_is_told(library, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "dataset_dict.json").write_text("no json")
    with pytest.raises(DataFailureError, match=r"the dataset none of Hugging Face's cannot be read"):
        load("hf:none")


def texts(library, **columns):
    """Eight texts in memory; label i % 2, whose names are not in alphabetical order."""
    features = library.Features(
        {"label": library.ClassLabel(names=["wren", "crow"])} | {name: library.Value("string") for name in columns}
    )
    return library.Dataset.from_dict({"label": [i % 2 for i in range(8)], **columns}, features=features)


SAID = ["small bird", "black bird", "brown", "black one", "small", "a crow", "tiny bird", "big bird"]


def test_texts_are_documents_and_classes_keep_their_order(library, caplog):
    """The words in the order of their number in the training texts; what was not named was found, and is said."""
    caplog.set_level("INFO")
    train = texts(library, text=SAID, place=["sea", "land"] * 4)
    data = from_hugging_face(library.DatasetDict(train=train, validation=train), text="text", group="place", length=3)
    assert (data.class_names, data.test.labels.tolist()) == (("wren", "crow"), [0, 1] * 4)
    assert data.train.inputs.shape == (8, 3)
    assert [data.names.text(each) for each in data.train.inputs] == SAID
    assert data.names.known[0] == "bird"
    assert data.group_names == ("wren, land", "wren, sea", "crow, land", "crow, sea")
    assert data.train.groups.tolist() == [1, 2] * 4
    assert data.test.sources[7] == "validation, row 7"
    assert "texts from 'text', classes from 'label'" in caplog.text
    found = from_hugging_face(library.DatasetDict(train=train, test=train), length=3)  # of two, the usual name
    assert found.checksum == from_hugging_face({"train": train, "test": train}, text="text", length=3).checksum


@pytest.mark.parametrize("others", [("validation",), ()])
def test_a_split_with_hidden_labels_is_no_test(library, caplog, others):
    """As in GLUE: all are -1. A -1 among others is a row without a class, and -1 may be the name of one."""
    train = texts(library, text=SAID)
    hidden = train.map(lambda row: {"label": -1})
    data = library.DatasetDict({"train": train, "test": hidden} | dict.fromkeys(others, train))
    found = from_hugging_face(data, length=3, name="mine")
    wanted = {"test": "validation" if others else 0.2}
    assert found.checksum == from_hugging_face(data, length=3, name="mine", **wanted).checksum
    [said] = [line for line in caplog.messages if "hidden" in line]
    assert said.startswith("mine: the labels of the split 'test' are hidden; the test is")
    assert ("'validation'" if others else "0.2 of each class") in said
    with pytest.raises(DataRequestError, match=r"the split 'test' are hidden .*Name another split, or a share"):
        from_hugging_face(data, test="test")
    data["test"] = train.map(lambda row, i: {"label": -1 if i else 0}, with_indices=True)
    with pytest.raises(DataRequestError, match="test, row 1 has no 'label'"):
        from_hugging_face(data)
    features = library.Features({"text": library.Value("string"), "label": library.Value("int64")})
    signs = library.Dataset.from_dict({"text": SAID, "label": [1, -1] * 4}, features=features)
    data = library.DatasetDict(train=signs, test=signs.filter(lambda row: row["label"] == -1))
    assert from_hugging_face(data, length=3).test.labels.tolist() == [0] * 4


def test_columns_are_found_by_their_kind(library, caplog):
    caplog.set_level("INFO")
    data = split(library, 8).rename_columns({"image": "photo", "label": "kind"})
    found = from_hugging_face(data, name="mine")
    assert "mine: images from 'photo', classes from 'kind'" in caplog.text
    caplog.clear()
    named = from_hugging_face(data, image="photo", label="kind")
    assert found.checksum == named.checksum
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("columns", "settings", "said"),
    [
        ({"title": SAID, "body": SAID}, {}, r"2 features of images or texts \(title, body\): name it"),
        ({}, {}, r"no feature of images or texts.*It has label \(.*ClassLabel"),
        ({"body": [*SAID[:7], None]}, {}, r"row 7: 'body' is None, no text.*text=\.\.\."),
        ({"text": SAID}, {"image": "text", "text": "text"}, r"images \(image\) or of texts \(text\), not both"),
        ({"text": SAID}, {"text": "txt"}, "no feature 'txt'. Did you mean 'text'"),
    ],
)
def test_what_is_not_clear_is_asked(library, columns, settings, said):
    with pytest.raises(DataRequestError, match=said):
        from_hugging_face(texts(library, **columns), **settings)


def test_two_columns_of_classes_are_two(library):
    data = texts(library, text=SAID)
    data = data.add_column("coarse", data["label"]).cast_column("coarse", library.ClassLabel(names=["a", "b"]))
    assert from_hugging_face(data).class_names == ("wren", "crow")  # called `label`
    with pytest.raises(DataRequestError, match=r"2 features of classes \(fine, coarse\): name it \(label=\.\.\.\)"):
        from_hugging_face(data.rename_column("label", "fine"))
    assert from_hugging_face(data, label="coarse").class_names == ("a", "b")


def test_streams_and_loaders_are_refused_with_what_to_do(library):
    data = split(library, 4)
    for stream in (data.to_iterable_dataset(), library.IterableDatasetDict(train=data.to_iterable_dataset())):
        with pytest.raises(DataRequestError, match=r"'train' is streamed.*data\.take\(10_000\)"):
            from_hugging_face(stream)
    taken = library.Dataset.from_list(list(data.to_iterable_dataset().take(4)), features=data.features)
    assert from_hugging_face(taken).checksum == from_hugging_face(data).checksum  # the advice is right
    with pytest.raises(DataRequestError, match=r"DataLoader, which gives batches.*loader\.dataset"):
        from_hugging_face(torch.utils.data.DataLoader(data))
    with pytest.raises(DataRequestError, match="'train' is a list; it must be a Dataset or DatasetDict"):
        from_hugging_face([1, 2])
    with pytest.raises(DataRequestError, match="Give it to from_hugging_face"):
        from_torch(data, data)


def test_a_tokenizer_numbers_the_words_and_its_padding_is_ours(library):
    """0 and the number of its padding change places; all other words keep theirs."""
    transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    words = ["<unk>", "bird", "small", "<pad>", "crow", "black", "brown"]
    model = tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0])
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, unk_token=words[0], pad_token=words[3])
    data = from_hugging_face(texts(library, text=SAID), length=2, tokenizer=tokenizer, test=0.5)
    every = torch.cat([data.train.inputs, data.test.inputs])
    order = [int(source.split()[-1]) for source in (*data.train.sources, *data.test.sources)]
    assert {row: each.tolist() for row, each in zip(order, every, strict=True)} == {
        0: [2, 1], 1: [5, 1], 2: [6, 0], 3: [5, 3], 4: [2, 0], 5: [3, 4], 6: [3, 1], 7: [3, 1]
    }  # fmt: skip
    assert data.shape == (2, 7)
    assert (data.names.words[0], data.names.words[3], data.names.number("crow")) == ("", "<unk>", 4)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, unk_token=words[0])
    with pytest.raises(DataRequestError, match="the tokenizer has no padding"):
        from_hugging_face(texts(library, text=SAID), tokenizer=tokenizer)


def test_a_form_of_files_is_no_dataset(tmp_path, monkeypatch):
    """``pandas`` is a builder of the library that reads pickles in the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataRequestError, match="'pandas' is no dataset but a form of files, some of which run code"):
        load("hf:pandas")
