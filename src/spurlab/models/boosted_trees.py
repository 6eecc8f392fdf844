"""Gradient-boosted trees as a network: scikit-learn grows them, tensors hold them, and PyTorch asks them.

So they are stored, scored, deleted from and compared as all networks are. What they learn from is no gradient of
theirs: a method that needs one cannot work on them, and says so.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from spurlab.errors import FailureError, InputError, one_line
from spurlab.seeds import seed_for

AGREE = 1e-4  # the largest difference of a logit from scikit-learn's, of numbers of about 1: float32 has seven digits
NO_GRADIENTS = (
    "boosted trees are steps, flat between them: they have neither gradients nor weights to move. Take a network, or "
    "what only trains anew and asks for answers (retrain, SISA, scores)."
)
AT_ONCE = 256  # examples that go through all trees together: what is looked up stays in the cache
CHECKED = 256  # training rows on which the two are compared


class BoostedTrees(nn.Module):
    """A sum of decision trees; inputs ``n *shape``, logits ``n k``.

    Two classes have one sum z, and the logits 0 and z. More classes have a sum each. A new one has no trees yet: its
    logits are 0.

    A tree is a row of nodes. From node i an example goes on to the left where its feature is at most the threshold,
    else to the right; a leaf goes on to itself. Places without a node are leaves of 0 that nothing leads to.

    Args:
        shape: of one input, any.
        classes: the number of classes, k.
        trees: boosting iterations; each grows one tree, of more than two classes one for each.
        leaves: of a tree at most.
        rows_of_leaf: fewer training rows than these make no leaf.
        learning_rate: what each tree's values are multiplied by.

    Raises:
        ValueError: documents, whose numbers are names of words.

    Source: Friedman (2001), Greedy function approximation; Ke et al. (2017), LightGBM, on histograms of 255 values, as
    `sklearn.ensemble.HistGradientBoostingClassifier` has it, with its defaults.

    >>> BoostedTrees((3,), 2)(torch.zeros(4, 3)).tolist()[0]
    [0.0, 0.0]
    """

    no_gradients = NO_GRADIENTS
    feature: Int64[Tensor, "trees nodes"]
    threshold: Float[Tensor, "trees nodes"]
    left: Int64[Tensor, "trees nodes"]
    right: Int64[Tensor, "trees nodes"]
    value: Float[Tensor, "trees nodes"]
    baseline: Float[Tensor, " sums"]

    def __init__(
        self,
        shape: Sequence[int],
        classes: int,
        trees: int = 100,
        leaves: int = 31,
        rows_of_leaf: int = 20,
        learning_rate: float = 0.1,
    ) -> None:
        super().__init__()
        if len(shape) == 2:
            raise InputError(
                "boosted trees compare numbers, but documents are names of words: take a network for them."
            )
        self.shape, self.classes, self.iterations = tuple(shape), classes, trees
        self.leaves, self.rows_of_leaf, self.learning_rate = leaves, rows_of_leaf, learning_rate
        sums, nodes = 1 if classes == 2 else classes, 2 * leaves - 1
        # on the CPU whatever the default device: a skeleton is asked too, and looks at its leaves
        empty = torch.zeros(trees * sums, nodes, device="cpu")
        itself = torch.arange(nodes, device="cpu").expand(trees * sums, -1)
        self.register_buffer("feature", empty.long())
        self.register_buffer("threshold", empty.clone())
        self.register_buffer("left", itself.clone())
        self.register_buffer("right", itself.clone())
        self.register_buffer("value", empty)
        self.register_buffer("baseline", torch.zeros(sums, device="cpu"))

    def forward(self, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        """Logits; gradients are refused where they are asked for."""
        flat = inputs.detach().flatten(1)
        few = flat.split(AT_ONCE) if len(flat) else ()
        sums = torch.cat([flat.new_zeros(0, len(self.baseline)), *(self._sums(rows) for rows in few)])
        logits = sums if self.classes != 2 else torch.cat([torch.zeros_like(sums), sums], 1)
        asks_gradients = torch.is_grad_enabled() and inputs.requires_grad
        return WithoutGradients.apply(inputs, logits, NO_GRADIENTS) if asks_gradients else logits

    def _sums(self, flat: Float[Tensor, "n d"]) -> Float[Tensor, "n sums"]:
        """Of a few examples; each is in all trees at once, at a node of each."""
        trees, nodes = self.feature.shape
        feature, threshold = self.feature.flatten(), self.threshold.flatten()
        first = torch.arange(trees, device=flat.device) * nodes
        following = torch.stack([self.left, self.right], 2) + first.view(-1, 1, 1)  # by tree, node and side
        following = following.flatten()
        at = first.repeat(len(flat))
        rows = torch.arange(len(flat), device=flat.device).repeat_interleave(trees) * flat.shape[1]
        numbers = flat.flatten()
        while True:
            right = numbers.take(rows + feature.take(at)) > threshold.take(at)
            below = following.take(2 * at + right)
            if below.equal(at):
                break
            at = below
        each = self.value.take(at).view(len(flat), -1, len(self.baseline))  # iterations by sums
        return (self.baseline.double() + each.double().sum(1)).to(flat.dtype)

    @torch.no_grad()
    def grow(self, inputs: Float[Tensor, "n *shape"], labels: Int64[Tensor, " n"], seed: int) -> float:
        """Grow new trees in place of those that are there, on one thread.

        Args:
            inputs: of all training examples.
            labels: of each.
            seed: of what scikit-learn draws; with its defaults that is nothing, up to 200,000 examples.

        Returns:
            The mean log loss over the examples.

        Raises:
            ValueError: labels of a single class.
            FailureError: the trees could not be read, or these give other numbers than scikit-learn.
        """
        rows, known = inputs.cpu().flatten(1).double().numpy(), labels.cpu().numpy()
        present = np.unique(known)
        if len(present) < 2:
            raise InputError(f"boosted trees need examples of two classes, but all {len(known)} are of one.")
        model = self._fitted(rows, known, seed)
        try:
            self._take(model, present.tolist())
        except (AttributeError, KeyError, IndexError, ValueError, TypeError) as error:
            raise _unlike(f"its trees cannot be read: {one_line(str(error))}") from error
        few = np.linspace(0, len(rows) - 1, min(CHECKED, len(rows))).astype(int)
        theirs = torch.from_numpy(np.asarray(model.decision_function(rows[few])).reshape(len(few), -1))
        ours = self(torch.from_numpy(rows[few]).float().to(self.value.device)).cpu().double()
        ours = ours[:, present] if len(present) > 2 else (ours[:, present[1:]] - ours[:, present[:1]])
        if not torch.allclose(ours, theirs, rtol=AGREE, atol=AGREE):
            raise _unlike(f"logits differ by up to {float((ours - theirs).abs().max()):.2g}")
        logits = self(inputs.to(self.value.device))
        return float(nn.functional.cross_entropy(logits, labels.to(logits.device)))

    def _fitted(self, rows: Float64[np.ndarray, "n d"], labels: np.ndarray, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415  # slow to import
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        model = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.iterations,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.rows_of_leaf,
            early_stopping=False,  # which would set rows aside from 10,000 on
            random_state=seed_for(seed, "trees") % 2**32,
        )
        with threadpool_limits(1):
            return model.fit(rows, labels)

    def _take(self, model: Any, present: Sequence[int]) -> None:
        """Copy the trees of a model that was fitted on these classes."""
        nodes = self.value.shape[1]
        for name, empty in (("feature", 0), ("threshold", 0), ("value", 0)):
            getattr(self, name).fill_(empty)
        for side in (self.left, self.right):
            side.copy_(torch.arange(nodes).expand_as(side))
        sums = len(self.baseline)
        baseline = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
        # two of more classes have one sum, that of the second; a class without examples is never the answer
        places = [0] if self.classes == 2 else list(present) if len(present) > 2 else [present[1]]
        self.baseline.fill_(0)
        if self.classes > 2:
            absent = [place for place in range(sums) if place not in present]
            self.baseline[absent] = -1e3
        self.baseline[places] = torch.from_numpy(baseline).float().to(self.baseline.device)
        for iteration, grown in enumerate(model._predictors):
            for place, tree in zip(places, grown, strict=True):
                self._take_tree(iteration * sums + place, tree.nodes)

    def _take_tree(self, row: int, tree: np.ndarray) -> None:
        inner = np.flatnonzero(tree["is_leaf"] == 0)
        if tree["is_categorical"].any() or not np.isfinite(tree["num_threshold"][inner]).all():
            raise ValueError("splits by categories or by missing values")
        threshold = tree["num_threshold"][inner]
        low = threshold.astype(np.float32)  # the largest float32 that is not above: inputs are float32, so ties stay
        low = np.where(low > threshold, np.nextafter(low, np.float32(-math.inf)), low)
        self.feature[row, inner] = torch.from_numpy(tree["feature_idx"][inner].astype(np.int64))
        self.threshold[row, inner] = torch.from_numpy(low)
        self.left[row, inner] = torch.from_numpy(tree["left"][inner].astype(np.int64))
        self.right[row, inner] = torch.from_numpy(tree["right"][inner].astype(np.int64))
        self.value[row, : len(tree)] = torch.from_numpy(np.where(tree["is_leaf"], tree["value"], 0)).float()

    def reset_parameters(self) -> None:
        """No trees, as in a new one."""
        self.value.zero_()
        self.baseline.zero_()


def _unlike(what: str) -> FailureError:
    from sklearn import __version__  # noqa: PLC0415  # slow to import

    return FailureError(
        f"the boosted trees of scikit-learn {__version__} are not those that Spurlab reads ({what}). Install the "
        "version that Spurlab was tested with, 1.9."
    )


class WithoutGradients(torch.autograd.Function):
    """Passes logits on; whoever asks for gradients through them is told that there are none, and why."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, logits: Tensor, why: str) -> Tensor:
        ctx.why = why
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[None, None, None]:
        raise InputError(ctx.why)


def no_gradients(model: nn.Module) -> str:
    """Why nothing that goes by gradients can be asked of a network; "" where it can."""
    return next(filter(None, (getattr(module, "no_gradients", "") for module in model.modules())), "")


def check_has_gradients(model: nn.Module, name: str = "") -> None:
    """Raises ValueError: trees or a classifier of scikit-learn are in it, which have no gradients.

    Args:
        model: any network.
        name: of what it is in the zoo, for whoever calls with both.
    """
    if why := no_gradients(model):
        raise InputError(why)
