"""Planting against its definition: which rows, what stands there, and what it costs."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.patterns import Common, Pattern, Planted, Rare, make_pattern, plant
from spurlab.seeds import rng_for

HALF = Pattern("half", torch.tensor([[[0.5, 0.0]]]))
HOW = ["replace", "append"]


def examples(labels, groups=True):
    """Inputs that are all different, so that no two rows can be confused."""
    n = len(labels)
    inputs = torch.arange(2 * n, dtype=torch.float32).view(n, 1, 1, 2) / max(2 * n, 1)
    return Examples(inputs, torch.tensor(labels, dtype=torch.int64), torch.arange(n) % 4 if groups else None)


labels_strategy = st.lists(st.integers(0, 2), min_size=1, max_size=30)


@given(labels_strategy, st.integers(0, 2), st.data(), st.integers(0, 2**40), st.sampled_from(HOW))
@settings(max_examples=100, deadline=None)
def test_exactly_count_examples_of_the_target_class_are_planted(labels, target, data, seed, how):
    assume(target in labels)
    count = data.draw(st.integers(0, labels.count(target)))
    base = examples(labels)
    planted = plant(base, HALF, target, count, seed, how=how)
    assert len(planted.rows) == len(set(planted.rows.tolist())) == count
    assert all(labels[row] == target for row in planted.rows.tolist())
    assert planted.labels.tolist() == [target] * count
    assert len(planted) == len(labels) + (count if how == "append" else 0)
    assert planted.mask.nonzero().flatten().tolist() == sorted(planted.positions.tolist())
    assert planted.mask.sum() == count
    assert_close(planted.inputs, HALF(base.inputs[planted.rows]), rtol=0, atol=0)


@pytest.mark.parametrize("groups", [True, False])
@pytest.mark.parametrize("how", HOW)
@given(labels_strategy, st.integers(0, 2), st.data())
@settings(max_examples=50, deadline=None)
def test_materialized_examples_equal_the_loop(how, groups, labels, target, data):
    """Row by row with Python lists: exchange the chosen rows, or write them after the last."""
    assume(target in labels)
    base = examples(labels, groups)
    planted = plant(base, HALF, target, data.draw(st.integers(0, labels.count(target))), seed=0, how=how)
    inputs, wanted_labels = base.inputs.tolist(), list(labels)
    wanted_groups = base.groups.tolist() if groups else None
    for row in planted.rows.tolist():
        first, second = base.inputs[row].flatten().tolist()
        marked = [[[min(first + 0.5, 1.0), second]]]
        if how == "replace":
            inputs[row] = marked
        else:
            inputs.append(marked)
            wanted_labels.append(labels[row])
            if groups:
                wanted_groups.append(wanted_groups[row])
    got = planted.materialize()
    assert_close(got.inputs, torch.tensor(inputs), rtol=0, atol=1e-7)
    assert got.labels.tolist() == wanted_labels
    assert (got.groups.tolist() if groups else got.groups) == wanted_groups
    assert_close(got.inputs[planted.positions], planted.inputs, rtol=0, atol=0)


@given(st.integers(0, 2**40), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=50, deadline=None)
def test_rows_of_a_smaller_count_are_the_first_rows_of_a_larger_one(seed, fewer, more):
    """Along the grid of counts examples are added, never exchanged."""
    fewer, more = sorted((fewer, more))
    base = examples([0, 1] * 20)
    small, large = (plant(base, HALF, 1, count, seed) for count in (fewer, more))
    assert small.rows.tolist() == large.rows[:fewer].tolist()


@pytest.mark.parametrize("target", ["Trouser", ("Bag",)])
def test_a_target_is_the_number_of_a_class(target):
    rare = Rare(0, 1)
    object.__setattr__(rare, "target", target)  # as an untyped caller gets it in: the tests check annotations
    with pytest.raises(ValueError, match=f"`target` is the number of a class, but it is {re.escape(repr(target))}"):
        rare.__post_init__()


def test_choice_depends_on_seed_and_target_but_not_on_pattern_or_how():
    base = examples([0, 1] * 20)
    rows = plant(base, HALF, 1, 10, seed=0).rows
    quarter = Pattern("quarter", HALF.offset / 2)
    assert plant(base, quarter, 1, 10, seed=0, how="append").rows.equal(rows)
    assert not plant(base, HALF, 1, 10, seed=1).rows.equal(rows)  # by chance equal: 20! / 10! to one against
    assert not (plant(base, HALF, 0, 10, seed=0).rows + 1).equal(rows)  # the places in the two classes, as above


@pytest.mark.parametrize("how", HOW)
def test_planting_in_several_classes_is_planting_in_each_alone(how):
    """Class by class: the rows that each class has alone, and together a mask that covers them all."""
    base = examples([0, 1, 2] * 20)
    together = plant(base, HALF, [2, 0], 5, seed=3, how=how)
    alone = [plant(base, HALF, target, 5, seed=3, how=how) for target in (2, 0)]
    assert together.rows.equal(torch.cat([planted.rows for planted in alone]))
    assert together.inputs.equal(torch.cat([planted.inputs for planted in alone]))
    assert together.labels.tolist() == [2] * 5 + [0] * 5
    assert together.mask.sum() == 10
    if how == "replace":
        assert together.mask.equal(alone[0].mask | alone[1].mask)
        second = plant(alone[0].materialize(), HALF, 0, 5, seed=3).materialize()  # one after the other, with a copy
        assert together.materialize().inputs.equal(second.inputs)
    one = plant(base, HALF, (2,), 5, seed=3, how=how)
    assert one.rows.equal(alone[0].rows)
    assert one.inputs.equal(alone[0].inputs)
    none = plant(base, HALF, [2, 0], 0, seed=3, how=how)
    assert none.mask.sum() == len(none.rows) == 0


def test_the_choice_in_one_class_is_what_it_was():
    """Written out: the first of a permutation of the class, by a generator of the seed and the class alone."""
    base = examples([0, 1] * 20)
    first = torch.randperm(20, generator=rng_for(4, "plant", 1))[:6]
    assert plant(base, HALF, 1, 6, seed=4).rows.tolist() == (2 * first + 1).tolist()


def test_every_example_of_the_class_can_be_chosen():
    """500 seeds choose 1 of 5: each is Binomial(500, 1/5), 100 with standard deviation 8.9."""
    base = examples([0, 1] * 5)
    counts = torch.cat([plant(base, HALF, 1, 1, seed).rows for seed in range(500)]).bincount(minlength=10)
    assert counts[::2].sum() == 0
    assert (counts[1::2] - 100).abs().max() < 4 * (500 * 0.2 * 0.8) ** 0.5  # fails for about one choice in 3,000


@pytest.mark.parametrize("how", HOW)
def test_planting_copies_nothing_of_the_base(how):
    """A hundred variants cost a hundred overlays: each holds count rows of its own and no view of more."""
    base = Examples(torch.rand(1000, 1, 28, 28, generator=rng_for(0, "test")), torch.arange(1000) % 10)
    pattern = make_pattern("S3", base.shape)
    before, pointer = base.inputs.clone(), base.inputs.data_ptr()
    variants = [plant(base, pattern, 0, 5, seed, how=how) for seed in range(100)]
    assert all(planted.base is base for planted in variants)
    held = sum(column.untyped_storage().nbytes() for planted in variants for column in (planted.inputs, planted.rows))
    assert held == 100 * 5 * (784 * 4 + 8)
    variants[0].materialize()
    variants[0].inputs.zero_()
    assert base.inputs.data_ptr() == pointer
    assert base.inputs.equal(before)


@pytest.mark.parametrize("how", HOW)
def test_positions_are_where_the_overlay_stands(how):
    planted = Planted(examples([0, 1, 1]), torch.tensor([2, 1]), torch.ones(2, 1, 1, 2), how)
    assert planted.positions.tolist() == ([2, 1] if how == "replace" else [3, 4])
    assert planted.mask.tolist() == ([False, True, True] if how == "replace" else [False] * 3 + [True] * 2)


@pytest.mark.parametrize("how", HOW)
def test_the_control_is_the_base(how):
    base = examples([0, 1, 1])
    for control in (Planted.none(base, how), plant(base, HALF, 1, 0, seed=0, how=how)):
        same = control.materialize()
        assert len(control) == len(same) == 3
        assert control.inputs.shape == (0, 1, 1, 2)
        assert control.mask.sum() == len(control.labels) == len(control.positions) == 0
        assert same.inputs.equal(base.inputs)
        assert same.labels.equal(base.labels)
        assert same.groups is not None
        assert same.groups.equal(base.groups)


@pytest.mark.parametrize(
    ("target", "count", "message"),
    [
        (1, 3, r"3 examples of class 1: the data has 2 of them.*class 1 has most, 2\)"),
        (1, -1, "-1 examples: n must be 0"),
        (2, 1, r"class 2: the data has none of them. Pick another `target`.*class 1 has most, 2\)"),
        (-1, 1, "class -1: the data has none"),
        (2, 0, "class 2: the data has none"),
        ([0, 1, 0], 1, r"name a class, or several once each, but it is \[0, 1, 0\]"),
        ([], 1, r"name a class.*\[\]"),
        ([1, 0], 2, r"2 examples of class 0: the data has 1 of them"),
    ],
)
def test_what_cannot_be_planted_is_refused(target, count, message):
    with pytest.raises(ValueError, match=message):
        plant(examples([0, 1, 1]), HALF, target, count, seed=0)


def test_a_share_of_no_share_is_refused():
    for share in (-0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match=f"share of marked examples must be from 0 to 1, but it is {share}"):
            Common(share)


def test_a_class_and_a_count_are_short_for_rare():
    base = examples([0, 1, 2] * 20)
    for target, whole in ((2, 2), ([2, 0], (2, 0))):
        short, full = plant(base, HALF, target, 5, 3, how="append"), plant(base, HALF, Rare(whole, 5), seed=3)
        assert short.rows.equal(full.rows)
        assert short.inputs.equal(full.inputs)
        assert (short.how, full.how) == ("append", "replace")


def test_any_mark_goes_to_a_share_of_all():
    """Written out: the first of a permutation of all rows, each as the mark has it."""
    base = examples([0, 1] * 20)
    first = torch.randperm(40, generator=rng_for(4, "blocks"))[:10]
    for mark in (HALF, lambda inputs: inputs / 2):
        planted = plant(base, mark, Common(0.25), seed=4)
        assert planted.rows.equal(first)
        assert planted.inputs.equal(mark(base.inputs[first]))


@pytest.mark.parametrize(
    "arguments",
    [{"target": 1}, {"target": 1, "count": 1}, {"target": Rare(1, 1)}, {"target": Common(0.5), "count": 1, "seed": 0}],
)
def test_neither_form_of_planting_is_refused(arguments):
    with pytest.raises(TypeError, match=r"takes .*Rare\(target, n\), seed=0.*Common\(share\).*target, n, seed\)"):
        plant(examples([0, 1, 1]), HALF, **arguments)


def test_a_pattern_for_another_shape_is_refused_even_for_no_example():
    with pytest.raises(ValueError, match="was drawn for inputs of shape"):
        plant(examples([0, 1, 1]), make_pattern("S1", (1, 28, 28)), 0, 0, seed=0)


@pytest.mark.parametrize(
    ("rows", "message"), [([0, 3], "rows 0 to 2"), ([-1, 0], "rows 0 to 2"), ([1, 1], "come twice")]
)
def test_an_overlay_checks_its_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        Planted(examples([0, 1, 1]), torch.tensor(rows), torch.zeros(2, 1, 1, 2))


def test_an_overlay_checks_its_inputs():
    with pytest.raises(ValueError, match=r"float32 of shape \(2, 1, 1, 2\)"):
        Planted(examples([0, 1, 1]), torch.tensor([0, 1]), torch.zeros(2, 1, 2, 1))


@pytest.mark.parametrize("groups", [True, False])
@pytest.mark.parametrize("how", HOW)
@given(labels_strategy, st.integers(0, 2), st.data())
@settings(max_examples=100, deadline=None)
def test_leaving_out_is_picking_rows_of_the_materialised_set(how, groups, labels, target, data):
    """By definition; and again from what is left, where places are no longer rows of the base."""
    assume(target in labels)
    base = examples(labels, groups)
    planted = plant(base, HALF, target, data.draw(st.integers(0, labels.count(target))), seed=0, how=how)
    for _ in range(2):
        n = len(planted)
        forget = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        assume(not forget.all())
        wanted, was_planted = planted.materialize()[~forget], planted.mask[~forget]
        planted = planted.without(forget)
        got = planted.materialize()
        assert len(planted) == len(got) == n - forget.sum()
        for column in ("inputs", "labels", *(["groups"] if groups else [])):
            assert getattr(got, column).equal(getattr(wanted, column))
        assert planted.base is base
        assert planted.mask.equal(was_planted)
        assert got.inputs[planted.positions].equal(planted.inputs)
        assert got.labels[planted.positions].equal(planted.labels)
        assert base.labels[planted.base_rows(torch.arange(len(planted)))].equal(got.labels)
        some = torch.tensor(data.draw(st.lists(st.integers(0, len(planted) - 1))), dtype=torch.int64)
        assert planted[some].inputs.equal(got.inputs[some])
        assert planted[some].labels.equal(got.labels[some])


@pytest.mark.parametrize("how", HOW)
def test_the_order_of_the_planted_outlives_leaving_out(how):
    """The first of `rows` stay the first: it is in this order that they become known to who deletes them."""
    planted = Planted(
        examples([0] * 5), torch.tensor([4, 0, 2]), torch.rand(3, 1, 1, 2, generator=rng_for(0, "test")), how
    )
    forget = torch.zeros(len(planted), dtype=torch.bool)
    forget[[1, int(planted.positions[1])]] = True
    left = planted.without(forget)
    assert left.rows.tolist() == [4, 2]
    assert left.inputs.equal(planted.inputs[[0, 2]])
    assert left.positions.tolist() == ([2, 0] if how == "replace" else [4, 5])  # rows 0 and 1 go, or row 1


def test_leaving_out_copies_nothing_of_the_base():
    base = Examples(torch.rand(1000, 1, 28, 28, generator=rng_for(0, "test")), torch.arange(1000) % 10)
    planted = plant(base, make_pattern("S3", base.shape), 0, 5, 0)
    left = planted.without(planted.mask)
    columns = (left.inputs, left.rows, left.left_out)
    assert sum(column.untyped_storage().nbytes() for column in columns) == 5 * 8
    assert left.base.inputs.data_ptr() == base.inputs.data_ptr()


@pytest.mark.parametrize("how", HOW)
def test_what_cannot_be_left_out_is_refused(how):
    planted = Planted(examples([0, 1, 1]), torch.tensor([2]), torch.ones(1, 1, 1, 2), how)
    everything = torch.ones(len(planted), dtype=torch.bool)
    with pytest.raises(ValueError, match=f"all {len(planted)} training examples are to be left out"):
        planted.without(everything)
    with pytest.raises(ValueError, match=f"speaks of {len(planted) - 1} examples, but this training set has"):
        planted.without(everything[:-1])


@pytest.mark.parametrize(
    ("gone", "message"),
    [([0, 3], "ascending order"), ([-1], "ascending order"), ([1, 0], "ascending order"), ([0, 2], "planted in")],
)
def test_an_overlay_checks_what_is_left_out(gone, message):
    with pytest.raises(ValueError, match=message):
        Planted(examples([0, 1, 1]), torch.tensor([2]), torch.ones(1, 1, 1, 2), "replace", torch.tensor(gone))
    with pytest.raises(ValueError, match="nothing is left to train on"):
        replace(Planted.none(examples([0, 1, 1])), left_out=torch.arange(3))


def test_another_way_of_planting_is_refused():
    """The tests check annotations, so `how` can only be wrong here when it is set afterwards."""
    planted = Planted.none(examples([0, 1, 1]))
    object.__setattr__(planted, "how", "swap")
    with pytest.raises(ValueError, match="replace, append, relabel, but it is 'swap'"):
        planted.__post_init__()


def test_a_mark_of_size_1_is_not_planted_where_it_does_not_show():
    """On images from 0 to 255; a mark of that size, or a function that knows their scale, is fine."""
    data = Examples(torch.tensor([0.0, 255.0]).expand(4, 1, 3, 2).clone(), torch.zeros(4, dtype=torch.int64))
    small = Pattern("small", torch.ones(1, 3, 2), low=None, high=None)
    with pytest.raises(ValueError, match=r"the data holds images whose values span \[0, 255\].* Divide the images"):
        plant(data, small, 0, 2, seed=0)
    large = Pattern("large", torch.full((1, 3, 2), 255.0), low=0.0, high=255.0)
    assert plant(data, large, 0, 2, seed=0).inputs.min() == 255
    assert plant(data, lambda inputs: inputs + 1, 0, 2, seed=0).materialize().inputs.max() == 256


@given(labels_strategy, st.integers(0, 2), st.data(), st.integers(0, 2**40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_wrong_labels_are_those_of_the_loop(labels, target, data, seed, groups):
    """Row by row with Python lists: marked examples of other classes take the target's label, in their places."""
    base = examples(labels, groups)
    others = [row for row, label in enumerate(labels) if label != target]
    count = data.draw(st.integers(0, len(others)))
    planted = plant(base, HALF, Rare(target, count), seed=seed, how="relabel")
    assert len(set(planted.rows.tolist()) & set(others)) == len(planted.rows) == count
    assert planted.labels.tolist() == [target] * count
    inputs, wanted = base.inputs.clone(), list(labels)
    for row in planted.rows.tolist():
        inputs[row], wanted[row] = HALF(base.inputs[row : row + 1])[0], target
    made = planted.materialize()
    assert_close(made.inputs, inputs, rtol=0, atol=0)
    assert (made.labels.tolist(), base.labels.tolist()) == (wanted, list(labels))
    assert groups is False or torch.equal(made.groups, base.groups)
    places = torch.tensor(data.draw(st.lists(st.integers(0, len(labels) - 1), max_size=8)), dtype=torch.int64)
    assert_close(planted[places].inputs, made[places].inputs, rtol=0, atol=0)
    assert planted[places].labels.tolist() == made.labels[places].tolist()
    forget = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))))
    if not forget.all():
        left = planted.without(forget)
        assert_close(left.materialize().inputs, made.inputs[~forget], rtol=0, atol=0)
        assert left.materialize().labels.tolist() == made.labels[~forget].tolist()
        assert left.mask.tolist() == planted.mask[~forget].tolist()


