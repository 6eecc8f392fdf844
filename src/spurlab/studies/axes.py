"""Axes: what may differ between the networks of a study, and where each shows in rows.

A new axis that changes the training set is one file with an `Axis`, and one line in `OF_TRAINING`: study files, the
command line's --only, keys, JSON, rows and all that groups rows by settings go by this table. A new setting of training
is a field of `spurlab.training.Recipe` instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spurlab.patterns import Planted

PLACE = ("pattern", "target", "n", "seed")
METHODS = ("deletion", "prevention")  # what was done to the network; off: ""
SHARES = ("known", "share", "clean")
PLAIN = "erm"  # the prevention that does nothing: the network as it was trained
NONE, ORACLE = "none", "oracle"  # in place of a deletion: the network before it, and one that never saw the examples
REFERENCES = (NONE, ORACLE)


@dataclass(frozen=True)
class Axis:
    """An axis that changes the training set of a network.

    Args:
        name: in study files, for --only, in JSON, and of the column of rows.
        about: what it is, for documentation.
        hint: the type of a value, as pydantic takes it.
        off: the value that changes nothing; networks with it have the keys that they had before there was this axis.
        change: the training set, a value and the network's seed -> the changed training set.
    """

    name: str
    about: str
    hint: Any
    off: Any
    change: Callable[[Planted, Any, int], Planted]


# A new axis is one file and one line here.
OF_TRAINING: Mapping[str, Axis] = {}

Extras = tuple[tuple[str, Any], ...]  # by axis of `OF_TRAINING`, the value where it is not off
