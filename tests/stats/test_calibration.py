"""Stated levels hold on networks that were really trained: a small, fixed part of `benchmarks/calibration.py`."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

TRIALS = 80
SLOW = ("error: best of 16 methods above zero",)


@pytest.fixture(scope="module")
def calibration():
    path = Path(__file__).parents[2] / "benchmarks" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


@pytest.mark.slow
def test_intervals_cover_and_tests_err_as_stated(calibration):
    """At five networks (where that takes more, at 20), as far from what is stated as 80 trials are once in 10,000.

    That is exact (binomial) for a procedure at its very level; most are far from it. The seed is fixed.
    """
    wrong = []
    for procedure in calibration.PROCEDURES:
        if procedure.nominal is None or procedure.name in SLOW:
            continue
        fewest, most = (float(end) / TRIALS for end in binom.ppf([1e-4, 1 - 1e-4], TRIALS, procedure.nominal))
        for pool in list(calibration.pools().values())[: None if procedure.pooled else 1]:
            networks = 20 if procedure.name.startswith("error: forgets, ") else 5
            measured = calibration.measure(procedure, pool, networks, TRIALS).measured
            low, high = (fewest, 1) if procedure.covers else (0, most)
            if not low <= measured <= high:
                wrong.append((procedure.name, pool.name, measured))
    assert not wrong


def test_what_is_there_is_found(calibration):
    """At five networks: a method that does nothing always, forgetting in more than half of studies, as is a curve.

    The shares are .7 to 1, so of 80 below .4 one in a million would fall.
    """
    for name, least in (("power: does not forget", 0.95), ("power: forgets or no leftover seen", 0.4)):
        (procedure,) = (procedure for procedure in calibration.PROCEDURES if procedure.name == name)
        for pool in calibration.pools().values():
            assert calibration.measure(procedure, pool, 5, TRIALS).measured > least, (name, pool.name)


def test_a_table_of_the_results_has_a_line_for_each_procedure(calibration):
    results = [calibration.Measured("error: x", pool, m, 0.05, 0.04, 100) for pool in ("a", "b") for m in (5, 20)]
    assert calibration.as_markdown(results)[2:] == ["| error: x | 0.05 | 0.040 0.040 | 0.040 0.040 |"]
    assert results[0].error == pytest.approx(math.sqrt(0.04 * 0.96 / 100))
