"""What the commands do, in Python: `spurlab.cli` parses, calls these and prints what they give."""

from spurlab.commands.auditing import audit_of as audit_of
from spurlab.commands.auditing import demo_in as demo_in
from spurlab.commands.listing import about_dataset as about_dataset
from spurlab.commands.listing import datasets as datasets
from spurlab.commands.listing import parameter_counts as parameter_counts
from spurlab.commands.listing import pattern_norms as pattern_norms
from spurlab.commands.running import Finished as Finished
from spurlab.commands.running import folder_of as folder_of
from spurlab.commands.running import run as run
from spurlab.commands.running import study_named as study_named
from spurlab.commands.running import verdicts_in as verdicts_in
from spurlab.commands.running import verdicts_on as verdicts_on
from spurlab.commands.running import write_page as write_page
