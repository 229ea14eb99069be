"""Histograms of a split's cosines as an SVG: a few lines of text, no plotting library, the same bytes every time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import polars as pl

BIN = 0.02
_WIDTH, _HEIGHT = 720, 250
_LEFT, _TOP, _PANEL, _DEEP, _BETWEEN = 16, 50, 328, 160, 32
_BLUE, _ORANGE, _GREEN, _INK = "#2563b0", "#d9660c", "#3a8f4f", "#444444"


@dataclass(frozen=True)
class Series:
    """One histogram: what it counts, in which colour."""

    name: str
    colour: str
    values: Sequence[float]


def histogram_svg(split: str, triplets: pl.DataFrame) -> str:
    """Two panels: cosines of the anchor with its positive and its negative, and their gap. ``triplets`` are not empty."""
    positive, negative = (triplets[name].cast(pl.Float64) for name in ("cos_ap", "cos_an"))
    cosines = (
        Series("anchor, positive", _BLUE, positive.to_list()),
        Series("anchor, negative", _ORANGE, negative.to_list()),
    )
    gap = (Series("gap: positive − negative", _GREEN, (positive - negative).to_list()),)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        # On a dark page the ink would be lost.
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" fill="{_INK}" font-size="14">{escape(split)}: {triplets.height:,} triplets by cosine</text>',
        *_panel(_LEFT, cosines),
        *_panel(_LEFT + _PANEL + _BETWEEN, gap),
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _panel(left: int, series: Sequence[Series]) -> Iterator[str]:
    values = [value for one in series for value in one.values]
    low, high = math.floor(min(values) * 10 + 1e-6) / 10, math.ceil(max(values) * 10 - 1e-6) / 10
    high = max(high, low + 0.1)
    counts = [bin_counts(one.values, low, high) for one in series]
    most = max(max(bins) for bins in counts)
    for number, (one, bins) in enumerate(zip(series, counts, strict=True)):
        x = left + number * 130
        yield f'<rect x="{x}" y="32" width="10" height="10" fill="{one.colour}" fill-opacity="0.6"/>'
        yield f'<text x="{x + 14}" y="41" fill="{_INK}">{escape(one.name)}</text>'
        yield f'<path d="{_steps(left, bins, most)}" fill="{one.colour}" fill-opacity="0.35" stroke="{one.colour}"/>'
    floor = _TOP + _DEEP
    yield f'<line x1="{left}" y1="{floor}" x2="{left + _PANEL}" y2="{floor}" stroke="{_INK}"/>'
    tenths = round((high - low) * 10)
    step = 2 if tenths > 6 else 1
    for tick in range(round(low * 10) % step, tenths + 1, step):
        at = left + _PANEL * tick / tenths
        yield f'<line x1="{at:.1f}" y1="{floor}" x2="{at:.1f}" y2="{floor + 4}" stroke="{_INK}"/>'
        yield f'<text x="{at:.1f}" y="{floor + 18}" fill="{_INK}" text-anchor="middle">{low + tick / 10:.1f}</text>'


def bin_counts(values: Sequence[float], low: float, high: float) -> list[int]:
    """How many values lie in each BIN from ``low`` to ``high``; the last bin takes its upper edge too."""
    bins = [0] * round((high - low) / BIN)
    for value in values:
        # The nudge keeps 0.3 out of the bin below it: as a 32-bit number it is a little over or under.
        bins[min(max(int((value - low + 1e-6) / BIN), 0), len(bins) - 1)] += 1
    return bins


def _steps(left: int, bins: Sequence[int], most: int) -> str:
    width, floor = _PANEL / len(bins), _TOP + _DEEP
    tops = [f"V{floor - _DEEP * count / most:.1f}H{left + width * (at + 1):.1f}" for at, count in enumerate(bins)]
    return f"M{left} {floor}" + "".join(tops) + f"V{floor}Z"
