"""Ensembles: all members at once against one at a time, and files that come back exactly or are refused."""

import json
import pickle
import struct
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from spurlab.seeds import rng_for
from spurlab.training import Ensemble, Recipe, Trained, fit


@pytest.fixture(scope="module")
def trained(members_of):
    """Three small MLPs of the zoo after one epoch."""
    return fit("small-mlp", members_of([0, 3, 20]), Recipe(epochs=1), classes=10, workers=0)


def same(a, b):
    """Whether two ensembles are equal in every bit that is saved; the order of the weights' names may differ."""
    about = [(e.architecture, e.shape, e.classes, e.seeds, set(e.trained.state)) for e in (a, b)]
    weights_agree = all(weights.equal(b.trained.state[name]) for name, weights in a.trained.state.items())
    return about[0] == about[1] and weights_agree and a.trained.losses.equal(b.trained.losses)


def test_predictions_equal_those_of_the_members(trained, small):
    probabilities = trained.predict(small.inputs)
    assert probabilities.shape == (3, 200, 10)
    for i in range(len(trained)):
        assert_close(probabilities[i], trained.member(i)(small.inputs).softmax(-1))
    assert not probabilities[0].allclose(probabilities[1], atol=0.01)


def test_predictions_are_probabilities_in_batches_of_any_size(trained, small):
    wanted = trained.predict(small.inputs)
    assert_close(wanted.sum(-1), torch.ones(3, 200))
    assert wanted.min() >= 0
    for batch_size in (1, 33, 200):
        assert_close(trained.predict(small.inputs, batch_size), wanted)
    assert trained.predict(small.inputs[:0]).shape == (3, 0, 10)


def test_a_member_is_a_plain_module_of_its_own(trained):
    """In evaluation mode, and a copy: who goes on training it does not change the ensemble."""
    member, before = trained.member(1), trained.trained.state["1.weight"].clone()
    assert type(member) is nn.Sequential
    assert not member.training
    with torch.no_grad():
        member[1].weight.zero_()
    assert trained.trained.state["1.weight"].equal(before)


def on_meta(ensemble):
    """As if trained on another device."""
    state = {name: tensor.to("meta") for name, tensor in ensemble.trained.state.items()}
    return replace(ensemble, trained=Trained(state, ensemble.trained.losses))


def test_a_member_is_where_the_weights_are(trained):
    """The meta device stands for a GPU: what is measured with the member is measured there."""
    assert trained.device.type == "cpu"
    moved = on_meta(trained)
    assert moved.device.type == "meta"
    assert {tensor.device.type for tensor in moved.member(1).state_dict().values()} == {"meta"}


class Scaled(nn.Module):
    """Notes where its buffer is, which is not saved, and how many examples come at once."""

    def __init__(self, convolved, notes):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3) if convolved else nn.Identity()
        self.last = nn.Linear(50 if convolved else 49, 10)
        self.register_buffer("scale", torch.ones(()), persistent=False)
        self.notes = notes

    def forward(self, inputs):
        self.notes.append((self.scale.device.type, len(inputs)))
        return self.last(self.first(inputs).flatten(1) * self.scale)


def test_what_is_not_saved_is_where_the_weights_are(members_of, small):
    notes = []
    ensemble = on_meta(fit(lambda: Scaled(False, notes), members_of([0]), Recipe(epochs=0), classes=10))
    notes.clear()
    with pytest.raises(NotImplementedError):  # nothing comes back from the meta device
        ensemble.predict(small.inputs)
    assert notes == [("meta", 200)]


@pytest.mark.parametrize(("convolved", "batches"), [(True, [250, 250, 100, 250, 250, 100]), (False, [600, 600])])
def test_networks_with_convolutions_predict_in_small_batches(convolved, batches, members_of, small):
    """600 images: three batches for each of two networks of the user's, one after the other, or one for each."""
    notes = []
    ensemble = fit(lambda: Scaled(convolved, notes), members_of([0, 3]), Recipe(epochs=0), classes=10)
    notes.clear()
    images = small.inputs.repeat(3, 1, 1, 1)
    probabilities = ensemble.predict(images)
    assert [rows for _, rows in notes] == batches
    for i in range(2):
        assert_close(probabilities[i], ensemble.member(i)(images).softmax(-1))


def test_dropout_is_off_in_predictions(members_of, small):
    """Or two members with dropout would disagree with themselves from call to call."""
    ensemble = fit(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 20), nn.Dropout(), nn.Linear(20, 10)),
        members_of([0, 3]),
        Recipe(epochs=1),
        classes=10,
    )
    assert ensemble.predict(small.inputs).equal(ensemble.predict(small.inputs))
    assert_close(ensemble.predict(small.inputs)[1], ensemble.member(1)(small.inputs).softmax(-1))


def test_chosen_members_are_an_ensemble(trained, small):
    chosen = trained[torch.tensor([2, 0])]
    assert chosen.seeds == (2, 0)
    assert_close(chosen.predict(small.inputs), trained.predict(small.inputs)[[2, 0]])
    assert chosen.trained.losses.equal(trained.trained.losses[[2, 0]])


