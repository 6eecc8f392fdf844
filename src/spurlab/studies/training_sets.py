"""From a node of the graph to data: what a network is trained on, what it is measured with, what may repair it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from spurlab.data import Dataset, Examples
from spurlab.deletion import forget_mask
from spurlab.measures.observed import required
from spurlab.patterns import Common, Mark, Planted, make_named, plant
from spurlab.seeds import rng_for
from spurlab.studies.axes import OF_TRAINING, drawn_with
from spurlab.studies.graph import Train
from spurlab.study_files import StudyError


def checked(name: str, checksum: str, load: Callable[[str], Dataset]) -> Dataset:
    """The data set of a task.

    Raises:
        StudyError: here are other data of that name.
    """
    data = load(name)
    if data.checksum != checksum:
        raise StudyError(
            f"the data set {data.name} here has the checksum {data.checksum}, but the study was planned with "
            f"{checksum}. Give every worker the same data (SPURLAB_DATA)."
        )
    return data


def planted(data: Dataset, training: Train) -> Planted:
    """The training set of one network: with what is planted, without what is left out or held out.

    Args:
        data: the data set.
        training: the network.

    Raises:
        StudyError: the pattern, the target or n does not fit the data, or the value on another axis.
    """
    examples = pool_of(data, training)
    for name, value in training.extras:
        try:
            examples = OF_TRAINING[name].change(examples, value, training.seed)
        except ValueError as error:
            raise StudyError(f"{data.name}, {name} {value}: {error}") from error
    return examples


def pool_of(data: Dataset, training: Train) -> Planted:
    """The same before further axes change it: of a network that learns from a half, all of which that is one.

    Args:
        data: the data set.
        training: the network.

    Raises:
        StudyError: the pattern, the target or n does not fit the data.
    """
    if training.pattern is None:
        clean = Planted.none(data.train)
        return clean.without(held_out(data, training)) if training.held_out else clean
    twice = "" if training.halves is None else ", and as many in the other half"
    n = "" if training.target is None else f", n = {training.n}{twice}"
    try:
        mark = pattern_of(data, required(training.mark), training.seed)
        if training.share is not None:
            return plant(data.train, mark, Common(training.share), seed=training.seed)
        examples = plant(
            data.train, mark, required(training.target), training.marked, training.data_seed, how=training.setting.how
        )
    except ValueError as error:
        raise StudyError(f"{data.name}, pattern {training.pattern}{n}: {error}") from error
    if not training.without:
        return examples
    return examples.without(forget_mask(examples.positions[: training.without], len(examples)))


def feature_of(data: Dataset, training: Train) -> Mark | None:
    """The common feature of a share of the training examples, if they have one."""
    if training.share is None or training.mark is None:
        return None
    return pattern_of(data, training.mark, training.seed)


def held_out(data: Dataset, training: Train) -> Bool[Tensor, " n"]:
    """True for the training examples that the network does not see; of a smaller share they are part of a larger's."""
    order = torch.randperm(len(data.train), generator=rng_for(training.seed, "held out"))
    return forget_mask(order[: round(training.held_out * len(data.train))], len(data.train))


def pattern_of(data: Dataset, name: str, seed: int) -> Mark:
    """The mark of one seed: random ones are drawn once for each seed, as in the paper's code, or as a draw says.

    Args:
        data: the data set, whose shape and range the mark has.
        name: as `spurlab.patterns.make_named` takes it, or with a draw, as `mark_name` gives it.
        seed: the data seed.

    Raises:
        ValueError: as `spurlab.patterns.make_named`.

    >>> from spurlab import load
    >>> data = load("fashion-mini")
    >>> mark = pattern_of(data, "R3", seed=0)
    >>> mark(data.test.inputs).shape
    torch.Size([2000, 1, 28, 28])
    """
    pattern, seed = drawn_with(name, seed)
    return make_named(pattern, data.shape, seed, clip=data.input_range, names=data.names)


def grouped(examples: Planted, training: Train) -> Examples:
    """The training examples; with a planted feature or pattern, in groups of one label that have it or do not."""
    plain = examples.materialize()
    if training.share is None and training.pattern is None:
        return plain
    return replace(plain, groups=2 * plain.labels + examples.mask.long(), sources=None)


def clean_examples(data: Dataset, training: Train, share: float) -> Examples:
    """Examples that a method may use to repair: a share of the training set, drawn by the network's seed.

    Of data with a planted feature they are its clean versions, as in Quinn's report, whether the network has seen them
    with the feature or not. Of others they are those that were held out from training.
    """
    if training.share is None and training.held_out:
        return data.train[held_out(data, training)]
    order = torch.randperm(len(data.train), generator=rng_for(training.seed, "clean"))
    few = data.train[order[: max(1, round(share * len(data.train)))]]
    return replace(few, groups=2 * few.labels, sources=None)
