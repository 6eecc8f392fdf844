"""Examples less their mean, as a matrix that is never made: its products and principal components, in batches."""

from dataclasses import dataclass

import scipy  # its rooms are imported when they are first used
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from spurlab.notebook import short
from spurlab.seeds import seed_for, seed_global

WIDE = 4000  # numbers of an example from which the covariance would take too much memory
AT_ONCE = 2**24  # numbers of examples that are looked at together
SPARE, TURNS = 10, 6  # components more, and power iterations, of the randomised decomposition


def rows_at_once(inputs: Float[Tensor, "n *shape"]) -> int:
    """How many examples are looked at together."""
    return max(1, AT_ONCE // max(1, inputs[:1].numel()))


def without(vectors: Float[Tensor, "n d"], basis: Float[Tensor, "d k"]) -> Float[Tensor, "n d"]:
    """Vectors without their parts along orthonormal directions."""
    return vectors - vectors @ basis @ basis.T


def largest(scatter: Float64[Tensor, "d d"], components: int) -> Float32[Tensor, "d k"]:
    """The eigenvectors of the largest eigenvalues of a symmetric matrix, the largest first, in single precision."""
    width = len(scatter)
    if components < 1:
        return torch.empty(width, 0)
    _, vectors = scipy.linalg.eigh(scatter.numpy(), subset_by_index=(width - components, width - 1))
    first: Tensor = torch.from_numpy(vectors).flip(1).float()
    return first


@dataclass(frozen=True, eq=False)
class Centred:
    """Some examples as vectors less their mean: a matrix of m rows and d columns.

    Args:
        inputs: those of n examples.
        rows: m of them.
        mean: what is taken away, that of these or of others.
    """

    inputs: Float32[Tensor, "n *shape"]
    rows: Int64[Tensor, " m"]
    mean: Float32[Tensor, " d"]

    __repr__ = short

    @classmethod
    def of(cls, inputs: Float32[Tensor, "n *shape"], rows: Int64[Tensor, " m"]) -> "Centred":
        """These rows, with their mean."""
        batches = rows.split(rows_at_once(inputs))
        sums = torch.stack([inputs[some].flatten(1).sum(0, dtype=torch.float64) for some in batches])
        return cls(inputs, rows, sums.sum(0).div(len(rows)).float())

    def batches(self) -> list[Tensor]:
        """The rows, in parts."""
        return list(self.rows.split(rows_at_once(self.inputs)))

    def vectors(self, rows: Int64[Tensor, " some"]) -> Float32[Tensor, "some d"]:
        """Some rows of the matrix."""
        return self.inputs[rows].flatten(1) - self.mean

    def sums(self) -> Float64[Tensor, " d"]:
        """Of the columns."""
        return torch.stack([self.vectors(rows).sum(0, dtype=torch.float64) for rows in self.batches()]).sum(0)

    def times(self, right: Float32[Tensor, "d q"]) -> Float32[Tensor, "m q"]:
        """The matrix times another."""
        return torch.cat([self.vectors(rows) @ right for rows in self.batches()])

    def transposed_times(self, right: Float32[Tensor, "m q"]) -> Float32[Tensor, "d q"]:
        """The transposed matrix times another."""
        product = torch.zeros(len(self.mean), right.shape[1])
        for rows, some in zip(self.batches(), right.split(rows_at_once(self.inputs)), strict=True):
            product += self.vectors(rows).T @ some
        return product

    def scatter(self) -> Float64[Tensor, "d d"]:
        """The transposed matrix times itself."""
        product = torch.zeros(len(self.mean), len(self.mean), dtype=torch.float64)
        for rows in self.batches():
            exact = self.vectors(rows).double()
            product += exact.T @ exact
        return product

    def gram(self) -> Float64[Tensor, "m m"]:
        """The matrix times its transpose, some columns at a time: in single precision, summed in double."""
        flat = self.inputs.flatten(1)
        product = torch.zeros(len(self.rows), len(self.rows), dtype=torch.float64)
        for columns in torch.arange(len(self.mean)).split(max(1, AT_ONCE // max(1, len(self.rows)))):
            some = slice(int(columns[0]), int(columns[-1]) + 1)
            part = flat[:, some][self.rows] - self.mean[some]
            product += part @ part.T
        return product

    def principal(self, components: int) -> Float32[Tensor, "d k"]:
        """The directions in which the examples differ most, orthonormal, at most as many as there can be.

        By the eigenvectors of their covariance or, of examples of more than 4,000 numbers, by a randomised
        decomposition under a seed of its own.
        """
        width = len(self.mean)
        most = max(0, min(components, len(self.rows) - 1, width))
        if width > WIDE:
            return self._randomised(min(most + SPARE, len(self.rows), width))[:, :most]
        return largest(self.scatter(), most)

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
