"""Adult: does a person earn more than 50,000 dollars? Becker and Kohavi (1996), UCI Machine Learning Repository.

The md5 and sha256 of the two official files are those that several public projects pin, which agree.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from spurlab.data.download import download_file
from spurlab.data.errors import DamagedDataError
from spurlab.data.examples import Examples
from spurlab.data.files import check_sha256, opened
from spurlab.data.names import Column, Columns
from spurlab.data.official import FilesEntry, Layout, Read
from spurlab.data.tables import csv_rows, scale
from spurlab.errors import brief

HOSTS = ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",)
DIGITS = 9  # of a number at most; the largest is 99,999
MOST = 2**24  # bytes; the largest file has less than 6 MB
MD5 = {"adult.data": "5d7c39d7b8804f071cdd1f2a7c460872", "adult.test": "35238206dfdf7f1fe215bbb874adecdc"}

NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORIES = {  # in alphabetical order
    "workclass": (
        *("Federal-gov", "Local-gov", "Never-worked", "Private"),
        *("Self-emp-inc", "Self-emp-not-inc", "State-gov", "Without-pay"),
    ),
    "education": (
        *("10th", "11th", "12th", "1st-4th", "5th-6th", "7th-8th", "9th", "Assoc-acdm", "Assoc-voc", "Bachelors"),
        *("Doctorate", "HS-grad", "Masters", "Preschool", "Prof-school", "Some-college"),
    ),
    "marital-status": (
        *("Divorced", "Married-AF-spouse", "Married-civ-spouse", "Married-spouse-absent"),
        *("Never-married", "Separated", "Widowed"),
    ),
    "occupation": (
        *("Adm-clerical", "Armed-Forces", "Craft-repair", "Exec-managerial", "Farming-fishing", "Handlers-cleaners"),
        *("Machine-op-inspct", "Other-service", "Priv-house-serv", "Prof-specialty", "Protective-serv", "Sales"),
        *("Tech-support", "Transport-moving"),
    ),
    "relationship": ("Husband", "Not-in-family", "Other-relative", "Own-child", "Unmarried", "Wife"),
    "race": ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White"),
    "sex": ("Female", "Male"),
    "native-country": (
        *("Cambodia", "Canada", "China", "Columbia", "Cuba", "Dominican-Republic", "Ecuador", "El-Salvador", "England"),
        *("France", "Germany", "Greece", "Guatemala", "Haiti", "Holand-Netherlands", "Honduras", "Hong", "Hungary"),
        *("India", "Iran", "Ireland", "Italy", "Jamaica", "Japan", "Laos", "Mexico", "Nicaragua"),
        *("Outlying-US(Guam-USVI-etc)", "Peru", "Philippines", "Poland", "Portugal", "Puerto-Rico", "Scotland"),
        *("South", "Taiwan", "Thailand", "Trinadad&Tobago", "United-States", "Vietnam", "Yugoslavia"),
    ),
}
SALARIES, SEXES = ("<=50K", ">50K"), CATEGORIES["sex"]
COMMONEST = {"workclass": "Private", "occupation": "Prof-specialty", "native-country": "United-States"}  # in training
FEATURES = (*NUMBERS, *(f"{column}={value}" for column, values in CATEGORIES.items() for value in values))

OFFICIAL = (  # the columns of the official files; education-num numbers the values of education
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "salary"),
)
DERIVED = ("split", *(column for column in OFFICIAL[:-1] if column != "fnlwgt"), "complete_case", "salary")

Table = Mapping[str, Sequence[str]]  # the values of each column


@dataclass(frozen=True, kw_only=True)
class AdultFiles(Layout):
    """Files with the rows of a training and of a test part."""

    folder: str = "adult"

    @abstractmethod
    def tables(self, path: Path, text: str) -> Iterable[Table]:
        """The parts in a file."""

    def read(self, folder: Path, entry: FilesEntry) -> Read:
        contents = {path: _content(path) for path in self.paths(folder)}
        tables = [
            (path, table) for path, content in contents.items() for table in self.tables(path, _text(content, path))
        ]
        train, test, columns = _examples(tables, entry)
        for (path, content), expected in zip(contents.items(), self.sha256.values(), strict=True):
            check_sha256(path, expected, content)
        return Read(train, test, self.sha256, columns)


class OfficialFiles(AdultFiles):
    """The two files of the repository: no header, ``?`` for what is missing.

    The test file has a comment before its first row and a dot after each salary.
    """

    def tables(self, path: Path, text: str) -> Iterable[Table]:
        """One part in each file."""
        table = _table((line for line in text.splitlines() if line and not line.startswith("|")), OFFICIAL, path)
        return [{**table, "salary": [salary.removesuffix(".") for salary in table["salary"]]}]


@dataclass(frozen=True, kw_only=True)
class DerivedTable(AdultFiles):
    """One table of all rows, with a header: ``fnlwgt`` left out, missing values already the commonest."""

    suffixes: tuple[str, ...] = (".gz", "")

    def tables(self, path: Path, text: str) -> Iterable[Table]:
        """Both parts, by the first column."""
        header, *lines = text.splitlines() or [""]
        if header != ",".join(DERIVED):
            raise DamagedDataError(
                f"{path} has the wrong header: {brief(header, 200)}, where {','.join(DERIVED)!r} belongs."
            )
        parts = ("train,", "test,")
        return [_table((line for line in lines if line.startswith(part)), DERIVED, path) for part in parts]


def _content(path: Path) -> bytes:
    with opened(path) as stream:
        content = stream.read(MOST + 1)
    if len(content) > MOST:
        raise DamagedDataError(f"{path} goes on after its end: no file of Adult has more than {MOST:,} bytes.")
    return content


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is damaged: byte {error.start:,} is no ASCII text.") from error


def _table(lines: Iterable[str], columns: Sequence[str], path: Path) -> Table:
    rows = [row for _, row in csv_rows(lines, len(columns), path)]
    return dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(columns, ())


def _examples(tables: Sequence[tuple[Path, Table]], entry: FilesEntry) -> tuple[Examples, Examples, Columns]:
    """Numbers less their mean over the training rows, divided by their standard deviation there; then categories."""
    for (path, table), size in zip(tables, entry.sizes, strict=True):
        if (found := len(table["salary"])) != size:
            raise DamagedDataError(f"{path} holds {found:,} rows of a part of {entry.title} that has {size:,}.")
    numbers = [
        np.stack([_numbers(table[column], f"{path}, {column}") for column in NUMBERS], axis=1) for path, table in tables
    ]
    of_numbers = mean, sd, *_ = scale(numbers[0])
    train, test = (_part((part - mean) / sd, table, path) for part, (path, table) in zip(numbers, tables, strict=True))
    columns = [
        Column(name, mean=float(middle), sd=float(spread), low=float(low), high=float(high))
        for name, middle, spread, low, high in zip(NUMBERS, *of_numbers, strict=True)
    ]
    columns += [Column(name, values) for name, values in CATEGORIES.items()]
    return train, test, Columns(tuple(columns)).counted(train.inputs)


def _part(numbers: Float64[np.ndarray, "n _"], table: Table, path: Path) -> Examples:
    inputs = torch.zeros(len(numbers), len(FEATURES))
    inputs[:, : len(NUMBERS)] = torch.from_numpy(numbers)
    first = len(NUMBERS)
    for column, values in CATEGORIES.items():
        missing = COMMONEST.get(column)
        found = [missing if missing and value == "?" else value for value in table[column]]
        inputs[torch.arange(len(found)), first + _places(found, values, f"{path}, {column}")] = 1.0
        first += len(values)
    labels = _places(table["salary"], SALARIES, f"{path}, salary")
    return Examples(inputs, labels, labels * len(SEXES) + _places(table["sex"], SEXES, f"{path}, sex"))


def _numbers(column: Sequence[str], where: str) -> Float64[np.ndarray, " n"]:
    for i, value in enumerate(column):
        if not value.isdecimal() or len(value) > DIGITS:
            raise DamagedDataError(
                f"{where}: row {i:,} has {brief(value)}, which is no whole number from 0 to {10**DIGITS - 1:,}."
            )
    return np.array(column, dtype=np.float64)


def _places(column: Sequence[str], values: Sequence[str], where: str) -> torch.Tensor:
    """The place of each value among those that there are."""
    place = {value: i for i, value in enumerate(values)}
    for i, value in enumerate(column):
        if value not in place:
            known = ", ".join(values[:10]) + (" and others" if len(values) > 10 else "")
            raise DamagedDataError(f"{where}: row {i:,} has {brief(value)}; there are {known}.")
    return torch.tensor([place[value] for value in column], dtype=torch.int64)


def download(folder: Path) -> None:
    for file, md5 in MD5.items():
        download_file("adult", file, HOSTS, md5, folder)


OFFICIAL_SHA256 = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
DERIVED_SHA256 = {"adult.csv": "1e59618ed771432a4360b2c7d3fc36898f4d9274255993ecabba17d625c38ada"}

# Whoever has both layouts gets the same tensors from either. fnlwgt, a weight of the census, is no feature. Columns are
# taken as they are: no logarithm of the capital gains, and education stands beside its number.
ENTRY = FilesEntry(
    name="adult",
    title="Adult",
    licence="CC BY 4.0; to be cited as Becker and Kohavi, Adult, UCI Machine Learning Repository, 1996, "
    "doi 10.24432/C5XW20",
    origin="Barry Becker and Ronny Kohavi, from the US census of 1994: https://archive.ics.uci.edu/dataset/2/adult; "
    "missing values replaced by the commonest, numbers standardised, categories one-hot",
    class_names=SALARIES,
    shape=(len(FEATURES),),
    sizes=(32_561, 16_281),
    input_range=None,
    columns=True,
    group_names=tuple(f"{salary}, {sex.lower()}" for salary in SALARIES for sex in SEXES),
    layouts=(OfficialFiles(sha256=OFFICIAL_SHA256), DerivedTable(sha256=DERIVED_SHA256)),
    download=download,
)
