"""What is usual in a book's running text: the size of its letters, the distance of its lines and its columns' edges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from tripletkit.pdf.lines import Line

#: A column shows its own edges if it has this many lines of running text.
ENOUGH_LINES = 10

#: Page number's parity, columns on the page, column.
_Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TextMetrics:
    """The text's font size and the distance between its baselines, in points."""

    size: float
    leading: float


def text_size(pages: Iterable[Iterable[Line]]) -> float:
    """The font size that most letters have, in steps of half a point; 10.0 for a book without text."""
    letters: dict[float, int] = defaultdict(int)
    for line in chain.from_iterable(pages):
        letters[round(line.size * 2) / 2] += len(line.text)
    return max(letters, key=lambda size: (letters[size], size), default=10.0)


def text_metrics(lines: Sequence[Line], size: float) -> TextMetrics:
    """The usual distance between lines of this size; 1.2 times the size where none follow each other."""
    gaps = [
        b.baseline - a.baseline
        for a, b in pairwise(lines)
        if a.page == b.page and a.column == b.column and abs(a.size - size) <= 0.5 and abs(b.size - size) <= 0.5
    ]
    near = [round(gap * 2) / 2 for gap in gaps if 0.8 * size < gap < 2.2 * size]
    return TextMetrics(size, Counter(near).most_common(1)[0][0] if near else 1.2 * size)


def with_column_edges(lines: Sequence[Line], size: float) -> list[Line]:
    """The same lines, their ``col_x0`` and ``col_x1`` set to where the column's running text starts and ends.

    A column with too little text to show its edges has those of other pages. ``lines`` hold no furniture.
    """
    columns: dict[tuple[int, int], list[Line]] = defaultdict(list)
    for line in lines:
        columns[line.page, line.column].append(line)
    most: dict[int, int] = defaultdict(int)
    for page, column in columns:
        most[page] = max(most[page], column + 1)
    places = {key: (key[0] % 2, most[key[0]], key[1]) for key in columns}
    own = {key: _own_edges(held, size) for key, held in columns.items()}
    usual = _usual_edges(own, places)
    edges = {key: found or usual.get(places[key]) for key, found in own.items()}
    return [_moved(line, edges[line.page, line.column]) for line in lines]


def _own_edges(lines: Sequence[Line], size: float) -> tuple[float, float] | None:
    text = [line for line in lines if abs(line.size - size) <= 0.12 * size and len(line.text) > 20]
    if len(text) < ENOUGH_LINES:
        return None
    lefts = Counter(round(line.x0 / 2) for line in text)
    # The left-most edge that several lines share: most lines of an exercise page hang further in.
    left = 2.0 * min(x for x, times in lefts.items() if times >= max(2, len(text) // 8))
    rights = sorted(line.x1 for line in text)
    return left, rights[-1 - len(rights) // 20]


def _usual_edges(
    own: dict[tuple[int, int], tuple[float, float] | None], places: dict[tuple[int, int], _Place]
) -> dict[_Place, tuple[float, float]]:
    found: dict[_Place, Counter[tuple[float, float]]] = defaultdict(Counter)
    for key, edges in own.items():
        if edges is not None:
            found[places[key]][edges[0], round(edges[1])] += 1
    return {place: min(counts, key=lambda e: (-counts[e], e)) for place, counts in found.items()}


def _moved(line: Line, edges: tuple[float, float] | None) -> Line:
    """Text that stands wholly outside of the usual edges, as on a page of another layout, keeps its own."""
    if line.column < 0 or edges is None or line.x1 < edges[0] or line.x0 > edges[1]:
        return line
    return line.between(*edges)
