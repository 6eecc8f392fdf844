"""Reports: rows in, tables and figures out."""

from spurlab.report.figures import pattern_gallery, save_figure, score_figure, study_figure
from spurlab.report.summary import Curve, Point, curves
from spurlab.report.tables import curve_table, verdict_of

__all__ = [
    "Curve",
    "Point",
    "curve_table",
    "curves",
    "pattern_gallery",
    "save_figure",
    "score_figure",
    "study_figure",
    "verdict_of",
]
