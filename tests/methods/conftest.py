"""One problem for all methods: a toy that any network learns, with groups, a clean set and a few to be forgotten."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.deletion import DELETIONS, ByLissa, GroupInfluence, ReferenceInfluence
from spurlab.patterns import Planted
from spurlab.prevention import PREVENTIONS
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, train_one


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="session")
def recipe():
    """How the toy's network is trained."""
    return Recipe(learning_rate=0.01, epochs=12, milestones=(8,), batch_size=16)


def toy(count, name):
    """Points in the plane, in three classes that lie apart; in each class, two groups for one another's fifth."""
    rng = rng_for(0, "test", "methods", name)
    labels = torch.arange(count) % 3
    attribute = (torch.arange(count) // 3 % 5 == 0).long()
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return Examples(centres[labels] + 0.5 * torch.randn(count, 2, generator=rng), labels, 2 * labels + attribute)


class Problem:
    """A network and what methods of both tables are given with it; each may be replaced in one call.

    Args:
        recipe: how the network was trained.
    """

    def __init__(self, recipe):
        self.recipe, self.data, self.clean = recipe, toy(120, "train"), toy(60, "clean")
        self.forget = torch.zeros(120, dtype=torch.bool)
        self.forget[(self.data.labels == 0).nonzero().flatten()[:6]] = True
        self.model = self.trained(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)))
        self._results = {}

    def trained(self, network):
        """A network that was trained on the toy, in evaluation mode."""
        network = train_one(network, Member(Planted.none(self.data), 0), self.recipe)[0].eval()
        network.zero_grad()
        return network

    def after(self, table, name, seed=0, model=None, recipe=None, **given):
        """What a method makes of it."""
        method = short(table.named(name, recipe or self.recipe, seed))
        values = vars(self) | given
        other = values["forget"] if table is DELETIONS else values["clean"]
        return method(model or self.model, values["data"], other)

    def result(self, table, name):
        """What a method makes of it with seed 0, made once: whoever gets it changes nothing in it."""
        if (id(table), name) not in self._results:
            self._results[id(table), name] = self.after(table, name)
        return self._results[id(table), name]


def short(method):
    """The public code's thousands of products of one example, and LiSSA's hundreds, say no more here."""
    if isinstance(method, ReferenceInfluence):
        return replace(method, depth=30)
    if isinstance(method, GroupInfluence) and isinstance(method.inverse, ByLissa):
        return replace(method, inverse=replace(method.inverse, depth=50))
    return method


@pytest.fixture(scope="session")
def problem(recipe):
    """See `Problem`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Problem(recipe)
    torch.set_num_threads(threads)
    return made


def pytest_generate_tests(metafunc):
    """`table` and `name`: each method of both tables; a test may narrow it by a mark."""
    if {"table", "name"} <= set(metafunc.fixturenames):
        chosen = metafunc.definition.get_closest_marker("methods")
        takes = chosen.args[0] if chosen else lambda table, name: True
        both = [(table, name) for table in (DELETIONS, PREVENTIONS) for name in table if takes(table, name)]
        ids = [f"{'deletion' if table is DELETIONS else 'prevention'}-{name}" for table, name in both]
        metafunc.parametrize(("table", "name"), both, ids=ids)
