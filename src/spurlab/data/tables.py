"""Tables of one's own, CSV or Parquet: columns of numbers and categories, of labels and perhaps of groups."""

import csv
import hashlib
import io
import logging
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from spurlab.data.arrays import LICENCE, assembled, checked_share, class_order, set_aside
from spurlab.data.errors import DamagedDataError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.files import check_bytes, given_path, read_regular, told
from spurlab.data.names import Column, Columns
from spurlab.errors import brief, did_you_mean, one_line

_log = logging.getLogger(__name__)

NO_NUMBER = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"})  # a missing number, in any case
MANY_OF = 0.5  # of the rows, from so many different values on a column looks like an identifier
UNKNOWN = NO_NUMBER - {"", "none"}  # what looks like a missing value among categories
MISSING = "missing"  # the value of a category that is missing
MOST_VALUES = 1000  # of a category: more are names or free text, which one-hot numbers only learn by heart
DELIMITERS = ",;\t"
LARGEST = 1e30  # of numbers
MOST_CLASSES = 20  # of a label of numbers that are not whole: more are measurements
SHARE = 0.2  # of each class, set aside as test rows
LONG = 100_000  # characters of a value, from which on it may be the rest of a file
PARQUET = b"PAR1"  # how such files start

Numbers = Float64[np.ndarray, " n"]  # NaN where missing
Texts = list[str]  # "" where missing


