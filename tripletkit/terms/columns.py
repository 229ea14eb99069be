"""Index pages as rows with an indent: which column a line stands in, and how far in from that column's left edge.

Lines of unequal length hide gutters: a long entry crosses into the gutter, a short one leaves it wide, and a column
that holds only subentries has no line at its edge. So columns are found from all pages together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tripletkit.pdf.lines import Line

#: Edges and indents that differ by less than this many font sizes are the same: letters have side bearings.
SAME_EDGE = 0.3


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A line of an index: its text and styles, indent and reach in points from its column's left edge."""

    text: str
    styles: str
    indent: float
    reach: float  # right end of the text, from the column's left edge
    size: float
    page: int  # physical page, from 1
    column: int
    baseline: float

    @property
    def letter_width(self) -> float:
        """Mean width of a character in points."""
        return max(self.reach - self.indent, 1.0) / max(len(self.text), 1)


def lines_to_rows(
    pages: Mapping[int, Sequence[Line]], whole: Mapping[int, Sequence[Line]] | None = None
) -> list[PrintedRow]:
    """Rows of all pages (physical number → lines) in reading order: page by page, column by column, top down.

    ``whole`` holds the same pages with all their lines, where ``pages`` has a part too small to show the columns.
    """
    pitches = column_pitches(whole or pages)
    edges = left_edges(whole or pages)
    rows: list[PrintedRow] = []
    for page in sorted(pages):
        columns: dict[int, list[Line]] = defaultdict(list)
        bases = [edges[page] + pitch for pitch in pitches]
        for line in pages[page]:
            for part in split_at_gutters(line, bases):
                columns[_column(part.x0, bases, part.size)].append(part)
        for column in sorted(columns):
            rows.extend(_rows(columns[column], bases[column], column))
    return rows


def column_pitches(pages: Mapping[int, Sequence[Line]]) -> list[float]:
    """How far each column's left edge is from the first one's: [0.0] for one column, [0.0, 168.0] for two."""
    starts: dict[int, list[float]] = defaultdict(list)
    for lines in pages.values():
        by_column: dict[int, list[Line]] = defaultdict(list)
        for line in lines:
            if line.column >= 0:
                by_column[line.column].append(line)
        solid = {column: _edge(held) for column, held in by_column.items() if len(held) >= 3}
        for column, edge in solid.items():
            if column > 0 and 0 in solid:
                starts[column].append(edge - solid[0])
    return [0.0, *(median(starts[column]) for column in sorted(starts))]


def left_edges(pages: Mapping[int, Sequence[Line]]) -> dict[int, float]:
    """Left edge of the first column of each page: that of its neighbours too, as left and right pages are set apart."""
    # By subentries alone, a page's edge seems further in by an indent.
    least = {side: min((_edge(pages[page]) for page in pages if page % 2 == side), default=0.0) for side in (0, 1)}
    return {page: least[page % 2] for page in pages}


def _edge(lines: Sequence[Line]) -> float:
    return min((line.x0 for line in lines), default=0.0)


def _column(x0: float, bases: Sequence[float], size: float) -> int:
    return max([column for column, base in enumerate(bases) if x0 >= base - SAME_EDGE * size], default=0)


def split_at_gutters(line: Line, bases: Sequence[float]) -> list[Line]:
    """The line cut where it runs over a gutter into the next column, if it reads as two entries side by side."""
    column = _column(line.x0, bases, line.size)
    if column + 1 >= len(bases) or line.x1 < bases[column + 1] + 1.5 * line.size:
        return [line]
    edge = bases[column + 1]
    cuts = [
        m.end() for m in re.finditer(r"\s+(?=[^\s\d.,;])", line.text) if _is_whole(line.text[: m.start()], line.styles)
    ]
    best = min(cuts, key=lambda cut: abs(_x_at(line, cut) - edge), default=None)
    if best is None or abs(_x_at(line, best) - edge) > 0.3 * (line.x1 - line.x0):
        return [line]
    first = line.text[:best].rstrip()
    words = len(first.split())
    left = replace(line, text=first, styles=line.styles[:words], x1=edge - line.size)
    right = replace(line, text=line.text[best:], styles=line.styles[words:], x0=edge)
    return [left, *split_at_gutters(right, bases)]


def _x_at(line: Line, at: int) -> float:
    return line.x0 + (line.x1 - line.x0) * at / max(len(line.text), 1)


def _is_whole(text: str, styles: str) -> bool:
    """Whether the text before a cut ends as an entry or is a letter's heading."""
    return bool(re.search(r"\d[nft]{0,2}[.,;]?$", text)) or (len(text.split()) == 1 and styles[:1] in ("b", "z"))


def _rows(lines: Sequence[Line], base: float, column: int) -> list[PrintedRow]:
    return [
        PrintedRow(
            text=line.text,
            styles=line.styles,
            indent=line.x0 - base,
            reach=line.x1 - base,
            size=line.size,
            page=line.page,
            column=column,
            baseline=line.baseline,
        )
        for line in sorted(lines, key=lambda line: (round(line.baseline, 1), line.x0))
    ]
