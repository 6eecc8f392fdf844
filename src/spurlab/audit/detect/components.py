"""What examples have in common and what each has of its own: principal components, and residuals of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from spurlab.audit.detect import centred
from spurlab.audit.detect.centred import Centred, largest, rows_at_once, without
from spurlab.data import Examples
from spurlab.notebook import short
from spurlab.seeds import rng_for

COMPONENTS = 150


def residuals(of: Float32[Tensor, "n d"], known: Float32[Tensor, "m d"], components: int) -> Float32[Tensor, "n d"]:
    """What the first principal components of the known examples do not explain of others.

    Args:
        of: examples, as vectors.
        known: those whose mean and components are taken.
        components: how many, at most as many as there can be.
    """
    return without(of - known.mean(0), principal(known, components))


def principal(examples: Float32[Tensor, "m d"], components: int) -> Float32[Tensor, "d k"]:
    """See `spurlab.audit.detect.centred.Centred.principal`."""
    return Centred.of(examples, torch.arange(len(examples))).principal(components)


@dataclass(frozen=True, eq=False)
class ClassComponents:
    """A class, and the mean and the first principal components of all *other* classes.

    Args:
        label: the class.
        rows: of its m examples.
        inputs: those of all n examples.
        mean: of the examples of other classes; zeros where there is no other class.
        taken: examples of other classes of which the components are weighted sums; empty: they are kept themselves.
        weights: of each example that is taken, for each component, the largest first; else the components.
    """

    label: int
    rows: Int64[Tensor, " m"]
    inputs: Float32[Tensor, "n *shape"]
    mean: Float32[Tensor, " d"]
    taken: Int64[Tensor, " taken"]
    weights: Float32[Tensor, "some k"]

    __repr__ = short

    def basis(self, components: int) -> Float32[Tensor, "d k"]:
        """The first components of the other classes, orthonormal, at most as many as are known."""
        first = self.weights[:, :components]
        if not len(self.taken):
            return first
        orthonormal: Tensor = torch.linalg.qr(Centred(self.inputs, self.taken, self.mean).transposed_times(first)).Q
        return orthonormal

    def batches(self) -> list[Tensor]:
        """The rows, in parts."""
        return list(self.rows.split(rows_at_once(self.inputs)))

    def residuals(self, rows: Int64[Tensor, " some"], basis: Float32[Tensor, "d k"]) -> Float32[Tensor, "some d"]:
        """What a basis does not explain of some examples."""
        return without(self.inputs[rows].flatten(1) - self.mean, basis)

    def coordinates(self, basis: Float32[Tensor, "d k"]) -> Float32[Tensor, "m q"]:
        r"""The residuals of the class, less their mean, as vectors with the same scalar products and fewer numbers.

        Where an example has at most 4,000 numbers, or fewer than the class has examples, the residuals themselves.
        Else rows of :math:`U \Lambda^{1/2}`, of their Gram matrix :math:`K = U \Lambda U^\top`.
        """
        many, width = len(self.rows), len(self.mean)
        if width <= max(centred.WIDE, many):
            own = torch.cat([self.residuals(rows, basis) for rows in self.batches()])
            return own.sub_(own.mean(0))
        own_class = Centred(self.inputs, self.rows, self.mean)
        along = own_class.times(basis).double()
        values, vectors = torch.linalg.eigh(_doubly_centred(own_class.gram() - along @ along.T))
        found: Tensor = (vectors * values.clamp(min=0).sqrt()).float()
        return found

    def component(self, rows: Int64[Tensor, " some"], basis: Float32[Tensor, "d k"]) -> Float32[Tensor, " d"]:
        """The mean residual of some examples, less that of the class."""
        usual = Centred.of(self.inputs, self.rows).mean
        return self.residuals(rows, basis).mean(0) - without((usual - self.mean)[None], basis)[0]


def class_components(
    train: Examples, components: int = COMPONENTS, progress: Callable[[int, int], None] | None = None
) -> list[ClassComponents]:
    """For each class the principal components of the *other* classes: what all that rank by residuals start from.

    The scatter matrix of others is that of all examples without the class's own part, so that only one is summed over
    all. Of examples of more than 4,000 numbers the Gram matrix takes its place; where there are more than 4,000 of
    these, too, the components are those of 4,000 drawn from all. The data go through in batches and are not copied:
    beyond them this takes up to 150 x 4,000 numbers for each class. Of a class beside which there is no other nothing
    is explained.

    Args:
        train: n examples; vectors or images.
        components: how many, at most as many as there can be.
        progress: is told how many classes of how many are decomposed.
    """
    inputs, labels, nothing = train.inputs, train.labels, torch.empty(0, dtype=torch.int64)
    classes = [(int(label), (labels == label).nonzero().squeeze(1)) for label in labels.unique()]
    if len(classes) < 2:
        width = inputs[:1].numel()
        zeros, none = torch.zeros(width), torch.empty(width, 0)
        return [ClassComponents(label, rows, inputs, zeros, nothing, none) for label, rows in classes]
    whole = Centred.of(inputs, torch.arange(len(train)))
    width, wide = len(whole.mean), len(whole.mean) > centred.WIDE
    taken = torch.arange(len(train))
    if wide and len(train) > centred.WIDE:
        taken = torch.randperm(len(train), generator=rng_for(0, "components"))[: centred.WIDE].sort().values
    products = Centred(inputs, taken, whole.mean).gram() if wide else whole.scatter()
    found = list[ClassComponents]()
    for label, rows in classes:
        if progress is not None:
            progress(len(found), len(classes))
        own, many = Centred(inputs, rows, whole.mean), len(train) - len(rows)
        mean, others = -own.sums() / many, nothing
        if wide:
            others = (labels[taken] != label).nonzero().squeeze(1)
            most, of_others = max(0, len(others) - 1), _doubly_centred(products[others][:, others])
        else:
            most, of_others = many - 1, products - own.scatter() - many * torch.outer(mean, mean)
        weights = largest(of_others, min(components, most, width))
        found.append(ClassComponents(label, rows, inputs, whole.mean + mean.float(), taken[others], weights))
    return found


def _doubly_centred(products: Float[Tensor, "m m"]) -> Float[Tensor, "m m"]:
    """The Gram matrix of vectors less their mean, from that of the vectors."""
    less = products - products.mean(0)
    return less - less.mean(1, keepdim=True)


def standardised(scores: Float[Tensor, " n"], labels: Tensor) -> Float[Tensor, " n"]:
    """Scores by how far they lie above the median of their class, in median deviations (times 1.4826, as of a normal).

    The scale is at least a tenth of the mean deviation: in a class in which most scores are equal their median is 0.
    """
    standard = torch.empty_like(scores)
    for label in labels.unique():
        rows = labels == label
        above = scores[rows] - scores[rows].median()
        spread = 1.4826 * above.abs().median()
        standard[rows] = above / spread.clamp(min=max(1e-6, float(above.abs().mean()) / 10))
    return standard
