"""A book's index → entries: term, the heads above it, page locators, see and see also.

Subentries are recognised by their indent, or in a run-in index by semicolons. Where a term ends and its locators begin
is decided by how this index separates them: most put a comma, some only a space, some dots.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_high

from tripletkit.language import term_words as english
from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import title_label
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book, Labels, Span, plausible_locators, some_locators
from tripletkit.terms.columns import (
    LEADER,
    REMARK,
    Item,
    Leftover,
    is_complete,
    lines_to_rows,
    plain,
    rows_to_items,
    without_introduction,
)

_SEPARATOR = re.compile(rf",\s*|\s*{LEADER}\s*|:\s+|;\s+|\s+")
#: What raised signs and formulas put inside brackets and before a hyphen: "( H0)", "B + -tree", "(∞, 1)-category".
_PADDING = re.compile(
    r"(?<=\(\S,)\s(?=\S\))|(?<=[(\[])\s+(?=\S)|(?<=\S)\s+(?=[)\]])|(?<=\w)\s+(?=[+*∗′]\s?-\w)|(?<=\w\s[+*∗′])\s+(?=-\w)"
)


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


def parse_index(book: Book, rules: Rules) -> tuple[list[IndexEntry], list[Leftover]]:
    """Entries of every index in the book, in order, and what in them is no entry."""
    entries: list[IndexEntry] = []
    left: list[Leftover] = []
    for kind, pages in index_parts(book, rules, left):
        columns, above = without_introduction(pages)
        items, dropped = rows_to_items(lines_to_rows(columns), book)
        found, unread = items_to_entries(items, book.labels, kind)
        entries += found
        left += [*(Leftover(line.text, line.page, REMARK) for line in above), *dropped, *unread]
    return entries, left


def index_parts(book: Book, rules: Rules, left: list[Leftover]) -> list[tuple[str, dict[int, list[Line]]]]:
    """The indexes of the book, cut at their titles: kind, lines by physical page. The titles go to ``left``.

    What another title announces at a page's top ("About the authors") goes there too, unless it is entries as well.
    """
    size = median_high([line.size for page in book.pages_of("index") for line in book.pages[page]] or [10.0])
    parts: list[_Part] = []
    last = -9
    for page in book.pages_of("index"):
        lines = book.pages[page]
        top = min((line.baseline for line in lines), default=0.0)
        titles = [line for line in lines if _is_title(line, size, line.baseline == top, rules)]
        if page - last > 2 or not parts:
            parts.append(_Part("subject", True))
        last = page
        rest = [line for line in lines if line not in titles]
        for title in sorted(titles, key=lambda line: line.baseline):
            parts[-1].add(page + 1, [line for line in rest if line.baseline < title.baseline])
            rest = [line for line in rest if line.baseline >= title.baseline]
            left.append(Leftover(title.text, page + 1, "heading"))
            parts.append(_Part(index_kind(title.text), title_label(title.text, rules) == "index"))
        parts[-1].add(page + 1, rest)
    other = [part for part in parts if not (part.titled or part.has_entries())]
    left.extend(
        Leftover(line.text, page, "under a title that is not an index") for part in other for page, line in part
    )
    return [(part.kind, part.pages) for part in parts if part.pages and part not in other]


@dataclass
class _Part:
    """What stands under one title."""

    kind: str
    titled: bool  # as an index
    pages: dict[int, list[Line]] = field(default_factory=dict)

    def add(self, page: int, lines: Sequence[Line]) -> None:
        if lines:
            self.pages.setdefault(page, []).extend(lines)

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        return ((page, line) for page, lines in self.pages.items() for line in lines)

    def has_entries(self) -> bool:
        """Whether most of the lines end as entries do."""
        complete = [is_complete(plain(line.text)) for _, line in self]
        return 2 * sum(complete) > len(complete)


def _is_title(line: Line, size: float, at_top: bool, rules: Rules) -> bool:
    if line.size > 1.15 * size and title_label(line.text, rules) == "index":
        return True
    name = line.text.strip(" .–—-")
    return at_top and line.size >= 1.4 * size and len(name) > 3 and not english.SIGN_GROUP.fullmatch(name)


def index_kind(title: str) -> str:
    """Which kind of index a title announces."""
    if english.NAME_INDEX.search(title) and not english.SUBJECT_INDEX.search(title):
        return "names"
    return "symbols" if english.SYMBOL_INDEX.search(title) else "subject"


def items_to_entries(items: Sequence[Item], labels: Labels, kind: str) -> tuple[list[IndexEntry], list[Leftover]]:
    """Entries of one index; heads without locators are entries too, as their subentries' parents."""
    comma, bold = _separates_by_comma(items, labels), _bold_numbers(items)
    _part_glued_numbers(items)
    entries: list[IndexEntry] = []
    left: list[Leftover] = []
    stack: list[tuple[float, str]] = []
    for item in items:
        while stack and stack[-1][0] >= item.indent - 1.0:
            stack.pop()
        parents = tuple(head for _, head in stack)
        found = _item_entries(item, parents, labels, comma, kind)
        if main := bold.get(id(item)):
            found = [_with_main(entry, main) for entry in found]
        if not found:
            left.append(Leftover(item.text, item.rows[0].page, "no term before the page numbers"))
            continue
        own = found[0]
        if own.term:
            stack.append((item.indent, own.term))
        elif entries:  # a see-reference on a line of its own belongs to the head above it
            _attach(entries, own, parents)
        entries.extend(entry for entry in found if entry.term and not (item.repeats and entry is own))
    return entries, left


