"""What preventions of one network of a study start from and are measured with."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spurlab.data import Dataset, Examples
from spurlab.errors import worded
from spurlab.lent import copied
from spurlab.methods import isolated
from spurlab.models import build, is_user_name
from spurlab.patterns import Planted
from spurlab.prevention import Afr, Prevention, prevention_named
from spurlab.prevention.afr import Stage
from spurlab.seeds import rng_for
from spurlab.studies.axes import PLAIN
from spurlab.studies.grid import Repair, Training
from spurlab.studies.measures import MEASURES, Lesson, Seen
from spurlab.studies.store import Request, weights_file
from spurlab.studies.task import DIVERGED, feature_of, fresh_lesson, held_out, kept_network, planted
from spurlab.training import predictions

log = logging.getLogger(__name__)


class PreventionBench:
    """A trained network as it is in the results folder, its training examples by group, and clean examples.

    Groups are told apart by label and attribute. Of a planted feature the attribute is whether an example has it.

    Args:
        first: one of the preventions; all have its network and its share of clean examples.
        data: the data set.
        folder: the results folder.
        device: where methods work.
    """

    def __init__(self, first: Repair, data: Dataset, folder: Path, device: str) -> None:
        self._data, self._training, self._device = data, first.training, torch.device(device)
        file = weights_file(folder, first.training.key(data.checksum))
        self._network, self._diverged = kept_network(file, first.training, data, device)
        self._planted = planted(data, first.training)
        self._examples = grouped(self._planted, first.training)
        self._clean = clean_examples(data, first.training, first.clean)
        self._stages: dict[tuple[str, float], Stage] = {}

    def treated(self, repair: Repair, requests: Sequence[Request]) -> tuple[dict[str, float], float, str]:
        """The numbers after one prevention (none where it failed), the seconds that it took, and why it failed."""
        network, seconds, failed = self.network_after(repair.method)
        if network is None:
            return {}, seconds, failed
        try:
            return self._numbers(network, requests), seconds, ""
        except Exception as error:  # of a network of the user's; a fault of ours is no method's
            if not is_user_name(repair.method):
                raise
            failed = worded(error)
            self._log(repair.method, failed)
            return {}, seconds, failed

    def _numbers(self, network: nn.Module, requests: Sequence[Request]) -> dict[str, float]:
        training = self._training
        about = self._data, None, -1, training.setting.architecture
        clean = predictions(network, self._data.test.inputs)
        lesson, fresh = Lesson(network, lambda: self._planted), fresh_lesson(network, self._data, training)
        seen = Seen(*about, network, clean, None, training.seed, lesson, feature_of(training), fresh)
        return {request.measure: MEASURES[request.measure].taken(seen) for request in requests}

    def _log(self, name: str, failed: str) -> None:
        log.warning("%s, seed %d: %s failed. %s", self._training.setting.dataset, self._training.seed, name, failed)

    def network_after(self, name: str) -> tuple[nn.Module | None, float, str]:
        """The network after one prevention (None where it failed), the seconds that it took, and why it failed.

        Args:
            name: of the method, as in a study; ``erm`` for the network as it was trained.
        """
        if self._diverged:
            return None, 0.0, DIVERGED
        if name == PLAIN:
            return self._network, 0.0, ""
        training = self._training
        make = partial(build, training.setting.architecture, self._data.shape, self._data.classes)

        def method(model: nn.Module, data: Examples, clean: Examples) -> Any:
            named = prevention_named(name, training.setting.recipe, training.seed, make)
            return self._applied(named, model, data, clean)

        network, seconds, failed, _ = isolated(
            method,
            self._network,
            lambda: (copied(self._examples), copied(self._clean)),
            like=self._data.train,
            classes=self._data.classes,
            seed=training.seed,
            purpose="prevention",
        )
        if failed:
            self._log(name, failed)
        return network, seconds, failed

    def _applied(self, method: Prevention, model: nn.Module, data: Examples, clean: Examples) -> Any:
        """What the method makes of the network. Several AFRs share a first stage, which is most of their time."""
        if not isinstance(method, Afr):
            return method(model, data, clean)
        kind = method.weights, method.share
        if kind not in self._stages:
            self._stages[kind] = method.first_stage(model, data)
        return method.second_stage(self._stages[kind], clean)


def grouped(examples: Planted, training: Training) -> Examples:
    """The training examples; with a planted feature, in groups of one label that have it or do not."""
    plain = examples.materialize()
    if training.share is None:
        return plain
    return Examples(plain.inputs, plain.labels, 2 * plain.labels + examples.mask.long())


def clean_examples(data: Dataset, training: Training, share: float) -> Examples:
    """Examples that a method may use to repair: a share of the training set, drawn by the network's seed.

    Of data with a planted feature they are its clean versions, as in Quinn's report, whether the network has seen them
    with the feature or not. Of others they are those that were held out from training.
    """
    if training.share is None and training.held_out:
        return data.train[held_out(data, training)]
    order = torch.randperm(len(data.train), generator=rng_for(training.seed, "clean"))
    few = data.train[order[: max(1, round(share * len(data.train)))]]
    return Examples(few.inputs, few.labels, 2 * few.labels)
