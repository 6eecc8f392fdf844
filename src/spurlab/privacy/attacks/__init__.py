"""Attacks: is an example in the training set of a network? One file each, arithmetic on margins."""

from spurlab.privacy.attacks.attack import Attack as Attack
from spurlab.privacy.attacks.base import Base as Base
from spurlab.privacy.attacks.global_threshold import GlobalThreshold as GlobalThreshold
from spurlab.privacy.attacks.lira import Lira as Lira
from spurlab.privacy.attacks.lira import OfflineLira as OfflineLira
from spurlab.privacy.attacks.loss import Loss as Loss
from spurlab.privacy.attacks.qmia import Qmia as Qmia
from spurlab.privacy.attacks.rmia import Rmia as Rmia
from spurlab.privacy.attacks.sorted_logits import Accuracies as Accuracies
from spurlab.privacy.attacks.sorted_logits import SortedLogits as SortedLogits
from spurlab.privacy.attacks.table import ATTACKS as ATTACKS
from spurlab.privacy.attacks.table import attack_named as attack_named
from spurlab.privacy.attacks.table import scores_of as scores_of
from spurlab.privacy.attacks.z_score import ZScore as ZScore
