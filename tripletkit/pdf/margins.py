"""Notes in the margin, line numbers and paragraph numbers: taken out of the text's lines, kept as lines of their own.

They are found by geometry, over the whole book: narrow pieces that stand outside of the text's edges, beside lines of
text. Numbers must count up down the page, notes must stand below each other. Labels of list items and exercises, which
hang in the margin too, belong to the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from statistics import median
from typing import NamedTuple

from tripletkit.pdf.kinds import text_size
from tripletkit.pdf.lines import Line, part_of
from tripletkit.pdf.words import Word

#: A book shows its text's edges by so many lines.
ENOUGH_LINES = 20
#: A page with fewer lines as wide as the text's has other columns.
ENOUGH_ON_PAGE = 4
#: So long is "[1234]".
LONGEST_NUMBER = 6
#: A left edge that is used this much as often as the most usual one is that of a column.
OFTEN = 0.4
#: Distances are rounded to this, in points.
STEP_PT = 2.0
#: Letters this much smaller than the text's are another type.
SMALLER = 0.95
#: So many numbers, and so many notes, are no chance.
LEAST_NUMBERS, LEAST_NOTES = 8, 4
#: Share of the steps from number to number that are equal, and of the notes that stand below each other.
SAME_STEPS, ALIGNED = 0.7, 0.6
#: Lines are numbered where at least this share of the numbers stands inside of paragraphs.
INSIDE = 0.25

_NUMBER = re.compile(r"[\[(¶§]?(\d{1,4})[\])]?")
_WORD = re.compile(r"[^\W\d_]{2,}")


class _Edges(NamedTuple):
    """Where the text starts and ends, and how wide its lines mostly are, in points."""

    left: float
    right: float
    width: float


class _Piece(NamedTuple):
    """What may stand in the margin: page (from 0) and line, side (0 left, 1 right), and the line without it, if any."""

    page: int
    at: int
    side: int
    line: Line
    rest: Line | None
    inside: bool  # beside a line of text that goes on with a full line above
    ratio: float  # size of its letters to those of the text beside


def with_margins(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The lines of each page; what stands in its margin is marked and comes behind the text, from top to bottom.

    Asides, which come last, stay there.
    """
    asides = [[line for line in lines if line.aside] for lines in pages]
    pages = [[line for line in lines if not line.aside] for lines in pages]
    size = text_size([line for line in lines if not _is_code(line)] for lines in pages)
    edges = {side: _text_edges(pages[side::2], size) for side in (0, 1)}
    pieces = [piece for n, lines in enumerate(pages) if (at := edges[n % 2]) for piece in _outside(n, lines, at, size)]
    for line in chain.from_iterable([*pages, *asides]):
        line.apart = ()  # the words are not needed any more
    by_page: dict[int, dict[int, _Piece]] = defaultdict(dict)
    for piece in [*_numbers(pieces), *_notes(pieces)]:
        by_page[piece.page].setdefault(piece.at, piece)
    texts = (_parted(lines, by_page[n]) if n in by_page else lines for n, lines in enumerate(pages))
    return [[*text, *own] for text, own in zip(texts, asides, strict=True)]


def _parted(lines: Sequence[Line], pieces: Mapping[int, _Piece]) -> list[Line]:
    text = [pieces[i].rest if i in pieces else line for i, line in enumerate(lines)]
    kept = [line for line in text if line is not None]
    # Notes may have been a column of their own: then the text is the only one.
    if len({line.column for line in kept}) == 1:
        kept = [line if line.column in (0, -1) else replace(line, column=0) for line in kept]
    margin = sorted((piece.line for piece in pieces.values()), key=lambda line: (line.x0 > kept[0].x0, line.baseline))
    return [*kept, *(replace(line, margin=True) for line in margin)]


def _is_code(line: Line) -> bool:
    return line.styles.count("m") > 0.5 * len(line.styles)


class _Text(NamedTuple):
    """A line in the text's letters, without what stands apart at its ends."""

    baseline: float
    x0: float
    x1: float
    chars: int
    size: float


def _texts(lines: Sequence[Line], size: float) -> Iterator[_Text]:
    for line in lines:
        if _is_code(line) or abs(line.size - size) > 0.12 * size:
            continue
        if len(line.text) <= LONGEST_NUMBER and _NUMBER.fullmatch(line.text):
            continue
        x0, x1 = line.x0, line.x1
        for end, rest in line.apart:
            x0, x1 = (max(x0, rest[0].x0), x1) if end[0].x0 < rest[0].x0 else (x0, min(x1, rest[-1].x1))
        yield _Text(line.baseline, x0, x1, len(line.text), line.size)


