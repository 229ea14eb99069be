"""Pages of an index or glossary → rows with an indent; rows of an index → printed entries, whole over lines.

Lines of unequal length hide gutters: a long entry crosses into the gutter, a short one leaves it wide, and a column
that holds only subentries has no line at its edge. So columns are found from all pages together.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median

from tripletkit.language import term_words as english
from tripletkit.pdf.lines import Line
from tripletkit.terms.book_text import LOCATOR_LIST, Book

#: Edges and indents that differ by less than this many font sizes are the same: letters have side bearings.
SAME_EDGE = 0.3
#: More indents than levels and second lines can make: entries are aligned by something else, as names at their colon.
MOST_INDENTS = 7
#: An indent further in than this many font sizes is a level of its own.
HANG = 1.0
#: Stands for a row of dots between a term and its pages.
LEADER = "\u2026"
REMARK = "remark about the index"
_LEADER = re.compile(r"\s\.(?:\s?\.)*\s*(?=\d|[ivxlc]+$)|(?:\s?\.){3,}\s?|\s?…+\s?|\s?(?:· ?){3,}|\s?_{3,}\s?")
_ENDS_IN_LOCATOR = re.compile(
    r"(?:^|[\s,.:…])(?:[A-Z]{1,2}[-.])?(?:\d{1,4}[–—−-])?(?:\d{1,4}|[ivxlc]{1,7})"
    rf"{english.PAGE_NOTE_AT_END}[.;]?$|[ivxlc][–—−-][ivxlc]+$"
)
_LETTER = re.compile(r"[^\W\d_](?:\s?[-–—/,&]\s?[^\W\d_])*")


@dataclass(frozen=True)
class Leftover:
    """A line of an index or glossary that gave no entry, and why."""

    text: str
    page: int
    reason: str


@dataclass
class Item:
    """One printed entry: its whole text, its indent, the rows that it came from."""

    text: str
    indent: float
    rows: list[Line]
    repeats: bool = False  # "(continued)": the head is printed again


@dataclass(frozen=True)
class Indents:
    """The indents that occur, each as the smallest of its cluster, and which of them only second lines have."""

    starts: tuple[float, ...]
    turnover: frozenset[int]
    wrapped: frozenset[int]  # those that surely hold some second lines, beside subentries maybe
    tolerance: float

    def level(self, indent: float) -> int:
        """Which cluster an indent belongs to, 0 for the column's edge."""
        return max(0, bisect_right(self.starts, indent + self.tolerance) - 1)


def lines_to_rows(pages: Mapping[int, Sequence[Line]], whole: Mapping[int, Sequence[Line]] | None = None) -> list[Line]:
    """Rows of all pages (physical number → lines) in reading order: page by page, column by column, top down.

    A row is a line whose x0 (its indent) and x1 are measured from the left edge of its printed column. ``whole`` holds
    the same pages with all their lines, where ``pages`` has a part too small to show the columns.
    """
    pitches = column_pitches(whole or pages)
    edges = left_edges(whole or pages, pitches)
    rows: list[Line] = []
    for page in sorted(pages):
        columns: dict[int, list[Line]] = defaultdict(list)
        bases = [edges[page] + pitch for pitch in pitches]
        for line in pages[page]:
            for part in split_at_gutters(line, bases):
                at = _column(part.x0, bases, part.size)
                columns[at].append(replace(part, column=at, x0=part.x0 - bases[at], x1=part.x1 - bases[at]))
        for column in sorted(columns):
            rows.extend(sorted(columns[column], key=lambda row: (round(row.baseline, 1), row.x0)))
    return rows


def without_introduction(pages: Mapping[int, Sequence[Line]]) -> tuple[dict[int, list[Line]], list[Line]]:
    """The pages of an index, and the lines above its columns on the first of them: they run over the gutter."""
    rest = {page: list(lines) for page, lines in pages.items()}
    pitches = column_pitches(pages)
    if len(pitches) < 2:
        return rest, []
    page = min(pages)
    bases = [left_edges(pages, pitches)[page] + pitch for pitch in pitches]
    top = min((line.baseline for line in pages[page] if line.x0 >= bases[1] - line.size), default=0.0)
    above = [line for line in pages[page] if line.baseline < top - 0.5 * line.size]
    # A line that holds an entry of each column is none of its lines, unless others follow.
    over = [line for line in above if line.x1 > bases[1] + 2 * line.size]
    solid = [line.baseline for line in over if len(split_at_gutters(line, bases)) == 1]
    if len(solid) < 2:
        return rest, []
    above = [line for line in above if line not in over or line.baseline <= max(solid)]
    rest[page] = [line for line in pages[page] if line not in above]
    return rest, above


