"""An evaluation's paired differences with their intervals, one panel for each task (a forest plot)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tripletkit.evaluation.report import LEADING_METRIC, TASKS, EvaluationReport, Figure
from tripletkit.figures.drawing import BLUE, MUTED, RED, Picture, hover

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def forest(report: EvaluationReport) -> Picture:
    """What each ranker gains over the vectors of the first encoder, by the leading metric."""
    tasks = [task for task in TASKS if task in report.resampling]
    first, names = next(iter(report.encoders)), report.row_labels(report.labels)
    told = "; ".join(
        f"{task}: " + ", ".join(f"{names[of]} {figure}" for of, figure in _gains(report, task).items())
        for task in tasks
    )
    rows = (len(tasks) + 1) // 2
    height = rows * (0.45 + 0.16 * len(_gains(report, tasks[0])))
    alt = f"Gains in {LEADING_METRIC} over {names[first]}, with 95 % intervals; * excludes 0. {told}."
    return Picture("forest", alt, partial(_forest, report, tasks), height)


def _gains(report: EvaluationReport, task: str) -> dict[str, Figure]:
    """By ranker, its difference from the first encoder."""
    first = next(iter(report.encoders))
    return {of: report.differences[of][first][task][LEADING_METRIC] for of in report.rankers if of != first}


def _forest(report: EvaluationReport, tasks: list[str], canvas: Canvas) -> None:
    grid = canvas.subplots((len(tasks) + 1) // 2, 2, sharex=True, sharey=True, squeeze=False)
    for axes, task in zip(grid.flat, tasks, strict=False):
        _panel(axes, report, task)
    for axes in list(grid.flat)[len(tasks) :]:
        axes.set_axis_off()
    grid[0, 0].invert_yaxis()
    first = report.labels[next(iter(report.encoders))]
    canvas.supxlabel(
        f"gain in {LEADING_METRIC} over {first}, 95 % interval; hollow: not significant", fontsize=7.5, color=MUTED
    )


def _panel(axes: Axes, report: EvaluationReport, task: str) -> None:
    gains, names = _gains(report, task), report.row_labels(report.labels)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for row, (of, gain) in enumerate(gains.items()):
        colour = MUTED if not gain.significant else BLUE if gain.value > 0 else RED
        if gain.interval:
            axes.plot(gain.interval, [row, row], color=colour, linewidth=1.4)
        fill = colour if gain.significant else "none"
        (dot,) = axes.plot(
            gain.value, row, marker="os"[gain.significant], color=colour, markerfacecolor=fill, markersize=4.5
        )
        dot.set_url(hover(f"{names[of]}: {gain}"))
    axes.set_yticks(range(len(gains)), [names[of] for of in gains], fontsize=7)
    axes.set_title(f"{task} ({report.resampling[task].queries})", fontsize=7.5)
    axes.grid(axis="x")
