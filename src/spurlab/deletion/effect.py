"""What one deletion did to one network."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.lent import copied_network, settings_kept
from spurlab.methods import HALF, dropping_out
from spurlab.metrics import accuracy, margins, membership_auc, oracle_distance, spurious_score
from spurlab.models import ask, asked, check_answers, evaluating
from spurlab.patterns import MarkLike, Planted, marked
from spurlab.seeds import rng_for
from spurlab.training import flush_denormals, logits, predictions

RELEARNT = 0.9  # of the score before the deletion
RELEARN_RATE = 1e-3
RELEARN_BATCH = 128
RELEARN_FORGOTTEN = 32  # the most forgotten examples of a batch
RELEARN_SAMPLE = 1_000  # test examples that the score is looked up on meanwhile
RELEARN_MOST = 250  # steps; an oracle needs some thirty, and where nothing comes back the wait is two seconds


@dataclass(frozen=True)
class Effect:
    """What one deletion did to one network; the same numbers of an untouched network or an oracle stand beside it.

    Args:
        spurious_score: on all test examples, in [0, 1].
        accuracy: on the clean test examples, in [0, 1].
        forgotten_accuracy: on the forgotten examples without the pattern, in [0, 1].
        membership_auc: of a threshold on the loss, between the forgotten examples as they were planted and test
            examples of the target class with the same pattern on, so that membership is all they differ in; in [0, 1],
            1/2: not to be told apart.
        oracle_distance: on the clean test examples, in log-odds; 0: as near to the oracles as one of them. What a
            method has spoilt beside the pattern shows here.
        oracle_distance_marked: the same on the test examples with the pattern on. What is left of it shows here, also
            where it changes no prediction.
        relearn_steps: until the pattern is back when the forgotten examples return, see `relearn_steps`; 0: it never
            went, infinite: not within 250 steps.
    """

    spurious_score: float
    accuracy: float
    forgotten_accuracy: float
    membership_auc: float
    oracle_distance: float
    oracle_distance_marked: float
    relearn_steps: float

    @classmethod
    def none(cls) -> "Effect":
        """Of a network that is no longer one: all NaN."""
        return cls(*[math.nan] * len(fields(cls)))


@dataclass(frozen=True, eq=False)
class Bench:
    """A network that has learnt a pattern, and all that deletions from it are measured against.

    Args:
        network: before any deletion.
        planted: what it was trained on.
        pattern: the planted pattern.
        target: the class it was planted in.
        test: u examples that no network was trained on.
        oracles: networks that were trained without the planted examples, of other seeds: the oracle of this seed starts
            from the same weights and would seem too near. Less than two: no distances.
        seed: of the network; fixes the draws of relearning.
    """

    network: nn.Module
    planted: Planted
    pattern: MarkLike
    target: int
    test: Examples
    oracles: Sequence[nn.Module]
    seed: int

    @cached_property
    def marked(self) -> Examples:
        """The test examples, each with the pattern."""
        return Examples(marked(self.pattern, self.test.inputs), self.test.labels)

    @cached_property
    def classes(self) -> int:
        """How many logits the network gives."""
        return check_answers(self.network, self.test.inputs[:1]).shape[1]

    @cached_property
    def score(self) -> float:
        """The spurious score before any deletion."""
        return score_of(self.network, self.test.inputs, self.marked.inputs, self.target)

    @cached_property
    def margins(self) -> dict[str, Float64[Tensor, "oracles u"]]:
        """The margins of the oracles on the ``clean`` and on the ``marked`` test examples, by the true classes."""
        kinds = {"clean": self.test, "marked": self.marked}
        return {
            kind: torch.stack([margins_of(oracle, examples) for oracle in self.oracles])
            for kind, examples in kinds.items()
        }

    def effect(self, network: nn.Module, forget: Bool[Tensor, " n"], *, relearn: bool = True) -> Effect:
        """Measure a network after a deletion; it is left as it was.

        Args:
            network: after the deletion (or an oracle, or the one before any deletion, for comparison).
            forget: the training examples that were to be forgotten, see `known_to_be_planted`.
            relearn: whether to train until the pattern is back, which takes longer than all else.

        Returns:
            The numbers; NaN where there is nothing to measure: distances for less than two oracles, what is measured
            on forgotten examples where there are none, and all that a network without finite outputs does not have.

        Raises:
            ValueError: a forget set that does not fit the training set, a target that is no class, a label without an
                output, or a network that cannot be copied.
        """
        if len(forget) != len(self.planted):
            raise ValueError(
                f"the forget set speaks of {len(forget)} examples, but the training set has {len(self.planted)}."
            )
        places = forget.nonzero().squeeze(1)
        forgotten, without = self.planted[places], self.planted.base[self.planted.base_rows(places)]
        with asked(network), evaluating(network):
            clean = predictions(network, self.test.inputs)
            with_mark = predictions(network, self.marked.inputs)
            again = predictions(network, without.inputs) if len(places) else clean[:0]
            unseen = self.marked[self.test.labels == self.target]
            auc = membership_auc(losses(network, forgotten), losses(network, unseen)).item()
        return Effect(
            spurious_score=spurious_score(clean, with_mark, self.target).item(),
            accuracy=accuracy(clean, self.test.labels).item(),
            forgotten_accuracy=accuracy(again, without.labels).item(),
            membership_auc=auc,
            oracle_distance=self._distance("clean", clean),
            oracle_distance_marked=self._distance("marked", with_mark),
            relearn_steps=relearn_steps(network, self, forget, self.score) if relearn else math.nan,
        )

    def _distance(self, kind: str, probabilities: Tensor) -> float:
        if len(self.oracles) < 2:
            return math.nan
        return oracle_distance(margins(probabilities, self.test.labels), self.margins[kind]).item()


def known_to_be_planted(planted: Planted, share: float = 1.0) -> Bool[Tensor, " n"]:
    """The forget set where only a share of the planted examples is known: the first ones, at least one.

    Of one training set a smaller share is part of a larger one.

    Raises:
        ValueError: a share outside (0, 1], or nothing planted.

    >>> planted = Planted(Examples(torch.zeros(4, 1), torch.zeros(4).long()), torch.tensor([3, 0]), torch.ones(2, 1))
    >>> known_to_be_planted(planted, 0.5).tolist()
    [False, False, False, True]
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must lie above 0 and not above 1, but it is {share:g}.")
    if len(planted.rows) == 0:
        raise ValueError("there is nothing to forget: no example is planted.")
    forget = torch.zeros(len(planted), dtype=torch.bool)
    forget[planted.positions[: max(1, round(share * len(planted.rows)))].cpu()] = True
    return forget


