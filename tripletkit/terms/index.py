"""A book's index → entries: term, the heads above it, page locators, see and see also.

Subentries are told by their indent, or in a run-in index by semicolons. Where a term ends and its locators begin is
decided by how this index separates them: most put a comma, some only a space, some dots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tripletkit.language.term_words import (
    NAME_INDEX,
    NEXT_TARGET,
    REFERENCE,
    REFERENCE_START,
    SUBJECT_INDEX,
    SYMBOL_INDEX,
)
from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import title_label
from tripletkit.rules import Rules
from tripletkit.terms.book import Book
from tripletkit.terms.columns import lines_to_rows
from tripletkit.terms.index_rows import LEADER, Item, plain, rows_to_items
from tripletkit.terms.locators import LOCATOR_LIST, Labels, Span, parse_locators

_SEPARATOR = re.compile(rf",\s*|\s*{LEADER}\s*|:\s+|;\s+|\s+")
#: What raised signs and formulas put inside brackets and before a hyphen: "( H0)", "B + -tree".
_PADDING = re.compile(r"(?<=[(\[])\s+(?=\S)|(?<=\S)\s+(?=[)\]])|(?<=\w)\s+(?=[+*∗′]\s?-\w)|(?<=\w\s[+*∗′])\s+(?=-\w)")


@dataclass(frozen=True)
class Entry:
    """An index entry as printed. ``parents`` are the heads above it, outermost first."""

    term: str
    parents: tuple[str, ...]
    locators: tuple[Span, ...]
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


@dataclass(frozen=True)
class _Parsed:
    head: str
    locators: tuple[Span, ...]
    see: tuple[str, ...]
    see_also: tuple[str, ...]


def parse_index(book: Book, rules: Rules) -> tuple[list[Entry], list[Leftover]]:
    """Entries of every index in the book, in order, and what in them is no entry."""
    entries: list[Entry] = []
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
        titles = [line for line in rest if line.size > 1.15 * _size(rest) and title_label(line.text, rules) == "index"]
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


def _size(lines: Sequence[Line]) -> float:
    sizes = sorted(line.size for line in lines)
    return sizes[len(sizes) // 2] if sizes else 10.0


def index_kind(title: str) -> str:
    """Which kind of index a title announces."""
    if NAME_INDEX.search(title) and not SUBJECT_INDEX.search(title):
        return "names"
    return "symbols" if SYMBOL_INDEX.search(title) else "subject"


def items_to_entries(
    items: Sequence[Item], labels: Labels, kind: str = "subject"
) -> tuple[list[Entry], list[Leftover]]:
    """Entries of one index; heads without locators are entries too, as their subentries' parents."""
    comma = _separates_by_comma(items, labels)
    _part_glued_numbers(items)
    entries: list[Entry] = []
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
            entries.extend(_attach(entries, own, parents))
        entries.extend(entry for entry in found if entry.term and not (item.repeats and entry is own))
    return entries, left


def _part_glued_numbers(items: Sequence[Item]) -> None:
    """In an index with dot leaders, a term that left no room for dots runs into its number."""
    if sum(LEADER in item.text for item in items) > 0.5 * len(items):
        for item in items:
            if LEADER not in item.text:
                item.text = re.sub(r"(?<=[^\W\d_])(?=\d{1,4}$)", f" {LEADER} ", item.text)


def _attach(entries: list[Entry], own: Entry, parents: tuple[str, ...]) -> list[Entry]:
    """Give a bare see-reference to the nearest entry that it stands under."""
    for at in range(len(entries) - 1, -1, -1):
        entry = entries[at]
        if (*entry.parents, entry.term) == parents or not parents:
            entries[at] = replace(
                entry,
                see=(*entry.see, *own.see),
                see_also=(*entry.see_also, *own.see_also),
                locators=(*entry.locators, *own.locators),
            )
            break
    return []


