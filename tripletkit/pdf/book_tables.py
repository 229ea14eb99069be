"""A book's PDF → rows of its pages, lines and passages: the whole of extraction for one file, without any writing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from tripletkit.encoding.tokens import CountTokens, token_counter
from tripletkit.errors import SourceError, TripletkitError
from tripletkit.ids import stable_id
from tripletkit.pdf.book_task import BookTables, BookTask, Columns, PassageLimits, Rows
from tripletkit.pdf.headings import PATH_MARK
from tripletkit.pdf.layout import MarkedBook, book_passages, mark_book
from tripletkit.pdf.pages import RawBook, read_book
from tripletkit.pdf.passages import Passage
from tripletkit.rules import Rules

_LINE_VALUES = ("page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1")


def read_book_task(task: BookTask) -> BookTables | str:
    """What the book holds, or what the user should know if it cannot be read. Worker processes call this."""
    with _without_garbage_collector():
        try:
            return extract_book(
                task.path,
                book_id=task.book_id,
                limits=task.limits,
                count_tokens=token_counter(task.encoder),
                rules=task.rules,
                backend=task.backend,
            )
        except TripletkitError as error:
            return str(error)


@contextmanager
def _without_garbage_collector() -> Iterator[None]:
    """A book makes a million objects and no cycles; looking for cycles would take a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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
    marked = mark_book(book, rules)
    passages, repeated = _passage_rows(book_passages(marked, limits, count_tokens, rules), marked.labels, book_id)
    return BookTables(
        title=book.title or path.stem,
        pages=_page_rows(book, marked, book_id),
        lines=_line_columns(book, marked, book_id),
        passages=passages,
        dropped=[*_dropped_pages(book, marked, book_id), *repeated],
    )


def _page_rows(book: RawBook, marked: MarkedBook, book_id: str) -> Rows:
    return [
        {"book_id": book_id, "page": page.number, "label": label, "role": role, "chars": page.chars}
        for page, label, role in zip(book.pages, marked.labels, marked.roles, strict=True)
    ]


def _line_columns(book: RawBook, marked: MarkedBook, book_id: str) -> Columns:
    lines = [line for page in book.lines for line in page]
    return {
        "book_id": [book_id] * len(lines),
        "line": [i for page in book.lines for i in range(len(page))],
        "kind": [kind for kinds in marked.kinds for kind in kinds],
        **{name: list(map(attrgetter(name), lines)) for name in _LINE_VALUES},
    }


def _passage_rows(passages: list[Passage], labels: list[str], book_id: str) -> tuple[Rows, Rows]:
    """Rows of passages, and of those left out because the same text was there before."""
    rows: Rows = []
    dropped: Rows = []
    first: dict[str, str] = {}
    for passage in passages:
        if passage.text in first:
            dropped.append(
                _dropped(book_id, passage.page_first, "repeated text", passage.text, related=first[passage.text])
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


def _dropped_pages(book: RawBook, marked: MarkedBook, book_id: str) -> Iterator[dict[str, object]]:
    """Pages whose text is missing, unreadable, or not PDFium's."""
    for page, role in zip(book.pages, marked.roles, strict=True):
        if page.again:
            yield _dropped(book_id, page.number, "first reading of page", "pdfplumber reads it better")
        if role == "image_only":
            yield _dropped(book_id, page.number, "image-only page", "no text layer")
        if page.complaint is not None:
            yield _dropped(book_id, page.number, "unreadable page", page.complaint)


def _dropped(book_id: str, page: int, reason: str, detail: str, *, related: str | None = None) -> dict[str, object]:
    return {
        "stage": "extract",
        "item": f"{book_id} page {page}",
        "related": related,
        "reason": reason,
        "detail": detail,
    }
