"""Axes: what may differ between the networks of a study; each is one value, and one line in a table.

Study files, their checks, the command line's --only, JSON, rows, documentation and all that groups rows by settings go
by these tables. A new axis that changes the training set is one file with an `Axis` and one line in `OF_TRAINING`, and
has its part in keys of its own accord. A new setting of training is a field of `spurlab.training.Recipe` instead.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from spurlab.data import dataset_named
from spurlab.deletion import DELETIONS
from spurlab.errors import InputError
from spurlab.models import architecture_named, check_user_name, is_user_name
from spurlab.patterns import (
    How,
    drawn_anew,
    mark_content,
    mark_named,
    mark_record,
    mark_recorded,
    parse_reference_dataset,
)
from spurlab.prevention import canonical_name
from spurlab.privacy import ATTACKS
from spurlab.studies.axis import Axis, listed
from spurlab.studies.halving import half_of
from spurlab.studies.recipes import recipes_of
from spurlab.training import RECIPES

PLACE = ("pattern", "target", "n", "seed")
METHODS = ("deletion", "prevention", "attack")  # what was done to the network; off: ""
SHARES = ("known", "share", "clean")
PLAIN = "erm"  # the prevention that does nothing: the network as it was trained
NONE, ORACLE = "none", "oracle"  # in place of a deletion: the network before it, and one that never saw the examples
REFERENCES = (NONE, ORACLE)


def _dataset(name: str) -> str:
    try:
        meant = parse_reference_dataset(name)
    except ValueError:
        return dataset_named(name)
    if meant.pattern is None:
        return meant.dataset
    if isinstance(meant.target, tuple):
        first, second = meant.target
        raise InputError(
            f"{name!r} is a planted set of the paper's code: {meant.count} marked examples in each of two classes. A "
            f"grid plants in one class at a time: dataset = {meant.dataset!r}, pattern = {meant.pattern!r}, "
            f"n = {meant.count}, target = [{first}, {second}], seed = {meant.seed}. For both at once, call "
            f"plant(train, pattern, [{first}, {second}], {meant.count}, {meant.seed}) in Python."
        )
    raise InputError(
        f"{name!r} is a planted set of the paper's code. Here the grid does the planting: dataset = "
        f"{meant.dataset!r}, pattern = {meant.pattern!r}, n = {meant.count}, target = {meant.target}, "
        f"seed = {meant.seed}."
    )


def _deletion(name: str) -> str:
    return name if name in REFERENCES else _method(name, "deletion method", DELETIONS.canonical)


def _prevention(name: str) -> str:
    return _method(name, "prevention method", canonical_name)


def _attack(name: str) -> str:
    return _method(name, "attack", ATTACKS.canonical)


def _method(name: str, kind: str, canonical: Callable[[str], str]) -> str:
    if is_user_name(name):
        check_user_name(name.strip(), kind)
    return canonical(name)


def _marks(settings: Any, recorded: bool) -> tuple[Any, ...]:
    """The names of marks, tables of one's own among them; of a results folder no path is followed."""
    named = tuple(
        (mark_recorded if recorded else mark_named)(asked) if isinstance(asked, str | Mapping) else asked
        for asked in listed(settings)
    )
    names = {name for name in named if isinstance(name, str)}
    if len({mark_content(name) for name in names}) < len(names):
        raise InputError(f"two of these pictures are one and the same: {', '.join(sorted(names))}")
    return named


Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(gt=0, le=1)]
PartOf = Annotated[float, Field(gt=0, lt=1)]
FromNone = Annotated[float, Field(ge=0, le=1)]

