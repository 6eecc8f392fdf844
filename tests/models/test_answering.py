"""Networks as others have them: whatever they give, its softmax is what they mean."""

import pytest
import torch
from torch import nn

from spurlab.models.answering import answering
from spurlab.seeds import rng_for
from spurlab.training import predictions

INPUTS = torch.rand(40, 3, generator=rng_for(0, "test"))
LINEAR = nn.Linear(3, 4)
MEANT = LINEAR(INPUTS).softmax(1).detach()


class Gives(nn.Module):
    def __init__(self, of, linear=LINEAR):
        super().__init__()
        self.linear, self.of = linear, of

    def forward(self, inputs):
        return self.of(self.linear(inputs))


class Answer:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize(
    ("of", "outputs"),
    [
        (lambda z: z, "logits"),
        (lambda z: z.softmax(1), "probabilities"),
        (lambda z: z.log_softmax(1), "log-probabilities"),
        (lambda z: (z, "features"), "logits"),
        (lambda z: {"logits": z, "loss": None}, "logits"),
        (lambda z: {"out": z.softmax(1)}, "probabilities"),
        (Answer, "logits"),
    ],
)
def test_what_it_gives_is_told_and_means_the_same(of, outputs):
    network = answering(Gives(of), INPUTS, 4)
    assert network.outputs == outputs
    assert torch.allclose(predictions(network.eval(), INPUTS), MEANT, atol=1e-5)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(("of", "outputs"), [(lambda z: z, "logits"), (torch.sigmoid, "probabilities")])
def test_one_number_for_two_classes(flat, of, outputs):
    one = nn.Linear(3, 1)
    network = answering(Gives(lambda z: of(z[:, 0] if flat else z), one), INPUTS, 2)
    assert network.outputs == outputs
    meant = torch.sigmoid(one(INPUTS)).squeeze(1).detach()
    assert torch.allclose(predictions(network.eval(), INPUTS)[:, 1], meant, atol=1e-5)


def test_its_own_normalisation():
    images = torch.rand(10, 2, 4, 4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
    normal = (images - torch.tensor([0.5, 0.2]).view(2, 1, 1)) / torch.tensor([0.1, 0.3]).view(2, 1, 1)
    got = predictions(answering(network, images, 3, mean=[0.5, 0.2], std=[0.1, 0.3]).eval(), images)
    assert torch.allclose(got, network(normal).softmax(1).detach(), atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (5, 7)])
def test_vectors_and_signals_are_normalised_by_their_first_axis(shape):
    """Of five numbers each has its own mean; as if they were so from the start. One for all will do, too."""
    inputs = torch.rand(9, *shape, generator=rng_for(0, "vectors"))
    network = nn.Sequential(nn.Flatten(), nn.Linear(inputs[0].numel(), 3))
    mean, std = torch.linspace(0.1, 0.5, 5), torch.linspace(0.2, 0.6, 5)
    own = [1, 5, *[1] * (len(shape) - 1)]
    asked = answering(network, inputs, 3, mean=mean.tolist(), std=std.tolist()).eval()
    assert torch.allclose(asked(inputs), network((inputs - mean.view(own)) / std.view(own)), atol=1e-5)
    asked = asked.around(network)
    assert torch.allclose(asked(inputs), network((inputs - mean.view(own)) / std.view(own)), atol=1e-5)
    asked = answering(network, inputs, 3, mean=[0.5], std=[0.2]).eval()
    assert torch.allclose(asked(inputs), network((inputs - 0.5) / 0.2), atol=1e-5)
    what = "numbers" if len(shape) == 1 else "channels"
    with pytest.raises(ValueError, match=rf"inputs with 5 {what} are normalised by as many .* not by 2 and 2"):
        answering(network, inputs, 3, mean=[0.5, 0.5], std=[0.2, 0.2])


@pytest.mark.parametrize(
    ("network", "settings", "words"),
    [
        (Gives(lambda z: z[:, :3]), {}, r"must give numbers of shape \(40, 4\), .* but gave \(40, 3\)"),
        (Gives(lambda z: z * torch.nan), {}, "NaN or infinite for 40 of 40 inputs"),
        (Gives(lambda z: "cat"), {}, "must give a number for each class, but gave str"),
        (Gives(lambda z: z.argmax(1)), {}, "must give a number for each class"),
        (Gives(lambda z: 1 / 0), {}, r"fails on a batch of shape \(40, 3\). ZeroDivisionError"),
        (Gives(lambda z: z), {"outputs": "odds"}, "not 'odds'"),
        (Gives(lambda z: z), {"mean": [0.5]}, "give both, or none"),
        (Gives(lambda z: z), {"mean": [0.5] * 2, "std": [0.5] * 2}, "not by 2 and 2"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(network, settings, words):
    with pytest.raises(ValueError, match=words):
        answering(network, INPUTS, 4, **settings)


def test_one_log_probability_for_two_classes():
    inputs = torch.rand(8, 3, generator=rng_for(0, "answering"))
    network = nn.Sequential(nn.Linear(3, 1), nn.LogSigmoid())
    one = answering(network, inputs, 2, "log-probabilities")
    said = one(inputs).softmax(1)[:, 1]
    torch.testing.assert_close(said, network(inputs).exp().flatten())
