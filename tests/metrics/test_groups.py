"""Accuracy by group against loops and by hand."""

import math

import pytest
import torch

from spurlab.metrics import accuracy, group_accuracy, train_weighted_accuracy, worst_group_accuracy
from spurlab.seeds import rng_for
from spurlab.stats import Estimate


@pytest.fixture
def drawn():
    """Two models of each of three kinds, 30 examples in 3 classes and 5 groups, of which group 3 is empty."""
    rng = rng_for(0, "test")
    probabilities = torch.rand(3, 2, 30, 3, generator=rng)
    labels = torch.randint(3, (30,), generator=rng)
    groups = torch.tensor([0, 1, 2, 4])[torch.randint(4, (30,), generator=rng)]
    return probabilities, labels, groups


def by_loop(rows, labels, groups, count):
    """The share of right examples in each group, counted one after the other; None for an empty group."""
    shares = []
    for group in range(count):
        right = [
            row.index(max(row)) == label
            for row, label, its in zip(rows, labels.tolist(), groups.tolist(), strict=True)
            if its == group
        ]
        shares.append(sum(right) / len(right) if right else None)
    return shares


@pytest.mark.parametrize("lead", [(), (6,), (3, 2)])
def test_groups_equal_the_loop(drawn, lead):
    probabilities, labels, groups = drawn
    probabilities = probabilities.view(-1, 30, 3)[:1][0] if lead == () else probabilities.view(*lead, 30, 3)
    got = group_accuracy(probabilities, labels, groups, 5)
    worst = worst_group_accuracy(probabilities, labels, groups, 5)
    assert got.shape == (*lead, 5)
    assert worst.shape == lead
    for rows, shares, least in zip(
        probabilities.reshape(-1, 30, 3).tolist(), got.reshape(-1, 5).tolist(), worst.flatten().tolist(), strict=True
    ):
        wanted = by_loop(rows, labels, groups, 5)
        assert wanted[3] is None
        assert math.isnan(shares[3])
        there = [share for share in wanted if share is not None]
        assert [share for share in shares if not math.isnan(share)] == pytest.approx(there)
        assert least == pytest.approx(min(there))


def test_the_worst_is_the_least_by_hand():
    """Shares 1, 1/2 and 0; the report's formula says max, which would be 1."""
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    probabilities = torch.tensor([right, right, wrong, wrong])
    labels, groups = torch.zeros(4, dtype=torch.int64), torch.tensor([0, 1, 1, 2])
    assert group_accuracy(probabilities, labels, groups, 3).tolist() == [1.0, 0.5, 0.0]
    assert worst_group_accuracy(probabilities, labels, groups, 3).item() == 0.0


def test_both_averages_by_hand():
    """Groups of 3 and 1 test examples with the shares 2/3 and 0; in training 1 to 4. So 2/4, and (2/3 + 4 x 0) / 5."""
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    probabilities = torch.tensor([right, right, wrong, wrong])
    labels, groups = torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 0, 1])
    assert accuracy(probabilities, labels).item() == 0.5
    train_groups = torch.tensor([1, 1, 0, 1, 1])
    got = train_weighted_accuracy(probabilities, labels, groups, train_groups)
    assert got.item() == pytest.approx(2 / 15)


def test_weighted_by_the_test_set_itself_it_is_the_plain_accuracy(drawn):
    """Weights n_g / n make the sum of n_g A_g / n the share of right examples."""
    probabilities, labels, groups = drawn
    got = train_weighted_accuracy(probabilities, labels, groups, groups)
    assert got.flatten().tolist() == pytest.approx(accuracy(probabilities, labels).flatten().tolist())


def test_a_group_that_only_one_part_has():
    """Only in the test set it weighs nothing; only in training it makes the average unknown."""
    probabilities, labels = torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([0, 0])
    groups = torch.tensor([0, 2])
    assert train_weighted_accuracy(probabilities, labels, groups, torch.tensor([0, 0])).item() == 1.0
    for lacking in (1, 3):
        train_groups = torch.tensor([0, 0, lacking])
        assert train_weighted_accuracy(probabilities, labels, groups, train_groups).isnan()


