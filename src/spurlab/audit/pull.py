"""Does a given network go by a mark? Its score to each class, among those of marks like it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics import pulled
from spurlab.patterns import ByValue, Mark, MarkLike, marked_rows, pattern_title
from spurlab.seeds import rng_for, seed_for
from spurlab.stats import SCORE_MARGIN, Share, null_rank
from spurlab.training import predictions

DRAWS = 999  # marks like it, at most
FIRST = 99  # after which no more are drawn if p is above `DOUBT`: nothing would be shown
DOUBT = 0.2
CANDIDATES = 3  # drawn for each that is wanted
ALIKE = (0.005, 0.01, 0.02, 0.05)  # differences in what they change, as shares: the first that enough are within
ENOUGH = 39  # marks like it
AT_ONCE = 2**24  # numbers of marked examples that go through the network together, but for one mark
CARRIED = 0.05  # of the mean change: an example that is changed less carries the mark, but for rounding
FEWEST = 19  # marks like it, with which p can be .05
IMAGES = 500  # test examples
LOOKED_AT, FEWEST_LOOKED_AT = 200, 50  # of them, by which marks like it are told; fewer of large inputs
TOGETHER = 2**23  # numbers that are looked at together, of them
LEAST_SPREAD = SCORE_MARGIN  # of the scores of a class: where all are alike, what does not matter is no wonder
LEVEL = 0.05  # of the test
NEARLY_ALL = 0.99  # of the marks like it


Against = Literal["marks like it", "reference networks"]


@dataclass(frozen=True, eq=False)
class Pull:
    """How a mark pulls a network's predictions, and how marks like it do.

    Args:
        mark: its name.
        target: the class that it pulls to most, compared with the others where p is .05 at most.
        scores: to each class, the share of examples whose probability of it rises by more than .1.
        share: k of n examples that are pulled to the target. The interval is over examples: the network is given.
        nulls: the scores to the target that it is compared with; empty where there are none.
        apart: True for those of marks like it that change nothing which it changes; all True where fewer than 19 are so
            (noise changes all), and of reference networks.
        p: of the largest standardised score over all classes; NaN where there are fewer than 19 to compare with. In an
            audit it holds for all that is asked together, see `spurlab.audit.together`.
        available: how many it could be compared with: more than it was where the draws ended early.
        against: whose scores these are: of marks like it, or of reference networks for the same mark.
        standardised: the largest over classes, of the mark first and then of each that it is compared with.
        p_alone: had nothing else been asked.
        needed: how many it must be compared with, for p to be .05.
    """

    mark: str
    target: int
    scores: Float64[Tensor, " k"]
    share: Share
    nulls: Float64[Tensor, " draws"]
    apart: Bool[Tensor, " draws"]
    p: float
    available: int
    against: Against = "marks like it"
    standardised: Float64[Tensor, " one_and_draws"] = field(default_factory=lambda: torch.zeros(0).double())
    p_alone: float = math.nan
    needed: int = FEWEST

    @property
    def score(self) -> float:
        """To the target."""
        return float(self.scores[self.target])

    @property
    def draws(self) -> int:
        """How many it is compared with."""
        return len(self.nulls)

    @property
    def stopped(self) -> bool:
        """Whether the draws ended early, since p was above .2."""
        return self.draws < self.available

    @property
    def elsewhere(self) -> Float64[Tensor, " some"]:
        """The scores of those that are apart from it."""
        return self.nulls[self.apart]

    @property
    def strongest_null(self) -> float:
        """The largest score of those that are apart from it; 0 of none."""
        return float(self.elsewhere.max()) if len(self.elsewhere) else 0.0

    @property
    def verdict(self) -> str:
        """What follows at 5 %. To go by it, the score must also lie beyond nearly all others by what matters.

        For marks like it are never quite exchangeable with it: a corner is a corner. These others are those apart from
        it: what it pulls, one that covers half of it pulls in part.
        """
        if math.isnan(self.p):
            return "not tested"
        if self.p > LEVEL:
            return f"not shown to exceed {self.against}"
        beyond = self.score - float(self.elsewhere.quantile(NEARLY_ALL))
        return "goes by it" if beyond > SCORE_MARGIN else f"hardly more than {self.against}"

    def __repr__(self) -> str:
        interval = f"{self.score:.3f} [{self.share.low:.3f}, {self.share.high:.3f}]"
        beside = f"p = {self.p:.3g} beside {self.draws} {self.against}"
        return f"<Pull of {self.mark}: {interval} to class {self.target}, {beside}, {self.verdict}>"


def pull(
    network: nn.Module,
    test: Examples,
    mark: MarkLike,
    *,
    draws: int = DRAWS,
    images: int = IMAGES,
    seed: int = 0,
    name: str = "",
    others: Sequence[nn.Module] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Pull:
    r"""Whether a network goes by a mark more than by marks like it.

    Marks like it are of the same family, drawn at any place or otherwise (:meth:`spurlab.patterns.Mark.redraw`), all
    different, and change the examples alike: in the mean and in the spread over examples by as much, to within .5 %. If
    fewer than wanted do, to within 1, 2 or 5 %; if still fewer, to within the first of these that 39 do; else to within
    2 %. For no box over the edge of a shirt is like one over a corner that is always dark: weights that training never
    touched answer otherwise. With fewer than 19 alike nothing is tested.

    Where 19 reference networks and more are given, their scores for the same mark take the place of these: a
    convolutional network that has learnt a mark goes by it elsewhere too, and marks like it cannot tell that.

    Scores to class c are standardised over the mark's and all that it is compared with,
    :math:`z_c = (S_c - m_c) / \max(s_c, .05)`, and the largest over all classes is ranked: one p-value for any number
    of classes, exact where they are exchangeable. So marks that overlap it are among those like it: they overlap one
    another, too, and a network that looks at one place would else be said to go by marks there too often.

    Args:
        network: gives logits, see `spurlab.models.answering`.
        test: examples that it was not trained on.
        mark: any; one without `redraw` has no null marks.
        draws: of null marks at most. After 99 no more are drawn if p is above .2.
        images: of the test examples, at most; drawn under the seed. Those that carry the mark are left out.
        seed: of draws.
        name: of the mark; its own title, if it is "".
        others: reference networks, which never saw the mark, see `spurlab.audit.references`.
        progress: is told how many marks of how many have been asked about.

    Raises:
        ValueError: the mark does not fit, or changes no example.

    Sources: Yang et al. (2022), arXiv:2202.05189, equation 1 (the score); Phipson and Smyth (2010), Stat. Appl. Genet.
        Mol. Biol. 9, 39 (p is never 0).

    >>> from spurlab import load, make_pattern
    >>> data = load("fashion-mini")
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    >>> for weights in network.parameters():
    ...     _ = weights.data.zero_()
    >>> noise = make_pattern("R3", data.shape, seed=0)
    >>> this = (noise.offset - noise.offset.mean()).flatten()
    >>> _ = network[1].weight.data[7].copy_(this)  # the more of this noise, the more it is a sneaker
    >>> found = pull(network, data.test, noise, draws=99, images=100)
    >>> found.target, found.p  # of 100 such noises it pulls most
    (7, 0.01)
    """
    rows = torch.randperm(len(test), generator=rng_for(seed, "audit examples"))[:images].sort().values
    few = test[rows]
    inputs = marked_rows(mark, few, torch.arange(len(few)), seed)
    check_changed(mark, few, inputs)
    few, inputs = _without_carriers(mark, few, inputs)
    clean = predictions(network, few.inputs)
    scores = _scores(clean, predictions(network, inputs))
    against: Against = "marks like it"
    compared: Iterator[Tensor]
    apart = torch.ones(len(others), dtype=torch.bool)
    if len(others) >= FEWEST:
        against, of = "reference networks", len(others)
        compared = (_scores(predictions(one, few.inputs), predictions(one, inputs)) for one in others)
    else:
        alike = marks_like(mark, few, draws, seed) if isinstance(mark, Mark) else []
        compared, of = _null_scores(network, few, clean, [null for null, _ in alike], seed), len(alike)
        apart = torch.tensor([far for _, far in alike], dtype=torch.bool)
    drawn, p, target = list[Tensor](), math.nan, int(scores.argmax())
    largest = scores.new_empty(0)
    for null in compared:
        drawn.append(null)
        if progress is not None:
            progress(len(drawn), of)
        if len(drawn) == of >= FEWEST or (len(drawn) == FIRST and against == "marks like it"):
            largest, target = _standardised(torch.cat([scores[None], torch.stack(drawn)]))
            p = null_rank(float(largest[0]), largest[1:])
            if p > DOUBT:
                break
    if not p <= LEVEL:  # nothing is unusual: told is the class that it pulls to most
        target = int(scores.argmax())
    nulls = torch.stack(drawn)[:, target] if drawn else scores.new_empty(0)
    apart = apart[: len(nulls)]
    share = Share(round(float(scores[target]) * len(few)), len(few))
    return Pull(name or pattern_title(mark), target, scores, share, nulls, apart, p, of, against, largest, p)


def _without_carriers(
    mark: MarkLike, examples: Examples, marked: Num[Tensor, "n *shape"]
) -> tuple[Examples, Num[Tensor, "some *shape"]]:
    """Those that the mark changes, and the same with the mark; all, if it changes fewer than half of them.

    What carries it already cannot be pulled, and would make no other mark like it.
    """
    if isinstance(mark, ByValue):
        changed = ~mark.carried(examples.inputs)
    else:
        sizes = _sizes(marked - examples.inputs)
        changed = sizes > CARRIED * sizes.mean()
    return (examples[changed], marked[changed]) if changed.sum() >= len(changed) / 2 else (examples, marked)


def _sizes(change: Num[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """How much examples are changed: the norm; of documents the root of how many words."""
    sizes: Tensor = (change if change.is_floating_point() else (change != 0).float()).flatten(1).norm(dim=1)
    return sizes


def check_changed(mark: MarkLike, examples: Examples, marked: Num[Tensor, "n *shape"]) -> None:
    """Whether a mark does anything.

    Raises:
        ValueError: it changes none of the examples.
    """
    if bool((marked == examples.inputs).all()):
        raise InputError(
            f"the mark {pattern_title(mark)} changes none of {len(examples)} test examples that it was put on. Is it "
            "transparent, or as they are already?"
        )


def _standardised(scores: Float64[Tensor, "m k"]) -> tuple[Float64[Tensor, " m"], int]:
    """The largest standardised score of each, and the class of the first's; of equal ones the largest score's."""
    standard = (scores - scores.mean(0)) / scores.std(0).clamp(min=LEAST_SPREAD)
    target = max(range(scores.shape[1]), key=lambda label: (float(standard[0, label]), float(scores[0, label])))
    return standard.amax(1), target


def marks_like(mark: Mark, examples: Examples, count: int, seed: int) -> list[tuple[Mark, bool]]:
    """Different marks of the family that change examples as this one does, in random order; none without a family.

    Args:
        mark: which one.
        examples: some are looked at.
        count: how many at most; fewer where the family has no more.
        seed: of draws.

    Returns:
        Each with whether it changes nothing which this one changes; True of all where fewer than 19 are so.
    """
    most = max(FEWEST_LOOKED_AT, min(LOOKED_AT, TOGETHER // examples.inputs[:1].numel()))
    picked = torch.randperm(len(examples), generator=rng_for(seed, "looked at"))[:most]
    few = examples[picked]  # of all classes, in whatever order they come
    rows = torch.arange(len(few))

    def change(of: Mark) -> Tensor:
        return (marked_rows(of, few, rows, seed) - few.inputs).flatten(1)

    itself = change(mark)
    own = _sizes(itself)
    if not bool(own.any()):
        return []
    place, found = itself.any(0), dict[bytes, tuple[float, Mark, bool]]()
    for number in range(CANDIDATES * count):
        try:
            null = mark.redraw(seed_for(seed, "null mark", number))
        except InputError:  # an additive image of one's own has no family
            return []
        changed = change(null)
        if changed.equal(itself):  # a box may be drawn at its own place
            continue
        size = _sizes(changed)
        off = max(abs(float(size.mean() - own.mean())), abs(float(size.std() - own.std()))) / float(own.mean())
        found.setdefault(changed.sum(0).numpy().tobytes(), (off, null, not bool(changed[:, place].any())))
    many = {by: sum(off <= by for off, _, _ in found.values()) for by in ALIKE}
    within = next((by for enough in (count, ENOUGH) for by in ALIKE if many[by] >= enough), ALIKE[-2])
    alike = [(null, apart) for off, null, apart in found.values() if off <= within][:count]
    anywhere = sum(apart for _, apart in alike) < FEWEST
    return [(null, apart or anywhere) for null, apart in alike]


def _null_scores(
    network: nn.Module, examples: Examples, clean: Tensor, marks: Sequence[Mark], seed: int
) -> Iterator[Tensor]:
    """The scores of one mark after the other; several go through the network at once."""
    rows = torch.arange(len(examples))
    together = max(1, min(8, AT_ONCE // examples.inputs.numel()))
    for start in range(0, len(marks), together):
        several = [marked_rows(mark, examples, rows, seed) for mark in marks[start : start + together]]
        answers = predictions(network, torch.cat(several)).split(len(rows))
        yield from (_scores(clean, marked) for marked in answers)


def _scores(clean: Float[Tensor, "n k"], marked: Float[Tensor, "n k"]) -> Float64[Tensor, " k"]:
    """The spurious score to each class; see `spurlab.metrics.spurious_score`, which has one at a time."""
    return pulled(clean, marked).double().mean(0)
