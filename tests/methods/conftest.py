"""One problem for all methods: the toy with groups, a clean set and a few to be forgotten."""

from dataclasses import replace

import pytest
import torch
import toys
from toys import needs_curvlinops, needs_opacus, perceptron, seeded, six_of_class_0, toy, trained

from spurlab.deletion import DELETIONS, ByLissa, GroupInfluence, ReferenceInfluence
from spurlab.prevention import PREVENTIONS

NEEDS = {"dp-sgd": needs_opacus, "influence-ekfac": needs_curvlinops}
one_thread_only, recipe = toys.one_thread_only, toys.recipe  # fixtures


class Problem:
    """A network and what methods of both tables are given with it; each may be replaced in one call.

    Args:
        recipe: how the network was trained.
    """

    def __init__(self, recipe):
        self.recipe, self.data, self.clean = recipe, toy(120, "methods", "train"), toy(60, "methods", "clean")
        self.forget = six_of_class_0(self.data)
        self.model = trained(seeded(perceptron), self.data, recipe)
        self._results = {}

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
        marks = [NEEDS.get(name, ()) for _, name in both]
        cases = [pytest.param(*case, marks=mark) for case, mark in zip(both, marks, strict=True)]
        metafunc.parametrize(("table", "name"), cases, ids=ids)
