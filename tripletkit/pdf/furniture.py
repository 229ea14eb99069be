"""Find page furniture (running heads, footers, watermarks, page numbers) and derive page labels from the page numbers.

A row at a page's edge is furniture if the same text, page numbers aside, stands at the same height of a nearby page, or
if it contains the page's number. Rows inside the outermost body-text row are never furniture. It uses no word lists.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, takewhile, zip_longest
from typing import NamedTuple

from tripletkit.pdf.lines import Line

#: Rows in this share of the page's height, from either edge, can be furniture.
MARGIN_SHARE = 0.16
#: Baselines within this distance, in points, count as the same position.
SAME_PLACE_PT = 3.0
#: A running head is repeated on a page at most this far away: books alternate between left and right pages.
NEAR_PAGES = 2
#: A row whose font is this many times larger may be a heading, such as "Exercises": it must repeat more often.
BIGGER = 1.1
#: A text at the same position on this share of all pages is a watermark, wherever on the page it stands.
WATERMARK_SHARE = 0.4
#: A page number is confirmed by pages at most this far away whose numbers are consistent with it.
NEAR_NUMBERS = 6
#: The PDF's labels are trusted if at least this share of the numbers printed on its pages agrees with them.
AGREEMENT = 0.7

_NUMBER = re.compile(r"\d+")
_ROMAN = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})", re.IGNORECASE)
_VALUES = {"c": 100, "xc": 90, "l": 50, "xl": 40, "x": 10, "ix": 9, "v": 5, "iv": 4, "i": 1}
_EDGES = "()[]{}-–—|·•●.,:/ "


class Row(NamedTuple):
    """The text on one baseline of a page: the indexes of its lines, and its text from left to right."""

    page: int  # 0-based place in the sequence of pages
    lines: tuple[int, ...]
    text: str
    baseline: float
    size: float


def find_furniture(pages: Sequence[Sequence[Line]], heights: Sequence[float], text_size: float) -> list[list[Row]]:
    """The rows of each page that are furniture, from top to bottom.

    ``heights`` and ``text_size``, the book's usual font size, are in points.
    """
    rows = [page_rows(number, lines) for number, lines in enumerate(pages)]
    sides = [[_edge(*page, from_top) for page in zip(rows, heights, strict=True)] for from_top in (True, False)]
    # A chapter's first page may carry at its foot the number that the others carry at their head.
    edges = [[row for row, _ in (*top, *foot)] for top, foot in zip(*sides, strict=True)]
    seen = confirmed_numbers([[row.text for row in edge] for edge in edges])
    numbered = {edges[found.page][found.row] for found in seen}
    found = _watermarks(rows)
    for side in sides:
        known, places = _repeating(side, numbered, text_size)
        found.update(row for edge in side for row in _peel(edge, known, places))
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
    for row in rows:
        row.sort(key=lambda i: lines[i].x0)
    held = ((tuple(row), [lines[i] for i in row]) for row in rows)
    return [
        Row(number, row, " ".join(part.text for part in parts), parts[0].baseline, max(part.size for part in parts))
        for row, parts in held
    ]


def _edge(rows: Sequence[Row], height: float, from_top: bool) -> list[tuple[Row, int]]:
    """At most four rows at the page's edge, outermost first, and their distances from it in units of SAME_PLACE_PT."""
    outermost = [
        (row, row.baseline if from_top else height - row.baseline) for row in rows[:: 1 if from_top else -1][:4]
    ]
    near = takewhile(lambda found: found[1] <= MARGIN_SHARE * height, outermost)
    return [(row, round(distance / SAME_PLACE_PT)) for row, distance in near]


@dataclass(frozen=True, slots=True)
class _Wording:
    """A row's text with its numbers factored out: page numbers count up, a chapter's or a date's numbers stay."""

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


def _repeating(
    side: Sequence[Sequence[tuple[Row, int]]], numbered: Set[Row], text_size: float
) -> tuple[set[Row], set[int]]:
    """The rows that repeat or contain their page's number, and the positions where nearly every row does."""
    at_place: dict[int, list[tuple[Row, _Wording]]] = defaultdict(list)
    for row, place in chain.from_iterable(side):
        at_place[place].append((row, _wording(row.text)))
    known = set(numbered)
    for place, held in at_place.items():
        # "1 Soil" on page 1 is a title: a running head stands where other pages have theirs, in letters of its size.
        heads = [
            row for other in (place - 1, place, place + 1) for row, _ in at_place.get(other, ()) if row in numbered
        ]
        for row, _ in held:
            if " " in row.text and sum(abs(row.size - head.size) < 0.5 for head in heads) == 1:
                known.discard(row)
        near: dict[int, list[_Wording]] = defaultdict(list)
        for other in (place - 1, place, place + 1):
            for row, wording in at_place.get(other, ()):
                near[row.page].append(wording)
        known.update(row for row, wording in held if _repeats(row, wording, near, text_size))
    # Where nearly every row at a position is furniture, a running head that never repeats is furniture too.
    often = {place: held for place, held in at_place.items() if len(held) >= 6}
    return known, {place for place, held in often.items() if sum(row in known for row, _ in held) >= 0.6 * len(held)}


