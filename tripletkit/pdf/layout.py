"""What each page and each line of a book is, and the passages that its body makes.

Each fact is worked out once, in this order, and handed on: text size, furniture, page labels and roles; then, for the
pages of the body, columns' edges, vocabulary, headings, kinds of lines, paragraphs and passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tripletkit.encoding.tokens import CountTokens
from tripletkit.pdf.book_task import PassageLimits
from tripletkit.pdf.contents import PART_PAGE_LINES, Entry, book_entries, contents_entries
from tripletkit.pdf.furniture import find_furniture
from tripletkit.pdf.headings import chapter_outlines, find_headings, heading_lines, section_paths
from tripletkit.pdf.hyphens import book_vocabulary
from tripletkit.pdf.kinds import line_kinds
from tripletkit.pdf.labels import page_labels
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import RawBook
from tripletkit.pdf.paragraphs import Paragraph, lines_to_paragraphs, settle_paragraphs
from tripletkit.pdf.passages import Passage, paragraphs_to_passages
from tripletkit.pdf.roles import page_roles, section_role, title_label
from tripletkit.pdf.running_text import text_metrics, text_size, with_column_edges
from tripletkit.rules import Rules

#: Furniture in letters this much bigger than the text's is shown to the search for page roles: it may be a title.
HEADING_RATIO = 1.12


@dataclass(frozen=True)
class PageFacts:
    """A book's text size in points, the label and role of each page, and its furniture as (page, line) indexes."""

    text_size: float
    labels: list[str]
    roles: list[str]
    furniture: set[tuple[int, int]]


@dataclass(frozen=True)
class MarkedBook:
    """Labels and roles of pages, one kind per line of each page, and the paragraphs of the body."""

    labels: list[str]
    roles: list[str]
    kinds: list[list[str]]
    paragraphs: list[Paragraph]


def mark_book(book: RawBook, rules: Rules) -> MarkedBook:
    """Everything that is known of a book's pages and lines."""
    facts = page_facts(book, rules)
    kinds = [
        ["furniture" if (n, i) in facts.furniture else "prose" for i in range(len(lines))]
        for n, lines in enumerate(book.lines)
    ]
    places = _text_places(book, facts, "body")
    body_kinds, paragraphs = _mark_body(book, facts, places, rules)
    for (n, i), kind in zip(places, body_kinds, strict=True):
        kinds[n][i] = kind
    return MarkedBook(facts.labels, facts.roles, kinds, paragraphs)


def book_passages(marked: MarkedBook, limits: PassageLimits, count_tokens: CountTokens, rules: Rules) -> list[Passage]:
    """The passages of the body in book order."""
    return paragraphs_to_passages(marked.paragraphs, limits, count_tokens, rules.words("abbreviations"))


def page_facts(book: RawBook, rules: Rules) -> PageFacts:
    """What is known of the pages, before any line of text is looked at by itself."""
    size = text_size(book.lines)
    rows = find_furniture(book.lines, [page.height for page in book.pages], size)
    furniture = {(row.page, i) for page in rows for row in page for i in row.lines}
    labels = page_labels([page.label for page in book.pages], [[row.text for row in page] for page in rows])
    # A title whose number is the page's, such as "1 Soil" on page 1, counts as furniture; it opens a chapter all the same.
    small = {(row.page, i) for page in rows for row in page if row.size < HEADING_RATIO * size for i in row.lines}
    text = [[line for i, line in enumerate(lines) if (n, i) not in small] for n, lines in enumerate(book.lines)]
    roles = page_roles(text, book.outline, labels=labels, body_size=size, rules=rules)
    for n, page in enumerate(book.pages):
        if not page.lines:
            roles[n] = "image_only" if page.images and not page.chars else "blank"
    return PageFacts(size, labels, roles, furniture)


def _text_places(book: RawBook, facts: PageFacts, role: str) -> list[tuple[int, int]]:
    """(page, line) indexes of the readable text on pages of one role, in order."""
    return [
        (n, i)
        for n, page in enumerate(book.pages)
        if facts.roles[n] == role and page.complaint is None
        for i in range(len(page.lines))
        if (n, i) not in facts.furniture
    ]


def _mark_body(
    book: RawBook, facts: PageFacts, places: Sequence[tuple[int, int]], rules: Rules
) -> tuple[list[str], list[Paragraph]]:
    """One kind per line of the body, and its paragraphs with their sections."""
    lines = with_column_edges([book.lines[n][i] for n, i in places], facts.text_size)
    metrics = text_metrics(lines, facts.text_size)
    vocabulary = book_vocabulary(line.text for line in lines)
    entries = _entries(book, facts, lines, rules)
    headings = find_headings(lines, entries, body_size=facts.text_size, vocabulary=vocabulary, rules=rules)
    kinds = line_kinds(lines, heading_lines(headings), metrics, rules)
    paths = section_paths(len(lines), headings)
    paragraphs = lines_to_paragraphs(
        lines, kinds, paths, metrics=metrics, vocabulary=vocabulary, abbreviations=rules.words("abbreviations")
    )
    roles = {path: section_role(path, rules) for path in set(paths)}
    settle_paragraphs(paragraphs, lines, roles, metrics=metrics, rules=rules)
    for paragraph in paragraphs:
        for i in paragraph.lines:
            kinds[i] = paragraph.kind if kinds[i] == "prose" else kinds[i]
    return kinds, [*paragraphs, *chapter_outlines(headings, paths, lines)]


def _entries(book: RawBook, facts: PageFacts, body: Sequence[Line], rules: Rules) -> list[Entry]:
    """Chapters and sections that start on pages of the body, by outline or printed contents."""
    contents = [book.lines[n][i] for n, i in _text_places(book, facts, "toc")]
    # The contents' own title is no part of the first entry.
    contents = [line for line in contents if title_label(line.text, rules) != "toc"]
    pages_of: dict[str, list[int]] = {}
    for number, label in enumerate(facts.labels, 1):
        pages_of.setdefault(label, []).append(number)
    entries = book_entries(book.outline, contents_entries(contents, pages_of), _title_pages(body))
    return [entry for entry in entries if facts.roles[entry.page - 1] == "body"]


def _title_pages(lines: Sequence[Line]) -> dict[int, str]:
    """The first text of every page with few lines."""
    held: dict[int, list[str]] = {}
    for line in lines:
        held.setdefault(line.page, []).append(line.text)
    return {page: texts[0] for page, texts in held.items() if len(texts) <= PART_PAGE_LINES}