def column_pitches(pages: Mapping[int, Sequence[Line]]) -> list[float]:
    """Offset of each column's left edge from the first: [0.0] for one column, [0.0, 168.0] for two."""
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
    # A column of subentries alone starts too far right, one beside such a column too far left; most pages have neither.
    pitches = [0.0]
    for column in sorted(starts):
        if column == len(pitches) and len(starts[column]) >= 0.3 * len(pages):
            pitches.append(_commonest(starts[column]))
    return pitches


def _commonest(values: Sequence[float]) -> float:
    return max(values, key=lambda value: (sum(abs(other - value) <= 3 for other in values), -value))


def left_edges(pages: Mapping[int, Sequence[Line]], pitches: Sequence[float]) -> dict[int, float]:
    """Left edge of the first column of each page. Left and right pages are set apart, so neighbours of a kind agree."""
    edges: dict[int, float] = {}
    for page, lines in pages.items():
        left = _edge(lines)
        found = []
        for pitch, after in zip(pitches, [*pitches[1:], 1e9], strict=True):
            held = [line for line in lines if left + pitch - 8 <= line.x0 < left + after - 8]
            found += [_edge(held) - pitch] if len(held) >= 3 else []
        edges[page] = min(found, default=left)
    # A page is shifted as a whole by scanning at most; by subentries, its edge seems further in by an indent.
    least = [min((edge for page, edge in edges.items() if page % 2 == side), default=0.0) for side in (0, 1)]
    return {page: least[page % 2] if edge - least[page % 2] <= 60 else edge for page, edge in edges.items()}


def _edge(lines: Sequence[Line]) -> float:
    """Left edge: the left-most start; one that no other line shares, far out, is a title's or a stray sign's."""
    starts = sorted(line.x0 for line in lines)
    if len(starts) < 2:
        return starts[0] if starts else 0.0
    size = median(line.size for line in lines)
    if starts[1] - starts[0] <= 4 * size:
        return starts[0]
    return next((a for a, b in pairwise(starts) if b - a <= SAME_EDGE * size), starts[0])


def _column(x0: float, bases: Sequence[float], size: float) -> int:
    return max([column for column, base in enumerate(bases) if x0 >= base - SAME_EDGE * size], default=0)


def split_at_gutters(line: Line, bases: Sequence[float]) -> list[Line]:
    """The line cut where it runs over a gutter into the next column, if it reads as two entries side by side."""
    column = _column(line.x0, bases, line.size)
    if column + 1 >= len(bases) or line.x1 < bases[column + 1] + 1.5 * line.size:
        return [line]
    edge, width = bases[column + 1], line.x1 - line.x0
    ends = (match for match in re.finditer(r"\s+(?=[^\s\d.,;])", line.text))
    cuts = [end.end() for end in ends if _is_whole(line.text[: end.start()], line.styles)]
    off = {cut: abs(line.x0 + width * cut / max(len(line.text), 1) - edge) for cut in cuts}
    best = min(cuts, key=off.__getitem__, default=None)
    if best is None or off[best] > 0.3 * width:
        return [line]
    first = line.text[:best].rstrip()
    words = len(first.split())
    left = replace(line, text=first, styles=line.styles[:words], x1=edge - line.size)
    right = replace(line, text=line.text[best:], styles=line.styles[words:], x0=edge)
    return [left, *split_at_gutters(right, bases)]


def _is_whole(text: str, styles: str) -> bool:
    """Whether the text before a cut ends as an entry or is a letter's heading."""
    return bool(re.search(r"\d[nft]{0,2}\d?[.,;]?$", text)) or (len(text.split()) == 1 and styles[:1] in ("b", "z"))


def rows_to_items(rows: Sequence[Line], book: Book) -> tuple[list[Item], list[Leftover]]:
    """Printed entries in order, and the rows that are none, each with a reason."""
    kept, dropped = _without_headings(rows)
    indents = find_indents(kept)
    items: list[Item] = []
    width = _width(kept)
    for row in kept:
        text = plain(row.text)
        if items and continues(items[-1], row, indents, width):
            last = items[-1]
            pages_apart = _only_locators(text) and not last.text.rstrip().endswith((",", "–", "-", LEADER))
            goes_on = not pages_apart or is_complete(last.text)
            last.text = book.join([last.text, text]) if goes_on else f"{last.text} {LEADER} {text}"
            last.rows.append(row)
        else:
            items.append(Item(text, indents.starts[indents.level(row.x0)], [row]))
    for item in items:
        item.text = book.join([item.text])
        if english.CONTINUED.search(item.text) and not _ENDS_IN_LOCATOR.search(item.text):
            item.text, item.repeats = english.CONTINUED.sub("", item.text), True
    entries, notes = _without_notes(items)
    remarks = [Leftover(row.text, row.page, REMARK) for item in notes for row in item.rows]
    return entries, dropped + remarks


