"""Does the network fit the data, and who is served worst: accuracies of a given network over examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import scipy  # its rooms are imported when they are first used: `optimize` is slow
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from spurlab.data import Dataset, Examples
from spurlab.metrics import accuracy
from spurlab.seeds import rng_for
from spurlab.stats import Share
from spurlab.training import predictions

ASKED = 1000  # test examples on which reference networks are compared with it
LESS = 0.1  # by which the median accuracy of reference networks may be lower before that is said
FAR = 0.2  # of accuracy, by which another reading of the classes or scale must be better to be said
SCALES = {"(x - 0.5) / 0.5": (0.5, 0.5), "255 x": (0.0, 1 / 255), "x / 255": (0.0, 255.0)}  # mean, deviation


@dataclass(frozen=True)
class Served:
    """The accuracy of a class or group, over its test examples.

    Args:
        name: of the class or group.
        kind: ``class`` or ``group``.
        share: k of n are classified rightly; the interval is over examples.
        worst: the wrong ones of which the network is surest, as rows of the test examples.
    """

    name: str
    kind: str
    share: Share
    worst: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.share.count / self.share.models


@dataclass(frozen=True)
class Fit:
    """How well a network fits the test examples.

    Args:
        share: k of n are classified rightly.
        warnings: what looks wrong, in sentences.
    """

    share: Share
    warnings: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.share.count / self.share.models


def unlike(fit: Fit, others: Sequence[nn.Module], test: Examples, seed: int) -> str:
    """Why nothing can be told by reference networks: half of them are clearly less accurate; "" where that is not so.

    Args:
        fit: of the network.
        others: reference networks; none: nothing is wrong with them.
        test: 1,000 of these examples are looked at.
        seed: of their choice.
    """
    if not others:
        return ""
    rows = torch.randperm(len(test), generator=rng_for(seed, "beside"))[:ASKED]
    inputs, labels = test.inputs[rows], test.labels[rows]
    typical = median(accuracy(predictions(one, inputs), labels).item() for one in others)
    if typical >= fit.accuracy - LESS:
        return ""
    return (
        f"half of the reference networks have an accuracy of {typical:.2f} at most, the network {fit.accuracy:.2f}, so "
        "nothing is compared with them: were it and they trained alike (--recipe)?"
    )


def fit_of(network: nn.Module, data: Dataset, answers: Float[Tensor, "n k"]) -> Fit:
    """The accuracy, and whether the classes or the scale look wrong.

    Args:
        network: gives logits.
        data: its test examples are looked at.
        answers: the network's probabilities of these.
    """
    labels = data.test.labels
    right = Share(int((answers.argmax(1) == labels).sum()), len(labels))
    chance = float(labels.bincount().max()) / len(labels)
    warnings = []
    if missing := [name for label, name in enumerate(data.class_names) if label not in labels]:
        warnings.append(f"there are no test examples of {', '.join(missing)}, so nothing is known of these.")
    if right.low <= chance:
        warnings.append(f"the accuracy is near that of guessing ({chance:.2f}): are these the network and its data?")
    mixed = torch.randperm(len(labels), generator=rng_for(0, "fit"))
    tables = []
    for half in mixed.tensor_split(2):  # the order is chosen on one half, and judged on the other
        table = torch.zeros(data.classes, data.classes)
        table.index_put_((answers[half].argmax(1), labels[half]), torch.tensor(1.0), accumulate=True)
        tables.append(table)
    said, meant = scipy.optimize.linear_sum_assignment(-tables[0].numpy())
    permuted = float(tables[1][said, meant].sum() / tables[1].sum())
    if permuted > float(tables[1].trace() / tables[1].sum()) + FAR:
        one = next((a, b) for a, b in zip(said, meant, strict=True) if a != b)
        warnings.append(
            f"with its outputs in another order the accuracy would be {permuted:.2f}, e.g. output {one[0]} for "
            f"{data.class_names[one[1]]}: do the classes of the data stand in the order of training?"
        )
    rows = mixed[:500]
    usual = float((answers[rows].argmax(1) == labels[rows]).float().mean())
    for scale, (mean, deviation) in SCALES.items() if data.train.words is None else ():
        other = predictions(network, (data.test.inputs[rows] - mean) / deviation)
        if not bool(other.isfinite().all()):
            continue
        better = float((other.argmax(1) == labels[rows]).float().mean())
        if better > usual + FAR:
            warnings.append(
                f"with inputs as {scale} the accuracy would be {better:.2f}: give what the network was trained with "
                "(--normalise)."
            )
    return Fit(right, tuple(warnings))


def served(
    examples: Examples,
    answers: Float[Tensor, "n k"],
    class_names: Sequence[str],
    group_names: Sequence[str] | None = None,
    shown: int = 6,
) -> list[Served]:
    """The accuracy of each class and of each group; those without test examples are left out.

    First is the one with the lowest upper end of its interval: its accuracy is low for certain. One of a single wrong
    example could have any accuracy up to .975, and comes late.

    Args:
        examples: test examples.
        answers: the network's probabilities of these.
        class_names: one for each class.
        group_names: one for each group; None: their numbers.
        shown: how many wrong examples to name.
    """
    found = []
    for kind, of, names in (("class", examples.labels, class_names), ("group", examples.groups, group_names)):
        if of is None:
            continue
        for number in of.unique().tolist():
            name = names[number] if names is not None else f"group {number}"
            found.append(_served(name, kind, (of == number).nonzero().squeeze(1), examples.labels, answers, shown))
    return sorted(found, key=lambda one: (one.share.high, one.accuracy))


def _served(name: str, kind: str, rows: Int64[Tensor, " m"], labels: Tensor, answers: Tensor, shown: int) -> Served:
    own = answers[rows]
    wrong = own.argmax(1) != labels[rows]
    surest = (own.max(1).values * wrong).argsort(descending=True)[: min(shown, int(wrong.sum()))]
    return Served(name, kind, Share(int((~wrong).sum()), len(rows)), tuple(rows[surest].tolist()))
