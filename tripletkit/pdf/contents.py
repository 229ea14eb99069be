"""The book's own list of its parts: the PDF's outline, or the printed contents, as entries with a level and a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tripletkit.pdf.lines import Line
from tripletkit.pdf.numbers import roman_value
from tripletkit.pdf.reader import Bookmark

#: A page with at most this many lines, whose first chapter starts on a later page, is the title page of a part.
PART_PAGE_LINES = 8

_PART = re.compile(r"part\s+(\w+)\b|([IVXL]+)[.:\s]", re.IGNORECASE)
_LEADER = re.compile(r"(\s*\.){3,}\s*|\s*…+\s*|\s*·{3,}\s*")
_ENTRY = re.compile(r"(?P<title>.*[^\W\d_].*?)[\s,]+(?P<label>\d{1,4}|[ivxlc]{1,7})$")
_NUMBER = re.compile(r"(?:(?:chapter|section|appendix|unit|lesson|module)\s+)?(\d+|[A-Z])((?:\.\d+)*)[.:]?\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A chapter (level 0) or section of the book: where it starts, physically. ``top`` is None if unknown."""

    title: str
    level: int
    page: int
    top: float | None


def book_entries(outline: Sequence[Bookmark], printed: Sequence[Entry], page_lines: Mapping[int, int]) -> list[Entry]:
    """The finer of outline and printed contents, parts left out so that chapters are at level 0.

    ``page_lines`` holds the number of lines of text on each physical page.
    """
    entries = [Entry(b.title, b.level, b.page, b.top) for b in outline]
    if len(printed) > 1.5 * len(entries):
        entries = list(printed)
    return list(_without_parts(entries, page_lines))


def _without_parts(entries: Sequence[Entry], page_lines: Mapping[int, int]) -> Iterator[Entry]:
    under_part = 0
    for i, entry in enumerate(entries):
        if entry.level == 0:
            child = entries[i + 1] if i + 1 < len(entries) and entries[i + 1].level == 1 else None
            part = child is not None and _is_part(entry, child, page_lines)
            under_part = 1 if part else 0
            if part:
                continue
        yield replace(entry, level=max(entry.level - under_part, 0))


def _is_part(entry: Entry, child: Entry, page_lines: Mapping[int, int]) -> bool:
    match = _PART.match(entry.title)
    if match is not None and (match.group(1) or roman_value(match.group(2))):
        return True
    return child.page > entry.page and page_lines.get(entry.page, 0) <= PART_PAGE_LINES


def contents_entries(lines: Sequence[Line], pages_of: Mapping[str, Sequence[int]]) -> list[Entry]:
    """Entries of the printed contents: a title, dots or space, and a label that names a page. Titles may take two lines.

    ``pages_of`` gives the physical pages of a label. Levels follow the titles' numbers, else their indentation.
    """
    found: list[tuple[str, float, int]] = []
    open_title, open_x0 = "", 0.0
    last = 0
    for line in lines:
        text = _LEADER.sub("  ", line.text)
        match = _ENTRY.match(f"{open_title} {text}".strip())
        if match is None:
            open_title, open_x0 = (text, line.x0) if len(text) < 90 and not open_title else ("", 0.0)
            continue
        page = next((p for p in pages_of.get(match["label"], ()) if p >= last), None)
        if page is not None:
            found.append((match["title"].strip(" ."), open_x0 or line.x0, page))
            last = page
        open_title, open_x0 = "", 0.0
    return [Entry(title, level, page, None) for (title, _, page), level in zip(found, _levels(found), strict=True)]


def _levels(found: Sequence[tuple[str, float, int]]) -> Iterator[int]:
    """Depth of "1.2.3" is 2; without a number, the steps of indentation count."""
    steps: list[float] = []
    for _, x0, _ in sorted(found, key=lambda entry: entry[1]):
        if not steps or x0 > steps[-1] + 6:
            steps.append(x0)
    for title, x0, _ in found:
        match = _NUMBER.match(title)
        yield match.group(2).count(".") if match else min(sum(x0 > step + 3 for step in steps), 3)
