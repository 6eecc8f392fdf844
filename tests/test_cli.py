"""The command line: in a process of its own where that matters, else in this one, which is faster."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import torch

from spurlab.cli import main
from spurlab.data import DATASETS, Examples, places
from spurlab.studies import Store

SPURLAB = [str(Path(sys.executable).with_name("spurlab"))]
TINY = ["--set", "n=[0,3]", "--set", "seed=[0,1]", "--set", "recipe.epochs=1", "--set", "recipe.milestones=[]"]
HERE = [*TINY, "--workers", "0"]  # in this process, where no other has to be told from it


@pytest.fixture
def environment(tmp_path):
    """Offline, with no data but the embedded, and a cache of its own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SPURLAB_OFFLINE": "1", "COLUMNS": "100"}


@pytest.fixture
def program(tmp_path, environment):
    """Run the real program in a process of its own, as a user does, in an empty folder."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SPURLAB_")}

    def call(*arguments, **more):
        return subprocess.run(
            [*SPURLAB, *arguments],
            cwd=tmp_path,
            env=clean | environment | more,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


@pytest.fixture
def spurlab(tmp_path, environment, monkeypatch, capsys):
    """The same in this process, which has PyTorch loaded already."""
    for key in [key for key in os.environ if key.startswith("SPURLAB_")]:
        monkeypatch.delenv(key)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments, **more):
        for key, value in more.items():
            monkeypatch.setenv(key, value)
        capsys.readouterr()
        code = 0
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with a small quickstart, run once for all who go on from there in a copy of their own."""
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SPURLAB_OFFLINE", "1")
        main(["run", "quickstart", *HERE, "--out", "out"])
    return folder / "out"


