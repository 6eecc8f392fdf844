"""What nodes of the graph are made from: the data set, what names stand for, and the networks that are there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from spurlab.data import Dataset, Examples
from spurlab.methods import Make
from spurlab.models import build
from spurlab.patterns import MarkLike, Planted
from spurlab.studies.graph import Train
from spurlab.studies.margins import kept_margins
from spurlab.studies.training_sets import pattern_of, planted
from spurlab.studies.weights import damaged_weights, read_weights, weights_file

Network = tuple[nn.Module, bool]  # in evaluation mode, and whether it diverged


@dataclass(frozen=True, eq=False)
class Materials:
    """What the nodes of one data set are made from.

    Args:
        data: the data set.
        pattern: the pattern of a name and a seed, always the same object: what is measured with it is kept.
        planted: the training set of a network.
        maker: makes new networks of a network's architecture, by seed.
        trained: a network that was trained before; a StoreError where its weights are damaged, or not its own.
        device: where to work.
        margins: what such a network says of examples, always of the same ones; NaN where it diverged. None: not asked.
    """

    data: Dataset
    pattern: Callable[[str, int], MarkLike]
    planted: Callable[[Train], Planted]
    maker: Callable[[Train], Make]
    trained: Callable[[Train], Network]
    device: str | torch.device = "cpu"
    margins: Callable[[Train, Examples], Tensor] | None = None


def materials_in(folder: Path, data: Dataset, device: str = "cpu") -> Materials:
    """Those of a study: all is known by its name, and weights are in the results folder."""

    def maker(training: Train) -> Make:
        return partial(build, training.setting.architecture, data.shape, data.classes)

    def trained(training: Train) -> Network:
        path, network = weights_file(folder, training.key(data.checksum)), maker(training)(training.seed)
        tensors, diverged = read_weights(path)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise damaged_weights(path, str(error)) from error
        return network.to(device).eval(), diverged

    def margins(training: Train, examples: Examples) -> Tensor:
        return kept_margins(folder, training.key(data.checksum), partial(trained, training), examples)

    marks = cache(partial(pattern_of, data))
    return Materials(data, marks, partial(planted, data), maker, trained, device, margins)
