"""Adult: both layouts, against scikit-learn and the published counts."""

import gzip
import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from spurlab.data import DATASETS, DamagedDataError, adult, described, fetch, load
from spurlab.data.adult import CATEGORIES, COMMONEST, DERIVED, FEATURES, NUMBERS, OFFICIAL
from spurlab.seeds import rng_for

SIZES = (40, 15)


@dataclass
class Census:
    """A few persons, as rows of the official columns, and the files that hold them."""

    parts: tuple[list[dict[str, str]], list[dict[str, str]]]
    official: dict[str, bytes]
    derived: bytes


def persons(n, part):
    """Any values that there are, each row drawn by itself; every tenth lacks what can be missing."""
    rng = rng_for(0, "test", part)
    rows = []
    for i in range(n):
        numbers = {column: str(int(torch.randint(17, 91, (), generator=rng))) for column in (*NUMBERS, "fnlwgt")}
        words = {
            column: values[int(torch.randint(len(values), (), generator=rng))] for column, values in CATEGORIES.items()
        }
        salary = {"salary": ("<=50K", ">50K")[int(torch.randint(2, (), generator=rng))]}
        rows.append(numbers | words | salary | (dict.fromkeys(COMMONEST, "?") if i % 10 == 3 else {}))
    return rows


@pytest.fixture
def census(monkeypatch):
    """Both layouts of the same rows, in the table with their checksums."""
    parts = persons(SIZES[0], "train"), persons(SIZES[1], "test")
    train = "".join(", ".join(row[column] for column in OFFICIAL) + "\n" for row in parts[0]) + "\n"
    test = "".join(", ".join(row[column] for column in OFFICIAL) + ".\n" for row in parts[1]) + "\n"
    official = {"adult.data": train.encode(), "adult.test": b"|1x3 Cross validator\n" + test.encode()}
    lines = [",".join(DERIVED)]
    for part, rows in zip(("train", "test"), parts, strict=True):
        for row in rows:
            filled = {key: COMMONEST[key] if value == "?" else value for key, value in row.items()}
            complete = str(int("?" not in row.values()))
            lines.append(",".join({**filled, "split": part, "complete_case": complete}[column] for column in DERIVED))
    derived = ("\n".join(lines) + "\n").encode()
    layouts = (
        adult.OfficialFiles(sha256={name: hashlib.sha256(content).hexdigest() for name, content in official.items()}),
        adult.DerivedTable(sha256={"adult.csv": hashlib.sha256(derived).hexdigest()}),
    )
    monkeypatch.setitem(DATASETS, "adult", replace(adult.ENTRY, sizes=SIZES, layouts=layouts))
    return Census(parts, official, derived)


