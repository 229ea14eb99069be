"""A panel as JSON keeps it, and as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from tripletkit.evaluation.bootstrap import Estimate
from tripletkit.evaluation.metrics import METRICS
from tripletkit.evaluation.panel import BM25, EXACT, Panel
from tripletkit.evaluation.tasks import Part

#: What the table shows of each task; scores.json holds every metric.
SHOWN = ("nDCG@10", "MAP")
#: The metric that says which encoder is better.
LEADING = ("term→passage", "nDCG@10")
#: Characters of the columns: exact string, BM25, and the two encoders.
_WIDTHS = (7, 7, 11, 8)


def figures(estimate: Estimate, names: Sequence[str] = METRICS) -> dict[str, dict[str, Any]]:
    """By metric: value and 95 % interval, to six digits; no interval (null) over fewer than five queries."""
    ends = np.stack(estimate.interval, axis=1).tolist() if estimate.interval else [None] * len(names)
    return {
        name: {"value": round(value, 6), "interval": end and [round(e, 6) for e in end]}
        for name, value, end in zip(names, estimate.point.tolist(), ends, strict=True)
    }


def beyond_chance(difference: Estimate, metric: int = 0) -> bool:
    """Whether the 95 % interval of a difference leaves out 0."""
    if difference.interval is None:
        return False
    low, high = difference.interval
    return bool(low[metric] > 0 or high[metric] < 0)


def as_json(panel: Panel) -> dict[str, Any]:
    """Figures of every ranker, part and metric; differences of the encoders from the first of them."""
    first, *others = panel.encoders
    return {
        "resampling": {
            part.name: {
                "queries": len(part.rows),
                "by": panel.samples[part.name].by,
                "units": panel.samples[part.name].units,
            }
            for part in panel.parts
        },
        "baselines": {name: _ranker(panel, name) for name in (EXACT, BM25)},
        "encoders": {
            name: {**_ranker(panel, name), "general": figures(panel.general[name], ["Spearman"])["Spearman"]}
            for name in panel.encoders
        },
        "differences": {
            name: {
                "from": first,
                **{part.name: figures(_difference(panel, name, part.name)) for part in panel.parts},
                "general": {
                    **figures(panel.general[name].minus(panel.general[first]), ["Spearman"])["Spearman"],
                    "relative": round(general_change(panel, name), 6),
                },
            }
            for name in others
        },
    }


def _ranker(panel: Panel, name: str) -> dict[str, Any]:
    return {
        "scores": panel.metrics(name),
        "intervals": {
            part: {metric: figure["interval"] for metric, figure in figures(estimate).items()}
            for part, estimate in panel.estimates[name].items()
        },
    }


def _difference(panel: Panel, name: str, part: str) -> Estimate:
    return panel.estimates[name][part].minus(panel.estimates[panel.encoders[0]][part])


def general_change(panel: Panel, name: str) -> float:
    """Relative change of Spearman's correlation on everyday sentences, from the first encoder's."""
    before = float(panel.general[panel.encoders[0]].point[0])
    return (float(panel.general[name].point[0]) - before) / max(abs(before), 1e-9)


def table_lines(panel: Panel) -> Iterator[str]:
    """One table for each encoder beside the first. A star: a difference whose interval leaves out 0."""
    first, *others = panel.encoders
    labels = _labels(panel.encoders)
    yield from (f"  {label} = {name}" for name, label in labels.items() if label != name)
    for name in others:
        heads = _columns("exact", BM25, labels[first], labels[name])
        yield f" {'':26}{'asked':>6} {'metric':8}{heads}  difference"
        for part in panel.parts:
            # What was seen in training and what was not: one metric tells it.
            yield from _rows(panel, name, part, SHOWN if part.name == part.task else SHOWN[:1])
        before, after = panel.general[first], panel.general[name]
        columns = _columns("–", "–", f"{before.point[0]:.3f}", f"{after.point[0]:.3f}")
        yield f" {'general similarity':32} {'Spearman':8}{columns}  {_told(after.minus(before), 0)}"
        yield f" {labels[name]}: {verdict(panel, name)}"
        if behind := _behind(panel, name):
            told = f"{labels[name]}: behind the exact string or BM25 in {'; '.join(behind)} ({SHOWN[0]})"
            yield from wrap(told, 100, initial_indent=" ", subsequent_indent="   ")


def _rows(panel: Panel, name: str, part: Part, metrics: Sequence[str]) -> Iterator[str]:
    for metric in metrics:
        at = METRICS.index(metric)
        rankers = (EXACT, BM25, panel.encoders[0], name)
        columns = _columns(*(f"{panel.estimates[ranker][part.name].point[at]:.3f}" for ranker in rankers))
        head = f"{part.name:26}{len(part.rows):>6}" if metric == metrics[0] else f"{'':32}"
        yield f" {head} {metric:8}{columns}  {_told(_difference(panel, name, part.name), at)}"


def _behind(panel: Panel, name: str) -> list[str]:
    """The tasks in which a string match does better than the encoder."""
    at = METRICS.index(SHOWN[0])

    def value(ranker: str, task: str) -> float:
        return float(panel.estimates[ranker][task].point[at])

    tasks = [part.name for part in panel.parts if part.name == part.task]
    return [task for task in tasks if max(value(EXACT, task), value(BM25, task)) > value(name, task)]


def _columns(*cells: str) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def _told(difference: Estimate, metric: int) -> str:
    if difference.interval is None:
        return f"{difference.point[metric]:+.3f} [too few to say]"
    low, high = difference.interval
    star = "*" if beyond_chance(difference, metric) else ""
    return f"{difference.point[metric]:+.3f} [{low[metric]:+.3f} {high[metric]:+.3f}]{star}"


def verdict(panel: Panel, name: str) -> str:
    """One sentence on the leading metric."""
    part, metric = LEADING
    at, difference = METRICS.index(metric), _difference(panel, name, LEADING[0])
    gain = float(difference.point[at])
    what = "no difference" if gain == 0 else f"a {'gain' if gain > 0 else 'loss'} of {abs(gain):.3f}"
    sample = panel.samples[part]
    if difference.interval is None:
        return f"{part} {metric}, {what}; {sample.units} queries are too few to tell it from chance"
    chance = "beyond chance" if beyond_chance(difference, at) else "within chance"
    return f"{part} {metric}, {what}, {chance} (95 % interval, bootstrap over {sample.units} {sample.by})"


def _labels(names: Sequence[str]) -> dict[str, str]:
    """Column heads: the names, or letters where one of them is too long."""
    if all(len(name) < _WIDTHS[-2] for name in names):
        return {name: name for name in names}
    return {name: chr(ord("A") + i) for i, name in enumerate(names)}
