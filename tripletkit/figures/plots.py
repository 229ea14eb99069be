"""The pictures, each of plain numbers: the flow, cosines, training, terms, pages, splits, time and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tripletkit.figures.drawing import BLUE, GREEN, INK, MUTED, PINK, RED, Picture, hover

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Reasons named at one step of the flow; the others are added up.
MOST_REASONS = 5
#: Heights in inches: of a step's bar, and of a line that names a reason.
_BAR, _LINE = 0.2, 0.15
#: Where the reasons are written, in widths of the flow.
_REASONS_X = 1.06
#: Pages in one bar, so that a book has at most so many bars.
MOST_BARS = 240
SPLIT_COLOURS = {"train": BLUE, "validation": GREEN, "test": RED, "none": MUTED}


@dataclass(frozen=True)
class Step:
    """So many are left after a step, and why the others are not: (reason, count)."""

    label: str
    count: int
    lost: tuple[tuple[str, int], ...] = ()


def flow(bands: Sequence[Sequence[Step]]) -> Picture:
    """One band for each unit (pages, terms, …), from what was found down to what is used, with what was lost on the way."""
    gaps = sum(max(_LINE * len(step.lost), 0.1) for band in bands for step in band[1:])
    height = sum(_BAR for band in bands for _ in band) + gaps + 0.2 * len(bands)
    told = "; ".join(
        ", then ".join(f"{step.count:,} {step.label}{_lost_in_words(step)}" for step in band) for band in bands
    )
    return Picture("flow", f"What was found, and what is left after each step: {told}.", partial(_flow, bands), height)


def _lost_in_words(step: Step) -> str:
    return f" (without {', '.join(f'{count:,}: {reason}' for reason, count in step.lost)})" if step.lost else ""


def most_frequent(reasons: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The MOST_REASONS most frequent reasons with their counts, and the rest together."""
    ordered = sorted(((reason, n) for reason, n in reasons.items() if n), key=lambda pair: (-pair[1], pair[0]))
    rest = ordered[MOST_REASONS:]
    return (*ordered[:MOST_REASONS], *([(f"{len(rest)} other reasons", sum(n for _, n in rest))] if rest else []))


def _flow(bands: Sequence[Sequence[Step]], figure: Figure) -> None:
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 1.9)
    axes.set_ylim(figure.get_figheight(), 0)
    axes.set_axis_off()
    y = 0.05
    for band in bands:
        most, before = max(band[0].count, 1), band[0].count
        for step in band:
            if step is not band[0]:
                y = _reasons(axes, y, step, before / most, step.count / most)
            axes.fill_between([0, max(step.count / most, 0.004)], y, y + _BAR, color=BLUE, alpha=0.35, linewidth=0)
            axes.text(0.012, y + _BAR / 2, f"{step.count:,} {step.label}", va="center", weight="bold", fontsize=7.5)
            y, before = y + _BAR, step.count
        y += 0.2


def _reasons(axes: Axes, y: float, step: Step, before: float, after: float) -> float:
    """Draw what is lost between two bars, from ``y`` down, and a ribbon for what is kept; returns where the next bar begins."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    end, right, lost = y + max(_LINE * len(step.lost), 0.1), before, max(sum(n for _, n in step.lost), 1)
    axes.fill_between([0, min(before, after)], y, end, color=BLUE, alpha=0.18, linewidth=0)
    for place, (reason, count) in enumerate(step.lost):
        middle, half = y + _LINE * (place + 0.5), max(0.4 * _LINE * count / lost, 0.006)
        left, bend = right - (before - after) * count / lost, (right + _REASONS_X) / 2
        outer = [(right, middle - half), (bend, middle - half), (_REASONS_X, middle - half)]
        inner = [(bend, middle + half), (left, middle + half), (left, y)]
        points = [(right, y), *outer, (_REASONS_X, middle + half), *inner, (right, y)]
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        axes.add_patch(PathPatch(Path(points, codes), facecolor=RED, alpha=0.4, linewidth=0))
        axes.text(_REASONS_X + 0.02, middle, f"{count:,}  {reason}", va="center", fontsize=6.8)
        right = left
    return end


def cosines_by_rule(triplets: pl.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per rule of the table ``triplets``: cos_ap and cos_an."""
    groups = triplets.sort("rule", "triplet_id").group_by("rule", maintain_order=True)
    return {rule: (of["cos_ap"].to_numpy(), of["cos_an"].to_numpy()) for (rule,), of in groups}


