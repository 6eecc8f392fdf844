"""What the command line does, a few lines of Python do too."""

import json
import shlex

import pytest

import spurlab
from spurlab.cli import main
from spurlab.commands import Finished, folder_of, verdicts_in, verdicts_on, write_page
from spurlab.errors import InputError
from spurlab.studies import StudyError, load_study, results_in

CHANGES = ["n=[0, 3]", "seed=[3, 5, 7]", "recipe.epochs=1", "pattern=['R3', 'S3']"]


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return spurlab.run("quickstart", folder, changes=CHANGES, workers=0, load=lambda name: small)


def test_run_does_all_that_the_command_does(finished):
    """Rows, verdicts on all claims that they bear on, and every file: those that the command writes as well."""
    assert isinstance(finished, Finished)
    [kept] = results_in(finished.folder)
    assert finished.rows.equals(kept.rows)
    assert list(finished.verdicts) == verdicts_on([kept])
    assert 1 in [verdict.claim.number for verdict in finished.verdicts]  # its rows bear on it, whoever asks
    assert {path.suffix for path in finished.written} == {".csv", ".parquet", ".png", ".pdf", ".svg"}
    assert all(path.stat().st_size for path in finished.written)
    options = [word for change in CHANGES for word in ("--set", change)]
    assert shlex.split(finished.command) == ["spurlab", "run", "quickstart", *options, "--out", str(finished.folder)]


def test_a_notebook_shows_its_tables_and_verdicts(finished, page):
    """The scores at each n as on the terminal, and the outcome of each claim that the rows bear on."""
    seen = page(finished)
    assert seen.words.count("spurious score") == len({"R3", "S3"})
    assert "claim 1" in seen.words
    assert finished.verdicts[0].outcome in seen.words
    assert page(finished.verdicts[0]).of("strong")
    networks = 3 + 2 * 3  # of three seeds without marks, and of two marks at n = 3
    told = f"{len(finished.rows)} numbers of {networks} networks"
    assert repr(finished) == f"<Finished 'quickstart': {told}, in '{finished.folder}'>"
    [kept] = results_in(finished.folder)
    assert "spurious_score" in page(kept).words


def test_a_part_of_a_study_leaves_the_files_of_the_whole(finished, small):
    before = {path: path.read_bytes() for path in finished.written}
    part = spurlab.run(
        "quickstart", finished.folder, changes=CHANGES, only=["pattern=R3"], workers=0, load=lambda name: small
    )
    assert part.part_of == finished.study.model_copy(update={"origin": ""})
    assert part.written == ()
    assert set(part.rows["pattern"].dropna()) == {"R3"}
    assert {path: path.read_bytes() for path in finished.written} == before


def test_verdicts_and_the_page_are_those_of_the_commands(finished, capsys):
    assert verdicts_on(results_in(finished.folder)) == verdicts_in(finished.folder)
    main(["claims", str(finished.folder), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert [line["number"] for line in printed] == [verdict.claim.number for verdict in verdicts_in(finished.folder)]
    page, *figures = write_page(finished.folder)
    assert page.name == "report.html"
    assert figures


def test_what_cannot_be_run_is_said_before_anything_is_made(tmp_path):
    study = load_study("quickstart", changes=CHANGES)
    with pytest.raises(InputError, match="are of a study by its name"):
        spurlab.run(study, tmp_path / "out", changes=["n=3"])
    for key, words in (("claims", "99"), ("figure", "'hologram'")):
        value = (99,) if key == "claims" else ("hologram",)
        with pytest.raises(StudyError, match=words):
            spurlab.run(study.model_copy(update={key: value}), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_results_go_to_a_folder_named_after_the_study():
    assert [str(folder_of(name)) for name in ("quickstart", "mine/small.toml")] == ["out/quickstart", "out/small"]
    dotted = load_study("quickstart", changes=CHANGES).model_copy(update={"name": "mine.v1"})
    assert str(folder_of(dotted)) == "out/mine.v1"
    assert str(folder_of("quickstart", "elsewhere")) == "elsewhere"
