"""What DP-SGD promises, and canaries: of networks that learnt the mark by heart, and of those that never saw it."""

import math

import pytest
import torch
from torch import nn
from toys import needs_opacus

from spurlab.data import Dataset, Examples, Source
from spurlab.measures import MEASURES, Observed
from spurlab.patterns import Rare, make_pattern, plant
from spurlab.prevention import DpSgd, dp_sgd
from spurlab.seeds import rng_for
from spurlab.studies import StudyError, cells_of, load_study, run, work_of
from spurlab.studies.training_sets import grouped, planted
from spurlab.training import Recipe

SHAPE, TARGET, SEED = (1, 8, 8), 1, 4
DP = ["seed=[3, 5]", "n=[0, 1]", "recipe.epochs=1", "dataset=fashion-mini", 'prevention="dp-sgd noise=2"']


@pytest.fixture(scope="module")
def data():
    inputs = torch.rand(60, *SHAPE, generator=rng_for(0, "test", "dp"))
    examples = Examples(inputs, torch.arange(60) % 3)
    return Dataset("toy", examples, examples, ("a", "b", "c"), (0.0, 1.0), Source("", "", ""))


def mark():
    return make_pattern("R3", SHAPE, seed=SEED, clip=(0.0, 1.0))


class OneExample(nn.Module):
    """Two classes: the logit of the target is 5 for this very input, 2 for any other, and the others' are 0."""

    def __init__(self, example):
        super().__init__()
        self.example, self.weight = example, nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        same = (inputs == self.example).flatten(1).all(1)
        return torch.stack([0 * same, torch.where(same, 5.0, 2.0), torch.full_like(same.float(), -torch.inf)], 1)


@pytest.mark.parametrize("count", [1, 7])
def test_the_canary_is_the_example_that_is_planted_first(data, count):
    """By the log-odds of its label: 5 with the mark, 2 without."""
    first = plant(data.train, mark(), Rare(TARGET, count), seed=SEED, how="append")
    canary = first[first.positions[:1]].inputs
    observed = Observed(data, "mlp", OneExample(canary), SEED, mark(), TARGET)
    assert MEASURES["canary_answer"].take(observed)["canary_answer"] == pytest.approx(3)
    other = Observed(data, "mlp", OneExample(canary + 1), SEED, mark(), TARGET)
    assert MEASURES["canary_answer"].take(other)["canary_answer"] == pytest.approx(0)


def test_networks_without_a_promise_have_no_epsilon(data):
    assert MEASURES["epsilon"].take(Observed(data, "mlp", nn.Linear(1, 1)))["epsilon"] == math.inf


@needs_opacus
def test_a_study_of_it_records_what_the_accountant_says(small, tmp_path):
    """At n = 1 there is one example more (`append`); the control is one network for all patterns."""
    study = load_study("dp", changes=[*DP, "architecture=small-mlp"])
    rows = run(study, tmp_path, workers=0, load=lambda name: small).rows
    promised = rows[rows["measure"] == "epsilon"].groupby(["prevention", "n"])["value"].unique()
    for n in (0, 1):
        asked = DpSgd(Recipe(epochs=1), noise=2.0).guarantee(len(small.train) + n).epsilon
        assert promised["dp-sgd noise=2", n] == pytest.approx(asked)
        assert promised["erm", n] == math.inf
    assert set(rows["failed"].dropna()) == set()


def test_the_control_of_a_rare_pattern_learns_from_all_examples(small):
    """Nothing is held out for methods, as it is where no pattern is planted; groups say who has the pattern."""
    study = load_study("dp", changes=DP)
    cells = [cell for cell in cells_of(study) if cell.seed == 3]
    assert {cell.training.held_out for cell in cells} == {0.0}
    training = next(cell.training for cell in cells if cell.n == 1)
    examples = planted(small, training)
    found = grouped(examples, training)
    assert found.groups.tolist() == (2 * found.labels + examples.mask.long()).tolist()


def test_without_opacus_a_study_says_so_before_anything_is_trained(small, monkeypatch):
    def missing():
        raise ValueError("pip install 'spurlab[dp]'")

    monkeypatch.setattr(dp_sgd, "_library", missing)
    with pytest.raises(StudyError, match=r"'prevention': dp-sgd noise=2: pip install 'spurlab\[dp\]'"):
        work_of(load_study("dp", changes=DP), {"fashion-mini": small})


def test_nothing_is_deleted_from_what_a_prevention_made():
    with pytest.raises(StudyError, match="nothing is deleted from what a prevention made"):
        load_study("dp", changes=[*DP, 'deletion="scrub"'])


def test_canaries_of_halves_are_refused(small):
    study = load_study(
        "exposure", changes=["seed=[0, 1, 2, 3]", "n=[3]", "measure=canary_answer", "attack=[]", "figure=scores"]
    )
    with pytest.raises(StudyError, match="networks that learn from halves share theirs"):
        work_of(study, {"fashion-mini": small})
