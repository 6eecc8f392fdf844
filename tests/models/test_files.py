"""Trained networks from functions, programs and weights in files; and what cannot be one."""

import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spurlab.models.files import is_program, load_network, save_weights

INPUTS = torch.rand(4, 3)


def make(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0], 4), nn.ReLU(), nn.Linear(4, classes))


def plain():
    return make((3,), 2)


def wide(*, width=4):
    return nn.Linear(3, width)


NETWORK = plain()


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys

    module = type(sys)("mine")
    module.make, module.plain, module.wide, module.number = make, plain, wide, lambda: 3
    module.deep = lambda depth: nn.Linear(3, depth)
    monkeypatch.setitem(sys.modules, "mine", module)


def test_a_function_is_called_with_what_it_asks_for():
    assert load_network("mine:make", None, (3,), 2)[-1].out_features == 2
    assert load_network("mine:plain", None, (3,), 2)[1].out_features == 4
    assert load_network("mine:wide,width=7", None, (3,), 2).out_features == 7
    assert load_network(NETWORK, None, (3,), 2) is NETWORK


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_weights_of_every_kind_of_file(tmp_path, wrapper, prefix):
    state = {f"{prefix}{name}": value for name, value in NETWORK.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "weights.pt")
    save_file(state, tmp_path / "weights.safetensors")
    for file in ("weights.pt", "weights.safetensors"):
        network = load_network("mine:plain", tmp_path / file, (3,), 2)
        assert network(INPUTS).equal(NETWORK(INPUTS))


def test_weights_come_back_as_they_were_saved(tmp_path):
    save_weights(NETWORK, tmp_path / "w.safetensors")
    assert load_network("mine:plain", tmp_path / "w.safetensors", (3,), 2)(INPUTS).equal(NETWORK(INPUTS))


def test_programs(tmp_path):
    """TorchScript and an exported program, which have their code with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(NETWORK).save(str(tmp_path / "script.pt"))
        torch.export.save(torch.export.export(NETWORK.eval(), (INPUTS,)), tmp_path / "exported.pt2")
        for file in ("script.pt", "exported.pt2"):
            program = load_network(tmp_path / file, None, (3,), 2)
            assert torch.allclose(program(INPUTS), NETWORK(INPUTS))
            assert is_program(program)
    assert not is_program(NETWORK)


def test_what_is_no_network_is_refused_in_a_sentence(tmp_path):
    torch.save(NETWORK.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "text.pt").write_text("no program")
    cases = {
        "mine:number": "must give an nn.Module, but gave int",
        "mine:wide,width": "settings are key=value",
        "mine:deep": "asks for depth. .* or give what it asks for: mine:deep,depth=...",
        "mine:wide,depth=3": "wide\\(depth=3\\) failed. TypeError",
        "mine:none": "has no 'none'",
        "nowhere_at_all:make": "cannot be imported",
        str(tmp_path / "weights.pt"): "holds weights and no program",
        str(tmp_path / "text.pt"): "holds no program of PyTorch's",
        "gone.pt": "there is no network 'gone.pt'",
    }
    for model, words in cases.items():
        with pytest.raises(ValueError, match=words):
            load_network(model, None, (3,), 2)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_weights_that_are_not_its_own_are_refused_and_nothing_is_run(tmp_path, capsys):
    torch.save(Evil(), tmp_path / "evil.pt")
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    state = NETWORK.state_dict()
    torch.save(state | {"3.bias": torch.zeros(5)}, tmp_path / "shape.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    cases = {
        "evil.pt": "cannot be read",
        "other.pt": "4 of its 4 tensors are not there, e.g. '1.weight'; 2 that it has not are there, e.g. 'weight'",
        "list.pt": "holds no state_dict but list",
        "shape.pt": r"'3.bias' is \(5,\) there and \(2,\) in the network",
        "broken.safetensors": "cannot be read",
        "gone.pt": "there is no file",
    }
    for file, words in cases.items():
        with pytest.raises(ValueError, match=words):
            load_network("mine:plain", tmp_path / file, (3,), 2)
    assert "run" not in capsys.readouterr().out


def test_weights_go_into_a_copy_of_a_given_network(tmp_path):
    given = plain()
    before = {name: value.clone() for name, value in given.state_dict().items()}
    save_weights(NETWORK, tmp_path / "w.safetensors")
    loaded = load_network(given, tmp_path / "w.safetensors", (3,), 2)
    assert all(value.equal(before[name]) for name, value in given.state_dict().items())
    assert loaded(INPUTS).equal(NETWORK(INPUTS))


def test_a_part_that_is_called_module_is_no_wrapper(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(3, 2)

        def forward(self, inputs):
            return self.module(inputs)

    network = Named()
    save_weights(network, tmp_path / "w.safetensors")
    assert load_network(Named(), tmp_path / "w.safetensors", (3,), 2)(INPUTS).equal(network(INPUTS))
