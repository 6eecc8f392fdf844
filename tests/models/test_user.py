"""Networks of the user's own: where their names are taken, where they are refused, and every mistake."""

import json
import sys
from hashlib import sha256

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spurlab.models import ARCHITECTURES, architecture_named, build, parameter_count, skeleton, source_digest
from spurlab.patterns import Planted
from spurlab.studies import StudyError, load_study, narrowed, plan, results_in, run
from spurlab.training import Ensemble, Member, Recipe, fit

CODE = """
import math
import torch
from torch import nn

print("imported", __name__)
CALLS = []

def make(shape, classes):
    CALLS.append((shape, classes))
    first = nn.Linear(math.prod(shape), 4)
    return nn.Sequential(nn.Flatten(), first, nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, classes))

class Nets:
    @staticmethod
    def lazy(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

def partly_frozen(shape, classes):
    model = make(shape, classes)
    model[2].eval()
    return model

NUMBER = 3
def no_module(shape, classes): return "a network"
def fails(shape, classes): raise KeyError("what")
def one_argument(shape): return None
def too_many(shape, classes): return make(shape, classes + 1)
def flat(shape, classes): return nn.Flatten(0)
def no_tensor(shape, classes):
    class Two(nn.Module):
        def forward(self, x): return x, x
    return Two()
def narrow(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(3, classes))
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """A package of the user's, ``mine.nets``, with a broken module beside it; forgotten afterwards."""
    folder = tmp_path / "code" / "mine"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(CODE)
    (folder / "broken.py").write_text("import nothing_of_this_name")
    (folder / "wrong.py").write_text("def make(:")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("PYTHONPATH", str(folder.parent), prepend=":")
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def test_it_is_called_with_shape_and_classes_and_seeded_like_the_zoo():
    """The weights are those that the function draws under the member's generator: the dry run comes after them."""
    before = torch.get_rng_state()
    one, again, other = (build("mine.nets:make", (1, 2, 3), 5, seed) for seed in (0, 0, 1))
    assert torch.get_rng_state().equal(before)
    assert sys.modules["mine.nets"].CALLS == [((1, 2, 3), 5)] * 3
    assert one[1].weight.equal(again[1].weight)
    assert not one[1].weight.equal(other[1].weight)
    assert one(torch.zeros(2, 1, 2, 3)).shape == (2, 5)
    assert parameter_count(one) == parameter_count(skeleton("mine.nets:make", (1, 2, 3), 5)) == 7 * 4 + 8 + 25


def test_the_dry_run_leaves_no_trace():
    """Batch norm has counted nothing, and each module is in the mode that the user left it in."""
    model = build("mine.nets:partly_frozen", (3,), 2, seed=0)
    assert model[2].num_batches_tracked == 0
    assert [each.training for each in model] == [True, True, False, True, True]
    assert model.training


def test_a_lazy_network_is_whole_and_seeded():
    one, again = (build("mine.nets:Nets.lazy", (1, 2, 3), 5, seed=0) for _ in range(2))
    assert one[1].weight.shape == (5, 6)
    assert one[1].weight.equal(again[1].weight)


def test_a_name_alone_imports_nothing(capsys):
    assert architecture_named("mine.nets:make") == "mine.nets:make"
    assert architecture_named("not.there:at_all") == "not.there:at_all"
    assert "mine.nets" not in sys.modules
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.net:make", r"the module 'mine.net' cannot be imported. Install it, or put its folder on PYTHONPATH"),
        ("your.nets:make", r"the module 'your.nets' cannot be imported. Install it.*No module named 'your'"),
        (
            "mine.broken:make",
            r"'mine.broken' cannot be imported. ModuleNotFoundError: No module named 'nothing_of_this",
        ),
        ("mine.wrong:make", r"'mine.wrong' cannot be imported. SyntaxError: "),
        ("mine.nets:mkae", r"the module 'mine.nets' has no 'mkae'"),
        ("mine.nets:Nets.none", r"the module 'mine.nets' has no 'Nets.none'"),
        ("mine.nets:NUMBER", r"must be callable, but its type is int"),
        ("mine.nets:no_module", r"no_module\(\(1, 4, 4\), 10\) must give an nn.Module, but gave str"),
        ("mine.nets:fails", r"fails\(\(1, 4, 4\), 10\) failed. KeyError: 'what'"),
        ("mine.nets:one_argument", r"one_argument\(\(1, 4, 4\), 10\) failed. TypeError: .*positional argument"),
        ("mine.nets:too_many", r"shape \(2, 1, 4, 4\) must give logits of shape \(2, 10\), but gave \(2, 11\)"),
        ("mine.nets:flat", r"logits of shape \(2, 10\), but gave \(32,\)"),
        ("mine.nets:no_tensor", r"logits of shape \(2, 10\), but gave tuple"),
        ("mine.nets:narrow", r"cannot take a batch of shape \(2, 1, 4, 4\). RuntimeError: "),
    ],
)
def test_every_mistake_is_a_sentence_that_names_the_architecture(name, message):
    for make in (lambda: build(name, (1, 4, 4), 10, seed=0), lambda: skeleton(name, (1, 4, 4), 10)):
        with pytest.raises(ValueError, match=message) as caught:
            make()
        assert str(caught.value).startswith(f"architecture {name!r}")


