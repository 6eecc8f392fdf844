"""What examples have in common and what each has of its own: principal components, and residuals of them."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from spurlab.data import Examples
from spurlab.seeds import seed_for, seed_global

WIDE = 4000  # numbers of an example from which the covariance would take too much memory
AT_ONCE = 10_000  # examples whose products are summed together
SPARE, TURNS = 10, 6  # components more, and power iterations, of the randomised decomposition


def residuals(of: Float[Tensor, "n d"], known: Float[Tensor, "m d"], components: int) -> Float[Tensor, "n d"]:
    """What the first principal components of the known examples do not explain of others.

    Args:
        of: examples, as vectors.
        known: those whose mean and components are taken.
        components: how many, at most as many as there can be.
    """
    return without(of - known.mean(0), principal(known, components))


def without(vectors: Float[Tensor, "n d"], basis: Float[Tensor, "d k"]) -> Float[Tensor, "n d"]:
    """Vectors without their parts along orthonormal directions."""
    return vectors - vectors @ basis @ basis.T


def principal(examples: Float[Tensor, "m d"], components: int) -> Float[Tensor, "d k"]:
    """The directions in which examples differ most, orthonormal.

    By the eigenvectors of their covariance or, of examples of more than 4,000 numbers, by a randomised decomposition
    under a seed of its own.
    """
    centred = examples - examples.mean(0)
    most = min(components, max(len(examples) - 1, 0), examples.shape[1])
    if examples.shape[1] > WIDE:
        with torch.random.fork_rng(devices=[]):
            seed_global(seed_for(0, "components"))
            decomposed: Tensor = torch.svd_lowrank(centred, min(most + SPARE, *examples.shape), niter=TURNS)[2]
        return decomposed[:, :most]
    exact = centred.double()
    return largest(exact.T @ exact, most)


def largest(scatter: Float[Tensor, "d d"], components: int) -> Float[Tensor, "d k"]:
    """The eigenvectors of the largest eigenvalues of a symmetric matrix, the largest first, in single precision."""
    _, vectors = torch.linalg.eigh(scatter)
    first: Tensor = vectors[:, vectors.shape[1] - components :].flip(1)
    return first.float()


def own_of_classes(train: Examples, components: int) -> Iterator[tuple[int, Int64[Tensor, " m"], Float[Tensor, "m d"]]]:
    """Each class, its rows, and what the first principal components of the *other* classes do not explain of these.

    Of a class beside which there is no other nothing is explained. The covariance of others is that of all examples
    without the class's own part, so that only one is summed over all.

    Args:
        train: n examples; vectors or images.
        components: how many, at most as many as there can be.
    """
    flat = train.inputs.flatten(1)
    labels = [int(label) for label in train.labels.unique()]
    if flat.shape[1] > WIDE or len(labels) < 2:
        for label in labels:
            own = train.labels == label
            others = flat[~own] if len(labels) > 1 else torch.zeros(1, flat.shape[1])
            yield label, own.nonzero().squeeze(1), residuals(flat[own], others, components)
        return
    middle = flat.mean(0)
    total, scatter = torch.zeros_like(middle).double(), torch.zeros(len(middle), len(middle)).double()
    for several in flat.split(AT_ONCE):
        exact = (several - middle).double()
        total += exact.sum(0)
        scatter += exact.T @ exact
    for label in labels:
        rows = (train.labels == label).nonzero().squeeze(1)
        own, many = (flat[rows] - middle).double(), len(flat) - len(rows)
        mean = (total - own.sum(0)) / many
        others = scatter - own.T @ own - many * torch.outer(mean, mean)
        basis = largest(others, min(components, many - 1, flat.shape[1]))
        yield label, rows, without(flat[rows] - middle - mean.float(), basis)


def standardised(scores: Float[Tensor, " n"], labels: Tensor) -> Float[Tensor, " n"]:
    """Scores by how far they lie above the median of their class, in median deviations (times 1.4826, as of a normal).

    A class in which most scores are equal has no such scale; there it is the smallest number that is not zero.
    """
    standard = torch.empty_like(scores)
    for label in labels.unique():
        rows = labels == label
        above = scores[rows] - scores[rows].median()
        spread = 1.4826 * above.abs().median()
        standard[rows] = above / spread.clamp(min=max(1e-6, float(above.abs().mean()) / 10))
    return standard
