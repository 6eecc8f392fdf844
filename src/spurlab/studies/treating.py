"""What is done to one trained network, and what its methods start from and are measured with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion import Deletion, deletion_named, forget_mask
from spurlab.lent import copied
from spurlab.measures import Deleted, Observed
from spurlab.measures.observed import required
from spurlab.methods import Attempt, isolated, retraining_seconds
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
UNTRAINED: Attempt[Any] = Attempt(None, failed=DIVERGED, end="diverged")  # nothing was tried
TIMED = 100  # steps of training, to tell how long retraining takes

Numbers = tuple[float, ...]  # of each request


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
        self._pattern = materials.pattern(required(self._training.mark), self._training.seed)
        network, self._diverged = materials.trained(self._training)
        compared = (materials.trained(oracle) for oracle in first.compared if oracle.seed != self._training.seed)
        self._before = self._observed(network)
        self._oracles = [self._observed(oracle) for oracle, diverged in compared if not diverged]

    def treated(
        self, treatment: Treat, requests: Sequence[Request], method: Deletion | None = None
    ) -> Attempt[Numbers]:
        """Carry out one treatment and measure what it left.

        Args:
            treatment: what to do.
            requests: what to measure.
            method: the method; None: the one that the treatment names.
        """
        if self._diverged:
            return UNTRAINED
        planted = required(self._before.trained_on).planted
        forget = forget_mask(planted.positions[: int(treatment.amount)].cpu(), len(planted))
        if method is None and treatment.method in REFERENCES:
            return self._reference(treatment, forget, requests)
        make = self._materials.maker(self._training)
        attempt = isolated(
            method or deletion_named(treatment.method, treatment.setting.recipe, treatment.seed, make),
            required(self._before.network),
            lambda: (planted.materialize(), forget.clone()),
            like=planted.base,
            classes=self._materials.data.classes,
            seed=treatment.seed,
        )
        own = method is not None or not treatment.setting.architecture  # handed over, not named
        return attempt.measured(
            lambda network: self._numbers(self._observed(network), forget, attempt.seconds, requests),
            foreign=own or bool(treatment.code),
        )

    def _reference(self, treatment: Treat, forget: Bool[Tensor, " n"], requests: Sequence[Request]) -> Attempt[Numbers]:
        """The network before any deletion, or its oracle."""
        if treatment.method == NONE:
            return Attempt(self._numbers(self._before, forget, 0.0, requests))
        oracle, diverged = self._materials.trained(treatment.start)
        if diverged:
            return UNTRAINED
        seconds = self._retraining()
        return Attempt(self._numbers(self._observed(oracle), forget, seconds, requests), seconds)

    def _observed(self, network: nn.Module) -> Observed:
        """With the pattern that the network before deletion has learnt."""
        return self._measuring.observed(network, self._training).with_mark(
            self._pattern, required(self._training.target)
        )

    def _numbers(
        self, after: Observed, forget: Bool[Tensor, " n"], seconds: float, requests: Sequence[Request]
    ) -> Numbers:
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

    def treated(self, treatment: Treat, requests: Sequence[Request]) -> Attempt[Numbers]:
        """Carry out one treatment and measure what it left."""
        return self.network_after(treatment.method).measured(
            lambda network: self._measuring.numbers(self._measuring.observed(network, self._training), requests),
            foreign=treatment.method != PLAIN and bool(treatment.code),
        )

    def network_after(self, name: str) -> Attempt[nn.Module]:
        """The network after one prevention.

        Args:
            name: of the method, as in a study; ``erm`` for the network as it was trained.
        """
        if self._diverged:
            return UNTRAINED
        if name == PLAIN:
            return Attempt(self._network)
        training, data = self._training, self._materials.data

        def method(model: nn.Module, examples: Examples, clean: Examples) -> Any:
            make = self._materials.maker(training)
            return self._applied(
                prevention_named(name, training.setting.recipe, training.seed, make), model, examples, clean
            )

        return isolated(
            method,
            self._network,
            lambda: (copied(self._examples), copied(self._clean)),
            like=data.train,
            classes=data.classes,
            seed=training.seed,
            purpose="prevention",
        )

    def _applied(self, method: Prevention, model: nn.Module, data: Examples, clean: Examples) -> Any:
        """What the method makes of the network. Several AFRs share a first stage, which is most of their time."""
        if not isinstance(method, Afr):
            return method(model, data, clean)
        kind = method.weights, method.share
        if kind not in self._stages:
            self._stages[kind] = method.first_stage(model, data)
        return method.second_stage(self._stages[kind], clean)
