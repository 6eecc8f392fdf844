"""One thread: the networks here are so small that more only get into each other's way."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass
