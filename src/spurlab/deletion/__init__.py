"""Data deletion: methods that make a trained network forget some of its training examples, and the check of them."""

from typing import Any

import spurlab
from spurlab.deletion.bad_teacher import BadTeacher as BadTeacher
from spurlab.deletion.dampening import SelectiveDampening as SelectiveDampening
from spurlab.deletion.ekfac import ByEkfac as ByEkfac
from spurlab.deletion.fisher import FisherForgetting as FisherForgetting
from spurlab.deletion.gradient_ascent import GradientAscent as GradientAscent
from spurlab.deletion.incremental import Incremental as Incremental
from spurlab.deletion.influence import GroupInfluence as GroupInfluence
from spurlab.deletion.influence import SecondOrderInfluence as SecondOrderInfluence
from spurlab.deletion.inverse import ByConjugateGradient as ByConjugateGradient
from spurlab.deletion.inverse import ByLissa as ByLissa
from spurlab.deletion.l1_sparse import L1Sparse as L1Sparse
from spurlab.deletion.last_layer_newton import LastLayerNewton as LastLayerNewton
from spurlab.deletion.last_layers import CatastrophicLastLayers as CatastrophicLastLayers
from spurlab.deletion.last_layers import ExactLastLayers as ExactLastLayers
from spurlab.deletion.method import Deletion as Deletion
from spurlab.deletion.method import forget_mask as forget_mask
from spurlab.deletion.neggrad_plus import NegGradPlus as NegGradPlus
from spurlab.deletion.prune import PruneFinetune as PruneFinetune
from spurlab.deletion.random_labels import RandomLabels as RandomLabels
from spurlab.deletion.reference_influence import ReferenceInfluence as ReferenceInfluence
from spurlab.deletion.retrain import Retrain as Retrain
from spurlab.deletion.salun import SalUn as SalUn
from spurlab.deletion.scrub import Scrub as Scrub
from spurlab.deletion.single import VerdictOnOne as VerdictOnOne
from spurlab.deletion.single import verdict_on_one as verdict_on_one
from spurlab.deletion.sisa import Sharded as Sharded
from spurlab.deletion.sisa import Sisa as Sisa
from spurlab.deletion.table import DELETIONS as DELETIONS
from spurlab.deletion.table import deletion_named as deletion_named
from spurlab.deletion.verdict import Count as Count
from spurlab.deletion.verdict import Judged as Judged
from spurlab.deletion.verdict import Verdict as Verdict
from spurlab.deletion.verdict import verdict as verdict
from spurlab.methods import retraining_seconds as retraining_seconds


def __getattr__(name: str) -> Any:
    """The check is `spurlab.check`, in a room above this one, which is imported when it is first asked for here."""
    if name in ("Check", "Prepared", "check", "prepare"):
        return getattr(spurlab, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
