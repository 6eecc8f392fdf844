"""Input noise and weight decay as penalties: one number said in several conventions."""

from jaxtyping import Float
from torch import Tensor

from spurlab.theory.checks import check_above, check_finite, check_from


def ridge_of_noise(sd: float) -> float:
    r"""The ridge that Gaussian noise on the inputs is for a linear model under squared error.

    .. math:: \lambda = \sigma^2

    *Derivation.* Each input gets noise :math:`\varepsilon \sim N(0, \sigma^2 I)` anew. The prediction
    :math:`w \cdot (x_i + \varepsilon) + c` has the mean :math:`w \cdot x_i + c` and the variance
    :math:`\sigma^2 \lVert w \rVert^2`, and the expected square is that of the mean plus the variance:

    .. math:: \mathbb{E} \frac{1}{N} \sum_{i=1}^{N} \big( w \cdot (x_i + \varepsilon_i) + c - y_i \big)^2
        = \frac{1}{N} \sum_{i=1}^{N} \big( w \cdot x_i + c - y_i \big)^2 + \sigma^2 \lVert w \rVert^2.

    This is exact, and for any noise of that covariance. The intercept is not penalized. It holds for the expectation:
    training that draws noise k times for each example sees its mean over k draws.

    Args:
        sd: :math:`\sigma`, 0 or more: `Recipe.input_noise`.

    Returns:
        :math:`\lambda`, as `shift_ridge` takes it.

    Raises:
        ValueError: an sd outside its range.

    >>> ridge_of_noise(0.5)
    0.25
    """
    check_from(0, sd=sd)
    return sd**2


def ridge_of_decay(weight_decay: float, classes: int = 1) -> float:
    r"""The ridge that PyTorch's weight decay is for a linear model under squared error.

    .. math:: \lambda = \tfrac{1}{2} k \, d

    *Derivation.* An optimizer with weight decay d adds :math:`d \, w` to the gradient of the loss, and so adds
    :math:`\frac{d}{2} \lVert w \rVert^2` to the loss itself (for Adam: `Recipe.weight_decay` of ``adam`` is this l2
    penalty, not the decoupled one of AdamW). The loss ``mse`` is the mean over N examples and k outputs,
    :math:`\frac{1}{N k} \sum (f - y)^2`. Multiplied by k it is the loss of `shift_ridge`, with the penalty
    :math:`\frac{k d}{2} \lVert w \rVert^2`.

    Args:
        weight_decay: d, 0 or more: `Recipe.weight_decay`.
        classes: k, the outputs over which the loss is a mean; 1 for the square of one output.

    Returns:
        :math:`\lambda`, as `shift_ridge` takes it.

    Raises:
        ValueError: a setting outside its range.

    >>> ridge_of_decay(0.01, classes=10)
    0.05
    """
    check_from(0, weight_decay=weight_decay)
    check_from(1, classes=classes)
    return classes * weight_decay / 2


def decay_of_ridge(ridge: float, classes: int = 1) -> float:
    r"""The weight decay with which squared error has this ridge, :math:`d = 2 \lambda / k`; see `ridge_of_decay`.

    >>> decay_of_ridge(ridge_of_noise(0.5), classes=10)  # the weight decay that stands for noise of sd 0.5
    0.05
    """
    check_from(0, ridge=ridge)
    check_above(0, classes=classes)
    return 2 * ridge / classes


def decay_of_noise(sd: float, margins: Float[Tensor, " n"]) -> float:
    r"""The weight decay that small Gaussian noise on the inputs is for logistic regression.

    .. math:: d = \sigma^2 \, \frac{1}{N} \sum_{i=1}^{N} p_i (1 - p_i), \qquad p_i = \frac{1}{1 + e^{-m_i}}

    *Derivation.* Noise makes the margin :math:`m_i` normal with the variance :math:`\sigma^2 \lVert w \rVert^2`. The
    loss :math:`\ell(m) = \log (1 + e^{-m})` has :math:`\ell'' = p (1 - p)`, so its expectation is
    :math:`\ell(m_i) + \frac12 \sigma^2 \lVert w \rVert^2 p_i (1 - p_i)` up to terms of the order
    :math:`\sigma^4 \lVert w \rVert^4`. The mean over examples has the penalty :math:`\frac{d}{2} \lVert w \rVert^2`
    with the d above. Other than ridge under squared error, it depends on the solution: noise penalizes less where all
    examples are fitted well.

    For noise of any size the gradient has the same form (Stein's lemma): :math:`\mathbb{E}[-\sigma(-\tilde m_i)
    \varepsilon] = \sigma^2 w \, \mathbb{E}[\tilde p_i (1 - \tilde p_i)]`, so that at the minimum d is exact with the
    mean over the noise in it.

    Args:
        sd: :math:`\sigma`, 0 or more: `Recipe.input_noise`.
        margins: :math:`m_i` of all training examples, the log-odds of the right class.

    Returns:
        d, as `Recipe.weight_decay`: between 0 and a quarter of :math:`\sigma^2`.

    Raises:
        ValueError: an sd outside its range, no margins, or some that are not finite.

    Source: Bishop (1995), Training with noise is equivalent to Tikhonov regularization, Neural Computation 7, 108-116.

    >>> import torch
    >>> round(decay_of_noise(0.2, torch.zeros(3)), 9)
    0.01
    """
    check_from(0, sd=sd)
    check_finite(margins=margins)
    right = margins.detach().double()
    return sd**2 * float((right.sigmoid() * (-right).sigmoid()).mean())
