"""Benchmarks can be asked what they do, and the numbers of two machines are compared. Nothing is timed.

Of the one about the law, its own computations are tested too.
"""

import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spurlab.metrics import spurious_score
from spurlab.patterns import Planted, make_pattern, own_mark, plant
from spurlab.theory import ntk_relu, ntk_rise
from spurlab.training import predictions

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
SHARED = ("lockstep", "machine", "reporting")  # by the others, not to be run


@pytest.fixture(scope="module")
def imported():
    """Imports a script by its name; their names are free again afterwards."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in NAMES:
        sys.modules.pop(name, None)


def helped(script, monkeypatch, capsys) -> str:
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHARED])
def test_each_script_says_what_it_does(imported, monkeypatch, capsys, name):
    script = imported(name)
    assert script.__doc__
    assert script.__doc__.split("\n", 1)[0] in helped(script, monkeypatch, capsys)


def test_all_runs_scripts_that_have_a_short_and_a_full_plan_and_write_json(imported, monkeypatch, capsys):
    for name in imported("all").BENCHMARKS:
        told = helped(imported(name), monkeypatch, capsys)
        assert "--full" in told, name
        assert "--json [FILE]" in told, name


def test_make_bench_and_docs_know_them_all(imported):
    table = (FOLDER.parent / "docs" / "benchmarks.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == imported("all").BENCHMARKS
    assert "benchmarks/all.py" in (FOLDER.parent / "Makefile").read_text()


def machine_file(path: Path, cpu: str, rows: dict[tuple[str, str], float], full: bool = False) -> Path:
    """As a run of one benchmark leaves it."""
    about = {"cpu": cpu, "model": "", "amx": False, "cores": 2, "memory_gb": 8, "torch": "2.9.0"}
    told = [{"name": name, "value": value, "unit": unit, "samples": []} for (name, unit), value in rows.items()]
    goals = [{"name": "plain / fit", "value": 3.0, "low": 3.0, "high": 3.0, "goal": 2.0, "at_most": False, "met": True}]
    part = {"when": "2026-01-02T03:04:05+00:00", "full": full, "status": 0, "seconds": 9, "rows": told, "goals": goals}
    path.write_text(json.dumps({"machine": about, "benchmarks": {"signals": part}}))
    return path


def test_two_machines_are_compared_by_the_numbers_that_both_have(imported, monkeypatch, capsys, tmp_path):
    a = machine_file(tmp_path / "a.json", "Slow", {("fit", "s"): 6.0, ("JAX", "s"): 1.0}, full=True)
    b = machine_file(tmp_path / "b.json", "Quick", {("fit", "s"): 4.0, ("memory", "MB"): 5.0, ("none", "s"): 0.0})
    table, said = imported("all").compare(json.loads(a.read_text()), json.loads(b.read_text()))
    assert table == [
        ("signals", "fit", "s", "6", "4", "1.50"),
        ("signals", "goal: plain / fit", "", "3", "3", "1.00"),
    ]
    assert said[0] == "A: Slow, 2 cores, 8 GB, torch 2.9.0, 2026-01-02"
    assert "Left out, since only A has them: 1." in said
    assert "Left out, since only B has them: 2." in said
    assert "One ran with --full and the other without: signals." in said

    monkeypatch.setattr(sys, "argv", ["all.py", "--compare", str(a), str(b), "--markdown"])
    assert imported("all").main() == 0
    assert "| signals | fit | s | 6 | 4 | 1.50 |" in capsys.readouterr().out


def test_a_file_is_named_after_the_machine(imported):
    about = {
        "cpu": "Intel(R) Xeon(R) @ 2.50GHz",
        "model": "85",
        "amx": True,
        "cores": 8,
        "torch": "2.9.0+cpu",
    }
    assert imported("machine").file_name(about) == "intel-xeon-2.50ghz-85-amx-8cores-torch2.9.0.json"


def test_a_benchmark_that_fails_is_named_and_the_others_go_on(imported, monkeypatch, capsys, tmp_path):
    every = imported("all")
    (tmp_path / "broken.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "fine.py").write_text(
        "import json, sys\nfrom pathlib import Path\n"
        "Path(sys.argv[-1]).write_text(json.dumps({'rows': [{'name': 'x', 'value': 1.0, 'unit': 's'}], 'goals': []}))\n"
    )
    monkeypatch.setattr(every, "HERE", tmp_path)
    out = tmp_path / "out" / "here.json"
    assert not every.run(["broken", "fine"], False, out)
    parts = json.loads(out.read_text())["benchmarks"]
    assert (parts["broken"]["status"], parts["fine"]["status"]) == (3, 0)
    assert every.numbers(json.loads(out.read_text())) == {("fine", "x", "s"): 1.0}
    assert "FAILED, exit status 3" in capsys.readouterr().out

    (tmp_path / "broken.py").write_text("")
    assert every.run(["broken"], False, out), "one that is run again by its name replaces its own part"
    assert set(json.loads(out.read_text())["benchmarks"]) == {"broken", "fine"}


def test_what_the_script_of_the_law_lays_beside_measurements_is_theory(imported, mini):
    """The kernel that is kept gives what `ntk_rise` computes anew, and noise in many draws what ridge does.

    Of 60 draws of 300 images the shift of ten marked ones is off by some percent (sets of draws differ by 3 %); with
    half the square of the sd it would be by more than a fifth.
    """
    law = imported("law")
    data = replace(mini, train=mini.train[torch.arange(300)], test=mini.test[torch.arange(50)])
    pattern, test = make_pattern("R3", data.shape, seed=0), data.test.inputs
    among = ntk_relu(data.train.inputs, data.train.inputs)
    kernels = law.Kernels(data.train, among, test, pattern(test))
    for planted in (Planted.none(data.train), plant(data.train, pattern, 0, 5, 0)):
        seen = planted.materialize()
        wanted = ntk_rise(seen.inputs, seen.labels, test, pattern(test), 0)
        torch.testing.assert_close(kernels.rise(planted), wanted, rtol=1e-7, atol=1e-9)
        assert (wanted > 0.1).any()
    (noisy,) = law.noise(data, (10,), (0.5,), (60,), 1)
    assert noisy.ratios[0] == pytest.approx(1, abs=0.08)
    assert noisy.half > 1.2
    assert noisy.twice < 0.8


def test_the_searched_decay_is_where_the_score_crosses(imported, mini, monkeypatch):
    """The score is computed again at the decay that is found, and at the one a step below it."""
    law = imported("law")
    monkeypatch.setattr(law, "STEPS", 4)
    data = replace(mini, train=mini.train[torch.arange(300)], test=mini.test[torch.arange(200)])
    mark = own_mark({"box": 4, "value": 1.0}, data.shape)
    planted = plant(data.train, mark, 0, 10, 0)
    found = law.searched(data, planted, mark, 0)

    def score(decay):
        network = law.Solver(data, planted).at(decay)
        clean, marked = (predictions(network, inputs) for inputs in (data.test.inputs, mark(data.test.inputs)))
        return spurious_score(clean, marked, 0).item()

    assert score(found) <= law.BOUND < score(found / 10 ** (1 / law.COARSE / 2**law.FINE))
