"""Seeds are added where a verdict is open and nowhere else, with scores that are made up; and once in earnest."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

import spurlab
from spurlab.cli import main
from spurlab.deciding import bounds, decided, until_decided
from spurlab.studies import StudyError, StudyResult, cells_of, load_study
from spurlab.studies.study import Grid, Study

ACCURACY = 0.9


def study_of(*grids, **settings):
    grids = tuple(Grid(dataset="fashion-mini", architecture="mlp", **grid) for grid in grids)
    return Study(name="made-up", title="?", grids=grids, most=20, **settings)


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
            for measure, value in (("spurious_score", score(cell)), ("accuracy", ACCURACY)):
                lines.append({"measure": measure, "value": value, "training": str(cell)} | about | recipe)
        rows = pd.DataFrame(lines).assign(failed=None)
        return StudyResult(study, rows, Path("nowhere"))

    return run


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
    result = decided(study, made_up(score, asked))
    assert [seeds_of(result, pattern=name) for name in ("R3", "S3", "R1")] == [
        list(range(5)), list(range(5)), list(range(20)),
    ]  # fmt: skip
    rounds = [max(len(grid["seed"]) for grid in each.grids) for each in asked]
    assert rounds == [5, 8, 12, 16, 20]
    assert result.study.most == 20
    again = []
    assert decided(study, made_up(score, again)).rows.equals(result.rows)
    assert Study.model_validate_json(result.study.model_dump_json()) == result.study, "a folder could not hold it"


def test_each_deletion_has_the_seeds_that_it_needs():
    """Nothing done is decided by five networks, a method that forgets by twenty; oracles stay those of the first."""

    def score(cell):
        return 0.8 if cell.deletion in ("none", "prune") else 0.0

    grid = {"pattern": "R3", "n": [10, 100], "seed": [7, 1, 2, 3, 4], "deletion": ["retrain", "prune"]}
    result = decided(study_of(grid, figure="deletion"), made_up(score, []))
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


def test_in_earnest(small, tmp_path, capsys, monkeypatch):
    """Of the two seeds that the study asks for, five or eight are made. Run again, nothing is trained."""
    changes = ["n=[0, 3]", "seed=[3, 5]", "recipe.epochs=1", "pattern='R3'"]
    told = []
    load = {"workers": 0, "load": lambda name: small}
    first = spurlab.run("quickstart", tmp_path, changes=changes, most=8, **load)
    seeds = seeds_of(first)
    assert seeds in ([3, 5, 6, 7, 8], [3, *range(5, 12)])
    assert first.command.endswith(f"--decide --most 8 --out {tmp_path}")
    again = spurlab.run("quickstart", tmp_path, changes=changes, most=8, progress=told.append, **load)
    assert again.rows.equals(first.rows)
    assert max(step.total for step in told) == 0
    monkeypatch.setattr("spurlab.cli._loader", lambda offline: load["load"])
    options = [word for change in changes for word in ("--set", change)]
    main(["plan", "quickstart", *options, "--decide", "--out", str(tmp_path), "--json", "--no-time"])
    planned = json.loads(capsys.readouterr().out)
    assert (planned["trainings_if_decided_at_once"], planned["trainings"], planned["done"]) == (10, 40, 2 * len(seeds))
    impossible = (["--most", "8"], "--most belongs to --decide"), (["--decide", "--most", "0"], "one looks at 5 first")
    for words, sentence in impossible:
        with pytest.raises(SystemExit) as stop:
            main(["run", "quickstart", *words, "--out", str(tmp_path)])
        assert stop.value.code == 2
        assert sentence in capsys.readouterr().err
