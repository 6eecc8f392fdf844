"""Networks as the given one would be, had it never seen some examples."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spurlab.audit import references as module
from spurlab.audit.references import references
from spurlab.data import Examples
from spurlab.models import seeded
from spurlab.models.answering import answering
from spurlab.seeds import rng_for
from spurlab.training import Recipe, predictions

INPUTS = torch.rand(60, 1, 4, 4, generator=rng_for(0, "references"))
TRAIN = Examples(INPUTS, (INPUTS.flatten(1)[:, 0] > 0.5).long())
LEFT_OUT = torch.arange(60) < 5
RECIPE = Recipe(epochs=8, batch_size=10, learning_rate=0.05)


def make(last=2, end=nn.Identity):
    return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, last), end()), 3)


def trained(network, train=TRAIN, **settings):
    network = answering(network, train.inputs, 2, mean=settings.pop("mean", None), std=settings.pop("std", None))
    return references(network, train, LEFT_OUT, RECIPE, classes=2, count=3, **settings)


def test_what_is_left_out_has_no_part_in_them():
    other = Examples(INPUTS.clone().masked_fill_(LEFT_OUT.view(-1, 1, 1, 1), 0.9), TRAIN.labels.where(~LEFT_OUT, 1))
    first, second = trained(make()), trained(make(), other)
    for i in range(3):
        assert predictions(first[i], INPUTS).equal(predictions(second[i], INPUTS))
    assert not predictions(first[0], INPUTS).equal(predictions(first[1], INPUTS))
    right = [float((predictions(first[i], INPUTS).argmax(1) == TRAIN.labels).float().mean()) for i in range(3)]
    assert min(right) > 0.7


@pytest.mark.parametrize("network", [make(1), make(1, nn.Sigmoid), make(2, lambda: nn.LogSoftmax(1))])
def test_they_answer_as_the_given_one_does(network):
    """One logit, one probability, log-probabilities, on inputs that are normalised: each learns the classes."""
    several = trained(network, mean=[0.5], std=[0.25])
    answers = predictions(several[0], INPUTS)
    assert answers.shape == (60, 2)
    assert float((answers.argmax(1) == TRAIN.labels).float().mean()) > 0.7


def test_what_cannot_be_drawn_anew_is_told():
    given = answering(make(), INPUTS, 2)
    shifted = make()
    shifted.shift = nn.Parameter(torch.zeros(2))
    settings = {"classes": 2, "count": 3}
    with pytest.raises(ValueError, match=r"no reference networks can be trained: .*reset_parameters"):
        references(answering(shifted, INPUTS, 2), TRAIN, LEFT_OUT, RECIPE, **settings)
    with pytest.raises(ValueError, match=r"no reference networks can be trained: .* has learnt already"):
        references(given, TRAIN, LEFT_OUT, RECIPE, make=lambda _: make(), **settings)
    with pytest.raises(ValueError, match="nothing is left to train on"):
        references(given, TRAIN, LEFT_OUT | True, RECIPE, **settings)


def test_they_are_kept_and_found_again(tmp_path, monkeypatch):
    first = trained(make(), folder=tmp_path)
    monkeypatch.setattr(module, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = trained(make(), folder=tmp_path)
    for one, other in zip(first, again, strict=True):
        assert predictions(one, INPUTS).equal(predictions(other, INPUTS))
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        trained(make(), Examples(INPUTS * 0.5, TRAIN.labels), folder=tmp_path)


def test_another_way_through_the_same_layers_is_another_network(tmp_path, monkeypatch):
    """Nothing but the function between two layers differs, which no module shows."""

    class Through(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.first, self.last, self.function = nn.Linear(16, 4), nn.Linear(4, 2), function

        def forward(self, inputs):
            return self.last(self.function(self.first(inputs.flatten(1))))

    one, other = (seeded(lambda function=function: Through(function), 0) for function in (torch.relu, torch.tanh))
    trained(one, folder=tmp_path)
    monkeypatch.setattr(module, "fit", lambda *_, **__: pytest.fail("trained again"))
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        trained(other, folder=tmp_path)


def test_weights_that_are_kept_are_those_of_the_networks_or_told(tmp_path):
    trained(make(), folder=tmp_path)
    (file,) = tmp_path.iterdir()
    save_file({"1.weight": torch.zeros(3, 2, 17), "1.bias": torch.zeros(3, 2)}, file)
    with pytest.raises(ValueError, match=r"has weights of other networks\. Delete it; they are trained again"):
        trained(make(), folder=tmp_path)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"is damaged \(.*\)\. Delete it; they are trained again"):
        trained(make(), folder=tmp_path)
