"""Margins against high precision, networks asked one by one, and what is refused."""

import decimal
import math

import pytest
import torch
from margin_toys import MEMBERS, TABLE, drawn
from torch import nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.privacy import Margins, margins_of
from spurlab.seeds import rng_for


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_a_margin_is_the_log_odds_in_high_precision(scale):
    """Of probabilities with 400 digits, where double precision has 1 and 0."""
    logits = scale * torch.randn(6, 4, generator=rng_for(0, "test"))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    with decimal.localcontext() as context:
        context.prec = 400
        wanted = []
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
            powers = [decimal.Decimal(value).exp() for value in row]
            p = powers[label] / sum(powers)
            wanted.append(float((p / (1 - p)).ln()))
    assert margins_of(logits, labels).tolist() == pytest.approx(wanted, rel=1e-12)


def test_networks_are_asked_in_batches():
    rng = rng_for(0, "test")
    examples = Examples(torch.randn(7, 5, generator=rng), torch.tensor([0, 1, 2, 0, 1, 2, 0]))
    networks = [nn.Linear(5, 3) for _ in range(2)]
    members = torch.tensor([[1, 0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1, 0]]).bool()
    margins = Margins.of(networks, examples, members, population=examples[:2], keep_logits=True, rows=3)
    with torch.no_grad():
        logits = torch.stack([network(examples.inputs) for network in networks])
    for own, row in zip(margins.phi, logits, strict=True):
        for phi, answer, label in zip(own, row, examples.labels, strict=True):
            p = answer.double().softmax(0)[label]
            assert float(phi) == pytest.approx(math.log(p / (1 - p)), rel=1e-5, abs=1e-6)
    assert margins.population.equal(margins.phi[:, :2])
    assert torch.allclose(margins.logits, logits, atol=1e-6)
    assert margins.labels.equal(examples.labels)


def test_an_attack_sees_all_but_the_network_and_its_complement():
    margins = drawn(20, 6)
    target, shadows = margins.attack(3)
    assert target.phi.equal(margins.phi[3])
    assert target.logits.equal(margins.logits[3])
    assert target.population.equal(margins.population[3])
    assert shadows.phi.equal(margins.phi[[4, 5, 0, 1]])
    assert shadows.members.equal(margins.members[[4, 5, 0, 1]])
    assert shadows.pair.tolist() == [1, 0, 3, 2]
    assert margins[torch.tensor([0, 2, 3])].pair.tolist() == [-1, 2, 1]
    unpaired = Margins(margins.phi, margins.members)
    assert len(unpaired.attack(3)[1]) == 5


def test_moments_are_those_of_each_example():
    inside, outside = Margins(TABLE, MEMBERS).inside, Margins(TABLE, MEMBERS).outside
    for example in range(4):
        for moments, mask in ((inside, MEMBERS[:, example]), (outside, ~MEMBERS[:, example])):
            own = TABLE[mask, example]
            assert float(moments.count[example]) == len(own)
            assert float(moments.mean[example]) == pytest.approx(float(own.mean()))
            assert float(moments.squares[example]) == pytest.approx(float(own.var() * (len(own) - 1)))


def changed(value):
    phi = TABLE.clone()
    phi[2, 1] = value
    return phi


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Margins(changed(math.inf), MEMBERS), "infinite, the first that of network 2 on example 1"),
        (lambda: Margins(changed(math.nan), MEMBERS), "network 2 are NaN"),
        (lambda: Margins(TABLE, MEMBERS, population=changed(-math.inf)), "the population are infinite"),
        (lambda: Margins(TABLE, MEMBERS, torch.tensor([1, 0, 3, 2, 5, 5])), "`pair` must name the complement"),
        (lambda: Margins(TABLE, MEMBERS, torch.tensor([2, 3, 0, 1, 5, 4])), "networks 0 and 2 are no complements"),
        (lambda: Margins(TABLE[:2], MEMBERS[:2], torch.tensor([1, 0])).attack(0), "none is left as a shadow"),
        (lambda: Margins(TABLE, MEMBERS).attack(6), "networks 0 to 5"),
        (lambda: margins_of(torch.zeros(2, 1), torch.tensor([0, 0])), "a logit for each class"),
        (lambda: margins_of(torch.zeros(2, 3), torch.tensor([0, 3])), "the labels run from 0 to 3"),
        (lambda: Margins.of([], Examples(torch.zeros(1, 1), torch.tensor([0])), MEMBERS[:0]), "there is none"),
    ],
)
def test_what_cannot_be_attacked_is_told(make, words):
    with pytest.raises(InputError, match=words):
        make()
