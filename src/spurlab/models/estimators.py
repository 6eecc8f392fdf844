"""Classifiers of scikit-learn as networks that only answer: whatever is fitted and has `predict_proba`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.errors import InputError, brief
from spurlab.models.boosted_trees import WithoutGradients


class Estimator(nn.Module):
    """A fitted classifier; inputs ``n *shape`` (flattened to rows), logits ``n k``: logarithms of its probabilities.

    It can be asked: `predictions`, the spurious score of these, an audit without repair and reference networks,
    occlusion. It has no gradients and is not trained; who asks for these is told.

    Args:
        model: a classifier with ``predict_proba`` and ``classes_``: of scikit-learn, a `Pipeline` of it, or one that
            behaves alike. One that was fitted on a DataFrame gets one with the same names of columns.
        classes: how many there are, where the model was not fitted on all of them; or their names in the order of their
            numbers, where it was fitted on names. None: those that it was fitted on, which are 0, 1, ...

    Raises:
        ValueError: it has no probabilities, is not fitted, or its classes are others.

    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    >>> Estimator(model)(torch.tensor([[0.5]])).exp().round(decimals=3).tolist()
    [[0.5, 0.5]]
    """

    no_gradients = (
        "a classifier of scikit-learn has neither gradients nor weights to move. Take a network, or what only asks for "
        "answers: scores, predictions, occlusion, an audit without a repair and reference networks."
    )

    def __init__(self, model: Any, classes: int | Sequence[str] | None = None) -> None:
        super().__init__()
        kind = type(model).__name__
        if not callable(getattr(model, "predict_proba", None)):
            advice = (
                "fit a `sklearn.calibration.CalibratedClassifierCV` of it, which has them."
                if hasattr(model, "decision_function")
                else "one logit for each class is made of these."
            )
            raise InputError(f"this {kind} has no probabilities of classes (predict_proba): {advice}")
        if (known := getattr(model, "classes_", None)) is None:
            raise InputError(f"this {kind} is not fitted: it has no `classes_`. Fit it first.")
        self.model, self.kind = model, kind
        self.places = _places(list(known), classes, kind)
        self.classes = classes if isinstance(classes, int) else len(classes or self.places)

    def forward(self, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        """Logits; gradients are refused where they are asked for."""
        rows: Any = inputs.detach().cpu().flatten(1).double().numpy()
        wanted = getattr(self.model, "n_features_in_", rows.shape[1])
        if wanted != rows.shape[1]:
            raise InputError(
                f"this {self.kind} was fitted on {wanted} numbers for each example, but these have {rows.shape[1]}. "
                "Fit it on the inputs of the data, flattened: `train.inputs.flatten(1)`."
            )
        if (names := getattr(self.model, "feature_names_in_", None)) is not None:
            from pandas import DataFrame  # noqa: PLC0415  # slow to import

            rows = DataFrame(rows, columns=names)
        shares = np.zeros((len(rows), self.classes))
        if len(rows):
            shares[:, self.places] = self.model.predict_proba(rows)
        dtype = inputs.dtype if inputs.is_floating_point() else torch.float32  # documents are numbers of words
        logits = torch.from_numpy(shares).to(inputs.device, dtype).clamp(min=torch.finfo(dtype).tiny).log()
        asks_gradients = torch.is_grad_enabled() and inputs.requires_grad
        return WithoutGradients.apply(inputs, logits, self.no_gradients) if asks_gradients else logits


def _places(known: list[Any], classes: int | Sequence[str] | None, kind: str) -> list[int]:
    """Of each class that it was fitted on, in its order, the number in the data."""
    if isinstance(classes, Sequence):
        names = [str(name) for name in classes]
        if all(str(one) in names for one in known):
            return [names.index(str(one)) for one in known]
    elif all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in known):
        numbers = [int(one) for one in known]
        most = len(numbers) if classes is None else classes
        if all(0 <= number < most for number in numbers):
            return numbers
    wanted = f"{brief(list(classes))}" if isinstance(classes, Sequence) else f"0 to {(classes or len(known)) - 1}"
    raise InputError(
        f"this {kind} was fitted on the classes {brief([str(one) for one in known])}, but asked for are {wanted}. "
        "Give their number, or their names in order: spurlab.models.Estimator(model, data.class_names)."
    )


def is_estimator(model: object) -> bool:
    """Whether it is a classifier as scikit-learn has them, and no network."""
    return (
        not isinstance(model, nn.Module | type) and callable(getattr(model, "fit", None)) and hasattr(model, "predict")
    )
