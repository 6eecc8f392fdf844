"""Which training examples are exposed: to which the network answers otherwise than networks that never saw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from spurlab.audit.presence import carriers
from spurlab.audit.suspects import Suspect, listed
from spurlab.data import Dataset
from spurlab.errors import InputError
from spurlab.notebook import short
from spurlab.privacy import ATTACKS, Area, Attacked, Margins, Operating, attack_named, auc, halves, margins_of, tpr_at
from spurlab.privacy.roc import FALSE_POSITIVES
from spurlab.stats import Share
from spurlab.training import logits

SHADOWS, QUICK_SHADOWS = 32, 16  # even: halves and their complements
METHOD = "lira-offline-fixed"  # networks that never saw an example alone judge it: none saw a test example
RATE = 0.01  # of false positives
LEAST = 100  # test examples


@dataclass(frozen=True, eq=False)
class Exposure:
    """How well training examples are told from test examples by the answers of the network.

    Args:
        shadows: how many networks were trained on halves of the training examples.
        rate: the share of test examples that may be called members, at which `told` is.
        area: under the ROC.
        told: the training examples that score above all but so many of the test examples.
        scores: of each training example.
        examples: those with the highest scores.
        marked: of each mark that training examples carry, how many of these are told.
        method: the attack, by its name in `spurlab.privacy.ATTACKS`.
    """

    shadows: int
    rate: float
    area: Area
    told: Operating
    scores: Float64[Tensor, " n"]
    examples: tuple[Suspect, ...]
    marked: Mapping[str, Share]
    method: str = METHOD

    __repr__ = short

    @property
    def title(self) -> str:
        """What people call the attack."""
        return ATTACKS.title_of(self.method)

    def record(self) -> dict[str, Any]:
        """As JSON: of ``examples`` the score is minus the log-probability of so high a margin without the example."""
        return {
            "method": self.method,
            "shadows": self.shadows,
            "auc": self.area.value,
            "auc_interval": [self.area.low, self.area.high],
            "false_positive_rate": self.told.fpr.value,
            "true_positive_rate": self.told.tpr.value,
            "true_positive_interval": [self.told.tpr.low, self.told.tpr.high],
            "told": self.told.tpr.count,
            "marks": {
                name: {"told": share.count, "of": share.models, "interval": [share.low, share.high]}
                for name, share in self.marked.items()
            },
            "examples": [vars(one) for one in self.examples],
        }


def check_exposure(data: Dataset, asked: bool, trained: bool) -> None:
    """Whether exposure can be judged, before anything is trained.

    Args:
        data: the audited data.
        asked: whether it is wanted at all.
        trained: whether a recipe is given, by which shadow networks are trained.

    Raises:
        ValueError: it is wanted, but there is no recipe, or fewer than 100 test examples.
    """
    if not asked:
        return
    if not trained:
        raise InputError(
            "exposure is judged by shadow networks, which are trained as the network was: say how "
            "(--recipe quick,epochs=20; in Python recipe=)."
        )
    if len(data.test) < LEAST:
        raise InputError(
            f"exposure compares training examples with test examples, but {data.name} has {len(data.test)} of these: "
            f"{LEAST} or more are needed."
        )


def shadow_members(data: Dataset, quick: bool, seed: int) -> Bool[Tensor, "m n"]:
    """True where one of m shadow networks learns from a training example: each example is in half of them.

    Args:
        data: its training examples are drawn from.
        quick: whether fewer will do.
        seed: of the draw.
    """
    return halves(len(data.train), QUICK_SHADOWS if quick else SHADOWS, seed).members


def exposure_of(
    network: nn.Module,
    shadows: Sequence[nn.Module],
    members: Bool[Tensor, "m n"],
    data: Dataset,
    likeness: Mapping[str, Float[Tensor, " n"]],
    seed: int = 0,
) -> Exposure:
    """Attack each training example, beside all test examples, which no network has seen.

    A training example is judged by the half of the shadows that never saw it, and a test example by a half that is
    drawn, so that both are judged by as many. Shadows learn from half as many examples as the network, which lowers
    their margins on others alike: test examples tell how much. These must be drawn as the training examples were: with
    others, taken later or otherwise, all training examples would look exposed. Of examples that carry a mark of which
    the network has learnt, the mark alone may be seen: no marked example that it never saw is among the test examples.

    Args:
        network: gives logits.
        shadows: m networks like it.
        members: see `shadow_members`.
        data: its training examples, and test examples.
        likeness: of each mark, the probability that a training example carries it.
        seed: of the draw.

    Raises:
        ValueError: a network that gives a probability of exactly 0 or 1, whose log-odds are infinite.

    Source: Carlini et al. (2022), arXiv:2112.03570, section IV-C (the offline attack), here with test examples as
        those that are known not to be members.
    """
    count, n = len(shadows), len(data.train)
    carried = {name: carriers(have) for name, have in likeness.items()}
    aside = halves(len(data.test), count, seed + 1).members
    phi = torch.stack([_margins(one, data) for one in shadows])
    attacked = Attacked(_finite(_margins(network, data)))
    scores = attack_named(METHOD)(attacked, Margins(_finite(phi), torch.cat([members, aside], 1)))
    learnt = torch.arange(len(scores)) < n
    rate = max(RATE, FALSE_POSITIVES / len(data.test))
    told = tpr_at(scores, learnt, rate)
    above = scores[:n] > told.threshold
    return Exposure(
        count,
        rate,
        auc(scores, learnt),
        told,
        scores[:n],
        _listed(scores[:n], data, carried),
        {name: Share(int(above[have].sum()), int(have.sum())) for name, have in carried.items() if bool(have.any())},
    )


def _margins(network: nn.Module, data: Dataset) -> Float64[Tensor, " n"]:
    """Of training and test examples."""
    return torch.cat([margins_of(logits(network, part.inputs), part.labels) for part in (data.train, data.test)])


def _finite(phi: Float64[Tensor, "*m n"]) -> Float64[Tensor, "*m n"]:
    if not bool(phi.isfinite().all()):
        raise InputError(
            "exposure is judged by log-odds, but the network, or a shadow of it, gives some examples a probability of "
            "exactly 0 or 1. Give a network that ends in logits."
        )
    return phi


def _listed(
    scores: Float64[Tensor, " n"], data: Dataset, carried: Mapping[str, Bool[Tensor, " n"]]
) -> tuple[Suspect, ...]:
    return tuple(
        replace(
            one,
            mark=", ".join(name for name, have in carried.items() if have[one.row]),
            carries=any(bool(have[one.row]) for have in carried.values()) if carried else None,
        )
        for one in listed(scores, data, "exposure")
    )
