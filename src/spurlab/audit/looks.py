"""Where does the network look: saliency on examples with a mark, and on those that are served worst."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.explain import integrated_gradients, share_on, word_saliency
from spurlab.patterns import MarkLike, Phrase, marked_all
from spurlab.seeds import rng_for

IMAGES = 100  # test examples over which shares are taken
SHOWN = 3
AT_ONCE = 2**24  # numbers of inputs of which gradients are taken together
LARGEST = 0.5  # share of an example; what a larger mark covers is no place to look at


@dataclass(frozen=True, eq=False)
class Look:
    """Where a network looks when examples have a mark, or when it is wrong.

    Args:
        about: the mark, or the class or group that is served worst.
        share: of the absolute saliency for the class that the mark pulls to, how much falls on the values that the mark
            changes; mean over test examples. NaN: it is about no mark, or `why` says why there is none.
        without: the same without the mark.
        chance: the share of the values that the mark changes, of documents of the words that are the mark's: what a
            network has that looks everywhere alike.
        inputs: some examples, marked if it is about a mark.
        maps: their saliency, signed, in units of logit.
        names: of these examples.
        why: why there is no share, or no saliency at all, as a sentence; else "".
    """

    about: str
    share: float
    without: float
    chance: float
    inputs: Num[Tensor, "n *shape"]
    maps: Num[Tensor, "n *shape"]
    names: tuple[str, ...]
    why: str = ""

    def __repr__(self) -> str:
        share = f"{self.share:.3f} of the saliency on it, {self.without:.3f} without it, chance {self.chance:.3f}; "
        return f"<Look at {self.about}: {'' if math.isnan(self.share) else share}{', '.join(self.names)}>"


def spread(of: int, count: int) -> Int64[Tensor, " some"]:
    """At most so many rows of n, evenly spread over all.

    >>> spread(10, 3).tolist(), spread(2, 3).tolist()
    ([0, 4, 9], [0, 1])
    """
    return torch.linspace(0, of - 1, min(of, count), dtype=torch.float64).long()


def attributed(
    network: nn.Module, inputs: Num[Tensor, "n *shape"], target: int | None, test: Examples
) -> tuple[Num[Tensor, "n *shape"], Num[Tensor, "n *shape"]]:
    r"""Integrated gradients from the lowest and from the highest value: a black mark has none from black.

    Of documents those of each word, from word vectors of zero.

    Args:
        network: gives logits.
        inputs: what it is asked about.
        target: the class; None: the one that it predicts for each.
        test: examples, which have the lowest and the highest value of the data.

    Returns:
        Their mean, signed, and the mean of their absolute values, in which a grey mark between both ends does not
        cancel out: of a linear network :math:`|w_j| (|x_j - a| + |x_j - b|) / 2`.

    Source: Sturmfels, Lundberg and Lee (2020), Visualizing the impact of feature attribution baselines, Distill (there
        the mean of the signed maps).
    """
    rows = max(1, min(500, AT_ONCE // inputs[:1].numel()))
    if test.words is not None:
        maps = word_saliency(network, inputs, target, "integrated-gradients")
        return maps, maps.abs()
    ends = (float(end) for end in test.inputs.aminmax())
    low, high = (integrated_gradients(network, inputs, target, baseline=end, rows=rows) for end in ends)
    return (low + high) / 2, (low.abs() + high.abs()) / 2


def look_at_mark(network: nn.Module, test: Examples, mark: MarkLike, name: str, target: int, seed: int = 0) -> Look:
    """Integrated gradients for the class that a mark pulls to, from two baselines, with the mark and without.

    Args:
        network: gives logits, and can be differentiated; else the finding says why there is none.
        test: examples that it was not trained on.
        mark, name: which one.
        target: the class.
        seed: of the choice of examples and of what the mark draws.

    Source: Sundararajan, Taly and Yan (2017), arXiv:1703.01365; Adebayo et al. (2022), arXiv:2212.04629: maps seldom
        show a mark that nobody knows of, so this shows one that is known.
    """
    rows = torch.randperm(len(test), generator=rng_for(seed, "looked at"))[:IMAGES].sort().values
    few = test[rows]
    marked = marked_all(mark, few, seed)
    changed = mark.places(marked) if isinstance(mark, Phrase) else marked != few.inputs
    first = spread(len(few), SHOWN)
    shown, names = marked[first], tuple(few.source(row) for row in first.tolist())
    there = changed if few.words is None else changed[marked != 0]  # of documents the words, without padding
    chance = float(there.float().mean())
    try:
        (maps, sizes), (_, before) = (attributed(network, each, target, test) for each in (marked, few.inputs))
    except InputError as error:
        why = f"No saliency: {error}"
        return Look(name, math.nan, math.nan, chance, shown, torch.zeros_like(shown), names, why)
    with_it, without = (float(share_on(of, changed).nanmean()) for of in (sizes, before))
    why = ""
    if chance > LARGEST:
        with_it = without = math.nan
        why = "The mark covers more than half of an example, so that there is no place to look at."
    elif math.isnan(with_it):
        why = (
            "From the lowest values to the example, and from the highest, nothing changes the logit of the class, so "
            "that no place can be told from its gradients."
        )
    return Look(name, with_it, without, chance, shown, maps[first], names, why)


def look_at_worst(network: nn.Module, test: Examples, about: str, rows: tuple[int, ...]) -> Look:
    """Integrated gradients for the predicted class, on examples that are classified wrongly.

    Args:
        network, test: as of `look_at_mark`.
        about: the class or group.
        rows: of the test examples.
    """
    few = test[torch.tensor(rows[:SHOWN], dtype=torch.int64)]
    names, why = tuple(test.source(row) for row in rows[:SHOWN]), ""
    try:
        maps, _ = attributed(network, few.inputs, None, test)
    except InputError as error:
        maps, why = torch.zeros_like(few.inputs), f"No saliency: {error}"
    return Look(about, math.nan, math.nan, math.nan, few.inputs, maps, names, why)
