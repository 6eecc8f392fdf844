"""Every mark of the table is examined alike, and a new one is found by its line alone."""

from dataclasses import dataclass

import pytest
import torch

from spurlab.data import Examples
from spurlab.patterns import (
    MARKS,
    REFERENCE_PATTERNS,
    ClassBlocks,
    Common,
    Family,
    Mark,
    Offset,
    Pattern,
    Rare,
    Sine,
    make_pattern,
    mark_names,
    marked,
    marked_rows,
    pattern_name,
    plant,
)
from spurlab.patterns.image import Box
from spurlab.patterns.table import Entry
from spurlab.seeds import rng_for
from spurlab.studies import StudyError, load_study

SHAPES = {1: (40,), 3: (3, 28, 28)}  # by the number of axes
PAPER = ["S1", "S2", "S3", "R1", "R2", "R3", "Co"]
SOME = torch.tensor([7, 0, 12, 3])


def suited(name):
    """Twenty inputs of ten classes that the mark fits: dim ones, so that a mark of 1 shows in full."""
    shape = SHAPES[MARKS[name].template.axes]
    return Examples(torch.rand(20, *shape, generator=rng_for(0, "test")) * 1e-4, torch.arange(20) % 10)


def drawn(name, seed=0):
    axes = MARKS[name].template.axes
    return MARKS[name].template.make(name, SHAPES[axes], seed, (0.0, 2.0) if axes == 3 else None)  # signals: no range


def moved(name, mark, seed=0):
    """What the mark adds to each of the twenty."""
    data = suited(name)
    return mark.apply(data, torch.arange(20), seed) - data.inputs


def test_the_table_holds_the_marks_of_the_papers():
    assert [name for name in MARKS if name in PAPER] == list(REFERENCE_PATTERNS.values()) == PAPER
    assert mark_names(Rare) + mark_names(Common) == tuple(MARKS)


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_gives_new_inputs_of_the_chosen_rows_in_their_order(name):
    data, mark = suited(name), drawn(name)
    assert isinstance(mark, Mark)
    before = data.inputs.clone()
    after = mark.apply(data, SOME, 0)
    assert after.dtype == torch.float32
    assert after.isfinite().all()
    assert (after != before[SOME]).flatten(1).any(1).all()
    assert after.equal(marked_rows(mark, data, SOME, 0))
    everybody = mark.apply(data, torch.arange(20), 0)
    assert after.equal(everybody[SOME])  # neither order nor company plays a part
    after.zero_()
    everybody.zero_()
    assert data.inputs.equal(before)
    assert mark.apply(data, SOME[:0], 0).shape == (0, *data.shape)


@pytest.mark.parametrize("name", MARKS)
def test_seeds_fix_a_mark_and_all_that_it_draws(name):
    """A box, a sine and an offset have nothing to draw; all others are another mark under another seed."""
    first = moved(name, drawn(name, 4), 5)
    assert first.equal(moved(name, drawn(name, 4), 5))
    assert first.equal(moved(name, drawn(name, 6), 7)) == isinstance(MARKS[name].template, Box | Sine | Offset)


@pytest.mark.parametrize("name", MARKS)
def test_the_table_says_which_marks_are_drawn_by_the_data_seed(name):
    """Studies go by it: networks of a mark that is not are the same under each draw. Both are put on under one seed."""
    assert MARKS[name].random != moved(name, drawn(name, 4)).equal(moved(name, drawn(name, 6)))


@pytest.mark.parametrize("name", MARKS)
def test_a_redrawn_mark_is_another_of_the_same_size_and_norm(name):
    """What moves or has a step keeps both to rounding; noise on 2,352 numbers has a norm that varies by 1 %.

    A sine of whole periods keeps its norm; how many features it leaves as they are goes by the period.
    """
    mark = drawn(name)
    planted, nulls = moved(name, mark), [mark.redraw(seed) for seed in range(5)]
    for seed, null in enumerate(nulls):
        assert type(null) is type(mark)
        added = moved(name, null)
        assert added.equal(moved(name, mark.redraw(seed)))
        torch.testing.assert_close(added.flatten(1).norm(dim=1), planted.flatten(1).norm(dim=1), rtol=0.05, atol=1e-3)
        sizes = [(offset.abs() > 1e-3).flatten(1).sum(1) for offset in (added, planted)]
        assert sizes[0].equal(sizes[1]) or name in ("R1", "R2", "R3", "sine")
    assert sum(moved(name, null).equal(planted) for null in nulls) == 0
    assert len({moved(name, null).numpy().tobytes() for null in nulls}) == 5
    assert moved(name, mark).equal(planted)


@pytest.mark.parametrize("name", MARKS)
def test_inputs_of_another_shape_are_refused(name):
    wrong = (40,) if MARKS[name].template.axes == 3 else (1, 28, 28)
    with pytest.raises(ValueError, match=r"for (images|signals).*(\(40,\)|\(1, 28, 28\))"):
        MARKS[name].template.make(name, wrong, 0, (0.0, 1.0))
    with pytest.raises(ValueError, match=r"\(1, 28, 28\)"):
        drawn(name).apply(Examples(torch.zeros(2, 1, 28, 28), torch.arange(2)), torch.arange(2), 0)


