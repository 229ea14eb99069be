"""A book's index → entries: term, the heads above it, page locators, see and see also.

Rows become printed entries first: second lines are joined to their first, by their indent. Subentries are recognised by
their indent, or in a run-in index by semicolons. Where a term ends and its locators begin is decided by how this index
separates them: most put a comma, some only a space, some dots.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median, median_high

from tripletkit.language import term_words as english
from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import title_label
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book
from tripletkit.terms.columns import SAME_EDGE, PrintedRow, lines_to_rows
from tripletkit.terms.locators import LOCATOR_LIST, Labels, Span, parse_locators

#: Stands for a row of dots between a term and its pages.
LEADER = "\u2026"
_LEADER = re.compile(r"\s\.(?:\s?\.)*\s*(?=\d|[ivxlc]+$)|(?:\s?\.){3,}\s?|\s?…+\s?|\s?(?:· ?){3,}|\s?_{3,}\s?")
_ENDS_IN_LOCATOR = re.compile(
    r"(?:^|[\s,.:…])(?:[A-Z]{1,2}[-.])?(?:\d{1,4}[–—−-])?(?:\d{1,4}|[ivxlc]{1,7})"
    rf"{english.PAGE_NOTE_AT_END}[.;]?$|[ivxlc][–—−-][ivxlc]+$"
)
_LETTER = re.compile(r"[^\W\d_](?:\s?[-–—/,&]\s?[^\W\d_])*")
_SEPARATOR = re.compile(rf",\s*|\s*{LEADER}\s*|:\s+|;\s+|\s+")
#: What raised signs and formulas put inside brackets and before a hyphen: "( H0)", "B + -tree".
_PADDING = re.compile(r"(?<=[(\[])\s+(?=\S)|(?<=\S)\s+(?=[)\]])|(?<=\w)\s+(?=[+*∗′]\s?-\w)|(?<=\w\s[+*∗′])\s+(?=-\w)")


@dataclass(frozen=True)
class IndexEntry:
    """An index entry as printed. ``parents`` are the heads above it, outermost first."""

    term: str
    parents: tuple[str, ...] = ()
    locators: tuple[Span, ...] = ()
    see: tuple[str, ...] = ()
    see_also: tuple[str, ...] = ()
    kind: str = "subject"  # or names, symbols
    page: int = 0
    mono: bool = False


@dataclass(frozen=True)
class Leftover:
    """A line of an index that gave no entry, and why."""

    text: str
    page: int
    reason: str


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
    tolerance: float

    def level(self, indent: float) -> int:
        """Which cluster an indent belongs to, 0 for the column's edge."""
        return max([i for i, start in enumerate(self.starts) if indent >= start - self.tolerance], default=0)


def parse_index(book: Book, rules: Rules) -> tuple[list[IndexEntry], list[Leftover]]:
    """Entries of every index in the book, in order, and what in them is no entry."""
    entries: list[IndexEntry] = []
    left: list[Leftover] = []
    for kind, pages in index_parts(book, rules, left):
        items, dropped = rows_to_items(lines_to_rows(pages), book)
        left.extend(Leftover(row.text, row.page, reason) for row, reason in dropped)
        found, unread = items_to_entries(items, book.labels, kind)
        entries.extend(found)
        left.extend(unread)
    return entries, left


def index_parts(book: Book, rules: Rules, left: list[Leftover]) -> list[tuple[str, dict[int, list[Line]]]]:
    """The indexes of the book, cut at their titles: kind, lines by physical page. The titles go to ``left``."""
    parts: list[tuple[str, dict[int, list[Line]]]] = []
    last = -9
    for page in book.pages_of("index"):
        rest = book.pages[page]
        size = median_high([line.size for line in rest] or [10.0])
        titles = [line for line in rest if line.size > 1.15 * size and title_label(line.text, rules) == "index"]
        if page - last > 2 or not parts:
            parts.append(("subject", {}))
        last = page
        rest = [line for line in rest if line not in titles]
        for title in sorted(titles, key=lambda line: line.baseline):
            above = [line for line in rest if line.baseline < title.baseline]
            rest = [line for line in rest if line.baseline >= title.baseline]
            left.append(Leftover(title.text, page + 1, "heading"))
            parts[-1][1].setdefault(page + 1, []).extend(above)
            parts.append((index_kind(title.text), {}))
        parts[-1][1].setdefault(page + 1, []).extend(rest)
    return [(kind, pages) for kind, pages in parts if any(pages.values())]


def index_kind(title: str) -> str:
    """Which kind of index a title announces."""
    if english.NAME_INDEX.search(title) and not english.SUBJECT_INDEX.search(title):
        return "names"
    return "symbols" if english.SYMBOL_INDEX.search(title) else "subject"


