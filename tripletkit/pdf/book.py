"""A book's PDF → its pages, lines and passages: the whole of extraction for one file, without any writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import SourceError
from tripletkit.ids import stable_id
from tripletkit.pdf.contents import book_entries, contents_entries
from tripletkit.pdf.furniture import find_furniture, page_rows
from tripletkit.pdf.headings import PATH_MARK, chapter_outlines, find_headings, section_paths
from tripletkit.pdf.hyphens import book_vocabulary
from tripletkit.pdf.kinds import book_layout, line_kinds
from tripletkit.pdf.labels import page_labels
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.margins import with_margins
from tripletkit.pdf.paragraphs import lines_to_paragraphs, settle_paragraphs
from tripletkit.pdf.passages import CountTokens, Passage, PassageLimits, paragraphs_to_passages
from tripletkit.pdf.reader import Bookmark, RawPage, open_pdf, read_outline, read_page, read_title
from tripletkit.pdf.roles import page_roles
from tripletkit.rules import Rules

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class BookTables:
    """Rows of one book for the tables of the same names, and its title."""

    title: str
    pages: Rows
    lines: Rows
    passages: Rows
    dropped: Rows


@dataclass(frozen=True)
class RawBook:
    """A book as read: its pages, their lines, its outline, and its title ("" if it names none)."""

    title: str
    pages: list[RawPage]
    lines: list[list[Line]]
    outline: list[Bookmark]


@dataclass(frozen=True)
class MarkedBook:
    """What became of each line, by page and place on it; and the labels and roles of the pages."""

    labels: list[str]
    roles: list[str]
    kinds: list[list[str]]
    passages: list[Passage]


def extract_book(path: Path, *, book_id: str, limits: PassageLimits, count_tokens: CountTokens, rules: Rules) -> BookTables:
    """Everything that extraction knows of one book. ``count_tokens`` includes the encoder's special tokens.

    Raises SourceError for a file that cannot be read, or that has images of text only.
    """
    book = read_book(path)
    if not any(page.words for page in book.pages):
        raise SourceError(f"{path}: image-only, none of its {len(book.pages)} pages has a text layer",
                          "Run OCR on it first, for example: ocrmypdf BOOK.pdf BOOK-ocr.pdf")
    marked = mark_book(book, limits=limits, count_tokens=count_tokens, rules=rules)
    passages, repeated = _passage_rows(marked, book_id)
    return BookTables(book.title or path.stem, _page_rows(book, marked, book_id), _line_rows(book, marked, book_id), passages,
                      [*_dropped_pages(marked, book_id), *repeated])


def read_book(path: Path) -> RawBook:
    """The file's pages with their lines."""
    with open_pdf(path) as document:
        pages = [read_page(document, number) for number in range(1, len(document) + 1)]
        return RawBook(read_title(document), pages, [page_lines(page) for page in pages], read_outline(document))


def mark_book(book: RawBook, *, limits: PassageLimits, count_tokens: CountTokens, rules: Rules) -> MarkedBook:
    """Furniture, labels, roles, headings, kinds and passages of a book."""
    furniture = find_furniture(book.lines, [page.height for page in book.pages])
    edges = [[row.text for row in page_rows(n, [line for i, line in enumerate(lines) if (n, i) in furniture])] for n, lines in enumerate(book.lines)]
    labels = page_labels([page.label for page in book.pages], edges)
    roles = [_role(role, page) for role, page in zip(page_roles(book.lines, book.outline, rules), book.pages, strict=True)]
    places = [(n, i) for n, lines in enumerate(book.lines) for i in range(len(lines)) if roles[n] == "body" and (n, i) not in furniture]
    body = [book.lines[n][i] for n, i in places]
    contents = [line for n, lines in enumerate(book.lines) if roles[n] == "toc" for i, line in enumerate(lines) if (n, i) not in furniture]
    layout = book_layout(body)
    body = with_margins(body, layout.size)
    abbreviations = rules.words("abbreviations")
    vocabulary = book_vocabulary(line.text for line in body)
    entries = book_entries(book.outline, contents_entries(contents, _pages_of(labels)), _lines_per_page(body))
    headings = find_headings(body, [e for e in entries if roles[e.page - 1] == "body"], body_size=layout.size,
                             vocabulary=vocabulary, rules=rules)
    heads = {i for h in headings for i in range(h.first, h.first + h.count)}
    body_kinds = line_kinds(body, heads, layout, rules)
    paths = section_paths(len(body), headings)
    paragraphs = lines_to_paragraphs(body, body_kinds, paths, layout=layout, vocabulary=vocabulary, abbreviations=abbreviations)
    settle_paragraphs(paragraphs, body, lambda path: _section_role(path, rules),
                      layout=layout, exercise=lambda text: rules.starts("exercises", text) is not None, abbreviations=abbreviations)
    for paragraph in paragraphs:
        for i in paragraph.lines:
            body_kinds[i] = paragraph.kind if body_kinds[i] == "prose" else body_kinds[i]
    paragraphs += chapter_outlines(headings, paths, body)
    passages = paragraphs_to_passages(paragraphs, limits, count_tokens, abbreviations)
    kinds = [["furniture" if (n, i) in furniture else "prose" for i in range(len(lines))] for n, lines in enumerate(book.lines)]
    for (n, i), kind in zip(places, body_kinds, strict=True):
        kinds[n][i] = kind
    return MarkedBook(labels, roles, kinds, passages)


