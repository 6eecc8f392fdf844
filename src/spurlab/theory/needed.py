"""How much weight decay keeps n marked examples from being learnt."""

import math
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.theory.checks import check_above, check_count, check_from
from spurlab.theory.logistic import decay_at, kappa_of_shift
from spurlab.theory.score import shift_of_score


def decay_needed(
    count: int,
    norm: float,
    examples: int,
    train: Float[Tensor, " n"],
    test: Float[Tensor, " t"],
    score: float = 0.05,
    rise: float = 0.1,
    classes: int | None = None,
) -> float:
    r"""The smallest weight decay at which so many marked examples leave the spurious score at `score` or below.

    .. math:: \lambda = \frac{n s^2}{N \, \kappa(t^*)}, \qquad
        t^* = \sup \{ t : S(t) \le S^* \}, \quad
        \kappa(t) = t \, \Big/ \, \frac{1}{n} \sum_{i \in S} \sigma(-\mu_i - t)

    (times k / (k - 1) for a softmax over k outputs, as in `kappa`).

    *Derivation.* The score rises with the shift, so it is :math:`S^*` at most up to the shift :math:`t^*` of
    `shift_of_score`. By the law of `shift_logistic` the shift rises with kappa (the left side of
    :math:`t = \kappa \, r(t)` rises with t, its right side falls with t and rises with kappa), so
    :math:`t \le t^*` exactly where :math:`\kappa \le \kappa(t^*)`; and :math:`\kappa = n s^2 / N \lambda` falls with
    the decay, so this is where :math:`\lambda` is at least the one above. It says for given margins when n* is above n,
    where a network counts as one that has learnt a mark from a score of `score` on.

    The margins themselves depend on the weight decay. So this answers of models whose margins were taken at one decay;
    what it takes when margins follow the decay is the decay that needs itself, see `decay_that_needs_itself`.

    Args:
        count: n, the marked examples; 0 to `examples`.
        norm: s, the l2 norm of the mark, 0 or more.
        examples: N, of the training set.
        train: :math:`\mu_i`, the log-odds of the target class of marked training examples without the mark; of which
            examples will be marked nobody knows, all of their class.
        test: the same of test examples, for the score.
        score: :math:`S^*` in [0, 1].
        rise: :math:`\varepsilon` of the score, in (0, 1).
        classes: k, of a softmax with an output for each class, the classes other than the target's taken to be alike;
            None: one output.

    Returns:
        :math:`\lambda`, as `Recipe.weight_decay`; 0 where no decay is needed, since no shift (or no count) does it.

    Raises:
        ValueError: a setting outside its range, no margins, or some that are not finite.

    >>> import torch
    >>> from spurlab.theory import kappa, score_of_shift, shift_logistic
    >>> train, test = torch.tensor([1.5]), torch.tensor([-2.0, -1.0, 0.0, 1.0])
    >>> needed = decay_needed(10, 5.0, 10_000, train, test, score=0.25)
    >>> round(needed, 5)
    0.00664
    >>> [score_of_shift(test, shift_logistic(kappa(10, 5.0, 10_000, by * needed), train)) for by in (1.001, 0.999)]
    [0.25, 0.5]
    """
    check_count(count, examples)
    check_from(0, norm=norm)
    largest = shift_of_score(test, score, rise)
    if count == 0 or norm == 0 or largest == math.inf:
        return 0.0
    strength = kappa_of_shift(largest, train)
    return decay_at(strength, count, norm, examples, classes) if strength < math.inf else 0.0


def decay_that_needs_itself(needed: Mapping[float, float]) -> float:
    r"""From which weight decay on a mark is not learnt, where the margins change with the decay too.

    .. math:: \lambda^* = \sup \{ \lambda : g(\lambda) > \lambda \}, \qquad
        g(\lambda) = \frac{n s^2}{N \, \kappa(t^*; \, \mu(\lambda))}

    *Derivation.* A model trained with the decay :math:`\lambda` has the margins :math:`\mu(\lambda)` of that decay, and
    by `decay_needed` its score is above the bound exactly where :math:`g(\lambda) > \lambda`. Strong decay shrinks
    margins, which moves g both ways: marked examples pull with more force, and test examples near a probability of one
    half are moved most easily. So the score need not fall with the decay, and one that is below the bound may rise
    above it again; from :math:`\lambda^*` on it does not. Between the decays at which g is known,
    :math:`\log (g / \lambda)` is taken to be linear in :math:`\log \lambda`.

    Models that never saw the mark give g for all counts, norms and bounds at once.

    Args:
        needed: by the weight decay of a model, above 0, what `decay_needed` says with its margins.

    Returns:
        :math:`\lambda^*`; 0 where every decay here is enough, infinity where the largest is not. Next to a decay that
        needs none, that decay.

    Raises:
        ValueError: no decays, or one that is not above 0.

    >>> round(decay_that_needs_itself({0.01: 0.02, 0.1: 0.05}), 5)
    0.03162
    >>> decay_that_needs_itself({0.01: 0.002, 0.1: 0.05}), decay_that_needs_itself({0.01: 0.002, 0.1: 0.2})
    (0.0, inf)
    """
    if not needed:
        raise InputError("`needed` is empty, but it takes the weight decay of one model or more.")
    for decay, asked in needed.items():
        check_above(0, decay=decay)
        check_from(0, needed=asked)
    above = math.inf
    for decay, asked in sorted(needed.items(), reverse=True):
        if asked > decay:
            if above == math.inf or needed[above] == 0:
                return above
            over, under = math.log(asked / decay), math.log(above / needed[above])
            return math.exp(math.log(decay) + math.log(above / decay) * over / (over + under))
        above = decay
    return 0.0
