"""Prevention: methods that keep a network from relying on a spurious feature, or repair its last layer."""

from spurlab.prevention.afr import Afr, AfrWeights, afr_weights
from spurlab.prevention.balancing import Reweighting, Subsampling
from spurlab.prevention.clean_only import CleanOnly
from spurlab.prevention.dfr import Dfr
from spurlab.prevention.erm import Erm
from spurlab.prevention.group_dro import GroupDro
from spurlab.prevention.irm import Irm
from spurlab.prevention.jtt import Jtt
from spurlab.prevention.lff import Lff
from spurlab.prevention.method import Prevention
from spurlab.prevention.mixup import Mixup
from spurlab.prevention.table import PREVENTIONS, canonical_name, prevention_named, settings_of, title_of, trains
from spurlab.prevention.worst_group import best_by_worst_group

__all__ = [
    "PREVENTIONS",
    "Afr",
    "AfrWeights",
    "CleanOnly",
    "Dfr",
    "Erm",
    "GroupDro",
    "Irm",
    "Jtt",
    "Lff",
    "Mixup",
    "Prevention",
    "Reweighting",
    "Subsampling",
    "afr_weights",
    "best_by_worst_group",
    "canonical_name",
    "prevention_named",
    "settings_of",
    "title_of",
    "trains",
]
