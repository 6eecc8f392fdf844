"""Whatever a user hands over is afterwards as it was."""

import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import DELETIONS, check, deletion_named, prepare, reference_influence
from spurlab.explain import gradient
from spurlab.lent import lent, settings_kept, untouched
from spurlab.measures import MEASURES, Answers, Deleted, MarkedTests, Observed, effects
from spurlab.methods import isolated
from spurlab.models import features
from spurlab.patterns import Planted, make_pattern, plant
from spurlab.prevention import PREVENTIONS, prevention_named
from spurlab.seeds import rng_for
from spurlab.studies import load_study, run
from spurlab.training import RECIPES, Member, fit, logits, predictions


@pytest.fixture(autouse=True)
def _each_test_alone() -> Iterator[None]:
    """What one that fails leaves is not the next one's. Recursions of thousands of products say no more here."""
    with settings_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_influence, "DEPTH", 30)
        yield


REFUSING = ("dp-sgd", "influence-ekfac")  # networks with batch norm
SLOW = ("influence-reference-1000", "influence-reference-25")  # as another, with other numbers


def a_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)).eval()


def settings() -> list[Any]:
    """What PyTorch and Python tell of themselves, looked up here without the module under test."""
    return [
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(),
        torch.get_float32_matmul_precision(),
        (torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 1).item(),
        torch.get_rng_state().tolist(),
        str(np.random.get_state()),  # noqa: NPY002 - the global generator
        list(warnings.filters),
        dict(nn.modules.module._global_forward_hooks),
        random.getstate(),
    ]


def spoil_settings(all_of_them: bool = True) -> None:
    """The worst that foreign code does to the process; not all of it can be borne between two batches."""
    torch.set_grad_enabled(not torch.is_grad_enabled())
    if all_of_them:
        spoil_settings.held = torch.inference_mode()  # type: ignore[attr-defined]  # begun, and never ended
        spoil_settings.held.__enter__()  # type: ignore[attr-defined]
        torch.set_autocast_enabled("cpu", True)
        torch.set_autocast_dtype("cpu", torch.float16)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
    torch.set_num_threads(3)  # once more than before each time would be a thousand threads in the end
    torch.use_deterministic_algorithms(True)
    torch.autograd.set_detect_anomaly(True)
    torch.set_float32_matmul_precision("medium")
    torch.set_flush_denormal(True)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002 - the global generator
    random.seed(7)
    warnings.simplefilter("ignore")
    if not nn.modules.module._global_forward_hooks:  # one more at each call would be thousands
        nn.modules.module.register_module_forward_hook(lambda *_: None)


