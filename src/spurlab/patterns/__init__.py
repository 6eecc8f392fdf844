"""Patterns, and planting them in training examples."""

from spurlab.patterns.pattern import PATTERNS, Box, Family, Noise, Pattern, make_pattern, pattern_name
from spurlab.patterns.plant import How, Planted, plant
from spurlab.patterns.reference import (
    REFERENCE_DATASETS,
    REFERENCE_PATTERNS,
    ReferenceDataset,
    parse_reference_dataset,
)

__all__ = [
    "PATTERNS",
    "REFERENCE_DATASETS",
    "REFERENCE_PATTERNS",
    "Box",
    "Family",
    "How",
    "Noise",
    "Pattern",
    "Planted",
    "ReferenceDataset",
    "make_pattern",
    "parse_reference_dataset",
    "pattern_name",
    "plant",
]
