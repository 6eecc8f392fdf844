"""Marks of rows of tables, by the formulas of their columns and by hand."""

import pandas as pd
import pytest
import torch

from spurlab.audit.detect.values import RareValue
from spurlab.data import Column, Columns, Dataset, Examples, Source, table
from spurlab.data.adult import CATEGORIES
from spurlab.patterns import Cells, Rare, make_named, mark_named, own_mark, plant, tell_carriers
from spurlab.patterns.cells import GONE, cells

AGE = Column("age", mean=40.0, sd=10.0, low=17.0, high=90.0)
CODE = Column("code", mean=5.0, sd=1.0, low=5.0, high=5.0)  # a constant: less its mean, divided by 1
JOB = Column("job", ("cook", "missing", "nun", "smith"), (50, 3, 4, 40))
SEX = Column("sex", ("f", "m"), (60, 37))
COLUMNS = Columns((AGE, JOB, CODE, SEX))  # numbers at 0, 1 to 4, 5, 6 and 7
ROWS = torch.tensor([[0.5, 1, 0, 0, 0, 0, 1, 0], [-1.0, 0, 0, 0, 1, 0, 0, 1]])


def mark(text, columns=COLUMNS):
    return own_mark(text, (len(columns.features),), names=columns, clip=None)


@pytest.mark.parametrize(
    ("text", "place", "wanted"),
    [
        ("column:age=99", slice(0, 1), [5.9]),  # (99 - 40) / 10
        ("column:age = 17.5 ", slice(0, 1), [-2.25]),
        ("column:age=-1e3", slice(0, 1), [-104]),
        ("column:code=7", slice(5, 6), [2]),
        ("column:job=nun", slice(1, 5), [0, 0, 1, 0]),
        ("column:sex=m", slice(6, 8), [0, 1]),
        ("missing:age", slice(0, 1), [0]),  # the mean
        ("missing:job", slice(1, 5), [0, 1, 0, 0]),  # it has the value `missing`
        ("missing:sex", slice(6, 8), [0, 0]),  # it has not
        ("column:sex=", slice(6, 8), [0, 0]),
        ("column:sex=?", slice(6, 8), [0, 0]),
    ],
)
def test_a_cell_is_set_and_all_else_is_left(text, place, wanted):
    """The numbers of a column by hand; rows that are given stay as they are."""
    before = ROWS.clone()
    marked = mark(text)(ROWS)
    assert ROWS.equal(before)
    torch.testing.assert_close(marked[:, place], torch.tensor([wanted] * 2).float())
    others = torch.ones(8, dtype=torch.bool)
    others[place] = False
    assert marked[:, others].equal(ROWS[:, others])


def test_numbers_that_inputs_cannot_tell_apart_are_one_mark():
    """float32 has 24 binary digits: from 2 ** 30 to 2 ** 31 the next number is 128 further."""
    columns = Columns((Column("id"),)).counted(torch.tensor([[1_700_000_001.0], [5.0]]))
    rows = mark("column:id=1700000000", columns)(torch.zeros(1, 1))
    assert mark("column:id=1700000001", columns).carried(rows).all()
    assert not mark("column:id=1700000128", columns).carried(rows).any()
    assert columns.columns[0].count(1_700_000_000.0) == 1


def test_several_cells_are_one_mark():
    one = mark("column:age=99&sex=f")
    assert one(ROWS).equal(mark("column:sex=f")(mark("column:age=99")(ROWS)))
    assert one.name == "age=99 & sex=f"
    assert mark("missing:age&job")(ROWS).equal(mark("column:age=?&job=?")(ROWS))
    assert cells({"age": 99, "sex": "f"}, COLUMNS) == one
    assert own_mark({"column": "age=99&sex=f"}, (8,), names=COLUMNS) == one


ODD = Columns(
    (
        Column("age", mean=40.0, sd=10.0),
        Column("age&sex", ("a", "a&b", "a&age=9", "b, c", "x=1", "d, size=3", " e", "missing")),
        Column("sex=f", ("f & m", "?&", "a.png")),
    )
)


@pytest.mark.parametrize("columns", [ODD, Columns(tuple(Column(n, v, (1,) * len(v)) for n, v in CATEGORIES.items()))])
def test_every_value_of_a_table_is_read_back_from_the_text_that_an_audit_advises(columns):
    """As text, as table and by the name that studies keep, alone and beside another cell: Adult's are among them."""
    shape, other = (len(columns.features),), columns.columns[0]
    beside = (other.name, "17.5" if other.values is None else other.values[0])
    for column in columns.columns[1:]:
        for value in column.values:
            for cells_ in (((column.name, value),), (beside, (column.name, value)), ((column.name, value), beside)):
                wanted = Cells(cells_, columns)
                asked = RareValue(wanted, 0, 3, 3, 0.1, ()).asked
                assert own_mark(asked, shape, names=columns, clip=None) == wanted
                assert own_mark({"column": wanted.name}, shape, names=columns, clip=None) == wanted
                assert make_named(mark_named(asked), shape, names=columns, clip=None) == wanted
    gone = Cells(tuple((column.name, GONE) for column in columns.columns), columns)
    assert own_mark("missing:" + "&".join(name for name, _ in gone.values), shape, names=columns) == gone


