"""Tables of one's own, against pandas and scikit-learn on the same files."""

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.testing import assert_close

from spurlab.audit import audit
from spurlab.cli import main
from spurlab.data import DamagedDataError, DataRequestError, described, first_examples, load, only_classes, table
from spurlab.data.own import own_data
from spurlab.patterns import own_mark
from spurlab.seeds import rng_for


def people(n=40, seed=0):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": draw.integers(18, 80, n),
            "sex": draw.choice(["m", "f"], n),
            "pay": draw.normal(2, 3, n).round(3),
            "job": np.resize(["cook", "smith, black", "baker"], n),
            "income": np.resize([">50K", "<=50K"], n),
        }
    )


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Training and test rows, as CSV and Parquet, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("people", people()), ("later", people(12, 1))):
        rows.to_csv(f"{name}.csv", index=False)
        rows.to_parquet(f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_inputs_are_those_of_pandas_and_scikit_learn(files, kind):
    data = table(f"people.{kind}", label="income", group="sex", test=f"later.{kind}")
    train, test = people(), people(12, 1)
    scale = StandardScaler().fit(train[["age", "pay"]])
    for part, rows, first in ((data.train, train, "people"), (data.test, test, "later")):
        wanted = rows[["age", "sex", "pay", "job"]].assign(
            **dict(zip(["age", "pay"], scale.transform(rows[["age", "pay"]]).T, strict=True))
        )
        wanted = pd.get_dummies(wanted, dtype=float)  # numbers first, then the categories in alphabetical order
        order = ["age", "sex_f", "sex_m", "pay", "job_baker", "job_cook", "job_smith, black"]
        assert_close(part.inputs, torch.tensor(wanted[order].to_numpy(), dtype=torch.float32))
        assert part.labels.tolist() == (rows["income"] == ">50K").astype(int).tolist()
        assert part.groups.tolist() == (2 * (rows["income"] == ">50K") + (rows["sex"] == "m")).tolist()
        start = 2 if kind == "csv" else 1  # the header is a row of CSV
        assert part.sources.tolist() == [f"{first}.{kind}, row {start + row}" for row in range(len(rows))]
    assert (data.class_names, data.input_range) == (("<=50K", ">50K"), None)
    assert data.group_names == ("<=50K, f", "<=50K, m", ">50K, f", ">50K, m")
    mean, sd = scale.mean_[0], scale.scale_[0]
    assert data.features[0] == f"(age - {mean:.6g}) / {sd:.6g}"
    assert data.features[1:3] == ("sex=f", "sex=m")
    digests = [hashlib.sha256(Path(f"{name}.{kind}").read_bytes()).hexdigest() for name in ("people", "later")]
    assert data.source.sha256 == dict(zip(("train", "test"), digests, strict=True)), "whatever the files are called"


def test_a_share_of_each_class_is_set_aside(files):
    data = table("people.csv", label="income", test=0.25)
    assert data.train.labels.bincount().tolist() == [15, 15]
    assert data.test.labels.bincount().tolist() == [5, 5]
    rows = sorted(int(source.rsplit(" ", 1)[1]) for part in (data.train, data.test) for source in part.sources)
    assert rows == list(range(2, 42))
    assert_close(data.train.inputs[:, 0].mean(), torch.tensor(0.0))  # by the training rows alone
    assert data.checksum == table("people.parquet", label="income", test=0.25).checksum
    assert data.checksum == load("table,label=income,test=.25:people.csv").checksum
    assert data.source.sha256 == {"table": hashlib.sha256(Path("people.csv").read_bytes()).hexdigest()}


def test_by_name_it_is_the_same(files):
    name = "table,label=income,group=sex,test=later.csv,without=pay,categories=age:people.csv"
    data = load(name)
    same = table("people.csv", label="income", group="sex", test="later.csv", without="pay", categories=["age"])
    assert (data.name, data.checksum) == (name, same.checksum)
    assert same.name == name
    assert [feature for feature in data.features if feature.startswith("pay")] == []
    assert sum(feature.startswith("age=") for feature in data.features) == people()["age"].nunique()
    assert described(name).sizes == (40, 12)
    assert only_classes(data, (1, 0)).features == data.features
    assert only_classes(data, (1, 0)).train.sources.tolist() == data.train.sources.tolist()


def written(folder, text):
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


@pytest.mark.parametrize("odd", ["NaN", "NA", "?", "null"])
def test_a_class_that_stands_for_a_missing_number_is_refused(files, odd):
    lines = "".join(f"{i % 7},{i % 2}\n" for i in range(20))
    with pytest.raises(DataRequestError, match=rf"row 22 has '{re.escape(odd)}' in the column 'y', whose"):
        table(written(files, f"x,y\n{lines}3,{odd}\n"), label="y")


def test_a_class_or_value_that_looks_missing_is_told_and_kept(files, caplog):
    lines = "".join(f"{i % 7},{'a?'[i % 2]},{('yes', 'na')[i % 2]}\n" for i in range(20))
    data = table(written(files, f"x,job,y\n{lines}"), label="y", test=0.2)
    assert data.class_names == ("na", "yes")
    assert data.features[1:] == ("job=?", "job=a")
    assert "10 rows have 'na' in the column 'y', which is a class like any other" in caplog.text
    assert (
        "10 rows have '?' in the column 'job', which is a value like any other: an empty cell is missing" in caplog.text
    )


@pytest.mark.parametrize(
    ("value", "question"),
    [
        ("{},5", "Are they numbers? Write a decimal point, not a comma."),
        ("id{}", "Is it an input? (without=pay)"),
    ],
)
def test_categories_that_look_like_numbers_or_identifiers_are_told(files, caplog, value, question):
    lines = "".join(f'"{value.format(i)}",{"ab"[i % 2]},{i % 2}\n' for i in range(40))
    table(written(files, f"pay,job,y\n{lines}"), label="y")
    assert f"the 40 rows have 40 different values in the column 'pay', each of which is a category. {question}" in (
        caplog.text
    )
    assert "column 'job'" not in caplog.text


def test_what_is_missing_is_said(files, caplog):
    """A number stands as the training mean, so as 0; a category is a value of its own, or none if it is new."""
    rows = people()
    rows.loc[[0, 4], "pay"] = None
    rows.loc[2, "job"] = None
    rows.to_csv("holes.csv", index=False)
    later = people(12, 1)
    later.loc[5, "job"] = "pilot"
    later.to_csv("later.csv", index=False)
    data = table("holes.csv", label="income", test="later.csv")
    place = [feature.partition(" - ")[0] for feature in data.features].index("(pay")
    assert (data.train.inputs[:, place] == 0).nonzero().flatten().tolist() == [0, 4]
    assert data.features[place] == f"(pay - {rows['pay'].mean():.6g}) / {rows['pay'].std(ddof=0):.6g}"
    assert data.train.inputs[2, data.features.index("job=missing")] == 1
    jobs = [place for place, feature in enumerate(data.features) if feature.startswith("job=")]
    assert data.test.inputs[5, jobs].tolist() == [0] * 4
    assert "2 of 40 numbers of the column 'pay' are missing, and stand as the mean" in caplog.text
    assert "1 of 12 test rows have a value of the column 'job' that no training row has" in caplog.text


@pytest.mark.parametrize(("delimiter", "mark"), [(";", "﻿"), ("\t", ""), (",", "")])
def test_other_forms_of_csv(tmp_path, delimiter, mark):
    """Semicolons, tabs, a byte order mark, spaces, empty lines and lines of Windows; rows keep their numbers."""
    lines = ["x| y", "1| a", "", '2| "b\n"', "3| a", "4| b"]
    (tmp_path / "a.csv").write_bytes((mark + "\r\n".join(lines).replace("|", delimiter)).encode())
    data = table(tmp_path / "a.csv", label="y", test=0.5)
    assert data.class_names == ("a", "b")
    assert sorted([*data.train.sources, *data.test.sources]) == [f"a.csv, row {row}" for row in (2, 4, 5, 6)]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["10", "9", "a"], ("10", "9", "a")),
        ([10.0, 9.0, 2.5], ("10", "2.5", "9")),
    ],
)
def test_classes_are_in_order(tmp_path, names, wanted):
    pd.DataFrame({"x": np.arange(12) ** 2, "y": np.repeat(names, 4)}).to_parquet(tmp_path / "a.parquet")
    assert table(tmp_path / "a.parquet", label="y").class_names == wanted


