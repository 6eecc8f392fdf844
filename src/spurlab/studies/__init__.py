"""Studies: a TOML file in, rows out."""

from spurlab.studies.grid import Cell, Training, cells_of, trainings_of
from spurlab.studies.rows import claim_folder, frame, write_rows
from spurlab.studies.run import Row, pattern_of, planted, run
from spurlab.studies.study import PROFILES, RecipeSettings, Study, StudyError, load_study, shipped

__all__ = [
    "PROFILES",
    "Cell",
    "RecipeSettings",
    "Row",
    "Study",
    "StudyError",
    "Training",
    "cells_of",
    "claim_folder",
    "frame",
    "load_study",
    "pattern_of",
    "planted",
    "run",
    "shipped",
    "trainings_of",
    "write_rows",
]
