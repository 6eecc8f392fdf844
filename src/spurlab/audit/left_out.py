"""Training examples that are left out: those that may teach a mark, of reference networks; those to be forgotten."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.audit.detect.shared import FEW, SharedComponent
from spurlab.audit.inversion import put_on
from spurlab.audit.presence import carriers
from spurlab.audit.pull import Pull
from spurlab.audit.unknown import SHARED, Unknown
from spurlab.data import Dataset
from spurlab.notebook import short
from spurlab.patterns import MarkLike


@dataclass(frozen=True, eq=False)
class ToForget:
    """What a repair is to make a network forget.

    Args:
        examples: True for the training examples.
        mark: that is looked for afterwards; None: none.
        target: the class that it pulls to.
        name: of the mark; "": nobody named it, or there is none.
    """

    examples: Bool[Tensor, " n"]
    mark: MarkLike | None = None
    target: int = 0
    name: str = ""

    __repr__ = short


def may_teach(
    likeness: Iterable[Float[Tensor, " n"]], shared: Sequence[SharedComponent], chosen: Bool[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """True for the training examples that reference networks may not see: they may teach a mark.

    No others, such as the first of a ranking without a mark: those are unusual in clean data, too, and clean networks,
    which saw them, then differ from their references: see docs/audit.md.

    Args:
        likeness: of each named mark, the probability that an example carries it.
        shared: what few examples of a class share.
        chosen: True for those that the caller suspects.
    """
    mask = chosen.clone()
    for have in likeness:
        mask |= carriers(have)
    for one in shared:
        if one.verdict == FEW:
            mask[list(one.rows)] = True
    return mask


def to_repair(
    chosen: Bool[Tensor, " n"],
    pulls: Mapping[str, Pull],
    named: Mapping[str, MarkLike],
    likeness: Mapping[str, Float[Tensor, " n"]],
    unknown: Sequence[Unknown],
    data: Dataset,
) -> ToForget | None:
    """The training examples to be forgotten, and the mark that is looked for afterwards.

    Examples that the caller chose, and the mark that most of them carry, or if they carry none, the strongest that the
    network goes by, or may go by, or any; else all that carry a mark that it goes by, or may go by; else those that
    share the first component which others lack, whether or not it goes by it: that is the mark then.
    None: there are none.
    """
    used = [name for name, one in pulls.items() if one.verdict in ("goes by it", "not tested")]
    forget = chosen
    if carried := {name: int((carriers(likeness[name]) & chosen).sum()) for name in pulls}:
        most = max(carried.values())
        used = [name for name, count in carried.items() if count == most] if most else used
    if not bool(chosen.any()):
        used = [name for name in used if bool(carriers(likeness[name]).any())]
        for name in used:
            forget = forget | carriers(likeness[name])
    strongest = max(used or pulls, key=lambda name: pulls[name].score, default=None)
    if bool(forget.any()):
        if strongest is None:
            return ToForget(forget)
        return ToForget(forget, named[strongest], pulls[strongest].target, strongest)
    for one in unknown:
        if one.method == SHARED and one.unusual:
            forget, (low, high) = forget.index_fill(0, torch.tensor(one.rows), True), data.train.inputs.aminmax()
            shared = partial(put_on, pattern=one.pattern, mask=one.mask, low=float(low), high=float(high))
            return ToForget(forget, shared, one.label)
    return None