def test_saved_and_loaded_is_the_same(trained, small, tmp_path):
    trained.save(tmp_path / "ensemble.safetensors")
    loaded = Ensemble.load(str(tmp_path / "ensemble.safetensors"))
    assert same(trained, loaded)
    assert loaded.predict(small.inputs).equal(trained.predict(small.inputs))
    loaded[torch.tensor([1])].save(tmp_path / "one.safetensors")
    assert same(Ensemble.load(tmp_path / "one.safetensors"), trained[torch.tensor([1])])


def test_diverged_members_survive_saving(trained, tmp_path):
    state = {name: weights.clone() for name, weights in trained.trained.state.items()}
    state["1.bias"][1, 0] = torch.nan
    broken = Ensemble("small-mlp", trained.shape, 10, trained.seeds, type(trained.trained)(state, torch.zeros(3, 1)))
    broken.save(tmp_path / "ensemble.safetensors")
    assert Ensemble.load(tmp_path / "ensemble.safetensors").diverged.tolist() == [False, True, False]


def test_the_file_is_open_to_anyone(trained, tmp_path):
    """Plain safetensors: weights by name under ``state/``, the rest as JSON."""
    trained.save(tmp_path / "ensemble.safetensors")
    with safe_open(tmp_path / "ensemble.safetensors", "pt") as file:
        assert set(file.keys()) == {"losses", *(f"state/{name}" for name in trained.trained.state)}
        assert json.loads(file.metadata()["ensemble"]) == {
            "architecture": "small-mlp",
            "shape": [1, 7, 7],
            "classes": 10,
            "seeds": [0, 1, 2],
        }


def test_no_pickle_on_the_way(trained, tmp_path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("pickle was used")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    monkeypatch.setattr(torch, "save", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    trained.save(tmp_path / "ensemble.safetensors")
    assert same(trained, Ensemble.load(tmp_path / "ensemble.safetensors"))


def test_a_network_of_the_user_has_no_name_to_save(net, members_of, tmp_path):
    ensemble = fit(net, members_of([0]), Recipe(epochs=0), classes=10)
    with pytest.raises(ValueError, match="only networks of the zoo"):
        ensemble.save(tmp_path / "ensemble.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["nothing.safetensors", "."])
def test_a_file_that_is_not_there(missing, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no ensemble at "):
        Ensemble.load(tmp_path / missing)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.5, 0.999])
def test_a_file_that_was_cut_off(share, trained, tmp_path):
    path = tmp_path / "ensemble.safetensors"
    trained.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is no safetensors file, or it is damaged"):
        Ensemble.load(path)


class Payload:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Payload()),
        b"not an ensemble",
        struct.pack("<Q", 2**60) + b"{}",  # a header of an exabyte
        torch.randint(256, (1000,), generator=rng_for(0, "test"), dtype=torch.uint8).numpy().tobytes(),
    ],
    ids=["pickle", "text", "huge header", "noise"],
)
def test_a_file_of_another_kind_is_refused_and_not_executed(content, tmp_path, capsys):
    path = tmp_path / "ensemble.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no safetensors file, or it is damaged"):
        Ensemble.load(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "spurlab-ensemble-99"}])
def test_safetensors_of_somebody_else_are_refused(metadata, tmp_path):
    path = tmp_path / "ensemble.safetensors"
    save_file({"weight": torch.zeros(2, 3)}, path, metadata)
    with pytest.raises(ValueError, match="is no ensemble of this version of Spurlab"):
        Ensemble.load(path)


def dropped(about):
    return {name: value for name, value in about.items() if name != "seeds"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about: "no JSON {",
        lambda about: "[" * 100_000,
        lambda about: json.dumps([about]),
        lambda about: json.dumps(dropped(about)),
        *(
            lambda about, change=change: json.dumps(about | change)
            for change in (
                {"seeds": 7},
                {"seeds": [0, 1]},  # of three members
                {"seeds": ["0", "1", "2"]},
                {"shape": None},
                {"shape": [1, 10**30]},
                {"shape": [3, 28, 28]},
                {"classes": 11},
                {"classes": "ten"},
                {"classes": 10**30},
                {"architecture": ["small-mlp"]},
                {"architecture": "mlp"},
            )
        ),
    ],
)
def test_damaged_metadata_are_refused(spoil, trained, tmp_path):
    """What stands beside the weights must be what `save` writes, and fit them."""
    path = tmp_path / "ensemble.safetensors"
    trained.save(path)
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata | {"ensemble": spoil(json.loads(metadata["ensemble"]))})
    with pytest.raises(ValueError, match="is damaged") as caught:
        Ensemble.load(path)
    assert len(str(caught.value)) < 600
    save_file(tensors, path, {"format": metadata["format"]})
    with pytest.raises(ValueError, match="is damaged"):
        Ensemble.load(path)
    tensors.pop("losses")
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="is damaged"):
        Ensemble.load(path)
