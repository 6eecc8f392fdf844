"""Margins: what many networks say of many examples, from which all attacks are arithmetic."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics.accuracy import check_labels
from spurlab.notebook import short
from spurlab.privacy.halves import shadows_of
from spurlab.training import logits as logits_of


def margins_of(logits: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"]) -> Float64[Tensor, "*models n"]:
    r"""How far the logit of the label lies above all others together: the log-odds of its probability.

    .. math:: \varphi(x_i) = z_{y_i} - \log \sum_{c \ne y_i} e^{z_c} = \log \frac{p_{y_i}}{1 - p_{y_i}}

    In double precision, and without a probability on the way, which would round to 1 at a margin of 17 (float32) or 37.

    Args:
        logits: :math:`z`, of two classes or more.
        labels: the classes :math:`y_i`.

    Returns:
        One margin per model and example; infinite where a logit is.

    Raises:
        ValueError: a label for which there is no logit, or a single class.

    Source: Carlini et al. (2022), arXiv:2112.03570, section VI (the stable form, there in its code).

    >>> margins_of(torch.tensor([[3.0, 1.0], [0.0, 60.0]]), torch.tensor([0, 1])).tolist()
    [2.0, 60.0]
    """
    classes = logits.shape[-1]
    if classes < 2:
        raise InputError(f"a margin is over the other classes, but there is {classes}: give a logit for each class.")
    check_labels(labels, classes)
    outputs, where = logits.detach().double(), labels.expand(*logits.shape[:-2], -1).unsqueeze(-1)
    others = outputs.scatter(-1, where, -math.inf).logsumexp(-1)
    return outputs.gather(-1, where).squeeze(-1) - others


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack sees of the network that it attacks: answers, never who is in its training set.

    Args:
        phi: its margins on n examples.
        logits: its logits there; None: not kept.
        population: its margins on z examples of which it is known that it was not trained on them; None: there are
            none.
    """

    phi: Float64[Tensor, " n"]
    logits: Float[Tensor, "n k"] | None = None
    population: Float64[Tensor, " z"] | None = None

    __repr__ = short


@dataclass(frozen=True, eq=False)
class Moments:
    """Of each example's margins over some networks: NaN where there are none.

    Args:
        count: how many.
        mean: their mean.
        squares: the sum of their squared deviations from it.
    """

    count: Float64[Tensor, " n"]
    mean: Float64[Tensor, " n"]
    squares: Float64[Tensor, " n"]

    __repr__ = short


