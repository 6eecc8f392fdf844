"""Do all marks follow one law? The spurious score against kappa = n s^2 / (N lambda), beside what theory expects."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from spurlab.models import architecture_title
from spurlab.notebook import short
from spurlab.report.groups import groups, in_words, varying
from spurlab.report.sheet import Number, Sheet, count_cell, number_cell, slim
from spurlab.report.style import COLOURS, MARKERS, panelled, share_axis
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult
from spurlab.studies.axes import METHODS

NEEDED = ("spurious_score", "kappa", "predicted_score")
FOLLOWS = 0.95  # the share of variance from which a rising curve is said to be one law
CLOSE = 0.02  # how near, on average, a prediction must be to be said to be met


@dataclass(frozen=True)
class Curve:
    """Networks of one kind and weight decay: one line each, of any mark and n > 0.

    Args:
        points: a row for each network: `NEEDED`, pattern, n and seed.
    """

    points: pd.DataFrame

    __repr__ = short

    @property
    def means(self) -> pd.DataFrame:
        """Over the seeds of each mark, target and n, by kappa."""
        return self.points.groupby(["pattern", "target", "n"])[list(NEEDED)].mean().sort_values("kappa")

    @property
    def explained(self) -> float:
        """The share of variance that a curve rising in kappa explains."""
        return _explained(self.means, self.means["kappa"])

    @property
    def unsquared(self) -> float:
        """The same of n s, a rival of n s^2: its square goes as n kappa at one weight decay."""
        return _explained(self.means, self.means.index.get_level_values("n") * self.means["kappa"])

    @property
    def off(self) -> "pd.Series[float]":
        """How far each score lies from its prediction."""
        return (self.points["spurious_score"] - self.points["predicted_score"]).abs()


def _explained(means: pd.DataFrame, at: "pd.Series[float]") -> float:
    """Of the means over seeds, the share of variance that a rising curve explains; NaN where none varies.

    The best curve of all that rise: isotonic regression, `sklearn.isotonic`, with weights 1. Means, since which
    examples are marked differs by the seed, and kappa does not know it.
    """
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415  # slow to import

    scores = means["spurious_score"].to_numpy()
    if len(scores) < 3 or np.ptp(scores) == 0:
        return math.nan
    rest = scores - IsotonicRegression().fit_transform(at.to_numpy(), scores)
    return 1 - float(np.square(rest).sum() / np.square(scores - scores.mean()).sum())


def _over_all(curves: Mapping[float, Curve]) -> float:
    """What one curve in kappa explains of the means at all weight decays together; NaN of a single one."""
    means = pd.concat([curve.means for curve in curves.values()])
    return _explained(means, means["kappa"]) if len(curves) > 1 else math.nan


Panels = dict[str, dict[float, Curve]]  # by kind of network, and weight decay


def shape(result: StudyResult) -> Panels:
    """By kind of network and weight decay, its networks with marked examples."""
    rows = result.rows[result.rows["measure"].isin(NEEDED) & (result.rows["n"] > 0)]
    for method in METHODS:  # of the networks as they were trained alone
        rows = rows[rows[method].isna()] if method in rows else rows
    if rows.empty:
        return {}
    others = [name for name in varying(rows) if name not in (*SAID, "weight_decay", "milestones")]
    panels: Panels = {}
    for group in groups(rows):
        wide = group.rows.pivot_table("value", ["pattern", "target", "n", "seed"], "measure").reset_index()
        if not set(NEEDED) <= set(wide):
            continue
        told = in_words({name: group.settings[name] for name in others})[: len(others)]
        title = ", ".join([_name(group.settings, rows["dataset"].nunique() > 1), *told])
        decay = float(group.settings["weight_decay"])
        panels.setdefault(title, {})[decay] = Curve(wide.dropna(subset=NEEDED).reset_index(drop=True))
    return panels


SAID = ("dataset", "architecture", "loss", "optimizer", "epochs")  # in the name of a panel


def _name(settings: Mapping[str, Any], with_data: bool) -> str:
    """What people call networks of these settings."""
    optimizer, loss = settings["optimizer"], str(settings.get("loss", "ce"))
    trained = ", ".join(in_words({"optimizer": optimizer, "epochs": settings["epochs"]})[:2])
    how = "solved to the minimum" if optimizer == "lbfgs" else f"trained by {trained}"
    name = f"{architecture_title(str(settings['architecture']))}, {_LOSSES.get(loss, loss)}, {how}"
    return f"{dataset_title(str(settings['dataset']))}, {name}" if with_data else name


_LOSSES = {"mse": "squared error", "ce": "cross-entropy"}


def sheets(panels: Panels) -> list[Sheet]:
    """For each kind of network and weight decay, how much kappa explains and how near the prediction is."""
    lines = [
        (
            *(kind, Number(f"{decay:g}", decay), count_cell(len(curve.points))),
            *(
                number_cell(value, ".3f")
                for value in (curve.explained, curve.unsquared, curve.off.mean(), curve.off.max())
            ),
        )
        for kind, curves in panels.items()
        for decay, curve in sorted(curves.items())
    ]
    headings = ("network", "weight decay", "networks", "explained", "by n s", "off, mean", "off, largest")
    note = (
        "Explained: of the mean scores over seeds, of all marks and n, the share of variance that one curve rising in "
        "kappa explains; by n s: that one rising in n s, without the square, would. Off: the distance between the "
        "spurious score and what theory expects of the same network."
    )
    return [slim("One law, n s^2 / (N lambda)?", headings, lines, note)]


def answer(panels: Panels) -> list[str]:
    """For each kind of network, whether its scores collapse on kappa, and whether theory says which they are."""
    return [f"{kind}: {_verdict(curves)}" for kind, curves in panels.items() if _known(curves)]


def brief(panels: Panels) -> str:
    """The same in a sentence."""
    follow = [kind for kind, curves in panels.items() if _known(curves) and _least(curves) >= FOLLOWS]
    others = [kind for kind in panels if _known(panels[kind]) and kind not in follow]
    if not follow and not others:
        return ""
    if not follow:
        return f"At not every weight decay one curve in kappa: {'; '.join(others)}."
    words = [f"{'; '.join(follow)} follow{'s' * (len(follow) == 1)} one curve in kappa" if follow else ""]
    words.append(f"{'; '.join(others)} do{'es' * (len(others) == 1)} not" if others else "")
    return f"{', but '.join(filter(None, words))}."


def _known(curves: Mapping[float, Curve]) -> list[float]:
    return [curve.explained for curve in curves.values() if not math.isnan(curve.explained)]


def _least(curves: Mapping[float, Curve]) -> float:
    return min(_known(curves))


def _verdict(curves: Mapping[float, Curve]) -> str:
    least, off = _least(curves), pd.concat([curve.off for curve in curves.values()])
    collapses = f"{'collapses' if least >= FOLLOWS else 'does not collapse'} on kappa at each weight decay"
    rival = min((curve.unsquared for curve in curves.values() if not math.isnan(curve.unsquared)), default=math.nan)
    explained = f"one rising curve explains {least:.3f} or more of the variance of means, one in n s {rival:.3f}"
    if not math.isnan(over_all := _over_all(curves)):
        explained += f"; over all decays together one in kappa explains {over_all:.3f}"
    met = "as theory says" if off.mean() <= CLOSE else "not where theory has them"
    return f"{collapses} ({explained}); scores lie {met}: {off.mean():.3f} off on average, {off.max():.3f} at most."


def figure(panels: Panels, about: About) -> Figure:
    """A panel for each kind of network: a point for each network, a line for what theory expects."""
    if not panels:
        raise NotDrawnError("No network with marked examples has been measured beside what theory expects.")
    decays = sorted({decay for curves in panels.values() for decay in curves})
    marks = list(
        dict.fromkeys(mark for curves in panels.values() for c in curves.values() for mark in c.points["pattern"])
    )
    colours = {decay: COLOURS[i % len(COLOURS)] for i, decay in enumerate(decays)}
    shapes = {mark: MARKERS[i % len(MARKERS)] for i, mark in enumerate(marks)}

    def draw(axes: Axes, curves: Mapping[float, Curve]) -> None:
        for decay, curve in curves.items():
            for mark, points in curve.points.groupby("pattern", sort=False):
                axes.plot(points["kappa"], points["spurious_score"], linestyle="none", marker=shapes[str(mark)],
                          markersize=4.5, color=colours[decay], markerfacecolor="none")  # fmt: skip
            line = curve.means
            axes.plot(line["kappa"], line["predicted_score"], color=colours[decay], linewidth=1.2, alpha=0.6)
        share_axis(axes, "spurious score")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=7))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("kappa = n s² / (N λ)")

    legend: list[tuple[Any, str]] = [
        *((Line2D([], [], color=colour, linewidth=3), f"weight decay {decay:g}") for decay, colour in colours.items()),
        *((Line2D([], [], color="#555555", marker=shapes[mark], linestyle="none", markerfacecolor="none"), mark)
          for mark in marks),
    ]  # fmt: skip
    note = "Marks: single networks, of all n; lines: what theory expects of them, means over seeds. "
    return panelled(
        about,
        list(panels.items()),
        3.6,
        draw,
        legend,
        _words,
        "Share of the variance of means that kappa explains.",
        note,
    )


def _words(curves: Mapping[float, Curve]) -> str:
    return "; ".join(f"weight decay {decay:g} {curve.explained:.3f}" for decay, curve in sorted(curves.items()))


VIEW: View[Panels] = View("law", "Do all marks follow one law?", shape, figure, sheets, answer, NEEDED, brief=brief)