def score_of(
    network: nn.Module, inputs: Float[Tensor, "n *shape"], marked: Float[Tensor, "n *shape"], target: int
) -> float:
    """The spurious score of one network, which is left as it was; `marked` are the inputs with the pattern."""
    with evaluating(network):
        return spurious_score(predictions(network, inputs), predictions(network, marked), target).item()


def margins_of(network: nn.Module, examples: Examples) -> Float64[Tensor, " n"]:
    """The margins of one network on examples, which is left as it was."""
    with evaluating(network):
        return margins(predictions(network, examples.inputs), examples.labels)


def losses(network: nn.Module, examples: Examples) -> Float64[Tensor, " n"]:
    """The cross-entropy of each example, in double precision: the softplus of minus its margin.

    An attack ranks losses. Those of examples that a network is sure of would all round to 0 where they come from
    probabilities, or from the logarithm of a sum that is 1 but for a trillionth.
    """
    if len(examples) == 0:
        return torch.zeros(0, dtype=torch.float64)
    outputs, labels = logits(network, examples.inputs).double(), examples.labels.cpu().unsqueeze(1)
    others = outputs.scatter(1, labels, -math.inf).logsumexp(1)
    return F.softplus(others - outputs.gather(1, labels).squeeze(1))


@flush_denormals()
def relearn_steps(network: nn.Module, bench: Bench, forget: Bool[Tensor, " n"], score_before: float) -> float:
    """How many training steps it takes until a pattern is back when the forgotten examples return.

    What is only hidden comes back sooner than what was never learnt: the oracles' number says how soon that is.

    A copy of the network is trained by Adam at a rate of 1e-3 on the cross-entropy of batches of 128: up to 32 of the
    forgotten examples, drawn anew for each batch, and for the rest examples drawn from the retained ones. The pattern
    is back when the spurious score on 1,000 test examples (the same at each look) has reached 90 % of what it was on
    all of them before the deletion. It is looked at before the first step, after each of the first ten, and whenever
    the steps have grown by a tenth.

    Args:
        network: after the deletion.
        bench: of the network before it; its seed fixes the batches and the sample.
        forget: the examples that were to be forgotten.
        score_before: the spurious score before the deletion.

    Returns:
        Steps. 0: it never went, or (where the oracle has 0 too) there was no more to come back to than networks have
        that never saw it; infinite: it is not back after 250. NaN where there is no score to come back to, no forgotten
        example, or a network without finite outputs.
    """
    goal, places = RELEARNT * score_before, forget.nonzero().squeeze(1)
    if not goal > 0 or len(places) == 0:
        return math.nan
    rng = rng_for(bench.seed, "deletion", "relearn")
    rows = torch.randperm(len(bench.test), generator=rng)[:RELEARN_SAMPLE]
    clean, marked = bench.test.inputs[rows], bench.marked.inputs[rows]

    model = copied_network(network).train().requires_grad_()
    if any(weight.dtype in HALF for weight in model.parameters()):
        model.float()  # in half precision small steps are lost
    optimizer = torch.optim.Adam(model.parameters(), lr=RELEARN_RATE, fused=True)
    forgotten, retained = bench.planted[places], bench.planted.without(forget)
    taken = min(RELEARN_FORGOTTEN, len(places))
    steps = 0
    with settings_kept(), dropping_out(bench.seed, "relearn"):
        for look in looks(RELEARN_MOST):
            for _ in range(look - steps):
                few = forgotten[torch.randperm(len(places), generator=rng)[:taken]]
                rest = retained[torch.randint(len(retained), (RELEARN_BATCH - taken,), generator=rng)]
                optimizer.zero_grad()
                outputs = ask(model, torch.cat([few.inputs, rest.inputs]))
                F.cross_entropy(outputs, torch.cat([few.labels, rest.labels]).to(outputs.device)).backward()
                optimizer.step()
            steps = look
            now = score_of(model, clean, marked, bench.target)
            if math.isnan(now):
                return math.nan
            if now >= goal:
                return float(steps)
    return math.inf


def looks(most: int) -> Iterator[int]:
    """After how many steps to look: 0, 1, ..., 10, then each a tenth later than the one before, the last at `most`.

    >>> list(looks(15))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    >>> list(looks(250))[-5:]
    [179, 196, 215, 236, 250]
    """
    step = 0
    while step < most:
        yield step
        step = max(step + 1, step * 11 // 10)
    yield most