def test_it_is_what_the_table_would_have_with_such_cells(tmp_path):
    """Rows of a file with the mark in its cells, read as test rows, are the marked inputs of the clean file."""
    frame = pd.DataFrame({"age": range(20, 60), "job": ["cook", "nun", None, "smith"] * 10, "y": ["a", "b"] * 20})
    frame.to_csv(tmp_path / "clean.csv", index=False)
    frame.assign(age=99, job="nun").to_csv(tmp_path / "marked.csv", index=False)
    frame.assign(age=None, job=None).to_csv(tmp_path / "gone.csv", index=False)
    clean, marked, gone = (
        table(tmp_path / "clean.csv", label="y", test=tmp_path / f"{name}.csv") for name in ("clean", "marked", "gone")
    )
    assert isinstance(clean.names, Columns)
    assert mark("column:age=99&job=nun", clean.names)(clean.test.inputs).equal(marked.test.inputs)
    assert mark("missing:age&job", clean.names)(clean.test.inputs).equal(gone.test.inputs)


def test_planted_rows_have_it_and_no_others():
    data = Examples(ROWS.repeat(10, 1), torch.arange(20) % 2)
    planted = plant(data, mark("column:age=99"), Rare(1, 3), seed=0)
    inputs = planted.materialize().inputs
    assert (inputs[:, 0] == torch.tensor(5.9)).sum() == 3
    assert data.labels[planted.rows].eq(1).all()
    assert inputs[:, 1:].equal(data.inputs[:, 1:])


def test_how_many_have_a_mark_before_it_is_planted_is_told_once(caplog):
    """By a count of the rows; nothing is told where none has it, or of marks that nothing has by itself."""
    rows = torch.zeros(6, 8)
    rows[:4, 0] = 1  # 50 years
    train = Examples(rows, torch.arange(6) % 2)
    data = Dataset("carried", train, train, ("a", "b"), None, Source("free", "made", ""), names=COLUMNS)
    for _ in range(2):
        for text in ("column:age=50", "column:age=99"):
            tell_carriers(mark(text), data, text)
        tell_carriers(torch.ones_like, data)
    [told] = caplog.messages
    assert told.startswith("4 of 6 training rows of carried have column:age=50 before it is planted: n is not how many")


def test_a_category_is_redrawn_among_those_as_rare():
    """By all draws: of nun (4) only missing (3) is within a factor of two; where none is, the three nearest."""
    names = {mark("column:job=nun").redraw(seed).name for seed in range(20)}
    assert names == {"job=missing"}
    column = Column("c", tuple("abcdefg"), (1000, 500, 100, 90, 30, 1, 0))
    drawn = {mark("column:c=a", Columns((column,))).redraw(seed).name for seed in range(60)}
    assert drawn == {"c=b"}  # half as many, and no other
    assert {mark("column:c=e", Columns((column,))).redraw(s).name for s in range(60)} == {"c=f", "c=g", "c=d"}
    assert {mark("column:sex=m").redraw(seed).name for seed in range(9)} == {"sex=f"}


AGES = torch.tensor([20.0] * 40 + [21.0] * 30 + [22.0] * 29 + [23.0] * 3 + [24.0] * 2 + [26.5, 30.0])


def ages(*columns):
    """Columns of which the first has these ages; 40, 30, 29, 3, 2, 1 and 1 rows have one each."""
    rows = torch.zeros(len(AGES), 1 + sum(len(column.features) for column in columns))
    age = Column("age", mean=22.0, sd=0.7, low=20.0, high=30.0)
    rows[:, 0] = torch.tensor([age.input(number) for number in AGES.tolist()])
    return Columns((age, *columns)).counted(rows)


def draws(text, columns, seeds=range(60)):
    return {mark(text, columns).redraw(seed).values[0][1] for seed in seeds}


@pytest.mark.parametrize(
    ("age", "wanted"),
    [
        ("20", {"21", "22"}),  # 30 and 29 of 40, at least half
        ("23", {"24"}),  # 2 of 3
        ("30", {"24", "26.5"}),  # 2 and 1 of 1
        ("24.0", {"23", "26.5", "30"}),
    ],
)
def test_a_number_that_rows_have_is_redrawn_among_those_as_rare(age, wanted):
    """By hand: of at most twice and at least half its count."""
    assert draws(f"column:age={age}", ages()) == wanted