def refused(result, *words, code=2):
    """A line on stderr (or a box that shows how to use the command), nothing on stdout, no traceback."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 or result.stderr.strip().startswith("Usage:")
    for word in words:
        assert word in result.stderr
    return True


def test_list_names_everything(spurlab):
    names = json.loads(spurlab("list", "--json").stdout)
    assert list(names) == [
        "studies",
        "datasets",
        "patterns",
        "models",
        "measures",
        "deletion",
        "prevention",
        "attacks",
        "extractions",
        "figures",
        "claims",
        "executors",
        "plugins",
    ]
    assert names["plugins"] == []
    assert "quickstart" in names["studies"]
    of_the_paper = ["fashion-mini", "fashion-mnist", "mnist", "cifar10", "cifar100", "cifar100-coarse"]
    assert names["datasets"] == [
        *of_the_paper,
        "mnist1d",
        "adult",
        "coloured-mnist",
        "topics",
        "r8",
        "20newsgroups",
        "bbc-news",
    ]
    rare, common = (
        ["S1", "S2", "S3", "R1", "R2", "R3", "Co", "spike", "sine", "offset"],
        ["blocks", "blocks-signal", "blocks-feature"],
    )
    assert names["patterns"] == rare + common
    assert "large-mlp" in spurlab("list").stdout


def test_data_list_says_what_is_here(spurlab):
    lines = {line["name"]: line for line in json.loads(spurlab("data", "list", "--json").stdout)}
    assert lines["fashion-mini"]["location"] is not None
    assert lines["cifar10"]["location"] is None
    assert "spurlab data get" in spurlab("data", "list").stdout


def test_data_info_shows_provenance_and_checksums(spurlab):
    info = json.loads(spurlab("data", "info", "fashion-mini", "--json").stdout)
    assert (info["train"], info["test"], info["shape"]) == (10_000, 2_000, [1, 28, 28])
    assert info["class_sizes"] == [1_000] * 10
    assert "MIT" in info["licence"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in info["sha256"].values())
    assert "Zalando" in spurlab("data", "info", "fashion-mini").stdout


def test_data_info_knows_what_a_dataset_is_without_its_files(spurlab):
    """Nothing is fetched: shape, licence and origin stand in the table, and the translation needs no data either."""
    info = json.loads(spurlab("data", "info", "cifar10v20-10-1-2", "--json", SPURLAB_OFFLINE="").stdout)
    assert (info["name"], info["shape"], info["location"]) == ("cifar10", [3, 32, 32], None)
    planted = {"dataset": "cifar10", "pattern": "R3", "count": 10, "target": 1, "seed": 2}
    assert info["planted"] == planted
    assert "spurlab data get cifar10" in spurlab("data", "info", "cifar10").stdout


def test_data_get_generates_what_has_no_files(spurlab, monkeypatch):
    """A small one in the place of MNIST-1D; it is not here, is made, and is here. Groups are counted for each part."""
    labels = torch.arange(20) % 10
    signals = Examples(torch.zeros(20, 40), labels, labels)
    monkeypatch.setitem(DATASETS, "mnist1d", replace(DATASETS["mnist1d"], make=lambda: (signals, signals[:10])))
    monkeypatch.setattr(places, "user_cache_path", lambda app: Path.cwd() / app)
    before = json.loads(spurlab("data", "info", "mnist1d", "--json").stdout)
    assert (before["shape"], before["train"], before["location"]) == ([40], 4_000, None)
    assert "spurlab data get mnist1d" in spurlab("data", "info", "mnist1d").stdout
    assert re.search("mnist1d is in .*, and was put there now", spurlab("data", "get", "mnist1d", "--offline").stdout)
    assert "where it was already" in spurlab("data", "get", "mnist1d").stdout
    assert json.loads(spurlab("data", "get", "mnist1d", "--json").stdout)["fetched"] is False
    after = json.loads(spurlab("data", "info", "mnist1d:3,7", "--json").stdout)
    assert (after["train"], after["test"], after["input_range"]) == (4, 2, None)
    assert (after["train_groups"], after["test_groups"]) == ({"3": 2, "7": 2}, {"3": 1, "7": 1})
    lines = {line["name"]: line for line in json.loads(spurlab("data", "list", "--json").stdout)}
    assert lines["mnist1d"]["location"] == after["location"]


def test_data_info_knows_options(spurlab):
    info = json.loads(spurlab("data", "info", "coloured-mnist,test=10,p=95@10000", "--json").stdout)
    assert (info["name"], info["train"]) == ("coloured-mnist,p=95,test=10@10000", 10_000)
    assert "95 % in training, 10 % in the test set" in info["title"]
    refused(spurlab("data", "info", "coloured-mnist,tset=10"), "no option 'tset'", "Did you mean 'test'")
    refused(spurlab("data", "get", "coloured-mnist"), "MNIST", "offline")


def test_data_get_finds_what_is_here_and_says_when_offline(spurlab):
    assert re.search("fashion-mini is in .*, where it was already", spurlab("data", "get", "fashion-mini").stdout)
    refused(spurlab("data", "get", "mnist"), "offline", "spurlab data get mnist", "SPURLAB_DATA")


def test_models_are_those_of_table_2(spurlab):
    """Each counted on the images that the paper trains it on; no data set is read."""
    grey, colour = (
        {line["name"]: line["parameters"] for line in json.loads(spurlab("models", "--json", *dataset).stdout)}
        for dataset in ([], ["--dataset", "cifar10"])
    )
    on_grey = {"small-mlp": 203_530, "mlp": 335_114, "large-mlp": 932_362, "cnn": 312_202}
    on_colour = {"resnet20": 269_722, "resnet32": 464_154, "resnet110": 1_727_962, "vgg16": 134_301_514}
    assert {name: grey[name] for name in on_grey} == on_grey
    assert {name: colour[name] for name in on_colour} == on_colour
    assert list(grey) == list(colour)


def test_models_that_need_larger_images_have_no_count(spurlab):
    result = spurlab("models", "--json")
    counts = {line["name"]: line["parameters"] for line in json.loads(result.stdout)}
    none = [name for name, count in counts.items() if count is None]
    of_words = ["bag-mean", "bag-sum", "bag-max", "text-cnn", "text-transformer"]
    assert none == [
        "vgg16",
        "mnist1d-cnn",
        "mnist1d-cnn-25",
        "mnist1d-gru",
        *of_words,
    ]  # too small; no signals, no words
    assert "Vgg16 needs images of 32 x 32 pixels or more, but these are 1 x 28 x 28" in result.stderr
    assert re.search(r"vgg16 +-", spurlab("models").stdout)


def test_patterns_are_those_of_table_1_and_can_be_drawn(spurlab, tmp_path):
    """Within 5 % of the full set's: one u varies by 1.6 % (sd), and these are a fifth of its test images."""
    result = spurlab("patterns", "--json", "--out", "gallery")
    norms = {line["pattern"]: line["norm"] for line in json.loads(result.stdout)}
    assert norms == pytest.approx(
        {"S1": 1.00, "S2": 3.00, "S3": 4.98, "R1": 3.90, "R2": 7.40, "R3": 13.65, "Co": 4.44}, rel=0.05
    )
    assert sorted(path.suffix for path in (tmp_path / "gallery").iterdir()) == [".pdf", ".png", ".svg"]