@pytest.mark.parametrize("ends", [None, ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("gradients", [True, False])
def test_settings_are_as_before_however_the_block_ends(gradients: bool, ends: type[BaseException] | None) -> None:
    """They are looked up by other means than the guard's own."""
    with torch.set_grad_enabled(gradients):
        before = settings()
        with nullcontext() if ends is None else pytest.raises(ends), settings_kept():
            spoil_settings()
            if ends is not None:
                raise ends
        assert settings() == before


class Restless(nn.Module):
    """Changes itself whenever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.count, self.cache, self.seen = nn.Linear(4, 2), 0, {"all": [0]}, torch.zeros(1)
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("mean", torch.zeros(2))
        self.rng = torch.Generator()

    def forward(self, inputs: Tensor) -> Tensor:
        self.count += 1
        self.cache["all"].append(self.count)
        self.cache["new"] = [inputs]
        self.new = nn.Linear(2, 2)
        self.train(not self.training)
        with torch.no_grad():
            self.body.weight.data.mul_(2)  # leaves its version as it is
            self.body.bias.data = torch.ones(2)
            self.seen.add_(1)
            self.mean = self.mean + 1
            torch.rand(2, generator=self.rng)
        self.body.weight.grad = torch.ones_like(self.body.weight)
        self.frozen.requires_grad_(True).register_hook(lambda _: None)
        self.body.register_forward_hook(lambda *_: None)
        self.body.register_forward_pre_hook(lambda *_: None)
        self.body.register_full_backward_hook(lambda *_: None)
        return self.body(inputs.sub_(1))


def told(network: nn.Module) -> list[Any]:
    """All of a network that can be seen from outside: also which objects it is made of."""
    found: list[Any] = []
    for module in network.modules():
        parts = vars(module)
        found += [id(module), type(module), {name: repr(value) for name, value in parts.items()}]
        found += [[(key, id(each)) for key, each in value.items()] for value in parts.values() if type(value) is dict]
    for tensor in (*network.parameters(), *network.buffers()):
        grad = None if tensor.grad is None else tensor.grad.tolist()
        found += [id(tensor), tensor.data_ptr(), tensor.tolist(), tensor.dtype, tensor.requires_grad, grad]
        found.append(len(tensor._backward_hooks or {}))
    return found


def test_a_network_that_changes_itself_is_as_before() -> None:
    """It gives the same answer twice, which it would not if anything of it had moved."""
    network, inputs = Restless().train(), torch.rand(3, 4)
    network.body.weight.grad = torch.zeros(2, 4)
    before, state = told(network), network.rng.get_state()
    answers = []
    for _ in range(2):
        with untouched(network), torch.no_grad():
            answers.append(network(inputs.clone()))
    assert told(network) == before
    assert network.rng.get_state().equal(state)
    assert answers[0].equal(answers[1])


def test_what_has_not_changed_is_not_written() -> None:
    """A version counts writes: a graph that waits for its backward pass still fits to the weights."""
    network = a_network()
    loss = network(torch.rand(3, 4)).sum()
    with untouched(network), torch.no_grad():
        network(torch.rand(3, 4))
    loss.backward()


def test_a_lent_network_and_its_data_are_copies() -> None:
    network, data = a_network(), Examples(torch.rand(5, 4), torch.arange(5) % 2, torch.arange(5))
    before = told(network), [column.clone() for column in data.columns.values()]
    with lent(network, data, None) as (theirs, copied, nothing):
        assert nothing is None
        for tensor in (*theirs.parameters(), *copied.columns.values()):
            tensor.data.zero_()
        network.train()  # a method may have kept a reference of its own
    assert told(network) == before[0]
    assert all(column.equal(kept) for column, kept in zip(data.columns.values(), before[1], strict=True))


def test_what_a_network_remembers_of_a_computation_does_not_keep_it_from_being_copied() -> None:
    """PyTorch refuses to copy a tensor with a history. Its numbers can be copied, and the history is not the copy's."""
    held = torch.ones(1, requires_grad=True) * 2
    with lent(with_attribute([held])) as (network,):
        assert network[0].held[0].item() == 2
        assert network[0].held[0] is not held


class Shared(nn.Linear):
    """Says that it is its own copy."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Shared":
        return self


def with_attribute(value: object) -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2))
    network[0].held = value
    return network


@pytest.mark.parametrize(
    ("make", "culprit"),
    [(lambda: Shared(2, 2), "__deepcopy__"), (lambda: with_attribute(threading.Lock()), "'0.held'")],
)
def test_a_network_that_cannot_be_copied_is_refused_with_the_cause(make: Callable[[], nn.Module], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit), lent(make()):
        pass


# Every place where foreign code is handed something


def a_dataset() -> Dataset:
    """Two classes that brightness tells apart, in four groups."""
    rng, labels = rng_for(0, "test"), torch.arange(90) % 2
    inputs = torch.rand(90, 1, 4, 4, generator=rng) * (0.4 + 0.6 * labels.view(-1, 1, 1, 1))
    groups = 2 * labels + torch.arange(90) // 2 % 2
    train, test = (Examples(inputs[part], labels[part], groups[part]) for part in (slice(60), slice(60, 90)))
    return Dataset("bright", train, test, ("dark", "light"), (0.0, 1.0), Source("", "", ""))


class Hostile(nn.Module):
    """Learns like any other, but works in place; asked in evaluation mode it spoils whatever it can reach."""

    def __init__(self) -> None:
        super().__init__()
        self.rest, self.body, self.norm = nn.Dropout(), nn.Linear(16, 8), nn.BatchNorm1d(8)
        self.head, self.calls, self.seen = nn.Linear(8, 2), 0, []
        self.register_buffer("count", torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.norm(self.body(inputs.sub_(0.5).mul_(2).flatten(1))).relu_()
        outputs = self.head(hidden)
        if not self.training:
            self.calls += 1
            if self.calls == 1:
                self.seen.append(hidden)
                self.head.register_forward_hook(lambda *_: None)
            self.body.weight.data.mul_(0.9)
            self.count = self.count + 1
            self.head.bias.requires_grad_(torch.is_grad_enabled())  # off where nobody wants gradients
            self.rest.train()
            spoil_settings(all_of_them=False)
        return outputs


def hostile() -> nn.Module:
    network = Hostile()
    spoil_settings()
    return network


def spoil(*given: Any) -> None:
    """The tensors, networks and bundles of tensors that a function was given."""
    for each in given:
        if isinstance(each, nn.Module):
            each.train().requires_grad_(False).register_forward_hook(lambda *_: None)
            spoil(*each.parameters(), *each.buffers())
        elif isinstance(each, Examples):
            spoil(*each.columns.values())
        elif isinstance(each, Tensor):
            each.data.fill_(1)


def hostile_method(model: nn.Module, data: Examples, other: Any) -> nn.Module:
    spoil(model, data, other)
    spoil_settings()
    return model


def ending_method(model: nn.Module, data: Examples, other: Any) -> nn.Module:
    spoil(model, data, other)
    spoil_settings()
    raise SystemExit(3)


def hostile_pattern(inputs: Tensor) -> Tensor:
    inputs[..., 0, 0] = 1.0
    spoil_settings()
    return inputs


class Place(NamedTuple):
    """Everything that is lent there."""

    network: nn.Module
    data: Dataset

    @property
    def planted(self) -> Planted:
        return plant(self.data.train, make_pattern("S1", self.data.shape), 0, 5, seed=0)

    def measured(self, *names: str) -> None:
        answers, tests = Answers(self.network, lambda: self.planted), MarkedTests(self.data)
        seen = Observed(self.data, "", self.network, 0, hostile_pattern, 0, trained_on=answers, tests=tests)
        deleted = Deleted(seen, self.planted.mask, [seen, seen], 1.0, lambda: 1.0)
        for name in names:
            MEASURES[name].take(replace(seen, deleted=deleted, _kept={}))

    def deleted_by(self, method: Callable[..., nn.Module]) -> None:
        planted, train = self.planted, self.data.train
        isolated(method, self.network, lambda: (planted.materialize(), planted.mask), like=train, classes=2, seed=0)


SHORT = RECIPES["quick"].but(epochs=1, milestones=(), batch_size=20)
FIRST = {"architecture": hostile, "n": 5, "seeds": [0, 1], "recipe": SHORT, "workers": 0}


def by_table(place: Place, name: str) -> None:
    planted = place.planted
    deletion_named(name, SHORT, 0)(place.network, planted.materialize(), planted.mask)


def prevented(place: Place, name: str) -> None:
    prevention_named(name, SHORT, 0)(place.network, place.data.train, place.data.test)


PLACES: dict[str, Callable[[Place], object]] = {
    "plant": lambda place: plant(place.data.train, hostile_pattern, 0, 5, seed=0),
    "materialize": lambda place: spoil(place.planted.materialize(), Planted.none(place.data.train).materialize()),
    "predictions": lambda place: predictions(place.network, place.data.test.inputs),
    "logits": lambda place: logits(place.network, place.data.test.inputs),
    "features": lambda place: features(place.network, place.data.test.inputs),
    "saliency": lambda place: gradient(place.network, place.data.test.inputs, place.data.test.labels),
    "score": lambda place: place.measured("spurious_score"),
    "margins": lambda place: place.measured("oracle_distance"),
    "effect": lambda place: place.measured(*effects()),
    "a method of deletion": lambda place: place.deleted_by(hostile_method),
    "one that ends": lambda place: place.deleted_by(ending_method),
    "fit": lambda place: fit(hostile, [Member(place.planted, 0), Member(place.planted, 1)], SHORT, classes=2),
    "an ensemble": lambda place: fit(hostile, [Member(place.planted, 0)], SHORT, classes=2).predict(
        place.data.test.inputs
    ),
    "prepare": lambda place: prepare(place.data, pattern=hostile_pattern, **FIRST),
    "a check of a given network": lambda place: str(
        check(
            [hostile_method, ending_method],
            place.data,
            given=place.network,
            forget=[0, 2],
            pattern=hostile_pattern,
            recipe=SHORT,
            oracles=2,
        )
    ),
    "check": lambda place: str(check([hostile_method, ending_method], place.data, pattern=hostile_pattern, **FIRST)),
    **{f"deletion {name}": partial(by_table, name=name) for name in DELETIONS if name not in (*SLOW, *REFUSING)},
    **{f"prevention {name}": partial(prevented, name=name) for name in PREVENTIONS if name not in REFUSING},
}


def lent_out(place: Place) -> list[Any]:
    parts = [column for part in (place.data.train, place.data.test) for column in part.columns.values()]
    *all_but_pythons_generator, _ = settings()  # from which the checks of types in these tests draw
    return [*all_but_pythons_generator, *told(place.network), [column.tolist() for column in parts]]


@pytest.mark.parametrize("name", PLACES)
def test_whatever_foreign_code_does_all_is_as_before(name: str) -> None:
    """It changes all that it is given in place, and all settings. What was lent is compared bit by bit."""
    torch.manual_seed(0)
    place = Place(Hostile().eval(), a_dataset())
    before = lent_out(place)
    PLACES[name](place)
    assert lent_out(place) == before


FOREIGN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, copies):
        super().__init__()
        self.body, self.head, self.copies = nn.Linear(16, 8), nn.Linear(8, 2), copies

    def forward(self, inputs):
        inputs = inputs.flatten(1).clone() if self.copies else inputs.flatten(1)
        return self.head(self.body(inputs.sub_(0.5).div_(0.25)).relu())

def copies(shape, classes):
    return Net(True)

def in_place(shape, classes):
    torch.set_num_threads(torch.get_num_threads() + 1)
    return Net(False)

def spoils(model, data, forget):
    data.inputs.zero_()
    data.labels.zero_()
    forget.zero_()
    model.body.weight.data.zero_()
    torch.set_grad_enabled(False)
    raise SystemExit(3)
"""


def test_in_a_study_a_network_that_works_in_place_gets_the_numbers_of_its_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin copies first. The test set is looked at many times, and by every measure alike."""
    (tmp_path / "foreign_code.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path)
    place = Place(Hostile().eval(), a_dataset())
    before, found = lent_out(place), []
    for name in ("copies", "in_place"):
        changes = [
            *("n=[0, 5]", "seed=[3, 5, 6]", "recipe.epochs=2", "target=1", "pattern=S2", "claims=[]", "known=1.0"),
            *(f"architecture=foreign_code:{name}", 'deletion=["foreign_code:spoils", "incremental-1e-2"]'),
            'measure=["spurious_score", "accuracy", "membership_auc", "oracle_distance"]', 'figure="deletion"',
        ]  # fmt: skip
        study = load_study("quickstart", changes=changes)
        rows = run(study, tmp_path / name, workers=0, load=lambda _: place.data).rows
        assert rows.loc[rows["deletion"] == "foreign_code:spoils", "failed"].eq("SystemExit: 3").all()
        found.append(rows["value"].tolist())
    assert str(found[0]) == str(found[1])  # with NaN where the method failed
    assert lent_out(place) == before


class SpoilsInTraining(nn.Module):
    """Sets what it can in each step of training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(16, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            torch.set_num_threads(3)
            torch.set_default_dtype(torch.float64)
            torch.set_flush_denormal(False)
            warnings.simplefilter("ignore")
        return self.head(inputs.sub_(0.5).flatten(1))


@pytest.mark.parametrize("engine", ["plain", "lockstep"])
def test_settings_are_as_before_after_training(engine: Any) -> None:
    place = Place(Hostile().eval(), a_dataset())
    before, inputs = settings()[:-1], place.planted.base.inputs.clone()  # types are checked by draws of Python's own
    fit(SpoilsInTraining, [Member(place.planted, 0)] * 2, SHORT, classes=2, engine=engine)
    assert settings()[:-1] == before
    assert place.planted.base.inputs.equal(inputs)
