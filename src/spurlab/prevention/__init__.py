"""Prevention: methods that keep a network from relying on a spurious feature, or repair its last layer."""

from spurlab.prevention.afr import Afr as Afr
from spurlab.prevention.afr import AfrWeights as AfrWeights
from spurlab.prevention.afr import afr_weights as afr_weights
from spurlab.prevention.balancing import Reweighting as Reweighting
from spurlab.prevention.balancing import Subsampling as Subsampling
from spurlab.prevention.clean_only import CleanOnly as CleanOnly
from spurlab.prevention.dfr import Dfr as Dfr
from spurlab.prevention.dp_sgd import DpSgd as DpSgd
from spurlab.prevention.dp_sgd import Guarantee as Guarantee
from spurlab.prevention.dp_sgd import guarantee_of as guarantee_of
from spurlab.prevention.erm import Erm as Erm
from spurlab.prevention.group_dro import GroupDro as GroupDro
from spurlab.prevention.irm import Irm as Irm
from spurlab.prevention.jtt import Jtt as Jtt
from spurlab.prevention.lff import Lff as Lff
from spurlab.prevention.method import Prevention as Prevention
from spurlab.prevention.mixup import Mixup as Mixup
from spurlab.prevention.table import PREVENTIONS as PREVENTIONS
from spurlab.prevention.table import canonical_name as canonical_name
from spurlab.prevention.table import prevention_named as prevention_named
from spurlab.prevention.table import settings_of as settings_of
from spurlab.prevention.table import title_of as title_of
from spurlab.prevention.table import trains as trains
from spurlab.prevention.worst_group import best_by_worst_group as best_by_worst_group