@pytest.mark.parametrize("name", ["mine.nets:", ":make", "mine:nets:make", "mine/nets.py:make", "mine nets:make", ":"])
def test_another_form_is_refused(name):
    for asked in (lambda: architecture_named(name), lambda: build(name, (1, 4, 4), 10, seed=0)):
        with pytest.raises(ValueError, match=r"is named package\.module:callable"):
            asked()


def members_of(mini):
    few = Planted.none(mini.train[torch.arange(64)])
    return [Member(few, seed) for seed in (3, 4)]


@pytest.mark.parametrize("engine", ["auto", "plain"])
def test_it_trains_in_worker_processes_as_in_this_one(mini, engine):
    """Flatten and a linear layer, in lockstep and one at a time; other numbers of threads may round otherwise."""
    recipe = Recipe(epochs=1, milestones=(), batch_size=32)
    here, there = (
        fit("mine.nets:Nets.lazy", members_of(mini), recipe, classes=10, engine=engine, workers=w) for w in (0, 1)
    )
    assert here.architecture == "mine.nets:Nets.lazy"
    torch.testing.assert_close(there.trained.state, here.trained.state, rtol=1e-3, atol=1e-5)
    inputs = mini.test.inputs[:3]
    torch.testing.assert_close(here.predict(inputs)[1], here.member(1)(inputs).softmax(-1).detach())


@pytest.mark.parametrize("engine", ["auto", "plain"])
def test_fit_tells_a_mistake_before_it_starts_a_worker(mini, engine):
    with pytest.raises(ValueError, match="has no 'mkae'"):
        fit("mine.nets:mkae", members_of(mini), Recipe(epochs=1, milestones=()), classes=10, engine=engine)


def test_an_ensemble_file_neither_names_nor_runs_code(mini, tmp_path, capsys):
    """Saved it could not be loaded, and a file that names code (another's, perhaps) is refused unread."""
    ensemble = fit("mine.nets:make", members_of(mini), Recipe(epochs=0, milestones=()), classes=10, workers=0)
    with pytest.raises(ValueError, match="only networks of the zoo"):
        ensemble.save(tmp_path / "mine.safetensors")
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]
    capsys.readouterr()
    about = {"architecture": "mine.nets:make", "shape": [1, 28, 28], "classes": 10, "seeds": [0]}
    metadata = {"format": "spurlab-ensemble-1", "ensemble": json.dumps(about)}
    save_file({"losses": torch.zeros(1, 1), "state/x": torch.zeros(1)}, tmp_path / "evil.safetensors", metadata)
    with pytest.raises(ValueError, match=r"'mine\.nets:make', which are not in this version's zoo"):
        Ensemble.load(tmp_path / "evil.safetensors")
    assert "mine.nets" not in sys.modules
    assert capsys.readouterr().out == ""


STUDY = """
title = "t"
dataset = "fashion-mini"
architecture = {outside}
pattern = "R3"
n = [0, 3]
recipe = {{ name = "quick", epochs = 1 }}
{rest}
"""


