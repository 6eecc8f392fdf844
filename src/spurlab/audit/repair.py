"""Can it be repaired? Methods of deletion on the given weights, and what is left of the mark afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Dataset
from spurlab.deletion import DELETIONS
from spurlab.methods import isolated
from spurlab.metrics import accuracy, spurious_score
from spurlab.patterns import MarkLike, marked_all
from spurlab.training import Recipe, predictions

METHODS = ("random-labels", "salun", "newton", "dampening")  # what forgets most of those that start from the weights


@dataclass(frozen=True, eq=False)
class Repaired:
    """What a method made of the network.

    Args:
        method: its name.
        score_before, score_after: the spurious score to the class of the mark; NaN without a mark.
        accuracy_before, accuracy_after: on clean test examples.
        network: after it; None where the method failed.
        why: why it failed, or "".
    """

    method: str
    score_before: float
    score_after: float
    accuracy_before: float
    accuracy_after: float
    network: nn.Module | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """What is known without networks that never saw the examples."""
        if self.network is None:
            return f"failed: {self.why}"
        return "no oracle: score before and after"


def repaired(
    network: nn.Module,
    data: Dataset,
    forget: Bool[Tensor, " n"],
    mark: MarkLike | None,
    target: int,
    recipe: Recipe,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    told: Callable[[str], None] = lambda name: None,
) -> list[Repaired]:
    """Each method by itself on the given weights, those that leave least of the mark first.

    Args:
        network: gives logits; it is left as it was.
        data: it was trained on the training part.
        forget: True for the examples to be forgotten.
        mark: what the score is of; None: no score.
        target: the class that it pulls to.
        recipe: how methods that train on do so: its optimizer and batch size; a tenth of its rate.
        methods: names of `DELETIONS` that start from the weights.
        seed: of what is drawn.
        told: is called with the name of each method when it begins.
    """
    marked = None if mark is None else marked_all(mark, data.test, seed)

    def measured(of: nn.Module) -> tuple[float, float]:
        clean = predictions(of, data.test.inputs)
        score = float("nan") if marked is None else float(spurious_score(clean, predictions(of, marked), target))
        return score, float(accuracy(clean, data.test.labels))

    score, before = measured(network)
    found = []
    for name in methods:
        told(name)
        method = DELETIONS.named(name, recipe, seed)
        attempt = isolated(
            method, network, lambda: (data.train, forget.clone()), like=data.train, classes=data.classes, seed=seed
        )
        after = measured(attempt.result) if attempt.result is not None else (float("nan"), float("nan"))
        found.append(Repaired(name, score, after[0], before, after[1], attempt.result, attempt.failed))
    return sorted(found, key=lambda one: (one.network is None, one.score_after))
