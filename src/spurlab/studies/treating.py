"""What is done to one trained network, and what its methods start from and are measured with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion import Deletion, deletion_named, forget_mask
from spurlab.errors import FAILURES, worded
from spurlab.lent import copied
from spurlab.measures import Deleted, Observed
from spurlab.measures.observed import given
from spurlab.methods import isolated, retraining_seconds
from spurlab.models import is_user_name
from spurlab.patterns import Planted
from spurlab.prevention import Afr, Prevention, prevention_named
from spurlab.prevention.afr import Stage
from spurlab.studies.axes import NONE, PLAIN, REFERENCES
from spurlab.studies.graph import Train, Treat
from spurlab.studies.materials import Materials
from spurlab.studies.measuring import Measuring
from spurlab.studies.subjects import Request
from spurlab.studies.training_sets import clean_examples, grouped
from spurlab.training import Member

DIVERGED = "the network diverged in training"
TIMED = 100  # steps of training, to tell how long retraining takes


class Made(NamedTuple):
    """What came of one treatment.

    Args:
        numbers: of each request; none where it failed.
        seconds: that the treatment took.
        failed: why it failed; else "".
    """

    numbers: tuple[float, ...]
    seconds: float
    failed: str = ""


def seconds_to_retrain(training: Train, materials: Materials) -> float:
    """Of one network alone, in this process, as methods are run: a few steps train it, and are scaled to all."""
    recipe, examples = training.setting.recipe, materials.planted(training)
    few = Planted.none(examples[torch.arange(min(TIMED * recipe.batch_size, len(examples)))])
    fresh = materials.maker(training)(training.seed).to(materials.device)
    return retraining_seconds(fresh, Member(few, 0), recipe) * len(examples) / len(few)


class Deleting:
    """A network that has learnt a pattern, and the oracles that what is left of it is compared with.

    Args:
        first: one of the treatments of this network.
        materials: what they are made from.
        retraining: gives the seconds that it takes to retrain the network; None: `seconds_to_retrain`, once.
    """

    def __init__(self, first: Treat, materials: Materials, retraining: Callable[[], float] | None = None) -> None:
        self._materials, self._training = materials, first.training
        self._retraining = retraining or cache(lambda: seconds_to_retrain(first.training, materials))
        self._measuring = Measuring(materials)
        self._pattern = materials.pattern(given(self._training.pattern), self._training.seed)
        network, self._diverged = materials.trained(self._training)
        compared = (materials.trained(oracle) for oracle in first.compared if oracle.seed != self._training.seed)
        self._before = self._observed(network)
        self._oracles = [self._observed(oracle) for oracle, diverged in compared if not diverged]

    def treated(self, treatment: Treat, requests: Sequence[Request], method: Deletion | None = None) -> Made:
        """Carry out one treatment and measure what it left.

        Args:
            treatment: what to do.
            requests: what to measure.
            method: the method; None: the one that the treatment names.
        """
        if self._diverged:
            return Made((), 0.0, DIVERGED)
        planted = given(self._before.trained_on).planted
        forget = forget_mask(planted.positions[: int(treatment.amount)].cpu(), len(planted))
        if method is None and treatment.method in REFERENCES:
            return self._reference(treatment, forget, requests)
        make = self._materials.maker(self._training)
        network, seconds, failed, _ = isolated(
            method or deletion_named(treatment.method, treatment.setting.recipe, treatment.seed, make),
            given(self._before.network),
            lambda: (planted.materialize(), forget.clone()),
            like=planted.base,
            classes=self._materials.data.classes,
            seed=treatment.seed,
        )
        if network is None:
            return Made((), seconds, failed)
        try:
            return Made(self._numbers(self._observed(network), forget, seconds, requests), seconds)
        except FAILURES as error:  # of the network that a method returned
            return Made((), seconds, worded(error))

    def _reference(self, treatment: Treat, forget: Bool[Tensor, " n"], requests: Sequence[Request]) -> Made:
        """The network before any deletion, or its oracle."""
        if treatment.method == NONE:
            return Made(self._numbers(self._before, forget, 0.0, requests), 0.0)
        oracle, diverged = self._materials.trained(treatment.start)
        if diverged:
            return Made((), 0.0, DIVERGED)
        seconds = self._retraining()
        return Made(self._numbers(self._observed(oracle), forget, seconds, requests), seconds)

    def _observed(self, network: nn.Module) -> Observed:
        """With the pattern that the network before deletion has learnt."""
        return self._measuring.observed(network, self._training).with_mark(self._pattern, given(self._training.target))

    def _numbers(
        self, after: Observed, forget: Bool[Tensor, " n"], seconds: float, requests: Sequence[Request]
    ) -> tuple[float, ...]:
        deleted = Deleted(self._before, forget, self._oracles, seconds, self._retraining)
        return self._measuring.numbers(replace(after, deleted=deleted), requests)


class Preventing:
    """A trained network, its training examples by group, and clean examples.

    Groups are told apart by label and attribute. Of a planted feature the attribute is whether an example has it.

    Args:
        first: one of the treatments of this network.
        materials: what they are made from.
    """

    def __init__(self, first: Treat, materials: Materials) -> None:
        self._materials, self._training = materials, first.training
        self._network, self._diverged = materials.trained(first.training)
        self._examples = grouped(materials.planted(first.training), first.training)
        self._clean = clean_examples(materials.data, first.training, first.amount)
        self._stages: dict[tuple[str, float], Stage] = {}
        self._measuring = Measuring(materials)

    def treated(self, treatment: Treat, requests: Sequence[Request]) -> Made:
        """Carry out one treatment and measure what it left."""
        network, seconds, failed = self.network_after(treatment.method)
        if network is None:
            return Made((), seconds, failed)
        try:
            return Made(self._measuring.numbers(self._measuring.observed(network, self._training), requests), seconds)
        except Exception as error:  # of a network of the user's; a fault of ours is no method's
            if not is_user_name(treatment.method):
                raise
            return Made((), seconds, worded(error))

    def network_after(self, name: str) -> tuple[nn.Module | None, float, str]:
        """The network after one prevention (None where it failed), the seconds that it took, and why it failed.

        Args:
            name: of the method, as in a study; ``erm`` for the network as it was trained.
        """
        if self._diverged:
            return None, 0.0, DIVERGED
        if name == PLAIN:
            return self._network, 0.0, ""
        training, data = self._training, self._materials.data

        def method(model: nn.Module, examples: Examples, clean: Examples) -> Any:
            make = self._materials.maker(training)
            return self._applied(
                prevention_named(name, training.setting.recipe, training.seed, make), model, examples, clean
            )

        network, seconds, failed, _ = isolated(
            method,
            self._network,
            lambda: (copied(self._examples), copied(self._clean)),
            like=data.train,
            classes=data.classes,
            seed=training.seed,
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