def _bold_numbers(items: Sequence[Item]) -> dict[int, frozenset[str]]:
    """By an item's ``id``, its numbers in bold; empty if nearly all numbers of the index are so."""
    styled = [
        (id(item), number, style in "bz")
        for item in items
        for row in item.rows
        for word, style in zip(row.text.split(), row.styles, strict=False)
        for number in re.findall(r"\b(?:\d+|[ivxlc]+)\b", word)
    ]
    if sum(bold for _, _, bold in styled) > 0.9 * len(styled):
        return {}
    found: dict[int, set[str]] = {}
    for at, number, bold in styled:
        if bold:
            found.setdefault(at, set()).add(number)
    return {at: frozenset(numbers) for at, numbers in found.items()}


def _with_main(entry: IndexEntry, bold: Container[str]) -> IndexEntry:
    return replace(entry, locators=tuple(replace(span, main=span.first in bold) for span in entry.locators))


def _part_glued_numbers(items: Sequence[Item]) -> None:
    """In an index with dot leaders, a term that left no room for dots runs into its number."""
    numbered = [item for item in items if item.text[-1:].isdigit()]
    if sum(LEADER in item.text for item in numbered) > 0.5 * len(numbered):
        for item in items:
            if LEADER not in item.text:
                item.text = re.sub(r"(?<=[^\W\d_])\.{,2}(?=\d{1,4}(?:, |$))", f" {LEADER} ", item.text)


def _attach(entries: list[IndexEntry], own: IndexEntry, parents: tuple[str, ...]) -> None:
    """Give a bare see-reference to the nearest entry that it stands under."""
    for at, held in reversed(list(enumerate(entries))):
        if not parents or (*held.parents, held.term) == parents:
            see, also, locators = held.see + own.see, held.see_also + own.see_also, held.locators + own.locators
            entries[at] = replace(held, see=see, see_also=also, locators=locators)
            return


def _item_entries(item: Item, parents: tuple[str, ...], labels: Labels, strict: bool, kind: str) -> list[IndexEntry]:
    styles = "".join(row.styles for row in item.rows)
    parsed = [parse_item(segment, styles, labels, strict) for segment in run_in_segments(item.text)]
    if not all(sub.term and (sub.locators or sub.see or sub.see_also) for sub in parsed[1:]):
        parsed = [parse_item(item.text, styles, labels, strict)]
    first, *rest = parsed
    if rest and not first.see and (colon := re.match(r"(?P<head>[^:]+):\s+(?P<sub>\S.*)", first.term)):
        first, rest = IndexEntry(colon["head"]), [replace(first, term=colon["sub"]), *rest]
    if not (first.term or first.see or first.see_also):
        return []
    placed = [replace(first, parents=parents), *(replace(sub, parents=(*parents, first.term)) for sub in rest)]
    page, mono = item.rows[0].page, styles.startswith("m")
    return [replace(e, kind=kind, page=page, mono=mono) for e in placed if e.term or e is placed[0]]