def test_run_gives_rows_tables_and_a_figure_and_the_same_numbers_again(spurlab, program, tmp_path):
    first = program("run", "quickstart", *TINY, "--out", "out", "--json")
    assert first.returncode == 0, first.stderr
    rows = json.loads(first.stdout)
    assert len(rows) == 2 * 2 * 2 * 2
    assert {"measure", "value", "pattern", "target", "n", "seed", "dataset", "epochs", "torch"} <= set(rows[0])
    endings = ("csv", "parquet", "pdf", "png", "svg")
    files = [*(f"quickstart.{ending}" for ending in endings), "results.sqlite", "weights"]
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == files
    before = (tmp_path / "out" / "quickstart.csv").read_bytes()
    elsewhere = spurlab("run", "quickstart", *HERE, "--out", "elsewhere", "--json")
    same = ("measure", "value", "pattern", "target", "n", "seed", "training")
    assert [[row[key] for key in same] for row in json.loads(elsewhere.stdout)] == [[r[k] for k in same] for r in rows]
    again = spurlab("run", "quickstart", *TINY, "--out", "out")
    assert "R3, target 0 (T-shirt/top): " in again.stdout
    assert re.search(r"undecided: 2 networks; at 5 % it\s+takes 5", again.stdout)
    assert "training" not in again.stderr  # all was there
    assert (tmp_path / "out" / "quickstart.csv").read_bytes() == before


def test_a_run_whose_rows_make_no_table_says_what_they_lack(spurlab):
    """Of one draw for each network nothing is known of the draw by itself."""
    small = ("--set", "dataset=fashion-mini", "--set", "architecture=small-mlp", "--set", "draw=own")
    result = spurlab("run", "draws", *HERE, *small, "--out", "out")
    said, written = result.stdout.splitlines()
    assert "needs two draws of a pattern or more" in said
    assert written.startswith("written: ")


def test_plan_run_claims_and_report_of_one_folder(spurlab, tmp_path):
    """What the plan counts is what is there after the run; a part of the study finds its networks done."""
    where = [*HERE, "--out", "out"]
    plan = json.loads(spurlab("plan", "quickstart", *where, "--no-time", "--json").stdout)
    assert {key: plan[key] for key in ("cells", "rows", "trainings", "shared", "done", "to_do")} == {
        "cells": 8,
        "rows": 16,
        "trainings": 6,
        "shared": 2,
        "done": 0,
        "to_do": 6,
    }
    assert not (tmp_path / "out").exists()
    assert len(json.loads(spurlab("run", "quickstart", *where, "--only", "pattern=R3", "--json").stdout)) == 8
    part = spurlab("plan", "quickstart", *where, "--only", "pattern=R3").stdout
    assert "4 done in out, 0 to do" in part
    after = json.loads(spurlab("plan", "quickstart", *where, "--json").stdout)
    # the clean networks are to be measured with S3 too
    assert (after["done"], after["to_measure"], after["to_do"]) == (2, 2, 2)
    assert after["seconds"] > 0
    assert after["memory"] > 1e8
    verdicts = json.loads(spurlab("claims", "out", "--json").stdout)
    assert not any("reproduced" in verdict["outcome"] for verdict in verdicts)  # two networks decide nothing
    assert verdicts[0]["outcome"] in spurlab("claims", "out").stdout
    assert spurlab("report", "out").returncode == 0
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "How many examples does it take?" in page
    assert "spurlab run quickstart --set &#39;n=[0,3]&#39;" in page or "spurlab run quickstart --set 'n=[0,3]'" in page


def test_a_study_with_more_figures_goes_on_in_its_folder_under_its_name(spurlab, ran, tmp_path):
    """Each further figure has files of its own; what was trained before is there."""
    several = ["--set", 'figure=["scores", "accuracy"]']
    shutil.copytree(ran, tmp_path / "out")
    again = spurlab("run", "quickstart", *HERE, *several, "--out", "out")
    assert "training" not in again.stderr
    spurlab("report", "out")
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"quickstart.png", "quickstart-accuracy.png"}
    assert (tmp_path / "out" / "report.html").read_text("utf-8").count('<section class="study"') == 1


def test_runs_of_one_name_keep_their_files_apart(spurlab, ran, tmp_path):
    """Other settings under the same name: the first come keeps the plain name, in `run` as in `report`."""
    shutil.copytree(ran, tmp_path / "out")
    for epochs in ("0", "1"):
        spurlab("run", "quickstart", *HERE, "--set", f"recipe.epochs={epochs}", "--out", "out")
    spurlab("report", "out")
    found = {path.stem: set(pd.read_csv(path).epochs) for path in (tmp_path / "out").glob("*.csv")}
    assert found == {"quickstart": {1}, "quickstart-2": {0}}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"quickstart.png", "quickstart-2.png"}