@dataclass(frozen=True, eq=False)
class Margins:
    """The margins of m networks on n examples, and who learnt from which. Checks itself once.

    Args:
        phi: the margins, see `margins_of`; finite.
        members: True where a network learnt from an example.
        pair: the complement of each network, see `spurlab.privacy.Halves`; -1: it has none here. None: none has one.
        labels: the classes of the examples.
        logits: for attacks that look at all classes; None: not kept.
        population: margins of the same networks on z further examples that none of them learnt from.
        features: d numbers of each example, such as principal components, for attacks that predict margins.
        population_features: those of the population.

    Raises:
        ValueError: margins that are not finite, or columns that do not fit together.

    >>> phi = torch.tensor([[5.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    >>> margins = Margins(phi, members=phi > 3)  # two networks, each of which learnt from one of two examples
    >>> margins.members.sum(1).tolist()
    [1, 1]
    """

    phi: Float64[Tensor, "m n"]
    members: Bool[Tensor, "m n"]
    pair: Int64[Tensor, " m"] | None = None
    labels: Int64[Tensor, " n"] | None = None
    logits: Float[Tensor, "m n k"] | None = None
    population: Float64[Tensor, "m z"] | None = None
    features: Float[Tensor, "n d"] | None = None
    population_features: Float[Tensor, "z d"] | None = None

    __repr__ = short

    def __post_init__(self) -> None:
        m, n = self.phi.shape
        found = {
            "members": (self.members.shape, (m, n)),
            "pair": (self.pair.shape if self.pair is not None else None, (m,)),
            "labels": (self.labels.shape if self.labels is not None else None, (n,)),
            "logits": (self.logits.shape[:2] if self.logits is not None else None, (m, n)),
            "population": (self.population.shape[:1] if self.population is not None else None, (m,)),
            "features": (self.features.shape[:1] if self.features is not None else None, (n,)),
        }
        for name, (shape, wanted) in found.items():
            if shape is not None and tuple(shape) != wanted:
                raise InputError(
                    f"`{name}` is of {tuple(shape)}, but the margins are of {m} networks and {n} examples. Give both "
                    "of the same, in the same order."
                )
        if self.population_features is not None and self.features is not None and self.population is not None:
            wanted = (self.population.shape[1], self.features.shape[1])
            if tuple(self.population_features.shape) != wanted:
                raise InputError(
                    f"`population_features` are of {tuple(self.population_features.shape)}, but the population and "
                    f"the features of the examples ask for {wanted}."
                )
        check_finite(self.phi, "the margins")
        if self.population is not None:
            check_finite(self.population, "the margins of the population")
        if self.pair is not None:
            _check_pairs(self.pair, self.members)

    @classmethod
    def of(
        cls,
        networks: Iterable[nn.Module],
        examples: Examples,
        members: Bool[Tensor, "m n"],
        *,
        pair: Int64[Tensor, " m"] | None = None,
        population: Examples | None = None,
        keep_logits: bool = False,
        rows: int | None = None,
    ) -> "Margins":
        """What these networks say, asked one after the other, in batches.

        Args:
            networks: m trained networks; of an ensemble ``map(ensemble.member, range(len(ensemble)))``.
            examples: n examples.
            members: as above; so are `pair` and `population`, here the examples themselves.
            keep_logits: whether an attack will look at all classes; they take k times the memory.
            rows: how many examples go through a network at once; None: as many as suit it.

        Raises:
            ValueError: as above, or as `spurlab.training.logits` and `margins_of`.
        """
        phi, kept, outside = [], [], []
        for network in networks:
            answers = logits_of(network, examples.inputs, rows)
            phi.append(margins_of(answers, examples.labels))
            kept += [answers] * keep_logits
            if population is not None:
                outside.append(margins_of(logits_of(network, population.inputs, rows), population.labels))
        if not phi:
            raise InputError("margins are of one network or more, but there is none.")
        return cls(
            *(torch.stack(phi), members, pair, examples.labels),
            logits=torch.stack(kept) if kept else None,
            population=torch.stack(outside) if outside else None,
        )

    def __len__(self) -> int:
        return len(self.phi)

    def __getitem__(self, networks: Int64[Tensor, " s"]) -> "Margins":
        """Those of some networks. A complement that is not among them is none."""
        pair = None
        if self.pair is not None:
            place = torch.full((len(self) + 1,), -1)  # the last is that of no complement
            place[networks] = torch.arange(len(networks))
            pair = place[self.pair[networks]]
        chosen = object.__new__(Margins)  # it was checked as part of this
        for name, value in vars(self).items():
            if name in ("phi", "members", "logits", "population"):
                vars(chosen)[name] = None if value is None else value[networks]
            elif name in ("labels", "features", "population_features"):
                vars(chosen)[name] = value
        vars(chosen)["pair"] = pair
        return chosen

    def attack(self, target: int) -> tuple[Attacked, "Margins"]:
        """What an attack on one network is given: its answers, and the shadow networks.

        These are all but the network and its complement, those that follow it first.

        Raises:
            ValueError: there is no such network, or there are no shadows.
        """
        shadows = shadows_of(target, len(self), self.pair)
        if not len(shadows):
            raise InputError(
                f"of {len(self)} networks none is left as a shadow when one and its complement are left out. Train "
                "four or more."
            )
        logits = None if self.logits is None else self.logits[target]
        population = None if self.population is None else self.population[target]
        return Attacked(self.phi[target], logits, population), self[shadows]

    @cached_property
    def inside(self) -> Moments:
        """Of each example over the networks that learnt from it."""
        return _moments(self.phi, self.members.double())

    @cached_property
    def outside(self) -> Moments:
        """Of each example over the networks that did not."""
        return _moments(self.phi, (~self.members).double())

    @cached_property
    def probabilities(self) -> tuple[Float64[Tensor, "m n"], Float64[Tensor, "m n"]]:
        """Of the label, and of all other classes together, which need not be 0 where the first rounds to 1."""
        return self.phi.sigmoid(), (-self.phi).sigmoid()

    def need(self, attack: str, inside: int = 0, outside: int = 0) -> None:
        """Refuse to be the shadows of an attack that needs more networks with and without each example.

        Args:
            attack: its name, for the sentence.
            inside: how many must have learnt from each example.
            outside: how many must not.

        Raises:
            ValueError: there are fewer.
        """
        with_it = self.members.sum(0)
        for least, counts, word in ((inside, with_it, "with"), (outside, len(self) - with_it, "without")):
            if counts.numel() and int(counts.min()) < least:
                example, count = int(counts.argmin()), int(counts.min())
                raise InputError(
                    f"{attack} needs {least} shadow network{'s' * (least > 1)} {word} each example, but of "
                    f"{len(self)} shadows {count or 'none'} {'is' if count < 2 else 'are'} {word} example {example}. "
                    "Train more networks on halves, or leave the example out."
                )


def check_finite(phi: Float64[Tensor, "m n"], what: str) -> None:
    """Refuse margins that are not finite.

    Raises:
        ValueError: there is one; the sentence says where.
    """
    bad = ~phi.isfinite()
    if not bool(bad.any()):
        return
    network, example = (int(place) for place in bad.nonzero()[0])
    if bool(phi.isnan().any()):
        network = int(phi.isnan().any(1).nonzero()[0])
        raise InputError(f"{what} of network {network} are NaN: it has diverged. Leave it and its complement out.")
    raise InputError(
        f"{int(bad.sum()):,} of {what} are infinite, the first that of network {network} on example {example}: a "
        "probability of exactly 1 or 0 has no finite margin. Take margins of logits (`margins_of`), or cut them to "
        "what can be told apart, e.g. `phi.clamp(-17, 17)` where probabilities were float32."
    )


def _check_pairs(pair: Int64[Tensor, " m"], members: Bool[Tensor, "m n"]) -> None:
    has = (pair >= 0).nonzero().flatten()
    if bool((pair >= len(pair)).any()) or not bool((pair[pair[has]] == has).all()):
        raise InputError("`pair` must name the complement of each network, and the network as that one's; -1: none.")
    if wrong := [int(i) for i in has if not bool((members[i] ^ members[pair[i]]).all())]:
        raise InputError(
            f"networks {wrong[0]} and {int(pair[wrong[0]])} are no complements: an example is in both or in neither. "
            "Examples that no network learnt from are the `population`."
        )


def _moments(phi: Float64[Tensor, "m n"], weight: Float64[Tensor, "m n"]) -> Moments:
    count = weight.sum(0)
    mean = (phi * weight).sum(0) / count
    return Moments(count, mean, ((phi - mean).square_().mul_(weight)).sum(0))
