"""Seeds are added where a verdict is open and nowhere else, with scores that are made up; and once in earnest."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

import spurlab
from spurlab.cli import main
from spurlab.deciding import bounds, decided, until_decided
from spurlab.report import study_figure
from spurlab.report.curves import curves
from spurlab.stats import Looks
from spurlab.studies import Search, StudyError, StudyResult, cells_of, load_study
from spurlab.studies.axes import OF_TRAINING
from spurlab.studies.study import Grid, Study

ACCURACY = 0.9


def study_of(*grids, **settings):
    grids = tuple(Grid(dataset="fashion-mini", architecture="mlp", **grid) for grid in grids)
    return Study(**{"name": "made-up", "title": "?", "grids": grids, "most": 20} | settings)


def made_up(score, asked):
    """Runs a study without training: `score` gives that of a cell. The studies are put into `asked`."""

    def run(study):
        asked.append(study)
        lines = []
        for cell in cells_of(study):
            recipe = asdict(cell.setting.recipe) | {"milestones": " ".join(map(str, cell.setting.recipe.milestones))}
            about = {
                "dataset": cell.setting.dataset,
                "architecture": cell.setting.architecture,
                "how": cell.setting.how,
            }
            about |= {name: getattr(cell, name) for name in ("pattern", "target", "n", "seed", "deletion", "known")}
            about |= {name: dict(cell.extras).get(name, axis.off) for name, axis in OF_TRAINING.items()}
            for measure, value in (("spurious_score", score(cell)), ("accuracy", ACCURACY)):
                lines.append({"measure": measure, "value": value, "training": str(cell)} | about | recipe)
        rows = pd.DataFrame(lines).assign(failed=None)
        return StudyResult(study, rows, Path("nowhere"))

    return run


def from_n_on(smallest):
    """A score that jumps at an n: by pattern and seed."""
    return lambda cell: 0.8 if cell.n >= smallest(cell.pattern, cell.seed) else 0.1


def seeds_of(result, **where):
    rows = result.rows
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return sorted(set(rows["seed"]))


def test_each_curve_has_the_seeds_that_it_needs():
    """R3 is learnt by all, S3 by none: five. R1 by three of four: of 8 and 12 too few, at 16 twelve, at 20 fifteen."""

    def score(cell):
        learnt = {"R3": True, "S3": False, "R1": cell.seed % 4 != 0}[cell.pattern]
        return 0.8 if cell.n and learnt else 0.0

    asked = []
    study = study_of({"pattern": ["R3", "S3", "R1"], "n": [0, 10], "seed": [0, 1, 2, 3, 4]})
    result, still_open = decided(study, made_up(score, asked))
    assert [seeds_of(result, pattern=name) for name in ("R3", "S3", "R1")] == [
        list(range(5)), list(range(5)), list(range(20)),
    ]  # fmt: skip
    rounds = [max(len(grid["seed"]) for grid in each.grids) for each in asked]
    assert rounds == [5, 8, 12, 16, 20]
    assert result.study.most == 20
    assert still_open == (0, 3)
    again = []
    assert decided(study, made_up(score, again))[0].rows.equals(result.rows)
    assert Study.model_validate_json(result.study.model_dump_json()) == result.study, "a folder could not hold it"


def test_what_is_open_with_the_most_networks_is_counted():
    """Half of the networks learn R1, whatever their number; all learn R3."""
    study = study_of({"pattern": ["R3", "R1"], "n": [0, 10], "seed": [0, 1, 2, 3, 4]})
    half, still_open = decided(
        study, made_up(lambda cell: 0.8 * (cell.n > 0 and (cell.pattern == "R3" or cell.seed % 2)), [])
    )
    assert seeds_of(half, pattern="R1") == list(range(20))
    assert still_open == (1, 2)


def test_a_curve_may_be_written_as_several_grids():
    """Nine of ten learn it from 3 on: twelve seeds for each n, however the n are spread over grids."""
    score = from_n_on(lambda pattern, seed: 1000 if seed % 10 == 4 else 3)
    parts = [{"pattern": "R3", "n": [0, n], "seed": [0, 1, 2, 3, 4]} for n in (3, 10)]
    result, still_open = decided(study_of(*parts), made_up(score, []))
    for n in (0, 3, 10):
        assert seeds_of(result, n=n) == list(range(12))
    (curve,) = curves(result.rows, 20)
    assert curve.verdict.n == 3
    assert still_open == (0, 1)


def test_each_deletion_has_the_seeds_that_it_needs():
    """Nothing done is decided by five networks, a method that forgets by twenty; oracles stay those of the first."""

    def score(cell):
        return 0.8 if cell.deletion in ("none", "prune") else 0.0

    grid = {"pattern": "R3", "n": [10, 100], "seed": [7, 1, 2, 3, 4], "deletion": ["retrain", "prune"]}
    result, _ = decided(study_of(grid, figure="deletion"), made_up(score, []))
    for n in (10, 100):
        assert seeds_of(result, deletion="prune", n=n) == [1, 2, 3, 4, 7]
        assert seeds_of(result, deletion="retrain", n=n) == [1, 2, 3, 4, *range(7, 23)]
    assert {cell.oracles for cell in cells_of(result.study)} == {(7, 1, 2, 3, 4)}


def test_what_it_may_cost():
    study = study_of({"pattern": "R3", "n": [0, 10], "seed": [3]})
    assert [len(cells_of(each)) for each in bounds(study)] == [2 * 5, 2 * 20]
    assert [each.axis("seed") for each in bounds(study)] == [tuple(range(3, 8)), tuple(range(3, 23))]


def test_what_cannot_be_decided_is_refused():
    alone = study_of({"seed": [0, 1]}, measure="accuracy")
    with pytest.raises(StudyError, match="asks for neither"):
        decided(alone, made_up(lambda cell: 0.0, []))
    many = study_of({"pattern": "R3", "n": [0, 10], "seed": list(range(21))})
    with pytest.raises(StudyError, match="it has 21 seeds, but is to be decided with 20 at most"):
        decided(many, made_up(lambda cell: 0.0, []))
    for most in (0, 4, 1001):
        with pytest.raises(StudyError, match=f"{most} networks, but one looks at 5 first, and 1000 are the most"):
            until_decided(many, most)
    with pytest.raises(StudyError, match="'most'"):
        load_study("quickstart", changes=["most=3"])
    no_accuracy = study_of({"pattern": "R3", "n": [3], "deletion": ["prune"]}, measure="spurious_score")
    with pytest.raises(StudyError, match="it does not measure accuracy"):
        decided(no_accuracy, made_up(lambda cell: 0.0, []))


@pytest.mark.parametrize(
    ("asked", "most"), [({"most": 8}, 8), ({"decide": True}, 12), ({"decide": True, "most": 8}, 8), ({}, 12)]
)
def test_a_most_that_is_given_comes_first_and_then_the_studys(asked, most):
    study = study_of({"pattern": "R3"})
    assert until_decided(study.model_copy(update={"most": 12}), **asked).most == most
    unsaid = until_decided(study.model_copy(update={"most": None}), **asked).most
    assert unsaid == (asked.get("most") or (20 if asked else None))


def test_in_earnest(small, tmp_path, capsys, caplog, monkeypatch):
    """Of the two seeds that the study asks for, five or eight are made. Run again, nothing is trained."""
    changes = ["n=[0, 3]", "seed=[3, 5]", "recipe.epochs=1", "pattern='R3'"]
    told = []
    load = {"workers": 0, "load": lambda name: small}
    first = spurlab.run("quickstart", tmp_path, changes=changes, most=8, **load)
    seeds = seeds_of(first)
    assert seeds in ([3, 5, 6, 7, 8], [3, *range(5, 12)])
    assert set(first.rows["most"]) == {8}
    assert first.command.endswith(f"--decide --most 8 --out {tmp_path}")
    again = spurlab.run("quickstart", tmp_path, changes=changes, most=8, progress=told.append, **load)
    assert again.rows.equals(first.rows)
    assert max(step.total for step in told) == 0
    monkeypatch.setattr("spurlab.cli._loader", lambda offline: load["load"])
    kept = [spurlab.commands.verdicts_in(tmp_path), first.verdicts]
    assert all(
        part.question.looks == Looks(8) for verdicts in kept for one in verdicts for part in one.parts if part.models
    )
    options = [word for change in changes for word in ("--set", change)]
    main(["plan", "quickstart", *options, "--decide", "--out", str(tmp_path), "--json", "--no-time"])
    planned = json.loads(capsys.readouterr().out)
    assert (planned["trainings_if_decided_at_once"], planned["trainings"], planned["done"]) == (10, 40, 2 * len(seeds))
    main(["run", "quickstart", *options, "--decide", "--most", "8", "--out", str(tmp_path), "--json"])
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == len(first.rows)
    count, verdicts = first.still_open
    assert verdicts == 1
    still_open = "1 of 1 verdicts is still open (that of a curve until n* lies between neighbouring n)"
    assert f"{still_open if count else 'the verdict is decided'}, with 8 networks at most\n" in printed.err
    assert not caplog.messages
    spurlab.run("quickstart", tmp_path, changes=changes, most=9, **load)
    assert "it was decided with 8 networks at most, and now 9: who raises the most" in caplog.text
    impossible = (["--most", "8"], "--most belongs to --decide"), (["--decide", "--most", "0"], "one looks at 5 first")
    for words, sentence in impossible:
        with pytest.raises(SystemExit) as stop:
            main(["run", "quickstart", *words, "--out", str(tmp_path)])
        assert stop.value.code == 2
        assert sentence in capsys.readouterr().err


def test_an_interrupted_run_goes_on_where_it_was(small, tmp_path):
    """Stopped when the first networks are there, the same call trains only the others, and gives the same rows."""
    changes = ["n=[0, 3]", "seed=[0]", "recipe.epochs=1", "pattern='R3'"]
    load = {"most": 5, "workers": 0, "load": lambda name: small}

    def stop(step):
        if step.networks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spurlab.run("quickstart", tmp_path / "stopped", changes=changes, progress=stop, **load)
    told = []
    resumed = spurlab.run("quickstart", tmp_path / "stopped", changes=changes, progress=told.append, **load)
    assert told[0].networks > 0
    assert max(step.total for step in told) < 10, "everything was trained anew"
    whole = spurlab.run("quickstart", tmp_path / "whole", changes=changes, **load)
    numbers = ["measure", "pattern", "n", "seed", "value", "training"]
    assert resumed.rows[numbers].equals(whole.rows[numbers])


GRID = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]


def test_a_search_says_what_the_whole_grid_says_with_a_third_of_its_networks():
    """R3 is learnt from 3 on by all, S3 from 10 on by all but one, R1 never."""
    score = from_n_on(lambda pattern, seed: {"R3": 3, "S3": 15 if seed == 3 else 10, "R1": 1000}[pattern])
    asked = []
    study = study_of({"pattern": ["R3", "S3", "R1"], "n": GRID, "seed": [0, 1, 2, 3, 4, 5, 6]}, search="n", most=None)
    result = Search(made_up(score, asked))(study)
    whole = made_up(score, [])(study)
    found = {curve.pattern: curve for curve in curves(result.rows, search="n")}
    for curve in curves(whole.rows):
        assert (found[curve.pattern].verdict.n, found[curve.pattern].verdict.above) == (
            curve.verdict.n, curve.verdict.above,
        )  # fmt: skip
    networks = {
        name: sum(len(part) for n, part in table.groupby("n"))
        for name, table in result.rows[result.rows["measure"] == "spurious_score"].groupby("pattern")
    }
    assert networks["R3"] <= 91 / 3
    assert networks["R1"] <= 91 / 3
    assert networks["S3"] <= 91 * 0.4, "one network that differs costs a few more"
    assert str(found["S3"].verdict) == "7 < n* <= 15 (95 %, if the curve rises)"
    assert all(seeds_of(result, pattern=name, n=0) == [0, 1, 2, 3, 4, 5, 6] for name in found)
    again = Study.model_validate_json(result.study.model_dump_json())
    assert again == result.study, "a folder could not hold it"
    assert again.search == "n"


def test_the_figure_of_a_search_has_a_dot_for_each_network_and_means_of_all_seeds_alone():
    """A single network is a dot, not a mean; every n that was asked has its place."""
    score = from_n_on(lambda pattern, seed: 3)
    study = study_of({"pattern": "R3", "n": GRID, "seed": list(range(7))}, search="n", most=None)
    result = Search(made_up(score, []))(study)
    (curve,) = curves(result.rows, search="n")
    axes = study_figure(result).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(point.n) for point in curve.points]
    lines = axes.get_lines()
    dots = {round(line.get_xdata()[0]): len(line.get_xdata()) for line in lines if line.get_label() == "_networks"}
    assert dots == {place: point.score.models for place, point in enumerate(curve.points)}
    assert {1, 7} <= set(dots.values())
    (means,) = (line for line in lines if line.get_label() == "R3")
    drawn = {place for place, value in enumerate(means.get_ydata()) if math.isfinite(value)}
    assert drawn == {place for place, networks in dots.items() if networks == 7}


def test_seeds_are_added_to_a_search():
    """Nine of ten networks learn it from 3 on: eight do not decide that; those asked first are not asked again."""
    score = from_n_on(lambda pattern, seed: 1000 if seed % 10 == 4 else 3)
    asked = []
    study = study_of({"pattern": "R3", "n": GRID, "seed": [0, 1, 2, 3, 4]}, search="n")
    result, _ = decided(study, Search(made_up(score, asked)))
    (curve,) = curves(result.rows, study.most, "n")
    assert seeds_of(result) == list(range(12))
    assert (curve.verdict.n, curve.verdict.above) == (3, 2)
    assert Looks(20, 0.05 / 4).needed(12) == 11
    assert Looks(20, 0.05 / 4).needed(8) == 8
    sizes = [len(cells_of(each)) for each in asked]
    assert sizes == sorted(sizes)
    assert sizes[-1] < len(GRID) * 12 / 3


def test_a_diverged_network_is_left_out_of_a_search():
    def score(cell):
        return float("nan") if cell.seed == 2 and cell.n >= 7 else 0.8 * (cell.n >= 3)

    study = study_of({"pattern": "R3", "n": GRID, "seed": list(range(8))}, search="n", most=None)
    result = Search(made_up(score, []))(study)
    (curve,) = curves(result.rows, search="n")
    assert curve.verdict.n == 3
    assert curve.diverged in ((), (2,))
    none_left = Search(made_up(lambda cell: float("nan"), []))(study)
    (curve,) = curves(none_left.rows, search="n")
    assert not curve.verdict.decided


def test_what_cannot_be_searched_is_refused():
    def refused(why, *grids, **settings):
        with pytest.raises(StudyError, match=why):
            Search(made_up(lambda cell: 0.0, []))(study_of(*grids, search="n", **settings))

    curve = {"pattern": "R3", "n": [0, 10], "seed": list(range(7))}
    refused("takes 7 seeds, but a grid has 6", curve | {"seed": list(range(6))}, most=None)
    refused("nothing else is done to networks", curve | {"deletion": ["retrain"]}, figure="deletion")
    refused("nothing else is done to networks", {"seed": list(range(7))}, measure="accuracy")
    refused("the measure 'spurious_score'", curve, measure="accuracy")
    refused("no sample of all", curve, figure="bars")
    refused("no sample of all", curve, claims=[1])
    refused("among 15 n at most, but a curve has 16", curve | {"n": list(range(17))})
    with pytest.raises(StudyError, match="key 'search': must be 'n', but it is 'm'"):
        load_study("quickstart", changes=["search=m"])


def test_a_search_in_earnest(small, tmp_path, capsys):
    """Table, figure, page and claims of what was searched; run again, nothing is trained."""
    changes = ["n=[0, 3, 30]", "seed=[0, 1, 2, 3, 4, 5, 6]", "recipe.epochs=1", "pattern='R3'", "search=n"]
    told = []
    load = {"workers": 0, "load": lambda name: small}
    first = spurlab.run("quickstart", tmp_path, changes=changes, **load)
    assert first.study.search == "n"
    assert {len(grid["n"]) for grid in first.study.grids} <= {1, 2}, "each n has seeds of its own"
    again = spurlab.run("quickstart", tmp_path, changes=changes, progress=told.append, **load)
    assert again.rows.equals(first.rows)
    assert max(step.total for step in told) == 0
    assert first.verdicts == ()
    main(["report", str(tmp_path)])
    capsys.readouterr()
    page = (tmp_path / "report.html").read_text()
    assert "n* was searched" in page
    options = [word for change in changes for word in ("--set", change)]
    main(["plan", "quickstart", *options, "--out", str(tmp_path), "--json", "--no-time"])
    planned = json.loads(capsys.readouterr().out)
    assert (planned["search"], planned["trainings"]) == ("n", 21), "every n of seven seeds, which it does not train"
    main(["claims", str(tmp_path)])
    assert capsys.readouterr().out.startswith("n* was searched here")
    assert "networks trained" in page
