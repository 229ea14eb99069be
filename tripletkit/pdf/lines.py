"""Words of one page → lines in reading order, column by column.

Columns are found from boxes and from the file's own order: text columns are written one after the other, a table's
cells row by row.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, islice, pairwise
from operator import attrgetter
from statistics import median

from tripletkit.language.layout_words import ONE_LETTER_WORDS
from tripletkit.pdf.glyphs import Frame
from tripletkit.pdf.raised import NOTE_LETTERS, as_signs, has_signs, height, is_note
from tripletkit.pdf.reader import RawPage
from tripletkit.pdf.words import Word

#: A wider gap (in font sizes) between words on one baseline starts a new fragment. Justified text stays under it.
FRAGMENT_GAP = 1.6
#: A wider gap (in font sizes) may part columns of a table: spaces of justified text are hardly ever so wide.
TABLE_GAP = 0.9
#: A wider gap than this (in font sizes) may part a line from what stands beside it in the margin.
MARGIN_GAP = 0.7
#: Narrowest gutter between columns, in points.
GUTTER_PT = 7.0
#: A column of so many rows may be an index's.
FEWEST_ENTRIES = 15
#: A fragment over this share of the text's width spans the columns; up to this share of a page's fragments may.
WIDE_BLOCK, MOST_WIDE = 0.75, 0.25
#: What follows a raised sign or a note's mark without a space, even where the file starts a new line for it.
_CLOSING = frozenset(".,;:!?)]}”’")
_TEXT = attrgetter("text", "style", "size", "space", "note")


@dataclass(slots=True)
class Line:
    """A line of one column. ``styles`` holds a letter per word of ``text.split()``: r, b, i, z, m (see Word.style)."""

    page: int
    column: int  # 0-based from the left within its band; -1 where the line spans columns
    text: str
    styles: str
    x0: float
    x1: float
    top: float
    bottom: float
    baseline: float
    size: float
    col_x0: float = 0.0  # left and right edge of the column that holds the line
    col_x1: float = 0.0
    notes: tuple[int, ...] = ()  # words of text.split() that are marks of footnotes
    gaps: int = 0  # wide gaps between words, as between the cells of a table's row
    frame: int = 0  # which of the page's frames it stands in, counted from 1
    gap_word: int = 0  # word of text.split() after the first gap of TABLE_GAP; 0: none
    aside: bool = False  # no part of the text: turned, invisible or outside of the visible page
    margin: bool = False  # stands in the margin, beside the text
    apart: tuple[tuple[list[Word], list[Word]], ...] = ()  # words apart at an end of the line, and the others

    def between(self, col_x0: float, col_x1: float) -> Line:
        """The same line in a column with these edges. Spelt out, as dataclasses.replace takes ten times as long."""
        box = self.x0, self.x1, self.top, self.bottom, self.baseline, self.size
        words, rest = (self.page, self.column, self.text, self.styles), (self.notes, self.gaps, self.frame)
        return Line(*words, *box, col_x0, col_x1, *rest, self.gap_word, self.aside, self.margin)


@dataclass(slots=True)
class _Fragment:
    words: list[Word]
    x0: float
    x1: float
    top: float
    bottom: float
    baseline: float
    size: float
    widest: float = math.inf  # no gap between its words is wider


def page_lines(page: RawPage) -> list[Line]:
    """Every word of the page, in exactly one line; lines in reading order, behind them those that are no part of it."""
    text = [word for word in page.words if not word.aside]
    lower_drop_caps(text)
    fragments = words_to_fragments(with_underscores(text, page.strokes))
    gutters = find_gutters(fragments)
    bands = fragments_to_bands(fragments, gutters)
    lines = [line for band in bands for line in _band_lines(page.number, band, gutters)]
    for number, frame in enumerate(page.frames, 1):
        for line in lines:
            middle = (line.top + line.bottom) / 2
            if frame.top < middle < frame.bottom and frame.x0 - 1 <= line.x0 and line.x1 <= frame.x1 + 1:
                line.frame = number
    asides = words_to_fragments(word for word in page.words if word.aside)
    return [*lines, *(replace(_line(page.number, 0, [f], f.x0, f.x1), aside=True) for f in asides)]


def with_underscores(words: list[Word], strokes: Sequence[Frame]) -> list[Word]:
    """Two words with nothing between them but a stroke on the baseline are one: "pop_change", not "pop change"."""
    if not strokes:
        return words
    near = {int(stroke.x0) + d for stroke in strokes for d in (-2, -1, 0, 1)}
    joined = words[:1]
    for word in islice(words, 1, None):
        before = joined[-1]
        end = before.x1
        # Hardly a word ends where a stroke starts: cheap to ask first.
        if int(end) in near and any(
            -1 < stroke.x0 - end < 2
            and -1 < word.x0 - stroke.x1 < 2
            and abs(before.baseline - word.baseline) < 1
            and abs(stroke.top - before.baseline) < 0.3 * before.size
            for stroke in strokes
        ):
            joined[-1] = replace(before, text=f"{before.text}_{word.text}", x1=word.x1)
        else:
            joined.append(word)
    return joined


def lower_drop_caps(words: Sequence[Word]) -> None:
    """Give a chapter's big first letter the place of the word that it begins, so that it stands on the first line."""
    for cap, word in pairwise(words):
        if len(cap.text) == 1 and cap.text.isupper() and cap.size >= 1.6 * word.size and word.text[0].isalpha():
            gap = word.x0 - cap.x1
            if not (
                -0.2 * cap.size <= gap <= 0.6 * word.size
                and cap.top - word.size <= word.top < word.baseline < cap.baseline + 1
            ):
                continue
            cap.size, cap.baseline, cap.top, cap.bottom = word.size, word.baseline, word.top, word.bottom
            # "A new": some letters are words.
            if cap.text not in ONE_LETTER_WORDS or gap < 0.15 * word.size:
                cap.x1, word.space = word.x0, False


