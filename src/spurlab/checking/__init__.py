"""The check of a data deletion method against networks that never saw what it should forget: a study in memory."""

from spurlab.checking.checks import Check as Check
from spurlab.checking.checks import Checked as Checked
from spurlab.checking.checks import check as check
from spurlab.checking.prepared import Prepared as Prepared
from spurlab.checking.prepared import prepare as prepare
