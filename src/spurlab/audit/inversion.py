"""Inversion: for each class the smallest change that pulls most images to it, by gradients of the network's inputs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.centred import without
from spurlab.audit.detect.components import principal
from spurlab.data import Examples, room
from spurlab.errors import InputError
from spurlab.models import ask, asked
from spurlab.notebook import short
from spurlab.seeds import rng_for
from spurlab.training import flush_denormals

IMAGES = 32  # test images of other classes, of each class
NEXT_TO_NOTHING = -14.0  # the log of a norm of 1e-6: no change at all
SUCCESS = 0.9  # the share of them that must be classified as the class
MASK_STEPS, PATTERN_STEPS = 100, 60  # more lower the norms by a tenth, of all networks alike: see docs/audit.md
RATE = 0.1  # of Adam
PENALTY, FACTOR = 1e-3, 1.2  # of the mask's norm at first; by which it is raised or lowered in each step
WIDEN = 0.05  # by which the norm of a pattern is raised or lowered in the first step
PLAIN = 300  # components of the test examples that a pattern is free of, at most two fifths of all
AT_ONCE = 2**22  # numbers of images that go through the network together


@dataclass(frozen=True, eq=False)
class Hosts:
    """The images that are to be pulled, and what a pattern may be.

    Args:
        inputs: of n test examples, as they are: not a copy.
        rows: of each class, some that are of other classes.
        low, high: the range of the inputs.
        plain: orthonormal directions of which additive patterns are free.
    """

    inputs: Float[Tensor, "n *shape"]
    rows: Int64[Tensor, "k each"]
    low: float
    high: float
    plain: Float[Tensor, "d m"]

    __repr__ = short

    def of(self, label: int) -> Float[Tensor, "each *shape"]:
        """The images that are to be pulled to a class."""
        return self.inputs[self.rows[label]]


@dataclass(frozen=True, eq=False)
class Least:
    """The smallest change that pulls most images to each class.

    Args:
        norms: l1 of the masks or l2 of the patterns; infinite where no change was found that pulls enough images.
        patterns: of each class.
        masks: in [0, 1], how much of an input the pattern replaces, channels alike; empty for patterns that are added.
    """

    norms: Float[Tensor, " k"]
    patterns: Float[Tensor, "k *shape"]
    masks: Float[Tensor, "some *once"]

    __repr__ = short

    def of(self, label: int) -> tuple[Tensor, Tensor]:
        """Pattern and mask of a class, the mask empty where the pattern is added."""
        pattern = self.patterns[label]
        return pattern, self.masks[label].expand_as(pattern) if len(self.masks) else torch.empty(0)


def put_on(
    inputs: Float[Tensor, "n *shape"],
    pattern: Float[Tensor, " *shape"],
    mask: Float[Tensor, " *some"],
    low: float,
    high: float,
) -> Float[Tensor, "n *shape"]:
    """Inputs with a pattern in place of what the mask covers, or added and clipped where the mask is empty."""
    return inputs + mask * (pattern - inputs) if len(mask) else (inputs + pattern).clamp(low, high)


def hosts(train: Examples, test: Examples, classes: int, seed: int = 0) -> Hosts:
    """32 test images of other classes for each class, and the first 300 components of all test examples.

    The components are at most two fifths of the numbers of an input. Those of the training examples may hold the mark.

    Args:
        train: examples that the network was trained on: the range of the inputs.
        test: others.
        classes: k.
        seed: of the choice of images.

    Raises:
        ValueError: a class beside which there are no test examples.
    """
    order = torch.randperm(len(test), generator=rng_for(seed, "inversion"))
    rows = [order[test.labels[order] != label][:IMAGES] for label in range(classes)]
    fewest = min(map(len, rows))
    if not fewest:
        raise InputError("all test examples are of one class, but a search for marks pulls those of others to it.")
    low, high = (float(end) for end in train.inputs.aminmax())
    flat = test.inputs.flatten(1)
    plain = principal(flat, min(PLAIN, 2 * flat.shape[1] // 5))
    return Hosts(test.inputs, torch.stack([some[:fewest] for some in rows]), low, high, plain)


@flush_denormals()
def least_mask(network: nn.Module, given: Hosts, steps: int = MASK_STEPS) -> Least:
    r"""For each class the mask m of least l1 norm, :math:`x \mapsto (1 - m) x + m p`, and its pattern p.

    Adam on the cross-entropy to the class plus a penalty on the norm, which is raised by a fifth after each step in
    which 90 % of the images are classified as the class, and lowered otherwise; the smallest mask that did it counts.
    All classes at once. A mask is shared by the channels of an image.

    Args:
        network: gives logits.
        given: images.
        steps: of Adam.

    Source: Wang et al. (2019), Neural Cleanse, IEEE S&P, section IV. There batches are drawn anew, the share is 99 %
        and the penalty changes after five steps alike.
    """
    one = given.inputs.shape[1:]
    shared = (1, *one[1:]) if len(one) == 3 else one
    span = given.high - given.low

    def search(images: Float[Tensor, "k n *shape"], first: int) -> tuple[Tensor, Tensor, Tensor]:
        many = len(images)
        labels = torch.arange(first, first + many)
        raw = [torch.full((many, *shared), -1.0, requires_grad=True), torch.zeros(many, *one, requires_grad=True)]
        optimizer = torch.optim.Adam(raw, lr=RATE, betas=(0.5, 0.9))
        penalty, norms = torch.full((many,), PENALTY), torch.full((many,), torch.inf)
        masks, patterns = torch.zeros(many, *shared), torch.zeros(many, *one)
        for _ in range(steps):
            mask, pattern = raw[0].sigmoid(), given.low + span * raw[1].sigmoid()
            loss, share = _pulled(network, images + mask[:, None] * (pattern[:, None] - images), labels)
            norm = mask.flatten(1).sum(1)
            raw[0].grad, raw[1].grad = torch.autograd.grad((loss + penalty * norm).sum(), raw)
            hit = share >= SUCCESS
            better = hit & (norm.detach() < norms)
            norms[better] = norm.detach()[better]
            masks[better], patterns[better] = mask.detach()[better], pattern.detach()[better]
            penalty = torch.where(hit, penalty * FACTOR, penalty / FACTOR)
            optimizer.step()
        return norms, patterns, masks

    return _of_all(network, given, search)


@flush_denormals()
def least_pattern(network: nn.Module, given: Hosts, steps: int = PATTERN_STEPS) -> Least:
    r"""For each class the pattern :math:`\delta` of least l2 norm, :math:`x \mapsto \mathrm{clip}(x + \delta)`.

    It is free of the directions in which examples differ most, which every network goes by. Normalised gradient steps
    on a sphere, which shrinks while 90 % of the images are classified as the class and grows otherwise; the smallest
    norm that did it counts. All classes at once.

    Args:
        network: gives logits.
        given: images, and directions.
        steps: of the gradient.

    Source: Rony et al. (2019), Decoupling direction and norm, CVPR, algorithm 1, here of one pattern for all images.
    """
    one = given.inputs.shape[1:]
    most = (given.high - given.low) * math.sqrt(math.prod(one))

    def search(images: Float[Tensor, "k n *shape"], first: int) -> tuple[Tensor, Tensor, Tensor]:
        many = len(images)
        labels = torch.arange(first, first + many)
        norm, norms = torch.full((many, 1), 0.3 * most), torch.full((many,), torch.inf)
        delta, patterns = torch.zeros(many, math.prod(one)), torch.zeros(many, math.prod(one))
        for step in range(steps):
            delta = delta.requires_grad_()
            changed = (images + delta.view(many, 1, *one)).clamp(given.low, given.high)
            loss, share = _pulled(network, changed, labels)
            (gradient,) = torch.autograd.grad(loss.sum(), delta)
            delta, left = delta.detach(), 0.5 + 0.5 * math.cos(math.pi * step / steps)
            hit = share >= SUCCESS
            better = hit & (delta.norm(dim=1) < norms)
            norms[better], patterns[better] = delta.norm(dim=1)[better], delta[better]
            factor = 1 + WIDEN * max(left, 0.1)
            norm = torch.where(hit[:, None], norm / factor, norm * factor).clamp(max=most)
            down = functional.normalize(without(gradient, given.plain), dim=1)
            delta = delta - norm * max(RATE * left, 0.01) * down
            delta = norm * functional.normalize(delta, dim=1)
        return norms, patterns.view(many, *one), torch.empty(0, *one)

    return _of_all(network, given, search)


SEARCHES: dict[str, Callable[[nn.Module, Hosts], Least]] = {"least mask": least_mask, "least pattern": least_pattern}


def _pulled(network: nn.Module, images: Tensor, labels: Int64[Tensor, " k"]) -> tuple[Tensor, Tensor]:
    """For each class the mean cross-entropy of its images to it, and the share that is classified as it."""
    many, each = images.shape[:2]
    wanted = labels.repeat_interleave(each)
    logits = ask(network, images.flatten(0, 1)).cpu().float()
    if not logits.requires_grad:
        raise InputError(
            "the network gives no gradients of its inputs, which a search for unknown marks needs. Does it detach "
            "them? A quick audit (--quick) does without that search."
        )
    loss = functional.cross_entropy(logits, wanted, reduction="none").view(many, each).mean(1)
    return loss, (logits.argmax(1) == wanted).view(many, each).float().mean(1)


def _of_all(network: nn.Module, given: Hosts, search: Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]) -> Least:
    """The search of all classes, as many together as fit: only their images are gathered."""
    classes, each = given.rows.shape
    together = max(1, AT_ONCE // (each * given.inputs[0].numel()))
    norms, patterns, masks = torch.empty(classes), room(classes, *given.inputs.shape[1:]), list[Tensor]()
    with asked(network), torch.enable_grad():
        network.eval()
        for rows in torch.arange(classes).split(together):
            norms[rows], patterns[rows], some = search(given.inputs[given.rows[rows]], int(rows[0]))
            masks.append(some)
    return Least(norms, patterns, torch.cat(masks))


def inverted(network: nn.Module, given: Hosts) -> dict[str, Least]:
    """What each search of `SEARCHES` finds."""
    return {name: search(network, given) for name, search in SEARCHES.items()}


def log_norms(found: Mapping[str, Least]) -> Float64[Tensor, "s k"]:
    """Of each search and class."""
    return torch.stack([least.norms.double().log() for least in found.values()])


def standardised_norms(
    own: Float64[Tensor, "s k"], references: Float64[Tensor, "b s k"]
) -> Float64[Tensor, "one_and_b s k"]:
    """How far below the mean log norms lie, in standard deviations over the network and its references.

    Where no change was found, the largest norm of the class that was found in any network stands, plus a tenth. Both
    sides are treated alike, so that the network's largest number has any rank among those of the references with
    equal probability where it is one of them.

    Args:
        own: log norms of the network, of s searches and k classes.
        references: of b reference networks.

    Returns:
        Of the network first, then of each reference; the largest over classes is what a p-value ranks.
    """
    every = torch.cat([own[None], references])
    every = every.clamp(min=NEXT_TO_NOTHING)  # a class that needs no change at all
    largest = every.masked_fill(~every.isfinite(), -torch.inf).amax(0)
    every = torch.where(every.isfinite(), every, largest + 0.1).nan_to_num(neginf=0.0)
    return (every.mean(0) - every) / every.std(0).clamp(min=1e-9)
