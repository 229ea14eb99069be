"""Each column's true edges: without furniture, and from other pages where a page has too little text to show them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from tripletkit.pdf.lines import Line

#: A column shows its own edges if it has this many lines of running text.
ENOUGH_LINES = 10

#: Page number's parity, columns on the page, column.
_Place = tuple[int, int, int]


def with_margins(lines: Sequence[Line], body_size: float) -> list[Line]:
    """The same lines, their ``col_x0`` and ``col_x1`` set to where the column's running text starts and ends."""
    columns: dict[tuple[int, int], list[Line]] = defaultdict(list)
    for line in lines:
        columns[line.page, line.column].append(line)
    most: dict[int, int] = defaultdict(int)
    for page, column in columns:
        most[page] = max(most[page], column + 1)
    places = {key: (key[0] % 2, most[key[0]], key[1]) for key in columns}
    own = {key: _own_edges(held, body_size) for key, held in columns.items()}
    usual = _usual_edges(own, places)
    edges = {key: found or usual.get(places[key]) for key, found in own.items()}
    return [_moved(line, edges[line.page, line.column]) for line in lines]


def _own_edges(lines: Sequence[Line], body_size: float) -> tuple[float, float] | None:
    text = [line for line in lines if abs(line.size - body_size) <= 0.12 * body_size and len(line.text) > 20]
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
