"""A book's PDF → rows of its pages, lines and passages: the whole of extraction for one file, without any writing."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

from tripletkit.errors import ConfigError, SourceError
from tripletkit.ids import stable_id
from tripletkit.pdf.headings import PATH_MARK
from tripletkit.pdf.layout import MarkedBook, RawBook, mark_book
from tripletkit.pdf.limits import PassageLimits
from tripletkit.pdf.pages import read_pages
from tripletkit.pdf.reader import open_pdf, read_outline, read_title
from tripletkit.pdf.tokens import CountTokens
from tripletkit.pdf.worker_task import BookTables, Columns, Rows
from tripletkit.rules import Rules

__all__ = ["BACKENDS", "BookTables", "PassageLimits", "extract_book", "read_book"]

BACKENDS = ("pdfium", "pdfplumber")
_LINE_VALUES = ("page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1")


def extract_book(
    path: Path, *, book_id: str, limits: PassageLimits, count_tokens: CountTokens, rules: Rules, backend: str = "pdfium"
) -> BookTables:
    """Everything that extraction knows of one book. ``count_tokens`` includes the encoder's special tokens.

    ``backend`` is pdfium or pdfplumber. Raises SourceError for a file that cannot be read, or that is images only.
    """
    book = read_book(path, backend)
    if not any(page.chars for page in book.pages):
        raise SourceError(
            f"{path}: image-only, none of its {len(book.pages)} pages has a text layer",
            "Run OCR on it first, for example: ocrmypdf BOOK.pdf BOOK-ocr.pdf",
        )
    marked = mark_book(book, limits=limits, count_tokens=count_tokens, rules=rules)
    passages, repeated = _passage_rows(marked, book_id)
    return BookTables(
        book.title or path.stem,
        _page_rows(marked, book_id),
        _line_columns(marked, book_id),
        passages,
        [*_dropped_pages(marked, book_id), *repeated],
    )


def read_book(path: Path, backend: str = "pdfium") -> RawBook:
    """The file's pages with their lines. Pages whose text is no good are read again, by pdfplumber."""
    if backend not in BACKENDS:
        raise ConfigError(f"backend {backend!r} is not known", f"Known: {', '.join(BACKENDS)}.")
    with open_pdf(path) as document:
        return RawBook(read_title(document), read_pages(path, document, backend), read_outline(document))


def _page_rows(marked: MarkedBook, book_id: str) -> Rows:
    held = zip(marked.pages.book.pages, marked.pages.labels, marked.pages.roles, strict=True)
    return [
        {
            "book_id": book_id,
            "page": page.number,
            "label": label,
            "role": role,
            "chars": page.chars,
        }
        for page, label, role in held
    ]


def _line_columns(marked: MarkedBook, book_id: str) -> Columns:
    pages = marked.pages.book.lines
    lines = [line for page in pages for line in page]
    return {
        "book_id": [book_id] * len(lines),
        "line": [i for page in pages for i in range(len(page))],
        "kind": [kind for kinds in marked.kinds for kind in kinds],
        **{name: list(map(attrgetter(name), lines)) for name in _LINE_VALUES},
    }


def _passage_rows(marked: MarkedBook, book_id: str) -> tuple[Rows, Rows]:
    """Rows of passages, and of those left out because the same text was there before."""
    rows: Rows = []
    dropped: Rows = []
    first: dict[str, str] = {}
    labels = marked.pages.labels
    for passage in marked.passages:
        if passage.text in first:
            dropped.append(
                {
                    "stage": "extract",
                    "item": f"{book_id} page {passage.page_first}",
                    "related": first[passage.text],
                    "reason": "repeated text",
                    "detail": passage.text,
                }
            )
            continue
        first[passage.text] = stable_id("p", book_id, passage.text)
        rows.append(
            {
                "passage_id": first[passage.text],
                "book_id": book_id,
                "section": PATH_MARK.join(passage.path) or None,
                "page_first": passage.page_first,
                "page_last": passage.page_last,
                "label_first": labels[passage.page_first - 1],
                "label_last": labels[passage.page_last - 1],
                "kind": passage.kind,
                "text": passage.text,
                "n_tokens": passage.n_tokens,
            }
        )
    return rows, dropped


def _dropped_pages(marked: MarkedBook, book_id: str) -> Rows:
    """Pages whose text is missing, unreadable, or not the reader's first."""
    book, roles = marked.pages.book, enumerate(marked.pages.roles, 1)
    told = [(number, "image-only page", "no text layer") for number, role in roles if role == "image_only"]
    told += [(number, "unreadable page", why) for number, why in sorted(book.unreadable.items())]
    told += [(number, "first reading of page", "pdfplumber reads it better") for number in book.read_again]
    return [
        {"stage": "extract", "item": f"{book_id} page {number}", "related": None, "reason": reason, "detail": detail}
        for number, reason, detail in sorted(told)
    ]
