"""What is done to one trained network, and what its methods start from and are measured with."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from spurlab.data import Dataset, Examples
from spurlab.deletion import Attempt, Bench, attempt, deletion_named, forget_mask
from spurlab.errors import worded
from spurlab.lent import copied
from spurlab.methods import isolated, retraining_seconds
from spurlab.models import build, is_user_name
from spurlab.patterns import Planted
from spurlab.prevention import Afr, Prevention, prevention_named
from spurlab.prevention.afr import Stage
from spurlab.studies.axes import PLAIN, REFERENCES
from spurlab.studies.graph import Train, Treat
from spurlab.studies.measuring import Measuring
from spurlab.studies.subjects import Request
from spurlab.studies.training_sets import clean_examples, grouped, pattern_of, planted
from spurlab.training import Member

DIVERGED = "the network diverged in training"
TIMED = 100  # steps of training, to tell how long retraining takes

Network = tuple[nn.Module, bool]  # and whether it diverged
Kept = Callable[[Train], Network]  # reads a trained network


class Made(NamedTuple):
    """What came of one treatment: the numbers (none where it failed), the seconds that it took, and why it failed."""

    numbers: dict[Request, float]
    seconds: float
    failed: str = ""


class Deleting:
    """The network that is deleted from and its oracles."""

    def __init__(self, first: Treat, data: Dataset, device: str, kept: Kept) -> None:
        self._data, self._device, self._kept = data, device, kept
        self._training = training = first.training
        before, self._diverged = kept(training)
        compared = (kept(oracle) for oracle in first.compared if oracle.seed != training.seed)
        self._bench = Bench(
            before,
            planted(data, training),
            pattern_of(data, training.pattern or "", training.seed),
            training.target or 0,
            data.test,
            [network for network, diverged in compared if not diverged],
            training.seed,
        )
        self._retraining = self._seconds_to_retrain()

    def treated(self, treatment: Treat, requests: Sequence[Request]) -> Made:
        """Carry out one treatment and measure what it left."""
        if self._diverged:
            return Made({}, 0.0, DIVERGED)
        planted = self._bench.planted
        forget = forget_mask(planted.positions[: int(treatment.amount)], len(planted))
        relearn = any(request.measure == "relearn_steps" for request in requests)
        if treatment.method in REFERENCES:
            network, diverged = self._kept(treatment.start)
            if diverged:
                return Made({}, 0.0, DIVERGED)
            effect = self._bench.effect(network, forget, relearn=relearn)
            tried = Attempt(treatment.seed, self._retraining if treatment.start.without else 0.0, effect)
        else:
            method = deletion_named(treatment.method, treatment.setting.recipe, treatment.seed, self._make)
            tried = attempt(method, self._bench, forget, relearn=relearn)
        if tried.failed or tried.effect is None:
            return Made({}, tried.seconds, tried.failed)
        numbers = vars(tried.effect) | {"time_share": tried.seconds / self._retraining}
        return Made({request: numbers[request.measure] for request in requests}, tried.seconds)

    def _seconds_to_retrain(self) -> float:
        """Of one network alone, in this process, as methods are run: a few steps train it, and are scaled to all."""
        recipe, data = self._training.setting.recipe, self._bench.planted
        few = Planted.none(data[torch.arange(min(TIMED * recipe.batch_size, len(data)))])
        fresh = self._make(self._training.seed).to(self._device)
        return retraining_seconds(fresh, Member(few, 0), recipe) * len(data) / len(few)

    def _make(self, seed: int) -> nn.Module:
        return build(self._training.setting.architecture, self._data.shape, self._data.classes, seed)


class Preventing:
    """A trained network, its training examples by group, and clean examples.

    Groups are told apart by label and attribute. Of a planted feature the attribute is whether an example has it.
    """

    def __init__(self, first: Treat, data: Dataset, device: str, kept: Kept) -> None:
        self._data, self._training = data, first.training
        self._network, self._diverged = kept(first.training)
        self._examples = grouped(planted(data, first.training), first.training)
        self._clean = clean_examples(data, first.training, first.amount)
        self._stages: dict[tuple[str, float], Stage] = {}
        self._measuring = Measuring(data)

    def treated(self, treatment: Treat, requests: Sequence[Request]) -> Made:
        """Carry out one treatment and measure what it left."""
        network, seconds, failed = self.network_after(treatment.method)
        if network is None:
            return Made({}, seconds, failed)
        try:
            return Made(self._measuring.numbers(network, self._training, requests), seconds)
        except Exception as error:  # of a network of the user's; a fault of ours is no method's
            if not is_user_name(treatment.method):
                raise
            return Made({}, seconds, worded(error))

    def network_after(self, name: str) -> tuple[nn.Module | None, float, str]:
        """The network after one prevention (None where it failed), the seconds that it took, and why it failed.

        Args:
            name: of the method, as in a study; ``erm`` for the network as it was trained.
        """
        if self._diverged:
            return None, 0.0, DIVERGED
        if name == PLAIN:
            return self._network, 0.0, ""
        setting = self._training.setting
        make = partial(build, setting.architecture, self._data.shape, self._data.classes)

        def method(model: nn.Module, data: Examples, clean: Examples) -> Any:
            named = prevention_named(name, setting.recipe, self._training.seed, make)
            return self._applied(named, model, data, clean)

        network, seconds, failed, _ = isolated(
            method,
            self._network,
            lambda: (copied(self._examples), copied(self._clean)),
            like=self._data.train,
            classes=self._data.classes,
            seed=self._training.seed,
            purpose="prevention",
        )
        return network, seconds, failed

    def _applied(self, method: Prevention, model: nn.Module, data: Examples, clean: Examples) -> Any:
        """What the method makes of the network. Several AFRs share a first stage, which is most of their time."""
        if not isinstance(method, Afr):
            return method(model, data, clean)
        kind = method.weights, method.share
        if kind not in self._stages:
            self._stages[kind] = method.first_stage(model, data)
        return method.second_stage(self._stages[kind], clean)


def bench_of(first: Treat, data: Dataset, device: str, kept: Kept) -> Deleting | Preventing:
    """The bench for treatments of one kind, of one network, compared with the same others.

    Args:
        first: one of them.
        data: the data set.
        device: where methods work.
        kept: reads a trained network.
    """
    return (Deleting if first.kind == "deletion" else Preventing)(first, data, device, kept)
