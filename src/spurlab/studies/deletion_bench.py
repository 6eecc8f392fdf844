"""What deletions from one network of a study are measured with: its oracles, and the time of retraining."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from spurlab.data import Dataset
from spurlab.deletion import Attempt, Bench, attempt, deletion_named, forget_mask, retraining_seconds
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.studies.grid import Removal, Training
from spurlab.studies.store import Request, weights_file
from spurlab.studies.study import REFERENCES
from spurlab.studies.task import DIVERGED, kept_network, pattern_of, planted
from spurlab.training import Member

log = logging.getLogger(__name__)

TIMED = 100  # steps of training, to tell how long retraining takes


class DeletionBench:
    """The network that is deleted from and its oracles, as they are in the results folder.

    Args:
        first: one of the deletions; all have its network and its oracles.
        data: the data set.
        folder: the results folder.
        device: where to delete.
    """

    def __init__(self, first: Removal, data: Dataset, folder: Path, device: str) -> None:
        self._data, self._folder, self._device = data, folder, device
        self._training = training = first.training
        compared = (each for each in first.compared if each.seed != training.seed)
        before, self._diverged = self._network(training)
        self._bench = Bench(
            before,
            planted(data, training),
            pattern_of(data, training.pattern or "", training.seed),
            training.target or 0,
            data.test,
            [network for network, diverged in map(self._network, compared) if not diverged],
            training.seed,
        )
        self._retraining = self._seconds_to_retrain()

    def treated(self, removal: Removal, requests: Sequence[Request]) -> tuple[dict[str, float], float, str]:
        """The numbers after one deletion (none where it failed), the seconds that it took, and why it failed."""
        if self._diverged:
            return {}, 0.0, DIVERGED
        planted = self._bench.planted
        forget = forget_mask(planted.positions[: removal.known], len(planted))
        relearn = any(request.measure == "relearn_steps" for request in requests)
        if removal.method in REFERENCES:
            network, diverged = self._network(removal.start)
            if diverged:
                return {}, 0.0, DIVERGED
            effect = self._bench.effect(network, forget, relearn=relearn)
            tried = Attempt(self._training.seed, self._retraining if removal.start.without else 0.0, effect)
        else:
            recipe = self._training.setting.recipe
            method = deletion_named(removal.method, recipe, self._training.seed, self._make)
            tried = attempt(method, self._bench, forget, relearn=relearn)
        if tried.failed or tried.effect is None:
            log.warning(
                "%s, n = %d, seed %d: %s failed. %s",
                self._training.setting.dataset,
                self._training.n,
                self._training.seed,
                removal.method,
                tried.failed,
            )
            return {}, tried.seconds, tried.failed
        return vars(tried.effect) | {"time_share": tried.seconds / self._retraining}, tried.seconds, ""

    def _seconds_to_retrain(self) -> float:
        """Of one network alone, in this process, as methods are run: a few steps train it, and are scaled to all."""
        recipe, data = self._training.setting.recipe, self._bench.planted
        few = Planted.none(data[torch.arange(min(TIMED * recipe.batch_size, len(data)))])
        fresh = self._make(self._training.seed).to(self._device)
        return retraining_seconds(fresh, Member(few, 0), recipe) * len(data) / len(few)

    def _make(self, seed: int) -> nn.Module:
        return build(self._training.setting.architecture, self._data.shape, self._data.classes, seed)

    def _network(self, training: Training) -> tuple[nn.Module, bool]:
        file = weights_file(self._folder, training.key(self._data.checksum))
        return kept_network(file, training, self._data, self._device)