def run_in_segments(text: str) -> list[str]:
    """The parts of a run-in entry: "head, 12; first, 34; second, 56". One if its semicolons part references."""
    see = english.REFERENCE_START.search(text)
    body, reference = (text[: see.start()], text[see.start() :]) if see else (text, "")
    parts = [part.strip() for part in re.split(r";\s+(?=[^\d\s])(?![^(]*\))", body) if part.strip()]
    if len(parts) < 2:
        return [text]
    parts[0] = parts[0] + (f". {reference.lstrip(' .,;')}" if reference else "")
    return parts


def parse_item(text: str, styles: str, labels: Labels, strict: bool) -> IndexEntry:
    """One entry's text taken apart. ``strict``: locators must follow a comma, colon or dots, not only a space."""
    text = plain(text)
    names: tuple[str, ...] = ()
    match = english.REFERENCE.search(text)
    if match and _is_reference(match, text, styles):  # else "see" is a word of the term
        text = text[: match.start()].rstrip(" ,;:([")
        target, more = match["target"], ""
        head, spans = split_locators(target, labels, strict=True)
        if spans and head and "," in target[len(head) :]:  # locators follow the target
            target, more = head, target[len(head) :].strip(" ,")
        names = tuple(name for part in english.NEXT_TARGET.split(target) if (name := clean_term(part)))
        text = f"{text}, {more}" if more else text
    also = match is not None and (match["also"] is not None or match["word"].lower().startswith(english.COMPARE))
    head, locators = split_locators(text, labels, strict)
    return IndexEntry(clean_term(head), locators=locators, see=() if also else names, see_also=names if also else ())


def _is_reference(match: re.Match[str], text: str, styles: str) -> bool:
    """Whether "see" refers: it does after punctuation, at the start, in italics, or where its target cites no page."""
    at = len(text[: match.start("word")].split())
    if at == 0 or match["before"].strip(" ") or styles[at : at + 1] in ("i", "z"):
        return True
    return match["word"].islower() and not match["target"][-1].isdigit()


def split_locators(text: str, labels: Labels, strict: bool) -> tuple[str, tuple[Span, ...]]:
    """The term and its locators. Numbers that no page of the book bears stay with the term ("Olympics, 1984, 45")."""
    term, _, spans = _split(text.strip(), labels, strict)
    return term, spans


def _split(text: str, labels: Labels, strict: bool) -> tuple[str, str, tuple[Span, ...]]:
    """The term, what parts it from its locators ("" for a space), and the locators."""
    for match in _SEPARATOR.finditer(text):
        mark = match.group().strip(" ")
        if not mark and (strict or match.start() == 0):
            continue
        spans = plausible_locators(text[match.end() :], labels)
        # Roman numerals after a mere space are more often words or letters ("matrix c", "level i").
        if any(span.first.isdigit() or mark for span in spans):
            return text[: match.start()], mark, spans
    return _split_before_other_numbers(text, labels, strict)


def _split_before_other_numbers(text: str, labels: Labels, strict: bool) -> tuple[str, str, tuple[Span, ...]]:
    """The same where the list goes on with numbers that are no pages, such as lines of code."""
    for match in _SEPARATOR.finditer(text):
        mark = match.group().strip(" ")
        spans = () if not mark and (strict or match.start() == 0) else some_locators(text[match.end() :], labels)
        if spans and (mark or spans[0].first.isdigit()):
            return text[: match.start()], mark, spans
    return text, "", ()


def clean_term(text: str) -> str:
    """The term as in running text: without end punctuation and spaces around raised signs, a bracket closed."""
    text = " ".join(text.replace(LEADER, " ").split()).strip(" ,;:•·–—")
    text = _PADDING.sub("", text)
    # An initial keeps its full stop: "Jordan, C."
    text = text if re.search(r"\b[A-Z]\.$", text) else text.rstrip(" .")
    opened = text.count("(") > text.count(")") and text[-1:].islower() and text[-1:].isascii()
    return f"{text})" if opened else text


def _separates_by_comma(items: Sequence[Item], labels: Labels) -> bool:
    """Whether this index mostly puts a comma, or dots, before the first locator; else a space must do."""
    parted = [mark for _, mark, spans in (_split(item.text, labels, strict=False) for item in items) if spans]
    return 2 * sum(map(bool, parted)) >= len(parted)
