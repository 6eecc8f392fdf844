"""Curves as tables for the terminal."""

from rich import box
from rich.table import Table

from spurlab.report.summary import Curve


def curve_table(curve: Curve, target_name: str) -> Table:
    """Score at each n with its interval, paired difference to n = 0 and test accuracy; the verdict below."""
    seeds = curve.points[0].score.models
    table = Table(
        title=f"{curve.pattern}, planted in class {curve.target} ({target_name}): {verdict_of(curve)}",
        caption=f"mean [95 % interval] over {seeds} networks; p: paired, one-sided, Holm-corrected over n",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("n", "spurious score", "difference to n = 0", "p", "test accuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in curve.points:
        difference = "" if point.difference is None else f"{point.difference}"
        p = "" if point.p is None else f"{point.p:.2g}"
        table.add_row(str(point.n), f"{point.score}", difference, p, f"{point.accuracy:.3f}")
    return table


def verdict_of(curve: Curve) -> str:
    """The verdict, with the seeds that had to be left out."""
    if curve.points[0].score.models == 0:
        return "undecided: no network is left, since one of every seed diverged"
    left_out = ", ".join(str(seed) for seed in curve.diverged)
    return f"{curve.verdict}" + (f" (without the diverged seeds {left_out})" if left_out else "")
