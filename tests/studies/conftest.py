"""A small data set and a small study of it, for tests that train."""

from functools import partial

import pytest

from spurlab.studies import Room, load_study, run, work_of

CHANGES = ("n=[0, 40]", "seed=[3, 5]", "recipe.epochs=2", "architecture=small-mlp", "target=1")


@pytest.fixture(scope="session")
def study_of():
    """changes -> the quickstart on few small networks, changed further."""
    return lambda *changes: load_study("quickstart", changes=[*CHANGES, *changes])


@pytest.fixture(scope="session")
def ran(small):
    """(study, folder) -> its result, made in this process on the small data."""
    return partial(run, workers=0, load=lambda name: small)


@pytest.fixture(scope="session")
def number():
    """(rows, measure, column=value, ...) -> the one number of these rows."""

    def only(rows, measure, **where):
        for column, value in {"measure": measure, **where}.items():
            rows = rows[rows[column] == value]
        [value] = rows["value"]
        return value

    return only


@pytest.fixture
def tasks_of(small, tmp_path):
    """(study, workers, memory, device) -> the tasks of its first phase."""

    def tasks(study, workers=1, memory=10**10, device="cpu"):
        return work_of(study, {"fashion-mini": small}).phases(Room(workers, memory), tmp_path, device)[0]

    return tasks