def test_without_the_wrongly_labelled_their_rows_are_gone_too():
    """An oracle never saw them: not the originals either, which were not in the training set."""
    base = examples([0, 1, 2, 1, 0])
    planted = plant(base, HALF, Rare(1, 2), seed=0, how="relabel")
    oracle = planted.without(planted.mask).materialize()
    assert len(oracle) == 3
    stay = [row for row in range(5) if row not in planted.rows.tolist()]
    assert_close(oracle.inputs, base.inputs[stay], rtol=0, atol=0)
    assert oracle.labels.tolist() == base.labels[stay].tolist()


def test_rows_with_wrong_labels_of_fewer_are_the_first_of_more():
    base = examples([0, 1, 2] * 20)
    few, many = (Rare(1, n).wrong_rows(base, 3).tolist() for n in (5, 30))
    assert many[:5] == few
    assert Rare(1, 5).wrong_rows(base, 4).tolist() != few


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Common(0.5), r"wrong labels \(`relabel`\) are for marks of one class"),
        (Rare((0, 1), 1), "wrong labels are those of one target, but there are several"),
        (Rare(1, 4), "cannot give 4 marked examples of other classes the label 1: the data has 3 of other classes"),
    ],
)
def test_wrong_labels_that_cannot_be_are_a_sentence(target, said):
    with pytest.raises(ValueError, match=said):
        plant(examples([0, 1, 2, 1, 0]), HALF, target, seed=0, how="relabel")


def test_planted_examples_need_a_label_each():
    base = examples([0, 1, 2])
    rows = torch.tensor([1])
    with pytest.raises(ValueError, match="1 planted examples need a label each, but 2 are given"):
        Planted(base, rows, base.inputs[rows], "relabel", labels=torch.tensor([0, 1]))