def table(
    file: str | Path,
    *,
    label: str,
    group: str | None = None,
    test: float | str | Path = SHARE,
    without: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
) -> Dataset:
    """A dataset from a table with a header: CSV (separated by commas, semicolons or tabs) or Parquet.

    By name: ``load("table,label=income:people.csv")``, also with ``group=sex``, ``test=.2`` or ``test=later.csv``,
    ``without=id`` and ``categories=zip``, the last two as often as needed. Names of columns with commas or colons are
    for Python.

    A column is of numbers where all values of the training table are; its numbers are less their mean over the training
    rows, divided by their standard deviation there. A missing number (an empty cell, ``?``, ``NA``, ``NaN``, ``null``,
    ``None``) stands as the mean, so as 0, and is logged. All other columns are of categories: one number for each value
    that a training row has, in alphabetical order, 1 where a row has it; an empty cell is the value ``missing``, and
    ``?``, ``NA`` or ``NaN`` are values like others there, which is logged. A
    value that no training row has is 0 everywhere, and is logged. `Dataset.names` has the columns, `Dataset.features`
    says what each number of an input is.

    Args:
        file: the table.
        label: the column of classes. They are in alphabetical order, or by size where all are whole numbers.
        group: the column of an attribute; a group is a class with a value of it. It stays among the inputs unless
            `without` names it.
        test: the table of the test rows, or the share of each class to set aside, at least one row; always the same.
        without: a column or several that are no inputs.
        categories: a column or several of numbers that are names, such as postcodes.

    Returns:
        Inputs are float32 ``n d`` without bounds, in the order of the columns and rows. Sources are file and row as a
        spreadsheet counts them: the header of a CSV file is row 1. In a Parquet file the first row of values is row 1.
        The source has the sha256 of the ``table``, or of ``train`` and ``test``, whatever the files are called.

    Raises:
        DataRequestError: there is no such file or column, no rows, a label with one value or none, a class with a
            single row, more than 20 labels that are numbers but not whole, a test table with other columns or classes,
            a category of more than 1,000 values, numbers above 1e30, values that are neither numbers nor texts, or more
            bytes than may be taken (``$SPURLAB_MAX_BYTES``).
        DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is no table.

    >>> import tempfile
    >>> import pandas as pd
    >>> people = pd.DataFrame({"age": [30, 50] * 5, "city": ["Rome", "Oslo"] * 5, "income": ["high", "low"] * 5})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "people.csv"
    ...     people.to_csv(file, index=False)
    ...     data = table(file, label="income", test=0.4)
    >>> data.class_names, data.features, len(data.train), len(data.test)
    (('high', 'low'), ('(age - 40) / 10', 'city=Oslo', 'city=Rome'), 6, 4)
    >>> data.train.inputs[0].tolist()
    [-1.0, 0.0, 1.0]
    """
    without, categories = ([one] if isinstance(one, str) else one for one in (without, categories))
    sheet = Sheet.of(given_path(file), label, group, without)
    for name in (*categories, *without):
        sheet.check(name)
    kinds, class_names = _kinds(sheet, {label, *without}, categories), class_names_of(sheet, label)
    if isinstance(test, str | Path):
        other = Sheet.of(given_path(test), label, group, without)
        _check_alike(sheet, other, {*kinds, label, *([group] if group else [])})
        parts = _Part(sheet, np.arange(len(sheet))), _Part(other, np.arange(len(other)))
    else:
        other, aside = sheet, _aside(sheet, label, class_names, checked_share(test, "rows"))
        parts = _Part(sheet, np.flatnonzero(~aside)), _Part(sheet, np.flatnonzero(aside))
    inputs, names = _inputs(*parts, kinds)
    values = sorted({value or MISSING for one in (sheet, other) for value in one.texts(group)}) if group else []
    train, test_part = (
        part.examples(numbers, label, class_names, group, values) for part, numbers in zip(parts, inputs, strict=True)
    )
    sha256 = {"table": sheet.sha256} if other is sheet else {"train": sheet.sha256, "test": other.sha256}
    source = Source(LICENCE, f"a table; its column {label!r} has the classes", str(sheet.path), sha256)
    options = [f"label={label}", *([f"group={group}"] if group else []), *([] if test == SHARE else [f"test={test}"])]
    options += [*(f"without={name}" for name in without), *(f"categories={name}" for name in categories)]
    data = assembled(f"table,{','.join(options)}:{file}", train, test_part, class_names, source)
    groups = tuple(f"{name}, {value}" for name in class_names for value in values) if group else None
    return replace(data, input_range=None, group_names=groups, names=names)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table as it was read.

    Args:
        path: of the file.
        columns: the values of each, numbers where the file says so.
        rows: the number of each row in the file.
        sha256: of the file.
        typed: whether it says itself which columns have numbers.
    """

    path: Path
    columns: Mapping[str, Numbers | Texts]
    rows: Sequence[int]
    sha256: str
    typed: bool

    @classmethod
    def of(cls, path: Path, label: str, group: str | None, without: Sequence[str] | None) -> "Sheet":
        """The table in a file, with those columns at least; `without` None: with the values of no others."""
        content, digest = cls.content(path)
        typed = content.startswith(PARQUET)
        needed = {label, group or label}

        def unread(name: str) -> bool:
            return name not in needed and (without is None or name in without)

        columns, rows = _parquet(path, content, unread) if typed else _csv(path, content)
        sheet = cls(path, columns, rows, digest, typed)
        for name in (label, *([group] if group else [])):
            sheet.check(name)
        if not rows:
            raise DataRequestError(f"{path} has columns, but no rows. At least one row of each class is needed.")
        return sheet

    @staticmethod
    def content(path: Path) -> tuple[bytes, str]:
        """The bytes of a file, and their sha256."""
        with told(f"{path} cannot be read", "Check that it is a file that you may read."):
            try:
                content = read_regular(path)
            except FileNotFoundError:
                raise DataRequestError(
                    f"there is no file {path}. Correct the path; it starts at the current folder."
                ) from None
        return content, hashlib.sha256(content).hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def check(self, name: str) -> None:
        """Raises DataRequestError: there is no such column."""
        if name not in self.columns:
            raise DataRequestError(f"{self.path} has no column {name!r}. {did_you_mean(name, self.columns)}")

    def texts(self, name: str) -> Texts:
        """The values of a column as texts, "" where missing; whole numbers without a point."""
        column = self.columns[name]
        return column if isinstance(column, list) else [_text(value) for value in column.tolist()]

    def numbers(self, name: str) -> Numbers:
        """The values of a column as numbers, NaN where missing. Raises DataRequestError: one is none, or infinite."""
        column = self.columns[name]
        numbers = _numbers(column) if isinstance(column, list) else column
        if numbers is None:
            row = next(row for row, text in enumerate(column) if _numbers([str(text)]) is None)
        elif (far := np.abs(numbers) > LARGEST).any():  # infinite, or so large that squares are
            row = int(far.argmax())
        else:
            return numbers
        raise DataRequestError(
            f"{self.where(row)} has {brief(column[row])} in the column {name!r}, which is of numbers. Correct it, or "
            f"name the column as one of categories (categories={name})."
        )

    def where(self, row: int) -> str:
        """How a row is called in messages."""
        return f"{self.path}, row {self.rows[row]}"


def _text(value: float) -> str:
    return "" if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)


def csv_rows(
    lines: Iterable[str], columns: int, path: Path, first: int = 0, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The values of each row and its number, from `first` on; empty rows are passed over, but counted.

    Raises DamagedDataError: a row has another number of values than there are columns, or is none of CSV.
    """
    number = first - 1
    try:
        for number, row in enumerate(csv.reader(lines, skipinitialspace=True, delimiter=delimiter), first):
            if len(row) not in (0, columns):
                longest = max(map(len, row))
                open_quote = f" One has {longest:,} characters: is a quotation mark never closed?" * (longest > LONG)
                raise DamagedDataError(
                    f"{path}: row {number:,} has {len(row)} values, but there are {columns} columns.{open_quote}"
                )
            if row:
                yield number, row
    except csv.Error as error:
        raise DamagedDataError(f"{path}: row {number + 1:,} is damaged ({error}).") from error


