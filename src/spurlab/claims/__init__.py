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
from spurlab.plugins import Extensible, of_type
from spurlab.studies import Study, StudyError

# A new claim is one file and one line here.
CLAIMS: Extensible[int, Claim] = Extensible(
    "claims",
    {
        1: three_examples.CLAIM,
        2: dispersed.CLAIM,
        3: accuracy.CLAIM,
        4: norm.CLAIM,
        5: architecture.CLAIM,
        6: sensitivity.CLAIM,
        7: size.CLAIM,
        8: optimization.CLAIM,
        9: importance.CLAIM,
        10: deletion.CLAIM,
        11: regularization.CLAIM,
        12: membership.CLAIM,
        13: quinn.CLAIMS[0],
        14: quinn.CLAIMS[1],
        15: quinn.CLAIMS[2],
        16: quinn.CLAIMS[3],
        17: other_data.CLAIMS[0],
        18: other_data.CLAIMS[1],
        19: other_data.CLAIMS[2],
        20: other_data.CLAIMS[3],
    },
    of_type(Claim, "number"),
    key=int,
)


def decide(rows: pd.DataFrame, numbers: Sequence[int] | None = None) -> list[Verdict]:
    """What rows say about the paper's claims, and about those of plug-ins. Nothing else of these is used meanwhile.

    Args:
        rows: one line for each measured number, of one or several studies; NaN: the network diverged. Rows that are
            not there leave a claim untested, never an error.
        numbers: which claims; None: all of `CLAIMS`, but for those of plug-ins that cannot be had.

    Returns:
        One verdict for each claim, in that order.

    Raises:
        ValueError: a number that is no claim here.

    >>> [verdict] = decide(pd.DataFrame(), [1])
    >>> verdict.outcome, verdict.models
    ('not tested', 0)
    """
    if numbers is not None and (problem := _unknown(numbers)):
        raise InputError(problem)
    wanted = list(CLAIMS.values()) if numbers is None else [CLAIMS[number] for number in numbers]
    with without_users_code():
        evidence = Evidence.of(rows)
        return [claim.decide(evidence) for claim in wanted]


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