def cosines(rules: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Picture:
    """By rule, the cosines of anchor and positive and those of anchor and negative of its triplets."""
    means = ", ".join(f"{rule}: {p.mean():.2f} and {n.mean():.2f} on average" for rule, (p, n) in rules.items())
    alt = f"Histograms of the cosines of anchor and positive, and of anchor and negative, by the negative's rule. {means}."
    return Picture("cosines", alt, partial(_cosines, rules), 0.5 + 1.05 * len(rules))


def _cosines(rules: Mapping[str, tuple[np.ndarray, np.ndarray]], figure: Figure) -> None:
    every = np.concatenate([values for pair in rules.values() for values in pair])
    edges = np.linspace(min(every.min(), 0), max(every.max(), 0.01), 41)
    grid = figure.subplots(len(rules), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (rule, (positives, negatives)) in zip(grid, rules.items(), strict=True):
        axes.hist(positives, edges, color=BLUE, alpha=0.55, label="positive")
        axes.hist(negatives, edges, color=RED, histtype="step", linewidth=1.4, hatch="////", label="negative")
        axes.set_title(f"{rule}: {len(negatives):,} triplets")
        axes.set_ylabel("triplets")
    grid[-1].set_xlabel("cosine with the anchor, by the encoder that mined")
    grid[0].legend(loc="upper right", fontsize=7)


def scatter(terms: Sequence[tuple[str, float, float]], names: tuple[str, str], metric: str) -> Picture:
    """Each term's score before (x) and after (y) training."""
    up, down = (sum(sign * (b - a) > 0 for _, a, b in terms) for sign in (1, -1))
    alt = (
        f"Each of {len(terms):,} terms by its {metric} with {names[0]} and with {names[1]}: "
        f"{up:,} are found better by {names[1]}, {down:,} worse, {len(terms) - up - down:,} equally well."
    )
    return Picture("terms", alt, partial(_scatter, terms, names, metric), 4.2)


def _scatter(terms: Sequence[tuple[str, float, float]], names: tuple[str, str], metric: str, figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    kinds = (("better", 1, BLUE, "^"), ("worse", -1, RED, "v"), ("equal", 0, MUTED, "o"))
    for label, sign, colour, marker in kinds:
        held = [(name, a, b) for name, a, b in terms if np.sign(b - a) == sign]
        if held:
            x, y = [a for _, a, _ in held], [b for _, _, b in held]
            dots = axes.scatter(
                x, y, s=26, c=colour, marker=marker, alpha=0.65, linewidths=0, label=f"{label} ({len(held):,})"
            )
            dots.set_urls([hover(f"{name}: {a:.3f} → {b:.3f}") for name, a, b in held])
    axes.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        aspect="equal",
        xlabel=f"{metric}, {names[0]}",
        ylabel=f"{metric}, {names[1]}",
    )
    axes.grid()
    figure.legend(loc="outside upper left", ncols=3, fontsize=7)


#: Columns of the training log, their titles, and whether a line or single points are drawn.
CURVES = {
    "loss": "loss",
    "kl_divergence": "KL divergence from the teacher",
    "cosine_margin": "mean cos(positive) − cos(negative)",
    "violation_rate": "share of triplets violating the margin",
    "eval_ndcg": "validation, term→passage nDCG@10",
}


def training(rows: Sequence[Mapping[str, float]]) -> Picture:
    """The training log: what was measured at which step."""
    curves = {of: [(row["step"], row[of]) for row in rows if of in row] for of in CURVES}
    curves = {of: points for of, points in curves.items() if points}
    told = "; ".join(f"{CURVES[of]} from {points[0][1]:.3f} to {points[-1][1]:.3f}" for of, points in curves.items())
    return Picture(
        "training", f"Training by step: {told}.", partial(_training, curves), 1.35 * ((len(curves) + 1) // 2)
    )


def _training(curves: Mapping[str, Sequence[tuple[float, float]]], figure: Figure) -> None:
    grid = list(figure.subplots((len(curves) + 1) // 2, 2, squeeze=False).flat)
    last = max(points[-1][0] for points in curves.values())
    for axes, (of, points) in zip(grid, curves.items(), strict=False):
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=BLUE, linewidth=1.3, marker="o" if len(points) < 15 else None, markersize=3)
        axes.set_title(CURVES[of], fontsize=7.5)
        axes.set_xlim(0, last)
        axes.set_xlabel("step", fontsize=7)
        axes.grid()
    for axes in grid[len(curves) :]:
        axes.set_axis_off()


@dataclass(frozen=True)
class PageCounts:
    """By page of a book, from the first: citations by its index with and without a mention there, and the page's split."""

    mentioned: Sequence[int]
    unmentioned: Sequence[int]
    splits: Sequence[str]  # "none" for a page without passages


def coverage(title: str, pages: PageCounts) -> Picture:
    """The pages that a book's index cites, and the split that each page belongs to."""
    found, missed = sum(pages.mentioned), sum(pages.unmentioned)
    splits = ", ".join(f"{pages.splits.count(name):,} pages {name}" for name in SPLIT_COLOURS if name in pages.splits)
    alt = (
        f"{title}: of {found + missed:,} citations by the index, {found:,} are of a page where a passage mentions the term. "
        f"Splits along the book: {splits}."
    )
    return Picture(f"coverage-{title}", alt, partial(_coverage, title, pages), 2.3)


def _coverage(title: str, pages: PageCounts, figure: Figure) -> None:
    width = -(-len(pages.splits) // MOST_BARS)
    starts = np.arange(0, len(pages.splits), width)
    found, missed = (np.add.reduceat(np.asarray(counts), starts) for counts in (pages.mentioned, pages.unmentioned))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, 1))
    above.bar(starts + 1, found, width, align="edge", color=BLUE, label="the page mentions the term")
    hatched = {"facecolor": "none", "edgecolor": RED, "hatch": "/////", "linewidth": 0}
    above.bar(starts + 1, missed, width, bottom=found, align="edge", label="it does not", **hatched)
    above.set_title(_cut(title, 70))
    above.set_ylabel("citations" if width == 1 else f"citations in {width} pages")
    above.legend(loc="upper left", bbox_to_anchor=(0, 1.02), ncols=2, fontsize=7)
    above.set_ylim(0, max((found + missed).max(), 1) * 1.3)
    for name, first, last in _runs(pages.splits):
        below.axvspan(first + 1, last + 1, facecolor=SPLIT_COLOURS[name], alpha=0.55, linewidth=0)
    _split_legend(below, set(pages.splits))
    below.set_yticks([])
    below.set(ylim=(0, 1), xlim=(1, len(pages.splits) + 1))
    below.set_xlabel("page of the file")


def _split_legend(axes: Axes, names: set[str]) -> None:
    from matplotlib.patches import Patch

    shown = {"none": "no passages"}
    patches = [
        Patch(facecolor=colour, alpha=0.55, linewidth=0, label=shown.get(name, name))
        for name, colour in SPLIT_COLOURS.items()
        if name in names
    ]
    axes.figure.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=7)


def _runs(values: Sequence[str]) -> list[tuple[str, int, int]]:
    """Each run of equal values: the value, where it begins, and where it has ended."""
    cuts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(values)) if a != b), len(values)]
    return [(values[first], first, last) for first, last in pairwise(cuts)]


