"""Patterns, and planting them in training examples."""

from spurlab.patterns.signal import COMMON, ClassBlocks, common_named
from spurlab.patterns.mark import Mark, marked, pattern_title
from spurlab.patterns.image import PATTERNS, Box, Family, Noise, Pattern, make_pattern, pattern_name
from spurlab.patterns.planting import How, Planted, plant
from spurlab.patterns.reference import (
    REFERENCE_DATASETS,
    REFERENCE_PATTERNS,
    ReferenceDataset,
    parse_reference_dataset,
)

__all__ = [
    "COMMON",
    "PATTERNS",
    "REFERENCE_DATASETS",
    "REFERENCE_PATTERNS",
    "Box",
    "ClassBlocks",
    "Family",
    "How",
    "Mark",
    "Noise",
    "Pattern",
    "Planted",
    "ReferenceDataset",
    "common_named",
    "make_pattern",
    "marked",
    "parse_reference_dataset",
    "pattern_name",
    "pattern_title",
    "plant",
]
