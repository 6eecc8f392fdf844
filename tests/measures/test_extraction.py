"""What extractions read, as measures: of linear networks whose weights are the pattern, or another one."""

import json
import math

import pytest
import torch
from torch import nn

from spurlab.data import Dataset, Examples, Source
from spurlab.errors import InputError
from spurlab.measures import MEASURES, Observed
from spurlab.measures.extraction import EXTRACTED, NUMBERS, measure_of
from spurlab.patterns import make_pattern
from spurlab.privacy.extraction import EXTRACTIONS
from spurlab.seeds import rng_for
from spurlab.studies import StudyError, load_study, run, work_of

SHAPE, TARGET = (1, 8, 8), 1


@pytest.fixture(scope="module")
def data():
    inputs = torch.rand(60, *SHAPE, generator=rng_for(0, "test", "extraction"))
    examples = Examples(inputs, torch.arange(60) % 3)
    return Dataset("toy", examples, examples, ("a", "b", "c"), (0.0, 1.0), Source("", "", ""))


def linear(weight):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].weight[TARGET] = weight.flatten()
        network[1].bias.zero_()
        network[1].bias[TARGET] = -2 - 0.5 * float(weight.sum())  # without a mark it is another class
    return network.eval()


def taken(data, network, name):
    mark = make_pattern("R3", SHAPE, seed=0, clip=(0.0, 1.0))
    return MEASURES[measure_of(name)].take(Observed(data, "mlp", network, 0, mark, TARGET))


def test_every_extraction_has_its_measure():
    assert [MEASURES[measure_of(name)] for name in EXTRACTIONS] == list(EXTRACTED.values())


@pytest.mark.parametrize("name", ["first-layer", "first-layer-principal", "input-gradient"])
def test_of_weights_that_are_the_pattern_all_is_read(data, name):
    """Exactly: a linear network's gradient is its weights. 1 of 100 is the least p among 99 null patterns."""
    found = taken(data, linear(make_pattern("R3", SHAPE, seed=0).offset), name)
    assert found[f"{measure_of(name)}_correlation"] == pytest.approx(1, abs=1e-5)
    assert found[f"{measure_of(name)}_p"] == pytest.approx(0.01)
    assert found[f"{measure_of(name)}_score"] > 0.9


def test_of_other_weights_hardly_anything_is_read(data):
    """The correlation of two draws of 64 numbers has a standard deviation of .125: above .5 in 6 of 100,000 draws.

    p is 1 of 100 in 1 of 100 draws; of this one it is not.
    """
    found = taken(data, linear(make_pattern("R3", SHAPE, seed=1).offset), "first-layer")
    assert abs(found["extracted_first_layer_correlation"]) < 0.5
    assert found["extracted_first_layer_p"] > 0.01


def test_of_even_weights_nothing_is_read(data):
    found = taken(data, linear(torch.zeros(64)), "first-layer")
    assert found == {f"extracted_first_layer_{n}": v for n, v in [("correlation", 0.0), ("p", 1.0), ("score", 0.0)]}


def test_a_range_that_is_not_known_is_said(data):
    unbounded = Dataset("toy", data.train, data.test, data.class_names, None, data.source)
    with pytest.raises(InputError, match="within their range, but that of toy is not known"):
        taken(unbounded, linear(torch.ones(64)), "inversion")


def test_a_study_of_it_says_before_training_what_it_cannot_read(small):
    study = load_study("extraction", changes=["architecture=cnn"])
    with pytest.raises(StudyError, match="the first layer is read of perceptrons"):
        work_of(study, {"fashion-mini": small})


def test_a_study_of_it_has_rows_of_networks_with_the_pattern_and_without(small, tmp_path):

    measures = ("extracted_first_layer", "extracted_input_gradient")
    changes = ["n=[0, 40]", "seed=[3]", "recipe.epochs=2", "architecture=small-mlp", "pattern=R3"]
    study = load_study("extraction", changes=[*changes, f"measure={json.dumps(measures)}"])
    rows = run(study, tmp_path, workers=0, load=lambda name: small).rows
    assert set(rows["measure"]) == {f"{name}_{number}" for name in measures for number in NUMBERS}
    assert set(rows["n"]) == {0, 40}
    assert all(map(math.isfinite, rows["value"]))
