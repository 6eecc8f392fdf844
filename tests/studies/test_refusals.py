"""Studies that cannot be are refused before anything is trained or recorded; those in a folder are passed over."""

import json
import logging
import math
import os
import re

import pytest

from spurlab.cli import main
from spurlab.studies import Store, StoreError, StudyError, cells_of, load_study, results_in, studies_in
from spurlab.studies.records import Record
from spurlab.studies.study import MOST_ROWS

TEXT = 'title = "t"\ndataset = "fashion-mini"\narchitecture = "logistic"\npattern = "R3"\n'
SCREEN = 24 * 80
AXES = ("decay", "momentum", "input_noise")


def refused(path, text, words):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError, match=words) as error:
        load_study(path)
    assert str(path) in str(error.value)[:200]
    assert len(str(error.value)) < SCREEN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recipe = []", "key 'recipe' is a table"),
        ('recipe = [{ epochs = 3, milestones = [1], optimizer = "adam" }]', "key 'recipe' is a table"),
        ('recipe = [{ epochs = 3, milestones = [100], learning_rate = "x" }]', "key 'recipe' is a table"),
        ("recipe.epochs = 1" + 30 * "0", "`epochs` of a recipe must be 1e.09 at most"),
        ("recipe.batch_size = 1" + 30 * "0", "`batch_size` of a recipe must be 1e.09 at most"),
        ("recipe.milestones = [1" + 30 * "0" + "]", "`milestones` of a recipe must be 1e.09 at most"),
        ("recipe.learning_rate = 1e308", "`learning_rate` of a recipe must be 1e.38 at most"),
        ("recipe.weight_decay = 1e308", "`weight_decay` of a recipe must be 1e.38 at most"),
        ("recipe.learning_rate = nan", "`learning_rate` of a recipe must be above 0"),
        ("recipe.clip_norm = nan", "`clip_norm` of a recipe"),
        ("recipe.batch_size = -1", "`batch_size` of a recipe must be 1 or more"),
        ("recipe.batch_size = 128.0", "'recipe.batch_size': must be a whole number"),
        ("recipe.epochs = 0\nrecipe.milestones = [3]", "'recipe.milestones'.*never reached in 0 epochs"),
        ('recipe.milestones = ["1"]', "'recipe.milestones': must be a whole number"),
        ("recipe.milestones = [true]", "'recipe.milestones': must be a whole number"),
        ("recipe.name = [[1]]", "'recipe.name': there is no recipe"),
        ("n = 1" + 30 * "0", "key 'n'"),
        ("n = 1" + 5000 * "0", "thousands of digits"),
        ("known = 1" + 400 * "0", "key 'known'"),
        ("title = 1979-05-27", "not valid TOML"),  # a second title
        ("source = 1979-05-27", "key 'source': must be text"),
        (".".join("a" * 20_000) + " = 1", "a key has too many parts"),
        ("[" + " . ".join(["'a b'"] * 20_000) + "]", "a key has too many parts"),
        ("recipe.milestones = " + 900 * "[" + 900 * "]", "nested too deep"),
        ("recipe = " + 300 * "{ a = " + "1" + 300 * "}", "nested too deep"),
        ("seed = " + 30 * "[" + 30 * "]", "nested too deep"),
        (f"seed = {list(range(3000))}\ntarget = {list(range(10))}\nn = {list(range(40))}", "24[0-9],000 rows|2,.*rows"),
        ("".join(f"recipe.{key} = {[i / 99 for i in range(1, 99)]}\n" for key in AXES), "941,192 recipes"),
        ("#" + 2**20 * "x", "more than the 1,048,576 bytes"),
        ("pattern = " + repr("x" * 100_000), "not valid TOML"),
        ('how = "' + 100_000 * "x" + '"', "key 'how'"),
        ("x" * 100_000 + " = 1", "unknown key 'xxx"),
        ('dataset2 = "npz:~nobody-of-this-name/x"', "unknown key 'dataset2'"),
        (b"\xff\xfe", "no text in UTF-8"),
    ],
)  # fmt: skip
def test_it_is_refused_with_file_and_key(tmp_path, text, words):
    refused(tmp_path / "x.toml", (TEXT.encode() if isinstance(text, bytes) else TEXT) + text, words)


def test_every_point_is_counted_before_one_is_made():
    """As many as there are, or more where two grids share some; the limit is on these."""
    for name in ("quickstart", "fig6-deletion", "prevention", "quinn", "regularization", "deletion"):
        study = load_study(name, "quick")
        assert len(cells_of(study)) <= sum(grid.cells_at_most for grid in study.grids) < 2.5 * len(cells_of(study))
    seeds = MOST_ROWS // (2 * 7)  # the quickstart has two measures, two patterns
    with pytest.raises(StudyError, match=r"rows \(cells times measures\), but 1,000,000 are the most of one study"):
        load_study("quickstart", changes=[f"seed={list(range(seeds))}", f"n={list(range(10))}"])


@pytest.mark.parametrize("name", ["...toml", "..toml", ".toml", ".x.toml", " .toml", "a\nb.toml", "x" * 120 + ".toml"])
def test_a_file_whose_name_can_name_no_results(tmp_path, name):
    """``...toml`` would be the study ``..``, whose files stand above its folder."""
    path = tmp_path / name
    path.write_text(TEXT)
    with pytest.raises(StudyError, match=r"key 'name': .* cannot name a study|there is no study"):
        load_study(path)