def write(folder, contents, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    return folder


def test_features_are_those_of_scikit_learn(given, census):
    """Its scaler and its one-hot encoder, fitted on the training rows with missing values replaced; ours is float32."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    write(given / "adult", census.official)
    data = load("adult")
    assert (data.shape, data.input_range, data.class_names) == ((104,), None, ("<=50K", ">50K"))
    filled = [
        [{key: COMMONEST[key] if value == "?" else value for key, value in row.items()} for row in rows]
        for rows in census.parts
    ]
    numbers = [np.array([[float(row[column]) for column in NUMBERS] for row in rows]) for rows in filled]
    words = [[[row[column] for column in CATEGORIES] for row in rows] for rows in filled]
    scaler = StandardScaler().fit(numbers[0])
    encoder = OneHotEncoder(categories=[sorted(values) for values in CATEGORIES.values()], sparse_output=False)
    encoder.fit(words[0])
    for part, number, word in zip((data.train, data.test), numbers, words, strict=True):
        wanted = np.concatenate([scaler.transform(number), encoder.transform(word)], axis=1)
        assert_close(part.inputs, torch.tensor(wanted, dtype=torch.float32), rtol=1e-6, atol=1e-6)
    names = [name.replace("_", "=", 1) for name in encoder.get_feature_names_out(list(CATEGORIES))]
    assert list(FEATURES) == [*NUMBERS, *names]


def test_groups_are_salary_and_sex_counted_row_by_row(given, census):
    write(given / "adult", census.official)
    data = load("adult")
    assert data.group_names == ("<=50K, female", "<=50K, male", ">50K, female", ">50K, male")
    for part, rows in zip((data.train, data.test), census.parts, strict=True):
        assert part.labels.tolist() == [int(row["salary"] == ">50K") for row in rows]
        assert part.groups.tolist() == [2 * int(row["salary"] == ">50K") + int(row["sex"] == "Male") for row in rows]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_both_layouts_give_the_same_tensors(given, census, suffix):
    """The official files are taken where both are there; the same checksum says the same examples."""
    folder = write(given / "adult", {"adult.csv": census.derived}, suffix)
    derived = load("adult")
    assert list(derived.source.sha256) == ["adult.csv"]
    write(folder, census.official, suffix)
    official = load("adult")
    assert list(official.source.sha256) == ["adult.data", "adult.test"]
    assert official.checksum == derived.checksum
    assert official.source.location == derived.source.location == str(folder)


def test_it_is_downloaded_from_the_repository(server, cache, census):
    """Two files, checked by their md5, then read before they are put into the cache."""
    server.files = {f"/adult/{name}": content for name, content in census.official.items()}
    md5 = {name: hashlib.md5(each, usedforsecurity=False).hexdigest() for name, each in census.official.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adult, "MD5", md5)
        assert fetch("adult") == cache / "adult"
    assert set(server.asked) == set(server.files)
    server.stop()
    assert len(load("adult").train) == SIZES[0]


def test_the_official_addresses_are_asked(monkeypatch, tmp_path):
    asked = []
    monkeypatch.delenv("SPURLAB_MIRROR", raising=False)
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda url, root, file, md5: asked.append((url, md5))
    )
    adult.download(tmp_path)
    folder = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"
    assert asked == [
        (f"{folder}adult.data", "5d7c39d7b8804f071cdd1f2a7c460872"),
        (f"{folder}adult.test", "35238206dfdf7f1fe215bbb874adecdc"),
    ]


def first(old, new):
    """Replace it where it comes first."""
    return lambda text: text.replace(old, new, 1)


BAD = {
    "row lost": (lambda text: text[text.index("\n") + 1 :], r"holds 39 rows of a part of Adult that has 40"),
    "empty": (lambda text: "", r"adult\.data holds 0 rows"),
    "value lost": (first(", ", " "), r"adult\.data: row 0 has 14 values, but there are 15 columns"),
    "no number": (lambda text: "x" + text, r"adult\.data, age: row 0 has 'x\d+', which is no whole number"),
    "minus": (lambda text: "-" + text, r"adult\.data, age: row 0 has '-\d+', which is no whole number"),
    "sex": (first(" Male", " Mail"), r"adult\.data, sex: row \d+ has 'Mail'; there are Female, Male"),
    "no sex": (first(" Male", " ?"), r"adult\.data, sex: row \d+ has '\?'; there are Female, Male"),
    "salary": (first("50K", "60K"), r"adult\.data, salary: row 0 has '.*60K'; there are <=50K, >50K"),
    "no text": (first("Private", "Priv\xe4te"), r"adult\.data is damaged: byte [\d,]+ is no ASCII"),
    "long": (first("Private", "P" * 131_073), r"adult\.data: row \d+ is damaged \(field larger than field limit"),
    "long number": (lambda text: "9" * 400 + text, r"adult\.data, age: row 0 has '9+ \.\.\. \d+', which is no whole"),
    "endless": (lambda text: text + "\n" * 2**24, r"adult\.data goes on after its end: no file of Adult has more"),
    "other value": (first(" Male", " Female"), r"adult\.data has the wrong checksum"),
}


@pytest.mark.parametrize("bad", BAD)
def test_damage_is_told_for_what_it_is(given, census, bad):
    """The checksum would find each of these too; it says least, so it is asked last."""
    spoil, words = BAD[bad]
    census.official["adult.data"] = spoil(census.official["adult.data"].decode()).encode("latin-1")
    write(given / "adult", census.official)
    with pytest.raises(DamagedDataError, match=words) as error:
        load("adult")
    assert "type `spurlab data get adult`" in str(error.value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda table: b"x" + table, "has the wrong header: 'xsplit,age,.*', where 'split,age,"),
        (lambda table: b"", "has the wrong header: ''"),
        (lambda table: table.replace(b"\ntest,", b"\ntrain,", 1), "holds 41 rows of a part of Adult that has 40"),
        (lambda table: table.replace(b",Male,", b",Female,", 1), "has the wrong checksum"),
        (lambda table: table.replace(b",Private,", b",?,", 1), "has the wrong checksum"),
    ],
)
def test_damage_in_the_derived_table_too(given, census, spoil, words):
    write(given / "adult", {"adult.csv": spoil(census.derived)}, ".gz")
    with pytest.raises(DamagedDataError, match=words):
        load("adult")


def test_parts_of_it_by_name(given, census):
    """Groups follow their classes."""
    write(given / "adult", census.official)
    data, turned = load("adult"), load("adult:1,0")
    assert turned.group_names == (">50K, female", ">50K, male", "<=50K, female", "<=50K, male")
    assert turned.train.groups.tolist() == [(group + 2) % 4 for group in data.train.groups.tolist()]
    assert described("adult@1000").title == "Adult (1,000 rows)"


@pytest.mark.data
def test_counts_are_the_published_ones(full_dataset):
    """32,561 and 16,281 rows, 7,841 and 3,846 of them above 50,000 dollars; of these 1,179 and 590 are women's."""
    data = full_dataset("adult")
    assert data.train.labels.bincount().tolist() == [24_720, 7_841]
    assert data.test.labels.bincount().tolist() == [12_435, 3_846]
    assert data.train.groups.bincount().tolist() == [9_592, 15_128, 1_179, 6_662]
    assert data.test.groups.bincount().tolist() == [4_831, 7_604, 590, 3_256]
    women = (
        data.train.inputs[:, FEATURES.index("sex=Female")].sum()
        + data.test.inputs[:, FEATURES.index("sex=Female")].sum()
    )
    assert women == 16_192
    numbers = data.train.inputs[:, :5].double()
    assert_close(numbers.mean(dim=0), torch.zeros(5).double(), rtol=0, atol=1e-5)
    assert_close(numbers.std(dim=0, correction=0), torch.ones(5).double(), rtol=0, atol=1e-5)


@pytest.mark.data
def test_missing_values_are_the_commonest_of_training(full_dataset):
    """The commonest stay so when the missing ones (1,836, 1,843 and 583 in training) are taken away again."""
    train = full_dataset("adult").train.inputs
    for (column, value), missing in zip(COMMONEST.items(), (1_836, 1_843, 583), strict=True):
        counts = {name: int(train[:, FEATURES.index(f"{column}={name}")].sum()) for name in CATEGORIES[column]}
        counts[value] -= missing
        assert max(counts, key=counts.get) == value
