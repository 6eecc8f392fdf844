"""The table of attacks: what the command line offers, studies name and tests walk through."""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.errors import FAILURES, FailureError, SpurlabError, worded
from spurlab.lent import copied, settings_kept
from spurlab.methods import Entry, Table
from spurlab.plugins import is_foreign
from spurlab.privacy.attacks.attack import Attack
from spurlab.privacy.attacks.base import Base
from spurlab.privacy.attacks.global_threshold import GlobalThreshold
from spurlab.privacy.attacks.lira import Lira, OfflineLira
from spurlab.privacy.attacks.loss import Loss
from spurlab.privacy.attacks.qmia import Qmia
from spurlab.privacy.attacks.rmia import Rmia
from spurlab.privacy.attacks.sorted_logits import SortedLogits
from spurlab.privacy.attacks.z_score import ZScore
from spurlab.privacy.margins import Attacked, Margins
from spurlab.training import Recipe

# A new attack is one file and one line here.
ATTACKS = Table[Attack](
    "attack",
    {
        "loss": Entry.of("loss", Loss),
        "global": Entry.of("global threshold", GlobalThreshold),
        "sorted-logits": Entry.of("sorted logits (the paper's)", SortedLogits, "logits"),
        "lira": Entry.of("LiRA", Lira),
        "lira-fixed": Entry.of("LiRA, fixed variance", Lira, family="LiRA", variance="fixed"),
        "lira-offline": Entry.of("LiRA, offline", OfflineLira),
        "lira-offline-fixed": Entry.of(
            "LiRA, offline, fixed variance", OfflineLira, family="LiRA, offline", variance="fixed"
        ),
        "lira-offline-density": Entry.of(
            "LiRA, offline (public code)", OfflineLira, family="LiRA, offline", tail="density"
        ),
        "z-score": Entry.of("z-score", ZScore),
        "base": Entry.of("BASE", Base),
        "base-offline": Entry.of("BASE, offline", Base, family="BASE", online=False),
        "rmia": Entry.of("RMIA", Rmia),
        "rmia-offline": Entry.of("RMIA, offline", Rmia, family="RMIA", online=False),
        "qmia": Entry.of("QMIA", Qmia, "population"),
    },
    "attacks",
)


def attack_named(name: str) -> Attack:
    """The attack of this name, with settings after it where others than its own are wanted, e.g. ``rmia gamma=1``.

    Args:
        name: an entry of `ATTACKS`; or ``package.module:callable``: one of the user's, called as `Attack` says.

    Raises:
        ValueError: as `spurlab.methods.Table.named`.

    >>> attack_named("rmia gamma=1").gamma
    1.0
    """
    return ATTACKS.named(name, Recipe(), 0)


def scores_of(
    margins: Margins, attacks: str | Iterable[str] | Mapping[str, Attack], targets: Iterable[int] | None = None
) -> dict[str, Float64[Tensor, "t n"]]:
    """What attacks say of each example and network in turn, the network and its complement left out of the shadows.

    Args:
        margins: of all networks.
        attacks: a name, names, or attacks by name. One of the user's is given copies, and all settings are afterwards
            as they were.
        targets: which networks are attacked; None: all.

    Returns:
        By name, a row for each target and a column for each example; the higher, the likelier a member.

    Raises:
        ValueError: as `attack_named`, `Margins.attack` and the attack itself.
        FailureError: an attack of the user's that raises, or any that does not give one finite score for each example.

    >>> phi = torch.tensor([[5.0, 0.0], [0.0, 5.0], [4.0, 1.0], [1.0, 4.0]], dtype=torch.float64)
    >>> margins = Margins(phi, members=phi > 3)  # four networks, two examples: members have large margins
    >>> scores = scores_of(margins, ["loss", "rmia"])
    >>> {name: tuple(found.shape) for name, found in scores.items()}
    {'loss': (4, 2), 'rmia': (4, 2)}
    >>> bool(scores["loss"][margins.members].min() > scores["loss"][~margins.members].max())
    True
    """
    attacks = [attacks] if isinstance(attacks, str) else attacks
    given = attacks if isinstance(attacks, Mapping) and not isinstance(attacks, Table) else {}
    by_name = given or {name: attack_named(name) for name in attacks}
    rows: dict[str, list[Tensor]] = {name: [] for name in by_name}
    for number in range(len(margins)) if targets is None else targets:
        target, shadows = margins.attack(number)
        for name, attack in by_name.items():
            foreign = name in given or is_foreign("attacks", name)
            rows[name].append(scored(name, attack, target, shadows, foreign=foreign))
    return {name: torch.stack(found) for name, found in rows.items()}


def scored(name: str, attack: Attack, target: Attacked, shadows: Margins, *, foreign: bool) -> Float64[Tensor, " n"]:
    """What one attack says of one network.

    Args:
        name: of the attack, for messages.
        attack: is called.
        target: what it may know of the network.
        shadows: of others.
        foreign: whether it is the user's: it is given copies then, and may fail in any way.

    Raises:
        ValueError: too few shadows for it.
        FailureError: as `scores_of`.
    """
    found = _of_foreign(name, attack, target, shadows) if foreign else attack(target, shadows)
    return _checked(name, found, target.phi)


def _of_foreign(name: str, attack: Attack, target: Attacked, shadows: Margins) -> object:
    try:
        with settings_kept(), torch.no_grad():
            found: object = attack(copied(target), copied(shadows))
            return found
    except FAILURES as error:
        if isinstance(error, SpurlabError):
            raise
        raise FailureError(f"attack {name!r} failed. {worded(error)}") from error


def _checked(name: str, scores: object, phi: Tensor) -> Tensor:
    if not isinstance(scores, Tensor) or scores.shape != phi.shape:
        found = f"a tensor of {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise FailureError(f"attack {name!r} must give a tensor with {len(phi)} scores, but it gives {found}.")
    if not bool(scores.isfinite().all()):
        raise FailureError(f"attack {name!r} gives scores that are not finite, of which none can be ranked.")
    return scores.detach().clone().double()