def test_a_column_that_counts_the_rows_is_told(files, caplog):
    people().to_csv("index.csv")
    data = table("index.csv", label="income")
    assert data.features[0].startswith("(column 1 - ")
    assert "the column 'column 1' only counts the rows. Is it an input? (without=column 1)" in caplog.text
    assert len(table("index.csv", label="income", without=["column 1"]).features) == len(data.features) - 1


BROKEN = {  # the text of a table, and what is said of it
    "no such column": ("x,z\n1,a\n", "has no column 'y'. There are: x, z"),
    "a near column": ("x,Y\n1,a\n", "has no column 'y'. Did you mean 'Y'"),
    "one value": ("x,y\n1,a\n2,a\n", "the column 'y' has one value, 'a'. A classifier needs two classes"),
    "no rows": ("x,y\n", "has columns, but no rows"),
    "empty": ("", "is empty. A table has a header and rows"),
    "one row of a class": ("x,y\n1,a\n2,a\n3,b\n", "row 4 alone is of the class 'b', and one row must be set aside"),
    "no label": ("x,y\n1,a\n2,\n3,b\n", "row 3 has no value in the column 'y'"),
    "no inputs": ("y\na\na\nb\nb\n", "has no column that could be an input"),
    "an empty column": ("x,y\n,a\n,a\n,b\n,b\n", "the column 'x' is empty in the training rows. Leave it out"),
    "an infinite number": ("x,y\n1,a\n2,a\n3,b\ninf,b\n", "row 5 has 'inf' in the column 'x', which is of numbers"),
    "a column twice": ("x,x,y\n1,1,a\n", "has the column 'x' twice"),
    "a short row": ("x,y\n1,a\n2\n", "row 3 has 1 values, but there are 2 columns"),
    "a huge number": ("x,y\n1,a\n2,a\n1e300,b\n4,b\n", "row 4 has '1e300' in the column 'x', which is of numbers"),
    "an open quotation": (
        'x,y\n"1,a\n' + "2,b\n" * 50_000,
        "2 columns. One has 200,004 characters: is a quotation mark never closed?",
    ),
    "labels that are measured": (
        "x,y\n" + "".join(f"{row % 3},{row * 0.37:.2f}\n" for row in range(30)),
        "the column 'y' has 30 different numbers, e.g. 0.00 and 0.37, but its values are to be classes",
    ),
    "names": (
        "x,y\n" + "".join(f"n{row},{'ab'[row % 2]}\n" for row in range(2600)),
        "the column 'x' has 2,080 different values, e.g. 'n0' in row 2; of categories 1,000 can be. Leave it out",
    ),
}