def words_to_fragments(words: Iterable[Word]) -> list[_Fragment]:
    """Join words that follow each other on one baseline, as long as the gap stays small."""
    fragments: list[_Fragment] = []
    last: _Fragment | None = None
    for word in words:
        # No call, comparisons and not min, max and abs: this is done for every word of a book.
        if last is not None:
            size = last.size if last.size > word.size else word.size
            gap, shift = word.x0 - last.x1, word.baseline - last.baseline
        if (
            last is None
            or not -0.6 * size <= gap <= FRAGMENT_GAP * size
            # Sub- and superscripts: smaller, close by, and overlapping the line's height.
            or not (-0.2 * size <= shift <= 0.2 * size or (gap <= 0.5 * size and -0.6 * size <= shift <= 0.6 * size))
        ):
            last = _Fragment([word], word.x0, word.x1, word.top, word.bottom, word.baseline, word.size, 0.0)
            fragments.append(last)
            continue
        last.words.append(word)
        if gap > last.widest:
            last.widest = gap
        if word.x1 > last.x1:
            last.x1 = word.x1
        else:  # the next gap is measured from a word before it
            last.widest = math.inf
        if word.top < last.top:
            last.top = word.top
        if word.bottom > last.bottom:
            last.bottom = word.bottom
        if word.size > last.size:
            last.size, last.baseline = word.size, word.baseline
    return fragments