def plain(text: str) -> str:
    """Dot leaders become LEADER; spaces that kerning put around commas and dashes go."""
    text = _LEADER.sub(f" {LEADER} ", text)
    text = re.sub(r"\s+([,;])", r"\1", text)
    text = re.sub(r"(?<=\d)\s?([–—−])\s?(?=\d)", r"\1", text)
    return re.sub(r"[ \u00a0]+", " ", text).strip(" ")


def is_complete(text: str) -> bool:
    """Whether an entry may end here: in a page number or in a see-reference."""
    in_reference = english.SEE.search(text) and not english.OPEN_END.search(text)
    return bool(_ENDS_IN_LOCATOR.search(text.rstrip()) or in_reference)


def _ends_in_reference(text: str) -> bool:
    return english.SEE.search(text) is not None and not _ENDS_IN_LOCATOR.search(text)


def _width(rows: Sequence[Line]) -> float:
    """Width of a column that nearly all rows stay within."""
    reaches = sorted(row.x1 for row in rows)
    return reaches[int(0.985 * (len(reaches) - 1))] if reaches else 0.0


def _without_headings(rows: Sequence[Line]) -> tuple[list[Line], list[Leftover]]:
    size = median(row.size for row in rows) if rows else 10.0
    kept: list[Line] = []
    dropped: list[Leftover] = []
    letters = (row for row in rows if len(row.text) == 1 and row.text.isalpha() and set(row.styles) <= set("bz"))
    has_letters = len(list(letters)) >= 2
    for row in map(_without_letter, rows) if has_letters else rows:
        bold = set(row.styles) <= set("bz") or row.size >= 1.12 * size
        bare = row.text.strip(" .–—-")
        small = len(bare) == 1 and bare.islower() and not bold
        is_letter = _LETTER.fullmatch(bare) and (len(bare) == 1 or bold) and not small
        if is_letter or (bold and english.SIGN_GROUP.fullmatch(bare)):
            dropped.append(Leftover(row.text, row.page, "heading of a letter"))
        elif row.size >= 1.4 * size and not _ENDS_IN_LOCATOR.search(row.text):
            dropped.append(Leftover(row.text, row.page, "heading"))
        elif not any(c.isalnum() for c in bare) and len(bare) < 2:
            dropped.append(Leftover(row.text, row.page, "no letter or digit"))
        else:
            kept.append(row)
    return kept, dropped


def _without_letter(row: Line) -> Line:
    """The row without a letter's heading that an unseen gutter put before it."""
    first, _, rest = row.text.partition(" ")
    fused = row.styles[:1] in ("b", "z") and rest and not set(row.styles[1:]) & set("bz")
    is_letter = len(first) == 1 and first.isalpha() and rest[:1].lower() == first.lower()
    if fused and (is_letter or english.SIGN_GROUP.fullmatch(first)):
        return replace(row, text=rest, styles=row.styles[1:])
    return row


def find_indents(rows: Sequence[Line]) -> Indents:
    """Clusters of indents; one is a turnover if its rows nearly always finish a line that was full."""
    tolerance = SAME_EDGE * median(row.size for row in rows) if rows else 3.0
    indents = sorted(row.x0 for row in rows)
    starts = [indent for before, indent in pairwise([-1e9, *indents]) if indent - before > tolerance]
    levels = tuple(starts) if 0 < len(starts) <= MOST_INDENTS else (indents[0] if indents else 0.0,)
    plain_indents = _without_hangs(Indents(levels, frozenset(), frozenset(), tolerance), rows)
    wrapped: set[int] = set()
    votes: dict[int, int] = defaultdict(int)
    width = _width(rows)
    for above, row in pairwise(rows):
        level = plain_indents.level(row.x0)
        if level and (above.page, above.column) == (row.page, row.column):
            deeper, before = plain_indents.level(above.x0) < level, plain(above.text)
            full = _could_wrap(above, row, width)
            in_reference = full and _ends_in_reference(before) and not is_complete(plain(row.text))
            if deeper and (_only_locators(row.text) or before.endswith((",", "-")) or in_reference):
                wrapped.add(level)
                votes[level] += 1
            elif is_complete(before) or not full:
                votes[level] -= 2
            else:
                votes[level] += deeper
    turnover = frozenset(level for level in range(1, len(plain_indents.starts)) if votes[level] > 0)
    return Indents(plain_indents.starts, turnover, frozenset(wrapped), tolerance)


