"""Who is exposed: membership inference as arithmetic on the margins of many networks."""

from spurlab.privacy.attacks import ATTACKS as ATTACKS
from spurlab.privacy.attacks import Attack as Attack
from spurlab.privacy.attacks import attack_named as attack_named
from spurlab.privacy.attacks import scores_of as scores_of
from spurlab.privacy.audited_epsilon import AuditedEpsilon as AuditedEpsilon
from spurlab.privacy.audited_epsilon import audited_epsilon as audited_epsilon
from spurlab.privacy.audited_epsilon import ceiling as ceiling
from spurlab.privacy.audited_epsilon import epsilon_at as epsilon_at
from spurlab.privacy.audited_epsilon import threshold_of as threshold_of
from spurlab.privacy.groups import group_members as group_members
from spurlab.privacy.groups import group_scores as group_scores
from spurlab.privacy.halves import Halves as Halves
from spurlab.privacy.halves import halves as halves
from spurlab.privacy.margins import Attacked as Attacked
from spurlab.privacy.margins import Margins as Margins
from spurlab.privacy.margins import margins_of as margins_of
from spurlab.privacy.presence import Presence as Presence
from spurlab.privacy.presence import answers as answers
from spurlab.privacy.presence import presence as presence
from spurlab.privacy.roc import Area as Area
from spurlab.privacy.roc import Operating as Operating
from spurlab.privacy.roc import Rate as Rate
from spurlab.privacy.roc import Roc as Roc
from spurlab.privacy.roc import auc as auc
from spurlab.privacy.roc import roc as roc
from spurlab.privacy.roc import tpr_at as tpr_at
