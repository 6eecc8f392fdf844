"""Reports: rows in, tables, figures and one page out."""

from spurlab.report.audit_page import write_audit as write_audit
from spurlab.report.curves import Curve as Curve
from spurlab.report.curves import Point as Point
from spurlab.report.curves import curves as curves
from spurlab.report.curves import verdict_of as verdict_of
from spurlab.report.groups import Group as Group
from spurlab.report.groups import groups as groups
from spurlab.report.page import file_names as file_names
from spurlab.report.page import file_stem as file_stem
from spurlab.report.page import write_report as write_report
from spurlab.report.saliency_maps import saliency_figure as saliency_figure
from spurlab.report.style import save_figure as save_figure
from spurlab.report.tables import claims_table as claims_table
from spurlab.report.tables import curve_table as curve_table
from spurlab.report.tables import study_tables as study_tables
from spurlab.report.views import VIEWS as VIEWS
from spurlab.report.views import brief as brief
from spurlab.report.views import check as check
from spurlab.report.views import study_figure as study_figure
from spurlab.report.views import study_figures as study_figures
from spurlab.report.views.embeddings import embedding_figure as embedding_figure
from spurlab.report.views.gallery import pattern_gallery as pattern_gallery
from spurlab.report.views.saliency import strips_figure as strips_figure
from spurlab.report.views.scores import score_figure as score_figure
from spurlab.report.views.signals import signals_figure as signals_figure
