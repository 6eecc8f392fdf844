"""Marks, and planting them in training examples."""

from spurlab.patterns.image import Box as Box
from spurlab.patterns.image import Family as Family
from spurlab.patterns.image import Noise as Noise
from spurlab.patterns.image import Pattern as Pattern
from spurlab.patterns.mark import Mark as Mark
from spurlab.patterns.mark import MarkLike as MarkLike
from spurlab.patterns.mark import marked as marked
from spurlab.patterns.mark import marked_all as marked_all
from spurlab.patterns.mark import marked_rows as marked_rows
from spurlab.patterns.mark import pattern_title as pattern_title
from spurlab.patterns.planting import Common as Common
from spurlab.patterns.planting import How as How
from spurlab.patterns.planting import Planted as Planted
from spurlab.patterns.planting import Planting as Planting
from spurlab.patterns.planting import Rare as Rare
from spurlab.patterns.planting import plant as plant
from spurlab.patterns.reference import REFERENCE_DATASETS as REFERENCE_DATASETS
from spurlab.patterns.reference import REFERENCE_PATTERNS as REFERENCE_PATTERNS
from spurlab.patterns.reference import ReferenceDataset as ReferenceDataset
from spurlab.patterns.reference import parse_reference_dataset as parse_reference_dataset
from spurlab.patterns.signal import ClassBlocks as ClassBlocks
from spurlab.patterns.table import MARKS as MARKS
from spurlab.patterns.table import make_mark as make_mark
from spurlab.patterns.table import make_pattern as make_pattern
from spurlab.patterns.table import mark_names as mark_names
from spurlab.patterns.table import pattern_name as pattern_name
