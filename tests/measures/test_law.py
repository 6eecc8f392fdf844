"""What theory expects, against linear models that are solved for: there it is what they do, to rounding."""

import math

import pytest
import torch

from spurlab.data import Dataset, Examples, Source
from spurlab.measures import Answers, MarkedTests, Observed, measure_named
from spurlab.patterns import Planted, own_mark, plant
from spurlab.seeds import rng_for
from spurlab.theory import shift_softmax
from spurlab.training import Member, Recipe, fit

SHAPE, CLASSES, N = (1, 6, 6), 3, 90


@pytest.fixture(scope="module")
def data():
    """Images whose upper left corner is never lit."""

    def part(n, name):
        rng = rng_for(0, "test", "law", name)
        labels = torch.randint(CLASSES, (n,), generator=rng)
        images = 0.6 * torch.rand(n, *SHAPE, generator=rng)
        images[torch.arange(n), 0, 3, labels] += 0.2
        images[:, :, :2, :2] = 0
        return Examples(images, labels)

    names = tuple("abc")
    return Dataset("made", part(N, "train"), part(400, "test"), names, (0.0, 1.0), Source("", "", ""))


def observed(data, mark, n, recipe, architecture="logistic"):
    planted = plant(data.train, mark, 1, n, seed=0) if n else Planted.none(data.train)
    network = fit(architecture, [Member(planted, 0)], recipe, classes=CLASSES, workers=0).member(0)
    return Observed(
        data, architecture, network, pattern=mark, target=1, recipe=recipe,
        trained_on=Answers(network, lambda: planted), tests=MarkedTests(data),
    )  # fmt: skip


def numbers(seen):
    return measure_named("law").take(seen) | measure_named("spurious_score").take(seen)


@pytest.mark.parametrize(
    ("loss", "decay", "box", "value", "n", "about"),
    [
        ("mse", 1e-3, 1, 0.5, 1, 0.9),
        ("mse", 1e-1, 2, 1.0, 3, 0.1),
        ("mse", 1e-2, 1, 0.5, 3, 0.0),
        ("ce", 1e-3, 1, 0.5, 1, 0.5),
        ("ce", 1e-3, 1, 1.0, 5, 0.9),
        ("ce", 1e-2, 1, 0.5, 3, 0.4),
        ("ce", 1e-1, 1, 1.0, 5, 0.5),
    ],
)
def test_of_solved_linear_models_it_is_the_score(data, loss, decay, box, value, n, about):
    """Scores of all sizes. Of 400 test images one may be within rounding of a rise of .1 on another side."""
    mark = own_mark({"box": box, "value": value}, SHAPE)
    recipe = Recipe(optimizer="lbfgs", epochs=50, milestones=(), weight_decay=decay, loss=loss)
    found = numbers(observed(data, mark, n, recipe))
    ridge = CLASSES * decay / 2 if loss == "mse" else decay
    assert found["kappa"] == pytest.approx(n * (box * value) ** 2 / (N * ridge), rel=1e-5)
    assert found["predicted_score"] == pytest.approx(found["spurious_score"], abs=1 / 400)
    assert found["spurious_score"] == pytest.approx(about, abs=0.06)


def test_without_marked_examples_nothing_is_expected_and_without_decay_nothing_known(data):
    mark = own_mark({"box": 1}, SHAPE)
    recipe = Recipe(epochs=1, milestones=(), weight_decay=0.1)
    assert measure_named("law").take(observed(data, mark, 0, recipe)) == {"kappa": 0, "predicted_score": 0}
    found = measure_named("law").take(observed(data, mark, 2, recipe.but(weight_decay=0.0)))
    assert all(math.isnan(value) for value in found.values())
    assert list(found) == ["kappa", "predicted_score"]


def test_other_networks_are_laid_beside_what_a_linear_model_would_do(data):
    """An MLP's own outputs without the mark, moved by the law: by hand."""
    mark = own_mark({"box": 1, "value": 0.5}, SHAPE)
    recipe = Recipe(epochs=3, milestones=(), weight_decay=1e-2)
    seen = observed(data, mark, 2, recipe, "small-mlp")
    found = measure_named("law").take(seen)
    assert found["kappa"] == pytest.approx(2 * 0.25 / (N * 1e-2), rel=1e-5)
    network, rows = seen.network, seen.trained_on.planted.rows
    with torch.no_grad():
        shift = shift_softmax(found["kappa"], network(data.train.inputs[rows]), 1)
        outputs = network(data.test.inputs).double()
    rise = (outputs + shift).softmax(1)[:, 1] - outputs.softmax(1)[:, 1]
    assert found["predicted_score"] == pytest.approx((rise > 0.1).double().mean().item(), abs=1 / 400)
    assert 0 < found["predicted_score"] < 1
