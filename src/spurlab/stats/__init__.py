"""Shares of networks and means over them. The unit that was repeated is the trained network."""

from spurlab.stats.betting import mean_between as mean_between
from spurlab.stats.components import Components as Components
from spurlab.stats.components import variance_components as variance_components
from spurlab.stats.corrections import holm as holm
from spurlab.stats.corrections import largest_of_all as largest_of_all
from spurlab.stats.correlation import Correlation as Correlation
from spurlab.stats.correlation import pearson as pearson
from spurlab.stats.estimate import Estimate as Estimate
from spurlab.stats.estimate import mean_of as mean_of
from spurlab.stats.gap import Ratio as Ratio
from spurlab.stats.gap import gap_closed as gap_closed
from spurlab.stats.learnt import Learnt as Learnt
from spurlab.stats.learnt import learnt_at as learnt_at
from spurlab.stats.looks import Looks as Looks
from spurlab.stats.margin import SCORE_MARGIN as SCORE_MARGIN
from spurlab.stats.null import null_rank as null_rank
from spurlab.stats.paired import paired_difference as paired_difference
from spurlab.stats.search import asked_next as asked_next
from spurlab.stats.shares import Share as Share
from spurlab.stats.shares import above as above
from spurlab.stats.shares import networks_needed as networks_needed
from spurlab.stats.shares import risen as risen