#: Of the classes of `frequency`: 128 mentions or more.
_LAST_CLASS = 8


def frequency(mentions: Sequence[int]) -> Picture:
    """How many kept terms are mentioned how often. Classes double: 0, 1, 2–3, 4–7 …"""
    classes = np.bincount([min(int(n).bit_length(), _LAST_CLASS) for n in mentions])
    between = (f"{2 ** (i - 1)}–{2**i - 1}" for i in range(2, _LAST_CLASS))
    labels = ["0", "1", *between, f"{2 ** (_LAST_CLASS - 1)}+"][: len(classes)]
    told = ", ".join(f"{label} mentions: {n:,}" for label, n in zip(labels, classes, strict=True))
    alt = f"How many kept terms are mentioned how often. {told}."
    return Picture("frequency", alt, partial(_bars, labels, classes.tolist(), "kept terms", "mentions of a term"), 1.8)


def _bars(labels: Sequence[str], values: Sequence[float], ylabel: str, xlabel: str, figure: Figure) -> None:
    axes = figure.subplots()
    axes.bar_label(axes.bar(labels, values, color=BLUE, alpha=0.8), fmt="{:,.0f}", fontsize=7)
    axes.set(ylabel=ylabel, xlabel=xlabel)
    axes.margins(y=0.15)