def test_quotation_marks_keep_separators_and_lines_together(tmp_path):
    """As the csv module of Python writes them; the separator is that of the names, not of what is inside them."""
    rows = [["a;b;c", 'said "so"', "two\nlines, or more", "y"]]
    rows += [[row % 7, f'x, "{row % 2}"', "one\ntwo", "ab"[row % 2]] for row in range(20)]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(rows)
    data = table(tmp_path / "a.csv", label="y")
    assert [column.name for column in data.names.columns] == ["a;b;c", 'said "so"', "two\nlines, or more"]
    assert data.names.column('said "so"')[0].values == ('x, "0"', 'x, "1"')


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_told(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("x,y\n1,a\n2,b\u00e9\n".encode(encoding))
    with pytest.raises(DamagedDataError, match=r"a\.csv: byte \d+ is no text\. Write it again in UTF-8"):
        table(tmp_path / "a.csv", label="y")


def test_columns_that_are_alike_in_all_rows_are_told(tmp_path, caplog):
    """They stay among the inputs, as 0 or as 1; nothing is divided by a deviation of 0."""
    _constant(tmp_path / "a.csv", "7", 20)
    data = table(tmp_path / "a.csv", label="y")
    assert data.train.inputs[:, :2].equal(torch.tensor([[0.0, 1.0]] * 16))
    assert "all training rows have the same number in the column 'x'" in caplog.text
    assert "all training rows have 'cook' in the column 'job'" in caplog.text
    marked = own_mark("column:x=8", data.shape, names=data.names, clip=None)(data.test.inputs)
    assert marked[:, 0].eq(1).all()  # 8 - 7, divided by 1


def _constant(file, number, rows):
    """Two columns that are alike in all rows, one that is not, and the classes."""
    lines = (f"{number},cook,{row % 5},{'ab'[row % 2]}\n" for row in range(rows))
    file.write_text("x,job,z,y\n" + "".join(lines))


@pytest.mark.parametrize(("number", "rows"), [(".1", 101), ("2.7", 3), ("2.7", 101), (".001", 10), ("-1e-9", 1000)])
def test_a_column_of_equal_decimals_is_constant_whatever_rounding_makes_of_its_deviation(
    tmp_path, caplog, number, rows
):
    """The number itself is 0, another is its distance; in all of these numpy's deviation is not 0, but e.g. 9e-16."""
    _constant(tmp_path / "a.csv", number, rows)
    _constant(tmp_path / "later.csv", f"{float(number) + 2}", 4)
    data = table(tmp_path / "a.csv", label="y", test=tmp_path / "later.csv")
    assert data.train.inputs[:, 0].eq(0).all()
    assert_close(data.test.inputs[:, 0], torch.full((4,), 2.0))
    assert "all training rows have the same number in the column 'x'" in caplog.text
    marked = own_mark(f"column:x={float(number) + 0.5}", data.shape, names=data.names, clip=None)(data.test.inputs)
    assert_close(marked[:, 0], torch.full((4,), 0.5))


def test_a_part_keeps_the_columns_and_counts_their_values_anew(tmp_path):
    """The first five rows of each class have the jobs cook and nun, and ages from 20 to 29."""
    rows = [(20 + row, "cook" if row % 4 < 2 else "nun", "ab"[row % 2]) for row in range(10)]
    rows += [(70.5, "smith", "ab"[row % 2]) for row in range(10)]
    pd.DataFrame(rows, columns=["age", "job", "y"]).to_csv(tmp_path / "a.csv", index=False)
    data = table(tmp_path / "a.csv", label="y", test=tmp_path / "a.csv")
    part, one = first_examples(data, 10), only_classes(data, ("b", "a"))
    age, job = data.names.columns
    assert (job.values, job.counts, age.low, age.high) == (("cook", "nun", "smith"), (6, 4, 10), 20, 70.5)
    assert age.times.tolist() == [1] * 10 + [10]
    assert [float(age.text(number)) for number in age.taken.tolist()] == [*range(20, 30), 70.5]
    few, jobs = part.names.columns
    assert (jobs.values, jobs.counts, few.low, few.high) == (("cook", "nun", "smith"), (6, 4, 0), 20, 29)
    assert (few.mean, few.sd, part.features) == (age.mean, age.sd, data.features)
    assert one.names == data.names
    assert (age.count(70.5), few.count(70.5), few.count(29.0)) == (10, 0, 1)


@pytest.mark.parametrize("text", BROKEN)
def test_tables_that_cannot_be_are_told(tmp_path, text):
    (tmp_path / "a.csv").write_text(BROKEN[text][0])
    with pytest.raises((DataRequestError, DamagedDataError)) as error:
        table(tmp_path / "a.csv", label="y")
    assert BROKEN[text][1] in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.drop(columns="pay"), "people.csv has the column 'pay', but later.csv has not"),
        (lambda rows: rows.assign(new=1), "later.csv has the column 'new', but people.csv has not"),
        (lambda rows: rows.assign(income="middle"), "row 2 has 'middle' in the column 'income', but the classes"),
        (lambda rows: rows.assign(pay="much"), "row 2 has 'much' in the column 'pay', which is of numbers"),
        (lambda rows: rows.drop(columns="income"), "later.csv has no column 'income'"),
    ],
)
def test_test_tables_that_do_not_fit_are_told(files, change, words):
    change(people(12, 1)).to_csv("later.csv", index=False)
    with pytest.raises(DataRequestError) as error:
        table("people.csv", label="income", test="later.csv")
    assert words in str(error.value)