def _repeats(row: Row, wording: _Wording, near: Mapping[int, Sequence[_Wording]], text_size: float) -> bool:
    """Whether a nearby page has the same text at the same position; ``near`` holds the texts there by page."""
    big = row.size >= BIGGER * text_size
    reach, least = (2 * NEAR_PAGES, 3) if big else (NEAR_PAGES, 1)
    others = (page for page in range(row.page - reach, row.page + reach + 1) if page != row.page)
    return sum(any(wording.repeats(o, page - row.page) for o in near.get(page, ())) for page in others) >= least


def _peel(edge: Sequence[tuple[Row, int]], known: Set[Row], places: Set[int]) -> Iterator[Row]:
    """Furniture rows from the edge inwards to the first row of body text; ``places``: positions of running heads."""
    for (row, place), inner in zip_longest(edge, edge[1:]):
        gap = abs(inner[0].baseline - row.baseline) if inner else 3 * row.size
        if row not in known and (place not in places or gap < 1.5 * row.size):
            return
        yield row


def _watermarks(rows: Sequence[Sequence[Row]]) -> set[Row]:
    """Rows whose exact text stands at the same position on many pages."""
    least = max(5.0, WATERMARK_SHARE * len(rows))
    texts = Counter(row.text for page in rows for row in page)
    repeated = [row for page in rows for row in page if texts[row.text] >= least]
    times = Counter((row.text, round(row.baseline / SAME_PLACE_PT)) for row in repeated)
    return {row for row in repeated if times[row.text, round(row.baseline / SAME_PLACE_PT)] >= least}


class PageNumber(NamedTuple):
    """A page number as printed: its value, and whether it is roman."""

    value: int
    roman: bool

    def __str__(self) -> str:
        return to_roman(self.value) if self.roman else str(self.value)


class SeenNumber(NamedTuple):
    """A page number on row ``row`` of the page with index ``page``, and how many nearby pages agree with it."""

    page: int
    row: int
    number: PageNumber
    near: int


def page_labels(own: Sequence[str], edges: Sequence[Sequence[str]]) -> list[str]:
    """One label per page. ``own``: the PDF's labels ("" for none); ``edges``: the texts of each page's furniture."""
    best: dict[int, SeenNumber] = {}
    for seen in confirmed_numbers(edges):
        if seen.page not in best or seen.near > best[seen.page].near:
            best[seen.page] = seen
    printed = {page: seen.number for page, seen in best.items()}
    agreeing = [own[page].strip().lower() == str(number) for page, number in printed.items()]
    if all(own) and sum(agreeing) >= AGREEMENT * len(agreeing):
        return list(own)
    if not printed:
        return [label or str(i + 1) for i, label in enumerate(own)]
    return _fill(len(edges), printed)


def confirmed_numbers(edges: Sequence[Sequence[str]]) -> Iterator[SeenNumber]:
    """Numbers that are the first or last word of a row and count up with the pages, as page numbers do."""
    rows = ((page, row, text) for page, texts in enumerate(edges) for row, text in enumerate(texts))
    found = [(page, row, number) for page, row, text in rows for number in numbers_at_ends(text)]
    counting: dict[tuple[bool, int], set[int]] = defaultdict(set)
    for page, _, number in found:
        counting[number.roman, number.value - page].add(page)
    for page, row, number in found:
        same = counting[number.roman, number.value - page]
        near = sum(other in same for other in range(page - NEAR_NUMBERS, page + NEAR_NUMBERS + 1)) - 1
        # A number may fit by chance, but not if a third of the surrounding pages agree with it.
        around = min(page + NEAR_NUMBERS, len(edges) - 1) - max(page - NEAR_NUMBERS, 0)
        if near >= max(2, around / 3):
            yield SeenNumber(page, row, number, near)


def numbers_at_ends(text: str) -> Iterator[PageNumber]:
    """The page numbers that the first and the last word of a row may be."""
    words = text.split()
    for word in dict.fromkeys(words[:1] + words[-1:]):
        bare = word.strip(_EDGES)
        if bare.isascii() and bare.isdigit() and len(bare) <= 5:
            yield PageNumber(int(bare), False)
        elif (value := roman_value(bare)) is not None:
            yield PageNumber(value, True)


def roman_value(text: str) -> int | None:
    """1 to 399 for a well-formed roman number, upper or lower case, else None."""
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_VALUES[c] for c in text.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def to_roman(number: int) -> str:
    """Lower-case roman number; arabic digits from 400 on, which no front matter reaches."""
    if not 0 < number < 400:
        return str(number)
    text = ""
    for sign, value in _VALUES.items():
        text += sign * (number // value)
        number %= value
    return text


def _fill(pages: int, printed: Mapping[int, PageNumber]) -> list[str]:
    """Labels counted on from the nearest page that has a number, backwards only to 1; roman for pages before that."""
    known = sorted(printed)
    labels: list[str] = []
    for page in range(pages):
        place = bisect_left(known, page)
        near = (*known[place : place + 1], *known[max(place - 1, 0) : place])  # the page itself or the next, the last
        counted = [printed[other]._replace(value=printed[other].value + page - other) for other in near]
        labels.append(next((str(number) for number in counted if number.value >= 1 or page in printed), ""))
    romans = [(n, to_roman(n)) for n in range(1, pages + 1)]
    unused = [roman if roman not in labels else f"{roman} (page {n})" for n, roman in romans]
    return [label or other for label, other in zip(labels, unused, strict=True)]
