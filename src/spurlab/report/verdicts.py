"""How verdicts of deletion are shown: a letter, a colour, and what they mean in a line."""

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
        "F", "#009E73", "As networks that never saw the images: same score, and not to be told from them."
    ),
    "no leftover seen": Shown(
        "L", "#56B4E9", "Nothing left was found, but not everything that could show it was shown."
    ),
    "partly": Shown("P", "#F0E442", "The score fell, but the network can be told from one that never saw the images."),
    "undecided": Shown("?", "#DDDDDD", "These networks do not tell: more are needed."),
    "does not forget": Shown("N", "#E69F00", "The score stayed where it was."),
    "breaks the model": Shown("B", "#CC79A7", "Test accuracy falls by more than .05, or a number is not finite."),
    "nothing to forget": Shown("0", "#FFFFFF", "The networks had not learnt the pattern in the first place."),
    "failed": Shown("X", "#000000", "The method raised an error on every network.", LIGHT),
}


def shown(name: str) -> Shown:
    """How a verdict is shown; one that is not in the table by its first letter."""
    return VERDICTS.get(name, Shown(name[:1].upper(), "#FFFFFF", ""))
