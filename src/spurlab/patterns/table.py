"""The table of marks: all names that studies and the command line know, how each is drawn and who gets it."""

from typing import NamedTuple, Protocol

from spurlab.errors import InputError, did_you_mean
from spurlab.patterns.additive import Pattern
from spurlab.patterns.image import Box, Noise
from spurlab.patterns.mark import Mark
from spurlab.patterns.planting import Common, Planting, Rare
from spurlab.patterns.reference import REFERENCE_PATTERNS
from spurlab.patterns.signal import ClassBlocks
from spurlab.patterns.waves import Offset, Sine, Spike
from spurlab.plugins import Extensible, of_type, origin_of


class Template(Protocol):
    """What a mark of the table is drawn from; `axes` of one input are 3 for images, 1 for signals."""

    @property
    def axes(self) -> int: ...

    def make(self, name: str, shape: tuple[int, ...], seed: int, clip: tuple[float, float] | None) -> Mark:
        """The mark for inputs of a shape, under a data seed, clipped to a range."""


class Entry(NamedTuple):
    """One mark of the table, which planting studies give it, and whether it is another one under each data seed."""

    template: Template
    planting: type[Planting]
    random: bool = False


MARKS: Extensible[str, Entry] = Extensible(
    "marks",
    {
        "S1": Entry(Box(1, 1), Rare),
        "S2": Entry(Box(3, 3), Rare),
        "S3": Entry(Box(5, 5), Rare),
        "R1": Entry(Noise(0.25), Rare, random=True),
        "R2": Entry(Noise(0.5), Rare, random=True),
        "R3": Entry(Noise(1.0), Rare, random=True),
        "Co": Entry(Box(22, 3, top=3, left=13), Rare),  # like a hand-written one, the core feature of another class
        "spike": Entry(Spike(), Rare, random=True),
        "sine": Entry(Sine(), Rare),
        "offset": Entry(Offset(), Rare),
        "blocks": Entry(ClassBlocks("class"), Common),  # the readings of the report
        "blocks-signal": Entry(ClassBlocks("signal"), Common),
        "blocks-feature": Entry(ClassBlocks("feature"), Common),
    },
    of_type(Entry),
)


def mark_names(planting: type[Planting]) -> tuple[str, ...]:
    """Our own marks for one way of planting.

    >>> mark_names(Common)
    ('blocks', 'blocks-signal', 'blocks-feature')
    """
    return tuple(name for name, entry in MARKS.own.items() if entry.planting is planting)


def is_common(name: str) -> bool:
    """Whether a mark of the table is a common feature of a class.

    >>> is_common("blocks"), is_common("S3")
    (True, False)
    """
    return name in MARKS and MARKS[name].planting is Common


def pattern_name(name: str) -> str:
    """The table's name of a mark, from that name in any case or from its name in the paper's public code.

    Raises:
        ValueError: there is none of this name, with the nearest there is; or several of plug-ins, which differ in case
            alone, and it is written as none of them.

    >>> pattern_name("co"), pattern_name("v8")
    ('Co', 'S3')
    """
    if name in MARKS.registered and name not in MARKS.own:
        MARKS[name]  # which refuses what is registered wrongly
        return name
    known = {listed.casefold(): listed for listed in [*MARKS.registered, *MARKS.own]} | REFERENCE_PATTERNS
    alike = [listed for listed in MARKS.registered if listed.casefold() == name.casefold()]
    if len(alike) > 1 and known[name.casefold()] in alike:
        meant = " and ".join(f"{listed!r} of {origin_of('marks', listed)}" for listed in alike)
        raise InputError(
            f"{name!r} may mean several marks, which differ in case alone: {meant}. Write it as one of them."
        )
    if name.casefold() in known:
        MARKS[known[name.casefold()]]  # which refuses what is registered wrongly
        return known[name.casefold()]
    raise InputError(f"there is no pattern {name!r}. {did_you_mean(name, [*MARKS, *REFERENCE_PATTERNS])}")


def make_mark(name: str, shape: tuple[int, ...], seed: int = 0, clip: tuple[float, float] | None = (0.0, 1.0)) -> Mark:
    """Draw any mark of the table for inputs of a shape; arguments as of `make_pattern`.

    Raises ValueError: an unknown name, or inputs that the mark does not fit.

    >>> make_mark("blocks-signal", (40,)).value
    'signal'
    """
    return MARKS[pattern_name(name)].template.make(pattern_name(name), shape, seed, clip)


def make_pattern(
    name: str, shape: tuple[int, ...], seed: int = 0, clip: tuple[float, float] | None = (0.0, 1.0)
) -> Pattern:
    """Draw an additive pattern of the table for inputs of a shape.

    Args:
        name: of images S1, S2, S3, R1, R2, R3 or Co, or the public code's v1, v3, v8, v18, v19, v20, v30; of signals
            spike, sine or offset; in any case.
        shape: of one input, e.g. ``examples.shape``.
        seed: the data seed; it fixes u of the random patterns, and where a spike stands.
        clip: the range of the inputs, e.g. ``dataset.input_range``; None where they have no bounds.

    Raises:
        ValueError: an unknown name or that of another kind of mark, or inputs that the pattern does not fit.

    >>> pattern = make_pattern("S2", (1, 28, 28))
    >>> pattern.name, pattern.shape, pattern.offset.sum().item()
    ('S2', (1, 28, 28), 9.0)
    """
    if not isinstance(pattern := make_mark(name, shape, seed, clip), Pattern):
        raise InputError(f"{pattern_name(name)} is a {type(pattern).__name__}, no additive pattern.")
    return pattern
