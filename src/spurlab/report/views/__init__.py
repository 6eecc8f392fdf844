"""The questions that a study's rows can be asked, one file each: numbers, table, figure, answer."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.figure import Figure

from spurlab.errors import InputError, did_you_mean
from spurlab.plugins import Extensible, PluginError, of_type
from spurlab.report.sheet import Sheet
from spurlab.report.style import sentence, style
from spurlab.report.view import NotDrawnError, OnlyReadError, View, about
from spurlab.report.views import (
    accuracy,
    bars,
    deletion,
    deletion_curves,
    dp,
    draws,
    embeddings,
    exposure,
    exposure_factors,
    extraction,
    gallery,
    importance,
    law,
    membership,
    norm,
    parameters,
    regularization,
    repairs,
    reweighting,
    saliency,
    scores,
    sensitivity,
    signals,
)
from spurlab.studies import Study, StudyError, StudyResult, only_read

# A new view is one file and one line here; studies name it as their `figure`.
VIEWS: Extensible[str, View[Any]] = Extensible(
    "views",
    {
        "gallery": gallery.VIEW,
        "parameters": parameters.VIEW,
        "scores": scores.VIEW,
        "accuracy": accuracy.VIEW,
        "norm": norm.VIEW,
        "importance": importance.VIEW,
        "bars": bars.VIEW,
        "draws": draws.VIEW,
        "regularization": regularization.VIEW,
        "sensitivity": sensitivity.VIEW,
        "law": law.VIEW,
        "deletion": deletion.VIEW,
        "deletion-curves": deletion_curves.VIEW,
        "exposure": exposure.VIEW,
        "exposure-factors": exposure_factors.VIEW,
        "membership": membership.VIEW,
        "extraction": extraction.VIEW,
        "dp": dp.VIEW,
        "repairs": repairs.VIEW,
        "reweighting": reweighting.VIEW,
        "signals": signals.VIEW,
        "embeddings": embeddings.VIEW,
        "saliency": saliency.VIEW,
    },
    of_type(View, "name"),
)
NOTHING = "Nothing has been measured yet."
SHOWN_BY = {"deletion": "deletion", "prevention": "repairs"}  # what is done to networks, and the view that has it
log = logging.getLogger(__name__)
_KEPT: ContextVar[dict[tuple[int, int], tuple[StudyResult, Any]] | None] = ContextVar("numbers of views", default=None)


@contextmanager
def numbers_kept() -> Iterator[None]:
    """Meanwhile each view makes its numbers of a study once; its files must stay as they are."""
    before = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(before)


def _shape(view: View[Any], result: StudyResult) -> Any:
    """The numbers of a view."""
    kept, place = _KEPT.get(), (id(view), id(result))
    if kept is None:
        return view.shape(result)
    if place not in kept:
        kept[place] = result, view.shape(result)  # the result is kept too, or another could get its id
    return kept[place][1]


def check(study: Study) -> Study:
    """The study, if every figure that it asks for can be drawn from what it measures.

    Of a study that is read from a folder, figures that there are not are left to who draws them: they may be a
    plug-in's, and those are not used then. Where deletions or preventions are measured and no figure has them, the log
    says which would.

    Raises:
        StudyError: there is no such figure, or it cannot do without another measure.
    """
    for name in study.figure:
        view = _view(study, name)
        if view is None and not study.typed:
            continue
        if view is None:
            *names, last = map(repr, VIEWS)
            near = did_you_mean(name, VIEWS)
            raise StudyError(
                f"{study.where}: key 'figure': must be {', '.join(names)} or {last}, but it is {name!r}."
                f"{f' {near}' if near.startswith('Did') else ''}"
            )
        if lacking := [measure for measure in view.measures if measure not in study.measure]:
            raise StudyError(
                f"{study.where}: key 'figure': {name!r} shows the measure {lacking[0]!r}, which is not in 'measure'."
            )
    if study.typed and set(study.figure) == {"scores"}:
        for axis in filter(study.axis, SHOWN_BY):
            log.warning(
                "%s: the figure 'scores' leaves out the key %r; --set figure=%s shows it.",
                *(study.where, axis, SHOWN_BY[axis]),
            )
    return study


def _view(study: Study, name: str) -> View[Any] | None:
    """The view of this name; None where there is none. One of a plug-in is used only for who runs the study.

    Raises:
        PluginError: the study is run, and the plug-in cannot be used.
    """
    with only_read(study):
        try:
            return VIEWS.get(name)
        except PluginError:
            if study.typed:
                raise
            return None


def answer(result: StudyResult) -> list[str]:
    """The answer, a sentence for each case; says so where nothing was measured."""
    if result.rows.empty:
        return [NOTHING]
    return _told(result, lambda view: view.answer) or ["The rows do not answer this."]


def brief(result: StudyResult) -> str:
    """The answer in one sentence.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(narrowed(load_study("table2"), ["architecture=['mlp', 'cnn']"]), Path(folder), workers=0)
    >>> brief(result)
    'From 312,202 to 335,114 trainable parameters.'
    """
    if result.rows.empty:
        return NOTHING
    view = _main(result)
    if view and view.brief:
        with only_read(result.study):
            if words := view.brief(_shape(view, result)):
                return words
    return answer(result)[0]


def glance(result: StudyResult) -> Figure:
    """A small figure to see the answer at; the main one where the view has no other."""
    view = _view(result.study, result.study.main_figure)
    if result.rows.empty or view is None or view.glance is None:
        return study_figure(result)
    with style(), only_read(result.study):
        try:
            return view.glance(_shape(view, result), about(result))
        except NotDrawnError as error:
            return sentence(result.study.title, str(error))


def tally(result: StudyResult) -> dict[str, int]:
    """How often each verdict of the main view came out; empty where it has none."""
    view = _main(result)
    with only_read(result.study):
        return view.tally(_shape(view, result)) if view and view.tally and not result.rows.empty else {}


def leads(result: StudyResult) -> bool:
    """Whether the study asks what a folder is about."""
    return bool((view := _main(result)) and view.leads)


def study_sheets(result: StudyResult, *, terminal: bool = False) -> list[Sheet]:
    """The tables that suit the study, or a terminal if a view has others for it; those without lines are left out."""
    if result.rows.empty:
        return []
    sheets: list[Sheet] = _told(result, lambda view: (terminal and view.terminal) or view.sheets)
    return [sheet for sheet in sheets if sheet.lines]


def _told(result: StudyResult, how: Callable[[View[Any]], Callable[[Any], list[Any]] | None]) -> list[Any]:
    """What the main view tells, or the one that tells the numbers for it."""
    view = _main(result)
    tell = view and how(view)
    with only_read(result.study):
        return tell(_shape(view, result)) if view and tell else []


def _main(result: StudyResult) -> View[Any] | None:
    main = _view(result.study, result.study.main_figure)
    return main and (main.numbers or main)


def study_figure(result: StudyResult, kind: str | None = None) -> Figure:
    """One figure of a study. Where nothing was measured for it, it says so.

    Args:
        result: the study and its rows.
        kind: a name in `VIEWS`; None: the study's main figure.

    Raises:
        StudyError: the study asks for a figure that there is not, or without a measure that it shows.
        ValueError: there is no figure `kind`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(narrowed(load_study("table2"), ["architecture=['mlp', 'cnn']"]), Path(folder), workers=0)
    >>> [label.get_text() for label in study_figure(result).axes[0].get_yticklabels()]
    ['MLP', 'CNN']
    """
    name = kind or check(result.study).main_figure
    if kind is not None and _view(result.study, kind) is None:
        raise InputError(f"there is no figure {name!r}. There are: {', '.join(VIEWS)}.")
    try:
        return drawn(result, name)
    except OnlyReadError as error:
        return sentence(result.study.title, str(error))


def study_figures(result: StudyResult) -> dict[str, Figure]:
    """All figures that the study asks for, the main one first, by what follows its stem in their files' names.

    Raises:
        StudyError: it asks for a figure that there is not, or without a measure that it shows.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(narrowed(load_study("table2"), ["architecture=['mlp', 'cnn']"]), Path(folder), workers=0)
    >>> list(study_figures(result))  # the main figure alone
    ['']
    """
    endings = figure_endings(check(result.study))
    return {end: study_figure(result, name) for end, name in zip(endings, result.study.figure, strict=True)}


def drawn(result: StudyResult, name: str) -> Figure:
    """One figure.

    Raises:
        OnlyReadError: it needs code or data that only who runs the study may use.
    """
    if (view := _view(result.study, name)) is None:
        raise OnlyReadError(
            f"The figure {name!r} is none of Spurlab's own: it is of a plug-in or of another version. Plug-ins are not "
            "used to read results, unless --plugins asks for it."
        )
    with style(), only_read(result.study):
        if result.rows.empty:
            return sentence(result.study.title, NOTHING)
        try:
            return view.figure(_shape(view, result), about(result))
        except OnlyReadError:
            raise
        except NotDrawnError as error:
            return sentence(result.study.title, str(error))


def docs_table() -> str:
    """All views, as a table in Markdown: what studies call them, the question, the measures that they need."""
    lines = ["| figure | the question | measures that it needs |", "|---|---|---|"]
    for view in VIEWS.values():
        lines.append(f"| `{view.name}` | {view.title} | {', '.join(f'`{name}`' for name in view.measures) or '-'} |")
    return "\n".join(lines) + "\n"


def figure_endings(study: Study) -> list[str]:
    """What follows the study's stem in the file names of its figures: nothing for the main one, else ``-KIND``."""
    return ["", *(f"-{name}" for name in study.figure[1:])]
