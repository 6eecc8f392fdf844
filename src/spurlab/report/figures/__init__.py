"""Figures from numbers: legible in print and on screen, for colour-blind readers too."""

from collections.abc import Callable

from matplotlib.figure import Figure

from spurlab.report.figures import (
    accuracy,
    bars,
    deletion,
    gallery,
    importance,
    norm,
    parameters,
    regularization,
    repairs,
    reweighting,
    scores,
    sensitivity,
)
from spurlab.report.figures.embedding import embedding_figure
from spurlab.report.figures.gallery import pattern_gallery
from spurlab.report.figures.saliency import saliency_figure
from spurlab.report.figures.scores import score_figure
from spurlab.report.figures.signals import signals_figure
from spurlab.report.figures.strips import strips_figure
from spurlab.report.figures.style import describe, save_figure, sentence, spoken, style
from spurlab.studies import StudyResult

# A new figure is one file and one line here; studies name it by its key.
FIGURES: dict[str, Callable[[StudyResult], Figure]] = {
    "gallery": gallery.draw,
    "parameters": parameters.draw,
    "scores": scores.draw,
    "accuracy": accuracy.draw,
    "norm": norm.draw,
    "importance": importance.draw,
    "bars": bars.draw,
    "regularization": regularization.draw,
    "sensitivity": sensitivity.draw,
    "deletion": deletion.draw,
    "deletion-curves": deletion.draw_curves,
    "repairs": repairs.draw,
    "reweighting": reweighting.draw,
}

__all__ = [
    "FIGURES",
    "describe",
    "embedding_figure",
    "pattern_gallery",
    "saliency_figure",
    "save_figure",
    "score_figure",
    "signals_figure",
    "spoken",
    "strips_figure",
    "study_figure",
]


def study_figure(result: StudyResult) -> Figure:
    """The figure that the study asks for. Where nothing was measured for it, it says so.

    Raises:
        ValueError: a figure that there is not.
    """
    if result.study.figure not in FIGURES:
        raise ValueError(f"there is no figure {result.study.figure!r}. There are: {', '.join(FIGURES)}.")
    with style():
        if result.rows.empty:
            return sentence(result.study.title, "Nothing has been measured yet.")
        return FIGURES[result.study.figure](result)
