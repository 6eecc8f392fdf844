"""What a verdict says, for the tests of claims."""

import pandas as pd

from spurlab.claims import CLAIMS, decide


def verdict(number, *frames):
    [answer] = decide(pd.concat(frames, ignore_index=True), [number])
    assert answer.claim is CLAIMS[number]
    return answer


def part(answer, where):
    [one] = [part for part in answer.parts if part.where == where]
    return one


def numbers(answer, where):
    return part(answer, where).question


def outcomes(answer, *, of_paper=True):
    return {part.where: part.outcome for part in answer.parts if part.of_paper == of_paper}


def beside(answer):
    return outcomes(answer, of_paper=False)


def kinds(answer, *, of_paper=True):
    return set(outcomes(answer, of_paper=of_paper).values())


def interval(question):
    return question.estimate.low, question.estimate.high
