"""Furniture: running heads, footers, page numbers and watermarks, which repeat at one place of page after page.

No words are known here. A row of text at a page's edge is furniture if the same text, page numbers aside, stands at the
same height of a page near by, or if it carries the page's number. Rows further in than a row of text are text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from tripletkit.pdf.labels import confirmed_numbers, roman_value
from tripletkit.pdf.lines import Line

#: Rows in this share of the page's height, from either edge, can be furniture.
MARGIN_SHARE = 0.16
#: Baselines of one place differ by at most this, in points.
SAME_PLACE_PT = 3.0
#: A running head is repeated on a page at most this far away: books alternate between left and right pages.
NEAR_PAGES = 2
#: A row in letters this much bigger may be a heading, such as "Exercises" on top of a page: it must repeat more often.
BIGGER = 1.1
#: A text at one place of this share of all pages is a watermark, wherever on the page it stands.
WATERMARK_SHARE = 0.4


class Row(NamedTuple):
    """What stands on one baseline of a page: the indexes of its lines, and its text from left to right."""

    page: int  # 0-based place in the sequence of pages
    lines: tuple[int, ...]
    text: str
    baseline: float
    size: float


def find_furniture(pages: Sequence[Sequence[Line]], heights: Sequence[float], text_size: float) -> list[list[Row]]:
    """The rows of each page that belong to the page and not to the text, from top to bottom.

    ``heights`` and ``text_size``, the book's usual font size, are in points.
    """
    rows = [page_rows(number, lines) for number, lines in enumerate(pages)]
    sides = [
        [list(_edge(page, height, from_top)) for page, height in zip(rows, heights, strict=True)]
        for from_top in (True, False)
    ]
    # A chapter's first page may carry at its foot the number that the others carry at their head.
    numbered = _numbered([top + foot for top, foot in zip(*sides, strict=True)])
    found = _watermarks(rows)
    for edges, from_top in zip(sides, (True, False), strict=True):
        known = _repeating(edges, heights, from_top, numbered, text_size)
        for edge, height in zip(edges, heights, strict=True):
            found.update(_peel(edge, known, height, from_top))
    return [[row for row in page if row in found] for page in rows]


def page_rows(number: int, lines: Sequence[Line]) -> list[Row]:
    """The rows of a page from top to bottom, across its columns."""
    rows: list[list[int]] = []
    order = sorted((line.baseline, line.x0, i) for i, line in enumerate(lines))
    first = -100.0  # the baseline that the row began with
    for baseline, _, i in order:
        if abs(baseline - first) <= 2.0 and rows:
            rows[-1].append(i)
        else:
            rows.append([i])
            first = baseline
    return [_row(number, row if len(row) == 1 else sorted(row, key=lambda i: lines[i].x0), lines) for row in rows]


def _row(number: int, held: list[int], lines: Sequence[Line]) -> Row:
    parts = [lines[i] for i in held]
    text, size = " ".join(part.text for part in parts), max(part.size for part in parts)
    return Row(number, tuple(held), text, parts[0].baseline, size)


def _edge(rows: Sequence[Row], height: float, from_top: bool) -> Iterator[Row]:
    """At most four rows next to the page's edge, from the outermost inwards."""
    limit = MARGIN_SHARE * height
    for row in list(rows if from_top else reversed(rows))[:4]:
        if (row.baseline if from_top else height - row.baseline) > limit:
            return
        yield row


def _place(row: Row, height: float, from_top: bool) -> int:
    """The row's distance from the page's edge, in steps of SAME_PLACE_PT."""
    return round((row.baseline if from_top else height - row.baseline) / SAME_PLACE_PT)


_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Wording:
    """A row's text with its numbers apart: page numbers count up, a chapter's or a date's numbers stay."""

    text: str
    numbers: tuple[int, ...]

    def repeats(self, other: _Wording, pages_apart: int) -> bool:
        """Whether ``other`` is the same furniture, that many pages after this."""
        return (
            self.text == other.text
            and len(self.numbers) == len(other.numbers)
            and all(theirs - mine in (0, pages_apart) for mine, theirs in zip(self.numbers, other.numbers, strict=True))
        )


def _wording(text: str) -> _Wording:
    words = text.lower().split()
    romans = {i: value for i in (0, len(words) - 1) if words and (value := roman_value(words[i])) is not None}
    for i in romans:
        words[i] = "#"
    return _Wording(_NUMBER.sub("#", " ".join(words)), (*romans.values(), *(int(n[:9]) for n in _NUMBER.findall(text))))


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows that repeat or carry their page's number, and the places where nearly every row does."""

    rows: frozenset[Row]
    places: frozenset[int]


def _repeating(
    edges: Sequence[Sequence[Row]],
    heights: Sequence[float],
    from_top: bool,
    numbered: Set[Row],
    text_size: float,
) -> _Known:
    at_place: dict[int, list[tuple[Row, _Wording]]] = defaultdict(list)
    for edge, height in zip(edges, heights, strict=True):
        for row in edge:
            at_place[_place(row, height, from_top)].append((row, _wording(row.text)))
    known = set(numbered)
    for place, held in at_place.items():
        near: dict[int, list[_Wording]] = defaultdict(list)
        for other in (place - 1, place, place + 1):
            for row, wording in at_place.get(other, ()):
                near[row.page].append(wording)
        known.update(row for row, wording in held if _repeats(row, wording, near, text_size))
    # At some places nearly every row is furniture: there, a section's running head that never repeats is furniture too.
    places = {
        place
        for place, held in at_place.items()
        if len(held) >= 6 and sum(row in known for row, _ in held) >= 0.6 * len(held)
    }
    return _Known(frozenset(known), frozenset(places))


def _repeats(row: Row, wording: _Wording, near: Mapping[int, Sequence[_Wording]], text_size: float) -> bool:
    """Whether a page near by has the same text at the same place; ``near`` holds what each page has there."""
    big = row.size >= BIGGER * text_size
    reach = 2 * NEAR_PAGES if big else NEAR_PAGES
    others = (page for page in range(row.page - reach, row.page + reach + 1) if page != row.page)
    return sum(any(wording.repeats(other, page - row.page) for other in near.get(page, ())) for page in others) >= (
        3 if big else 1
    )


def _numbered(edges: Sequence[Sequence[Row]]) -> set[Row]:
    """Rows that carry their page's number."""
    seen = confirmed_numbers([[row.text for row in edge] for edge in edges])
    return {edges[found.page][found.row] for found in seen}


def _peel(edge: Sequence[Row], known: _Known, height: float, from_top: bool) -> Iterator[Row]:
    """Furniture rows from the edge inwards, up to the first row of text."""
    for i, row in enumerate(edge):
        if row not in known.rows:
            inner = edge[i + 1] if i + 1 < len(edge) else None
            gap = abs(inner.baseline - row.baseline) if inner else 3 * row.size
            if _place(row, height, from_top) not in known.places or gap < 1.5 * row.size:
                return
        yield row


def _watermarks(rows: Sequence[Sequence[Row]]) -> set[Row]:
    """Rows whose exact text stands at the same place of many pages."""
    least = max(5.0, WATERMARK_SHARE * len(rows))
    texts = Counter(row.text for page in rows for row in page)
    repeated = [row for page in rows for row in page if texts[row.text] >= least]
    times = Counter((row.text, round(row.baseline / SAME_PLACE_PT)) for row in repeated)
    return {row for row in repeated if times[row.text, round(row.baseline / SAME_PLACE_PT)] >= least}