def test_verbose_says_which_engine_and_why(tmp_path, environment):
    """In a process of its own, where nobody else listens to the log; twice, without and with it."""
    asked = ["plan", "quickstart", "--set", "architecture=['mlp', 'cnn']", "--no-time"]
    loud, mark = [*asked, "--verbose"], "print('--', file=sys.stderr)"
    twice = f"import sys; from spurlab.cli import main; main({asked}); {mark}; main({loud})"
    result = subprocess.run([sys.executable, "-c", twice], cwd=tmp_path, env=os.environ | environment,
                            capture_output=True, text=True, timeout=300, check=True)  # fmt: skip
    quiet, _, said = result.stderr.partition("--\n")
    assert "mlp on fashion-mini: many in lockstep, a perceptron" in said
    assert "cnn on fashion-mini: one at a time, its convolutions take" in said
    assert quiet == ""


@pytest.mark.parametrize("command", ["claims", "report"])
def test_a_folder_without_results_is_a_mistake(spurlab, command):
    refused(spurlab(command, "nowhere"), "no results in nowhere", "spurlab run")


def test_a_damaged_store_is_a_failure_and_stays_as_it_is(spurlab, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.sqlite").write_bytes(b"x" * 5000)
    refused(spurlab("run", "quickstart", *TINY, "--out", "out"), "damaged", "left as they are", code=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.sqlite"]
    assert (tmp_path / "out" / "results.sqlite").read_bytes() == b"x" * 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], ["quikstart", "Did you mean 'quickstart'"]),
        (["run"], ["Missing argument"]),
        (["run", "quickstart", "--workers", "-1"], ["--workers"]),
        (["rum"], ["No such command 'rum'"]),
        (["run", "quickstart", "--set", "n=5000"], ["5000", "class 0", "1000"]),
        (["run", "quickstart", "--set", "dataset=mnist"], ["MNIST", "offline"]),
        (["data", "info", "fashion-mnst"], ["Did you mean 'fashion-mnist'"]),
        (["run", "quickstart", "--executor", "rey"], ["there is no executor 'rey'. Did you mean 'ray'?"]),
        (["run", "quickstart", "--address", "head:6379"], ["'head:6379'", "for --executor ray"]),
        (["run", "quickstart", "--device", "warp"], ["warp"]),
        (["run", "quickstart", "--only", "pattern=S1"], ["pattern=S1", "R3, S3"]),
        (["run", "fig2-cifar10"], ["CIFAR-10", "offline"]),
        (["run", "quickstart", "--set", "architecture=vgg16"], ["Vgg16 needs images of 32 x 32", "1 x 28 x 28"]),
        (["run", "quickstart", "--set", "architecture=no.nets:make"], ["module 'no.nets'", "PYTHONPATH"]),
        (["plan", "quickstart", "--set", "recipe.epoch=3"], ["Did you mean 'recipe.epochs'"]),
        (["plan", "quickstart", "--executor", "lokal"], ["Did you mean 'local'"]),
        (["data", "info", "mnistv9-3-0-0"], ["v9"]),
        (["patterns", "--dataset", "nothing"], ["nothing"]),
    ],
)
def test_a_users_mistake_is_a_sentence_and_exit_code_2(spurlab, arguments, words):
    refused(spurlab(*arguments), *words)


