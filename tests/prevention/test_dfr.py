"""DFR against scikit-learn on the features."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.models import features
from spurlab.prevention import Dfr
from spurlab.prevention.balancing import balanced_rows
from spurlab.prevention.dfr import COARSE, GRID, Scale, halves
from spurlab.seeds import rng_for, seed_for

LIBLINEAR = {
    "l1_ratio": 1.0,
    "solver": "liblinear",
    "random_state": seed_for(0, "prevention", "dfr", "liblinear") % 2**31,  # it goes through the features in an order
}


def standardised(model, clean):
    """The clean features as scikit-learn standardises them, in the precision in which they are fitted."""
    phi = features(model, clean.inputs).double().numpy()
    return StandardScaler().fit_transform(phi).astype("float32")


def test_it_is_scikit_learns_logistic_regression_on_the_features(model, data, clean):
    """The layer speaks of plain features, the regression of standardised ones: the logits are the same."""
    x = standardised(model, clean)
    fit = LogisticRegression(C=0.5, max_iter=1000).fit(x, clean.labels.numpy())
    after = Dfr(norm="l2", c=0.5, balanced=False, refits=1)(model, data, clean)
    assert_close(after(clean.inputs).detach().numpy(), fit.decision_function(x), atol=1e-4, rtol=0)
    assert_close(after[0].state_dict(), model[0].state_dict(), atol=0, rtol=0)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_of_two_classes_the_logits_differ_by_the_log_odds(norm, misled, two_features):
    clean = two_features.clean
    x = standardised(misled, clean)
    fit = LogisticRegression(C=0.1, **(LIBLINEAR if norm == "l1" else {})).fit(x, clean.labels.numpy())
    said = Dfr(norm=norm, c=0.1, balanced=False, refits=1)(misled, two_features.data, clean)(clean.inputs)
    odds = (said[:, 1] - said[:, 0]).double().detach().numpy()
    assert_close(odds, fit.decision_function(x).astype(float), atol=1e-4, rtol=0)


def test_l1_of_more_classes_is_each_against_the_rest(model, data, clean):
    x = standardised(model, clean)
    after = Dfr(norm="l1", c=1.0, balanced=False, refits=1)(model, data, clean)(clean.inputs)
    for label in range(3):
        fit = LogisticRegression(C=1.0, **LIBLINEAR).fit(x, (clean.labels == label).numpy())
        said = after[:, label].double().detach().numpy()
        assert_close(said, fit.decision_function(x).astype(float), atol=1e-4, rtol=0)


def test_l1_is_the_default_for_two_classes_and_l2_for_more(model, data, clean, misled, two_features):
    for network, train, some, norm in (
        (model, data, clean, "l2"),
        (misled, two_features.data, two_features.clean, "l1"),
    ):
        auto, named = (Dfr(norm=kind, c=0.1, refits=2)(network, train, some)(some.inputs) for kind in ("auto", norm))
        assert auto.equal(named)


def test_the_layers_of_the_refits_are_averaged(model, data, clean):
    """Of a clean set with equal groups every subset is the whole, in another order: all refits agree."""
    equal = clean[balanced_rows(clean.groups, rng_for(0, "test"))]
    one, many = (Dfr(norm="l2", c=0.01, refits=refits)(model, data, equal) for refits in (1, 5))
    assert_close(many(data.inputs), one(data.inputs), atol=2e-2, rtol=0)
    apart = [Dfr(seed, "l2", 1.0, refits=1)(model, data, clean)(data.inputs) for seed in range(2)]
    assert (apart[0] - apart[1]).abs().max() > 0.1  # of unequal groups each takes another subset


def test_subsets_have_groups_of_one_size_and_no_row_twice():
    groups = torch.tensor([0] * 5 + [2] * 3 + [3] * 9)
    rows = balanced_rows(groups, rng_for(0, "test"))
    assert groups[rows].bincount().tolist() == [3, 0, 3, 3]
    assert len(set(rows.tolist())) == 9
    assert not rows.equal(balanced_rows(groups, rng_for(1, "test")))


def test_halves_share_nothing_and_hold_every_group():
    groups = torch.tensor([0] * 5 + [2] * 3 + [3])
    fit, judge = halves(groups, rng_for(0, "test"))
    assert torch.cat([fit, judge]).sort().values.equal(torch.arange(9))
    assert groups[fit].bincount().tolist() == [3, 0, 2, 1]
    assert groups[judge].bincount().tolist() == [2, 0, 1]


def test_features_that_are_constant_are_no_division_by_zero():
    phi = torch.tensor([[1.0, 5.0], [3.0, 5.0]]).double()
    assert Scale.of(phi)(phi).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_c_is_chosen_by_the_worst_group(misled, two_features):
    """The chosen one is the first of those on the grid whose worst group of the other half is best, worked out here."""
    data, clean, groups = two_features.data, two_features.clean[:120], two_features.clean.groups[:120]
    rng = rng_for(0, "prevention", "dfr", "halves")
    fit, judge = halves(groups, rng)
    rows = fit[balanced_rows(groups[fit], rng)]
    phi = clean.inputs.double()
    scaler = StandardScaler().fit(phi[rows].numpy())
    x, seen = (scaler.transform(phi[part].numpy()).astype("float32") for part in (rows, judge))
    worst = []
    for c in GRID:
        one = LogisticRegression(C=c, **{**LIBLINEAR, "tol": COARSE}).fit(x, clean.labels[rows].numpy())
        right = torch.from_numpy(one.predict(seen)) == clean.labels[judge]
        worst.append(min(right[groups[judge] == group].double().mean().item() for group in range(4)))
    assert len(set(worst)) > 1, "all are alike: nothing is chosen"
    best = GRID[worst.index(max(worst))]
    chosen, given = (Dfr(c=c)(misled, data, clean)(clean.inputs) for c in (None, best))
    assert chosen.equal(given)


def test_a_class_without_clean_examples_is_refused(model, data, clean):
    with pytest.raises(ValueError, match=r"of 3 classes on the clean examples, but there is none of class 0, 2\."):
        Dfr()(model, data, clean[clean.labels == 1])


def test_too_few_to_choose_by(model, data, clean):
    three = torch.tensor([(clean.groups == group).nonzero()[0].item() for group in (0, 2, 4)])
    with pytest.raises(ValueError, match=r"cannot choose C with 3 clean examples, since no group has two\. Give `c`"):
        Dfr()(model, data, clean[three])
    assert Dfr(c=1.0)(model, data, clean[three])(data.inputs).isfinite().all()


def test_a_last_layer_without_a_bias_is_refused(data, clean):
    with pytest.raises(ValueError, match="has no bias"):
        Dfr(c=1.0)(nn.Linear(2, 3, bias=False), data, clean)


def test_it_is_the_clean_examples_that_count(model, data, clean):
    other = Examples(data.inputs + 7, data.labels, data.groups)
    assert Dfr()(model, data, clean)(clean.inputs).equal(Dfr()(model, other, clean)(clean.inputs))
