"""Where a network looks when signals have the feature of their class."""

import torch

from spurlab.data import Dataset
from spurlab.errors import InputError
from spurlab.explain import gradient, share_on
from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.models import check_has_gradients
from spurlab.patterns import ClassBlocks, Common, plant
from spurlab.seeds import rng_for


def _block_saliency(observed: Observed) -> dict[str, float]:
    """Over 500 test signals that are given the feature, chosen by the network's seed; for the true class.

    The values of the feature are those of the training signals. A network that never saw one is shown that of the
    first reading (a value for each class).
    """
    feature, test = observed.feature or ClassBlocks(), observed.data.test
    if not isinstance(feature, ClassBlocks):
        raise InputError(f"the measure 'block_saliency' needs a block of each class, which {feature!r} does not have.")
    rows = torch.randperm(len(test), generator=rng_for(observed.seed, "block saliency"))[:500]
    marked = plant(test, feature, Common(1.0), seed=observed.seed).materialize()[rows]
    maps = gradient(required(observed.network), marked.inputs, marked.labels)
    blocks = feature.blocks(observed.data.classes, observed.data.shape[0])
    return {"block_saliency": share_on(maps, blocks[marked.labels]).nanmean().item()}


def _has_room_for_blocks(data: Dataset) -> bool:
    try:
        ClassBlocks().blocks(data.classes, data.shape[0])
    except ValueError:
        return False
    return len(data.shape) == 1


BLOCK_SALIENCY = Measure(
    "share of saliency on the class's block",
    _block_saliency,
    suits_data=_has_room_for_blocks,
    mark=ClassBlocks,
    check_network=check_has_gradients,
)
