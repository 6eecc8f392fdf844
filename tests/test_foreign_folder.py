"""A results folder of somebody else's that names code and paths: reading it runs and opens nothing that it names."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spurlab.claims import decide
from spurlab.cli import app, main
from spurlab.data import load
from spurlab.models import is_user_name, source_digest
from spurlab.report import study_tables, write_report
from spurlab.studies import (
    Store,
    StudyError,
    cells_of,
    load_study,
    plan,
    results_in,
    rows_of,
    run,
    studies_in,
    together,
    work_of,
)
from spurlab.studies.records import Record
from spurlab.studies.results import _recorded
from spurlab.studies.subjects import Finished
from spurlab.studies.weights import weights_file
from spurlab.studies.work import key_of, request_of

TELL = """
from pathlib import Path

def tell(what):
    with Path({trace!r}).open("a") as file:
        file.write(what)

tell(__name__ + " was imported; ")

def make(*given):
    tell("called; ")
    raise SystemExit("somebody else's code was called")

prevent = forget = make
"""
TINY = ["seed=[0]", "recipe.epochs=0", "recipe.milestones=[]"]
# of every kind of code, and of every figure that asks for data or networks
STUDIES = {
    "quinn": [
        'dataset="mnist1d@100"',
        'architecture=["evil.mod:make", "mnist1d-mlp"]',
        'prevention=["dfr-plain", "evil.mod:prevent", "evil.top.mod:prevent"]',
        'figure=["saliency", "embeddings", "signals", "repairs"]',
    ],
    "fig6-deletion": [
        "dataset=fashion-mini",
        'architecture=["evil.mod:make", "logistic"]',
        'deletion=["evil.mod:forget", "evil.top.mod:forget", "eviltop:forget"]',
        "n=[0, 3]",
    ],
    "quickstart": ["dataset=npz:evil.npz", 'architecture=["evil.mod:make", "logistic"]', "n=[0, 3]"],
    "patterns": ["dataset=folder:evil", "pattern=[R3]".replace("R3", '"R3"')],
}


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """A file that is there when somebody else's code was imported or called, or their data opened."""
    trace, code = tmp_path / "trace", tmp_path / "cwd"
    (code / "evil" / "top").mkdir(parents=True)
    for module in ("evil/__init__.py", "evil/mod.py", "evil/top/__init__.py", "evil/top/mod.py", "eviltop.py"):
        (code / module).write_text(TELL.format(trace=str(trace)))
    monkeypatch.chdir(code)
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.setenv("PYTHONPATH", str(code), prepend=":")
    for reader in ("from_npz", "image_folder"):
        monkeypatch.setattr(f"spurlab.data.own.{reader}", lambda *_, **__: trace.write_text("opened; "))
    source_digest.cache_clear()
    yield trace
    for name in [name for name in sys.modules if name.split(".")[0] in ("evil", "eviltop")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path, trace):
    """Written without a look at the code: every row is there, and weights of every network."""
    folder = tmp_path / "out"
    with Store(folder) as store:
        for name, changes in STUDIES.items():
            study = load_study(name, "quick", [*changes, *TINY])
            sums = {each: load(each).checksum if "mnist1d" in each else "c0ffee" for each in study.axis("dataset")}
            sums |= {"fashion-mini": load("fashion-mini").checksum}
            store.record(Record(study.name, study.model_dump_json(), sums, "spurlab run", "2026-01-01T00:00:00+00:00"))
            found = {}
            for cell in cells_of(study):
                subject, checksum = cell.treatment or cell.training, sums[cell.setting.dataset]
                about = subject.as_json()
                for measure in study.measure:
                    users = cell.treatment is not None and is_user_name(cell.treatment.method)
                    key = f"key of {about}" if users else key_of(cell, measure, checksum)
                    kept = found.setdefault(key, Finished(key, about, checksum, {}))
                    kept.values[request_of(cell, measure)] = 0.5
                weights_file(folder, "").parent.mkdir(exist_ok=True)
                save_file({"weight": torch.zeros(1)}, weights_file(folder, cell.training.key(checksum)))
            store.put(found.values())
    assert not trace.exists()
    return folder


def told(trace):
    return trace.read_text("utf-8") if trace.exists() else ""


COMMANDS = {
    "claims": (["claims", "OUT"], ["claims", "OUT", "--json"]),
    "report": (["report", "OUT"],),
    "list": (["list"],),
    "run": (["run", "quickstart", "--out", "OUT", "--workers", "0"],),
    "plan": (["plan", "quickstart", "--out", "OUT", "--no-time"],),
}
CHANGES = [word for change in [*TINY, "architecture=logistic", "n=[0]", "pattern=R3"] for word in ("--set", change)]


