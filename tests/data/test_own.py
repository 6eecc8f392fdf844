"""A user's own data by name: on the command line and in a study, with worker processes."""

import json

import numpy as np
import pytest

from spurlab.cli import main
from spurlab.data import DataRequestError, dataset_named, described, fetch, known, load, locate
from spurlab.data.own import own_data
from spurlab.report import write_report
from spurlab.studies import load_study, plan, results_in, run


@pytest.fixture
def two_shades(tmp_path, monkeypatch):
    """Dark and bright images of 28 x 28 pixels in data.npz, in the current folder."""
    rng = np.random.default_rng(0)
    labels = {"train": np.arange(200) % 2, "test": np.arange(60) % 2}
    inputs = {
        part: (rng.integers(0, 128, (len(y), 28, 28)) + 100 * y[:, None, None]).astype(np.uint8)
        for part, y in labels.items()
    }
    names = np.array(["dark", "bright"])
    np.savez(
        tmp_path / "data.npz",
        class_names=names,
        **{f"{part}_labels": y for part, y in labels.items()},
        **{f"{part}_inputs": x for part, x in inputs.items()},
    )
    monkeypatch.chdir(tmp_path)
    return "npz:data.npz"


@pytest.mark.parametrize("name", ["mnist", "npz", "folder", "npzx:a", "mnist:3,7", "a/b.npz", ""])
def test_other_names_are_not_taken_for_paths(name):
    assert own_data(name) is None


def test_a_path_may_hold_whatever_a_path_may(tmp_path, monkeypatch, two_shades):
    (tmp_path / "data.npz").rename(tmp_path / "a:b, c.npz")
    assert load("npz:a:b, c.npz").classes == 2


def test_what_is_asked_of_a_name(tmp_path, two_shades):
    assert str(locate(two_shades)) == str(fetch(two_shades)) == "data.npz"
    assert dataset_named("npz:nowhere") == "npz:nowhere"
    assert known(two_shades) is None
    about = described(two_shades)
    assert (about.name, about.shape, about.sizes, about.class_names) == (
        two_shades,
        (1, 28, 28),
        (200, 60),
        ("dark", "bright"),
    )
    assert locate("npz:nowhere") is None
    for ask in (load, fetch, described):
        with pytest.raises(DataRequestError, match=r"there is no .*nowhere"):
            ask("npz:nowhere")
    with pytest.raises(DataRequestError, match=r"no dataset 'data.npz'.*write 'npz:data.npz'"):
        load("data.npz")


def test_the_command_line_takes_them(tmp_path, two_shades, capsys):
    def said(*arguments):
        capsys.readouterr()
        main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    info = said("data", "info", two_shades)
    assert (info["train"], info["test"], info["shape"]) == (200, 60, [1, 28, 28])
    assert (info["classes"], info["class_sizes"], info["location"]) == (["dark", "bright"], [100, 100], "data.npz")
    assert said("data", "get", two_shades)["location"] == "data.npz"
    sizes = {line["name"]: line["parameters"] for line in said("models", "--dataset", two_shades)}
    assert sizes["small-mlp"] == 784 * 256 + 256 + 256 * 2 + 2
    assert {line["pattern"] for line in said("patterns", "--dataset", two_shades, "--out", "gallery")} >= {"S1", "R3"}
    assert (tmp_path / "gallery/patterns-npz-data.npz.png").exists()

    info = said("data", "info", "fashion-mini:7,Sandal")
    assert (info["name"], info["train"], info["class_sizes"]) == ("fashion-mini:7,5", 2000, [1000, 1000])
    info = said("data", "info", "mnist:3,7")
    assert (info["title"], info["train"], info["location"]) == ("MNIST (3 and 7)", None, None)
    info = said("data", "info", "twoclassmnistv8-10-3-7-0")
    assert info["planted"] == {"dataset": "mnist", "pattern": "S3", "count": 10, "target": [3, 7], "seed": 0}
    assert (info["name"], info["reference_name"]) == ("mnist", "twoclassmnistv8-10-3-7-0")
    (tmp_path / "damaged.npz").write_bytes(b"no arrays")
    for name in ("npz:nowhere", "mnist:3,x", "npz:damaged.npz"):
        with pytest.raises(SystemExit) as stop:
            main(["data", "info", name])
        assert stop.value.code == 2


@pytest.mark.parametrize("dataset", ["npz:data.npz", "fashion-mini:7,5"])
def test_a_study_runs_on_them(tmp_path, two_shades, dataset):
    """Plan, run in a worker process, run again (nothing left to do), report; also when the file has gone since."""
    changes = ["n=[0,3]", "seed=[0]", "recipe.epochs=1", "architecture=small-mlp", "pattern=S3", f"dataset={dataset}"]
    study, out = load_study("quickstart", changes=[*changes, "target=1"]), tmp_path / "out"
    assert plan(study, out, workers=1, calibrate=False).to_do == 2
    rows = run(study, out, workers=1).rows
    assert set(rows["dataset"]) == {dataset}
    assert rows["value"].between(0, 1).all()
    assert plan(study, out, workers=1, calibrate=False).to_do == 0
    (tmp_path / "data.npz").unlink()
    pages = write_report(results_in(out), [], out)
    page = next(path for path in pages if path.suffix == ".html").read_text("utf-8")
    assert ("npz:data.npz" if dataset == two_shades else "Fashion-MNIST mini (Sneaker and Sandal)") in page
