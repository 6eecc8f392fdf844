"""Data deletion: methods that make a trained network forget some of its training examples, and the check of them."""

from typing import Any

import spurlab
from spurlab.deletion.bad_teacher import BadTeacher
from spurlab.deletion.dampening import SelectiveDampening
from spurlab.deletion.fisher import FisherForgetting
from spurlab.deletion.gradient_ascent import GradientAscent
from spurlab.deletion.incremental import Incremental
from spurlab.deletion.influence import GroupInfluence
from spurlab.deletion.inverse import ByConjugateGradient, ByLissa
from spurlab.deletion.l1_sparse import L1Sparse
from spurlab.deletion.last_layer_newton import LastLayerNewton
from spurlab.deletion.last_layers import CatastrophicLastLayers, ExactLastLayers
from spurlab.deletion.method import Deletion, forget_mask
from spurlab.deletion.neggrad_plus import NegGradPlus
from spurlab.deletion.prune import PruneFinetune
from spurlab.deletion.random_labels import RandomLabels
from spurlab.deletion.reference_influence import ReferenceInfluence
from spurlab.deletion.retrain import Retrain
from spurlab.deletion.salun import SalUn
from spurlab.deletion.scrub import Scrub
from spurlab.deletion.second_order import SecondOrderInfluence
from spurlab.deletion.sisa import Sharded, Sisa
from spurlab.deletion.table import DELETIONS, deletion_named
from spurlab.deletion.verdict import Judged, Verdict, verdict
from spurlab.methods import retraining_seconds

__all__ = [
    "DELETIONS",
    "BadTeacher",
    "ByConjugateGradient",
    "ByLissa",
    "CatastrophicLastLayers",
    "Check",
    "Deletion",
    "ExactLastLayers",
    "FisherForgetting",
    "GradientAscent",
    "GroupInfluence",
    "Incremental",
    "Judged",
    "L1Sparse",
    "LastLayerNewton",
    "NegGradPlus",
    "Prepared",
    "PruneFinetune",
    "RandomLabels",
    "ReferenceInfluence",
    "Retrain",
    "SalUn",
    "Scrub",
    "SecondOrderInfluence",
    "SelectiveDampening",
    "Sharded",
    "Sisa",
    "Verdict",
    "check",
    "deletion_named",
    "forget_mask",
    "prepare",
    "retraining_seconds",
    "verdict",
]


def __getattr__(name: str) -> Any:
    """The check is `spurlab.check`, in a room above this one, which is imported when it is first asked for here."""
    if name in ("Check", "Prepared", "check", "prepare"):
        return getattr(spurlab, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