def find_gutters(fragments: Sequence[_Fragment]) -> list[float]:
    """X of the middle of each gutter between text columns; empty for one column."""
    if len(fragments) < 8:
        return []
    left, right = min(f.x0 for f in fragments), max(f.x1 for f in fragments)
    width = int(right - left) + 2
    steps = [0] * (width + 1)
    for f in fragments:
        steps[int(f.x0 - left)] += 1
        steps[int(f.x1 - left) + 1] -= 1
    cover = list(accumulate(steps))[:width]
    # A block over both columns, such as an abstract: its lines cross every gutter.
    wide = sum(f.x1 - f.x0 > WIDE_BLOCK * width for f in fragments)
    few = max(1, len(fragments) // 12)
    most_crossing = max(few, wide if wide <= MOST_WIDE * len(fragments) else 0)
    gutters: list[float] = []
    start: int | None = None
    for x in range(int(0.12 * width), int(0.9 * width)):
        if cover[x] <= most_crossing:
            start = x if start is None else start
            continue
        if start is not None and x - start >= GUTTER_PT:
            middle = _narrowest(cover, start, x) + left
            crossed = min(cover[start:x]) > few
            if _is_gutter(fragments, middle, gutters[-1] if gutters else left, text_only=crossed):
                gutters.append(middle)
        start = None
    return gutters


def _narrowest(cover: Sequence[int], start: int, end: int) -> float:
    """Middle of the right-most stretch that the fewest fragments cross: ragged right edges end before it."""
    least = min(cover[start:end])
    last = max(x for x in range(start, end) if cover[x] == least)
    first = last
    while first > start and cover[first - 1] == least:
        first -= 1
    return max((first + last) / 2, last - 4.0)


def _is_gutter(fragments: Sequence[_Fragment], x: float, previous: float, *, text_only: bool) -> bool:
    before = [f for f in fragments if f.x1 <= x and f.x0 >= previous - 2]
    after = [f for f in fragments if f.x0 >= x]
    if min(len(before), len(after)) < 4:
        return False
    # Columns lie side by side: their heights overlap.
    overlap = min(max(f.bottom for f in before), max(f.bottom for f in after)) - max(
        min(f.top for f in before), min(f.top for f in after)
    )
    if overlap < 5 * median(f.size for f in fragments):
        return False
    sides = [f.x0 >= x for f in fragments if f.x1 <= x or f.x0 >= x]
    crossings = sum(a != b for a, b in pairwise(sides))
    if crossings <= max(4, len(sides) // 10) and not text_only:
        return True
    # Written row by row, or crossed by many lines: columns only if both sides are running text, not cells.
    edge = min(f.x0 for f in after)
    end = max(f.x1 for f in after if f.x0 < edge + GUTTER_PT)
    after = [f for f in after if f.x0 < end]  # the next column alone
    if _is_index(before) and _is_index(after):
        return True
    widths = [median(f.x1 - f.x0 for f in side) for side in (before, after)]
    spans = [max(f.x1 for f in side) - min(f.x0 for f in side) for side in (before, after)]
    return all(w >= 0.75 * s and s > 100 for w, s in zip(widths, spans, strict=True))


def _is_index(column: Sequence[_Fragment]) -> bool:
    """Whether a column's rows go down the alphabet and end in page numbers: two such columns are no table."""
    first = [f.words[0].text[:1].lower() for f in column]
    steps = [a <= b for a, b in pairwise(letter for letter in first if letter.isalpha())]
    numbered = sum(f.words[-1].text[-1:].isdigit() for f in column)
    return len(steps) >= FEWEST_ENTRIES and sum(steps) >= 0.9 * len(steps) and numbered >= 0.6 * len(column)


def fragments_to_bands(fragments: Sequence[_Fragment], gutters: Sequence[float]) -> list[list[_Fragment]]:
    """Cut the page, from the top, at fragments that span a gutter: above and below are read apart."""
    if not gutters:
        return [list(fragments)]
    bands: list[list[_Fragment]] = [[]]
    spanning = False
    for f in sorted(fragments, key=lambda f: (f.baseline, f.x0)):
        spans = any(f.x0 < g - 3 and f.x1 > g + 3 for g in gutters)
        if bands[-1] and spans != spanning:
            bands.append([])
        bands[-1].append(f)
        spanning = spans
    return bands


def _band_lines(page: int, band: Sequence[_Fragment], gutters: Sequence[float]) -> list[Line]:
    spans = bool(gutters) and any(f.x0 < g - 3 and f.x1 > g + 3 for g in gutters for f in band[:1])
    starts = [g - 3 for g in gutters]
    columns: dict[int, list[_Fragment]] = {}
    for f in band:
        columns.setdefault(-1 if spans else bisect_right(starts, f.x0), []).append(f)
    lines: list[Line] = []
    for column in sorted(columns):
        held = columns[column]
        col_x0, col_x1 = min(f.x0 for f in held), max(f.x1 for f in held)
        lines += [_line(page, column, row, col_x0, col_x1) for row in _rows(held)]
    return lines


def _rows(fragments: Sequence[_Fragment]) -> list[list[_Fragment]]:
    rows: list[list[_Fragment]] = []
    for f in sorted(fragments, key=lambda f: (f.baseline, f.x0)):
        if rows and abs(f.baseline - rows[-1][0].baseline) <= 0.25 * max(f.size, rows[-1][0].size):
            rows[-1].append(f)
        else:
            rows.append([f])
    return rows


def _line(page: int, column: int, row: list[_Fragment], col_x0: float, col_x1: float) -> Line:
    first, gaps = row[0], 0
    words, box = first.words, (first.x0, first.x1, first.top, first.bottom, first.baseline)
    if len(row) > 1:
        ordered = sorted(row, key=lambda f: f.x0)
        words = [word for f in ordered for word in f.words]
        gaps = sum(b.x0 - a.x1 > FRAGMENT_GAP * max(a.size, b.size) for a, b in pairwise(ordered))
        biggest = max(row, key=lambda f: (f.size, f.x1 - f.x0))
        sides = ordered[0].x0, max(f.x1 for f in row), min(f.top for f in row), max(f.bottom for f in row)
        box = *sides, biggest.baseline
    parts, letters, sizes, spaces, marks = zip(*map(_TEXT, words), strict=True)
    size, text, styles = sizes[0], " ".join(parts), "".join(letters)
    notes: tuple[int, ...] = ()
    same = sizes.count(size) == len(sizes)
    # In most lines all words are set alike, behind spaces: asked first, as it is quick.
    plain = same and all(spaces[1:]) and not any(marks) and (text.isascii() or not has_signs(text))
    if not plain:
        text, styles, notes = _joined(words)
    if not same:  # the median by characters
        size = median(chain.from_iterable([word.size] * len(word.text) for word in words))
    line = Line(page, column, text, styles, *box, round(size, 2), col_x0, col_x1, notes, gaps)
    # In most lines there are none.
    may_have = len(row) > 1 or first.widest > MARGIN_GAP * size
    if may_have and (cuts := [i for i, (a, b) in enumerate(pairwise(words), 1) if b.x0 - a.x1 > MARGIN_GAP * size]):
        line.gap_word = _gap_word(words, cuts, size, plain=plain)
        line.apart = tuple(_ends_apart(line, words, cuts)) if len(cuts) <= 3 else ()  # others are rows of a table
    return line


def _gap_word(words: Sequence[Word], cuts: Sequence[int], size: float, *, plain: bool) -> int:
    """Which word of the line's text stands after its first gap of TABLE_GAP; 0 if there is none."""
    at = next((i for i in cuts if words[i].x0 - words[i - 1].x1 > TABLE_GAP * size), 0)
    return len(_joined(words[:at])[1]) if at and not plain else at


def _ends_apart(line: Line, words: list[Word], cuts: Sequence[int]) -> Iterator[tuple[list[Word], list[Word]]]:
    """The narrow pieces at the ends of a line that wide gaps part from it, each with the rest of the line."""
    most = 0.35 * (line.col_x1 - line.col_x0)
    for end, rest in ((words[: cuts[0]], words[cuts[0] :]), (words[cuts[-1] :], words[: cuts[-1]])):
        if end[-1].x1 - end[0].x0 < most:
            yield end, rest


def part_of(line: Line, words: list[Word]) -> Line:
    """Some words of a line as a line of their own."""
    biggest = max(words, key=lambda word: word.size)
    left, right = min(word.x0 for word in words), max(word.x1 for word in words)
    top, bottom = min(word.top for word in words), max(word.bottom for word in words)
    held = _Fragment(words, left, right, top, bottom, biggest.baseline, biggest.size)
    part = _line(line.page, line.column, [held], line.col_x0, line.col_x1)
    part.frame, part.apart = line.frame, ()
    return part


def _joined(words: Sequence[Word]) -> tuple[str, str, tuple[int, ...]]:
    """The text of a line, the style of each of its words, and which of them are marks of footnotes."""
    base = before = words[0]  # base: the last that is neither raised nor lowered
    parts, styles = [before.text], [before.style]
    notes = [0] if len(words) > 1 and _opens_note(before, words[1]) else []
    last = 0  # the last part that is no note
    for word in islice(words, 1, None):
        text, level, gap = word.text, 0, word.x0 - before.x1
        if word.size < 0.85 * base.size:
            level = height(word.size, base.baseline - word.baseline, base.size)
        near = -0.2 * word.size < gap < 0.25 * word.size
        note = word.note or (level > 0 and is_note(text, base.text))
        if level and near and not note:
            text = as_signs(text, parts[-1], up=level > 0)
        elif not level and not note and text[0] in _CLOSING and (near or not word.space) and _ends_raised(before, base):
            parts[last] += text  # "Galton¹²," and "r²."
            base = before = word
            continue
        if note or before.note or not near or (word.space and not (has_signs(text[0]) or text != word.text)):
            notes += [len(parts)] if note else []
            last = last if note else len(parts)
            parts.append(text)
            styles.append(word.style)
        else:
            parts[-1] += text
        base = base if note or level else word
        before = word
    return " ".join(parts), "".join(styles), tuple(notes)


def _ends_raised(word: Word, base: Word) -> bool:
    """Whether a word is raised or lowered beside ``base``, the last that is not, or ends in such a sign."""
    return word is not base or has_signs(word.text[-1])


def _raised(word: Word, beside: Word, share: float) -> bool:
    """Whether a word is set as a footnote's mark: small, and raised by that ``share`` of the size ``beside`` it."""
    small = word.size < 0.85 * beside.size and beside.baseline - word.baseline > share * beside.size
    letter = word.text in NOTE_LETTERS and beside.text[0].isupper()
    return small and (letter or (word.text.isdigit() and len(word.text) <= 3))


def _opens_note(word: Word, after: Word) -> bool:
    """Whether a line starts with a footnote's own mark: smaller and raised, or a sign that nothing else starts with."""
    sign = word.text.strip("*∗†‡§") == "" and len(word.text) <= 3 and word.size < 0.95 * after.size
    return word.note or sign or _raised(word, after, 0.1)
