"""Which lines of a book belong to a glossary: whole pages at its back, and sections that close a chapter."""

from __future__ import annotations

from dataclasses import dataclass

from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import Heading, find_headings
from tripletkit.rules import Rules
from tripletkit.terms.book import Book, without_edges

_CLOSED_ROLES = frozenset(("toc", "index", "bibliography", "blank"))


@dataclass(frozen=True)
class Section:
    """A glossary's lines by physical page, and the heading it stands under ("" for pages without one)."""

    title: str
    page: int
    pages: dict[int, list[Line]]


def glossary_sections(book: Book, rules: Rules) -> list[Section]:
    """Every glossary in page order. Running heads, page numbers and headings inside it are left out."""
    headings = find_headings(book.pages, book.heads, book.text_size, rules)
    starts = {(h.page, h.line): h for h in headings}
    sections: list[Section] = []
    current: Heading | None = None
    for page, lines in enumerate(book.pages):
        if book.roles[page] in _CLOSED_ROLES:
            current = None
            continue
        kept, _ = without_edges(lines, book.printed[page], book.heads, rules)
        wanted = {id(line) for line in kept}
        if book.roles[page] == "glossary" and current is None and (page == 0 or book.roles[page - 1] != "glossary"):
            sections.append(Section("", page + 1, {}))
        for at, line in enumerate(lines):
            heading = starts.get((page, at))
            if heading is not None:
                current = _now_open(current, heading)
                if heading is current:
                    sections.append(Section(heading.text, page + 1, {}))
            elif (current is not None or book.roles[page] == "glossary") and id(line) in wanted and sections:
                sections[-1].pages.setdefault(page + 1, []).append(line)
    return [section for section in sections if section.pages]


def _now_open(current: Heading | None, heading: Heading) -> Heading | None:
    """The glossary heading in force after ``heading``: one of its rank or higher closes it, a lower one does not."""
    if heading.label == "glossary":
        return heading
    if current is not None and heading.size >= 0.95 * current.size:
        return None
    return current