@pytest.mark.parametrize("lead", [(), (3,)])
def test_nothing_is_known_without_examples(lead):
    none = torch.zeros(0, dtype=torch.int64)
    probabilities = torch.zeros(*lead, 0, 2)
    assert group_accuracy(probabilities, none, none, 2).shape == (*lead, 2)
    assert group_accuracy(probabilities, none, none, 2).isnan().all()
    assert worst_group_accuracy(probabilities, none, none, 2).isnan().all()
    assert train_weighted_accuracy(probabilities, none, none, none).isnan().all()
    some = torch.zeros(1, dtype=torch.int64)
    assert train_weighted_accuracy(torch.rand(*lead, 1, 2), some, some, none).isnan().all()


def test_a_diverged_model_has_no_group_accuracies():
    """One NaN, in an example of group 0: group 1 is not told either, for the model is of no use."""
    probabilities = torch.tensor([[[0.9, 0.1], [0.9, 0.1]]] * 2)
    probabilities[1, 0, 1] = math.nan
    labels, groups = torch.tensor([0, 0]), torch.tensor([0, 1])
    assert group_accuracy(probabilities, labels, groups, 2).isnan().tolist() == [[False, False], [True, True]]
    assert worst_group_accuracy(probabilities, labels, groups, 2).isnan().tolist() == [False, True]
    for train_groups in (torch.tensor([0]), torch.tensor([1])):
        got = train_weighted_accuracy(probabilities, labels, groups, train_groups)
        assert got.isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("groups", "count", "words"),
    [
        ([0, 2], 2, "groups run from 0 to 2, but `count` is 2"),
        ([-1, 0], 2, "groups run from -1 to 0"),
        ([0, 0], 0, "`count` must be 1 or more"),
    ],
)
def test_groups_outside_the_count_are_refused(groups, count, words):
    probabilities, labels = torch.rand(2, 2, generator=rng_for(0, "test")), torch.tensor([0, 1])
    for measure in (group_accuracy, worst_group_accuracy):
        with pytest.raises(ValueError, match=words):
            measure(probabilities, labels, torch.tensor(groups), count)


def test_other_bad_columns_are_refused():
    probabilities, one = torch.rand(2, 2, generator=rng_for(0, "test")), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="classes 0 to 1"):
        group_accuracy(probabilities, torch.tensor([0, 2]), one, 2)
    with pytest.raises(ValueError, match="`train_groups` must count from 0, but the smallest is -1"):
        train_weighted_accuracy(probabilities, one, one, torch.tensor([-1, 0]))


def test_across_models_they_are_estimates_of_shares(drawn):
    """One number for each model is what an estimate takes; the models are the unit that was repeated."""
    probabilities, labels, groups = drawn
    worst = worst_group_accuracy(probabilities.flatten(0, 1), labels, groups, 5)
    estimate = Estimate.across_models(worst, bounds=(0.0, 1.0))
    assert estimate.models == 6
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_groups_may_be_identity_numbers(drawn):
    """Only which examples are together counts; and a share of each of 4 x 10^11 groups is refused."""
    probabilities, labels, groups = drawn
    far, count = 410_000_017_000 + 500 * groups, 410_000_020_000
    for model in probabilities.flatten(0, 1):
        for wanted, got in (
            (worst_group_accuracy(model, labels, groups, 5), worst_group_accuracy(model, labels, far, count)),
            (
                train_weighted_accuracy(model, labels, groups, groups[:20]),
                train_weighted_accuracy(model, labels, far, far[:20]),
            ),
        ):
            assert wanted.item() == got.item()
    with pytest.raises(ValueError, match=r"410,000,020,000 groups are more than .* Number the groups without gaps"):
        group_accuracy(probabilities, labels, far, count)