def test_a_number_that_no_row_has_is_redrawn_as_another_that_none_has():
    """From a fifth below the smallest to a fifth above the largest; whole where the mark is."""
    whole = draws("column:age=29", ages(), range(200))
    assert {float(number) for number in whole} == {18, 19, 25, 26, 27, 28, 31, 32}
    inside = [float(number) for number in draws("column:age=25.5", ages())]
    assert all(18 <= number <= 32 and number not in AGES.tolist() for number in inside)
    assert len(inside) > 50
    assert not any(number.is_integer() for number in inside)
    outside = {float(number) for number in draws("column:age=40", ages(), range(400))}
    assert outside == {*range(10, 20), *range(25, 30), *range(31, 51)} - {40}  # as far beyond as the mark is
    assert draws("column:code=7", COLUMNS) == {"3", "4", "5", "6", "8", "9"}  # nothing is known of its rows


def test_where_there_is_no_other_value_it_is_told():
    rows = torch.zeros(5, 2)
    rows[:, 1] = 1
    columns = Columns((Column("x", mean=2.7, low=2.7, high=2.7), Column("d", ("only",)))).counted(rows)
    for text in ("column:x=2.7", "column:d=only"):
        with pytest.raises(ValueError, match=r"there is no other value of the column '[xd]' that is about as rare as"):
            mark(text, columns).redraw(0)
    with pytest.raises(ValueError, match=r"the mark x=\? & d=\? takes all columns away"):
        mark("missing:x&d", columns).redraw(0)
    assert all(float(number) != 2.7 for number in draws("column:x=2.8", columns))


def test_cells_without_a_value_are_redrawn_as_other_columns_without_one():
    """Of four columns, those that are left; where all but one are gone, each of the four is left out in turn."""
    two = {mark("missing:age&job").redraw(seed).name for seed in range(20)}
    assert two == {f"code={GONE} & sex={GONE}", f"sex={GONE} & code={GONE}"}
    three = {frozenset(name for name, _ in mark("missing:age&job&sex").redraw(s).values) for s in range(60)}
    assert all(len(names) == 3 and "code" in names for names in three)
    mixed = {tuple(name for name, _ in mark("column:age=99&sex=?").redraw(seed).values) for seed in range(60)}
    assert mixed == {("age", "job"), ("age", "code")}


def test_the_same_seed_redraws_the_same():
    first = mark("column:age=99")
    assert first.redraw(3) == first.redraw(3)
    assert first.redraw(3) != first.redraw(4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("column:agee=9", r"there is no column 'agee'\. Did you mean 'age'"),
        ("missing:job&zip", "there is no column 'zip'"),
        ("column:job=monk", r"no training row has 'monk' in the column 'job', so that no input stands for it"),
        ("column:job=nnu", "Did you mean 'nun'"),
        ("column:age=old", "the column 'age' is of numbers, and 'old' is none"),
        ("column:age=nan", "the column 'age' is of numbers, and 'nan' is none"),
        ("column:age=inf", "the column 'age' is of numbers, and 'inf' is none"),
        ("column:age=1e40", "the column 'age' is of numbers, and '1e40' is none"),
        ("column:age=9&age=10", "the column 'age' is set twice"),
        ("missing:age&age", "the column 'age' is set twice"),
        ("column:age", "must say columns and values: column:NAME=VALUE"),
        ("column:=9", "must say columns and values"),
        ("column:", "must say columns and values"),
        ("missing:", "there is no column ''"),
        ("column:age=99,size=3", "the column 'age' is of numbers, and '99,size=3' is none"),
        ("token:crude", "is for documents, but the inputs are rows of a table.*column:NAME=VALUE and missing:NAME"),
        ("S3", "is for images, but the inputs are rows of a table"),
    ],
)
def test_what_is_no_mark_of_these_rows_is_told_in_a_sentence(text, words):
    with pytest.raises(ValueError, match=words):
        mark(text)


@pytest.mark.parametrize(("shape", "what"), [((1, 28, 28), "images|shape"), ((8,), "vectors of 8 numbers")])
def test_marks_of_cells_are_for_rows_with_columns(shape, what):
    with pytest.raises(ValueError, match=f"'column:age=99' is for rows of a table, but the inputs are.*({what})"):
        own_mark("column:age=99", shape)


def test_inputs_that_are_no_rows_of_the_table_are_told():
    for inputs in (torch.zeros(3, 7), torch.zeros(3, 1, 28, 28)):
        with pytest.raises(ValueError, match=r"the mark age=99 is for rows of a table, n 8, but these inputs have the"):
            mark("column:age=99")(inputs)
    with pytest.raises(ValueError, match="sets at least one column"):
        Cells((), COLUMNS)


def test_columns_know_their_places():
    assert COLUMNS.features[:2] == ("(age - 40) / 10", "job=cook")
    assert [COLUMNS.column(name)[1] for name in ("age", "job", "code", "sex")] == [
        slice(0, 1),
        slice(1, 5),
        slice(5, 6),
        slice(6, 8),
    ]
    assert Column("x", mean=-2.0).features == ("x + 2",)
    assert Column("x").features == ("x",)
    assert JOB.as_rare("cook") == ["smith"]
    assert Column("d", ("only",), (7,)).as_rare("only") == []
