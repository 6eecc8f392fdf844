"""Studies: a TOML file in; trainings and rows out."""

from spurlab.studies.cells import Cell, cells_of, trainings_of
from spurlab.studies.database import FolderError, StoreError
from spurlab.studies.errors import StudyError
from spurlab.studies.executors import EXECUTORS, Executor
from spurlab.studies.graph import Node, Setting, Train, Treat
from spurlab.studies.load import load_study, narrowed, shipped
from spurlab.studies.making import carried_out, perform
from spurlab.studies.plan import Plan, plan
from spurlab.studies.results import StudyResult, results_in, rows_of, studies_in, together
from spurlab.studies.run import StudyProgress, run
from spurlab.studies.store import Store
from spurlab.studies.study import Grid, Study, only_read
from spurlab.studies.task import Outcome, Task
from spurlab.studies.training_sets import pattern_of, planted
from spurlab.studies.work import Work, groups_of, work_of

__all__ = [
    "EXECUTORS",
    "Cell",
    "Executor",
    "FolderError",
    "Grid",
    "Node",
    "Outcome",
    "Plan",
    "Setting",
    "Store",
    "StoreError",
    "Study",
    "StudyError",
    "StudyProgress",
    "StudyResult",
    "Task",
    "Train",
    "Treat",
    "Work",
    "carried_out",
    "cells_of",
    "groups_of",
    "load_study",
    "narrowed",
    "only_read",
    "pattern_of",
    "perform",
    "plan",
    "planted",
    "results_in",
    "rows_of",
    "run",
    "shipped",
    "studies_in",
    "together",
    "trainings_of",
    "work_of",
]