def _item_entries(item: Item, parents: tuple[str, ...], labels: Labels, strict: bool, kind: str) -> list[Entry]:
    segments = run_in_segments(item.text)
    parsed = [parse_item(segment, item.styles, labels, strict) for segment in segments]
    if len(parsed) > 1 and not all(p.head and (p.locators or p.see or p.see_also) for p in parsed[1:]):
        parsed = [parse_item(item.text, item.styles, labels, strict)]
    mono = bool(item.styles) and item.styles[0] == "m"
    first, rest = parsed[0], parsed[1:]
    entries = []
    if rest and not first.see and (colon := re.match(r"(?P<head>[^:]+):\s+(?P<sub>\S.*)", first.head)):
        entries.append(Entry(colon["head"], parents, (), kind=kind, page=item.page, mono=mono))
        rest = [replace(first, head=colon["sub"]), *rest]
        first = replace(first, head=colon["head"])
    else:
        entries.append(Entry(first.head, parents, first.locators, first.see, first.see_also, kind, item.page, mono))
    above = (*parents, first.head)
    entries.extend(
        Entry(sub.head, above, sub.locators, sub.see, sub.see_also, kind, item.page, mono) for sub in rest if sub.head
    )
    if not entries[0].term and not (first.see or first.see_also):
        return []
    return entries


def run_in_segments(text: str) -> list[str]:
    """The parts of a run-in entry: "head, 12; first, 34; second, 56". One if its semicolons part references."""
    see = REFERENCE_START.search(text)
    body, reference = (text[: see.start()], text[see.start() :]) if see else (text, "")
    parts = [part.strip() for part in re.split(r";\s+(?=[^\d\s])(?![^(]*\))", body) if part.strip()]
    if len(parts) < 2:
        return [text]
    parts[0] = parts[0] + (f". {reference.lstrip(' .,;')}" if reference else "")
    return parts


def parse_item(text: str, styles: str, labels: Labels, strict: bool) -> _Parsed:
    """One entry's text taken apart. ``strict``: locators must follow a comma, colon or dots, not only a space."""
    text = plain(text)
    see: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    match = REFERENCE.search(text)
    if match and _is_reference(match, text, styles):
        target = match["target"]
        text = text[: match.start()].rstrip(" ,;:([")
        target, more = _targets(target, labels)
        names = tuple(part.strip(" .,") for part in NEXT_TARGET.split(target) if part.strip(" .,"))
        if match["also"] or match["word"].lower().startswith("cf"):
            also = names
        else:
            see = names
        if more:
            text = f"{text}, {more}"
    head, locators = split_locators(text, labels, strict)
    return _Parsed(clean_term(head), locators, see, also)


def _is_reference(match: re.Match[str], text: str, styles: str) -> bool:
    """Whether "see" refers: it does after punctuation, at the start, in italics, or where nothing is cited."""
    if match["before"].strip(" ") or match.start("word") == 0:
        return True
    at = len(text[: match.start("word")].split())
    if at < len(styles) and styles[at] in "iz":
        return True
    return not re.search(r"\d$", match["target"]) and match["word"].islower()


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
        loose = not match.group().strip(" ")
        if strict and loose:
            continue
        tail = text[match.end() :]
        if not LOCATOR_LIST.fullmatch(tail):
            continue
        spans = parse_locators(tail, labels)
        if spans and all(labels.plausible(span.first) for span in spans) and not (loose and _is_words(spans)):
            return text[: match.start()], spans
    if strict and (
        unmarked := re.search(r"(?<=[^\W\d])\s+(\d{1,4}(?:[–-]\d{1,4})?(?:,\s*\d{1,4}(?:[–-]\d{1,4})?)+)$", text)
    ):
        spans = parse_locators(unmarked.group(1), labels)
        if all(labels.plausible(span.first) for span in spans):
            return text[: unmarked.start()], spans
    return text, ()


def _is_words(spans: Sequence[Span]) -> bool:
    """Roman numerals after a mere space are more often words or letters ("matrix c", "level i")."""
    return not any(span.first.isdigit() for span in spans)


def clean_term(text: str) -> str:
    """The term as running text would have it: end punctuation, stray brackets and spaces around raised signs gone."""
    text = " ".join(text.replace(LEADER, " ").split()).strip(" ,;:•·–—")
    text = _PADDING.sub("", text)
    # An initial keeps its full stop: "Jordan, C."
    text = text if re.search(r"\b[A-Z]\.$", text) else text.rstrip(" .")
    if text.count("(") > text.count(")") and text[-1:].islower() and text[-1:].isascii():
        text += ")"
    return text


def _separates_by_comma(items: Sequence[Item], labels: Labels) -> bool:
    """Whether this index puts a comma, or dots, before the first locator; else a space must do."""
    punctuated = spaced = 0
    for item in items:
        if split_locators(item.text, labels, strict=True)[1]:
            punctuated += 1
        elif split_locators(item.text, labels, strict=False)[1]:
            spaced += 1
    return punctuated >= spaced
