"""Figures from numbers: legible in print and on screen, for colour-blind readers too."""

from collections.abc import Callable

from matplotlib.figure import Figure

from spurlab.report.figures import (
    accuracy,
    bars,
    deletion,
    embedding,
    gallery,
    importance,
    norm,
    parameters,
    regularization,
    repairs,
    reweighting,
    scores,
    sensitivity,
    signals,
    strips,
)
from spurlab.report.figures.embedding import embedding_figure
from spurlab.report.figures.gallery import pattern_gallery
from spurlab.report.figures.saliency import saliency_figure
from spurlab.report.figures.scores import score_figure
from spurlab.report.figures.signals import signals_figure
from spurlab.report.figures.strips import strips_figure
from spurlab.report.figures.style import describe, save_figure, sentence, spoken, style
from spurlab.studies import Study, StudyResult, only_read

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
    "signals": signals.draw,
    "embeddings": embedding.draw,
    "saliency": strips.draw,
}

__all__ = [
    "FIGURES",
    "describe",
    "embedding_figure",
    "figure_endings",
    "pattern_gallery",
    "saliency_figure",
    "save_figure",
    "score_figure",
    "signals_figure",
    "spoken",
    "strips_figure",
    "study_figure",
    "study_figures",
]


def study_figure(result: StudyResult, kind: str | None = None) -> Figure:
    """One figure of the study. Where nothing was measured for it, it says so.

    Args:
        result: the study and its rows.
        kind: a name of `FIGURES`; None: the study's main figure.

    Raises:
        ValueError: a figure that there is not.
    """
    kind = kind or result.study.main_figure
    if kind not in FIGURES:
        raise ValueError(f"there is no figure {kind!r}. There are: {', '.join(FIGURES)}.")
    with style(), only_read(result.study):
        if result.rows.empty:
            return sentence(result.study.title, "Nothing has been measured yet.")
        return FIGURES[kind](result)


def study_figures(result: StudyResult) -> dict[str, Figure]:
    """All figures that the study asks for, the main one first, by what follows its stem in their files' names.

    Raises:
        ValueError: a figure that there is not.
    """
    kinds = result.study.figure
    return {end: study_figure(result, kind) for end, kind in zip(figure_endings(result.study), kinds, strict=True)}


def figure_endings(study: Study) -> list[str]:
    """What follows the study's stem in the file names of its figures: nothing for the main one, else ``-KIND``."""
    return ["", *(f"-{kind}" for kind in study.figure[1:])]
