"""Which training examples carry a given mark: those that are like training examples on which it was put.

All passes go through the examples some at a time, so that they need not fit into memory.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Float32, Int64, Num
from torch import Tensor
from torch.nn import functional

from spurlab.audit.detect.centred import Centred, rows_at_once, without
from spurlab.data import Examples, room
from spurlab.patterns import ByValue, MarkLike, marked_all, marked_rows

COMPONENTS = 50
CARRIES = 0.5  # the probability from which an example is said to carry the mark
RARE = 1e-3  # the share of training examples that is taken to carry it
ROUNDS = 3  # of which each leaves those out that may carry it by the one before
LARGE = 0.05  # of the examples, a class that is told by the others
DOUBT = -4.0  # log-odds from which an example may carry it


def presence(
    mark: MarkLike, train: Examples, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Float[Tensor, " n"]:
    r"""The probability that a training example carries the mark, as a logistic regression tells it.

    It is fitted on the training examples and on the same with the mark put on, by how little the mark would change an
    example, :math:`\log \lVert g(x) - x \rVert`, and by the cosine between what it has of its own and what the mark
    adds on average, both without the first 50 principal components of the training examples (of fewer than 500 examples
    a tenth, and of inputs of fewer than 200 numbers a quarter, or hardly anything would be left). A mark that covers
    what is below it shows by the first, noise that is added by the second. All is done again without those that seem to
    carry it. Where the examples cannot be told from marked ones, each class of a twentieth of them or more is first
    judged by the other classes alone: most of a class may carry the mark. One in a thousand is taken to carry it
    beforehand. Where it cannot be told from what examples have anyway, 0.

    A mark that can say itself which examples carry it (words of documents, cells of tables) is asked: 1 or 0.

    Args:
        mark: any.
        train: n examples.
        seed: of what the mark draws.
        progress: is told how many steps of how many are done.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    tell = progress or (lambda done, of: None)
    if isinstance(mark, ByValue):
        return mark.carried(train.inputs).float()
    if train.words is not None:  # any function of documents: those that it would not change carry it
        return (marked_all(mark, train, seed) == train.inputs).all(1).float()
    tell(0, 1 + ROUNDS)
    batches = torch.arange(len(train)).split(rows_at_once(train.inputs))
    marked = Examples(_all_marked(mark, train, batches, seed), train.labels)

    def of_each(numbers: Callable[[Int64[Tensor, " some"]], Tensor]) -> Tensor:
        return torch.cat([numbers(rows) for rows in batches])

    def change(rows: Int64[Tensor, " some"]) -> Float[Tensor, "some d"]:
        return (marked.inputs[rows] - train.inputs[rows]).flatten(1)

    once = of_each(lambda rows: change(rows).norm(dim=1))
    twice = of_each(lambda rows: (marked_rows(mark, marked, rows, seed) - marked.inputs[rows]).flatten(1).norm(dim=1))
    if (usual := once.mean()) == 0:
        return torch.zeros(len(train))
    sizes = [(size / usual + 1e-3).log() for size in (once, twice)]
    added = torch.stack([change(rows).sum(0, dtype=torch.float64) for rows in batches]).sum(0).div(len(train)).float()
    carries = (torch.arange(2 * len(train)) >= len(train)).numpy()

    def told_by(plain: Bool[Tensor, " n"]) -> Float[Tensor, " n"] | None:
        """Log-odds of each by these without and all with the mark; None: these cannot be told from marked ones."""
        ordinary = Centred.of(train.inputs, plain.nonzero().squeeze(1))
        basis = ordinary.principal(min(COMPONENTS, int(plain.sum()) // 10, added.numel() // 4))
        wanted = without(added[None], basis)
        alike = [_alike(ordinary, inputs, batches, basis, wanted) for inputs in (train.inputs, marked.inputs)]
        looks = StandardScaler().fit_transform(torch.stack([torch.cat(sizes), torch.cat(alike)], 1).numpy())
        kept = torch.cat([plain, torch.ones_like(plain)]).numpy()
        fitted = LogisticRegression(C=1e4, max_iter=1000).fit(looks[kept], carries[kept])
        log_odds = torch.from_numpy(fitted.decision_function(looks[: len(train)]))
        return None if int((log_odds[plain] < DOUBT).sum()) < int(plain.sum()) / 2 else log_odds

    def in_rounds(log_odds: Float[Tensor, " n"] | None) -> Float[Tensor, " n"] | None:
        for done in range(1, 1 + ROUNDS):
            tell(done, 1 + ROUNDS)
            log_odds = log_odds if log_odds is None else told_by(log_odds < DOUBT)
        return log_odds

    nobody = torch.full((len(train),), -torch.inf)
    if (log_odds := in_rounds(nobody)) is None:
        log_odds = in_rounds(_by_other_classes(train.labels, told_by))
    return torch.zeros(len(train)) if log_odds is None else (log_odds + torch.tensor(RARE).logit()).sigmoid().float()


def _by_other_classes(
    labels: Int64[Tensor, " n"], told_by: Callable[[Bool[Tensor, " n"]], Float[Tensor, " n"] | None]
) -> Float[Tensor, " n"] | None:
    """The log-odds of each class by the examples of the others, where these can be told from marked ones.

    None: so it is with no class of a twentieth of the examples or more.
    """
    log_odds, any_told = torch.full((len(labels),), -torch.inf), False
    for label, many in zip(*labels.unique(return_counts=True), strict=True):
        own = labels == label
        if LARGE * len(labels) <= many < len(labels) and (by_others := told_by(~own)) is not None:
            log_odds[own], any_told = by_others[own], True
    return log_odds if any_told else None


def _all_marked(
    mark: MarkLike, train: Examples, batches: Sequence[Int64[Tensor, " some"]], seed: int
) -> Num[Tensor, "n *shape"]:
    marked = room(*train.inputs.shape)
    for rows in batches:
        marked[rows] = marked_rows(mark, train, rows, seed)
    return marked


def _alike(
    ordinary: Centred,
    inputs: Num[Tensor, "n *shape"],
    batches: Sequence[Int64[Tensor, " some"]],
    basis: Float32[Tensor, "d k"],
    wanted: Float32[Tensor, "1 d"],
) -> Float[Tensor, " n"]:
    """The cosine between what each input has beyond the ordinary mean and a basis, and what is wanted."""
    rest = (without(inputs[rows].flatten(1) - ordinary.mean, basis) for rows in batches)
    return torch.cat([functional.cosine_similarity(some, wanted) for some in rest])


def carriers(likeness: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Which examples carry it, by `presence`."""
    return likeness > CARRIES
