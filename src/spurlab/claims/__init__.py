"""Claims of the paper and of the report as tests: rows in, verdicts out. Their rule: `spurlab.claims.judge`."""

from collections.abc import Sequence

import pandas as pd

from spurlab.claims import (
    accuracy,
    architecture,
    deletion,
    dispersed,
    importance,
    membership,
    norm,
    optimization,
    other_data,
    quinn,
    regularization,
    sensitivity,
    size,
    three_examples,
    words,
)
from spurlab.claims.base import Claim as Claim
from spurlab.claims.base import Verdict as Verdict
from spurlab.claims.evidence import Evidence
from spurlab.claims.judge import Part as Part
from spurlab.claims.question import Question as Question
from spurlab.errors import InputError
from spurlab.models import without_users_code
from spurlab.studies import Study, StudyError

# A new claim is one file and one line here.
_ALL = (
    three_examples.CLAIM,
    dispersed.CLAIM,
    accuracy.CLAIM,
    norm.CLAIM,
    architecture.CLAIM,
    sensitivity.CLAIM,
    size.CLAIM,
    optimization.CLAIM,
    importance.CLAIM,
    deletion.CLAIM,
    regularization.CLAIM,
    membership.CLAIM,
    *quinn.CLAIMS,
    *other_data.CLAIMS,
)
CLAIMS: dict[int, Claim] = {claim.number: claim for claim in _ALL}


@without_users_code()
def decide(rows: pd.DataFrame, numbers: Sequence[int] | None = None) -> list[Verdict]:
    """What rows say about the paper's claims.

    Args:
        rows: one line for each measured number, of one or several studies; NaN: the network diverged. Rows that are
            not there leave a claim untested, never an error.
        numbers: which claims; all of `CLAIMS` where None.

    Returns:
        One verdict for each claim, in that order.

    Raises:
        ValueError: a number that is no claim here.

    >>> [verdict] = decide(pd.DataFrame(), [1])
    >>> verdict.outcome, verdict.models
    ('not tested', 0)
    """
    wanted = list(CLAIMS) if numbers is None else list(numbers)
    if problem := _unknown(wanted):
        raise InputError(problem)
    evidence = Evidence.of(rows)
    return [CLAIMS[number].decide(evidence) for number in wanted]


def by_chance(verdicts: Sequence[Verdict]) -> str:
    """How many parts were tested, and how many of them are expected to be judged wrongly by chance, in a sentence."""
    return words.by_chance(sum(part.question.tested for verdict in verdicts for part in verdict.parts))


def check(study: Study) -> Study:
    """The study, if all of its `claims` are such; studies stand below this room and do not know which there are.

    Raises:
        StudyError: there is no claim of such a number.
    """
    if problem := _unknown(study.claims):
        raise StudyError(f"{study.where}: key 'claims': {problem}")
    return study


def _unknown(numbers: Sequence[int]) -> str:
    """What is wrong with these numbers, in a sentence; "" where all are claims."""
    unknown = [number for number in numbers if number not in CLAIMS]
    return f"there is no claim {unknown[0]}. There are: {', '.join(map(str, CLAIMS))}." if unknown else ""
