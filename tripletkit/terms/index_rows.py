"""Rows of an index → printed entries: second lines joined to their first, each with the indent that gives its level."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from tripletkit.language.term_words import (
    CONTINUED,
    INDEX_REMARK,
    OPEN_END,
    PAGE_NOTE_AT_END,
    SEE,
    SEE_AT_END,
    SIGN_GROUP,
)
from tripletkit.terms.book_text import Book
from tripletkit.terms.columns import SAME_EDGE, PrintedRow
from tripletkit.terms.locators import LOCATOR_LIST

#: Stands for a row of dots between a term and its pages.
LEADER = "\u2026"
_LEADER = re.compile(r"\s\.(?:\s?\.)*\s*(?=\d|[ivxlc]+$)|(?:\s?\.){3,}\s?|\s?…+\s?|\s?(?:· ?){3,}|\s?_{3,}\s?")
_ENDS_IN_LOCATOR = re.compile(
    r"(?:^|[\s,.:…])(?:[A-Z]{1,2}[-.])?(?:\d{1,4}[–—−-])?(?:\d{1,4}|[ivxlc]{1,7})"
    rf"{PAGE_NOTE_AT_END}[.;]?$|[ivxlc][–—−-][ivxlc]+$"
)
_LETTER = re.compile(r"[^\W\d_](?:\s?[-–—/,&]\s?[^\W\d_])*")


@dataclass
class Item:
    """One printed entry: its whole text, its indent, the rows that it came from."""

    text: str
    styles: str
    indent: float
    page: int
    rows: list[PrintedRow] = field(default_factory=list)
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
        return max([i for i, start in enumerate(self.starts) if indent >= start - self.tolerance], default=0)


def rows_to_items(rows: Sequence[PrintedRow], book: Book) -> tuple[list[Item], list[tuple[PrintedRow, str]]]:
    """Printed entries in order, and the rows that are none, each with a reason."""
    kept, dropped = _without_headings(rows)
    indents = find_indents(kept)
    items: list[Item] = []
    for row in kept:
        text = plain(row.text)
        if items and continues(items[-1], row, indents, _width(kept)):
            items[-1].text = _go_on(items[-1].text, text, book)
            items[-1].styles += row.styles
            items[-1].rows.append(row)
        else:
            items.append(Item(text, row.styles, indents.starts[indents.level(row.indent)], row.page, [row]))
    for item in items:
        item.text = book.join([item.text])
        if CONTINUED.search(item.text) and not _ENDS_IN_LOCATOR.search(item.text):
            item.text, item.repeats = CONTINUED.sub("", item.text), True
    entries, notes = _without_notes(items)
    dropped += [(row, "remark about the index") for item in notes for row in item.rows]
    return entries, dropped


def _go_on(text: str, more: str, book: Book) -> str:
    if _only_locators(more) and not text.rstrip().endswith((",", "–", "-", LEADER)) and not is_complete(text):
        return f"{text} {LEADER} {more}"
    return book.join([text, more])


def plain(text: str) -> str:
    """Dot leaders become LEADER; spaces that kerning put around commas and dashes go."""
    text = _LEADER.sub(f" {LEADER} ", text)
    text = re.sub(r"\s+([,;])", r"\1", text)
    text = re.sub(r"(?<=\d)\s?([–—−])\s?(?=\d)", r"\1", text)
    return re.sub(r"[ \u00a0]+", " ", text).strip(" ")


def is_complete(text: str) -> bool:
    """Whether an entry may end here: in a page number or in a see-reference."""
    return bool(_ENDS_IN_LOCATOR.search(text.rstrip())) or bool(SEE.search(text) and not OPEN_END.search(text))


def _width(rows: Sequence[PrintedRow]) -> float:
    """Width of a column: what nearly all rows stay within."""
    reaches = sorted(row.reach for row in rows)
    return reaches[int(0.985 * (len(reaches) - 1))] if reaches else 0.0


def _without_headings(rows: Sequence[PrintedRow]) -> tuple[list[PrintedRow], list[tuple[PrintedRow, str]]]:
    size = median(row.size for row in rows) if rows else 10.0
    kept: list[PrintedRow] = []
    dropped: list[tuple[PrintedRow, str]] = []
    has_letters = sum(1 for row in rows if _is_letter(row)) >= 2
    for row in rows:
        if has_letters:
            row = _without_letter(row)
        bold = set(row.styles) <= set("bz") or row.size >= 1.12 * size
        bare = row.text.strip(" .–—-")
        small = len(bare) == 1 and bare.islower() and not bold
        if (_LETTER.fullmatch(bare) and (len(bare) == 1 or bold) and not small) or (
            bold and SIGN_GROUP.fullmatch(bare)
        ):
            dropped.append((row, "heading of a letter"))
        elif row.size >= 1.4 * size and not _ENDS_IN_LOCATOR.search(row.text):
            dropped.append((row, "heading"))
        elif not any(c.isalnum() for c in bare) and len(bare) < 2:
            dropped.append((row, "no letter or digit"))
        else:
            kept.append(row)
    return kept, dropped


def _is_letter(row: PrintedRow) -> bool:
    return set(row.styles) <= set("bz") and len(row.text) == 1 and row.text.isalpha()


def _without_letter(row: PrintedRow) -> PrintedRow:
    """The row without a letter's heading that an unseen gutter put before it."""
    first, _, rest = row.text.partition(" ")
    fused = row.styles[:1] in ("b", "z") and rest and not set(row.styles[1:]) & set("bz")
    if fused and (
        SIGN_GROUP.fullmatch(first) or (len(first) == 1 and first.isalpha() and rest[:1].lower() == first.lower())
    ):
        return replace(row, text=rest, styles=row.styles[1:])
    return row