def items_to_entries(
    items: Sequence[Item], labels: Labels, kind: str = "subject"
) -> tuple[list[IndexEntry], list[Leftover]]:
    """Entries of one index; heads without locators are entries too, as their subentries' parents."""
    comma = _separates_by_comma(items, labels)
    _part_glued_numbers(items)
    entries: list[IndexEntry] = []
    left: list[Leftover] = []
    stack: list[tuple[float, str]] = []
    for item in items:
        while stack and stack[-1][0] >= item.indent - 1.0:
            stack.pop()
        parents = tuple(head for _, head in stack)
        found = list(_item_entries(item, parents, labels, comma, kind))
        if not found:
            left.append(Leftover(item.text, item.page, "no term before the page numbers"))
            continue
        own = found[0]
        if own.term:
            stack.append((item.indent, own.term))
        elif entries:  # a see-reference on a line of its own belongs to the head above it
            _attach(entries, own, parents)
        entries.extend(entry for entry in found if entry.term and not (item.repeats and entry is own))
    return entries, left


def _part_glued_numbers(items: Sequence[Item]) -> None:
    """In an index with dot leaders, a term that left no room for dots runs into its number."""
    if sum(LEADER in item.text for item in items) > 0.5 * len(items):
        for item in items:
            if LEADER not in item.text:
                item.text = re.sub(r"(?<=[^\W\d_])(?=\d{1,4}$)", f" {LEADER} ", item.text)


def _attach(entries: list[IndexEntry], own: IndexEntry, parents: tuple[str, ...]) -> None:
    """Give a bare see-reference to the nearest entry that it stands under."""
    at = next((i for i in reversed(range(len(entries))) if not parents or _path(entries[i]) == parents), None)
    if at is not None:
        held = entries[at]
        see, also, locators = held.see + own.see, held.see_also + own.see_also, held.locators + own.locators
        entries[at] = replace(held, see=see, see_also=also, locators=locators)


def _path(entry: IndexEntry) -> tuple[str, ...]:
    return (*entry.parents, entry.term)


def _item_entries(item: Item, parents: tuple[str, ...], labels: Labels, strict: bool, kind: str) -> list[IndexEntry]:
    parsed = [parse_item(segment, labels, strict) for segment in run_in_segments(item.text)]
    if not all(sub.term and (sub.locators or sub.see or sub.see_also) for sub in parsed[1:]):
        parsed = [parse_item(item.text, labels, strict)]
    first, *rest = parsed
    if rest and not first.see and (colon := re.match(r"(?P<head>[^:]+):\s+(?P<sub>\S.*)", first.term)):
        first, rest = IndexEntry(colon["head"]), [replace(first, term=colon["sub"]), *rest]
    if not (first.term or first.see or first.see_also):
        return []
    placed = [replace(first, parents=parents), *(replace(sub, parents=(*parents, first.term)) for sub in rest)]
    mono = item.styles.startswith("m")
    return [replace(e, kind=kind, page=item.page, mono=mono) for e in placed if e.term or e is placed[0]]


def run_in_segments(text: str) -> list[str]:
    """The parts of a run-in entry: "head, 12; first, 34; second, 56". One if its semicolons part references."""
    see = english.REFERENCE_START.search(text)
    body, reference = (text[: see.start()], text[see.start() :]) if see else (text, "")
    parts = [part.strip() for part in re.split(r";\s+(?=[^\d\s])(?![^(]*\))", body) if part.strip()]
    if len(parts) < 2:
        return [text]
    parts[0] = parts[0] + (f". {reference.lstrip(' .,;')}" if reference else "")
    return parts


def parse_item(text: str, labels: Labels, strict: bool) -> IndexEntry:
    """One entry's text taken apart. ``strict``: locators must follow a comma, colon or dots, not only a space."""
    text = plain(text)
    names: tuple[str, ...] = ()
    match = english.REFERENCE.search(text)
    if match and (match["before"].strip(" ") or match.start("word") == 0):  # else "see" is a word of the term
        text = text[: match.start()].rstrip(" ,;:([")
        target, more = _targets(match["target"], labels)
        names = tuple(name for part in english.NEXT_TARGET.split(target) if (name := part.strip(" .,")))
        text = f"{text}, {more}" if more else text
    also = match is not None and (match["also"] is not None or match["word"].lower().startswith(english.COMPARE))
    head, locators = split_locators(text, labels, strict)
    return IndexEntry(clean_term(head), locators=locators, see=() if also else names, see_also=names if also else ())


