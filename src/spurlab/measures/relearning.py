"""How soon a pattern is back when the forgotten examples return."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

import torch
from torch.nn import functional as F

from spurlab.lent import copied_network, settings_kept
from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.measures.scores import SPURIOUS_SCORE
from spurlab.methods import HALF, dropping_out
from spurlab.metrics import spurious_score
from spurlab.models import ask, check_has_gradients, evaluating
from spurlab.seeds import rng_for
from spurlab.training import flush_denormals, optimizers, predictions

RELEARNT = 0.9  # of the score before the deletion
RELEARN_RATE = 1e-3
RELEARN_BATCH = 128
RELEARN_FORGOTTEN = 32  # the most forgotten examples of a batch
RELEARN_SAMPLE = 1_000  # test examples that the score is looked up on meanwhile
RELEARN_MOST = 250  # steps; an oracle needs some thirty, and where nothing comes back the wait is two seconds


def _relearn_steps(observed: Observed) -> dict[str, float]:
    before = SPURIOUS_SCORE.take(required(observed.deleted).before)["spurious_score"]
    return {"relearn_steps": relearn_steps(observed, before)}


@flush_denormals()
def relearn_steps(observed: Observed, score_before: float) -> float:
    """How many training steps it takes until a pattern is back when the forgotten examples return.

    What is only hidden comes back sooner than what was never learnt: the oracles' number says how soon that is.

    A copy of the network is trained by Adam at a rate of 1e-3 on the cross-entropy of batches of 128: up to 32 of the
    forgotten examples, drawn anew for each batch, and for the rest examples drawn from the retained ones. The pattern
    is back when the spurious score on 1,000 test examples (the same at each look) has reached 90 % of what it was on
    all of them before the deletion. It is looked at before the first step, after each of the first ten, and whenever
    the steps have grown by a tenth.

    Args:
        observed: the network after the deletion; its seed fixes the batches and the sample.
        score_before: the spurious score before the deletion.

    Returns:
        Steps. 0: it never went, or (where the oracle has 0 too) there was no more to come back to than networks have
        that never saw it; infinite: it is not back after 250. NaN where there is no score to come back to, no forgotten
        example, or a network without finite outputs.
    """
    deleted, test = required(observed.deleted), observed.data.test
    goal, forgotten = RELEARNT * score_before, deleted.forgotten
    if not goal > 0 or len(forgotten) == 0:
        return math.nan
    rng = rng_for(observed.seed, "deletion", "relearn")
    rows = torch.randperm(len(test), generator=rng)[:RELEARN_SAMPLE]
    clean, marked = test.inputs[rows], observed.marked_inputs[rows]

    model = copied_network(required(observed.network)).train().requires_grad_()
    if any(weight.dtype in HALF for weight in model.parameters()):
        model.float()  # in half precision small steps are lost
    optimizer = optimizers.Adam(model.parameters(), lr=RELEARN_RATE, fused=True)
    retained = deleted.planted.without(deleted.forget)
    taken = min(RELEARN_FORGOTTEN, len(forgotten))
    steps = 0
    with settings_kept(), dropping_out(observed.seed, "relearn"):
        for look in looks(RELEARN_MOST):
            for _ in range(look - steps):
                few = forgotten[torch.randperm(len(forgotten), generator=rng)[:taken]]
                rest = retained[torch.randint(len(retained), (RELEARN_BATCH - taken,), generator=rng)]
                optimizer.zero_grad()
                outputs = ask(model, torch.cat([few.inputs, rest.inputs]))
                F.cross_entropy(outputs, torch.cat([few.labels, rest.labels]).to(outputs.device)).backward()
                optimizer.step()
            steps = look
            with evaluating(model):
                probabilities = predictions(model, clean), predictions(model, marked)
            score = spurious_score(*probabilities, observed.target).item()
            if math.isnan(score):
                return math.nan
            if score >= goal:
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


def _in_the_median(steps: Sequence[float]) -> str:
    """Of networks that have a number, which may be infinite."""
    counts = [count for count in steps if not math.isnan(count)]
    return f"{median(counts):.0f}" if counts else "-"


RELEARN_STEPS = Measure(
    "steps until the score is back",
    _relearn_steps,
    needs="deletion",
    by_pattern=True,
    check_network=check_has_gradients,
    heading="relearn",
    summary=_in_the_median,
)
