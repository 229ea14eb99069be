"""What each page and each line of a book is, and the passages that its body makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tripletkit.pdf.contents import PART_PAGE_LINES, Entry, book_entries, contents_entries
from tripletkit.pdf.furniture import find_furniture, page_rows
from tripletkit.pdf.headings import Heading, chapter_outlines, find_headings, section_paths
from tripletkit.pdf.hyphens import book_vocabulary
from tripletkit.pdf.kinds import book_layout, line_kinds
from tripletkit.pdf.labels import page_labels
from tripletkit.pdf.limits import PassageLimits
from tripletkit.pdf.lines import Line
from tripletkit.pdf.margins import with_margins
from tripletkit.pdf.pages import ReadPage
from tripletkit.pdf.paragraphs import Paragraph, lines_to_paragraphs, settle_paragraphs
from tripletkit.pdf.passages import Passage, paragraphs_to_passages
from tripletkit.pdf.reader import Bookmark
from tripletkit.pdf.roles import page_roles, title_label
from tripletkit.pdf.tokens import CountTokens
from tripletkit.rules import Rules


@dataclass(frozen=True)
class RawBook:
    """A book as read: its title ("" if it names none), pages and outline."""

    title: str
    pages: list[ReadPage]
    outline: list[Bookmark]

    @cached_property
    def lines(self) -> list[list[Line]]:
        """The lines of each page."""
        return [page.lines for page in self.pages]

    @cached_property
    def unreadable(self) -> dict[int, str]:
        """Why pages are no good, by number."""
        return {page.number: page.complaint for page in self.pages if page.complaint is not None}

    @cached_property
    def read_again(self) -> list[int]:
        """Numbers of the pages that the second reader read better."""
        return [page.number for page in self.pages if page.again]


@dataclass(frozen=True)
class MarkedPages:
    """Labels and roles of a book's pages, and the (page, line) indexes of what is not text but furniture."""

    book: RawBook
    labels: list[str]
    roles: list[str]
    furniture: set[tuple[int, int]]

    def text_places(self, role: str) -> Iterator[tuple[int, int]]:
        """(page, line) indexes of the readable text on pages of one role, in order."""
        for page, lines in enumerate(self.book.lines):
            if self.roles[page] == role and page + 1 not in self.book.unreadable:
                yield from ((page, i) for i in range(len(lines)) if (page, i) not in self.furniture)

    @cached_property
    def body_places(self) -> list[tuple[int, int]]:
        """Where the body's lines stand."""
        return list(self.text_places("body"))

    def lines_at(self, places: Sequence[tuple[int, int]]) -> list[Line]:
        """The lines at these places."""
        return [self.book.lines[page][i] for page, i in places]


@dataclass(frozen=True)
class MarkedBook:
    """Pages, one kind per line of each page, and the passages."""

    pages: MarkedPages
    kinds: list[list[str]]
    passages: list[Passage]


def mark_book(book: RawBook, *, limits: PassageLimits, count_tokens: CountTokens, rules: Rules) -> MarkedBook:
    """All that can be said of a book's pages and lines, and the passages of its body."""
    pages = mark_pages(book, rules)
    body_kinds, paragraphs = mark_body(pages, rules)
    passages = paragraphs_to_passages(paragraphs, limits, count_tokens, rules.words("abbreviations"))
    return MarkedBook(pages, kinds_by_page(pages, body_kinds), passages)


def kinds_by_page(pages: MarkedPages, body_kinds: Sequence[str]) -> list[list[str]]:
    """The kind of each line of each page: the body's as given, elsewhere furniture or prose."""
    kinds = [
        ["furniture" if (n, i) in pages.furniture else "prose" for i in range(len(lines))]
        for n, lines in enumerate(pages.book.lines)
    ]
    for (n, i), kind in zip(pages.body_places, body_kinds, strict=True):
        kinds[n][i] = kind
    return kinds


def mark_pages(book: RawBook, rules: Rules) -> MarkedPages:
    """Labels, roles and furniture."""
    furniture = find_furniture(book.lines, [page.height for page in book.pages])
    edges = [
        [row.text for row in page_rows(n, [line for i, line in enumerate(lines) if (n, i) in furniture])]
        for n, lines in enumerate(book.lines)
    ]
    labels = page_labels([page.label for page in book.pages], edges)
    roles = [
        "image_only" if page.images and not page.chars else role
        for role, page in zip(page_roles(book.lines, book.outline, rules), book.pages, strict=True)
    ]
    return MarkedPages(book, labels, roles, furniture)


def mark_body(pages: MarkedPages, rules: Rules) -> tuple[list[str], list[Paragraph]]:
    """One kind per line of the body, and its paragraphs with their sections."""
    found = pages.lines_at(pages.body_places)
    layout = book_layout(found)
    lines = with_margins(found, layout.size)
    vocabulary = book_vocabulary(line.text for line in lines)
    headings = find_headings(
        lines, _entries(pages, lines, rules), body_size=layout.size, vocabulary=vocabulary, rules=rules
    )
    kinds = line_kinds(lines, _heading_lines(headings), layout, rules)
    paths = section_paths(len(lines), headings)
    abbreviations = rules.words("abbreviations")
    paragraphs = lines_to_paragraphs(
        lines, kinds, paths, layout=layout, vocabulary=vocabulary, abbreviations=abbreviations
    )
    settle_paragraphs(paragraphs, lines, layout, rules)
    for paragraph in paragraphs:
        for i in paragraph.lines:
            kinds[i] = paragraph.kind if kinds[i] == "prose" else kinds[i]
    return kinds, [*paragraphs, *chapter_outlines(headings, paths, lines)]


def _heading_lines(headings: Sequence[Heading]) -> set[int]:
    return {i for heading in headings for i in range(heading.first, heading.first + heading.count)}


def _entries(pages: MarkedPages, body: Sequence[Line], rules: Rules) -> list[Entry]:
    """Chapters and sections that start on pages of the body, by outline or printed contents."""
    # The contents' own title is no part of the first entry.
    contents = [
        line for line in pages.lines_at(list(pages.text_places("toc"))) if title_label(line.text, rules) != "toc"
    ]
    entries = book_entries(pages.book.outline, contents_entries(contents, _pages_of(pages.labels)), _title_pages(body))
    return [entry for entry in entries if pages.roles[entry.page - 1] == "body"]


def _pages_of(labels: Sequence[str]) -> dict[str, list[int]]:
    pages: dict[str, list[int]] = {}
    for number, label in enumerate(labels, 1):
        pages.setdefault(label, []).append(number)
    return pages


def _title_pages(lines: Sequence[Line]) -> dict[int, str]:
    """The first text of every page with few lines."""
    held: dict[int, list[str]] = {}
    for line in lines:
        held.setdefault(line.page, []).append(line.text)
    return {page: texts[0] for page, texts in held.items() if len(texts) <= PART_PAGE_LINES}
