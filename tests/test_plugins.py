"""What installed packages add: known by name without an import, refused in a sentence, and never used by who reads.

Packages are written out as installers leave them, a module and a ``.dist-info``; the example package is installed.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from spurlab import plugins
from spurlab.audit import repaired
from spurlab.cli import main
from spurlab.data import DATASETS
from spurlab.data.own import KINDS
from spurlab.deletion import DELETIONS
from spurlab.measures import MEASURES, measure_named
from spurlab.models import ARCHITECTURES, build, without_users_code
from spurlab.patterns import MARKS, REFERENCE_PATTERNS, make_mark, pattern_name
from spurlab.patterns.own import _KINDS as MARK_KINDS
from spurlab.patterns.own import NAMED, WAVES
from spurlab.plugins import PluginError, check_here, closed, is_foreign, opened, origin_of, recorded_as
from spurlab.report import VIEWS
from spurlab.studies import Setting, Task, Train, Treat, results_in
from spurlab.studies.axes import REFERENCES
from spurlab.studies.graph import digests_of
from spurlab.training import RECIPES, Recipe

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"
NETWORK = """
import sys
from torch import nn
from spurlab.models import Architecture
from spurlab.measures import Measure
from spurlab.deletion import DELETIONS
def make(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))
NET = Architecture("one layer", make)
NO_NETWORK = Architecture("none", lambda shape, classes: 3)
ODD = Measure("odd", lambda observed: {}, numbers=("left",))
GOES = DELETIONS["retrain"]
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """(package, version, entry points by group, module's text) -> the package is there; an import of it is seen."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(package, points, text=NETWORK, version="1.0"):
        module = package.replace("-", "_")
        (site / f"{module}.py").write_text(text)
        for old in site.glob(f"{module}-*.dist-info"):
            shutil.rmtree(old)
        about = site / f"{module}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [f"[spurlab.{kind}]\n{name} = {module}:{what}\n" for kind, name, what in points]
        (about / "entry_points.txt").write_text("\n".join(lines))
        plugins.everything_registered.cache_clear()
        return lambda: module in sys.modules

    before = set(sys.modules)
    yield install
    for module in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
    plugins.everything_registered.cache_clear()


def test_a_name_is_known_without_an_import_and_imported_when_it_is_asked_for(installed, capsys):
    is_imported = installed("good-net", [("models", "good", "NET"), ("deletion", "goes", "GOES")])
    assert "good" in ARCHITECTURES
    assert list(ARCHITECTURES)[-1] == "good"
    assert "goes" in DELETIONS
    main(["list", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["models"][-1] == "good"
    assert {"kind": "models", "name": "good", "package": "good-net", "version": "1.0", "refused": ""} in found[
        "plugins"
    ]
    assert not is_imported()
    assert build("good", (1, 2, 3), 4, seed=0)[1].weight.shape == (4, 6)
    assert is_imported()
    assert DELETIONS.canonical("goes") == "goes"


def test_a_name_of_ours_stays_ours_and_one_of_two_packages_is_refused(installed, capsys):
    """Of two packages, which is meant is not guessed; what else they have can be used. `list` tells of all four."""
    first = installed("first-net", [("models", "mlp", "NET"), ("models", "both", "NET"), ("marks", "s3", "NET")])
    second = installed(
        "second-net", [("models", "both", "NET"), ("models", "second", "NET"), ("deletion", "none", "X")]
    )
    with pytest.raises(PluginError, match=r"the architecture 'both' is registered by first-net 1\.0 and by second-net"):
        build("both", (1, 2, 3), 4, seed=0)
    assert build("mlp", (1, 2, 3), 4, seed=0)
    assert origin_of("models", "mlp") == ""  # so that stored results of ours are found
    assert pattern_name("S3") == "S3"
    with pytest.raises(PluginError, match=r"the mark 's3' is registered by first-net 1\.0, but Spurlab has one"):
        pattern_name("s3")
    assert not first()
    assert not second()
    main(["list"])
    refused = [line for line in capsys.readouterr().out.splitlines() if line.startswith("refused: ")]
    assert len(refused) == 4
    assert any("'none' is registered by second-net 1.0, but Spurlab" in line for line in refused)
    assert build("second", (1, 2, 3), 4, seed=0)
    assert build("cnn", (1, 28, 28), 10, seed=0)
    with closed():  # who reads has our own
        assert build("mlp", (1, 2, 3), 4, seed=0)


def test_what_cannot_be_imported_is_told_in_a_sentence_and_breaks_no_other(installed, caplog):
    points = [("models", "broken", "NET"), ("measures", "broken", "ODD"), ("marks", "broken", "NET")]
    installed("broken-net", points, "raise OSError('the disk is gone')")
    installed("good-net", [("models", "good", "NET"), ("models", "absent", "NO")])
    words = (
        r"the architecture 'broken' of broken-net 1\.0 \(broken_net:NET\) cannot be imported: OSError: the disk is gone"
    )
    for _ in range(2):
        with pytest.raises(PluginError, match=words):
            build("broken", (1, 2, 3), 4, seed=0)
    with pytest.raises(PluginError, match=r"'absent' of good-net 1\.0 .* cannot be imported: AttributeError"):
        ARCHITECTURES["absent"]
    with caplog.at_level(logging.WARNING):
        assert list(dict(ARCHITECTURES.items()))[-1] == "good"
    assert [record.getMessage()[:60] for record in caplog.records] == [
        "passed over, the architecture 'absent' of good-net 1.0 (good",
        "passed over, the architecture 'broken' of broken-net 1.0 (br",
    ]
    assert measure_named("accuracy").title == "test accuracy"  # others are not even looked at


@pytest.mark.parametrize(
    ("kind", "table", "name", "what", "words"),
    [
        (
            "models",
            ARCHITECTURES,
            "net",
            "make",
            r"must be a spurlab\.models\.zoo\.Architecture, but it is of the type f",
        ),
        (
            "marks",
            MARKS,
            "net",
            "NET",
            r"must be a spurlab\.patterns\.table\.Entry, but it is of the type Architecture",
        ),
        ("views", VIEWS, "net", "nn", "must be a .*View, but it is of the type module"),
        ("measures", MEASURES, "odd", "ODD", "must give numbers whose names begin with 'odd_', but one is 'left'"),
        ("datasets", DATASETS, "a,b", "NET", "cannot be called so: names of this kind look like"),
        (
            "deletion",
            DELETIONS,
            "none",
            "GOES",
            "'none' is registered by odd-net 1.0, but Spurlab has one of that name",
        ),
    ],
)
def test_an_object_that_does_not_fit_is_refused(installed, kind, table, name, what, words):
    installed("odd-net", [(kind, name, what)])
    with pytest.raises(PluginError, match=words):
        table[name]


def test_a_network_of_a_plugin_is_tried_as_one_of_the_users(installed):
    installed("odd-net", [("models", "three", "NO_NETWORK")])
    with pytest.raises(ValueError, match=r"architecture 'three': none\(\(1, 2, 3\), 4\) must give an nn.Module"):
        build("three", (1, 2, 3), 4, seed=0)


def test_what_is_foreign_is_of_a_plugin_or_of_the_users(installed):
    installed("good-net", [("models", "good", "NET"), ("deletion", "goes", "GOES"), ("models", "mlp", "NET")])
    assert is_foreign("models", "good")
    assert is_foreign("deletion", "goes by=2")
    assert is_foreign("attacks", "my.attacks:guess")
    assert not is_foreign("attacks", "good")  # of another kind
    assert not is_foreign("models", "mlp")  # a name of ours stays ours
    assert not is_foreign("marks", "token:oil")  # a word, not a function
    with closed():
        assert not is_foreign("models", "good")


def test_marks_that_differ_in_case_alone_are_asked_for_as_they_are_written(installed):
    installed("first-marks", [("marks", "Ring", "RING")], "from spurlab.patterns import MARKS\nRING = MARKS['S1']\n")
    installed("other-marks", [("marks", "ring", "RING")], "from spurlab.patterns import MARKS\nRING = MARKS['S2']\n")
    assert (pattern_name("Ring"), pattern_name("ring")) == ("Ring", "ring")
    with pytest.raises(ValueError, match=r"'Ring' of first-marks 1\.0 and 'ring' of other-marks 1\.0. Write it as one"):
        pattern_name("RING")


def test_a_repair_of_a_plugin_gets_copies(installed, mini):
    """One without a guard of its own, which makes all labels of its data 0."""
    text = """
