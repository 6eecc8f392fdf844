"""The figures of a study's training set with a common feature: they show its signals, neighbours and networks."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from scipy.spatial.distance import cdist

from spurlab.data import DataNotFoundError, load
from spurlab.models import build
from spurlab.patterns import ClassBlocks, Common, plant
from spurlab.prevention import prevention_named
from spurlab.report import featured, study_figure, write_report
from spurlab.report.style import spoken
from spurlab.studies import cells_of, load_study, results_in, run
from spurlab.studies.maps import read_maps
from spurlab.studies.training_sets import clean_examples, grouped, planted
from spurlab.studies.weights import sealed, weights_file

COMMITTED = Path(__file__).parents[2] / "docs" / "results" / "one-dimension"

CHANGES = [
    "dataset=mnist1d@200", "architecture=logistic", "recipe.epochs=3", "recipe.batch_size=20", "seed=[3, 4]",
    'pattern=["blocks-signal", "blocks"]', "share=[0.5, 0.8]", 'prevention=["dfr", "dfr-plain", "afr-train gamma=2"]',
    "measure=accuracy", "claims=[]", 'figure=["signals", "embeddings", "saliency"]',
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return load("mnist1d@200")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(load_study("quinn", changes=CHANGES), tmp_path_factory.mktemp("featured"), workers=0)


@pytest.fixture(scope="module")
def marked(data):
    """The first pattern and seed, and the largest share."""
    return plant(data.train, ClassBlocks("signal"), Common(0.8), seed=3)


def drawn_of(line, along):
    return torch.tensor(getattr(line, f"get_{along}data")(), dtype=torch.float32)


def test_signals_are_the_first_of_each_class_that_have_the_feature(figures, result, data, marked):
    figure = study_figure(result, "signals")
    panels = figures.panels(figure)
    assert [axes.get_title() for axes in panels] == list(data.class_names)
    whole = marked.materialize()
    for c, axes in enumerate(panels):
        row = next(i for i in range(200) if marked.mask[i] and data.train.labels[i] == c)
        dashed, solid = axes.lines
        assert drawn_of(dashed, "x").equal(data.train.inputs[row])
        assert drawn_of(solid, "x").equal(whole.inputs[row])
        assert axes.patches[0].get_y() == 4 * c - 0.5
    assert "blocks-signal on 80% of the signals; seed 3" in figures.small_print(figure)


def test_captions_of_embeddings_are_the_purities_over_all_pairs(figures, result, data, marked):
    """Ten nearest others by scipy over all pairs; of few signals all are drawn."""
    figure = study_figure(result, "embeddings")
    panels = figures.panels(figure)
    sets = {
        "MNIST-1D": data.train.inputs,
        "MNIST-1D with blocks-signal on 80% of the signals": marked.materialize().inputs,
    }
    labels = data.train.labels.numpy()
    for axes, (name, inputs) in zip(panels, sets.items(), strict=True):
        assert name.removeprefix("MNIST-1D") in axes.get_title(loc="left").replace("\n", " ")
        points = [line.get_xydata() for line in axes.lines]
        assert [len(each) for each in points] == data.train.labels.bincount().tolist()
        pictured = torch.cat([torch.as_tensor(each) for each in points])
        classes = torch.arange(10).repeat_interleave(torch.tensor([len(each) for each in points])).numpy()
        wanted = [purity(inputs.numpy(), labels), purity(pictured.numpy(), classes)]
        caption = axes.get_xlabel().replace("\n", " ")
        numbers = [float(word.strip(",")) for word in caption.split() if word.startswith("0.")]
        assert numbers == pytest.approx(wanted, abs=0.0051)
    assert "perplexity 30: seed 3." in figures.small_print(figure)


def purity(points, labels):
    near = cdist(points, points).argsort(1)[:, 1:11]
    return (labels[near] == labels[:, None]).mean()


def test_of_many_signals_some_are_embedded_and_the_small_print_says_how_many(figures, result, monkeypatch):
    monkeypatch.setattr("spurlab.report.views.embeddings._MOST", 60)
    figure = study_figure(result, "embeddings")
    assert sum(len(line.get_xydata()) for line in figures.panels(figure)[0].lines) == 60
    assert "60 of 200 training signals, drawn at random (seed 3)" in figures.small_print(figure)
    monkeypatch.setattr("spurlab.report.views.embeddings._MOST", 20)
    assert "perplexity" in spoken(study_figure(result, "embeddings"))  # too few for t-SNE: a sentence


def test_saliency_is_that_of_the_kept_networks_and_of_their_refits(figures, result, data, marked):
    """The gradient of a linear network is the weights of the class, whatever the signal: those kept, and refitted.

    The plain DFR is drawn though another one comes first in the study, and a method keeps its settings.
    """
    figure = study_figure(result, "saliency")
    panels = figures.panels(figure)
    assert [axes.get_ylabel() for axes in panels[::2]] == ["base", "spurious", "DFR", "AFR"]
    cell = next(c for c in cells_of(result.study) if (c.pattern, c.share, c.seed) == ("blocks-signal", 0.8, 3))
    network = build("logistic", data.shape, data.classes, 3)
    network.load_state_dict(load_file(weights_file(result.folder, cell.training.key(data.checksum))))
    examples = grouped(planted(data, cell.training), cell.training)
    clean = clean_examples(data, cell.training, 0.25)
    methods = ("dfr-plain", "afr-train gamma=2")
    after = [prevention_named(each, cell.setting.recipe, 3)(network, examples, clean) for each in methods]
    base = cell._replace(share=0.0).training
    weights = [load_file(weights_file(result.folder, base.key(data.checksum)))]
    weights += [each.state_dict() for each in (network, *after)]
    first = int(marked.mask.nonzero()[0])
    c = int(data.train.labels[first])
    rows = (data.train.labels == c) & marked.mask
    for axes, state in zip(panels[::2], weights, strict=True):
        (matrix,) = (tensor for tensor in state.values() if tensor.ndim == 2)
        wanted = matrix[c].double().abs() / matrix[c].double().abs().sum()
        for panel in (axes, panels[panels.index(axes) + 1]):
            shades = torch.tensor(panel.images[0].get_array().filled()).flatten()
            torch.testing.assert_close(shades, wanted, atol=1e-5, rtol=1e-4)
            assert f"{wanted[4 * c : 4 * c + 5].sum():.2f} on" in panel.get_title("right")
    whole = marked.materialize().inputs
    for axes, wanted in zip(panels[:2], (whole[first], whole[rows].mean(0)), strict=True):
        torch.testing.assert_close(drawn_of(axes.lines[1], "y"), wanted)
    said = figures.small_print(figure)
    assert "DFR, one plain refit: the last layer of spurious fitted again" in said
    assert f"mean of {int(rows.sum())} signals of class {c}" in panels[1].get_title("left")


def test_drawing_reads_what_the_run_kept(figures, result, monkeypatch):
    """With neither weights nor anything that could fit a network, the picture is the same."""
    drawn = study_figure(result, "saliency")
    for name in ("materials_in", "Preventing", "gradient"):
        monkeypatch.setattr(f"spurlab.studies.maps.{name}", None)
    (result.folder / "weights").rename(result.folder / "away")
    try:
        again = study_figure(result, "saliency")
    finally:
        (result.folder / "away").rename(result.folder / "weights")
    assert spoken(again) == spoken(drawn)
    for one, other in zip(figures.panels(drawn), figures.panels(again), strict=True):
        assert one.images[0].get_array().tolist() == other.images[0].get_array().tolist()


def test_a_folder_of_before_gets_its_maps_from_the_same_run_and_trains_nothing(figures, result, tmp_path, monkeypatch):
    folder = shutil.copytree(result.folder, tmp_path / "before")
    [kept] = (folder / "maps").iterdir()
    content = kept.read_bytes()
    shutil.rmtree(folder / "maps")
    said = spoken(study_figure(replace(result, folder=folder), "saliency"))
    assert "maps of the networks of seed 3 are not kept in the results folder. The same `spurlab run`" in said
    assert not (folder / "maps").exists()
    monkeypatch.setattr("spurlab.studies.making.fit", None)
    again = run(load_study("quinn", changes=CHANGES), folder, workers=0)
    assert kept.read_bytes() == content
    assert "on the block" in figures.panels(study_figure(again, "saliency"))[0].get_title("right")


@pytest.mark.parametrize("spoil", ["nothing", "a bit", "another's"])
def test_damaged_maps_are_told_and_what_a_run_drew_of_them_stays(spoil, result, tmp_path, caplog):
    folder = shutil.copytree(result.folder, tmp_path / "damaged")
    [kept] = (folder / "maps").iterdir()
    content = bytearray(kept.read_bytes())
    if spoil == "a bit":
        content[-3] ^= 1
    elif spoil == "another's":  # made for a file of another name
        content = sealed(kept.with_stem("0" * 20), *read_maps(kept)[:1], "failed", {})
    kept.write_bytes(b"nothing" if spoil == "nothing" else content)
    said = spoken(study_figure(replace(result, folder=folder), "saliency"))
    assert "There is no saliency to show: the maps in " in said
    assert "are damaged (" in said
    assert "Remove the file, and the same `spurlab run` makes them again." in said
    (folder / "quinn.png").write_bytes(b"drawn by a run")
    of_strips = result.study.model_copy(update={"figure": ("saliency",)})
    write_report([replace(result, study=of_strips, folder=folder)], [], folder)
    assert (folder / "quinn.png").read_bytes() == b"drawn by a run"
    assert "What `spurlab run` drew stays: quinn.png" in caplog.text


def test_a_network_that_diverged_is_said(result, tmp_path):
    folder = shutil.copytree(result.folder, tmp_path / "diverged")
    [kept] = (folder / "maps").iterdir()
    kept.write_bytes(sealed(kept, {}, "failed", {"base": "the network diverged in training"}))
    said = spoken(study_figure(replace(result, folder=folder), "saliency"))
    assert said == "There is no saliency to show: the network diverged in training (seed 3)."


def test_damaged_weights_end_no_run_that_has_all_numbers(result, tmp_path, caplog):
    folder = shutil.copytree(result.folder, tmp_path / "weights")
    shutil.rmtree(folder / "maps")
    for path in (folder / "weights").iterdir():
        path.write_bytes(b"nothing")
    again = run(load_study("quinn", changes=CHANGES), folder, workers=0)
    assert "where the networks look is not kept. the weights in" in caplog.text
    assert "are not kept in the results folder" in spoken(study_figure(again, "saliency"))


def test_a_refit_that_fails_is_said_in_the_small_print(figures, tmp_path, monkeypatch):
    def fails(*_):
        raise ValueError("no room")

    monkeypatch.setattr("spurlab.studies.treating.prevention_named", fails)
    changes = [*CHANGES, "seed=[3]", "pattern=blocks-signal", "share=[0.8]"]
    figure = study_figure(run(load_study("quinn", changes=changes), tmp_path, workers=0), "saliency")
    assert "DFR, one plain refit: failed (ValueError: no room)" in figures.small_print(figure)
    assert [axes.get_ylabel() for axes in figures.panels(figure)[::2]] == ["base", "spurious"]


def test_the_committed_results_show_their_strips(figures):
    [quinn] = [each for each in results_in(COMMITTED) if each.study.name == "quinn"]
    labels = [axes.get_ylabel() for axes in figures.panels(study_figure(quinn, "saliency"))[::2]]
    assert labels == ["base", "spurious", "DFR", "AFR"]


def test_what_cannot_be_drawn_is_said_in_a_sentence(result, monkeypatch):
    """No common feature, and data that are not here."""
    other = replace(result, study=load_study("quickstart"))
    assert "no common feature is planted" in spoken(study_figure(other, "signals"))

    def nowhere(name, offline):
        raise DataNotFoundError(f"{name} is not here.")

    monkeypatch.setattr(featured, "load", nowhere)
    for kind in ("signals", "embeddings", "saliency"):
        assert "mnist1d@200 is not here" in spoken(study_figure(result, kind))
