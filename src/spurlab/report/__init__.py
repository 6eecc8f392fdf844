"""Reports: rows in, tables, figures and one page out."""

from spurlab.report.curves import Curve, Point, curves, verdict_of
from spurlab.report.groups import Group, groups
from spurlab.report.page import file_names, file_stem, write_report
from spurlab.report.saliency_maps import saliency_figure
from spurlab.report.style import save_figure
from spurlab.report.tables import claims_table, curve_table, study_tables
from spurlab.report.views import VIEWS, check, study_figure, study_figures
from spurlab.report.views.embeddings import embedding_figure
from spurlab.report.views.gallery import pattern_gallery
from spurlab.report.views.saliency import strips_figure
from spurlab.report.views.scores import score_figure
from spurlab.report.views.signals import signals_figure

__all__ = [
    "VIEWS",
    "Curve",
    "Group",
    "Point",
    "check",
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