from dataclasses import dataclass
from spurlab.methods import Entry
@dataclass(frozen=True)
class Relabel:
    def __call__(self, model, data, forget):
        data.labels.zero_()
        return model
RELABEL = Entry.of("relabelled", Relabel)
"""
    is_imported = installed("rough", [("deletion", "relabel", "RELABEL")], text)
    few = replace(mini, train=mini.train[torch.arange(20)], test=mini.test[torch.arange(20)])
    before, rows = few.train.labels.clone(), torch.arange(20) < 5
    network, mark = build("logistic", few.shape, 10, 0), make_mark("S1", few.shape)
    [found] = repaired(network, few, rows, mark, 0, Recipe(), ["relabel"])
    assert is_imported()
    assert (found.method, found.row["failed"]) == ("relabel", "")
    assert few.train.labels.equal(before)
    assert before.any()


def test_who_reads_has_our_own_entries_alone_unless_asked(installed):
    is_imported = installed("good-net", [("models", "good", "NET")])
    with without_users_code():
        assert "good" not in ARCHITECTURES
        assert list(ARCHITECTURES) == list(ARCHITECTURES.own)
        with pytest.raises(ValueError, match="there is no architecture 'good'"):
            build("good", (1, 2, 3), 4, seed=0)
        with pytest.raises(KeyError):
            ARCHITECTURES["good"]
    assert not is_imported()
    with opened(), without_users_code():
        assert build("good", (1, 2, 3), 4, seed=0)


def test_broken_metadata_hide_nothing_else(installed, tmp_path):
    installed("good-net", [("models", "good", "NET")])
    about = tmp_path / "site" / "bad-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: bad\nVersion: 1.0\n")
    (about / "entry_points.txt").write_bytes(b"[spurlab.models]\nno equals sign\n\xff")
    plugins.everything_registered.cache_clear()
    assert "good" in ARCHITECTURES


def test_another_version_is_another_network_and_nothing_of_ours_is(installed):
    """By what a study was recorded with, keys are found again, whatever is installed then."""
    points = [("models", "good", "NET"), ("deletion", "goes", "GOES"), ("marks", "ring", "MARK")]
    ours = Train(Setting("fashion-mini", "mlp", "replace", RECIPES["quick"]), "S3", 0, 3, 4)
    theirs = ours._replace(setting=Setting("fashion-mini", "good", "replace", RECIPES["quick"]))
    nodes = theirs, Treat("deletion", ours, "goes", 3), Treat("deletion", ours, "goes anything=3", 3)
    before, keys = ours.key("data"), []
    for version in ("1.0", "1.1"):
        installed("good-net", points, version=version)
        keys += [node.key("data") for node in nodes]
        assert ours.key("data") == before
        assert ours.code == ()
        assert digests_of(theirs) == {"plug-in models good": f"good-net {version}"}
        assert theirs.as_json()["plugins"] == digests_of(theirs)
        assert keys[-3:] == [node.key("data", digests_of(node)) for node in nodes]
    assert len(set(keys)) == 6
    with plugins.recorded({"plug-in models good": "good-net 1.0"}):
        assert theirs.key("data") == keys[0]
        assert "good" not in (code.name for code in nodes[1].code)


def test_a_worker_refuses_a_task_whose_plugins_are_not_here(installed):
    installed("good-net", [("models", "good", "NET")])
    node = Train(Setting("fashion-mini", "good", "replace", RECIPES["quick"]), None, None, 0, 4)
    task = Task((node,), ((),), "data", "nowhere", plugins=digests_of(node))
    sent = json.loads(json.dumps(task.as_json()))
    assert Task.from_json(sent).nodes == (node,)
    installed("good-net", [("models", "good", "NET")], version="2.0")
    with pytest.raises(PluginError, match=r"'good' is of good-net 1\.0, but here of good-net 2\.0\. Install the same"):
        Task.from_json(sent)
    installed("good-net", [])
    with pytest.raises(PluginError, match=r"'good' is of good-net 1\.0, but here it is not installed"):
        Task.from_json(sent)


def test_reserved_names_are_those_that_mean_something_else():
    assert plugins.RESERVED["datasets"] == set(KINDS)
    assert plugins.RESERVED["marks"] == {*MARK_KINDS, *NAMED, *WAVES, *REFERENCE_PATTERNS}
    assert plugins.RESERVED["deletion"] == set(REFERENCES)


# the example package, as an author would install it


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The folder of the installed example, which notes each of its imports; its studies, run there; the notes."""
    place = tmp_path_factory.mktemp("plugin")
    source, site, notes = place / "source", place / "site", place / "notes"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    first = source / "src" / "spurlab_example" / "__init__.py"
    first.write_text(first.read_text() + f"with open({str(notes)!r}, 'a') as notes:\n    notes.write('imported ')\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    pip += ["--disable-pip-version-check", "--target", str(site), str(source)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return place, site, notes


@pytest.fixture(scope="module")
def folder(example):
    """Where both studies of the example were run, the second in worker processes."""
    place, site, _ = example
    program = f"""
from spurlab.audit import repaired
from spurlab.cli import main
small = ["--set", "recipe.epochs=1", "--set", "weights=true", "--out", {str(place / "out")!r}]
first = ["--set", "n=[0,20]", "--set", "figure=confidence", "--executor", "here"]  # one figure is enough
main(["run", {str(EXAMPLE / "stripes.toml")!r}, *first, *small])
main(["run", {str(EXAMPLE / "shrink.toml")!r}, "--set", "seed=[0,1]", "--workers", "1", *small])
"""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "SPURLAB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "confidence on marked examples" in " ".join(ran.stdout.split())
    assert " 101 " in ran.stdout
    return place / "out"


@pytest.fixture
def here(example, monkeypatch):
    """The installed example, in this process."""
    monkeypatch.syspath_prepend(example[1])
    plugins.everything_registered.cache_clear()
    yield example
    for module in [name for name in sys.modules if name.partition(".")[0] == "spurlab_example"]:
        del sys.modules[module]
    plugins.everything_registered.cache_clear()


def test_the_example_adds_one_of_each_kind(here, capsys):
    here[2].unlink(missing_ok=True)
    main(["list", "--json"])
    added = json.loads(capsys.readouterr().out)["plugins"]
    assert len({one["kind"] for one in added}) == len(added) == len(plugins.KINDS)
    assert all((one["package"], one["version"], one["refused"]) == ("spurlab-example", "0.1.0", "") for one in added)
    assert not here[2].exists()


def test_its_results_are_read_and_no_entry_point_is_loaded(folder, here, capsys):
    notes = here[2]
    notes.unlink(missing_ok=True)  # of the run
    results = {result.study.name: result.rows for result in results_in(folder)}
    for name, rows in results.items():
        written = pd.read_parquet(folder / f"{name}.parquet")
        assert rows["value"].tolist() == written["value"].tolist()
        assert set(rows["dataset"]) == {"stripes"}
        assert set(rows["architecture"]) == {"tiny-cnn"}
        assert set(rows["pattern"]) == {"frame"}
    measured = {"spurious_score", "accuracy", "confidence_clean", "confidence_marked"}
    assert results["stripes"].groupby("measure").size().to_dict() == dict.fromkeys(measured, 10)
    assert set(results["shrink"]["deletion"]) == {"none", "oracle", "shrink", "shrink by=0.1"}
    assert results["shrink"]["value"].notna().all()
    main(["claims", str(folder)])
    assert "not judged, since none of Spurlab's own: 101." in capsys.readouterr().out
    main(["report", str(folder)])
    assert "What `spurlab run` drew stays: stripes.png" in (folder / "report.html").read_text().replace("&#39;", "'")
    assert not notes.exists()
    main(["claims", str(folder), "--plugins", "--json"])
    [verdict] = json.loads(capsys.readouterr().out.partition("written: ")[2].partition("\n")[2])
    assert (verdict["number"], verdict["networks"]) == (101, 10)
    assert "imported" in notes.read_text()


def test_another_version_of_it_makes_its_results_again(folder, here, capsys):
    def to_do():
        plugins.everything_registered.cache_clear()
        plan = ["plan", str(EXAMPLE / "stripes.toml"), "--set", "n=[0,20]", "--set", "recipe.epochs=1", "--no-time"]
        main([*plan, "--json", "--out", str(folder)])
        return json.loads(capsys.readouterr().out)["to_do"]

    assert to_do() == 0
    [about] = here[1].glob("*.dist-info")
    metadata = (about / "METADATA").read_text()
    try:
        (about / "METADATA").write_text(metadata.replace("Version: 0.1.0", "Version: 0.2.0"))
        assert to_do() == 10
    finally:
        (about / "METADATA").write_text(metadata)


def test_a_worker_takes_a_random_mark(installed):
    """Random marks are recorded twice, as marks and as random; a worker looks for the package of both."""
    installed("ring-marks", [("marks", "ring", "RING")])
    check_here({recorded_as(kind, "ring"): "ring-marks 1.0" for kind in ("marks", "random")})
    with pytest.raises(PluginError, match=r"the mark 'ring' is of ring-marks 2\.0, but here of ring-marks 1\.0"):
        check_here({recorded_as("random", "ring"): "ring-marks 2.0"})