# in the order of JSON, and of documentation
AXES: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(
            "dataset",
            "a name of `spurlab data list`, some of its classes, or data of your own",
            str,
            None,
            _dataset,
            plugins="datasets",
        ),
        Axis(
            "architecture",
            "a name of `spurlab list`, or a network of your own",
            str,
            None,
            architecture_named,
            code="architecture",
            plugins="models",
        ),
        Axis(
            "pattern",
            "the mark, a name of `spurlab list` or one of your own; there is none in a study of networks alone",
            str,
            (),
            mark_named,
            read=_marks,
            record=mark_record,
            plugins="marks",
        ),
        Axis("target", "the class that a mark is planted in", Count, (0,)),
        Axis("n", "how many examples carry the mark; the control, 0, is always there", Count, (0,), control=0),
        Axis(
            "seed",
            "one network for each; fixes its start, the order of its examples, which are marked, and random patterns",
            Count,
            (0,),
        ),
        Axis(
            "how",
            "`replace` the chosen examples by marked ones, `append` marked copies, or `relabel` marked ones of other "
            "classes",
            How,
            ("replace",),
        ),
        Axis(
            "deletion",
            "methods that delete the marked examples from the trained networks; the networks before it (`none`) and "
            "those retrained without any marked example (`oracle`) always come with them",
            str,
            (),
            _deletion,
            code="deletion method",
            plugins="deletion",
        ),
        Axis("known", "the share of the marked examples that is known and deleted", Share, (1.0,)),
        Axis(
            "share",
            "of the training examples, how many have a common feature; 0 is always there",
            FromNone,
            control=0.0,
        ),
        Axis(
            "prevention",
            "methods against a common feature or a mark; the networks as they are (`erm`) always come with them",
            str,
            (),
            _prevention,
            code="prevention method",
            plugins="prevention",
        ),
        Axis(
            "clean",
            "the share of the training examples that methods may use clean: without the feature or, where none is "
            "planted, held out from training",
            PartOf,
            (0.25,),
        ),
        Axis(
            "recipe",
            "how to train: `name` (`quick`, `paper` or `fast`) and what differs from it",
            Any,
            (RECIPES["quick"],),
            read=recipes_of,
        ),
        Axis(
            "attack",
            "attacks on networks that learn from `halves`, each with all others as its shadows; the networks as they "
            "are always come with them. With `deletion`, also on what forgets all their marked examples",
            str,
            (),
            _attack,
            code="attack",
            plugins="attacks",
            optional=True,
        ),
    )
}


def _draws_anew(pattern: str | None, draw: int, seed: int) -> bool:
    return pattern is not None and drawn_anew(pattern) and draw != seed


# A new axis is one file and one line here.
OF_TRAINING: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(
            "draw",
            "which draw of a random pattern networks are trained and measured with: 2 is that which seed 2 would have, "
            "`own` each network's own; which examples are marked goes by the seed all the same",
            Count | None,
            (None,),
            absent="own",
            suits=drawn_anew,
            matters=_draws_anew,
        ),
        Axis(
            "halves",
            "the data seed of one training set of which all networks learn a half: seeds 0 and 1, 2 and 3, ... learn "
            "from complements; each from n marked examples, and n others are marked and in the other half",
            Count | None,
            (None,),
            absent="whole",
            change=half_of,
        ),
    )
}

Extras = tuple[tuple[str, Any], ...]  # by axis of `OF_TRAINING`, the value where it is not off

_OF_DRAW = " of draw "


def changing(extras: Extras, pattern: str | None, seed: int) -> Extras:
    """Those values that make another network of one with this pattern (None: none in its training set) and seed."""
    return tuple((name, value) for name, value in extras if OF_TRAINING[name].matters(pattern, value, seed))


def mark_name(pattern: str, extras: Extras, seed: int) -> str:
    """The name under which a pattern is drawn and what is measured with it is kept: the draw is part of it.

    >>> mark_name("R3", (("draw", 2),), 0), mark_name("R3", (("draw", 2),), 2), mark_name("S3", (("draw", 2),), 0)
    ('R3 of draw 2', 'R3', 'S3')
    """
    placed = dict(changing(extras, pattern, seed))
    draw = placed.get("draw", placed.get("halves"))
    return f"{pattern}{_OF_DRAW}{draw}" if draw is not None and _draws_anew(pattern, draw, seed) else pattern


def drawn_with(name: str, seed: int) -> tuple[str, int]:
    """What `mark_name` says: the pattern, and the data seed that it is drawn with, for a network of this seed.

    >>> drawn_with("R3 of draw 2", 0), drawn_with("R3", 0)
    (('R3', 2), ('R3', 0))
    """
    pattern, _, draw = name.partition(_OF_DRAW)
    return pattern, int(draw) if draw else seed


def axis_names() -> list[str]:
    """The names of all axes."""
    return [*AXES, *OF_TRAINING]


def axis_named(name: str) -> Axis:
    """The axis of this name."""
    return AXES[name] if name in AXES else OF_TRAINING[name]


def docs_table() -> str:
    """The axes as a table for documentation, in Markdown."""
    lines = ["| axis | what differs | default |", "|---|---|---|"]
    for axis in (*AXES.values(), *OF_TRAINING.values()):
        values = "needed" if axis.default is None else ", ".join(map(axis.said, axis.default)) or "none"
        lines.append(f"| `{axis.name}` | {axis.about} | {'`quick`' if axis.name == 'recipe' else values} |")
    return "\n".join(lines)