def _without_hangs(indents: Indents, rows: Sequence[Line]) -> Indents:
    """The indents without those of one level set a little apart, as entries in another face or behind a sign are."""
    starts, least = indents.starts, HANG * indents.tolerance / SAME_EDGE
    for level in range(1, len(starts)):
        if starts[level] - starts[level - 1] < least and _in_order(indents, rows, level):
            return _without_hangs(replace(indents, starts=(*starts[:level], *starts[level + 1 :])), rows)
    return indents


def _in_order(indents: Indents, rows: Sequence[Line], level: int) -> bool:
    """Whether a level's rows stand in alphabetical order between those of the level before, as no subentries do."""
    held = [(at, row.text) for row in rows if level - 1 <= (at := indents.level(row.x0)) <= level]
    # Names of code may be sorted, and set below one another, by what follows their package: "cl:sleep".
    for texts in (held, [(at, text.rpartition(":")[2]) for at, text in held]):
        runs = [(at, [_sort_key(text) for _, text in run]) for at, run in groupby(texts, key=itemgetter(0))]
        inner = [
            before[-1] <= run[0] and run[-1] <= after[0]
            for (_, before), (at, run), (_, after) in zip(runs, runs[1:], runs[2:], strict=False)
            if at == level
        ]
        if inner and sum(inner) >= 0.7 * len(inner):
            return True
    return False


def _sort_key(text: str) -> str:
    """What an entry is sorted by: its letters, without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalpha())


def _could_wrap(above: Line, row: Line, width: float) -> bool:
    """Whether the row's first word had no room on the row above."""
    first = len((row.text.split() or [""])[0])
    letter = max(row.x1 - row.x0, 1.0) / max(len(row.text), 1)
    return above.x1 + (first + 1) * letter > width - 0.3 * row.size


def _only_locators(text: str) -> bool:
    return bool(LOCATOR_LIST.fullmatch(plain(text).strip(f"{LEADER} ")))


def continues(item: Item, row: Line, indents: Indents, width: float) -> bool:
    """Whether the row goes on with the entry, rather than begins its own."""
    last, text = item.rows[-1], item.text.rstrip()
    level, own = indents.level(row.x0), indents.level(item.indent)
    same_column = (last.page, last.column) == (row.page, row.column)
    if english.CONTINUED.search(text):
        return False
    if _only_locators(row.text):
        return level > own or text.endswith((",", "–", LEADER)) or not is_complete(text)
    parted = text.endswith(";") and same_column and not _ENDS_IN_LOCATOR.search(text[:-1])
    if english.SEE_AT_END.search(text) or (level > own and (parted or text.endswith((",", "–", "-")))):
        return True
    if level <= own and same_column:
        return bool(text.endswith("-") and row.text[:1].islower() and _could_wrap(last, row, width) and level == own)
    if _ENDS_IN_LOCATOR.search(text) or not _could_wrap(last, row, width):
        return False
    if level > own and _ends_in_reference(text) and not is_complete(plain(row.text)):
        return True
    # At an indent that subentries have too, a full line without page numbers goes on if others surely do.
    shared = level > own and level in indents.wrapped and not indents.turnover
    return level in indents.turnover or (shared and is_complete(plain(row.text)))


def _without_notes(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Entries, and the remarks before or among them ("Page numbers in italics refer to figures", an epigraph)."""
    first = next((at for at, item in enumerate(items) if _ENDS_IN_LOCATOR.search(item.text)), 0)
    notes: list[Item] = []
    entries: list[Item] = []
    for at, item in enumerate(items):
        says_how = len(item.text) > 25 and english.INDEX_REMARK.search(item.text)
        remark = says_how and not _ENDS_IN_LOCATOR.search(item.text)
        (notes if remark or (at < first and _is_prose(items, at, first)) else entries).append(item)
    return entries, notes


def _is_prose(items: Sequence[Item], at: int, first: int) -> bool:
    """Whether an item before the first page number is a remark: one of several, or a sentence, but no head."""
    item = items[at]
    if english.SEE.search(item.text):
        return False
    head_of_next = at + 1 == first and items[first].indent > item.indent
    return not head_of_next and (first > 1 or item.text.rstrip().endswith((".", "!", "”")) or len(item.text) > 60)