def test_every_command_is_tried():
    """All but those that read no folder."""
    assert {*COMMANDS, "patterns", "models", "audit"} == {command.name for command in app.registered_commands}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_what_a_folder_names(command, folder, trace, capsys):
    """A study of the same name that is run in this folder reads the earlier record, too."""
    for arguments in COMMANDS[command]:
        given = [str(folder) if each == "OUT" else each for each in arguments]
        code = 0
        try:
            main([*given, *(CHANGES if command in ("run", "plan") else [])])
        except SystemExit as end:
            code = end.code or 0
        assert code == 0, capsys.readouterr().err
    assert told(trace) == ""


def test_no_function_runs_what_a_folder_names(folder, trace, tmp_path):
    results = results_in(folder)
    assert {result.study.name for result in results} == set(STUDIES)
    assert all((result.rows["value"] == 0.5).all() and len(result.rows) for result in results)
    verdicts = decide(together(results))
    for result in results:
        result.write()
        study_tables(result)
        assert not result.study.typed
    write_report(results, verdicts, tmp_path / "page")
    with Store(folder, read_only=True) as store:
        for study, record in _recorded(store):
            rows_of(study, record.data, store)
    assert told(trace) == ""


def test_a_user_s_results_are_found_without_their_code(folder):
    """Every method has its row, those of the user's too."""
    for result in results_in(folder):
        for axis in ("deletion", "prevention"):
            named = set(result.study.axis(axis))
            assert named <= set(result.rows[axis].dropna())


def test_not_even_a_key_needs_the_code(folder, trace):
    """The key of a user's method needs the text of its module, not the module, nor the packages above it."""
    treatments = [cell.treatment for study in studies_in(folder) for cell in cells_of(study) if cell.treatment]
    users = [each for each in treatments if is_user_name(each.method)]
    assert len({each.key("data") for each in users}) == len(set(users)) > 4
    assert told(trace) == ""


def test_a_study_from_a_folder_is_not_run(folder, trace, tmp_path):
    """It was not typed by whoever runs it. The same names are taken from the command line."""
    with_code = [study for study in studies_in(folder) if study.users]
    assert len(with_code) == 3
    for study in with_code:
        for use in (
            lambda study=study: run(study, tmp_path / "new", workers=0, load=lambda _: load("fashion-mini")),
            lambda study=study: plan(study, tmp_path / "new", load=lambda _: load("fashion-mini")),
            lambda study=study: work_of(study, dict.fromkeys(study.axis("dataset"), load("fashion-mini"))),
            lambda study=study: run(study.only("seed", [0]), tmp_path / "new", load=lambda _: load("fashion-mini")),
        ):
            with pytest.raises(StudyError, match=r"is code of your own, and nothing is executed that a results folder"):
                use()
    assert told(trace) == ""
    assert not (tmp_path / "new").exists()
    typed = load_study("quickstart", changes=[*TINY, "architecture=evil.mod:make"])
    with pytest.raises(StudyError, match=r"evil.mod:make.* failed. SystemExit: somebody else's code was called"):
        work_of(typed, {"fashion-mini": load("fashion-mini")})


@pytest.mark.parametrize(
    "text",
    [
        'architecture = "evil.mod:make"',
        'deletion = ["incremental", "evil.mod:forget"]',
        'prevention = "evil.mod:prevent"',
        'prevention = "dfr evil.mod:prevent"',
        'deletion = [["evil.mod:forget"]]',
        '[[grid]]\n[[grid]]\narchitecture = ["evil.mod:make"]',
        '[grid]\narchitecture = ["evil.mod:make"]',
        '[profiles.quick]\ndeletion = "evil.mod:forget"',
        '[[profiles.quick.grid]]\nprevention = ["evil.mod:prevent"]',
        '[recipe]\narchitecture = "evil.mod:make"',
    ],
)
def test_no_study_file_names_code_in_whatever_place(text, tmp_path, trace):
    path = tmp_path / "theirs.toml"
    path.write_text(f'title = "t"\ndataset = "fashion-mini"\npattern = "R3"\nn = [3]\n{text}\n')
    for changes in ([], ["architecture=mlp", "deletion=[]", "prevention=[]"]):
        with pytest.raises(StudyError, match=r"names code of your own, and nothing is executed"):
            load_study(path, changes=changes)
    assert told(trace) == ""
    assert Path.cwd().name == "cwd"