_LIMIT = threading.Lock()


@contextmanager
def _values_up_to(length: int) -> Iterator[None]:
    """Meanwhile a value of CSV may be as long: Python's limit of 131,072 characters, which is the whole process's, is
    less than some documents have.
    """
    with _LIMIT:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, length))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _csv(path: Path, content: bytes) -> tuple[dict[str, Numbers | Texts], list[int]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path}: byte {error.start:,} is no text.", "Write it again in UTF-8.") from error
    lines = io.StringIO(text, newline="")
    with _values_up_to(len(text)):
        try:
            headers = {sign: next(csv.reader(io.StringIO(text, newline=""), delimiter=sign), []) for sign in DELIMITERS}
            delimiter = max(DELIMITERS, key=lambda sign: len(headers[sign]))  # of equal ones the first
            names = next(csv.reader(lines, skipinitialspace=True, delimiter=delimiter), [])
        except csv.Error as error:
            raise DamagedDataError(f"{path}: the header is damaged ({error}).") from error
        names = _checked_columns([name.strip() or f"column {place}" for place, name in enumerate(names, 1)], path)
        numbered = list(csv_rows(lines, len(names), path, 2, delimiter))
    columns = {name: [row[place].strip() for _, row in numbered] for place, name in enumerate(names)}
    return {**columns}, [number for number, _ in numbered]


def _parquet(path: Path, content: bytes, unread: Callable[[str], bool]) -> tuple[dict[str, Numbers | Texts], list[int]]:
    import pyarrow  # noqa: PLC0415  # slow to import
    from pyarrow import parquet, types  # noqa: PLC0415

    columns: dict[str, Numbers | Texts] = {}
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(content))
        about, names = file.metadata, _checked_columns(file.schema_arrow.names, path)
        sizes = (about.row_group(place).total_byte_size for place in range(about.num_row_groups))
        check_bytes(max(sum(sizes), 8 * about.num_rows * max(1, len(names))), f"the table {path}")
        for field in file.schema_arrow:
            if unread(field.name):
                columns[field.name] = []
                continue
            kind = field.type.value_type if types.is_dictionary(field.type) else field.type
            number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
            if not (number or types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind)):
                raise DataRequestError(
                    f"{path}: column {field.name!r} holds {kind}, which is neither numbers nor texts. Leave it out "
                    f"(without={field.name}), or write it as one of these."
                )
            values = file.read(columns=[field.name]).column(0).to_pylist()
            if number:
                columns[field.name] = np.array([math.nan if value is None else float(value) for value in values])
            else:
                columns[field.name] = ["" if value is None else str(value) for value in values]
        return columns, list(range(1, about.num_rows + 1))
    except (pyarrow.ArrowException, OSError) as error:
        raise DamagedDataError(
            f"{path} is no whole Parquet file ({one_line(str(error))}).", "Write it again."
        ) from error


