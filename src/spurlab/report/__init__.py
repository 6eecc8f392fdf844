"""Reports: rows in, tables, figures and one page out."""

from spurlab.report.figures import (
    FIGURES,
    embedding_figure,
    pattern_gallery,
    saliency_figure,
    save_figure,
    score_figure,
    signals_figure,
    strips_figure,
    study_figure,
    study_figures,
)
from spurlab.report.page import file_names, file_stem, write_report
from spurlab.report.sheets import verdict_of
from spurlab.report.summary import Curve, Group, Point, curves, groups
from spurlab.report.tables import claims_table, curve_table, study_tables

__all__ = [
    "FIGURES",
    "Curve",
    "Group",
    "Point",
    "claims_table",
    "curve_table",
    "curves",
    "embedding_figure",
    "file_names",
    "file_stem",
    "groups",
    "pattern_gallery",
    "saliency_figure",
    "save_figure",
    "score_figure",
    "signals_figure",
    "strips_figure",
    "study_figure",
    "study_figures",
    "study_tables",
    "verdict_of",
    "write_report",
]
