"""The table of methods: what the command line offers, studies name and tests walk through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from spurlab.deletion.bad_teacher import BadTeacher
from spurlab.deletion.dampening import SelectiveDampening
from spurlab.deletion.fisher import FisherForgetting
from spurlab.deletion.gradient_ascent import GradientAscent
from spurlab.deletion.incremental import Incremental
from spurlab.deletion.influence import GroupInfluence
from spurlab.deletion.inverse import ByLissa
from spurlab.deletion.l1_sparse import L1Sparse
from spurlab.deletion.last_layer_newton import LastLayerNewton
from spurlab.deletion.last_layers import CatastrophicLastLayers, ExactLastLayers
from spurlab.deletion.method import Deletion
from spurlab.deletion.neggrad_plus import NegGradPlus
from spurlab.deletion.prune import PruneFinetune
from spurlab.deletion.random_labels import RandomLabels
from spurlab.deletion.reference_influence import ReferenceInfluence
from spurlab.deletion.retrain import Make, Retrain
from spurlab.deletion.salun import SalUn
from spurlab.deletion.scrub import Scrub
from spurlab.deletion.second_order import SecondOrderInfluence
from spurlab.deletion.sisa import Sisa
from spurlab.errors import did_you_mean
from spurlab.models import is_user_name, user_function
from spurlab.training import Recipe


@dataclass(frozen=True)
class Entry:
    """One method of the table.

    Args:
        title: what people call it.
        make: the method, for a network that was trained by a recipe, a seed for what it draws, and how a new network of
            that architecture is made, by seed (None: by resetting each layer of a copy).
    """

    title: str
    make: Callable[[Recipe, int, Make | None], Deletion]


def _entry(title: str, make: Callable[[Recipe, int], Deletion]) -> Entry:
    """Of a method that needs no new network."""
    return Entry(title, lambda recipe, seed, _: make(recipe, seed))


def _anew(title: str, make: Callable[..., Deletion]) -> Entry:
    """Of a method that begins with a new network, or parts of one."""
    return Entry(title, lambda recipe, seed, new: make(recipe, seed, make=new))


# A new method is one file and one line here.
DELETIONS: Mapping[str, Entry] = {
    "retrain": _anew("retrained", Retrain),
    "sisa": _anew("SISA, 5 shards", Sisa),
    "incremental": _entry("incremental, schedule restarted", Incremental),
    "incremental-1e-2": _entry("incremental, rate 0.01", partial(Incremental.at, 1e-2)),
    "incremental-1e-3": _entry("incremental, rate 0.001", partial(Incremental.at, 1e-3)),
    "incremental-1e-4": _entry("incremental, rate 0.0001", partial(Incremental.at, 1e-4)),
    "incremental-1e-5": _entry("incremental, rate 0.00001 (public code's)", partial(Incremental.at, 1e-5)),
    "influence": _entry("group influence", GroupInfluence),
    "influence-lissa": _entry("group influence, LiSSA", partial(GroupInfluence, dampings=(0.01,), inverse=ByLissa())),
    "influence-reference": _entry("group influence (public code)", lambda _, seed: ReferenceInfluence(seed)),
    "influence-reference-25": _entry(
        "group influence (public code, MNIST)", lambda _, seed: ReferenceInfluence(seed, scale=25.0)
    ),
    "influence-reference-1000": _entry(
        "group influence (public code, CIFAR-10)", lambda _, seed: ReferenceInfluence(seed, depth=1000)
    ),
    "influence-second": _entry("group influence, second order", SecondOrderInfluence),
    "newton": _entry("Newton step, last layer", LastLayerNewton),
    "fisher": _entry("Fisher forgetting", lambda _, seed: FisherForgetting(seed)),
    "dampening": _entry("selective synaptic dampening", SelectiveDampening),
    "gradient-ascent": _entry("gradient ascent", GradientAscent),
    "neggrad+": _entry("NegGrad+", NegGradPlus),
    "random-labels": _entry("random labels", RandomLabels),
    "salun": _entry("SalUn", SalUn),
    "scrub": _entry("SCRUB", Scrub),
    "bad-teacher": _anew("bad teacher", BadTeacher),
    "prune": _entry("pruned, then fine-tuned", PruneFinetune),
    "l1-sparse": _entry("l1-sparse", L1Sparse),
    "eu-k": _anew("EU-2: last two layers anew", ExactLastLayers),
    "cf-k": _entry("CF-2: last two layers go on", CatastrophicLastLayers),
}


def deletion_named(name: str, recipe: Recipe, seed: int, make: Make | None = None) -> Deletion:
    """The method of this name.

    Args:
        name: an entry of `DELETIONS`, or ``package.module:callable``: code of the user's, called as ``callable(model,
            data, forget)``.
        recipe: how the network was trained.
        seed: of what the method draws.
        make: a new network of the same architecture, by seed; None: a copy, every layer reset.

    Raises:
        ValueError: there is none, with the nearest name; or the user's cannot be imported.
    """
    if is_user_name(name):
        return user_function(name, "deletion method")
    if name not in DELETIONS:
        raise ValueError(f"there is no deletion method {name!r}. {did_you_mean(name, DELETIONS)}")
    return DELETIONS[name].make(recipe, seed, make)
