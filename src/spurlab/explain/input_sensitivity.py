r"""How much of its input a network needs: the probability of the true class while more and more pixels are set to zero.

What counts as a pixel: a position of an input ``c h w`` or ``c length``, over all its channels, and a single value of
an input without a channel axis (``length``). A pixel is non-zero if any of its channels differs from exactly 0, so
inputs belong here as they are in the dataset, before any normalisation. Setting it to zero sets all its channels.

How many are set to zero: of :math:`N` non-zero pixels the share :math:`s` is :math:`\lfloor sN + 1/2 \rfloor`, the
nearest whole number, a half counting up. Every image has its own random order of its own non-zero pixels, drawn once,
and every share takes the first of that order: what a smaller share has removed, a larger one has too.

Otherwise in the public code: its `occlude_X` draws every non-zero (pixel, channel) by a coin and then sets the whole
pixel to zero. The number that goes is binomial there, and of the pixels of a colour image a share :math:`s` removes
about :math:`1 - (1 - s)^3`, at one half seven of eight: its curves for CIFAR-10 cannot match ours.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics.accuracy import check_labels
from spurlab.models import ask, asked
from spurlab.seeds import rng_for

SHARES = tuple(percent / 100 for percent in range(0, 101, 2))


def input_sensitivity(
    predict: nn.Module | Callable[[Tensor], Tensor],
    images: Float[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    seed: int,
    shares: Sequence[float] = SHARES,
    rows: int = 1_000,
) -> Float64[Tensor, "*m shares"]:
    r"""Mean probability of the true class when a share of each image's non-zero pixels is set to zero.

    .. math:: P(s) = \frac{1}{n} \sum_{i=1}^{n} f_{y_i}(x_i \text{ without the share } s \text{ of its pixels})

    Args:
        predict: what gives class probabilities, ``n k`` for one model or ``m n k`` for several, each image by itself:
            `Ensemble.predict`, or any function. A `nn.Module` gives logits and is asked in evaluation mode.
        images: the images :math:`x_i`; the paper takes 500 training examples, see :func:`sensitivity_examples`.
        labels: their classes :math:`y_i`.
        seed: fixes which pixels go first; the same for all models that are asked at once.
        shares: the shares :math:`s`, each in [0, 1]; the paper's are 0, 2, ..., 100 %. A share's number does not depend
            on the other shares.
        rows: how many masked images are given to `predict` at once; bounds the memory.

    Returns:
        One probability in [0, 1] for each model and share, on the CPU. A curve that stays high means that the network
        is insensitive: it needs few of its pixels. At share 1 all images are black. NaN when there are no images, and
        at a share where one of the model's probabilities is NaN (it has diverged).

    Raises:
        ValueError: a share outside [0, 1], labels that do not fit to the images or the classes, answers of another
            shape than ``n k`` or ``m n k``, or that are no probabilities; a network whose outputs are probabilities
            already, or not one logit for each class (give a function instead).

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.3.2 and Figure 4.

    >>> def brightness(images):  # of class 1
    ...     p = images.mean((1, 2, 3))
    ...     return torch.stack([1 - p, p], dim=-1)
    >>> images, labels = torch.ones(3, 1, 2, 2), torch.ones(3, dtype=torch.int64)
    >>> input_sensitivity(brightness, images, labels, seed=0, shares=(0.0, 0.25, 1.0)).tolist()
    [1.0, 0.75, 0.0]
    """
    n = len(images)
    if len(labels) != n:
        raise InputError(f"every image needs its label, but there are {n} images and {len(labels)} labels.")
    if bad := [share for share in shares if not 0 <= share <= 1]:
        raise InputError(f"`shares` lie in [0, 1], but these do not: {bad}. Divide percentages by 100.")
    if rows < 1:
        raise InputError(f"`rows` must be 1 or more, but it is {rows}.")
    ranks = removal_ranks(images, seed)
    fractions = torch.tensor(shares, dtype=torch.float64, device=images.device)
    answers = partial(_probabilities, predict) if isinstance(predict, nn.Module) else predict
    of_true_class = []
    # all masked images in one line, share after share, cut into batches: few images with many shares fill them too
    for part in torch.arange(len(shares) * n, device=images.device).split(rows):
        share, image = part.div(n, rounding_mode="floor"), part % n
        masked = zeroed(images[image], fractions[share], ranks[image])
        of_true_class.append(_of_true_class(answers(masked), labels[image]))
    curves: Tensor = torch.cat(of_true_class, dim=-1).unflatten(-1, (len(shares), n)).mean(-1)
    return curves


def zeroed(
    images: Float[Tensor, "n *shape"], share: float | Float64[Tensor, " n"], ranks: Int64[Tensor, "n d"]
) -> Float[Tensor, "n *shape"]:
    """The images with a share of their non-zero pixels set to zero, as new tensors.

    Args:
        images: any numbers; see the head of this file for what a pixel is.
        share: in [0, 1]; one for all images, or one for each. 0: as they were. 1: all zero.
        ranks: of the d pixels of each image, from :func:`removal_ranks` of the same images: the lowest go first.

    Raises:
        ValueError: a share outside [0, 1], or ranks of other images.

    >>> zeroed(torch.tensor([[5.0, 0.0, 7.0, 9.0]]), 0.5, torch.tensor([[2, 3, 0, 1]])).tolist()
    [[5.0, 0.0, 0.0, 0.0]]
    """
    pixels = _pixels(images)
    if ranks.shape != (len(images), pixels.shape[-1]):
        raise InputError(
            f"`ranks` have the shape {tuple(ranks.shape)}, but these are {len(images)} images of {pixels.shape[-1]} "
            "pixels. Take `removal_ranks(images, seed)` of the same images."
        )
    shares = torch.as_tensor(share, dtype=torch.float64, device=images.device).expand(len(images))
    if not bool(((shares >= 0) & (shares <= 1)).all()):
        raise InputError(f"`share` lies in [0, 1], but it spans [{shares.min():g}, {shares.max():g}].")
    # 0.58 of 25 is 14.5 and becomes 15, although the binary number nearest to 0.58 is a little below it
    removed = (shares * _lit(pixels).count_nonzero(1) + (0.5 + 1e-9)).floor().long()
    return torch.where((ranks < removed[:, None])[:, None], 0.0, pixels).reshape(images.shape)


def removal_ranks(images: Float[Tensor, "n *shape"], seed: int) -> Int64[Tensor, "n d"]:
    """When each pixel's turn to be set to zero comes: 0, 1, ... for the non-zero ones at random, then the others.

    The ranks of an image depend on the seed, its place among the images and its own pixels: the first 100 of 500
    images have the same ranks without the other 400.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.3.2 (the order is random; that it is one order for all
    shares is ours: it takes chance out of the comparison of two shares).

    >>> removal_ranks(torch.tensor([[0.0, 0.3, 0.0]]), seed=0)[0, 1].item()
    0
    """
    lit = _lit(_pixels(images))
    # float64: among 2 ** 53 numbers two of an image are hardly ever the same, among the 2 ** 24 of float32 they are
    keys = torch.rand(lit.shape, generator=rng_for(seed, "sensitivity", "pixels"), dtype=torch.float64)
    keys = keys.to(images.device).masked_fill(~lit, 2.0)
    return keys.argsort(dim=1, stable=True).argsort(dim=1)


def sensitivity_examples(data: Examples, seed: int, count: int = 500) -> Examples:
    """Randomly chosen examples to measure the sensitivity on; those of a smaller count are the first of a larger one.

    Args:
        data: the paper takes the clean training examples.
        seed: fixes the choice.
        count: how many; the paper's 500.

    Raises:
        ValueError: fewer examples than asked for.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.3.2.

    >>> from spurlab import load
    >>> data = load("fashion-mini")
    >>> few, more = (sensitivity_examples(data.train, seed=0, count=count) for count in (3, 5))
    >>> len(few), few.labels.tolist() == more.labels.tolist()[:3]
    (3, True)
    """
    if not 0 < count <= len(data):
        raise InputError(f"cannot choose {count} of {len(data)} examples: `count` must be from 1 to {len(data)}.")
    order = torch.randperm(len(data), generator=rng_for(seed, "sensitivity", "examples"))
    return data[order[:count].to(data.labels.device)]


def _probabilities(model: nn.Module, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
    """Of a network that gives logits, which is left as it was."""
    with asked(model), torch.no_grad():
        return ask(model.eval(), inputs).softmax(-1).to(inputs.device)


def _pixels(images: Float[Tensor, "n *shape"]) -> Float[Tensor, "n c d"]:
    """Channels and positions. One axis is one channel: values at positions."""
    if images.ndim < 2:
        raise InputError(f"images have one row each, `n *shape`, but these have the shape {tuple(images.shape)}.")
    return (images.unsqueeze(1) if images.ndim == 2 else images).flatten(2)


def _lit(pixels: Float[Tensor, "n c d"]) -> Bool[Tensor, "n d"]:
    return pixels[:, 0] != 0 if pixels.shape[1] == 1 else (pixels != 0).any(1)


def _of_true_class(probabilities: Tensor, labels: Int64[Tensor, " n"]) -> Float64[Tensor, "*m n"]:
    if probabilities.ndim < 2 or probabilities.shape[-2] != len(labels):
        raise InputError(
            f"`predict` must answer {len(labels)} images with probabilities `n k` or `m n k`, "
            f"but its answer has the shape {tuple(probabilities.shape)}."
        )
    check_labels(labels, probabilities.shape[-1])
    resolution = torch.finfo(probabilities.dtype).eps
    if bool(((probabilities < 0) | (probabilities > 1 + resolution)).any()):
        raise InputError(
            f"the sensitivity needs probabilities, but these numbers span [{probabilities.min():g}, "
            f"{probabilities.max():g}]. Logits must go through a softmax first."
        )
    index = labels.to(probabilities.device).expand(probabilities.shape[:-1]).unsqueeze(-1)
    of_true_class = probabilities.detach().gather(-1, index).squeeze(-1).double()
    return of_true_class.masked_fill(probabilities.isnan().any(-1), math.nan).cpu()