@pytest.mark.parametrize("name", ["", " ", "..", ".x", "a/b", "../a", "a\\b", "\x00", "\x1b[2J", "\udcff"])
def test_a_name_that_can_name_no_results_is_not_recorded(tmp_path, ran, study_of, name):
    study = study_of("n=0", "recipe.epochs=0").model_copy(update={"name": name})
    with pytest.raises(StudyError, match="cannot be recorded"):
        ran(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_file_is_refused(tmp_path):
    """A pipe would be waited for."""
    os.mkfifo(tmp_path / "pipe.toml")
    for name in (tmp_path / "pipe.toml", "/dev/zero", "", "x" * 5000, "x" * 5000 + ".toml", "a\0b", "a\0b.toml"):
        with pytest.raises(StudyError) as error:
            load_study(name)
        assert len(str(error.value)) < SCREEN


@pytest.mark.parametrize("change", ["=".join(["a" + ".a" * 20_000, "1"]), "seed=" + 900 * "[" + 900 * "]"])
def test_a_change_has_limits_too(change):
    with pytest.raises(StudyError) as error:
        load_study("quickstart", changes=[change])
    assert len(str(error.value)) < SCREEN


def test_nothing_is_recorded_that_could_not_be_read_again(tmp_path, ran, study_of):
    """Python can make studies that no file can: text that is no Unicode, a copy with anything in it."""
    good = study_of("n=0", "recipe.epochs=0")
    grid = good.grids[0].only("recipe", ())
    for bad in (good.model_copy(update={"title": "\udcff"}), good.model_copy(update={"grids": (grid,)})):
        with pytest.raises(StudyError, match=r"study 'quickstart' cannot be recorded"):
            ran(bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()


RECORDS = {
    "empty recipe": lambda s: s["grids"][0].update(recipe=[]),
    "recipe of a table": lambda s: s["grids"][0].update(recipe={"name": "quick"}),
    "recipe of another version": lambda s: s["grids"][0]["recipe"][0].update(sharpness=3),
    "a wrong type": lambda s: s["grids"][0]["recipe"][0].update(learning_rate="fast"),
    "no milestones": lambda s: s["grids"][0]["recipe"][0].pop("milestones"),
    "not a number": lambda s: s["grids"][0]["recipe"][0].update(learning_rate=math.nan),
    "a name above": lambda s: s.update(name="../../x"),
    "a figure above": lambda s: s.update(figure="../hologram"),
    "too many": lambda s: s["grids"][0].update(seed=list(range(10_000)), target=list(range(1000))),
    "long": lambda s: s["grids"][0].update(architecture="x" * 100_000),
}


def recorded(folder, name, settings, data):
    """Record a study as a version did that took it."""
    with Store(folder) as store, store._transaction() as connection:
        connection.execute("INSERT INTO study VALUES (?, ?, ?, ?, ?)", (name, settings, data, "", "2020"))
        store._seal_studies()


@pytest.mark.parametrize("bad", [*RECORDS, "json", "nested", "checksums", "no text"])
def test_a_bad_study_locks_no_folder(tmp_path, ran, study_of, bad, caplog, capsys):
    """It is passed over with one sentence; studies that can be read are read, run and reported."""
    folder, good = tmp_path / "out", study_of("n=0", "recipe.epochs=0", "recipe.milestones=[]")
    rows = ran(good, folder).rows
    settings, sums = json.loads(good.model_dump_json()), {"fashion-mini": "c0ffee"}
    RECORDS.get(bad, lambda _: None)(settings)
    text = {"json": "{", "nested": 5000 * "["}.get(bad, json.dumps(settings))
    data = {"checksums": "{}", "no text": b"\xff"}.get(bad, json.dumps(sums))
    recorded(folder, good.name, text.replace('"title": "', '"title": "other '), data)
    with caplog.at_level(logging.WARNING):
        [result] = results_in(folder)
    assert result.rows["value"].equals(rows["value"])
    [said] = [record.getMessage() for record in caplog.records]
    assert re.match(rf"{re.escape(str(folder))}: passed over, the (study|record of) 'quickstart'", said)
    assert len(said) < SCREEN
    assert studies_in(folder) == [good.model_copy(update={"origin": ""})]
    assert ran(good, folder).rows["value"].equals(rows["value"])
    for command in ("claims", "report") if bad == "empty recipe" else ("claims",):  # a page takes seconds
        main([command, str(folder), "--json"])
    assert "Traceback" not in capsys.readouterr().err


def test_a_figure_of_tomorrow_locks_no_folder(tmp_path, ran, study_of, small, capsys):
    """A study whose figure this version does not know is read, and so is all beside it."""
    folder, good = tmp_path / "out", study_of("n=0", "recipe.epochs=0", "recipe.milestones=[]")
    rows = ran(good, folder).rows
    settings = json.loads(good.model_dump_json()) | {"figure": "hologram", "title": "other"}
    recorded(folder, good.name, json.dumps(settings), json.dumps({"fashion-mini": small.checksum}))
    results = {result.study.main_figure: result for result in results_in(folder)}
    assert set(results) == {good.main_figure, "hologram"}
    assert all(result.rows["value"].equals(rows["value"]) for result in results.values())
    assert ran(good, folder).rows["value"].equals(rows["value"])
    for command in ("claims", "report"):
        main([command, str(folder), "--json"])
    assert "Traceback" not in capsys.readouterr().err


def test_where_no_study_can_be_read_it_says_why(tmp_path):
    with Store(tmp_path) as store:
        store.record(Record("x", "{}", {}, "", ""))
    with pytest.raises(StoreError, match=r"no study in .* can be read: the study 'x' was recorded with settings that"):
        results_in(tmp_path)
