"""Which training examples carry a given mark: those that are like training examples on which it was put.

All passes go through the examples some at a time, so that they need not fit into memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from spurlab.audit.detect.components import SPARE, TURNS, WIDE, largest, without
from spurlab.data import Examples, room
from spurlab.patterns import MarkLike, marked_rows
from spurlab.seeds import seed_for, seed_global

COMPONENTS = 50
CARRIES = 0.5  # the probability from which an example is said to carry the mark
RARE = 1e-3  # the share of training examples that is taken to carry it
ROUNDS = 3  # of which each leaves those out that may carry it by the one before
DOUBT = -4.0  # log-odds from which an example may carry it
AT_ONCE = 2**24  # numbers of examples that are looked at together


def presence(mark: MarkLike, train: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    r"""The probability that a training example carries the mark, as a logistic regression tells it.

    It is fitted on the training examples and on the same with the mark put on, by how little the mark would change
    an example, :math:`\log \lVert g(x) - x \rVert`, and by the cosine between what it has of its own and what the mark
    adds on average, both without the first 50 principal components of the training examples (of fewer than 500, a
    tenth). A mark that covers what is below it shows by the first, noise that is added by the second. All is done again
    without those that seem to carry it; where these are a tenth and more, not all are found. One in a thousand is taken
    to carry it beforehand. Where the mark cannot be told from what examples have anyway, 0.

    Args:
        mark: any.
        train: n examples.
        seed: of what the mark draws.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    batches = torch.arange(len(train)).split(_together(train.inputs))
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
    log_odds = torch.full((len(train),), -torch.inf)
    for _ in range(ROUNDS):
        plain = log_odds < DOUBT
        ordinary = Centred.of(train.inputs, plain.nonzero().squeeze(1))
        basis = ordinary.principal(min(COMPONENTS, int(plain.sum()) // 10))
        wanted = without(added[None], basis)
        alike = [ordinary.alike(inputs, batches, basis, wanted) for inputs in (train.inputs, marked.inputs)]
        looks = StandardScaler().fit_transform(torch.stack([torch.cat(sizes), torch.cat(alike)], 1).numpy())
        kept = torch.cat([plain, torch.ones_like(plain)]).numpy()
        told = LogisticRegression(C=1e4, max_iter=1000).fit(looks[kept], carries[kept])
        log_odds = torch.from_numpy(told.decision_function(looks[: len(train)]))
        if int((log_odds < DOUBT).sum()) < len(train) / 2:  # it cannot be told from what examples have anyway
            return torch.zeros(len(train))
    return (log_odds + torch.tensor(RARE).logit()).sigmoid().float()


def _together(inputs: Float32[Tensor, "n *shape"]) -> int:
    return max(1, AT_ONCE // max(1, inputs[:1].numel()))


def _all_marked(
    mark: MarkLike, train: Examples, batches: Sequence[Int64[Tensor, " some"]], seed: int
) -> Float32[Tensor, "n *shape"]:
    marked = room(*train.inputs.shape)
    for rows in batches:
        marked[rows] = marked_rows(mark, train, rows, seed)
    return marked


@dataclass(frozen=True, eq=False)
class Centred:
    """Some examples as vectors without their mean, as the matrix of m rows and d columns that is never made.

    Args:
        inputs: those of n examples.
        rows: m of them.
        mean: that of these.
    """

    inputs: Float32[Tensor, "n *shape"]
    rows: Int64[Tensor, " m"]
    mean: Float32[Tensor, " d"]

    @classmethod
    def of(cls, inputs: Float32[Tensor, "n *shape"], rows: Int64[Tensor, " m"]) -> "Centred":
        """These rows, with their mean."""
        batches = rows.split(_together(inputs))
        sums = torch.stack([inputs[some].flatten(1).sum(0, dtype=torch.float64) for some in batches])
        return cls(inputs, rows, sums.sum(0).div(len(rows)).float())

    def batches(self) -> list[Tensor]:
        """The rows, in parts."""
        return list(self.rows.split(_together(self.inputs)))

    def vectors(self, rows: Int64[Tensor, " some"]) -> Float32[Tensor, "some d"]:
        """Some rows of the matrix."""
        return self.inputs[rows].flatten(1) - self.mean

    def times(self, right: Float32[Tensor, "d q"]) -> Float32[Tensor, "m q"]:
        """The matrix times another."""
        return torch.cat([self.vectors(rows) @ right for rows in self.batches()])

    def transposed_times(self, right: Float32[Tensor, "m q"]) -> Float32[Tensor, "d q"]:
        """The transposed matrix times another."""
        product = torch.zeros(len(self.mean), right.shape[1])
        for rows, some in zip(self.batches(), right.split(_together(self.inputs)), strict=True):
            product += self.vectors(rows).T @ some
        return product

    def principal(self, components: int) -> Float32[Tensor, "d k"]:
        """The first principal components: those of `spurlab.audit.detect.components.principal`, to rounding."""
        width = len(self.mean)
        most = min(components, len(self.rows) - 1, width)
        if width > WIDE:
            return self._randomised(min(most + SPARE, len(self.rows), width))[:, :most]
        covariance = torch.zeros(width, width, dtype=torch.float64)
        for rows in self.batches():
            exact = self.vectors(rows).double()
            covariance += exact.T @ exact
        return largest(covariance, most)

    def alike(
        self,
        inputs: Float32[Tensor, "n *shape"],
        batches: Sequence[Int64[Tensor, " some"]],
        basis: Float32[Tensor, "d k"],
        wanted: Float32[Tensor, "1 d"],
    ) -> Float[Tensor, " n"]:
        """The cosine between what each input has beyond the mean and a basis, and what is wanted."""
        rest = (without(inputs[rows].flatten(1) - self.mean, basis) for rows in batches)
        return torch.cat([functional.cosine_similarity(some, wanted) for some in rest])

    def _randomised(self, wanted: int) -> Float32[Tensor, "d q"]:
        """As `torch.svd_lowrank` does it, by the same numbers: Halko, Martinsson and Tropp (2011), algorithm 5.1."""
        tall = len(self.rows) >= len(self.mean)
        ahead, back = (self.times, self.transposed_times) if tall else (self.transposed_times, self.times)
        with torch.random.fork_rng(devices=[]):
            seed_global(seed_for(0, "components"))
            start = torch.randn(len(self.mean) if tall else len(self.rows), wanted)
        basis = torch.linalg.qr(ahead(start)).Q
        for _ in range(TURNS):
            basis = torch.linalg.qr(back(basis)).Q
            basis = torch.linalg.qr(ahead(basis)).Q
        left, _, right = torch.linalg.svd(back(basis).T, full_matrices=False)
        found: Tensor = right.T if tall else basis @ left
        return found


def carriers(likeness: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Which examples carry it, by `presence`."""
    return likeness > CARRIES