def splits(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """By unit (passages, triplets, …), how many are in each split; drawn as shares."""
    told = "; ".join(f"{unit}: " + ", ".join(f"{n:,} {name}" for name, n in of.items()) for unit, of in counts.items())
    return Picture("splits", f"What each split holds. {told}.", partial(_splits, counts), 0.6 + 0.3 * len(counts))


def _splits(counts: Mapping[str, Mapping[str, int]], figure: Figure) -> None:
    axes = figure.subplots()
    for row, (_, of) in enumerate(counts.items()):
        left, total = 0.0, max(sum(of.values()), 1)
        for name, n in of.items():
            part = axes.barh(row, n / total, left=left, color=SPLIT_COLOURS[name], alpha=0.55)
            if n > 0.06 * total:
                axes.bar_label(part, [f"{n:,}"], label_type="center", fontsize=7, weight="bold")
            left += n / total
    axes.set_yticks(range(len(counts)), list(counts))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xticks=[])
    axes.spines[:].set_visible(False)
    _split_legend(axes, {name for of in counts.values() for name in of})


def costs(stages: Mapping[str, tuple[float, int]]) -> Picture:
    """Seconds and peak memory (MB, 0 if unknown) of each stage."""
    told = ", ".join(f"{name} {s:,.1f} s" + (f" and {mb:,} MB" if mb else "") for name, (s, mb) in stages.items())
    return Picture(
        "costs", f"Time and peak memory of each stage: {told}.", partial(_costs, stages), 0.6 + 0.19 * len(stages)
    )


def _costs(stages: Mapping[str, tuple[float, int]], figure: Figure) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    columns: list[tuple[Axes, list[float], str, Callable[[float], str], str]] = [
        (left, [s for s, _ in stages.values()], "seconds", lambda value: f"{value:,.1f}", BLUE),
        (
            right,
            [mb for _, mb in stages.values()],
            "peak memory, MB",
            lambda value: f"{value:,.0f}" if value else "–",
            PINK,
        ),
    ]
    for axes, values, title, told, colour in columns:
        bars = axes.barh(list(stages), values, color=colour, alpha=0.8)
        axes.bar_label(bars, [told(value) for value in values], fontsize=7, padding=2, color=INK)
        axes.set_title(title)
        axes.set_xticks([])
        axes.margins(x=0.25)
    left.invert_yaxis()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