@pytest.mark.parametrize(
    ("outside", "rest"),
    [
        ('"mine.nets:make"', ""),
        ('["mlp", "mine.nets:make"]', ""),
        ('"mlp"', '[[grid]]\narchitecture = "mine.nets:make"'),
        ('"mlp"', '[[grid]]\n[[grid]]\narchitecture = ["mine.nets:make"]'),
        ('"mlp"', '[profiles.quick]\narchitecture = "mine.nets:make"'),
        ('"mlp"', '[[profiles.quick.grid]]\narchitecture = "mine.nets:make"'),
    ],
)
def test_a_study_file_cannot_name_code(outside, rest, tmp_path):
    """Not even where the command line overrides it."""
    path = tmp_path / "mine.toml"
    path.write_text(STUDY.format(outside=outside, rest=rest))
    for changes in ([], ["architecture=mlp"]):
        with pytest.raises(StudyError, match=r"mine.toml: key 'architecture'.*--set architecture=mine.nets:make"):
            load_study(path, changes=changes)
    assert "mine.nets" not in sys.modules


def test_the_command_line_can(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(STUDY.format(outside='"mlp"', rest=""))
    assert load_study(path, changes=["architecture=mine.nets:make"]).axis("architecture") == ("mine.nets:make",)
    both = load_study(path, changes=['architecture=["mlp", "mine.nets:make"]'])
    assert narrowed(both, ["architecture=mine.nets:make"]).axis("architecture") == ("mine.nets:make",)
    with pytest.raises(StudyError, match=r"package\.module:callable"):
        load_study(path, changes=["architecture=mine.nets:"])
    assert capsys.readouterr().out == ""  # nothing imported so far


def test_a_study_with_a_network_of_the_users_own_from_plan_to_rows(mini, tmp_path, capsys):
    """Trained in a worker process. Reading the results runs nothing: they may be another's."""
    path, out = tmp_path / "mine.toml", tmp_path / "out"
    path.write_text(STUDY.format(outside='"mlp"', rest=""))
    study = load_study(path, changes=["architecture=mine.nets:make"])
    assert plan(study, out, calibrate=False, load=lambda name: mini).to_do == 2
    rows = run(study, out, workers=1, load=lambda name: mini).rows
    assert set(rows.architecture) == {"mine.nets:make"}
    assert rows.value.notna().all()
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]
    capsys.readouterr()
    (found,) = results_in(out)
    assert found.rows.value.tolist() == rows.value.tolist()
    assert "mine.nets" not in sys.modules
    assert capsys.readouterr().out == ""


def test_a_study_tells_a_mistake_before_it_writes_anything(mini, tmp_path):
    path, out = tmp_path / "mine.toml", tmp_path / "out"
    path.write_text(STUDY.format(outside='"mlp"', rest=""))
    for architecture, words in [
        ("mine.nets:too_many", r"on fashion-mini.*gave \(2, 11\)"),
        ("vgg16", "32 x 32 pixels"),
    ]:
        with pytest.raises(StudyError, match=words):
            run(load_study(path, changes=[f"architecture={architecture}"]), out, load=lambda name: mini)
        assert not list(out.glob("*.csv"))


def test_pixel_importance_needs_a_perceptron(mini, tmp_path):
    study = load_study("fig5-weights", changes=["dataset=fashion-mini", "architecture=cnn", "n=[0, 9]"])
    with pytest.raises(StudyError, match=r"first layer of 'cnn' is Conv2d. Take a perceptron"):
        plan(study, tmp_path, load=lambda name: mini)


def test_the_zoo_has_no_colon_in_its_names(name):
    assert ":" not in name
    shape = (40,) if name.startswith("mnist1d") else (9, 60) if ARCHITECTURES[name].words else (1, 32, 32)
    assert isinstance(skeleton(name, shape, 2), nn.Module)


def test_a_module_is_found_in_packages_without_init_and_none_is_imported(tmp_path, monkeypatch):
    """As importlib finds it, which imports what stands above: two folders of one package, and a package within."""
    for place in ("one/outer/inner/__init__.py", "one/outer/inner/net.py", "two/outer/deep/deeper/net.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"raise RuntimeError('{place} was run')")
    monkeypatch.syspath_prepend(tmp_path / "one")
    monkeypatch.syspath_prepend(tmp_path / "two")
    names = {"outer.inner.net": "one/outer/inner/net.py", "outer.deep.deeper.net": "two/outer/deep/deeper/net.py"}
    for name, place in names.items():
        wanted = sha256((tmp_path / place).read_bytes()).hexdigest()[:16]
        assert source_digest(f"{name}:make", "method") == wanted
    with pytest.raises(ValueError, match=r"'outer.deep.nowhere' cannot be found"):
        source_digest("outer.deep.nowhere:make", "method")
    assert not any(name.split(".")[0] == "outer" for name in sys.modules)
