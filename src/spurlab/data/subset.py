"""A part of a dataset, as a dataset: some of its classes, or its first examples.

Words and columns keep their numbers, whatever is left; how often they occur is counted in the training examples left.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from spurlab.data.description import Description
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset, Examples
from spurlab.errors import did_you_mean


def only_classes(dataset: Dataset, classes: Sequence[int | str]) -> Dataset:
    """The examples of some classes, in their order, with labels 0, 1, ... and the classes' own names.

    By name the same is asked for with ``load("mnist:3,7")``.

    Args:
        dataset: of whatever kind. Groups that have names follow their classes; others stay as they are.
        classes: by label or by name; the first becomes label 0, the second label 1, and so on.

    Raises:
        DataRequestError: a class that the dataset has not got, one that is named twice, or fewer than two.

    >>> from spurlab.data import load
    >>> shoes = only_classes(load("fashion-mini"), ("Sneaker", 5))
    >>> shoes.name, shoes.class_names, shoes.train.labels.bincount().tolist()
    ('fashion-mini:7,5', ('Sneaker', 'Sandal'), [1000, 1000])
    """
    labels = class_labels(dataset.class_names, classes, dataset.name)
    new = torch.full((dataset.classes,), -1)
    new[list(labels)] = torch.arange(len(labels))
    values = len(dataset.group_names or ()) // dataset.classes  # of the spurious attribute

    def part(examples: Examples) -> Examples:
        kept = examples[new[examples.labels] >= 0]
        groups = kept.groups
        if values and groups is not None:
            groups = new[kept.labels] * values + groups % values
        return replace(kept, labels=new[kept.labels], groups=groups)

    about, train = Description.of_data(dataset).only(labels), part(dataset.train)
    return replace(
        dataset,
        name=about.name,
        train=train,
        test=part(dataset.test),
        class_names=about.class_names,
        group_names=about.group_names,
        source=replace(dataset.source, origin=about.origin),
        names=None if dataset.names is None else dataset.names.counted(train.inputs),
    )


def first_examples(dataset: Dataset, count: int) -> Dataset:
    """The first training examples of each class, as many of each, in the original order; the test set stays whole.

    By name the same is asked for with ``load("cifar10@10000")``.

    Args:
        dataset: of whatever kind.
        count: how many training examples are left, a multiple of the number of classes.

    Raises:
        DataRequestError: no such multiple, or a class that has too few.

    >>> from spurlab.data import load
    >>> few = first_examples(load("fashion-mini"), 50)
    >>> few.name, few.train.labels.bincount().tolist(), len(few.test)
    ('fashion-mini@50', [5, 5, 5, 5, 5, 5, 5, 5, 5, 5], 2000)
    """
    of_each = examples_each(dataset.name, count, dataset.classes)
    labels = dataset.train.labels
    sizes = labels.bincount(minlength=dataset.classes)
    if of_each > (least := int(sizes.min())):
        raise DataRequestError(
            f"{count:,} training examples of {dataset.name} are {of_each:,} of each class, but class "
            f"{dataset.class_names[int(sizes.argmin())]!r} has {least:,}."
        )
    order = labels.argsort(stable=True)
    rank = torch.empty_like(order)  # of each example among those of its class
    rank[order] = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[labels[order]]
    about, train = Description.of_data(dataset).first(count), dataset.train[(rank < of_each).nonzero().flatten()]
    names = None if dataset.names is None else dataset.names.counted(train.inputs)
    source = replace(dataset.source, origin=about.origin)
    return replace(dataset, name=about.name, train=train, source=source, names=names)


def examples_each(name: str, count: int, classes: int) -> int:
    """How many examples of each class are meant. Raises DataRequestError: as :func:`first_examples`."""
    if count < 1:
        raise DataRequestError(
            f"{count:,} training examples of {name} are none to learn from. Ask for {classes}, or a multiple of it."
        )
    if count % classes:
        raise DataRequestError(
            f"{count:,} training examples of {name} cannot be as many of each of its {classes} classes. Ask for a "
            f"multiple of {classes}."
        )
    return count // classes


def class_labels(class_names: Sequence[str], classes: Sequence[int | str], where: str) -> tuple[int, ...]:
    """The labels that are meant; each class by its name, else by its number.

    Raises DataRequestError: as :func:`only_classes`.
    """
    labels = tuple(_label(class_names, named, where) for named in classes)
    if len(labels) < 2:
        raise DataRequestError(
            f"a part of {where} needs two classes or more to tell apart, but {len(labels)} is given."
        )
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise DataRequestError(f"class {class_names[twice[0]]!r} of {where} is named twice. Name each class once.")
    return labels


def _label(class_names: Sequence[str], named: int | str, where: str) -> int:
    if isinstance(named, str) and named in class_names:
        return class_names.index(named)
    known = ", ".join(f"{label} ({name})" if name != str(label) else name for label, name in enumerate(class_names))
    hint = f"Its classes are {known}."
    try:
        label = int(named)
    except ValueError:
        label = -1
        if (near := did_you_mean(str(named), class_names)).startswith("Did you mean"):
            hint = near
    if not 0 <= label < len(class_names):
        raise DataRequestError(f"{where} has no class {named!r}. {hint}")
    return label