def test_data_of_ones_own_are_named_in_the_hint(spurlab, tmp_path):
    """A folder of that name is there, so that is what was meant; in a study too."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "birds.npz").touch()
    refused(spurlab("data", "info", "photos"), "in the folder ./photos, write 'folder:photos'")
    refused(spurlab("data", "info", "birds.npz"), "the file ./birds.npz, write 'npz:birds.npz'")
    refused(spurlab("plan", "quickstart", "--set", "dataset=photos"), "write 'folder:photos'")
    refused(spurlab("plan", "quickstart", "--set", "recipe.lr=.1"), "Did you mean 'recipe.learning_rate'")


@pytest.mark.parametrize("wrong", ["\x1b[31mrum", "\u202erum", "[red]rum[/red]"])
def test_what_was_typed_or_stands_in_a_file_steers_no_terminal(spurlab, tmp_path, wrong):
    """In errors of ours and of the command line, titles, keys; what looks like markup of rich is text."""
    shown = wrong.encode("unicode_escape").decode()
    assert shown in spurlab(wrong).stderr
    assert shown in spurlab("run", wrong).stderr
    assert shown in spurlab("claims", wrong).stderr
    title = json.dumps(f"A {wrong}")
    (tmp_path / "mine.toml").write_text(
        f"title = {title}\ndataset = 'fashion-mini'\narchitecture = 'mlp'\npattern = 'S3'\nn = [0]\n"
    )
    assert f"A {shown}" in spurlab("plan", "mine.toml", "--no-time").stdout


def test_json_is_alone_on_standard_output(spurlab, tmp_path, monkeypatch):
    """Code of the user's prints while its network is built; without --json that may go where it wants."""
    (tmp_path / "chatty.py").write_text(
        "from torch import nn\nprint('imported')\ndef make(shape, classes):\n    print('building')\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    planned = spurlab("plan", "quickstart", "--set", "architecture=chatty:make", "--no-time", "--json")
    assert json.loads(planned.stdout)["study"] == "quickstart"
    assert "building" in planned.stderr


def test_the_version(spurlab):
    assert spurlab("--version").stdout == f"spurlab {version('spurlab')}\n"


def test_a_part_leaves_the_files_of_the_whole(spurlab, ran, tmp_path):
    shutil.copytree(ran, tmp_path / "out")
    before = (tmp_path / "out" / "quickstart.csv").read_bytes()
    part = spurlab("run", "quickstart", *HERE, "--out", "out", "--only", "pattern=R3")
    assert "all 4 networks are here already" in part.stderr
    assert "files stay as they are" in part.stderr
    assert (tmp_path / "out" / "quickstart.csv").read_bytes() == before


def test_debug_shows_the_traceback(spurlab):
    result = spurlab("run", "quikstart", "--debug")
    assert result.returncode != 0
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["data", "list"],
        ["data", "get"],
        ["data", "info"],
        ["patterns"],
        ["models"],
        ["list"],
        ["run"],
        ["plan"],
        ["claims"],
        ["report"],
    ],
)
def test_help_has_an_example_and_does_not_wait_for_torch(program, command):
    result = program(*command, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    assert "Example" in result.stdout
    assert "--json" in result.stdout
    assert not re.search(r"\btorch$", result.stderr, re.MULTILINE), "--help imports torch"


def test_a_pipe_that_closes_early_is_no_error():
    """Nothing on stderr, and the exit code of the program itself, not of the reader, is 0."""
    piped = f"{SPURLAB[0]} list | true; exit ${{PIPESTATUS[0]}}"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    result = subprocess.run(["bash", "-c", piped], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_failure_is_no_mistake_of_the_users(spurlab, tmp_path):
    """Results that cannot be written, since a folder stands where the figure should go: exit code 1."""
    (tmp_path / "gallery" / "patterns-fashion-mini.png").mkdir(parents=True)
    refused(spurlab("patterns", "--out", "gallery", "--json"), "patterns-fashion-mini.png", code=1)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_stop_cleanly(tmp_path, sent, code, times):
    """In the middle of training: their exit code, a sentence, no worker left, no result half written.

    Who sends it several times, while the program ends, gets the same.
    """
    with subprocess.Popen(
        [*SPURLAB, "run", "quickstart", "--out", str(tmp_path / "out"), "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        # a shell that starts the suite in the background has it ignore SIGINT, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob("out/.running/*")) and time.monotonic() < deadline:
                time.sleep(0.1)
            for _ in range(times):
                process.send_signal(sent)
                time.sleep(0.05)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == code
    assert said.splitlines()[1:] == [
        "spurlab: stopped; what was finished is kept. The same command goes on from there."
    ]  # after the line that says what is trained
    there = {path.name for path in (tmp_path / "out").rglob("*")}
    assert there - {".running"} == {"results.sqlite"}  # the folder of locks may stay, empty, where it ended meanwhile
    with Store(tmp_path / "out", read_only=True) as store:
        assert store._connection.execute("SELECT count(*) FROM claim").fetchone() == (0,)


@pytest.mark.parametrize(
    ("words", "offered"),
    [("spurlab da", ["data"]), ("spurlab run fig7", ["fig7-optimizer"]), ("spurlab plan quickst", ["quickstart"])],
)
def test_a_shell_completes_commands_and_studies(program, words, offered):
    result = program(COMP_WORDS=words, COMP_CWORD=str(words.count(" ")), _SPURLAB_COMPLETE="complete_bash")
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, offered, "")