def find_indents(rows: Sequence[PrintedRow]) -> Indents:
    """Clusters of indents; one is a turnover if its rows nearly always finish a line that was full."""
    tolerance = SAME_EDGE * median(row.size for row in rows) if rows else 3.0
    starts: list[float] = []
    previous = -1e9
    for indent in sorted(row.indent for row in rows):
        if indent - previous > tolerance:
            starts.append(indent)
        previous = indent
    plain_indents = Indents(tuple(starts) or (0.0,), frozenset(), frozenset(), tolerance)
    votes: dict[int, int] = defaultdict(int)
    wrapped = set()
    width = _width(rows)
    for above, row in pairwise(rows):
        level = plain_indents.level(row.indent)
        if level and (above.page, above.column) == (row.page, row.column):
            votes[level] += _turnover_vote(above, row, plain_indents, width)
            if _surely_wraps(above, row, plain_indents):
                wrapped.add(level)
    turnover = frozenset(level for level in range(1, len(starts)) if votes[level] > 0)
    return Indents(plain_indents.starts, turnover, frozenset(wrapped), tolerance)


def _turnover_vote(above: PrintedRow, row: PrintedRow, indents: Indents, width: float) -> int:
    if _surely_wraps(above, row, indents):
        return 1
    if is_complete(plain(above.text)) or not _could_wrap(above, row, width):
        return -2
    return 1 if indents.level(above.indent) < indents.level(row.indent) else 0


def _surely_wraps(above: PrintedRow, row: PrintedRow, indents: Indents) -> bool:
    deeper = indents.level(above.indent) < indents.level(row.indent)
    return deeper and (_only_locators(row.text) or plain(above.text).endswith((",", "-")))


def _could_wrap(above: PrintedRow, row: PrintedRow, width: float) -> bool:
    """Whether the row's first word had no room on the row above."""
    words = row.text.split()
    first = len(words[0]) if words else 0
    return above.reach + (first + 1) * row.letter_width > width - 0.3 * row.size


def _only_locators(text: str) -> bool:
    return bool(LOCATOR_LIST.fullmatch(plain(text).strip(f"{LEADER} ")))


def continues(item: Item, row: PrintedRow, indents: Indents, width: float) -> bool:
    """Whether the row goes on with the entry, rather than begins its own."""
    last, text = item.rows[-1], item.text.rstrip()
    level, own = indents.level(row.indent), indents.level(item.indent)
    same_column = (last.page, last.column) == (row.page, row.column)
    if item.repeats or CONTINUED.search(text):
        return False
    if _only_locators(row.text):
        return level > own or text.endswith((",", "–", LEADER)) or not is_complete(text)
    if text.endswith((",", ";")) and not _ENDS_IN_LOCATOR.search(text[:-1]) and same_column and level > own:
        return True
    if text.endswith((",", "–", "-")) and level > own:
        return True
    if SEE_AT_END.search(text):
        return True
    if level <= own and same_column:
        return bool(text.endswith("-") and row.text[:1].islower() and _could_wrap(last, row, width) and level == own)
    if not same_column and level <= own and level not in indents.turnover:
        return False
    if is_complete(text) and not (SEE.search(text) and not _ENDS_IN_LOCATOR.search(text)):
        return False
    if not _could_wrap(last, row, width):
        return False
    return level in indents.turnover or (level > own and _wraps_anyway(row, indents, level))


def _wraps_anyway(row: PrintedRow, indents: Indents, level: int) -> bool:
    """A full line without page numbers, before an indent that subentries have: it goes on there if others surely do."""
    return level in indents.wrapped and not indents.turnover and is_complete(plain(row.text))


def _without_notes(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Entries, and the remarks before or among them ("Page numbers in italics refer to figures", an epigraph)."""
    first = next((at for at, item in enumerate(items) if _ENDS_IN_LOCATOR.search(item.text)), 0)
    notes: list[Item] = []
    entries: list[Item] = []
    for at, item in enumerate(items):
        remark = (
            INDEX_REMARK.search(item.text) is not None
            and len(item.text) > 25
            and not _ENDS_IN_LOCATOR.search(item.text)
        )
        (notes if remark or (at < first and _is_prose(items, at, first)) else entries).append(item)
    return entries, notes


def _is_prose(items: Sequence[Item], at: int, first: int) -> bool:
    """Whether an item before the first page number is a remark: one of several, or a sentence, but no head."""
    item = items[at]
    if SEE.search(item.text):
        return False
    head_of_next = at + 1 == first and items[first].indent > item.indent
    return not head_of_next and (first > 1 or item.text.rstrip().endswith((".", "!", "”")) or len(item.text) > 60)
