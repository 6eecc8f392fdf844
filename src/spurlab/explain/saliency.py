r"""Which values of an input move the network's answer: gradient, integrated gradients, occlusion.

What is explained is the network's output :math:`z_t` for a class :math:`t`: the logit, for the networks of the zoo. Not
the probability: that also rises where only the evidence for the other classes falls (Simonyan et al. 2014, section 3).
Every method gives a tensor of the inputs' shape, one number for each value of each input; drawing it is somebody
else's work. The network is asked in evaluation mode and left as it was: its modes, weights, gradients and hooks.

Captum computes the maps; those of the last two methods are accurate to float32 (about 7 digits) in float64 too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn

from spurlab.errors import InputError, did_you_mean
from spurlab.explain.words import word_saliency
from spurlab.models import ask, asked, unwrapped

Target = int | Int64[Tensor, " n"] | None
Logits = Callable[[Tensor], Tensor]


def gradient(
    model: nn.Module,
    inputs: Float[Tensor, "n *shape"],
    target: Target = None,
    *,
    absolute: bool = False,
    rows: int = 500,
) -> Float[Tensor, "n *shape"]:
    r"""The gradient of the class's logit: how fast it rises with each value of the input.

    .. math:: M_j = \frac{\partial z_t(x)}{\partial x_j}

    Args:
        model: logits ``n k`` for inputs ``n *shape``.
        inputs: one row per example, of any shape: images ``n c h w``, signals ``n 1 length`` or ``n length``.
        target: the class :math:`t`, for all inputs or for each; None: the class that the network predicts for each.
        absolute: absolute values, as Simonyan et al. draw them (who then take the largest over the channels), and not
            signed ones.
        rows: how many inputs go through the network at once; bounds the memory.

    Returns:
        One number for each value of the inputs, in units of logit per unit of input; 0: a small change of this value
        alone does not move the logit.

    Raises:
        ValueError: a target that is no class or does not fit to the inputs, inputs that are not floats with one row
            per example, outputs that are not one logit for each class or are probabilities, a network through which no
            gradient comes back to the inputs.

    Source: Simonyan, Vedaldi and Zisserman (2014), arXiv:1312.6034, section 3.

    >>> model = nn.Linear(2, 2)
    >>> maps = gradient(model, torch.zeros(1, 2), target=1)
    >>> torch.equal(maps[0], model.weight[1])
    True
    """
    from captum.attr import Saliency  # noqa: PLC0415  # slow to import

    def attribute(logits: Logits, batch: Tensor, classes: Tensor, _: Tensor) -> Tensor:
        return Saliency(logits).attribute(batch.requires_grad_(), target=classes, abs=False)  # type: ignore[no-any-return]

    return _maps(model, inputs, target, attribute, by_gradient=True, absolute=absolute, rows=rows)


def integrated_gradients(
    model: nn.Module,
    inputs: Float[Tensor, "n *shape"],
    target: Target = None,
    *,
    baseline: float | Float[Tensor, "..."] = 0.0,
    steps: int = 50,
    absolute: bool = False,
    rows: int = 500,
) -> Float[Tensor, "n *shape"]:
    r"""The gradient's mean on the straight way from a baseline to the input, times that way: who contributed how much.

    .. math:: M_j = (x_j - b_j) \int_0^1 \frac{\partial z_t(b + \alpha (x - b))}{\partial x_j} \, d\alpha

    Args:
        model, inputs, target: as for :func:`gradient`; what is predicted is the class of the input itself.
        baseline: :math:`b`, an input without information: one number for all values, one input ``*shape``, or one
            for each input ``n *shape``. 0 is the black image that Sundararajan et al. advise for images, and a flat
            signal.
        steps: at how many points the gradient is taken (Gauss-Legendre quadrature). Sundararajan et al. find 20 to 300
            enough.
        absolute: absolute values, which no longer sum to anything.
        rows: how many points, of all inputs together, go through the network at once; bounds the memory.

    Returns:
        One number for each value of the inputs, in units of logit. Completeness: the signed numbers of an input sum to
        :math:`z_t(x) - z_t(b)`, up to the error of the quadrature. What is missing tells whether `steps` suffice.

    Raises:
        ValueError: as for :func:`gradient`; a baseline of another shape, less than one step.

    Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, arXiv:1703.01365, sections 3, 5.

    >>> model = nn.Linear(2, 2)
    >>> maps = integrated_gradients(model, torch.tensor([[3.0, 0.0]]), target=1)
    >>> torch.allclose(maps[0], model.weight[1] * torch.tensor([3.0, 0.0]))
    True
    """
    from captum.attr import IntegratedGradients  # noqa: PLC0415  # slow to import

    if steps < 1:
        raise InputError(f"`steps` must be 1 or more, but it is {steps}. Usual is 50.")

    def attribute(logits: Logits, batch: Tensor, classes: Tensor, start: Tensor) -> Tensor:
        # Captum cuts the steps so that at most `rows` points go at once; cutting the inputs instead would make it
        # compute the points of the quadrature, which is slow, over and over
        settings = {"n_steps": steps, "internal_batch_size": rows}
        return IntegratedGradients(logits).attribute(batch, start, classes, **settings)  # type: ignore[no-any-return]

    return _maps(model, inputs, target, attribute, baseline, by_gradient=True, absolute=absolute, rows=rows)


def occlusion(
    model: nn.Module,
    inputs: Float[Tensor, "n *shape"],
    target: Target = None,
    *,
    window: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    baseline: float | Float[Tensor, "..."] = 0.0,
    absolute: bool = False,
    rows: int = 500,
) -> Float[Tensor, "n *shape"]:
    r"""How far the class's logit falls when a window of the input is hidden, on average over the windows that hide it.

    .. math:: M_j = \frac{1}{|\{W \ni j\}|} \sum_{W \ni j} \big( z_t(x) - z_t(x \text{ with } b \text{ inside } W) \big)

    Args:
        model, inputs, target: as for :func:`gradient`; what is predicted is the class with nothing hidden.
        window: the size of :math:`W`. A number is its size along every axis but the channel axis (the first of two or
            more: ``c h w``, ``c length``), which is hidden whole; a sequence gives the size along every axis.
        stride: how far the window moves each time, in the same two ways. The last window is cut off at the edge.
        baseline: :math:`b`, what stands in the window instead: a number, an input ``*shape``, or one for each input
            ``n *shape``. Zeiler and Fergus hide with grey; on the black background of MNIST, 0 hides best.
        absolute: as for :func:`gradient`.
        rows: how many inputs, with and without window, go through the network at once; bounds the memory.

    Returns:
        One number for each value of the inputs, in units of logit. Positive: what stands there speaks for the class.

    Raises:
        ValueError: as for :func:`gradient`; a window or stride with another number of axes than the inputs, a window
            larger than the input, or a stride larger than the window, which would never hide some values.

    Source: Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, arXiv:1311.2901, section 4.2
    (there: the probability of the class; the average over windows is Captum's).

    >>> model = nn.Linear(2, 2)
    >>> maps = occlusion(model, torch.tensor([[3.0, 0.0]]), target=1, window=1)
    >>> torch.allclose(maps[0], model.weight[1] * torch.tensor([3.0, 0.0]), atol=1e-6)
    True
    """
    from captum.attr import Occlusion  # noqa: PLC0415  # slow to import

    sizes, moves = _window(window, stride, tuple(inputs.shape[1:]))

    def attribute(logits: Logits, batch: Tensor, classes: Tensor, cover: Tensor) -> Tensor:
        at_once = max(1, rows // len(batch))
        return Occlusion(logits).attribute(  # type: ignore[no-any-return]
            batch, sizes, moves, cover, classes, perturbations_per_eval=at_once
        )

    return _maps(model, inputs, target, attribute, baseline, by_gradient=False, absolute=absolute, rows=rows)


SALIENCY: dict[str, Callable[..., Tensor]] = {
    "gradient": gradient,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
}


def saliency(
    model: nn.Module,
    inputs: Num[Tensor, "n *shape"],
    target: Target = None,
    method: str = "gradient",
    **settings: Any,
) -> Float[Tensor, "n *shape"]:
    """The saliency maps of a method by its name in `SALIENCY`; see there what the numbers mean.

    Of documents (int64 ``n l``) they are those of `word_saliency`, one number for each word.

    Args:
        model, inputs, target: as for :func:`gradient`.
        method: ``gradient``, ``integrated-gradients`` or ``occlusion``.
        settings: of the method, e.g. ``absolute=True`` (all), ``steps=100`` or ``window=5``.

    Returns:
        One number for each value of the inputs.

    Raises:
        ValueError: a method that is not there, with the nearest name that is; else as the method itself.

    >>> saliency(nn.Linear(3, 2), torch.ones(5, 3), method="occlusion", window=1, absolute=True).shape
    torch.Size([5, 3])
    """
    if method not in SALIENCY:
        raise InputError(f"there is no saliency method {method!r}. {did_you_mean(method, SALIENCY)}")
    if inputs.dtype == torch.int64:
        return word_saliency(model, inputs, target, method, **settings)
    return SALIENCY[method](model, inputs, target, **settings)


def _maps(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    attribute: Callable[[Logits, Tensor, Tensor, Tensor], Tensor],
    baseline: float | Tensor = 0.0,
    *,
    by_gradient: bool,
    absolute: bool,
    rows: int,
) -> Tensor:
    """What Captum attributes to batches of inputs, which are new tensors without a past, with classes and baselines."""
    with _asked(model, inputs, rows) as logits:
        columns = inputs, _targets(logits, inputs, target, rows), _baselines(baseline, inputs)
        if by_gradient:
            _differentiable(model, logits, inputs)
        maps = [inputs.new_zeros((0, *inputs.shape[1:]))]
        for start in range(0, len(inputs), rows):
            batch, *others = (column[start : start + rows] for column in columns)
            maps.append(
                attribute(logits, batch.detach().clone(), *others).detach().to(inputs.dtype)
            )  # float32 at times
        return torch.cat(maps).abs() if absolute else torch.cat(maps)


@contextmanager
def _asked(model: nn.Module, inputs: Tensor, rows: int) -> Iterator[Callable[[Tensor], Tensor]]:
    """The network's logits as a function, while it is in evaluation mode and gradients can be taken."""
    if inputs.ndim < 2 or not inputs.is_floating_point():
        raise InputError(
            f"inputs are floats with one row per example, `n *shape`, "
            f"but these are {inputs.dtype} of shape {tuple(inputs.shape)}."
        )
    if rows < 1:
        raise InputError(f"`rows` must be 1 or more, but it is {rows}.")
    # cuDNN takes no gradients through recurrent layers in evaluation mode; PyTorch's own code does
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    with asked(model), torch.inference_mode(False), torch.enable_grad():
        model.eval()
        with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
            yield partial(ask, model)


def _differentiable(model: nn.Module, logits: Callable[[Tensor], Tensor], inputs: Tensor) -> None:
    """Raises ValueError where no gradients come back to the inputs, which Captum would not say in words."""
    one = inputs[:1].detach().clone().requires_grad_()
    output = logits(one)
    if len(one) and not (
        output.requires_grad and torch.autograd.grad(output.sum(), one, allow_unused=True)[0] is not None
    ):
        raise InputError(
            f"the logits of this {type(unwrapped(model)).__name__} have no gradient at its inputs: part of its "
            "`forward` is under `torch.no_grad`, detached, or no function that can be differentiated. Take the method "
            "'occlusion', which needs no gradient, or let the gradient through."
        )


def _targets(
    logits: Callable[[Tensor], Tensor], inputs: Float[Tensor, "n *shape"], target: int | Tensor | None, rows: int
) -> Int64[Tensor, " n"]:
    """One class for each input: the given one, once it is known to be there, or the predicted one."""
    with torch.no_grad():
        outputs = [logits(batch) for batch in inputs.split(rows)]
    if target is None:
        return torch.cat([output.argmax(1) for output in outputs])
    classes = outputs[0].shape[1]
    wanted = torch.as_tensor(target, device=outputs[0].device)
    if wanted.shape not in {(), (len(inputs),)}:
        raise InputError(
            f"`target` is one class for all inputs or one for each of {len(inputs)}, "
            f"but it has the shape {tuple(wanted.shape)}."
        )
    if wanted.dtype != torch.int64:
        raise InputError(f"`target` must be a class, an integer, but it is {wanted.dtype}.")
    if wanted.numel() and not 0 <= int(wanted.min()) <= int(wanted.max()) < classes:
        span = f"{int(wanted.min())}" if wanted.ndim == 0 else f"{int(wanted.min())} to {int(wanted.max())}"
        raise InputError(f"`target` is class {span}, but the network has the classes 0 to {classes - 1}.")
    return wanted.expand(len(inputs))


def _baselines(baseline: float | Tensor, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
    values = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).detach()
    if values.shape not in {(), inputs.shape[1:], inputs.shape}:
        raise InputError(
            f"`baseline` is a number, an input of shape {tuple(inputs.shape[1:])} or one for each of {len(inputs)} "
            f"inputs, but it has the shape {tuple(values.shape)}."
        )
    return values.expand_as(inputs)


def _window(
    window: int | Sequence[int], stride: int | Sequence[int], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Size and stride of the window along every axis of one input."""
    channels = shape[:1] if len(shape) > 1 else ()  # hidden whole, and so never moved along
    others = len(shape) - len(channels)
    sizes = (*channels, *[window] * others) if isinstance(window, int) else tuple(window)
    moves = (*[1] * len(channels), *[stride] * others) if isinstance(stride, int) else tuple(stride)
    for name, given in (("window", sizes), ("stride", moves)):
        if len(given) != len(shape):
            raise InputError(f"`{name}` has {len(given)} axes, but an input has {len(shape)}: {shape}.")
        if min(given) < 1:
            raise InputError(f"`{name}` must be 1 or more along every axis, but it is {given}.")
    for size, move, length in zip(sizes, moves, shape, strict=True):
        if size > length:
            raise InputError(f"the window {sizes} is larger than an input, {shape}.")
        if move > size and size < length:
            raise InputError(
                f"the stride {moves} is larger than the window {sizes}: some values would never be hidden. "
                "Make the window as large as the stride, or the stride smaller."
            )
    return sizes, moves