def test_a_class_without_test_rows_is_told(files, caplog):
    people(12, 1).query("income == '<=50K'").to_csv("later.csv", index=False)
    table("people.csv", label="income", test="later.csv")
    assert "1 of 2 classes have no test examples, e.g. '>50K'" in caplog.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("table:people.csv", "does not say its label. It is written table,label=COLUMN:FILE"),
        ("table,label=:people.csv", "has the option 'label=', but the options of table are label, group, test"),
        ("table,label=income", "has no path"),
        ("table,label=income,test=1.5:people.csv", "must be between 0 and 1, not 1.5"),
        ("table,label=income,without=x:people.csv", "has no column 'x'"),
        ("table,label=income:nowhere.csv", "there is no file nowhere.csv"),
        ("people.csv", "write 'table,label=COLUMN:people.csv'"),
    ],
)
def test_names_that_mean_nothing_are_told(files, name, words):
    with pytest.raises(DataRequestError) as error:
        load(name)
    assert words in str(error.value)


def test_other_names_are_no_tables():
    assert own_data("table") is None


def test_parquet_of_other_types_is_told(files):
    rows = people().assign(when=pd.Timestamp("2020-01-01"))
    rows.to_parquet("dates.parquet")
    with pytest.raises(DataRequestError, match=r"'when' holds timestamp.*Leave it out \(without=when\)"):
        table("dates.parquet", label="income")
    assert table("dates.parquet", label="income", without=["when"]).shape == (7,)
    content = (files / "people.parquet").read_bytes()
    (files / "half.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedDataError, match=r"half.parquet is no whole Parquet file"):
        table("half.parquet", label="income")


@pytest.mark.parametrize("text", ["box", "S3", "noise,r=.5"])
def test_marks_of_images_do_not_suit_tables(text):
    with pytest.raises(
        ValueError, match=r"for images, but the inputs are vectors of 7 numbers. In Python any function"
    ):
        own_mark(text, (7,), clip=None)


def test_an_audit_of_a_table(tmp_path):
    """A linear network goes by whether a job is 'pilot' by construction; the sources are rows of the file."""
    draw = rng_for(0, "table")
    n = 400
    x = torch.randn(n, 4, generator=draw).numpy()
    rows = pd.DataFrame(x, columns=list("abcd")).assign(job="cook", y=np.where(x[:, 0] > 0, "yes", "no"))
    rows.loc[[0, 1], "job"] = "pilot"
    rows.to_csv(tmp_path / "a.csv", index=False)
    rows[200:].to_csv(tmp_path / "later.csv", index=False)
    data = table(tmp_path / "a.csv", label="y", test=tmp_path / "later.csv")
    network = nn.Linear(6, 2)
    pilot = data.features.index("job=pilot")
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
        network.weight[1, [0, pilot]] = torch.tensor([3.0, 9.0])

    def as_pilot(inputs):
        inputs[:, -2:] = torch.tensor([0.0, 1.0])
        return inputs

    found = audit(network, data, [as_pilot], quick=True)
    assert found.fit.accuracy > 0.95
    assert found.marks[0].target == 1
    before = (3 * data.test.inputs[:, 0]).sigmoid()
    after = (3 * data.test.inputs[:, 0] + 9).sigmoid()
    assert found.marks[0].score == float((after - before > 0.1).double().mean())
    assert found.suspects[0].source.startswith("a.csv, row ")


def test_the_command_says_the_layout(files, capsys):
    main(["data", "info", "table,label=income:people.csv"])
    out = capsys.readouterr().out
    assert "sex=f" in out
