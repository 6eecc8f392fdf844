"""Batches against rows of the materialised training set, picked one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Batches, Member, order_of


@st.composite
def overlays(draw):
    """The number of base examples, and of each member the seed, the planted rows, how, and which it leaves out.

    All are of one length.
    """
    n = draw(st.integers(1, 12))
    appended = draw(st.integers(0, n))
    gone = draw(st.integers(0, n + appended - 1))
    members = []
    for _ in range(draw(st.integers(1, 4))):
        how = "append" if appended else draw(st.sampled_from(["replace", "append"]))
        count = appended if how == "append" else draw(st.integers(0, n))
        rows = draw(st.permutations(range(n)))[:count]
        members.append((draw(st.integers(0, 2**40)), rows, how, draw(st.permutations(range(n + appended)))[:gone]))
    return n, members


@given(overlays(), st.integers(1, 15))
@settings(deadline=None, max_examples=100)
def test_batches_are_rows_of_the_materialised_set_in_order(drawn, batch_size):
    """By definition: copy each planted set out, walk through it in the member's order, cut it into batches.

    Each number in base and overlays differs from all others, so no row can pass for another.
    """
    n, specs = drawn
    base = Examples(torch.arange(2.0 * n).view(n, 1, 2), torch.arange(n))
    members = []
    for which, (seed, rows, how, gone) in enumerate(specs):
        inputs = 1000.0 * (which + 1) + torch.arange(2.0 * len(rows)).view(len(rows), 1, 2)
        planted = Planted(base, torch.tensor(rows, dtype=torch.int64), inputs, how)
        forget = torch.zeros(len(planted), dtype=torch.bool)
        forget[gone] = True
        members.append(Member(planted.without(forget), seed))
    batches = Batches(members, batch_size)
    for epoch in range(2):
        seen = 0
        for number, (inputs, labels) in enumerate(batches.epoch(epoch)):
            for i, member in enumerate(members):
                plain = member.data.materialize()
                rows = order_of(member, epoch).tolist()[number * batch_size : (number + 1) * batch_size]
                assert inputs[i].tolist() == [plain.inputs[row].tolist() for row in rows]
                assert labels[i].tolist() == [plain.labels[row].item() for row in rows]
            seen += labels.shape[1]
        assert seen == len(members[0].data)
        assert number + 1 == len(batches)


def test_batches_of_images(members_of):
    """The same for images of three axes, counts that differ, 200 = 6 x 32 + 8."""
    members = members_of([0, 3, 20])
    sizes = []
    for number, (inputs, labels) in enumerate(Batches(members, 32).epoch(3)):
        sizes.append(labels.shape[1])
        for i, member in enumerate(members):
            batch = member.data.materialize()[order_of(member, 3)[number * 32 : (number + 1) * 32]]
            assert inputs[i].equal(batch.inputs)
            assert labels[i].equal(batch.labels)
    assert sizes == [32] * 6 + [8]


def test_a_member_sees_the_same_batches_alone_and_in_a_group(members_of):
    members = members_of([0, 3, 20, 3, 1])
    for alone, together in zip(Batches([members[2]], 64).epoch(5), Batches(members, 64).epoch(5), strict=True):
        assert alone[0][0].equal(together[0][2])
        assert alone[1][0].equal(together[1][2])


def test_noise_is_drawn_batch_by_batch_from_the_members_own_generator(members_of):
    """Its definition, in place of the overlay too; the second member has none. 200 = 6 x 32 + 8.

    9,800 draws: their sd is known to 0.7 %. The sum is not clipped to [0, 1].
    """
    members = members_of([20, 3, 20])
    for epoch in range(2):
        draws = [rng_for(member.seed, "noise", epoch) for member in members]
        plain, noisy = (Batches(members, 32, input_noise=sds).epoch(epoch) for sds in ((), (0.5, 0.0, 2.0)))
        parts = []
        for (inputs, labels), (got, same) in zip(plain, noisy, strict=True):
            assert labels.equal(same)
            wanted = [torch.randn(inputs[i].shape, generator=draws[i]) for i in (0, 2)]
            assert_close(got[0], inputs[0] + 0.5 * wanted[0])
            assert got[1].equal(inputs[1])
            assert_close(got[2], inputs[2] + 2 * wanted[1])
            parts.append((got[0] - inputs[0]).flatten())
        assert abs(torch.cat(parts).std() / 0.5 - 1) < 0.03
        assert got.min() < 0
        assert got.max() > 1


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone(small, members_of):
    """Two of 200! orders that agree by chance: never."""
    first, second = members_of([0, 20])
    assert order_of(first, 0).sort().values.equal(torch.arange(200))
    assert order_of(first, 0).equal(order_of(Member(second.data, first.seed), 0))
    assert not order_of(first, 0).equal(order_of(second, 0))
    assert not order_of(first, 0).equal(order_of(first, 1))


def test_the_order_reaches_the_appended_examples(members_of):
    (member,) = members_of([5], "append")
    assert order_of(member, 0).sort().values.equal(torch.arange(205))


def test_the_base_and_the_overlays_are_only_read(members_of):
    members = members_of([3, 20])
    before = [tensor.clone() for member in members for tensor in (member.data.base.inputs, member.data.inputs)]
    for inputs, labels in Batches(members, 32).epoch(0):
        inputs.zero_()
        labels.zero_()
    after = [tensor for member in members for tensor in (member.data.base.inputs, member.data.inputs)]
    assert all(old.equal(new) for old, new in zip(before, after, strict=True))
    assert members[0].data.base.labels.max() == 9


def test_members_of_another_base_or_length_do_not_fit(small, members_of):
    (planted,) = members_of([3], "append")
    twin = Examples(small.inputs.clone(), small.labels)
    same_rows = Planted(twin, planted.data.rows, planted.data.inputs, "append")  # equal numbers, yet another base
    for other in (Planted.none(small), same_rows):
        with pytest.raises(ValueError, match="share their base data and their number of training examples"):
            Batches([planted, Member(other, 1)], 32)


def test_augmentation_is_drawn_anew_for_each_member_epoch_and_batch():
    """The same image throughout, so that only the draws can differ.

    Corners of 6 images by chance equal in two batches: 81^6 to one against.
    """
    image = torch.rand(1, 1, 5, 5, generator=rng_for(0, "test")).expand(12, -1, -1, -1).contiguous()
    base = Planted.none(Examples(image, torch.zeros(12, dtype=torch.int64)))

    def seen(epoch):
        batches = Batches([Member(base, 3), Member(base, 4)], 6, augmentation="crop")
        return [inputs[i].clone() for inputs, _ in batches.epoch(epoch) for i in range(2)]

    drawn = seen(0) + seen(1)
    assert len(drawn) == 2 * 2 * 2
    for i, one in enumerate(drawn):
        assert not any(one.equal(other) for other in drawn[:i])
    assert all(one.equal(again) for one, again in zip(seen(1), drawn[4:], strict=True))


@pytest.mark.parametrize(
    ("settings_of", "rounded"),
    [({}, True), ({"input_noise": [0.0, 0.1, 0.0]}, False), ({"augmentation": "crop"}, False), ({"most": 99}, False)],
)
def test_inputs_rounded_once_are_those_rounded_at_each_step(members_of, monkeypatch, settings_of, rounded):
    """Marked ones too. What comes before the rounding, or does not fit the memory for it, leaves float32."""
    most = settings_of.pop("most", None)
    if most is not None:
        monkeypatch.setattr("spurlab.training.batches.MOST_ROUNDED", most)
    members = members_of([0, 3, 20])
    plain = Batches(members, 32, **settings_of)
    once = Batches(members, 32, precision=torch.bfloat16, **settings_of)
    for (wanted, labels), (inputs, same) in zip(plain.epoch(1), once.epoch(1), strict=True):
        assert inputs.dtype == (torch.bfloat16 if rounded else torch.float32)
        assert inputs.equal(wanted.to(inputs.dtype))
        assert same.equal(labels)
