"""The book's own list of its parts: the PDF's outline, or the printed contents, as entries with a level and a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tripletkit.language.layout_words import ENTRY_NUMBER, PART_TITLE
from tripletkit.pdf.labels import roman_value
from tripletkit.pdf.lines import Line
from tripletkit.pdf.reader import Bookmark

#: A page with at most this many lines, whose first chapter starts on a later page, is the title page of a part.
PART_PAGE_LINES = 8

_ROMAN = re.compile(r"([IVXL]+)[.:]?\s")
_LEADER = re.compile(r"(\s*\.){3,}\s*|\s*…+\s*|\s*·{3,}\s*")
_ENTRY = re.compile(r"(?P<title>.*[^\W\d_].*?)[\s,]+(?P<label>\d{1,4}|[ivxlc]{1,7})$")
#: A line that starts so is the first of a title, never its second.
OWN_NUMBER = re.compile(r"\d{1,2}(?:\.\d+)*[.:]?\s+(?=[^\W\d_a-zß-öø-ÿ])")


@dataclass(frozen=True, slots=True)
class Entry:
    """A chapter (level 0) or section of the book: where it starts, physically. ``top`` is None if unknown."""

    title: str
    level: int
    page: int
    top: float | None


def book_entries(outline: Sequence[Bookmark], printed: Sequence[Entry], first_texts: Mapping[int, str]) -> list[Entry]:
    """The more detailed of outline and printed contents. Chapters are at level 0, and so are parts, which hold them.

    ``first_texts`` holds the first line of text on each physical page that has few lines: a part's title page is one.
    """
    entries = [Entry(b.title, b.level, b.page, b.top) for b in outline]
    if len(printed) > 1.5 * len(entries):
        entries = list(printed)
    return list(_parts_levelled(entries, first_texts))


def _parts_levelled(entries: Sequence[Entry], first_texts: Mapping[int, str]) -> Iterator[Entry]:
    roman = _roman_parts(entries)
    under_part = 0
    for i, entry in enumerate(entries):
        if entry.level == 0:
            child = entries[i + 1] if i + 1 < len(entries) and entries[i + 1].level == 1 else None
            part = child is not None and _is_part(entry, child, first_texts, roman)
            under_part = 1 if part else 0
        yield replace(entry, level=max(entry.level - under_part, 0))


def _is_part(entry: Entry, child: Entry, first_texts: Mapping[int, str], roman: bool) -> bool:
    if PART_TITLE.match(entry.title) or PART_TITLE.match(first_texts.get(entry.page, "")):
        return True
    return _roman_start(entry.title) and (roman or (child.page > entry.page and entry.page in first_texts))


def _roman_start(title: str) -> bool:
    match = _ROMAN.match(title)
    return match is not None and roman_value(match.group(1)) is not None


def _roman_parts(entries: Sequence[Entry]) -> bool:
    """Whether roman numbers at the top name parts: the chapters under them are counted on from part to part."""
    numbers = [
        match.group(1)
        for above, entry in pairwise(entries)
        if above.level == 0
        and entry.level == 1
        and _roman_start(above.title)
        and (match := ENTRY_NUMBER.match(entry.title))
    ]
    return len(set(numbers)) > 1


def contents_entries(lines: Sequence[Line], pages_of: Mapping[str, Sequence[int]]) -> list[Entry]:
    """Entries of the printed contents: a title, dots or space, and a page label. Titles may take two lines.

    ``pages_of`` gives the physical pages of a label. Levels follow the titles' numbers, else their indentation.
    """
    found: list[tuple[str, float, int]] = []
    opened: Line | None = None
    last = 0
    for line in lines:
        above = opened if opened is not None and _goes_on(opened, line) else None
        match = _ENTRY.match(f"{above.text if above else ''} {_LEADER.sub('  ', line.text)}".strip())
        if match is None:
            opened = line if above is None and len(line.text) < 90 else None
            continue
        page = next((p for p in pages_of.get(match["label"], ()) if p >= last), None)
        if page is not None:
            found.append((match["title"].strip(" ."), above.x0 if above else line.x0, page))
            last = page
        opened = None
    return [Entry(title, level, page, None) for (title, _, page), level in zip(found, _levels(found), strict=True)]


def _goes_on(opened: Line, line: Line) -> bool:
    """Whether a line may be a title's second: a number of its own starts an entry, as under "Contents" or a part's name."""
    return abs(opened.size - line.size) < 0.5 and OWN_NUMBER.match(line.text) is None


def _levels(found: Sequence[tuple[str, float, int]]) -> Iterator[int]:
    """Depth of "1.2.3" is 2; without a number, the steps of indentation count."""
    steps: list[float] = []
    for _, x0, _ in sorted(found, key=lambda entry: entry[1]):
        if not steps or x0 > steps[-1] + 6:
            steps.append(x0)
    for title, x0, _ in found:
        match = ENTRY_NUMBER.match(title)
        yield match.group(2).count(".") if match else min(sum(x0 > step + 3 for step in steps), 3)
