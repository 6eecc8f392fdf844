"""What is promised of bits, and in which process; see `spurlab.training.rounding`."""

import logging
import os
import subprocess
import sys

import pytest
import torch

from spurlab.training import fit
from spurlab.training.pool import Order, run_orders
from spurlab.training.recipe import Recipe
from spurlab.training.rounding import placement_moves_bits

PROBE = "from spurlab.training.rounding import placement_moves_bits; print(placement_moves_bits())"
SETTING = "import os, spurlab; print(os.environ['MKL_CBWR'])"


def said_by(program, **environment):
    """The last line that a new process prints which runs the program."""
    given = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"} | environment
    ran = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    return ran.stdout.split()[-1]


def test_import_keeps_bits_from_depending_on_places_unless_somebody_has_decided():
    assert said_by(SETTING) == "AUTO,STRICT"
    assert said_by(SETTING, MKL_CBWR="COMPATIBLE") == "COMPATIBLE"


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this PyTorch multiplies without MKL")
def test_with_mkl_products_do_not_depend_on_places():
    """Whether PyTorch was imported first or not; and of this very process the other tests rely on it."""
    assert said_by(f"import torch; {PROBE}") == "False"
    assert said_by(PROBE) == "False"
    assert not placement_moves_bits()


def test_the_probe_sees_products_that_depend_on_places(monkeypatch):
    """A product that rounds otherwise for one of the sixteen places, in its last bit."""
    mm = torch.mm

    def moved(left, right, out):
        product = mm(left, right, out=out)
        if left.storage_offset() == 5:
            product[0, 0] = torch.nextafter(product[0, 0], torch.tensor(9.0))
        return product

    monkeypatch.setattr(torch, "mm", moved)
    assert placement_moves_bits.__wrapped__()
    monkeypatch.setattr(torch, "mm", mm)
    assert placement_moves_bits.__wrapped__() == placement_moves_bits()


@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.parametrize("engine", ["lockstep", "plain"])
def test_fit_says_where_its_promise_of_bits_does_not_hold(moves, engine, net, members_of, monkeypatch, caplog):
    monkeypatch.setattr(sys.modules["spurlab.training.fit"], "placement_moves_bits", lambda: moves)
    with caplog.at_level(logging.INFO, "spurlab"):
        fit(net, members_of([0, 3]), Recipe(epochs=0), classes=10, engine=engine)
    assert ("MKL_CBWR" in caplog.text) == (moves and engine == "lockstep")


def test_workers_have_the_setting_even_where_this_process_lost_it(monkeypatch, tmp_path):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    (tmp_path / "tells_its_setting.py").write_text(
        "import os\nfrom spurlab.worker import serve\n"
        "serve(lambda content, tell: {'setting': os.environ['MKL_CBWR']})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    ((_, result),) = run_orders(["tells_its_setting"], [Order("an order", {})], 1, lambda *_: None)
    assert result == {"setting": "AUTO,STRICT"}