def _text_edges(pages: Sequence[Sequence[Line]], size: float) -> _Edges | None:
    """The edges of the text on these pages, over all its columns; None where there is too little of it."""
    texts = [text for lines in pages for text in _texts(lines, size) if text.chars > 30]
    if len(texts) < ENOUGH_LINES:
        return None
    lefts = Counter(round(text.x0 / STEP_PT) for text in texts)
    left = STEP_PT * min(x for x, times in lefts.items() if times >= OFTEN * max(lefts.values()))
    rights = sorted(text.x1 for text in texts)
    return _Edges(left, rights[-1 - len(rights) // 10], median(text.x1 - text.x0 for text in texts))


def _outside(page: int, lines: Sequence[Line], edges: _Edges, size: float) -> Iterator[_Piece]:
    """The pieces of a page that stand outside of the edges, beside a line of text."""
    far, full = 0.3 * size, edges.right - 0.15 * (edges.right - edges.left)
    left, right = edges.left - far, edges.right + far
    out: list[tuple[int, Line, list[Word], list[Word]]]
    out = [(at, line, [], []) for at, line in enumerate(lines) if line.x1 < left or line.x0 > right]
    for at, line in enumerate(lines):
        if line.apart:
            out += [(at, line, *held) for held in line.apart if held[0][-1].x1 < left or held[0][0].x0 > right]
    if not out:
        return
    texts = sorted(_texts(lines, size))
    bases = [text.baseline for text in texts]
    if sum(text.x1 - text.x0 >= 0.8 * edges.width for text in texts) < ENOUGH_ON_PAGE:
        return  # an index, a table, a picture

    def beside(baseline: float) -> tuple[bool, float] | None:
        """Whether the line of text beside goes on with the one above, and its size; None where none is beside."""
        place = bisect_left(bases, baseline - 0.25 * size)
        above = texts[place - 1] if place else None
        if place == len(bases) or bases[place] - baseline > 0.9 * size:
            return (False, above.size) if above is not None and baseline - above.baseline < 1.6 * size else None
        inside = above is not None and above.x1 > full and texts[place].x0 < edges.left + 0.5 * size
        return inside, texts[place].size

    for at, line, end, rest in out:
        if (found := beside(line.baseline)) is not None:
            one, other = (part_of(line, end), part_of(line, rest)) if end else (line, None)
            yield _Piece(page, at, int(one.x0 > edges.left), one, other, found[0], one.size / found[1])


def _numbers(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """The numbers of lines or paragraphs: they count up by equal steps down each page."""
    for side in (0, 1):
        held = [piece for piece in pieces if piece.side == side and _NUMBER.fullmatch(piece.line.text)]
        values = [(piece.page, int(_NUMBER.sub(r"\1", piece.line.text))) for piece in _down(held)]
        steps = Counter(b - a for (page, a), (other, b) in pairwise(values) if page == other)
        if len(held) < LEAST_NUMBERS or not steps:
            continue
        step, times = steps.most_common(1)[0]
        small = median(piece.ratio for piece in held) <= SMALLER
        lines = sum(piece.inside for piece in held) >= INSIDE * len(held)
        # Numbers in the text's letters where paragraphs start are those of exercises.
        if step > 0 and times >= SAME_STEPS * steps.total() and (small or lines):
            yield from held


def _notes(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """Notes of words: below each other, in smaller letters, or at the right edge, where no labels hang."""
    groups: dict[tuple[int, int], list[_Piece]] = defaultdict(list)
    for piece in pieces:
        if _WORD.search(piece.line.text):
            groups[piece.page % 2, piece.side].append(piece)
    for (_, side), held in groups.items():
        lefts, rights = (Counter(round(getattr(p.line, x) / STEP_PT) for p in held) for x in ("x0", "x1"))
        below = max(max(side_[x] + side_[x + 1] for x in side_) for side_ in (lefts, rights))
        small = median(piece.ratio for piece in held) <= SMALLER
        enough = len(held) >= LEAST_NOTES and len({piece.page for piece in held}) > 1
        if enough and below >= ALIGNED * len(held) and (small or side == 1):
            yield from held


def _down(pieces: Sequence[_Piece]) -> list[_Piece]:
    return sorted(pieces, key=lambda piece: (piece.page, piece.line.baseline))
