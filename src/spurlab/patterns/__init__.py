"""Marks, and planting them in training examples."""

from spurlab.patterns.image import Box, Family, Noise, Pattern
from spurlab.patterns.mark import Mark, MarkLike, marked, marked_rows, pattern_title
from spurlab.patterns.planting import Common, How, Planted, Planting, Rare, plant
from spurlab.patterns.reference import (
    REFERENCE_DATASETS,
    REFERENCE_PATTERNS,
    ReferenceDataset,
    parse_reference_dataset,
)
from spurlab.patterns.signal import ClassBlocks
from spurlab.patterns.table import MARKS, common_named, make_pattern, mark_names, pattern_name

__all__ = [
    "MARKS",
    "REFERENCE_DATASETS",
    "REFERENCE_PATTERNS",
    "Box",
    "ClassBlocks",
    "Common",
    "Family",
    "How",
    "Mark",
    "MarkLike",
    "Noise",
    "Pattern",
    "Planted",
    "Planting",
    "Rare",
    "ReferenceDataset",
    "common_named",
    "make_pattern",
    "mark_names",
    "marked",
    "marked_rows",
    "parse_reference_dataset",
    "pattern_name",
    "pattern_title",
    "plant",
]
