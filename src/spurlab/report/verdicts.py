"""How verdicts are shown, and what they mean in a line: of deletion, and of claims."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

# colours of Okabe and Ito (2008); the letter says the same to those who do not see them
LIGHT, DARK = "#F7F7F7", "#111111"  # letters on dark and on light colours


@dataclass(frozen=True)
class Shown:
    """One verdict.

    Args:
        letter: stands in its cells.
        colour: of its cells.
        meaning: in a line.
        ink: the colour of the letter.
    """

    letter: str
    colour: str
    meaning: str
    ink: str = DARK


VERDICTS: dict[str, Shown] = {  # the best first
    "forgets": Shown(
        "F", "#009E73", "Fewer than 15 % of all networks keep the pattern, and most are like the oracles."
    ),
    "no leftover seen": Shown(
        "L",
        "#56B4E9",
        "No network keeps the pattern, of too few to say it is forgotten; half or more are like the oracles.",
    ),
    "partly": Shown("P", "#F0E442", "The score fell, but networks keep the pattern, or can be told from the oracles."),
    "undecided": Shown("?", "#DDDDDD", "These networks do not tell: more are needed."),
    "does not forget": Shown("N", "#E69F00", "Most networks keep the pattern, and in most the score hardly fell."),
    "breaks the model": Shown("B", "#CC79A7", "Most lose more than .05 of test accuracy, or a number is not finite."),
    "nothing to forget": Shown("0", "#FFFFFF", "Most networks had not learnt the pattern in the first place."),
    "failed": Shown("X", "#000000", "The method raised an error on every network.", LIGHT),
}


OUTCOMES = {  # of claims, the best first
    "reproduced": "Every part is shown to hold in more than half of all networks (exact counts, 5 %).",
    "reproduced where tested": "Every part that was tested is shown to hold in more than half; others were not.",
    "not reproduced": "Of a part it is shown that it holds in fewer than half of all networks.",
    "undecided": "It is shown neither to hold in more than half of all networks nor in fewer: more are needed.",
    "not tested as published": "There are networks, but of another recipe or other data than the claim is about.",
    "not tested": "There are no networks.",
}


def counted(names: Iterable[str], table: Iterable[str]) -> dict[str, int]:
    """How often each verdict came out, in the order of a table; those that it does not have come last.

    >>> counted(["undecided", "forgets", "undecided", "of a user"], VERDICTS)
    {'forgets': 1, 'undecided': 2, 'of a user': 1}
    """
    counts = Counter(names)
    return {name: counts[name] for name in (*table, *counts) if counts[name]}


def shown(name: str) -> Shown:
    """How a verdict is shown; one that is not in the table by its first letter."""
    return VERDICTS.get(name, Shown(name[:1].upper(), "#FFFFFF", ""))
