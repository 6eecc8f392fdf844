"""An audit of a trained network and its data: does it go by this mark, which examples teach it, who is served worst."""

from spurlab.audit.auditing import audit as audit
from spurlab.audit.findings import Audit as Audit
from spurlab.audit.given import CheckOnOne as CheckOnOne
from spurlab.audit.looks import Look as Look
from spurlab.audit.pull import Pull as Pull
from spurlab.audit.pull import pull as pull
from spurlab.audit.repair import Repaired as Repaired
from spurlab.audit.repair import repaired as repaired
from spurlab.audit.served import Fit as Fit
from spurlab.audit.served import Served as Served
from spurlab.audit.suspects import Suspect as Suspect
from spurlab.audit.unknown import Unknown as Unknown