def _targets(target: str, labels: Labels) -> tuple[str, str]:
    """A reference's target, and locators that follow it."""
    head, spans = split_locators(target, labels, strict=True)
    if spans and head and "," in target[len(head) :]:
        return head, target[len(head) :].strip(" ,")
    return target, ""


def split_locators(text: str, labels: Labels, strict: bool) -> tuple[str, tuple[Span, ...]]:
    """The term and its locators. Numbers that no page of the book bears stay with the term ("Olympics, 1984, 45")."""
    text = text.strip()
    for match in _SEPARATOR.finditer(text):
        if match.start() == 0 and not match.group().strip(" "):
            continue
        if strict and not match.group().strip(" "):
            continue
        tail = text[match.end() :]
        if not LOCATOR_LIST.fullmatch(tail):
            continue
        spans = parse_locators(tail, labels)
        if spans and all(labels.plausible(span.first) for span in spans):
            return text[: match.start()], spans
    return text, ()


def clean_term(text: str) -> str:
    """The term as running text would have it: end punctuation, stray brackets and spaces around raised signs gone."""
    text = " ".join(text.replace(LEADER, " ").split()).strip(" ,;:•·–—")
    text = _PADDING.sub("", text)
    # An initial keeps its full stop: "Jordan, C."
    return text if re.search(r"\b[A-Z]\.$", text) else text.rstrip(" .")


def _separates_by_comma(items: Sequence[Item], labels: Labels) -> bool:
    """Whether this index puts a comma, or dots, before the first locator; else a space must do."""
    punctuated = spaced = 0
    for item in items:
        if split_locators(item.text, labels, strict=True)[1]:
            punctuated += 1
        elif split_locators(item.text, labels, strict=False)[1]:
            spaced += 1
    return punctuated >= spaced


# --- Rows → printed entries ------------------------------------------------------------


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
        if english.CONTINUED.search(item.text) and not _ENDS_IN_LOCATOR.search(item.text):
            item.text, item.repeats = english.CONTINUED.sub("", item.text), True
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
    return bool(_ENDS_IN_LOCATOR.search(text.rstrip())) or bool(
        english.SEE.search(text) and not english.OPEN_END.search(text)
    )


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
            bold and english.SIGN_GROUP.fullmatch(bare)
        ):
            dropped.append((row, "heading of a letter"))
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
        english.SIGN_GROUP.fullmatch(first)
        or (len(first) == 1 and first.isalpha() and rest[:1].lower() == first.lower())
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
    plain_indents = Indents(tuple(starts) or (0.0,), frozenset(), tolerance)
    votes: dict[int, int] = defaultdict(int)
    width = _width(rows)
    for above, row in pairwise(rows):
        level = plain_indents.level(row.indent)
        if level and (above.page, above.column) == (row.page, row.column):
            before = plain(above.text)
            wraps = before.endswith((",", "-")) or (_could_wrap(above, row, width) and not is_complete(before))
            votes[level] += 1 if wraps else -2
    turnover = frozenset(level for level in range(1, len(starts)) if votes[level] > 0)
    return Indents(plain_indents.starts, turnover, tolerance)


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
    if _only_locators(row.text):
        return level > own or text.endswith((",", "–", LEADER)) or not is_complete(text)
    if english.SEE_AT_END.search(text) or (level > own and text.endswith((",", "–", "-"))):
        return True
    if level <= own and same_column:
        return bool(text.endswith("-") and row.text[:1].islower() and _could_wrap(last, row, width) and level == own)
    return level in indents.turnover and not is_complete(text) and _could_wrap(last, row, width)


def _without_notes(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Entries, and the remarks before or among them ("Page numbers in italics refer to figures", an epigraph)."""
    first = next((at for at, item in enumerate(items) if _ENDS_IN_LOCATOR.search(item.text)), 0)
    notes: list[Item] = []
    entries: list[Item] = []
    for at, item in enumerate(items):
        remark = (
            english.INDEX_REMARK.search(item.text) is not None
            and len(item.text) > 25
            and not _ENDS_IN_LOCATOR.search(item.text)
        )
        (notes if remark or (at < first and _is_prose(items, at, first)) else entries).append(item)
    return entries, notes


def _is_prose(items: Sequence[Item], at: int, first: int) -> bool:
    """Whether an item before the first page number is a remark: one of several, or a sentence, but no head."""
    item = items[at]
    if english.SEE.search(item.text):
        return False
    head_of_next = at + 1 == first and items[first].indent > item.indent
    return not head_of_next and (first > 1 or item.text.rstrip().endswith((".", "!", "”")) or len(item.text) > 60)
