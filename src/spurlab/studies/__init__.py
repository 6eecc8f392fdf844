"""Studies: a TOML file in, rows out."""

from spurlab.studies.grid import Cell, Training, cells_of, trainings_of
from spurlab.studies.rows import claim_folder, frame, write_rows
from spurlab.studies.run import Row, check_grid, pattern_of, planted, run
from spurlab.studies.study import RecipeSettings, Study, StudyError, load_study, shipped

__all__ = [
    "Cell",
    "RecipeSettings",
    "Row",
    "Study",
    "StudyError",
    "Training",
    "cells_of",
    "check_grid",
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