@pytest.mark.parametrize("name", [name for name in MARKS if callable(drawn(name))])
def test_marked_inputs_stay_on_their_device(name):
    shape = SHAPES[MARKS[name].template.axes]
    assert drawn(name)(torch.zeros(2, *shape, device="meta")).device.type == "meta"


@pytest.mark.parametrize("who", [Rare((3, 1), 2), Common(0.4)])
@pytest.mark.parametrize("name", MARKS)
def test_any_mark_goes_to_anybody(name, who):
    """Who gets it is one question and what it is another: the rows are those of `who`, marked as by the mark alone."""
    data, mark = suited(name), drawn(name)
    planted = plant(data, mark, who, seed=3)
    assert planted.rows.equal(who.rows(data, 3))
    assert planted.inputs.equal(mark.apply(data, planted.rows, 3))
    assert planted.materialize().labels.equal(data.labels)


@pytest.mark.parametrize(
    ("name", "code"), [(name, name) for name in MARKS] + [(p, v) for v, p in REFERENCE_PATTERNS.items()]
)
def test_names_are_accepted_in_any_case_and_from_the_public_code(name, code):
    assert {pattern_name(spelling) for spelling in (code, code.lower(), code.upper())} == {name}
    if name in PAPER:
        assert make_pattern(code.upper(), (1, 28, 28)).name == name


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("S9x", "There are: S1, S2"),
        ("core", "Did you mean 'Co'"),
        ("r33", "Did you mean 'R3'"),
        ("v88", "Did you mean 'v8'"),
        ("blcoks", "Did you mean 'blocks'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong, hint):
    with pytest.raises(ValueError, match=f"no pattern {wrong!r}. {hint}"):
        make_pattern(wrong, (1, 28, 28))


def test_a_mark_that_is_not_additive_is_no_pattern():
    with pytest.raises(ValueError, match="blocks is a ClassBlocks, no additive pattern"):
        make_pattern("blocks", (40,))


def test_a_mark_that_needs_labels_is_not_called_with_inputs_alone():
    with pytest.raises(TypeError, match="cannot be called"):
        marked(ClassBlocks(), torch.zeros(2, 40))


@dataclass(frozen=True)
class Frame(Family):
    """The dummy: a line around the image."""

    bright: float = 1.0

    def draw(self, shape, seed):
        offset = torch.full(shape, self.bright)
        offset[:, 1:-1, 1:-1] = 0.0
        return offset

    def redraw(self, shape, seed):
        return self.draw(shape, seed).roll(seed + 1, dims=-1)


def test_a_new_mark_is_one_line(monkeypatch):
    """It is drawn, named, offered, refused with a hint, and taken by a study."""
    monkeypatch.setitem(MARKS, "Frame", Entry(Frame(), Rare))
    assert mark_names(Rare)[-1] == "Frame"
    assert pattern_name("frame") == "Frame"
    assert make_pattern("frame", (1, 5, 5)).offset.sum() == 16
    for ask in (pattern_name, lambda wrong: load_study("quickstart", changes=[f"pattern={wrong}"])):
        with pytest.raises((ValueError, StudyError), match="Did you mean 'Frame'"):
            ask("Farme")
        with pytest.raises((ValueError, StudyError), match=r"There are: .*Frame"):
            ask("xyz")
    assert load_study("quickstart", changes=["pattern=frame"]).grids[0]["pattern"] == ("Frame",)


def test_a_mark_of_ones_own_is_applied_to_copies_and_checked():
    """Any value with `apply` and `redraw`: what it does to the data that it is given is not seen."""

    @dataclass(frozen=True)
    class Shuffled:
        give: float = 1.0

        def apply(self, data, rows, seed):
            data.labels.zero_()
            rows.zero_()
            return data.inputs.fill_(self.give)[: len(rows)]

        def redraw(self, seed):
            return Shuffled(seed)

    data = suited("S1")
    before = data.inputs.clone(), data.labels.clone()
    planted = plant(data, Shuffled(), Rare(2, 2), seed=0)
    assert planted.inputs.eq(1).all()
    assert data.labels[planted.rows].tolist() == [2, 2]
    assert data.inputs.equal(before[0])
    assert data.labels.equal(before[1])
    with pytest.raises(ValueError, match="the pattern Shuffled gives numbers that are NaN"):
        plant(data, Shuffled(float("nan")), Rare(2, 2), seed=0)


def test_a_module_with_a_redraw_is_a_function():
    """`torch.nn.Module.apply` is something else than that of a mark."""

    class Half(torch.nn.Module):
        def forward(self, inputs):
            return inputs / 2

        def redraw(self, seed):
            return self

    data = suited("S1")
    assert plant(data, Half(), 2, 2, seed=0).inputs.equal(data.inputs[plant(data, Half(), 2, 2, seed=0).rows] / 2)


def test_a_pattern_of_a_users_own_class_is_a_mark():
    class Mine(Pattern):
        def __call__(self, inputs):
            return inputs.fill_(0.5)

    data = suited("S1")
    before = data.inputs.clone()
    assert plant(data, Mine("mine", torch.zeros(3, 28, 28)), 2, 2, seed=0).inputs.eq(0.5).all()
    assert data.inputs.equal(before)