def _section_role(path: tuple[str, ...], rules: Rules) -> str | None:
    """What the nearest telling heading says about a section: exercise, summary, glossary or bibliography."""
    for title in reversed(path):
        number = rules.starts("headings", title)
        role = rules.label("titles", title[number.end():].strip() if number else title) or rules.label("titles", title)
        if role in ("exercise", "summary", "glossary", "bibliography"):
            return role
    return None


def _role(role: str, page: RawPage) -> str:
    return "image_only" if not page.words and page.images else role


def _pages_of(labels: Sequence[str]) -> dict[str, list[int]]:
    pages: dict[str, list[int]] = {}
    for number, label in enumerate(labels, 1):
        pages.setdefault(label, []).append(number)
    return pages


def _lines_per_page(lines: Sequence[Line]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for line in lines:
        counts[line.page] = counts.get(line.page, 0) + 1
    return counts


def _page_rows(book: RawBook, marked: MarkedBook, book_id: str) -> Rows:
    return [{"book_id": book_id, "page": page.number, "label": label, "role": role, "chars": sum(len(word.text) for word in page.words)}
            for page, label, role in zip(book.pages, marked.labels, marked.roles, strict=True)]


def _line_rows(book: RawBook, marked: MarkedBook, book_id: str) -> Rows:
    return [{"book_id": book_id, "page": line.page, "line": i, "column": line.column, "kind": kind, "text": line.text, "styles": line.styles,
             "x0": line.x0, "x1": line.x1, "top": line.top, "bottom": line.bottom, "baseline": line.baseline, "size": line.size,
             "col_x0": line.col_x0, "col_x1": line.col_x1}
            for lines, kinds in zip(book.lines, marked.kinds, strict=True) for i, (line, kind) in enumerate(zip(lines, kinds, strict=True))]


def _passage_rows(marked: MarkedBook, book_id: str) -> tuple[Rows, Rows]:
    """Rows of passages, and of those left out because the same text was there before."""
    rows: Rows = []
    dropped: Rows = []
    first: dict[str, str] = {}
    for passage in marked.passages:
        passage_id = stable_id("p", book_id, passage.text)
        if passage.text in first:
            dropped.append({"stage": "extract", "item": f"{book_id} page {passage.page_first}", "related": first[passage.text],
                            "reason": "repeated text", "detail": passage.text})
            continue
        first[passage.text] = passage_id
        rows.append({"passage_id": passage_id, "book_id": book_id, "section": PATH_MARK.join(passage.path) or None,
                     "page_first": passage.page_first, "page_last": passage.page_last,
                     "label_first": marked.labels[passage.page_first - 1], "label_last": marked.labels[passage.page_last - 1],
                     "kind": passage.kind, "text": passage.text, "n_tokens": passage.n_tokens})
    return rows, dropped


def _dropped_pages(marked: MarkedBook, book_id: str) -> Rows:
    reasons = {"image_only": "image only, no text layer"}
    return [{"stage": "extract", "item": f"{book_id} page {number}", "related": None, "reason": reasons[role], "detail": None}
            for number, role in enumerate(marked.roles, 1) if role in reasons]