def _checked_columns(names: list[str], path: Path) -> list[str]:
    if not names:
        raise DataRequestError(f"{path} is empty. A table has a header and rows.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataRequestError(f"{path} has the column {twice[0]!r} twice. Name its columns differently.")
    return names


def _check_alike(train: Sheet, test: Sheet, wanted: set[str]) -> None:
    """Raises DataRequestError: the tables have not the same columns, but for those that are not wanted."""
    for one, two in ((train, test), (test, train)):
        if lacking := [name for name in one.columns if name not in two.columns and (one is test or name in wanted)]:
            raise DataRequestError(
                f"{one.path} has the column {lacking[0]!r}, but {two.path} has not. Leave it out "
                f"(without={lacking[0]})."
            )


def class_names_of(sheet: Sheet, label: str) -> list[str]:
    """All values of the label, in alphabetical order, or by size where they are whole numbers.

    Raises:
        DataRequestError: one is missing, there is one alone, or they are measurements.
    """
    texts = sheet.texts(label)
    names = class_order(set(texts))
    if "" in names:
        raise DataRequestError(
            f"{sheet.where(texts.index(''))} has no value in the column {label!r}, whose values are the classes. Give "
            "one, or take the row out."
        )
    numbers = _numbers(names)
    if odd := [name for name in names if name.casefold() in NO_NUMBER]:
        row = texts.index(odd[0])
        if numbers is not None:  # all others are numbers, so that it stands for a missing one
            raise DataRequestError(
                f"{sheet.where(row)} has {odd[0]!r} in the column {label!r}, whose other classes are numbers. Give it "
                "a class, or take the row out."
            )
        _tell_of_odd(sheet, label, odd[0], texts.count(odd[0]), "a class like any other")
    if numbers is not None and len(names) > MOST_CLASSES and bool((numbers != np.floor(numbers)).any()):
        raise DataRequestError(
            f"{sheet.path}: the column {label!r} has {len(names):,} different numbers, e.g. {names[0]} and {names[1]}, "
            "but its values are to be classes. Write which class each row is of, e.g. 'high' and 'low'."
        )
    if len(names) < 2:
        raise DataRequestError(
            f"{sheet.path}: the column {label!r} has one value, {brief(names[0])}. A classifier needs two classes or "
            "more."
        )
    return names


def _kinds(sheet: Sheet, out: set[str], categories: Sequence[str]) -> dict[str, bool]:
    """For each column of inputs whether it has numbers."""
    kinds = {}
    for name, column in sheet.columns.items():
        if name not in out:
            numbers = column if isinstance(column, np.ndarray) else None if sheet.typed else _numbers(column)
            kinds[name] = numbers is not None and name not in categories
            texts = column if isinstance(column, list) and not kinds[name] else []
            _tell_of_categories(sheet, name, texts)
            with np.errstate(invalid="ignore"):  # infinite numbers are told of later
                counts = numbers is not None and len(numbers) > 2 and bool((np.diff(numbers) == 1).all())
            if counts:
                _log.warning(
                    "%s: the column %r only counts the rows. Is it an input? (without=%s)", sheet.path, name, name
                )
    if not kinds:
        raise DataRequestError(
            f"{sheet.path} has no column that could be an input, but only labels and what is left out."
        )
    return kinds


def _tell_of_odd(sheet: Sheet, name: str, value: str, count: int, what: str) -> None:
    """Log that a value looks like a missing one, and what it is taken for."""
    _log.warning("%s: %d rows have %r in the column %r, which is %s", sheet.path, count, value, name, what)


def _tell_of_categories(sheet: Sheet, name: str, texts: Texts) -> None:
    """Log what looks as if it were missing, a number or an identifier, and is taken for a category."""
    counts = Counter(texts)
    for odd in sorted(value for value in counts if value.casefold() in UNKNOWN):
        _tell_of_odd(sheet, name, odd, counts[odd], "a value like any other: an empty cell is missing")
    if len(counts) > MANY_OF * len(texts) and len(counts) > MOST_CLASSES:
        commas = all(re.fullmatch(r"[-+]?\d+,\d+", value) for value in counts if value.casefold() not in NO_NUMBER)
        _log.warning(
            "%s: the %d rows have %d different values in the column %r, each of which is a category. %s",
            *(sheet.path, len(texts), len(counts), name),
            "Are they numbers? Write a decimal point, not a comma." if commas else f"Is it an input? (without={name})",
        )


def _numbers(texts: Texts) -> Numbers | None:
    """Texts as numbers, or None where one is no number."""
    known: dict[str, float] = {}
    try:
        for text in texts:
            if text not in known:
                known[text] = math.nan if text.casefold() in NO_NUMBER else float(text.replace("_", "no number"))
    except ValueError:
        return None
    return np.array([known[text] for text in texts])


def _aside(sheet: Sheet, label: str, class_names: Sequence[str], share: float) -> Bool[np.ndarray, " n"]:
    """True for the test rows."""
    aside = np.zeros(len(sheet), bool)
    texts = np.array(sheet.texts(label))
    for name in class_names:
        rows = np.flatnonzero(texts == name)
        if len(rows) < 2:
            raise DataRequestError(
                f"{sheet.where(int(rows[0]))} alone is of the class {brief(name)}, and one row must be set aside for "
                "the test. Add rows, give a table of test rows, or name another column of labels."
            )
        aside[rows[sorted(set_aside(len(rows), share, "test rows", name))]] = True
    return aside


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of a table, for training or test."""

    sheet: Sheet
    rows: Int64[np.ndarray, " n"]

    def examples(
        self, inputs: Tensor, label: str, class_names: Sequence[str], group: str | None, values: Sequence[str]
    ) -> Examples:
        """The examples, with file and row of each; a group is label x A + attribute."""
        labels = self.places(label, class_names)
        groups = labels * len(values) + self.places(group, values) if group else None
        rows = self.sheet.rows
        sources = np.array([f"{self.sheet.path.name}, row {rows[row]}" for row in self.rows.tolist()])
        return Examples(inputs, labels, groups, sources)

    def places(self, name: str, values: Sequence[str]) -> Tensor:
        """The place of each row's class or attribute among all. Raises DataRequestError: it is not among them."""
        place = {value: i for i, value in enumerate(values)}
        found = self.texts(name, MISSING if MISSING in place else "")
        for row, value in zip(self.rows.tolist(), found, strict=True):
            if value not in place:
                raise DataRequestError(
                    f"{self.sheet.where(row)} has {brief(value)} in the column {name!r}, but the classes of the "
                    f"training rows are {', '.join(values[:10])}{' and others' if len(values) > 10 else ''}."
                )
        return torch.tensor([place[value] for value in found], dtype=torch.int64)

    def texts(self, name: str, missing: str = MISSING) -> Texts:
        """The values of a column."""
        texts = self.sheet.texts(name)
        return [texts[row] or missing for row in self.rows.tolist()]

    def numbers(self, name: str) -> Numbers:
        """The numbers of a column, NaN where missing; what is missing is logged."""
        numbers: Numbers = self.sheet.numbers(name)[self.rows]
        if count := int(np.isnan(numbers).sum()):
            _log.warning(
                "%s: %d of %d numbers of the column %r are missing, and stand as the mean of the training rows",
                *(self.sheet.path, count, len(numbers), name),
            )
        return numbers


def _inputs(train: _Part, test: _Part, kinds: Mapping[str, bool]) -> tuple[list[Float32[Tensor, "_ d"]], Columns]:
    """The inputs of both parts, and the columns that they are made of."""
    columns: list[tuple[Column, list[np.ndarray]]] = []  # numbers, or places with -1 for none
    for name, of_numbers in kinds.items():
        if of_numbers:
            columns.append(_standardised(name, train.numbers(name), test.numbers(name), train.sheet.path))
        else:
            columns.append(_one_hot(name, train, test))
    width = sum(len(column.features) for column, _ in columns)
    inputs = []
    for place, part in enumerate((train, test)):
        check_bytes(4 * len(part.rows) * width, f"the inputs of {part.sheet.path}")
        made = np.zeros((len(part.rows), width), np.float32)
        first = 0
        for column, values in columns:
            if column.values is None:
                made[:, first] = values[place]
            else:
                there = np.flatnonzero(values[place] >= 0)
                made[there, first + values[place][there]] = 1
            first += len(column.features)
        inputs.append(torch.from_numpy(made))
    return inputs, Columns(tuple(column for column, _ in columns)).counted(inputs[0])


def _standardised(
    name: str, train: Numbers, test: Float64[np.ndarray, " m"], path: Path
) -> tuple[Column, list[np.ndarray]]:
    known = train[~np.isnan(train)]
    if not len(known):
        raise DataRequestError(
            f"{path}: the column {name!r} is empty in the training rows. Leave it out (without={name})."
        )
    mean, sd, low, high = (float(number) for number in scale(known))
    if low == high:
        _log.warning("%s: all training rows have the same number in the column %r: it tells them nothing", path, name)
    column = Column(name, None, (), mean, sd, low, high)
    return column, [np.nan_to_num((part - mean) / sd) for part in (train, test)]


def scale(numbers: Float64[np.ndarray, "n *d"]) -> tuple[Float64[np.ndarray, "*d"], ...]:
    """Mean, standard deviation, least and largest of each column of numbers, none of which is missing.

    A column that is constant has its number as the mean, exactly, and 1 as the deviation: by rounding, a sum of equal
    decimals divided by their count is another number, and their deviation not quite 0.

    >>> [float(number) for number in scale(np.full(101, 2.7))]
    [2.7, 1.0, 2.7, 2.7]
    """
    low, high, sd = numbers.min(axis=0), numbers.max(axis=0), numbers.std(axis=0)
    constant = low == high
    mean = np.where(constant, low, numbers.mean(axis=0))
    return mean, np.where(constant | (sd == 0), 1.0, sd), np.asarray(low), np.asarray(high)


def _one_hot(name: str, train: _Part, test: _Part) -> tuple[Column, list[np.ndarray]]:
    values = sorted(set(train.texts(name)))
    if len(values) > MOST_VALUES:
        texts = train.texts(name)
        odd = next((row for row, text in enumerate(texts) if _numbers([text]) is None), 0)
        raise DataRequestError(
            f"{train.sheet.path}: the column {name!r} has {len(values):,} different values, e.g. {brief(texts[odd])} "
            f"in row {train.sheet.rows[train.rows[odd]]}; of categories {MOST_VALUES:,} can be. Leave it out "
            f"(without={name})."
        )
    if len(values) == 1:
        what = (train.sheet.path, values[0], name)
        _log.warning("%s: all training rows have %r in the column %r: it tells them nothing", *what)
    place = {value: i for i, value in enumerate(values)}
    places = [np.array([place.get(text, -1) for text in part.texts(name)]) for part in (train, test)]
    if count := int((places[1] < 0).sum()):
        _log.warning(
            "%s: %d of %d test rows have a value of the column %r that no training row has; their inputs have none",
            *(test.sheet.path, count, len(test.rows), name),
        )
    return Column(name, tuple(values)), places
